/* generation_withdraw.c - closes the health listeners, so that load balancers send no more clients.
 */
#include "daemon/generation_private.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Mark the sockets of health listeners as unused. Returns how many there were. */
static size_t leave_health(struct generation *generation)
{
    size_t left = 0;

    for (size_t i = 0; i < generation->sockets.n; i++) {
        struct listen_socket *socket = &generation->sockets.sockets[i];

        if (socket->listener == LISTEN_UNUSED ||
            !generation->settings->listeners[socket->listener].health)
            continue;
        socket->listener = LISTEN_UNUSED;
        left++;
    }
    return left;
}

/* Replace the set of sockets by one without the unused, as a reload does. */
static void close_unused(struct generation *generation)
{
    struct listen_set *sockets = &generation->sockets;
    struct listen_set used = {.sockets = calloc(sockets->n, sizeof(*used.sockets))};

    if (!used.sockets) {
        log_error("cannot close the health listeners: %s", strerror(errno));
        return;
    }
    for (size_t i = 0; i < sockets->n; i++)
        if (sockets->sockets[i].listener != LISTEN_UNUSED)
            used.sockets[used.n++] = sockets->sockets[i];
    listen_replace(sockets, &used, generation->listen);
    *sockets = used;
}

/*
 * Remove a socket from epoll before closing it: a child that is not sandboxed yet may have it open
 * too, and epoll(7) reports it while any process has it open.
 */
int generation_withdraw(struct generation *generation, struct parent *parent, struct err *ret_err)
{
    if (leave_health(generation) == 0) {
        log_warning("SIGUSR1 changes nothing: %s", generation->withdrawn
                                                       ? "the health listeners are closed already"
                                                       : "no listener has health = true");
        return 0;
    }
    generation->withdrawn = true;
    if (generation_accept(generation, parent, ret_err) < 0)
        return -1;
    close_unused(generation);
    log_notice("the health listeners are closed until a reload; the others go on");
    return 0;
}
