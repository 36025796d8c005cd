/* cat.c - standard input to the server, the echo to standard output. */
#include "echoc/echoc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_USEC (500 * USEC_PER_MSEC)

/* The bytes of one direction, to the server or from it. */
struct way {
    size_t start, end;
    uint64_t total; /* bytes that have been passed on */
    unsigned char data[64 * 1024];
};

struct cat {
    struct stream *stream;
    struct way up, down;
    bool input_ended;
    bool output_ended; /* the server has ended its side */
    bool show_progress;
    uint64_t begin_usec;
    deadline_t next_progress;
    deadline_t stalled; /* when to give up, unless a byte moves before */
    struct err err;
};

static bool way_is_empty(const struct way *way)
{
    return way->start == way->end;
}

static void way_advance(struct way *way, size_t n)
{
    way->start += n;
    way->total += n;
    if (way_is_empty(way))
        way->start = way->end = 0;
}

/* Call it only when poll(2) reports input: other processes may share it, so it stays blocking. */
static int cat_read_input(struct cat *cat)
{
    ssize_t n = read(STDIN_FILENO, cat->up.data, sizeof(cat->up.data));

    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return err_set(&cat->err, "cannot read standard input: %s", strerror(errno));
    if (n == 0)
        cat->input_ended = true;
    if (n > 0)
        cat->up.end = (size_t)n;
    return 0;
}

static int cat_write_output(struct cat *cat)
{
    struct way *down = &cat->down;

    while (!way_is_empty(down)) {
        ssize_t n = write(STDOUT_FILENO, down->data + down->start, down->end - down->start);

        if (n < 0 && errno != EINTR)
            return err_set(&cat->err, "cannot write standard output: %s", strerror(errno));
        if (n > 0)
            way_advance(down, (size_t)n);
    }
    return 0;
}

static int cat_set_broken(struct cat *cat)
{
    return err_set(&cat->err, "echo: %s after %llu bytes", cat->stream->error,
                   (unsigned long long)cat->down.total);
}

/* Write what there is to write. Returns the STREAM_WAIT_* that it needs, or -1. */
static int cat_step_up(struct cat *cat)
{
    struct way *up = &cat->up;
    enum stream_status status;
    size_t n;

    while (!way_is_empty(up)) {
        status = stream_write(cat->stream, up->data + up->start, up->end - up->start, &n);
        if (status != STREAM_OK)
            return status == STREAM_FAILED ? cat_set_broken(cat) : (int)stream_wants(status);
        way_advance(up, n);
    }
    if (!cat->input_ended || cat->stream->finished)
        return 0;
    status = stream_finish(cat->stream);
    return status == STREAM_FAILED ? cat_set_broken(cat) : (int)stream_wants(status);
}

/* Read what has come back and print it. Returns the STREAM_WAIT_* that it needs, or -1. */
static int cat_step_down(struct cat *cat)
{
    while (!cat->output_ended) {
        size_t n;
        enum stream_status status =
            stream_read(cat->stream, cat->down.data, sizeof(cat->down.data), &n);

        if (status == STREAM_FAILED)
            return cat_set_broken(cat);
        if (status == STREAM_EOF)
            cat->output_ended = true;
        else if (status != STREAM_OK)
            return (int)stream_wants(status);
        else
            cat->down.end = n;
        if (cat_write_output(cat) < 0)
            return -1;
    }
    return 0;
}

static void cat_show_progress(struct cat *cat, bool last)
{
    double seconds = (double)(now_usec() - cat->begin_usec) / (double)USEC_PER_SEC;

    if (!cat->show_progress || (!last && !deadline_passed(cat->next_progress)))
        return;
    fprintf(stderr, "\r%.1f MiB sent, %.1f MiB back, %.1f MiB/s  %s",
            (double)cat->up.total / 1048576, (double)cat->down.total / 1048576,
            (double)cat->down.total / 1048576 / (seconds > 0 ? seconds : 1), last ? "\n" : "");
    cat->next_progress = deadline_in(PROGRESS_USEC);
}

/* Whether the server has to send bytes, or its end. Its silence is a timeout only then. */
static bool cat_is_owed(const struct cat *cat)
{
    return cat->stream->finished || cat->up.total > cat->down.total;
}

/* Wait for the stream, for input, or for the next progress line. Returns 0, or -1. */
static int cat_wait(struct cat *cat, unsigned wants, uint64_t timeout_usec)
{
    bool read_input = !cat->input_ended && way_is_empty(&cat->up);
    struct pollfd fds[] = {
        {.fd = cat->stream->fd,
         .events = (short)((wants & STREAM_WAIT_READ ? POLLIN : 0) |
                           (wants & STREAM_WAIT_WRITE ? POLLOUT : 0))},
        {.fd = read_input ? STDIN_FILENO : -1, .events = POLLIN},
    };
    deadline_t wake = cat_is_owed(cat) ? cat->stalled : DEADLINE_NEVER;
    int n;

    if (cat->show_progress && cat->next_progress < wake)
        wake = cat->next_progress;
    n = poll(fds, 2, deadline_poll_msec(wake));
    cat_show_progress(cat, false);
    if (n > 0 || !cat_is_owed(cat))
        cat->stalled = deadline_in(timeout_usec);
    else if (deadline_passed(cat->stalled))
        return err_set(&cat->err, "echo: timed out after %llu of %llu bytes",
                       (unsigned long long)cat->down.total, (unsigned long long)cat->up.total);
    return n > 0 && fds[1].revents ? cat_read_input(cat) : 0;
}

/* Copy both ways. Returns 0 when the server has ended its side, or -1. */
static int cat_run(struct cat *cat, uint64_t timeout_usec)
{
    while (!cat->output_ended) {
        int up = cat_step_up(cat),
            down = cat_step_down(cat); /* bytes that came before a failed write count */

        if (up < 0 && down >= 0)
            return cat_set_broken(cat);
        if (down < 0)
            return -1;
        if (echoc_interrupted)
            return err_set(&cat->err, "interrupted");
        if (!cat->output_ended && cat_wait(cat, (unsigned)up | (unsigned)down, timeout_usec) < 0)
            return -1;
    }
    return 0;
}

/* Returns 0 when every byte came back and the server closed in order, or -1. */
static int cat_judge(struct cat *cat)
{
    unsigned long long sent = cat->up.total, back = cat->down.total;

    if (!cat->stream->finished)
        return err_set(&cat->err, "echo: the server ended after %llu bytes, before we did", back);
    if (sent != back)
        return err_set(&cat->err, "echo: %llu of %llu bytes came back", back, sent);
    if (cat->stream->truncated)
        return err_set(&cat->err, "end: the server closed without close_notify");
    return 0;
}

static json_t *cat_json(const struct cat *cat, const struct dialed *dialed, bool ok)
{
    return json_pack(
        "{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:s*}", "command", "cat", "ok", ok, "sent_bytes",
        (json_int_t)cat->up.total, "received_bytes", (json_int_t)cat->down.total, "duration_usec",
        (json_int_t)(now_usec() - cat->begin_usec), "connect_nsec",
        (json_int_t)dialed->connect_nsec, "handshake_nsec", (json_int_t)dialed->handshake_nsec,
        "tls", echoc_tls_json(&dialed->tls), "error", ok ? NULL : cat->err.text);
}

int echoc_cat(struct echoc *echoc)
{
    static struct cat cat;
    struct dialed dialed;
    struct err err;
    bool ok;

    if (dial(&echoc->target, NULL, &dialed, &err) < 0)
        return echoc_error("%s", err.text);
    cat.stream = &dialed.stream;
    cat.begin_usec = now_usec();
    cat.stalled = deadline_in(echoc->timeout_usec);
    cat.show_progress = !echoc->json && isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    cat.next_progress = deadline_in(PROGRESS_USEC);
    ok = cat_run(&cat, echoc->timeout_usec) == 0 && cat_judge(&cat) == 0;
    cat_show_progress(&cat, true);
    if (!ok)
        echoc_error("%s", cat.err.text);
    if (echoc->json) /* standard output has the echo */
        echoc_print_json(cat_json(&cat, &dialed, ok), stderr);
    stream_close(&dialed.stream, 0, 0);
    return ok ? ECHOC_OK : ECHOC_LOST;
}
