/*
 * source.h - the parsed file: where each setting was given, and which values were refused. Private
 * to the settings modules.
 */
#ifndef ECHOD_SETTINGS_SOURCE_H
#define ECHOD_SETTINGS_SOURCE_H

#include "settings/settings.h"
#include "settings/text.h"

#include <libconfig.h>

/* The parsed file, which has the texts of the settings and the line of each. */
struct settings_source {
    struct settings_text text;
    config_t config;
    size_t n_wrong; /* values that were refused; they are not checked for contradictions */
    const config_setting_t **wrong;
};

/* Write the place of a setting of the tree, "FILE:LINE" or "-o", into `text`, and return it. */
const char *source_place(const struct settings_source *source, const config_setting_t *setting,
                         char *text, size_t size);

/* Note that the value was refused. */
void source_note_wrong(struct settings_source *source, const config_setting_t *value);

/* Whether the value in force is the one given or the default, and replaces no refused one. */
bool settings_is_sound(const struct settings *settings, size_t listener, const char *name);

/* Whether the setting was given, for the listener or for all, and does not have its default. */
bool settings_is_given(const struct settings *settings, size_t listener, const char *name);

#endif
