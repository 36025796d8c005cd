/*
 * admission.h - who may enter: lists of networks, and limits for each source. Pure.
 *
 * A source is the network of source_prefix_* bits that a client's address lies in. Limits count for
 * each listener and source. Clients over AF_UNIX have no address: they always enter, uncounted.
 *
 * No refusal goes unreported, and none floods the log: the first of a source by a rule is reported
 * at once, those of the ten seconds after it together when these are over, and so on.
 */
#ifndef ECHOD_PARENT_ADMISSION_H
#define ECHOD_PARENT_ADMISSION_H

#include "base/err.h"
#include "base/limits.h"
#include "net/access.h"

#include <stdbool.h>
#include <stdint.h>

/* Refusals of one source by one rule that are reported together. All members are the book's. */
struct admission_refusal {
    const char *listener;
    const struct addr *peer; /* the latest of those refused */
    enum access_rule rule;
    unsigned count; /* at least 1 */
};

/* Take a report; called from within the functions below, and must call none of them. */
typedef void admission_report(void *arg, const struct admission_refusal *refusal);

/* The book of all sources. */
struct admission;

/*
 * An empty book. `seed` must be secret and random: it keeps anyone from choosing addresses that
 * make the book slow. Nothing allocates memory after this. Returns 0, or -1
 * with *ret_err.
 */
int admission_open(uint64_t seed, admission_report *report, void *arg, struct admission **ret_admit,
                   struct err *ret_err);

/* Free the book; what was not flushed goes unreported. NULL is allowed. */
void admission_close(struct admission *admission);

/*
 * The number that stands for the listener of this name, the same at every call, so that counts
 * outlive a reload. Returns -1 for the name of a 4097th listener, and for one that is too long.
 */
int admission_listener(struct admission *admission, const char *name);

/*
 * Decide about a client from `peer` who is at the door of `listener`, in constant time but for the
 * length of the lists. Returns ACCESS_OK, the client being counted until admission_leave() takes
 * *ret_source back; or the rule that refuses it, which is noted for the reports; *ret_source is
 * untouched then. Must not be called while CLIENTS_MAX clients are inside.
 */
enum access_rule admission_enter(struct admission *admission, int listener,
                                 const struct access_rules *rules, const struct addr *peer,
                                 uint64_t now_usec, unsigned *ret_source);

/* A client that entered has left, whatever the rules are by now, and over AF_UNIX too. */
void admission_leave(struct admission *admission, unsigned source);

/*
 * To be called about once a second: reports the refusals that were held back for ten seconds, and
 * forgets the sources about which there is nothing to remember. Takes time only for sources with
 * refusals held back and for those without clients. Returns whether any of these are left: else
 * there is nothing to sweep until the next client has been refused or has left.
 */
bool admission_sweep(struct admission *admission, uint64_t now_usec);

/* Report all refusals that are held back. */
void admission_flush(struct admission *admission);

/* All refusals so far. */
unsigned long long admission_refusals(const struct admission *admission);

#endif
