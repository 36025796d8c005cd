/* test_cidr.c - networks in CIDR form. */
#include "net/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct cidr parsed(const char *text)
{
    struct cidr network;
    struct err err;

    if (cidr_parse(text, &network, &err) < 0)
        fail_msg("%s", err.text);
    return network;
}

static void assert_means(const char *text, const char *wanted)
{
    struct cidr network = parsed(text);
    char words[CIDR_TEXT_MAX];

    assert_ptr_equal(cidr_format(&network, words), words);
    assert_string_equal(words, wanted);
}

static void assert_refused(const char *text, const char *wanted)
{
    struct cidr network, untouched;
    struct err err;

    memset(&network, 0x55, sizeof(network));
    untouched = network;
    assert_int_equal(cidr_parse(text, &network, &err), -1);
    assert_memory_equal(&network, &untouched, sizeof(network));
    if (!strstr(err.text, wanted))
        fail_msg("%s: \"%s\", not \"%s\"", text, err.text, wanted);
}

static struct addr address(const char *text)
{
    struct addr addr = {.len = sizeof(addr.in6)};

    if (inet_pton(AF_INET6, text, &addr.in6.sin6_addr) == 1) {
        addr.sa.sa_family = AF_INET6;
        return addr;
    }
    addr.len = sizeof(addr.in);
    assert_int_equal(inet_pton(AF_INET, text, &addr.in.sin_addr), 1);
    addr.sa.sa_family = AF_INET;
    return addr;
}

static bool contains(const char *network, const char *text)
{
    const struct cidr parsed_network = parsed(network);
    const struct addr addr = address(text);

    return cidr_contains(&parsed_network, &addr);
}

/* ---- texts ---- */

static void networks_are_read_and_written(void **state)
{
    (void)state;
    assert_means("192.0.2.0/24", "192.0.2.0/24");
    assert_means("0.0.0.0/0", "0.0.0.0/0");
    assert_means("128.0.0.0/1", "128.0.0.0/1");
    assert_means("192.0.2.254/31", "192.0.2.254/31");
    assert_means("2001:db8::/32", "2001:db8::/32");
    assert_means("2001:DB8:0::/33", "2001:db8::/33");
    assert_means("::/0", "::/0");
    assert_means("::192.0.2.1/128", "::192.0.2.1/128");
    assert_means("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void an_address_is_a_network_of_one(void **state)
{
    (void)state;
    assert_means("192.0.2.1", "192.0.2.1/32");
    assert_means("::1", "::1/128");
    assert_means("::ffff:192.0.2.1", "192.0.2.1/32");
}

static void mapped_networks_are_the_ipv4_ones(void **state)
{
    (void)state;
    assert_means("::ffff:192.0.2.0/120", "192.0.2.0/24");
    assert_means("::ffff:c000:200/120", "192.0.2.0/24");
    assert_means("::ffff:0:0/96", "0.0.0.0/0");
    assert_refused("::ffff:0:0/95", "has bits beyond its prefix; did you mean ::fffe:0:0/95?");
}

static void bits_beyond_the_prefix_are_refused(void **state)
{
    (void)state;
    assert_refused("192.0.2.1/24",
                   "192.0.2.1/24 has bits beyond its prefix; did you mean 192.0.2.0/24?");
    assert_refused("192.0.2.1/31", "did you mean 192.0.2.0/31?");
    assert_refused("0.0.0.1/0", "did you mean 0.0.0.0/0?");
    assert_refused("2001:db8::1/127", "did you mean 2001:db8::/127?");
    assert_refused("2001:db8:8000::/32", "did you mean 2001:db8::/32?");
    assert_refused("::ffff:192.0.2.1/120", "did you mean 192.0.2.0/24?");
}

static void prefixes_are_whole_numbers_in_range(void **state)
{
    static const char *const bad[] = {"",   " ",  "33",  "100", "+8",  "-8",  "08",         "00",
                                      " 8", "8 ", "8/8", "8x",  "0x8", "8.0", "4294967304", "24/"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "0.0.0.0/%s", bad[i]);
        assert_refused(text, "the prefix must be a whole number from 0 to 32");
    }
    assert_refused("::/129", "the prefix must be a whole number from 0 to 128");
    assert_refused("::ffff:0.0.0.0/129", "from 0 to 128");
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "/",
                                      "/24",
                                      "192.0.2/24",
                                      "192.0.2.0.0/24",
                                      "192.0.2.256",
                                      "192.0.02.0",
                                      "192.0.2.0 ",
                                      " 192.0.2.0",
                                      "0xc0.0.2.0/24",
                                      "3221225984/24",
                                      "localhost",
                                      ":::/32",
                                      "2001:db8/32",
                                      "12345::/32",
                                      "[2001:db8::]/32",
                                      "1:2:3:4:5:6:7:8:9",
                                      "::g"};
    char text[600];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(bad[i], "is no network, such as 192.0.2.0/24 or 2001:db8::/32");
    memset(text, '1', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_refused(text, "1111");
}

static void zones_are_refused(void **state)
{
    (void)state;
    assert_refused("fe80::1%eth0", "\"fe80::1%eth0\" has a zone, which a network cannot have");
    assert_refused("fe80::%1/64", "has a zone");
}

/* ---- addresses ---- */

static void networks_contain_their_addresses_only(void **state)
{
    (void)state;
    assert_true(contains("192.0.2.0/24", "192.0.2.0"));
    assert_true(contains("192.0.2.0/24", "192.0.2.255"));
    assert_false(contains("192.0.2.0/24", "192.0.3.0"));
    assert_false(contains("192.0.2.0/24", "192.0.1.255"));
    assert_true(contains("192.0.2.128/25", "192.0.2.128"));
    assert_false(contains("192.0.2.128/25", "192.0.2.127"));
    assert_true(contains("192.0.2.1", "192.0.2.1"));
    assert_false(contains("192.0.2.1", "192.0.2.2"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("0.0.0.0/0", "255.255.255.255"));
    assert_true(contains("::/0", "ffff::"));
}

static void families_do_not_mix(void **state)
{
    (void)state;
    assert_true(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
    assert_true(contains("::ffff:192.0.2.0/120", "192.0.2.1"));
    assert_false(contains("::/0", "192.0.2.1"));
    assert_false(contains("::/0", "::ffff:192.0.2.1"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_false(contains("::/32", "0.0.0.0"));
}

static void several_networks_contain_what_one_does(void **state)
{
    struct cidr list[] = {parsed("192.0.2.0/24"), parsed("2001:db8::/32")};
    const struct cidrs both = {2, list}, none = {0, NULL};
    const struct addr first = address("192.0.2.1"), second = address("2001:db8::1");
    const struct addr neither = address("198.51.100.1");

    (void)state;
    assert_true(cidrs_contain(&both, &first));
    assert_true(cidrs_contain(&both, &second));
    assert_false(cidrs_contain(&both, &neither));
    assert_false(cidrs_contain(&none, &first));
}

static void assert_network_of(const char *text, int bits_v4, int bits_v6, const char *wanted)
{
    const struct addr addr = address(text);
    const struct cidr right = parsed(wanted);
    struct cidr network;

    assert_true(network_of(&addr, bits_v4, bits_v6, &network));
    assert_true(cidr_equal(&network, &right));
}

static void an_address_lies_in_its_network(void **state)
{
    (void)state;
    assert_network_of("192.0.2.77", 32, 64, "192.0.2.77/32");
    assert_network_of("192.0.2.77", 24, 64, "192.0.2.0/24");
    assert_network_of("192.0.2.77", 1, 64, "128.0.0.0/1");
    assert_network_of("::ffff:192.0.2.77", 24, 64, "192.0.2.0/24");
    assert_network_of("2001:db8:1:2:3:4:5:6", 24, 64, "2001:db8:1:2::/64");
    assert_network_of("2001:db8:1:2:3:4:5:6", 24, 128, "2001:db8:1:2:3:4:5:6/128");
    assert_network_of("2001:db8:1:2:3:4:5:6", 24, 19, "2001::/19");
}

static void a_path_lies_in_no_network(void **state)
{
    const struct addr addr = {.len = sizeof(sa_family_t), .sa.sa_family = AF_UNIX};
    struct cidr network = parsed("::/0");

    (void)state;
    assert_false(network_of(&addr, 32, 64, &network));
    assert_int_equal(network.bits, 0); /* untouched */
    assert_false(cidr_contains(&network, &addr));
}

static void networks_are_equal_in_every_part(void **state)
{
    const struct cidr one = parsed("192.0.2.0/24"), longer = parsed("192.0.2.0/25");
    const struct cidr other = parsed("192.0.3.0/24"), v4 = parsed("0.0.0.0/0");
    const struct cidr v6 = parsed("::/0");

    (void)state;
    assert_true(cidr_equal(&one, &one));
    assert_false(cidr_equal(&one, &longer));
    assert_false(cidr_equal(&one, &other));
    assert_false(cidr_equal(&v4, &v6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_read_and_written),
        cmocka_unit_test(an_address_is_a_network_of_one),
        cmocka_unit_test(mapped_networks_are_the_ipv4_ones),
        cmocka_unit_test(bits_beyond_the_prefix_are_refused),
        cmocka_unit_test(prefixes_are_whole_numbers_in_range),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(zones_are_refused),
        cmocka_unit_test(networks_contain_their_addresses_only),
        cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(several_networks_contain_what_one_does),
        cmocka_unit_test(an_address_lies_in_its_network),
        cmocka_unit_test(a_path_lies_in_no_network),
        cmocka_unit_test(networks_are_equal_in_every_part),
    };

    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
