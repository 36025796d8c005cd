/* test_echo.c - the loop: every byte back, in order, within limits, whatever the stream answers. */
#include "../../src/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)128 * 1024) /* what the loop holds at most */
#define SOON (10 * USEC_PER_SEC)         /* far longer than anything here takes */

static const struct echo_limits no_limits = {.deadline = DEADLINE_NEVER};

/* No two stretches of it are alike, so that a byte lost, doubled or moved shows. */
static unsigned char pattern(size_t i)
{
    return (unsigned char)((uint32_t)i * 2654435761u >> 24);
}

static void make_pattern(unsigned char *data, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = pattern(from + i);
}

static bool is_pattern(const unsigned char *data, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != pattern(from + i))
            return false;
    return true;
}

/* ---- a stream that answers from a script, and holds the loop to the contract of stream.h ---- */

/* One answer: how, and with STREAM_OK of how many bytes at most. */
struct answer {
    enum stream_status status;
    size_t n;
};

#define ALL SIZE_MAX

struct script {
    struct stream stream; /* first, so that the one is the other */
    struct answer (*next)(struct script *script, bool reading);
    struct answer reads[16], writes[16]; /* for answer_from_lists() */
    size_t n_reads, n_writes;            /* calls so far */
    size_t fail_at;                      /* number of the call that fails, from 1; 0 = none */
    bool failed;
    uint32_t random;
    size_t total; /* bytes that the peer sends before it ends */
    size_t in, out;
    size_t most_held;
    unsigned char pending[BUFFER_SIZE]; /* what the write that was put off began with */
    size_t n_pending;
};

static struct script *script_of(struct stream *stream)
{
    return (struct script *)stream;
}

/* The scripted answer to this call, which may be the one that is to fail. */
static struct answer next_answer(struct script *script, bool reading)
{
    struct answer answer = script->next(script, reading);

    assert_false(script->failed);
    if (reading)
        script->n_reads++;
    else
        script->n_writes++;
    if (script->n_reads + script->n_writes == script->fail_at)
        answer.status = STREAM_FAILED;
    script->failed = answer.status == STREAM_FAILED;
    return answer;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t d = a < b ? a : b;

    return c < d ? c : d;
}

static enum stream_status scripted_read(struct stream *stream, void *data, size_t size,
                                        size_t *ret_n)
{
    struct script *script = script_of(stream);
    struct answer answer = next_answer(script, true);
    size_t n = least(answer.n, size, script->total - script->in);

    assert_true(size > 0);
    if (answer.status != STREAM_OK)
        return answer.status;
    if (n == 0)
        return STREAM_EOF;
    make_pattern(data, script->in, n);
    script->in += n;
    if (script->in - script->out > script->most_held)
        script->most_held = script->in - script->out;
    *ret_n = n;
    return STREAM_OK;
}

/* stream.h: the next write must begin with the same bytes and be no shorter. */
static void check_repeated(struct script *script, const void *data, size_t size)
{
    assert_true(size >= script->n_pending);
    assert_memory_equal(data, script->pending, script->n_pending);
    script->n_pending = 0;
}

static enum stream_status scripted_write(struct stream *stream, const void *data, size_t size,
                                         size_t *ret_n)
{
    struct script *script = script_of(stream);
    struct answer answer = next_answer(script, false);
    size_t n = least(answer.n, size, SIZE_MAX);

    assert_true(size > 0);
    check_repeated(script, data, size);
    if (answer.status == STREAM_OK) {
        assert_true(is_pattern(data, script->out, n));
        script->out += n;
        *ret_n = n;
    } else {
        memcpy(script->pending, data, size);
        script->n_pending = size;
    }
    return answer.status;
}

/* What the lists say; after their ends all goes well. */
static struct answer answer_from_lists(struct script *script, bool reading)
{
    const struct answer *list = reading ? script->reads : script->writes;
    size_t i = reading ? script->n_reads : script->n_writes;
    const struct answer well = {STREAM_OK, ALL};

    return i < 16 && (list[i].status != STREAM_OK || list[i].n != 0) ? list[i] : well;
}

/* A script whose socket is always ready, since /dev/null is. */
static struct script *open_script(size_t total)
{
    static const struct stream_ops ops = {.read = scripted_read, .write = scripted_write};
    static struct script script;

    script = (struct script){.stream = {.ops = &ops, .fd = open("/dev/null", O_RDWR | O_CLOEXEC)},
                             .next = answer_from_lists,
                             .total = total};
    script.stream.end = END_RESET;
    return &script;
}

static void close_script(struct script *script)
{
    close(script->stream.fd);
}

/* Run the loop on the script. Whatever happened, the record says how many bytes moved. */
static enum end run_script(struct script *script, const struct echo_limits *limits)
{
    struct record record = {.end = 0};
    enum end end = echo_run(&script->stream, limits, &record);

    assert_int_equal(record.bytes_out, script->out);
    assert_in_range(script->in - record.bytes_in, 0, 1); /* one byte tells who is over max_bytes */
    assert_in_range(script->most_held, 0, BUFFER_SIZE + 1);
    close_script(script);
    return end;
}

static void assert_all_echoed(struct script *script)
{
    assert_int_equal(run_script(script, &no_limits), END_CLOSED);
    assert_int_equal(script->in, script->total);
    assert_int_equal(script->out, script->total);
}

/* ---- tests: the script's answers ---- */

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
    assert_in_range(calls, 8, 16);
    for (size_t i = 1; i <= calls; i++) {
        script = open_script(100);
        answers_for_failures(script);
        script->fail_at = i;
        script->stream.end = i % 2 ? END_RESET : END_TLS_ERROR;
        assert_int_equal(run_script(script, &no_limits), i % 2 ? END_RESET : END_TLS_ERROR);
        assert_int_equal(script->n_reads + script->n_writes, i);
    }
}

/* ---- tests: the ring ---- */

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

/* ---- tests: max_bytes ---- */

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

/* ---- tests: time ---- */

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
    assert_in_range(script->out, 1, 1000);
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

/* ---- tests: real sockets ---- */

/* The echo of one socket, in a process of its own. */
struct echoer {
    pid_t pid;
    int peer;
    struct record *record; /* in shared memory */
};

static struct echoer fork_echoer(const struct echo_limits *limits)
{
    struct echoer echoer = {.record = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    struct stream stream;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    echoer.peer = fds[1];
    echoer.pid = fork();
    if (echoer.pid == 0) {
        close(fds[1]);
        stream_open(&stream, fds[0]);
        _exit(echo_run(&stream, limits, echoer.record));
    }
    close(fds[0]);
    return echoer;
}

/* Returns the enum end. */
static int end_of(struct echoer *echoer, uint64_t bytes_in, uint64_t bytes_out)
{
    int status;

    assert_int_equal(waitpid(echoer->pid, &status, 0), echoer->pid);
    assert_true(WIFEXITED(status));
    close(echoer->peer);
    assert_int_equal(echoer->record->bytes_in, bytes_in);
    assert_int_equal(echoer->record->bytes_out, bytes_out);
    munmap(echoer->record, sizeof(struct record));
    return WEXITSTATUS(status);
}

static bool send_pattern(int fd, size_t total)
{
    unsigned char data[65536];
    size_t n;

    for (size_t sent = 0; sent < total; sent += n) {
        n = total - sent < sizeof(data) ? total - sent : sizeof(data);
        make_pattern(data, sent, n);
        if (send(fd, data, n, MSG_NOSIGNAL) != (ssize_t)n)
            return false;
    }
    return shutdown(fd, SHUT_WR) == 0;
}

/* Read on, from byte `total` of the pattern, until EOF. Returns the bytes there are by then. */
static size_t receive_pattern(int fd, size_t total)
{
    unsigned char data[65536];
    ssize_t n;

    while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
        assert_true(is_pattern(data, total, (size_t)n));
        total += (size_t)n;
    }
    assert_int_equal(n, 0);
    return total;
}

static void half_close_is_answered_in_full(void **state)
{
    struct echoer echoer = fork_echoer(&no_limits);

    (void)state;
    assert_true(send_pattern(echoer.peer, 100000));
    assert_int_equal(receive_pattern(echoer.peer, 0), 100000);
    assert_int_equal(end_of(&echoer, 100000, 100000), END_CLOSED);
}

static pid_t fork_sender(int fd, size_t total)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        _exit(!send_pattern(fd, total));
    }
    return pid;
}

/* Wait until nothing more fits anywhere, that is, until no byte has come for a while. */
static void await_standstill(int fd)
{
    int before, now = -1;

    do {
        before = now;
        usleep(50000);
        assert_int_equal(ioctl(fd, FIONREAD, &now), 0);
    } while (now == 0 || now != before);
}

static void sender_that_reads_late_gets_all(void **state)
{
    const size_t total = (size_t)32 * 1024 * 1024;
    struct echoer echoer = fork_echoer(&no_limits);
    pid_t sender = fork_sender(echoer.peer, total);
    int status;

    (void)state;
    await_standstill(echoer.peer);
    assert_int_equal(receive_pattern(echoer.peer, 0), total);
    assert_int_equal(waitpid(sender, &status, 0), sender);
    assert_int_equal(status, 0);
    assert_int_equal(end_of(&echoer, total, total), END_CLOSED);
}

static void peer_that_reads_nothing_is_idle(void **state)
{
    const struct echo_limits limits = {.idle_usec = 300 * USEC_PER_MSEC,
                                       .deadline = DEADLINE_NEVER};
    struct echoer echoer = fork_echoer(&limits);
    pid_t sender = fork_sender(echoer.peer, (size_t)32 * 1024 * 1024);
    int status;

    (void)state;
    assert_int_equal(waitpid(echoer.pid, &status, 0), echoer.pid);
    assert_int_equal(WEXITSTATUS(status), END_IDLE);
    assert_int_equal(waitpid(sender, &status, 0), sender);
    assert_int_equal(WEXITSTATUS(status), 1); /* its socket went away */
    assert_int_equal(echoer.record->bytes_in - echoer.record->bytes_out, BUFFER_SIZE);
    munmap(echoer.record, sizeof(struct record));
    close(echoer.peer);
}

/*
 * A socket becomes writable only once a good part of it is free: a reader that takes its time is
 * at work long before the echo can write on.
 */
static void slow_reader_is_not_idle(void **state)
{
    const struct echo_limits limits = {.idle_usec = 500 * USEC_PER_MSEC,
                                       .deadline = DEADLINE_NEVER};
    const size_t total = (size_t)1024 * 1024;
    struct echoer echoer = fork_echoer(&limits);
    pid_t sender = fork_sender(echoer.peer, total);
    unsigned char data[8192];
    size_t received = 0;

    (void)state;
    for (int i = 0; i < 16; i++, received += sizeof(data)) {
        assert_int_equal(recv(echoer.peer, data, sizeof(data), MSG_WAITALL), sizeof(data));
        assert_true(is_pattern(data, received, sizeof(data)));
        usleep(60000);
    }
    assert_int_equal(receive_pattern(echoer.peer, received), total);
    assert_int_equal(waitpid(sender, NULL, 0), sender);
    assert_int_equal(end_of(&echoer, total, total), END_CLOSED);
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
        cmocka_unit_test(silence_is_idle),
        cmocka_unit_test(every_byte_ends_the_idleness),
        cmocka_unit_test(bytes_do_not_push_the_deadline_away),
        cmocka_unit_test(flood_does_not_push_the_deadline_away),
        cmocka_unit_test(silence_reaches_the_deadline),
        cmocka_unit_test(passed_deadline_moves_nothing),
        cmocka_unit_test(half_close_is_answered_in_full),
        cmocka_unit_test(sender_that_reads_late_gets_all),
        cmocka_unit_test(peer_that_reads_nothing_is_idle),
        cmocka_unit_test(slow_reader_is_not_idle),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
