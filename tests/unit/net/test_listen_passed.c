/* test_listen_passed.c - sockets that the service manager passes, in a process of their own. */
#include "listen_helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- sockets passed by the service manager, in a process of their own ---- */

/* In a child no assertion of cmocka may return into the runner. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(STDERR_FILENO, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                 \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Run it in a process that may do as it likes with its descriptors and environment. */
static void in_child(void (*run)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A listening socket out of the way of those that are passed. */
static int listening_on(const char *host, struct addr *ret_addr)
{
    struct listen_set set = open_one(host, 0);
    int fd = fcntl(set.sockets[0].fd, F_DUPFD, 100);

    if (ret_addr)
        *ret_addr = set.sockets[0].addr;
    close(set.sockets[0].fd);
    free(set.sockets);
    return fd;
}

/* Put the descriptors where the service manager puts them, sd_listen_fds(3). */
static void pass(const int *fds, int n, const char *names)
{
    char text[32];

    for (int i = 0; i < n; i++)
        CHECK(dup2(fds[i], 3 + i) == 3 + i);
    close_range(3 + (unsigned)n, ~0u, 0);
    snprintf(text, sizeof(text), "%d", n);
    setenv("LISTEN_FDS", text, true);
    snprintf(text, sizeof(text), "%d", getpid());
    setenv("LISTEN_PID", text, true);
    if (names)
        setenv("LISTEN_FDNAMES", names, true);
}

static struct listen_set inherit(void)
{
    struct listen_set set = {.n = 99};
    int connected = 99;
    struct err err;

    CHECK(listen_inherit(&set, &connected, &err) == 0);
    CHECK(connected == -1);
    return set;
}

static void inherit_two(void)
{
    int fds[] = {listening_on("127.0.0.1", NULL), listening_on("127.0.0.1", NULL)};
    struct listen_set set;

    fcntl(fds[1], F_SETFL, 0);
    pass(fds, 2, "one:two");
    set = inherit();
    CHECK(set.n == 2);
    CHECK(strcmp(set.sockets[0].name, "one") == 0 && strcmp(set.sockets[1].name, "two") == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(set.sockets[i].fd == 3 + i);
        CHECK(set.sockets[i].passed && set.sockets[i].listener == LISTEN_UNUSED);
        CHECK(fcntl(3 + i, F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(3 + i, F_GETFD) & FD_CLOEXEC);
    }
    CHECK(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES"));
    listen_close(&set);
}

static void passed_sockets_are_inherited(void **state)
{
    (void)state;
    in_child(inherit_two);
}

static void match_names(void)
{
    int fds[] = {listening_on("127.0.0.1", NULL), listening_on("127.0.0.1", NULL),
                 listening_on("127.0.0.1", NULL)};
    const struct listen_params params[] = {params_of("a", "127.0.0.1", 0),
                                           params_of("b", "unix:/nowhere", 7),
                                           params_of("c", "127.0.0.1", 0)};
    struct listen_set old, set = {.n = 0};

    pass(fds, 3, "b:x:a");
    old = inherit();
    CHECK(try_open(params, 3, &old, &set) == 0);
    CHECK(set.n == 3);
    CHECK(set.sockets[0].fd == 5 && set.sockets[0].listener == 0);
    CHECK(set.sockets[1].fd == 3 && set.sockets[1].listener == 1); /* whatever its host says */
    CHECK(set.sockets[2].fd > 5 && set.sockets[2].listener == 2 && !set.sockets[2].passed);
    listen_replace(&old, &set, params);
    CHECK(set.n == 4);
    CHECK(set.sockets[3].fd == 4 && set.sockets[3].listener == LISTEN_UNUSED);
    CHECK(fcntl(4, F_GETFD) >= 0);
    listen_close(&set);
    CHECK(fcntl(4, F_GETFD) < 0);
}

static void names_match_in_any_order(void **state)
{
    (void)state;
    in_child(match_names);
}

static void share_a_name(void)
{
    int fds[] = {listening_on("127.0.0.1", NULL), listening_on("127.0.0.1", NULL),
                 listening_on("127.0.0.1", NULL)};
    const struct listen_params params[] = {params_of("other", "127.0.0.1", 0),
                                           params_of("echo", "127.0.0.1", 0)};
    struct listen_set old, set = {.n = 0};

    pass(fds, 3, "echo:other:echo");
    old = inherit();
    CHECK(try_open(params, 2, &old, &set) == 0);
    CHECK(set.n == 3);
    CHECK(set.sockets[0].fd == 4 && set.sockets[0].listener == 0);
    CHECK(set.sockets[1].fd == 3 && set.sockets[1].listener == 1);
    CHECK(set.sockets[2].fd == 5 && set.sockets[2].listener == 1);
    listen_replace(&old, &set, params);
    listen_close(&set);
}

static void one_name_may_have_many_sockets(void **state)
{
    (void)state;
    in_child(share_a_name);
}

/* Without FileDescriptorName= systemd calls a socket by its unit, which is no listener's name. */
static void match_addresses(void)
{
    struct addr addrs[2];
    int fds[] = {listening_on("127.0.0.1", &addrs[0]), listening_on("127.0.0.1", &addrs[1])};
    const struct listen_params params[] = {params_of("a", "127.0.0.1", addr_port(&addrs[1])),
                                           params_of("b", "127.0.0.1", addr_port(&addrs[0]))};
    struct listen_set old, set = {.n = 0};

    pass(fds, 2, "echod.socket:echod.socket");
    old = inherit();
    CHECK(try_open(params, 2, &old, &set) == 0);
    CHECK(set.n == 2);
    CHECK(set.sockets[0].fd == 4 && set.sockets[0].listener == 0);
    CHECK(set.sockets[1].fd == 3 && set.sockets[1].listener == 1);
    listen_replace(&old, &set, params);
    CHECK(set.n == 2);
    listen_close(&set);
}

static void addresses_match_without_names(void **state)
{
    (void)state;
    in_child(match_addresses);
}

/* Returns the descriptor, 100 or above, of a socket that takes IPv4 as well. */
static int dual_stack_socket(struct addr *ret_addr)
{
    struct addr any = {.len = sizeof(struct sockaddr_in6), .in6 = {.sin6_family = AF_INET6}};
    int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;

    CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0);
    CHECK(bind(fd, &any.sa, any.len) == 0 && listen(fd, 5) == 0);
    CHECK(addr_local(fd, ret_addr) == 0);
    return fcntl(fd, F_DUPFD, 100);
}

static void match_dual_stack(void)
{
    struct addr addr;
    int fd = dual_stack_socket(&addr);
    const struct listen_params params = params_of("echo", "*", addr_port(&addr));
    struct listen_set old, set = {.n = 0};

    pass(&fd, 1, "echod.socket");
    old = inherit();
    CHECK(try_open(&params, 1, &old, &set) == 0);
    CHECK(set.n == 1 && set.sockets[0].fd == 3);
    listen_replace(&old, &set, &params);
    listen_close(&set);
}

static void dual_stack_socket_is_all_of_a_wildcard(void **state)
{
    (void)state;
    if (!have_ipv6())
        skip();
    in_child(match_dual_stack);
}

/* A reload that no longer wants a passed socket keeps it for one that does. */
static void want_again(void)
{
    struct addr addr;
    int fd = listening_on("127.0.0.1", &addr), client;
    const struct listen_params wanting = params_of("echo", "127.0.0.1", 0),
                               other = params_of("other", "127.0.0.1", 0);
    struct listen_set old, set = {.n = 0};

    pass(&fd, 1, "echo");
    old = inherit();
    CHECK(try_open(&wanting, 1, &old, &set) == 0);
    listen_replace(&old, &set, &wanting);
    CHECK(try_open(&other, 1, &set, &old) == 0);
    listen_replace(&set, &old, &other);
    CHECK(old.n == 2 && old.sockets[1].fd == 3 && old.sockets[1].listener == LISTEN_UNUSED);
    client = connect_to(&addr);
    CHECK(client >= 0);
    CHECK(try_open(&wanting, 1, &old, &set) == 0);
    listen_replace(&old, &set, &wanting);
    CHECK(set.n == 1 && set.sockets[0].fd == 3 && set.sockets[0].listener == 0);
    CHECK(accept(3, NULL, NULL) >= 0);
    listen_close(&set);
}

static void passed_socket_may_be_wanted_again(void **state)
{
    (void)state;
    in_child(want_again);
}

static void close_passed_path(void)
{
    int fd = listening_on(unix_host, NULL);
    const struct listen_params params = params_of("echo", unix_host, 7);
    struct listen_set old, set = {.n = 0};

    pass(&fd, 1, "echod.socket");
    old = inherit();
    CHECK(try_open(&params, 1, &old, &set) == 0);
    CHECK(set.n == 1 && set.sockets[0].fd == 3);
    listen_replace(&old, &set, &params);
    listen_close(&set);
    CHECK(path_exists());
}

/* The service manager goes on listening there. */
static void passed_path_is_never_removed(void **state)
{
    (void)state;
    in_child(close_passed_path);
}

/* ---- one connected socket instead ---- */

static void inherit_connected(void)
{
    struct listen_set set = {.n = 99};
    struct err err;
    int fds[2], connected = 99;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    fds[0] = fcntl(fds[0], F_DUPFD, 100);
    pass(fds, 1, "connection");
    CHECK(listen_inherit(&set, &connected, &err) == 0);
    CHECK(connected == 3 && set.n == 0);
    CHECK(fcntl(3, F_GETFD) & FD_CLOEXEC);
}

static void accepted_connection_is_taken(void **state)
{
    (void)state;
    in_child(inherit_connected);
}

/* Standard input and output, as given, and nothing from a service manager. */
static int connected_of(int in, int out)
{
    struct listen_set set = {.n = 99};
    int connected = 99;
    struct err err;

    CHECK(dup2(in, STDIN_FILENO) == STDIN_FILENO && dup2(out, STDOUT_FILENO) == STDOUT_FILENO);
    unsetenv("LISTEN_FDS");
    CHECK(listen_inherit(&set, &connected, &err) == 0);
    CHECK(set.n == 0);
    return connected;
}

static void inherit_from_inetd(void)
{
    int fds[2], pipes[2], listener = listening_on("127.0.0.1", NULL);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && pipe(pipes) == 0);
    CHECK(connected_of(fds[0], fds[0]) == STDIN_FILENO);
    CHECK(connected_of(fds[0], fds[1]) == -1);
    CHECK(connected_of(fds[0], pipes[1]) == -1);
    CHECK(connected_of(pipes[0], pipes[1]) == -1);
    CHECK(connected_of(listener, listener) == -1);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
    CHECK(connected_of(fds[0], fds[0]) == -1);
}

static void connection_from_inetd_is_taken(void **state)
{
    (void)state;
    in_child(inherit_from_inetd);
}

/* What was passed to another process, as a shell between us and the service manager would leave. */
static void inherit_nothing(void)
{
    int fd = listening_on("127.0.0.1", NULL);

    pass(&fd, 1, "echo");
    setenv("LISTEN_PID", "1", true);
    CHECK(inherit().n == 0);
    CHECK(fcntl(3, F_GETFD) >= 0);
}

static void sockets_of_another_process_are_not_ours(void **state)
{
    (void)state;
    in_child(inherit_nothing);
}

static void inherit_datagrams(void)
{
    int fds[] = {listening_on("127.0.0.1", NULL), socket(AF_INET, SOCK_DGRAM, 0)};
    struct listen_set set = {.n = 99};
    int connected;
    struct err err;

    fds[1] = fcntl(fds[1], F_DUPFD, 100);
    pass(fds, 2, "good:bad");
    CHECK(listen_inherit(&set, &connected, &err) == -1);
    CHECK(strcmp(err.text, "the passed descriptor 4 (bad) is no listening stream socket") == 0);
    CHECK(set.n == 99);
}

static void passed_datagram_socket_is_an_error(void **state)
{
    (void)state;
    in_child(inherit_datagrams);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passed_sockets_are_inherited),
        cmocka_unit_test(names_match_in_any_order),
        cmocka_unit_test(one_name_may_have_many_sockets),
        cmocka_unit_test(addresses_match_without_names),
        cmocka_unit_test(dual_stack_socket_is_all_of_a_wildcard),
        cmocka_unit_test(passed_socket_may_be_wanted_again),
        cmocka_unit_test_teardown(passed_path_is_never_removed, remove_path),
        cmocka_unit_test(accepted_connection_is_taken),
        cmocka_unit_test(connection_from_inetd_is_taken),
        cmocka_unit_test(sockets_of_another_process_are_not_ours),
        cmocka_unit_test(passed_datagram_socket_is_an_error),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
