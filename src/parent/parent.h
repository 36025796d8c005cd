/*
 * parent.h - the parent's event loop: accept, admit, start a process for each client, reap, drain.
 *
 * It does not depend on settings or sessions: it gets sockets, limits and a function that serves
 * one client. It never waits for a client or the log, and for the fork server only up to a timeout.
 */
#ifndef ECHOD_PARENT_PARENT_H
#define ECHOD_PARENT_PARENT_H

#include "base/err.h"
#include "parent/admission.h"
#include "parent/children.h"

#include <stddef.h>

struct parent;

/* One listening socket. The sockets of one listener share all members except `fd`. */
struct parent_listener {
    int fd; /* non-blocking; borrowed */
    const char *name;
    const struct access_rules *rules; /* borrowed */
    const void *arg;                  /* passed to its sessions */
};

struct parent_limits {
    unsigned max_clients; /* further ones wait in the backlog */
    uint64_t drain_usec;  /* 0 = as long as it takes */
};

enum parent_event {
    PARENT_STOP,   /* SIGTERM or SIGINT came, or the single client has ended */
    PARENT_RELOAD, /* SIGHUP came */
    PARENT_LEAVE,  /* SIGUSR1 came */
    PARENT_ALARM,  /* the time set by parent_set_alarm() has come */
    PARENT_HELPER, /* a process of parent_adopt() has ended */
    PARENT_FAILED, /* the loop cannot go on */
};

/* Each accepted client counts in exactly one of refused, ended and open. */
struct parent_totals {
    unsigned long long accepted, refused, ended;
    unsigned open;
    unsigned long long echoed; /* bytes, to clients that have ended */
};

/*
 * Set up the loop; from here on SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD are blocked, and the
 * parent handles them. A process can have one at a time. Returns 0, or -1 with *ret_err.
 */
int parent_open(client_session *session, struct parent **ret_parent, struct err *ret_err);

/*
 * Reserve room for a listener of this name, so that parent_configure() will have it. The names of
 * all settings since the start are kept, since their counts are. Returns 0, or -1 for the 4097th
 * name.
 */
int parent_enroll(struct parent *parent, const char *listener);

/*
 * Accept on these sockets, and no longer on the earlier ones. The array is copied; descriptors,
 * rules and args must stay valid until the next call. Clients being served are not affected.
 * Returns 0, or -1 with *ret_err: the parent must then be closed.
 */
int parent_configure(struct parent *parent, const struct parent_listener *listeners, size_t n,
                     const struct parent_limits *limits, struct err *ret_err);

/*
 * Serve only the one client that is connected on the listener's `fd`; the parent owns `fd` from
 * here on. Call this in place of parent_configure(). Returns 0, or -1 with *ret_err.
 */
int parent_serve_single(struct parent *parent, const struct parent_listener *listener,
                        const struct parent_limits *limits, struct err *ret_err);

/* children_renew() for the parent's clients. */
void parent_renew(struct parent *parent, client_prepare *prepare, const void *arg);

/*
 * Reap this child, which serves no client, when it ends, and have parent_run() return
 * PARENT_HELPER. Returns 0, or -1 with *ret_err.
 */
int parent_adopt(struct parent *parent, pid_t pid, struct err *ret_err);

/* The child that the last PARENT_HELPER reported. */
pid_t parent_ended_helper(const struct parent *parent);

/*
 * Have parent_run() return PARENT_ALARM at this time, in microseconds of CLOCK_MONOTONIC; it
 * replaces the time set before. DEADLINE_NEVER sets none.
 */
void parent_set_alarm(struct parent *parent, uint64_t at_usec);

/* Serve until an event needs the caller. *ret_err is filled in with PARENT_FAILED only. */
enum parent_event parent_run(struct parent *parent, struct err *ret_err);

/*
 * Accept the clients that wait in the backlogs, as far as max_clients allows, then no more. The
 * listening sockets can be closed after this.
 */
void parent_stop_accepting(struct parent *parent);

/*
 * Let the clients finish for up to drain_usec, or until a second SIGTERM or SIGINT; then kill the
 * processes of those that are left, each of which gets a record of END_DRAINED.
 */
void parent_drain(struct parent *parent);

/* Append this text, which is copied, to the counts in STATUS=, within a second. */
void parent_set_note(struct parent *parent, const char *note);

/*
 * Keep the file at `path` up to date, within a second of a change and at the end of the drain: the
 * text of metrics.h, then `more`. Both are copied. If `path` is NULL, no file is kept. The file of
 * an earlier call is removed if its path differs. A server of a single client keeps no file.
 */
void parent_publish(struct parent *parent, const char *path, const char *more);

/* The counts so far. */
struct parent_totals parent_totals(const struct parent *parent);

/* Free it; clients being served go on. NULL is allowed. */
void parent_close(struct parent *parent);

#endif
