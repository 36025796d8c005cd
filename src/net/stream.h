/*
 * stream.h - a byte stream that never blocks: a plain socket here, TLS in tls.h.
 *
 * Only this module and tls.c translate EAGAIN, EINTR, ECONNRESET and OpenSSL's errors; callers see
 * only the answers below. The TLS layer may have to read in order to write, and the other way
 * round: a caller waits for the direction that was asked for and then repeats the call.
 */
#ifndef ECHOD_NET_STREAM_H
#define ECHOD_NET_STREAM_H

#include "base/deadline.h"
#include "net/outcome.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum stream_status {
    STREAM_OK,
    STREAM_EOF,        /* read: the peer sends no more, but it can still read what is written */
    STREAM_WANT_READ,  /* call again when the socket is readable */
    STREAM_WANT_WRITE, /* call again when the socket is writable */
    STREAM_FAILED,     /* for good; the stream's `end` and `error` give the reason */
};

struct stream;

/* The most bytes that stream_unread() can give back. */
#define STREAM_UNREAD_MAX 16

/* The operations of a kind of stream; see the functions of the same names below. */
struct stream_ops {
    enum stream_status (*handshake)(struct stream *stream);
    enum stream_status (*read)(struct stream *stream, void *data, size_t size, size_t *ret_n);
    enum stream_status (*write)(struct stream *stream, const void *data, size_t size,
                                size_t *ret_n);
    enum stream_status (*finish)(struct stream *stream);
    void (*close)(struct stream *stream);
};

struct stream {
    const struct stream_ops *ops;
    int fd;
    void *tls;       /* private to tls.c */
    bool heard;      /* the peer has sent at least one byte, even if only of a handshake */
    bool speaks_tls; /* the first bytes on a plain stream look like a TLS hello */
    bool finished;   /* stream_finish() or stream_close() has sent FIN */
    bool dry;        /* the last plain read emptied the socket; the reader clears it */
    bool truncated;  /* the EOF came without close_notify, which TLS demands */
    size_t n_unread; /* stream_unread(): how many bytes of `unread` are in use */
    unsigned char unread[STREAM_UNREAD_MAX];
    enum end end;    /* after STREAM_FAILED: END_RESET or END_TLS_ERROR */
    char error[160]; /* after STREAM_FAILED: the reason in words */
};

/*
 * Open /dev/null for each standard descriptor that is closed, so that no socket gets its number.
 * Call once, at the very start of a program.
 */
void stream_guard_standard(void);

/* Make a plain stream of a connected, non-blocking socket, which the stream then owns. */
void stream_open(struct stream *ret_stream, int fd);

/* Do what must precede data. Answers OK at once on a plain stream. */
enum stream_status stream_handshake(struct stream *stream);

/*
 * Look at up to `size` bytes that are ready in the socket, below any TLS layer, and leave them
 * there. *ret_n is set with STREAM_OK only.
 */
enum stream_status stream_peek(struct stream *stream, void *data, size_t size, size_t *ret_n);

/* Read up to `size` bytes, at least one: *ret_n is set with STREAM_OK only. */
enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *ret_n);

/*
 * Give back bytes that were read from a plain stream: all that were read, and no more than
 * STREAM_UNREAD_MAX. The next peek or read begins with them. TLS over the stream does not see them.
 */
void stream_unread(struct stream *stream, const void *data, size_t n);

/*
 * Write up to `size` bytes: *ret_n is set with STREAM_OK only. After STREAM_WANT_* the next write
 * must begin with the same bytes and be no shorter; they may be at another address.
 */
enum stream_status stream_write(struct stream *stream, const void *data, size_t size,
                                size_t *ret_n);

/*
 * Tell the peer that no more will be written: close_notify where there is TLS, then FIN. Reading
 * goes on.
 */
enum stream_status stream_finish(struct stream *stream);

/*
 * Close without losing what is still on its way out. A close(2) with unread input makes the kernel
 * send RST, which may overtake data (RFC 1122, 4.2.2.13): so after FIN, input is read and dropped
 * until EOF or `grace_usec` from now. Then the call waits for up to `linger_usec`, rounded up to
 * whole seconds, until the peer has taken what the kernel still holds.
 */
void stream_close(struct stream *stream, uint64_t grace_usec, uint64_t linger_usec);

/* The directions to wait for; they can be combined. */
#define STREAM_WAIT_READ 1u
#define STREAM_WAIT_WRITE 2u

/* The direction that a STREAM_WANT_* asks for; 0 for the other answers. */
unsigned stream_wants(enum stream_status status);

/* Bytes written that the peer's kernel has not acknowledged yet; 0 if that is not known. */
size_t stream_unsent(const struct stream *stream);

/*
 * A client's signal handler sets *stream_stop to stop it: while it is set, every wait ends at once,
 * as at its deadline. NULL, the initial value, means that there is no such handler.
 */
extern const volatile sig_atomic_t *stream_stop;

/*
 * Wait until the socket is ready for one of `wants`, has failed, or the deadline passes.
 * Returns whether the caller should try again: false once the deadline has passed.
 */
bool stream_wait(const struct stream *stream, unsigned wants, deadline_t deadline);

#endif
