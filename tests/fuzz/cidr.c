/*
 * cidr.c - libFuzzer: texts are taken for the same networks, and addresses found in them, as the
 * plain reference has it, which looks at one bit after the other.
 *
 * The input: the text of a network; after the first newline, bytes that turn the network's own
 * address into the one that is asked about.
 */
#include "net/cidr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the reference: IPv4 is what its IPv4-mapped IPv6 address is, 96 bits longer ---- */

struct reference {
    uint8_t bytes[16];
    int bits;
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static int bit(const uint8_t *bytes, int i)
{
    return bytes[i / 8] >> (7 - i % 8) & 1;
}

static bool is_v4(const struct reference *network)
{
    return network->bits >= 96 && memcmp(network->bytes, mapped, 12) == 0;
}

/* How many bits the family of the address has, 0 if it is none. */
static int read_address(const char *text, uint8_t *bytes)
{
    memcpy(bytes, mapped, 12);
    if (inet_pton(AF_INET, text, bytes + 12) == 1)
        return 32;
    return inet_pton(AF_INET6, text, bytes) == 1 ? 128 : 0;
}

static bool read_prefix(const char *text, int max, int *ret_bits)
{
    int bits = 0;

    if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; isdigit((unsigned char)*text) && bits <= max; text++)
        bits = bits * 10 + (*text - '0');
    *ret_bits = bits;
    return *text == '\0' && bits <= max;
}

static bool read_network(const char *text, struct reference *ret_network)
{
    char address[256];
    char *slash;
    int max;

    strcpy(address, text);
    slash = strchr(address, '/');
    if (slash)
        *slash = '\0';
    max = read_address(address, ret_network->bytes);
    ret_network->bits = max;
    if (max == 0 || (slash && !read_prefix(slash + 1, max, &ret_network->bits)))
        return false;
    ret_network->bits += 128 - max;
    for (int i = ret_network->bits; i < 128; i++)
        if (bit(ret_network->bytes, i))
            return false;
    return true;
}

static bool has(const struct reference *network, const uint8_t *address)
{
    if (is_v4(network) != (memcmp(address, mapped, 12) == 0))
        return false;
    for (int i = 0; i < network->bits; i++)
        if (bit(network->bytes, i) != bit(address, i))
            return false;
    return true;
}

/* ---- against it ---- */

static void compare(const struct cidr *network, const struct reference *wanted)
{
    int more = is_v4(wanted) ? 96 : 0;

    demand(network->family == (more ? AF_INET : AF_INET6));
    demand(network->bits == wanted->bits - more);
    demand(memcmp(network->bytes, wanted->bytes + more / 8, (size_t)(128 - more) / 8) == 0);
}

static void write_and_read(const struct cidr *network)
{
    char text[CIDR_TEXT_MAX];
    struct cidr again;
    struct err err;

    cidr_format(network, text);
    demand(cidr_parse(text, &again, &err) == 0);
    demand(cidr_equal(&again, network));
}

static void ask(const struct cidr *network, const struct reference *wanted, const uint8_t *address)
{
    struct addr v6 = {.len = sizeof(v6.in6), .in6.sin6_family = AF_INET6};
    struct addr v4 = {.len = sizeof(v4.in), .in.sin_family = AF_INET};
    const struct cidrs one = {1, (struct cidr *)network};

    memcpy(&v6.in6.sin6_addr, address, 16);
    demand(cidrs_contain(&one, &v6) == has(wanted, address));
    memcpy(&v4.in.sin_addr, address + 12, 4);
    if (memcmp(address, mapped, 12) == 0)
        demand(cidrs_contain(&one, &v4) == has(wanted, address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t length = newline ? (size_t)(newline - data) : size;
    char text[256] = "";
    struct reference wanted;
    struct cidr network;
    struct err err = {""};
    uint8_t address[16];

    if (length >= sizeof(text))
        return 0;
    memcpy(text, data, length);
    if (cidr_parse(text, &network, &err) < 0) {
        demand(!read_network(text, &wanted) && err.text[0] != '\0');
        return 0;
    }
    demand(read_network(text, &wanted));
    compare(&network, &wanted);
    write_and_read(&network);
    memcpy(address, wanted.bytes, 16);
    for (size_t i = 0; i < 16 && length + 1 + i < size; i++)
        address[i] ^= data[length + 1 + i];
    ask(&network, &wanted, address);
    return 0;
}
