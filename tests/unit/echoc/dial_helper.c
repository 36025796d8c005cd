/* dial_helper.c - echo servers to dial, in processes of their own. */
#include "dial_helper.h"

#include "child/session.h"
#include "echoc/exchange.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int bind_refusing(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

int listen_tcp(void)
{
    int fd = bind_refusing();

    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

int listen_unix(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/test_dial.%d", getpid());
    unlink(un.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

struct target target_at(int bound)
{
    struct target target = {.timeout_usec = SOON};
    struct addr addr;
    struct err err;

    assert_int_equal(addr_local(bound, &addr), 0);
    target.url.port = (int)addr_port(&addr);
    addr_host(&addr, target.url.host);
    assert_int_equal(dial_resolve(&target, &err), 0);
    return target;
}

struct target target_of(const struct echo_server *server)
{
    return server->target;
}

static _Noreturn void serve(int listener, const struct tls_server *tls)
{
    const struct session_params params = {
        .tls = (struct tls_server *)tls, .limits.handshake_usec = SOON, .limits.idle_usec = SOON};

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    for (;;) {
        struct record record = {.end = 0};
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            session_run(fd, NULL, &params, &record);
    }
}

struct echo_server start_server(int listener, const struct tls_server *tls)
{
    struct echo_server server = {.target = target_at(listener)};

    server.pid = fork();
    if (server.pid == 0)
        serve(listener, tls);
    close(listener);
    return server;
}

void stop_server(struct echo_server *server)
{
    const char *host = server->target.url.host;

    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    if (strncmp(host, "unix:", 5) == 0)
        unlink(host + 5);
}

void assert_echoes(struct dialed *dialed)
{
    struct err err;

    if (exchange(&dialed->stream, (const unsigned char *)"hello", 5, deadline_in(SOON), &err) !=
        EXCHANGE_OK)
        fail_msg("%s", err.text);
}

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static unsigned open_before;

int count_open(void **state)
{
    (void)state;
    open_before = open_descriptors();
    return 0;
}

int assert_none_left(void **state)
{
    (void)state;
    return open_descriptors() == open_before ? 0 : -1;
}
