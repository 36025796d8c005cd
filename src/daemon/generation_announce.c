/* generation_announce.c - what a generation of the generation reports: log, STATUS= and metrics. */
#include "daemon/generation_private.h"

#include "base/log.h"
#include "parent/metrics.h"
#include "tls/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EXPIRY_WARNING_SEC (14 * 86400)

bool generation_judge_validity(const struct tls_certificate *certificate, char *text)
{
    time_t now = time(NULL);
    const char *words = now > certificate->not_after    ? "has expired on"
                        : now < certificate->not_before ? "is not valid yet, but until"
                        : certificate->not_after - now < EXPIRY_WARNING_SEC ? "expires soon, on"
                                                                            : NULL;
    char until[32];
    struct tm tm;

    gmtime_r(&certificate->not_after, &tm);
    strftime(until, sizeof(until), "%Y-%m-%d %H:%M UTC", &tm);
    snprintf(text, VALIDITY_MAX, "%s %s", words ? words : "is valid until", until);
    return !words;
}

static void announce_socket(const struct generation *generation, const struct listen_socket *socket)
{
    char text[ADDR_TEXT_MAX];

    addr_format(&socket->addr, text);
    if (socket->listener == LISTEN_UNUSED)
        log_warning("the passed socket %s (%s) belongs to no listener of the settings", text,
                    socket->name);
    else
        log_info("%s: listening on %s%s%s", generation->listen[socket->listener].name, text,
                 generation->sessions[socket->listener].tls ? ", TLS" : "",
                 socket->passed ? ", passed by the service manager" : "");
}

/* A path of NULL stands for no file. */
static void warn_of_readable(const char *name, const char *what, const char *path)
{
    struct stat st;

    if (path && stat(path, &st) == 0 && (st.st_mode & S_IROTH))
        log_warning("%s: every user can read the %s %s", name, what, path);
}

static void warn_of_key(const struct generation *generation, const char *name, const char *key)
{
    warn_of_readable(name, "private key", key);
    if (generation->signer && !signer_can_reload(generation->signer, key))
        log_warning("%s: user cannot read the private key %s: no reload will work, and the first "
                    "trouble of the signer ends the service",
                    name, key);
}

/* With `all`, log also those that need no warning. */
static void announce_certificates(const struct generation *generation, size_t listener, bool all)
{
    const struct tls_server *tls = generation->sessions[listener].tls;
    const char *name = generation->listen[listener].name;
    struct tls_certificate certificate;
    char text[VALIDITY_MAX];

    for (size_t i = 0; tls && tls_server_certificate(tls, i, &certificate) == 0; i++) {
        if (!generation_judge_validity(&certificate, text))
            log_warning("%s: certificate %s %s", name, certificate.subject, text);
        else if (all)
            log_info("%s: certificate %s %s", name, certificate.subject, text);
    }
}

void generation_warn_of_expiry(const struct generation *generation)
{
    for (size_t i = 0; i < generation->settings->n_listeners; i++)
        announce_certificates(generation, i, false);
}

static void announce_tls(const struct generation *generation, size_t listener)
{
    const struct tls_params *params = &generation->settings->listeners[listener].tls;
    const char *name = generation->listen[listener].name;

    announce_certificates(generation, listener, true);
    warn_of_readable(name, "ticket keys", params->ticket_keys);
    warn_of_readable(name, "key log", params->keylog);
    if (params->keylog)
        log_warning("%s: tls.keylog is set: anyone who can read %s can read what all clients send",
                    name, params->keylog);
    warn_of_key(generation, name, params->key);
    for (size_t i = 0; i < params->sni.n; i++)
        warn_of_key(generation, name, tls_sni(params, i)->key);
}

static time_t first_expiry(const struct generation *generation)
{
    struct tls_certificate certificate;
    time_t first = 0;

    for (size_t i = 0; i < generation->settings->n_listeners; i++) {
        const struct tls_server *tls = generation->sessions[i].tls;

        for (size_t k = 0; tls && tls_server_certificate(tls, k, &certificate) == 0; k++)
            if (first == 0 || certificate.not_after < first)
                first = certificate.not_after;
    }
    return first;
}

void generation_describe(const struct generation *generation, char *text, size_t size)
{
    char reload[32] = "", expiry[64] = "";
    time_t first = first_expiry(generation);
    struct tm tm;

    if (generation->reload.when != 0)
        strftime(reload, sizeof(reload), "reloaded at %H:%M:%S UTC",
                 gmtime_r(&generation->reload.when, &tm));
    if (first != 0)
        strftime(expiry, sizeof(expiry), "; a certificate expires on %Y-%m-%d",
                 gmtime_r(&first, &tm));
    snprintf(text, size, "%s%s%s%s",
             reload[0] == '\0'               ? ""
             : generation->reload.successful ? "; "
                                             : "; not ",
             reload, generation->withdrawn ? "; health listeners are closed" : "", expiry);
}

/* ---- metrics ---- */

/* The label `certificate` is the setting that names the certificate. */
static void print_expiry(FILE *file, const char *listener, size_t i,
                         const struct tls_certificate *certificate)
{
    char setting[48] = "tls.certificate";

    if (i > 0)
        snprintf(setting, sizeof(setting), "tls.sni.[%zu]", i - 1);
    fputs("echod_certificate_expiry_timestamp_seconds{", file);
    metrics_label(file, "listener", listener);
    fputc(',', file);
    metrics_label(file, "certificate", setting);
    fputc(',', file);
    metrics_label(file, "subject", certificate->subject);
    fprintf(file, "} %lld\n", (long long)certificate->not_after);
}

static void print_expiries(FILE *file, const struct generation *generation)
{
    struct tls_certificate certificate;

    metrics_family(file, "echod_certificate_expiry_timestamp_seconds", "gauge",
                   "When a certificate expires, in seconds since 1970.");
    for (size_t i = 0; i < generation->settings->n_listeners; i++) {
        const struct tls_server *tls = generation->sessions[i].tls;

        for (size_t k = 0; tls && tls_server_certificate(tls, k, &certificate) == 0; k++)
            print_expiry(file, generation->listen[i].name, k, &certificate);
    }
}

static void print_reload(FILE *file, const struct reload *reload)
{
    metrics_family(file, "echod_last_reload_successful", "gauge",
                   "Whether the last reload took the new settings; without one, the start did.");
    fprintf(file, "echod_last_reload_successful %d\n", reload->when == 0 || reload->successful);
    if (reload->when == 0)
        return;
    metrics_family(file, "echod_last_reload_timestamp_seconds", "gauge",
                   "When the last reload was, in seconds since 1970.");
    fprintf(file, "echod_last_reload_timestamp_seconds %lld\n", (long long)reload->when);
}

char *generation_metrics(const struct generation *generation)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    metrics_family(file, "echod_build_info", "gauge", "The versions of echod and of OpenSSL.");
    fprintf(file, "echod_build_info{version=\"%s\",openssl=\"%s\"} 1\n", PACKAGE_VERSION,
            tls_library_version());
    metrics_family(file, "echod_max_clients", "gauge", "The limit of echod_clients.");
    fprintf(file, "echod_max_clients %d\n", generation->settings->max_clients);
    print_reload(file, &generation->reload);
    print_expiries(file, generation);
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}

/* Only root can become another user, and only at the start. */
static void warn_of_other_user(const struct generation *generation)
{
    if (generation->settings->user && geteuid() != 0 && geteuid() != generation->user.uid)
        log_warning("user = %s has no effect: this process is that of the user %u",
                    generation->settings->user, (unsigned)geteuid());
}

void generation_announce(const struct generation *generation)
{
    warn_of_other_user(generation);
    for (size_t i = 0; i < generation->sockets.n; i++)
        announce_socket(generation, &generation->sockets.sockets[i]);
    for (size_t i = 0; i < generation->settings->n_listeners; i++) {
        if (generation->sessions[i].tls)
            announce_tls(generation, i);
    }
}
