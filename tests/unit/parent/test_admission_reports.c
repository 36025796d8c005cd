/* test_admission_reports.c - no refusal goes unreported, and none floods; however many sources. */
#include "admission_helper.h"

/* ---- reports ---- */

static const struct access_rules one_client = {
    .max_clients_per_source = 1, .source_prefix_v4 = 24, .source_prefix_v6 = 64};

static void refuse(uint32_t peer, int n)
{
    const struct addr addr = v4(peer);

    while (n-- > 0)
        assert_rule(&one_client, &addr, ACCESS_SOURCE);
}

static void assert_reports(unsigned n, const char *last)
{
    assert_int_equal(told.reports, n);
    assert_string_equal(told.last, last);
}

static void the_first_refusal_is_reported_at_once(void **state)
{
    const struct addr peer = v4(0x0a000001);

    (void)state;
    enter(&one_client, &peer);
    refuse(0x0a000002, 1);
    assert_reports(1, "echo 10.0.0.2:7 source 1");
}

static void the_next_ones_are_reported_after_ten_seconds(void **state)
{
    const struct addr peer = v4(0x0a000001);

    (void)state;
    enter(&one_client, &peer);
    refuse(0x0a000002, 1);
    refuse(0x0a000003, 4);
    now += 10 * USEC_PER_SEC - 1;
    admission_sweep(admission, now);
    assert_int_equal(told.reports, 1);
    refuse(0x0a000004, 1);
    assert_int_equal(told.reports, 1);
    now += 1;
    admission_sweep(admission, now);
    assert_reports(2, "echo 10.0.0.4:7 source 5");
    refuse(0x0a000005, 1); /* quiet again from that report on */
    now += 10 * USEC_PER_SEC - 1;
    admission_sweep(admission, now);
    assert_int_equal(told.reports, 2);
    now += 1;
    refuse(0x0a000006, 1); /* a refusal does what a sweep would */
    assert_reports(3, "echo 10.0.0.6:7 source 2");
    now += 20 * USEC_PER_SEC;
    admission_sweep(admission, now);
    assert_int_equal(told.reports, 3);
    refuse(0x0a000007, 1);
    assert_reports(4, "echo 10.0.0.7:7 source 1");
    assert_nothing_is_lost();
}

static void rules_and_sources_are_reported_apart(void **state)
{
    struct cidr list[] = {network("10.0.0.9")};
    struct access_rules rules = one_client;
    const struct addr peer = v4(0x0a000001), denied = v4(0x0a000009), other = v4(0x0b000001);

    (void)state;
    rules.deny = (struct cidrs){1, list};
    enter(&rules, &peer);
    enter(&rules, &other);
    assert_rule(&rules, &denied, ACCESS_DENY);
    assert_reports(1, "echo 10.0.0.9:7 deny 1");
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    assert_reports(2, "echo 10.0.0.1:7 source 1");
    assert_rule(&rules, &other, ACCESS_SOURCE);
    assert_reports(3, "echo 11.0.0.1:7 source 1");
    assert_rule(&rules, &denied, ACCESS_DENY);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    assert_rule(&rules, &other, ACCESS_SOURCE);
    assert_int_equal(told.reports, 3);
    admission_flush(admission);
    assert_int_equal(told.reports, 6);
    assert_nothing_is_lost();
}

static void a_flush_reports_everything_once(void **state)
{
    const struct addr peer = v4(0x0a000001);

    (void)state;
    enter(&one_client, &peer);
    refuse(0x0a000002, 8);
    admission_flush(admission);
    assert_reports(2, "echo 10.0.0.2:7 source 7");
    admission_flush(admission);
    assert_int_equal(told.reports, 2);
    refuse(0x0a000002, 1); /* it is quiet still */
    assert_int_equal(told.reports, 2);
    assert_nothing_is_lost();
}

/* ---- many ---- */

static struct access_rules denying(struct cidr *list)
{
    struct access_rules rules = no_limits;

    rules.deny = (struct cidrs){1, list};
    return rules;
}

/* Refuse one client each of `n` sources. */
static void refuse_sources(const struct access_rules *rules, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct addr peer = v4(first + i);

        assert_int_equal(try_enter(rules, &peer), ACCESS_DENY);
    }
}

static void many_sources_are_told_apart(void **state)
{
    struct cidr all[] = {network("0.0.0.0/0")};
    const struct access_rules rules = denying(all);

    (void)state;
    refuse_sources(&rules, 0x0a000000, 20000);
    assert_int_equal(told.reports, 20000);
    refuse_sources(&rules, 0x0a000000, 20000);
    assert_int_equal(told.reports, 20000);
    now += 10 * USEC_PER_SEC;
    admission_sweep(admission, now);
    assert_int_equal(told.reports, 40000);
    assert_true(told.refused == 40000);
    now += 10 * USEC_PER_SEC;
    admission_sweep(admission, now); /* all are forgotten */
    refuse_sources(&rules, 0x0a000000, 1);
    assert_reports(40001, "echo 10.0.0.0:7 deny 1");
}

/* The oldest is forgotten first; what it had held back is reported. */
static void a_full_book_makes_room(void **state)
{
    struct cidr all[] = {network("0.0.0.0/0")};
    const struct access_rules rules = denying(all);

    (void)state;
    refuse_sources(&rules, 0, SOURCES);
    refuse_sources(&rules, 0, 3);
    assert_int_equal(told.reports, SOURCES);
    refuse_sources(&rules, 3, SOURCES - 3);
    assert_int_equal(told.reports, SOURCES);
    refuse_sources(&rules, 1, 1); /* which is thus not the oldest but one */
    refuse_sources(&rules, SOURCES, 1);
    assert_int_equal(told.reports, SOURCES + 2);
    assert_string_equal(told.last, "echo 0.2.0.0:7 deny 1");
    refuse_sources(&rules, 1, 2);
    assert_int_equal(told.reports, SOURCES + 2);
    refuse_sources(&rules, 0, 1);
    assert_int_equal(told.reports, SOURCES + 4);
    assert_nothing_is_lost();
}

static void sources_with_clients_are_never_forgotten(void **state)
{
    struct cidr all[] = {network("128.0.0.0/1")};
    struct access_rules rules = denying(all);
    static unsigned sources[CLIENTS_MAX];

    (void)state;
    rules.max_clients_per_source = 1;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct addr peer = v4(i);

        sources[i] = enter(&rules, &peer);
    }
    refuse_sources(&rules, UINT32_C(0x80000000), SOURCES);
    now += 3600 * USEC_PER_SEC;
    admission_sweep(admission, now);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct addr peer = v4(i);

        assert_int_equal(try_enter(&rules, &peer), ACCESS_SOURCE);
        admission_leave(admission, sources[i]);
    }
    assert_nothing_is_lost();
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct addr peer = v4(i);

        assert_int_equal(try_enter(&rules, &peer), ACCESS_OK);
    }
}

/* ---- against a plain count ---- */

#define PEERS 64

/* A small generator, so that every run is the same. */
static uint32_t next_random(void)
{
    static uint32_t x = 1;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

static void any_course_of_events_adds_up(void **state)
{
    struct access_rules rules = no_limits;
    unsigned inside[PEERS] = {0}, sources[PEERS][4];
    unsigned long long refused = 0;

    (void)state;
    rules.max_clients_per_source = 4;
    for (int i = 0; i < 300000; i++) {
        unsigned k = next_random() % PEERS;
        const struct addr peer = v4(k);

        if (next_random() % 2 == 0 && inside[k] > 0) {
            admission_leave(admission, sources[k][--inside[k]]);
        } else if (inside[k] == 4) {
            assert_rule(&rules, &peer, ACCESS_SOURCE);
            refused++;
        } else {
            sources[k][inside[k]++] = enter(&rules, &peer);
        }
        now += next_random() % USEC_PER_SEC;
        if (i % 100 == 0)
            admission_sweep(admission, now);
    }
    assert_true(admission_refusals(admission) == refused);
    assert_nothing_is_lost();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(the_first_refusal_is_reported_at_once),
        BOOK_TEST(the_next_ones_are_reported_after_ten_seconds),
        BOOK_TEST(rules_and_sources_are_reported_apart),
        BOOK_TEST(a_flush_reports_everything_once),
        BOOK_TEST(many_sources_are_told_apart),
        BOOK_TEST(a_full_book_makes_room),
        BOOK_TEST(sources_with_clients_are_never_forgotten),
        BOOK_TEST(any_course_of_events_adds_up),
    };

    return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
