/* tls_server.c - the contexts of the server's side. */
#include "tls/tls_private.h"

#include "tls/ticket_keys.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The signer only signs, so exclude ciphers for which the server decrypts. */
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
        fault(faults, "tls.ciphers", "\"%s\": %s", params->ciphers,
              SSL_CTX_set_cipher_list(ctx, params->ciphers) == 1
                  ? "no cipher match but for RSA key exchange, which tls.key_isolation excludes"
                  : openssl_reason("unknown error"));
    if (params->ciphersuites && SSL_CTX_set_ciphersuites(ctx, params->ciphersuites) != 1)
        fault(faults, "tls.ciphersuites", "\"%s\": %s", params->ciphersuites,
              openssl_reason("not a list of TLS 1.3 cipher suites"));
    if (params->groups && SSL_CTX_set1_groups_list(ctx, params->groups) != 1)
        fault(faults, "tls.groups", "\"%s\": %s", params->groups,
              openssl_reason("not a list of groups"));
    ERR_clear_error();
}

/* ---- answers to the ClientHello ---- */

/* RFC 6066, 3. OpenSSL calls this also for a client that asks for no name. */
static int on_name(SSL *ssl, int *ret_alert, void *arg)
{
    const struct tls_server *server = arg;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (!server->strict_sni || tls_identity_is_known(server, host))
        return host ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
    tls_refuse(ssl, "no certificate is for the name it asks for: %s", host ? host : "none");
    *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_certificate(SSL *ssl, void *arg)
{
    return tls_identity_choose(arg, ssl);
}

/* RFC 6066, 8. */
static int on_status(SSL *ssl, void *arg)
{
    return tls_identity_staple(arg, ssl) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* RFC 7301, 3.2: the server's order counts, and it is fatal to have no protocol in common. */
static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_length,
                   const unsigned char *wanted, unsigned wanted_length, void *arg)
{
    const struct tls_server *server = arg;

    if (SSL_select_next_proto((unsigned char **)ret_name, ret_length, server->alpn.bytes,
                              (unsigned)server->alpn.length, wanted,
                              wanted_length) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    tls_refuse(ssl, "none of the protocols it offers in ALPN is in tls.alpn");
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void offer_alpn(struct tls_server *server, const struct strings *names,
                       struct faults *faults)
{
    struct tls_bytes *alpn = &server->alpn;

    if (names->n == 0)
        return;
    alpn->bytes = malloc(names->n * 256);
    for (size_t i = 0; alpn->bytes && i < names->n; i++) {
        size_t length = strlen(names->list[i]);

        alpn->bytes[alpn->length++] = (unsigned char)length;
        memcpy(alpn->bytes + alpn->length, names->list[i], length);
        alpn->length += length;
    }
    if (!alpn->bytes)
        fault(faults, "tls.alpn", "cannot be kept: %s", strerror(errno));
    SSL_CTX_set_alpn_select_cb(server->ctx, on_alpn, server);
}

static void answer_client(struct tls_server *server)
{
    SSL_CTX *ctx = server->ctx;

    SSL_CTX_set_app_data(ctx, server);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, server);
    SSL_CTX_set_cert_cb(ctx, on_certificate, server);
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    SSL_CTX_set_tlsext_status_arg(ctx, server);
}

/* ---- the server's certificates ---- */

static void load_own(struct tls_server *server, const struct tls_params *params,
                     const struct tls_keys *keys, struct faults *faults)
{
    const struct tls_sni_params own = {.certificate = params->certificate,
                                       .key = params->key,
                                       .ocsp_response = params->ocsp_response};
    unsigned before = faults->count;

    snprintf(server->own.prefix, sizeof(server->own.prefix), "tls.");
    tls_identity_load(&server->own, &own, keys, server->ctx, faults);
    if (faults->count == before && (SSL_CTX_use_certificate(server->ctx, server->own.leaf) != 1 ||
                                    SSL_CTX_use_PrivateKey(server->ctx, server->own.key) != 1 ||
                                    SSL_CTX_set1_chain(server->ctx, server->own.issuers) != 1))
        fault(faults, "tls.certificate", "cannot use it: %s", openssl_reason("unknown error"));
}

static void load_others(struct tls_server *server, const struct tls_params *params,
                        const struct tls_keys *keys, struct faults *faults)
{
    if (params->sni.n == 0)
        return;
    server->others = calloc(params->sni.n, sizeof(*server->others));
    if (!server->others) {
        fault(faults, "tls.sni", "cannot be kept: %s", strerror(errno));
        return;
    }
    server->n_others = params->sni.n;
    for (size_t i = 0; i < params->sni.n; i++) {
        struct tls_identity *other = &server->others[i];

        snprintf(other->prefix, sizeof(other->prefix), "tls.sni.[%zu].", i);
        tls_identity_load(other, tls_sni(params, i), keys, server->ctx, faults);
    }
}

/* ---- the whole ---- */

static SSL_CTX *new_context(struct faults *faults)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) {
        fault(faults, "tls.enabled", "cannot set up TLS: %s", openssl_reason("unknown error"));
        return NULL;
    }
    tls_set_options(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN); /* clients' issuers are not in our chain */
    return ctx;
}

int tls_server_new(const struct tls_params *params, const struct signer *signer,
                   struct faults *faults, struct tls_server **ret_server)
{
    const struct tls_keys keys = {params->key_isolation, signer};
    struct tls_server *server = calloc(1, sizeof(*server));
    unsigned before = faults->count;

    if (!server || !(server->ctx = new_context(faults))) {
        free(server);
        return -1;
    }
    server->strict_sni = params->strict_sni;
    server->client_names = params->client_names;
    choose_algorithms(server->ctx, params, faults);
    load_own(server, params, &keys, faults);
    load_others(server, params, &keys, faults);
    tls_verify_set_up(server->ctx, params, faults);
    tls_set_up_tickets(server, params, faults);
    offer_alpn(server, &params->alpn, faults);
    answer_client(server);
    if (faults->count == before && !tls_set_session_context(server, params))
        fault(faults, "tls.enabled", "cannot set up TLS: %s", openssl_reason("unknown error"));
    if (faults->count != before) {
        tls_server_free(server);
        return -1;
    }
    *ret_server = server;
    return 0;
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->ctx);
    ticket_ring_unref(server->tickets);
    tls_identity_free(&server->own);
    for (size_t i = 0; i < server->n_others; i++)
        tls_identity_free(&server->others[i]);
    free(server->others);
    free(server->alpn.bytes);
    free(server);
}

int tls_server_certificate(const struct tls_server *server, size_t i,
                           struct tls_certificate *ret_certificate)
{
    if (i > server->n_others)
        return -1;
    tls_read_certificate(i == 0 ? server->own.leaf : server->others[i - 1].leaf, ret_certificate);
    return 0;
}

/* One write(2) a line: lines of many processes do not mix. What cannot be written is lost. */
static void on_secret(const SSL *ssl, const char *line)
{
    const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char text[512];
    int n = snprintf(text, sizeof(text), "%s\n", line);

    if (n > 0 && (size_t)n < sizeof(text) && write(server->keylog, text, (size_t)n) < 0)
        errno = 0;
}

void tls_server_log_keys(struct tls_server *server, int fd)
{
    server->keylog = fd;
    SSL_CTX_set_keylog_callback(server->ctx, on_secret);
}

int tls_accept(struct stream *stream, const struct tls_server *server)
{
    SSL *ssl = SSL_new(server->ctx);

    if (ssl) {
        SSL_set_app_data(ssl, stream);
        SSL_set_accept_state(ssl);
    }
    return tls_attach(stream, ssl);
}
