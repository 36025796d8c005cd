/* test_user.c - whom root becomes: by name or number, for good. */
#include "sandbox/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- faults ---- */

struct fault_list {
    struct faults sink;
    unsigned n;
    char setting[2][32], text[2][128];
};

static void keep_fault(void *arg, const struct fault *fault)
{
    struct fault_list *list = arg;

    assert_true(list->n < 2);
    snprintf(list->setting[list->n], 32, "%s", fault->setting);
    snprintf(list->text[list->n], 128, "%s", fault->text);
    list->n++;
}

static struct user found(const char *name, const char *group)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct user user;

    if (user_find(name, group, &list.sink, &user) < 0)
        fail_msg("%s", list.text[0]);
    assert_int_equal(list.n, 0);
    return user;
}

static struct fault_list faults_of(const char *name, const char *group)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct user user = {.name = "untouched", .uid = 7, .gid = 7};

    assert_int_equal(user_find(name, group, &list.sink, &user), -1);
    assert_string_equal(user.name, "untouched");
    assert_int_equal(user.uid, 7);
    assert_int_equal(user.gid, 7);
    assert_int_equal(list.sink.count, list.n);
    return list;
}

/* ---- find ---- */

/* A user of this machine who is not root, and a group that is not his own. */
static struct passwd somebody;
static struct group some_group;

static int find_somebody(void **state)
{
    const struct passwd *user;
    const struct group *group;

    (void)state;
    setpwent();
    while ((user = getpwent()) && user->pw_uid == 0)
        ;
    setgrent();
    while (user && (group = getgrent()) && (group->gr_gid == user->pw_gid || group->gr_gid == 0))
        ;
    if (!user || !group)
        return -1;
    somebody = *user;
    somebody.pw_name = strdup(user->pw_name);
    some_group = *group;
    some_group.gr_name = strdup(group->gr_name);
    endpwent();
    endgrent();
    return 0;
}

static int forget_somebody(void **state)
{
    (void)state;
    free(somebody.pw_name);
    free(some_group.gr_name);
    return 0;
}

static const char *number(unsigned n)
{
    static char text[16];

    snprintf(text, sizeof(text), "%u", n);
    return text;
}

static void assert_user(const struct user *user, gid_t gid)
{
    assert_string_equal(user->name, somebody.pw_name);
    assert_int_equal(user->uid, somebody.pw_uid);
    assert_int_equal(user->gid, gid);
}

static void user_is_found_by_name(void **state)
{
    struct user user = found(somebody.pw_name, NULL), root = found("root", NULL);

    (void)state;
    assert_user(&user, somebody.pw_gid);
    assert_int_equal(root.uid, 0);
}

static void user_is_found_by_number(void **state)
{
    struct user user = found(number(somebody.pw_uid), NULL), root = found("0", NULL);

    (void)state;
    assert_user(&user, somebody.pw_gid);
    assert_string_equal(root.name, "root");
}

static void group_goes_before_the_users_own(void **state)
{
    struct user by_name = found(somebody.pw_name, some_group.gr_name);
    struct user by_number = found(somebody.pw_name, number(some_group.gr_gid));

    (void)state;
    assert_user(&by_name, some_group.gr_gid);
    assert_user(&by_number, some_group.gr_gid);
}

static void unknown_user_is_named(void **state)
{
    /* the last ones are no ids, whatever setuid(2) makes of them */
    static const char *const names[] = {"no-such-user", "",      "3999999999", "0x0",       "-1",
                                        " 0",           "0root", "4294967295", "4294967296"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct fault_list list = faults_of(names[i], NULL);

        snprintf(text, sizeof(text), "there is no user \"%s\"", names[i]);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.setting[0], "user");
        assert_string_equal(list.text[0], text);
    }
}

static void unknown_group_is_named(void **state)
{
    struct fault_list list = faults_of("root", "no-such-group");

    (void)state;
    assert_int_equal(list.n, 1);
    assert_string_equal(list.setting[0], "group");
    assert_string_equal(list.text[0], "there is no group \"no-such-group\"");
}

static void both_are_named_at_once(void **state)
{
    struct fault_list list = faults_of("no-such-user", "no-such-group");

    (void)state;
    assert_int_equal(list.n, 2);
    assert_string_equal(list.setting[0], "user");
    assert_string_equal(list.setting[1], "group");
}

/* ---- become ---- */

/* In a process of its own, whose exit status is the number of the step that has failed. */
static void step(bool ok)
{
    static int steps;

    steps++;
    if (!ok)
        _exit(steps);
}

static void run_in_process(void (*run)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void become_somebody(void)
{
    const gid_t roots[] = {0, 1, 2, 3};
    const struct user user = found(somebody.pw_name, some_group.gr_name);
    uid_t uid[3];
    gid_t gid[3], groups[64];
    struct err err;
    int n;

    step(setgroups(4, roots) == 0);
    step(user_become(&user, &err) == 0);
    step(getresuid(&uid[0], &uid[1], &uid[2]) == 0);
    for (int i = 0; i < 3; i++)
        step(uid[i] == somebody.pw_uid);
    step(getresgid(&gid[0], &gid[1], &gid[2]) == 0);
    for (int i = 0; i < 3; i++)
        step(gid[i] == some_group.gr_gid);
    step((n = getgroups(64, groups)) >= 0);
    for (int i = 0; i < n; i++)
        step(groups[i] != 0);
    step(setuid(0) < 0 && setresuid(0, 0, 0) < 0 && seteuid(0) < 0);
    step(setgid(0) < 0 && setegid(0) < 0 && setgroups(4, roots) < 0);
    step(prctl(PR_GET_DUMPABLE) == 1); /* it has its own files of /proc */
}

static void root_becomes_the_user_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    run_in_process(become_somebody);
}

static void become_another_twice(void)
{
    const struct user user = {.name = "somebody", .uid = 12345, .gid = 12345},
                      root = {.name = "root"};
    struct err err = {.text = ""};

    step(geteuid() != 0 || user_become(&user, &err) == 0);
    step(user_become(&root, &err) == -1);
    step(strcmp(err.text, "cannot become the user root: Operation not permitted") == 0);
}

static void others_can_become_nobody_else(void **state)
{
    (void)state;
    run_in_process(become_another_twice);
}

static void become_root(void)
{
    const struct user root = {.name = "root"};
    struct err err;

    step(user_become(&root, &err) == 0);
    step(geteuid() == 0);
}

static void root_may_stay_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    run_in_process(become_root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_is_found_by_name),
        cmocka_unit_test(user_is_found_by_number),
        cmocka_unit_test(group_goes_before_the_users_own),
        cmocka_unit_test(unknown_user_is_named),
        cmocka_unit_test(unknown_group_is_named),
        cmocka_unit_test(both_are_named_at_once),
        cmocka_unit_test(root_becomes_the_user_for_good),
        cmocka_unit_test(others_can_become_nobody_else),
        cmocka_unit_test(root_may_stay_root),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, find_somebody, forget_somebody);
}
