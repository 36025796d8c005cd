/* test_tls_warmup.c - the handshake with ourselves is a whole one, with and without a signer, and
 * never hangs. */
#include "../between.h"
#include "signer_helper.h"

#include "base/deadline.h"
#include "tls/tls_warmup.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The key log of a server tells how far its handshakes have come. */
static int log_keys(struct tls_server *server)
{
    int fd = open(own_file("keys"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    tls_server_log_keys(server, fd);
    return fd;
}

/* Whether there has been a whole handshake of TLS 1.3. Closes the log. */
static bool has_shaken_hands(int fd)
{
    char text[4096] = {0};
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    close(fd);
    return n > 0 && strstr(text, "SERVER_TRAFFIC_SECRET_0 ") && strstr(text, "EXPORTER_SECRET ");
}

static void handshake_is_whole(void **state)
{
    struct tls_server *server = good_server();
    int fd = log_keys(server);

    (void)state;
    tls_warm_up(server, NULL);
    assert_true(has_shaken_hands(fd));
    tls_server_free(server);
}

static struct tls_server *server_with(const struct signer *signer)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct tls_params params = good_params();
    struct tls_server *server;

    params.key_isolation = true;
    assert_int_equal(tls_server_new(&params, signer, &list.sink, &server), 0);
    return server;
}

static void signer_signs(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    struct tls_server *server = server_with(signer);
    int fd = log_keys(server);

    (void)state;
    tls_warm_up(server, signer);
    assert_true(has_shaken_hands(fd));
    tls_server_free(server);
    signer_stop(signer);
}

static void signer_that_hangs_is_not_waited_for(void **state)
{
    struct signer *signer = signer_of(pki("server.key"));
    struct tls_server *server = server_with(signer);
    int fd = log_keys(server);
    uint64_t begin = now_usec();

    (void)state;
    assert_int_equal(kill(signer_pid(signer), SIGSTOP), 0);
    tls_warm_up(server, signer);
    assert_between(now_usec() - begin, 0, 5 * USEC_PER_SEC);
    assert_int_equal(kill(signer_pid(signer), SIGCONT), 0);
    assert_false(has_shaken_hands(fd));
    tls_server_free(server);
    signer_stop(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_is_whole),
        cmocka_unit_test(signer_signs),
        cmocka_unit_test(signer_that_hangs_is_not_waited_for),
    };

    return tls_tests_ready() ? cmocka_run_group_tests(tests, open_group, close_group) : 77;
}
