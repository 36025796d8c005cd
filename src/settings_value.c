/* settings_value.c - one value of the file against one row of the tables. */
#include "settings_value.h"

#include "settings_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *value_type(const config_setting_t *value)
{
    switch (config_setting_type(value)) {
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a decimal number";
    case CONFIG_TYPE_STRING:
        return "a text";
    case CONFIG_TYPE_GROUP:
        return "a group";
    default:
        return "a list";
    }
}

static bool is_whole(const config_setting_t *value)
{
    return config_setting_type(value) == CONFIG_TYPE_INT ||
           config_setting_type(value) == CONFIG_TYPE_INT64;
}

static double number_of(const config_setting_t *value)
{
    return is_whole(value) ? (double)config_setting_get_int64(value)
                           : config_setting_get_float(value);
}

/* Returns NULL when the value has the type of the row, else what the row wants. */
static const char *wrong_type(const struct setting *row, const config_setting_t *value)
{
    switch (row->kind) {
    case KIND_BOOL:
        return config_setting_type(value) == CONFIG_TYPE_BOOL ? NULL : "true or false";
    case KIND_INT:
    case KIND_BYTES:
        return is_whole(value) ? NULL : "a whole number";
    case KIND_SECONDS:
        return config_setting_is_number(value) ? NULL : "a number of seconds";
    default:
        return config_setting_type(value) == CONFIG_TYPE_STRING ? NULL : "a text";
    }
}

static const struct choice *find_choice(const struct choice *choices, const char *word)
{
    for (; choices->word; choices++)
        if (strcmp(choices->word, word) == 0)
            return choices;
    return NULL;
}

/* "a, b or c" */
static void list_choices(const struct choice *choices, char *text, size_t size)
{
    size_t n = 0;

    for (; choices->word && n < size; choices++) {
        const char *divider = n == 0 ? "" : choices[1].word ? ", " : " or ";

        n += (size_t)snprintf(text + n, size - n, "%s%s", divider, choices->word);
    }
}

/* Returns 0 when the value, of the right type, is one that the row allows. */
static int check_range(const struct setting *row, const config_setting_t *value,
                       struct err *ret_err)
{
    const char *text = config_setting_get_string(value);
    char words[128];
    double number;

    switch (row->kind) {
    case KIND_BOOL:
        return 0;
    case KIND_CHOICE:
        if (find_choice(row->choices, text))
            return 0;
        list_choices(row->choices, words, sizeof(words));
        return err_set(ret_err, "\"%s\" is not one of %s", text, words);
    case KIND_STRING:
        number = (double)strlen(text);
        if (number >= row->min && number <= row->max)
            return 0;
        return err_set(ret_err, "must have %.0f to %.0f bytes, and has %.0f", row->min, row->max,
                       number);
    default:
        number = number_of(value);
        if (number >= row->min && number <= row->max)
            return 0;
        return err_set(ret_err, "%.16g is not in the range from %.16g to %.16g", number, row->min,
                       row->max);
    }
}

/* 0 means never, so what is a little more must not become it. */
static uint64_t to_usec(double seconds)
{
    uint64_t usec = (uint64_t)llround(seconds * (double)USEC_PER_SEC);

    return usec == 0 && seconds > 0 ? 1 : usec;
}

static void store(const struct setting *row, const config_setting_t *value, void *base)
{
    void *field = (char *)base + row->offset;

    switch (row->kind) {
    case KIND_BOOL:
        *(bool *)field = config_setting_get_bool(value);
        break;
    case KIND_INT:
        *(int *)field = (int)config_setting_get_int64(value);
        break;
    case KIND_BYTES:
        *(int64_t *)field = config_setting_get_int64(value);
        break;
    case KIND_SECONDS:
        *(uint64_t *)field = to_usec(number_of(value));
        break;
    case KIND_STRING:
        *(const char **)field = config_setting_get_string(value);
        break;
    case KIND_CHOICE:
        *(int *)field = find_choice(row->choices, config_setting_get_string(value))->value;
        break;
    }
}

int value_store(const struct setting *row, const config_setting_t *value, void *base,
                struct err *ret_err)
{
    const char *wanted = wrong_type(row, value);

    if (wanted)
        return err_set(ret_err, "must be %s, and is %s", wanted, value_type(value));
    if (check_range(row, value, ret_err) < 0)
        return -1;
    store(row, value, base);
    return 0;
}

static config_setting_t *parse_as_value(const char *text, config_t *scratch)
{
    char *wide = settings_text_widen(text), *line = NULL;
    config_setting_t *root, *value = NULL;

    if (wide && asprintf(&line, "v = %s;", wide) >= 0 &&
        config_read_string(scratch, line) == CONFIG_TRUE) {
        root = config_root_setting(scratch);
        value = config_setting_get_member(root, "v");
        if (config_setting_length(root) != 1 || !config_setting_is_scalar(value))
            value = NULL;
    }
    free(line);
    free(wide);
    return value;
}

config_setting_t *value_parse(const struct setting *row, const char *text, config_t *scratch)
{
    bool is_text = row->kind == KIND_STRING || row->kind == KIND_CHOICE;
    config_setting_t *value;

    if (!is_text || text[0] == '"') {
        value = parse_as_value(text, scratch);
        if (value || config_error_type(scratch) != CONFIG_ERR_PARSE)
            return value;
        config_destroy(scratch);
        config_init(scratch);
    }
    value = config_setting_add(config_root_setting(scratch), "v", CONFIG_TYPE_STRING);
    if (value)
        config_setting_set_string(value, text);
    return value;
}

/* config_setting_lookup() of libconfig 1.5 takes its path apart in place. */
config_setting_t *value_lookup(config_setting_t *group, const char *name)
{
    char path[NAME_LIMIT];

    snprintf(path, sizeof(path), "%s", name);
    return config_setting_lookup(group, path);
}
