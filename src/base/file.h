/*
 * file.h - opening the files that settings name.
 */
#ifndef ECHOD_BASE_FILE_H
#define ECHOD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Open a regular file to read it. The open of a FIFO would keep the whole service waiting: anything
 * else than a regular file is refused.
 * Returns NULL with *ret_fd, the caller's to close, and *ret_size, in bytes; or why it cannot be
 * done, a static text or one of strerror(3).
 */
const char *file_open(const char *path, int *ret_fd, size_t *ret_size);

/*
 * Open a regular file to add to it, as the same *ret_fd; if there is none it is made, and only its
 * owner can read it. No symbolic link is followed, so that nobody who can make one where the file
 * is to be has root write elsewhere. *ret_made tells whether it was made. Returns as file_open()
 * does.
 */
const char *file_append(const char *path, bool *ret_made, int *ret_fd);

/* What file_append() would return, as far as can be told without making a file. */
const char *file_judge_append(const char *path);

/*
 * Replace the file at `path` by one that has these bytes and that anybody may read, whatever the
 * umask: whoever opens it finds the old one or the new one, whole. Nothing is synced to the disk.
 * `path` with ".new" after it is made on the way. Returns NULL, or why it cannot be done.
 */
const char *file_replace(const char *path, const char *data, size_t size);

/* What file_replace() would return, as far as can be told without making a file. */
const char *file_judge_replace(const char *path);

#endif
