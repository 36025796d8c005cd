/* test_scoreboard.c - the shared memory between the parent and its clients' processes. */
#include "ipc/scoreboard.h"

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

static int open_scoreboard(void **state)
{
    struct err err;

    return scoreboard_open((struct scoreboard **)state, &err);
}

static int close_scoreboard(void **state)
{
    scoreboard_close(*state);
    return 0;
}

static void take_many(struct scoreboard *scoreboard, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(scoreboard_take(scoreboard), i);
}

/* What a client's process does last: fill in its record, post its slot, end. */
static pid_t fork_poster(struct scoreboard *scoreboard, unsigned slot)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (slot < scoreboard_high(scoreboard)) /* else there may be no memory for it */
            scoreboard_record(scoreboard, slot)->bytes_in = slot + 1;
        scoreboard_post(scoreboard, slot);
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

static void post_in_child(struct scoreboard *scoreboard, unsigned slot)
{
    wait_for(fork_poster(scoreboard, slot));
}

/*
 * A child of one that has hidden all, has shown `other` and then `own`, tries to write both. What
 * is shown stands where the first record stood, and nothing where the others did.
 */
static void write_in_child(struct scoreboard *scoreboard, unsigned own, unsigned other)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct record *record;

        signal(SIGSEGV, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (scoreboard_hide(scoreboard) < 0 || !scoreboard_show(scoreboard, other) ||
            !(record = scoreboard_show(scoreboard, own)))
            _exit(1);
        record->bytes_in = 77;
        scoreboard_post(scoreboard, own);
        scoreboard_record(scoreboard, other)->bytes_out = 78;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, other == 0 ? 0 : SIGSEGV);
}

static void child_has_its_own_record_only(void **state)
{
    static const unsigned slots[] = {0, 1, 2, CLIENTS_MAX - 1};
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, CLIENTS_MAX);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            if (i == j)
                continue;
            memset(scoreboard_record(scoreboard, slots[i]), 0, sizeof(struct record));
            memset(scoreboard_record(scoreboard, slots[j]), 0, sizeof(struct record));
            write_in_child(scoreboard, slots[i], slots[j]);
            assert_int_equal(scoreboard_record(scoreboard, slots[i])->bytes_in, 77);
            assert_int_equal(scoreboard_record(scoreboard, slots[j])->bytes_in, 0);
            assert_int_equal(scoreboard_record(scoreboard, slots[j])->bytes_out, 0);
        }
}

static void slots_come_in_order(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, 5);
    scoreboard_release(scoreboard, 3);
    scoreboard_release(scoreboard, 1);
    assert_int_equal(scoreboard_take(scoreboard), 1);
    assert_int_equal(scoreboard_take(scoreboard), 3);
    assert_int_equal(scoreboard_take(scoreboard), 5);
}

static void taken_record_is_zeroed(void **state)
{
    static const struct record zero;
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, 2);
    for (size_t i = 0; i < sizeof(struct record); i++)
        ((unsigned char *)scoreboard_record(scoreboard, 1))[i] = 0xa5;
    scoreboard_release(scoreboard, 1);
    assert_int_equal(scoreboard_take(scoreboard), 1);
    assert_memory_equal(scoreboard_record(scoreboard, 1), &zero, sizeof(zero));
}

static void full_scoreboard_has_no_slot(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, CLIENTS_MAX);
    assert_int_equal(scoreboard_take(scoreboard), SCOREBOARD_NONE);
    assert_int_equal(scoreboard_high(scoreboard), CLIENTS_MAX);
    scoreboard_release(scoreboard, 77);
    assert_int_equal(scoreboard_take(scoreboard), 77);
    assert_int_equal(scoreboard_take(scoreboard), SCOREBOARD_NONE);
}

/* The last slot is the edge of the bits, the records and the books alike. */
static void last_slot_is_as_good_as_any(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, CLIENTS_MAX);
    post_in_child(scoreboard, CLIENTS_MAX - 1);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), CLIENTS_MAX - 1);
    assert_int_equal(scoreboard_next_posted(scoreboard, CLIENTS_MAX), SCOREBOARD_NONE);
    assert_int_equal(scoreboard_record(scoreboard, CLIENTS_MAX - 1)->bytes_in, CLIENTS_MAX);
}

static void empty_scoreboard_has_no_post(void **state)
{
    struct scoreboard *scoreboard = *state;

    assert_int_equal(scoreboard_next_posted(scoreboard, 0), SCOREBOARD_NONE);
    take_many(scoreboard, 100);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), SCOREBOARD_NONE);
    assert_int_equal(scoreboard_next_posted(scoreboard, SCOREBOARD_NONE), SCOREBOARD_NONE);
}

static void children_post_across_words(void **state)
{
    static const unsigned posted[] = {0, 1, 62, 63, 64, 65, 127, 128, 192, 199};
    struct scoreboard *scoreboard = *state;
    unsigned slot = 0;

    take_many(scoreboard, 200);
    for (size_t i = 0; i < sizeof(posted) / sizeof(*posted); i++)
        post_in_child(scoreboard, posted[i]);
    for (size_t i = 0; i < sizeof(posted) / sizeof(*posted); i++, slot++) {
        slot = scoreboard_next_posted(scoreboard, slot);
        assert_int_equal(slot, posted[i]);
        assert_int_equal(scoreboard_record(scoreboard, slot)->bytes_in, slot + 1);
    }
    assert_int_equal(scoreboard_next_posted(scoreboard, slot), SCOREBOARD_NONE);
}

/* Every bit of one word at once: no post may swallow another. */
static void children_post_at_once(void **state)
{
    struct scoreboard *scoreboard = *state;
    pid_t pids[64];

    take_many(scoreboard, 64);
    for (unsigned i = 0; i < 64; i++)
        pids[i] = fork_poster(scoreboard, i);
    for (unsigned i = 0; i < 64; i++)
        wait_for(pids[i]);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(scoreboard_next_posted(scoreboard, i), i);
}

static void post_stays_until_release(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, 70);
    post_in_child(scoreboard, 3);
    post_in_child(scoreboard, 69);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 3);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 3);
    scoreboard_release(scoreboard, 3);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 69);
    assert_int_equal(scoreboard_take(scoreboard), 3);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 69);
}

static void stray_post_is_withdrawn(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, 3);
    scoreboard_release(scoreboard, 1);
    post_in_child(scoreboard, 1);
    post_in_child(scoreboard, 2);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 1);
    scoreboard_withdraw(scoreboard, 1);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 2);
    assert_int_equal(scoreboard_take(scoreboard), 1);
}

static void post_above_the_high_mark_is_not_seen(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, 3);
    post_in_child(scoreboard, 3);
    post_in_child(scoreboard, CLIENTS_MAX - 1);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), SCOREBOARD_NONE);
    post_in_child(scoreboard, 2);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 2);
    assert_int_equal(scoreboard_next_posted(scoreboard, 3), SCOREBOARD_NONE);
}

static void high_mark_never_falls(void **state)
{
    struct scoreboard *scoreboard = *state;

    assert_int_equal(scoreboard_high(scoreboard), 0);
    take_many(scoreboard, 3);
    assert_int_equal(scoreboard_high(scoreboard), 3);
    scoreboard_release(scoreboard, 2);
    scoreboard_release(scoreboard, 0);
    assert_int_equal(scoreboard_high(scoreboard), 3);
    assert_int_equal(scoreboard_take(scoreboard), 0);
    assert_int_equal(scoreboard_high(scoreboard), 3);
}

static void double_post_is_one_post(void **state)
{
    struct scoreboard *scoreboard = *state;

    take_many(scoreboard, 2);
    post_in_child(scoreboard, 0);
    post_in_child(scoreboard, 0);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), 0);
    scoreboard_release(scoreboard, 0);
    assert_int_equal(scoreboard_next_posted(scoreboard, 0), SCOREBOARD_NONE);
    assert_int_equal(scoreboard_take(scoreboard), 0);
    assert_int_equal(scoreboard_take(scoreboard), 2);
}

/* Returns how many slots there are, up to 255, where files may have no more than 2 MiB. */
static int slots_within_limit(void)
{
    struct scoreboard *scoreboard;
    struct err err;
    int n = 0;

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20}) < 0 ||
        scoreboard_open(&scoreboard, &err) < 0)
        return 0;
    while (n < 255 && scoreboard_take(scoreboard) != SCOREBOARD_NONE)
        n++;
    return n;
}

/* It is a file that grows, for those who limit files. */
static void scoreboard_lives_with_a_limit(void **state)
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

static void no_scoreboard_can_be_closed(void **state)
{
    (void)state;
    scoreboard_close(NULL);
}

#define SCOREBOARD_TEST(test)                                                                      \
    cmocka_unit_test_setup_teardown(test, open_scoreboard, close_scoreboard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCOREBOARD_TEST(slots_come_in_order),
        SCOREBOARD_TEST(taken_record_is_zeroed),
        SCOREBOARD_TEST(full_scoreboard_has_no_slot),
        SCOREBOARD_TEST(last_slot_is_as_good_as_any),
        SCOREBOARD_TEST(empty_scoreboard_has_no_post),
        SCOREBOARD_TEST(children_post_across_words),
        SCOREBOARD_TEST(children_post_at_once),
        SCOREBOARD_TEST(post_stays_until_release),
        SCOREBOARD_TEST(stray_post_is_withdrawn),
        SCOREBOARD_TEST(post_above_the_high_mark_is_not_seen),
        SCOREBOARD_TEST(child_has_its_own_record_only),
        SCOREBOARD_TEST(high_mark_never_falls),
        SCOREBOARD_TEST(double_post_is_one_post),
        cmocka_unit_test(no_scoreboard_can_be_closed),
        cmocka_unit_test(scoreboard_lives_with_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
