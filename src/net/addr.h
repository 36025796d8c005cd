/*
 * addr.h - socket addresses: reads them from a socket, compares them, and formats them as people
 * write them.
 */
#ifndef ECHOD_NET_ADDR_H
#define ECHOD_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An IPv4, IPv6 or AF_UNIX socket address with its length. */
struct addr {
    socklen_t len;
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
};

/* Room for any text that the functions below write, with its final NUL. */
#define ADDR_TEXT_MAX 128

/*
 * The local or the remote address of a socket.
 * Returns 0, or -1 with errno (ENOTCONN, ENOTSOCK, ...); ret_addr is untouched then.
 */
int addr_local(int fd, struct addr *ret_addr);
int addr_peer(int fd, struct addr *ret_addr);

/*
 * "192.0.2.1", "2001:db8::1", "unix:/run/echo" or, for a client that bound no path, "unix".
 * IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) are written as the IPv4 address they are.
 * `text` holds ADDR_TEXT_MAX bytes. Returns text.
 */
const char *addr_host(const struct addr *addr, char *text);

/* The same with the port: "192.0.2.1:7", "[2001:db8::1]:7". */
const char *addr_format(const struct addr *addr, char *text);

/* The TCP port in host byte order; 0 where there is none. */
unsigned addr_port(const struct addr *addr);

/* Set the port of an IPv4 or IPv6 address; does nothing for AF_UNIX. */
void addr_set_port(struct addr *addr, unsigned port);

/* Whether family, address (with IPv6 scope) and port, or the paths, are the same. */
bool addr_equal(const struct addr *a, const struct addr *b);

/* Whether it is 0.0.0.0 or [::]. */
bool addr_is_any(const struct addr *addr);

#endif
