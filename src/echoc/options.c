/* options.c - the command line of echoc: one row of a table for each option. */
#include "echoc/echoc.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The commands as bits, so that a row can name several. */
enum {
    CAT = 1 << 0,
    PING = 1 << 1,
    LOAD = 1 << 2,
    CHECK = 1 << 3,
    INFO = 1 << 4,
    ALL = CAT | PING | LOAD | CHECK | INFO,
};

static const struct echoc_command commands[] = {
    {"cat", CAT, echoc_cat, "send standard input, print what comes back",
     "Sends standard input and prints the echo, both at once; ends its side at the end of the\n"
     "input. Exit status 0 only if as many bytes came back as went and the server closed in\n"
     "order.\n"},
    {"ping", PING, echoc_ping, "measure round trips, one after the other",
     "Exit status: 0 all answered, 1 some lost, 2 error.\n"},
    {"load", LOAD, echoc_load, "many connections at once, every byte checked",
     "Exit status: 0 no error, 1 errors, 2 it could not begin.\n"},
    {"check", CHECK, echoc_check, "one round trip, as a monitoring plug-in",
     "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n"},
    {"info", INFO, echoc_info, "what the server speaks and who it says it is",
     "Prints address, protocol, cipher, group, signature, resumption and the certificate chain.\n"},
    {NULL, 0, NULL, NULL, NULL},
};

/* What the value of an option is, and the C type of its field. */
enum option_kind {
    KIND_FLAG,    /* no value: bool */
    KIND_INT,     /* a whole number: int */
    KIND_LONG,    /* a whole number: long */
    KIND_NUMBER,  /* a number: double */
    KIND_SECONDS, /* a number of seconds: uint64_t, in microseconds */
    KIND_TEXT,    /* any text: const char * */
};

/* One word of a list and its value; a list ends with a NULL word. */
struct word {
    const char *word;
    int value;
};

struct option_row {
    const char *name;
    int letter;        /* 0 = it has a long name only */
    unsigned commands; /* that take it */
    enum option_kind kind;
    size_t offset;   /* of the field in struct echoc */
    double min, max; /* of a number, as written; of a text, its length in bytes (0 = any) */
    const struct word *words; /* that stand for the values of an int; else NULL */
    const char *argument;     /* the value's name in the help; "" for a flag */
    const char *help;
};

static const struct word framings[] = {{"stream", FRAMING_STREAM},
                                       {"line", FRAMING_LINE},
                                       {"marker", FRAMING_MARKER},
                                       {"length", FRAMING_LENGTH},
                                       {NULL, 0}};
static const struct word versions[] = {
    {"1.0", TLS_V1_0}, {"1.1", TLS_V1_1}, {"1.2", TLS_V1_2}, {"1.3", TLS_V1_3}, {NULL, 0}};

/* A row's kind is the type of its field, so that the two cannot disagree. */
#define KIND_OF(field)                                                                             \
    _Generic(((struct echoc *)0)->field, bool                                                      \
             : KIND_FLAG, int                                                                      \
             : KIND_INT, long                                                                      \
             : KIND_LONG, double                                                                   \
             : KIND_NUMBER, uint64_t                                                               \
             : KIND_SECONDS, const char *                                                          \
             : KIND_TEXT)
#define FIELD(field) KIND_OF(field), offsetof(struct echoc, field)

#define ROW(name, letter, commands, field, min, max, argument, help)                               \
    {                                                                                              \
        name, letter, commands, FIELD(field), min, max, NULL, argument, help                       \
    }
#define TEXT(name, field, argument, help) ROW(name, 0, ALL, field, 0, 0, argument, help)
#define WORD(name, field, words, argument, help)                                                   \
    {                                                                                              \
        name, 0, ALL, FIELD(field), 0, 0, words, argument, help                                    \
    }
#define FLAG(name, commands, field, help) ROW(name, 0, commands, field, 0, 0, "", help)

#define SECONDS(name, letter, commands, field, help)                                               \
    ROW(name, letter, commands, field, 0, 1e6, "SECONDS", help)
#define HELP_COLUMN "\n                           " /* begins another line of a help text */

/* In the order of the help, which prints what all commands take last. */
static const struct option_row rows[] = {
    TEXT("ca", tls.ca, "FILE|DIR", "trusted certificates (the system's)"),
    TEXT("cert", tls.certificate, "FILE", "our own certificate, PEM"),
    TEXT("key", tls.key, "FILE", "and its key"),
    TEXT("servername", target.servername, "NAME",
         "the name that the server must have (the URL's host)"),
    FLAG("insecure", ALL, tls.insecure, "take any certificate"),
    TEXT("alpn", tls.alpn, "NAME,...", "protocols to offer"),
    WORD("tls-min", tls.min_version, versions, "VERSION", "1.0, 1.1, 1.2 or 1.3"),
    WORD("tls-max", tls.max_version, versions, "VERSION", ""),
    TEXT("ciphers", tls.ciphers, "LIST",
         "as in openssl-ciphers(1); those of TLS 1.3 begin with TLS_"),
    TEXT("groups", tls.groups, "LIST", "for the key exchange, divided by colons"),
    WORD("framing", frame.framing, framings, "KIND", "stream, line, marker or length (stream)"),
    ROW("marker", 0, ALL, frame.marker, 1, FRAME_MARKER_MAX, "TEXT",
        "what ends a message with --framing marker (END and a newline)"),
    FLAG("json", ALL, json, "print one JSON object instead"),
    SECONDS("timeout", 0, ALL, timeout_usec, "for a connection to be ready (10)"),

    ROW("count", 'c', PING, count, 1, 1e15, "N", "messages to send (until interrupted)"),
    SECONDS("interval", 'i', PING, interval_usec, "from one to the next (1)"),
    ROW("warning", 'w', CHECK, warning_msec, 0, 1e9, "MSEC",
        "a round trip, connection included, that takes longer is WARNING"),
    ROW("critical", 'c', CHECK, critical_msec, 0, 1e9, "MSEC", "... is CRITICAL"),
    ROW("expiry", 0, CHECK, expiry_days, 0, 36500, "DAYS",
        "a certificate that expires sooner is WARNING"),
    ROW("connections", 'C', LOAD, connections, 1, 100000, "N", "at the same time (10)"),
    SECONDS("duration", 'd', LOAD, duration_usec, "how long (10)"),
    SECONDS("warmup", 0, LOAD, warmup_usec, "before that, the same without counting messages (0)"),
    ROW("size", 's', PING | LOAD | CHECK, size, 1, FRAME_MESSAGE_MAX, "BYTES",
        "content of each message (64)"),
    ROW("rate", 'r', LOAD, rate, 0, 1e9, "N",
        "messages a second, all connections together, on a schedule:" HELP_COLUMN
        "latency then counts from when each was due (as fast as answered)"),
    ROW("depth", 'D', LOAD, depth, 1, 100000, "N", "messages under way on each connection (1)"),
    ROW("threads", 'j', LOAD, threads, 1, 1024, "N", "that share the connections (1)"),
    ROW("seed", 0, LOAD, seed, 0, 1e15, "N", "of the content (1)"),
    SECONDS("wait", 'W', PING | LOAD | CHECK, wait_usec,
            "how long to wait for an answer; 0: for ever (10)"),
    FLAG("new", PING | LOAD, anew, "a connection for each message"),
    FLAG("resume", PING | LOAD, resume, "the same, resuming the TLS session of the one before"),
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What getopt_long(3) returns for an option without a letter; for a row OPT_ROWS plus its index. */
enum { OPT_HELP = 256, OPT_VERSION, OPT_ROWS };

static int option_value(const struct option_row *row)
{
    return row->letter ? row->letter : OPT_ROWS + (int)(row - rows);
}

/*
 * The row of what getopt_long(3) returned, or NULL if the command does not take it. One letter can
 * stand for two options of different commands.
 */
static const struct option_row *option_find(int value, const struct echoc_command *command)
{
    for (const struct option_row *row = rows; row < rows + ROWS; row++)
        if (option_value(row) == value && row->commands & command->bit)
            return row;
    return NULL;
}

/*
 * Fill the tables of getopt_long(3). The long options are those of all commands: an option of
 * another command then gets a message that names this one. `ret_options` has room for ROWS + 3,
 * `ret_letters` for two bytes a row and the final NUL.
 */
static void option_fill_tables(const struct echoc_command *command, struct option *ret_options,
                               char *ret_letters)
{
    for (const struct option_row *row = rows; row < rows + ROWS; row++) {
        *ret_options++ =
            (struct option){row->name, row->kind == KIND_FLAG ? no_argument : required_argument,
                            NULL, option_value(row)};
        if (row->letter && row->commands & command->bit) {
            *ret_letters++ = (char)row->letter;
            *ret_letters++ = ':';
        }
    }
    *ret_letters = '\0';
    *ret_options++ = (struct option){"help", no_argument, NULL, OPT_HELP};
    *ret_options++ = (struct option){"version", no_argument, NULL, OPT_VERSION};
    *ret_options = (struct option){NULL, 0, NULL, 0};
}

/* The options of one command only, or those of all commands. */
static void option_print_help(const struct echoc_command *command, bool common)
{
    char text[32];

    for (const struct option_row *row = rows; row < rows + ROWS; row++) {
        if ((row->commands == ALL) != common || !(row->commands & command->bit))
            continue;
        snprintf(text, sizeof(text), "--%s%s%s", row->name, row->argument[0] ? " " : "",
                 row->argument);
        if (row->letter)
            printf("  -%c, ", row->letter);
        else
            printf("      ");
        printf(row->help[0] ? "%-20s %s\n" : "%s%s\n", text, row->help);
    }
}

int echoc_print_usage(const struct echoc_command *command)
{
    if (command) {
        printf("Usage: echoc %s [OPTION...] URL\n%s.\n\n", command->name, command->summary);
        option_print_help(command, false);
        printf("%s\nURL: tcp://HOST:PORT, tls://HOST:PORT, unix:PATH, tls+unix:PATH\n\n",
               command->help);
        option_print_help(command, true);
        return ECHOC_OK;
    }
    puts("Usage: echoc COMMAND [OPTION...] URL\n\nCommands:");
    for (command = commands; command->name; command++)
        printf("  %-8s %s\n", command->name, command->summary);
    puts("\n'echoc COMMAND --help' tells the options of one.");
    return ECHOC_OK;
}

static int option_set_word(const struct option_row *row, const char *what, const char *text,
                           int *ret_value)
{
    for (const struct word *word = row->words; word->word; word++) {
        if (strcmp(word->word, text) == 0) {
            *ret_value = word->value;
            return 0;
        }
    }
    return echoc_error("%s: \"%s\" is none of its words", what, text);
}

static int option_set_text(const struct option_row *row, const char *what, const char *text,
                           const char **ret_text)
{
    double length = (double)strlen(text);

    if (row->max > 0 && (length < row->min || length > row->max))
        return echoc_error("%s: must have %.15g to %.15g bytes", what, row->min, row->max);
    *ret_text = text;
    return 0;
}

static int option_set_number(const struct option_row *row, const char *what, const char *text,
                             void *ret_number)
{
    bool whole = row->kind == KIND_INT || row->kind == KIND_LONG;
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= row->min && value <= row->max))
        return echoc_error("%s: \"%s\" is no number from %.15g to %.15g", what, text, row->min,
                           row->max);
    if (whole && value != floor(value))
        return echoc_error("%s: \"%s\" is no whole number", what, text);
    if (row->kind == KIND_INT)
        *(int *)ret_number = (int)value;
    else if (row->kind == KIND_LONG)
        *(long *)ret_number = (long)value;
    else if (row->kind == KIND_SECONDS)
        *(uint64_t *)ret_number = (uint64_t)llround(value * (double)USEC_PER_SEC);
    else
        *(double *)ret_number = value;
    return 0;
}

/* Put a value into its field. Returns 0, or ECHOC_ERROR after an error message. */
static int option_set(const struct option_row *row, const char *text, struct echoc *echoc)
{
    void *field = (char *)echoc + row->offset;
    char what[32];

    if (row->letter)
        snprintf(what, sizeof(what), "-%c", row->letter);
    else
        snprintf(what, sizeof(what), "--%s", row->name);
    if (row->words)
        return option_set_word(row, what, text, field);
    if (row->kind == KIND_TEXT)
        return option_set_text(row, what, text, field);
    if (row->kind != KIND_FLAG)
        return option_set_number(row, what, text, field);
    *(bool *)field = true;
    return 0;
}

const struct echoc_command *echoc_find_command(const char *name)
{
    for (const struct echoc_command *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

int echoc_usage_error(const char *name)
{
    fprintf(stderr, "Try 'echoc %s%s--help'.\n", name, name[0] ? " " : "");
    return ECHOC_ERROR;
}

int echoc_parse(int argc, char **argv, const struct echoc_command *command, struct echoc *echoc,
                int *ret_status)
{
    struct option options[ROWS + 3];
    char letters[2 * ROWS + 1];
    int value, index;

    option_fill_tables(command, options, letters);
    while (index = -1, (value = getopt_long(argc, argv, letters, options, &index)) != -1) {
        const struct option_row *row = option_find(value, command);

        *ret_status = ECHOC_OK;
        if (value == OPT_HELP)
            echoc_print_usage(command);
        else if (value == OPT_VERSION)
            puts("echoc " PACKAGE_VERSION);
        else if (value == '?')
            *ret_status = echoc_usage_error(command->name);
        else if (!row)
            *ret_status =
                echoc_error("%s takes no such option: --%s", command->name, options[index].name);
        else if ((*ret_status = option_set(row, optarg, echoc)) == ECHOC_OK)
            continue;
        return -1;
    }
    if (optind + 1 != argc) {
        echoc_error(optind == argc ? "a URL is missing" : "only one URL can be given");
        *ret_status = echoc_usage_error(command->name);
        return -1;
    }
    echoc->anew |= echoc->resume; /* only another connection can resume a session */
    echoc->url = argv[optind];
    return 0;
}
