/* notify.c - messages to the service manager. */
#include "base/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ONCE_SEC 5

/* Returns the length of the manager's address, or 0 without a manager. */
static socklen_t find_manager(struct sockaddr_un *ret_manager)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;

    if (length == 0 || length >= sizeof(ret_manager->sun_path))
        return 0;
    memcpy(ret_manager->sun_path, path, length);
    if (path[0] == '@') /* a name in the abstract namespace, unix(7) */
        ret_manager->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

__attribute__((format(printf, 2, 0))) static void send_message(int flags, const char *fmt,
                                                               va_list args)
{
    const struct timeval patience = {.tv_sec = ONCE_SEC};
    struct sockaddr_un manager = {.sun_family = AF_UNIX};
    socklen_t length = find_manager(&manager);
    char message[512];
    int fd;

    vsnprintf(message, sizeof(message), fmt, args);
    fd = length > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    sendto(fd, message, strlen(message), flags | MSG_NOSIGNAL, (const struct sockaddr *)&manager,
           length);
    close(fd);
}

void notify(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    send_message(MSG_DONTWAIT, fmt, args);
    va_end(args);
}

void notify_once(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    send_message(0, fmt, args);
    va_end(args);
}
