/*
 * scoreboard.h - shared memory between the parent and the clients' processes: one record for each
 * client.
 *
 * The parent takes a slot before the process is made; the child writes its record there and, as its
 * last act, posts the slot. The parent then waits for exactly the pid that it keeps for that slot:
 * waitpid(-1) would scan every living child. A post is one bit, and the parent checks each bit
 * against its own table. So an untrusted child that dies early, posts twice or posts for others
 * cannot make the parent lose another child's post, or write out of bounds.
 */
#ifndef ECHOD_IPC_SCOREBOARD_H
#define ECHOD_IPC_SCOREBOARD_H

#include "base/err.h"
#include "ipc/record.h"

#include <stdbool.h>

/* Not a slot: a scoreboard has CLIENTS_MAX slots. Untouched ones use no memory. */
#define SCOREBOARD_NONE CLIENTS_MAX

struct scoreboard;

/* Make a scoreboard with all slots free. Returns 0, or -1 with *ret_err. */
int scoreboard_open(struct scoreboard **ret_scoreboard, struct err *ret_err);

/* Unmap it in this process. NULL is allowed. */
void scoreboard_close(struct scoreboard *scoreboard);

/* Parent: take a free slot and zero its record. Returns its number, or SCOREBOARD_NONE. */
unsigned scoreboard_take(struct scoreboard *scoreboard);

/* Parent: release a slot and withdraw its post. */
void scoreboard_release(struct scoreboard *scoreboard, unsigned slot);

/* Parent: withdraw the post of a free slot: a child has posted a slot that is not its own. */
void scoreboard_withdraw(struct scoreboard *scoreboard, unsigned slot);

/* Parent: the record of a slot; the child writes it, and is dead when the parent reads it. */
struct record *scoreboard_record(const struct scoreboard *scoreboard, unsigned slot);

/*
 * Fork server: unmap all records. Its children then share only the posts, with which they can do no
 * harm. Returns 0, or -1 with errno.
 */
int scoreboard_hide(const struct scoreboard *scoreboard);

/* The descriptor that scoreboard_show() needs; it belongs to the scoreboard. */
int scoreboard_fd(const struct scoreboard *scoreboard);

/*
 * Fork server, after scoreboard_hide(): map this record, in place of the one shown before, so that
 * the next child has this one and no other. Returns its address, or NULL with errno.
 */
struct record *scoreboard_show(const struct scoreboard *scoreboard, unsigned slot);

/* Child: report that the record is complete. Call this right before _exit(2). */
void scoreboard_post(struct scoreboard *scoreboard, unsigned slot);

/*
 * Parent: the first posted slot from `from` on, or SCOREBOARD_NONE. A slot stays posted until it is
 * released or withdrawn. Reads one word for 64 slots, up to the highest slot ever taken.
 */
unsigned scoreboard_next_posted(const struct scoreboard *scoreboard, unsigned from);

/* One more than the highest slot ever taken: the bound of a loop over all slots in use. */
unsigned scoreboard_high(const struct scoreboard *scoreboard);

#endif
