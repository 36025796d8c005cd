/* guard.c - leaves libconfig when it runs out of memory. */
#include "settings/guard.h"

#include <libconfig.h>

#ifdef HAVE_CONFIG_SET_FATAL_ERROR_FUNC

#include <setjmp.h>

static jmp_buf way_out; /* one thread loads one file at a time */

/*
 * The handler must not return, or libconfig would use memory that it has not got. The longjmp(3)
 * leaves the locale C in force, in which libconfig reads numbers: echod uses no other.
 */
static void leave(const char *message)
{
    (void)message; /* always that of a failed allocation */
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
