/*
 * guard.h - leaves libconfig when it runs out of memory. Private to the settings modules.
 *
 * From 1.7.4 on, libconfig ends the process when an allocation of its own fails, unless it is given
 * a handler. On a reload that process is the daemon's parent.
 */
#ifndef ECHOD_SETTINGS_GUARD_H
#define ECHOD_SETTINGS_GUARD_H

/*
 * Call work(arg). Returns 0, or -1 if libconfig ran out of memory. In that case all that the work
 * had allocated is lost: libconfig may have left its tree half made, so nothing in it can be used
 * or freed. An older libconfig does not check its allocations, and this returns 0.
 */
int guard_libconfig(void (*work)(void *arg), void *arg);

#endif
