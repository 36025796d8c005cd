/* chaos_conn.c - one connection carried out, every byte checked. */
#include "chaos.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FULL_USEC (50 * USEC_PER_MSEC)  /* the path is full when nothing has moved for so long */
#define SLOW_USEC (200 * USEC_PER_MSEC) /* of slow reading */
#define SMALL_BUFFER (256 * 1024)       /* four segments of loopback: fewer stall for each ACK */

struct conn {
    const struct chaos *chaos;
    uint64_t number;
    struct plan plan;
    struct stream stream;
    unsigned char *data;
    deadline_t deadline, slow_end;
    uint64_t sent, back;
    size_t piece; /* bytes of the piece under way that are not written yet */
    bool connected;
    bool stuffing; /* not reading yet */
    bool finished; /* our side is ended */
    bool ended;    /* and theirs */
    enum outcome outcome;
    char why[256];
};

/* Always false, so that a step can `return fail(...)`. */
static bool fail(struct conn *conn, enum outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct conn *conn, enum outcome outcome, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(conn->why, sizeof(conn->why), fmt, args);
    va_end(args);
    conn->outcome = outcome;
    return false;
}

static bool ended_by_server(struct conn *conn, const char *how)
{
    bool refused = conn->chaos->may_refuse && conn->back == 0;

    return fail(conn, refused ? OUTCOME_REFUSED : OUTCOME_FAILED,
                "%s after %llu of %llu bytes, %llu sent", how, (unsigned long long)conn->back,
                (unsigned long long)conn->plan.size, (unsigned long long)conn->sent);
}

static void pause_msec(uint64_t msec)
{
    usleep((useconds_t)(msec * 1000));
}

static bool wait_for(struct conn *conn, unsigned wants)
{
    return stream_wait(&conn->stream, wants, conn->deadline) ||
           ended_by_server(conn, "nothing moves");
}

/* ---- the connection ---- */

static void come_from(const struct conn *conn, int fd)
{
    uint32_t i = (uint32_t)(conn->number % conn->chaos->sources);
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;

    source.sin_addr.s_addr = htonl(0x7f000101u + (i / 250 << 8) + i % 250);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0)
        perror("chaos: bind");
}

static void set_up_socket(const struct conn *conn, int fd)
{
    int on = 1, small = SMALL_BUFFER;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (conn->plan.stuff) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    }
    if (conn->chaos->sources > 0)
        come_from(conn, fd);
}

static bool connect_it(struct conn *conn)
{
    const struct addr *addr = &conn->chaos->target[conn->plan.way].addresses.addr[0];
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(int);
    int error = 0;

    if (fd < 0)
        return fail(conn, OUTCOME_FAILED, "socket: %s", strerror(errno));
    stream_open(&conn->stream, fd);
    set_up_socket(conn, fd);
    if (connect(fd, &addr->sa, addr->len) < 0 && errno != EINPROGRESS)
        return fail(conn, OUTCOME_REFUSED, "connect: %s", strerror(errno));
    if (!stream_wait(&conn->stream, STREAM_WAIT_WRITE, conn->deadline))
        return fail(conn, OUTCOME_REFUSED, "connect: timed out");
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0)
        return fail(conn, OUTCOME_REFUSED, "connect: %s", strerror(error));
    conn->connected = true;
    return true;
}

static bool handshake(struct conn *conn)
{
    struct tls_client *tls = conn->chaos->tls[conn->plan.way];
    enum stream_status status;

    if (!tls)
        return true;
    if (tls_connect(&conn->stream, tls, "localhost", NULL) < 0)
        return fail(conn, OUTCOME_FAILED, "%s", conn->stream.error);
    while ((status = stream_handshake(&conn->stream)) != STREAM_OK) {
        if (status == STREAM_FAILED)
            return ended_by_server(conn, conn->stream.error);
        if (!wait_for(conn, stream_wants(status)))
            return false;
    }
    return true;
}

/* A `finished` stream is closed without FIN: what is left of it is the RST. */
static void reset(struct conn *conn)
{
    const struct linger linger = {.l_onoff = 1};

    setsockopt(conn->stream.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    conn->stream.finished = true;
}

/* ---- well-behaved, or at least at first ---- */

/* The bytes of this connection from `offset` on; PIECE_MAX of them lie in one piece. */
static const unsigned char *bytes_at(const struct conn *conn, uint64_t offset)
{
    return conn->chaos->pool + (conn->plan.start + offset) % POOL_BYTES;
}

static uint64_t to_send(const struct conn *conn)
{
    return conn->plan.kind == KIND_RESET ? conn->plan.reset_at : conn->plan.size;
}

static void next_piece(struct conn *conn)
{
    struct plan *plan = &conn->plan;
    uint64_t left = to_send(conn) - conn->sent;

    conn->piece = 1 + dice_below(&plan->dice, plan->piece_max);
    if (conn->piece > left)
        conn->piece = left;
    if (plan->pauses > 0 && dice_below(&plan->dice, 3) == 0) {
        plan->pauses--;
        pause_msec(1 + dice_below(&plan->dice, 30));
    }
}

/* The steps set *moved where anything was done, and add to *wants what they wait for. */
static bool send_some(struct conn *conn, bool *moved, unsigned *wants)
{
    enum stream_status status;
    size_t n;

    if (conn->sent == to_send(conn))
        return true;
    if (conn->piece == 0)
        next_piece(conn);
    status = stream_write(&conn->stream, bytes_at(conn, conn->sent), conn->piece, &n);
    *wants |= stream_wants(status);
    if (status == STREAM_FAILED)
        return ended_by_server(conn, conn->stream.error);
    if (status != STREAM_OK)
        return true;
    conn->sent += n;
    conn->piece -= n;
    *moved = true;
    return true;
}

static bool finish_some(struct conn *conn, bool *moved, unsigned *wants)
{
    enum stream_status status;

    if (conn->plan.kind != KIND_HALF_CLOSE || conn->finished || conn->sent < conn->plan.size)
        return true;
    status = stream_finish(&conn->stream);
    *wants |= stream_wants(status);
    if (status == STREAM_FAILED)
        return ended_by_server(conn, conn->stream.error);
    conn->finished = *moved = status == STREAM_OK;
    return true;
}

static bool check(struct conn *conn, size_t n)
{
    if (conn->back + n > conn->sent + conn->piece)
        return fail(conn, OUTCOME_WRONG, "more came back than was sent");
    if (memcmp(conn->data, bytes_at(conn, conn->back), n) != 0)
        return fail(conn, OUTCOME_WRONG, "another byte than was sent, in the %zu from %llu on", n,
                    (unsigned long long)conn->back);
    conn->back += n;
    return true;
}

static bool at_end(struct conn *conn)
{
    conn->ended = true;
    if (!conn->finished || conn->back < conn->plan.size)
        return ended_by_server(conn, "the server ended");
    if (conn->stream.truncated)
        return fail(conn, OUTCOME_FAILED, "the server ended without close_notify");
    return true;
}

static bool receive_some(struct conn *conn, bool *moved, unsigned *wants)
{
    bool slow = conn->plan.slow && !deadline_passed(conn->slow_end);
    enum stream_status status;
    size_t n;

    if (conn->stuffing)
        return true;
    status = stream_read(&conn->stream, conn->data, slow ? 1024 : PIECE_MAX, &n);
    *wants |= stream_wants(status);
    if (status == STREAM_FAILED)
        return ended_by_server(conn, conn->stream.error);
    if (stream_wants(status) != 0)
        return true;
    *moved = true;
    if (slow)
        pause_msec(1);
    return status == STREAM_EOF ? at_end(conn) : check(conn, n);
}

static bool is_over(const struct conn *conn)
{
    switch (conn->plan.kind) {
    case KIND_HALF_CLOSE:
        return conn->ended;
    case KIND_RESET:
        return conn->sent == conn->plan.reset_at;
    default:
        return conn->back == conn->plan.size;
    }
}

/* Stuffing is over when nothing goes in any more. */
static bool wait_or_read(struct conn *conn, unsigned wants)
{
    if (!conn->stuffing)
        return wait_for(conn, wants);
    if (wants == 0 || !stream_wait(&conn->stream, wants, deadline_in(FULL_USEC)))
        conn->stuffing = false;
    return true;
}

static bool converse(struct conn *conn)
{
    conn->stuffing = conn->plan.stuff;
    conn->slow_end = deadline_in(SLOW_USEC);
    while (!is_over(conn)) {
        bool moved = false;
        unsigned wants = 0;

        if (!send_some(conn, &moved, &wants) || !finish_some(conn, &moved, &wants) ||
            !receive_some(conn, &moved, &wants))
            return false;
        if (!moved && !wait_or_read(conn, wants))
            return false;
    }
    if (conn->plan.kind == KIND_RESET)
        reset(conn);
    else if (conn->plan.kind == KIND_CLOSE)
        stream_finish(&conn->stream); /* so few bytes that they fit */
    return true;
}

/* ---- others ---- */

/* What becomes of it no longer matters. */
static void say(const struct conn *conn, const void *bytes, size_t n)
{
    if (send(conn->stream.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
}

/* A part of a ClientHello, or all of it, and the answer left unread or not. */
static bool vanish(struct conn *conn)
{
    struct plan *plan = &conn->plan;
    size_t length = conn->chaos->hello_length[plan->way];

    if (length > 0) {
        if (dice_below(&plan->dice, 2) == 0)
            length = 1 + dice_below(&plan->dice, length);
        say(conn, conn->chaos->hello[plan->way], length);
        pause_msec(dice_below(&plan->dice, 20));
        if (dice_below(&plan->dice, 2) == 0)
            recv(conn->stream.fd, conn->data, PIECE_MAX, MSG_DONTWAIT);
    }
    if (plan->rst || plan->way == WAY_PLAIN)
        reset(conn);
    return true;
}

/* The server must end it, with or without an alert. */
static bool talk_garbage(struct conn *conn)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    size_t n;

    if (dice_below(&conn->plan.dice, 2) == 0)
        say(conn, http, sizeof(http) - 1);
    else
        say(conn, bytes_at(conn, 0), 1 + dice_below(&conn->plan.dice, 2000));
    stream_finish(&conn->stream);
    for (;;) {
        enum stream_status status = stream_read(&conn->stream, conn->data, PIECE_MAX, &n);

        if (status == STREAM_EOF || status == STREAM_FAILED)
            return true;
        if (status != STREAM_OK && !wait_for(conn, stream_wants(status)))
            return false;
    }
}

static bool carry_out(struct conn *conn)
{
    if (!connect_it(conn))
        return false;
    switch (conn->plan.kind) {
    case KIND_VANISH:
        return vanish(conn);
    case KIND_GARBAGE:
        return talk_garbage(conn);
    case KIND_LEAVE:
        return true;
    default:
        return handshake(conn) && converse(conn);
    }
}

/* ---- the books ---- */

static void enter_done(const struct conn *conn, struct books *books)
{
    enum kind kind = conn->plan.kind;
    /* a plain client without a byte is a probe to the server */
    bool heard = conn->plan.way != WAY_PLAIN || conn->sent > 0;

    books->done[kind]++;
    if ((kind == KIND_HALF_CLOSE || kind == KIND_CLOSE) && heard) {
        books->closed++;
        books->closed_bytes += conn->back;
    } else if (kind == KIND_NO_NOTIFY) {
        books->truncated++;
        books->truncated_bytes += conn->back;
    }
}

static void enter(const struct conn *conn, struct books *books)
{
    books->tried++;
    books->connected += conn->connected;
    books->sent += conn->sent;
    books->back += conn->back;
    if (conn->outcome == OUTCOME_DONE)
        enter_done(conn, books);
    else if (conn->outcome == OUTCOME_REFUSED)
        books->refused++;
    else if (conn->outcome == OUTCOME_WRONG)
        books->wrong++;
    else
        books->failed++;
}

static void complain(const struct conn *conn)
{
    static const char *const ways[WAY_COUNT] = {"plain", "TLS 1.2", "TLS 1.3"};

    if (conn->outcome != OUTCOME_DONE &&
        !(conn->chaos->may_refuse && conn->outcome == OUTCOME_REFUSED))
        fprintf(stderr, "chaos: connection %llu (%s, %s): %s\n", (unsigned long long)conn->number,
                ways[conn->plan.way], kind_names[conn->plan.kind], conn->why);
}

void conn_run(const struct chaos *chaos, uint64_t number, unsigned char *data, struct books *books)
{
    struct conn conn = {.chaos = chaos, .number = number, .data = data, .stream.fd = -1};

    conn.deadline = deadline_in(chaos->timeout_usec);
    plan_make(chaos, number, &conn.plan);
    carry_out(&conn);
    complain(&conn);
    if (conn.stream.fd >= 0)
        stream_close(&conn.stream, 0, 0);
    enter(&conn, books);
}
