/*
 * signer.c - in the parent: starts, restarts and stops the signer; in a client's process: opens a
 * channel to it.
 */
#include "tls/signer_protocol.h"

#include "base/deadline.h"
#include "base/fdpass.h"
#include "base/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The time to read the files, which may be on a slow disk or network. */
#define LOAD_STEPS 6
#define LOAD_STEP_USEC (5 * USEC_PER_SEC) /* well below the WatchdogSec of the units */
#define STOP_USEC (10 * USEC_PER_SEC)
/* Give up after 30 consecutive deaths, each within a second of its start. */
#define SHORT_LIFE_USEC USEC_PER_SEC
#define SHORT_LIVES_MAX 30

struct signer {
    pid_t pid;   /* -1: it has died */
    int control; /* takes a descriptor for each channel */
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

/*
 * The process may have been reaped already, and another process may have its pid by now. kill(2) is
 * therefore only for one that waitpid(2) still finds.
 */
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

/* Channels of clients stay open. */
static void disconnect(struct signer *signer)
{
    if (signer->control >= 0)
        close(signer->control);
    signer->control = -1;
}

static void end_process(struct signer *signer)
{
    disconnect(signer);
    if (signer->pid > 0)
        wait_for_end(signer->pid);
    signer->pid = -1;
}

/* The parent waits here without its loop, so it sends the watchdog's signs of life itself. */
static ssize_t receive_report(const struct signer *signer, struct key_report *report)
{
    ssize_t n;

    for (int step = 1; (n = recv(signer->control, report, sizeof(*report), 0)) < 0; step++) {
        if (errno != EAGAIN || step == LOAD_STEPS)
            break;
        notify("WATCHDOG=1");
    }
    return n;
}

static int receive_reports(const struct signer *signer, struct key_report *reports,
                           struct err *ret_err)
{
    for (size_t i = 0; i < signer->n; i++) {
        ssize_t n = receive_report(signer, &reports[i]);

        if (n < 0 && errno == EAGAIN)
            return err_set(ret_err, "the signer could not read the keys within %u seconds",
                           (unsigned)(LOAD_STEPS * LOAD_STEP_USEC / USEC_PER_SEC));
        if (n < 0)
            return err_set(ret_err, "the signer does not answer: %s", strerror(errno));
        if (n != sizeof(reports[i]))
            return err_set(ret_err, "the signer has ended before it had read the keys");
        if (reports[i].failed)
            return err_set(ret_err, "%s", reports[i].err.text);
    }
    return 0;
}

static int launch(struct signer *signer, const struct user *user, struct err *ret_err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(ret_err, "cannot make a channel to the signer: %s", strerror(errno));
    signer->pid = fork();
    if (signer->pid == 0) {
        close(ends[0]);
        signer_run(ends[1], signer->paths, signer->n, user);
    }
    close(ends[1]);
    signer->control = ends[0];
    signer->started_usec = now_usec();
    if (signer->pid < 0)
        return err_set(ret_err, "cannot make the signer's process: %s", strerror(errno));
    set_timeout(signer->control, SO_RCVTIMEO, LOAD_STEP_USEC);
    set_timeout(signer->control, SO_SNDTIMEO, LOAD_STEP_USEC);
    return 0;
}

/* Returns 0 once the signer has read all files. */
static int start(struct signer *signer, struct key_report *reports, const struct user *user,
                 struct err *ret_err)
{
    if (launch(signer, user, ret_err) == 0 && receive_reports(signer, reports, ret_err) == 0)
        return 0;
    if (signer->pid > 0)
        kill(signer->pid, SIGKILL);
    end_process(signer);
    return -1;
}

/* ---- start, restart, stop ---- */

static void free_signer(struct signer *signer)
{
    for (size_t i = 0; signer->paths && i < signer->n; i++)
        free(signer->paths[i]);
    free(signer->paths);
    free(signer->reports);
    free(signer);
}

static struct signer *new_signer(const char *const *paths, size_t n)
{
    struct signer *signer = calloc(1, sizeof(*signer));

    if (!signer)
        return NULL;
    *signer = (struct signer){.pid = -1, .control = -1, .n = n};
    signer->paths = calloc(n, sizeof(*signer->paths));
    signer->reports = calloc(n, sizeof(*signer->reports));
    for (size_t i = 0; signer->paths && signer->reports && i < n; i++)
        if (!(signer->paths[i] = strdup(paths[i])))
            break;
    if (signer->reports && signer->paths && (n == 0 || signer->paths[n - 1]))
        return signer;
    free_signer(signer);
    return NULL;
}

int signer_start(const char *const *paths, size_t n, const struct user *user,
                 struct signer **ret_signer, struct err *ret_err)
{
    struct signer *signer = new_signer(paths, n);

    if (!signer)
        return err_set(ret_err, "cannot start the signer: %s", strerror(ENOMEM));
    if (start(signer, signer->reports, user, ret_err) < 0) {
        free_signer(signer);
        return -1;
    }
    *ret_signer = signer;
    return 0;
}

/* The contexts in force have the first signer's public keys: a new one must have the same. */
static int compare(const struct signer *signer, const struct key_report *reports,
                   struct err *ret_err)
{
    for (size_t i = 0; i < signer->n; i++) {
        const struct key_report *old = &signer->reports[i], *new = &reports[i];

        if (!new->loaded)
            return err_set(ret_err, "%s", new->err.text);
        if (new->length != old->length || memcmp(new->public, old->public, old->length) != 0)
            return err_set(ret_err, "%s holds another key by now", signer->paths[i]);
    }
    return 0;
}

static bool dies_young(struct signer *signer)
{
    bool young = now_usec() - signer->started_usec < SHORT_LIFE_USEC;

    signer->short_lives = young ? signer->short_lives + 1 : 0;
    return signer->short_lives >= SHORT_LIVES_MAX;
}

int signer_restart(struct signer *signer, const struct user *user, struct err *ret_err)
{
    struct key_report *reports = calloc(signer->n, sizeof(*reports));
    int result;

    disconnect(signer);
    signer->pid = -1;
    if (!reports)
        return err_set(ret_err, "cannot start the signer: %s", strerror(errno));
    if (dies_young(signer)) {
        free(reports);
        return err_set(ret_err, "it has died %u times in a row within a second", SHORT_LIVES_MAX);
    }
    result = start(signer, reports, user, ret_err);
    if (result == 0 && (result = compare(signer, reports, ret_err)) < 0)
        end_process(signer);
    free(reports);
    return result;
}

pid_t signer_pid(const struct signer *signer)
{
    return signer->pid;
}

int signer_control(const struct signer *signer)
{
    return signer->control;
}

EVP_PKEY *signer_key(const struct signer *signer, const char *path, struct err *ret_err)
{
    for (size_t i = 0; i < signer->n; i++) {
        const struct key_report *report = &signer->reports[i];

        if (strcmp(signer->paths[i], path) != 0)
            continue;
        if (report->loaded)
            return signer_provide((uint32_t)i, report->public, report->length, ret_err);
        *ret_err = report->err;
        return NULL;
    }
    err_set(ret_err, "the signer does not have %s", path);
    return NULL;
}

bool signer_can_reload(const struct signer *signer, const char *path)
{
    for (size_t i = 0; i < signer->n; i++)
        if (strcmp(signer->paths[i], path) == 0)
            return !signer->reports[i].lost;
    return false;
}

void signer_stop(struct signer *signer)
{
    if (!signer)
        return;
    end_process(signer);
    free_signer(signer);
}

void signer_retire(struct signer *signer)
{
    if (!signer)
        return;
    disconnect(signer);
    free_signer(signer);
}

/* ---- in a client's process ---- */

int signer_connect(const struct signer *signer, uint64_t timeout_usec)
{
    int ends[2], result;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    set_timeout(ends[0], SO_RCVTIMEO, timeout_usec);
    set_timeout(ends[0], SO_SNDTIMEO, timeout_usec);
    result = fdpass_send(signer->control, "", 1, ends[1]);
    close(ends[1]);
    if (result == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}
