/*
 * tls_warmup.h - what a library makes on first use is made before there are children, and not in
 * each.
 */
#ifndef ECHOD_TLS_TLS_WARMUP_H
#define ECHOD_TLS_TLS_WARMUP_H

#include "tls/signer.h"
#include "tls/tls.h"

/*
 * Shake hands with ourselves: OpenSSL then has found its algorithms, and every child inherits that.
 * `signer` is the server's, or NULL; it is waited for, but not for long. Best effort: without it
 * clients cost more, and no more than that.
 */
void tls_warm_up(const struct tls_server *server, const struct signer *signer);

#endif
