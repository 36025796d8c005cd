/* settings_helper.c - what the tests of the settings share. */
#include "settings_helper.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files in a directory of their own ---- */

char directory[] = "/tmp/test_settings.XXXXXX";

char conf[64], included[64];

int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(conf, sizeof(conf), "%s/echod.conf", directory);
    snprintf(included, sizeof(included), "%s/included.conf", directory);
    return 0;
}

int remove_directory(void **state)
{
    (void)state;
    unlink(conf);
    unlink(included);
    return rmdir(directory);
}

void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- a sink that keeps what is reported ---- */

struct kept kept[MANY];

struct faults faults;

void keep(void *arg, const struct fault *fault)
{
    struct kept *next = &kept[faults.count - 1];

    (void)arg;
    assert_true(faults.count <= MANY);
    snprintf(next->where, sizeof(next->where), "%s", fault->where ? fault->where : "");
    snprintf(next->setting, sizeof(next->setting), "%s", fault->setting ? fault->setting : "");
    snprintf(next->text, sizeof(next->text), "%s", fault->text);
}

struct settings *load_with(const char *text, const char *const *overrides)
{
    struct settings *settings = NULL;

    faults = (struct faults){.report = keep};
    write_file(conf, text);
    if (settings_load(conf, overrides, &faults, &settings) < 0) {
        assert_null(settings); /* untouched */
        assert_int_not_equal(faults.count, 0);
    } else {
        assert_non_null(settings);
    }
    if (faults.count == 0)
        return settings;
    settings_free(settings); /* fit for further checks, but not to be put in force */
    return NULL;
}

struct settings *good_with(const char *text, const char *const *overrides)
{
    struct settings *settings = load_with(text, overrides);

    if (!settings)
        fail_msg("%s: %s: %s", kept[0].where, kept[0].setting, kept[0].text);
    return settings;
}

struct settings *good(const char *text)
{
    return good_with(text, no_overrides);
}

/* "LINE: SETTING: words" for each fault, in any order; a place without a number is as it is. */
static bool is_fault(const struct kept *fault, const char *wanted)
{
    char line[1024];
    size_t length;

    if (strncmp(fault->where, conf, strlen(conf)) == 0 && fault->where[strlen(conf)] == ':')
        length = (size_t)snprintf(line, sizeof(line), "%s: %s: ", fault->where + strlen(conf) + 1,
                                  fault->setting);
    else
        length = (size_t)snprintf(line, sizeof(line), "%s: %s: ", fault->where, fault->setting);
    return strncmp(wanted, line, length) == 0 && strstr(fault->text, wanted + length);
}

void assert_fault(const char *wanted)
{
    for (unsigned i = 0; i < faults.count; i++)
        if (is_fault(&kept[i], wanted))
            return;
    for (unsigned i = 0; i < faults.count; i++)
        print_error("reported: %s: %s: %s\n", kept[i].where, kept[i].setting, kept[i].text);
    fail_msg("not reported: %s", wanted);
}

void assert_faults_with(const char *text, const char *const *overrides, size_t n,
                        const char *const *wanted)
{
    assert_null(load_with(text, overrides));
    for (size_t i = 0; i < n; i++)
        assert_fault(wanted[i]);
    assert_int_equal(faults.count, n);
}

void assert_bad_override(const char *text, const char *override, const char *wanted)
{
    const char *const overrides[] = {override, NULL};

    assert_faults_with(text, overrides, 1, &wanted);
}
