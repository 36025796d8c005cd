/* test_signer_sign.c - what the signer signs, and what it does not. */
#include "../between.h"
#include "signer_helper.h"

#include "tls/signer_protocol.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- signatures that verify ---- */

static const struct way rsa_ways[] = {
    {"SHA256", RSA_PKCS1_PADDING},     {"SHA384", RSA_PKCS1_PADDING},
    {"SHA512", RSA_PKCS1_PADDING},     {"SHA256", RSA_PKCS1_PSS_PADDING},
    {"SHA384", RSA_PKCS1_PSS_PADDING}, {"SHA512", RSA_PKCS1_PSS_PADDING},
};
static const struct way pss_ways[] = {
    {"SHA256", RSA_PKCS1_PSS_PADDING}, {"SHA384", RSA_PKCS1_PSS_PADDING}, {"SHA256", 0}};
static const struct way ec_ways[] = {{"SHA256", 0}, {"SHA384", 0}, {"SHA512", 0}};
static const struct way pure[] = {{NULL, 0}};

/* Each signature takes a line of its own. */
static void assert_signs(const char *path, EVP_PKEY *public, const struct way *ways, size_t n)
{
    struct signer *signer = signer_of(path);
    EVP_PKEY *key = key_of(signer, path);

    assert_int_equal(EVP_PKEY_eq(key, public), 1);
    assert_int_equal(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(public));
    for (size_t i = 0; i < n; i++) {
        use_line(signer);
        if (!signs(key, public, &ways[i]))
            fail_msg("%s: %s, padding %d", path, ways[i].digest, ways[i].padding);
        signer_hang_up();
    }
    EVP_PKEY_free(key);
    signer_stop(signer);
}

static void keys_of_certificates_sign(void **state)
{
    static const struct {
        const char *key, *certificate;
        const struct way *ways;
        size_t n;
    } kinds[] = {{"server.key", "server.crt", ec_ways, 3},
                 {"server-rsa.key", "server-rsa.crt", rsa_ways, 6},
                 {"server-ed25519.key", "server-ed25519.crt", pure, 1}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *public = public_of(pki(kinds[i].certificate));

        assert_signs(pki(kinds[i].key), public, kinds[i].ways, kinds[i].n);
        EVP_PKEY_free(public);
    }
}

/* ML-DSA is from OpenSSL 3.5 on. */
static bool is_known(const char *type)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, "provider!=echod-signer");
    bool known = ctx != NULL;

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    if (!known)
        print_message("this OpenSSL has no %s\n", type);
    return known;
}

static EVP_PKEY *generate(const char *type, const char *group)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    if (group)
        assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, group), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void write_key(EVP_PKEY *key, const char *path)
{
    BIO *file = BIO_new_file(path, "w");

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    BIO_free(file);
}

/* Those that no certificate of the PKI has. */
static void other_keys_sign(void **state)
{
    static const struct {
        const char *type, *group;
        const struct way *ways;
        size_t n;
    } kinds[] = {{"EC", "P-384", ec_ways, 3},    {"EC", "P-521", ec_ways, 3},
                 {"RSA-PSS", NULL, pss_ways, 3}, {"ED448", NULL, pure, 1},
                 {"ML-DSA-44", NULL, pure, 1},   {"ML-DSA-65", NULL, pure, 1},
                 {"ML-DSA-87", NULL, pure, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        EVP_PKEY *key;

        if (!is_known(kinds[i].type))
            continue;
        key = generate(kinds[i].type, kinds[i].group);

        write_key(key, own_file("generated.key"));
        assert_signs(own_file("generated.key"), key, kinds[i].ways, kinds[i].n);
        EVP_PKEY_free(key);
    }
}

/* The number of a key is that of its file. */
static void each_key_signs_for_itself(void **state)
{
    const char *paths[] = {pki("none.key"), pki("server-rsa.key"), pki("server.key")};
    struct signer *signer = start_signer(paths, 3);
    EVP_PKEY *key = key_of(signer, paths[1]), *public = public_of(pki("server-rsa.crt"));

    (void)state;
    use_line(signer);
    assert_true(signs(key, public, &rsa_ways[0]));
    signer_hang_up();
    assert_signer_signs(signer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(public);
    signer_stop(signer);
}

static void tls_accepts_the_key(void **state)
{
    static const char *const names[][2] = {{"server.crt", "server.key"},
                                           {"server-rsa.crt", "server-rsa.key"},
                                           {"server-ed25519.crt", "server-ed25519.key"}};
    struct fault_list list = {.sink = {.report = keep_fault, .arg = &list}};
    int version = version_of(state);

    for (size_t i = 0; i < 3; i++) {
        struct tls_params params = good_params();
        struct signer *signer;
        struct tls_server *server;
        SSL_CTX *ctx = client_context(version);
        struct link link;

        params.certificate = pki(names[i][0]);
        params.key = pki(names[i][1]);
        signer = signer_of(params.key);
        assert_int_equal(tls_server_new(&params, signer, &list.sink, &server), 0);
        use_line(signer);
        link = connected_link(server, ctx);
        signer_hang_up();
        close_link(&link);
        SSL_CTX_free(ctx);
        tls_server_free(server);
        signer_stop(signer);
    }
}

/* ---- what is refused ---- */

/* The state of a test: a signer of RSA and EC. */
struct fixture {
    struct signer *signer;
    EVP_PKEY *rsa, *ec;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    const char *paths[] = {pki("server-rsa.key"), pki("server.key"), pki("none.key")};

    fixture.signer = start_signer(paths, 3);
    fixture.rsa = key_of(fixture.signer, paths[0]);
    fixture.ec = key_of(fixture.signer, paths[1]);
    *state = &fixture;
    return 0;
}

/* Whatever was done to the signer, it lives and serves. */
static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    int alive = kill(signer_pid(fixture->signer), 0);

    signer_hang_up();
    assert_signer_signs(fixture->signer);
    EVP_PKEY_free(fixture->rsa);
    EVP_PKEY_free(fixture->ec);
    signer_stop(fixture->signer);
    return alive;
}

static void line_is_good_for_one_signature(void **state)
{
    const struct fixture *fixture = *state;
    EVP_PKEY *public = public_of(pki("server.crt"));

    use_line(fixture->signer);
    assert_true(signs(fixture->ec, public, &ec_ways[0]));
    assert_no_signature(fixture->ec, "SHA256");
    assert_no_signature(fixture->rsa, "SHA256");
    EVP_PKEY_free(public);
}

static void nothing_is_signed_without_a_line(void **state)
{
    const struct fixture *fixture = *state;

    signer_use(-1);
    assert_no_signature(fixture->ec, "SHA256");
}

static void hanging_up_closes_the_line(void **state)
{
    const struct fixture *fixture = *state;
    int line = use_line(fixture->signer);

    signer_hang_up();
    assert_int_equal(fcntl(line, F_GETFD), -1);
    assert_no_signature(fixture->ec, "SHA256");
    signer_hang_up();
}

/* A signer that hangs costs a handshake, not a client's process for ever. */
static void answer_may_not_take_for_ever(void **state)
{
    const struct fixture *fixture = *state;
    uint64_t start = now_usec();

    assert_int_equal(kill(signer_pid(fixture->signer), SIGSTOP), 0);
    signer_use(signer_connect(fixture->signer, 200 * USEC_PER_MSEC));
    assert_no_signature(fixture->ec, "SHA256");
    assert_between(now_usec() - start, 200 * USEC_PER_MSEC, 5 * USEC_PER_SEC);
    assert_int_equal(kill(signer_pid(fixture->signer), SIGCONT), 0);
}

/* What the RSA key exchange of TLS 1.2 would need. */
static void nothing_is_decrypted(void **state)
{
    const struct fixture *fixture = *state;
    EVP_PKEY *public = public_of(pki("server-rsa.crt"));
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(public, NULL);
    unsigned char secret[512], plain[512];
    size_t n = sizeof(secret), plain_n = sizeof(plain);

    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_encrypt(ctx, secret, &n, (const unsigned char *)"secret", 6), 1);
    EVP_PKEY_CTX_free(ctx);
    use_line(fixture->signer);
    ctx = EVP_PKEY_CTX_new(fixture->rsa, NULL);
    assert_non_null(ctx);
    assert_false(EVP_PKEY_decrypt_init(ctx) == 1 &&
                 EVP_PKEY_decrypt(ctx, plain, &plain_n, secret, n) == 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(public);
    ERR_clear_error();
}

/* As if the data were a hash already: it would let a client choose what is signed. */
static void no_hash_is_signed(void **state)
{
    const struct fixture *fixture = *state;
    EVP_PKEY *keys[] = {fixture->rsa, fixture->ec};

    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(keys[i], NULL);
        unsigned char signature[512];
        static const unsigned char hash[32];
        size_t n = sizeof(signature);

        use_line(fixture->signer);
        assert_false(EVP_PKEY_sign_init(ctx) == 1 &&
                     EVP_PKEY_sign(ctx, signature, &n, hash, sizeof(hash)) == 1);
        signer_hang_up();
        EVP_PKEY_CTX_free(ctx);
    }
    ERR_clear_error();
}

static void private_part_does_not_leave(void **state)
{
    const struct fixture *fixture = *state;
    BIO *memory = BIO_new(BIO_s_mem());
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(fixture->rsa, "d", &number), 0);
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(memory, fixture->rsa, NULL, NULL, 0, NULL, NULL),
                     0);
    assert_int_equal(BIO_pending(memory), 0);
    BIO_free(memory);
    ERR_clear_error();
}

/* ---- a client's process that has been taken over: it can send anything ---- */

/* A request that is answered, of `length` bytes to sign. */
static struct sign_request request_of(uint32_t length)
{
    return (struct sign_request){
        .key = 0, .digest = "SHA256", .padding = "pkcs1", .length = length};
}

/* Send so many bytes. Returns the length of the answer, 0 for an end of the line. */
static ssize_t answer_to(const struct fixture *fixture, const void *data, size_t n)
{
    int line = signer_connect(fixture->signer, 10 * USEC_PER_SEC);
    unsigned char answer[SIGNATURE_MAX];
    ssize_t length;

    assert_true(line >= 0);
    assert_int_equal(send(line, data, n, MSG_NOSIGNAL), n);
    length = recv(line, answer, sizeof(answer), 0);
    close(line);
    return length;
}

static ssize_t answer_to_request(const struct fixture *fixture, const struct sign_request *request)
{
    return answer_to(fixture, request, offsetof(struct sign_request, data) + request->length);
}

static void sound_request_is_answered(void **state)
{
    const struct sign_request small = request_of(1), none = request_of(0),
                              large = request_of(SIGN_DATA_MAX);

    assert_int_equal(answer_to_request(*state, &small), 256); /* RSA of 2048 bits */
    assert_int_equal(answer_to_request(*state, &none), 256);
    assert_int_equal(answer_to_request(*state, &large), 256);
}

static void length_that_lies_is_hung_up_on(void **state)
{
    const size_t head = offsetof(struct sign_request, data);
    static unsigned char oversized[2 * sizeof(struct sign_request)];
    struct sign_request request = request_of(10);

    assert_int_equal(answer_to(*state, &request, 1), 0);
    assert_int_equal(answer_to(*state, &request, head - 1), 0);
    assert_int_equal(answer_to(*state, &request, head), 0);
    assert_int_equal(answer_to(*state, &request, head + 9), 0);
    assert_int_equal(answer_to(*state, &request, head + 11), 0);
    request.length = UINT32_MAX;
    assert_int_equal(answer_to(*state, &request, sizeof(request)), 0);
    request.length = SIGN_DATA_MAX + 1;
    memcpy(oversized, &request, sizeof(request));
    assert_int_equal(answer_to(*state, oversized, sizeof(request) + 1), 0);
    assert_int_equal(answer_to(*state, oversized, sizeof(oversized)), 0);
}

static void garbage_is_hung_up_on(void **state)
{
    static unsigned char garbage[sizeof(struct sign_request)];
    uint32_t random = 1;

    for (size_t size = 1; size <= sizeof(garbage); size = size * 3 + 1) {
        for (size_t i = 0; i < size; i++)
            garbage[i] = (unsigned char)((random = random * 1103515245 + 12345) >> 16);
        assert_int_equal(answer_to(*state, garbage, size), 0);
    }
}

static void wrong_number_is_hung_up_on(void **state)
{
    static const uint32_t numbers[] = {2 /* not loaded */, 3, 4096, UINT32_MAX};
    struct sign_request request = request_of(10);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        request.key = numbers[i];
        assert_int_equal(answer_to_request(*state, &request), 0);
    }
}

static void text_without_end_is_hung_up_on(void **state)
{
    struct sign_request request = request_of(10);

    memset(request.digest, 'A', sizeof(request.digest));
    assert_int_equal(answer_to_request(*state, &request), 0);
    request = request_of(10);
    memset(request.padding, 'A', sizeof(request.padding));
    assert_int_equal(answer_to_request(*state, &request), 0);
    request = request_of(10);
    memset(request.salt, 'A', sizeof(request.salt));
    assert_int_equal(answer_to_request(*state, &request), 0);
}

/* Neither a hash that is none nor, with no padding at all, what would be a raw operation. */
static void unknown_words_are_hung_up_on(void **state)
{
    static const struct sign_request requests[] = {
        {.digest = "nonsense", .padding = "pkcs1", .length = 10},
        {.digest = "SHA256", .padding = "none", .length = 256},
        {.digest = "", .padding = "none", .length = 256},
        {.digest = "SHA256", .padding = "pss", .salt = "100000", .length = 10},
        {.key = 1, .digest = "nonsense", .length = 10},
    };

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
        if (answer_to_request(*state, &requests[i]) != 0)
            fail_msg("request %zu was answered", i);
}

/* Whether the first one is read or lost with the reset: never is there a second answer. */
static void second_request_is_not_answered(void **state)
{
    const struct fixture *fixture = *state;
    const struct sign_request request = request_of(10);
    const size_t size = offsetof(struct sign_request, data) + request.length;
    int line = signer_connect(fixture->signer, 10 * USEC_PER_SEC), answers = 0;
    unsigned char answer[SIGNATURE_MAX];

    assert_int_equal(kill(signer_pid(fixture->signer), SIGSTOP), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(line, &request, size, MSG_NOSIGNAL), size);
    assert_int_equal(kill(signer_pid(fixture->signer), SIGCONT), 0);
    for (int i = 0; i < 5; i++)
        answers += recv(line, answer, sizeof(answer), 0) > 0;
    assert_between(answers, 0, 1);
    assert_true(send(line, &request, size, MSG_NOSIGNAL) < 0);
    close(line);
}

static void many_lines_are_open_at_once(void **state)
{
    const struct fixture *fixture = *state;
    EVP_PKEY *public = public_of(pki("server.crt"));
    int lines[200];

    for (size_t i = 0; i < 200; i++)
        lines[i] = signer_connect(fixture->signer, 10 * USEC_PER_SEC);
    for (size_t i = 0; i < 200; i += 2)
        close(lines[i]);
    for (size_t i = 1; i < 200; i += 2) {
        signer_use(lines[i]);
        assert_true(signs(fixture->ec, public, &ec_ways[0]));
        signer_hang_up();
    }
    EVP_PKEY_free(public);
}

#define WITH_SIGNER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_certificates_sign), cmocka_unit_test(other_keys_sign),
        cmocka_unit_test(each_key_signs_for_itself), IN_BOTH(tls_accepts_the_key),
        WITH_SIGNER(line_is_good_for_one_signature), WITH_SIGNER(nothing_is_signed_without_a_line),
        WITH_SIGNER(hanging_up_closes_the_line),     WITH_SIGNER(answer_may_not_take_for_ever),
        WITH_SIGNER(nothing_is_decrypted),           WITH_SIGNER(no_hash_is_signed),
        WITH_SIGNER(private_part_does_not_leave),    WITH_SIGNER(sound_request_is_answered),
        WITH_SIGNER(length_that_lies_is_hung_up_on), WITH_SIGNER(garbage_is_hung_up_on),
        WITH_SIGNER(wrong_number_is_hung_up_on),     WITH_SIGNER(text_without_end_is_hung_up_on),
        WITH_SIGNER(unknown_words_are_hung_up_on),   WITH_SIGNER(second_request_is_not_answered),
        WITH_SIGNER(many_lines_are_open_at_once),
    };

    return tls_tests_ready() ? cmocka_run_group_tests(tests, open_group, close_group) : 77;
}
