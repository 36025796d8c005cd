/* keeper.c - the keeper's parent, and its clients. */
#include "tls/keeper_private.h"

#include "base/deadline.h"
#include "base/notify.h"
#include "base/rights.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* To read the files: they may lie far away, and the machine may be slow. */
#define LOAD_STEPS 6
#define LOAD_STEP_USEC (5 * USEC_PER_SEC) /* well below the WatchdogSec of the units */
#define STOP_USEC (10 * USEC_PER_SEC)
#define SHORT_LIFE_USEC USEC_PER_SEC /* who dies so young... */
#define SHORT_LIVES_MAX 30           /* ...so often in a row will always do */

struct keeper {
    pid_t pid;   /* -1: it has died */
    int control; /* takes a descriptor for each line */
    uint64_t started_usec;
    unsigned short_lives;
    size_t n;
    char **paths;
    struct key_report *reports; /* one for each path */
};

/* ---- its process ---- */

static void set_timeout(int fd, int option, uint64_t usec)
{
    const struct timeval timeout = {.tv_sec = (time_t)(usec / USEC_PER_SEC),
                                    .tv_usec = (suseconds_t)(usec % USEC_PER_SEC)};

    setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout));
}

/* Whoever watches it may have reaped it already, and its number may be another's by now. */
static void wait_for_end(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    deadline_t deadline = deadline_in(STOP_USEC);
    pid_t waited;

    while ((waited = waitpid(pid, NULL, WNOHANG)) == 0 && !deadline_passed(deadline))
        nanosleep(&pause, NULL);
    if (waited == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

/* The lines stay as they are. */
static void disconnect(struct keeper *keeper)
{
    if (keeper->control >= 0)
        close(keeper->control);
    keeper->control = -1;
}

static void end_process(struct keeper *keeper)
{
    disconnect(keeper);
    if (keeper->pid > 0)
        wait_for_end(keeper->pid);
    keeper->pid = -1;
}

/* The parent waits here and does not hang, so its watchdog gets what the loop would send. */
static ssize_t receive_report(const struct keeper *keeper, struct key_report *report)
{
    ssize_t n;

    for (int step = 1; (n = recv(keeper->control, report, sizeof(*report), 0)) < 0; step++) {
        if (errno != EAGAIN || step == LOAD_STEPS)
            break;
        notify("WATCHDOG=1");
    }
    return n;
}

static int receive_reports(const struct keeper *keeper, struct key_report *reports,
                           struct err *ret_err)
{
    for (size_t i = 0; i < keeper->n; i++) {
        ssize_t n = receive_report(keeper, &reports[i]);

        if (n < 0 && errno == EAGAIN)
            return err_set(ret_err, "the key keeper could not read the keys within %u seconds",
                           (unsigned)(LOAD_STEPS * LOAD_STEP_USEC / USEC_PER_SEC));
        if (n < 0)
            return err_set(ret_err, "the key keeper does not answer: %s", strerror(errno));
        if (n != sizeof(reports[i]))
            return err_set(ret_err, "the key keeper has ended before it had read the keys");
        if (reports[i].failed)
            return err_set(ret_err, "%s", reports[i].err.text);
    }
    return 0;
}

static int launch(struct keeper *keeper, const struct user *user, struct err *ret_err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(ret_err, "cannot make a line to the key keeper: %s", strerror(errno));
    keeper->pid = fork();
    if (keeper->pid == 0) {
        close(ends[0]);
        keeper_run(ends[1], keeper->paths, keeper->n, user);
    }
    close(ends[1]);
    keeper->control = ends[0];
    keeper->started_usec = now_usec();
    if (keeper->pid < 0)
        return err_set(ret_err, "cannot make the key keeper's process: %s", strerror(errno));
    set_timeout(keeper->control, SO_RCVTIMEO, LOAD_STEP_USEC);
    set_timeout(keeper->control, SO_SNDTIMEO, LOAD_STEP_USEC);
    return 0;
}

/* Returns 0 once it has read all files. */
static int start(struct keeper *keeper, struct key_report *reports, const struct user *user,
                 struct err *ret_err)
{
    if (launch(keeper, user, ret_err) == 0 && receive_reports(keeper, reports, ret_err) == 0)
        return 0;
    if (keeper->pid > 0)
        kill(keeper->pid, SIGKILL);
    end_process(keeper);
    return -1;
}

/* ---- start, restart, stop ---- */

static void free_keeper(struct keeper *keeper)
{
    for (size_t i = 0; keeper->paths && i < keeper->n; i++)
        free(keeper->paths[i]);
    free(keeper->paths);
    free(keeper->reports);
    free(keeper);
}

static struct keeper *new_keeper(const char *const *paths, size_t n)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));

    if (!keeper)
        return NULL;
    *keeper = (struct keeper){.pid = -1, .control = -1, .n = n};
    keeper->paths = calloc(n, sizeof(*keeper->paths));
    keeper->reports = calloc(n, sizeof(*keeper->reports));
    for (size_t i = 0; keeper->paths && keeper->reports && i < n; i++)
        if (!(keeper->paths[i] = strdup(paths[i])))
            break;
    if (keeper->reports && keeper->paths && (n == 0 || keeper->paths[n - 1]))
        return keeper;
    free_keeper(keeper);
    return NULL;
}

int keeper_start(const char *const *paths, size_t n, const struct user *user,
                 struct keeper **ret_keeper, struct err *ret_err)
{
    struct keeper *keeper = new_keeper(paths, n);

    if (!keeper)
        return err_set(ret_err, "cannot start the key keeper: %s", strerror(ENOMEM));
    if (start(keeper, keeper->reports, user, ret_err) < 0) {
        free_keeper(keeper);
        return -1;
    }
    *ret_keeper = keeper;
    return 0;
}

/* What the contexts in force have are the public keys of the first start. */
static int compare(const struct keeper *keeper, const struct key_report *reports,
                   struct err *ret_err)
{
    for (size_t i = 0; i < keeper->n; i++) {
        const struct key_report *old = &keeper->reports[i], *new = &reports[i];

        if (!new->loaded)
            return err_set(ret_err, "%s", new->err.text);
        if (new->length != old->length || memcmp(new->public, old->public, old->length) != 0)
            return err_set(ret_err, "%s holds another key by now", keeper->paths[i]);
    }
    return 0;
}

static bool dies_young(struct keeper *keeper)
{
    bool young = now_usec() - keeper->started_usec < SHORT_LIFE_USEC;

    keeper->short_lives = young ? keeper->short_lives + 1 : 0;
    return keeper->short_lives >= SHORT_LIVES_MAX;
}

int keeper_restart(struct keeper *keeper, const struct user *user, struct err *ret_err)
{
    struct key_report *reports = calloc(keeper->n, sizeof(*reports));
    int result;

    disconnect(keeper);
    keeper->pid = -1;
    if (!reports)
        return err_set(ret_err, "cannot start the key keeper: %s", strerror(errno));
    if (dies_young(keeper)) {
        free(reports);
        return err_set(ret_err, "it has died %u times in a row within a second", SHORT_LIVES_MAX);
    }
    result = start(keeper, reports, user, ret_err);
    if (result == 0 && (result = compare(keeper, reports, ret_err)) < 0)
        end_process(keeper);
    free(reports);
    return result;
}

pid_t keeper_pid(const struct keeper *keeper)
{
    return keeper->pid;
}

int keeper_control(const struct keeper *keeper)
{
    return keeper->control;
}

EVP_PKEY *keeper_key(const struct keeper *keeper, const char *path, struct err *ret_err)
{
    for (size_t i = 0; i < keeper->n; i++) {
        const struct key_report *report = &keeper->reports[i];

        if (strcmp(keeper->paths[i], path) != 0)
            continue;
        if (report->loaded)
            return keeper_provide((uint32_t)i, report->public, report->length, ret_err);
        *ret_err = report->err;
        return NULL;
    }
    err_set(ret_err, "the key keeper does not have %s", path);
    return NULL;
}

bool keeper_can_reload(const struct keeper *keeper, const char *path)
{
    for (size_t i = 0; i < keeper->n; i++)
        if (strcmp(keeper->paths[i], path) == 0)
            return !keeper->reports[i].lost;
    return false;
}

void keeper_stop(struct keeper *keeper)
{
    if (!keeper)
        return;
    end_process(keeper);
    free_keeper(keeper);
}

void keeper_retire(struct keeper *keeper)
{
    if (!keeper)
        return;
    disconnect(keeper);
    free_keeper(keeper);
}

/* ---- in a client's process ---- */

int keeper_connect(const struct keeper *keeper, uint64_t timeout_usec)
{
    int ends[2], result;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    set_timeout(ends[0], SO_RCVTIMEO, timeout_usec);
    set_timeout(ends[0], SO_SNDTIMEO, timeout_usec);
    result = rights_send(keeper->control, "", 1, ends[1]);
    close(ends[1]);
    if (result == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}
