/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/machine_json.h"

#include <string.h>

#include "conf/domain_def.h"
#include "core/object_class.h"
#include "http/answer.h"
#include "http/stats.h"
#include "machine/vm_define.h"
#include "machine/vm_info.h"
#include "machine/vm_labels.h"
#include "machine/vm_snapshot.h"
#include "wire/wire_enums.h"

#define STATES "running|paused|shutting-down|shutoff|crashed|pmsuspended|unknown"

#define MACHINE_FIELDS                                                                                       \
    { "uuid", HTTP_STRING, .required = true }, { "name", HTTP_STRING, .required = true },                    \
        { "id", HTTP_INT, .required = true, .nullable = true, .doc = "a number while it runs" },             \
        { "state", HTTP_STRING, .required = true, .choices = STATES },                                       \
        { "reason", HTTP_INT, .required = true, .doc = "virDomain...Reason of the state" },                  \
        { "vcpus", HTTP_UINT, .required = true }, { "memory_bytes", HTTP_UINT, .required = true },           \
        { "memory_used_bytes", HTTP_UINT, .required = true, .nullable = true,                                \
          .doc = "total minus available, as the guest's balloon driver tells" },                             \
        { "cpu_percent", HTTP_NUMBER, .required = true, .nullable = true, .doc = "of all its CPUs" },        \
        { "autostart", HTTP_BOOL, .required = true }, { "persistent", HTTP_BOOL, .required = true },         \
        { "has_managed_save", HTTP_BOOL, .required = true },                                                 \
        { "title", HTTP_STRING, .required = true, .nullable = true },                                        \
        { "description", HTTP_STRING, .required = true, .nullable = true },                                  \
        { "tags", HTTP_STRINGS, .required = true },                                                          \
        { "owner", HTTP_STRING, .required = true, .nullable = true },                                        \
    {                                                                                                        \
        "addresses", HTTP_STRINGS, .required = true                                                          \
    }

static const HttpField disk_fields[] = {
    { "target", HTTP_STRING, .required = true },
    { "bus", HTTP_STRING, .required = true },
    { "device", HTTP_STRING, .required = true },
    { "source", HTTP_STRING, .required = true, .nullable = true },
    { "format", HTTP_STRING, .required = true, .nullable = true },
    { "capacity_bytes", HTTP_UINT, .required = true, .nullable = true },
    { "allocation_bytes", HTTP_UINT, .required = true, .nullable = true },
    { "readonly", HTTP_BOOL, .required = true },
    { 0 },
};
static const HttpField interface_fields[] = {
    { "mac", HTTP_STRING, .required = true, .nullable = true },
    { "type", HTTP_STRING, .required = true },
    { "source", HTTP_STRING, .required = true, .nullable = true },
    { "model", HTTP_STRING, .required = true, .nullable = true },
    { "target", HTTP_STRING, .required = true, .nullable = true },
    { "link", HTTP_STRING, .required = true, .choices = "up|down" },
    { "addresses", HTTP_STRINGS, .required = true },
    { 0 },
};
static const HttpField display_fields[] = {
    { "type", HTTP_STRING, .required = true },
    { "listen", HTTP_STRING, .required = true, .nullable = true },
    { "port", HTTP_INT, .required = true, .nullable = true },
    { "tls_port", HTTP_INT, .required = true, .nullable = true },
    { "socket", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};
static const HttpField serial_fields[] = {
    { "type", HTTP_STRING, .required = true },
    { "alias", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

const HttpField machine_fields[] = { MACHINE_FIELDS, { 0 } };
const HttpField machine_detail_fields[] = {
    MACHINE_FIELDS,
    { "disks", HTTP_OBJECTS, .required = true, .fields = disk_fields },
    { "interfaces", HTTP_OBJECTS, .required = true, .fields = interface_fields },
    { "displays", HTTP_OBJECTS, .required = true, .fields = display_fields },
    { "serials", HTTP_OBJECTS, .required = true, .fields = serial_fields },
    { "snapshots", HTTP_UINT, .required = true },
    { "pending", HTTP_BOOL, .required = true, .doc = "the next start is of a newer definition" },
    { 0 },
};

static const DomainDef *machine_def(const Vm *vm)
{
    const Object *object = vm_object(vm);

    return object->live ? object->live : object->config;
}

const char *machine_state_name(const Vm *vm)
{
    static const char *const names[VM_STATE_COUNT] = { "unknown",       "running", "running", "paused",
                                                       "shutting-down", "shutoff", "crashed", "pmsuspended" };

    return names[MIN(vm_state(vm, NULL), VM_STATE_PMSUSPENDED)];
}

static Json *json_or_null(Json *value)
{
    return value ? value : json_null();
}

/* "a, b" of <lodge:tags> or <tags> in the metadata: what `lodge` and the page write. */
static Json *machine_tags(const DomainDef *def)
{
    Json *tags = json_array();
    const char *begin = def && def->metadata ? strstr(def->metadata, "tags") : NULL;
    const char *text = begin ? strchr(begin, '>') : NULL, *end = text ? strchr(text, '<') : NULL;

    if (!end)
        return tags;
    g_autofree char *all = g_strndup(text + 1, (gsize)(end - text - 1));
    g_auto(GStrv) words = g_strsplit_set(all, ", \n", 64);
    for (char **word = words; *word; word++) {
        if (**word)
            json_array_append_new(tags, json_string(*word));
    }
    return tags;
}

Json *machine_json(HttpHub *hub, Vm *vm)
{
    const DomainDef *def = machine_def(vm);
    char uuid[UUID_STRING_LEN];
    VmInfo info = { 0 };
    HttpSample sample = { 0 };
    int reason = 0;
    const bool runs = vm_is_running(vm);
    const bool measured = runs && http_stats_last(hub, vm_uuid(vm), &sample);
    g_auto(VmLabels) labels = { 0 };

    uuid_format(vm_uuid(vm), uuid);
    (void)vm_state(vm, &reason);
    if (!vm_get_info(vm, &info, NULL))
        info = (VmInfo){ 0 };
    (void)vm_labels_get(vm, &labels);
    return json_pack("{s:s,s:s,s:o,s:s,s:i,s:i,s:I,s:o,s:o,s:b,s:b,s:b,s:o,s:o,s:o,s:o,s:o}", "uuid", uuid,
                     "name", vm_name(vm), "id", runs ? json_integer(vm_id(vm)) : json_null(), "state",
                     machine_state_name(vm), "reason", reason, "vcpus", (int)info.n_vcpus, "memory_bytes",
                     (json_int_t)info.max_memory_bytes, "memory_used_bytes",
                     measured && sample.has_memory ? json_integer((json_int_t)sample.memory_used_bytes)
                                                   : json_null(),
                     "cpu_percent", measured && sample.has_cpu ? json_real(sample.cpu_percent) : json_null(),
                     "autostart", (int)object_has_autostart(vm_object(vm)), "persistent",
                     (int)vm_is_persistent(vm), "has_managed_save", (int)vm_has_managed_save(vm), "title",
                     json_or_null(http_json_text(def ? def->title : NULL)), "description",
                     json_or_null(http_json_text(def ? def->description : NULL)), "tags", machine_tags(def),
                     "owner", json_or_null(http_json_text(labels.owner)), "addresses",
                     http_stats_addresses(hub, vm_uuid(vm)));
}

/* ---- details ---- */

/* What a disk's source is, in one text; owned; NULL: nothing is in it. */
static char *source_text(const StorageSource *source)
{
    if (source->pool)
        return g_strdup_printf("%s/%s", source->pool, source->path ? source->path : "");
    return g_strdup(source->path);
}

static Json *disk_json(Vm *vm, const DiskDef *disk)
{
    g_autofree char *source = source_text(&disk->src);
    Json *json =
        json_pack("{s:s,s:s,s:s,s:o,s:o,s:n,s:n,s:b}", "target", disk->target ? disk->target : "", "bus",
                  enum_name(&disk_bus_names, disk->bus), "device",
                  enum_name(&disk_device_names, disk->device), "source", http_json_text(source), "format",
                  disk->src.format ? json_string(enum_name(&storage_format_names, disk->src.format))
                                   : json_null(),
                  "capacity_bytes", "allocation_bytes", "readonly", (int)disk->readonly);

    return json;
}

/* May wait for storage: the names were copied before. */
static void add_disk_sizes(Vm *vm, Json *disks)
{
    Json *json;
    size_t i;

    json_array_foreach (disks, i, json) {
        BlockInfo info = { 0 };
        if (json_is_null(json_object_get(json, "source")) ||
            !vm_get_block_info(vm, json_get_str(json, "target"), &info, NULL))
            continue;
        json_object_set_new(json, "capacity_bytes", json_integer((json_int_t)info.capacity));
        json_object_set_new(json, "allocation_bytes", json_integer((json_int_t)info.allocation));
    }
}

static Json *interface_json(const InterfaceDef *interface)
{
    char mac[MAC_STRING_LEN];

    mac_format(&interface->mac, mac);
    return json_pack("{s:o,s:s,s:o,s:o,s:o,s:s,s:[]}", "mac",
                     interface->has_mac ? json_string(mac) : json_null(), "type",
                     enum_name(&interface_type_names, interface->type), "source",
                     http_json_text(interface->source), "model", http_json_text(interface->model), "target",
                     http_json_text(interface->target), "link",
                     interface->link == LINK_STATE_DOWN ? "down" : "up", "addresses");
}

static Json *json_of_mac(Json *interfaces, const char *mac)
{
    Json *json;
    size_t i;

    json_array_foreach (interfaces, i, json) {
        if (g_strcmp0(json_get_str(json, "mac"), mac) == 0)
            return json;
    }
    return NULL;
}

static void add_addresses(Vm *vm, Json *machine)
{
    GPtrArray *found = NULL;
    Json *all = json_get_arr(machine, "addresses");

    if (!vm_is_running(vm) || !vm_get_addresses(vm, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, 0,
                                                "virDomainInterfaceAddresses", &found, NULL))
        return;
    json_array_clear(all);
    for (guint i = 0; i < found->len; i++) {
        const VmInterfaceAddresses *interface = g_ptr_array_index(found, i);
        Json *json = json_of_mac(json_get_arr(machine, "interfaces"), interface->mac);
        for (guint k = 0; k < interface->addresses->len; k++) {
            const VmAddress *address = g_ptr_array_index(interface->addresses, k);
            json_array_append_new(all, json_string(address->ip));
            if (json)
                json_array_append_new(json_get_arr(json, "addresses"), json_string(address->ip));
        }
    }
    g_ptr_array_unref(found);
}

static Json *display_json(const GraphicsDef *graphics)
{
    const ListenDef *listen =
        graphics->listens && graphics->listens->len ? g_ptr_array_index(graphics->listens, 0) : NULL;

    return json_pack("{s:s,s:o,s:o,s:o,s:o}", "type", enum_name(&graphics_type_names, graphics->type),
                     "listen", http_json_text(listen ? listen->address : NULL), "port",
                     graphics->port > 0 ? json_integer(graphics->port) : json_null(), "tls_port",
                     graphics->tls_port > 0 ? json_integer(graphics->tls_port) : json_null(), "socket",
                     http_json_text(listen ? listen->socket : NULL));
}

static void add_serials(const DomainDef *def, Json *list)
{
    const GPtrArray *devices = def->serials && def->serials->len ? def->serials : def->consoles;

    for (guint i = 0; devices && i < devices->len; i++) {
        const CharDef *device = g_ptr_array_index(devices, i);
        json_array_append_new(list,
                              json_pack("{s:s,s:o}", "type", devices == def->serials ? "serial" : "console",
                                        "alias", http_json_text(device->info.alias)));
    }
}

static void add_devices(Vm *vm, const DomainDef *def, Json *machine)
{
    Json *disks = json_array(), *interfaces = json_array(), *displays = json_array(), *serials = json_array();

    for (guint i = 0; def->disks && i < def->disks->len; i++)
        json_array_append_new(disks, disk_json(vm, g_ptr_array_index(def->disks, i)));
    for (guint i = 0; def->interfaces && i < def->interfaces->len; i++)
        json_array_append_new(interfaces, interface_json(g_ptr_array_index(def->interfaces, i)));
    for (guint i = 0; def->graphics && i < def->graphics->len; i++)
        json_array_append_new(displays, display_json(g_ptr_array_index(def->graphics, i)));
    add_serials(def, serials);
    json_object_set_new(machine, "disks", disks);
    json_object_set_new(machine, "interfaces", interfaces);
    json_object_set_new(machine, "displays", displays);
    json_object_set_new(machine, "serials", serials);
}

Json *machine_json_detail(HttpHub *hub, Vm *vm, Error **err)
{
    const DomainDef *def = machine_def(vm);
    g_autoptr(GPtrArray) snapshots = NULL;

    if (!def) {
        error_set(err, ERROR_NO_DOMAIN, "machine '%s' is gone", vm_name(vm));
        return NULL;
    }
    if (!vm_snapshot_list(vm, NULL, 0, "virDomainListAllSnapshots", &snapshots, err))
        return NULL;
    Json *machine = machine_json(hub, vm);
    add_devices(vm, def, machine);
    json_object_set_new(machine, "snapshots", json_integer(snapshots->len));
    json_object_set_new(machine, "pending", json_boolean(vm_is_updated(vm)));
    /* From here on the definition may be another one. */
    add_addresses(vm, machine);
    add_disk_sizes(vm, json_get_arr(machine, "disks"));
    return machine;
}

Vm *machine_find(Host *host, const char *text, Error **err)
{
    Uuid uuid;
    Vm *vm = strlen(text) == UUID_STRING_LEN - 1 && uuid_parse(text, &uuid, NULL)
                 ? vm_find_by_uuid(host, &uuid, NULL, NULL)
                 : NULL;

    return vm ? vm : vm_find_by_name(host, text, err);
}

Vm *machine_of(HttpRequest *req, Error **err)
{
    const char *text = req->params[0];
    Vm *vm = machine_find(req->host, text, err);

    if (vm && !http_may_see(req, vm_uuid(vm))) {
        g_clear_pointer(&vm, vm_unref);
        error_set(err, ERROR_NO_DOMAIN, "no domain with matching name '%s'", text);
    }
    if (vm && !req->object)
        req->object = g_strdup(vm_name(vm));
    return vm;
}

WireDomain machine_handle(const Vm *vm)
{
    return (WireDomain){ .name = (char *)vm_name(vm), .uuid = *vm_uuid(vm), .id = vm_id(vm) };
}
