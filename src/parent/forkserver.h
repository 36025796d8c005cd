/*
 * forkserver.h - the process that makes the processes of clients.
 *
 * What fork(2) copies and exit(2) frees is what a process has mapped and open: of the parent's,
 * most is of no use to a client. The fork server is a child that has given that up, once, and has
 * been restricted as far as all clients are; from it each client's process inherits as much. It
 * makes them for its parent, whose children they are (clone(2), CLONE_PARENT): the parent waits for
 * them, and they stay when the fork server ends.
 */
#ifndef ECHOD_PARENT_FORKSERVER_H
#define ECHOD_PARENT_FORKSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct forkserver_work {
    /*
     * In the fork server, once: give up whatever its processes have no use for, all descriptors but
     * `line` and what else they need. Returns whether there can be more than one process: if not,
     * that one is to say why.
     */
    bool (*prepare)(void *arg, int line);
    /* In the fork server: make a process by forkserver_fork(). Returns its pid, or -1 with errno.
     */
    pid_t (*make)(void *arg, const void *request, int fd);
    void *arg;
    size_t size; /* of each request, in bytes: at most FORKSERVER_REQUEST_MAX */
};

#define FORKSERVER_REQUEST_MAX 512

/* Whoever holds it makes it all zeros at first. */
struct forkserver {
    pid_t pid; /* 0: there is none; -1: it has ended, and is to be stopped */
    int line;
    volatile pid_t *made; /* by the last request; no process that it makes has this page */
};

/*
 * Fork the fork server, which finds all as it is now: after any change it is to be stopped, and
 * started anew. Returns 0, or an errno.
 */
int forkserver_start(struct forkserver *forkserver, const struct forkserver_work *work);

/*
 * Have a process made that runs with this request and a descriptor `fd` of the same file. Returns 0
 * with its pid, a child of the caller; or the errno that made it impossible: EPIPE where the
 * fork server has died, ETIMEDOUT where it does not answer and has been killed. Whenever it ends, a
 * process that has been made is known, and one that is not known has not been made.
 */
int forkserver_make(struct forkserver *forkserver, const void *request, size_t size, int fd,
                    pid_t *ret_pid);

/*
 * In the fork server: fork a child of its parent's. Returns as fork(2) does; the child may end by
 * _exit(2) alone.
 */
pid_t forkserver_fork(void);

/*
 * Kill the fork server, if there is one, reap it, and give back what it took. What it has made
 * stays.
 */
void forkserver_stop(struct forkserver *forkserver);

#endif
