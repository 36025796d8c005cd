/* test_dial_tls.c - dialling with TLS: what is negotiated, and which servers are not trusted. */
#include "../tls/tls_helper.h"
#include "dial_helper.h"

#include "echoc/exchange.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A server with one certificate of the PKI and one group, and a target that trusts the PKI's root.
 */
struct scene {
    struct tls_server *tls;
    struct echo_server server;
    struct target target;
};

static struct tls_client *new_tls_client(bool insecure, int version)
{
    const struct tls_client_params params = {.ca = insecure ? NULL : pki("ca.crt"),
                                             .insecure = insecure,
                                             .min_version = version,
                                             .max_version = version};
    struct tls_client *client = NULL;
    struct err err;

    if (tls_client_new(&params, &client, &err) < 0)
        fail_msg("%s", err.text);
    return client;
}

static struct scene open_scene(const char *name, int listener, int version)
{
    char certificate[64], key[64];
    struct tls_params params = good_params();
    struct scene scene;

    snprintf(certificate, sizeof(certificate), "%s.crt", name);
    snprintf(key, sizeof(key), "%s.key", name);
    params.certificate = pki(certificate);
    params.key = pki(key);
    params.groups = "P-384";
    scene.tls = new_server(&params);
    scene.server = start_server(listener, scene.tls);
    scene.target = target_of(&scene.server);
    scene.target.url.tls = true;
    scene.target.tls = new_tls_client(false, version);
    return scene;
}

static void close_scene(struct scene *scene)
{
    stop_server(&scene->server);
    tls_client_free(scene->target.tls);
    tls_server_free(scene->tls);
}

static void dial_well(const struct scene *scene, const struct tls_session *resume,
                      struct dialed *ret_dialed)
{
    struct err err;

    if (dial(&scene->target, resume, ret_dialed, &err) < 0)
        fail_msg("%s", err.text);
}

static void assert_dial_fails(const struct target *target, const char *reason)
{
    char name[TARGET_TEXT_MAX], wanted[512];
    struct dialed dialed;
    struct err err;

    snprintf(wanted, sizeof(wanted), "%s: TLS: %s", dial_name(target, name), reason);
    assert_int_equal(dial(target, NULL, &dialed, &err), -1);
    assert_string_equal(err.text, wanted);
}

/* ---- what is negotiated ---- */

static void a_tls_connection_is_ready_with_its_facts(void **state)
{
    const struct version *version = *state;
    struct scene scene = open_scene("server", listen_tcp(), version->number);
    struct dialed dialed;
    struct err err;

    dial_well(&scene, NULL, &dialed);
    assert_echoes(&dialed);
    assert_true(dialed.connect_nsec > 0);
    assert_true(dialed.handshake_nsec > 0);
    assert_string_equal(dialed.tls.version, version->name);
    assert_string_equal(dialed.tls.group, "secp384r1");
    assert_true(strlen(dialed.tls.cipher) > 0);
    assert_false(dialed.tls.resumed);
    assert_int_equal(exchange_end(&dialed.stream, deadline_in(SOON), &err), 0);
    stream_close(&dialed.stream, 0, 0);
    close_scene(&scene);
}

static void the_name_may_be_another_than_the_host(void **state)
{
    struct scene scene = open_scene("wrong-name", listen_tcp(), version_of(state));
    struct dialed dialed;

    scene.target.servername = "wrong.example";
    dial_well(&scene, NULL, &dialed);
    assert_string_equal(dialed.tls.sni, "wrong.example");
    stream_close(&dialed.stream, 0, 0);
    close_scene(&scene);
}

static void tls_goes_over_unix_too(void **state)
{
    struct scene scene = open_scene("server", listen_unix(), version_of(state));
    struct dialed dialed;

    scene.target.servername = "localhost";
    dial_well(&scene, NULL, &dialed);
    assert_echoes(&dialed);
    stream_close(&dialed.stream, 0, 0);
    close_scene(&scene);
}

/* OpenSSL does not resume the session of a connection that did not end in order. */
static void a_session_is_resumed(void **state)
{
    struct scene scene = open_scene("server", listen_tcp(), version_of(state));
    struct tls_session *session = NULL;

    for (int i = 0; i < 3; i++) {
        struct dialed dialed;
        struct err err;

        dial_well(&scene, session, &dialed);
        assert_int_equal(dialed.tls.resumed, i > 0);
        assert_echoes(&dialed);
        tls_session_free(session);
        session = tls_session_get(&dialed.stream);
        assert_non_null(session);
        assert_int_equal(exchange_end(&dialed.stream, deadline_in(SOON), &err), 0);
        stream_close(&dialed.stream, 0, 0);
    }
    tls_session_free(session);
    close_scene(&scene);
}

/* ---- servers that are not trusted ---- */

static void a_wrong_name_is_told_with_the_right_ones(void **state)
{
    struct scene wrong = open_scene("wrong-name", listen_tcp(), version_of(state));
    struct scene right = open_scene("server", listen_tcp(), version_of(state));

    assert_dial_fails(&wrong.target, "the certificate is not for this name, but for wrong.example");
    right.target.servername = "echo.example";
    assert_dial_fails(&right.target,
                      "the certificate is not for this name, but for localhost, 127.0.0.1, ::1");
    close_scene(&wrong);
    close_scene(&right);
}

static void certificates_that_are_not_good_are_told(void **state)
{
    static const struct {
        const char *name;
        int error;
    } bad[] = {
        {"self-signed", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
        {"expired", X509_V_ERR_CERT_HAS_EXPIRED},
        {"not-yet-valid", X509_V_ERR_CERT_NOT_YET_VALID},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct scene scene = open_scene(bad[i].name, listen_tcp(), version_of(state));

        assert_dial_fails(&scene.target, complaint("/CN=localhost", bad[i].error));
        close_scene(&scene);
    }
}

static void an_insecure_target_takes_any_certificate(void **state)
{
    static const char *const names[] = {"self-signed", "expired", "wrong-name"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct scene scene = open_scene(names[i], listen_tcp(), version_of(state));
        struct dialed dialed;

        tls_client_free(scene.target.tls);
        scene.target.tls = new_tls_client(true, version_of(state));
        dial_well(&scene, NULL, &dialed);
        assert_echoes(&dialed);
        stream_close(&dialed.stream, 0, 0);
        close_scene(&scene);
    }
}

/* ---- servers that do not speak TLS ---- */

static void a_plain_server_is_told(void **state)
{
    struct echo_server server = start_server(listen_tcp(), NULL);
    struct target target = target_of(&server);
    struct dialed dialed;
    struct err err;

    (void)state;
    target.tls = new_tls_client(false, 0);
    assert_int_equal(dial(&target, NULL, &dialed, &err), -1); /* our own hello comes back */
    assert_non_null(strstr(err.text, ": TLS: "));
    assert_false(dialed.timed_out);
    tls_client_free(target.tls);
    stop_server(&server);
}

static void a_silent_server_times_out(void **state)
{
    int listener = listen_tcp();
    struct target target = target_at(listener);
    uint64_t start = now_usec();
    struct dialed dialed;
    struct err err;

    (void)state;
    target.tls = new_tls_client(false, 0);
    target.timeout_usec = BRIEFLY;
    assert_int_equal(dial(&target, NULL, &dialed, &err), -1);
    assert_true(now_usec() - start >= BRIEFLY);
    assert_true(now_usec() - start < SOON);
    assert_true(dialed.timed_out);
    assert_non_null(strstr(err.text, ": TLS: Connection timed out"));
    tls_client_free(target.tls);
    close(listener);
}

static void a_server_that_leaves_is_told(void **state)
{
    int listener = listen_tcp(), accepted;
    struct target target = target_at(listener);
    enum stream_status status;
    struct dialed dialed;
    struct err err;

    (void)state;
    target.tls = new_tls_client(false, 0);
    dial_begin(&dialed, &target, NULL);
    while ((status = dial_step(&dialed, &err)) == STREAM_WANT_WRITE)
        assert_true(stream_wait(&dialed.stream, STREAM_WAIT_WRITE, deadline_in(SOON)));
    assert_int_equal(status, STREAM_WANT_READ); /* the hello is out */
    accepted = accept(listener, NULL, NULL);
    shutdown(accepted, SHUT_WR);
    assert_true(stream_wait(&dialed.stream, STREAM_WAIT_READ, deadline_in(SOON)));
    assert_int_equal(dial_step(&dialed, &err), STREAM_FAILED);
    assert_non_null(strstr(err.text, ": TLS: the peer left during the handshake"));
    tls_client_free(target.tls);
    close(accepted);
    close(listener);
}

/* The same as DIALS() in test_dial.c, once in each version. */
#define DIALS(test) cmocka_unit_test_setup_teardown(test, count_open, assert_none_left)
#define DIALS_IN(version, test)                                                                    \
    {                                                                                              \
#test " in " #version, test, count_open, assert_none_left, &version                        \
    }
#define DIALS_IN_BOTH(test) DIALS_IN(v1_2, test), DIALS_IN(v1_3, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALS_IN_BOTH(a_tls_connection_is_ready_with_its_facts),
        DIALS_IN_BOTH(the_name_may_be_another_than_the_host),
        DIALS_IN_BOTH(tls_goes_over_unix_too),
        DIALS_IN_BOTH(a_session_is_resumed),
        DIALS_IN_BOTH(a_wrong_name_is_told_with_the_right_ones),
        DIALS_IN_BOTH(certificates_that_are_not_good_are_told),
        DIALS_IN_BOTH(an_insecure_target_takes_any_certificate),
        DIALS(a_plain_server_is_told),
        DIALS(a_silent_server_times_out),
        DIALS(a_server_that_leaves_is_told),
    };

    return RUN_TLS_TESTS(tests);
}
