/* test_listen.c - listening sockets of our own, TCP and AF_UNIX, and the dry run. */
#include "listen_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening ---- */

static void assert_refuses(const struct addr *addr)
{
    assert_int_equal(connect_to(addr), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

/* ---- TCP ---- */

static void any_port_is_the_same_on_both_families(void **state)
{
    struct listen_set set = open_one("localhost", 0);

    (void)state;
    assert_int_equal(set.n, have_ipv6() ? 2 : 1);
    assert_int_not_equal(port_of(&set, 0), 0);
    for (size_t i = 0; i < set.n; i++) {
        assert_int_equal(port_of(&set, i), port_of(&set, 0));
        assert_int_equal(addr_port(&set.sockets[i].asked), 0);
        assert_int_equal(set.sockets[i].listener, 0);
        assert_false(set.sockets[i].passed);
        assert_answers(&set.sockets[i].addr);
    }
    if (set.n == 2)
        assert_int_not_equal(set.sockets[0].addr.sa.sa_family, set.sockets[1].addr.sa.sa_family);
    listen_close(&set);
}

static void sockets_never_block_nor_leak(void **state)
{
    struct listen_set set = open_one("127.0.0.1", 0);
    int fd = set.sockets[0].fd;

    (void)state;
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    listen_close(&set);
    assert_int_equal(set.n, 0);
    assert_null(set.sockets);
    assert_closed(fd);
}

static void wildcard_is_a_socket_for_each_family(void **state)
{
    struct listen_set set = open_one("*", 0);

    (void)state;
    assert_int_equal(set.n, have_ipv6() ? 2 : 1);
    for (size_t i = 0; i < set.n; i++) {
        assert_true(addr_is_any(&set.sockets[i].addr));
        assert_int_equal(port_of(&set, i), port_of(&set, 0));
    }
    listen_close(&set);
}

static void each_listener_has_its_own_port(void **state)
{
    const struct listen_params params[] = {params_of("a", "127.0.0.1", 0),
                                           params_of("b", "127.0.0.1", 0)};
    struct listen_set set = open_many(params, 2, &empty);

    (void)state;
    assert_int_equal(set.n, 2);
    assert_int_equal(set.sockets[0].listener, 0);
    assert_int_equal(set.sockets[1].listener, 1);
    assert_int_not_equal(port_of(&set, 0), port_of(&set, 1));
    listen_close(&set);
}

static void assert_held(const char *where)
{
    char holder[64];

    snprintf(holder, sizeof(holder), ", pid %d)", getpid());
    assert_string_equal(heard[0].setting, "port");
    assert_non_null(strstr(heard[0].text, where));
    assert_non_null(strstr(heard[0].text, "Address already in use (held by test_listen, pid "));
    assert_non_null(strstr(heard[0].text, holder));
}

static void held_port_names_its_holder(void **state)
{
    struct listen_set holder = open_one("127.0.0.1", 0), set = {.n = 99};
    const struct listen_params params = params_of("echo", "127.0.0.1", port_of(&holder, 0));
    char where[64];

    (void)state;
    snprintf(where, sizeof(where), "cannot listen on 127.0.0.1:%d: ", params.port);
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_held(where);
    assert_int_equal(set.n, 99);
    listen_close(&holder);
}

/* The holder sits on another address, which is in the way all the same. */
static void holder_of_a_wildcard_is_found(void **state)
{
    struct listen_set holder = open_one("0.0.0.0", 0), set;
    const struct listen_params params = params_of("echo", "127.0.0.1", port_of(&holder, 0));

    (void)state;
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_held("cannot listen on 127.0.0.1:");
    listen_close(&holder);
}

static void holder_on_ipv6_is_found(void **state)
{
    struct listen_set holder, set;
    struct listen_params params;

    (void)state;
    if (!have_ipv6())
        skip();
    holder = open_one("::1", 0);
    params = params_of("echo", "::1", port_of(&holder, 0));
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_held("cannot listen on [::1]:");
    listen_close(&holder);
}

static void foreign_address_is_a_fault(void **state)
{
    const struct listen_params params = params_of("echo", "192.0.2.1", 7); /* RFC 5737 */
    struct listen_set set;

    (void)state;
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_string_equal(heard[0].setting, "port");
    assert_string_equal(heard[0].text,
                        "cannot listen on 192.0.2.1:7: Cannot assign requested address");
}

static void shared_port_is_shared(void **state)
{
    struct listen_params params = params_of("echo", "127.0.0.1", 0);
    struct listen_set one, other;

    (void)state;
    params.reuse_port = true;
    one = open_many(&params, 1, &empty);
    params.port = (int)port_of(&one, 0);
    other = open_many(&params, 1, &empty);
    assert_int_equal(port_of(&one, 0), port_of(&other, 0));
    listen_close(&one);
    listen_close(&other);
}

/* ---- AF_UNIX, in a directory of the test's own ---- */

static void unix_path_lives_as_long_as_its_socket(void **state)
{
    struct listen_set set = open_one(unix_host, 7);

    (void)state;
    assert_int_equal(set.n, 1);
    assert_string_equal(set.sockets[0].addr.un.sun_path, path);
    assert_answers(&set.sockets[0].addr);
    assert_true(path_exists());
    listen_close(&set);
    assert_false(path_exists());
}

static void stale_path_is_replaced(void **state)
{
    struct listen_set killed = open_one(unix_host, 7), set;

    (void)state;
    close(killed.sockets[0].fd); /* as its process died */
    assert_refuses(&killed.sockets[0].addr);
    set = open_one(unix_host, 7);
    assert_answers(&set.sockets[0].addr);
    listen_close(&set);
    free(killed.sockets);
}

static void path_in_use_is_left_alone(void **state)
{
    struct listen_set holder = open_one(unix_host, 7), set;
    const struct listen_params params = params_of("echo", unix_host, 7);

    (void)state;
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_held(path);
    assert_answers(&holder.sockets[0].addr);
    listen_close(&holder);
}

static void path_of_a_file_is_left_alone(void **state)
{
    const struct listen_params params = params_of("echo", unix_host, 7);
    struct listen_set set;
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(write(fd, "precious", 8), 8);
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_non_null(strstr(heard[0].text, "Address already in use"));
    assert_int_equal(lseek(fd, 0, SEEK_END), 8);
    assert_true(path_exists());
    close(fd);
}

static void abstract_name_leaves_no_path(void **state)
{
    char host[64];
    struct listen_set set;

    (void)state;
    snprintf(host, sizeof(host), "unix:@test_listen.%d", getpid());
    set = open_one(host, 7);
    assert_int_equal(set.sockets[0].addr.un.sun_path[0], '\0');
    assert_answers(&set.sockets[0].addr);
    listen_close(&set);
}

static void missing_directory_is_a_fault(void **state)
{
    const struct listen_params params = params_of("echo", "unix:/nowhere/echo", 7);
    struct listen_set set;

    (void)state;
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_string_equal(heard[0].text,
                        "cannot listen on unix:/nowhere/echo: No such file or directory");
}

static void faulty_host_is_a_fault_of_the_host(void **state)
{
    const struct listen_params params = params_of("echo", "unix:", 7);
    struct listen_set set;

    (void)state;
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    assert_string_equal(heard[0].setting, "host");
}

/* ---- the dry run ---- */

static struct heard note;

/* Fills in heard[0] and `note`. Returns the number of faults; *ret_notes that of notes. */
static unsigned probe(const char *host, unsigned port, unsigned *ret_notes)
{
    const struct listen_params params = params_of("echo", host, port);
    struct faults faults = {.report = hear, .arg = &heard[0]};
    struct faults notes = {.report = hear, .arg = &note};

    memset(heard, 0, sizeof(heard));
    memset(&note, 0, sizeof(note));
    listen_probe(&params, &faults, &notes);
    *ret_notes = notes.count;
    return faults.count;
}

static void probe_leaves_nothing_behind(void **state)
{
    unsigned notes;

    (void)state;
    assert_int_equal(probe("localhost", 0, &notes), 0);
    assert_int_equal(notes, 0);
    assert_int_equal(probe(unix_host, 7, &notes), 0);
    assert_int_equal(notes, 0);
    assert_false(path_exists());
}

static void probe_notes_a_held_port(void **state)
{
    struct listen_set holder = open_one("127.0.0.1", 0);
    unsigned notes;
    char text[128];

    (void)state;
    assert_int_equal(probe("127.0.0.1", port_of(&holder, 0), &notes), 0);
    assert_int_equal(notes, 1);
    assert_string_equal(note.setting, "port");
    snprintf(text, sizeof(text), "127.0.0.1:%u is held by test_listen, pid %d", port_of(&holder, 0),
             getpid());
    assert_string_equal(note.text, text);
    listen_close(&holder);
}

static void probe_faults_what_can_never_be(void **state)
{
    unsigned notes;

    (void)state;
    assert_int_equal(probe("192.0.2.1", 7, &notes), 1);
    assert_int_equal(notes, 0);
    assert_string_equal(heard[0].setting, "host");
    assert_string_equal(heard[0].text, "192.0.2.1:7 is no address of this machine");
    assert_int_equal(probe("unix:", 7, &notes), 1);
    assert_string_equal(heard[0].setting, "host");
}

/* Who listens there is only busy: connect(2) says EAGAIN then, unix(7). */
static void path_of_a_busy_listener_is_left_alone(void **state)
{
    struct listen_params params = params_of("echo", unix_host, 7);
    struct listen_set holder, set;
    int waiting[2];

    (void)state;
    params.backlog = 0; /* which is room for one */
    holder = open_many(&params, 1, &empty);
    for (size_t i = 0; i < 2; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(
            connect(waiting[i], &holder.sockets[0].addr.sa, holder.sockets[0].addr.len), -(int)i);
    }
    assert_int_equal(try_open(&params, 1, &empty, &set), -1);
    close(waiting[0]);
    close(waiting[1]);
    close(accept(holder.sockets[0].fd, NULL, NULL));
    assert_answers(&holder.sockets[0].addr);
    listen_close(&holder);
    assert_non_null(strstr(heard[0].text, "Address already in use (held by another process)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_of_a_busy_listener_is_left_alone),
        cmocka_unit_test(any_port_is_the_same_on_both_families),
        cmocka_unit_test(sockets_never_block_nor_leak),
        cmocka_unit_test(wildcard_is_a_socket_for_each_family),
        cmocka_unit_test(each_listener_has_its_own_port),
        cmocka_unit_test(held_port_names_its_holder),
        cmocka_unit_test(holder_of_a_wildcard_is_found),
        cmocka_unit_test(holder_on_ipv6_is_found),
        cmocka_unit_test(foreign_address_is_a_fault),
        cmocka_unit_test(shared_port_is_shared),
        cmocka_unit_test(unix_path_lives_as_long_as_its_socket),
        cmocka_unit_test(stale_path_is_replaced),
        cmocka_unit_test(path_in_use_is_left_alone),
        cmocka_unit_test_teardown(path_of_a_file_is_left_alone, remove_path),
        cmocka_unit_test(abstract_name_leaves_no_path),
        cmocka_unit_test(missing_directory_is_a_fault),
        cmocka_unit_test(faulty_host_is_a_fault_of_the_host),
        cmocka_unit_test(probe_leaves_nothing_behind),
        cmocka_unit_test(probe_notes_a_held_port),
        cmocka_unit_test(probe_faults_what_can_never_be),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
