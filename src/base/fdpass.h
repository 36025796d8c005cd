/*
 * fdpass.h - send a descriptor along with data over an AF_UNIX socket (unix(7), SCM_RIGHTS).
 */
#ifndef ECHOD_BASE_FDPASS_H
#define ECHOD_BASE_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Send one message, of `size` bytes (at least 1), with the descriptor `fd`, which stays open here
 * as well. Raises no SIGPIPE. Returns 0, or -1 with errno.
 */
int fdpass_send(int line, const void *data, size_t size, int fd);

/*
 * Receive one message of up to `size` bytes, with `flags` as for recv(2). Returns its length, 0 at
 * the end, or -1 with errno. *ret_fd is the descriptor that came with the message, close-on-exec
 * and owned by the caller, or -1.
 */
ssize_t fdpass_receive(int line, void *data, size_t size, int flags, int *ret_fd);

#endif
