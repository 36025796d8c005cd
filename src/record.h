/*
 * record.h - what became of one client: the one line that every client leaves in the log.
 */
#ifndef ECHOD_RECORD_H
#define ECHOD_RECORD_H

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

/* How a client ended, ECHOD_END. The first is what holds until its process says otherwise. */
enum end {
    END_CRASHED,           /* the process died without a word */
    END_CLOSED,            /* the peer ended in order, and all it sent was written back */
    END_TRUNCATED,         /* the peer ended inside a message, or TLS without close_notify */
    END_PROBE,             /* the peer left without having sent a byte */
    END_RESET,             /* the connection broke: RST, timeout, unreachable */
    END_IDLE,              /* idle_timeout: nothing moved in either direction */
    END_HANDSHAKE_TIMEOUT, /* the PROXY header or the TLS handshake was not done in time */
    END_SESSION_TIMEOUT,   /* session_timeout */
    END_MAX_BYTES,         /* the peer sent more than max_bytes */
    END_MESSAGE_TOO_LONG,  /* a message was longer than max_message */
    END_TLS_ERROR,         /* the TLS protocol failed, in the handshake or later */
    END_CLIENT_CERT,       /* the peer showed no certificate, or one that does not hold */
    END_WRONG_PROTOCOL,    /* the peer spoke something else than TLS */
    END_PROXY_ERROR,       /* the PROXY header was broken, missing or not the peer's to send */
    END_REFUSED,           /* by a rule: at the door, or once a proxy had named it */

    /* what the parent alone says */
    END_DRAINED, /* cut when drain_timeout ran out on stop */
    END_COUNT
};

/* What TLS agreed on; empty texts without TLS or before the handshake is done. */
struct tls_facts {
    char version[16];
    char cipher[64];
    char group[32];
    char sni[256];
    char alpn[256];
    char client_cert[128]; /* the subject of the client's certificate */
    unsigned char resumed; /* a bool, in memory that a child could write anything to */
};

/* What the client's process says. In shared memory: the child writes, the parent reads it after. */
struct record {
    int end; /* enum end */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t messages;       /* whole ones, where the framing has messages */
    uint64_t handshake_usec; /* of TLS, from the client's first byte; 0 where none was finished */
    struct tls_facts tls;
    struct addr client; /* the address that a proxy names; of length 0 where none has named one */
    char error[160];    /* the reason in words, or what else is worth knowing; may be empty */
};

#define LISTENER_NAME_MAX 64

/* What is known of the client without asking its process. */
struct client {
    char listener[LISTENER_NAME_MAX];
    struct addr peer;
    uint64_t accepted_usec;
    unsigned source; /* what admit_enter() counts it for */
    bool hurried;    /* there is little room left: it gets less time for its handshake */
};

/* The word for an enum end as ECHOD_END has it, "closed"; "crashed" for a value out of range. */
const char *end_name(int end);

/*
 * Make a record that a child wrote safe to read, whatever it wrote: every text ends inside its
 * array, `end` is one that a child may say, and `client` is an address or none.
 */
void record_tame(struct record *record);

/*
 * Log the record with its native fields; debug level for END_PROBE, error for END_CRASHED. Where a
 * proxy has named the client, it is that one who is told, and the peer as ECHOD_PROXY; END_REFUSED
 * is then by the rule "source".
 */
void record_log(const struct client *client, const struct record *record);

/*
 * Log one record of END_REFUSED, of who was refused at the door, as ECHOD_RULE the rule that did
 * it. It stands for `count` clients of one source, of which `peer` came last.
 */
void record_log_refused(const char *listener, const struct addr *peer, const char *rule,
                        unsigned long count);

#endif
