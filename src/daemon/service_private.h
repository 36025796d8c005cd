/*
 * service_private.h - what the parts of service.h share. Private to them.
 */
#ifndef ECHOD_DAEMON_SERVICE_PRIVATE_H
#define ECHOD_DAEMON_SERVICE_PRIVATE_H

#include "daemon/service.h"

#define VALIDITY_MAX 64

/*
 * Write how long a certificate is valid, as a text of VALIDITY_MAX bytes. Returns false if it needs
 * a warning: it has expired, soon will, or is not valid yet.
 */
bool service_judge_validity(const struct tls_certificate *certificate, char *ret_text);

/* Warn of each certificate that is not valid or expires soon. */
void service_warn_of_expiry(const struct service *service);

/* Have the server accept on the sockets of the service. Returns 0, or -1 with *ret_err. */
int service_accept(struct service *service, struct server *server, struct err *ret_err);

#endif
