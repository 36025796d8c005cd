/*
 * session.h - one client from start to end; the whole life of a child process.
 */
#ifndef ECHOD_CHILD_SESSION_H
#define ECHOD_CHILD_SESSION_H

#include "ipc/record.h"
#include "net/access.h"
#include "parent/children.h"
#include "proto/frame.h"
#include "proto/proxy_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct signer;
struct tls_server;

/* What one listener asks of its clients. */
struct session_params {
    const char *name;            /* of the listener; borrowed */
    struct tls_server *tls;      /* NULL for plaintext; borrowed */
    const struct signer *signer; /* who signs for `tls`; NULL: it has the key itself; borrowed */
    int keylog;                  /* descriptor for tls_server_log_keys(); 0 = none; borrowed */
    struct proxy_params preface;
    const struct access_rules *rules; /* for whom a proxy names; borrowed; NULL with PROXY_OFF */
    struct session_limits limits;
    struct frame_params frame;
};

/*
 * Serve the client on `fd`, a connected stream socket that is non-blocking; closes it. Blocks until
 * the client is served or a limit ends it, and fills in the record, which the caller zeroed. `peer`
 * is where the socket's other end is; NULL will do with PROXY_OFF. A report needs
 * report_prepare().
 */
void session_run(int fd, const struct addr *peer, const struct session_params *params,
                 struct record *record);

/*
 * The whole life of a client's process: connect to the signer, sandbox the process, run the
 * session. `arg` is a struct session_params. sandbox_prepare() must come before, in the parent.
 */
client_session session_serve;

#endif
