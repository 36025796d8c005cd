/*
 * outcome.h - how a client's session can end.
 */
#ifndef ECHOD_NET_OUTCOME_H
#define ECHOD_NET_OUTCOME_H

/* How a client ended, ECHOD_END. The first one holds until the client's process reports another. */
enum end {
    END_CRASHED,           /* the process died without a report */
    END_CLOSED,            /* the peer ended in order, and all it sent was written back */
    END_TRUNCATED,         /* the peer ended inside a message, or TLS without close_notify */
    END_PROBE,             /* the peer left without having sent a byte */
    END_RESET,             /* the connection broke: RST, timeout, unreachable */
    END_IDLE,              /* idle_timeout: nothing moved in either direction */
    END_HANDSHAKE_TIMEOUT, /* the PROXY header or the TLS handshake was not done in time */
    END_SESSION_TIMEOUT,   /* session_timeout */
    END_MAX_BYTES,         /* the peer sent more than max_bytes */
    END_MESSAGE_TOO_LONG,  /* a message was longer than max_message */
    END_TLS_ERROR,         /* the TLS protocol failed, in the handshake or later */
    END_CLIENT_CERT,       /* the peer showed no certificate, or one that is not valid here */
    END_WRONG_PROTOCOL,    /* the peer spoke something else than TLS */
    END_PROXY_ERROR,       /* the PROXY header was broken, missing or from an untrusted peer */
    END_REFUSED,           /* by a rule: when it connected, or once a proxy had named it */

    /* only the parent reports these */
    END_DRAINED, /* killed when drain_timeout was over on stop */
    END_COUNT
};

#endif
