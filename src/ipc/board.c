/* board.c - shared memory between the parent and its clients' processes. */
#include "ipc/board.h"

#include "base/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORD_BITS 64
#define FREE_SIZE (BOARD_SLOTS * sizeof(unsigned))

/*
 * The parent's own books: the last released slot is the next taken, so that few stay touched. Each
 * record has whole pages of its own, so that a child can be left with those alone.
 */
struct board {
    _Atomic uint64_t *posted;
    int fd; /* of the records */
    unsigned char *records;
    size_t stride; /* from one record to the next: whole pages */
    unsigned room; /* slots that the file has by now: RLIMIT_FSIZE may not let it have all */
    unsigned high;
    unsigned n_free;
    unsigned *free; /* no other process has what is in it */
};

static size_t posted_size(void)
{
    return BOARD_SLOTS / WORD_BITS * sizeof(uint64_t);
}

/* Map some of the records where that of `place` belongs. Returns 0, or -1 with errno. */
static int map(const struct board *board, unsigned place, unsigned slot, unsigned n)
{
    void *memory = mmap(board_record(board, place), n * board->stride, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED, board->fd, (off_t)(slot * board->stride));

    return memory == MAP_FAILED ? -1 : 0;
}

static int grow(struct board *board)
{
    if (ftruncate(board->fd, (off_t)((board->room + WORD_BITS) * board->stride)) < 0 ||
        map(board, board->room, board->room, WORD_BITS) < 0)
        return -1;
    board->room += WORD_BITS;
    return 0;
}

/* Addresses for all, and the first few. */
static int open_records(struct board *board)
{
    void *records;

    if (board->fd < 0)
        return -1;
    records = mmap(NULL, BOARD_SLOTS * board->stride, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (records == MAP_FAILED)
        return -1;
    board->records = records;
    return grow(board);
}

int board_open(struct board **ret_board, struct err *ret_err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct board *board = calloc(1, sizeof(*board));

    if (!board)
        return err_set(ret_err, "cannot allocate the board: %s", strerror(errno));
    board->stride = (sizeof(struct record) + page - 1) / page * page;
    board->fd = memfd_create("board", MFD_CLOEXEC);
    board->posted = memory_shared(posted_size());
    board->free = memory_own(FREE_SIZE);
    if (!board->posted || !board->free || open_records(board) < 0) {
        err_set(ret_err, "cannot map the board: %s", strerror(errno));
        board_close(board);
        return -1;
    }
    *ret_board = board;
    return 0;
}

void board_close(struct board *board)
{
    if (!board)
        return;
    memory_free((void *)board->posted, posted_size());
    memory_free(board->free, FREE_SIZE);
    memory_free(board->records, BOARD_SLOTS * board->stride);
    if (board->fd >= 0)
        close(board->fd);
    free(board);
}

struct record *board_record(const struct board *board, unsigned slot)
{
    return (struct record *)(board->records + slot * board->stride);
}

unsigned board_take(struct board *board)
{
    unsigned slot;

    if (board->n_free > 0)
        slot = board->free[--board->n_free];
    else if (board->high < board->room || (board->room < BOARD_SLOTS && grow(board) == 0))
        slot = board->high++;
    else
        return BOARD_NONE;
    memset(board_record(board, slot), 0, sizeof(struct record));
    return slot;
}

void board_withdraw(struct board *board, unsigned slot)
{
    atomic_fetch_and(&board->posted[slot / WORD_BITS], ~(UINT64_C(1) << slot % WORD_BITS));
}

void board_release(struct board *board, unsigned slot)
{
    board_withdraw(board, slot);
    board->free[board->n_free++] = slot;
}

int board_fd(const struct board *board)
{
    return board->fd;
}

/* The first of the addresses stays taken, for the record that is shown. */
int board_hide(const struct board *board)
{
    if (mmap(board->records, board->stride, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -1;
    return munmap(board->records + board->stride, (BOARD_SLOTS - 1) * board->stride);
}

struct record *board_show(const struct board *board, unsigned slot)
{
    return map(board, 0, slot, 1) < 0 ? NULL : board_record(board, 0);
}

void board_post(struct board *board, unsigned slot)
{
    atomic_fetch_or(&board->posted[slot / WORD_BITS], UINT64_C(1) << slot % WORD_BITS);
}

unsigned board_next_posted(const struct board *board, unsigned from)
{
    while (from < board->high) {
        uint64_t word = atomic_load(&board->posted[from / WORD_BITS]) >> from % WORD_BITS;

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
