/* signer_process.c - the process that alone has the private keys. */
#include "tls/signer_protocol.h"

#include "base/fdpass.h"
#include "sandbox/sandbox.h"
#include "sandbox/user.h"
#include "tls/openssl_util.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define EVENTS 64

/* The descriptors that sandbox_enter() leaves. */
enum { CONTROL, EPOLL };

static EVP_PKEY **keys;
static size_t n_keys;
static unsigned n_lines;

/* ---- the files ---- */

static EVP_PKEY *load_key(const char *path, struct key_report *report)
{
    EVP_PKEY *key = openssl_load_key(path, &report->err);
    unsigned char *end = report->public;
    int length = key ? i2d_PUBKEY(key, NULL) : 0;

    if (!key)
        return NULL;
    report->loaded = length > 0 && length <= PUBLIC_KEY_MAX && i2d_PUBKEY(key, &end) == length;
    report->length = (uint32_t)length;
    if (!report->loaded)
        err_set(&report->err, "cannot use %s: its public key has no known form", path);
    return key;
}

static void load_all(char *const *paths, struct key_report *reports)
{
    for (size_t i = 0; i < n_keys; i++)
        keys[i] = load_key(paths[i], &reports[i]);
}

/* ---- one signature ---- */

/* The request comes from another process: OpenSSL must not see a text without its final NUL. */
static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool is_sound(const struct sign_request *request, size_t n)
{
    return n >= offsetof(struct sign_request, data) &&
           request->length == n - offsetof(struct sign_request, data) && request->key < n_keys &&
           keys[request->key] && ends(request->digest, sizeof(request->digest)) &&
           ends(request->padding, sizeof(request->padding)) &&
           ends(request->salt, sizeof(request->salt));
}

static size_t add_param(OSSL_PARAM *params, size_t n, const char *name, char *text)
{
    if (text[0] != '\0')
        params[n++] = OSSL_PARAM_construct_utf8_string(name, text, 0);
    return n;
}

/* Returns the length of the signature, 0 if there is none. */
static size_t sign_request(struct sign_request *request, unsigned char *signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const char *digest = request->digest[0] ? request->digest : NULL;
    OSSL_PARAM params[3];
    size_t n = 0, length = SIGNATURE_MAX;

    n = add_param(params, n, OSSL_SIGNATURE_PARAM_PAD_MODE, request->padding);
    n = add_param(params, n, OSSL_SIGNATURE_PARAM_PSS_SALTLEN, request->salt);
    params[n] = OSSL_PARAM_construct_end();
    if (!ctx ||
        EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, keys[request->key], params) != 1 ||
        EVP_DigestSign(ctx, signature, &length, request->data, request->length) != 1)
        length = 0;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return length;
}

/* ---- channels ---- */

static void answer(int line)
{
    static struct sign_request request;
    unsigned char signature[SIGNATURE_MAX];
    ssize_t n = recv(line, &request, sizeof(request), MSG_DONTWAIT);
    size_t length = n > 0 && is_sound(&request, (size_t)n) ? sign_request(&request, signature) : 0;

    if (length > 0)
        send(line, signature, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(line); /* always: a client gets one signature */
    n_lines--;
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(EPOLL, EPOLL_CTL_ADD, fd, &event) == 0)
        n_lines++;
    else
        close(fd);
}

/* Receive a channel. Returns false once no process is left that could send one. */
static bool take_channel(void)
{
    char byte;
    int fd;
    ssize_t n = fdpass_receive(CONTROL, &byte, 1, MSG_DONTWAIT, &fd);

    if (fd >= 0)
        watch(fd);
    return n != 0;
}

static _Noreturn void serve_channels(void)
{
    bool connected = true;

    while (connected || n_lines > 0) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(EPOLL, events, EVENTS, -1);

        for (int i = 0; i < n; i++)
            if (events[i].data.fd != CONTROL)
                answer(events[i].data.fd);
            else if (!(connected = take_channel())) {
                epoll_ctl(EPOLL, EPOLL_CTL_DEL, CONTROL, NULL);
                close(CONTROL);
            }
    }
    close(EPOLL);
    _exit(EX_OK);
}

/* ---- the whole ---- */

/* Each client in its handshake needs a descriptor, so take as many as the hard limit allows. */
static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* Signals are for the parent; the signer ends when its parent and all clients have gone. */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* Note which key files the new user can still read; a replacement can load only those. */
static int become(const struct user *user, char *const *paths, struct key_report *reports,
                  struct err *ret_err)
{
    if (user && user_become(user, ret_err) < 0)
        return -1;
    for (size_t i = 0; i < n_keys; i++)
        reports[i].lost = access(paths[i], R_OK) < 0;
    return 0;
}

/* Keep only the keys, the socket to the parent, and the epoll descriptor for channels. */
static int confine(int control, struct err *ret_err)
{
    const int kept[] = {[CONTROL] = control, [EPOLL] = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = CONTROL};

    if (kept[EPOLL] < 0 || epoll_ctl(kept[EPOLL], EPOLL_CTL_ADD, control, &event) < 0 ||
        sandbox_enter(SANDBOX_SIGNER, kept, 2) < 0)
        return err_set(ret_err, "cannot sandbox the signer: %s", strerror(errno));
    return 0;
}

static bool send_reports(int control, const struct key_report *reports)
{
    for (size_t i = 0; i < n_keys; i++)
        if (send(control, &reports[i], sizeof(reports[i]), MSG_NOSIGNAL) != sizeof(reports[i]))
            return false;
    return true;
}

_Noreturn void signer_run(int control, char *const *paths, size_t n, const struct user *user)
{
    struct key_report *reports = calloc(n, sizeof(*reports));
    struct err err;

    prctl(PR_SET_NAME, "echod-signer");
    block_signals();
    raise_file_limit();
    keys = calloc(n, sizeof(*keys));
    if (!keys || !reports)
        _exit(EX_OSERR);
    n_keys = n;
    load_all(paths, reports);
    if (become(user, paths, reports, &err) < 0 || confine(control, &err) < 0) {
        reports[0] = (struct key_report){.failed = true, .err = err};
        send(control, &reports[0], sizeof(reports[0]), MSG_NOSIGNAL);
        _exit(EX_OSERR);
    }
    if (!send_reports(CONTROL, reports))
        _exit(EX_OSERR);
    free(reports);
    serve_channels();
}
