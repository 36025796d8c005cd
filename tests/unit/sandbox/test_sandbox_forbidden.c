/* test_sandbox_forbidden.c - whatever a sandboxed process does not need ends it. */
#include "sandbox_helper.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const kind_names[] = {
    [SANDBOX_CLIENT] = "client", [SANDBOX_SIGNER] = "signer", [FORKSERVER] = "fork server"};

#define FORBIDDEN_TO(kinds_, call, ...)                                                            \
    {                                                                                              \
        .name = #call, .number = SYS_##call, .kinds = kinds_, .args = { __VA_ARGS__ }              \
    }
#define CLIENT (1u << SANDBOX_CLIENT)
#define SIGNER (1u << SANDBOX_SIGNER)
#define MAKER (1u << FORKSERVER)
#define FORBIDDEN(call, ...) FORBIDDEN_TO(CLIENT | SIGNER | MAKER, call, __VA_ARGS__)

/* Calls that do no harm where they are allowed after all: to fail at that is up to the test. */
static const struct forbidden {
    const char *name;
    long number;
    unsigned kinds;
    long args[6];
} forbidden[] = {
    FORBIDDEN(execve, 0),
    FORBIDDEN(execveat, -1),
    FORBIDDEN(fork, 0),
    FORBIDDEN(vfork, 0),
    FORBIDDEN(clone, SIGCHLD),
    FORBIDDEN(clone3, 0),
    FORBIDDEN(open, 0),
    FORBIDDEN(openat, AT_FDCWD),
    FORBIDDEN(openat2, AT_FDCWD),
    FORBIDDEN(creat, 0),
    FORBIDDEN(stat, 0),
    FORBIDDEN_TO(CLIENT | SIGNER, newfstatat, AT_FDCWD),
    FORBIDDEN_TO(CLIENT | SIGNER, fstat, 0),
    FORBIDDEN(readlink, 0),
    FORBIDDEN(unlink, 0),
    FORBIDDEN(rename, 0),
    FORBIDDEN(mkdir, 0),
    FORBIDDEN(chdir, 0),
    FORBIDDEN(chroot, 0),
    FORBIDDEN(mount, 0),
    FORBIDDEN(memfd_create, 0),
    FORBIDDEN(pipe2, 0),
    FORBIDDEN(socket, AF_UNIX, SOCK_STREAM, 0),
    FORBIDDEN(socket, AF_INET, SOCK_STREAM, 0),
    FORBIDDEN_TO(CLIENT | SIGNER, socketpair, AF_UNIX, SOCK_STREAM, 0),
    FORBIDDEN(connect, 0),
    FORBIDDEN(bind, 0),
    FORBIDDEN(listen, 0, 1),
    FORBIDDEN(accept, 0),
    FORBIDDEN(accept4, 0),
    FORBIDDEN(getsockopt, 0),
    FORBIDDEN(getpeername, 0),
    FORBIDDEN(sendto, 0, 0, 0, MSG_NOSIGNAL, 1 /* an address */, 16),
    FORBIDDEN_TO(CLIENT | SIGNER, sendmsg, 0),
    FORBIDDEN(sendmmsg, 0),
    FORBIDDEN(setsockopt, 0, SOL_SOCKET, SO_KEEPALIVE),
    FORBIDDEN(setsockopt, 0, IPPROTO_TCP, SO_LINGER),
    FORBIDDEN(ioctl, 0, SIOCINQ),
    FORBIDDEN(ioctl, 0, FIONBIO),
    FORBIDDEN(fcntl, 0, F_GETFD),
    FORBIDDEN(dup, 0),
    FORBIDDEN_TO(CLIENT | SIGNER, dup2, 0, 0),
    FORBIDDEN_TO(CLIENT | SIGNER, dup3, 0, 0),
    FORBIDDEN(ptrace, -1),
    FORBIDDEN(process_vm_readv, -1),
    FORBIDDEN(process_vm_writev, -1),
    FORBIDDEN(kill, 0, 0),
    FORBIDDEN(tkill, -1),
    FORBIDDEN(tgkill, -1),
    FORBIDDEN(pidfd_open, -1),
    FORBIDDEN(pidfd_getfd, -1),
    FORBIDDEN(pidfd_send_signal, -1),
    FORBIDDEN(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1),
    FORBIDDEN(mprotect, 0, 0, PROT_READ),
    FORBIDDEN(mprotect, 0, 0, PROT_READ | PROT_EXEC),
    FORBIDDEN(pkey_mprotect, 0, 0, PROT_EXEC),
    FORBIDDEN(setuid, 0),
    FORBIDDEN(setresuid, -1, -1, -1),
    FORBIDDEN(setgroups, -1),
    FORBIDDEN(capset, 0),
    FORBIDDEN(prctl, 0),
    FORBIDDEN_TO(CLIENT | SIGNER, prlimit64, 0),
    FORBIDDEN(seccomp, -1),
    FORBIDDEN(setns, -1),
    FORBIDDEN(unshare, 0),
    FORBIDDEN(bpf, -1),
    FORBIDDEN(perf_event_open, 0, 0, -1, -1),
    FORBIDDEN(io_uring_setup, 0),
    FORBIDDEN(userfaultfd, -1),
    FORBIDDEN(keyctl, -1),
    FORBIDDEN(add_key, 0),
    FORBIDDEN(init_module, 0),
    FORBIDDEN(reboot, 0),
    FORBIDDEN(getppid, 0),
    FORBIDDEN(getuid, 0),
    FORBIDDEN(rt_sigaction, 0),
    FORBIDDEN(setitimer, -1),
    FORBIDDEN(splice, -1, 0, -1),
    FORBIDDEN(vmsplice, -1),
    FORBIDDEN_TO(CLIENT | SIGNER, clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD),
    FORBIDDEN_TO(CLIENT | SIGNER, close_range, 1000, 1000),
    FORBIDDEN_TO(CLIENT | SIGNER, prctl, PR_SET_NAME),
    FORBIDDEN_TO(CLIENT | SIGNER, prctl, PR_SET_SECCOMP),
    FORBIDDEN_TO(MAKER, prctl, PR_SET_DUMPABLE, 1),
    FORBIDDEN_TO(MAKER, prlimit64, 1),
    FORBIDDEN_TO(CLIENT, recvmsg, -1),
    FORBIDDEN_TO(CLIENT, recvmmsg, -1),
    FORBIDDEN_TO(CLIENT, epoll_create1, 0),
    FORBIDDEN_TO(CLIENT, epoll_ctl, -1),
    FORBIDDEN_TO(CLIENT, epoll_wait, -1),
    FORBIDDEN_TO(SIGNER, read, -1),
    FORBIDDEN_TO(SIGNER, write, -1),
    FORBIDDEN_TO(SIGNER, poll, 0),
    FORBIDDEN_TO(SIGNER, shutdown, -1),
    FORBIDDEN_TO(SIGNER, ioctl, -1, SIOCOUTQ),
    FORBIDDEN_TO(SIGNER, setsockopt, -1, SOL_SOCKET, SO_LINGER),
    FORBIDDEN_TO(SIGNER, epoll_create1, 0),
};

static void call_it(const void *arg)
{
    const struct forbidden *call = arg;

    syscall(call->number, call->args[0], call->args[1], call->args[2], call->args[3], call->args[4],
            call->args[5]);
}

static void assert_forbidden(enum sandbox_kind kind, const struct forbidden *call)
{
    struct sandboxed sandboxed = start(kind, call_it, call);
    int status = end_of(&sandboxed);

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
        fail_msg("%s: %s(%ld, %ld, %ld): status %#x, not SIGSYS", kind_names[kind], call->name,
                 call->args[0], call->args[1], call->args[2], (unsigned)status);
}

/* Without this the others would prove nothing. */
static void needed_call_does_not(void **state)
{
    const struct forbidden getpid_call = {.name = "getpid", .number = SYS_getpid};

    (void)state;
    for (enum sandbox_kind kind = 0; kind <= FORKSERVER; kind++) {
        struct sandboxed sandboxed = start(kind, call_it, &getpid_call);

        assert_int_equal(end_of(&sandboxed), 0);
    }
}

static void other_calls_end_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++)
        for (enum sandbox_kind kind = 0; kind <= FORKSERVER; kind++)
            if (forbidden[i].kinds & 1u << kind)
                assert_forbidden(kind, &forbidden[i]);
}

/* The 32-bit calls of the same processor have other numbers: none of them is allowed. */
static void call_as_32_bits(const void *arg)
{
    (void)arg;
#ifdef __x86_64__
    long result = 20; /* getpid */

    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
#else
    syscall(SYS_getppid);
#endif
}

static void other_numbering_ends_it(void **state)
{
    struct sandboxed sandboxed = start(SANDBOX_CLIENT, call_as_32_bits, NULL);
    int status = end_of(&sandboxed);

    (void)state;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
        skip(); /* a kernel without them */
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needed_call_does_not),
        cmocka_unit_test(other_calls_end_it),
        cmocka_unit_test(other_numbering_ends_it),
    };

    alarm(120); /* a test that waits for ever fails */
    return cmocka_run_group_tests(tests, prepare, NULL);
}
