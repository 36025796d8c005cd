/*
 * sniff.h - what the first bytes of a client look like. Pure: bytes in, verdict out.
 *
 * For people who read logs: a client of the wrong protocol is named, and nothing else hangs on it.
 */
#ifndef ECHOD_NET_SNIFF_H
#define ECHOD_NET_SNIFF_H

#include <stdbool.h>
#include <stddef.h>

/* Only what clients say before the server has said a word. */
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
 * Judge the first `n` bytes of a stream as far as they are there: TLS is seen from its first byte,
 * the others once their first few bytes are complete. SNIFF_TEXT, printable ASCII, is what nothing
 * else fits.
 */
enum sniff sniff(const void *data, size_t n);

/* The name that people know it by: "TLS", "HTTP/2", "the PROXY protocol", "unknown bytes". */
const char *sniff_name(enum sniff protocol);

/* Whether that is SNIFF_TLS: sooner to tell. */
bool sniff_is_tls(const void *data, size_t n);

/* Whether a TLS client may have sent these bytes; so of none. */
bool sniff_may_be_tls(const void *data, size_t n);

#endif
