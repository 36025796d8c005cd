/*
 * splitmix.h - splitmix64: every bit of the input changes about half of the output's, and no two
 * inputs have the same output.
 */
#ifndef ECHOD_BASE_SPLITMIX_H
#define ECHOD_BASE_SPLITMIX_H

#include <stdint.h>

static inline uint64_t splitmix64(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
