/*
 * proxy.h - parses the header of the PROXY protocol, versions 1 and 2, which names the client
 * behind a proxy. Pure: bytes in, verdict out.
 *
 * The specification is haproxy's doc/proxy-protocol.txt; the sections named here are sections of
 * that.
 */
#ifndef ECHOD_PROTO_PROXY_H
#define ECHOD_PROTO_PROXY_H

#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest header that is accepted: version 1 has 107 bytes at most, version 2 up to 65551. */
#define PROXY_HEADER_MAX (16 + 4096)

/* Bytes of the header, in the caller's buffer; not a string. `data` is NULL if there are none. */
struct proxy_slice {
    const uint8_t *data;
    size_t length;
};

/* TLS between the client and the proxy (2.2.6); all zero if the proxy did not send it. */
struct proxy_ssl {
    struct proxy_slice all; /* the whole TLV */
    uint8_t client;         /* PROXY_SSL_* */
    uint32_t verify;        /* 0 = the client's certificate is valid */
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
    bool local;              /* the header names no client: the addresses are the socket's own */
    struct addr source;      /* the client; zero if `local` is set, as are all the rest */
    struct addr destination; /* the address that the client connected to */

    /* Version 2; if there are several of a kind, the last one. */
    struct proxy_slice alpn;
    struct proxy_slice authority; /* the host name it asked for, as in SNI */
    struct proxy_slice checksum;  /* verified */
    struct proxy_slice unique_id; /* up to 128 bytes */
    struct proxy_slice netns;
    struct proxy_ssl ssl;
};

enum proxy_verdict {
    PROXY_COMPLETE, /* the header is *ret_length bytes long; data may follow it */
    PROXY_MORE,     /* a header so far; *ret_length bytes are needed to go on */
    PROXY_NONE,     /* not a header: its first bytes are others */
    PROXY_BAD,      /* it began as a header and is broken: *ret_reason, a static text, says how */
};

/*
 * Judge the first `n` bytes of a stream. Each output is set only with the verdict that names it.
 * The slices of *ret_header point into `data`.
 *
 * PROXY_MORE asks for no byte beyond the header: its *ret_length is above n and no more than the
 * length of the shortest header that begins so. A caller that reads only up to it leaves what
 * follows the header in the socket, and needs no room beyond PROXY_HEADER_MAX.
 */
enum proxy_verdict proxy_parse(const void *data, size_t n, struct proxy_header *ret_header,
                               size_t *ret_length, const char **ret_reason);

#endif
