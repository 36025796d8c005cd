/* test_tls_verify.c - whom a client's certificate is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/tls_private.h"

#include <string.h>

/* A certificate with these subject alternative names, as openssl-x509v3_config(5) has them. */
static X509 *make(const char *common_name, const char *names)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new();

    if (common_name)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name,
                                   -1, -1, 0);
    assert_int_equal(X509_set_subject_name(certificate, subject), 1);
    X509_NAME_free(subject);
    if (names) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

        assert_non_null(extension);
        assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    return certificate;
}

static bool is_for(const char *pattern, const char *common_name, const char *names)
{
    const char *list[] = {"nobody.invalid", pattern};
    const struct strings patterns = {.n = 2, .list = list};
    X509 *certificate = make(common_name, names);
    bool result = tls_verify_name(&patterns, certificate);

    X509_free(certificate);
    return result;
}

static void dns_names(void **state)
{
    (void)state;
    assert_true(is_for("a.example", NULL, "DNS:a.example"));
    assert_true(is_for("A.Example", NULL, "DNS:a.eXample"));
    assert_true(is_for("b.example", NULL, "DNS:a.example,DNS:b.example"));
    assert_false(is_for("a.example", NULL, "DNS:a.example.org"));
    assert_false(is_for("a.example", NULL, "DNS:xa.example"));
    assert_false(is_for("a.example", NULL, "DNS:*.example")); /* the star is ours to give */
}

static void a_star_is_one_label(void **state)
{
    (void)state;
    assert_true(is_for("*.example", NULL, "DNS:a.example"));
    assert_true(is_for("a.*.example", NULL, "DNS:a.b.example"));
    assert_true(is_for("a*.example", NULL, "DNS:ab.example"));
    assert_false(is_for("a*.example", NULL, "DNS:a.example"));
    assert_false(is_for("*.example", NULL, "DNS:a.b.example"));
    assert_false(is_for("*.example", NULL, "DNS:.example"));
    assert_false(is_for("*.example", NULL, "DNS:example"));
    assert_false(is_for("*a.example", NULL, "DNS:a.example"));
}

static void email_addresses(void **state)
{
    (void)state;
    assert_true(is_for("a@b.example", NULL, "email:a@b.example"));
    assert_true(is_for("*@b.example", NULL, "email:first.last@b.example"));
    assert_false(is_for("*@b.example", NULL, "email:a@c.example"));
    assert_false(is_for("*.example", NULL, "email:a@b.example"));
}

static void uris(void **state)
{
    (void)state;
    assert_true(is_for("spiffe://x/a", NULL, "URI:spiffe://x/a"));
    assert_true(is_for("spiffe://x/*", NULL, "URI:spiffe://x/a.b"));
    assert_false(is_for("spiffe://x/*", NULL, "URI:spiffe://x/a/b"));
    assert_false(is_for("spiffe://x/A", NULL, "URI:spiffe://x/a"));
}

static void addresses(void **state)
{
    (void)state;
    assert_true(is_for("192.0.2.7", NULL, "IP:192.0.2.7"));
    assert_true(is_for("2001:DB8:0::1", NULL, "IP:2001:db8::1"));
    assert_false(is_for("192.0.2.8", NULL, "IP:192.0.2.7"));
    assert_false(is_for("::ffff:192.0.2.7", NULL, "IP:192.0.2.7"));
    assert_false(is_for("192.0.2.*", NULL, "IP:192.0.2.7"));
    assert_false(is_for("192.0.2.7", NULL, "DNS:a.example"));
}

static void the_common_name_counts_only_alone(void **state)
{
    (void)state;
    assert_true(is_for("a.example", "a.example", NULL));
    assert_true(is_for("*.example", "a.example", NULL));
    assert_false(is_for("a.example", "a.example", "DNS:b.example"));
    assert_false(is_for("a.example", "a.example", "email:a@b.example"));
    assert_false(is_for("a.example", NULL, NULL));
}

/* A name as its issuer has read it, "a.example\0.evil", is not what a text would be. */
static void a_name_with_a_nul_is_nobodys(void **state)
{
    static const char name[] = "a.example\0.evil";
    const char *list[] = {"a.example"};
    const struct strings patterns = {.n = 1, .list = list};
    X509 *certificate = make(NULL, NULL);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *general = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    (void)state;
    ASN1_STRING_set(value, name, sizeof(name) - 1);
    GENERAL_NAME_set0_value(general, GEN_DNS, value);
    sk_GENERAL_NAME_push(names, general);
    assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0), 1);
    assert_false(tls_verify_name(&patterns, certificate));
    GENERAL_NAMES_free(names);
    X509_free(certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_names),
        cmocka_unit_test(a_star_is_one_label),
        cmocka_unit_test(email_addresses),
        cmocka_unit_test(uris),
        cmocka_unit_test(addresses),
        cmocka_unit_test(the_common_name_counts_only_alone),
        cmocka_unit_test(a_name_with_a_nul_is_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
