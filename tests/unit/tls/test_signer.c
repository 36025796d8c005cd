/* test_signer.c - the signer's process: start, faults of the files, restart, the two ways to end.
 */
#include "signer_helper.h"

#include "sandbox/user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON_MSEC 10000

/* ---- its process ---- */

static bool is_child(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* It ends by itself, in order. */
static void assert_ends(pid_t pid)
{
    int status = -1;

    for (int i = 0; i < SOON_MSEC && waitpid(pid, &status, WNOHANG) == 0; i++)
        usleep(1000);
    assert_int_equal(status, 0);
    assert_no_child();
}

static bool has_status(pid_t pid, const char *line)
{
    char path[64], text[4096];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    return strstr(text, line) != NULL;
}

static unsigned count_descriptors(pid_t pid)
{
    char path[64];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    if (!dir && errno == EACCES)
        skip(); /* only root may look */
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void assert_descriptors(pid_t pid, unsigned n)
{
    for (int i = 0; i < SOON_MSEC && count_descriptors(pid) != n; i++)
        usleep(1000);
    assert_int_equal(count_descriptors(pid), n);
}

#ifdef ECHOD_SANITIZED
#define OWN_DESCRIPTORS 3 /* standard error too, for reports */
#else
#define OWN_DESCRIPTORS 2 /* the control line and epoll */
#endif

static void process_is_sandboxed(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    pid_t pid = signer_pid(signer);

    (void)state;
    assert_true(is_child(pid));
    assert_true(has_status(pid, "Name:\techod-signer\n"));
    assert_true(has_status(pid, "\nSeccomp:\t2\n"));
    assert_true(has_status(pid, "\nNoNewPrivs:\t1\n"));
    signer_stop(signer);
}

static void lines_leave_no_descriptor_behind(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    int lines[20];

    (void)state;
    assert_descriptors(signer_pid(signer), OWN_DESCRIPTORS);
    for (size_t i = 0; i < 20; i++)
        lines[i] = signer_connect(signer, 0);
    assert_descriptors(signer_pid(signer), OWN_DESCRIPTORS + 20);
    for (size_t i = 0; i < 20; i++) {
        if (i % 2)
            assert_int_equal(write(lines[i], "garbage", 7), 7);
        else
            close(lines[i]);
    }
    assert_descriptors(signer_pid(signer), OWN_DESCRIPTORS);
    for (size_t i = 1; i < 20; i += 2)
        close(lines[i]);
    assert_signer_signs(signer);
    assert_descriptors(signer_pid(signer), OWN_DESCRIPTORS);
    signer_stop(signer);
}

/* Whoever stops the whole process group stops the parent, whose clients may want a signature yet.
 */
static void signals_do_not_end_it(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGALRM};
    struct signer *signer = signer_of(pki("server.key"));

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        assert_int_equal(kill(signer_pid(signer), signals[i]), 0);
    assert_signer_signs(signer);
    assert_true(is_child(signer_pid(signer)));
    signer_stop(signer);
}

/* The files are read before: they are root's. */
static void signer_becomes_the_user(void **state)
{
    const struct user nobody = {.name = "nobody", .uid = 65534, .gid = 65534};
    const char *path = own_file("root.key");
    struct signer *signer;
    struct err err;

    (void)state;
    if (geteuid() != 0)
        skip();
    copy_file(pki("server.key"), path);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(signer_start(&path, 1, &nobody, &signer, &err), 0);
    assert_true(has_status(signer_pid(signer), "\nUid:\t65534\t65534\t65534\t65534\n"));
    assert_true(has_status(signer_pid(signer), "\nGid:\t65534\t65534\t65534\t65534\n"));
    signer_stop(signer);
}

static void user_that_cannot_be_is_told(void **state)
{
    const struct user root = {.name = "root", .uid = 1, .gid = 1};
    const char *path = pki("server.key");
    struct signer *signer = NULL;
    struct err err = {.text = ""};
    int status;
    pid_t pid = fork(); /* which is not root */

    (void)state;
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(1);
        if (signer_start(&path, 1, &root, &signer, &err) == 0)
            _exit(2);
        _exit(strstr(err.text, "cannot become the user root: ") != err.text);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- faults of the files: in the same words as without a signer ---- */

static void assert_same_fault(const char *name, const char *reason)
{
    struct fault_list plain = {.sink = {.report = keep_fault, .arg = &plain}};
    struct fault_list kept = {.sink = {.report = keep_fault, .arg = &kept}};
    struct tls_params params = good_params();
    struct tls_server *server;
    struct signer *signer;
    struct err err;

    params.key = pki(name);
    signer = signer_of(params.key);
    assert_null(signer_key(signer, params.key, &err));
    assert_non_null(strstr(err.text, reason));
    assert_int_equal(tls_server_new(&params, NULL, &plain.sink, &server), -1);
    assert_int_equal(tls_server_new(&params, signer, &kept.sink, &server), -1);
    assert_int_equal(kept.n, 1);
    assert_string_equal(kept.faults[0].setting, "tls.key");
    assert_string_equal(kept.faults[0].text, plain.faults[0].text);
    assert_string_equal(kept.faults[0].text, err.text);
    signer_stop(signer);
}

static void faulty_file_is_named(void **state)
{
    (void)state;
    assert_same_fault("none.key", "No such file or directory");
    assert_same_fault("garbage.pem", "no such thing in PEM form in it");
    assert_same_fault("server.crt", "no such thing in PEM form in it");
    assert_same_fault("encrypted.key", "it is encrypted");
}

static void foreign_key_is_named(void **state)
{
    static const char *const keys[] = {"mismatch.key", "server-rsa.key"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
        struct tls_params params = good_params();
        struct tls_server *server;
        struct signer *signer;

        params.key = pki(keys[i]);
        signer = signer_of(params.key);
        assert_int_equal(tls_server_new(&params, signer, &list.sink, &server), -1);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.faults[0].setting, "tls.key");
        assert_non_null(strstr(list.faults[0].text, "is not the key of the certificate"));
        signer_stop(signer);
    }
}

static void file_that_was_not_asked_for_is_named(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    struct err err;

    (void)state;
    assert_null(signer_key(signer, "other.key", &err));
    assert_string_equal(err.text, "the signer does not have other.key");
    signer_stop(signer);
}

/* ---- several ---- */

static void two_signers_are_apart(void **state)
{
    struct signer *one = signer_of(pki("server.key")), *two = signer_of(pki("server.key"));

    (void)state;
    assert_int_not_equal(signer_pid(one), signer_pid(two));
    assert_signer_signs(one);
    assert_signer_signs(two);
    signer_stop(one);
    assert_signer_signs(two);
    signer_stop(two);
    assert_no_child();
}

/* ---- stop ---- */

static void stopped_one_is_gone(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    uint64_t start = now_usec();

    (void)state;
    assert_signer_signs(signer);
    signer_stop(signer);
    assert_no_child();
    assert_true(now_usec() - start < 8 * USEC_PER_SEC); /* after 10 it is killed */
    signer_stop(NULL);
    signer_retire(NULL);
}

static void open_line_does_not_hinder_the_stop(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    EVP_PKEY *key = key_of(signer, pki("server.key"));

    (void)state;
    use_line(signer);
    signer_stop(signer);
    assert_no_child();
    assert_no_signature(key, "SHA256");
    signer_hang_up();
    EVP_PKEY_free(key);
}

static void kill_and_reap(const struct signer *signer)
{
    pid_t pid = signer_pid(signer);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void stop_after_the_end_is_harmless(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));

    (void)state;
    kill_and_reap(signer);
    signer_stop(signer);
    assert_no_child();
}

/* ---- retire ---- */

static void retired_one_stays_for_its_lines(void **state)
{
    const struct way way = {.digest = "SHA256"};
    struct signer *signer = signer_of(pki("server.key"));
    EVP_PKEY *key = key_of(signer, pki("server.key")), *public = public_of(pki("server.crt"));
    pid_t pid = signer_pid(signer);
    int first = signer_connect(signer, 0), second = signer_connect(signer, 0);

    (void)state;
    signer_retire(signer);
    usleep(50000);
    assert_true(is_child(pid));
    close(first);
    usleep(50000);
    assert_true(is_child(pid));
    signer_use(second);
    assert_true(signs(key, public, &way));
    assert_ends(pid);
    signer_hang_up();
    EVP_PKEY_free(key);
    EVP_PKEY_free(public);
}

static void retired_one_without_lines_goes(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    pid_t pid = signer_pid(signer);

    (void)state;
    assert_signer_signs(signer);
    signer_retire(signer);
    assert_ends(pid);
}

/* ---- restart ---- */

static void killed_one_is_replaced(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    EVP_PKEY *key = key_of(signer, pki("server.key"));
    struct err err;

    (void)state;
    for (int i = 0; i < 3; i++) {
        pid_t pid = signer_pid(signer);

        use_line(signer);
        kill_and_reap(signer);
        assert_no_signature(key, "SHA256");
        signer_hang_up();
        assert_int_equal(signer_connect(signer, 0), -1);
        assert_int_equal(signer_restart(signer, NULL, &err), 0);
        assert_int_not_equal(signer_pid(signer), pid);
        assert_signer_signs(signer);
    }
    EVP_PKEY_free(key);
    signer_stop(signer);
    assert_no_child();
}

/* Returns the signer of a file that is nobody else's. */
static struct signer *signer_of_own_file(const char *path)
{
    copy_file(pki("server.key"), path);
    return signer_of(path);
}

static void assert_not_restarted(struct signer *signer, const char *words)
{
    struct err err = {.text = ""};

    kill_and_reap(signer);
    assert_int_equal(signer_restart(signer, NULL, &err), -1);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(signer_pid(signer), -1);
    assert_no_child();
    assert_int_equal(signer_connect(signer, 0), -1);
    signer_stop(signer);
}

/* What TLS has in force is the certificate of the key that was. */
static void other_key_is_no_replacement(void **state)
{
    const char *path = own_file("own.key");
    struct signer *signer = signer_of_own_file(path);

    (void)state;
    copy_file(pki("mismatch.key"), path);
    assert_not_restarted(signer, "own.key holds another key by now");
    signer = signer_of_own_file(path);
    copy_file(pki("server-rsa.key"), path);
    assert_not_restarted(signer, "own.key holds another key by now");
}

static void lost_key_is_no_replacement(void **state)
{
    const char *path = own_file("own.key");
    struct signer *signer = signer_of_own_file(path);

    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_not_restarted(signer, "own.key: No such file or directory");
    signer = signer_of_own_file(path);
    copy_file(pki("garbage.pem"), path);
    assert_not_restarted(signer, "own.key: no such thing in PEM form in it");
}

/* Another file with the same key will do. */
static void same_key_in_a_new_file_is(void **state)
{
    const char *path = own_file("own.key");
    struct signer *signer = signer_of_own_file(path);
    struct err err;

    (void)state;
    kill_and_reap(signer);
    copy_file(pki("server.key"), own_file("new.key"));
    assert_int_equal(rename(own_file("new.key"), path), 0);
    assert_int_equal(signer_restart(signer, NULL, &err), 0);
    assert_true(is_child(signer_pid(signer)));
    signer_stop(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_is_sandboxed),
        cmocka_unit_test(lines_leave_no_descriptor_behind),
        cmocka_unit_test(signals_do_not_end_it),
        cmocka_unit_test(signer_becomes_the_user),
        cmocka_unit_test(user_that_cannot_be_is_told),
        cmocka_unit_test(faulty_file_is_named),
        cmocka_unit_test(foreign_key_is_named),
        cmocka_unit_test(file_that_was_not_asked_for_is_named),
        cmocka_unit_test(two_signers_are_apart),
        cmocka_unit_test(stopped_one_is_gone),
        cmocka_unit_test(open_line_does_not_hinder_the_stop),
        cmocka_unit_test(stop_after_the_end_is_harmless),
        cmocka_unit_test(retired_one_stays_for_its_lines),
        cmocka_unit_test(retired_one_without_lines_goes),
        cmocka_unit_test(killed_one_is_replaced),
        cmocka_unit_test(other_key_is_no_replacement),
        cmocka_unit_test(lost_key_is_no_replacement),
        cmocka_unit_test(same_key_in_a_new_file_is),
    };

    return tls_tests_ready() ? cmocka_run_group_tests(tests, open_group, close_group) : 77;
}
