/* forkserver_helper.h - what the process that makes those of clients gives up in tests. */
#ifndef ECHOD_FORKSERVER_HELPER_H
#define ECHOD_FORKSERVER_HELPER_H

#include <stdbool.h>
#include <stddef.h>

/* All descriptors but the kept and the standard ones. A client_prepare. */
int give_up_descriptors(const void *arg, const int *kept, size_t n);

#endif
