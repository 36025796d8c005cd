/*
 * admission.h - decides which clients may enter: lists of networks, and limits for each source.
 * Pure.
 *
 * A source is the network of source_prefix_* bits that contains a client's address. Limits count
 * for each listener and source. Clients over AF_UNIX have no address: they always enter, uncounted.
 *
 * Every refusal is reported, and refusals cannot flood the log: the first one of a source by a rule
 * is reported at once, those of the next ten seconds together at the end of these, and so on.
 */
#ifndef ECHOD_PARENT_ADMISSION_H
#define ECHOD_PARENT_ADMISSION_H

#include "base/err.h"
#include "base/limits.h"
#include "net/access.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Refusals of one source by one rule that are reported together. The table of sources owns all
 * members.
 */
struct admission_refusal {
    const char *listener;
    const struct addr *peer; /* the latest one refused */
    enum access_rule rule;
    unsigned count; /* at least 1 */
};

/* Receives a report; called from within the functions below, and must call none of them. */
typedef void admission_report(void *arg, const struct admission_refusal *refusal);

/* The table of all sources. */
struct admission;

/*
 * Make an empty table. `seed` must be secret and random, so that an attacker cannot choose
 * addresses that collide in the table and make it slow. No later call allocates memory. Returns 0,
 * or -1 with *ret_err.
 */
int admission_open(uint64_t seed, admission_report *report, void *arg, struct admission **ret_admit,
                   struct err *ret_err);

/* Free the table; refusals that were not flushed are not reported. NULL is allowed. */
void admission_close(struct admission *admission);

/*
 * The number of the listener of this name, the same at every call, so that counts survive a reload.
 * Returns -1 for the name of a 4097th listener, and for one that is too long.
 */
int admission_listener(struct admission *admission, const char *name);

/*
 * Decide about a client from `peer` that has connected to `listener`. The lists are searched
 * linearly, all else takes constant time. Returns ACCESS_OK and counts the client until
 * admission_leave() is called with *ret_source; or returns the rule that refuses it and notes that
 * for the reports; *ret_source is untouched then. Must not be called while CLIENTS_MAX clients are
 * counted.
 */
enum access_rule admission_enter(struct admission *admission, int listener,
                                 const struct access_rules *rules, const struct addr *peer,
                                 uint64_t now_usec, unsigned *ret_source);

/* A client that entered has left. Call this whatever the rules are by now, and for AF_UNIX too. */
void admission_leave(struct admission *admission, unsigned source);

/*
 * Call this about once a second: it reports the refusals whose ten seconds are over, and forgets
 * the sources of which nothing needs to be remembered. Takes time only for sources with unreported
 * refusals and for those without clients. Returns whether any of these are left: if not, there is
 * nothing to sweep until the next client is refused or leaves.
 */
bool admission_sweep(struct admission *admission, uint64_t now_usec);

/* Report all refusals that have not been reported. */
void admission_flush(struct admission *admission);

/* The number of all refusals so far. */
unsigned long long admission_refusals(const struct admission *admission);

#endif
