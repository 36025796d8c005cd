/*
 * report.h - what the server sees of a client: one line of JSON, which is sent before the echo.
 */
#ifndef ECHOD_CHILD_REPORT_H
#define ECHOD_CHILD_REPORT_H

#include <stddef.h>

struct addr;
struct proxy_header;
struct stream;
struct tls_facts;

/* What the report is about. All borrowed. */
struct report {
    const char *listener;
    const struct addr *peer;          /* the other end of the socket; NULL if it is not known */
    const struct proxy_header *proxy; /* of version 0 if no header came */
    const struct stream *stream;      /* after the handshake, if there is TLS */
    const struct tls_facts *tls;      /* what that negotiated; all empty without TLS */
};

/*
 * Prepare reports in the processes forked after this, which can open no files. Further calls have
 * no effect.
 */
void report_prepare(void);

/*
 * The line: an object of JSON (RFC 8259) in ASCII and a line feed, *ret_length bytes without a NUL.
 * Each text that the client or its proxy has chosen is cut to 255 bytes; a byte that cannot be
 * printed, and a backslash, is written as \xNN. The caller frees the line; NULL if memory has run
 * out.
 */
char *report_new(const struct report *report, size_t *ret_length);

#endif
