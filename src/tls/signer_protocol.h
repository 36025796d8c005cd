/*
 * signer_protocol.h - the messages between the parts of signer.h. Private to them.
 *
 * All of them go over SOCK_SEQPACKET, so that a message comes whole or not at all; and between
 * processes of one program, so that a struct can be the format.
 */
#ifndef ECHOD_TLS_SIGNER_PROTOCOL_H
#define ECHOD_TLS_SIGNER_PROTOCOL_H

#include "tls/signer.h"

#include <openssl/evp.h>
#include <stdbool.h>

/* Bytes of a SubjectPublicKeyInfo (RFC 5280, 4.1): RSA of 16384 bits has 2086, ML-DSA-87 2614. */
#define PUBLIC_KEY_MAX 4096
/* RFC 5246, 7.4.3: 64 bytes and two numbers of the longest DHE group. */
#define SIGN_DATA_MAX 4096
/* ML-DSA-87 has 4627 (FIPS 204, 4), RSA of 16384 bits 2048. */
#define SIGNATURE_MAX 4627

/* From the signer, once at its start for each file: whether it could load the key. */
struct key_report {
    bool loaded;
    bool lost;       /* the signer's new user cannot read it, so no replacement could load it */
    bool failed;     /* the signer itself failed, and ends; this is its only report */
    struct err err;  /* the reason, if not loaded */
    uint32_t length; /* of `public` */
    unsigned char public[PUBLIC_KEY_MAX];
};

/* From a client's process: sign `data`. The answer is the signature, or the end of the channel. */
struct sign_request {
    uint32_t key;     /* the number of the file */
    char digest[32];  /* OpenSSL's names, empty for none: of the hash, */
    char padding[16]; /* RSA's padding, */
    char salt[16];    /* and the length of its salt */
    uint32_t length;  /* of `data`; the rest of that is not sent */
    unsigned char data[SIGN_DATA_MAX];
};

/* Run as the signer: the whole life of its process. */
_Noreturn void signer_run(int control, char *const *paths, size_t n, const struct user *user);

/*
 * Get one signature over the channel in use. Returns its length, at most SIGNATURE_MAX, or 0 if the
 * signer does not sign.
 */
size_t signer_sign(const struct sign_request *request, unsigned char *signature);

/*
 * Make the key number `key` from its public part, in the form of a private key of OpenSSL. Returns
 * it, owned by the caller, or NULL with *ret_err.
 */
EVP_PKEY *signer_provide(uint32_t key, const unsigned char *public, size_t length,
                         struct err *ret_err);

#endif
