/* test_proxy_v2.c - version 2: commands, families, lengths; see test_proxy_tlvs.c. */
#include "proxy_helper.h"

#include <string.h>

static struct built built;

static struct proxy_header complete_built(void)
{
    return complete(built.data, built.n);
}

/* ---- addresses ---- */

static void ipv4(void **state)
{
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    header = complete_built();
    assert_int_equal(header.version, 2);
    assert_false(header.local);
    assert_addr(&header.source, "192.0.2.1:56324");
    assert_addr(&header.destination, "198.51.100.2:443");
    assert_int_equal(header.source.len, sizeof(struct sockaddr_in));
}

static void ipv6(void **state)
{
    static const uint8_t addresses[36] = {
        0x20, 0x01, 0x0d,     0xb8,      [15] = 1,    [16] = 0x20, 0x01,
        0x0d, 0xb8, [31] = 2, [33] = 80, [34] = 0xff, 0xff};
    struct proxy_header header;

    (void)state;
    build(&built, PROXY_PROXY, 0x21);
    add(&built, addresses, sizeof(addresses));
    header = complete_built();
    assert_addr(&header.source, "[2001:db8::1]:80");
    assert_addr(&header.destination, "[2001:db8::2]:65535");
    assert_int_equal(header.source.len, sizeof(struct sockaddr_in6));
}

/* Two paths of 108 bytes. */
static struct proxy_header complete_unix(const void *source, size_t source_length,
                                         const void *destination, size_t destination_length)
{
    char paths[216] = "";

    memcpy(paths, source, source_length);
    memcpy(paths + 108, destination, destination_length);
    build(&built, PROXY_PROXY, 0x31);
    add(&built, paths, sizeof(paths));
    return complete_built();
}

static void unix_paths(void **state)
{
    struct proxy_header header = complete_unix("/run/a", 6, "/run/echo", 9);

    (void)state;
    assert_addr(&header.source, "unix:/run/a");
    assert_addr(&header.destination, "unix:/run/echo");
    assert_int_equal(header.source.len, offsetof(struct sockaddr_un, sun_path) + 7);
}

static void unix_paths_of_every_kind(void **state)
{
    char longest[108];
    struct proxy_header header;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    header = complete_unix("", 0, longest, sizeof(longest));
    assert_addr(&header.source, "unix");
    assert_int_equal(header.source.len, offsetof(struct sockaddr_un, sun_path));
    assert_int_equal(header.destination.len, sizeof(struct sockaddr_un));
    assert_memory_equal(header.destination.un.sun_path, longest, sizeof(longest));
    header = complete_unix("\0abstract", 9, "x", 1);
    assert_addr(&header.source, "unix:@abstract");
    assert_addr(&header.destination, "unix:x");
}

/* ---- nothing told ---- */

/* Whatever follows is to be ignored, broken or not. */
static void assert_local(uint8_t command, uint8_t family)
{
    struct proxy_header header;

    build(&built, command, family);
    header = complete_built();
    assert_int_equal(header.version, 2);
    assert_true(header.local);
    assert_int_equal(header.source.len, 0);
    add(&built, "\x02\xff\xff\x03", 4);
    header = complete_built();
    assert_true(header.local);
    assert_null(header.authority.data);
}

static void local_headers_are_skipped(void **state)
{
    (void)state;
    assert_local(PROXY_LOCAL, 0x00);
    assert_local(PROXY_LOCAL, 0x11);
    assert_local(PROXY_LOCAL, 0xff);
    assert_local(PROXY_PROXY, 0x00);
}

/* ---- what is bad, as soon as the fixed part is there ---- */

static void assert_fixed_part_bad(uint8_t command, uint8_t family, uint16_t length,
                                  const char *reason)
{
    build(&built, command, family);
    built.data[14] = (uint8_t)(length >> 8);
    built.data[15] = (uint8_t)length;
    assert_more(built.data, 15, 16);
    assert_bad(built.data, 16, reason);
}

static void other_versions_and_commands_are_bad(void **state)
{
    static const uint8_t others[] = {0x00, 0x01, 0x10, 0x11, 0x22, 0x2f, 0x30, 0x31, 0xff};

    (void)state;
    for (size_t i = 0; i < sizeof(others); i++)
        assert_fixed_part_bad(others[i], 0x11, 12, "an unknown version or command");
}

static void other_families_are_bad(void **state)
{
    static const uint8_t others[] = {0x01, 0x10, 0x13, 0x20, 0x30, 0x41, 0x44, 0xf1};

    (void)state;
    for (size_t i = 0; i < sizeof(others); i++)
        assert_fixed_part_bad(PROXY_PROXY, others[i], 216, "an unknown family");
}

static void datagrams_are_bad(void **state)
{
    (void)state;
    assert_fixed_part_bad(PROXY_PROXY, 0x12, 12, "datagrams on a stream");
    assert_fixed_part_bad(PROXY_PROXY, 0x22, 36, "datagrams on a stream");
    assert_fixed_part_bad(PROXY_PROXY, 0x32, 216, "datagrams on a stream");
}

static void addresses_must_fit(void **state)
{
    (void)state;
    assert_fixed_part_bad(PROXY_PROXY, 0x11, 0, "too short for its addresses");
    assert_fixed_part_bad(PROXY_PROXY, 0x11, 11, "too short for its addresses");
    assert_fixed_part_bad(PROXY_PROXY, 0x21, 35, "too short for its addresses");
    assert_fixed_part_bad(PROXY_PROXY, 0x31, 215, "too short for its addresses");
}

/* ---- how long it may be ---- */

static void the_limit_is_4096_bytes_of_content(void **state)
{
    static const uint8_t padding[4096 - 12 - 3];

    (void)state;
    build_inet(&built);
    add_tlv(&built, 0x04, padding, sizeof(padding));
    assert_int_equal(built.n, PROXY_HEADER_MAX);
    assert_false(complete_built().local);
    assert_fixed_part_bad(PROXY_PROXY, 0x11, 4097, "longer than 4112 bytes");
    assert_fixed_part_bad(PROXY_LOCAL, 0x00, 65535, "longer than 4112 bytes");
}

static void the_length_says_what_is_asked_for(void **state)
{
    (void)state;
    build_inet(&built);
    assert_more(built.data, 12, 16);
    assert_more(built.data, 16, 28);
    assert_more(built.data, 27, 28);
    built.data[14] = 0x10;
    built.data[15] = 0x00;
    assert_more(built.data, built.n, PROXY_HEADER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(unix_paths),
        cmocka_unit_test(unix_paths_of_every_kind),
        cmocka_unit_test(local_headers_are_skipped),
        cmocka_unit_test(other_versions_and_commands_are_bad),
        cmocka_unit_test(other_families_are_bad),
        cmocka_unit_test(datagrams_are_bad),
        cmocka_unit_test(addresses_must_fit),
        cmocka_unit_test(the_limit_is_4096_bytes_of_content),
        cmocka_unit_test(the_length_says_what_is_asked_for),
    };

    return cmocka_run_group_tests_name("proxy_v2", tests, NULL, NULL);
}
