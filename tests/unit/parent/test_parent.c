/* test_parent.c - the parent's loop: clients that come and go, its limit, signals and reload. */
#include "parent_helper.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- clients come and go ---- */

static void clients_are_served_at_once(void **state)
{
    struct served served = start_simple();
    int fds[20];

    (void)state;
    for (size_t i = 0; i < 20; i++)
        fds[i] = served_client(&served, 0);
    for (size_t i = 0; i < 20; i++)
        assert_echoes(fds[19 - i]);
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    assert_records(&served, "end=closed listener=one client=127.0.0.1 client_port=", 20);
    assert_int_equal(count_in_log(&served, " bytes_in=1 bytes_out=1 "), 20);
    stop_server(&served);
}

static void listeners_are_told_apart(void **state)
{
    struct served served = start(
        &(struct plan){.limits = {.max_clients = 100}, .n = {2, 2}, .listeners = {{0, 1}, {0, 1}}});
    int one = served_client(&served, 0), two = served_client(&served, 1);

    (void)state;
    close(two);
    assert_records(&served, "listener=two ", 1);
    close(one);
    assert_records(&served, "listener=one ", 1);
    stop_server(&served);
}

static void killed_process_costs_its_client_only(void **state)
{
    struct served served = start_simple();
    int fds[] = {served_client(&served, 0), served_client(&served, 0)};

    (void)state;
    assert_int_equal(send(fds[0], "K", 1, MSG_NOSIGNAL), 1);
    assert_cut(fds[0]);
    assert_records(&served, "end=crashed ", 1);
    assert_records(&served, " error=\"killed by signal 9 (Killed)\"", 1);
    assert_echoes(fds[1]);
    close(fds[0]);
    close(fds[1]);
    stop_server(&served);
}

/* Signals of one kind merge while they wait, so one SIGCHLD may stand for many deaths. */
static void merged_deaths_are_all_found(void **state)
{
    struct served served = start_simple();
    int fds[10];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        fds[i] = served_client(&served, 0);
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R'); /* the parent itself holds none of their sockets any more */
    signal_server(&served, SIGSTOP);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(send(fds[i], i % 2 ? "K" : "e", 1, MSG_NOSIGNAL), 1);
        if (i % 2 == 0)
            assert_receives(fds[i], 'e');
        shutdown(fds[i], SHUT_WR);
        assert_cut(fds[i]);
    }
    signal_server(&served, SIGCONT);
    assert_records(&served, "end=crashed ", 5);
    assert_records(&served, "end=closed ", 5);
    for (size_t i = 0; i < 10; i++)
        close(fds[i]);
    stop_server(&served);
}

/* ---- the limit ---- */

static void client_over_the_limit_waits(void **state)
{
    struct served served = start(&(struct plan){.limits = {.max_clients = 2}, .n = {1, 1}});
    int fds[] = {served_client(&served, 0), served_client(&served, 0), connect_to(&served, 0),
                 connect_to(&served, 0)};

    (void)state;
    assert_waits(&served, fds[2]);
    assert_false(has_input(fds[3], 0));
    close(fds[0]);
    assert_receives(fds[2], '1');
    assert_false(has_input(fds[3], A_WHILE_MSEC));
    assert_int_equal(send(fds[1], "K", 1, MSG_NOSIGNAL), 1); /* a crash makes room as well */
    assert_receives(fds[3], '1');
    assert_echoes(fds[2]);
    for (size_t i = 1; i < 4; i++)
        close(fds[i]);
    assert_records(&served, "end=closed ", 3);
    stop_server(&served);
}

/* ---- signals and reload ---- */

static void signals_are_answered(void **state)
{
    static const int stops[] = {SIGTERM, SIGINT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct served served = start_simple();

        for (int n = 0; n < 3; n++) {
            signal_server(&served, SIGHUP);
            assert_event(&served, 'R');
        }
        signal_server(&served, stops[i]);
        assert_event(&served, 'S');
        assert_event(&served, 'D');
        assert_gone(&served);
    }
}

static void reload_changes_the_sockets(void **state)
{
    struct served served =
        start(&(struct plan){.limits = {.max_clients = 100}, .n = {1, 1}, .listeners = {{0}, {1}}});
    int early = served_client(&served, 0), on_two = connect_to(&served, 1), late, on_one;

    (void)state;
    assert_echoes(early);
    assert_false(has_input(on_two, A_WHILE_MSEC));
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R');
    assert_echoes(early); /* it has noticed nothing */
    assert_receives(on_two, '2');
    on_one = connect_to(&served, 0);
    late = served_client(&served, 1);
    assert_waits(&served, on_one);
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R');
    assert_receives(on_one, '1');
    assert_echoes(early);
    assert_echoes(late);
    close(early);
    close(late);
    close(on_one);
    close(on_two);
    assert_records(&served, "end=closed ", 4);
    stop_server(&served);
}

/* A reload while no more clients are taken must not open the acceptors. */
static void reload_keeps_the_limit(void **state)
{
    struct served served = start(&(struct plan){.limits = {.max_clients = 1}, .n = {1, 1}});
    int first = served_client(&served, 0), second = connect_to(&served, 0);

    (void)state;
    signal_server(&served, SIGHUP);
    assert_event(&served, 'R');
    assert_waits(&served, second);
    close(first);
    assert_receives(second, '1');
    close(second);
    stop_server(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_served_at_once),
        cmocka_unit_test(listeners_are_told_apart),
        cmocka_unit_test(killed_process_costs_its_client_only),
        cmocka_unit_test(merged_deaths_are_all_found),
        cmocka_unit_test(client_over_the_limit_waits),
        cmocka_unit_test(signals_are_answered),
        cmocka_unit_test(reload_changes_the_sockets),
        cmocka_unit_test(reload_keeps_the_limit),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
