/* mapping.c - large tables that use no memory where they are not touched. */
#include "base/mapping.h"

#include <sys/mman.h>

static void *map(size_t size, int flags)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void *mapping_shared(size_t size)
{
    return map(size, MAP_SHARED);
}

static void *map_advised(size_t size, int advice)
{
    void *memory = map(size, MAP_PRIVATE);

    if (memory && madvise(memory, size, advice) < 0) {
        munmap(memory, size);
        return NULL;
    }
    return memory;
}

void *mapping_own(size_t size)
{
    return map_advised(size, MADV_WIPEONFORK);
}

void *mapping_secret(size_t size)
{
    return map_advised(size, MADV_DONTDUMP);
}

void mapping_free(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}
