/*
 * tls_private.h - what the parts of tls.h share. Private to them, as OpenSSL is.
 */
#ifndef ECHOD_TLS_PRIVATE_H
#define ECHOD_TLS_PRIVATE_H

#include "ossl.h"
#include "tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/*
 * Load the certificates of a PEM file: the leaf, then its issuers. Whatever else is in the file, as
 * a private key may be, is not even copied.
 * Returns at least one, all the caller's, or NULL with *ret_err.
 */
STACK_OF(X509) * tls_load_chain(const char *path, struct err *ret_err);

/* The options and modes that a context of either side has. */
void tls_set_options(SSL_CTX *ctx);

/* Fill in what a certificate says of itself. */
void tls_read_certificate(X509 *certificate, struct tls_certificate *ret_certificate);

/*
 * Make `stream` speak TLS over `ssl`, which knows its side already and is the stream's from here
 * on; NULL stands for one that could not be made. Returns 0, or -1 with stream->error.
 */
int tls_attach(struct stream *stream, SSL *ssl);

#endif
