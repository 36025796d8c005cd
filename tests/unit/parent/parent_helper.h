/*
 * parent_helper.h - the parent's loop in a process of its own, with a stub for a session: the test
 * is its clients and whoever sends it signals.
 */
#ifndef ECHOD_SERVER_HELPER_H
#define ECHOD_SERVER_HELPER_H

#include "base/deadline.h"
#include "base/log.h"
#include "parent/parent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/types.h>

#define A_WHILE_MSEC 150 /* in which whatever is to happen would have happened */

/* ---- the parent's process ---- */

#define LISTENERS 2

struct served {
    pid_t pid;
    int events; /* the read end of a pipe: a letter for whatever it reports */
    int log;    /* a file in memory */
    int listeners[LISTENERS];
    struct sockaddr_in addrs[LISTENERS];
};

/* What the process is to do, in the order of its generations. */
struct plan {
    struct parent_limits limits;
    size_t n[2]; /* listeners of each generation */
    unsigned listeners[2][LISTENERS];
    void (*prepare)(void); /* in the process, before the parent is opened */
};

/* ---- what the test sees of it ---- */

void assert_event(const struct served *served, char event);
bool has_event(const struct served *served, int msec);
struct served start(const struct plan *plan);

/* One listener, many clients, all the time of the world. */
struct served start_simple(void);
void signal_server(const struct served *served, int number);
unsigned count_in_log(const struct served *served, const char *words);
void assert_records(const struct served *served, const char *words, unsigned count);

/* The process has said its last word: it must be gone, in order. */
void assert_gone(struct served *served);
void stop_server(struct served *served);

/* ---- clients ---- */

int connect_to(const struct served *served, unsigned listener);
bool has_input(int fd, int msec);
void assert_receives(int fd, char expected);

/* A client that has its process, as the greeting proves. */
int served_client(const struct served *served, unsigned listener);
void assert_echoes(int fd);

/* The connection is over, be it by FIN or RST. */
void assert_cut(int fd);

/* The client waits, and so does the parent: it does not ask again and again. */
void assert_waits(const struct served *served, int fd);

#endif
