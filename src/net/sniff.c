/* sniff.c - the protocol that the first bytes of a client look like. */
#include "net/sniff.h"

#include <stdint.h>
#include <string.h>

/* ---- TLS: each of the first bytes lies in a range ---- */

struct range {
    uint8_t first, last;
};

/* A record of type handshake, of 2^14 bytes at most, with a ClientHello (RFC 8446, 5.1 and 4). */
static const struct range tls_hello[] = {{22, 22}, {3, 3}, {0, 4}, {0, 0x40}, {0, 255}, {1, 1}};

/* The hello of SSL 2, which could offer TLS as well (RFC 5246, appendix E.2). */
static const struct range ssl2_hello[] = {{0x80, 255}, {0, 255}, {1, 1}, {0, 3}, {0, 4}};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool agrees(const uint8_t *data, size_t n, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < n && i < count; i++)
        if (data[i] < ranges[i].first || data[i] > ranges[i].last)
            return false;
    return true;
}

bool sniff_may_be_tls(const void *data, size_t n)
{
    return agrees(data, n, tls_hello, COUNT(tls_hello)) ||
           agrees(data, n, ssl2_hello, COUNT(ssl2_hello));
}

/* No text has the first byte of a TLS record; many other protocols begin like SSL 2. */
bool sniff_is_tls(const void *data, size_t n)
{
    return n > 0 && sniff_may_be_tls(data, n) &&
           (*(const uint8_t *)data == tls_hello[0].first || n >= COUNT(ssl2_hello));
}

/* ---- the others: each begins with certain bytes ---- */

#define BYTES(text) text, sizeof(text) - 1

static const struct opening {
    enum sniff protocol;
    const char *bytes;
    size_t length;
} openings[] = {
    {SNIFF_HTTP, BYTES("GET ")}, /* RFC 9110, 9.1; RFC 5789 */
    {SNIFF_HTTP, BYTES("HEAD ")},
    {SNIFF_HTTP, BYTES("POST ")},
    {SNIFF_HTTP, BYTES("PUT ")},
    {SNIFF_HTTP, BYTES("DELETE ")},
    {SNIFF_HTTP, BYTES("CONNECT ")},
    {SNIFF_HTTP, BYTES("OPTIONS ")},
    {SNIFF_HTTP, BYTES("TRACE ")},
    {SNIFF_HTTP, BYTES("PATCH ")},
    {SNIFF_HTTP2, BYTES("PRI * HTTP/2")}, /* RFC 9113, 3.4 */
    {SNIFF_SSH, BYTES("SSH-")},           /* RFC 4253, 4.2 */
    {SNIFF_SMTP, BYTES("EHLO ")},         /* RFC 5321, 4.1.1.1 */
    {SNIFF_SMTP, BYTES("HELO ")},
    {SNIFF_PROXY, BYTES("PROXY ")},
    {SNIFF_PROXY, BYTES("\r\n\r\n\0\r\nQUIT\n")},
    {SNIFF_POSTGRESQL, BYTES("\0\0\0\x08\x04\xd2\x16\x2f")}, /* its SSLRequest */
    {SNIFF_RDP, BYTES("\x03\0\0")},                          /* TPKT, RFC 1006, 6 */
};

static bool is_text(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((data[i] < ' ' && !memchr("\t\r\n", data[i], 3)) || data[i] >= 0x7f)
            return false;
    return n > 0;
}

enum sniff sniff(const void *data, size_t n)
{
    if (sniff_is_tls(data, n))
        return SNIFF_TLS;
    for (size_t i = 0; i < COUNT(openings); i++)
        if (n >= openings[i].length && memcmp(data, openings[i].bytes, openings[i].length) == 0)
            return openings[i].protocol;
    return is_text(data, n) ? SNIFF_TEXT : SNIFF_UNKNOWN;
}

const char *sniff_name(enum sniff protocol)
{
    static const char *const names[SNIFF_COUNT] = {
        [SNIFF_UNKNOWN] = "unknown bytes",
        [SNIFF_TEXT] = "text",
        [SNIFF_TLS] = "TLS",
        [SNIFF_HTTP] = "HTTP",
        [SNIFF_HTTP2] = "HTTP/2",
        [SNIFF_SSH] = "SSH",
        [SNIFF_SMTP] = "SMTP",
        [SNIFF_PROXY] = "the PROXY protocol",
        [SNIFF_POSTGRESQL] = "PostgreSQL",
        [SNIFF_RDP] = "RDP",
    };

    return names[protocol];
}
