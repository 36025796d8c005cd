/*
 * clients.h - the parent's books: one process and one slot of the board for each client.
 *
 * What starts here ends here, in exactly one record, whatever becomes of the process.
 */
#ifndef ECHOD_CLIENTS_H
#define ECHOD_CLIENTS_H

#include "base/err.h"
#include "ipc/record.h"

#include <stddef.h>
#include <sys/types.h>

struct clients;

/*
 * Serve the client on the non-blocking socket `fd` and fill in its record. Runs in a process of its
 * own.
 */
typedef void client_session(const struct client *client, int fd, const void *arg,
                            struct record *record);

/*
 * In the process that makes those of clients, starter.h: give up what they have no use for, all
 * descriptors but the `n` kept ones and those that they need. Returns 0, or -1 with errno.
 */
typedef int client_prepare(const void *arg, const int *kept, size_t n);

/* A client has ended, and its record is logged. */
typedef void client_ended(void *arg, const struct client *client, const struct record *record);

/* Empty books. Returns 0, or -1 with *ret_err. */
int clients_open(client_session *session, client_ended *ended, void *ended_arg,
                 struct clients **ret_clients, struct err *ret_err);

/* Free the books; clients being served go on. NULL is allowed. */
void clients_close(struct clients *clients);

/*
 * The processes of clients to come find all in their parent as it is when the next one starts, but
 * for what `prepare` (NULL = nothing) gives up. After whatever changes what sessions use.
 */
void clients_renew(struct clients *clients, client_prepare *prepare, const void *arg);

/* There will be one client and no other. */
void clients_expect_one(struct clients *clients);

/*
 * Make a process that serves `client` on `fd` and exits; of the books it can see its own record
 * alone. Returns 0, the parent's `fd` closed; or an errno (EAGAIN, ENOMEM, ...) where no
 * process can be made, and `fd` is still the caller's. Never returns in the child.
 */
int clients_start(struct clients *clients, const struct client *client, const void *arg, int fd);

/* Clients being served, clients that have ended, and the bytes that went back to those. */
unsigned clients_count(const struct clients *clients);
unsigned long long clients_served(const struct clients *clients);
unsigned long long clients_echoed(const struct clients *clients);

/* End the clients whose processes have posted their slots: constant time for each. */
void clients_reap_posted(struct clients *clients);

/*
 * A process has died without posting, or has been stopped, as SIGCHLD tells its pid: end its
 * client. If it was the process that makes those of clients, another one will take its place.
 */
void clients_reap_pid(struct clients *clients, pid_t pid);

/*
 * End every client whose process is dead: signals merge while they wait, so a killed child may
 * have gone unnoticed. One waitpid(2) for each living client, so at most once a second.
 */
void clients_sweep(struct clients *clients);

/* Kill every client that is left; each ends as END_DRAINED once it is reaped. */
void clients_cut(struct clients *clients);

#endif
