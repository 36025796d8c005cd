/*
 * openssl_util.h - what the modules that use OpenSSL share: its errors in words, and keys out of
 * files.
 */
#ifndef ECHOD_TLS_OPENSSL_UTIL_H
#define ECHOD_TLS_OPENSSL_UTIL_H

#include "base/err.h"

#include <openssl/evp.h>

/* The reason in the error queue in words, the queue emptied; `none` where it is empty. */
const char *openssl_reason(const char *none);

/* Load a private key of a PEM file, not encrypted. Returns it, the caller's, or NULL and *ret_err.
 */
EVP_PKEY *openssl_load_key(const char *path, struct err *ret_err);

#endif
