/*
 * override.h - applies -o NAME=VALUE to the tree of the file, as if the file had that value.
 * Private to the settings modules.
 */
#ifndef ECHOD_SETTINGS_OVERRIDE_H
#define ECHOD_SETTINGS_OVERRIDE_H

#include "base/err.h"

#include <libconfig.h>

/* Change the tree by one "NAME=VALUE"; the walk checks it later. Reports what cannot be set. */
void settings_override(config_t *config, const char *text, struct faults *faults);

#endif
