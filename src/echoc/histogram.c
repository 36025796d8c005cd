/* histogram.c - latencies in fixed memory. */
#include "echoc/histogram.h"

#include <math.h>
#include <stddef.h>

/* The first 2 * HISTOGRAM_SUB values have a bucket each; each doubling after that shares
 * HISTOGRAM_SUB. */
static size_t bucket_of(uint64_t value)
{
    unsigned shift;
    size_t bucket;

    if (value < 2 * HISTOGRAM_SUB)
        return (size_t)value;
    shift = 63u - (unsigned)__builtin_clzll(value / HISTOGRAM_SUB);
    bucket = (size_t)shift * HISTOGRAM_SUB + (size_t)(value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t bucket_value(size_t bucket)
{
    unsigned shift;

    if (bucket < 2 * HISTOGRAM_SUB)
        return bucket;
    shift = (unsigned)(bucket / HISTOGRAM_SUB) - 1;
    return ((uint64_t)(bucket - (size_t)shift * HISTOGRAM_SUB) << shift) +
           (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *hist, uint64_t value)
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

void histogram_merge(struct histogram *hist, const struct histogram *from)
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
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        hist->buckets[i] += from->buckets[i];
}

static uint64_t histogram_clamp(const struct histogram *hist, uint64_t value)
{
    if (value < hist->min)
        return hist->min;
    return value > hist->max ? hist->max : value;
}

uint64_t histogram_quantile(const struct histogram *hist, double q)
{
    uint64_t wanted = (uint64_t)ceil(q * (double)hist->count), seen = 0;

    if (hist->count == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen > 0 && seen >= wanted)
            return histogram_clamp(hist, bucket_value(i));
    }
    return hist->max;
}

double histogram_count_below(const struct histogram *hist, uint64_t value)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < bucket_of(value); i++)
        seen += hist->buckets[i];
    return (double)seen;
}

double histogram_mean(const struct histogram *hist)
{
    return hist->count == 0 ? 0 : hist->sum / (double)hist->count;
}

double histogram_mdev(const struct histogram *hist)
{
    double mean = histogram_mean(hist), variance;

    if (hist->count == 0)
        return 0;
    variance = hist->squares / (double)hist->count - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}
