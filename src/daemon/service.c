/* service.c - builds, checks and runs one generation of the service. */
#include "daemon/service_private.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "child/report.h"
#include "tls/signer.h"
#include "tls/ticket_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define CANNOT_LOG_KEYS "cannot write to %s: %s"
#define LOOK_USEC (86400 * USEC_PER_SEC)
#define TICKET_RETRY_USEC (10 * USEC_PER_SEC)

/* A sink that adds the place of the setting to the faults of one listener. */
struct relay {
    const struct settings *settings;
    size_t listener;
    struct faults *to;
};

static void relay_fault(void *arg, const struct fault *fault)
{
    const struct relay *relay = arg;
    char where[PLACE_MAX];

    settings_where(relay->settings, relay->listener, fault->setting, where, sizeof(where));
    fault_at(relay->to, where, fault->setting, "%s", fault->text);
}

static struct relay relay_to(const struct service *service, size_t listener, struct faults *to)
{
    return (struct relay){service->settings, listener, to};
}

/* If started as root, the process becomes this user; otherwise it keeps its own. */
static void find_user(struct service *service, struct faults *faults)
{
    const struct settings *settings = service->settings;
    struct relay relay = relay_to(service, 0, faults);
    struct faults placed = {.report = relay_fault, .arg = &relay};

    if (settings->user && user_find(settings->user, settings->group, &placed, &service->user) == 0)
        service->has_user = geteuid() == 0;
    else if (settings->group && !settings->user)
        fault(&placed, "group", "needs user");
}

/* Whether TLS is enabled and complete; the settings module has reported what is missing. */
static bool has_tls(const struct listener_settings *settings)
{
    const struct tls_params *tls = &settings->tls;
    bool whole = settings->tls_enabled && tls->certificate && tls->key;

    for (size_t i = 0; i < tls->sni.n; i++)
        whole = whole && tls_sni(tls, i)->certificate && tls_sni(tls, i)->key;
    return whole;
}

/* The user that our processes must still become, or NULL. */
static const struct user *user_to_become(const struct service *service)
{
    return service->has_user && geteuid() == 0 ? &service->user : NULL;
}

static void fail(struct service *service, const char *path, struct faults *faults, const char *text)
{
    service->failed = true;
    fault_at(faults, path, NULL, "cannot load it: %s", text);
}

static size_t count_keys(const struct settings *settings)
{
    size_t n = settings->n_listeners;

    for (size_t i = 0; i < settings->n_listeners; i++)
        n += settings->listeners[i].tls.sni.n;
    return n;
}

/* Returns how many paths there are. */
static size_t list_keys(const struct tls_params *tls, const char **ret_paths)
{
    size_t n = 0;

    ret_paths[n++] = tls->key;
    for (size_t i = 0; i < tls->sni.n; i++)
        ret_paths[n++] = tls_sni(tls, i)->key;
    return n;
}

/* Start one signer for the keys of all listeners with tls.key_isolation. */
static void start_signer(struct service *service, const char *path, struct faults *faults)
{
    const struct settings *settings = service->settings;
    const char **paths = calloc(count_keys(settings), sizeof(*paths));
    struct err err;
    size_t n = 0;

    for (size_t i = 0; paths && i < settings->n_listeners; i++)
        if (has_tls(&settings->listeners[i]) && settings->listeners[i].tls.key_isolation)
            n += list_keys(&settings->listeners[i].tls, paths + n);
    if (!paths && settings->n_listeners > 0)
        fail(service, path, faults, strerror(errno));
    else if (n > 0 && signer_start(paths, n, user_to_become(service), &service->signer, &err) < 0)
        fail(service, path, faults, err.text);
    free(paths);
}

/* Whether the daemon makes the keys for its tickets. */
static bool wants_tickets(const struct listener_settings *settings)
{
    return has_tls(settings) && settings->tls.tickets > 0 && !settings->tls.ticket_keys;
}

/* One ring for all: each ticket contains its lifetime and its listener's context. */
static void make_tickets(struct service *service, const char *path, struct faults *faults)
{
    const struct settings *settings = service->settings;
    uint64_t longest_usec = 0;
    struct err err;

    for (size_t i = 0; i < settings->n_listeners; i++)
        if (wants_tickets(&settings->listeners[i]) &&
            settings->listeners[i].tls.ticket_usec > longest_usec)
            longest_usec = settings->listeners[i].tls.ticket_usec;
    if (longest_usec > 0 && ticket_ring_new(longest_usec, &service->tickets, &err) < 0)
        fail(service, path, faults, err.text);
}

static void build_tls(struct service *service, size_t i, struct faults *faults)
{
    const struct listener_settings *settings = &service->settings->listeners[i];
    struct tls_server **tls = &service->sessions[i].tls;

    if (settings->tls.key_isolation && !service->signer)
        return;
    if (tls_server_new(&settings->tls, service->signer, faults, tls) == 0 &&
        wants_tickets(settings) && service->tickets)
        tls_server_share_tickets(*tls, service->tickets);
}

static void build_listener(struct service *service, size_t i, struct faults *faults)
{
    const struct listener_settings *settings = &service->settings->listeners[i];
    struct relay relay = relay_to(service, i, faults);
    struct faults placed = {.report = relay_fault, .arg = &relay};

    service->listen[i] = settings->listen;
    service->listen[i].user_timeout_usec = settings->limits.idle_usec;
    service->rules[i] = settings->access;
    if (settings->proxy.mode != PROXY_OFF)
        service->rules[i].proxies = settings->proxy.trusted;
    service->sessions[i] = (struct session_params){
        .name = settings->listen.name,
        .signer = has_tls(settings) && settings->tls.key_isolation ? service->signer : NULL,
        .preface = settings->proxy,
        .rules = &service->rules[i],
        .limits = settings->limits,
        .frame = settings->frame,
    };
    if (has_tls(settings))
        build_tls(service, i, &placed);
}

/* Returns what could be built, even with faults, or NULL. */
static struct service *build(const char *path, const char *const *overrides, struct faults *faults)
{
    struct service *service = calloc(1, sizeof(*service));
    bool whole;
    size_t n;

    if (!service || settings_load(path, overrides, faults, &service->settings) < 0) {
        free(service);
        return NULL;
    }
    report_prepare();
    n = service->settings->n_listeners;
    find_user(service, faults);
    start_signer(service, path, faults);
    make_tickets(service, path, faults);
    service->sessions = calloc(n, sizeof(*service->sessions));
    service->listen = calloc(n, sizeof(*service->listen));
    service->rules = calloc(n, sizeof(*service->rules));
    whole = service->sessions && service->listen && service->rules;
    if (n > 0 && !whole)
        fail(service, path, faults, strerror(ENOMEM));
    for (size_t i = 0; i < n && whole; i++)
        build_listener(service, i, faults);
    return service;
}

/*
 * Give a file created here to the user that root becomes, which opens it again at a reload. Other
 * files keep their owners.
 */
static const char *take_keylog(const struct service *service, const char *path, int *ret_fd)
{
    const struct user *user = user_to_become(service);
    bool made;
    const char *reason = file_append(path, &made, ret_fd);

    if (!reason && made && user && fchown(*ret_fd, user->uid, user->gid) < 0)
        return strerror(errno);
    return reason;
}

/* Not with -t, which must not create files owned by the user who runs it. */
static void open_keylogs(struct service *service, struct faults *faults)
{
    for (size_t i = 0; i < service->settings->n_listeners; i++) {
        struct relay relay = relay_to(service, i, faults);
        struct faults placed = {.report = relay_fault, .arg = &relay};
        const char *path = service->settings->listeners[i].tls.keylog;
        const char *reason = path && service->sessions[i].tls
                                 ? take_keylog(service, path, &service->sessions[i].keylog)
                                 : NULL;

        if (reason)
            fault(&placed, "tls.keylog", CANNOT_LOG_KEYS, path, reason);
    }
}

/* The exit status for what was built; `before` is the number of faults reported before that. */
static int status_of(const struct service *service, const struct faults *faults, unsigned before)
{
    if (service && service->failed)
        return EX_OSERR;
    return service && faults->count == before ? EX_OK : EX_CONFIG;
}

int service_load(const char *path, const char *const *overrides, struct faults *faults,
                 struct service **ret_service)
{
    unsigned before = faults->count;
    struct service *service = build(path, overrides, faults);
    int status = status_of(service, faults, before);

    if (status == EX_OK) {
        open_keylogs(service, faults);
        status = status_of(service, faults, before);
    }
    if (status == EX_OK)
        *ret_service = service;
    else
        service_free(service);
    return status;
}

static void probe_certificates(const struct service *service, size_t i, struct faults *notes)
{
    const struct tls_server *server = service->sessions[i].tls;
    struct tls_certificate certificate;
    char text[VALIDITY_MAX];

    for (size_t k = 0; server && tls_server_certificate(server, k, &certificate) == 0; k++)
        if (!service_judge_validity(&certificate, text))
            fault(notes, k == 0 ? "tls.certificate" : "tls.sni", "%s %s", certificate.subject,
                  text);
}

static void probe_keylog(const struct service *service, size_t i, struct faults *faults)
{
    const char *path = service->settings->listeners[i].tls.keylog;
    const char *reason = path && service->sessions[i].tls ? file_judge_append(path) : NULL;

    if (reason)
        fault(faults, "tls.keylog", CANNOT_LOG_KEYS, path, reason);
}

/* A note, since clients are served without it, and /run/echod exists only while the unit runs. */
static void probe_metrics(const struct service *service, struct faults *notes)
{
    struct relay relay = relay_to(service, 0, notes);
    struct faults placed = {.report = relay_fault, .arg = &relay};
    const char *path = service->settings->metrics_file;
    const char *reason = path ? file_judge_replace(path) : NULL;

    if (reason)
        fault(&placed, "metrics_file", "cannot write %s: %s", path, reason);
}

static void probe_listener(const struct service *service, size_t i, struct faults *faults,
                           struct faults *notes)
{
    struct relay to_faults = relay_to(service, i, faults), to_notes = relay_to(service, i, notes);
    struct faults placed_faults = {.report = relay_fault, .arg = &to_faults};
    struct faults placed_notes = {.report = relay_fault, .arg = &to_notes};

    listen_probe(&service->listen[i], &placed_faults, &placed_notes);
    probe_certificates(service, i, &placed_notes);
    probe_keylog(service, i, &placed_faults);
}

int service_check(const char *path, const char *const *overrides, struct faults *faults,
                  struct faults *notes)
{
    unsigned before = faults->count;
    struct service *service = build(path, overrides, faults);
    int status;

    for (size_t i = 0;
         service && service->sessions && service->listen && i < service->settings->n_listeners; i++)
        probe_listener(service, i, faults, notes);
    if (service)
        probe_metrics(service, notes);
    status = status_of(service, faults, before);
    service_free(service);
    return status;
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

static struct server_limits limits_of(const struct service *service)
{
    return (struct server_limits){
        .max_clients = (unsigned)service->settings->max_clients,
        .drain_usec = service->settings->drain_timeout_usec,
    };
}

static struct server_listener listener_of(const struct service *service, size_t i, int fd)
{
    return (struct server_listener){
        .fd = fd,
        .name = service->listen[i].name,
        .rules = &service->rules[i],
        .arg = &service->sessions[i],
    };
}

static int adopt_signer(const struct service *service, struct server *server, struct err *ret_err)
{
    return service->signer ? server_adopt(server, signer_pid(service->signer), ret_err) : 0;
}

void service_inherit(struct service *service, const struct service *old)
{
    if (service->tickets && old->tickets)
        ticket_ring_inherit(service->tickets, old->tickets, now_usec());
}

/* Without a first key no ticket is issued; all else works. */
static uint64_t renew_tickets(const struct service *service, uint64_t now_usec)
{
    uint64_t next_usec;

    if (!service->tickets)
        return DEADLINE_NEVER;
    if (ticket_ring_advance(service->tickets, now_usec, &next_usec) == 0)
        return next_usec;
    log_error("there is no randomness for a new key of session tickets: trying again");
    return now_usec + TICKET_RETRY_USEC;
}

void service_wake(struct service *service, struct server *server, uint64_t now_usec)
{
    uint64_t next_usec = renew_tickets(service, now_usec);

    server_renew(server, service_prepare, service); /* with the new ticket keys */
    if (now_usec >= service->look_usec) {
        service_warn_of_expiry(service);
        service->look_usec = now_usec + LOOK_USEC;
    }
    server_set_alarm(server, next_usec < service->look_usec ? next_usec : service->look_usec);
}

/* service_announce() warns of certificates at a start or reload; check again in a day. */
static void begin_service(struct service *service, struct server *server)
{
    uint64_t now = now_usec();

    service->look_usec = now + LOOK_USEC;
    service_wake(service, server, now);
}

int service_accept(struct service *service, struct server *server, struct err *ret_err)
{
    const struct server_limits limits = limits_of(service);
    struct server_listener *listeners = calloc(service->sockets.n, sizeof(*listeners));
    size_t n = 0;
    int result;

    if (!listeners)
        return err_set(ret_err, "cannot start: %s", strerror(ENOMEM));
    for (size_t i = 0; i < service->sockets.n; i++) {
        const struct listen_socket *socket = &service->sockets.sockets[i];

        if (socket->listener != LISTEN_UNUSED)
            listeners[n++] = listener_of(service, (size_t)socket->listener, socket->fd);
    }
    result = server_configure(server, listeners, n, &limits, ret_err);
    free(listeners);
    return result;
}

int service_start(struct service *service, struct server *server, struct err *ret_err)
{
    begin_service(service, server);
    if (adopt_signer(service, server, ret_err) < 0)
        return -1;
    return service_accept(service, server, ret_err);
}

/*
 * The listener of a passed connection: the only one, else the one on its local port, else the
 * first.
 */
static size_t find_listener(const struct service *service, int fd)
{
    struct addr local;

    if (addr_local(fd, &local) < 0)
        return 0;
    for (size_t i = 0; i < service->settings->n_listeners; i++)
        if (addr_port(&local) != 0 && (unsigned)service->listen[i].port == addr_port(&local))
            return i;
    return 0;
}

int service_start_single(struct service *service, struct server *server, int fd,
                         struct err *ret_err)
{
    const struct server_limits limits = limits_of(service);
    const struct server_listener listener = listener_of(service, find_listener(service, fd), fd);

    begin_service(service, server);
    if (adopt_signer(service, server, ret_err) < 0)
        return -1;
    return server_serve_single(server, &listener, &limits, ret_err);
}

int service_restore(const struct service *service, struct server *server, struct err *ret_err)
{
    static struct throttle throttle;
    struct err err;

    if (!service->signer || server_ended_helper(server) != signer_pid(service->signer))
        return 0; /* the signer of an earlier generation, which is not needed any more */
    if (signer_restart(service->signer, user_to_become(service), &err) < 0)
        return err_set(ret_err, "the signer has died, and no other can take its place: %s",
                       err.text);
    log_throttled(&throttle, LOG_ERR, "the signer had died; another one has taken its place");
    server_renew(server, service_prepare, service);
    return adopt_signer(service, server, ret_err);
}

void service_free(struct service *service)
{
    if (!service)
        return;
    for (size_t i = 0; service->sessions && i < service->settings->n_listeners; i++) {
        tls_server_free(service->sessions[i].tls);
        if (service->sessions[i].keylog > 0)
            close(service->sessions[i].keylog);
    }
    ticket_ring_unref(service->tickets);
    listen_close(&service->sockets);
    signer_stop(service->signer);
    free(service->sessions);
    free(service->listen);
    free(service->rules);
    settings_free(service->settings);
    free(service);
}

void service_retire(struct service *service)
{
    signer_retire(service->signer);
    service->signer = NULL;
    service_free(service);
}
