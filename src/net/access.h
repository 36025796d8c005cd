/*
 * access.h - the rules of a listener about its clients: lists of networks, limits for each source,
 * and limits of each session. Pure.
 */
#ifndef ECHOD_NET_ACCESS_H
#define ECHOD_NET_ACCESS_H

#include "net/addr.h"
#include "net/cidr.h"

#include <stdbool.h>
#include <stdint.h>

/* What holds for one listener. Limits of 0 are none. The lists are borrowed. */
struct access_rules {
    struct cidrs allow, deny; /* deny wins; an allow list that is not empty refuses all others */
    int max_clients_per_source;
    int source_prefix_v4; /* bits, 1 to 32 */
    int source_prefix_v6; /* bits, 1 to 128 */
    int rate_per_source;  /* so many at once, then so many a second; refused ones do not count */
    struct cidrs proxies; /* no limit holds for them, since many clients come through each */
};

/* What a session may take, and what it gives. Times in microseconds; 0 = no limit. */
struct session_limits {
    uint64_t handshake_usec; /* for the PROXY header and the TLS handshake together */
    uint64_t idle_usec;      /* without a byte in either direction; TCP_USER_TIMEOUT too */
    uint64_t session_usec;
    int64_t max_bytes; /* taken from the client */
    bool report;       /* what the server sees of the client goes ahead of the echo */
};

/* The rule that refuses a client, in the order in which they are asked. */
enum access_rule { ACCESS_OK, ACCESS_DENY, ACCESS_ALLOW, ACCESS_SOURCE, ACCESS_RATE, ACCESS_RULES };

/* "deny", "allow", "source" or "rate". */
const char *access_rule_name(enum access_rule rule);

/*
 * What the lists alone say of an address, as of one that a proxy names: ACCESS_OK, ACCESS_DENY or
 * ACCESS_ALLOW. An address of AF_UNIX is always accepted.
 */
enum access_rule access_check_lists(const struct access_rules *rules, const struct addr *addr);

#endif
