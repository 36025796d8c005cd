/* test_session_limits.c - the limits that end a session, and its last bytes. */
#include "../between.h"
#include "session_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define A_MOMENT (50 * USEC_PER_MSEC)

/* ---- limits ---- */

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
    struct visitor client = begin(state, (struct session_params){.limits.idle_usec = 5 * A_MOMENT});

    put(&client, "hello");
    get(&client, "hello");
    assert_cut_after(&client, start, 5 * A_MOMENT);
    assert_ends(&client, END_IDLE, 5, "");
}

static void silence_from_the_start_is_idle(void **state)
{
    uint64_t start = now_usec();
    struct visitor client = begin(state, (struct session_params){.limits.idle_usec = A_MOMENT});

    assert_cut_after(&client, start, A_MOMENT);
    assert_ends(&client, END_IDLE, 0, "");
}

static void silence_is_idle_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.limits.idle_usec = A_MOMENT});
    struct record record;

    get_close_notify(&client); /* nothing is owed, so that is no truncation */
    shutdown(client.fd, SHUT_WR);
    record = end_of(&client);
    assert_record(&record, END_IDLE, 0, 0);
    assert_string_equal(record.tls.version, "TLSv1.3");
}

/* The session's time counts from the start and whatever the client does. */
static void session_has_an_end(void **state)
{
    const uint64_t usec = 10 * A_MOMENT;
    uint64_t start = now_usec(), n = 0;
    struct visitor client = begin(
        state, (struct session_params){.limits.session_usec = usec, .limits.idle_usec = SOON});
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
    assert_between(record.bytes_in, n, n + 1); /* the last one may have come too late */
}

static void silent_handshake_has_an_end(void **state)
{
    uint64_t start = now_usec();
    struct visitor client =
        begin(state, (struct session_params){
                         .tls = server, .limits.handshake_usec = A_MOMENT, .limits.idle_usec = 1});

    assert_cut_after(&client, start, A_MOMENT);
    assert_ends(&client, END_HANDSHAKE_TIMEOUT, 0, "");
}

/* A hello of 256 bytes, one every few milliseconds. */
static void trickled_handshake_has_an_end(void **state)
{
    static const char hello[261] = {22, 3, 1, 1, 0, 1, 0, 0, (char)252, 3, 3};
    uint64_t start = now_usec();
    struct visitor client =
        begin(state, (struct session_params){.tls = server, .limits.handshake_usec = 2 * A_MOMENT});

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
        begin(state, (struct session_params){.tls = server,
                                             .limits.handshake_usec = 3600 * SOON,
                                             .limits.session_usec = A_MOMENT});

    assert_cut_after(&client, start, A_MOMENT);
    assert_ends(&client, END_SESSION_TIMEOUT, 0, "");
}

static void plain_client_has_no_handshake_time(void **state)
{
    struct visitor client = begin(state, (struct session_params){.limits.handshake_usec = 1});

    usleep(A_MOMENT);
    put(&client, "hello");
    get(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_CLOSED, 5, "");
}

static void excess_byte_ends_it(void **state)
{
    struct visitor client = begin(state, (struct session_params){.limits.max_bytes = 5});

    put(&client, "hello world");
    get(&client, "hello");
    get_eof(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_MAX_BYTES, 5, "");
}

static void excess_byte_ends_it_in_tls(void **state)
{
    struct visitor client = begin_tls(state, (struct session_params){.limits.max_bytes = 5});

    put_tls(&client, "hello world");
    get_tls(&client, "hello");
    get_close_notify(&client);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_MAX_BYTES, 5, "");
}

static void last_byte_allowed_is_no_excess(void **state)
{
    struct visitor client = begin(state, (struct session_params){.limits.max_bytes = 5});

    put(&client, "hello");
    get(&client, "hello");
    shutdown(client.fd, SHUT_WR);
    get_eof(&client);
    assert_ends(&client, END_CLOSED, 5, "");
}

/* ---- the last bytes ---- */

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
/* Who reads less than the kernel holds is not idle, though nothing moves in our own buffer. */
static void steady_reader_is_not_idle(void **state)
{
    struct visitor client =
        begin(state, (struct session_params){.limits.idle_usec = 3 * USEC_PER_SEC});
    static char bytes[500000];
    size_t got = 0;

    assert_int_equal(send(client.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    while (got < sizeof(bytes)) { /* in some 4 seconds */
        ssize_t n = recv(client.fd, bytes, sizeof(bytes) / 80, 0);

        assert_true(n > 0);
        got += (size_t)n;
        usleep(50000);
    }
    shutdown(client.fd, SHUT_WR);
    get_eof(&client);
    leave(&client);
    assert_ends(&client, END_CLOSED, sizeof(bytes), "");
}

static void close_notify_waits_for_a_slow_reader(void **state)
{
    size_t n_records = records_that_fit(state), received = 0, n;
    struct visitor client = begin_tls(state, (struct session_params){.limits.idle_usec = SOON});
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

/* Pieces of a record that never ends are no bytes of the peer's. */
static void trickled_record_is_idle(void **state)
{
    static const char record[1005] = {23, 3, 3, 3, (char)232};
    struct visitor client =
        begin_tls(state, (struct session_params){.limits.idle_usec = 2 * A_MOMENT});
    struct pollfd end = {.fd = client.fd, .events = POLLRDHUP};
    size_t sent = 0;

    while (sent < sizeof(record) - 1 && poll(&end, 1, 5) == 0)
        sent += (size_t)send(client.fd, &record[sent], 1, MSG_NOSIGNAL);
    assert_between(sent, 1, sizeof(record) - 2);
    shutdown(client.fd, SHUT_WR);
    assert_ends(&client, END_IDLE, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(trickled_record_is_idle),
        OVER_BOTH(silence_is_idle),
        OVER_BOTH(silence_from_the_start_is_idle),
        OVER_BOTH(silence_is_idle_in_tls),
        OVER_BOTH(session_has_an_end),
        OVER_BOTH(silent_handshake_has_an_end),
        OVER_BOTH(trickled_handshake_has_an_end),
        OVER_BOTH(session_time_ends_a_handshake_too),
        OVER(tcp, plain_client_has_no_handshake_time),
        OVER_BOTH(excess_byte_ends_it),
        OVER_BOTH(excess_byte_ends_it_in_tls),
        OVER_BOTH(last_byte_allowed_is_no_excess),
        OVER(tcp, steady_reader_is_not_idle),
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
