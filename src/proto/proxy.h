/*
 * proxy.h - the header of the PROXY protocol, versions 1 and 2: where a client that comes through
 * a proxy comes from. Pure: bytes in, verdict out.
 *
 * The protocol is haproxy's doc/proxy-protocol.txt; sections below are sections of that.
 */
#ifndef ECHOD_PROTO_PROXY_H
#define ECHOD_PROTO_PROXY_H

#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest header taken: version 1 has 107 bytes at most, version 2 could have 65551. */
#define PROXY_HEADER_MAX (16 + 4096)

/* Bytes of the header, where the caller has them: not a text. `data` is NULL where there are none.
 */
struct proxy_slice {
    const uint8_t *data;
    size_t length;
};

/* What the client spoke to the proxy (2.2.6); all zero where the proxy did not say. */
struct proxy_ssl {
    struct proxy_slice all; /* the TLV as it came */
    uint8_t client;         /* PROXY_SSL_* */
    uint32_t verify;        /* 0 = the client's certificate holds */
    struct proxy_slice version;
    struct proxy_slice cn;
    struct proxy_slice cipher;
    struct proxy_slice sig_alg;
    struct proxy_slice key_alg;
};

#define PROXY_SSL_USED 0x01u         /* the client spoke TLS */
#define PROXY_SSL_CERT_CONN 0x02u    /* it showed a certificate over this connection */
#define PROXY_SSL_CERT_SESSION 0x04u /* ... or in the session that this one resumes */

struct proxy_header {
    int version;             /* 1 or 2 */
    bool local;              /* it tells nothing: the addresses are the socket's own */
    struct addr source;      /* the client; zero where `local` is set, as all the rest */
    struct addr destination; /* where it went */

    /* Version 2; of several of a kind the last. */
    struct proxy_slice alpn;
    struct proxy_slice authority; /* the host name it asked for, as in SNI */
    struct proxy_slice checksum;  /* verified */
    struct proxy_slice unique_id; /* up to 128 bytes */
    struct proxy_slice netns;
    struct proxy_ssl ssl;
};

enum proxy_verdict {
    PROXY_COMPLETE, /* the header is *ret_length bytes long; data may follow it */
    PROXY_MORE,     /* so far it is one, and *ret_length bytes are needed to go on */
    PROXY_NONE,     /* it is none from its first bytes on */
    PROXY_BAD,      /* it began as one and is broken: *ret_reason, a static text, says how */
};

/*
 * Judge the first `n` bytes of a stream. Of the outputs each is set only with the verdict that
 * speaks of it. The slices of *ret_header point into `data`.
 *
 * PROXY_MORE asks for no byte that is not surely of the header: its *ret_length is above n and no
 * more than the shortest header that begins so. Who reads only up to it therefore leaves what
 * follows the header in the socket, and needs no room beyond PROXY_HEADER_MAX.
 */
enum proxy_verdict proxy_parse(const void *data, size_t n, struct proxy_header *ret_header,
                               size_t *ret_length, const char **ret_reason);

#endif
