/* access.c - the rules of a listener about its clients. */
#include "net/access.h"

#include <sys/socket.h>

const char *access_rule_name(enum access_rule rule)
{
    static const char *const names[ACCESS_RULES] = {
        [ACCESS_OK] = "ok",         [ACCESS_DENY] = "deny", [ACCESS_ALLOW] = "allow",
        [ACCESS_SOURCE] = "source", [ACCESS_RATE] = "rate",
    };

    return names[rule];
}

enum access_rule access_check_lists(const struct access_rules *rules, const struct addr *addr)
{
    if (addr->sa.sa_family == AF_UNIX)
        return ACCESS_OK;
    if (cidrs_contain(&rules->deny, addr))
        return ACCESS_DENY;
    if (rules->allow.n > 0 && !cidrs_contain(&rules->allow, addr))
        return ACCESS_ALLOW;
    return ACCESS_OK;
}
