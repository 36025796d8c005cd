/* settings_text.c - the text of a configuration, as libconfig is to parse it. */
#include "settings_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 10 /* of files that include files, as libconfig has it */
#define PATH_LIMIT 4096

struct text_line {
    const char *file;
    unsigned line;
};

/* ---- finding the items that need care ---- */

enum item { ITEM_END, ITEM_NUMBER, ITEM_TEXT, ITEM_INCLUDE };

/* What may stand in a name or a number (libconfig's manual, 4: the grammar). */
static size_t word_length(const char *text)
{
    size_t n = 0;

    while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr("-+._*", text[n])))
        n++;
    return n;
}

/* The length of the quoted text that begins here, or 0 where nothing ends it. */
static size_t quoted_length(const char *text)
{
    size_t n = 1;

    while (text[n] != '\0' && text[n] != '"')
        n += text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
    return text[n] == '"' ? n + 1 : 0;
}

/* The same of a comment that begins with a slash and a star. */
static size_t comment_length(const char *text)
{
    const char *end = strstr(text + 2, "*/");

    return end ? (size_t)(end - text) + 2 : 0;
}

static bool begins_comment(const char *text)
{
    return text[0] == '/' && text[1] == '*';
}

/* The length of the quoted text or comment that begins here, or 0; what nothing ends goes on to the
 * end. */
static size_t opaque_length(const char *text)
{
    size_t n;

    if (text[0] == '#' || (text[0] == '/' && text[1] == '/'))
        return strcspn(text, "\n");
    if (text[0] != '"' && !begins_comment(text))
        return 0;
    n = text[0] == '"' ? quoted_length(text) : comment_length(text);
    return n ? n : strlen(text);
}

/* A quoted text or comment that nothing ends, or NULL: libconfig drops it, and does not tell. */
static const char *find_endless(const char *text)
{
    for (size_t opaque; *text != '\0'; text += opaque ? opaque : 1) {
        opaque = opaque_length(text);
        if ((text[0] == '"' && quoted_length(text) == 0) ||
            (begins_comment(text) && comment_length(text) == 0))
            return text;
    }
    return NULL;
}

/* The length of the blanks and comments that begin here. */
static size_t gap_length(const char *text)
{
    static const char blanks[] = " \t\r\n\f";
    size_t n = strspn(text, blanks), comment;

    while (text[n] != '"' && (comment = opaque_length(text + n)) > 0)
        n += comment + strspn(text + n + comment, blanks);
    return n;
}

/* Whether a quoted text of `n` bytes begins here that is an element of a list, or its last word. */
static bool is_listed(const char *text, size_t n)
{
    const char *after = text + n;

    if (text[0] != '"')
        return false;
    after += gap_length(after);
    return *after != '\0' && strchr(",])", *after);
}

/* The length of `@include "PATH"`, or 0. */
static size_t include_length(const char *text)
{
    size_t blank, quoted;

    if (strncmp(text, "@include", 8) != 0)
        return 0;
    blank = strspn(text + 8, " \t");
    quoted = text[8 + blank] == '"' ? opaque_length(text + 8 + blank) : 0;
    return blank > 0 && quoted > 0 ? 8 + blank + quoted : 0;
}

static bool needs_l(const char *word, size_t n)
{
    char text[64], *end;
    long long value;

    if (n >= sizeof(text) || isalpha((unsigned char)word[0]))
        return false;
    memcpy(text, word, n);
    text[n] = '\0';
    value = strtoll(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
    return *end == '\0' && (value > INT32_MAX || value < INT32_MIN);
}

/* The next item in `text`: where it begins, and its length. */
static enum item find_item(const char *text, const char **ret_begin, size_t *ret_n)
{
    for (*ret_begin = text; **ret_begin != '\0'; *ret_begin += *ret_n) {
        const char *at = *ret_begin;
        size_t opaque = opaque_length(at), include = include_length(at), word = word_length(at);

        *ret_n = opaque ? opaque : include ? include : word ? word : 1;
        if (opaque > 0 && is_listed(at, opaque))
            return ITEM_TEXT;
        if (opaque == 0 && include > 0)
            return ITEM_INCLUDE;
        if (opaque == 0 && needs_l(at, word))
            return ITEM_NUMBER;
    }
    *ret_n = 0;
    return ITEM_END;
}

/* ---- putting the text together ---- */

/* The text so far; `failed` once memory has run out, when everything else is a no-op. */
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

/* The line that is being written comes from here. */
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

/* Kept until the whole is freed, as lines point to it. */
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

/* Returns the whole file, or NULL with errno; EILSEQ for one that is no text. */
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

/* "PATH" of an @include, as seen from the file that has it. */
static void included_path(const char *including, const char *include, size_t n, char *path)
{
    const char *begin = memchr(include, '"', n), *slash = strrchr(including, '/');
    int length = (int)(include + n - begin) - 2;

    begin++;
    if (begin[0] == '/' || !slash)
        snprintf(path, PATH_LIMIT, "%.*s", length, begin);
    else
        snprintf(path, PATH_LIMIT, "%.*s/%.*s", (int)(slash - including), including, length, begin);
}

/* Put what follows a text in a list right behind it. Returns how much of `text` it has put. */
static size_t put_listed(struct builder *builder, const char *text, size_t n, const char *file,
                         unsigned *line)
{
    size_t gap = gap_length(text + n);

    put(builder, text, n, file, line);
    put(builder, text + n + gap, 1, file, line);
    put(builder, text + n, gap, file, line);
    return n + gap + 1;
}

static void put_file(struct builder *builder, const char *path, const char *where, int depth);

static void put_text(struct builder *builder, const char *text, const char *file, int depth)
{
    unsigned line = 1;
    const char *at;
    size_t n;
    enum item item;

    begin_line(builder, file, line);
    do {
        item = find_item(text, &at, &n);
        put(builder, text, (size_t)(at - text), file, &line);
        text = at + n;
        if (item == ITEM_NUMBER) {
            put(builder, at, n, file, &line);
            put(builder, "L", 1, file, &line);
        } else if (item == ITEM_TEXT) {
            text = at + put_listed(builder, at, n, file, &line);
        } else if (item == ITEM_INCLUDE) {
            char path[PATH_LIMIT], where[PATH_LIMIT + 16];

            snprintf(where, sizeof(where), "%s:%u", file, line);
            included_path(file, at, n, path);
            put_file(builder, path, where, depth + 1);
            put(builder, "\n", 1, file, &line);
            begin_line(builder, file, --line);
        }
    } while (item != ITEM_END);
}

static void check_ends(struct builder *builder, const char *text, const char *path)
{
    const char *endless = find_endless(text);
    char where[PATH_LIMIT + 16];
    unsigned line = 1;

    if (!endless)
        return;
    for (const char *at = text; at < endless; at++)
        line += *at == '\n';
    snprintf(where, sizeof(where), "%s:%u", path, line);
    fault_at(builder->faults, where, NULL, "the %s that begins here does not end",
             *endless == '"' ? "text" : "comment");
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

int settings_text_read(const char *path, struct faults *faults, struct settings_text *ret_text)
{
    unsigned before = faults->count;
    struct builder builder = {.out = ret_text, .faults = faults};

    *ret_text = (struct settings_text){.n_lines = 0};
    put_file(&builder, path, NULL, 0);
    if (builder.failed)
        fault_at(faults, path, NULL, "cannot read it: %s", strerror(ENOMEM));
    return faults->count == before ? 0 : -1;
}

char *settings_text_widen(const char *text)
{
    struct settings_text out = {.n_lines = 0};
    struct faults none = {.count = 0};
    struct builder builder = {.out = &out, .faults = &none};
    unsigned line = 1;
    const char *at;
    size_t n;
    enum item item;

    do {
        item = find_item(text, &at, &n);
        put(&builder, text, (size_t)(at - text) + n, "", &line);
        if (item == ITEM_NUMBER)
            put(&builder, "L", 1, "", &line);
        else if (item == ITEM_INCLUDE)
            builder.failed = true;
        text = at + n;
    } while (item != ITEM_END);
    free(out.lines);
    if (!builder.failed)
        return out.text;
    free(out.text);
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
