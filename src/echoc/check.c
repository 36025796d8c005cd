/* check.c - one round trip, as a plug-in of a monitoring system. */
#include "echoc/echoc.h"
#include "echoc/exchange.h"
#include "echoc/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The states of the Monitoring Plugins Development Guidelines, 2.3, with their exit statuses. */
enum verdict { OK, WARNING, CRITICAL, UNKNOWN };

static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

struct check {
    struct echoc *echoc;
    struct dialed dialed;
    uint64_t echo_nsec;
    double total_msec;
    double days_left; /* of the certificate that expires first */
    bool has_certificate;
    struct err err; /* why the verdict is not OK */
};

int echoc_unknown(const struct err *err)
{
    printf("ECHO UNKNOWN - %s\n", err->text);
    return UNKNOWN;
}

/* A chain is valid until the first of its certificates expires. */
static void check_find_expiry(struct check *check)
{
    struct tls_certificate certificate;
    time_t now = time(NULL);

    for (int i = 0; tls_peer_certificate(&check->dialed.stream, i, &certificate) == 0; i++) {
        double days = difftime(certificate.not_after, now) / 86400;

        if (!check->has_certificate || days < check->days_left)
            check->days_left = days;
        check->has_certificate = true;
    }
}

static enum verdict check_exchange(struct check *check)
{
    const struct payload payload = {&check->echoc->frame, now_nsec(), (size_t)check->echoc->size};
    size_t n = payload_length(&payload);
    unsigned char *message = malloc(n);
    deadline_t deadline = deadline_in(check->echoc->wait_usec);
    uint64_t begin = now_nsec();
    enum verdict verdict = OK;

    if (!message) {
        err_set(&check->err, "out of memory");
        return UNKNOWN;
    }
    payload_fill(&payload, 1, message);
    if (exchange(&check->dialed.stream, message, n, deadline, &check->err) != EXCHANGE_OK)
        verdict = CRITICAL;
    check->echo_nsec = now_nsec() - begin;
    if (verdict == OK && exchange_end(&check->dialed.stream, deadline, &check->err) < 0)
        verdict = CRITICAL;
    free(message);
    return verdict;
}

static bool check_is_late(struct check *check, double limit_msec)
{
    if (limit_msec <= 0 || check->total_msec <= limit_msec)
        return false;
    err_set(&check->err, "%.3f ms is more than %.15g ms", check->total_msec, limit_msec);
    return true;
}

static enum verdict check_judge(struct check *check)
{
    const struct echoc *echoc = check->echoc;

    if (check_is_late(check, echoc->critical_msec))
        return CRITICAL;
    if (check->has_certificate && check->days_left < echoc->expiry_days) {
        err_set(&check->err, "a certificate expires in %.1f days", check->days_left);
        return WARNING;
    }
    return check_is_late(check, echoc->warning_msec) ? WARNING : OK;
}

static enum verdict check_probe(struct check *check)
{
    uint64_t begin = now_nsec();
    enum verdict verdict;

    if (dial(&check->echoc->target, NULL, &check->dialed, &check->err) < 0)
        return CRITICAL;
    check_find_expiry(check);
    verdict = check_exchange(check);
    stream_close(&check->dialed.stream, 0, 0);
    check->total_msec = (double)(now_nsec() - begin) / 1e6;
    return verdict == OK ? check_judge(check) : verdict;
}

/* Guidelines, 2.6: 'label'=value[unit];[warn];[crit];[min];[max] */
static void check_print_performance(const struct check *check)
{
    const struct echoc *echoc = check->echoc;
    char warning[32] = "", critical[32] = "";

    if (echoc->warning_msec > 0)
        snprintf(warning, sizeof(warning), "%.15g", echoc->warning_msec);
    if (echoc->critical_msec > 0)
        snprintf(critical, sizeof(critical), "%.15g", echoc->critical_msec);
    printf(" | time=%.3fms;%s;%s;0 connect=%.3fms;;;0 echo=%.3fms;;;0", check->total_msec, warning,
           critical, echoc_msec(check->dialed.connect_nsec), echoc_msec(check->echo_nsec));
    if (echoc->target.tls)
        printf(" tls=%.3fms;;;0", echoc_msec(check->dialed.handshake_nsec));
    if (check->has_certificate && echoc->expiry_days > 0)
        printf(" expiry=%.1f;%d:", check->days_left, echoc->expiry_days); /* alert below */
    else if (check->has_certificate)
        printf(" expiry=%.1f", check->days_left);
}

static void check_print_text(const struct check *check, enum verdict verdict)
{
    printf("ECHO %s - %s", words[verdict], check->echoc->url);
    if (verdict == OK)
        printf(" answered in %.3f ms", check->total_msec);
    else
        printf(": %s", check->err.text);
    if (check->total_msec > 0)
        check_print_performance(check);
    putchar('\n');
}

static json_t *check_json(const struct check *check, enum verdict verdict)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:o, s:o, s:s*}", "command", "check",
                     "url", check->echoc->url, "status", words[verdict], "time_msec",
                     check->total_msec, "connect_nsec", (json_int_t)check->dialed.connect_nsec,
                     "handshake_nsec", (json_int_t)check->dialed.handshake_nsec, "echo_nsec",
                     (json_int_t)check->echo_nsec, "tls", echoc_tls_json(&check->dialed.tls),
                     "expiry_days",
                     check->has_certificate ? json_real(check->days_left) : json_null(), "error",
                     verdict == OK ? NULL : check->err.text);
}

int echoc_check(struct echoc *echoc)
{
    static struct check check;
    enum verdict verdict;

    check.echoc = echoc;
    verdict = check_probe(&check);
    if (echoc->json)
        echoc_print_json(check_json(&check, verdict), stdout);
    else
        check_print_text(&check, verdict);
    return (int)verdict;
}
