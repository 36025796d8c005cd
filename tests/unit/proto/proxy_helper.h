/*
 * proxy_helper.h - what the tests of the PROXY protocol share: headers of version 2 put together,
 * and each verdict asserted together with what must hold for all headers.
 */
#ifndef ECHOD_PROXY_HELPER_H
#define ECHOD_PROXY_HELPER_H

#include "proto/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- verdicts ---- */

/*
 * A whole header of `n` bytes, judged. Asserts that each of its beginnings is one, and asks for
 * more bytes but for none behind it; and that what follows it changes nothing.
 */
struct proxy_header complete(const void *data, size_t n);

/* The beginning of a header, of which `length` bytes are asked for. */
void assert_more(const void *data, size_t n, size_t length);

void assert_bad(const void *data, size_t n, const char *reason);
void assert_none(const void *data, size_t n);

void assert_addr(const struct addr *addr, const char *text);
void assert_slice(const struct proxy_slice *slice, const char *text);

/* ---- headers of version 2 ---- */

#define PROXY_LOCAL 0x20
#define PROXY_PROXY 0x21

struct built {
    uint8_t data[2 * PROXY_HEADER_MAX];
    size_t n;
};

/* Begin a header with its fixed part; the length is kept right from then on. */
void build(struct built *ret_built, uint8_t command, uint8_t family);
void add(struct built *built, const void *data, size_t n);
void add_tlv(struct built *built, uint8_t type, const void *data, size_t n);
void add_text(struct built *built, uint8_t type, const char *text);

/* A header of 192.0.2.1:56324 to 198.51.100.2:443. */
void build_inet(struct built *ret_built);

#endif
