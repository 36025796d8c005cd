/*
 * frame.c - libFuzzer: any stream, cut anywhere, is judged as the plain reference judges it whole.
 *
 * The input: one byte for the framing, one for max_message, one for how long each piece is, one
 * for the length of the marker and that many bytes of it; then the stream.
 */
#include "../unit/proto/frame_reference.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* The marker is a text: it ends where its first NUL is, and is never empty. */
static size_t take_marker(const uint8_t *data, size_t size, char marker[FRAME_MARKER_MAX + 1])
{
    size_t length = data[0] < size - 1 ? data[0] : size - 1;

    memcpy(marker, data + 1, length);
    marker[length] = '\0';
    if (marker[0] == '\0')
        strcpy(marker, "END\n");
    return length + 1;
}

/* Feed it in pieces of 1 to 256 bytes. Returns whether no message was too long. */
static bool feed(struct frame *frame, const uint8_t *stream, size_t n, size_t piece,
                 size_t *ret_whole)
{
    *ret_whole = 0;
    for (size_t fed = 0; fed < n;) {
        size_t part = n - fed < piece ? n - fed : piece, whole;
        bool ok = frame_feed(frame, stream + fed, part, &whole);

        demand(whole <= part);
        if (whole > 0)
            *ret_whole = fed + whole;
        if (!ok)
            return false;
        fed += part;
        demand(frame->params->framing == FRAMING_STREAM ||
               fed - *ret_whole <= frame_room(frame->params));
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char marker[FRAME_MARKER_MAX + 1];
    struct frame_params params = {.marker = marker};
    struct reference wanted;
    struct frame frame;
    size_t used, whole;
    bool ok;

    if (size < 5)
        return 0;
    params.framing = data[0] % 4;
    params.max_message = data[1] + 1;
    used = 3 + take_marker(data + 3, size - 3, marker);
    wanted = frame_reference(&params, data + used, size - used);
    frame_open(&frame, &params);
    ok = feed(&frame, data + used, size - used, (size_t)data[2] + 1, &whole);
    demand(ok == !wanted.too_long);
    demand(whole == wanted.whole);
    if (params.framing != FRAMING_STREAM)
        demand(frame.messages == wanted.messages);
    if (ok)
        demand(frame_end(&frame) == wanted.may_end);
    return 0;
}
