/* parent_accept.c - the listening sockets of the parent: accept, admit, start a process. */
#include "parent/parent_private.h"

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

static bool has_room(const struct parent *parent)
{
    return children_count(parent->children) < parent->limits.max_clients && parent->held_fd < 0;
}

void acceptors_update(struct parent *parent)
{
    bool open = !parent->draining && !parent->backing_off && has_room(parent);

    if (open == parent->accepting)
        return;
    parent->accepting = open;
    for (size_t i = 0; i < parent->n_acceptors; i++)
        sd_event_source_set_enabled(parent->acceptors[i].source, open ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void back_off(struct parent *parent)
{
    parent->backing_off = true;
    parent_arm(parent->back_off, BACK_OFF_USEC);
}

/* ---- a client begins ---- */

/* Keep a client for a later try: a temporary lack of resources is no reason to refuse it. */
static void hold(struct parent *parent, const struct client *client, int acceptor, int fd)
{
    parent->held_fd = fd;
    parent->held_acceptor = acceptor;
    parent->held = *client;
    back_off(parent);
}

/* A client in its handshake holds a slot that others could use. */
static bool is_crowded(struct parent *parent)
{
    unsigned count = children_count(parent->children);

    if (count < (uint64_t)parent->limits.max_clients * HURRY_PERCENT / 100)
        return false;
    log_throttled(&parent->hurry, LOG_NOTICE,
                  "%u of %u clients are here: handshakes get less time until there are fewer",
                  count, parent->limits.max_clients);
    return true;
}

static void start(const struct acceptor *acceptor, const struct client *client, int fd)
{
    struct parent *parent = acceptor->parent;
    int error = children_start(parent->children, client, acceptor->arg, fd);

    if (error != 0) {
        log_throttled(&parent->fork_trouble, LOG_ERR, "cannot make a process for a client: %s",
                      strerror(error));
        hold(parent, client, acceptor->fd, fd);
    }
    parent_touch(parent);
}

void acceptors_take_in(const struct acceptor *acceptor, int fd, const struct addr *peer)
{
    struct parent *parent = acceptor->parent;
    struct client client = {.peer = *peer, .accepted_usec = now_usec()};
    enum access_rule rule;

    parent->accepted++;
    metrics_came(parent->metrics, acceptor->name);
    rule = admission_enter(parent->admission, acceptor->listener, acceptor->rules, peer,
                           client.accepted_usec, &client.source);
    if (rule != ACCESS_OK) {
        close(fd);
        metrics_refused(parent->metrics, acceptor->name, rule);
        parent_touch(parent);
        return;
    }
    memcpy(client.listener, acceptor->name, sizeof(client.listener));
    client.hurried = is_crowded(parent);
    start(acceptor, &client, fd);
}

/* A listening socket keeps its descriptor over a reload, even if its listener is renamed. */
static const struct acceptor *find_acceptor(const struct parent *parent, int fd)
{
    for (size_t i = 0; i < parent->n_acceptors; i++)
        if (parent->acceptors[i].fd == fd)
            return &parent->acceptors[i];
    return NULL;
}

/* A client that never got a process was accepted all the same, and so gets its record. */
void acceptors_give_up_held(struct parent *parent, const char *why)
{
    struct record record = {.end = END_DRAINED};

    if (parent->held_fd < 0)
        return;
    close(parent->held_fd);
    parent->held_fd = -1;
    parent->given_up++;
    snprintf(record.error, sizeof(record.error), "%s", why);
    record_log(&parent->held, &record);
    parent_count_out(parent, &parent->held, &record);
}

/* A reload may have removed the listener meanwhile; then the client is given up. */
void acceptors_retry_held(struct parent *parent)
{
    const struct acceptor *acceptor = find_acceptor(parent, parent->held_acceptor);
    const struct client client = parent->held;
    int fd = parent->held_fd;

    if (fd < 0)
        return;
    if (!acceptor) {
        acceptors_give_up_held(parent, "its listener has gone");
        return;
    }
    parent->held_fd = -1;
    start(acceptor, &client, fd);
}

/* ---- accept ---- */

/*
 * accept(2) also returns errors of the new connection; those concern one client, and the next
 * accept(2) may succeed. After a lack of resources, pause and try again. Any other error is a bug
 * of ours.
 */
static void accept_failed(struct parent *parent, const struct acceptor *acceptor, int error)
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
        log_throttled(&parent->accept_trouble, LOG_ERR, "%s: cannot accept: %s", acceptor->name,
                      strerror(error));
        back_off(parent);
        return;
    default:
        err_set(&parent->err, "%s: cannot accept: %s", acceptor->name, strerror(error));
        parent_wake(parent, PARENT_FAILED);
    }
}

/* Returns whether more clients may be waiting. */
static bool accept_one(const struct acceptor *acceptor)
{
    struct addr peer = {.len = sizeof(peer.storage)};
    int fd = accept4(acceptor->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        int error = errno;

        accept_failed(acceptor->parent, acceptor, error);
        return error == ECONNABORTED || error == EINTR;
    }
    acceptors_take_in(acceptor, fd, &peer);
    return true;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    const struct acceptor *acceptor = arg;

    (void)source, (void)fd, (void)events;
    for (int i = 0; i < ACCEPT_BATCH && has_room(acceptor->parent) && accept_one(acceptor); i++)
        ;
    acceptors_update(acceptor->parent);
    return 0;
}

void acceptors_shut(struct parent *parent)
{
    for (size_t i = 0; i < parent->n_acceptors; i++)
        while (has_room(parent) && !parent->backing_off && accept_one(&parent->acceptors[i]))
            ;
    parent->draining = true;
    acceptors_update(parent);
}

/* ---- the set of listening sockets ---- */

void acceptors_remove(struct parent *parent)
{
    for (size_t i = 0; i < parent->n_acceptors; i++)
        sd_event_source_disable_unref(parent->acceptors[i].source);
    free(parent->acceptors);
    parent->acceptors = NULL;
    parent->n_acceptors = 0;
}

static int add_acceptor(struct parent *parent, const struct parent_listener *listener)
{
    struct acceptor *acceptor = &parent->acceptors[parent->n_acceptors];
    int error = 0;

    *acceptor = (struct acceptor){.parent = parent,
                                  .fd = listener->fd,
                                  .listener = admission_listener(parent->admission, listener->name),
                                  .rules = listener->rules,
                                  .arg = listener->arg};
    snprintf(acceptor->name, sizeof(acceptor->name), "%s", listener->name);
    if (acceptor->listener < 0)
        error = -ENOMEM;
    else if (!parent->single)
        error = sd_event_add_io(parent->event, &acceptor->source, acceptor->fd, EPOLLIN,
                                on_connection, acceptor);
    if (error >= 0)
        parent->n_acceptors++;
    return error;
}

int acceptors_replace(struct parent *parent, const struct parent_listener *listeners, size_t n)
{
    int error = 0;

    acceptors_remove(parent);
    parent->acceptors = calloc(n, sizeof(*parent->acceptors));
    if (!parent->acceptors)
        return -ENOMEM;
    for (size_t i = 0; i < n && error >= 0; i++)
        error = add_acceptor(parent, &listeners[i]);
    parent->accepting = true; /* sd_event_add_io() enables them */
    acceptors_update(parent);
    return error;
}
