/*
 * test_tls_client_trust.c - whom a client trusts, what it says of a certificate, and the faults of
 * what it was given.
 */
#include "tls_client_helper.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- trust ---- */

static void assert_refused(const char *certificate, const struct tls_client_params *params,
                           const char *name, const char *reason)
{
    SSL_CTX *ctx = server_context(certificate, 0);
    struct meeting meeting = begin_meeting(ctx, params, name, NULL);

    assert_int_equal(meet(&meeting), STREAM_FAILED);
    assert_int_equal(meeting.stream.end, END_TLS_ERROR);
    assert_string_equal(meeting.stream.error, reason);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void assert_taken(const char *certificate, const struct tls_client_params *params,
                         const char *name)
{
    SSL_CTX *ctx = server_context(certificate, 0);
    struct meeting meeting = met(ctx, params, name, NULL);

    part(&meeting);
    SSL_CTX_free(ctx);
}

static void names_and_addresses_are_checked(void **state)
{
    static const char reason[] =
        "the certificate is not for this name, but for localhost, 127.0.0.1, ::1";
    struct tls_client_params params = trusting_params();

    (void)state;
    assert_taken("server", &params, "localhost");
    assert_taken("server", &params, "127.0.0.1");
    assert_taken("server", &params, "::1");
    assert_refused("server", &params, "127.0.0.2", reason);
    assert_refused("server", &params, "::2", reason);
    assert_refused("server", &params, "example.localhost", reason);
    assert_refused("wrong-name", &params, "localhost",
                   "the certificate is not for this name, but for wrong.example");
    assert_taken("wrong-name", &params, "wrong.example");
}

static void certificates_that_are_not_good_are_refused(void **state)
{
    struct tls_client_params params = trusting_params();

    (void)state;
    assert_refused("self-signed", &params, "localhost",
                   complaint("/CN=localhost", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT));
    assert_refused("expired", &params, "localhost",
                   complaint("/CN=localhost", X509_V_ERR_CERT_HAS_EXPIRED));
    assert_refused("not-yet-valid", &params, "localhost",
                   complaint("/CN=localhost", X509_V_ERR_CERT_NOT_YET_VALID));
    assert_refused("client", &params, "client.example",
                   complaint("/CN=client", X509_V_ERR_INVALID_PURPOSE));
}

static void issuers_that_are_not_trusted_are_refused(void **state)
{
    struct tls_client_params params = {.ca = pki("self-signed.crt")};

    (void)state;
    assert_refused("server", &params, "localhost",
                   "certificate /CN=echod test intermediate CA: unable to get local issuer "
                   "certificate");
    assert_taken("self-signed", &params, "localhost");
}

/* A directory holds each issuer under the hash of its name, as openssl-rehash(1) does. */
static void a_directory_of_issuers_is_trusted(void **state)
{
    char dir[] = "/tmp/test_tls_client.XXXXXX", link[128];
    FILE *file = fopen(pki("ca.crt"), "re");
    X509 *ca = PEM_read_X509(file, NULL, NULL, NULL);
    struct tls_client_params params = {.ca = dir};

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(link, sizeof(link), "%s/%08lx.0", dir, X509_subject_name_hash(ca));
    assert_int_equal(symlink(pki("ca.crt"), link), 0);
    assert_taken("server", &params, "localhost");
    unlink(link);
    assert_refused("server", &params, "localhost",
                   "certificate /CN=echod test intermediate CA: unable to get local issuer "
                   "certificate");
    rmdir(dir);
    X509_free(ca);
    fclose(file);
}

static void the_system_does_not_trust_the_pki(void **state)
{
    const struct tls_client_params params = {.ca = NULL};
    SSL_CTX *ctx = server_context("server", 0);
    struct meeting meeting = begin_meeting(ctx, &params, "localhost", NULL);

    (void)state;
    assert_int_equal(meet(&meeting), STREAM_FAILED);
    assert_memory_equal(meeting.stream.error, "certificate /CN=echod test", 26);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void the_insecure_take_anything(void **state)
{
    static const char *const names[] = {"self-signed", "expired", "wrong-name", "client"};
    const struct tls_client_params params = {.insecure = true};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_taken(names[i], &params, "localhost");
}

/* ---- what a certificate says ---- */

static void the_chain_is_told_from_the_leaf_on(void **state)
{
    SSL_CTX *ctx = server_context("server", version_of(state));
    struct tls_client_params params = trusting_params();
    struct meeting meeting = met(ctx, &params, "localhost", NULL);
    struct tls_certificate leaf, issuer, before;

    assert_int_equal(tls_peer_certificate(&meeting.stream, 0, &leaf), 0);
    assert_string_equal(leaf.subject, "/CN=localhost");
    assert_string_equal(leaf.issuer, "/CN=echod test intermediate CA");
    assert_string_equal(leaf.names, "localhost, 127.0.0.1, ::1");
    assert_true(leaf.not_before < time(NULL) && time(NULL) < leaf.not_after);
    assert_int_equal(leaf.not_after - leaf.not_before, 31 * 24 * 3600);
    assert_int_equal(tls_peer_certificate(&meeting.stream, 1, &issuer), 0);
    assert_string_equal(issuer.subject, leaf.issuer);
    assert_string_equal(issuer.issuer, "/CN=echod test CA");
    assert_string_equal(issuer.names, "");
    before = issuer; /* which a certificate that is not there leaves as it is */
    assert_int_equal(tls_peer_certificate(&meeting.stream, 2, &issuer), -1);
    assert_memory_equal(&issuer, &before, sizeof(issuer));
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void a_plain_stream_has_no_certificate(void **state)
{
    struct tls_certificate certificate;
    struct stream stream;

    (void)state;
    stream_open(&stream, -1);
    assert_int_equal(tls_peer_certificate(&stream, 0, &certificate), -1);
}

/* A server of a certificate of its own making, with these alternative names. */
static SSL_CTX *naming_context(const char *const *names, size_t n)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    GENERAL_NAMES *list = GENERAL_NAMES_new();

    for (size_t i = 0; i < n; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        ASN1_STRING_set(text, names[i], (int)strlen(names[i]));
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
        sk_GENERAL_NAME_push(list, name);
    }
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, 0);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    GENERAL_NAMES_free(list);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

static void assert_names(const char *const *names, size_t n, const char *wanted)
{
    const struct tls_client_params params = {.insecure = true};
    SSL_CTX *ctx = naming_context(names, n);
    struct meeting meeting = met(ctx, &params, "localhost", NULL);
    struct tls_certificate certificate;

    assert_int_equal(tls_peer_certificate(&meeting.stream, 0, &certificate), 0);
    assert_string_equal(certificate.names, wanted);
    assert_string_equal(certificate.subject, "");
    part(&meeting);
    SSL_CTX_free(ctx);
}

/* They come from whoever answers, and go to a terminal. */
static void hostile_names_are_made_harmless(void **state)
{
    static const char *const names[] = {"\033[2Jclear", "two\nlines", "\xff\x7f", ""};

    (void)state;
    assert_names(names, 4, "?[2Jclear, two?lines, ??, ");
}

static void more_names_than_there_is_room_for_are_cut(void **state)
{
    static char label[60][64];
    const char *names[60];
    char wanted[512] = "";
    size_t room = sizeof(((struct tls_certificate *)0)->names);

    (void)state;
    /* 9 + 2 bytes each: the room ends within a name, or between the two bytes of a division */
    for (size_t extra = 0; extra < 11; extra++) {
        size_t n = 0;

        wanted[0] = '\0';
        for (size_t i = 0; i < 60; i++) {
            snprintf(label[i], sizeof(label[i]), "%.*sname%05zu", i == 0 ? (int)extra : 0,
                     "xxxxxxxxxxx", i);
            names[i] = label[i];
            n += (size_t)snprintf(wanted + n, n < room ? room - n : 0, "%s%s", i ? ", " : "",
                                  label[i]);
            if (n > room)
                n = room;
        }
        assert_int_equal(strlen(wanted), room - 1);
        assert_names(names, 60, wanted);
    }
}

/* ---- faults of what a client was given ---- */

static void assert_fault(const struct tls_client_params *params, const char *text)
{
    struct tls_client *untouched = (struct tls_client *)&params, *client = untouched;
    struct err err;

    assert_int_equal(tls_client_new(params, &client, &err), -1);
    assert_ptr_equal(client, untouched);
    assert_string_equal(err.text, text);
    assert_int_equal(ERR_peek_error(), 0);
}

static void faulty_issuers_are_named(void **state)
{
    struct tls_client_params params = {.ca = pki("none.crt")};
    char text[700];

    (void)state;
    snprintf(text, sizeof(text),
             "cannot load the trusted certificates of %s: No such file or directory", params.ca);
    assert_fault(&params, text);
    params.ca = pki("garbage.pem");
    assert_int_equal(ERR_peek_error(), 0);
    snprintf(text, sizeof(text),
             "cannot load the trusted certificates of %s: no certificate or crl found", params.ca);
    assert_fault(&params, text);
}

static void faulty_certificates_are_named(void **state)
{
    struct tls_client_params params = trusting_params();
    char text[700];

    (void)state;
    params.key = pki("client.key");
    params.certificate = pki("none.crt");
    snprintf(text, sizeof(text), "cannot load the certificate %s: No such file or directory",
             params.certificate);
    assert_fault(&params, text);
    params.certificate = pki("garbage.pem");
    snprintf(text, sizeof(text), "cannot load the certificate %s: no such thing in PEM form in it",
             params.certificate);
    assert_fault(&params, text);
}

/* The encrypted one must not ask for its passphrase either. */
static void faulty_keys_are_named(void **state)
{
    static const char *const reasons[][2] = {
        {"none.key", "No such file or directory"},
        {"garbage.pem", "no such thing in PEM form in it"},
        {"client.crt", "no such thing in PEM form in it"},
        {"encrypted.key", "it is encrypted"},
    };
    char text[700];

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        struct tls_client_params params = trusting_params();

        params.certificate = pki("client.crt");
        params.key = pki(reasons[i][0]);
        snprintf(text, sizeof(text), "cannot load %s: %s", params.key, reasons[i][1]);
        assert_fault(&params, text);
    }
}

static void keys_must_be_of_the_certificate(void **state)
{
    static const char *const keys[] = {"mismatch.key", "client-rsa.key", "client.key"};
    char text[700];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tls_client_params params = trusting_params();

        params.certificate = i < 2 ? pki("client.crt") : NULL; /* or there is none at all */
        params.key = pki(keys[i]);
        snprintf(text, sizeof(text), "%s is not the key of the certificate", params.key);
        assert_fault(&params, text);
    }
}

static void faulty_ciphers_are_named(void **state)
{
    struct tls_client_params params = trusting_params();

    (void)state;
    params.ciphers = "NONSENSE";
    assert_fault(&params, "\"NONSENSE\" names no ciphers");
    params.ciphers = "TLS_NONSENSE";
    assert_fault(&params, "\"TLS_NONSENSE\" names no ciphers");
}

static void faulty_versions_are_named(void **state)
{
    struct tls_client_params params = trusting_params();

    (void)state;
    params.min_version = 0x0399;
    assert_fault(&params, "this OpenSSL has no such oldest TLS version");
    params.min_version = TLS_NEWEST;
    params.max_version = 0x0399;
    assert_fault(&params, "this OpenSSL has no such newest TLS version");
}

/* RFC 7301, 3.1: names of 1 to 255 bytes. */
static void faulty_alpn_is_named(void **state)
{
    static const char *const faulty[] = {",", ",echo", ",,"};
    struct tls_client_params params = trusting_params();
    char name[300], text[700];

    (void)state;
    for (size_t i = 0; i < sizeof(faulty) / sizeof(*faulty); i++) {
        params.alpn = faulty[i];
        snprintf(text, sizeof(text), "\"%s\" is no list of ALPN names", faulty[i]);
        assert_fault(&params, text);
    }
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    params.alpn = name;
    snprintf(text, sizeof(text), "\"%s\" is no list of ALPN names", name);
    assert_fault(&params, text);
    name[255] = '\0';
    tls_client_free(new_tls_client(&params));
}

static void no_client_can_be_freed(void **state)
{
    (void)state;
    tls_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_addresses_are_checked),
        cmocka_unit_test(certificates_that_are_not_good_are_refused),
        cmocka_unit_test(issuers_that_are_not_trusted_are_refused),
        cmocka_unit_test(a_directory_of_issuers_is_trusted),
        cmocka_unit_test(the_system_does_not_trust_the_pki),
        cmocka_unit_test(the_insecure_take_anything),
        IN_BOTH(the_chain_is_told_from_the_leaf_on),
        cmocka_unit_test(a_plain_stream_has_no_certificate),
        cmocka_unit_test(hostile_names_are_made_harmless),
        cmocka_unit_test(more_names_than_there_is_room_for_are_cut),
        cmocka_unit_test(faulty_issuers_are_named),
        cmocka_unit_test(faulty_certificates_are_named),
        cmocka_unit_test(faulty_keys_are_named),
        cmocka_unit_test(keys_must_be_of_the_certificate),
        cmocka_unit_test(faulty_ciphers_are_named),
        cmocka_unit_test(faulty_versions_are_named),
        cmocka_unit_test(faulty_alpn_is_named),
        cmocka_unit_test(no_client_can_be_freed),
    };

    return RUN_TLS_TESTS(tests);
}
