/*
 * limits.h - the numbers that several modules must agree on.
 */
#ifndef ECHOD_BASE_LIMITS_H
#define ECHOD_BASE_LIMITS_H

#include <limits.h>

/* Clients at a time, of all listeners: the most that max_clients can be. */
#define CLIENTS_MAX 65536

/* Names of listeners, of all settings since the start: what is counted for them outlives a reload.
 */
#define LISTENERS_MAX 4096

/* Bytes in the name of a listener, with its NUL. */
#define LISTENER_NAME_MAX 64

/* Bytes of the place of a setting, "FILE:LINE", with its NUL. */
#define PLACE_MAX (PATH_MAX + 16)

#endif
