/* test_proxy.c - what is a header of the PROXY protocol, and version 1; see test_proxy_v2.c. */
#include "proxy_helper.h"

#include <stdio.h>
#include <string.h>

static struct proxy_header complete_line(const char *line)
{
    return complete(line, strlen(line));
}

static void assert_line(const char *line, const char *source, const char *destination)
{
    struct proxy_header header = complete_line(line);

    assert_int_equal(header.version, 1);
    assert_false(header.local);
    assert_addr(&header.source, source);
    assert_addr(&header.destination, destination);
    assert_null(header.authority.data);
    assert_null(header.ssl.all.data);
}

static void assert_local(const char *line)
{
    struct proxy_header header = complete_line(line);

    assert_int_equal(header.version, 1);
    assert_true(header.local);
    assert_int_equal(header.source.len, 0);
}

static void assert_line_bad(const char *line, const char *reason)
{
    assert_bad(line, strlen(line), reason);
}

static void assert_line_more(const char *line, size_t length)
{
    assert_more(line, strlen(line), length);
}

/* ---- what is none ---- */

static void other_protocols_are_none(void **state)
{
    static const char *const others[] = {
        "GET / HTTP/1.1\r\n", "PROPFIND / HTTP/1.1\r\n", "proxy TCP4 ", "PROXY\tTCP4 ", "\n",
        "\r\n\r\nx"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_none(others[i], strlen(others[i]));
    assert_none("\x16\x03\x01\x02\x00\x01", 6);
    assert_none("\r\n\r\n\0\r\nQUIT\r", 12);
    assert_none("\0", 1);
}

/* The shortest header there is has 15 bytes. */
static void any_beginning_asks_for_the_shortest(void **state)
{
    (void)state;
    assert_line_more("", 15);
    assert_line_more("P", 15);
    assert_line_more("PROXY ", 15);
    assert_line_more("PROXY U", 15);
    assert_line_more("\r", 16);
    assert_line_more("\r\n\r\n", 16);
}

/* ---- version 1 ---- */

static void lines_of_the_specification(void **state)
{
    (void)state;
    assert_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                "255.255.255.255:65535", "255.255.255.255:65535");
    assert_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324",
                "192.168.0.11:443");
    assert_local("PROXY UNKNOWN\r\n");
    assert_local("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
}

static void shortest_and_unusual_lines(void **state)
{
    (void)state;
    assert_line("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0", "0.0.0.0:0");
    assert_line("PROXY TCP6 :: ::1 0 1\r\n", "[::]:0", "[::1]:1");
    assert_line("PROXY TCP6 2001:DB8::A 2001:db8::b 7 10\r\n", "[2001:db8::a]:7",
                "[2001:db8::b]:10");
    /* as inet_ntop(3) writes a client of IPv4 on a socket of IPv6 */
    assert_line("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 7 8\r\n", "192.0.2.1:7",
                "192.0.2.2:8");
}

static void unknown_lines_may_hold_anything(void **state)
{
    static const char nul[] = "PROXY UNKNOWN \0\xff\r\n";

    (void)state;
    assert_local("PROXY UNKNOWN \r \n \r\r\n");
    assert_local("PROXY UNKNOWN TCP4 1.2.3.4\r\n");
    assert_true(complete(nul, sizeof(nul) - 1).local);
}

/* As many bytes as the shortest end of the line would take, whatever has come of it. */
static void a_line_asks_for_its_shortest_end(void **state)
{
    (void)state;
    assert_line_more("PROXY T", 22);
    assert_line_more("PROXY TCP", 22);
    assert_line_more("PROXY TCP4", 32);
    assert_line_more("PROXY TCP4 ", 32);
    assert_line_more("PROXY TCP4 1", 32);
    assert_line_more("PROXY TCP4 10.0.0.", 32);
    assert_line_more("PROXY TCP4 10.0.0.1", 33);
    assert_line_more("PROXY TCP4 10.0.0.1 ", 33);
    assert_line_more("PROXY TCP4 10.0.0.1 10.0.0.2 7", 34);
    assert_line_more("PROXY TCP4 10.0.0.1 10.0.0.2 7 7", 34);
    assert_line_more("PROXY TCP4 10.0.0.1 10.0.0.2 7 7\r", 34);
    assert_line_more("PROXY TCP6", 22);
    assert_line_more("PROXY TCP6 :", 22);
    assert_line_more("PROXY TCP6 ::1", 23);
    assert_line_more("PROXY UNKNOWN", 15);
    assert_line_more("PROXY UNKNOWN\r", 15);
    assert_line_more("PROXY UNKNOWN\r\r", 16);
    assert_line_more("PROXY UNKNOWN x", 17);
}

static void other_words_are_bad(void **state)
{
    static const char reason[] = "neither TCP4, TCP6 nor UNKNOWN";

    (void)state;
    assert_line_bad("PROXY  TCP4", reason);
    assert_line_bad("PROXY TCP5", reason);
    assert_line_bad("PROXY UDP4 ", reason);
    assert_line_bad("PROXY tcp4 ", reason);
    assert_line_bad("PROXY TCP4\r\n", reason);
    assert_line_bad("PROXY TCP4\t1", reason);
    assert_line_bad("PROXY \r\n", reason);
}

static void broken_addresses_are_bad(void **state)
{
    static const char *const ipv4[] = {"1.2.3 ",   "1.2.3.4.5 ",      "1.2.3.256 ", "01.2.3.4 ",
                                       " ",        "1.2.3.x",         "1.2.3.4\r",  "1.2.3.4\t",
                                       "::1",      ".... ",           "1.2.3.4\n",  "0x7f.0.0.1",
                                       "-1.2.3.4", "1111111111111111"};
    static const char *const ipv6[] = {
        "::1::2 ", "1:2:3 ", "12345:: ",    "fe80::1%1 ", "[::1] ",
        "::g ",    " ",      ":::::::::: ", "::1\r",      "1.2.3.4 "};
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof(ipv4) / sizeof(*ipv4); i++) {
        snprintf(line, sizeof(line), "PROXY TCP4 %s", ipv4[i]);
        assert_line_bad(line, "a broken IPv4 address");
        snprintf(line, sizeof(line), "PROXY TCP4 1.2.3.4 %s", ipv4[i]);
        assert_line_bad(line, "a broken IPv4 address");
    }
    assert_line_bad("PROXY TCP4 1.2.3.4  5.6.7.8 ", "a broken IPv4 address");
    for (size_t i = 0; i < sizeof(ipv6) / sizeof(*ipv6); i++) {
        snprintf(line, sizeof(line), "PROXY TCP6 %s", ipv6[i]);
        assert_line_bad(line, "a broken IPv6 address");
    }
}

static void broken_ports_are_bad(void **state)
{
    static const char *const ports[] = {" ",       "65536 ", "99999 ", "07 ", "00 ", "+7 ", "-7 ",
                                        "123456 ", "0x7 ",   "7\r",    "7\n", "7. ", "7\t", "a "};
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
        snprintf(line, sizeof(line), "PROXY TCP4 1.2.3.4 5.6.7.8 %s", ports[i]);
        assert_line_bad(line, "a broken port");
    }
    assert_line_bad("PROXY TCP6 :: :: 7 8 \r\n", "a broken port");
    assert_line_bad("PROXY TCP6 :: :: 7 8\n", "a broken port");
    assert_line_bad("PROXY TCP6 :: :: 7 \r\n", "a broken port");
    assert_line_bad("PROXY TCP6 :: :: 7 65536\r\n", "a broken port");
}

static void a_nul_is_no_part_of_a_field(void **state)
{
    (void)state;
    assert_bad("PROXY TCP4 1.2.3.4\0 5.6.7.8 7 8\r\n", 34, "a broken IPv4 address");
    assert_bad("PROXY TCP4 1.2.3.4 5.6.7.8 7\0 8\r\n", 34, "a broken port");
}

static void a_line_ends_with_cr_lf(void **state)
{
    (void)state;
    assert_line_bad("PROXY TCP6 :: :: 7 8\r\r", "a line without CR LF");
    assert_line_bad("PROXY TCP6 :: :: 7 8\rx", "a line without CR LF");
}

/* Told as soon as the end can no longer come in time. */
static void a_line_has_at_most_107_bytes(void **state)
{
    char line[256];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_more(line, 105, 107);
    assert_bad(line, 106, "a line longer than 107 bytes");
    assert_bad(line, sizeof(line), "a line longer than 107 bytes");
    line[105] = '\r';
    assert_more(line, 106, 107);
    line[106] = '\n';
    assert_true(complete(line, 107).local);
    memcpy(line + 105, "x\r\n", 3);
    assert_bad(line, 108, "a line longer than 107 bytes");
}

static void mapped_addresses_may_be_too_long(void **state)
{
#define LONGEST "0000:0000:0000:0000:0000:ffff:255.255.255.255 "
    (void)state;
    assert_line_bad("PROXY TCP6 " LONGEST LONGEST "65535 65535\r\n",
                    "a line longer than 107 bytes");
    assert_line("PROXY TCP6 " LONGEST ":: 65535 65535\r\n", "255.255.255.255:65535", "[::]:65535");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_protocols_are_none),
        cmocka_unit_test(any_beginning_asks_for_the_shortest),
        cmocka_unit_test(lines_of_the_specification),
        cmocka_unit_test(shortest_and_unusual_lines),
        cmocka_unit_test(unknown_lines_may_hold_anything),
        cmocka_unit_test(a_line_asks_for_its_shortest_end),
        cmocka_unit_test(other_words_are_bad),
        cmocka_unit_test(broken_addresses_are_bad),
        cmocka_unit_test(broken_ports_are_bad),
        cmocka_unit_test(a_nul_is_no_part_of_a_field),
        cmocka_unit_test(a_line_ends_with_cr_lf),
        cmocka_unit_test(a_line_has_at_most_107_bytes),
        cmocka_unit_test(mapped_addresses_may_be_too_long),
    };

    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
