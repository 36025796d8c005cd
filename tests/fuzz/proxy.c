/*
 * proxy.c - libFuzzer: a header of the PROXY protocol is found where one is, each of its beginnings
 * asks for more and never for too much, and sniff.c knows it as well.
 *
 * The input is the start of a stream. Lines are judged by a plain reference too; of the binary
 * version, a wrong checksum is put right, and the whole judged again.
 */
#include "proto/proxy.h"
#include "net/sniff.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

struct answer {
    enum proxy_verdict verdict;
    struct proxy_header header;
    size_t length;
    const char *reason;
};

static struct answer ask(const uint8_t *data, size_t n)
{
    struct answer answer = {.reason = ""};

    answer.verdict = proxy_parse(data, n, &answer.header, &answer.length, &answer.reason);
    return answer;
}

/* ---- version 1: a line is divided into its words, and each made anew ---- */

static bool is_port(const char *text)
{
    char again[16];

    snprintf(again, sizeof(again), "%u", (unsigned)atoi(text) & 0xffff);
    return strcmp(text, again) == 0;
}

static bool is_line(char *line)
{
    char *words[6], *rest = line;
    unsigned char address[16];
    int family;

    for (int i = 0; i < 6; i++)
        if (!(words[i] = strsep(&rest, " ")))
            return false;
    family = strcmp(words[1], "TCP4") == 0 ? AF_INET : AF_INET6;
    return !rest && strcmp(words[0], "PROXY") == 0 &&
           strcmp(words[1], family == AF_INET ? "TCP4" : "TCP6") == 0 &&
           inet_pton(family, words[2], address) == 1 && inet_pton(family, words[3], address) == 1 &&
           is_port(words[4]) && is_port(words[5]);
}

/* Returns the length of the line that is a header, 0 where there is none. */
static size_t reference_v1(const uint8_t *data, size_t n)
{
    const uint8_t *end = memmem(data, n < 107 ? n : 107, "\r\n", 2);
    size_t length = end ? (size_t)(end - data) : 0;
    char line[107] = "";

    memcpy(line, data, length);
    if (strncmp(line, "PROXY UNKNOWN", 13) == 0)
        return length + 2;
    return strlen(line) == length && is_line(line) ? length + 2 : 0;
}

/* ---- version 2: the checksum ---- */

static uint32_t reference_crc(const uint8_t *data, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < 8 * n; i++)
        crc = crc >> 1 ^ ((crc ^ (data[i / 8] >> i % 8)) & 1 ? 0x82f63b78 : 0);
    return htonl(~crc);
}

/* The last one in a header whose TLVs are known to be in order. */
static uint8_t *find_checksum(uint8_t *data, size_t n)
{
    uint8_t *found = NULL;

    for (size_t at = 16 + (data[13] == 0x11   ? 12
                           : data[13] == 0x21 ? 36
                                              : 216);
         at < n; at += 3 + ((size_t)data[at + 1] << 8 | data[at + 2]))
        if (data[at] == 0x03)
            found = data + at + 3;
    return found;
}

/* With the right checksum in the place of the wrong one, it is a header. */
static void demand_checksum_alone_was_wrong(const uint8_t *data)
{
    size_t n = 16 + ((size_t)data[14] << 8 | data[15]);
    uint8_t *copy = malloc(n), *checksum;
    uint32_t crc;

    demand(copy != NULL);
    memcpy(copy, data, n);
    checksum = find_checksum(copy, n);
    memset(checksum, 0, sizeof(crc));
    crc = reference_crc(copy, n);
    memcpy(checksum, &crc, sizeof(crc));
    demand(ask(copy, n).verdict == PROXY_COMPLETE);
    free(copy);
}

/* ---- both ---- */

static void demand_within(const struct proxy_slice *slice, const uint8_t *data, size_t length)
{
    if (slice->data)
        demand(slice->data >= data && slice->data + slice->length <= data + length);
}

static void demand_sound(const struct answer *answer, const uint8_t *data)
{
    const struct proxy_header *header = &answer->header;
    const struct proxy_slice *const slices[] = {
        &header->alpn,       &header->authority,   &header->checksum,    &header->unique_id,
        &header->netns,      &header->ssl.all,     &header->ssl.version, &header->ssl.cn,
        &header->ssl.cipher, &header->ssl.sig_alg, &header->ssl.key_alg};
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < sizeof(slices) / sizeof(*slices); i++)
        demand_within(slices[i], data, answer->length);
    demand(header->local == (header->source.len == 0));
    demand(header->source.sa.sa_family == header->destination.sa.sa_family);
    addr_format(&header->source, text);
    addr_format(&header->destination, text);
    demand(sniff(data, answer->length) == SNIFF_PROXY);
}

/* Who reads what is asked for, and no more, comes to the same end at the same byte. */
static void demand_reader_agrees(const struct answer *whole, const uint8_t *data, size_t n)
{
    struct answer answer = ask(data, 0);
    size_t read = 0;

    while (answer.verdict == PROXY_MORE && read < n) {
        demand(answer.length > read && answer.length <= PROXY_HEADER_MAX);
        read = answer.length < n ? answer.length : n;
        answer = ask(data, read);
    }
    demand(answer.verdict == whole->verdict);
    demand(answer.length == whole->length);
    if (whole->verdict == PROXY_COMPLETE)
        demand(read == whole->length);
}

/* Beyond these, more bytes only fill up what the fixed part of version 2 has promised. */
#define BEGINNINGS 300

/* What has been said of a beginning holds for all that begins so. */
static void demand_beginnings_agree(const struct answer *whole, const uint8_t *data, size_t n)
{
    struct answer before = ask(data, 0);
    size_t end = whole->verdict == PROXY_COMPLETE ? whole->length : n;

    for (size_t i = 1; i < end && i < BEGINNINGS; i++) {
        struct answer answer = ask(data, i);

        demand(before.verdict == PROXY_MORE || before.verdict == answer.verdict);
        if (answer.verdict == PROXY_MORE)
            demand(answer.length > i && answer.length >= before.length);
        if (whole->verdict == PROXY_COMPLETE || whole->verdict == PROXY_MORE)
            demand(answer.verdict == PROXY_MORE && answer.length <= whole->length);
        demand(sniff_may_be_tls(data, i) || !sniff_may_be_tls(data, i + 1));
        demand(sniff_name(sniff(data, i)) != NULL);
        before = answer;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer answer = ask(data, size);
    size_t line = reference_v1(data, size);

    demand((line > 0) == (answer.verdict == PROXY_COMPLETE && answer.header.version == 1));
    if (line > 0)
        demand(line == answer.length);
    if (answer.verdict == PROXY_COMPLETE)
        demand_sound(&answer, data);
    if (answer.verdict == PROXY_BAD && strcmp(answer.reason, "a wrong checksum") == 0)
        demand_checksum_alone_was_wrong(data);
    demand_reader_agrees(&answer, data, size);
    demand_beginnings_agree(&answer, data, size);
    return 0;
}
