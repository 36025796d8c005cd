/* children.c - the parent's table of clients and their processes. */
#include "parent/children.h"

#include "base/log.h"
#include "base/mapping.h"
#include "ipc/scoreboard.h"
#include "parent/forkserver.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* What the parent knows of a slot of the scoreboard; pid is 0 if the slot is free. */
struct entry {
    pid_t pid;
    bool cut; /* the parent killed it at the end of the drain */
    struct client client;
};

/* A request to the fork server. */
struct request {
    unsigned slot;
    struct client client;
    const void *arg;
};

struct children {
    client_session *session;
    client_prepare *prepare;
    const void *prepare_arg;
    bool only; /* there will be only one client */
    struct forkserver forkserver;
    int unprepared; /* in the fork server: the errno that keeps its processes from serving, or 0 */
    client_ended *ended;
    void *ended_arg;
    struct scoreboard *scoreboard;
    unsigned count;
    unsigned long long served, refused; /* clients that have ended */
    unsigned long long echoed;
    struct entry *entries; /* one for each slot */
};

#define ENTRIES_SIZE (CLIENTS_MAX * sizeof(struct entry))

int children_open(client_session *session, client_ended *ended, void *ended_arg,
                  struct children **ret_children, struct err *ret_err)
{
    struct children *children = calloc(1, sizeof(*children));

    if (!children)
        return err_set(ret_err, "cannot allocate the table of clients: %s", strerror(errno));
    *children = (struct children){.session = session, .ended = ended, .ended_arg = ended_arg};
    children->entries = mapping_own(ENTRIES_SIZE);
    if (!children->entries)
        err_set(ret_err, "cannot allocate the table of clients: %s", strerror(errno));
    if (!children->entries || scoreboard_open(&children->scoreboard, ret_err) < 0) {
        children_close(children);
        return -1;
    }
    *ret_children = children;
    return 0;
}

void children_close(struct children *children)
{
    if (!children)
        return;
    forkserver_stop(&children->forkserver);
    scoreboard_close(children->scoreboard);
    mapping_free(children->entries, ENTRIES_SIZE);
    free(children);
}

/* ---- in the fork server and the processes that it forks ---- */

static bool prepare_forkserver(void *arg, int line)
{
    struct children *children = arg;
    const int kept[] = {line, scoreboard_fd(children->scoreboard)};

    if (scoreboard_hide(children->scoreboard) < 0 ||
        (children->prepare && children->prepare(children->prepare_arg, kept, 2) < 0))
        children->unprepared = errno;
    return children->unprepared == 0;
}

/*
 * The signals that the parent handles stay blocked here: a signal to the whole process group stops
 * the parent, which then lets its clients finish. SIGKILL ends a child.
 */
static _Noreturn void child_main(const struct children *children, const struct request *request,
                                 struct record *record, int fd)
{
    if (children->unprepared)
        snprintf(record->error, sizeof(record->error), "cannot sandbox its process: %s",
                 strerror(children->unprepared));
    else
        children->session(&request->client, fd, request->arg, record);
    scoreboard_post(children->scoreboard, request->slot);
    _exit(EX_OK);
}

/* In the fork server. A client's process can see its own record and no other. */
static pid_t make_child(void *arg, const void *data, int fd)
{
    const struct children *children = arg;
    const struct request *request = data;
    struct record *record = scoreboard_show(children->scoreboard, request->slot);
    pid_t pid = record ? forkserver_fork() : -1;

    if (pid == 0)
        child_main(children, request, record, fd);
    return pid;
}

/* ---- in the parent ---- */

void children_renew(struct children *children, client_prepare *prepare, const void *arg)
{
    forkserver_stop(&children->forkserver);
    children->prepare = prepare;
    children->prepare_arg = arg;
}

void children_expect_one(struct children *children)
{
    children->only = true;
}

/* The fork server was killed or stopped, which no client can cause, or lacks some resource. */
static void replace_forkserver(struct children *children)
{
    static struct throttle throttle;

    forkserver_stop(&children->forkserver);
    log_throttled(&throttle, LOG_ERR,
                  "the process that makes those of clients has ended or been "
                  "stopped; another one takes its place");
}

/* Fork directly: a fork server would fork only this one process. */
static int make_only(struct children *children, const struct request *request, int fd,
                     pid_t *ret_pid)
{
    struct record *record;

    *ret_pid = fork();
    if (*ret_pid < 0)
        return errno;
    if (*ret_pid > 0)
        return 0;
    prepare_forkserver(children, fd);
    record = scoreboard_show(children->scoreboard, request->slot);
    if (!record)
        _exit(EX_OSERR);
    child_main(children, request, record, fd);
}

/*
 * If the fork server has died, try again at once, since the client need not wait. If it does not
 * answer, return the error.
 */
static int request_process(struct children *children, const struct request *request, int fd,
                           pid_t *ret_pid)
{
    const struct forkserver_work work = {prepare_forkserver, make_child, children,
                                         sizeof(*request)};
    int error = EPIPE;

    if (children->only)
        return make_only(children, request, fd, ret_pid);
    for (int i = 0; i < 2 && error == EPIPE; i++) {
        error = children->forkserver.pid ? 0 : forkserver_start(&children->forkserver, &work);
        if (error == 0)
            error =
                forkserver_request(&children->forkserver, request, sizeof(*request), fd, ret_pid);
        if (children->forkserver.pid < 0)
            replace_forkserver(children);
    }
    return error;
}

int children_start(struct children *children, const struct client *client, const void *arg, int fd)
{
    struct request request;
    pid_t pid;
    int error;

    memset(&request, 0, sizeof(request)); /* including the padding, since all of it is sent */
    request.slot = scoreboard_take(children->scoreboard);
    request.client = *client;
    request.arg = arg;
    if (request.slot == SCOREBOARD_NONE)
        return ENOBUFS;
    error = request_process(children, &request, fd, &pid);
    if (error != 0) {
        scoreboard_release(children->scoreboard, request.slot);
        return error;
    }
    close(fd);
    children->entries[request.slot] = (struct entry){.pid = pid, .client = *client};
    children->count++;
    return 0;
}

unsigned children_count(const struct children *children)
{
    return children->count;
}

unsigned long long children_served(const struct children *children)
{
    return children->served;
}

unsigned long long children_refused(const struct children *children)
{
    return children->refused;
}

unsigned long long children_echoed(const struct children *children)
{
    return children->echoed;
}

/* The exit status from the kernel overrides the child's record: the child is untrusted. */
static void judge_end(const struct entry *entry, int status, struct record *record)
{
    record_sanitize(record);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    record->end = entry->cut ? END_DRAINED : END_CRASHED;
    if (entry->cut)
        record->error[0] = '\0';
    else if (WIFSIGNALED(status))
        snprintf(record->error, sizeof(record->error), "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(record->error, sizeof(record->error), "exited with status %d",
                 WEXITSTATUS(status));
}

static void end_client(struct children *children, unsigned slot, int status)
{
    struct entry *entry = &children->entries[slot];
    struct record record = *scoreboard_record(children->scoreboard, slot);

    judge_end(entry, status, &record);
    record_log(&entry->client, &record);
    children->ended(children->ended_arg, &entry->client, &record);
    entry->pid = 0;
    scoreboard_release(children->scoreboard, slot);
    children->count--;
    if (record.end == END_REFUSED)
        children->refused++;
    else
        children->served++;
    children->echoed += record.bytes_out;
}

/* waitpid(2) for one pid takes the same time however many children live; waitpid(-1) does not. */
static void reap(struct children *children, unsigned slot)
{
    pid_t pid = children->entries[slot].pid, waited;
    int status;

    if (pid == 0)
        scoreboard_withdraw(children->scoreboard, slot);
    else if ((waited = waitpid(pid, &status, WNOHANG)) == pid || (waited < 0 && errno == ECHILD))
        end_client(children, slot, waited == pid ? status : 0);
}

void children_reap_posted(struct children *children)
{
    for (unsigned slot = scoreboard_next_posted(children->scoreboard, 0); slot != SCOREBOARD_NONE;
         slot = scoreboard_next_posted(children->scoreboard, slot + 1))
        reap(children, slot);
}

void children_reap_pid(struct children *children, pid_t pid)
{
    if (pid == children->forkserver.pid)
        replace_forkserver(children);
    for (unsigned slot = 0; slot < scoreboard_high(children->scoreboard); slot++)
        if (children->entries[slot].pid == pid)
            reap(children, slot);
    waitpid(pid, NULL, WNOHANG); /* a fork server that could not be reaped because it was traced */
}

void children_sweep(struct children *children)
{
    for (unsigned slot = 0; slot < scoreboard_high(children->scoreboard); slot++)
        if (children->entries[slot].pid != 0)
            reap(children, slot);
}

void children_cut(struct children *children)
{
    for (unsigned slot = 0; slot < scoreboard_high(children->scoreboard); slot++) {
        struct entry *entry = &children->entries[slot];

        if (entry->pid == 0)
            continue;
        entry->cut = true;
        kill(entry->pid, SIGKILL);
    }
}
