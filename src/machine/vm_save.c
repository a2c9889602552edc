/* The running state of a machine in a file: save, restore, managed save.
 *
 * QEMU writes into a pipe and a helper process copies (and compresses) into the file, so storage that hangs
 * holds neither QEMU nor the daemon. The file is written beside its final name and renamed when complete and
 * on disk; until then everything can be taken back and the machine goes on as before. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "save"
#include "machine/vm_save.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "conf/xml_table.h"
#include "machine/save_image.h"
#include "machine/vm_backup.h"
#include "machine/vm_block_job.h"
#include "machine/vm_dump.h"
#include "machine/vm_private.h"
#include "storage/image_users.h"

enum { JOB_OPERATION_SAVE = 2 };

static uint64_t storage_timeout(const Host *host)
{
    return (uint64_t)host->config->storage_timeout_s * 1000;
}

static bool save_check_flags(unsigned flags, unsigned known, const char *function, Error **err)
{
    if (!check_flags(flags, known, function, err))
        return false;
    if ((flags & VIR_DOMAIN_SAVE_RUNNING) && (flags & VIR_DOMAIN_SAVE_PAUSED))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually "
                         "exclusive");
    return true;
}

static bool save_choose_running(unsigned flags, bool otherwise)
{
    return flags & VIR_DOMAIN_SAVE_RUNNING ? true : flags & VIR_DOMAIN_SAVE_PAUSED ? false : otherwise;
}

/* ---- save ---- */

/* The document that goes into the image: what runs, or the caller's variation of it. */
static bool save_make_xml(Vm *vm, const char *dxml, char **ret_xml, Error **err)
{
    /* Complete: what a reader would add by itself has addresses here, which the saved devices keep. */
    const unsigned format = XML_FORMAT_SECURE | XML_FORMAT_INACTIVE;
    DomainDef *def = NULL;

    if (!dxml) {
        *ret_xml = vm_xml_format_inactive(vm->live, format);
        return true;
    }
    if (!vm_xml_parse(vm->host, dxml, strlen(dxml), "(domain_definition)", 0, &def, err))
        return false;
    const bool ok = vm_require_running(vm, err) && vm_xml_check_abi(vm->live, def, err);
    if (ok)
        *ret_xml = vm_xml_format(def, format);
    domain_def_free(def);
    return ok;
}

static bool save_locked(Vm *vm, Job *job, const char *path, const char *dxml, unsigned flags, Error **err)
{
    g_autofree char *xml = NULL;
    StateCopy copy = { .path = path,
                       .bypass_cache = flags & VIR_DOMAIN_SAVE_BYPASS_CACHE,
                       .pause = true,
                       .pause_reason = VIR_DOMAIN_PAUSED_SAVE,
                       .operation = JOB_OPERATION_SAVE };

    if (!save_format_from_name(vm->host->config->save_image_format, &copy.format, err) ||
        !image_users_require_none(vm->host, path, err) || !vm_backup_require_none(vm, err) ||
        !save_make_xml(vm, dxml, &xml, err) || !vm_require_monitor(vm, err))
        return false;
    const VmBlockJob *busy = vm_block_job_of_disk(vm, NULL);
    if (busy)
        return error_set(err, ERROR_INVALID_STATE, "domain has active block job '%s'", busy->id);
    if (domain_has_transient(vm->live))
        return error_set(err, ERROR_INVALID_STATE, "migration with transient disk is not supported");
    copy.xml = xml;
    copy.image_runs = save_choose_running(flags, vm->state == VM_STATE_RUNNING || vm->run->must_run);
    return vm_state_to_file(vm, job, &copy, err);
}

bool vm_save(Vm *vm, const char *path, const char *dxml, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!save_check_flags(flags,
                          VIR_DOMAIN_SAVE_BYPASS_CACHE | VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
                          "qemuDomainSaveFlags", err))
        return false;
    if (*path != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not an absolute path", path);
    if (!job_begin(&vm->object, JOB_SAVE, caller, &job, err) || !vm_require_monitor(vm, err) ||
        !save_locked(vm, &job, path, dxml, flags, err))
        return false;
    vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_SAVED, VIR_DOMAIN_EVENT_STOPPED_SAVED);
    return true;
}

bool vm_managed_save(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!save_check_flags(flags,
                          VIR_DOMAIN_SAVE_BYPASS_CACHE | VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
                          "qemuDomainManagedSave", err) ||
        !job_begin(&vm->object, JOB_SAVE, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (!vm->config)
        return error_set(err, ERROR_INVALID_STATE, "cannot do managed save for transient domain");
    g_autofree char *path = vm_save_path(vm->host, vm->name);
    if (!save_locked(vm, &job, path, NULL, flags, err))
        return false;
    vm->has_managed_save = true;
    vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_SAVED, VIR_DOMAIN_EVENT_STOPPED_SAVED);
    return true;
}

/* ---- restore ---- */

/* What the image says, changed by the restore hook and by the caller. */
static bool restore_make_def(Host *host, const SaveImage *image, const char *dxml, DomainDef **ret_def,
                             Error **err)
{
    g_autoptr(DomainDef) def = NULL;
    g_autofree char *output = NULL;

    if (!vm_xml_parse(host, image->xml, strlen(image->xml), "(saved domain)", VM_XML_TRUSTED, &def, err))
        return false;
    if (hook_is_present(host, "qemu")) {
        if (!hook_run(host, "qemu", def->name, "restore", "begin", "-", image->xml, &output, err))
            return false;
    }
    const char *changed = dxml ? dxml : output && *output ? output : NULL;
    if (changed) {
        g_autoptr(DomainDef) new_def = NULL;
        if (!vm_xml_parse(host, changed, strlen(changed), "(domain_definition)", 0, &new_def, err) ||
            !vm_xml_check_abi(def, new_def, err))
            return false;
        domain_def_free(g_steal_pointer(&def));
        def = g_steal_pointer(&new_def);
    }
    *ret_def = g_steal_pointer(&def);
    return true;
}

/* @spec has what follows from the caller; its incoming_def is taken. */
static bool restore_feed(Vm *vm, Job *job, SaveImage *image, VmStartSpec *spec, bool bypass_cache,
                         Error **err)
{
    g_autoptr(Process) feeder = NULL;
    AUTO_FD words_fd = -1;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        domain_def_free(spec->incoming_def);
        return error_set_errno(err, errno, "cannot make a pipe");
    }
    AUTO_FD read_end = ends[0];
    AUTO_FD write_end = ends[1];
    if (!save_copier_start(image->format, true, bypass_cache, image->fd, write_end, &feeder, &words_fd,
                           err)) {
        domain_def_free(spec->incoming_def);
        return false;
    }
    fd_cleanup(&write_end);
    spec->incoming_fd = read_end;
    spec->feeder = feeder;
    spec->feeder_words_fd = words_fd;
    /* A minute, and as long as 10 MB/s take. */
    spec->incoming_timeout_ms = 60000 + image->size_bytes / 10000;
    const bool ok = vm_start_process(vm, job, spec, err);
    if (!ok && !process_kill(feeder, SIGKILL, NULL))
        log_debug("the helper that read the image is gone already");
    return ok;
}

static bool restore_start(Vm *vm, Job *job, SaveImage *image, DomainDef *def, unsigned flags,
                          uint64_t autodestroy_client, Error **err)
{
    VmStartSpec spec = VM_START_SPEC_INIT;

    spec.incoming_def = def;
    spec.autodestroy_client = autodestroy_client;
    spec.paused = !save_choose_running(flags, image->was_running);
    spec.paused_reason = VIR_DOMAIN_PAUSED_MIGRATION;
    spec.running_reason = VIR_DOMAIN_RUNNING_RESTORED;
    spec.started_detail = VIR_DOMAIN_EVENT_STARTED_RESTORED;
    spec.reset_nvram = flags & VIR_DOMAIN_SAVE_RESET_NVRAM;
    return restore_feed(vm, job, image, &spec, flags & VIR_DOMAIN_SAVE_BYPASS_CACHE, err);
}

bool vm_restore_state(Vm *vm, Job *job, const char *path, VmStartSpec *spec, Error **err)
{
    g_auto(SaveImage) image = { .fd = -1 };

    if (save_image_open(path, storage_timeout(vm->host), &image, err))
        return restore_feed(vm, job, &image, spec, false, err);
    domain_def_free(spec->incoming_def);
    return false;
}

bool vm_restore_image(Vm *vm, Job *job, const char *path, unsigned flags, uint64_t autodestroy_client,
                      Error **err)
{
    g_auto(SaveImage) image = { .fd = -1 };
    DomainDef *def = NULL;

    job_set_phase(job, "reading the image");
    if (!save_image_open(path, storage_timeout(vm->host), &image, err) ||
        !restore_make_def(vm->host, &image, NULL, &def, err))
        return false;
    if (!uuid_equal(&def->uuid, &vm->uuid)) {
        domain_def_free(def);
        return error_set(err, ERROR_OPERATION_FAILED, "image '%s' belongs to another domain", path);
    }
    /* Renamed since it was saved. */
    if (strcmp(def->name, vm->name) != 0) {
        g_free(def->name);
        def->name = g_strdup(vm->name);
    }
    return restore_start(vm, job, &image, def, flags, autodestroy_client, err);
}

bool vm_restore(Host *host, const char *path, const char *dxml, unsigned flags, const Caller *caller,
                Error **err)
{
    g_auto(SaveImage) image = { .fd = -1 };
    g_auto(Job) job = { 0 };
    DomainDef *def = NULL;

    if (!save_check_flags(flags,
                          VIR_DOMAIN_SAVE_BYPASS_CACHE | VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED |
                              VIR_DOMAIN_SAVE_RESET_NVRAM,
                          "qemuDomainRestoreFlags", err) ||
        !save_image_open(path, storage_timeout(host), &image, err) ||
        !restore_make_def(host, &image, dxml, &def, err))
        return false;
    if (!object_acquire(vm_registry(host), def->name, &def->uuid, JOB_RESTORE, caller, &job, err)) {
        domain_def_free(def);
        return false;
    }
    if (vm_is_running(((Vm *)job.object))) {
        domain_def_free(def);
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' is already active", ((Vm *)job.object)->name);
    }
    if (restore_start(((Vm *)job.object), &job, &image, def, flags, 0, err))
        return true;
    object_release_embryo(&((Vm *)job.object)->object);
    return false;
}

/* ---- images by themselves ---- */

bool save_image_get_xml(Host *host, const char *path, unsigned flags, char **ret_xml, Error **err)
{
    enum { SECURE = 1 };
    g_auto(SaveImage) image = { .fd = -1 };
    g_autoptr(DomainDef) def = NULL;

    if (!check_flags(flags, SECURE, "qemuDomainSaveImageGetXMLDesc", err) ||
        !save_image_open(path, storage_timeout(host), &image, err) ||
        !vm_xml_parse(host, image.xml, strlen(image.xml), "(saved domain)", VM_XML_TRUSTED, &def, err))
        return false;
    *ret_xml = vm_xml_format(def, XML_FORMAT_INACTIVE | (flags & SECURE ? XML_FORMAT_SECURE : 0));
    return true;
}

bool save_image_define_xml(Host *host, const char *path, const char *dxml, unsigned flags, Error **err)
{
    g_auto(SaveImage) image = { .fd = -1 };
    g_autoptr(DomainDef) def = NULL;
    g_autoptr(DomainDef) new_def = NULL;

    if (!save_check_flags(flags, VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
                          "qemuDomainSaveImageDefineXML", err) ||
        !save_image_open(path, storage_timeout(host), &image, err) ||
        !vm_xml_parse(host, image.xml, strlen(image.xml), "(saved domain)", VM_XML_TRUSTED, &def, err) ||
        !vm_xml_parse(host, dxml, strlen(dxml), "(domain_definition)", 0, &new_def, err) ||
        !vm_xml_check_abi(def, new_def, err))
        return false;
    g_autofree char *xml = vm_xml_format(new_def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    return save_image_rewrite(path, &image, xml, save_choose_running(flags, image.was_running),
                              storage_timeout(host), err);
}

static bool managed_save_require(const Vm *vm, Error **err)
{
    if (!object_require_listed(&vm->object, err))
        return false;
    if (!vm->has_managed_save)
        return error_set(err, ERROR_INVALID_STATE, "domain does not have managed save image");
    return true;
}

bool vm_managed_save_remove(Vm *vm, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err))
        return false;
    g_autofree char *path = vm_save_path(vm->host, vm->name);
    if (!vm->has_managed_save)
        return error_set_errno(err, ENOENT, "Failed to remove managed save file '%s'", path);
    if (!file_remove(path, err))
        return error_prefix(err, "Failed to remove managed save file '%s'", path);
    vm->has_managed_save = false;
    return true;
}

bool vm_managed_save_get_xml(Vm *vm, unsigned flags, char **ret_xml, Error **err)
{
    g_autofree char *path = vm_save_path(vm->host, vm->name);

    return managed_save_require(vm, err) && save_image_get_xml(vm->host, path, flags, ret_xml, err);
}

bool vm_managed_save_define_xml(Vm *vm, const char *dxml, unsigned flags, Error **err)
{
    g_autofree char *path = vm_save_path(vm->host, vm->name);

    return managed_save_require(vm, err) && save_image_define_xml(vm->host, path, dxml, flags, err);
}
