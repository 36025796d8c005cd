/* admit.c - who may enter. */
#include "parent/admit.h"

#include "base/deadline.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Twice as many as clients, so that in a full book there is always one without clients to make
 * room, and not one that was there a moment ago. Untouched ones cost no memory.
 */
#define SOURCES (2 * ADMIT_CLIENTS)
#define NAMES 4096 /* of listeners, of all generations of settings */
#define NONE 0     /* the source that stands for no source */

#define QUIET_USEC (10 * USEC_PER_SEC)
#define NSEC_PER_USEC 1000
#define NSEC_PER_SEC 1000000000

/* Of one source and one rule. */
struct throttle {
    uint64_t quiet_until_usec; /* no report before then */
    unsigned held;             /* refusals since the last report */
    struct sockaddr_in6 peer;  /* the latest; room for IPv4 as well */
};

/* A source may be in both of these lists; NONE is the head of each. */
enum list {
    IDLE, /* without clients, in the order in which the last one left or was refused */
    HELD, /* with refusals held back */
    LISTS
};

struct link {
    unsigned before, after;
};

struct source {
    struct network network;
    int listener;
    unsigned clients;
    unsigned held;         /* of all throttles */
    uint64_t arrival_nsec; /* rate: when the next client is due */
    unsigned next;         /* of the same hash, or free */
    struct link links[LISTS];
    struct throttle throttles[ADMIT_RULES]; /* by rule; that of ADMIT_OK is idle */
};

struct admit {
    uint64_t seed;
    admit_report *report;
    void *arg;
    unsigned long long refusals;
    int n_names;
    char names[NAMES][ADMIT_NAME_MAX]; /* of listeners */
    unsigned high;                     /* the highest source ever in use */
    unsigned free;
    unsigned heads[SOURCES]; /* of the chains of sources with the same hash; a power of two */
    struct source sources[SOURCES + 1];
};

const char *admit_rule_name(enum admit_rule rule)
{
    static const char *const names[ADMIT_RULES] = {
        [ADMIT_OK] = "ok",         [ADMIT_DENY] = "deny", [ADMIT_ALLOW] = "allow",
        [ADMIT_SOURCE] = "source", [ADMIT_RATE] = "rate",
    };

    return names[rule];
}

int admit_open(uint64_t seed, admit_report *report, void *arg, struct admit **ret_admit,
               struct err *ret_err)
{
    struct admit *admit = memory_own(sizeof(*admit));

    if (!admit)
        return err_set(ret_err, "cannot allocate the book of sources: %s", strerror(errno));
    admit->seed = seed;
    admit->report = report;
    admit->arg = arg;
    *ret_admit = admit;
    return 0;
}

void admit_close(struct admit *admit)
{
    memory_free(admit, sizeof(*admit));
}

int admit_listener(struct admit *admit, const char *name)
{
    int i = 0;

    while (i < admit->n_names && strcmp(admit->names[i], name) != 0)
        i++;
    if (i < admit->n_names)
        return i;
    if (i == NAMES || strlen(name) >= sizeof(admit->names[i]))
        return -1;
    strcpy(admit->names[i], name);
    return admit->n_names++;
}

/* ---- lists ---- */

static struct link *link_of(struct admit *admit, unsigned i, enum list list)
{
    return &admit->sources[i].links[list];
}

static void append(struct admit *admit, unsigned i, enum list list)
{
    struct link *link = link_of(admit, i, list), *head = link_of(admit, NONE, list);

    *link = (struct link){.before = head->before, .after = NONE};
    link_of(admit, link->before, list)->after = i;
    head->before = i;
}

static void unlink_from(struct admit *admit, unsigned i, enum list list)
{
    const struct link *link = link_of(admit, i, list);

    link_of(admit, link->before, list)->after = link->after;
    link_of(admit, link->after, list)->before = link->before;
}

/* ---- reports ---- */

static void report(struct admit *admit, unsigned i, enum admit_rule rule)
{
    struct source *source = &admit->sources[i];
    struct throttle *throttle = &source->throttles[rule];
    struct addr peer = {.len = sizeof(peer.in6), .in6 = throttle->peer};
    const struct admit_refusal refusal = {.listener = admit->names[source->listener],
                                          .peer = &peer,
                                          .rule = rule,
                                          .count = throttle->held};

    if (peer.sa.sa_family == AF_INET)
        peer.len = sizeof(peer.in);
    source->held -= throttle->held;
    throttle->held = 0;
    if (source->held == 0)
        unlink_from(admit, i, HELD);
    admit->report(admit->arg, &refusal);
}

/* Report what a source has held back and need not hold back any more. */
static void report_due(struct admit *admit, unsigned i, uint64_t now_usec)
{
    for (enum admit_rule rule = ADMIT_DENY; rule < ADMIT_RULES; rule++) {
        struct throttle *throttle = &admit->sources[i].throttles[rule];

        if (throttle->held == 0 || now_usec < throttle->quiet_until_usec)
            continue;
        throttle->quiet_until_usec = now_usec + QUIET_USEC;
        report(admit, i, rule);
    }
}

static void report_all(struct admit *admit, unsigned i)
{
    for (enum admit_rule rule = ADMIT_DENY; rule < ADMIT_RULES; rule++)
        if (admit->sources[i].throttles[rule].held > 0)
            report(admit, i, rule);
}

static void refuse(struct admit *admit, unsigned i, enum admit_rule rule, const struct addr *peer,
                   uint64_t now_usec)
{
    struct source *source = &admit->sources[i];
    struct throttle *throttle = &source->throttles[rule];

    admit->refusals++;
    if (source->clients == 0) {
        unlink_from(admit, i, IDLE);
        append(admit, i, IDLE);
    }
    if (source->held++ == 0)
        append(admit, i, HELD);
    throttle->held++;
    memcpy(&throttle->peer, &peer->in6, sizeof(throttle->peer));
    report_due(admit, i, now_usec);
}

/* ---- the table ---- */

/* splitmix64: every bit of the input changes about half of the output's. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static unsigned *chain_of(struct admit *admit, int listener, const struct network *network)
{
    uint64_t words[NETWORK_BYTES / sizeof(uint64_t)], hash = mix(admit->seed);

    memcpy(words, network->bytes, sizeof(words));
    hash = mix(hash ^ words[0]);
    hash = mix(hash ^ words[1]);
    hash = mix(hash ^ (uint64_t)listener << 16 ^ (uint64_t)network->family << 8 ^
               (uint64_t)network->bits);
    return &admit->heads[hash % SOURCES];
}

static void forget(struct admit *admit, unsigned i)
{
    struct source *source = &admit->sources[i];
    unsigned *at = chain_of(admit, source->listener, &source->network);

    report_all(admit, i);
    unlink_from(admit, i, IDLE);
    while (*at != i)
        at = &admit->sources[*at].next;
    *at = source->next;
    source->next = admit->free;
    admit->free = i;
}

/* A source that is in no chain and no list; if need be the one that has been idle for longest. */
static unsigned take(struct admit *admit)
{
    unsigned i = admit->free;

    if (i == NONE && admit->high < SOURCES)
        return ++admit->high;
    if (i == NONE) {
        i = link_of(admit, NONE, IDLE)->after;
        forget(admit, i);
    }
    admit->free = admit->sources[i].next;
    return i;
}

static unsigned find(struct admit *admit, int listener, const struct network *network)
{
    unsigned *head = chain_of(admit, listener, network), i = *head;

    while (i != NONE && !(admit->sources[i].listener == listener &&
                          network_equal(&admit->sources[i].network, network)))
        i = admit->sources[i].next;
    if (i != NONE)
        return i;
    i = take(admit);
    admit->sources[i] = (struct source){.network = *network, .listener = listener, .next = *head};
    *head = i;
    append(admit, i, IDLE);
    return i;
}

/* ---- the rules ---- */

/*
 * The generic cell rate algorithm (ITU-T I.371), a bucket of tokens whose whole state is one time:
 * each client moves the time at which the next one is due by the interval that the rate allows, and
 * may come early by as much as a full bucket makes good.
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

enum admit_rule admit_ask_lists(const struct admit_rules *rules, const struct addr *addr)
{
    if (addr->sa.sa_family == AF_UNIX)
        return ADMIT_OK;
    if (networks_contain(&rules->deny, addr))
        return ADMIT_DENY;
    if (rules->allow.n > 0 && !networks_contain(&rules->allow, addr))
        return ADMIT_ALLOW;
    return ADMIT_OK;
}

static enum admit_rule judge(const struct admit_rules *rules, const struct addr *peer,
                             struct source *source, uint64_t now_usec)
{
    enum admit_rule rule = admit_ask_lists(rules, peer);

    if (rule != ADMIT_OK || networks_contain(&rules->proxies, peer))
        return rule;
    if (rules->max_clients_per_source > 0 &&
        source->clients >= (unsigned)rules->max_clients_per_source)
        return ADMIT_SOURCE;
    if (rules->rate_per_source > 0 &&
        !take_token(source, (uint64_t)rules->rate_per_source, now_usec))
        return ADMIT_RATE;
    return ADMIT_OK;
}

enum admit_rule admit_enter(struct admit *admit, int listener, const struct admit_rules *rules,
                            const struct addr *peer, uint64_t now_usec, unsigned *ret_source)
{
    struct network network;
    enum admit_rule rule;
    unsigned i;

    if (!network_of(peer, rules->source_prefix_v4, rules->source_prefix_v6, &network)) {
        *ret_source = NONE;
        return ADMIT_OK;
    }
    i = find(admit, listener, &network);
    rule = judge(rules, peer, &admit->sources[i], now_usec);
    if (rule != ADMIT_OK) {
        refuse(admit, i, rule, peer, now_usec);
        return rule;
    }
    if (admit->sources[i].clients++ == 0)
        unlink_from(admit, i, IDLE);
    *ret_source = i;
    return ADMIT_OK;
}

void admit_leave(struct admit *admit, unsigned source)
{
    if (source != NONE && --admit->sources[source].clients == 0)
        append(admit, source, IDLE);
}

/* ---- from time to time ---- */

static bool is_memorable(const struct source *source, uint64_t now_usec)
{
    for (enum admit_rule rule = ADMIT_DENY; rule < ADMIT_RULES; rule++)
        if (source->throttles[rule].quiet_until_usec > now_usec)
            return true;
    return source->arrival_nsec > now_usec * NSEC_PER_USEC;
}

bool admit_sweep(struct admit *admit, uint64_t now_usec)
{
    unsigned next;

    for (unsigned i = link_of(admit, NONE, HELD)->after; i != NONE; i = next) {
        next = link_of(admit, i, HELD)->after;
        report_due(admit, i, now_usec);
    }
    for (unsigned i = link_of(admit, NONE, IDLE)->after; i != NONE; i = next) {
        next = link_of(admit, i, IDLE)->after;
        if (!is_memorable(&admit->sources[i], now_usec))
            forget(admit, i);
    }
    return link_of(admit, NONE, HELD)->after != NONE || link_of(admit, NONE, IDLE)->after != NONE;
}

void admit_flush(struct admit *admit)
{
    while (link_of(admit, NONE, HELD)->after != NONE)
        report_all(admit, link_of(admit, NONE, HELD)->after);
}

unsigned long long admit_refusals(const struct admit *admit)
{
    return admit->refusals;
}
