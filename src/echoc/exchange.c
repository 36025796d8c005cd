/* exchange.c - one message to the server and back, checked. */
#include "echoc/exchange.h"

#include <string.h>

/* A message on its way out and back. */
struct trip {
    struct stream *stream;
    const unsigned char *message;
    size_t n, sent, back;
    unsigned wants;
};

static enum stream_status trip_write(struct trip *trip)
{
    size_t n;
    enum stream_status status =
        stream_write(trip->stream, trip->message + trip->sent, trip->n - trip->sent, &n);

    if (status == STREAM_OK)
        trip->sent += n;
    trip->wants |= stream_wants(status);
    return status;
}

static size_t count_equal(const unsigned char *a, const unsigned char *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] == b[i])
        i++;
    return i;
}

/* Returns STREAM_OK with *ret_wrong set when a byte is not the one that was sent. */
static enum stream_status trip_read(struct trip *trip, bool *ret_wrong)
{
    unsigned char data[16384];
    size_t left = trip->n - trip->back, n, equal;
    enum stream_status status =
        stream_read(trip->stream, data, left < sizeof(data) ? left : sizeof(data), &n);

    trip->wants |= stream_wants(status);
    if (status != STREAM_OK)
        return status;
    equal = count_equal(data, trip->message + trip->back, n);
    trip->back += equal;
    *ret_wrong = equal != n;
    return STREAM_OK;
}

static enum exchange trip_broken(const struct trip *trip, enum stream_status status,
                                 struct err *ret_err)
{
    err_set(ret_err, "echo: %s after %zu of %zu bytes",
            status == STREAM_EOF ? "the server ended" : trip->stream->error, trip->back, trip->n);
    return EXCHANGE_BROKEN;
}

enum exchange exchange(struct stream *stream, const unsigned char *message, size_t n,
                       deadline_t deadline, struct err *ret_err)
{
    struct trip trip = {.stream = stream, .message = message, .n = n};
    enum stream_status wrote, read;
    bool wrong = false;

    while (trip.back < n) {
        trip.wants = 0;
        wrote = trip.sent < n ? trip_write(&trip) : STREAM_WANT_READ;
        if (wrote == STREAM_FAILED)
            return trip_broken(&trip, wrote, ret_err);
        read = trip_read(&trip, &wrong);
        if (read == STREAM_FAILED || read == STREAM_EOF)
            return trip_broken(&trip, read, ret_err);
        if (wrong) {
            err_set(ret_err, "echo: byte %zu of %zu is not the one that was sent", trip.back, n);
            return EXCHANGE_WRONG;
        }
        if (wrote != STREAM_OK && read != STREAM_OK && !stream_wait(stream, trip.wants, deadline)) {
            err_set(ret_err, "echo: timed out after %zu of %zu bytes", trip.back, n);
            return EXCHANGE_TIMEOUT;
        }
    }
    return EXCHANGE_OK;
}

int exchange_greeting(struct stream *stream, char last, deadline_t deadline, char *text,
                      size_t size)
{
    size_t used = 0, n;

    while (used + 1 < size) {
        enum stream_status status = stream_read(stream, text + used, 1, &n);

        if (status == STREAM_OK) {
            used += n;
            text[used] = '\0';
            if (text[used - 1] == last)
                return 0;
        } else if (stream_wants(status) == 0 ||
                   !stream_wait(stream, stream_wants(status), deadline)) {
            return -1;
        }
    }
    return -1;
}

int exchange_end(struct stream *stream, deadline_t deadline, struct err *ret_err)
{
    enum stream_status status;
    unsigned char excess;
    size_t n;

    while (stream_wants(status = stream_finish(stream)) != 0)
        if (!stream_wait(stream, stream_wants(status), deadline))
            return err_set(ret_err, "end: timed out");
    while (stream_wants(status = stream_read(stream, &excess, 1, &n)) != 0)
        if (!stream_wait(stream, stream_wants(status), deadline))
            return err_set(ret_err, "end: the server does not end its side");
    if (status == STREAM_OK)
        return err_set(ret_err, "end: the server sent more than it was sent");
    if (status == STREAM_FAILED)
        return err_set(ret_err, "end: %s", stream->error);
    if (stream->truncated)
        return err_set(ret_err, "end: the server closed without close_notify");
    return 0;
}
