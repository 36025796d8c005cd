/*
 * starter.h - the process that makes the processes of clients.
 *
 * What fork(2) copies and exit(2) frees is what a process has mapped and open: of the parent's,
 * most is of no use to a client. The starter is a child that has given that up, once, and has been
 * restricted as far as all clients are; from it each client's process inherits as much. It makes
 * them for its parent, whose children they are (clone(2), CLONE_PARENT): the parent waits for them,
 * and they stay when the starter ends.
 */
#ifndef ECHOD_STARTER_H
#define ECHOD_STARTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct starter_work {
    /*
     * In the starter, once: give up whatever its processes have no use for, all descriptors but
     * `line` and what else they need. Returns whether there can be more than one process: if not,
     * that one is to say why.
     */
    bool (*prepare)(void *arg, int line);
    /* In the starter: make a process by starter_fork(). Returns its pid, or -1 with errno. */
    pid_t (*make)(void *arg, const void *request, int fd);
    void *arg;
    size_t size; /* of each request, in bytes: at most STARTER_REQUEST_MAX */
};

#define STARTER_REQUEST_MAX 512

/* Whoever holds it makes it all zeros at first. */
struct starter {
    pid_t pid; /* 0: there is none; -1: it has ended, and is to be stopped */
    int line;
    volatile pid_t *made; /* by the last request; no process that it makes has this page */
};

/*
 * Fork the starter, which finds all as it is now: after any change it is to be stopped, and started
 * anew. Returns 0, or an errno.
 */
int starter_start(struct starter *starter, const struct starter_work *work);

/*
 * Have a process made that runs with this request and a descriptor `fd` of the same file. Returns 0
 * with its pid, a child of the caller; or the errno that made it impossible: EPIPE where the
 * starter has died, ETIMEDOUT where it does not answer and has been killed. Whenever it ends, a
 * process that has been made is known, and one that is not known has not been made.
 */
int starter_make(struct starter *starter, const void *request, size_t size, int fd, pid_t *ret_pid);

/*
 * In the starter: fork a child of its parent's. Returns as fork(2) does; the child may end by
 * _exit(2) alone.
 */
pid_t starter_fork(void);

/*
 * Kill the starter, if there is one, reap it, and give back what it took. What it has made stays.
 */
void starter_stop(struct starter *starter);

#endif
