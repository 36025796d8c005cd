/* settings_numbers.c - whole numbers that libconfig 1.5 would cut to 32 bits. */
#include "settings_numbers.h"

#include "settings_rows.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may stand in a name or a number (libconfig's manual, 4: the grammar). */
static size_t word_length(const char *text)
{
    size_t n = 0;

    while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr("-+._*", text[n])))
        n++;
    return n;
}

/* The length of the text or comment that begins here, or 0. */
static size_t quoted_length(const char *text)
{
    size_t n = 1;
    const char *end;

    if (text[0] == '"') {
        while (text[n] != '\0' && text[n] != '"')
            n += text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
        return text[n] == '"' ? n + 1 : n;
    }
    if (text[0] == '#' || (text[0] == '/' && text[1] == '/'))
        return strcspn(text, "\n");
    if (text[0] != '/' || text[1] != '*')
        return 0;
    end = strstr(text + 2, "*/");
    return end ? (size_t)(end - text) + 2 : strlen(text);
}

static bool is_cut(const char *word)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(word, &end, strncasecmp(word, "0x", 2) == 0 ? 16 : 10);
    return *end == '\0' && (errno == ERANGE || value > INT32_MAX || value < INT32_MIN);
}

static void skip(struct number_scan *scan, size_t n)
{
    for (; n > 0; n--)
        if (*scan->at++ == '\n')
            scan->line++;
}

/* Names before a brace open a group; only those of the tables are worth telling. */
static void take_mark(struct number_scan *scan, char mark)
{
    if (mark == '{' && (table_has_group(&listener_table, scan->name) ||
                        table_has_group(&global_table, scan->name)))
        memcpy(scan->group, scan->name, sizeof(scan->group));
    else if (mark == '{' || mark == '}')
        scan->group[0] = '\0';
}

int number_scan_next(struct number_scan *scan)
{
    while (*scan->at != '\0') {
        size_t quoted = quoted_length(scan->at), word = word_length(scan->at);
        char text[sizeof(scan->name)];

        snprintf(text, sizeof(text), "%.*s", (int)word, scan->at);
        if (quoted == 0 && word == 0)
            take_mark(scan, *scan->at);
        else if (quoted == 0 && isalpha((unsigned char)text[0]))
            memcpy(scan->name, text, sizeof(text));
        skip(scan, quoted > 0 ? quoted : word > 0 ? word : 1);
        if (quoted == 0 && word > 0 && !isalpha((unsigned char)text[0]) && is_cut(text)) {
            memcpy(scan->number, text, sizeof(text));
            return 1;
        }
    }
    return 0;
}
