/*
 * text.h - the text of a configuration, as libconfig is to parse it. Private to the
 * settings modules.
 *
 * Five things that libconfig 1.5 does to a text are kept from it here: it cuts a whole number that
 * has no L to 32 bits without a word; it takes a text in a list to be on the line of what follows
 * it; it cannot include a file by an absolute path; it ends the process when it is made to
 * include a directory; and it knows no comment that ends with the file.
 */
#ifndef ECHOD_SETTINGS_TEXT_H
#define ECHOD_SETTINGS_TEXT_H

#include "base/err.h"

#include <stddef.h>

/* One text out of a file and all that it includes. */
struct settings_text {
    char *text;
    size_t n_lines;
    struct text_line *lines; /* where each came from */
    size_t n_files;
    char **files;
};

/*
 * Read `path` and what it includes, paths being relative to the file that includes them.
 * Returns 0, or -1 with every file that cannot be read reported, and else every fault that
 * settings/scan.h knows; free it in either case.
 */
int settings_text_read(const char *path, struct faults *faults, struct settings_text *ret_text);

/*
 * The text of a file that has nothing but the setting v with this value. Returns it, the caller's
 * to free, or NULL with *ret_err where the value has a fault or includes files, or memory has run
 * out.
 */
char *settings_text_value(const char *value, struct err *ret_err);

/* The place, "FILE:LINE", of line `line` (from 1) of the text; into `where` of `size` bytes. */
const char *settings_text_place(const struct settings_text *text, unsigned line, char *where,
                                size_t size);

void settings_text_free(struct settings_text *text);

#endif
