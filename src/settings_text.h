/*
 * settings_text.h - the text of a configuration, as libconfig is to parse it. Private to the
 * settings modules.
 *
 * Four things that libconfig 1.5 does to a text are kept from it here: it cuts a whole number that
 * has no L to 32 bits without a word; it takes a text in a list to be on the line of what follows
 * it; it cannot include a file by an absolute path; and it ends the process when it is made to
 * include a directory.
 */
#ifndef ECHOD_SETTINGS_TEXT_H
#define ECHOD_SETTINGS_TEXT_H

#include "err.h"

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
 * Returns 0, or -1 with every file that cannot be read reported; free it in either case.
 */
int settings_text_read(const char *path, struct faults *faults, struct settings_text *ret_text);

/*
 * Put an L behind every number of one value that needs it. Returns the new text, or NULL where
 * memory has run out or the value includes files.
 */
char *settings_text_widen(const char *text);

/* The place, "FILE:LINE", of line `line` (from 1) of the text; into `where` of `size` bytes. */
const char *settings_text_place(const struct settings_text *text, unsigned line, char *where,
                                size_t size);

void settings_text_free(struct settings_text *text);

#endif
