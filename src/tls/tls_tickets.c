/*
 * tls_tickets.c - the sessions that resume: the keys of their tickets, and where a ticket counts.
 */
#include "tls/tls_private.h"

#include "tls/ticket_keys.h"

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

/* ---- tickets; OpenSSL decides on their form (RFC 5077, 4) and checks their lifetime ---- */

static bool set_keys(const struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, sizeof(key->hmac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int issue_ticket(const struct ticket_key *key, unsigned char *ret_name,
                        unsigned char *ret_iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (!key)
        return 0;
    memcpy(ret_name, key->name, TICKET_NAME_SIZE);
    if (RAND_bytes(ret_iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
        return -1;
    return set_keys(key, ret_iv, cipher, mac, 1) ? 1 : -1;
}

/*
 * SSL_CTX_set_tlsext_ticket_key_evp_cb(3) defines the results: 0 asks for a full handshake, 2 for a
 * new ticket, since an older key will soon be dropped.
 */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int issue)
{
    const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct ticket_key *issuer = ticket_ring_issuer(server->tickets), *key;

    if (issue)
        return issue_ticket(issuer, name, iv, cipher, mac);
    key = ticket_ring_find(server->tickets, name);
    if (!key)
        return 0;
    if (!set_keys(key, iv, cipher, mac, 0))
        return -1;
    return key == issuer ? 1 : 2;
}

/* Demand a full handshake if the client's certificate has expired since the ticket was issued. */
static SSL_TICKET_RETURN on_session(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                    size_t name_length, SSL_TICKET_STATUS status, void *arg)
{
    X509 *client = session ? SSL_SESSION_get0_peer(session) : NULL;

    (void)ssl, (void)name, (void)name_length, (void)arg;
    if (client && tls_time(X509_get0_notAfter(client)) <= time(NULL))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    switch (status) {
    case SSL_TICKET_SUCCESS:
        return SSL_TICKET_RETURN_USE;
    case SSL_TICKET_SUCCESS_RENEW:
        return SSL_TICKET_RETURN_USE_RENEW;
    default:
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
}

void tls_server_share_tickets(struct tls_server *server, struct ticket_ring *ring)
{
    server->tickets = ticket_ring_ref(ring);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(server->ctx, on_ticket);
}

static void load_keys(struct tls_server *server, const char *path, struct faults *faults)
{
    struct ticket_ring *ring;
    struct err err;

    if (ticket_ring_load(path, &ring, &err) < 0) {
        fault(faults, "tls.ticket_keys", "%s", err.text);
        return;
    }
    tls_server_share_tickets(server, ring);
    ticket_ring_unref(ring);
}

/* ---- where a ticket counts ---- */

/* The length comes first, so that no byte can move from the end of one field to the next. */
static bool digest(EVP_MD_CTX *md, const void *data, size_t n)
{
    uint64_t length = htobe64(n);

    return EVP_DigestUpdate(md, &length, sizeof(length)) == 1 && EVP_DigestUpdate(md, data, n) == 1;
}

static bool digest_text(EVP_MD_CTX *md, const char *text)
{
    return digest(md, text ? text : "", text ? strlen(text) : 0);
}

static bool digest_number(EVP_MD_CTX *md, size_t number)
{
    uint64_t bytes = htobe64(number);

    return digest(md, &bytes, sizeof(bytes));
}

static bool digest_texts(EVP_MD_CTX *md, const struct strings *texts)
{
    bool done = digest_number(md, texts->n);

    for (size_t i = 0; done && i < texts->n; i++)
        done = digest_text(md, texts->list[i]);
    return done;
}

static bool digest_algorithms(EVP_MD_CTX *md, const struct tls_params *params)
{
    return digest_text(md, params->ciphers) && digest_text(md, params->ciphersuites) &&
           digest_text(md, params->groups);
}

/* The names that a certificate is for: clients check them, and a renewal does not change them. */
static bool digest_identity(EVP_MD_CTX *md, const struct tls_identity *identity)
{
    int i = X509_get_ext_by_NID(identity->leaf, NID_subject_alt_name, -1);
    const ASN1_OCTET_STRING *names = X509_EXTENSION_get_data(X509_get_ext(identity->leaf, i));
    const unsigned char *subject;
    size_t n;

    return X509_NAME_get0_der(X509_get_subject_name(identity->leaf), &subject, &n) == 1 &&
           digest(md, subject, n) && digest_texts(md, &identity->names) &&
           digest(md, names ? ASN1_STRING_get0_data(names) : NULL,
                  names ? (size_t)ASN1_STRING_length(names) : 0);
}

static bool digest_identities(EVP_MD_CTX *md, const struct tls_server *server)
{
    bool done = digest_identity(md, &server->own) && digest_number(md, server->strict_sni) &&
                digest_number(md, server->n_others);

    for (size_t i = 0; done && i < server->n_others; i++)
        done = digest_identity(md, &server->others[i]);
    return done;
}

/* Issuers and CRLs by content and in any order, since a directory has no order. */
static bool digest_store(EVP_MD_CTX *md, X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    unsigned char all[SHA256_DIGEST_LENGTH] = {0}, one[SHA256_DIGEST_LENGTH];
    bool done = true;

    for (int i = 0; done && i < sk_X509_OBJECT_num(objects); i++) {
        const X509_OBJECT *object = sk_X509_OBJECT_value(objects, i);
        X509 *issuer = X509_OBJECT_get0_X509(object);
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL((X509_OBJECT *)object);

        done = (issuer ? X509_digest(issuer, EVP_sha256(), one, NULL)
                       : X509_CRL_digest(crl, EVP_sha256(), one, NULL)) == 1;
        for (size_t k = 0; k < sizeof(all); k++)
            all[k] ^= one[k];
    }
    return done && digest(md, all, sizeof(all));
}

static bool digest_verification(EVP_MD_CTX *md, SSL_CTX *ctx, const struct tls_params *params)
{
    if (!digest_number(md, (size_t)params->verify_client))
        return false;
    return params->verify_client == TLS_VERIFY_NONE ||
           (digest_number(md, (size_t)params->verify_depth) &&
            digest_texts(md, &params->client_names) &&
            digest_store(md, SSL_CTX_get_cert_store(ctx)));
}

/*
 * A resumed session proves nothing anew, so a ticket must count only where a full handshake would
 * have had the same result. The digest therefore contains all that decides who is trusted and how
 * strong the keys are. A new setting of that kind must be added here. It contains nothing of this
 * machine: another one with the same settings and keys can resume the session.
 */
bool tls_set_session_context(struct tls_server *server, const struct tls_params *params)
{
    unsigned char context[SSL_MAX_SID_CTX_LENGTH];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool done = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                digest_text(md, "echod session 1") && digest_algorithms(md, params) &&
                digest_identities(md, server) && digest_verification(md, server->ctx, params) &&
                EVP_DigestFinal_ex(md, context, NULL) == 1 &&
                SSL_CTX_set_session_id_context(server->ctx, context, sizeof(context)) == 1;

    EVP_MD_CTX_free(md);
    return done;
}

/* Tickets carry the whole session, so no child needs the memory of another. */
void tls_set_up_tickets(struct tls_server *server, const struct tls_params *params,
                        struct faults *faults)
{
    SSL_CTX *ctx = server->ctx;

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, (long)(params->ticket_usec / USEC_PER_SEC));
    SSL_CTX_set_session_ticket_cb(ctx, NULL, on_session, NULL);
    SSL_CTX_set_num_tickets(ctx, (size_t)params->tickets);
    if (params->tickets == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (params->ticket_keys)
        load_keys(server, params->ticket_keys, faults);
}
