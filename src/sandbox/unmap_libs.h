/*
 * unmap_libs.h - a process gives up the libraries that it does not call.
 *
 * Each mapping costs fork(2) to copy and exit(2) to free, and a stranger's process is better off
 * without code that it never runs. Five mappings a library, and libsystemd alone brings six more.
 */
#ifndef ECHOD_SANDBOX_UNMAP_LIBS_H
#define ECHOD_SANDBOX_UNMAP_LIBS_H

/*
 * Unmap, for good, each library that the program was linked with, but for libc, for those whose
 * file names begin with one of `wanted`, which ends with NULL, and for what those need. What was
 * loaded since by dlopen(3), such as an OpenSSL provider, stays with what it needs.
 *
 * The process can then end by _exit(2) alone, and fork by clone(2): fork(2) calls what libraries
 * have registered by pthread_atfork(3). Does nothing unless LD_BIND_NOW is set in the environment,
 * ld.so(8), as the units have it: a function that a library binds when it is first called, and be
 * it one of libc, is looked for in all libraries there were.
 */
void unmap_libs(const char *const *wanted);

#endif
