/* test_clients_trouble.c - the books with processes that die, or are not to be trusted. */
#include "clients_helper.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- books, and a client with its peer ---- */

static void reap_by_pid(struct clients *clients)
{
    clients_reap_pid(clients, some_death());
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
            end - start == BOARD_SLOTS / 8)
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
        memset(find_posts(), 0xff, BOARD_SLOTS / 8);
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
    struct clients *clients = open_books(session);
    int peer = start(clients, &number);
    const char *log;

    some_death();
    assert_string_equal(log_of(clients_reap_posted, clients), "");
    assert_int_equal(clients_count(clients), 1);
    log = log_of(reap_by_pid, clients);
    assert_one_record(log, "end=crashed ");
    assert_says(log, words);
    assert_int_equal(clients_count(clients), 0);
    assert_int_equal(clients_served(clients), 1);
    close(peer);
    clients_close(clients);
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
    struct clients *clients = open_books(mixed_session);
    int living = start(clients, &orderly), dying = start(clients, &killed);

    (void)state;
    close(dying);
    assert_one_record(log_of(sweep_after_death, clients), "(Killed)");
    assert_int_equal(clients_count(clients), 1);
    close(living);
    assert_one_record(log_of(sweep_all, clients), "end=closed ");
    clients_close(clients);
}

/* ---- a client that is not to be trusted ---- */

/* Three clients in slots of that number. */
static struct clients *open_hostile_books(int *ret_peers)
{
    static const unsigned slots[] = {0, 1, 2};
    struct clients *clients = open_books(hostile_session);

    for (size_t i = 0; i < 3; i++)
        ret_peers[i] = start(clients, &slots[i]);
    return clients;
}

static const char *log_after_end(struct clients *clients, int peer)
{
    close(peer);
    some_death();
    return log_of(clients_reap_posted, clients);
}

/* One whose slot it posts goes on, one has ended and its slot is free, the others never were. */
static void foreign_posts_end_nobody(void **state)
{
    int peers[3];
    struct clients *clients = open_hostile_books(peers);

    (void)state;
    assert_one_record(log_after_end(clients, peers[1]), " bytes_in=101 ");
    assert_one_record(log_after_end(clients, peers[2]), " bytes_in=102 ");
    assert_string_equal(log_of(clients_reap_posted, clients), "");
    assert_int_equal(clients_count(clients), 1);
    assert_int_equal(clients_served(clients), 2);
    assert_one_record(log_after_end(clients, peers[0]), " bytes_in=100 ");
    assert_int_equal(clients_served(clients), 3);
    clients_close(clients);
}

/* The posts that a hostile child left are no trouble to those who get these slots next. */
static void slots_posted_too_early_are_served(void **state)
{
    static const unsigned new_slot = 7;
    int peers[3], new_peers[3];
    struct clients *clients = open_hostile_books(peers);

    (void)state;
    log_after_end(clients, peers[2]);
    for (size_t i = 0; i < 3; i++)
        new_peers[i] = start(clients, &new_slot);
    assert_string_equal(log_of(clients_reap_posted, clients), "");
    assert_int_equal(clients_count(clients), 5);
    for (size_t i = 0; i < 3; i++)
        assert_one_record(log_after_end(clients, new_peers[i]), " bytes_in=107 ");
    close(peers[0]);
    close(peers[1]);
    log_of(reap_posted_all, clients);
    assert_int_equal(clients_served(clients), 6);
    clients_close(clients);
}

static void assert_garbage_is_tamed(int byte, const char *words)
{
    struct clients *clients = open_books(garbage_session);
    int peer = start(clients, &byte);
    const char *log = log_of(reap_posted_all, clients);

    assert_one_record(log, "end=crashed ");
    assert_says(log, words);
    assert_int_equal(clients_served(clients), 1);
    close(peer);
    clients_close(clients);
}

static void garbage_is_tamed(void **state)
{
    (void)state;
    assert_garbage_is_tamed(0xff, " bytes_in=18446744073709551615 ");
    assert_garbage_is_tamed('A', "AAAAAAAA");
}

static void record_forges_no_line(void **state)
{
    struct clients *clients = open_books(forging_session);
    int peer = start(clients, NULL);

    (void)state;
    assert_one_record(log_of(reap_posted_all, clients), "end=tls_error ");
    close(peer);
    clients_close(clients);
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
        cmocka_unit_test(garbage_is_tamed),
        cmocka_unit_test(record_forges_no_line),
    };

    alarm(120);                             /* a test that waits for ever fails */
    close_range(STDERR_FILENO + 1, ~0u, 0); /* what make(1) left open would be in the way */
    log_open(LOG_TARGET_STDERR, LOG_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
