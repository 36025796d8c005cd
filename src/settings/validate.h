/*
 * validate.h - contradictions between settings, each of which is right by itself. Private to
 * the settings modules.
 */
#ifndef ECHOD_SETTINGS_VALIDATE_H
#define ECHOD_SETTINGS_VALIDATE_H

#include "settings/settings.h"

/* Report what contradicts itself; what was refused by itself is none of it. */
void settings_validate(const struct settings *settings, struct faults *faults);

#endif
