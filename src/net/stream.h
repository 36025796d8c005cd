/*
 * stream.h - a byte channel that never blocks: a plain socket here, TLS in tls.h.
 *
 * The one place, with tls.c, where EAGAIN, EINTR, ECONNRESET and OpenSSL's errors are translated;
 * callers see only the answers below. The TLS layer may want to read in order to write and the
 * other way round, so a caller waits for what was asked and then repeats the call.
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
    STREAM_EOF,        /* read: the peer sends no more; what is written still reaches it */
    STREAM_WANT_READ,  /* call again when the socket is readable */
    STREAM_WANT_WRITE, /* call again when the socket is writable */
    STREAM_FAILED,     /* for good; `end` and `error` of the stream say why */
};

struct stream;

/* The most bytes that stream_unread() takes. */
#define STREAM_UNREAD_MAX 16

/* What a kind of stream does; see the functions of the same names below. */
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
    void *tls;       /* tls.c's own */
    bool heard;      /* the peer has sent at least one byte, be it of a handshake */
    bool speaks_tls; /* the first bytes on a plain stream look like a TLS hello */
    bool finished;   /* stream_finish() or stream_close() has sent FIN */
    bool dry;        /* the last plain read has taken all that lay ready; the reader clears it */
    bool truncated;  /* the EOF came without the close_notify that TLS demands */
    size_t n_unread; /* stream_unread(): so many bytes at the start of `unread` */
    unsigned char unread[STREAM_UNREAD_MAX];
    enum end end;    /* after STREAM_FAILED: END_RESET or END_TLS_ERROR */
    char error[160]; /* after STREAM_FAILED: the reason in words */
};

/*
 * Open /dev/null where a standard descriptor is closed, so that no socket takes its place. Once, at
 * the very start of a program.
 */
void stream_guard_standard(void);

/* Make a plain stream of a connected, non-blocking socket, which the stream then owns. */
void stream_open(struct stream *ret_stream, int fd);

/* Whatever must precede data. Answers OK at once on a plain stream. */
enum stream_status stream_handshake(struct stream *stream);

/*
 * Look at the bytes, up to `size`, that lie ready in the socket, below any TLS layer, and leave
 * them there: *ret_n is set with STREAM_OK only.
 */
enum stream_status stream_peek(struct stream *stream, void *data, size_t size, size_t *ret_n);

/* Read up to `size` bytes, at least one: *ret_n is set with STREAM_OK only. */
enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *ret_n);

/*
 * Give back bytes that were read of a plain stream, all that have been and no more than
 * STREAM_UNREAD_MAX: the next peek or read begins with them. TLS over the stream does not see them.
 */
void stream_unread(struct stream *stream, const void *data, size_t n);

/*
 * Write up to `size` bytes: *ret_n is set with STREAM_OK only. After STREAM_WANT_* the next write
 * must begin with the same bytes and be no shorter; they may lie elsewhere.
 */
enum stream_status stream_write(struct stream *stream, const void *data, size_t size,
                                size_t *ret_n);

/*
 * Tell the peer that no more will be written: close_notify where there is TLS, then FIN. Reading
 * goes on.
 */
enum stream_status stream_finish(struct stream *stream);

/*
 * Close without destroying what is still on its way out. A close(2) with unread input makes the
 * kernel send RST, which may overtake data (RFC 1122, 4.2.2.13): so after FIN, input is read and
 * dropped until EOF or `grace_usec` from now. Then the call waits for up to `linger_usec`, rounded
 * up to whole seconds, until the peer has taken what the kernel still holds.
 */
void stream_close(struct stream *stream, uint64_t grace_usec, uint64_t linger_usec);

/* Which direction to wait for. Two of them add up. */
#define STREAM_WAIT_READ 1u
#define STREAM_WAIT_WRITE 2u

/* The wait that a STREAM_WANT_* asks for; 0 for the other answers. */
unsigned stream_wants(enum stream_status status);

/* Bytes written that the peer's kernel has not acknowledged yet; 0 where that is not known. */
size_t stream_unsent(const struct stream *stream);

/*
 * Where a client's signal handler leaves word that it is to stop: while *stream_stop is set, every
 * wait ends at once, as at its deadline. NULL, as it is at first, means that nothing does.
 */
extern const volatile sig_atomic_t *stream_stop;

/*
 * Wait until the socket is ready for one of `wants`, has failed, or the deadline passes.
 * Returns whether it is worth trying again: false once the deadline has passed.
 */
bool stream_wait(const struct stream *stream, unsigned wants, deadline_t deadline);

#endif
