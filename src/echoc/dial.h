/*
 * dial.h - from a URL to a stream that is ready for data, each stage within one deadline.
 */
#ifndef ECHOD_ECHOC_DIAL_H
#define ECHOD_ECHOC_DIAL_H

#include "base/err.h"
#include "echoc/url.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "tls/tls.h"

/* Where to go and how; made once, used for any number of connections, by any number of threads. */
struct target {
    struct url url;
    const char *servername;     /* checked against the certificate; NULL = the URL's host, or
                                   localhost for a path */
    struct tls_client *tls;     /* NULL for plaintext; borrowed */
    uint64_t timeout_usec;      /* for each connection until it is ready; 0 = none */
    struct addresses addresses; /* filled in by dial_resolve() */
};

/* One connection under way, and how long it took until it was ready. Zero-initialise it. */
struct dialed {
    struct stream stream;
    struct addr peer;
    struct tls_facts tls;
    uint64_t connect_nsec;
    uint64_t handshake_nsec; /* 0 without TLS */

    /* dial.c's own */
    const struct target *target;
    const struct tls_session *resume;
    bool connected;      /* the stage under way, or that failed, is TLS */
    bool timed_out;      /* dial() gave up */
    size_t next;         /* address to try */
    uint64_t start_nsec; /* of the stage under way */
};

/* Look the target's host up. Returns 0, or -1 with *ret_err, which names host and stage. */
int dial_resolve(struct target *target, struct err *ret_err);

/*
 * Begin to connect to the first address that answers, and to do the handshake. `target` and
 * `resume`, which may be NULL, must stay until it is done, and `dialed` where it is for as long as
 * the stream lives. dial_step() goes on.
 */
void dial_begin(struct dialed *dialed, const struct target *target,
                const struct tls_session *resume);

/*
 * Go on as far as possible without waiting. Returns STREAM_OK when the stream is ready,
 * STREAM_WANT_* for what to wait for, or STREAM_FAILED with *ret_err, which names host, port, stage
 * and reason, and nothing left open. The caller keeps the deadline.
 */
enum stream_status dial_step(struct dialed *dialed, struct err *ret_err);

/* Give up a connection that is not ready; *ret_err names the stage that took too long. */
void dial_abandon(struct dialed *dialed, struct err *ret_err);

/* Connect and do the handshake within the target's timeout. Returns 0, or -1 with *ret_err. */
int dial(const struct target *target, const struct tls_session *resume, struct dialed *ret_dialed,
         struct err *ret_err);

/* "localhost:7443" as messages name the target; `text` holds TARGET_TEXT_MAX bytes. */
#define TARGET_TEXT_MAX 272
const char *dial_name(const struct target *target, char *text);

#endif
