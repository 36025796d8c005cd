/*
 * check.h - contradictions between settings, each of which is right by itself. Private to
 * the settings modules.
 */
#ifndef ECHOD_SETTINGS_CHECK_H
#define ECHOD_SETTINGS_CHECK_H

#include "settings/settings.h"

/* Report what contradicts itself; what was refused by itself is none of it. */
void settings_check(const struct settings *settings, struct faults *faults);

#endif
