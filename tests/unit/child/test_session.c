/* test_session.c - one client from start to end: every way to end that is its own doing. */
#include "session_helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a session and its peer ---- */

static struct visitor begin_plain(void **state)
{
    return begin(state, (struct session_params){.tls = NULL});
}

/* Leave so that the kernel sends RST. */
static void leave_by_reset(struct visitor *client)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    leave(client);
}

/* ---- an orderly end ---- */

static void client_that_ends_is_closed(void **state)
{
    struct visitor client = begin_plain(state);

    put(&client, "hello");
    get(&client, "hello");
    put(&client, "bye");
    shutdown(client.fd, SHUT_WR);
    get(&client, "bye");
    get_eof(&client);
    assert_ends(&client, END_CLOSED, 8, "");
}

static void tls_client_that_ends_is_closed(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});
    struct record record;

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    put_tls(&client, "bye");
    assert_int_equal(SSL_shutdown(client.ssl), 0);
    get_tls(&client, "bye");
    get_close_notify(&client);
    get_eof(&client);
    leave(&client);
    record = end_of(&client);
    assert_record(&record, END_CLOSED, 8, 8);
    assert_string_equal(record.error, "");
    assert_string_equal(record.tls.version, "TLSv1.3");
    assert_string_not_equal(record.tls.cipher, "");
}

/* Nobody waits for the grace of a peer that has ended its side. */
static void orderly_end_is_quick(void **state)
{
    uint64_t start = now_usec();

    for (int i = 0; i < 20; i++) {
        struct visitor client = begin_plain(state);

        put(&client, "x");
        shutdown(client.fd, SHUT_WR);
        get(&client, "x");
        assert_ends(&client, END_CLOSED, 1, "");
    }
    assert_true(now_usec() - start < 15 * USEC_PER_SEC);
}

/* A peer that leaves with our answer unread has had it all the same: that is no failure of ours. */
static void answer_may_stay_unread(void **state)
{
    struct visitor client = begin_plain(state);

    put(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    await_end(&client);
    leave(&client);
    assert_ends(&client, END_CLOSED, 5, "");
}

/* ---- a client that never says a word ---- */

static void silent_client_is_a_probe(void **state)
{
    struct visitor client = begin_plain(state);

    leave(&client);
    assert_ends(&client, END_PROBE, 0, "");
}

static void silent_client_that_resets_is_a_probe(void **state)
{
    struct visitor client = begin_plain(state);
    struct record record;

    leave_by_reset(&client);
    record = end_of(&client);
    assert_record(&record, END_PROBE, 0, 0);
}

static void silent_client_of_tls_is_a_probe(void **state)
{
    struct visitor client = begin(state, (struct session_params){.tls = server});
    struct record record;

    leave(&client);
    record = end_of(&client);
    assert_record(&record, END_PROBE, 0, 0);
    assert_string_equal(record.tls.version, "");
}

/* A handshake is more than a port scan does. */
static void client_without_data_is_no_probe_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    SSL_shutdown(client.ssl);
    get_close_notify(&client);
    leave(&client);
    assert_ends(&client, END_CLOSED, 0, "");
}

/* ---- a connection that breaks ---- */

static void eof_without_close_notify_is_truncated(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    put_tls(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    get_tls(&client, "hello");
    get_close_notify(&client);
    assert_ends(&client, END_TRUNCATED, 5, "");
}

static void reset_is_told(void **state)
{
    struct visitor client = begin_plain(state);

    put(&client, "hello");
    get(&client, "hello");
    leave_by_reset(&client);
    assert_ends(&client, END_RESET, 5, "Connection reset by peer");
}

static void reset_is_told_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    leave_by_reset(&client);
    assert_ends(&client, END_RESET, 5, "Connection reset by peer");
}

static void reset_in_the_handshake_is_told(void **state)
{
    static const char half_a_hello[] = {22, 3, 1, 2, 0, 1, 0};
    struct visitor client = begin(state, (struct session_params){.tls = server});

    assert_int_equal(send(client.fd, half_a_hello, sizeof(half_a_hello), 0), 7);
    leave_by_reset(&client);
    assert_ends(&client, END_RESET, 0, "Connection reset by peer");
}

static void what_is_no_hello_is_the_wrong_protocol(void **state)
{
    struct visitor client = begin(state, (struct session_params){.tls = server});

    put(&client, "GET / HTTP/1.0\r\n\r\n");
    get_eof(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_WRONG_PROTOCOL, 0, "it sent HTTP where TLS is spoken");
}

static void silence_before_the_hello_has_an_end(void **state)
{
    struct visitor client =
        begin(state, (struct session_params){.tls = server, .limits.handshake_usec = USEC_PER_SEC});

    get_eof(&client);
    assert_ends(&client, END_HANDSHAKE_TIMEOUT, 0, "");
}

/* Echoed like anything else, and noted. */
static void hello_on_a_plain_stream_is_noted(void **state)
{
    static const char hello[] = {22, 3, 1, 0, 5, 1, 0, 0, 1, 3};
    struct visitor client = begin(state, (struct session_params){.tls = NULL});
    char echo[sizeof(hello)];

    assert_int_equal(send(client.fd, hello, sizeof(hello), 0), sizeof(hello));
    assert_int_equal(recv(client.fd, echo, sizeof(echo), MSG_WAITALL), sizeof(echo));
    assert_memory_equal(echo, hello, sizeof(echo));
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_CLOSED, sizeof(hello), "it sent TLS where none is spoken");
}

/* A client that closes with an alert unread sends RST; what it did before stays the reason. */
static void reset_does_not_hide_the_tls_error(void **state)
{
    static const char too_long[] = {22, 3, 1, 0, 5, 1, (char)255, (char)255, (char)255, 3};
    struct visitor client = begin(state, (struct session_params){.tls = server});

    assert_int_equal(send(client.fd, too_long, sizeof(too_long), 0), sizeof(too_long));
    await_end(&client);
    leave_by_reset(&client);
    assert_ends(&client, END_TLS_ERROR, 0, "excessive message size");
}

static void forged_record_is_a_tls_error(void **state)
{
    static const char forged[45] = {23, 3, 3, 0, 40, 1, 2, 3};
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    assert_int_equal(send(client.fd, forged, sizeof(forged), 0), sizeof(forged));
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_TLS_ERROR, 5, "decryption failed or bad record mac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(client_that_ends_is_closed),
        OVER_BOTH(tls_client_that_ends_is_closed),
        OVER_BOTH(orderly_end_is_quick),
        OVER_BOTH(answer_may_stay_unread),
        OVER_BOTH(silent_client_is_a_probe),
        OVER(tcp, silent_client_that_resets_is_a_probe),
        OVER_BOTH(silent_client_of_tls_is_a_probe),
        OVER_BOTH(client_without_data_is_no_probe_in_tls),
        OVER_BOTH(eof_without_close_notify_is_truncated),
        OVER(tcp, reset_is_told),
        OVER(tcp, reset_is_told_in_tls),
        OVER(tcp, reset_in_the_handshake_is_told),
        OVER_BOTH(what_is_no_hello_is_the_wrong_protocol),
        OVER_BOTH(silence_before_the_hello_has_an_end),
        OVER_BOTH(hello_on_a_plain_stream_is_noted),
        OVER(tcp, reset_does_not_hide_the_tls_error),
        OVER_BOTH(forged_record_is_a_tls_error),
    };

    if (!getenv("PKI")) {
        fputs("PKI does not name a directory that certs/make-certs made\n", stderr);
        return 77;
    }
    alarm(120);               /* a test that waits for ever fails */
    signal(SIGPIPE, SIG_IGN); /* as main() does: OpenSSL writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
