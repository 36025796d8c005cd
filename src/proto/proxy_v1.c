/* proxy_v1.c - version 1 of the PROXY protocol: a line of text (2.1). */
#include "proto/proxy_input.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define V1_MAX 107
#define V1_FIELDS 4 /* source, destination, and the port of each */

struct field {
    const char *alphabet;
    size_t shortest;
    size_t longest;
    const char *broken; /* the reason if it is not valid */
};

static const struct field port_field = {"0123456789", 1, 5, "a broken port"};

/* The kinds of lines: how they begin, and how their addresses look. */
static const struct kind {
    const char *start;
    sa_family_t family;
    struct field address;
} kinds[] = {
    {PROXY_V1_START "UNKNOWN", AF_UNSPEC, {NULL, 0, 0, NULL}},
    {PROXY_V1_START "TCP4 ",
     AF_INET,
     {"0123456789.", sizeof("0.0.0.0") - 1, INET_ADDRSTRLEN - 1, "a broken IPv4 address"}},
    {PROXY_V1_START "TCP6 ",
     AF_INET6,
     {"0123456789abcdefABCDEF:.", sizeof("::") - 1, INET6_ADDRSTRLEN - 1, "a broken IPv6 address"}},
};

static const struct field *field_of(const struct kind *kind, int i)
{
    return i < 2 ? &kind->address : &port_field;
}

/* The fewest bytes up to the end of the line when `have` bytes of field `i` are there. */
static size_t shortest_rest(const struct kind *kind, int i, size_t have)
{
    size_t shortest = field_of(kind, i)->shortest;
    size_t rest = have < shortest ? shortest - have : 0;

    while (++i < V1_FIELDS)
        rest += 1 + field_of(kind, i)->shortest;
    return rest + 2; /* CR LF */
}

/* The shortest line of this kind: to read so many bytes cannot read beyond the line. */
static size_t shortest_line(const struct kind *kind)
{
    return strlen(kind->start) + (kind->family == AF_UNSPEC ? 2 : shortest_rest(kind, 0, 0));
}

static bool read_address(sa_family_t family, const char *text, struct addr *ret_addr)
{
    struct addr addr = {.len = family == AF_INET ? sizeof(addr.in) : sizeof(addr.in6)};
    void *bytes = family == AF_INET ? (void *)&addr.in.sin_addr : &addr.in6.sin6_addr;

    addr.sa.sa_family = family;
    if (inet_pton(family, text, bytes) != 1)
        return false;
    *ret_addr = addr;
    return true;
}

/* The text has up to five digits and nothing else. */
static bool read_port(const char *text, struct addr *addr)
{
    long port = strtol(text, NULL, 10);

    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0') || port > UINT16_MAX)
        return false;
    addr_set_port(addr, (unsigned)port);
    return true;
}

static bool read_field(struct proxy_header *header, const struct kind *kind, int i,
                       const char *text)
{
    struct addr *addr = i % 2 == 0 ? &header->source : &header->destination;

    return i < 2 ? read_address(kind->family, text, addr) : read_port(text, addr);
}

/* Copies the bytes at `data` that can belong to the field, as a string. Returns its length. */
static size_t copy_field(const struct field *field, const uint8_t *data, size_t n, char *ret_text)
{
    size_t length = 0;

    while (length < n && length < field->longest && data[length] != '\0' &&
           strchr(field->alphabet, data[length]))
        length++;
    memcpy(ret_text, data, length);
    ret_text[length] = '\0';
    return length;
}

/* Parse field `i`, which begins at *at, and the byte that ends it; moves *at behind them. */
static enum proxy_verdict take_field(struct proxy_input *in, const struct kind *kind, int i,
                                     size_t *at)
{
    const struct field *field = field_of(kind, i);
    char text[INET6_ADDRSTRLEN];
    size_t length = copy_field(field, in->data + *at, in->n - *at, text);

    *at += length;
    if (*at == in->n)
        return proxy_more(in, in->n + shortest_rest(kind, i, length));
    if (in->data[*at] != (i < V1_FIELDS - 1 ? ' ' : '\r'))
        return proxy_bad(in, field->broken);
    *at += 1;
    return read_field(&in->header, kind, i, text) ? PROXY_COMPLETE : proxy_bad(in, field->broken);
}

static enum proxy_verdict take_fields(struct proxy_input *in, const struct kind *kind)
{
    size_t at = strlen(kind->start);

    for (int i = 0; i < V1_FIELDS; i++) {
        enum proxy_verdict verdict = take_field(in, kind, i, &at);

        if (verdict != PROXY_COMPLETE)
            return verdict;
    }
    if (at == in->n)
        return proxy_more(in, at + 1);
    return in->data[at] == '\n' ? proxy_complete(in, at + 1)
                                : proxy_bad(in, "a line without CR LF");
}

/* UNKNOWN: ignore everything up to the end of the line. */
static enum proxy_verdict skip_line(struct proxy_input *in)
{
    const uint8_t *end = memmem(in->data, in->n, "\r\n", 2);

    in->header.local = true;
    if (end)
        return proxy_complete(in, (size_t)(end - in->data) + 2);
    return proxy_more(in, in->n + (in->data[in->n - 1] == '\r' ? 1 : 2));
}

static enum proxy_verdict take_header_line(struct proxy_input *in)
{
    size_t shortest = SIZE_MAX;

    for (const struct kind *kind = kinds; kind < kinds + sizeof(kinds) / sizeof(*kinds); kind++) {
        if (!proxy_may_begin(in, kind->start, strlen(kind->start)))
            continue;
        if (in->n >= strlen(kind->start))
            return kind->family == AF_UNSPEC ? skip_line(in) : take_fields(in, kind);
        if (shortest_line(kind) < shortest)
            shortest = shortest_line(kind);
    }
    return shortest < SIZE_MAX ? proxy_more(in, shortest)
                               : proxy_bad(in, "neither TCP4, TCP6 nor UNKNOWN");
}

enum proxy_verdict proxy_judge_v1(struct proxy_input *in)
{
    enum proxy_verdict verdict = take_header_line(in);

    in->header.version = 1;
    return in->length > V1_MAX ? proxy_bad(in, "a line longer than 107 bytes") : verdict;
}
