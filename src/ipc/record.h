/*
 * record.h - what became of one client: the one record that every client leaves in the log.
 */
#ifndef ECHOD_IPC_RECORD_H
#define ECHOD_IPC_RECORD_H

#include "base/limits.h"
#include "net/access.h"
#include "net/outcome.h"

#include <stdbool.h>
#include <stdint.h>

/* What TLS negotiated; the texts are empty without TLS and before the handshake is done. */
struct tls_facts {
    char version[16];
    char cipher[64];
    char group[32];
    char sni[256];
    char alpn[256];
    char client_cert[128]; /* the subject of the client's certificate */
    unsigned char resumed; /* a bool, but an untrusted child may write any value */
};

/*
 * What the client's process reports, in shared memory: the child writes it, the parent reads it
 * after the child's end.
 */
struct record {
    int end; /* enum end */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t messages;       /* whole ones, if the framing has messages */
    uint64_t handshake_usec; /* of TLS, from the client's first byte; 0 if none was finished */
    struct tls_facts tls;
    struct addr client; /* the address that a proxy names; of length 0 if no proxy has named one */
    int rule;           /* enum access_rule: the list that refuses that client, with END_REFUSED */
    char error[160];    /* the reason in words, or other information; may be empty */
};

/* What the parent knows of the client without its process. */
struct client {
    char listener[LISTENER_NAME_MAX];
    struct addr peer;
    uint64_t accepted_usec;
    unsigned source; /* from admission_enter() */
    bool hurried;    /* few slots are free: it gets less time for its handshake */
};

/* The word for an enum end in ECHOD_END, such as "closed"; "crashed" for a value out of range. */
const char *end_name(int end);

/*
 * Sanitize a record, since an untrusted child may have written anything: every text ends inside its
 * array, `end` is one that a child may report, and `client` is an address or empty. A child may
 * report END_REFUSED only for a client that a proxy has named, and only by the allow and deny
 * lists.
 */
void record_sanitize(struct record *record);

/*
 * Log the record with its native fields, at debug level for END_PROBE, at error level for
 * END_CRASHED. If a proxy has named the client, ECHOD_CLIENT is that address, and ECHOD_PROXY is
 * the address of the peer.
 */
void record_log(const struct client *client, const struct record *record);

/*
 * Log one record of END_REFUSED for clients that the parent refused when they connected, with the
 * rule as ECHOD_RULE. It stands for `count` clients of one source; `peer` is the latest of them.
 */
void record_log_refused(const char *listener, const struct addr *peer, const char *rule,
                        unsigned long count);

#endif
