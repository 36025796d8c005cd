/*
 * metrics.h - what has become of all clients, as numbers that a monitoring system reads.
 *
 * The text exposition format of Prometheus, version 0.0.4, with the names and the units that
 * OpenMetrics wants: node_exporter's textfile collector reads that, and not OpenMetrics. A client
 * is in exactly one of echod_clients, the gauge, and echod_connections_total, with how it ended.
 */
#ifndef ECHOD_PARENT_METRICS_H
#define ECHOD_PARENT_METRICS_H

#include "base/err.h"
#include "ipc/record.h"
#include "parent/admission.h"

#include <stdio.h>

/* The counts of each listener, by its name, so that they outlive a reload: of LISTENERS_MAX at
 * most. */
struct metrics;

/* Empty counts; a child finds none in them. Returns 0, or -1 with *ret_err. */
int metrics_open(struct metrics **ret_metrics, struct err *ret_err);

/* NULL is allowed. */
void metrics_close(struct metrics *metrics);

/* Have a listener in the text before its first client. */
void metrics_announce(struct metrics *metrics, const char *listener);

/* A client has come to this listener; one of the next two follows. */
void metrics_came(struct metrics *metrics, const char *listener);

/* It was refused at the door. */
void metrics_refused(struct metrics *metrics, const char *listener, enum access_rule rule);

/* It has ended; `usec` is how long it was there. Its record is tame. */
void metrics_ended(struct metrics *metrics, const char *listener, const struct record *record,
                   uint64_t usec);

/* Write all of it as text. */
void metrics_print(const struct metrics *metrics, FILE *file);

/*
 * Replace the file at `path`, which anybody may read, by the metrics and the text `more`, which
 * follows them. Returns NULL, or why it cannot be done, in words.
 */
const char *metrics_write(const struct metrics *metrics, const char *more, const char *path);

/* ---- for those who have more to tell ---- */

/* The lines that come before the samples of a family; `type` is "gauge", "counter", ... */
void metrics_family(FILE *file, const char *name, const char *type, const char *help);

/* Write `NAME="VALUE"`, the value escaped: all but printable ASCII is \xNN, as in the log. */
void metrics_label(FILE *file, const char *name, const char *value);

#endif
