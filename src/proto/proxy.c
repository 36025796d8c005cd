/* proxy.c - parses the header of the PROXY protocol. */
#include "proto/proxy_input.h"

/* Without any byte yet, ask for the shortest possible header, which is one of version 1. */
static enum proxy_verdict judge_start(struct proxy_input *in)
{
    if (proxy_may_begin(in, PROXY_V1_START, sizeof(PROXY_V1_START) - 1))
        return proxy_judge_v1(in);
    if (proxy_may_begin(in, PROXY_V2_START, sizeof(PROXY_V2_START) - 1))
        return proxy_judge_v2(in);
    return PROXY_NONE;
}

enum proxy_verdict proxy_parse(const void *data, size_t n, struct proxy_header *ret_header,
                               size_t *ret_length, const char **ret_reason)
{
    struct proxy_input in = {.data = data, .n = n};
    enum proxy_verdict verdict = judge_start(&in);

    if (verdict == PROXY_COMPLETE)
        *ret_header = in.header;
    if (verdict == PROXY_COMPLETE || verdict == PROXY_MORE)
        *ret_length = in.length;
    if (verdict == PROXY_BAD)
        *ret_reason = in.reason;
    return verdict;
}
