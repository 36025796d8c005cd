/* test_proxy_reader.c - the header of a proxy, read off a stream: no byte too few and none too
 * many. */
#include "../net/stream_helper.h"

#include "net/cidr.h"
#include "proto/proxy_reader.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
#define SHORT (USEC_PER_SEC / 5)

/* A header of version 2 with 192.0.2.1:56324 and a TLV, and one of LOCAL. */
static const char binary[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\2\xdc\x04"
                             "\1\xbb\4\0\1\0";
static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

static struct cidr loopback = {.family = AF_INET, .bytes = {127}, .bits = 8};
static const struct proxy_params optional = {PROXY_OPTIONAL, {1, &loopback}};
static const struct proxy_params required = {PROXY_REQUIRED, {1, &loopback}};
static const struct proxy_params off = {PROXY_OFF, {1, &loopback}};
static const struct proxy_params *const both[] = {&optional, &required};

/* ---- a preface and what it leaves ---- */

struct read {
    enum end end;
    struct addr client;
};

static struct addr at(uint32_t number)
{
    return (struct addr){.len = sizeof(struct sockaddr_in),
                         .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(number)}};
}

static struct read read_from(struct pair *pair, const struct proxy_params *params,
                             const struct addr *peer, uint64_t usec)
{
    struct proxy_header header;
    enum end end = proxy_read(&pair->stream, params, peer, deadline_in(usec), &header);

    return (struct read){end, header.source};
}

static struct read read_trusted(struct pair *pair, const struct proxy_params *params)
{
    const struct addr peer = at(INADDR_LOOPBACK);

    return read_from(pair, params, &peer, SOON);
}

static void sends(const struct pair *pair, const void *data, size_t n)
{
    assert_int_equal(send(pair->peer, data, n, MSG_NOSIGNAL), n);
}

/* What is left in the stream is `text`, and nothing after it. */
static void assert_left(struct pair *pair, const char *text)
{
    char data[128] = "";
    size_t n, total = 0;
    enum stream_status status;

    shutdown(pair->peer, SHUT_WR);
    while ((status = stream_read(&pair->stream, data + total, sizeof(data) - 1 - total, &n)) !=
           STREAM_EOF) {
        if (status == STREAM_OK)
            total += n;
        else
            assert_true(stream_wait(&pair->stream, STREAM_WAIT_READ, deadline_in(SOON)));
    }
    assert_string_equal(data, text);
}

static void close_both(struct pair *pair)
{
    if (pair->peer >= 0)
        close(pair->peer);
    close(pair->stream.fd);
}

static void assert_client(const struct read *read, const char *text)
{
    char formatted[ADDR_TEXT_MAX] = "";

    if (read->client.len > 0)
        addr_format(&read->client, formatted);
    assert_string_equal(formatted, text);
}

/* Read `data`, a header and what follows it. */
static void assert_reads(void **state, const void *data, size_t n, const char *client,
                         const char *rest)
{
    for (size_t i = 0; i < 2; i++) {
        struct pair pair = open_pair(state);
        struct read read;

        sends(&pair, data, n);
        read = read_trusted(&pair, both[i]);
        assert_int_equal(read.end, END_CLOSED);
        assert_client(&read, client);
        assert_false(pair.stream.heard);
        assert_left(&pair, rest);
        close_both(&pair);
    }
}

#define WITH(header, rest) header rest, sizeof(header rest) - 1

static void a_header_names_the_client(void **state)
{
    char data[sizeof(binary) + 5];

    assert_reads(state, LINE, sizeof(LINE) - 1, "192.0.2.1:56324", "");
    assert_reads(state, binary, sizeof(binary) - 1, "192.0.2.1:56324", "");
    assert_reads(state, WITH(LINE, "hello\r\n"), "192.0.2.1:56324", "hello\r\n");
    assert_reads(state, WITH(LINE, LINE), "192.0.2.1:56324", LINE);
    memcpy(data, binary, sizeof(binary) - 1);
    strcpy(data + sizeof(binary) - 1, "hello");
    assert_reads(state, data, sizeof(binary) + 4, "192.0.2.1:56324", "hello");
    assert_reads(state, WITH("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "x"), "[2001:db8::1]:1", "x");
}

static void a_header_may_name_nobody(void **state)
{
    assert_reads(state, WITH("PROXY UNKNOWN\r\n", "x"), "", "x");
    assert_reads(state, WITH("PROXY UNKNOWN any \r thing\r\n", "x"), "", "x");
    assert_reads(state, local, sizeof(local) - 1, "", "");
}

static void longest_header_is_read(void **state)
{
    static const char start[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\0\xc0\0\2\1\xc6\x33\x64\2\xdc\x04"
                                "\1\xbb\4\x0f\xf1";
    static char data[4112 + sizeof("end")];

    memcpy(data, start, sizeof(start) - 1);
    strcpy(data + 4112, "end");
    assert_reads(state, data, sizeof(data) - 1, "192.0.2.1:56324", "end");
}

/* ---- byte by byte, from another process ---- */

static pid_t trickle(const struct pair *pair, const char *data, size_t n)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    for (size_t i = 0; i < n; i++) {
        if (send(pair->peer, data + i, 1, MSG_NOSIGNAL) != 1)
            _exit(1);
        nanosleep(&pause, NULL);
    }
    _exit(0);
}

static void assert_trickles(void **state, const char *data, size_t n, const char *client,
                            const char *rest)
{
    struct pair pair = open_pair(state);
    pid_t pid = trickle(&pair, data, n);
    struct read read = read_trusted(&pair, &optional);
    int status;

    assert_int_equal(read.end, END_CLOSED);
    assert_client(&read, client);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_left(&pair, rest);
    close_both(&pair);
}

static void a_header_may_come_byte_by_byte(void **state)
{
    assert_trickles(state, WITH(LINE, "hello"), "192.0.2.1:56324", "hello");
    assert_trickles(state, binary, sizeof(binary) - 1, "192.0.2.1:56324", "");
    assert_trickles(state, WITH("PROXY UNKNOWN x\r\n", "y"), "", "y");
}

static void what_is_none_in_the_end_comes_again(void **state)
{
    assert_trickles(state, WITH("PROX", "IMITY"), "", "PROXIMITY");
    assert_trickles(state, WITH("\r\n\r\n", "\r\n"), "", "\r\n\r\n\r\n");
    assert_trickles(state, WITH("P", "P"), "", "PP");
    assert_trickles(state, WITH("x", "PROXY "), "", "xPROXY ");
}

/* Two bytes at a time, while nobody waits, cost no more than a look each. */
static void a_slow_header_keeps_nobody_busy(void **state)
{
    struct pair pair = open_pair(state);
    struct timespec cpu;
    uint64_t before;

    sends(&pair, "PRO", 3);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    before = (uint64_t)cpu.tv_sec * USEC_PER_SEC + (uint64_t)cpu.tv_nsec / 1000;
    assert_int_equal(
        read_from(&pair, &required, &(struct addr){.sa.sa_family = AF_UNIX}, SHORT).end,
        END_HANDSHAKE_TIMEOUT);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    assert_true((uint64_t)cpu.tv_sec * USEC_PER_SEC + (uint64_t)cpu.tv_nsec / 1000 - before <
                SHORT / 4);
    close_both(&pair);
}

/* ---- no header ---- */

static void assert_ends(void **state, const struct proxy_params *params, const char *text,
                        bool ends, enum end end, const char *error)
{
    struct pair pair = open_pair(state);
    const struct addr peer = at(INADDR_LOOPBACK);
    struct read read;

    peer_sends(&pair, text);
    if (ends)
        shutdown(pair.peer, SHUT_WR);
    read = read_from(&pair, params, &peer, SHORT);
    assert_int_equal(read.end, end);
    assert_client(&read, "");
    assert_string_equal(pair.stream.error, error);
    if (end == END_CLOSED)
        assert_left(&pair, text);
    close_both(&pair);
}

static void optional_may_be_left_out(void **state)
{
    assert_ends(state, &optional, "hello", false, END_CLOSED, "");
    assert_ends(state, &optional, "PROXIMITY", false, END_CLOSED, "");
    assert_ends(state, &optional, "\r\n\r\n\r\n\r\n\r\n", false, END_CLOSED, "");
    assert_ends(state, &optional, "hello", true, END_CLOSED, "");
    assert_ends(state, &optional, "PRO", true, END_CLOSED, "");
}

static void required_may_not(void **state)
{
    assert_ends(state, &required, "hello", false, END_PROXY_ERROR,
                "it sent text where the PROXY protocol is required");
    assert_ends(state, &required, "GET / HTTP/1.0\r\n\r\n", false, END_PROXY_ERROR,
                "it sent HTTP where the PROXY protocol is required");
    assert_ends(state, &required, "\x16\3\1\2\1\1\1\1", false, END_PROXY_ERROR,
                "it sent TLS where the PROXY protocol is required");
    assert_ends(state, &required, "PROXIMITY", false, END_PROXY_ERROR,
                "it sent text where the PROXY protocol is required");
    assert_ends(state, &required, "PRO", true, END_PROXY_ERROR,
                "the stream ended inside the PROXY header");
}

/* It leaves as a probe: whoever reads next sees so. */
static void who_says_nothing_lacks_nothing(void **state)
{
    assert_ends(state, &optional, "", true, END_CLOSED, "");
    assert_ends(state, &required, "", true, END_CLOSED, "");
}

static void a_broken_header_is_told(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        assert_ends(state, both[i], "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n", false,
                    END_PROXY_ERROR, "a broken PROXY header: a broken IPv4 address");
        assert_ends(state, both[i], "PROXY UDP4 ", false, END_PROXY_ERROR,
                    "a broken PROXY header: neither TCP4, TCP6 nor UNKNOWN");
        assert_ends(state, both[i], "PROXY TCP4 192.0.2.1", true, END_PROXY_ERROR,
                    "the stream ended inside the PROXY header");
    }
}

static void a_header_without_end_is_too_long(void **state)
{
    char line[4096];

    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "PROXY UNKNOWN ", 14);
    line[sizeof(line) - 1] = '\0';
    assert_ends(state, &optional, line, false, END_PROXY_ERROR,
                "a broken PROXY header: a line longer than 107 bytes");
}

static void a_header_has_its_time(void **state)
{
    assert_ends(state, &required, "", false, END_HANDSHAKE_TIMEOUT,
                "the PROXY header was not there in time");
    assert_ends(state, &required, "PROXY TCP4 1", false, END_HANDSHAKE_TIMEOUT,
                "the PROXY header was not there in time");
    assert_ends(state, &optional, "PROXY TCP4 1", false, END_HANDSHAKE_TIMEOUT,
                "the PROXY header was not there in time");
}

/* Who has not begun one by then will send none. */
static void optional_waits_no_longer_than_that(void **state)
{
    assert_ends(state, &optional, "", false, END_CLOSED, "");
    assert_ends(state, &optional, "PRO", false, END_CLOSED, "");
}

static void a_reset_is_told(void **state)
{
    struct pair pair = open_tcp_pair();

    (void)state;
    sends(&pair, "PROXY TCP4", 10);
    peer_resets(&pair);
    assert_int_equal(read_trusted(&pair, &optional).end, END_RESET);
    close_both(&pair);
}

/* ---- who may send one ---- */

static void others_are_not_believed(void **state)
{
    const struct addr stranger = at(0xc0000201);
    struct pair pair = open_pair(state);
    struct read read;

    peer_sends(&pair, LINE);
    read = read_from(&pair, &optional, &stranger, SOON);
    assert_int_equal(read.end, END_CLOSED);
    assert_client(&read, "");
    read = read_from(&pair, &required, &stranger, SOON);
    assert_int_equal(read.end, END_PROXY_ERROR);
    assert_string_equal(pair.stream.error, "192.0.2.1 is not in proxy_trusted");
    assert_left(&pair, LINE);
    close_both(&pair);
}

static void a_stranger_is_told_without_his_zone(void **state)
{
    struct addr stranger = {.len = sizeof(struct sockaddr_in6), .in6.sin6_family = AF_INET6};
    struct pair pair = open_pair(state);

    stranger.in6.sin6_addr.s6_addr[0] = 0xfe;
    stranger.in6.sin6_addr.s6_addr[1] = 0x80;
    stranger.in6.sin6_scope_id = 1;
    assert_int_equal(read_from(&pair, &required, &stranger, SOON).end, END_PROXY_ERROR);
    assert_string_equal(pair.stream.error, "fe80:: is not in proxy_trusted");
    close_both(&pair);
}

static void peers_over_a_path_are(void **state)
{
    const struct addr path = {.len = sizeof(sa_family_t), .un.sun_family = AF_UNIX};
    struct pair pair = open_pair(state);
    struct read read;

    peer_sends(&pair, LINE);
    read = read_from(&pair, &required, &path, SOON);
    assert_int_equal(read.end, END_CLOSED);
    assert_client(&read, "192.0.2.1:56324");
    close_both(&pair);
}

static void off_reads_nothing(void **state)
{
    struct pair pair = open_pair(state);

    peer_sends(&pair, LINE);
    assert_int_equal(read_from(&pair, &off, NULL, SOON).end, END_CLOSED);
    assert_left(&pair, LINE);
    close_both(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(a_header_names_the_client),
        OVER_BOTH(a_header_may_name_nobody),
        OVER_BOTH(longest_header_is_read),
        OVER_BOTH(a_header_may_come_byte_by_byte),
        OVER_BOTH(what_is_none_in_the_end_comes_again),
        OVER_BOTH(a_slow_header_keeps_nobody_busy),
        OVER_BOTH(optional_may_be_left_out),
        OVER_BOTH(required_may_not),
        OVER_BOTH(who_says_nothing_lacks_nothing),
        OVER_BOTH(a_broken_header_is_told),
        OVER_BOTH(a_header_without_end_is_too_long),
        OVER_BOTH(a_header_has_its_time),
        OVER_BOTH(optional_waits_no_longer_than_that),
        cmocka_unit_test(a_reset_is_told),
        OVER_BOTH(others_are_not_believed),
        OVER_BOTH(a_stranger_is_told_without_his_zone),
        OVER_BOTH(peers_over_a_path_are),
        OVER_BOTH(off_reads_nothing),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
