/*
 * service.h - one generation of the service: settings, TLS contexts and sockets that belong
 * together. It is built whole or not at all, so a reload with any fault changes nothing.
 */
#ifndef ECHOD_SERVICE_H
#define ECHOD_SERVICE_H

#include "err.h"
#include "listen.h"
#include "server.h"
#include "session.h"
#include "settings.h"

#include <stdio.h>

struct service {
    struct settings *settings;
    struct session_params *sessions; /* one for each listener, with its TLS context */
    struct listen_params *listen;    /* one for each listener */
    struct listen_set sockets;       /* empty until service_listen() */
};

/*
 * Read the settings and load every certificate and key. Reports all faults with their places.
 * Returns 0, or -1 when there was any; else *ret_service is the caller's.
 */
int service_load(const char *path, const char *const *overrides, struct faults *faults,
                 struct service **ret_service);

/*
 * Check everything that service_load() and service_listen() would, and keep nothing. Reports all
 * faults, and to `notes` each port that is held or forbidden: the running echod may be the one.
 */
void service_check(const char *path, const char *const *overrides, struct faults *faults,
                   struct faults *notes);

/*
 * Open the sockets, sharing what `old` has already. Returns 0, or -1 with every fault reported and
 * `old` as it was. listen_replace() makes them final.
 */
int service_listen(struct service *service, const struct listen_set *old, struct faults *faults);

/* Have the server accept on the service's sockets. Returns 0, or -1 with *ret_err. */
int service_start(const struct service *service, struct server *server, struct err *ret_err);

/* Log every address, certificate and doubt that whoever runs the service should know of. */
void service_announce(const struct service *service);

/*
 * The listener that a connected socket belongs to: the only one, else the one on its local port,
 * else the first.
 */
size_t service_listener_of(const struct service *service, int fd);

/* Close the sockets that are left in it and free everything. NULL is allowed. */
void service_free(struct service *service);

#endif
