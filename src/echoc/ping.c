/* ping.c - round trips one after the other, as ping(8) shows them. */
#include "echoc/echoc.h"
#include "echoc/exchange.h"
#include "echoc/payload.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct ping {
    struct echoc *echoc;
    struct payload payload;
    unsigned char *message;
    struct dialed dialed;
    bool connected;
    struct tls_session *session; /* of the connection before, for --resume */
    unsigned long sent, received, resumed;
    struct histogram connect, handshake, echo;
    bool refused; /* the handshake failed, and would fail again */
    struct err err;
};

static void ping_hang_up(struct ping *ping)
{
    struct err ignored;

    if (!ping->connected)
        return;
    if (ping->echoc->resume) {
        tls_session_free(ping->session);
        ping->session = tls_session_get(&ping->dialed.stream);
    }
    exchange_end(&ping->dialed.stream, deadline_in(ping->echoc->wait_usec), &ignored);
    stream_close(&ping->dialed.stream, 0, 0);
    ping->connected = false;
}

/* A handshake that failed with a server that answers would fail the next time as well. */
static int ping_connect(struct ping *ping)
{
    if (ping->connected)
        return 0;
    if (dial(&ping->echoc->target, ping->session, &ping->dialed, &ping->err) < 0) {
        ping->refused = ping->dialed.connected && !ping->dialed.timed_out;
        return -1;
    }
    ping->connected = true;
    ping->resumed += ping->dialed.tls.resumed;
    histogram_add(&ping->connect, ping->dialed.connect_nsec);
    if (ping->echoc->target.tls)
        histogram_add(&ping->handshake, ping->dialed.handshake_nsec);
    return 0;
}

static void ping_show_answer(const struct ping *ping, uint64_t nsec)
{
    const struct dialed *dialed = &ping->dialed;

    if (ping->echoc->json)
        return;
    printf("%zu bytes: seq=%lu", payload_length(&ping->payload), ping->sent);
    if (ping->echoc->anew) {
        printf(" connect=%.3f ms", echoc_msec(dialed->connect_nsec));
        if (ping->echoc->target.tls)
            printf(" tls=%.3f ms%s", echoc_msec(dialed->handshake_nsec),
                   dialed->tls.resumed ? " (resumed)" : "");
    }
    printf(" time=%.3f ms\n", echoc_msec(nsec));
    fflush(stdout);
}

static void ping_show_loss(const struct ping *ping)
{
    if (ping->echoc->json)
        return;
    printf("seq=%lu %s\n", ping->sent, ping->err.text);
    fflush(stdout);
}

/* One message there and back. Returns 0, or -1 when it is lost. */
static int ping_once(struct ping *ping)
{
    uint64_t begin;
    enum exchange result;

    ping->sent++;
    payload_fill(&ping->payload, ping->sent, ping->message);
    if (ping_connect(ping) < 0)
        return -1;
    begin = now_nsec();
    result = exchange(&ping->dialed.stream, ping->message, payload_length(&ping->payload),
                      deadline_in(ping->echoc->wait_usec), &ping->err);
    if (result != EXCHANGE_OK) {
        /* a late answer would be taken for that to the next message */
        stream_close(&ping->dialed.stream, 0, 0);
        ping->connected = false;
        return -1;
    }
    ping->received++;
    begin = now_nsec() - begin;
    histogram_add(&ping->echo, begin);
    ping_show_answer(ping, begin);
    if (ping->echoc->anew)
        ping_hang_up(ping);
    return 0;
}

static void ping_show_head(const struct ping *ping)
{
    char peer[ADDR_TEXT_MAX], tls[ECHOC_TLS_TEXT_MAX];
    const struct dialed *dialed = &ping->dialed;

    if (ping->echoc->json)
        return;
    printf("PING %s (%s): %d bytes of content\n", ping->echoc->url,
           addr_format(&ping->echoc->target.addresses.addr[0], peer), ping->echoc->size);
    if (!ping->connected)
        return;
    printf("connected to %s in %.3f ms", addr_format(&dialed->peer, peer),
           echoc_msec(dialed->connect_nsec));
    if (ping->echoc->target.tls)
        printf(", TLS in %.3f ms: %s", echoc_msec(dialed->handshake_nsec),
               echoc_tls_text(&dialed->tls, tls));
    putchar('\n');
}

static double ping_loss_percent(const struct ping *ping)
{
    return ping->sent == 0 ? 0 : 100.0 * (double)(ping->sent - ping->received) / (double)ping->sent;
}

static void ping_show_summary(const struct ping *ping, uint64_t usec)
{
    printf("\n--- %s echo statistics ---\n", ping->echoc->url);
    printf("%lu sent, %lu received, %.4g%% loss, time %.0f ms", ping->sent, ping->received,
           ping_loss_percent(ping), (double)usec / 1e3);
    if (ping->resumed > 0)
        printf(", %lu TLS sessions resumed", ping->resumed);
    putchar('\n');
    echoc_print_hist("echo", &ping->echo);
    echoc_print_hist("connect", &ping->connect);
    echoc_print_hist("tls", &ping->handshake);
}

static json_t *ping_json(const struct ping *ping, uint64_t usec)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:f, s:I, s:I, s:o, s:o, s:o, s:o, s:s*}", "command",
                     "ping", "url", ping->echoc->url, "sent", (json_int_t)ping->sent, "received",
                     (json_int_t)ping->received, "loss_percent", ping_loss_percent(ping), "resumed",
                     (json_int_t)ping->resumed, "duration_usec", (json_int_t)usec, "echo",
                     echoc_hist_json(&ping->echo), "connect", echoc_hist_json(&ping->connect),
                     "handshake", echoc_hist_json(&ping->handshake), "tls",
                     echoc_tls_json(&ping->dialed.tls), "error",
                     ping->received < ping->sent ? ping->err.text : NULL);
}

static void ping_wait_until(deadline_t deadline)
{
    while (!echoc_interrupted && !deadline_passed(deadline))
        poll(NULL, 0, deadline_poll_msec(deadline));
}

static void ping_run(struct ping *ping)
{
    const struct echoc *echoc = ping->echoc;
    deadline_t next = now_usec();

    while (!echoc_interrupted && !ping->refused) {
        if (ping_once(ping) < 0) {
            if (echoc_interrupted) /* an interrupted wait looks like a timeout */
                err_set(&ping->err, "interrupted");
            ping_show_loss(ping);
        }
        if (echoc->count > 0 && ping->sent >= (unsigned long)echoc->count)
            break;
        next += echoc->interval_usec;
        if (next < now_usec()) /* the answer took longer: do not catch up */
            next = now_usec();
        ping_wait_until(next);
    }
}

static int ping_report(struct ping *ping, uint64_t usec)
{
    if (ping->refused && ping->received == 0)
        return echoc_error("%s", ping->err.text);
    if (ping->echoc->json)
        echoc_print_json(ping_json(ping, usec), stdout);
    else
        ping_show_summary(ping, usec);
    return ping->received > 0 && ping->received == ping->sent ? ECHOC_OK : ECHOC_LOST;
}

int echoc_ping(struct echoc *echoc)
{
    static struct ping ping;
    uint64_t begin = now_usec();
    int status;

    ping.echoc = echoc;
    ping.payload = (struct payload){&echoc->frame, begin, (size_t)echoc->size};
    ping.message = malloc(payload_length(&ping.payload));
    if (!ping.message)
        return echoc_error("out of memory");
    if (!echoc->anew)
        ping_connect(&ping); /* if this fails, the first message tells why */
    if (!ping.refused)
        ping_show_head(&ping);
    ping_run(&ping);
    ping_hang_up(&ping);
    status = ping_report(&ping, now_usec() - begin);
    tls_session_free(ping.session);
    free(ping.message);
    return status;
}
