/* Rules across elements. Each function is one rule or one family of rules; the order is that in which a user
 * would fix them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"

bool domain_check_name_length(const char *name, Error **err)
{
    const size_t max = NAME_MAX - strlen("_VARS.fd.new");

    return strlen(name) <= max ||
           error_set(err, ERROR_XML_INVALID, "the name is %zu bytes long; at most %zu are possible",
                     strlen(name), max);
}

static bool check_name(const DomainDef *def, Error **err)
{
    const char *name = def->name;
    if (!name || !*name)
        return error_set(err, ERROR_XML_INVALID, "missing domain name information");
    if (strchr(name, '/'))
        return error_set(err, ERROR_XML_INVALID, "name %s cannot contain '/'", name);
    if (strchr(name, '\n'))
        return error_set(err, ERROR_XML_SYNTAX, "invalid char in name: a line end");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, ERROR_XML_INVALID, "'%s' can't be the name of a machine", name);
    if (!domain_check_name_length(name, err))
        return false;
    if (def->title && strchr(def->title, '\n'))
        return error_set(err, ERROR_XML_INVALID, "the title can't contain a line end");
    return true;
}

static bool check_memory(const DomainDef *def, Error **err)
{
    if (def_list_len(def->memory_devices) && !domain_initial_memory(def))
        return error_set(err, ERROR_XML_INVALID,
                         "Memory size must be specified via <memory> or in the <numa> configuration");
    if (!def->memory_bytes)
        return error_set(err, ERROR_XML_INVALID,
                         "memory size must be specified with <memory> or in the NUMA cells of <cpu>");
    if (def->memory_bytes > (UINT64_C(1) << 60))
        return error_set(err, ERROR_OVERFLOW, "no machine can have %" PRIu64 " bytes of memory",
                         def->memory_bytes);
    if (def->max_memory_bytes && def->max_memory_bytes < def->memory_bytes)
        return error_set(err, ERROR_XML_INVALID,
                         "maximum memory size must be equal or greater than the actual memory size");
    if (def_list_len(def->memory_devices) && !def->max_memory_bytes)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "memory modules need <maxMemory> with slots");
    return true;
}

static bool needs_usb(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    switch (kind) {
    case DEVICE_DISK:
        return ((DiskDef *)device)->bus != DISK_BUS_USB;
    case DEVICE_INPUT:
        return ((InputDef *)device)->bus != INPUT_BUS_USB;
    case DEVICE_HOSTDEV:
        return ((HostdevDef *)device)->type != HOSTDEV_USB;
    case DEVICE_SOUND:
        return ((SoundDef *)device)->model != SOUND_USB;
    case DEVICE_REDIRDEV:
    case DEVICE_HUB:
        return false;
    default:
        return true;
    }
}

static bool check_usb(const DomainDef *def, Error **err)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_USB && controller->model == CONTROLLER_MODEL_NONE &&
            !domain_each_device((DomainDef *)def, needs_usb, NULL))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "can\'t add a USB device: USB is disabled for this domain");
    }
    return true;
}

/* <os firmware=> means that Lodge chooses: then the document must not choose, too. */
static bool check_firmware(const OsDef *os, Error **err)
{
    const OsLoader *loader = os->loader;
    const char *surplus = !loader                               ? NULL
                          : loader->readonly != TRISTATE_ABSENT ? "readonly"
                          : loader->type || loader->path        ? "type"
                          : loader->secure == TRISTATE_OFF      ? "secure"
                                                                : NULL;
    if (surplus)
        return error_set(err, ERROR_XML_SYNTAX,
                         "loader attribute '%s' cannot be specified when firmware autoselection is enabled",
                         surplus);
    if (os->nvram && os->nvram->template_path)
        return error_set(err, ERROR_XML_SYNTAX,
                         "nvram attribute 'template' cannot be specified when firmware autoselection is "
                         "enabled");
    return true;
}

static bool check_loader(const DomainDef *def, Error **err)
{
    const OsLoader *loader = def->os.loader;
    const FeaturesDef *features = def->features;
    if (def_list_len(def->os.firmware_features))
        return error_set(err, ERROR_XML_SYNTAX,
                         "cannot use feature-based firmware autoselection when firmware autoselection is "
                         "disabled");
    if (loader && loader->secure == TRISTATE_ON) {
        if (!domain_is_q35(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "Secure boot is supported with q35 machine types only");
        if (!features || !features->has_smm || features->smm == TRISTATE_OFF)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Secure boot requires SMM feature enabled");
    }
    if ((loader && !loader->path) || (!loader && def->os.nvram))
        return error_set(err, ERROR_XML_SYNTAX,
                         "no loader path specified and firmware auto selection disabled");
    return true;
}

static bool check_os(const DomainDef *def, Error **err)
{
    bool has_init = false;
    for (const Kept *kept = def->os.kept; kept; kept = kept->next)
        has_init |= kept->row && strcmp(kept->row->name, "init") == 0;
    if (def->os.type == OS_TYPE_EXE && !has_init)
        return error_set(err, ERROR_XML_INVALID, "init binary must be specified");
    if (def->os.type != OS_TYPE_HVM)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "os type '%s' is not possible with this hypervisor",
                         enum_name(&os_type_names, def->os.type));
    if (def->os.bios_useserial == TRISTATE_ON && !def->serials)
        return error_set(err, ERROR_XML_INVALID, "need at least one serial port to use BIOS serial output");
    if (def->os.firmware == OS_FIRMWARE_BIOS && def->os.nvram)
        return error_set(err, ERROR_XML_SYNTAX, "firmware type 'bios' does not support nvram");
    if (def->os.nvram && def->os.nvram->source_type != STORAGE_TYPE_ABSENT &&
        def->os.nvram->source_type != STORAGE_FILE && def->os.nvram->source_type != STORAGE_BLOCK &&
        def->os.nvram->source_type != STORAGE_NETWORK)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported nvram disk type '%s'",
                         enum_name(&storage_type_names, def->os.nvram->source_type));
    if (def->os.firmware && def->os.loader && def->os.loader->secure == TRISTATE_ON && def->os.machine &&
        !domain_is_q35(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Secure boot is supported with q35 machine types only");
    bool uefi =
        def->os.firmware == OS_FIRMWARE_EFI || (def->os.loader && def->os.loader->type == LOADER_TYPE_PFLASH);
    if (uefi && domain_is_x86(def) && !(def->features && def->features->acpi))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "UEFI requires ACPI on this architecture");
    if (def->os.loader && def->os.loader->stateless == TRISTATE_ON && def->os.nvram)
        return error_set(err, ERROR_XML_SYNTAX, "NVRAM is not permitted when loader is stateless");
    if (!(def->os.firmware ? check_firmware(&def->os, err) : check_loader(def, err)))
        return false;
    bool has_tseg = def->features && def->features->smm_tseg_bytes;
    if (has_tseg && def->os.machine && !domain_is_q35(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "SMM TSEG is only supported with q35 machine type");
    return true;
}

bool domain_check(const DomainDef *def, Error **err)
{
    return check_name(def, err) && check_os(def, err) && check_memory(def, err) &&
           domain_check_tuning(def, err) && domain_check_guest(def, err) && domain_check_disks(def, err) &&
           domain_check_controllers(def, err) && domain_check_devices(def, err) &&
           domain_check_chars(def, err) && check_usb(def, err) && domain_check_displays(def, err) &&
           domain_check_interfaces(def, err) && domain_check_host_devices(def, err);
}
