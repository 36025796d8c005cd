/* session.c - serves one client from start to end. */
#include "child/session.h"

#include "child/echo.h"
#include "child/report.h"
#include "net/sniff.h"
#include "net/stream.h"
#include "sandbox/sandbox.h"
#include "tls/signer.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The time for the peer to end its side after we have ended ours: all is over within a second. */
#define CLOSE_GRACE_USEC (900 * USEC_PER_MSEC)
/* The timeout for a peer that is slow to read the last bytes, if there is no idle_timeout. */
#define CLOSE_LINGER_USEC (300 * USEC_PER_SEC)

/* With few slots free: a fifth of handshake_timeout, but not less than a second of it. */
#define HURRY_DIVISOR 5
#define HURRY_LEAST_USEC (1 * USEC_PER_SEC)

/*
 * Look at the first bytes before the TLS library does, which only reports a general error if they
 * are not TLS. Returns END_CLOSED if they may be TLS; the library handles an EOF or a failure.
 */
static enum end check_protocol(struct stream *stream, deadline_t deadline)
{
    unsigned char first[32];
    enum stream_status status;
    size_t n;

    while ((status = stream_peek(stream, first, sizeof(first), &n)) == STREAM_WANT_READ)
        if (!stream_wait(stream, STREAM_WAIT_READ, deadline))
            return END_HANDSHAKE_TIMEOUT;
    if (status != STREAM_OK || sniff_may_be_tls(first, n))
        return END_CLOSED;
    stream->heard = true;
    snprintf(stream->error, sizeof(stream->error), "it sent %s where TLS is spoken",
             sniff_name(sniff(first, n)));
    return END_WRONG_PROTOCOL;
}

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

/* ---- what comes before the echo ---- */

static deadline_t sooner(uint64_t usec, deadline_t session)
{
    deadline_t deadline = deadline_in(usec);

    return deadline < session ? deadline : session;
}

/* The state of a session. */
struct session {
    const struct session_params *params;
    const struct addr *peer;
    struct record *record;
    deadline_t deadline; /* the end of the whole session */
    struct stream stream;
    struct proxy_header header;
};

/* The allow and deny lists apply to an address named by a proxy just as to a direct client's. */
static enum end check_named(struct session *session)
{
    const struct addr *client = &session->record->client;
    enum access_rule rule =
        client->len > 0 ? access_check_lists(session->params->rules, client) : ACCESS_OK;

    if (rule == ACCESS_OK)
        return END_CLOSED;
    session->record->rule = (int)rule;
    snprintf(session->stream.error, sizeof(session->stream.error),
             "%s refuses the client that the proxy names", access_rule_name(rule));
    return END_REFUSED;
}

static enum end begin_preface(struct session *session, deadline_t deadline)
{
    enum end end = proxy_read(&session->stream, &session->params->preface, session->peer, deadline,
                              &session->header);

    session->record->client = session->header.source;
    return end == END_CLOSED ? check_named(session) : end;
}

static enum end begin_tls(struct session *session, deadline_t deadline)
{
    struct stream *stream = &session->stream;
    enum end end = check_protocol(stream, deadline);
    uint64_t begin_usec = now_usec();

    if (end == END_CLOSED && tls_accept(stream, session->params->tls) < 0)
        end = END_TLS_ERROR;
    if (end == END_CLOSED)
        end = handshake(stream, deadline);
    if (end != END_CLOSED)
        return end;
    session->record->handshake_usec = now_usec() - begin_usec;
    tls_describe(stream, &session->record->tls);
    return END_CLOSED;
}

/*
 * Do all that comes before data, within one deadline. Without handshake_timeout, idle_timeout
 * limits the wait for a PROXY header: where the header is optional, a client without one is silent
 * until its first byte.
 */
static enum end begin_session(struct session *session)
{
    const struct session_params *params = session->params;
    deadline_t deadline = sooner(params->limits.handshake_usec, session->deadline);
    deadline_t silence = params->limits.handshake_usec
                             ? deadline
                             : sooner(params->limits.idle_usec, session->deadline);
    enum end end = begin_preface(session, silence);

    if (end == END_HANDSHAKE_TIMEOUT && !params->limits.handshake_usec)
        end = END_IDLE;
    if (end == END_CLOSED && params->tls)
        end = begin_tls(session, deadline);
    signer_hang_up(); /* nothing is signed after this */
    if ((end == END_HANDSHAKE_TIMEOUT || end == END_IDLE) && deadline_passed(session->deadline))
        end = END_SESSION_TIMEOUT;
    return end;
}

/* Returns END_CLOSED when all of it is written, else how the client ended. */
static enum end send_all(struct session *session, const char *data, size_t length)
{
    struct stream *stream = &session->stream;
    deadline_t deadline = sooner(session->params->limits.idle_usec, session->deadline);
    size_t sent = 0, n;

    while (sent < length) {
        enum stream_status status = stream_write(stream, data + sent, length - sent, &n);

        if (status == STREAM_OK)
            sent += n;
        else if (status == STREAM_FAILED)
            return stream->end;
        else if (!stream_wait(stream, stream_wants(status), deadline))
            return deadline_passed(session->deadline) ? END_SESSION_TIMEOUT : END_IDLE;
    }
    return END_CLOSED;
}

/* The report is not part of the echo, so its bytes do not count. */
static enum end send_report(struct session *session)
{
    const struct report report = {session->params->name, session->peer, &session->header,
                                  &session->stream, &session->record->tls};
    size_t length;
    char *line = report_new(&report, &length);
    enum end end;

    if (!line) {
        snprintf(session->stream.error, sizeof(session->stream.error), "no memory for its report");
        return END_RESET;
    }
    end = send_all(session, line, length);
    free(line);
    if (end != END_RESET || session->params->tls)
        return end;
    session->stream.error[0] = '\0'; /* the bytes that it sent before it left must still be read */
    return END_CLOSED;
}

static enum end converse(struct session *session)
{
    const struct session_params *params = session->params;
    const struct echo_limits limits = {.idle_usec = params->limits.idle_usec,
                                       .deadline = session->deadline,
                                       .max_bytes = (uint64_t)params->limits.max_bytes,
                                       .frame = params->frame};
    enum end end = begin_session(session);

    if (end == END_CLOSED && params->limits.report)
        end = send_report(session);
    return end == END_CLOSED ? echo_run(&session->stream, &limits, session->record) : end;
}

/* ---- and after it ---- */

/* The time that a slow peer may take to read the rest. */
static uint64_t patience(const struct session_params *params, deadline_t session)
{
    uint64_t usec = params->limits.idle_usec ? params->limits.idle_usec : CLOSE_LINGER_USEC;
    uint64_t left = deadline_left_usec(session);

    return left < usec ? left : usec;
}

/* Send close_notify and FIN; a full socket buffer delays the former until the peer reads. */
static void finish(struct stream *stream, deadline_t deadline)
{
    enum stream_status status;

    do
        status = stream_finish(stream);
    while (stream_wants(status) != 0 && stream_wait(stream, stream_wants(status), deadline));
}

/* All that was read has been written, so wait until the kernel has delivered it. */
static bool in_order(enum end end)
{
    return end == END_CLOSED || end == END_TRUNCATED || end == END_MAX_BYTES ||
           end == END_MESSAGE_TOO_LONG;
}

/* A limit ended the session, but nothing is left to send back: close_notify may still be sent. */
static bool is_settled(enum end end, const struct record *record)
{
    return (end == END_IDLE || end == END_SESSION_TIMEOUT) && record->bytes_in == record->bytes_out;
}

/* End the stream, all within one deadline. */
static void end_stream(struct stream *stream, enum end end, uint64_t timeout_usec,
                       const struct record *record)
{
    deadline_t deadline = now_usec() + (in_order(end) ? timeout_usec : 0);

    if (in_order(end))
        finish(stream, deadline);
    else if (is_settled(end, record))
        stream_finish(stream);
    stream_close(stream, CLOSE_GRACE_USEC, deadline_left_usec(deadline));
}

static bool peer_left(enum end end)
{
    return end == END_CLOSED || end == END_TRUNCATED || end == END_RESET || end == END_TLS_ERROR;
}

void session_run(int fd, const struct addr *peer, const struct session_params *params,
                 struct record *record)
{
    struct session session;
    struct stream *stream = &session.stream;
    enum end end;

    session.params = params;
    session.peer = peer;
    session.record = record;
    session.deadline = deadline_in(params->limits.session_usec);
    stream_open(stream, fd);
    end = converse(&session);
    end_stream(stream, end, patience(params, session.deadline), record);
    record->end = peer_left(end) && !stream->heard ? END_PROBE : end;
    if (stream->speaks_tls) /* a reset, by a peer that got its ClientHello back, would say less */
        snprintf(stream->error, sizeof(stream->error), "it sent TLS where none is spoken");
    if (stream->error[0] != '\0')
        snprintf(record->error, sizeof(record->error), "%s", stream->error);
}

/* ---- in a process of its own ---- */

static uint64_t hurried(uint64_t usec)
{
    uint64_t part = usec / HURRY_DIVISOR;

    if (usec <= HURRY_LEAST_USEC) /* at the minimum already, or 0 = no limit */
        return usec;
    return part > HURRY_LEAST_USEC ? part : HURRY_LEAST_USEC;
}

/* The descriptors that the process keeps; sandbox_enter() renumbers them to their index here. */
struct kept {
    int n, fds[SANDBOX_KEPT_MAX];
};

/* Returns the number that `fd` will have, or -1 if there is no `fd`. */
static int keep(struct kept *kept, int fd)
{
    if (fd < 0)
        return -1;
    kept->fds[kept->n] = fd;
    return kept->n++;
}

/* The process is sandboxed before it reads anything from the untrusted peer. */
void session_serve(const struct client *client, int fd, const void *arg, struct record *record)
{
    struct session_params params = *(const struct session_params *)arg;
    struct kept kept = {.n = 0};
    int signer = -1, keylog;

    if (client->hurried)
        params.limits.handshake_usec = hurried(params.limits.handshake_usec);
    fd = keep(&kept, fd);
    if (params.signer)
        signer = keep(&kept, signer_connect(params.signer, params.limits.handshake_usec));
    keylog = keep(&kept, params.keylog > 0 ? params.keylog : -1);
    if (sandbox_enter(SANDBOX_CLIENT, kept.fds, (size_t)kept.n) < 0) {
        snprintf(record->error, sizeof(record->error), "cannot sandbox its process: %s",
                 strerror(errno));
        return;
    }
    if (signer >= 0)
        signer_use(signer);
    if (keylog >= 0)
        tls_server_log_keys(params.tls, keylog);
    session_run(fd, &client->peer, &params, record);
}
