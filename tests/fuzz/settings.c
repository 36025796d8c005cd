/*
 * settings.c - libFuzzer: whatever a file says, either faults are reported, or what is printed of
 * it loads again and prints the same.
 *
 * The input: a line that is one -o; then the file.
 */
#include "settings/settings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

/* libconfig 1.5 leaks the texts that it had read, and those it was reading, at a syntax error. */
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\n"
           "leak:libconfig_yylex\n";
}

const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void count(void *arg, const struct fault *fault)
{
    (void)arg;
    demand(fault->text[0] != '\0');
}

/* A file in memory with these bytes. */
static int file_of(const void *data, size_t size, char *path, size_t path_size)
{
    int fd = memfd_create("settings", MFD_CLOEXEC);

    demand(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, path_size, "/proc/self/fd/%d", fd);
    return fd;
}

/* Returns the settings, or NULL where any fault was reported. */
static struct settings *load(const void *data, size_t size, const char *const *overrides)
{
    struct faults faults = {.report = count};
    struct settings *settings = NULL;
    char path[64];
    int fd = file_of(data, size, path, sizeof(path));

    if (settings_load(path, overrides, &faults, &settings) < 0)
        demand(!settings && faults.count > 0);
    close(fd);
    if (faults.count == 0)
        return settings;
    settings_free(settings);
    return NULL;
}

static char *print(const struct settings *settings, size_t *ret_size)
{
    char *text;
    FILE *file = open_memstream(&text, ret_size);

    demand(file != NULL);
    settings_dump(settings, file);
    demand(fclose(file) == 0);
    return text;
}

static void print_and_load(const struct settings *settings)
{
    static const char *const none[] = {NULL};
    struct settings *again;
    char *first, *second;
    size_t first_size, second_size;

    first = print(settings, &first_size);
    again = load(first, first_size, none);
    demand(again != NULL);
    second = print(again, &second_size);
    demand(first_size == second_size && memcmp(first, second, first_size) == 0);
    free(first);
    free(second);
    settings_free(again);
}

static size_t occurrences(const uint8_t *data, size_t size, const char *text)
{
    size_t length = strlen(text), n = 0;

    for (size_t i = 0; i + length <= size; i++)
        n += memcmp(data + i, text, length) == 0;
    return n;
}

/* No input may have files read: /dev/stdin would never end. An empty one and a missing one will do.
 */
static bool includes_files(const uint8_t *data, size_t size)
{
    return occurrences(data, size, "@include") !=
           occurrences(data, size, "@include \"/dev/null\"") +
               occurrences(data, size, "@include \"missing\"");
}

/* Returns how much of the input it takes, with the newline. */
static size_t take_override(const uint8_t *data, size_t size, char *override, size_t override_size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    size_t length = newline ? (size_t)(newline - data) : size;

    snprintf(override, override_size, "%.*s", (int)length, (const char *)data);
    return newline ? length + 1 : length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char override[512];
    const char *overrides[] = {override, NULL};
    struct settings *settings;
    size_t used;

    if (size == 0 || includes_files(data, size))
        return 0;
    used = take_override(data, size, override, sizeof(override));
    if (override[0] == '\0')
        overrides[0] = NULL;
    settings = load(data + used, size - used, overrides);
    if (settings)
        print_and_load(settings);
    settings_free(settings);
    return 0;
}
