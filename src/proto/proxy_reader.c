/* proxy_reader.c - reads the PROXY header before the client's first byte. */
#include "proto/proxy_reader.h"

#include "net/sniff.h"
#include "net/stream.h"

#include <stdio.h>

/* The header under way; not touched if the peer may not send one. */
static unsigned char bytes[PROXY_HEADER_MAX];

/* The state of reading a header. */
struct reading {
    struct stream *stream;
    bool required;
    size_t wanted;      /* so many bytes surely belong to the header, if it is one */
    size_t n;           /* bytes of it that were read */
    size_t seen;        /* bytes of it that were read or peeked at */
    const char *reason; /* of PROXY_BAD */
    struct proxy_header *header;
};

#define SAY(reading, ...)                                                                          \
    snprintf((reading)->stream->error, sizeof((reading)->stream->error), __VA_ARGS__)

/* Whether these bytes can begin a PROXY header only, and no other data. */
static bool has_begun(const struct reading *reading)
{
    return sniff(bytes, reading->n) == SNIFF_PROXY;
}

/* ---- outcomes ---- */

/* There is no header: give back what was read. */
static enum end none(const struct reading *reading)
{
    if (reading->n > 0)
        stream_unread(reading->stream, bytes, reading->n);
    return END_CLOSED;
}

static enum end absent(const struct reading *reading)
{
    if (!reading->required)
        return none(reading);
    SAY(reading, "it sent %s where the PROXY protocol is required",
        sniff_name(sniff(bytes, reading->seen)));
    return END_PROXY_ERROR;
}

static enum end bad(const struct reading *reading)
{
    SAY(reading, "a broken PROXY header: %s", reading->reason);
    return END_PROXY_ERROR;
}

/* Health checks of proxies end so; and before the first byte, no header is missing. */
static enum end ended(const struct reading *reading)
{
    if (reading->n == 0 || (!reading->required && !has_begun(reading)))
        return none(reading);
    SAY(reading, "the stream ended inside the PROXY header");
    return END_PROXY_ERROR;
}

static enum end late(const struct reading *reading)
{
    if (!reading->required && !has_begun(reading))
        return none(reading);
    SAY(reading, "the PROXY header was not there in time");
    return END_HANDSHAKE_TIMEOUT;
}

/* The header is not the client's: the client has sent no byte yet, and may end as a probe. */
static enum end complete(const struct reading *reading)
{
    reading->stream->heard = false;
    return END_CLOSED;
}

/* ---- reading ---- */

/*
 * Peek at the wanted bytes, and read them once they are known to belong to a header: bytes left in
 * the socket would keep it readable, and this loop would spin.
 */
static enum stream_status take_header(struct reading *reading, enum proxy_verdict *ret_verdict)
{
    unsigned char *rest = bytes + reading->n;
    size_t n;
    enum stream_status status =
        stream_peek(reading->stream, rest, reading->wanted - reading->n, &n);

    if (status != STREAM_OK)
        return status;
    reading->seen = reading->n + n;
    *ret_verdict =
        proxy_parse(bytes, reading->seen, reading->header, &reading->wanted, &reading->reason);
    if (*ret_verdict == PROXY_COMPLETE || *ret_verdict == PROXY_MORE)
        status = stream_read(reading->stream, rest, n, &n);
    if (status == STREAM_OK && *ret_verdict != PROXY_NONE)
        reading->n += n;
    return status;
}

/* Returns the verdict on the header. With PROXY_MORE, *ret_status says why reading stopped. */
static enum proxy_verdict take_all(struct reading *reading, deadline_t deadline,
                                   enum stream_status *ret_status)
{
    enum proxy_verdict verdict = PROXY_MORE;

    for (;;) {
        enum stream_status status = take_header(reading, &verdict);

        if (status == STREAM_OK && verdict != PROXY_MORE)
            return verdict;
        if (status == STREAM_OK || (status == STREAM_WANT_READ &&
                                    stream_wait(reading->stream, STREAM_WAIT_READ, deadline)))
            continue;
        *ret_status = status;
        return PROXY_MORE;
    }
}

static enum end read_header(struct reading *reading, deadline_t deadline)
{
    enum stream_status status = STREAM_OK;

    proxy_parse(bytes, 0, reading->header, &reading->wanted, &reading->reason);
    switch (take_all(reading, deadline, &status)) {
    case PROXY_COMPLETE:
        return complete(reading);
    case PROXY_NONE:
        return absent(reading);
    case PROXY_BAD:
        return bad(reading);
    default:
        break;
    }
    if (status == STREAM_FAILED)
        return reading->stream->end;
    return status == STREAM_EOF ? ended(reading) : late(reading);
}

/* A peer of a socket in the file system is trusted: the permissions of the path have let it in. */
static bool is_trusted(const struct proxy_params *params, const struct addr *peer)
{
    return peer->sa.sa_family == AF_UNIX || cidrs_contain(&params->trusted, peer);
}

/* Leaves out the zone (RFC 4007, 11): the sandbox forbids the system call that finds its name. */
static enum end distrust(struct stream *stream, const struct addr *peer)
{
    struct addr unzoned = *peer;
    char host[ADDR_TEXT_MAX];

    if (unzoned.sa.sa_family == AF_INET6)
        unzoned.in6.sin6_scope_id = 0;
    snprintf(stream->error, sizeof(stream->error), "%s is not in proxy_trusted",
             addr_host(&unzoned, host));
    return END_PROXY_ERROR;
}

enum end proxy_read(struct stream *stream, const struct proxy_params *params,
                    const struct addr *peer, deadline_t deadline, struct proxy_header *ret_header)
{
    struct reading reading = {
        .stream = stream, .required = params->mode == PROXY_REQUIRED, .header = ret_header};

    *ret_header = (struct proxy_header){.version = 0};
    if (params->mode == PROXY_OFF)
        return END_CLOSED;
    if (is_trusted(params, peer))
        return read_header(&reading, deadline);
    return reading.required ? distrust(stream, peer) : END_CLOSED;
}
