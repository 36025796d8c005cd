/*
 * mapping.h - large tables that use no memory where they are not touched.
 */
#ifndef ECHOD_BASE_MAPPING_H
#define ECHOD_BASE_MAPPING_H

#include <stddef.h>

/* Zeroed memory that parent and children share. Returns NULL with errno on failure. */
void *mapping_shared(size_t size);

/*
 * Zeroed memory that is zeroed again in children (MADV_WIPEONFORK): a client's process must not
 * have what the parent knows of other clients, and fork(2) has less to do. Returns NULL with errno
 * on failure.
 */
void *mapping_own(size_t size);

/* Zeroed memory for secrets, which core files leave out. Returns NULL with errno on failure. */
void *mapping_secret(size_t size);

/* Unmap memory of any of these functions. NULL is allowed. */
void mapping_free(void *memory, size_t size);

#endif
