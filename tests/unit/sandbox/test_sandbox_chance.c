/*
 * test_sandbox_chance.c - a sandboxed process may be the first to ask libc for random bytes. From
 * glibc 2.41 on, where the vDSO has getrandom(2), the first getrandom(3) of a process is more than
 * one system call: with all signals blocked it maps memory for the generator. Processes that
 * inherit this from their parent do not show it, so each here is a new program that asks for
 * nothing before.
 */
#include "sandbox_helper.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNPREPARED 98 /* exit statuses of the new program */
#define UNSANDBOXED 99
#define UNANSWERED 100

/* ---- the new program ---- */

static bool getrandom_answers(void)
{
    char bytes[16];

    return getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes);
}

static bool arc4random_answers(void)
{
    return arc4random_uniform(16) < 16;
}

static bool (*const ways[])(void) = {getrandom_answers, arc4random_answers};

static bool sandbox_itself(enum sandbox_kind kind)
{
    int ends[2], kept[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || (kept[0] = dup2(ends[0], 20)) < 0 ||
        (kept[1] = epoll_create1(0)) < 0)
        return false;
    if (kind == SANDBOX_CLIENT && sandbox_forkserver() < 0)
        return false;
    return sandbox_enter(kind, kept, kind == SANDBOX_SIGNER ? 2 : 1) == 0;
}

static _Noreturn void ask_first(enum sandbox_kind kind, bool (*answers)(void))
{
    struct err err;

    if (sandbox_prepare(&err) < 0)
        _exit(UNPREPARED);
    if (!sandbox_itself(kind))
        _exit(UNSANDBOXED);
    _exit(answers() ? 0 : UNANSWERED);
}

/* ---- tests ---- */

/* Its arguments are a digit each: the kind of process, and which of the ways it asks. */
static int status_of(enum sandbox_kind kind, size_t way)
{
    char digits[2][2] = {{(char)('0' + (int)kind)}, {(char)('0' + (int)way)}};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execl("/proc/self/exe", "test_sandbox_chance", digits[0], digits[1], (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void sandboxed_process_may_be_the_first_to_ask(void **state)
{
    (void)state;
    for (enum sandbox_kind kind = 0; kind < SANDBOX_KINDS; kind++)
        for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); way++)
            assert_int_equal(status_of(kind, way), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sandboxed_process_may_be_the_first_to_ask)};

    alarm(120); /* a test that waits for ever fails */
    if (argc == 3)
        ask_first((enum sandbox_kind)(argv[1][0] - '0'), ways[argv[2][0] - '0']);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
