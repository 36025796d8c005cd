/*
 * openssl_util.h - what the modules that use OpenSSL share: its errors in words, and loading keys
 * from files.
 */
#ifndef ECHOD_TLS_OPENSSL_UTIL_H
#define ECHOD_TLS_OPENSSL_UTIL_H

#include "base/err.h"

#include <openssl/evp.h>

/* The reason in the error queue, in words; empties the queue. Returns `none` if it is empty. */
const char *openssl_reason(const char *none);

/*
 * Load an unencrypted private key of a PEM file. Returns it, the caller's, or NULL with *ret_err.
 */
EVP_PKEY *openssl_load_key(const char *path, struct err *ret_err);

#endif
