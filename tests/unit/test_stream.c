/* test_stream.c - the plain byte channel, over a socket pair and over TCP. */
#include "../../src/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOON (10 * USEC_PER_SEC) /* far longer than anything here takes */

/* ---- a stream and its peer ---- */

struct pair {
    struct stream stream;
    int peer; /* blocking */
};

static void connect_unix(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* With `receive` bytes for the peer to receive in, which must be set before it connects. */
static void connect_tcp_small(int fds[2], int receive)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &length), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive > 0)
        setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
    assert_int_equal(connect(fds[1], (struct sockaddr *)&addr, sizeof(addr)), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fds[0] >= 0);
    close(listener);
}

static void connect_tcp(int fds[2])
{
    connect_tcp_small(fds, 0);
}

/* The state of a test that runs over either transport is the function that connects it. */
struct transport {
    void (*connect)(int fds[2]);
};
static struct transport over_unix = {connect_unix}, over_tcp = {connect_tcp};

static struct pair make_pair(int fds[2])
{
    struct pair pair = {.peer = fds[1]};

    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    stream_open(&pair.stream, fds[0]);
    return pair;
}

static struct pair open_pair(void **state)
{
    const struct transport *transport = *state;
    int fds[2];

    transport->connect(fds);
    return make_pair(fds);
}

static struct pair open_tcp_pair(void)
{
    int fds[2];

    connect_tcp(fds);
    return make_pair(fds);
}

static void close_pair(struct pair *pair)
{
    close(pair->peer);
    close(pair->stream.fd);
}

static void peer_sends(const struct pair *pair, const char *text)
{
    assert_int_equal(send(pair->peer, text, strlen(text), 0), strlen(text));
}

/* Close the peer's end so that the kernel sends RST. */
static void peer_resets(struct pair *pair)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(pair->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(pair->peer);
    pair->peer = -1;
}

static void await_input(const struct pair *pair)
{
    assert_true(stream_wait(&pair->stream, STREAM_WAIT_READ, deadline_in(SOON)));
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)((uint32_t)i * 2654435761u >> 24);
}

/* Write until the kernel takes no more. Returns how many bytes it took. */
static size_t fill(struct stream *stream)
{
    unsigned char data[4096];
    size_t total = 0, n;
    enum stream_status status;

    do {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = pattern(total + i);
        n = 0;
        status = stream_write(stream, data, sizeof(data), &n);
        total += n;
    } while (status == STREAM_OK);
    assert_int_equal(status, STREAM_WANT_WRITE);
    return total;
}

/* Read on, from byte `total` of the pattern, until EOF. Returns the bytes there are by then. */
static size_t drain(int fd, size_t total)
{
    unsigned char data[65536];
    ssize_t n;

    while ((n = recv(fd, data, sizeof(data), 0)) > 0)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(data[i], pattern(total++));
    assert_int_equal(n, 0);
    return total;
}

/* ---- reading ---- */

static void handshake_is_nothing(void **state)
{
    struct pair pair = open_pair(state);

    assert_int_equal(stream_handshake(&pair.stream), STREAM_OK);
    assert_false(pair.stream.heard);
    close_pair(&pair);
}

static void silence_wants_to_read(void **state)
{
    struct pair pair = open_pair(state);
    char data[8];
    size_t n = 77;

    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_WANT_READ);
    assert_int_equal(n, 77);
    assert_false(pair.stream.heard);
    close_pair(&pair);
}

static void bytes_are_read_in_pieces(void **state)
{
    struct pair pair = open_pair(state);
    char data[4];
    size_t n = 0;

    peer_sends(&pair, "abcdef");
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(data, "abcd", 4);
    assert_true(pair.stream.heard);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(data, "ef", 2);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_WANT_READ);
    close_pair(&pair);
}

static void eof_comes_after_the_bytes(void **state)
{
    struct pair pair = open_pair(state);
    char data[8];
    size_t n = 0;

    peer_sends(&pair, "xy");
    shutdown(pair.peer, SHUT_WR);
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 2);
    await_input(&pair);
    for (int i = 0; i < 2; i++)
        assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_EOF);
    assert_int_equal(n, 2);
    assert_false(pair.stream.truncated);
    assert_int_equal(stream_write(&pair.stream, "late", 4, &n), STREAM_OK);
    assert_int_equal(recv(pair.peer, data, sizeof(data), 0), 4);
    close_pair(&pair);
}

static void eof_alone_is_not_heard(void **state)
{
    struct pair pair = open_pair(state);
    char data[8];
    size_t n;

    shutdown(pair.peer, SHUT_WR);
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_EOF);
    assert_false(pair.stream.heard);
    close_pair(&pair);
}

/* ---- writing ---- */

static void full_pipe_wants_to_write(void **state)
{
    struct pair pair = open_pair(state);
    size_t written = fill(&pair.stream), n = 77;

    assert_int_equal(stream_write(&pair.stream, "x", 1, &n), STREAM_WANT_WRITE);
    assert_int_equal(n, 77);
    assert_int_equal(stream_finish(&pair.stream), STREAM_OK);
    assert_int_equal(drain(pair.peer, 0), written);
    close_pair(&pair);
}

static void drained_pipe_takes_more(void **state)
{
    struct pair pair = open_pair(state);
    unsigned char data[65536], next;
    size_t written = fill(&pair.stream), got = 0, n = 0;

    while (got < written)
        got += (size_t)recv(pair.peer, data, sizeof(data), 0);
    assert_true(stream_wait(&pair.stream, STREAM_WAIT_WRITE, deadline_in(SOON)));
    next = pattern(written);
    assert_int_equal(stream_write(&pair.stream, &next, 1, &n), STREAM_OK);
    assert_int_equal(n, 1);
    stream_finish(&pair.stream);
    assert_int_equal(drain(pair.peer, written), written + 1);
    close_pair(&pair);
}

static bool all_is_taken_soon(const struct stream *stream)
{
    deadline_t deadline = deadline_in(SOON);

    while (stream_unsent(stream) > 0 && !deadline_passed(deadline))
        usleep(1000);
    return stream_unsent(stream) == 0;
}

static void unsent_is_what_the_peer_has_not_taken(void **state)
{
    struct pair pair = open_pair(state);
    unsigned char data[65536];
    size_t written, got = 0;

    assert_int_equal(stream_unsent(&pair.stream), 0);
    written = fill(&pair.stream);
    assert_true(stream_unsent(&pair.stream) > 0);
    while (got < written)
        got += (size_t)recv(pair.peer, data, sizeof(data), 0);
    assert_true(all_is_taken_soon(&pair.stream));
    close_pair(&pair);
}

/* ---- a connection that breaks: no answer may come as a signal ---- */

static void reset_fails_the_read(void **state)
{
    struct pair pair = open_tcp_pair();
    char data[8];
    size_t n = 77;

    (void)state;
    peer_resets(&pair);
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_FAILED);
    assert_int_equal(n, 77);
    assert_int_equal(pair.stream.end, END_RESET);
    assert_string_equal(pair.stream.error, strerror(ECONNRESET));
    assert_false(pair.stream.heard);
    close_pair(&pair);
}

static void reset_fails_the_write(void **state)
{
    struct pair pair = open_tcp_pair();
    size_t n = 77;

    (void)state;
    peer_resets(&pair);
    await_input(&pair);
    assert_int_equal(stream_write(&pair.stream, "x", 1, &n), STREAM_FAILED);
    assert_int_equal(n, 77);
    assert_int_equal(pair.stream.end, END_RESET);
    assert_string_equal(pair.stream.error, strerror(ECONNRESET));
    assert_int_equal(stream_write(&pair.stream, "x", 1, &n), STREAM_FAILED);
    assert_string_equal(pair.stream.error, strerror(EPIPE));
    close_pair(&pair);
}

static void gone_peer_fails_the_write(void **state)
{
    int fds[2];
    struct pair pair;
    size_t n;

    (void)state;
    connect_unix(fds);
    pair = make_pair(fds);
    close(pair.peer);
    pair.peer = -1;
    assert_int_equal(stream_write(&pair.stream, "x", 1, &n), STREAM_FAILED);
    assert_int_equal(pair.stream.end, END_RESET);
    assert_string_equal(pair.stream.error, strerror(EPIPE));
    close_pair(&pair);
}

/* ---- finish ---- */

static void finish_leaves_reading(void **state)
{
    struct pair pair = open_pair(state);
    char data[8];
    size_t n = 0;

    assert_int_equal(stream_write(&pair.stream, "end", 3, &n), STREAM_OK);
    assert_false(pair.stream.finished);
    for (int i = 0; i < 2; i++)
        assert_int_equal(stream_finish(&pair.stream), STREAM_OK);
    assert_true(pair.stream.finished);
    assert_int_equal(recv(pair.peer, data, sizeof(data), MSG_WAITALL), 3);
    peer_sends(&pair, "still");
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 5);
    close_pair(&pair);
}

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
    assert_true(took < 1900 * USEC_PER_MSEC);
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

/* ---- waiting ---- */

static void wants_follow_from_the_answer(void **state)
{
    (void)state;
    assert_int_equal(stream_wants(STREAM_WANT_READ), STREAM_WAIT_READ);
    assert_int_equal(stream_wants(STREAM_WANT_WRITE), STREAM_WAIT_WRITE);
    assert_int_equal(stream_wants(STREAM_OK), 0);
    assert_int_equal(stream_wants(STREAM_EOF), 0);
    assert_int_equal(stream_wants(STREAM_FAILED), 0);
}

static void assert_waits_out(const struct stream *stream, unsigned wants)
{
    uint64_t start = now_usec();

    assert_false(stream_wait(stream, wants, deadline_in(30 * USEC_PER_MSEC)));
    assert_true(now_usec() - start >= 30 * USEC_PER_MSEC);
    assert_true(now_usec() - start < SOON / 2);
}

static void wait_is_for_what_was_asked(void **state)
{
    struct pair pair = open_pair(state);

    assert_true(stream_wait(&pair.stream, STREAM_WAIT_WRITE, DEADLINE_NEVER));
    assert_waits_out(&pair.stream, STREAM_WAIT_READ);
    assert_true(stream_wait(&pair.stream, STREAM_WAIT_READ | STREAM_WAIT_WRITE, DEADLINE_NEVER));
    fill(&pair.stream);
    assert_waits_out(&pair.stream, STREAM_WAIT_WRITE);
    assert_waits_out(&pair.stream, STREAM_WAIT_READ | STREAM_WAIT_WRITE);
    peer_sends(&pair, "x");
    assert_waits_out(&pair.stream, STREAM_WAIT_WRITE);
    assert_true(stream_wait(&pair.stream, STREAM_WAIT_READ | STREAM_WAIT_WRITE, DEADLINE_NEVER));
    close_pair(&pair);
}

static void passed_deadline_waits_no_more(void **state)
{
    struct pair pair = open_pair(state);

    assert_false(stream_wait(&pair.stream, STREAM_WAIT_READ, now_usec()));
    assert_false(stream_wait(&pair.stream, STREAM_WAIT_READ, 1));
    close_pair(&pair);
}

/* The caller's next call finds out; a wait that went on would hide it. */
static void failure_ends_the_wait(void **state)
{
    struct pair pair = open_tcp_pair();

    (void)state;
    fill(&pair.stream);
    peer_resets(&pair);
    assert_true(stream_wait(&pair.stream, STREAM_WAIT_WRITE, DEADLINE_NEVER));
    close_pair(&pair);
}

static volatile sig_atomic_t ticks;

static void count_tick(int number)
{
    (void)number;
    ticks++;
}

static void signal_does_not_end_the_wait(void **state)
{
    const struct itimerspec often = {{0, 5000000}, {0, 5000000}};
    const struct sigaction counting = {.sa_handler = count_tick};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct pair pair = open_pair(state);
    timer_t timer;

    ticks = 0;
    sigaction(SIGUSR1, &counting, NULL);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    timer_settime(timer, 0, &often, NULL);
    assert_waits_out(&pair.stream, STREAM_WAIT_READ);
    timer_delete(timer);
    assert_true(ticks > 0);
    close_pair(&pair);
}

#define OVER(transport, test)                                                                      \
    {                                                                                              \
#test " over " #transport, test, NULL, NULL, &over_##transport                             \
    }
#define OVER_BOTH(test) OVER(unix, test), OVER(tcp, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(handshake_is_nothing),
        OVER_BOTH(silence_wants_to_read),
        OVER_BOTH(bytes_are_read_in_pieces),
        OVER_BOTH(eof_comes_after_the_bytes),
        OVER_BOTH(eof_alone_is_not_heard),
        OVER_BOTH(full_pipe_wants_to_write),
        OVER_BOTH(drained_pipe_takes_more),
        OVER_BOTH(unsent_is_what_the_peer_has_not_taken),
        cmocka_unit_test(reset_fails_the_read),
        cmocka_unit_test(reset_fails_the_write),
        cmocka_unit_test(gone_peer_fails_the_write),
        OVER_BOTH(finish_leaves_reading),
        OVER_BOTH(close_is_quick_after_eof),
        OVER_BOTH(close_grants_its_grace_and_no_more),
        OVER_BOTH(close_ends_under_a_flood),
        OVER_BOTH(close_ends_our_side_first),
        cmocka_unit_test(close_delivers_what_is_in_flight),
        cmocka_unit_test(close_waits_for_a_peer_that_still_sends),
        cmocka_unit_test(close_without_linger_waits_for_nobody),
        cmocka_unit_test(linger_has_an_end),
        cmocka_unit_test(close_after_a_reset_is_quick),
        cmocka_unit_test(close_keeps_the_answer),
        cmocka_unit_test(wants_follow_from_the_answer),
        OVER_BOTH(wait_is_for_what_was_asked),
        OVER_BOTH(passed_deadline_waits_no_more),
        cmocka_unit_test(failure_ends_the_wait),
        OVER_BOTH(signal_does_not_end_the_wait),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
