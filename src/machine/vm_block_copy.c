/* Copies of a running machine's disks, which follow the guest until it goes on with them or they are left as
 * they are. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "blockcopy"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "machine/vm_block.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_confine.h"
#include "machine/vm_device_private.h"
#include "machine/vm_lease.h"
#include "machine/vm_limits.h"
#include "machine/vm_query.h"
#include "machine/vm_security.h"
#include "qemu/address.h"
#include "storage/chain.h"
#include "storage/image_make.h"
#include "storage/image_users.h"
#include "storage/remote.h"
#include "storage/source_name.h"
#include "storage/volume.h"

#define SOURCE "(disk_definition)"

/* ---- where to ---- */

typedef struct TargetJob {
    char *path;
    bool must_look; /* into it, for its format */
    bool exists, is_block;
    ChainLook look;
} TargetJob;

static bool target_run(void *data, Error **err)
{
    TargetJob *job = data;
    g_auto(Trail) trail = TRAIL_INIT;
    AUTO_FD fd = -1;

    if (!trail_follow(job->path, &trail)) {
        const char *name = NULL;
        AUTO_FD dir = -1;
        if (errno != ENOENT)
            return error_set_errno(err, errno, "cannot access '%s'", job->path);
        dir = trail_open_parent(job->path, &name, NULL);
        return dir >= 0 || error_set_errno(err, ENOENT, "failed to create copy target: %s", job->path);
    }
    if (!trail_check(&trail, job->path, err))
        return false;
    job->exists = true;
    job->is_block = S_ISBLK(trail.st.st_mode);
    if (!job->is_block && !S_ISREG(trail.st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is neither a file nor a block device", job->path);
    if (!job->must_look)
        return true;
    fd = trail_reopen(&trail, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", job->path);
    job->look = (ChainLook){ .guess = true };
    return chain_look(fd, &job->look, err) || error_prefix(err, "image '%s'", job->path);
}

static void target_free(void *data)
{
    TargetJob *job = data;

    image_info_clear(&job->look.info);
    g_free(job->path);
    g_free(job);
}

/* Completes what is not said of @target: that it is a device, its format. */
AWAITS static bool target_look(Vm *vm, const DiskDef *disk, StorageSource *target, bool reuse, Error **err)
{
    const StorageFormat format = disk->src.format;
    g_autofree char *name = g_strdup(disk->target);

    if (target->type == STORAGE_VOLUME && !volume_resolve_source(vm->host, target, err))
        return false;
    if (target->type == STORAGE_NETWORK) {
        target->format = target->format ? target->format : reuse ? STORAGE_FORMAT_RAW : format;
        if (!reuse && target->format != STORAGE_FORMAT_RAW) {
            error_set(err, ERROR_OPERATION_UNSUPPORTED,
                      "an image of format '%s' on a server must be made before it is copied to",
                      enum_name(&storage_format_names, target->format));
            return error_hint(err,
                              "make it with qemu-img and use --reuse-external, or copy with --format raw");
        }
        return remote_prepare(vm->host, target, err);
    }
    if (!storage_is_local(target))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "disk '%s' cannot be copied to a source of type '%s'", name,
                         enum_name(&storage_type_names, target->type));
    TargetJob *job = g_new0(TargetJob, 1);
    *job = (TargetJob){ .path = g_strdup(target->path), .must_look = reuse && !target->format };
    if (!worker_call_path(target->path, "cannot access", target_run, job, target_free,
                          (uint64_t)vm->host->config->storage_timeout_s * 1000, err))
        return false;
    const bool exists = job->exists, is_block = job->is_block;
    const StorageFormat found = job->must_look && exists ? image_format_to_storage(job->look.format) : format;
    target_free(job);
    if (!exists && (reuse || target->type == STORAGE_BLOCK))
        return error_set_errno(err, ENOENT, "missing destination file for disk %s: %s", name, target->path);
    if (exists && !is_block && target->type == STORAGE_BLOCK)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "blockcopy destination for disk %s is not a block device: %s", name, target->path);
    if (exists && !is_block && !reuse)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "external destination file for disk %s already exists and is not a block device: %s",
                         name, target->path);
    if (is_block)
        target->type = STORAGE_BLOCK;
    if (!target->format)
        target->format = found;
    return !exists || image_users_require_none(vm->host, target->path, err);
}

/* Makes the image. It is one's own before anybody writes to it: a file of that name is never taken. */
AWAITS static bool target_make(Vm *vm, const StorageSource *target, const StorageSource *below,
                               uint64_t bytes, Error **err)
{
    g_autoptr(VolumeDef) def = g_new0(VolumeDef, 1);

    if (below && !storage_is_local(below))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "a copy on top of an image that is on a server must be made before it is copied to");
    def->type = target->type == STORAGE_BLOCK ? VOLUME_BLOCK : VOLUME_FILE;
    def->target.path = g_strdup(target->path);
    def->target.format = g_strdup(enum_name(&storage_format_names, target->format));
    def->target.encryption =
        target->encryption ? xml_table_copy(&volume_encryption_table, target->encryption) : NULL;
    if (target->format == STORAGE_FORMAT_QCOW2)
        def->target.compat = g_strdup("1.1");
    def->capacity = (OptU64){ .is_set = true, .value = bytes };
    def->allocation = (OptU64){ .is_set = true };
    if (below) {
        def->backing = g_new0(VolumeTarget, 1);
        def->backing->path = g_strdup(below->path);
        def->backing->format =
            g_strdup(enum_name(&storage_format_names, below->format ? below->format : STORAGE_FORMAT_RAW));
    }
    return image_make(vm->host, def, target->path, NULL, 0, err);
}

/* ---- beginning ---- */

typedef struct CopyBegin {
    Vm *vm;
    const char *target;
    DiskDef shell;  /* the copy as if it were a disk's; borrows all, once it is the disk's mirror */
    bool made_file; /* goes again, if it does not come to the copy */
} CopyBegin;

static void copy_take_back(void *arg)
{
    const CopyBegin *begin = arg;
    Vm *vm = begin->vm;
    DiskDef *disk = vm->live ? domain_find_disk(vm->live, begin->target) : NULL;
    g_autoptr(Error) err = NULL;
    g_autofree char *path = begin->made_file ? g_strdup(begin->shell.src.path) : NULL;

    if (disk && disk->mirror) {
        DiskMirror *mirror = g_steal_pointer(&disk->mirror);
        vm_disk_release(vm, &begin->shell);
        xml_table_free(&disk_mirror_table, mirror);
        if (!vm_status_save(vm, &err))
            log_error_error(err, "the status file of a machine has a copy that did not begin");
    }
    g_clear_pointer(&err, error_free);
    if (path && !vm_chain_remove_file(vm->host, path, &err))
        log_warning_error(err, "an image that nothing was copied to");
}

/* The copy becomes the disk's mirror, and QEMU may open it. */
AWAITS static bool copy_lend(CopyBegin *begin, StorageSource *target /* taken */, bool is_new,
                             bool is_shallow, QemuSecrets **ret_secrets, Error **err)
{
    Vm *vm = begin->vm;
    DiskDef *disk = domain_find_disk(vm->live, begin->target), *shell = &begin->shell;
    const uint64_t storage_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    uid_t uid = 0;
    gid_t gid = 0;

    *shell = (DiskDef){ .target = disk->target, .device = disk->device, .shareable = disk->shareable };
    disk->mirror = xml_table_new(&disk_mirror_table);
    disk->mirror->job = MIRROR_JOB_COPY;
    shell->src = *target;
    g_free(target);
    /* What is below is known, or will not count. */
    shell->src.backing_ends = is_new || !is_shallow;
    const bool ok =
        storage_prepare_disk(vm->host, vm->live, shell, vm->run->dac, err) && vm_lease_add(vm, shell, err);
    if (is_new && is_shallow)
        shell->src.backing_ends = false;
    qemu_number_disk(shell, &vm->run->last_node);
    disk->mirror->src = shell->src;
    if (!ok)
        return false;
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    return vm_status_save(vm, err) && vm_require_monitor(vm, err) &&
           dac_apply(vm->run->dac, uid, gid, storage_ms, err) && vm_security_load(vm, err) &&
           vm_confine_add_device(vm, DEVICE_DISK, shell, err) && vm_prepare_secrets(vm, ret_secrets, err) &&
           vm_require_monitor(vm, err);
}

bool vm_chain_size(Vm *vm, const char *node, uint64_t *ret_bytes, Error **err)
{
    g_autoptr(GHashTable) nodes = NULL;

    if (!monitor_query_block_nodes(vm_monitor(vm), 0, &nodes, err))
        return false;
    const MonitorBlockNode *found = g_hash_table_lookup(nodes, node);
    if (!found)
        return error_set(err, ERROR_INTERNAL, "QEMU does not know the block node '%s'", node);
    *ret_bytes = found->virtual_bytes;
    return true;
}

static Json *copy_arguments(DiskDef *disk, const BlockCopy *copy, bool is_shallow)
{
    g_autofree char *device = device_medium_node(disk);
    g_autofree char *node = storage_node_name(&disk->mirror->src);
    Json *arguments =
        json_pack("{s:s, s:s, s:s}", "device", device, "target", node, "sync", is_shallow ? "top" : "full");

    if (copy->speed)
        json_object_set_new(arguments, "speed", json_integer((json_int_t)copy->speed));
    if (copy->granularity)
        json_object_set_new(arguments, "granularity", json_integer(copy->granularity));
    if (copy->buffer)
        json_object_set_new(arguments, "buf-size", json_integer((json_int_t)copy->buffer));
    if (copy->flags & VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES)
        json_object_set_new(arguments, "copy-mode", json_string("write-blocking"));
    return arguments;
}

bool vm_block_copy_begin(Vm *vm, VmBlockJob *job, StorageSource *to, const BlockCopy *copy, Error **err)
{
    g_autoptr(StorageSource) target = to;
    DiskDef *disk = domain_find_disk(vm->live, job->disk);
    const bool is_shallow = copy->flags & VIR_DOMAIN_BLOCK_COPY_SHALLOW && disk->src.backing;
    const bool is_new = !(copy->flags & VIR_DOMAIN_BLOCK_COPY_REUSE_EXT);
    g_autofree char *node = storage_node_name(&disk->src);
    g_autoptr(QemuSecrets) secrets = NULL;
    g_autoptr(Plan) plan = NULL;
    CopyBegin begin = { .vm = vm, .target = job->disk };
    uint64_t bytes = 0;

    if (!target_look(vm, disk, target, !is_new, err) || !vm_require_monitor(vm, err))
        return false;
    if (is_shallow && is_new && target->format == STORAGE_FORMAT_RAW)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "shallow copy of disk '%s' into a raw file is not possible", job->disk);
    if (!vm_chain_size(vm, node, &bytes, err) ||
        (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err)))
        return false;
    const PlanTarget reach = { .qmp = vm_monitor(vm) };
    g_auto(Undo) undo = { 0 };
    if (is_new && target->type != STORAGE_NETWORK) {
        begin.made_file = target->type == STORAGE_FILE;
        begin.shell.src.path = target->path;
        if (!target_make(vm, target, is_shallow ? disk->src.backing : NULL, bytes, err))
            return false;
    }
    undo_push(&undo, copy_take_back, &begin);
    if (!vm_require_monitor(vm, err) ||
        !copy_lend(&begin, g_steal_pointer(&target), is_new, is_shallow, &secrets, err))
        return false;
    disk = domain_find_disk(vm->live, job->disk);
    const bool on_own = is_shallow && is_new;
    if (!vm_plan_image(vm, disk, &disk->mirror->src, on_own ? disk->src.backing : NULL, !on_own, secrets,
                       &plan, err) ||
        !plan_execute(plan, &reach, &undo, err))
        return false;
    AUTO_JSON arguments = copy_arguments(disk, copy, is_shallow);
    if (!vm_block_job_start(vm, job, "blockdev-mirror", arguments, err))
        return false;
    undo_keep(&undo);
    return true;
}

/* ---- as clients ask for it ---- */

static bool check_flags_of_copy(Vm *vm, unsigned flags, Error **err)
{
    if (flags & VIR_DOMAIN_BLOCK_COPY_TARGET_ZEROED)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "that the target has nothing but zeroes can be told to QEMU 10.1 and later");
    if (vm->config && !(flags & VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)) {
        error_set(err, ERROR_INVALID_STATE, "domain is not transient");
        return error_hint(err, "with --transient-job the copy ends when the machine does");
    }
    return true;
}

/* @target is taken. */
AWAITS static bool copy_for_client(Vm *vm, const char *path, StorageSource *target, const BlockCopy *copy,
                                   const Caller *caller, Error **err)
{
    g_autoptr(StorageSource) owned = target;
    g_auto(Job) held = { 0 };
    DiskDef *disk = NULL;

    if (!vm_block_begin(vm, path, JOB_MODIFY, caller, &held, &disk, err) ||
        !check_flags_of_copy(vm, copy->flags, err))
        return false;
    g_autoptr(VmBlockJob) job = vm_block_job_new(BLOCK_JOB_COPY, disk->target);
    job->by_user = true;
    job->flags = copy->flags;
    return vm_block_copy_begin(vm, job, g_steal_pointer(&owned), copy, err);
}

/* A <disk> without a name is the one that is copied. */
static bool read_target(const char *xml, const char *path, StorageSource **ret_target, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    XmlReader reader = { .source = SOURCE };
    void *read = NULL;
    bool has_name = false;

    if (!xml_document_read(xml, strlen(xml), SOURCE, &doc, err))
        return false;
    xmlNode *root = xmlDocGetRootElement(doc);
    if (!xmlStrEqual(root->name, (const xmlChar *)"disk"))
        return error_set(err, ERROR_XML_INVALID, SOURCE ": expecting root element of 'disk', not '%s'",
                         (const char *)root->name);
    for (const xmlNode *child = root->children; child; child = child->next)
        has_name |= child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, (const xmlChar *)"target");
    if (!has_name) {
        xmlNode *name = xmlNewChild(root, NULL, (const xmlChar *)"target", NULL);
        xmlNewProp(name, (const xmlChar *)"dev", (const xmlChar *)path);
    }
    if (!xml_table_read(&disk_table, &reader, root, &read, err))
        return false;
    DiskDef *disk = read;
    const bool ok = !storage_is_empty(&disk->src) ||
                    error_set(err, ERROR_NO_SOURCE, SOURCE ": the <disk> to copy to has no source");
    if (ok) {
        /* What stands beside the source belongs to it. */
        if (!disk->src.encryption)
            disk->src.encryption = g_steal_pointer(&disk->encryption);
        if (!disk->src.auth)
            disk->src.auth = g_steal_pointer(&disk->auth);
        *ret_target = xml_table_copy(&backing_table, &disk->src);
        (*ret_target)->index = 0;
    }
    xml_table_free(&disk_table, disk);
    return ok;
}

static bool read_params(const Params *params, BlockCopy *copy, Error **err)
{
    static const ParamSpec known[] = { { VIR_DOMAIN_BLOCK_COPY_BANDWIDTH, PARAM_ULLONG },
                                       { VIR_DOMAIN_BLOCK_COPY_GRANULARITY, PARAM_UINT },
                                       { VIR_DOMAIN_BLOCK_COPY_BUF_SIZE, PARAM_ULLONG },
                                       { 0 } };

    if (!vm_check_params(params, known, err))
        return false;
    const Param *speed = params_find(params, VIR_DOMAIN_BLOCK_COPY_BANDWIDTH);
    const Param *granularity = params_find(params, VIR_DOMAIN_BLOCK_COPY_GRANULARITY);
    const Param *buffer = params_find(params, VIR_DOMAIN_BLOCK_COPY_BUF_SIZE);
    copy->speed = speed ? speed->value.ul : 0;
    copy->granularity = granularity ? granularity->value.ui : 0;
    copy->buffer = buffer ? buffer->value.ul : 0;
    if (copy->speed > INT64_MAX || copy->buffer > INT64_MAX)
        return error_set(err, ERROR_OVERFLOW, "bandwidth and buffer size must be less than %" PRId64 " bytes",
                         INT64_MAX);
    if (copy->granularity & (copy->granularity - 1))
        return error_set(err, ERROR_INVALID_ARGUMENT, "granularity must be power of 2");
    return true;
}

bool vm_block_copy(Vm *vm, const char *path, const char *xml, const Params *params, unsigned flags,
                   const Caller *caller, Error **err)
{
    const unsigned known = VIR_DOMAIN_BLOCK_COPY_SHALLOW | VIR_DOMAIN_BLOCK_COPY_REUSE_EXT |
                           VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB | VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES |
                           VIR_DOMAIN_BLOCK_COPY_TARGET_ZEROED;
    BlockCopy copy = { .flags = flags };
    StorageSource *target = NULL;

    return check_flags(flags, known, "qemuDomainBlockCopy", err) && read_params(params, &copy, err) &&
           read_target(xml, path, &target, err) && copy_for_client(vm, path, target, &copy, caller, err);
}

bool vm_block_rebase(Vm *vm, const char *path, const char *base, uint64_t bandwidth, unsigned flags,
                     const Caller *caller, Error **err)
{
    const unsigned of_copies = VIR_DOMAIN_BLOCK_REBASE_SHALLOW | VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT |
                               VIR_DOMAIN_BLOCK_REBASE_COPY_RAW | VIR_DOMAIN_BLOCK_REBASE_COPY |
                               VIR_DOMAIN_BLOCK_REBASE_COPY_DEV;
    const unsigned known =
        of_copies | VIR_DOMAIN_BLOCK_REBASE_RELATIVE | VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES;
    const bool is_bytes = flags & VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES;
    BlockCopy copy = { .speed = is_bytes ? bandwidth : bandwidth << 20,
                       .flags =
                           flags & (VIR_DOMAIN_BLOCK_REBASE_SHALLOW | VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT) };

    if (!check_flags(flags, known, "qemuDomainBlockRebase", err))
        return false;
    if (!(flags & VIR_DOMAIN_BLOCK_REBASE_COPY)) {
        if (flags & of_copies)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "use of flags in virDomainBlockRebase requires a copy job");
        return vm_block_pull(vm, path, base, bandwidth, flags, caller, err);
    }
    if (!base)
        return error_set(err, ERROR_INVALID_ARGUMENT, "base in virDomainBlockRebase must not be NULL");
    if (*base != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT, "non-file destination not supported yet: '%s'", base);
    if (bandwidth > (is_bytes ? INT64_MAX : INT64_MAX >> 20))
        return error_set(err, ERROR_OVERFLOW, "no bandwidth is %" PRIu64, bandwidth);
    StorageSource *target =
        source_new(flags & VIR_DOMAIN_BLOCK_REBASE_COPY_DEV ? STORAGE_BLOCK : STORAGE_FILE);
    target->path = g_strdup(base);
    if (flags & VIR_DOMAIN_BLOCK_REBASE_COPY_RAW)
        target->format = STORAGE_FORMAT_RAW;
    return copy_for_client(vm, path, target, &copy, caller, err);
}
