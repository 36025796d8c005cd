/* dump.c - writes the settings in force, as a file that loads to the same settings. */
#include "settings/schema.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* libconfig's manual, 3.8, lists what must be escaped in a text. */
static void print_text(const char *text, FILE *file)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\')
            fprintf(file, "\\%c", byte);
        else if (byte == '\n')
            fputs("\\n", file);
        else if (byte < 0x20 || byte == 0x7f)
            fprintf(file, "\\x%02x", byte);
        else
            fputc(byte, file);
    }
    fputc('"', file);
}

/* Whole seconds as such, else with as many decimals as it takes. */
static void print_seconds(uint64_t usec, FILE *file)
{
    char decimals[8];
    size_t n;

    fprintf(file, "%" PRIu64, usec / USEC_PER_SEC);
    if (usec % USEC_PER_SEC == 0)
        return;
    snprintf(decimals, sizeof(decimals), "%06" PRIu64, usec % USEC_PER_SEC);
    for (n = strlen(decimals); decimals[n - 1] == '0'; n--)
        ;
    fprintf(file, ".%.*s", (int)n, decimals);
}

static void print_networks(const struct cidrs *networks, FILE *file)
{
    char text[CIDR_TEXT_MAX];

    fputc('[', file);
    for (size_t i = 0; i < networks->n; i++)
        fprintf(file, "%s\"%s\"", i == 0 ? " " : ", ", cidr_format(&networks->list[i], text));
    fputs(" ]", file);
}

static void print_texts(const struct strings *texts, FILE *file)
{
    fputc('[', file);
    for (size_t i = 0; i < texts->n; i++) {
        fputs(i == 0 ? " " : ", ", file);
        print_text(texts->list[i], file);
    }
    fputs(" ]", file);
}

static void print_groups(const struct setting *row, const struct groups *groups, FILE *file);

static const char *word_of(const struct choice *choices, int value)
{
    while (choices->value != value)
        choices++;
    return choices->word;
}

static void print_value(const struct setting *row, const void *field, FILE *file)
{
    switch (row->kind) {
    case KIND_BOOL:
        fputs(*(const bool *)field ? "true" : "false", file);
        break;
    case KIND_INT:
        fprintf(file, "%d", *(const int *)field);
        break;
    case KIND_BYTES: /* a number beyond 32 bits needs its L */
        fprintf(file, "%" PRId64 "%s", *(const int64_t *)field,
                *(const int64_t *)field > INT_MAX ? "L" : "");
        break;
    case KIND_SECONDS:
        print_seconds(*(const uint64_t *)field, file);
        break;
    case KIND_STRING:
    case KIND_PATH:
        print_text(*(const char *const *)field, file);
        break;
    case KIND_CHOICE:
        print_text(word_of(row->choices, *(const int *)field), file);
        break;
    case KIND_STRINGS:
        print_texts(field, file);
        break;
    case KIND_CIDRS:
        print_networks(field, file);
        break;
    case KIND_GROUPS:
        print_groups(row, field, file);
        break;
    }
}

static bool is_unset(const struct setting *row, const void *field)
{
    return (row->kind == KIND_STRING || row->kind == KIND_PATH) && !*(const char *const *)field;
}

static void print_element(const struct table *table, const char *element, FILE *file)
{
    fputs(" {", file);
    for (size_t i = 0; i < table->n; i++) {
        const struct setting *row = &table->rows[i];

        if (is_unset(row, element + row->offset))
            continue;
        fprintf(file, " %s = ", row->name);
        print_value(row, element + row->offset, file);
        fputc(';', file);
    }
    fputs(" }", file);
}

static void print_groups(const struct setting *row, const struct groups *groups, FILE *file)
{
    fputc('(', file);
    for (size_t i = 0; i < groups->n; i++) {
        fputs(i == 0 ? "" : ",", file);
        print_element(row->elements, (const char *)groups->list + i * row->elements->size, file);
    }
    fputs(" )", file);
}

/* Print the rows of one table; the rows of a group stand together in its braces. */
static void print_table(const struct table *table, const void *base, const char *indent, FILE *file)
{
    size_t open = 0; /* length of the name of the group that is open */

    for (size_t i = 0; i < table->n; i++) {
        const struct setting *row = &table->rows[i];
        const void *field = (const char *)base + row->offset;
        const char *dot = strchr(row->name, '.');
        size_t group = dot ? (size_t)(dot - row->name) : 0;
        bool unset;

        if (open != 0 && group == 0)
            fprintf(file, "%s};\n", indent);
        if (open == 0 && group != 0)
            fprintf(file, "%s%.*s = {\n", indent, (int)group, row->name);
        open = group;
        fprintf(file, "%s%s# %s\n", indent, group ? "    " : "", row->help);
        unset = is_unset(row, field);
        fprintf(file, "%s%s%s%s = ", indent, group ? "    " : "", unset ? "# " : "",
                dot ? dot + 1 : row->name);
        if (!unset)
            print_value(row, field, file);
        fputs(";\n", file);
    }
    if (open != 0)
        fprintf(file, "%s};\n", indent);
}

void settings_dump(const struct settings *settings, FILE *file)
{
    print_table(&global_table, settings, "", file);
    fputs("listeners = (\n", file);
    for (size_t i = 0; i < settings->n_listeners; i++) {
        fputs("    {\n", file);
        print_table(&listener_table, &settings->listeners[i], "        ", file);
        fprintf(file, "    }%s\n", i + 1 < settings->n_listeners ? "," : "");
    }
    fputs(");\n", file);
}
