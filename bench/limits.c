/*
 * limits.c - what an echo could reach on this machine, for bench/run to set beside what one does.
 *
 * limits fork SECONDS           processes that are made and end at once, two at a time: prints
 *                               how many a second and the CPU time of each
 * limits inline PORT            one process that serves one client after the other
 * limits epoll PORT             one process for all clients
 * limits-tls tls PORT CERT KEY  as inline, with the same TLS library that echod has: a program of
 *                               its own, since all that a process has mapped is copied by fork(2)
 *
 * None of them is fit for anything else: no limit, no deadline, no record.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNDER_WAY 2
#define BUFFER 65536

static char buffer[BUFFER];

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_of(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run_fork(double length)
{
    double begin = seconds(CLOCK_MONOTONIC), wall = 0;
    unsigned long n = 0, ended = 0;

    while ((wall = seconds(CLOCK_MONOTONIC) - begin) < length) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        if (pid < 0)
            die("fork");
        if (++n - ended == UNDER_WAY && wait(NULL) > 0)
            ended++;
    }
    while (wait(NULL) > 0)
        ;
    printf("{\"per_sec\": %.0f, \"cpu_usec\": %.2f}\n", (double)n / wall,
           1e6 * (cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN)) / (double)n);
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0)
        die(port);
    return fd;
}

/* Returns whether all of it went. */
static bool send_all(int fd, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t step = send(fd, buffer + sent, n - sent, MSG_NOSIGNAL);

        if (step <= 0)
            return false;
        sent += (size_t)step;
    }
    return true;
}

static void run_inline(int listening)
{
    for (;;) {
        int fd = accept(listening, NULL, NULL);
        ssize_t n;

        while ((n = recv(fd, buffer, BUFFER, 0)) > 0 && send_all(fd, (size_t)n))
            ;
        close(fd);
    }
}

static void watch(int poll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void run_epoll(int listening)
{
    struct epoll_event events[256];
    int poll = epoll_create1(0);

    watch(poll, listening);
    for (;;) {
        int n = epoll_wait(poll, events, 256, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            ssize_t got;

            if (fd == listening)
                watch(poll, accept(listening, NULL, NULL));
            else if ((got = recv(fd, buffer, BUFFER, 0)) <= 0 || !send_all(fd, (size_t)got))
                close(fd);
        }
    }
}

#ifdef WITH_TLS
static void run_tls(int listening, const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        die(certificate);
    for (;;) {
        int fd = accept(listening, NULL, NULL), n;
        SSL *ssl = SSL_new(context);

        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1) {
            while ((n = SSL_read(ssl, buffer, BUFFER)) > 0 && SSL_write(ssl, buffer, n) == n)
                ;
            SSL_shutdown(ssl);
        }
        SSL_free(ssl);
        close(fd);
    }
}
#endif

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    if (strcmp(mode, "fork") == 0)
        run_fork(atof(argv[2]));
    else if (strcmp(mode, "inline") == 0)
        run_inline(listen_on(argv[2]));
    else if (strcmp(mode, "epoll") == 0)
        run_epoll(listen_on(argv[2]));
#ifdef WITH_TLS
    else if (strcmp(mode, "tls") == 0 && argc == 5)
        run_tls(listen_on(argv[2]), argv[3], argv[4]);
#endif
    else
        return fprintf(stderr, "limits: see its first lines\n"), 2;
    return 0;
}
