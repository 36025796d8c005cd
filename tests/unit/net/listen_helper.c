/* listen_helper.c - what the tests of listening sockets share. */
#include "listen_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- faults ---- */

struct heard heard[SINKS];

void hear(void *arg, const struct fault *fault)
{
    struct heard *last = arg;

    snprintf(last->setting, sizeof(last->setting), "%s", fault->setting);
    snprintf(last->text, sizeof(last->text), "%s", fault->text);
}

/* ---- opening ---- */

struct listen_params params_of(const char *name, const char *host, unsigned port)
{
    return (struct listen_params){
        .name = name, .host = host, .port = (int)port, .backlog = 16, .reuse = true};
}

int try_open(const struct listen_params *params, size_t n, const struct listen_set *old,
             struct listen_set *ret_set)
{
    struct faults sinks[SINKS];

    memset(heard, 0, sizeof(heard));
    for (size_t i = 0; i < SINKS; i++)
        sinks[i] = (struct faults){.report = hear, .arg = &heard[i]};
    return listen_open(params, n, old, sinks, ret_set);
}

struct listen_set open_many(const struct listen_params *params, size_t n,
                            const struct listen_set *old)
{
    struct listen_set set = {.n = 0};

    if (try_open(params, n, old, &set) < 0)
        fail_msg("%s", heard[0].text);
    return set;
}

struct listen_set open_one(const char *host, unsigned port)
{
    const struct listen_params params = params_of("echo", host, port);

    return open_many(&params, 1, &empty);
}

unsigned port_of(const struct listen_set *set, size_t i)
{
    return addr_port(&set->sockets[i].addr);
}

int connect_to(const struct addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, &addr->sa, addr->len) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void assert_answers(const struct addr *addr)
{
    int fd = connect_to(addr);

    assert_true(fd >= 0);
    close(fd);
}

void assert_closed(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

bool have_ipv6(void)
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

/* ---- AF_UNIX, in a directory of the test's own ---- */

char dir[64], path[96], unix_host[128];

int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_listen.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/echo", dir);
    snprintf(unix_host, sizeof(unix_host), "unix:%s", path);
    return 0;
}

int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

bool path_exists(void)
{
    struct stat st;

    return lstat(path, &st) == 0;
}
