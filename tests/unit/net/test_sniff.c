/* test_sniff.c - what the first bytes of a client look like. */
#include "net/sniff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* A text with NUL bytes in it. */
#define ASSERT_SNIFF(bytes, name) assert_sniff(bytes, sizeof(bytes) - 1, name)

static void assert_sniff(const char *data, size_t n, const char *name)
{
    assert_string_equal(sniff_name(sniff(data, n)), name);
}

/* ---- TLS ---- */

static void assert_tls_from_its_first_byte(const char *hello, size_t n)
{
    for (size_t i = 1; i <= n; i++) {
        assert_true(sniff_may_be_tls(hello, i));
        assert_sniff(hello, i, "TLS");
    }
}

static void client_hellos_are_tls(void **state)
{
    (void)state;
    assert_tls_from_its_first_byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    assert_tls_from_its_first_byte("\x16\x03\x00\x00\x2d\x01", 6);
    assert_tls_from_its_first_byte("\x16\x03\x04\x40\x00\x01", 6);
}

static void other_records_are_not(void **state)
{
    (void)state;
    ASSERT_SNIFF("\x16\x02", "unknown bytes");
    ASSERT_SNIFF("\x16\x03\x05", "unknown bytes");
    ASSERT_SNIFF("\x16\x03\x01\x41", "unknown bytes");
    ASSERT_SNIFF("\x16\x03\x01\x02\x00\x02", "unknown bytes");
    ASSERT_SNIFF("\x15\x03\x01\x00\x02\x02\x28", "unknown bytes");
    ASSERT_SNIFF("\x17\x03\x03", "unknown bytes");
    assert_false(sniff_may_be_tls("\x16\x03\x01\x02\x00\x02", 6));
    assert_false(sniff_may_be_tls("\x17", 1));
    assert_false(sniff_may_be_tls("G", 1));
}

/* It may come, but much else begins like it. */
static void hellos_of_ssl_2_are_tls_once_they_are_sure(void **state)
{
    static const char hello[] = "\x80\x2e\x01\x03\x01\x00\x15";

    (void)state;
    for (size_t i = 0; i < sizeof(hello); i++)
        assert_true(sniff_may_be_tls(hello, i));
    ASSERT_SNIFF("\x80", "unknown bytes");
    ASSERT_SNIFF("\x80\x2e\x01\x03", "unknown bytes");
    ASSERT_SNIFF("\x80\x2e\x01\x03\x01", "TLS");
    ASSERT_SNIFF("\x80\x2e\x01\x00\x02\x00", "TLS");
    ASSERT_SNIFF("\x80\x2e\x02\x03\x01", "unknown bytes");
    ASSERT_SNIFF("\x80\x2e\x01\x04\x01", "unknown bytes");
}

static void nothing_may_become_tls(void **state)
{
    (void)state;
    assert_true(sniff_may_be_tls("", 0));
    ASSERT_SNIFF("", "unknown bytes");
}

/* ---- the others ---- */

static void http_is_told_by_its_method(void **state)
{
    (void)state;
    ASSERT_SNIFF("GET / HTTP/1.1\r\n", "HTTP");
    ASSERT_SNIFF("HEAD ", "HTTP");
    ASSERT_SNIFF("POST /", "HTTP");
    ASSERT_SNIFF("PUT /", "HTTP");
    ASSERT_SNIFF("DELETE /", "HTTP");
    ASSERT_SNIFF("CONNECT localhost:7", "HTTP");
    ASSERT_SNIFF("OPTIONS *", "HTTP");
    ASSERT_SNIFF("TRACE /", "HTTP");
    ASSERT_SNIFF("PATCH /", "HTTP");
    ASSERT_SNIFF("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2");
}

static void others_are_told_by_their_greeting(void **state)
{
    (void)state;
    ASSERT_SNIFF("SSH-2.0-OpenSSH_9.2\r\n", "SSH");
    ASSERT_SNIFF("EHLO localhost\r\n", "SMTP");
    ASSERT_SNIFF("HELO localhost\r\n", "SMTP");
    ASSERT_SNIFF("PROXY TCP4 192.0.2.1", "the PROXY protocol");
    ASSERT_SNIFF("\r\n\r\n\0\r\nQUIT\n\x21", "the PROXY protocol");
    ASSERT_SNIFF("\0\0\0\x08\x04\xd2\x16\x2f", "PostgreSQL");
    ASSERT_SNIFF("\x03\0\0\x13\x0e\xe0", "RDP");
}

static void what_is_left_is_text_or_bytes(void **state)
{
    (void)state;
    ASSERT_SNIFF("G", "text");
    ASSERT_SNIFF("GET", "text");
    ASSERT_SNIFF("get / ", "text");
    ASSERT_SNIFF("hello\tworld~\r\n", "text");
    ASSERT_SNIFF("\r\n\r\n", "text");
    ASSERT_SNIFF("hello\0", "unknown bytes");
    ASSERT_SNIFF("hello\x7f", "unknown bytes");
    ASSERT_SNIFF("\x1b[0m", "unknown bytes");
    ASSERT_SNIFF("\xff", "unknown bytes");
    ASSERT_SNIFF("\0", "unknown bytes");
}

static void each_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < SNIFF_COUNT; i++)
        assert_non_null(sniff_name((enum sniff)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_hellos_are_tls),
        cmocka_unit_test(other_records_are_not),
        cmocka_unit_test(hellos_of_ssl_2_are_tls_once_they_are_sure),
        cmocka_unit_test(nothing_may_become_tls),
        cmocka_unit_test(http_is_told_by_its_method),
        cmocka_unit_test(others_are_told_by_their_greeting),
        cmocka_unit_test(what_is_left_is_text_or_bytes),
        cmocka_unit_test(each_has_a_name),
    };

    return cmocka_run_group_tests_name("sniff", tests, NULL, NULL);
}
