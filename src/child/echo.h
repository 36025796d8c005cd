/*
 * echo.h - the echo loop: sends every byte back to its sender, in order, within limits.
 */
#ifndef ECHOD_CHILD_ECHO_H
#define ECHOD_CHILD_ECHO_H

#include "ipc/record.h"
#include "net/stream.h"
#include "proto/frame.h"

struct echo_limits {
    struct frame_params frame; /* only whole messages are echoed, and only up to a length */
    uint64_t idle_usec;        /* longest time without a byte in either direction; 0 = no limit */
    deadline_t deadline;       /* end of the whole session */
    uint64_t max_bytes;        /* most bytes read from the peer; 0 = no limit */
};

/*
 * Echo what the peer sends until it ends its side or a limit is reached, then write all that is
 * buffered. Full duplex over one bounded buffer: it reads while there is room and writes while
 * there are bytes. A peer that sends before it reads is served as far as the buffers here and in
 * the kernel allow; if a peer does not read, reading from it stops.
 *
 * Adds to the record's bytes and messages as it goes. Returns how the session ended: END_CLOSED,
 * END_TRUNCATED, END_RESET, END_TLS_ERROR, END_IDLE, END_SESSION_TIMEOUT, END_MAX_BYTES or
 * END_MESSAGE_TOO_LONG. The stream stays open. Uses one static buffer: one call at a time in a
 * process.
 */
enum end echo_run(struct stream *stream, const struct echo_limits *limits, struct record *record);

#endif
