/* server.c - the parent's event loop. */
#include "parent/server_private.h"

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
    struct server *server = arg;

    (void)source, (void)usec;
    server->backing_off = false;
    doors_retry_held(server);
    doors_update(server);
    return 0;
}

/* ---- a client ends ---- */

static void on_ended(void *arg, const struct client *client, const struct record *record)
{
    server_count_out(arg, client, record);
}

static void on_refused(void *arg, const struct admission_refusal *refusal)
{
    (void)arg;
    record_log_refused(refusal->listener, refusal->peer, access_rule_name(refusal->rule),
                       refusal->count);
}

/* Call this when a client may have ended. */
static void after_end(struct server *server)
{
    doors_update(server);
    if (server->single && server_totals(server).open == 0)
        server_wake(server, SERVER_STOP);
}

/* ---- a helper ends ---- */

int server_adopt(struct server *server, pid_t pid, struct err *ret_err)
{
    pid_t *helpers = reallocarray(server->helpers, server->n_helpers + 1, sizeof(*server->helpers));

    if (!helpers)
        return err_set(ret_err, "cannot watch the process %d: %s", (int)pid, strerror(errno));
    helpers[server->n_helpers++] = pid;
    server->helpers = helpers;
    server_arm(server->tick, 1); /* it may have died already */
    return 0;
}

pid_t server_ended_helper(const struct server *server)
{
    return server->ended_helper;
}

/*
 * There are few helpers. Pending signals merge, so any SIGCHLD may stand for several helpers;
 * server_run() reports one at a time.
 */
static void reap_helpers(struct server *server)
{
    for (size_t i = 0; i < server->n_helpers && !server->woken; i++) {
        pid_t pid = server->helpers[i];

        if (waitpid(pid, NULL, WNOHANG) == 0)
            continue;
        server->helpers[i] = server->helpers[--server->n_helpers];
        server->ended_helper = pid;
        server_wake(server, SERVER_HELPER);
        server_arm(server->tick, 1); /* the signal may stand for others too */
    }
}

/* ---- signals and timers ---- */

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct server *server = arg;

    (void)source;
    children_reap_posted(server->children);
    if (info->ssi_code != CLD_EXITED)
        children_reap_pid(server->children, (pid_t)info->ssi_pid);
    reap_helpers(server);
    after_end(server);
    server_touch(server);
    return 0;
}

static void publish(struct server *server)
{
    const char *reason;

    if (server->metrics_path[0] == '\0')
        return;
    reason = metrics_write(server->metrics, server->metrics_more ? server->metrics_more : "",
                           server->metrics_path);
    if (reason)
        log_throttled(&server->metrics_trouble, LOG_ERR, "cannot write metrics_file %s: %s",
                      server->metrics_path, reason);
    if (reason)
        server_touch(server); /* to try again */
}

void server_publish(struct server *server, const char *path, const char *more)
{
    if (server->single)
        return;
    if (server->metrics_path[0] != '\0' && strcmp(server->metrics_path, path ? path : "") != 0)
        unlink(server->metrics_path);
    snprintf(server->metrics_path, sizeof(server->metrics_path), "%s", path ? path : "");
    free(server->metrics_more);
    server->metrics_more = strdup(more);
    publish(server);
}

/* Do what the changes of the last second require; comes again while admission_sweep() has more. */
static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;
    struct server_totals totals;

    (void)source, (void)usec;
    children_sweep(server->children);
    reap_helpers(server);
    after_end(server);
    if (admission_sweep(server->admission, now_usec()))
        server_touch(server);
    totals = server_totals(server);
    notify("STATUS=%s%u clients, %llu served, %llu refused, %llu bytes echoed%s",
           server->draining ? "Draining: " : "", totals.open, totals.ended, totals.refused,
           totals.echoed, server->note);
    publish(server);
    return 0;
}

/* Only the loop sends this, so that a loop that hangs trips the watchdog. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    notify("WATCHDOG=1");
    server_arm(server->watchdog, server->watchdog_usec);
    return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct server *server = arg;

    (void)source, (void)info;
    if (server->draining)
        server->drained = true;
    else
        server_wake(server, SERVER_STOP);
    return 0;
}

/* SIGHUP or SIGUSR1: ignored while draining. */
static int on_request(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct server *server = arg;

    (void)source;
    if (!server->draining)
        server_wake(server, info->ssi_signo == SIGHUP ? SERVER_RELOAD : SERVER_LEAVE);
    return 0;
}

static int on_drain_end(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    server->drained = true;
    return 0;
}

/* Ignored for good once draining: only the clients that are left matter then. */
static int on_alarm(sd_event_source *source, uint64_t usec, void *arg)
{
    struct server *server = arg;

    (void)source, (void)usec;
    if (!server->draining)
        server_wake(server, SERVER_ALARM);
    return 0;
}

void server_set_alarm(struct server *server, uint64_t at_usec)
{
    sd_event_source_set_time(server->alarm, at_usec);
    sd_event_source_set_enabled(server->alarm,
                                at_usec == DEADLINE_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* ---- open, configure, run, close ---- */

static int add_signals(struct server *server)
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
        int error = sd_event_add_signal(server->event, &server->signals[i], signals[i].number,
                                        signals[i].handler, server);

        if (error < 0)
            return error;
    }
    return 0;
}

static int add_timer(struct server *server, sd_event_source **ret_timer,
                     sd_event_time_handler_t handler)
{
    int error = sd_event_add_time(server->event, ret_timer, CLOCK_MONOTONIC, 0, 1, handler, server);

    return error < 0 ? error : sd_event_source_set_enabled(*ret_timer, SD_EVENT_OFF);
}

static int set_up(struct server *server)
{
    int error = sd_event_new(&server->event);

    if (error < 0 || (error = add_signals(server)) < 0 ||
        (error = add_timer(server, &server->tick, on_tick)) < 0 ||
        (error = add_timer(server, &server->back_off, on_back_off)) < 0 ||
        (error = add_timer(server, &server->drain, on_drain_end)) < 0 ||
        (error = add_timer(server, &server->alarm, on_alarm)) < 0 ||
        (error = add_timer(server, &server->watchdog, on_watchdog)) < 0)
        return error;
    if (sd_watchdog_enabled(false, &server->watchdog_usec) > 0) {
        server->watchdog_usec /= 3; /* sd_watchdog_enabled(3) recommends half of it */
        server_arm(server->watchdog, server->watchdog_usec);
    }
    return 0;
}

/* Open the tables: of sources, of metrics and of clients. */
static int open_books(struct server *server, client_session *session, struct err *ret_err)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return err_set(ret_err, "cannot set up the server: %s", strerror(errno));
    if (admission_open(seed, on_refused, NULL, &server->admission, ret_err) < 0)
        return -1;
    if (metrics_open(&server->metrics, ret_err) < 0)
        return -1;
    return children_open(session, on_ended, server, &server->children, ret_err);
}

int server_open(client_session *session, struct server **ret_server, struct err *ret_err)
{
    struct server *server = calloc(1, sizeof(*server));
    int error;

    if (!server)
        return err_set(ret_err, "cannot set up the server: %s", strerror(errno));
    server->held_fd = -1;
    error = set_up(server);
    if (error < 0)
        err_set(ret_err, "cannot set up the server: %s", strerror(-error));
    if (error < 0 || open_books(server, session, ret_err) < 0) {
        server_close(server);
        return -1;
    }
    *ret_server = server;
    return 0;
}

int server_enroll(struct server *server, const char *listener)
{
    if (admission_listener(server->admission, listener) < 0)
        return -1;
    metrics_announce(server->metrics, listener);
    return 0;
}

int server_configure(struct server *server, const struct server_listener *listeners, size_t n,
                     const struct server_limits *limits, struct err *ret_err)
{
    int error;

    server->limits = *limits;
    error = doors_replace(server, listeners, n);
    if (error < 0)
        return err_set(ret_err, "cannot poll the listening sockets: %s", strerror(-error));
    return 0;
}

void server_renew(struct server *server, client_prepare *prepare, const void *arg)
{
    children_renew(server->children, prepare, arg);
}

int server_serve_single(struct server *server, const struct server_listener *listener,
                        const struct server_limits *limits, struct err *ret_err)
{
    struct addr peer;

    server->single = true;
    children_expect_one(server->children);
    if (addr_peer(listener->fd, &peer) < 0)
        return err_set(ret_err, "cannot serve the passed connection: %s", strerror(errno));
    if (server_configure(server, listener, 1, limits, ret_err) < 0)
        return -1;
    doors_take_in(&server->doors[0], listener->fd, &peer);
    after_end(server);
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
static bool run_once(struct server *server, uint64_t usec)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int error = sd_event_run(server->event, usec);

    if (error >= 0)
        return true;
    err_set(&server->err, "cannot wait for events: %s", strerror(-error));
    if (!is_short_of_something(error))
        return false;
    log_throttled(&server->loop_trouble, LOG_ERR, "%s", server->err.text);
    nanosleep(&pause, NULL);
    return true;
}

enum server_event server_run(struct server *server, struct err *ret_err)
{
    while (!server->woken)
        if (!run_once(server, UINT64_MAX))
            server_wake(server, SERVER_FAILED);
    server->woken = false;
    if (server->event_kind == SERVER_FAILED)
        *ret_err = server->err;
    return server->event_kind;
}

void server_stop_accepting(struct server *server)
{
    doors_shut(server);
}

/* Killed children die at once; the bound is for those that the kernel itself keeps waiting. */
static void cut(struct server *server)
{
    deadline_t deadline = deadline_in(CUT_USEC);

    log_notice("the drain has ended with %u clients left, which are cut",
               children_count(server->children));
    children_cut(server->children);
    while (children_count(server->children) > 0 && !deadline_passed(deadline)) {
        run_once(server, 10 * USEC_PER_MSEC);
        children_sweep(server->children);
    }
}

void server_drain(struct server *server)
{
    server->drained = false;
    if (server->limits.drain_usec > 0)
        server_arm(server->drain, server->limits.drain_usec);
    while (server_totals(server).open > 0 && !server->drained)
        if (!run_once(server, UINT64_MAX))
            break;
    doors_give_up_held(server, "no process could be made for it");
    if (children_count(server->children) > 0)
        cut(server);
    admission_flush(server->admission);
    publish(server);
}

void server_set_note(struct server *server, const char *note)
{
    snprintf(server->note, sizeof(server->note), "%s", note);
    server_touch(server);
}

struct server_totals server_totals(const struct server *server)
{
    return (struct server_totals){
        .accepted = server->accepted,
        .refused = admission_refusals(server->admission) + children_refused(server->children),
        .ended = children_served(server->children) + server->given_up,
        .open = children_count(server->children) + (server->held_fd >= 0),
        .echoed = children_echoed(server->children),
    };
}

void server_close(struct server *server)
{
    if (!server)
        return;
    doors_remove(server);
    for (size_t i = 0; i < SIGNALS; i++)
        sd_event_source_disable_unref(server->signals[i]);
    sd_event_source_disable_unref(server->tick);
    sd_event_source_disable_unref(server->back_off);
    sd_event_source_disable_unref(server->drain);
    sd_event_source_disable_unref(server->watchdog);
    sd_event_source_disable_unref(server->alarm);
    sd_event_unref(server->event);
    if (server->held_fd >= 0)
        close(server->held_fd); /* server_drain() was not called */
    children_close(server->children);
    admission_close(server->admission);
    metrics_close(server->metrics);
    free(server->metrics_more);
    free(server->helpers);
    free(server);
}
