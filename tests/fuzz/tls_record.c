/*
 * tls_record.c - tls_record DIRECTORY: write what clients of every kind say, as seeds for tls.c.
 *
 * Each meets a session and says what its script has; then that is played back as the fuzz target
 * does it, and a line tells how it went. Wanted again only when OpenSSL has changed so much that
 * handshakes fail which should not.
 */
#include "tls_host.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT_SEED 2

/* What a client does between its two messages, or at the end. */
enum habit { NOTHING, UPDATES_KEYS, RENEGOTIATES, LEAVES /* without close_notify */ };

static const struct script {
    const char *name;
    enum host host;
    int version; /* the newest */
    const char *groups;
    const char *ciphers; /* of TLS 1.2 */
    enum habit habit;
} scripts[] = {
    {"tls13", HOST_TLS, TLS1_3_VERSION, "X25519", "DEFAULT", NOTHING},
    {"tls13-key-update", HOST_TLS, TLS1_3_VERSION, "X25519", "DEFAULT", UPDATES_KEYS},
    {"tls13-truncated", HOST_TLS, TLS1_3_VERSION, "P-256", "DEFAULT", LEAVES},
    {"tls13-retry", HOST_TLS_P384, TLS1_3_VERSION, "X25519:P-384", "DEFAULT", NOTHING},
    {"tls13-length", HOST_TLS_LENGTH, TLS1_3_VERSION, "X25519", "DEFAULT", NOTHING},
    {"tls12", HOST_TLS_1_2, TLS1_2_VERSION, "X25519:P-256", "ECDHE+AESGCM", NOTHING},
    {"tls12-cbc", HOST_TLS, TLS1_2_VERSION, "P-256", "ECDHE-ECDSA-AES128-SHA", NOTHING},
    {"tls12-renegotiation", HOST_TLS, TLS1_2_VERSION, "X25519:P-256", "CHACHA20", RENEGOTIATES},
    {"tls12-refused", HOST_TLS_P384, TLS1_2_VERSION, "X25519:P-256", "DEFAULT", NOTHING},
};

/* ---- a client: what it says is kept ---- */

struct visitor {
    SSL *ssl;
    int fd;
    unsigned char said[16384];
    size_t n;
};

static struct visitor open_client(const struct script *script, int fd)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct visitor client = {.fd = fd};

    demand(ctx && SSL_CTX_set_max_proto_version(ctx, script->version) == 1 &&
           SSL_CTX_set1_groups_list(ctx, script->groups) == 1 &&
           SSL_CTX_set_cipher_list(ctx, script->ciphers) == 1);
    client.ssl = SSL_new(ctx);
    demand(client.ssl && SSL_set_tlsext_host_name(client.ssl, "localhost") == 1);
    SSL_set_bio(client.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client.ssl);
    SSL_CTX_free(ctx);
    return client;
}

static void pass_on(struct visitor *client)
{
    int n = BIO_read(SSL_get_wbio(client->ssl), client->said + client->n,
                     (int)(sizeof(client->said) - client->n));

    if (n <= 0)
        return;
    send(client->fd, client->said + client->n, (size_t)n, MSG_NOSIGNAL);
    client->n += (size_t)n;
}

/* Returns false at the end of what the server says. */
static bool hear(struct visitor *client)
{
    struct pollfd ready = {.fd = client->fd, .events = POLLIN};
    char heard[16384];
    ssize_t n;

    poll(&ready, 1, -1);
    n = recv(client->fd, heard, sizeof(heard), 0);
    return n > 0 && BIO_write(SSL_get_rbio(client->ssl), heard, (int)n) == n;
}

static bool shake_hands(struct visitor *client)
{
    int result;

    do {
        result = SSL_do_handshake(client->ssl);
        pass_on(client);
    } while (result != 1 && SSL_get_error(client->ssl, result) == SSL_ERROR_WANT_READ &&
             hear(client));
    return result == 1;
}

static void act(struct visitor *client, const struct script *script)
{
    static const char message[] = "\0\0\0\6hello\n"; /* good for any framing */

    if (!shake_hands(client))
        return;
    SSL_write(client->ssl, message, sizeof(message) - 1);
    if (script->habit == UPDATES_KEYS)
        SSL_key_update(client->ssl, SSL_KEY_UPDATE_REQUESTED);
    if (script->habit == RENEGOTIATES && SSL_renegotiate(client->ssl) == 1)
        SSL_do_handshake(client->ssl);
    SSL_write(client->ssl, message, sizeof(message) - 1);
    if (script->habit != LEAVES)
        SSL_shutdown(client->ssl);
    pass_on(client);
}

/* ---- the two together ---- */

/* A server, in a process of its own: so each side has random numbers that only it draws from. */
static pid_t serve(enum host host, const int fds[2])
{
    struct record record;
    pid_t pid = fork();

    demand(pid >= 0);
    if (pid > 0) {
        close(fds[0]);
        return pid;
    }
    close(fds[1]);
    host_serve(host, fds[0], &record);
    _exit(0);
}

static void record_client(const struct script *script, struct visitor *ret_client)
{
    int fds[2];
    pid_t server;

    host_connect(fds);
    server = serve(script->host, fds);
    host_seed(CLIENT_SEED);
    *ret_client = open_client(script, fds[1]);
    act(ret_client, script);
    shutdown(fds[1], SHUT_WR);
    while (hear(ret_client))
        ;
    close(fds[1]);
    waitpid(server, NULL, 0);
    SSL_free(ret_client->ssl);
}

/* As the fuzz target does it. */
static void play_back(const struct script *script, const struct visitor *client)
{
    struct record record;
    int fds[2];

    host_connect(fds);
    demand(send(fds[1], client->said, client->n, 0) == (ssize_t)client->n);
    shutdown(fds[1], SHUT_WR);
    host_serve(script->host, fds[0], &record);
    close(fds[1]);
    printf("%s: %s in=%ju out=%ju %s %s\n", script->name, end_name(record.end),
           (uintmax_t)record.bytes_in, (uintmax_t)record.bytes_out, record.tls.cipher,
           record.error);
}

static void write_seed(const char *directory, const struct script *script,
                       const struct visitor *client)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, script->name);
    file = fopen(path, "w");
    demand(file && putc((int)script->host, file) != EOF &&
           fwrite(client->said, 1, client->n, file) == client->n && fclose(file) == 0);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: tls_record DIRECTORY\n", stderr);
        return 64;
    }
    host_open();
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        struct visitor client;

        record_client(&scripts[i], &client);
        write_seed(argv[1], &scripts[i], &client);
        play_back(&scripts[i], &client);
    }
    return 0;
}
