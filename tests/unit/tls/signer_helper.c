/* signer_helper.c - signers of the test PKI's keys. */
#include "signer_helper.h"
#include "../between.h"

#include "sandbox/sandbox.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files ---- */

static char directory[] = "/tmp/echod-signer-XXXXXX";
static char files[16][256];
static size_t n_files;

int open_group(void **state)
{
    struct err err;

    (void)state;
    return mkdtemp(directory) ? sandbox_prepare(&err) : -1;
}

int close_group(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_files; i++)
        unlink(files[i]);
    return rmdir(directory);
}

const char *own_file(const char *name)
{
    char path[sizeof(files[0])];
    size_t i = 0;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    while (i < n_files && strcmp(files[i], path) != 0)
        i++;
    assert_true(i < sizeof(files) / sizeof(*files));
    n_files = i == n_files ? i + 1 : n_files;
    return strcpy(files[i], path);
}

void copy_file(const char *from, const char *to)
{
    char data[16384];
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");
    size_t n;

    assert_non_null(in);
    assert_non_null(out);
    n = fread(data, 1, sizeof(data), in);
    assert_between(n, 1, sizeof(data) - 1);
    assert_int_equal(fwrite(data, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* ---- signers ---- */

struct signer *start_signer(const char *const *paths, size_t n)
{
    struct signer *signer = NULL;
    struct err err;

    if (signer_start(paths, n, NULL, &signer, &err) < 0)
        fail_msg("%s", err.text);
    return signer;
}

struct signer *signer_of(const char *path)
{
    return start_signer(&path, 1);
}

EVP_PKEY *key_of(const struct signer *signer, const char *path)
{
    struct err err;
    EVP_PKEY *key = signer_key(signer, path, &err);

    if (!key)
        fail_msg("%s", err.text);
    return key;
}

int use_line(const struct signer *signer)
{
    int line = signer_connect(signer, 10 * USEC_PER_SEC);

    assert_true(line >= 0);
    signer_use(line);
    return line;
}

/* ---- signatures ---- */

static const unsigned char message[] = "what a handshake has signed";

static int set_padding(EVP_PKEY_CTX *ctx, const struct way *way)
{
    if (way->padding == 0)
        return 1;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, way->padding) != 1)
        return 0;
    return way->padding != RSA_PKCS1_PSS_PADDING ||
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool sign(EVP_PKEY *key, const struct way *way, unsigned char *signature, size_t *length)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx;
    bool ok = EVP_DigestSignInit_ex(ctx, &key_ctx, way->digest, NULL, NULL, key, NULL) == 1 &&
              set_padding(key_ctx, way) == 1 &&
              EVP_DigestSign(ctx, signature, length, message, sizeof(message)) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool verifies(EVP_PKEY *public, const struct way *way, const unsigned char *signature,
                     size_t length)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx;
    bool ok = EVP_DigestVerifyInit_ex(ctx, &key_ctx, way->digest, NULL, NULL, public, NULL) == 1 &&
              set_padding(key_ctx, way) == 1 &&
              EVP_DigestVerify(ctx, signature, length, message, sizeof(message)) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

bool signs(EVP_PKEY *key, EVP_PKEY *public, const struct way *way)
{
    unsigned char signature[8192];
    size_t length = sizeof(signature);

    return sign(key, way, signature, &length) && verifies(public, way, signature, length);
}

void assert_signer_signs(const struct signer *signer)
{
    const struct way way = {.digest = "SHA256"};
    EVP_PKEY *key = key_of(signer, pki("server.key")), *public = public_of(pki("server.crt"));

    use_line(signer);
    assert_true(signs(key, public, &way));
    signer_hang_up();
    EVP_PKEY_free(key);
    EVP_PKEY_free(public);
}

void assert_no_signature(EVP_PKEY *key, const char *digest)
{
    const struct way way = {.digest = digest};
    unsigned char signature[8192];
    size_t length = sizeof(signature);
    const char *reason;

    ERR_clear_error();
    assert_false(sign(key, &way, signature, &length));
    reason = ERR_reason_error_string(ERR_peek_error());
    assert_non_null(reason);
    assert_string_equal(reason, "the signer did not sign");
    ERR_clear_error();
}

EVP_PKEY *public_of(const char *certificate)
{
    BIO *file = BIO_new_file(certificate, "r");
    X509 *x509 = PEM_read_bio_X509(file, NULL, NULL, NULL);
    EVP_PKEY *public = X509_get_pubkey(x509);

    assert_non_null(public);
    X509_free(x509);
    BIO_free(file);
    return public;
}
