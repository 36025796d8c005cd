/*
 * test_frame_splits.c - a stream means the same however it is cut, and what the plain way of
 * frame_reference.h says.
 */
#include "frame_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define LIMIT 10
#define LENGTH_MAX 400

/* A stream that is fed piece by piece and compared all the time. */
struct feeding {
    struct frame_params params;
    const unsigned char *data;
    struct frame frame;
    size_t fed, whole;
    bool too_long;
};

static void begin(struct feeding *feeding, const struct frame_params *params,
                  const unsigned char *data)
{
    *feeding = (struct feeding){.params = *params, .data = data};
    frame_open(&feeding->frame, &feeding->params);
}

/* Feed up to byte `end`, if nothing was too long before. */
static void feed_up_to(struct feeding *feeding, size_t end)
{
    struct reference wanted = frame_reference(&feeding->params, feeding->data, end);
    size_t whole = SIZE_MAX;

    if (feeding->too_long)
        return;
    feeding->too_long =
        !frame_feed(&feeding->frame, feeding->data + feeding->fed, end - feeding->fed, &whole);
    assert_true(whole <= end - feeding->fed);
    if (whole > 0)
        feeding->whole = feeding->fed + whole;
    feeding->fed = end;
    assert_int_equal(feeding->too_long, wanted.too_long);
    assert_int_equal(feeding->whole, wanted.whole);
    assert_int_equal(feeding->frame.messages, wanted.messages);
}

/* All has been fed: the end is judged alike too. */
static void end_stream(struct feeding *feeding)
{
    struct reference wanted = frame_reference(&feeding->params, feeding->data, feeding->fed);
    bool is_rest = wanted.may_end && wanted.whole < feeding->fed;

    if (feeding->too_long)
        return;
    assert_int_equal(frame_end(&feeding->frame), wanted.may_end);
    assert_int_equal(feeding->frame.messages, wanted.messages + (is_rest ? 1 : 0));
}

static void check_cut(const struct frame_params *params, const unsigned char *data, size_t n,
                      size_t first, size_t second)
{
    struct feeding feeding;

    begin(&feeding, params, data);
    feed_up_to(&feeding, first);
    feed_up_to(&feeding, second);
    feed_up_to(&feeding, n);
    end_stream(&feeding);
}

static void check_bytewise(const struct frame_params *params, const unsigned char *data, size_t n)
{
    struct feeding feeding;

    begin(&feeding, params, data);
    for (size_t i = 1; i <= n; i++)
        feed_up_to(&feeding, i);
    end_stream(&feeding);
}

/* Whole, byte by byte, and cut at every pair of places, which holds whole and cut in two. */
static void check_every_cut(const struct frame_params *params, const void *data, size_t n)
{
    check_bytewise(params, data, n);
    for (size_t first = 0; first <= n; first++)
        for (size_t second = first; second <= n; second++)
            check_cut(params, data, n, first, second);
}

static void check_texts(const struct frame_params *params, const char *const *texts)
{
    for (; *texts; texts++)
        check_every_cut(params, *texts, strlen(*texts));
}

/* ---- every cut ---- */

static void stream_is_the_same_however_cut(void **state)
{
    const struct frame_params params = {.framing = FRAMING_STREAM, .max_message = LIMIT};

    (void)state;
    check_every_cut(&params, "more than the limit\nEND\n\r\n", 26);
}

static void lines_are_the_same_however_cut(void **state)
{
    const struct frame_params params = {.framing = FRAMING_LINE, .max_message = LIMIT};
    static const char *const texts[] = {"one\ntwo\r\n\nfour\r\r\nfive",
                                        "\n\n\r\n\r\r\n\n",
                                        "0123456789\n0123456789\r\n012345678\r\r\n",
                                        "ok\r\n0123456789x\nok\n",
                                        "0123456789\r\r\n",
                                        "0123456789\rx\n",
                                        "one\r\n0123456789\r",
                                        NULL};

    (void)state;
    check_texts(&params, texts);
}

static void marked_messages_are_the_same_however_cut(void **state)
{
    struct frame_params params = {.framing = FRAMING_MARKER, .max_message = LIMIT};
    static const char *const markers[] = {"END\n", "ENDEND", "aab", "\n\n", "aa", "x", "aabaaab"};
    static const char *const texts[] = {"oneEND\nEND\nENEND\ntwo",
                                        "ENDENDENDENxENDENDxENDEND",
                                        "aaabaabaaaaaabab",
                                        "one\n\n\ntwo\n\n\n\n",
                                        "aabaabaaabaaabaaab",
                                        "0123456789ENDEND\n",
                                        "aaaaaaaaaaaaaab",
                                        "0123456789EN0123456789END",
                                        "xx0123456789xyx",
                                        "0123456789\n\n0123\n",
                                        NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(markers) / sizeof(*markers); i++) {
        params.marker = markers[i];
        check_texts(&params, texts);
    }
}

static void counted_messages_are_the_same_however_cut(void **state)
{
    const struct frame_params params = {.framing = FRAMING_LENGTH, .max_message = LIMIT};

    (void)state;
    check_every_cut(&params, "\0\0\0\3one\0\0\0\0\0\0\0\5three\0\0", 22);
    check_every_cut(&params,
                    "\0\0\0\x0a"
                    "0123456789\0\0\0\1x\0\0\0\x0b"
                    "0123456789x",
                    34);
    check_every_cut(&params, "\0\0\0\0\0\0\0\0\xff\xff\xff\xff", 12);
    check_every_cut(&params, "\0\0\0\4\0\0\0\4\0\0\0\4\1\2\3", 15);
}

/* ---- random streams ---- */

static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

/* Few different bytes, so that ends, beginnings of ends and small lengths are common. */
static size_t draw_stream(unsigned char *data, const char *alphabet, size_t n_alphabet)
{
    size_t n = draw(LENGTH_MAX);

    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)alphabet[draw((uint32_t)n_alphabet)];
    return n;
}

static void check_random_cuts(const struct frame_params *params, const unsigned char *data,
                              size_t n)
{
    struct feeding feeding;

    check_bytewise(params, data, n);
    begin(&feeding, params, data);
    while (feeding.fed < n) {
        size_t piece = 1 + draw(20);

        feed_up_to(&feeding, feeding.fed + piece < n ? feeding.fed + piece : n);
        if (feeding.too_long)
            break;
    }
    end_stream(&feeding);
}

/* Seeded, so that what fails once fails always. */
static void check_random_streams(struct frame_params params, const char *alphabet, size_t n)
{
    unsigned char data[LENGTH_MAX];

    for (random_state = 1; random_state < 200; random_state++) {
        uint32_t seed = random_state;
        size_t length;

        params.max_message = (int)(1 + draw(60));
        length = draw_stream(data, alphabet, n);
        check_random_cuts(&params, data, length);
        random_state = seed;
    }
}

static void random_lines_are_as_the_plain_way_says(void **state)
{
    (void)state;
    check_random_streams((struct frame_params){.framing = FRAMING_LINE}, "ab\r\n\r\nccc", 9);
    check_random_streams((struct frame_params){.framing = FRAMING_LINE}, "abcdefghijk\r\n", 13);
}

static void random_marked_messages_are_as_the_plain_way_says(void **state)
{
    static const char *const markers[] = {"aab", "ab", "abab", "aa", "aabaab", "abaababaab", "b"};
    struct frame_params params = {.framing = FRAMING_MARKER};

    (void)state;
    for (size_t i = 0; i < sizeof(markers) / sizeof(*markers); i++) {
        params.marker = markers[i];
        check_random_streams(params, "ab", 2);
        check_random_streams(params, "aaabbc", 6);
    }
}

static void random_counted_messages_are_as_the_plain_way_says(void **state)
{
    (void)state;
    check_random_streams((struct frame_params){.framing = FRAMING_LENGTH},
                         "\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4", 16);
    check_random_streams((struct frame_params){.framing = FRAMING_LENGTH}, "\0\1", 2);
}

/* ---- the room for them ---- */

/*
 * The most bytes of a stream that had to be held, the byte that let them go included. A longer
 * message is no reason to hold more: nothing is let go for it.
 */
static size_t most_held(const struct frame_params *params, const unsigned char *data, size_t n)
{
    size_t held = 0, most = 0, whole;
    struct frame frame;

    frame_open(&frame, params);
    for (size_t i = 0; i < n && frame_feed(&frame, data + i, 1, &whole); i++) {
        held++;
        if (held > most)
            most = held;
        if (whole > 0)
            held = 0;
    }
    return most;
}

static void check_room(struct frame_params params, const char *alphabet, size_t n)
{
    unsigned char data[LENGTH_MAX];
    size_t most = 0;

    params.max_message = LIMIT;
    for (random_state = 1; random_state < 2000; random_state++) {
        uint32_t seed = random_state;
        size_t length = draw_stream(data, alphabet, n), held = most_held(&params, data, length);

        most = held > most ? held : most;
        random_state = seed;
    }
    assert_int_equal(most, frame_room(&params)); /* enough, and no byte too many */
}

static void the_room_is_enough_for_any_message(void **state)
{
    const struct frame_params stream = {.framing = FRAMING_STREAM, .max_message = LIMIT};

    (void)state;
    check_room((struct frame_params){.framing = FRAMING_LINE}, "abc\r\n", 5);
    check_room((struct frame_params){.framing = FRAMING_MARKER, .marker = "aab"}, "aabb", 4);
    check_room((struct frame_params){.framing = FRAMING_MARKER, .marker = "\n\n"}, "\n\nabc", 5);
    check_room((struct frame_params){.framing = FRAMING_LENGTH}, "\0\0\0\0\0\0\0\0\0\0\0\0\n\5",
               14);
    assert_int_equal(frame_room(&stream), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_is_the_same_however_cut),
        cmocka_unit_test(lines_are_the_same_however_cut),
        cmocka_unit_test(marked_messages_are_the_same_however_cut),
        cmocka_unit_test(counted_messages_are_the_same_however_cut),
        cmocka_unit_test(random_lines_are_as_the_plain_way_says),
        cmocka_unit_test(random_marked_messages_are_as_the_plain_way_says),
        cmocka_unit_test(random_counted_messages_are_as_the_plain_way_says),
        cmocka_unit_test(the_room_is_enough_for_any_message),
    };

    return cmocka_run_group_tests_name("frame splits", tests, NULL, NULL);
}
