/* test_forkserver.c - processes are made by a process that is made for it, and are ours all the
 * same.
 */
#include "parent/forkserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
    int status;
    char text[16];
};

/* ---- work ---- */

static bool ready(void *arg, int line)
{
    (void)arg, (void)line;
    return true;
}

static bool never_ready(void *arg, int line)
{
    (void)arg, (void)line;
    return false;
}

/* The process writes the request's text to its descriptor, and ends with the request's status. */
static pid_t write_text(void *arg, const void *data, int fd)
{
    const struct request *request = data;
    pid_t pid = forkserver_fork();

    (void)arg;
    if (pid == 0)
        _exit(write(fd, request->text, strlen(request->text)) < 0 ? 99 : request->status);
    return pid;
}

static pid_t fail_to_make(void *arg, const void *data, int fd)
{
    (void)arg, (void)data, (void)fd;
    errno = EUCLEAN;
    return -1;
}

static pid_t end_by(int signal)
{
    kill(getpid(), signal);
    return -1;
}

static pid_t die(void *arg, const void *data, int fd)
{
    (void)arg, (void)data, (void)fd;
    return end_by(SIGKILL);
}

static pid_t hang(void *arg, const void *data, int fd)
{
    (void)arg, (void)data, (void)fd;
    return end_by(SIGSTOP);
}

static pid_t die_after(void *arg, const void *data, int fd)
{
    write_text(arg, data, fd);
    return end_by(SIGKILL);
}

static pid_t hang_after(void *arg, const void *data, int fd)
{
    write_text(arg, data, fd);
    return end_by(SIGSTOP);
}

static struct forkserver start(bool (*prepare)(void *, int),
                               pid_t (*make)(void *, const void *, int))
{
    const struct forkserver_work work = {prepare, make, NULL, sizeof(struct request)};
    struct forkserver forkserver = {.pid = 0};

    assert_int_equal(forkserver_start(&forkserver, &work), 0);
    assert_true(forkserver.pid > 0);
    return forkserver;
}

/* Returns what forkserver_request() does. */
static int make(struct forkserver *forkserver, int status, const char *text, int fd, pid_t *ret_pid)
{
    struct request request = {.status = status};

    snprintf(request.text, sizeof(request.text), "%s", text);
    return forkserver_request(forkserver, &request, sizeof(request), fd, ret_pid);
}

static int status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- tests ---- */

static void processes_are_the_callers_children(void **state)
{
    struct forkserver forkserver = start(ready, write_text);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 5; i++) {
        char text[16] = "";
        pid_t pid;
        int status;

        assert_int_equal(make(&forkserver, 10 + i, "hello", ends[1], &pid), 0);
        assert_int_not_equal(pid, forkserver.pid);
        status = status_of(pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 10 + i);
        assert_int_equal(read(ends[0], text, sizeof(text)), 5);
        assert_string_equal(text, "hello");
    }
    forkserver_stop(&forkserver);
    close(ends[1]);
    assert_int_equal(read(ends[0], &(char){0}, 1), 0); /* nobody else has kept the other end */
    close(ends[0]);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
}

static void errors_are_passed_on(void **state)
{
    struct forkserver forkserver = start(ready, fail_to_make);
    pid_t pid;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(make(&forkserver, 0, "", STDERR_FILENO, &pid), EUCLEAN);
    forkserver_stop(&forkserver);
}

static void who_is_not_ready_makes_one_and_ends(void **state)
{
    struct forkserver forkserver = start(never_ready, write_text);
    siginfo_t info;
    pid_t pid;

    (void)state;
    assert_int_equal(make(&forkserver, 5, "", STDERR_FILENO, &pid), 0);
    assert_int_equal(WEXITSTATUS(status_of(pid)), 5);
    assert_int_equal(waitid(P_PID, (id_t)forkserver.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(make(&forkserver, 0, "", STDERR_FILENO, &pid), EPIPE);
    forkserver_stop(&forkserver);
}

static void dead_forkserver_is_noticed(void **state)
{
    struct forkserver forkserver = start(ready, write_text);
    siginfo_t info;
    pid_t pid;

    (void)state;
    kill(forkserver.pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)forkserver.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(make(&forkserver, 0, "", STDERR_FILENO, &pid), EPIPE);
    forkserver_stop(&forkserver);
    assert_int_equal(forkserver.pid, 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
}

/* It is gone, and leaves nobody behind. */
static void assert_gone(struct forkserver *forkserver)
{
    assert_int_equal(forkserver->pid, -1);
    forkserver_stop(forkserver);
    assert_int_equal(forkserver->pid, 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
}

static void who_dies_over_a_request_has_made_nothing(void **state)
{
    struct forkserver forkserver = start(ready, die);
    pid_t pid;

    (void)state;
    assert_int_equal(make(&forkserver, 0, "", STDERR_FILENO, &pid), EPIPE);
    assert_gone(&forkserver);
}

static void who_hangs_over_a_request_has_made_nothing(void **state)
{
    struct forkserver forkserver = start(ready, hang);
    pid_t pid;

    (void)state;
    assert_int_equal(make(&forkserver, 0, "", STDERR_FILENO, &pid), ETIMEDOUT);
    assert_gone(&forkserver);
}

static void assert_is_known(pid_t (*work)(void *, const void *, int))
{
    struct forkserver forkserver = start(ready, work);
    pid_t pid;

    assert_int_equal(make(&forkserver, 9, "", STDERR_FILENO, &pid), 0);
    assert_int_equal(WEXITSTATUS(status_of(pid)), 9);
    assert_gone(&forkserver);
}

static void what_was_made_is_known_whatever_comes_then(void **state)
{
    (void)state;
    assert_is_known(die_after);
    assert_is_known(hang_after);
}

/* As for any system call with a time limit, signal(7): not so for this one. */
static void stopping_us_changes_nothing(void **state)
{
    struct forkserver forkserver = start(ready, write_text);
    pid_t us = getpid(), disturber = fork(), pid;

    (void)state;
    if (disturber == 0) {
        for (int i = 0; i < 200; i++) {
            kill(us, SIGSTOP);
            kill(us, SIGCONT);
            usleep(1000);
        }
        _exit(0);
    }
    while (waitpid(disturber, NULL, WNOHANG) == 0) {
        assert_int_equal(make(&forkserver, 3, "", STDERR_FILENO, &pid), 0);
        assert_int_equal(WEXITSTATUS(status_of(pid)), 3);
        assert_true(forkserver.pid > 0);
    }
    forkserver_stop(&forkserver);
}

static void processes_outlive_it(void **state)
{
    struct forkserver forkserver = start(ready, write_text);
    int ends[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (size_t n = 0; n < 65536; n += 4096) /* a full pipe holds the process */
        assert_int_equal(write(ends[1], (char[4096]){0}, 4096), 4096);
    assert_int_equal(make(&forkserver, 7, "late", ends[1], &pid), 0);
    forkserver_stop(&forkserver);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    for (size_t n = 0; n < 65536; n += 4096)
        assert_int_equal(read(ends[0], (char[4096]){0}, 4096), 4096);
    assert_int_equal(WEXITSTATUS(status_of(pid)), 7);
    close(ends[0]);
    close(ends[1]);
}

static void it_ends_with_whoever_started_it(void **state)
{
    int ends[2];
    pid_t parent;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (parent == 0) {
        start(ready, write_text);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(status_of(parent), 0);
    assert_int_equal(read(ends[0], &(char){0}, 1),
                     0); /* the fork server had the other end as well */
    close(ends[0]);
}

static void no_forkserver_can_be_stopped(void **state)
{
    struct forkserver forkserver = {.pid = 0};

    (void)state;
    forkserver_stop(&forkserver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_are_the_callers_children),
        cmocka_unit_test(errors_are_passed_on),
        cmocka_unit_test(who_is_not_ready_makes_one_and_ends),
        cmocka_unit_test(dead_forkserver_is_noticed),
        cmocka_unit_test(who_dies_over_a_request_has_made_nothing),
        cmocka_unit_test(who_hangs_over_a_request_has_made_nothing),
        cmocka_unit_test(what_was_made_is_known_whatever_comes_then),
        cmocka_unit_test(stopping_us_changes_nothing),
        cmocka_unit_test(processes_outlive_it),
        cmocka_unit_test(it_ends_with_whoever_started_it),
        cmocka_unit_test(no_forkserver_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
