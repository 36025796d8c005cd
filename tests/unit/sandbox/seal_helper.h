/* seal_helper.h - a sealed process, and its parent at the other end of a socket pair. */
#ifndef ECHOD_SEAL_HELPER_H
#define ECHOD_SEAL_HELPER_H

#include "sandbox/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

#define SOON_MSEC 10000 /* far longer than anything here takes */

struct sealed {
    pid_t pid;
    int peer; /* its other end is descriptor 0 of the process; 1 is an epoll of the keeper */
};

/* In place of a kind: who makes the processes of clients, after seal_starter(). */
#define STARTER SEAL_KINDS

/* What a sealed process does; it exits with status 0 after it. */
typedef void life(const void *arg);

struct sealed start(enum seal_kind kind, life *act, const void *arg);

/* The same as another user than root: one whose processes could look at each other. */
struct sealed start_as_nobody(enum seal_kind kind, life *act, const void *arg);

/* Returns the status of waitpid(2). */
int end_of(struct sealed *sealed);

void await_byte(const struct sealed *sealed);

/* A process to look at: it says that it is sealed, and stays until its peer closes. */
life stay;
void leave(struct sealed *sealed);

/* The set-up of a group: seal_prepare(). */
int prepare(void **state);

#endif
