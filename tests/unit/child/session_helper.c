/* session_helper.c - a session in a process of its own, and its peer. */
#include "session_helper.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- connections ---- */

static void connect_unix(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void connect_tcp(int fds[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &length), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&addr, sizeof(addr)), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fds[0] >= 0);
    close(listener);
}

struct transport over_unix = {connect_unix}, over_tcp = {connect_tcp};

/* ---- a session and its peer ---- */

struct tls_server *server;

static SSL_CTX *client_ctx;

/* Serve in this process; the descriptor is closed when it is over. */
static _Noreturn void serve(int fd, const struct addr *peer, const struct session_params *params,
                            struct record *record)
{
    session_run(fd, peer, params, record);
    _exit(fcntl(fd, F_GETFD) == -1 ? 0 : 1);
}

struct visitor begin(void **state, struct session_params params)
{
    const struct transport *transport = *state;
    struct visitor client = {.record = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    struct addr peer;
    int fds[2];

    transport->connect(fds);
    assert_int_equal(addr_peer(fds[0], &peer), 0);
    client.fd = fds[1];
    client.pid = fork();
    if (client.pid == 0) {
        close(fds[1]);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        serve(fds[0], &peer, &params, client.record);
    }
    close(fds[0]);
    return client;
}

void shake_hands(struct visitor *client)
{
    client->ssl = SSL_new(client_ctx);
    SSL_set_fd(client->ssl, client->fd);
    assert_int_equal(SSL_connect(client->ssl), 1);
}

struct visitor begin_tls(void **state, struct session_params params)
{
    struct visitor client;

    params.tls = server;
    client = begin(state, params);
    shake_hands(&client);
    return client;
}

void leave(struct visitor *client)
{
    SSL_free(client->ssl);
    client->ssl = NULL;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

struct record end_of(struct visitor *client)
{
    struct record record;
    int status;

    assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
    assert_int_equal(status, 0);
    leave(client);
    record = *client->record;
    munmap(client->record, sizeof(record));
    return record;
}

void assert_record(const struct record *record, enum end end, uint64_t bytes_in, uint64_t bytes_out)
{
    assert_string_equal(end_name(record->end), end_name(end));
    assert_int_equal(record->bytes_in, bytes_in);
    assert_int_equal(record->bytes_out, bytes_out);
}

void assert_ends(struct visitor *client, enum end end, uint64_t bytes, const char *error)
{
    struct record record = end_of(client);

    assert_record(&record, end, bytes, bytes);
    assert_string_equal(record.error, error);
}

void put(struct visitor *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void get(struct visitor *client, const char *text)
{
    char data[64];

    assert_int_equal(recv(client->fd, data, strlen(text), MSG_WAITALL), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

void get_eof(struct visitor *client)
{
    char byte;

    assert_int_equal(recv(client->fd, &byte, 1, 0), 0);
}

void await_end(const struct visitor *client)
{
    struct pollfd end = {.fd = client->fd, .events = POLLRDHUP};

    assert_int_equal(poll(&end, 1, -1), 1);
}

void put_tls(struct visitor *client, const char *text)
{
    assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), strlen(text));
}

void get_tls(struct visitor *client, const char *text)
{
    char data[64];

    assert_int_equal(SSL_read(client->ssl, data, sizeof(data)), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

void get_close_notify(struct visitor *client)
{
    char byte;

    assert_int_equal(SSL_read(client->ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(client->ssl, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

/* ---- the last bytes ---- */

int set_up(void **state)
{
    char certificate[512], key[512];
    const struct tls_params params = {.certificate = certificate,
                                      .key = key,
                                      .min_version = TLS_V1_2,
                                      .tickets = 2,
                                      .ticket_usec = SOON};
    struct faults faults = {.report = NULL};

    (void)state;
    snprintf(certificate, sizeof(certificate), "%s/server.crt", getenv("PKI"));
    snprintf(key, sizeof(key), "%s/server.key", getenv("PKI"));
    client_ctx = SSL_CTX_new(TLS_client_method());
    return client_ctx ? tls_server_new(&params, NULL, &faults, &server) : -1;
}

int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(client_ctx);
    tls_server_free(server);
    return 0;
}
