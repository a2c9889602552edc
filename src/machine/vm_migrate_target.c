/* Migration to here: a start whose guest's state comes from elsewhere.
 *
 * Prepare begins that start in a fiber of its own, which holds the machine's job until the end and waits,
 * with a QEMU that listens, for what the driver says: finish lets the start go on to its end. All that takes
 * a start back (the death of QEMU or of the daemon, destroy, a driver that leaves) takes back this one, too.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/socket.h"
#include "conf/xml_table.h"
#include "core/stream.h"
#include "host/node.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_define.h"
#include "machine/vm_lease.h"
#include "machine/vm_migrate_private.h"
#include "machine/vm_moment.h"
#include "machine/vm_state_files.h"
#include "qemu/monitor_nbd.h"
#include "storage/image_snapshot.h"

#define POLL_MS 500
#define LAST_BYTES_MS 60000
#define PARCELS_MAX 4u /* of one client: it moves one machine after the other */

struct Incoming {
    unsigned refs;
    Vm *vm; /* counted; NULL before it is found */
    Host *host;
    Job job;
    uint64_t client_id;
    MigrateParams params;
    MigrateCookie cookie; /* of begin */
    DomainDef *def;       /* taken by the start */
    char *name;
    VmStartSpec *spec; /* of the start */
    int state_fd;      /* of a tunnel: where QEMU reads; -1 */
    unsigned port, nbd_port;
    char *socket; /* in the place of a port: a link to QEMU's own; NULL */
    bool own_port, is_linked;
    char *tls_name; /* what the source will find in our certificate, if it offered TLS; NULL */
    bool takes_postcopy;
    GPtrArray *made; /* paths of images */
    WaitQueue changed;
    bool is_prepared, is_over, succeeded;
    bool is_told, is_cancelled, client_left; /* what finish said */
    Error *error;
};
typedef struct Incoming Incoming;

static Incoming *incoming_ref(Incoming *in)
{
    in->refs++;
    return in;
}

static void incoming_unref(Incoming *in)
{
    if (!in || --in->refs > 0)
        return;
    if (in->vm)
        vm_unref(in->vm);
    wait_queue_clear(&in->changed);
    migrate_params_clear(&in->params);
    migrate_cookie_clear(&in->cookie);
    domain_def_free(in->def);
    fd_cleanup(&in->state_fd);
    g_ptr_array_unref(in->made);
    error_free(in->error);
    g_free(in->name);
    g_free(in->tls_name);
    g_free(in->socket);
    g_free(in);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Incoming, incoming_unref)

/* ---- what may come ---- */

AWAITS static bool run_hook(Host *host, const char *name, char **io_xml, Error **err)
{
    g_autofree char *output = NULL;

    if (!hook_is_present(host, "qemu"))
        return true;
    if (!hook_run(host, "qemu", name, "migrate", "begin", "-", *io_xml, &output, err))
        return false;
    if (output && *g_strstrip(output)) {
        g_free(*io_xml);
        *io_xml = g_steal_pointer(&output);
    }
    return true;
}

AWAITS static bool read_definition(Host *host, const MigrateParams *params, DomainDef **ret_def, Error **err)
{
    g_autoptr(DomainDef) def = NULL;

    if (!params->xml)
        return error_set(err, ERROR_INTERNAL, "no domain XML passed");
    if (!vm_xml_parse(host, params->xml, strlen(params->xml), "(domain_definition)", VM_XML_TRUSTED, &def,
                      err))
        return false;
    g_autofree char *xml = g_strdup(params->xml);
    if (!run_hook(host, def->name, &xml, err))
        return false;
    if (strcmp(xml, params->xml) != 0) {
        g_autoptr(DomainDef) changed = NULL;
        if (!vm_xml_parse(host, xml, strlen(xml), "(hook)", VM_XML_TRUSTED, &changed, err) ||
            !vm_xml_check_abi(def, changed, err))
            return error_prefix(err, "what the migrate hook made of domain '%s'", def->name);
        domain_def_free(g_steal_pointer(&def));
        def = g_steal_pointer(&changed);
    }
    if (params->name) {
        if (!vm_check_name(params->name, err))
            return false;
        g_free(def->name);
        def->name = g_strdup(params->name);
    }
    *ret_def = g_steal_pointer(&def);
    return true;
}

static bool check_source(const Host *host, const MigrateCookie *cookie, Error **err)
{
    g_autofree char *own = migrate_own_uuid(host);

    if (!cookie->host_uuid || g_ascii_strcasecmp(cookie->host_uuid, own) != 0)
        return true;
    error_set(err, ERROR_INTERNAL, "Attempt to migrate guest to the same host %s", own);
    return error_hint(err, "hosts that are clones of each other need a host_uuid each in libvirtd.conf");
}

/* ---- where it listens ---- */

static bool take_port(Incoming *in, const char *what, unsigned *ret_port, Error **err)
{
    const Config *config = in->host->config;

    return port_pool_take_any(in->host->ports, what, config->migration_port_min, config->migration_port_max,
                              in->params.listen_address ? in->params.listen_address
                                                        : config->migration_address,
                              ret_port, err);
}

/* What the client says of it: nothing, a host, or a host with a port. */
static bool choose_address(Incoming *in, char **ret_uri, Error **err)
{
    const char *uri = in->params.uri;
    const Config *config = in->host->config;

    g_auto(MigrateAddress) asked = { 0 };
    g_autofree char *host = NULL;
    if (uri) {
        if (!migrate_address_parse(uri, &asked, err))
            return false;
        in->port = asked.port;
        in->socket = g_steal_pointer(&asked.path);
        if (in->socket || in->port)
            return true;
        host = g_steal_pointer(&asked.host);
    } else {
        host = config->migration_host ? g_strdup(config->migration_host) : node_get_hostname();
        if (g_str_has_prefix(host, "localhost")) {
            error_set(err, ERROR_INTERNAL,
                      "hostname on destination resolved to localhost, but migration requires an FQDN");
            return error_hint(err, "give the host a name, set migration_host in qemu.conf, or say "
                                   "--migrateuri tcp://ADDRESS");
        }
    }
    if (!take_port(in, "migration", &in->port, err))
        return false;
    in->own_port = true;
    const bool is_bare_v6 = strchr(host, ':');
    *ret_uri = g_strdup_printf(is_bare_v6 ? "tcp://[%s]:%u" : "tcp://%s:%u", host, in->port);
    return true;
}

/* QEMU makes sockets in its own folder only: where one was asked for there is a link to it. */
AWAITS static bool listen_at_socket(Incoming *in, Error **err)
{
    g_autofree char *own = path_join(in->vm->run->lib_dir, "migrate.sock");
    g_autofree char *uri = g_strconcat("unix:", own, NULL);
    bool exists = false, is_block = false;

    if (in->params.flags & VIR_MIGRATE_POSTCOPY_RESUME)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "post-copy goes over TCP");
    if (!image_is_there(in->socket, &exists, &is_block, err))
        return false;
    if (exists)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is there already", in->socket);
    in->is_linked = file_symlink(own, in->socket, err);
    return in->is_linked && vm_require_monitor(in->vm, err) &&
           monitor_migrate_from_uri(vm_monitor(in->vm), uri, false, 0, err);
}

AWAITS static bool listen_for_state(Incoming *in, Error **err)
{
    Qmp *qmp = vm_monitor(in->vm);
    const char *address =
        in->params.listen_address ? in->params.listen_address : in->host->config->migration_address;

    if (in->state_fd >= 0) {
        const bool ok = monitor_migrate_from_fd(qmp, in->state_fd, 0, err);
        fd_cleanup(&in->state_fd);
        return ok;
    }
    if (in->socket)
        return listen_at_socket(in, err);
    if (!address)
        address = access("/proc/net/if_inet6", R_OK) == 0 ? "::" : "0.0.0.0";
    g_autofree char *uri =
        g_strdup_printf(strchr(address, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", address, in->port);
    return monitor_migrate_from_uri(qmp, uri, in->params.flags & VIR_MIGRATE_POSTCOPY_RESUME, 0, err) ||
           error_prefix(err, "listening at '%s'", uri);
}

/* ---- the start ---- */

/* What the source asks for, or offers. */
AWAITS static bool agree(Incoming *in, const char **ret_tls_id, Error **err)
{
    MigrateParams *params = &in->params;

    if (params->flags & VIR_MIGRATE_TLS) {
        if (!migrate_tls_to_listen(in->vm, err))
            return false;
    } else if ((in->tls_name = migrate_tls_take(in->vm, params, in->cookie.tls))) {
        params->flags |= VIR_MIGRATE_TLS;
    } else if (in->host->config->migrate_tls_force) {
        error_set(err, ERROR_OPERATION_FAILED, "machines migrate to this host under TLS only");
        return error_hint(err, "say --tls, or set migrate_tls_force = 0 in qemu.conf there");
    }
    *ret_tls_id = params->flags & VIR_MIGRATE_TLS ? MIGRATE_TLS_ID : NULL;
    if (!vm_require_monitor(in->vm, err))
        return false;
    if (in->cookie.postcopy && !(params->flags & VIR_MIGRATE_POSTCOPY)) {
        const char *const on[] = { "postcopy-ram", NULL };
        in->takes_postcopy = monitor_set_migration_capabilities(vm_monitor(in->vm), on, 0, NULL);
        params->flags |= in->takes_postcopy ? VIR_MIGRATE_POSTCOPY : 0;
    }
    return vm_require_monitor(in->vm, err);
}

/* As the client says; 0: any. */
static bool choose_disks_port(Incoming *in, Error **err)
{
    g_auto(MigrateAddress) asked = { 0 };

    in->nbd_port = (unsigned)in->params.disks_port;
    if (!in->params.disks_uri)
        return true;
    if (!migrate_address_parse(in->params.disks_uri, &asked, err))
        return false;
    if (asked.path)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "disks are copied over TCP: not to '%s'",
                         in->params.disks_uri);
    in->nbd_port = asked.port ? asked.port : in->nbd_port;
    in->params.disks_port = (int32_t)in->nbd_port; /* not ours to give back */
    return true;
}

AWAITS static bool open_doors(Incoming *in, Error **err)
{
    const char *tls_id = NULL;
    const bool has_disks = in->cookie.has_disks && in->cookie.disks;

    if (!agree(in, &tls_id, err) ||
        !migrate_tell_qemu(in->vm, &in->params, MIGRATE_AT_TARGET, tls_id, NULL, err))
        return false;
    if (has_disks) {
        if (!choose_disks_port(in, err))
            return false;
        if (!in->nbd_port) {
            if (!take_port(in, "migration of disks", &in->nbd_port, err))
                return false;
            g_array_append_val(in->vm->run->ports, in->nbd_port);
        }
        if (!migrate_export_disks(in->vm, &in->params, in->nbd_port, tls_id, err))
            return false;
    }
    return listen_for_state(in, err);
}

/* Until the driver says what is to be: as long as its client is there. */
AWAITS static bool wait_for_word(Incoming *in, Error **err)
{
    while (!in->is_told) {
        g_autoptr(Error) why = NULL;
        if (in->client_left)
            return error_set(err, ERROR_CANCELLED, "who migrated domain '%s' here has gone", in->name);
        if (!in->vm->run || in->vm->run->exited)
            return error_set(err, ERROR_VM_GONE, "QEMU exited while it waited for the state of domain '%s'",
                             in->name);
        if (in->vm->run->migration_state == MONITOR_JOB_FAILED)
            return error_set(err, ERROR_OPERATION_FAILED, "QEMU could not load the state of domain '%s'",
                             in->name);
        if (!wait_queue_wait(&in->vm->run->changed, POLL_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
    return !in->is_cancelled ||
           error_set(err, ERROR_CANCELLED, "migration of domain '%s' was cancelled by its source", in->name);
}

AWAITS static bool wait_for_state(Incoming *in, Error **err)
{
    const uint64_t deadline_ms = loop_now_ms() + LAST_BYTES_MS;

    while (true) {
        g_auto(MonitorMigration) now = { 0 };
        g_autoptr(Error) why = NULL;
        if (!vm_require_monitor(in->vm, err) || !monitor_query_migration(vm_monitor(in->vm), 0, &now, err))
            return false;
        if (now.status == MONITOR_JOB_COMPLETED || now.status == MONITOR_JOB_POSTCOPY)
            return true;
        if (now.status == MONITOR_JOB_FAILED || now.status == MONITOR_JOB_CANCELLED)
            return error_set(err, ERROR_OPERATION_FAILED, "migration in job: %s",
                             now.problem ? now.problem : "QEMU could not load the state");
        if (loop_now_ms() >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "the state of domain '%s' has not arrived completely",
                             in->name);
        if (!wait_queue_wait(&in->vm->run->changed, POLL_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
}

AWAITS static bool stop_disks(Incoming *in, Error **err)
{
    GArray *ports = in->vm->run->ports;

    for (guint i = ports->len; !in->params.disks_port && i-- > 0;)
        if (g_array_index(ports, unsigned, i) == in->nbd_port) {
            g_array_remove_index(ports, i);
            port_pool_release(in->host->ports, in->nbd_port);
        }
    return monitor_nbd_stop(vm_monitor(in->vm), 0, err);
}

/* The start has come to the point where the guest's state is wanted. */
AWAITS static bool receive(Vm *vm, void *arg, Error **err)
{
    Incoming *in = arg;

    job_set_phase(&in->job, "preparing");
    object_list_it(&vm->object);
    vm->run->migration_state = MONITOR_JOB_NONE;
    if (!open_doors(in, err) || !vm_require_monitor(vm, err))
        return false;
    vm_set_state(vm, VM_STATE_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION);
    in->is_prepared = true;
    wait_queue_wake_all(&in->changed);
    job_set_phase(&in->job, "receiving memory");
    if (!wait_for_word(in, err) || !wait_for_state(in, err))
        return false;
    job_set_phase(&in->job, "letting it run");
    in->spec->paused = in->params.flags & VIR_MIGRATE_PAUSED;
    if (in->nbd_port && !stop_disks(in, err))
        return false;
    if (!(in->params.flags & VIR_MIGRATE_POSTCOPY))
        migrate_reset_qemu(vm);
    /* The source has given them back. */
    return vm_require_monitor(vm, err) && vm_lease_take_all(vm, err) && vm_lease_pass(vm, err) &&
           vm_require_monitor(vm, err);
}

AWAITS static bool start(Incoming *in, Error **err)
{
    VmStartSpec spec = VM_START_SPEC_INIT;

    if (!migrate_make_images(in->host, in->def, &in->params, &in->cookie, in->made, err))
        return false;
    spec.incoming_def = g_steal_pointer(&in->def);
    spec.receive = receive;
    spec.receive_arg = in;
    in->spec = &spec;
    spec.paused_reason = VIR_DOMAIN_PAUSED_USER;
    spec.running_reason = VIR_DOMAIN_RUNNING_MIGRATED;
    spec.started_detail = VIR_DOMAIN_EVENT_STARTED_MIGRATED;
    return vm_start_process(in->vm, &in->job, &spec, err);
}

AWAITS static void remove_images(Incoming *in)
{
    fiber_shield_begin();
    for (guint i = 0; i < in->made->len; i++) {
        g_autoptr(Error) err = NULL;
        if (!vm_chain_remove_file(in->host, g_ptr_array_index(in->made, i), &err))
            log_warning_error(err, "an image for a machine that did not come");
    }
    fiber_shield_end();
}

static void incoming_fiber(void *arg)
{
    g_autoptr(Incoming) in = arg;
    g_autoptr(Vm) vm = vm_ref(in->vm);

    job_adopt(&in->job, fiber_current());
    in->succeeded = start(in, &in->error);
    fiber_shield_begin();
    if (in->is_linked && !file_remove(in->socket, NULL))
        log_warning("the link '%s' of a migration is left", in->socket);
    fiber_shield_end();
    if (in->own_port)
        port_pool_release(in->host->ports, in->port);
    if (!in->succeeded) {
        remove_images(in);
        object_release_embryo(&vm->object);
    }
    vm->incoming = NULL;
    in->is_over = true;
    if (!in->succeeded) /* else who asked to finish has things left to do, with the job */
        job_end(&in->job);
    wait_queue_wake_all(&in->changed);
}

/* ---- after a link that broke ---- */

/* The guest runs here already: there is nothing to take back, only a call to wait for. */
static void resume_fiber(void *arg)
{
    g_autoptr(Incoming) in = arg;
    g_autoptr(Vm) vm = vm_ref(in->vm);

    job_adopt(&in->job, fiber_current());
    in->succeeded = wait_for_word(in, &in->error);
    if (in->own_port)
        port_pool_release(in->host->ports, in->port);
    vm->incoming = NULL;
    in->is_over = true;
    if (!in->succeeded)
        job_end(&in->job);
    wait_queue_wake_all(&in->changed);
}

AWAITS static bool listen_again(Incoming *in, Error **err)
{
    g_auto(MonitorMigration) now = { 0 };

    if (!vm_require_monitor(in->vm, err) || !monitor_query_migration(vm_monitor(in->vm), 0, &now, err))
        return false;
    if (now.status != MONITOR_JOB_BROKEN || in->vm->incoming)
        return error_set(err, ERROR_INVALID_STATE,
                         "the post-copy migration of domain '%s' is not interrupted", in->name);
    return listen_for_state(in, err) && vm_require_monitor(in->vm, err);
}

AWAITS static bool prepare_resume(Incoming *in, const Caller *caller, char **ret_uri, Error **err)
{
    Object *found = NULL;

    if (!object_check_identity(vm_registry(in->host), in->def->name, &in->def->uuid, &found, err))
        return false;
    if (!found || !object_is_active(found))
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' does not run here", in->name);
    if (!job_begin(found, JOB_MIGRATION_IN, caller, &in->job, err))
        return false;
    in->vm = vm_ref((Vm *)found);
    const bool ok = choose_address(in, ret_uri, err) && listen_again(in, err);
    if (ok && fiber_spawn("resumed migration", resume_fiber, incoming_ref(in))) {
        in->vm->incoming = in;
        in->is_prepared = true;
        return true;
    }
    if (in->own_port)
        port_pool_release(in->host->ports, in->port);
    job_end(&in->job);
    if (!ok)
        return false;
    incoming_unref(in); /* the fiber's */
    return error_set(err, ERROR_BUSY, "there is too much under way for a migration");
}

/* ---- the calls ---- */

static bool make_tunnel(Incoming *in, Stream **ret_stream, Error **err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, errno, "cannot make a tunnel");
    in->state_fd = ends[0];
    (void)fd_set_nonblocking(ends[1]);
    *ret_stream = stream_new(ends[1], STREAM_FROM_CLIENT, NULL, NULL);
    return true;
}

static Incoming *incoming_new(Host *host, const MigrateParams *params, DomainDef *def, const Caller *caller)
{
    Incoming *in = g_new0(Incoming, 1);

    *in = (Incoming){
        .refs = 1, .host = host, .def = def, .state_fd = -1, .client_id = caller ? caller->client_id : 0
    };
    in->name = g_strdup(def->name);
    in->made = g_ptr_array_new_with_free_func(g_free);
    migrate_params_copy(params, &in->params);
    wait_queue_init(&in->changed);
    return in;
}

AWAITS static bool begin_start(Incoming *in, const Caller *caller, Error **err)
{
    if (!object_acquire(vm_registry(in->host), in->def->name, &in->def->uuid, JOB_MIGRATION_IN, caller,
                        &in->job, err))
        return false;
    Vm *vm = in->vm = vm_ref((Vm *)in->job.object);
    if (vm_is_running(vm)) {
        error_set(err, ERROR_INVALID_STATE, "domain '%s' is already active", vm->name);
        job_end(&in->job);
        return false;
    }
    vm->incoming = in;
    const JobProgress progress = { .type = VIR_DOMAIN_JOB_UNBOUNDED,
                                   .operation = VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN };
    job_set_progress(&in->job, &progress);
    if (fiber_spawn("incoming migration", incoming_fiber, incoming_ref(in)))
        return true;
    vm->incoming = NULL;
    incoming_unref(in);
    object_release_embryo(&vm->object);
    job_end(&in->job);
    return error_set(err, ERROR_BUSY, "there is too much under way for a migration");
}

/* The fiber goes on when whoever waits here leaves; its client's end is told otherwise. */
AWAITS static bool wait_until(Incoming *in, const bool *condition, Error **err)
{
    while (!*condition && !in->is_over)
        if (!wait_queue_wait(&in->changed, FIBER_NO_DEADLINE, err)) /* a start has its own deadlines */
            return false;
    if (!in->is_over || in->succeeded)
        return true;
    g_autoptr(Error) why = g_steal_pointer(&in->error);
    return why ? error_propagate(err, g_steal_pointer(&why))
               : error_set(err, ERROR_OPERATION_FAILED, "migration of domain '%s' has ended before",
                           in->name);
}

static void wake(Incoming *in)
{
    if (in->vm && in->vm->run)
        wait_queue_wake_all(&in->vm->run->changed);
}

/* ---- of machines that are off ---- */

/* Files of a machine whose definition comes later: drivers hand the cookie of begin to prepare only. */
typedef struct Parcel {
    uint64_t client_id;
    Uuid uuid;
    Json *files;
} Parcel;

static void parcel_free(void *data)
{
    Parcel *parcel = data;

    json_decref(parcel->files);
    g_free(parcel);
}

/* @uuid NULL: all of the client's. Owned: the files of the last one, NULL: none. */
static Json *parcels_take(Host *host, uint64_t client_id, const Uuid *uuid)
{
    GPtrArray *parcels = host->machines->parcels;
    Json *files = NULL;

    for (guint i = parcels ? parcels->len : 0; i-- > 0;) {
        Parcel *parcel = g_ptr_array_index(parcels, i);
        if (parcel->client_id != client_id || (uuid && !uuid_equal(&parcel->uuid, uuid)))
            continue;
        json_decref(files);
        files = g_steal_pointer(&parcel->files);
        g_ptr_array_remove_index(parcels, i);
    }
    return files;
}

static bool parcel_keep(Incoming *in, Error **err)
{
    MachineRoom *room = in->host->machines;
    unsigned n = 0;

    json_decref(parcels_take(in->host, in->client_id, &in->def->uuid));
    if (!in->cookie.files)
        return true;
    if (!room->parcels)
        room->parcels = g_ptr_array_new_with_free_func(parcel_free);
    for (guint i = 0; i < room->parcels->len; i++)
        n += ((const Parcel *)g_ptr_array_index(room->parcels, i))->client_id == in->client_id;
    if (n >= PARCELS_MAX)
        return error_set(err, ERROR_BUSY, "%u migrations of machines that are off are under way already", n);
    Parcel *parcel = g_new0(Parcel, 1);
    *parcel = (Parcel){ .client_id = in->client_id, .uuid = in->def->uuid };
    parcel->files = g_steal_pointer(&in->cookie.files);
    g_ptr_array_add(room->parcels, parcel);
    return true;
}

/* Nothing but the definition will come. Clients insist on an address all the same. */
static bool prepare_offline(Incoming *in, char **ret_uri, Error **err)
{
    Object *found = NULL;

    if (!object_check_identity(vm_registry(in->host), in->def->name, &in->def->uuid, &found, err))
        return false;
    if (found && object_is_active(found))
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' is already active", in->name);
    if (!parcel_keep(in, err))
        return false;
    if (!choose_address(in, ret_uri, err))
        return false;
    if (in->own_port)
        port_pool_release(in->host->ports, in->port);
    return true;
}

bool vm_migrate_prepare(Host *host, const MigrateParams *params, const MigrateBytes *bytes,
                        const Caller *caller, char **ret_cookie, char **ret_uri, Stream **ret_stream,
                        Error **err)
{
    g_auto(MigrateCookie) cookie = { 0 };
    g_autoptr(DomainDef) def = NULL;
    g_autofree char *uri = NULL;

    if (!migrate_cookie_parse(bytes, NULL, &cookie, err) || !check_source(host, &cookie, err) ||
        !read_definition(host, params, &def, err))
        return false;
    g_autoptr(Incoming) in = incoming_new(host, params, g_steal_pointer(&def), caller);
    in->cookie = cookie;
    cookie = (MigrateCookie){ 0 };
    if (params->flags & VIR_MIGRATE_OFFLINE)
        return prepare_offline(in, ret_uri, err);
    if (params->flags & VIR_MIGRATE_POSTCOPY_RESUME)
        return prepare_resume(in, caller, ret_uri, err);
    Stream *stream = NULL;
    if (ret_stream ? !make_tunnel(in, &stream, err) : !choose_address(in, &uri, err))
        return false;
    const bool has_begun = begin_start(in, caller, err);
    if (!has_begun && in->own_port)
        port_pool_release(host->ports, in->port);
    if (!has_begun || !wait_until(in, &in->is_prepared, err)) {
        in->client_left = true;
        wake(in);
        if (stream)
            stream_close(stream, false);
        return false;
    }
    MigrateCookie reply = { .has_caps = true,
                            .nbd_port = in->nbd_port,
                            .has_disks = in->nbd_port > 0,
                            .tls = in->tls_name,
                            .postcopy = in->takes_postcopy };
    for (unsigned i = 0; i < MIGRATE_CAP_COUNT; i++)
        if (migrate_caps[i].side == MIGRATE_AT_TARGET)
            reply.auto_caps |= 1u << i;
    *ret_cookie = migrate_cookie_format(in->vm, in->name, &reply);
    *ret_uri = g_steal_pointer(&uri);
    if (ret_stream)
        *ret_stream = stream;
    return true;
}

/* The definition that the source sends along stays here. */
AWAITS static bool keep_definition(Vm *vm, const char *xml, Error **err)
{
    g_autoptr(DomainDef) def = NULL;

    if (!xml)
        return error_set(err, ERROR_INTERNAL, "the source of domain '%s' sent no definition that could stay",
                         vm->name);
    if (!vm_xml_parse(vm->host, xml, strlen(xml), "(persistent definition)", VM_XML_TRUSTED, &def, err))
        return false;
    if (strcmp(def->name, vm->name) != 0) {
        g_free(def->name);
        def->name = g_strdup(vm->name);
    }
    const int detail = vm->config ? VIR_DOMAIN_EVENT_DEFINED_UPDATED : VIR_DOMAIN_EVENT_DEFINED_ADDED;
    if (!object_store(vm->host, &domain_class, def, err))
        return false;
    object_set_config(&vm->object, g_steal_pointer(&def));
    object_list_it(&vm->object);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_DEFINED, detail);
    return true;
}

AWAITS static Vm *finish_offline(Host *host, const MigrateParams *params, const MigrateCookie *cookie,
                                 const Caller *caller, Error **err)
{
    g_autoptr(DomainDef) def = NULL;
    g_auto(Job) job = { 0 };
    MigrateParams wanted = *params;

    if (cookie->domain_xml)
        wanted.xml = cookie->domain_xml;
    if (!read_definition(host, &wanted, &def, err) ||
        !object_acquire(vm_registry(host), def->name, &def->uuid, JOB_MIGRATION_IN, caller, &job, err))
        return NULL;
    Vm *vm = (Vm *)job.object;
    const bool was_there = vm->config != NULL;
    AUTO_JSON files = parcels_take(host, caller ? caller->client_id : 0, &vm->uuid);
    if (!keep_definition(vm, wanted.xml, err)) {
        object_release_embryo(&vm->object);
        return NULL;
    }
    if (!files || vm_write_state_files_held(vm, files, err))
        return vm_ref(vm);
    fiber_shield_begin();
    if (!was_there && !vm_undefine_held(vm, VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_TPM, NULL, NULL))
        log_error("machine '%s' stays defined without its firmware variables and TPM state", vm->name);
    fiber_shield_end();
    return NULL;
}

static char *format_end(const Incoming *in, MigrateCookie *cookie)
{
    const uint64_t now_ms = (uint64_t)g_get_real_time() / 1000;

    if (!cookie->has_stats)
        return migrate_cookie_format(in->vm, in->vm->name, cookie);
    /* By two clocks: they are close to each other, or the figures are of little use. */
    cookie->delta_ms = (int64_t)now_ms - (int64_t)cookie->sent_ms;
    if (cookie->stopped_ms && now_ms >= cookie->stopped_ms)
        cookie->stats.downtime_ms = now_ms - cookie->stopped_ms;
    if (cookie->started_ms && now_ms >= cookie->started_ms)
        cookie->stats.elapsed_ms = now_ms - cookie->started_ms;
    MigrateCookie reply = *cookie;
    reply.domain_xml = NULL;
    reply.has_disks = reply.has_caps = false;
    return migrate_cookie_format(in->vm, in->vm->name, &reply);
}

/* The guest runs already, and asks for what of its memory it needs. Without a deadline: a broken link is
 * noticed, and there is no way back. */
AWAITS static bool wait_for_rest(Incoming *in, Error **err)
{
    while (true) {
        g_auto(MonitorMigration) now = { 0 };
        g_autoptr(Error) why = NULL;
        if (!vm_require_monitor(in->vm, err) || !monitor_query_migration(vm_monitor(in->vm), 0, &now, err))
            return false;
        if (now.status == MONITOR_JOB_BROKEN) {
            vm_set_state(in->vm, VM_STATE_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED);
            error_set(err, ERROR_OPERATION_FAILED, "the link to the source of domain '%s' is broken",
                      in->name);
            return error_hint(err, "'virsh migrate --postcopy-resume' at the source takes it up again");
        }
        if (now.status != MONITOR_JOB_POSTCOPY && now.status != MONITOR_JOB_ACTIVE) {
            migrate_reset_qemu(in->vm);
            if (now.status == MONITOR_JOB_COMPLETED)
                return vm_require_running(in->vm, err);
            vm_set_state(in->vm, VM_STATE_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED);
            return error_set(err, ERROR_OPERATION_FAILED, "post-copy of domain '%s' has failed", in->name);
        }
        if (!wait_queue_wait(&in->vm->run->changed, POLL_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
}

Vm *vm_migrate_finish(Host *host, const MigrateParams *params, const MigrateBytes *bytes, bool cancelled,
                      const Caller *caller, char **ret_cookie, Error **err)
{
    g_auto(MigrateCookie) cookie = { 0 };

    if (!cancelled && !migrate_cookie_parse(bytes, NULL, &cookie, err))
        return NULL;
    if (params->flags & VIR_MIGRATE_OFFLINE)
        return cancelled ? (error_set(err, ERROR_OPERATION_FAILED, "migration was cancelled"), NULL)
                         : finish_offline(host, params, &cookie, caller, err);
    g_autoptr(Vm) vm = vm_find_by_name(host, params->name ? params->name : "", err);
    if (!vm)
        return NULL;
    if (!vm->incoming) {
        error_set(err, ERROR_INVALID_STATE, "domain '%s' is not processing incoming migration", vm->name);
        return NULL;
    }
    g_autoptr(Incoming) in = incoming_ref(vm->incoming);
    if (in->is_told) {
        error_set(err, ERROR_BUSY, "the migration of domain '%s' is being finished already", vm->name);
        return NULL;
    }
    in->is_told = true;
    in->is_cancelled = cancelled;
    in->params.flags |= params->flags & VIR_MIGRATE_PAUSED;
    wake(in);
    const bool never = false;
    fiber_shield_begin(); /* it is told: whoever asked for it may be gone */
    const bool ok = wait_until(in, &never, err);
    fiber_shield_end();
    if (!ok)
        return NULL;
    g_auto(Job) job = in->job;
    job_adopt(&job, fiber_current());
    in->job = (Job){ 0 };
    if ((in->params.flags & (VIR_MIGRATE_POSTCOPY | VIR_MIGRATE_POSTCOPY_RESUME)) && !wait_for_rest(in, err))
        return NULL;
    if (in->params.flags & VIR_MIGRATE_POSTCOPY_RESUME)
        vm_set_state(vm, VM_STATE_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED);
    *ret_cookie = format_end(in, &cookie);
    const bool is_kept =
        !(params->flags & VIR_MIGRATE_PERSIST_DEST) || keep_definition(vm, cookie.domain_xml, err);
    log_info("machine '%s' has come from host '%s'", vm->name,
             in->cookie.host_name ? in->cookie.host_name : "(unnamed)");
    if (is_kept)
        return g_steal_pointer(&vm);
    /* It runs here, whatever: the source must hear that it does. */
    log_error_error(err ? *err : NULL, "a machine that migrated here stays transient");
    if (err)
        g_clear_pointer(err, error_free);
    return g_steal_pointer(&vm);
}

void vm_migrate_client_gone(Host *host, uint64_t client_id)
{
    Vm *vm = NULL;

    json_decref(parcels_take(host, client_id, NULL));
    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->incoming && vm->incoming->client_id == client_id && !vm->incoming->is_told) {
            vm->incoming->client_left = true;
            wake(vm->incoming);
        }
        if (vm->outgoing && vm->outgoing->client_id == client_id)
            migrate_outgoing_client_gone(vm);
    }
}
