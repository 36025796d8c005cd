/*
 * chaos.h - a mixture of well-behaved and hostile clients, planned from one seed, that checks every
 * byte and keeps books of its own.
 */
#ifndef ECHOD_CHAOS_H
#define ECHOD_CHAOS_H

#include "base/deadline.h"
#include "echoc/dial.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

#define PIECE_MAX (256 * 1024)
#define SIZE_MAX_BYTES (8 << 20)
/* Longer than any one client sends, so that no two bytes of a connection come from one place. */
#define POOL_BYTES (16 << 20)
#define SOURCES_MAX 2000 /* 127.0.1.1 to 127.0.8.250 */
#define HELLO_MAX 2048

enum way {
    WAY_PLAIN,
    WAY_TLS12,
    WAY_TLS13,
    WAY_COUNT,
};

enum kind {
    KIND_HALF_CLOSE, /* ends its side once all is sent, and takes the rest */
    KIND_CLOSE,      /* ends once all is back */
    KIND_NO_NOTIFY,  /* the same, with FIN alone where TLS demands a close_notify first */
    KIND_RESET,      /* RST half way */
    KIND_VANISH,     /* leaves in the handshake, with FIN or RST; plain: RST before a byte */
    KIND_GARBAGE,    /* something else where a handshake ought to begin */
    KIND_LEAVE,      /* connects and ends */
    KIND_COUNT,
};
extern const char *const kind_names[KIND_COUNT];

/* Random numbers of one connection: the same for the same seed and number. */
struct dice {
    uint64_t state;
};
uint64_t dice_roll(struct dice *dice);
/* 0 to n - 1 */
uint64_t dice_below(struct dice *dice, uint64_t n);
/* 1 to `max`, as many of each length in digits: small ones are frequent, long ones make the sum. */
uint64_t dice_heavy_tail(struct dice *dice, uint64_t max);

/* What one connection is going to do. */
struct plan {
    enum way way;
    enum kind kind;
    uint64_t size;      /* bytes to send */
    uint64_t start;     /* where in the pool they begin */
    uint64_t reset_at;  /* KIND_RESET: after so many */
    uint64_t piece_max; /* of the bytes that one write gets */
    unsigned pauses;    /* how often it stops writing for some milliseconds */
    bool stuff;         /* does not read until the path is full */
    bool slow;          /* reads 1 KiB at a time for a while */
    bool rst;           /* KIND_VANISH: with RST */
    struct dice dice;   /* for what is left to chance on the way */
};

/* How it went, seen from here. */
enum outcome {
    OUTCOME_DONE,
    OUTCOME_REFUSED, /* not connected; or, if that is allowed, closed before a byte came back */
    OUTCOME_WRONG,   /* a byte came back that was not sent */
    OUTCOME_FAILED,
};

/* The course that all connections share. */
struct chaos {
    struct target target[WAY_COUNT];
    struct tls_client *tls[WAY_COUNT];
    unsigned char hello[WAY_COUNT][HELLO_MAX]; /* a ClientHello of each TLS version */
    size_t hello_length[WAY_COUNT];
    const unsigned char *pool; /* POOL_BYTES, and the first PIECE_MAX of them again */
    uint64_t seed;
    uint64_t first; /* number of the first connection */
    uint64_t connections;
    unsigned threads;
    unsigned sources; /* addresses to come from; 0 = whichever the kernel takes */
    uint64_t timeout_usec;
    bool may_refuse;
    const char *ca;
};

struct books {
    uint64_t tried, connected, refused, wrong, failed;
    uint64_t done[KIND_COUNT];
    uint64_t sent, back;           /* bytes of all */
    uint64_t closed, closed_bytes; /* those that the server ought to record as closed */
    uint64_t truncated, truncated_bytes;
};

/* Plan connection number `number`. */
void plan_make(const struct chaos *chaos, uint64_t number, struct plan *ret_plan);

/* Carry one out and enter it in the books; `data` holds PIECE_MAX bytes for what comes back. */
void conn_run(const struct chaos *chaos, uint64_t number, unsigned char *data, struct books *books);

#endif
