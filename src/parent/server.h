/*
 * server.h - the parent's loop: accept, admit, start one process a client, reap, drain.
 *
 * It knows neither settings nor sessions: it takes sockets, limits and a function that serves one
 * client. It never waits for a client, a child or the log.
 */
#ifndef ECHOD_PARENT_SERVER_H
#define ECHOD_PARENT_SERVER_H

#include "base/err.h"
#include "parent/admission.h"
#include "parent/children.h"

#include <stddef.h>

struct server;

/* One listening socket. Those of one listener share all but `fd`. */
struct server_listener {
    int fd; /* non-blocking; borrowed */
    const char *name;
    const struct access_rules *rules; /* borrowed */
    const void *arg;                  /* what its sessions get */
};

struct server_limits {
    unsigned max_clients; /* more wait in the backlog */
    uint64_t drain_usec;  /* 0 = as long as it takes */
};

enum server_event {
    SERVER_STOP,   /* SIGTERM or SIGINT came, or the single client has ended */
    SERVER_RELOAD, /* SIGHUP came */
    SERVER_LEAVE,  /* SIGUSR1 came */
    SERVER_ALARM,  /* the moment of server_set_alarm() has come */
    SERVER_HELPER, /* a process of server_adopt() has ended */
    SERVER_FAILED, /* the loop cannot go on */
};

/* Every client that was accepted is in exactly one of the other numbers. */
struct server_totals {
    unsigned long long accepted, refused, ended;
    unsigned open;
    unsigned long long echoed; /* bytes, to those that have ended */
};

/*
 * Set up the loop; from here on SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD are blocked and the
 * server's. One server at a time in a process. Returns 0, or -1 with *ret_err.
 */
int server_open(client_session *session, struct server **ret_server, struct err *ret_err);

/*
 * Make sure that server_configure() will have room for a listener of this name, once for good: the
 * names of all settings there have been are kept, with what is counted for them. Returns 0, or -1
 * for the 4097th name.
 */
int server_enroll(struct server *server, const char *listener);

/*
 * Accept on these sockets, and no longer on those before. The array is copied; descriptors, rules
 * and args must stay until the next call. Clients being served notice nothing.
 * Returns 0, or -1 with *ret_err: the server must then be closed.
 */
int server_configure(struct server *server, const struct server_listener *listeners, size_t n,
                     const struct server_limits *limits, struct err *ret_err);

/*
 * Serve one client, connected on the listener's `fd`, which is the server's from here on, and none
 * else. In place of server_configure(). Returns 0, or -1 with *ret_err.
 */
int server_serve_single(struct server *server, const struct server_listener *listener,
                        const struct server_limits *limits, struct err *ret_err);

/* children_renew() for the server's clients. */
void server_renew(struct server *server, client_prepare *prepare, const void *arg);

/*
 * Reap this child, which serves no client, when it ends, and have server_run() tell.
 * Returns 0, or -1 with *ret_err.
 */
int server_adopt(struct server *server, pid_t pid, struct err *ret_err);

/* The child that the last SERVER_HELPER is about. */
pid_t server_ended_helper(const struct server *server);

/*
 * Have server_run() tell when this moment comes, in microseconds of CLOCK_MONOTONIC, in place of
 * the one set before; DEADLINE_NEVER for none.
 */
void server_set_alarm(struct server *server, uint64_t at_usec);

/*
 * Serve until something asks for what is not the server's. In a child it never returns. *ret_err
 * is filled in with SERVER_FAILED only.
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

/* Have STATUS= end with this text, which is copied, behind the counts, within a second. */
void server_set_note(struct server *server, const char *note);

/*
 * Keep the file at `path` up to date, within a second of a change and when the drain has ended:
 * metrics.h's text, and `more` after it. Both are copied; `path` of NULL is no file, and the one
 * of the call before goes where it is another. A server of a single client keeps none.
 */
void server_publish(struct server *server, const char *path, const char *more);

/* The books so far. */
struct server_totals server_totals(const struct server *server);

/* Free it; clients being served go on. NULL is allowed. */
void server_close(struct server *server);

#endif
