/*
 * value.h - checks and stores one value of the file by one row of the tables. Private to the
 * settings modules.
 */
#ifndef ECHOD_SETTINGS_VALUE_H
#define ECHOD_SETTINGS_VALUE_H

#include "settings/schema.h"

#include <libconfig.h>

/* The type of a value, in words: "a whole number". */
const char *value_type(const config_setting_t *value);

/*
 * The parts of a value, each of which is checked by itself: the elements of a list if the row takes
 * one, else the value itself.
 */
unsigned value_parts(const struct setting *row, const config_setting_t *value);
const config_setting_t *value_part(const struct setting *row, const config_setting_t *value,
                                   unsigned i);

/*
 * Whether a part has the row's type and lies in its range.
 * Returns 0, or -1 with what is wrong in *ret_err.
 */
int value_check(const struct setting *row, const config_setting_t *part, struct err *ret_err);

/*
 * Store a value, whose parts have all been checked, in the row's field of `base`. The value still
 * owns a text, and now owns a list: its config must have free() as destructor.
 * Returns 0, or -1 with *ret_err when memory has run out.
 */
int value_store(const struct setting *row, config_setting_t *value, void *base,
                struct err *ret_err);

/* The member of a group by its name, which may have a dot: a mended config_setting_lookup(). */
config_setting_t *value_lookup(config_setting_t *group, const char *name);

/*
 * Parse the string of one value, as in a default or -o, into an empty config. A setting that takes
 * texts needs no quotes around one text. Returns the value, which the config owns, or NULL with
 * *ret_err when `text` is not a single value, or has what settings/scan.h calls a fault.
 */
config_setting_t *value_parse(const struct setting *row, const char *text, config_t *scratch,
                              struct err *ret_err);

#endif
