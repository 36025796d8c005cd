/* dial.c - from a URL to a stream that is ready for data. */
#include "echoc/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *dial_name(const struct target *target, char *text)
{
    const char *host = target->url.host;

    if (target->url.port == 0)
        snprintf(text, TARGET_TEXT_MAX, "%s", host);
    else
        snprintf(text, TARGET_TEXT_MAX, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host,
                 target->url.port);
    return text;
}

/* "echo.example:7443: TLS: the reason" */
static int dial_set_error(const struct target *target, const char *stage, const char *why,
                          struct err *ret_err)
{
    char name[TARGET_TEXT_MAX];

    return err_set(ret_err, "%s: %s: %s", dial_name(target, name), stage, why);
}

int dial_resolve(struct target *target, struct err *ret_err)
{
    struct err err;

    if (resolve_host(target->url.host, target->url.port, &target->addresses, &err) == 0)
        return 0;
    return dial_set_error(target, "resolve", err.text, ret_err);
}

/* Returns 0 for a connection that is made or on its way, or an errno. */
static int dial_connect_to(struct dialed *dialed, const struct addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails for AF_UNIX, as it may */
    if (connect(fd, &addr->sa, addr->len) < 0 && errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        return error;
    }
    stream_open(&dialed->stream, fd);
    dialed->peer = *addr;
    return 0;
}

/* Connect to the next address that does not refuse at once. */
static enum stream_status dial_try_next(struct dialed *dialed, int error, struct err *ret_err)
{
    const struct addresses *addresses = &dialed->target->addresses;

    while (dialed->next < addresses->n) {
        error = dial_connect_to(dialed, &addresses->addr[dialed->next++]);
        if (error == 0)
            return STREAM_WANT_WRITE;
    }
    dial_set_error(dialed->target, "connect", strerror(error), ret_err);
    return STREAM_FAILED;
}

static enum stream_status dial_step_connect(struct dialed *dialed, struct err *ret_err)
{
    struct stream *stream = &dialed->stream;
    socklen_t length = sizeof(int);
    struct addr peer;
    int error = 0;

    if (dialed->next == 0)
        return dial_try_next(dialed, EADDRNOTAVAIL, ret_err);
    if (addr_peer(stream->fd, &peer) < 0) { /* under way, or failed: connect(2), EINPROGRESS */
        getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error == 0)
            return STREAM_WANT_WRITE;
        close(stream->fd);
        return dial_try_next(dialed, error, ret_err);
    }
    dialed->connected = true;
    dialed->connect_nsec = now_nsec() - dialed->start_nsec;
    dialed->start_nsec = now_nsec();
    return STREAM_OK;
}

static const char *target_server_name(const struct target *target)
{
    if (target->servername)
        return target->servername;
    return target->url.port == 0 ? "localhost" : target->url.host; /* not a path */
}

static enum stream_status dial_step_handshake(struct dialed *dialed, struct err *ret_err)
{
    const struct target *target = dialed->target;
    struct stream *stream = &dialed->stream;
    enum stream_status status = STREAM_FAILED;

    if (stream->tls ||
        tls_connect(stream, target->tls, target_server_name(target), dialed->resume) == 0)
        status = stream_handshake(stream);
    if (status == STREAM_FAILED) {
        dial_set_error(target, "TLS", stream->error, ret_err);
        stream_close(stream, 0, 0);
    } else if (status == STREAM_OK) {
        dialed->handshake_nsec = now_nsec() - dialed->start_nsec;
        tls_describe(stream, &dialed->tls);
    }
    return status;
}

void dial_begin(struct dialed *dialed, const struct target *target,
                const struct tls_session *resume)
{
    *dialed = (struct dialed){.target = target, .resume = resume, .start_nsec = now_nsec()};
}

enum stream_status dial_step(struct dialed *dialed, struct err *ret_err)
{
    enum stream_status status = STREAM_OK;

    if (!dialed->connected)
        status = dial_step_connect(dialed, ret_err);
    if (status != STREAM_OK || !dialed->target->tls)
        return status;
    return dial_step_handshake(dialed, ret_err);
}

void dial_abandon(struct dialed *dialed, struct err *ret_err)
{
    dialed->timed_out = true;
    dial_set_error(dialed->target, dialed->connected ? "TLS" : "connect", strerror(ETIMEDOUT),
                   ret_err);
    stream_close(&dialed->stream, 0, 0);
}

int dial(const struct target *target, const struct tls_session *resume, struct dialed *ret_dialed,
         struct err *ret_err)
{
    deadline_t deadline = deadline_in(target->timeout_usec);
    enum stream_status status;

    dial_begin(ret_dialed, target, resume);
    while ((status = dial_step(ret_dialed, ret_err)) != STREAM_OK) {
        if (status == STREAM_FAILED)
            return -1;
        if (!stream_wait(&ret_dialed->stream, stream_wants(status), deadline)) {
            dial_abandon(ret_dialed, ret_err);
            return -1;
        }
    }
    return 0;
}
