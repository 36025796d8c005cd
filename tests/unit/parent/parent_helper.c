/* parent_helper.c - the parent's loop in a process of its own. */
#include "parent_helper.h"

#include "forkserver_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOON_MSEC 10000 /* far longer than anything here takes */

/* ---- the stub: greet with the listener's argument, then echo each byte ---- */

static void stub_session(const struct client *client, int fd, const void *arg,
                         struct record *record)
{
    char byte = *(const char *)arg;

    (void)client;
    if (fd > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
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

/* ---- the parent's process ---- */

static void report(int events, char event)
{
    if (write(events, &event, 1) != 1)
        _exit(90);
}

static void configure(struct parent *parent, const struct served *served, const struct plan *plan,
                      unsigned generation)
{
    static const struct access_rules none;
    static const struct parent_listener all[LISTENERS] = {
        {.name = "one", .rules = &none, .arg = "1"}, {.name = "two", .rules = &none, .arg = "2"}};
    struct parent_listener listeners[LISTENERS];
    struct err err;

    for (size_t i = 0; i < plan->n[generation]; i++) {
        listeners[i] = all[plan->listeners[generation][i]];
        listeners[i].fd = served->listeners[plan->listeners[generation][i]];
    }
    parent_renew(parent, give_up_descriptors, NULL);
    if (parent_configure(parent, listeners, plan->n[generation], &plan->limits, &err) < 0)
        _exit(91);
}

static void end_serving(struct parent *parent, const struct served *served, int events)
{
    parent_stop_accepting(parent);
    for (size_t i = 0; i < LISTENERS; i++)
        close(served->listeners[i]);
    report(events, 'S');
    parent_drain(parent);
    report(events, 'D');
}

static void serve(const struct served *served, const struct plan *plan, int events)
{
    struct parent *parent;
    struct err err;
    unsigned generation = 0;
    enum parent_event event;

    if (parent_open(stub_session, &parent, &err) < 0)
        _exit(92);
    configure(parent, served, plan, generation);
    report(events, '!');
    while ((event = parent_run(parent, &err)) == PARENT_RELOAD || event == PARENT_LEAVE) {
        if (event == PARENT_LEAVE) {
            report(events, 'L');
            continue;
        }
        generation = !generation;
        configure(parent, served, plan, generation);
        report(events, 'R');
    }
    if (event == PARENT_STOP)
        end_serving(parent, served, events);
    else
        report(events, 'F');
    parent_close(parent);
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

void assert_event(const struct served *served, char event)
{
    struct pollfd ready = {.fd = served->events, .events = POLLIN};
    char got = '?';

    assert_int_equal(poll(&ready, 1, SOON_MSEC), 1);
    assert_int_equal(read(served->events, &got, 1), 1);
    assert_int_equal(got, event);
}

bool has_event(const struct served *served, int msec)
{
    struct pollfd ready = {.fd = served->events, .events = POLLIN};

    return poll(&ready, 1, msec) == 1;
}

struct served start(const struct plan *plan)
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

struct served start_simple(void)
{
    return start(&(struct plan){.limits = {.max_clients = 100}, .n = {1, 1}});
}

void signal_server(const struct served *served, int number)
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

unsigned count_in_log(const struct served *served, const char *words)
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

void assert_records(const struct served *served, const char *words, unsigned count)
{
    if (!await_in_log(served, words, count))
        fail_msg("not %u times \"%s\" in: %s", count, words, log_of(served));
}

void assert_gone(struct served *served)
{
    int status;

    assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < LISTENERS; i++)
        close(served->listeners[i]);
    close(served->events);
    close(served->log);
}

void stop_server(struct served *served)
{
    signal_server(served, SIGTERM);
    assert_event(served, 'S');
    assert_event(served, 'D');
    assert_gone(served);
}

/* ---- clients ---- */

int connect_to(const struct served *served, unsigned listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in *addr = &served->addrs[listener];

    assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)), 0);
    return fd;
}

bool has_input(int fd, int msec)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, msec) == 1;
}

void assert_receives(int fd, char expected)
{
    char byte = '?';

    assert_true(has_input(fd, SOON_MSEC));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, expected);
}

int served_client(const struct served *served, unsigned listener)
{
    int fd = connect_to(served, listener);

    assert_receives(fd, (char)('1' + listener));
    return fd;
}

void assert_echoes(int fd)
{
    assert_int_equal(send(fd, "e", 1, MSG_NOSIGNAL), 1);
    assert_receives(fd, 'e');
}

void assert_cut(int fd)
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

/* The client waits, and so does the parent: it does not ask again and again. */
void assert_waits(const struct served *served, int fd)
{
    uint64_t before = processor_usec(served);

    assert_false(has_input(fd, A_WHILE_MSEC));
    assert_true(processor_usec(served) - before < A_WHILE_MSEC * USEC_PER_MSEC / 3);
}
