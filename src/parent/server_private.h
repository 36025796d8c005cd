/*
 * server_private.h - the state of the parent's event loop, which its parts share: server.c runs it,
 * server_doors.c accepts clients. Private to them.
 */
#ifndef ECHOD_PARENT_SERVER_PRIVATE_H
#define ECHOD_PARENT_SERVER_PRIVATE_H

#include "parent/server.h"

#include "base/log.h"
#include "parent/metrics.h"

#include <limits.h>
#include <systemd/sd-event.h>

#define SIGNALS 5

/* A listening socket in the loop, or the connected socket of a single client. */
struct door {
    struct server *server;
    sd_event_source *source; /* NULL for a single client: nothing is accepted */
    int fd;
    char name[LISTENER_NAME_MAX];
    int listener; /* its number in admission.h */
    const struct access_rules *rules;
    const void *arg;
};

struct server {
    struct server_limits limits;
    sd_event *event;
    sd_event_source *signals[SIGNALS];
    sd_event_source *tick, *back_off, *drain, *watchdog, *alarm;
    char note[160];         /* appended to STATUS= */
    uint64_t watchdog_usec; /* between two signs of life; 0 = no watchdog */
    struct door *doors;
    size_t n_doors;
    bool doors_open;

    struct admission *admission;
    struct children *children;
    struct metrics *metrics;
    char metrics_path[PATH_MAX]; /* empty: no file is written */
    char *metrics_more;
    unsigned long long accepted, given_up;
    int held_fd; /* a client that waits until a process can be made; or -1 */
    struct client held;
    int held_door; /* the listening socket that it came from */
    bool backing_off;
    struct throttle accept_trouble, fork_trouble, loop_trouble, metrics_trouble, hurry;

    bool single; /* stop when the one client has ended */
    bool draining;
    bool drained; /* the drain is over, by timeout or by a second signal */
    bool woken;   /* server_run() must return `event_kind` */
    enum server_event event_kind;

    size_t n_helpers;
    pid_t *helpers, ended_helper;
    struct err err;
};

/* ---- the loop ---- */

/* Have server_run() return this event. */
void server_wake(struct server *server, enum server_event kind);

/* Have a timer expire `usec` from now, in place of any earlier setting. */
void server_arm(sd_event_source *timer, uint64_t usec);

/* The same, unless the timer is set already. */
void server_arm_idle(sd_event_source *timer, uint64_t usec);

/* Have the tick come within a second: something has changed. */
void server_touch(struct server *server);

/* Update the counts after a client has ended. */
void server_count_out(struct server *server, const struct client *client,
                      const struct record *record);

/* ---- the listening sockets ---- */

/* Replace all listening sockets. Returns 0 or a negative errno. */
int doors_replace(struct server *server, const struct server_listener *listeners, size_t n);

/*
 * Stop accepting for good, after accepting the clients that wait already, as far as there is room.
 */
void doors_shut(struct server *server);

void doors_remove(struct server *server);

/*
 * Start or stop accepting, depending on whether there is room; call this after any change of that.
 */
void doors_update(struct server *server);

/* Start the client that waits for a process, if there is one. */
void doors_retry_held(struct server *server);

/* Give that client up, with a record. */
void doors_give_up_held(struct server *server, const char *why);

/* Admit one connected client and start its process. */
void doors_take_in(const struct door *door, int fd, const struct addr *peer);

#endif
