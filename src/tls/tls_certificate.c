/* tls_certificate.c - reads the fields of a certificate. */
#include "tls/tls_private.h"

#include "net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

time_t tls_time(const ASN1_TIME *when)
{
    struct tm tm;

    return ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

/*
 * Add one name to the list. Names come from the peer: bytes that are not printable become a
 * question mark, and so does a comma, which would make two names of one.
 */
static void add_name(char *names, size_t size, const unsigned char *name, int length)
{
    size_t n = strlen(names);

    if (n > 0)
        n += (size_t)snprintf(names + n, size - n, ", ");
    for (int i = 0; i < length && n + 1 < size; i++)
        names[n++] = name[i] >= 0x20 && name[i] < 0x7f && name[i] != ',' ? (char)name[i] : '?';
    if (n < size)
        names[n] = '\0';
}

static void add_address(char *names, size_t size, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN];
    int length = ASN1_STRING_length(address);

    if ((length == 4 || length == 16) &&
        inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text,
                  sizeof(text)))
        add_name(names, size, (const unsigned char *)text, (int)strlen(text));
}

static void read_names(X509 *certificate, char *names, size_t size)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    names[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type);

        if (type == GEN_IPADD)
            add_address(names, size, value);
        else if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI)
            add_name(names, size, ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
    }
    GENERAL_NAMES_free(list);
}

static void read_hex(const unsigned char *bytes, size_t n, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < n && 2 * i + 2 < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void read_digest(X509 *certificate, char *text, size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1)
        n = 0;
    read_hex(digest, n, text, size);
}

void tls_read_certificate(X509 *certificate, struct tls_certificate *ret_certificate)
{
    X509_NAME_oneline(X509_get_subject_name(certificate), ret_certificate->subject,
                      sizeof(ret_certificate->subject));
    X509_NAME_oneline(X509_get_issuer_name(certificate), ret_certificate->issuer,
                      sizeof(ret_certificate->issuer));
    read_names(certificate, ret_certificate->names, sizeof(ret_certificate->names));
    read_hex(ASN1_STRING_get0_data(X509_get0_serialNumber(certificate)),
             (size_t)ASN1_STRING_length(X509_get0_serialNumber(certificate)),
             ret_certificate->serial, sizeof(ret_certificate->serial));
    read_digest(certificate, ret_certificate->sha256, sizeof(ret_certificate->sha256));
    ret_certificate->not_before = tls_time(X509_get0_notBefore(certificate));
    ret_certificate->not_after = tls_time(X509_get0_notAfter(certificate));
}

/* OpenSSL's chain contains the leaf only if the peer is a server. */
static X509 *peer_certificate(SSL *ssl, int i)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

    if (i == 0)
        return SSL_get0_peer_certificate(ssl);
    return sk_X509_value(chain, SSL_is_server(ssl) ? i - 1 : i); /* NULL beyond the end */
}

int tls_peer_certificate(const struct stream *stream, int i,
                         struct tls_certificate *ret_certificate)
{
    X509 *certificate = stream->tls ? peer_certificate(stream->tls, i) : NULL;

    if (!certificate)
        return -1;
    tls_read_certificate(certificate, ret_certificate);
    return 0;
}
