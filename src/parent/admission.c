/* admission.c - decides which clients may enter, and counts them by source. */
#include "parent/admission.h"

#include "base/deadline.h"
#include "base/mapping.h"
#include "base/splitmix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Twice as many as clients, so that a full table always has a source without clients to replace,
 * and not one that was just in use. Untouched entries use no memory.
 */
#define SOURCES (2 * CLIENTS_MAX)
#define NONE 0 /* the index that stands for no source */

#define QUIET_USEC (10 * USEC_PER_SEC)
#define NSEC_PER_USEC 1000
#define NSEC_PER_SEC 1000000000

/* The refusals of one source by one rule. */
struct refusals {
    uint64_t quiet_until_usec; /* no report before then */
    unsigned held;             /* refusals since the last report */
    struct sockaddr_in6 peer;  /* the latest one refused, IPv4 as well */
};

/* A source may be in both of these lists; the entry NONE is the head of each. */
enum list {
    IDLE, /* without clients, in the order in which their last client left or was refused */
    HELD, /* with refusals not yet reported */
    LISTS
};

struct link {
    unsigned before, after;
};

struct source {
    struct cidr network;
    int listener;
    unsigned clients;
    unsigned held;         /* refusals not yet reported, of all rules */
    uint64_t arrival_nsec; /* rate: the time at which the next client is due */
    unsigned next;         /* the next source of the same hash, or the next free one */
    struct link links[LISTS];
    struct refusals refusals[ACCESS_RULES]; /* by rule; that of ACCESS_OK is unused */
};

struct admission {
    uint64_t seed;
    admission_report *report;
    void *arg;
    unsigned long long refusals;
    int n_names;
    char names[LISTENERS_MAX][LISTENER_NAME_MAX]; /* of listeners, by their numbers */
    unsigned high;                                /* the highest source ever in use */
    unsigned free;
    unsigned heads[SOURCES]; /* of the chains of sources with the same hash; a power of two */
    struct source sources[SOURCES + 1];
};

int admission_open(uint64_t seed, admission_report *report, void *arg, struct admission **ret_admit,
                   struct err *ret_err)
{
    struct admission *admission = mapping_own(sizeof(*admission));

    if (!admission)
        return err_set(ret_err, "cannot allocate the table of sources: %s", strerror(errno));
    admission->seed = seed;
    admission->report = report;
    admission->arg = arg;
    *ret_admit = admission;
    return 0;
}

void admission_close(struct admission *admission)
{
    mapping_free(admission, sizeof(*admission));
}

int admission_listener(struct admission *admission, const char *name)
{
    int i = 0;

    while (i < admission->n_names && strcmp(admission->names[i], name) != 0)
        i++;
    if (i < admission->n_names)
        return i;
    if (i == LISTENERS_MAX || strlen(name) >= sizeof(admission->names[i]))
        return -1;
    strcpy(admission->names[i], name);
    return admission->n_names++;
}

/* ---- lists ---- */

static struct link *link_of(struct admission *admission, unsigned i, enum list list)
{
    return &admission->sources[i].links[list];
}

static void append(struct admission *admission, unsigned i, enum list list)
{
    struct link *link = link_of(admission, i, list), *head = link_of(admission, NONE, list);

    *link = (struct link){.before = head->before, .after = NONE};
    link_of(admission, link->before, list)->after = i;
    head->before = i;
}

static void unlink_from(struct admission *admission, unsigned i, enum list list)
{
    const struct link *link = link_of(admission, i, list);

    link_of(admission, link->before, list)->after = link->after;
    link_of(admission, link->after, list)->before = link->before;
}

/* ---- reports ---- */

static void report(struct admission *admission, unsigned i, enum access_rule rule)
{
    struct source *source = &admission->sources[i];
    struct refusals *held = &source->refusals[rule];
    struct addr peer = {.len = sizeof(peer.in6), .in6 = held->peer};
    const struct admission_refusal refusal = {.listener = admission->names[source->listener],
                                              .peer = &peer,
                                              .rule = rule,
                                              .count = held->held};

    if (peer.sa.sa_family == AF_INET)
        peer.len = sizeof(peer.in);
    source->held -= held->held;
    held->held = 0;
    if (source->held == 0)
        unlink_from(admission, i, HELD);
    admission->report(admission->arg, &refusal);
}

/* Report the refusals of a source by each rule that has had no report for ten seconds. */
static void report_due(struct admission *admission, unsigned i, uint64_t now_usec)
{
    for (enum access_rule rule = ACCESS_DENY; rule < ACCESS_RULES; rule++) {
        struct refusals *held = &admission->sources[i].refusals[rule];

        if (held->held == 0 || now_usec < held->quiet_until_usec)
            continue;
        held->quiet_until_usec = now_usec + QUIET_USEC;
        report(admission, i, rule);
    }
}

static void report_all(struct admission *admission, unsigned i)
{
    for (enum access_rule rule = ACCESS_DENY; rule < ACCESS_RULES; rule++)
        if (admission->sources[i].refusals[rule].held > 0)
            report(admission, i, rule);
}

static void refuse(struct admission *admission, unsigned i, enum access_rule rule,
                   const struct addr *peer, uint64_t now_usec)
{
    struct source *source = &admission->sources[i];
    struct refusals *held = &source->refusals[rule];

    admission->refusals++;
    if (source->clients == 0) {
        unlink_from(admission, i, IDLE);
        append(admission, i, IDLE);
    }
    if (source->held++ == 0)
        append(admission, i, HELD);
    held->held++;
    memcpy(&held->peer, &peer->in6, sizeof(held->peer));
    report_due(admission, i, now_usec);
}

/* ---- the table ---- */

static unsigned *chain_of(struct admission *admission, int listener, const struct cidr *network)
{
    uint64_t words[CIDR_BYTES / sizeof(uint64_t)], hash = splitmix64(admission->seed);

    memcpy(words, network->bytes, sizeof(words));
    hash = splitmix64(hash ^ words[0]);
    hash = splitmix64(hash ^ words[1]);
    hash = splitmix64(hash ^ (uint64_t)listener << 16 ^ (uint64_t)network->family << 8 ^
                      (uint64_t)network->bits);
    return &admission->heads[hash % SOURCES];
}

static void forget_source(struct admission *admission, unsigned i)
{
    struct source *source = &admission->sources[i];
    unsigned *at = chain_of(admission, source->listener, &source->network);

    report_all(admission, i);
    unlink_from(admission, i, IDLE);
    while (*at != i)
        at = &admission->sources[*at].next;
    *at = source->next;
    source->next = admission->free;
    admission->free = i;
}

/*
 * Return a source that is in no chain and no list; if none is free, the one that has been idle for
 * the longest time.
 */
static unsigned take_source(struct admission *admission)
{
    unsigned i = admission->free;

    if (i == NONE && admission->high < SOURCES)
        return ++admission->high;
    if (i == NONE) {
        i = link_of(admission, NONE, IDLE)->after;
        forget_source(admission, i);
    }
    admission->free = admission->sources[i].next;
    return i;
}

static unsigned find(struct admission *admission, int listener, const struct cidr *network)
{
    unsigned *head = chain_of(admission, listener, network), i = *head;

    while (i != NONE && !(admission->sources[i].listener == listener &&
                          cidr_equal(&admission->sources[i].network, network)))
        i = admission->sources[i].next;
    if (i != NONE)
        return i;
    i = take_source(admission);
    admission->sources[i] =
        (struct source){.network = *network, .listener = listener, .next = *head};
    *head = i;
    append(admission, i, IDLE);
    return i;
}

/* ---- the rules ---- */

/*
 * The generic cell rate algorithm (ITU-T I.371): a token bucket whose whole state is one time. Each
 * client moves the time at which the next one is due by the interval of the rate, and a client may
 * come before that time by as much as a full bucket allows.
 */
static bool take_token(struct source *source, uint64_t rate, uint64_t now_usec)
{
    uint64_t now_nsec = now_usec * NSEC_PER_USEC, interval_nsec = NSEC_PER_SEC / rate;
    uint64_t arrival_nsec = source->arrival_nsec > now_nsec ? source->arrival_nsec : now_nsec;

    arrival_nsec += interval_nsec;
    if (arrival_nsec > now_nsec + rate * interval_nsec)
        return false;
    source->arrival_nsec = arrival_nsec;
    return true;
}

static enum access_rule judge_peer(const struct access_rules *rules, const struct addr *peer,
                                   struct source *source, uint64_t now_usec)
{
    enum access_rule rule = access_check_lists(rules, peer);

    if (rule != ACCESS_OK || cidrs_contain(&rules->proxies, peer))
        return rule;
    if (rules->max_clients_per_source > 0 &&
        source->clients >= (unsigned)rules->max_clients_per_source)
        return ACCESS_SOURCE;
    if (rules->rate_per_source > 0 &&
        !take_token(source, (uint64_t)rules->rate_per_source, now_usec))
        return ACCESS_RATE;
    return ACCESS_OK;
}

enum access_rule admission_enter(struct admission *admission, int listener,
                                 const struct access_rules *rules, const struct addr *peer,
                                 uint64_t now_usec, unsigned *ret_source)
{
    struct cidr network;
    enum access_rule rule;
    unsigned i;

    if (!network_of(peer, rules->source_prefix_v4, rules->source_prefix_v6, &network)) {
        *ret_source = NONE;
        return ACCESS_OK;
    }
    i = find(admission, listener, &network);
    rule = judge_peer(rules, peer, &admission->sources[i], now_usec);
    if (rule != ACCESS_OK) {
        refuse(admission, i, rule, peer, now_usec);
        return rule;
    }
    if (admission->sources[i].clients++ == 0)
        unlink_from(admission, i, IDLE);
    *ret_source = i;
    return ACCESS_OK;
}

void admission_leave(struct admission *admission, unsigned source)
{
    if (source != NONE && --admission->sources[source].clients == 0)
        append(admission, source, IDLE);
}

/* ---- from time to time ---- */

static bool is_memorable(const struct source *source, uint64_t now_usec)
{
    for (enum access_rule rule = ACCESS_DENY; rule < ACCESS_RULES; rule++)
        if (source->refusals[rule].quiet_until_usec > now_usec)
            return true;
    return source->arrival_nsec > now_usec * NSEC_PER_USEC;
}

bool admission_sweep(struct admission *admission, uint64_t now_usec)
{
    unsigned next;

    for (unsigned i = link_of(admission, NONE, HELD)->after; i != NONE; i = next) {
        next = link_of(admission, i, HELD)->after;
        report_due(admission, i, now_usec);
    }
    for (unsigned i = link_of(admission, NONE, IDLE)->after; i != NONE; i = next) {
        next = link_of(admission, i, IDLE)->after;
        if (!is_memorable(&admission->sources[i], now_usec))
            forget_source(admission, i);
    }
    return link_of(admission, NONE, HELD)->after != NONE ||
           link_of(admission, NONE, IDLE)->after != NONE;
}

void admission_flush(struct admission *admission)
{
    while (link_of(admission, NONE, HELD)->after != NONE)
        report_all(admission, link_of(admission, NONE, HELD)->after);
}

unsigned long long admission_refusals(const struct admission *admission)
{
    return admission->refusals;
}
