/*
 * generation.h - one generation of the service: settings, TLS contexts and sockets that belong
 * together. It is built whole or not at all, so a reload with any fault changes nothing.
 */
#ifndef ECHOD_DAEMON_GENERATION_H
#define ECHOD_DAEMON_GENERATION_H

#include "base/err.h"
#include "child/session.h"
#include "net/listen.h"
#include "parent/parent.h"
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

struct generation {
    struct settings *settings;
    struct signer *signer;           /* has the private keys; NULL if no listener needs it */
    struct ticket_ring *tickets;     /* of all listeners without a file of keys; NULL if none */
    struct session_params *sessions; /* one for each listener, with its TLS context */
    struct listen_params *listen;    /* one for each listener */
    struct access_rules *rules;      /* one for each listener */
    struct listen_set sockets;       /* empty until generation_listen() */
    uint64_t look_usec;              /* when to check the dates of the certificates next */
    struct user user;                /* from the settings, if they name one */
    bool has_user;                   /* there is a user, and root has loaded this generation */
    bool withdrawn;                  /* its health listeners are closed */
    struct reload
        reload;  /* for generation_describe() and generation_metrics(); the owner sets it */
    bool failed; /* the system lacked a resource while it was built */
};

/*
 * Read the settings and load every certificate and key; a new signer loads the keys that are
 * isolated. sandbox_prepare() must come before. Reports all faults with their places. Returns EX_OK
 * with *ret_generation, owned by the caller; EX_CONFIG if the settings are at fault, EX_OSERR if
 * the system is (sysexits.h).
 */
int generation_load(const char *path, const char *const *overrides, struct faults *faults,
                    struct generation **ret_generation);

/*
 * Check everything that generation_load() and generation_listen() would, and keep nothing. Reports
 * all faults, and to `notes` each port that is in use or forbidden (the running echod may hold it),
 * each certificate that is not valid or expires soon, and a metrics_file that cannot be written.
 * Returns as generation_load() does.
 */
int generation_check(const char *path, const char *const *overrides, struct faults *faults,
                     struct faults *notes);

/*
 * Open the sockets; those that `old` has already are shared. Returns 0, or -1 with every fault
 * reported and `old` unchanged. listen_replace() makes the change final.
 */
int generation_listen(struct generation *generation, const struct listen_set *old,
                      struct faults *faults);

/*
 * Take over the session ticket keys of `old`, so that its sessions can resume. Call this before
 * generation_start().
 */
void generation_inherit(struct generation *generation, const struct generation *old);

/*
 * Put the generation in force: renew the session ticket keys, end the fork server (the next client
 * gets a new one, with these settings), watch the signer, and have the parent accept on the
 * generation's sockets. Returns 0, or -1 with *ret_err.
 */
int generation_start(struct generation *generation, struct parent *parent, struct err *ret_err);

/*
 * Do a TLS handshake with ourselves, so that children inherit what OpenSSL sets up at first use
 * (tls_warmup.h): once for each generation, while no client uses its signer.
 */
void generation_warm_up(const struct generation *generation);

/*
 * In the fork server (children.h): give up the descriptors, the libraries and the rights that no
 * session of the generation `arg` needs. Returns 0, or -1 with errno.
 */
int generation_prepare(const void *arg, const int *kept, size_t n);

/*
 * Close the health listeners, so that load balancers send no more clients, and have the parent go
 * on with the others. Clients in the backlog of a closed socket are lost. A passed socket stays
 * open, but no client is accepted from it. Returns 0, or -1 with *ret_err if the parent itself
 * cannot go on.
 */
int generation_withdraw(struct generation *generation, struct parent *parent, struct err *ret_err);

/* Have the parent serve the one client connected on `fd`. Returns 0, or -1 with *ret_err. */
int generation_start_single(struct generation *generation, struct parent *parent, int fd,
                            struct err *ret_err);

/*
 * A helper of the parent has ended: if it was the signer, start another one. Returns 0, or -1 with
 * *ret_err if that fails: then the generation cannot go on.
 */
int generation_restore(const struct generation *generation, struct parent *parent,
                       struct err *ret_err);

/*
 * Do what is due at `now_usec`, in microseconds of CLOCK_MONOTONIC, and set the parent's alarm for
 * what is next: new session ticket keys, and once a day a warning of each certificate that has
 * expired or soon will. Ends the fork server, which has the ticket keys of before.
 */
void generation_wake(struct generation *generation, struct parent *parent, uint64_t now_usec);

/*
 * Write what follows the counts in STATUS= into `text`, of `size` bytes: how the last reload went,
 * whether the health listeners are closed, and when the first certificate expires.
 */
void generation_describe(const struct generation *generation, char *text, size_t size);

/*
 * The metrics besides the counts, for parent_publish(): the versions, the limit, the dates of the
 * certificates and how the last reload went. Returns a text that the caller frees, or NULL if
 * memory has run out.
 */
char *generation_metrics(const struct generation *generation);

/* Log every address and certificate, and warn of each risk in the settings. */
void generation_announce(const struct generation *generation);

/* Close the sockets that it still has and free everything. NULL is allowed. */
void generation_free(struct generation *generation);

/*
 * The same for a generation that still has clients: its signer goes on until their handshakes are
 * over.
 */
void generation_retire(struct generation *generation);

#endif
