/* echo.c - the loop: every byte back to its sender. */
#include "echo.h"

#define BUFFER_SIZE (128 * 1024)

/* The bytes that were read and not yet written back: a ring that begins anew whenever it is empty.
 */
struct buffer {
    size_t start; /* of the oldest byte */
    size_t used;
    unsigned char data[BUFFER_SIZE];
};

/* Static, so that its pages cost nothing until a client needs them. */
static struct buffer buffer;

static bool has_bytes(const struct buffer *b)
{
    return b->used > 0;
}

static bool has_room(const struct buffer *b)
{
    return b->used < BUFFER_SIZE;
}

/* The oldest bytes that lie in one piece. */
static const unsigned char *oldest(const struct buffer *b, size_t *ret_n)
{
    size_t to_wrap = BUFFER_SIZE - b->start;

    *ret_n = b->used < to_wrap ? b->used : to_wrap;
    return b->data + b->start;
}

/* The free room behind the newest byte that lies in one piece. */
static unsigned char *room(struct buffer *b, size_t *ret_n)
{
    size_t end = (b->start + b->used) % BUFFER_SIZE;

    *ret_n = end < b->start ? b->start - end : BUFFER_SIZE - end;
    return b->data + end;
}

static void filled(struct buffer *b, size_t n)
{
    b->used += n;
}

static void drained(struct buffer *b, size_t n)
{
    b->used -= n;
    b->start = b->used == 0 ? 0 : (b->start + n) % BUFFER_SIZE;
}

/* One client's echo under way. */
struct echo {
    struct stream *stream;
    const struct echo_limits *limits;
    struct record *record;
    bool ended;     /* nothing more is read; `end` says why */
    enum end end;   /* how the session ends once the buffer is written */
    unsigned wants; /* what the calls of this round wait for */
    bool silent;    /* nothing has moved since `idle` was set */
    deadline_t idle;
};

static void stop_reading(struct echo *echo, enum end end)
{
    echo->ended = true;
    echo->end = end;
}

/* Whatever is held cannot be delivered any more. */
static bool broken(struct echo *echo)
{
    stop_reading(echo, echo->stream->end);
    buffer.used = 0;
    return true;
}

/*
 * At max_bytes one byte more is asked for, into nowhere: a peer that sends exactly max_bytes and
 * ends has kept the rule.
 */
static enum stream_status read_some(struct echo *echo, size_t *ret_n)
{
    uint64_t left = echo->limits->max_bytes - echo->record->bytes_in;
    size_t size;
    unsigned char *data = room(&buffer, &size), excess;

    if (echo->limits->max_bytes == 0)
        return stream_read(echo->stream, data, size, ret_n);
    if (left > 0)
        return stream_read(echo->stream, data, size < left ? size : (size_t)left, ret_n);
    return stream_read(echo->stream, &excess, 1, ret_n);
}

static bool over_max_bytes(const struct echo *echo)
{
    return echo->limits->max_bytes != 0 && echo->record->bytes_in == echo->limits->max_bytes;
}

/* Returns whether anything changed. */
static bool step_read(struct echo *echo)
{
    size_t n;
    enum stream_status status = read_some(echo, &n);

    switch (status) {
    case STREAM_OK:
        if (over_max_bytes(echo)) {
            stop_reading(echo, END_MAX_BYTES);
        } else {
            filled(&buffer, n);
            echo->record->bytes_in += n;
        }
        return true;
    case STREAM_EOF:
        stop_reading(echo, echo->stream->truncated ? END_TRUNCATED : END_CLOSED);
        return true;
    case STREAM_FAILED:
        return broken(echo);
    default:
        echo->wants |= stream_wants(status);
        return false;
    }
}

/* Returns whether anything changed. */
static bool step_write(struct echo *echo)
{
    size_t size, n;
    const unsigned char *data = oldest(&buffer, &size);
    enum stream_status status = stream_write(echo->stream, data, size, &n);

    switch (status) {
    case STREAM_OK:
        drained(&buffer, n);
        echo->record->bytes_out += n;
        return true;
    case STREAM_FAILED:
        return broken(echo);
    default:
        echo->wants |= stream_wants(status);
        return false;
    }
}

/* What a slow reader still has to take from the kernel; asked only where it makes us wait. */
static size_t unsent(const struct echo *echo)
{
    return echo->wants & STREAM_WAIT_WRITE ? stream_unsent(echo->stream) : 0;
}

/*
 * The sooner of the session's end and that of a silence, which begins when a byte has moved last:
 * pieces of a TLS record are none. Returns false when it comes. A
 * socket becomes writable only once a good part of it is free, so a slow reader is not silent as
 * long as the kernel's share shrinks.
 */
static bool wait_for_peer(struct echo *echo)
{
    for (;;) {
        size_t before = unsent(echo);
        bool idle_first;

        if (!echo->silent)
            echo->idle = deadline_in(echo->limits->idle_usec);
        echo->silent = true;
        idle_first = echo->idle < echo->limits->deadline;
        if (stream_wait(echo->stream, echo->wants,
                        idle_first ? echo->idle : echo->limits->deadline))
            return true;
        if (idle_first && unsent(echo) < before) {
            echo->silent = false;
            continue;
        }
        echo->end = idle_first ? END_IDLE : END_SESSION_TIMEOUT;
        return false;
    }
}

enum end echo_run(struct stream *stream, const struct echo_limits *limits, struct record *record)
{
    struct echo echo = {.stream = stream, .limits = limits, .record = record};

    buffer.start = buffer.used = 0;
    while (!echo.ended || has_bytes(&buffer)) {
        bool progress = false;

        echo.wants = 0;
        if (deadline_passed(limits->deadline))
            return END_SESSION_TIMEOUT;
        if (has_bytes(&buffer))
            progress |= step_write(&echo);
        if (!echo.ended && has_room(&buffer))
            progress |= step_read(&echo);
        if (progress)
            echo.silent = false;
        else if (!wait_for_peer(&echo))
            break;
    }
    return echo.end;
}
