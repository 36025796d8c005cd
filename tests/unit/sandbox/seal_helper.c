/* seal_helper.c - a sealed process, and its parent. */
#include "seal_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define UNSEALED 99 /* the exit status of a process that could not be sealed */

/* Descriptors that seal() is to move or close: the kept ones are neither first nor together. */
static _Noreturn void live(enum seal_kind kind, int fd, life *act, const void *arg)
{
    int kept[] = {fcntl(fd, F_DUPFD, 20), kind == SEAL_KEEPER ? epoll_create1(0) : -1};

    if (kind != SEAL_KEEPER && seal_starter() < 0)
        _exit(UNSEALED);
    if (kind != STARTER && seal(kind, kept, kind == SEAL_KEEPER ? 2 : 1) < 0)
        _exit(UNSEALED);
    act(arg);
    _exit(0);
}

static void become_nobody(void)
{
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        _exit(UNSEALED);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static struct sealed start_as(bool nobody, enum seal_kind kind, life *act, const void *arg)
{
    struct sealed sealed;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    sealed.peer = ends[0];
    sealed.pid = fork();
    if (sealed.pid == 0) {
        close(ends[0]);
        if (nobody)
            become_nobody();
        live(kind, ends[1], act, arg);
    }
    close(ends[1]);
    return sealed;
}

struct sealed start(enum seal_kind kind, life *act, const void *arg)
{
    return start_as(false, kind, act, arg);
}

struct sealed start_as_nobody(enum seal_kind kind, life *act, const void *arg)
{
    return start_as(true, kind, act, arg);
}

int end_of(struct sealed *sealed)
{
    int status;

    assert_int_equal(waitpid(sealed->pid, &status, 0), sealed->pid);
    close(sealed->peer);
    return status;
}

void await_byte(const struct sealed *sealed)
{
    struct pollfd ready = {.fd = sealed->peer, .events = POLLIN};
    char byte;

    assert_int_equal(poll(&ready, 1, SOON_MSEC), 1);
    assert_int_equal(recv(sealed->peer, &byte, 1, 0), 1);
}

void stay(const void *arg)
{
    char byte = '!';

    (void)arg;
    send(0, &byte, 1, MSG_NOSIGNAL);
    recv(0, &byte, 1, 0);
}

void leave(struct sealed *sealed)
{
    shutdown(sealed->peer, SHUT_RDWR);
    assert_int_equal(end_of(sealed), 0);
}

int prepare(void **state)
{
    struct err err;

    (void)state;
    return seal_prepare(&err);
}
