/*
 * test_settings_memory.c - a load that memory runs out in is a fault, and harms nothing.
 *
 * Every allocation of a load is made to fail in turn: those of libconfig, which from 1.7.4 on can
 * be told what to do then, and our own.
 */
#include "settings_helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory that runs out ---- */

static struct {
    bool armed;
    bool once;     /* one allocation fails, and none after it */
    unsigned left; /* how many succeed before that */
    bool failed;
} memory;

#if defined(HAVE_CONFIG_SET_FATAL_ERROR_FUNC) && !defined(ECHOD_SANITIZED)

/* malloc(3)'s own, in glibc; a program's functions of these names go before those of glibc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool runs_out(void)
{
    if (!memory.armed || (memory.once && memory.failed))
        return false;
    if (memory.left > 0) {
        memory.left--;
        return false;
    }
    memory.failed = true;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return runs_out() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return runs_out() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return runs_out() ? NULL : __libc_realloc(old, size);
}

static const bool has_way_out = true;

#else

static const bool has_way_out = false;

#endif

/* ---- loads ---- */

static const char text[] = "port = 7007; max_bytes = 5000000000; # c\n"
                           "@include \"included.conf\"\n"
                           "tls = { alpn = [ \"a\", \"b\" ]; };\n"
                           "listeners = (\n"
                           "    { name = \"one\"; allow = [ \"::1\", \"127.0.0.0/8\" ]; },\n"
                           "    { name = \"two\" \" three\"; port = 7008; idle_timeout = 1.5; }\n"
                           ");\n";

static const char *const options[] = {"listeners.[1].deny=[ \"::2\" ]", "name=four", "backlog=5",
                                      NULL};

static char *print(const struct settings *settings)
{
    char *printed;
    size_t size;
    FILE *file = open_memstream(&printed, &size);

    assert_non_null(file);
    settings_dump(settings, file);
    assert_int_equal(fclose(file), 0);
    return printed;
}

static void assert_prints(const struct settings *settings, const char *wanted)
{
    char *printed = print(settings);

    assert_string_equal(printed, wanted);
    free(printed);
}

/* The settings, or NULL where there were faults. */
static struct settings *load_in_shortage(unsigned left, bool once)
{
    struct settings *settings = NULL;
    int result;

    faults = (struct faults){.report = keep};
    memory.left = left;
    memory.once = once;
    memory.failed = false;
    memory.armed = true;
    result = settings_load(conf, options, &faults, &settings);
    memory.armed = false;
    if (result < 0) {
        assert_null(settings);
        assert_int_not_equal(faults.count, 0);
    }
    if (faults.count == 0)
        return settings;
    settings_free(settings);
    return NULL;
}

static void assert_loads_survive(bool once)
{
    struct settings *in_force, *settings;
    unsigned n, refused = 0;
    char *printed;

    write_file(included, "log = { level = \"debug\"; };\n");
    in_force = good_with(text, options);
    printed = print(in_force);
    for (n = 0, memory.failed = true; memory.failed; n++) {
        settings = load_in_shortage(n, once);
        if (settings)
            assert_prints(settings, printed);
        refused += !settings;
        settings_free(settings);
        assert_prints(in_force, printed);
        settings = good_with(text, options);
        assert_prints(settings, printed);
        settings_free(settings);
    }
    assert_true(refused > 0);
    print_message("%u of %u loads were refused\n", refused, n);
    free(printed);
    settings_free(in_force);
}

static void a_load_without_memory_is_refused(void **state)
{
    (void)state;
    assert_loads_survive(false);
}

static void a_load_that_lacks_one_allocation_is_refused(void **state)
{
    (void)state;
    assert_loads_survive(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_without_memory_is_refused),
        cmocka_unit_test(a_load_that_lacks_one_allocation_is_refused),
    };

    if (!has_way_out) {
        print_message("skipped: libconfig is older than 1.7.4, or the sanitizers have malloc(3)\n");
        return 77;
    }
    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
