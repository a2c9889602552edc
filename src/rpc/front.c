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
#include "base/socket_tcp.h"
#include "base/worker.h"
#include "core/config.h"
#include "core/host.h"
#include "core/paths.h"
#include "machine/machine.h"
#include "rpc/access.h"
#include "rpc/auth.h"
#include "rpc/handlers.h"

static RpcAuth front_auth(const char *text)
{
    return g_strcmp0(text, "polkit") == 0 ? RPC_AUTH_POLKIT
           : g_strcmp0(text, "sasl") == 0 ? RPC_AUTH_SASL
                                          : RPC_AUTH_NONE;
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
    RpcDoor door;
    mode_t mode;
    gid_t gid; /* (gid_t)-1: as it is */
} SocketRules;

static SocketRules front_rules(const Config *config, const Paths *paths, gid_t gid, bool read_only)
{
    if (paths->is_session)
        return (SocketRules){ .door.read_only = read_only, .mode = 0700, .gid = gid };
    return (
        SocketRules){ .door = { .read_only = read_only,
                                .auth = front_auth(read_only ? config->auth_unix_ro : config->auth_unix_rw) },
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
        else if (!rpc_server_add_client(server, client, &rules->door, &err))
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
    if (was_open && rules->door.auth == RPC_AUTH_NONE && fd_set_nonblocking(fd))
        front_sift_queue(server, fd, rules);
    return true;
}

/* ---- other hosts ---- */

#define LOAD_MS 10000
#define LOOK_UP_MS 10000
#define EXPIRY_WARNING_S (30 * 86400)

typedef struct LoadJob {
    WireTlsFiles files;
    WireTlsIdentity *identity;
} LoadJob;

static void load_job_free(void *data)
{
    LoadJob *job = data;

    wire_tls_files_clear(&job->files);
    wire_tls_identity_unref(job->identity);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoadJob, load_job_free)

static bool load_job_run(void *data, Error **err)
{
    LoadJob *job = data;

    return wire_tls_identity_load(&job->files, WIRE_TLS_SERVER, &job->identity, err);
}

static void front_replace_path(char **field, const char *path)
{
    if (path) {
        g_free(*field);
        *field = g_strdup(path);
    }
}

static void front_warn_of_expiry(const char *path, time_t expires)
{
    const int64_t left_s = (int64_t)expires - (int64_t)time(NULL);

    if (expires && left_s < EXPIRY_WARNING_S)
        log_warning("the certificate '%s' expires in %d days: 'lodge remote setup' makes a new one", path,
                    (int)MAX(left_s / 86400, 0));
}

/* Reads the certificates; what is there stays if they cannot be used. */
AWAITS static bool front_load_tls(RpcServer *server, const Config *config, const Paths *paths, Error **err)
{
    LoadJob *job = g_new0(LoadJob, 1);

    job->files = wire_tls_files_system(paths->root, WIRE_TLS_SERVER);
    front_replace_path(&job->files.ca, config->tls_ca_file);
    front_replace_path(&job->files.crl, config->tls_crl_file);
    front_replace_path(&job->files.cert, config->tls_cert_file);
    front_replace_path(&job->files.key, config->tls_key_file);
    job->files.priority = g_strdup(config->tls_priority);
    job->files.skip_checks = config->tls_no_sanity_certificate;
    if (!worker_call(worker_lane_state(), load_job_run, job, load_job_free, LOAD_MS, err))
        return error_prefix(err, "certificates of the server");
    g_autoptr(LoadJob) done = job;
    const WireTlsSpec spec = { .identity = done->identity,
                               .allowed_names = (const char *const *)config->tls_allowed_names,
                               .no_verify = config->tls_no_verify_certificate };
    rpc_server_set_tls(server, &spec);
    front_warn_of_expiry(done->files.cert, wire_tls_identity_expires(done->identity));
    return true;
}

/* @fd owned. */
AWAITS static bool front_take_remote(RpcServer *server, const Config *config, const Paths *paths, int fd,
                                     RpcVia via, Error **err)
{
    AUTO_FD socket = fd;
    const char *auth = via == RPC_VIA_TLS ? config->auth_tls : config->auth_tcp;
    const RpcDoor door = { .via = via, .auth = front_auth(auth) };

    if (via == RPC_VIA_TLS && !rpc_server_tls(server)->identity &&
        !front_load_tls(server, config, paths, err))
        return false;
    g_autofree char *address = socket_own_address(socket);
    log_info("listening on %s by %s", address, via == RPC_VIA_TLS ? "TLS" : "TCP");
    if (via == RPC_VIA_TCP && door.auth == RPC_AUTH_NONE)
        log_warning("auth_tcp is \"none\": everybody who reaches %s is root here", address);
    return rpc_server_listen_fd(server, fd_steal(&socket), &door, err);
}

AWAITS static bool front_listen_remote(RpcServer *server, const Config *config, const Paths *paths,
                                       RpcVia via, Error **err)
{
    g_autoptr(GArray) fds = NULL;
    bool ok = true;

    if (!socket_listen_tcp(config->listen_addr, via == RPC_VIA_TLS ? config->tls_port : config->tcp_port,
                           LOOK_UP_MS, &fds, err))
        return false;
    for (guint i = 0; i < fds->len; i++) {
        AUTO_FD fd = g_array_index(fds, int, i);
        ok = ok && front_take_remote(server, config, paths, fd_steal(&fd), via, err);
    }
    return ok;
}

bool rpc_front_reload(Host *host, RpcServer *server, Error **err)
{
    return rpc_access_load(host, err) && (!rpc_server_tls(server)->identity ||
                                          front_load_tls(server, host_config(host), host_paths(host), err));
}

/* ---- */

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
        if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) > 0) {
            if (!front_take_remote(server, config, paths, fd,
                                   strstr(name, "-tls") ? RPC_VIA_TLS : RPC_VIA_TCP, err))
                return false;
            continue;
        }
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0 || strstr(name, "-admin")) {
            log_warning("socket activation passed '%s', which is not used", name);
            continue;
        }
        const SocketRules rules = front_rules(config, paths, gid, read_only);
        if (!front_apply_rules(server, fd, &rules, err) ||
            !rpc_server_listen_fd(server, fd, &rules.door, err))
            return false;
        *ret_any = true;
    }
    return true;
}

static char *front_socket_path(Host *host, const char *name)
{
    const char *dir = host_config(host)->unix_sock_dir;

    return g_build_filename(dir && *dir ? dir : host_paths(host)->run, name, NULL);
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
            if (!rpc_server_listen(server, full, rules.mode, rules.gid, &rules.door, err))
                return false;
        }
    }
    return true;
}

struct RpcFront {
    RpcAdmin admin;
};

/* The socket of administrators, beside the others. */
static bool front_listen_admin(RpcFront *front, Host *host, Error **err)
{
    const Config *config = host_config(host);
    const RpcServerSpec spec = {
        .host = host,
        .events = host_events(host),
        .tables = rpc_admin_tables,
        .admin = &front->admin,
        .max_clients = config->admin_max_clients,
        .keepalive_interval_s = config->keepalive_interval_s,
        .keepalive_count = config->keepalive_count,
    };
    g_autofree char *path = front_socket_path(host, "libvirt-admin-sock");

    front->admin.admin = rpc_server_new(&spec);
    return rpc_server_listen(front->admin.admin, path, config->unix_sock_admin_perms, (gid_t)-1,
                             &(RpcDoor){ .via = RPC_VIA_UNIX }, err);
}

static RpcServer *front_new_server(Host *host, const RpcTable *more)
{
    const Config *config = host_config(host);
    const RpcServerSpec spec = {
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
        .is_session = host_paths(host)->is_session,
        .client_gone = machine_client_gone,
    };

    return rpc_server_new(&spec);
}

AWAITS static bool front_open(RpcFront *front, Host *host, Error **err)
{
    const Config *config = host_config(host);
    const Paths *paths = host_paths(host);
    RpcServer *server = front->admin.server;
    bool activated;
    gid_t gid;

    if (!rpc_access_load(host, err))
        return false;
    if (!front_find_group(config, paths->is_session, &gid, err) ||
        !front_take_activated(server, config, paths, gid, &activated, err))
        return false;
    if (!activated && !front_listen(server, config, paths, gid, err))
        return false;
    if (config->listen && !paths->is_session &&
        ((config->listen_tls && !front_listen_remote(server, config, paths, RPC_VIA_TLS, err)) ||
         (config->listen_tcp && !front_listen_remote(server, config, paths, RPC_VIA_TCP, err))))
        return false;
    return front_listen_admin(front, host, err);
}

bool rpc_front_start(Host *host, const RpcDaemon *daemon, const RpcTable *more, RpcFront **ret_front,
                     Error **err)
{
    const Paths *paths = host_paths(host);
    RpcFront *front = g_new0(RpcFront, 1);

    if (*paths->root) {
        g_autofree char *sasl = g_strconcat(paths->root, "/etc/sasl2", NULL);
        wire_sasl_set_conf_dir(sasl);
    }
    front->admin.daemon = daemon;
    front->admin.server = front_new_server(host, more);
    if (!front_open(front, host, err)) {
        rpc_front_stop(front);
        return false;
    }
    *ret_front = front;
    return true;
}

RpcServer *rpc_front_server(const RpcFront *front)
{
    return front->admin.server;
}

void rpc_front_end(RpcFront *front)
{
    rpc_server_stop(front->admin.server);
    rpc_server_stop(front->admin.admin);
}

void rpc_front_stop(RpcFront *front)
{
    rpc_server_free(front->admin.admin);
    rpc_server_free(front->admin.server);
    rpc_auth_shutdown();
    rpc_access_shutdown();
    g_free(front);
}
