/* test_settings_schema.c - the tables of settings: every row holds what it says. */
#include "settings_helper.h"

#include "settings/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tables ---- */

typedef void row_test(const struct setting *row);

static void for_each_row(row_test *test)
{
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; i < tables[t]->n; i++)
            test(&tables[t]->rows[i]);
}

/* Big enough for either struct that the rows point into. */
union base {
    struct settings settings;
    struct listener_settings listener;
};

static void assert_is_right(const struct setting *row, const config_setting_t *value)
{
    struct err err;

    for (unsigned i = 0; i < value_parts(row, value); i++)
        if (value_check(row, value_part(row, value, i), &err) < 0)
            fail_msg("the default of %s: %s", row->name, err.text);
}

static void assert_default_is_allowed(const struct setting *row)
{
    union base base;
    config_t scratch;
    config_setting_t *value;
    struct err err;

    if (!row->initial) {
        /* no other kind can be left without a value */
        assert_true(row->kind == KIND_STRING || row->kind == KIND_PATH || row->kind == KIND_GROUPS);
        return;
    }
    config_init(&scratch);
    value = value_parse(row, row->initial, &scratch, &err);
    assert_non_null(value);
    assert_is_right(row, value);
    assert_int_equal(value_store(row, value, &base, &err), 0);
    if (row->kind == KIND_CIDRS || row->kind == KIND_STRINGS)
        assert_int_equal(value_parts(row, value), 0); /* nothing would own them */
    config_destroy(&scratch);
}

static void every_default_is_allowed(void **state)
{
    (void)state;
    for_each_row(assert_default_is_allowed);
}

static void assert_row_is_in_order(const struct setting *row)
{
    size_t help = strlen(row->help);

    assert_true(help > 0 && row->help[help - 1] == '.');
    assert_int_equal(row->kind == KIND_CHOICE, row->choices != NULL);
    assert_true(row->min <= row->max);
    assert_true(row->kind == KIND_BOOL || row->kind == KIND_CHOICE || row->kind == KIND_CIDRS ||
                row->kind == KIND_GROUPS || row->min < row->max);
    assert_true(table_find(&global_table, row->name) == row ||
                table_find(&listener_table, row->name) == row);
}

static void every_row_is_in_order(void **state)
{
    (void)state;
    for_each_row(assert_row_is_in_order);
}

static bool is_number(const struct setting *row)
{
    return row->kind == KIND_INT || row->kind == KIND_BYTES || row->kind == KIND_SECONDS;
}

/* Whether -o takes the value, which %.0f makes a whole number. */
static bool takes(const struct setting *row, const char *value)
{
    char override[4352];
    const char *const overrides[] = {override, NULL};
    struct settings *settings;

    snprintf(override, sizeof(override), "%s=%s", row->name, value);
    settings = load_with("", overrides);
    settings_free(settings);
    if (!settings) {
        assert_string_equal(kept[0].where, "-o");
        assert_string_equal(kept[0].setting, row->name);
        assert_int_equal(faults.count, 1);
    }
    return settings != NULL;
}

static bool takes_number(const struct setting *row, double number)
{
    char value[64];

    snprintf(value, sizeof(value), "%.0f%s", number, fabs(number) > INT32_MAX ? "L" : "");
    return takes(row, value);
}

static void assert_range_ends_where_it_says(const struct setting *row)
{
    if (!is_number(row))
        return;
    assert_true(takes_number(row, row->min));
    assert_true(takes_number(row, row->max));
    assert_false(takes_number(row, row->min - 1));
    assert_false(takes_number(row, row->max + 1));
    assert_int_equal(takes(row, "1.5"), row->kind == KIND_SECONDS);
    assert_false(takes(row, "true"));
    assert_false(takes(row, "\"1\""));
}

static void every_range_ends_where_it_says(void **state)
{
    (void)state;
    for_each_row(assert_range_ends_where_it_says);
}

static void assert_text_is_as_long_as_it_may(const struct setting *row)
{
    char value[4200];

    if (row->kind != KIND_STRING)
        return;
    memset(value, 'x', sizeof(value));
    assert_true((size_t)row->max + 1 < sizeof(value));
    value[(size_t)row->max + 1] = '\0';
    assert_false(takes(row, value));
    value[(size_t)row->max] = '\0';
    assert_true(takes(row, value));
    value[(size_t)row->min] = '\0';
    assert_true(takes(row, value));
    value[(size_t)row->min - 1] = '\0';
    assert_false(takes(row, value));
}

static void every_text_is_as_long_as_it_may(void **state)
{
    (void)state;
    for_each_row(assert_text_is_as_long_as_it_may);
}

/* One word alone may contradict another setting; that is no fault of the word. */
static void assert_takes_words(const struct setting *row)
{
    union base base;

    if (row->kind != KIND_CHOICE)
        return;
    for (const struct choice *choice = row->choices; choice->word; choice++) {
        config_t scratch;
        struct err err;

        config_init(&scratch);
        assert_int_equal(
            value_store(row, value_parse(row, choice->word, &scratch, &err), &base, &err), 0);
        assert_int_equal(*(int *)((char *)&base + row->offset), choice->value);
        config_destroy(&scratch);
    }
    assert_false(takes(row, "no such word"));
    assert_non_null(strstr(kept[0].text, row->choices[0].word));
}

static void every_choice_takes_its_words(void **state)
{
    (void)state;
    for_each_row(assert_takes_words);
}

static void assert_takes_true_and_false(const struct setting *row)
{
    if (row->kind != KIND_BOOL)
        return;
    assert_true(takes(row, "false"));
    assert_true(strcmp(row->name, "tls.enabled") == 0 || takes(row, "true"));
    assert_false(takes(row, "1"));
    assert_false(takes(row, "\"true\""));
}

static void every_switch_takes_true_and_false(void **state)
{
    (void)state;
    for_each_row(assert_takes_true_and_false);
}

static void assert_takes_networks(const struct setting *row)
{
    if (row->kind != KIND_CIDRS)
        return;
    assert_true(takes(row, "[]"));
    assert_true(takes(row, "()"));
    assert_true(takes(row, "192.0.2.0/24"));
    assert_true(takes(row, "\"192.0.2.0/24\""));
    assert_true(takes(row, "[\"192.0.2.0/24\", \"2001:db8::/32\"]"));
    assert_true(takes(row, "(\"192.0.2.0/24\")"));
    assert_false(takes(row, ""));
    assert_false(takes(row, "true"));
    assert_false(takes(row, "[7]"));
    assert_false(takes(row, "[\"192.0.2.0/24\""));
    assert_false(takes(row, "(\"192.0.2.0/24\", [])"));
    assert_false(takes(row, "({ a = 1; })"));
}

static void every_list_takes_networks(void **state)
{
    (void)state;
    for_each_row(assert_takes_networks);
}

/* ---- misspelt names ---- */

static const char *nearest(const char *name)
{
    const char *found = table_nearest(tables, COUNT(tables), name);

    return found ? found : "none";
}

static void misspelt_names_have_a_nearest_one(void **state)
{
    (void)state;
    assert_string_equal(nearest("prot"), "port");
    assert_string_equal(nearest("Port"), "port");
    assert_string_equal(nearest("max_client"), "max_clients");
    assert_string_equal(nearest("maxclients"), "max_clients");
    assert_string_equal(nearest("max_clients_per"), "max_clients_per_source");
    assert_string_equal(nearest("idle-timeout"), "idle_timeout");
    assert_string_equal(nearest("tls.certifcate"), "tls.certificate");
    assert_string_equal(nearest("certificate"), "tls.certificate");
    assert_string_equal(nearest("level"), "log.level");
    assert_string_equal(nearest("log.levle"), "log.level");
}

static void strange_names_have_none(void **state)
{
    (void)state;
    assert_string_equal(nearest("zzzzzzzz"), "none");
    assert_string_equal(nearest("colour"), "none");
    assert_string_equal(nearest("x"), "none");
}

static void endless_names_have_none(void **state)
{
    char name[256];

    (void)state;
    memset(name, 'z', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_string_equal(nearest(name), "none");
}

/* A letter that is missing, doubled or another one leaves the name the nearest. */
static void assert_survives_a_slip(const struct setting *row)
{
    size_t length = strlen(row->name), middle = length / 2;
    char name[64];

    snprintf(name, sizeof(name), "%.*s", (int)length - 1, row->name);
    assert_int_equal(strlen(nearest(name)), length);
    assert_memory_equal(nearest(name), name, length - 1); /* two names may differ in the last */
    snprintf(name, sizeof(name), "%.*s%s", (int)middle + 1, row->name, row->name + middle);
    assert_string_equal(nearest(name), row->name);
    snprintf(name, sizeof(name), "%s", row->name);
    name[middle] = '~';
    assert_string_equal(nearest(name), row->name);
}

static void every_name_survives_a_slip(void **state)
{
    (void)state;
    for_each_row(assert_survives_a_slip);
}

static void groups_are_known(void **state)
{
    (void)state;
    assert_true(table_has_group(&listener_table, "tls"));
    assert_true(table_has_group(&global_table, "log"));
    assert_false(table_has_group(&listener_table, "log"));
    assert_false(table_has_group(&listener_table, "tl"));
    assert_false(table_has_group(&listener_table, "tlss"));
    assert_false(table_has_group(&listener_table, "port"));
    assert_false(table_has_group(&listener_table, "tls.key"));
}

/* ---- settings of TLS and the tickets of sessions ---- */

/*
 * Whether two values of a setting make two contexts, so that a session of one does not resume in
 * the other (tls_set_session_context()); test_tls_tickets.c tries each that does. A setting that
 * decides who is trusted, or with which algorithms, must.
 */
static const struct {
    const char *name;
    bool parts_sessions;
} tls_settings[] = {
    {"tls.enabled", false},
    {"tls.certificate", true},
    {"tls.key", false},
    {"tls.ocsp_response", false},
    {"tls.sni", true},
    {"tls.strict_sni", true},
    {"tls.key_isolation", false},
    {"tls.min_version", false}, /* a ticket names its version */
    {"tls.max_version", false},
    {"tls.ciphers", true},
    {"tls.ciphersuites", true},
    {"tls.groups", true},
    {"tls.verify_client", true},
    {"tls.client_ca", true},
    {"tls.crl", true},
    {"tls.verify_depth", true},
    {"tls.client_names", true},
    {"tls.alpn", false},
    {"tls.tickets", false},
    {"tls.keylog", false},
    {"tls.ticket_keys", false},
    {"tls.ticket_lifetime", false},
};

static void assert_is_sorted(const struct setting *row)
{
    size_t n = sizeof(tls_settings) / sizeof(tls_settings[0]), i = 0;

    if (strncmp(row->name, "tls.", 4) != 0)
        return;
    while (i < n && strcmp(tls_settings[i].name, row->name) != 0)
        i++;
    if (i == n)
        fail_msg("%s is new: does it part sessions (src/tls/tls_tickets.c)? Then say so here",
                 row->name);
}

static void every_setting_of_tls_parts_sessions_or_does_not(void **state)
{
    (void)state;
    for_each_row(assert_is_sorted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_allowed),
        cmocka_unit_test(every_row_is_in_order),
        cmocka_unit_test(every_range_ends_where_it_says),
        cmocka_unit_test(every_text_is_as_long_as_it_may),
        cmocka_unit_test(every_choice_takes_its_words),
        cmocka_unit_test(every_switch_takes_true_and_false),
        cmocka_unit_test(every_list_takes_networks),
        cmocka_unit_test(misspelt_names_have_a_nearest_one),
        cmocka_unit_test(strange_names_have_none),
        cmocka_unit_test(endless_names_have_none),
        cmocka_unit_test(every_name_survives_a_slip),
        cmocka_unit_test(groups_are_known),
        cmocka_unit_test(every_setting_of_tls_parts_sessions_or_does_not),
    };

    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
