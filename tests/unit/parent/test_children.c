/* test_children.c - the parent's books: every client has one record, and they add up. */
#include "children_helper.h"
#include "forkserver_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* ---- sessions ---- */

static void closed_session(const struct client *client, int fd, const void *arg,
                           struct record *record)
{
    (void)client, (void)arg;
    await_eof(fd);
    record->end = END_CLOSED;
    record->bytes_in = 11;
    record->bytes_out = 12;
}

static void echo_once(const struct client *client, int fd, const void *arg, struct record *record)
{
    char data[16];
    ssize_t n = recv(fd, data, sizeof(data), 0);

    (void)client, (void)arg;
    record->end = send(fd, data, (size_t)n, 0) == n ? END_CLOSED : END_RESET;
    record->bytes_in = record->bytes_out = (uint64_t)n;
    snprintf(record->tls.version, sizeof(record->tls.version), "TLSv9");
}

/* ---- a client that ends as it should ---- */

static void orderly_client_leaves_its_record(void **state)
{
    struct children *children = open_books(echo_once);
    int peer = start(children, NULL);
    char data[16];
    const char *log;

    (void)state;
    assert_int_equal(children_count(children), 1);
    assert_int_equal(children_served(children), 0);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    assert_int_equal(recv(peer, data, sizeof(data), MSG_WAITALL), 5);
    assert_memory_equal(data, "hello", 5);
    log = log_of(reap_posted_all, children);
    assert_one_record(log, "echod: end=closed ");
    assert_says(log, " bytes_in=5 bytes_out=5 duration_usec=");
    assert_says(log, " tls_version=TLSv9 ");
    assert_null(strstr(log, "error="));
    assert_int_equal(children_count(children), 0);
    assert_int_equal(children_served(children), 1);
    close(peer);
    children_close(children);
}

static void parent_gives_its_descriptor_away(void **state)
{
    struct children *children = open_books(closed_session);
    const struct client client = a_client();
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(children_start(children, &client, NULL, fds[0]), 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(errno, EBADF);
    close(fds[1]);
    log_of(sweep_all, children);
    children_close(children);
}

/* ---- the end of a drain ---- */

static void cut_clients_are_drained(void **state)
{
    struct children *children = open_books(closed_session);
    int peers[] = {start(children, NULL), start(children, NULL)};
    const char *log;

    (void)state;
    children_cut(children);
    assert_int_equal(children_count(children), 2);
    log = log_of(sweep_all, children);
    assert_int_equal(count_of(log, "echod: end=drained "), 2);
    assert_null(strstr(log, "error="));
    assert_int_equal(children_served(children), 2);
    close(peers[0]);
    close(peers[1]);
    children_close(children);
}

/* Whoever was done before the cut has its own word. */
static void cut_comes_too_late_for_the_dead(void **state)
{
    struct children *children = open_books(closed_session);
    int peer = start(children, NULL);

    (void)state;
    close(peer);
    some_death();
    children_cut(children);
    assert_one_record(log_of(sweep_all, children), "end=closed ");
    children_close(children);
}

/* ---- no process to be had ---- */

/* Limits of processes bind whoever is not root. */
static void become_unprivileged(void)
{
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        _exit(100);
}

/* Returns the status of a process that has no right to make another. */
static int try_without_processes(struct children *children, int fd)
{
    const struct rlimit none = {0, 0};
    const struct client client = a_client();

    become_unprivileged();
    if (setrlimit(RLIMIT_NPROC, &none) < 0)
        return 101;
    for (int i = 0; i <= CLIENTS_MAX; i++) /* which would use up slots that were not given back */
        if (children_start(children, &client, NULL, fd) != EAGAIN)
            return 1;
    if (children_count(children) != 0 || children_served(children) != 0)
        return 2;
    return fcntl(fd, F_GETFD) >= 0 ? 0 : 3;
}

static void no_process_leaves_the_client_waiting(void **state)
{
    struct children *children = open_books(closed_session);
    int fds[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pid = fork();
    if (pid == 0)
        _exit(try_without_processes(children, fds[0]));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fds[0]);
    close(fds[1]);
    children_close(children);
}

/* Of the fork server: it cannot map a record any more. */
static int lose_records(const void *arg, const int *kept, size_t n)
{
    (void)arg, (void)n;
    return close(kept[1]);
}

static void client_waits_for_a_record(void **state)
{
    struct children *children = open_books(closed_session);
    const struct client client = a_client();
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    children_renew(children, lose_records, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_not_equal(children_start(children, &client, NULL, fds[0]), 0);
    assert_int_equal(children_count(children), 0);
    children_renew(children, give_up_descriptors, NULL);
    assert_int_equal(children_start(children, &client, NULL, fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
    assert_one_record(log_of(sweep_all, children), "end=closed ");
    children_close(children);
}

/* ---- the books add up ---- */

#define MANY 24

static void books_add_up(void **state)
{
    static const int kinds[] = {0, 1, 2};
    struct children *children = open_books(mixed_session);
    int peers[MANY];
    const char *log;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        peers[i] = start(children, &kinds[i % 3]);
        assert_int_equal(children_count(children), i + 1);
    }
    for (unsigned i = 0; i < MANY; i++)
        close(peers[i]);
    log = log_of(sweep_all, children);
    assert_int_equal(count_of(log, "\n"), MANY);
    assert_int_equal(count_of(log, "end=closed "), MANY / 3);
    assert_int_equal(count_of(log, "(Killed)"), MANY / 3);
    assert_int_equal(count_of(log, "exited with status 3"), MANY / 3);
    assert_int_equal(children_count(children), 0);
    assert_int_equal(children_served(children), MANY);
    assert_int_equal(ended_clients(), MANY);
    children_close(children);
}

static void pid_of_a_stranger_ends_nobody(void **state)
{
    struct children *children = open_books(closed_session);
    int peer = start(children, NULL);

    (void)state;
    children_reap_pid(children, getpid());
    children_reap_pid(children, 0);
    assert_int_equal(children_count(children), 1);
    close(peer);
    log_of(sweep_all, children);
    children_close(children);
}

static void no_books_can_be_closed(void **state)
{
    (void)state;
    children_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orderly_client_leaves_its_record),
        cmocka_unit_test(parent_gives_its_descriptor_away),
        cmocka_unit_test(cut_clients_are_drained),
        cmocka_unit_test(cut_comes_too_late_for_the_dead),
        cmocka_unit_test(no_process_leaves_the_client_waiting),
        cmocka_unit_test(client_waits_for_a_record),
        cmocka_unit_test(books_add_up),
        cmocka_unit_test(pid_of_a_stranger_ends_nobody),
        cmocka_unit_test(no_books_can_be_closed),
    };

    alarm(120);                             /* a test that waits for ever fails */
    close_range(STDERR_FILENO + 1, ~0u, 0); /* what make(1) left open would be in the way */
    log_open(LOG_TARGET_STDERR, LOG_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
