/* test_settings_faults.c - what is wrong with settings, each with its place. */
#include "settings_helper.h"

#include <stdlib.h>
#include <string.h>

/* ---- a sink that keeps what is reported ---- */

static void assert_bad(const char *text, const char *wanted)
{
    assert_faults_with(text, no_overrides, 1, &wanted);
}

/* ---- faults ---- */

static void every_fault_is_reported_with_its_place(void **state)
{
    static const char text[] = "max_clients = 0;\n"
                               "prot = 7007;\n"
                               "idle_timeout = \"long\";\n"
                               "log = { level = \"loud\";\n"
                               "        colour = true; };\n"
                               "tls = true;\n"
                               "listeners = (\n"
                               "    { port = 8; name = \"\";\n"
                               "      drain_timeout = 1; },\n"
                               "    7,\n"
                               "    { tls = {\n"
                               "        tickets = 17; }; }\n"
                               ");\n";
    static const char *const wanted[] = {
        "1: max_clients: 0 is not in the range from 1 to 65536",
        "2: prot: no such setting; did you mean port?",
        "3: idle_timeout: must be a number of seconds, and is a text",
        "4: log.level: \"loud\" is not one of error, warning, notice, info or debug",
        "5: log.colour: no such setting",
        "6: tls: must be a group, and is true or false",
        "8: name: must have 1 to 63 bytes, and has 0",
        "9: drain_timeout: is of the whole daemon, not of one listener",
        "10: listeners: every element must be a group, and this is a whole number",
        "12: tls.tickets: 17 is not in the range from 0 to 16",
    };

    (void)state;
    assert_faults_with(text, no_overrides, COUNT(wanted), wanted);
}

static void faults_of_other_files_count_apart(void **state)
{
    struct settings *settings = NULL;

    (void)state;
    write_file(conf, "port = 7007;");
    faults = (struct faults){.report = keep, .count = 3};
    assert_int_equal(settings_load(conf, no_overrides, &faults, &settings), 0);
    assert_int_equal(faults.count, 3);
    settings_free(settings);
}

static void files_that_cannot_be_read_are_faults(void **state)
{
    static const char missing[] = "/no/such/directory/echod.conf";
    struct settings *settings = NULL;

    (void)state;
    faults = (struct faults){.report = keep};
    assert_int_equal(settings_load(missing, no_overrides, &faults, &settings), -1);
    assert_string_equal(kept[0].where, missing);
    assert_string_equal(kept[0].setting, "");
    assert_non_null(strstr(kept[0].text, "No such file or directory"));
    assert_int_equal(settings_load(directory, no_overrides, &faults, &settings), -1);
    assert_string_equal(kept[1].where, directory);
    assert_non_null(strstr(kept[1].text, "Is a directory"));
    assert_null(settings);
}

static void syntax_has_its_place(void **state)
{
    (void)state;
    assert_bad("port = 7007;\nhost localhost;\n", "2: : syntax error");
    assert_bad("port = 7;\n\nport = 8;\n", "3: : duplicate");
    assert_bad("\n@include \"no-such-file.conf\"\n", "2: : cannot open include file");
}

static void included_files_are_found_beside_the_file(void **state)
{
    struct settings *settings;
    char wanted[256];

    (void)state;
    write_file(included, "port = 7007;\n");
    settings = good("@include \"included.conf\"\nbacklog = 5;\n");
    assert_int_equal(settings->listeners[0].listen.port, 7007);
    assert_int_equal(settings->listeners[0].listen.backlog, 5);
    settings_free(settings);

    write_file(included, "\nport = 65536;\n");
    snprintf(wanted, sizeof(wanted), "%s:2: port: 65536 is not in the range", included);
    assert_bad("@include \"included.conf\"\n", wanted);
}

static void unknown_names_are_faults(void **state)
{
    (void)state;
    assert_bad("zzzzzzzz = 1;", "1: zzzzzzzz: no such setting");
    assert_bad("zzzzzzzz = { enabled = true; };", "1: zzzzzzzz: no such setting");
    assert_bad("tls = { tls = { enabled = true; }; };", "1: tls.tls: no such setting");
    assert_bad("listeners = ( { zzzzzzzz = 1; } );", "1: zzzzzzzz: no such setting");
    assert_bad("listeners = ( { max_clients = 1; } );", "1: max_clients: is of the whole daemon");
}

static void wrong_types_are_told_from_right_ones(void **state)
{
    (void)state;
    assert_bad("port = \"7\";", "1: port: must be a whole number, and is a text");
    assert_bad("port = 7.0;", "1: port: must be a whole number, and is a decimal number");
    assert_bad("port = true;", "1: port: must be a whole number, and is true or false");
    assert_bad("port = [7];", "1: port: must be a whole number, and is a list");
    assert_bad("port = (7);", "1: port: must be a whole number, and is a list");
    assert_bad("port = {};", "1: port: must be a whole number, and is a group");
    assert_bad("reuse = 1;", "1: reuse: must be true or false, and is a whole number");
    assert_bad("reuse = 1L;", "1: reuse: must be true or false, and is a whole number");
    assert_bad("idle_timeout = true;", "1: idle_timeout: must be a number of seconds");
    assert_bad("max_bytes = 1.0;", "1: max_bytes: must be a whole number");
    assert_bad("host = 7;", "1: host: must be a text, and is a whole number");
    assert_bad("log = { level = 7; };", "1: log.level: must be a text, and is a whole number");
    assert_bad("allow = 7;", "1: allow: must be a network, as a text, and is a whole number");
    assert_bad("deny = {};", "1: deny: must be a network, as a text, and is a group");
    assert_bad("deny = ( [] );", "1: deny: must be a network, as a text, and is a list");
    assert_bad("log = ( );", "1: log: must be a group, and is a list");
    assert_bad("listeners = { };", "1: listeners: must be a list");
    assert_bad("listeners = ( );", "1: listeners: must be a list of at least one group");
    assert_bad("listeners = [ 7 ];", "1: listeners: must be a list");
}

/* libconfig would have each text on the line of what follows it. */
static void every_element_has_its_place(void **state)
{
    static const char text[] = "allow = [\n"
                               "    \"192.0.2.1/24\",\n"
                               "    \"192.0.2.0/24\" # right\n"
                               "    , \"::/129\" /* wrong,\n"
                               "         and at length */\n"
                               "];\n"
                               "deny = ( 7,\n"
                               "    \"192.0.2.0\"\n"
                               "    \"/33\"\n"
                               "\n"
                               ");\n"
                               "listeners = ( { deny =\n"
                               "    [ \"x\"\n"
                               "    ]; } );\n";
    static const char *const wanted[] = {
        "2: allow: 192.0.2.1/24 has bits beyond its prefix; did you mean 192.0.2.0/24?",
        "4: allow: \"::/129\": the prefix must be a whole number from 0 to 128",
        "7: deny: must be a network, as a text, and is a whole number",
        "9: deny: \"192.0.2.0/33\": the prefix must be a whole number from 0 to 32",
        "13: deny: \"x\" is no network",
    };

    (void)state;
    assert_faults_with(text, no_overrides, COUNT(wanted), wanted);
}

static void tls_needs_a_certificate_and_a_key(void **state)
{
    static const char *const both[] = {"1: tls.certificate: is missing", "1: tls.key: is missing"};

    (void)state;
    assert_faults_with("tls = { enabled = true; };", no_overrides, 2, both);
    assert_bad("tls = { enabled = true; key = \"k\"; };", "1: tls.certificate: is missing");
    assert_bad("tls = { certificate = \"c\";\n enabled = true; };", "2: tls.key: is missing");
    assert_bad_override("tls = { key = \"k\"; };", "tls.enabled=true",
                        "-o: tls.certificate: is missing");
    settings_free(good("tls = { enabled = false; certificate = \"c\"; };"));
}

static void the_newest_tls_version_is_not_older_than_the_oldest(void **state)
{
    (void)state;
    assert_bad("tls = { min_version = \"TLSv1.3\";\n max_version = \"TLSv1.2\"; };",
               "2: tls.max_version: is older than tls.min_version");
    assert_bad("tls = { max_version = \"TLSv1.1\"; };", "1: tls.max_version: is older");
    assert_bad("tls = { min_version = \"newest\"; max_version = \"TLSv1.3\"; };",
               "1: tls.max_version: is older");
    settings_free(good("tls = { min_version = \"TLSv1.3\"; max_version = \"TLSv1.3\"; };"));
    settings_free(good("tls = { min_version = \"newest\"; };"));
    settings_free(good("tls = { min_version = \"TLSv1\"; max_version = \"TLSv1\"; };"));
}

static void listeners_have_names_of_their_own(void **state)
{
    (void)state;
    assert_bad("listeners = ( { port = 1; },\n { port = 2; name = \"echo\"; } );",
               "2: name: \"echo\" is the name of the listener at");
    assert_non_null(strstr(kept[0].text, "echod.conf:1"));
    assert_bad("listeners = ( { port = 1; name = \"a\"; },\n { port = 2; name = \"b\"; },\n"
               " { port = 3; name = \"b\"; } );",
               "3: name: \"b\" is the name of the listener at");
    assert_non_null(strstr(kept[0].text, "echod.conf:2"));
}

static void listeners_have_sockets_of_their_own(void **state)
{
    (void)state;
    assert_bad("listeners = ( { name = \"a\"; port = 7007; },\n"
               " { name = \"b\"; port = 7007; } );",
               "2: port: the listener at");
    assert_bad("listeners = ( { name = \"a\"; host = \"unix:x\"; port = 1; },\n"
               " { name = \"b\"; host = \"unix:x\"; port = 2; } );",
               "2: port: the listener at");
    settings_free(good("port = 0; listeners = ( { name = \"a\"; }, { name = \"b\"; } );"));
    settings_free(good("reuse_port = true;"
                       "listeners = ( { name = \"a\"; }, { name = \"b\"; } );"));
    settings_free(good("listeners = ( { name = \"a\"; host = \"127.0.0.1\"; },"
                       " { name = \"b\"; host = \"::1\"; } );"));
}

static void contradictions_of_every_listener_are_reported(void **state)
{
    static const char text[] = "listeners = (\n"
                               "    { name = \"a\"; tls = { enabled = true; key = \"k\"; }; },\n"
                               "    { name = \"b\"; tls = { max_version = \"TLSv1\"; }; },\n"
                               "    { name = \"a\"; port = 8; }\n"
                               ");\n";
    static const char *const wanted[] = {
        "2: tls.certificate: is missing",
        "3: tls.max_version: is older",
        "3: port: the listener at",
        "4: name: \"a\" is the name of",
    };

    (void)state;
    assert_faults_with(text, no_overrides, COUNT(wanted), wanted);
}

/* ---- places ---- */

static void assert_where(const struct settings *settings, size_t listener, const char *name,
                         const char *wanted)
{
    char text[128], full[128];

    if (wanted[0] >= '0' && wanted[0] <= '9')
        snprintf(full, sizeof(full), "%s:%s", conf, wanted);
    else
        snprintf(full, sizeof(full), "%s", wanted);
    assert_ptr_equal(settings_where(settings, listener, name, text, sizeof(text)), text);
    assert_string_equal(text, full);
}

static void settings_know_where_they_were_given(void **state)
{
    char there[256];
    static const char *const overrides[] = {"listeners.[1].backlog=5", "reuse=false", NULL};
    struct settings *settings;

    (void)state;
    write_file(included, "\n\nkeepalive = 7;\n");
    settings = good_with("@include \"included.conf\"\n"
                         "port = 7007;\n"
                         "tls = { tickets = 3; };\n"
                         "listeners = (\n"
                         "    { name = \"a\"; },\n"
                         "    {\n"
                         "        name = \"b\";\n"
                         "        tls = { ciphers = \"ALL\"; };\n"
                         "        port = 7008;\n"
                         "    }\n"
                         ");\n",
                         overrides);
    assert_where(settings, 0, "name", "5");
    assert_where(settings, 1, "name", "7");
    assert_where(settings, 0, "port", "2");
    assert_where(settings, 1, "port", "9");
    assert_where(settings, 0, "tls.tickets", "3");
    assert_where(settings, 1, "tls.tickets", "3");
    assert_where(settings, 1, "tls.ciphers", "8");
    assert_where(settings, 1, "backlog", "-o");
    assert_where(settings, 0, "reuse", "-o");
    assert_where(settings, 1, "reuse", "-o");
    snprintf(there, sizeof(there), "%s:3", included);
    assert_where(settings, 0, "keepalive", there);
    assert_where(settings, 0, "host", "5"); /* left to its default: where the listener begins */
    assert_where(settings, 1, "host", "6");
    assert_where(settings, 1, "tls.key", "6");
    settings_free(settings);
}

static void settings_of_the_only_listener_know_too(void **state)
{
    struct settings *settings = good("\nport = 7007;\ntls = {\n tickets = 3; };\n");

    (void)state;
    assert_where(settings, 0, "port", "2");
    assert_where(settings, 0, "tls.tickets", "4");
    assert_where(settings, 0, "host", "1");
    settings_free(settings);
}

static void a_place_is_cut_to_its_room(void **state)
{
    struct settings *settings = good("port = 7007;");
    char text[8] = "1234567";

    (void)state;
    settings_where(settings, 0, "port", text, 4);
    assert_memory_equal(text, conf, 3);
    assert_string_equal(text + 3, "");
    assert_string_equal(text + 4, "567");
    settings_free(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_reported_with_its_place),
        cmocka_unit_test(faults_of_other_files_count_apart),
        cmocka_unit_test(files_that_cannot_be_read_are_faults),
        cmocka_unit_test(syntax_has_its_place),
        cmocka_unit_test(included_files_are_found_beside_the_file),
        cmocka_unit_test(unknown_names_are_faults),
        cmocka_unit_test(wrong_types_are_told_from_right_ones),
        cmocka_unit_test(every_element_has_its_place),
        cmocka_unit_test(tls_needs_a_certificate_and_a_key),
        cmocka_unit_test(the_newest_tls_version_is_not_older_than_the_oldest),
        cmocka_unit_test(listeners_have_names_of_their_own),
        cmocka_unit_test(listeners_have_sockets_of_their_own),
        cmocka_unit_test(contradictions_of_every_listener_are_reported),
        cmocka_unit_test(settings_know_where_they_were_given),
        cmocka_unit_test(settings_of_the_only_listener_know_too),
        cmocka_unit_test(a_place_is_cut_to_its_room),
    };

    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
