/* report.c - writes what the server sees of a client as JSON. */
#include "child/report.h"

#include "net/addr.h"
#include "net/stream.h"
#include "proto/proxy.h"
#include "tls/tls.h"

#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#define TEXT_MAX 255 /* bytes of a text from the client or its proxy, before escaping */

/*
 * libc reads the time zone from a file at its first use, and jansson its hash seed from
 * /dev/urandom, which sandboxed processes cannot open.
 */
void report_prepare(void)
{
    size_t seed;

    tzset();
    if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
        json_object_seed(seed | 1 /* 0 would read a file */);
}

/* ---- values; null if there is none ---- */

/* A backslash is escaped too, so that \xNN is unambiguous. */
static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '\\';
}

static json_t *bytes_json(const uint8_t *bytes, size_t n)
{
    char text[4 * TEXT_MAX + 1] = "";
    size_t used = 0;

    for (size_t i = 0; i < n && i < TEXT_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 is_plain(bytes[i]) ? "%c" : "\\x%02x", bytes[i]);
    return json_string(text);
}

static json_t *text_json(const char *text)
{
    return text[0] == '\0' ? json_null() : bytes_json((const uint8_t *)text, strlen(text));
}

static json_t *slice_json(const struct proxy_slice *slice)
{
    return slice->data ? bytes_json(slice->data, slice->length) : json_null();
}

static json_t *hex_json(const struct proxy_slice *slice)
{
    char text[2 * TEXT_MAX + 1] = "";

    for (size_t i = 0; i < slice->length && i < TEXT_MAX; i++)
        snprintf(text + 2 * i, 3, "%02x", slice->data[i]);
    return slice->data ? json_string(text) : json_null();
}

static json_t *time_json(time_t when, long usec)
{
    char text[32], part[16] = "";
    struct tm tm;
    size_t n;

    gmtime_r(&when, &tm);
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    if (usec >= 0)
        snprintf(part, sizeof(part), ".%06ld", usec % 1000000);
    snprintf(text + n, sizeof(text) - n, "%sZ", part);
    return json_string(text);
}

/* ---- the addresses, and the PROXY header ---- */

/* Without the zone, since its name would need a system call. */
static json_t *addr_json(const struct addr *addr)
{
    struct addr unzoned = *addr;
    char host[ADDR_TEXT_MAX];

    if (unzoned.sa.sa_family == AF_INET6)
        unzoned.in6.sin6_scope_id = 0;
    addr_host(&unzoned, host);
    if (addr_port(addr) == 0)
        return json_pack("{s:o}", "address", text_json(host));
    return json_pack("{s:o, s:i}", "address", text_json(host), "port", (int)addr_port(addr));
}

/* `verified` is null if the client showed no certificate. */
static json_t *proxy_ssl_json(const struct proxy_ssl *ssl)
{
    bool shown = (ssl->client & (PROXY_SSL_CERT_CONN | PROXY_SSL_CERT_SESSION)) != 0;

    if (!ssl->all.data)
        return json_null();
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "used",
                     (ssl->client & PROXY_SSL_USED) != 0, "version", slice_json(&ssl->version),
                     "cipher", slice_json(&ssl->cipher), "common_name", slice_json(&ssl->cn),
                     "signature", slice_json(&ssl->sig_alg), "key", slice_json(&ssl->key_alg),
                     "certificate", shown, "verified",
                     shown ? json_boolean(ssl->verify == 0) : json_null());
}

static json_t *proxy_json(const struct proxy_header *proxy)
{
    if (proxy->version == 0)
        return json_null();
    if (proxy->local)
        return json_pack("{s:i, s:b}", "version", proxy->version, "local", 1);
    return json_pack("{s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", proxy->version,
                     "local", 0, "source", addr_json(&proxy->source), "destination",
                     addr_json(&proxy->destination), "alpn", slice_json(&proxy->alpn), "authority",
                     slice_json(&proxy->authority), "unique_id", hex_json(&proxy->unique_id),
                     "netns", slice_json(&proxy->netns), "ssl", proxy_ssl_json(&proxy->ssl));
}

/* ---- TLS and TCP ---- */

/* The verdict is always "ok": the handshake fails if the certificate is not valid. */
static json_t *certificate_json(const struct stream *stream)
{
    struct tls_certificate certificate;

    if (tls_peer_certificate(stream, 0, &certificate) < 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "subject",
                     json_string(certificate.subject), "issuer", json_string(certificate.issuer),
                     "names", json_string(certificate.names), "serial",
                     text_json(certificate.serial), "sha256", text_json(certificate.sha256),
                     "not_before", time_json(certificate.not_before, -1), "not_after",
                     time_json(certificate.not_after, -1), "verdict", "ok");
}

static json_t *tls_json(const struct tls_facts *tls, const struct stream *stream)
{
    if (tls->version[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "version", text_json(tls->version),
                     "cipher", text_json(tls->cipher), "group", text_json(tls->group), "sni",
                     text_json(tls->sni), "alpn", text_json(tls->alpn), "resumed", tls->resumed,
                     "client_certificate", certificate_json(stream));
}

/* tcp(7); null if the socket is not TCP. */
static json_t *tcp_json(const struct stream *stream)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I}", "rtt_usec", (json_int_t)info.tcpi_rtt,
                     "rtt_variance_usec", (json_int_t)info.tcpi_rttvar, "mss",
                     (json_int_t)info.tcpi_snd_mss, "retransmits",
                     (json_int_t)info.tcpi_total_retrans);
}

/* ---- the line ---- */

static json_t *whole_json(const struct report *report)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "time", time_json(now.tv_sec, now.tv_nsec / 1000),
        "listener", text_json(report->listener), "peer",
        report->peer ? addr_json(report->peer) : json_null(), "proxy", proxy_json(report->proxy),
        "tls", tls_json(report->tls, report->stream), "tcp", tcp_json(report->stream));
}

char *report_new(const struct report *report, size_t *ret_length)
{
    json_t *whole = whole_json(report);
    char *line = json_dumps(whole, JSON_COMPACT | JSON_ENSURE_ASCII);

    json_decref(whole);
    if (!line)
        return NULL;
    *ret_length = strlen(line) + 1;
    line[*ret_length - 1] = '\n'; /* where the NUL was */
    return line;
}
