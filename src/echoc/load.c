/* load.c - the load generator's course and its report. */
#include "echoc/load.h"
#include "echoc/exchange.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LIVE_MSEC 500
#define BAR_WIDTH 50

struct load {
    struct echoc *echoc;
    int n_workers;
    struct load_worker **workers;
    struct load_course course;
};

static uint64_t figures_errors(const struct load_figures *figures)
{
    uint64_t errors = 0;

    for (int i = 0; i < TROUBLE_COUNT; i++)
        errors += figures->troubles[i];
    return errors;
}

static double seconds_of(uint64_t nsec)
{
    return (double)nsec / 1e9;
}

/* ---- the report ---- */

static void format_latency(uint64_t nsec, char *text, size_t size)
{
    double usec = (double)nsec / 1e3;

    if (usec < 1e3)
        snprintf(text, size, "%.1f us", usec);
    else if (usec < 1e6)
        snprintf(text, size, "%.2f ms", usec / 1e3);
    else
        snprintf(text, size, "%.3f s", usec / 1e6);
}

static void format_bar(double share, char *text)
{
    int n = (int)(share * BAR_WIDTH + 0.5);

    memset(text, '#', (size_t)n);
    text[n] = '\0';
}

/* One row for each step of 1, 2, 5, 10 ... between the fastest and the slowest. */
static void load_print_histogram(const struct histogram *hist)
{
    static const double steps[] = {1, 2, 5};
    double edge = 1e3, below = 0, most = 0, share[64], edges[64];
    size_t n = 0;
    char text[32], bars[BAR_WIDTH + 1];

    for (size_t i = 0; n < 64 && below < (double)hist->count; i++) {
        edge = 1e3 * steps[i % 3];
        for (size_t decade = 0; decade < i / 3; decade++)
            edge *= 10;
        share[n] = histogram_count_below(hist, (uint64_t)edge) - below;
        below += share[n];
        edges[n] = edge;
        if (share[n] > most)
            most = share[n];
        if (below > 0)
            n++;
    }
    for (size_t i = 0; i < n; i++) {
        format_latency((uint64_t)edges[i], text, sizeof(text));
        format_bar(share[i] / most, bars);
        printf("  < %9s %7.3f%% %s\n", text, 100 * share[i] / (double)hist->count, bars);
    }
}

static void load_print_text(const struct load *load, const struct load_figures *figures,
                            double seconds)
{
    const struct echoc *echoc = load->echoc;

    printf("%s: %d connections, %d threads, %d bytes, %s, %.1f s\n", echoc->url, echoc->connections,
           load->n_workers, echoc->size, echoc->rate > 0 ? "on schedule" : "as fast as answered",
           seconds);
    printf("messages     %" PRIu64 " (%.0f/s)\n", figures->messages,
           (double)figures->messages / seconds);
    printf("bytes        %" PRIu64 " each way (%.1f MiB/s)\n", figures->bytes,
           (double)figures->bytes / seconds / 1048576);
    printf("connections  %" PRIu64 " (%.0f/s)", figures->dialed, (double)figures->dialed / seconds);
    if (echoc->target.tls)
        printf(", %" PRIu64 " resumed", figures->resumed);
    putchar('\n');
    echoc_print_hist("latency", &figures->latency);
    echoc_print_hist("connect", &figures->connect);
    echoc_print_hist("tls", &figures->handshake);
    load_print_histogram(&figures->latency);
    printf("errors       %" PRIu64 "\n", figures_errors(figures));
    for (int i = 0; i < TROUBLE_COUNT; i++)
        if (figures->troubles[i] > 0)
            printf("  %-10s %" PRIu64 ", the first: %s\n", trouble_names[i], figures->troubles[i],
                   figures->first[i].text);
}

static json_t *figures_troubles_json(const struct load_figures *figures)
{
    json_t *object = json_object();

    for (int i = 0; i < TROUBLE_COUNT; i++)
        if (figures->troubles[i] > 0)
            json_object_set_new(object, trouble_names[i],
                                json_pack("{s:I, s:s}", "count", (json_int_t)figures->troubles[i],
                                          "first", figures->first[i].text));
    return object;
}

static json_t *load_json(const struct load *load, const struct load_figures *figures,
                         double seconds)
{
    const struct echoc *echoc = load->echoc;

    return json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:I, s:f, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o}",
        "command", "load", "url", echoc->url, "connections", echoc->connections, "threads",
        load->n_workers, "size", echoc->size, "rate", echoc->rate, "duration_sec", seconds,
        "messages", (json_int_t)figures->messages, "messages_per_sec",
        (double)figures->messages / seconds, "bytes", (json_int_t)figures->bytes, "dialed",
        (json_int_t)figures->dialed, "resumed", (json_int_t)figures->resumed, "latency",
        echoc_hist_json(&figures->latency), "connect", echoc_hist_json(&figures->connect),
        "handshake", echoc_hist_json(&figures->handshake), "errors",
        (json_int_t)figures_errors(figures), "troubles", figures_troubles_json(figures));
}

/* ---- the course ---- */

static void load_gather(const struct load *load, struct load_figures *figures)
{
    memset(figures, 0, sizeof(*figures));
    for (int i = 0; i < load->n_workers; i++)
        load_look(load->workers[i], figures);
}

static bool load_is_running(const struct load *load)
{
    for (int i = 0; i < load->n_workers; i++)
        if (load_running(load->workers[i]))
            return true;
    return false;
}

/* The rate covers the time since the line before, the quantiles the whole run. */
static void load_show_live(const struct load *load)
{
    static struct load_figures figures;
    static uint64_t messages_before, nsec_before;
    uint64_t now = now_nsec();
    double seconds = seconds_of(now - (nsec_before ? nsec_before : load->course.begin_nsec));
    char p50[32], p99[32];

    load_gather(load, &figures);
    format_latency(histogram_quantile(&figures.latency, 0.5), p50, sizeof(p50));
    format_latency(histogram_quantile(&figures.latency, 0.99), p99, sizeof(p99));
    fprintf(stderr, "\r%5.1f s %9.0f/s  p50 %s  p99 %s  errors %" PRIu64 "      ",
            seconds_of(now - load->course.begin_nsec),
            (double)(figures.messages - messages_before) / seconds, p50, p99,
            figures_errors(&figures));
    messages_before = figures.messages;
    nsec_before = now;
}

static void load_watch(const struct load *load)
{
    bool live = isatty(STDERR_FILENO) && !load->echoc->json;

    while (load_is_running(load)) {
        poll(NULL, 0, live ? LIVE_MSEC : 20);
        if (live)
            load_show_live(load);
    }
    if (live)
        fputc('\n', stderr);
}

/* Each connection needs a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Each worker gets its share of connections and of the rate. */
static int load_start_workers(struct load *load, struct err *ret_err)
{
    const struct echoc *echoc = load->echoc;
    int threads = echoc->threads < echoc->connections ? echoc->threads : echoc->connections;

    load->workers = calloc((size_t)threads, sizeof(*load->workers));
    if (!load->workers)
        return err_set(ret_err, "out of memory");
    load->course.begin_nsec = now_nsec();
    load->course.count_nsec = load->course.begin_nsec + echoc->warmup_usec * 1000;
    load->course.end_nsec = load->course.count_nsec + echoc->duration_usec * 1000;
    for (int i = 0; i < threads; i++) {
        int n = echoc->connections / threads + (i < echoc->connections % threads);

        if (load_start(echoc, i, n, echoc->rate * n / echoc->connections, &load->course,
                       &load->workers[i], ret_err) < 0)
            return -1;
        load->n_workers++;
    }
    return 0;
}

static int load_report(const struct load *load, double seconds)
{
    static struct load_figures figures;

    load_gather(load, &figures);
    if (load->echoc->json)
        echoc_print_json(load_json(load, &figures, seconds), stdout);
    else
        load_print_text(load, &figures, seconds);
    return figures_errors(&figures) == 0 && figures.messages > 0 ? ECHOC_OK : ECHOC_LOST;
}

/* The warm-up ends with a reset of the figures; interrupted before, they cover the whole time. */
static double course_counted_seconds(const struct load_course *course)
{
    uint64_t now = now_nsec();

    return seconds_of(now - (now > course->count_nsec ? course->count_nsec : course->begin_nsec));
}

int echoc_load(struct echoc *echoc)
{
    static struct load load;
    static struct dialed first;
    struct err err;
    int status = ECHOC_ERROR;

    load.echoc = echoc;
    raise_descriptor_limit();
    if (dial(&echoc->target, NULL, &first, &err) < 0) /* one error now, not one a connection */
        return echoc_error("%s", err.text);
    exchange_end(&first.stream, deadline_in(USEC_PER_SEC), &err);
    stream_close(&first.stream, 0, 0);
    if (load_start_workers(&load, &err) == 0) {
        load_watch(&load);
        status = load_report(&load, course_counted_seconds(&load.course));
    } else {
        echoc_interrupted = 1;
        echoc_error("%s", err.text);
    }
    for (int i = 0; i < load.n_workers; i++)
        load_join(load.workers[i]);
    free(load.workers);
    return status;
}
