/* test_frame.c - where messages end, and which of them are too long; see test_frame_splits.c. */
#include "proto/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 10 /* max_message of most tests */

static const struct frame_params lines = {.framing = FRAMING_LINE, .max_message = LIMIT};
static const struct frame_params lengths = {.framing = FRAMING_LENGTH, .max_message = LIMIT};

static struct frame_params marked(const char *marker)
{
    return (struct frame_params){.framing = FRAMING_MARKER, .marker = marker, .max_message = LIMIT};
}

/* Feed the next bytes, which are good. Returns how many of them are of whole messages. */
static size_t feed(struct frame *frame, const void *data, size_t n)
{
    size_t whole = SIZE_MAX;

    assert_true(frame_feed(frame, data, n, &whole));
    return whole;
}

static size_t feed_text(struct frame *frame, const char *text)
{
    return feed(frame, text, strlen(text));
}

/* Feed bytes in which a message gets too long. Returns what came before it. */
static size_t feed_too_long(struct frame *frame, const void *data, size_t n)
{
    size_t whole = SIZE_MAX;

    assert_false(frame_feed(frame, data, n, &whole));
    return whole;
}

static void assert_messages(const struct frame_params *params, const char *text, size_t whole,
                            uint64_t messages)
{
    struct frame frame;

    frame_open(&frame, params);
    assert_int_equal(feed_text(&frame, text), whole);
    assert_int_equal(frame.messages, messages);
}

static void assert_too_long(const struct frame_params *params, const void *data, size_t n,
                            size_t whole, uint64_t messages)
{
    struct frame frame;

    frame_open(&frame, params);
    assert_int_equal(feed_too_long(&frame, data, n), whole);
    assert_int_equal(frame.messages, messages);
}

static void assert_text_too_long(const struct frame_params *params, const char *text, size_t whole,
                                 uint64_t messages)
{
    assert_too_long(params, text, strlen(text), whole, messages);
}

/* ---- stream ---- */

static void stream_has_no_messages(void **state)
{
    const struct frame_params params = {.framing = FRAMING_STREAM, .max_message = LIMIT};
    struct frame frame;

    (void)state;
    frame_open(&frame, &params);
    assert_int_equal(feed_text(&frame, "a line\nand END\n and far more than the limit"), 43);
    assert_int_equal(feed(&frame, "", 0), 0);
    assert_int_equal(feed_text(&frame, "x"), 1);
    assert_int_equal(frame.messages, 0);
    assert_true(frame_end(&frame));
    assert_int_equal(frame.messages, 0);
}

/* ---- line ---- */

static void lines_end_with_lf(void **state)
{
    (void)state;
    assert_messages(&lines, "", 0, 0);
    assert_messages(&lines, "one", 0, 0);
    assert_messages(&lines, "one\n", 4, 1);
    assert_messages(&lines, "one\r\n", 5, 1);
    assert_messages(&lines, "one\ntwo\r\nthr", 9, 2);
    assert_messages(&lines, "\n", 1, 1);
    assert_messages(&lines, "\n\r\n\n", 4, 3);
}

static void cr_alone_ends_no_line(void **state)
{
    (void)state;
    assert_messages(&lines, "one\r", 0, 0);
    assert_messages(&lines, "one\rtwo\n", 8, 1);
    assert_messages(&lines, "one\r\r\n", 6, 1);
}

/* The end of the line, LF or CR LF, does not count; a CR elsewhere does. */
static void a_line_is_as_long_as_its_content(void **state)
{
    (void)state;
    assert_messages(&lines, "012345678\n", 10, 1);
    assert_messages(&lines, "0123456789\n", 11, 1);
    assert_messages(&lines, "0123456789\r\n", 12, 1);
    assert_messages(&lines, "012345678\r\r\n", 12, 1);
    assert_text_too_long(&lines, "0123456789x\n", 0, 0);
    assert_text_too_long(&lines, "0123456789x\r\n", 0, 0);
    assert_text_too_long(&lines, "0123456789\r\r\n", 0, 0);
}

/* Without waiting for an end that may never come; but a CR may be the beginning of one. */
static void a_line_is_too_long_at_once(void **state)
{
    struct frame frame;

    (void)state;
    assert_text_too_long(&lines, "0123456789x", 0, 0);
    frame_open(&frame, &lines);
    assert_int_equal(feed_text(&frame, "0123456789"), 0);
    assert_int_equal(feed_text(&frame, "\r"), 0);
    assert_int_equal(feed_too_long(&frame, "x", 1), 0);
    frame_open(&frame, &lines);
    assert_int_equal(feed_text(&frame, "0123456789\r"), 0);
    assert_int_equal(feed_text(&frame, "\n"), 1);
    frame_open(&frame, &lines);
    assert_int_equal(feed_text(&frame, "0123456789\r"), 0);
    assert_int_equal(feed_too_long(&frame, "\r", 1), 0);
}

static void lines_before_a_too_long_one_count(void **state)
{
    struct frame frame;

    (void)state;
    assert_text_too_long(&lines, "one\ntwo\r\n0123456789x\nthree\n", 9, 2);
    frame_open(&frame, &lines);
    assert_int_equal(feed_text(&frame, "one\n01234"), 4);
    assert_int_equal(feed_too_long(&frame, "56789x", 6), 0);
    assert_int_equal(frame.messages, 1);
}

/* ---- marker ---- */

static void messages_end_with_the_marker(void **state)
{
    const struct frame_params params = marked("END\n");

    (void)state;
    assert_messages(&params, "one END\n", 8, 1);
    assert_messages(&params, "END\n", 4, 1);
    assert_messages(&params, "oneEND\nEND\ntwo", 11, 2);
    assert_messages(&params, "one EN", 0, 0);
    assert_messages(&params, "one END", 0, 0);
    assert_messages(&params, "EEND\nEENEND\n", 12, 2);
    assert_messages(&params, "end\nENd\nEND", 0, 0);
}

/* Where the search goes back to a shorter beginning, and not to none. */
static void markers_may_overlap_themselves(void **state)
{
    const struct frame_params endend = marked("ENDEND"), aab = marked("aab"),
                              feeds = marked("\n\n"), deep = marked("aabaaab");

    (void)state;
    assert_messages(&endend, "ENDENDEND", 6, 1);
    assert_messages(&endend, "ENDENxENDEND", 12, 1);
    assert_messages(&endend, "ENDxENDENDENDEN", 10, 1);
    assert_messages(&endend, "ENDENENDEND", 11, 1);
    assert_messages(&aab, "aaab", 4, 1);
    assert_messages(&aab, "aaaaaaabaab", 11, 2);
    assert_messages(&feeds, "one\n\n\ntwo\n\n", 11, 2);
    assert_messages(&feeds, "\n\n\n", 2, 1);
    assert_messages(&deep, "aabaabaaab", 10, 1);
    assert_messages(&deep, "aabaaabaaab", 7, 1);
}

static void markers_of_any_length_are_found(void **state)
{
    char marker[FRAME_MARKER_MAX + 1], text[2 * FRAME_MARKER_MAX + 1];
    struct frame_params params = marked("x");

    (void)state;
    assert_messages(&params, "xxyx", 4, 3);
    /* as many fallbacks as there can be, and one byte too many before the last one */
    memset(marker, 'a', sizeof(marker));
    marker[FRAME_MARKER_MAX - 1] = 'b';
    marker[FRAME_MARKER_MAX] = '\0';
    params = marked(marker);
    params.max_message = 1;
    memset(text, 'a', FRAME_MARKER_MAX);
    memcpy(text + FRAME_MARKER_MAX, "b", 2);
    assert_messages(&params, text, FRAME_MARKER_MAX + 1, 1);
    assert_messages(&params, text + 1, FRAME_MARKER_MAX, 1);
    params.max_message = FRAME_MARKER_MAX;
    assert_messages(&params, text + 2, 0, 0);
}

static void markers_may_have_any_byte(void **state)
{
    const struct frame_params params = marked("\xff\x80\x01");

    (void)state;
    assert_messages(&params, "\xff\xff\x80\x01", 4, 1);
    assert_messages(&params, "\x7f\x80\x01", 0, 0);
}

static void a_nul_byte_is_content(void **state)
{
    const struct frame_params params = marked("END");
    struct frame frame;

    (void)state;
    frame_open(&frame, &params);
    assert_int_equal(feed(&frame, "EN\0D\0END\0", 9), 8);
    frame_open(&frame, &lines);
    assert_int_equal(feed(&frame, "\0\0\n\0", 4), 3);
}

static void a_marked_message_is_as_long_as_its_content(void **state)
{
    const struct frame_params params = marked("END\n"), aab = marked("aab");

    (void)state;
    assert_messages(&params, "012345678END\n", 13, 1);
    assert_messages(&params, "0123456789END\n", 14, 1);
    assert_text_too_long(&params, "0123456789xEND\n", 0, 0);
    assert_messages(&aab, "aaaaaaaaaaaab", 13, 1);
    assert_text_too_long(&aab, "aaaaaaaaaaaaab", 0, 0);
}

/* What may yet become the marker does not count, until a byte comes that does not fit. */
static void a_marked_message_is_too_long_at_once(void **state)
{
    const struct frame_params params = marked("END\n");
    struct frame frame;

    (void)state;
    assert_text_too_long(&params, "0123456789x", 0, 0);
    frame_open(&frame, &params);
    assert_int_equal(feed_text(&frame, "0123456789END"), 0);
    assert_int_equal(feed_text(&frame, "\n"), 1);
    assert_int_equal(feed_text(&frame, "0123456789END"), 0);
    assert_int_equal(feed_too_long(&frame, "x", 1), 0);
    frame_open(&frame, &params);
    assert_int_equal(feed_text(&frame, "0123456789EN"), 0);
    assert_int_equal(feed_too_long(&frame, "END\n", 4), 0);
}

static void marked_messages_before_a_too_long_one_count(void **state)
{
    const struct frame_params params = marked("END\n");

    (void)state;
    assert_text_too_long(&params, "oneEND\nEND\n0123456789xEND\nEND\n", 11, 2);
}

/* ---- length ---- */

static void assert_counted(const char *data, size_t n, size_t whole, uint64_t messages)
{
    struct frame frame;

    frame_open(&frame, &lengths);
    assert_int_equal(feed(&frame, data, n), whole);
    assert_int_equal(frame.messages, messages);
}

/* A text with NUL bytes in it. */
#define ASSERT_COUNTED(text, whole, messages)                                                      \
    assert_counted(text, sizeof(text) - 1, whole, messages)

static void messages_are_as_long_as_they_say(void **state)
{
    (void)state;
    ASSERT_COUNTED("", 0, 0);
    ASSERT_COUNTED("\0\0\0", 0, 0);
    ASSERT_COUNTED("\0\0\0\1", 0, 0);
    ASSERT_COUNTED("\0\0\0\1x", 5, 1);
    ASSERT_COUNTED("\0\0\0\3one\0\0\0\3two\0\0\0\5thre", 14, 2);
    ASSERT_COUNTED("\0\0\0\4\0\0\0\0\0\0\0\1x", 13, 2);
}

static void a_length_of_zero_is_a_message(void **state)
{
    (void)state;
    ASSERT_COUNTED("\0\0\0\0", 4, 1);
    ASSERT_COUNTED("\0\0\0\0\0\0\0\0\0\0\0", 8, 2);
    ASSERT_COUNTED("\0\0\0\0\0\0\0\1x\0\0\0\0", 13, 3);
}

static void lengths_are_big_endian(void **state)
{
    const struct frame_params params = {.framing = FRAMING_LENGTH,
                                        .max_message = FRAME_MESSAGE_MAX};
    static const unsigned char header[] = {0x00, 0x01, 0x02, 0x03};
    unsigned char *content = calloc(1, 0x010203);
    struct frame frame;

    (void)state;
    assert_non_null(content);
    frame_open(&frame, &params);
    assert_int_equal(feed(&frame, header, 4), 0);
    assert_int_equal(feed(&frame, content, 0x010202), 0);
    assert_int_equal(feed(&frame, content, 1), 1);
    assert_int_equal(frame.messages, 1);
    free(content);
}

/* Its header alone tells, and not before its last byte. */
static void a_length_above_the_limit_is_too_long_at_once(void **state)
{
    struct frame frame;

    (void)state;
    ASSERT_COUNTED("\0\0\0\x09"
                   "012345678",
                   13, 1);
    ASSERT_COUNTED("\0\0\0\x0a"
                   "0123456789",
                   14, 1);
    assert_too_long(&lengths, "\0\0\0\x0b", 4, 0, 0);
    assert_too_long(&lengths, "\xff\xff\xff\xff", 4, 0, 0);
    assert_too_long(&lengths, "\x80\0\0\0", 4, 0, 0);
    frame_open(&frame, &lengths);
    assert_int_equal(feed(&frame, "\xff\xff\xff", 3), 0);
    assert_int_equal(feed_too_long(&frame, "\xff", 1), 0);
}

static void counted_messages_before_a_too_long_one_count(void **state)
{
    (void)state;
    assert_too_long(&lengths, "\0\0\0\2hi\0\0\0\0\0\0\0\x0b", 14, 10, 2);
}

/* ---- the limit at its ends ---- */

/* One message of `size` bytes of content and its end, in one piece. Returns the verdict. */
static bool takes_message(const struct frame_params *params, const char *end, size_t size)
{
    size_t n = size + strlen(end), whole;
    char *message = malloc(n);
    struct frame frame;
    bool taken;

    assert_non_null(message);
    memset(message, '.', size);
    memcpy(message + size, end, strlen(end));
    frame_open(&frame, params);
    taken = frame_feed(&frame, message, n, &whole);
    assert_int_equal(whole, taken ? n : 0);
    free(message);
    return taken;
}

static void assert_limit(struct frame_params params, const char *end, int limit)
{
    params.max_message = limit;
    assert_true(takes_message(&params, end, (size_t)limit - 1));
    assert_true(takes_message(&params, end, (size_t)limit));
    assert_false(takes_message(&params, end, (size_t)limit + 1));
}

static void limits_hold_from_the_smallest_to_the_largest(void **state)
{
    static const int limits[] = {1, 2, 255, 256, 65535, 65536, 1048576, FRAME_MESSAGE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        assert_limit(lines, "\n", limits[i]);
        assert_limit(lines, "\r\n", limits[i]);
        assert_limit(marked("END\n"), "END\n", limits[i]);
        assert_limit(marked("..-"), "..-", limits[i]);
    }
}

/* ---- the end of the stream ---- */

static void assert_end(const struct frame_params *params, const char *text, bool may_end,
                       uint64_t messages)
{
    struct frame frame;

    frame_open(&frame, params);
    feed_text(&frame, text);
    assert_int_equal(frame_end(&frame), may_end);
    assert_int_equal(frame.messages, messages);
}

static void lines_must_end(void **state)
{
    (void)state;
    assert_end(&lines, "", true, 0);
    assert_end(&lines, "one\n", true, 1);
    assert_end(&lines, "one\r\n", true, 1);
    assert_end(&lines, "one", false, 0);
    assert_end(&lines, "\r", false, 0);
    assert_end(&lines, "one\ntwo", false, 1);
}

static void the_last_marker_may_be_left_out(void **state)
{
    const struct frame_params params = marked("END\n");

    (void)state;
    assert_end(&params, "", true, 0);
    assert_end(&params, "oneEND\n", true, 1);
    assert_end(&params, "one", true, 1);
    assert_end(&params, "oneEND\ntwo", true, 2);
    assert_end(&params, "oneEND\nEN", true, 2);
    assert_end(&params, "oneEND\nEND", true, 2);
}

static void counted_messages_must_end(void **state)
{
    struct frame frame;

    (void)state;
    assert_end(&lengths, "", true, 0);
    frame_open(&frame, &lengths);
    assert_int_equal(feed(&frame, "\0\0\0\2ok", 6), 6);
    assert_true(frame_end(&frame));
    assert_int_equal(feed(&frame, "\0", 1), 0);
    assert_false(frame_end(&frame));
    assert_int_equal(feed(&frame, "\0\0\1", 3), 0);
    assert_false(frame_end(&frame));
    assert_int_equal(frame.messages, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_has_no_messages),
        cmocka_unit_test(lines_end_with_lf),
        cmocka_unit_test(cr_alone_ends_no_line),
        cmocka_unit_test(a_line_is_as_long_as_its_content),
        cmocka_unit_test(a_line_is_too_long_at_once),
        cmocka_unit_test(lines_before_a_too_long_one_count),
        cmocka_unit_test(messages_end_with_the_marker),
        cmocka_unit_test(markers_may_overlap_themselves),
        cmocka_unit_test(markers_of_any_length_are_found),
        cmocka_unit_test(markers_may_have_any_byte),
        cmocka_unit_test(a_nul_byte_is_content),
        cmocka_unit_test(a_marked_message_is_as_long_as_its_content),
        cmocka_unit_test(a_marked_message_is_too_long_at_once),
        cmocka_unit_test(marked_messages_before_a_too_long_one_count),
        cmocka_unit_test(messages_are_as_long_as_they_say),
        cmocka_unit_test(a_length_of_zero_is_a_message),
        cmocka_unit_test(lengths_are_big_endian),
        cmocka_unit_test(a_length_above_the_limit_is_too_long_at_once),
        cmocka_unit_test(counted_messages_before_a_too_long_one_count),
        cmocka_unit_test(limits_hold_from_the_smallest_to_the_largest),
        cmocka_unit_test(lines_must_end),
        cmocka_unit_test(the_last_marker_may_be_left_out),
        cmocka_unit_test(counted_messages_must_end),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
