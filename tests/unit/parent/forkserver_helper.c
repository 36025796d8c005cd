/* forkserver_helper.c - what the process that makes those of clients gives up in tests. */
#include "forkserver_helper.h"

#include <unistd.h>

static bool is_kept(int fd, const int *kept, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (kept[i] == fd)
            return true;
    return false;
}

int give_up_descriptors(const void *arg, const int *kept, size_t n)
{
    (void)arg;
    for (int fd = STDERR_FILENO + 1; fd < getdtablesize() && fd < 1024; fd++)
        if (!is_kept(fd, kept, n))
            close(fd);
    return 0;
}
