/*
 * resolve.h - the addresses that a host of the settings or of a URL stands for.
 */
#ifndef ECHOD_NET_RESOLVE_H
#define ECHOD_NET_RESOLVE_H

#include "base/err.h"
#include "net/addr.h"

#define ADDRESSES_MAX 32

/* Different addresses, in the order of preference of getaddrinfo(3). */
struct addresses {
    size_t n;
    struct addr addr[ADDRESSES_MAX];
};

/*
 * Every stream address of `host` with `port`: a name or address, "localhost" for both loopback
 * addresses, "*" for both wildcard addresses, "unix:PATH" or "unix:@NAME" (abstract, unix(7)).
 * Names wait for the resolver; the others need none.
 * Returns 0 with at least one address, or -1 with *ret_err; *ret_addresses is undefined then.
 */
int resolve_host(const char *host, int port, struct addresses *ret_addresses, struct err *ret_err);

#endif
