/* test_tls_faults.c - faults of the settings of a server context, each by its name. */
#include "tls_helper.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_fault(const struct fault_list *list, unsigned i, const char *setting,
                         const char *text)
{
    assert_true(i < list->n);
    assert_string_equal(list->faults[i].setting, setting);
    assert_string_equal(list->faults[i].text, text);
}

/* Nothing of the context is left, and every fault went to the sink and its count. */
static struct fault_list faults_of(const struct tls_params *params)
{
    struct fault_list list = {.n = 0};
    struct tls_server *untouched = (struct tls_server *)&list, *server = untouched;

    list.sink = (struct faults){.report = keep_fault, .arg = &list};
    assert_int_equal(tls_server_new(params, NULL, &list.sink, &server), -1);
    assert_ptr_equal(server, untouched);
    assert_int_equal(list.sink.count, list.n);
    assert_int_equal(ERR_peek_error(), 0);
    return list;
}

static void assert_one_fault(const struct tls_params *params, const char *setting, const char *text)
{
    struct fault_list list = faults_of(params);

    assert_fault(&list, 0, setting, text);
    assert_int_equal(list.n, 1);
}

/* ---- tests: faults of the settings ---- */

static void faulty_certificate_is_named(void **state)
{
    struct tls_params params = good_params();
    char text[600];

    (void)state;
    params.certificate = pki("none.crt");
    snprintf(text, sizeof(text), "cannot load %s: No such file or directory", params.certificate);
    assert_one_fault(&params, "tls.certificate", text);
    params.certificate = pki("garbage.pem");
    snprintf(text, sizeof(text), "cannot load %s: no such thing in PEM form in it",
             params.certificate);
    assert_one_fault(&params, "tls.certificate", text);
}

/* Nobody writes to it: an open that waited would never come back. */
static void certificate_that_is_a_fifo_is_named(void **state)
{
    struct tls_params params = good_params();
    char fifo[64], text[600];

    (void)state;
    snprintf(fifo, sizeof(fifo), "/tmp/test_tls_faults-%d.fifo", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    params.certificate = fifo;
    snprintf(text, sizeof(text), "cannot load %s: it is no regular file", fifo);
    alarm(10);
    assert_one_fault(&params, "tls.certificate", text);
    alarm(0);
    unlink(fifo);
}

/* The encrypted one must not ask for its passphrase either. */
static void faulty_key_is_named(void **state)
{
    static const char *const reasons[][2] = {
        {"none.key", "No such file or directory"},
        {"garbage.pem", "no such thing in PEM form in it"},
        {"server.crt", "no such thing in PEM form in it"},
        {"encrypted.key", "it is encrypted"},
    };
    struct tls_params params = good_params();
    char text[600];

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        params.key = pki(reasons[i][0]);
        snprintf(text, sizeof(text), "cannot load %s: %s", params.key, reasons[i][1]);
        assert_one_fault(&params, "tls.key", text);
    }
}

static void foreign_key_is_named(void **state)
{
    struct tls_params params = good_params();
    static const char *const keys[] = {"mismatch.key", "server-rsa.key"};
    char text[1200];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        params.key = pki(keys[i]);
        snprintf(text, sizeof(text), "%s is not the key of the certificate %s", params.key,
                 params.certificate);
        text[255] = '\0'; /* as much as the list keeps */
        assert_one_fault(&params, "tls.key", text);
    }
}

static void faulty_lists_are_named(void **state)
{
    struct tls_params params = good_params();
    struct fault_list list;

    (void)state;
    params.ciphers = "NONSENSE";
    assert_one_fault(&params, "tls.ciphers", "\"NONSENSE\": no cipher match");
    params.ciphers = CIPHERS;
    params.ciphersuites = "TLS_NONSENSE";
    assert_one_fault(&params, "tls.ciphersuites", "\"TLS_NONSENSE\": no cipher match");
    params.ciphersuites = NULL;
    params.groups = "x25519:nonsense";
    list = faults_of(&params);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.faults[0].setting, "tls.groups");
    assert_memory_equal(list.faults[0].text, "\"x25519:nonsense\": ", 19);
}

static void faulty_versions_are_named(void **state)
{
    struct tls_params params = good_params();
    struct fault_list list;

    (void)state;
    params.min_version = params.max_version = 0x0399;
    list = faults_of(&params);
    assert_fault(&list, 0, "tls.min_version", "not offered by this OpenSSL");
    assert_fault(&list, 1, "tls.max_version", "not offered by this OpenSSL");
    assert_int_equal(list.n, 2);
}

static void all_faults_are_reported(void **state)
{
    struct tls_params params = good_params();
    struct fault_list list;

    (void)state;
    params.certificate = pki("none.crt");
    params.key = pki("garbage.pem");
    params.ciphers = "NONSENSE";
    params.groups = "nonsense";
    list = faults_of(&params);
    assert_int_equal(list.n, 4);
    assert_string_equal(list.faults[0].setting, "tls.ciphers");
    assert_string_equal(list.faults[1].setting, "tls.groups");
    assert_string_equal(list.faults[2].setting, "tls.certificate");
    assert_string_equal(list.faults[3].setting, "tls.key");
}

static void no_server_can_be_freed(void **state)
{
    (void)state;
    tls_server_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faulty_certificate_is_named),
        cmocka_unit_test(faulty_key_is_named),
        cmocka_unit_test(certificate_that_is_a_fifo_is_named),
        cmocka_unit_test(foreign_key_is_named),
        cmocka_unit_test(faulty_lists_are_named),
        cmocka_unit_test(faulty_versions_are_named),
        cmocka_unit_test(all_faults_are_reported),
        cmocka_unit_test(no_server_can_be_freed),
    };

    return RUN_TLS_TESTS(tests);
}
