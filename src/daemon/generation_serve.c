/* generation_serve.c - a generation in force: what it asks of the parent, and does in time. */
#include "daemon/generation_private.h"

#include "base/deadline.h"
#include "base/log.h"
#include "tls/signer.h"
#include "tls/ticket_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_USEC (86400 * USEC_PER_SEC)
#define TICKET_RETRY_USEC (10 * USEC_PER_SEC)

static struct parent_limits limits_of(const struct generation *generation)
{
    return (struct parent_limits){
        .max_clients = (unsigned)generation->settings->max_clients,
        .drain_usec = generation->settings->drain_timeout_usec,
    };
}

static struct parent_listener listener_of(const struct generation *generation, size_t i, int fd)
{
    return (struct parent_listener){
        .fd = fd,
        .name = generation->listen[i].name,
        .rules = &generation->rules[i],
        .arg = &generation->sessions[i],
    };
}

static int adopt_signer(const struct generation *generation, struct parent *parent,
                        struct err *ret_err)
{
    return generation->signer ? parent_adopt(parent, signer_pid(generation->signer), ret_err) : 0;
}

void generation_inherit(struct generation *generation, const struct generation *old)
{
    if (generation->tickets && old->tickets)
        ticket_ring_inherit(generation->tickets, old->tickets, now_usec());
}

/* Without a first key no ticket is issued; all else works. */
static uint64_t renew_tickets(const struct generation *generation, uint64_t now_usec)
{
    uint64_t next_usec;

    if (!generation->tickets)
        return DEADLINE_NEVER;
    if (ticket_ring_advance(generation->tickets, now_usec, &next_usec) == 0)
        return next_usec;
    log_error("there is no randomness for a new key of session tickets: trying again");
    return now_usec + TICKET_RETRY_USEC;
}

void generation_wake(struct generation *generation, struct parent *parent, uint64_t now_usec)
{
    uint64_t next_usec = renew_tickets(generation, now_usec);

    parent_renew(parent, generation_prepare, generation); /* with the new ticket keys */
    if (now_usec >= generation->look_usec) {
        generation_warn_of_expiry(generation);
        generation->look_usec = now_usec + LOOK_USEC;
    }
    parent_set_alarm(parent, next_usec < generation->look_usec ? next_usec : generation->look_usec);
}

/* generation_announce() warns of certificates at a start or reload; check again in a day. */
static void begin_service(struct generation *generation, struct parent *parent)
{
    uint64_t now = now_usec();

    generation->look_usec = now + LOOK_USEC;
    generation_wake(generation, parent, now);
}

int generation_accept(struct generation *generation, struct parent *parent, struct err *ret_err)
{
    const struct parent_limits limits = limits_of(generation);
    struct parent_listener *listeners = calloc(generation->sockets.n, sizeof(*listeners));
    size_t n = 0;
    int result;

    if (!listeners)
        return err_set(ret_err, "cannot start: %s", strerror(ENOMEM));
    for (size_t i = 0; i < generation->sockets.n; i++) {
        const struct listen_socket *socket = &generation->sockets.sockets[i];

        if (socket->listener != LISTEN_UNUSED)
            listeners[n++] = listener_of(generation, (size_t)socket->listener, socket->fd);
    }
    result = parent_configure(parent, listeners, n, &limits, ret_err);
    free(listeners);
    return result;
}

int generation_start(struct generation *generation, struct parent *parent, struct err *ret_err)
{
    begin_service(generation, parent);
    if (adopt_signer(generation, parent, ret_err) < 0)
        return -1;
    return generation_accept(generation, parent, ret_err);
}

/*
 * The listener of a passed connection: the only one, else the one on its local port, else the
 * first.
 */
static size_t find_listener(const struct generation *generation, int fd)
{
    struct addr local;

    if (addr_local(fd, &local) < 0)
        return 0;
    for (size_t i = 0; i < generation->settings->n_listeners; i++)
        if (addr_port(&local) != 0 && (unsigned)generation->listen[i].port == addr_port(&local))
            return i;
    return 0;
}

int generation_start_single(struct generation *generation, struct parent *parent, int fd,
                            struct err *ret_err)
{
    const struct parent_limits limits = limits_of(generation);
    const struct parent_listener listener =
        listener_of(generation, find_listener(generation, fd), fd);

    begin_service(generation, parent);
    if (adopt_signer(generation, parent, ret_err) < 0)
        return -1;
    return parent_serve_single(parent, &listener, &limits, ret_err);
}

int generation_restore(const struct generation *generation, struct parent *parent,
                       struct err *ret_err)
{
    static struct throttle throttle;
    struct err err;

    if (!generation->signer || parent_ended_helper(parent) != signer_pid(generation->signer))
        return 0; /* the signer of an earlier generation, which is not needed any more */
    if (signer_restart(generation->signer, generation_user(generation), &err) < 0)
        return err_set(ret_err, "the signer has died, and no other can take its place: %s",
                       err.text);
    log_throttled(&throttle, LOG_ERR, "the signer had died; another one has taken its place");
    parent_renew(parent, generation_prepare, generation);
    return adopt_signer(generation, parent, ret_err);
}
