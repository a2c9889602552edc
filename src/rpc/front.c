/* Puts the server together for the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/front.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"
#include "core/config.h"
#include "core/host.h"
#include "core/paths.h"
#include "machine/machine.h"
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

/* How a socket is to be reached, wherever it comes from. */
typedef struct SocketRules {
    bool read_only;
    RpcAuth auth;
    mode_t mode;
    gid_t gid; /* (gid_t)-1: as it is */
} SocketRules;

static SocketRules front_rules(const Config *config, const Paths *paths, gid_t gid, bool read_only)
{
    if (paths->is_session)
        return (SocketRules){ .read_only = read_only, .mode = 0700, .gid = gid };
    return (SocketRules){ .read_only = read_only,
                          .auth = front_auth(read_only ? config->auth_unix_ro : config->auth_unix_rw),
                          .mode = read_only ? config->unix_sock_ro_perms : config->unix_sock_rw_perms,
                          .gid = gid };
}

/* Would the file's mode and group let this peer in? */
static bool front_is_member(int client, const PeerCredentials *peer, gid_t gid)
{
    gid_t groups[256];
    socklen_t size = sizeof groups;

    if (peer->uid == 0 || peer->gid == gid)
        return true;
    if (gid == (gid_t)-1 || getsockopt(client, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof *groups; i++) {
        if (groups[i] == gid)
            return true;
    }
    return false;
}

/* Those who came while the socket was open to more than its rules allow. */
static void front_sift_queue(RpcServer *server, int fd, const SocketRules *rules)
{
    int client;

    while ((client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        PeerCredentials peer;
        g_autoptr(Error) err = NULL;
        if (!socket_peer_credentials(client, &peer, &err) || !front_is_member(client, &peer, rules->gid))
            close(client);
        else if (!rpc_server_add_client(server, client, rules->read_only, rules->auth, &err))
            log_warning_error(err, "a client that waited");
    }
}

/* systemd makes the socket by its unit's rules; ours are in the configuration. */
static bool front_apply_rules(RpcServer *server, int fd, const SocketRules *rules, Error **err)
{
    struct sockaddr_un address = { 0 };
    socklen_t len = sizeof address - 1;
    struct stat before;

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || !address.sun_path[0] ||
        stat(address.sun_path, &before) < 0)
        return true; /* no file that others could open */
    if ((rules->gid != (gid_t)-1 && chown(address.sun_path, (uid_t)-1, rules->gid) < 0) ||
        chmod(address.sun_path, rules->mode) < 0)
        return error_set_errno(err, errno, "cannot set who may use the socket '%s'", address.sun_path);
    bool was_open = before.st_mode & 077 & ~rules->mode;
    if (was_open && rules->auth == RPC_AUTH_NONE && fd_set_nonblocking(fd))
        front_sift_queue(server, fd, rules);
    return true;
}

/* Sockets that systemd made: their names say which are read-only. */
static bool front_take_activated(RpcServer *server, const Config *config, const Paths *paths, gid_t gid,
                                 bool *ret_any, Error **err)
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
        const SocketRules rules = front_rules(config, paths, gid, read_only);
        if (!front_apply_rules(server, fd, &rules, err) ||
            !rpc_server_listen_fd(server, fd, read_only, rules.auth, err))
            return false;
        *ret_any = true;
    }
    return true;
}

static bool front_listen(RpcServer *server, const Config *config, const Paths *paths, gid_t gid, Error **err)
{
    static const char *const names[] = { "libvirt-sock", "virtqemud-sock" };
    const char *dir = config->unix_sock_dir && *config->unix_sock_dir ? config->unix_sock_dir : paths->run;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);
        for (int read_only = 0; read_only <= !paths->is_session; read_only++) {
            g_autofree char *full = g_strconcat(path, read_only ? "-ro" : "", NULL);
            const SocketRules rules = front_rules(config, paths, gid, read_only);
            if (!rpc_server_listen(server, full, rules.mode, rules.gid, rules.read_only, rules.auth, err))
                return false;
        }
    }
    return true;
}

bool rpc_front_start(Host *host, const RpcTable *more, RpcServer **ret_server, Error **err)
{
    const Config *config = host_config(host);
    const Paths *paths = host_paths(host);
    RpcServerSpec spec = {
        .host = host,
        .events = host_events(host),
        .tables = rpc_tables,
        .more = more,
        .max_clients = config->max_clients,
        .max_unauthenticated = config->max_anonymous_clients ? config->max_anonymous_clients : UINT_MAX,
        .max_calls = config->max_client_requests,
        .max_user_calls = config->max_user_requests,
        .max_user_urgent_calls = config->max_user_urgent_requests,
        .max_queued = config->max_queued_clients,
        .keepalive_interval_s = config->keepalive_interval_s,
        .keepalive_count = config->keepalive_count,
        .is_session = paths->is_session,
        .client_gone = machine_client_gone,
    };
    g_autoptr(RpcServer) server = rpc_server_new(&spec);
    bool activated;
    gid_t gid;

    if (!front_find_group(config, paths->is_session, &gid, err) ||
        !front_take_activated(server, config, paths, gid, &activated, err))
        return false;
    if (!activated && !front_listen(server, config, paths, gid, err))
        return false;
    *ret_server = g_steal_pointer(&server);
    return true;
}

void rpc_front_stop(RpcServer *server)
{
    rpc_server_free(server);
    rpc_auth_shutdown();
}
