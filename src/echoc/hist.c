/* hist.c - latencies in fixed memory. */
#include "echoc/hist.h"

#include <math.h>
#include <stddef.h>

/* The first 2 * HIST_SUB values have a bucket each; every doubling after them has HIST_SUB. */
static size_t bucket_of(uint64_t value)
{
    unsigned shift;
    size_t bucket;

    if (value < 2 * HIST_SUB)
        return (size_t)value;
    shift = 63u - (unsigned)__builtin_clzll(value / HIST_SUB);
    bucket = (size_t)shift * HIST_SUB + (size_t)(value >> shift);
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t value_of(size_t bucket)
{
    unsigned shift;

    if (bucket < 2 * HIST_SUB)
        return bucket;
    shift = (unsigned)(bucket / HIST_SUB) - 1;
    return ((uint64_t)(bucket - (size_t)shift * HIST_SUB) << shift) + (UINT64_C(1) << shift) / 2;
}

void hist_add(struct hist *hist, uint64_t value)
{
    if (hist->count == 0 || value < hist->min)
        hist->min = value;
    if (value > hist->max)
        hist->max = value;
    hist->count++;
    hist->sum += (double)value;
    hist->squares += (double)value * (double)value;
    hist->buckets[bucket_of(value)]++;
}

void hist_merge(struct hist *hist, const struct hist *from)
{
    if (from->count == 0)
        return;
    if (hist->count == 0 || from->min < hist->min)
        hist->min = from->min;
    if (from->max > hist->max)
        hist->max = from->max;
    hist->count += from->count;
    hist->sum += from->sum;
    hist->squares += from->squares;
    for (size_t i = 0; i < HIST_BUCKETS; i++)
        hist->buckets[i] += from->buckets[i];
}

static uint64_t clamp(const struct hist *hist, uint64_t value)
{
    if (value < hist->min)
        return hist->min;
    return value > hist->max ? hist->max : value;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    uint64_t wanted = (uint64_t)ceil(q * (double)hist->count), seen = 0;

    if (hist->count == 0)
        return 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen > 0 && seen >= wanted)
            return clamp(hist, value_of(i));
    }
    return hist->max;
}

double hist_count_below(const struct hist *hist, uint64_t value)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < bucket_of(value); i++)
        seen += hist->buckets[i];
    return (double)seen;
}

double hist_mean(const struct hist *hist)
{
    return hist->count == 0 ? 0 : hist->sum / (double)hist->count;
}

double hist_mdev(const struct hist *hist)
{
    double mean = hist_mean(hist), variance;

    if (hist->count == 0)
        return 0;
    variance = hist->squares / (double)hist->count - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}
