/* What machine and host share besides disks: the descriptors and helpers of virtio-fs, sockets, reservations,
 * D-Bus displays. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "share"
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/trail.h"
#include "base/worker.h"
#include "machine/vm_fd_group.h"
#include "machine/vm_helper.h"
#include "qemu/device.h"

#define VHOST_VSOCK "/dev/vhost-vsock"
#define CID_FIRST 3 /* below are the host and wildcards */

/* ---- programs that serve vhost-user devices ---- */

typedef struct FindJob {
    char *root, *type;
    char *binary;
} FindJob;

static void find_job_free(void *data)
{
    FindJob *job = data;

    g_free(job->root);
    g_free(job->type);
    g_free(job->binary);
    g_free(job);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The program of a descriptor; NULL: of another kind, or it makes no sense. */
static char *read_descriptor(const char *path, const char *type)
{
    g_autofree char *text = NULL;
    gsize len = 0;

    if (!g_file_get_contents(path, &text, &len, NULL) || len > 65536)
        return NULL;
    AUTO_JSON json = NULL;
    if (!json_parse(text, len, path, &json, NULL))
        return NULL;
    const char *kind = json_get_str(json, "type"), *binary = json_get_str(json, "binary");
    return kind && binary && strcmp(kind, type) == 0 ? g_strdup(binary) : NULL;
}

/* A file in a later folder stands for those of its name in earlier ones; an empty one hides them. */
static void find_job_run(void *data)
{
    static const char *const folders[] = { "/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user" };
    FindJob *job = data;
    g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *folder = g_strconcat(job->root, folders[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        const char *name = NULL;
        while (dir && (name = g_dir_read_name(dir))) {
            if (g_str_has_suffix(name, ".json"))
                g_hash_table_replace(files, g_strdup(name), path_join(folder, name));
        }
    }
    GHashTableIter iter;
    gpointer name = NULL;
    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len && !job->binary; i++)
        job->binary = read_descriptor(g_hash_table_lookup(files, g_ptr_array_index(names, i)), job->type);
}

AWAITS static bool find_program(const char *type, const char *what, char **ret_binary, Error **err)
{
    FindJob *job = g_new0(FindJob, 1);

    *job = (FindJob){ .root = g_strdup(""), .type = g_strdup(type) };
    if (!worker_run(worker_lane_state(), find_job_run, job, find_job_free, FILE_DEADLINE_MS, err))
        return false;
    *ret_binary = g_steal_pointer(&job->binary);
    find_job_free(job);
    if (*ret_binary)
        return true;
    error_set(err, ERROR_OPERATION_FAILED, "Unable to find a satisfying %s", what);
    return error_hint(err,
                      "a file in /usr/share/qemu/vhost-user tells of one; or name it with <binary path=>");
}

/* ---- virtio-fs ---- */

static void append_path(GString *out, const char *path)
{
    for (; *path; path++) {
        if (*path == ',' || *path == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *path);
    }
}

static void append_switch(GString *out, Tristate value, const char *name)
{
    if (value != TRISTATE_ABSENT)
        g_string_append_printf(out, ",%s%s", value == TRISTATE_ON ? "" : "no_", name);
}

static const FilesystemDef *filesystem_of(const Vm *vm, const VmHelper *helper)
{
    for (DEF_EACH(FilesystemDef, filesystem, vm->live->filesystems)) {
        g_autofree char *name = g_strdup_printf("%s-virtiofsd", filesystem->info.alias);
        if (strcmp(name, helper->name) == 0)
            return filesystem;
    }
    return NULL;
}

AWAITS static bool launch_virtiofsd(Vm *vm, VmHelper *helper, Error **err)
{
    const FilesystemDef *filesystem = filesystem_of(vm, helper);
    g_autoptr(GString) options = g_string_new("source=");
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    ProcessSpec spec = PROCESS_SPEC_INIT;

    if (!filesystem)
        return error_set(err, ERROR_INTERNAL, "the filesystem of '%s' is gone", helper->name);
    append_path(options, filesystem->source);
    if (filesystem->cache != FILESYSTEM_CACHE_ABSENT)
        g_string_append_printf(options, ",cache=%s", enum_name(&filesystem_cache_names, filesystem->cache));
    if (filesystem->sandbox != FILESYSTEM_SANDBOX_ABSENT)
        g_string_append_printf(options, ",sandbox=%s",
                               enum_name(&filesystem_sandbox_names, filesystem->sandbox));
    append_switch(options, filesystem->xattr, "xattr");
    append_switch(options, filesystem->flock, "flock");
    append_switch(options, filesystem->posix_lock, "posix_lock");
    g_autofree char *binary = g_strdup(filesystem->binary);
    const OptU32 threads = filesystem->thread_pool;
    if (!binary && !find_program("fs", "virtiofsd", &binary, err))
        return false;
    g_ptr_array_add(argv, g_strdup(binary));
    g_ptr_array_add(argv, g_strdup_printf("--fd=%d", helper->listen_fd));
    g_ptr_array_add(argv, g_strdup("-o"));
    g_ptr_array_add(argv, g_strdup(options->str));
    if (threads.is_set)
        g_ptr_array_add(argv, g_strdup_printf("--thread-pool-size=%u", threads.value));
    g_ptr_array_add(argv, NULL);
    spec.argv = (const char *const *)argv->pdata;
    spec.fds = &helper->listen_fd;
    spec.n_fds = 1;
    return vm_helper_fork(helper, &spec, err);
}

AWAITS static bool prepare_filesystem(Vm *vm, const FilesystemDef *filesystem, Error **err)
{
    g_autofree char *name = g_strdup_printf("%s-virtiofsd", filesystem->info.alias);
    g_autofree char *path = device_virtiofs_socket(vm->run->lib_dir, filesystem);

    if (!filesystem_is_virtiofs(filesystem) || filesystem->socket)
        return true;
    if (geteuid() != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "virtiofsd needs root: only a system daemon has it");
    return vm_helper_prepare(vm, name, path, true, launch_virtiofsd, err);
}

/* ---- persistent reservations ---- */

AWAITS static bool launch_pr_helper(Vm *vm, VmHelper *helper, Error **err)
{
    ProcessSpec spec = PROCESS_SPEC_INIT;

    spec.argv = (const char *const[]){ vm->host->config->pr_helper, "-k", helper->socket_path, NULL };
    return vm_helper_fork(helper, &spec, err);
}

AWAITS static bool prepare_reservations(Vm *vm, const DiskDef *disk, Error **err)
{
    g_autofree char *path = path_join(vm->run->lib_dir, QEMU_PR_HELPER_SOCKET);

    for (const StorageSource *source = &disk->src; source; source = source->backing) {
        if (source->reservations && source->reservations->managed == TRISTATE_ON)
            return vm_helper_prepare(vm, VM_HELPER_SHARED "-prhelper", path, false, launch_pr_helper, err);
    }
    return true;
}

/* ---- D-Bus displays ---- */

AWAITS static bool launch_dbus(Vm *vm, VmHelper *helper, Error **err)
{
    g_autofree char *config = path_join(vm->run->lib_dir, "dbus.conf");
    g_autofree char *option = g_strdup_printf("--config-file=%s", config);
    ProcessSpec spec = PROCESS_SPEC_INIT;

    spec.argv =
        (const char *const[]){ vm->host->config->dbus_daemon, option, "--nofork", "--nopidfile", NULL };
    if (geteuid() == 0) {
        spec.set_user = true;
        dac_get_owner(vm->host, vm->live, &spec.uid, &spec.gid);
    }
    return vm_helper_fork(helper, &spec, err);
}

/* A bus of the machine's own, on which QEMU and those that may use its socket talk. */
AWAITS static bool prepare_dbus(Vm *vm, const GraphicsDef *graphics, Error **err)
{
    static const char format[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>org.libvirt.qemu</type>\n"
        "  <listen>%s</listen>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <policy context='default'>\n"
        "    <allow send_destination='*' eavesdrop='true'/>\n"
        "    <allow eavesdrop='true'/>\n"
        "    <allow own='*'/>\n"
        "    <allow user='*'/>\n"
        "  </policy>\n"
        "</busconfig>\n";
    g_autofree char *address = device_dbus_address(vm->run->lib_dir);
    g_autofree char *text = g_strdup_printf(format, address);
    g_autofree char *config = path_join(vm->run->lib_dir, "dbus.conf");

    if (graphics->type != GRAPHICS_DBUS || graphics->p2p == TRISTATE_ON || graphics->dbus_address)
        return true;
    return file_replace_volatile(config, text, strlen(text), 0644, err) &&
           vm_helper_prepare(vm, VM_HELPER_SHARED "-dbus", strchr(address, '=') + 1, false, launch_dbus, err);
}

/* ---- vsock ---- */

static bool cid_is_taken(const Vm *vm, uint32_t cid)
{
    const Object *object = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(vm->host)); (object = registry_next(&iter));) {
        const Vm *other = (const Vm *)object;
        if (other != vm && other->live && other->live->vsock && other->live->vsock->cid.value == cid)
            return true;
    }
    return false;
}

static bool take_cid(int fd, uint32_t cid)
{
    const uint64_t number = cid;

    return ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &number) == 0;
}

AWAITS static bool prepare_vsock(Vm *vm, VsockDef *vsock, PlanFds *fds, Error **err)
{
    g_autofree char *name = device_vsock_fd_name(vsock->info.alias);
    int fd = -1;

    if (!vm_open_device(vm, VHOST_VSOCK, &fd, err))
        return error_hint(err, "<vsock> needs the kernel's module vhost_vsock on this host");
    plan_fds_add(fds, name, fd);
    if (vsock->cid_auto != TRISTATE_ON)
        return vsock->cid.is_set || error_set(err, ERROR_XML_INVALID, "<vsock> has no address");
    for (uint32_t cid = CID_FIRST; cid < INT32_MAX; cid++) {
        if (cid_is_taken(vm, cid))
            continue;
        if (take_cid(fd, cid)) {
            vsock->cid = (OptU32){ .is_set = true, .value = cid };
            return true;
        }
        if (errno != EADDRINUSE)
            return error_set_errno(err, errno, "failed to set the guest's address");
    }
    return error_set(err, ERROR_INTERNAL, "no address for <vsock> is free");
}

/* ---- crash logs ---- */

typedef struct StoreJob {
    char *path;
    uint64_t size_bytes;
    uid_t uid;
    gid_t gid;
} StoreJob;

static void store_job_free(void *data)
{
    StoreJob *job = data;

    g_free(job->path);
    g_free(job);
}

/* One that is there keeps what is in it. */
static bool store_job_run(void *data, Error **err)
{
    const StoreJob *job = data;
    struct stat st;
    AUTO_FD fd = trail_create(job->path, O_RDWR, 0600, err);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0 ||
        ((uint64_t)st.st_size < job->size_bytes && ftruncate(fd, (off_t)job->size_bytes) < 0) ||
        (geteuid() == 0 && fchown(fd, job->uid, job->gid) < 0))
        return error_set_errno(err, errno, "cannot make '%s'", job->path);
    return true;
}

AWAITS static bool prepare_pstore(Vm *vm, const PstoreDef *pstore, Error **err)
{
    StoreJob *job = g_new0(StoreJob, 1);

    *job = (StoreJob){ .path = g_strdup(pstore->path), .size_bytes = pstore->size_bytes };
    dac_get_owner(vm->host, vm->live, &job->uid, &job->gid);
    if (!worker_call_path(pstore->path, "cannot make", store_job_run, job, store_job_free,
                          (uint64_t)vm->host->config->storage_timeout_s * 1000, err))
        return false;
    store_job_free(job);
    return true;
}

/* ---- by kind ---- */

bool vm_prepare_share(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err)
{
    switch (kind) {
    case DEVICE_FILESYSTEM:
        return prepare_filesystem(vm, device, err);
    case DEVICE_DISK:
        return prepare_reservations(vm, device, err) && vm_prepare_fd_groups(vm, device, fds, err);
    case DEVICE_GRAPHICS:
        return prepare_dbus(vm, device, err);
    case DEVICE_VSOCK:
        return prepare_vsock(vm, device, fds, err);
    case DEVICE_PSTORE:
        return prepare_pstore(vm, device, err);
    case DEVICE_TPM:
        return vm_prepare_tpm(vm, device, fds, err);
    default:
        return true;
    }
}
