/* common.c - what the commands share. */
#include "echoc/echoc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

volatile sig_atomic_t echoc_interrupted;

static struct err last_error = {"wrong arguments"};

const struct err *echoc_last_error(void)
{
    return &last_error;
}

int echoc_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(last_error.text, sizeof(last_error.text), fmt, args);
    va_end(args);
    fprintf(stderr, "echoc: %s\n", last_error.text);
    return ECHOC_ERROR;
}

void echoc_print_json(json_t *object, FILE *file)
{
    json_dumpf(object, file, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    fputc('\n', file);
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

double echoc_msec(double nsec)
{
    return nsec / 1e6;
}

void echoc_print_hist(const char *label, const struct histogram *hist)
{
    if (hist->count == 0)
        return;
    printf("%s min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", label, echoc_msec(hist->min),
           echoc_msec(histogram_mean(hist)), echoc_msec(hist->max),
           echoc_msec(histogram_mdev(hist)));
    printf("%s p50/p90/p99/p99.9 = %.3f/%.3f/%.3f/%.3f ms\n", label,
           echoc_msec(histogram_quantile(hist, 0.5)), echoc_msec(histogram_quantile(hist, 0.9)),
           echoc_msec(histogram_quantile(hist, 0.99)), echoc_msec(histogram_quantile(hist, 0.999)));
}

json_t *echoc_hist_json(const struct histogram *hist)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {
        {"p50_usec", 0.5}, {"p90_usec", 0.9}, {"p99_usec", 0.99}, {"p999_usec", 0.999}};
    json_t *object;

    if (hist->count == 0)
        return json_null();
    object =
        json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)hist->count, "min_usec",
                  (double)hist->min / 1e3, "mean_usec", histogram_mean(hist) / 1e3, "mdev_usec",
                  histogram_mdev(hist) / 1e3, "max_usec", (double)hist->max / 1e3);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        json_object_set_new(object, quantiles[i].name,
                            json_real((double)histogram_quantile(hist, quantiles[i].q) / 1e3));
    return object;
}
