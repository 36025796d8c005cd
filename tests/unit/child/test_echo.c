/* test_echo.c - the loop: every byte back, in order, whatever the stream answers. */
#include "../between.h"
#include "echo_helper.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- a stream that answers from a script, and holds the loop to the contract of stream.h ---- */

static void assert_all_echoed(struct script *script)
{
    assert_int_equal(run_script(script, &no_limits), END_CLOSED);
    assert_int_equal(script->in, script->total);
    assert_int_equal(script->out, script->total);
}

/* ---- the script's answers ---- */

static void nothing_is_echoed_as_nothing(void **state)
{
    struct script *script = open_script(0);

    (void)state;
    assert_all_echoed(script);
    assert_int_equal(script->n_writes, 0);
}

static void one_byte_is_echoed(void **state)
{
    (void)state;
    assert_all_echoed(open_script(1));
}

static void short_writes_are_continued(void **state)
{
    struct script *script = open_script(100);
    static const struct answer writes[] = {{STREAM_OK, 1}, {STREAM_OK, 50}, {STREAM_OK, 3}};

    (void)state;
    memcpy(script->writes, writes, sizeof(writes));
    assert_all_echoed(script);
    assert_int_equal(script->n_writes, 4);
}

static void wants_of_either_kind_are_waited_for(void **state)
{
    struct script *script = open_script(100);
    static const struct answer reads[] = {
        {STREAM_WANT_READ, 0}, {STREAM_OK, 40}, {STREAM_WANT_WRITE, 0}, {STREAM_OK, 60}};
    static const struct answer writes[] = {
        {STREAM_WANT_WRITE, 0}, {STREAM_WANT_READ, 0}, {STREAM_OK, 7}, {STREAM_WANT_READ, 0}};

    (void)state;
    memcpy(script->reads, reads, sizeof(reads));
    memcpy(script->writes, writes, sizeof(writes));
    assert_all_echoed(script);
}

/* EOF while most of what was read has not been written, and cannot be yet. */
static void eof_leaves_the_rest_to_be_written(void **state)
{
    struct script *script = open_script(100);
    static const struct answer writes[] = {
        {STREAM_OK, 10}, {STREAM_WANT_WRITE, 0}, {STREAM_WANT_WRITE, 0}, {STREAM_OK, 1}};

    (void)state;
    memcpy(script->writes, writes, sizeof(writes));
    assert_all_echoed(script);
    assert_int_equal(script->n_reads, 2); /* and nothing is read after EOF */
}

static void truncation_is_told_apart(void **state)
{
    struct script *script = open_script(100);

    (void)state;
    script->stream.truncated = true;
    assert_int_equal(run_script(script, &no_limits), END_TRUNCATED);
    assert_int_equal(script->out, 100);
}

static void answers_for_failures(struct script *script)
{
    static const struct answer reads[] = {
        {STREAM_OK, 30}, {STREAM_WANT_READ, 0}, {STREAM_OK, 30}, {STREAM_OK, 40}};
    static const struct answer writes[] = {{STREAM_OK, 10}, {STREAM_WANT_WRITE, 0}, {STREAM_OK, 5}};

    memcpy(script->reads, reads, sizeof(reads));
    memcpy(script->writes, writes, sizeof(writes));
}

/* Whichever call fails is the last one: next_answer() sees to that. */
static void failure_ends_it_wherever_it_comes(void **state)
{
    struct script *script = open_script(100);
    size_t calls;

    (void)state;
    answers_for_failures(script);
    assert_all_echoed(script);
    calls = script->n_reads + script->n_writes;
    assert_between(calls, 8, 16);
    for (size_t i = 1; i <= calls; i++) {
        script = open_script(100);
        answers_for_failures(script);
        script->fail_at = i;
        script->stream.end = i % 2 ? END_RESET : END_TLS_ERROR;
        assert_int_equal(run_script(script, &no_limits), i % 2 ? END_RESET : END_TLS_ERROR);
        assert_int_equal(script->n_reads + script->n_writes, i);
    }
}

/* ---- the ring ---- */

static uint32_t draw(struct script *script)
{
    script->random = script->random * 1664525 + 1013904223;
    return script->random >> 8;
}

/* Every kind of answer with bytes of every size up to 64 KiB, small ones more often. */
static struct answer answer_at_random(struct script *script, bool reading)
{
    uint32_t kind = draw(script) % 8;

    (void)reading;
    if (kind < 2)
        return (struct answer){kind == 0 ? STREAM_WANT_READ : STREAM_WANT_WRITE, 0};
    return (struct answer){STREAM_OK, 1 + draw(script) % (2u << draw(script) % 16)};
}

static void random_answers_echo_all(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct script *script = open_script(10 * BUFFER_SIZE + seed);

        script->random = seed;
        script->next = answer_at_random;
        assert_all_echoed(script);
    }
}

/* Reads that run ahead until the buffer is full, writes that free a little less than a third. */
static struct answer answer_full(struct script *script, bool reading)
{
    if (reading)
        return (struct answer){STREAM_OK, 50000};
    return (struct answer){script->n_writes % 2 ? STREAM_OK : STREAM_WANT_WRITE, 40001};
}

static void full_ring_wraps_around(void **state)
{
    struct script *script = open_script(20 * BUFFER_SIZE);

    (void)state;
    script->next = answer_full;
    assert_all_echoed(script);
    assert_int_equal(script->most_held, BUFFER_SIZE);
}

/* A peer that does not read stops our reading, at one buffer's worth. */
static struct answer answer_never_written(struct script *script, bool reading)
{
    (void)script;
    return (struct answer){reading ? STREAM_OK : STREAM_WANT_READ, ALL};
}

static void full_buffer_stops_reading(void **state)
{
    struct script *script = open_script(20 * BUFFER_SIZE);
    struct echo_limits limits = {.idle_usec = 20 * USEC_PER_MSEC, .deadline = DEADLINE_NEVER};
    int fds[2];

    (void)state;
    close_script(script);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0); /* the end to read from is silent */
    script->stream.fd = fds[0];
    script->next = answer_never_written;
    assert_int_equal(run_script(script, &limits), END_IDLE);
    assert_int_equal(script->in, BUFFER_SIZE);
    assert_int_equal(script->out, 0);
    close(fds[1]);
}

/* ---- max_bytes ---- */

static void assert_max_bytes(uint64_t max, size_t total, enum end end, size_t echoed)
{
    struct script *script = open_script(total);
    struct echo_limits limits = {.deadline = DEADLINE_NEVER, .max_bytes = max};

    assert_int_equal(run_script(script, &limits), end);
    assert_int_equal(script->out, echoed);
}

static void max_bytes_is_kept_to_the_byte(void **state)
{
    static const size_t totals[] = {2, 1000, BUFFER_SIZE, BUFFER_SIZE + 1, 3 * BUFFER_SIZE};

    (void)state;
    for (size_t i = 0; i < sizeof(totals) / sizeof(*totals); i++) {
        assert_max_bytes(totals[i] - 1, totals[i], END_MAX_BYTES, totals[i] - 1);
        assert_max_bytes(totals[i], totals[i], END_CLOSED, totals[i]);
        assert_max_bytes(totals[i] + 1, totals[i], END_CLOSED, totals[i]);
    }
    assert_max_bytes(0, 1000, END_CLOSED, 1000);
    assert_max_bytes(1, 1000, END_MAX_BYTES, 1);
}

static void max_bytes_reads_no_further(void **state)
{
    struct script *script = open_script(1000);
    struct echo_limits limits = {.deadline = DEADLINE_NEVER, .max_bytes = 10};
    static const struct answer writes[] = {{STREAM_OK, 1}, {STREAM_WANT_WRITE, 0}, {STREAM_OK, 2}};

    (void)state;
    memcpy(script->writes, writes, sizeof(writes));
    assert_int_equal(run_script(script, &limits), END_MAX_BYTES);
    assert_int_equal(script->in, 11);
    assert_int_equal(script->out, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_echoed_as_nothing),
        cmocka_unit_test(one_byte_is_echoed),
        cmocka_unit_test(short_writes_are_continued),
        cmocka_unit_test(wants_of_either_kind_are_waited_for),
        cmocka_unit_test(eof_leaves_the_rest_to_be_written),
        cmocka_unit_test(truncation_is_told_apart),
        cmocka_unit_test(failure_ends_it_wherever_it_comes),
        cmocka_unit_test(random_answers_echo_all),
        cmocka_unit_test(full_ring_wraps_around),
        cmocka_unit_test(full_buffer_stops_reading),
        cmocka_unit_test(max_bytes_is_kept_to_the_byte),
        cmocka_unit_test(max_bytes_reads_no_further),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
