/*
 * test_parent_counts.c - the parent's loop beyond its listeners: helpers that end, a single client
 * that is handed over, and totals that add up. Each test is the parent, in a process of its own.
 */
#include "forkserver_helper.h"
#include "parent_helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- a test in a process of its own ---- */

static void check(bool ok, const char *words, int line)
{
    if (ok)
        return;
    fprintf(stderr, "line %d: %s\n", line, words);
    _exit(1);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

struct body {
    void (*run)(void);
};

static void run_in_process(void **state)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        log_open(LOG_TARGET_STDERR, LOG_ERR);
        ((const struct body *)*state)->run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- the parent ---- */

/* Echoes until the client ends. The parent is the client too: its end is closed here. */
static void echo(const struct client *client, int fd, const void *arg, struct record *record)
{
    char byte;

    (void)client, (void)arg;
    if (fd > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
    fcntl(fd, F_SETFL, 0);
    while (recv(fd, &byte, 1, 0) == 1)
        send(fd, &byte, 1, MSG_NOSIGNAL);
    record->end = END_CLOSED;
}

static const struct parent_limits many = {.max_clients = 100};

static struct parent *opened(void)
{
    struct parent *parent = NULL;
    struct err err;

    CHECK(parent_open(echo, &parent, &err) == 0);
    parent_renew(parent, give_up_descriptors, NULL);
    return parent;
}

static enum parent_event run(struct parent *parent)
{
    struct err err;

    return parent_run(parent, &err);
}

static bool adds_up(const struct parent *parent)
{
    struct parent_totals totals = parent_totals(parent);

    return totals.accepted == totals.refused + totals.ended + totals.open;
}

static unsigned count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- the alarm ---- */

static void alarm_comes_when_it_is_due(void)
{
    struct parent *parent = opened();
    uint64_t due = now_usec() + 50 * USEC_PER_MSEC;

    parent_set_alarm(parent, DEADLINE_NEVER);
    parent_set_alarm(parent, due + 3600 * USEC_PER_SEC);
    parent_set_alarm(parent, due); /* in place of the others */
    CHECK(run(parent) == PARENT_ALARM);
    CHECK(now_usec() >= due);
    parent_set_alarm(parent, due); /* over already */
    CHECK(run(parent) == PARENT_ALARM);
    parent_close(parent);
}

/* The signal comes after the moment of an alarm that was called off, or has come. */
static void alarm_comes_once_at_most(void)
{
    struct parent *parent = opened();
    const struct timespec pause = {.tv_nsec = 50000000};

    parent_set_alarm(parent, now_usec());
    CHECK(run(parent) == PARENT_ALARM);
    parent_set_alarm(parent, now_usec() + 10 * USEC_PER_MSEC);
    parent_set_alarm(parent, DEADLINE_NEVER);
    nanosleep(&pause, NULL);
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(run(parent) == PARENT_STOP);
    parent_close(parent);
}

/* ---- helpers ---- */

/* A child that lives until the pipe is closed. */
static pid_t fork_helper(int *ret_pipe)
{
    int ends[2];
    char byte;
    pid_t pid;

    CHECK(pipe(ends) == 0);
    pid = fork();
    if (pid == 0) {
        close(ends[1]);
        CHECK(read(ends[0], &byte, 1) == 0);
        _exit(3);
    }
    close(ends[0]);
    *ret_pipe = ends[1];
    return pid;
}

static pid_t adopted(struct parent *parent, int *ret_pipe)
{
    pid_t pid = fork_helper(ret_pipe);
    struct err err;

    CHECK(parent_adopt(parent, pid, &err) == 0);
    return pid;
}

static bool is_reaped(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static void helper_that_exits_is_told(void)
{
    struct parent *parent = opened();
    int life;
    pid_t pid = adopted(parent, &life);

    close(life);
    CHECK(run(parent) == PARENT_HELPER);
    CHECK(parent_ended_helper(parent) == pid);
    CHECK(is_reaped(pid));
    parent_close(parent);
}

static void helper_that_is_killed_is_told(void)
{
    struct parent *parent = opened();
    int life;
    pid_t pid = adopted(parent, &life);

    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(run(parent) == PARENT_HELPER);
    CHECK(parent_ended_helper(parent) == pid);
    CHECK(is_reaped(pid));
    parent_close(parent);
}

static void each_helper_is_told_once(void)
{
    struct parent *parent = opened();
    int lives[3];
    pid_t pids[3];
    unsigned told = 0;

    for (size_t i = 0; i < 3; i++)
        pids[i] = adopted(parent, &lives[i]);
    for (size_t i = 0; i < 3; i++)
        CHECK(kill(pids[i], SIGKILL) == 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK(run(parent) == PARENT_HELPER);
        for (size_t j = 0; j < 3; j++)
            if (parent_ended_helper(parent) == pids[j])
                told |= 1u << j;
    }
    CHECK(told == 7);
    kill(getpid(), SIGTERM);
    CHECK(run(parent) == PARENT_STOP);
    parent_close(parent);
}

/* It may die between its start and the adoption. */
static void dead_helper_is_told_at_once(void)
{
    struct parent *parent = opened();
    siginfo_t info;
    int life;
    pid_t pid = fork_helper(&life);
    struct err err;

    close(life);
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    CHECK(parent_adopt(parent, pid, &err) == 0);
    CHECK(run(parent) == PARENT_HELPER);
    CHECK(parent_ended_helper(parent) == pid);
    parent_close(parent);
}

/* Whether they have ended by then or not. */
static void helpers_leave_no_descriptor_behind(void)
{
    unsigned before = count_descriptors();
    struct parent *parent = opened();
    pid_t pids[4];
    int lives[4];

    for (size_t i = 0; i < 4; i++)
        pids[i] = adopted(parent, &lives[i]);
    for (size_t i = 0; i < 2; i++)
        CHECK(kill(pids[i], SIGKILL) == 0);
    CHECK(run(parent) == PARENT_HELPER);
    CHECK(run(parent) == PARENT_HELPER);
    parent_close(parent);
    CHECK(count_descriptors() == before + 4); /* our ends of the pipes */
}

/* ---- the single client ---- */

static const struct access_rules all;

static struct parent_listener listener_on(int fd, const struct access_rules *rules)
{
    return (struct parent_listener){.fd = fd, .name = "single", .rules = rules};
}

static void connect_pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
}

static bool echoes(int fd)
{
    char byte = '?';

    return send(fd, "e", 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1 && byte == 'e';
}

static void server_ends_with_its_single_client(void)
{
    struct parent *parent = opened();
    struct parent_listener listener;
    struct err err;
    int fds[2];

    connect_pair(fds);
    listener = listener_on(fds[0], &all);
    CHECK(parent_serve_single(parent, &listener, &many, &err) == 0);
    CHECK(parent_totals(parent).accepted == 1 && parent_totals(parent).open == 1);
    CHECK(echoes(fds[1]));
    close(fds[1]);
    CHECK(run(parent) == PARENT_STOP);
    CHECK(parent_totals(parent).ended == 1 && adds_up(parent));
    parent_close(parent);
}

static void helper_is_told_beside_a_single_client(void)
{
    struct parent *parent = opened();
    struct parent_listener listener;
    struct err err;
    int fds[2], life;
    pid_t pid = adopted(parent, &life);

    connect_pair(fds);
    listener = listener_on(fds[0], &all);
    CHECK(parent_serve_single(parent, &listener, &many, &err) == 0);
    CHECK(echoes(fds[1]));
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(run(parent) == PARENT_HELPER);
    CHECK(parent_totals(parent).open == 1);
    CHECK(echoes(fds[1]));
    close(fds[1]);
    CHECK(run(parent) == PARENT_STOP);
    parent_close(parent);
}

static void stop_comes_before_the_single_client_ends(void)
{
    const struct parent_limits at_once = {.max_clients = 100, .drain_usec = 1};
    struct parent *parent = opened();
    struct parent_listener listener;
    struct err err;
    int fds[2];

    connect_pair(fds);
    listener = listener_on(fds[0], &all);
    CHECK(parent_serve_single(parent, &listener, &at_once, &err) == 0);
    CHECK(echoes(fds[1]));
    kill(getpid(), SIGTERM);
    CHECK(run(parent) == PARENT_STOP);
    CHECK(parent_totals(parent).open == 1);
    parent_stop_accepting(parent);
    parent_drain(parent);
    CHECK(parent_totals(parent).ended == 1 && adds_up(parent));
    parent_close(parent);
}

static void what_is_no_connection_is_not_served(void)
{
    struct parent *parent = opened();
    struct parent_listener listener;
    struct err err = {.text = ""};
    int ends[2];

    CHECK(pipe(ends) == 0);
    listener = listener_on(ends[0], &all);
    CHECK(parent_serve_single(parent, &listener, &many, &err) == -1);
    CHECK(strstr(err.text, "cannot serve the passed connection: ") == err.text);
    parent_close(parent);
}

/* ---- totals ---- */

static int listening_socket(struct sockaddr_in *ret_addr)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&addr, &length) == 0);
    *ret_addr = addr;
    return fd;
}

/* Let the loop have its say about what has come. */
static void run_until_stopped(struct parent *parent)
{
    kill(getpid(), SIGTERM);
    CHECK(run(parent) == PARENT_STOP);
}

static void connect_many(int *fds, size_t n, const struct sockaddr_in *addr)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(connect(fds[i], (const struct sockaddr *)addr, sizeof(*addr)) == 0);
    }
}

static void totals_add_up_with_refusals(void)
{
    static const struct access_rules three = {
        .max_clients_per_source = 3, .source_prefix_v4 = 32, .source_prefix_v6 = 64};
    struct parent *parent = opened();
    struct sockaddr_in addr;
    struct parent_listener listener = listener_on(listening_socket(&addr), &three);
    struct parent_totals totals;
    struct err err;
    int fds[10];

    CHECK(parent_configure(parent, &listener, 1, &many, &err) == 0);
    connect_many(fds, 10, &addr);
    run_until_stopped(parent);
    parent_stop_accepting(parent);
    totals = parent_totals(parent);
    CHECK(totals.accepted == 10 && totals.refused == 7 && totals.open == 3 && totals.ended == 0);
    for (size_t i = 0; i < 3; i++)
        CHECK(echoes(fds[i]));
    for (size_t i = 0; i < 10; i++)
        close(fds[i]);
    parent_drain(parent);
    totals = parent_totals(parent);
    CHECK(totals.accepted == 10 && totals.refused == 7 && totals.open == 0 && totals.ended == 3);
    parent_close(parent);
}

/* One that is refused has had no process, and is gone at once. */
static void refused_single_client_ends_the_server(void)
{
    struct cidr loopback;
    const struct access_rules rules = {
        .deny = {.n = 1, .list = &loopback}, .source_prefix_v4 = 32, .source_prefix_v6 = 64};
    struct parent *parent = opened();
    struct sockaddr_in addr;
    int fd, door = listening_socket(&addr);
    struct parent_listener listener;
    struct err err;

    CHECK(cidr_parse("127.0.0.0/8", &loopback, &err) == 0);
    connect_many(&fd, 1, &addr);
    listener = listener_on(accept(door, NULL, NULL), &rules);
    CHECK(parent_serve_single(parent, &listener, &many, &err) == 0);
    CHECK(run(parent) == PARENT_STOP);
    CHECK(parent_totals(parent).refused == 1 && adds_up(parent));
    CHECK(recv(fd, &(char){0}, 1, 0) <= 0);
    parent_close(parent);
}

/* A reload that asks for too much is told so before it has taken anything. */
static void names_run_out_in_time(void)
{
    struct parent *parent = opened();
    char name[16];

    for (int i = 0; i < 4096; i++) {
        snprintf(name, sizeof(name), "listener-%d", i);
        CHECK(parent_enroll(parent, name) == 0);
    }
    CHECK(parent_enroll(parent, "one more") == -1);
    CHECK(parent_enroll(parent, "listener-7") == 0);
    parent_close(parent);
}

#define IN_PROCESS(test)                                                                           \
    {                                                                                              \
#test, run_in_process, NULL, NULL, &(struct body)                                          \
        {                                                                                          \
            test                                                                                   \
        }                                                                                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PROCESS(alarm_comes_when_it_is_due),
        IN_PROCESS(alarm_comes_once_at_most),
        IN_PROCESS(helper_that_exits_is_told),
        IN_PROCESS(helper_that_is_killed_is_told),
        IN_PROCESS(each_helper_is_told_once),
        IN_PROCESS(dead_helper_is_told_at_once),
        IN_PROCESS(helpers_leave_no_descriptor_behind),
        IN_PROCESS(server_ends_with_its_single_client),
        IN_PROCESS(helper_is_told_beside_a_single_client),
        IN_PROCESS(stop_comes_before_the_single_client_ends),
        IN_PROCESS(what_is_no_connection_is_not_served),
        IN_PROCESS(totals_add_up_with_refusals),
        IN_PROCESS(refused_single_client_ends_the_server),
        IN_PROCESS(names_run_out_in_time),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
