/*
 * lists.h - the values of settings that take several.
 */
#ifndef ECHOD_BASE_LISTS_H
#define ECHOD_BASE_LISTS_H

#include <stddef.h>

/* The texts and the list belong to the code that made them. */
struct strings {
    size_t n;
    const char **list; /* NULL where there are none */
};

/* Structs of one type, one after the other; the owner knows the type. */
struct groups {
    size_t n;
    void *list; /* NULL where there are none */
};

#endif
