/* scoreboard.c - shared memory between the parent and the clients' processes. */
#include "ipc/scoreboard.h"

#include "base/mapping.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORD_BITS 64
_Static_assert(CLIENTS_MAX % WORD_BITS == 0, "each slot has a bit of a whole word");

#define FREE_SIZE (CLIENTS_MAX * sizeof(unsigned))

/*
 * The last released slot is taken next, so that few pages are in use. Each record has whole pages
 * of its own, so that a child can have its record mapped and no other.
 */
struct scoreboard {
    _Atomic uint64_t *posted;
    int fd; /* of the memory of the records */
    unsigned char *records;
    size_t stride; /* between two records: whole pages */
    unsigned room; /* slots in the file so far: RLIMIT_FSIZE may limit its growth */
    unsigned high;
    unsigned n_free;
    unsigned *free; /* zeroed in other processes */
};

static size_t posted_size(void)
{
    return CLIENTS_MAX / WORD_BITS * sizeof(uint64_t);
}

/*
 * Map the records of `n` slots from `slot` on at the address of `place`. Returns 0, or -1 with
 * errno.
 */
static int map_records(const struct scoreboard *scoreboard, unsigned place, unsigned slot,
                       unsigned n)
{
    void *memory =
        mmap(scoreboard_record(scoreboard, place), n * scoreboard->stride, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, scoreboard->fd, (off_t)(slot * scoreboard->stride));

    return memory == MAP_FAILED ? -1 : 0;
}

static int grow_records(struct scoreboard *scoreboard)
{
    if (ftruncate(scoreboard->fd, (off_t)((scoreboard->room + WORD_BITS) * scoreboard->stride)) <
            0 ||
        map_records(scoreboard, scoreboard->room, scoreboard->room, WORD_BITS) < 0)
        return -1;
    scoreboard->room += WORD_BITS;
    return 0;
}

/* Reserve addresses for all records, and map the first few. */
static int open_records(struct scoreboard *scoreboard)
{
    void *records;

    if (scoreboard->fd < 0)
        return -1;
    records = mmap(NULL, CLIENTS_MAX * scoreboard->stride, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (records == MAP_FAILED)
        return -1;
    scoreboard->records = records;
    return grow_records(scoreboard);
}

int scoreboard_open(struct scoreboard **ret_scoreboard, struct err *ret_err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct scoreboard *scoreboard = calloc(1, sizeof(*scoreboard));

    if (!scoreboard)
        return err_set(ret_err, "cannot allocate the scoreboard: %s", strerror(errno));
    scoreboard->stride = (sizeof(struct record) + page - 1) / page * page;
    scoreboard->fd = memfd_create("scoreboard", MFD_CLOEXEC);
    scoreboard->posted = mapping_shared(posted_size());
    scoreboard->free = mapping_own(FREE_SIZE);
    if (!scoreboard->posted || !scoreboard->free || open_records(scoreboard) < 0) {
        err_set(ret_err, "cannot map the scoreboard: %s", strerror(errno));
        scoreboard_close(scoreboard);
        return -1;
    }
    *ret_scoreboard = scoreboard;
    return 0;
}

void scoreboard_close(struct scoreboard *scoreboard)
{
    if (!scoreboard)
        return;
    mapping_free((void *)scoreboard->posted, posted_size());
    mapping_free(scoreboard->free, FREE_SIZE);
    mapping_free(scoreboard->records, CLIENTS_MAX * scoreboard->stride);
    if (scoreboard->fd >= 0)
        close(scoreboard->fd);
    free(scoreboard);
}

struct record *scoreboard_record(const struct scoreboard *scoreboard, unsigned slot)
{
    return (struct record *)(scoreboard->records + slot * scoreboard->stride);
}

unsigned scoreboard_take(struct scoreboard *scoreboard)
{
    unsigned slot;

    if (scoreboard->n_free > 0)
        slot = scoreboard->free[--scoreboard->n_free];
    else if (scoreboard->high < scoreboard->room ||
             (scoreboard->room < CLIENTS_MAX && grow_records(scoreboard) == 0))
        slot = scoreboard->high++;
    else
        return SCOREBOARD_NONE;
    memset(scoreboard_record(scoreboard, slot), 0, sizeof(struct record));
    return slot;
}

void scoreboard_withdraw(struct scoreboard *scoreboard, unsigned slot)
{
    atomic_fetch_and(&scoreboard->posted[slot / WORD_BITS], ~(UINT64_C(1) << slot % WORD_BITS));
}

void scoreboard_release(struct scoreboard *scoreboard, unsigned slot)
{
    scoreboard_withdraw(scoreboard, slot);
    scoreboard->free[scoreboard->n_free++] = slot;
}

int scoreboard_fd(const struct scoreboard *scoreboard)
{
    return scoreboard->fd;
}

/* The address of the first record stays reserved, for scoreboard_show(). */
int scoreboard_hide(const struct scoreboard *scoreboard)
{
    if (mmap(scoreboard->records, scoreboard->stride, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -1;
    return munmap(scoreboard->records + scoreboard->stride, (CLIENTS_MAX - 1) * scoreboard->stride);
}

struct record *scoreboard_show(const struct scoreboard *scoreboard, unsigned slot)
{
    return map_records(scoreboard, 0, slot, 1) < 0 ? NULL : scoreboard_record(scoreboard, 0);
}

void scoreboard_post(struct scoreboard *scoreboard, unsigned slot)
{
    atomic_fetch_or(&scoreboard->posted[slot / WORD_BITS], UINT64_C(1) << slot % WORD_BITS);
}

unsigned scoreboard_next_posted(const struct scoreboard *scoreboard, unsigned from)
{
    while (from < scoreboard->high) {
        uint64_t word = atomic_load(&scoreboard->posted[from / WORD_BITS]) >> from % WORD_BITS;

        if (word != 0) {
            from += (unsigned)__builtin_ctzll(word);
            return from < scoreboard->high ? from : SCOREBOARD_NONE;
        }
        from = (from / WORD_BITS + 1) * WORD_BITS;
    }
    return SCOREBOARD_NONE;
}

unsigned scoreboard_high(const struct scoreboard *scoreboard)
{
    return scoreboard->high;
}
