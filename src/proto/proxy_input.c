/* proxy_input.c - the state of parsing a PROXY header. */
#include "proto/proxy_input.h"

#include <string.h>

enum proxy_verdict proxy_complete(struct proxy_input *in, size_t length)
{
    in->length = length;
    return PROXY_COMPLETE;
}

enum proxy_verdict proxy_more(struct proxy_input *in, size_t length)
{
    in->length = length;
    return PROXY_MORE;
}

enum proxy_verdict proxy_bad(struct proxy_input *in, const char *reason)
{
    in->reason = reason;
    return PROXY_BAD;
}

bool proxy_may_begin(const struct proxy_input *in, const void *start, size_t length)
{
    return memcmp(in->data, start, in->n < length ? in->n : length) == 0;
}
