/* Machines: what they are, and what is done with them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_device.h"
#include "conf/domain_xml.h"
#include "core/object_class.h"
#include "http/answer.h"
#include "http/hub.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "machine/vm_define.h"
#include "machine/vm_labels.h"
#include "wire/wire_enums.h"

/* ---- lists ---- */

static bool handle_list(HttpRequest *req, Error **err)
{
    g_autoptr(GPtrArray) vms = NULL;

    if (!vm_list(req->host, 0, &vms, err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < vms->len; i++) {
        Vm *vm = g_ptr_array_index(vms, i);
        if (http_may_see(req, vm_uuid(vm)))
            json_array_append_new(items, machine_json(req->hub, vm));
    }
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static bool answer_machine(HttpRequest *req, Vm *vm, unsigned status, Error **err)
{
    Json *json = machine_json_detail(req->hub, vm, err);

    return json && http_answer_json(req, status, json);
}

static bool handle_get(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    return vm && answer_machine(req, vm, 200, err);
}

/* ---- definitions ---- */

AWAITS static bool machine_start(HttpRequest *req, const Vm *vm, uint32_t flags, Error **err)
{
    const WireDomainCreateWithFlagsArgs args = { .dom = machine_handle(vm), .flags = flags };
    g_auto(WireDomainCreateWithFlagsRet) ret = { 0 };

    return HTTP_CALL(req, domain_create_with_flags, &args, &ret, err);
}

/* A reference. */
AWAITS static Vm *machine_define(HttpRequest *req, const char *xml, bool validate, Error **err)
{
    const WireDomainDefineXmlFlagsArgs args = { .xml = (char *)xml,
                                                .flags = validate ? VIR_DOMAIN_DEFINE_VALIDATE : 0 };
    g_auto(WireDomainDefineXmlFlagsRet) ret = { 0 };

    if (!HTTP_CALL(req, domain_define_xml_flags, &args, &ret, err))
        return NULL;
    return vm_find_by_uuid(req->host, &ret.dom.uuid, ret.dom.name, err);
}

static const HttpField create_body[] = {
    { "xml", HTTP_STRING, .required = true, .doc = "the <domain> document" },
    { "start", HTTP_BOOL },
    { "validate", HTTP_BOOL, .doc = "refuse what the schema does not know" },
    { 0 },
};

static bool handle_create(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm =
        machine_define(req, json_get_str(req->body, "xml"), json_get_bool(req->body, "validate", false), err);

    if (!vm)
        return false;
    req->object = g_strdup(vm_name(vm));
    g_autofree char *location =
        g_strdup_printf("%s" HTTP_API "/machines/%s", http_hub_prefix(req->hub), vm_name(vm));
    if (json_get_bool(req->body, "start", false) && !machine_start(req, vm, 0, err)) {
        error_prefix(err, "machine '%s' is defined, but does not start", vm_name(vm));
        return error_hint(err, "mend its definition, then 'lodge start %s'", vm_name(vm));
    }
    http_add_header(req, "Location", location);
    return answer_machine(req, vm, 201, err);
}

static const HttpField xml_query[] = {
    { "inactive", HTTP_BOOL, .doc = "the definition of the next start" },
    { "secure", HTTP_BOOL, .doc = "with passwords" },
    { 0 },
};

AWAITS static bool machine_xml(HttpRequest *req, const Vm *vm, uint32_t flags, char **ret_xml, Error **err)
{
    const WireDomainGetXmlDescArgs args = { .dom = machine_handle(vm), .flags = flags };
    WireDomainGetXmlDescRet ret = { 0 };

    if (!HTTP_CALL(req, domain_get_xml_desc, &args, &ret, err))
        return false;
    *ret_xml = ret.xml;
    return true;
}

static bool handle_get_xml(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    bool inactive, secure;
    char *xml = NULL;

    if (!vm || !http_query_bool(&req->target, "inactive", false, &inactive, err) ||
        !http_query_bool(&req->target, "secure", false, &secure, err) ||
        !machine_xml(req, vm,
                     (inactive ? (uint32_t)VIR_DOMAIN_XML_INACTIVE : 0u) |
                         (secure ? (uint32_t)VIR_DOMAIN_XML_SECURE : 0u),
                     &xml, err))
        return false;
    return http_answer_text(req, 200, "application/xml", xml);
}

/* The document of another machine would change that one. */
AWAITS static bool check_same(const Vm *vm, const char *xml, Error **err)
{
    g_autoptr(DomainDef) def = NULL;
    const Uuid uuid = *vm_uuid(vm);
    g_autofree char *name = g_strdup(vm_name(vm));

    if (!domain_def_parse(xml, strlen(xml), 0, NULL, &def, NULL))
        return true; /* whoever defines it says why not */
    return (strcmp(def->name, name) == 0 && (uuid_is_null(&def->uuid) || uuid_equal(&def->uuid, &uuid))) ||
           error_set(err, ERROR_OPERATION_FAILED, "the document is not of machine '%s'", name);
}

/* Somebody else's change is not overwritten by who saw what was before (If-Match: the ETag of
 * GET .../xml?inactive=true). */
static bool handle_put_xml(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autofree char *now = NULL, *text = g_strndup((const char *)req->bytes->data, req->bytes->len);
    const char *wanted = http_header(req, "If-Match");

    if (!vm)
        return false;
    if (strlen(text) != req->bytes->len)
        return error_set(err, ERROR_XML_SYNTAX, "the document has a NUL");
    if (wanted) {
        g_autofree char *secret = NULL;
        if (!machine_xml(req, vm, VIR_DOMAIN_XML_INACTIVE, &now, err) ||
            (req->who.role == HTTP_ROLE_ADMIN &&
             !machine_xml(req, vm, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, &secret, err)))
            return false;
        if (!http_tag_matches(wanted, now) && !(secret && http_tag_matches(wanted, secret))) {
            error_set(err, ERROR_OPERATION_FAILED, "the definition of '%s' has changed meanwhile",
                      vm_name(vm));
            return error_hint(err, "read it again, and make the change in what is there now");
        }
    }
    g_autoptr(Vm) made = check_same(vm, text, err) ? machine_define(req, text, false, err) : NULL;
    return made && answer_machine(req, made, 200, err);
}

/* ---- changes ---- */

static const HttpField patch_body[] = {
    { "autostart", HTTP_BOOL },
    { "title", HTTP_STRING, .nullable = true },
    { "description", HTTP_STRING, .nullable = true },
    { "vcpus", HTTP_UINT },
    { "memory_bytes", HTTP_UINT },
    { "maximum", HTTP_BOOL, .doc = "vcpus and memory_bytes are what it can have at most" },
    { "name", HTTP_STRING },
    { "live", HTTP_BOOL, .doc = "of the running machine" },
    { "config", HTTP_BOOL, .doc = "of the definition; neither: both, as far as there are both" },
    { 0 },
};

/* Neither said: all there is of the machine. */
static uint32_t affected(const HttpRequest *req, const Vm *vm)
{
    const uint32_t flags =
        (json_get_bool(req->body, "live", false) ? (uint32_t)VIR_DOMAIN_AFFECT_LIVE : 0u) |
        (json_get_bool(req->body, "config", false) ? (uint32_t)VIR_DOMAIN_AFFECT_CONFIG : 0u);

    return flags ? flags
                 : (vm_is_running(vm) ? (uint32_t)VIR_DOMAIN_AFFECT_LIVE : 0u) |
                       (vm_is_persistent(vm) ? (uint32_t)VIR_DOMAIN_AFFECT_CONFIG : 0u);
}

static bool patch_text(HttpRequest *req, const Vm *vm, const char *member, int type, Error **err)
{
    const Json *value = json_object_get(req->body, member);
    const WireDomainSetMetadataArgs args = { .dom = machine_handle(vm),
                                             .type = type,
                                             .metadata = (char *)json_string_value(value),
                                             .flags = affected(req, vm) };

    return !value || HTTP_CALL(req, domain_set_metadata, &args, NULL, err);
}

static bool patch_autostart(HttpRequest *req, const Vm *vm, Error **err)
{
    const Json *value = json_object_get(req->body, "autostart");
    const WireDomainSetAutostartArgs args = { .dom = machine_handle(vm), .autostart = json_is_true(value) };

    return !value || HTTP_CALL(req, domain_set_autostart, &args, NULL, err);
}

static bool patch_vcpus(HttpRequest *req, const Vm *vm, Error **err)
{
    const Json *value = json_object_get(req->body, "vcpus");
    const bool maximum = json_get_bool(req->body, "maximum", false);
    const WireDomainSetVcpusFlagsArgs args = { .dom = machine_handle(vm),
                                               .nvcpus = (uint32_t)MIN(json_integer_value(value), UINT32_MAX),
                                               .flags = affected(req, vm) |
                                                        (maximum ? VIR_DOMAIN_VCPU_MAXIMUM : 0) };

    return !value || HTTP_CALL(req, domain_set_vcpus_flags, &args, NULL, err);
}

static bool patch_memory(HttpRequest *req, const Vm *vm, Error **err)
{
    const Json *value = json_object_get(req->body, "memory_bytes");
    const bool maximum = json_get_bool(req->body, "maximum", false);
    const WireDomainSetMemoryFlagsArgs args = { .dom = machine_handle(vm),
                                                .memory = (uint64_t)json_integer_value(value) / 1024,
                                                .flags = affected(req, vm) |
                                                         (maximum ? VIR_DOMAIN_MEM_MAXIMUM : 0) };

    return !value || HTTP_CALL(req, domain_set_memory_flags, &args, NULL, err);
}

static bool patch_name(HttpRequest *req, const Vm *vm, Error **err)
{
    const char *name = json_get_str(req->body, "name");
    const WireDomainRenameArgs args = { .dom = machine_handle(vm), .new_name = (char *)name };
    g_auto(WireDomainRenameRet) ret = { 0 };

    return !name || strcmp(name, vm_name(vm)) == 0 || HTTP_CALL(req, domain_rename, &args, &ret, err);
}

/* In this order; the first that fails ends it, and its message says which. */
static bool handle_patch(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    return vm && patch_text(req, vm, "title", VIR_DOMAIN_METADATA_TITLE, err) &&
           patch_text(req, vm, "description", VIR_DOMAIN_METADATA_DESCRIPTION, err) &&
           patch_autostart(req, vm, err) && patch_vcpus(req, vm, err) && patch_memory(req, vm, err) &&
           patch_name(req, vm, err) && answer_machine(req, vm, 200, err);
}

/* ---- the end ---- */

static const HttpField delete_query[] = {
    { "storage", HTTP_STRING, .choices = "none|all",
      .doc = "all: its disks that are volumes nobody else needs" },
    { "snapshots", HTTP_BOOL, .doc = "their definitions go along; true unless said" },
    { "nvram", HTTP_BOOL, .doc = "its firmware's variables go along; true unless said" },
    { "managed_save", HTTP_BOOL, .doc = "true unless said" },
    { 0 },
};
static const HttpField delete_answer[] = {
    { "removed", HTTP_STRINGS, .required = true, .doc = "paths of volumes" },
    { "kept", HTTP_OBJECTS, .required = true, .doc = "{path, problem} of disks that stay" },
    { 0 },
};

/* Paths of its disks that are written to; NULL-terminated, owned. */
static GPtrArray *machine_disks(HttpRequest *req, Vm *vm, Error **err)
{
    AUTO_JSON machine = machine_json_detail(req->hub, vm, err);
    GPtrArray *paths = machine ? g_ptr_array_new_with_free_func(g_free) : NULL;
    const Json *disk;
    size_t i;

    json_array_foreach (json_get_arr(machine, "disks"), i, disk) {
        const char *source = json_get_str(disk, "source");
        if (source && *source == '/' && strcmp(json_get_str(disk, "device"), "disk") == 0)
            g_ptr_array_add(paths, g_strdup(source));
    }
    return paths;
}

AWAITS static bool remove_volume(HttpRequest *req, const char *path, Error **err)
{
    const WireStorageVolLookupByPathArgs find = { .path = (char *)path };
    g_auto(WireStorageVolLookupByPathRet) found = { 0 };

    if (!HTTP_CALL(req, storage_vol_lookup_by_path, &find, &found, err))
        return false;
    const WireLodgeVolumeDeleteArgs args = { .vol = found.vol };
    return HTTP_CALL_LODGE(req, lodge_volume_delete, &args, NULL, err);
}

static Json *remove_volumes(HttpRequest *req, const GPtrArray *paths)
{
    Json *removed = json_array(), *kept = json_array();

    for (guint i = 0; paths && i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        g_autoptr(Error) err = NULL;
        if (remove_volume(req, path, &err))
            json_array_append_new(removed, json_string(path));
        else
            json_array_append_new(kept,
                                  json_pack("{s:s,s:o}", "path", path, "problem", http_problem(err, NULL)));
    }
    return json_pack("{s:o,s:o}", "removed", removed, "kept", kept);
}

static bool handle_delete(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autoptr(GPtrArray) paths = NULL;
    const bool all = g_strcmp0(http_query(&req->target, "storage"), "all") == 0;
    bool snapshots, nvram, saved;

    if (!vm || !http_query_bool(&req->target, "snapshots", true, &snapshots, err) ||
        !http_query_bool(&req->target, "nvram", true, &nvram, err) ||
        !http_query_bool(&req->target, "managed_save", true, &saved, err))
        return false;
    if (all && vm_is_running(vm)) {
        error_set(err, ERROR_INVALID_STATE, "the disks of '%s' cannot go while it runs", vm_name(vm));
        return error_hint(err, "'lodge destroy %s' stops it at once", vm_name(vm));
    }
    if (all && !(paths = machine_disks(req, vm, err)))
        return false;
    const uint32_t flags =
        (snapshots ? VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA : 0) |
        (nvram ? VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_TPM
               : VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM) |
        (saved ? VIR_DOMAIN_UNDEFINE_MANAGED_SAVE : 0);
    const WireDomainUndefineFlagsArgs args = { .dom = machine_handle(vm), .flags = flags };
    return HTTP_CALL(req, domain_undefine_flags, &args, NULL, err) &&
           http_answer_json(req, 200, remove_volumes(req, paths));
}

/* ---- actions ---- */

static const HttpField action_body[] = {
    { "paused", HTTP_BOOL, .doc = "start: its CPUs wait" },
    { "fresh", HTTP_BOOL, .doc = "start: what was saved is given up" },
    { "mode", HTTP_STRING, .choices = "acpi|agent", .doc = "shutdown, reboot: how the guest is asked" },
    { "graceful", HTTP_BOOL, .doc = "destroy: not by SIGKILL" },
    { "path", HTTP_STRING, .doc = "save: a file; without one the managed save" },
    { 0 },
};

static uint32_t flag_if(const HttpRequest *req, const char *member, uint32_t flag)
{
    return json_get_bool(req->body, member, false) ? flag : 0;
}

/* Calls whose arguments are a machine and flags are one struct under many names. */
AWAITS static bool call_with_flags(HttpRequest *req, const Vm *vm, int32_t number, uint32_t flags,
                                   Error **err)
{
    const WireDomainDestroyFlagsArgs args = { .dom = machine_handle(vm), .flags = flags };

    return http_call(req, WIRE_PROGRAM_REMOTE, number, &args, NULL, NULL, err);
}

static bool act_start(HttpRequest *req, Vm *vm, Error **err)
{
    return machine_start(req, vm,
                         flag_if(req, "paused", VIR_DOMAIN_START_PAUSED) |
                             flag_if(req, "fresh", VIR_DOMAIN_START_FORCE_BOOT),
                         err);
}

static bool act_ask(HttpRequest *req, Vm *vm, int32_t number, Error **err)
{
    const char *mode = json_get_str(req->body, "mode");
    const uint32_t flag = !mode                       ? 0
                          : strcmp(mode, "acpi") == 0 ? (uint32_t)VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
                                                      : (uint32_t)VIR_DOMAIN_SHUTDOWN_GUEST_AGENT;

    return call_with_flags(req, vm, number, flag, err); /* the flags of both calls have the same numbers */
}

/* Files of the host are for administrators. */
static bool check_path(const HttpRequest *req, Error **err)
{
    return !json_get_str(req->body, "path") || req->who.role == HTTP_ROLE_ADMIN ||
           error_set(err, ERROR_ACCESS_DENIED, "only an admin names files of the host");
}

static bool act_save(HttpRequest *req, Vm *vm, Error **err)
{
    const char *path = json_get_str(req->body, "path");
    const WireDomainSaveFlagsArgs args = { .dom = machine_handle(vm), .to = (char *)path };

    return path ? HTTP_CALL(req, domain_save_flags, &args, NULL, err)
                : call_with_flags(req, vm, wire_number_domain_managed_save, 0, err);
}

/* From a file; without one a start goes on from the managed save. */
static bool act_restore(HttpRequest *req, Vm *vm, Error **err)
{
    const char *path = json_get_str(req->body, "path");
    const WireDomainRestoreFlagsArgs args = { .from = (char *)path };

    return path ? HTTP_CALL(req, domain_restore_flags, &args, NULL, err) : machine_start(req, vm, 0, err);
}

AWAITS static bool act(HttpRequest *req, Vm *vm, const char *action, Error **err)
{
    const WireDomainSuspendArgs only = { .dom = machine_handle(vm) };

    if (strcmp(action, "start") == 0)
        return act_start(req, vm, err);
    if (strcmp(action, "shutdown") == 0)
        return act_ask(req, vm, wire_number_domain_shutdown_flags, err);
    if (strcmp(action, "reboot") == 0)
        return act_ask(req, vm, wire_number_domain_reboot, err);
    if (strcmp(action, "reset") == 0)
        return call_with_flags(req, vm, wire_number_domain_reset, 0, err);
    if (strcmp(action, "destroy") == 0)
        return call_with_flags(req, vm, wire_number_domain_destroy_flags,
                               flag_if(req, "graceful", VIR_DOMAIN_DESTROY_GRACEFUL), err);
    if (strcmp(action, "suspend") == 0)
        return HTTP_CALL(req, domain_suspend, &only, NULL, err);
    if (strcmp(action, "resume") == 0)
        return http_call(req, WIRE_PROGRAM_REMOTE, wire_number_domain_resume, &only, NULL, NULL, err);
    if (strcmp(action, "managed-save-remove") == 0)
        return call_with_flags(req, vm, wire_number_domain_managed_save_remove, 0, err);
    error_set(err, ERROR_NO_HOSTNAME, "there is no action '%s' of machines", action);
    return error_hint(err,
                      "actions are start, shutdown, reboot, reset, destroy, suspend, resume, save, restore, "
                      "managed-save-remove");
}

static bool handle_action(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    return vm && act(req, vm, req->params[1], err) && answer_machine(req, vm, 200, err);
}

static bool handle_save(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    return vm && check_path(req, err) && act_save(req, vm, err) && http_answer_none(req);
}

static bool handle_restore(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    return vm && check_path(req, err) && act_restore(req, vm, err) && http_answer_none(req);
}

/* ---- the owner ---- */

static const HttpField owner_body[] = {
    { "owner", HTTP_STRING, .required = true, .nullable = true,
      .doc = "a user, who may operate it from now on; null: nobody" },
    { 0 },
};

static bool handle_owner(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    const char *owner = json_get_str(req->body, "owner");
    g_auto(VmLabels) labels = { 0 };

    if (!vm)
        return false;
    const bool had_some = vm_labels_get(vm, &labels);
    g_free(labels.owner);
    labels.owner = g_strdup(owner && *owner ? owner : NULL);
    g_autofree char *element = vm_labels_format(&labels);
    const WireDomainSetMetadataArgs args = { .dom = machine_handle(vm),
                                             .type = VIR_DOMAIN_METADATA_ELEMENT,
                                             .metadata = element,
                                             .key = (char *)(element ? VM_LABELS_KEY : NULL),
                                             .uri = (char *)VM_LABELS_NAMESPACE,
                                             .flags = affected(req, vm) };
    return (!element && !had_some && http_answer_none(req)) ||
           (HTTP_CALL(req, domain_set_metadata, &args, NULL, err) && http_answer_none(req));
}

/* ---- devices ---- */

static const HttpField device_body[] = {
    { "xml", HTTP_STRING, .required = true, .doc = "the device's element" },
    { "live", HTTP_BOOL },
    { "config", HTTP_BOOL },
    { 0 },
};

/* Attach, update and detach take the same arguments. */
AWAITS static bool change_device(HttpRequest *req, int32_t number, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    if (!vm)
        return false;
    const WireDomainAttachDeviceFlagsArgs args = { .dom = machine_handle(vm),
                                                   .xml = (char *)json_get_str(req->body, "xml"),
                                                   .flags = affected(req, vm) };
    return http_call(req, WIRE_PROGRAM_REMOTE, number, &args, NULL, NULL, err) &&
           answer_machine(req, vm, 200, err);
}

static bool handle_attach(HttpRequest *req, Error **err)
{
    return change_device(req, wire_number_domain_attach_device_flags, err);
}

static bool handle_update(HttpRequest *req, Error **err)
{
    return change_device(req, wire_number_domain_update_device_flags, err);
}

static bool handle_detach(HttpRequest *req, Error **err)
{
    return change_device(req, wire_number_domain_detach_device_flags, err);
}

static const HttpField resize_body[] = {
    { "capacity_bytes", HTTP_UINT, .required = true },
    { 0 },
};

/* What @source is as a volume of a pool. */
AWAITS static bool find_volume(HttpRequest *req, const StorageSource *source, WireStorageVol *ret_vol,
                               Error **err)
{
    g_autofree char *pool_name = g_strdup(source->pool), *path = g_strdup(source->path);
    g_auto(WireStoragePoolLookupByNameRet) pool = { 0 };
    g_auto(WireStorageVolLookupByNameRet) named = { 0 };
    g_auto(WireStorageVolLookupByPathRet) found = { 0 };

    if (!pool_name) {
        const WireStorageVolLookupByPathArgs by_path = { .path = path };
        if (!HTTP_CALL(req, storage_vol_lookup_by_path, &by_path, &found, err))
            return false;
        *ret_vol = found.vol;
        found.vol = (WireStorageVol){ 0 };
        return true;
    }
    const WireStoragePoolLookupByNameArgs pool_args = { .name = pool_name };
    if (!HTTP_CALL(req, storage_pool_lookup_by_name, &pool_args, &pool, err))
        return false;
    const WireStorageVolLookupByNameArgs by_name = { .pool = pool.pool, .name = path };
    if (!HTTP_CALL(req, storage_vol_lookup_by_name, &by_name, &named, err))
        return false;
    *ret_vol = named.vol;
    named.vol = (WireStorageVol){ 0 };
    return true;
}

/* QEMU resizes a disk that it has open; else it is the volume that grows. */
static bool handle_resize(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    const uint64_t bytes = json_get_uint(req->body, "capacity_bytes", 0);
    g_auto(WireStorageVol) vol = { 0 };

    if (!vm)
        return false;
    if (vm_is_running(vm)) {
        const WireDomainBlockResizeArgs args = { .dom = machine_handle(vm),
                                                 .disk = (char *)req->params[1],
                                                 .size = bytes,
                                                 .flags = VIR_DOMAIN_BLOCK_RESIZE_BYTES };
        return HTTP_CALL(req, domain_block_resize, &args, NULL, err) && answer_machine(req, vm, 200, err);
    }
    const DiskDef *disk = domain_find_disk(vm_object(vm)->config, req->params[1]);
    if (!disk || !disk->src.path)
        return error_set(err, ERROR_INVALID_ARGUMENT, "machine '%s' has no disk '%s' with an image",
                         vm_name(vm), req->params[1]);
    if (!find_volume(req, &disk->src, &vol, err))
        return false;
    const WireStorageVolResizeArgs args = { .vol = vol, .capacity = bytes };
    return HTTP_CALL(req, storage_vol_resize, &args, NULL, err) && answer_machine(req, vm, 200, err);
}

/* ---- its command line ---- */

static const HttpField explain_fields[] = {
    { "argument", HTTP_STRING, .required = true },
    { "value", HTTP_STRING, .required = true, .nullable = true },
    { "source", HTTP_STRING, .required = true, .nullable = true,
      .doc = "what of the document it is for, an XPath" },
    { "note", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

static bool handle_explain(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_auto(WireLodgeDomainExplainRet) ret = { 0 };

    if (!vm)
        return false;
    const WireLodgeDomainExplainArgs args = { .domain = (char *)vm_name(vm) };
    if (!HTTP_CALL_LODGE(req, lodge_domain_explain, &args, &ret, err))
        return false;
    Json *items = json_array();
    for (unsigned i = 0; i < ret.n_args; i++) {
        const WireLodgeExplanation *e = &ret.args[i];
        json_array_append_new(items, json_pack("{s:o,s:o,s:o,s:o}", "argument", http_json_text(e->arg),
                                               "value", http_json_text(e->value), "source",
                                               http_json_text(e->source), "note", http_json_text(e->note)));
    }
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

#define ONE HTTP_MACHINE

const HttpRoute http_routes_machine[] = {
    { "GET", "/machines", HTTP_VIEW, .flags = HTTP_LIST | HTTP_MACHINE, .answer = machine_fields,
      .handle = handle_list, .doc = "All machines.", .command = "lodge list --all" },
    { "POST", "/machines", HTTP_ADMIN, .body = create_body, .answer = machine_detail_fields, .status = 201,
      .handle = handle_create, .doc = "Defines a machine.", .command = "lodge define FILE" },
    { "GET", "/machines/{machine}", HTTP_VIEW, .flags = ONE, .answer = machine_detail_fields,
      .handle = handle_get, .doc = "A machine, by name or UUID.", .command = "lodge info MACHINE" },
    { "PATCH", "/machines/{machine}", HTTP_ADMIN, .flags = ONE, .body = patch_body,
      .answer = machine_detail_fields, .handle = handle_patch, .doc = "Changes some of a machine." },
    { "DELETE", "/machines/{machine}", HTTP_ADMIN, .flags = ONE, .query = delete_query,
      .answer = delete_answer, .handle = handle_delete, .doc = "Removes a machine's definition.",
      .command = "lodge undefine MACHINE" },
    { "GET", "/machines/{machine}/xml", HTTP_VIEW, .flags = ONE, .query = xml_query,
      .type = "application/xml", .handle = handle_get_xml, .doc = "The document of a machine.",
      .command = "lodge dumpxml MACHINE" },
    { "PUT", "/machines/{machine}/xml", HTTP_ADMIN, .flags = ONE | HTTP_RAW_BODY, .type = "application/xml",
      .answer = machine_detail_fields, .handle = handle_put_xml,
      .doc = "Replaces the definition of a machine.", .command = "lodge edit MACHINE" },
    { "GET", "/machines/{machine}/command-line", HTTP_OPERATE, .flags = ONE | HTTP_LIST,
      .answer = explain_fields, .handle = handle_explain,
      .doc = "The command line of QEMU, and what each argument is for.", .command = "lodge explain MACHINE" },
    { "POST", "/machines/{machine}/actions/save", HTTP_OPERATE, .flags = ONE | HTTP_LONG, .body = action_body,
      .status = 204, .handle = handle_save, .doc = "Writes a running machine to a file and ends it.",
      .command = "lodge managedsave MACHINE" },
    { "POST", "/machines/{machine}/actions/restore", HTTP_OPERATE, .flags = ONE | HTTP_LONG,
      .body = action_body, .status = 204, .handle = handle_restore, .doc = "Goes on from what was saved.",
      .command = "lodge start MACHINE" },
    { "POST", "/machines/{machine}/actions/{action}", HTTP_OPERATE, .flags = ONE, .body = action_body,
      .answer = machine_detail_fields, .handle = handle_action,
      .doc = "Starts, stops, pauses a machine: start, shutdown, reboot, reset, destroy, suspend, resume, "
             "managed-save-remove.",
      .command = "lodge start MACHINE" },
    { "PUT", "/machines/{machine}/owner", HTTP_ADMIN, .flags = ONE, .body = owner_body, .status = 204,
      .handle = handle_owner,
      .doc = "Says whose machine it is: an owner operates it without being an operator.",
      .command = "lodge metadata MACHINE urn:lodge:access:1 access \"<access owner='NAME'/>\"" },
    { "POST", "/machines/{machine}/devices", HTTP_ADMIN, .flags = ONE, .body = device_body,
      .answer = machine_detail_fields, .handle = handle_attach, .doc = "Attaches a device.",
      .command = "lodge attach-device MACHINE FILE" },
    { "PUT", "/machines/{machine}/devices", HTTP_ADMIN, .flags = ONE, .body = device_body,
      .answer = machine_detail_fields, .handle = handle_update, .doc = "Changes a device.",
      .command = "lodge update-device MACHINE FILE" },
    { "DELETE", "/machines/{machine}/devices", HTTP_ADMIN, .flags = ONE, .body = device_body,
      .answer = machine_detail_fields, .handle = handle_detach, .doc = "Detaches a device.",
      .command = "lodge detach-device MACHINE FILE" },
    { "POST", "/machines/{machine}/disks/{disk}/resize", HTTP_ADMIN, .flags = ONE, .body = resize_body,
      .answer = machine_detail_fields, .handle = handle_resize, .doc = "Makes a disk larger.",
      .command = "lodge blockresize MACHINE DISK SIZE" },
    { 0 },
};
