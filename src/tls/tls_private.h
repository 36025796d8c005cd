/*
 * tls_private.h - what the parts of tls.h share. Private to them, and so are OpenSSL's types.
 */
#ifndef ECHOD_TLS_TLS_PRIVATE_H
#define ECHOD_TLS_TLS_PRIVATE_H

#include "tls/openssl_util.h"
#include "tls/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ---- files ---- */

/* The content of a file; free the bytes with free(). */
struct tls_bytes {
    unsigned char *bytes;
    size_t length;
};

/* Read a whole file, a regular one. Returns NULL, or why it cannot be read. */
const char *tls_read_file(const char *path, struct tls_bytes *ret_bytes);

/*
 * Load the certificates of a PEM file: the leaf, then its issuers. Anything else in the file, such
 * as a private key, is not even copied.
 * Returns at least one certificate, all owned by the caller, or NULL with *ret_err.
 */
STACK_OF(X509) * tls_load_chain(const char *path, struct err *ret_err);

/* ---- the server's identity ---- */

/* One certificate with its key, names and OCSP response. */
struct tls_identity {
    char prefix[32];      /* of its settings' names, "tls." or "tls.sni.[0]." */
    struct strings names; /* host names; borrowed */
    X509 *leaf;
    STACK_OF(X509) * issuers;
    EVP_PKEY *key;
    struct tls_bytes ocsp; /* a response in DER form, or none */
    time_t ocsp_until;     /* 0 = without limit */
};

struct tls_server {
    SSL_CTX *ctx;
    struct tls_identity own; /* for clients that ask for no name of the others */
    size_t n_others;
    struct tls_identity *others;
    bool strict_sni;
    struct strings client_names;
    int keylog;                  /* descriptor of tls_server_log_keys() */
    struct tls_bytes alpn;       /* as on the wire (RFC 7301, 3.1) */
    struct ticket_ring *tickets; /* the keys of its tickets; NULL = OpenSSL's own */
};

/* Where to get the private keys. */
struct tls_keys {
    bool isolated; /* in the signer, else in their files */
    const struct signer *signer;
};

/* Fill an identity, all zero except for its prefix, and report what `ctx` cannot use. */
void tls_identity_load(struct tls_identity *identity, const struct tls_sni_params *params,
                       const struct tls_keys *keys, SSL_CTX *ctx, struct faults *faults);

/* Free the content of an identity. */
void tls_identity_free(struct tls_identity *identity);

/* Whether a certificate is for this host; false for NULL. */
bool tls_identity_is_known(const struct tls_server *server, const char *host);

/*
 * Give a handshake the certificates for the name that it asks for: all that fit it best, an exact
 * name before a wildcard, so that one can be of RSA and one of ECDSA. If none fits, it keeps those
 * of the context. Returns false when memory has run out.
 */
bool tls_identity_choose(const struct tls_server *server, SSL *ssl);

/* Staple the OCSP response of the chosen certificate, if it is fresh. Returns whether it did. */
bool tls_identity_staple(const struct tls_server *server, SSL *ssl);

/* ---- the client's identity ---- */

/* Set up the verification of clients' certificates by the settings, and report faults in these. */
void tls_verify_set_up(SSL_CTX *ctx, const struct tls_params *params, struct faults *faults);

/*
 * Whether a certificate is for one of these names, which may have one star each: a DNS name, an
 * email or IP address or a URI among its subject alternative names, or, if it has no such names at
 * all, its common name (RFC 6125, 6.4).
 */
bool tls_verify_name(const struct strings *patterns, X509 *certificate);

/* ---- which sessions resume ---- */

/* Set up tickets and their keys, and report faults of the file with the keys. */
void tls_set_up_tickets(struct tls_server *server, const struct tls_params *params,
                        struct faults *faults);

/*
 * Set in which contexts a ticket counts. Certificates, and what verifies clients, must be loaded
 * before. Returns false on failure of OpenSSL.
 */
bool tls_set_session_context(struct tls_server *server, const struct tls_params *params);

/* ---- both sides ---- */

/* Write into the stream's error why the server refuses a handshake. */
void tls_refuse(SSL *ssl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A time of a certificate; 0 if it is not valid. */
time_t tls_time(const ASN1_TIME *when);

/* Set the options and modes that a context of either side has. */
void tls_set_options(SSL_CTX *ctx);

/* Fill in the fields of a certificate. */
void tls_read_certificate(X509 *certificate, struct tls_certificate *ret_certificate);

/*
 * Make `stream` speak TLS over `ssl`, which has its side set already; the stream owns it from now
 * on. `ssl` is NULL if it could not be made. Returns 0, or -1 with stream->error.
 */
int tls_attach(struct stream *stream, SSL *ssl);

#endif
