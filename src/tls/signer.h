/*
 * signer.h - the process that alone has the private keys, and signs with them.
 *
 * No other process ever reads a key. The parent and the clients' processes have public keys, whose
 * sign operation asks the signer over a channel, one for each client. A channel is good for one
 * signature, which is what one handshake takes, and for nothing else: the signer decrypts nothing
 * (RFC 7525, 6.3, on keys), so the RSA key exchange is not available.
 *
 * The way of a signature: libssl calls sign() of signer_provider.c, which asks by signer_sign() of
 * signer_client.c; answer() of signer_process.c signs.
 *
 * The client's process chooses the key and the data. If it is taken over before its handshake is
 * over, the attacker therefore gets one signature, by the key of any listener; after the handshake,
 * none.
 */
#ifndef ECHOD_TLS_SIGNER_H
#define ECHOD_TLS_SIGNER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct evp_pkey_st; /* EVP_PKEY of OpenSSL */
struct signer;
struct user;

/*
 * Fork a signer with the keys in `n` PEM files; it then becomes `user` (NULL = stays who it is) and
 * enters its sandbox. sandbox_prepare() must come before. Waits until it has read the files, half a
 * minute at most. A file that the signer cannot load is not a failure here: signer_key() reports
 * it. Any failure is one of the system and may be over at the next attempt. Returns 0, or -1 with
 * *ret_err. The texts are copied.
 */
int signer_start(const char *const *paths, size_t n, const struct user *user,
                 struct signer **ret_signer, struct err *ret_err);

/*
 * The key of the file `path`, one of those at the start, in the form of a private key of OpenSSL:
 * it signs through the channel of this process. Returns it, owned by the caller, to free with
 * EVP_PKEY_free(), or NULL with *ret_err if the signer could not load the file.
 */
struct evp_pkey_st *signer_key(const struct signer *signer, const char *path, struct err *ret_err);

/*
 * Whether a signer in place of this one, and so any reload, could read the file `path`: at the
 * start root reads it, after that `user` does.
 */
bool signer_can_reload(const struct signer *signer, const char *path);

/* The signer's process, a child of the process that called signer_start(). */
pid_t signer_pid(const struct signer *signer);

/* The descriptor that signer_connect() needs; it belongs to the signer. */
int signer_control(const struct signer *signer);

/*
 * Fork a new process in place of one that has died and been reaped. The files must still hold the
 * same keys. Returns 0, or -1 with *ret_err: then there is no signer any more.
 */
int signer_restart(struct signer *signer, const struct user *user, struct err *ret_err);

/* End the process, wait until it is gone, and free everything. NULL is allowed. */
void signer_stop(struct signer *signer);

/* Free it; its process ends by itself once the last channel is closed. NULL is allowed. */
void signer_retire(struct signer *signer);

/* ---- in a client's process ---- */

/*
 * Open a channel to the signer, on which a request or an answer may take up to `timeout_usec` (0 =
 * no limit). Returns its descriptor, owned by the caller, or -1 with errno.
 */
int signer_connect(const struct signer *signer, uint64_t timeout_usec);

/* Sign through this channel from now on. */
void signer_use(int line);

/* Close the channel in use, if there is one. */
void signer_hang_up(void);

#endif
