/* guard.c - what calls libconfig comes back from it. */
#include "settings/guard.h"

#include <libconfig.h>

#ifdef HAVE_CONFIG_SET_FATAL_ERROR_FUNC

#include <setjmp.h>

static jmp_buf way_out; /* one thread loads one file at a time */

/*
 * It must not return, or libconfig would use the memory that it has not got. The locale C, in which
 * libconfig reads numbers, stays in force: echod knows no other.
 */
static void leave(const char *message)
{
    (void)message; /* it is always that of a failed allocation */
    longjmp(way_out, 1);
}

int guard_libconfig(void (*work)(void *arg), void *arg)
{
    if (setjmp(way_out) != 0) {
        config_set_fatal_error_func(NULL);
        return -1;
    }
    config_set_fatal_error_func(leave);
    work(arg);
    config_set_fatal_error_func(NULL);
    return 0;
}

#else

int guard_libconfig(void (*work)(void *arg), void *arg)
{
    work(arg);
    return 0;
}

#endif
