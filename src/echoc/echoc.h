/*
 * echoc.h - what the commands of echoc share: options, exit statuses and output.
 */
#ifndef ECHOD_ECHOC_ECHOC_H
#define ECHOD_ECHOC_ECHOC_H

#include "echoc/dial.h"
#include "echoc/histogram.h"
#include "proto/frame.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit statuses of cat, ping, load and info; check has those of monitoring plug-ins. */
#define ECHOC_OK 0
#define ECHOC_LOST 1    /* connected, but not all came back */
#define ECHOC_ERROR 2   /* not connected: wrong arguments, host, certificate, ... */
#define ECHOC_UNKNOWN 3 /* only of check: the check itself failed */

/* What the command line says. Times in microseconds. */
struct echoc {
    const char *url;
    struct target target;
    struct tls_client_params tls;
    struct frame_params frame;
    bool json;
    uint64_t timeout_usec;

    long count; /* ping; 0 = until it is interrupted */
    uint64_t interval_usec;
    uint64_t wait_usec;
    int size;
    bool anew;   /* a connection for each message */
    bool resume; /* each resumes the TLS session of the one before */

    int connections; /* load */
    uint64_t duration_usec, warmup_usec;
    double rate; /* requests a second; 0 = as fast as they are answered */
    int depth;
    int threads;
    long seed;

    double warning_msec, critical_msec; /* check; 0 = none */
    int expiry_days;
};

/* Each runs to its end and returns the exit status. */
int echoc_cat(struct echoc *echoc);
int echoc_ping(struct echoc *echoc);
int echoc_load(struct echoc *echoc);
int echoc_check(struct echoc *echoc);
int echoc_info(struct echoc *echoc);

/* One command: how it is called, run and described. */
struct echoc_command {
    const char *name;
    unsigned bit; /* that stands for it in the table of options */
    int (*run)(struct echoc *echoc);
    const char *summary;
    const char *help;
};

/* The command of a name, or NULL. */
const struct echoc_command *echoc_find_command(const char *name);

/*
 * Read the options, argv[0] being the command's name. Returns 0, or -1 with the exit status in
 * *ret_status when there is nothing more to do: after --help, or after an error message.
 */
int echoc_parse(int argc, char **argv, const struct echoc_command *command, struct echoc *echoc,
                int *ret_status);

/* Print the help of a command, or with NULL the list of them. Returns ECHOC_OK. */
int echoc_print_usage(const struct echoc_command *command);

/* Print where to find help. Returns ECHOC_ERROR. */
int echoc_usage_error(const char *command);

/* Print the line of check for an error before its connection. Returns its exit status, 3. */
int echoc_unknown(const struct err *err);

/* Set by SIGINT or SIGTERM: the command stops and reports what it has. */
extern volatile sig_atomic_t echoc_interrupted;

/* Print "echoc: ..." on standard error. Returns ECHOC_ERROR. */
int echoc_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The last message of echoc_error(), which check repeats on standard output. */
const struct err *echoc_last_error(void);

/* Print the object as the one line that --json promises, and free it. */
void echoc_print_json(json_t *object, FILE *file);

/* Nanoseconds in milliseconds. */
double echoc_msec(double nsec);

/* {"version", "cipher", "group", "alpn", "resumed"}; null for plaintext. */
json_t *echoc_tls_json(const struct tls_facts *facts);

/* {"count", "min_usec", "mean_usec", "mdev_usec", "max_usec", "p50_usec", ... "p999_usec"} */
json_t *echoc_hist_json(const struct histogram *hist);

/* "min/avg/max/mdev = ... ms" and "p50/p90/p99/p99.9 = ... ms", each line with `label`. */
void echoc_print_hist(const char *label, const struct histogram *hist);

/* "TLSv1.3, TLS_AES_256_GCM_SHA384, x25519, resumed"; `text` holds so many bytes. */
#define ECHOC_TLS_TEXT_MAX 512
const char *echoc_tls_text(const struct tls_facts *facts, char *text);

#endif
