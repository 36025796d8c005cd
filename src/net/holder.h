/*
 * holder.h - which process listens on an address, as far as /proc tells.
 */
#ifndef ECHOD_HOLDER_H
#define ECHOD_HOLDER_H

#include "net/addr.h"

#define HOLDER_TEXT_MAX 80

/*
 * Write "held by NAME, pid N" of the process that listens on the address, or on the same port of
 * a wildcard address that is in its way, into `text`; "held by another process" where /proc does
 * not tell (processes of other users need root). Returns text, of HOLDER_TEXT_MAX bytes.
 */
const char *holder_describe(const struct addr *addr, char *text);

#endif
