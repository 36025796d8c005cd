/* fdpass.c - send a descriptor along with data over an AF_UNIX socket. */
#include "base/fdpass.h"

#include <string.h>
#include <sys/socket.h>

union rights {
    char buffer[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static struct msghdr message_of(struct iovec *data, union rights *rights)
{
    return (struct msghdr){.msg_iov = data,
                           .msg_iovlen = 1,
                           .msg_control = rights->buffer,
                           .msg_controllen = sizeof(rights->buffer)};
}

int fdpass_send(int line, const void *data, size_t size, int fd)
{
    union rights rights = {.buffer = {0}};
    struct iovec bytes = {.iov_base = (void *)data, .iov_len = size};
    const struct msghdr message = message_of(&bytes, &rights);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return sendmsg(line, &message, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

ssize_t fdpass_receive(int line, void *data, size_t size, int flags, int *ret_fd)
{
    union rights rights;
    struct iovec bytes = {.iov_base = data, .iov_len = size};
    struct msghdr message = message_of(&bytes, &rights);
    ssize_t n = recvmsg(line, &message, flags | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

    *ret_fd = -1;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(*ret_fd)))
        memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return n;
}
