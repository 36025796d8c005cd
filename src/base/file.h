/*
 * file.h - opens and replaces the files that settings name.
 */
#ifndef ECHOD_BASE_FILE_H
#define ECHOD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Open a regular file for reading. Anything else is refused: to open a FIFO would block the whole
 * service.
 * Returns NULL with *ret_fd, owned by the caller, and *ret_size, in bytes; or the reason of the
 * failure, a static text or one of strerror(3).
 */
const char *file_open(const char *path, int *ret_fd, size_t *ret_size);

/*
 * Open a regular file for appending. If it does not exist, make it, readable only by its owner.
 * Symbolic links are not followed: a user who can make one there must not have root write
 * elsewhere. *ret_made tells whether the file was made. Returns as file_open() does.
 */
const char *file_append(const char *path, bool *ret_made, int *ret_fd);

/* What file_append() would return, as far as that is known without making a file. */
const char *file_judge_append(const char *path);

/*
 * Replace the file at `path` by one that has these bytes and that anybody may read, whatever the
 * umask. A reader that opens it finds either the old file or the whole new one. Nothing is synced
 * to the disk. Makes `path` with ".new" after it on the way. Returns NULL, or why it failed.
 */
const char *file_replace(const char *path, const char *data, size_t size);

/* What file_replace() would return, as far as that is known without making a file. */
const char *file_judge_replace(const char *path);

#endif
