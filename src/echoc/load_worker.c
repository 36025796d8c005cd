/* load_worker.c - the threads of the load generator, and their schedule. */
#include "echoc/load_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PATROL_NSEC (NSEC_PER_SEC / 20) /* between two checks for timeouts */
#define EVENTS_MAX 64

const char *const trouble_names[TROUBLE_COUNT] = {"dial", "timeout", "broken", "wrong", "end"};

void load_figures_add(struct load_figures *to, const struct load_figures *from)
{
    to->messages += from->messages;
    to->bytes += from->bytes;
    to->dialed += from->dialed;
    to->resumed += from->resumed;
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        if (to->troubles[i] == 0)
            to->first[i] = from->first[i];
        to->troubles[i] += from->troubles[i];
    }
    histogram_merge(&to->latency, &from->latency);
    histogram_merge(&to->connect, &from->connect);
    histogram_merge(&to->handshake, &from->handshake);
}

/* ---- the worker ---- */

/* The schedule does not wait for the server, so a stall shows in the latencies. */
static void worker_begin_due(struct load_worker *worker, uint64_t now)
{
    while (worker->rate > 0 && !worker->stopping && load_due_nsec(worker, worker->due) <= now) {
        struct conn *conn = &worker->conns[worker->due % (uint64_t)worker->n];

        worker->due++;
        conn->owed++;
        if (conn->state == READY || conn->state == RESTING)
            load_work(conn);
    }
}

static void worker_patrol(struct load_worker *worker, uint64_t now)
{
    for (int i = 0; i < worker->n; i++) {
        struct conn *conn = &worker->conns[i];

        if (conn->state == RESTING || (worker->stopping && conn->state == READY))
            load_work(conn);
        load_check_late(conn, now);
    }
}

static bool worker_is_over(const struct load_worker *worker)
{
    if (!worker->stopping)
        return false;
    for (int i = 0; i < worker->n; i++)
        if (worker->conns[i].state != RESTING)
            return false;
    return true;
}

/*
 * In nanoseconds: a wait in milliseconds ends late, or as 0 takes CPU time that the server needs.
 */
static struct timespec worker_wait_time(const struct load_worker *worker, uint64_t patrol_nsec)
{
    uint64_t now = now_nsec(), wake = patrol_nsec, left;

    if (worker->rate > 0 && !worker->stopping && load_due_nsec(worker, worker->due) < wake)
        wake = load_due_nsec(worker, worker->due);
    left = wake <= now ? 0 : wake - now;
    return (struct timespec){.tv_sec = (time_t)(left / NSEC_PER_SEC),
                             .tv_nsec = (long)(left % NSEC_PER_SEC)};
}

/* Errors of the warm-up stay counted. */
static void worker_begin_count(struct load_worker *worker)
{
    struct load_figures *figures = &worker->figures;

    figures->messages = figures->bytes = 0;
    figures->latency = (struct histogram){0};
    worker->warm = true;
}

static void *worker_run(void *arg)
{
    struct load_worker *worker = arg;
    struct epoll_event events[EVENTS_MAX];
    uint64_t patrol_nsec = 0;

    prctl(PR_SET_TIMERSLACK, 1UL); /* a late start would count as the server's latency */
    while (!worker_is_over(worker)) {
        const struct timespec wait = worker_wait_time(worker, patrol_nsec);
        int n = epoll_pwait2(worker->epoll_fd, events, EVENTS_MAX, &wait, NULL);
        uint64_t now = now_nsec();

        pthread_mutex_lock(&worker->lock);
        worker->stopping = now >= worker->course.end_nsec || echoc_interrupted;
        if (!worker->warm && now >= worker->course.count_nsec)
            worker_begin_count(worker);
        for (int i = 0; i < n; i++)
            load_work(events[i].data.ptr);
        worker_begin_due(worker, now);
        if (now >= patrol_nsec) {
            worker_patrol(worker, now);
            patrol_nsec = now + PATROL_NSEC;
        }
        pthread_mutex_unlock(&worker->lock);
    }
    pthread_mutex_lock(&worker->lock);
    worker->running = false;
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static int worker_set_up_conn(struct load_worker *worker, int i, int number)
{
    struct conn *conn = &worker->conns[i];

    *conn = (struct conn){.worker = worker};
    conn->payload = (struct payload){
        .frame = &worker->echoc->frame,
        .seed = (uint64_t)worker->echoc->seed + ((uint64_t)number << 32) + (uint64_t)i,
        .size = (size_t)worker->echoc->size,
    };
    conn->started = calloc((size_t)worker->echoc->depth, sizeof(*conn->started));
    conn->outgoing = malloc(worker->length);
    conn->expected = malloc(worker->length);
    return conn->started && conn->outgoing && conn->expected ? 0 : -1;
}

static void worker_free(struct load_worker *worker)
{
    for (int i = 0; worker->conns && i < worker->n; i++) {
        free(worker->conns[i].started);
        free(worker->conns[i].outgoing);
        free(worker->conns[i].expected);
        tls_session_free(worker->conns[i].session);
    }
    free(worker->conns);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

static int worker_set_up(struct load_worker *worker, int number)
{
    const struct payload payload = {&worker->echoc->frame, 0, (size_t)worker->echoc->size};

    worker->length = payload_length(&payload);
    worker->conns = calloc((size_t)worker->n, sizeof(*worker->conns));
    if (!worker->conns || worker->epoll_fd < 0)
        return -1;
    for (int i = 0; i < worker->n; i++)
        if (worker_set_up_conn(worker, i, number) < 0)
            return -1;
    return 0;
}

int load_start(const struct echoc *echoc, int number, int n, double rate,
               const struct load_course *course, struct load_worker **ret_worker,
               struct err *ret_err)
{
    struct load_worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return err_set(ret_err, "out of memory");
    worker->echoc = echoc;
    worker->n = n;
    worker->rate = rate;
    worker->course = *course;
    worker->running = true;
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pthread_mutex_init(&worker->lock, NULL);
    if (worker_set_up(worker, number) < 0 ||
        pthread_create(&worker->thread, NULL, worker_run, worker) != 0) {
        worker_free(worker);
        return err_set(ret_err, "cannot start a thread: %s", strerror(errno));
    }
    *ret_worker = worker;
    return 0;
}

void load_look(struct load_worker *worker, struct load_figures *to)
{
    pthread_mutex_lock(&worker->lock);
    load_figures_add(to, &worker->figures);
    pthread_mutex_unlock(&worker->lock);
}

bool load_running(struct load_worker *worker)
{
    bool running;

    pthread_mutex_lock(&worker->lock);
    running = worker->running;
    pthread_mutex_unlock(&worker->lock);
    return running;
}

void load_join(struct load_worker *worker)
{
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}
