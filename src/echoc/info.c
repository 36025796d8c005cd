/* info.c - the server's protocol and certificates, and the report that it sends about us. */
#include "echoc/echoc.h"
#include "echoc/exchange.h"
#include "echoc/payload.h"

#include <stdio.h>
#include <time.h>

#define REPORT_USEC (200 * USEC_PER_MSEC)  /* a server that sends a report does so at once */
#define ANSWER_USEC (1000 * USEC_PER_MSEC) /* a server with another framing never answers */

static void format_date(time_t when, char *text, size_t size)
{
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void info_print_certificate(const struct tls_certificate *certificate, int i)
{
    char from[32], until[32];
    double days = difftime(certificate->not_after, time(NULL)) / 86400;

    format_date(certificate->not_before, from, sizeof(from));
    format_date(certificate->not_after, until, sizeof(until));
    printf("certificate %d: %s\n", i, certificate->subject);
    printf("    issuer   %s\n", certificate->issuer);
    if (certificate->names[0])
        printf("    names    %s\n", certificate->names);
    printf("    valid    %s to %s (%.0f days left)\n", from, until, days);
}

static json_t *info_certificate_json(const struct tls_certificate *certificate)
{
    char from[32], until[32];

    format_date(certificate->not_before, from, sizeof(from));
    format_date(certificate->not_after, until, sizeof(until));
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "subject", certificate->subject, "issuer",
                     certificate->issuer, "names", certificate->names, "not_before", from,
                     "not_after", until);
}

/* What the command has found out. */
struct info {
    struct dialed dialed;
    bool resumes;       /* a second connection could resume the session of this one */
    char report[32768]; /* the line that the server sends first, if it does */
};

/* Control characters from the server must not reach the terminal. */
static void info_print_report(const char *report)
{
    printf("report       ");
    for (; *report != '\0' && *report != '\n'; report++)
        putchar((unsigned char)*report < 0x20 || *report == 0x7f ? '?' : *report);
    putchar('\n');
}

static void info_print_text(const struct echoc *echoc, const struct info *info)
{
    const struct dialed *dialed = &info->dialed;
    char text[ECHOC_TLS_TEXT_MAX];
    struct tls_certificate certificate;

    printf("address      %s\n", addr_format(&dialed->peer, text));
    printf("connect      %.3f ms\n", echoc_msec(dialed->connect_nsec));
    if (!echoc->target.tls) {
        puts("protocol     plaintext");
    } else {
        printf("handshake    %.3f ms\n", echoc_msec(dialed->handshake_nsec));
        printf("protocol     %s\n", echoc_tls_text(&dialed->tls, text));
        if (tls_peer_signature(&dialed->stream, text))
            printf("signature    %s\n", text);
        printf("resumption   %s\n", info->resumes ? "yes" : "no");
        for (int i = 0; tls_peer_certificate(&dialed->stream, i, &certificate) == 0; i++)
            info_print_certificate(&certificate, i);
    }
    if (info->report[0])
        info_print_report(info->report);
}

static json_t *info_json(const struct echoc *echoc, const struct info *info)
{
    const struct dialed *dialed = &info->dialed;
    char text[ADDR_TEXT_MAX], signature[TLS_SIGNATURE_TEXT_MAX];
    struct tls_certificate certificate;
    json_t *chain = json_array(), *report = json_loads(info->report, 0, NULL);

    for (int i = 0; tls_peer_certificate(&dialed->stream, i, &certificate) == 0; i++)
        json_array_append_new(chain, info_certificate_json(&certificate));
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:s*, s:b, s:o, s:o*}", "command", "info",
                     "url", echoc->url, "address", addr_format(&dialed->peer, text), "connect_nsec",
                     (json_int_t)dialed->connect_nsec, "handshake_nsec",
                     (json_int_t)dialed->handshake_nsec, "tls", echoc_tls_json(&dialed->tls),
                     "signature", tls_peer_signature(&dialed->stream, signature), "resumes",
                     info->resumes, "chain", chain, "report", report);
}

/* Send one message; it does not matter whether the answer comes. */
static void info_send_message(const struct echoc *echoc, struct info *info)
{
    const struct payload payload = {&echoc->frame, 0, 6};
    unsigned char message[6 + FRAME_MARKER_MAX];
    struct err ignored;

    payload_fill(&payload, 1, message);
    exchange(&info->dialed.stream, message, payload_length(&payload), deadline_in(ANSWER_USEC),
             &ignored);
}

/* TLS 1.3 sends tickets after the handshake, so exchange data before taking the session. */
static bool info_try_resumption(const struct echoc *echoc, struct info *info)
{
    static struct dialed second;
    struct tls_session *session;
    struct err err;
    bool resumed = false;

    info_send_message(echoc, info);
    session = tls_session_get(&info->dialed.stream);
    if (session && dial(&echoc->target, session, &second, &err) == 0) {
        resumed = second.tls.resumed;
        exchange_end(&second.stream, deadline_in(echoc->timeout_usec), &err);
        stream_close(&second.stream, 0, 0);
    }
    tls_session_free(session);
    return resumed;
}

int echoc_info(struct echoc *echoc)
{
    static struct info info;
    struct err err;

    if (dial(&echoc->target, NULL, &info.dialed, &err) < 0)
        return echoc_error("%s", err.text);
    if (exchange_greeting(&info.dialed.stream, '\n', deadline_in(REPORT_USEC), info.report,
                          sizeof(info.report)) < 0)
        info.report[0] = '\0';
    info.resumes = info_try_resumption(echoc, &info);
    if (echoc->json)
        echoc_print_json(info_json(echoc, &info), stdout);
    else
        info_print_text(echoc, &info);
    exchange_end(&info.dialed.stream, deadline_in(echoc->timeout_usec), &err);
    stream_close(&info.dialed.stream, 0, 0);
    return ECHOC_OK;
}
