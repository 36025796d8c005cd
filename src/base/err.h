/*
 * err.h - how set-up code reports errors: one text for a failure, or one fault for each wrong
 * setting.
 *
 * The program treats trouble in three ways: a leaf returns it (here), the parent's loop logs it and
 * goes on (log.h), and only main() ends the process.
 */
#ifndef ECHOD_BASE_ERR_H
#define ECHOD_BASE_ERR_H

/* The reason of one failure, for the person who reads the log. */
struct err {
    char text[512];
};

/*
 * Fill ret_err with a printf-style text, cut to its size.
 * Returns -1 always, so that a failing function can `return err_set(...)`.
 */
int err_set(struct err *ret_err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One fault of one setting. All members belong to the reporter; copy them to keep them. */
struct fault {
    const char *where;   /* "FILE:LINE", "-o", or NULL where the reporter does not know */
    const char *setting; /* the name as the manual writes it, or NULL for the file itself */
    const char *text;    /* what is wrong, without a full stop */
};

/* A sink for faults: it gets every one of them, not just the first. */
struct faults {
    void (*report)(void *arg, const struct fault *fault);
    void *arg;
    unsigned count; /* how many were reported through this sink */
};

/* Report a fault of `setting`. The sink knows the place in the file better than the caller does. */
void fault(struct faults *faults, const char *setting, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, for a place that the caller knows. */
void fault_at(struct faults *faults, const char *where, const char *setting, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
