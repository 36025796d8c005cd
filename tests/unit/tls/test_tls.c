/*
 * test_tls.c - TLS as a kind of stream, against a client made of OpenSSL: the handshake, bytes,
 * EOF, failure.
 */
#include "../between.h"
#include "tls_helper.h"

#include <string.h>
#include <sys/socket.h>

static void client_sends(struct link *link, const char *text)
{
    assert_int_equal(SSL_write(link->client, text, (int)strlen(text)), strlen(text));
}

static void assert_reads(struct link *link, const char *text)
{
    char data[64];
    size_t n = 0;

    assert_int_equal(stream_read(&link->stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(data, text, n);
}

static void server_sends(struct link *link, const char *text)
{
    size_t n = 0;

    assert_int_equal(stream_write(&link->stream, text, strlen(text), &n), STREAM_OK);
    assert_int_equal(n, strlen(text));
}

static void assert_client_reads(struct link *link, const char *text)
{
    char data[64];

    assert_int_equal(SSL_read(link->client, data, sizeof(data)), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static void client_sends_raw(const struct link *link, const void *data, size_t size)
{
    assert_int_equal(send(link->peer, data, size, 0), size);
}

/* ---- tests: the handshake and what it agreed on ---- */

static void handshake_is_described(void **state)
{
    const struct version *version = *state;
    struct link link = own_link(version->number);
    struct tls_facts facts = {.alpn = "?"};

    tls_describe(&link.stream, &facts);
    assert_string_equal(facts.version, version->name);
    assert_string_equal(facts.cipher, SSL_get_cipher_name(link.client));
    assert_string_equal(facts.group, group_of(link.client));
    assert_string_equal(facts.sni, "localhost");
    assert_string_equal(facts.alpn, "");
    assert_false(facts.resumed);
    assert_true(link.stream.heard);
    close_own(&link);
}

static void client_without_a_name_is_described(void **state)
{
    struct tls_server *server = good_server();
    SSL_CTX *ctx = client_context(version_of(state));
    struct link link = open_link(server, ctx);
    struct tls_facts facts = {.sni = "?"};

    SSL_set_tlsext_host_name(link.client, NULL);
    assert_int_equal(shake_hands(&link), STREAM_OK);
    tls_describe(&link.stream, &facts);
    assert_string_equal(facts.sni, "");
    close_own(&link);
    tls_server_free(server);
}

static void chosen_group_is_described(void **state)
{
    struct tls_params params = good_params();
    struct tls_server *server;
    struct tls_facts facts = {.resumed = true};
    struct link link;

    params.groups = "P-384";
    server = new_server(&params);
    link = connected_link(server, client_context(version_of(state)));
    tls_describe(&link.stream, &facts);
    assert_string_equal(facts.group, "secp384r1");
    assert_false(facts.resumed);
    close_own(&link);
    tls_server_free(server);
}

static void plain_stream_has_nothing_to_describe(void **state)
{
    struct tls_facts facts, before;
    struct stream stream;

    (void)state;
    memset(&before, 0x5a, sizeof(before));
    facts = before;
    stream_open(&stream, -1);
    tls_describe(&stream, &facts);
    assert_memory_equal(&facts, &before, sizeof(facts));
}

static void handshake_wants_to_read_first(void **state)
{
    struct tls_server *server = good_server();
    struct link link = open_link(server, client_context(0));

    (void)state;
    assert_int_equal(stream_handshake(&link.stream), STREAM_WANT_READ);
    assert_false(link.stream.heard);
    assert_int_equal(shake_hands(&link), STREAM_OK);
    close_own(&link);
    tls_server_free(server);
}

/* ---- tests: bytes, EOF, failure ---- */

static void bytes_go_both_ways(void **state)
{
    struct link link = own_link(version_of(state));

    assert_read_answers(&link, STREAM_WANT_READ);
    client_sends(&link, "there");
    assert_reads(&link, "there");
    server_sends(&link, "and back");
    assert_client_reads(&link, "and back");
    close_own(&link);
}

/*
 * A write that was put off is repeated from another place, with more behind it, as echo.c's ring
 * does; a write may also take a part only.
 */
static void put_off_write_may_move_and_grow(void **state)
{
    struct link link = own_link(version_of(state));
    static char from[2][40000], to[4000000];
    size_t written = 0, received = 0, n = 0;
    enum stream_status status;

    memset(from, 'x', sizeof(from));
    while ((status = stream_write(&link.stream, from[0], 20000, &n)) == STREAM_OK)
        written += n;
    assert_int_equal(status, STREAM_WANT_WRITE);
    for (int result = 1; result == 1; received += result == 1 ? n : 0)
        result = SSL_read_ex(link.client, to, sizeof(to), &n);
    assert_int_equal(stream_write(&link.stream, from[1], 40000, &n), STREAM_OK);
    assert_between(n, 1, 40000);
    written += n;
    while (received < written && SSL_read_ex(link.client, to, sizeof(to), &n) == 1)
        received += n;
    assert_int_equal(received, written);
    close_own(&link);
}

static void close_notify_is_an_orderly_end(void **state)
{
    struct link link = own_link(version_of(state));
    char byte;

    client_sends(&link, "last");
    assert_int_equal(SSL_shutdown(link.client), 0);
    shutdown(link.peer, SHUT_WR);
    assert_reads(&link, "last");
    assert_read_answers(&link, STREAM_EOF);
    assert_read_answers(&link, STREAM_EOF);
    assert_false(link.stream.truncated);
    server_sends(&link, "answer");
    assert_int_equal(stream_finish(&link.stream), STREAM_OK);
    assert_true(link.stream.finished);
    assert_client_reads(&link, "answer");
    assert_int_equal(SSL_read(link.client, &byte, 1), 0);
    assert_int_equal(SSL_get_error(link.client, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(recv(link.peer, &byte, 1, 0), 0);
    close_own(&link);
}

static void finish_leaves_reading(void **state)
{
    struct link link = own_link(version_of(state));

    assert_int_equal(stream_finish(&link.stream), STREAM_OK);
    client_sends(&link, "still");
    assert_reads(&link, "still");
    assert_read_answers(&link, STREAM_WANT_READ);
    close_own(&link);
}

static void eof_without_close_notify_is_truncated(void **state)
{
    struct link link = own_link(version_of(state));

    client_sends(&link, "last");
    shutdown(link.peer, SHUT_WR);
    assert_reads(&link, "last");
    assert_read_answers(&link, STREAM_EOF);
    assert_true(link.stream.truncated);
    server_sends(&link, "answer");
    assert_client_reads(&link, "answer");
    close_own(&link);
}

static void eof_within_a_record_is_truncated(void **state)
{
    static const unsigned char half[] = {23, 3, 3, 0, 40, 1, 2, 3};
    struct link link = own_link(version_of(state));

    client_sends_raw(&link, half, sizeof(half));
    shutdown(link.peer, SHUT_WR);
    assert_read_answers(&link, STREAM_EOF);
    assert_true(link.stream.truncated);
    close_own(&link);
}

static void forged_record_fails(void **state)
{
    static const unsigned char forged[45] = {23, 3, 3, 0, 40, 1, 2, 3};
    struct link link = own_link(version_of(state));

    client_sends_raw(&link, forged, sizeof(forged));
    assert_read_answers(&link, STREAM_FAILED);
    assert_int_equal(link.stream.end, END_TLS_ERROR);
    assert_string_equal(link.stream.error, "decryption failed or bad record mac");
    close_own(&link);
}

static void gone_peer_fails_the_write(void **state)
{
    struct link link = own_link(version_of(state));
    size_t n;

    shutdown(link.peer, SHUT_RDWR);
    assert_int_equal(stream_write(&link.stream, "x", 1, &n), STREAM_FAILED);
    assert_int_equal(link.stream.end, END_RESET);
    assert_string_equal(link.stream.error, "Broken pipe");
    close_own(&link);
}

/* ---- tests: handshakes that fail ---- */

static void assert_handshake_fails(const void *hello, size_t size, const char *error)
{
    struct tls_server *server = good_server();
    struct link link = open_link(server, client_context(0));

    client_sends_raw(&link, hello, size);
    shutdown(link.peer, SHUT_WR);
    assert_int_equal(stream_handshake(&link.stream), STREAM_FAILED);
    assert_int_equal(link.stream.end, END_TLS_ERROR);
    assert_string_equal(link.stream.error, error);
    assert_int_equal(link.stream.heard, size > 0);
    close_own(&link);
    tls_server_free(server);
}

static void garbage_is_no_hello(void **state)
{
    static const char http[] = "GET / HTTP/1.0\r\n\r\n", smtp[] = "EHLO example.org\r\n";
    static const unsigned char half[] = {22, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3};

    (void)state;
    assert_handshake_fails(http, sizeof(http), "http request");
    assert_handshake_fails(smtp, sizeof(smtp), "wrong version number");
    assert_handshake_fails(half, sizeof(half), "the peer left during the handshake");
    assert_handshake_fails("", 0, "the peer left during the handshake");
}

/* The client's alert says why it does not like the certificate. */
static void refusal_by_the_client_is_told(void **state)
{
    struct tls_server *server = server_of("self-signed.crt", "self-signed.key");
    SSL_CTX *ctx = client_context(version_of(state));
    struct link link = open_link(server, ctx);
    enum stream_status status = shake_hands(&link);

    if (status == STREAM_OK) /* TLS 1.3: the server is done before the client has looked */
        assert_read_answers(&link, STREAM_FAILED);
    else
        assert_int_equal(status, STREAM_FAILED);
    assert_int_equal(link.stream.end, END_TLS_ERROR);
    assert_non_null(strstr(link.stream.error, "alert unknown ca"));
    close_own(&link);
    tls_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(handshake_is_described),
        IN_BOTH(client_without_a_name_is_described),
        IN_BOTH(chosen_group_is_described),
        cmocka_unit_test(plain_stream_has_nothing_to_describe),
        cmocka_unit_test(handshake_wants_to_read_first),
        IN_BOTH(bytes_go_both_ways),
        IN_BOTH(put_off_write_may_move_and_grow),
        IN_BOTH(close_notify_is_an_orderly_end),
        IN_BOTH(finish_leaves_reading),
        IN_BOTH(eof_without_close_notify_is_truncated),
        IN_BOTH(eof_within_a_record_is_truncated),
        IN_BOTH(forged_record_fails),
        IN_BOTH(gone_peer_fails_the_write),
        cmocka_unit_test(garbage_is_no_hello),
        IN_BOTH(refusal_by_the_client_is_told),
    };

    return RUN_TLS_TESTS(tests);
}
