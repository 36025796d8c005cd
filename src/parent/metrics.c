/* metrics.c - counts clients by listener, and writes the counts as text. */
#include "parent/metrics.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mapping.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDS_MAX 13

/* Upper bounds in microseconds, ascending; the last bucket, +Inf, has none. */
struct bounds {
    size_t n;
    uint64_t usec[BOUNDS_MAX];
};

static const struct bounds handshake_bounds = {13,
                                               {1000, 2500, 5000, 10000, 25000, 50000, 100000,
                                                250000, 500000, 1000000, 2500000, 5000000,
                                                10000000}};
static const struct bounds session_bounds = {
    9, {1000, 10000, 100000, 1000000, 10000000, 60000000, 600000000, 3600000000, 86400000000}};

struct histogram {
    uint64_t buckets[BOUNDS_MAX + 1]; /* each counts only its own range */
    uint64_t sum_usec;
};

/* The counts of one listener. */
struct counts {
    char listener[LISTENER_NAME_MAX];
    uint64_t clients; /* connected now */
    uint64_t ends[END_COUNT];
    uint64_t refusals[ACCESS_RULES];
    uint64_t bytes_in, bytes_out, messages;
    struct histogram handshakes, sessions;
};

struct metrics {
    size_t n;
    struct counts counts[LISTENERS_MAX]; /* entries that are not in use are never touched */
};

int metrics_open(struct metrics **ret_metrics, struct err *ret_err)
{
    struct metrics *metrics = mapping_own(sizeof(*metrics));

    if (!metrics)
        return err_set(ret_err, "cannot allocate the metrics: %s", strerror(errno));
    *ret_metrics = metrics;
    return 0;
}

void metrics_close(struct metrics *metrics)
{
    mapping_free(metrics, sizeof(*metrics));
}

/* ---- counting ---- */

/* Linear search: there are few listeners. parent_enroll() has refused any name beyond the limit. */
static struct counts *counts_of(struct metrics *metrics, const char *listener)
{
    size_t i = 0;

    while (i < metrics->n && strcmp(metrics->counts[i].listener, listener) != 0)
        i++;
    if (i == LISTENERS_MAX)
        return &metrics->counts[LISTENERS_MAX - 1];
    if (i == metrics->n)
        snprintf(metrics->counts[metrics->n++].listener, LISTENER_NAME_MAX, "%s", listener);
    return &metrics->counts[i];
}

static void observe(struct histogram *histogram, const struct bounds *bounds, uint64_t usec)
{
    size_t i = 0;

    while (i < bounds->n && usec > bounds->usec[i])
        i++;
    histogram->buckets[i]++;
    histogram->sum_usec += usec;
}

void metrics_announce(struct metrics *metrics, const char *listener)
{
    counts_of(metrics, listener);
}

void metrics_came(struct metrics *metrics, const char *listener)
{
    counts_of(metrics, listener)->clients++;
}

void metrics_refused(struct metrics *metrics, const char *listener, enum access_rule rule)
{
    struct counts *counts = counts_of(metrics, listener);

    counts->clients--;
    counts->ends[END_REFUSED]++;
    counts->refusals[rule]++;
}

/* A child refuses only by the allow and deny lists, and only clients that a proxy has named. */
void metrics_ended(struct metrics *metrics, const char *listener, const struct record *record,
                   uint64_t usec)
{
    struct counts *counts = counts_of(metrics, listener);
    uint64_t handshake_usec = record->handshake_usec < usec ? record->handshake_usec : usec;

    counts->clients--;
    counts->ends[record->end]++;
    if (record->end == END_REFUSED)
        counts->refusals[record->rule]++;
    counts->bytes_in += record->bytes_in;
    counts->bytes_out += record->bytes_out;
    counts->messages += record->messages;
    observe(&counts->sessions, &session_bounds, usec);
    if (record->handshake_usec > 0)
        observe(&counts->handshakes, &handshake_bounds, handshake_usec);
}

/* ---- the text ---- */

void metrics_family(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/*
 * A label that is not UTF-8 makes the reader reject the whole file, and so do two labels that
 * become equal. So all but printable ASCII is written as \xNN, as in the log, and so is the
 * backslash; the format then doubles the backslash of each \xNN.
 */
void metrics_label(FILE *file, const char *name, const char *value)
{
    fprintf(file, "%s=\"", name);
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;

        if (byte < 0x20 || byte >= 0x7f || byte == '\\')
            fprintf(file, "\\\\x%02x", byte);
        else
            fprintf(file, byte == '"' ? "\\%c" : "%c", byte);
    }
    fputc('"', file);
}

/* One sample of a listener; `label` may be NULL. */
static void print_sample(FILE *file, const char *name, const struct counts *counts,
                         const char *label, const char *value, uint64_t number)
{
    fprintf(file, "%s{", name);
    metrics_label(file, "listener", counts->listener);
    if (label) {
        fputc(',', file);
        metrics_label(file, label, value);
    }
    fprintf(file, "} %" PRIu64 "\n", number);
}

static void print_histogram(FILE *file, const char *name, const struct counts *counts,
                            const struct histogram *histogram, const struct bounds *bounds)
{
    char sample[64], bound[32] = "+Inf";
    uint64_t count = 0;

    snprintf(sample, sizeof(sample), "%s_bucket", name);
    for (size_t i = 0; i <= bounds->n; i++) {
        count += histogram->buckets[i];
        if (i < bounds->n)
            snprintf(bound, sizeof(bound), "%g", (double)bounds->usec[i] / 1e6);
        print_sample(file, sample, counts, "le", i < bounds->n ? bound : "+Inf", count);
    }
    fprintf(file, "%s_sum{", name);
    metrics_label(file, "listener", counts->listener);
    fprintf(file, "} %.6f\n", (double)histogram->sum_usec / 1e6);
    snprintf(sample, sizeof(sample), "%s_count", name);
    print_sample(file, sample, counts, NULL, NULL, count);
}

/* Print one family for one listener; each function knows the type of its `field` in the counts. */
typedef void print_counts(FILE *file, const char *name, const struct counts *counts,
                          const void *field);

static void print_number(FILE *file, const char *name, const struct counts *counts,
                         const void *field)
{
    print_sample(file, name, counts, NULL, NULL, *(const uint64_t *)field);
}

static void print_ends(FILE *file, const char *name, const struct counts *counts, const void *field)
{
    const uint64_t *ends = field;

    for (int end = 0; end < END_COUNT; end++)
        print_sample(file, name, counts, "end", end_name(end), ends[end]);
}

static void print_refusals(FILE *file, const char *name, const struct counts *counts,
                           const void *field)
{
    const uint64_t *refusals = field;

    for (enum access_rule rule = ACCESS_OK + 1; rule < ACCESS_RULES; rule++)
        print_sample(file, name, counts, "rule", access_rule_name(rule), refusals[rule]);
}

static void print_handshakes(FILE *file, const char *name, const struct counts *counts,
                             const void *field)
{
    print_histogram(file, name, counts, field, &handshake_bounds);
}

static void print_sessions(FILE *file, const char *name, const struct counts *counts,
                           const void *field)
{
    print_histogram(file, name, counts, field, &session_bounds);
}

#define FIELD(field) offsetof(struct counts, field)

static const struct {
    const char *name, *type, *help;
    print_counts *print;
    size_t offset;
} families[] = {
    {"echod_clients", "gauge", "Clients that are here now.", print_number, FIELD(clients)},
    {"echod_connections_total", "counter", "Connections that are over, by how they ended.",
     print_ends, FIELD(ends)},
    {"echod_refusals_total", "counter", "Connections that a rule refused.", print_refusals,
     FIELD(refusals)},
    {"echod_received_bytes_total", "counter", "Bytes from clients that have ended.", print_number,
     FIELD(bytes_in)},
    {"echod_echoed_bytes_total", "counter", "Bytes back to clients that have ended.", print_number,
     FIELD(bytes_out)},
    {"echod_messages_total", "counter", "Whole messages, where the framing has messages.",
     print_number, FIELD(messages)},
    {"echod_handshake_seconds", "histogram", "TLS handshakes, from the client's first byte.",
     print_handshakes, FIELD(handshakes)},
    {"echod_session_seconds", "histogram", "Connections, from accept to their record.",
     print_sessions, FIELD(sessions)},
};

void metrics_print(const struct metrics *metrics, FILE *file)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        metrics_family(file, families[i].name, families[i].type, families[i].help);
        for (size_t k = 0; k < metrics->n; k++)
            families[i].print(file, families[i].name, &metrics->counts[k],
                              (const char *)&metrics->counts[k] + families[i].offset);
    }
    metrics_family(file, "echod_log_lines_dropped_total", "counter",
                   "Lines that neither the journal nor stderr took.");
    fprintf(file, "echod_log_lines_dropped_total %llu\n", log_dropped());
}

const char *metrics_write(const struct metrics *metrics, const char *more, const char *path)
{
    const char *reason;
    char *text = NULL;
    size_t size;
    bool whole;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return strerror(errno);
    metrics_print(metrics, file);
    fputs(more, file);
    whole = !ferror(file);
    whole = fclose(file) == 0 && whole;
    reason = whole ? file_replace(path, text, size) : strerror(ENOMEM);
    free(text);
    return reason;
}
