/* tls_client.c - the client's side of TLS. */
#include "tls/tls_private.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static SSL_CTX *ctx_of(const struct tls_client *client)
{
    return (SSL_CTX *)client;
}

/*
 * Write into the stream's error why a certificate was refused, while OpenSSL still has the details:
 * it keeps only the code of the reason.
 */
static int on_server_verified(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct stream *stream = SSL_get_app_data(ssl);
    int code = X509_STORE_CTX_get_error(store);
    struct tls_certificate certificate;

    if (ok)
        return 1;
    tls_read_certificate(X509_STORE_CTX_get_current_cert(store), &certificate);
    if (code == X509_V_ERR_HOSTNAME_MISMATCH || code == X509_V_ERR_IP_ADDRESS_MISMATCH)
        snprintf(stream->error, sizeof(stream->error),
                 "the certificate is not for this name, but for %.110s",
                 certificate.names[0] ? certificate.names : certificate.subject);
    else
        snprintf(stream->error, sizeof(stream->error), "certificate %s: %s", certificate.subject,
                 X509_verify_cert_error_string(code));
    return 0;
}

static int trust_issuers(SSL_CTX *ctx, const struct tls_client_params *params, struct err *ret_err)
{
    struct stat st;
    int ok;

    if (params->insecure)
        return 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_server_verified);
    if (!params->ca)
        ok = SSL_CTX_set_default_verify_paths(ctx);
    else if (stat(params->ca, &st) == 0 && S_ISDIR(st.st_mode))
        ok = SSL_CTX_load_verify_dir(ctx, params->ca);
    else
        ok = SSL_CTX_load_verify_file(ctx, params->ca);
    if (ok == 1)
        return 0;
    return err_set(ret_err, "cannot load the trusted certificates of %s: %s",
                   params->ca ? params->ca : "the system", openssl_reason("unknown error"));
}

static int use_key(SSL_CTX *ctx, const char *path, struct err *ret_err)
{
    EVP_PKEY *key = openssl_load_key(path, ret_err);
    bool fits = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;

    EVP_PKEY_free(key);
    if (key && !fits)
        return err_set(ret_err, "%s is not the key of the certificate", path);
    return key ? 0 : -1;
}

static int identify(SSL_CTX *ctx, const struct tls_client_params *params, struct err *ret_err)
{
    if (params->certificate && SSL_CTX_use_certificate_chain_file(ctx, params->certificate) != 1)
        return err_set(ret_err, "cannot load the certificate %s: %s", params->certificate,
                       openssl_reason("unknown error"));
    return params->key ? use_key(ctx, params->key, ret_err) : 0;
}

/* RFC 7301, 3.1: each name follows a byte with its length. */
static int offer_protocols(SSL_CTX *ctx, const char *names, struct err *ret_err)
{
    const char *all = names;
    unsigned char list[256];
    unsigned n = 0;

    while (names && *names != '\0') {
        size_t length = strcspn(names, ",");

        if (length == 0 || n + 1 + length > sizeof(list))
            return err_set(ret_err, "\"%s\" is no list of ALPN names", all);
        list[n++] = (unsigned char)length;
        memcpy(list + n, names, length);
        n += (unsigned)length;
        names += length + (names[length] == ',');
    }
    return SSL_CTX_set_alpn_protos(ctx, n > 0 ? list : NULL, n) == 0
               ? 0
               : err_set(ret_err, "cannot offer ALPN: %s", openssl_reason("out of memory"));
}

static int choose(SSL_CTX *ctx, const struct tls_client_params *params, struct err *ret_err)
{
    bool is_13 = params->ciphers && strncmp(params->ciphers, "TLS_", 4) == 0;

    if (params->min_version && SSL_CTX_set_min_proto_version(ctx, params->min_version) != 1)
        return err_set(ret_err, "this OpenSSL has no such oldest TLS version");
    if (params->max_version && SSL_CTX_set_max_proto_version(ctx, params->max_version) != 1)
        return err_set(ret_err, "this OpenSSL has no such newest TLS version");
    if (params->ciphers && (is_13 ? SSL_CTX_set_ciphersuites(ctx, params->ciphers)
                                  : SSL_CTX_set_cipher_list(ctx, params->ciphers)) != 1)
        return err_set(ret_err, "\"%s\" names no ciphers", params->ciphers);
    if (params->groups && SSL_CTX_set1_groups_list(ctx, params->groups) != 1)
        return err_set(ret_err, "\"%s\" is no list of groups", params->groups);
    return offer_protocols(ctx, params->alpn, ret_err);
}

int tls_client_new(const struct tls_client_params *params, struct tls_client **ret_client,
                   struct err *ret_err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx)
        return err_set(ret_err, "cannot set up TLS: %s", openssl_reason("unknown error"));
    tls_set_options(ctx);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (trust_issuers(ctx, params, ret_err) < 0 || identify(ctx, params, ret_err) < 0 ||
        choose(ctx, params, ret_err) < 0) {
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return -1;
    }
    *ret_client = (struct tls_client *)ctx;
    return 0;
}

void tls_client_free(struct tls_client *client)
{
    SSL_CTX_free(ctx_of(client));
}

/* RFC 6066, 3: an address cannot be asked for by SNI, but the certificate must have it. */
static bool set_name(SSL *ssl, const char *name)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 &&
           X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), name, 0) == 1;
}

int tls_connect(struct stream *stream, const struct tls_client *client, const char *name,
                const struct tls_session *resume)
{
    SSL *ssl = SSL_new(ctx_of(client));

    if (ssl) {
        SSL_set_app_data(ssl, stream);
        SSL_set_connect_state(ssl);
        if (!set_name(ssl, name) || (resume && !SSL_set_session(ssl, (SSL_SESSION *)resume))) {
            SSL_free(ssl);
            ssl = NULL;
        }
    }
    return tls_attach(stream, ssl);
}

struct tls_session *tls_session_get(const struct stream *stream)
{
    SSL_SESSION *session = stream->tls ? SSL_get1_session(stream->tls) : NULL;

    if (session && SSL_SESSION_is_resumable(session))
        return (struct tls_session *)session;
    SSL_SESSION_free(session);
    return NULL;
}

void tls_session_free(struct tls_session *session)
{
    SSL_SESSION_free((SSL_SESSION *)session);
}
