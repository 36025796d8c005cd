/* test_proxy_reader_session.c - a session whose client comes through a proxy. */
#include "../child/session_helper.h"

#include "parent/admission.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"

static struct cidr loopback = {.family = AF_INET, .bytes = {127}, .bits = 8};
static struct cidr documentation = {.family = AF_INET, .bytes = {192, 0, 2}, .bits = 24};
static const struct access_rules anybody;

static struct session_params behind_proxy(int mode)
{
    return (struct session_params){.preface = {mode, {1, &loopback}},
                                   .rules = &anybody,
                                   .limits.handshake_usec = USEC_PER_SEC};
}

static void assert_named(const struct record *record, const char *name)
{
    char text[ADDR_TEXT_MAX] = "";

    if (record->client.len > 0)
        addr_format(&record->client, text);
    assert_string_equal(text, name);
}

static void the_client_is_the_one_named(void **state)
{
    struct visitor client = begin(state, behind_proxy(PROXY_REQUIRED));
    struct record record;

    put(&client, LINE "hello");
    get(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    get_eof(&client);
    record = end_of(&client);
    assert_record(&record, END_CLOSED, 5, 5); /* the header is not the client's */
    assert_named(&record, "192.0.2.1:56324");
}

static void the_header_comes_before_tls(void **state)
{
    struct session_params params = behind_proxy(PROXY_REQUIRED);
    struct visitor client;
    struct record record;

    params.tls = server;
    client = begin(state, params);
    put(&client, LINE);
    shake_hands(&client);
    put_tls(&client, "hello");
    get_tls(&client, "hello");
    SSL_shutdown(client.ssl);
    get_close_notify(&client);
    leave(&client);
    record = end_of(&client);
    assert_record(&record, END_CLOSED, 5, 5);
    assert_named(&record, "192.0.2.1:56324");
    assert_string_equal(record.tls.version, "TLSv1.3");
}

static void optional_leaves_tls_alone(void **state)
{
    struct visitor client = begin_tls(state, behind_proxy(PROXY_OPTIONAL));

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    SSL_shutdown(client.ssl);
    get_close_notify(&client);
    leave(&client);
    assert_ends(&client, END_CLOSED, 5, "");
}

/* Bytes that were read and given back are seen by the look at the protocol too. */
static void what_is_no_header_is_no_tls(void **state)
{
    struct session_params params = behind_proxy(PROXY_OPTIONAL);
    struct visitor client;

    params.tls = server;
    client = begin(state, params);
    put(&client, "PRO");
    usleep(20 * 1000);
    put(&client, "XIMITY");
    get_eof(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_WRONG_PROTOCOL, 0, "it sent text where TLS is spoken");
}

/* As the health checks of proxies do. */
static void a_header_alone_is_a_probe(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct session_params params = behind_proxy(PROXY_REQUIRED);
        struct visitor client;
        struct record record;

        params.tls = tls ? server : NULL;
        client = begin(state, params);
        put(&client, "PROXY UNKNOWN\r\n");
        leave(&client);
        record = end_of(&client);
        assert_record(&record, END_PROBE, 0, 0);
        assert_named(&record, "");
    }
}

static void nothing_at_all_is_a_probe(void **state)
{
    struct visitor client = begin(state, behind_proxy(PROXY_REQUIRED));

    leave(&client);
    assert_ends(&client, END_PROBE, 0, "");
}

static void a_header_that_is_missing_ends_it(void **state)
{
    struct visitor client = begin(state, behind_proxy(PROXY_REQUIRED));

    put(&client, "hello");
    get_eof(&client);
    assert_ends(&client, END_PROXY_ERROR, 0, "it sent text where the PROXY protocol is required");
}

/* One time for the header and the handshake together. */
static void the_header_takes_of_the_time_for_tls(void **state)
{
    struct session_params params = behind_proxy(PROXY_REQUIRED);
    uint64_t start = now_usec();
    struct visitor client;

    params.tls = server;
    params.limits.handshake_usec = 3 * USEC_PER_SEC;
    client = begin(state, params);
    usleep(2700 * 1000);
    put(&client, LINE);
    get_eof(&client);
    assert_true(now_usec() - start < 55 * USEC_PER_SEC / 10);
    shutdown(client.fd, SHUT_WR);
    assert_record(&(struct record){.end = end_of(&client).end}, END_HANDSHAKE_TIMEOUT, 0, 0);
}

/* With no time set for handshakes, silence has the same end as any. */
static void silence_without_a_time_is_idle(void **state)
{
    struct session_params params = behind_proxy(PROXY_REQUIRED);
    struct visitor client;

    params.limits.handshake_usec = 0;
    params.limits.idle_usec = USEC_PER_SEC / 10;
    client = begin(state, params);
    get_eof(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_IDLE, 0, "the PROXY header was not there in time");
}

static void the_session_ends_a_header_too(void **state)
{
    struct session_params params = behind_proxy(PROXY_REQUIRED);
    struct visitor client;

    params.limits.session_usec = USEC_PER_SEC / 10;
    client = begin(state, params);
    get_eof(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_SESSION_TIMEOUT, 0, "the PROXY header was not there in time");
}

static void assert_kept_out(void **state, const struct access_rules *rules, const char *error)
{
    struct session_params params = behind_proxy(PROXY_OPTIONAL);
    struct visitor client;
    struct record record;

    params.rules = rules;
    client = begin(state, params);
    put(&client, LINE "hello");
    get_eof(&client);
    record = end_of(&client);
    assert_record(&record, END_REFUSED, 0, 0);
    assert_named(&record, "192.0.2.1:56324");
    assert_string_equal(record.error, error);
}

static void the_lists_hold_for_who_is_named(void **state)
{
    const struct access_rules deny = {.deny = {1, &documentation}};
    const struct access_rules allow = {.allow = {1, &loopback}};

    assert_kept_out(state, &deny, "deny refuses the client that the proxy names");
    assert_kept_out(state, &allow, "allow refuses the client that the proxy names");
}

/* Whoever is named by nobody has passed them at the door. */
static void the_lists_are_not_asked_twice(void **state)
{
    const struct access_rules deny = {.deny = {1, &loopback}};
    struct session_params params = behind_proxy(PROXY_OPTIONAL);
    struct visitor client;

    params.rules = &deny;
    client = begin(state, params);
    put(&client, "PROXY UNKNOWN\r\nhello");
    get(&client, "hello");
    leave(&client);
    assert_ends(&client, END_CLOSED, 5, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(the_client_is_the_one_named),
        OVER_BOTH(the_header_comes_before_tls),
        OVER_BOTH(optional_leaves_tls_alone),
        OVER_BOTH(what_is_no_header_is_no_tls),
        OVER_BOTH(a_header_alone_is_a_probe),
        OVER_BOTH(nothing_at_all_is_a_probe),
        OVER_BOTH(a_header_that_is_missing_ends_it),
        OVER_BOTH(the_header_takes_of_the_time_for_tls),
        OVER_BOTH(silence_without_a_time_is_idle),
        OVER_BOTH(the_session_ends_a_header_too),
        OVER_BOTH(the_lists_hold_for_who_is_named),
        OVER_BOTH(the_lists_are_not_asked_twice),
    };

    if (!getenv("PKI")) {
        fputs("PKI does not name a directory that certs/make-certs made\n", stderr);
        return 77;
    }
    alarm(120);               /* a test that waits for ever fails */
    signal(SIGPIPE, SIG_IGN); /* as main() does: OpenSSL writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
