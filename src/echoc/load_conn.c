/* load_conn.c - one connection under load, every byte checked. */
#include "echoc/load_conn.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

static uint64_t conn_depth(const struct conn *conn)
{
    return conn->worker->echoc->anew ? 1 : (uint64_t)conn->worker->echoc->depth;
}

/* Messages that began and are not back whole. One begins before its first byte is written. */
static uint64_t conn_under_way(const struct conn *conn)
{
    return conn->begun - conn->first - conn->back;
}

static void conn_watch(struct conn *conn, unsigned wants)
{
    struct epoll_event event = {.data.ptr = conn};
    int fd = conn->dialed.stream.fd, epoll_fd = conn->worker->epoll_fd;

    event.events =
        (wants & STREAM_WAIT_READ ? EPOLLIN : 0u) | (wants & STREAM_WAIT_WRITE ? EPOLLOUT : 0u);
    if (event.events == conn->events && conn->state != DIALING)
        return;
    /* while dialing, the descriptor may be another socket than at the last call */
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    conn->events = event.events;
}

static void conn_rest(struct conn *conn)
{
    conn->state = RESTING;
    conn->events = 0;
    conn->owed += conn_under_way(conn) * (conn->worker->rate > 0); /* they stay due */
    conn->begun = conn->first + conn->back;
}

static void conn_hang_up(struct conn *conn)
{
    if (conn->worker->echoc->resume) {
        tls_session_free(conn->session);
        conn->session = tls_session_get(&conn->dialed.stream);
    }
    stream_close(&conn->dialed.stream, 0, 0);
    conn_rest(conn);
}

static void conn_note_trouble(struct conn *conn, enum trouble trouble, const struct err *err)
{
    struct load_figures *figures = &conn->worker->figures;

    if (figures->troubles[trouble]++ == 0)
        figures->first[trouble] = *err;
}

/* How many bytes have come back on this connection. */
static unsigned long long conn_offset(const struct conn *conn)
{
    return conn->back * conn->worker->length + conn->in;
}

static void conn_fail(struct conn *conn, enum trouble trouble, const char *what)
{
    struct err err;

    err_set(&err, "%s at byte %llu of the connection, in message %llu", what, conn_offset(conn),
            (unsigned long long)conn->back);
    conn_note_trouble(conn, trouble, &err);
    conn_hang_up(conn);
}

static void conn_begin_dial(struct conn *conn)
{
    conn->first = conn->begun;
    conn->sent = conn->back = 0;
    conn->out = conn->in = 0;
    conn->moved_nsec = now_nsec();
    conn->state = DIALING;
    dial_begin(&conn->dialed, &conn->worker->echoc->target, conn->session);
}

static void conn_work_dialing(struct conn *conn)
{
    struct load_figures *figures = &conn->worker->figures;
    struct err err;
    enum stream_status status = dial_step(&conn->dialed, &err);

    if (status == STREAM_FAILED) {
        conn_note_trouble(conn, TROUBLE_DIAL, &err);
        conn_rest(conn);
        return;
    }
    if (status != STREAM_OK) {
        conn_watch(conn, stream_wants(status));
        return;
    }
    figures->dialed++;
    figures->resumed += conn->dialed.tls.resumed;
    histogram_add(&figures->connect, conn->dialed.connect_nsec);
    if (conn->worker->echoc->target.tls)
        histogram_add(&figures->handshake, conn->dialed.handshake_nsec);
    conn_watch(conn, STREAM_WAIT_READ);
    conn->state = READY;
    conn->moved_nsec = now_nsec();
}

uint64_t load_due_nsec(const struct load_worker *worker, uint64_t number)
{
    return worker->course.begin_nsec +
           (uint64_t)((double)number / worker->rate * (double)NSEC_PER_SEC);
}

/* A worker's messages go to its connections in turn. */
static uint64_t conn_message_number(const struct conn *conn, uint64_t i)
{
    return i * (uint64_t)conn->worker->n + (uint64_t)(conn - conn->worker->conns);
}

/* With --new a connection is for one message. */
static bool conn_is_used_up(const struct conn *conn)
{
    return conn->worker->echoc->anew && conn->begun > conn->first;
}

static bool conn_may_begin(const struct conn *conn)
{
    const struct load_worker *worker = conn->worker;

    if (worker->stopping || conn_under_way(conn) >= conn_depth(conn) || conn_is_used_up(conn))
        return false;
    return worker->rate == 0 || conn->owed > 0;
}

/* With --new the time to connect is part of the latency. */
static void conn_begin_message(struct conn *conn)
{
    const struct load_worker *worker = conn->worker;
    uint64_t now = worker->echoc->anew
                       ? now_nsec() - conn->dialed.connect_nsec - conn->dialed.handshake_nsec
                       : now_nsec();

    conn->started[conn->begun % conn_depth(conn)] =
        worker->rate > 0 ? load_due_nsec(worker, conn_message_number(conn, conn->begun)) : now;
    if (worker->rate > 0)
        conn->owed--;
    conn->moved_nsec = now_nsec(); /* it may have been idle for long */
    payload_fill(&conn->payload, conn->begun, conn->outgoing);
    conn->begun++;
    conn->out = 0;
}

/* Returns the STREAM_WAIT_* that it needs. The next read reports a broken connection. */
static unsigned conn_send(struct conn *conn)
{
    size_t length = conn->worker->length, n;
    enum stream_status status;

    for (;;) {
        if (conn->first + conn->sent == conn->begun) {
            if (!conn_may_begin(conn))
                return 0;
            conn_begin_message(conn);
        }
        status =
            stream_write(&conn->dialed.stream, conn->outgoing + conn->out, length - conn->out, &n);
        if (status != STREAM_OK)
            return stream_wants(status);
        conn->moved_nsec = now_nsec();
        conn->out += n;
        if (conn->out == length)
            conn->sent++;
    }
}

static void conn_end_message(struct conn *conn)
{
    struct load_figures *figures = &conn->worker->figures;

    histogram_add(&figures->latency,
                  now_nsec() - conn->started[(conn->first + conn->back) % conn_depth(conn)]);
    figures->messages++;
    figures->bytes += conn->worker->length;
    conn->back++;
    conn->in = 0;
}

/* Returns false if a byte is not the one that was sent. */
static bool conn_check(struct conn *conn, const unsigned char *data, size_t n)
{
    size_t length = conn->worker->length;

    while (n > 0) {
        size_t part = n < length - conn->in ? n : length - conn->in;

        if (conn_under_way(conn) == 0)
            return false;
        if (conn->in == 0)
            payload_fill(&conn->payload, conn->first + conn->back, conn->expected);
        if (memcmp(conn->expected + conn->in, data, part) != 0) {
            while (conn->expected[conn->in] == *data++)
                conn->in++;
            return false;
        }
        conn->in += part;
        data += part;
        n -= part;
        if (conn->in == length)
            conn_end_message(conn);
    }
    return true;
}

/* Whether to read between messages: session tickets or the server's end may come then. */
static bool conn_may_idle(const struct conn *conn)
{
    const struct load_worker *worker = conn->worker;

    return worker->rate > 0 && !worker->echoc->anew && !worker->stopping;
}

/* Returns the STREAM_WAIT_* that it needs, or -1 when the connection has failed. */
static int conn_receive(struct conn *conn)
{
    static _Thread_local unsigned char data[64 * 1024];
    struct stream *stream = &conn->dialed.stream;
    size_t n;

    while (conn_under_way(conn) > 0 || conn_may_idle(conn)) {
        enum stream_status status = stream_read(stream, data, sizeof(data), &n);

        if (stream_wants(status) != 0)
            return (int)stream_wants(status);
        if (status == STREAM_OK && conn_check(conn, data, n)) {
            conn->moved_nsec = now_nsec();
            continue;
        }
        if (status == STREAM_OK)
            conn_fail(conn, TROUBLE_WRONG, "another byte than was sent");
        else
            conn_fail(conn, TROUBLE_BROKEN,
                      status == STREAM_EOF ? "the server ended" : stream->error);
        return -1;
    }
    return 0;
}

/* After our half-close only the server's end may come. */
static void conn_work_ending(struct conn *conn)
{
    struct stream *stream = &conn->dialed.stream;
    enum stream_status status = stream->finished ? STREAM_OK : stream_finish(stream);
    unsigned char excess;
    size_t n;

    if (status == STREAM_OK)
        status = stream_read(stream, &excess, 1, &n);
    if (stream_wants(status) != 0)
        conn_watch(conn, stream_wants(status));
    else if (status == STREAM_OK)
        conn_fail(conn, TROUBLE_END, "more came back than was sent");
    else if (status == STREAM_FAILED || stream->truncated)
        conn_fail(conn, TROUBLE_END,
                  stream->truncated ? "closed without close_notify" : stream->error);
    else
        conn_hang_up(conn);
}

static bool conn_is_done(const struct conn *conn)
{
    return conn_under_way(conn) == 0 && (conn->worker->stopping || conn_is_used_up(conn));
}

static void conn_work_ready(struct conn *conn)
{
    int wants = conn_receive(conn);

    if (wants < 0)
        return;
    wants |= (int)conn_send(conn);
    if (conn_is_done(conn)) {
        conn->state = ENDING;
        conn->moved_nsec = now_nsec();
        return;
    }
    conn_watch(conn, (unsigned)wants | STREAM_WAIT_READ);
}

static bool conn_may_dial(const struct conn *conn)
{
    const struct load_worker *worker = conn->worker;

    return !worker->stopping && (!worker->echoc->anew || worker->rate == 0 || conn->owed > 0);
}

/* When a connection has ended, the next one begins at once; if it failed before, at the patrol. */
void load_work(struct conn *conn)
{
    enum state before;

    do {
        if (conn->state == RESTING && conn_may_dial(conn))
            conn_begin_dial(conn);
        if (conn->state == DIALING)
            conn_work_dialing(conn);
        if (conn->state == READY)
            conn_work_ready(conn);
        before = conn->state;
        if (before == ENDING)
            conn_work_ending(conn);
    } while (before == ENDING && conn->state == RESTING && conn_may_dial(conn));
}

/* ---- timeouts ---- */

void load_check_late(struct conn *conn, uint64_t now)
{
    const struct echoc *echoc = conn->worker->echoc;
    uint64_t wait = 1000 * (conn->state == DIALING ? echoc->timeout_usec : echoc->wait_usec);
    struct err err;

    if (wait == 0 || now <= conn->moved_nsec + wait)
        return;
    if (conn->state == DIALING) {
        dial_abandon(&conn->dialed, &err);
        conn_note_trouble(conn, TROUBLE_DIAL, &err);
        conn_rest(conn);
    } else if (conn->state == READY && conn_under_way(conn) > 0) {
        conn_fail(conn, TROUBLE_TIMEOUT, "timed out");
    } else if (conn->state == ENDING) {
        conn_fail(conn, TROUBLE_END, "the server does not end its side");
    }
}
