/* source.c - the parsed file: where each setting was given, and which values were refused. */
#include "settings/source.h"

#include "settings/value.h"

#include <stdlib.h>

const char *source_place(const struct settings_source *source, const config_setting_t *setting,
                         char *text, size_t size)
{
    unsigned line = config_setting_is_root(setting) ? 1 : config_setting_source_line(setting);

    if (line > 0)
        return settings_text_place(&source->text, line, text, size);
    snprintf(text, size, "-o");
    return text;
}

static config_setting_t *listener_group(const struct settings_source *source, size_t listener)
{
    config_setting_t *root = config_root_setting(&source->config);
    config_setting_t *list = config_setting_get_member(root, "listeners");

    return list ? config_setting_get_elem(list, (unsigned)listener) : root;
}

static const config_setting_t *find_given(const struct settings_source *source, size_t listener,
                                          const char *name)
{
    config_setting_t *group = listener_group(source, listener);
    config_setting_t *given = value_lookup(group, name);

    if (!given)
        given = value_lookup(config_root_setting(&source->config), name);
    return given ? given : group;
}

const char *settings_where(const struct settings *settings, size_t listener, const char *name,
                           char *text, size_t size)
{
    return source_place(settings->source, find_given(settings->source, listener, name), text, size);
}

void source_note_wrong(struct settings_source *source, const config_setting_t *value)
{
    const config_setting_t **wrong =
        reallocarray(source->wrong, source->n_wrong + 1, sizeof(*source->wrong));

    if (!wrong)
        return;
    wrong[source->n_wrong++] = value;
    source->wrong = wrong;
}

static bool is_wrong(const struct settings_source *source, const config_setting_t *value)
{
    for (size_t i = 0; i < source->n_wrong; i++)
        if (source->wrong[i] == value)
            return true;
    return false;
}

bool settings_is_sound(const struct settings *settings, size_t listener, const char *name)
{
    const struct settings_source *source = settings->source;

    return !is_wrong(source, listener_group(source, listener)) &&
           !is_wrong(source, find_given(source, listener, name));
}

bool settings_is_given(const struct settings *settings, size_t listener, const char *name)
{
    const struct settings_source *source = settings->source;

    return find_given(source, listener, name) != listener_group(source, listener);
}
