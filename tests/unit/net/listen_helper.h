/*
 * listen_helper.h - what the tests of listening sockets share: sets of them, and the faults of
 * each.
 */
#ifndef ECHOD_LISTEN_HELPER_H
#define ECHOD_LISTEN_HELPER_H

#include "net/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct listen_set empty;

/* ---- faults ---- */

#define SINKS 4

/* The last fault of each listener. */
struct heard {
    char setting[32], text[256];
};

extern struct heard heard[SINKS];

void hear(void *arg, const struct fault *fault);

/* ---- opening ---- */

struct listen_params params_of(const char *name, const char *host, unsigned port);
int try_open(const struct listen_params *params, size_t n, const struct listen_set *old,
             struct listen_set *ret_set);
struct listen_set open_many(const struct listen_params *params, size_t n,
                            const struct listen_set *old);
struct listen_set open_one(const char *host, unsigned port);
unsigned port_of(const struct listen_set *set, size_t i);

/* Returns a connected socket, or -1 with errno. */
int connect_to(const struct addr *addr);
void assert_answers(const struct addr *addr);
void assert_closed(int fd);
bool have_ipv6(void);

/* ---- AF_UNIX, in a directory of the test's own ---- */

extern char dir[64], path[96], unix_host[128];

int make_dir(void **state);
int remove_path(void **state);
int remove_dir(void **state);
bool path_exists(void);

#endif
