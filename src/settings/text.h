/*
 * text.h - puts the text of a configuration together for libconfig. Private to the settings
 * modules.
 *
 * This works around five faults of libconfig 1.5: it cuts a whole number without L to 32 bits
 * without an error; it reports a text in a list on the line of what follows it; it cannot include a
 * file by an absolute path; it ends the process when it is to include a directory; and it does not
 * accept a comment that ends with the file.
 */
#ifndef ECHOD_SETTINGS_TEXT_H
#define ECHOD_SETTINGS_TEXT_H

#include "base/err.h"

#include <stddef.h>

/* The text of a file and of all that it includes. */
struct settings_text {
    char *text;
    size_t n_lines;
    struct text_line *lines; /* the origin of each line */
    size_t n_files;
    char **files;
};

/*
 * Read `path` and what it includes; paths are relative to the including file. Returns 0, or -1
 * after reporting every file that cannot be read, or else every fault that settings/scan.h finds.
 * Free the text in either case.
 */
int settings_text_read(const char *path, struct faults *faults, struct settings_text *ret_text);

/*
 * The text of a file that has only the setting v with this value. Returns it, owned by the caller,
 * or NULL with *ret_err if the value has a fault or includes files, or memory has run out.
 */
char *settings_text_value(const char *value, struct err *ret_err);

/*
 * Write the place, "FILE:LINE", of line `line` (from 1) of the text into `where`, of `size` bytes.
 */
const char *settings_text_place(const struct settings_text *text, unsigned line, char *where,
                                size_t size);

void settings_text_free(struct settings_text *text);

#endif
