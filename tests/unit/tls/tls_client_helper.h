/*
 * tls_client_helper.h - a client's stream and a server made of OpenSSL, moved by turns.
 */
#ifndef ECHOD_TLS_CLIENT_HELPER_H
#define ECHOD_TLS_CLIENT_HELPER_H

#include "tls_helper.h"

struct meeting {
    struct stream stream;
    SSL *server;
    int peer;
};

/* A server with NAME.crt and NAME.key, that takes this one version, or all with 0. */
SSL_CTX *server_context(const char *name, int version);

/* Trusts the PKI. */
struct tls_client_params trusting_params(void);

struct tls_client *new_tls_client(const struct tls_client_params *params);

/* The two ends before the handshake; close them with part(). */
struct meeting begin_meeting(SSL_CTX *ctx, const struct tls_client_params *params, const char *name,
                             const struct tls_session *resume);

/* Move both ends until neither has anything to say. Returns the client's answer. */
enum stream_status meet(struct meeting *meeting);

/* The two ends after a handshake that went well. */
struct meeting met(SSL_CTX *ctx, const struct tls_client_params *params, const char *name,
                   const struct tls_session *resume);

void part(struct meeting *meeting);

#endif
