/*
 * children.h - the parent's books: one process and one slot of the scoreboard for each client.
 *
 * What starts here ends here, in exactly one record, whatever becomes of the process.
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
 * In the process that makes those of clients, forkserver.h: give up what they have no use for, all
 * descriptors but the `n` kept ones and those that they need. Returns 0, or -1 with errno.
 */
typedef int client_prepare(const void *arg, const int *kept, size_t n);

/* A client has ended, and its record is logged. */
typedef void client_ended(void *arg, const struct client *client, const struct record *record);

/* Empty books. Returns 0, or -1 with *ret_err. */
int children_open(client_session *session, client_ended *ended, void *ended_arg,
                  struct children **ret_clients, struct err *ret_err);

/* Free the books; clients being served go on. NULL is allowed. */
void children_close(struct children *children);

/*
 * The processes of clients to come find all in their parent as it is when the next one starts, but
 * for what `prepare` (NULL = nothing) gives up. After whatever changes what sessions use.
 */
void children_renew(struct children *children, client_prepare *prepare, const void *arg);

/* There will be one client and no other. */
void children_expect_one(struct children *children);

/*
 * Make a process that serves `client` on `fd` and exits; of the books it can see its own record
 * alone. Returns 0, the parent's `fd` closed; or an errno (EAGAIN, ENOMEM, ...) where no
 * process can be made, and `fd` is still the caller's. Never returns in the child.
 */
int children_start(struct children *children, const struct client *client, const void *arg, int fd);

/*
 * Clients being served; clients that have ended, but for those that their processes have refused,
 * since a proxy has named them; these; and the bytes that went back to all that have ended.
 */
unsigned children_count(const struct children *children);
unsigned long long children_served(const struct children *children);
unsigned long long children_refused(const struct children *children);
unsigned long long children_echoed(const struct children *children);

/* End the clients whose processes have posted their slots: constant time for each. */
void children_reap_posted(struct children *children);

/*
 * A process has died without posting, or has been stopped, as SIGCHLD tells its pid: end its
 * client. If it was the process that makes those of clients, another one will take its place.
 */
void children_reap_pid(struct children *children, pid_t pid);

/*
 * End every client whose process is dead: signals merge while they wait, so a killed child may
 * have gone unnoticed. One waitpid(2) for each living client, so at most once a second.
 */
void children_sweep(struct children *children);

/* Kill every client that is left; each ends as END_DRAINED once it is reaped. */
void children_cut(struct children *children);

#endif
