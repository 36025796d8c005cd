/*
 * test_echo_framing.c - the loop with messages: only whole ones come back, and nothing of one
 * before its end.
 */
#include "child/echo.h"

#include "../between.h"
#include "../proto/frame_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_MIN ((size_t)128 * 1024) /* what the loop holds at least */
#define ALL SIZE_MAX

/* ---- a stream that gives and takes piece by piece ---- */

struct talk {
    struct stream stream; /* first, so that the one is the other */
    const struct frame_params *params;
    const unsigned char *data; /* what the peer sends before it ends */
    size_t total;
    size_t give, take; /* the most of one read, and of one write; 0 = as `random` says */
    bool large;        /* too long to be judged anew at every write */
    bool silent;       /* the peer does not end, but says no more */
    uint32_t random;
    bool read_paused, write_paused; /* the last call was put off, as every other one is */
    size_t in, out;
};

static size_t draw(struct talk *talk, size_t most)
{
    talk->random = talk->random * 1664525 + 1013904223;
    return most > 0 ? most : 1 + (talk->random >> 8) % (2u << (talk->random >> 4) % 18);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Every other call is put off, so that the loop has time to write what it may. */
static bool put_off(bool *paused)
{
    *paused = !*paused;
    return *paused;
}

static enum stream_status give(struct stream *stream, void *data, size_t size, size_t *ret_n)
{
    struct talk *talk = (struct talk *)stream;
    size_t n = least(least(size, talk->total - talk->in), draw(talk, talk->give));

    assert_true(size > 0);
    if (put_off(&talk->read_paused) || (n == 0 && talk->silent))
        return STREAM_WANT_READ;
    if (n == 0)
        return STREAM_EOF;
    memcpy(data, talk->data + talk->in, n);
    talk->in += n;
    *ret_n = n;
    return STREAM_OK;
}

/* What may have come back by now. */
static size_t answerable(const struct talk *talk)
{
    struct reference wanted;

    if (talk->large)
        return talk->in;
    wanted = frame_reference(talk->params, talk->data, talk->in);
    return talk->in == talk->total && wanted.may_end && !wanted.too_long ? talk->total
                                                                         : wanted.whole;
}

static enum stream_status take(struct stream *stream, const void *data, size_t size, size_t *ret_n)
{
    struct talk *talk = (struct talk *)stream;
    size_t n = least(size, draw(talk, talk->take));

    assert_true(size > 0);
    if (put_off(&talk->write_paused))
        return STREAM_WANT_WRITE;
    assert_true(talk->out + size <= answerable(talk));
    assert_memory_equal(data, talk->data + talk->out, n);
    talk->out += n;
    *ret_n = n;
    return STREAM_OK;
}

static struct talk talk_of(const struct frame_params *params, const void *data, size_t n)
{
    static const struct stream_ops ops = {.read = give, .write = take};

    return (struct talk){.stream = {.ops = &ops, .end = END_RESET},
                         .params = params,
                         .data = data,
                         .total = n,
                         .give = ALL,
                         .take = ALL};
}

/* Hold the talk. Returns how many messages there were; the socket is always ready. */
static uint64_t hold(struct talk *talk, struct echo_limits limits, enum end end)
{
    struct record record = {.end = 0};

    limits.frame = *talk->params;
    talk->stream.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_string_equal(end_name(echo_run(&talk->stream, &limits, &record)), end_name(end));
    close(talk->stream.fd);
    assert_int_equal(record.bytes_out, talk->out);
    assert_between(talk->in - record.bytes_in, 0, 1); /* one tells who is over max_bytes */
    return record.messages;
}

static const struct echo_limits no_limits = {.deadline = DEADLINE_NEVER};

/* In pieces of all sizes, both ways. */
static void assert_talk(const struct frame_params *params, const char *data, size_t n, enum end end,
                        size_t out, uint64_t messages, const char *error)
{
    static const size_t takes[] = {1, 2, 5, ALL};

    for (size_t piece = 1; piece <= n; piece++) {
        for (size_t i = 0; i < sizeof(takes) / sizeof(*takes); i++) {
            struct talk talk = talk_of(params, data, n);

            talk.give = piece;
            talk.take = takes[i];
            assert_int_equal(hold(&talk, no_limits, end), messages);
            assert_int_equal(talk.out, out);
            assert_string_equal(talk.stream.error, error);
        }
    }
}

static const struct frame_params lines = {.framing = FRAMING_LINE, .max_message = 10};
static const struct frame_params marked = {
    .framing = FRAMING_MARKER, .marker = "END\n", .max_message = 10};
static const struct frame_params counted = {.framing = FRAMING_LENGTH, .max_message = 10};

/* ---- tests: whole messages ---- */

static void whole_messages_come_back(void **state)
{
    (void)state;
    assert_talk(&lines, "one\ntwo\r\n\n0123456789\n", 21, END_CLOSED, 21, 4, "");
    assert_talk(&marked, "oneEND\nEND\nENEND\n", 17, END_CLOSED, 17, 3, "");
    assert_talk(&counted, "\0\0\0\3one\0\0\0\0\0\0\0\2ok", 17, END_CLOSED, 17, 3, "");
    assert_talk(&lines, "", 0, END_CLOSED, 0, 0, "");
}

static void a_stream_has_no_messages(void **state)
{
    static const struct frame_params stream = {.framing = FRAMING_STREAM, .max_message = 1};

    (void)state;
    assert_talk(&stream, "one\ntwo and no end", 18, END_CLOSED, 18, 0, "");
}

/* The peer says no more, but its socket stays open: the part stays where it is. */
static void a_part_waits_for_its_end(void **state)
{
    const struct echo_limits limits = {.deadline = deadline_in(50 * USEC_PER_MSEC)};
    struct talk talk = talk_of(&lines, "one\ntw", 6);

    (void)state;
    talk.silent = true;
    assert_int_equal(hold(&talk, limits, END_SESSION_TIMEOUT), 1);
    assert_int_equal(talk.in, 6);
    assert_int_equal(talk.out, 4);
}

/* ---- tests: too long ---- */

static void messages_before_a_too_long_one_come_back(void **state)
{
    (void)state;
    assert_talk(&lines, "one\ntwo\r\n0123456789x\nok\n", 24, END_MESSAGE_TOO_LONG, 9, 2, "");
    assert_talk(&lines, "one\n0123456789\rx\n", 17, END_MESSAGE_TOO_LONG, 4, 1, "");
    assert_talk(&marked, "oneEND\n0123456789ENx", 20, END_MESSAGE_TOO_LONG, 7, 1, "");
    assert_talk(&counted, "\0\0\0\3one\0\0\0\x0b", 11, END_MESSAGE_TOO_LONG, 7, 1, "");
    assert_talk(&counted, "\xff\xff\xff\xff", 4, END_MESSAGE_TOO_LONG, 0, 0, "");
}

/* Nothing is read that no longer matters. */
static void nothing_is_read_after_a_too_long_message(void **state)
{
    struct talk talk = talk_of(&lines, "one\n0123456789xyz\nok\n", 21);

    (void)state;
    talk.give = 1;
    hold(&talk, no_limits, END_MESSAGE_TOO_LONG);
    assert_int_equal(talk.in, 15);
}

/* ---- tests: the end of the stream ---- */

static const char inside[] = "the stream ended inside a message";

static void an_end_inside_a_message_is_truncated(void **state)
{
    (void)state;
    assert_talk(&lines, "one\ntwo", 7, END_TRUNCATED, 4, 1, inside);
    assert_talk(&lines, "one\n\r", 5, END_TRUNCATED, 4, 1, inside);
    assert_talk(&lines, "one", 3, END_TRUNCATED, 0, 0, inside);
    assert_talk(&counted, "\0\0\0\1x\0\0\0\2y", 10, END_TRUNCATED, 5, 1, inside);
    assert_talk(&counted, "\0\0\0\0\0", 5, END_TRUNCATED, 4, 1, inside);
    assert_talk(&counted, "\0\0\0\4", 4, END_TRUNCATED, 0, 0, inside);
}

static void what_follows_the_last_marker_is_a_message(void **state)
{
    (void)state;
    assert_talk(&marked, "oneEND\ntwo", 10, END_CLOSED, 10, 2, "");
    assert_talk(&marked, "oneEND\nEN", 9, END_CLOSED, 9, 2, "");
    assert_talk(&marked, "one", 3, END_CLOSED, 3, 1, "");
}

/* TLS without close_notify: what had come is answered as it is after an end in order. */
static void a_truncated_stream_stays_truncated(void **state)
{
    struct talk whole = talk_of(&lines, "one\n", 4), rest = talk_of(&marked, "oneEND\ntwo", 10);
    struct talk part = talk_of(&lines, "one\ntwo", 7);

    (void)state;
    whole.stream.truncated = rest.stream.truncated = part.stream.truncated = true;
    assert_int_equal(hold(&whole, no_limits, END_TRUNCATED), 1);
    assert_int_equal(whole.out, 4);
    assert_int_equal(hold(&rest, no_limits, END_TRUNCATED), 2);
    assert_int_equal(rest.out, 10);
    assert_int_equal(hold(&part, no_limits, END_TRUNCATED), 1);
    assert_int_equal(part.out, 4);
}

/* ---- tests: other limits ---- */

static void max_bytes_inside_a_message_leaves_its_part(void **state)
{
    const struct echo_limits limits = {.deadline = DEADLINE_NEVER, .max_bytes = 6};

    (void)state;
    for (size_t piece = 1; piece <= 8; piece++) {
        struct talk talk = talk_of(&lines, "one\ntwo\n", 8);

        talk.give = piece;
        assert_int_equal(hold(&talk, limits, END_MAX_BYTES), 1);
        assert_int_equal(talk.out, 4);
        assert_int_equal(talk.in, 7);
    }
}

/* ---- tests: large messages ---- */

/* `n` messages of `size` bytes of content each, which differ. */
static unsigned char *make_messages(const struct frame_params *params, size_t size, size_t n,
                                    size_t *ret_total)
{
    size_t length = size + (params->framing == FRAMING_LENGTH ? FRAME_HEADER : 1);
    unsigned char *data = malloc(n * length), *message = data;

    assert_non_null(data);
    for (size_t i = 0; i < n; i++, message += length) {
        unsigned char *content = message + (length - size > 1 ? FRAME_HEADER : 0);

        for (size_t j = 0; j < size; j++)
            content[j] = (unsigned char)('a' + ((i * size + j) * 2654435761u >> 20) % 26);
        if (params->framing == FRAMING_LINE)
            message[size] = '\n';
        for (size_t j = 0; params->framing == FRAMING_LENGTH && j < FRAME_HEADER; j++)
            message[j] = (unsigned char)(size >> 8 * (FRAME_HEADER - 1 - j));
    }
    *ret_total = n * length;
    return data;
}

static void assert_large(int framing, size_t size, size_t n, size_t give, size_t take)
{
    const struct frame_params params = {.framing = framing, .max_message = (int)size};
    size_t total;
    unsigned char *data = make_messages(&params, size, n, &total);
    struct talk talk = talk_of(&params, data, total);

    talk.large = true;
    talk.give = give;
    talk.take = take;
    talk.random = (uint32_t)(size + n);
    assert_int_equal(hold(&talk, no_limits, END_CLOSED), n);
    assert_int_equal(talk.out, total);
    free(data);
}

static void messages_of_a_mebibyte_come_back(void **state)
{
    (void)state;
    assert_large(FRAMING_LINE, 1 << 20, 3, ALL, ALL);
    assert_large(FRAMING_LINE, 1 << 20, 3, 65536, 40000);
    assert_large(FRAMING_LENGTH, 1 << 20, 5, 0, 0);
}

/* Around the room that the loop has in any case, and up to the largest message there may be. */
static void messages_larger_than_the_least_room_come_back(void **state)
{
    (void)state;
    for (size_t size = BUFFER_MIN - 5; size <= BUFFER_MIN + 1; size++) {
        assert_large(FRAMING_LINE, size, 4, 50000, 40001);
        assert_large(FRAMING_LENGTH, size, 4, 0, 0);
    }
    assert_large(FRAMING_LENGTH, FRAME_MESSAGE_MAX, 2, 1000000, 900000);
}

/* The ring wraps within messages, and with parts of one in it while another one is written. */
static void messages_go_round_the_ring(void **state)
{
    (void)state;
    for (size_t size = 1; size < 400000; size = size * 5 + 3) {
        assert_large(FRAMING_LINE, size, 2000000 / size, 0, 0);
        assert_large(FRAMING_LENGTH, size, 2000000 / size, 0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_come_back),
        cmocka_unit_test(a_stream_has_no_messages),
        cmocka_unit_test(a_part_waits_for_its_end),
        cmocka_unit_test(messages_before_a_too_long_one_come_back),
        cmocka_unit_test(nothing_is_read_after_a_too_long_message),
        cmocka_unit_test(an_end_inside_a_message_is_truncated),
        cmocka_unit_test(what_follows_the_last_marker_is_a_message),
        cmocka_unit_test(a_truncated_stream_stays_truncated),
        cmocka_unit_test(max_bytes_inside_a_message_leaves_its_part),
        cmocka_unit_test(messages_of_a_mebibyte_come_back),
        cmocka_unit_test(messages_larger_than_the_least_room_come_back),
        cmocka_unit_test(messages_go_round_the_ring),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests_name("echo framing", tests, NULL, NULL);
}
