/* payload.c - messages that differ from each other. */
#include "echoc/payload.h"

#include "base/splitmix.h"

#include <string.h>

/*
 * A weaker mix than splitmix64(), for keys that are mixed already: it takes half the time, and
 * filling messages is much of the load generator's work.
 */
static uint64_t payload_spread(uint64_t x)
{
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 32;
}

static void content_fill(uint64_t key, unsigned char *content, size_t size)
{
    size_t whole = size - size % sizeof(uint64_t);
    uint64_t word;

    for (size_t i = 0; i < whole; i += sizeof(word)) {
        word = payload_spread(key + i);
        memcpy(content + i, &word, sizeof(word));
    }
    word = payload_spread(key + whole);
    memcpy(content + whole, &word, size - whole);
}

/* Make it letters, without the first byte of the terminator: a message must not end early. */
static void content_make_text(unsigned char *content, size_t size, char avoid)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char letter = (unsigned char)('a' + content[i] % 26);

        content[i] = letter == (unsigned char)avoid ? '-' : letter;
    }
}

size_t payload_length(const struct payload *payload)
{
    switch (payload->frame->framing) {
    case FRAMING_LINE:
        return payload->size + 1;
    case FRAMING_MARKER:
        return payload->size + strlen(payload->frame->marker);
    case FRAMING_LENGTH:
        return payload->size + FRAME_HEADER;
    default:
        return payload->size;
    }
}

void payload_fill(const struct payload *payload, uint64_t index, unsigned char *message)
{
    uint64_t key = splitmix64(payload->seed ^ splitmix64(index));
    size_t size = payload->size;
    const char *marker = payload->frame->marker;

    switch (payload->frame->framing) {
    case FRAMING_LINE:
        content_fill(key, message, size);
        content_make_text(message, size, '\n');
        message[size] = '\n';
        break;
    case FRAMING_MARKER:
        content_fill(key, message, size);
        content_make_text(message, size, marker[0]);
        memcpy(message + size, marker, strlen(marker));
        break;
    case FRAMING_LENGTH:
        for (size_t i = 0; i < FRAME_HEADER; i++)
            message[i] = (unsigned char)(size >> 8 * (FRAME_HEADER - 1 - i));
        content_fill(key, message + FRAME_HEADER, size);
        break;
    default:
        content_fill(key, message, size);
    }
}
