/*
 * scan.h - what of a configuration's text needs care before libconfig reads it. Private
 * to the settings modules.
 *
 * libconfig's versions do not read every text alike (seen with 1.5, 1.7.3 and 1.8.2): what they
 * differ in is a fault here, so that a file means the same wherever it is taken. The scan knows
 * words, texts, comments and commas, and nothing of what they mean: grammar is libconfig's own.
 */
#ifndef ECHOD_SETTINGS_SCAN_H
#define ECHOD_SETTINGS_SCAN_H

#include "base/err.h"

#include <stddef.h>

enum item {
    ITEM_END,
    ITEM_NUMBER,  /* a whole number that libconfig's versions read alike only from scan_number() */
    ITEM_TEXT,    /* a text that is an element of a list, or its last word */
    ITEM_INCLUDE, /* @include "PATH" */
};

/* The next item in `text`: where it begins, and its length in bytes. */
enum item scan_item(const char *text, const char **ret_begin, size_t *ret_n);

/*
 * The number of an ITEM_NUMBER, for libconfig in decimal with an L: without that 1.5 cuts it to 32
 * bits, and hexadecimal ones may be negative to 1.8.
 */
long long scan_number(const char *word);

/* The length of the blanks and comments that begin here. */
size_t scan_gap(const char *text);

/* Returns the quoted text or comment that nothing ends, with *ret_err set, or NULL. */
const char *scan_endless(const char *text, struct err *ret_err);

/*
 * Find the next fault from *rest on: what nothing ends, and what is not the same to all versions.
 * Returns where it is, with *ret_err set and *rest behind it, or NULL.
 */
const char *scan_fault(const char **rest, struct err *ret_err);

#endif
