/* tls_warmup.c - a handshake of the parent with itself. */
#include "tls/tls_warmup.h"

#include "net/stream.h"

#include <sys/socket.h>

#define FLIGHTS 6 /* more than any handshake has */
#define TIMEOUT_USEC (500 * USEC_PER_MSEC)

/* What one side sends waits in the socket, so each side in turn gets as far as it can. */
static void shake_hands(struct stream *client, struct stream *server)
{
    unsigned char byte = 0;
    size_t n;

    for (int i = 0; i < FLIGHTS; i++)
        if (stream_handshake(client) == STREAM_FAILED || stream_handshake(server) == STREAM_FAILED)
            return;
    if (stream_write(client, &byte, 1, &n) != STREAM_OK ||
        stream_read(server, &byte, 1, &n) != STREAM_OK ||
        stream_write(server, &byte, 1, &n) != STREAM_OK ||
        stream_read(client, &byte, 1, &n) != STREAM_OK)
        return;
    stream_finish(client);
    stream_finish(server);
}

static void meet(const struct tls_client *client, const struct tls_server *server)
{
    struct stream near, far;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    stream_open(&near, ends[0]);
    stream_open(&far, ends[1]);
    if (tls_accept(&near, server) == 0 && tls_connect(&far, client, "localhost", NULL) == 0)
        shake_hands(&far, &near);
    stream_close(&far, 0, 0);
    stream_close(&near, 0, 0);
}

void tls_warm_up(const struct tls_server *server, const struct signer *signer)
{
    const struct tls_client_params params = {.insecure = true};
    struct tls_client *client;
    struct err err;
    int line = signer ? signer_connect(signer, TIMEOUT_USEC) : -1;

    if (line >= 0)
        signer_use(line);
    if (tls_client_new(&params, &client, &err) == 0) {
        meet(client, server);
        tls_client_free(client);
    }
    signer_hang_up();
}
