/* test_deadline.c - moments on the monotonic clock, which the tests move by hand. */
#include "base/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* An hour after boot: any time will do, as long as it stands still. */
#define NOW (3600 * USEC_PER_SEC)

static struct {
    bool stopped;
    uint64_t usec;
    unsigned readings;
} test_clock;

/* Takes the place of the C library's: a stopped clock makes every answer exact. */
int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    if (id != CLOCK_MONOTONIC || !test_clock.stopped)
        return (int)syscall(SYS_clock_gettime, id, ret_time);
    test_clock.readings++;
    ret_time->tv_sec = (time_t)(test_clock.usec / USEC_PER_SEC);
    ret_time->tv_nsec = (long)(test_clock.usec % USEC_PER_SEC) * 1000 + 999;
    return 0;
}

static int stop_clock(void **state)
{
    (void)state;
    test_clock.stopped = true;
    test_clock.usec = NOW;
    test_clock.readings = 0;
    return 0;
}

static int start_clock(void **state)
{
    (void)state;
    test_clock.stopped = false;
    return 0;
}

static void now_is_the_monotonic_clock(void **state)
{
    struct timespec time;
    uint64_t before = now_usec(), between, after;

    (void)state;
    assert_int_equal(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time), 0);
    between = (uint64_t)time.tv_sec * USEC_PER_SEC + (uint64_t)time.tv_nsec / 1000;
    after = now_usec();
    assert_true(before <= between && between <= after);
}

static void now_is_in_whole_microseconds(void **state)
{
    (void)state;
    assert_true(now_usec() == NOW);
    test_clock.usec = NOW + USEC_PER_SEC - 1;
    assert_true(now_usec() == NOW + USEC_PER_SEC - 1);
}

static void a_deadline_lies_so_far_ahead(void **state)
{
    (void)state;
    assert_true(deadline_in(1) == NOW + 1);
    assert_true(deadline_in(365 * 86400 * USEC_PER_SEC) == NOW + 365 * 86400 * USEC_PER_SEC);
}

static void no_time_at_all_means_never(void **state)
{
    (void)state;
    assert_true(deadline_in(0) == DEADLINE_NEVER);
}

static void a_deadline_passes_at_its_moment(void **state)
{
    deadline_t deadline = deadline_in(10);

    (void)state;
    test_clock.usec = NOW + 9;
    assert_false(deadline_passed(deadline));
    test_clock.usec = NOW + 10;
    assert_true(deadline_passed(deadline));
    test_clock.usec = NOW + 11;
    assert_true(deadline_passed(deadline));
}

static void never_does_not_pass_and_reads_no_clock(void **state)
{
    (void)state;
    assert_false(deadline_passed(DEADLINE_NEVER));
    assert_int_equal(deadline_poll_msec(DEADLINE_NEVER), -1);
    assert_int_equal(test_clock.readings, 0);
}

/* Rounded down, poll(2) would return too early and the loop would spin for a millisecond. */
static void poll_waits_no_less_than_what_is_left(void **state)
{
    (void)state;
    assert_int_equal(deadline_poll_msec(NOW + 1), 1);
    assert_int_equal(deadline_poll_msec(NOW + 999), 1);
    assert_int_equal(deadline_poll_msec(NOW + 1000), 1);
    assert_int_equal(deadline_poll_msec(NOW + 1001), 2);
    assert_int_equal(deadline_poll_msec(NOW + 300 * USEC_PER_SEC), 300000);
}

static void poll_does_not_wait_for_the_past(void **state)
{
    (void)state;
    assert_int_equal(deadline_poll_msec(NOW), 0);
    assert_int_equal(deadline_poll_msec(NOW - 1), 0);
    assert_int_equal(deadline_poll_msec(0), 0);
}

/* A month is more milliseconds than poll(2) takes: never -1, which means for ever. */
static void poll_waits_as_long_as_it_can(void **state)
{
    (void)state;
    assert_int_equal(deadline_poll_msec(NOW + INT_MAX * USEC_PER_MSEC), INT_MAX);
    assert_int_equal(deadline_poll_msec(NOW + INT_MAX * USEC_PER_MSEC + 1), INT_MAX);
    assert_int_equal(deadline_poll_msec(NOW + 365 * 86400 * USEC_PER_SEC), INT_MAX);
    assert_int_equal(deadline_poll_msec(DEADLINE_NEVER - 1), INT_MAX);
}

#define at_a_stopped_clock(test) cmocka_unit_test_setup_teardown(test, stop_clock, start_clock)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_is_the_monotonic_clock),
        at_a_stopped_clock(now_is_in_whole_microseconds),
        at_a_stopped_clock(a_deadline_lies_so_far_ahead),
        at_a_stopped_clock(no_time_at_all_means_never),
        at_a_stopped_clock(a_deadline_passes_at_its_moment),
        at_a_stopped_clock(never_does_not_pass_and_reads_no_clock),
        at_a_stopped_clock(poll_waits_no_less_than_what_is_left),
        at_a_stopped_clock(poll_does_not_wait_for_the_past),
        at_a_stopped_clock(poll_waits_as_long_as_it_can),
    };

    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
