/* test_parent_drain.c - how the parent's loop stops and drains. */
#include "parent_helper.h"

#include <signal.h>
#include <unistd.h>

/* ---- stop and drain ---- */

static void drain_waits_for_the_last_client(void **state)
{
    struct served served = start_simple();
    int fds[] = {served_client(&served, 0), served_client(&served, 0)};

    (void)state;
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    close(fds[0]);
    assert_false(has_event(&served, A_WHILE_MSEC));
    assert_echoes(fds[1]);
    close(fds[1]);
    assert_event(&served, 'D');
    assert_records(&served, "end=closed ", 2);
    assert_records(&served, "drained", 0);
    assert_gone(&served);
}

/* What comes while the end is near changes nothing. */
static void drain_ignores_other_signals(void **state)
{
    struct served served = start_simple();
    int fd = served_client(&served, 0);

    (void)state;
    signal_server(&served, SIGUSR1);
    assert_event(&served, 'L');
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    signal_server(&served, SIGHUP);
    signal_server(&served, SIGUSR1);
    assert_false(has_event(&served, A_WHILE_MSEC));
    assert_echoes(fd);
    close(fd);
    assert_event(&served, 'D');
    assert_gone(&served);
}

static void stop_accepts_who_has_come_before(void **state)
{
    struct served served = start_simple();
    int fds[40];

    (void)state;
    signal_server(&served, SIGSTOP);
    for (size_t i = 0; i < 40; i++)
        fds[i] = connect_to(&served, 0);
    signal_server(&served, SIGTERM);
    signal_server(&served, SIGCONT);
    assert_event(&served, 'S');
    for (size_t i = 0; i < 40; i++) {
        assert_receives(fds[i], '1');
        assert_echoes(fds[i]);
        close(fds[i]);
    }
    assert_event(&served, 'D');
    assert_records(&served, "end=closed ", 40);
    assert_gone(&served);
}

static void drain_ends_at_its_deadline(void **state)
{
    const uint64_t drain_usec = 600 * USEC_PER_MSEC;
    struct served served = start(
        &(struct plan){.limits = {.max_clients = 100, .drain_usec = drain_usec}, .n = {1, 1}});
    int fds[] = {served_client(&served, 0), served_client(&served, 0), served_client(&served, 0)};
    uint64_t start_usec = now_usec();

    (void)state;
    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    close(fds[0]);
    assert_event(&served, 'D');
    assert_true(now_usec() - start_usec >= drain_usec);
    assert_records(&served, "end=closed ", 1);
    assert_records(&served, "end=drained ", 2);
    assert_records(&served, "the drain has ended with 2 clients left, which are cut", 1);
    assert_cut(fds[1]);
    assert_cut(fds[2]);
    close(fds[1]);
    close(fds[2]);
    assert_gone(&served);
}

static void assert_second_signal_cuts(int number, uint64_t drain_usec)
{
    struct served served = start(
        &(struct plan){.limits = {.max_clients = 100, .drain_usec = drain_usec}, .n = {1, 1}});
    int fd = served_client(&served, 0);

    signal_server(&served, SIGTERM);
    assert_event(&served, 'S');
    assert_false(has_event(&served, A_WHILE_MSEC));
    signal_server(&served, number);
    assert_event(&served, 'D');
    assert_records(&served, "end=drained ", 1);
    assert_cut(fd);
    close(fd);
    assert_gone(&served);
}

static void second_signal_cuts_at_once(void **state)
{
    (void)state;
    assert_second_signal_cuts(SIGTERM, 3600 * USEC_PER_SEC);
    assert_second_signal_cuts(SIGINT, 3600 * USEC_PER_SEC);
    assert_second_signal_cuts(SIGTERM, 0); /* no deadline at all */
}

static void stop_without_clients_is_quick(void **state)
{
    struct served served = start(&(struct plan){
        .limits = {.max_clients = 9, .drain_usec = 3600 * USEC_PER_SEC}, .n = {1, 1}});

    (void)state;
    stop_server(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drain_waits_for_the_last_client),
        cmocka_unit_test(drain_ignores_other_signals),
        cmocka_unit_test(stop_accepts_who_has_come_before),
        cmocka_unit_test(drain_ends_at_its_deadline),
        cmocka_unit_test(second_signal_cuts_at_once),
        cmocka_unit_test(stop_without_clients_is_quick),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
