/*
 * test_tls_tickets.c - which sessions resume in another context, as time goes on, and where a
 * ticket does not count.
 */
#include "tls_helper.h"

#include "base/deadline.h"
#include "tls/ticket_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIFETIME (1234 * USEC_PER_SEC) /* of good_params() */
#define START (1000 * USEC_PER_SEC)

/* ---- sessions ---- */

/*
 * One client, which brings `session`, NULL for none, and frees it. Returns its session after that;
 * *ret_resumed is whether that was resumed, by either's word.
 */
static SSL_SESSION *visit(const struct tls_server *server, int version, SSL_SESSION *session,
                          bool *ret_resumed)
{
    struct link link = open_link(server, client_context(version));
    struct tls_facts facts;
    char byte;

    if (session)
        assert_int_equal(SSL_set_session(link.client, session), 1);
    SSL_SESSION_free(session);
    if (shake_hands(&link) != STREAM_OK)
        fail_msg("no handshake: %s", link.stream.error);
    assert_int_equal(SSL_read(link.client, &byte, 1), -1); /* the tickets of TLS 1.3 come here */
    tls_describe(&link.stream, &facts);
    *ret_resumed = SSL_session_reused(link.client);
    assert_int_equal(facts.resumed, *ret_resumed);
    session = SSL_get1_session(link.client);
    SSL_shutdown(link.client); /* else the session would count as broken */
    close_own(&link);
    return session;
}

static SSL_SESSION *first_visit(const struct tls_server *server, int version)
{
    bool resumed;
    SSL_SESSION *session = visit(server, version, NULL, &resumed);

    assert_false(resumed);
    return session;
}

/* Whether a session resumes, which is freed. */
static bool resumes(const struct tls_server *server, int version, SSL_SESSION *session)
{
    bool resumed;

    SSL_SESSION_free(visit(server, version, session, &resumed));
    return resumed;
}

/* A session of one server goes to another one; both are freed. */
static bool resumes_across(struct tls_server *one, struct tls_server *other, int version)
{
    bool resumed = resumes(other, version, first_visit(one, version));

    tls_server_free(one);
    tls_server_free(other);
    return resumed;
}

static bool is_of_key(const SSL_SESSION *session, const struct ticket_key *key)
{
    const unsigned char *ticket;
    size_t n;

    SSL_SESSION_get0_ticket(session, &ticket, &n);
    return n > TICKET_NAME_SIZE && memcmp(ticket, key->name, TICKET_NAME_SIZE) == 0;
}

/* ---- servers ---- */

static char path[] = "/tmp/test_tls_tickets-XXXXXX";

static struct tls_params params_of_keys(const char *keys)
{
    struct tls_params params = good_params();
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < 80 * strlen(keys); i++)
        fputc(keys[i / 80], file);
    assert_int_equal(fclose(file), 0);
    params.ticket_keys = path;
    return params;
}

/* With a file of one key for each of the letters. */
static struct tls_server *server_of_keys(const char *keys)
{
    const struct tls_params params = params_of_keys(keys);

    return new_server(&params);
}

static struct ticket_ring *new_ring(void)
{
    struct ticket_ring *ring = NULL;
    struct err err;

    assert_int_equal(ticket_ring_new(LIFETIME, &ring, &err), 0);
    return ring;
}

static void advance(struct ticket_ring *ring, uint64_t now_usec)
{
    uint64_t next;

    assert_int_equal(ticket_ring_advance(ring, now_usec, &next), 0);
}

static struct tls_server *server_of_ring(struct ticket_ring *ring)
{
    struct tls_server *server = good_server();

    tls_server_share_tickets(server, ring);
    return server;
}

/* ---- tests: keys out of a file ---- */

static void same_file_resumes_in_another_context(void **state)
{
    int version = version_of(state);

    assert_true(resumes_across(server_of_keys("a"), server_of_keys("a"), version));
    assert_true(resumes_across(server_of_keys("abc"), server_of_keys("abc"), version));
}

static void every_key_of_the_file_is_accepted(void **state)
{
    int version = version_of(state);

    assert_true(resumes_across(server_of_keys("a"), server_of_keys("ba"), version));
    assert_true(resumes_across(server_of_keys("a"), server_of_keys("cba"), version));
    assert_true(resumes_across(server_of_keys("ab"), server_of_keys("ba"), version));
}

static void key_that_left_the_file_resumes_nothing(void **state)
{
    int version = version_of(state);

    assert_false(resumes_across(server_of_keys("a"), server_of_keys("b"), version));
    assert_false(resumes_across(server_of_keys("ab"), server_of_keys("b"), version));
    assert_false(resumes_across(server_of_keys("a"), server_of_keys("bcd"), version));
    assert_false(resumes_across(server_of_keys("a"), good_server(), version));
}

/* Whoever knows a key's name alone, which every ticket tells, cannot make one. */
static void forged_key_resumes_nothing(void **state)
{
    struct tls_server *server = server_of_keys("a"), *other;
    struct tls_params params = params_of_keys("a");
    FILE *file = fopen(path, "r+");

    assert_non_null(file);
    assert_int_equal(fseek(file, TICKET_NAME_SIZE, SEEK_SET), 0);
    fputc('x', file);
    fclose(file);
    other = new_server(&params);
    assert_false(resumes_across(server, other, version_of(state)));
}

static void ticket_names_the_first_key(void **state)
{
    struct tls_server *server = server_of_keys("ab");
    SSL_SESSION *session = first_visit(server, version_of(state));
    struct ticket_key key;

    memset(&key, 'a', sizeof(key));
    assert_true(is_of_key(session, &key));
    SSL_SESSION_free(session);
    tls_server_free(server);
}

/* Without tickets none resumes, though the keys are there and the client has one. */
static void no_tickets_resume_nothing(void **state)
{
    struct tls_params params = params_of_keys("a");
    struct tls_server *none;
    SSL_SESSION *session;

    params.tickets = 0;
    none = new_server(&params);
    session = first_visit(none, version_of(state));
    assert_false(SSL_SESSION_has_ticket(session));
    SSL_SESSION_free(session);
    assert_false(resumes_across(server_of_keys("a"), none, version_of(state)));
}

static void faulty_file_is_named(void **state)
{
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    struct tls_params params = params_of_keys("aa");
    struct tls_server *server;
    char text[200];

    (void)state;
    assert_int_equal(tls_server_new(&params, NULL, &list.sink, &server), -1);
    snprintf(text, sizeof(text), "cannot load %s: two of its keys have the same name", path);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.faults[0].setting, "tls.ticket_keys");
    assert_string_equal(list.faults[0].text, text);
}

/* ---- tests: keys that are made ---- */

static void shared_ring_resumes_in_another_context(void **state)
{
    struct ticket_ring *ring = new_ring();
    struct tls_server *one = server_of_ring(ring), *other = server_of_ring(ring);

    advance(ring, START);
    ticket_ring_unref(ring); /* the contexts keep it */
    assert_true(resumes_across(one, other, version_of(state)));
}

static void empty_ring_gives_no_tickets(void **state)
{
    struct ticket_ring *ring = new_ring();
    struct tls_server *server = server_of_ring(ring);

    assert_false(resumes(server, version_of(state), first_visit(server, version_of(state))));
    ticket_ring_unref(ring);
    tls_server_free(server);
}

/* The session that resumes by an older key comes back with a ticket of the newest one. */
static void older_ticket_is_renewed(void **state)
{
    struct ticket_ring *ring = new_ring();
    struct tls_server *server = server_of_ring(ring);
    SSL_SESSION *session;
    bool resumed;

    advance(ring, START);
    session = first_visit(server, version_of(state));
    assert_true(is_of_key(session, ticket_ring_issuer(ring)));
    advance(ring, START + LIFETIME / 2);
    assert_false(is_of_key(session, ticket_ring_issuer(ring)));
    session = visit(server, version_of(state), session, &resumed);
    assert_true(resumed);
    assert_true(is_of_key(session, ticket_ring_issuer(ring)));
    assert_true(resumes(server, version_of(state), session));
    ticket_ring_unref(ring);
    tls_server_free(server);
}

static void ticket_dies_with_its_key(void **state)
{
    struct ticket_ring *ring = new_ring();
    struct tls_server *server = server_of_ring(ring);
    uint64_t retired = START + LIFETIME / 2;
    SSL_SESSION *session;

    advance(ring, START);
    session = first_visit(server, version_of(state));
    SSL_SESSION_up_ref(session);
    advance(ring, retired);
    advance(ring, retired + LIFETIME);
    assert_true(resumes(server, version_of(state), session));
    advance(ring, retired + 2 * LIFETIME);
    assert_false(resumes(server, version_of(state), session));
    ticket_ring_unref(ring);
    tls_server_free(server);
}

/* ---- tests: where a ticket counts ---- */

static struct tls_params params_of_certificate(const char *certificate, const char *key)
{
    struct tls_params params = params_of_keys("a");

    params.certificate = pki(certificate);
    params.key = pki(key);
    return params;
}

static void renewed_certificate_leaves_sessions_alone(void **state)
{
    const struct tls_params params = params_of_certificate("server-rsa.crt", "server-rsa.key");

    assert_true(resumes_across(server_of_keys("a"), new_server(&params), version_of(state)));
}

static void certificate_of_other_names_resumes_nothing(void **state)
{
    const struct tls_params params = params_of_certificate("wrong-name.crt", "wrong-name.key");
    struct tls_server *server = server_of_keys("a"), *other = new_server(&params);
    struct link link = open_link(other, client_context(version_of(state)));
    SSL_SESSION *session = first_visit(server, version_of(state));

    SSL_set_verify(link.client, SSL_VERIFY_NONE, NULL); /* nobody else would have noticed */
    assert_int_equal(SSL_set_session(link.client, session), 1);
    SSL_SESSION_free(session);
    assert_int_equal(shake_hands(&link), STREAM_OK);
    assert_false(SSL_session_reused(link.client));
    close_own(&link);
    tls_server_free(server);
    tls_server_free(other);
}

/* Else what a reload has forbidden would go on until its tickets die. */
static void other_algorithms_resume_nothing(void **state)
{
    struct tls_params params = params_of_keys("a");

    params.ciphers = "ECDHE+CHACHA20:ECDHE+AESGCM";
    assert_false(resumes_across(server_of_keys("a"), new_server(&params), version_of(state)));
    params = params_of_keys("a");
    params.groups = "P-256:X25519";
    assert_false(resumes_across(server_of_keys("a"), new_server(&params), version_of(state)));
    params = params_of_keys("a");
    params.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
    assert_false(resumes_across(server_of_keys("a"), new_server(&params), version_of(state)));
}

/* A session that was let in by one listener is no way round what another one asks of its clients.
 */
static void other_verification_resumes_nothing(void **state)
{
    const char *name = "client";
    struct tls_params params = params_of_keys("a"), others[6];
    int version = version_of(state);

    params.verify_client = TLS_VERIFY_REQUEST;
    params.client_ca = pki("ca.crt");
    params.verify_depth = 4;
    assert_true(resumes_across(new_server(&params), new_server(&params), version));
    for (size_t i = 0; i < 6; i++)
        others[i] = params;
    others[0].verify_client = TLS_VERIFY_NONE;
    others[1].verify_client = TLS_VERIFY_REQUIRE;
    others[2].client_ca = pki("intermediate.crt");
    others[3].crl = pki("ca.crl");
    others[4].verify_depth = 3;
    others[5].client_names = (struct strings){1, &name};
    for (size_t i = 0; i < 6; i++) {
        struct tls_server *server = new_server(&params), *other = new_server(&others[i]);
        SSL_CTX *ctx = client_context(version);
        SSL_SESSION *session = first_visit(server, version);
        struct link link = open_link(other, ctx);

        assert_int_equal(SSL_set_session(link.client, session), 1);
        SSL_SESSION_free(session);
        assert_int_equal(shake_hands(&link) == STREAM_OK, i != 1);
        if (i != 1)
            assert_false(SSL_session_reused(link.client));
        close_own(&link);
        tls_server_free(server);
        tls_server_free(other);
    }
}

/* Wherever it is: the contents count. */
static void same_issuers_elsewhere_resume(void **state)
{
    struct tls_params params = params_of_keys("a"), other;
    char copy[64], command[600];

    snprintf(copy, sizeof(copy), "/tmp/test_tls_tickets-%d.crt", (int)getpid());
    snprintf(command, sizeof(command), "cp '%s' '%s'", pki("ca.crt"), copy);
    assert_int_equal(system(command), 0);
    params.verify_client = TLS_VERIFY_REQUEST;
    params.client_ca = pki("ca.crt");
    params.verify_depth = 4;
    other = params;
    other.client_ca = copy;
    assert_true(resumes_across(new_server(&params), new_server(&other), version_of(state)));
    unlink(copy);
}

static int make_path(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(same_file_resumes_in_another_context),
        IN_BOTH(every_key_of_the_file_is_accepted),
        IN_BOTH(key_that_left_the_file_resumes_nothing),
        IN_BOTH(forged_key_resumes_nothing),
        IN_BOTH(ticket_names_the_first_key),
        IN_BOTH(no_tickets_resume_nothing),
        cmocka_unit_test(faulty_file_is_named),
        IN_BOTH(shared_ring_resumes_in_another_context),
        IN_BOTH(empty_ring_gives_no_tickets),
        IN_BOTH(older_ticket_is_renewed),
        IN_BOTH(ticket_dies_with_its_key),
        IN_BOTH(renewed_certificate_leaves_sessions_alone),
        IN_BOTH(certificate_of_other_names_resumes_nothing),
        IN_BOTH(other_algorithms_resume_nothing),
        IN_BOTH(other_verification_resumes_nothing),
        IN_BOTH(same_issuers_elsewhere_resume),
    };

    return tls_tests_ready() ? cmocka_run_group_tests(tests, make_path, remove_path) : 77;
}
