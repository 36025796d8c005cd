/*
 * histogram.h - latencies in fixed memory: count, mean and any quantile with less than 1 % error.
 *
 * A histogram whose buckets grow with the value, 128 to each doubling, as HdrHistogram has them.
 */
#ifndef ECHOD_ECHOC_HISTOGRAM_H
#define ECHOD_ECHOC_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 128      /* buckets to a doubling: the error is below 1 in 128 */
#define HISTOGRAM_DOUBLINGS 32 /* after the first 2 * HISTOGRAM_SUB values: up to 549 s */
#define HISTOGRAM_BUCKETS (HISTOGRAM_SUB * (HISTOGRAM_DOUBLINGS + 2))

/* Zero-initialise it. Values are nanoseconds. */
struct histogram {
    uint64_t count;
    uint64_t min, max;
    double sum, squares;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Count one value. A value beyond the range counts as the largest in it, but `max` is exact. */
void histogram_add(struct histogram *hist, uint64_t value);

/* Count all that `from` has counted. */
void histogram_merge(struct histogram *hist, const struct histogram *from);

/* The value that a share `q` (0 to 1) of all values does not exceed; 0 without values. */
uint64_t histogram_quantile(const struct histogram *hist, double q);

/* How many values are smaller than `value`, to the precision of the buckets. */
double histogram_count_below(const struct histogram *hist, uint64_t value);

/* The arithmetic mean, and the standard deviation that ping(8) calls mdev; 0 without values. */
double histogram_mean(const struct histogram *hist);
double histogram_mdev(const struct histogram *hist);

#endif
