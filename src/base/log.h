/*
 * log.h - one line for the log, to the journal with native fields or to stderr as text.
 *
 * Logging never waits: a line that neither sink takes at once is counted, and the count is logged
 * when lines pass again. sd_journal_send() is not used because it blocks for good once
 * systemd-journald stalls; the journal's documented native protocol on a non-blocking socket
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL) does not.
 *
 * Every byte that is not printable ASCII is written as \xNN, so that no peer can forge a line.
 */
#ifndef ECHOD_BASE_LOG_H
#define ECHOD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG of RFC 5424 */

enum log_target {
    LOG_TARGET_AUTO, /* the journal when stderr is connected to it, else stderr */
    LOG_TARGET_JOURNAL,
    LOG_TARGET_STDERR,
};

/* One native field: an upper-case journal name and its value. */
struct log_field {
    const char *name;
    const char *value;
};

/* Suppresses lines of one kind that come too often; zero-initialise one for each kind of line. */
struct throttle {
    uint64_t open_again_usec;
    unsigned long held;
};

/*
 * Choose where lines go and the least urgent level that is logged (LOG_ERR..LOG_DEBUG). May be
 * called again. Before the first call, lines of LOG_INFO and above go to stderr.
 */
void log_open(enum log_target target, int level);

/* Before log_open(): never write a line to stderr, because it is a client's socket (inetd). */
void log_forbid_stderr(void);

/* Close what log_open() has opened. */
void log_close(void);

/* Whether a line of this level would be logged. Ask before building a line that costs time. */
bool log_enabled(int level);

/* Log one printf-style line. */
void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same, at most once in ten seconds for each throttle; the next line counts those left out. */
void log_throttled(struct throttle *throttle, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Log an event with fields. The journal gets `message` and each field by its name; stderr gets the
 * fields as `name=value`, in lower case and without the prefix ECHOD_, but not MESSAGE_ID.
 */
void log_event(int level, const char *message, const struct log_field *fields, size_t n_fields);

/* The number of lines that neither sink took, since the start. */
unsigned long long log_dropped(void);

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
