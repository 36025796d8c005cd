/*
 * generation_private.h - what the parts of generation.h share. Private to them.
 */
#ifndef ECHOD_DAEMON_GENERATION_PRIVATE_H
#define ECHOD_DAEMON_GENERATION_PRIVATE_H

#include "daemon/generation.h"

#define VALIDITY_MAX 64

/* The user that our processes must still become, or NULL. */
const struct user *generation_user(const struct generation *generation);

/*
 * Write how long a certificate is valid, as a text of VALIDITY_MAX bytes. Returns false if it needs
 * a warning: it has expired, soon will, or is not valid yet.
 */
bool generation_judge_validity(const struct tls_certificate *certificate, char *ret_text);

/* Warn of each certificate that is not valid or expires soon. */
void generation_warn_of_expiry(const struct generation *generation);

/* Have the parent accept on the sockets of the generation. Returns 0, or -1 with *ret_err. */
int generation_accept(struct generation *generation, struct parent *parent, struct err *ret_err);

#endif
