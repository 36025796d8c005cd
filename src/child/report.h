/*
 * report.h - what the server saw of a client: one line of JSON, which goes ahead of the echo.
 */
#ifndef ECHOD_CHILD_REPORT_H
#define ECHOD_CHILD_REPORT_H

#include <stddef.h>

struct addr;
struct proxy_header;
struct stream;
struct tls_facts;

/* What there is to tell of one client. All borrowed. */
struct report {
    const char *listener;
    const struct addr *peer;          /* the other end of the socket; NULL where it is not known */
    const struct proxy_header *proxy; /* of version 0 where no header came */
    const struct stream *stream;      /* the handshake is done, if there is one */
    const struct tls_facts *tls;      /* of that; all empty where there is none */
};

/*
 * Get ready to report in processes that can open no file any more: those forked after it. Once, or
 * again to no effect.
 */
void report_prepare(void);

/*
 * The line, an object of JSON (RFC 8259) in ASCII and a line feed, of *ret_length bytes and no NUL.
 * Whatever the client or its proxy has chosen is cut to 255 bytes a text, and a byte of it that
 * cannot be printed, or is a backslash, stands as \xNN. The caller frees it; NULL when memory has
 * run out.
 */
char *report_new(const struct report *report, size_t *ret_length);

#endif
