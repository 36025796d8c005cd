/*
 * dial_helper.h - echo servers to dial, in processes of their own, and a count of what is open.
 */
#ifndef ECHOD_DIAL_HELPER_H
#define ECHOD_DIAL_HELPER_H

#include "echoc/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

#define SOON (10 * USEC_PER_SEC)     /* far longer than anything here takes */
#define BRIEFLY (50 * USEC_PER_MSEC) /* for what is to time out */

/* Listening sockets: on a free port of 127.0.0.1, and on a path that stop_server() removes. */
int listen_tcp(void);
int listen_unix(void);

/* A socket on a free port of 127.0.0.1 that refuses every connection, as it does not listen. */
int bind_refusing(void);

/* A process that serves one client after another with echod's own session. */
struct echo_server {
    struct target target; /* without TLS */
    pid_t pid;
};

/* Takes the socket. `tls` may be NULL; it is borrowed. */
struct echo_server start_server(int listener, const struct tls_server *tls);
void stop_server(struct echo_server *server);

/* Where a bound socket or a server is, to be dialled with a long timeout. */
struct target target_at(int bound);
struct target target_of(const struct echo_server *server);

/* The server sends back what it gets. Over TLS 1.3 its session tickets have come after that. */
void assert_echoes(struct dialed *dialed);

/* Setup and teardown: a test leaves as many descriptors open as it found. */
int count_open(void **state);
int assert_none_left(void **state);

#endif
