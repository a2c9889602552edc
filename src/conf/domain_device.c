/* Devices whatever their kind. The table says for each kind where DomainDef keeps it and where it keeps its
 * DeviceInfo; everything else here is loops over it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_device.h"

#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"

typedef struct DeviceKindSpec {
    const char *element;
    const XmlTable *table;
    size_t field; /* in DomainDef: GPtrArray *, or a pointer if single */
    bool single;
    int info; /* offset of the DeviceInfo; -1: none */
} DeviceKindSpec;

#define MANY(element, table, list, Type)                                                                     \
    {                                                                                                        \
        element, &table, offsetof(DomainDef, list), false, offsetof(Type, info)                              \
    }
#define ONE(element, table, member, Type)                                                                    \
    {                                                                                                        \
        element, &table, offsetof(DomainDef, member), true, offsetof(Type, info)                             \
    }
#define BARE(element, table, list)                                                                           \
    {                                                                                                        \
        element, &table, offsetof(DomainDef, list), false, -1                                                \
    }

static const DeviceKindSpec kinds[DEVICE_KIND_COUNT] = {
    [DEVICE_DISK] = MANY("disk", disk_table, disks, DiskDef),
    [DEVICE_CONTROLLER] = MANY("controller", controller_table, controllers, ControllerDef),
    [DEVICE_LEASE] = BARE("lease", lease_table, leases),
    [DEVICE_FILESYSTEM] = MANY("filesystem", filesystem_table, filesystems, FilesystemDef),
    [DEVICE_INTERFACE] = MANY("interface", interface_table, interfaces, InterfaceDef),
    [DEVICE_SMARTCARD] = MANY("smartcard", smartcard_table, smartcards, SmartcardDef),
    [DEVICE_SERIAL] = MANY("serial", serial_table, serials, CharDef),
    [DEVICE_PARALLEL] = MANY("parallel", parallel_table, parallels, CharDef),
    [DEVICE_CONSOLE] = MANY("console", console_table, consoles, CharDef),
    [DEVICE_CHANNEL] = MANY("channel", channel_table, channels, CharDef),
    [DEVICE_INPUT] = MANY("input", input_table, inputs, InputDef),
    [DEVICE_TPM] = MANY("tpm", tpm_table, tpms, TpmDef),
    [DEVICE_GRAPHICS] = BARE("graphics", graphics_table, graphics),
    [DEVICE_SOUND] = MANY("sound", sound_table, sounds, SoundDef),
    [DEVICE_AUDIO] = BARE("audio", audio_table, audios),
    [DEVICE_VIDEO] = MANY("video", video_table, videos, VideoDef),
    [DEVICE_HOSTDEV] = MANY("hostdev", hostdev_table, hostdevs, HostdevDef),
    [DEVICE_REDIRDEV] = MANY("redirdev", redirdev_table, redirdevs, RedirdevDef),
    [DEVICE_HUB] = MANY("hub", hub_table, hubs, HubDef),
    [DEVICE_WATCHDOG] = MANY("watchdog", watchdog_table, watchdogs, WatchdogDef),
    [DEVICE_MEMBALLOON] = ONE("memballoon", memballoon_table, memballoon, MemballoonDef),
    [DEVICE_RNG] = MANY("rng", rng_table, rngs, RngDef),
    [DEVICE_NVRAM] = ONE("nvram", nvram_device_table, nvram_device, NvramDeviceDef),
    [DEVICE_PANIC] = MANY("panic", panic_table, panics, PanicDef),
    [DEVICE_SHMEM] = MANY("shmem", shmem_table, shmems, ShmemDef),
    [DEVICE_MEMORY] = MANY("memory", memory_device_table, memory_devices, MemoryDeviceDef),
    [DEVICE_IOMMU] = ONE("iommu", iommu_table, iommu, IommuDef),
    [DEVICE_CRYPTO] = MANY("crypto", crypto_table, cryptos, CryptoDef),
    [DEVICE_PSTORE] = ONE("pstore", pstore_table, pstore, PstoreDef),
    [DEVICE_VSOCK] = ONE("vsock", vsock_table, vsock, VsockDef),
};

static const char *const kind_names[DEVICE_KIND_COUNT] = {
    "disk",    "controller", "lease", "filesystem", "interface",  "smartcard", "serial", "parallel",
    "console", "channel",    "input", "tpm",        "graphics",   "sound",     "audio",  "video",
    "hostdev", "redirdev",   "hub",   "watchdog",   "memballoon", "rng",       "nvram",  "panic",
    "shmem",   "memory",     "iommu", "vsock",      "crypto",     "pstore",
};
const EnumNames device_kind_names = { "device", DEVICE_KIND_COUNT, kind_names };

const XmlTable *device_table(DeviceKind kind)
{
    return kinds[kind].table;
}

DeviceInfo *device_info(DeviceKind kind, void *def)
{
    return kinds[kind].info < 0 ? NULL : (DeviceInfo *)((char *)def + kinds[kind].info);
}

CharSource *device_char_source(DeviceKind kind, void *def)
{
    switch (kind) {
    case DEVICE_CONSOLE: {
        CharDef *console = def;
        return console->target_type == CHAR_TARGET_SERIAL || console->target_type == CHAR_TARGET_ABSENT
                   ? NULL
                   : &console->source;
    }
    case DEVICE_SERIAL:
    case DEVICE_PARALLEL:
    case DEVICE_CHANNEL:
        return &((CharDef *)def)->source;
    case DEVICE_SMARTCARD: {
        SmartcardDef *card = def;
        return card->mode == SMARTCARD_HOST || card->mode == SMARTCARD_HOST_CERTIFICATES ? NULL
                                                                                         : &card->source;
    }
    case DEVICE_REDIRDEV:
        return &((RedirdevDef *)def)->source;
    case DEVICE_RNG:
        return ((RngDef *)def)->source;
    case DEVICE_INTERFACE:
        return ((InterfaceDef *)def)->vhost_user;
    default:
        return NULL;
    }
}

static void *kind_field(const DomainDef *def, DeviceKind kind)
{
    return (char *)def + kinds[kind].field;
}

/* ---- one device by itself ---- */

void device_def_free(DeviceDef *device)
{
    if (!device)
        return;
    xml_table_free(kinds[device->kind].table, device->def);
    g_free(device);
}

DeviceDef *device_def_copy(const DeviceDef *device)
{
    DeviceDef *copy = g_new0(DeviceDef, 1);
    copy->kind = device->kind;
    copy->def = xml_table_copy(kinds[device->kind].table, device->def);
    return copy;
}

void device_def_format(DeviceKind kind, const void *def, DomainFormatFlags flags, unsigned indent,
                       GString *out)
{
    xml_table_write(kinds[kind].table, kinds[kind].element, def, flags, indent, out);
}

bool device_def_parse(const char *xml, size_t len, DomainParseFlags flags, const DomainDef *for_def,
                      DeviceDef **ret_device, Error **err)
{
    static const char source[] = "(device_definition)";
    g_autoptr(xmlDoc) doc = NULL;
    if (!xml_document_read(xml, len, source, &doc, err))
        return false;
    const xmlNode *element = xmlDocGetRootElement(doc);
    uint8_t kind = 0;
    if (!enum_from_name(&device_kind_names, (const char *)element->name, &kind))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown device type '%s'",
                         (const char *)element->name);
    XmlReader reader = {
        .flags = (flags & DOMAIN_PARSE_INACTIVE ? XML_READ_INACTIVE : 0) |
                 (flags & DOMAIN_PARSE_VALIDATE ? XML_READ_STRICT : 0),
        .source = source,
    };
    g_autoptr(DeviceDef) device = g_new0(DeviceDef, 1);
    device->kind = kind;
    if (!xml_table_read(kinds[kind].table, &reader, element, &device->def, err))
        return false;
    if (!(flags & DOMAIN_PARSE_SKIP_DEFAULTS) &&
        (!device_fill_defaults(kind, device->def, for_def, err) ||
         (kind == DEVICE_DISK && !disk_fill_address(device->def, err))))
        return false;
    *ret_device = g_steal_pointer(&device);
    return true;
}

/* ---- the devices of a domain ---- */

bool domain_each_device(DomainDef *def,
                        bool (*func)(void *arg, DeviceKind kind, void *device, DeviceInfo *info), void *arg)
{
    for (DeviceKind kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
        void *field = kind_field(def, kind);
        if (kinds[kind].single) {
            void *device = *(void **)field;
            if (device && !func(arg, kind, device, device_info(kind, device)))
                return false;
            continue;
        }
        const GPtrArray *list = *(GPtrArray **)field;
        for (unsigned i = 0; i < def_list_len(list); i++) {
            void *device = g_ptr_array_index(list, i);
            if (!func(arg, kind, device, device_info(kind, device)))
                return false;
        }
    }
    return true;
}

GPtrArray *domain_device_list(const DomainDef *def, DeviceKind kind)
{
    return kinds[kind].single ? NULL : *(GPtrArray **)kind_field(def, kind);
}

void domain_append_device(DomainDef *def, DeviceKind kind, void *device)
{
    if (kinds[kind].single) {
        void **field = kind_field(def, kind);
        g_assert(!*field);
        *field = device;
        return;
    }
    GPtrArray **list = kind_field(def, kind);
    if (!*list)
        *list = xml_list_new(kinds[kind].table);
    g_ptr_array_add(*list, device);
}

static void add_memory(DomainDef *def, uint64_t bytes)
{
    def->memory_bytes += bytes;
    def->current_memory_bytes += bytes;
}

bool domain_add_device(DomainDef *def, DeviceDef *device, Error **err)
{
    g_autoptr(DeviceDef) owned = device;
    DeviceKind kind = owned->kind;
    if (kinds[kind].single && *(void **)kind_field(def, kind))
        return error_set(err, ERROR_OPERATION_FAILED, "the machine has a %s already, and can have only one",
                         kinds[kind].element);
    if (kind == DEVICE_MEMORY) /* is part of the whole */
        add_memory(def, ((MemoryDeviceDef *)owned->def)->size_bytes);
    domain_append_device(def, kind, g_steal_pointer(&owned->def));
    if (kind == DEVICE_DISK)
        domain_sort_disks(def);
    else if (kind == DEVICE_CONTROLLER)
        domain_sort_controllers(def);
    return true;
}

bool domain_steal_device(DomainDef *def, DeviceKind kind, const void *device)
{
    if (kinds[kind].single) {
        void **field = kind_field(def, kind);
        bool found = *field == device;
        if (found)
            *field = NULL;
        return found;
    }
    GPtrArray **list = kind_field(def, kind);
    unsigned index;
    if (!*list || !g_ptr_array_find(*list, device, &index))
        return false;
    if (kind == DEVICE_MEMORY) {
        const uint64_t bytes = ((const MemoryDeviceDef *)device)->size_bytes;
        def->memory_bytes -= MIN(def->memory_bytes, bytes);
        def->current_memory_bytes =
            MIN(def->current_memory_bytes - MIN(def->current_memory_bytes, bytes), def->memory_bytes);
    }
    g_ptr_array_remove_index(*list, index);
    if ((*list)->len == 0)
        g_clear_pointer(list, g_ptr_array_unref);
    return true;
}

/* ---- look-ups ---- */

bool storage_is_empty(const StorageSource *source)
{
    return !source->path && def_list_len(source->hosts) == 0 && !source->pool &&
           source->type != STORAGE_NVME && source->type != STORAGE_VHOST_USER;
}

const StorageSource *disk_next_source(const DiskDef *disk, const StorageSource *source)
{
    if (!source)
        return &disk->src;
    if (source->backing || !disk->mirror)
        return source->backing;
    for (const StorageSource *mirror = &disk->mirror->src; mirror; mirror = mirror->backing) {
        if (mirror == source)
            return NULL;
    }
    return &disk->mirror->src;
}

bool storage_is_local(const StorageSource *source)
{
    return source->path && !source->fd_group &&
           (source->type == STORAGE_FILE || source->type == STORAGE_BLOCK ||
            source->type == STORAGE_TYPE_ABSENT);
}

const StorageAuth *disk_auth(const DiskDef *disk, const StorageSource *source)
{
    return source == &disk->src && disk->auth ? disk->auth : source->auth;
}

const VolumeEncryption *disk_encryption(const DiskDef *disk, const StorageSource *source)
{
    return source == &disk->src && disk->encryption ? disk->encryption : source->encryption;
}

DiskDef *domain_find_disk(const DomainDef *def, const char *target_or_path)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (g_strcmp0(disk->target, target_or_path) == 0)
            return disk;
    }
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->src.path && strcmp(disk->src.path, target_or_path) == 0)
            return disk;
    }
    return NULL;
}

ControllerDef *domain_find_controller(const DomainDef *def, ControllerType type, uint32_t index)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == type && controller->index.is_set && controller->index.value == index)
            return controller;
    }
    return NULL;
}

InterfaceDef *domain_find_interface(const DomainDef *def, const char *target_or_mac)
{
    Mac mac;
    bool is_mac = mac_parse(target_or_mac, &mac, NULL);
    for (DEF_EACH(InterfaceDef, interface, def->interfaces)) {
        if (is_mac ? memcmp(&interface->mac, &mac, sizeof(mac)) == 0
                   : g_strcmp0(interface->target, target_or_mac) == 0)
            return interface;
    }
    return NULL;
}

InterfaceDef *domain_find_interface_alias(const DomainDef *def, const char *alias)
{
    for (DEF_EACH(InterfaceDef, interface, def->interfaces)) {
        if (g_strcmp0(interface->info.alias, alias) == 0)
            return interface;
    }
    return NULL;
}

GraphicsDef *domain_find_graphics(const DomainDef *def, GraphicsType type)
{
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (graphics->type == type)
            return graphics;
    }
    return NULL;
}

int disk_name_index(const char *target)
{
    static const char *const prefixes[] = { "fd", "hd", "vd", "sd", "xvd", "ubd" };
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (!g_str_has_prefix(target, prefixes[i]))
            continue;
        const char *letters = target + strlen(prefixes[i]);
        size_t len = strspn(letters, "abcdefghijklmnopqrstuvwxyz");
        size_t digits = strspn(letters + len, "0123456789"); /* a partition, for Xen */
        if (len == 0 || len > 5 || letters[len + digits])
            return -1;
        int index = 0;
        for (size_t k = 0; k < len; k++)
            index = (index + (k > 0)) * 26 + (letters[k] - 'a');
        return index;
    }
    return -1;
}
