/* settings.c - loads, overrides and checks the settings. */
#include "settings/settings.h"

#include "base/limits.h"
#include "settings/guard.h"
#include "settings/override.h"
#include "settings/source.h"
#include "settings/validate.h"
#include "settings/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A walk over groups of the file that fills structs. */
struct walk {
    struct settings_source *source;
    struct faults *faults;
    const struct table *tables[2]; /* the tables that have the names; the second may be NULL */
    void *bases[2];                /* the struct that each table fills */
};

/* ---- values ---- */

static void report_value(const struct walk *walk, const struct setting *row,
                         const config_setting_t *value, const struct err *err)
{
    char where[PLACE_MAX];

    fault_at(walk->faults, source_place(walk->source, value, where, sizeof(where)), row->name, "%s",
             err->text);
}

/* Report what is wrong with each part of a value. Returns whether all parts are right. */
static bool check_parts(const struct walk *walk, const struct setting *row,
                        const config_setting_t *value)
{
    unsigned before = walk->faults->count;
    struct err err;

    for (unsigned i = 0; i < value_parts(row, value); i++)
        if (value_check(row, value_part(row, value, i), &err) < 0)
            report_value(walk, row, value_part(row, value, i), &err);
    return walk->faults->count == before;
}

static void apply_value(const struct walk *walk, const struct setting *row, config_setting_t *value,
                        void *base)
{
    struct err err;

    if (!check_parts(walk, row, value))
        source_note_wrong(walk->source, value);
    else if (value_store(row, value, base, &err) < 0)
        report_value(walk, row, value, &err);
}

/* The default of a list is empty, so that none of it need outlive the scratch config. */
static void apply_defaults(const struct walk *walk, const struct table *table, void *base)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct setting *row = &table->rows[i];
        config_setting_t *value;
        struct err err;
        config_t scratch;

        if (row->kind == KIND_STRING) /* the text must outlive the scratch config */
            *(const char **)((char *)base + row->offset) = row->initial;
        if (row->kind == KIND_STRING || !row->initial)
            continue;
        config_init(&scratch);
        value = value_parse(row, row->initial, &scratch, &err);
        if (!value || value_store(row, value, base, &err) < 0)
            report_value(walk, row, config_root_setting(&walk->source->config), &err);
        config_destroy(&scratch);
    }
}

/* ---- the walk ---- */

static void walk_group(const struct walk *walk, const config_setting_t *group, const char *prefix);

static void walk_element(const struct walk *walk, const struct table *table,
                         const config_setting_t *group, void *element)
{
    const struct walk inner = {walk->source, walk->faults, {table, NULL}, {element, NULL}};
    char where[PLACE_MAX];

    apply_defaults(walk, table, element);
    if (config_setting_is_group(group)) {
        walk_group(&inner, group, "");
        return;
    }
    fault_at(walk->faults, source_place(walk->source, group, where, sizeof(where)), NULL,
             "every element must be a group, and this is %s", value_type(group));
    source_note_wrong(walk->source, group);
}

/* Fill one struct for each group of a list; the list's value owns them. */
static void walk_elements(const struct walk *walk, const struct setting *row,
                          config_setting_t *list, void *base)
{
    const struct table *table = row->elements;
    size_t n = config_setting_is_list(list) ? (size_t)config_setting_length(list) : 0;
    struct groups *groups = (struct groups *)((char *)base + row->offset);
    char *elements = calloc(n + 1, table->size);

    if (!config_setting_is_list(list) || !elements) {
        report_value(walk, row, list,
                     &(struct err){.text = "must be a list of groups: ( { ... }, { ... } )"});
        source_note_wrong(walk->source, list);
        free(elements);
        return;
    }
    config_setting_set_hook(list, elements);
    *groups = (struct groups){.n = n, .list = elements};
    for (size_t i = 0; i < n; i++)
        walk_element(walk, table, config_setting_get_elem(list, (unsigned)i),
                     elements + i * table->size);
}

static bool is_group_name(const struct walk *walk, const char *name)
{
    return table_has_group(walk->tables[0], name) ||
           (walk->tables[1] && table_has_group(walk->tables[1], name));
}

static void walk_member(const struct walk *walk, config_setting_t *member, const char *name)
{
    char where[PLACE_MAX];

    for (size_t i = 0; i < 2 && walk->tables[i]; i++) {
        const struct setting *row = table_find(walk->tables[i], name);

        if (row && row->kind == KIND_GROUPS)
            walk_elements(walk, row, member, walk->bases[i]);
        else if (row)
            apply_value(walk, row, member, walk->bases[i]);
        if (row)
            return;
    }
    source_place(walk->source, member, where, sizeof(where));
    if (is_group_name(walk, name) && config_setting_is_group(member))
        walk_group(walk, member, name);
    else if (is_group_name(walk, name))
        fault_at(walk->faults, where, name, "must be a group, and is %s", value_type(member));
    else if (walk->tables[0] != &listener_table && walk->tables[0] != &global_table)
        fault_at(walk->faults, where, name, "no such setting here");
    else if (row_find(name) || table_has_group(&global_table, name))
        fault_at(walk->faults, where, name, "is of the whole daemon, not of one listener");
    else
        row_unknown(walk->faults, where, name);
}

static void walk_group(const struct walk *walk, const config_setting_t *group, const char *prefix)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
        char name[NAME_LIMIT];

        snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "",
                 config_setting_name(member));
        if (strcmp(name, "listeners") != 0 || !config_setting_is_root(group))
            walk_member(walk, member, name);
    }
}

/* Fill one listener for each group of the list. Each starts from the settings at the top level. */
static void walk_listeners(struct settings_source *source, struct settings *settings,
                           const struct listener_settings *base, struct faults *faults)
{
    const config_setting_t *list =
        config_setting_get_member(config_root_setting(&source->config), "listeners");

    for (size_t i = 0; i < settings->n_listeners; i++) {
        settings->listeners[i] = *base;
        if (list) {
            const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
            const struct walk walk = {
                source, faults, {&listener_table, NULL}, {&settings->listeners[i], NULL}};
            char where[PLACE_MAX];

            if (config_setting_is_group(group)) {
                walk_group(&walk, group, "");
                continue;
            }
            fault_at(faults, source_place(source, group, where, sizeof(where)), "listeners",
                     "every element must be a group, and this is %s", value_type(group));
            source_note_wrong(source, group);
        }
    }
}

static size_t count_listeners(const struct settings_source *source, struct faults *faults)
{
    const config_setting_t *list =
        config_setting_get_member(config_root_setting(&source->config), "listeners");
    char where[PLACE_MAX];

    if (!list)
        return 1;
    if (config_setting_is_list(list) && config_setting_length(list) > 0)
        return (size_t)config_setting_length(list);
    fault_at(faults, source_place(source, list, where, sizeof(where)), "listeners",
             "must be a list of at least one group: ( { ... }, { ... } )");
    return 0;
}

/* ---- the whole ---- */

static int read_source(struct settings_source *source, const char *path, struct faults *faults)
{
    char where[PLACE_MAX];

    if (settings_text_read(path, faults, &source->text) < 0)
        return -1;
    if (config_read_string(&source->config, source->text.text) == CONFIG_TRUE)
        return 0;
    settings_text_place(&source->text, (unsigned)config_error_line(&source->config), where,
                        sizeof(where));
    fault_at(faults, where, NULL, "%s", config_error_text(&source->config));
    return -1;
}

static void fill(struct settings *settings, struct faults *faults)
{
    struct settings_source *source = settings->source;
    struct listener_settings base;
    char where[PLACE_MAX];
    const struct walk walk = {source, faults, {&global_table, &listener_table}, {settings, &base}};

    apply_defaults(&walk, &global_table, settings);
    memset(&base, 0, sizeof(base));
    apply_defaults(&walk, &listener_table, &base);
    walk_group(&walk, config_root_setting(&source->config), "");
    settings->n_listeners = count_listeners(source, faults);
    settings->listeners = calloc(settings->n_listeners, sizeof(base));
    if (settings->listeners) {
        walk_listeners(source, settings, &base, faults);
        return;
    }
    settings->n_listeners = 0;
    fault_at(faults,
             source_place(source, config_root_setting(&source->config), where, sizeof(where)),
             "listeners", "cannot be kept: %s", strerror(ENOMEM));
}

static struct settings *new_settings(void)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    struct settings_source *source = calloc(1, sizeof(*source));

    if (settings && source) {
        config_init(&source->config);
        config_set_destructor(&source->config, free); /* for the lists, which belong to values */
        settings->source = source;
        return settings;
    }
    free(settings);
    free(source);
    return NULL;
}

struct load {
    const char *path;
    const char *const *overrides;
    struct faults *faults;
    struct settings *settings; /* the result; NULL until the load is complete */
};

static void report_no_memory(const struct load *load)
{
    fault_at(load->faults, load->path, NULL, "cannot read it: %s", strerror(ENOMEM));
}

/* The part of a load that calls libconfig, and that guard_libconfig() may leave. */
static void run_load(void *arg)
{
    struct load *load = arg;
    struct settings *settings = new_settings();

    if (!settings) {
        report_no_memory(load);
        return;
    }
    if (read_source(settings->source, load->path, load->faults) < 0) {
        settings_free(settings);
        return;
    }
    for (const char *const *override = load->overrides; *override; override++)
        settings_override(&settings->source->config, *override, load->faults);
    fill(settings, load->faults);
    settings_validate(settings, load->faults);
    load->settings = settings;
}

int settings_load(const char *path, const char *const *overrides, struct faults *faults,
                  struct settings **ret_settings)
{
    struct load load = {.path = path, .overrides = overrides, .faults = faults};

    if (guard_libconfig(run_load, &load) < 0)
        report_no_memory(&load);
    if (!load.settings)
        return -1;
    *ret_settings = load.settings;
    return 0;
}

void settings_free(struct settings *settings)
{
    if (!settings)
        return;
    config_destroy(&settings->source->config);
    settings_text_free(&settings->source->text);
    free(settings->source->wrong);
    free(settings->source);
    free(settings->listeners);
    free(settings);
}
