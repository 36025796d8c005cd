/*
 * sniff.h - the protocol that the first bytes of a client look like. Pure: bytes in, verdict out.
 *
 * sniff_may_be_tls() decides which sessions end as END_WRONG_PROTOCOL, and proxy_reader.c asks
 * sniff() whether a PROXY header has begun. Apart from that, the verdict is for people who read
 * logs.
 */
#ifndef ECHOD_NET_SNIFF_H
#define ECHOD_NET_SNIFF_H

#include <stdbool.h>
#include <stddef.h>

/* Only protocols in which the client speaks first. */
enum sniff {
    SNIFF_UNKNOWN,
    SNIFF_TEXT,
    SNIFF_TLS, /* or SSL, back to version 2 */
    SNIFF_HTTP,
    SNIFF_HTTP2,
    SNIFF_SSH,
    SNIFF_SMTP,
    SNIFF_PROXY,
    SNIFF_POSTGRESQL,
    SNIFF_RDP,
    SNIFF_COUNT
};

/*
 * Judge the first `n` bytes of a stream. TLS is recognized from its first byte, the others once
 * their first few bytes are complete. SNIFF_TEXT, printable ASCII, is text that fits no other
 * protocol.
 */
enum sniff sniff(const void *data, size_t n);

/* The common name of a protocol: "TLS", "HTTP/2", "the PROXY protocol", "unknown bytes". */
const char *sniff_name(enum sniff protocol);

/* Whether sniff() says SNIFF_TLS; faster. */
bool sniff_is_tls(const void *data, size_t n);

/* Whether these bytes can be the beginning of TLS; true for no bytes at all. */
bool sniff_may_be_tls(const void *data, size_t n);

#endif
