/* test_stream_close.c - closing the plain byte channel without losing what is under way. */
#include "stream_helper.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- close ---- */

/* What it cost to close the stream, in microseconds. */
static uint64_t close_stream(struct pair *pair, uint64_t grace_usec, uint64_t linger_usec)
{
    uint64_t start = now_usec();
    int fd = pair->stream.fd;

    stream_close(&pair->stream, grace_usec, linger_usec);
    assert_int_equal(pair->stream.fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    return now_usec() - start;
}

static void close_is_quick_after_eof(void **state)
{
    struct pair pair = open_pair(state);

    peer_sends(&pair, "unread");
    shutdown(pair.peer, SHUT_WR);
    assert_true(close_stream(&pair, SOON, SOON) < SOON / 2);
    assert_int_equal(drain(pair.peer, 0), 0);
    close(pair.peer);
}

static void close_grants_its_grace_and_no_more(void **state)
{
    struct pair pair = open_pair(state);
    uint64_t took = close_stream(&pair, 30 * USEC_PER_MSEC, SOON);

    assert_true(took >= 30 * USEC_PER_MSEC);
    assert_true(took < SOON / 2);
    close(pair.peer);
}

static _Noreturn void send_for_ever(const struct pair *pair)
{
    char data[4096] = {0};

    close(pair->stream.fd);
    while (send(pair->peer, data, sizeof(data), MSG_NOSIGNAL) > 0)
        ;
    _exit(0);
}

/* A peer that never stops sending does not push the end of the grace away. */
static void close_ends_under_a_flood(void **state)
{
    struct pair pair = open_pair(state);
    uint64_t took;
    pid_t pid = fork();
    int status;

    if (pid == 0)
        send_for_ever(&pair);
    close(pair.peer);
    took = close_stream(&pair, 50 * USEC_PER_MSEC, 0);
    assert_true(took >= 50 * USEC_PER_MSEC);
    assert_true(took < SOON / 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A peer so slow that most of what was written waits in our kernel, and that has sent for long. */
static struct pair open_slow_pair(size_t *ret_written)
{
    static const char unread[10000];
    struct pair pair;
    int fds[2];

    connect_tcp_small(fds, 4096);
    pair = make_pair(fds);
    *ret_written = fill(&pair.stream);
    assert_int_equal(send(pair.peer, unread, sizeof(unread), 0), sizeof(unread));
    return pair;
}

/* Close the stream in a process of its own. Returns its pid. */
static pid_t fork_closer(struct pair *pair, uint64_t grace_usec, uint64_t linger_usec)
{
    pid_t pid = fork();

    if (pid == 0) {
        close(pair->peer);
        stream_close(&pair->stream, grace_usec, linger_usec);
        _exit(0);
    }
    close(pair->stream.fd);
    return pid;
}

/* Whether the process ends within so many milliseconds; it is not reaped. */
static bool ends_within(pid_t pid, int msec)
{
    siginfo_t info = {.si_pid = 0};

    for (int i = 0; i <= msec && info.si_pid == 0; i++) {
        usleep(1000);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    }
    return info.si_pid == pid;
}

/* The peer learns that we are done without having to wait for the end of its own grace. */
static void close_ends_our_side_first(void **state)
{
    struct pair pair = open_pair(state);
    pid_t pid = fork_closer(&pair, SOON, 0);
    uint64_t start = now_usec();

    assert_int_equal(drain(pair.peer, 0), 0);
    assert_true(now_usec() - start < SOON / 2);
    assert_false(ends_within(pid, 0));
    close(pair.peer);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(now_usec() - start < SOON / 2);
}

static void close_delivers_what_is_in_flight(void **state)
{
    size_t written;
    struct pair pair = open_slow_pair(&written);
    pid_t pid = fork_closer(&pair, 20 * USEC_PER_MSEC, SOON);

    (void)state;
    assert_false(ends_within(pid, 200)); /* it lingers */
    assert_int_equal(drain(pair.peer, 0), written);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(pair.peer);
}

/* Without a linger close(2) leaves it to the kernel, which has no unread input to send RST for. */
static void close_without_linger_waits_for_nobody(void **state)
{
    size_t written;
    struct pair pair = open_slow_pair(&written);
    pid_t pid = fork_closer(&pair, 20 * USEC_PER_MSEC, 0);

    (void)state;
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(drain(pair.peer, 0), written);
    close(pair.peer);
}

static void linger_has_an_end(void **state)
{
    size_t written;
    struct pair pair = open_slow_pair(&written);
    uint64_t took = close_stream(&pair, 0, 1 * USEC_PER_SEC);

    (void)state;
    assert_true(took >= 900 * USEC_PER_MSEC);
    assert_true(took < SOON);
    close(pair.peer);
}

static void close_after_a_reset_is_quick(void **state)
{
    struct pair pair = open_tcp_pair();

    (void)state;
    peer_resets(&pair);
    assert_true(close_stream(&pair, SOON, SOON) < SOON / 2);
}

/* What a caller was told stays as it was told: the record is written after the close. */
static void close_keeps_the_answer(void **state)
{
    struct pair pair = open_tcp_pair();

    (void)state;
    pair.stream.end = END_TLS_ERROR;
    strcpy(pair.stream.error, "no shared cipher");
    peer_sends(&pair, "too late");
    peer_resets(&pair);
    close_stream(&pair, SOON, 0);
    assert_int_equal(pair.stream.end, END_TLS_ERROR);
    assert_string_equal(pair.stream.error, "no shared cipher");
}

/* Input that goes on after the grace must not make close(2) send RST over our data. */
static void close_waits_for_a_peer_that_still_sends(void **state)
{
    size_t written;
    struct pair pair = open_slow_pair(&written);
    pid_t pid = fork_closer(&pair, 20 * USEC_PER_MSEC, SOON);

    (void)state;
    for (int i = 0; i < 20; i++) {
        peer_sends(&pair, "and another thing");
        usleep(10000);
    }
    assert_int_equal(drain(pair.peer, 0), written);
    close(pair.peer);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_waits_for_a_peer_that_still_sends),
        OVER_BOTH(close_is_quick_after_eof),
        OVER_BOTH(close_grants_its_grace_and_no_more),
        OVER_BOTH(close_ends_under_a_flood),
        OVER_BOTH(close_ends_our_side_first),
        cmocka_unit_test(close_delivers_what_is_in_flight),
        cmocka_unit_test(close_without_linger_waits_for_nobody),
        cmocka_unit_test(linger_has_an_end),
        cmocka_unit_test(close_after_a_reset_is_quick),
        cmocka_unit_test(close_keeps_the_answer),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
