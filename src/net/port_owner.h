/*
 * port_owner.h - the process that listens on an address, as far as /proc shows it.
 */
#ifndef ECHOD_NET_PORT_OWNER_H
#define ECHOD_NET_PORT_OWNER_H

#include "net/addr.h"

#define PORT_OWNER_TEXT_MAX 80

/*
 * Write "held by NAME, pid N" into `text`, of the process that listens on the address, or on the
 * same port of a wildcard address that conflicts with it; "held by another process" if /proc does
 * not show it (processes of other users are visible to root only). Returns text, of
 * PORT_OWNER_TEXT_MAX bytes.
 */
const char *port_owner_describe(const struct addr *addr, char *text);

#endif
