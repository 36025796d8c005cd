/* forkserver.c - the process that forks the clients' processes. */
#include "parent/forkserver.h"

#include "base/fdpass.h"
#include "base/mapping.h"

#include <alloca.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define NAME "echod-fork"
#define PROCESS_NAME "echod"
#define ANSWER_SEC 5 /* it never waits: if it is silent for so long, it hangs */
#define END_MSEC 1000
#define ENDED (-1)

/* ---- in the fork server ---- */

/* Receive a request and its descriptor. Returns false if the parent has closed its end. */
static bool receive(int line, void *request, size_t size, int *ret_fd)
{
    ssize_t n;

    do
        n = fdpass_receive(line, request, size, 0, ret_fd);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return false;
    if (n != (ssize_t)size || *ret_fd < 0)
        _exit(EX_OSERR);
    return true;
}

static volatile pid_t *made;

/*
 * A raw clone(2): this process has one thread, so libc has nothing to do in a child. The kernel
 * writes the pid to the page shared with the parent before clone(2) returns, so that the parent
 * knows it even if this process is killed then. No child has that page.
 */
pid_t forkserver_fork(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, NULL, made,
                               NULL, NULL);

    if (pid == 0)
        prctl(PR_SET_NAME, PROCESS_NAME);
    return pid;
}

/*
 * The kernel writes to the area of rseq(2) whenever it moves a process to another CPU, so each
 * child would need its own copy of that page. Nothing here uses it.
 */
static void give_up_rseq(void)
{
#ifdef RSEQ_SIG
    syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, sizeof(struct rseq),
            RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
#endif
}

/* Serve requests. An answer is 0 or an errno. */
static _Noreturn __attribute__((noinline)) void serve(const struct forkserver_work *work, int line,
                                                      bool ready)
{
    char request[FORKSERVER_REQUEST_MAX];
    int fd;

    while (receive(line, request, work->size, &fd)) {
        int answer = work->make(work->arg, request, fd) < 0 ? errno : 0;

        close(fd);
        if (send(line, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 || !ready)
            break;
    }
    _exit(EX_OK);
}

/*
 * Start the stack of the fork server and its children on a new page: each page that they write to
 * is copied for each child.
 */
static _Noreturn void begin(const struct forkserver_work *work, int line)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *rest = alloca((uintptr_t)__builtin_frame_address(0) % page);

    __asm__ volatile("" : : "r"(rest) : "memory");
    prctl(PR_SET_NAME, NAME);
    give_up_rseq();
    madvise((void *)made, page, MADV_DONTFORK);
    serve(work, line, work->prepare(work->arg, line));
}

/* ---- in the parent ---- */

static int set_timeout(int line)
{
    const struct timeval patience = {.tv_sec = ANSWER_SEC};

    return setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
                   setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0
               ? -1
               : 0;
}

static int launch(struct forkserver *forkserver, const struct forkserver_work *work,
                  const int *ends)
{
    forkserver->line = ends[0];
    forkserver->made = mapping_shared((size_t)sysconf(_SC_PAGESIZE));
    if (!forkserver->made || set_timeout(ends[0]) < 0)
        return errno;
    forkserver->pid = fork();
    if (forkserver->pid < 0)
        return errno;
    if (forkserver->pid == 0) {
        close(ends[0]);
        made = forkserver->made;
        begin(work, ends[1]);
    }
    return 0;
}

static void forget(struct forkserver *forkserver)
{
    close(forkserver->line);
    mapping_free((void *)forkserver->made, (size_t)sysconf(_SC_PAGESIZE));
    *forkserver = (struct forkserver){.pid = 0};
}

int forkserver_start(struct forkserver *forkserver, const struct forkserver_work *work)
{
    int ends[2], error;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return errno;
    error = launch(forkserver, work, ends);
    close(ends[1]);
    if (error != 0)
        forget(forkserver);
    return error;
}

/* Receive the answer. Returns 0 or an errno, of the channel or of the fork server. */
static int hear(int line)
{
    int answer;
    ssize_t n;

    do
        n = recv(line, &answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR); /* stopped and continued, signal(7) */
    if (n == sizeof(answer))
        return answer;
    return n < 0 && errno == EAGAIN ? ETIMEDOUT : EPIPE;
}

/*
 * A killed fork server makes no more processes. The wait is bounded since a tracer (ptrace(2)) may
 * keep it from being reaped.
 */
static void end(struct forkserver *forkserver)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    if (forkserver->pid <= 0)
        return;
    kill(forkserver->pid, SIGKILL);
    for (int i = 0; i < END_MSEC && waitpid(forkserver->pid, NULL, WNOHANG) == 0; i++)
        nanosleep(&pause, NULL);
    forkserver->pid = ENDED;
}

int forkserver_request(struct forkserver *forkserver, const void *request, size_t size, int fd,
                       pid_t *ret_pid)
{
    int error;

    *forkserver->made = 0;
    error = fdpass_send(forkserver->line, request, size, fd) < 0 ? errno : hear(forkserver->line);
    if (error == EPIPE || error == ETIMEDOUT)
        end(forkserver);
    *ret_pid = *forkserver->made;
    return *ret_pid > 0 ? 0 : error;
}

void forkserver_stop(struct forkserver *forkserver)
{
    if (forkserver->pid == 0)
        return;
    end(forkserver);
    forget(forkserver);
}
