/*
 * proxy_reader.h - what a proxy says of its client before the client's first byte: the header of
 * the PROXY protocol, read from the stream where its peer may send one.
 */
#ifndef ECHOD_PROTO_PROXY_READER_H
#define ECHOD_PROTO_PROXY_READER_H

#include "base/deadline.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/outcome.h"
#include "proto/proxy.h"

struct stream;

enum proxy_mode {
    PROXY_OFF,      /* a header is bytes like any other */
    PROXY_OPTIONAL, /* who may send one may leave it out; from others it is bytes */
    PROXY_REQUIRED, /* nobody is served without one */
};

/* The `proxy_*` settings of one listener. */
struct proxy_params {
    int mode;             /* enum proxy_mode */
    struct cidrs trusted; /* who may send a header; peers over AF_UNIX always may */
};

/*
 * Read the header that `peer` sends, and no byte beyond it: before anything else is read of the
 * stream, a plain one. Until the deadline, in total.
 *
 * Returns END_CLOSED when the stream is ready for what comes next; *ret_header then is that,
 * with slices of bytes that stay until the next call, or has a version of 0 where none came. Bytes
 * that turn out to be none are still to be read, and so is an end of the stream before the first
 * byte, whatever the mode is. With PROXY_OPTIONAL this includes who has not begun a header by the
 * deadline. Else returns how the client ended: END_PROXY_ERROR, with stream->error;
 * END_HANDSHAKE_TIMEOUT, with stream->error; END_RESET.
 */
enum end proxy_read(struct stream *stream, const struct proxy_params *params,
                    const struct addr *peer, deadline_t deadline, struct proxy_header *ret_header);

#endif
