/*
 * tls_warmup.h - makes OpenSSL do before the fork what it does on first use, so that no child has
 * to.
 */
#ifndef ECHOD_TLS_TLS_WARMUP_H
#define ECHOD_TLS_TLS_WARMUP_H

#include "tls/signer.h"
#include "tls/tls.h"

/*
 * Shake hands with ourselves: OpenSSL then has found its algorithms, and every child inherits that.
 * `signer` is the server's, or NULL; the call waits for it, but not for long. Best effort: if it
 * fails, clients only take more CPU time.
 */
void tls_warm_up(const struct tls_server *server, const struct signer *signer);

#endif
