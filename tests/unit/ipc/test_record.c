/* test_record.c - the line that a client leaves, as a journal reads it that this file plays. */
#include "ipc/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIELDS_MAX 32

/* The last entry, taken apart. */
static struct {
    unsigned n_entries;
    char text[8192];
    size_t n;
    char *names[FIELDS_MAX];
    char *values[FIELDS_MAX];
} journal;

/* Takes the place of the C library's, so that no journal is needed and none is disturbed. */
ssize_t sendto(int fd, const void *data, size_t n, int flags, __CONST_SOCKADDR_ARG to,
               socklen_t to_length)
{
    (void)fd, (void)flags, (void)to, (void)to_length;
    assert_true(n < sizeof(journal.text));
    memcpy(journal.text, data, n);
    journal.text[n] = '\0';
    journal.n_entries++;
    journal.n = 0;
    for (char *line = strtok(journal.text, "\n"); line; line = strtok(NULL, "\n")) {
        char *equals = strchr(line, '=');

        assert_non_null(equals);
        assert_true(journal.n < FIELDS_MAX);
        *equals = '\0';
        journal.names[journal.n] = line;
        journal.values[journal.n++] = equals + 1;
    }
    return (ssize_t)n;
}

static int open_journal(void **state)
{
    (void)state;
    memset(&journal, 0, sizeof(journal));
    log_open(LOG_TARGET_JOURNAL, LOG_DEBUG);
    return 0;
}

static int close_journal(void **state)
{
    (void)state;
    log_close();
    return 0;
}

/* The value of a field, or NULL; no field may come twice. */
static const char *field(const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < journal.n; i++) {
        if (strcmp(journal.names[i], name) == 0) {
            assert_null(value);
            value = journal.values[i];
        }
    }
    return value;
}

static void assert_field(const char *name, const char *value)
{
    assert_non_null(field(name));
    assert_string_equal(field(name), value);
}

static struct client client_at(const char *address, unsigned port)
{
    struct client client = {.listener = "echo", .accepted_usec = now_usec()};

    client.peer.len = sizeof(client.peer.in);
    client.peer.in.sin_family = AF_INET;
    client.peer.in.sin_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET, address, &client.peer.in.sin_addr), 1);
    return client;
}

static const struct tls_facts facts = {
    .version = "TLSv1.3",
    .cipher = "TLS_AES_256_GCM_SHA384",
    .group = "x25519",
    .sni = "echo.example",
    .alpn = "echo",
};

/* ---- the words ---- */

/* The words and levels are a contract: whoever filters the journal relies on them. */
static const struct {
    enum end end;
    const char *name;
    const char *priority;
} ends[] = {
    {END_CRASHED, "crashed", "3"},
    {END_CLOSED, "closed", "6"},
    {END_TRUNCATED, "truncated", "6"},
    {END_PROBE, "probe", "7"},
    {END_RESET, "reset", "6"},
    {END_IDLE, "idle", "6"},
    {END_HANDSHAKE_TIMEOUT, "handshake_timeout", "6"},
    {END_SESSION_TIMEOUT, "session_timeout", "6"},
    {END_MAX_BYTES, "max_bytes", "6"},
    {END_MESSAGE_TOO_LONG, "message_too_long", "6"},
    {END_TLS_ERROR, "tls_error", "6"},
    {END_CLIENT_CERT, "client_cert", "6"},
    {END_WRONG_PROTOCOL, "wrong_protocol", "6"},
    {END_PROXY_ERROR, "proxy_error", "6"},
    {END_REFUSED, "refused", "5"},
    {END_DRAINED, "drained", "5"},
};

static void every_end_has_its_word(void **state)
{
    (void)state;
    assert_int_equal(sizeof(ends) / sizeof(ends[0]), END_COUNT);
    for (size_t i = 0; i < END_COUNT; i++)
        assert_string_equal(end_name(ends[i].end), ends[i].name);
}

static void what_is_no_end_is_a_crash(void **state)
{
    (void)state;
    assert_string_equal(end_name(END_COUNT), "crashed");
    assert_string_equal(end_name(-1), "crashed");
    assert_string_equal(end_name(INT32_MAX), "crashed");
    assert_string_equal(end_name(INT32_MIN), "crashed");
}

static void a_zeroed_record_is_a_crash(void **state)
{
    const struct record record = {.bytes_in = 0};

    (void)state;
    assert_int_equal(record.end, END_CRASHED);
}

static void every_end_has_its_level(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);

    (void)state;
    for (size_t i = 0; i < END_COUNT; i++) {
        const struct record record = {.end = (int)ends[i].end};

        record_log(&client, &record);
        assert_int_equal(journal.n_entries, i + 1);
        assert_field("ECHOD_END", ends[i].name);
        assert_field("PRIORITY", ends[i].priority);
    }
}

static void refusals_are_told_together(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);

    (void)state;
    record_log_refused("plain", &client.peer, "rate", 12);
    assert_int_equal(journal.n_entries, 1);
    assert_field("ECHOD_END", "refused");
    assert_field("ECHOD_LISTENER", "plain");
    assert_field("ECHOD_CLIENT", "192.0.2.1");
    assert_field("ECHOD_CLIENT_PORT", "40000");
    assert_field("ECHOD_RULE", "rate");
    assert_field("ECHOD_COUNT", "12");
    assert_field("MESSAGE", "plain: client 192.0.2.1 was refused by the rule rate, 12 times");
}

/* sd-id128(3): 32 hexadecimal digits, another one for each kind of message. */
static void every_end_has_a_message_id_of_its_own(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    char ids[END_COUNT][33];

    (void)state;
    for (int end = 0; end < END_COUNT; end++) {
        const struct record record = {.end = end};

        record_log(&client, &record);
        assert_int_equal(strspn(field("MESSAGE_ID"), "0123456789abcdef"), 32);
        assert_int_equal(strlen(field("MESSAGE_ID")), 32);
        memcpy(ids[end], field("MESSAGE_ID"), sizeof(ids[end]));
        for (int other = 0; other < end; other++)
            assert_string_not_equal(ids[end], ids[other]);
    }
}

static void lines_below_the_level_are_left_out(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    const struct record probe = {.end = END_PROBE}, closed = {.end = END_CLOSED};

    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    record_log(&client, &probe);
    assert_int_equal(journal.n_entries, 0);
    record_log(&client, &closed);
    assert_int_equal(journal.n_entries, 1);
}

/* ---- the fields ---- */

static void a_plain_client_leaves_these_fields(void **state)
{
    struct client client = client_at("192.0.2.1", 40000);
    const struct record record = {
        .end = END_CLOSED, .bytes_in = 18446744073709551615u, .bytes_out = 12};

    (void)state;
    record_log(&client, &record);
    assert_int_equal(journal.n_entries, 1);
    assert_field("SYSLOG_IDENTIFIER", "echod");
    assert_field("ECHOD_END", "closed");
    assert_field("ECHOD_LISTENER", "echo");
    assert_field("ECHOD_CLIENT", "192.0.2.1");
    assert_field("ECHOD_CLIENT_PORT", "40000");
    assert_field("ECHOD_BYTES_IN", "18446744073709551615");
    assert_field("ECHOD_BYTES_OUT", "12");
    assert_non_null(field("ECHOD_DURATION_USEC"));
    assert_int_equal(journal.n, 11); /* and no others: PRIORITY, MESSAGE and MESSAGE_ID are left */
}

static void a_tls_client_leaves_what_was_agreed_on(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    struct record record = {.end = END_CLOSED, .tls = facts};

    (void)state;
    record_log(&client, &record);
    assert_field("ECHOD_TLS_VERSION", "TLSv1.3");
    assert_field("ECHOD_TLS_CIPHER", "TLS_AES_256_GCM_SHA384");
    assert_field("ECHOD_TLS_GROUP", "x25519");
    assert_field("ECHOD_TLS_RESUMED", "0");
    assert_field("ECHOD_TLS_SNI", "echo.example");
    assert_field("ECHOD_TLS_ALPN", "echo");
    assert_int_equal(journal.n, 17);

    record.tls.resumed = true;
    record_log(&client, &record);
    assert_field("ECHOD_TLS_RESUMED", "1");
}

/* Where the framing has no messages, or none came, there is nothing to count. */
static void messages_are_counted_where_there_are_any(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    struct record record = {.end = END_MESSAGE_TOO_LONG, .messages = 18446744073709551615u};

    (void)state;
    record_log(&client, &record);
    assert_field("ECHOD_MESSAGES", "18446744073709551615");
    assert_field("MESSAGE", "echo: client 192.0.2.1:40000 sent a message longer than it may, "
                            "0 bytes echoed");
    assert_int_equal(journal.n, 12);

    record.messages = 0;
    record_log(&client, &record);
    assert_null(field("ECHOD_MESSAGES"));
}

static void what_tls_did_not_agree_on_is_left_out(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    struct record record = {.end = END_CLOSED, .tls = facts};

    (void)state;
    record.tls.sni[0] = record.tls.alpn[0] = record.tls.group[0] = '\0';
    record_log(&client, &record);
    assert_null(field("ECHOD_TLS_SNI"));
    assert_null(field("ECHOD_TLS_ALPN"));
    assert_null(field("ECHOD_TLS_GROUP"));
    assert_field("ECHOD_TLS_VERSION", "TLSv1.3");
}

static void the_duration_runs_from_accept(void **state)
{
    struct client client = client_at("192.0.2.1", 40000);
    const struct record record = {.end = END_CLOSED};
    uint64_t before, least, duration;

    (void)state;
    client.accepted_usec -= 5 * USEC_PER_SEC;
    before = now_usec();
    record_log(&client, &record);
    least = before - client.accepted_usec;
    duration = strtoull(field("ECHOD_DURATION_USEC"), NULL, 10);
    assert_true(duration >= least);
    assert_true(duration <= least + (now_usec() - before));
}

static void a_client_without_a_path_has_no_port(void **state)
{
    const struct client client = {
        .listener = "local",
        .peer = {.len = sizeof(sa_family_t), .un = {.sun_family = AF_UNIX}},
        .accepted_usec = now_usec(),
    };
    const struct record record = {.end = END_CLOSED};

    (void)state;
    record_log(&client, &record);
    assert_field("ECHOD_CLIENT", "unix");
    assert_null(field("ECHOD_CLIENT_PORT"));
    assert_field("MESSAGE", "local: client unix closed, 0 bytes echoed");
}

static struct record named(int end, const char *address, unsigned port)
{
    return (struct record){.end = end, .client = client_at(address, port).peer};
}

static void a_proxy_names_the_client(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    const struct record record = named(END_CLOSED, "198.51.100.7", 1234);

    (void)state;
    record_log(&client, &record);
    assert_field("ECHOD_CLIENT", "198.51.100.7");
    assert_field("ECHOD_CLIENT_PORT", "1234");
    assert_field("ECHOD_PROXY", "192.0.2.1:40000");
    assert_field("MESSAGE", "echo: client 198.51.100.7:1234 closed, 0 bytes echoed");
    assert_null(field("ECHOD_RULE"));
    assert_int_equal(journal.n, 12);
}

static void a_named_client_is_refused_by_a_list(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    struct record record = named(END_REFUSED, "198.51.100.7", 1234);

    (void)state;
    record.rule = ACCESS_ALLOW;
    record_sanitize(&record);
    record_log(&client, &record);
    assert_field("ECHOD_END", "refused");
    assert_field("ECHOD_CLIENT", "198.51.100.7");
    assert_field("ECHOD_PROXY", "192.0.2.1:40000");
    assert_field("ECHOD_RULE", "allow");
    assert_field("ECHOD_COUNT", "1");
}

static void the_message_is_a_sentence_with_the_reason(void **state)
{
    const struct client client = client_at("192.0.2.1", 40000);
    struct record record = {.end = END_CLOSED, .bytes_in = 9, .bytes_out = 7};

    (void)state;
    record_log(&client, &record);
    assert_field("MESSAGE", "echo: client 192.0.2.1:40000 closed, 7 bytes echoed");
    assert_null(field("ECHOD_ERROR"));

    record.end = END_RESET;
    strcpy(record.error, "Connection reset by peer");
    record_log(&client, &record);
    assert_field("MESSAGE", "echo: client 192.0.2.1:40000 broke the connection: "
                            "Connection reset by peer, 7 bytes echoed");
    assert_field("ECHOD_ERROR", "Connection reset by peer");
}

/* ---- records from a child that may have written anything ---- */

static void assert_ends(const char *text, size_t size)
{
    assert_int_equal(strnlen(text, size), size - 1);
}

static void every_text_is_made_to_end(void **state)
{
    struct record record;

    (void)state;
    memset(&record, 'x', sizeof(record));
    record_sanitize(&record);
    assert_ends(record.tls.version, sizeof(record.tls.version));
    assert_ends(record.tls.cipher, sizeof(record.tls.cipher));
    assert_ends(record.tls.group, sizeof(record.tls.group));
    assert_ends(record.tls.sni, sizeof(record.tls.sni));
    assert_ends(record.tls.alpn, sizeof(record.tls.alpn));
    assert_ends(record.error, sizeof(record.error));
}

/* Also one that is for the parent to say. */
static void an_end_out_of_range_is_a_crash(void **state)
{
    static const int wrong[] = {END_COUNT, -1, INT32_MAX, INT32_MIN, END_DRAINED};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct record record = {.end = wrong[i]};

        record_sanitize(&record);
        assert_int_equal(record.end, END_CRASHED);
    }
}

/* A child refuses only clients that a proxy has named, and only by a list. */
static void a_refusal_that_no_child_can_say_is_a_crash(void **state)
{
    static const int wrong[] = {ACCESS_OK, ACCESS_SOURCE, ACCESS_RATE, ACCESS_RULES, -1};
    struct record record = {.end = END_REFUSED, .rule = ACCESS_DENY};

    (void)state;
    record_sanitize(&record);
    assert_int_equal(record.end, END_CRASHED);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        record = named(END_REFUSED, "198.51.100.7", 1234);
        record.rule = wrong[i];
        record_sanitize(&record);
        assert_int_equal(record.end, END_CRASHED);
    }
}

static void an_address_of_no_family_is_none(void **state)
{
    struct record record = {.client = {.len = 16, .sa.sa_family = AF_PACKET}};

    (void)state;
    record_sanitize(&record);
    assert_int_equal(record.client.len, 0);
}

/* Whatever the length says; and a zone is nothing that a proxy can name. */
static void an_address_is_made_whole(void **state)
{
    static const struct {
        sa_family_t family;
        socklen_t length;
    } wanted[] = {{AF_INET, sizeof(struct sockaddr_in)},
                  {AF_INET6, sizeof(struct sockaddr_in6)},
                  {AF_UNIX, sizeof(struct sockaddr_un)}};

    (void)state;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct record record = {.end = END_CLOSED};
        char text[ADDR_TEXT_MAX];

        memset(&record.client, 0xff, sizeof(record.client));
        record.client.sa.sa_family = wanted[i].family;
        record_sanitize(&record);
        assert_int_equal(record.client.len, wanted[i].length);
        assert_true(strlen(addr_format(&record.client, text)) < ADDR_TEXT_MAX);
        assert_null(strchr(text, '%'));
    }
}

static void a_right_record_stays_as_it_is(void **state)
{
    struct record record = {.end = END_WRONG_PROTOCOL, .bytes_in = 1, .bytes_out = 2, .tls = facts};
    struct record before;

    (void)state;
    strcpy(record.error, "the reason");
    record.client = client_at("192.0.2.1", 7).peer;
    before = record;
    record_sanitize(&record);
    assert_memory_equal(&record, &before, sizeof(record));
}

/* Whatever the bytes, what comes out is one entry of well-formed fields. */
static void a_sanitized_record_can_be_logged(void **state)
{
    const struct client client = client_at("255.255.255.255", 65535);
    struct record record;

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        memset(&record, byte, sizeof(record));
        record_sanitize(&record);
        record_log(&client, &record);
        assert_int_equal(journal.n_entries, byte);
        assert_field("ECHOD_END", "crashed");
        assert_field("ECHOD_CLIENT", "255.255.255.255");
    }
}

#define with_journal(test) cmocka_unit_test_setup_teardown(test, open_journal, close_journal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_word),
        cmocka_unit_test(what_is_no_end_is_a_crash),
        cmocka_unit_test(a_zeroed_record_is_a_crash),
        with_journal(every_end_has_its_level),
        with_journal(refusals_are_told_together),
        with_journal(every_end_has_a_message_id_of_its_own),
        with_journal(lines_below_the_level_are_left_out),
        with_journal(a_plain_client_leaves_these_fields),
        with_journal(a_tls_client_leaves_what_was_agreed_on),
        with_journal(messages_are_counted_where_there_are_any),
        with_journal(what_tls_did_not_agree_on_is_left_out),
        with_journal(the_duration_runs_from_accept),
        with_journal(a_client_without_a_path_has_no_port),
        with_journal(a_proxy_names_the_client),
        with_journal(a_named_client_is_refused_by_a_list),
        with_journal(the_message_is_a_sentence_with_the_reason),
        cmocka_unit_test(every_text_is_made_to_end),
        cmocka_unit_test(an_end_out_of_range_is_a_crash),
        cmocka_unit_test(a_refusal_that_no_child_can_say_is_a_crash),
        cmocka_unit_test(an_address_of_no_family_is_none),
        cmocka_unit_test(an_address_is_made_whole),
        cmocka_unit_test(a_right_record_stays_as_it_is),
        with_journal(a_sanitized_record_can_be_logged),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
