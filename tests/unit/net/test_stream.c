/* test_stream.c - the plain byte channel: reading, writing, failing, waiting. */
#include "stream_helper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- a stream and its peer ---- */

static void close_pair(struct pair *pair)
{
    close(pair->peer);
    close(pair->stream.fd);
}

static void await_input(const struct pair *pair)
{
    assert_true(stream_wait(&pair->stream, STREAM_WAIT_READ, deadline_in(SOON)));
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

/* What was given back comes first; a look at it takes nothing away. */
static void bytes_given_back_come_again(void **state)
{
    struct pair pair = open_pair(state);
    char data[8];
    size_t n = 0;

    peer_sends(&pair, "abcd");
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, 3, &n), STREAM_OK);
    stream_unread(&pair.stream, data, 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stream_peek(&pair.stream, data, 2, &n), STREAM_OK);
        assert_int_equal(n, 2);
        assert_int_equal(stream_peek(&pair.stream, data, sizeof(data), &n), STREAM_OK);
        assert_int_equal(n, 4);
        assert_memory_equal(data, "abcd", 4);
    }
    assert_int_equal(stream_read(&pair.stream, data, 2, &n), STREAM_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(data, "ab", 2);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 1);
    assert_memory_equal(data, "c", 1);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_memory_equal(data, "d", 1);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_WANT_READ);
    assert_int_equal(stream_peek(&pair.stream, data, sizeof(data), &n), STREAM_WANT_READ);
    close_pair(&pair);
}

static void bytes_given_back_come_before_the_eof(void **state)
{
    struct pair pair = open_pair(state);
    char data[8];
    size_t n = 0;

    peer_sends(&pair, "ab");
    shutdown(pair.peer, SHUT_WR);
    await_input(&pair);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    stream_unread(&pair.stream, data, n);
    assert_int_equal(stream_peek(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 2);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 2);
    assert_int_equal(stream_read(&pair.stream, data, sizeof(data), &n), STREAM_EOF);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(unsent_is_what_the_peer_has_not_taken),
        OVER_BOTH(handshake_is_nothing),
        OVER_BOTH(silence_wants_to_read),
        OVER_BOTH(bytes_are_read_in_pieces),
        OVER_BOTH(bytes_given_back_come_again),
        OVER_BOTH(bytes_given_back_come_before_the_eof),
        OVER_BOTH(eof_comes_after_the_bytes),
        OVER_BOTH(eof_alone_is_not_heard),
        OVER_BOTH(full_pipe_wants_to_write),
        OVER_BOTH(drained_pipe_takes_more),
        cmocka_unit_test(reset_fails_the_read),
        cmocka_unit_test(reset_fails_the_write),
        cmocka_unit_test(gone_peer_fails_the_write),
        OVER_BOTH(finish_leaves_reading),
        cmocka_unit_test(wants_follow_from_the_answer),
        OVER_BOTH(wait_is_for_what_was_asked),
        OVER_BOTH(passed_deadline_waits_no_more),
        cmocka_unit_test(failure_ends_the_wait),
        OVER_BOTH(signal_does_not_end_the_wait),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
