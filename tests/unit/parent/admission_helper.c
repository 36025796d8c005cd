/* admission_helper.c - what the tests of admission.c share. */
#include "admission_helper.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct addr v4(uint32_t number)
{
    return (struct addr){
        .len = sizeof(struct sockaddr_in),
        .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(number), .sin_port = htons(7)}};
}

struct addr v6(const char *text)
{
    struct addr addr = {.len = sizeof(addr.in6), .in6.sin6_family = AF_INET6};

    assert_int_equal(inet_pton(AF_INET6, text, &addr.in6.sin6_addr), 1);
    return addr;
}

struct cidr network(const char *text)
{
    struct cidr parsed;
    struct err err;

    assert_int_equal(cidr_parse(text, &parsed, &err), 0);
    return parsed;
}

/* ---- a book, and what it reports ---- */

struct admission *admission;
int listener;
uint64_t now;

struct told told;

static void keep(void *arg, const struct admission_refusal *refusal)
{
    char peer[ADDR_TEXT_MAX];

    assert_ptr_equal(arg, &told);
    assert_true(refusal->count > 0);
    told.reports++;
    told.refused += refusal->count;
    snprintf(told.last, sizeof(told.last), "%s %s %s %u", refusal->listener,
             addr_format(refusal->peer, peer), access_rule_name(refusal->rule), refusal->count);
}

int open_book(void **state)
{
    struct err err;

    (void)state;
    memset(&told, 0, sizeof(told));
    now = START;
    if (admission_open(42, keep, &told, &admission, &err) < 0)
        return -1;
    listener = admission_listener(admission, "echo");
    return listener < 0 ? -1 : 0;
}

int close_book(void **state)
{
    (void)state;
    admission_close(admission);
    return 0;
}

enum access_rule try_enter(const struct access_rules *rules, const struct addr *peer)
{
    unsigned source = UINT32_MAX;
    enum access_rule rule = admission_enter(admission, listener, rules, peer, now, &source);

    assert_int_equal(rule == ACCESS_OK, source != UINT32_MAX); /* else untouched */
    return rule;
}

unsigned enter(const struct access_rules *rules, const struct addr *peer)
{
    unsigned source;

    assert_int_equal(admission_enter(admission, listener, rules, peer, now, &source), ACCESS_OK);
    return source;
}

void assert_rule(const struct access_rules *rules, const struct addr *peer, enum access_rule wanted)
{
    assert_int_equal(try_enter(rules, peer), wanted);
}

/* Everything that was refused is reported, once all is told. */
void assert_nothing_is_lost(void)
{
    admission_flush(admission);
    assert_true(told.refused == admission_refusals(admission));
}
