/*
 * test_tls.c - server contexts, and TLS as a kind of stream, against a client made of OpenSSL.
 *
 * Most tests move both ends in one process by turns, so that nothing depends on time.
 */
#include "../../src/echo.h"
#include "../../src/session.h"
#include "../../src/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20" /* the default of the setting */

/* ---- files of the test PKI, and faults ---- */

/* Good until the fourth call after it. */
static const char *pki(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", getenv("PKI"), name);
    return path;
}

struct fault_list {
    struct faults sink;
    unsigned n;
    struct {
        char setting[32], text[256];
    } faults[8];
};

static void keep_fault(void *arg, const struct fault *fault)
{
    struct fault_list *list = arg;

    assert_true(list->n < 8);
    snprintf(list->faults[list->n].setting, 32, "%s", fault->setting);
    snprintf(list->faults[list->n].text, 256, "%s", fault->text);
    list->n++;
}

static void assert_fault(const struct fault_list *list, unsigned i, const char *setting,
                         const char *text)
{
    assert_true(i < list->n);
    assert_string_equal(list->faults[i].setting, setting);
    assert_string_equal(list->faults[i].text, text);
}

/* ---- servers ---- */

static struct tls_params good_params(void)
{
    return (struct tls_params){.certificate = pki("server.crt"),
                               .key = pki("server.key"),
                               .min_version = TLS_V1_2,
                               .max_version = TLS_NEWEST,
                               .ciphers = CIPHERS,
                               .tickets = 2,
                               .ticket_usec = 1234 * USEC_PER_SEC};
}

static struct tls_server *new_server(const struct tls_params *params)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct tls_server *server = NULL;

    if (tls_server_new(params, &list.sink, &server) < 0)
        fail_msg("%s: %s", list.faults[0].setting, list.faults[0].text);
    return server;
}

static struct tls_server *good_server(void)
{
    const struct tls_params params = good_params();

    return new_server(&params);
}

static struct tls_server *server_of(const char *certificate, const char *key)
{
    struct tls_params params = good_params();

    params.certificate = pki(certificate);
    params.key = pki(key);
    return new_server(&params);
}

/* Nothing of the context is left, and every fault went to the sink and its count. */
static struct fault_list faults_of(const struct tls_params *params)
{
    struct fault_list list = {.n = 0};
    struct tls_server *untouched = (struct tls_server *)&list, *server = untouched;

    list.sink = (struct faults){.report = keep_fault, .arg = &list};
    assert_int_equal(tls_server_new(params, &list.sink, &server), -1);
    assert_ptr_equal(server, untouched);
    assert_int_equal(list.sink.count, list.n);
    assert_int_equal(ERR_peek_error(), 0);
    return list;
}

static void assert_one_fault(const struct tls_params *params, const char *setting, const char *text)
{
    struct fault_list list = faults_of(params);

    assert_fault(&list, 0, setting, text);
    assert_int_equal(list.n, 1);
}

/* ---- clients ---- */

/* A context that trusts the PKI and takes this one version, or all with 0. */
static SSL_CTX *client_context(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, pki("ca.crt"), NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    return ctx;
}

/* Names the server, and checks that the certificate is for it. */
static SSL *new_client(SSL_CTX *ctx, int fd)
{
    SSL *client = SSL_new(ctx);

    assert_non_null(client);
    SSL_set_fd(client, fd);
    SSL_set_tlsext_host_name(client, "localhost");
    SSL_set1_host(client, "localhost");
    SSL_set_connect_state(client);
    return client;
}

static void connect_unix(int fds[2], int flags)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds), 0);
}

/* ---- both ends in one process ---- */

struct link {
    struct stream stream;
    SSL_CTX *ctx;
    SSL *client;
    int peer;
};

static struct link open_link(const struct tls_server *server, SSL_CTX *ctx)
{
    struct link link = {.ctx = ctx};
    int fds[2];

    connect_unix(fds, SOCK_NONBLOCK);
    stream_open(&link.stream, fds[0]);
    assert_int_equal(tls_accept(&link.stream, server), 0);
    link.peer = fds[1];
    link.client = new_client(ctx, link.peer);
    return link;
}

static void close_link(struct link *link)
{
    SSL_free(link->client);
    close(link->peer);
    stream_close(&link->stream, 0, 0);
}

static bool wants_more(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Move both ends until neither has anything to say. Returns the server's answer. */
static enum stream_status shake_hands(struct link *link)
{
    enum stream_status status = STREAM_WANT_READ;
    int result = -1;

    for (int i = 0; i < 20; i++) {
        if (result != 1)
            result = SSL_do_handshake(link->client);
        if (stream_wants(status) != 0)
            status = stream_handshake(&link->stream);
    }
    ERR_clear_error();
    if (status == STREAM_OK)
        assert_int_equal(result, 1);
    return status;
}

static struct link connected_link(const struct tls_server *server, SSL_CTX *ctx)
{
    struct link link = open_link(server, ctx);

    if (shake_hands(&link) != STREAM_OK)
        fail_msg("no handshake: %s", link.stream.error);
    return link;
}

/* A link of one version with everything at its default, to be closed by close_own(). */
static struct link own_link(int version)
{
    struct tls_server *server = good_server();
    struct link link = connected_link(server, client_context(version));

    tls_server_free(server); /* the connection keeps what it needs */
    return link;
}

static void close_own(struct link *link)
{
    close_link(link);
    SSL_CTX_free(link->ctx);
}

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

static void assert_read_answers(struct link *link, enum stream_status status)
{
    char data[64];
    size_t n = 77;

    assert_int_equal(stream_read(&link->stream, data, sizeof(data), &n), status);
    assert_int_equal(n, 77);
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

struct version {
    int number;
    const char *name;
};
static struct version v1_2 = {TLS1_2_VERSION, "TLSv1.2"}, v1_3 = {TLS1_3_VERSION, "TLSv1.3"};

static int version_of(void **state)
{
    return ((const struct version *)*state)->number;
}

static void handshake_is_described(void **state)
{
    const struct version *version = *state;
    struct link link = own_link(version->number);
    struct tls_facts facts = {.alpn = "?"};

    tls_describe(&link.stream, &facts);
    assert_string_equal(facts.version, version->name);
    assert_string_equal(facts.cipher, SSL_get_cipher_name(link.client));
    assert_string_equal(facts.group, "x25519");
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
    assert_in_range(n, 1, 40000);
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

/* ---- tests: versions ---- */

/* A client of one version, however weak. Returns the server's answer with the reason. */
static enum stream_status try_version(const struct tls_server *server, int version, char *ret_error)
{
    SSL_CTX *ctx = client_context(version);
    struct link link;
    enum stream_status status;

    SSL_CTX_set_security_level(ctx, 0);
    link = open_link(server, ctx);
    status = shake_hands(&link);
    strcpy(ret_error, link.stream.error);
    close_own(&link);
    return status;
}

static void assert_versions(int min, int max, const bool taken[4])
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_params params = good_params();
    struct tls_server *server;
    char error[160];

    params.min_version = min;
    params.max_version = max;
    server = new_server(&params);
    for (size_t i = 0; i < 4; i++) {
        enum stream_status status = try_version(server, versions[i], error);

        assert_int_equal(status, taken[i] ? STREAM_OK : STREAM_FAILED);
        assert_string_equal(error, taken[i] ? "" : "unsupported protocol");
    }
    tls_server_free(server);
}

static void versions_outside_the_range_are_refused(void **state)
{
    static const bool both[] = {false, false, true, true};
    static const bool old_only[] = {false, false, true, false};
    static const bool new_only[] = {false, false, false, true};

    (void)state;
    assert_versions(TLS_V1_2, TLS_NEWEST, both);
    assert_versions(TLS_V1_2, TLS_V1_3, both);
    assert_versions(TLS_V1_2, TLS_V1_2, old_only);
    assert_versions(TLS_V1_3, TLS_NEWEST, new_only);
    assert_versions(TLS_V1_3, TLS_V1_3, new_only);
}

/* ---- tests: ciphers ---- */

static bool takes_cipher(const struct tls_server *server, const char *cipher)
{
    SSL_CTX *ctx = client_context(TLS1_2_VERSION);
    struct link link;
    bool taken;

    SSL_CTX_set_security_level(ctx, 0);
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, cipher), 1);
    link = open_link(server, ctx);
    taken = shake_hands(&link) == STREAM_OK;
    if (taken)
        assert_string_equal(SSL_get_cipher_name(link.client), cipher);
    else
        assert_string_equal(link.stream.error, "no shared cipher");
    close_own(&link);
    return taken;
}

/* Forward secrecy, and no CBC, whose padding has been trouble since 2002. */
static bool is_modern(const SSL_CIPHER *cipher)
{
    return SSL_CIPHER_is_aead(cipher) && (SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe);
}

/* Every cipher of TLS 1.2 that OpenSSL has, tried one by one. Returns how many were taken. */
static unsigned try_all_ciphers(const struct tls_server *server)
{
    SSL_CTX *ctx = client_context(TLS1_2_VERSION);
    SSL *all;
    unsigned taken = 0;

    SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:!PSK:!SRP:@SECLEVEL=0");
    all = SSL_new(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(SSL_get_ciphers(all)); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(SSL_get_ciphers(all), i);

        if (strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0)
            continue;
        if (takes_cipher(server, SSL_CIPHER_get_name(cipher))) {
            assert_true(is_modern(cipher));
            taken++;
        }
    }
    SSL_free(all);
    SSL_CTX_free(ctx);
    return taken;
}

static void only_modern_ciphers_are_taken(void **state)
{
    struct tls_server *ecdsa = good_server(), *rsa = server_of("server-rsa.crt", "server-rsa.key");

    (void)state;
    assert_int_equal(try_all_ciphers(ecdsa), 3);
    assert_int_equal(try_all_ciphers(rsa), 3);
    assert_true(takes_cipher(rsa, "ECDHE-RSA-AES128-GCM-SHA256"));
    assert_false(takes_cipher(rsa, "ECDHE-RSA-AES128-SHA256")); /* CBC */
    assert_false(takes_cipher(rsa, "AES128-GCM-SHA256"));       /* static RSA */
    tls_server_free(ecdsa);
    tls_server_free(rsa);
}

static void cipher_suites_are_obeyed(void **state)
{
    struct tls_params params = good_params();
    struct tls_server *server;
    struct tls_facts facts;
    struct link link;

    (void)state;
    params.ciphersuites = "TLS_AES_128_GCM_SHA256";
    server = new_server(&params);
    link = connected_link(server, client_context(TLS1_3_VERSION));
    tls_describe(&link.stream, &facts);
    assert_string_equal(facts.cipher, "TLS_AES_128_GCM_SHA256");
    close_own(&link);
    tls_server_free(server);
}

/* ---- tests: keys and certificates ---- */

/* The client checks the chain, which proves that the intermediate certificate is sent too. */
static void keys_of_every_kind_serve(void **state)
{
    static const char *const names[] = {"server", "server-rsa", "server-ed25519"};
    static const int kinds[] = {EVP_PKEY_EC, EVP_PKEY_RSA, EVP_PKEY_ED25519};

    for (size_t i = 0; i < 3; i++) {
        char certificate[32], key[32];
        struct tls_server *server;
        struct link link;

        snprintf(certificate, sizeof(certificate), "%s.crt", names[i]);
        snprintf(key, sizeof(key), "%s.key", names[i]);
        server = server_of(certificate, key);
        link = connected_link(server, client_context(version_of(state)));
        assert_int_equal(SSL_get_verify_result(link.client), X509_V_OK);
        assert_int_equal(EVP_PKEY_get_id(X509_get0_pubkey(SSL_get0_peer_certificate(link.client))),
                         kinds[i]);
        close_own(&link);
        tls_server_free(server);
    }
}

static struct tls_certificate certificate_of(const char *certificate, const char *key)
{
    struct tls_server *server = server_of(certificate, key);
    struct tls_certificate facts;

    tls_server_certificate(server, &facts);
    tls_server_free(server);
    return facts;
}

#define DAY (24 * 3600)

static void certificate_tells_whom_and_when(void **state)
{
    time_t now = time(NULL);
    struct tls_certificate valid = certificate_of("server.crt", "server.key");
    struct tls_certificate expired = certificate_of("expired.crt", "expired.key");
    struct tls_certificate future = certificate_of("not-yet-valid.crt", "not-yet-valid.key");

    (void)state;
    assert_string_equal(valid.subject, "/CN=localhost");
    assert_true(valid.not_before < now && now < valid.not_after);
    assert_int_equal(valid.not_after - valid.not_before, 31 * DAY);
    assert_true(expired.not_after < now);
    assert_int_equal(expired.not_after - expired.not_before, 30 * DAY);
    assert_true(now < future.not_before);
    assert_string_equal(certificate_of("wrong-name.crt", "wrong-name.key").subject,
                        "/CN=wrong.example");
}

/* ---- tests: faults of the settings ---- */

static void faulty_certificate_is_named(void **state)
{
    struct tls_params params = good_params();
    char text[600];

    (void)state;
    params.certificate = pki("none.crt");
    snprintf(text, sizeof(text), "cannot load %s: No such file or directory", params.certificate);
    assert_one_fault(&params, "tls.certificate", text);
    params.certificate = pki("garbage.pem");
    snprintf(text, sizeof(text), "cannot load %s: no such thing in PEM form in it",
             params.certificate);
    assert_one_fault(&params, "tls.certificate", text);
}

/* The encrypted one must not ask for its passphrase either. */
static void faulty_key_is_named(void **state)
{
    static const char *const reasons[][2] = {
        {"none.key", "No such file or directory"},
        {"garbage.pem", "no such thing in PEM form in it"},
        {"server.crt", "no such thing in PEM form in it"},
        {"encrypted.key", "it is encrypted"},
    };
    struct tls_params params = good_params();
    char text[600];

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        params.key = pki(reasons[i][0]);
        snprintf(text, sizeof(text), "cannot load %s: %s", params.key, reasons[i][1]);
        assert_one_fault(&params, "tls.key", text);
        params.certificate = pki("server.crt"); /* its text had been overwritten */
    }
}

static void foreign_key_is_named(void **state)
{
    struct tls_params params = good_params();
    static const char *const keys[] = {"mismatch.key", "server-rsa.key"};
    char text[1200];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        params.key = pki(keys[i]);
        snprintf(text, sizeof(text), "%s is not the key of the certificate %s", params.key,
                 params.certificate);
        text[255] = '\0'; /* as much as the list keeps */
        assert_one_fault(&params, "tls.key", text);
    }
}

static void faulty_lists_are_named(void **state)
{
    struct tls_params params = good_params();
    struct fault_list list;

    (void)state;
    params.ciphers = "NONSENSE";
    assert_one_fault(&params, "tls.ciphers", "\"NONSENSE\": no cipher match");
    params.ciphers = CIPHERS;
    params.ciphersuites = "TLS_NONSENSE";
    assert_one_fault(&params, "tls.ciphersuites", "\"TLS_NONSENSE\": no cipher match");
    params.ciphersuites = NULL;
    params.groups = "x25519:nonsense";
    list = faults_of(&params);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.faults[0].setting, "tls.groups");
    assert_memory_equal(list.faults[0].text, "\"x25519:nonsense\": ", 19);
}

static void faulty_versions_are_named(void **state)
{
    struct tls_params params = good_params();
    struct fault_list list;

    (void)state;
    params.min_version = params.max_version = 0x0399;
    list = faults_of(&params);
    assert_fault(&list, 0, "tls.min_version", "not offered by this OpenSSL");
    assert_fault(&list, 1, "tls.max_version", "not offered by this OpenSSL");
    assert_int_equal(list.n, 2);
}

static void all_faults_are_reported(void **state)
{
    struct tls_params params = good_params();
    struct fault_list list;

    (void)state;
    params.certificate = pki("none.crt");
    params.key = pki("garbage.pem");
    params.ciphers = "NONSENSE";
    params.groups = "nonsense";
    list = faults_of(&params);
    assert_int_equal(list.n, 4);
    assert_string_equal(list.faults[0].setting, "tls.ciphers");
    assert_string_equal(list.faults[1].setting, "tls.groups");
    assert_string_equal(list.faults[2].setting, "tls.certificate");
    assert_string_equal(list.faults[3].setting, "tls.key");
}

static void no_server_can_be_freed(void **state)
{
    (void)state;
    tls_server_free(NULL);
}

/* ---- clients of sessions in processes of their own ---- */

struct served {
    pid_t pid;
    int peer;
    struct record *record; /* in shared memory */
};

static struct served fork_session(const struct tls_server *server)
{
    const struct session_params params = {.tls = (struct tls_server *)server};
    struct served served = {.record = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    int fds[2];

    connect_unix(fds, 0);
    served.peer = fds[1];
    served.pid = fork();
    if (served.pid == 0) {
        close(fds[1]);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        session_run(fds[0], &params, served.record);
        _exit(0);
    }
    close(fds[0]);
    return served;
}

static struct record record_of(struct served *served)
{
    struct record record;
    int status;

    close(served->peer);
    assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
    assert_int_equal(status, 0);
    record = *served->record;
    munmap(served->record, sizeof(record));
    return record;
}

static void fill_pattern(unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)((uint32_t)i * 2654435761u >> 24);
}

/* Send and receive at once, as a peer that does not wait for answers. */
static void exchange(SSL *client, const unsigned char *data, size_t total)
{
    static unsigned char back[65536];
    size_t sent = 0, received = 0, n = 0;

    while (received < total) {
        if (sent < total && SSL_write_ex(client, data + sent, total - sent, &n) == 1)
            sent += n;
        if (sent == total && !(SSL_get_shutdown(client) & SSL_SENT_SHUTDOWN))
            assert_int_equal(SSL_shutdown(client), 0);
        if (SSL_read_ex(client, back, sizeof(back), &n) == 1) {
            assert_memory_equal(back, data + received, n);
            received += n;
        } else {
            assert_true(wants_more(client, 0));
        }
    }
}

static void session_echoes_every_byte(void **state)
{
    static unsigned char data[3 * 1024 * 1024 + 1];
    struct tls_server *server = good_server();
    struct served served = fork_session(server);
    SSL_CTX *ctx = client_context(version_of(state));
    SSL *client = new_client(ctx, served.peer);
    struct record record;
    char byte;

    fill_pattern(data, sizeof(data));
    SSL_set_mode(client, SSL_MODE_ENABLE_PARTIAL_WRITE);
    assert_int_equal(SSL_do_handshake(client), 1);
    fcntl(served.peer, F_SETFL, O_NONBLOCK);
    exchange(client, data, sizeof(data));
    fcntl(served.peer, F_SETFL, 0);
    assert_int_equal(SSL_read(client, &byte, 1), 0);
    assert_int_equal(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN);
    record = record_of(&served);
    assert_int_equal(record.end, END_CLOSED);
    assert_int_equal(record.bytes_in, sizeof(data));
    assert_int_equal(record.bytes_out, sizeof(data));
    assert_string_equal(record.tls.version, ((const struct version *)*state)->name);
    SSL_free(client);
    SSL_CTX_free(ctx);
    tls_server_free(server);
}

/* ---- tests: tickets ---- */

/* The newest ticket that came, and how many. */
static SSL_SESSION *ticket;
static unsigned n_tickets;

static int keep_ticket(SSL *client, SSL_SESSION *session)
{
    (void)client;
    SSL_SESSION_free(ticket);
    ticket = session;
    n_tickets++;
    return 1;
}

static void forget_ticket(void)
{
    SSL_SESSION_free(ticket);
    ticket = NULL;
    n_tickets = 0;
}

static SSL_CTX *collecting_context(int version)
{
    SSL_CTX *ctx = client_context(version);

    forget_ticket();
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    return ctx;
}

/* One client of a process of its own, echoed. Returns whether it resumed, by either's word. */
static bool visit(const struct tls_server *server, SSL_CTX *ctx, SSL_SESSION *session)
{
    struct served served = fork_session(server);
    SSL *client = new_client(ctx, served.peer);
    char data[4];
    bool resumed;

    if (session)
        assert_int_equal(SSL_set_session(client, session), 1);
    assert_int_equal(SSL_do_handshake(client), 1);
    assert_int_equal(SSL_write(client, "ping", 4), 4);
    assert_int_equal(SSL_read(client, data, sizeof(data)), 4);
    assert_memory_equal(data, "ping", 4);
    resumed = SSL_session_reused(client);
    SSL_shutdown(client);
    assert_int_equal(record_of(&served).tls.resumed, resumed);
    SSL_free(client);
    return resumed;
}

static void ticket_resumes_in_another_process(void **state)
{
    struct tls_server *server = good_server();
    SSL_CTX *ctx = collecting_context(version_of(state));

    assert_false(visit(server, ctx, NULL));
    assert_non_null(ticket);
    assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(ticket), 1234);
    assert_true(visit(server, ctx, ticket));
    assert_true(visit(server, ctx, ticket));
    forget_ticket();
    SSL_CTX_free(ctx);
    tls_server_free(server);
}

static void ticket_of_another_server_does_not_resume(void **state)
{
    struct tls_server *one = good_server(), *other = good_server();
    SSL_CTX *ctx = collecting_context(version_of(state));

    assert_false(visit(one, ctx, NULL));
    assert_non_null(ticket);
    assert_false(visit(other, ctx, ticket));
    forget_ticket();
    SSL_CTX_free(ctx);
    tls_server_free(one);
    tls_server_free(other);
}

static struct tls_server *server_of_tickets(int n)
{
    struct tls_params params = good_params();

    params.tickets = n;
    return new_server(&params);
}

static void tickets_come_as_many_as_were_set(void **state)
{
    static const unsigned numbers[] = {1, 2, 5};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tls_server *server = server_of_tickets((int)numbers[i]);
        SSL_CTX *ctx = collecting_context(TLS1_3_VERSION);

        visit(server, ctx, NULL);
        assert_int_equal(n_tickets, numbers[i]);
        forget_ticket();
        SSL_CTX_free(ctx);
        tls_server_free(server);
    }
}

/* In TLS 1.2 the callback comes even for a session that cannot be resumed. */
static void no_tickets_resume_nothing(void **state)
{
    struct tls_server *server = server_of_tickets(0);
    SSL_CTX *ctx = collecting_context(version_of(state));

    assert_false(visit(server, ctx, NULL));
    if (ticket) {
        assert_int_equal(version_of(state), TLS1_2_VERSION);
        assert_false(SSL_SESSION_has_ticket(ticket));
        assert_false(visit(server, ctx, SSL_SESSION_dup(ticket)));
    }
    forget_ticket();
    SSL_CTX_free(ctx);
    tls_server_free(server);
}

#define IN(version, test)                                                                          \
    {                                                                                              \
#test " in " #version, test, NULL, NULL, &version                                          \
    }
#define IN_BOTH(test) IN(v1_2, test), IN(v1_3, test)

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
        cmocka_unit_test(versions_outside_the_range_are_refused),
        cmocka_unit_test(only_modern_ciphers_are_taken),
        cmocka_unit_test(cipher_suites_are_obeyed),
        IN_BOTH(keys_of_every_kind_serve),
        cmocka_unit_test(certificate_tells_whom_and_when),
        cmocka_unit_test(faulty_certificate_is_named),
        cmocka_unit_test(faulty_key_is_named),
        cmocka_unit_test(foreign_key_is_named),
        cmocka_unit_test(faulty_lists_are_named),
        cmocka_unit_test(faulty_versions_are_named),
        cmocka_unit_test(all_faults_are_reported),
        cmocka_unit_test(no_server_can_be_freed),
        IN_BOTH(session_echoes_every_byte),
        IN_BOTH(ticket_resumes_in_another_process),
        IN_BOTH(ticket_of_another_server_does_not_resume),
        cmocka_unit_test(tickets_come_as_many_as_were_set),
        IN_BOTH(no_tickets_resume_nothing),
    };

    if (!getenv("PKI")) {
        fputs("PKI does not name a directory that certs/make-certs made\n", stderr);
        return 77;
    }
    alarm(120);               /* a test that waits for ever fails */
    signal(SIGPIPE, SIG_IGN); /* as main() does: OpenSSL writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
