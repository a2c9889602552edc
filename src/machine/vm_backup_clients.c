/* The clients of a backup's NBD server.
 *
 * Before QEMU 8 ends a job or the server itself it waits until all requests are answered, and does nothing
 * else meanwhile: not for ever with a client that is stopped or does not read, but as long as that one likes.
 * So their connections are ended first, from outside: QEMU finds them broken and drops them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "machine/vm_backup_private.h"

#define ROOM_BYTES (64 << 20)

typedef struct Listener {
    const char *ending; /* of a unix socket's name: "/backup.sock"; NULL: TCP */
    unsigned port;
} Listener;

/* Of descriptors that were copied from QEMU; they are the same connections. */
static bool get_name(int fd, bool *ret_listens, struct sockaddr_storage *ret_name)
{
    socklen_t len = sizeof(*ret_name), int_len = sizeof(int);
    int listens = 0;

    memset(ret_name, 0, sizeof(*ret_name));
    if (getsockname(fd, (struct sockaddr *)ret_name, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) < 0)
        return false;
    *ret_listens = listens != 0;
    return true;
}

/* A connection bears the name of the socket that it came through. */
static bool is_from(const Listener *listener, const struct sockaddr_storage *name)
{
    switch (name->ss_family) {
    case AF_UNIX: {
        const struct sockaddr_un *address = (const struct sockaddr_un *)name;
        g_autofree char *path = g_strndup(address->sun_path, sizeof(address->sun_path));
        return listener->ending && g_str_has_suffix(path, listener->ending);
    }
    case AF_INET:
        return !listener->ending && ntohs(((const struct sockaddr_in *)name)->sin_port) == listener->port;
    case AF_INET6:
        return !listener->ending && ntohs(((const struct sockaddr_in6 *)name)->sin6_port) == listener->port;
    default:
        return false;
    }
}

/* QEMU writes, and sees that there is nobody any more, when it can write: a unix socket whose peer does not
 * read is not writable even then, unless it has more room. */
static void end_connection(int fd)
{
    const int room = ROOM_BYTES;

    (void)shutdown(fd, SHUT_RDWR); /* one that is gone already is what we want */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

void vm_backup_drop_clients(const Vm *vm)
{
    const VmBackup *backup = vm->run->backup;
    const pid_t pid = vm->run->pid;
    g_autofree char *folder = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autofree char *base = backup->socket ? g_path_get_basename(backup->socket) : NULL;
    g_autofree char *ending = base ? g_strdup_printf("/%s", base) : NULL;
    const Listener listener = { .ending = ending,
                                .port = backup->def->server ? (unsigned)backup->def->server->port.value : 0 };
    AUTO_FD process = pidfd_open(pid, 0);
    g_autoptr(GDir) dir = process >= 0 ? g_dir_open(folder, 0, NULL) : NULL;
    const char *number = NULL;

    while (dir && (number = g_dir_read_name(dir))) {
        AUTO_FD fd = pidfd_getfd(process, atoi(number), 0);
        struct sockaddr_storage name;
        bool listens = false;
        if (fd >= 0 && get_name(fd, &listens, &name) && !listens && is_from(&listener, &name))
            end_connection(fd);
    }
}
