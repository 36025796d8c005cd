/* test_sandbox.c - what a sandboxed process can still do, and what it is left with. */
#include "../between.h"
#include "sandbox_helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- before sandbox_prepare(): these come first ---- */

static void sandbox_needs_its_preparation(void **state)
{
    (void)state;
    for (enum sandbox_kind kind = 0; kind < SANDBOX_KINDS; kind++) {
        const int kept[] = {0};

        errno = 0;
        assert_int_equal(sandbox_enter(kind, kept, 1), -1);
        assert_int_equal(errno, EINVAL);
    }
    errno = 0;
    assert_int_equal(sandbox_forkserver(), -1);
    assert_int_equal(errno, EINVAL);
    assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0); /* nothing has come of it */
}

/* In a process for which this call is as good as not there. */
static void lack(int call, int error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)error), call, 0) < 0 ||
        seccomp_load(filter) < 0)
        _exit(80);
    seccomp_release(filter);
}

static int run_in_process(void (*run)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void prepare_without_seccomp(void)
{
    struct err err = {.text = ""};

    lack(SCMP_SYS(seccomp), ENOSYS);
    if (sandbox_prepare(&err) != -1)
        _exit(81);
    if (!strstr(err.text, "this kernel has no seccomp(2)"))
        _exit(82);
}

static void kernel_without_seccomp_is_told(void **state)
{
    (void)state;
    assert_int_equal(run_in_process(prepare_without_seccomp), 0);
}

static void sandbox_without_landlock(void)
{
    const int kept[] = {fcntl(STDERR_FILENO, F_DUPFD, 20)};
    struct err err;

    lack(SCMP_SYS(landlock_create_ruleset), ENOSYS);
    lack(SCMP_SYS(landlock_restrict_self), ENOSYS);
    if (sandbox_prepare(&err) < 0)
        _exit(83);
    if (sandbox_forkserver() < 0 || sandbox_enter(SANDBOX_CLIENT, kept, 1) < 0)
        _exit(84);
    syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY);
}

/* The rest of the sandbox must do then. */
static void kernel_may_lack_landlock(void **state)
{
    int status = run_in_process(sandbox_without_landlock);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- what goes on working ---- */

/* In the sandboxed process, whose exit status is the number of the step that has failed. */
static void works(bool ok)
{
    static int step;

    step++;
    if (!ok)
        _exit(step);
}

static void use_memory(void)
{
    const size_t large = 64u << 20;
    char *memory = malloc(large), *more;

    works(memory != NULL);
    memset(memory, 1, large / 16);
    more = realloc(memory, 2 * large);
    works(more != NULL && more[100] == 1);
    free(more);
    for (size_t size = 1; size <= large; size *= 2) {
        memory = calloc(1, size);
        works(memory != NULL && memory[size - 1] == 0);
        free(memory);
    }
}

static void use_clock_and_chance(void)
{
    struct timespec now;
    char bytes[16];

    works(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec > 0);
    works(syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) == 0); /* past the vDSO */
    works(time(NULL) > 0);
    works(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
    works(getpid() > 0);
}

static void use_socket(void)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 1};
    struct pollfd ready = {.fd = 0, .events = POLLIN};
    char byte;
    int queued;

    works(send(0, "a", 1, MSG_NOSIGNAL) == 1);
    works(write(0, "b", 1) == 1);
    works(poll(&ready, 1, SOON_MSEC) == 1);
    works(recv(0, &byte, 1, 0) == 1 && byte == '1');
    works(ppoll(&ready, 1, NULL, NULL) == 1);
    works(read(0, &byte, 1) == 1 && byte == '2');
    works(ioctl(0, SIOCOUTQ, &queued) == 0);
    works(setsockopt(0, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    works(shutdown(0, SHUT_WR) == 0);
    works(recv(0, &byte, 1, 0) == 0);
    works(close(0) == 0);
}

static void serve(const void *arg)
{
    (void)arg;
    use_memory();
    use_clock_and_chance();
    use_socket();
}

static void serving_works(void **state)
{
    struct sandboxed sandboxed = start(SANDBOX_CLIENT, serve, NULL);
    char got[3];

    (void)state;
    assert_int_equal(send(sandboxed.peer, "12", 2, MSG_NOSIGNAL), 2);
    assert_int_equal(recv(sandboxed.peer, got, sizeof(got), MSG_WAITALL), 2);
    assert_memory_equal(got, "ab", 2);
    shutdown(sandboxed.peer, SHUT_WR);
    assert_int_equal(end_of(&sandboxed), 0);
}

/* The kernel goes on with an interrupted poll(2) by restart_syscall(2). */
static void sleep_in_poll(const void *arg)
{
    struct pollfd ready = {.fd = 0, .events = POLLIN};
    char byte = '!';

    (void)arg;
    works(send(0, &byte, 1, MSG_NOSIGNAL) == 1);
    works(poll(&ready, 1, SOON_MSEC) == 1);
    works(recv(0, &byte, 1, 0) == 1 && byte == 'x');
}

static void read_status(pid_t pid, char *text, size_t size)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, text, size - 1);
    close(fd);
    assert_true(n > 0);
    text[n] = '\0';
}

static bool has_status(pid_t pid, const char *line)
{
    char text[4096];

    read_status(pid, text, sizeof(text));
    return strstr(text, line) != NULL;
}

static void await_status(pid_t pid, const char *line)
{
    for (int i = 0; i < SOON_MSEC && !has_status(pid, line); i++)
        usleep(1000);
    assert_true(has_status(pid, line));
}

static void stop_and_continue_goes_unnoticed(void **state)
{
    struct sandboxed sandboxed = start(SANDBOX_CLIENT, sleep_in_poll, NULL);
    int status;

    (void)state;
    await_byte(&sandboxed);
    for (int i = 0; i < 3; i++) {
        await_status(sandboxed.pid, "State:\tS");
        assert_int_equal(kill(sandboxed.pid, SIGSTOP), 0);
        assert_int_equal(waitpid(sandboxed.pid, &status, WUNTRACED), sandboxed.pid);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(kill(sandboxed.pid, SIGCONT), 0);
    }
    await_status(sandboxed.pid, "State:\tS");
    assert_int_equal(send(sandboxed.peer, "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(end_of(&sandboxed), 0);
}

/* The signer is handed descriptors, waits for them and signs. */
static void keep(const void *arg)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = 0};
    char byte = '!';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    (void)arg;
    works(epoll_ctl(1, EPOLL_CTL_ADD, 0, &event) == 0);
    works(send(0, &byte, 1, MSG_NOSIGNAL) == 1);
    works(epoll_wait(1, &event, 1, SOON_MSEC) == 1 && event.data.fd == 0);
    works(recvmsg(0, &message, MSG_CMSG_CLOEXEC) == 1 && byte == 'm');
    works(epoll_pwait(1, &event, 1, SOON_MSEC, NULL) == 1);
    works(recv(0, &byte, 1, 0) == 1 && byte == 'r');
    works(epoll_ctl(1, EPOLL_CTL_DEL, 0, NULL) == 0);
    use_memory();
    use_clock_and_chance();
}

static void keeping_works(void **state)
{
    struct sandboxed sandboxed = start(SANDBOX_SIGNER, keep, NULL);

    (void)state;
    await_byte(&sandboxed);
    assert_int_equal(send(sandboxed.peer, "mr", 2, MSG_NOSIGNAL), 2);
    assert_int_equal(end_of(&sandboxed), 0);
}

/* ---- what it is left with ---- */

static struct sandboxed start_to_look_at(enum sandbox_kind kind)
{
    struct sandboxed sandboxed = start(kind, stay, NULL);

    await_byte(&sandboxed);
    return sandboxed;
}

static void assert_limit(pid_t pid, enum __rlimit_resource resource, rlim_t value)
{
    struct rlimit limit;

    assert_int_equal(prlimit(pid, resource, NULL, &limit), 0);
    assert_int_equal(limit.rlim_cur, value);
    assert_int_equal(limit.rlim_max, value);
}

static void limits_are_lowest(void **state)
{
    struct rlimit own, files;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &own), 0);
    for (enum sandbox_kind kind = 0; kind < SANDBOX_KINDS; kind++) {
        struct sandboxed sandboxed = start_to_look_at(kind);

        assert_limit(sandboxed.pid, RLIMIT_NPROC, 0);
#ifndef ECHOD_SANITIZED /* the sanitizers may report to a file */
        assert_limit(sandboxed.pid, RLIMIT_FSIZE, 0);
#endif
        assert_limit(sandboxed.pid, RLIMIT_CORE, 0);
        if (kind == SANDBOX_CLIENT)
            assert_limit(sandboxed.pid, RLIMIT_NOFILE, 1);
        assert_int_equal(prlimit(sandboxed.pid, RLIMIT_NOFILE, NULL, &files), 0);
        if (kind == SANDBOX_SIGNER) /* it is handed more */
            assert_int_equal(files.rlim_cur, own.rlim_cur);
        leave(&sandboxed);
    }
}

static void kernel_knows_of_the_seal(void **state)
{
    (void)state;
    for (enum sandbox_kind kind = 0; kind < SANDBOX_KINDS; kind++) {
        struct sandboxed sandboxed = start_to_look_at(kind);

        assert_true(has_status(sandboxed.pid, "\nNoNewPrivs:\t1\n"));
        assert_true(has_status(sandboxed.pid, "\nSeccomp:\t2\n"));
        leave(&sandboxed);
    }
}

/* As decimal digits in their order: none here has more than one. */
static void read_descriptors(pid_t pid, char *digits)
{
    char path[64];
    bool open[10] = {false};
    const struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    if (!dir && errno == EACCES)
        skip(); /* only root may look */
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') {
            assert_between(atoi(entry->d_name), 0, 9);
            open[atoi(entry->d_name)] = true;
        }
    closedir(dir);
    for (int i = 0; i < 10; i++)
        if (open[i])
            *digits++ = (char)('0' + i);
    *digits = '\0';
}

static void other_descriptors_are_closed(void **state)
{
    static const char *const kept[SANDBOX_KINDS] = {
#ifdef ECHOD_SANITIZED /* the sanitizers report on standard error */
        [SANDBOX_CLIENT] = "012", [SANDBOX_SIGNER] = "012"
#else
        [SANDBOX_CLIENT] = "0", [SANDBOX_SIGNER] = "01"
#endif
    };

    (void)state;
    for (enum sandbox_kind kind = 0; kind < SANDBOX_KINDS; kind++) {
        struct sandboxed sandboxed = start_to_look_at(kind);
        char digits[11];

        read_descriptors(sandboxed.pid, digits);
        leave(&sandboxed);
        assert_string_equal(digits, kept[kind]);
    }
}

/* ---- who may look into it, and whom the kernel kills first ---- */

/* The processes of a user belong to root in /proc once he may not look into them. */
static struct sandboxed start_nobodys(enum sandbox_kind kind)
{
    struct sandboxed sandboxed = start_as_nobody(kind, stay, NULL);

    await_byte(&sandboxed);
    return sandboxed;
}

static void nobody_may_look_into_it(void **state)
{
    (void)state;
    for (enum sandbox_kind kind = 0; kind < SANDBOX_KINDS; kind++) {
        struct sandboxed sandboxed = start_nobodys(kind);
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d/mem", (int)sandboxed.pid);
        assert_int_equal(stat(path, &st), 0);
        leave(&sandboxed);
        assert_int_equal(st.st_uid, 0);
    }
}

static int oom_score_of(pid_t pid)
{
    char path[64];
    FILE *file;
    int score;

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &score), 1);
    fclose(file);
    return score;
}

static void client_is_killed_first_for_memory(void **state)
{
    int own = oom_score_of(getpid());
    struct sandboxed client = start_nobodys(SANDBOX_CLIENT), signer = start_nobodys(SANDBOX_SIGNER);
    int of_client = oom_score_of(client.pid), of_signer = oom_score_of(signer.pid);

    (void)state;
    leave(&client);
    leave(&signer);
    assert_int_equal(of_client, 1000);
    assert_int_equal(of_signer, own);
}

int main(void)
{
    const struct CMUnitTest unprepared[] = {
        cmocka_unit_test(sandbox_needs_its_preparation),
        cmocka_unit_test(kernel_without_seccomp_is_told),
        cmocka_unit_test(kernel_may_lack_landlock),
    };
    const struct CMUnitTest prepared[] = {
        cmocka_unit_test(serving_works),
        cmocka_unit_test(stop_and_continue_goes_unnoticed),
        cmocka_unit_test(keeping_works),
        cmocka_unit_test(limits_are_lowest),
        cmocka_unit_test(kernel_knows_of_the_seal),
        cmocka_unit_test(other_descriptors_are_closed),
        cmocka_unit_test(nobody_may_look_into_it),
        cmocka_unit_test(client_is_killed_first_for_memory),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(unprepared, NULL, NULL) +
           cmocka_run_group_tests(prepared, prepare, NULL);
}
