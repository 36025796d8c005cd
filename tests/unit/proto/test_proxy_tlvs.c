/* test_proxy_tlvs.c - what version 2 says besides the addresses. */
#include "proxy_helper.h"

#include <string.h>

static struct built built;

static struct proxy_header complete_built(void)
{
    return complete(built.data, built.n);
}

static void assert_built_bad(const char *reason)
{
    assert_bad(built.data, built.n, reason);
}

/* ---- those that are kept ---- */

static void each_kind_is_found(void **state)
{
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    add_text(&built, 0x01, "h2");
    add_text(&built, 0x02, "echo.example");
    add_text(&built, 0x05, "a-1");
    add_text(&built, 0x30, "blue");
    header = complete_built();
    assert_slice(&header.alpn, "h2");
    assert_slice(&header.authority, "echo.example");
    assert_slice(&header.unique_id, "a-1");
    assert_slice(&header.netns, "blue");
    assert_null(header.ssl.all.data);
    assert_null(header.checksum.data);
    assert_addr(&header.source, "192.0.2.1:56324");
}

static void others_are_skipped(void **state)
{
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    add_text(&built, 0x04, "padding");
    add_text(&built, 0x00, "");
    add_text(&built, 0xea, "\x01vpce-1");
    add_text(&built, 0x22, "of SSL, and not within it");
    add_text(&built, 0x02, "echo.example");
    header = complete_built();
    assert_slice(&header.authority, "echo.example");
    assert_null(header.ssl.cn.data);
}

static void of_several_the_last_holds(void **state)
{
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    add_text(&built, 0x02, "first.example");
    add_text(&built, 0x02, "");
    header = complete_built();
    assert_slice(&header.authority, "");
}

static void they_follow_addresses_of_any_family(void **state)
{
    static const uint8_t zero[216];
    struct proxy_header header;

    (void)state;
    build(&built, PROXY_PROXY, 0x21);
    add(&built, zero, 36);
    add_text(&built, 0x02, "six.example");
    header = complete_built();
    assert_slice(&header.authority, "six.example");
    build(&built, PROXY_PROXY, 0x31);
    add(&built, zero, 216);
    add_text(&built, 0x02, "unix.example");
    header = complete_built();
    assert_slice(&header.authority, "unix.example");
}

/* ---- lengths ---- */

static void a_tlv_must_end_within_the_header(void **state)
{
    static const char reason[] = "a TLV that runs over the end";

    (void)state;
    build_inet(&built);
    add(&built, "\x04", 1);
    assert_built_bad(reason);
    add(&built, "\0", 1);
    assert_built_bad(reason);
    add(&built, "\x01", 1);
    assert_built_bad(reason);
    add(&built, "x", 1);
    assert_false(complete_built().local);
    add(&built, "\xea\xff\xff", 3);
    assert_built_bad(reason);
}

static void a_unique_id_has_at_most_128_bytes(void **state)
{
    static const uint8_t id[129];
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    add_tlv(&built, 0x05, id, 128);
    header = complete_built();
    assert_int_equal(header.unique_id.length, 128);
    add_tlv(&built, 0x05, id, 129);
    assert_built_bad("a TLV of a wrong length");
}

static void a_checksum_has_4_bytes(void **state)
{
    (void)state;
    for (size_t length = 0; length < 6; length++) {
        build_inet(&built);
        add_tlv(&built, 0x03, "\0\0\0\0\0", length);
        assert_built_bad(length == 4 ? "a wrong checksum" : "a TLV of a wrong length");
    }
}

/* ---- the checksum ---- */

/* Computed by a program of its own, from the table in RFC 3720. */
static void build_checked(void)
{
    build_inet(&built);
    add_tlv(&built, 0x03, "\xcf\x61\xf3\x62", 4);
    add_text(&built, 0x02, "echo.test.x");
}

static void a_checksum_that_holds(void **state)
{
    struct proxy_header header;

    (void)state;
    build_checked();
    header = complete_built();
    assert_slice(&header.checksum, "\xcf\x61\xf3\x62");
    assert_slice(&header.authority, "echo.test.x");
}

/* The addresses, the checksum, and the bytes of the name behind it. */
static void any_other_byte_breaks_it(void **state)
{
    (void)state;
    build_checked();
    for (size_t i = 16; i < built.n; i++) {
        if ((i >= 28 && i < 31) || (i >= 35 && i < 38))
            continue; /* type and length of a TLV */
        for (int bit = 0; bit < 8; bit++) {
            built.data[i] ^= (uint8_t)(1 << bit);
            assert_built_bad("a wrong checksum");
            built.data[i] ^= (uint8_t)(1 << bit);
        }
    }
}

/* ---- the client's TLS ---- */

static void what_the_client_spoke(void **state)
{
    static const char ssl[] = "\x05\x01\x02\x03\x04"
                              "\x21\0\x07TLSv1.3"
                              "\x22\0\x0e"
                              "client.example"
                              "\x23\0\x16TLS_AES_256_GCM_SHA384"
                              "\x24\0\x06SHA256"
                              "\x25\0\x07RSA2048"
                              "\x2f\0\x05later";
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    add_tlv(&built, 0x20, ssl, sizeof(ssl) - 1);
    header = complete_built();
    assert_int_equal(header.ssl.client, PROXY_SSL_USED | PROXY_SSL_CERT_SESSION);
    assert_int_equal(header.ssl.verify, 0x01020304);
    assert_slice(&header.ssl.version, "TLSv1.3");
    assert_slice(&header.ssl.cn, "client.example");
    assert_slice(&header.ssl.cipher, "TLS_AES_256_GCM_SHA384");
    assert_slice(&header.ssl.sig_alg, "SHA256");
    assert_slice(&header.ssl.key_alg, "RSA2048");
}

static void the_client_may_have_spoken_no_tls(void **state)
{
    struct proxy_header header;

    (void)state;
    build_inet(&built);
    add_tlv(&built, 0x20, "\0\xff\xff\xff\xff", 5);
    header = complete_built();
    assert_int_equal(header.ssl.client, 0);
    assert_int_equal(header.ssl.verify, UINT32_MAX);
    assert_null(header.ssl.version.data);
}

static void within_ssl_lengths_hold_too(void **state)
{
    (void)state;
    build_inet(&built);
    add_tlv(&built, 0x20, "\1\0\0\0", 4);
    assert_built_bad("a TLV of a wrong length");
    build_inet(&built);
    add_tlv(&built, 0x20, "\1\0\0\0\0\x21\0", 7);
    assert_built_bad("a TLV that runs over the end");
    build_inet(&built);
    add_tlv(&built, 0x20, "\1\0\0\0\0\x21\0\2x", 9);
    add_text(&built, 0x02, "enough bytes, but of another");
    assert_built_bad("a TLV that runs over the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_found),
        cmocka_unit_test(others_are_skipped),
        cmocka_unit_test(of_several_the_last_holds),
        cmocka_unit_test(they_follow_addresses_of_any_family),
        cmocka_unit_test(a_tlv_must_end_within_the_header),
        cmocka_unit_test(a_unique_id_has_at_most_128_bytes),
        cmocka_unit_test(a_checksum_has_4_bytes),
        cmocka_unit_test(a_checksum_that_holds),
        cmocka_unit_test(any_other_byte_breaks_it),
        cmocka_unit_test(what_the_client_spoke),
        cmocka_unit_test(the_client_may_have_spoken_no_tls),
        cmocka_unit_test(within_ssl_lengths_hold_too),
    };

    return cmocka_run_group_tests_name("proxy_tlvs", tests, NULL, NULL);
}
