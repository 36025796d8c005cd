/*
 * tls_host.h - a server for the fuzz target of sessions, and for the program that records clients
 * of it: always the same key, certificate and random numbers, so that what a client said once is
 * right each time it is said again.
 */
#ifndef ECHOD_TLS_HOST_H
#define ECHOD_TLS_HOST_H

#include "child/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What kind of listener a client meets. */
enum host {
    HOST_TLS,
    HOST_TLS_1_2,
    HOST_TLS_P384, /* refuses the group that clients offer first, so asks for another hello */
    HOST_TLS_LENGTH,
    HOST_STREAM,
    HOST_LINE,
    HOST_MARKER,
    HOST_LENGTH,
    HOST_COUNT
};

/* End the program where something that the whole run needs does not hold. */
void demand(bool holds);

/* Make key, certificate and contexts; once, before anything else. */
void host_open(void);

/* Serve the client at the other end of `fd`, a non-blocking socket, which is closed. */
void host_serve(enum host host, int fd, struct record *ret_record);

/* Begin the random numbers anew: `seed` is one for each side of a connection. */
void host_seed(uint64_t seed);

/* A pair of connected sockets with room for an answer that nobody reads. */
void host_connect(int ret_fds[2]);

#endif
