/*
 * test_dial.c - from a URL to a stream that is ready for data, against servers in processes of
 * their own. Every test checks that it left no descriptor open. See test_dial_tls.c.
 */
#include "dial_helper.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- names ---- */

static void assert_name(const char *host, int port, const char *name)
{
    struct target target = {.url = {.port = port}};
    char text[TARGET_TEXT_MAX];

    snprintf(target.url.host, sizeof(target.url.host), "%s", host);
    assert_ptr_equal(dial_name(&target, text), text);
    assert_string_equal(text, name);
}

static void targets_are_named_as_urls_are(void **state)
{
    char host[256], name[TARGET_TEXT_MAX];

    (void)state;
    assert_name("localhost", 7443, "localhost:7443");
    assert_name("192.0.2.1", 7, "192.0.2.1:7");
    assert_name("::1", 65535, "[::1]:65535");
    assert_name("unix:/run/echo.sock", 0, "unix:/run/echo.sock");
    memset(host, ':', 255);
    host[255] = '\0';
    snprintf(name, sizeof(name), "[%s]:65535", host);
    assert_name(host, 65535, name);
}

static void addresses_are_looked_up(void **state)
{
    struct target target = {.url = {.host = "127.0.0.1", .port = 7443}};
    struct err err;

    (void)state;
    assert_int_equal(dial_resolve(&target, &err), 0);
    assert_int_equal(target.addresses.n, 1);
    assert_int_equal(addr_port(&target.addresses.addr[0]), 7443);
}

/* A path that is too long needs no resolver to be refused. */
static void a_failed_look_up_names_host_and_stage(void **state)
{
    struct target target = {.url = {.port = 0}};
    struct err err;

    (void)state;
    memset(target.url.host, 'p', 200);
    memcpy(target.url.host, "unix:/", 6);
    assert_int_equal(dial_resolve(&target, &err), -1);
    assert_memory_equal(err.text, target.url.host, 200);
    assert_memory_equal(err.text + 200, ": resolve: ", 11);
    assert_true(err.text[211] != '\0');
}

/* ---- connections that are made ---- */

static void a_plain_connection_is_ready(void **state)
{
    struct echo_server server = start_server(listen_tcp(), NULL);
    struct target target = target_of(&server);
    struct dialed dialed;
    struct err err = {.text = "untouched"};

    (void)state;
    assert_int_equal(dial(&target, NULL, &dialed, &err), 0);
    assert_string_equal(err.text, "untouched");
    assert_echoes(&dialed);
    assert_true(dialed.connect_nsec > 0);
    assert_int_equal(dialed.handshake_nsec, 0);
    assert_string_equal(dialed.tls.version, "");
    assert_true(addr_equal(&dialed.peer, &target.addresses.addr[0]));
    assert_false(dialed.timed_out);
    stream_close(&dialed.stream, 0, 0);
    stop_server(&server);
}

static void a_unix_connection_is_ready(void **state)
{
    struct echo_server server = start_server(listen_unix(), NULL);
    struct target target = target_of(&server);
    struct dialed dialed;
    struct err err;

    (void)state;
    if (dial(&target, NULL, &dialed, &err) < 0)
        fail_msg("%s", err.text);
    assert_echoes(&dialed);
    assert_int_equal(dialed.peer.sa.sa_family, AF_UNIX);
    stream_close(&dialed.stream, 0, 0);
    stop_server(&server);
}

/* Many at a time by one target, as echoc load has them: dial_step() never waits. */
static void connections_go_on_side_by_side(void **state)
{
    struct echo_server server = start_server(listen_tcp(), NULL);
    struct target target = target_of(&server);
    struct dialed dialed[8];
    struct err err;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        dial_begin(&dialed[i], &target, NULL);
        if (dial_step(&dialed[i], &err) == STREAM_FAILED)
            fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < 8; i++) {
        while (dial_step(&dialed[i], &err) == STREAM_WANT_WRITE)
            assert_true(stream_wait(&dialed[i].stream, STREAM_WAIT_WRITE, deadline_in(SOON)));
        stream_close(&dialed[i].stream, 0, 0);
    }
    stop_server(&server);
}

/* ---- connections that are refused ---- */

static void assert_dial_fails(const struct target *target, const char *reason)
{
    char name[TARGET_TEXT_MAX], wanted[512];
    struct dialed dialed;
    struct err err;

    snprintf(wanted, sizeof(wanted), "%s: %s", dial_name(target, name), reason);
    assert_int_equal(dial(target, NULL, &dialed, &err), -1);
    assert_string_equal(err.text, wanted);
}

static void refusal_names_host_port_and_stage(void **state)
{
    int fd = bind_refusing();
    struct target target = target_at(fd);
    char wanted[64];
    struct dialed dialed;
    struct err err;

    (void)state;
    snprintf(wanted, sizeof(wanted), "127.0.0.1:%d: connect: Connection refused", target.url.port);
    assert_int_equal(dial(&target, NULL, &dialed, &err), -1);
    assert_string_equal(err.text, wanted);
    assert_false(dialed.timed_out);
    close(fd);
}

static void a_missing_path_is_refused(void **state)
{
    struct target target = {.url = {.host = "unix:/nonexistent/echo.sock"}};
    struct err err;

    (void)state;
    assert_int_equal(dial_resolve(&target, &err), 0);
    assert_dial_fails(&target, "connect: No such file or directory");
}

static void a_target_without_addresses_is_refused(void **state)
{
    const struct target target = {.url = {.host = "nowhere", .port = 7}};

    (void)state;
    assert_dial_fails(&target, "connect: Cannot assign requested address");
}

/* ---- more than one address ---- */

static void add_address(struct target *target, const struct target *other)
{
    target->addresses.addr[target->addresses.n++] = other->addresses.addr[0];
}

static void assert_second_is_reached(const struct target *target)
{
    struct dialed dialed;
    struct err err;

    if (dial(target, NULL, &dialed, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(addr_equal(&dialed.peer, &target->addresses.addr[1]));
    assert_echoes(&dialed);
    stream_close(&dialed.stream, 0, 0);
}

static void the_next_address_is_tried(void **state)
{
    int refusing = bind_refusing();
    struct echo_server server = start_server(listen_tcp(), NULL);
    struct target target = target_at(refusing), good = target_of(&server);

    (void)state;
    add_address(&target, &good);
    assert_second_is_reached(&target);
    close(refusing);
    stop_server(&server);
}

/* One that fails within connect(2) and not after it. */
static void the_next_address_is_tried_at_once(void **state)
{
    struct echo_server server = start_server(listen_tcp(), NULL);
    struct target target = {.url = {.host = "unix:/nonexistent/echo.sock"}};
    struct target good = target_of(&server);
    struct err err;

    (void)state;
    assert_int_equal(dial_resolve(&target, &err), 0);
    add_address(&target, &good);
    assert_second_is_reached(&target);
    stop_server(&server);
}

static void the_last_refusal_is_told(void **state)
{
    int refusing = bind_refusing();
    struct target target = {.url = {.host = "unix:/nonexistent/echo.sock"}};
    struct target other = target_at(refusing);
    struct err err;

    (void)state;
    assert_int_equal(dial_resolve(&target, &err), 0);
    add_address(&target, &other);
    add_address(&target, &other);
    assert_dial_fails(&target, "connect: Connection refused");
    close(refusing);
}

/* ---- time ---- */

static int connect_nonblocking(const struct addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    connect(fd, &addr->sa, addr->len);
    return fd;
}

/* The kernel drops what comes to a listener whose backlog, here of one, is full: tcp(7). */
static void a_connection_that_is_not_taken_times_out(void **state)
{
    int listener = bind_refusing(), waiting[3];
    struct target target = target_at(listener);
    uint64_t start;
    struct dialed dialed;
    struct err err;

    (void)state;
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < 3; i++)
        waiting[i] = connect_nonblocking(&target.addresses.addr[0]);
    target.timeout_usec = BRIEFLY;
    start = now_usec();
    assert_int_equal(dial(&target, NULL, &dialed, &err), -1);
    assert_true(now_usec() - start >= BRIEFLY);
    assert_true(now_usec() - start < SOON);
    assert_true(dialed.timed_out);
    assert_non_null(strstr(err.text, ": connect: Connection timed out"));
    for (size_t i = 0; i < 3; i++)
        close(waiting[i]);
    close(listener);
}

#define DIALS(test) cmocka_unit_test_setup_teardown(test, count_open, assert_none_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALS(targets_are_named_as_urls_are),
        DIALS(addresses_are_looked_up),
        DIALS(a_failed_look_up_names_host_and_stage),
        DIALS(a_plain_connection_is_ready),
        DIALS(a_unix_connection_is_ready),
        DIALS(connections_go_on_side_by_side),
        DIALS(refusal_names_host_port_and_stage),
        DIALS(a_missing_path_is_refused),
        DIALS(a_target_without_addresses_is_refused),
        DIALS(the_next_address_is_tried),
        DIALS(the_next_address_is_tried_at_once),
        DIALS(the_last_refusal_is_told),
        DIALS(a_connection_that_is_not_taken_times_out),
    };

    alarm(60); /* a test that waits for ever fails */
    return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
