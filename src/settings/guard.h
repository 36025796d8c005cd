/*
 * guard.h - what calls libconfig comes back from it, be there memory or not. Private to
 * the settings modules.
 *
 * From 1.7.4 on, libconfig ends the process where an allocation of its own fails, unless it is
 * given something else to do. On a reload that process is the daemon's parent.
 */
#ifndef ECHOD_SETTINGS_GUARD_H
#define ECHOD_SETTINGS_GUARD_H

/*
 * Call work(arg). Returns 0, or -1 where libconfig has given it up for want of memory. Then all
 * that the work had allocated is lost: libconfig may have left its tree half made, so nothing that
 * hangs on it can be used or freed. An older libconfig does not look whether it has got its memory.
 */
int guard_libconfig(void (*work)(void *arg), void *arg);

#endif
