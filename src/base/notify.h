/*
 * notify.h - messages to the service manager (sd_notify(3)), without waiting for it.
 *
 * sd_notify() itself blocks once nobody reads the manager's socket.
 */
#ifndef ECHOD_BASE_NOTIFY_H
#define ECHOD_BASE_NOTIFY_H

/*
 * Send "NAME=VALUE" lines to $NOTIFY_SOCKET, if that is set. If the socket does not take the
 * message at once, drop it: for STATUS= and WATCHDOG=, which are sent again.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, but wait for a few seconds at most: for READY=1 and the like, which are sent once. */
void notify_once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
