/*
 * test_session.c - one client from start to end, in a process of its own, over a socket pair and
 * over TCP: every way to end, and what the record says of it.
 */
#include "../../src/deadline.h"
#include "../../src/session.h"
#include "../../src/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON (10 * USEC_PER_SEC) /* far longer than anything here takes */
#define A_MOMENT (50 * USEC_PER_MSEC)

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

/* The state of a test: what its client comes over. */
struct transport {
    void (*connect)(int fds[2]);
};
static struct transport over_unix = {connect_unix}, over_tcp = {connect_tcp};

/* ---- a session and its peer ---- */

struct visitor {
    pid_t pid;
    int fd; /* the peer's end, blocking */
    SSL *ssl;
    struct record *record; /* in shared memory */
};

static struct tls_server *server;
static SSL_CTX *client_ctx;

/* Serve in this process; the descriptor is closed when it is over. */
static _Noreturn void serve(int fd, const struct session_params *params, struct record *record)
{
    session_run(fd, params, record);
    _exit(fcntl(fd, F_GETFD) == -1 ? 0 : 1);
}

static struct visitor begin(void **state, struct session_params params)
{
    const struct transport *transport = *state;
    struct visitor client = {.record = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    int fds[2];

    transport->connect(fds);
    client.fd = fds[1];
    client.pid = fork();
    if (client.pid == 0) {
        close(fds[1]);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        serve(fds[0], &params, client.record);
    }
    close(fds[0]);
    return client;
}

static struct visitor begin_plain(void **state)
{
    return begin(state, (struct session_params){.tls = NULL});
}

static void shake_hands(struct visitor *client)
{
    client->ssl = SSL_new(client_ctx);
    SSL_set_fd(client->ssl, client->fd);
    assert_int_equal(SSL_connect(client->ssl), 1);
}

static struct visitor begin_tls(void **state, struct session_params params)
{
    struct visitor client;

    params.tls = server;
    client = begin(state, params);
    shake_hands(&client);
    return client;
}

static void leave(struct visitor *client)
{
    SSL_free(client->ssl);
    client->ssl = NULL;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* Leave so that the kernel sends RST. */
static void leave_by_reset(struct visitor *client)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    leave(client);
}

/* Wait until the session is over. Returns its record. */
static struct record end_of(struct visitor *client)
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

static void assert_record(const struct record *record, enum end end, uint64_t bytes_in,
                          uint64_t bytes_out)
{
    assert_string_equal(end_name(record->end), end_name(end));
    assert_int_equal(record->bytes_in, bytes_in);
    assert_int_equal(record->bytes_out, bytes_out);
}

/* The end, the bytes both ways, and a reason: the empty one where nothing failed. */
static void assert_ends(struct visitor *client, enum end end, uint64_t bytes, const char *error)
{
    struct record record = end_of(client);

    assert_record(&record, end, bytes, bytes);
    assert_string_equal(record.error, error);
}

static void put(struct visitor *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void get(struct visitor *client, const char *text)
{
    char data[64];

    assert_int_equal(recv(client->fd, data, strlen(text), MSG_WAITALL), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static void get_eof(struct visitor *client)
{
    char byte;

    assert_int_equal(recv(client->fd, &byte, 1, 0), 0);
}

/* Wait for our side to end, and read nothing. */
static void await_end(const struct visitor *client)
{
    struct pollfd end = {.fd = client->fd, .events = POLLRDHUP};

    assert_int_equal(poll(&end, 1, -1), 1);
}

static void put_tls(struct visitor *client, const char *text)
{
    assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), strlen(text));
}

static void get_tls(struct visitor *client, const char *text)
{
    char data[64];

    assert_int_equal(SSL_read(client->ssl, data, sizeof(data)), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static void get_close_notify(struct visitor *client)
{
    char byte;

    assert_int_equal(SSL_read(client->ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(client->ssl, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

/* ---- tests: an orderly end ---- */

static void client_that_ends_is_closed(void **state)
{
    struct visitor client = begin_plain(state);

    put(&client, "hello");
    get(&client, "hello");
    put(&client, "bye");
    shutdown(client.fd, SHUT_WR);
    get(&client, "bye");
    get_eof(&client);
    assert_ends(&client, END_CLOSED, 8, "");
}

static void tls_client_that_ends_is_closed(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});
    struct record record;

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    put_tls(&client, "bye");
    assert_int_equal(SSL_shutdown(client.ssl), 0);
    get_tls(&client, "bye");
    get_close_notify(&client);
    get_eof(&client);
    leave(&client);
    record = end_of(&client);
    assert_record(&record, END_CLOSED, 8, 8);
    assert_string_equal(record.error, "");
    assert_string_equal(record.tls.version, "TLSv1.3");
    assert_string_not_equal(record.tls.cipher, "");
}

/* Nobody waits for the grace of a peer that has ended its side. */
static void orderly_end_is_quick(void **state)
{
    uint64_t start = now_usec();

    for (int i = 0; i < 5; i++) {
        struct visitor client = begin_plain(state);

        put(&client, "x");
        shutdown(client.fd, SHUT_WR);
        get(&client, "x");
        assert_ends(&client, END_CLOSED, 1, "");
    }
    assert_true(now_usec() - start < 4 * USEC_PER_SEC);
}

/* A peer that leaves with our answer unread has had it all the same: that is no failure of ours. */
static void answer_may_stay_unread(void **state)
{
    struct visitor client = begin_plain(state);

    put(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    await_end(&client);
    leave(&client);
    assert_ends(&client, END_CLOSED, 5, "");
}

/* ---- tests: a client that never says a word ---- */

static void silent_client_is_a_probe(void **state)
{
    struct visitor client = begin_plain(state);

    leave(&client);
    assert_ends(&client, END_PROBE, 0, "");
}

static void silent_client_that_resets_is_a_probe(void **state)
{
    struct visitor client = begin_plain(state);
    struct record record;

    leave_by_reset(&client);
    record = end_of(&client);
    assert_record(&record, END_PROBE, 0, 0);
}

static void silent_client_of_tls_is_a_probe(void **state)
{
    struct visitor client = begin(state, (struct session_params){.tls = server});
    struct record record;

    leave(&client);
    record = end_of(&client);
    assert_record(&record, END_PROBE, 0, 0);
    assert_string_equal(record.tls.version, "");
}

/* A handshake is more than a port scan does. */
static void client_without_data_is_no_probe_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    SSL_shutdown(client.ssl);
    get_close_notify(&client);
    leave(&client);
    assert_ends(&client, END_CLOSED, 0, "");
}

/* ---- tests: a connection that breaks ---- */

static void eof_without_close_notify_is_truncated(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    put_tls(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    get_tls(&client, "hello");
    get_close_notify(&client);
    assert_ends(&client, END_TRUNCATED, 5, "");
}

static void reset_is_told(void **state)
{
    struct visitor client = begin_plain(state);

    put(&client, "hello");
    get(&client, "hello");
    leave_by_reset(&client);
    assert_ends(&client, END_RESET, 5, "Connection reset by peer");
}

static void reset_is_told_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    leave_by_reset(&client);
    assert_ends(&client, END_RESET, 5, "Connection reset by peer");
}

static void reset_in_the_handshake_is_told(void **state)
{
    static const char half_a_hello[] = {22, 3, 1, 2, 0, 1, 0};
    struct visitor client = begin(state, (struct session_params){.tls = server});

    assert_int_equal(send(client.fd, half_a_hello, sizeof(half_a_hello), 0), 7);
    leave_by_reset(&client);
    assert_ends(&client, END_RESET, 0, "Connection reset by peer");
}

static void garbage_for_a_hello_is_a_tls_error(void **state)
{
    struct visitor client = begin(state, (struct session_params){.tls = server});

    put(&client, "GET / HTTP/1.0\r\n\r\n");
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_TLS_ERROR, 0, "http request");
}

/* A client that closes with an alert unread sends RST; what it did before stays the reason. */
static void reset_does_not_hide_the_tls_error(void **state)
{
    struct visitor client = begin(state, (struct session_params){.tls = server});

    put(&client, "GET / HTTP/1.0\r\n\r\n");
    get_eof(&client);
    leave_by_reset(&client);
    assert_ends(&client, END_TLS_ERROR, 0, "http request");
}

static void forged_record_is_a_tls_error(void **state)
{
    static const char forged[45] = {23, 3, 3, 0, 40, 1, 2, 3};
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});

    put_tls(&client, "hello");
    get_tls(&client, "hello");
    assert_int_equal(send(client.fd, forged, sizeof(forged), 0), sizeof(forged));
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_TLS_ERROR, 5, "decryption failed or bad record mac");
}

/* ---- tests: limits ---- */

/* Our side ends when the time is up; the peer then ends its own, which spares us the grace. */
static void assert_cut_after(struct visitor *client, uint64_t start, uint64_t usec)
{
    get_eof(client);
    assert_true(now_usec() - start >= usec);
    assert_true(now_usec() - start < SOON);
    shutdown(client->fd, SHUT_WR);
}

static void silence_is_idle(void **state)
{
    uint64_t start = now_usec();
    struct visitor client = begin(state, (struct session_params){.idle_usec = 5 * A_MOMENT});

    put(&client, "hello");
    get(&client, "hello");
    assert_cut_after(&client, start, 5 * A_MOMENT);
    assert_ends(&client, END_IDLE, 5, "");
}

static void silence_from_the_start_is_idle(void **state)
{
    uint64_t start = now_usec();
    struct visitor client = begin(state, (struct session_params){.idle_usec = A_MOMENT});

    assert_cut_after(&client, start, A_MOMENT);
    assert_ends(&client, END_IDLE, 0, "");
}

static void silence_is_idle_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.idle_usec = A_MOMENT});
    struct record record;

    get_close_notify(&client); /* nothing is owed, so that is no truncation */
    shutdown(client.fd, SHUT_WR);
    record = end_of(&client);
    assert_record(&record, END_IDLE, 0, 0);
    assert_string_equal(record.tls.version, "TLSv1.3");
}

/* Pieces of a record that never ends are no bytes of the peer's. */
static void trickled_record_is_idle(void **state)
{
    static const char record[1005] = {23, 3, 3, 3, (char)232};
    struct visitor client = begin_tls(state, (struct session_params){.idle_usec = 2 * A_MOMENT});
    struct pollfd end = {.fd = client.fd, .events = POLLRDHUP};
    size_t sent = 0;

    while (sent < sizeof(record) - 1 && poll(&end, 1, 5) == 0)
        sent += (size_t)send(client.fd, &record[sent], 1, MSG_NOSIGNAL);
    assert_in_range(sent, 1, sizeof(record) - 2);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_IDLE, 0, "");
}

/* The session's time counts from the start and whatever the client does. */
static void session_has_an_end(void **state)
{
    const uint64_t usec = 3 * A_MOMENT;
    uint64_t start = now_usec(), n = 0;
    struct visitor client =
        begin(state, (struct session_params){.session_usec = usec, .idle_usec = SOON});
    struct record record;
    char byte = 'x';

    while (send(client.fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(client.fd, &byte, 1, 0) == 1) {
        n++;
        usleep(1000);
    }
    assert_true(now_usec() - start >= usec);
    assert_true(n > 1);
    shutdown(client.fd, SHUT_WR);
    record = end_of(&client);
    assert_record(&record, END_SESSION_TIMEOUT, record.bytes_in, n);
    assert_in_range(record.bytes_in, n, n + 1); /* the last one may have come too late */
}

static void silent_handshake_has_an_end(void **state)
{
    uint64_t start = now_usec();
    struct visitor client = begin(
        state, (struct session_params){.tls = server, .handshake_usec = A_MOMENT, .idle_usec = 1});

    assert_cut_after(&client, start, A_MOMENT);
    assert_ends(&client, END_HANDSHAKE_TIMEOUT, 0, "");
}

/* A hello of 256 bytes, one every few milliseconds. */
static void trickled_handshake_has_an_end(void **state)
{
    static const char hello[261] = {22, 3, 1, 1, 0, 1, 0, 0, (char)252, 3, 3};
    uint64_t start = now_usec();
    struct visitor client =
        begin(state, (struct session_params){.tls = server, .handshake_usec = 2 * A_MOMENT});

    for (size_t i = 0; i < sizeof(hello) - 1; i++) {
        if (send(client.fd, &hello[i], 1, MSG_NOSIGNAL) < 0 ||
            recv(client.fd, (char[1]){0}, 1, MSG_DONTWAIT) == 0)
            break;
        usleep(2000);
    }
    assert_cut_after(&client, start, 2 * A_MOMENT);
    assert_ends(&client, END_HANDSHAKE_TIMEOUT, 0, "");
}

static void session_time_ends_a_handshake_too(void **state)
{
    uint64_t start = now_usec();
    struct visitor client =
        begin(state, (struct session_params){
                         .tls = server, .handshake_usec = 3600 * SOON, .session_usec = A_MOMENT});

    assert_cut_after(&client, start, A_MOMENT);
    assert_ends(&client, END_SESSION_TIMEOUT, 0, "");
}

static void plain_client_has_no_handshake_time(void **state)
{
    struct visitor client = begin(state, (struct session_params){.handshake_usec = 1});

    usleep(A_MOMENT);
    put(&client, "hello");
    get(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_CLOSED, 5, "");
}

static void excess_byte_ends_it(void **state)
{
    struct visitor client = begin(state, (struct session_params){.max_bytes = 5});

    put(&client, "hello world");
    get(&client, "hello");
    get_eof(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_MAX_BYTES, 5, "");
}

static void excess_byte_ends_it_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.max_bytes = 5});

    put_tls(&client, "hello world");
    get_tls(&client, "hello");
    get_close_notify(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_MAX_BYTES, 5, "");
}

static void last_byte_allowed_is_no_excess(void **state)
{
    struct visitor client = begin(state, (struct session_params){.max_bytes = 5});

    put(&client, "hello");
    get(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    get_eof(&client);
    assert_ends(&client, END_CLOSED, 5, "");
}

/* ---- tests: the last bytes ---- */

static char full_record[16384]; /* the most that one record of TLS holds */

/* Returns whether the echo of one record more was under way soon. */
static bool echoes_a_record(struct visitor *client)
{
    uint64_t before = client->record->bytes_out;

    assert_int_equal(SSL_write(client->ssl, full_record, sizeof(full_record)), sizeof(full_record));
    for (int i = 0; i < 500 && client->record->bytes_out == before; i++)
        usleep(1000);
    return client->record->bytes_out == before + sizeof(full_record);
}

/* How many records the kernel holds for a peer that reads none. */
static size_t records_that_fit(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.tls = NULL});
    size_t n = 0;

    while (echoes_a_record(&client))
        n++;
    leave(&client);
    end_of(&client);
    return n;
}

/* The pipe is full to the last record, and the close_notify has to wait behind it. */
static void close_notify_waits_for_a_slow_reader(void **state)
{
    size_t n_records = records_that_fit(state), received = 0, n;
    struct visitor client = begin_tls(state, (struct session_params){.idle_usec = SOON});
    char data[sizeof(full_record)];

    for (size_t i = 0; i < n_records; i++)
        assert_true(echoes_a_record(&client));
    assert_int_equal(SSL_shutdown(client.ssl), 0);
    usleep(1200 * 1000); /* longer than the grace of a second for what a peer may leave out */
    while (SSL_read_ex(client.ssl, data, sizeof(data), &n) == 1)
        received += n;
    assert_int_equal(received, n_records * sizeof(full_record));
    assert_int_equal(SSL_get_error(client.ssl, 0), SSL_ERROR_ZERO_RETURN);
    leave(&client);
    assert_ends(&client, END_CLOSED, received, "");
}

#define OVER(transport, test)                                                                      \
    {                                                                                              \
#test " over " #transport, test, NULL, NULL, &over_##transport                             \
    }
#define OVER_BOTH(test) OVER(unix, test), OVER(tcp, test)

static int set_up(void **state)
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
    return client_ctx ? tls_server_new(&params, &faults, &server) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(client_ctx);
    tls_server_free(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(client_that_ends_is_closed),
        OVER_BOTH(tls_client_that_ends_is_closed),
        OVER_BOTH(orderly_end_is_quick),
        OVER_BOTH(answer_may_stay_unread),
        OVER_BOTH(silent_client_is_a_probe),
        OVER(tcp, silent_client_that_resets_is_a_probe),
        OVER_BOTH(silent_client_of_tls_is_a_probe),
        OVER_BOTH(client_without_data_is_no_probe_in_tls),
        OVER_BOTH(eof_without_close_notify_is_truncated),
        OVER(tcp, reset_is_told),
        OVER(tcp, reset_is_told_in_tls),
        OVER(tcp, reset_in_the_handshake_is_told),
        OVER_BOTH(garbage_for_a_hello_is_a_tls_error),
        OVER(tcp, reset_does_not_hide_the_tls_error),
        OVER_BOTH(forged_record_is_a_tls_error),
        OVER_BOTH(silence_is_idle),
        OVER_BOTH(silence_from_the_start_is_idle),
        OVER_BOTH(silence_is_idle_in_tls),
        OVER_BOTH(trickled_record_is_idle),
        OVER_BOTH(session_has_an_end),
        OVER_BOTH(silent_handshake_has_an_end),
        OVER_BOTH(trickled_handshake_has_an_end),
        OVER_BOTH(session_time_ends_a_handshake_too),
        OVER(tcp, plain_client_has_no_handshake_time),
        OVER_BOTH(excess_byte_ends_it),
        OVER_BOTH(excess_byte_ends_it_in_tls),
        OVER_BOTH(last_byte_allowed_is_no_excess),
        OVER(unix, close_notify_waits_for_a_slow_reader),
    };

    if (!getenv("PKI")) {
        fputs("PKI does not name a directory that certs/make-certs made\n", stderr);
        return 77;
    }
    alarm(120);               /* a test that waits for ever fails */
    signal(SIGPIPE, SIG_IGN); /* as main() does: OpenSSL writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
