/* Controllers, input devices and the small devices: balloon, RNG, watchdog, panic, hub, redirection, IOMMU.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

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

static const char *pci_driver(const ControllerDef *controller)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_PCI_BRIDGE:
        return "pci-bridge";
    case CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE:
        return "i82801b11-bridge";
    case CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE:
        return "pcie-pci-bridge";
    case CONTROLLER_MODEL_PCIE_ROOT_PORT:
        return controller->pci_model == PCI_MODEL_IOH3420 ? "ioh3420" : "pcie-root-port";
    case CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT:
        return "x3130-upstream";
    case CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT:
        return "xio3130-downstream";
    case CONTROLLER_MODEL_PCI_EXPANDER_BUS:
        return "pxb";
    case CONTROLLER_MODEL_PCIE_EXPANDER_BUS:
        return "pxb-pcie";
    default:
        return NULL;
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

static const char *scsi_driver(const ControllerDef *controller)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_LSILOGIC:
        return "lsi53c895a";
    case CONTROLLER_MODEL_LSISAS1068:
        return "mptsas1068";
    case CONTROLLER_MODEL_LSISAS1078:
        return "megasas";
    case CONTROLLER_MODEL_VMPVSCSI:
        return "pvscsi";
    case CONTROLLER_MODEL_DC390:
        return "dc390";
    case CONTROLLER_MODEL_AM53C974:
        return "am53c974";
    default:
        return NULL;
    }
}

static VirtioModel controller_virtio_model(const ControllerDef *controller)
{
    return controller->model == CONTROLLER_MODEL_VIRTIO_TRANSITIONAL       ? VIRTIO_MODEL_TRANSITIONAL
           : controller->model == CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL ? VIRTIO_MODEL_NON_TRANSITIONAL
                                                                           : VIRTIO_MODEL_VIRTIO;
}

static const char *usb_driver(const ControllerDef *controller)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_PIIX3_UHCI:
        return "piix3-usb-uhci";
    case CONTROLLER_MODEL_PIIX4_UHCI:
        return "piix4-usb-uhci";
    case CONTROLLER_MODEL_EHCI:
        return "usb-ehci";
    case CONTROLLER_MODEL_ICH9_EHCI1:
        return "ich9-usb-ehci1";
    case CONTROLLER_MODEL_ICH9_UHCI1:
        return "ich9-usb-uhci1";
    case CONTROLLER_MODEL_ICH9_UHCI2:
        return "ich9-usb-uhci2";
    case CONTROLLER_MODEL_ICH9_UHCI3:
        return "ich9-usb-uhci3";
    case CONTROLLER_MODEL_VT82C686B_UHCI:
        return "vt82c686b-usb-uhci";
    case CONTROLLER_MODEL_PCI_OHCI:
        return "pci-ohci";
    case CONTROLLER_MODEL_NEC_XHCI:
        return "nec-usb-xhci";
    case CONTROLLER_MODEL_QEMU_XHCI:
        return "qemu-xhci";
    default:
        return NULL;
    }
}

static char *controller_driver(const ControllerDef *controller)
{
    const char *driver = NULL;
    switch (controller->type) {
    case CONTROLLER_PCI:
        driver = pci_driver(controller);
        break;
    case CONTROLLER_SCSI:
        driver = scsi_driver(controller);
        if (!driver)
            return virtio_driver("virtio-scsi", controller_virtio_model(controller), &controller->info);
        break;
    case CONTROLLER_VIRTIO_SERIAL:
        return virtio_driver("virtio-serial", controller_virtio_model(controller), &controller->info);
    case CONTROLLER_SATA:
        driver = "ich9-ahci";
        break;
    case CONTROLLER_FDC:
        driver = "isa-fdc";
        break;
    case CONTROLLER_CCID:
        driver = "usb-ccid";
        break;
    case CONTROLLER_USB:
        driver = usb_driver(controller);
        break;
    default:
        break;
    }
    return g_strdup(driver);
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
    g_autofree char *bus = g_strdup_printf("%s.0", controller->info.alias);
    prop_str(device, "masterbus", bus);
    prop_uint(device, "firstport", controller->info.usb_master_port);
}

static void prop_virtio_controller(Json *device, const ControllerDef *controller)
{
    if (controller->iothread.is_set) {
        g_autofree char *iothread = g_strdup_printf("iothread%u", controller->iothread.value);
        prop_str(device, "iothread", iothread);
    }
    prop_opt(device, "num_queues", controller->queues);
    prop_opt(device, "cmd_per_lun", controller->cmd_per_lun);
    prop_opt(device, "max_sectors", controller->max_sectors);
    prop_tristate(device, "ioeventfd", controller->ioeventfd);
    if (controller->type == CONTROLLER_VIRTIO_SERIAL) {
        prop_opt(device, "max_ports", controller->ports);
        prop_opt(device, "vectors", controller->vectors);
    }
    prop_virtio(device, &controller->virtio);
}

static bool build_controller(Builder *b, const ControllerDef *controller, Error **err)
{
    g_autofree char *driver = controller_driver(controller);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "controller type '%s' model '%s' is not supported",
                         enum_name(&controller_type_names, controller->type),
                         enum_name(&controller_model_names, controller->model));
    if (!device_require(b->caps, driver, err))
        return false;
    AUTO_JSON device = device_new(driver);
    prop_pci_controller(device, controller);
    if (controller->type == CONTROLLER_USB)
        prop_usb_controller(device, controller);
    if (controller->type == CONTROLLER_SCSI || controller->type == CONTROLLER_VIRTIO_SERIAL)
        prop_virtio_controller(device, controller);
    /* Companions share the bus of their EHCI controller and have no name of their own. */
    if (controller->info.has_usb_master) {
        prop_usb_master(device, controller);
        DeviceInfo nameless = controller->info;
        nameless.alias = NULL;
        if (!prop_info(device, b->def, &nameless, err))
            return false;
    } else if (!prop_info(device, b->def, &controller->info, err)) {
        return false;
    }
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool has_floppy_on_board(const DomainDef *def)
{
    return !strstr(def->os.machine, "q35"); /* i440fx boards bring their floppy controller */
}

bool build_controllers(Builder *b, Error **err)
{
    /* Bridges first: what sits on a bus must find it. */
    static const ControllerType order[] = { CONTROLLER_PCI,  CONTROLLER_USB,           CONTROLLER_SCSI,
                                            CONTROLLER_SATA, CONTROLLER_VIRTIO_SERIAL, CONTROLLER_FDC };

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        unsigned index = 0;
        for (DEF_EACH(ControllerDef, controller, b->def->controllers)) {
            index++;
            if (controller->type != order[i] || is_builtin(controller) ||
                controller->model == CONTROLLER_MODEL_NONE)
                continue;
            if (controller->type == CONTROLLER_FDC && has_floppy_on_board(b->def))
                continue;
            builder_at(b, "/domain/devices/controller[%u]", index);
            if (!build_controller(b, controller, err))
                return false;
        }
    }
    unsigned index = 0;
    for (DEF_EACH(HubDef, hub, b->def->hubs)) {
        AUTO_JSON device = device_new("usb-hub");
        builder_at(b, "/domain/devices/hub[%u]", ++index);
        if (!prop_info(device, b->def, &hub->info, err))
            return false;
        add_json(b, "-device", g_steal_pointer(&device));
    }
    index = 0;
    for (DEF_EACH(ControllerDef, controller, b->def->controllers)) {
        index++;
        if (controller->type != CONTROLLER_CCID)
            continue;
        builder_at(b, "/domain/devices/controller[%u]", index);
        if (!build_controller(b, controller, err))
            return false;
    }
    return true;
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

static bool build_input(Builder *b, const InputDef *input, Error **err)
{
    if (input->type == INPUT_EVDEV) {
        Json *object = json_object();
        prop_str(object, "qom-type", "input-linux");
        prop_str(object, "id", input->info.alias);
        prop_str(object, "evdev", input->source);
        prop_tristate(object, "repeat", input->repeat);
        if (input->grab)
            prop_bool(object, "grab_all", true);
        prop_str(object, "grab-toggle", input->grab_toggle);
        add_json(b, "-object", object);
        return true;
    }
    if (input->bus == INPUT_BUS_PS2 || input->bus == INPUT_BUS_NONE)
        return true; /* part of the board */
    g_autofree char *driver = input_driver(input);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "input type '%s' on bus '%s' is not supported",
                         enum_name(&input_type_names, input->type), enum_name(&input_bus_names, input->bus));
    if (!device_require(b->caps, driver, err))
        return false;
    AUTO_JSON device = device_new(driver);
    if (input->type == INPUT_PASSTHROUGH)
        prop_str(device, "evdev", input->source);
    if (input->bus == INPUT_BUS_VIRTIO)
        prop_virtio(device, &input->virtio);
    if (!prop_info(device, b->def, &input->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

bool build_inputs(Builder *b, Error **err)
{
    unsigned index = 0;
    for (DEF_EACH(InputDef, input, b->def->inputs)) {
        builder_at(b, "/domain/devices/input[%u]", ++index);
        if (!build_input(b, input, err))
            return false;
    }
    return true;
}

/* ---- the rest ---- */

static bool build_watchdog(Builder *b, const WatchdogDef *watchdog, Error **err)
{
    static const char *const drivers[] = {
        [WATCHDOG_I6300ESB] = "i6300esb", [WATCHDOG_IB700] = "ib700", [WATCHDOG_DIAG288] = "diag288"
    };
    const char *driver = watchdog->model < G_N_ELEMENTS(drivers) ? drivers[watchdog->model] : NULL;

    if (driver) {
        if (!device_require(b->caps, driver, err))
            return false;
        AUTO_JSON device = device_new(driver);
        if (!prop_info(device, b->def, &watchdog->info, err))
            return false;
        add_json(b, "-device", g_steal_pointer(&device));
    } else if (watchdog->model != WATCHDOG_ITCO) { /* iTCO is part of q35 */
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "watchdog model '%s' is not supported",
                         enum_name(&watchdog_model_names, watchdog->model));
    }
    /* A dump is taken by us: QEMU pauses meanwhile. */
    const char *action = watchdog->action == WATCHDOG_ACTION_DUMP ? "pause"
                         : watchdog->action == WATCHDOG_ACTION_ABSENT
                             ? "reset"
                             : enum_name(&watchdog_action_names, watchdog->action);
    add_text(b, "-watchdog-action", "%s", action);
    return true;
}

static bool build_memballoon(Builder *b, const MemballoonDef *balloon, Error **err)
{
    VirtioModel model = balloon->model == MEMBALLOON_VIRTIO_TRANSITIONAL       ? VIRTIO_MODEL_TRANSITIONAL
                        : balloon->model == MEMBALLOON_VIRTIO_NON_TRANSITIONAL ? VIRTIO_MODEL_NON_TRANSITIONAL
                                                                               : VIRTIO_MODEL_VIRTIO;
    g_autofree char *driver = virtio_driver("virtio-balloon", model, &balloon->info);
    if (!device_require(b->caps, driver, err))
        return false;
    AUTO_JSON device = device_new(driver);
    prop_str(device, "id", balloon->info.alias);
    prop_tristate(device, "deflate-on-oom", balloon->autodeflate);
    prop_tristate(device, "free-page-reporting", balloon->free_page_reporting);
    prop_virtio(device, &balloon->virtio);
    if (!prop_info(device, b->def, &balloon->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool build_rng(Builder *b, const RngDef *rng, Error **err)
{
    g_autofree char *driver = virtio_driver("virtio-rng", rng->model, &rng->info);
    g_autofree char *id = g_strdup_printf("obj%s", rng->info.alias);
    if (!device_require(b->caps, driver, err))
        return false;

    if (rng->backend == RNG_BACKEND_EGD && rng->source &&
        !build_chardev(b, rng->info.alias, rng->source, err))
        return false;
    Json *object = json_object();
    prop_str(object, "qom-type",
             rng->backend == RNG_BACKEND_BUILTIN ? "rng-builtin"
             : rng->backend == RNG_BACKEND_EGD   ? "rng-egd"
                                                 : "rng-random");
    prop_str(object, "id", id);
    if (rng->backend == RNG_BACKEND_EGD) {
        g_autofree char *chardev = g_strdup_printf("char%s", rng->info.alias);
        prop_str(object, "chardev", chardev);
    } else if (rng->backend == RNG_BACKEND_RANDOM) {
        prop_str(object, "filename", rng->device ? rng->device : "/dev/random");
    }
    add_json(b, "-object", object);

    AUTO_JSON device = device_new(driver);
    prop_str(device, "rng", id);
    prop_str(device, "id", rng->info.alias);
    if (rng->rate_bytes.is_set) {
        prop_uint(device, "max-bytes", rng->rate_bytes.value);
        prop_uint(device, "period", rng->rate_period_ms.is_set ? rng->rate_period_ms.value : 1000);
    }
    prop_virtio(device, &rng->virtio);
    if (!prop_info(device, b->def, &rng->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool build_panic(Builder *b, const PanicDef *panic, Error **err)
{
    if (panic->model == PANIC_HYPERV)
        return true; /* a CPU feature */
    if (panic->model != PANIC_ISA && panic->model != PANIC_PVPANIC)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "panic model '%s' is not supported",
                         enum_name(&panic_model_names, panic->model));
    bool pci = panic->model == PANIC_PVPANIC;
    if (!device_require(b->caps, pci ? "pvpanic-pci" : "pvpanic", err))
        return false;
    AUTO_JSON device = device_new(pci ? "pvpanic-pci" : "pvpanic");
    if (pci) {
        if (!prop_info(device, b->def, &panic->info, err))
            return false;
    } else if (panic->info.address.type == ADDRESS_ISA && panic->info.address.isa.iobase) {
        prop_uint(device, "ioport", panic->info.address.isa.iobase);
    }
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool build_redirdev(Builder *b, const RedirdevDef *redirdev, Error **err)
{
    g_autofree char *chardev = g_strdup_printf("char%s", redirdev->info.alias);
    if (!device_require(b->caps, "usb-redir", err) ||
        !build_chardev(b, redirdev->info.alias, &redirdev->source, err))
        return false;
    AUTO_JSON device = device_new("usb-redir");
    prop_str(device, "chardev", chardev);
    prop_str(device, "id", redirdev->info.alias);
    if (redirdev->info.boot_order)
        prop_uint(device, "bootindex", redirdev->info.boot_order);
    if (!prop_info(device, b->def, &redirdev->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool build_iommu(Builder *b, const IommuDef *iommu, Error **err)
{
    const char *driver = iommu->model == IOMMU_INTEL    ? "intel-iommu"
                         : iommu->model == IOMMU_VIRTIO ? "virtio-iommu-pci"
                                                        : NULL;
    if (!driver || !device_require(b->caps, driver, err))
        return driver ? false
                      : error_set(err, ERROR_CONFIG_UNSUPPORTED, "IOMMU model '%s' is not supported",
                                  enum_name(&iommu_model_names, iommu->model));
    AUTO_JSON device = device_new(driver);
    prop_on_off(device, "intremap", iommu->intremap);
    prop_tristate(device, "caching-mode", iommu->caching_mode);
    prop_on_off(device, "eim", iommu->eim);
    prop_tristate(device, "device-iotlb", iommu->iotlb);
    if (iommu->aw_bits)
        prop_uint(device, "aw-bits", iommu->aw_bits);
    if (!prop_info(device, b->def, &iommu->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

/* What the definition names and this version can't build: an error instead of a machine without the device.
 */
static bool refuse_unsupported(const DomainDef *def, Error **err)
{
    const struct {
        const char *what;
        unsigned count;
    } rows[] = {
        { "filesystem", def_list_len(def->filesystems) },
        { "hostdev", def_list_len(def->hostdevs) },
        { "tpm", def_list_len(def->tpms) },
        { "shmem", def_list_len(def->shmems) },
        { "memory", def_list_len(def->memory_devices) },
        { "lease", def_list_len(def->leases) },
        { "vsock", def->vsock != NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].count)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "<%s> devices are not supported by this version",
                             rows[i].what);
    }
    return true;
}

bool build_other_devices(Builder *b, Error **err)
{
    const DomainDef *def = b->def;
    unsigned index = 0;

    if (!refuse_unsupported(def, err))
        return false;
    for (DEF_EACH(WatchdogDef, watchdog, def->watchdogs)) {
        builder_at(b, "/domain/devices/watchdog[%u]", ++index);
        if (!build_watchdog(b, watchdog, err))
            return false;
    }
    index = 0;
    for (DEF_EACH(RedirdevDef, redirdev, def->redirdevs)) {
        builder_at(b, "/domain/devices/redirdev[%u]", ++index);
        if (!build_redirdev(b, redirdev, err))
            return false;
    }
    builder_at(b, "/domain/devices/memballoon");
    if (def->memballoon && def->memballoon->model != MEMBALLOON_NONE &&
        !build_memballoon(b, def->memballoon, err))
        return false;
    index = 0;
    for (DEF_EACH(RngDef, rng, def->rngs)) {
        builder_at(b, "/domain/devices/rng[%u]", ++index);
        if (!build_rng(b, rng, err))
            return false;
    }
    index = 0;
    for (DEF_EACH(PanicDef, panic, def->panics)) {
        builder_at(b, "/domain/devices/panic[%u]", ++index);
        if (!build_panic(b, panic, err))
            return false;
    }
    builder_at(b, "/domain/devices/iommu");
    return !def->iommu || build_iommu(b, def->iommu, err);
}
