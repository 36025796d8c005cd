/* service.c - one generation of the service. */
#include "service.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define WHERE_LIMIT 4200
#define EXPIRY_WARNING_SEC (14 * 86400)

/* A sink that adds to the faults of one listener's setting the place where it was given. */
struct relay {
    const struct settings *settings;
    size_t listener;
    struct faults *to;
};

static void relay_fault(void *arg, const struct fault *fault)
{
    const struct relay *relay = arg;
    char where[WHERE_LIMIT];

    settings_where(relay->settings, relay->listener, fault->setting, where, sizeof(where));
    fault_at(relay->to, where, fault->setting, "%s", fault->text);
}

static struct relay relay_to(const struct service *service, size_t listener, struct faults *to)
{
    return (struct relay){service->settings, listener, to};
}

static void build_listener(struct service *service, size_t i, struct faults *faults)
{
    const struct listener_settings *settings = &service->settings->listeners[i];
    struct relay relay = relay_to(service, i, faults);
    struct faults placed = {.report = relay_fault, .arg = &relay};

    service->listen[i] = settings->listen;
    service->sessions[i] = (struct session_params){
        .handshake_usec = settings->handshake_timeout_usec,
        .idle_usec = settings->idle_timeout_usec,
        .session_usec = settings->session_timeout_usec,
        .max_bytes = (uint64_t)settings->max_bytes,
        .frame = settings->frame,
    };
    if (settings->tls_enabled && settings->tls.certificate && settings->tls.key)
        tls_server_new(&settings->tls, &placed, &service->sessions[i].tls);
}

/* Returns what could be built, for all the faults there are, or NULL. */
static struct service *build(const char *path, const char *const *overrides, struct faults *faults)
{
    struct service *service = calloc(1, sizeof(*service));
    size_t n;

    if (!service || settings_load(path, overrides, faults, &service->settings) < 0) {
        free(service);
        return NULL;
    }
    n = service->settings->n_listeners;
    service->sessions = calloc(n, sizeof(*service->sessions));
    service->listen = calloc(n, sizeof(*service->listen));
    if (n > 0 && (!service->sessions || !service->listen))
        fault_at(faults, path, NULL, "cannot load it: %s", strerror(ENOMEM));
    for (size_t i = 0; i < n && service->sessions && service->listen; i++)
        build_listener(service, i, faults);
    return service;
}

int service_load(const char *path, const char *const *overrides, struct faults *faults,
                 struct service **ret_service)
{
    unsigned before = faults->count;
    struct service *service = build(path, overrides, faults);

    if (!service || faults->count != before) {
        service_free(service);
        return -1;
    }
    *ret_service = service;
    return 0;
}

static void probe_listener(const struct service *service, size_t i, struct faults *faults,
                           struct faults *notes)
{
    struct relay to_faults = relay_to(service, i, faults), to_notes = relay_to(service, i, notes);
    struct faults placed_faults = {.report = relay_fault, .arg = &to_faults};
    struct faults placed_notes = {.report = relay_fault, .arg = &to_notes};

    listen_probe(&service->listen[i], &placed_faults, &placed_notes);
}

void service_check(const char *path, const char *const *overrides, struct faults *faults,
                   struct faults *notes)
{
    struct service *service = build(path, overrides, faults);

    if (!service)
        return;
    for (size_t i = 0; service->listen && i < service->settings->n_listeners; i++)
        probe_listener(service, i, faults, notes);
    service_free(service);
}

int service_listen(struct service *service, const struct listen_set *old, struct faults *faults)
{
    size_t n = service->settings->n_listeners;
    struct relay *relays = calloc(n, sizeof(*relays));
    struct faults *placed = calloc(n, sizeof(*placed));
    int result = -1;

    if (relays && placed) {
        for (size_t i = 0; i < n; i++) {
            relays[i] = relay_to(service, i, faults);
            placed[i] = (struct faults){.report = relay_fault, .arg = &relays[i]};
        }
        result = listen_open(service->listen, n, old, placed, &service->sockets);
    }
    free(relays);
    free(placed);
    return result;
}

int service_start(const struct service *service, struct server *server, struct err *ret_err)
{
    const struct server_limits limits = {
        .max_clients = (unsigned)service->settings->max_clients,
        .drain_usec = service->settings->drain_timeout_usec,
    };
    struct server_listener *listeners = calloc(service->sockets.n, sizeof(*listeners));
    size_t n = 0;
    int result;

    if (!listeners)
        return err_set(ret_err, "cannot start: %s", strerror(ENOMEM));
    for (size_t i = 0; i < service->sockets.n; i++) {
        const struct listen_socket *socket = &service->sockets.sockets[i];

        if (socket->listener == LISTEN_UNUSED)
            continue;
        listeners[n++] = (struct server_listener){
            .fd = socket->fd,
            .name = service->listen[socket->listener].name,
            .arg = &service->sessions[socket->listener],
        };
    }
    result = server_configure(server, listeners, n, &limits, ret_err);
    free(listeners);
    return result;
}

/* ---- what to tell ---- */

static void announce_socket(const struct service *service, const struct listen_socket *socket)
{
    char text[ADDR_TEXT_MAX];

    addr_format(&socket->addr, text);
    if (socket->listener == LISTEN_UNUSED)
        log_warning("the passed socket %s (%s) belongs to no listener of the settings", text,
                    socket->name);
    else
        log_info("%s: listening on %s%s%s", service->listen[socket->listener].name, text,
                 service->sessions[socket->listener].tls ? ", TLS" : "",
                 socket->passed ? ", passed by the service manager" : "");
}

static void warn_of_readable_key(const char *name, const char *key)
{
    struct stat st;

    if (stat(key, &st) == 0 && (st.st_mode & S_IROTH))
        log_warning("%s: every user can read the private key %s", name, key);
}

static void announce_certificate(const char *name, const struct tls_server *tls)
{
    struct tls_certificate certificate;
    char until[32];
    struct tm tm;
    time_t now = time(NULL);

    tls_server_certificate(tls, &certificate);
    gmtime_r(&certificate.not_after, &tm);
    strftime(until, sizeof(until), "%Y-%m-%d %H:%M UTC", &tm);
    if (now > certificate.not_after)
        log_warning("%s: certificate %s has expired on %s", name, certificate.subject, until);
    else if (now < certificate.not_before)
        log_warning("%s: certificate %s is not valid yet", name, certificate.subject);
    else if (certificate.not_after - now < EXPIRY_WARNING_SEC)
        log_warning("%s: certificate %s expires soon, on %s", name, certificate.subject, until);
    else
        log_info("%s: certificate %s is valid until %s", name, certificate.subject, until);
}

void service_announce(const struct service *service)
{
    for (size_t i = 0; i < service->sockets.n; i++)
        announce_socket(service, &service->sockets.sockets[i]);
    for (size_t i = 0; i < service->settings->n_listeners; i++) {
        if (!service->sessions[i].tls)
            continue;
        announce_certificate(service->listen[i].name, service->sessions[i].tls);
        warn_of_readable_key(service->listen[i].name, service->settings->listeners[i].tls.key);
    }
}

size_t service_listener_of(const struct service *service, int fd)
{
    struct addr local;

    if (addr_local(fd, &local) < 0)
        return 0;
    for (size_t i = 0; i < service->settings->n_listeners; i++)
        if (addr_port(&local) != 0 && (unsigned)service->listen[i].port == addr_port(&local))
            return i;
    return 0;
}

void service_free(struct service *service)
{
    if (!service)
        return;
    for (size_t i = 0; service->sessions && i < service->settings->n_listeners; i++)
        tls_server_free(service->sessions[i].tls);
    listen_close(&service->sockets);
    free(service->sessions);
    free(service->listen);
    settings_free(service->settings);
    free(service);
}
