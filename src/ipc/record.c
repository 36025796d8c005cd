/* record.c - writes the one record that every client leaves in the log. */
#include "ipc/record.h"

#include "base/deadline.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * One row for each end: its word, level and message ID, and how the sentence about the client goes
 * on. The IDs are random 128-bit values (sd-id128(3)); scripts rely on them, so they never change.
 */
static const struct {
    const char *name;
    int level;
    const char *message_id;
    const char *sentence;
} kinds[END_COUNT] = {
    [END_CRASHED] = {"crashed", LOG_ERR, "2500dee694f24deb9dd0117cec1da8cd", "lost its process"},
    [END_CLOSED] = {"closed", LOG_INFO, "532dba74a6f446029ab3b9c9cbd4eb38", "closed"},
    [END_TRUNCATED] = {"truncated", LOG_INFO, "97fe59d3d5c04c53bcc3f83f49ea4921",
                       "ended too early"},
    [END_PROBE] = {"probe", LOG_DEBUG, "b741e8329ea8413e9683b50e652b13c7", "left without a byte"},
    [END_RESET] = {"reset", LOG_INFO, "3d3ba18ef3a2491c82eca09e6353d8ad", "broke the connection"},
    [END_IDLE] = {"idle", LOG_INFO, "9c7033a4c2ca49928fef6e821f25f045", "was idle for too long"},
    [END_HANDSHAKE_TIMEOUT] = {"handshake_timeout", LOG_INFO, "b8ef436e5d6543aeb4b297ea49fca967",
                               "did not finish the handshake in time"},
    [END_SESSION_TIMEOUT] = {"session_timeout", LOG_INFO, "d58bb35cc3d5480d849512e29a06fb05",
                             "reached the end of its session time"},
    [END_MAX_BYTES] = {"max_bytes", LOG_INFO, "72f8e768e6a84794b29df4285050f6b3",
                       "sent more bytes than it may"},
    [END_MESSAGE_TOO_LONG] = {"message_too_long", LOG_INFO, "b2900a4b5c7547a69f42f7fdde8e6598",
                              "sent a message longer than it may"},
    [END_TLS_ERROR] = {"tls_error", LOG_INFO, "161eaa4be28045b5ab8e6a855f3d2264", "failed in TLS"},
    [END_CLIENT_CERT] = {"client_cert", LOG_INFO, "deed92fc36a88788a03ec23e5ad8172b",
                         "showed no certificate that holds"},
    [END_WRONG_PROTOCOL] = {"wrong_protocol", LOG_INFO, "2e68c1a758aa43b9a8f453d0903e5d5c",
                            "did not speak TLS"},
    [END_PROXY_ERROR] = {"proxy_error", LOG_INFO, "92cc5a45c1ff49a7a2de7a167bd9aba1",
                         "failed in the PROXY protocol"},
    [END_DRAINED] = {"drained", LOG_NOTICE, "13b2ee5fdde4441b900e5c7eda2152b8",
                     "was cut when the drain ran out of time"},
    [END_REFUSED] = {"refused", LOG_NOTICE, "1f60d3ca4f2641b283e9a10a1315f6a0", "was refused"},
};

static bool known(int end)
{
    return end >= 0 && end < END_COUNT;
}

const char *end_name(int end)
{
    return kinds[known(end) ? end : END_CRASHED].name;
}

/*
 * The length of an address of this family; 0 for a family that no client can have. An untrusted
 * process may have written any other length.
 */
static socklen_t length_of(const struct addr *addr)
{
    switch (addr->sa.sa_family) {
    case AF_INET:
        return sizeof(addr->in);
    case AF_INET6:
        return sizeof(addr->in6);
    case AF_UNIX:
        return addr->len > sizeof(addr->un) ? sizeof(addr->un) : addr->len;
    default:
        return 0;
    }
}

/*
 * No proxy can name a zone (sin6_scope_id), and formatting it would make the parent ask the kernel
 * for the name.
 */
static void sanitize_client(struct addr *client)
{
    client->len = client->len > 0 ? length_of(client) : 0;
    if (client->sa.sa_family == AF_INET6)
        client->in6.sin6_scope_id = 0;
}

static bool may_refuse(const struct record *record)
{
    return record->client.len > 0 && (record->rule == ACCESS_DENY || record->rule == ACCESS_ALLOW);
}

void record_sanitize(struct record *record)
{
    sanitize_client(&record->client);
    if (!known(record->end) || record->end >= END_DRAINED ||
        (record->end == END_REFUSED && !may_refuse(record)))
        record->end = END_CRASHED;
    record->tls.version[sizeof(record->tls.version) - 1] = '\0';
    record->tls.cipher[sizeof(record->tls.cipher) - 1] = '\0';
    record->tls.group[sizeof(record->tls.group) - 1] = '\0';
    record->tls.sni[sizeof(record->tls.sni) - 1] = '\0';
    record->tls.alpn[sizeof(record->tls.alpn) - 1] = '\0';
    record->tls.client_cert[sizeof(record->tls.client_cert) - 1] = '\0';
    record->error[sizeof(record->error) - 1] = '\0';
}

#define FIELDS_MAX 24
#define NUMBER_MAX 24

/* The fields of one record, without those that have no value. */
struct fields {
    size_t n;
    struct log_field field[FIELDS_MAX];
    char number[FIELDS_MAX][NUMBER_MAX];
};

static void add_text(struct fields *fields, const char *name, const char *value)
{
    if (value[0] != '\0')
        fields->field[fields->n++] = (struct log_field){.name = name, .value = value};
}

static void add_number(struct fields *fields, const char *name, uint64_t value)
{
    char *text = fields->number[fields->n];

    snprintf(text, NUMBER_MAX, "%" PRIu64, value);
    add_text(fields, name, text);
}

static void add_tls(struct fields *fields, const struct tls_facts *tls)
{
    if (tls->version[0] == '\0')
        return;
    add_text(fields, "ECHOD_TLS_VERSION", tls->version);
    add_text(fields, "ECHOD_TLS_CIPHER", tls->cipher);
    add_text(fields, "ECHOD_TLS_GROUP", tls->group);
    add_text(fields, "ECHOD_TLS_RESUMED", tls->resumed ? "1" : "0");
    add_text(fields, "ECHOD_TLS_SNI", tls->sni);
    add_text(fields, "ECHOD_TLS_ALPN", tls->alpn);
    add_text(fields, "ECHOD_CLIENT_CERT", tls->client_cert);
}

/*
 * Add the fields that every record begins with; `host` holds ADDR_TEXT_MAX bytes and must live as
 * long as the fields.
 */
static void add_common(struct fields *fields, int end, const char *listener,
                       const struct addr *peer, char *host)
{
    add_text(fields, "MESSAGE_ID", kinds[end].message_id);
    add_text(fields, "ECHOD_END", kinds[end].name);
    add_text(fields, "ECHOD_LISTENER", listener);
    add_text(fields, "ECHOD_CLIENT", addr_host(peer, host));
    if (addr_port(peer) != 0)
        add_number(fields, "ECHOD_CLIENT_PORT", addr_port(peer));
}

void record_log_refused(const char *listener, const struct addr *peer, const char *rule,
                        unsigned long count)
{
    char host[ADDR_TEXT_MAX], message[512];
    struct fields fields = {.n = 0};
    int level = kinds[END_REFUSED].level;

    if (!log_enabled(level))
        return;
    add_common(&fields, END_REFUSED, listener, peer, host);
    add_text(&fields, "ECHOD_RULE", rule);
    add_number(&fields, "ECHOD_COUNT", count);
    snprintf(message, sizeof(message), "%s: client %s %s by the rule %s, %lu times", listener, host,
             kinds[END_REFUSED].sentence, rule, count);
    log_event(level, message, fields.field, fields.n);
}

/*
 * A client that its own process has refused; for those that the parent refuses there is
 * record_log_refused().
 */
static void add_rule(struct fields *fields, const struct record *record)
{
    if (record->end != END_REFUSED)
        return;
    add_text(fields, "ECHOD_RULE", access_rule_name(record->rule));
    add_text(fields, "ECHOD_COUNT", "1");
}

void record_log(const struct client *client, const struct record *record)
{
    char host[ADDR_TEXT_MAX], name[ADDR_TEXT_MAX], proxy[ADDR_TEXT_MAX], message[512];
    const struct addr *peer = record->client.len > 0 ? &record->client : &client->peer;
    struct fields fields = {.n = 0};
    int level = kinds[record->end].level;

    if (!log_enabled(level))
        return;
    add_common(&fields, record->end, client->listener, peer, host);
    if (record->client.len > 0)
        add_text(&fields, "ECHOD_PROXY", addr_format(&client->peer, proxy));
    add_rule(&fields, record);
    add_number(&fields, "ECHOD_BYTES_IN", record->bytes_in);
    add_number(&fields, "ECHOD_BYTES_OUT", record->bytes_out);
    if (record->messages > 0)
        add_number(&fields, "ECHOD_MESSAGES", record->messages);
    add_number(&fields, "ECHOD_DURATION_USEC", now_usec() - client->accepted_usec);
    add_tls(&fields, &record->tls);
    add_text(&fields, "ECHOD_ERROR", record->error);
    snprintf(message, sizeof(message), "%s: client %s %s%s%s, %" PRIu64 " bytes echoed",
             client->listener, addr_format(peer, name), kinds[record->end].sentence,
             record->error[0] ? ": " : "", record->error, record->bytes_out);
    log_event(level, message, fields.field, fields.n);
}
