/* err.c - error texts, and reports of faults. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *ret_err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(ret_err->text, sizeof(ret_err->text), fmt, args);
    va_end(args);
    return -1;
}

__attribute__((format(printf, 4, 0))) static void
report(struct faults *faults, const char *where, const char *setting, const char *fmt, va_list args)
{
    char text[512];
    const struct fault fault = {.where = where, .setting = setting, .text = text};

    vsnprintf(text, sizeof(text), fmt, args);
    faults->count++;
    faults->report(faults->arg, &fault);
}

void fault(struct faults *faults, const char *setting, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report(faults, NULL, setting, fmt, args);
    va_end(args);
}

void fault_at(struct faults *faults, const char *where, const char *setting, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report(faults, where, setting, fmt, args);
    va_end(args);
}
