/* cidr.c - networks in CIDR form. */
#include "net/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 /* bits before the IPv4 address in an IPv4-mapped one */

static int max_bits(const struct cidr *network)
{
    return network->family == AF_INET ? 32 : 128;
}

/* The bits of byte `i` that belong to a prefix of `bits`. */
static uint8_t mask(int bits, int i)
{
    int left = bits - 8 * i;

    if (left >= 8)
        return 0xff;
    return left <= 0 ? 0 : (uint8_t)(0xff << (8 - left));
}

static struct cidr cut(const struct cidr *network, int bits)
{
    struct cidr shorter = *network;

    shorter.bits = bits;
    for (int i = 0; i < CIDR_BYTES; i++)
        shorter.bytes[i] &= mask(bits, i);
    return shorter;
}

static bool is_mapped(const struct cidr *network)
{
    static const uint8_t prefix[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

    return network->family == AF_INET6 && network->bits >= MAPPED_BITS &&
           memcmp(network->bytes, prefix, sizeof(prefix)) == 0;
}

/* A network from `bits` bits of an address; keeps the bits after them. */
static struct cidr fold(int family, const void *bytes, int bits)
{
    struct cidr network = {.family = family, .bits = bits};

    memcpy(network.bytes, bytes, family == AF_INET ? 4 : CIDR_BYTES);
    if (is_mapped(&network))
        return fold(AF_INET, network.bytes + MAPPED_BITS / 8, bits - MAPPED_BITS);
    return network;
}

/* ---- texts ---- */

/* Digits only: strtol(3) would accept " +8", and some read 08 as octal. Returns -1 if it is not. */
static int parse_bits(const char *text, int max)
{
    size_t digits = strspn(text, "0123456789");
    int bits;

    if (digits == 0 || digits > 3 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return -1;
    bits = atoi(text);
    return bits <= max ? bits : -1;
}

static int parse_address(const char *text, size_t n, struct cidr *ret_network)
{
    struct cidr network = {.family = memchr(text, ':', n) ? AF_INET6 : AF_INET};
    char address[INET6_ADDRSTRLEN];

    if (n >= sizeof(address))
        return -1;
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(network.family, address, network.bytes) != 1)
        return -1;
    *ret_network = network;
    return 0;
}

static int check_prefix(const char *text, const struct cidr *network, struct err *ret_err)
{
    struct cidr meant = cut(network, network->bits);
    char words[CIDR_TEXT_MAX];

    if (cidr_equal(&meant, network))
        return 0;
    return err_set(ret_err, "%s has bits beyond its prefix; did you mean %s?", text,
                   cidr_format(&meant, words));
}

int cidr_parse(const char *text, struct cidr *ret_network, struct err *ret_err)
{
    const char *slash = strchrnul(text, '/');
    struct cidr network;
    int max;

    if (strchr(text, '%'))
        return err_set(ret_err, "\"%s\" has a zone, which a network cannot have", text);
    if (parse_address(text, (size_t)(slash - text), &network) < 0)
        return err_set(ret_err, "\"%s\" is no network, such as 192.0.2.0/24 or 2001:db8::/32",
                       text);
    max = max_bits(&network);
    network.bits = *slash == '/' ? parse_bits(slash + 1, max) : max;
    if (network.bits < 0)
        return err_set(ret_err, "\"%s\": the prefix must be a whole number from 0 to %d", text,
                       max);
    network = fold(network.family, network.bytes, network.bits);
    if (check_prefix(text, &network, ret_err) < 0)
        return -1;
    *ret_network = network;
    return 0;
}

const char *cidr_format(const struct cidr *network, char *text)
{
    char address[INET6_ADDRSTRLEN];

    inet_ntop(network->family, network->bytes, address, sizeof(address));
    snprintf(text, CIDR_TEXT_MAX, "%s/%d", address, network->bits);
    return text;
}

/* ---- addresses ---- */

/* The network that holds only this address. */
static bool from_addr(const struct addr *addr, struct cidr *ret_network)
{
    if (addr->sa.sa_family == AF_INET)
        *ret_network = fold(AF_INET, &addr->in.sin_addr, 32);
    else if (addr->sa.sa_family == AF_INET6)
        *ret_network = fold(AF_INET6, &addr->in6.sin6_addr, 128);
    else
        return false;
    return true;
}

bool network_of(const struct addr *addr, int bits_v4, int bits_v6, struct cidr *ret_network)
{
    struct cidr whole;

    if (!from_addr(addr, &whole))
        return false;
    *ret_network = cut(&whole, whole.family == AF_INET ? bits_v4 : bits_v6);
    return true;
}

bool cidr_contains(const struct cidr *network, const struct addr *addr)
{
    struct cidr own;

    return network_of(addr, network->bits, network->bits, &own) && cidr_equal(&own, network);
}

bool cidrs_contain(const struct cidrs *networks, const struct addr *addr)
{
    for (size_t i = 0; i < networks->n; i++)
        if (cidr_contains(&networks->list[i], addr))
            return true;
    return false;
}

bool cidr_equal(const struct cidr *a, const struct cidr *b)
{
    return a->family == b->family && a->bits == b->bits &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
