/*
 * scoreboard.h - shared memory between the parent and its clients' processes: one record a client.
 *
 * The parent takes a slot before fork(2); the child writes its record there and, as its last act,
 * posts the slot. The parent then waits for exactly the pid it keeps for that slot: waitpid(-1)
 * would scan every living child. A post is one bit, so nothing a child does or leaves undone -
 * dying half-way, posting twice, posting for others - can lose another child's post or overrun
 * anything; the parent checks each bit against its own table.
 */
#ifndef ECHOD_IPC_SCOREBOARD_H
#define ECHOD_IPC_SCOREBOARD_H

#include "base/err.h"
#include "ipc/record.h"

#include <stdbool.h>

/* A scoreboard has CLIENTS_MAX slots, of which untouched ones cost no memory; this is none of them.
 */
#define SCOREBOARD_NONE CLIENTS_MAX

struct scoreboard;

/* Map a scoreboard with all slots free. Returns 0, or -1 with *ret_err. */
int scoreboard_open(struct scoreboard **ret_scoreboard, struct err *ret_err);

/* Unmap it in this process. NULL is allowed. */
void scoreboard_close(struct scoreboard *scoreboard);

/* Parent: take a free slot, its record zeroed. Returns its number, or SCOREBOARD_NONE. */
unsigned scoreboard_take(struct scoreboard *scoreboard);

/* Parent: give a slot back, its post withdrawn. */
void scoreboard_release(struct scoreboard *scoreboard, unsigned slot);

/* Parent: withdraw the post of a slot that nobody has: some child posted what is not its own. */
void scoreboard_withdraw(struct scoreboard *scoreboard, unsigned slot);

/* Parent: the record of a slot; the child writes it, and is dead when the parent reads it. */
struct record *scoreboard_record(const struct scoreboard *scoreboard, unsigned slot);

/*
 * In the process that makes the children: unmap all records. Of the scoreboard children then have
 * the posts, with which they can do no harm. Returns 0, or -1 with errno.
 */
int scoreboard_hide(const struct scoreboard *scoreboard);

/* The descriptor that scoreboard_show() needs; the scoreboard's. */
int scoreboard_fd(const struct scoreboard *scoreboard);

/*
 * In that process, after scoreboard_hide(): have this record, and no other, in the children to
 * come, in place of the one shown before. Returns where it is, there and in them, or NULL with
 * errno.
 */
struct record *scoreboard_show(const struct scoreboard *scoreboard, unsigned slot);

/* Child: say that the record is complete. The last act before _exit(2). */
void scoreboard_post(struct scoreboard *scoreboard, unsigned slot);

/*
 * Parent: the first posted slot from `from` on, or SCOREBOARD_NONE. A slot stays posted until it is
 * released. Reads one word for 64 slots, up to the highest slot ever in use and no further.
 */
unsigned scoreboard_next_posted(const struct scoreboard *scoreboard, unsigned from);

/* One more than the highest slot ever taken: the bound of a walk over all that may be in use. */
unsigned scoreboard_high(const struct scoreboard *scoreboard);

#endif
