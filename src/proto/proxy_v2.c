/* proxy_v2.c - version 2 of the PROXY protocol: binary (2.2). */
#include "proto/proxy_input.h"

#include <string.h>

#define FIXED 16    /* bytes: the signature, version and command, family, length of the rest */
#define CHECKSUM 4  /* bytes */
#define SSL_FIXED 5 /* bytes of the SSL TLV before those within it */

#define LOCAL 0x20 /* values of the byte with version and command */
#define PROXY 0x21
#define UNSPEC 0x00
#define DGRAM 0x02 /* the transport, in the lower half of the family's byte */

static uint16_t number16(const uint8_t *data)
{
    return (uint16_t)(data[0] << 8 | data[1]);
}

static uint32_t number32(const uint8_t *data)
{
    return (uint32_t)number16(data) << 16 | number16(data + 2);
}

/* ---- the addresses (2.2): source, destination, then the ports, in network order ---- */

static void read_inet(const uint8_t *data, struct addr *ret_source, struct addr *ret_destination)
{
    *ret_source = *ret_destination =
        (struct addr){.len = sizeof(struct sockaddr_in), .in.sin_family = AF_INET};
    memcpy(&ret_source->in.sin_addr, data, 4);
    memcpy(&ret_destination->in.sin_addr, data + 4, 4);
    memcpy(&ret_source->in.sin_port, data + 8, 2);
    memcpy(&ret_destination->in.sin_port, data + 10, 2);
}

static void read_inet6(const uint8_t *data, struct addr *ret_source, struct addr *ret_destination)
{
    *ret_source = *ret_destination =
        (struct addr){.len = sizeof(struct sockaddr_in6), .in6.sin6_family = AF_INET6};
    memcpy(&ret_source->in6.sin6_addr, data, 16);
    memcpy(&ret_destination->in6.sin6_addr, data + 16, 16);
    memcpy(&ret_source->in6.sin6_port, data + 32, 2);
    memcpy(&ret_destination->in6.sin6_port, data + 34, 2);
}

/*
 * A path, or a name in the abstract namespace after a NUL, padded with NUL. The length is that
 * which the kernel would return (unix(7)): for a path it includes the final NUL, if there is one.
 */
static struct addr unix_address(const uint8_t *data)
{
    struct addr addr = {.un.sun_family = AF_UNIX};
    size_t length = sizeof(addr.un.sun_path);

    memcpy(addr.un.sun_path, data, length);
    while (length > 0 && data[length - 1] == '\0')
        length--;
    if (data[0] != '\0' && length < sizeof(addr.un.sun_path))
        length++;
    addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return addr;
}

static void read_unix(const uint8_t *data, struct addr *ret_source, struct addr *ret_destination)
{
    *ret_source = unix_address(data);
    *ret_destination = unix_address(data + sizeof(ret_source->un.sun_path));
}

/* Address family and transport of the client's connection to the proxy. */
static const struct family {
    uint8_t code;
    size_t length; /* of the addresses */
    void (*read)(const uint8_t *data, struct addr *ret_source, struct addr *ret_destination);
} families[] = {
    {UNSPEC, 0, NULL},
    {0x11, 12, read_inet},
    {0x21, 36, read_inet6},
    {0x31, 216, read_unix},
};

static const struct family *find_family(uint8_t code)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
        if (families[i].code == code)
            return &families[i];
    return NULL;
}

/* ---- the TLVs after them: a type, a length of 16 bits, a value (2.2.1 to 2.2.7) ---- */

struct tlv {
    uint8_t type;
    size_t offset; /* of the slice in its struct */
    size_t shortest;
    size_t longest;
};

static const struct tlv header_tlvs[] = {
    {0x01, offsetof(struct proxy_header, alpn), 0, UINT16_MAX},
    {0x02, offsetof(struct proxy_header, authority), 0, UINT16_MAX},
    {0x03, offsetof(struct proxy_header, checksum), CHECKSUM, CHECKSUM},
    {0x05, offsetof(struct proxy_header, unique_id), 0, 128},
    {0x20, offsetof(struct proxy_header, ssl.all), SSL_FIXED, UINT16_MAX},
    {0x30, offsetof(struct proxy_header, netns), 0, UINT16_MAX},
    {0},
};

static const struct tlv ssl_tlvs[] = {
    {0x21, offsetof(struct proxy_ssl, version), 0, UINT16_MAX},
    {0x22, offsetof(struct proxy_ssl, cn), 0, UINT16_MAX},
    {0x23, offsetof(struct proxy_ssl, cipher), 0, UINT16_MAX},
    {0x24, offsetof(struct proxy_ssl, sig_alg), 0, UINT16_MAX},
    {0x25, offsetof(struct proxy_ssl, key_alg), 0, UINT16_MAX},
    {0},
};

/* Returns whether the length of the value is allowed; skips an unknown type. */
static bool store_tlv(const struct tlv *known, uint8_t type, struct proxy_slice value, void *base)
{
    while (known->type != 0 && known->type != type)
        known++;
    if (known->type == 0)
        return true;
    if (value.length < known->shortest || value.length > known->longest)
        return false;
    *(struct proxy_slice *)((char *)base + known->offset) = value;
    return true;
}

/* Store the TLVs of `known` in the struct at `base`. Returns NULL, or what is wrong. */
static const char *take_tlvs(const uint8_t *data, size_t n, const struct tlv *known, void *base)
{
    while (n > 0) {
        struct proxy_slice value;

        if (n < 3 || n - 3 < number16(data + 1))
            return "a TLV that runs over the end";
        value = (struct proxy_slice){data + 3, number16(data + 1)};
        if (!store_tlv(known, data[0], value, base))
            return "a TLV of a wrong length";
        data += 3 + value.length;
        n -= 3 + value.length;
    }
    return NULL;
}

static const char *take_ssl(struct proxy_ssl *ssl)
{
    if (!ssl->all.data)
        return NULL;
    ssl->client = ssl->all.data[0];
    ssl->verify = number32(ssl->all.data + 1);
    return take_tlvs(ssl->all.data + SSL_FIXED, ssl->all.length - SSL_FIXED, ssl_tlvs, ssl);
}

/* CRC32c, as in RFC 3720, appendix B.4. Bit by bit is fast enough for one short header. */
static uint32_t crc32c(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    return crc;
}

/* Over the whole header, with the checksum's own bytes as zero. */
static bool checksum_holds(const struct proxy_input *in)
{
    const uint8_t *sum = in->header.checksum.data;
    uint32_t crc = UINT32_MAX;

    if (!sum)
        return true;
    for (const uint8_t *at = in->data; at < in->data + in->length; at++)
        crc = crc32c(crc, at >= sum && at < sum + CHECKSUM ? 0 : *at);
    return ~crc == number32(sum);
}

/* ---- the whole ---- */

static enum proxy_verdict take_block(struct proxy_input *in, const struct family *family)
{
    size_t tlvs = FIXED + family->length;
    const char *fault = take_tlvs(in->data + tlvs, in->length - tlvs, header_tlvs, &in->header);

    if (!fault)
        fault = take_ssl(&in->header.ssl);
    if (fault)
        return proxy_bad(in, fault);
    if (!checksum_holds(in))
        return proxy_bad(in, "a wrong checksum");
    family->read(in->data + FIXED, &in->header.source, &in->header.destination);
    return PROXY_COMPLETE;
}

/*
 * A receiver may treat families that it does not serve as UNSPEC or refuse them. We refuse:
 * datagrams on a stream are more likely a mistake than a client.
 */
static enum proxy_verdict unknown_family(struct proxy_input *in, uint8_t code)
{
    return proxy_bad(in, (code & 0x0f) == DGRAM ? "datagrams on a stream" : "an unknown family");
}

/* After a LOCAL header, or one without a family, the rest is to be ignored. */
static enum proxy_verdict take_rest(struct proxy_input *in)
{
    uint8_t code = in->data[12] == LOCAL ? UNSPEC : in->data[13];
    const struct family *family = find_family(code);

    if (!family)
        return unknown_family(in, code);
    if (in->length < FIXED + family->length)
        return proxy_bad(in, "too short for its addresses");
    if (in->n < in->length)
        return PROXY_MORE;
    in->header.local = code == UNSPEC;
    return in->header.local ? PROXY_COMPLETE : take_block(in, family);
}

enum proxy_verdict proxy_judge_v2(struct proxy_input *in)
{
    in->header.version = 2;
    if (in->n < FIXED)
        return proxy_more(in, FIXED);
    if (in->data[12] != LOCAL && in->data[12] != PROXY)
        return proxy_bad(in, "an unknown version or command");
    in->length = FIXED + number16(in->data + 14);
    if (in->length > PROXY_HEADER_MAX)
        return proxy_bad(in, "longer than 4112 bytes");
    return take_rest(in);
}
