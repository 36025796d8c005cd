/* echo.c - the echo loop: sends every byte back to its sender. */
#include "child/echo.h"

#include <stdio.h>

#define BUFFER_MIN (128 * 1024)

/*
 * The bytes that were read and not yet written back: a ring buffer, which starts at 0 again
 * whenever it is empty.
 */
struct buffer {
    size_t size;  /* of the part of `data` in use: room for one whole message */
    size_t start; /* of the oldest byte */
    size_t used;
    size_t whole; /* how many of the used bytes may be written */
    unsigned char data[FRAME_MESSAGE_MAX + FRAME_MARKER_MAX + 1];
};

/* Static, so that its pages use no memory until a client needs them. */
static struct buffer buffer;

static bool has_bytes(const struct buffer *b)
{
    return b->whole > 0;
}

static bool echo_has_room(const struct buffer *b)
{
    return b->used < b->size;
}

/* The oldest bytes that may be written, up to the wrap of the ring. */
static const unsigned char *oldest(const struct buffer *b, size_t *ret_n)
{
    size_t to_wrap = b->size - b->start;

    *ret_n = b->whole < to_wrap ? b->whole : to_wrap;
    return b->data + b->start;
}

/* The free room behind the newest byte, up to the wrap of the ring. */
static unsigned char *room(struct buffer *b, size_t *ret_n)
{
    size_t end = (b->start + b->used) % b->size;

    *ret_n = end < b->start ? b->start - end : b->size - end;
    return b->data + end;
}

/*
 * Add `n` bytes. The first `whole` of them complete messages, so all bytes up to there may be
 * written.
 */
static void filled(struct buffer *b, size_t n, size_t whole)
{
    if (whole > 0)
        b->whole = b->used + whole;
    b->used += n;
}

static void drained(struct buffer *b, size_t n)
{
    b->used -= n;
    b->whole -= n;
    b->start = b->used == 0 ? 0 : (b->start + n) % b->size;
}

/* The state of one client's echo. */
struct echo {
    struct stream *stream;
    const struct echo_limits *limits;
    struct record *record;
    struct frame frame;
    bool ended;     /* nothing more is read, for the reason in `end` */
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

/* The stream failed: the buffered bytes cannot be delivered any more. */
static bool broken(struct echo *echo)
{
    stop_reading(echo, echo->stream->end);
    buffer.whole = 0;
    return true;
}

/*
 * At max_bytes, read one more byte and discard it: that tells a peer that sends too much from one
 * that sends exactly max_bytes and then ends.
 */
static enum stream_status read_some(struct echo *echo, unsigned char *data, size_t size,
                                    size_t *ret_n)
{
    uint64_t left = echo->limits->max_bytes - echo->record->bytes_in;
    unsigned char excess;

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

static void echo_take(struct echo *echo, const unsigned char *data, size_t n)
{
    size_t whole;

    if (!frame_feed(&echo->frame, data, n, &whole))
        stop_reading(echo, END_MESSAGE_TOO_LONG);
    filled(&buffer, n, whole);
    echo->record->bytes_in += n;
    echo->record->messages = echo->frame.messages;
}

/*
 * The peer has ended its side. The rest of the buffer is the last message, if the framing lets a
 * message end here.
 */
static void take_end(struct echo *echo)
{
    stop_reading(echo, echo->stream->truncated ? END_TRUNCATED : END_CLOSED);
    if (frame_end(&echo->frame)) {
        echo->record->messages = echo->frame.messages;
        buffer.whole = buffer.used;
        return;
    }
    echo->end = END_TRUNCATED;
    snprintf(echo->stream->error, sizeof(echo->stream->error), "the stream ended inside a message");
}

/* Returns whether anything changed. Skips the read if the socket is known to be empty. */
static bool step_read(struct echo *echo)
{
    size_t size, n;
    unsigned char *data = room(&buffer, &size);
    enum stream_status status =
        echo->stream->dry ? STREAM_WANT_READ : read_some(echo, data, size, &n);

    switch (status) {
    case STREAM_OK:
        if (over_max_bytes(echo))
            stop_reading(echo, END_MAX_BYTES);
        else
            echo_take(echo, data, n);
        return true;
    case STREAM_EOF:
        take_end(echo);
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

static bool wait_until(const struct echo *echo, deadline_t deadline)
{
    echo->stream->dry = false;
    return stream_wait(echo->stream, echo->wants,
                       deadline < echo->limits->deadline ? deadline : echo->limits->deadline);
}

/*
 * Wait until data moves. Idle time counts from the last data byte; part of a TLS record is not
 * data. The kernel does not report when a slow reader takes bytes from its buffer, so compare the
 * unsent bytes half-way, which few clients reach, and at the end. Returns false at the end of
 * idle_timeout or of the session, with echo->silent cleared if bytes have been taken.
 */
static bool outlast_silence(struct echo *echo)
{
    uint64_t half = echo->limits->idle_usec / 2;
    size_t unsent;

    if (!echo->silent)
        echo->idle = deadline_in(echo->limits->idle_usec);
    echo->silent = true;
    if (echo->idle == DEADLINE_NEVER)
        return wait_until(echo, DEADLINE_NEVER);
    if (wait_until(echo, echo->idle - half))
        return true;
    unsent = stream_unsent(echo->stream);
    if (wait_until(echo, echo->idle))
        return true;
    echo->silent = stream_unsent(echo->stream) >= unsent;
    return false;
}

/* Wait until data moves. Returns false when the session or idle_timeout ends first. */
static bool wait_for_peer(struct echo *echo)
{
    do
        if (outlast_silence(echo))
            return true;
    while (!echo->silent && !deadline_passed(echo->limits->deadline));
    echo->end = echo->silent && deadline_passed(echo->idle) ? END_IDLE : END_SESSION_TIMEOUT;
    return false;
}

enum end echo_run(struct stream *stream, const struct echo_limits *limits, struct record *record)
{
    struct echo echo = {.stream = stream, .limits = limits, .record = record};

    buffer.start = buffer.used = buffer.whole = 0;
    buffer.size = frame_room(&limits->frame);
    if (buffer.size < BUFFER_MIN)
        buffer.size = BUFFER_MIN;
    frame_open(&echo.frame, &limits->frame);
    stream->dry = false; /* the reads before did not have to clear it */
    while (!echo.ended || has_bytes(&buffer)) {
        bool progress = false;

        echo.wants = 0;
        if (deadline_passed(limits->deadline))
            return END_SESSION_TIMEOUT;
        if (has_bytes(&buffer))
            progress |= step_write(&echo);
        if (!echo.ended && echo_has_room(&buffer))
            progress |= step_read(&echo);
        if (progress)
            echo.silent = false;
        else if (!wait_for_peer(&echo))
            break;
    }
    return echo.end;
}
