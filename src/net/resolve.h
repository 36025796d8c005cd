/*
 * resolve.h - the addresses of a host that a setting or a URL names.
 */
#ifndef ECHOD_NET_RESOLVE_H
#define ECHOD_NET_RESOLVE_H

#include "base/err.h"
#include "net/addr.h"

#define ADDRESSES_MAX 32

/* Distinct addresses, in the order of preference of getaddrinfo(3). */
struct addresses {
    size_t n;
    struct addr addr[ADDRESSES_MAX];
};

/*
 * Every stream address of `host` with `port`. `host` is a name or address, "localhost" for both
 * loopback addresses, "*" for both wildcard addresses, "unix:PATH" or "unix:@NAME" (abstract,
 * unix(7)). A name waits for the resolver; the other forms do not. Returns 0 with at least one
 * address, or -1 with *ret_err; *ret_addresses is undefined then.
 */
int resolve_host(const char *host, int port, struct addresses *ret_addresses, struct err *ret_err);

#endif
