/* A machine like another one that is off: the same document under another name, and copies of its disks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include <string.h>

#include "base/log.h"
#include "conf/domain_xml.h"
#include "core/object_class.h"
#include "http/machine_json.h"
#include "http/object_call.h"
#include "http/route.h"
#include "storage/volume.h"

/* What was made, to be taken back on failure. */
typedef struct Made {
    GPtrArray *volumes; /* of Volume, references */
} Made;

static void volume_unref_cb(gpointer volume)
{
    volume_unref(volume);
}

static WireStorageVol volume_handle(const Volume *volume)
{
    return (WireStorageVol){ .pool = (char *)volume_pool_name(volume),
                             .name = (char *)volume_name(volume),
                             .key = (char *)volume_key(volume) };
}

/* "NAME-vda.qcow2": named by the machine, with the ending that the original has. Owned. */
static char *copy_name(const char *machine, const DiskDef *disk, const Volume *original)
{
    const char *dot = strrchr(volume_name(original), '.');
    g_autofree char *file = g_path_get_basename(dot ? dot : "");

    return g_strdup_printf("%s-%s%s", machine, disk->target, dot ? file : "");
}

/* The copy of @disk's volume; a reference. */
AWAITS static Volume *copy_volume(HttpRequest *req, const char *machine, const DiskDef *disk, Error **err)
{
    g_autoptr(Volume) original = volume_find_by_path(req->host, disk->src.path, err);
    g_autoptr(Object) pool = original ? volume_pool(original) : NULL;
    g_auto(WireStorageVolCreateXmlFromRet) ret = { 0 };

    if (!pool) {
        if (original)
            error_set(err, ERROR_NO_STORAGE_VOL, "volume '%s' is gone", disk->src.path);
        error_prefix(err, "disk '%s'", disk->target);
        error_hint(err, "disks outside of storage pools are cloned by 'lodge clone'");
        return NULL;
    }
    const VolumeFacts facts = volume_facts(original);
    g_autofree char *name = copy_name(machine, disk, original);
    g_autofree char *xml =
        g_markup_printf_escaped("<volume><name>%s</name><capacity>%" G_GUINT64_FORMAT
                                "</capacity><target><format type='%s'/></target></volume>",
                                name, facts.capacity_bytes, *facts.format ? facts.format : "raw");
    const WireStorageVolCreateXmlFromArgs args = { .pool = object_handle(pool),
                                                   .xml = xml,
                                                   .clonevol = volume_handle(original) };
    if (!HTTP_CALL(req, storage_vol_create_xml_from, &args, &ret, err))
        return NULL;
    return volume_find_by_name(pool, ret.vol.name, err);
}

static bool disk_is_copied(const DiskDef *disk)
{
    return disk->device == DISK_DEVICE_DISK && !disk->readonly && !disk->shareable;
}

/* All or nothing of what the machine writes to. */
AWAITS static bool copy_disks(HttpRequest *req, DomainDef *def, Made *made, Error **err)
{
    for (guint i = 0; def->disks && i < def->disks->len; i++) {
        DiskDef *disk = g_ptr_array_index(def->disks, i);
        if (!disk_is_copied(disk) || !disk->src.path)
            continue;
        if (disk->src.type != STORAGE_FILE && disk->src.type != STORAGE_BLOCK) {
            error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk '%s' is no file and no block device of this host",
                      disk->target);
            return error_hint(err, "'lodge clone' knows disks of other kinds");
        }
        Volume *copy = copy_volume(req, def->name, disk, err);
        if (!copy)
            return false;
        g_ptr_array_add(made->volumes, copy);
        g_free(disk->src.path);
        disk->src.path = g_strdup(volume_path(copy));
    }
    return true;
}

/* What no two machines may have in common. */
static void make_different(DomainDef *def, const char *name)
{
    g_free(def->name);
    def->name = g_strdup(name);
    uuid_generate(&def->uuid);
    def->genid = (Uuid){ 0 }; /* to be generated, if it has one */
    for (guint i = 0; def->interfaces && i < def->interfaces->len; i++) {
        InterfaceDef *interface = g_ptr_array_index(def->interfaces, i);
        interface->has_mac = false;
        g_clear_pointer(&interface->target, g_free);
    }
    if (def->os.nvram)
        g_clear_pointer(&def->os.nvram->path, g_free); /* a fresh one is made at the start */
}

AWAITS static void take_back(HttpRequest *req, const Made *made)
{
    fiber_shield_begin();
    for (guint i = 0; i < made->volumes->len; i++) {
        const WireStorageVolDeleteArgs args = { .vol = volume_handle(g_ptr_array_index(made->volumes, i)) };
        g_autoptr(Error) err = NULL;
        if (!HTTP_CALL(req, storage_vol_delete, &args, NULL, &err))
            log_warning_error(err, "a disk of a clone that failed");
    }
    fiber_shield_end();
}

AWAITS static bool define_clone(HttpRequest *req, DomainDef *def, Error **err)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    g_auto(WireDomainDefineXmlFlagsRet) ret = { 0 };

    domain_def_format(def, DOMAIN_FORMAT_SECURE | DOMAIN_FORMAT_INACTIVE, xml);
    const WireDomainDefineXmlFlagsArgs args = { .xml = xml->str };
    return HTTP_CALL(req, domain_define_xml_flags, &args, &ret, err);
}

static const HttpField clone_body[] = {
    { "name", HTTP_STRING, .required = true },
    { "linked", HTTP_BOOL, .doc = "true is refused: 'lodge clone --linked' does that" },
    { 0 },
};

/* It may have been started while its disks were copied. */
static bool check_still_off(const Vm *vm, Error **err)
{
    if (!vm_is_running(vm))
        return true;
    error_set(err, ERROR_INVALID_STATE, "machine '%s' runs: its disks change while they are copied",
              vm_name(vm));
    return error_hint(err, "'lodge shutdown %s' asks it to power off", vm_name(vm));
}

AWAITS static bool check_clone(HttpRequest *req, const Vm *vm, const char *name, Error **err)
{
    g_autoptr(Vm) there = vm_find_by_name(req->host, name, NULL);

    if (there)
        return error_set(err, ERROR_OPERATION_FAILED, "domain '%s' is there already", name);
    if (json_get_bool(req->body, "linked", false)) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "a clone that stands on the disks of '%s' is not made here",
                  vm_name(vm));
        return error_hint(err, "'lodge clone %s --linked' makes one", vm_name(vm));
    }
    return check_still_off(vm, err);
}

static bool handle_clone(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    const char *name = json_get_str(req->body, "name");

    if (!vm || !check_clone(req, vm, name, err))
        return false;
    const DomainDef *config = vm_object(vm)->config;
    if (!config)
        return error_set(err, ERROR_NO_DOMAIN, "machine '%s' is gone", vm_name(vm));
    g_autoptr(DomainDef) def = domain_def_copy(config);
    g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(volume_unref_cb);
    Made made = { volumes };
    make_different(def, name);
    if (!copy_disks(req, def, &made, err) || !check_still_off(vm, err) || !define_clone(req, def, err)) {
        take_back(req, &made);
        return false;
    }
    g_autoptr(Vm) clone = vm_find_by_name(req->host, name, err);
    Json *json = clone ? machine_json_detail(req->hub, clone, err) : NULL;
    return json && http_answer_json(req, 201, json);
}

const HttpRoute http_routes_clone[] = {
    { "POST", "/machines/{machine}/clone", HTTP_ADMIN, .flags = HTTP_LONG, .body = clone_body,
      .answer = machine_detail_fields, .status = 201, .handle = handle_clone,
      .doc = "Makes a machine like one that is off, with copies of its disks.",
      .command = "lodge clone MACHINE --name NAME" },
    { 0 },
};
