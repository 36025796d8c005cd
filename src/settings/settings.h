/*
 * settings.h - the settings: read from a libconfig file and -o, checked, and written back.
 *
 * One row of a table is one setting: it has the name, type, range, default and help, and loading,
 * checking, -o and -T are walks over the rows. Each module declares the parameters it needs; the
 * structs here are composed of them.
 */
#ifndef ECHOD_SETTINGS_SETTINGS_H
#define ECHOD_SETTINGS_SETTINGS_H

#include "base/err.h"
#include "base/log.h"
#include "net/access.h"
#include "net/listen.h"
#include "proto/frame.h"
#include "proto/proxy_reader.h"
#include "tls/tls.h"

#include <stdio.h>

/* The settings of one listener. Times in microseconds, 0 = never. */
struct listener_settings {
    struct listen_params listen;
    struct session_limits limits;
    bool health;
    struct frame_params frame;
    struct proxy_params proxy;
    struct access_rules access; /* except its proxies, which follow from `proxy` */
    bool tls_enabled;
    struct tls_params tls;
};

/* The settings of one file. All texts and lists live as long as the struct. */
struct settings {
    int max_clients;
    uint64_t drain_timeout_usec;
    const char *user;         /* the user that root becomes; NULL = root stays root */
    const char *group;        /* NULL = the user's own */
    const char *metrics_file; /* NULL = none */
    int log_target;           /* enum log_target */
    int log_level;            /* of syslog.h */
    size_t n_listeners;       /* at least 1 */
    struct listener_settings *listeners;
    struct settings_source *source; /* where each setting was given */
};

/*
 * Read `path`, then apply the overrides ("NAME=VALUE", in order; NULL ends them). Reports every
 * fault with its place. Returns 0 with *ret_settings, owned by the caller, to free with
 * settings_free(), or -1 when the file cannot be read or parsed at all.
 *
 * Settings with faults must not be put in force, but the caller can check them further, so that all
 * faults are reported at once: a value that was refused has its default.
 */
int settings_load(const char *path, const char *const *overrides, struct faults *faults,
                  struct settings **ret_settings);

/* NULL is allowed. */
void settings_free(struct settings *settings);

/* Write the settings in force as a libconfig file that loads to the same settings. */
void settings_dump(const struct settings *settings, FILE *file);

/*
 * The place where `name` of a listener was given: "FILE:LINE" or "-o"; the beginning of the
 * listener if the setting has its default. Writes into `text` of `size` bytes and returns it.
 */
const char *settings_where(const struct settings *settings, size_t listener, const char *name,
                           char *text, size_t size);

#endif
