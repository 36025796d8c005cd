/* file.c - opens and replaces the files that settings name. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns NULL, or why the file cannot be used. */
static const char *file_judge(int fd, size_t *ret_size)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is no regular file";
    *ret_size = (size_t)st.st_size;
    return NULL;
}

/* The reason of a failed open(2). strerror(3) would mislead for these two. */
static const char *why(int error)
{
    return error == ELOOP   ? "it is a symbolic link, or a loop of them"
           : error == ENXIO ? "it is no regular file"
                            : strerror(error);
}

/* Check the result of open(2), and hand it to the caller. */
static const char *file_take(int fd, int *ret_fd, size_t *ret_size)
{
    const char *reason;

    if (fd < 0)
        return why(errno);
    reason = file_judge(fd, ret_size);
    if (reason)
        close(fd);
    else
        *ret_fd = fd;
    return reason;
}

const char *file_open(const char *path, int *ret_fd, size_t *ret_size)
{
    return file_take(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret_fd, ret_size);
}

const char *file_append(const char *path, bool *ret_made, int *ret_fd)
{
    int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = open(path, flags | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    size_t size;

    *ret_made = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(path, flags);
    return file_take(fd, ret_fd, &size);
}

/* For a file that does not exist: whether its directory lets us make it. */
static const char *judge_directory(const char *path)
{
    char *copy = strdup(path);
    const char *reason = copy && access(dirname(copy), W_OK | X_OK) == 0 ? NULL : strerror(errno);

    free(copy);
    return reason;
}

const char *file_judge_append(const char *path)
{
    const char *reason;
    struct stat st;
    bool made;
    int fd;

    if (lstat(path, &st) < 0)
        return judge_directory(path);
    reason = file_append(path, &made, &fd);
    if (!reason)
        close(fd);
    return reason;
}

/* Returns NULL, or why the data cannot be written. */
static const char *file_fill(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno != EINTR)
            return strerror(errno);
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) < 0 ? strerror(errno) : NULL;
}

/* Remove what an interrupted run has left; O_EXCL ensures a new file. */
const char *file_replace(const char *path, const char *data, size_t size)
{
    char new[PATH_MAX];
    const char *reason;
    int fd;

    if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new))
        return strerror(ENAMETOOLONG);
    unlink(new);
    fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return strerror(errno);
    reason = file_fill(fd, data, size);
    if (close(fd) < 0 && !reason)
        reason = strerror(errno);
    if (!reason && rename(new, path) < 0)
        reason = strerror(errno);
    if (reason)
        unlink(new);
    return reason;
}

const char *file_judge_replace(const char *path)
{
    struct stat st;

    if (strlen(path) + sizeof(".new") > PATH_MAX)
        return strerror(ENAMETOOLONG);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return "it is no regular file";
    return judge_directory(path);
}
