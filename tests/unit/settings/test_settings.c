/* test_settings.c - settings from files and -o: their values. */
#include "settings_helper.h"

#include <stdlib.h>
#include <string.h>

/* ---- a sink that keeps what is reported ---- */

static struct settings *load(const char *text)
{
    return load_with(text, no_overrides);
}

/* ---- values ---- */

static void an_empty_file_means_the_defaults(void **state)
{
    struct settings *settings = good("");
    const struct listener_settings *listener = &settings->listeners[0];

    (void)state;
    assert_int_equal(settings->max_clients, 1000);
    assert_true(settings->drain_timeout_usec == 30 * USEC_PER_SEC);
    assert_int_equal(settings->log_target, LOG_TARGET_AUTO);
    assert_int_equal(settings->log_level, LOG_INFO);
    assert_int_equal(settings->n_listeners, 1);
    assert_string_equal(listener->listen.name, "echo");
    assert_string_equal(listener->listen.host, "localhost");
    assert_int_equal(listener->listen.port, 7);
    assert_int_equal(listener->listen.backlog, 511);
    assert_true(listener->listen.reuse);
    assert_false(listener->listen.reuse_port);
    assert_false(listener->health);
    assert_true(listener->listen.nodelay);
    assert_int_equal(listener->listen.keepalive_sec, 0);
    assert_true(listener->limits.handshake_usec == 10 * USEC_PER_SEC);
    assert_true(listener->limits.idle_usec == 300 * USEC_PER_SEC);
    assert_true(listener->limits.session_usec == 0);
    assert_true(listener->limits.max_bytes == 0);
    assert_int_equal(listener->access.allow.n, 0);
    assert_int_equal(listener->access.deny.n, 0);
    assert_int_equal(listener->access.max_clients_per_source, 64);
    assert_int_equal(listener->access.source_prefix_v4, 32);
    assert_int_equal(listener->access.source_prefix_v6, 64);
    assert_int_equal(listener->access.rate_per_source, 0);
    assert_false(listener->tls_enabled);
    assert_null(listener->tls.certificate);
    assert_null(listener->tls.key);
    assert_int_equal(listener->tls.min_version, TLS_V1_2);
    assert_int_equal(listener->tls.max_version, TLS_NEWEST);
    assert_non_null(listener->tls.ciphers);
    assert_null(listener->tls.ciphersuites);
    assert_null(listener->tls.groups);
    assert_int_equal(listener->tls.tickets, 2);
    assert_true(listener->tls.ticket_usec == 7200 * USEC_PER_SEC);
    settings_free(settings);
}

static void the_top_level_is_the_only_listener(void **state)
{
    struct settings *settings = good("host = \"*\"; port = 7007; max_clients = 5;\n"
                                     "tls = { tickets = 3; };\n"
                                     "log = { level = \"debug\"; target = \"stderr\"; };\n");

    (void)state;
    assert_int_equal(settings->n_listeners, 1);
    assert_string_equal(settings->listeners[0].listen.host, "*");
    assert_int_equal(settings->listeners[0].listen.port, 7007);
    assert_int_equal(settings->listeners[0].tls.tickets, 3);
    assert_int_equal(settings->max_clients, 5);
    assert_int_equal(settings->log_level, LOG_DEBUG);
    assert_int_equal(settings->log_target, LOG_TARGET_STDERR);
    settings_free(settings);
}

static void listeners_begin_as_the_top_level_says(void **state)
{
    struct settings *settings = good(
        "port = 7007; idle_timeout = 1.5; nodelay = false;\n"
        "tls = { certificate = \"c\"; key = \"k\"; tickets = 3; max_version = \"TLSv1.3\"; };\n"
        "listeners = (\n"
        "    { name = \"a\"; },\n"
        "    { name = \"b\"; port = 7008; nodelay = true; },\n"
        "    { name = \"c\"; port = 7009; tls = { enabled = true; key = \"own\"; }; }\n"
        ");\n");
    const struct listener_settings *a = &settings->listeners[0], *b = a + 1, *c = a + 2;

    (void)state;
    assert_int_equal(settings->n_listeners, 3);
    assert_string_equal(a->listen.name, "a");
    assert_int_equal(a->listen.port, 7007);
    assert_int_equal(b->listen.port, 7008);
    assert_int_equal(c->listen.port, 7009);
    assert_false(a->listen.nodelay);
    assert_true(b->listen.nodelay);
    assert_false(c->listen.nodelay);
    for (size_t i = 0; i < 3; i++) {
        assert_true(settings->listeners[i].limits.idle_usec == 1500000);
        assert_int_equal(settings->listeners[i].tls.tickets, 3);
        assert_int_equal(settings->listeners[i].tls.max_version, TLS_V1_3);
        assert_string_equal(settings->listeners[i].tls.certificate, "c");
    }
    assert_false(a->tls_enabled);
    assert_true(c->tls_enabled);
    assert_string_equal(a->tls.key, "k");
    assert_string_equal(c->tls.key, "own");
    settings_free(settings);
}

/* The order in the file does not matter: what follows the list is a default all the same. */
static void the_top_level_may_follow_the_listeners(void **state)
{
    struct settings *settings = good("listeners = ( { name = \"a\"; } );\nport = 7007;\n");

    (void)state;
    assert_int_equal(settings->listeners[0].listen.port, 7007);
    settings_free(settings);
}

static uint64_t idle_usec(const char *value)
{
    char text[64];
    struct settings *settings;
    uint64_t usec;

    snprintf(text, sizeof(text), "idle_timeout = %s;", value);
    settings = good(text);
    usec = settings->listeners[0].limits.idle_usec;
    settings_free(settings);
    return usec;
}

static void seconds_may_have_decimals(void **state)
{
    (void)state;
    assert_true(idle_usec("0") == 0);
    assert_true(idle_usec("5") == 5000000);
    assert_true(idle_usec("5L") == 5000000);
    assert_true(idle_usec("0x10") == 16000000);
    assert_true(idle_usec("0.1") == 100000);
    assert_true(idle_usec("0.000001") == 1);
    assert_true(idle_usec("1.0000014") == 1000001);
    assert_true(idle_usec("1.0000016") == 1000002);
    assert_true(idle_usec("2.5e2") == 250000000);
    assert_true(idle_usec("86399.999999") == UINT64_C(86399999999));
}

/* 0 would mean never: what is so little above it must not become that. */
static void a_little_is_not_never(void **state)
{
    struct settings *settings = load("idle_timeout = 0.0000001;");
    uint64_t usec = settings ? settings->listeners[0].limits.idle_usec : 0;
    bool refused = !settings;

    (void)state;
    settings_free(settings);
    assert_true(refused || usec > 0);
}

static int64_t max_bytes(const char *value)
{
    char text[64];
    struct settings *settings;
    int64_t bytes;

    snprintf(text, sizeof(text), "max_bytes = %s;", value);
    settings = good(text);
    bytes = settings->listeners[0].limits.max_bytes;
    settings_free(settings);
    return bytes;
}

static void bytes_may_have_64_bits(void **state)
{
    (void)state;
    assert_true(max_bytes("1") == 1);
    assert_true(max_bytes("2147483647") == INT64_C(2147483647));
    assert_true(max_bytes("2147483648L") == INT64_C(2147483648));
    assert_true(max_bytes("9000000000000000L") == INT64_C(9000000000000000));
    assert_true(max_bytes("0x7FFFFFFFL") == INT64_C(0x7FFFFFFF));
}

/* libconfig cuts what has no L to 32 bits: 5 GB must not become 705 MB without a word. */
static void no_number_is_cut(void **state)
{
    struct settings *settings = load("max_bytes = 5000000000;");
    int64_t bytes = settings ? settings->listeners[0].limits.max_bytes : 0;
    bool refused = !settings;

    (void)state;
    settings_free(settings);
    assert_true(refused || bytes == INT64_C(5000000000));
}

static void no_number_is_cut_into_its_range(void **state)
{
    struct settings *settings = load("port = 4294967303;");

    (void)state;
    settings_free(settings);
    assert_null(settings);
    assert_fault("1: port: ");
}

static void texts_keep_every_byte(void **state)
{
    struct settings *settings = good("name = \"a\\\"b\\\\c\\t\\x01f\xc3\xb6\xff\";\n"
                                     "host = \"local\" \"host\";\n");

    (void)state;
    assert_string_equal(settings->listeners[0].listen.name, "a\"b\\c\t\x01"
                                                            "f\xc3\xb6\xff");
    assert_string_equal(settings->listeners[0].listen.host, "localhost");
    settings_free(settings);
}

/* ---- lists ---- */

static void assert_networks(const struct cidrs *networks, const char *wanted)
{
    char text[1024] = "", one[CIDR_TEXT_MAX];

    for (size_t i = 0; i < networks->n; i++) {
        strcat(text, i == 0 ? "" : " ");
        strcat(text, cidr_format(&networks->list[i], one));
    }
    assert_string_equal(text, wanted);
}

static void lists_are_arrays_lists_or_one_text(void **state)
{
    struct settings *settings =
        good("allow = [ \"127.0.0.0/8\", \"::1\" ];\n"
             "deny = ( \"10.0.0.0\" \"/8\", # a comment, \"and a text\"\n \"2001:db8::/32\" );\n"
             "listeners = ( { name = \"a\"; port = 1; }, { name = \"b\"; port = 2; allow = []; },\n"
             "    { name = \"c\"; port = 3; allow = \"192.0.2.1\"; deny = (); } );");
    const struct access_rules *a = &settings->listeners[0].access;
    const struct access_rules *b = &settings->listeners[1].access;
    const struct access_rules *c = &settings->listeners[2].access;

    (void)state;
    assert_networks(&a->allow, "127.0.0.0/8 ::1/128");
    assert_networks(&a->deny, "10.0.0.0/8 2001:db8::/32");
    assert_networks(&b->allow, "");
    assert_networks(&b->deny, "10.0.0.0/8 2001:db8::/32");
    assert_networks(&c->allow, "192.0.2.1/32");
    assert_networks(&c->deny, "");
    settings_free(settings);
}

static void overrides_may_be_lists(void **state)
{
    static const char *const overrides[] = {"allow=[\"192.0.2.0/24\", \"2001:db8::/32\"]",
                                            "listeners.[1].allow=198.51.100.0/24", "deny=(\"::1\")",
                                            "deny=[]", NULL};
    struct settings *settings = good_with("deny = [ \"127.0.0.1\" ];\n"
                                          "listeners = ( { name = \"a\"; port = 1; },\n"
                                          "    { name = \"b\"; port = 2; } );",
                                          overrides);

    (void)state;
    assert_networks(&settings->listeners[0].access.allow, "192.0.2.0/24 2001:db8::/32");
    assert_networks(&settings->listeners[0].access.deny, "");
    assert_networks(&settings->listeners[1].access.allow, "198.51.100.0/24");
    settings_free(settings);
}

/* ---- -o ---- */

static void overrides_go_before_the_file(void **state)
{
    static const char *const overrides[] = {"port=1",
                                            "port=7009",
                                            "name=two words",
                                            "host=\"::1\"",
                                            "log.level=debug",
                                            "tls.tickets=5",
                                            "max_bytes=5L",
                                            "reuse=false",
                                            "idle_timeout=0.5",
                                            "tls.certificate=c",
                                            NULL};
    struct settings *settings = good_with("port = 7007; tls = { key = \"k\"; };", overrides);
    const struct listener_settings *listener = &settings->listeners[0];

    (void)state;
    assert_int_equal(listener->listen.port, 7009);
    assert_string_equal(listener->listen.name, "two words");
    assert_string_equal(listener->listen.host, "::1");
    assert_int_equal(settings->log_level, LOG_DEBUG);
    assert_int_equal(listener->tls.tickets, 5);
    assert_true(listener->limits.max_bytes == 5);
    assert_false(listener->listen.reuse);
    assert_true(listener->limits.idle_usec == 500000);
    assert_string_equal(listener->tls.certificate, "c");
    assert_string_equal(listener->tls.key, "k");
    settings_free(settings);
}

static void overrides_reach_one_listener(void **state)
{
    static const char *const overrides[] = {"listeners.[1].port=7009",
                                            "listeners.[1].tls.tickets=5", "port=7010", NULL};
    struct settings *settings =
        good_with("listeners = ( { name = \"a\"; }, { name = \"b\"; port = 7008; } );", overrides);

    (void)state;
    assert_int_equal(settings->listeners[0].listen.port, 7010);
    assert_int_equal(settings->listeners[1].listen.port, 7009);
    assert_int_equal(settings->listeners[0].tls.tickets, 2);
    assert_int_equal(settings->listeners[1].tls.tickets, 5);
    settings_free(settings);
}

static void overrides_mend_the_file(void **state)
{
    static const char *const overrides[] = {"port=7009", NULL};
    struct settings *settings = good_with("port = \"wrong\";", overrides);

    (void)state;
    assert_int_equal(settings->listeners[0].listen.port, 7009);
    settings_free(settings);
}

static void wrong_overrides_are_faults(void **state)
{
    static const char two[] = "listeners = ( { name = \"a\"; }, { name = \"b\"; port = 7008; } );";

    (void)state;
    assert_bad_override("", "port", "-o: : \"port\" is not NAME=VALUE");
    assert_bad_override("", "=7", "-o: : \"=7\" is not NAME=VALUE");
    assert_bad_override("", "", "-o: : \"\" is not NAME=VALUE");
    assert_bad_override("", "prot=7", "-o: prot: no such setting; did you mean port?");
    assert_bad_override("", "port=65536", "-o: port: 65536 is not in the range");
    assert_bad_override("", "port=7.5", "-o: port: must be a whole number");
    assert_bad_override("", "port=", "-o: port: ");
    assert_bad_override("", "port=seven", "-o: port: ");
    assert_bad_override("", "port={}", "-o: port: ");
    assert_bad_override("", "port=7; name = \"x\"", "-o: port: ");
    assert_bad_override("", "port=7;\n@include \"/\"", "-o: port: ");
    assert_bad_override("", "port=[7]", "-o: port: must be a whole number, and is a list");
    assert_bad_override("", "port=({ a = [ 1 ]; })", "-o: port: must be a whole number");
    assert_bad_override("", "allow=192.0.2.1/24", "-o: allow: 192.0.2.1/24 has bits beyond");
    assert_bad_override("", "allow=[\"::\", \"x\"]", "-o: allow: \"x\" is no network");
    assert_bad_override("", "name=", "-o: name: must have 1 to 63 bytes, and has 0");
    assert_bad_override("", "tls=true", "-o: tls: ");
    assert_bad_override("", "listeners=1", "-o: listeners: ");
    assert_bad_override("", "listeners.[0].port=7", "-o: port: the file has no listeners.[0]");
    assert_bad_override(two, "listeners.[2].port=7", "-o: port: the file has no listeners.[2]");
    assert_bad_override(two, "listeners.[1].prt=7", "-o: prt: no such setting");
    assert_bad_override(two, "listeners.[1].max_clients=7", "-o: max_clients: is of the whole");
}

static void wrong_overrides_are_all_reported_beside_the_file(void **state)
{
    static const char *const overrides[] = {"prot=7", "backlog=0", "name", NULL};
    static const char *const wanted[] = {"-o: prot: no such setting", "-o: backlog: 0 is not in",
                                         "-o: : \"name\" is not NAME=VALUE",
                                         "2: port: 65536 is not in the range"};

    (void)state;
    assert_faults_with("\nport = 65536;\n", overrides, COUNT(wanted), wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_means_the_defaults),
        cmocka_unit_test(the_top_level_is_the_only_listener),
        cmocka_unit_test(listeners_begin_as_the_top_level_says),
        cmocka_unit_test(the_top_level_may_follow_the_listeners),
        cmocka_unit_test(seconds_may_have_decimals),
        cmocka_unit_test(a_little_is_not_never),
        cmocka_unit_test(bytes_may_have_64_bits),
        cmocka_unit_test(no_number_is_cut),
        cmocka_unit_test(no_number_is_cut_into_its_range),
        cmocka_unit_test(texts_keep_every_byte),
        cmocka_unit_test(lists_are_arrays_lists_or_one_text),
        cmocka_unit_test(overrides_may_be_lists),
        cmocka_unit_test(overrides_go_before_the_file),
        cmocka_unit_test(overrides_reach_one_listener),
        cmocka_unit_test(overrides_mend_the_file),
        cmocka_unit_test(wrong_overrides_are_faults),
        cmocka_unit_test(wrong_overrides_are_all_reported_beside_the_file),
    };

    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
