/* server.c - the parent's loop. */
#include "server.h"

#include "deadline.h"
#include "log.h"
#include "notify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define ACCEPT_BATCH 16 /* clients accepted before other events get their turn */
#define BACK_OFF_USEC (100 * USEC_PER_MSEC) /* after accept or fork ran out of resources */
#define TICK_USEC USEC_PER_SEC              /* from a change to the sweep and STATUS= for it */
#define CUT_USEC (5 * USEC_PER_SEC)         /* for killed children to be gone */

/* One listening socket in the loop. */
struct door {
    struct server *server;
    sd_event_source *source;
    int fd;
    char name[LISTENER_NAME_MAX];
    const void *arg;
};

struct server {
    struct server_limits limits;
    sd_event *event;
    sd_event_source *signals[4];
    sd_event_source *tick, *back_off, *drain, *watchdog;
    uint64_t watchdog_usec; /* from one sign of life to the next; 0 = nobody asks */
    struct door *doors;
    size_t n_doors;
    bool doors_open;

    struct clients *clients;
    int held_fd; /* a client accepted while fork failed, which waits for the next try; or -1 */
    struct client held;
    int held_door; /* the listening descriptor it came from */
    bool backing_off;
    struct throttle accept_trouble, fork_trouble;

    bool draining;
    bool drained; /* the drain is over, by time or by a second signal */
    bool woken;   /* server_run() is to return `event_kind` */
    enum server_event event_kind;
    struct err err;
};

static void wake(struct server *server, enum server_event kind)
{
    server->woken = true;
    server->event_kind = kind;
}

static void arm(sd_event_source *timer, uint64_t usec)
{
    sd_event_source_set_time(timer, now_usec() + usec);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void arm_unless_armed(sd_event_source *timer, uint64_t usec)
{
    int enabled = SD_EVENT_OFF;

    sd_event_source_get_enabled(timer, &enabled);
    if (enabled == SD_EVENT_OFF)
        arm(timer, usec);
}

/* ---- admission: at the limit the listeners are not polled, and the backlog waits ---- */

static bool has_room(const struct server *server)
{
    return clients_count(server->clients) < server->limits.max_clients && server->held_fd < 0;
}

static void update_doors(struct server *server)
{
    bool open = !server->draining && !server->backing_off && has_room(server);

    if (open == server->doors_open)
        return;
    server->doors_open = open;
    for (size_t i = 0; i < server->n_doors; i++)
        sd_event_source_set_enabled(server->doors[i].source, open ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void back_off(struct server *server)
{
    server->backing_off = true;
    arm(server->back_off, BACK_OFF_USEC);
}

/* ---- a client begins ---- */

/* Nobody is turned away because the machine is short of something for a moment. */
static void hold(struct server *server, const struct client *client, int door, int fd)
{
    server->held_fd = fd;
    server->held_door = door;
    server->held = *client;
    back_off(server);
}

static void start_client(const struct door *door, const struct client *client, int fd)
{
    struct server *server = door->server;
    int error = clients_start(server->clients, client, door->arg, fd);

    if (error != 0) {
        log_throttled(&server->fork_trouble, LOG_ERR, "cannot make a process for a client: %s",
                      strerror(error));
        hold(server, client, door->fd, fd);
    }
    arm_unless_armed(server->tick, TICK_USEC);
}

/* The socket stays the same over a reload, whatever its listener is called now. */
static const struct door *find_door(const struct server *server, int fd)
{
    for (size_t i = 0; i < server->n_doors; i++)
        if (server->doors[i].fd == fd)
            return &server->doors[i];
    return NULL;
}

/* One that never got a process has been a client all the same, and leaves its record. */
static void give_up_held(struct server *server, const char *why)
{
    struct record record = {.end = END_DRAINED};

    if (server->held_fd < 0)
        return;
    close(server->held_fd);
    server->held_fd = -1;
    snprintf(record.error, sizeof(record.error), "%s", why);
    record_log(&server->held, &record);
}

/* The listener may have gone with a reload since; then so does the client. */
static void retry_held(struct server *server)
{
    const struct door *door = find_door(server, server->held_door);
    const struct client client = server->held;
    int fd = server->held_fd;

    if (fd < 0)
        return;
    if (!door) {
        give_up_held(server, "its listener has gone");
        return;
    }
    server->held_fd = -1;
    start_client(door, &client, fd);
}

static int on_back_off(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    server->backing_off = false;
    retry_held(server);
    update_doors(server);
    return 0;
}

/* ---- accept ---- */

/*
 * accept(2) passes errors of the connection on to the caller; those are the client's, and the next
 * may do better. What is short for all comes back after a pause. The rest is our own fault.
 */
static void accept_failed(struct server *server, const struct door *door, int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall said no */
    case EOPNOTSUPP:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
        return;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        log_throttled(&server->accept_trouble, LOG_ERR, "%s: cannot accept: %s", door->name,
                      strerror(error));
        back_off(server);
        return;
    default:
        err_set(&server->err, "%s: cannot accept: %s", door->name, strerror(error));
        wake(server, SERVER_FAILED);
    }
}

/* Returns whether there may be more. */
static bool accept_one(const struct door *door)
{
    struct server *server = door->server;
    struct client client = {.peer.len = sizeof(client.peer.storage)};
    int fd = accept4(door->fd, &client.peer.sa, &client.peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        int error = errno;

        accept_failed(server, door, error);
        return error == ECONNABORTED || error == EINTR;
    }
    client.accepted_usec = now_usec();
    memcpy(client.listener, door->name, sizeof(client.listener));
    start_client(door, &client, fd);
    return true;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    const struct door *door = arg;

    (void)source, (void)fd, (void)events;
    for (int i = 0; i < ACCEPT_BATCH && has_room(door->server) && accept_one(door); i++)
        ;
    update_doors(door->server);
    return 0;
}

/* ---- a client ends ---- */

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct server *server = arg;

    (void)source;
    clients_reap_posted(server->clients);
    if (info->ssi_code != CLD_EXITED)
        clients_reap_pid(server->clients, (pid_t)info->ssi_pid);
    update_doors(server);
    arm_unless_armed(server->tick, TICK_USEC);
    return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    clients_sweep(server->clients);
    update_doors(server);
    notify("STATUS=%s%u clients, %llu served", server->draining ? "Draining: " : "",
           clients_count(server->clients), clients_served(server->clients));
    return 0;
}

/* From the loop and from nowhere else, so that it stops when the loop does. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    notify("WATCHDOG=1");
    arm(server->watchdog, server->watchdog_usec);
    return 0;
}

/* ---- signals ---- */

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct server *server = arg;

    (void)source, (void)info;
    if (server->draining)
        server->drained = true;
    else
        wake(server, SERVER_STOP);
    return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct server *server = arg;

    (void)source, (void)info;
    if (!server->draining)
        wake(server, SERVER_RELOAD);
    return 0;
}

static int on_drain_end(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    server->drained = true;
    return 0;
}

/* ---- open, configure, run, close ---- */

static int add_signals(struct server *server)
{
    static const struct {
        int number;
        sd_event_signal_handler_t handler;
    } signals[] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_reload}, {SIGCHLD, on_child}};
    sigset_t mask;

    sigemptyset(&mask);
    for (size_t i = 0; i < 4; i++)
        sigaddset(&mask, signals[i].number);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < 4; i++) {
        int error = sd_event_add_signal(server->event, &server->signals[i], signals[i].number,
                                        signals[i].handler, server);

        if (error < 0)
            return error;
    }
    return 0;
}

static int add_timer(struct server *server, sd_event_source **ret_timer,
                     sd_event_time_handler_t handler)
{
    int error = sd_event_add_time(server->event, ret_timer, CLOCK_MONOTONIC, 0, 1, handler, server);

    return error < 0 ? error : sd_event_source_set_enabled(*ret_timer, SD_EVENT_OFF);
}

static int set_up(struct server *server)
{
    int error = sd_event_new(&server->event);

    if (error < 0 || (error = add_signals(server)) < 0 ||
        (error = add_timer(server, &server->tick, on_tick)) < 0 ||
        (error = add_timer(server, &server->back_off, on_back_off)) < 0 ||
        (error = add_timer(server, &server->drain, on_drain_end)) < 0 ||
        (error = add_timer(server, &server->watchdog, on_watchdog)) < 0)
        return error;
    if (sd_watchdog_enabled(false, &server->watchdog_usec) > 0) {
        server->watchdog_usec /= 3; /* half of it is what sd_watchdog_enabled(3) recommends */
        arm(server->watchdog, server->watchdog_usec);
    }
    return 0;
}

int server_open(client_session *session, struct server **ret_server, struct err *ret_err)
{
    struct server *server = calloc(1, sizeof(*server));
    int error;

    if (!server)
        return err_set(ret_err, "cannot set up the server: %s", strerror(errno));
    server->held_fd = -1;
    error = set_up(server);
    if (error < 0)
        err_set(ret_err, "cannot set up the server: %s", strerror(-error));
    if (error < 0 || clients_open(session, &server->clients, ret_err) < 0) {
        server_close(server);
        return -1;
    }
    *ret_server = server;
    return 0;
}

static void remove_doors(struct server *server)
{
    for (size_t i = 0; i < server->n_doors; i++)
        sd_event_source_disable_unref(server->doors[i].source);
    free(server->doors);
    server->doors = NULL;
    server->n_doors = 0;
}

static int add_door(struct server *server, const struct server_listener *listener)
{
    struct door *door = &server->doors[server->n_doors];
    int error;

    *door = (struct door){.server = server, .fd = listener->fd, .arg = listener->arg};
    snprintf(door->name, sizeof(door->name), "%s", listener->name);
    error = sd_event_add_io(server->event, &door->source, door->fd, EPOLLIN, on_connection, door);
    if (error >= 0)
        server->n_doors++;
    return error;
}

int server_configure(struct server *server, const struct server_listener *listeners, size_t n,
                     const struct server_limits *limits, struct err *ret_err)
{
    int error = 0;

    remove_doors(server);
    server->limits = *limits;
    server->doors = calloc(n, sizeof(*server->doors));
    if (!server->doors)
        error = -ENOMEM;
    for (size_t i = 0; i < n && error >= 0; i++)
        error = add_door(server, &listeners[i]);
    if (error < 0)
        return err_set(ret_err, "cannot poll the listening sockets: %s", strerror(-error));
    server->doors_open = true; /* as sd_event_add_io() leaves them */
    update_doors(server);
    return 0;
}

enum server_event server_run(struct server *server, struct err *ret_err)
{
    server->woken = false;
    while (!server->woken) {
        int error = sd_event_run(server->event, UINT64_MAX);

        if (error < 0) {
            err_set(&server->err, "cannot wait for events: %s", strerror(-error));
            wake(server, SERVER_FAILED);
        }
    }
    if (server->event_kind == SERVER_FAILED)
        *ret_err = server->err;
    return server->event_kind;
}

void server_stop_accepting(struct server *server)
{
    for (size_t i = 0; i < server->n_doors; i++)
        while (has_room(server) && !server->backing_off && accept_one(&server->doors[i]))
            ;
    for (size_t i = 0; i < server->n_doors; i++)
        sd_event_source_set_enabled(server->doors[i].source, SD_EVENT_OFF);
    server->doors_open = false;
    server->draining = true;
}

/* Killed children die at once; the bound is for what the kernel itself keeps waiting. */
static void cut(struct server *server)
{
    deadline_t deadline = deadline_in(CUT_USEC);

    log_notice("the drain has ended with %u clients left, which are cut",
               clients_count(server->clients));
    clients_cut(server->clients);
    while (clients_count(server->clients) > 0 && !deadline_passed(deadline)) {
        sd_event_run(server->event, 10 * USEC_PER_MSEC);
        clients_sweep(server->clients);
    }
}

void server_drain(struct server *server)
{
    server->drained = false;
    if (server->limits.drain_usec > 0)
        arm(server->drain, server->limits.drain_usec);
    while ((clients_count(server->clients) > 0 || server->held_fd >= 0) && !server->drained)
        if (sd_event_run(server->event, UINT64_MAX) < 0)
            break;
    give_up_held(server, "no process could be made for it");
    if (clients_count(server->clients) > 0)
        cut(server);
}

void server_close(struct server *server)
{
    if (!server)
        return;
    remove_doors(server);
    for (size_t i = 0; i < 4; i++)
        sd_event_source_disable_unref(server->signals[i]);
    sd_event_source_disable_unref(server->tick);
    sd_event_source_disable_unref(server->back_off);
    sd_event_source_disable_unref(server->drain);
    sd_event_source_disable_unref(server->watchdog);
    sd_event_unref(server->event);
    if (server->held_fd >= 0)
        close(server->held_fd); /* the drain was left out */
    clients_close(server->clients);
    free(server);
}
