/*
 * test_tls_client.c - the client's side of TLS, against a server made of OpenSSL in the same
 * process. See test_tls_client_trust.c for certificates and the faults of a client's context.
 */
#include "tls_client_helper.h"

#include <openssl/err.h>
#include <string.h>

/* ---- the handshake and what it agreed on ---- */

static void handshake_is_described(void **state)
{
    const struct version *version = *state;
    SSL_CTX *ctx = server_context("server", version->number);
    struct tls_client_params params = trusting_params();
    struct meeting meeting = met(ctx, &params, "localhost", NULL);
    struct tls_facts facts = {.alpn = "?"};

    tls_describe(&meeting.stream, &facts);
    assert_string_equal(facts.version, version->name);
    assert_string_equal(facts.cipher, SSL_get_cipher_name(meeting.server));
    assert_string_equal(facts.group, group_of(meeting.server));
    assert_string_equal(facts.alpn, "");
    assert_false(facts.resumed);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void bytes_go_both_ways(void **state)
{
    SSL_CTX *ctx = server_context("server", version_of(state));
    struct tls_client_params params = trusting_params();
    struct meeting meeting = met(ctx, &params, "localhost", NULL);
    char data[16];
    size_t n;

    assert_int_equal(stream_write(&meeting.stream, "there", 5, &n), STREAM_OK);
    assert_int_equal(n, 5);
    assert_int_equal(SSL_read(meeting.server, data, sizeof(data)), 5);
    assert_memory_equal(data, "there", 5);
    assert_int_equal(SSL_write(meeting.server, "and back", 8), 8);
    assert_int_equal(stream_read(&meeting.stream, data, sizeof(data), &n), STREAM_OK);
    assert_int_equal(n, 8);
    assert_memory_equal(data, "and back", 8);
    assert_int_equal(SSL_shutdown(meeting.server), 0);
    assert_int_equal(stream_read(&meeting.stream, data, sizeof(data), &n), STREAM_EOF);
    assert_false(meeting.stream.truncated);
    part(&meeting);
    SSL_CTX_free(ctx);
}

/* RFC 6066, 3: names only. */
static void the_name_is_sent_unless_it_is_an_address(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};

    for (size_t i = 0; i < 3; i++) {
        SSL_CTX *ctx = server_context("server", version_of(state));
        struct tls_client_params params = trusting_params();
        struct meeting meeting = met(ctx, &params, names[i], NULL);
        const char *sent = SSL_get_servername(meeting.server, TLSEXT_NAMETYPE_host_name);

        if (i == 0)
            assert_string_equal(sent, "localhost");
        else
            assert_null(sent);
        part(&meeting);
        SSL_CTX_free(ctx);
    }
}

/* ---- versions and ciphers ---- */

static void assert_version(int server, int min, int max, const char *name)
{
    SSL_CTX *ctx = server_context("server", server);
    struct tls_client_params params = trusting_params();
    struct meeting meeting;
    struct tls_facts facts;

    params.min_version = min;
    params.max_version = max;
    meeting = met(ctx, &params, "localhost", NULL);
    tls_describe(&meeting.stream, &facts);
    assert_string_equal(facts.version, name);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void assert_no_version(int server, int min, int max)
{
    SSL_CTX *ctx = server_context("server", server);
    struct tls_client_params params = trusting_params();
    struct meeting meeting;

    params.min_version = min;
    params.max_version = max;
    meeting = begin_meeting(ctx, &params, "localhost", NULL);
    assert_int_equal(meet(&meeting), STREAM_FAILED);
    assert_int_equal(meeting.stream.end, END_TLS_ERROR);
    assert_true(meeting.stream.error[0] != '\0');
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void versions_are_obeyed(void **state)
{
    (void)state;
    assert_version(0, TLS_NEWEST, TLS_NEWEST, "TLSv1.3");
    assert_version(0, TLS_V1_2, TLS_V1_2, "TLSv1.2");
    assert_version(0, TLS_NEWEST, TLS_V1_2, "TLSv1.2");
    assert_version(0, TLS_V1_3, TLS_NEWEST, "TLSv1.3");
    assert_version(TLS1_2_VERSION, TLS_NEWEST, TLS_NEWEST, "TLSv1.2");
    assert_no_version(TLS1_2_VERSION, TLS_V1_3, TLS_NEWEST);
    assert_no_version(TLS1_3_VERSION, TLS_NEWEST, TLS_V1_2);
}

static void assert_cipher(int version, const char *cipher)
{
    SSL_CTX *ctx = server_context("server", version);
    struct tls_client_params params = trusting_params();
    struct meeting meeting;

    params.ciphers = cipher;
    meeting = met(ctx, &params, "localhost", NULL);
    assert_string_equal(SSL_get_cipher_name(meeting.server), cipher);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void ciphers_of_either_kind_are_obeyed(void **state)
{
    (void)state;
    assert_cipher(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_cipher(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305");
    assert_cipher(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256");
    assert_cipher(TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256");
}

/* ---- ALPN ---- */

/* What the server was offered, as it was on the wire. */
static struct {
    unsigned char list[256];
    unsigned n;
} offered;

static int choose_last(SSL *server, const unsigned char **ret_name, unsigned char *ret_length,
                       const unsigned char *list, unsigned n, void *arg)
{
    (void)server, (void)arg;
    assert_true(n <= sizeof(offered.list));
    memcpy(offered.list, list, n);
    offered.n = n;
    for (unsigned i = 0; i < n; i += 1u + list[i]) {
        *ret_name = list + i + 1;
        *ret_length = list[i];
    }
    return SSL_TLSEXT_ERR_OK;
}

static void assert_alpn(const char *names, const char *list, const char *chosen)
{
    SSL_CTX *ctx = server_context("server", 0);
    struct tls_client_params params = trusting_params();
    struct meeting meeting;
    struct tls_facts facts;

    offered.n = 0;
    SSL_CTX_set_alpn_select_cb(ctx, choose_last, NULL);
    params.alpn = names;
    meeting = met(ctx, &params, "localhost", NULL);
    assert_int_equal(offered.n, strlen(list));
    assert_memory_equal(offered.list, list, strlen(list));
    tls_describe(&meeting.stream, &facts);
    assert_string_equal(facts.alpn, chosen);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void alpn_is_offered_in_order(void **state)
{
    (void)state;
    assert_alpn(NULL, "", "");
    assert_alpn("echo", "\4echo", "echo");
    assert_alpn("h2,http/1.1,echo", "\2h2\10http/1.1\4echo", "echo");
}

/* ---- the certificate of the client ---- */

static SSL_CTX *asking_context(int version)
{
    SSL_CTX *ctx = server_context("server", version);

    assert_int_equal(SSL_CTX_load_verify_locations(ctx, pki("ca.crt"), NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

static void our_certificate_is_sent_with_its_issuers(void **state)
{
    static const char *const names[][2] = {{"client.crt", "client.key"},
                                           {"client-rsa.crt", "client-rsa.key"},
                                           {"client-ed25519.crt", "client-ed25519.key"}};

    for (size_t i = 0; i < 3; i++) {
        SSL_CTX *ctx = asking_context(version_of(state));
        struct tls_client_params params = trusting_params();
        struct meeting meeting;
        char subject[64];

        params.certificate = pki(names[i][0]);
        params.key = pki(names[i][1]);
        meeting = met(ctx, &params, "localhost", NULL);
        assert_int_equal(SSL_get_verify_result(meeting.server), X509_V_OK);
        X509_NAME_oneline(X509_get_subject_name(SSL_get0_peer_certificate(meeting.server)), subject,
                          sizeof(subject));
        assert_string_equal(subject, "/CN=client");
        part(&meeting);
        SSL_CTX_free(ctx);
    }
}

/* In TLS 1.3 the client is done before the server has looked: its alert comes later. */
static void who_needs_a_certificate_refuses_us_without(void **state)
{
    SSL_CTX *ctx = asking_context(version_of(state));
    struct tls_client_params params = trusting_params();
    struct meeting meeting = begin_meeting(ctx, &params, "localhost", NULL);
    char data[16];
    size_t n;

    if (meet(&meeting) == STREAM_OK)
        assert_int_equal(stream_read(&meeting.stream, data, sizeof(data), &n), STREAM_FAILED);
    assert_int_equal(meeting.stream.end, END_TLS_ERROR);
    assert_non_null(strstr(meeting.stream.error, version_of(state) == TLS1_3_VERSION
                                                     ? "alert certificate required"
                                                     : "alert handshake failure"));
    part(&meeting);
    SSL_CTX_free(ctx);
}

/* ---- sessions ---- */

/* What the server says after the handshake; tickets of TLS 1.3 come along. */
static void hear_server(struct meeting *meeting)
{
    char byte;
    size_t n;

    assert_int_equal(SSL_write(meeting->server, "!", 1), 1);
    assert_int_equal(stream_read(&meeting->stream, &byte, 1, &n), STREAM_OK);
}

static void a_session_is_resumed(void **state)
{
    SSL_CTX *ctx = server_context("server", version_of(state));
    struct tls_client_params params = trusting_params();
    struct tls_session *session = NULL;

    for (int i = 0; i < 3; i++) {
        struct meeting meeting = met(ctx, &params, "localhost", session);
        struct tls_facts facts;

        tls_describe(&meeting.stream, &facts);
        assert_int_equal(facts.resumed, i > 0);
        assert_int_equal(SSL_session_reused(meeting.server), i > 0);
        hear_server(&meeting);
        tls_session_free(session);
        session = tls_session_get(&meeting.stream);
        assert_non_null(session);
        stream_finish(&meeting.stream);
        part(&meeting);
    }
    tls_session_free(session);
    SSL_CTX_free(ctx);
}

static void a_session_comes_with_its_ticket(void **state)
{
    SSL_CTX *ctx = server_context("server", version_of(state));
    struct tls_client_params params = trusting_params();
    struct meeting meeting = met(ctx, &params, "localhost", NULL);
    struct tls_session *session = tls_session_get(&meeting.stream);

    if (version_of(state) == TLS1_3_VERSION)
        assert_null(session);
    else
        assert_non_null(session);
    tls_session_free(session);
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void no_ticket_is_no_session(void **state)
{
    SSL_CTX *ctx = server_context("server", version_of(state));
    struct tls_client_params params = trusting_params();
    struct meeting meeting;

    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    meeting = met(ctx, &params, "localhost", NULL);
    hear_server(&meeting);
    assert_null(tls_session_get(&meeting.stream));
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void a_plain_stream_has_no_session(void **state)
{
    struct stream stream;

    (void)state;
    stream_open(&stream, -1);
    assert_null(tls_session_get(&stream));
    tls_session_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(handshake_is_described),
        IN_BOTH(bytes_go_both_ways),
        IN_BOTH(the_name_is_sent_unless_it_is_an_address),
        cmocka_unit_test(versions_are_obeyed),
        cmocka_unit_test(ciphers_of_either_kind_are_obeyed),
        cmocka_unit_test(alpn_is_offered_in_order),
        IN_BOTH(our_certificate_is_sent_with_its_issuers),
        IN_BOTH(who_needs_a_certificate_refuses_us_without),
        IN_BOTH(a_session_is_resumed),
        IN_BOTH(a_session_comes_with_its_ticket),
        IN_BOTH(no_ticket_is_no_session),
        cmocka_unit_test(a_plain_stream_has_no_session),
    };

    return RUN_TLS_TESTS(tests);
}
