/* override.c - applies -o NAME=VALUE. */
#include "settings/override.h"

#include "settings/schema.h"
#include "settings/value.h"

#include <string.h>

static void copy_scalar(const config_setting_t *from, config_setting_t *to)
{
    switch (config_setting_type(from)) {
    case CONFIG_TYPE_BOOL:
        config_setting_set_bool(to, config_setting_get_bool(from));
        break;
    case CONFIG_TYPE_FLOAT:
        config_setting_set_float(to, config_setting_get_float(from));
        break;
    case CONFIG_TYPE_STRING:
        config_setting_set_string(to, config_setting_get_string(from));
        break;
    default:
        config_setting_set_int64(to, config_setting_get_int64(from));
        break;
    }
}

/*
 * Split "listeners.[1].tls.key" into the group that the file has for listeners.[1], or the root,
 * and the setting's own name. Returns NULL when there is no such listener.
 */
static config_setting_t *split_path(config_setting_t *root, char *path, const char **ret_name)
{
    size_t digits;

    *ret_name = path;
    if (strncmp(path, "listeners.[", 11) != 0)
        return root;
    digits = strspn(path + 11, "0123456789");
    if (digits == 0 || digits > 6 || strncmp(path + 11 + digits, "].", 2) != 0)
        return root; /* the lookup of that name will fail */
    path[11 + digits + 1] = '\0';
    *ret_name = path + 11 + digits + 2;
    return value_lookup(root, path);
}

/* Add a copy of a value with all its members. `name` is NULL if `to` is a list. */
static bool add_copy(config_setting_t *to, const char *name, const config_setting_t *value)
{
    int type = config_setting_type(value);
    config_setting_t *copy =
        config_setting_add(to, name, type == CONFIG_TYPE_INT ? CONFIG_TYPE_INT64 : type);
    bool copied = copy != NULL;

    if (copied && config_setting_is_scalar(value))
        copy_scalar(value, copy);
    else
        for (int i = 0; copied && i < config_setting_length(value); i++) {
            const config_setting_t *member = config_setting_get_elem(value, (unsigned)i);

            copied = add_copy(copy, config_setting_name(member), member);
        }
    return copied;
}

/* Put the value where the file would have it, and replace what is there. */
static bool plant(config_setting_t *group, char *name, const config_setting_t *value)
{
    char *dot = strchr(name, '.');
    config_setting_t *inner;

    if (!dot) {
        config_setting_remove(group, name);
        return add_copy(group, name, value);
    }
    *dot = '\0';
    inner = config_setting_get_member(group, name);
    if (!inner)
        inner = config_setting_add(group, name, CONFIG_TYPE_GROUP);
    return inner && config_setting_is_group(inner) && plant(inner, dot + 1, value);
}

void settings_override(config_t *config, const char *text, struct faults *faults)
{
    char path[NAME_LIMIT];
    const char *equals = strchr(text, '='), *name;
    const struct setting *row;
    config_setting_t *group, *value;
    config_t scratch;
    struct err err;

    if (!equals || equals == text || (size_t)(equals - text) >= sizeof(path)) {
        fault_at(faults, "-o", NULL, "\"%s\" is not NAME=VALUE", text);
        return;
    }
    snprintf(path, sizeof(path), "%.*s", (int)(equals - text), text);
    group = split_path(config_root_setting(config), path, &name);
    row = row_find(name);
    if (!group || !config_setting_is_group(group) || !row) {
        if (row)
            fault_at(faults, "-o", name, "the file has no %s", path);
        else
            row_unknown(faults, "-o", name);
        return;
    }
    config_init(&scratch);
    value = value_parse(row, equals + 1, &scratch, &err);
    if (!value)
        fault_at(faults, "-o", name, "%s", err.text);
    else if (!plant(group, path + (name - path), value))
        fault_at(faults, "-o", row->name, "cannot be set: the file gives it another form");
    config_destroy(&scratch);
}
