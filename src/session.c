/* session.c - one client from start to end. */
#include "session.h"

#include "echo.h"
#include "stream.h"
#include "tls.h"

#include <stdio.h>

/* How long the peer gets to end its side after we have ended ours. */
#define CLOSE_GRACE_USEC (1 * USEC_PER_SEC)
/* The patience with a peer that is slow to read the last bytes, with no idle_timeout to say. */
#define CLOSE_LINGER_USEC (300 * USEC_PER_SEC)

/* Returns END_CLOSED when the stream is ready for data, else how the client ended. */
static enum end handshake(struct stream *stream, deadline_t deadline)
{
    for (;;) {
        enum stream_status status = stream_handshake(stream);

        if (status == STREAM_OK)
            return END_CLOSED;
        if (status == STREAM_FAILED)
            return stream->end;
        if (!stream_wait(stream, stream_wants(status), deadline))
            return END_HANDSHAKE_TIMEOUT;
    }
}

/* How long a peer that is slow to read may take with what is left for it. */
static uint64_t patience(const struct session_params *params, deadline_t session)
{
    uint64_t usec = params->idle_usec ? params->idle_usec : CLOSE_LINGER_USEC;
    uint64_t left = deadline_left_usec(session);

    return left < usec ? left : usec;
}

/* close_notify and FIN; a full pipe delays the former until the peer reads. */
static void finish(struct stream *stream, uint64_t patience_usec)
{
    deadline_t deadline = now_usec() + patience_usec;
    enum stream_status status;

    do
        status = stream_finish(stream);
    while (stream_wants(status) != 0 && stream_wait(stream, stream_wants(status), deadline));
}

/* Everything that was read has been written: what the kernel still holds is worth waiting for. */
static bool in_order(enum end end)
{
    return end == END_CLOSED || end == END_TRUNCATED || end == END_MAX_BYTES ||
           end == END_MESSAGE_TOO_LONG;
}

/* Cut by a limit, and yet nothing is owed: the peer may be told that this is the end. */
static bool is_settled(enum end end, const struct record *record)
{
    return (end == END_IDLE || end == END_SESSION_TIMEOUT) && record->bytes_in == record->bytes_out;
}

static enum end converse(struct stream *stream, const struct session_params *params,
                         deadline_t session, struct record *record)
{
    deadline_t handshake_end = deadline_in(params->handshake_usec);
    const struct echo_limits limits = {.idle_usec = params->idle_usec,
                                       .deadline = session,
                                       .max_bytes = params->max_bytes,
                                       .frame = params->frame};
    enum end end;

    if (params->tls && tls_accept(stream, params->tls) < 0)
        return END_TLS_ERROR;
    end = handshake(stream, handshake_end < session ? handshake_end : session);
    if (end == END_HANDSHAKE_TIMEOUT && deadline_passed(session))
        return END_SESSION_TIMEOUT;
    if (end != END_CLOSED)
        return end;
    tls_describe(stream, &record->tls);
    end = echo_run(stream, &limits, record);
    if (in_order(end))
        finish(stream, patience(params, session));
    else if (is_settled(end, record))
        stream_finish(stream);
    return end;
}

static bool peer_left(enum end end)
{
    return end == END_CLOSED || end == END_TRUNCATED || end == END_RESET || end == END_TLS_ERROR;
}

void session_run(int fd, const struct session_params *params, struct record *record)
{
    deadline_t session = deadline_in(params->session_usec);
    struct stream stream;
    enum end end;

    stream_open(&stream, fd);
    end = converse(&stream, params, session, record);
    stream_close(&stream, CLOSE_GRACE_USEC, in_order(end) ? patience(params, session) : 0);
    record->end = peer_left(end) && !stream.heard ? END_PROBE : end;
    snprintf(record->error, sizeof(record->error), "%s", stream.error);
}
