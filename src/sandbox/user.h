/*
 * user.h - the user that root becomes once it has what only root can get.
 */
#ifndef ECHOD_SANDBOX_USER_H
#define ECHOD_SANDBOX_USER_H

#include "base/err.h"

#include <sys/types.h>

#define USER_NAME_MAX 64

struct user {
    char name[USER_NAME_MAX]; /* of the user, for its supplementary groups */
    uid_t uid;
    gid_t gid;
};

/*
 * Look up a user by name or number, and a group; NULL for the group means the user's own. Reports
 * each unknown name as a fault of the setting `user` or `group`. Returns 0, or -1 when there was a
 * fault.
 */
int user_find(const char *user, const char *group, struct faults *faults, struct user *ret_user);

/*
 * Become this user for good: groups, group and user, real, effective and saved. Returns 0, or -1
 * with *ret_err; the process must then end.
 */
int user_become(const struct user *user, struct err *ret_err);

#endif
