/* test_exchange.c - one message to the server and back, checked, against servers of all kinds. */
#include "echoc/exchange.h"

#include "child/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON (10 * USEC_PER_SEC)         /* far longer than anything here takes */
#define BRIEFLY (30 * USEC_PER_MSEC)     /* for what is to time out */
#define LARGE ((size_t)32 * 1024 * 1024) /* more than the path holds, both ways */

/* The client's stream, and the server that a test plays. */
struct pair {
    struct stream stream;
    int peer;
};

static struct pair open_pair(void)
{
    struct pair pair;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    stream_open(&pair.stream, fds[0]);
    pair.peer = fds[1];
    return pair;
}

static void close_pair(struct pair *pair)
{
    close(pair->peer);
    stream_close(&pair->stream, 0, 0);
}

static void peer_sends(const struct pair *pair, const char *text)
{
    assert_int_equal(send(pair->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void assert_peer_reads(const struct pair *pair, const char *text)
{
    char data[64];

    assert_int_equal(recv(pair->peer, data, sizeof(data), 0), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static enum exchange exchange_text(struct pair *pair, const char *text, uint64_t usec,
                                   struct err *ret_err)
{
    return exchange(&pair->stream, (const unsigned char *)text, strlen(text), deadline_in(usec),
                    ret_err);
}

static void assert_exchange(struct pair *pair, const char *text, uint64_t usec,
                            enum exchange answer, const char *error)
{
    struct err err = {.text = "untouched"};

    assert_int_equal(exchange_text(pair, text, usec, &err), answer);
    assert_string_equal(err.text, error);
}

/* ---- exchange ---- */

static void what_comes_back_whole_is_ok(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    peer_sends(&pair, "hello");
    assert_exchange(&pair, "hello", SOON, EXCHANGE_OK, "untouched");
    assert_peer_reads(&pair, "hello");
    close_pair(&pair);
}

static void nothing_needs_no_answer(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    assert_exchange(&pair, "", BRIEFLY, EXCHANGE_OK, "untouched");
    close_pair(&pair);
}

/* The bytes of the next message stay in the socket. */
static void no_more_is_read_than_was_sent(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    peer_sends(&pair, "onetwothree");
    assert_exchange(&pair, "one", SOON, EXCHANGE_OK, "untouched");
    assert_exchange(&pair, "two", SOON, EXCHANGE_OK, "untouched");
    assert_exchange(&pair, "three", SOON, EXCHANGE_OK, "untouched");
    close_pair(&pair);
}

static void the_first_wrong_byte_is_named(void **state)
{
    static const struct {
        const char *answer, *error;
    } wrong[] = {
        {"Hello", "echo: byte 0 of 5 is not the one that was sent"},
        {"heLLO", "echo: byte 2 of 5 is not the one that was sent"},
        {"hellO", "echo: byte 4 of 5 is not the one that was sent"},
        {"hallo", "echo: byte 1 of 5 is not the one that was sent"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct pair pair = open_pair();

        peer_sends(&pair, wrong[i].answer);
        assert_exchange(&pair, "hello", SOON, EXCHANGE_WRONG, wrong[i].error);
        close_pair(&pair);
    }
}

/* Counted from the beginning of the message, however many reads it takes to get there. */
static void a_wrong_byte_far_behind_is_named(void **state)
{
    struct pair pair = open_pair();
    static unsigned char message[50000];
    struct err err;

    (void)state;
    message[49998] = 'x';
    assert_int_equal(send(pair.peer, message, sizeof(message), MSG_NOSIGNAL), sizeof(message));
    message[49998] = 'y';
    assert_int_equal(exchange(&pair.stream, message, sizeof(message), deadline_in(SOON), &err),
                     EXCHANGE_WRONG);
    assert_string_equal(err.text, "echo: byte 49998 of 50000 is not the one that was sent");
    close_pair(&pair);
}

static void a_server_that_ends_is_broken(void **state)
{
    static const struct {
        const char *answer, *error;
    } ends[] = {
        {"", "echo: the server ended after 0 of 5 bytes"},
        {"hell", "echo: the server ended after 4 of 5 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        struct pair pair = open_pair();

        peer_sends(&pair, ends[i].answer);
        shutdown(pair.peer, SHUT_WR);
        assert_exchange(&pair, "hello", SOON, EXCHANGE_BROKEN, ends[i].error);
        close_pair(&pair);
    }
}

static void a_server_that_is_gone_is_broken(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    shutdown(pair.peer, SHUT_RDWR);
    assert_exchange(&pair, "hello", SOON, EXCHANGE_BROKEN, "echo: Broken pipe after 0 of 5 bytes");
    close_pair(&pair);
}

static void a_silent_server_times_out(void **state)
{
    struct pair pair = open_pair();
    uint64_t start = now_usec();

    (void)state;
    peer_sends(&pair, "he");
    assert_exchange(&pair, "hello", BRIEFLY, EXCHANGE_TIMEOUT,
                    "echo: timed out after 2 of 5 bytes");
    assert_true(now_usec() - start >= BRIEFLY);
    assert_true(now_usec() - start < SOON);
    close_pair(&pair);
}

/* ---- messages that are longer than the path ---- */

static unsigned char *large_message(void)
{
    unsigned char *message = malloc(LARGE);

    assert_non_null(message);
    for (size_t i = 0; i < LARGE; i++)
        message[i] = (unsigned char)((uint32_t)i * 2654435761u >> 24);
    return message;
}

/* The echo loop of echod, which stops reading while nobody reads from it. */
static pid_t fork_echo(struct pair *pair)
{
    const struct echo_limits no_limits = {.deadline = DEADLINE_NEVER};
    pid_t pid = fork();

    if (pid == 0) {
        struct record record = {.end = 0};
        struct stream stream;

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        close(pair->stream.fd);
        stream_open(&stream, pair->peer);
        _exit(echo_run(&stream, &no_limits, &record));
    }
    return pid;
}

static void a_message_may_be_longer_than_the_path(void **state)
{
    struct pair pair = open_pair();
    unsigned char *message = large_message();
    struct err err = {.text = "untouched"};
    pid_t echo = fork_echo(&pair);
    int status;

    (void)state;
    close(pair.peer);
    assert_int_equal(exchange(&pair.stream, message, LARGE, deadline_in(SOON), &err), EXCHANGE_OK);
    assert_string_equal(err.text, "untouched");
    assert_int_equal(exchange_end(&pair.stream, deadline_in(SOON), &err), 0);
    stream_close(&pair.stream, 0, 0);
    assert_int_equal(waitpid(echo, &status, 0), echo);
    assert_int_equal(WEXITSTATUS(status), END_CLOSED);
    free(message);
}

/* Neither side takes any more: the deadline holds while there is something to write, too. */
static void a_full_path_times_out(void **state)
{
    struct pair pair = open_pair();
    unsigned char *message = large_message();
    struct err err;

    (void)state;
    assert_int_equal(exchange(&pair.stream, message, LARGE, deadline_in(BRIEFLY), &err),
                     EXCHANGE_TIMEOUT);
    assert_string_equal(err.text, "echo: timed out after 0 of 33554432 bytes");
    close_pair(&pair);
    free(message);
}

/* ---- greetings ---- */

static int greet(struct pair *pair, char *text, size_t size, uint64_t usec)
{
    memset(text, '?', size);
    return exchange_greeting(&pair->stream, '\n', deadline_in(usec), text, size);
}

static void a_greeting_is_read_and_no_more(void **state)
{
    struct pair pair = open_pair();
    char text[64];

    (void)state;
    peer_sends(&pair, "{\"a\": 1}\n\nhello");
    assert_int_equal(greet(&pair, text, sizeof(text), SOON), 0);
    assert_string_equal(text, "{\"a\": 1}\n");
    assert_int_equal(greet(&pair, text, sizeof(text), SOON), 0);
    assert_string_equal(text, "\n");
    assert_exchange(&pair, "hello", SOON, EXCHANGE_OK, "untouched");
    close_pair(&pair);
}

static void a_greeting_must_fit(void **state)
{
    struct pair pair = open_pair();
    char text[6];

    (void)state;
    peer_sends(&pair, "four\nfive.\n");
    assert_int_equal(greet(&pair, text, sizeof(text), SOON), 0);
    assert_string_equal(text, "four\n");
    assert_int_equal(greet(&pair, text, sizeof(text), SOON), -1);
    close_pair(&pair);
}

static void a_greeting_must_come_in_time(void **state)
{
    struct pair pair = open_pair();
    uint64_t start = now_usec();
    char text[64];

    (void)state;
    peer_sends(&pair, "hel");
    assert_int_equal(greet(&pair, text, sizeof(text), BRIEFLY), -1);
    assert_true(now_usec() - start >= BRIEFLY);
    assert_true(now_usec() - start < SOON);
    close_pair(&pair);
}

static void a_greeting_must_come_before_the_end(void **state)
{
    struct pair pair = open_pair();
    char text[64];

    (void)state;
    peer_sends(&pair, "hello");
    shutdown(pair.peer, SHUT_WR);
    assert_int_equal(greet(&pair, text, sizeof(text), SOON), -1);
    close_pair(&pair);
}

/* ---- the end ---- */

static void assert_end_fails(struct pair *pair, uint64_t usec, const char *error)
{
    struct err err;

    assert_int_equal(exchange_end(&pair->stream, deadline_in(usec), &err), -1);
    assert_string_equal(err.text, error);
    close_pair(pair);
}

static void both_sides_end_in_order(void **state)
{
    struct pair pair = open_pair();
    struct err err = {.text = "untouched"};
    char byte;

    (void)state;
    shutdown(pair.peer, SHUT_WR);
    assert_int_equal(exchange_end(&pair.stream, deadline_in(SOON), &err), 0);
    assert_string_equal(err.text, "untouched");
    assert_int_equal(recv(pair.peer, &byte, 1, 0), 0); /* our side has ended */
    close_pair(&pair);
}

static void a_byte_too_many_is_told(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    peer_sends(&pair, "x");
    shutdown(pair.peer, SHUT_WR);
    assert_end_fails(&pair, SOON, "end: the server sent more than it was sent");
}

static void a_server_that_does_not_end_is_told(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    assert_end_fails(&pair, BRIEFLY, "end: the server does not end its side");
}

/* Only TLS can be truncated; the mark is the stream's, of whatever kind it is. */
static void a_truncated_end_is_told(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    shutdown(pair.peer, SHUT_WR);
    pair.stream.truncated = true;
    assert_end_fails(&pair, SOON, "end: the server closed without close_notify");
}

/* unix(7): closing a socket with unread input breaks the connection. */
static void a_broken_end_is_told(void **state)
{
    struct pair pair = open_pair();
    size_t n;

    (void)state;
    assert_int_equal(stream_write(&pair.stream, "unread", 6, &n), STREAM_OK);
    close(pair.peer);
    pair.peer = -1;
    assert_end_fails(&pair, SOON, "end: Connection reset by peer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_back_whole_is_ok),
        cmocka_unit_test(nothing_needs_no_answer),
        cmocka_unit_test(no_more_is_read_than_was_sent),
        cmocka_unit_test(the_first_wrong_byte_is_named),
        cmocka_unit_test(a_wrong_byte_far_behind_is_named),
        cmocka_unit_test(a_server_that_ends_is_broken),
        cmocka_unit_test(a_server_that_is_gone_is_broken),
        cmocka_unit_test(a_silent_server_times_out),
        cmocka_unit_test(a_message_may_be_longer_than_the_path),
        cmocka_unit_test(a_full_path_times_out),
        cmocka_unit_test(a_greeting_is_read_and_no_more),
        cmocka_unit_test(a_greeting_must_fit),
        cmocka_unit_test(a_greeting_must_come_in_time),
        cmocka_unit_test(a_greeting_must_come_before_the_end),
        cmocka_unit_test(both_sides_end_in_order),
        cmocka_unit_test(a_byte_too_many_is_told),
        cmocka_unit_test(a_server_that_does_not_end_is_told),
        cmocka_unit_test(a_truncated_end_is_told),
        cmocka_unit_test(a_broken_end_is_told),
    };

    alarm(60); /* a test that waits for ever fails */
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
