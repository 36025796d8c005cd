/*
 * port_owner.h - which process listens on an address, as far as /proc tells.
 */
#ifndef ECHOD_NET_PORT_OWNER_H
#define ECHOD_NET_PORT_OWNER_H

#include "net/addr.h"

#define PORT_OWNER_TEXT_MAX 80

/*
 * Write "held by NAME, pid N" of the process that listens on the address, or on the same port of
 * a wildcard address that is in its way, into `text`; "held by another process" where /proc does
 * not tell (processes of other users need root). Returns text, of PORT_OWNER_TEXT_MAX bytes.
 */
const char *port_owner_describe(const struct addr *addr, char *text);

#endif
