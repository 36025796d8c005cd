/* generation.c - builds and checks one generation of the service. */
#include "daemon/generation_private.h"

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

static struct relay relay_to(const struct generation *generation, size_t listener,
                             struct faults *to)
{
    return (struct relay){generation->settings, listener, to};
}

/* If started as root, the process becomes this user; otherwise it keeps its own. */
static void find_user(struct generation *generation, struct faults *faults)
{
    const struct settings *settings = generation->settings;
    struct relay relay = relay_to(generation, 0, faults);
    struct faults placed = {.report = relay_fault, .arg = &relay};

    if (settings->user &&
        user_find(settings->user, settings->group, &placed, &generation->user) == 0)
        generation->has_user = geteuid() == 0;
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
const struct user *generation_user(const struct generation *generation)
{
    return generation->has_user && geteuid() == 0 ? &generation->user : NULL;
}

static void fail(struct generation *generation, const char *path, struct faults *faults,
                 const char *text)
{
    generation->failed = true;
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
static void start_signer(struct generation *generation, const char *path, struct faults *faults)
{
    const struct settings *settings = generation->settings;
    const char **paths = calloc(count_keys(settings), sizeof(*paths));
    struct err err;
    size_t n = 0;

    for (size_t i = 0; paths && i < settings->n_listeners; i++)
        if (has_tls(&settings->listeners[i]) && settings->listeners[i].tls.key_isolation)
            n += list_keys(&settings->listeners[i].tls, paths + n);
    if (!paths && settings->n_listeners > 0)
        fail(generation, path, faults, strerror(errno));
    else if (n > 0 &&
             signer_start(paths, n, generation_user(generation), &generation->signer, &err) < 0)
        fail(generation, path, faults, err.text);
    free(paths);
}

/* Whether the daemon makes the keys for its tickets. */
static bool wants_tickets(const struct listener_settings *settings)
{
    return has_tls(settings) && settings->tls.tickets > 0 && !settings->tls.ticket_keys;
}

/* One ring for all: each ticket contains its lifetime and its listener's context. */
static void make_tickets(struct generation *generation, const char *path, struct faults *faults)
{
    const struct settings *settings = generation->settings;
    uint64_t longest_usec = 0;
    struct err err;

    for (size_t i = 0; i < settings->n_listeners; i++)
        if (wants_tickets(&settings->listeners[i]) &&
            settings->listeners[i].tls.ticket_usec > longest_usec)
            longest_usec = settings->listeners[i].tls.ticket_usec;
    if (longest_usec > 0 && ticket_ring_new(longest_usec, &generation->tickets, &err) < 0)
        fail(generation, path, faults, err.text);
}

static void build_tls(struct generation *generation, size_t i, struct faults *faults)
{
    const struct listener_settings *settings = &generation->settings->listeners[i];
    struct tls_server **tls = &generation->sessions[i].tls;

    if (settings->tls.key_isolation && !generation->signer)
        return;
    if (tls_server_new(&settings->tls, generation->signer, faults, tls) == 0 &&
        wants_tickets(settings) && generation->tickets)
        tls_server_share_tickets(*tls, generation->tickets);
}

static void build_listener(struct generation *generation, size_t i, struct faults *faults)
{
    const struct listener_settings *settings = &generation->settings->listeners[i];
    struct relay relay = relay_to(generation, i, faults);
    struct faults placed = {.report = relay_fault, .arg = &relay};

    generation->listen[i] = settings->listen;
    generation->listen[i].user_timeout_usec = settings->limits.idle_usec;
    generation->rules[i] = settings->access;
    if (settings->proxy.mode != PROXY_OFF)
        generation->rules[i].proxies = settings->proxy.trusted;
    generation->sessions[i] = (struct session_params){
        .name = settings->listen.name,
        .signer = has_tls(settings) && settings->tls.key_isolation ? generation->signer : NULL,
        .preface = settings->proxy,
        .rules = &generation->rules[i],
        .limits = settings->limits,
        .frame = settings->frame,
    };
    if (has_tls(settings))
        build_tls(generation, i, &placed);
}

/* Returns what could be built, even with faults, or NULL. */
static struct generation *build(const char *path, const char *const *overrides,
                                struct faults *faults)
{
    struct generation *generation = calloc(1, sizeof(*generation));
    bool whole;
    size_t n;

    if (!generation || settings_load(path, overrides, faults, &generation->settings) < 0) {
        free(generation);
        return NULL;
    }
    report_prepare();
    n = generation->settings->n_listeners;
    find_user(generation, faults);
    start_signer(generation, path, faults);
    make_tickets(generation, path, faults);
    generation->sessions = calloc(n, sizeof(*generation->sessions));
    generation->listen = calloc(n, sizeof(*generation->listen));
    generation->rules = calloc(n, sizeof(*generation->rules));
    whole = generation->sessions && generation->listen && generation->rules;
    if (n > 0 && !whole)
        fail(generation, path, faults, strerror(ENOMEM));
    for (size_t i = 0; i < n && whole; i++)
        build_listener(generation, i, faults);
    return generation;
}

/*
 * Give a file created here to the user that root becomes, which opens it again at a reload. Other
 * files keep their owners.
 */
static const char *take_keylog(const struct generation *generation, const char *path, int *ret_fd)
{
    const struct user *user = generation_user(generation);
    bool made;
    const char *reason = file_append(path, &made, ret_fd);

    if (!reason && made && user && fchown(*ret_fd, user->uid, user->gid) < 0)
        return strerror(errno);
    return reason;
}

/* Not with -t, which must not create files owned by the user who runs it. */
static void open_keylogs(struct generation *generation, struct faults *faults)
{
    for (size_t i = 0; i < generation->settings->n_listeners; i++) {
        struct relay relay = relay_to(generation, i, faults);
        struct faults placed = {.report = relay_fault, .arg = &relay};
        const char *path = generation->settings->listeners[i].tls.keylog;
        const char *reason = path && generation->sessions[i].tls
                                 ? take_keylog(generation, path, &generation->sessions[i].keylog)
                                 : NULL;

        if (reason)
            fault(&placed, "tls.keylog", CANNOT_LOG_KEYS, path, reason);
    }
}

/* The exit status for what was built; `before` is the number of faults reported before that. */
static int status_of(const struct generation *generation, const struct faults *faults,
                     unsigned before)
{
    if (generation && generation->failed)
        return EX_OSERR;
    return generation && faults->count == before ? EX_OK : EX_CONFIG;
}

int generation_load(const char *path, const char *const *overrides, struct faults *faults,
                    struct generation **ret_generation)
{
    unsigned before = faults->count;
    struct generation *generation = build(path, overrides, faults);
    int status = status_of(generation, faults, before);

    if (status == EX_OK) {
        open_keylogs(generation, faults);
        status = status_of(generation, faults, before);
    }
    if (status == EX_OK)
        *ret_generation = generation;
    else
        generation_free(generation);
    return status;
}

static void probe_certificates(const struct generation *generation, size_t i, struct faults *notes)
{
    const struct tls_server *tls = generation->sessions[i].tls;
    struct tls_certificate certificate;
    char text[VALIDITY_MAX];

    for (size_t k = 0; tls && tls_server_certificate(tls, k, &certificate) == 0; k++)
        if (!generation_judge_validity(&certificate, text))
            fault(notes, k == 0 ? "tls.certificate" : "tls.sni", "%s %s", certificate.subject,
                  text);
}

static void probe_keylog(const struct generation *generation, size_t i, struct faults *faults)
{
    const char *path = generation->settings->listeners[i].tls.keylog;
    const char *reason = path && generation->sessions[i].tls ? file_judge_append(path) : NULL;

    if (reason)
        fault(faults, "tls.keylog", CANNOT_LOG_KEYS, path, reason);
}

/* A note, since clients are served without it, and /run/echod exists only while the unit runs. */
static void probe_metrics(const struct generation *generation, struct faults *notes)
{
    struct relay relay = relay_to(generation, 0, notes);
    struct faults placed = {.report = relay_fault, .arg = &relay};
    const char *path = generation->settings->metrics_file;
    const char *reason = path ? file_judge_replace(path) : NULL;

    if (reason)
        fault(&placed, "metrics_file", "cannot write %s: %s", path, reason);
}

static void probe_listener(const struct generation *generation, size_t i, struct faults *faults,
                           struct faults *notes)
{
    struct relay to_faults = relay_to(generation, i, faults),
                 to_notes = relay_to(generation, i, notes);
    struct faults placed_faults = {.report = relay_fault, .arg = &to_faults};
    struct faults placed_notes = {.report = relay_fault, .arg = &to_notes};

    listen_probe(&generation->listen[i], &placed_faults, &placed_notes);
    probe_certificates(generation, i, &placed_notes);
    probe_keylog(generation, i, &placed_faults);
}

int generation_check(const char *path, const char *const *overrides, struct faults *faults,
                     struct faults *notes)
{
    unsigned before = faults->count;
    struct generation *generation = build(path, overrides, faults);
    int status;

    for (size_t i = 0; generation && generation->sessions && generation->listen &&
                       i < generation->settings->n_listeners;
         i++)
        probe_listener(generation, i, faults, notes);
    if (generation)
        probe_metrics(generation, notes);
    status = status_of(generation, faults, before);
    generation_free(generation);
    return status;
}

int generation_listen(struct generation *generation, const struct listen_set *old,
                      struct faults *faults)
{
    size_t n = generation->settings->n_listeners;
    struct relay *relays = calloc(n, sizeof(*relays));
    struct faults *placed = calloc(n, sizeof(*placed));
    int result = -1;

    if (relays && placed) {
        for (size_t i = 0; i < n; i++) {
            relays[i] = relay_to(generation, i, faults);
            placed[i] = (struct faults){.report = relay_fault, .arg = &relays[i]};
        }
        result = listen_open(generation->listen, n, old, placed, &generation->sockets);
    }
    free(relays);
    free(placed);
    return result;
}

void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    for (size_t i = 0; generation->sessions && i < generation->settings->n_listeners; i++) {
        tls_server_free(generation->sessions[i].tls);
        if (generation->sessions[i].keylog > 0)
            close(generation->sessions[i].keylog);
    }
    ticket_ring_unref(generation->tickets);
    listen_close(&generation->sockets);
    signer_stop(generation->signer);
    free(generation->sessions);
    free(generation->listen);
    free(generation->rules);
    settings_free(generation->settings);
    free(generation);
}

void generation_retire(struct generation *generation)
{
    signer_retire(generation->signer);
    generation->signer = NULL;
    generation_free(generation);
}
