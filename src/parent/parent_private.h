/*
 * parent_private.h - the state of the parent's event loop, which its parts share: parent.c runs it,
 * parent_accept.c accepts clients. Private to them.
 */
#ifndef ECHOD_PARENT_PARENT_PRIVATE_H
#define ECHOD_PARENT_PARENT_PRIVATE_H

#include "parent/parent.h"

#include "base/log.h"
#include "parent/metrics.h"

#include <limits.h>
#include <systemd/sd-event.h>

#define SIGNALS 5

/* A listening socket in the loop, or the connected socket of a single client. */
struct acceptor {
    struct parent *parent;
    sd_event_source *source; /* NULL for a single client: nothing is accepted */
    int fd;
    char name[LISTENER_NAME_MAX];
    int listener; /* its number in admission.h */
    const struct access_rules *rules;
    const void *arg;
};

struct parent {
    struct parent_limits limits;
    sd_event *event;
    sd_event_source *signals[SIGNALS];
    sd_event_source *tick, *back_off, *drain, *watchdog, *alarm;
    char note[160];         /* appended to STATUS= */
    uint64_t watchdog_usec; /* between two signs of life; 0 = no watchdog */
    struct acceptor *acceptors;
    size_t n_acceptors;
    bool accepting;

    struct admission *admission;
    struct children *children;
    struct metrics *metrics;
    char metrics_path[PATH_MAX]; /* empty: no file is written */
    char *metrics_more;
    unsigned long long accepted, given_up;
    int held_fd; /* a client that waits until a process can be made; or -1 */
    struct client held;
    int held_acceptor; /* the listening socket that it came from */
    bool backing_off;
    struct throttle accept_trouble, fork_trouble, loop_trouble, metrics_trouble, hurry;

    bool single; /* stop when the one client has ended */
    bool draining;
    bool drained; /* the drain is over, by timeout or by a second signal */
    bool woken;   /* parent_run() must return `event_kind` */
    enum parent_event event_kind;

    size_t n_helpers;
    pid_t *helpers, ended_helper;
    struct err err;
};

/* ---- the loop ---- */

/* Have parent_run() return this event. */
void parent_wake(struct parent *parent, enum parent_event kind);

/* Have a timer expire `usec` from now, in place of any earlier setting. */
void parent_arm(sd_event_source *timer, uint64_t usec);

/* The same, unless the timer is set already. */
void parent_arm_idle(sd_event_source *timer, uint64_t usec);

/* Have the tick come within a second: something has changed. */
void parent_touch(struct parent *parent);

/* Update the counts after a client has ended. */
void parent_count_out(struct parent *parent, const struct client *client,
                      const struct record *record);

/* ---- the listening sockets ---- */

/* Replace all listening sockets. Returns 0 or a negative errno. */
int acceptors_replace(struct parent *parent, const struct parent_listener *listeners, size_t n);

/*
 * Stop accepting for good, after accepting the clients that wait already, as far as there is room.
 */
void acceptors_shut(struct parent *parent);

void acceptors_remove(struct parent *parent);

/*
 * Start or stop accepting, depending on whether there is room; call this after any change of that.
 */
void acceptors_update(struct parent *parent);

/* Start the client that waits for a process, if there is one. */
void acceptors_retry_held(struct parent *parent);

/* Give that client up, with a record. */
void acceptors_give_up_held(struct parent *parent, const char *why);

/* Admit one connected client and start its process. */
void acceptors_take_in(const struct acceptor *acceptor, int fd, const struct addr *peer);

#endif
