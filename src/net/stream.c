/* stream.c - a byte stream that never blocks: the plain socket, and what all kinds share. */
#include "net/stream.h"

#include "net/sniff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACK_LOOK_USEC (20 * USEC_PER_MSEC)

const volatile sig_atomic_t *stream_stop;

static enum stream_status failed(struct stream *stream)
{
    stream->end = END_RESET;
    snprintf(stream->error, sizeof(stream->error), "%s", strerror(errno));
    return STREAM_FAILED;
}

static enum stream_status receive(struct stream *stream, void *data, size_t size, int flags,
                                  size_t *ret_n)
{
    ssize_t n;

    do
        n = recv(stream->fd, data, size, flags | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? STREAM_WANT_READ : failed(stream);
    if (n == 0)
        return STREAM_EOF;
    *ret_n = (size_t)n;
    return STREAM_OK;
}

void stream_unread(struct stream *stream, const void *data, size_t n)
{
    memcpy(stream->unread, data, n);
    stream->n_unread = n;
}

/* Returns how many bytes there are. */
static size_t copy_unread(const struct stream *stream, void *data, size_t size)
{
    size_t n = stream->n_unread < size ? stream->n_unread : size;

    memcpy(data, stream->unread, n);
    return n;
}

static enum stream_status read_again(struct stream *stream, void *data, size_t size, size_t *ret_n)
{
    size_t n = copy_unread(stream, data, size);

    stream->n_unread -= n;
    memmove(stream->unread, stream->unread + n, stream->n_unread);
    *ret_n = n;
    return STREAM_OK;
}

static enum stream_status plain_read(struct stream *stream, void *data, size_t size, size_t *ret_n)
{
    enum stream_status status;

    if (stream->n_unread > 0)
        return read_again(stream, data, size, ret_n);
    status = receive(stream, data, size, 0, ret_n);
    stream->dry = status == STREAM_OK && *ret_n < size;
    if (status == STREAM_OK && !stream->heard) {
        stream->heard = true;
        stream->speaks_tls = sniff_is_tls(data, *ret_n);
    }
    return status;
}

static enum stream_status plain_write(struct stream *stream, const void *data, size_t size,
                                      size_t *ret_n)
{
    ssize_t n;

    do
        n = send(stream->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? STREAM_WANT_WRITE : failed(stream);
    *ret_n = (size_t)n;
    return STREAM_OK;
}

static enum stream_status plain_nothing(struct stream *stream)
{
    (void)stream;
    return STREAM_OK;
}

static void plain_close(struct stream *stream)
{
    (void)stream;
}

void stream_guard_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void stream_open(struct stream *ret_stream, int fd)
{
    static const struct stream_ops plain = {plain_nothing, plain_read, plain_write, plain_nothing,
                                            plain_close};

    *ret_stream = (struct stream){.ops = &plain, .fd = fd, .end = END_RESET};
}

enum stream_status stream_handshake(struct stream *stream)
{
    return stream->ops->handshake(stream);
}

/* Bytes that were given back come first, so they are returned whatever follows them. */
enum stream_status stream_peek(struct stream *stream, void *data, size_t size, size_t *ret_n)
{
    size_t again = copy_unread(stream, data, size), n = 0;
    enum stream_status status = STREAM_OK;

    if (again < size)
        status = receive(stream, (char *)data + again, size - again, MSG_PEEK, &n);
    if (again == 0 && status != STREAM_OK)
        return status;
    *ret_n = again + n;
    return STREAM_OK;
}

enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *ret_n)
{
    return stream->ops->read(stream, data, size, ret_n);
}

enum stream_status stream_write(struct stream *stream, const void *data, size_t size, size_t *ret_n)
{
    return stream->ops->write(stream, data, size, ret_n);
}

static bool is_stopped(void)
{
    return stream_stop && *stream_stop;
}

static void send_fin(struct stream *stream)
{
    if (stream->finished)
        return;
    shutdown(stream->fd, SHUT_WR);
    stream->finished = true;
}

enum stream_status stream_finish(struct stream *stream)
{
    enum stream_status status = stream->ops->finish(stream);

    if (status == STREAM_OK)
        send_fin(stream);
    return status;
}

/*
 * Read and drop input, past any TLS layer, until EOF, failure or a deadline: `grace_usec` if the
 * peer has taken everything, `linger_usec` while it has still to take what we sent. The outcome is
 * known by now, so `end` and `error` stay as they are.
 */
static void discard_input(const struct stream *stream, uint64_t grace_usec, uint64_t linger_usec)
{
    deadline_t grace = now_usec() + grace_usec, longest = now_usec() + linger_usec;

    for (;;) {
        static _Thread_local char dropped[16384]; /* touched only if there is input */
        ssize_t n = recv(stream->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
        bool owed = stream_unsent(stream) > 0 && longest > grace;

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
        if (deadline_passed(owed ? longest : grace))
            return;
        if (n < 0) /* no event tells that the peer has taken the last byte */
            stream_wait(stream, STREAM_WAIT_READ, owed ? now_usec() + ACK_LOOK_USEC : grace);
    }
}

/*
 * Let close(2) wait, within limits, until the peer has taken what the kernel still holds. Once no
 * process owns the socket, the kernel sends a slow reader only a few probes before it discards the
 * data.
 */
static void linger(const struct stream *stream, uint64_t usec)
{
    const struct linger linger = {.l_onoff = 1,
                                  .l_linger = (int)((usec + USEC_PER_SEC - 1) / USEC_PER_SEC)};

    if (linger.l_linger > 0 && stream_unsent(stream) > 0)
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void stream_close(struct stream *stream, uint64_t grace_usec, uint64_t linger_usec)
{
    deadline_t end = now_usec() + linger_usec;

    send_fin(stream);
    discard_input(stream, grace_usec, linger_usec);
    stream->ops->close(stream);
    linger(stream, deadline_left_usec(end));
    close(stream->fd);
    stream->fd = -1;
}

unsigned stream_wants(enum stream_status status)
{
    if (status == STREAM_WANT_READ)
        return STREAM_WAIT_READ;
    return status == STREAM_WANT_WRITE ? STREAM_WAIT_WRITE : 0;
}

size_t stream_unsent(const struct stream *stream)
{
    int unsent = 0;

    return ioctl(stream->fd, SIOCOUTQ, &unsent) == 0 && unsent > 0 ? (size_t)unsent : 0;
}

bool stream_wait(const struct stream *stream, unsigned wants, deadline_t deadline)
{
    struct pollfd ready = {.fd = stream->fd,
                           .events = (short)((wants & STREAM_WAIT_READ ? POLLIN : 0) |
                                             (wants & STREAM_WAIT_WRITE ? POLLOUT : 0))};

    while (poll(&ready, 1, deadline_poll_msec(deadline)) <= 0)
        if (deadline_passed(deadline) || is_stopped())
            return false;
    return true;
}
