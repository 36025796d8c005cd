/* ticket_keys.c - the keys of session tickets. */
#include "tls/ticket_keys.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/mapping.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#define KEY_SIZE sizeof(struct ticket_key)
#define FILE_KEYS 3

/* Five keys can be in force; the others are for lifetimes that keep changing. */
#define KEYS 8

/* Newest first: a key that was retired later is accepted for longer. */
struct ticket_ring {
    unsigned references;
    uint64_t lifetime_usec; /* 0 = the keys are those of a file */
    uint64_t since_usec;    /* since when keys[0] has issued tickets */
    size_t n;
    uint64_t until_usec[KEYS]; /* of keys that issue no more: when their last ticket has expired */
    struct ticket_key keys[KEYS];
};

_Static_assert(KEY_SIZE == 80, "a key is as it stands in a file");

/*
 * How long a key is accepted once it issues no more. A child that was forked just before may issue
 * by it until its handshake is over, and tickets count their age in whole seconds.
 */
static uint64_t acceptance(const struct ticket_ring *ring)
{
    return ring->lifetime_usec + ring->lifetime_usec / 8 + USEC_PER_SEC;
}

static struct ticket_ring *allocate(uint64_t lifetime_usec, struct err *ret_err)
{
    struct ticket_ring *ring = mapping_secret(sizeof(*ring));

    if (!ring) {
        err_set(ret_err, "no memory for keys of session tickets: %s", strerror(errno));
        return NULL;
    }
    ring->references = 1;
    ring->lifetime_usec = lifetime_usec;
    return ring;
}

int ticket_ring_new(uint64_t lifetime_usec, struct ticket_ring **ret_ring, struct err *ret_err)
{
    struct ticket_ring *ring = allocate(lifetime_usec, ret_err);

    if (!ring)
        return -1;
    *ret_ring = ring;
    return 0;
}

/* ---- keys from a file ---- */

static bool has_twins(const struct ticket_ring *ring)
{
    for (size_t i = 1; i < ring->n; i++)
        if (ticket_ring_find(ring, ring->keys[i].name) != &ring->keys[i])
            return true;
    return false;
}

/* Without stdio, whose buffers would keep a copy. Returns NULL, or why it cannot be read. */
static const char *read_keys(int fd, size_t size, struct ticket_ring *ring)
{
    ssize_t n;

    if (size == 0 || size % KEY_SIZE != 0 || size > FILE_KEYS * KEY_SIZE)
        return "it must be 80, 160 or 240 bytes long, of one to three keys";
    n = read(fd, ring->keys, size);
    if (n != (ssize_t)size)
        return n < 0 ? strerror(errno) : "it is being written to";
    ring->n = size / KEY_SIZE;
    return has_twins(ring) ? "two of its keys have the same name" : NULL;
}

static const char *read_file(const char *path, struct ticket_ring *ring)
{
    size_t size;
    int fd;
    const char *reason = file_open(path, &fd, &size);

    if (reason)
        return reason;
    reason = read_keys(fd, size, ring);
    close(fd);
    return reason;
}

int ticket_ring_load(const char *path, struct ticket_ring **ret_ring, struct err *ret_err)
{
    struct ticket_ring *ring = allocate(0, ret_err);
    const char *reason;

    if (!ring)
        return -1;
    reason = read_file(path, ring);
    if (reason) {
        ticket_ring_unref(ring);
        return err_set(ret_err, "cannot load %s: %s", path, reason);
    }
    *ret_ring = ring;
    return 0;
}

/* ---- keys that are made here and replaced in time ---- */

static void drop_last(struct ticket_ring *ring)
{
    ring->n--;
    explicit_bzero(&ring->keys[ring->n], KEY_SIZE);
}

/* Make another key the issuer. */
static int rotate(struct ticket_ring *ring, uint64_t now_usec)
{
    struct ticket_key key;

    if (RAND_priv_bytes((unsigned char *)&key, (int)KEY_SIZE) != 1) {
        ERR_clear_error();
        return -1;
    }
    if (ring->n == KEYS)
        drop_last(ring);
    memmove(&ring->keys[1], &ring->keys[0], ring->n * KEY_SIZE);
    memmove(&ring->until_usec[1], &ring->until_usec[0], ring->n * sizeof(ring->until_usec[0]));
    ring->until_usec[1] = now_usec + acceptance(ring);
    ring->keys[0] = key;
    ring->since_usec = now_usec;
    ring->n++;
    explicit_bzero(&key, sizeof(key));
    return 0;
}

int ticket_ring_advance(struct ticket_ring *ring, uint64_t now_usec, uint64_t *ret_next_usec)
{
    uint64_t half = ring->lifetime_usec / 2, next;

    if (ring->lifetime_usec == 0) {
        *ret_next_usec = DEADLINE_NEVER;
        return 0;
    }
    while (ring->n > 1 && ring->until_usec[ring->n - 1] <= now_usec)
        drop_last(ring);
    if ((ring->n == 0 || now_usec - ring->since_usec >= half) && rotate(ring, now_usec) < 0)
        return -1;
    next = ring->since_usec + half;
    if (ring->n > 1 && ring->until_usec[ring->n - 1] < next)
        next = ring->until_usec[ring->n - 1];
    *ret_next_usec = next;
    return 0;
}

void ticket_ring_inherit(struct ticket_ring *ring, const struct ticket_ring *old, uint64_t now_usec)
{
    uint64_t latest = now_usec + acceptance(ring);

    memcpy(ring->keys, old->keys, sizeof(ring->keys));
    memcpy(ring->until_usec, old->until_usec, sizeof(ring->until_usec));
    ring->since_usec = old->since_usec;
    ring->n = old->n;
    for (size_t i = 1; i < ring->n; i++)
        if (ring->until_usec[i] > latest)
            ring->until_usec[i] = latest;
}

/* ---- in use ---- */

const struct ticket_key *ticket_ring_issuer(const struct ticket_ring *ring)
{
    return ring->n > 0 ? &ring->keys[0] : NULL;
}

const struct ticket_key *ticket_ring_find(const struct ticket_ring *ring, const unsigned char *name)
{
    for (size_t i = 0; i < ring->n; i++)
        if (memcmp(ring->keys[i].name, name, TICKET_NAME_SIZE) == 0)
            return &ring->keys[i];
    return NULL;
}

struct ticket_ring *ticket_ring_ref(struct ticket_ring *ring)
{
    ring->references++;
    return ring;
}

void ticket_ring_unref(struct ticket_ring *ring)
{
    if (!ring || --ring->references > 0)
        return;
    explicit_bzero(ring, sizeof(*ring));
    mapping_free(ring, sizeof(*ring));
}
