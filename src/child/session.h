/*
 * session.h - serves one client from start to end; this is all that a client's process does.
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

/* The settings of one listener for its sessions. */
struct session_params {
    const char *name;            /* of the listener; borrowed */
    struct tls_server *tls;      /* NULL for plaintext; borrowed */
    const struct signer *signer; /* signs for `tls`; NULL: `tls` has the key itself; borrowed */
    int keylog;                  /* descriptor for tls_server_log_keys(); 0 = none; borrowed */
    struct proxy_params preface;
    const struct access_rules
        *rules; /* for clients that a proxy names; borrowed; NULL with PROXY_OFF */
    struct session_limits limits;
    struct frame_params frame;
};

/*
 * Serve the client on `fd`, a connected non-blocking stream socket, and close it. Blocks until the
 * client is served or a limit ends the session. Fills in the record, which the caller has zeroed.
 * `peer` is the address of the socket's other end; it may be NULL with PROXY_OFF. A report needs
 * report_prepare().
 */
void session_run(int fd, const struct addr *peer, const struct session_params *params,
                 struct record *record);

/*
 * Run a client's process: connect to the signer, sandbox the process, run the session. `arg` is a
 * struct session_params. The parent must have called sandbox_prepare().
 */
client_session session_serve;

#endif
