/*
 * notify.h - what the service manager is told (sd_notify(3)), without waiting for it.
 *
 * sd_notify() itself blocks once nobody reads the manager's socket.
 */
#ifndef ECHOD_BASE_NOTIFY_H
#define ECHOD_BASE_NOTIFY_H

/*
 * Send "NAME=VALUE" lines to $NOTIFY_SOCKET, if there is one. Where it takes nothing at once the
 * message is dropped: for STATUS= and WATCHDOG=, which come again.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, but it waits for a few seconds at most: for READY=1 and the like, which come once. */
void notify_once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
