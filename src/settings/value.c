/* value.c - checks and stores one value of the file by one row of the tables. */
#include "settings/value.h"

#include "settings/text.h"

#include <errno.h>
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

/* ---- the parts of a value ---- */

static bool takes_list(const struct setting *row)
{
    return row->kind == KIND_CIDRS || row->kind == KIND_STRINGS;
}

static bool is_list(const config_setting_t *value)
{
    return config_setting_is_array(value) || config_setting_is_list(value);
}

unsigned value_parts(const struct setting *row, const config_setting_t *value)
{
    return takes_list(row) && is_list(value) ? (unsigned)config_setting_length(value) : 1;
}

const config_setting_t *value_part(const struct setting *row, const config_setting_t *value,
                                   unsigned i)
{
    return takes_list(row) && is_list(value) ? config_setting_get_elem(value, i) : value;
}

/* ---- right or wrong ---- */

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

/* Returns NULL if the value has the type of the row, else the name of the type that is wanted. */
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
    case KIND_CIDRS:
        return config_setting_type(value) == CONFIG_TYPE_STRING ? NULL : "a network, as a text";
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

/* Returns 0 if the row allows the value, which has the right type. */
static int check_range(const struct setting *row, const config_setting_t *value,
                       struct err *ret_err)
{
    const char *text = config_setting_get_string(value);
    struct cidr network;
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
    case KIND_CIDRS:
        return cidr_parse(text, &network, ret_err);
    case KIND_STRING:
    case KIND_PATH:
    case KIND_STRINGS:
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

/* libconfig does not check whether it got the memory for a text. */
static bool is_lost(const config_setting_t *value)
{
    return config_setting_type(value) == CONFIG_TYPE_STRING && !config_setting_get_string(value);
}

int value_check(const struct setting *row, const config_setting_t *part, struct err *ret_err)
{
    const char *wanted = wrong_type(row, part);

    if (wanted)
        return err_set(ret_err, "must be %s, and is %s", wanted, value_type(part));
    if (is_lost(part))
        return err_set(ret_err, "cannot be kept: %s", strerror(ENOMEM));
    return check_range(row, part, ret_err);
}

/* ---- storing ---- */

/* 0 means never, so a tiny positive value must not become 0. */
static uint64_t to_usec(double seconds)
{
    uint64_t usec = (uint64_t)llround(seconds * (double)USEC_PER_SEC);

    return usec == 0 && seconds > 0 ? 1 : usec;
}

static int store_networks(const struct setting *row, config_setting_t *value,
                          struct cidrs *ret_networks, struct err *ret_err)
{
    struct cidrs networks = {.n = value_parts(row, value)};

    if (networks.n > 0) {
        networks.list = calloc(networks.n, sizeof(*networks.list));
        if (!networks.list)
            return err_set(ret_err, "cannot be kept: %s", strerror(errno));
    }
    for (unsigned i = 0; i < networks.n; i++)
        cidr_parse(config_setting_get_string(value_part(row, value, i)), &networks.list[i],
                   ret_err);
    config_setting_set_hook(value, networks.list);
    *ret_networks = networks;
    return 0;
}

static int store_texts(const struct setting *row, config_setting_t *value,
                       struct strings *ret_texts, struct err *ret_err)
{
    struct strings texts = {.n = value_parts(row, value)};

    if (texts.n > 0) {
        texts.list = calloc(texts.n, sizeof(*texts.list));
        if (!texts.list)
            return err_set(ret_err, "cannot be kept: %s", strerror(errno));
    }
    for (unsigned i = 0; i < texts.n; i++)
        texts.list[i] = config_setting_get_string(value_part(row, value, i));
    config_setting_set_hook(value, texts.list);
    *ret_texts = texts;
    return 0;
}

/* "credential:NAME" is a file from the service manager (systemd.exec(5), LoadCredential=). */
static int store_path(config_setting_t *value, const char **ret_path, struct err *ret_err)
{
    static const char prefix[] = "credential:";
    const char *text = config_setting_get_string(value), *name = text + sizeof(prefix) - 1;
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *path;

    if (strncmp(text, prefix, sizeof(prefix) - 1) != 0) {
        *ret_path = text;
        return 0;
    }
    if (name[0] == '\0' || strchr(name, '/'))
        return err_set(ret_err, "\"%s\" is no name of a credential", name);
    if (!directory)
        return err_set(ret_err, "no credentials were passed: $CREDENTIALS_DIRECTORY is not set");
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return err_set(ret_err, "cannot be kept: %s", strerror(errno));
    config_setting_set_hook(value, path);
    *ret_path = path;
    return 0;
}

int value_store(const struct setting *row, config_setting_t *value, void *base, struct err *ret_err)
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
    case KIND_PATH:
        return store_path(value, field, ret_err);
    case KIND_STRINGS:
        return store_texts(row, value, field, ret_err);
    case KIND_CIDRS:
        return store_networks(row, value, field, ret_err);
    case KIND_GROUPS: /* settings.c walks these */
        break;
    }
    return 0;
}

/* ---- values from strings ---- */

static config_setting_t *parse_as_value(const char *text, config_t *scratch, struct err *ret_err)
{
    config_setting_t *root, *value = NULL;
    char *whole = settings_text_value(text, ret_err);

    if (!whole)
        return NULL;
    err_set(ret_err, "\"%s\" is no single value", text);
    if (config_read_string(scratch, whole) == CONFIG_TRUE) {
        root = config_root_setting(scratch);
        if (config_setting_length(root) == 1)
            value = config_setting_get_member(root, "v");
    }
    free(whole);
    return value;
}

/* Whether the string is itself the text, without quotes. */
static bool is_bare(const struct setting *row, const char *text)
{
    bool takes_text = row->kind == KIND_STRING || row->kind == KIND_PATH ||
                      row->kind == KIND_CHOICE || takes_list(row);

    return takes_text && text[0] != '"' && !(takes_list(row) && (text[0] == '[' || text[0] == '('));
}

config_setting_t *value_parse(const struct setting *row, const char *text, config_t *scratch,
                              struct err *ret_err)
{
    config_setting_t *value;

    if (!is_bare(row, text)) {
        value = parse_as_value(text, scratch, ret_err);
        if (value || config_error_type(scratch) != CONFIG_ERR_PARSE)
            return value;
        config_destroy(scratch);
        config_init(scratch);
    }
    value = config_setting_add(config_root_setting(scratch), "v", CONFIG_TYPE_STRING);
    if (value)
        config_setting_set_string(value, text);
    if (value && !is_lost(value))
        return value;
    err_set(ret_err, "cannot be kept: %s", strerror(ENOMEM));
    return NULL;
}

/* config_setting_lookup() of libconfig 1.5 takes its path apart in place. */
config_setting_t *value_lookup(config_setting_t *group, const char *name)
{
    char path[NAME_LIMIT];

    snprintf(path, sizeof(path), "%s", name);
    return config_setting_lookup(group, path);
}
