/* clients.c - the parent's books. */
#include "parent/clients.h"

#include "base/log.h"
#include "base/memory.h"
#include "ipc/board.h"
#include "parent/starter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* What the parent knows of a slot of the board; pid 0 where it is free. */
struct entry {
    pid_t pid;
    bool cut; /* killed by us: its time to drain ran out */
    struct client client;
};

/* What the starter is asked for. */
struct request {
    unsigned slot;
    struct client client;
    const void *arg;
};

struct clients {
    client_session *session;
    client_prepare *prepare;
    const void *prepare_arg;
    bool only; /* there will be one client and no other */
    struct starter starter;
    int unprepared; /* in the starter: why its processes cannot serve, an errno; or 0 */
    client_ended *ended;
    void *ended_arg;
    struct board *board;
    unsigned count;
    unsigned long long served;
    unsigned long long echoed;
    struct entry *entries; /* one for each slot */
};

#define ENTRIES_SIZE (BOARD_SLOTS * sizeof(struct entry))

int clients_open(client_session *session, client_ended *ended, void *ended_arg,
                 struct clients **ret_clients, struct err *ret_err)
{
    struct clients *clients = calloc(1, sizeof(*clients));

    if (!clients)
        return err_set(ret_err, "cannot allocate the books: %s", strerror(errno));
    *clients = (struct clients){.session = session, .ended = ended, .ended_arg = ended_arg};
    clients->entries = memory_own(ENTRIES_SIZE);
    if (!clients->entries)
        err_set(ret_err, "cannot allocate the books: %s", strerror(errno));
    if (!clients->entries || board_open(&clients->board, ret_err) < 0) {
        clients_close(clients);
        return -1;
    }
    *ret_clients = clients;
    return 0;
}

void clients_close(struct clients *clients)
{
    if (!clients)
        return;
    starter_stop(&clients->starter);
    board_close(clients->board);
    memory_free(clients->entries, ENTRIES_SIZE);
    free(clients);
}

/* ---- in the processes that are made ---- */

static bool prepare_starter(void *arg, int line)
{
    struct clients *clients = arg;
    const int kept[] = {line, board_fd(clients->board)};

    if (board_hide(clients->board) < 0 ||
        (clients->prepare && clients->prepare(clients->prepare_arg, kept, 2) < 0))
        clients->unprepared = errno;
    return clients->unprepared == 0;
}

/*
 * The signals that the parent's loop takes stay blocked here: whoever stops the whole process
 * group stops the parent, which lets its clients finish. SIGKILL ends a child.
 */
static _Noreturn void run(const struct clients *clients, const struct request *request,
                          struct record *record, int fd)
{
    if (clients->unprepared)
        snprintf(record->error, sizeof(record->error), "cannot seal its process: %s",
                 strerror(clients->unprepared));
    else
        clients->session(&request->client, fd, request->arg, record);
    board_post(clients->board, request->slot);
    _exit(EX_OK);
}

/* In the starter. A client's process has its own record, and none of the others. */
static pid_t make(void *arg, const void *data, int fd)
{
    const struct clients *clients = arg;
    const struct request *request = data;
    struct record *record = board_show(clients->board, request->slot);
    pid_t pid = record ? starter_fork() : -1;

    if (pid == 0)
        run(clients, request, record, fd);
    return pid;
}

/* ---- in their parent ---- */

void clients_renew(struct clients *clients, client_prepare *prepare, const void *arg)
{
    starter_stop(&clients->starter);
    clients->prepare = prepare;
    clients->prepare_arg = arg;
}

void clients_expect_one(struct clients *clients)
{
    clients->only = true;
}

/* It has been killed or stopped, which no client brings about, or is short of something. */
static void replace_starter(struct clients *clients)
{
    static struct throttle throttle;

    starter_stop(&clients->starter);
    log_throttled(&throttle, LOG_ERR,
                  "the process that makes those of clients has ended or been "
                  "stopped; another one takes its place");
}

/* Without a starter, who would make this process and no other. */
static int make_only(struct clients *clients, const struct request *request, int fd, pid_t *ret_pid)
{
    struct record *record;

    *ret_pid = fork();
    if (*ret_pid < 0)
        return errno;
    if (*ret_pid > 0)
        return 0;
    prepare_starter(clients, fd);
    record = board_show(clients->board, request->slot);
    if (!record)
        _exit(EX_OSERR);
    run(clients, request, record, fd);
}

/* A starter that has died is no reason to let a client wait; one that does not answer is. */
static int request_process(struct clients *clients, const struct request *request, int fd,
                           pid_t *ret_pid)
{
    const struct starter_work work = {prepare_starter, make, clients, sizeof(*request)};
    int error = EPIPE;

    if (clients->only)
        return make_only(clients, request, fd, ret_pid);
    for (int i = 0; i < 2 && error == EPIPE; i++) {
        error = clients->starter.pid ? 0 : starter_start(&clients->starter, &work);
        if (error == 0)
            error = starter_make(&clients->starter, request, sizeof(*request), fd, ret_pid);
        if (clients->starter.pid < 0)
            replace_starter(clients);
    }
    return error;
}

int clients_start(struct clients *clients, const struct client *client, const void *arg, int fd)
{
    struct request request;
    pid_t pid;
    int error;

    memset(&request, 0, sizeof(request)); /* with the gaps in it */
    request.slot = board_take(clients->board);
    request.client = *client;
    request.arg = arg;
    if (request.slot == BOARD_NONE)
        return ENOBUFS;
    error = request_process(clients, &request, fd, &pid);
    if (error != 0) {
        board_release(clients->board, request.slot);
        return error;
    }
    close(fd);
    clients->entries[request.slot] = (struct entry){.pid = pid, .client = *client};
    clients->count++;
    return 0;
}

unsigned clients_count(const struct clients *clients)
{
    return clients->count;
}

unsigned long long clients_served(const struct clients *clients)
{
    return clients->served;
}

unsigned long long clients_echoed(const struct clients *clients)
{
    return clients->echoed;
}

/* What the kernel says of the child's end goes before what the child says. */
static void judge(const struct entry *entry, int status, struct record *record)
{
    record_tame(record);
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

static void end_client(struct clients *clients, unsigned slot, int status)
{
    struct entry *entry = &clients->entries[slot];
    struct record record = *board_record(clients->board, slot);

    judge(entry, status, &record);
    record_log(&entry->client, &record);
    clients->ended(clients->ended_arg, &entry->client, &record);
    entry->pid = 0;
    board_release(clients->board, slot);
    clients->count--;
    clients->served++;
    clients->echoed += record.bytes_out;
}

/* waitpid(2) for exactly this pid costs the same however many others live; waitpid(-1) does not. */
static void reap(struct clients *clients, unsigned slot)
{
    pid_t pid = clients->entries[slot].pid, waited;
    int status;

    if (pid == 0)
        board_withdraw(clients->board, slot);
    else if ((waited = waitpid(pid, &status, WNOHANG)) == pid || (waited < 0 && errno == ECHILD))
        end_client(clients, slot, waited == pid ? status : 0);
}

void clients_reap_posted(struct clients *clients)
{
    for (unsigned slot = board_next_posted(clients->board, 0); slot != BOARD_NONE;
         slot = board_next_posted(clients->board, slot + 1))
        reap(clients, slot);
}

void clients_reap_pid(struct clients *clients, pid_t pid)
{
    if (pid == clients->starter.pid)
        replace_starter(clients);
    for (unsigned slot = 0; slot < board_high(clients->board); slot++)
        if (clients->entries[slot].pid == pid)
            reap(clients, slot);
    waitpid(pid, NULL, WNOHANG); /* a starter that somebody traced when it was stopped */
}

void clients_sweep(struct clients *clients)
{
    for (unsigned slot = 0; slot < board_high(clients->board); slot++)
        if (clients->entries[slot].pid != 0)
            reap(clients, slot);
}

void clients_cut(struct clients *clients)
{
    for (unsigned slot = 0; slot < board_high(clients->board); slot++) {
        struct entry *entry = &clients->entries[slot];

        if (entry->pid == 0)
            continue;
        entry->cut = true;
        kill(entry->pid, SIGKILL);
    }
}
