/*
 * test_settings_lines.c - what a line of settings means, whatever libconfig reads it.
 *
 * libconfig 1.5, 1.7.3 and 1.8.2 do not read all of these alike. Where they do not, the line is a
 * fault; the tables hold for each of them.
 */
#include "settings_helper.h"

#include <stdlib.h>
#include <string.h>

const char *__lsan_default_suppressions(void);

/* libconfig 1.5 leaks the texts that it had read at a syntax error. */
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\n"
           "leak:libconfig_yylex\n";
}

static const char SYNTAX[] = "syntax error";

/* ---- one value, in the file and as -o ---- */

struct value {
    const char *name, *value;
    const char *printed; /* what -T has for it, or NULL where it is a fault */
    const char *fault; /* words of that; SYNTAX is another one with -o, since a text may be bare */
};

static const char ZERO[] = "begins with 0, so it could be octal";
static const char NONE[] = "is no number: write it in decimal";
static const char HEX[] = "is above 0x7FFFFFFF: write it in decimal";
static const char WIDE[] = "does not fit 64 bits";
static const char RANGE[] = "is not in the range from";
static const char COMMA[] = "nothing follows this comma";
static const char ESCAPE[] = "after \\ in a text come";

static const struct value values[] = {
    {"port", "0", "0", NULL},
    {"port", "+7", "7", NULL},
    {"port", "-0", "0", NULL},
    {"port", "7L", "7", NULL},
    {"port", "7LL", "7", NULL},
    {"port", "7l", NULL, NONE},
    {"port", "7LLL", NULL, NONE},
    {"port", "--7", NULL, NONE},
    {"port", "- 7", NULL, SYNTAX},
    {"port", "7 7", NULL, SYNTAX},
    /* 8 to 1.7.3, 10 to the others */
    {"port", "010", NULL, ZERO},
    {"port", "+010", NULL, ZERO},
    {"port", "-010", NULL, ZERO},
    {"port", "010L", NULL, ZERO},
    {"port", "00", NULL, ZERO},
    /* a syntax error to 1.7.3 */
    {"port", "08", NULL, ZERO},
    /* numbers to 1.8.2 alone */
    {"port", "0b111", NULL, NONE},
    {"port", "0B111L", NULL, NONE},
    {"port", "0o17", NULL, NONE},
    {"port", "0O17LL", NULL, NONE},
    {"port", "0q17", NULL, NONE},
    {"port", "0Q17", NULL, NONE},
    {"port", "0x1F", "31", NULL},
    {"port", "0X1fL", "31", NULL},
    {"port", "0x001F", "31", NULL},
    {"port", "-0x1F", NULL, NONE},
    {"port", "0x", NULL, NONE},
    {"port", "0x1G", NULL, NONE},
    {"max_bytes", "0x7FFFFFFF", "2147483647", NULL},
    /* negative to 1.8.2 */
    {"max_bytes", "0x80000000", NULL, HEX},
    {"max_bytes", "0xFFFFFFFFL", "4294967295L", NULL},
    {"max_bytes", "0x80000000L", "2147483648L", NULL},
    {"port", "0x1FL", "31", NULL},
    {"port", "0x00000000000000001L", "1", NULL},
    {"max_bytes", "0x7FFFFFFFFFFFFFFFL", NULL, RANGE},
    {"max_bytes", "0x8000000000000000L", NULL, "does not fit 64 bits"},
    /* 0 to 1.5 and 1.7.3 */
    {"max_bytes", "0x100000000", NULL, HEX},
    {"max_bytes", "0x100000000L", "4294967296L", NULL},
    /* -1 to 1.5 and 1.7.3, a syntax error to 1.8.2 */
    {"max_bytes", "0xFFFFFFFFFFFFFFFF", NULL, HEX},
    {"max_bytes", "0x10000000000000000", NULL, HEX},
    {"port", "0x00000000000000001", NULL, HEX},
    {"max_bytes", "2147483647", "2147483647", NULL},
    /* negative to 1.5 */
    {"max_bytes", "2147483648", "2147483648L", NULL},
    {"max_bytes", "4294967296", "4294967296L", NULL},
    {"max_bytes", "4294967296LL", "4294967296L", NULL},
    {"max_bytes", "9223372036854775807", NULL, RANGE},
    {"max_bytes", "-9223372036854775808", NULL, RANGE},
    /* the largest number there is to 1.5, a syntax error to 1.8.2 */
    {"max_bytes", "9223372036854775808", NULL, WIDE},
    {"max_bytes", "9223372036854775808L", NULL, WIDE},
    {"max_bytes", "-9223372036854775809L", NULL, WIDE},
    {"max_bytes", "99999999999999999999", NULL, WIDE},
    {"max_bytes", "10M", NULL, NONE},
    {"max_bytes", "1_000", NULL, NONE},
    {"max_bytes", "1,000", NULL, ZERO},
    {"max_bytes", "1e3", NULL, "must be a whole number, and is a decimal number"},

    {"idle_timeout", "1.5", "1.5", NULL},
    {"idle_timeout", "1.", "1", NULL},
    {"idle_timeout", ".5", "0.5", NULL},
    {"idle_timeout", "+.5", "0.5", NULL},
    {"idle_timeout", "1e2", "100", NULL},
    {"idle_timeout", "1.5E+1", "15", NULL},
    {"idle_timeout", "010.5", "10.5", NULL},
    {"idle_timeout", "1e", NULL, NONE},
    {"idle_timeout", "1.5s", NULL, NONE},
    {"idle_timeout", "1.2.3", NULL, NONE},
    {"idle_timeout", "0x1.8p0", NULL, NONE},
    {"idle_timeout", "1e999", NULL, RANGE},
    {"idle_timeout", "-1.5", NULL, RANGE},
    {"idle_timeout", "inf", NULL, SYNTAX},
    {"idle_timeout", "nan", NULL, SYNTAX},

    {"reuse", "TRUE", "true", NULL},
    {"reuse", "fAlSe", "false", NULL},
    {"reuse", "yes", NULL, SYNTAX},
    {"reuse", "1", NULL, "must be true or false, and is a whole number"},

    {"name", "\"a\" \"b\"", "\"ab\"", NULL},
    {"name", "\"a\"\n\"b\"", "\"ab\"", NULL},
    {"name", "\"a\" /* c */ \"b\" # d\n", "\"ab\"", NULL},
    {"name", "\"a\nb\"", "\"a\\nb\"", NULL},
    {"name", "\"\\x41\\X42\\t\\r\\n\\f\\\\\\\"\"", "\"AB\\x09\\x0d\\n\\x0c\\\\\\\"\"", NULL},
    {"name", "\"\xc3\xa4\xff\"", "\"\xc3\xa4\xff\"", NULL},
    {"name", "\"# // /* \\x23\"", "\"# // /* #\"", NULL},
    /* bytes to 1.8.2, two characters to the others */
    {"name", "\"\\a\"", NULL, ESCAPE},
    {"name", "\"\\b\"", NULL, ESCAPE},
    {"name", "\"\\v\"", NULL, ESCAPE},
    {"name", "\"\\d\"", NULL, ESCAPE},
    {"name", "\"\\/\"", NULL, ESCAPE},
    {"name", "\"\\x4\"", NULL, ESCAPE},
    {"name", "\"\\101\"", NULL, ESCAPE},
    {"name", "\"a\\\nb\"", NULL, ESCAPE},
    /* "ab" to 1.5, "a" to the others */
    {"name", "\"a\\x00b\"", NULL, "no text can have the byte \\x00"},
    {"name", "\"a", NULL, "the text that begins here does not end"},
    {"name", "\"a\" /* c", NULL, "the comment that begins here does not end"},

    {"allow", "[]", "[ ]", NULL},
    {"allow", "( )", "[ ]", NULL},
    {"allow", "[ \"::1\", \"::2\" ]", "[ \"::1/128\", \"::2/128\" ]", NULL},
    {"allow", "( \"::1\" )", "[ \"::1/128\" ]", NULL},
    /* syntax errors to 1.5 */
    {"allow", "[ \"::1\", ]", NULL, COMMA},
    {"allow", "( \"::1\", )", NULL, COMMA},
    {"allow", "[ \"::1\" , # c\n /* d */ ]", NULL, COMMA},
    {"allow", "[ \"::1\",, \"::2\" ]", NULL, COMMA},
    {"allow", "[ , \"::1\" ]", NULL, SYNTAX},
    {"allow", "[ , ]", NULL, COMMA},
    {"allow", "[ \"::1\"; \"::2\" ]", NULL, SYNTAX},
    {"allow", "( \"::1\", 1 )", NULL, "must be a network, as a text, and is a whole number"},
    {"allow", "[ [ \"::1\" ] ]", NULL, SYNTAX},
    {"allow", "( ( \"::1\" ) )", NULL, "must be a network, as a text, and is a list"},
    {"allow", "( { } )", NULL, "must be a network, as a text, and is a group"},
};

static bool prints(const struct settings *settings, const char *name, const char *printed)
{
    char *text, wanted[128];
    size_t size;
    FILE *file = open_memstream(&text, &size);
    bool found;

    assert_non_null(file);
    settings_dump(settings, file);
    assert_int_equal(fclose(file), 0);
    snprintf(wanted, sizeof(wanted), " %s = %s;\n", name, printed);
    found = strstr(text, wanted) != NULL;
    free(text);
    return found;
}

/* Whether a load has come to what the table says; else says what it has come to. */
static bool comes_to(struct settings *settings, const struct value *wanted, bool option)
{
    bool right;

    if (settings)
        right = wanted->printed && prints(settings, wanted->name, wanted->printed);
    else
        right = wanted->fault && strncmp(kept[0].where, option ? "-o" : conf, 2) == 0 &&
                (strstr(kept[0].text, wanted->fault) || (option && wanted->fault == SYNTAX));
    if (!right)
        print_error("%s%s = %s: %s: %s\n", option ? "-o " : "", wanted->name, wanted->value,
                    settings ? "no fault" : kept[0].where, settings ? "" : kept[0].text);
    settings_free(settings);
    return right;
}

static void values_mean_the_same_to_all(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        char text[128], option[128];
        const char *const overrides[] = {option, NULL};

        snprintf(text, sizeof(text), "%s = %s;\n", values[i].name, values[i].value);
        snprintf(option, sizeof(option), "%s=%s", values[i].name, values[i].value);
        wrong += !comes_to(load_with(text, no_overrides), &values[i], false);
        wrong += !comes_to(load_with("", overrides), &values[i], true);
    }
    assert_int_equal(wrong, 0);
}

/* ---- whole files ---- */

struct text {
    const char *text;
    const char *fault; /* "LINE: SETTING: words", or NULL for one that sets port to 7007 */
};

static const char CONTROL[] = "1: : a control character";

static const struct text texts[] = {
    /* assignments and what ends them */
    {"port = 7007", NULL},
    {"port:7007", NULL},
    {"port == 7007;", "1: : syntax error"},
    {"port 7007;", "1: : syntax error"},
    {"port = 7007,", NULL},
    {"port = 7007 backlog = 5", NULL},
    {"port = 7007, backlog = 5; reuse = true\n", NULL},
    {"port = 7007;;", "1: : syntax error"},
    {"port = 7007,,", "1: : nothing follows this comma"},
    {"port = 7007backlog = 5", "1: : \"7007backlog\" is no number"},
    {"tls : { tickets : 3 }, port = 7007", NULL},
    {"tls = { tickets = 3, } port = 7007", NULL},
    {"listeners = ( { port = 7007, } );", NULL},
    {"listeners = ( { port = 7007; }, );", "1: : nothing follows this comma"},
    {"listeners = ( { port = 7007; } { } );", "1: : syntax error"},
    {"tls = { }; log = { }; listeners = ( { port = 7007 } )", NULL},
    {"allow = [ \"::1\", 1 ];", "1: : mismatched element type in array"},
    /* names */
    {"port = 7007; port = 7007;", "1: : duplicate setting name"},
    {"port = 7007; Port = 7007;", "1: Port: no such setting"},
    {"port = 7007; *-_a = 1;", "1: *-_a: no such setting"},
    {"port = 7007; -a = 1;", "1: : syntax error"},
    {"port = 7007; _a = 1;", "1: : syntax error"},
    {"port = 7007; 1a = 1;", "1: : \"1a\" is no number"},
    {"port = 7007; tls.tickets = 1;", "1: : syntax error"},
    {"port = 7007; \"tls\" = 1;", "1: : syntax error"},
    {"port = 7007; true = 1;", "1: : syntax error"},
    {"port = port;", "1: : syntax error"},
    /* comments; to 1.5, one that ends with the file is a syntax error */
    {"port = 7007; # c", NULL},
    {"port = 7007; // c", NULL},
    {"port = 7007 #", NULL},
    {"# c\\\nport = 7007", NULL},
    {"/* c # // \" */ port /**/ = /* /* */ 7007 // /* \"\n;", NULL},
    {"port = 7007; /* /* */ */", "1: : syntax error"},
    {"port = 7007;\n/* c", "2: : the comment that begins here does not end"},
    {"port = 7007;\n/*/", "2: : the comment that begins here does not end"},
    {"port = 7007; -- c", "1: : syntax error"},
    {"port = 7007\n/ c", "2: : syntax error"},
    /* blanks; \a, \b and \v are some to 1.8.2 alone */
    {"\r\n\t\f port\r\n=\f\t7007;\r\n", NULL},
    {"port = 7007;\v", CONTROL},
    {"port =\a7007;", CONTROL},
    {"\bport = 7007;", CONTROL},
    {"port = 7007; # \a\b\v\n", NULL},
    {"port = 7007;\x1a", "1: : syntax error"},
    {"\xef\xbb\xbfport = 7007;", "1: : syntax error"},
    {"port\xc2\xa0= 7007;", "1: : syntax error"},
    {"port = 7007; # \xff\n", NULL},
    /* files within files */
    {"@include \"included.conf\"", NULL},
    {"\t@include\t\"included.conf\" # c\n", NULL},
    {"backlog = 5; @include \"included.conf\"", NULL},
    {"@include \"included.conf\";", "1: : syntax error"},
    {"@include\"included.conf\"", "1: : syntax error"},
    {"@include included.conf", "1: : syntax error"},
    {"@Include \"included.conf\"", "1: : syntax error"},
    {"@include_dir \"/\"", "1: : syntax error"},
    {"@include \"*.conf\"", "1: : cannot open include file"},
    {"@include \"included.conf", "1: : the text that begins here does not end"},
};

static void assert_text(const struct text *wanted)
{
    struct settings *settings = load_with(wanted->text, no_overrides);

    if (wanted->fault ? settings != NULL : !settings || settings->listeners[0].listen.port != 7007)
        fail_msg("%s: %s", wanted->text, settings ? "no fault" : kept[0].text);
    if (wanted->fault)
        assert_fault(wanted->fault);
    assert_int_equal(faults.count, wanted->fault ? 1 : 0);
    settings_free(settings);
}

static void texts_mean_the_same_to_all(void **state)
{
    (void)state;
    write_file(included, "port = 7007; # c");
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_text(&texts[i]);
}

/* What included files have is judged by what stands around it. */
static void a_list_may_be_of_several_files(void **state)
{
    static const char text[] = "allow = [\n@include \"included.conf\"\n\"::3\" ];";
    char at_comma[128];
    const char *const comma = at_comma;

    (void)state;
    write_file(included, "\"::1\",\n\"::2\",");
    settings_free(good(text));
    snprintf(at_comma, sizeof(at_comma), "%s:2: : nothing follows this comma", included);
    assert_faults_with("allow = [\n@include \"included.conf\"\n];", no_overrides, 1, &comma);
}

static void every_fault_has_its_line(void **state)
{
    static const char text[] = "port = 010;\n"
                               "max_bytes = 0xFFFFFFFF;\n"
                               "listeners = (\n"
                               "    { name = \"a\n"
                               "\\q\"; },\n"
                               ");\v";
    static const char *const wanted[] = {
        "1: : \"010\" begins with 0",     "2: : \"0xFFFFFFFF\" is above",
        "5: : after \\ in a text",        "5: : nothing follows this comma",
        "6: : a control character, 0x0b",
    };

    (void)state;
    assert_faults_with(text, no_overrides, COUNT(wanted), wanted);
}

static void a_nul_byte_is_no_text(void **state)
{
    static const char text[] = "port = 7007;\0port = 7008;";
    FILE *file = fopen(conf, "w");
    struct settings *settings = NULL;

    (void)state;
    assert_non_null(file);
    assert_int_equal(fwrite(text, sizeof(text) - 1, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    faults = (struct faults){.report = keep};
    assert_int_equal(settings_load(conf, no_overrides, &faults, &settings), -1);
    assert_non_null(strstr(kept[0].text, "cannot read it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_mean_the_same_to_all),
        cmocka_unit_test(texts_mean_the_same_to_all),
        cmocka_unit_test(a_list_may_be_of_several_files),
        cmocka_unit_test(every_fault_has_its_line),
        cmocka_unit_test(a_nul_byte_is_no_text),
    };

    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
