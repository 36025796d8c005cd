/* test_metrics.c - the counts and their text. */
#include "parent/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct metrics *metrics;
static char *text;

static int open_metrics(void **state)
{
    struct err err;

    (void)state;
    return metrics_open(&metrics, &err);
}

static int close_metrics(void **state)
{
    (void)state;
    metrics_close(metrics);
    free(text);
    text = NULL;
    return 0;
}

static void print(void)
{
    size_t size;
    FILE *file;

    free(text);
    file = open_memstream(&text, &size);
    assert_non_null(file);
    metrics_print(metrics, file);
    assert_int_equal(fclose(file), 0);
}

/* It is a whole line of the text. */
static void assert_line(const char *line)
{
    const char *found = text;
    size_t n = strlen(line);

    while ((found = strstr(found, line)) &&
           (found[n] != '\n' || (found > text && found[-1] != '\n')))
        found++;
    if (!found)
        fail_msg("no line \"%s\" in\n%s", line, text);
}

static void end(const char *listener, enum end how, uint64_t bytes, uint64_t handshake_usec,
                uint64_t usec)
{
    const struct record record = {.end = (int)how,
                                  .bytes_in = bytes + 1,
                                  .bytes_out = bytes,
                                  .messages = 2,
                                  .handshake_usec = handshake_usec};

    metrics_came(metrics, listener);
    metrics_ended(metrics, listener, &record, usec);
}

static void test_nothing_yet(void **state)
{
    (void)state;
    print();
    assert_null(strstr(text, "listener="));
    assert_line("echod_log_lines_dropped_total 0");
    metrics_announce(metrics, "echo");
    metrics_announce(metrics, "echo");
    print();
    assert_line("echod_clients{listener=\"echo\"} 0");
    assert_line("echod_connections_total{listener=\"echo\",end=\"crashed\"} 0");
    assert_line("echod_refusals_total{listener=\"echo\",rule=\"rate\"} 0");
    assert_line("echod_session_seconds_bucket{listener=\"echo\",le=\"+Inf\"} 0");
    assert_null(strstr(strstr(text, "echod_clients{") + 1, "echod_clients{"));
}

static void test_each_client_is_in_one_place(void **state)
{
    (void)state;
    metrics_came(metrics, "a");
    metrics_came(metrics, "a");
    metrics_came(metrics, "a");
    metrics_refused(metrics, "a", ACCESS_RATE);
    end("a", END_CLOSED, 100, 0, 10);
    end("b", END_IDLE, 7, 0, 10);
    print();
    assert_line("echod_clients{listener=\"a\"} 2");
    assert_line("echod_clients{listener=\"b\"} 0");
    assert_line("echod_connections_total{listener=\"a\",end=\"refused\"} 1");
    assert_line("echod_refusals_total{listener=\"a\",rule=\"rate\"} 1");
    assert_line("echod_connections_total{listener=\"a\",end=\"closed\"} 1");
    assert_line("echod_connections_total{listener=\"b\",end=\"idle\"} 1");
    assert_line("echod_received_bytes_total{listener=\"a\"} 101");
    assert_line("echod_echoed_bytes_total{listener=\"a\"} 100");
    assert_line("echod_echoed_bytes_total{listener=\"b\"} 7");
    assert_line("echod_messages_total{listener=\"a\"} 2");
    assert_line("echod_session_seconds_count{listener=\"a\"} 1"); /* the refused one had none */
}

/* A client that a proxy has named. */
static void test_refused_by_a_child(void **state)
{
    const struct record record = {.end = END_REFUSED, .rule = ACCESS_DENY};

    (void)state;
    metrics_came(metrics, "a");
    metrics_ended(metrics, "a", &record, 10);
    print();
    assert_line("echod_connections_total{listener=\"a\",end=\"refused\"} 1");
    assert_line("echod_refusals_total{listener=\"a\",rule=\"deny\"} 1");
}

/* A bound belongs to its bucket, and each bucket has all that the lower ones have. */
static void test_histogram(void **state)
{
    (void)state;
    end("a", END_CLOSED, 0, 1000, 2000000);
    end("a", END_CLOSED, 0, 1001, 2000000);
    end("a", END_CLOSED, 0, 20000000, 30000000);
    end("a", END_CLOSED, 0, 0, UINT64_C(90000) * 1000000);
    print();
    assert_line("echod_handshake_seconds_bucket{listener=\"a\",le=\"0.001\"} 1");
    assert_line("echod_handshake_seconds_bucket{listener=\"a\",le=\"0.0025\"} 2");
    assert_line("echod_handshake_seconds_bucket{listener=\"a\",le=\"10\"} 2");
    assert_line("echod_handshake_seconds_bucket{listener=\"a\",le=\"+Inf\"} 3");
    assert_line("echod_handshake_seconds_sum{listener=\"a\"} 20.002001");
    assert_line("echod_handshake_seconds_count{listener=\"a\"} 3");
    assert_line("echod_session_seconds_bucket{listener=\"a\",le=\"1\"} 0");
    assert_line("echod_session_seconds_bucket{listener=\"a\",le=\"10\"} 2");
    assert_line("echod_session_seconds_bucket{listener=\"a\",le=\"86400\"} 3");
    assert_line("echod_session_seconds_bucket{listener=\"a\",le=\"+Inf\"} 4");
    assert_line("echod_session_seconds_sum{listener=\"a\"} 90034.000000");
}

/* A child writes what it likes: no handshake is longer than its session. */
static void test_handshake_that_cannot_be(void **state)
{
    (void)state;
    end("a", END_CLOSED, 0, UINT64_MAX, 3000);
    print();
    assert_line("echod_handshake_seconds_bucket{listener=\"a\",le=\"0.005\"} 1");
    assert_line("echod_handshake_seconds_sum{listener=\"a\"} 0.003000");
}

static void test_names_are_escaped(void **state)
{
    (void)state;
    metrics_came(metrics, "a\"b\\c\nd\xff");
    print();
    assert_line("echod_clients{listener=\"a\\\"b\\\\x5cc\\\\x0ad\\\\xff\"} 1");
}

static void test_child_sees_none(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    metrics_came(metrics, "secret");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        print();
        _exit(strstr(text, "secret") ? 1 : 0);
    }
    assert_true(waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

static void test_file_is_replaced(void **state)
{
    char directory[] = "/tmp/metrics.XXXXXX", path[64], line[256];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/m.prom", directory);
    assert_null(metrics_write(metrics, "old 1\n", path));
    assert_null(metrics_write(metrics, "second 2\n", path));
    file = fopen(path, "re");
    assert_non_null(file);
    line[0] = '\0';
    while (fgets(line, sizeof(line), file))
        assert_null(strstr(line, "old 1"));
    assert_string_equal(line, "second 2\n"); /* the last one */
    fclose(file);
    unlink(path);
    assert_int_equal(rmdir(directory), 0); /* nothing else was in it */
    assert_string_equal(metrics_write(metrics, "", path), "No such file or directory");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_metrics, close_metrics)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_yet),
        TEST(test_each_client_is_in_one_place),
        TEST(test_refused_by_a_child),
        TEST(test_histogram),
        TEST(test_handshake_that_cannot_be),
        TEST(test_names_are_escaped),
        TEST(test_child_sees_none),
        TEST(test_file_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
