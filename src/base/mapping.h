/*
 * mapping.h - large tables that cost nothing where they are not touched.
 */
#ifndef ECHOD_BASE_MAPPING_H
#define ECHOD_BASE_MAPPING_H

#include <stddef.h>

/* Zeroed memory that parent and children share. Returns NULL with errno where there is none. */
void *mapping_shared(size_t size);

/*
 * Zeroed memory that children find zeroed again: what the parent knows of one client is nothing
 * that another's process should have, and fork(2) has less to do. Returns NULL with errno.
 */
void *mapping_own(size_t size);

/* Zeroed memory for secrets, which core files leave out. Returns NULL with errno. */
void *mapping_secret(size_t size);

/* Give any of them back. NULL is allowed. */
void mapping_free(void *memory, size_t size);

#endif
