/* proxy_helper.c - see proxy_helper.h. */
#include "proxy_helper.h"
#include "../between.h"

#include <stdlib.h>
#include <string.h>

/* ---- verdicts ---- */

/* What proxy_parse() answers, and what it leaves alone. */
struct answer {
    enum proxy_verdict verdict;
    struct proxy_header header;
    size_t length;
    const char *reason;
};

static const char untouched[] = "untouched";

/* The bytes are judged where no byte follows them, so that a sanitizer sees a look beyond. */
static struct answer ask(const void *data, size_t n)
{
    struct answer answer = {.header.version = -1, .length = SIZE_MAX, .reason = untouched};
    uint8_t *copy = malloc(n ? n : 1);

    assert_non_null(copy);
    memcpy(copy, data, n);
    answer.verdict = proxy_parse(copy, n, &answer.header, &answer.length, &answer.reason);
    assert_true((answer.verdict == PROXY_BAD) == (answer.reason != untouched));
    assert_true((answer.verdict == PROXY_COMPLETE) == (answer.header.version != -1));
    assert_true((answer.verdict >= PROXY_NONE) == (answer.length == SIZE_MAX));
    free(copy);
    return answer;
}

static void assert_beginnings(const uint8_t *data, size_t n)
{
    size_t asked = 0;

    for (size_t i = 0; i < n; i++) {
        struct answer answer = ask(data, i);

        assert_int_equal(answer.verdict, PROXY_MORE);
        assert_between(answer.length, i + 1, n);
        assert_true(answer.length >= asked);
        asked = answer.length;
    }
}

static void assert_what_follows_is_nothing(const uint8_t *data, size_t n)
{
    static const char *const followers[] = {"\r\n", "x", "PROXY UNKNOWN\r\n", "\0\xff"};

    for (size_t i = 0; i < sizeof(followers) / sizeof(*followers); i++) {
        uint8_t *longer = malloc(n + 16);
        struct answer answer;

        assert_non_null(longer);
        memcpy(longer, data, n);
        strcpy((char *)longer + n, followers[i]);
        answer = ask(longer, n + 2);
        assert_int_equal(answer.verdict, PROXY_COMPLETE);
        assert_int_equal(answer.length, n);
        free(longer);
    }
}

struct proxy_header complete(const void *data, size_t n)
{
    struct proxy_header header;
    const char *reason = "";
    size_t length;

    assert_beginnings(data, n);
    assert_what_follows_is_nothing(data, n);
    assert_int_equal(proxy_parse(data, n, &header, &length, &reason), PROXY_COMPLETE);
    assert_int_equal(length, n);
    return header;
}

void assert_more(const void *data, size_t n, size_t length)
{
    struct answer answer = ask(data, n);

    assert_int_equal(answer.verdict, PROXY_MORE);
    assert_int_equal(answer.length, length);
}

void assert_bad(const void *data, size_t n, const char *reason)
{
    struct answer answer = ask(data, n);

    assert_int_equal(answer.verdict, PROXY_BAD);
    assert_string_equal(answer.reason, reason);
}

void assert_none(const void *data, size_t n)
{
    assert_int_equal(ask(data, n).verdict, PROXY_NONE);
}

void assert_addr(const struct addr *addr, const char *text)
{
    char formatted[ADDR_TEXT_MAX];

    assert_string_equal(addr_format(addr, formatted), text);
}

void assert_slice(const struct proxy_slice *slice, const char *text)
{
    assert_non_null(slice->data);
    assert_int_equal(slice->length, strlen(text));
    assert_memory_equal(slice->data, text, slice->length);
}

/* ---- headers of version 2 ---- */

void build(struct built *ret_built, uint8_t command, uint8_t family)
{
    static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";

    memset(ret_built, 0, sizeof(*ret_built));
    memcpy(ret_built->data, signature, 12);
    ret_built->data[12] = command;
    ret_built->data[13] = family;
    ret_built->n = 16;
}

void add(struct built *built, const void *data, size_t n)
{
    assert_true(built->n + n <= sizeof(built->data));
    memcpy(built->data + built->n, data, n);
    built->n += n;
    built->data[14] = (uint8_t)((built->n - 16) >> 8);
    built->data[15] = (uint8_t)(built->n - 16);
}

void add_tlv(struct built *built, uint8_t type, const void *data, size_t n)
{
    const uint8_t start[] = {type, (uint8_t)(n >> 8), (uint8_t)n};

    add(built, start, sizeof(start));
    add(built, data, n);
}

void add_text(struct built *built, uint8_t type, const char *text)
{
    add_tlv(built, type, text, strlen(text));
}

void build_inet(struct built *ret_built)
{
    build(ret_built, PROXY_PROXY, 0x11);
    add(ret_built, "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb", 12);
}
