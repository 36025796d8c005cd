/*
 * access.h - the rules of a listener about its clients: lists of networks, and limits for each
 * source. Pure.
 */
#ifndef ECHOD_NET_ACCESS_H
#define ECHOD_NET_ACCESS_H

#include "net/addr.h"
#include "net/cidr.h"

/* What holds for one listener. Limits of 0 are none. The lists are borrowed. */
struct access_rules {
    struct cidrs allow, deny; /* deny wins; an allow list that is not empty refuses all others */
    int max_clients_per_source;
    int source_prefix_v4; /* bits, 1 to 32 */
    int source_prefix_v6; /* bits, 1 to 128 */
    int rate_per_source;  /* so many at once, then so many a second; refused ones do not count */
    struct cidrs proxies; /* no limit holds for them, since many clients come through each */
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
