/*
 * signer_helper.h - signers of the test PKI's keys, and signatures of theirs that are checked with
 * the public keys of the certificates.
 */
#ifndef ECHOD_SIGNER_HELPER_H
#define ECHOD_SIGNER_HELPER_H

#include "tls/signer.h"
#include "tls_helper.h"

#include <openssl/evp.h>

/* The set-up of a group: sandbox_prepare(), and a directory for files, which is removed after it.
 */
int open_group(void **state);
int close_group(void **state);

/* The path of a file in that directory, good for ever. */
const char *own_file(const char *name);

/* Make this file a copy of that one. */
void copy_file(const char *from, const char *to);

struct signer *start_signer(const char *const *paths, size_t n);
struct signer *signer_of(const char *path);

/* The key as the signer gives it. */
EVP_PKEY *key_of(const struct signer *signer, const char *path);

/* Open a line and use it. Returns its descriptor. */
int use_line(const struct signer *signer);

/* ---- signatures ---- */

/* How to sign: `digest` is NULL for what has its own; `padding` is 0 for what has none. */
struct way {
    const char *digest;
    int padding; /* openssl/rsa.h */
};

/* Whether the key signs, with the line in use, and what it signs verifies with `public`. */
bool signs(EVP_PKEY *key, EVP_PKEY *public, const struct way *way);

/* The same for a signer's only key, which is of the EC and has this certificate, on a new line. */
void assert_signer_signs(const struct signer *signer);

/* The key does not sign, and the error queue says why; empties it. */
void assert_no_signature(EVP_PKEY *key, const char *digest);

EVP_PKEY *public_of(const char *certificate);

#endif
