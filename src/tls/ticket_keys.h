/*
 * ticket_keys.h - the keys of session tickets: one issues, all are accepted.
 *
 * A ring of keys from a file stays as it is. In a ring whose keys are made here, each key issues
 * for half of a ticket's lifetime, and is then accepted until the last of its tickets has expired.
 *
 * Only the parent makes and drops keys. A child has those that were in force when it was forked,
 * and unlike private keys it can read them: it needs them to open a ticket. An attacker who takes
 * over a client's process can therefore open and forge tickets until these keys are dropped.
 */
#ifndef ECHOD_TLS_TICKET_KEYS_H
#define ECHOD_TLS_TICKET_KEYS_H

#include "base/err.h"

#include <stdint.h>

#define TICKET_NAME_SIZE 16

/* A key in the form of the file: 80 bytes, as nginx, HAProxy and OpenSSL read it. */
struct ticket_key {
    unsigned char name[TICKET_NAME_SIZE]; /* the ticket begins with it, unencrypted */
    unsigned char hmac[32];               /* of HMAC-SHA256 */
    unsigned char cipher[32];             /* of AES-256 in CBC mode */
};

/* It counts its references; the last one to go wipes the keys. Core files leave it out. */
struct ticket_ring;

/*
 * Make an empty ring, for tickets that live at most `lifetime_usec` (microseconds, not 0).
 * Returns 0 with *ret_ring, whose one reference belongs to the caller, or -1 with *ret_err.
 */
int ticket_ring_new(uint64_t lifetime_usec, struct ticket_ring **ret_ring, struct err *ret_err);

/*
 * Load the one to three keys of a file, the first of which issues. Never waits for a FIFO.
 * Returns as ticket_ring_new() does.
 */
int ticket_ring_load(const char *path, struct ticket_ring **ret_ring, struct err *ret_err);

/* Take over the keys of `old`, whose tickets stay good; a shorter lifetime shortens theirs. */
void ticket_ring_inherit(struct ticket_ring *ring, const struct ticket_ring *old,
                         uint64_t now_usec);

/*
 * Do what is due at `now_usec`, of CLOCK_MONOTONIC: make a key, drop expired ones. *ret_next_usec
 * is when to call again; DEADLINE_NEVER for a ring from a file.
 * Returns 0, or -1 if there is no randomness for a key: the keys then stay as they are.
 */
int ticket_ring_advance(struct ticket_ring *ring, uint64_t now_usec, uint64_t *ret_next_usec);

/* The key that issues tickets, or NULL before the first ticket_ring_advance(). Borrowed. */
const struct ticket_key *ticket_ring_issuer(const struct ticket_ring *ring);

/*
 * The key with this name of TICKET_NAME_SIZE bytes, or NULL: the ticket cannot be opened. Borrowed.
 */
const struct ticket_key *ticket_ring_find(const struct ticket_ring *ring,
                                          const unsigned char *name);

/* Add a reference. Returns the ring. */
struct ticket_ring *ticket_ring_ref(struct ticket_ring *ring);

/* Remove a reference. NULL is allowed. */
void ticket_ring_unref(struct ticket_ring *ring);

#endif
