/* test_listen_reload.c - what a reload makes of the listening sockets. */
#include "listen_helper.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* ---- opening ---- */

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
    return value;
}

/* ---- reload ---- */

static void replace_keeps_what_both_want(void **state)
{
    struct listen_params params[] = {params_of("a", "127.0.0.1", 0), params_of("b", unix_host, 7)};
    struct listen_set old = open_many(params, 2, &empty), set;
    struct listen_socket kept = old.sockets[0], gone = old.sockets[1];
    int waiting = connect_to(&kept.addr), accepted;

    (void)state;
    params[1] = params_of("c", "127.0.0.1", 0);
    set = open_many(params, 2, &old);
    assert_int_equal(set.n, 2);
    assert_int_equal(set.sockets[0].fd, kept.fd);
    listen_replace(&old, &set, params);
    assert_int_equal(old.n, 0);
    assert_null(old.sockets);
    assert_closed(gone.fd);
    assert_false(path_exists());
    accepted = accept(kept.fd, NULL, NULL); /* who waited is not lost */
    assert_true(accepted >= 0);
    assert_answers(&set.sockets[1].addr);
    close(waiting);
    close(accepted);
    listen_close(&set);
}

static void reload_of_any_port_keeps_the_port(void **state)
{
    const struct listen_params params = params_of("echo", "localhost", 0);
    struct listen_set old = open_many(&params, 1, &empty), set;
    unsigned port = port_of(&old, 0);
    size_t n = old.n;

    (void)state;
    set = open_many(&params, 1, &old);
    listen_replace(&old, &set, &params);
    assert_int_equal(set.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(port_of(&set, i), port);
        assert_answers(&set.sockets[i].addr);
    }
    listen_close(&set);
}

/* The order of the listeners is not what tells which socket is whose. */
static void reload_follows_the_addresses(void **state)
{
    struct listen_params params[] = {params_of("a", "127.0.0.1", 0),
                                     params_of("b", "127.0.0.1", 0)};
    struct listen_set old = open_many(params, 2, &empty), set;
    int first = old.sockets[0].fd, second = old.sockets[1].fd;

    (void)state;
    params[0].port = (int)port_of(&old, 1);
    params[1].port = (int)port_of(&old, 0);
    set = open_many(params, 2, &old);
    listen_replace(&old, &set, params);
    assert_int_equal(set.sockets[0].fd, second);
    assert_int_equal(set.sockets[0].listener, 0);
    assert_int_equal(set.sockets[1].fd, first);
    assert_int_equal(set.sockets[1].listener, 1);
    listen_close(&set);
}

/* What the next client's socket inherits of the listening one. */
static void assert_inherited(const struct listen_socket *socket, int nodelay, int keepalive,
                             int keepidle)
{
    int client = connect_to(&socket->addr), accepted = accept(socket->fd, NULL, NULL);

    assert_int_equal(option_of(accepted, IPPROTO_TCP, TCP_NODELAY), nodelay);
    assert_int_equal(option_of(accepted, SOL_SOCKET, SO_KEEPALIVE), keepalive);
    if (keepalive)
        assert_int_equal(option_of(accepted, IPPROTO_TCP, TCP_KEEPIDLE), keepidle);
    close(client);
    close(accepted);
}

static void options_follow_the_settings(void **state)
{
    struct listen_params params = params_of("echo", "127.0.0.1", 0);
    struct listen_set sets[3] = {{.n = 0}};

    (void)state;
    params.nodelay = true;
    params.keepalive_sec = 77;
    sets[1] = open_many(&params, 1, &sets[0]);
    listen_replace(&sets[0], &sets[1], &params);
    assert_inherited(&sets[1].sockets[0], 1, 1, 77);
    params.nodelay = false;
    params.keepalive_sec = 0;
    sets[2] = open_many(&params, 1, &sets[1]);
    listen_replace(&sets[1], &sets[2], &params);
    assert_inherited(&sets[2].sockets[0], 0, 0, 0);
    listen_close(&sets[2]);
}

static void drop_closes_the_new_only(void **state)
{
    struct listen_params params[] = {params_of("a", "127.0.0.1", 0), params_of("b", unix_host, 7)};
    struct listen_set old = open_many(params, 1, &empty), set = open_many(params, 2, &old);
    int fd = set.sockets[1].fd;

    (void)state;
    assert_int_equal(set.sockets[0].fd, old.sockets[0].fd);
    assert_true(path_exists());
    listen_drop(&old, &set);
    assert_int_equal(set.n, 0);
    assert_closed(fd);
    assert_false(path_exists());
    assert_int_equal(old.n, 1);
    assert_answers(&old.sockets[0].addr);
    listen_close(&old);
}

/* One listener of three is at fault: nothing of the new set stays, nothing of the old one goes. */
static void failure_leaves_the_old_set_as_it_was(void **state)
{
    struct listen_params params[] = {params_of("a", "127.0.0.1", 0), params_of("b", unix_host, 7),
                                     params_of("c", "127.0.0.1", 0)};
    struct listen_set holder = open_one("127.0.0.1", 0), old = open_many(params, 1, &empty);
    struct listen_set set = {.n = 99};
    struct listen_socket before = old.sockets[0];

    (void)state;
    params[2].port = (int)port_of(&holder, 0);
    assert_int_equal(try_open(params, 3, &old, &set), -1);
    assert_int_equal(set.n, 99);
    assert_string_equal(heard[0].text, "");
    assert_string_equal(heard[1].text, "");
    assert_string_not_equal(heard[2].text, "");
    assert_false(path_exists());
    assert_int_equal(old.n, 1);
    assert_memory_equal(&old.sockets[0], &before, sizeof(before));
    assert_answers(&old.sockets[0].addr);
    listen_close(&old);
    listen_close(&holder);
}

static void every_fault_goes_to_its_listener(void **state)
{
    struct listen_set holder = open_one("127.0.0.1", 0), set;
    const struct listen_params params[] = {params_of("a", "127.0.0.1", port_of(&holder, 0)),
                                           params_of("b", "127.0.0.1", 0),
                                           params_of("c", "unix:", 7)};

    (void)state;
    assert_int_equal(try_open(params, 3, &empty, &set), -1);
    assert_string_equal(heard[0].setting, "port");
    assert_string_equal(heard[1].setting, "");
    assert_string_equal(heard[2].setting, "host");
    listen_close(&holder);
}

static void reload_of_any_port_shares_no_socket(void **state)
{
    const struct listen_params params[] = {params_of("a", "127.0.0.1", 0),
                                           params_of("b", "127.0.0.1", 0)};
    struct listen_set old = open_many(params, 2, &empty), set;
    unsigned ports[] = {port_of(&old, 0), port_of(&old, 1)};

    (void)state;
    set = open_many(params, 2, &old);
    listen_replace(&old, &set, params);
    assert_int_equal(set.n, 2);
    assert_int_equal(port_of(&set, 0), ports[0]);
    assert_int_equal(port_of(&set, 1), ports[1]);
    listen_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reload_of_any_port_shares_no_socket),
        cmocka_unit_test(replace_keeps_what_both_want),
        cmocka_unit_test(reload_of_any_port_keeps_the_port),
        cmocka_unit_test(reload_follows_the_addresses),
        cmocka_unit_test(options_follow_the_settings),
        cmocka_unit_test(drop_closes_the_new_only),
        cmocka_unit_test(failure_leaves_the_old_set_as_it_was),
        cmocka_unit_test(every_fault_goes_to_its_listener),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
