/*
 * proxy_input.h - the state of parsing a PROXY header, and its verdict. Private to proxy*.c.
 */
#ifndef ECHOD_PROTO_PROXY_INPUT_H
#define ECHOD_PROTO_PROXY_INPUT_H

#include "proto/proxy.h"

/* The input, and the result so far. */
struct proxy_input {
    const uint8_t *data;
    size_t n;
    struct proxy_header header;
    size_t length; /* of PROXY_COMPLETE and PROXY_MORE */
    const char *reason;
};

/* Whether the input, as far as it goes, matches `start`. */
bool proxy_may_begin(const struct proxy_input *in, const void *start, size_t length);

/* Each sets its result and returns the verdict of its name. */
enum proxy_verdict proxy_complete(struct proxy_input *in, size_t length);
enum proxy_verdict proxy_more(struct proxy_input *in, size_t length);
enum proxy_verdict proxy_bad(struct proxy_input *in, const char *reason);

/* Parse input that may begin with the start of that version: proxy_v1.c, proxy_v2.c. */
#define PROXY_V1_START "PROXY "
#define PROXY_V2_START "\r\n\r\n\0\r\nQUIT\n"
enum proxy_verdict proxy_judge_v1(struct proxy_input *in);
enum proxy_verdict proxy_judge_v2(struct proxy_input *in);

#endif
