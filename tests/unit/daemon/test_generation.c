/* test_generation.c - what a generation of the service does as time goes on, or is told to. */
#include "../tls/tls_helper.h"

#include "base/deadline.h"
#include "base/log.h"
#include "daemon/generation.h"

#include <fcntl.h>
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

/* A server whose log goes to a file, which logged() reads. */
struct watched {
    int file, stderr_fd;
    struct parent *server;
};

static struct watched watch(void)
{
    struct watched watched = {memfd_create("log", MFD_CLOEXEC), dup(STDERR_FILENO), NULL};
    struct err err;

    dup2(watched.file, STDERR_FILENO);
    log_open(LOG_TARGET_STDERR, LOG_INFO);
    assert_int_equal(parent_open(ignore, &watched.server, &err), 0);
    return watched;
}

static void unwatch(const struct watched *watched)
{
    parent_close(watched->server);
    dup2(watched->stderr_fd, STDERR_FILENO);
    close(watched->stderr_fd);
    close(watched->file);
}

/* Two listeners, of which one certificate has expired. */
static struct generation *load(void)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct generation *generation;
    char overrides[3][300];
    const char *all[] = {overrides[0], overrides[1], overrides[2], "tls.key_isolation=false", NULL};
    char path[] = "/tmp/test_generation.XXXXXX";
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
    assert_int_equal(generation_load(path, all, &list.sink, &generation), EX_OK);
    unlink(path);
    return generation;
}

static void certificates_are_looked_at_once_a_day(void **state)
{
    struct generation *generation = load();
    struct watched watched = watch();
    struct parent *server = watched.server;
    struct err err;
    uint64_t start = now_usec();
    int file = watched.file;

    (void)state;
    assert_int_equal(generation_start(generation, server, &err), 0);
    generation_wake(generation, server, start + DAY_USEC - 1);
    assert_string_equal(logged(file), "");
    for (uint64_t day = 1; day < 4; day++) {
        const char *text;

        generation_wake(generation, server, now_usec() + day * DAY_USEC);
        text = logged(file);
        assert_non_null(strstr(text, "bad: certificate /CN=localhost has expired on "));
        assert_null(strstr(text, "good: "));
        generation_wake(generation, server, now_usec() + day * DAY_USEC + DAY_USEC / 2);
        assert_string_equal(logged(file), "");
    }
    unwatch(&watched);
    generation_free(generation);
}

/* ---- load balancers are left ---- */

static struct generation *load_with_health(bool health)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct listen_set none = {.n = 0};
    const char *all[] = {"host=127.0.0.1", "port=0", health ? "listeners.[1].health=true" : NULL,
                         NULL};
    char path[] = "/tmp/test_generation.XXXXXX";
    struct generation *generation;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    dprintf(fd, "listeners = ( { name = \"plain\"; }, { name = \"probes\"; } );\n");
    close(fd);
    assert_int_equal(generation_load(path, all, &list.sink, &generation), EX_OK);
    unlink(path);
    assert_int_equal(generation_listen(generation, &none, &list.sink), 0);
    assert_int_equal(generation->sockets.n, 2);
    return generation;
}

static void assert_withdraws(struct generation *generation, const struct watched *watched,
                             const char *text)
{
    struct err err;

    assert_int_equal(generation_withdraw(generation, watched->server, &err), 0);
    assert_non_null(strstr(logged(watched->file), text));
}

static void health_listeners_are_closed_once(void **state)
{
    struct generation *generation = load_with_health(true);
    struct watched watched = watch();
    int closed = generation->sockets.sockets[1].fd;
    struct err err;

    (void)state;
    assert_int_equal(generation_start(generation, watched.server, &err), 0);
    assert_withdraws(generation, &watched, "the health listeners are closed until a reload");
    assert_true(generation->withdrawn);
    assert_int_equal(generation->sockets.n, 1);
    assert_int_equal(generation->sockets.sockets[0].listener, 0);
    assert_int_equal(fcntl(closed, F_GETFD), -1);
    assert_withdraws(generation, &watched, "the health listeners are closed already");
    assert_int_equal(generation->sockets.n, 1);
    unwatch(&watched);
    generation_free(generation);
}

static void passed_sockets_are_left_open(void **state)
{
    struct generation *generation = load_with_health(true);
    struct watched watched = watch();
    int left = generation->sockets.sockets[1].fd;
    struct err err;

    (void)state;
    generation->sockets.sockets[1].passed = true;
    assert_int_equal(generation_start(generation, watched.server, &err), 0);
    assert_withdraws(generation, &watched, "the health listeners are closed until a reload");
    assert_int_equal(generation->sockets.n, 2);
    assert_int_equal(generation->sockets.sockets[1].fd, left);
    assert_int_equal(generation->sockets.sockets[1].listener, LISTEN_UNUSED);
    assert_int_equal(fcntl(left, F_GETFD), FD_CLOEXEC);
    unwatch(&watched);
    generation_free(generation);
}

static void without_a_health_listener_nothing_changes(void **state)
{
    struct generation *generation = load_with_health(false);
    struct watched watched = watch();
    struct err err;

    (void)state;
    assert_int_equal(generation_start(generation, watched.server, &err), 0);
    assert_withdraws(generation, &watched, "no listener has health = true");
    assert_false(generation->withdrawn);
    assert_int_equal(generation->sockets.n, 2);
    unwatch(&watched);
    generation_free(generation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_looked_at_once_a_day),
        cmocka_unit_test(health_listeners_are_closed_once),
        cmocka_unit_test(passed_sockets_are_left_open),
        cmocka_unit_test(without_a_health_listener_nothing_changes),
    };

    return RUN_TLS_TESTS(tests);
}
