/*
 * hist.h - latencies in fixed memory: count, mean and any quantile with less than 1 % error.
 *
 * A histogram whose buckets grow with the value, 128 to each doubling, as HdrHistogram has them.
 */
#ifndef ECHOD_HIST_H
#define ECHOD_HIST_H

#include <stdint.h>

#define HIST_SUB 128      /* buckets to a doubling: the error is below 1 in 128 */
#define HIST_DOUBLINGS 32 /* beyond the first 2 * HIST_SUB values: up to 2^39 ns = 549 s */
#define HIST_BUCKETS (HIST_SUB * (HIST_DOUBLINGS + 2))

/* Zero-initialise it. Values are nanoseconds. */
struct hist {
    uint64_t count;
    uint64_t min, max;
    double sum, squares;
    uint64_t buckets[HIST_BUCKETS];
};

/* Count one value; one beyond the range counts as the largest in it, but `max` has it exactly. */
void hist_add(struct hist *hist, uint64_t value);

/* Count all that `from` has counted. */
void hist_merge(struct hist *hist, const struct hist *from);

/* The value that a share `q` of 0 to 1 of all values do not exceed; 0 where there are none. */
uint64_t hist_quantile(const struct hist *hist, double q);

/* How many values are smaller than `value`, as exactly as the buckets are. */
double hist_count_below(const struct hist *hist, uint64_t value);

/* The arithmetic mean, and the standard deviation that ping(8) calls mdev; 0 without values. */
double hist_mean(const struct hist *hist);
double hist_mdev(const struct hist *hist);

#endif
