/* Rows of the machine as a whole: identity, firmware and boot, and the domain document that puts all
 * together. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/units.h"
#include "conf/domain_check.h"
#include "conf/domain_rows.h"
#include "conf/xml_internal.h"

/* ---- system information ---- */

static const XmlTable baseboard_table =
    TABLE(SysinfoBaseboard, "baseBoard",
          ROWS(LIST("entry", SysinfoBaseboard, entries, &named_value_table, .doc = "a field")),
          .doc = "A base board.");

/* Entries that SMBIOS has, in its order, each once; without text they say nothing. */
static void order_entries(GPtrArray **list, const char *const *names)
{
    GPtrArray *given = *list;
    if (!given)
        return;
    *list = xml_list_new(&named_value_table);
    for (size_t i = 0; names[i]; i++) {
        for (unsigned k = 0; k < given->len; k++) {
            NamedValue *entry = g_ptr_array_index(given, k);
            if (!entry->value || g_strcmp0(entry->name, names[i]) != 0)
                continue;
            g_ptr_array_add(*list, g_ptr_array_steal_index(given, k));
            break;
        }
    }
    while (def_list_len(given)) /* the last one takes the list with it */
        xml_list_remove(&named_value_table, &given, given->len - 1);
    if (given)
        g_ptr_array_unref(given);
    if (!(*list)->len)
        g_clear_pointer(list, g_ptr_array_unref);
}

static bool sysinfo_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    static const char *const bios[] = { "vendor", "version", "date", "release", NULL };
    static const char *const system[] = { "manufacturer", "product", "version", "serial",
                                          "uuid",         "sku",     "family",  NULL };
    static const char *const board[] = { "manufacturer", "product",  "version", "serial",
                                         "asset",        "location", NULL };
    static const char *const chassis[] = { "manufacturer", "version", "serial", "asset", "sku", NULL };
    SysinfoDef *sysinfo = base;
    order_entries(&sysinfo->bios, bios);
    order_entries(&sysinfo->system, system);
    order_entries(&sysinfo->chassis, chassis);
    for (unsigned i = def_list_len(sysinfo->baseboards); i-- > 0;) {
        SysinfoBaseboard *baseboard = g_ptr_array_index(sysinfo->baseboards, i);
        order_entries(&baseboard->entries, board);
        if (!baseboard->entries)
            xml_list_remove(&baseboard_table, &sysinfo->baseboards, i);
    }
    return true;
}

#define SMBIOS ONLY(SysinfoDef, type, BIT(SYSINFO_TYPE_SMBIOS))
#define ENTRIES(member) ROWS(LIST("entry", SysinfoDef, member, &named_value_table, .doc = "a field"))
const XmlTable sysinfo_table =
    TABLE(SysinfoDef, "sysinfo",
          ROWS(ATTR("type", SysinfoDef, type, .names = &sysinfo_type_names, .flags = ROW_REQUIRED,
                    .doc = "kind of information"),
               GROUP("bios", ENTRIES(bios), SMBIOS, .doc = "the BIOS"),
               GROUP("system", ENTRIES(system), SMBIOS, .doc = "the system"),
               LIST("baseBoard", SysinfoDef, baseboards, &baseboard_table, SMBIOS, .doc = "base boards"),
               GROUP("chassis", ENTRIES(chassis), SMBIOS, .doc = "the chassis"),
               GROUP("oemStrings", ENTRIES(oem_strings), SMBIOS, .doc = "free strings"),
               LIST("entry", SysinfoDef, fwcfg, &named_value_table,
                    ONLY(SysinfoDef, type, BIT(SYSINFO_TYPE_FWCFG)),
                    .doc = "a firmware configuration entry")),
          .finish = sysinfo_finish, .doc = "What the firmware tells the guest about the machine.");

/* ---- os ---- */

static const XmlTable firmware_feature_table =
    TABLE(FirmwareFeature, "firmware-feature",
          ROWS(ATTR("enabled", FirmwareFeature, enabled, .names = &tristate_yes_no_names,
                    .flags = ROW_REQUIRED, .doc = "wanted or not"),
               ATTR("name", FirmwareFeature, name, .flags = ROW_REQUIRED,
                    .doc = "secure-boot or enrolled-keys")),
          .doc = "What a firmware must or must not have.");

static const XmlTable loader_table =
    TABLE(OsLoader, "loader",
          ROWS(ATTR("readonly", OsLoader, readonly, HOST_SIDE, .names = &tristate_yes_no_names,
                    .doc = "the image is never written"),
               ATTR("secure", OsLoader, secure, HOST_SIDE, .names = &tristate_yes_no_names,
                    .doc = "the firmware has secure boot"),
               ATTR("type", OsLoader, type, HOST_SIDE, .names = &loader_type_names,
                    .doc = "how the image is mapped"),
               ATTR("stateless", OsLoader, stateless, .names = &tristate_yes_no_names,
                    .doc = "the firmware keeps no variables"),
               TEXT(OsLoader, path, HOST_SIDE, .doc = "path of the image")),
          .doc = "The firmware image.");

#define NVRAM_ELSEWHERE (~(BIT(STORAGE_TYPE_ABSENT) | BIT(STORAGE_FILE) | BIT(STORAGE_BLOCK)))
const XmlTable nvram_table =
    TABLE(OsNvram, "nvram",
          ROWS(ATTR("template", OsNvram, template_path, .doc = "image to start from"),
               ATTR("type", OsNvram, source_type, .names = &storage_type_names, .doc = "kind of source"),
               GROUP("source", ROWS(ATTR("file", OsNvram, path, .doc = "path of the machine's own copy")),
                     ONLY(OsNvram, source_type, BIT(STORAGE_FILE)), .doc = "where the variables are"),
               GROUP("source", ROWS(ATTR("dev", OsNvram, path, .doc = "path of a block device")),
                     ONLY(OsNvram, source_type, BIT(STORAGE_BLOCK)), .doc = "where the variables are"),
               KEPT("source", REFUSED("firmware variables are in files and block devices only"),
                    .doc = "where the variables are", ONLY(OsNvram, source_type, NVRAM_ELSEWHERE)),
               TEXT(OsNvram, path, ONLY(OsNvram, source_type, BIT(STORAGE_TYPE_ABSENT)),
                    .doc = "path of the machine's own copy")),
          KEEPS(OsNvram), .doc = "Where the firmware's variables are kept.");

static bool boot_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    OsDef *os = base;
    const char *dev = xml_attr(element, "dev");
    uint8_t value = BOOT_DEV_ABSENT;
    if (!dev)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'dev' is missing");
    if (!enum_from_name(&boot_dev_names, dev, &value))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "'%s' is not a known boot device", dev);
    if (os->boot.count >= BOOT_DEV_COUNT - 1)
        return xml_drop(reader, element, err);
    os->boot.dev[os->boot.count++] = value;
    return true;
}

static void boot_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const OsDef *os = base;
    for (unsigned i = 0; i < os->boot.count; i++) {
        xml_indent(indent, out);
        xml_append_literal(out, "<boot dev='");
        g_string_append(out, enum_name(&boot_dev_names, os->boot.dev[i]));
        xml_append_literal(out, "'/>\n");
    }
}
static const XmlRow boot_schema_rows[] = { { .node = XML_ATTR,
                                             XML_NAME_("dev"),
                                             .type = XML_VALUE_ENUM,
                                             .names = &boot_dev_names,
                                             .flags = ROW_REQUIRED,
                                             .doc = "kind of device" },
                                           { 0 } };
static const XmlCustom boot_custom = { boot_read, boot_write, boot_schema_rows };

static FirmwareFeature *find_feature(const OsDef *os, const char *name)
{
    for (DEF_EACH(FirmwareFeature, feature, os->firmware_features)) {
        if (strcmp(feature->name, name) == 0)
            return feature;
    }
    return NULL;
}

static int compare_features(const void *a, const void *b)
{
    return strcmp((*(FirmwareFeature *const *)a)->name, (*(FirmwareFeature *const *)b)->name);
}

/* Keys that are enrolled mean secure boot. */
static bool os_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    OsDef *os = base;
    for (DEF_EACH(FirmwareFeature, feature, os->firmware_features)) {
        if (strcmp(feature->name, "secure-boot") != 0 && strcmp(feature->name, "enrolled-keys") != 0)
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "'%s' is not a known firmware feature: secure-boot, enrolled-keys",
                             feature->name);
    }
    const FirmwareFeature *keys = find_feature(os, "enrolled-keys");
    FirmwareFeature *secure = find_feature(os, "secure-boot");
    if (keys && keys->enabled == TRISTATE_ON && !secure) {
        secure = xml_table_new(&firmware_feature_table);
        *secure = (FirmwareFeature){ .name = g_strdup("secure-boot"), .enabled = TRISTATE_ON };
        g_ptr_array_add(os->firmware_features, secure);
    }
    if (os->firmware_features)
        g_ptr_array_sort(os->firmware_features, compare_features);
    if (keys && keys->enabled == TRISTATE_ON && secure->enabled == TRISTATE_OFF)
        return xml_error(reader, element, ERROR_XML_SYNTAX, err,
                         "firmware feature 'enrolled-keys' cannot be enabled when firmware feature "
                         "'secure-boot' is disabled");
    return true;
}

const XmlTable os_table =
    TABLE(OsDef, "os",
          ROWS(ATTR("firmware", OsDef, firmware, .names = &os_firmware_names, .flags = ROW_MAY_BE_EMPTY,
                    .doc = "choose a firmware of this kind"),
               GROUP("type",
                     ROWS(ATTR("arch", OsDef, arch, .names = &arch_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "the host's",
                               .flags = ROW_MAY_BE_EMPTY, .doc = "architecture"),
                          ATTR("machine", OsDef, machine, .fallback = "QEMU's default",
                               .doc = "machine type"),
                          TEXT(OsDef, type, .names = &os_type_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .flags = ROW_REQUIRED, .doc = "kind of virtualization: hvm")),
                     .flags = ROW_REQUIRED, .doc = "what the machine is"),
               GROUP("firmware",
                     ROWS(LIST("feature", OsDef, firmware_features, &firmware_feature_table,
                               .doc = "a feature")),
                     .doc = "what the chosen firmware must have"),
               KEPT("init", REFUSED("only containers have it"), .doc = "first program of a container"),
               KEPT("initarg", REFUSED("only containers have it"), .doc = "its arguments"),
               KEPT("initenv", REFUSED("only containers have it"), .doc = "its environment"),
               KEPT("initdir", REFUSED("only containers have it"), .doc = "its directory"),
               KEPT("inituser", REFUSED("only containers have it"), .doc = "its user"),
               KEPT("initgroup", REFUSED("only containers have it"), .doc = "its group"),
               OBJECT("loader", OsDef, loader, &loader_table, .doc = "the firmware image"),
               OBJECT("nvram", OsDef, nvram, &nvram_table, HOST_SIDE, .doc = "the firmware's variables"),
               CHILD("kernel", OsDef, kernel, HOST_SIDE, .doc = "path of a kernel to boot directly"),
               CHILD("initrd", OsDef, initrd, HOST_SIDE, .doc = "path of its initial RAM disk"),
               CHILD("cmdline", OsDef, cmdline, HOST_SIDE, .doc = "its command line"),
               CHILD("dtb", OsDef, dtb, .doc = "path of a device tree"),
               KEPT("root", REFUSED("only Xen guests have it"), .doc = "root device (Xen)"),
               GROUP("acpi",
                     ROWS(GROUP("table",
                                ROWS(ATTR("type", OsDef, acpi_table_type, .names = &acpi_table_type_names,
                                          .flags = ROW_REQUIRED, .doc = "always slic"),
                                     TEXT(OsDef, acpi_table, .flags = ROW_REQUIRED, HOST_SIDE,
                                          .doc = "absolute path of the table")),
                                .flags = ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
                                .doc = "a table for the guest's firmware")),
                     .doc = "extra ACPI tables"),
               CUSTOM("boot", &boot_custom, HOST_SIDE, .doc = "kinds of devices to boot from, in order"),
               GROUP("bootmenu",
                     ROWS(ATTR("enable", OsDef, bootmenu, HOST_SIDE, .names = &tristate_yes_no_names,
                               .doc = "or not"),
                          ATTR("timeout", OsDef, bootmenu_timeout_ms, HOST_SIDE, .max = 65535,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "milliseconds")),
                     .doc = "a menu at boot"),
               GROUP("bios",
                     ROWS(ATTR("useserial", OsDef, bios_useserial, .names = &tristate_yes_no_names,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "show it on the serial port"),
                          ATTR("rebootTimeout", OsDef, bios_reboot_timeout_ms, .min = (uint64_t)-1,
                               .max = 65535, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .doc = "milliseconds until another attempt to boot; -1: none")),
                     .doc = "the BIOS"),
               GROUP("smbios",
                     ROWS(ATTR("mode", OsDef, smbios, .names = &smbios_mode_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "where it comes from")),
                     .doc = "system information for the guest")),
          KEEPS(OsDef), .finish = os_finish, .doc = "What the machine is and how it boots.");

/* ---- the qemu: name space ---- */

#define QEMU .ns = QEMU_NAMESPACE, .prefix = "qemu:"

static const XmlTable qemu_arg_table =
    TABLE(QemuArg, "qemu-arg",
          ROWS(ATTR("value", QemuArg, value, .flags = ROW_REQUIRED | ROW_KEEP_EMPTY,
                    .missing_code = ERROR_INTERNAL, .doc = "text")),
          .doc = "An argument of QEMU's command line.");
static const XmlTable qemu_env_table =
    TABLE(NamedValue, "qemu-env",
          ROWS(ATTR("name", NamedValue, name, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
                    .doc = "name of the variable"),
               ATTR("value", NamedValue, value, .doc = "its value"), HELD("file", NamedValue, file)),
          .doc = "An environment variable of QEMU.");
static const XmlTable qemu_capability_table =
    TABLE(QemuCapability, "qemu-capability",
          ROWS(ATTR("capability", QemuCapability, name, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
                    .doc = "name of the capability")),
          .doc = "A capability of QEMU.");
static bool qemu_property_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const QemuProperty *property = base;
    const char *value = property->value;
    if (strcmp(property->type, "remove") == 0)
        return true;
    if (!value && strcmp(property->type, "string") != 0)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'value' is missing");
    uint64_t number = 0;
    int64_t signed_number = 0;
    bool ok =
        strcmp(property->type, "string") == 0     ? value != NULL
        : strcmp(property->type, "bool") == 0     ? strcmp(value, "true") == 0 || strcmp(value, "false") == 0
        : strcmp(property->type, "signed") == 0   ? parse_int(value, &signed_number, NULL)
        : strcmp(property->type, "unsigned") == 0 ? parse_uint(value, &number, NULL) && number <= INT64_MAX
                                                  : false;
    return ok || xml_error(reader, element, ERROR_XML_INVALID, err, "'%s' is no value of type '%s'",
                           value ? value : "(none)", property->type);
}

static const XmlTable qemu_property_table =
    TABLE(QemuProperty, "qemu-property",
          ROWS(ATTR("name", QemuProperty, name, .flags = ROW_REQUIRED, .doc = "name of the property"),
               ATTR("type", QemuProperty, type, .flags = ROW_REQUIRED,
                    .doc = "string, signed, unsigned, bool or remove"),
               ATTR("value", QemuProperty, value, .flags = ROW_KEEP_EMPTY,
                    .doc = "its value; true or false for bool")),
          .finish = qemu_property_finish, .doc = "A property of a QEMU device.");
static const XmlTable qemu_override_table =
    TABLE(QemuOverride, "qemu-override",
          ROWS(ATTR("alias", QemuOverride, alias, .flags = ROW_REQUIRED, .doc = "alias of the device"),
               GROUP("frontend",
                     ROWS(LIST("property", QemuOverride, properties, &qemu_property_table, QEMU,
                               .doc = "a property")),
                     QEMU, .doc = "the device")),
          .doc = "Properties of a device to change.");

/* The three elements sit directly in <domain>; qemu_extras_table takes them together. */
static const XmlTable qemu_extras_table =
    TABLE(QemuExtras, "qemu-extras",
          ROWS(GROUP("commandline",
                     ROWS(LIST("arg", QemuExtras, args, &qemu_arg_table, QEMU, .doc = "an argument"),
                          LIST("env", QemuExtras, env, &qemu_env_table, QEMU,
                               .doc = "an environment variable")),
                     QEMU, .doc = "arguments passed on to QEMU as they are"),
               GROUP("capabilities",
                     ROWS(LIST("add", QemuExtras, caps_add, &qemu_capability_table,
                               REFUSED("it names parts of another daemon"), QEMU,
                               .doc = "pretend that QEMU has it"),
                          LIST("del", QemuExtras, caps_del, &qemu_capability_table,
                               REFUSED("it names parts of another daemon"), QEMU,
                               .doc = "pretend that QEMU lacks it")),
                     QEMU, .doc = "what QEMU is believed to be able to do"),
               GROUP("override",
                     ROWS(LIST("device", QemuExtras, overrides, &qemu_override_table, QEMU,
                               .doc = "a device")),
                     QEMU, .doc = "properties of devices to change"),
               GROUP("deprecation",
                     ROWS(ATTR("behavior", QemuExtras, deprecation,
                               .doc = "of QEMU when it is told what is old: none, omit, reject or crash")),
                     QEMU, .doc = "for finding what old QEMU interfaces are used")),
          .doc = "What is said to QEMU directly. Nothing of it is supported.");

static bool never_read(const char *text, void *base, Error **err)
{
    return true;
}

static bool write_qemu_namespace(const void *base, unsigned flags, GString *out)
{
    const DomainDef *def = base;
    if (def->qemu)
        g_string_append(out, QEMU_NAMESPACE);
    return def->qemu;
}
static const XmlCodec qemu_namespace_codec = { never_read, write_qemu_namespace, NULL };

/* ---- domain ---- */

static bool read_genid(const char *text, void *base, Error **err)
{
    DomainDef *def = base;
    Uuid genid;
    if (!uuid_parse(text, &genid, err))
        return false;
    def->genid = genid;
    return true;
}

static bool write_genid(const void *base, unsigned flags, GString *out)
{
    const DomainDef *def = base;
    if (uuid_is_null(&def->genid))
        return false;
    char text[UUID_STRING_LEN];
    uuid_format(&def->genid, text);
    g_string_append(out, text);
    return true;
}
static const XmlCodec genid_codec = { read_genid, write_genid, "[0-9a-fA-F-]*" };

static const XmlRow device_rows[] = {
    CHILD("emulator", DomainDef, emulator, HOST_SIDE, .fallback = "by architecture",
          .doc = "path of the QEMU program"),
    LIST("disk", DomainDef, disks, &disk_table, .doc = "disks and drives"),
    LIST("controller", DomainDef, controllers, &controller_table, .doc = "buses and host adapters"),
    LIST("lease", DomainDef, leases, &lease_table, HOST_SIDE,
         .doc = "locks that the machine holds; with lock_manager = \"lockd\" in qemu.conf"),
    LIST("filesystem", DomainDef, filesystems, &filesystem_table, .doc = "directories of the host"),
    LIST("interface", DomainDef, interfaces, &interface_table, .doc = "network interfaces"),
    LIST("smartcard", DomainDef, smartcards, &smartcard_table, .doc = "smart card readers"),
    LIST("serial", DomainDef, serials, &serial_table, .doc = "serial ports"),
    LIST("parallel", DomainDef, parallels, &parallel_table, .doc = "parallel ports"),
    LIST("console", DomainDef, consoles, &console_table, .doc = "consoles"),
    LIST("channel", DomainDef, channels, &channel_table, .doc = "channels between guest and host"),
    LIST("input", DomainDef, inputs, &input_table, .doc = "keyboards, mice, tablets"),
    LIST("tpm", DomainDef, tpms, &tpm_table, .doc = "trusted platform modules"),
    LIST("graphics", DomainDef, graphics, &graphics_table, HOST_SIDE, .doc = "displays"),
    LIST("sound", DomainDef, sounds, &sound_table, .doc = "sound cards"),
    LIST("audio", DomainDef, audios, &audio_table, HOST_SIDE, .doc = "where sound goes on the host"),
    LIST("video", DomainDef, videos, &video_table, .doc = "graphics cards"),
    LIST("hostdev", DomainDef, hostdevs, &hostdev_table, .doc = "devices of the host"),
    LIST("redirdev", DomainDef, redirdevs, &redirdev_table, .doc = "USB devices of viewers"),
    OBJECT("redirfilter", DomainDef, redirfilter, &redirfilter_table, .flags = ROW_SINGLE,
           .doc = "which USB devices may be redirected"),
    LIST("hub", DomainDef, hubs, &hub_table, .doc = "USB hubs"),
    LIST("watchdog", DomainDef, watchdogs, &watchdog_table, .doc = "watchdog"),
    OBJECT("memballoon", DomainDef, memballoon, &memballoon_table, .flags = ROW_SINGLE,
           .doc = "memory balloon"),
    LIST("rng", DomainDef, rngs, &rng_table, .doc = "sources of random numbers"),
    OBJECT("nvram", DomainDef, nvram_device, &nvram_device_table, REFUSED("only pSeries machines have it"),
           .flags = ROW_SINGLE | ROW_EMPTY_OK, .doc = "NVRAM of spapr machines"),
    LIST("panic", DomainDef, panics, &panic_table, .doc = "crash notifiers"),
    LIST("shmem", DomainDef, shmems, &shmem_table, .doc = "shared memory"),
    LIST("memory", DomainDef, memory_devices, &memory_device_table, .doc = "memory modules"),
    OBJECT("iommu", DomainDef, iommu, &iommu_table, .flags = ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
           .doc = "IOMMU"),
    OBJECT("vsock", DomainDef, vsock, &vsock_table, .flags = ROW_SINGLE | ROW_EMPTY_OK,
           .bad_code = ERROR_XML_INVALID, .doc = "sockets to the host"),
    LIST("crypto", DomainDef, cryptos, &crypto_table, .doc = "crypto devices"),
    OBJECT("pstore", DomainDef, pstore, &pstore_table, .flags = ROW_SINGLE,
           .doc = "persistent storage for crash logs"),
    { 0 }
};

#define ACTION(text, member, table_names, what, ...)                                                         \
    CHILD(text, DomainDef, member, HOST_SIDE, .names = &table_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,   \
          .doc = what, __VA_ARGS__)
#define SUSPEND(text, member, what)                                                                          \
    GROUP(text,                                                                                              \
          ROWS(ATTR("enabled", DomainDef, member, HOST_SIDE, .names = &tristate_yes_no_names,                \
                    .doc = "or not")),                                                                       \
          .doc = what)

static const XmlRow domain_rows[] = {
    ATTR("type", DomainDef, type, HOST_SIDE, .names = &virt_type_names, .flags = ROW_REQUIRED,
         .bad_code = ERROR_CONFIG_UNSUPPORTED, .missing_code = ERROR_INTERNAL,
         .doc = "accelerator: kvm, or qemu for emulation"),
    ATTR("id", DomainDef, id, .flags = ROW_LIVE, .max = INT32_MAX, .doc = "number of the running machine"),
    CODEC_ATTR("xmlns:qemu", &qemu_namespace_codec, .flags = ROW_WRITE_ONLY,
               .doc = "name space of the qemu: elements"),
    CHILD("name", DomainDef, name, .flags = ROW_REQUIRED, .missing_code = ERROR_NO_NAME,
          .doc = "name, unique on the host"),
    CHILD("uuid", DomainDef, uuid, .bad_code = ERROR_INTERNAL, .fallback = "generated",
          .doc = "identity of the machine"),
    GROUP_FLAG("genid", DomainDef, has_genid,
               ROWS(CODEC_TEXT(&genid_codec, .bad_code = ERROR_INTERNAL,
                               .doc = "the identifier; generated if empty")),
               HOST_SIDE, .flags = ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
               .doc = "changes when the machine is rolled back or copied"),
    CHILD("title", DomainDef, title, HOST_SIDE, HARMLESS, .flags = ROW_CHANGEABLE,
          .doc = "one line about the machine"),
    CHILD("description", DomainDef, description, HOST_SIDE, HARMLESS, .flags = ROW_CHANGEABLE,
          .doc = "text about the machine"),
    VERBATIM("metadata", DomainDef, metadata, HOST_SIDE, HARMLESS, .flags = ROW_CHANGEABLE,
             .doc = "elements of other programs, each in a name space of its own"),
    GROUP("maxMemory",
          ROWS(ATTR("slots", DomainDef, memory_slots, .flags = ROW_REQUIRED, .max = UINT32_MAX,
                    .doc = "slots for memory modules"),
               TEXT(DomainDef, max_memory_bytes, .unit = XML_UNIT_KIB, .flags = ROW_REQUIRED,
                    .max = INT64_MAX, .doc = "the most memory")),
          .doc = "room for memory that is added later"),
    GROUP("memory",
          ROWS(ATTR("dumpCore", DomainDef, dump_core, HOST_SIDE, .names = &tristate_on_off_names,
                    .doc = "memory is in a core dump of QEMU"),
               TEXT(DomainDef, memory_bytes, .unit = XML_UNIT_KIB, .max = INT64_MAX,
                    .doc = "memory at boot")),
          .doc = "memory at boot"),
    CHILD("currentMemory", DomainDef, current_memory_bytes, HOST_SIDE, .unit = XML_UNIT_KIB,
          .fallback = "memory", .flags = ROW_CHANGEABLE, .max = INT64_MAX,
          .doc = "memory that the guest uses now"),
    OBJECT("blkiotune", DomainDef, blkiotune, &blkiotune_table, HOST_SIDE, .doc = "disk bandwidth"),
    OBJECT("memtune", DomainDef, memtune, &memtune_table, HOST_SIDE, .doc = "memory limits"),
    OBJECT("memoryBacking", DomainDef, memory_backing, &memory_backing_table, HOST_SIDE,
           .doc = "what memory is made of"),
    GROUP("vcpu",
          ROWS(ATTR("placement", DomainDef, vcpu_placement, HOST_SIDE, .names = &cpu_placement_names,
                    .fallback = "static", .doc = "who chooses the host's CPUs"),
               ATTR("cpuset", DomainDef, cpuset, HOST_SIDE, .doc = "CPUs of the host"),
               ATTR("current", DomainDef, vcpus_current, .min = 1, .max = 16384,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "vCPUs that the guest has at boot"),
               TEXT(DomainDef, vcpus, .flags = ROW_REQUIRED, .min = 1, .max = 16384,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "the most vCPUs")),
          .fallback = "1", .doc = "number of vCPUs"),
    GROUP("vcpus", ROWS(LIST("vcpu", DomainDef, vcpu_list, &vcpu_table, .doc = "one vCPU")),
          .doc = "single vCPUs"),
    CHILD("iothreads", DomainDef, iothreads, HOST_SIDE, .max = 16384,
          .doc = "number of threads for disks and controllers"),
    GROUP("iothreadids",
          ROWS(LIST("iothread", DomainDef, iothread_list, &iothread_table, .doc = "one thread")),
          .doc = "their numbers"),
    GROUP("throttlegroups",
          ROWS(LIST("throttlegroup", DomainDef, throttle_groups, &iotune_table, .flags = ROW_CHANGEABLE,
                    .doc = "one group: its group_name, and limits")),
          HOST_SIDE, .doc = "limits that several disks share, by their <throttlefilters>"),
    OBJECT("defaultiothread", DomainDef, main_loop, &main_loop_table, HOST_SIDE,
           .doc = "thread pool of QEMU's main loop"),
    OBJECT("cputune", DomainDef, cputune, &cputune_table, HOST_SIDE, .doc = "CPU time"),
    OBJECT("numatune", DomainDef, numatune, &numatune_table, HOST_SIDE, .doc = "memory placement"),
    GROUP("resource",
          ROWS(CHILD("partition", DomainDef, resource_partition, HOST_SIDE, .fallback = "/machine",
                     .doc = "slice of control groups that it runs in"),
               GROUP("fibrechannel",
                     ROWS(ATTR("appid", DomainDef, resource_appid, HOST_SIDE, .doc = "identifier")),
                     .doc = "marks the machine's traffic")),
          .doc = "where the machine is accounted"),
    LIST("sysinfo", DomainDef, sysinfos, &sysinfo_table, .doc = "system information"),
    KEPT("bootloader", REFUSED("only Xen guests have it"), .doc = "boot loader on the host"),
    KEPT("bootloader_args", REFUSED("only Xen guests have it"), .doc = "its arguments"),
    EMBED("os", DomainDef, os, &os_table, .flags = ROW_REQUIRED,
          .doc = "what the machine is and how it boots"),
    KEPT("idmap", .custom = &idmap_check, HARMLESS, .doc = "users of a container"),
    OBJECT("features", DomainDef, features, &features_table, .doc = "hypervisor features"),
    OBJECT("cpu", DomainDef, cpu, &cpu_table, .doc = "the CPU"),
    EMBED("clock", DomainDef, clock, &clock_table, .doc = "the clock"),
    ACTION("on_poweroff", on_poweroff, lifecycle_action_names, "when the guest powers off"),
    ACTION("on_reboot", on_reboot, lifecycle_action_names, "when the guest reboots"),
    ACTION("on_crash", on_crash, lifecycle_action_names, "when the guest crashes"),
    ACTION("on_lockfailure", on_lockfailure, lock_failure_action_names,
           "when a lock is lost; there is no lock manager", HARMLESS),
    GROUP("pm",
          ROWS(SUSPEND("suspend-to-mem", suspend_to_mem, "sleep"),
               SUSPEND("suspend-to-disk", suspend_to_disk, "hibernate")),
          .doc = "what the firmware offers"),
    GROUP("perf",
          ROWS(LIST("event", DomainDef, perf_events, &perf_event_table, HOST_SIDE, .flags = ROW_CHANGEABLE,
                    .doc = "one event")),
          .doc = "performance events"),
    GROUP("devices", device_rows, .flags = ROW_EMPTY_OK, .doc = "everything that is plugged in"),
    LIST("seclabel", DomainDef, seclabels, &security_label_table, HOST_SIDE,
         .doc = "security labels of the machine"),
    KEPT("keywrap", .custom = &keywrap_check, REFUSED("only s390x machines have it"),
         .doc = "key wrapping on s390x"),
    KEPT("launchSecurity", .custom = &launch_security_check,
         REFUSED("SEV needs a processor of AMD that has it, and KVM"), .doc = "confidential computing"),
    INCLUDE_OBJECT(DomainDef, qemu, &qemu_extras_table, HOST_SIDE),
    { 0 }
};

static bool domain_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    DomainDef *def = base;
    static const QemuExtras no_extras;
    if (!domain_check_labels(def->seclabels, false, err))
        return false;
    if (def->qemu && memcmp(def->qemu, &no_extras, sizeof(no_extras)) == 0)
        g_clear_pointer(&def->qemu, g_free);
    return true;
}

const XmlTable domain_table = TABLE(DomainDef, "domain", domain_rows, KEEPS(DomainDef), .keeps_foreign = true,
                                    .finish = domain_finish, .doc = "A virtual machine.");