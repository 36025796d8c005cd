/* resolve.c - the addresses of a host. */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static int resolve_unix(const char *path, struct addresses *ret_addresses, struct err *ret_err)
{
    struct addr *addr = &ret_addresses->addr[0];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(addr->un.sun_path))
        return err_set(ret_err, "the path of \"unix:%s\" must have 1 to %zu bytes", path,
                       sizeof(addr->un.sun_path) - 1);
    *addr = (struct addr){.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1)};
    addr->un.sun_family = AF_UNIX;
    memcpy(addr->un.sun_path, path, length + 1);
    if (path[0] == '@') {
        addr->un.sun_path[0] = '\0';
        addr->len--;
    }
    ret_addresses->n = 1;
    return 0;
}

static void add(struct addresses *addresses, const struct addrinfo *info)
{
    struct addr addr = {.len = info->ai_addrlen};

    memcpy(&addr.storage, info->ai_addr, info->ai_addrlen);
    for (size_t i = 0; i < addresses->n; i++)
        if (addr_equal(&addresses->addr[i], &addr))
            return;
    if (addresses->n < ADDRESSES_MAX)
        addresses->addr[addresses->n++] = addr;
}

/*
 * Without a name, getaddrinfo(3) returns the wildcard or the loopback addresses and sends no query.
 * RFC 6761, 6.3, demands no more of localhost, whatever the hosts file says.
 */
int resolve_host(const char *host, int port, struct addresses *ret_addresses, struct err *ret_err)
{
    bool any = strcmp(host, "*") == 0;
    bool loopback = strcmp(host, "localhost") == 0;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | (any ? AI_PASSIVE : 0)};
    struct addrinfo *infos;
    char service[16];
    int error;

    if (host[0] == '[' && host[strlen(host) - 1] == ']') { /* as an IPv6 address is in a URL */
        char inner[256];

        snprintf(inner, sizeof(inner), "%.*s", (int)strlen(host) - 2, host + 1);
        return resolve_host(inner, port, ret_addresses, ret_err);
    }
    ret_addresses->n = 0;
    if (strncmp(host, "unix:", 5) == 0)
        return resolve_unix(host + 5, ret_addresses, ret_err);
    snprintf(service, sizeof(service), "%d", port);
    error = getaddrinfo(any || loopback ? NULL : host, service, &hints, &infos);
    if (error != 0)
        return err_set(ret_err, "cannot resolve \"%s\": %s", host,
                       error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    for (const struct addrinfo *info = infos; info; info = info->ai_next)
        add(ret_addresses, info);
    freeaddrinfo(infos);
    return 0;
}
