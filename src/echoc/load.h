/*
 * load.h - the load generator's workers, and what they have measured. Private to echoc.
 *
 * A worker is a thread with its own connections, its own epoll(7) set and its own figures.
 */
#ifndef ECHOD_ECHOC_LOAD_H
#define ECHOD_ECHOC_LOAD_H

#include "echoc/echoc.h"

/* What can go wrong with a connection. */
enum trouble {
    TROUBLE_DIAL,    /* it could not be made */
    TROUBLE_TIMEOUT, /* an answer did not come in time */
    TROUBLE_BROKEN,  /* it ended while answers were due */
    TROUBLE_WRONG,   /* a byte came back that is not the one sent */
    TROUBLE_END,     /* it did not end in order, or more came back than was sent */
    TROUBLE_COUNT
};

/* The name of each in the report. */
extern const char *const trouble_names[TROUBLE_COUNT];

/* What was measured; adds up over workers. */
struct load_figures {
    uint64_t messages, bytes; /* that came back whole and right */
    uint64_t dialed, resumed;
    uint64_t troubles[TROUBLE_COUNT];
    struct err first[TROUBLE_COUNT]; /* the first of each kind in words */
    struct histogram latency, connect, handshake;
};

/* Add what `from` has to `to`. */
void load_figures_add(struct load_figures *to, const struct load_figures *from);

struct load_worker;

/* The times of a course: messages are sent from `begin` to `end` and count from `count` on. */
struct load_course {
    uint64_t begin_nsec, count_nsec, end_nsec;
};

/*
 * Start a thread with `n` connections, which sends `rate` messages a second in all (0 = as many as
 * are answered) and at the end waits for the answers that are due. Each worker has another
 * `number`. Returns 0, or -1 with *ret_err.
 */
int load_start(const struct echoc *echoc, int number, int n, double rate,
               const struct load_course *course, struct load_worker **ret_worker,
               struct err *ret_err);

/* Add the figures up to now to `to`. May be called while the worker runs. */
void load_look(struct load_worker *worker, struct load_figures *to);

/* Whether the worker still runs. */
bool load_running(struct load_worker *worker);

/* Wait for the worker to end, and free it. */
void load_join(struct load_worker *worker);

#endif
