/*
 * deadline.h - "until when", on the monotonic clock.
 *
 * A handshake and a session have one deadline in total, set when they begin; a peer that trickles
 * bytes does not postpone it. Idle time begins again with each byte of data.
 */
#ifndef ECHOD_BASE_DEADLINE_H
#define ECHOD_BASE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* A moment in microseconds of CLOCK_MONOTONIC; DEADLINE_NEVER is later than all others. */
typedef uint64_t deadline_t;
#define DEADLINE_NEVER UINT64_MAX

/* The time now, in microseconds of CLOCK_MONOTONIC. */
uint64_t now_usec(void);

/* The same clock in nanoseconds, for measuring. */
uint64_t now_nsec(void);

/* The moment `usec` microseconds from now; 0 means never, as in the settings. */
deadline_t deadline_in(uint64_t usec);

/* Whether the moment has come. Does not read the clock for DEADLINE_NEVER. */
bool deadline_passed(deadline_t deadline);

/* Microseconds left: 0 once passed, UINT64_MAX for never. */
uint64_t deadline_left_usec(deadline_t deadline);

/* Milliseconds left, as poll(2) takes them: rounded up, 0 once passed, -1 for never. */
int deadline_poll_msec(deadline_t deadline);

#endif
