/*
 * tls_helper.h - what the tests of TLS share: files of the test PKI, servers, a client made of
 * OpenSSL, and the two of them in one process, so that nothing depends on time.
 */
#ifndef ECHOD_TLS_HELPER_H
#define ECHOD_TLS_HELPER_H

#include "tls/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20" /* the default of the setting */

/*
 * Run a group of tests with what they all need: the PKI, an end to waiting, and no SIGPIPE, as in
 * main(), since OpenSSL writes without MSG_NOSIGNAL. Returns what main() is to return.
 */
#define RUN_TLS_TESTS(tests) (tls_tests_ready() ? cmocka_run_group_tests(tests, NULL, NULL) : 77)
bool tls_tests_ready(void);

/* The path of a file of the PKI, good for ever. */
const char *pki(const char *name);

/* ---- faults ---- */

struct fault_list {
    struct faults sink;
    unsigned n;
    struct {
        char setting[32], text[256];
    } faults[8];
};

/* The sink of a list. */
void keep_fault(void *arg, const struct fault *fault);

/* ---- servers; freed with tls_server_free() ---- */

struct tls_params good_params(void);
struct tls_server *new_server(const struct tls_params *params);
struct tls_server *good_server(void);
struct tls_server *server_of(const char *certificate, const char *key);

/* ---- clients ---- */

/* A context that trusts the PKI and takes this one version, or all with 0. */
SSL_CTX *client_context(int version);

/* Names the server, and checks that the certificate is for it. */
SSL *new_client(SSL_CTX *ctx, int fd);

/* A pair of connected sockets. */
void connect_unix(int fds[2], int flags);

/* ---- both ends in one process ---- */

struct link {
    struct stream stream;
    SSL_CTX *ctx;
    SSL *client;
    int peer;
};

struct link open_link(const struct tls_server *server, SSL_CTX *ctx);
void close_link(struct link *link);

/* Move both ends until neither has anything to say. Returns the server's answer. */
enum stream_status shake_hands(struct link *link);

/* A link with the handshake done. */
struct link connected_link(const struct tls_server *server, SSL_CTX *ctx);

/* A link of one version with everything at its default, to be closed by close_own(). */
struct link own_link(int version);
void close_own(struct link *link);

/* The next read of the server's stream answers this, and no bytes. */
void assert_read_answers(struct link *link, enum stream_status status);

/* ---- what OpenSSL says, which is another thing in each of its versions ---- */

/* Its name of the group that this end agreed on. */
const char *group_of(SSL *ssl);

/* What is told of a certificate that fails with this X509_V_ERR_..., until the next call. */
const char *complaint(const char *subject, int error);

/* ---- tests that run once in each version ---- */

struct version {
    int number;
    const char *name;
};
extern struct version v1_2, v1_3;

int version_of(void **state);

#define IN(version, test)                                                                          \
    {                                                                                              \
#test " in " #version, test, NULL, NULL, &version                                          \
    }
#define IN_BOTH(test) IN(v1_2, test), IN(v1_3, test)

#endif
