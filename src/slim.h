/*
 * slim.h - libraries that only the parent calls are no part of its children.
 *
 * Each mapping costs fork(2) to copy and exit(2) to free, and a stranger's process is better off
 * without code that it never runs. Five mappings a library, and libsystemd alone brings six more.
 */
#ifndef ECHOD_SLIM_H
#define ECHOD_SLIM_H

/*
 * Leave out of all children to come (madvise(2), MADV_DONTFORK) each library that the program was
 * linked with, but for libc, for those whose file names begin with one of `wanted`, which ends with
 * NULL, and for what those need. What was loaded since by dlopen(3), such as an OpenSSL provider,
 * stays with what it needs. Each call goes in place of the one before.
 *
 * While anything is left out, children must be made by _Fork() (POSIX.1-2024): fork(2) calls what
 * libraries have registered by pthread_atfork(3). Does nothing unless LD_BIND_NOW is set in the
 * environment, ld.so(8), as the units have it: a function that a library binds when it is first
 * called, and be it one of libc, is looked for in all libraries there were.
 */
void slim_children(const char *const *wanted);

#endif
