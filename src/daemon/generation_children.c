/*
 * generation_children.c - prepares what clients' processes inherit, and removes what they do not
 * need.
 */
#include "daemon/generation.h"

#include "sandbox/sandbox.h"
#include "sandbox/unmap_libs.h"
#include "tls/signer.h"
#include "tls/tls_warmup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One handshake is enough: OpenSSL keeps what it sets up for all listeners. */
void generation_warm_up(const struct generation *generation)
{
    for (size_t i = 0; i < generation->settings->n_listeners; i++)
        if (generation->sessions[i].tls) {
            tls_warm_up(generation->sessions[i].tls, generation->sessions[i].signer);
            return;
        }
}

/* ---- in the fork server ---- */

static void unmap_unused_libs(const struct generation *generation)
{
    bool tls = false, report = false;
    const char *wanted[3] = {NULL};
    size_t n = 0;

    for (size_t i = 0; i < generation->settings->n_listeners; i++) {
        tls = tls || generation->sessions[i].tls;
        report = report || generation->sessions[i].limits.report;
    }
    if (tls)
        wanted[n++] = "libssl.so";
    if (report)
        wanted[n++] = "libjansson.so";
    unmap_libs(wanted);
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Close all descriptors except the standard ones and those in `kept`, which this sorts. */
static int close_all_but(int *kept, size_t n)
{
    int first = STDERR_FILENO + 1;

    qsort(kept, n, sizeof(*kept), compare);
    for (size_t i = 0; i < n; i++) {
        if (kept[i] > first && close_range((unsigned)first, (unsigned)kept[i] - 1, 0) < 0)
            return -1;
        if (kept[i] >= first)
            first = kept[i] + 1;
    }
    return close_range((unsigned)first, ~0u, 0);
}

static int give_up_descriptors(const struct generation *generation, const int *kept, size_t n)
{
    int *own = calloc(n + generation->settings->n_listeners + 1, sizeof(*own)), result;

    if (!own)
        return -1;
    memcpy(own, kept, n * sizeof(*own));
    if (generation->signer)
        own[n++] = signer_control(generation->signer);
    for (size_t i = 0; i < generation->settings->n_listeners; i++)
        if (generation->sessions[i].keylog > 0)
            own[n++] = generation->sessions[i].keylog;
    result = close_all_but(own, n);
    free(own);
    return result;
}

int generation_prepare(const void *arg, const int *kept, size_t n)
{
    const struct generation *generation = arg;

    if (sandbox_forkserver() < 0 || give_up_descriptors(generation, kept, n) < 0)
        return -1;
    unmap_unused_libs(generation);
    return 0;
}
