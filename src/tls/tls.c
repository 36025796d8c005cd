/* tls.c - TLS as a kind of stream, for both sides. */
#include "tls/tls_private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * OpenSSL reports an EOF without close_notify as EOF, so that what the peer sent before can still
 * be echoed; was_truncated() tells the two apart. A write may take part of the data, and be
 * repeated from another address, as the ring in echo.c needs.
 */
void tls_set_options(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
}

/* Whether EOF came from the socket and not from a close_notify. */
static bool was_truncated(SSL *ssl)
{
    return BIO_eof(SSL_get_rbio(ssl));
}

static enum stream_status failed(struct stream *stream, enum end end, const char *text)
{
    stream->end = end;
    if (stream->error[0] == '\0') /* a refused certificate has given its reason */
        snprintf(stream->error, sizeof(stream->error), "%s", text);
    return STREAM_FAILED;
}

void tls_refuse(SSL *ssl, const char *fmt, ...)
{
    struct stream *stream = SSL_get_app_data(ssl);
    va_list args;

    va_start(args, fmt);
    vsnprintf(stream->error, sizeof(stream->error), fmt, args);
    va_end(args);
}

/* Whether the client showed no certificate, or one that failed verification (RFC 8446, 4.4.2.4). */
static bool is_client_certificate(SSL *ssl)
{
    return SSL_is_server(ssl) &&
           (SSL_get_verify_result(ssl) != X509_V_OK ||
            ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
}

/* Get OpenSSL's reason last, since that empties its queue. */
static enum stream_status refused(struct stream *stream)
{
    enum end end = is_client_certificate(stream->tls) ? END_CLIENT_CERT : END_TLS_ERROR;

    return failed(stream, end, openssl_reason("protocol error"));
}

/* Translate a failed SSL_* call. This reads errno, so no other call may come between. */
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
        return refused(stream);
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
    result = SSL_shutdown(stream->tls); /* 0: our close_notify is sent, the peer's not received */
    return result >= 0 ? STREAM_OK : translate(stream, result);
}

static void tls_close(struct stream *stream)
{
    SSL_free(stream->tls);
    stream->tls = NULL;
}

int tls_attach(struct stream *stream, SSL *ssl)
{
    static const struct stream_ops ops = {tls_handshake, tls_read, tls_write, tls_finish,
                                          tls_close};

    if (!ssl || SSL_set_fd(ssl, stream->fd) != 1) {
        SSL_free(ssl);
        failed(stream, END_TLS_ERROR, openssl_reason("out of memory"));
        return -1;
    }
    stream->tls = ssl;
    stream->ops = &ops;
    return 0;
}

/* The name of an unknown one is empty. */
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
    if (SSL_is_server(ssl) && SSL_get0_peer_certificate(ssl))
        X509_NAME_oneline(X509_get_subject_name(SSL_get0_peer_certificate(ssl)),
                          ret_facts->client_cert, sizeof(ret_facts->client_cert));
    ret_facts->resumed = SSL_session_reused(ssl);
}

const char *tls_peer_signature(const struct stream *stream, char *text)
{
    int type, digest = NID_undef, both;

    if (!stream->tls || SSL_get_peer_signature_type_nid(stream->tls, &type) != 1)
        return NULL;
    SSL_get_peer_signature_nid(stream->tls, &digest);
    if (digest == NID_undef) /* this type of key has its own */
        snprintf(text, TLS_SIGNATURE_TEXT_MAX, "%s", OBJ_nid2ln(type));
    else if (OBJ_find_sigid_by_algs(&both, digest, type) == 1)
        snprintf(text, TLS_SIGNATURE_TEXT_MAX, "%s", OBJ_nid2sn(both));
    else
        snprintf(text, TLS_SIGNATURE_TEXT_MAX, "%s-%s", OBJ_nid2sn(type), OBJ_nid2sn(digest));
    return text;
}

const char *tls_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
