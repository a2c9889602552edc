/* `lodge disk move`: what a disk has goes into a volume of another pool, and the machine goes on there.
 *
 * A running machine's disk is copied by a block job that nobody else sees; one of a machine that does not run
 * by qemu-img. Either way the machine has one image until the other is complete, and the definition names the
 * one that it has. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "diskmove"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "core/secret.h"
#include "machine/vm_block.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_query.h"
#include "storage/image_ops.h"
#include "storage/image_users.h"
#include "storage/source_name.h"
#include "storage/volume.h"

#define NAMES_TRIED 1000
#define END_MS 10000

typedef struct DiskMove {
    Vm *vm;
    Job *job;
    char *disk;
    Object *pool;                             /* counted */
    char *format;                             /* of the new image */
    char *volume;                             /* its name in the pool */
    char *old_path;                           /* NULL: it is on a server */
    StorageFormat old_format, storage_format; /* the second: of the new image */
    VolumeEncryption *encryption;             /* of both; NULL: none */
    const Caller *caller;
} DiskMove;

static void disk_move_clear(DiskMove *move)
{
    object_unref(move->pool);
    g_free(move->disk);
    g_free(move->format);
    g_free(move->volume);
    g_free(move->old_path);
    xml_table_free(&volume_encryption_table, move->encryption);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DiskMove, disk_move_clear)

/* "web-vda.qcow2", with a number where that is taken. */
AWAITS static bool move_find_name(DiskMove *move, Error **err)
{
    for (unsigned i = 0; i < NAMES_TRIED; i++) {
        g_autofree char *number = i ? g_strdup_printf("-%u", i) : g_strdup("");
        g_autofree char *name = g_strdup_printf("%s-%s%s.%s", move->vm->name, move->disk, number,
                                                strcmp(move->format, "raw") == 0 ? "img" : move->format);
        g_autoptr(Error) why = NULL;
        g_autoptr(Volume) taken = volume_find_by_name(move->pool, name, &why);
        if (taken)
            continue;
        if (error_code(why) != ERROR_NO_STORAGE_VOL)
            return error_propagate(err, g_steal_pointer(&why));
        move->volume = g_steal_pointer(&name);
        return true;
    }
    return error_set(err, ERROR_OPERATION_FAILED, "pool '%s' has too many volumes of disk '%s'",
                     move->pool->name, move->disk);
}

AWAITS static bool move_prepare(DiskMove *move, const DiskDef *disk, const char *pool, const char *format,
                                Error **err)
{
    Host *host = move->vm->host;

    move->disk = g_strdup(disk->target);
    move->format = g_strdup(format             ? format
                            : disk->src.format ? enum_name(&storage_format_names, disk->src.format)
                                               : "raw");
    uint8_t number = 0;
    if (!enum_from_name(&storage_format_names, move->format, &number))
        return error_set(err, ERROR_INVALID_ARGUMENT, "no disk has the format '%s'", move->format);
    move->storage_format = (StorageFormat)number;
    move->old_path = storage_is_local(&disk->src) ? g_strdup(disk->src.path) : NULL;
    move->old_format = disk->src.format;
    if (disk->device != DISK_DEVICE_DISK || disk->readonly || disk->shareable)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "disk '%s' cannot be moved: only a disk that is written by one machine can",
                         disk->target);
    const VolumeEncryption *encryption = disk_encryption(disk, &disk->src);
    move->encryption = encryption ? xml_table_copy(&volume_encryption_table, encryption) : NULL;
    move->pool = object_find_by_name(host_registry(host, &pool_class), pool, err);
    if (!move->pool || !object_require_active(move->pool, err) || !move_find_name(move, err))
        return false;
    log_info("machine '%s': disk '%s' moves to volume '%s' of pool '%s'", move->vm->name, move->disk,
             move->volume, pool);
    return true;
}

/* QEMU that is about to end has the volume until it has; then nobody has, whatever the document says. */
AWAITS static void move_await_end(const DiskMove *move)
{
    Vm *vm = move->vm;
    const uint64_t deadline_ms = loop_now_ms() + END_MS;

    while (vm->run && vm->run->qmp && !qmp_is_open(vm->run->qmp) && !vm->run->exited &&
           loop_now_ms() < deadline_ms) {
        if (!wait_queue_wait(&vm->run->changed, deadline_ms - loop_now_ms(), NULL))
            break;
    }
    if (vm->run && vm->live && vm->run->exited)
        vm_chain_drop_mirror(vm, move->disk);
}

static void move_remove_volume(void *arg)
{
    const DiskMove *move = arg;
    g_autoptr(Error) err = NULL;

    move_await_end(move);
    g_autoptr(Volume) volume = volume_find_by_name(move->pool, move->volume, &err);

    if (!volume && error_code(err) == ERROR_NO_STORAGE_VOL)
        return;
    if (!volume || !volume_delete(volume, 0, VOLUME_UNUSED, "lodgeDiskMove", NULL, &err))
        log_warning_error(err, "the volume of a move that did not happen");
}

/* ---- a machine that runs ---- */

AWAITS static bool move_make_volume(DiskMove *move, uint64_t bytes, Volume **ret_volume, Error **err)
{
    g_autofree char *name = g_markup_escape_text(move->volume, -1);
    g_autofree char *format = g_markup_escape_text(move->format, -1);
    g_autoptr(GString) encryption = g_string_new(NULL);
    if (move->encryption) /* by the same secret */
        xml_table_write(&volume_encryption_table, "encryption", move->encryption, 0, 0, encryption);
    g_autofree char *xml =
        g_strdup_printf("<volume><name>%s</name><capacity unit='bytes'>%" G_GUINT64_FORMAT
                        "</capacity><allocation>0</allocation><target><format "
                        "type='%s'/>%s%s</target></volume>",
                        name, bytes, format, strcmp(format, "qcow2") == 0 ? "<compat>1.1</compat>" : "",
                        encryption->str);

    *ret_volume = volume_create(move->pool, xml, NULL, 0, "lodgeDiskMove", move->caller, err);
    return *ret_volume != NULL;
}

AWAITS static bool move_running(DiskMove *move, DiskDef *disk, char **ret_path, Error **err)
{
    Vm *vm = move->vm;
    g_autoptr(Volume) volume = NULL;
    g_autoptr(VmBlockJob) job = vm_block_job_new(BLOCK_JOB_COPY, move->disk);
    const BlockCopy copy = { .flags = VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB };
    uint64_t bytes = 0;
    g_auto(Undo) undo = { 0 };

    g_autofree char *node = storage_node_name(&disk->src);
    if (!vm_chain_size(vm, node, &bytes, err))
        return false;
    undo_push(&undo, move_remove_volume, move);
    if (!move_make_volume(move, bytes, &volume, err) || !vm_require_monitor(vm, err))
        return false;
    StorageSource *target = source_new(STORAGE_VOLUME);
    target->pool = g_strdup(move->pool->name);
    target->path = g_strdup(move->volume);
    target->format = move->storage_format;
    target->encryption = g_steal_pointer(&move->encryption);
    job->keep_waiting = true;
    job->flags = copy.flags;
    if (!vm_block_copy_begin(vm, job, target, &copy, err) ||
        !vm_block_job_wait(vm, job, true, move->job, err))
        return false;
    if (!job_commit(move->job, err)) {
        (void)!vm_block_job_cancel(vm, job, true, NULL);
        return false;
    }
    if (!vm_block_job_pivot(vm, job, err))
        return false;
    undo_keep(&undo);
    *ret_path = g_strdup(volume_path(volume));
    return true;
}

/* ---- a machine that does not ---- */

static void move_on_progress(void *arg, unsigned per_mille)
{
    const DiskMove *move = arg;
    const JobProgress progress = { .type = VIR_DOMAIN_JOB_BOUNDED,
                                   .data_total = 1000,
                                   .data_processed = per_mille,
                                   .data_remaining = 1000 - MIN(per_mille, 1000u) };

    job_set_progress(move->job, &progress);
}

/* The passphrase of both images, as an option of theirs: by UUID. */
static bool move_find_secret(const DiskMove *move, char **ret_uuid, Error **err)
{
    const VolumeSecret *secret =
        def_list_len(move->encryption->secrets) ? g_ptr_array_index(move->encryption->secrets, 0) : NULL;
    char uuid[UUID_STRING_LEN];

    if (!secret || move->encryption->format != VOLUME_ENCRYPTION_LUKS)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "disk '%s' is encrypted, and not by LUKS",
                         move->disk);
    g_autoptr(Object) found =
        secret->usage
            ? secret_find_by_usage(move->vm->host, VIR_SECRET_USAGE_TYPE_VOLUME, secret->usage, err)
            : object_find_by_uuid(host_registry(move->vm->host, &secret_class), &secret->uuid, NULL, err);
    if (!found)
        return false;
    uuid_format(&found->uuid, uuid);
    *ret_uuid = g_strdup(uuid);
    return true;
}

AWAITS static bool move_stopped(DiskMove *move, char **ret_path, Error **err)
{
    Vm *vm = move->vm;
    g_autofree char *uuid = NULL;

    if (move->encryption && !move_find_secret(move, &uuid, err))
        return false;
    g_autofree char *from = g_strconcat("secret=", uuid, NULL),
                    *into = g_strconcat("other-secret=", uuid, NULL);
    char *const secrets[] = { from, into };
    const char *format =
        enum_name(&storage_format_names, move->old_format ? move->old_format : STORAGE_FORMAT_RAW);
    const bool is_luks = uuid && strcmp(format, "raw") == 0,
               gets_luks = uuid && strcmp(move->format, "raw") == 0;
    g_autofree char *other = g_strconcat(move->pool->name, "/", move->volume, NULL), *output = NULL;
    const ImageOrder order = { .operation = "convert",
                               .image = move->old_path,
                               .format = is_luks ? "luks" : format,
                               .other = other,
                               .other_format = gets_luks ? "luks" : move->format,
                               .options = secrets,
                               .n_options = uuid ? G_N_ELEMENTS(secrets) : 0,
                               .on_progress = move_on_progress,
                               .arg = move };
    int status = 0;
    g_auto(Undo) undo = { 0 };

    if (!move->old_path)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "disk '%s' is on a server: it can be moved while the machine runs", move->disk);
    undo_push(&undo, move_remove_volume, move);
    if (!image_order_run(vm->host, &order, move->caller, &status, &output, err) ||
        !job_commit(move->job, err))
        return false;
    g_autoptr(Volume) volume = volume_find_by_name(move->pool, move->volume, err);
    if (!volume)
        return false;
    DomainDef *config = domain_def_copy(vm->config);
    DiskDef *disk = domain_find_disk(config, move->disk);
    StorageSource *next = source_new(STORAGE_VOLUME);
    next->pool = g_strdup(move->pool->name);
    next->path = g_strdup(move->volume);
    next->format = move->storage_format;
    if (!volume_resolve_source(vm->host, next, err)) {
        source_free(next);
        domain_def_free(config);
        return false;
    }
    next->encryption = g_steal_pointer(&move->encryption);
    source_free(chain_put_top(disk, next));
    if (!object_store(vm->host, &domain_class, config, err)) {
        domain_def_free(config);
        return false;
    }
    object_set_config(&vm->object, config);
    undo_keep(&undo);
    *ret_path = g_strdup(volume_path(volume));
    return true;
}

/* ---- both ---- */

/* *ret_left: why the old image is still there; owned. */
AWAITS static void move_remove_source(const DiskMove *move, char **ret_left)
{
    Host *host = move->vm->host;
    g_autoptr(Error) err = NULL;

    if (!move->old_path) {
        *ret_left = g_strdup("it is on a server");
        return;
    }
    g_autoptr(GPtrArray) users = image_list_users(host, move->old_path, false, NULL);
    if (users->len > 0) {
        *ret_left = image_users_describe(users);
        return;
    }
    g_autoptr(Volume) volume = volume_find_by_path(host, move->old_path, NULL);
    const bool ok = volume ? volume_delete(volume, 0, VOLUME_UNNEEDED, "lodgeDiskMove", move->caller, &err)
                           : vm_chain_remove_file(host, move->old_path, &err);
    if (!ok)
        *ret_left = g_strdup(error_message(err));
}

bool vm_disk_move(Vm *vm, const char *name, const char *pool, const char *format, unsigned flags,
                  const Caller *caller, char **ret_path, char **ret_left, Error **err)
{
    g_auto(Job) job = { 0 };
    g_auto(DiskMove) move = { .vm = vm, .job = &job, .caller = caller };
    DiskDef *disk = NULL;

    if (!check_flags(flags, LODGE_DISK_MOVE_REMOVE_SOURCE, "lodgeDiskMove", err))
        return false;
    if (vm_is_running(vm)) {
        if (!vm_block_begin(vm, name, JOB_DISK_MOVE, caller, &job, &disk, err))
            return false;
    } else {
        if (!job_begin(&vm->object, JOB_DISK_MOVE, caller, &job, err) ||
            !object_require_listed(&vm->object, err))
            return false;
        if (vm_is_running(vm))
            return error_set(err, ERROR_INVALID_STATE, "domain '%s' has been started meanwhile", vm->name);
        disk = domain_find_disk(vm->config, name);
        if (!disk || storage_is_empty(&disk->src))
            return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", name);
    }
    job_set_phase(&job, "copying a disk");
    if (!move_prepare(&move, disk, pool, format, err) ||
        !(vm_is_running(vm) ? move_running(&move, domain_find_disk(vm->live, move.disk), ret_path, err)
                            : move_stopped(&move, ret_path, err)))
        return false;
    if (flags & LODGE_DISK_MOVE_REMOVE_SOURCE)
        move_remove_source(&move, ret_left);
    return true;
}
