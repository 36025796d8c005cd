/*
 * tls.c - libFuzzer: a whole session with whatever a client may send, over TLS and without.
 *
 * The input: one byte for the kind of listener, then all that the client sends before it ends its
 * side. Its answers go unread until the session is over. The seeds are clients that
 * tls_record.c recorded; their handshakes succeed, see tls_host.h.
 */
#include "tls_host.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    host_open();
    return 0;
}

static bool ends_inside(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

#define IS_TEXT(array) ends_inside(array, sizeof(array))

/* All that there is to wait for is there from the start. */
static bool has_waited(const struct record *record)
{
    return record->end == END_IDLE || record->end == END_HANDSHAKE_TIMEOUT ||
           record->end == END_SESSION_TIMEOUT;
}

static void demand_sound(const struct record *record, size_t sent)
{
    const struct tls_facts *tls = &record->tls;

    demand(record->end > END_CRASHED && record->end < END_COUNT && !has_waited(record));
    demand(record->bytes_in <= sent && record->bytes_out <= record->bytes_in);
    demand(IS_TEXT(record->error) && IS_TEXT(tls->version) && IS_TEXT(tls->cipher) &&
           IS_TEXT(tls->group) && IS_TEXT(tls->sni) && IS_TEXT(tls->alpn));
    if (record->end == END_CLOSED || record->end == END_PROBE)
        demand(record->bytes_out == record->bytes_in);
}

/* Without TLS, the answer is the first of what was sent. */
static void demand_echoed(int fd, const uint8_t *sent, const struct record *record)
{
    uint8_t answer[4096];
    uint64_t echoed = 0;
    ssize_t n;

    while ((n = recv(fd, answer, sizeof(answer), 0)) > 0) {
        demand(echoed + (uint64_t)n <= record->bytes_out);
        demand(memcmp(answer, sent + echoed, (size_t)n) == 0);
        echoed += (uint64_t)n;
    }
    demand(n == 0 && echoed == record->bytes_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record record;
    enum host host;
    int fds[2];

    if (size == 0)
        return 0;
    host = data[0] % HOST_COUNT;
    host_connect(fds);
    demand(send(fds[1], data + 1, size - 1, 0) == (ssize_t)size - 1);
    shutdown(fds[1], SHUT_WR);
    host_serve(host, fds[0], &record);
    demand_sound(&record, size - 1);
    if (host >= HOST_STREAM)
        demand_echoed(fds[1], data + 1, &record);
    close(fds[1]);
    return 0;
}
