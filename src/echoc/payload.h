/*
 * payload.h - messages that differ from each other. They are made from a seed, so that an echo can
 * be checked byte by byte without a copy of what was sent.
 */
#ifndef ECHOD_ECHOC_PAYLOAD_H
#define ECHOD_ECHOC_PAYLOAD_H

#include "proto/frame.h"

/* What messages look like. */
struct payload {
    const struct frame_params *frame; /* borrowed */
    uint64_t seed;
    size_t size; /* bytes of content in each message */
};

/* Bytes of each message with what its framing adds. */
size_t payload_length(const struct payload *payload);

/* Write message number `index`, payload_length() bytes, into `message`. */
void payload_fill(const struct payload *payload, uint64_t index, unsigned char *message);

#endif
