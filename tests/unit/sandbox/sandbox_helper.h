/* sandbox_helper.h - a sandboxed process, and its parent at the other end of a socket pair. */
#ifndef ECHOD_SEAL_HELPER_H
#define ECHOD_SEAL_HELPER_H

#include "sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

#define SOON_MSEC 10000 /* far longer than anything here takes */

struct sandboxed {
    pid_t pid;
    int peer; /* its other end is descriptor 0 of the process; 1 is an epoll of the signer */
};

/* In place of a kind: who makes the processes of clients, after sandbox_forkserver(). */
#define FORKSERVER SANDBOX_KINDS

/* What a sandboxed process does; it exits with status 0 after it. */
typedef void life(const void *arg);

struct sandboxed start(enum sandbox_kind kind, life *act, const void *arg);

/* The same as another user than root: one whose processes could look at each other. */
struct sandboxed start_as_nobody(enum sandbox_kind kind, life *act, const void *arg);

/* Returns the status of waitpid(2). */
int end_of(struct sandboxed *sandboxed);

void await_byte(const struct sandboxed *sandboxed);

/* A process to look at: it says that it is sandboxed, and stays until its peer closes. */
life stay;
void leave(struct sandboxed *sandboxed);

/* The set-up of a group: sandbox_prepare(). */
int prepare(void **state);

#endif
