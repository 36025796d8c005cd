/*
 * check.h - contradictions between settings, each of which is right by itself. Private to
 * the settings modules.
 */
#ifndef ECHOD_SETTINGS_CHECK_H
#define ECHOD_SETTINGS_CHECK_H

#include "settings/settings.h"

/* Room for the place of a setting, "FILE:LINE". */
#define WHERE_LIMIT 4200

/* Report what contradicts itself; what was refused by itself is none of it. */
void settings_check(const struct settings *settings, struct faults *faults);

/* Whether the value in force is the one that was wanted, given or by default. */
bool settings_is_sound(const struct settings *settings, size_t listener, const char *name);

/* Whether it was given, for the listener or for all, and is not left to its default. */
bool settings_is_given(const struct settings *settings, size_t listener, const char *name);

#endif
