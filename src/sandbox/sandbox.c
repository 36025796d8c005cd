/* sandbox.c - the sandbox of the processes that untrusted peers talk to. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OOM_SCORE_FILE "/proc/self/oom_score_adj"
/*
 * The highest value of proc(5): the kernel also counts what a process has mapped, and the parent
 * has as much mapped as a child.
 */
#define OOM_SCORE "1000"

/* ---- seccomp: the allowed system calls; any other kills the process ---- */

/* One system call, and the conditions on its arguments, of which there are `n`. */
struct rule {
    int call;
    unsigned n;
    struct scmp_arg_cmp args[2];
};

#define ALLOW(name)                                                                                \
    {                                                                                              \
        .call = SCMP_SYS(name)                                                                     \
    }
#define ALLOW_IF(name, n_, ...)                                                                    \
    {                                                                                              \
        .call = SCMP_SYS(name), .n = n_, .args = { __VA_ARGS__ }                                   \
    }
#define EQUALS(i, value)                                                                           \
    {                                                                                              \
        .arg = i, .op = SCMP_CMP_EQ, .datum_a = value                                              \
    }
#define HAS_NOT(i, bits)                                                                           \
    {                                                                                              \
        .arg = i, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits                                        \
    }

/*
 * Memory, time, random numbers and exit: what libc and OpenSSL need in any process. Under load,
 * strace shows only sendto, getpid, getrandom, close and exit_group of these, and almost no memory
 * calls: with glibc 2.36 to 2.43, OpenSSL 3.0 to 3.6, jansson 2.14 and 2.15, in TLS 1.2 and 1.3,
 * with ML-KEM, ML-DSA, resumption and reports. The others are for rare cases: a shortage, a first
 * call, a stop.
 */
static const struct rule common_rules[] = {
    ALLOW_IF(sendto, 1, EQUALS(4, 0)), /* without an address: to the peer of the socket only */
    ALLOW_IF(mmap, 1, HAS_NOT(2, PROT_EXEC)),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(madvise),
    ALLOW(brk),
    ALLOW(futex),
    ALLOW(clock_gettime),
    ALLOW(gettimeofday),
    ALLOW(time),
    ALLOW(getrandom),
    ALLOW(rt_sigprocmask), /* glibc from 2.41 on: around the first getrandom(3) of a process */
    ALLOW(getpid),         /* OpenSSL's generator checks whether it has been forked */
    ALLOW(close),
    ALLOW(rt_sigreturn),
    ALLOW(restart_syscall), /* continues poll(2) and futex(2) after SIGCONT */
    ALLOW(exit),
    ALLOW(exit_group),
#ifdef ECHOD_SANITIZED /* the sanitizers: before exits, around locks, for the start of a report */
    ALLOW(sigaltstack),
    ALLOW(sched_yield),
    ALLOW(gettid),
    ALLOW_IF(ioctl, 2, EQUALS(0, STDERR_FILENO), EQUALS(1, TCGETS)),
    ALLOW_IF(write, 1, EQUALS(0, STDERR_FILENO)),
#endif
};

static const struct rule client_rules[] = {
    ALLOW(read),
    ALLOW(write),
    ALLOW(recvfrom),
    ALLOW(poll),
    ALLOW(ppoll),
    ALLOW(shutdown),
    ALLOW_IF(ioctl, 1, EQUALS(1, SIOCOUTQ)),
    ALLOW_IF(setsockopt, 2, EQUALS(1, SOL_SOCKET), EQUALS(2, SO_LINGER)),
    ALLOW_IF(setsockopt, 2, EQUALS(1, SOL_SOCKET), EQUALS(2, SO_RCVTIMEO)),
    ALLOW_IF(setsockopt, 2, EQUALS(1, SOL_SOCKET), EQUALS(2, SO_SNDTIMEO)),
    ALLOW_IF(getsockopt, 2, EQUALS(1, IPPROTO_TCP), EQUALS(2, TCP_INFO)),
};

/*
 * The additional calls of the fork server, and of a client's process until it is sandboxed. The
 * fork server receives requests and forks; the client's process opens its channel to the signer and
 * enters the sandbox.
 */
static const struct rule forkserver_rules[] = {
    ALLOW(recvmsg),
    ALLOW_IF(clone, 1, EQUALS(0, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD)),
    ALLOW(socketpair),
    ALLOW(sendmsg),
    ALLOW(dup2),
    ALLOW(dup3),
    ALLOW(close_range),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW_IF(prlimit64, 1, EQUALS(0, 0)),
    ALLOW_IF(prctl, 1, EQUALS(0, PR_SET_NAME)),
    ALLOW_IF(prctl, 1, EQUALS(0, PR_SET_SECCOMP)),
};

static const struct rule signer_rules[] = {
    ALLOW(recvmsg), ALLOW(recvfrom), ALLOW(epoll_ctl), ALLOW(epoll_wait), ALLOW(epoll_pwait),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST(array)                                                                                \
    {                                                                                              \
        array, COUNT(array)                                                                        \
    }

/* The seccomp filters. A client's process has FORKSERVER and then CLIENT; a call must pass both. */
enum program {
    FORKSERVER, /* an allow list: common, client and fork server rules */
    CLIENT,     /* a deny list: the fork server rules */
    SIGNER,
    PROGRAMS
};

static const struct {
    uint32_t listed, others; /* the action for calls in the lists, and for all others */
    struct {
        const struct rule *rules;
        size_t n;
    } lists[3];
} programs[PROGRAMS] = {
    [FORKSERVER] = {SCMP_ACT_ALLOW,
                    SCMP_ACT_KILL_PROCESS,
                    {LIST(common_rules), LIST(client_rules), LIST(forkserver_rules)}},
    [CLIENT] = {SCMP_ACT_KILL_PROCESS, SCMP_ACT_ALLOW, {LIST(forkserver_rules)}},
    [SIGNER] = {SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS, {LIST(common_rules), LIST(signer_rules)}},
};

/* What sandbox_prepare() has made. */
static struct {
    struct sock_fprog programs[PROGRAMS];
    int ruleset; /* of Landlock; -1 if the kernel has no Landlock */
} prepared = {.ruleset = -1};

/* In a deny program argument conditions are dropped: the call is denied whatever its arguments. */
static int add_rules(scmp_filter_ctx filter, uint32_t action, const struct rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int error =
            seccomp_rule_add_array(filter, action, rules[i].call,
                                   action == SCMP_ACT_ALLOW ? rules[i].n : 0, rules[i].args);

        if (error < 0 && error != -EEXIST)
            return error;
    }
    return 0;
}

/* Read the program that libseccomp wrote to the file. */
static int load_program(int fd, struct sock_fprog *ret_program)
{
    struct sock_filter *code;
    struct stat st;

    if (fstat(fd, &st) < 0 || !(code = malloc((size_t)st.st_size)))
        return -errno;
    if (pread(fd, code, (size_t)st.st_size, 0) != st.st_size) {
        free(code);
        return -EIO;
    }
    ret_program->len = (unsigned short)((size_t)st.st_size / sizeof(*code));
    ret_program->filter = code;
    return 0;
}

static int export_program(scmp_filter_ctx filter, struct sock_fprog *ret_program)
{
    int fd = memfd_create("seccomp", MFD_CLOEXEC), error;

    if (fd < 0)
        return -errno;
    error = seccomp_export_bpf(filter, fd);
    if (error == 0)
        error = load_program(fd, ret_program);
    close(fd);
    return error;
}

/* Compiling takes 100 us and more, so it is done once and not in each child. */
static int compile(enum program program)
{
    scmp_filter_ctx filter = seccomp_init(programs[program].others);
    int error;

    if (!filter)
        return -ENOMEM;
    error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: doc/design.md */
    for (size_t i = 0; i < COUNT(programs[program].lists) && error == 0; i++)
        error = add_rules(filter, programs[program].listed, programs[program].lists[i].rules,
                          programs[program].lists[i].n);
    if (error == 0)
        error = export_program(filter, &prepared.programs[program]);
    seccomp_release(filter);
    return error;
}

static bool has_seccomp(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* ---- Landlock: a ruleset that handles every kind of access and allows none ---- */

/* As in linux/landlock.h, which may be older than the running kernel. */
struct ruleset {
    uint64_t access_fs, access_net, scoped;
};

#define BITS(n) ((UINT64_C(1) << (n)) - 1)

/* The kinds of access that each version of the interface can handle; landlock(7). */
static const struct ruleset handled[] = {
    {BITS(13), 0, 0},       {BITS(14), 0, 0},       {BITS(15), 0, 0},
    {BITS(15), BITS(2), 0}, {BITS(16), BITS(2), 0}, {BITS(16), BITS(2), BITS(2)},
};

static int make_ruleset(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* asks for the version */);

    if (version < 1)
        return -1;
    if ((size_t)version > COUNT(handled))
        version = COUNT(handled);
    return (int)syscall(SYS_landlock_create_ruleset, &handled[version - 1], sizeof(handled[0]), 0);
}

/* ---- the score by which the kernel chooses a process to kill when memory runs out ---- */

/* Best effort: without /proc the kernel decides by its own score. */
static void raise_oom_score(void)
{
    int fd = open(OOM_SCORE_FILE, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0)
        errno = 0;
    close(fd);
}

/* ---- prepare, enter ---- */

int sandbox_prepare(struct err *ret_err)
{
    if (!has_seccomp())
        return err_set(ret_err, "cannot sandbox processes: this kernel has no seccomp(2)");
    prepared.ruleset = make_ruleset();
    for (enum program program = 0; program < PROGRAMS; program++) {
        int error = compile(program);

        if (error < 0)
            return err_set(ret_err, "cannot compile the sandbox of processes: %s",
                           strerror(-error));
    }
    return 0;
}

/*
 * Make kept[i] descriptor i and close all others. Each of them is above standard error, and thus
 * above n: dup2(2) never overwrites one that is still to be moved.
 */
static int keep_only(const int *kept, size_t n)
{
    unsigned first = (unsigned)n;

    for (size_t i = 0; i < n; i++)
        if (dup2(kept[i], (int)i) < 0)
            return -1;
#ifdef ECHOD_SANITIZED /* they report on standard error */
    first = STDERR_FILENO + 1;
#endif
    return close_range(first, ~0u, 0);
}

/* RLIMIT_FSIZE limits offsets, so what a file has already counts. The first is a socket. */
static int limit_growth(size_t n)
{
    struct rlimit own;
    rlim_t limit = 0;
    struct stat st;

    for (int i = 1; i < (int)n; i++)
        if (fstat(i, &st) == 0 && S_ISREG(st.st_mode) &&
            (rlim_t)st.st_size + SANDBOX_GROWTH > limit)
            limit = (rlim_t)st.st_size + SANDBOX_GROWTH;
#ifdef ECHOD_SANITIZED /* standard error may be a file */
    limit = RLIM_INFINITY;
#endif
    if (getrlimit(RLIMIT_FSIZE, &own) < 0)
        return -1;
    if (limit > own.rlim_max)
        limit = own.rlim_max;
    return setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
}

/*
 * A client's process gets no further descriptor: the kept ones have the lowest numbers, and the
 * limit is how many they are. It cannot be 0, with which poll(2) fails. The signer receives a
 * descriptor for each handshake.
 */
static int set_limits(enum sandbox_kind kind, size_t n)
{
    const struct rlimit none = {0, 0}, files = {n, n};

    if (kind == SANDBOX_CLIENT && setrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    if (limit_growth(n) < 0)
        return -1;
    return setrlimit(RLIMIT_NPROC, &none) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ? -1 : 0;
}

/* Without privileges, a process may restrict itself only if it can gain none by execve(2). */
static int restrict_self(void)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prepared.ruleset < 0 ? 0 : (int)syscall(SYS_landlock_restrict_self, prepared.ruleset, 0);
}

static int load_filter(enum program program)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prepared.programs[program], 0, 0);
}

/* sandbox_forkserver() has succeeded, here or in the process that forked this one. */
static bool has_begun;

int sandbox_forkserver(void)
{
    if (!prepared.programs[FORKSERVER].filter) {
        errno = EINVAL;
        return -1;
    }
    raise_oom_score();
    if (restrict_self() < 0 || load_filter(FORKSERVER) < 0)
        return -1;
    has_begun = true;
    return 0;
}

int sandbox_enter(enum sandbox_kind kind, const int *kept, size_t n)
{
    if (kind == SANDBOX_CLIENT ? !has_begun : !prepared.programs[SIGNER].filter) {
        errno = EINVAL;
        return -1;
    }
    if (kind == SANDBOX_SIGNER && restrict_self() < 0)
        return -1;
    if (keep_only(kept, n) < 0 || set_limits(kind, n) < 0)
        return -1;
    return load_filter(kind == SANDBOX_CLIENT ? CLIENT : SIGNER);
}
