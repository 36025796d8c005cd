/* test_service.c - what a generation of the service does by itself as time goes on. */
#include "tls_helper.h"

#include "../../src/deadline.h"
#include "../../src/log.h"
#include "../../src/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#define DAY_USEC (86400 * USEC_PER_SEC)

/* What the log has by now, which begins anew with each call. */
static const char *logged(int file)
{
    static char text[4096];
    ssize_t n = pread(file, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(file, 0), 0);
    lseek(file, 0, SEEK_SET);
    return text;
}

static void ignore(const struct client *client, int fd, const void *arg, struct record *record)
{
    (void)client, (void)fd, (void)arg, (void)record;
}

/* Two listeners, of which one certificate has expired. */
static struct service *load(void)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct service *service;
    char overrides[3][300];
    const char *all[] = {overrides[0], overrides[1], overrides[2], "tls.key_isolation=false", NULL};
    char path[] = "/tmp/test_service.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    dprintf(fd,
            "tls: { enabled = true; }; listeners = ( { name = \"good\"; port = 0; },\n"
            "{ name = \"bad\"; port = 0; tls: { certificate = \"%s\";",
            pki("expired.crt"));
    dprintf(fd, "key = \"%s\"; }; } );\n", pki("expired.key"));
    close(fd);
    snprintf(overrides[0], sizeof(overrides[0]), "tls.certificate=%s", pki("server.crt"));
    snprintf(overrides[1], sizeof(overrides[1]), "tls.key=%s", pki("server.key"));
    snprintf(overrides[2], sizeof(overrides[2]), "host=127.0.0.1");
    assert_int_equal(service_load(path, all, &list.sink, &service), EX_OK);
    unlink(path);
    return service;
}

static void certificates_are_looked_at_once_a_day(void **state)
{
    int file = memfd_create("log", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
    struct service *service = load();
    struct server *server;
    struct err err;
    uint64_t start = now_usec();

    (void)state;
    dup2(file, STDERR_FILENO);
    log_open(LOG_TARGET_STDERR, LOG_INFO);
    assert_int_equal(server_open(ignore, &server, &err), 0);
    assert_int_equal(service_start(service, server, &err), 0);
    service_wake(service, server, start + DAY_USEC - 1);
    assert_string_equal(logged(file), "");
    for (uint64_t day = 1; day < 4; day++) {
        const char *text;

        service_wake(service, server, now_usec() + day * DAY_USEC);
        text = logged(file);
        assert_non_null(strstr(text, "bad: certificate /CN=localhost has expired on "));
        assert_null(strstr(text, "good: "));
        service_wake(service, server, now_usec() + day * DAY_USEC + DAY_USEC / 2);
        assert_string_equal(logged(file), "");
    }
    server_close(server);
    service_free(service);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(certificates_are_looked_at_once_a_day)};

    return RUN_TLS_TESTS(tests);
}
