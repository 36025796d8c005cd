/* tls_server.c - the server's contexts. */
#include "tls_private.h"

#include "keeper.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

/* OpenSSL itself is the struct: it counts references and needs no wrapping. */
static SSL_CTX *ctx_of(const struct tls_server *server)
{
    return (SSL_CTX *)server;
}

static void load_certificate(SSL_CTX *ctx, const char *file, struct faults *faults)
{
    struct err err;
    STACK_OF(X509) *chain = tls_load_chain(file, &err);

    if (!chain) {
        fault(faults, "tls.certificate", "%s", err.text);
        return;
    }
    if (SSL_CTX_use_certificate(ctx, sk_X509_value(chain, 0)) != 1)
        fault(faults, "tls.certificate", "cannot use %s: %s", file, ossl_reason("unknown error"));
    for (int i = 1; i < sk_X509_num(chain); i++)
        SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i));
    ERR_clear_error();
    sk_X509_pop_free(chain, X509_free);
}

static void load_key(SSL_CTX *ctx, const struct tls_params *params, const struct keeper *keeper,
                     struct faults *faults)
{
    X509 *certificate = SSL_CTX_get0_certificate(ctx);
    struct err err;
    EVP_PKEY *key = params->key_isolation ? keeper_key(keeper, params->key, &err)
                                          : ossl_load_key(params->key, &err);

    if (!key)
        fault(faults, "tls.key", "%s", err.text);
    else if (certificate && EVP_PKEY_eq(X509_get0_pubkey(certificate), key) != 1)
        fault(faults, "tls.key", "%s is not the key of the certificate %s", params->key,
              params->certificate);
    else if (certificate && SSL_CTX_use_PrivateKey(ctx, key) != 1)
        fault(faults, "tls.key", "cannot use %s: %s", params->key, ossl_reason("unknown error"));
    ERR_clear_error();
    EVP_PKEY_free(key);
}

/* The keeper signs and does nothing else: whatever has the server decrypt is out of the question.
 */
static int set_ciphers(SSL_CTX *ctx, const struct tls_params *params)
{
    char *list = NULL;
    int ok;

    if (!params->key_isolation)
        return SSL_CTX_set_cipher_list(ctx, params->ciphers);
    if (asprintf(&list, "%s:!kRSA", params->ciphers) < 0)
        return 0;
    ok = SSL_CTX_set_cipher_list(ctx, list);
    free(list);
    return ok;
}

static void choose_algorithms(SSL_CTX *ctx, const struct tls_params *params, struct faults *faults)
{
    if (SSL_CTX_set_min_proto_version(ctx, params->min_version) != 1)
        fault(faults, "tls.min_version", "not offered by this OpenSSL");
    if (SSL_CTX_set_max_proto_version(ctx, params->max_version) != 1)
        fault(faults, "tls.max_version", "not offered by this OpenSSL");
    if (params->ciphers && set_ciphers(ctx, params) != 1)
        fault(faults, "tls.ciphers", "\"%s\": %s%s", params->ciphers, ossl_reason("unknown error"),
              params->key_isolation ? " but for RSA key exchange, which tls.key_isolation excludes"
                                    : "");
    if (params->ciphersuites && SSL_CTX_set_ciphersuites(ctx, params->ciphersuites) != 1)
        fault(faults, "tls.ciphersuites", "\"%s\": %s", params->ciphersuites,
              ossl_reason("not a list of TLS 1.3 cipher suites"));
    if (params->groups && SSL_CTX_set1_groups_list(ctx, params->groups) != 1)
        fault(faults, "tls.groups", "\"%s\": %s", params->groups,
              ossl_reason("not a list of groups"));
    ERR_clear_error();
}

/* Tickets carry the whole session, so no child needs the memory of another. */
static void set_up_tickets(SSL_CTX *ctx, const struct tls_params *params)
{
    static const unsigned char name[] = "echod";

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, name, sizeof(name) - 1);
    SSL_CTX_set_timeout(ctx, (long)(params->ticket_usec / USEC_PER_SEC));
    SSL_CTX_set_num_tickets(ctx, (size_t)params->tickets);
    if (params->tickets == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

int tls_server_new(const struct tls_params *params, const struct keeper *keeper,
                   struct faults *faults, struct tls_server **ret_server)
{
    unsigned before = faults->count;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) {
        fault(faults, "tls.enabled", "cannot set up TLS: %s", ossl_reason("unknown error"));
        return -1;
    }
    tls_set_options(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_NO_RENEGOTIATION);
    choose_algorithms(ctx, params, faults);
    set_up_tickets(ctx, params);
    load_certificate(ctx, params->certificate, faults);
    load_key(ctx, params, keeper, faults);
    if (faults->count != before) {
        SSL_CTX_free(ctx);
        return -1;
    }
    *ret_server = (struct tls_server *)ctx;
    return 0;
}

void tls_server_free(struct tls_server *server)
{
    SSL_CTX_free(ctx_of(server));
}

void tls_server_certificate(const struct tls_server *server,
                            struct tls_certificate *ret_certificate)
{
    tls_read_certificate(SSL_CTX_get0_certificate(ctx_of(server)), ret_certificate);
}

int tls_accept(struct stream *stream, const struct tls_server *server)
{
    SSL *ssl = SSL_new(ctx_of(server));

    if (ssl)
        SSL_set_accept_state(ssl);
    return tls_attach(stream, ssl);
}
