/*
 * seal.h - the sandbox of a process that strangers talk to: once sealed it can use the descriptors
 * that it has, take memory and end. Whoever takes it over can do no more.
 *
 * Of no new privileges, no core file and no new file, process or descriptor; seccomp(2) ends the
 * process at any system call that serving does not need, and an empty Landlock ruleset, where the
 * kernel has Landlock, bars the whole file system and network behind it.
 */
#ifndef ECHOD_SEAL_H
#define ECHOD_SEAL_H

#include "base/err.h"

#include <stddef.h>

/* What the process is for, and so what it may still call. */
enum seal_kind {
    SEAL_CLIENT, /* serves one client; the first whom the kernel kills when memory runs out */
    SEAL_KEEPER, /* holds the private keys and signs */
    SEAL_KINDS
};

/* The most descriptors that a sealed process keeps. */
#define SEAL_KEPT_MAX 3

/* Bytes that a sealed process may add to a file, others that write to it counting as well. */
#define SEAL_GROWTH (64L * 1024 * 1024)

/*
 * Compile the filters and make the ruleset, once, in the process that will fork those to be sealed.
 * Keeps a descriptor and some memory for the life of the process. Returns 0, or -1 with *ret_err
 * where this kernel has no seccomp(2).
 */
int seal_prepare(struct err *ret_err);

/*
 * Do for good what the processes of all clients have in common, in the process that makes them:
 * they inherit it, the place of the first whom the kernel kills included. It can still make
 * processes for its parent, be sent descriptors (unix(7)) and call the keeper. Returns 0, or -1
 * with errno.
 */
int seal_starter(void);

/*
 * Seal the calling process for good; that of a client, after seal_starter() in it or in the one
 * that has made it. Its descriptors kept[0], kept[1], ... (`n` of them, all above
 * standard error) become 0, 1, ...; every other one is closed. Files can grow no more, but for
 * those kept, by SEAL_GROWTH bytes. Returns 0, or -1 with errno: the process must then end, since
 * it is sealed in part or not at all.
 */
int seal(enum seal_kind kind, const int *kept, size_t n);

#endif
