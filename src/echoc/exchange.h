/*
 * exchange.h - one message to the server and back, checked; for clients that wait for each answer.
 */
#ifndef ECHOD_ECHOC_EXCHANGE_H
#define ECHOD_ECHOC_EXCHANGE_H

#include "base/err.h"
#include "net/stream.h"

enum exchange {
    EXCHANGE_OK,
    EXCHANGE_TIMEOUT, /* the whole message did not come back in time */
    EXCHANGE_BROKEN,  /* the connection ended before that */
    EXCHANGE_WRONG,   /* what came back is not what was sent */
};

/*
 * Send `n` bytes and read as many, both at once, so that no message is too long for the path.
 * *ret_err is set unless the answer is EXCHANGE_OK, and names the first byte that is missing or
 * wrong, counted from 0.
 */
enum exchange exchange(struct stream *stream, const unsigned char *message, size_t n,
                       deadline_t deadline, struct err *ret_err);

/*
 * Read bytes that the server sends first, until `last` has come, into `text` of `size` bytes with
 * a final NUL. Returns 0, or -1 when `last` does not come in time or within the size.
 */
int exchange_greeting(struct stream *stream, char last, deadline_t deadline, char *text,
                      size_t size);

/*
 * End our side and wait for the server's end. Returns 0 when the server ended in order and sent
 * nothing more; else -1 with *ret_err.
 */
int exchange_end(struct stream *stream, deadline_t deadline, struct err *ret_err);

#endif
