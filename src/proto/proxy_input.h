/*
 * proxy_input.h - a header of the PROXY protocol under way, and the verdict on it. Private to
 * proxy*.c.
 */
#ifndef ECHOD_PROTO_PROXY_INPUT_H
#define ECHOD_PROTO_PROXY_INPUT_H

#include "proto/proxy.h"

/* A header under way: the input, and what it has come to. */
struct proxy_input {
    const uint8_t *data;
    size_t n;
    struct proxy_header header;
    size_t length; /* of PROXY_COMPLETE and PROXY_MORE */
    const char *reason;
};

/* Whether the input, as far as it is there, agrees with `start`. */
bool proxy_may_begin(const struct proxy_input *in, const void *start, size_t length);

/* Each returns its verdict. */
enum proxy_verdict proxy_complete(struct proxy_input *in, size_t length);
enum proxy_verdict proxy_more(struct proxy_input *in, size_t length);
enum proxy_verdict proxy_bad(struct proxy_input *in, const char *reason);

/* Judge what may begin with the start of that version: proxy_v1.c, proxy_v2.c. */
#define PROXY_V1_START "PROXY "
#define PROXY_V2_START "\r\n\r\n\0\r\nQUIT\n"
enum proxy_verdict proxy_judge_v1(struct proxy_input *in);
enum proxy_verdict proxy_judge_v2(struct proxy_input *in);

#endif
