/* test_settings.c - settings from files and -o: values, faults with their places, and back. */
#include "../../src/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "../../src/settings_rows.h"
#include "../../src/settings_value.h"

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MANY 32

/* ---- files in a directory of their own ---- */

static char directory[] = "/tmp/test_settings.XXXXXX";
static char conf[64], included[64];

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(conf, sizeof(conf), "%s/echod.conf", directory);
    snprintf(included, sizeof(included), "%s/included.conf", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(conf);
    unlink(included);
    return rmdir(directory);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- a sink that keeps what is reported ---- */

struct kept {
    char where[128];
    char setting[64];
    char text[512];
};

static struct kept kept[MANY];
static struct faults faults;

static void keep(void *arg, const struct fault *fault)
{
    struct kept *next = &kept[faults.count - 1];

    (void)arg;
    assert_true(faults.count <= MANY);
    snprintf(next->where, sizeof(next->where), "%s", fault->where ? fault->where : "");
    snprintf(next->setting, sizeof(next->setting), "%s", fault->setting ? fault->setting : "");
    snprintf(next->text, sizeof(next->text), "%s", fault->text);
}

static const char *const no_overrides[] = {NULL};

static struct settings *load_with(const char *text, const char *const *overrides)
{
    struct settings *settings = NULL;

    faults = (struct faults){.report = keep};
    write_file(conf, text);
    if (settings_load(conf, overrides, &faults, &settings) < 0) {
        assert_null(settings); /* untouched */
        assert_int_not_equal(faults.count, 0);
    } else {
        assert_non_null(settings);
    }
    if (faults.count == 0)
        return settings;
    settings_free(settings); /* fit for further checks, but not to be put in force */
    return NULL;
}

static struct settings *load(const char *text)
{
    return load_with(text, no_overrides);
}

/* What must load. Says why it did not. */
static struct settings *good_with(const char *text, const char *const *overrides)
{
    struct settings *settings = load_with(text, overrides);

    if (!settings)
        fail_msg("%s: %s: %s", kept[0].where, kept[0].setting, kept[0].text);
    return settings;
}

static struct settings *good(const char *text)
{
    return good_with(text, no_overrides);
}

/* "LINE: SETTING: words" for each fault, in any order; a place without a number is as it is. */
static bool is_fault(const struct kept *fault, const char *wanted)
{
    char line[1024];
    size_t length;

    if (strncmp(fault->where, conf, strlen(conf)) == 0 && fault->where[strlen(conf)] == ':')
        length = (size_t)snprintf(line, sizeof(line), "%s: %s: ", fault->where + strlen(conf) + 1,
                                  fault->setting);
    else
        length = (size_t)snprintf(line, sizeof(line), "%s: %s: ", fault->where, fault->setting);
    return strncmp(wanted, line, length) == 0 && strstr(fault->text, wanted + length);
}

static void assert_fault(const char *wanted)
{
    for (unsigned i = 0; i < faults.count; i++)
        if (is_fault(&kept[i], wanted))
            return;
    for (unsigned i = 0; i < faults.count; i++)
        print_error("reported: %s: %s: %s\n", kept[i].where, kept[i].setting, kept[i].text);
    fail_msg("not reported: %s", wanted);
}

static void assert_faults_with(const char *text, const char *const *overrides, size_t n,
                               const char *const *wanted)
{
    assert_null(load_with(text, overrides));
    for (size_t i = 0; i < n; i++)
        assert_fault(wanted[i]);
    assert_int_equal(faults.count, n);
}

static void assert_bad(const char *text, const char *wanted)
{
    assert_faults_with(text, no_overrides, 1, &wanted);
}

static void assert_bad_override(const char *text, const char *override, const char *wanted)
{
    const char *const overrides[] = {override, NULL};

    assert_faults_with(text, overrides, 1, &wanted);
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
    assert_true(listener->listen.nodelay);
    assert_int_equal(listener->listen.keepalive_sec, 0);
    assert_true(listener->handshake_timeout_usec == 10 * USEC_PER_SEC);
    assert_true(listener->idle_timeout_usec == 300 * USEC_PER_SEC);
    assert_true(listener->session_timeout_usec == 0);
    assert_true(listener->max_bytes == 0);
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
        assert_true(settings->listeners[i].idle_timeout_usec == 1500000);
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
    usec = settings->listeners[0].idle_timeout_usec;
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
    uint64_t usec = settings ? settings->listeners[0].idle_timeout_usec : 0;
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
    bytes = settings->listeners[0].max_bytes;
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
    assert_true(max_bytes("0x100000000L") == INT64_C(0x100000000));
}

/* libconfig cuts what has no L to 32 bits: 5 GB must not become 705 MB without a word. */
static void no_number_is_cut(void **state)
{
    struct settings *settings = load("max_bytes = 5000000000;");
    int64_t bytes = settings ? settings->listeners[0].max_bytes : 0;
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
    assert_true(listener->max_bytes == 5);
    assert_false(listener->listen.reuse);
    assert_true(listener->idle_timeout_usec == 500000);
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
    assert_bad("log = ( );", "1: log: must be a group, and is a list");
    assert_bad("listeners = { };", "1: listeners: must be a list");
    assert_bad("listeners = ( );", "1: listeners: must be a list of at least one group");
    assert_bad("listeners = [ 7 ];", "1: listeners: must be a list");
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

/* ---- the tables ---- */

static const struct table *const tables[] = {&global_table, &listener_table};

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

static void assert_default_is_allowed(const struct setting *row)
{
    union base base;
    config_t scratch;
    config_setting_t *value;
    struct err err;

    if (!row->initial) {
        assert_int_equal(row->kind, KIND_STRING); /* no other kind can be left without a value */
        return;
    }
    config_init(&scratch);
    value = value_parse(row, row->initial, &scratch);
    assert_non_null(value);
    if (value_store(row, value, &base, &err) < 0)
        fail_msg("the default of %s: %s", row->name, err.text);
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
    assert_true(row->kind == KIND_BOOL || row->kind == KIND_CHOICE || row->min < row->max);
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
        assert_int_equal(value_store(row, value_parse(row, choice->word, &scratch), &base, &err),
                         0);
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
    assert_string_equal(nearest(name), row->name);
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

/* ---- and back ---- */

static char *print(const struct settings *settings)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    settings_print(settings, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a)
        assert_string_equal(a, b);
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
        assert_same_text(*(const char *const *)a, *(const char *const *)b);
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
    assert_round_trip("max_clients = 1; drain_timeout = 0.000001; max_bytes = 9000000000000000L;\n"
                      "log = { target = \"journal\"; level = \"error\"; };\n"
                      "host = \"*\"; port = 0; backlog = 1; reuse = false; reuse_port = true;\n"
                      "nodelay = false; keepalive = 1; handshake_timeout = 86399.999999;\n"
                      "idle_timeout = 0; session_timeout = 31535999.999999;\n"
                      "tls = { enabled = true; certificate = \"c\"; key = \"k\";\n"
                      "    min_version = \"TLSv1\"; max_version = \"TLSv1.1\";\n"
                      "    ciphers = \"ALL\"; ciphersuites = \"s\"; groups = \"g\";\n"
                      "    tickets = 0; ticket_lifetime = 1.5; };\n");
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
        cmocka_unit_test(overrides_go_before_the_file),
        cmocka_unit_test(overrides_reach_one_listener),
        cmocka_unit_test(overrides_mend_the_file),
        cmocka_unit_test(wrong_overrides_are_faults),
        cmocka_unit_test(wrong_overrides_are_all_reported_beside_the_file),
        cmocka_unit_test(every_fault_is_reported_with_its_place),
        cmocka_unit_test(faults_of_other_files_count_apart),
        cmocka_unit_test(files_that_cannot_be_read_are_faults),
        cmocka_unit_test(syntax_has_its_place),
        cmocka_unit_test(included_files_are_found_beside_the_file),
        cmocka_unit_test(unknown_names_are_faults),
        cmocka_unit_test(wrong_types_are_told_from_right_ones),
        cmocka_unit_test(tls_needs_a_certificate_and_a_key),
        cmocka_unit_test(the_newest_tls_version_is_not_older_than_the_oldest),
        cmocka_unit_test(listeners_have_names_of_their_own),
        cmocka_unit_test(listeners_have_sockets_of_their_own),
        cmocka_unit_test(contradictions_of_every_listener_are_reported),
        cmocka_unit_test(settings_know_where_they_were_given),
        cmocka_unit_test(settings_of_the_only_listener_know_too),
        cmocka_unit_test(a_place_is_cut_to_its_room),
        cmocka_unit_test(every_default_is_allowed),
        cmocka_unit_test(every_row_is_in_order),
        cmocka_unit_test(every_range_ends_where_it_says),
        cmocka_unit_test(every_text_is_as_long_as_it_may),
        cmocka_unit_test(every_choice_takes_its_words),
        cmocka_unit_test(every_switch_takes_true_and_false),
        cmocka_unit_test(misspelt_names_have_a_nearest_one),
        cmocka_unit_test(strange_names_have_none),
        cmocka_unit_test(endless_names_have_none),
        cmocka_unit_test(every_name_survives_a_slip),
        cmocka_unit_test(groups_are_known),
        cmocka_unit_test(what_is_printed_loads_again),
        cmocka_unit_test(every_byte_of_a_text_is_printed_right),
        cmocka_unit_test(every_fraction_of_a_second_is_printed_right),
        cmocka_unit_test(what_is_printed_explains_itself),
        cmocka_unit_test(nothing_can_be_freed),
    };

    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
