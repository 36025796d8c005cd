/* test_tls_server.c - server contexts: what the settings allow is what clients get. */
#include "../between.h"
#include "tls_helper.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

    assert_int_equal(tls_server_certificate(server, 0, &facts), 0);
    assert_int_equal(tls_server_certificate(server, 1, &facts), -1);
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
    /* openssl(1) looks at the clock for each of the two */
    assert_between(valid.not_after - valid.not_before, 31 * DAY, 31 * DAY + 2);
    assert_true(expired.not_after < now);
    assert_between(expired.not_after - expired.not_before, 30 * DAY, 30 * DAY + 2);
    assert_true(now < future.not_before);
    assert_string_equal(certificate_of("wrong-name.crt", "wrong-name.key").subject,
                        "/CN=wrong.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_outside_the_range_are_refused),
        cmocka_unit_test(only_modern_ciphers_are_taken),
        cmocka_unit_test(cipher_suites_are_obeyed),
        IN_BOTH(keys_of_every_kind_serve),
        cmocka_unit_test(certificate_tells_whom_and_when),
    };

    return RUN_TLS_TESTS(tests);
}
