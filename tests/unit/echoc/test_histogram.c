/* test_histogram.c - latencies in fixed memory, against the samples themselves. */
#include "echoc/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N 20000
#define USEC UINT64_C(1000)
#define SEC UINT64_C(1000000000)

static uint64_t samples[N];
static struct histogram hist, other; /* too large for a stack that is not ours alone */

static uint64_t random_state;

/* 0 to below 1, the same ones every time. */
static double draw(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(random_state >> 11) * 0x1p-53;
}

/* The distributions: what a network looks like, and what it does not. */

static uint64_t uniform(size_t i)
{
    (void)i;
    return USEC + (uint64_t)(draw() * (double)SEC);
}

/* Every order of magnitude from 1 us to 100 s alike. */
static uint64_t logarithmic(size_t i)
{
    (void)i;
    return (uint64_t)(1e3 * pow(1e8, draw()));
}

static uint64_t exponential(size_t i)
{
    (void)i;
    return USEC + (uint64_t)(-200e3 * log(1 - draw()));
}

/* Mostly fast, some of it a timeout away. */
static uint64_t two_peaks(size_t i)
{
    return i % 50 == 0 ? 3 * SEC + (uint64_t)(draw() * 1e6) : 40 * USEC + (uint64_t)(draw() * 1e4);
}

static uint64_t constant(size_t i)
{
    (void)i;
    return 123456789;
}

static uint64_t small(size_t i)
{
    return i % 400;
}

static uint64_t (*const distributions[])(size_t) = {uniform,   logarithmic, exponential,
                                                    two_peaks, constant,    small};
#define N_DISTRIBUTIONS (sizeof(distributions) / sizeof(*distributions))

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void clear(struct histogram *cleared)
{
    memset(cleared, 0, sizeof(*cleared));
}

/* Fill `hist` and the samples, which are then sorted. */
static void fill(uint64_t (*distribution)(size_t))
{
    random_state = 1;
    clear(&hist);
    for (size_t i = 0; i < N; i++) {
        samples[i] = distribution(i);
        histogram_add(&hist, samples[i]);
    }
    qsort(samples, N, sizeof(samples[0]), compare);
}

static void assert_near(uint64_t value, uint64_t wanted, double share)
{
    double difference = fabs((double)value - (double)wanted);

    if (difference > share * (double)wanted)
        fail_msg("%llu is not within %g of %llu", (unsigned long long)value, share,
                 (unsigned long long)wanted);
}

static void quantiles_are_within_one_percent(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DISTRIBUTIONS; d++) {
        fill(distributions[d]);
        for (unsigned permille = 1; permille <= 1000; permille++) {
            size_t rank = (size_t)ceil(permille / 1000.0 * N);

            assert_near(histogram_quantile(&hist, permille / 1000.0), samples[rank - 1], 0.01);
        }
        assert_near(histogram_quantile(&hist, 0.9999), samples[N - N / 10000 - 1], 0.01);
    }
}

/* One value alone, so that the ends of the buckets are met as well as their middles. */
static void every_value_is_within_one_percent(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < 100 * SEC; value += 1 + value / 700) {
        clear(&hist);
        histogram_add(&hist, 0); /* min and max must not do the work of the buckets */
        histogram_add(&hist, value);
        histogram_add(&hist, UINT64_MAX);
        assert_near(histogram_quantile(&hist, 0.5), value, 0.01);
    }
}

static void quantiles_never_fall(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DISTRIBUTIONS; d++) {
        uint64_t before = 0;

        fill(distributions[d]);
        for (double q = 0; q <= 1; q += 1.0 / 1024) {
            assert_true(histogram_quantile(&hist, q) >= before);
            before = histogram_quantile(&hist, q);
        }
        assert_true(histogram_quantile(&hist, 0) >= hist.min);
        assert_true(before <= hist.max);
    }
}

static void min_and_max_are_exact(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DISTRIBUTIONS; d++) {
        fill(distributions[d]);
        assert_int_equal(hist.count, N);
        assert_int_equal(hist.min, samples[0]);
        assert_int_equal(hist.max, samples[N - 1]);
    }
}

/* In two passes and more digits than histogram.c has. */
static double exact_mdev(long double mean)
{
    long double squares = 0;

    for (size_t i = 0; i < N; i++)
        squares += ((long double)samples[i] - mean) * ((long double)samples[i] - mean);
    return (double)sqrtl(squares / N);
}

static void mean_and_mdev_are_exact(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DISTRIBUTIONS; d++) {
        long double sum = 0;

        fill(distributions[d]);
        for (size_t i = 0; i < N; i++)
            sum += (long double)samples[i];
        assert_true(fabs(histogram_mean(&hist) - (double)(sum / N)) <= 1e-9 * (double)(sum / N));
        /* less than a millionth of the mean is lost where all values are nearly the same */
        assert_true(fabs(histogram_mdev(&hist) - exact_mdev(sum / N)) <= 1e-6 * (double)(sum / N));
    }
}

static void mdev_is_that_of_all_values(void **state)
{
    (void)state;
    clear(&hist);
    histogram_add(&hist, 1000);
    assert_true(histogram_mdev(&hist) == 0);
    histogram_add(&hist, 3000);
    assert_true(histogram_mean(&hist) == 2000);
    assert_true(histogram_mdev(&hist) == 1000);
}

static void empty_is_zero(void **state)
{
    (void)state;
    clear(&hist);
    assert_int_equal(histogram_quantile(&hist, 0), 0);
    assert_int_equal(histogram_quantile(&hist, 0.5), 0);
    assert_int_equal(histogram_quantile(&hist, 1), 0);
    assert_true(histogram_mean(&hist) == 0);
    assert_true(histogram_mdev(&hist) == 0);
    assert_true(histogram_count_below(&hist, UINT64_MAX) == 0);
}

static void one_value_is_all_quantiles(void **state)
{
    (void)state;
    clear(&hist);
    histogram_add(&hist, 123456789);
    assert_int_equal(histogram_quantile(&hist, 0), 123456789);
    assert_int_equal(histogram_quantile(&hist, 0.5), 123456789);
    assert_int_equal(histogram_quantile(&hist, 1), 123456789);
}

/* ---- merging ---- */

static void merging_is_adding(void **state)
{
    static struct histogram merged, third;

    (void)state;
    for (size_t d = 0; d < N_DISTRIBUTIONS; d++) {
        fill(distributions[d]);
        clear(&merged), clear(&other), clear(&third);
        for (size_t i = 0; i < N; i++)
            histogram_add(i % 3 == 0 ? &merged : i % 3 == 1 ? &other : &third, samples[i]);
        histogram_merge(&merged, &other);
        histogram_merge(&merged, &third);
        assert_int_equal(merged.count, hist.count);
        assert_int_equal(merged.min, hist.min);
        assert_int_equal(merged.max, hist.max);
        assert_memory_equal(merged.buckets, hist.buckets, sizeof(hist.buckets));
        /* the order in which doubles are added up shows in their last digits */
        assert_true(fabs(histogram_mean(&merged) - histogram_mean(&hist)) <=
                    1e-9 * histogram_mean(&hist));
        assert_true(fabs(merged.squares - hist.squares) <= 1e-9 * hist.squares);
    }
}

static void merging_nothing_changes_nothing(void **state)
{
    (void)state;
    fill(logarithmic);
    other = hist;
    clear(&hist);
    histogram_merge(&other, &hist);
    histogram_merge(&hist, &other); /* and what is empty becomes the same */
    assert_int_equal(other.count, N);
    assert_int_equal(other.min, samples[0]);
    assert_memory_equal(&hist, &other, sizeof(hist));
}

/* ---- the range ---- */

static void values_beyond_the_range_are_counted(void **state)
{
    static const uint64_t beyond[] = {UINT64_C(1) << 41, UINT64_C(1) << 63, UINT64_MAX};

    (void)state;
    clear(&hist);
    for (size_t i = 0; i < 3; i++)
        histogram_add(&hist, beyond[i]);
    assert_int_equal(hist.count, 3);
    assert_int_equal(hist.min, beyond[0]);
    assert_int_equal(hist.max, UINT64_MAX);
    assert_true(histogram_quantile(&hist, 0.5) >= beyond[0]);
    histogram_add(&hist, USEC);
    histogram_add(&hist, USEC);
    histogram_add(&hist, USEC);
    assert_near(histogram_quantile(&hist, 0.5), USEC, 0.01);
    assert_true(histogram_quantile(&hist, 1) > 500 * SEC); /* the largest in the range */
}

/* ---- histogram_count_below ---- */

static size_t count_below(uint64_t value)
{
    size_t n = 0;

    while (n < N && samples[n] < value)
        n++;
    return n;
}

/* Values in the same bucket are not told apart; it is narrower than 1 %. */
static void count_below_is_as_exact_as_the_buckets(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DISTRIBUTIONS; d++) {
        fill(distributions[d]);
        for (uint64_t value = 1; value < 200 * SEC; value += 1 + value / 7) {
            double below = histogram_count_below(&hist, value);

            assert_true(below <= (double)count_below(value));
            assert_true(below >= (double)count_below(value - value / 100));
        }
    }
}

static void count_below_is_exact_for_small_values(void **state)
{
    (void)state;
    fill(small);
    assert_true(histogram_count_below(&hist, 0) == 0);
    assert_true(histogram_count_below(&hist, 1) == N / 400);
    assert_true(histogram_count_below(&hist, 200) == N / 2);
    assert_true(histogram_count_below(&hist, 400) == N);
    assert_true(histogram_count_below(&hist, UINT64_MAX) == N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_one_percent),
        cmocka_unit_test(every_value_is_within_one_percent),
        cmocka_unit_test(quantiles_never_fall),
        cmocka_unit_test(min_and_max_are_exact),
        cmocka_unit_test(mean_and_mdev_are_exact),
        cmocka_unit_test(mdev_is_that_of_all_values),
        cmocka_unit_test(empty_is_zero),
        cmocka_unit_test(one_value_is_all_quantiles),
        cmocka_unit_test(merging_is_adding),
        cmocka_unit_test(merging_nothing_changes_nothing),
        cmocka_unit_test(values_beyond_the_range_are_counted),
        cmocka_unit_test(count_below_is_as_exact_as_the_buckets),
        cmocka_unit_test(count_below_is_exact_for_small_values),
    };

    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
