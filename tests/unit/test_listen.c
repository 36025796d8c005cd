/*
 * test_listen.c - listening sockets: our own, the service manager's, and what a reload makes of
 * both.
 */
#include "../../src/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct listen_set empty;

/* ---- faults ---- */

#define SINKS 4

/* The last fault of each listener. */
struct heard {
    char setting[32], text[256];
};
static struct heard heard[SINKS];

static void hear(void *arg, const struct fault *fault)
{
    struct heard *last = arg;

    snprintf(last->setting, sizeof(last->setting), "%s", fault->setting);
    snprintf(last->text, sizeof(last->text), "%s", fault->text);
}

/* ---- opening ---- */

static struct listen_params params_of(const char *name, const char *host, unsigned port)
{
    return (struct listen_params){
        .name = name, .host = host, .port = (int)port, .backlog = 16, .reuse = true};
}

static int try_open(const struct listen_params *params, size_t n, const struct listen_set *old,
                    struct listen_set *ret_set)
{
    struct faults sinks[SINKS];

    memset(heard, 0, sizeof(heard));
    for (size_t i = 0; i < SINKS; i++)
        sinks[i] = (struct faults){.report = hear, .arg = &heard[i]};
    return listen_open(params, n, old, sinks, ret_set);
}

static struct listen_set open_many(const struct listen_params *params, size_t n,
                                   const struct listen_set *old)
{
    struct listen_set set = {.n = 0};

    if (try_open(params, n, old, &set) < 0)
        fail_msg("%s", heard[0].text);
    return set;
}

static struct listen_set open_one(const char *host, unsigned port)
{
    const struct listen_params params = params_of("echo", host, port);

    return open_many(&params, 1, &empty);
}

static unsigned port_of(const struct listen_set *set, size_t i)
{
    return addr_port(&set->sockets[i].addr);
}

/* Returns a connected socket, or -1 with errno. */
static int connect_to(const struct addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, &addr->sa, addr->len) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void assert_answers(const struct addr *addr)
{
    int fd = connect_to(addr);

    assert_true(fd >= 0);
    close(fd);
}

static void assert_refuses(const struct addr *addr)
{
    assert_int_equal(connect_to(addr), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

static void assert_closed(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
    return value;
}

static bool have_ipv6(void)
{
    const struct addr loopback = {
        .len = sizeof(struct sockaddr_in6),
        .in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool have = fd >= 0 && bind(fd, &loopback.sa, loopback.len) == 0;

    if (fd >= 0)
        close(fd);
    return have;
}

/* ---- tests: TCP ---- */

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

/* ---- tests: AF_UNIX, in a directory of the test's own ---- */

static char dir[64], path[96], unix_host[128];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_listen.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/echo", dir);
    snprintf(unix_host, sizeof(unix_host), "unix:%s", path);
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static bool path_exists(void)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(path_of_a_busy_listener_is_left_alone),
        cmocka_unit_test_teardown(path_of_a_file_is_left_alone, remove_path),
        cmocka_unit_test(abstract_name_leaves_no_path),
        cmocka_unit_test(missing_directory_is_a_fault),
        cmocka_unit_test(faulty_host_is_a_fault_of_the_host),
        cmocka_unit_test(replace_keeps_what_both_want),
        cmocka_unit_test(reload_of_any_port_keeps_the_port),
        cmocka_unit_test(reload_of_any_port_shares_no_socket),
        cmocka_unit_test(reload_follows_the_addresses),
        cmocka_unit_test(options_follow_the_settings),
        cmocka_unit_test(drop_closes_the_new_only),
        cmocka_unit_test(failure_leaves_the_old_set_as_it_was),
        cmocka_unit_test(every_fault_goes_to_its_listener),
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
        cmocka_unit_test(probe_leaves_nothing_behind),
        cmocka_unit_test(probe_notes_a_held_port),
        cmocka_unit_test(probe_faults_what_can_never_be),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
