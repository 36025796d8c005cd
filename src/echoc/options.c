/* options.c - the command line of echoc. */
#include "echoc/echoc.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_CA = 256,
    OPT_CERT,
    OPT_KEY,
    OPT_SERVERNAME,
    OPT_INSECURE,
    OPT_ALPN,
    OPT_TLS_MIN,
    OPT_TLS_MAX,
    OPT_CIPHERS,
    OPT_GROUPS,
    OPT_FRAMING,
    OPT_MARKER,
    OPT_JSON,
    OPT_TIMEOUT,
    OPT_NEW,
    OPT_RESUME,
    OPT_EXPIRY,
    OPT_SEED,
    OPT_WARMUP,
    OPT_HELP,
    OPT_VERSION,
};

#define WAIT_HELP "  -W, --wait SECONDS       how long to wait for an answer; 0: for ever (10)\n"
#define SIZE_HELP "  -s, --size BYTES         content of each message (64)\n"
#define NEW_HELP                                                                                   \
    "      --new                a connection for each message\n"                                   \
    "      --resume             the same, resuming the TLS session of the one before\n"

static const struct echoc_command commands[] = {
    {"cat", echoc_cat, "", "send standard input, print what comes back",
     "Sends standard input and prints the echo, both at once; ends its side at the end of the\n"
     "input. Exit status 0 only if as many bytes came back as went and the server closed in\n"
     "order.\n"},
    {"ping", echoc_ping, "c:i:s:W:", "measure round trips, one after the other",
     "  -c, --count N            messages to send (until interrupted)\n"
     "  -i, --interval SECONDS   from one to the next (1)\n" SIZE_HELP WAIT_HELP NEW_HELP
     "Exit status: 0 all answered, 1 some lost, 2 error.\n"},
    {"load", echoc_load, "C:d:s:r:D:j:W:", "many connections at once, every byte checked",
     "  -C, --connections N      at the same time (10)\n"
     "  -d, --duration SECONDS   how long (10)\n"
     "      --warmup SECONDS     before that, the same without counting messages (0)\n" SIZE_HELP
     "  -r, --rate N             messages a second, all connections together, on a schedule:\n"
     "                           latency then counts from when each was due (as fast as answered)\n"
     "  -D, --depth N            messages under way on each connection (1)\n"
     "  -j, --threads N          that share the connections (1)\n"
     "      --seed N             of the content (1)\n" WAIT_HELP NEW_HELP
     "Exit status: 0 no error, 1 errors, 2 it could not begin.\n"},
    {"check", echoc_check, "w:c:s:W:", "one round trip, as a monitoring plug-in",
     "  -w, --warning MSEC       a round trip, connection included, that takes longer is WARNING\n"
     "  -c, --critical MSEC      ... is CRITICAL\n"
     "      --expiry DAYS        a certificate that expires sooner is WARNING\n" SIZE_HELP WAIT_HELP
     "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n"},
    {"info", echoc_info, "", "what the server speaks and who it says it is",
     "Prints address, protocol, cipher, group, signature, resumption and the certificate chain.\n"},
    {NULL, NULL, NULL, NULL, NULL},
};

static const char common_help[] =
    "URL: tcp://HOST:PORT, tls://HOST:PORT, unix:PATH, tls+unix:PATH\n"
    "\n"
    "      --ca FILE|DIR        trusted certificates (the system's)\n"
    "      --cert FILE          our own certificate, PEM\n"
    "      --key FILE           and its key\n"
    "      --servername NAME    the name that the server must have (the URL's host)\n"
    "      --insecure           take any certificate\n"
    "      --alpn NAME,...      protocols to offer\n"
    "      --tls-min VERSION    1.0, 1.1, 1.2 or 1.3\n"
    "      --tls-max VERSION\n"
    "      --ciphers LIST       as in openssl-ciphers(1); those of TLS 1.3 begin with TLS_\n"
    "      --groups LIST        for the key exchange, divided by colons\n"
    "      --framing KIND       stream, line, marker or length (stream)\n"
    "      --marker TEXT        what ends a message with --framing marker (END and a newline)\n"
    "      --json               print one JSON object instead\n"
    "      --timeout SECONDS    for a connection to be ready (10)\n";

int echoc_print_usage(const struct echoc_command *command)
{
    if (command) {
        printf("Usage: echoc %s [OPTION...] URL\n%s.\n\n%s\n%s", command->name, command->summary,
               command->help, common_help);
        return ECHOC_OK;
    }
    puts("Usage: echoc COMMAND [OPTION...] URL\n\nCommands:");
    for (command = commands; command->name; command++)
        printf("  %-8s %s\n", command->name, command->summary);
    puts("\n'echoc COMMAND --help' tells the options of one.");
    return ECHOC_OK;
}

/* Returns 0, or -1 after it has said what is wrong. */
static int number(const char *text, double min, double max, const char *what, double *ret_number)
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= min && value <= max)) {
        echoc_error("%s: \"%s\" is no number from %.15g to %.15g", what, text, min, max);
        return -1;
    }
    *ret_number = value;
    return 0;
}

static int whole(const char *text, double min, double max, const char *what, double *ret_number)
{
    double value;

    if (number(text, min, max, what, &value) < 0)
        return -1;
    if (value != floor(value)) {
        echoc_error("%s: \"%s\" is no whole number", what, text);
        return -1;
    }
    *ret_number = value;
    return 0;
}

static int seconds(const char *text, const char *what, uint64_t *ret_usec)
{
    double value;

    if (number(text, 0, 1e6, what, &value) < 0)
        return -1;
    *ret_usec = (uint64_t)llround(value * (double)USEC_PER_SEC);
    return 0;
}

static int whole_int(const char *text, int min, int max, const char *what, int *ret_int)
{
    double value;

    if (whole(text, min, max, what, &value) < 0)
        return -1;
    *ret_int = (int)value;
    return 0;
}

static int whole_long(const char *text, double min, double max, const char *what, long *ret_long)
{
    double value;

    if (whole(text, min, max, what, &value) < 0)
        return -1;
    *ret_long = (long)value;
    return 0;
}

/* One word of a list and its value. */
struct word {
    const char *word;
    int value;
};

static const struct word framings[] = {{"stream", FRAMING_STREAM},
                                       {"line", FRAMING_LINE},
                                       {"marker", FRAMING_MARKER},
                                       {"length", FRAMING_LENGTH},
                                       {NULL, 0}};
static const struct word versions[] = {
    {"1.0", TLS_V1_0}, {"1.1", TLS_V1_1}, {"1.2", TLS_V1_2}, {"1.3", TLS_V1_3}, {NULL, 0}};

static int word(const char *text, const struct word *words, const char *what, int *ret_value)
{
    for (; words->word; words++) {
        if (strcmp(words->word, text) == 0) {
            *ret_value = words->value;
            return 0;
        }
    }
    echoc_error("%s: \"%s\" is none of its words", what, text);
    return -1;
}

static int marker(const char *text, const char **ret_marker)
{
    if (text[0] == '\0' || strlen(text) > FRAME_MARKER_MAX) {
        echoc_error("--marker: must have 1 to %d bytes", FRAME_MARKER_MAX);
        return -1;
    }
    *ret_marker = text;
    return 0;
}

/* The options that every command takes. */
static int take_common(struct echoc *echoc, int option, const char *value)
{
    switch (option) {
    case OPT_CA:
        echoc->tls.ca = value;
        return 0;
    case OPT_CERT:
        echoc->tls.certificate = value;
        return 0;
    case OPT_KEY:
        echoc->tls.key = value;
        return 0;
    case OPT_SERVERNAME:
        echoc->target.servername = value;
        return 0;
    case OPT_INSECURE:
        echoc->tls.insecure = true;
        return 0;
    case OPT_ALPN:
        echoc->tls.alpn = value;
        return 0;
    case OPT_TLS_MIN:
        return word(value, versions, "--tls-min", &echoc->tls.min_version);
    case OPT_TLS_MAX:
        return word(value, versions, "--tls-max", &echoc->tls.max_version);
    case OPT_CIPHERS:
        echoc->tls.ciphers = value;
        return 0;
    case OPT_GROUPS:
        echoc->tls.groups = value;
        return 0;
    case OPT_FRAMING:
        return word(value, framings, "--framing", &echoc->frame.framing);
    case OPT_MARKER:
        return marker(value, &echoc->frame.marker);
    case OPT_JSON:
        echoc->json = true;
        return 0;
    case OPT_TIMEOUT:
        return seconds(value, "--timeout", &echoc->timeout_usec);
    default:
        return -1;
    }
}

/* The options that some commands take; -c is a count or a limit, as each command's users expect. */
static int take_own(struct echoc *echoc, int option, const char *value)
{
    bool check = strcmp(echoc->command, "check") == 0;

    switch (option) {
    case 'c':
        return check ? number(value, 0, 1e9, "-c", &echoc->critical_msec)
                     : whole_long(value, 1, 1e15, "-c", &echoc->count);
    case 'w':
        return number(value, 0, 1e9, "-w", &echoc->warning_msec);
    case 'i':
        return seconds(value, "-i", &echoc->interval_usec);
    case 's':
        return whole_int(value, 1, FRAME_MESSAGE_MAX, "-s", &echoc->size);
    case 'W':
        return seconds(value, "-W", &echoc->wait_usec);
    case 'C':
        return whole_int(value, 1, 100000, "-C", &echoc->connections);
    case 'd':
        return seconds(value, "-d", &echoc->duration_usec);
    case 'r':
        return number(value, 0, 1e9, "-r", &echoc->rate);
    case 'D':
        return whole_int(value, 1, 100000, "-D", &echoc->depth);
    case 'j':
        return whole_int(value, 1, 1024, "-j", &echoc->threads);
    case OPT_WARMUP:
        return seconds(value, "--warmup", &echoc->warmup_usec);
    case OPT_SEED:
        return whole_long(value, 0, 1e15, "--seed", &echoc->seed);
    case OPT_EXPIRY:
        return whole_int(value, 0, 36500, "--expiry", &echoc->expiry_days);
    case OPT_NEW:
        echoc->anew = true;
        return 0;
    case OPT_RESUME:
        echoc->anew = echoc->resume = true;
        return 0;
    default:
        return -1;
    }
}

/* Long options beyond the common ones, and the letter that a command must have for each. */
static bool allows(const struct echoc_command *command, int option)
{
    switch (option) {
    case OPT_NEW:
    case OPT_RESUME:
        return command->run == echoc_ping || command->run == echoc_load;
    case OPT_SEED:
    case OPT_WARMUP:
        return command->run == echoc_load;
    case OPT_EXPIRY:
        return command->run == echoc_check;
    default:
        return option >= OPT_CA || strchr(command->letters, option) != NULL;
    }
}

static const struct option long_options[] = {
    {"ca", required_argument, NULL, OPT_CA},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"servername", required_argument, NULL, OPT_SERVERNAME},
    {"insecure", no_argument, NULL, OPT_INSECURE},
    {"alpn", required_argument, NULL, OPT_ALPN},
    {"tls-min", required_argument, NULL, OPT_TLS_MIN},
    {"tls-max", required_argument, NULL, OPT_TLS_MAX},
    {"ciphers", required_argument, NULL, OPT_CIPHERS},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {"framing", required_argument, NULL, OPT_FRAMING},
    {"marker", required_argument, NULL, OPT_MARKER},
    {"json", no_argument, NULL, OPT_JSON},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"count", required_argument, NULL, 'c'},
    {"critical", required_argument, NULL, 'c'},
    {"warning", required_argument, NULL, 'w'},
    {"interval", required_argument, NULL, 'i'},
    {"size", required_argument, NULL, 's'},
    {"wait", required_argument, NULL, 'W'},
    {"connections", required_argument, NULL, 'C'},
    {"duration", required_argument, NULL, 'd'},
    {"rate", required_argument, NULL, 'r'},
    {"depth", required_argument, NULL, 'D'},
    {"threads", required_argument, NULL, 'j'},
    {"seed", required_argument, NULL, OPT_SEED},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"expiry", required_argument, NULL, OPT_EXPIRY},
    {"new", no_argument, NULL, OPT_NEW},
    {"resume", no_argument, NULL, OPT_RESUME},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0}};

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
    char letters[32];
    int option, index;

    snprintf(letters, sizeof(letters), "%s", command->letters);
    while (index = -1, (option = getopt_long(argc, argv, letters, long_options, &index)) != -1) {
        bool common = option >= OPT_CA && option <= OPT_TIMEOUT;

        *ret_status = ECHOC_OK;
        if (option == OPT_HELP)
            echoc_print_usage(command);
        else if (option == OPT_VERSION)
            puts("echoc " PACKAGE_VERSION);
        else if (option == '?')
            *ret_status = echoc_usage_error(command->name);
        else if (!allows(command, option))
            *ret_status = echoc_error("%s takes no such option: --%s", command->name,
                                      long_options[index].name);
        else if ((common ? take_common : take_own)(echoc, option, optarg) < 0)
            *ret_status = ECHOC_ERROR;
        else
            continue;
        return -1;
    }
    if (optind + 1 != argc) {
        echoc_error(optind == argc ? "a URL is missing" : "only one URL can be given");
        *ret_status = echoc_usage_error(command->name);
        return -1;
    }
    echoc->url = argv[optind];
    return 0;
}
