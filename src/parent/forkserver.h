/*
 * forkserver.h - the process that forks the clients' processes.
 *
 * fork(2) copies and exit(2) frees all that a process has mapped and open, and a client needs
 * little of what the parent has. The fork server is a child that has given up the rest once, and
 * has been restricted as far as all clients' processes are; these inherit its state. It makes them
 * as children of its parent (clone(2), CLONE_PARENT): the parent waits for them, and they go on
 * when the fork server ends.
 */
#ifndef ECHOD_PARENT_FORKSERVER_H
#define ECHOD_PARENT_FORKSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct forkserver_work {
    /*
     * Runs in the fork server, once: give up all that clients' processes do not need, including all
     * descriptors except `line` and those that they use. Returns true when ready. If false, the
     * fork server makes one more process, which only records the error, and ends.
     */
    bool (*prepare)(void *arg, int line);
    /*
     * Runs in the fork server: make a process by forkserver_fork(). Returns its pid, or -1 with
     * errno.
     */
    pid_t (*make)(void *arg, const void *request, int fd);
    void *arg;
    size_t size; /* of each request, in bytes: at most FORKSERVER_REQUEST_MAX */
};

#define FORKSERVER_REQUEST_MAX 512

/* The owner zeroes it before the first use. */
struct forkserver {
    pid_t pid; /* 0: not started; -1: it has ended, and must be stopped */
    int line;
    volatile pid_t *made; /* by the last request; no process that it makes has this page */
};

/*
 * Fork the fork server, a copy of the caller as it is now: after any change it must be stopped and
 * started again. Returns 0, or an errno.
 */
int forkserver_start(struct forkserver *forkserver, const struct forkserver_work *work);

/*
 * Make a process that gets this request and a duplicate of `fd`. Returns 0 with its pid, a child of
 * the caller; or an errno: EPIPE if the fork server has died, ETIMEDOUT if it did not answer and
 * was killed. Even if the fork server dies during the call, the result is 0 if and only if a
 * process was made.
 */
int forkserver_request(struct forkserver *forkserver, const void *request, size_t size, int fd,
                       pid_t *ret_pid);

/*
 * In the fork server: fork a child of its parent. Returns as fork(2) does; the child must end by
 * _exit(2).
 */
pid_t forkserver_fork(void);

/*
 * Kill and reap the fork server, if there is one, and free its resources. The processes that it
 * made go on.
 */
void forkserver_stop(struct forkserver *forkserver);

#endif
