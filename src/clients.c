/* clients.c - the parent's books. */
#include "clients.h"

#include "board.h"
#include "memory.h"

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

struct clients {
    client_session *session;
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
    board_close(clients->board);
    memory_free(clients->entries, ENTRIES_SIZE);
    free(clients);
}

/*
 * The signals that the parent's loop takes stay blocked here: whoever stops the whole process
 * group stops the parent, which lets its clients finish. SIGKILL ends a child.
 */
static _Noreturn void run_child(const struct clients *clients, unsigned slot,
                                const struct client *client, const void *arg, int fd)
{
    if (board_keep_only(clients->board, slot) < 0)
        _exit(EX_OSERR);
    clients->session(client, fd, arg, board_record(clients->board, slot));
    board_post(clients->board, slot);
    _exit(EX_OK);
}

int clients_start(struct clients *clients, const struct client *client, const void *arg, int fd)
{
    unsigned slot = board_take(clients->board);
    pid_t pid;

    if (slot == BOARD_NONE)
        return ENOBUFS;
    pid = _Fork(); /* slim.h */
    if (pid == 0)
        run_child(clients, slot, client, arg, fd);
    if (pid < 0) {
        int error = errno;

        board_release(clients->board, slot);
        return error;
    }
    close(fd);
    clients->entries[slot] = (struct entry){.pid = pid, .client = *client};
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
    for (unsigned slot = 0; slot < board_high(clients->board); slot++)
        if (clients->entries[slot].pid == pid)
            reap(clients, slot);
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
