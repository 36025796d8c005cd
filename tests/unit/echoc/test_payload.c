/* test_payload.c - messages that differ from each other, and are one message each. */
#include "echoc/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define SIZE_LIMIT 5000
#define GUARD 16

static const struct frame_params framings[] = {
    {.framing = FRAMING_STREAM, .max_message = SIZE_LIMIT},
    {.framing = FRAMING_LINE, .max_message = SIZE_LIMIT},
    {.framing = FRAMING_LENGTH, .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "END\n", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "aab", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "a", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "-", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "--a", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "zaza", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "\n\n", .max_message = SIZE_LIMIT},
    {.framing = FRAMING_MARKER, .marker = "\xff", .max_message = SIZE_LIMIT},
};
#define N_FRAMINGS (sizeof(framings) / sizeof(*framings))

static const size_t sizes[] = {0, 1, 2, 7, 8, 9, 63, 64, 65, 1000, 4096, SIZE_LIMIT};
#define N_SIZES (sizeof(sizes) / sizeof(*sizes))

static struct payload payload_of(size_t framing, size_t size)
{
    return (struct payload){.frame = &framings[framing], .seed = 42, .size = size};
}

static unsigned char one[SIZE_LIMIT + FRAME_MARKER_MAX + GUARD],
    another[SIZE_LIMIT + FRAME_MARKER_MAX + GUARD];

static void lengths_hold_what_the_framing_adds(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        const struct payload stream = payload_of(0, sizes[i]), line = payload_of(1, sizes[i]),
                             length = payload_of(2, sizes[i]), marker = payload_of(3, sizes[i]);

        assert_int_equal(payload_length(&stream), sizes[i]);
        assert_int_equal(payload_length(&line), sizes[i] + 1);
        assert_int_equal(payload_length(&length), sizes[i] + 4);
        assert_int_equal(payload_length(&marker), sizes[i] + 4);
    }
}

/* Whatever was in the memory before: all of the message is written, and nothing behind it. */
static void the_same_message_is_made_again(void **state)
{
    (void)state;
    for (size_t f = 0; f < N_FRAMINGS; f++) {
        for (size_t s = 0; s < N_SIZES; s++) {
            const struct payload payload = payload_of(f, sizes[s]);
            size_t n = payload_length(&payload);

            memset(one, 0x00, sizeof(one));
            memset(another, 0xff, sizeof(another));
            payload_fill(&payload, 7, one);
            payload_fill(&payload, 7, another);
            assert_memory_equal(one, another, n);
            for (size_t i = n; i < n + GUARD; i++) {
                assert_int_equal(one[i], 0x00);
                assert_int_equal(another[i], 0xff);
            }
        }
    }
}

/* Among any 64 bytes at the same place of both, some differ. */
static void assert_differ(const struct payload *payload)
{
    for (size_t i = 0; i + 64 <= payload->size; i += 64)
        assert_memory_not_equal(one + i, another + i, 64);
}

static void each_index_has_another_message(void **state)
{
    (void)state;
    for (size_t f = 0; f < N_FRAMINGS; f++) {
        const struct payload payload = payload_of(f, 4096);

        for (uint64_t index = 0; index < 100; index++) {
            payload_fill(&payload, index, one);
            payload_fill(&payload, index + 1, another);
            assert_differ(&payload);
            payload_fill(&payload, index + (UINT64_C(1) << 32), another);
            assert_differ(&payload);
        }
    }
}

static void each_seed_has_other_messages(void **state)
{
    (void)state;
    for (size_t f = 0; f < N_FRAMINGS; f++) {
        struct payload payload = payload_of(f, 4096);

        for (payload.seed = 0; payload.seed < 100; payload.seed++) {
            struct payload next = payload;

            next.seed++;
            payload_fill(&payload, 5, one);
            payload_fill(&next, 5, another);
            assert_differ(&payload);
            payload_fill(&next, 4, another); /* nor is a seed another one moved along */
            assert_differ(&payload);
        }
    }
}

/* A byte that is lost or doubled shows: no message is a shifted copy of itself. */
static void no_stretch_of_a_message_comes_twice(void **state)
{
    const struct payload payload = payload_of(0, 4096);

    (void)state;
    payload_fill(&payload, 0, one);
    for (size_t i = 8; i + 8 <= 4096; i++)
        assert_memory_not_equal(one, one + i, 8);
}

/* Fed byte by byte, nothing is whole before the last byte, which ends the one message. */
static void assert_one_message(const struct payload *payload, uint64_t index)
{
    size_t n = payload_length(payload), whole;
    struct frame frame;

    payload_fill(payload, index, one);
    frame_open(&frame, payload->frame);
    for (size_t i = 0; i < n; i++) {
        assert_true(frame_feed(&frame, one + i, 1, &whole));
        assert_int_equal(whole, i + 1 == n ? 1 : 0);
    }
    assert_int_equal(frame.messages, 1);
    assert_true(frame_end(&frame));
    assert_int_equal(frame.messages, 1);
}

static void every_message_is_exactly_one(void **state)
{
    (void)state;
    for (size_t f = 1; f < N_FRAMINGS; f++) {
        for (size_t s = 0; s < N_SIZES; s++) {
            const struct payload payload = payload_of(f, sizes[s]);

            for (uint64_t index = 0; index < 20; index++)
                assert_one_message(&payload, index);
        }
    }
}

static void many_messages_in_a_row_are_as_many(void **state)
{
    (void)state;
    for (size_t f = 1; f < N_FRAMINGS; f++) {
        const struct payload payload = payload_of(f, 100);
        size_t n = payload_length(&payload), whole;
        struct frame frame;

        frame_open(&frame, payload.frame);
        for (uint64_t index = 0; index < 500; index++) {
            payload_fill(&payload, index, one);
            assert_true(frame_feed(&frame, one, n, &whole));
            assert_int_equal(whole, n);
            assert_int_equal(frame.messages, index + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_hold_what_the_framing_adds),
        cmocka_unit_test(the_same_message_is_made_again),
        cmocka_unit_test(each_index_has_another_message),
        cmocka_unit_test(each_seed_has_other_messages),
        cmocka_unit_test(no_stretch_of_a_message_comes_twice),
        cmocka_unit_test(every_message_is_exactly_one),
        cmocka_unit_test(many_messages_in_a_row_are_as_many),
    };

    return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
