/* deadline.c - "until when", on the monotonic clock. */
#include "base/deadline.h"

#include <limits.h>
#include <time.h>

uint64_t now_nsec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * USEC_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t now_usec(void)
{
    return now_nsec() / 1000;
}

deadline_t deadline_in(uint64_t usec)
{
    return usec == 0 ? DEADLINE_NEVER : now_usec() + usec;
}

bool deadline_passed(deadline_t deadline)
{
    return deadline != DEADLINE_NEVER && now_usec() >= deadline;
}

uint64_t deadline_left_usec(deadline_t deadline)
{
    uint64_t now;

    if (deadline == DEADLINE_NEVER)
        return UINT64_MAX;
    now = now_usec();
    return now < deadline ? deadline - now : 0;
}

int deadline_poll_msec(deadline_t deadline)
{
    uint64_t msec;

    if (deadline == DEADLINE_NEVER)
        return -1;
    msec = (deadline_left_usec(deadline) + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
    return msec > INT_MAX ? INT_MAX : (int)msec;
}
