/* server_doors.c - the listening sockets of the parent: accept, admit, start a process. */
#include "parent/server_private.h"

#include "base/deadline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_BATCH 16 /* clients accepted before other events get their turn */
#define BACK_OFF_USEC (100 * USEC_PER_MSEC) /* after accept(2) or fork(2) lacked resources */
#define HURRY_PERCENT 80 /* of max_clients, from which handshakes get less time */

/* ---- at the limit the listeners are not polled, and the backlog waits ---- */

static bool has_room(const struct server *server)
{
    return children_count(server->children) < server->limits.max_clients && server->held_fd < 0;
}

void doors_update(struct server *server)
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
    server_arm(server->back_off, BACK_OFF_USEC);
}

/* ---- a client begins ---- */

/* Keep a client for a later try: a temporary lack of resources is no reason to refuse it. */
static void hold(struct server *server, const struct client *client, int door, int fd)
{
    server->held_fd = fd;
    server->held_door = door;
    server->held = *client;
    back_off(server);
}

/* A client in its handshake holds a slot that others could use. */
static bool is_crowded(struct server *server)
{
    unsigned count = children_count(server->children);

    if (count < (uint64_t)server->limits.max_clients * HURRY_PERCENT / 100)
        return false;
    log_throttled(&server->hurry, LOG_NOTICE,
                  "%u of %u clients are here: handshakes get less time until there are fewer",
                  count, server->limits.max_clients);
    return true;
}

static void start(const struct door *door, const struct client *client, int fd)
{
    struct server *server = door->server;
    int error = children_start(server->children, client, door->arg, fd);

    if (error != 0) {
        log_throttled(&server->fork_trouble, LOG_ERR, "cannot make a process for a client: %s",
                      strerror(error));
        hold(server, client, door->fd, fd);
    }
    server_touch(server);
}

void doors_take_in(const struct door *door, int fd, const struct addr *peer)
{
    struct server *server = door->server;
    struct client client = {.peer = *peer, .accepted_usec = now_usec()};
    enum access_rule rule;

    server->accepted++;
    metrics_came(server->metrics, door->name);
    rule = admission_enter(server->admission, door->listener, door->rules, peer,
                           client.accepted_usec, &client.source);
    if (rule != ACCESS_OK) {
        close(fd);
        metrics_refused(server->metrics, door->name, rule);
        server_touch(server);
        return;
    }
    memcpy(client.listener, door->name, sizeof(client.listener));
    client.hurried = is_crowded(server);
    start(door, &client, fd);
}

/* A listening socket keeps its descriptor over a reload, even if its listener is renamed. */
static const struct door *find_door(const struct server *server, int fd)
{
    for (size_t i = 0; i < server->n_doors; i++)
        if (server->doors[i].fd == fd)
            return &server->doors[i];
    return NULL;
}

/* A client that never got a process was accepted all the same, and so gets its record. */
void doors_give_up_held(struct server *server, const char *why)
{
    struct record record = {.end = END_DRAINED};

    if (server->held_fd < 0)
        return;
    close(server->held_fd);
    server->held_fd = -1;
    server->given_up++;
    snprintf(record.error, sizeof(record.error), "%s", why);
    record_log(&server->held, &record);
    server_count_out(server, &server->held, &record);
}

/* A reload may have removed the listener meanwhile; then the client is given up. */
void doors_retry_held(struct server *server)
{
    const struct door *door = find_door(server, server->held_door);
    const struct client client = server->held;
    int fd = server->held_fd;

    if (fd < 0)
        return;
    if (!door) {
        doors_give_up_held(server, "its listener has gone");
        return;
    }
    server->held_fd = -1;
    start(door, &client, fd);
}

/* ---- accept ---- */

/*
 * accept(2) also returns errors of the new connection; those concern one client, and the next
 * accept(2) may succeed. After a lack of resources, pause and try again. Any other error is a bug
 * of ours.
 */
static void accept_failed(struct server *server, const struct door *door, int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall denied it */
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
        server_wake(server, SERVER_FAILED);
    }
}

/* Returns whether more clients may be waiting. */
static bool accept_one(const struct door *door)
{
    struct addr peer = {.len = sizeof(peer.storage)};
    int fd = accept4(door->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        int error = errno;

        accept_failed(door->server, door, error);
        return error == ECONNABORTED || error == EINTR;
    }
    doors_take_in(door, fd, &peer);
    return true;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    const struct door *door = arg;

    (void)source, (void)fd, (void)events;
    for (int i = 0; i < ACCEPT_BATCH && has_room(door->server) && accept_one(door); i++)
        ;
    doors_update(door->server);
    return 0;
}

void doors_shut(struct server *server)
{
    for (size_t i = 0; i < server->n_doors; i++)
        while (has_room(server) && !server->backing_off && accept_one(&server->doors[i]))
            ;
    server->draining = true;
    doors_update(server);
}

/* ---- the set of listening sockets ---- */

void doors_remove(struct server *server)
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
    int error = 0;

    *door = (struct door){.server = server,
                          .fd = listener->fd,
                          .listener = admission_listener(server->admission, listener->name),
                          .rules = listener->rules,
                          .arg = listener->arg};
    snprintf(door->name, sizeof(door->name), "%s", listener->name);
    if (door->listener < 0)
        error = -ENOMEM;
    else if (!server->single)
        error =
            sd_event_add_io(server->event, &door->source, door->fd, EPOLLIN, on_connection, door);
    if (error >= 0)
        server->n_doors++;
    return error;
}

int doors_replace(struct server *server, const struct server_listener *listeners, size_t n)
{
    int error = 0;

    doors_remove(server);
    server->doors = calloc(n, sizeof(*server->doors));
    if (!server->doors)
        return -ENOMEM;
    for (size_t i = 0; i < n && error >= 0; i++)
        error = add_door(server, &listeners[i]);
    server->doors_open = true; /* sd_event_add_io() enables them */
    doors_update(server);
    return error;
}
