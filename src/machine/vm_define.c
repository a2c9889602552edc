/* Define, undefine, rename, autostart, describe. The file is on disk before the registry changes and before
 * the caller hears of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "define"
#include "machine/vm_define.h"
#include "machine/vm_autostart.h"
#include "machine/vm_moment.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_check.h"
#include "conf/xml_table.h"
#include "machine/vm_private.h"

enum { UNDEFINE_ALL = 127 };
enum { XML_ALL = 15 };

/* ---- define ---- */

Vm *vm_define(Host *host, const char *xml, unsigned flags, const Caller *caller, Error **err)
{
    DomainDef *def = NULL;
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_DEFINE_VALIDATE, "qemuDomainDefineXMLFlags", err) ||
        !vm_xml_parse(host, xml, strlen(xml), "(domain_definition)",
                      flags & VIR_DOMAIN_DEFINE_VALIDATE ? VM_XML_VALIDATE : 0, &def, err))
        return NULL;
    if (!object_acquire(vm_registry(host), def->name, &def->uuid, JOB_MODIFY, caller, &job, err)) {
        domain_def_free(def);
        return NULL;
    }
    Vm *vm = (Vm *)job.object;
    /* Half a definition must not survive a client that leaves at the wrong moment. */
    fiber_shield_begin();
    const bool stored = object_store_as_read(host, &domain_class, def, err);
    fiber_shield_end();
    if (!stored) {
        object_release_embryo(&vm->object);
        domain_def_free(def);
        return NULL;
    }
    const int detail = vm->config ? VIR_DOMAIN_EVENT_DEFINED_UPDATED : VIR_DOMAIN_EVENT_DEFINED_ADDED;
    object_set_config(&vm->object, def);
    vm->config_is_new = vm->live != NULL;
    object_list_it(&vm->object);
    log_info("machine '%s' defined by %s", vm->name, caller ? caller->description : "the daemon");
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_DEFINED, detail);
    return vm_ref(vm);
}

/* ---- undefine ---- */

static bool vm_undefine_check(Vm *vm, unsigned flags, Error **err)
{
    g_autofree char *nvram = vm_nvram_path(vm);

    if (!moment_check_undefine(vm, flags, err))
        return false;
    if (vm->has_managed_save && !(flags & VIR_DOMAIN_UNDEFINE_MANAGED_SAVE))
        return error_set(err, ERROR_INVALID_STATE,
                         "Refusing to undefine while domain managed save image exists");
    if (nvram && !(flags & (VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)) &&
        vm_nvram_exists(vm->host, nvram))
        return error_set(err, ERROR_INVALID_STATE, "cannot undefine domain with nvram");
    return true;
}

static bool vm_undefine_files(Vm *vm, unsigned flags, Error **err)
{
    g_autofree char *save = vm_save_path(vm->host, vm->name);
    g_autofree char *nvram = vm_nvram_path(vm);

    /* The image goes first: left alone it would be restored into the next machine of this name. */
    if (vm->has_managed_save) {
        if (!file_remove(save, err))
            return false;
        vm->has_managed_save = false;
    }
    if ((flags & VIR_DOMAIN_UNDEFINE_NVRAM) && nvram && !vm_nvram_remove(vm->host, nvram, err))
        return error_prefix(err, "failed to remove nvram");
    if (!vm_tpm_undefine(vm, flags, err))
        return false;
    /* A machine that runs has them until it stops. */
    if (!vm_is_running(vm) && !moment_forget(vm, err))
        return false;
    return object_store_remove(&vm->object, err) && vm_forget_autostart_once(vm->host, vm->name, err);
}

bool vm_undefine(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, UNDEFINE_ALL, "qemuDomainUndefineFlags", err))
        return false;
    if ((flags & VIR_DOMAIN_UNDEFINE_NVRAM) && (flags & VIR_DOMAIN_UNDEFINE_KEEP_NVRAM))
        return error_set(err, ERROR_OPERATION_FAILED, "cannot both keep and delete nvram");
    if ((flags & VIR_DOMAIN_UNDEFINE_TPM) && (flags & VIR_DOMAIN_UNDEFINE_KEEP_TPM))
        return error_set(err, ERROR_OPERATION_FAILED, "cannot both keep and delete TPM");
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err))
        return false;
    if (!vm->config)
        return error_set(err, ERROR_INVALID_STATE, "cannot undefine transient domain");
    return vm_undefine_held(vm, flags, caller, err);
}

bool vm_undefine_held(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    if (!vm_undefine_check(vm, flags, err))
        return false;
    fiber_shield_begin();
    const bool removed = vm_undefine_files(vm, flags, err);
    fiber_shield_end();
    if (!removed)
        return false;
    vm->autostart = false;
    vm->config_is_new = false;
    log_info("machine '%s' undefined by %s", vm->name, caller ? caller->description : "the daemon");
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED);
    if (vm->live)
        object_set_config(&vm->object, NULL);
    else
        object_unregister(&vm->object); /* keeps config for those who hold a reference */
    return true;
}

/* ---- rename ---- */

static bool vm_rename_check(Vm *vm, const char *new_name, Error **err)
{
    if (!vm->config)
        return error_set(err, ERROR_INVALID_STATE, "cannot rename a transient domain");
    if (vm_is_running(vm))
        return error_set(err, ERROR_INVALID_STATE, "cannot rename active domain");
    if (vm->state != VM_STATE_SHUTOFF)
        return error_set(err, ERROR_INVALID_STATE, "domain should be shut off before renaming");
    if (vm->has_managed_save) /* the image holds the old name */
        return error_set(err, ERROR_INVALID_STATE, "domain with a managed saved state can't be renamed");
    if (strcmp(vm->name, new_name) == 0)
        return error_set(err, ERROR_INVALID_STATE, "Can't rename domain to itself");
    if (registry_is_taken(vm_registry(vm->host), new_name))
        return error_set(err, ERROR_INVALID_STATE, "domain with name '%s' already exists", new_name);
    return true;
}

bool vm_check_name(const char *name, Error **err)
{
    if (!*name)
        return error_set(err, ERROR_INVALID_ARGUMENT, "name must not be empty");
    if (strchr(name, '/'))
        return error_set(err, ERROR_XML_INVALID, "name %s cannot contain '/'", name);
    if (!xml_can_hold(name))
        return error_set(err, ERROR_XML_INVALID, "the name has a character that XML cannot hold");
    if (!path_is_safe_component(name))
        return error_set(err, ERROR_XML_INVALID, "name '%s' cannot be used as a file name", name);
    return domain_check_name_length(name, err);
}

bool vm_rename(Vm *vm, const char *new_name, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 0, "qemuDomainRename", err) || !vm_check_name(new_name, err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !vm_rename_check(vm, new_name, err))
        return false;

    DomainDef *def = domain_def_copy(vm->config);
    g_free(def->name);
    def->name = g_strdup(new_name);
    registry_reserve(vm->registry, new_name);
    fiber_shield_begin();
    const bool renamed = object_store_rename(&vm->object, def, err);
    fiber_shield_end();
    registry_release(vm->registry, new_name);
    if (!renamed) {
        domain_def_free(def);
        return false;
    }
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_RENAMED);
    object_set_name(&vm->object, new_name);
    object_set_config(&vm->object, def);
    vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_RENAMED);
    return true;
}

/* ---- describe ---- */

bool vm_get_xml(Vm *vm, unsigned flags, const Caller *caller, char **ret_xml, Error **err)
{
    unsigned format = 0;

    if (!check_flags(flags, XML_ALL, "qemuDomainGetXMLDesc", err))
        return false;
    if (caller && caller->read_only && (flags & (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE)))
        return error_set(err, ERROR_DENIED, "virDomainGetXMLDesc with secure flag");
    if (flags & VIR_DOMAIN_XML_SECURE)
        format |= XML_FORMAT_SECURE;
    const DomainDef *def = (flags & VIR_DOMAIN_XML_INACTIVE) && vm->config ? vm->config : vm_def(vm);
    if (!def)
        return object_require_listed(&vm->object, err);
    if (flags & VIR_DOMAIN_XML_MIGRATABLE) {
        *ret_xml = vm_xml_format_migratable(vm->host, def);
        return true;
    }
    if ((flags & VIR_DOMAIN_XML_INACTIVE) || !vm->live)
        format |= XML_FORMAT_INACTIVE;
    if (def == vm->config && format == XML_FORMAT_INACTIVE) {
        if (!vm->config_xml)
            vm->config_xml = vm_xml_format(def, format);
        *ret_xml = g_strdup(vm->config_xml);
        return true;
    }
    if (def != vm->live)
        *ret_xml = vm_xml_format(def, format);
    else
        *ret_xml = format & XML_FORMAT_INACTIVE ? vm_xml_format_inactive(def, format)
                                                : vm_xml_format_live(vm, format);
    return true;
}
