/* stream_helper.c - a plain stream and its peer. */
#include "stream_helper.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stream and its peer ---- */

void connect_unix(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

void connect_tcp_small(int fds[2], int receive)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &length), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive > 0)
        setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
    assert_int_equal(connect(fds[1], (struct sockaddr *)&addr, sizeof(addr)), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fds[0] >= 0);
    close(listener);
}

static void connect_tcp(int fds[2])
{
    connect_tcp_small(fds, 0);
}

struct transport over_unix = {connect_unix}, over_tcp = {connect_tcp};

struct pair make_pair(int fds[2])
{
    struct pair pair = {.peer = fds[1]};

    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    stream_open(&pair.stream, fds[0]);
    return pair;
}

struct pair open_pair(void **state)
{
    const struct transport *transport = *state;
    int fds[2];

    transport->connect(fds);
    return make_pair(fds);
}

struct pair open_tcp_pair(void)
{
    int fds[2];

    connect_tcp(fds);
    return make_pair(fds);
}

void peer_sends(const struct pair *pair, const char *text)
{
    assert_int_equal(send(pair->peer, text, strlen(text), 0), strlen(text));
}

void peer_resets(struct pair *pair)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(pair->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(pair->peer);
    pair->peer = -1;
}

unsigned char pattern(size_t i)
{
    return (unsigned char)((uint32_t)i * 2654435761u >> 24);
}

size_t fill(struct stream *stream)
{
    unsigned char data[4096];
    size_t total = 0, n;
    enum stream_status status;

    do {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = pattern(total + i);
        n = 0;
        status = stream_write(stream, data, sizeof(data), &n);
        total += n;
    } while (status == STREAM_OK);
    assert_int_equal(status, STREAM_WANT_WRITE);
    return total;
}

size_t drain(int fd, size_t total)
{
    unsigned char data[65536];
    ssize_t n;

    while ((n = recv(fd, data, sizeof(data), 0)) > 0)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(data[i], pattern(total++));
    assert_int_equal(n, 0);
    return total;
}
