/* tls_helper.c - what the tests of TLS share. */
#include "tls_helper.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool tls_tests_ready(void)
{
    if (!getenv("PKI")) {
        fputs("PKI does not name a directory that certs/make-certs made\n", stderr);
        return false;
    }
    alarm(120); /* a test that waits for ever fails */
    signal(SIGPIPE, SIG_IGN);
    return true;
}

const char *pki(const char *name)
{
    static char paths[64][256];
    char path[sizeof(paths[0])];
    size_t i = 0;

    snprintf(path, sizeof(path), "%s/%s", getenv("PKI"), name);
    while (paths[i][0] != '\0' && strcmp(paths[i], path) != 0)
        assert_true(++i < sizeof(paths) / sizeof(*paths));
    return strcpy(paths[i], path);
}

void keep_fault(void *arg, const struct fault *fault)
{
    struct fault_list *list = arg;

    assert_true(list->n < 8);
    snprintf(list->faults[list->n].setting, 32, "%s", fault->setting);
    snprintf(list->faults[list->n].text, 256, "%s", fault->text);
    list->n++;
}

struct tls_params good_params(void)
{
    return (struct tls_params){.certificate = pki("server.crt"),
                               .key = pki("server.key"),
                               .min_version = TLS_V1_2,
                               .max_version = TLS_NEWEST,
                               .ciphers = CIPHERS,
                               .tickets = 2,
                               .ticket_usec = 1234 * USEC_PER_SEC};
}

struct tls_server *new_server(const struct tls_params *params)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct tls_server *server = NULL;

    if (tls_server_new(params, NULL, &list.sink, &server) < 0)
        fail_msg("%s: %s", list.faults[0].setting, list.faults[0].text);
    return server;
}

struct tls_server *good_server(void)
{
    const struct tls_params params = good_params();

    return new_server(&params);
}

struct tls_server *server_of(const char *certificate, const char *key)
{
    struct tls_params params = good_params();

    params.certificate = pki(certificate);
    params.key = pki(key);
    return new_server(&params);
}

SSL_CTX *client_context(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, pki("ca.crt"), NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    return ctx;
}

SSL *new_client(SSL_CTX *ctx, int fd)
{
    SSL *client = SSL_new(ctx);

    assert_non_null(client);
    SSL_set_fd(client, fd);
    SSL_set_tlsext_host_name(client, "localhost");
    assert_int_equal(X509_VERIFY_PARAM_set1_host(SSL_get0_param(client), "localhost", 0), 1);
    SSL_set_connect_state(client);
    return client;
}

void connect_unix(int fds[2], int flags)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds), 0);
}

struct link open_link(const struct tls_server *server, SSL_CTX *ctx)
{
    struct link link = {.ctx = ctx};
    int fds[2];

    connect_unix(fds, SOCK_NONBLOCK);
    stream_open(&link.stream, fds[0]);
    assert_int_equal(tls_accept(&link.stream, server), 0);
    link.peer = fds[1];
    link.client = new_client(ctx, link.peer);
    return link;
}

void close_link(struct link *link)
{
    SSL_free(link->client);
    close(link->peer);
    stream_close(&link->stream, 0, 0);
}

enum stream_status shake_hands(struct link *link)
{
    enum stream_status status = STREAM_WANT_READ;
    int result = -1;

    for (int i = 0; i < 20; i++) {
        if (result != 1)
            result = SSL_do_handshake(link->client);
        if (stream_wants(status) != 0)
            status = stream_handshake(&link->stream);
    }
    ERR_clear_error();
    if (status == STREAM_OK)
        assert_int_equal(result, 1);
    return status;
}

struct link connected_link(const struct tls_server *server, SSL_CTX *ctx)
{
    struct link link = open_link(server, ctx);

    if (shake_hands(&link) != STREAM_OK)
        fail_msg("no handshake: %s", link.stream.error);
    return link;
}

struct link own_link(int version)
{
    struct tls_server *server = good_server();
    struct link link = connected_link(server, client_context(version));

    tls_server_free(server); /* the connection keeps what it needs */
    return link;
}

void close_own(struct link *link)
{
    close_link(link);
    SSL_CTX_free(link->ctx);
}

void assert_read_answers(struct link *link, enum stream_status status)
{
    char data[64];
    size_t n = 77;

    assert_int_equal(stream_read(&link->stream, data, sizeof(data), &n), status);
    assert_int_equal(n, 77);
}

const char *group_of(SSL *ssl)
{
    return SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));
}

const char *complaint(const char *subject, int error)
{
    static char text[256];

    snprintf(text, sizeof(text), "certificate %s: %s", subject,
             X509_verify_cert_error_string(error));
    return text;
}

struct version v1_2 = {TLS1_2_VERSION, "TLSv1.2"}, v1_3 = {TLS1_3_VERSION, "TLSv1.3"};

int version_of(void **state)
{
    return ((const struct version *)*state)->number;
}
