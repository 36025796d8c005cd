/*
 * children_helper.h - what the tests of the parent's books share: sessions, deaths, and what the
 * log says.
 */
#ifndef ECHOD_CLIENTS_HELPER_H
#define ECHOD_CLIENTS_HELPER_H

#include "base/log.h"
#include "ipc/scoreboard.h"
#include "parent/children.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

/* ---- what the log says ---- */

/* Run an action with stderr going to a file in memory. Returns what was logged, until the next. */
const char *log_of(void (*action)(struct children *), struct children *children);
unsigned count_of(const char *text, const char *word);
void assert_says(const char *text, const char *words);
void assert_one_record(const char *text, const char *words);

/* ---- books, and a client with its peer ---- */

struct client a_client(void);
struct children *open_books(client_session *session);

/* How many ends the books opened last have told. */
unsigned ended_clients(void);

/* Returns the peer's end of the socket. */
int start(struct children *children, const void *arg);

/* Wait until some child is dead, and leave it to the books to reap it. Returns its pid. */
pid_t some_death(void);
void sweep_after_death(struct children *children);
void sweep_all(struct children *children);
void reap_posted_all(struct children *children);

/* ---- sessions ---- */

/* Wait until the peer ends its side. */
void await_eof(int fd);

/* A signal as the kernel sends it for a fault: no handler of a sanitizer, and no core file. */
void killed_session(const struct client *client, int fd, const void *arg, struct record *record);
void exiting_session(const struct client *client, int fd, const void *arg, struct record *record);

/* Once the peer ends its side: 0 ends in order, 1 is killed, 2 exits with status 3. */
void mixed_session(const struct client *client, int fd, const void *arg, struct record *record);

#endif
