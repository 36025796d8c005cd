/* test_ticket_keys.c - the keys of session tickets: out of files, and as time goes on. */
#include "tls/ticket_keys.h"

#include "base/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEC USEC_PER_SEC
#define START (1000 * SEC) /* the moment of the first key */
#define LIFETIME (80 * SEC)
#define ACCEPTED (LIFETIME + LIFETIME / 8 + SEC) /* after a key has stopped to issue */

static struct ticket_ring *new_ring(uint64_t lifetime_usec)
{
    struct ticket_ring *ring = NULL;
    struct err err;

    assert_int_equal(ticket_ring_new(lifetime_usec, &ring, &err), 0);
    return ring;
}

/* Returns when it wants to be asked again. */
static uint64_t advance(struct ticket_ring *ring, uint64_t now_usec)
{
    uint64_t next = 0;

    assert_int_equal(ticket_ring_advance(ring, now_usec, &next), 0);
    assert_true(next > now_usec);
    return next;
}

static struct ticket_key issuer_of(const struct ticket_ring *ring)
{
    const struct ticket_key *key = ticket_ring_issuer(ring);

    assert_non_null(key);
    assert_ptr_equal(ticket_ring_find(ring, key->name), key);
    return *key;
}

static bool accepts(const struct ticket_ring *ring, const struct ticket_key *key)
{
    const struct ticket_key *found = ticket_ring_find(ring, key->name);

    if (found)
        assert_memory_equal(found, key, sizeof(*key));
    return found;
}

static bool issues(const struct ticket_ring *ring, const struct ticket_key *key)
{
    return ticket_ring_issuer(ring) == ticket_ring_find(ring, key->name);
}

/* ---- tests: keys that are made ---- */

static void empty_ring_issues_nothing(void **state)
{
    struct ticket_ring *ring = new_ring(LIFETIME);
    const struct ticket_key key = {.name = {0}};

    (void)state;
    assert_null(ticket_ring_issuer(ring));
    assert_false(accepts(ring, &key));
    ticket_ring_unref(ring);
    ticket_ring_unref(NULL);
}

static void key_issues_for_half_a_lifetime(void **state)
{
    struct ticket_ring *ring = new_ring(LIFETIME);
    struct ticket_key first, second;

    (void)state;
    assert_int_equal(advance(ring, START), START + LIFETIME / 2);
    first = issuer_of(ring);
    assert_int_equal(advance(ring, START + LIFETIME / 2 - 1), START + LIFETIME / 2);
    assert_true(issues(ring, &first));
    assert_int_equal(advance(ring, START + LIFETIME / 2), START + LIFETIME);
    assert_false(issues(ring, &first));
    assert_true(accepts(ring, &first));
    second = issuer_of(ring);
    assert_memory_not_equal(&first, &second, sizeof(first));
    assert_memory_not_equal(first.hmac, second.hmac, sizeof(first.hmac));
    ticket_ring_unref(ring);
}

/* Asked only when it wants to be, it lets the last ticket of a key live its time and drops it then.
 */
static void last_ticket_of_a_key_lives_its_time(void **state)
{
    struct ticket_ring *ring = new_ring(LIFETIME);
    uint64_t retired = START + LIFETIME / 2, now;
    struct ticket_key first;

    (void)state;
    now = advance(ring, START);
    first = issuer_of(ring);
    while (now < retired + ACCEPTED) {
        assert_true(accepts(ring, &first));
        now = advance(ring, now);
    }
    assert_true(now == retired + ACCEPTED);
    advance(ring, now);
    assert_false(accepts(ring, &first));
    ticket_ring_unref(ring);
}

static void late_asked_ring_counts_from_then(void **state)
{
    struct ticket_ring *ring = new_ring(LIFETIME);
    uint64_t late = START + 50 * LIFETIME;
    struct ticket_key first;

    (void)state;
    advance(ring, START);
    first = issuer_of(ring);
    advance(ring, late);
    assert_false(issues(ring, &first));
    assert_true(accepts(ring, &first));
    advance(ring, late + ACCEPTED - 1);
    assert_true(accepts(ring, &first));
    advance(ring, late + ACCEPTED);
    assert_false(accepts(ring, &first));
    ticket_ring_unref(ring);
}

/* However short or long tickets live, none of their keys is given up for want of room. */
static void keys_of_any_lifetime_have_room(void **state)
{
    static const uint64_t lifetimes[] = {SEC, SEC + 1, 2 * SEC, 7 * SEC, 7200 * SEC, 604800 * SEC};

    (void)state;
    for (size_t i = 0; i < sizeof(lifetimes) / sizeof(*lifetimes); i++) {
        struct ticket_ring *ring = new_ring(lifetimes[i]);
        uint64_t now = advance(ring, START), end = START + 10 * lifetimes[i];

        while (now < end) {
            struct ticket_key key = issuer_of(ring);
            uint64_t dead = now + lifetimes[i];

            for (; now < dead; now = advance(ring, now))
                assert_true(accepts(ring, &key));
        }
        ticket_ring_unref(ring);
    }
}

/* ---- tests: a reload ---- */

static void keys_outlive_a_reload(void **state)
{
    struct ticket_ring *old = new_ring(LIFETIME), *ring = new_ring(LIFETIME);
    struct ticket_key first, second;

    (void)state;
    advance(old, START);
    first = issuer_of(old);
    advance(old, START + LIFETIME / 2);
    second = issuer_of(old);
    ticket_ring_inherit(ring, old, START + LIFETIME / 2 + 1);
    ticket_ring_unref(old);
    assert_int_equal(advance(ring, START + LIFETIME / 2 + 1), START + LIFETIME);
    assert_true(issues(ring, &second));
    assert_true(accepts(ring, &first));
    ticket_ring_unref(ring);
}

static void empty_ring_leaves_nothing_to_inherit(void **state)
{
    struct ticket_ring *old = new_ring(LIFETIME), *ring = new_ring(LIFETIME);

    (void)state;
    ticket_ring_inherit(ring, old, START);
    assert_null(ticket_ring_issuer(ring));
    advance(ring, START);
    issuer_of(ring);
    ticket_ring_unref(old);
    ticket_ring_unref(ring);
}

static void shorter_lifetime_holds_for_old_keys(void **state)
{
    struct ticket_ring *old = new_ring(LIFETIME), *ring = new_ring(8 * SEC);
    uint64_t now = START + LIFETIME / 2;
    struct ticket_key first, second;

    (void)state;
    advance(old, START);
    first = issuer_of(old);
    advance(old, now);
    second = issuer_of(old);
    now += 5 * SEC;
    ticket_ring_inherit(ring, old, now);
    advance(ring, now);
    assert_false(issues(ring, &second)); /* it has issued for more than half of it */
    advance(ring, now + 10 * SEC - 1);
    assert_true(accepts(ring, &first));
    assert_true(accepts(ring, &second));
    advance(ring, now + 10 * SEC);
    assert_false(accepts(ring, &first));
    assert_false(accepts(ring, &second));
    ticket_ring_unref(old);
    ticket_ring_unref(ring);
}

static void longer_lifetime_holds_for_the_issuer(void **state)
{
    struct ticket_ring *old = new_ring(8 * SEC), *ring = new_ring(LIFETIME);
    uint64_t retired = START + LIFETIME / 2;
    struct ticket_key first;

    (void)state;
    advance(old, START);
    first = issuer_of(old);
    ticket_ring_inherit(ring, old, START + 1);
    advance(ring, retired - 1);
    assert_true(issues(ring, &first));
    advance(ring, retired);
    assert_false(issues(ring, &first));
    advance(ring, retired + ACCEPTED - 1);
    assert_true(accepts(ring, &first));
    ticket_ring_unref(old);
    ticket_ring_unref(ring);
}

/* A thousand reloads, none like the one before: the newest keys are kept, and memory holds. */
static void lifetimes_may_keep_changing(void **state)
{
    struct ticket_ring *ring = new_ring(LIFETIME);
    struct ticket_key last = {.name = {0}};
    uint64_t now = START;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        struct ticket_ring *next = new_ring(SEC * (1 + i % 2 * 604799));

        ticket_ring_inherit(next, ring, now);
        ticket_ring_unref(ring);
        ring = next;
        advance(ring, now);
        if (i > 0)
            assert_true(accepts(ring, &last));
        last = issuer_of(ring);
        now += 600000;
    }
    ticket_ring_unref(ring);
}

/* ---- tests: keys out of a file ---- */

static char path[] = "/tmp/test_ticket_keys-XXXXXX";

/* Keys of `size` bytes, the key `i` filled with `fill[i]`. */
static void write_file(const char *fill, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        fputc(fill[i / 80], file);
    assert_int_equal(fclose(file), 0);
}

static struct ticket_ring *load(void)
{
    struct ticket_ring *ring = NULL;
    struct err err;

    if (ticket_ring_load(path, &ring, &err) < 0)
        fail_msg("%s", err.text);
    return ring;
}

static void assert_fault(const char *reason)
{
    struct ticket_ring *untouched = (struct ticket_ring *)&reason, *ring = untouched;
    char text[200];
    struct err err;

    assert_int_equal(ticket_ring_load(path, &ring, &err), -1);
    assert_ptr_equal(ring, untouched);
    snprintf(text, sizeof(text), "cannot load %s: %s", path, reason);
    assert_string_equal(err.text, text);
}

static void first_key_of_a_file_issues(void **state)
{
    struct ticket_key keys[3];

    (void)state;
    memset(&keys[0], 'a', 80);
    memset(&keys[1], 'b', 80);
    memset(&keys[2], 'c', 80);
    for (size_t n = 1; n <= 3; n++) {
        struct ticket_ring *ring;

        write_file("abc", 80 * n);
        ring = load();
        assert_true(issues(ring, &keys[0]));
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(accepts(ring, &keys[i]), i < n);
        ticket_ring_unref(ring);
    }
}

static void parts_of_a_key_are_in_order(void **state)
{
    struct ticket_ring *ring;
    struct ticket_key key;
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    fprintf(file, "%016d%032d%032d", 1, 2, 3);
    fclose(file);
    ring = load();
    key = issuer_of(ring);
    assert_memory_equal(key.name, "0000000000000001", 16);
    assert_memory_equal(key.hmac, "00000000000000000000000000000002", 32);
    assert_memory_equal(key.cipher, "00000000000000000000000000000003", 32);
    ticket_ring_unref(ring);
}

static void keys_of_a_file_stay(void **state)
{
    struct ticket_ring *ring;
    struct ticket_key first;

    (void)state;
    write_file("ab", 160);
    ring = load();
    first = issuer_of(ring);
    assert_true(advance(ring, START) == DEADLINE_NEVER);
    assert_true(advance(ring, START * START) == DEADLINE_NEVER);
    assert_true(issues(ring, &first));
    ticket_ring_unref(ring);
}

static void wrong_size_is_named(void **state)
{
    static const size_t sizes[] = {0, 1, 48, 79, 81, 159, 161, 239, 241, 320};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        write_file("abcd", sizes[i]);
        assert_fault("it must be 80, 160 or 240 bytes long, of one to three keys");
    }
}

static void same_name_twice_is_named(void **state)
{
    static const char *const twins[] = {"aa", "aab", "aba", "baa", "aaa"};

    (void)state;
    for (size_t i = 0; i < sizeof(twins) / sizeof(*twins); i++) {
        write_file(twins[i], 80 * strlen(twins[i]));
        assert_fault("two of its keys have the same name");
    }
}

/* Nobody writes to the FIFO: an open that waited would never come back. */
static void what_is_no_file_is_named(void **state)
{
    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_fault("No such file or directory");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_fault("it is no regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10);
    assert_fault("it is no regular file");
    alarm(0);
}

static int make_path(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_ring_issues_nothing),
        cmocka_unit_test(key_issues_for_half_a_lifetime),
        cmocka_unit_test(last_ticket_of_a_key_lives_its_time),
        cmocka_unit_test(late_asked_ring_counts_from_then),
        cmocka_unit_test(keys_of_any_lifetime_have_room),
        cmocka_unit_test(keys_outlive_a_reload),
        cmocka_unit_test(empty_ring_leaves_nothing_to_inherit),
        cmocka_unit_test(shorter_lifetime_holds_for_old_keys),
        cmocka_unit_test(longer_lifetime_holds_for_the_issuer),
        cmocka_unit_test(lifetimes_may_keep_changing),
        cmocka_unit_test(first_key_of_a_file_issues),
        cmocka_unit_test(parts_of_a_key_are_in_order),
        cmocka_unit_test(keys_of_a_file_stay),
        cmocka_unit_test(wrong_size_is_named),
        cmocka_unit_test(same_name_twice_is_named),
        cmocka_unit_test(what_is_no_file_is_named),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
