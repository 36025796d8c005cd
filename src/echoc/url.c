/* url.c - the URL of a server. */
#include "echoc/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char forms[] = "tcp://HOST:PORT, tls://HOST:PORT, unix:PATH or tls+unix:PATH";

/* If `*text` begins with `prefix`, move past it. */
static bool url_skip(const char **text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (strncmp(*text, prefix, length) != 0)
        return false;
    *text += length;
    return true;
}

static int url_parse_port(const char *text, int *ret_port)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port < 1 || port > 65535)
        return -1;
    *ret_port = (int)port;
    return 0;
}

/* HOST:PORT or [IPV6]:PORT; a lone slash may follow, as people paste it. */
static int url_parse_authority(const char *text, struct url *url)
{
    char copy[sizeof(url->host) + 8];
    char *host = copy, *colon;
    size_t length = strlen(text);

    if (length == 0 || length >= sizeof(copy))
        return -1;
    memcpy(copy, text, length + 1);
    if (copy[length - 1] == '/')
        copy[length - 1] = '\0';
    colon = strrchr(copy, ':');
    if (!colon || url_parse_port(colon + 1, &url->port) < 0)
        return -1;
    *colon = '\0';
    if (host[0] == '[' && colon[-1] == ']') {
        host++;
        colon[-1] = '\0';
    } else if (strchr(host, ':')) {
        return -1; /* an IPv6 address needs brackets to tell its port */
    }
    if (host[0] == '\0' || strlen(host) >= sizeof(url->host))
        return -1;
    memcpy(url->host, host, strlen(host) + 1);
    return 0;
}

int url_parse(const char *text, struct url *ret_url, struct err *ret_err)
{
    struct url url = {.port = 0};
    const char *rest = text;
    int result;

    if (url_skip(&rest, "tcp://") || (url.tls = url_skip(&rest, "tls://"))) {
        result = url_parse_authority(rest, &url);
    } else if (url_skip(&rest, "unix:") || (url.tls = url_skip(&rest, "tls+unix:"))) {
        result = (size_t)snprintf(url.host, sizeof(url.host), "unix:%s", rest) < sizeof(url.host)
                     ? 0
                     : -1;
    } else {
        result = -1;
    }
    if (result < 0)
        return err_set(ret_err, "\"%s\" is no URL; it must be %s", text, forms);
    *ret_url = url;
    return 0;
}
