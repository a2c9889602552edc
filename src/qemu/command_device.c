/* Controllers, input devices and the small devices: balloon, RNG, watchdog, panic, hub, redirection, IOMMU.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/domain_defaults.h"
#include "qemu/command_private.h"

/* ---- controllers ---- */

static bool is_builtin(const ControllerDef *controller)
{
    switch (controller->type) {
    case CONTROLLER_PCI:
        return controller->model == CONTROLLER_MODEL_PCI_ROOT ||
               controller->model == CONTROLLER_MODEL_PCIE_ROOT;
    case CONTROLLER_IDE:
        return true;
    case CONTROLLER_SATA: /* the one of q35's chip set */
        return controller->index.value == 0 && controller->info.address.type == ADDRESS_PCI &&
               controller->info.address.pci.bus == 0 && controller->info.address.pci.slot == 0x1f;
    case CONTROLLER_ISA:
        return true;
    default:
        return false;
    }
}

static void prop_pci_controller(Json *device, const ControllerDef *controller)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_PCI_BRIDGE:
        prop_opt(device, "chassis_nr", controller->chassis_nr);
        break;
    case CONTROLLER_MODEL_PCIE_ROOT_PORT:
    case CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT:
        prop_opt(device, "port", controller->port);
        prop_opt(device, "chassis", controller->chassis);
        if (controller->hotplug == TRISTATE_OFF)
            prop_bool(device, "hotplug", false);
        break;
    case CONTROLLER_MODEL_PCI_EXPANDER_BUS:
    case CONTROLLER_MODEL_PCIE_EXPANDER_BUS:
        prop_opt(device, "bus_nr", controller->bus_nr);
        prop_opt(device, "numa_node", controller->numa_node);
        break;
    default:
        break;
    }
}

static VirtioModel controller_virtio_model(const ControllerDef *controller)
{
    return controller->model == CONTROLLER_MODEL_VIRTIO_TRANSITIONAL       ? VIRTIO_MODEL_TRANSITIONAL
           : controller->model == CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL ? VIRTIO_MODEL_NON_TRANSITIONAL
                                                                           : VIRTIO_MODEL_VIRTIO;
}

static char *controller_driver(const ControllerDef *controller)
{
    static const char *const by_model[CONTROLLER_MODEL_COUNT] = {
        [CONTROLLER_MODEL_PCI_BRIDGE] = "pci-bridge",
        [CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE] = "i82801b11-bridge",
        [CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE] = "pcie-pci-bridge",
        [CONTROLLER_MODEL_PCIE_ROOT_PORT] = "pcie-root-port",
        [CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT] = "x3130-upstream",
        [CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT] = "xio3130-downstream",
        [CONTROLLER_MODEL_PCI_EXPANDER_BUS] = "pxb",
        [CONTROLLER_MODEL_PCIE_EXPANDER_BUS] = "pxb-pcie",
        [CONTROLLER_MODEL_LSILOGIC] = "lsi53c895a",
        [CONTROLLER_MODEL_LSISAS1068] = "mptsas1068",
        [CONTROLLER_MODEL_LSISAS1078] = "megasas",
        [CONTROLLER_MODEL_VMPVSCSI] = "pvscsi",
        [CONTROLLER_MODEL_DC390] = "dc390",
        [CONTROLLER_MODEL_AM53C974] = "am53c974",
        [CONTROLLER_MODEL_PIIX3_UHCI] = "piix3-usb-uhci",
        [CONTROLLER_MODEL_PIIX4_UHCI] = "piix4-usb-uhci",
        [CONTROLLER_MODEL_EHCI] = "usb-ehci",
        [CONTROLLER_MODEL_ICH9_EHCI1] = "ich9-usb-ehci1",
        [CONTROLLER_MODEL_ICH9_UHCI1] = "ich9-usb-uhci1",
        [CONTROLLER_MODEL_ICH9_UHCI2] = "ich9-usb-uhci2",
        [CONTROLLER_MODEL_ICH9_UHCI3] = "ich9-usb-uhci3",
        [CONTROLLER_MODEL_VT82C686B_UHCI] = "vt82c686b-usb-uhci",
        [CONTROLLER_MODEL_PCI_OHCI] = "pci-ohci",
        [CONTROLLER_MODEL_NEC_XHCI] = "nec-usb-xhci",
        [CONTROLLER_MODEL_QEMU_XHCI] = "qemu-xhci",
    };
    switch (controller->type) {
    case CONTROLLER_SCSI:
        if (by_model[controller->model])
            break;
        return virtio_driver("virtio-scsi", controller_virtio_model(controller), &controller->info);
    case CONTROLLER_VIRTIO_SERIAL:
        return virtio_driver("virtio-serial", controller_virtio_model(controller), &controller->info);
    case CONTROLLER_SATA:
        return g_strdup("ich9-ahci");
    case CONTROLLER_FDC:
        return g_strdup("isa-fdc");
    case CONTROLLER_CCID:
        return g_strdup("usb-ccid");
    case CONTROLLER_PCI:
    case CONTROLLER_USB:
        break;
    default:
        return NULL;
    }
    return g_strdup(controller->pci_model == PCI_MODEL_IOH3420 ? "ioh3420" : by_model[controller->model]);
}

static void prop_usb_controller(Json *device, const ControllerDef *controller)
{
    if (controller->ports.is_set) {
        prop_uint(device, "p2", controller->ports.value);
        prop_uint(device, "p3", controller->ports.value);
    }
}

static void prop_usb_master(Json *device, const ControllerDef *controller)
{
    if (!controller->info.has_usb_master)
        return;
    prop_format(device, "masterbus", "%s.0", controller->info.alias);
    prop_uint(device, "firstport", controller->info.usb_master_port);
}

static bool has_scsi_chip(const ControllerDef *controller)
{
    return controller->model >= CONTROLLER_MODEL_BUSLOGIC && controller->model <= CONTROLLER_MODEL_AM53C974 &&
           controller->model != CONTROLLER_MODEL_VIRTIO_SCSI &&
           controller->model != CONTROLLER_MODEL_IBMVSCSI;
}

static void prop_virtio_controller(Json *device, const ControllerDef *controller)
{
    if (controller->iothread.is_set)
        prop_format(device, "iothread", "iothread%u", controller->iothread.value);
    prop_opt(device, "num_queues", controller->queues);
    prop_opt(device, "cmd_per_lun", controller->cmd_per_lun);
    prop_opt(device, "max_sectors", controller->max_sectors);
    prop_tristate(device, "ioeventfd", controller->ioeventfd);
    if (controller->type == CONTROLLER_VIRTIO_SERIAL) {
        prop_opt(device, "max_ports", controller->ports);
        prop_opt(device, "vectors", controller->vectors);
    }
    if (controller->type != CONTROLLER_SCSI || !has_scsi_chip(controller))
        prop_virtio(device, &controller->virtio);
}

/* i440fx brings its floppy controller, q35 can be given one; other boards have no place for it. */
static bool check_floppy_controller(const DomainDef *def, Error **err)
{
    return domain_is_i440fx(def) || domain_is_q35(def) ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED, "floppy drives are unsupported by machine type '%s'",
                     def->os.machine);
}

/* What is said of the buses that the board brings. */
static void plan_root_bus(const ControllerDef *root, Plan *plan)
{
    bool is_pcie = root->model == CONTROLLER_MODEL_PCIE_ROOT;
    if (root->has_pcihole64)
        plan_text(plan, "-global", "%s.pci-hole64-size=%" G_GUINT64_FORMAT "K",
                  is_pcie ? "q35-pcihost" : "i440FX-pcihost", root->pcihole64_bytes / 1024);
    if (!is_pcie && root->hotplug != TRISTATE_ABSENT)
        plan_text(plan, "-global", "PIIX4_PM.acpi-root-pci-hotplug=%s",
                  root->hotplug == TRISTATE_ON ? "on" : "off");
}

/* Drives boot by properties of their controller. On i440fx, which brings it, -global has them. */
static void prop_floppy_boot(const PlanContext *c, Json *device)
{
    for (DEF_EACH(DiskDef, disk, c->def->disks)) {
        unsigned index = disk->bus == DISK_BUS_FDC ? disk_boot_index(c, disk) : 0;
        prop_some(device, disk->info.address.drive.unit ? "bootindexB" : "bootindexA", index);
    }
}

static bool has_floppy_drive(const DomainDef *def)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->bus == DISK_BUS_FDC)
            return true;
    }
    return false;
}

bool plan_controller(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const ControllerDef *controller = def;
    if (controller->type == CONTROLLER_PCI && is_builtin(controller))
        plan_root_bus(controller, plan);
    if (is_builtin(controller) || controller->model == CONTROLLER_MODEL_NONE)
        return true;
    if (controller->type == CONTROLLER_FDC && !check_floppy_controller(c->def, err))
        return false;
    if (controller->type == CONTROLLER_FDC && (domain_is_i440fx(c->def) || !has_floppy_drive(c->def)))
        return true;
    g_autofree char *driver = controller_driver(controller);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "controller type '%s' model '%s' is not supported",
                         enum_name(&controller_type_names, controller->type),
                         enum_name(&controller_model_names, controller->model));
    Json *device = device_new(driver);
    prop_pci_controller(device, controller);
    if (controller->type == CONTROLLER_USB)
        prop_usb_controller(device, controller);
    if (controller->type == CONTROLLER_SCSI || controller->type == CONTROLLER_VIRTIO_SERIAL)
        prop_virtio_controller(device, controller);
    prop_usb_master(device, controller);
    /* Companions share the bus of their EHCI controller and have no name of their own. */
    DeviceInfo info = controller->info;
    if (info.has_usb_master || controller->type == CONTROLLER_FDC)
        info.alias = NULL;
    if (controller->type == CONTROLLER_FDC)
        prop_floppy_boot(c, device);
    return add_device(c, plan, device, &info, err);
}

bool plan_hub(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    return add_device(c, plan, device_new("usb-hub"), &((const HubDef *)def)->info, err);
}

/* ---- input ---- */

static char *input_driver(const InputDef *input)
{
    static const char *const virtio[] = { [INPUT_MOUSE] = "virtio-mouse",
                                          [INPUT_TABLET] = "virtio-tablet",
                                          [INPUT_KEYBOARD] = "virtio-keyboard",
                                          [INPUT_PASSTHROUGH] = "virtio-input-host" };
    static const char *const usb[] = {
        [INPUT_MOUSE] = "usb-mouse", [INPUT_TABLET] = "usb-tablet", [INPUT_KEYBOARD] = "usb-kbd"
    };

    if (input->bus == INPUT_BUS_VIRTIO && input->type < G_N_ELEMENTS(virtio) && virtio[input->type])
        return virtio_driver(virtio[input->type], input->model, &input->info);
    if (input->bus == INPUT_BUS_USB && input->type < G_N_ELEMENTS(usb) && usb[input->type])
        return g_strdup(usb[input->type]);
    return NULL;
}

bool plan_input(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const InputDef *input = def;
    if (input->type == INPUT_EVDEV) {
        Json *object = json_object();
        prop_str(object, "qom-type", "input-linux");
        prop_str(object, "id", input->info.alias);
        prop_str(object, "evdev", input->source);
        prop_tristate(object, "repeat", input->repeat);
        if (input->grab)
            prop_bool(object, "grab_all", true);
        prop_str(object, "grab-toggle", input->grab_toggle);
        plan_add(plan, PLAN_OBJECT, object);
        return true;
    }
    if (input->bus == INPUT_BUS_PS2 || input->bus == INPUT_BUS_NONE)
        return true; /* part of the board */
    g_autofree char *driver = input_driver(input);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "input type '%s' on bus '%s' is not supported",
                         enum_name(&input_type_names, input->type), enum_name(&input_bus_names, input->bus));
    Json *device = device_new(driver);
    if (input->type == INPUT_PASSTHROUGH)
        prop_str(device, "evdev", input->source);
    if (input->bus == INPUT_BUS_VIRTIO)
        prop_virtio(device, &input->virtio);
    return add_device(c, plan, device, &input->info, err);
}

/* ---- the rest ---- */

bool plan_watchdog(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const WatchdogDef *watchdog = def;
    static const char *const drivers[] = {
        [WATCHDOG_I6300ESB] = "i6300esb", [WATCHDOG_IB700] = "ib700", [WATCHDOG_DIAG288] = "diag288"
    };
    const char *driver = watchdog->model < G_N_ELEMENTS(drivers) ? drivers[watchdog->model] : NULL;

    if (c->is_hot && watchdog->model != WATCHDOG_I6300ESB && watchdog->model != WATCHDOG_DIAG288)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "hotplug of watchdog of model %s is not supported",
                         enum_name(&watchdog_model_names, watchdog->model));
    if (driver) {
        Json *device = device_new(driver);
        if (!add_device(c, plan, device, &watchdog->info, err))
            return false;
    } else if (watchdog->model != WATCHDOG_ITCO) { /* iTCO is part of q35 */
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "watchdog model '%s' is not supported",
                         enum_name(&watchdog_model_names, watchdog->model));
    }
    /* A dump is taken by us: QEMU pauses meanwhile. */
    const char *action = watchdog->action == WATCHDOG_ACTION_DUMP ? "pause"
                         : watchdog->action == WATCHDOG_ACTION_ABSENT
                             ? "reset"
                             : enum_name(&watchdog_action_names, watchdog->action);
    plan_add(plan, PLAN_WATCHDOG, json_pack("{s:s}", "action", action));
    return true;
}

bool plan_memballoon(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const MemballoonDef *balloon = def;
    if (balloon->model == MEMBALLOON_NONE)
        return true;
    VirtioModel model = balloon->model == MEMBALLOON_VIRTIO_TRANSITIONAL       ? VIRTIO_MODEL_TRANSITIONAL
                        : balloon->model == MEMBALLOON_VIRTIO_NON_TRANSITIONAL ? VIRTIO_MODEL_NON_TRANSITIONAL
                                                                               : VIRTIO_MODEL_VIRTIO;
    g_autofree char *driver = virtio_driver("virtio-balloon", model, &balloon->info);
    Json *device = device_new(driver);
    prop_str(device, "id", balloon->info.alias);
    prop_tristate(device, "deflate-on-oom", balloon->autodeflate);
    prop_tristate(device, "free-page-reporting", balloon->free_page_reporting);
    prop_virtio(device, &balloon->virtio);
    return add_device(c, plan, device, &balloon->info, err);
}

bool plan_rng(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const RngDef *rng = def;
    g_autofree char *driver = virtio_driver("virtio-rng", rng->model, &rng->info);
    g_autofree char *id = g_strdup_printf("obj%s", rng->info.alias);

    if (rng->backend == RNG_BACKEND_EGD && rng->source &&
        !plan_chardev(c, rng->info.alias, rng->source, "usbredir", plan, err))
        return false;
    Json *object = json_object();
    prop_str(object, "qom-type",
             rng->backend == RNG_BACKEND_BUILTIN ? "rng-builtin"
             : rng->backend == RNG_BACKEND_EGD   ? "rng-egd"
                                                 : "rng-random");
    prop_str(object, "id", id);
    if (rng->backend == RNG_BACKEND_EGD)
        prop_format(object, "chardev", "char%s", rng->info.alias);
    else if (rng->backend == RNG_BACKEND_RANDOM)
        prop_str(object, "filename", rng->device ? rng->device : "/dev/random");
    plan_add(plan, PLAN_OBJECT, object);

    Json *device = device_new(driver);
    prop_str(device, "rng", id);
    prop_str(device, "id", rng->info.alias);
    if (rng->rate_bytes.is_set) {
        prop_uint(device, "max-bytes", rng->rate_bytes.value);
        prop_uint(device, "period", rng->rate_period_ms.is_set ? rng->rate_period_ms.value : 1000);
    }
    prop_virtio(device, &rng->virtio);
    return add_device(c, plan, device, &rng->info, err);
}

bool plan_panic(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const PanicDef *panic = def;
    if (panic->model == PANIC_HYPERV)
        return true; /* a CPU feature */
    if (panic->model != PANIC_ISA && panic->model != PANIC_PVPANIC)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "panic model '%s' is not supported",
                         enum_name(&panic_model_names, panic->model));
    bool pci = panic->model == PANIC_PVPANIC;
    Json *device = device_new(pci ? "pvpanic-pci" : "pvpanic");
    if (!pci && panic->info.address.type == ADDRESS_ISA && panic->info.address.isa.iobase)
        prop_uint(device, "ioport", panic->info.address.isa.iobase);
    return add_device(c, plan, device, pci ? &panic->info : NULL, err);
}

static void append_filter(GString *out, OptU32 number, int digits)
{
    if (number.is_set)
        g_string_append_printf(out, "0x%0*X:", digits, number.value);
    else
        g_string_append(out, "-1:");
}

static void prop_redir_filter(Json *device, const RedirFilter *filter)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (!filter || !def_list_len(filter->rules))
        return;
    for (DEF_EACH(UsbFilter, rule, filter->rules)) {
        if (out->len)
            g_string_append_c(out, '|');
        append_filter(out, rule->usb_class, 2);
        append_filter(out, rule->vendor, 4);
        append_filter(out, rule->product, 4);
        append_filter(out, rule->version, 4);
        g_string_append_c(out, rule->allow == TRISTATE_ON ? '1' : '0');
    }
    prop_str(device, "filter", out->str);
}

bool plan_redirdev(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const RedirdevDef *redirdev = def;
    if (!plan_chardev(c, redirdev->info.alias, &redirdev->source, "usbredir", plan, err))
        return false;
    Json *device = char_device_new(&redirdev->info, "usb-redir");
    prop_str(device, "id", redirdev->info.alias);
    prop_redir_filter(device, c->def->redirfilter);
    prop_some(device, "bootindex", redirdev->info.boot_order);
    return add_device(c, plan, device, &redirdev->info, err);
}

bool plan_iommu(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const IommuDef *iommu = def;
    const char *driver = iommu->model == IOMMU_INTEL    ? "intel-iommu"
                         : iommu->model == IOMMU_VIRTIO ? "virtio-iommu-pci"
                                                        : NULL;
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "IOMMU model '%s' is not supported",
                         enum_name(&iommu_model_names, iommu->model));
    Json *device = device_new(driver);
    prop_on_off(device, "intremap", iommu->intremap);
    prop_tristate(device, "caching-mode", iommu->caching_mode);
    prop_on_off(device, "eim", iommu->eim);
    prop_tristate(device, "device-iotlb", iommu->iotlb);
    prop_some(device, "aw-bits", iommu->aw_bits);
    return add_device(c, plan, device, &iommu->info, err);
}
