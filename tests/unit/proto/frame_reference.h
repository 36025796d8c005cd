/*
 * frame_reference.h - what frame.c must answer, found the slow and plain way: from the whole of the
 * stream, looked at anew each time.
 */
#ifndef ECHOD_FRAME_REFERENCE_H
#define ECHOD_FRAME_REFERENCE_H

#include "proto/frame.h"

/* The first `n` bytes of a stream as they must be judged. */
struct reference {
    bool too_long;     /* a message is longer than max_message */
    size_t whole;      /* bytes of whole messages before that */
    uint64_t messages; /* whole ones before that */
    bool may_end;      /* the stream may end here */
};

struct reference frame_reference(const struct frame_params *params, const unsigned char *data,
                                 size_t n);

#endif
