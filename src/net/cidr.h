/*
 * cidr.h - networks in CIDR form: parses and formats them, and tells whether an address lies in
 * them. Pure.
 *
 * Everywhere here, an IPv4-mapped IPv6 address or network (RFC 4291, 2.5.5.2) counts as the IPv4
 * one: so 192.0.2.0/24 holds on a socket that takes both, and ::/0 is every IPv6 address and no
 * IPv4 one.
 */
#ifndef ECHOD_NET_CIDR_H
#define ECHOD_NET_CIDR_H

#include "base/err.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIDR_BYTES 16

/* All addresses that begin with the same bits. */
struct cidr {
    int family;                /* AF_INET or AF_INET6 */
    uint8_t bytes[CIDR_BYTES]; /* as on the wire; zero beyond the prefix */
    int bits;                  /* of the prefix: 0 to 32, or to 128 */
};

/* Several networks; the list belongs to the code that made it. */
struct cidrs {
    size_t n;
    struct cidr *list; /* NULL where there are none */
};

/* Room for any text that cidr_format() writes, with its final NUL. */
#define CIDR_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("/128") - 1)

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a network of one address.
 * Refuses everything that could have been meant otherwise: bits beyond the prefix, a number with a
 * leading zero, a zone.
 * Returns 0, or -1 with *ret_err, which quotes the text; *ret_network is untouched then.
 */
int cidr_parse(const char *text, struct cidr *ret_network, struct err *ret_err);

/* "192.0.2.0/24": always with the prefix. `text` holds CIDR_TEXT_MAX bytes. Returns text. */
const char *cidr_format(const struct cidr *network, char *text);

/*
 * The network of `bits_v4` or `bits_v6` bits that an address lies in.
 * Returns false for AF_UNIX, which lies in none; *ret_network is untouched then.
 */
bool network_of(const struct addr *addr, int bits_v4, int bits_v6, struct cidr *ret_network);

/* Whether an address lies in a network, or in one of several; always false for AF_UNIX. */
bool cidr_contains(const struct cidr *network, const struct addr *addr);
bool cidrs_contain(const struct cidrs *networks, const struct addr *addr);

bool cidr_equal(const struct cidr *a, const struct cidr *b);

#endif
