/*
 * server.h - the parent's loop: accept, start one process a client, reap, drain.
 *
 * It knows neither settings nor sessions: it takes sockets, limits and a function that serves one
 * client. It never waits for a client, a child or the log.
 */
#ifndef ECHOD_SERVER_H
#define ECHOD_SERVER_H

#include "clients.h"
#include "err.h"

#include <stddef.h>

struct server;

/* One listening socket. Those of one listener share its name and `arg`, which its sessions get. */
struct server_listener {
    int fd; /* non-blocking; borrowed */
    const char *name;
    const void *arg;
};

struct server_limits {
    unsigned max_clients; /* more wait in the backlog */
    uint64_t drain_usec;  /* 0 = as long as it takes */
};

enum server_event {
    SERVER_STOP,   /* SIGTERM or SIGINT came */
    SERVER_RELOAD, /* SIGHUP came */
    SERVER_FAILED, /* the loop cannot go on */
};

/*
 * Set up the loop; from here on SIGTERM, SIGINT, SIGHUP and SIGCHLD are blocked and the server's.
 * One server at a time in a process. Returns 0, or -1 with *ret_err.
 */
int server_open(client_session *session, struct server **ret_server, struct err *ret_err);

/*
 * Accept on these sockets, and no longer on those before. The array is copied; descriptors and
 * args must stay until the next call. Clients being served notice nothing.
 * Returns 0, or -1 with *ret_err: the server must then be closed.
 */
int server_configure(struct server *server, const struct server_listener *listeners, size_t n,
                     const struct server_limits *limits, struct err *ret_err);

/*
 * Serve until a signal asks for something else. In a child it never returns. *ret_err is filled in
 * with SERVER_FAILED only.
 */
enum server_event server_run(struct server *server, struct err *ret_err);

/*
 * Accept what already waits in the backlogs, then nothing more. The listening sockets can be
 * closed after it.
 */
void server_stop_accepting(struct server *server);

/*
 * Let the clients finish for up to drain_usec, or until a second SIGTERM or SIGINT; then cut those
 * that are left, each of which leaves a record of END_DRAINED.
 */
void server_drain(struct server *server);

/* Free it; clients being served go on. NULL is allowed. */
void server_close(struct server *server);

#endif
