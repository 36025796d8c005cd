/*
 * record.h - what became of one client: the one line that every client leaves in the log.
 */
#ifndef ECHOD_IPC_RECORD_H
#define ECHOD_IPC_RECORD_H

#include "base/limits.h"
#include "net/access.h"
#include "net/outcome.h"

#include <stdbool.h>
#include <stdint.h>

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
    int rule;           /* enum access_rule: the list that refuses that client, with END_REFUSED */
    char error[160];    /* the reason in words, or what else is worth knowing; may be empty */
};

/* What is known of the client without asking its process. */
struct client {
    char listener[LISTENER_NAME_MAX];
    struct addr peer;
    uint64_t accepted_usec;
    unsigned source; /* what admission_enter() counts it for */
    bool hurried;    /* there is little room left: it gets less time for its handshake */
};

/* The word for an enum end as ECHOD_END has it, "closed"; "crashed" for a value out of range. */
const char *end_name(int end);

/*
 * Make a record that a child wrote safe to read, whatever it wrote: every text ends inside its
 * array, `end` is one that a child may say, and `client` is an address or none. A child may say
 * END_REFUSED only of a client that a proxy has named, and only by a list.
 */
void record_sanitize(struct record *record);

/*
 * Log the record with its native fields; debug level for END_PROBE, error for END_CRASHED. Where a
 * proxy has named the client, ECHOD_CLIENT is that address, and ECHOD_PROXY the peer's.
 */
void record_log(const struct client *client, const struct record *record);

/*
 * Log one record of END_REFUSED, of who was refused at the door, as ECHOD_RULE the rule that did
 * it. It stands for `count` clients of one source, of which `peer` came last.
 */
void record_log_refused(const char *listener, const struct addr *peer, const char *rule,
                        unsigned long count);

#endif
