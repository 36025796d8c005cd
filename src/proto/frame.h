/*
 * frame.h - where a message ends in a stream of bytes. Pure: bytes in, verdict out.
 *
 * The same rules hold on both sides: echod echoes whole messages only, echoc tells whether what
 * came back is what it sent.
 */
#ifndef ECHOD_PROTO_FRAME_H
#define ECHOD_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing {
    FRAMING_STREAM, /* no messages: bytes as they come */
    FRAMING_LINE,   /* up to and with LF */
    FRAMING_MARKER, /* up to and with a marker */
    FRAMING_LENGTH, /* a length of 4 bytes, big-endian, then as many bytes */
};

#define FRAME_MARKER_MAX 255
#define FRAME_MESSAGE_MAX (16 * 1024 * 1024) /* the limit of max_message */
#define FRAME_HEADER 4                       /* bytes of the length */

struct frame_params {
    int framing;        /* enum framing */
    const char *marker; /* 1 to FRAME_MARKER_MAX bytes; borrowed */
    int max_message;    /* bytes in one message, without line end, marker or length */
};

/* How far a stream has been read. */
struct frame {
    const struct frame_params *params;
    uint64_t messages; /* whole ones so far */

    /* of the message under way */
    uint64_t taken;  /* bytes so far, all told */
    uint32_t length; /* FRAMING_LENGTH: as its header says */
    uint8_t end;     /* FRAMING_LINE, FRAMING_MARKER: last bytes that are, or may become, its end */

    uint8_t marker_length;              /* FRAMING_MARKER */
    uint8_t fallback[FRAME_MARKER_MAX]; /* FRAMING_MARKER: see frame.c */
};

/* Begin a stream. `params` must stay. */
void frame_open(struct frame *ret_frame, const struct frame_params *params);

/*
 * Take the next bytes of the stream. *ret_whole is how many of them, from the first on, are part
 * of a whole message; for FRAMING_STREAM all of them.
 * Returns false once a message is longer than max_message, *ret_whole then being what came before
 * it; nothing may be fed after that.
 */
bool frame_feed(struct frame *frame, const void *data, size_t n, size_t *ret_whole);

/*
 * The stream ends here. Returns whether it may: not inside a message. Only the marker may be left
 * out at the end; what came since the last one is then a message too.
 */
bool frame_end(struct frame *frame);

/* Most bytes that a reader must be able to hold before it can let the first one go. */
size_t frame_room(const struct frame_params *params);

#endif
