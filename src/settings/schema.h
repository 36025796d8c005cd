/*
 * schema.h - the tables of settings: one row is one setting. Private to the settings modules.
 */
#ifndef ECHOD_SETTINGS_SCHEMA_H
#define ECHOD_SETTINGS_SCHEMA_H

#include "settings/settings.h"

/* Room for the path of any setting, such as "listeners.[1].tls.key". */
#define NAME_LIMIT 256

/* How the file writes a value. It follows from the C type of the field, named after the colon. */
enum kind {
    KIND_BOOL,    /* true, false: bool */
    KIND_INT,     /* a whole number: int */
    KIND_BYTES,   /* a whole number: int64_t */
    KIND_SECONDS, /* a whole or decimal number of seconds: uint64_t, in microseconds */
    KIND_STRING,  /* text: const char *; NULL if there is no default */
    KIND_CHOICE,  /* one of a list of words: int */
    KIND_PATH,    /* a text that names a file, or "credential:NAME": const char * */
    KIND_STRINGS, /* a list of texts, or one text: struct strings */
    KIND_CIDRS,   /* a list of networks, each as a text, or one such text: struct cidrs */
    KIND_GROUPS,  /* a list of groups, each with the settings of a table: struct groups */
};

/* One word of a choice and its value; a list ends with a NULL word. */
struct choice {
    const char *word;
    int value;
};

struct setting {
    const char *name; /* "port"; "tls.key" is `key` in the group `tls` */
    enum kind kind;
    size_t offset;       /* of the field in its struct */
    const char *initial; /* the default as a user writes it, without quotes; NULL = none */
    double min, max;     /* of a number, as in the file; of a text, its length in bytes; else 0 */
    const struct choice *choices;
    const struct table *elements; /* the table of the groups of KIND_GROUPS */
    const char *help;             /* one sentence */
};

/* A table, and the struct that its offsets belong to. */
struct table {
    const struct setting *rows;
    size_t n;
    size_t size; /* of the struct, in bytes */
};

extern const struct table global_table;   /* of struct settings */
extern const struct table listener_table; /* of struct listener_settings */

/* The row of a full name, or NULL. */
const struct setting *table_find(const struct table *table, const char *name);

/* The row of a full name in either table, or NULL. */
const struct setting *row_find(const char *name);

/* Whether `name` is a group of the table, as "tls" is. */
bool table_has_group(const struct table *table, const char *name);

/* The name in the `n` tables that is nearest to a misspelt `name`, or NULL if none is near. */
const char *table_nearest(const struct table *const *tables, size_t n, const char *name);

/* Report a name that no row has, and suggest the nearest one. */
void row_unknown(struct faults *faults, const char *where, const char *name);

#endif
