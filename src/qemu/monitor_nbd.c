/* The NBD server inside of QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor_nbd.h"

#include "qemu/monitor_private.h"

#define FD_NAME "lodge-nbd"

bool monitor_nbd_start(Qmp *qmp, const MonitorNbdServer *server, uint64_t timeout_ms, Error **err)
{
    g_autofree char *port = g_strdup_printf("%u", server->port);
    Json *addr = server->fd >= 0 ? json_pack("{s:s, s:{s:s}}", "type", "fd", "data", "str", FD_NAME)
                                 : json_pack("{s:s, s:{s:s, s:s}}", "type", "inet", "data", "host",
                                             server->host, "port", port);
    Json *args = json_pack("{s:o}", "addr", addr);

    if (server->tls_id)
        json_object_set_new(args, "tls-creds", json_string(server->tls_id));
    return server->fd >= 0
               ? monitor_do_with_fd(qmp, FD_NAME, server->fd, "nbd-server-start", args, timeout_ms, err)
               : monitor_do(qmp, "nbd-server-start", args, timeout_ms, err);
}

static bool add_tls(Qmp *qmp, const char *id, const char *endpoint, const char *dir, bool verify,
                    uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "object-add",
                      json_pack("{s:s, s:s, s:s, s:s, s:b}", "qom-type", "tls-creds-x509", "id", id, "dir",
                                dir, "endpoint", endpoint, "verify-peer", verify),
                      timeout_ms, err);
}

bool monitor_nbd_add_tls(Qmp *qmp, const char *id, const char *dir, bool verify, uint64_t timeout_ms,
                         Error **err)
{
    return add_tls(qmp, id, "server", dir, verify, timeout_ms, err);
}

bool monitor_add_client_tls(Qmp *qmp, const char *id, const char *dir, bool verify, uint64_t timeout_ms,
                            Error **err)
{
    return add_tls(qmp, id, "client", dir, verify, timeout_ms, err);
}

static Json *export_arguments(const char *node, const char *name, bool writable)
{
    g_autofree char *id = g_strdup_printf("libvirt-nbd-%s", node);

    return json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", id, "node-name", node, "name", name,
                     "writable", writable);
}

bool monitor_nbd_export_writable(Qmp *qmp, const char *node, const char *name, uint64_t timeout_ms,
                                 Error **err)
{
    return monitor_do(qmp, "block-export-add", export_arguments(node, name, true), timeout_ms, err);
}

bool monitor_nbd_export(Qmp *qmp, const char *node, const char *name, const char *bitmap, uint64_t timeout_ms,
                        Error **err)
{
    Json *args = export_arguments(node, name, false);

    if (bitmap)
        json_object_set_new(args, "bitmaps", json_pack("[{s:s, s:s}]", "node", node, "name", bitmap));
    return monitor_do(qmp, "block-export-add", args, timeout_ms, err);
}

static bool do_if_there(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms, Error **err)
{
    g_autoptr(Error) why = NULL;

    return monitor_do(qmp, command, args, timeout_ms, &why) || error_code(why) == ERROR_REFUSED ||
           error_propagate(err, g_steal_pointer(&why));
}

bool monitor_nbd_stop(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return do_if_there(qmp, "nbd-server-stop", NULL, timeout_ms, err);
}

bool monitor_nbd_remove_tls(Qmp *qmp, const char *id, uint64_t timeout_ms, Error **err)
{
    return do_if_there(qmp, "object-del", json_pack("{s:s}", "id", id), timeout_ms, err);
}
