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

/*
 * The last reload that failed while this generation was in force, or else the one that put it in
 * force.
 */
struct reload {
    time_t when; /* 0 = there was none */
    bool successful;
};

struct service {
    struct settings *settings;
    struct signer *signer;           /* has the private keys; NULL if no listener needs it */
    struct ticket_ring *tickets;     /* of all listeners without a file of keys; NULL if none */
    struct session_params *sessions; /* one for each listener, with its TLS context */
    struct listen_params *listen;    /* one for each listener */
    struct access_rules *rules;      /* one for each listener */
    struct listen_set sockets;       /* empty until service_listen() */
    uint64_t look_usec;              /* when to check the dates of the certificates next */
    struct user user;                /* from the settings, if they name one */
    bool has_user;                   /* there is a user, and root has loaded this generation */
    bool withdrawn;                  /* its health listeners are closed */
    struct reload reload; /* for service_describe() and service_metrics(); the owner sets it */
    bool failed;          /* the system lacked a resource while it was built */
};

/*
 * Read the settings and load every certificate and key; a new signer loads the keys that are
 * isolated. sandbox_prepare() must come before. Reports all faults with their places. Returns EX_OK
 * with *ret_service, owned by the caller; EX_CONFIG if the settings are at fault, EX_OSERR if the
 * system is (sysexits.h).
 */
int service_load(const char *path, const char *const *overrides, struct faults *faults,
                 struct service **ret_service);

/*
 * Check everything that service_load() and service_listen() would, and keep nothing. Reports all
 * faults, and to `notes` each port that is in use or forbidden (the running echod may hold it),
 * each certificate that is not valid or expires soon, and a metrics_file that cannot be written.
 * Returns as service_load() does.
 */
int service_check(const char *path, const char *const *overrides, struct faults *faults,
                  struct faults *notes);

/*
 * Open the sockets; those that `old` has already are shared. Returns 0, or -1 with every fault
 * reported and `old` unchanged. listen_replace() makes the change final.
 */
int service_listen(struct service *service, const struct listen_set *old, struct faults *faults);

/*
 * Take over the session ticket keys of `old`, so that its sessions can resume. Call this before
 * service_start().
 */
void service_inherit(struct service *service, const struct service *old);

/* Have the server accept on the sockets of the service. Returns 0, or -1 with *ret_err. */
int service_start(struct service *service, struct server *server, struct err *ret_err);

/*
 * Do a TLS handshake with ourselves, so that children inherit what OpenSSL sets up at first use
 * (tls_warmup.h): once for each generation, while no client uses its signer.
 */
void service_warm_up(const struct service *service);

/*
 * In the fork server (children.h): give up the descriptors, the libraries and the rights that no
 * session of the service `arg` needs. Returns 0, or -1 with errno.
 */
int service_prepare(const void *arg, const int *kept, size_t n);

/*
 * Close the health listeners, so that load balancers send no more clients, and have the server go
 * on with the others. Clients in the backlog of a closed socket are lost. A passed socket stays
 * open, but no client is accepted from it. Returns 0, or -1 with *ret_err if the server itself
 * cannot go on.
 */
int service_withdraw(struct service *service, struct server *server, struct err *ret_err);

/* Have the server serve the one client connected on `fd`. Returns 0, or -1 with *ret_err. */
int service_start_single(struct service *service, struct server *server, int fd,
                         struct err *ret_err);

/*
 * A helper of the server has ended: if it was the signer, start another one. Returns 0, or -1 with
 * *ret_err if that fails: then the service cannot go on.
 */
int service_restore(const struct service *service, struct server *server, struct err *ret_err);

/*
 * Do what is due at `now_usec`, in microseconds of CLOCK_MONOTONIC, and set the server's alarm for
 * what is next: new session ticket keys, and once a day a warning of each certificate that has
 * expired or soon will.
 */
void service_wake(struct service *service, struct server *server, uint64_t now_usec);

/*
 * Write what follows the counts in STATUS= into `text`, of `size` bytes: how the last reload went,
 * whether the health listeners are closed, and when the first certificate expires.
 */
void service_describe(const struct service *service, char *text, size_t size);

/*
 * The metrics besides the counts, for server_publish(): the versions, the limit, the dates of the
 * certificates and how the last reload went. Returns a text that the caller frees, or NULL if
 * memory has run out.
 */
char *service_metrics(const struct service *service);

/* Log every address and certificate, and warn of each risk in the settings. */
void service_announce(const struct service *service);

/* Close the sockets that it still has and free everything. NULL is allowed. */
void service_free(struct service *service);

/*
 * The same for a generation that still has clients: its signer goes on until their handshakes are
 * over.
 */
void service_retire(struct service *service);

#endif
