/* test_echo_time.c - the loop against the clock. */
#include "../between.h"
#include "echo_helper.h"

#include <sys/timerfd.h>
#include <unistd.h>

#define SOON (10 * USEC_PER_SEC) /* far longer than anything here takes */

/* ---- time ---- */

/* A script whose socket becomes ready every 10 ms, which a busy machine cannot delay. */
static struct script *open_ticking_script(size_t total)
{
    const struct itimerspec often = {{0, 10000000}, {0, 10000000}};
    struct script *script = open_script(total);

    close_script(script);
    script->stream.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(script->stream.fd, 0, &often, NULL);
    return script;
}

/* Bytes come one a tick, then silence. */
static struct answer answer_on_tick(struct script *script, bool reading)
{
    const struct itimerspec stopped = {{0, 0}, {0, 0}};
    uint64_t ticks;

    if (!reading)
        return (struct answer){STREAM_OK, ALL};
    if (read(script->stream.fd, &ticks, sizeof(ticks)) < 0)
        return (struct answer){STREAM_WANT_READ, 0};
    if (script->in + 1 == script->total)
        timerfd_settime(script->stream.fd, 0, &stopped, NULL);
    return (struct answer){STREAM_OK, 1};
}

static void silence_is_idle(void **state)
{
    struct script *script = open_ticking_script(1);
    struct echo_limits limits = {.idle_usec = 40 * USEC_PER_MSEC, .deadline = DEADLINE_NEVER};
    uint64_t start = now_usec();

    (void)state;
    script->next = answer_on_tick;
    assert_int_equal(run_script(script, &limits), END_IDLE);
    assert_true(now_usec() - start >= limits.idle_usec);
    assert_true(now_usec() - start < SOON);
    assert_int_equal(script->out, 1);
}

static void every_byte_ends_the_idleness(void **state)
{
    struct script *script = open_ticking_script(12);
    struct echo_limits limits = {.idle_usec = 50 * USEC_PER_MSEC, .deadline = DEADLINE_NEVER};

    (void)state;
    script->next = answer_on_tick;
    assert_int_equal(run_script(script, &limits), END_IDLE);
    assert_int_equal(script->out, 12);
}

static void bytes_do_not_push_the_deadline_away(void **state)
{
    struct script *script = open_ticking_script(1000000);
    struct echo_limits limits = {.idle_usec = SOON, .deadline = deadline_in(200 * USEC_PER_MSEC)};

    (void)state;
    script->next = answer_on_tick;
    assert_int_equal(run_script(script, &limits), END_SESSION_TIMEOUT);
    assert_true(deadline_passed(limits.deadline));
    assert_between(script->out, 1, 1000);
}

/* Nor does a peer that is always ready, for which the loop never waits. */
static struct answer answer_for_ever(struct script *script, bool reading)
{
    (void)script;
    return (struct answer){STREAM_OK, reading ? 1000 : ALL};
}

static void flood_does_not_push_the_deadline_away(void **state)
{
    struct script *script = open_script(SIZE_MAX);
    struct echo_limits limits = {.deadline = deadline_in(100 * USEC_PER_MSEC)};

    (void)state;
    script->next = answer_for_ever;
    assert_int_equal(run_script(script, &limits), END_SESSION_TIMEOUT);
    assert_true(script->out > 0);
}

static void silence_reaches_the_deadline(void **state)
{
    struct script *script = open_ticking_script(1);
    struct echo_limits limits = {.idle_usec = SOON, .deadline = deadline_in(30 * USEC_PER_MSEC)};

    (void)state;
    script->next = answer_on_tick;
    assert_int_equal(run_script(script, &limits), END_SESSION_TIMEOUT);
    assert_true(deadline_passed(limits.deadline));
}

static void passed_deadline_moves_nothing(void **state)
{
    struct script *script = open_script(100);
    struct echo_limits limits = {.deadline = 1};

    (void)state;
    assert_int_equal(run_script(script, &limits), END_SESSION_TIMEOUT);
    assert_int_equal(script->n_reads + script->n_writes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_idle),
        cmocka_unit_test(every_byte_ends_the_idleness),
        cmocka_unit_test(bytes_do_not_push_the_deadline_away),
        cmocka_unit_test(flood_does_not_push_the_deadline_away),
        cmocka_unit_test(silence_reaches_the_deadline),
        cmocka_unit_test(passed_deadline_moves_nothing),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
