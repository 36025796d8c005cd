/* test_echo_sockets.c - the loop over real sockets, in a process of its own. */
#include "echo_helper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- real sockets ---- */

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
    const struct echo_limits limits = {.idle_usec = 2 * USEC_PER_SEC, .deadline = DEADLINE_NEVER};
    const size_t total = (size_t)1024 * 1024;
    struct echoer echoer = fork_echoer(&limits);
    pid_t sender = fork_sender(echoer.peer, total);
    unsigned char data[8192];
    size_t received = 0;

    (void)state;
    for (int i = 0; i < 16; i++, received += sizeof(data)) {
        assert_int_equal(recv(echoer.peer, data, sizeof(data), MSG_WAITALL), sizeof(data));
        assert_true(is_pattern(data, received, sizeof(data)));
        usleep(150000); /* all together longer than idle_usec */
    }
    assert_int_equal(receive_pattern(echoer.peer, received), total);
    assert_int_equal(waitpid(sender, NULL, 0), sender);
    assert_int_equal(end_of(&echoer, total, total), END_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_reader_is_not_idle),
        cmocka_unit_test(half_close_is_answered_in_full),
        cmocka_unit_test(sender_that_reads_late_gets_all),
        cmocka_unit_test(peer_that_reads_nothing_is_idle),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
