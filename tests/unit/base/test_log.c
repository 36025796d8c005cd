/* test_log.c - lines to stderr, which is a pipe here, and to a journal that this file plays. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/deadline.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_LIMIT 4096
#define JOURNAL "/run/systemd/journal/socket"

/* What the journal was sent last, and whether it takes anything at all. */
static struct {
    bool stalled;
    unsigned n;
    char text[2 * LINE_LIMIT];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
} journal;

/* Takes the place of the C library's, so that no journal is needed and none is disturbed. */
ssize_t sendto(int fd, const void *data, size_t n, int flags, __CONST_SOCKADDR_ARG to,
               socklen_t to_length)
{
    const struct sockaddr_un *un = to.__sockaddr_un__;

    assert_true(fd >= 0);
    assert_true(flags & MSG_DONTWAIT);
    assert_true(to_length > offsetof(struct sockaddr_un, sun_path));
    assert_true(n < sizeof(journal.text));
    if (journal.stalled) {
        errno = EAGAIN;
        return -1;
    }
    snprintf(journal.path, sizeof(journal.path), "%s", un->sun_path);
    memcpy(journal.text, data, n);
    journal.text[n] = '\0';
    journal.n++;
    return (ssize_t)n;
}

/* ---- stderr, caught ---- */

static struct {
    int saved;
    int read_end;
    char text[1 << 17];
} caught;

static int catch_stderr(void **state)
{
    int ends[2];

    (void)state;
    memset(&journal, 0, sizeof(journal));
    unsetenv("JOURNAL_STREAM");
    if (pipe(ends) < 0)
        return -1;
    caught.saved = dup(STDERR_FILENO);
    caught.read_end = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return 0;
}

static int release_stderr(void **state)
{
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_INFO);
    dup2(caught.saved, STDERR_FILENO);
    close(caught.saved);
    close(caught.read_end);
    return 0;
}

/* All that came since the last call. */
static const char *stderr_text(void)
{
    size_t length = 0;
    ssize_t n;

    while ((n = read(caught.read_end, caught.text + length, sizeof(caught.text) - length - 1)) > 0)
        length += (size_t)n;
    caught.text[length] = '\0';
    return caught.text;
}

/* Leave no room in the pipe, as a reader does that has stalled. */
static void stall_stderr(void)
{
    static const char block[LINE_LIMIT];

    fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    while (write(STDERR_FILENO, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, EAGAIN);
    fcntl(STDERR_FILENO, F_SETFL, 0);
}

/* ---- levels ---- */

/* Comes first: no log_open() has been called yet. */
static void information_goes_to_stderr_from_the_start(void **state)
{
    (void)state;
    log_info("number %d", 1);
    log_debug("number %d", 2);
    assert_string_equal(stderr_text(), "echod: number 1\n");
}

static void lines_below_the_level_are_left_out(void **state)
{
    (void)state;
    for (int limit = LOG_ERR; limit <= LOG_DEBUG; limit++) {
        log_open(LOG_TARGET_STDERR, limit);
        for (int level = LOG_ERR; level <= LOG_DEBUG; level++) {
            assert_int_equal(log_enabled(level), level <= limit);
            log_line(level, "line");
            assert_string_equal(stderr_text(), level <= limit ? "echod: line\n" : "");
            log_event(level, "event", NULL, 0);
            assert_string_equal(stderr_text(), level <= limit ? "echod: event\n" : "");
        }
    }
}

static void each_name_is_its_level(void **state)
{
    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_DEBUG);
    log_error("x");
    assert_int_equal(strncmp(journal.text, "PRIORITY=3\n", 11), 0);
    log_warning("x");
    assert_int_equal(strncmp(journal.text, "PRIORITY=4\n", 11), 0);
    log_notice("x");
    assert_int_equal(strncmp(journal.text, "PRIORITY=5\n", 11), 0);
    log_info("x");
    assert_int_equal(strncmp(journal.text, "PRIORITY=6\n", 11), 0);
    log_debug("x");
    assert_int_equal(strncmp(journal.text, "PRIORITY=7\n", 11), 0);
    assert_int_equal(journal.n, 5);
}

/* ---- what leaves ---- */

/* How the byte must leave: as it is, or as \xNN. */
static const char *escaped(int byte)
{
    static char text[8];

    snprintf(text, sizeof(text), byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
    return text;
}

static void every_byte_that_is_not_printable_is_escaped(void **state)
{
    char wanted[64];

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        snprintf(wanted, sizeof(wanted), "echod: <%s>\n", escaped(byte));
        log_info("<%c>", byte);
        assert_string_equal(stderr_text(), wanted);
    }
}

static void no_text_forges_a_line(void **state)
{
    const struct log_field field = {"ECHOD_ERROR", "x\nechod: forged"};

    (void)state;
    log_info("%s", "x\nechod: forged");
    assert_string_equal(stderr_text(), "echod: x\\x0aechod: forged\n");
    log_event(LOG_INFO, "message", &field, 1);
    assert_string_equal(stderr_text(), "echod: error=\"x\\x0aechod: forged\"\n");
}

static void no_text_forges_a_field_of_the_journal(void **state)
{
    const struct log_field field = {"ECHOD_ERROR", "x\nPRIORITY=0"};

    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    log_event(LOG_INFO, "m\nPRIORITY=0", &field, 1);
    assert_null(strstr(journal.text, "\nPRIORITY=0"));
    assert_non_null(strstr(journal.text, "\nMESSAGE=m\\x0aPRIORITY=0\n"));
    assert_non_null(strstr(journal.text, "\nECHOD_ERROR=x\\x0aPRIORITY=0\n"));
}

static void fields_on_stderr_have_short_names(void **state)
{
    const struct log_field fields[] = {
        {"MESSAGE_ID", "0123456789abcdef0123456789abcdef"},
        {"ECHOD_END", "closed"},
        {"ECHOD_BYTES_IN", "12"},
        {"OTHER_NAME", "192.0.2.1"},
    };

    (void)state;
    log_event(LOG_INFO, "message", fields, 4);
    assert_string_equal(stderr_text(), "echod: end=closed bytes_in=12 other_name=192.0.2.1\n");
}

/* A reader that splits the line at blanks and equals signs finds the fields that were given. */
static void values_on_stderr_are_quoted_where_they_would_mislead(void **state)
{
    const struct log_field fields[] = {
        {"ECHOD_A", "plain:text-1"}, {"ECHOD_B", "two words"}, {"ECHOD_C", ""},
        {"ECHOD_D", "a=b"},          {"ECHOD_E", "tab\t"},     {"ECHOD_F", "no end \\"},
    };

    (void)state;
    log_event(LOG_INFO, "message", fields, 6);
    assert_string_equal(stderr_text(),
                        "echod: a=plain:text-1 b=\"two words\" c=\"\" d=\"a=b\" e=tab\\x09 "
                        "f=\"no end \\x5c\"\n");
}

/* TLS lets a peer put any byte but NUL into its SNI. */
static void no_value_forges_a_field_on_stderr(void **state)
{
    const struct log_field field = {"ECHOD_TLS_SNI", "x\" end=\"closed"};

    (void)state;
    log_event(LOG_INFO, "message", &field, 1);
    assert_null(strstr(stderr_text(), "x\" end="));
    assert_non_null(strstr(caught.text, "tls_sni=\"x"));
}

/* A pipe takes PIPE_BUF bytes whole or not at all (pipe(7)). */
static void lines_that_are_too_long_are_cut(void **state)
{
    char value[2 * LINE_LIMIT];
    const struct log_field field = {"ECHOD_ERROR", value};

    (void)state;
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_event(LOG_INFO, "message", &field, 1);
    assert_int_equal(strlen(stderr_text()), LINE_LIMIT);
    assert_ptr_equal(strchr(caught.text, '\n'), caught.text + LINE_LIMIT - 1);
    log_info("%s", value);
    assert_true(strlen(stderr_text()) <= LINE_LIMIT);
    assert_ptr_equal(strchr(caught.text, '\n'), caught.text + strlen(caught.text) - 1);
}

/* ---- the journal ---- */

static void the_journal_gets_native_fields(void **state)
{
    const struct log_field fields[] = {
        {"MESSAGE_ID", "0123456789abcdef0123456789abcdef"},
        {"ECHOD_END", "closed"},
        {"ECHOD_ERROR", "two words"},
    };
    static const char wanted[] = "PRIORITY=5\nSYSLOG_IDENTIFIER=echod\nMESSAGE=the message\n"
                                 "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"
                                 "ECHOD_END=closed\nECHOD_ERROR=two words\n";

    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    log_event(LOG_NOTICE, "the message", fields, 3);
    assert_int_equal(journal.n, 1);
    assert_string_equal(journal.path, JOURNAL);
    assert_int_equal(strncmp(journal.text, wanted, sizeof(wanted) - 1), 0);
    assert_int_equal(strspn(journal.text + sizeof(wanted) - 1, "\n"),
                     strlen(journal.text + sizeof(wanted) - 1));
    assert_string_equal(stderr_text(), "");
}

static void stderr_takes_what_the_journal_does_not(void **state)
{
    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    journal.stalled = true;
    log_info("line");
    assert_string_equal(stderr_text(), "echod: line\n");
    journal.stalled = false;
    log_info("line");
    assert_string_equal(stderr_text(), "");
    assert_int_equal(journal.n, 1);
}

static void targets_can_change(void **state)
{
    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    log_info("one");
    log_open(LOG_TARGET_STDERR, LOG_INFO);
    log_info("two");
    log_open(LOG_TARGET_JOURNAL, LOG_INFO);
    log_info("three");
    log_close();
    log_info("four");
    log_close();
    assert_int_equal(journal.n, 2);
    assert_string_equal(stderr_text(), "echod: two\nechod: four\n");
}

static void set_journal_stream(unsigned long long device, unsigned long long inode)
{
    char text[64];

    snprintf(text, sizeof(text), "%llu:%llu", device, inode);
    setenv("JOURNAL_STREAM", text, true);
}

/* systemd.exec(5): only where the variable names what stderr is now is it the journal. */
static void auto_is_the_journal_where_stderr_is(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    set_journal_stream(st.st_dev, st.st_ino);
    log_open(LOG_TARGET_AUTO, LOG_INFO);
    log_info("line");
    assert_int_equal(journal.n, 1);
    assert_string_equal(stderr_text(), "");
}

static void assert_auto_is_stderr(void)
{
    log_open(LOG_TARGET_AUTO, LOG_INFO);
    log_info("line");
    assert_int_equal(journal.n, 0);
    assert_string_equal(stderr_text(), "echod: line\n");
}

static void auto_is_stderr_elsewhere(void **state)
{
    struct stat st;

    (void)state;
    assert_auto_is_stderr();
    setenv("JOURNAL_STREAM", "", true);
    assert_auto_is_stderr();
    setenv("JOURNAL_STREAM", "journal", true);
    assert_auto_is_stderr();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    set_journal_stream(st.st_dev, st.st_ino + 1);
    assert_auto_is_stderr();
    set_journal_stream(st.st_dev + 1, st.st_ino);
    assert_auto_is_stderr();
}

/* ---- lines that nobody takes ---- */

static void a_stalled_stderr_costs_lines_and_no_time(void **state)
{
    (void)state;
    stall_stderr();
    for (int i = 0; i < 3; i++)
        log_info("lost");
    stderr_text();
    log_info("one");
    log_info("two");
    assert_string_equal(stderr_text(),
                        "echod: one\nechod: 3 log lines could not be written\nechod: two\n");
}

static void a_closed_stderr_does_no_harm(void **state)
{
    int writer = dup(STDERR_FILENO);

    (void)state;
    close(STDERR_FILENO);
    log_info("lost");
    dup2(writer, STDERR_FILENO);
    close(writer);
    log_info("one");
    assert_string_equal(stderr_text(), "echod: one\nechod: 1 log lines could not be written\n");
}

static void what_both_refuse_is_counted_for_the_journal_too(void **state)
{
    (void)state;
    log_open(LOG_TARGET_JOURNAL, LOG_WARNING);
    journal.stalled = true;
    stall_stderr();
    log_error("lost");
    log_info("not even made");
    log_warning("lost");
    journal.stalled = false;
    log_error("passes");
    assert_int_equal(journal.n, 2);
    assert_non_null(strstr(journal.text, "PRIORITY=4\n"));
    assert_non_null(strstr(journal.text, "MESSAGE=2 log lines could not be written\n"));
}

/* ---- throttles ---- */

static void a_throttle_holds_lines_back(void **state)
{
    struct throttle throttle = {.held = 0};
    uint64_t before = now_usec();

    (void)state;
    log_throttled(&throttle, LOG_INFO, "line %d", 1);
    assert_string_equal(stderr_text(), "echod: line 1\n");
    assert_true(throttle.open_again_usec >= before + 10 * USEC_PER_SEC);
    assert_true(throttle.open_again_usec <= now_usec() + 10 * USEC_PER_SEC);
    log_throttled(&throttle, LOG_INFO, "line %d", 2);
    log_throttled(&throttle, LOG_INFO, "line %d", 3);
    assert_string_equal(stderr_text(), "");
}

static void a_throttle_tells_how_many_it_held(void **state)
{
    struct throttle throttle = {.held = 0};

    (void)state;
    for (int i = 0; i < 8; i++)
        log_throttled(&throttle, LOG_INFO, "line");
    throttle.open_again_usec = now_usec(); /* as if ten seconds were over */
    log_throttled(&throttle, LOG_INFO, "line");
    assert_string_equal(stderr_text(),
                        "echod: line\nechod: line (and 7 times since the last such line)\n");
    log_throttled(&throttle, LOG_INFO, "line");
    assert_string_equal(stderr_text(), "");
    throttle.open_again_usec = now_usec();
    log_throttled(&throttle, LOG_INFO, "line");
    assert_string_equal(stderr_text(), "echod: line (and 1 times since the last such line)\n");
    throttle.open_again_usec = now_usec();
    log_throttled(&throttle, LOG_INFO, "line");
    assert_string_equal(stderr_text(), "echod: line\n");
}

static void throttles_know_nothing_of_each_other(void **state)
{
    struct throttle one = {.held = 0}, two = {.held = 0};

    (void)state;
    log_throttled(&one, LOG_INFO, "one");
    log_throttled(&two, LOG_INFO, "two");
    log_info("three");
    assert_string_equal(stderr_text(), "echod: one\nechod: two\nechod: three\n");
}

/* Comes last: there is no way back. */
static void a_forbidden_stderr_stays_silent(void **state)
{
    (void)state;
    log_forbid_stderr();
    log_open(LOG_TARGET_AUTO, LOG_INFO);
    log_info("one");
    log_open(LOG_TARGET_STDERR, LOG_INFO);
    log_info("two");
    assert_int_equal(journal.n, 2);
    journal.stalled = true;
    log_info("three");
    log_close();
    log_info("four");
    assert_string_equal(stderr_text(), "");
}

#define with_caught_stderr(test) cmocka_unit_test_setup_teardown(test, catch_stderr, release_stderr)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_caught_stderr(information_goes_to_stderr_from_the_start),
        with_caught_stderr(lines_below_the_level_are_left_out),
        with_caught_stderr(each_name_is_its_level),
        with_caught_stderr(every_byte_that_is_not_printable_is_escaped),
        with_caught_stderr(no_text_forges_a_line),
        with_caught_stderr(no_text_forges_a_field_of_the_journal),
        with_caught_stderr(fields_on_stderr_have_short_names),
        with_caught_stderr(values_on_stderr_are_quoted_where_they_would_mislead),
        with_caught_stderr(no_value_forges_a_field_on_stderr),
        with_caught_stderr(lines_that_are_too_long_are_cut),
        with_caught_stderr(the_journal_gets_native_fields),
        with_caught_stderr(stderr_takes_what_the_journal_does_not),
        with_caught_stderr(targets_can_change),
        with_caught_stderr(auto_is_the_journal_where_stderr_is),
        with_caught_stderr(auto_is_stderr_elsewhere),
        with_caught_stderr(a_stalled_stderr_costs_lines_and_no_time),
        with_caught_stderr(a_closed_stderr_does_no_harm),
        with_caught_stderr(what_both_refuse_is_counted_for_the_journal_too),
        with_caught_stderr(a_throttle_holds_lines_back),
        with_caught_stderr(a_throttle_tells_how_many_it_held),
        with_caught_stderr(throttles_know_nothing_of_each_other),
        with_caught_stderr(a_forbidden_stderr_stays_silent),
    };

    alarm(60); /* a log that waits would hang here for good */
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
