/* service_children.c - what a client's process finds, and what it does not. */
#include "service.h"

#include "slim.h"
#include "warm.h"

/* What one listener's TLS has found serves the others too. */
void service_warm(const struct service *service)
{
    for (size_t i = 0; i < service->settings->n_listeners; i++)
        if (service->sessions[i].tls) {
            warm_tls(service->sessions[i].tls, service->sessions[i].keeper);
            return;
        }
}

void service_slim(const struct service *service)
{
    bool tls = !service, report = !service;
    const char *wanted[3] = {NULL};
    size_t n = 0;

    for (size_t i = 0; service && i < service->settings->n_listeners; i++) {
        tls = tls || service->sessions[i].tls;
        report = report || service->sessions[i].report;
    }
    if (tls)
        wanted[n++] = "libssl.so";
    if (report)
        wanted[n++] = "libjansson.so";
    slim_children(wanted);
}
