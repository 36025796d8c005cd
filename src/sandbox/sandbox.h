/*
 * sandbox.h - the sandbox of the fork server, the clients' processes and the signer. A process in
 * it can use the descriptors that it has, take memory and end, and so can an attacker who takes it
 * over, but no more.
 *
 * It gets no new privileges, no core file and no new file; a client's process and the signer can
 * make no process, and a client's process gets no new descriptor. seccomp(2) kills it at any system
 * call that serving does not need. Where the kernel has Landlock, an empty ruleset bars the whole
 * file system and network as well.
 */
#ifndef ECHOD_SANDBOX_SANDBOX_H
#define ECHOD_SANDBOX_SANDBOX_H

#include "base/err.h"

#include <stddef.h>

/* The purpose of a process, which decides what it may still call. */
enum sandbox_kind {
    SANDBOX_CLIENT, /* serves one client; killed first when memory runs out */
    SANDBOX_SIGNER, /* holds the private keys and signs */
    SANDBOX_KINDS
};

/* The most descriptors that a sandboxed process keeps. */
#define SANDBOX_KEPT_MAX 3

/* Bytes that a sandboxed process may append to a file; those of other processes count as well. */
#define SANDBOX_GROWTH (64L * 1024 * 1024)

/*
 * Compile the filters and make the ruleset, once, in the process that will fork the sandboxed ones.
 * Keeps a descriptor and some memory for the life of the process. Returns 0, or -1 with *ret_err if
 * this kernel has no seccomp(2).
 */
int sandbox_prepare(struct err *ret_err);

/*
 * In the fork server, once: restrict it for good as far as all clients' processes are, which
 * inherit the restrictions, and have the kernel kill it and them first when memory runs out. After
 * that it can still fork for its parent, receive descriptors (unix(7)) and call the signer. Returns
 * 0, or -1 with errno.
 */
int sandbox_forkserver(void);

/*
 * Sandbox the calling process for good. A client's process must call it after sandbox_forkserver(),
 * called by itself or by the process that forked it. Its descriptors kept[0], kept[1], ... (`n` of
 * them, all above standard error) become 0, 1, ...; every other one is closed. No file can grow
 * except the kept ones, by SANDBOX_GROWTH bytes. Returns 0, or -1 with errno: the process must then
 * end, since it may be sandboxed only in part.
 */
int sandbox_enter(enum sandbox_kind kind, const int *kept, size_t n);

#endif
