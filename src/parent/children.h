/*
 * children.h - the parent's table of clients: each has one process and one slot of the scoreboard.
 *
 * Each client that is started ends with exactly one record, even if its process crashes.
 */
#ifndef ECHOD_PARENT_CHILDREN_H
#define ECHOD_PARENT_CHILDREN_H

#include "base/err.h"
#include "ipc/record.h"

#include <stddef.h>
#include <sys/types.h>

struct children;

/*
 * Serve the client on the non-blocking socket `fd` and fill in its record. Runs in a process of its
 * own.
 */
typedef void client_session(const struct client *client, int fd, const void *arg,
                            struct record *record);

/*
 * In the fork server (forkserver.h): give up all that clients' processes do not need: all
 * descriptors except the `n` kept ones and those that sessions use. Returns 0, or -1 with errno.
 */
typedef int client_prepare(const void *arg, const int *kept, size_t n);

/* Called when a client has ended and its record is logged. */
typedef void client_ended(void *arg, const struct client *client, const struct record *record);

/* Make an empty table. Returns 0, or -1 with *ret_err. */
int children_open(client_session *session, client_ended *ended, void *ended_arg,
                  struct children **ret_children, struct err *ret_err);

/* Free the table; clients being served go on. NULL is allowed. */
void children_close(struct children *children);

/*
 * Stop the fork server. The next client gets a new one, a copy of the parent as it is then, without
 * what `prepare` (NULL = nothing) gives up. Call this after any change that sessions use.
 */
void children_renew(struct children *children, client_prepare *prepare, const void *arg);

/* Prepare for a single client: its process is forked directly, without a fork server. */
void children_expect_one(struct children *children);

/*
 * Make a process that serves `client` on `fd` and exits; of all records it can see only its own.
 * Returns 0 and closes `fd` in the parent; or an errno (EAGAIN, ENOMEM, ...) if no process can be
 * made, and the caller still owns `fd`. Never returns in the child.
 */
int children_start(struct children *children, const struct client *client, const void *arg, int fd);

/*
 * The number of clients being served; of clients that have ended, without those that their own
 * processes have refused (by the address that a proxy named); of these; and the bytes echoed to all
 * that have ended.
 */
unsigned children_count(const struct children *children);
unsigned long long children_served(const struct children *children);
unsigned long long children_refused(const struct children *children);
unsigned long long children_echoed(const struct children *children);

/* End the clients whose processes have posted their slots, in constant time for each. */
void children_reap_posted(struct children *children);

/*
 * SIGCHLD reports that the process `pid` has died without posting, or has been stopped: end its
 * client. If it was the fork server, it is stopped, and the next client gets a new one.
 */
void children_reap_pid(struct children *children, pid_t pid);

/*
 * End every client whose process is dead: signals merge while they are pending, so the death of a
 * killed child may have gone unnoticed. Calls waitpid(2) for each living client, so call this at
 * most once a second.
 */
void children_sweep(struct children *children);

/* Kill the processes of all clients that are left; each ends as END_DRAINED when it is reaped. */
void children_cut(struct children *children);

#endif
