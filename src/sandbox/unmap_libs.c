/* unmap_libs.c - unmaps the libraries that a process does not call. */
#include "sandbox/unmap_libs.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define OBJECTS_MAX 64

/* Marks of an object. */
#define LINKED 1u /* the program was linked with it: mapped since the start */
#define NEEDED 2u /* by a child */

/* All objects of this process in ld.so(8)'s order: the program, what it was linked with, others. */
struct objects {
    unsigned n;
    bool overflow;
    struct object {
        uintptr_t base;
        const char *path;
        const ElfW(Phdr) * segments;
        unsigned n_segments;
        const ElfW(Dyn) * dynamic;
        unsigned marks;
    } all[OBJECTS_MAX];
};

static int collect(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct objects *objects = arg;
    struct object *object = &objects->all[objects->n];

    (void)size;
    objects->overflow = objects->n == OBJECTS_MAX;
    if (objects->overflow)
        return 1;
    *object = (struct object){.base = info->dlpi_addr,
                              .path = info->dlpi_name,
                              .segments = info->dlpi_phdr,
                              .n_segments = info->dlpi_phnum};
    for (unsigned i = 0; i < object->n_segments; i++)
        if (object->segments[i].p_type == PT_DYNAMIC)
            object->dynamic = (const void *)(object->base + object->segments[i].p_vaddr);
    objects->n++;
    return 0;
}

static const char *file_name(const struct object *object)
{
    const char *slash = strrchr(object->path, '/');

    return slash ? slash + 1 : object->path;
}

/*
 * ld.so(8) has replaced offsets in the file by addresses, except in the kernel's object, vdso(7).
 */
static const char *strings(const struct object *object)
{
    for (const ElfW(Dyn) *entry = object->dynamic; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_STRTAB && entry->d_un.d_ptr >= object->base)
            return (const char *)entry->d_un.d_ptr;
    return NULL;
}

/* Mark an object and each one that it needs. */
static void mark(struct objects *objects, struct object *object, unsigned how)
{
    const char *names = strings(object);

    if (object->marks & how)
        return;
    object->marks |= how;
    for (const ElfW(Dyn) *entry = object->dynamic; names && entry->d_tag != DT_NULL; entry++)
        for (unsigned i = 1; entry->d_tag == DT_NEEDED && i < objects->n; i++)
            if (strcmp(file_name(&objects->all[i]), names + entry->d_un.d_val) == 0)
                mark(objects, &objects->all[i], how);
}

static bool is_at(const struct object *object, uintptr_t address)
{
    for (unsigned i = 0; i < object->n_segments; i++)
        if (object->segments[i].p_type == PT_LOAD &&
            address - object->base - object->segments[i].p_vaddr < object->segments[i].p_memsz)
            return true;
    return false;
}

/* libc is found by a function of it, since its file has many names. */
static bool is_wanted(const struct object *object, const char *const *wanted)
{
    for (; *wanted; wanted++)
        if (strncmp(file_name(object), *wanted, strlen(*wanted)) == 0)
            return true;
    return is_at(object, (uintptr_t)recv);
}

/* Unmap the whole object, with the gaps between its segments. */
static void unmap(const struct object *object)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = UINTPTR_MAX, end = 0;

    for (unsigned i = 0; i < object->n_segments; i++) {
        uintptr_t first = object->base + object->segments[i].p_vaddr;

        if (object->segments[i].p_type != PT_LOAD)
            continue;
        if (first < begin)
            begin = first - first % page;
        if (first + object->segments[i].p_memsz > end)
            end = first + object->segments[i].p_memsz;
    }
    if (begin < end)
        munmap((void *)begin, end - begin);
}

static bool is_bound_at_start(void)
{
    const char *bind_now = getenv("LD_BIND_NOW");

#ifdef ECHOD_SANITIZED /* the sanitizers' library looks into every other */
    return false;
#endif
    return bind_now && *bind_now != '\0';
}

void unmap_libs(const char *const *wanted)
{
    struct objects objects = {.n = 0};

    if (!is_bound_at_start())
        return;
    dl_iterate_phdr(collect, &objects);
    if (objects.n == 0)
        return;
    mark(&objects, &objects.all[0], LINKED);
    for (unsigned i = 1; i < objects.n; i++)
        if (objects.overflow || !(objects.all[i].marks & LINKED) ||
            is_wanted(&objects.all[i], wanted))
            mark(&objects, &objects.all[i], NEEDED);
    for (unsigned i = 1; i < objects.n; i++)
        if (!(objects.all[i].marks & NEEDED))
            unmap(&objects.all[i]);
}
