/*
 * sandbox.h - the sandbox of a process that strangers talk to: once sandboxed it can use the
 * descriptors that it has, take memory and end. Whoever takes it over can do no more.
 *
 * Of no new privileges, no core file and no new file, process or descriptor; seccomp(2) ends the
 * process at any system call that serving does not need, and an empty Landlock ruleset, where the
 * kernel has Landlock, bars the whole file system and network behind it.
 */
#ifndef ECHOD_SANDBOX_SANDBOX_H
#define ECHOD_SANDBOX_SANDBOX_H

#include "base/err.h"

#include <stddef.h>

/* What the process is for, and so what it may still call. */
enum sandbox_kind {
    SANDBOX_CLIENT, /* serves one client; the first whom the kernel kills when memory runs out */
    SANDBOX_SIGNER, /* holds the private keys and signs */
    SANDBOX_KINDS
};

/* The most descriptors that a sandboxed process keeps. */
#define SANDBOX_KEPT_MAX 3

/* Bytes that a sandboxed process may add to a file, others that write to it counting as well. */
#define SANDBOX_GROWTH (64L * 1024 * 1024)

/*
 * Compile the filters and make the ruleset, once, in the process that will fork those to be
 * sandboxed. Keeps a descriptor and some memory for the life of the process. Returns 0, or -1 with
 * *ret_err where this kernel has no seccomp(2).
 */
int sandbox_prepare(struct err *ret_err);

/*
 * Do for good what the processes of all clients have in common, in the process that makes them:
 * they inherit it, the place of the first whom the kernel kills included. It can still make
 * processes for its parent, be sent descriptors (unix(7)) and call the signer. Returns 0, or -1
 * with errno.
 */
int sandbox_forkserver(void);

/*
 * Sandbox the calling process for good; that of a client, after sandbox_forkserver() in it or in
 * the one that has made it. Its descriptors kept[0], kept[1], ... (`n` of them, all above standard
 * error) become 0, 1, ...; every other one is closed. Files can grow no more, but for those kept,
 * by SANDBOX_GROWTH bytes. Returns 0, or -1 with errno: the process must then end, since it is
 * sandboxed in part or not at all.
 */
int sandbox_enter(enum sandbox_kind kind, const int *kept, size_t n);

#endif
