/* listen_inherit.c - sockets that the service manager or inetd passed. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static bool is_connected_stream(int fd)
{
    struct addr peer;

    return sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 0) > 0 && addr_peer(fd, &peer) == 0;
}

/* inetd hands one socket over as both standard input and output; a shell's pipes are two. */
static bool is_inetd(void)
{
    struct stat in, out;

    return is_connected_stream(STDIN_FILENO) && fstat(STDIN_FILENO, &in) == 0 &&
           fstat(STDOUT_FILENO, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

static int inherit_one(int fd, const char *name, struct listen_set *set, struct err *ret_err)
{
    struct listen_socket socket = {.fd = fd, .passed = true, .listener = LISTEN_UNUSED};

    snprintf(socket.name, sizeof(socket.name), "%s", name);
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 || addr_local(fd, &socket.addr) < 0)
        return err_set(ret_err, "the passed descriptor %d (%s) is no listening stream socket", fd,
                       name);
    socket.asked = socket.addr;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 || listen_append(set, &socket) < 0)
        return err_set(ret_err, "cannot take the passed descriptor %d (%s): %s", fd, name,
                       strerror(errno));
    return 0;
}

int listen_inherit(struct listen_set *ret_set, int *ret_connected, struct err *ret_err)
{
    struct listen_set set = {.n = 0};
    char **names = NULL;
    int n = sd_listen_fds_with_names(true, &names), result = 0;

    if (n < 0)
        return err_set(ret_err, "cannot take the passed sockets: %s", strerror(-n));
    *ret_connected = -1;
    if (n == 0 && is_inetd())
        *ret_connected = STDIN_FILENO;
    else if (n == 1 && is_connected_stream(SD_LISTEN_FDS_START))
        *ret_connected = SD_LISTEN_FDS_START;
    for (int i = 0; i < n && *ret_connected < 0 && result == 0; i++)
        result = inherit_one(SD_LISTEN_FDS_START + i, names[i], &set, ret_err);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (result == 0)
        *ret_set = set;
    else
        free(set.sockets);
    return result;
}
