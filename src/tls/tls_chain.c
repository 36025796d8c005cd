/* tls_chain.c - reads whole files, and the certificates of a PEM file but nothing else of it. */
#include "tls/tls_private.h"

#include "base/file.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (16 << 20)

static ssize_t read_whole(int fd, unsigned char *bytes, size_t size)
{
    size_t length = 0;
    ssize_t n;

    while (length < size && (n = read(fd, bytes + length, size - length)) != 0) {
        if (n < 0)
            return -1;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

/* Without stdio, whose buffers would keep a copy. Returns NULL, or why it cannot be read. */
static const char *read_fd(int fd, size_t size, struct tls_bytes *ret_text)
{
    ssize_t length;
    unsigned char *bytes;

    if (size > FILE_MAX)
        return strerror(EFBIG);
    bytes = malloc(size + 1);
    if (!bytes)
        return strerror(errno);
    length = read_whole(fd, bytes, size);
    if (length < 0) {
        const char *reason = strerror(errno);

        free(bytes);
        return reason;
    }
    *ret_text = (struct tls_bytes){bytes, (size_t)length};
    return NULL;
}

const char *tls_read_file(const char *path, struct tls_bytes *ret_text)
{
    size_t size;
    int fd;
    const char *reason = file_open(path, &fd, &size);

    if (reason)
        return reason;
    reason = read_fd(fd, size, ret_text);
    close(fd);
    return reason;
}

static void wipe(struct tls_bytes *text)
{
    explicit_bzero(text->bytes, text->length);
    free(text->bytes);
}

/* The start of the next block of a PEM text (RFC 7468, 3) from `at` on, or the end of the text. */
static const char *next_block(const char *at, const char *end)
{
    static const char begin[] = "-----BEGIN ";
    const char *found = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1);

    return found ? found : end;
}

static bool is_certificate(const char *block, size_t length)
{
    static const char *const labels[] = {"-----BEGIN CERTIFICATE-----",
                                         "-----BEGIN X509 CERTIFICATE-----",
                                         "-----BEGIN TRUSTED CERTIFICATE-----"};

    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        if (length >= strlen(labels[i]) && memcmp(block, labels[i], strlen(labels[i])) == 0)
            return true;
    return false;
}

static bool add_certificate(STACK_OF(X509) * chain, const char *block, size_t length)
{
    BIO *text = BIO_new_mem_buf(block, (int)length);
    X509 *certificate = text ? PEM_read_bio_X509_AUX(text, NULL, NULL, NULL) : NULL;

    BIO_free(text);
    if (certificate && sk_X509_push(chain, certificate) > 0)
        return true;
    X509_free(certificate);
    return false;
}

static bool add_all(STACK_OF(X509) * chain, const struct tls_bytes *text)
{
    const char *begin = (const char *)text->bytes, *end = begin + text->length, *next;

    for (const char *at = next_block(begin, end); at != end; at = next) {
        next = next_block(at + 1, end);
        if (is_certificate(at, (size_t)(next - at)) &&
            !add_certificate(chain, at, (size_t)(next - at)))
            return false;
    }
    return true;
}

STACK_OF(X509) * tls_load_chain(const char *path, struct err *ret_err)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    struct tls_bytes text = {NULL, 0};
    const char *reason;
    bool whole;

    reason = chain ? tls_read_file(path, &text) : strerror(ENOMEM);
    if (reason) {
        err_set(ret_err, "cannot load %s: %s", path, reason);
        sk_X509_free(chain);
        return NULL;
    }
    whole = add_all(chain, &text);
    wipe(&text);
    if (whole && sk_X509_num(chain) > 0)
        return chain;
    err_set(ret_err, "cannot load %s: %s", path,
            whole ? "no such thing in PEM form in it" : openssl_reason("unknown error"));
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}
