/* tls_identity.c - the server's certificates, their keys and OCSP responses, by host name. */
#include "tls/tls_private.h"

#include "tls/signer.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The full name of a setting of an identity, for the fault that names it. */
#define FAULT(faults, identity, name, ...)                                                         \
    do {                                                                                           \
        char setting_[SETTING_MAX];                                                                \
        snprintf(setting_, sizeof(setting_), "%s%s", (identity)->prefix, name);                    \
        fault(faults, setting_, __VA_ARGS__);                                                      \
    } while (0)
#define SETTING_MAX 64

/* ---- loading ---- */

static void load_certificate(struct tls_identity *identity, const char *path, SSL *probe,
                             struct faults *faults)
{
    struct err err;

    identity->issuers = tls_load_chain(path, &err);
    if (!identity->issuers) {
        FAULT(faults, identity, "certificate", "%s", err.text);
        return;
    }
    identity->leaf = sk_X509_shift(identity->issuers);
    if (SSL_use_certificate(probe, identity->leaf) != 1)
        FAULT(faults, identity, "certificate", "cannot use %s: %s", path,
              openssl_reason("unknown error"));
}

static void load_key(struct tls_identity *identity, const struct tls_sni_params *params,
                     const struct tls_keys *keys, SSL *probe, struct faults *faults)
{
    struct err err;

    identity->key = keys->isolated ? signer_key(keys->signer, params->key, &err)
                                   : openssl_load_key(params->key, &err);
    if (!identity->key)
        FAULT(faults, identity, "key", "%s", err.text);
    else if (identity->leaf && EVP_PKEY_eq(X509_get0_pubkey(identity->leaf), identity->key) != 1)
        FAULT(faults, identity, "key", "%s is not the key of the certificate %s", params->key,
              params->certificate);
    else if (identity->leaf && SSL_use_PrivateKey(probe, identity->key) != 1)
        FAULT(faults, identity, "key", "cannot use %s: %s", params->key,
              openssl_reason("unknown error"));
    ERR_clear_error();
}

/* ---- OCSP (RFC 6960) ---- */

/* The answer about this certificate among those of a response, or NULL. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, X509 *leaf)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *answer = OCSP_resp_get0(basic, i);
        ASN1_INTEGER *serial = NULL;

        OCSP_id_get0_info(NULL, NULL, NULL, &serial,
                          (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(answer));
        if (serial && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0)
            return answer;
    }
    return NULL;
}

/* Returns NULL if the answer may be stapled, until *ret_until (0 = no limit), else why not. */
static const char *judge_answer(OCSP_SINGLERESP *answer, time_t *ret_until)
{
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;

    if (!answer)
        return "it does not speak of this certificate";
    OCSP_single_get0_status(answer, NULL, NULL, &from, &until);
    if (from && tls_time(from) > time(NULL))
        return "it is not valid yet";
    if (until && tls_time(until) <= time(NULL))
        return "it is stale: its next update is past";
    *ret_until = until ? tls_time(until) : 0;
    return NULL;
}

static const char *judge_response(const struct tls_bytes *der, X509 *leaf, time_t *ret_until)
{
    const unsigned char *at = der->bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der->length);
    OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
    const char *reason = basic      ? judge_answer(find_answer(basic, leaf), ret_until)
                         : response ? "it is the refusal of a responder"
                                    : "it is no OCSP response in DER form";

    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return reason;
}

static void load_ocsp(struct tls_identity *identity, const char *path, struct faults *faults)
{
    const char *reason = tls_read_file(path, &identity->ocsp);

    if (!reason && identity->leaf)
        reason = judge_response(&identity->ocsp, identity->leaf, &identity->ocsp_until);
    if (reason)
        FAULT(faults, identity, "ocsp_response", "cannot use %s: %s", path, reason);
}

void tls_identity_load(struct tls_identity *identity, const struct tls_sni_params *params,
                       const struct tls_keys *keys, SSL_CTX *ctx, struct faults *faults)
{
    SSL *probe = SSL_new(ctx);

    identity->names = params->names;
    if (!probe) {
        FAULT(faults, identity, "certificate", "cannot set up TLS: %s",
              openssl_reason("no memory"));
        return;
    }
    load_certificate(identity, params->certificate, probe, faults);
    load_key(identity, params, keys, probe, faults);
    if (params->ocsp_response)
        load_ocsp(identity, params->ocsp_response, faults);
    SSL_free(probe);
}

void tls_identity_free(struct tls_identity *identity)
{
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->issuers, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity->ocsp.bytes);
}

/* ---- choosing ---- */

enum fit { FIT_NOT, FIT_WILDCARD, FIT_EXACT };

/* RFC 6125, 6.4.3: the star stands for the whole leftmost label. */
static enum fit fit(const char *pattern, const char *host)
{
    const char *dot = strchr(host, '.');

    if (strcasecmp(pattern, host) == 0)
        return FIT_EXACT;
    return pattern[0] == '*' && dot && dot != host && strcasecmp(pattern + 1, dot) == 0
               ? FIT_WILDCARD
               : FIT_NOT;
}

static enum fit best_fit(const struct tls_identity *identity, const char *host)
{
    enum fit best = FIT_NOT;

    for (size_t i = 0; i < identity->names.n; i++)
        if (fit(identity->names.list[i], host) > best)
            best = fit(identity->names.list[i], host);
    return best;
}

static enum fit best_of_all(const struct tls_server *server, const char *host)
{
    enum fit best = FIT_NOT;

    for (size_t i = 0; i < server->n_others; i++)
        if (best_fit(&server->others[i], host) > best)
            best = best_fit(&server->others[i], host);
    return best;
}

bool tls_identity_is_known(const struct tls_server *server, const char *host)
{
    return host && (best_of_all(server, host) != FIT_NOT ||
                    X509_check_host(server->own.leaf, host, 0, 0, NULL) == 1);
}

static bool add_identity(SSL *ssl, const struct tls_identity *identity)
{
    return SSL_use_certificate(ssl, identity->leaf) == 1 &&
           SSL_use_PrivateKey(ssl, identity->key) == 1 && SSL_set1_chain(ssl, identity->issuers);
}

bool tls_identity_choose(const struct tls_server *server, SSL *ssl)
{
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    enum fit best = host ? best_of_all(server, host) : FIT_NOT;

    if (best == FIT_NOT)
        return true;
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < server->n_others; i++)
        if (best_fit(&server->others[i], host) == best && !add_identity(ssl, &server->others[i]))
            return false;
    return true;
}

static bool is_fresh(const struct tls_identity *identity)
{
    return identity->ocsp.bytes && (!identity->ocsp_until || time(NULL) <= identity->ocsp_until);
}

/* OpenSSL frees the copy. */
static bool staple(SSL *ssl, const struct tls_bytes *ocsp)
{
    unsigned char *copy = OPENSSL_memdup(ocsp->bytes, ocsp->length);

    return copy && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)ocsp->length) == 1;
}

bool tls_identity_staple(const struct tls_server *server, SSL *ssl)
{
    const X509 *chosen = SSL_get_certificate(ssl);
    const struct tls_identity *identity = &server->own;

    for (size_t i = 0; i < server->n_others; i++)
        if (X509_cmp(server->others[i].leaf, chosen) == 0)
            identity = &server->others[i];
    return X509_cmp(identity->leaf, chosen) == 0 && is_fresh(identity) &&
           staple(ssl, &identity->ocsp);
}
