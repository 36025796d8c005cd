/* board.c - shared memory between the parent and its clients' processes. */
#include "board.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WORD_BITS 64

/* What the children see. */
struct shared {
    _Atomic uint64_t posted[BOARD_SLOTS / WORD_BITS];
    struct record records[BOARD_SLOTS];
};

/* The parent's own books: the last released slot is the next taken, so that few stay touched. */
struct board {
    struct shared *shared;
    unsigned high;
    unsigned n_free;
    unsigned free[BOARD_SLOTS];
};

int board_open(struct board **ret_board, struct err *ret_err)
{
    struct board *board = calloc(1, sizeof(*board));

    if (!board)
        return err_set(ret_err, "cannot allocate the board: %s", strerror(errno));
    board->shared = mmap(NULL, sizeof(*board->shared), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (board->shared == MAP_FAILED) {
        free(board);
        return err_set(ret_err, "cannot map the board: %s", strerror(errno));
    }
    *ret_board = board;
    return 0;
}

void board_close(struct board *board)
{
    if (!board)
        return;
    munmap(board->shared, sizeof(*board->shared));
    free(board);
}

unsigned board_take(struct board *board)
{
    unsigned slot;

    if (board->n_free > 0)
        slot = board->free[--board->n_free];
    else if (board->high < BOARD_SLOTS)
        slot = board->high++;
    else
        return BOARD_NONE;
    memset(&board->shared->records[slot], 0, sizeof(struct record));
    return slot;
}

void board_withdraw(struct board *board, unsigned slot)
{
    atomic_fetch_and(&board->shared->posted[slot / WORD_BITS], ~(UINT64_C(1) << slot % WORD_BITS));
}

void board_release(struct board *board, unsigned slot)
{
    board_withdraw(board, slot);
    board->free[board->n_free++] = slot;
}

struct record *board_record(const struct board *board, unsigned slot)
{
    return &board->shared->records[slot];
}

void board_post(struct board *board, unsigned slot)
{
    atomic_fetch_or(&board->shared->posted[slot / WORD_BITS], UINT64_C(1) << slot % WORD_BITS);
}

unsigned board_next_posted(const struct board *board, unsigned from)
{
    while (from < board->high) {
        uint64_t word = atomic_load(&board->shared->posted[from / WORD_BITS]) >> from % WORD_BITS;

        if (word != 0) {
            from += (unsigned)__builtin_ctzll(word);
            return from < board->high ? from : BOARD_NONE;
        }
        from = (from / WORD_BITS + 1) * WORD_BITS;
    }
    return BOARD_NONE;
}

unsigned board_high(const struct board *board)
{
    return board->high;
}
