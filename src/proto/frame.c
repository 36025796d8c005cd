/* frame.c - finds where a message ends in a stream of bytes. */
#include "proto/frame.h"

#include <string.h>

/*
 * For each proper prefix of the marker: the length of its longest suffix that is a prefix of the
 * marker too. The search continues there when the next byte does not match (Knuth, Morris and
 * Pratt). So it finds a marker across any split of the stream without reading a byte twice.
 */
static void find_fallbacks(struct frame *frame, const char *marker)
{
    uint8_t matched = 0;

    for (size_t i = 1; i < frame->marker_length; i++) {
        while (matched > 0 && marker[i] != marker[matched])
            matched = frame->fallback[matched - 1];
        if (marker[i] == marker[matched])
            matched++;
        frame->fallback[i] = matched;
    }
}

void frame_open(struct frame *ret_frame, const struct frame_params *params)
{
    *ret_frame = (struct frame){.params = params};
    if (params->framing != FRAMING_MARKER)
        return;
    ret_frame->marker_length = (uint8_t)strlen(params->marker);
    find_fallbacks(ret_frame, params->marker);
}

/*
 * Each of these takes bytes of one message, at least one and at most all `n`. Returns how many it
 * took, and whether the last of them ends the message.
 */

static size_t frame_take_line(struct frame *frame, const uint8_t *data, size_t n, bool *ret_ended)
{
    const uint8_t *feed = memchr(data, '\n', n);
    size_t used = feed ? (size_t)(feed - data) + 1 : n;
    size_t before_feed = used - (feed ? 1 : 0);

    /* a CR at the very end of these bytes, or of those before them, belongs to the line's end */
    if (before_feed > 0)
        frame->end = data[before_feed - 1] == '\r';
    frame->end = (uint8_t)(frame->end + (feed ? 1 : 0));
    *ret_ended = feed != NULL;
    return used;
}

static size_t take_marked(struct frame *frame, const uint8_t *data, size_t n, bool *ret_ended)
{
    const char *marker = frame->params->marker;
    size_t used = 0;

    while (used < n && frame->end < frame->marker_length) {
        uint8_t byte = data[used++];

        while (frame->end > 0 && byte != (uint8_t)marker[frame->end])
            frame->end = frame->fallback[frame->end - 1];
        if (byte == (uint8_t)marker[frame->end])
            frame->end++;
    }
    *ret_ended = frame->end == frame->marker_length;
    return used;
}

static size_t take_counted(struct frame *frame, const uint8_t *data, size_t n, bool *ret_ended)
{
    uint64_t left;

    if (frame->taken < FRAME_HEADER) {
        frame->length = frame->length << 8 | data[0];
        *ret_ended = frame->taken + 1 == FRAME_HEADER && frame->length == 0;
        return 1;
    }
    left = FRAME_HEADER + (uint64_t)frame->length - frame->taken;
    *ret_ended = n >= left;
    return n < left ? n : (size_t)left;
}

static size_t frame_take(struct frame *frame, const uint8_t *data, size_t n, bool *ret_ended)
{
    switch (frame->params->framing) {
    case FRAMING_LINE:
        return frame_take_line(frame, data, n, ret_ended);
    case FRAMING_MARKER:
        return take_marked(frame, data, n, ret_ended);
    default:
        return take_counted(frame, data, n, ret_ended);
    }
}

/* Whether the message is too long, as soon as its header or its bytes show it. */
static bool is_too_long(const struct frame *frame)
{
    uint64_t limit = (uint64_t)frame->params->max_message;

    if (frame->params->framing == FRAMING_LENGTH)
        return frame->taken >= FRAME_HEADER && frame->length > limit;
    return frame->taken - frame->end > limit;
}

bool frame_feed(struct frame *frame, const void *data, size_t n, size_t *ret_whole)
{
    const uint8_t *bytes = data;
    size_t whole = 0;

    if (frame->params->framing == FRAMING_STREAM) {
        *ret_whole = n;
        return true;
    }
    for (size_t used = 0; used < n;) {
        bool ended;
        size_t taken = frame_take(frame, bytes + used, n - used, &ended);

        used += taken;
        frame->taken += taken;
        *ret_whole = whole;
        if (is_too_long(frame))
            return false;
        if (ended) {
            whole = used;
            frame->messages++;
            frame->taken = frame->length = frame->end = 0;
        }
    }
    *ret_whole = whole;
    return true;
}

bool frame_end(struct frame *frame)
{
    if (frame->taken == 0)
        return true;
    if (frame->params->framing != FRAMING_MARKER)
        return false;
    frame->messages++;
    frame->taken = 0;
    return true;
}

size_t frame_room(const struct frame_params *params)
{
    size_t content = (size_t)params->max_message;

    switch (params->framing) {
    case FRAMING_LINE:
        return content + 2;
    case FRAMING_MARKER:
        return content + strlen(params->marker);
    case FRAMING_LENGTH:
        return content + FRAME_HEADER;
    default:
        return 0;
    }
}
