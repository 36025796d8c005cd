/* tls.c - all of OpenSSL. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/* OpenSSL itself is the struct: it counts references and needs no wrapping. */
static SSL_CTX *ctx_of(const struct tls_server *server)
{
    return (SSL_CTX *)server;
}

/*
 * The entry of the error queue that says most, 0 where it is empty; empties the queue. That is the
 * oldest, which is nearest to the cause, unless the TLS layer itself has a reason of its own.
 */
static unsigned long telling_error(void)
{
    unsigned long code, telling = 0;

    while ((code = ERR_get_error()) != 0)
        if (telling == 0 || (ERR_GET_LIB(code) == ERR_LIB_SSL && !ERR_COMMON_ERROR(code)))
            telling = code;
    return telling;
}

/* The reason in words; `none` where the error queue has none. */
static const char *reason(const char *none)
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

/* A daemon has nobody to ask for a passphrase; `arg` is a bool that tells that one was wanted. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)arg = true;
    return -1;
}

static void load_certificate(SSL_CTX *ctx, const char *file, struct faults *faults)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, file) != 1)
        fault(faults, "tls.certificate", "cannot load %s: %s", file, reason("unknown error"));
}

static void load_key(SSL_CTX *ctx, const struct tls_params *params, struct faults *faults)
{
    X509 *certificate = SSL_CTX_get0_certificate(ctx);
    BIO *file = BIO_new_file(params->key, "r");
    bool encrypted = false;
    EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, no_passphrase, &encrypted) : NULL;

    if (encrypted)
        fault(faults, "tls.key", "cannot load %s: it is encrypted", params->key);
    else if (!key)
        fault(faults, "tls.key", "cannot load %s: %s", params->key, reason("unknown error"));
    else if (certificate && X509_check_private_key(certificate, key) != 1)
        fault(faults, "tls.key", "%s is not the key of the certificate %s", params->key,
              params->certificate);
    else if (certificate && SSL_CTX_use_PrivateKey(ctx, key) != 1)
        fault(faults, "tls.key", "cannot use %s: %s", params->key, reason("unknown error"));
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(file);
}

static void choose_algorithms(SSL_CTX *ctx, const struct tls_params *params, struct faults *faults)
{
    if (SSL_CTX_set_min_proto_version(ctx, params->min_version) != 1)
        fault(faults, "tls.min_version", "not offered by this OpenSSL");
    if (SSL_CTX_set_max_proto_version(ctx, params->max_version) != 1)
        fault(faults, "tls.max_version", "not offered by this OpenSSL");
    if (params->ciphers && SSL_CTX_set_cipher_list(ctx, params->ciphers) != 1)
        fault(faults, "tls.ciphers", "\"%s\": %s", params->ciphers, reason("unknown error"));
    if (params->ciphersuites && SSL_CTX_set_ciphersuites(ctx, params->ciphersuites) != 1)
        fault(faults, "tls.ciphersuites", "\"%s\": %s", params->ciphersuites,
              reason("not a list of TLS 1.3 cipher suites"));
    if (params->groups && SSL_CTX_set1_groups_list(ctx, params->groups) != 1)
        fault(faults, "tls.groups", "\"%s\": %s", params->groups, reason("not a list of groups"));
    ERR_clear_error();
}

/* Tickets carry the whole session, so no child needs the memory of another. */
static void set_up_tickets(SSL_CTX *ctx, const struct tls_params *params)
{
    static const unsigned char name[] = "echod";

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, name, sizeof(name) - 1);
    SSL_CTX_set_timeout(ctx, (long)(params->ticket_usec / USEC_PER_SEC));
    SSL_CTX_set_num_tickets(ctx, (size_t)params->tickets);
    if (params->tickets == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

/*
 * An EOF without close_notify is an EOF to OpenSSL, so that what the peer sent before can still be
 * echoed; was_truncated() tells the two apart. A write may take part of the data and be repeated
 * from another place, as the ring in echo.c does.
 */
static void set_options(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
}

int tls_server_new(const struct tls_params *params, struct faults *faults,
                   struct tls_server **ret_server)
{
    unsigned before = faults->count;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) {
        fault(faults, "tls.enabled", "cannot set up TLS: %s", reason("unknown error"));
        return -1;
    }
    set_options(ctx);
    choose_algorithms(ctx, params, faults);
    set_up_tickets(ctx, params);
    load_certificate(ctx, params->certificate, faults);
    load_key(ctx, params, faults);
    if (faults->count != before) {
        SSL_CTX_free(ctx);
        return -1;
    }
    *ret_server = (struct tls_server *)ctx;
    return 0;
}

void tls_server_free(struct tls_server *server)
{
    SSL_CTX_free(ctx_of(server));
}

static time_t to_time(const ASN1_TIME *when)
{
    struct tm tm;

    return ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

void tls_server_certificate(const struct tls_server *server,
                            struct tls_certificate *ret_certificate)
{
    X509 *leaf = SSL_CTX_get0_certificate(ctx_of(server));

    X509_NAME_oneline(X509_get_subject_name(leaf), ret_certificate->subject,
                      sizeof(ret_certificate->subject));
    ret_certificate->not_before = to_time(X509_get0_notBefore(leaf));
    ret_certificate->not_after = to_time(X509_get0_notAfter(leaf));
}

/* Set when the last read from the socket, and not a close_notify, brought the end. */
static bool was_truncated(SSL *ssl)
{
    return BIO_eof(SSL_get_rbio(ssl));
}

static enum stream_status failed(struct stream *stream, enum end end, const char *text)
{
    stream->end = end;
    snprintf(stream->error, sizeof(stream->error), "%s", text);
    return STREAM_FAILED;
}

/* What an SSL_* call that did not succeed means. Looks at errno, so nothing may come between. */
static enum stream_status translate(struct stream *stream, int result)
{
    int saved_errno = errno;
    SSL *ssl = stream->tls;

    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STREAM_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        stream->truncated = was_truncated(ssl);
        return STREAM_EOF;
    case SSL_ERROR_SYSCALL:
        return failed(stream, END_RESET, strerror(saved_errno ? saved_errno : ECONNRESET));
    default:
        return failed(stream, END_TLS_ERROR, reason("protocol error"));
    }
}

static enum stream_status tls_handshake(struct stream *stream)
{
    enum stream_status status;
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(stream->tls);
    status = result == 1 ? STREAM_OK : translate(stream, result);
    stream->heard = BIO_number_read(SSL_get_rbio(stream->tls)) > 0;
    if (status == STREAM_EOF)
        return failed(stream, END_TLS_ERROR, "the peer left during the handshake");
    return status;
}

static enum stream_status tls_read(struct stream *stream, void *data, size_t size, size_t *ret_n)
{
    int result;

    ERR_clear_error();
    result = SSL_read_ex(stream->tls, data, size, ret_n);
    return result == 1 ? STREAM_OK : translate(stream, result);
}

static enum stream_status tls_write(struct stream *stream, const void *data, size_t size,
                                    size_t *ret_n)
{
    int result;

    ERR_clear_error();
    result = SSL_write_ex(stream->tls, data, size, ret_n);
    return result == 1 ? STREAM_OK : translate(stream, result);
}

static enum stream_status tls_finish(struct stream *stream)
{
    int result;

    ERR_clear_error();
    result = SSL_shutdown(stream->tls); /* 0: ours is sent and theirs has not come yet */
    return result >= 0 ? STREAM_OK : translate(stream, result);
}

static void tls_close(struct stream *stream)
{
    SSL_free(stream->tls);
    stream->tls = NULL;
}

int tls_accept(struct stream *stream, const struct tls_server *server)
{
    static const struct stream_ops ops = {tls_handshake, tls_read, tls_write, tls_finish,
                                          tls_close};
    SSL *ssl = SSL_new(ctx_of(server));

    if (!ssl || SSL_set_fd(ssl, stream->fd) != 1) {
        SSL_free(ssl);
        failed(stream, END_TLS_ERROR, reason("out of memory"));
        return -1;
    }
    SSL_set_accept_state(ssl);
    stream->tls = ssl;
    stream->ops = &ops;
    return 0;
}

/* The name of what is not known is empty. */
static void copy_text(char *ret_text, size_t size, const char *text)
{
    snprintf(ret_text, size, "%s", text ? text : "");
}

void tls_describe(const struct stream *stream, struct tls_facts *ret_facts)
{
    SSL *ssl = stream->tls;
    const unsigned char *alpn;
    unsigned alpn_length;

    if (!ssl)
        return;
    copy_text(ret_facts->version, sizeof(ret_facts->version), SSL_get_version(ssl));
    copy_text(ret_facts->cipher, sizeof(ret_facts->cipher), SSL_get_cipher_name(ssl));
    copy_text(ret_facts->group, sizeof(ret_facts->group),
              SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl)));
    copy_text(ret_facts->sni, sizeof(ret_facts->sni),
              SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_length);
    snprintf(ret_facts->alpn, sizeof(ret_facts->alpn), "%.*s", (int)alpn_length, alpn);
    ret_facts->resumed = SSL_session_reused(ssl);
}
