/* tls_client_helper.c - a client's stream and a server made of OpenSSL. */
#include "tls_client_helper.h"

#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

SSL_CTX *server_context(const char *name, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char certificate[64], key[64];

    snprintf(certificate, sizeof(certificate), "%s.crt", name);
    snprintf(key, sizeof(key), "%s.key", name);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, pki(certificate)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, pki(key), SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    return ctx;
}

struct tls_client_params trusting_params(void)
{
    return (struct tls_client_params){.ca = pki("ca.crt")};
}

struct tls_client *new_tls_client(const struct tls_client_params *params)
{
    struct tls_client *client = NULL;
    struct err err;

    if (tls_client_new(params, &client, &err) < 0)
        fail_msg("%s", err.text);
    return client;
}

struct meeting begin_meeting(SSL_CTX *ctx, const struct tls_client_params *params, const char *name,
                             const struct tls_session *resume)
{
    struct tls_client *client = new_tls_client(params);
    struct meeting meeting = {.server = SSL_new(ctx)};
    int fds[2];

    connect_unix(fds, SOCK_NONBLOCK);
    meeting.peer = fds[1];
    SSL_set_fd(meeting.server, meeting.peer);
    SSL_set_accept_state(meeting.server);
    stream_open(&meeting.stream, fds[0]);
    assert_int_equal(tls_connect(&meeting.stream, client, name, resume), 0);
    tls_client_free(client); /* the stream keeps what it needs */
    return meeting;
}

/* SSL_set_app_data() in tls_connect() holds the stream's place, which a return moves. */
enum stream_status meet(struct meeting *meeting)
{
    enum stream_status status = STREAM_WANT_READ;

    SSL_set_app_data(meeting->stream.tls, &meeting->stream);
    for (int i = 0; i < 20; i++) {
        if (stream_wants(status) != 0)
            status = stream_handshake(&meeting->stream);
        SSL_do_handshake(meeting->server);
    }
    ERR_clear_error();
    return status;
}

struct meeting met(SSL_CTX *ctx, const struct tls_client_params *params, const char *name,
                   const struct tls_session *resume)
{
    struct meeting meeting = begin_meeting(ctx, params, name, resume);

    if (meet(&meeting) != STREAM_OK)
        fail_msg("no handshake: %s", meeting.stream.error);
    assert_true(SSL_is_init_finished(meeting.server));
    return meeting;
}

void part(struct meeting *meeting)
{
    SSL_free(meeting->server);
    close(meeting->peer);
    stream_close(&meeting->stream, 0, 0);
}
