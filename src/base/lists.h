/*
 * lists.h - lists, as a setting that takes several has them.
 */
#ifndef ECHOD_BASE_LISTS_H
#define ECHOD_BASE_LISTS_H

#include <stddef.h>

/* The texts and the list are their maker's. */
struct strings {
    size_t n;
    const char **list; /* NULL where there are none */
};

/* Structs of one type, one after the other; whoever has them knows the type. */
struct groups {
    size_t n;
    void *list; /* NULL where there are none */
};

#endif
