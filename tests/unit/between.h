/*
 * between.h - assert_between(value, min, max): the value is at least `min` and at most `max`, or
 * the test fails and tells all three. cmocka 2.0 deprecates assert_in_range(), and 1.1 has nothing
 * else. They are compared as numbers with a sign, so a difference below 0 is told as one.
 */
#ifndef ECHOD_BETWEEN_H
#define ECHOD_BETWEEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_between(value, min, max)                                                            \
    do {                                                                                           \
        const long long value_ = (long long)(value), min_ = (long long)(min),                      \
                        max_ = (long long)(max);                                                   \
                                                                                                   \
        if (value_ < min_ || value_ > max_)                                                        \
            fail_msg("%s is %lld, and not between %lld and %lld", #value, value_, min_, max_);     \
    } while (0)

#endif
