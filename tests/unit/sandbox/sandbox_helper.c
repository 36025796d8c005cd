/* sandbox_helper.c - a sandboxed process, and its parent. */
#include "sandbox_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define UNSANDBOXED 99 /* the exit status of a process that could not be sandboxed */

/* Descriptors that sandbox_enter() is to move or close: the kept ones are neither first nor
 * together. */
static _Noreturn void live(enum sandbox_kind kind, int fd, life *act, const void *arg)
{
    int kept[] = {fcntl(fd, F_DUPFD, 20), kind == SANDBOX_SIGNER ? epoll_create1(0) : -1};

    if (kind != SANDBOX_SIGNER && sandbox_forkserver() < 0)
        _exit(UNSANDBOXED);
    if (kind != FORKSERVER && sandbox_enter(kind, kept, kind == SANDBOX_SIGNER ? 2 : 1) < 0)
        _exit(UNSANDBOXED);
    act(arg);
    _exit(0);
}

static void become_nobody(void)
{
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        _exit(UNSANDBOXED);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static struct sandboxed start_as(bool nobody, enum sandbox_kind kind, life *act, const void *arg)
{
    struct sandboxed sandboxed;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    sandboxed.peer = ends[0];
    sandboxed.pid = fork();
    if (sandboxed.pid == 0) {
        close(ends[0]);
        if (nobody)
            become_nobody();
        live(kind, ends[1], act, arg);
    }
    close(ends[1]);
    return sandboxed;
}

struct sandboxed start(enum sandbox_kind kind, life *act, const void *arg)
{
    return start_as(false, kind, act, arg);
}

struct sandboxed start_as_nobody(enum sandbox_kind kind, life *act, const void *arg)
{
    return start_as(true, kind, act, arg);
}

int end_of(struct sandboxed *sandboxed)
{
    int status;

    assert_int_equal(waitpid(sandboxed->pid, &status, 0), sandboxed->pid);
    close(sandboxed->peer);
    return status;
}

void await_byte(const struct sandboxed *sandboxed)
{
    struct pollfd ready = {.fd = sandboxed->peer, .events = POLLIN};
    char byte;

    assert_int_equal(poll(&ready, 1, SOON_MSEC), 1);
    assert_int_equal(recv(sandboxed->peer, &byte, 1, 0), 1);
}

void stay(const void *arg)
{
    char byte = '!';

    (void)arg;
    send(0, &byte, 1, MSG_NOSIGNAL);
    recv(0, &byte, 1, 0);
}

void leave(struct sandboxed *sandboxed)
{
    shutdown(sandboxed->peer, SHUT_RDWR);
    assert_int_equal(end_of(sandboxed), 0);
}

int prepare(void **state)
{
    struct err err;

    (void)state;
    return sandbox_prepare(&err);
}
