/* listen.c - listening sockets. */
#include "net/listen.h"

#include "net/port_owner.h"
#include "net/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT_TRIES 16      /* attempts to find one port that is free on every address */
#define KEEPALIVE_PROBES 3 /* unanswered, after which the peer is gone */

/* ---- one socket ---- */

static void set_flag(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* best effort: some sockets lack it */
}

/* Whether a killed process has left this path: no process listens on it. */
static bool is_stale_path(const struct addr *addr)
{
    struct stat st;
    bool stale;
    int fd;

    if (addr->sa.sa_family != AF_UNIX || lstat(addr->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    stale = fd >= 0 && connect(fd, &addr->sa, addr->len) < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

static int bind_over_stale(int fd, const struct addr *addr)
{
    int result = bind(fd, &addr->sa, addr->len);

    if (result == 0 || errno != EADDRINUSE)
        return result;
    if (is_stale_path(addr)) {
        unlink(addr->un.sun_path);
        return bind(fd, &addr->sa, addr->len);
    }
    errno = EADDRINUSE;
    return -1;
}

/* Returns a bound socket, or -1 with errno. */
static int bind_new(const struct listen_params *params, const struct addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    set_flag(fd, SOL_SOCKET, SO_REUSEADDR, params->reuse);
    if (params->reuse_port)
        set_flag(fd, SOL_SOCKET, SO_REUSEPORT, true);
    if (addr->sa.sa_family == AF_INET6) /* IPv4 has its own socket */
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, true);
    if (bind_over_stale(fd, addr) < 0) {
        int saved_errno = errno;

        close(fd);
        errno = saved_errno;
        return -1;
    }
    return fd;
}

static bool has_path(const struct listen_socket *socket)
{
    return !socket->passed && socket->addr.sa.sa_family == AF_UNIX &&
           socket->addr.un.sun_path[0] != '\0';
}

/* Whether the path leads to our socket: another process may have replaced it by its own. */
static bool path_is_ours(const struct listen_socket *socket)
{
    struct stat st;

    return stat(socket->addr.un.sun_path, &st) == 0 && st.st_dev == socket->path_device &&
           st.st_ino == socket->path_inode;
}

static void remember_path(struct listen_socket *socket)
{
    struct stat st;

    if (!has_path(socket) || stat(socket->addr.un.sun_path, &st) < 0)
        return;
    socket->path_device = st.st_dev;
    socket->path_inode = st.st_ino;
}

static void close_socket(const struct listen_socket *socket)
{
    if (has_path(socket) && path_is_ours(socket))
        unlink(socket->addr.un.sun_path);
    close(socket->fd);
}

/* ---- the set ---- */

/* An IPv6 wildcard socket that takes IPv4 as well, as systemd makes it (BindIPv6Only=). */
static bool is_dual_stack(const struct listen_socket *socket)
{
    int v6only = 1;
    socklen_t length = sizeof(v6only);

    return socket->passed && socket->addr.sa.sa_family == AF_INET6 && addr_is_any(&socket->addr) &&
           getsockopt(socket->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &length) == 0 && !v6only;
}

static bool serves(const struct listen_socket *socket, const struct addr *addr)
{
    if (addr_equal(&socket->asked, addr) || addr_equal(&socket->addr, addr))
        return true;
    return is_dual_stack(socket) && addr->sa.sa_family == AF_INET && addr_is_any(addr) &&
           addr_port(addr) == addr_port(&socket->addr);
}

static int resolve(const struct listen_params *params, struct addresses *ret_addresses,
                   struct faults *faults)
{
    struct err err;

    if (resolve_host(params->host, params->port, ret_addresses, &err) == 0)
        return 0;
    fault(faults, "host", "%s", err.text);
    return -1;
}

/* The parameters of opening one listener. */
struct opening {
    const struct listen_params *params;
    int listener;
    const struct listen_set *old;
    struct listen_set *set;
    struct faults *faults;
};

static int take_socket(const struct opening *opening, const struct listen_socket *socket)
{
    struct listen_socket taken = *socket;

    taken.listener = opening->listener;
    if (listen_append(opening->set, &taken) == 0)
        return 0;
    fault(opening->faults, "host", "cannot listen: %s", strerror(errno));
    return -1;
}

/* Returns how many passed sockets have the listener's name. */
static size_t take_by_name(const struct opening *opening)
{
    size_t taken = 0;

    for (size_t i = 0; i < opening->old->n; i++) {
        const struct listen_socket *socket = &opening->old->sockets[i];

        if (socket->passed && strcmp(socket->name, opening->params->name) == 0 &&
            !listen_contains(opening->set, socket->fd) && take_socket(opening, socket) == 0)
            taken++;
    }
    return taken;
}

/* A socket with a port that the kernel chose belongs to the listener it was opened for only. */
static bool may_take(const struct opening *opening, const struct listen_socket *socket,
                     const struct addr *addr)
{
    bool any_port = addr->sa.sa_family != AF_UNIX && addr_port(addr) == 0;

    if (has_path(socket) && !path_is_ours(socket)) /* no client can reach it any more */
        return false;
    return serves(socket, addr) && !listen_contains(opening->set, socket->fd) &&
           (!any_port || strcmp(socket->name, opening->params->name) == 0);
}

/* Returns whether a socket bound to the address was there already. */
static bool take_by_address(const struct opening *opening, const struct addr *addr)
{
    for (size_t i = 0; i < opening->set->n; i++)
        if (opening->set->sockets[i].listener == opening->listener &&
            serves(&opening->set->sockets[i], addr))
            return true;
    for (size_t i = 0; i < opening->old->n; i++)
        if (may_take(opening, &opening->old->sockets[i], addr))
            return take_socket(opening, &opening->old->sockets[i]) == 0;
    return false;
}

static void fault_listen(struct faults *faults, const struct addr *addr, int error)
{
    char where[ADDR_TEXT_MAX], holder[PORT_OWNER_TEXT_MAX];

    addr_format(addr, where);
    if (error == EADDRINUSE)
        fault(faults, "port", "cannot listen on %s: %s (%s)", where, strerror(error),
              port_owner_describe(addr, holder));
    else
        fault(faults, "port", "cannot listen on %s: %s", where, strerror(error));
}

/* Returns 0, or an errno. */
static int open_address(const struct opening *opening, const struct addr *asked, unsigned port)
{
    struct listen_socket socket = {.asked = *asked, .addr = *asked};

    if (take_by_address(opening, asked))
        return 0;
    snprintf(socket.name, sizeof(socket.name), "%s", opening->params->name);
    if (port != 0)
        addr_set_port(&socket.addr, port);
    socket.fd = bind_new(opening->params, &socket.addr);
    if (socket.fd < 0)
        return errno;
    remember_path(&socket);
    if (listen(socket.fd, opening->params->backlog) < 0 ||
        addr_local(socket.fd, &socket.addr) < 0) {
        int error = errno;

        close_socket(&socket);
        return error;
    }
    if (take_socket(opening, &socket) < 0)
        close_socket(&socket);
    return 0;
}

/* The machine may lack one address family, as long as another address of the host works. */
static bool is_missing_family(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

/* Close the sockets that this attempt has added, to try another port. */
static void retract(const struct opening *opening, size_t n)
{
    while (opening->set->n > n) {
        const struct listen_socket *last = &opening->set->sockets[--opening->set->n];

        if (!listen_contains(opening->old, last->fd))
            close_socket(last);
    }
}

/* One socket for each address of the host, on one port. Returns 0, or an errno with its address. */
static int open_addresses(const struct opening *opening, const struct addresses *addresses,
                          const struct addr **ret_addr)
{
    size_t before = opening->set->n;
    int missing = 0;

    for (size_t i = 0; i < addresses->n; i++) {
        bool first = opening->set->n == before;
        unsigned port = first ? 0 : addr_port(&opening->set->sockets[before].addr);
        int error = open_address(opening, &addresses->addr[i], port);

        if (error == 0)
            continue;
        *ret_addr = &addresses->addr[i];
        if (!is_missing_family(error))
            return error;
        missing = error;
    }
    return opening->set->n > before ? 0 : missing;
}

static void open_listener(const struct opening *opening)
{
    struct addresses addresses;
    const struct addr *addr = NULL;
    size_t before = opening->set->n;
    int error;

    if (take_by_name(opening) > 0 || resolve(opening->params, &addresses, opening->faults) < 0)
        return;
    error = open_addresses(opening, &addresses, &addr);
    for (int i = 1; error == EADDRINUSE && opening->params->port == 0 && i < PORT_TRIES; i++) {
        retract(opening, before);
        error = open_addresses(opening, &addresses, &addr);
    }
    if (error != 0)
        fault_listen(opening->faults, addr, error);
}

int listen_open(const struct listen_params *params, size_t n, const struct listen_set *old,
                struct faults *faults, struct listen_set *ret_set)
{
    struct listen_set set = {.n = 0};
    unsigned count = 0;

    for (size_t i = 0; i < n; i++) {
        const struct opening opening = {&params[i], (int)i, old, &set, &faults[i]};

        open_listener(&opening);
        count += faults[i].count;
    }
    if (count > 0) {
        listen_drop(old, &set);
        return -1;
    }
    *ret_set = set;
    return 0;
}

/* The system would go on for 11 minutes more; a cut cable must be found in twice keepalive. */
static void set_keepalive(int fd, int seconds)
{
    set_flag(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
    if (seconds == 0)
        return;
    set_flag(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    set_flag(fd, IPPROTO_TCP, TCP_KEEPINTVL, (seconds + KEEPALIVE_PROBES - 1) / KEEPALIVE_PROBES);
    set_flag(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

/* TCP_USER_TIMEOUT overrides the number of probes (tcp(7)), so set it only without probes. */
static int user_timeout_msec(const struct listen_params *params)
{
    uint64_t msec = params->keepalive_sec > 0 ? 0 : (params->user_timeout_usec + 999) / 1000;

    return msec < INT_MAX ? (int)msec : INT_MAX;
}

/* The socket options that a reload may change on a socket that stays. */
static void apply_options(const struct listen_socket *socket, const struct listen_params *params)
{
    listen(socket->fd, params->backlog);
    if (socket->addr.sa.sa_family == AF_UNIX)
        return;
    set_flag(socket->fd, IPPROTO_TCP, TCP_NODELAY, params->nodelay);
    set_flag(socket->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_msec(params));
    set_keepalive(socket->fd, params->keepalive_sec);
}

void listen_replace(struct listen_set *old, struct listen_set *set,
                    const struct listen_params *params)
{
    for (size_t i = 0; i < old->n; i++) {
        struct listen_socket *socket = &old->sockets[i];

        if (listen_contains(set, socket->fd))
            continue;
        socket->listener = LISTEN_UNUSED;
        if (!socket->passed || listen_append(set, socket) < 0)
            close_socket(socket);
    }
    for (size_t i = 0; i < set->n; i++)
        if (set->sockets[i].listener != LISTEN_UNUSED)
            apply_options(&set->sockets[i], &params[set->sockets[i].listener]);
    free(old->sockets);
    *old = (struct listen_set){.n = 0};
}

void listen_drop(const struct listen_set *old, struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (!listen_contains(old, set->sockets[i].fd))
            close_socket(&set->sockets[i]);
    free(set->sockets);
    *set = (struct listen_set){.n = 0};
}

void listen_close(struct listen_set *set)
{
    static const struct listen_set none;

    listen_drop(&none, set);
}

/* ---- dry run ---- */

static bool can_bind(const struct listen_params *params, const struct addr *addr)
{
    int fd = bind_new(params, addr);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void listen_probe(const struct listen_params *params, struct faults *faults, struct faults *notes)
{
    struct addresses addresses;
    char where[ADDR_TEXT_MAX], holder[PORT_OWNER_TEXT_MAX];
    size_t missing = 0;
    int error;

    if (resolve(params, &addresses, faults) < 0 || addresses.addr[0].sa.sa_family == AF_UNIX)
        return;
    for (size_t i = 0; i < addresses.n; i++) {
        if (can_bind(params, &addresses.addr[i]))
            continue;
        error = errno;
        addr_format(&addresses.addr[i], where);
        if (error == EADDRINUSE)
            fault(notes, "port", "%s is %s", where,
                  port_owner_describe(&addresses.addr[i], holder));
        else if (is_missing_family(error))
            missing++;
        else
            fault(notes, "port", "cannot bind %s as this user: %s", where, strerror(error));
    }
    if (missing == addresses.n)
        fault(faults, "host", "%s is no address of this machine", where);
}
