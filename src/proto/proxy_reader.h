/*
 * proxy_reader.h - reads the PROXY header before the client's first byte, from a peer that may send
 * one.
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
    PROXY_OFF,      /* a header is data */
    PROXY_OPTIONAL, /* trusted peers may send one or leave it out; from others it is data */
    PROXY_REQUIRED, /* every client must come with one */
};

/* The `proxy_*` settings of one listener. */
struct proxy_params {
    int mode;             /* enum proxy_mode */
    struct cidrs trusted; /* the peers that may send a header; peers over AF_UNIX always may */
};

/*
 * Read the header that `peer` sends, and no byte beyond it, until the deadline in total. Call it
 * before anything else is read from the stream, which must be plain.
 *
 * Returns END_CLOSED when the stream is ready for what comes next. *ret_header is then the header,
 * with slices of bytes that stay until the next call; its version is 0 if there was none. Bytes
 * that turned out not to be a header can still be read, and so can an end of the stream before the
 * first byte, in every mode. With PROXY_OPTIONAL, a peer that has not begun a header by the
 * deadline is one without a header. Else returns how the client ended: END_PROXY_ERROR or
 * END_HANDSHAKE_TIMEOUT, both with stream->error, or END_RESET.
 */
enum end proxy_read(struct stream *stream, const struct proxy_params *params,
                    const struct addr *peer, deadline_t deadline, struct proxy_header *ret_header);

#endif
