/* file.c - opening the files that settings name. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns NULL, or why the file will not do. */
static const char *judge(int fd, size_t *ret_size)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is no regular file";
    *ret_size = (size_t)st.st_size;
    return NULL;
}

/* Takes what open(2) has returned. */
static const char *take(int fd, int *ret_fd, size_t *ret_size)
{
    const char *reason;

    if (fd < 0)
        return strerror(errno);
    reason = judge(fd, ret_size);
    if (reason)
        close(fd);
    else
        *ret_fd = fd;
    return reason;
}

const char *file_open(const char *path, int *ret_fd, size_t *ret_size)
{
    return take(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret_fd, ret_size);
}

const char *file_append(const char *path, bool create, int *ret_fd)
{
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | (create ? O_CREAT : 0);
    size_t size;

    return take(open(path, flags, S_IRUSR | S_IWUSR), ret_fd, &size);
}
