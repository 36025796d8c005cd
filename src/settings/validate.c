/* validate.c - finds contradictions between settings. */
#include "settings/validate.h"

#include "base/limits.h"
#include "settings/schema.h"
#include "settings/source.h"

#include <string.h>

static bool is_path(const char *host)
{
    return strncmp(host, "unix:", 5) == 0;
}

static void check_is_given(const struct settings *settings, size_t i, const char *name,
                           const char *value, struct faults *faults)
{
    char where[PLACE_MAX];

    if (!value && settings_is_sound(settings, i, name))
        fault_at(faults, settings_where(settings, i, "tls.enabled", where, sizeof(where)), name,
                 "is missing, and TLS is enabled");
}

static void check_sni_element(const struct settings *settings, size_t i, size_t element,
                              const char *name, bool given, struct faults *faults)
{
    char where[PLACE_MAX], full[NAME_LIMIT];

    snprintf(full, sizeof(full), "tls.sni.[%zu].%s", element, name);
    if (given || !settings_is_sound(settings, i, full))
        return;
    snprintf(full, sizeof(full), "tls.sni.[%zu]", element);
    if (settings_is_sound(settings, i, full))
        fault_at(faults, settings_where(settings, i, full, where, sizeof(where)), "tls.sni",
                 "%s is missing", name);
}

/* How many stars there are: a star elsewhere than for the first label would match no host. */
static size_t count_stars(const char *name)
{
    size_t n = 0;

    for (; *name != '\0'; name++)
        n += *name == '*';
    return n;
}

static void check_sni_names(const struct settings *settings, size_t i, size_t element,
                            const struct strings *names, struct faults *faults)
{
    char where[PLACE_MAX], full[NAME_LIMIT];

    snprintf(full, sizeof(full), "tls.sni.[%zu].names", element);
    for (size_t k = 0; k < names->n; k++)
        if (count_stars(names->list[k]) > (strncmp(names->list[k], "*.", 2) == 0))
            fault_at(faults, settings_where(settings, i, full, where, sizeof(where)), "tls.sni",
                     "\"%s\": a star stands for the first label, and for all of it",
                     names->list[k]);
}

static void check_client_names(const struct settings *settings, size_t i, struct faults *faults)
{
    const struct strings *names = &settings->listeners[i].tls.client_names;
    char where[PLACE_MAX];

    for (size_t k = 0; k < names->n; k++)
        if (count_stars(names->list[k]) > 1)
            fault_at(faults, settings_where(settings, i, "tls.client_names", where, sizeof(where)),
                     "tls.client_names", "\"%s\" has more than one star", names->list[k]);
}

static void check_sni(const struct settings *settings, size_t i, struct faults *faults)
{
    const struct tls_params *tls = &settings->listeners[i].tls;

    for (size_t k = 0; k < tls->sni.n; k++) {
        const struct tls_sni_params *sni = tls_sni(tls, k);

        check_sni_element(settings, i, k, "names", sni->names.n > 0, faults);
        check_sni_names(settings, i, k, &sni->names, faults);
        check_sni_element(settings, i, k, "certificate", sni->certificate != NULL, faults);
        check_sni_element(settings, i, k, "key", sni->key != NULL, faults);
    }
}

/* With issuers but without verify_client, it would look as if clients were checked. */
static void check_is_used(const struct settings *settings, size_t i, const char *name, bool given,
                          struct faults *faults)
{
    char where[PLACE_MAX];

    if (given && !settings_is_given(settings, i, "tls.verify_client"))
        fault_at(faults, settings_where(settings, i, name, where, sizeof(where)), name,
                 "has no effect: tls.verify_client is not set");
}

static void check_client_certificates(const struct settings *settings, size_t i,
                                      struct faults *faults)
{
    const struct listener_settings *listener = &settings->listeners[i];
    const struct tls_params *tls = &listener->tls;
    char where[PLACE_MAX];

    if (listener->tls_enabled && tls->verify_client != TLS_VERIFY_NONE && !tls->client_ca &&
        settings_is_sound(settings, i, "tls.client_ca"))
        fault_at(faults, settings_where(settings, i, "tls.verify_client", where, sizeof(where)),
                 "tls.client_ca", "is missing, and tls.verify_client wants certificates");
    check_client_names(settings, i, faults);
    check_is_used(settings, i, "tls.client_ca", tls->client_ca != NULL, faults);
    check_is_used(settings, i, "tls.crl", tls->crl != NULL, faults);
    check_is_used(settings, i, "tls.client_names", tls->client_names.n > 0, faults);
}

static void check_tls(const struct settings *settings, size_t i, struct faults *faults)
{
    const struct listener_settings *listener = &settings->listeners[i];
    const struct tls_params *tls = &listener->tls;
    char where[PLACE_MAX];

    if (listener->tls_enabled) {
        check_is_given(settings, i, "tls.certificate", tls->certificate, faults);
        check_is_given(settings, i, "tls.key", tls->key, faults);
    }
    check_sni(settings, i, faults);
    check_client_certificates(settings, i, faults);
    if (settings_is_sound(settings, i, "tls.min_version") &&
        settings_is_sound(settings, i, "tls.max_version") && tls->max_version != TLS_NEWEST &&
        (tls->min_version == TLS_NEWEST || tls->min_version > tls->max_version))
        fault_at(faults, settings_where(settings, i, "tls.max_version", where, sizeof(where)),
                 "tls.max_version", "is older than tls.min_version");
}

/* Peers of a unix: listener are trusted without proxy_trusted. */
static void check_proxy(const struct settings *settings, size_t i, struct faults *faults)
{
    const struct listener_settings *listener = &settings->listeners[i];
    char where[PLACE_MAX];

    if (listener->proxy.mode != PROXY_OFF && listener->proxy.trusted.n == 0 &&
        !is_path(listener->listen.host) && settings_is_sound(settings, i, "proxy_trusted"))
        fault_at(faults, settings_where(settings, i, "proxy_protocol", where, sizeof(where)),
                 "proxy_trusted", "is empty, and proxy_protocol is not off: nobody could send one");
}

static bool same_name(const struct settings *settings, size_t i, size_t j)
{
    return strcmp(settings->listeners[i].listen.name, settings->listeners[j].listen.name) == 0 &&
           settings_is_sound(settings, i, "name") && settings_is_sound(settings, j, "name");
}

static bool same_socket(const struct settings *settings, size_t i, size_t j)
{
    const struct listen_params *a = &settings->listeners[i].listen;
    const struct listen_params *b = &settings->listeners[j].listen;
    bool sound = settings_is_sound(settings, i, "host") && settings_is_sound(settings, j, "host") &&
                 settings_is_sound(settings, i, "port") && settings_is_sound(settings, j, "port");

    return sound && strcmp(a->host, b->host) == 0 &&
           (is_path(a->host) || (a->port == b->port && a->port != 0)) &&
           !(a->reuse_port && b->reuse_port);
}

static void check_against_others(const struct settings *settings, size_t i, struct faults *faults)
{
    char where[PLACE_MAX], other[PLACE_MAX];

    for (size_t j = 0; j < i; j++) {
        if (same_name(settings, i, j))
            fault_at(faults, settings_where(settings, i, "name", where, sizeof(where)), "name",
                     "\"%s\" is the name of the listener at %s as well; give each its own",
                     settings->listeners[i].listen.name,
                     settings_where(settings, j, "name", other, sizeof(other)));
        if (same_socket(settings, i, j))
            fault_at(faults, settings_where(settings, i, "port", where, sizeof(where)), "port",
                     "the listener at %s has the same host and port",
                     settings_where(settings, j, "port", other, sizeof(other)));
    }
}

void settings_validate(const struct settings *settings, struct faults *faults)
{
    for (size_t i = 0; i < settings->n_listeners; i++) {
        check_tls(settings, i, faults);
        check_proxy(settings, i, faults);
        check_against_others(settings, i, faults);
    }
}
