/* What a machine needs from the host before its QEMU can start: directories, display ports, sockets and files
 * of character devices, tap devices, firmware variables. Each function writes what it chose into the live
 * definition, where the XML shows it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "prepare"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/socket.h"
#include "base/trail.h"
#include "base/worker.h"
#include "machine/vm_console_log.h"
#include "machine/vm_private.h"
#include "network/bridge_helper.h"
#include "network/filter.h"
#include "network/network.h"
#include "network/switch.h"
#include "qemu/device.h"

#define WEBSOCKET_FIRST 5700

/* ---- descriptors ---- */

void vm_resources_init(VmResources *resources)
{
    *resources = (VmResources){ .fds = plan_fds_new(), .log_fd = -1 };
}

void vm_resources_clear(VmResources *resources)
{
    g_clear_pointer(&resources->fds, plan_fds_free);
    fd_cleanup(&resources->log_fd);
}

/* ---- directories ---- */

typedef struct DirsJob {
    char *dirs[2];
    char *key_path;
    uint8_t key[QEMU_MASTER_KEY_BYTES]; /* to be written */
    uid_t uid;
    gid_t gid;
    bool give; /* else: make */
} DirsJob;

static bool write_key(const DirsJob *job)
{
    AUTO_FD fd = open(job->key_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd >= 0 && write(fd, job->key, sizeof(job->key)) == (ssize_t)sizeof(job->key);
}

static bool dirs_job_run(void *data, Error **err)
{
    const DirsJob *job = data;

    /* The key before the folder: what lies in the folder of another can be swapped. */
    if (job->give && lchown(job->key_path, job->uid, job->gid) < 0)
        return error_set_errno(err, errno, "cannot give '%s' to QEMU's user", job->key_path);

    for (size_t i = 0; i < G_N_ELEMENTS(job->dirs); i++) {
        if (job->give && lchown(job->dirs[i], job->uid, job->gid) < 0)
            return error_set_errno(err, errno, "cannot give '%s' to QEMU's user", job->dirs[i]);
        if (!job->give && (mkdir(job->dirs[i], 0750) < 0 || chmod(job->dirs[i], 0750) < 0))
            return error_set_errno(err, errno, "cannot make directory '%s'", job->dirs[i]);
    }
    if (!job->give && !write_key(job))
        return error_set_errno(err, errno, "cannot make '%s'", job->key_path);
    return true;
}

static void dirs_job_free(void *data)
{
    DirsJob *job = data;

    g_free(job->dirs[0]);
    g_free(job->dirs[1]);
    g_free(job->key_path);
    explicit_bzero(job->key, sizeof(job->key));
    g_free(job);
}

static bool prepare_dirs(const Vm *vm, bool give, Error **err)
{
    DirsJob *job = g_new0(DirsJob, 1);

    *job = (DirsJob){ .dirs = { g_strdup(vm->run->lib_dir), g_strdup(vm->run->channel_dir) }, .give = give };
    job->key_path = path_join(vm->run->lib_dir, QEMU_MASTER_KEY_FILE);
    if (!give)
        random_bytes(job->key, sizeof(job->key));
    dac_get_owner(vm->host, vm->live, &job->uid, &job->gid);
    if (!worker_call(worker_lane_state(), dirs_job_run, job, dirs_job_free, FILE_DEADLINE_MS, err))
        return false;
    dirs_job_free(job);
    return true;
}

/* New, so that nobody has put anything into them; what a killed daemon left goes first. */
bool vm_prepare_dirs(Vm *vm, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (prepare_dirs(vm, false, &why))
        return true;
    if (error_errno(why) != EEXIST)
        return error_propagate(err, g_steal_pointer(&why));
    return file_remove_tree(vm->run->lib_dir, err) && file_remove_tree(vm->run->channel_dir, err) &&
           prepare_dirs(vm, false, err);
}

bool vm_prepare_give_dirs(Vm *vm, Error **err)
{
    return vm->host->paths->is_session || geteuid() != 0 || prepare_dirs(vm, true, err);
}

/* ---- displays ---- */

static void graphics_default_listen(const Vm *vm, GraphicsDef *graphics, ListenDef *listen)
{
    const Config *config = vm->host->config;

    if (listen->type == LISTEN_ADDRESS && !listen->address) {
        listen->address =
            g_strdup(graphics->type == GRAPHICS_SPICE ? config->spice_listen : config->vnc_listen);
        listen->from_config = true;
    } else if (listen->type == LISTEN_SOCKET && !listen->socket) {
        listen->socket = g_strdup_printf("%s/%s.sock", vm->run->lib_dir,
                                         graphics->type == GRAPHICS_SPICE ? "spice" : "vnc");
    }
}

static const char *graphics_address(const GraphicsDef *graphics)
{
    for (DEF_EACH(ListenDef, listen, graphics->listens)) {
        if (listen->type == LISTEN_ADDRESS || listen->type == LISTEN_NETWORK)
            return listen->address;
    }
    return NULL;
}

static bool graphics_needs_port(const GraphicsDef *graphics)
{
    for (DEF_EACH(ListenDef, listen, graphics->listens)) {
        if (listen->type == LISTEN_ADDRESS || listen->type == LISTEN_NETWORK)
            return true;
    }
    return def_list_len(graphics->listens) == 0;
}

static bool graphics_take_port(Vm *vm, const char *range, unsigned first, unsigned last, const char *address,
                               int32_t *ret_port, Error **err)
{
    unsigned port = 0;

    if (!port_pool_take_any(vm->host->ports, range, first, last, address, &port, err))
        return false;
    g_array_append_val(vm->run->ports, port);
    *ret_port = (int32_t)port;
    return true;
}

static void graphics_note_port(Vm *vm, int32_t number)
{
    const unsigned port = (unsigned)number;

    if (number <= 0)
        return;
    port_pool_mark(vm->host->ports, port);
    g_array_append_val(vm->run->ports, port);
}

bool vm_resolve_listen(Host *host, ListenDef *listen, Error **err)
{
    g_autoptr(Object) network =
        object_find_by_name(host_registry(host, &network_class), listen->network ? listen->network : "", err);

    if (!network)
        return false;
    for (DEF_EACH(NetworkIp, ip, network_def(network)->ips)) {
        g_free(listen->address);
        listen->address = g_strdup(ip->address);
        return true;
    }
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "listen network '%s' had no usable address",
                     listen->network);
}

/* SPICE with TLS has two ports, unless nothing goes by the second. */
static bool graphics_needs_tls_port(const Config *config, const GraphicsDef *graphics, bool automatic)
{
    bool wanted = graphics->default_mode != SPICE_MODE_INSECURE;

    for (DEF_EACH(SpiceChannel, channel, graphics->channels))
        wanted = wanted || channel->mode == SPICE_MODE_SECURE;
    return config->spice_tls && (graphics->tls_port == -1 || (automatic && wanted));
}

static bool prepare_one_graphics(Vm *vm, GraphicsDef *graphics, Error **err)
{
    const Config *config = vm->host->config;
    const bool is_vnc = graphics->type == GRAPHICS_VNC;
    const char *range = is_vnc ? "vnc" : "spice";

    for (DEF_EACH(ListenDef, listen, graphics->listens)) {
        if (listen->type == LISTEN_NETWORK && !vm_resolve_listen(vm->host, listen, err))
            return false;
        graphics_default_listen(vm, graphics, listen);
    }
    if (!graphics_needs_port(graphics))
        return true;
    const char *address = graphics_address(graphics);
    const bool automatic = graphics->autoport == TRISTATE_ON;
    if (automatic || graphics->port == -1) {
        if (!graphics_take_port(vm, range, config->remote_display_port_min, config->remote_display_port_max,
                                address, &graphics->port, err))
            return false;
    } else {
        graphics_note_port(vm, graphics->port);
    }
    if (!is_vnc && graphics_needs_tls_port(config, graphics, automatic) &&
        !graphics_take_port(vm, range, config->remote_display_port_min, config->remote_display_port_max,
                            address, &graphics->tls_port, err))
        return false;
    if (is_vnc && graphics->websocket == -1) {
        if (!graphics_take_port(vm, "vncWebsocket",
                                config->remote_websocket_port_min ? config->remote_websocket_port_min
                                                                  : WEBSOCKET_FIRST,
                                config->remote_websocket_port_max ? config->remote_websocket_port_max : 65535,
                                address, &graphics->websocket, err))
            return false;
        graphics->websocket_generated = TRISTATE_ON;
    }
    return true;
}

bool vm_prepare_graphics(Vm *vm, Error **err)
{
    /* Fixed ports first, so that an automatic one does not take them. */
    for (unsigned automatic = 0; automatic < 2; automatic++) {
        for (DEF_EACH(GraphicsDef, graphics, vm->live->graphics)) {
            if (graphics->type != GRAPHICS_VNC && graphics->type != GRAPHICS_SPICE)
                continue;
            const bool is_automatic = graphics->autoport == TRISTATE_ON || graphics->port == -1;
            if (is_automatic == (automatic == 1) && !prepare_one_graphics(vm, graphics, err))
                return false;
        }
    }
    return true;
}

/* ---- character devices ---- */

typedef enum CharOpenKind {
    CHAR_OPEN_FILE,
    CHAR_OPEN_LISTEN,
    CHAR_OPEN_CONNECT,
    CHAR_OPEN_DEVICE
} CharOpenKind;

/* All kinds lie where a document says, perhaps in a folder of somebody who has fewer rights than we. */
typedef struct OpenJob {
    CharOpenKind kind;
    char *path;
    bool append;
    uid_t uid; /* listen: the owner of the socket; (uid_t)-1: us */
    gid_t gid;
    int fd;
} OpenJob;

static int open_connect(const char *path, Error **err)
{
    g_auto(Trail) trail = TRAIL_INIT;

    if (!trail_follow(path, &trail))
        error_set_errno(err, errno, "Failed to connect to '%s'", path);
    else if (trail_check(&trail, path, err))
        return socket_connect_found(trail.fd, path, err);
    return -1;
}

/* Of the host's, such as /dev/vhost-vdpa-0. */
static int open_device(const char *path, Error **err)
{
    AUTO_FD fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || fcntl(fd, F_SETFL, O_RDWR) < 0)
        error_set_errno(err, errno, "Unable to open '%s'", path);
    else if (!S_ISCHR(st.st_mode))
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' is no device", path);
    else
        return fd_steal(&fd);
    return -1;
}

static int open_listen(const OpenJob *job, Error **err)
{
    const char *name = NULL;
    AUTO_FD dir_fd = trail_open_parent(job->path, &name, err);
    int fd = -1;

    if (dir_fd >= 0 && !socket_listen_unix_at(dir_fd, name, job->path, 0775, job->uid, job->gid, &fd, err))
        return -1;
    return fd;
}

static bool open_job_run(void *data, Error **err)
{
    OpenJob *job = data;
    const int append = job->append ? O_APPEND : O_TRUNC;

    switch (job->kind) {
    case CHAR_OPEN_FILE:
        job->fd = trail_create(job->path, O_WRONLY | append, 0600, err);
        break;
    case CHAR_OPEN_LISTEN:
        job->fd = open_listen(job, err);
        break;
    case CHAR_OPEN_CONNECT:
        job->fd = open_connect(job->path, err);
        break;
    case CHAR_OPEN_DEVICE:
        job->fd = open_device(job->path, err);
        break;
    }
    return job->fd >= 0;
}

static void open_job_free(void *data)
{
    OpenJob *job = data;

    fd_cleanup(&job->fd);
    g_free(job->path);
    g_free(job);
}

static bool char_open(Vm *vm, CharOpenKind kind, const char *path, bool append, int *ret_fd, Error **err)
{
    OpenJob *job = g_new0(OpenJob, 1);
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    *job = (OpenJob){
        .kind = kind, .path = g_strdup(path), .append = append, .uid = (uid_t)-1, .gid = (gid_t)-1, .fd = -1
    };
    /* Clients of the socket usually run as the user that QEMU runs as. */
    if (!vm->host->paths->is_session && geteuid() == 0)
        dac_get_owner(vm->host, vm->live, &job->uid, &job->gid);
    g_autoptr(Error) why = NULL;
    if (worker_call_path(path, "cannot open", open_job_run, job, open_job_free, timeout_ms, &why)) {
        *ret_fd = fd_steal(&job->fd);
        open_job_free(job);
        return true;
    }
    if (kind == CHAR_OPEN_FILE && error_code(why) == ERROR_SYSTEM)
        return error_set_errno(err, error_errno(why), "Unable to open file %s for character device", path);
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_listen_for_qemu(Vm *vm, const char *path, int *ret_fd, Error **err)
{
    return char_open(vm, CHAR_OPEN_LISTEN, path, false, ret_fd, err);
}

bool vm_open_device(Vm *vm, const char *path, int *ret_fd, Error **err)
{
    return char_open(vm, CHAR_OPEN_DEVICE, path, false, ret_fd, err);
}

static bool give_job_run(void *data, Error **err)
{
    const OpenJob *job = data;
    const char *name = NULL;
    AUTO_FD dir_fd = trail_open_parent(job->path, &name, err);

    return dir_fd >= 0 && (fchownat(dir_fd, name, job->uid, job->gid, AT_SYMLINK_NOFOLLOW) == 0 ||
                           error_set_errno(err, errno, "cannot give '%s' to QEMU's user", job->path));
}

bool vm_give_to_qemu(Vm *vm, const char *path, Error **err)
{
    if (vm->host->paths->is_session || geteuid() != 0)
        return true;
    OpenJob *job = g_new0(OpenJob, 1);
    *job = (OpenJob){ .path = g_strdup(path), .fd = -1 };
    dac_get_owner(vm->host, vm->live, &job->uid, &job->gid);
    if (!worker_call(worker_lane_state(), give_job_run, job, open_job_free, FILE_DEADLINE_MS, err))
        return false;
    open_job_free(job);
    return true;
}

static bool char_is_server(const CharSource *source)
{
    return source->mode == CHAR_MODE_BIND || source->mode == CHAR_MODE_SERVER ||
           source->mode == CHAR_MODE_ABSENT;
}

/* What QEMU's user may not reach is opened by us. Where the guest's words are copied to is often root's
 * alone. */
static bool prepare_source(Vm *vm, const CharSource *source, const char *alias, PlanFds *fds, Error **err)
{
    const bool is_unix = source->type == CHAR_UNIX && source->path;
    const bool is_file = source->type == CHAR_FILE && source->path;
    g_autofree char *name = device_char_fd_name(alias);
    g_autofree char *log_name = device_char_log_fd_name(alias);
    int fd = -1;

    if (is_file || (is_unix && (char_is_server(source) || source->reconnect != TRISTATE_ON))) {
        const CharOpenKind kind = is_file                  ? CHAR_OPEN_FILE
                                  : char_is_server(source) ? CHAR_OPEN_LISTEN
                                                           : CHAR_OPEN_CONNECT;
        if (!char_open(vm, kind, source->path, source->append == TRISTATE_ON, &fd, err))
            return false;
        plan_fds_add(fds, name, fd);
    }
    if (!source->log_file)
        return true;
    if (!char_open(vm, CHAR_OPEN_FILE, source->log_file, source->log_append == TRISTATE_ON, &fd, err))
        return false;
    plan_fds_add(fds, log_name, fd);
    return true;
}

/* Consoles that people open get what was printed before, too, where nobody else has it written down. */
static void prepare_console_log(Vm *vm, const CharDef *console, PlanFds *fds)
{
    const CharSource *source = &console->source;
    g_autofree char *name = device_char_log_fd_name(console->info.alias);
    const bool is_serial = console->class == CHAR_CLASS_CONSOLE && console->target_type == CHAR_TARGET_SERIAL;
    int fd = -1;

    if (vm->run->is_starting && !is_serial && !source->log_file &&
        (source->type == CHAR_PTY || source->type == CHAR_UNIX) &&
        vm_console_log_open(vm->run, console->info.alias, &fd))
        plan_fds_add(fds, name, fd);
}

static void prepare_channel(const Vm *vm, CharDef *channel)
{
    CharSource *source = &channel->source;

    if (source->type == CHAR_UNIX && !source->path) {
        source->path =
            g_build_filename(vm->run->channel_dir,
                             channel->target_name ? channel->target_name : channel->info.alias, NULL);
        if (source->mode == CHAR_MODE_ABSENT)
            source->mode = CHAR_MODE_BIND;
    }
    if (channel->target_type == CHAR_TARGET_VIRTIO)
        channel->state = CHANNEL_STATE_DISCONNECTED;
}

/* ---- interfaces ---- */

static bool interface_wants_vhost(const Vm *vm, const InterfaceDef *iface)
{
    return vm->live->type == VIRT_TYPE_KVM && iface->driver != INTERFACE_DRIVER_QEMU && iface->model &&
           g_str_has_prefix(iface->model, "virtio");
}

AWAITS static bool prepare_vdpa(Vm *vm, const InterfaceDef *iface, PlanFds *fds, Error **err)
{
    g_autofree char *name = device_vdpa_fd_name(iface->info.alias);
    int fd = -1;

    if (!char_open(vm, CHAR_OPEN_DEVICE, iface->source, false, &fd, err))
        return error_prefix(err, "vDPA device");
    plan_fds_add(fds, name, fd);
    return true;
}

AWAITS static bool prepare_taps(Vm *vm, InterfaceDef *iface, PlanFds *fds, Error **err)
{
    const unsigned n_queues = qemu_interface_queues(iface);
    const char *vhost_path = iface->backend_vhost ? iface->backend_vhost : "/dev/vhost-net";
    const LinkSpec spec = {
        .bridge = switch_bridge(iface),
        .lower = vm_interface_lower(iface),
        .mode = iface->type == INTERFACE_DIRECT ? iface->direct_mode : iface->actual_mode,
        .mac = iface->mac,
        .mtu = iface->mtu,
        .n_queues = n_queues,
        .is_isolated = iface->isolated == TRISTATE_ON,
        .is_foreign = iface->target_managed == TRISTATE_OFF,
        .tap_device = iface->backend_tap,
        .coalesce_frames = iface->coalesce_rx_frames_max.value,
        .inbound = iface->inbound,
        .outbound = iface->outbound,
        .ips = iface->host_ips,
        .routes = iface->host_routes,
    };

    if (!switch_check(iface, err))
        return false;
    if (iface->filter && spec.lower)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "filterref is not supported for network interfaces of type direct");
    if (n_queues > 256)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%u queues are more than a tap device has", n_queues);
    g_autofree int *taps = g_new0(int, n_queues);
    const bool by_helper = geteuid() != 0 && !spec.is_foreign;
    if (by_helper ? !bridge_helper_attach(vm->host->config->bridge_helper, &spec, &iface->target, taps, err)
                  : !link_attach(&spec, &iface->target, taps, err))
        return false;
    for (unsigned i = 0; i < n_queues; i++) {
        g_autofree char *name = device_tap_fd_name(iface->info.alias, i);
        plan_fds_add(fds, name, taps[i]);
    }
    for (unsigned i = 0; i < n_queues && interface_wants_vhost(vm, iface); i++) {
        g_autofree char *name = device_vhost_fd_name(iface->info.alias, i);
        g_autoptr(Error) why = NULL;
        int vhost = -1;
        if (char_open(vm, CHAR_OPEN_DEVICE, vhost_path, false, &vhost, &why))
            plan_fds_add(fds, name, vhost);
        else if (iface->driver == INTERFACE_DRIVER_VHOST || iface->backend_vhost)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "vhost-net was requested for an interface, but is unavailable: %s",
                             error_message(why));
    }
    return switch_join(vm->host, iface, &vm->uuid, err) &&
           (!iface->filter || filter_bind(vm->host, vm->name, &vm->uuid, iface, err));
}

AWAITS static bool prepare_interface(Vm *vm, InterfaceDef *iface, PlanFds *fds, Error **err)
{
    const bool has_tap = iface->type == INTERFACE_NETWORK || qemu_interface_queues(iface) > 0;

    if (!vm_interface_check(iface, err) || (!has_tap && !switch_check(iface, err)))
        return false;
    if (!has_tap && (iface->inbound || iface->outbound))
        return vm_interface_refuse_limits(iface, err);
    if (!has_tap && iface->filter)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "filterref is not supported for network interfaces of type %s",
                         enum_name(&interface_type_names, iface->type));
    /* QEMU passes descriptors to a switch only through a socket that it has opened itself. */
    if (iface->type == INTERFACE_VHOST_USER)
        return true;
    if (iface->type == INTERFACE_VDPA)
        return prepare_vdpa(vm, iface, fds, err);
    if (iface->backend == INTERFACE_BACKEND_PASST)
        return vm_interface_start_passt(iface, fds, err);
    if (!has_tap)
        return true;
    return (iface->type != INTERFACE_NETWORK || network_plug(vm->host, vm->name, &vm->uuid, iface, err)) &&
           prepare_taps(vm, iface, fds, err) &&
           (!iface->script || vm_interface_run_script(vm->host, iface, iface->script, err));
}

/* ---- devices whatever their kind ---- */

void vm_release_interface(Host *host, InterfaceDef *iface)
{
    const bool is_foreign = iface->target_managed == TRISTATE_OFF;
    g_autoptr(Error) err = NULL;

    if (iface->target && (iface->inbound || iface->outbound)) {
        if (!is_foreign)
            shaping_forget(iface->target);
        else if (!link_limit(iface->target, false, NULL, NULL, &err))
            log_warning_error(err, iface->target);
    }
    g_clear_pointer(&err, error_free);
    if (iface->target && iface->downscript && !vm_interface_run_script(host, iface, iface->downscript, &err))
        log_warning_error(err, iface->target);
    if (vm_interface_lower(iface) && iface->target)
        link_detach(iface->target);
    if (iface->filter && iface->target)
        filter_unbind(host, iface->target);
    switch_leave(host, iface);
    network_unplug(host, iface);
}

void vm_release_interfaces(Host *host, const DomainDef *def)
{
    for (DEF_EACH(InterfaceDef, iface, def ? def->interfaces : NULL))
        vm_release_interface(host, iface);
}

bool vm_prepare_device(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err)
{
    const CharSource *source = device_char_source(kind, device);

    if (kind == DEVICE_CHANNEL)
        prepare_channel(vm, device);
    if (kind == DEVICE_INTERFACE)
        return prepare_interface(vm, device, fds, err);
    if (kind == DEVICE_SERIAL || kind == DEVICE_CONSOLE)
        prepare_console_log(vm, device, fds);
    return (!source || prepare_source(vm, source, device_info(kind, device)->alias, fds, err)) &&
           vm_prepare_share(vm, kind, device, fds, err);
}

typedef struct Preparing {
    Vm *vm;
    VmPrepare *prepare;
    PlanFds *fds;
    Error **err;
} Preparing;

static bool prepare_each(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Preparing *preparing = arg;

    return preparing->prepare(preparing->vm, kind, device, preparing->fds, preparing->err);
}

bool vm_prepare_each(Vm *vm, VmPrepare *prepare, PlanFds *fds, Error **err)
{
    Preparing preparing = { .vm = vm, .prepare = prepare, .fds = fds, .err = err };

    return domain_each_device(vm->live, prepare_each, &preparing);
}

/* ---- monitor ---- */

bool vm_prepare_monitor(Vm *vm, PlanFds *fds, Error **err)
{
    g_autofree char *name = device_char_fd_name(QEMU_MONITOR_ALIAS);
    int fd = -1;

    /* Bound by us: QEMU's user could not, and we can connect before QEMU runs its first instruction. */
    if (!socket_listen_unix(vm->run->monitor_path, 0775, &fd, err))
        return false;
    plan_fds_add(fds, name, fd);
    return true;
}
