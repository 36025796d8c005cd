/*
 * test_server.c - the parent's loop, in a process of its own with a stub for a session: the test
 * is its clients and whoever sends it signals.
 */
#include "../../src/deadline.h"
#include "../../src/log.h"
#include "../../src/server.h"

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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOON_MSEC 10000  /* far longer than anything here takes */
#define A_WHILE_MSEC 150 /* in which whatever is to happen would have happened */
#define NOBODY 65534

/* ---- the stub: greet with the listener's argument, then echo each byte ---- */

static void stub_session(int fd, const void *arg, struct record *record)
{
    char byte = *(const char *)arg;

    fcntl(fd, F_SETFL, 0);
    send(fd, &byte, 1, MSG_NOSIGNAL);
    while (recv(fd, &byte, 1, 0) == 1) {
        record->bytes_in++;
        if (byte == 'K')
            raise(SIGKILL);
        if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
            record->bytes_out++;
    }
    record->end = END_CLOSED;
}

/* ---- the server's process ---- */

#define LISTENERS 2

struct served {
    pid_t pid;
    int events; /* the read end of a pipe: a letter for whatever it reports */
    int log;    /* a file in memory */
    int listeners[LISTENERS];
    struct sockaddr_in addrs[LISTENERS];
};

/* What the process is to do, in the order of its generations. */
struct plan {
    struct server_limits limits;
    size_t n[2]; /* listeners of each generation */
    unsigned listeners[2][LISTENERS];
    void (*prepare)(void); /* in the process, before the server is opened */
};

static void report(int events, char event)
{
    if (write(events, &event, 1) != 1)
        _exit(90);
}

static void configure(struct server *server, const struct served *served, const struct plan *plan,
                      unsigned generation)
{
    static const struct server_listener all[LISTENERS] = {{.name = "one", .arg = "1"},
                                                          {.name = "two", .arg = "2"}};
    struct server_listener listeners[LISTENERS];
    struct err err;

    for (size_t i = 0; i < plan->n[generation]; i++) {
        listeners[i] = all[plan->listeners[generation][i]];
        listeners[i].fd = served->listeners[plan->listeners[generation][i]];
    }
    if (server_configure(server, listeners, plan->n[generation], &plan->limits, &err) < 0)
        _exit(91);
}

static void stop(struct server *server, const struct served *served, int events)
{
    server_stop_accepting(server);
    for (size_t i = 0; i < LISTENERS; i++)
        close(served->listeners[i]);
    report(events, 'S');
    server_drain(server);
    report(events, 'D');
}

static void serve(const struct served *served, const struct plan *plan, int events)
{
    struct server *server;
    struct err err;
    unsigned generation = 0;
    enum server_event event;

    if (server_open(stub_session, &server, &err) < 0)
        _exit(92);
    configure(server, served, plan, generation);
    report(events, '!');
    while ((event = server_run(server, &err)) == SERVER_RELOAD) {
        generation = !generation;
        configure(server, served, plan, generation);
        report(events, 'R');
    }
    if (event == SERVER_STOP)
        stop(server, served, events);
    else
        report(events, 'F');
    server_close(server);
}

/* All sockets of the test stay in the process too, but for its clients none is there yet. */
static _Noreturn void run_server(const struct served *served, const struct plan *plan, int events)
{
    dup2(served->log, STDERR_FILENO);
    log_open(LOG_TARGET_STDERR, LOG_DEBUG);
    if (plan->prepare)
        plan->prepare();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    serve(served, plan, events);
    _exit(0);
}

static int listening_socket(struct sockaddr_in *ret_addr)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &length), 0);
    *ret_addr = addr;
    return fd;
}

/* ---- what the test sees of it ---- */

static void assert_event(const struct served *served, char event)
{
    struct pollfd ready = {.fd = served->events, .events = POLLIN};
    char got = '?';

    assert_int_equal(poll(&ready, 1, SOON_MSEC), 1);
    assert_int_equal(read(served->events, &got, 1), 1);
    assert_int_equal(got, event);
}

static bool has_event(const struct served *served, int msec)
{
    struct pollfd ready = {.fd = served->events, .events = POLLIN};

    return poll(&ready, 1, msec) == 1;
}

static struct served start(const struct plan *plan)
{
    struct served served = {.log = memfd_create("log", MFD_CLOEXEC)};
    int events[2];

    for (size_t i = 0; i < LISTENERS; i++)
        served.listeners[i] = listening_socket(&served.addrs[i]);
    assert_int_equal(pipe2(events, O_CLOEXEC), 0);
    served.events = events[0];
    served.pid = fork();
    if (served.pid == 0) {
        close(events[0]);
        run_server(&served, plan, events[1]);
    }
    close(events[1]);
    assert_event(&served, '!');
    return served;
}

/* One listener, many clients, all the time of the world. */
static struct served start_simple(void)
{
    return start(&(struct plan){.limits = {.max_clients = 100}, .n = {1, 1}});
}

static void signal_server(const struct served *served, int number)
{
    assert_int_equal(kill(served->pid, number), 0);
}

/* What it has logged so far, until the next call. */
static const char *log_of(const struct served *served)
{
    static char text[65536];
    ssize_t n = pread(served->log, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static unsigned count_in_log(const struct served *served, const char *words)
{
    unsigned count = 0;

    for (const char *at = strstr(log_of(served), words); at; at = strstr(at + 1, words))
        count++;
    return count;
}

static bool await_in_log(const struct served *served, const char *words, unsigned count)
{
    for (int i = 0; i < SOON_MSEC && count_in_log(served, words) < count; i++)
        usleep(1000);
    return count_in_log(served, words) == count;
}

static void assert_records(const struct served *served, const char *words, unsigned count)
{
    if (!await_in_log(served, words, count))
        fail_msg("not %u times \"%s\" in: %s", count, words, log_of(served));
}

/* The process has said its last word: it must be gone, in order. */
static void assert_gone(struct served *served)
{
    int status;

    assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < LISTENERS; i++)
        close(served->listeners[i]);
    close(served->events);
    close(served->log);
}

static void stop_server(struct served *served)
{
    signal_server(served, SIGTERM);
    assert_event(served, 'S');
    assert_event(served, 'D');
    assert_gone(served);
}

/* ---- clients ---- */

static int connect_to(const struct served *served, unsigned listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in *addr = &served->addrs[listener];

    assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)), 0);
    return fd;
}

static bool has_input(int fd, int msec)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, msec) == 1;
}

static void assert_receives(int fd, char expected)
{
    char byte = '?';

    assert_true(has_input(fd, SOON_MSEC));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, expected);
}

/* A client that has its process, as the greeting proves. */
static int served_client(const struct served *served, unsigned listener)
{
    int fd = connect_to(served, listener);

    assert_receives(fd, (char)('1' + listener));
    return fd;
}

static void assert_echoes(int fd)
{
    assert_int_equal(send(fd, "e", 1, MSG_NOSIGNAL), 1);
    assert_receives(fd, 'e');
}

/* The connection is over, be it by FIN or RST. */
static void assert_cut(int fd)
{
    char byte;

    assert_true(has_input(fd, SOON_MSEC));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static uint64_t processor_usec(const struct served *served)
{
    struct timespec time;
    clockid_t clock;

    assert_int_equal(clock_getcpuclockid(served->pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &time), 0);
    return (uint64_t)time.tv_sec * USEC_PER_SEC + (uint64_t)time.tv_nsec / 1000;
}

/* The client waits, and so does the server: it does not ask again and again. */
static void assert_waits(const struct served *served, int fd)
{
    uint64_t before = processor_usec(served);

    assert_false(has_input(fd, A_WHILE_MSEC));
    assert_true(processor_usec(served) - before < A_WHILE_MSEC * USEC_PER_MSEC / 3);
}

/* ---- tests: clients come and go ---- */

static void clients_are_served_at_once(void **state)
{
    struct served served = start_simple();
    int fds[20];

    (void)state;
    for (size_t i = 0; i < 20; i++)
        fds[i] = served_client(&served, 0);
    for (size_t i = 0; i < 20; i++)
        assert_echoes(fds[19 - i]);
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    assert_records(&served, "end=closed listener=one client=127.0.0.1 client_port=", 20);
    assert_int_equal(count_in_log(&served, " bytes_in=1 bytes_out=1 "), 20);
    stop_server(&served);
}

static void listeners_are_told_apart(void **state)
{
    struct served served = start(
        &(struct plan){.limits = {.max_clients = 100}, .n = {2, 2}, .listeners = {{0, 1}, {0, 1}}});
    int one = served_client(&served, 0), two = served_client(&served, 1);

    (void)state;
    close(two);
    assert_records(&served, "listener=two ", 1);
    close(one);
    assert_records(&served, "listener=one ", 1);
    stop_server(&served);
}

static void killed_process_costs_its_client_only(void **state)
{
    struct served served = start_simple();
    int fds[] = {served_client(&served, 0), served_client(&served, 0)};

    (void)state;
    assert_int_equal(send(fds[0], "K", 1, MSG_NOSIGNAL), 1);
    assert_cut(fds[0]);
    assert_records(&served, "end=crashed ", 1);
    assert_records(&served, " error=\"killed by signal 9 (Killed)\"", 1);
    assert_echoes(fds[1]);
    close(fds[0]);
    close(fds[1]);
    stop_server(&served);
}

/* Signals of one kind merge while they wait, so one SIGCHLD may stand for many deaths. */
static void merged_deaths_are_all_found(void **state)
{
    struct served served = start_simple();
    int fds[10];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        fds[i] = served_client(&served, 0);
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R'); /* the server itself holds none of their sockets any more */
    signal_server(&served, SIGSTOP);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(send(fds[i], i % 2 ? "K" : "e", 1, MSG_NOSIGNAL), 1);
        if (i % 2 == 0)
            assert_receives(fds[i], 'e');
        shutdown(fds[i], SHUT_WR);
        assert_cut(fds[i]);
    }
    signal_server(&served, SIGCONT);
    assert_records(&served, "end=crashed ", 5);
    assert_records(&served, "end=closed ", 5);
    for (size_t i = 0; i < 10; i++)
        close(fds[i]);
    stop_server(&served);
}

/* ---- tests: the limit ---- */

static void client_over_the_limit_waits(void **state)
{
    struct served served = start(&(struct plan){.limits = {.max_clients = 2}, .n = {1, 1}});
    int fds[] = {served_client(&served, 0), served_client(&served, 0), connect_to(&served, 0),
                 connect_to(&served, 0)};

    (void)state;
    assert_waits(&served, fds[2]);
    assert_false(has_input(fds[3], 0));
    close(fds[0]);
    assert_receives(fds[2], '1');
    assert_false(has_input(fds[3], A_WHILE_MSEC));
    assert_int_equal(send(fds[1], "K", 1, MSG_NOSIGNAL), 1); /* a crash makes room as well */
    assert_receives(fds[3], '1');
    assert_echoes(fds[2]);
    for (size_t i = 1; i < 4; i++)
        close(fds[i]);
    assert_records(&served, "end=closed ", 3);
    stop_server(&served);
}

/* ---- tests: signals and reload ---- */

static void signals_are_answered(void **state)
{
    static const int stops[] = {SIGTERM, SIGINT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct served served = start_simple();

        for (int n = 0; n < 3; n++) {
            signal_server(&served, SIGHUP);
            assert_event(&served, 'R');
        }
        signal_server(&served, stops[i]);
        assert_event(&served, 'S');
        assert_event(&served, 'D');
        assert_gone(&served);
    }
}

static void reload_changes_the_sockets(void **state)
{
    struct served served =
        start(&(struct plan){.limits = {.max_clients = 100}, .n = {1, 1}, .listeners = {{0}, {1}}});
    int early = served_client(&served, 0), on_two = connect_to(&served, 1), late, on_one;

    (void)state;
    assert_echoes(early);
    assert_false(has_input(on_two, A_WHILE_MSEC));
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R');
    assert_echoes(early); /* it has noticed nothing */
    assert_receives(on_two, '2');
    on_one = connect_to(&served, 0);
    late = served_client(&served, 1);
    assert_waits(&served, on_one);
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R');
    assert_receives(on_one, '1');
    assert_echoes(early);
    assert_echoes(late);
    close(early);
    close(late);
    close(on_one);
    close(on_two);
    assert_records(&served, "end=closed ", 4);
    stop_server(&served);
}

/* A reload while no more clients are taken must not open the doors. */
static void reload_keeps_the_limit(void **state)
{
    struct served served = start(&(struct plan){.limits = {.max_clients = 1}, .n = {1, 1}});
    int first = served_client(&served, 0), second = connect_to(&served, 0);

    (void)state;
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R');
    assert_waits(&served, second);
    close(first);
    assert_receives(second, '1');
    close(second);
    stop_server(&served);
}

/* ---- tests: stop and drain ---- */

static void drain_waits_for_the_last_client(void **state)
{
    struct served served = start_simple();
    int fds[] = {served_client(&served, 0), served_client(&served, 0)};

    (void)state;
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    close(fds[0]);
    assert_false(has_event(&served, A_WHILE_MSEC));
    assert_echoes(fds[1]);
    close(fds[1]);
    assert_event(&served, 'D');
    assert_records(&served, "end=closed ", 2);
    assert_records(&served, "drained", 0);
    assert_gone(&served);
}

/* A reload that comes while the end is near changes nothing. */
static void drain_ignores_a_reload(void **state)
{
    struct served served = start_simple();
    int fd = served_client(&served, 0);

    (void)state;
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    signal_server(&served, SIGHUP);
    assert_false(has_event(&served, A_WHILE_MSEC));
    assert_echoes(fd);
    close(fd);
    assert_event(&served, 'D');
    assert_gone(&served);
}

static void stop_accepts_who_has_come_before(void **state)
{
    struct served served = start_simple();
    int fds[40];

    (void)state;
    signal_server(&served, SIGSTOP);
    for (size_t i = 0; i < 40; i++)
        fds[i] = connect_to(&served, 0);
    signal_server(&served, SIGTERM);
    signal_server(&served, SIGCONT);
    assert_event(&served, 'S');
    for (size_t i = 0; i < 40; i++) {
        assert_receives(fds[i], '1');
        assert_echoes(fds[i]);
        close(fds[i]);
    }
    assert_event(&served, 'D');
    assert_records(&served, "end=closed ", 40);
    assert_gone(&served);
}

static void drain_ends_at_its_deadline(void **state)
{
    const uint64_t drain_usec = 600 * USEC_PER_MSEC;
    struct served served = start(
        &(struct plan){.limits = {.max_clients = 100, .drain_usec = drain_usec}, .n = {1, 1}});
    int fds[] = {served_client(&served, 0), served_client(&served, 0), served_client(&served, 0)};
    uint64_t start_usec = now_usec();

    (void)state;
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    close(fds[0]);
    assert_event(&served, 'D');
    assert_true(now_usec() - start_usec >= drain_usec);
    assert_records(&served, "end=closed ", 1);
    assert_records(&served, "end=drained ", 2);
    assert_records(&served, "the drain has ended with 2 clients left, which are cut", 1);
    assert_cut(fds[1]);
    assert_cut(fds[2]);
    close(fds[1]);
    close(fds[2]);
    assert_gone(&served);
}

static void assert_second_signal_cuts(int number, uint64_t drain_usec)
{
    struct served served = start(
        &(struct plan){.limits = {.max_clients = 100, .drain_usec = drain_usec}, .n = {1, 1}});
    int fd = served_client(&served, 0);

    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    assert_false(has_event(&served, A_WHILE_MSEC));
    signal_server(&served, number);
    assert_event(&served, 'D');
    assert_records(&served, "end=drained ", 1);
    assert_cut(fd);
    close(fd);
    assert_gone(&served);
}

static void second_signal_cuts_at_once(void **state)
{
    (void)state;
    assert_second_signal_cuts(SIGTERM, 3600 * USEC_PER_SEC);
    assert_second_signal_cuts(SIGINT, 3600 * USEC_PER_SEC);
    assert_second_signal_cuts(SIGTERM, 0); /* no deadline at all */
}

static void stop_without_clients_is_quick(void **state)
{
    struct served served = start(&(struct plan){
        .limits = {.max_clients = 9, .drain_usec = 3600 * USEC_PER_SEC}, .n = {1, 1}});

    (void)state;
    stop_server(&served);
}

/* ---- tests: a machine that is short of something for a moment ---- */

/* Limits of processes bind whoever is not root. */
static void become_unprivileged(void)
{
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        _exit(93);
}

static void limit(enum __rlimit_resource what, rlim_t n)
{
    struct rlimit limits;

    getrlimit(what, &limits);
    limits.rlim_cur = n < limits.rlim_max ? n : limits.rlim_max;
    setrlimit(what, &limits);
}

/* What the process is told to be short of, and that it no longer is. */
#define NO_PROCESSES SIGUSR1
#define NO_DESCRIPTORS SIGUSR2
#define PLENTY SIGWINCH

static void on_shortage(int number)
{
    limit(RLIMIT_NPROC, number == NO_PROCESSES ? 0 : RLIM_INFINITY);
    limit(RLIMIT_NOFILE, number == NO_DESCRIPTORS ? 3 : 1024);
}

static void take_orders(void)
{
    const struct sigaction action = {.sa_handler = on_shortage};

    sigaction(NO_PROCESSES, &action, NULL);
    sigaction(NO_DESCRIPTORS, &action, NULL);
    sigaction(PLENTY, &action, NULL);
    become_unprivileged();
}

/* With two listeners by turns, and a drain that is over at once. */
static struct served start_for_shortage(void)
{
    return start(&(struct plan){.limits = {.max_clients = 100, .drain_usec = 1},
                                .n = {1, 1},
                                .listeners = {{0}, {1}},
                                .prepare = take_orders});
}

static void client_waits_for_a_process(void **state)
{
    struct served served = start_for_shortage();
    int early = served_client(&served, 0), late;

    (void)state;
    signal_server(&served, NO_PROCESSES);
    late = connect_to(&served, 0);
    assert_waits(&served, late);
    assert_echoes(early);
    signal_server(&served, PLENTY);
    assert_receives(late, '1');
    assert_echoes(late);
    assert_records(&served, "cannot make a process for a client: Resource temporarily", 1);
    close(early);
    close(late);
    assert_records(&served, "end=closed ", 2);
    stop_server(&served);
}

/* Whoever was accepted before the stop is drained like everyone else. */
static void drain_waits_for_a_process_too(void **state)
{
    struct served served =
        start(&(struct plan){.limits = {.max_clients = 100}, .n = {1, 1}, .prepare = take_orders});
    int fd;

    (void)state;
    signal_server(&served, NO_PROCESSES);
    fd = connect_to(&served, 0);
    assert_records(&served, "cannot make a process", 1);
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    assert_false(has_event(&served, A_WHILE_MSEC));
    signal_server(&served, PLENTY);
    assert_receives(fd, '1');
    close(fd);
    assert_event(&served, 'D');
    assert_records(&served, "end=closed ", 1);
    assert_gone(&served);
}

/* A client that never got its process has been a client all the same. */
static void drain_ends_for_who_has_no_process(void **state)
{
    struct served served = start_for_shortage();
    int fd;

    (void)state;
    signal_server(&served, NO_PROCESSES);
    fd = connect_to(&served, 0);
    assert_records(&served, "cannot make a process", 1);
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    assert_event(&served, 'D');
    assert_records(&served, "end=drained listener=one ", 1);
    assert_cut(fd);
    close(fd);
    assert_gone(&served);
}

static void reload_ends_for_who_has_no_process(void **state)
{
    struct served served = start_for_shortage();
    int fd;

    (void)state;
    signal_server(&served, NO_PROCESSES);
    fd = connect_to(&served, 0);
    assert_records(&served, "cannot make a process", 1);
    signal_server(&served, SIGHUP); /* its listener goes */
    assert_event(&served, 'R');
    signal_server(&served, PLENTY);
    assert_cut(fd);
    assert_records(&served, "listener=one ", 1);
    close(fd);
    stop_server(&served);
}

static void client_waits_for_a_descriptor(void **state)
{
    struct served served = start_for_shortage();
    int early = served_client(&served, 0), late;

    (void)state;
    signal_server(&served, NO_DESCRIPTORS);
    late = connect_to(&served, 0);
    assert_records(&served, "one: cannot accept: Too many open files", 1);
    assert_waits(&served, late);
    assert_echoes(early);
    signal_server(&served, PLENTY);
    assert_receives(late, '1');
    close(early);
    close(late);
    assert_records(&served, "end=closed ", 2);
    stop_server(&served);
}

/* What no pause mends ends the loop, with the reason for whoever runs it. */
static void broken_listener_fails_the_server(void **state)
{
    struct served served = start_simple();

    (void)state;
    shutdown(served.listeners[0], SHUT_RDWR); /* accept(2) says EINVAL from now on */
    assert_event(&served, 'F');
    assert_gone(&served);
}

static void no_server_can_be_closed(void **state)
{
    (void)state;
    server_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_served_at_once),
        cmocka_unit_test(listeners_are_told_apart),
        cmocka_unit_test(killed_process_costs_its_client_only),
        cmocka_unit_test(merged_deaths_are_all_found),
        cmocka_unit_test(client_over_the_limit_waits),
        cmocka_unit_test(signals_are_answered),
        cmocka_unit_test(reload_changes_the_sockets),
        cmocka_unit_test(reload_keeps_the_limit),
        cmocka_unit_test(drain_waits_for_the_last_client),
        cmocka_unit_test(drain_ignores_a_reload),
        cmocka_unit_test(stop_accepts_who_has_come_before),
        cmocka_unit_test(drain_ends_at_its_deadline),
        cmocka_unit_test(second_signal_cuts_at_once),
        cmocka_unit_test(stop_without_clients_is_quick),
        cmocka_unit_test(client_waits_for_a_process),
        cmocka_unit_test(drain_waits_for_a_process_too),
        cmocka_unit_test(drain_ends_for_who_has_no_process),
        cmocka_unit_test(reload_ends_for_who_has_no_process),
        cmocka_unit_test(client_waits_for_a_descriptor),
        cmocka_unit_test(broken_listener_fails_the_server),
        cmocka_unit_test(no_server_can_be_closed),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
