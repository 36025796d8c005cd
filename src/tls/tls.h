/*
 * tls.h - all of OpenSSL: server contexts, and TLS as a kind of stream.
 *
 * The parent builds a context once, and the children share it through fork(2), its ticket keys
 * included: a session opened in one child resumes in any other, and with ticket_keys.h in another
 * context as well.
 */
#ifndef ECHOD_TLS_TLS_H
#define ECHOD_TLS_TLS_H

#include "base/err.h"
#include "base/lists.h"
#include "ipc/record.h"
#include "net/stream.h"

#include <time.h>

/* Protocol versions by their number on the wire (RFC 8446, 4.2.1). */
enum tls_version {
    TLS_NEWEST = 0, /* as new as the library supports */
    TLS_V1_0 = 0x0301,
    TLS_V1_1 = 0x0302,
    TLS_V1_2 = 0x0303,
    TLS_V1_3 = 0x0304,
};

/* Whether clients show certificates. One that is shown is verified, and refused if it fails. */
enum tls_verify {
    TLS_VERIFY_NONE,
    TLS_VERIFY_REQUEST,
    TLS_VERIFY_REQUIRE,
};

/* The certificate for clients that ask for one of these names (RFC 6066, 3). */
struct tls_sni_params {
    struct strings names; /* host names, "*.example.org" among them */
    const char *certificate;
    const char *key;
    const char *ocsp_response;
};

/*
 * The `tls.*` settings of one listener. Texts are borrowed; NULL means OpenSSL's default. What
 * decides who is trusted goes into tls_set_session_context() too; test_settings_schema.c asks.
 */
struct tls_params {
    const char *certificate;   /* PEM file: the leaf, then its issuers */
    const char *key;           /* PEM file, not encrypted */
    const char *ocsp_response; /* DER file; NULL = none is stapled */
    struct groups sni;         /* of struct tls_sni_params: certificates by name */
    bool strict_sni;           /* refuse a client that asks for an unknown name, or for none */
    bool key_isolation;        /* only the signer reads the keys */
    int min_version;           /* enum tls_version */
    int max_version;
    const char *ciphers;         /* TLS 1.2 and older, openssl-ciphers(1) */
    const char *ciphersuites;    /* TLS 1.3 */
    const char *groups;          /* SSL_CTX_set1_groups_list(3) */
    int verify_client;           /* enum tls_verify */
    const char *client_ca;       /* PEM file or directory of issuers */
    const char *crl;             /* PEM file with the CRLs of all of them; NULL = no check */
    int verify_depth;            /* intermediate certificates in a client's chain */
    struct strings client_names; /* a client's certificate must have one of them; none = any */
    struct strings alpn;         /* the best first; none = no ALPN */
    const char *keylog;          /* file that gets the secrets of each session; NULL = none */
    const char *ticket_keys;     /* file of ticket_ring_load(); NULL = keys that echod makes */
    int tickets;                 /* session tickets a handshake; 0 = none, and no resumption */
    uint64_t ticket_usec;        /* how long a ticket can resume its session */
};

/* The element `i` of the list, from 0 to sni.n - 1. */
static inline const struct tls_sni_params *tls_sni(const struct tls_params *params, size_t i)
{
    return (const struct tls_sni_params *)params->sni.list + i;
}

struct signer;
struct ticket_ring;
struct tls_server;

/*
 * Build a context: load the chain and the key, check one against the other, apply the rest. With
 * key_isolation, the key is the one that `signer` has of the file; else it is loaded here. Reports
 * every fault by the name of its setting. The texts of `params` must live as long as the server.
 * Returns 0, or -1 when there was a fault.
 */
int tls_server_new(const struct tls_params *params, const struct signer *signer,
                   struct faults *faults, struct tls_server **ret_server);

/* NULL is allowed. */
void tls_server_free(struct tls_server *server);

/*
 * Issue and accept session tickets by the keys of `ring` from now on, and take a reference to it.
 * Call once for a server, and only if params->ticket_keys was NULL.
 */
void tls_server_share_tickets(struct tls_server *server, struct ticket_ring *ring);

/*
 * Write the secrets that decrypt each session to this descriptor from now on, one line of the NSS
 * key log format (draft-ietf-tls-keylogfile) at a time. The caller still owns it.
 */
void tls_server_log_keys(struct tls_server *server, int fd);

/* The subject, issuer and validity of a certificate. */
struct tls_certificate {
    char subject[128];
    char issuer[128];
    char names[512]; /* its subject alternative names, separated by ", " */
    char serial[48]; /* its serial number, in hexadecimal digits (RFC 5280, 4.1.2.2: 20 bytes) */
    char sha256[65]; /* its digest, in hexadecimal digits */
    time_t not_before;
    time_t not_after;
};

/* The certificate `i` of a server: 0 is tls.certificate, then those of tls.sni. Returns 0, or -1.
 */
int tls_server_certificate(const struct tls_server *server, size_t i,
                           struct tls_certificate *ret_certificate);

/*
 * Turn a plain stream into the server's side of TLS; stream_handshake() comes next.
 * Returns 0, or -1 with stream->error.
 */
int tls_accept(struct stream *stream, const struct tls_server *server);

/* The version of the library that is in use, "3.0.17". A static text. */
const char *tls_library_version(void);

/* ---- the client's side ---- */

/* The parameters of a TLS client. Texts are borrowed; NULL means OpenSSL's default. */
struct tls_client_params {
    const char *ca;          /* PEM file or directory of trusted issuers; NULL = the system's */
    const char *certificate; /* PEM files of our own certificate chain and key; NULL = none */
    const char *key;
    bool insecure;    /* accept any certificate of the server */
    const char *alpn; /* names separated by commas; NULL = no ALPN */
    int min_version;  /* enum tls_version; TLS_NEWEST = OpenSSL's default at both ends */
    int max_version;
    const char *ciphers; /* separated by colons; those that begin with TLS_ are of TLS 1.3 */
    const char *groups;  /* SSL_CTX_set1_groups_list(3) */
};

struct tls_client;

/* Build a client's context. Returns 0, or -1 with *ret_err. */
int tls_client_new(const struct tls_client_params *params, struct tls_client **ret_client,
                   struct err *ret_err);

/* NULL is allowed. */
void tls_client_free(struct tls_client *client);

/* A session to resume; owned by the code that got it. */
struct tls_session;

/*
 * Turn a plain stream into the client's side of TLS; stream_handshake() comes next, and fails if
 * the server's certificate is not for `name`, a host name or address. `resume` may be NULL. Returns
 * 0, or -1 with stream->error.
 */
int tls_connect(struct stream *stream, const struct tls_client *client, const char *name,
                const struct tls_session *resume);

/*
 * The newest session for which the server gave a ticket, or NULL. TLS 1.3 sends tickets after the
 * handshake, so they come with the first data. Free it with tls_session_free(), which takes NULL.
 */
struct tls_session *tls_session_get(const struct stream *stream);
void tls_session_free(struct tls_session *session);

/*
 * The certificate `i` of the chain that the peer sent; 0 is the leaf. For a client whose session
 * was resumed there is only the leaf. Returns 0, or -1 if there is no such certificate.
 */
int tls_peer_certificate(const struct stream *stream, int i,
                         struct tls_certificate *ret_certificate);

/*
 * The algorithm of the signature by which the peer has proved its key, in OpenSSL's words
 * ("ecdsa-with-SHA256", "ML-DSA-65"); a resumed session has none. `text` holds
 * TLS_SIGNATURE_TEXT_MAX bytes. Returns it, or NULL.
 */
#define TLS_SIGNATURE_TEXT_MAX 64
const char *tls_peer_signature(const struct stream *stream, char *text);

/* What the finished handshake agreed on; leaves ret_facts untouched for a plain stream. */
void tls_describe(const struct stream *stream, struct tls_facts *ret_facts);

#endif
