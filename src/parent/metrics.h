/*
 * metrics.h - counts what became of all clients, for a monitoring system.
 *
 * The text exposition format of Prometheus, version 0.0.4, with the names and the units that
 * OpenMetrics demands: the textfile collector of node_exporter reads this format and not
 * OpenMetrics. Each client counts in exactly one of echod_clients, the gauge, and
 * echod_connections_total, by how it ended.
 */
#ifndef ECHOD_PARENT_METRICS_H
#define ECHOD_PARENT_METRICS_H

#include "base/err.h"
#include "ipc/record.h"
#include "parent/admission.h"

#include <stdio.h>

/*
 * The counts of each listener, by its name, so that they survive a reload: of LISTENERS_MAX at
 * most.
 */
struct metrics;

/* Make empty counts; in a child they are all zero. Returns 0, or -1 with *ret_err. */
int metrics_open(struct metrics **ret_metrics, struct err *ret_err);

/* Free the counts. NULL is allowed. */
void metrics_close(struct metrics *metrics);

/* Put a listener into the text before its first client. */
void metrics_announce(struct metrics *metrics, const char *listener);

/* A client has connected to this listener; one of the next two calls follows. */
void metrics_came(struct metrics *metrics, const char *listener);

/* The parent refused the client when it connected. */
void metrics_refused(struct metrics *metrics, const char *listener, enum access_rule rule);

/* The client has ended, `usec` after it was accepted. Its record must be sanitized. */
void metrics_ended(struct metrics *metrics, const char *listener, const struct record *record,
                   uint64_t usec);

/* Write all counts as text. */
void metrics_print(const struct metrics *metrics, FILE *file);

/*
 * Replace the file at `path`, which every user may read, by the metrics and then the text `more`.
 * Returns NULL, or the reason in words if it cannot be done.
 */
const char *metrics_write(const struct metrics *metrics, const char *more, const char *path);

/* ---- for modules that write more metrics ---- */

/* Write the lines before the samples of a family; `type` is "gauge", "counter", ... */
void metrics_family(FILE *file, const char *name, const char *type, const char *help);

/* Write `NAME="VALUE"`, the value escaped: all but printable ASCII is \xNN, as in the log. */
void metrics_label(FILE *file, const char *name, const char *value);

#endif
