/*
 * validate.h - finds contradictions between settings that are each right by themselves. Private to
 * the settings modules.
 */
#ifndef ECHOD_SETTINGS_VALIDATE_H
#define ECHOD_SETTINGS_VALIDATE_H

#include "settings/settings.h"

/* Report each contradiction, except with values that were already refused. */
void settings_validate(const struct settings *settings, struct faults *faults);

#endif
