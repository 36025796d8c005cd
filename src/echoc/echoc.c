/* echoc.c - the client: its start, and what the commands share. */
#include "echoc/echoc.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

volatile sig_atomic_t echoc_interrupted;

/* What was wrong last, for check, which says so on standard output too. */
static struct err last_error = {"wrong arguments"};

int echoc_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(last_error.text, sizeof(last_error.text), fmt, args);
    va_end(args);
    fprintf(stderr, "echoc: %s\n", last_error.text);
    return ECHOC_ERROR;
}

void echoc_print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    fputc('\n', stdout);
    json_decref(object);
}

json_t *echoc_tls_json(const struct tls_facts *facts)
{
    if (facts->version[0] == '\0')
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:s, s:b}", "version", facts->version, "cipher",
                     facts->cipher, "group", facts->group, "alpn", facts->alpn, "resumed",
                     facts->resumed);
}

const char *echoc_tls_text(const struct tls_facts *facts, char *text)
{
    snprintf(text, ECHOC_TLS_TEXT_MAX, "%s, %s%s%s%s%s%s", facts->version, facts->cipher,
             facts->group[0] ? ", " : "", facts->group, facts->alpn[0] ? ", ALPN " : "",
             facts->alpn, facts->resumed ? ", resumed" : "");
    return text;
}

static double msec(double nsec)
{
    return nsec / 1e6;
}

void echoc_print_hist(const char *label, const struct hist *hist)
{
    if (hist->count == 0)
        return;
    printf("%s min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", label, msec((double)hist->min),
           msec(hist_mean(hist)), msec((double)hist->max), msec(hist_mdev(hist)));
    printf("%s p50/p90/p99/p99.9 = %.3f/%.3f/%.3f/%.3f ms\n", label,
           msec((double)hist_quantile(hist, 0.5)), msec((double)hist_quantile(hist, 0.9)),
           msec((double)hist_quantile(hist, 0.99)), msec((double)hist_quantile(hist, 0.999)));
}

json_t *echoc_hist_json(const struct hist *hist)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {
        {"p50_usec", 0.5}, {"p90_usec", 0.9}, {"p99_usec", 0.99}, {"p999_usec", 0.999}};
    json_t *object;

    if (hist->count == 0)
        return json_null();
    object = json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)hist->count, "min_usec",
                       (double)hist->min / 1e3, "mean_usec", hist_mean(hist) / 1e3, "mdev_usec",
                       hist_mdev(hist) / 1e3, "max_usec", (double)hist->max / 1e3);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        json_object_set_new(object, quantiles[i].name,
                            json_real((double)hist_quantile(hist, quantiles[i].q) / 1e3));
    return object;
}

/* ---- start ---- */

static void on_signal(int number)
{
    (void)number;
    echoc_interrupted = 1;
}

/* The first one asks, so that what was measured is still printed; the second one ends. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    stream_stop = &echoc_interrupted;
    signal(SIGPIPE, SIG_IGN);
}

/* Everything that can be wrong before the first connection. */
static int prepare(struct echoc *echoc, struct err *ret_err)
{
    struct target *target = &echoc->target;

    if (url_parse(echoc->url, &target->url, ret_err) < 0)
        return -1;
    target->timeout_usec = echoc->timeout_usec;
    if (!echoc->tls.certificate != !echoc->tls.key)
        return err_set(ret_err, "--cert and --key go together");
    if (echoc->tls.max_version && echoc->tls.min_version > echoc->tls.max_version)
        return err_set(ret_err, "--tls-min is newer than --tls-max");
    if (target->url.tls && tls_client_new(&echoc->tls, &target->tls, ret_err) < 0)
        return -1;
    return dial_resolve(target, ret_err);
}

int main(int argc, char **argv)
{
    struct echoc echoc = {
        .frame = {.marker = "END\n", .max_message = FRAME_MESSAGE_MAX},
        .timeout_usec = 10 * USEC_PER_SEC,
        .interval_usec = USEC_PER_SEC,
        .wait_usec = 10 * USEC_PER_SEC,
        .size = 64,
        .connections = 10,
        .duration_usec = 10 * USEC_PER_SEC,
        .depth = 1,
        .threads = 1,
        .seed = 1,
    };
    const struct echoc_command *command = argc > 1 ? echoc_find_command(argv[1]) : NULL;
    struct err err;
    int status;

    stream_guard_standard();
    if (!command) {
        if (argc > 1 && strcmp(argv[1], "--help") == 0)
            return echoc_print_usage(NULL);
        if (argc > 1 && strcmp(argv[1], "--version") == 0)
            return puts("echoc " PACKAGE_VERSION) < 0;
        echoc_error(argc > 1 ? "%s: no such command" : "a command is missing", argv[1]);
        return echoc_usage_error("");
    }
    echoc.command = command->name;
    if (echoc_parse(argc - 1, argv + 1, command, &echoc, &status) < 0) {
        bool unknown = status == ECHOC_ERROR && command->run == echoc_check;

        return unknown ? echoc_unknown(&last_error) : status;
    }
    catch_signals();
    if (prepare(&echoc, &err) < 0)
        status = command->run == echoc_check ? echoc_unknown(&err) : echoc_error("%s", err.text);
    else
        status = command->run(&echoc);
    tls_client_free(echoc.target.tls);
    if (fflush(stdout) == EOF && status == ECHOC_OK)
        status = command->run == echoc_check ? ECHOC_UNKNOWN
                                             : echoc_error("cannot write: %s", strerror(errno));
    return status;
}
