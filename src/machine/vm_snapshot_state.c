/* What belongs to a moment of a machine beside its disks and memory: the variables of its firmware, and the
 * state of its TPM. Both are copied into a folder that libvirtd does not look into. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "machine/vm_snapshot_private.h"
#include "storage/tool.h"

#define COPY_TIMEOUT_MS 60000

/* The folder @to becomes a copy of @from, owners and all; none if there is no @from. */
AWAITS static bool copy_folder(const char *from, const char *to, Error **err)
{
    g_autofree char *temp = g_strconcat(to, ".new", NULL);
    g_autoptr(GPtrArray) names = NULL;

    if (!file_remove_tree(temp, err) || !file_list_dir(from, &names, err))
        return false;
    if (names->len == 0)
        return file_remove_tree(to, err);
    const char *const argv[] = { "cp", "-aT", from, temp, NULL };
    return storage_run(argv, "coreutils", COPY_TIMEOUT_MS, NULL, err) && file_remove_tree(to, err) &&
           file_rename(temp, to, err);
}

AWAITS static bool keep_variables(Vm *vm, const char *name, Error **err)
{
    g_autofree char *nvram = vm_nvram_path(vm);
    g_autofree char *copy = vm_snapshot_own_path(vm, name, ".nvram");

    return !nvram || !vm_nvram_exists(vm->host, nvram) || vm_nvram_copy(vm->host, nvram, copy, err);
}

bool vm_snapshot_keep_state(Vm *vm, const char *name, Error **err)
{
    g_autofree char *tpm = vm_tpm_state_folder(vm);
    g_autofree char *copy = vm_snapshot_own_path(vm, name, ".tpm");
    g_autofree char *overwritten = vm_snapshot_own_path(vm, name, ".overwritten"); /* of one that went */

    return vm_snapshot_make_own_folder(vm, err) && file_remove(overwritten, err) &&
           keep_variables(vm, name, err) && (!tpm || copy_folder(tpm, copy, err));
}

bool vm_snapshot_restore_state(Vm *vm, const Moment *snapshot, Error **err)
{
    g_autofree char *nvram = vm_nvram_path(vm);
    g_autofree char *variables = vm_snapshot_own_path(vm, moment_name(snapshot), ".nvram");
    g_autofree char *tpm = vm_tpm_state_folder(vm);
    g_autofree char *state = vm_snapshot_own_path(vm, moment_name(snapshot), ".tpm");
    g_autoptr(GPtrArray) names = NULL;

    if (nvram && vm_nvram_exists(vm->host, variables) && !vm_nvram_copy(vm->host, variables, nvram, err))
        return false;
    if (!tpm)
        return true;
    return file_list_dir(state, &names, err) && (names->len == 0 || copy_folder(state, tpm, err));
}

void vm_snapshot_drop_state(Vm *vm, const char *name)
{
    g_autofree char *variables = vm_snapshot_own_path(vm, name, ".nvram");
    g_autofree char *state = vm_snapshot_own_path(vm, name, ".tpm");
    g_autofree char *overwritten = vm_snapshot_own_path(vm, name, ".overwritten");
    g_autoptr(Error) err = NULL;

    if (!file_remove(variables, &err) || !file_remove(overwritten, &err) || !file_remove_tree(state, &err))
        log_warning_error(err, "what a snapshot kept of firmware or TPM");
}
