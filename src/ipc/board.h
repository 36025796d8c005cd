/*
 * board.h - shared memory between the parent and its clients' processes: one record a client.
 *
 * The parent takes a slot before fork(2); the child writes its record there and, as its last act,
 * posts the slot. The parent then waits for exactly the pid it keeps for that slot: waitpid(-1)
 * would scan every living child. A post is one bit, so nothing a child does or leaves undone -
 * dying half-way, posting twice, posting for others - can lose another child's post or overrun
 * anything; the parent checks each bit against its own table.
 */
#ifndef ECHOD_BOARD_H
#define ECHOD_BOARD_H

#include "base/err.h"
#include "ipc/record.h"

#include <stdbool.h>

/* Slots of every board: the limit of the setting max_clients. Untouched ones cost no memory. */
#define BOARD_SLOTS 65536
#define BOARD_NONE BOARD_SLOTS

struct board;

/* Map a board with all slots free. Returns 0, or -1 with *ret_err. */
int board_open(struct board **ret_board, struct err *ret_err);

/* Unmap it in this process. NULL is allowed. */
void board_close(struct board *board);

/* Parent: take a free slot, its record zeroed. Returns its number, or BOARD_NONE. */
unsigned board_take(struct board *board);

/* Parent: give a slot back, its post withdrawn. */
void board_release(struct board *board, unsigned slot);

/* Parent: withdraw the post of a slot that nobody has: some child posted what is not its own. */
void board_withdraw(struct board *board, unsigned slot);

/* Parent: the record of a slot; the child writes it, and is dead when the parent reads it. */
struct record *board_record(const struct board *board, unsigned slot);

/*
 * In the process that makes the children: unmap all records. Of the board children then have the
 * posts, with which they can do no harm. Returns 0, or -1 with errno.
 */
int board_hide(const struct board *board);

/* The descriptor that board_show() needs; the board's. */
int board_fd(const struct board *board);

/*
 * In that process, after board_hide(): have this record, and no other, in the children to come, in
 * place of the one shown before. Returns where it is, there and in them, or NULL with errno.
 */
struct record *board_show(const struct board *board, unsigned slot);

/* Child: say that the record is complete. The last act before _exit(2). */
void board_post(struct board *board, unsigned slot);

/*
 * Parent: the first posted slot from `from` on, or BOARD_NONE. A slot stays posted until it is
 * released. Reads one word for 64 slots, up to the highest slot ever in use and no further.
 */
unsigned board_next_posted(const struct board *board, unsigned from);

/* One more than the highest slot ever taken: the bound of a walk over all that may be in use. */
unsigned board_high(const struct board *board);

#endif
