/*
 * signer_protocol.h - what the parts of signer.h say to one another. Private to them.
 *
 * All of it goes over SOCK_SEQPACKET, so that a message is whole or not there, between processes of
 * one program, so that a struct is a format.
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

/* The signer, once at its start and for each file: what came of it. */
struct key_report {
    bool loaded;
    bool lost;       /* to the user that the signer has become: no other one could load it */
    bool failed;     /* not the file: the signer itself, which ends; this is the only report */
    struct err err;  /* where it is not loaded */
    uint32_t length; /* of `public` */
    unsigned char public[PUBLIC_KEY_MAX];
};

/* A client's process: sign `data`. The answer is the signature alone, or an end of the line. */
struct sign_request {
    uint32_t key;     /* the number of the file */
    char digest[32];  /* OpenSSL's names, empty for none: of the hash, */
    char padding[16]; /* RSA's padding, */
    char salt[16];    /* and the length of its salt */
    uint32_t length;  /* of `data`, the rest of which is not sent */
    unsigned char data[SIGN_DATA_MAX];
};

/* The whole life of the signer's process. */
_Noreturn void signer_run(int control, char *const *paths, size_t n, const struct user *user);

/*
 * Have one thing signed over the line in use. Returns the length of the signature, which has room
 * for SIGNATURE_MAX bytes, or 0 when the signer does not sign.
 */
size_t signer_sign(const struct sign_request *request, unsigned char *signature);

/*
 * Make the key number `key` from its public part, as OpenSSL takes a private one. Returns it, the
 * caller's, or NULL with *ret_err.
 */
EVP_PKEY *signer_provide(uint32_t key, const unsigned char *public, size_t length,
                         struct err *ret_err);

#endif
