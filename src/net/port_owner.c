/* port_owner.c - which process listens on an address. */
#include "net/port_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_LISTEN_STATE 0x0a /* proc(5), /proc/net/tcp: the state field of a listening socket */

/* Whether one line of /proc/net/tcp or tcp6 is a listening socket that conflicts with `addr`. */
static bool in_the_way(const char *line, const struct addr *addr, unsigned long *ret_inode)
{
    char address[33], remote[64];
    unsigned port, state;
    unsigned long inode;
    bool any;

    if (sscanf(line, " %*d: %32[0-9A-F]:%x %63s %x %*s %*s %*s %*d %*d %lu", address, &port, remote,
               &state, &inode) != 5)
        return false;
    if (state != TCP_LISTEN_STATE || port != addr_port(addr))
        return false;
    any = strspn(address, "0") == strlen(address);
    if (!any && !addr_is_any(addr) && addr->sa.sa_family == AF_INET) {
        char wanted[9];

        snprintf(wanted, sizeof(wanted), "%08X", addr->in.sin_addr.s_addr);
        if (strcmp(address, wanted) != 0)
            return false;
    }
    *ret_inode = inode;
    return true;
}

static unsigned long find_inode(const char *table, const struct addr *addr)
{
    FILE *file = fopen(table, "re");
    char line[512];
    unsigned long inode = 0;

    if (!file)
        return 0;
    while (inode == 0 && fgets(line, sizeof(line), file))
        if (!in_the_way(line, addr, &inode))
            inode = 0;
    fclose(file);
    return inode;
}

static bool has_socket(const char *pid, unsigned long inode)
{
    char path[300], target[64], wanted[64];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    snprintf(path, sizeof(path), "/proc/%.32s/fd", pid);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%.32s/fd/%.200s", pid, entry->d_name);
        n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (dir)
        closedir(dir);
    return found;
}

/* Returns the pid, or 0. */
static long find_process(unsigned long inode)
{
    struct dirent *entry;
    long pid = 0;
    DIR *dir = opendir("/proc");

    while (dir && pid == 0 && (entry = readdir(dir)))
        if (isdigit((unsigned char)entry->d_name[0]) && has_socket(entry->d_name, inode))
            pid = strtol(entry->d_name, NULL, 10);
    if (dir)
        closedir(dir);
    return pid;
}

/* The process at the other end of a connection to an AF_UNIX path that is in use, or 0. */
static long unix_holder(const struct addr *addr)
{
    struct ucred peer = {.pid = 0};
    socklen_t length = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, &addr->sa, addr->len) == 0)
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    if (fd >= 0)
        close(fd);
    return peer.pid;
}

static void read_name(long pid, char *ret_name, size_t size)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    file = fopen(path, "re");
    if (!file || !fgets(ret_name, (int)size, file))
        snprintf(ret_name, size, "unknown");
    ret_name[strcspn(ret_name, "\n")] = '\0';
    if (file)
        fclose(file);
}

const char *port_owner_describe(const struct addr *addr, char *text)
{
    unsigned long inode;
    char name[32];
    long pid = 0;

    if (addr->sa.sa_family == AF_UNIX) {
        pid = unix_holder(addr);
    } else {
        bool ipv6 = addr->sa.sa_family == AF_INET6;

        inode = find_inode(ipv6 ? "/proc/net/tcp6" : "/proc/net/tcp", addr);
        if (inode == 0)
            inode = find_inode(ipv6 ? "/proc/net/tcp" : "/proc/net/tcp6", addr);
        if (inode != 0)
            pid = find_process(inode);
    }
    if (pid <= 0) {
        snprintf(text, PORT_OWNER_TEXT_MAX, "held by another process");
        return text;
    }
    read_name(pid, name, sizeof(name));
    snprintf(text, PORT_OWNER_TEXT_MAX, "held by %s, pid %ld", name, pid);
    return text;
}
