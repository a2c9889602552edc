/* Rules about controllers, about the smaller devices, and about what all devices have: names and addresses.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"

bool domain_check_virtio_options(const VirtioOptions *options, Error **err)
{
    const char *given = options->iommu != TRISTATE_ABSENT         ? "iommu"
                        : options->ats != TRISTATE_ABSENT         ? "ats"
                        : options->packed != TRISTATE_ABSENT      ? "packed"
                        : options->page_per_vq != TRISTATE_ABSENT ? "page_per_vq"
                                                                  : NULL;
    return !given || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                               "%s driver option is only supported for virtio devices", given);
}

/* ---- controllers ---- */

/* Models that each type of controller has. */
static bool controller_model_fits(const ControllerDef *controller)
{
    ControllerModel model = controller->model;
    switch (controller->type) {
    case CONTROLLER_SCSI:
        return model >= CONTROLLER_MODEL_AUTO && model <= CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL &&
               model != CONTROLLER_MODEL_VIRTIO;
    case CONTROLLER_VIRTIO_SERIAL:
        return model >= CONTROLLER_MODEL_VIRTIO && model <= CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL;
    case CONTROLLER_USB:
        return model == CONTROLLER_MODEL_NONE ||
               (model >= CONTROLLER_MODEL_PIIX3_UHCI && model <= CONTROLLER_MODEL_QEMU_XHCI);
    case CONTROLLER_IDE:
        return model >= CONTROLLER_MODEL_PIIX3 && model <= CONTROLLER_MODEL_ICH6;
    case CONTROLLER_PCI:
        return model >= CONTROLLER_MODEL_PCI_ROOT && model <= CONTROLLER_MODEL_PCIE_EXPANDER_BUS;
    default:
        return false;
    }
}

static bool refuse_virtio_options(const ControllerDef *controller, Error **err)
{
    const char *given = controller->queues.is_set        ? "queues"
                        : controller->cmd_per_lun.is_set ? "cmd_per_lun"
                        : controller->max_sectors.is_set ? "max_sectors"
                        : controller->ioeventfd          ? "ioeventfd"
                                                         : NULL;
    return !given || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                               "'%s' is only supported by virtio-scsi controller", given);
}

static bool check_scsi_controller(const DomainDef *def, const ControllerDef *controller, Error **err)
{
    bool is_virtio = controller->model == CONTROLLER_MODEL_VIRTIO_SCSI ||
                     controller->model == CONTROLLER_MODEL_VIRTIO_TRANSITIONAL ||
                     controller->model == CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL;
    if (controller->model == CONTROLLER_MODEL_BUSLOGIC)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unsupported controller model: buslogic");
    if (!is_virtio && !refuse_virtio_options(controller, err))
        return false;
    if (controller->iothread.is_set && !is_virtio)
        return error_set(err, ERROR_XML_INVALID,
                         "'iothread' attribute only supported for virtio scsi controllers");
    if (controller->iothread.is_set && !domain_has_iothread(def, controller->iothread.value))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "controller iothread '%u' not defined in iothreadid",
                         controller->iothread.value);
    return true;
}

/* A companion serves the bus of the controller with its index. */
static bool check_companion(const DomainDef *def, const ControllerDef *companion, Error **err)
{
    for (DEF_EACH(ControllerDef, other, def->controllers)) {
        if (other->type == CONTROLLER_USB && !other->info.has_usb_master &&
            other->index.value == companion->index.value)
            return true;
    }
    return error_set(err, ERROR_XML_SYNTAX, "no master USB controller with index %u for a companion",
                     companion->index.value);
}

static bool check_usb_controller(const DomainDef *def, const ControllerDef *controller, Error **err)
{
    const char *model = enum_name(&controller_model_names, controller->model);
    bool xhci =
        controller->model == CONTROLLER_MODEL_QEMU_XHCI || controller->model == CONTROLLER_MODEL_NEC_XHCI;
    if (controller->model == CONTROLLER_MODEL_QUSB1 || controller->model == CONTROLLER_MODEL_QUSB2)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "USB controller model type 'qusb1' or 'qusb2' is not supported in qemu");
    if (xhci && controller->ports.is_set && controller->ports.value > XHCI_PORTS_MAX)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' controller only supports up to '%d' ports",
                         model, XHCI_PORTS_MAX);
    return !controller->info.has_usb_master || check_companion(def, controller, err);
}

/* The first PCI controller is what the board has; the others hang below it. */
static bool check_pci_place(const DomainDef *def, const ControllerDef *controller, Error **err)
{
    ControllerModel model = controller->model;
    bool is_root = model == CONTROLLER_MODEL_PCI_ROOT || model == CONTROLLER_MODEL_PCIE_ROOT;
    ControllerModel root = domain_is_q35(def)      ? CONTROLLER_MODEL_PCIE_ROOT
                           : domain_is_i440fx(def) ? CONTROLLER_MODEL_PCI_ROOT
                                                   : CONTROLLER_MODEL_ABSENT;
    const char *name = enum_name(&controller_model_names, model);
    if (is_root && controller->index.value)
        return error_set(err, ERROR_XML_INVALID, "pci-root and pcie-root controllers should have index 0");
    if (!controller->index.value && root && model != root)
        return error_set(err, ERROR_XML_INVALID,
                         "The PCI controller with index='0' must be model='%s' for this machine type, but "
                         "model='%s' was found instead",
                         enum_name(&controller_model_names, root), name);
    if (model == CONTROLLER_MODEL_PCI_EXPANDER_BUS && root == CONTROLLER_MODEL_PCIE_ROOT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "%s controllers are only supported on 440fx-based machinetypes", name);
    if (model == CONTROLLER_MODEL_PCIE_EXPANDER_BUS && root == CONTROLLER_MODEL_PCI_ROOT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "%s controllers are not supported with this machine type", name);
    if (model == CONTROLLER_MODEL_PCIE_ROOT_PORT && root == CONTROLLER_MODEL_PCI_ROOT)
        return error_set(err, ERROR_INTERNAL,
                         "a PCI slot is needed to connect a PCI controller model='%s', but none is "
                         "available, "
                         "and it cannot be automatically added",
                         name);
    return true;
}

/* Which models have an option of <target>, and which QEMU devices a model is. */
static bool check_pci_options(const DomainDef *def, const ControllerDef *controller, Error **err)
{
    static const uint64_t ports = BIT(CONTROLLER_MODEL_PCIE_ROOT_PORT) |
                                  BIT(CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT),
                          expanders = BIT(CONTROLLER_MODEL_PCI_EXPANDER_BUS) |
                                      BIT(CONTROLLER_MODEL_PCIE_EXPANDER_BUS);
    static const uint64_t names[CONTROLLER_MODEL_COUNT] = {
        [CONTROLLER_MODEL_PCI_BRIDGE] = BIT(PCI_MODEL_PCI_BRIDGE),
        [CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE] = BIT(PCI_MODEL_I82801B11_BRIDGE),
        [CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE] = BIT(PCI_MODEL_PCIE_PCI_BRIDGE),
        [CONTROLLER_MODEL_PCIE_ROOT_PORT] = BIT(PCI_MODEL_PCIE_ROOT_PORT) | BIT(PCI_MODEL_IOH3420),
        [CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT] = BIT(PCI_MODEL_X3130_UPSTREAM),
        [CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT] = BIT(PCI_MODEL_XIO3130_DOWNSTREAM),
        [CONTROLLER_MODEL_PCI_EXPANDER_BUS] = BIT(PCI_MODEL_PXB),
        [CONTROLLER_MODEL_PCIE_EXPANDER_BUS] = BIT(PCI_MODEL_PXB_PCIE),
    };
    const struct {
        bool given;
        const char *name;
        uint64_t models;
    } options[] = {
        { controller->chassis_nr.is_set, "chassisNr", BIT(CONTROLLER_MODEL_PCI_BRIDGE) },
        { controller->chassis.is_set, "chassis", ports },
        { controller->port.is_set, "port", ports },
        { controller->bus_nr.is_set, "busNr", expanders },
        { controller->hotplug != TRISTATE_ABSENT, "hotplug", ports | BIT(CONTROLLER_MODEL_PCI_ROOT) },
        { controller->target_index.is_set && domain_is_x86(def), "targetIndex", 0 },
        { controller->numa_node.is_set, "numaNode", expanders },
    };
    const char *model = enum_name(&controller_model_names, controller->model);
    PciModelName model_name = controller->pci_model;
    for (unsigned i = 0; !model_name && i < PCI_MODEL_COUNT; i++) {
        if (names[controller->model] & BIT(i) && i != PCI_MODEL_IOH3420)
            model_name = i;
    }
    const char *shown = enum_name(&pci_model_name_names, model_name) ?: "none";
    unsigned n_cells = def->cpu ? def_list_len(def->cpu->numa) : 0;
    if (controller->numa_node.is_set && controller->numa_node.value >= n_cells)
        return error_set(err, ERROR_XML_INVALID,
                         "%s with index %u is configured for a NUMA node (%u) not present in the domain's "
                         "<cpu><numa> array (%u)",
                         model, controller->index.value, controller->numa_node.value, n_cells);
    if (controller->pci_model && !(names[controller->model] & BIT(controller->pci_model)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Option 'modelName' has invalid value for PCI controller with index '%u', model "
                         "'%s' "
                         "and modelName '%s'",
                         controller->index.value, model, shown);
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].given && !(options[i].models & BIT(controller->model)))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "Option '%s' is not valid for PCI controller with index '%u', model '%s' and "
                             "modelName '%s'",
                             options[i].name, controller->index.value, model, shown);
    }
    if (controller->chassis_nr.is_set &&
        (controller->chassis_nr.value < 1 || controller->chassis_nr.value > 255))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "PCI controller chassisNr '%u' out of range - must be 1-255",
                         controller->chassis_nr.value);
    return true;
}

static bool check_drive_controller(const DomainDef *def, const ControllerDef *controller, Error **err)
{
    AddressType type = controller->info.address.type;
    const DeviceAddress *address = &controller->info.address;
    bool has_place = type == ADDRESS_PCI && !address->wants_numbers && !controller->index.value;
    if (controller->type == CONTROLLER_IDE && domain_is_q35(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "IDE controllers are unsupported for this machine type");
    if (controller->type == CONTROLLER_IDE && controller->index.value > 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Only a single IDE controller is supported for this machine type");
    if (controller->type == CONTROLLER_IDE && has_place && domain_is_i440fx(def) &&
        (address->pci.bus || address->pci.slot != 1 || address->pci.function != 1))
        return error_set(err, ERROR_INTERNAL, "Primary IDE controller must have PCI address 0:0:1.1");
    if (controller->type == CONTROLLER_SATA && has_place && domain_is_q35(def) &&
        (address->pci.bus || address->pci.slot != 0x1f || address->pci.function != 2))
        return error_set(err, ERROR_INTERNAL, "Primary SATA controller must have PCI address 0:0:1f.2");
    return true;
}

static bool check_controller(const DomainDef *def, const ControllerDef *controller, Error **err)
{
    const char *type = enum_name(&controller_type_names, controller->type);
    if (controller->model != CONTROLLER_MODEL_ABSENT && !controller_model_fits(controller))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown model '%s' for a controller of type '%s'",
                         enum_name(&controller_model_names, controller->model), type);
    if (controller->iothread.is_set && controller->type != CONTROLLER_SCSI)
        return error_set(err, ERROR_XML_INVALID,
                         "'iothread' attribute only supported for virtio scsi controllers");
    if (controller->type != CONTROLLER_SCSI && !refuse_virtio_options(controller, err))
        return false;
    switch (controller->type) {
    case CONTROLLER_SCSI:
        return check_scsi_controller(def, controller, err);
    case CONTROLLER_USB:
        return check_usb_controller(def, controller, err);
    case CONTROLLER_PCI:
        return check_pci_place(def, controller, err) && check_pci_options(def, controller, err);
    case CONTROLLER_XENBUS:
    case CONTROLLER_ISA:
        return error_set(err, ERROR_INTERNAL, "controllers of type '%s' can't be had with this machine type",
                         type);
    default:
        return check_drive_controller(def, controller, err);
    }
}

bool domain_check_controllers(const DomainDef *def, Error **err)
{
    bool no_usb = false;
    unsigned n_usb = 0;
    for (unsigned i = 0; i < def_list_len(def->controllers); i++) {
        const ControllerDef *controller = g_ptr_array_index(def->controllers, i);
        if (!check_controller(def, controller, err))
            return false;
        n_usb += controller->type == CONTROLLER_USB;
        no_usb |= controller->type == CONTROLLER_USB && controller->model == CONTROLLER_MODEL_NONE;
        for (unsigned k = 0; k < i && !controller->info.has_usb_master; k++) {
            const ControllerDef *other = g_ptr_array_index(def->controllers, k);
            if (other->type == controller->type && other->index.value == controller->index.value &&
                !other->info.has_usb_master)
                return error_set(err, ERROR_XML_INVALID, "multiple '%s' controllers with index '%u'",
                                 enum_name(&controller_type_names, controller->type),
                                 controller->index.value);
        }
    }
    return !no_usb || n_usb == 1 ||
           error_set(err, ERROR_XML_SYNTAX,
                     "Can't add another USB controller: USB is disabled for this domain");
}

/* ---- the smaller devices ---- */

static bool check_iommu(const DomainDef *def, Error **err)
{
    const IommuDef *iommu = def->iommu;
    if (!iommu)
        return true;
    const char *model = enum_name(&iommu_model_names, iommu->model);
    bool has_options = iommu->intremap || iommu->caching_mode || iommu->eim || iommu->iotlb || iommu->aw_bits;
    if (iommu->model == IOMMU_INTEL && !domain_is_q35(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "IOMMU device: '%s' is only supported with Q35 machines", model);
    if (iommu->model == IOMMU_SMMUV3 && domain_is_x86(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "IOMMU device: '%s' is only supported with ARM Virt machines", model);
    if (iommu->model == IOMMU_VIRTIO && domain_is_x86(def) && !domain_is_q35(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "IOMMU device: '%s' is only supported with Q35 and ARM Virt machines", model);
    if (iommu->model == IOMMU_VIRTIO && domain_is_x86(def) && !(def->features && def->features->acpi))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "IOMMU device: '%s' requires ACPI", model);
    if (iommu->model != IOMMU_INTEL && has_options)
        return error_set(err, ERROR_XML_INVALID, "iommu model '%s' doesn't support additional attributes",
                         model);
    if (iommu->model != IOMMU_VIRTIO && iommu->info.address.type != ADDRESS_ABSENT)
        return error_set(err, ERROR_XML_INVALID, "iommu model '%s' can't have address", model);
    if (iommu->eim == TRISTATE_ON && iommu->intremap != TRISTATE_ON)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "IOMMU eim requires interrupt remapping to be enabled");
    if (iommu->intremap == TRISTATE_ON && !(def->features && def->features->ioapic == IOAPIC_DRIVER_QEMU))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "IOMMU interrupt remapping requires split I/O APIC (ioapic driver='qemu')");
    return true;
}

static bool check_panics(const DomainDef *def, Error **err)
{
    unsigned n_of_model[PANIC_MODEL_COUNT] = { 0 };
    for (DEF_EACH(PanicDef, panic, def->panics)) {
        const char *model = enum_name(&panic_model_names, panic->model);
        if (++n_of_model[panic->model] > 1)
            return error_set(err, ERROR_XML_INVALID, "Multiple panic devices with model '%s'", model);
        if (domain_is_x86(def) && (panic->model == PANIC_PSERIES || panic->model == PANIC_S390))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "only %s guests support panic device of model '%s'",
                             panic->model == PANIC_S390 ? "S390" : "pSeries", model);
        if (panic->model == PANIC_HYPERV && panic->info.address.type != ADDRESS_ABSENT)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "setting the panic device address is not supported for model 'hyperv'");
        if (panic->model == PANIC_ISA && panic->info.address.type != ADDRESS_ABSENT &&
            panic->info.address.type != ADDRESS_ISA)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "panic is supported only with ISA address type");
    }
    return true;
}

static bool check_watchdogs(const DomainDef *def, Error **err)
{
    if (def_list_len(def->watchdogs) > 1)
        return error_set(err, ERROR_INTERNAL, "only a single watchdog device is supported");
    for (DEF_EACH(WatchdogDef, watchdog, def->watchdogs)) {
        if (watchdog->model == WATCHDOG_DIAG288 && domain_is_x86(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "diag288 model of watchdog is allowed for s390 and s390x only");
        if (watchdog->model == WATCHDOG_ITCO && !domain_is_q35(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "itco model of watchdog is only part of q35 machine");
        if (watchdog->model == WATCHDOG_I6300ESB && watchdog->info.address.type != ADDRESS_ABSENT &&
            watchdog->info.address.type != ADDRESS_PCI)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "i6300esb model of watchdog can go only on PCI bus");
        if (watchdog->model == WATCHDOG_IB700 && watchdog->info.address.type != ADDRESS_ABSENT)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "ib700 model of watchdog does not support configuring the address");
    }
    return true;
}

static bool check_small_devices(const DomainDef *def, Error **err)
{
    if (def->nvram_device && domain_is_x86(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "nvram device is only supported for PPC64");
    if (def->memballoon && def->memballoon->model == MEMBALLOON_XEN)
        return error_set(err, ERROR_INTERNAL, "memballoon model 'xen' can't be had with QEMU");
    if (def->vsock && def->vsock->cid.is_set && def->vsock->cid.value < 3)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "guest CIDs must be >= 3");
    for (DEF_EACH(SoundDef, sound, def->sounds)) {
        if (sound->model == SOUND_ICH7)
            return error_set(err, ERROR_INTERNAL,
                             "sound card model 'ich7' is not supported by qemu: it has no place on a bus");
    }
    for (DEF_EACH(RedirdevDef, redirdev, def->redirdevs)) {
        if (redirdev->info.address.type != ADDRESS_ABSENT && redirdev->info.address.type != ADDRESS_USB)
            return error_set(err, ERROR_XML_INVALID, "Invalid address for a USB device");
    }
    return true;
}

/* ---- what all devices have ---- */

typedef struct DeviceCheck {
    const DomainDef *def;
    GHashTable *aliases, *orders;
    Error **err;
} DeviceCheck;

static bool check_device_info(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    DeviceCheck *check = arg;
    if (!info)
        return true;
    /* The console that is the first serial port has its name. */
    bool is_named = info->alias && g_str_has_prefix(info->alias, "ua-") && kind != DEVICE_CONSOLE;
    if (is_named && !g_hash_table_add(check->aliases, info->alias))
        return error_set(check->err, ERROR_CONFIG_UNSUPPORTED, "non unique alias detected: %s", info->alias);
    if (info->address.type == ADDRESS_CCW && domain_is_x86(check->def))
        return error_set(check->err, ERROR_CONFIG_UNSUPPORTED,
                         "cannot use CCW address type for a %s using machine type '%s'",
                         enum_name(&device_kind_names, kind), check->def->os.machine ?: "");
    if (info->address.type == ADDRESS_VIRTIO_SERIAL && !info->address.wants_numbers &&
        !domain_find_controller(check->def, CONTROLLER_VIRTIO_SERIAL, info->address.virtio_serial.controller))
        return error_set(check->err, ERROR_XML_INVALID, "virtio serial controller %u is missing",
                         info->address.virtio_serial.controller);
    if (info->rom_enabled == TRISTATE_OFF && (info->rom_bar != TRISTATE_ABSENT || info->rom_file))
        return error_set(check->err, ERROR_CONFIG_UNSUPPORTED,
                         "ROM tuning is not supported when ROM is disabled");
    if (info->boot_loadparm && strlen(info->boot_loadparm) > 8)
        return error_set(check->err, ERROR_INTERNAL, "loadparm value '%s' must be between 1 and 8 characters",
                         info->boot_loadparm);
    if (info->boot_order && !g_hash_table_add(check->orders, GUINT_TO_POINTER(info->boot_order)))
        return error_set(check->err, ERROR_CONFIG_UNSUPPORTED,
                         "boot order '%u' used for more than one device", info->boot_order);
    return true;
}

bool domain_check_devices(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) orders = g_hash_table_new(NULL, NULL);
    DeviceCheck check = { def, aliases, orders, err };
    if (!domain_each_device((DomainDef *)def, check_device_info, &check))
        return false;
    if (def->os.boot.count && g_hash_table_size(orders))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "per-device boot elements cannot be used together with os/boot elements");
    return check_iommu(def, err) && check_panics(def, err) && check_watchdogs(def, err) &&
           check_small_devices(def, err);
}
