/* test_clients.c - the parent's books: whatever becomes of a process, its client has one record. */
#include "../../src/board.h"
#include "../../src/clients.h"
#include "../../src/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS 256 /* more than any test opens */
#define NOBODY 65534

/* ---- what the log says ---- */

/* Run an action with stderr going to a file in memory. Returns what was logged, until the next. */
static const char *log_of(void (*action)(struct clients *), struct clients *clients)
{
    static char text[32768];
    int saved = dup(STDERR_FILENO), file = memfd_create("log", MFD_CLOEXEC);
    ssize_t n;

    dup2(file, STDERR_FILENO);
    action(clients);
    dup2(saved, STDERR_FILENO);
    n = pread(file, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(saved);
    close(file);
    return text;
}

static unsigned count_of(const char *text, const char *word)
{
    unsigned count = 0;

    for (text = strstr(text, word); text; text = strstr(text + 1, word))
        count++;
    return count;
}

static void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in: %s", words, text);
}

static void assert_one_record(const char *text, const char *words)
{
    assert_int_equal(count_of(text, "\n"), 1);
    assert_int_equal(count_of(text, "listener=one client=192.0.2.1 client_port=7 "), 1);
    assert_says(text, words);
}

/* ---- books, and a client with its peer ---- */

static struct client a_client(void)
{
    struct client client = {.listener = "one", .peer = {.len = sizeof(struct sockaddr_in)}};

    client.peer.in.sin_family = AF_INET;
    client.peer.in.sin_port = htons(7);
    client.peer.in.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
    return client;
}

static struct clients *open_books(client_session *session)
{
    struct clients *clients;
    struct err err;

    assert_int_equal(clients_open(session, &clients, &err), 0);
    return clients;
}

/* Returns the peer's end of the socket. */
static int start(struct clients *clients, const void *arg)
{
    const struct client client = a_client();
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(clients_start(clients, &client, arg, fds[0]), 0);
    return fds[1];
}

/* Wait until some child is dead, and leave it to the books to reap it. Returns its pid. */
static pid_t some_death(void)
{
    siginfo_t info = {.si_pid = 0};

    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    return info.si_pid;
}

static void sweep_after_death(struct clients *clients)
{
    some_death();
    clients_sweep(clients);
}

static void sweep_all(struct clients *clients)
{
    while (clients_count(clients) > 0)
        sweep_after_death(clients);
}

static void reap_posted_all(struct clients *clients)
{
    while (clients_count(clients) > 0) {
        some_death();
        clients_reap_posted(clients);
    }
}

static void reap_by_pid(struct clients *clients)
{
    clients_reap_pid(clients, some_death());
}

/* ---- sessions ---- */

/* Wait until the peer ends its side. */
static void await_eof(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void closed_session(int fd, const void *arg, struct record *record)
{
    (void)arg;
    await_eof(fd);
    record->end = END_CLOSED;
    record->bytes_in = 11;
    record->bytes_out = 12;
}

static void echo_once(int fd, const void *arg, struct record *record)
{
    char data[16];
    ssize_t n = recv(fd, data, sizeof(data), 0);

    (void)arg;
    record->end = send(fd, data, (size_t)n, 0) == n ? END_CLOSED : END_RESET;
    record->bytes_in = record->bytes_out = (uint64_t)n;
    snprintf(record->tls.version, sizeof(record->tls.version), "TLSv9");
}

static void count_descriptors(int fd, const void *arg, struct record *record)
{
    (void)arg;
    record->end = END_CLOSED;
    record->bytes_in = fcntl(fd, F_GETFD) >= 0;
    for (int i = STDERR_FILENO + 1; i < DESCRIPTORS; i++)
        record->bytes_out += i != fd && fcntl(i, F_GETFD) >= 0;
}

/* A signal as the kernel sends it for a fault: no handler of a sanitizer, and no core file. */
static void killed_session(int fd, const void *arg, struct record *record)
{
    const int *number = arg;
    const struct rlimit no_core = {0, 0};

    (void)fd;
    record->end = END_CLOSED;
    setrlimit(RLIMIT_CORE, &no_core);
    signal(*number, SIG_DFL);
    raise(*number);
}

static void exiting_session(int fd, const void *arg, struct record *record)
{
    const int *status = arg;

    (void)fd, (void)record;
    _exit(*status);
}

/* Once the peer ends its side: 0 ends in order, 1 is killed, 2 exits with status 3. */
static void mixed_session(int fd, const void *arg, struct record *record)
{
    static const int numbers[] = {SIGKILL, 3};
    const int *kind = arg;

    await_eof(fd);
    record->end = END_CLOSED;
    if (*kind == 1)
        killed_session(fd, &numbers[0], record);
    if (*kind == 2)
        exiting_session(fd, &numbers[1], record);
}

/*
 * The whole board lies open to a child that was taken over; its layout is no secret to it. The
 * posts precede the records.
 */
static _Atomic uint64_t *posts_before(struct record *first_record)
{
    return (_Atomic uint64_t *)(void *)((char *)first_record - BOARD_SLOTS / 8);
}

/* Once the peer ends its side: slot 2 posts every slot there is, the others end in order. */
static void hostile_session(int fd, const void *arg, struct record *record)
{
    const unsigned *slot = arg;

    await_eof(fd);
    if (*slot == 2)
        memset((void *)posts_before(record - 2), 0xff, BOARD_SLOTS / 8);
    record->end = END_CLOSED;
    record->bytes_in = *slot + 100;
}

static void garbage_session(int fd, const void *arg, struct record *record)
{
    const int *byte = arg;

    (void)fd;
    memset(record, *byte, sizeof(*record));
}

static void forging_session(int fd, const void *arg, struct record *record)
{
    (void)fd, (void)arg;
    record->end = END_TLS_ERROR;
    snprintf(record->error, sizeof(record->error), "x\nechod: end=closed");
}

/* ---- tests: a client that ends as it should ---- */

static void orderly_client_leaves_its_record(void **state)
{
    struct clients *clients = open_books(echo_once);
    int peer = start(clients, NULL);
    char data[16];
    const char *log;

    (void)state;
    assert_int_equal(clients_count(clients), 1);
    assert_int_equal(clients_served(clients), 0);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    assert_int_equal(recv(peer, data, sizeof(data), MSG_WAITALL), 5);
    assert_memory_equal(data, "hello", 5);
    log = log_of(reap_posted_all, clients);
    assert_one_record(log, "echod: end=closed ");
    assert_says(log, " bytes_in=5 bytes_out=5 duration_usec=");
    assert_says(log, " tls_version=TLSv9 ");
    assert_null(strstr(log, "error="));
    assert_int_equal(clients_count(clients), 0);
    assert_int_equal(clients_served(clients), 1);
    close(peer);
    clients_close(clients);
}

static void parent_gives_its_descriptor_away(void **state)
{
    struct clients *clients = open_books(closed_session);
    const struct client client = a_client();
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(clients_start(clients, &client, NULL, fds[0]), 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(errno, EBADF);
    close(fds[1]);
    log_of(sweep_all, clients);
    clients_close(clients);
}

/* Descriptors below and above the client's, with close-on-exec and without. */
static void child_keeps_only_its_descriptor(void **state)
{
    struct clients *clients = open_books(count_descriptors);
    int below = open("/dev/null", O_RDONLY | O_CLOEXEC), peer, above;
    const struct client client = a_client();
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer = fds[1];
    above = fcntl(peer, F_DUPFD, DESCRIPTORS - 1);
    assert_true(below > STDERR_FILENO && below < fds[0] && fds[0] < above);
    assert_int_equal(clients_start(clients, &client, NULL, fds[0]), 0);
    assert_one_record(log_of(sweep_all, clients), " bytes_in=1 bytes_out=0 ");
    close(below);
    close(peer);
    close(above);
    clients_close(clients);
}

/* The first descriptor above standard error leaves nothing to close below it. */
static void child_keeps_the_lowest_descriptor(void **state)
{
    struct clients *clients = open_books(count_descriptors);
    const struct client client = a_client();
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fds[0], STDERR_FILENO + 1);
    assert_int_equal(clients_start(clients, &client, NULL, fds[0]), 0);
    assert_one_record(log_of(sweep_all, clients), " bytes_in=1 bytes_out=0 ");
    close(fds[1]);
    clients_close(clients);
}

/* ---- tests: a client whose process dies ---- */

static void assert_death_is_told(client_session *session, int number, const char *words)
{
    struct clients *clients = open_books(session);
    int peer = start(clients, &number);
    const char *log;

    some_death();
    assert_string_equal(log_of(clients_reap_posted, clients), "");
    assert_int_equal(clients_count(clients), 1);
    log = log_of(reap_by_pid, clients);
    assert_one_record(log, "end=crashed ");
    assert_says(log, words);
    assert_int_equal(clients_count(clients), 0);
    assert_int_equal(clients_served(clients), 1);
    close(peer);
    clients_close(clients);
}

static void killed_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(killed_session, SIGKILL, " error=\"killed by signal 9 (Killed)\"");
}

static void faulty_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(killed_session, SIGSEGV,
                         " error=\"killed by signal 11 (Segmentation fault)\"");
}

static void failed_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(exiting_session, 3, " error=\"exited with status 3\"");
}

/* Status 0 is no excuse for an empty record, which no post announced. */
static void silent_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(exiting_session, 0, " bytes_in=0 bytes_out=0 ");
}

static void sweep_finds_the_dead_only(void **state)
{
    static const int orderly = 0, killed = 1;
    struct clients *clients = open_books(mixed_session);
    int living = start(clients, &orderly), dying = start(clients, &killed);

    (void)state;
    close(dying);
    assert_one_record(log_of(sweep_after_death, clients), "(Killed)");
    assert_int_equal(clients_count(clients), 1);
    close(living);
    assert_one_record(log_of(sweep_all, clients), "end=closed ");
    clients_close(clients);
}

/* ---- tests: a client that is not to be trusted ---- */

/* Three clients in slots of that number. */
static struct clients *open_hostile_books(int *ret_peers)
{
    static const unsigned slots[] = {0, 1, 2};
    struct clients *clients = open_books(hostile_session);

    for (size_t i = 0; i < 3; i++)
        ret_peers[i] = start(clients, &slots[i]);
    return clients;
}

static const char *log_after_end(struct clients *clients, int peer)
{
    close(peer);
    some_death();
    return log_of(clients_reap_posted, clients);
}

/* One whose slot it posts goes on, one has ended and its slot is free, the others never were. */
static void foreign_posts_end_nobody(void **state)
{
    int peers[3];
    struct clients *clients = open_hostile_books(peers);

    (void)state;
    assert_one_record(log_after_end(clients, peers[1]), " bytes_in=101 ");
    assert_one_record(log_after_end(clients, peers[2]), " bytes_in=102 ");
    assert_string_equal(log_of(clients_reap_posted, clients), "");
    assert_int_equal(clients_count(clients), 1);
    assert_int_equal(clients_served(clients), 2);
    assert_one_record(log_after_end(clients, peers[0]), " bytes_in=100 ");
    assert_int_equal(clients_served(clients), 3);
    clients_close(clients);
}

/* The posts that a hostile child left are no trouble to those who get these slots next. */
static void slots_posted_too_early_are_served(void **state)
{
    static const unsigned new_slot = 7;
    int peers[3], new_peers[3];
    struct clients *clients = open_hostile_books(peers);

    (void)state;
    log_after_end(clients, peers[2]);
    for (size_t i = 0; i < 3; i++)
        new_peers[i] = start(clients, &new_slot);
    assert_string_equal(log_of(clients_reap_posted, clients), "");
    assert_int_equal(clients_count(clients), 5);
    for (size_t i = 0; i < 3; i++)
        assert_one_record(log_after_end(clients, new_peers[i]), " bytes_in=107 ");
    close(peers[0]);
    close(peers[1]);
    log_of(reap_posted_all, clients);
    assert_int_equal(clients_served(clients), 6);
    clients_close(clients);
}

static void assert_garbage_is_tamed(int byte, const char *words)
{
    struct clients *clients = open_books(garbage_session);
    int peer = start(clients, &byte);
    const char *log = log_of(reap_posted_all, clients);

    assert_one_record(log, "end=crashed ");
    assert_says(log, words);
    assert_int_equal(clients_served(clients), 1);
    close(peer);
    clients_close(clients);
}

static void garbage_is_tamed(void **state)
{
    (void)state;
    assert_garbage_is_tamed(0xff, " bytes_in=18446744073709551615 ");
    assert_garbage_is_tamed('A', "AAAAAAAA");
}

static void record_forges_no_line(void **state)
{
    struct clients *clients = open_books(forging_session);
    int peer = start(clients, NULL);

    (void)state;
    assert_one_record(log_of(reap_posted_all, clients), "end=tls_error ");
    close(peer);
    clients_close(clients);
}

/* ---- tests: the end of a drain ---- */

static void cut_clients_are_drained(void **state)
{
    struct clients *clients = open_books(closed_session);
    int peers[] = {start(clients, NULL), start(clients, NULL)};
    const char *log;

    (void)state;
    clients_cut(clients);
    assert_int_equal(clients_count(clients), 2);
    log = log_of(sweep_all, clients);
    assert_int_equal(count_of(log, "echod: end=drained "), 2);
    assert_null(strstr(log, "error="));
    assert_int_equal(clients_served(clients), 2);
    close(peers[0]);
    close(peers[1]);
    clients_close(clients);
}

/* Whoever was done before the cut has its own word. */
static void cut_comes_too_late_for_the_dead(void **state)
{
    struct clients *clients = open_books(closed_session);
    int peer = start(clients, NULL);

    (void)state;
    close(peer);
    some_death();
    clients_cut(clients);
    assert_one_record(log_of(sweep_all, clients), "end=closed ");
    clients_close(clients);
}

/* ---- tests: no process to be had ---- */

/* Limits of processes bind whoever is not root. */
static void become_unprivileged(void)
{
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        _exit(100);
}

/* Returns the status of a process that has no right to make another. */
static int try_without_processes(struct clients *clients, int fd)
{
    const struct rlimit none = {0, 0};
    const struct client client = a_client();

    become_unprivileged();
    if (setrlimit(RLIMIT_NPROC, &none) < 0)
        return 101;
    for (int i = 0; i <= BOARD_SLOTS; i++) /* which would use up slots that were not given back */
        if (clients_start(clients, &client, NULL, fd) != EAGAIN)
            return 1;
    if (clients_count(clients) != 0 || clients_served(clients) != 0)
        return 2;
    return fcntl(fd, F_GETFD) >= 0 ? 0 : 3;
}

static void no_process_leaves_the_client_waiting(void **state)
{
    struct clients *clients = open_books(closed_session);
    int fds[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pid = fork();
    if (pid == 0)
        _exit(try_without_processes(clients, fds[0]));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fds[0]);
    close(fds[1]);
    clients_close(clients);
}

/* ---- tests: the books add up ---- */

#define MANY 24

static void books_add_up(void **state)
{
    static const int kinds[] = {0, 1, 2};
    struct clients *clients = open_books(mixed_session);
    int peers[MANY];
    const char *log;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        peers[i] = start(clients, &kinds[i % 3]);
        assert_int_equal(clients_count(clients), i + 1);
    }
    for (unsigned i = 0; i < MANY; i++)
        close(peers[i]);
    log = log_of(sweep_all, clients);
    assert_int_equal(count_of(log, "\n"), MANY);
    assert_int_equal(count_of(log, "end=closed "), MANY / 3);
    assert_int_equal(count_of(log, "(Killed)"), MANY / 3);
    assert_int_equal(count_of(log, "exited with status 3"), MANY / 3);
    assert_int_equal(clients_count(clients), 0);
    assert_int_equal(clients_served(clients), MANY);
    clients_close(clients);
}

static void pid_of_a_stranger_ends_nobody(void **state)
{
    struct clients *clients = open_books(closed_session);
    int peer = start(clients, NULL);

    (void)state;
    clients_reap_pid(clients, getpid());
    clients_reap_pid(clients, 0);
    assert_int_equal(clients_count(clients), 1);
    close(peer);
    log_of(sweep_all, clients);
    clients_close(clients);
}

static void no_books_can_be_closed(void **state)
{
    (void)state;
    clients_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_keeps_the_lowest_descriptor),
        cmocka_unit_test(orderly_client_leaves_its_record),
        cmocka_unit_test(parent_gives_its_descriptor_away),
        cmocka_unit_test(child_keeps_only_its_descriptor),
        cmocka_unit_test(killed_client_crashed),
        cmocka_unit_test(faulty_client_crashed),
        cmocka_unit_test(failed_client_crashed),
        cmocka_unit_test(silent_client_crashed),
        cmocka_unit_test(sweep_finds_the_dead_only),
        cmocka_unit_test(foreign_posts_end_nobody),
        cmocka_unit_test(slots_posted_too_early_are_served),
        cmocka_unit_test(garbage_is_tamed),
        cmocka_unit_test(record_forges_no_line),
        cmocka_unit_test(cut_clients_are_drained),
        cmocka_unit_test(cut_comes_too_late_for_the_dead),
        cmocka_unit_test(no_process_leaves_the_client_waiting),
        cmocka_unit_test(books_add_up),
        cmocka_unit_test(pid_of_a_stranger_ends_nobody),
        cmocka_unit_test(no_books_can_be_closed),
    };

    alarm(120);                             /* a test that waits for ever fails */
    close_range(STDERR_FILENO + 1, ~0u, 0); /* what make(1) left open would be in the way */
    log_open(LOG_TARGET_STDERR, LOG_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
