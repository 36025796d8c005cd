/*
 * scan.h - finds the parts of a configuration's text that need care before libconfig reads it.
 * Private to the settings modules.
 *
 * The versions of libconfig do not read every text alike (tried with 1.5, 1.7.3 and 1.8.2). What
 * they read differently is a fault here, so that a file means the same with each of them. The scan
 * knows words, texts, comments and commas, but not what they mean: libconfig checks the grammar.
 */
#ifndef ECHOD_SETTINGS_SCAN_H
#define ECHOD_SETTINGS_SCAN_H

#include "base/err.h"

#include <stddef.h>

enum item {
    ITEM_END,
    ITEM_NUMBER,  /* a whole number; scan_number() writes it so that all versions read it alike */
    ITEM_TEXT,    /* a text that is an element of a list, or the last one in it */
    ITEM_INCLUDE, /* @include "PATH" */
};

/* An item of the text: where it begins, and its length in bytes. */
enum item scan_item(const char *text, const char **ret_begin, size_t *ret_n);

/*
 * The number of an ITEM_NUMBER, in decimal and with an L: without L, libconfig 1.5 cuts it to 32
 * bits, and 1.8 may read a hexadecimal one as negative.
 */
long long scan_number(const char *word);

/* The length of the blanks and comments that begin here. */
size_t scan_gap(const char *text);

/* Returns the quoted text or comment that has no end, with *ret_err set, or NULL. */
const char *scan_endless(const char *text, struct err *ret_err);

/*
 * Find the next fault from *rest on: a text or comment without an end, or what versions read
 * differently. Returns where it is, with *ret_err set and *rest behind it, or NULL.
 */
const char *scan_fault(const char **rest, struct err *ret_err);

#endif
