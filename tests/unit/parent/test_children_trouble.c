/* test_children_trouble.c - the books with processes that die, or are not to be trusted. */
#include "children_helper.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- books, and a client with its peer ---- */

static void reap_by_pid(struct children *children)
{
    children_reap_pid(children, some_death());
}

/* ---- sessions ---- */

/*
 * The posts of all lie open to a child that was taken over. They are what there is of shared memory
 * that has their size.
 */
static void *find_posts(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start, end;
    char flags[8], line[512];

    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %7s", &start, &end, flags) == 3 && flags[3] == 's' &&
            end - start == CLIENTS_MAX / 8)
            return (void *)start;
    _exit(9);
}

/* Once the peer ends its side: slot 2 posts every slot there is, the others end in order. */
static void hostile_session(const struct client *client, int fd, const void *arg,
                            struct record *record)
{
    const unsigned *slot = arg;

    await_eof(fd);
    (void)client;
    if (*slot == 2)
        memset(find_posts(), 0xff, CLIENTS_MAX / 8);
    record->end = END_CLOSED;
    record->bytes_in = *slot + 100;
}

static void garbage_session(const struct client *client, int fd, const void *arg,
                            struct record *record)
{
    const int *byte = arg;

    (void)client, (void)fd;
    memset(record, *byte, sizeof(*record));
}

static void forging_session(const struct client *client, int fd, const void *arg,
                            struct record *record)
{
    (void)client, (void)fd, (void)arg;
    record->end = END_TLS_ERROR;
    snprintf(record->error, sizeof(record->error), "x\nechod: end=closed");
}

/* ---- a client whose process dies ---- */

static void assert_death_is_told(client_session *session, int number, const char *words)
{
    struct children *children = open_books(session);
    int peer = start(children, &number);
    const char *log;

    some_death();
    assert_string_equal(log_of(children_reap_posted, children), "");
    assert_int_equal(children_count(children), 1);
    log = log_of(reap_by_pid, children);
    assert_one_record(log, "end=crashed ");
    assert_says(log, words);
    assert_int_equal(children_count(children), 0);
    assert_int_equal(children_served(children), 1);
    close(peer);
    children_close(children);
}

static void killed_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(killed_session, SIGKILL, " error=\"killed by signal 9 (Killed)\"");
}

static void faulty_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(killed_session, SIGSEGV,
                         " error=\"killed by signal 11 (Segmentation fault)\"");
}

static void failed_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(exiting_session, 3, " error=\"exited with status 3\"");
}

/* Status 0 is no excuse for an empty record, which no post announced. */
static void silent_client_crashed(void **state)
{
    (void)state;
    assert_death_is_told(exiting_session, 0, " bytes_in=0 bytes_out=0 ");
}

static void sweep_finds_the_dead_only(void **state)
{
    static const int orderly = 0, killed = 1;
    struct children *children = open_books(mixed_session);
    int living = start(children, &orderly), dying = start(children, &killed);

    (void)state;
    close(dying);
    assert_one_record(log_of(sweep_after_death, children), "(Killed)");
    assert_int_equal(children_count(children), 1);
    close(living);
    assert_one_record(log_of(sweep_all, children), "end=closed ");
    children_close(children);
}

/* ---- a client that is not to be trusted ---- */

/* Three clients in slots of that number. */
static struct children *open_hostile_books(int *ret_peers)
{
    static const unsigned slots[] = {0, 1, 2};
    struct children *children = open_books(hostile_session);

    for (size_t i = 0; i < 3; i++)
        ret_peers[i] = start(children, &slots[i]);
    return children;
}

static const char *log_after_end(struct children *children, int peer)
{
    close(peer);
    some_death();
    return log_of(children_reap_posted, children);
}

/* One whose slot it posts goes on, one has ended and its slot is free, the others never were. */
static void foreign_posts_end_nobody(void **state)
{
    int peers[3];
    struct children *children = open_hostile_books(peers);

    (void)state;
    assert_one_record(log_after_end(children, peers[1]), " bytes_in=101 ");
    assert_one_record(log_after_end(children, peers[2]), " bytes_in=102 ");
    assert_string_equal(log_of(children_reap_posted, children), "");
    assert_int_equal(children_count(children), 1);
    assert_int_equal(children_served(children), 2);
    assert_one_record(log_after_end(children, peers[0]), " bytes_in=100 ");
    assert_int_equal(children_served(children), 3);
    children_close(children);
}

/* The posts that a hostile child left are no trouble to those who get these slots next. */
static void slots_posted_too_early_are_served(void **state)
{
    static const unsigned new_slot = 7;
    int peers[3], new_peers[3];
    struct children *children = open_hostile_books(peers);

    (void)state;
    log_after_end(children, peers[2]);
    for (size_t i = 0; i < 3; i++)
        new_peers[i] = start(children, &new_slot);
    assert_string_equal(log_of(children_reap_posted, children), "");
    assert_int_equal(children_count(children), 5);
    for (size_t i = 0; i < 3; i++)
        assert_one_record(log_after_end(children, new_peers[i]), " bytes_in=107 ");
    close(peers[0]);
    close(peers[1]);
    log_of(reap_posted_all, children);
    assert_int_equal(children_served(children), 6);
    children_close(children);
}

static void assert_garbage_is_sanitized(int byte, const char *words)
{
    struct children *children = open_books(garbage_session);
    int peer = start(children, &byte);
    const char *log = log_of(reap_posted_all, children);

    assert_one_record(log, "end=crashed ");
    assert_says(log, words);
    assert_int_equal(children_served(children), 1);
    close(peer);
    children_close(children);
}

static void garbage_is_sanitized(void **state)
{
    (void)state;
    assert_garbage_is_sanitized(0xff, " bytes_in=18446744073709551615 ");
    assert_garbage_is_sanitized('A', "AAAAAAAA");
}

static void record_forges_no_line(void **state)
{
    struct children *children = open_books(forging_session);
    int peer = start(children, NULL);

    (void)state;
    assert_one_record(log_of(reap_posted_all, children), "end=tls_error ");
    close(peer);
    children_close(children);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_client_crashed),
        cmocka_unit_test(faulty_client_crashed),
        cmocka_unit_test(failed_client_crashed),
        cmocka_unit_test(silent_client_crashed),
        cmocka_unit_test(sweep_finds_the_dead_only),
        cmocka_unit_test(foreign_posts_end_nobody),
        cmocka_unit_test(slots_posted_too_early_are_served),
        cmocka_unit_test(garbage_is_sanitized),
        cmocka_unit_test(record_forges_no_line),
    };

    alarm(120);                             /* a test that waits for ever fails */
    close_range(STDERR_FILENO + 1, ~0u, 0); /* what make(1) left open would be in the way */
    log_open(LOG_TARGET_STDERR, LOG_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
