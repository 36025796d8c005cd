/*
 * stream_helper.h - a plain stream and its peer, over a socket pair and over TCP.
 */
#ifndef ECHOD_STREAM_HELPER_H
#define ECHOD_STREAM_HELPER_H

#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SOON (10 * USEC_PER_SEC) /* far longer than anything here takes */

/* ---- a stream and its peer ---- */

struct pair {
    struct stream stream;
    int peer; /* blocking */
};

void connect_unix(int fds[2]);

/* With `receive` bytes for the peer to receive in, which must be set before it connects. */
void connect_tcp_small(int fds[2], int receive);

/* The state of a test that runs over either transport is the function that connects it. */
struct transport {
    void (*connect)(int fds[2]);
};
extern struct transport over_unix, over_tcp;

struct pair make_pair(int fds[2]);
struct pair open_pair(void **state);
struct pair open_tcp_pair(void);
void peer_sends(const struct pair *pair, const char *text);

/* Close the peer's end so that the kernel sends RST. */
void peer_resets(struct pair *pair);
unsigned char pattern(size_t i);

/* Write until the kernel takes no more. Returns how many bytes it took. */
size_t fill(struct stream *stream);

/* Read on, from byte `total` of the pattern, until EOF. Returns the bytes there are by then. */
size_t drain(int fd, size_t total);

/* ---- tests that run once over each transport ---- */

#define OVER(transport, test)                                                                      \
    {                                                                                              \
#test " over " #transport, test, NULL, NULL, &over_##transport                             \
    }

#define OVER_BOTH(test) OVER(unix, test), OVER(tcp, test)

#endif
