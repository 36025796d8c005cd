/*
 * ticket_keys.h - the keys of session tickets: one issues, all are accepted.
 *
 * A ring of keys out of a file stays as it is. One whose keys are made here goes on with time: each
 * key issues for half of a ticket's lifetime, and is then accepted until the last of its tickets
 * has died.
 *
 * Only the parent makes and drops keys; a child has those of the moment it was forked at, and,
 * other than with private keys, can read them: it has to, to open a ticket. Who breaks into a
 * client's process can thus open and forge tickets until these keys are dropped.
 */
#ifndef ECHOD_TLS_TICKET_KEYS_H
#define ECHOD_TLS_TICKET_KEYS_H

#include "base/err.h"

#include <stdint.h>

#define TICKET_NAME_SIZE 16

/* As it stands in a file: 80 bytes, the form of nginx, HAProxy and OpenSSL. */
struct ticket_key {
    unsigned char name[TICKET_NAME_SIZE]; /* the ticket begins with it, for all to read */
    unsigned char hmac[32];               /* of HMAC-SHA256 */
    unsigned char cipher[32];             /* of AES-256 in CBC mode */
};

/* Counts its references; the last one to go wipes the keys. Core files are made without them. */
struct ticket_ring;

/*
 * An empty ring, for tickets that live `lifetime_usec` (microseconds, not 0) at most.
 * Returns 0 with *ret_ring, whose one reference is the caller's, or -1 with *ret_err.
 */
int ticket_ring_new(uint64_t lifetime_usec, struct ticket_ring **ret_ring, struct err *ret_err);

/*
 * The one to three keys of a file, the first of which issues. Never waits for a FIFO.
 * Returns as ticket_ring_new() does.
 */
int ticket_ring_load(const char *path, struct ticket_ring **ret_ring, struct err *ret_err);

/* Take the keys of `old`, so that its tickets stay good; a shorter lifetime shortens theirs. */
void ticket_ring_inherit(struct ticket_ring *ring, const struct ticket_ring *old,
                         uint64_t now_usec);

/*
 * Do what is due at `now_usec`, of CLOCK_MONOTONIC: make a key, drop those that are over.
 * *ret_next_usec is when there will be something again; DEADLINE_NEVER for a ring out of a file.
 * Returns 0, or -1 when there is no randomness to make a key of: the keys then stay as they are.
 */
int ticket_ring_advance(struct ticket_ring *ring, uint64_t now_usec, uint64_t *ret_next_usec);

/* The key to issue tickets by, or NULL before the first ticket_ring_advance(). Borrowed. */
const struct ticket_key *ticket_ring_issuer(const struct ticket_ring *ring);

/* The key with this name of TICKET_NAME_SIZE bytes, or NULL: the ticket opens no more. Borrowed. */
const struct ticket_key *ticket_ring_find(const struct ticket_ring *ring,
                                          const unsigned char *name);

/* One more reference. Returns the ring. */
struct ticket_ring *ticket_ring_ref(struct ticket_ring *ring);

/* One less. NULL is allowed. */
void ticket_ring_unref(struct ticket_ring *ring);

#endif
