/*
 * session_helper.h - a session in a process of its own, and its peer, over a socket pair and over
 * TCP.
 */
#ifndef ECHOD_SESSION_HELPER_H
#define ECHOD_SESSION_HELPER_H

#include "base/deadline.h"
#include "child/session.h"
#include "tls/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/types.h>

#define SOON (10 * USEC_PER_SEC) /* far longer than anything here takes */

/* ---- connections ---- */

/* The state of a test: what its client comes over. */
struct transport {
    void (*connect)(int fds[2]);
};
extern struct transport over_unix, over_tcp;

/* ---- a session and its peer ---- */

struct visitor {
    pid_t pid;
    int fd; /* the peer's end, blocking */
    SSL *ssl;
    struct record *record; /* in shared memory */
};

extern struct tls_server *server;

struct visitor begin(void **state, struct session_params params);
struct visitor begin_tls(void **state, struct session_params params);
void shake_hands(struct visitor *client); /* of TLS, where `begin` was given it */
void leave(struct visitor *client);

/* Wait until the session is over. Returns its record. */
struct record end_of(struct visitor *client);
void assert_record(const struct record *record, enum end end, uint64_t bytes_in,
                   uint64_t bytes_out);

/* The end, the bytes both ways, and a reason: the empty one where nothing failed. */
void assert_ends(struct visitor *client, enum end end, uint64_t bytes, const char *error);
void put(struct visitor *client, const char *text);
void get(struct visitor *client, const char *text);
void get_eof(struct visitor *client);

/* Wait for our side to end, and read nothing. */
void await_end(const struct visitor *client);
void put_tls(struct visitor *client, const char *text);
void get_tls(struct visitor *client, const char *text);
void get_close_notify(struct visitor *client);

/* ---- tests that run once over each transport ---- */

#define OVER(transport, test)                                                                      \
    {                                                                                              \
#test " over " #transport, test, NULL, NULL, &over_##transport                             \
    }

#define OVER_BOTH(test) OVER(unix, test), OVER(tcp, test)

int set_up(void **state);
int tear_down(void **state);

#endif
