/* children_helper.c - what the tests of the parent's books share. */
#include "children_helper.h"

#include "forkserver_helper.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what the log says ---- */

const char *log_of(void (*action)(struct children *), struct children *children)
{
    static char text[32768];
    int saved = dup(STDERR_FILENO), file = memfd_create("log", MFD_CLOEXEC);
    ssize_t n;

    dup2(file, STDERR_FILENO);
    action(children);
    dup2(saved, STDERR_FILENO);
    n = pread(file, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(saved);
    close(file);
    return text;
}

unsigned count_of(const char *text, const char *word)
{
    unsigned count = 0;

    for (text = strstr(text, word); text; text = strstr(text + 1, word))
        count++;
    return count;
}

void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in: %s", words, text);
}

void assert_one_record(const char *text, const char *words)
{
    assert_int_equal(count_of(text, "\n"), 1);
    assert_int_equal(count_of(text, "listener=one client=192.0.2.1 client_port=7 "), 1);
    assert_says(text, words);
}

/* ---- books, and a client with its peer ---- */

struct client a_client(void)
{
    struct client client = {.listener = "one", .peer = {.len = sizeof(struct sockaddr_in)}};

    client.peer.in.sin_family = AF_INET;
    client.peer.in.sin_port = htons(7);
    client.peer.in.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
    return client;
}

static unsigned n_ended;

static void count_ended(void *arg, const struct client *client, const struct record *record)
{
    assert_null(arg);
    assert_true(record->end >= 0 && record->end < END_COUNT);
    assert_string_equal(client->listener, a_client().listener);
    n_ended++;
}

unsigned ended_clients(void)
{
    return n_ended;
}

struct children *open_books(client_session *session)
{
    struct children *children;
    struct err err;

    n_ended = 0;
    assert_int_equal(children_open(session, count_ended, NULL, &children, &err), 0);
    children_renew(children, give_up_descriptors, NULL);
    return children;
}

int start(struct children *children, const void *arg)
{
    const struct client client = a_client();
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(children_start(children, &client, arg, fds[0]), 0);
    return fds[1];
}

pid_t some_death(void)
{
    siginfo_t info = {.si_pid = 0};

    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    return info.si_pid;
}

void sweep_after_death(struct children *children)
{
    some_death();
    children_sweep(children);
}

void sweep_all(struct children *children)
{
    while (children_count(children) > 0)
        sweep_after_death(children);
}

void reap_posted_all(struct children *children)
{
    while (children_count(children) > 0) {
        some_death();
        children_reap_posted(children);
    }
}

/* ---- sessions ---- */

/* The peers' ends are the test's, whose copies would keep every connection open. */
static void keep_only(int fd)
{
    if (fd > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
}

void await_eof(int fd)
{
    char byte;

    keep_only(fd);
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

void killed_session(const struct client *client, int fd, const void *arg, struct record *record)
{
    const int *number = arg;
    const struct rlimit no_core = {0, 0};

    (void)client, (void)fd;
    record->end = END_CLOSED;
    setrlimit(RLIMIT_CORE, &no_core);
    signal(*number, SIG_DFL);
    raise(*number);
}

void exiting_session(const struct client *client, int fd, const void *arg, struct record *record)
{
    const int *status = arg;

    (void)client, (void)fd, (void)record;
    _exit(*status);
}

void mixed_session(const struct client *client, int fd, const void *arg, struct record *record)
{
    static const int numbers[] = {SIGKILL, 3};
    const int *kind = arg;

    await_eof(fd);
    record->end = END_CLOSED;
    if (*kind == 1)
        killed_session(client, fd, &numbers[0], record);
    if (*kind == 2)
        exiting_session(client, fd, &numbers[1], record);
}
