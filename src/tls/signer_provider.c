/*
 * signer_provider.c - a provider(7) of OpenSSL for keys that the signer has: it knows their public
 * parts and has the signer sign. One implementation serves all types of keys, since the signer gets
 * the data itself and not a hash of it.
 */
#include "tls/signer_protocol.h"

#include "tls/openssl_util.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define NAME "echod-signer"
#define PROPERTIES "provider=" NAME

/* The parameters from which signer_provide() makes a key. */
#define PARAM_PUBLIC "echod-public"
#define PARAM_NUMBER "echod-number"

/* ---- errors ---- */

#define REASON_UNSIGNED 1

static int error_library;

static void load_error_texts(void)
{
    static ERR_STRING_DATA texts[] = {{0, "the signer did not sign"}, {0, NULL}};

    error_library = ERR_get_next_error_library();
    texts[0].error = ERR_PACK(error_library, 0, REASON_UNSIGNED);
    ERR_load_strings(error_library, texts);
}

/* ---- keys ---- */

struct key {
    const char *type;
    EVP_PKEY *public; /* of OpenSSL's own provider */
    bool is_kept;     /* the signer has its private part */
    uint32_t number;
};

static struct key *new_key(const char *type)
{
    struct key *key = OPENSSL_zalloc(sizeof(*key));

    if (key)
        key->type = type;
    return key;
}

static void free_key(void *data)
{
    struct key *key = data;

    EVP_PKEY_free(key->public);
    OPENSSL_free(key);
}

static int has(const void *data, int selection)
{
    const struct key *key = data;

    return key->public && (key->is_kept || !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY));
}

static int match(const void *a, const void *b, int selection)
{
    (void)selection; /* only public parts can be compared */
    return EVP_PKEY_eq(((const struct key *)a)->public, ((const struct key *)b)->public) == 1;
}

static int import_kept(struct key *key, const OSSL_PARAM *public, const OSSL_PARAM *params)
{
    const OSSL_PARAM *number = OSSL_PARAM_locate_const(params, PARAM_NUMBER);
    const unsigned char *data = public->data;

    key->is_kept = number && OSSL_PARAM_get_uint32(number, &key->number);
    key->public = d2i_PUBKEY(NULL, &data, (long)public->data_size);
    return key->is_kept && key->public;
}

/* Import a key of another provider, such as a certificate's, to compare it with ours. */
static int import_foreign(struct key *key, const OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, key->type, "provider!=" NAME);
    OSSL_PARAM *writable = OSSL_PARAM_dup(params);
    int ok = ctx && writable && EVP_PKEY_fromdata_init(ctx) == 1 &&
             EVP_PKEY_fromdata(ctx, &key->public, EVP_PKEY_PUBLIC_KEY, writable) == 1;

    OSSL_PARAM_free(writable);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int import(void *data, int selection, const OSSL_PARAM *params)
{
    const OSSL_PARAM *public = OSSL_PARAM_locate_const(params, PARAM_PUBLIC);

    (void)selection;
    return public ? import_kept(data, public, params) : import_foreign(data, params);
}

/* The private part cannot be exported. OpenSSL then gets nothing, and uses our provider to sign. */
static int export(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
    const struct key *key = data;

    return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) &&
           EVP_PKEY_export(key->public, selection, callback, arg);
}

/* No parameter is listed: those that are asked for by name are found all the same. */
static const OSSL_PARAM *transported(int selection)
{
    static const OSSL_PARAM none[] = {OSSL_PARAM_END};

    (void)selection;
    return none;
}

static int get_key_params(void *data, OSSL_PARAM params[])
{
    const struct key *key = data;

    return EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *gettable_key_params(void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_END};

    (void)provider;
    return params;
}

/* ---- signatures ---- */

/* The request under construction, until there is data to sign. */
struct signing {
    const struct key *key;
    struct sign_request request;
};

static void *new_signing(void *provider, const char *properties)
{
    (void)provider, (void)properties;
    return OPENSSL_zalloc(sizeof(struct signing));
}

static void free_signing(void *data)
{
    OPENSSL_free(data);
}

/* libssl passes RSA's parameters as texts or as the numbers of openssl/rsa.h. */
struct word {
    int value;
    const char *text;
};

static const struct word paddings[] = {{1, "pkcs1"}, {6, "pss"}, {0, NULL}};
static const struct word salts[] = {{-1, "digest"}, {-2, "auto"}, {-3, "max"}, {0, NULL}};

static int set_text(const OSSL_PARAM *param, const struct word *words, char *text, size_t size)
{
    int value;

    if (!param)
        return 1;
    if (param->data_type == OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_utf8_string(param, &text, size);
    if (!OSSL_PARAM_get_int(param, &value))
        return 0;
    for (; words->text; words++)
        if (words->value == value)
            return snprintf(text, size, "%s", words->text) > 0;
    return snprintf(text, size, "%d", value) > 0;
}

static int set_signing_params(void *data, const OSSL_PARAM params[])
{
    struct sign_request *request = &((struct signing *)data)->request;

    return !params || (set_text(OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE),
                                paddings, request->padding, sizeof(request->padding)) &&
                       set_text(OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN),
                                salts, request->salt, sizeof(request->salt)));
}

static const OSSL_PARAM *settable_signing_params(void *data, void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0), OSSL_PARAM_END};

    (void)data, (void)provider;
    return params;
}

static int sign_init(void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct signing *signing = data;

    if (key)
        signing->key = key;
    if (!signing->key || !signing->key->is_kept)
        return 0;
    snprintf(signing->request.digest, sizeof(signing->request.digest), "%s", digest ? digest : "");
    signing->request.key = signing->key->number;
    return set_signing_params(data, params);
}

static int sign(void *data, unsigned char *signature, size_t *ret_length, size_t size,
                const unsigned char *message, size_t length)
{
    struct signing *signing = data;
    unsigned char answer[SIGNATURE_MAX];
    size_t n;

    if (!signature) {
        *ret_length = (size_t)EVP_PKEY_get_size(signing->key->public);
        return 1;
    }
    if (length > SIGN_DATA_MAX)
        return 0;
    memcpy(signing->request.data, message, length);
    signing->request.length = (uint32_t)length;
    n = signer_sign(&signing->request, answer);
    if (n == 0 || n > size) {
        ERR_raise(error_library, REASON_UNSIGNED);
        return 0;
    }
    memcpy(signature, answer, n);
    *ret_length = n;
    return 1;
}

/* ---- the tables of the provider ---- */

#define FUNCTION(id, function)                                                                     \
    {                                                                                              \
        id, (void (*)(void))function                                                               \
    }

/* The types differ only in OpenSSL's names of the key and its signature. */
#define TYPE(type, key_name, signature_name)                                                       \
    static void *new_##type(void *provider)                                                        \
    {                                                                                              \
        (void)provider;                                                                            \
        return new_key(key_name);                                                                  \
    }                                                                                              \
    static const char *operation_##type(int operation)                                             \
    {                                                                                              \
        return operation == OSSL_OP_SIGNATURE ? signature_name : NULL;                             \
    }                                                                                              \
    static const OSSL_DISPATCH type##_functions[] = {                                              \
        FUNCTION(OSSL_FUNC_KEYMGMT_NEW, new_##type),                                               \
        FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation_##type),                        \
        FUNCTION(OSSL_FUNC_KEYMGMT_FREE, free_key),                                                \
        FUNCTION(OSSL_FUNC_KEYMGMT_HAS, has),                                                      \
        FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, match),                                                  \
        FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, import),                                                \
        FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, transported),                                     \
        FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, export),                                                \
        FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, transported),                                     \
        FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_key_params),                                    \
        FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_key_params),                          \
        {0, NULL},                                                                                 \
    };

TYPE(rsa, "RSA", "RSA")
TYPE(rsa_pss, "RSA-PSS", "RSA")
TYPE(ec, "EC", "ECDSA")
TYPE(ed25519, "ED25519", "ED25519")
TYPE(ed448, "ED448", "ED448")
TYPE(ml_dsa_44, "ML-DSA-44", "ML-DSA-44") /* from OpenSSL 3.5 on */
TYPE(ml_dsa_65, "ML-DSA-65", "ML-DSA-65")
TYPE(ml_dsa_87, "ML-DSA-87", "ML-DSA-87")

static const OSSL_DISPATCH signature_functions[] = {
    FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, new_signing),
    FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, free_signing),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, sign_init),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign),
    FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, set_signing_params),
    FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, settable_signing_params),
    {0, NULL},
};

static const OSSL_ALGORITHM keys[] = {
    {"RSA", PROPERTIES, rsa_functions, NULL},
    {"RSA-PSS", PROPERTIES, rsa_pss_functions, NULL},
    {"EC", PROPERTIES, ec_functions, NULL},
    {"ED25519", PROPERTIES, ed25519_functions, NULL},
    {"ED448", PROPERTIES, ed448_functions, NULL},
    {"ML-DSA-44", PROPERTIES, ml_dsa_44_functions, NULL},
    {"ML-DSA-65", PROPERTIES, ml_dsa_65_functions, NULL},
    {"ML-DSA-87", PROPERTIES, ml_dsa_87_functions, NULL},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM signatures[] = {
    {"RSA", PROPERTIES, signature_functions, NULL},
    {"ECDSA", PROPERTIES, signature_functions, NULL},
    {"ED25519", PROPERTIES, signature_functions, NULL},
    {"ED448", PROPERTIES, signature_functions, NULL},
    {"ML-DSA-44", PROPERTIES, signature_functions, NULL},
    {"ML-DSA-65", PROPERTIES, signature_functions, NULL},
    {"ML-DSA-87", PROPERTIES, signature_functions, NULL},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    if (operation == OSSL_OP_KEYMGMT)
        return keys;
    return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                void **ret_provider)
{
    static const OSSL_DISPATCH functions[] = {FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                              {0, NULL}};

    (void)in;
    *out = functions;
    *ret_provider = (void *)handle;
    return 1;
}

/* Use this provider only for our own keys: for everything else, prefer any other provider. */
static bool load_provider(void)
{
    static OSSL_PROVIDER *provider; /* for the life of the process */

    if (provider)
        return true;
    load_error_texts();
    if (OSSL_PROVIDER_add_builtin(NULL, NAME, init) == 1)
        provider = OSSL_PROVIDER_try_load(NULL, NAME, 1 /* keep those loaded by default */);
    return provider && EVP_set_default_properties(NULL, "?provider!=" NAME) == 1;
}

/* ---- one key ---- */

static EVP_PKEY *make_key(const char *type, uint32_t number, const unsigned char *public,
                          size_t length)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, PROPERTIES);
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(PARAM_PUBLIC, (void *)public, length),
        OSSL_PARAM_construct_uint32(PARAM_NUMBER, &number),
        OSSL_PARAM_construct_end(),
    };

    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

EVP_PKEY *signer_provide(uint32_t number, const unsigned char *public, size_t length,
                         struct err *ret_err)
{
    const unsigned char *data = public;
    EVP_PKEY *key = NULL, *plain = d2i_PUBKEY(NULL, &data, (long)length);

    if (plain && load_provider())
        key = make_key(EVP_PKEY_get0_type_name(plain), number, public, length);
    if (!key)
        err_set(ret_err, "a key of this type cannot be kept apart, as tls.key_isolation wants: %s",
                openssl_reason("unknown error"));
    EVP_PKEY_free(plain);
    ERR_clear_error();
    return key;
}
