/*
 * service.h - one generation of the service: settings, TLS contexts and sockets that belong
 * together. It is built whole or not at all, so a reload with any fault changes nothing.
 */
#ifndef ECHOD_DAEMON_SERVICE_H
#define ECHOD_DAEMON_SERVICE_H

#include "base/err.h"
#include "child/session.h"
#include "net/listen.h"
#include "parent/server.h"
#include "sandbox/user.h"
#include "settings/settings.h"

#include <stdbool.h>
#include <time.h>

/* The last reload that was asked of a generation in force, or that has put it there. */
struct reload {
    time_t when; /* 0 = there was none */
    bool successful;
};

struct service {
    struct settings *settings;
    struct signer *signer;           /* of the private keys; NULL where no listener wants it */
    struct ticket_ring *tickets;     /* of all listeners that have no file; NULL where none is */
    struct session_params *sessions; /* one for each listener, with its TLS context */
    struct listen_params *listen;    /* one for each listener */
    struct access_rules *rules;      /* one for each listener */
    struct listen_set sockets;       /* empty until service_listen() */
    uint64_t look_usec;              /* when the certificates' dates are looked at next */
    struct user user;                /* of the settings, where they name one */
    bool has_user;                   /* and root has yet to become it */
    bool withdrawn;                  /* its health listeners are closed */
    struct reload reload; /* for service_describe() and service_metrics(); the owner's to set */
    bool failed;          /* for want of something in the system, while it was built */
};

/*
 * Read the settings and load every certificate and key, the latter in a signer of their own:
 * sandbox_prepare() must come before. Reports all faults with their places. Returns EX_OK, and
 * *ret_service is the caller's; EX_CONFIG where the settings are at fault, EX_OSERR where it is the
 * system (sysexits.h).
 */
int service_load(const char *path, const char *const *overrides, struct faults *faults,
                 struct service **ret_service);

/*
 * Check everything that service_load() and service_listen() would, and keep nothing. Reports all
 * faults, and to `notes` each port that is held or forbidden (the running echod may be the one),
 * each certificate that is not valid, or not for long, and a metrics_file that cannot be written.
 * Returns as service_load() does.
 */
int service_check(const char *path, const char *const *overrides, struct faults *faults,
                  struct faults *notes);

/*
 * Open the sockets, sharing what `old` has already. Returns 0, or -1 with every fault reported and
 * `old` as it was. listen_replace() makes them final.
 */
int service_listen(struct service *service, const struct listen_set *old, struct faults *faults);

/*
 * Take over the keys of session tickets that `old` has made, so that its sessions resume. Before
 * service_start().
 */
void service_inherit(struct service *service, const struct service *old);

/* Have the server accept on the service's sockets. Returns 0, or -1 with *ret_err. */
int service_start(struct service *service, struct server *server, struct err *ret_err);

/*
 * Shake hands with ourselves, so that children find what OpenSSL makes on first use (tls_warmup.h):
 * once for a generation, while nobody else asks its signer to sign.
 */
void service_warm_up(const struct service *service);

/*
 * In the process that makes those of clients (children.h): give up the descriptors, the libraries
 * and the rights that no session of the service `arg` needs. Returns 0, or -1 with errno.
 */
int service_prepare(const void *arg, const int *kept, size_t n);

/*
 * Close the health listeners, so that load balancers send no more clients, and have the server go
 * on with the others. Of a socket that was passed nobody is accepted any more. Whoever waits to be
 * accepted there is lost. Returns 0, or -1 with *ret_err when the server itself can serve no
 * longer.
 */
int service_withdraw(struct service *service, struct server *server, struct err *ret_err);

/* Have the server serve the one client connected on `fd`. Returns 0, or -1 with *ret_err. */
int service_start_single(struct service *service, struct server *server, int fd,
                         struct err *ret_err);

/*
 * One of the server's helpers has ended: if it was the signer, start another one. Returns 0, or -1
 * with *ret_err when there is none to be had, and the service cannot go on.
 */
int service_restore(const struct service *service, struct server *server, struct err *ret_err);

/*
 * Do what is due by now, a time of CLOCK_MONOTONIC in microseconds, and set the server's alarm for
 * what is next: new keys of session tickets, and once a day a warning of each certificate that
 * has expired or soon will.
 */
void service_wake(struct service *service, struct server *server, uint64_t now_usec);

/*
 * Write what STATUS= has behind the counts into `text`, of `size` bytes: how the last reload went,
 * whether balancers have been left, and when the first certificate expires.
 */
void service_describe(const struct service *service, char *text, size_t size);

/*
 * What there is to publish (server_publish()) beside the counts: the versions, the limit, the
 * certificates' dates and how the last reload went. Returns a text, the caller's to free, or NULL
 * where there is no memory.
 */
char *service_metrics(const struct service *service);

/* Log every address, certificate and doubt that whoever runs the service should know of. */
void service_announce(const struct service *service);

/* Close the sockets that are left in it and free everything. NULL is allowed. */
void service_free(struct service *service);

/* The same for one that still has clients: its signer stays until their handshakes are over. */
void service_retire(struct service *service);

#endif
