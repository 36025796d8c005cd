/*
 * override.h - -o NAME=VALUE, put into the tree of the file as if the file said so.
 * Private to the settings modules.
 */
#ifndef ECHOD_SETTINGS_OVERRIDE_H
#define ECHOD_SETTINGS_OVERRIDE_H

#include "base/err.h"

#include <libconfig.h>

/*
 * Change the tree as one "NAME=VALUE" says; the walk then checks it like the rest. Reports what
 * cannot be put there.
 */
void settings_override(config_t *config, const char *text, struct faults *faults);

#endif
