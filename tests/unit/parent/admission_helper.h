/*
 * admission_helper.h - what the tests of admission.c share: a book, a clock, and what the book
 * told.
 */
#ifndef ECHOD_ADMIT_HELPER_H
#define ECHOD_ADMIT_HELPER_H

#include "base/deadline.h"
#include "parent/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SOURCES (2 * CLIENTS_MAX)   /* that the book has room for */
#define START (1000 * USEC_PER_SEC) /* of the clock */

static const struct access_rules no_limits = {.source_prefix_v4 = 32, .source_prefix_v6 = 64};

/* Addresses and networks as texts or numbers. */
struct addr v4(uint32_t number);
struct addr v6(const char *text);
struct cidr network(const char *text);

/* The book, one listener of it, and its clock. */
extern struct admission *admission;
extern int listener;
extern uint64_t now;

/* What the book has reported. */
struct told {
    unsigned reports;
    unsigned long long refused; /* of all reports */
    char last[256];             /* "LISTENER HOST:PORT RULE COUNT" */
};

extern struct told told;

int open_book(void **state);
int close_book(void **state);
#define BOOK_TEST(test) cmocka_unit_test_setup_teardown(test, open_book, close_book)

/* A client that may be refused, and one that may not be. */
enum access_rule try_enter(const struct access_rules *rules, const struct addr *peer);
unsigned enter(const struct access_rules *rules, const struct addr *peer);
void assert_rule(const struct access_rules *rules, const struct addr *peer,
                 enum access_rule wanted);

/* Everything that was refused is reported, once all is told. */
void assert_nothing_is_lost(void);

#endif
