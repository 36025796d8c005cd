/*
 * server_private.h - the parent's loop, which its parts share: server.c runs it, server_doors.c
 * lets clients in. Private to them.
 */
#ifndef ECHOD_PARENT_SERVER_PRIVATE_H
#define ECHOD_PARENT_SERVER_PRIVATE_H

#include "parent/server.h"

#include "base/log.h"
#include "parent/metrics.h"

#include <limits.h>
#include <systemd/sd-event.h>

#define SIGNALS 5

/* Where clients come in: one listening socket in the loop, or a socket handed to us. */
struct door {
    struct server *server;
    sd_event_source *source; /* NULL where nothing is accepted */
    int fd;
    char name[LISTENER_NAME_MAX];
    int listener; /* admission.h's */
    const struct access_rules *rules;
    const void *arg;
};

struct server {
    struct server_limits limits;
    sd_event *event;
    sd_event_source *signals[SIGNALS];
    sd_event_source *tick, *back_off, *drain, *watchdog, *alarm;
    char note[160];         /* what STATUS= ends with */
    uint64_t watchdog_usec; /* from one sign of life to the next; 0 = nobody asks */
    struct door *doors;
    size_t n_doors;
    bool doors_open;

    struct admission *admission;
    struct children *children;
    struct metrics *metrics;
    char metrics_path[PATH_MAX]; /* empty: nobody reads them */
    char *metrics_more;
    unsigned long long accepted, given_up;
    int held_fd; /* a client accepted while fork failed, which waits for the next try; or -1 */
    struct client held;
    int held_door; /* the listening descriptor it came from */
    bool backing_off;
    struct throttle accept_trouble, fork_trouble, loop_trouble, metrics_trouble, hurry;

    bool single; /* it stops by itself once the one client has ended */
    bool draining;
    bool drained; /* the drain is over, by time or by a second signal */
    bool woken;   /* server_run() is to return `event_kind` */
    enum server_event event_kind;

    size_t n_helpers;
    pid_t *helpers, ended_helper;
    struct err err;
};

/* ---- of the loop ---- */

/* Have server_run() return this event. */
void server_wake(struct server *server, enum server_event kind);

/* Let a timer go off `usec` from now, in place of when it would have. */
void server_arm(sd_event_source *timer, uint64_t usec);

/* The same, unless it is going to already. */
void server_arm_idle(sd_event_source *timer, uint64_t usec);

/* Have the tick come: something has changed. */
void server_touch(struct server *server);

/* What is left to do where a client has ended. */
void server_count_out(struct server *server, const struct client *client,
                      const struct record *record);

/* ---- of the doors ---- */

/* Replace all doors. Returns 0 or a negative errno. */
int doors_replace(struct server *server, const struct server_listener *listeners, size_t n);

/* Close the doors for good, after taking in what waits at them already. */
void doors_shut(struct server *server);

void doors_remove(struct server *server);

/* Open or close them, as there is room; after whatever may have changed that. */
void doors_update(struct server *server);

/* Start the client that waits for a process, if there is one. */
void doors_retry_held(struct server *server);

/* Let it go, with its record. */
void doors_give_up_held(struct server *server, const char *why);

/* Let in one client that nobody had to accept. */
void doors_take_in(const struct door *door, int fd, const struct addr *peer);

#endif
