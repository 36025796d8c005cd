/* test_admission.c - who may enter: every rule at its edge; for reports see
 * test_admission_reports.c. */
#include "admission_helper.h"

/* ---- lists ---- */

static void deny_refuses_its_networks(void **state)
{
    struct cidr list[] = {network("192.0.2.0/24")};
    struct access_rules rules = no_limits;
    const struct addr in = v4(0xc0000201), out = v4(0xc0000301), mapped = v6("::ffff:192.0.2.9");

    (void)state;
    rules.deny = (struct cidrs){1, list};
    assert_rule(&rules, &in, ACCESS_DENY);
    assert_rule(&rules, &mapped, ACCESS_DENY);
    assert_rule(&rules, &out, ACCESS_OK);
    assert_nothing_is_lost();
}

static void allow_refuses_all_others(void **state)
{
    struct cidr list[] = {network("192.0.2.0/24"), network("2001:db8::/32")};
    struct access_rules rules = no_limits;
    const struct addr in = v4(0xc0000201), out = v4(0xc0000301), other = v6("2001:db9::1");

    (void)state;
    rules.allow = (struct cidrs){2, list};
    assert_rule(&rules, &in, ACCESS_OK);
    assert_rule(&rules, &out, ACCESS_ALLOW);
    assert_rule(&rules, &other, ACCESS_ALLOW);
    assert_string_equal(told.last, "echo [2001:db9::1]:0 allow 1");
}

static void deny_wins(void **state)
{
    struct cidr allow[] = {network("192.0.2.0/24")}, deny[] = {network("192.0.2.1")};
    struct access_rules rules = no_limits;
    const struct addr denied = v4(0xc0000201), allowed = v4(0xc0000202);

    (void)state;
    rules.allow = (struct cidrs){1, allow};
    rules.deny = (struct cidrs){1, deny};
    assert_rule(&rules, &denied, ACCESS_DENY);
    assert_rule(&rules, &allowed, ACCESS_OK);
}

/* ---- clients of one source ---- */

static void a_source_has_so_many_clients(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(1), other = v4(2);
    unsigned first;

    (void)state;
    rules.max_clients_per_source = 3;
    first = enter(&rules, &peer);
    enter(&rules, &peer);
    assert_rule(&rules, &peer, ACCESS_OK);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    assert_rule(&rules, &other, ACCESS_OK);
    admission_leave(admission, first);
    assert_rule(&rules, &peer, ACCESS_OK);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
}

static void listeners_count_apart(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(1);
    int first = listener;

    (void)state;
    rules.max_clients_per_source = 1;
    enter(&rules, &peer);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    listener = admission_listener(admission, "other");
    assert_int_not_equal(listener, first);
    enter(&rules, &peer);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    assert_string_equal(told.last, "other 0.0.0.1:7 source 1");
    assert_int_equal(admission_listener(admission, "echo"), first);
}

static void assert_same_source(const struct access_rules *rules, const struct addr *a,
                               const struct addr *b, bool same)
{
    unsigned source = enter(rules, a);

    assert_rule(rules, b, same ? ACCESS_SOURCE : ACCESS_OK);
    if (same) /* whoever entered as b stays, the next test having other addresses */
        admission_leave(admission, source);
}

static void sources_are_networks(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr a = v4(0x0a000001), b = v4(0x0a0000ff), c = v4(0x0a000100);
    const struct addr d = v6("2001:db8:0:1::1"), e = v6("2001:db8:0:1:ffff::"),
                      f = v6("2001:db8:0:2::1"), mapped = v6("::ffff:10.0.0.9");

    (void)state;
    rules.max_clients_per_source = 1;
    rules.source_prefix_v4 = 24;
    assert_same_source(&rules, &a, &b, true);
    assert_same_source(&rules, &a, &mapped, true);
    assert_same_source(&rules, &a, &c, false);
    assert_same_source(&rules, &d, &e, true);
    assert_same_source(&rules, &d, &f, false);
}

static void counts_outlive_a_reload(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(0x0a000001), neighbour = v4(0x0a000002);
    unsigned first = enter(&rules, &peer), second = enter(&rules, &peer);

    (void)state;
    rules.max_clients_per_source = 2;
    listener = admission_listener(admission, "echo");
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    rules.source_prefix_v4 = 24; /* another source, empty so far */
    rules.max_clients_per_source = 1;
    enter(&rules, &neighbour);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    rules.source_prefix_v4 = 32;
    admission_leave(admission, first);
    assert_rule(&rules, &peer, ACCESS_SOURCE);
    admission_leave(admission, second);
    assert_rule(&rules, &peer, ACCESS_OK);
}

static void paths_always_enter(void **state)
{
    struct cidr all[] = {network("0.0.0.0/0"), network("::/0")};
    const struct access_rules rules = {.deny = {2, all},
                                       .allow = {1, all},
                                       .max_clients_per_source = 1,
                                       .source_prefix_v4 = 32,
                                       .source_prefix_v6 = 64,
                                       .rate_per_source = 1};
    const struct addr peer = {.len = sizeof(sa_family_t), .sa.sa_family = AF_UNIX};

    (void)state;
    for (int i = 0; i < 5; i++)
        admission_leave(admission, enter(&rules, &peer));
    enter(&rules, &peer);
    enter(&rules, &peer);
    assert_true(admission_refusals(admission) == 0);
}

/* ---- rate ---- */

/* How many of `n` clients that come at once enter. */
static int enter_at_once(const struct access_rules *rules, const struct addr *peer, int n)
{
    int entered = 0;

    while (n-- > 0) {
        unsigned source;

        if (admission_enter(admission, listener, rules, peer, now, &source) != ACCESS_OK)
            continue;
        entered++;
        admission_leave(admission, source);
    }
    return entered;
}

static void a_source_comes_so_fast(void **state)
{
    static const int rates[] = {1, 2, 3, 7, 1000, 700000, 999999, 1000000};
    struct access_rules rules = no_limits;

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const struct addr peer = v4((uint32_t)i);

        rules.rate_per_source = rates[i];
        assert_int_equal(enter_at_once(&rules, &peer, rates[i] + 10), rates[i]);
        now += USEC_PER_SEC; /* all of it is back, and no more than that */
        assert_int_equal(enter_at_once(&rules, &peer, rates[i] + 10), rates[i]);
        now += 3600 * USEC_PER_SEC;
        assert_int_equal(enter_at_once(&rules, &peer, rates[i] + 10), rates[i]);
    }
    assert_nothing_is_lost();
}

static void a_rate_heals_bit_by_bit(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(1), other = v4(2);

    (void)state;
    rules.rate_per_source = 4;
    assert_int_equal(enter_at_once(&rules, &peer, 5), 4);
    now += USEC_PER_SEC / 4 - 1;
    assert_rule(&rules, &peer, ACCESS_RATE);
    now += 1;
    assert_int_equal(enter_at_once(&rules, &peer, 5), 1);
    now += USEC_PER_SEC / 2;
    assert_int_equal(enter_at_once(&rules, &peer, 5), 2);
    assert_rule(&rules, &other, ACCESS_OK);
}

/* A client that hammers on the door enters as soon as one that waits. */
static void the_refused_do_not_count(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(1);

    (void)state;
    rules.rate_per_source = 1;
    assert_rule(&rules, &peer, ACCESS_OK);
    for (int i = 0; i < 100; i++, now += USEC_PER_SEC / 100)
        assert_rule(&rules, &peer, ACCESS_RATE);
    assert_rule(&rules, &peer, ACCESS_OK);
}

static void the_refused_for_their_number_take_no_token(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(1);
    unsigned source;

    (void)state;
    rules.max_clients_per_source = 1;
    rules.rate_per_source = 2;
    source = enter(&rules, &peer);
    for (int i = 0; i < 5; i++)
        assert_rule(&rules, &peer, ACCESS_SOURCE);
    admission_leave(admission, source);
    admission_leave(admission, enter(&rules, &peer));
    assert_rule(&rules, &peer, ACCESS_RATE);
}

/* A sweep forgets a source only when its bucket is full again. */
static void a_sweep_gives_no_tokens_away(void **state)
{
    struct access_rules rules = no_limits;
    const struct addr peer = v4(1);

    (void)state;
    rules.rate_per_source = 2;
    assert_int_equal(enter_at_once(&rules, &peer, 2), 2);
    now += USEC_PER_SEC - 1;
    admission_sweep(admission, now);
    assert_int_equal(enter_at_once(&rules, &peer, 3), 1);
}

/* ---- the rest ---- */

/* Many clients come through a proxy: no limit holds for it, but the lists do. */
static void no_limit_holds_for_a_proxy(void **state)
{
    struct cidr proxies[] = {network("192.0.2.0/30"), network("2001:db8::1")};
    struct cidr list[] = {network("192.0.2.3")};
    struct access_rules rules = no_limits;
    const struct addr proxy = v4(0xc0000201), other = v4(0xc0000204), denied = v4(0xc0000203);

    (void)state;
    rules.max_clients_per_source = rules.rate_per_source = 1;
    rules.proxies = (struct cidrs){2, proxies};
    rules.deny = (struct cidrs){1, list};
    for (int i = 0; i < 100; i++)
        enter(&rules, &proxy);
    assert_rule(&rules, &denied, ACCESS_DENY);
    enter(&rules, &other);
    assert_rule(&rules, &other, ACCESS_SOURCE);
}

/* Nothing is counted, so there is no limit to it. */
static void lists_can_be_asked_alone(void **state)
{
    struct cidr denied[] = {network("192.0.2.1")}, allowed[] = {network("192.0.2.0/24")};
    struct access_rules rules = no_limits;
    const struct addr one = v4(0xc0000201), two = v4(0xc0000202), far = v4(0x7f000001);
    const struct addr path = {.len = sizeof(sa_family_t), .un.sun_family = AF_UNIX};

    (void)state;
    rules.max_clients_per_source = rules.rate_per_source = 1;
    assert_int_equal(access_check_lists(&rules, &one), ACCESS_OK);
    rules.deny = (struct cidrs){1, denied};
    rules.allow = (struct cidrs){1, allowed};
    for (int i = 0; i < 10; i++)
        assert_int_equal(access_check_lists(&rules, &two), ACCESS_OK);
    assert_int_equal(access_check_lists(&rules, &one), ACCESS_DENY);
    assert_int_equal(access_check_lists(&rules, &far), ACCESS_ALLOW);
    assert_int_equal(access_check_lists(&rules, &path), ACCESS_OK);
}

static void rules_have_names(void **state)
{
    (void)state;
    assert_string_equal(access_rule_name(ACCESS_DENY), "deny");
    assert_string_equal(access_rule_name(ACCESS_ALLOW), "allow");
    assert_string_equal(access_rule_name(ACCESS_SOURCE), "source");
    assert_string_equal(access_rule_name(ACCESS_RATE), "rate");
}

static void nothing_can_be_closed(void **state)
{
    (void)state;
    admission_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(deny_refuses_its_networks),
        BOOK_TEST(allow_refuses_all_others),
        BOOK_TEST(deny_wins),
        BOOK_TEST(a_source_has_so_many_clients),
        BOOK_TEST(listeners_count_apart),
        BOOK_TEST(sources_are_networks),
        BOOK_TEST(counts_outlive_a_reload),
        BOOK_TEST(paths_always_enter),
        BOOK_TEST(a_source_comes_so_fast),
        BOOK_TEST(a_rate_heals_bit_by_bit),
        BOOK_TEST(the_refused_do_not_count),
        BOOK_TEST(the_refused_for_their_number_take_no_token),
        BOOK_TEST(a_sweep_gives_no_tokens_away),
        BOOK_TEST(no_limit_holds_for_a_proxy),
        BOOK_TEST(lists_can_be_asked_alone),
        BOOK_TEST(rules_have_names),
        cmocka_unit_test(nothing_can_be_closed),
    };

    return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
