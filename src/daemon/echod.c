/* echod.c - the daemon: options, and the order of start, reload and stop. */
#include "base/log.h"
#include "base/notify.h"
#include "child/session.h"
#include "daemon/generation.h"
#include "net/stream.h"
#include "parent/parent.h"
#include "sandbox/sandbox.h"
#include "sandbox/user.h"
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define STOP_SLACK_USEC (10 * USEC_PER_SEC)
#define ENDLESS_USEC (365 * 86400 * USEC_PER_SEC)
#define DEFAULT_FILE SYSCONFDIR "/echod/echod.conf"

struct options {
    const char *file;
    const char **overrides; /* ended by NULL */
    size_t n_overrides;
    int (*run)(const struct options *options); /* the mode; returns the exit status */
};

/* ---- faults as lines ---- */

/*
 * "FILE:LINE: SETTING: what is wrong", as one line: control characters become "?", since a text of
 * the file may contain any.
 */
static const char *fault_line(const struct fault *fault, char *line, size_t size)
{
    snprintf(line, size, "%s: %s%s%s", fault->where, fault->setting ? fault->setting : "",
             fault->setting ? ": " : "", fault->text);
    for (char *byte = line; *byte != '\0'; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = '?';
    return line;
}

static void print_fault(void *file, const struct fault *fault)
{
    char line[1024];

    fprintf(file, "%s\n", fault_line(fault, line, sizeof(line)));
}

static void print_note(void *file, const struct fault *fault)
{
    char line[1024];

    fprintf(file, "%s (a note, not a fault)\n", fault_line(fault, line, sizeof(line)));
}

static void log_fault(void *arg, const struct fault *fault)
{
    char line[1024];

    (void)arg;
    log_error("%s", fault_line(fault, line, sizeof(line)));
}

static void log_as_set(const struct settings *settings)
{
    log_open((enum log_target)settings->log_target, settings->log_level);
}

/* ---- -t and -T ---- */

static int test(const struct options *options)
{
    struct faults faults = {.report = print_fault, .arg = stdout};
    struct faults notes = {.report = print_note, .arg = stdout};
    struct err err;
    int status;

    if (sandbox_prepare(&err) < 0) {
        fprintf(stderr, "echod: %s\n", err.text);
        return EX_OSERR;
    }
    status = generation_check(options->file, options->overrides, &faults, &notes);
    if (status == EX_OK)
        printf("%s: ok\n", options->file);
    return status;
}

static int dump(const struct options *options)
{
    struct faults faults = {.report = print_fault, .arg = stderr};
    struct settings *settings = NULL;

    settings_load(options->file, options->overrides, &faults, &settings);
    if (faults.count == 0)
        settings_dump(settings, stdout);
    settings_free(settings);
    return faults.count == 0 ? EX_OK : EX_CONFIG;
}

/* ---- the daemon ---- */

static int load_generation(const struct options *options, struct generation **ret_generation)
{
    struct faults faults = {.report = log_fault};

    return generation_load(options->file, options->overrides, &faults, ret_generation);
}

/*
 * Open the sockets of `generation`; it shares those that `old` has already. The parent and `old` go
 * on unchanged.
 */
static int listen_beside(struct generation *generation, struct parent *parent,
                         const struct listen_set *old)
{
    struct faults faults = {.report = log_fault};

    for (size_t i = 0; i < generation->settings->n_listeners; i++)
        if (parent_enroll(parent, generation->listen[i].name) < 0) {
            log_error("%s: too many names of listeners since the start: restart",
                      generation->listen[i].name);
            return -1;
        }
    return generation_listen(generation, old, &faults);
}

/*
 * Close the sockets that only `old` had, and apply the socket options, the log settings and the
 * warnings of `generation`. The parent must not use `old` any more.
 */
static void settle_sockets(struct generation *generation, struct listen_set *old)
{
    listen_replace(old, &generation->sockets, generation->listen);
    log_as_set(generation->settings);
    generation_announce(generation);
}

/* Update what STATUS= and metrics_file contain besides the counts. */
static void tell(const struct generation *generation, struct parent *parent)
{
    char *metrics = generation_metrics(generation), text[160];

    generation_describe(generation, text, sizeof(text));
    parent_set_note(parent, text);
    parent_publish(parent, generation->settings->metrics_file, metrics ? metrics : "");
    free(metrics);
}

/*
 * Build the new generation completely before the old one is changed; on any fault the old one stays
 * in force. Returns 0, or -1 with *ret_err if the parent itself cannot go on.
 */
static int reload(const struct options *options, struct generation **generation,
                  struct parent *parent, struct err *ret_err)
{
    struct generation *next = NULL;

    notify_once("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec());
    if (load_generation(options, &next) != EX_OK ||
        listen_beside(next, parent, &(*generation)->sockets) < 0) {
        generation_free(next);
        log_error("%s: not reloaded, the settings in force stay", options->file);
        notify_once("READY=1\nSTATUS=Not reloaded: the settings in force stay");
        (*generation)->reload = (struct reload){.when = time(NULL)};
        tell(*generation, parent);
        return 0;
    }
    generation_inherit(next, *generation);
    if (generation_start(next, parent, ret_err) < 0)
        return -1;
    settle_sockets(next, &(*generation)->sockets); /* the parent has stopped using the old ones */
    generation_retire(*generation);
    *generation = next;
    generation_warm_up(next);
    next->reload = (struct reload){.when = time(NULL), .successful = true};
    log_info("%s: reloaded", options->file);
    notify_once("READY=1\nSTATUS=Reloaded");
    tell(*generation, parent);
    return 0;
}

/*
 * Close the health listeners, so that load balancers send no more clients until a stop or a reload.
 * Returns as reload() does.
 */
static int leave(struct generation *generation, struct parent *parent, struct err *ret_err)
{
    if (generation_withdraw(generation, parent, ret_err) < 0)
        return -1;
    if (generation->withdrawn) {
        notify_once("STATUS=Health listeners are closed");
        tell(generation, parent);
    }
    return 0;
}

/*
 * Serve until a signal asks for the stop, or the single client has ended. With a single client
 * there is nothing to reload and no health listener to close. Returns 0, or -1 with *ret_err.
 */
static int run(const struct options *options, struct generation **generation, struct parent *parent,
               bool single, struct err *ret_err)
{
    if (!single) /* its child has been forked already */
        generation_warm_up(*generation);
    tell(*generation, parent);
    notify_once("READY=1\nSTATUS=Serving");
    for (;;) {
        switch (parent_run(parent, ret_err)) {
        case PARENT_STOP:
            return 0;
        case PARENT_FAILED:
            return -1;
        case PARENT_ALARM:
            generation_wake(*generation, parent, now_usec());
            break;
        case PARENT_HELPER:
            if (generation_restore(*generation, parent, ret_err) < 0)
                return -1;
            break;
        case PARENT_RELOAD:
            if (!single && reload(options, generation, parent, ret_err) < 0)
                return -1;
            break;
        case PARENT_LEAVE:
            if (!single && leave(*generation, parent, ret_err) < 0)
                return -1;
        }
    }
}

/*
 * Close the listening sockets before the drain, so that a new client is refused at once and can try
 * elsewhere.
 */
static void stop(struct generation *generation, struct parent *parent)
{
    uint64_t drain_usec = generation->settings->drain_timeout_usec;
    struct parent_totals totals;

    /* TimeoutStopSec= of the unit need not allow for drain_timeout */
    notify_once("STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=%" PRIu64,
                (drain_usec ? drain_usec : ENDLESS_USEC) + STOP_SLACK_USEC);
    log_info("stopping");
    parent_stop_accepting(parent);
    listen_close(&generation->sockets);
    parent_drain(parent);
    totals = parent_totals(parent);
    log_info("stopped: %llu accepted = %llu refused + %llu ended", totals.accepted, totals.refused,
             totals.ended);
}

static int become_user(const struct generation *generation, struct err *ret_err)
{
    if (!generation->has_user)
        return 0;
    if (user_become(&generation->user, ret_err) < 0)
        return -1;
    log_info("running as the user %s", generation->user.name);
    return 0;
}

/* READY=1 is sent only when every socket listens; the teardown mirrors the start. */
static int serve_all(const struct options *options, struct generation **generation,
                     struct listen_set *inherited)
{
    struct parent *parent;
    struct err err;
    int status = EX_OK;

    if (parent_open(session_serve, &parent, &err) < 0) {
        log_error("%s", err.text);
        return EX_OSERR;
    }
    if (listen_beside(*generation, parent, inherited) < 0) {
        parent_close(parent);
        return EX_UNAVAILABLE;
    }
    settle_sockets(*generation, inherited);
    if (become_user(*generation, &err) < 0 || generation_start(*generation, parent, &err) < 0 ||
        run(options, generation, parent, false, &err) < 0) {
        log_error("%s", err.text);
        status = EX_OSERR;
    }
    stop(*generation, parent);
    parent_close(parent);
    return status;
}

/* ---- one client, passed by inetd or by a socket unit with Accept=yes ---- */

static int serve_single(const struct options *options, struct generation **generation, int fd)
{
    struct parent *parent;
    struct err err;
    int status = EX_OK;

    log_as_set((*generation)->settings);
    if (parent_open(session_serve, &parent, &err) < 0) {
        log_error("%s", err.text);
        return EX_OSERR;
    }
    if (become_user(*generation, &err) < 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
        generation_start_single(*generation, parent, fd, &err) < 0 ||
        run(options, generation, parent, true, &err) < 0) {
        log_error("%s", err.text);
        status = EX_OSERR;
    }
    parent_stop_accepting(parent);
    parent_drain(parent);
    parent_close(parent);
    return status;
}

static bool is_same_file(int a, int b)
{
    struct stat st_a, st_b;

    return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
           st_a.st_ino == st_b.st_ino;
}

/*
 * Move a connected socket away from the standard descriptors: while they stay open, no close(2) is
 * the last one, and only the last close(2) of a socket waits for its data to arrive. Returns the
 * descriptor to use from now on.
 */
static int off_standard(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (own < 0 || null < 0)
        return fd;
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (is_same_file(i, own))
            dup2(null, i);
    if (fd > STDERR_FILENO)
        close(fd);
    close(null);
    return own;
}

/*
 * Take the passed sockets before any other descriptor is opened; then read the settings, which
 * choose the log; then open the sockets, with the signals blocked.
 */
static int serve(const struct options *options)
{
    struct listen_set inherited = {.n = 0};
    struct generation *generation;
    struct err err;
    int connected, status;

    log_open(LOG_TARGET_AUTO, LOG_INFO);
    if (listen_inherit(&inherited, &connected, &err) < 0) {
        log_error("%s", err.text);
        return EX_OSERR;
    }
    if (connected >= 0 && is_same_file(STDERR_FILENO, connected)) { /* inetd */
        log_forbid_stderr();
        log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    }
    if (connected >= 0)
        connected = off_standard(connected);
    if (sandbox_prepare(&err) < 0) {
        log_error("%s", err.text);
        listen_close(&inherited);
        return EX_OSERR;
    }
    status = load_generation(options, &generation);
    if (status != EX_OK) {
        listen_close(&inherited);
        return status;
    }
    if (connected >= 0)
        status = serve_single(options, &generation, connected);
    else
        status = serve_all(options, &generation, &inherited);
    listen_close(&inherited);
    generation_free(generation);
    log_close();
    return status;
}

/* ---- options ---- */

static const char usage[] =
    "Usage: echod [-c FILE] [-o NAME=VALUE]... [-t | -T]\n"
    "Echo every byte back, over plaintext and TLS, one process per client.\n"
    "\n"
    "  -c, --config FILE        settings to read (" DEFAULT_FILE ")\n"
    "  -o, --option NAME=VALUE  one setting that goes before the file's; may be repeated\n"
    "  -t, --test               check the settings, certificates and keys, and exit\n"
    "  -T, --dump               print the settings in force as a file, and exit\n"
    "      --help               print this, and exit\n"
    "      --version            print the version, and exit\n"
    "\n"
    "Exit status: 0, 64 usage, 69 cannot listen, 71 system, 74 output, 78 settings.\n";

static int print_usage(const struct options *options)
{
    (void)options;
    fputs(usage, stdout);
    return EX_OK;
}

static int print_version(const struct options *options)
{
    (void)options;
    puts("echod " PACKAGE_VERSION);
    return EX_OK;
}

static int print_usage_error(const struct options *options)
{
    (void)options;
    fputs("Try 'echod --help'.\n", stderr);
    return EX_USAGE;
}

/* options->overrides has room for one override for each word of the command line. */
static void parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"option", required_argument, NULL, 'o'},
                                          {"test", no_argument, NULL, 't'},
                                          {"dump", no_argument, NULL, 'T'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:o:tT", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->file = optarg;
            break;
        case 'o':
            options->overrides[options->n_overrides++] = optarg;
            break;
        case 't':
            options->run = test;
            break;
        case 'T':
            options->run = dump;
            break;
        case 'h':
            options->run = print_usage;
            return;
        case 'v':
            options->run = print_version;
            return;
        default:
            options->run = print_usage_error;
            return;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "echod: %s: no such argument\n", argv[optind]);
        options->run = print_usage_error;
    }
}

int main(int argc, char **argv)
{
    struct options options = {.file = DEFAULT_FILE, .run = serve};
    int status;

    stream_guard_standard();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* RLIMIT_FSIZE then costs lines of the key log, and no client */
    signal(SIGCHLD, SIG_DFL); /* if inherited as ignored, the kernel would reap our children */
    signal(SIGHUP, SIG_IGN);  /* until the parent handles it: there is nothing to reload yet */
    signal(SIGUSR1, SIG_IGN); /* the same: there is no health listener yet */
    options.overrides = calloc((size_t)argc + 1, sizeof(*options.overrides));
    if (!options.overrides)
        return EX_OSERR;
    parse_options(argc, argv, &options);
    status = options.run(&options);
    if (fflush(stdout) == EOF && status == EX_OK)
        status = EX_IOERR;
    free(options.overrides);
    return status;
}
