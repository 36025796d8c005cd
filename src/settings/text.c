/* text.c - puts the text of a configuration together for libconfig. */
#include "settings/text.h"

#include "base/limits.h"
#include "settings/scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 10 /* of nested includes, as in libconfig */

struct text_line {
    const char *file;
    unsigned line;
};

/* ---- putting the text together ---- */

/* The text so far. Once memory has run out, `failed` is set and the functions below do nothing. */
struct builder {
    struct settings_text *out;
    size_t length;
    struct faults *faults;
    bool failed;
};

static void *grow(struct builder *builder, void *array, size_t n, size_t size)
{
    void *grown = builder->failed ? NULL : reallocarray(array, n, size);

    builder->failed = !grown;
    return grown ? grown : array;
}

/* Note the place in the files from which the current line of the text comes. */
static void begin_line(struct builder *builder, const char *file, unsigned line)
{
    struct settings_text *out = builder->out;

    out->lines = grow(builder, out->lines, out->n_lines + 1, sizeof(*out->lines));
    if (!builder->failed)
        out->lines[out->n_lines] = (struct text_line){file, line};
}

static void put(struct builder *builder, const char *bytes, size_t n, const char *file,
                unsigned *line)
{
    struct settings_text *out = builder->out;

    out->text = grow(builder, out->text, builder->length + n + 1, 1);
    if (builder->failed)
        return;
    memcpy(out->text + builder->length, bytes, n);
    builder->length += n;
    out->text[builder->length] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n')
            continue;
        out->n_lines++;
        begin_line(builder, file, ++*line);
    }
}

/* Keep the name until the whole text is freed, since lines point to it. */
static const char *keep_name(struct builder *builder, const char *name)
{
    struct settings_text *out = builder->out;
    char *copy = strdup(name);

    out->files = grow(builder, out->files, out->n_files + 1, sizeof(*out->files));
    if (builder->failed || !copy) {
        builder->failed = true;
        free(copy);
        return "";
    }
    out->files[out->n_files++] = copy;
    return copy;
}

/* Returns the whole file, or NULL with errno; EILSEQ if it is no text. */
static char *read_whole(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    int error = 0;

    if (!file)
        return NULL;
    errno = 0;
    if (getdelim(&text, &size, '\0', file) >= 0)
        error = feof(file) ? 0 : EILSEQ;       /* it stopped at a NUL byte */
    else if (feof(file) && errno == 0 && text) /* it is empty */
        text[0] = '\0';
    else
        error = errno ? errno : EIO;
    fclose(file);
    if (error == 0)
        return text;
    free(text);
    errno = error;
    return NULL;
}

/* The path of an @include, relative to the directory of the including file. */
static void included_path(const char *including, const char *include, size_t n, char *path)
{
    const char *begin = memchr(include, '"', n), *slash = strrchr(including, '/');
    int length = (int)(include + n - begin) - 2;

    begin++;
    if (begin[0] == '/' || !slash)
        snprintf(path, PATH_MAX, "%.*s", length, begin);
    else
        snprintf(path, PATH_MAX, "%.*s/%.*s", (int)(slash - including), including, length, begin);
}

static void put_number(struct builder *builder, long long number, const char *file, unsigned *line)
{
    char text[32];

    put(builder, text, (size_t)snprintf(text, sizeof(text), "%lldL", number), file, line);
}

/* Put what follows a text in a list right behind it. Returns how much of `text` it has put. */
static size_t put_listed(struct builder *builder, const char *text, size_t n, const char *file,
                         unsigned *line)
{
    size_t gap = scan_gap(text + n);

    put(builder, text, n, file, line);
    put(builder, text + n + gap, 1, file, line);
    put(builder, text + n, gap, file, line);
    return n + gap + 1;
}

static void put_file(struct builder *builder, const char *path, const char *where, int depth);

/* It ends with a line end of its own: to libconfig 1.5, a # that none follows begins no comment. */
static void put_text(struct builder *builder, const char *text, const char *file, int depth)
{
    unsigned line = 1;
    const char *at;
    size_t n;
    enum item item;

    begin_line(builder, file, line);
    do {
        item = scan_item(text, &at, &n);
        put(builder, text, (size_t)(at - text), file, &line);
        text = at + n;
        if (item == ITEM_NUMBER) {
            put_number(builder, scan_number(at), file, &line);
        } else if (item == ITEM_TEXT) {
            text = at + put_listed(builder, at, n, file, &line);
        } else if (item == ITEM_INCLUDE) {
            char path[PATH_MAX], where[PLACE_MAX];

            snprintf(where, sizeof(where), "%s:%u", file, line);
            included_path(file, at, n, path);
            put_file(builder, path, where, depth + 1);
            begin_line(builder, file, line);
        }
    } while (item != ITEM_END);
    put(builder, "\n", 1, file, &line);
    begin_line(builder, file, --line);
}

/* What an included file does not end must not be ended by the file that includes it. */
static void check_ends(struct builder *builder, const char *text, const char *path)
{
    struct err err;
    const char *endless = scan_endless(text, &err);
    char where[PLACE_MAX];
    unsigned line = 1;

    if (!endless)
        return;
    for (const char *at = text; at < endless; at++)
        line += *at == '\n';
    snprintf(where, sizeof(where), "%s:%u", path, line);
    fault_at(builder->faults, where, NULL, "%s", err.text);
}

/* `where` is the place of the @include, or NULL for the first file. */
static void put_file(struct builder *builder, const char *path, const char *where, int depth)
{
    char *text = depth <= DEPTH_MAX ? read_whole(path) : NULL;

    if (text) {
        check_ends(builder, text, path);
        put_text(builder, text, keep_name(builder, path), depth);
    } else if (depth > DEPTH_MAX)
        fault_at(builder->faults, where, NULL, "files include files more than %d deep", DEPTH_MAX);
    else if (where)
        fault_at(builder->faults, where, NULL, "cannot open include file %s: %s", path,
                 strerror(errno));
    else
        fault_at(builder->faults, path, NULL, "cannot read it: %s", strerror(errno));
    free(text);
}

/* The whole is checked, not file by file: a comma may end one file, and a list the next. */
static void check_whole(const struct settings_text *text, struct faults *faults)
{
    const char *rest = text->text, *seen = rest, *at;
    unsigned line = 1;
    struct err err;

    while ((at = scan_fault(&rest, &err))) {
        char where[PLACE_MAX];

        for (; seen < at; seen++)
            line += *seen == '\n';
        settings_text_place(text, line, where, sizeof(where));
        fault_at(faults, where, NULL, "%s", err.text);
    }
}

int settings_text_read(const char *path, struct faults *faults, struct settings_text *ret_text)
{
    unsigned before = faults->count;
    struct builder builder = {.out = ret_text, .faults = faults};

    *ret_text = (struct settings_text){.n_lines = 0};
    put_file(&builder, path, NULL, 0);
    if (builder.failed)
        fault_at(faults, path, NULL, "cannot read it: %s", strerror(ENOMEM));
    else if (faults->count == before)
        check_whole(ret_text, faults);
    return faults->count == before ? 0 : -1;
}

char *settings_text_value(const char *value, struct err *ret_err)
{
    struct settings_text out = {.n_lines = 0};
    struct builder builder = {.out = &out};
    const char *rest = value, *at;
    unsigned line = 1;
    size_t n;
    enum item item;

    if (scan_fault(&rest, ret_err))
        return NULL;
    put(&builder, "v = ", 4, "", &line);
    do {
        item = scan_item(value, &at, &n);
        put(&builder, value, (size_t)(at - value), "", &line);
        if (item == ITEM_NUMBER)
            put_number(&builder, scan_number(at), "", &line);
        else
            put(&builder, at, n, "", &line);
        value = at + n;
    } while (item != ITEM_END && item != ITEM_INCLUDE);
    put(&builder, "\n;", 2, "", &line);
    free(out.lines);
    if (!builder.failed && item == ITEM_END)
        return out.text;
    free(out.text);
    err_set(ret_err, "%s", builder.failed ? strerror(ENOMEM) : "a value cannot include files");
    return NULL;
}

const char *settings_text_place(const struct settings_text *text, unsigned line, char *where,
                                size_t size)
{
    const struct text_line *from =
        &text->lines[line == 0 || line - 1 > text->n_lines ? text->n_lines : line - 1];

    snprintf(where, size, "%s:%u", from->file, from->line);
    return where;
}

void settings_text_free(struct settings_text *text)
{
    for (size_t i = 0; i < text->n_files; i++)
        free(text->files[i]);
    free(text->files);
    free(text->lines);
    free(text->text);
    *text = (struct settings_text){.n_lines = 0};
}
