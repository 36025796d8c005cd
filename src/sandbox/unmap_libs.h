/*
 * unmap_libs.h - unmaps the libraries that a process does not call.
 *
 * fork(2) copies each mapping and exit(2) frees it, which takes time; and the process of an
 * untrusted peer should not have code that it never runs. A library has five mappings, and
 * libsystemd alone brings six more libraries.
 */
#ifndef ECHOD_SANDBOX_UNMAP_LIBS_H
#define ECHOD_SANDBOX_UNMAP_LIBS_H

/*
 * Unmap, for good, each library that the program was linked with, except libc, those whose file
 * names begin with one of `wanted` (a list that ends with NULL), and what these need. A library
 * that was loaded since by dlopen(3), such as an OpenSSL provider, stays, with what it needs.
 *
 * The process may then end only by _exit(2), and fork only by clone(2): fork(2) calls handlers that
 * libraries have registered by pthread_atfork(3). Does nothing unless LD_BIND_NOW is set in the
 * environment, ld.so(8), as in the units: a function that is bound at its first call, even one of
 * libc, is looked up in all libraries that were mapped at the start.
 */
void unmap_libs(const char *const *wanted);

#endif
