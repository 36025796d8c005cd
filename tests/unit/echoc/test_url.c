/* test_url.c - the URL of a server: every form, and texts that are not URLs. */
#include "echoc/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void assert_url(const char *text, bool tls, const char *host, int port)
{
    struct url url = {.port = -1};
    struct err err = {.text = "untouched"};

    if (url_parse(text, &url, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(url.tls, tls);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(err.text, "untouched");
}

/* The output stays as it was, to the last byte, and the error quotes what was wrong. */
static void assert_refused(const char *text)
{
    struct url url, before;
    struct err err;
    char quoted[512];

    memset(&url, 0x5a, sizeof(url));
    before = url;
    if (url_parse(text, &url, &err) == 0)
        fail_msg("\"%s\" was taken: host \"%s\", port %d", text, url.host, url.port);
    assert_memory_equal(&url, &before, sizeof(url));
    snprintf(quoted, sizeof(quoted), "\"%s\" is no URL; it must be tcp://HOST:PORT", text);
    assert_memory_equal(err.text, quoted, strlen(quoted));
}

static void tcp_and_tls_have_host_and_port(void **state)
{
    (void)state;
    assert_url("tcp://localhost:7", false, "localhost", 7);
    assert_url("tls://echo.example:7443", true, "echo.example", 7443);
    assert_url("tcp://192.0.2.1:65535", false, "192.0.2.1", 65535);
    assert_url("tls://h:1", true, "h", 1);
}

static void ipv6_addresses_stand_in_brackets(void **state)
{
    (void)state;
    assert_url("tcp://[::1]:7", false, "::1", 7);
    assert_url("tls://[2001:db8::1]:7443", true, "2001:db8::1", 7443);
    assert_url("tcp://[fe80::1%eth0]:7", false, "fe80::1%eth0", 7);
    assert_url("tcp://[::ffff:192.0.2.1]:7/", false, "::ffff:192.0.2.1", 7);
}

static void a_slash_at_the_end_is_dropped(void **state)
{
    (void)state;
    assert_url("tcp://localhost:7/", false, "localhost", 7);
    assert_url("tls://[::1]:7/", true, "::1", 7);
}

static void unix_has_a_path(void **state)
{
    (void)state;
    assert_url("unix:/run/echo.sock", false, "unix:/run/echo.sock", 0);
    assert_url("tls+unix:/run/echo.sock", true, "unix:/run/echo.sock", 0);
    assert_url("unix:@name", false, "unix:@name", 0);
    assert_url("unix:relative", false, "unix:relative", 0);
    assert_url("unix:/a:7/", false, "unix:/a:7/", 0);
}

static void hosts_are_as_long_as_they_may_be(void **state)
{
    struct url url;
    char host[256], text[512];

    (void)state;
    memset(host, 'h', 255);
    host[255] = '\0';
    snprintf(text, sizeof(text), "tcp://%s:65535", host);
    assert_url(text, false, host, 65535);
    snprintf(text, sizeof(text), "tcp://%sh:7", host);
    assert_refused(text);
    snprintf(text, sizeof(text), "tcp://[%s:]:7", host);
    assert_refused(text);
    memcpy(host, "unix:/", 6);
    assert_url(host, false, host, 0);
    snprintf(text, sizeof(text), "%sh", host);
    assert_refused(text);
    assert_int_equal(sizeof(url.host), 256); /* what the lengths above are about */
}

static void texts_far_too_long_are_refused(void **state)
{
    static char text[100000] = "tcp://";
    struct url url;
    struct err err;

    (void)state;
    memset(text + 6, 'h', sizeof(text) - 7);
    assert_int_equal(url_parse(text, &url, &err), -1);
    memcpy(text, "unix:/", 6);
    assert_int_equal(url_parse(text, &url, &err), -1);
    memcpy(text + sizeof(text) - 4, ":77", 4);
    memcpy(text, "tls://", 6);
    assert_int_equal(url_parse(text, &url, &err), -1);
}

static void assert_all_refused(const char *const *texts)
{
    for (; *texts; texts++)
        assert_refused(*texts);
}

static void other_schemes_are_refused(void **state)
{
    static const char *const texts[] = {"",           "localhost:7",     "localhost",   "7",
                                        "http://h:7", "https://h:7",     "udp://h:7",   "TCP://h:7",
                                        "tcp:/h:7",   "tcp:h:7",         "tcp//h:7",    "tls:h:7",
                                        "://h:7",     "tcp+unix:/run/e", "unix",        "tls+unix",
                                        " tcp://h:7", "tls+tcp://h:7",   "UNIX:/run/e", NULL};

    (void)state;
    assert_all_refused(texts);
}

static void hosts_that_are_none_are_refused(void **state)
{
    static const char *const texts[] = {"tcp://",         "tcp:///",
                                        "tcp://:7",       "tls://:7/",
                                        "tcp://[]:7",     "tcp://::1:7",
                                        "tcp://[::1:7",   "tcp://::1]:7",
                                        "tcp://[::1]",    "tcp://[::1]7",
                                        "tcp://[::1]x:7", "tcp://2001:db8::1:7",
                                        "tcp://a:b:7",    NULL};

    (void)state;
    assert_all_refused(texts);
}

static void ports_that_are_none_are_refused(void **state)
{
    static const char *const texts[] = {"tcp://h",
                                        "tcp://h:",
                                        "tcp://h/",
                                        "tcp://h:/",
                                        "tcp://h:0",
                                        "tcp://h:65536",
                                        "tcp://h:-7",
                                        "tcp://h:+7",
                                        "tcp://h:7x",
                                        "tcp://h:x7",
                                        "tcp://h:0x7",
                                        "tcp://h:7.0",
                                        "tcp://h:echo",
                                        "tcp://h:7//",
                                        "tcp://h:7/path",
                                        "tcp://h:7?q",
                                        "tcp://h:99999999999999999999",
                                        "tcp://h:-99999999999999999999",
                                        "tcp://h:4294967303",
                                        NULL};

    (void)state;
    assert_all_refused(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_and_tls_have_host_and_port),
        cmocka_unit_test(ipv6_addresses_stand_in_brackets),
        cmocka_unit_test(a_slash_at_the_end_is_dropped),
        cmocka_unit_test(unix_has_a_path),
        cmocka_unit_test(hosts_are_as_long_as_they_may_be),
        cmocka_unit_test(texts_far_too_long_are_refused),
        cmocka_unit_test(other_schemes_are_refused),
        cmocka_unit_test(hosts_that_are_none_are_refused),
        cmocka_unit_test(ports_that_are_none_are_refused),
    };

    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
