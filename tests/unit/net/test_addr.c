/* test_addr.c - addresses: from sockets, compared, and as text. */
#include "net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

/* An interface number that no machine has a name for. */
#define NO_INTERFACE 4000000000u

static struct addr ipv4(const char *text, unsigned port)
{
    struct addr addr = {.len = sizeof(addr.in)};

    addr.in.sin_family = AF_INET;
    addr.in.sin_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET, text, &addr.in.sin_addr), 1);
    return addr;
}

static struct addr ipv6(const char *text, unsigned port, unsigned scope)
{
    struct addr addr = {.len = sizeof(addr.in6)};

    addr.in6.sin6_family = AF_INET6;
    addr.in6.sin6_port = htons((uint16_t)port);
    addr.in6.sin6_scope_id = scope;
    assert_int_equal(inet_pton(AF_INET6, text, &addr.in6.sin6_addr), 1);
    return addr;
}

/* `n` bytes as sun_path holds them, with or without the final NUL. */
static struct addr local(const char *path, size_t n)
{
    struct addr addr = {.len = (socklen_t)(PATH_OFFSET + n)};

    addr.un.sun_family = AF_UNIX;
    memcpy(addr.un.sun_path, path, n);
    return addr;
}

static struct addr path(const char *text)
{
    return local(text, strlen(text) + 1);
}

static void assert_text(struct addr addr, const char *host, const char *full)
{
    char text[ADDR_TEXT_MAX];

    assert_string_equal(addr_host(&addr, text), host);
    assert_ptr_equal(addr_host(&addr, text), text);
    assert_string_equal(addr_format(&addr, text), full);
    assert_ptr_equal(addr_format(&addr, text), text);
}

/* ---- as text ---- */

static void ip_addresses_as_text(void **state)
{
    (void)state;
    assert_text(ipv4("192.0.2.1", 7), "192.0.2.1", "192.0.2.1:7");
    assert_text(ipv4("0.0.0.0", 0), "0.0.0.0", "0.0.0.0:0");
    assert_text(ipv4("255.255.255.255", 65535), "255.255.255.255", "255.255.255.255:65535");
    assert_text(ipv6("2001:db8::1", 7, 0), "2001:db8::1", "[2001:db8::1]:7");
    assert_text(ipv6("::", 443, 0), "::", "[::]:443");
}

static void mapped_addresses_are_the_ipv4_addresses_they_stand_for(void **state)
{
    (void)state;
    assert_text(ipv6("::ffff:192.0.2.1", 7, 0), "192.0.2.1", "192.0.2.1:7");
    assert_text(ipv6("::ffff:0:192.0.2.1", 7, 0), "::ffff:0:c000:201", "[::ffff:0:c000:201]:7");
}

static void zones_are_named_where_they_have_a_name(void **state)
{
    unsigned loopback = if_nametoindex("lo");

    (void)state;
    if (loopback != 0)
        assert_text(ipv6("fe80::1", 7, loopback), "fe80::1%lo", "[fe80::1%lo]:7");
    assert_text(ipv6("fe80::1", 7, NO_INTERFACE), "fe80::1%4000000000", "[fe80::1%4000000000]:7");
}

static void paths_as_text(void **state)
{
    static const char abstract[] = "\0echo";

    (void)state;
    assert_text(path("/run/echo"), "unix:/run/echo", "unix:/run/echo");
    assert_text(local("/run/echo", 9), "unix:/run/echo", "unix:/run/echo");
    assert_text(local(abstract, 5), "unix:@echo", "unix:@echo");
    assert_text(local(abstract, 1), "unix:@", "unix:@");
    assert_text(local("", 0), "unix", "unix");
}

/* What lies behind the length is no part of a name. */
static void paths_end_where_their_length_says(void **state)
{
    struct addr named = local("/run/echo-and-more", 18), abstract = local("\0echo-and-more", 14);

    (void)state;
    named.len = PATH_OFFSET + 9;
    abstract.len = PATH_OFFSET + 5;
    assert_text(named, "unix:/run/echo", "unix:/run/echo");
    assert_text(abstract, "unix:@echo", "unix:@echo");
}

static void unknown_families_have_a_text(void **state)
{
    struct addr addr = {.len = sizeof(addr.sa)};

    (void)state;
    addr.sa.sa_family = AF_PACKET;
    assert_text(addr, "unknown", "unknown");
}

/* Nothing is cut, and nothing written beyond the array: the sanitizers watch its end. */
static void the_longest_texts_fit(void **state)
{
    const char *longest = "2001:db8:1234:5678:9abc:def0:1234:5678";
    char name[sizeof(((struct sockaddr_un *)0)->sun_path)], wanted[ADDR_TEXT_MAX];
    char full[2 * ADDR_TEXT_MAX];

    (void)state;
    memset(name, 'x', sizeof(name));
    snprintf(wanted, sizeof(wanted), "unix:%.*s", (int)sizeof(name), name);
    assert_text(local(name, sizeof(name)), wanted, wanted);

    name[0] = '\0';
    snprintf(wanted, sizeof(wanted), "unix:@%.*s", (int)sizeof(name) - 1, name + 1);
    assert_text(local(name, sizeof(name)), wanted, wanted);

    snprintf(wanted, sizeof(wanted), "%s%%%u", longest, NO_INTERFACE);
    snprintf(full, sizeof(full), "[%s]:65535", wanted);
    assert_text(ipv6(longest, 65535, NO_INTERFACE), wanted, full);
}

/* ---- ports ---- */

static void ports_are_read_and_set(void **state)
{
    struct addr four = ipv4("192.0.2.1", 7), six = ipv6("2001:db8::1", 7, 0);

    (void)state;
    addr_set_port(&four, 65535);
    addr_set_port(&six, 1);
    assert_int_equal(addr_port(&four), 65535);
    assert_int_equal(addr_port(&six), 1);
    assert_text(four, "192.0.2.1", "192.0.2.1:65535");
    assert_text(six, "2001:db8::1", "[2001:db8::1]:1");
}

static void paths_have_no_port(void **state)
{
    struct addr addr = path("/run/echo"), before = addr;

    (void)state;
    addr_set_port(&addr, 7);
    assert_int_equal(addr_port(&addr), 0);
    assert_memory_equal(&addr, &before, sizeof(addr));
}

/* ---- compared ---- */

/* Equality has no direction, and everything equals itself. */
static void assert_equality(struct addr a, struct addr b, bool equal)
{
    assert_true(addr_equal(&a, &a));
    assert_true(addr_equal(&b, &b));
    assert_int_equal(addr_equal(&a, &b), equal);
    assert_int_equal(addr_equal(&b, &a), equal);
}

static void addresses_differ_in_each_part(void **state)
{
    struct addr four = ipv4("192.0.2.1", 7), six = ipv6("fe80::1", 7, 1);

    (void)state;
    assert_equality(four, ipv4("192.0.2.1", 7), true);
    assert_equality(four, ipv4("192.0.2.2", 7), false);
    assert_equality(four, ipv4("192.0.2.1", 8), false);
    assert_equality(six, ipv6("fe80::1", 7, 1), true);
    assert_equality(six, ipv6("fe80::2", 7, 1), false);
    assert_equality(six, ipv6("fe80::1", 8, 1), false);
    assert_equality(six, ipv6("fe80::1", 7, 2), false);
    assert_equality(four, six, false);
    assert_equality(ipv4("0.0.0.0", 7), ipv6("::", 7, 0), false);
    assert_equality(path("/run/echo"), path("/run/echo"), true);
    assert_equality(path("/run/echo"), path("/run/echp"), false);
    assert_equality(path("/run/echo"), path("/run/echo2"), false);
    assert_equality(path("/run/echo"), local("\0/run/echo", 10), false);
    assert_equality(path("/run/echo"), four, false);
}

/* A name in the abstract namespace may hold any byte (unix(7)). */
static void abstract_names_are_compared_to_their_end(void **state)
{
    (void)state;
    assert_equality(local("\0a\0b", 4), local("\0a\0b", 4), true);
    assert_equality(local("\0a\0b", 4), local("\0a\0c", 4), false);
    assert_equality(local("\0a", 2), local("\0a\0", 3), false);
}

static void what_is_no_part_of_an_address_does_not_count(void **state)
{
    struct addr four = ipv4("192.0.2.1", 7), six = ipv6("2001:db8::1", 7, 0);

    (void)state;
    memset(four.in.sin_zero, 0xff, sizeof(four.in.sin_zero));
    six.in6.sin6_flowinfo = 1;
    assert_equality(four, ipv4("192.0.2.1", 7), true);
    assert_equality(six, ipv6("2001:db8::1", 7, 0), true);
}

static void assert_any(struct addr addr, bool any)
{
    assert_int_equal(addr_is_any(&addr), any);
}

static void wildcards_are_known(void **state)
{
    (void)state;
    assert_any(ipv4("0.0.0.0", 7), true);
    assert_any(ipv6("::", 7, 0), true);
    assert_any(ipv4("0.0.0.1", 0), false);
    assert_any(ipv4("127.0.0.1", 0), false);
    assert_any(ipv6("::1", 0, 0), false);
    assert_any(ipv6("::ffff:0.0.0.0", 0, 0), false);
    assert_any(path(""), false);
    assert_any(local("", 0), false);
}

/* ---- from sockets ---- */

static void both_ends_of_a_connection(void **state)
{
    struct addr server = ipv4("127.0.0.1", 0), client, peer;
    int listening = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), accepted;

    (void)state;
    assert_int_equal(bind(listening, &server.sa, server.len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(addr_local(listening, &server), 0);
    assert_int_not_equal(addr_port(&server), 0);
    assert_int_equal(connect(fd, &server.sa, server.len), 0);
    accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);

    assert_int_equal(addr_local(fd, &client), 0);
    assert_int_equal(addr_peer(accepted, &peer), 0);
    assert_equality(client, peer, true);
    assert_int_equal(addr_peer(fd, &peer), 0);
    assert_equality(server, peer, true);
    assert_equality(client, server, false);
    close(listening);
    close(fd);
    close(accepted);
}

static void sockets_without_a_path_are_unix(void **state)
{
    struct addr addr;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(addr_peer(pair[0], &addr), 0);
    assert_text(addr, "unix", "unix");
    assert_int_equal(addr_local(pair[0], &addr), 0);
    assert_text(addr, "unix", "unix");
    close(pair[0]);
    close(pair[1]);
}

/* The kernel tells no length but that of the path: what was bound is found again. */
static void a_bound_path_equals_the_one_asked_for(void **state)
{
    char directory[] = "/tmp/test_addr.XXXXXX", name[64];
    struct addr bound, roomy;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(name, sizeof(name), "%s/socket", directory);
    roomy = path(name);
    roomy.len = sizeof(roomy.un);
    assert_int_equal(bind(fd, &roomy.sa, roomy.len), 0);
    assert_int_equal(addr_local(fd, &bound), 0);
    unlink(name);
    rmdir(directory);
    close(fd);
    assert_equality(bound, path(name), true);
}

static void assert_fails(int function(int, struct addr *), int fd, int error)
{
    struct addr addr, before;

    memset(&addr, 0xa5, sizeof(addr));
    before = addr;
    assert_int_equal(function(fd, &addr), -1);
    assert_int_equal(errno, error);
    assert_memory_equal(&addr, &before, sizeof(addr));
}

static void failures_leave_the_address_alone(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_fails(addr_peer, fd, ENOTCONN);
    assert_fails(addr_peer, ends[0], ENOTSOCK);
    assert_fails(addr_local, ends[0], ENOTSOCK);
    assert_fails(addr_peer, -1, EBADF);
    assert_fails(addr_local, -1, EBADF);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip_addresses_as_text),
        cmocka_unit_test(mapped_addresses_are_the_ipv4_addresses_they_stand_for),
        cmocka_unit_test(zones_are_named_where_they_have_a_name),
        cmocka_unit_test(paths_as_text),
        cmocka_unit_test(paths_end_where_their_length_says),
        cmocka_unit_test(unknown_families_have_a_text),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(ports_are_read_and_set),
        cmocka_unit_test(paths_have_no_port),
        cmocka_unit_test(addresses_differ_in_each_part),
        cmocka_unit_test(abstract_names_are_compared_to_their_end),
        cmocka_unit_test(what_is_no_part_of_an_address_does_not_count),
        cmocka_unit_test(wildcards_are_known),
        cmocka_unit_test(both_ends_of_a_connection),
        cmocka_unit_test(sockets_without_a_path_are_unix),
        cmocka_unit_test(a_bound_path_equals_the_one_asked_for),
        cmocka_unit_test(failures_leave_the_address_alone),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
