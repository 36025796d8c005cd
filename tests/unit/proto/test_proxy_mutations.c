/*
 * test_proxy_mutations.c - a million broken headers: whatever has become of one, the verdict is the
 * one that proxy.h promises. The same million in every run.
 */
#include "../between.h"
#include "proto/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 1000000
#define ROOM 512
#define ADDRESSES "\xc0\0\2\1\xc6\x33\x64\2\xdc\x04\1\xbb"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

#define SAMPLE(text)                                                                               \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct sample {
    const char *data;
    size_t n;
} samples[] = {
    SAMPLE("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
    SAMPLE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"),
    SAMPLE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
    SAMPLE("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n"),
    SAMPLE("PROXY UNKNOWN\r\n"),
    SAMPLE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
    SAMPLE(SIGNATURE "\x20\0\0\0"),
    SAMPLE(SIGNATURE "\x20\x11\0\x0c" ADDRESSES),
    SAMPLE(SIGNATURE "\x21\x11\0\x0c" ADDRESSES),
    SAMPLE(SIGNATURE "\x21\x11\0\x17" ADDRESSES "\1\0\2h2\2\0\3a.b"),
    SAMPLE(SIGNATURE "\x21\x11\0\x1d" ADDRESSES "\x20\0\x0e\1\0\0\0\0\x21\0\6TLSv13"),
    SAMPLE(SIGNATURE "\x21\x21\0\x24"
                     "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
                     "\1\2\3\4"),
    SAMPLE(SIGNATURE "\x21\0\0\2xx"),
};
#define SAMPLES (sizeof(samples) / sizeof(*samples))

/* ---- what proxy.h promises of any bytes ---- */

static const char untouched[] = "untouched";

struct answer {
    enum proxy_verdict verdict;
    struct proxy_header header;
    size_t length;
    const char *reason;
};

static struct answer ask(const uint8_t *data, size_t n)
{
    struct answer answer = {.header.version = -1, .length = SIZE_MAX, .reason = untouched};

    answer.verdict = proxy_parse(data, n, &answer.header, &answer.length, &answer.reason);
    return answer;
}

static bool is_within(const struct proxy_slice *slice, const uint8_t *data, size_t n)
{
    return !slice->data ||
           (slice->data >= data && slice->length <= n && slice->data + slice->length <= data + n);
}

static bool is_header_sound(const struct proxy_header *header, const uint8_t *data, size_t n)
{
    const struct proxy_slice *const slices[] = {
        &header->alpn,       &header->authority,   &header->checksum,    &header->unique_id,
        &header->netns,      &header->ssl.all,     &header->ssl.version, &header->ssl.cn,
        &header->ssl.cipher, &header->ssl.sig_alg, &header->ssl.key_alg};

    for (size_t i = 0; i < sizeof(slices) / sizeof(*slices); i++)
        if (!is_within(slices[i], data, n))
            return false;
    return (header->version == 1 || header->version == 2) &&
           header->local == (header->source.len == 0) &&
           header->source.sa.sa_family == header->destination.sa.sa_family;
}

/* Each output is set with the verdict that speaks of it, and lengths are what they may be. */
static bool is_sound(const struct answer *answer, const uint8_t *data, size_t n)
{
    bool spoken = (answer->verdict == PROXY_BAD) == (answer->reason != untouched) &&
                  (answer->verdict == PROXY_COMPLETE) == (answer->header.version != -1) &&
                  (answer->verdict >= PROXY_NONE) == (answer->length == SIZE_MAX);

    switch (answer->verdict) {
    case PROXY_COMPLETE:
        return spoken && answer->length <= n &&
               is_header_sound(&answer->header, data, answer->length);
    case PROXY_MORE:
        return spoken && answer->length > n && answer->length <= PROXY_HEADER_MAX;
    case PROXY_NONE:
    case PROXY_BAD:
        return spoken;
    }
    return false;
}

/* Who reads only what is asked for comes to the same verdict, and has read no byte of what follows.
 */
static bool is_read_exactly(const struct answer *whole, const uint8_t *data, size_t n)
{
    struct answer answer = ask(data, 0);
    size_t read = 0;

    while (answer.verdict == PROXY_MORE && read < n) {
        read = answer.length < n ? answer.length : n;
        answer = ask(data, read);
        if (!is_sound(&answer, data, read))
            return false;
    }
    return answer.verdict == whole->verdict && answer.length == whole->length &&
           (whole->verdict != PROXY_COMPLETE || read == whole->length);
}

static bool holds(const uint8_t *data, size_t n)
{
    struct answer answer = ask(data, n);

    return is_sound(&answer, data, n) && is_read_exactly(&answer, data, n);
}

/* ---- the samples themselves ---- */

static void every_prefix_asks_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        const uint8_t *data = (const uint8_t *)samples[i].data;
        struct answer answer = ask(data, samples[i].n);

        assert_int_equal(answer.verdict, PROXY_COMPLETE);
        assert_int_equal(answer.length, samples[i].n);
        assert_true(holds(data, samples[i].n));
        for (size_t n = 0; n < samples[i].n; n++) {
            answer = ask(data, n);
            assert_int_equal(answer.verdict, PROXY_MORE);
            assert_between(answer.length, n + 1, samples[i].n);
            assert_true(holds(data, n));
        }
    }
}

/* ---- what becomes of them ---- */

static uint64_t seed = 42;

/* xorshift64*, the same on every machine. */
static size_t below(size_t n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (size_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % n;
}

/* A header is changed where it matters by the bytes that it is made of. */
static uint8_t any_byte(void)
{
    static const char likely[] = " \r\n\0.:0123456789aF\x01\x11\x20\x21\x03\x04\xff";

    return (uint8_t)(below(2) ? (size_t)likely[below(sizeof(likely) - 1)] : below(256));
}

static size_t mutate_once(uint8_t *data, size_t n)
{
    size_t at = below(n);

    switch (below(5)) {
    case 0: /* cut */
        return at;
    case 1: /* left out */
        memmove(data + at, data + at + 1, n - at - 1);
        return n - 1;
    case 2: /* put in */
        memmove(data + at + 1, data + at, n - at);
        data[at] = any_byte();
        return n + 1;
    case 3: /* a bit */
        data[at] ^= (uint8_t)(1u << below(8));
        return n;
    default:
        data[at] = any_byte();
        return n;
    }
}

static size_t mutate(uint8_t *data)
{
    const struct sample *sample = &samples[below(SAMPLES)];
    size_t n = sample->n;

    memcpy(data, sample->data, n);
    for (size_t i = 0, times = 1 + below(4); i < times && n > 0; i++)
        n = mutate_once(data, n);
    for (size_t i = below(2) * below(64); i > 0; i--)
        data[n++] = any_byte();
    return n;
}

static void a_million_mutations_keep_the_contract(void **state)
{
    unsigned long verdicts[PROXY_BAD + 1] = {0};
    uint8_t data[ROOM];

    (void)state;
    for (int i = 0; i < MUTATIONS; i++) {
        size_t n = mutate(data);

        if (!holds(data, n))
            fail_msg("mutation %d, of %zu bytes", i, n);
        verdicts[ask(data, n).verdict]++;
    }
    for (int verdict = PROXY_COMPLETE; verdict <= PROXY_BAD; verdict++)
        assert_true(verdicts[verdict] > MUTATIONS / 100); /* they are of every kind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_asks_for_more),
        cmocka_unit_test(a_million_mutations_keep_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
