/*
 * frame.h - finds where a message ends in a stream of bytes. Pure: bytes in, verdict out.
 *
 * Both sides use these rules: echod to echo whole messages only, echoc to tell whether it got back
 * what it sent.
 */
#ifndef ECHOD_PROTO_FRAME_H
#define ECHOD_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing {
    FRAMING_STREAM, /* no messages: bytes as they come */
    FRAMING_LINE,   /* up to LF, included */
    FRAMING_MARKER, /* up to a marker, included */
    FRAMING_LENGTH, /* a length of 4 bytes, big-endian, then so many bytes */
};

#define FRAME_MARKER_MAX 255
#define FRAME_MESSAGE_MAX (16 * 1024 * 1024) /* the limit of max_message */
#define FRAME_HEADER 4                       /* bytes of the length */

struct frame_params {
    int framing;        /* enum framing */
    const char *marker; /* 1 to FRAME_MARKER_MAX bytes; borrowed */
    int max_message;    /* bytes in one message, without line end, marker or length */
};

/* The state of the search in one stream. */
struct frame {
    const struct frame_params *params;
    uint64_t messages; /* whole ones so far */

    /* the message under way */
    uint64_t taken;  /* bytes so far, with header and end */
    uint32_t length; /* FRAMING_LENGTH: as its header says */
    uint8_t end;     /* FRAMING_LINE, FRAMING_MARKER: last bytes that are, or may become, its end */

    uint8_t marker_length;              /* FRAMING_MARKER */
    uint8_t fallback[FRAME_MARKER_MAX]; /* FRAMING_MARKER: see frame.c */
};

/* Begin a stream. `params` must outlive it. */
void frame_open(struct frame *ret_frame, const struct frame_params *params);

/*
 * Take the next bytes of the stream. *ret_whole is how many of them, from the first on, belong to
 * whole messages; with FRAMING_STREAM all of them.
 * Returns false once a message is longer than max_message: *ret_whole then ends before that
 * message, and the caller must not feed more.
 */
bool frame_feed(struct frame *frame, const void *data, size_t n, size_t *ret_whole);

/*
 * The stream ends here. Returns whether it may: it must not end inside a message. Only the marker
 * of the last message may be missing; that message then counts as whole.
 */
bool frame_end(struct frame *frame);

/* The most bytes that a reader must hold before it can echo the first one. */
size_t frame_room(const struct frame_params *params);

#endif
