/* listen_set.c - a set of listening sockets, as an array. */
#include "net/listen.h"

#include <stdlib.h>

int listen_append(struct listen_set *set, const struct listen_socket *socket)
{
    struct listen_socket *sockets = reallocarray(set->sockets, set->n + 1, sizeof(*sockets));

    if (!sockets)
        return -1;
    sockets[set->n++] = *socket;
    set->sockets = sockets;
    return 0;
}

bool listen_contains(const struct listen_set *set, int fd)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->sockets[i].fd == fd)
            return true;
    return false;
}
