/* test_parent_shortage.c - the parent's loop on a machine that is short of something. */
#include "parent_helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY 65534

/* ---- a machine that is short of something for a moment ---- */

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
#define NO_PROCESSES SIGRTMIN

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
    signal_server(&served, SIGHUP); /* who makes the processes has its limit from the start */
    assert_event(&served, 'R');
    signal_server(&served, NO_PROCESSES);
    late = connect_to(&served, 1);
    assert_waits(&served, late);
    assert_echoes(early);
    signal_server(&served, PLENTY);
    assert_receives(late, '2');
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
    parent_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
