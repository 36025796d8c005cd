/* test_board.c - the shared memory between the parent and its clients' processes. */
#include "ipc/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_board(void **state)
{
    struct err err;

    return board_open((struct board **)state, &err);
}

static int close_board(void **state)
{
    board_close(*state);
    return 0;
}

static void take_many(struct board *board, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(board_take(board), i);
}

/* What a client's process does last: fill in its record, post its slot, end. */
static pid_t fork_poster(struct board *board, unsigned slot)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (slot < board_high(board)) /* else there may be no memory for it */
            board_record(board, slot)->bytes_in = slot + 1;
        board_post(board, slot);
        _exit(0);
    }
    return pid;
}

static void wait_for(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void post_in_child(struct board *board, unsigned slot)
{
    wait_for(fork_poster(board, slot));
}

/*
 * A child of one that has hidden all, has shown `other` and then `own`, tries to write both. What
 * is shown stands where the first record stood, and nothing where the others did.
 */
static void write_in_child(struct board *board, unsigned own, unsigned other)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct record *record;

        signal(SIGSEGV, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (board_hide(board) < 0 || !board_show(board, other) ||
            !(record = board_show(board, own)))
            _exit(1);
        record->bytes_in = 77;
        board_post(board, own);
        board_record(board, other)->bytes_out = 78;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, other == 0 ? 0 : SIGSEGV);
}

static void child_has_its_own_record_only(void **state)
{
    static const unsigned slots[] = {0, 1, 2, BOARD_SLOTS - 1};
    struct board *board = *state;

    take_many(board, BOARD_SLOTS);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            if (i == j)
                continue;
            memset(board_record(board, slots[i]), 0, sizeof(struct record));
            memset(board_record(board, slots[j]), 0, sizeof(struct record));
            write_in_child(board, slots[i], slots[j]);
            assert_int_equal(board_record(board, slots[i])->bytes_in, 77);
            assert_int_equal(board_record(board, slots[j])->bytes_in, 0);
            assert_int_equal(board_record(board, slots[j])->bytes_out, 0);
        }
}

static void slots_come_in_order(void **state)
{
    struct board *board = *state;

    take_many(board, 5);
    board_release(board, 3);
    board_release(board, 1);
    assert_int_equal(board_take(board), 1);
    assert_int_equal(board_take(board), 3);
    assert_int_equal(board_take(board), 5);
}

static void taken_record_is_zeroed(void **state)
{
    static const struct record zero;
    struct board *board = *state;

    take_many(board, 2);
    for (size_t i = 0; i < sizeof(struct record); i++)
        ((unsigned char *)board_record(board, 1))[i] = 0xa5;
    board_release(board, 1);
    assert_int_equal(board_take(board), 1);
    assert_memory_equal(board_record(board, 1), &zero, sizeof(zero));
}

static void full_board_has_no_slot(void **state)
{
    struct board *board = *state;

    take_many(board, BOARD_SLOTS);
    assert_int_equal(board_take(board), BOARD_NONE);
    assert_int_equal(board_high(board), BOARD_SLOTS);
    board_release(board, 77);
    assert_int_equal(board_take(board), 77);
    assert_int_equal(board_take(board), BOARD_NONE);
}

/* The last slot is the edge of the bits, the records and the books alike. */
static void last_slot_is_as_good_as_any(void **state)
{
    struct board *board = *state;

    take_many(board, BOARD_SLOTS);
    post_in_child(board, BOARD_SLOTS - 1);
    assert_int_equal(board_next_posted(board, 0), BOARD_SLOTS - 1);
    assert_int_equal(board_next_posted(board, BOARD_SLOTS), BOARD_NONE);
    assert_int_equal(board_record(board, BOARD_SLOTS - 1)->bytes_in, BOARD_SLOTS);
}

static void empty_board_has_no_post(void **state)
{
    struct board *board = *state;

    assert_int_equal(board_next_posted(board, 0), BOARD_NONE);
    take_many(board, 100);
    assert_int_equal(board_next_posted(board, 0), BOARD_NONE);
    assert_int_equal(board_next_posted(board, BOARD_NONE), BOARD_NONE);
}

static void children_post_across_words(void **state)
{
    static const unsigned posted[] = {0, 1, 62, 63, 64, 65, 127, 128, 192, 199};
    struct board *board = *state;
    unsigned slot = 0;

    take_many(board, 200);
    for (size_t i = 0; i < sizeof(posted) / sizeof(*posted); i++)
        post_in_child(board, posted[i]);
    for (size_t i = 0; i < sizeof(posted) / sizeof(*posted); i++, slot++) {
        slot = board_next_posted(board, slot);
        assert_int_equal(slot, posted[i]);
        assert_int_equal(board_record(board, slot)->bytes_in, slot + 1);
    }
    assert_int_equal(board_next_posted(board, slot), BOARD_NONE);
}

/* Every bit of one word at once: no post may swallow another. */
static void children_post_at_once(void **state)
{
    struct board *board = *state;
    pid_t pids[64];

    take_many(board, 64);
    for (unsigned i = 0; i < 64; i++)
        pids[i] = fork_poster(board, i);
    for (unsigned i = 0; i < 64; i++)
        wait_for(pids[i]);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(board_next_posted(board, i), i);
}

static void post_stays_until_release(void **state)
{
    struct board *board = *state;

    take_many(board, 70);
    post_in_child(board, 3);
    post_in_child(board, 69);
    assert_int_equal(board_next_posted(board, 0), 3);
    assert_int_equal(board_next_posted(board, 0), 3);
    board_release(board, 3);
    assert_int_equal(board_next_posted(board, 0), 69);
    assert_int_equal(board_take(board), 3);
    assert_int_equal(board_next_posted(board, 0), 69);
}

static void stray_post_is_withdrawn(void **state)
{
    struct board *board = *state;

    take_many(board, 3);
    board_release(board, 1);
    post_in_child(board, 1);
    post_in_child(board, 2);
    assert_int_equal(board_next_posted(board, 0), 1);
    board_withdraw(board, 1);
    assert_int_equal(board_next_posted(board, 0), 2);
    assert_int_equal(board_take(board), 1);
}

static void post_above_the_high_mark_is_not_seen(void **state)
{
    struct board *board = *state;

    take_many(board, 3);
    post_in_child(board, 3);
    post_in_child(board, BOARD_SLOTS - 1);
    assert_int_equal(board_next_posted(board, 0), BOARD_NONE);
    post_in_child(board, 2);
    assert_int_equal(board_next_posted(board, 0), 2);
    assert_int_equal(board_next_posted(board, 3), BOARD_NONE);
}

static void high_mark_never_falls(void **state)
{
    struct board *board = *state;

    assert_int_equal(board_high(board), 0);
    take_many(board, 3);
    assert_int_equal(board_high(board), 3);
    board_release(board, 2);
    board_release(board, 0);
    assert_int_equal(board_high(board), 3);
    assert_int_equal(board_take(board), 0);
    assert_int_equal(board_high(board), 3);
}

static void double_post_is_one_post(void **state)
{
    struct board *board = *state;

    take_many(board, 2);
    post_in_child(board, 0);
    post_in_child(board, 0);
    assert_int_equal(board_next_posted(board, 0), 0);
    board_release(board, 0);
    assert_int_equal(board_next_posted(board, 0), BOARD_NONE);
    assert_int_equal(board_take(board), 0);
    assert_int_equal(board_take(board), 2);
}

/* Returns how many slots there are, up to 255, where files may have no more than 2 MiB. */
static int slots_within_limit(void)
{
    struct board *board;
    struct err err;
    int n = 0;

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20}) < 0 ||
        board_open(&board, &err) < 0)
        return 0;
    while (n < 255 && board_take(board) != BOARD_NONE)
        n++;
    return n;
}

/* It is a file that grows, for those who limit files. */
static void board_lives_with_a_limit(void **state)
{
    pid_t pid = fork();
    int status = -1;

    (void)state;
    if (pid == 0)
        _exit(slots_within_limit());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) >= 192);
}

static void no_board_can_be_closed(void **state)
{
    (void)state;
    board_close(NULL);
}

#define BOARD_TEST(test) cmocka_unit_test_setup_teardown(test, open_board, close_board)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(slots_come_in_order),
        BOARD_TEST(taken_record_is_zeroed),
        BOARD_TEST(full_board_has_no_slot),
        BOARD_TEST(last_slot_is_as_good_as_any),
        BOARD_TEST(empty_board_has_no_post),
        BOARD_TEST(children_post_across_words),
        BOARD_TEST(children_post_at_once),
        BOARD_TEST(post_stays_until_release),
        BOARD_TEST(stray_post_is_withdrawn),
        BOARD_TEST(post_above_the_high_mark_is_not_seen),
        BOARD_TEST(child_has_its_own_record_only),
        BOARD_TEST(high_mark_never_falls),
        BOARD_TEST(double_post_is_one_post),
        cmocka_unit_test(no_board_can_be_closed),
        cmocka_unit_test(board_lives_with_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
