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
 * Load a private key from a PEM file, not encrypted. Returns it, owned by the caller, or NULL with
 * *ret_err.
 */
EVP_PKEY *openssl_load_key(const char *path, struct err *ret_err);

#endif
