/* Confinement of QEMU: the folders it sees, and the rules it lives under. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "confine"
#include "machine/vm_confine.h"
#include "machine/vm_security.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "host/landlock.h"

#define DEV "/dev/"

/* What every QEMU may open, if cgroup_device_acl does not say otherwise. */
static const char *const usual_devices[] = { "/dev/null",   "/dev/full",        "/dev/zero",
                                             "/dev/random", "/dev/urandom",     "/dev/ptmx",
                                             "/dev/kvm",    "/dev/userfaultfd", NULL };
/* Mounts below /dev that stay. */
static const char *const usual_mounts[] = { "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages", NULL };

void vm_confine_clear(VmConfine *confine)
{
    fd_cleanup(&confine->process.landlock_fd);
    g_clear_pointer(&confine->masks, g_array_unref);
    g_clear_pointer(&confine->nodes, g_array_unref);
    g_clear_pointer(&confine->dev_kept, g_ptr_array_unref);
    g_clear_pointer(&confine->run_kept, g_ptr_array_unref);
    g_clear_pointer(&confine->texts, g_string_chunk_free);
}

/* ---- who it is ---- */

static GHashTable *users_of_machines(const Host *host)
{
    GHashTable *users = g_hash_table_new(NULL, NULL);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (object = registry_next(&iter));) {
        uid_t uid = 0;
        gid_t gid = 0;
        if (!object->live)
            continue;
        dac_get_owner(host, object->live, &uid, &gid);
        g_hash_table_add(users, GUINT_TO_POINTER(uid));
    }
    return users;
}

bool vm_choose_user(Vm *vm, uid_t *ret_uid, Error **err)
{
    const Config *config = vm->host->config;
    const unsigned count = config->machine_uid_max - config->machine_uid_min + 1;
    unsigned first = 0;

    *ret_uid = 0;
    if (!dac_has_own_users(vm->host))
        return true;
    g_autoptr(GHashTable) users = users_of_machines(vm->host);
    memcpy(&first, &vm->uuid, sizeof(first));
    for (unsigned i = 0; i < count && i <= g_hash_table_size(users); i++) {
        const uid_t uid = config->machine_uid_min + (unsigned)(((uint64_t)first + i) % count);
        if (!g_hash_table_contains(users, GUINT_TO_POINTER(uid))) {
            *ret_uid = uid;
            return true;
        }
    }
    return error_set(err, ERROR_OPERATION_FAILED,
                     "each of the users %u to %u (machine_uid_min, machine_uid_max) is a machine already",
                     config->machine_uid_min, config->machine_uid_max);
}

/* ---- which devices ---- */

static void add_path(GPtrArray *paths, const char *path)
{
    if (path && g_str_has_prefix(path, DEV) && !strstr(path, "/../"))
        g_ptr_array_add(paths, (char *)path);
}

/* Beside the node of its group each device of VFIO needs the one that all have. */
static void add_vfio(GPtrArray *paths, const char *node)
{
    if (node && g_str_has_prefix(node, "/dev/vfio/"))
        add_path(paths, "/dev/vfio/vfio");
}

/* Those that QEMU opens by name; others come as descriptors. */
static void collect(GPtrArray *paths, DeviceKind kind, const void *device)
{
    const CharSource *source = device_char_source(kind, (void *)device);

    if (source && (source->type == CHAR_DEV || source->type == CHAR_PIPE))
        add_path(paths, source->path);
    switch (kind) {
    case DEVICE_DISK:
        for (const StorageSource *image = NULL; (image = disk_next_source(device, image));) {
            add_path(paths, image->path);
            if (image->data_store)
                add_path(paths, image->data_store->path);
            add_path(paths, image->nvme_node);
            add_vfio(paths, image->nvme_node);
        }
        break;
    case DEVICE_INPUT:
        add_path(paths, ((const InputDef *)device)->source);
        break;
    case DEVICE_RNG:
        add_path(paths, ((const RngDef *)device)->device);
        break;
    case DEVICE_GRAPHICS:
        add_path(paths, ((const GraphicsDef *)device)->gl_rendernode);
        break;
    case DEVICE_VIDEO:
        add_path(paths, ((const VideoDef *)device)->rendernode);
        if (((const VideoDef *)device)->blob == TRISTATE_ON)
            add_path(paths, "/dev/udmabuf");
        break;
    case DEVICE_HOSTDEV:
        add_path(paths, ((const HostdevDef *)device)->host_node);
        add_vfio(paths, ((const HostdevDef *)device)->host_node);
        break;
    case DEVICE_INTERFACE:
        add_path(paths, ((const InterfaceDef *)device)->hostdev_node);
        add_vfio(paths, ((const InterfaceDef *)device)->hostdev_node);
        break;
    case DEVICE_MEMORY:
        add_path(paths, ((const MemoryDeviceDef *)device)->source_path);
        break;
    default:
        break;
    }
}

static bool collect_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    collect(arg, kind, device);
    return true;
}

/* ---- folders ---- */

static void add_folder_nodes(VmConfine *confine, const char *name)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        const ProcessNode folder = { .name = g_string_chunk_insert_len(confine->texts, name, slash - name),
                                     .mode = S_IFDIR | 0755 };
        g_array_append_val(confine->nodes, folder);
    }
}

/* The device that @path leads to, under that name. What is missing, QEMU misses with better words. */
static void add_node(VmConfine *confine, const char *path)
{
    struct stat st;

    if (!g_str_has_prefix(path, DEV) || stat(path, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
        return;
    add_folder_nodes(confine, path + strlen(DEV));
    const ProcessNode node = { .name = g_string_chunk_insert(confine->texts, path + strlen(DEV)),
                               .mode = st.st_mode,
                               .number = st.st_rdev,
                               .uid = st.st_uid,
                               .gid = st.st_gid };
    g_array_append_val(confine->nodes, node);
}

/* Mounts of huge pages have folders of machines: MOUNT/libvirt/qemu/MACHINE. */
static void keep_huge_pages(VmConfine *confine, const Vm *vm)
{
    g_autofree char *name = g_path_get_basename(vm->run->lib_dir);
    g_autoptr(GArray) list = NULL;

    if (!vm->live->memory_backing || !vm->live->memory_backing->hugepages)
        return;
    list = vm_huge_pages_list(name);
    for (guint i = 0; i < list->len && confine->dev_kept->len + G_N_ELEMENTS(usual_mounts) < PROCESS_KEPT_MAX;
         i++) {
        g_autofree char *mount = g_strdup(g_array_index(list, QemuHugePages, i).folder);
        for (unsigned up = 0; up < 3; up++)
            *strrchr(mount, '/') = '\0';
        if (g_str_has_prefix(mount, DEV) && !g_strv_contains(usual_mounts, mount))
            g_ptr_array_add(confine->dev_kept, g_string_chunk_insert(confine->texts, mount));
    }
}

static void make_masks(VmConfine *confine, Vm *vm)
{
    const Paths *paths = vm->host->paths;
    char *const *acl = vm->host->config->device_acl;
    g_autoptr(GPtrArray) own = g_ptr_array_new();

    for (size_t i = 0; acl ? acl[i] != NULL : usual_devices[i] != NULL; i++)
        add_node(confine, acl ? acl[i] : usual_devices[i]);
    (void)domain_each_device(vm->live, collect_device, own);
    for (guint i = 0; i < own->len; i++)
        add_node(confine, g_ptr_array_index(own, i));
    for (size_t i = 0; usual_mounts[i]; i++)
        g_ptr_array_add(confine->dev_kept, (char *)usual_mounts[i]);
    g_ptr_array_add(confine->dev_kept, NULL);
    g_ptr_array_add(confine->run_kept, g_string_chunk_insert(confine->texts, paths->run_qemu));
    g_ptr_array_add(confine->run_kept, NULL);
    const ProcessMask masks[] = {
        { .path = "/dev",
          .nodes = (const ProcessNode *)confine->nodes->data,
          .n_nodes = confine->nodes->len,
          .kept = (const char *const *)confine->dev_kept->pdata },
        { .path = g_string_chunk_insert(confine->texts, paths->run),
          .kept = (const char *const *)confine->run_kept->pdata },
    };
    g_array_append_vals(confine->masks, masks, G_N_ELEMENTS(masks));
    confine->process.masks = (const ProcessMask *)confine->masks->data;
    confine->process.n_masks = confine->masks->len;
    confine->process.hide_processes = true;
}

/* ---- rules of files ---- */

static void add_parent(GPtrArray *folders, const char *path)
{
    if (path && *path == '/')
        g_ptr_array_add(folders, g_path_get_dirname(path));
}

/* Where QEMU itself makes sockets. */
static bool collect_folders(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    GPtrArray *folders = arg;
    const CharSource *source = device_char_source(kind, device);

    if (source && source->type == CHAR_UNIX && source->mode != CHAR_MODE_CONNECT)
        add_parent(folders, source->path);
    if (kind == DEVICE_GRAPHICS) {
        for (DEF_EACH(ListenDef, listen, ((GraphicsDef *)device)->listens))
            add_parent(folders, listen->socket);
    }
    if (kind == DEVICE_DISK && ((DiskDef *)device)->src.type == STORAGE_DIR)
        g_ptr_array_add(folders, g_strdup(((DiskDef *)device)->src.path));
    return true;
}

static bool make_rules(VmConfine *confine, Vm *vm, Error **err)
{
    const Config *config = vm->host->config;
    /* The host's, which the machine's own /dev has inside. */
    static const char *const scratch[] = { "/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp" };
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);

    /* What its owner adds to the command line may do anything; a core is written by the process itself. */
    if (!config->landlock || vm->live->qemu || config->max_core_bytes > 0)
        return true;
    g_ptr_array_add(folders, g_strdup(vm->run->lib_dir));
    g_ptr_array_add(folders, g_strdup(vm->run->channel_dir));
    for (size_t i = 0; i < G_N_ELEMENTS(scratch); i++)
        g_ptr_array_add(folders, g_strdup(scratch[i]));
    if (vm->live->memory_backing && vm->live->memory_backing->hugepages) {
        g_autofree char *name = g_path_get_basename(vm->run->lib_dir);
        g_autoptr(GArray) list = vm_huge_pages_list(name);
        for (guint i = 0; i < list->len; i++)
            g_ptr_array_add(folders, g_strdup(g_array_index(list, QemuHugePages, i).folder));
    }
    (void)domain_each_device(vm->live, collect_folders, folders);
    g_ptr_array_add(folders, NULL);
    return landlock_make((const char *const *)folders->pdata, &confine->process.landlock_fd, err);
}

static bool wants_mounts(const Config *config)
{
    return !config->namespaces || g_strv_contains((const char *const *)config->namespaces, "mount");
}

bool vm_confine_make(Vm *vm, VmConfine *ret, Error **err)
{
    const Config *config = vm->host->config;

    *ret = (VmConfine){ .process = { .landlock_fd = -1, .drop_capabilities = true },
                        .masks = g_array_new(FALSE, TRUE, sizeof(ProcessMask)),
                        .nodes = g_array_new(FALSE, TRUE, sizeof(ProcessNode)),
                        .dev_kept = g_ptr_array_new(),
                        .run_kept = g_ptr_array_new(),
                        .texts = g_string_chunk_new(1024) };
    if (config->is_privileged && wants_mounts(config)) {
        keep_huge_pages(ret, vm);
        make_masks(ret, vm);
    }
    const char *label = vm_security_label(vm);
    if (label) {
        g_autofree char *order = g_strconcat("exec ", label, NULL);
        ret->process.on_exec = g_string_chunk_insert(ret->texts, order);
    }
    return make_rules(ret, vm, err);
}

/* ---- devices that come and go ---- */

/* /dev as the machine's QEMU sees it; -1: it is the host's, or cannot be had. */
static int open_own_dev(const Vm *vm)
{
    struct stat ours, theirs;
    g_autofree char *path = NULL;

    if (!vm->run || vm->run->pid <= 0)
        return -1;
    path = g_strdup_printf("/proc/%ld/root/dev", (long)vm->run->pid);
    AUTO_FD fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &theirs) < 0 || stat("/dev", &ours) < 0 ||
        (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino))
        return -1;
    return fd_steal(&fd);
}

static bool put_node(int dev, const ProcessNode *node)
{
    if (S_ISDIR(node->mode))
        return mkdirat(dev, node->name, node->mode & 07777) == 0 || errno == EEXIST;
    if (unlinkat(dev, node->name, 0) < 0 && errno != ENOENT)
        return false;
    return mknodat(dev, node->name, node->mode, node->number) == 0 &&
           fchownat(dev, node->name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) == 0 &&
           fchmodat(dev, node->name, node->mode & 07777, 0) == 0;
}

bool vm_confine_add_device(Vm *vm, DeviceKind kind, const void *device, Error **err)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_auto(VmConfine) confine = { .process = { .landlock_fd = -1 },
                                  .nodes = g_array_new(FALSE, TRUE, sizeof(ProcessNode)),
                                  .texts = g_string_chunk_new(256) };

    collect(paths, kind, device);
    AUTO_FD dev = paths->len > 0 ? open_own_dev(vm) : -1;
    for (guint i = 0; dev >= 0 && i < paths->len; i++)
        add_node(&confine, g_ptr_array_index(paths, i));
    for (guint i = 0; i < confine.nodes->len; i++) {
        const ProcessNode *node = &g_array_index(confine.nodes, ProcessNode, i);
        if (!put_node(dev, node))
            return error_set_errno(err, errno, "machine '%s' cannot be shown the device " DEV "%s", vm->name,
                                   node->name);
    }
    return true;
}

static bool is_usual(const Config *config, const char *path)
{
    return config->device_acl ? g_strv_contains((const char *const *)config->device_acl, path)
                              : g_strv_contains(usual_devices, path);
}

void vm_confine_remove_device(Vm *vm, DeviceKind kind, const void *device)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new(), others = g_ptr_array_new();

    collect(paths, kind, device);
    AUTO_FD dev = paths->len > 0 ? open_own_dev(vm) : -1;
    if (dev < 0)
        return;
    (void)domain_each_device(vm->live, collect_device, others);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        bool is_used = is_usual(vm->host->config, path);
        for (guint k = 0; k < others->len; k++)
            is_used = is_used || strcmp(g_ptr_array_index(others, k), path) == 0;
        if (!is_used && unlinkat(dev, path + strlen(DEV), 0) < 0 && errno != ENOENT)
            log_warning("machine '%s' still sees the device %s: %s", vm->name, path, g_strerror(errno));
    }
}
