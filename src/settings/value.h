/*
 * value.h - one value of the file against one row of the tables. Private to the settings
 * modules.
 */
#ifndef ECHOD_SETTINGS_VALUE_H
#define ECHOD_SETTINGS_VALUE_H

#include "settings/schema.h"

#include <libconfig.h>

/* What a value is, in words: "a whole number". */
const char *value_type(const config_setting_t *value);

/*
 * The parts of a value, each of which is right or wrong for itself: the elements of a list where
 * the row takes one, else the value alone.
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
 * Store a value whose parts are all right in the row's field of `base`. A text stays the value's
 * own, and a list becomes so: its config must have free() for destructor.
 * Returns 0, or -1 with *ret_err when memory has run out.
 */
int value_store(const struct setting *row, config_setting_t *value, void *base,
                struct err *ret_err);

/* The member of a group by its name, which may have a dot: config_setting_lookup(), mended. */
config_setting_t *value_lookup(config_setting_t *group, const char *name);

/*
 * Parse the text of one value, as a default or -o has it, into an empty config. The text of a
 * setting that takes texts needs no quotes if it is one. Returns the config's own value, or NULL
 * with *ret_err when `text` is no single value, or has what settings/scan.h calls a fault.
 */
config_setting_t *value_parse(const struct setting *row, const char *text, config_t *scratch,
                              struct err *ret_err);

#endif
