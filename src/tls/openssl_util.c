/* openssl_util.c - what the modules that use OpenSSL share. */
#include "tls/openssl_util.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

static bool is_of_tls(unsigned long code)
{
    return ERR_GET_LIB(code) == ERR_LIB_SSL && !ERR_COMMON_ERROR(code);
}

/*
 * Empties the error queue and returns its most telling entry, 0 if it is empty. That is the oldest
 * entry, which is nearest to the cause. If the TLS layer has a reason of its own, it is the oldest
 * of those: from OpenSSL 3.2 on a general one ("record layer failure") follows it.
 */
static unsigned long telling_error(void)
{
    unsigned long code, telling = 0;

    while ((code = ERR_get_error()) != 0)
        if (telling == 0 || (is_of_tls(code) && !is_of_tls(telling)))
            telling = code;
    return telling;
}

const char *openssl_reason(const char *none)
{
    unsigned long code = telling_error();
    const char *text = ERR_reason_error_string(code);

    if (code == 0)
        return none;
    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    if ((ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
        (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER && ERR_GET_REASON(code) == ERR_R_UNSUPPORTED))
        return "no such thing in PEM form in it";
    return text ? text : "unknown error";
}

/* The daemon cannot ask for a passphrase; `arg` is a bool that notes that one was needed. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)arg = true;
    return -1;
}

EVP_PKEY *openssl_load_key(const char *path, struct err *ret_err)
{
    bool encrypted = false;
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, no_passphrase, &encrypted) : NULL;

    if (!key)
        err_set(ret_err, "cannot load %s: %s", path,
                encrypted ? "it is encrypted" : openssl_reason("unknown error"));
    ERR_clear_error();
    BIO_free(file);
    return key;
}
