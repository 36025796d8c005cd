/*
 * url.h - the URL of a server: tcp://HOST:PORT, tls://HOST:PORT, unix:PATH, tls+unix:PATH.
 */
#ifndef ECHOD_ECHOC_URL_H
#define ECHOD_ECHOC_URL_H

#include "base/err.h"

#include <stdbool.h>

struct url {
    bool tls;
    char host[256]; /* as resolve_host() takes it: a name, an address, or "unix:PATH" */
    int port;       /* 1 to 65535; 0 for unix: */
};

/*
 * Parse a URL; IPv6 addresses stand in brackets (RFC 3986, 3.2.2).
 * Returns 0, or -1 with *ret_err, which quotes the text; *ret_url is untouched then.
 */
int url_parse(const char *text, struct url *ret_url, struct err *ret_err);

#endif
