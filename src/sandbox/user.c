/* user.c - the user that root becomes. */
#include "sandbox/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Returns whether the whole text is a number in the range of an id. */
static bool is_id(const char *text, unsigned *ret_id)
{
    char *end;
    unsigned long id;

    if (strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    id = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || id >= (uid_t)-1)
        return false;
    *ret_id = (unsigned)id;
    return true;
}

static int find_user(const char *name, struct faults *faults, struct user *user)
{
    unsigned id;
    const struct passwd *entry = is_id(name, &id) ? getpwuid(id) : getpwnam(name);

    if (!entry) {
        fault(faults, "user", "there is no user \"%s\"", name);
        return -1;
    }
    snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    return 0;
}

static int find_group(const char *name, struct faults *faults, struct user *user)
{
    unsigned id;
    const struct group *entry = is_id(name, &id) ? getgrgid(id) : getgrnam(name);

    if (!entry) {
        fault(faults, "group", "there is no group \"%s\"", name);
        return -1;
    }
    user->gid = entry->gr_gid;
    return 0;
}

int user_find(const char *user, const char *group, struct faults *faults, struct user *ret_user)
{
    struct user found = {.uid = 0};
    int result = find_user(user, faults, &found);

    if (group && find_group(group, faults, &found) < 0)
        result = -1;
    if (result == 0)
        *ret_user = found;
    return result;
}

/*
 * A process that has changed its user is not dumpable, and then /proc/self belongs to root
 * (proc(5)). Make it dumpable again: a client's process raises its own score there.
 */
int user_become(const struct user *user, struct err *ret_err)
{
    if (initgroups(user->name, user->gid) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return err_set(ret_err, "cannot become the user %s: %s", user->name, strerror(errno));
    if (user->uid != 0 && setuid(0) == 0)
        return err_set(ret_err, "cannot become the user %s for good", user->name);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}
