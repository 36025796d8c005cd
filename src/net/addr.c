/* addr.c - socket addresses. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

int addr_local(int fd, struct addr *ret_addr)
{
    struct addr addr = {.len = sizeof(addr.storage)};

    if (getsockname(fd, &addr.sa, &addr.len) < 0)
        return -1;
    *ret_addr = addr;
    return 0;
}

int addr_peer(int fd, struct addr *ret_addr)
{
    struct addr addr = {.len = sizeof(addr.storage)};

    if (getpeername(fd, &addr.sa, &addr.len) < 0)
        return -1;
    *ret_addr = addr;
    return 0;
}

static const char *unix_text(const struct addr *addr, char *text)
{
    size_t length = addr->len - offsetof(struct sockaddr_un, sun_path);

    if (addr->len <= offsetof(struct sockaddr_un, sun_path))
        snprintf(text, ADDR_TEXT_MAX, "unix");
    else if (addr->un.sun_path[0] == '\0') /* unix(7): a name in the abstract namespace */
        snprintf(text, ADDR_TEXT_MAX, "unix:@%.*s", (int)length - 1, addr->un.sun_path + 1);
    else
        snprintf(text, ADDR_TEXT_MAX, "unix:%.*s", (int)length, addr->un.sun_path);
    return text;
}

static const char *in6_text(const struct sockaddr_in6 *in6, char *text)
{
    char address[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, ADDR_TEXT_MAX);
        return text;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
    if (in6->sin6_scope_id == 0)
        snprintf(text, ADDR_TEXT_MAX, "%s", address);
    else if (if_indextoname(in6->sin6_scope_id, zone)) /* RFC 4007, 11: address%zone */
        snprintf(text, ADDR_TEXT_MAX, "%s%%%s", address, zone);
    else
        snprintf(text, ADDR_TEXT_MAX, "%s%%%u", address, in6->sin6_scope_id);
    return text;
}

const char *addr_host(const struct addr *addr, char *text)
{
    switch (addr->sa.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &addr->in.sin_addr, text, ADDR_TEXT_MAX);
        return text;
    case AF_INET6:
        return in6_text(&addr->in6, text);
    case AF_UNIX:
        return unix_text(addr, text);
    default:
        snprintf(text, ADDR_TEXT_MAX, "unknown");
        return text;
    }
}

const char *addr_format(const struct addr *addr, char *text)
{
    char host[ADDR_TEXT_MAX];

    addr_host(addr, host);
    if (addr->sa.sa_family != AF_INET && addr->sa.sa_family != AF_INET6)
        snprintf(text, ADDR_TEXT_MAX, "%s", host);
    else /* RFC 3986, 3.2.2: brackets keep the port apart from the colons of IPv6 */
        snprintf(text, ADDR_TEXT_MAX, strchr(host, ':') ? "[%.100s]:%u" : "%.100s:%u", host,
                 addr_port(addr));
    return text;
}

unsigned addr_port(const struct addr *addr)
{
    if (addr->sa.sa_family == AF_INET)
        return ntohs(addr->in.sin_port);
    if (addr->sa.sa_family == AF_INET6)
        return ntohs(addr->in6.sin6_port);
    return 0;
}

void addr_set_port(struct addr *addr, unsigned port)
{
    if (addr->sa.sa_family == AF_INET)
        addr->in.sin_port = htons((uint16_t)port);
    else if (addr->sa.sa_family == AF_INET6)
        addr->in6.sin6_port = htons((uint16_t)port);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family || addr_port(a) != addr_port(b))
        return false;
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id;
    default:
        return a->len == b->len && memcmp(&a->un, &b->un, a->len) == 0;
    }
}

bool addr_is_any(const struct addr *addr)
{
    if (addr->sa.sa_family == AF_INET)
        return addr->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
}
