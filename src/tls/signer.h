/*
 * signer.h - the process that alone holds the private keys, and signs with them.
 *
 * No other process ever reads a key: the parent and the clients' processes have public keys, whose
 * sign operation asks the signer over a line, one for each client. A line is good for one
 * signature, which is what one handshake takes, and there is no operation but this: a process that
 * has been taken over has had its signature, and decrypts nothing (RFC 7525, 6.3, on keys; the RSA
 * key exchange is therefore not to be had with a signer).
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
 * Fork a signer of the keys in `n` PEM files; it then becomes `user` (NULL = stays who it is) and
 * enters its sandbox. sandbox_prepare() must come before. Waits until it has read the files, half a
 * minute at most. A file that it cannot load is no failure here: signer_key() tells. Any failure is
 * the system's, and may be gone the next time. Returns 0, or -1 with *ret_err. The texts are
 * copied.
 */
int signer_start(const char *const *paths, size_t n, const struct user *user,
                 struct signer **ret_signer, struct err *ret_err);

/*
 * The key of the file `path`, one of those at the start, as OpenSSL takes a private key: it signs
 * through the line that the process is using. Returns it, the caller's to free with
 * EVP_PKEY_free(), or NULL with *ret_err when the signer could not load the file.
 */
struct evp_pkey_st *signer_key(const struct signer *signer, const char *path, struct err *ret_err);

/*
 * Whether a signer in place of this one, and so any reload, could read the file `path`: it is read
 * as root at the start, and as `user` after that.
 */
bool signer_can_reload(const struct signer *signer, const char *path);

/* The signer's process, which is a child of whoever has started it. */
pid_t signer_pid(const struct signer *signer);

/* The descriptor that whoever is to call signer_connect() needs; the signer's. */
int signer_control(const struct signer *signer);

/*
 * Fork a new process in place of one that has died and been reaped. The files must still hold the
 * same keys. Returns 0, or -1 with *ret_err: there is no signer any more then.
 */
int signer_restart(struct signer *signer, const struct user *user, struct err *ret_err);

/* End the process, wait until it is gone, and free everything. NULL is allowed. */
void signer_stop(struct signer *signer);

/* Free it; its process ends by itself once the last line is hung up. NULL is allowed. */
void signer_retire(struct signer *signer);

/* ---- in a client's process ---- */

/*
 * Open a line to the signer, on which an answer may take up to `timeout_usec` (0 = no limit).
 * Returns its descriptor, the caller's, or -1 with errno.
 */
int signer_connect(const struct signer *signer, uint64_t timeout_usec);

/* Sign through this line from now on. */
void signer_use(int line);

/* Close the line in use, if there is one. */
void signer_hang_up(void);

#endif
