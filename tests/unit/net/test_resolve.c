/* test_resolve.c - hosts to addresses, and who listens on them. No test asks a name server. */
#include "net/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "net/port_owner.h"

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- resolve ---- */

static void assert_resolves(const char *host, int port, size_t n, const char *const *wanted)
{
    struct addresses addresses;
    char text[ADDR_TEXT_MAX];
    struct err err;

    memset(&addresses, 0xa5, sizeof(addresses));
    assert_int_equal(resolve_host(host, port, &addresses, &err), 0);
    assert_int_equal(addresses.n, n);
    for (size_t i = 0; i < n; i++) {
        size_t found = 0;

        while (found < n && strcmp(addr_format(&addresses.addr[found], text), wanted[i]) != 0)
            found++;
        assert_true(found < n);
    }
}

static void assert_resolves_to(const char *host, int port, const char *wanted)
{
    assert_resolves(host, port, 1, &wanted);
}

static void assert_does_not_resolve(const char *host, const char *words)
{
    struct addresses addresses;
    struct err err = {.text = ""};

    assert_int_equal(resolve_host(host, 7, &addresses, &err), -1);
    assert_non_null(strstr(err.text, words));
    assert_non_null(strstr(err.text, host));
}

static void addresses_stand_for_themselves(void **state)
{
    (void)state;
    assert_resolves_to("127.0.0.1", 7, "127.0.0.1:7");
    assert_resolves_to("192.0.2.1", 0, "192.0.2.1:0");
    assert_resolves_to("192.0.2.1", 65535, "192.0.2.1:65535");
    assert_resolves_to("::1", 7, "[::1]:7");
    assert_resolves_to("2001:DB8:0:0::1", 7, "[2001:db8::1]:7");
    assert_resolves_to("0.0.0.0", 7, "0.0.0.0:7");
    assert_resolves_to("::", 7, "[::]:7");
}

static void localhost_is_both_loopback_addresses(void **state)
{
    static const char *const wanted[] = {"127.0.0.1:7007", "[::1]:7007"};

    (void)state;
    assert_resolves("localhost", 7007, 2, wanted);
}

static void the_star_is_both_wildcard_addresses(void **state)
{
    static const char *const wanted[] = {"0.0.0.0:7007", "[::]:7007"};

    (void)state;
    assert_resolves("*", 7007, 2, wanted);
}

static void paths_resolve_to_themselves(void **state)
{
    (void)state;
    assert_resolves_to("unix:/run/echo", 7, "unix:/run/echo");
    assert_resolves_to("unix:relative path", 7, "unix:relative path");
    assert_resolves_to("unix:@echo", 7, "unix:@echo");
}

/* The length decides how unix(7) reads a name: a path has its NUL, an abstract name has none. */
static void path_lengths_are_those_that_the_kernel_wants(void **state)
{
    static const char abstract[] = "\0echo";
    struct addresses addresses;
    struct err err;

    (void)state;
    assert_int_equal(resolve_host("unix:/run/echo", 7, &addresses, &err), 0);
    assert_int_equal(addresses.addr[0].sa.sa_family, AF_UNIX);
    assert_int_equal(addresses.addr[0].len,
                     offsetof(struct sockaddr_un, sun_path) + sizeof("/run/echo"));
    assert_int_equal(resolve_host("unix:@echo", 7, &addresses, &err), 0);
    assert_int_equal(addresses.addr[0].len, offsetof(struct sockaddr_un, sun_path) + 5);
    assert_memory_equal(addresses.addr[0].un.sun_path, abstract, 5);
}

static void paths_may_be_so_long(void **state)
{
    char host[160] = "unix:";

    (void)state;
    memset(host + 5, 'x', 107);
    assert_resolves_to(host, 7, host);
    host[5 + 107] = 'x';
    assert_does_not_resolve(host, "must have 1 to 107 bytes");
    assert_does_not_resolve("unix:", "must have 1 to 107 bytes");
}

/* A blank is in no host name, so the resolver answers without asking anyone. */
static void unknown_names_are_faults(void **state)
{
    (void)state;
    assert_does_not_resolve("no such host.invalid", "cannot resolve");
    assert_does_not_resolve("127.0.0.1:7 ", "cannot resolve");
}

/* ---- holder ---- */

static int listen_on(struct addr *addr, int v6only)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (addr->sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    if (bind(fd, &addr->sa, addr->len) < 0 || listen(fd, 1) < 0 || addr_local(fd, addr) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static struct addr first_address(const char *host, int port)
{
    struct addresses addresses;
    struct err err;

    assert_int_equal(resolve_host(host, port, &addresses, &err), 0);
    return addresses.addr[0];
}

/* The test's own program, under the name that /proc has for it: 15 bytes at most. */
static const char *held_by(pid_t pid)
{
    static char text[PORT_OWNER_TEXT_MAX];

    snprintf(text, sizeof(text), "held by %.15s, pid %ld", program_invocation_short_name,
             (long)pid);
    return text;
}

static void assert_holder(struct addr addr, const char *wanted)
{
    char text[PORT_OWNER_TEXT_MAX];

    assert_ptr_equal(port_owner_describe(&addr, text), text);
    assert_string_equal(text, wanted);
}

/* `host` is listened on and `asked` is wanted; the same port in both. */
static void assert_in_the_way(const char *host, const char *asked, int v6only)
{
    struct addr bound = first_address(host, 0), wanted = first_address(asked, 0);
    int fd = listen_on(&bound, v6only);

    if (fd < 0) /* a machine without IPv6 */
        skip();
    addr_set_port(&wanted, addr_port(&bound));
    assert_holder(wanted, held_by(getpid()));
    close(fd);
    assert_holder(wanted, "held by another process");
}

static void the_holder_of_an_ipv4_address(void **state)
{
    (void)state;
    assert_in_the_way("127.0.0.1", "127.0.0.1", 0);
}

static void the_holder_of_an_ipv6_address(void **state)
{
    (void)state;
    assert_in_the_way("::1", "::1", 0);
}

static void wildcards_are_in_the_way_of_addresses(void **state)
{
    (void)state;
    assert_in_the_way("0.0.0.0", "127.0.0.1", 0);
    assert_in_the_way("127.0.0.1", "0.0.0.0", 0);
    assert_in_the_way("::", "::1", 1);
}

static void a_dual_stack_wildcard_is_in_the_way_of_ipv4(void **state)
{
    (void)state;
    assert_in_the_way("::", "127.0.0.1", 0);
}

static void another_address_is_not_in_the_way(void **state)
{
    struct addr bound = first_address("127.0.0.1", 0), wanted = first_address("127.0.0.2", 0);
    int fd = listen_on(&bound, 0);

    (void)state;
    assert_true(fd >= 0);
    addr_set_port(&wanted, addr_port(&bound));
    assert_holder(wanted, "held by another process");
    close(fd);
}

/* Its connections keep the port, but they are not in the way of a listener. */
static void who_listens_no_longer_is_not_told(void **state)
{
    struct addr addr = first_address("127.0.0.1", 0);
    int listening = listen_on(&addr, 0), fd = socket(AF_INET, SOCK_STREAM, 0), accepted;

    (void)state;
    assert_true(listening >= 0);
    assert_int_equal(connect(fd, &addr.sa, addr.len), 0);
    accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);
    close(listening);
    assert_holder(addr, "held by another process");
    close(accepted);
    close(fd);
}

/* Only the child keeps the socket; it lives until the pipe is closed. */
static pid_t fork_holder(int fd, int *ret_pipe)
{
    int ends[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    close(fd);
    *ret_pipe = ends[1];
    return pid;
}

static void the_holder_may_be_another_process(void **state)
{
    struct addr addr = first_address("127.0.0.1", 0);
    int fd = listen_on(&addr, 0), end, status;
    pid_t pid;

    (void)state;
    assert_true(fd >= 0);
    pid = fork_holder(fd, &end);
    assert_holder(addr, held_by(pid));
    close(end);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_holder(addr, "held by another process");
}

static void the_holder_of_a_path(void **state)
{
    char host[64];
    struct addr addr;
    int fd;

    (void)state;
    snprintf(host, sizeof(host), "unix:@test_resolve-%ld", (long)getpid());
    addr = first_address(host, 0);
    assert_holder(addr, "held by another process");
    fd = listen_on(&addr, 0);
    assert_true(fd >= 0);
    assert_holder(addr, held_by(getpid()));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_stand_for_themselves),
        cmocka_unit_test(localhost_is_both_loopback_addresses),
        cmocka_unit_test(the_star_is_both_wildcard_addresses),
        cmocka_unit_test(paths_resolve_to_themselves),
        cmocka_unit_test(path_lengths_are_those_that_the_kernel_wants),
        cmocka_unit_test(paths_may_be_so_long),
        cmocka_unit_test(unknown_names_are_faults),
        cmocka_unit_test(the_holder_of_an_ipv4_address),
        cmocka_unit_test(the_holder_of_an_ipv6_address),
        cmocka_unit_test(wildcards_are_in_the_way_of_addresses),
        cmocka_unit_test(a_dual_stack_wildcard_is_in_the_way_of_ipv4),
        cmocka_unit_test(another_address_is_not_in_the_way),
        cmocka_unit_test(who_listens_no_longer_is_not_told),
        cmocka_unit_test(the_holder_may_be_another_process),
        cmocka_unit_test(the_holder_of_a_path),
    };

    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
