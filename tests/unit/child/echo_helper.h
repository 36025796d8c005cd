/*
 * echo_helper.h - what the tests of the loop share: a pattern of bytes, and a stream that answers
 * from a script and holds the loop to the contract of stream.h.
 */
#ifndef ECHOD_ECHO_HELPER_H
#define ECHOD_ECHO_HELPER_H

#include "child/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BUFFER_SIZE ((size_t)128 * 1024) /* what the loop holds at most */

static const struct echo_limits no_limits = {.deadline = DEADLINE_NEVER};

void make_pattern(unsigned char *data, size_t from, size_t n);
bool is_pattern(const unsigned char *data, size_t from, size_t n);

/* ---- a stream that answers from a script, and holds the loop to the contract of stream.h ---- */

/* One answer: how, and with STREAM_OK of how many bytes at most. */
struct answer {
    enum stream_status status;
    size_t n;
};

#define ALL SIZE_MAX

struct script {
    struct stream stream; /* first, so that the one is the other */
    struct answer (*next)(struct script *script, bool reading);
    struct answer reads[16], writes[16]; /* for answer_from_lists() */
    size_t n_reads, n_writes;            /* calls so far */
    size_t fail_at;                      /* number of the call that fails, from 1; 0 = none */
    bool failed;
    uint32_t random;
    size_t total; /* bytes that the peer sends before it ends */
    size_t in, out;
    size_t most_held;
    unsigned char pending[BUFFER_SIZE]; /* what the write that was put off began with */
    size_t n_pending;
};

/* A script whose socket is always ready, since /dev/null is. */
struct script *open_script(size_t total);
void close_script(struct script *script);

/* Run the loop on the script. Whatever happened, the record says how many bytes moved. */
enum end run_script(struct script *script, const struct echo_limits *limits);

#endif
