/*
 * warm.h - what a library makes on first use is made before there are children, and not in each.
 */
#ifndef ECHOD_WARM_H
#define ECHOD_WARM_H

#include "tls/keeper.h"
#include "tls/tls.h"

/*
 * Shake hands with ourselves: OpenSSL then has found its algorithms, and every child inherits that.
 * `keeper` is the server's, or NULL; it is waited for, but not for long. Best effort: without it
 * clients cost more, and no more than that.
 */
void warm_tls(const struct tls_server *server, const struct keeper *keeper);

#endif
