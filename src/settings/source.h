/*
 * source.h - the parsed file: where each setting was given, and which values were refused. Private
 * to the settings modules.
 */
#ifndef ECHOD_SETTINGS_SOURCE_H
#define ECHOD_SETTINGS_SOURCE_H

#include "settings/settings.h"
#include "settings/text.h"

#include <libconfig.h>

/* The texts of the settings point into it, and it knows the line of each setting. */
struct settings_source {
    struct settings_text text;
    config_t config;
    size_t n_wrong; /* values that were refused: contradictions with them are none */
    const config_setting_t **wrong;
};

/* Write the place of a setting of the tree, "FILE:LINE" or "-o", into `text`, and return it. */
const char *source_place(const struct settings_source *source, const config_setting_t *setting,
                         char *text, size_t size);

/* The value was refused. */
void source_note_wrong(struct settings_source *source, const config_setting_t *value);

/* Whether the value in force is the one that was wanted, given or by default. */
bool settings_is_sound(const struct settings *settings, size_t listener, const char *name);

/* Whether it was given, for the listener or for all, and is not left to its default. */
bool settings_is_given(const struct settings *settings, size_t listener, const char *name);

#endif
