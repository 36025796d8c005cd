/* schema.c - the tables of settings: one row is one setting. */
#include "settings/schema.h"

#include "base/limits.h"
#include "ipc/scoreboard.h"
#include "sandbox/user.h"

#include <limits.h>
#include <string.h>

static const struct choice log_targets[] = {
    {"auto", LOG_TARGET_AUTO},
    {"journal", LOG_TARGET_JOURNAL},
    {"stderr", LOG_TARGET_STDERR},
    {NULL, 0},
};

static const struct choice log_levels[] = {
    {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO}, {"debug", LOG_DEBUG},     {NULL, 0},
};

static const struct choice framings[] = {
    {"stream", FRAMING_STREAM},
    {"line", FRAMING_LINE},
    {"marker", FRAMING_MARKER},
    {"length", FRAMING_LENGTH},
    {NULL, 0},
};

static const struct choice verify_modes[] = {
    {"none", TLS_VERIFY_NONE},
    {"request", TLS_VERIFY_REQUEST},
    {"require", TLS_VERIFY_REQUIRE},
    {NULL, 0},
};

static const struct choice proxy_modes[] = {
    {"off", PROXY_OFF},
    {"optional", PROXY_OPTIONAL},
    {"required", PROXY_REQUIRED},
    {NULL, 0},
};

static const struct choice tls_versions[] = {
    {"TLSv1", TLS_V1_0},   {"TLSv1.1", TLS_V1_1},  {"TLSv1.2", TLS_V1_2},
    {"TLSv1.3", TLS_V1_3}, {"newest", TLS_NEWEST}, {NULL, 0},
};

#define FIELD(type, field) (((type *)0)->field)

/* The type of a row's field decides its kind, so that the two cannot disagree. */
#define KIND_OF(type, field)                                                                       \
    _Generic(FIELD(type, field), bool                                                              \
             : KIND_BOOL, int                                                                      \
             : KIND_INT, int64_t                                                                   \
             : KIND_BYTES, uint64_t                                                                \
             : KIND_SECONDS, const char *                                                          \
             : KIND_STRING, struct strings                                                           \
             : KIND_STRINGS, struct cidrs                                                         \
             : KIND_CIDRS)

#define PLACE(type, name_, field) .name = name_, .offset = offsetof(type, field)
#define ROW(type, name, field, initial_, min_, max_, help_)                                        \
    {                                                                                              \
        PLACE(type, name, field), .kind = KIND_OF(type, field), .initial = initial_, .min = min_,  \
                                  .max = max_, .help = help_                                       \
    }
#define CHOICE(type, name, field, initial_, choices_, help_)                                       \
    {                                                                                              \
        PLACE(type, name, field), .kind = KIND_CHOICE, .initial = initial_, .choices = choices_,   \
                                  .help = help_                                                    \
    }

#define PATH(type, name, field, help_)                                                             \
    {                                                                                              \
        PLACE(type, name, field), .kind = KIND_PATH, .min = 1, .max = PATH_LENGTH_MAX,             \
                                  .help = help_                                                    \
    }

#define GLOBAL(...) ROW(struct settings, __VA_ARGS__)
#define LISTENER(...) ROW(struct listener_settings, __VA_ARGS__)

#define DAY 86400
#define PATH_LENGTH_MAX (PATH_MAX - 1)
#define LIST_LIMIT 4095
#define BYTES_LIMIT 9e15 /* still exact in a double */

static const struct setting global_rows[] = {
    GLOBAL("max_clients", max_clients, "1000", 1, CLIENTS_MAX,
           "Clients at a time, all listeners together; more wait in the backlog."),
    GLOBAL("drain_timeout", drain_timeout_usec, "30", 0, DAY,
           "Seconds that clients get to finish on stop; 0 means as long as they take."),
    GLOBAL("user", user, NULL, 1, USER_NAME_MAX - 1,
           "Whom root becomes, by name or number, once the sockets are bound and the keys read."),
    GLOBAL("group", group, NULL, 1, USER_NAME_MAX - 1,
           "The group that goes with user; left out, the user's own."),
    GLOBAL(
        "metrics_file", metrics_file, NULL, 1, PATH_LENGTH_MAX - 4,
        "File kept up to date with counts of all clients, for node_exporter's textfile collector."),
    CHOICE(struct settings, "log.target", log_target, "auto", log_targets,
           "Where the log goes: auto, journal or stderr; auto is the journal under systemd."),
    CHOICE(struct settings, "log.level", log_level, "info", log_levels,
           "The least urgent lines that are logged: error, warning, notice, info or debug."),
};

static const struct setting sni_rows[] = {
    ROW(struct tls_sni_params, "names", names, "[]", 1, 253,
        "Host names that this certificate is for, \"*.example.org\" for all that are one label "
        "longer."),
    PATH(struct tls_sni_params, "certificate", certificate,
         "PEM file with the certificate, then its issuers."),
    PATH(struct tls_sni_params, "key", key, "PEM file with its private key, not encrypted."),
    PATH(struct tls_sni_params, "ocsp_response", ocsp_response,
         "DER file with the OCSP response that goes with it."),
};

static const struct table sni_table = {sni_rows, sizeof(sni_rows) / sizeof(sni_rows[0]),
                                       sizeof(struct tls_sni_params)};

static const struct setting listener_rows[] = {
    LISTENER("name", listen.name, "echo", 1, LISTENER_NAME_MAX - 1,
             "Names the listener in the log; matches a socket unit's FileDescriptorName=."),
    LISTENER("host", listen.host, "localhost", 1, 255,
             "Name or address to listen on, \"*\" for all of them, or \"unix:PATH\"."),
    LISTENER("port", listen.port, "7", 0, 65535,
             "TCP port; 0 takes any free one, which the log then names."),
    LISTENER("backlog", listen.backlog, "511", 1, 65535,
             "Connections that may wait to be accepted; net.core.somaxconn is the upper limit."),
    LISTENER("reuse", listen.reuse, "true", 0, 0,
             "Take the port again at once after a stop (SO_REUSEADDR)."),
    LISTENER("reuse_port", listen.reuse_port, "false", 0, 0,
             "Share the port with other processes of this user (SO_REUSEPORT)."),
    LISTENER("health", health, "false", 0, 0,
             "What load balancers ask: SIGUSR1 closes it, while the others go on."),
    LISTENER("nodelay", listen.nodelay, "true", 0, 0, "Send small answers at once (TCP_NODELAY)."),
    LISTENER(
        "keepalive", listen.keepalive_sec, "0", 0, 32767,
        "Seconds of silence before TCP probes the peer, who is gone after as many more; 0 is off."),
    CHOICE(struct listener_settings, "framing", frame.framing, "stream", framings,
           "What is echoed as a whole: stream (bytes as they come), line, marker or length."),
    LISTENER("marker", frame.marker, "END\n", 1, FRAME_MARKER_MAX,
             "What ends a message with framing = \"marker\"."),
    LISTENER("max_message", frame.max_message, "1048576", 1, FRAME_MESSAGE_MAX,
             "Bytes in one message, without its end or length; a longer one ends the session."),
    LISTENER("report", limits.report, "false", 0, 0,
             "Send each client a line of JSON before the echo: what the server sees of it."),
    LISTENER(
        "handshake_timeout", limits.handshake_usec, "10", 0, DAY,
        "Seconds for all that comes before data, PROXY header and TLS handshake; 0 = no limit."),
    LISTENER("idle_timeout", limits.idle_usec, "300", 0, DAY,
             "Seconds without a byte in either direction before a client is closed; 0 = never."),
    LISTENER("session_timeout", limits.session_usec, "0", 0, 365.0 * DAY,
             "Seconds that a client may stay in all; 0 means no limit."),
    LISTENER("max_bytes", limits.max_bytes, "0", 0, BYTES_LIMIT,
             "Bytes that a client may send; 0 means no limit."),
    CHOICE(
        struct listener_settings, "proxy_protocol", proxy.mode, "off", proxy_modes,
        "Headers that proxies send ahead, v1 or v2, to name the client: off, optional, required."),
    LISTENER("proxy_trusted", proxy.trusted, "[]", 0, 0,
             "Networks of the proxies that may send such a header; theirs alone are believed."),
    LISTENER(
        "allow", access.allow, "[]", 0, 0,
        "Networks whose clients may enter, as [ \"192.0.2.0/24\", \"::1\" ]; empty means all."),
    LISTENER("deny", access.deny, "[]", 0, 0,
             "Networks whose clients may not enter, whatever allow says."),
    LISTENER("max_clients_per_source", access.max_clients_per_source, "64", 0, CLIENTS_MAX,
             "Clients at a time from one source, a network of IP; 0 means no limit."),
    LISTENER("source_prefix_v4", access.source_prefix_v4, "32", 1, 32,
             "Bits of an IPv4 address that make its source; 32 is each address for itself."),
    LISTENER("source_prefix_v6", access.source_prefix_v6, "64", 1, 128,
             "Bits of an IPv6 address that make its source; a site's network mostly has 64."),
    LISTENER("rate_per_source", access.rate_per_source, "0", 0, 1000000,
             "New clients a second from one source, and as many at once; 0 means no limit."),
    LISTENER("tls.enabled", tls_enabled, "false", 0, 0, "Speak TLS from the first byte."),
    PATH(struct listener_settings, "tls.certificate", tls.certificate,
         "PEM file with the certificate, then its issuers."),
    PATH(struct listener_settings, "tls.key", tls.key,
         "PEM file with the certificate's private key, not encrypted."),
    PATH(struct listener_settings, "tls.ocsp_response", tls.ocsp_response,
         "DER file with the OCSP response that is stapled to the certificate."),
    {PLACE(struct listener_settings, "tls.sni", tls.sni), .kind = KIND_GROUPS,
     .elements = &sni_table,
     .help = "More certificates, each for the names that it has: ( { names, certificate, key } )."},
    LISTENER("tls.strict_sni", tls.strict_sni, "false", 0, 0,
             "Refuse a client that asks for a name that no certificate is for, or for none."),
    LISTENER("tls.key_isolation", tls.key_isolation, "true", 0, 0,
             "Keep the key in a process of its own, which signs once for each client."),
    CHOICE(struct listener_settings, "tls.min_version", tls.min_version, "TLSv1.2", tls_versions,
           "Oldest version spoken; before TLSv1.2 it also needs ciphers with @SECLEVEL=0."),
    CHOICE(struct listener_settings, "tls.max_version", tls.max_version, "newest", tls_versions,
           "Newest version spoken: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 or newest."),
    LISTENER("tls.ciphers", tls.ciphers, "ECDHE+AESGCM:ECDHE+CHACHA20", 1, LIST_LIMIT,
             "Ciphers of TLS 1.2 and older, as in openssl-ciphers(1), the best first."),
    LISTENER("tls.ciphersuites", tls.ciphersuites, NULL, 1, LIST_LIMIT,
             "Cipher suites of TLS 1.3, divided by colons; left out, OpenSSL's."),
    LISTENER("tls.groups", tls.groups, NULL, 1, LIST_LIMIT,
             "Key exchange groups, divided by colons; left out, OpenSSL's."),
    CHOICE(struct listener_settings, "tls.verify_client", tls.verify_client, "none", verify_modes,
           "Client certificates: none, request (one that is shown must be good) or require."),
    PATH(struct listener_settings, "tls.client_ca", tls.client_ca,
         "PEM file, or directory of them, with the issuers that clients' certificates may have."),
    PATH(struct listener_settings, "tls.crl", tls.crl,
         "PEM file with the CRLs of all issuers of clients' certificates; none may be stale."),
    LISTENER("tls.verify_depth", tls.verify_depth, "9", 0, 100,
             "Intermediate certificates that a client's chain may have."),
    LISTENER("tls.client_names", tls.client_names, "[]", 1, 1023,
             "Who a client's certificate must be for: names, one * in each; empty means anyone."),
    LISTENER("tls.alpn", tls.alpn, "[]", 1, 255,
             "Protocols offered in ALPN, the best first; a client that wants others is refused."),
    LISTENER("tls.tickets", tls.tickets, "2", 0, 16,
             "Session tickets sent after a handshake; 0 means that no session resumes."),
    PATH(struct listener_settings, "tls.keylog", tls.keylog,
         "File that gets the keys of every session, for Wireshark: who reads it reads all."),
    PATH(struct listener_settings, "tls.ticket_keys", tls.ticket_keys,
         "File of the tickets' keys, for restarts and other machines; left out, keys come and go."),
    LISTENER("tls.ticket_lifetime", tls.ticket_usec, "7200", 1, 7 * DAY,
             "Seconds for which a ticket resumes its session; RFC 8446 allows a week."),
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

const struct table global_table = {global_rows, COUNT(global_rows), sizeof(struct settings)};
const struct table listener_table = {listener_rows, COUNT(listener_rows),
                                     sizeof(struct listener_settings)};

const struct setting *table_find(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

const struct setting *row_find(const char *name)
{
    const struct setting *row = table_find(&listener_table, name);

    return row ? row : table_find(&global_table, name);
}

bool table_has_group(const struct table *table, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < table->n; i++)
        if (strncmp(table->rows[i].name, name, length) == 0 && table->rows[i].name[length] == '.')
            return true;
    return false;
}

#define WORD_LIMIT 63

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's edit distance of two words; ignores the rest of long ones. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_LIMIT + 1], n_a = smaller(strlen(a), WORD_LIMIT),
                                n_b = smaller(strlen(b), WORD_LIMIT);

    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t substitute = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = smaller(substitute, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[n_b];
}

/*
 * The distance of `name` from the full name of a row or from its last part, whichever is nearer: at
 * the top level, "certificate" means tls.certificate. A prefix of a name counts as two slips
 * at most.
 */
static size_t name_distance(const char *row, const char *name)
{
    const char *last = strrchr(row, '.');
    size_t length = strlen(name), d;

    last = last ? last + 1 : row;
    d = smaller(distance(row, name), distance(last, name));
    if (length >= 4 && (strncmp(row, name, length) == 0 || strncmp(last, name, length) == 0))
        return smaller(d, 2);
    return d;
}

/* The names of lists and groups, which have no row of their own. */
static const char *const other_names[] = {"listeners", "log", "tls"};

static void consider(const char *candidate, const char *name, const char **nearest, size_t *best)
{
    size_t d = name_distance(candidate, name);

    if (d >= *best)
        return;
    *best = d;
    *nearest = candidate;
}

const char *table_nearest(const struct table *const *tables, size_t n, const char *name)
{
    const char *nearest = NULL;
    size_t best = smaller(strlen(name), 18) / 3 + 2; /* beyond it, no misspelling */

    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t]->n; i++)
            consider(tables[t]->rows[i].name, name, &nearest, &best);
    for (size_t i = 0; i < COUNT(other_names); i++)
        consider(other_names[i], name, &nearest, &best);
    return nearest;
}

void row_unknown(struct faults *faults, const char *where, const char *name)
{
    const struct table *const tables[] = {&listener_table, &global_table};
    const char *nearest = table_nearest(tables, 2, name);

    if (nearest && strcmp(nearest, name) == 0)
        fault_at(faults, where, name, "is not set as a whole; set its members");
    else if (nearest)
        fault_at(faults, where, name, "no such setting; did you mean %s?", nearest);
    else
        fault_at(faults, where, name, "no such setting");
}
