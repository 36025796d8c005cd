/* preface.c - what a proxy says of its client before the client's first byte. */
#include "preface.h"

#include "proxy.h"
#include "sniff.h"
#include "stream.h"

#include <stdio.h>

/* A header under way. */
struct preface {
    struct stream *stream;
    bool required;
    size_t wanted; /* bytes up to which it is surely header, if it is one */
    size_t n;      /* those of them that were read */
    size_t seen;   /* those that were read or looked at */
    struct proxy_header header;
    const char *reason; /* of PROXY_BAD */
    unsigned char data[PROXY_HEADER_MAX];
};

#define SAY(preface, ...)                                                                          \
    snprintf((preface)->stream->error, sizeof((preface)->stream->error), __VA_ARGS__)

/* Whether these bytes begin nothing but a header; some that may begin one may begin other things.
 */
static bool has_begun(const struct preface *preface)
{
    return sniff(preface->data, preface->n) == SNIFF_PROXY;
}

/* ---- how it ends ---- */

/* What was read of it is there again. */
static enum end none(const struct preface *preface)
{
    if (preface->n > 0)
        stream_unread(preface->stream, preface->data, preface->n);
    return END_CLOSED;
}

static enum end absent(const struct preface *preface)
{
    if (!preface->required)
        return none(preface);
    SAY(preface, "it sent %s where the PROXY protocol is required",
        sniff_name(sniff(preface->data, preface->seen)));
    return END_PROXY_ERROR;
}

static enum end bad(const struct preface *preface)
{
    SAY(preface, "a broken PROXY header: %s", preface->reason);
    return END_PROXY_ERROR;
}

/* Health checks of proxies end so; and where nothing has come, nothing is missing. */
static enum end ended(const struct preface *preface)
{
    if (preface->n == 0 || (!preface->required && !has_begun(preface)))
        return none(preface);
    SAY(preface, "the stream ended inside the PROXY header");
    return END_PROXY_ERROR;
}

static enum end late(const struct preface *preface)
{
    if (!preface->required && !has_begun(preface))
        return none(preface);
    SAY(preface, "the PROXY header was not there in time");
    return END_HANDSHAKE_TIMEOUT;
}

/* The proxy's word is not the client's, who may leave without one. */
static enum end complete(const struct preface *preface, struct addr *ret_client)
{
    preface->stream->heard = false;
    if (!preface->header.local)
        *ret_client = preface->header.source;
    return END_CLOSED;
}

/* ---- how it comes ---- */

/*
 * Look at what is there of the bytes that are wanted, and take them once they are known for a
 * header so far: left where they are they would keep the socket readable, and us awake.
 */
static enum stream_status take(struct preface *preface, enum proxy_verdict *ret_verdict)
{
    unsigned char *rest = preface->data + preface->n;
    size_t n;
    enum stream_status status =
        stream_peek(preface->stream, rest, preface->wanted - preface->n, &n);

    if (status != STREAM_OK)
        return status;
    preface->seen = preface->n + n;
    *ret_verdict = proxy_parse(preface->data, preface->seen, &preface->header, &preface->wanted,
                               &preface->reason);
    if (*ret_verdict == PROXY_COMPLETE || *ret_verdict == PROXY_MORE)
        status = stream_read(preface->stream, rest, n, &n);
    if (status == STREAM_OK && *ret_verdict != PROXY_NONE)
        preface->n += n;
    return status;
}

/* Returns the verdict on the header: PROXY_MORE only with a status that ends it before its time. */
static enum proxy_verdict take_all(struct preface *preface, deadline_t deadline,
                                   enum stream_status *ret_status)
{
    enum proxy_verdict verdict = PROXY_MORE;

    for (;;) {
        enum stream_status status = take(preface, &verdict);

        if (status == STREAM_OK && verdict != PROXY_MORE)
            return verdict;
        if (status == STREAM_OK || (status == STREAM_WANT_READ &&
                                    stream_wait(preface->stream, STREAM_WAIT_READ, deadline)))
            continue;
        *ret_status = status;
        return PROXY_MORE;
    }
}

static enum end read_header(struct preface *preface, deadline_t deadline, struct addr *ret_client)
{
    enum stream_status status = STREAM_OK;

    proxy_parse(preface->data, 0, &preface->header, &preface->wanted, &preface->reason);
    switch (take_all(preface, deadline, &status)) {
    case PROXY_COMPLETE:
        return complete(preface, ret_client);
    case PROXY_NONE:
        return absent(preface);
    case PROXY_BAD:
        return bad(preface);
    default:
        break;
    }
    if (status == STREAM_FAILED)
        return preface->stream->end;
    return status == STREAM_EOF ? ended(preface) : late(preface);
}

/* Who reaches a socket in the file system was let to it by the permissions of its path. */
static bool is_trusted(const struct preface_params *params, const struct addr *peer)
{
    return peer->sa.sa_family == AF_UNIX || networks_contain(&params->trusted, peer);
}

/* Without a zone (RFC 4007, 11), whose name is a system call away: this process is sealed. */
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

enum end preface_read(struct stream *stream, const struct preface_params *params,
                      const struct addr *peer, deadline_t deadline, struct addr *ret_client)
{
    struct preface preface = {.stream = stream, .required = params->mode == PREFACE_REQUIRED};

    if (params->mode == PREFACE_OFF)
        return END_CLOSED;
    if (is_trusted(params, peer))
        return read_header(&preface, deadline, ret_client);
    return preface.required ? distrust(stream, peer) : END_CLOSED;
}
