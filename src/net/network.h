/*
 * network.h - networks in CIDR form: read, written, and asked whether an address lies in them.
 * Pure.
 *
 * IPv4-mapped IPv6 (RFC 4291, 2.5.5.2) counts as the IPv4 that it is everywhere here, networks and
 * addresses alike: so 192.0.2.0/24 holds on a socket that takes both, and ::/0 is every IPv6
 * address and no IPv4 one.
 */
#ifndef ECHOD_NETWORK_H
#define ECHOD_NETWORK_H

#include "base/err.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_BYTES 16

/* All addresses that begin with the same bits. */
struct network {
    int family;                   /* AF_INET or AF_INET6 */
    uint8_t bytes[NETWORK_BYTES]; /* as on the wire; zero beyond the prefix */
    int bits;                     /* of the prefix: 0 to 32, or to 128 */
};

/* Several of them; the list is its maker's. */
struct networks {
    size_t n;
    struct network *list; /* NULL where there are none */
};

/* Room for any text that network_format() writes, with its final NUL. */
#define NETWORK_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("/128") - 1)

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a network of one. Nothing
 * that could have been meant otherwise passes: no bits beyond the prefix, no number with a leading
 * zero, no zone.
 * Returns 0, or -1 with *ret_err, which quotes the text; *ret_network is untouched then.
 */
int network_parse(const char *text, struct network *ret_network, struct err *ret_err);

/* "192.0.2.0/24": always with the prefix. `text` holds NETWORK_TEXT_MAX bytes. Returns text. */
const char *network_format(const struct network *network, char *text);

/*
 * The network of `bits_v4` or `bits_v6` bits that an address lies in.
 * Returns false for AF_UNIX, which lies in none; *ret_network is untouched then.
 */
bool network_of(const struct addr *addr, int bits_v4, int bits_v6, struct network *ret_network);

/* Whether an address lies in a network, or in one of several; an AF_UNIX one never does. */
bool network_contains(const struct network *network, const struct addr *addr);
bool networks_contain(const struct networks *networks, const struct addr *addr);

bool network_equal(const struct network *a, const struct network *b);

#endif
