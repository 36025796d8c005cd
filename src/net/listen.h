/*
 * listen.h - listening sockets: those of the service manager and our own, one set for all
 * listeners.
 *
 * A set is built whole or not at all. On reload the new set takes over every socket of the old one
 * that it still wants, so no connection waiting in a backlog is lost.
 */
#ifndef ECHOD_NET_LISTEN_H
#define ECHOD_NET_LISTEN_H

#include "base/err.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The socket settings of one listener. Texts are borrowed. */
struct listen_params {
    const char *name; /* as FileDescriptorName= in a systemd.socket(5) */
    const char *host; /* name, address, "*" or "unix:PATH" */
    int port;         /* 0 = any free one, the same for all addresses of the host */
    int backlog;
    bool reuse;                 /* SO_REUSEADDR */
    bool reuse_port;            /* SO_REUSEPORT */
    bool nodelay;               /* TCP_NODELAY, which accepted sockets inherit */
    int keepalive_sec;          /* TCP_KEEPIDLE, inherited too; 0 = no SO_KEEPALIVE */
    uint64_t user_timeout_usec; /* TCP_USER_TIMEOUT without SO_KEEPALIVE; 0 = the system's */
};

#define LISTEN_UNUSED (-1)

/* One listening socket. */
struct listen_socket {
    int fd;
    bool passed;       /* by the service manager: closed only at the end, never unlinked */
    int listener;      /* index of its listen_params, or LISTEN_UNUSED */
    struct addr asked; /* the address to bind: port 0 for any port */
    struct addr addr;  /* the address it is bound to */
    dev_t path_device; /* of our own AF_UNIX path: another process may have replaced it */
    ino_t path_inode;
    char name[64]; /* a passed socket's FileDescriptorName=, else its listener's */
};

/* All sockets; zero-initialise for an empty set. */
struct listen_set {
    struct listen_socket *sockets;
    size_t n;
};

/* Add a copy of a socket. Returns 0, or -1 with errno. */
int listen_append(struct listen_set *set, const struct listen_socket *socket);

/* Whether the set has this descriptor. */
bool listen_contains(const struct listen_set *set, int fd);

/*
 * Take the listening sockets that the service manager passed (sd_listen_fds(3)) into *ret_set, as
 * LISTEN_UNUSED. Call once, before any other descriptor is opened. If a single connected socket was
 * passed instead (Accept=yes, or inetd on descriptors 0 and 1), *ret_connected is that socket,
 * owned by the caller; else -1. Returns 0, or -1 with *ret_err.
 */
int listen_inherit(struct listen_set *ret_set, int *ret_connected, struct err *ret_err);

/*
 * Open the sockets of `n` listeners. A listener takes every passed socket of its name. If there is
 * none, it takes for each address of its host the passed or earlier socket that is bound to it, or
 * opens a new one. It shares the sockets that it takes from `old` with *ret_set until
 * listen_replace() or listen_drop(). Reports each listener that cannot listen, with address, port,
 * reason and, on EADDRINUSE, the process that holds the port: `faults` is an array of one sink for
 * each listener. Returns 0, or -1 when there was a fault; *ret_set is untouched then.
 */
int listen_open(const struct listen_params *params, size_t n, const struct listen_set *old,
                struct faults *faults, struct listen_set *ret_set);

/*
 * Put `set` in force: apply its socket options, close the sockets that only `old` had, and keep
 * passed sockets that no listener uses now. `old` is empty afterwards.
 */
void listen_replace(struct listen_set *old, struct listen_set *set,
                    const struct listen_params *params);

/* Close the sockets of a new set that `old` does not have; `set` is empty afterwards. */
void listen_drop(const struct listen_set *old, struct listen_set *set);

/*
 * Do what listen_open() would do, without listening. Reports a host that does not resolve as a
 * fault, and a port that is held or forbidden as a note.
 */
void listen_probe(const struct listen_params *params, struct faults *faults, struct faults *notes);

/* Close all sockets and remove the paths of our own AF_UNIX ones. */
void listen_close(struct listen_set *set);

#endif
