/*
 * load_conn.h - one connection under load, and the worker that it belongs to. Private to the
 * load generator.
 */
#ifndef ECHOD_ECHOC_LOAD_CONN_H
#define ECHOD_ECHOC_LOAD_CONN_H

#include "echoc/load.h"
#include "echoc/payload.h"

#include <pthread.h>

#define NSEC_PER_SEC UINT64_C(1000000000)

enum state {
    RESTING, /* no connection; the next patrol, or the next message that is due, makes one */
    DIALING,
    READY,
    ENDING, /* we have ended our side and wait for the server's end */
};

struct conn {
    struct load_worker *worker;
    enum state state;
    struct dialed dialed;
    struct tls_session *session;
    struct payload payload;

    uint64_t owed;     /* messages that are due and not begun (with a rate) */
    uint64_t begun;    /* messages begun, ever */
    uint64_t sent;     /* messages written whole, on this connection */
    uint64_t back;     /* messages read whole, on this connection */
    uint64_t first;    /* number of this connection's first message */
    size_t out, in;    /* bytes of the message being written and of the one being read */
    uint64_t *started; /* when each message under way was, or ought to have been, begun; a ring */
    unsigned char *outgoing, *expected;
    uint64_t moved_nsec; /* when the last byte moved */
    uint32_t events;     /* in the epoll set; 0 = it may be missing there */
};

struct load_worker {
    const struct echoc *echoc;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the figures; held while events are handled */
    struct load_figures figures;
    bool running;

    int epoll_fd;
    int n;
    struct conn *conns;
    double rate;
    struct load_course course;
    uint64_t due;  /* messages that the schedule has asked for */
    bool warm;     /* the warm-up is over: messages count */
    bool stopping; /* the time is over: no message begins */
    size_t length; /* of a message */
};

/* Go on as far as possible without waiting. */
void load_work(struct conn *conn);

/* When message `number` of a worker with a rate is due. */
uint64_t load_due_nsec(const struct load_worker *worker, uint64_t number);

/* Fail a connection that has waited for longer than its timeout. */
void load_check_late(struct conn *conn, uint64_t now);

#endif
