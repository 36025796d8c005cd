/*
 * server.h - the parent's event loop: accept, admit, start a process for each client, reap, drain.
 *
 * It does not depend on settings or sessions: it gets sockets, limits and a function that serves
 * one client. It never waits for a client or the log, and for the fork server only up to a timeout.
 */
#ifndef ECHOD_PARENT_SERVER_H
#define ECHOD_PARENT_SERVER_H

#include "base/err.h"
#include "parent/admission.h"
#include "parent/children.h"

#include <stddef.h>

struct server;

/* One listening socket. The sockets of one listener share all members except `fd`. */
struct server_listener {
    int fd; /* non-blocking; borrowed */
    const char *name;
    const struct access_rules *rules; /* borrowed */
    const void *arg;                  /* passed to its sessions */
};

struct server_limits {
    unsigned max_clients; /* further ones wait in the backlog */
    uint64_t drain_usec;  /* 0 = as long as it takes */
};

enum server_event {
    SERVER_STOP,   /* SIGTERM or SIGINT came, or the single client has ended */
    SERVER_RELOAD, /* SIGHUP came */
    SERVER_LEAVE,  /* SIGUSR1 came */
    SERVER_ALARM,  /* the time set by server_set_alarm() has come */
    SERVER_HELPER, /* a process of server_adopt() has ended */
    SERVER_FAILED, /* the loop cannot go on */
};

/* Each accepted client counts in exactly one of refused, ended and open. */
struct server_totals {
    unsigned long long accepted, refused, ended;
    unsigned open;
    unsigned long long echoed; /* bytes, to clients that have ended */
};

/*
 * Set up the loop; from here on SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD are blocked, and the
 * server handles them. A process can have one server at a time. Returns 0, or -1 with *ret_err.
 */
int server_open(client_session *session, struct server **ret_server, struct err *ret_err);

/*
 * Reserve room for a listener of this name, so that server_configure() will have it. The names of
 * all settings since the start are kept, since their counts are. Returns 0, or -1 for the 4097th
 * name.
 */
int server_enroll(struct server *server, const char *listener);

/*
 * Accept on these sockets, and no longer on the earlier ones. The array is copied; descriptors,
 * rules and args must stay valid until the next call. Clients being served are not affected.
 * Returns 0, or -1 with *ret_err: the server must then be closed.
 */
int server_configure(struct server *server, const struct server_listener *listeners, size_t n,
                     const struct server_limits *limits, struct err *ret_err);

/*
 * Serve only the one client that is connected on the listener's `fd`; the server owns `fd` from
 * here on. Call this in place of server_configure(). Returns 0, or -1 with *ret_err.
 */
int server_serve_single(struct server *server, const struct server_listener *listener,
                        const struct server_limits *limits, struct err *ret_err);

/* children_renew() for the server's clients. */
void server_renew(struct server *server, client_prepare *prepare, const void *arg);

/*
 * Reap this child, which serves no client, when it ends, and have server_run() return
 * SERVER_HELPER. Returns 0, or -1 with *ret_err.
 */
int server_adopt(struct server *server, pid_t pid, struct err *ret_err);

/* The child that the last SERVER_HELPER reported. */
pid_t server_ended_helper(const struct server *server);

/*
 * Have server_run() return SERVER_ALARM at this time, in microseconds of CLOCK_MONOTONIC; it
 * replaces the time set before. DEADLINE_NEVER sets none.
 */
void server_set_alarm(struct server *server, uint64_t at_usec);

/* Serve until an event needs the caller. *ret_err is filled in with SERVER_FAILED only. */
enum server_event server_run(struct server *server, struct err *ret_err);

/*
 * Accept the clients that wait in the backlogs, as far as max_clients allows, then no more. The
 * listening sockets can be closed after this.
 */
void server_stop_accepting(struct server *server);

/*
 * Let the clients finish for up to drain_usec, or until a second SIGTERM or SIGINT; then kill the
 * processes of those that are left, each of which gets a record of END_DRAINED.
 */
void server_drain(struct server *server);

/* Append this text, which is copied, to the counts in STATUS=, within a second. */
void server_set_note(struct server *server, const char *note);

/*
 * Keep the file at `path` up to date, within a second of a change and at the end of the drain: the
 * text of metrics.h, then `more`. Both are copied. If `path` is NULL, no file is kept. The file of
 * an earlier call is removed if its path differs. A server of a single client keeps no file.
 */
void server_publish(struct server *server, const char *path, const char *more);

/* The counts so far. */
struct server_totals server_totals(const struct server *server);

/* Free it; clients being served go on. NULL is allowed. */
void server_close(struct server *server);

#endif
