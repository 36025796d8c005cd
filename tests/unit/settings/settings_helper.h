/*
 * settings_helper.h - what the tests of the settings share: files in a directory of their own, and
 * a sink that keeps the faults.
 */
#ifndef ECHOD_SETTINGS_HELPER_H
#define ECHOD_SETTINGS_HELPER_H

#include "settings/schema.h"
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MANY 32

/* ---- files in a directory of their own ---- */

extern char directory[];
extern char conf[64], included[64];

int make_directory(void **state);
int remove_directory(void **state);
void write_file(const char *path, const char *text);

/* ---- a sink that keeps what is reported ---- */

struct kept {
    char where[128];
    char setting[64];
    char text[512];
};

extern struct kept kept[MANY];
extern struct faults faults;

void keep(void *arg, const struct fault *fault);

static const char *const no_overrides[] = {NULL};

struct settings *load_with(const char *text, const char *const *overrides);

/* What must load. Says why it did not. */
struct settings *good_with(const char *text, const char *const *overrides);
struct settings *good(const char *text);
void assert_fault(const char *wanted);
void assert_faults_with(const char *text, const char *const *overrides, size_t n,
                        const char *const *wanted);
void assert_bad_override(const char *text, const char *override, const char *wanted);

/* ---- the tables ---- */

static const struct table *const tables[] = {&global_table, &listener_table};

#endif
