/* tls_host.c - see tls_host.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method(3): the one way to know what comes */

#include "tls_host.h"

#include "tls/tls.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_SEED 1

void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- random numbers that are none ---- */

static uint64_t state;

void host_seed(uint64_t seed)
{
    state = seed;
}

/* SplitMix64 */
static uint64_t next_number(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int fill(unsigned char *data, int n)
{
    for (int i = 0; i < n; i++)
        data[i] = (unsigned char)next_number();
    return 1;
}

static int is_seeded(void)
{
    return 1;
}

/* ---- a key, and a certificate of the same day each time ---- */

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_NAME_new();

    demand(X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20000101000000Z") == 1 &&
           ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                      -1, -1, 0) == 1 &&
           X509_set_subject_name(certificate, name) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, EVP_sha256()) != 0);
    X509_NAME_free(name);
    return certificate;
}

/* Certificate and key in one file, as tls_server_new() wants them. `path` is a template. */
static void write_pem(char *path)
{
    FILE *file = fdopen(mkstemp(path), "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);

    demand(file && PEM_write_X509(file, certificate) == 1 &&
           PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* ---- the listeners ---- */

/* Longer than any session has work for; none has anything to wait for. */
#define PATIENCE (20 * USEC_PER_SEC)
#define LIMITS                                                                                     \
    .limits.handshake_usec = PATIENCE, .limits.idle_usec = PATIENCE,                               \
    .limits.session_usec = 2 * PATIENCE

static const struct {
    struct tls_params tls;
    struct session_params session;
} hosts[HOST_COUNT] = {
    [HOST_TLS] = {{.min_version = TLS_V1_2, .tickets = 2}, {LIMITS}},
    [HOST_TLS_1_2] = {{.min_version = TLS_V1_2, .max_version = TLS_V1_2, .tickets = 1}, {LIMITS}},
    [HOST_TLS_P384] = {{.min_version = TLS_V1_3, .groups = "P-384"}, {LIMITS}},
    [HOST_TLS_LENGTH] = {{.min_version = TLS_V1_2},
                         {LIMITS, .frame = {FRAMING_LENGTH, .max_message = 100}}},
    [HOST_STREAM] = {.session = {LIMITS, .limits.max_bytes = 1000}},
    [HOST_LINE] = {.session = {LIMITS, .frame = {FRAMING_LINE, .max_message = 100}}},
    [HOST_MARKER] = {.session = {LIMITS, .frame = {FRAMING_MARKER, "ab.abc", 100}}},
    [HOST_LENGTH] = {.session = {LIMITS, .frame = {FRAMING_LENGTH, .max_message = 100}}},
};

static struct tls_server *servers[HOST_COUNT]; /* NULL for plaintext */

static void show_fault(void *arg, const struct fault *fault)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", fault->setting, fault->text);
}

void host_open(void)
{
    static const RAND_METHOD method = {NULL, fill, NULL, NULL, fill, is_seeded};
    char path[] = "/tmp/tls_host.XXXXXX";
    struct faults faults = {.report = show_fault};

    signal(SIGPIPE, SIG_IGN);
    demand(RAND_set_rand_method(&method) == 1);
    host_seed(SERVER_SEED);
    write_pem(path);
    for (enum host host = HOST_TLS; host < HOST_STREAM; host++) {
        struct tls_params params = hosts[host].tls;

        params.certificate = params.key = path;
        params.ticket_usec = USEC_PER_SEC;
        demand(tls_server_new(&params, NULL, &faults, &servers[host]) == 0);
    }
    unlink(path);
}

void host_serve(enum host host, int fd, struct record *ret_record)
{
    struct session_params params = hosts[host].session;

    params.tls = servers[host];
    host_seed(SERVER_SEED);
    *ret_record = (struct record){.end = END_CRASHED};
    session_run(fd, NULL, &params, ret_record);
}

void host_connect(int ret_fds[2])
{
    const int room = 1 << 20;

    demand(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds) == 0);
    for (int i = 0; i < 2; i++)
        demand(setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
}
