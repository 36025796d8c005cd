/* parent.c - the parent's event loop. */
#include "parent/parent_private.h"

#include "base/deadline.h"
#include "base/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define CUT_USEC (5 * USEC_PER_SEC) /* the time for killed children to be gone */

static int on_back_off(sd_event_source *source, uint64_t usec, void *arg)
{
    struct parent *parent = arg;

    (void)source, (void)usec;
    parent->backing_off = false;
    acceptors_retry_held(parent);
    acceptors_update(parent);
    return 0;
}

/* ---- a client ends ---- */

static void on_ended(void *arg, const struct client *client, const struct record *record)
{
    parent_count_out(arg, client, record);
}

static void on_refused(void *arg, const struct admission_refusal *refusal)
{
    (void)arg;
    record_log_refused(refusal->listener, refusal->peer, access_rule_name(refusal->rule),
                       refusal->count);
}

/* Call this when a client may have ended. */
static void after_end(struct parent *parent)
{
    acceptors_update(parent);
    if (parent->single && parent_totals(parent).open == 0)
        parent_wake(parent, PARENT_STOP);
}

/* ---- a helper ends ---- */

int parent_adopt(struct parent *parent, pid_t pid, struct err *ret_err)
{
    pid_t *helpers = reallocarray(parent->helpers, parent->n_helpers + 1, sizeof(*parent->helpers));

    if (!helpers)
        return err_set(ret_err, "cannot watch the process %d: %s", (int)pid, strerror(errno));
    helpers[parent->n_helpers++] = pid;
    parent->helpers = helpers;
    parent_arm(parent->tick, 1); /* it may have died already */
    return 0;
}

pid_t parent_ended_helper(const struct parent *parent)
{
    return parent->ended_helper;
}

/*
 * There are few helpers. Pending signals merge, so any SIGCHLD may stand for several helpers;
 * parent_run() reports one at a time.
 */
static void reap_helpers(struct parent *parent)
{
    for (size_t i = 0; i < parent->n_helpers && !parent->woken; i++) {
        pid_t pid = parent->helpers[i];

        if (waitpid(pid, NULL, WNOHANG) == 0)
            continue;
        parent->helpers[i] = parent->helpers[--parent->n_helpers];
        parent->ended_helper = pid;
        parent_wake(parent, PARENT_HELPER);
        parent_arm(parent->tick, 1); /* the signal may stand for others too */
    }
}

/* ---- signals and timers ---- */

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct parent *parent = arg;

    (void)source;
    children_reap_posted(parent->children);
    if (info->ssi_code != CLD_EXITED)
        children_reap_pid(parent->children, (pid_t)info->ssi_pid);
    reap_helpers(parent);
    after_end(parent);
    parent_touch(parent);
    return 0;
}

static void publish(struct parent *parent)
{
    const char *reason;

    if (parent->metrics_path[0] == '\0')
        return;
    reason = metrics_write(parent->metrics, parent->metrics_more ? parent->metrics_more : "",
                           parent->metrics_path);
    if (reason)
        log_throttled(&parent->metrics_trouble, LOG_ERR, "cannot write metrics_file %s: %s",
                      parent->metrics_path, reason);
    if (reason)
        parent_touch(parent); /* to try again */
}

void parent_publish(struct parent *parent, const char *path, const char *more)
{
    if (parent->single)
        return;
    if (parent->metrics_path[0] != '\0' && strcmp(parent->metrics_path, path ? path : "") != 0)
        unlink(parent->metrics_path);
    snprintf(parent->metrics_path, sizeof(parent->metrics_path), "%s", path ? path : "");
    free(parent->metrics_more);
    parent->metrics_more = strdup(more);
    publish(parent);
}

/* Do what the changes of the last second require; comes again while admission_sweep() has more. */
static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    struct parent *parent = arg;
    struct parent_totals totals;

    (void)source, (void)usec;
    children_sweep(parent->children);
    reap_helpers(parent);
    after_end(parent);
    if (admission_sweep(parent->admission, now_usec()))
        parent_touch(parent);
    totals = parent_totals(parent);
    notify("STATUS=%s%u clients, %llu served, %llu refused, %llu bytes echoed%s",
           parent->draining ? "Draining: " : "", totals.open, totals.ended, totals.refused,
           totals.echoed, parent->note);
    publish(parent);
    return 0;
}

/* Only the loop sends this, so that a loop that hangs trips the watchdog. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *arg)
{
    struct parent *parent = arg;

    (void)source, (void)usec;
    notify("WATCHDOG=1");
    parent_arm(parent->watchdog, parent->watchdog_usec);
    return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct parent *parent = arg;

    (void)source, (void)info;
    if (parent->draining)
        parent->drained = true;
    else
        parent_wake(parent, PARENT_STOP);
    return 0;
}

/* SIGHUP or SIGUSR1: ignored while draining. */
static int on_request(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct parent *parent = arg;

    (void)source;
    if (!parent->draining)
        parent_wake(parent, info->ssi_signo == SIGHUP ? PARENT_RELOAD : PARENT_LEAVE);
    return 0;
}

static int on_drain_end(sd_event_source *source, uint64_t usec, void *arg)
{
    struct parent *parent = arg;

    (void)source, (void)usec;
    parent->drained = true;
    return 0;
}

/* Ignored for good once draining: only the clients that are left matter then. */
static int on_alarm(sd_event_source *source, uint64_t usec, void *arg)
{
    struct parent *parent = arg;

    (void)source, (void)usec;
    if (!parent->draining)
        parent_wake(parent, PARENT_ALARM);
    return 0;
}

void parent_set_alarm(struct parent *parent, uint64_t at_usec)
{
    sd_event_source_set_time(parent->alarm, at_usec);
    sd_event_source_set_enabled(parent->alarm,
                                at_usec == DEADLINE_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* ---- open, configure, run, close ---- */

static int add_signals(struct parent *parent)
{
    static const struct {
        int number;
        sd_event_signal_handler_t handler;
    } signals[SIGNALS] = {{SIGTERM, on_stop},
                          {SIGINT, on_stop},
                          {SIGHUP, on_request},
                          {SIGUSR1, on_request},
                          {SIGCHLD, on_child}};
    sigset_t mask;

    sigemptyset(&mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&mask, signals[i].number);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < SIGNALS; i++) {
        int error = sd_event_add_signal(parent->event, &parent->signals[i], signals[i].number,
                                        signals[i].handler, parent);

        if (error < 0)
            return error;
    }
    return 0;
}

static int add_timer(struct parent *parent, sd_event_source **ret_timer,
                     sd_event_time_handler_t handler)
{
    int error = sd_event_add_time(parent->event, ret_timer, CLOCK_MONOTONIC, 0, 1, handler, parent);

    return error < 0 ? error : sd_event_source_set_enabled(*ret_timer, SD_EVENT_OFF);
}

static int set_up(struct parent *parent)
{
    int error = sd_event_new(&parent->event);

    if (error < 0 || (error = add_signals(parent)) < 0 ||
        (error = add_timer(parent, &parent->tick, on_tick)) < 0 ||
        (error = add_timer(parent, &parent->back_off, on_back_off)) < 0 ||
        (error = add_timer(parent, &parent->drain, on_drain_end)) < 0 ||
        (error = add_timer(parent, &parent->alarm, on_alarm)) < 0 ||
        (error = add_timer(parent, &parent->watchdog, on_watchdog)) < 0)
        return error;
    if (sd_watchdog_enabled(false, &parent->watchdog_usec) > 0) {
        parent->watchdog_usec /= 3; /* sd_watchdog_enabled(3) recommends half of it */
        parent_arm(parent->watchdog, parent->watchdog_usec);
    }
    return 0;
}

/* Open the tables: of sources, of metrics and of clients. */
static int open_tables(struct parent *parent, client_session *session, struct err *ret_err)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return err_set(ret_err, "cannot set up the parent: %s", strerror(errno));
    if (admission_open(seed, on_refused, NULL, &parent->admission, ret_err) < 0)
        return -1;
    if (metrics_open(&parent->metrics, ret_err) < 0)
        return -1;
    return children_open(session, on_ended, parent, &parent->children, ret_err);
}

int parent_open(client_session *session, struct parent **ret_parent, struct err *ret_err)
{
    struct parent *parent = calloc(1, sizeof(*parent));
    int error;

    if (!parent)
        return err_set(ret_err, "cannot set up the parent: %s", strerror(errno));
    parent->held_fd = -1;
    error = set_up(parent);
    if (error < 0)
        err_set(ret_err, "cannot set up the parent: %s", strerror(-error));
    if (error < 0 || open_tables(parent, session, ret_err) < 0) {
        parent_close(parent);
        return -1;
    }
    *ret_parent = parent;
    return 0;
}

int parent_enroll(struct parent *parent, const char *listener)
{
    if (admission_listener(parent->admission, listener) < 0)
        return -1;
    metrics_announce(parent->metrics, listener);
    return 0;
}

int parent_configure(struct parent *parent, const struct parent_listener *listeners, size_t n,
                     const struct parent_limits *limits, struct err *ret_err)
{
    int error;

    parent->limits = *limits;
    error = acceptors_replace(parent, listeners, n);
    if (error < 0)
        return err_set(ret_err, "cannot poll the listening sockets: %s", strerror(-error));
    return 0;
}

void parent_renew(struct parent *parent, client_prepare *prepare, const void *arg)
{
    children_renew(parent->children, prepare, arg);
}

int parent_serve_single(struct parent *parent, const struct parent_listener *listener,
                        const struct parent_limits *limits, struct err *ret_err)
{
    struct addr peer;

    parent->single = true;
    children_expect_one(parent->children);
    if (addr_peer(listener->fd, &peer) < 0)
        return err_set(ret_err, "cannot serve the passed connection: %s", strerror(errno));
    if (parent_configure(parent, listener, 1, limits, ret_err) < 0)
        return -1;
    acceptors_take_in(&parent->acceptors[0], listener->fd, &peer);
    after_end(parent);
    return 0;
}

/*
 * A lack of resources may be temporary, so the loop goes on. It pauses for 10 ms, so as not to
 * spin.
 */
static bool is_short_of_something(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EMFILE || error == -ENFILE ||
           error == -EAGAIN || error == -EINTR;
}

/* Handle one event. Returns false, with `err`, if the loop cannot go on. */
static bool run_once(struct parent *parent, uint64_t usec)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int error = sd_event_run(parent->event, usec);

    if (error >= 0)
        return true;
    err_set(&parent->err, "cannot wait for events: %s", strerror(-error));
    if (!is_short_of_something(error))
        return false;
    log_throttled(&parent->loop_trouble, LOG_ERR, "%s", parent->err.text);
    nanosleep(&pause, NULL);
    return true;
}

enum parent_event parent_run(struct parent *parent, struct err *ret_err)
{
    while (!parent->woken)
        if (!run_once(parent, UINT64_MAX))
            parent_wake(parent, PARENT_FAILED);
    parent->woken = false;
    if (parent->event_kind == PARENT_FAILED)
        *ret_err = parent->err;
    return parent->event_kind;
}

void parent_stop_accepting(struct parent *parent)
{
    acceptors_shut(parent);
}

/* Killed children die at once; the bound is for those that the kernel itself keeps waiting. */
static void cut(struct parent *parent)
{
    deadline_t deadline = deadline_in(CUT_USEC);

    log_notice("the drain has ended with %u clients left, which are cut",
               children_count(parent->children));
    children_cut(parent->children);
    while (children_count(parent->children) > 0 && !deadline_passed(deadline)) {
        run_once(parent, 10 * USEC_PER_MSEC);
        children_sweep(parent->children);
    }
}

void parent_drain(struct parent *parent)
{
    parent->drained = false;
    if (parent->limits.drain_usec > 0)
        parent_arm(parent->drain, parent->limits.drain_usec);
    while (parent_totals(parent).open > 0 && !parent->drained)
        if (!run_once(parent, UINT64_MAX))
            break;
    acceptors_give_up_held(parent, "no process could be made for it");
    if (children_count(parent->children) > 0)
        cut(parent);
    admission_flush(parent->admission);
    publish(parent);
}

void parent_set_note(struct parent *parent, const char *note)
{
    snprintf(parent->note, sizeof(parent->note), "%s", note);
    parent_touch(parent);
}

struct parent_totals parent_totals(const struct parent *parent)
{
    return (struct parent_totals){
        .accepted = parent->accepted,
        .refused = admission_refusals(parent->admission) + children_refused(parent->children),
        .ended = children_served(parent->children) + parent->given_up,
        .open = children_count(parent->children) + (parent->held_fd >= 0),
        .echoed = children_echoed(parent->children),
    };
}

void parent_close(struct parent *parent)
{
    if (!parent)
        return;
    acceptors_remove(parent);
    for (size_t i = 0; i < SIGNALS; i++)
        sd_event_source_disable_unref(parent->signals[i]);
    sd_event_source_disable_unref(parent->tick);
    sd_event_source_disable_unref(parent->back_off);
    sd_event_source_disable_unref(parent->drain);
    sd_event_source_disable_unref(parent->watchdog);
    sd_event_source_disable_unref(parent->alarm);
    sd_event_unref(parent->event);
    if (parent->held_fd >= 0)
        close(parent->held_fd); /* parent_drain() was not called */
    children_close(parent->children);
    admission_close(parent->admission);
    metrics_close(parent->metrics);
    free(parent->metrics_more);
    free(parent->helpers);
    free(parent);
}
