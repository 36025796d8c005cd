/* test_settings_dump.c - settings written back, as a file that loads to the same. */
#include "settings_helper.h"

#include <stdlib.h>
#include <string.h>

/* ---- and back ---- */

static char *print(const struct settings *settings)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    settings_dump(settings, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a)
        assert_string_equal(a, b);
}

static void assert_same_networks(const struct cidrs *a, const struct cidrs *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        assert_true(cidr_equal(&a->list[i], &b->list[i]));
}

static void assert_same_texts(const struct strings *a, const struct strings *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        assert_string_equal(a->list[i], b->list[i]);
}

static void assert_same_values(const struct table *table, const void *a, const void *b);

static void assert_same_groups(const struct table *table, const struct groups *a,
                               const struct groups *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        assert_same_values(table, (const char *)a->list + i * table->size,
                           (const char *)b->list + i * table->size);
}

static void assert_same_value(const struct setting *row, const void *a, const void *b)
{
    switch (row->kind) {
    case KIND_BOOL:
        assert_int_equal(*(const bool *)a, *(const bool *)b);
        break;
    case KIND_INT:
    case KIND_CHOICE:
        assert_int_equal(*(const int *)a, *(const int *)b);
        break;
    case KIND_BYTES:
        assert_true(*(const int64_t *)a == *(const int64_t *)b);
        break;
    case KIND_SECONDS:
        assert_true(*(const uint64_t *)a == *(const uint64_t *)b);
        break;
    case KIND_STRING:
    case KIND_PATH:
        assert_same_text(*(const char *const *)a, *(const char *const *)b);
        break;
    case KIND_CIDRS:
        assert_same_networks(a, b);
        break;
    case KIND_STRINGS:
        assert_same_texts(a, b);
        break;
    case KIND_GROUPS:
        assert_same_groups(row->elements, a, b);
        break;
    }
}

static void assert_same_values(const struct table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->n; i++)
        assert_same_value(&table->rows[i], (const char *)a + table->rows[i].offset,
                          (const char *)b + table->rows[i].offset);
}

static void assert_same_settings(const struct settings *a, const struct settings *b)
{
    assert_same_values(&global_table, a, b);
    assert_int_equal(a->n_listeners, b->n_listeners);
    for (size_t i = 0; i < a->n_listeners; i++)
        assert_same_values(&listener_table, &a->listeners[i], &b->listeners[i]);
}

/* A dump may be looked at on a terminal. */
static void assert_no_control_bytes(const char *text)
{
    for (; *text != '\0'; text++)
        assert_true((unsigned char)*text >= 0x20 ? *text != 0x7f : *text == '\n');
}

/* What is printed loads to the same settings, which print the same. */
static void assert_round_trip(const char *text)
{
    struct settings *first = good(text), *second;
    char *printed = print(first), *again;

    second = good(printed);
    again = print(second);
    assert_same_settings(first, second);
    assert_string_equal(printed, again);
    assert_no_control_bytes(printed);
    free(printed);
    free(again);
    settings_free(first);
    settings_free(second);
}

static void what_is_printed_loads_again(void **state)
{
    (void)state;
    assert_round_trip("");
    assert_round_trip(
        "max_clients = 1; drain_timeout = 0.000001; max_bytes = 9000000000000000L;\n"
        "log = { target = \"journal\"; level = \"error\"; };\n"
        "host = \"*\"; port = 0; backlog = 1; reuse = false; reuse_port = true;\n"
        "health = true;\n"
        "nodelay = false; keepalive = 1; handshake_timeout = 86399.999999;\n"
        "idle_timeout = 0; session_timeout = 31535999.999999;\n"
        "allow = [ \"0.0.0.0/0\", \"::ffff:10.0.0.0/104\" ]; deny = \"fe80::/10\";\n"
        "max_clients_per_source = 0; rate_per_source = 1000000;\n"
        "source_prefix_v4 = 1; source_prefix_v6 = 128;\n"
        "proxy_protocol = \"optional\"; proxy_trusted = \"10.0.0.0/8\";\n"
        "tls = { enabled = true; certificate = \"c\"; key = \"k\";\n"
        "    min_version = \"TLSv1\"; max_version = \"TLSv1.1\";\n"
        "    ciphers = \"ALL\"; ciphersuites = \"s\"; groups = \"g\";\n"
        "    tickets = 0; ticket_keys = \"t\"; ticket_lifetime = 1.5;\n"
        "    sni = ( { names = [ \"a\", \"*.b\" ]; certificate = \"c\\\"\"; key = \"k\"; },\n"
        "            { names = \"c\"; certificate = \"c\"; key = \"k\";\n"
        "              ocsp_response = \"o\"; } ); strict_sni = true;\n"
        "    verify_client = \"request\"; client_ca = \"ca\"; crl = \"crl\";\n"
        "    verify_depth = 0; client_names = [ \"a\", \"b\" ]; alpn = \"h2\"; };\n");
    assert_round_trip("port = 0; listeners = ( { name = \"a\"; }, { name = \"b\"; port = 1; },\n"
                      "    { name = \"c\"; max_bytes = 2147483648L; tls = { tickets = 0; }; } );");
}

static void every_byte_of_a_text_is_printed_right(void **state)
{
    char text[64];

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        /* digits behind, lest the byte's own escape take them in */
        snprintf(text, sizeof(text), "name = \"a\\x%02xf0\";", (unsigned)byte);
        assert_round_trip(text);
    }
}

static void every_fraction_of_a_second_is_printed_right(void **state)
{
    char text[64];

    (void)state;
    for (unsigned usec = 1; usec < USEC_PER_SEC; usec = usec * 3 + 1) {
        snprintf(text, sizeof(text), "idle_timeout = 86399.%06u;", usec);
        assert_round_trip(text);
    }
}

static void what_is_printed_explains_itself(void **state)
{
    struct settings *settings = good("");
    char *printed = print(settings);

    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; i < tables[t]->n; i++)
            assert_non_null(strstr(printed, tables[t]->rows[i].help));
    free(printed);
    settings_free(settings);
}

static void nothing_can_be_freed(void **state)
{
    (void)state;
    settings_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_loads_again),
        cmocka_unit_test(every_byte_of_a_text_is_printed_right),
        cmocka_unit_test(every_fraction_of_a_second_is_printed_right),
        cmocka_unit_test(what_is_printed_explains_itself),
        cmocka_unit_test(nothing_can_be_freed),
    };

    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
