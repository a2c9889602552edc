/* Puts the server together for the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/front.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "core/config.h"
#include "core/host.h"
#include "core/machine.h"
#include "core/paths.h"
#include "rpc/auth.h"
#include "rpc/handlers.h"

static RpcAuth front_auth(const char *text)
{
    return g_strcmp0(text, "polkit") == 0 ? RPC_AUTH_POLKIT : RPC_AUTH_NONE;
}

/* The group that may use the sockets; (gid_t)-1 for a user's own daemon or none. */
static bool front_find_group(const Config *config, bool is_session, gid_t *ret_gid, Error **err)
{
    const char *name = config->unix_sock_group;

    *ret_gid = (gid_t)-1;
    if (is_session || !name || !*name)
        return true;
    errno = 0;
    const struct group *group = getgrnam(name); /* once, at start, before anybody waits for us */
    if (!group)
        return error_set(err, ERROR_CONFIG_SYNTAX, "unix_sock_group: there is no group '%s'", name);
    *ret_gid = group->gr_gid;
    return true;
}

/* Sockets that systemd made: their names say which are read-only. */
static bool front_take_activated(RpcServer *server, const Config *config, bool *ret_any, Error **err)
{
    g_auto(GStrv) names = NULL;
    int count = sd_listen_fds_with_names(1, &names);

    *ret_any = false;
    if (count < 0)
        return error_set_errno(err, -count, "socket activation");
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        const char *name = names && names[i] ? names[i] : "";
        bool read_only = g_str_has_suffix(name, "-ro.socket") || g_str_has_suffix(name, "-ro");
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0 || strstr(name, "-admin")) {
            log_warning("socket activation passed '%s', which is not used", name);
            continue;
        }
        if (!rpc_server_listen_fd(server, fd, read_only,
                                  front_auth(read_only ? config->auth_unix_ro : config->auth_unix_rw), err))
            return false;
        *ret_any = true;
    }
    return true;
}

static bool front_listen(RpcServer *server, const Config *config, const Paths *paths, Error **err)
{
    static const char *const names[] = { "libvirt-sock", "virtqemud-sock" };
    const char *dir = config->unix_sock_dir && *config->unix_sock_dir ? config->unix_sock_dir : paths->run;
    gid_t gid;

    if (!front_find_group(config, paths->is_session, &gid, err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);
        mode_t mode = paths->is_session ? 0700 : config->unix_sock_rw_perms;
        RpcAuth auth = paths->is_session ? RPC_AUTH_NONE : front_auth(config->auth_unix_rw);
        if (!rpc_server_listen(server, path, mode, gid, false, auth, err))
            return false;
        if (paths->is_session)
            continue;
        g_autofree char *path_ro = g_strconcat(path, "-ro", NULL);
        if (!rpc_server_listen(server, path_ro, config->unix_sock_ro_perms, gid, true,
                               front_auth(config->auth_unix_ro), err))
            return false;
    }
    return true;
}

bool rpc_front_start(Host *host, RpcServer **ret_server, Error **err)
{
    const Config *config = host_config(host);
    const Paths *paths = host_paths(host);
    RpcServerSpec spec = {
        .host = host,
        .events = host_events(host),
        .tables = rpc_tables,
        .max_clients = config->max_clients,
        .max_unauthenticated = config->max_anonymous_clients,
        .max_calls = config->max_client_requests,
        .keepalive_interval_s = config->keepalive_interval_s,
        .keepalive_count = config->keepalive_count,
        .is_session = paths->is_session,
        .client_gone = machine_client_gone,
    };
    g_autoptr(RpcServer) server = rpc_server_new(&spec);
    bool activated;

    if (!front_take_activated(server, config, &activated, err))
        return false;
    if (!activated && !front_listen(server, config, paths, err))
        return false;
    *ret_server = g_steal_pointer(&server);
    return true;
}

void rpc_front_stop(RpcServer *server)
{
    rpc_server_free(server);
    rpc_auth_shutdown();
}
