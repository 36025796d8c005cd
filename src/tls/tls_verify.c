/* tls_verify.c - verifies clients' certificates: by issuer, revocation and name. */
#include "tls/tls_private.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- issuers ---- */

/* Trust an issuer, and name it to clients that choose a certificate (RFC 8446, 4.2.4). */
static bool trust_issuer(SSL_CTX *ctx, X509 *issuer)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), issuer) == 1 &&
           SSL_CTX_add_client_CA(ctx, issuer) == 1;
}

static int trust_file(SSL_CTX *ctx, const char *path, struct err *ret_err)
{
    STACK_OF(X509) *issuers = tls_load_chain(path, ret_err);
    int result = issuers ? 0 : -1;

    for (int i = 0; result == 0 && i < sk_X509_num(issuers); i++)
        if (!trust_issuer(ctx, sk_X509_value(issuers, i)))
            result = err_set(ret_err, "cannot use %s: %s", path, openssl_reason("unknown error"));
    sk_X509_pop_free(issuers, X509_free);
    return result;
}

/* Load all files now: a client's process cannot open one. Skip files that are not certificates. */
static int trust_directory(SSL_CTX *ctx, const char *path, struct err *ret_err)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    struct err ignored;
    int trusted = 0;

    if (!directory)
        return err_set(ret_err, "cannot read %s: %s", path, strerror(errno));
    while ((entry = readdir(directory))) {
        char *file;

        if (entry->d_name[0] == '.' || asprintf(&file, "%s/%s", path, entry->d_name) < 0)
            continue;
        trusted += trust_file(ctx, file, &ignored) == 0;
        free(file);
    }
    closedir(directory);
    ERR_clear_error();
    return trusted > 0 ? 0 : err_set(ret_err, "no file in %s has a certificate in PEM form", path);
}

static void load_issuers(SSL_CTX *ctx, const char *path, struct faults *faults)
{
    struct stat st;
    struct err err;
    bool is_directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

    if ((is_directory ? trust_directory : trust_file)(ctx, path, &err) < 0)
        fault(faults, "tls.client_ca", "%s", err.text);
}

/* ---- CRLs (RFC 5280, 5) ---- */

/* Refuse a stale CRL here: it would make every client's verification fail. */
static void add_crl(SSL_CTX *ctx, X509_CRL *crl, const char *path, struct faults *faults)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    char issuer[128];

    X509_NAME_oneline(X509_CRL_get_issuer(crl), issuer, sizeof(issuer));
    if (next && tls_time(next) <= time(NULL))
        fault(faults, "tls.crl", "%s: the CRL of %s is stale: its next update is past", path,
              issuer);
    else if (tls_time(X509_CRL_get0_lastUpdate(crl)) > time(NULL))
        fault(faults, "tls.crl", "%s: the CRL of %s is not valid yet", path, issuer);
    else if (X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), crl) != 1)
        fault(faults, "tls.crl", "cannot use %s: %s", path, openssl_reason("unknown error"));
}

static int add_crls(SSL_CTX *ctx, const struct tls_bytes *pem, const char *path,
                    struct faults *faults)
{
    BIO *text = BIO_new_mem_buf(pem->bytes, (int)pem->length);
    X509_CRL *crl;
    int n = 0;

    while (text && (crl = PEM_read_bio_X509_CRL(text, NULL, NULL, NULL))) {
        add_crl(ctx, crl, path, faults);
        X509_CRL_free(crl);
        n++;
    }
    BIO_free(text);
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error(); /* that is the end of the file */
    return n;
}

static void load_crls(SSL_CTX *ctx, const char *path, struct faults *faults)
{
    struct tls_bytes pem = {0};
    const char *reason = tls_read_file(path, &pem);

    if (reason)
        fault(faults, "tls.crl", "cannot load %s: %s", path, reason);
    else if (add_crls(ctx, &pem, path, faults) == 0 || ERR_peek_error() != 0)
        fault(faults, "tls.crl", "cannot load %s: %s", path,
              openssl_reason("there is no CRL in it"));
    free(pem.bytes);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx),
                         X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

/* ---- names ---- */

/*
 * A star in the pattern stands for one label, part or segment: for at least one byte, none of which
 * is `divider`. Upper and lower case differ only if `exact` is set.
 */
static bool matches(const char *pattern, const char *name, char divider, bool exact)
{
    int (*compare)(const char *, const char *, size_t) = exact ? strncmp : strncasecmp;
    const char *star = strchr(pattern, '*');
    size_t head = star ? (size_t)(star - pattern) : strlen(pattern), length = strlen(name);
    size_t tail = star ? strlen(star + 1) : 0;

    if (!star)
        return length == head && compare(pattern, name, length) == 0;
    return length > head + tail && compare(pattern, name, head) == 0 &&
           compare(star + 1, name + length - tail, tail) == 0 &&
           !memchr(name + head, divider, length - head - tail);
}

static bool is_address(const char *pattern, const ASN1_STRING *address)
{
    unsigned char bytes[16];
    int length = inet_pton(AF_INET, pattern, bytes) == 1    ? 4
                 : inet_pton(AF_INET6, pattern, bytes) == 1 ? 16
                                                            : -1;

    return length == ASN1_STRING_length(address) &&
           memcmp(bytes, ASN1_STRING_get0_data(address), (size_t)length) == 0;
}

/* A name that contains a NUL would end there for us, but not for its issuer. */
static bool is_text(const ASN1_STRING *value)
{
    return !memchr(ASN1_STRING_get0_data(value), '\0', (size_t)ASN1_STRING_length(value));
}

static bool name_matches(const char *pattern, const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const char *text;

    if (type == GEN_IPADD)
        return is_address(pattern, value);
    if ((type != GEN_DNS && type != GEN_EMAIL && type != GEN_URI) || !is_text(value))
        return false;
    text = (const char *)ASN1_STRING_get0_data(value); /* OpenSSL ends it with a NUL */
    return matches(pattern, text,
                   type == GEN_DNS     ? '.'
                   : type == GEN_EMAIL ? '@'
                                       : '/',
                   type == GEN_URI);
}

/* RFC 6125, 6.4.4: the common name counts only if there is no subject alternative name. */
static bool common_name_matches(const char *pattern, X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    int length = at < 0 ? -1
                        : ASN1_STRING_to_UTF8(
                              &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool is_match = length > 0 && strlen((char *)text) == (size_t)length &&
                    matches(pattern, (char *)text, '.', false);

    OPENSSL_free(text);
    return is_match;
}

bool tls_verify_name(const struct strings *patterns, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_match = false;

    for (size_t i = 0; !is_match && i < patterns->n; i++) {
        if (!names)
            is_match = common_name_matches(patterns->list[i], certificate);
        for (int k = 0; !is_match && k < sk_GENERAL_NAME_num(names); k++)
            is_match = name_matches(patterns->list[i], sk_GENERAL_NAME_value(names, k));
    }
    GENERAL_NAMES_free(names);
    return is_match;
}

/* ---- the verdict ---- */

/*
 * Write into the stream's error why a certificate was refused, while OpenSSL still has the details:
 * it keeps only the code of the reason.
 */
static int on_client_verified(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct stream *stream = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    bool is_named =
        ok && (X509_STORE_CTX_get_error_depth(store) > 0 || server->client_names.n == 0 ||
               tls_verify_name(&server->client_names, certificate));
    char subject[100] = "";

    if (is_named)
        return 1;
    if (certificate)
        X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
    snprintf(stream->error, sizeof(stream->error), "certificate %s: %s", subject,
             ok ? "it is for none of tls.client_names"
                : X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    if (ok)
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

void tls_verify_set_up(SSL_CTX *ctx, const struct tls_params *params, struct faults *faults)
{
    if (params->verify_client == TLS_VERIFY_NONE)
        return;
    SSL_CTX_set_verify(ctx,
                       params->verify_client == TLS_VERIFY_REQUIRE
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       on_client_verified);
    SSL_CTX_set_verify_depth(ctx, params->verify_depth);
    if (params->client_ca)
        load_issuers(ctx, params->client_ca, faults);
    if (params->crl)
        load_crls(ctx, params->crl, faults);
}
