/* Devices that are attached and detached. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "device"
#include "machine/vm_device.h"
#include "machine/vm_block_job.h"
#include "machine/vm_security.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "conf/domain_check.h"
#include "core/event.h"
#include "machine/vm_confine.h"
#include "machine/vm_device_private.h"
#include "machine/vm_helper.h"
#include "machine/vm_tune.h"
#include "qemu/address.h"

#define UNPLUG_PATIENCE_MS 5000
#define RECONCILE_MS 5000
#define MODIFY_FLAGS (VIR_DOMAIN_DEVICE_MODIFY_LIVE | VIR_DOMAIN_DEVICE_MODIFY_CONFIG)

/* ---- one device of a running machine ---- */

typedef struct Hot {
    Vm *vm;
    uint64_t serial; /* of the run */
    DeviceKind kind;
    void *device; /* in vm->live; NULL: not, or not any more */
    char *alias;
    PlanFds *fds;
    Plan *plan;
    PlanTarget target;
    QemuSecrets *secrets; /* of what comes; NULL */
    bool was_asked;       /* the guest was, to let go of it */
} Hot;

static void hot_clear(Hot *hot)
{
    if (hot->vm && hot->vm->run && hot->vm->run->serial == hot->serial)
        g_clear_pointer(&hot->vm->run->unplug_alias, g_free);
    g_free(hot->alias);
    g_clear_pointer(&hot->plan, plan_free);
    g_clear_pointer(&hot->fds, plan_fds_free);
    g_clear_pointer(&hot->secrets, qemu_secrets_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Hot, hot_clear)

static bool hot_runs(const Hot *hot)
{
    return hot->vm->run && hot->vm->run->serial == hot->serial && hot->vm->live;
}

void vm_unplug_expect(Vm *vm, const char *alias)
{
    VmRun *run = vm->run;

    g_free(run->unplug_alias);
    run->unplug_alias = g_strdup(alias);
    run->unplug_result = UNPLUG_PENDING;
}

bool vm_unplug_wait(Vm *vm, uint64_t serial, const char *alias, uint64_t timeout_ms, Error **err)
{
    const uint64_t deadline_ms = loop_now_ms() + timeout_ms;

    while (vm->run && vm->run->serial == serial && vm->live) {
        const UnplugResult result = vm->run->unplug_result;
        const uint64_t now_ms = loop_now_ms();
        if (result == UNPLUG_GONE)
            return true;
        if (result == UNPLUG_REFUSED)
            return error_set(err, ERROR_OPERATION_FAILED, "unplug of device was rejected by the guest");
        if (now_ms >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "the guest has not let go of device '%s'", alias);
        g_autoptr(Error) why = NULL;
        if (!wait_queue_wait(&vm->run->changed, deadline_ms - now_ms, &why) &&
            error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
    return error_set(err, ERROR_VM_GONE, "QEMU exited");
}

/* For PlanTarget.wait. */
static bool hot_wait(const char *alias, uint64_t timeout_ms, void *arg, Error **err)
{
    Hot *hot = arg;

    hot->was_asked = true;
    return vm_unplug_wait(hot->vm, hot->serial, alias, timeout_ms, err);
}

AWAITS static bool hot_begin(Hot *hot, Vm *vm, DeviceKind kind, Error **err)
{
    if (!vm_require_monitor(vm, err))
        return false;
    hot->vm = vm;
    hot->serial = vm->run->serial;
    hot->kind = kind;
    hot->fds = plan_fds_new();
    hot->target = (PlanTarget){
        .qmp = vm_monitor(vm), .fds = hot->fds, .wait = hot_wait, .timeout_ms = UNPLUG_PATIENCE_MS, .arg = hot
    };
    if (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err))
        return false;
    return vm_require_monitor(vm, err);
}

static void hot_expect(const Hot *hot)
{
    vm_unplug_expect(hot->vm, hot->alias);
}

static bool hot_plan(Hot *hot, Error **err)
{
    Vm *vm = hot->vm;
    const QemuCommandEnv env = { .lib_dir = vm->run->lib_dir,
                                 .secrets = hot->secrets,
                                 .nbd_tls_dir = vm->host->config->nbd_tls_x509_cert_dir,
                                 .chardev_tls_dir = vm->host->config->chardev_tls_x509_cert_dir,
                                 .chardev_tls = vm->host->config->chardev_tls,
                                 .chardev_tls_verify = vm->host->config->chardev_tls_x509_verify,
                                 .fds = hot->fds };
    const PlanContext context = { .def = vm->live,
                                  .caps = vm->run->caps,
                                  .env = &env,
                                  .machine = qemu_caps_machine(vm->run->caps, vm->live->os.machine),
                                  .is_hot = true };

    hot->plan = plan_new();
    return device_plan(&context, hot->kind, hot->device, hot->plan, err);
}

/* Takes the device out of the live document, with what it has of the host. */
AWAITS static void hot_forget(Hot *hot)
{
    Vm *vm = hot->vm;
    g_autoptr(Error) err = NULL;

    if (!hot_runs(hot) || !domain_steal_device(vm->live, hot->kind, hot->device))
        return;
    void *device = g_steal_pointer(&hot->device);
    if (hot->kind == DEVICE_INTERFACE)
        vm_release_interface(vm->host, device);
    else if (hot->kind == DEVICE_DISK)
        vm_disk_release(vm, device);
    else
        vm_confine_remove_device(vm, hot->kind, device);
    if (hot->alias)
        vm_helpers_stop_device(vm, hot->alias);
    vm_release_hostdev(vm->host, hot->kind, device);
    xml_table_free(device_table(hot->kind), device);
    if (hot_runs(hot) && !vm_status_save(vm, &err))
        log_error_error(err, "the status file of a machine has a device that is gone");
}

/* ---- attaching ---- */

static const char *const no_ports_hint =
    "machines of type q35 have as many places for new devices as free PCIe root ports: add some with "
    "<controller type='pci' model='pcie-root-port'/> and start the machine again; a card for conventional "
    "PCI "
    "(e1000, rtl8139) needs <controller type='pci' model='pcie-to-pci-bridge'/>";

/* Can a device of this kind come (or go) while the machine runs? */
static bool check_plug(DeviceKind kind, const void *device, bool comes, Error **err)
{
    const char *name = enum_name(&device_kind_names, kind);
    const DeviceInfo *info = device_info(kind, (void *)device);
    const bool is_pci = info && info->address.type == ADDRESS_PCI;

    if (!device_classes[kind].can_plug ||
        (kind == DEVICE_CONSOLE && ((const CharDef *)device)->target_type != CHAR_TARGET_VIRTIO))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "live %s of device '%s' is not supported",
                         comes ? "attach" : "detach", name);
    if (kind == DEVICE_INPUT && device_place(kind, device) == PLACE_NONE)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "input device on bus '%s' cannot be %s",
                         enum_name(&input_bus_names, ((const InputDef *)device)->bus),
                         comes ? "hot plugged." : "detached");
    if (comes && is_pci && info->address.pci.function != 0)
        return error_set(err, ERROR_INTERNAL, "Only PCI device addresses with function=0 are supported");
    return true;
}

/* The controller of @next that @device, of it, sits on; NULL: none, or @live has it. */
static const ControllerDef *find_new_bus(const DomainDef *live, const DomainDef *next, DeviceKind kind,
                                         void *device)
{
    const DeviceInfo *info = device_info(kind, device);
    const DeviceAddress none = { 0 }, *at = info ? &info->address : &none;
    const bool is_disk = kind == DEVICE_DISK;
    ControllerType type = CONTROLLER_PCI;
    uint32_t index = at->pci.bus;

    switch (at->type) {
    case ADDRESS_PCI:
        break;
    case ADDRESS_USB:
        type = CONTROLLER_USB;
        index = at->usb.bus;
        break;
    case ADDRESS_DRIVE:
        if (is_disk && ((const DiskDef *)device)->bus != DISK_BUS_SCSI)
            return NULL;
        type = CONTROLLER_SCSI;
        index = at->drive.controller;
        break;
    case ADDRESS_VIRTIO_SERIAL:
        type = CONTROLLER_VIRTIO_SERIAL;
        index = at->virtio_serial.controller;
        break;
    default:
        return NULL;
    }
    return domain_find_controller(live, type, index) ? NULL : domain_find_controller(next, type, index);
}

/* The controller that has to come before @device, if it is one that can: *ret_bus owned; NULL: none. */
static bool find_missing_bus(const Vm *vm, const DeviceDef *device, DeviceDef **ret_bus, Error **err)
{
    const bool is_on_bus =
        (device->kind == DEVICE_DISK && ((const DiskDef *)device->def)->bus == DISK_BUS_SCSI) ||
        (device->kind == DEVICE_HOSTDEV && ((const HostdevDef *)device->def)->type == HOSTDEV_SCSI) ||
        device->kind == DEVICE_CHANNEL || device->kind == DEVICE_CONSOLE;
    g_autoptr(QemuCaps) caps = NULL;
    DeviceDef *copy = NULL;

    if (!is_on_bus)
        return true;
    g_autoptr(DomainDef) next = domain_def_copy(vm->live);
    if (!vm_xml_get_caps(vm->host, next, &caps, err))
        return false;
    copy = device_def_copy(device);
    void *placed = copy->def;
    if (!domain_add_device(next, copy, NULL) || !qemu_assign_addresses(next, caps, NULL))
        return true; /* who plugs it says why */
    const ControllerDef *bus = find_new_bus(vm->live, next, device->kind, placed);
    if (!bus || (bus->type != CONTROLLER_SCSI && bus->type != CONTROLLER_VIRTIO_SERIAL))
        return true;
    const DeviceDef found = { .kind = DEVICE_CONTROLLER, .def = (void *)bus };
    *ret_bus = device_def_copy(&found);
    device_info(DEVICE_CONTROLLER, (*ret_bus)->def)->address = (DeviceAddress){ 0 };
    return true;
}

/* Ports without a number get the next one. */
static void number_port(const DomainDef *def, DeviceKind kind, void *device)
{
    const GPtrArray *list = domain_device_list(def, kind);
    CharDef *chr = device;
    uint32_t next = 0;

    if ((kind != DEVICE_SERIAL && kind != DEVICE_PARALLEL && kind != DEVICE_CONSOLE) ||
        chr->target_port.is_set)
        return;
    for (DEF_EACH(CharDef, other, list)) {
        if (other->target_port.is_set)
            next = MAX(next, other->target_port.value + 1);
    }
    chr->target_port = (OptU32){ next, true };
}

/* A copy of @device at its place in the machine, named; owned by the caller. */
static bool place_device(const Vm *vm, const DeviceDef *device, void **ret_placed, Error **err)
{
    g_autoptr(DomainDef) next = domain_def_copy(vm->live);
    DeviceDef *copy = device_def_copy(device);
    void *placed = copy->def;
    g_autoptr(Error) why = NULL;

    if (!domain_add_device(next, copy, err))
        return false;
    number_port(next, device->kind, placed);
    const bool is_placed = qemu_assign_addresses(next, vm->run->caps, &why);
    if (!is_placed && strcmp(error_message(why), "No more available PCI slots") != 0)
        return error_propagate(err, g_steal_pointer(&why));
    const ControllerDef *missing = is_placed ? find_new_bus(vm->live, next, device->kind, placed) : NULL;
    if (missing && missing->type != CONTROLLER_PCI)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "the machine has no %s controller %u for the %s",
                         enum_name(&controller_type_names, missing->type), missing->index.value,
                         enum_name(&device_kind_names, device->kind));
    if (missing || !is_placed) {
        error_set(err, ERROR_INTERNAL, "No more available PCI slots");
        return error_hint(err, "%s", no_ports_hint);
    }
    qemu_assign_aliases(next);
    if (!domain_check(next, err) || !domain_def_check_gaps(next, err) ||
        !domain_steal_device(next, device->kind, placed))
        return false;
    *ret_placed = placed;
    return true;
}

static void attach_take_back(void *arg)
{
    hot_forget(arg);
}

/* The host's devices and sockets that QEMU is going to open by name. */
AWAITS static bool lend_files(Vm *vm, DeviceKind kind, void *device, Error **err)
{
    const uint64_t storage_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    const guint n_before = vm->run->dac->len;
    uid_t uid = 0;
    gid_t gid = 0;

    if (!dac_lend_device(vm->host, vm->live, vm->run->dac, kind, device, err))
        return false;
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    if (vm->run->dac->len > n_before &&
        (!vm_status_save(vm, err) || !dac_apply(vm->run->dac, uid, gid, storage_ms, err) ||
         !vm_security_load(vm, err)))
        return false;
    return vm_confine_add_device(vm, kind, device, err);
}

AWAITS static bool take_ptys(Vm *vm, Error **err)
{
    g_autoptr(GHashTable) chardevs = NULL;

    if (!monitor_query_chardevs(vm_monitor(vm), 0, &chardevs, err) || !vm_require_monitor(vm, err))
        return false;
    vm_take_ptys(vm, chardevs);
    return vm_status_save(vm, err);
}

AWAITS static bool attach_live(VmEdit *edit, Hot *hot, const DeviceDef *device, Error **err)
{
    Vm *vm = edit->vm;
    void *placed = NULL;
    g_autoptr(Error) why = NULL;

    if (!check_plug(device->kind, device->def, true, err))
        return false;
    if (device->kind == DEVICE_DISK && !vm_disk_check_plug(device->def, err))
        return false;
    if (!hot_begin(hot, vm, device->kind, err) || !place_device(vm, device, &placed, err))
        return false;
    hot->alias = g_strdup(device_info(device->kind, placed)->alias);
    hot->device = placed;
    DeviceDef *shell = g_new(DeviceDef, 1);
    *shell = (DeviceDef){ .kind = device->kind, .def = placed };
    if (!domain_add_device(vm->live, shell, err))
        return false;
    undo_push(&edit->undo, attach_take_back, hot);
    vm_edit_note(edit, hot->alias);
    if (!vm_prepare_hostdev(vm, hot->kind, hot->device, hot->fds, err) || !vm_hostdev_raise_limit(vm, err) ||
        (hot->kind == DEVICE_DISK && !vm_disk_prepare(vm, hot->device, &hot->secrets, err)) ||
        (hot->kind == DEVICE_HOSTDEV &&
         !vm_prepare_device_secrets(vm, hot->kind, hot->device, &hot->secrets, err)) ||
        ((hot->kind != DEVICE_DISK || ((DiskDef *)hot->device)->src.type == STORAGE_NVME) &&
         !lend_files(vm, hot->kind, hot->device, err)) ||
        !vm_prepare_device(vm, hot->kind, hot->device, hot->fds, err) || !vm_status_save(vm, err) ||
        !vm_helpers_launch(vm, err) || !vm_require_monitor(vm, err) || !hot_plan(hot, err))
        return false;
    hot_expect(hot);
    if (!plan_execute(hot->plan, &hot->target, &edit->undo, &why))
        return !vm_explain_busy_port(vm, error_message(why), err) &&
               error_propagate(err, g_steal_pointer(&why));
    const CharSource *source = device_char_source(hot->kind, hot->device);
    if (source && source->type == CHAR_PTY && !take_ptys(vm, err))
        return false;
    const DiskDef *disk = hot->kind == DEVICE_DISK ? hot->device : NULL;
    if (disk && (disk->iotune || disk->latency_histograms))
        return vm_start_throttles(vm, err);
    return hot->kind != DEVICE_INTERFACE || ((InterfaceDef *)hot->device)->link != LINK_STATE_DOWN ||
           monitor_set_link(vm_monitor(vm), hot->alias, false, 0, err);
}

static bool attach_config(VmEdit *edit, const DeviceDef *device, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;
    const DiskDef *disk = device->kind == DEVICE_DISK ? device->def : NULL;
    const DiskDef *there = disk && disk->target ? domain_find_disk(edit->config, disk->target) : NULL;

    if (there && strcmp(there->target, disk->target) == 0)
        return error_set(err, ERROR_INVALID_STATE, "target %s already exists", disk->target);
    DeviceDef *copy = device_def_copy(device);
    void *placed = copy->def;
    if (!domain_add_device(edit->config, copy, err))
        return false;
    number_port(edit->config, device->kind, placed);
    return vm_xml_get_caps(edit->vm->host, edit->config, &caps, err) &&
           qemu_assign_addresses(edit->config, caps, err) && domain_check(edit->config, err);
}

static bool parse_device(const Vm *vm, const char *xml, DomainParseFlags flags, DeviceDef **ret_device,
                         Error **err)
{
    return device_def_parse(xml, strlen(xml), flags, vm_def(vm), ret_device, err);
}

/* A controller whose index nobody says gets the first that is free in all that it is added to. */
static void number_controller(const VmEdit *edit, const DeviceDef *device)
{
    ControllerDef *controller = device->def;

    if (device->kind != DEVICE_CONTROLLER || controller->index.is_set)
        return;
    OptU32 *index = &controller->index;
    while ((edit->config && domain_find_controller(edit->config, controller->type, index->value)) ||
           (edit->live && domain_find_controller(edit->vm->live, controller->type, index->value)))
        index->value++;
    index->is_set = true;
}

bool vm_attach_device(Vm *vm, const char *xml, unsigned flags, const Caller *caller, Error **err)
{
    g_autoptr(DeviceDef) device = NULL;
    g_autoptr(DeviceDef) bus = NULL;
    g_auto(Hot) hot = { 0 };
    g_auto(Hot) bus_hot = { 0 };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, MODIFY_FLAGS, "qemuDomainAttachDeviceFlags", err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err) ||
        !parse_device(vm, xml, DOMAIN_PARSE_INACTIVE, &device, err))
        return false;
    number_controller(&edit, device);
    if ((edit.config && !attach_config(&edit, device, err)) ||
        (edit.live && !find_missing_bus(vm, device, &bus, err)) ||
        (bus && !attach_live(&edit, &bus_hot, bus, err)) ||
        (edit.live && !attach_live(&edit, &hot, device, err)))
        return false;
    Event event = { .id = EVENT_DEVICE_ADDED, .text1 = hot.alias };
    return vm_edit_commit(&edit, hot.alias ? &event : NULL, err);
}

/* ---- detaching ---- */

static void publish_removed(const Vm *vm, const char *alias)
{
    vm_publish_event(vm, &(Event){ .id = EVENT_DEVICE_REMOVED, .text1 = alias });
}

/* *ret_is_gone false: the guest was asked, and has not answered yet. */
AWAITS static bool detach_live(Hot *hot, Vm *vm, DeviceKind kind, void *device, bool *ret_is_gone,
                               Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!check_plug(kind, device, false, err))
        return false;
    if ((kind == DEVICE_DISK && !vm_block_job_require_none(vm, ((const DiskDef *)device)->target, err)) ||
        !hot_begin(hot, vm, kind, err))
        return false;
    hot->device = device;
    hot->alias = g_strdup(device_info(kind, device)->alias);
    if (!hot_plan(hot, err))
        return false;
    hot_expect(hot);
    *ret_is_gone = plan_reverse(hot->plan, &hot->target, &why);
    if (*ret_is_gone) {
        hot_forget(hot);
        publish_removed(vm, hot->alias);
        return true;
    }
    /* QEMU remembers that it has asked the guest. */
    return (hot->was_asked && error_code(why) == ERROR_TIMEOUT) ||
           (error_code(why) == ERROR_REFUSED && strstr(error_message(why), "in the process of unplug")) ||
           error_propagate(err, g_steal_pointer(&why));
}

/* Devices that are to go from the definition, too: a daemon that dies meanwhile leaves that to the next,
 * whenever the guest lets go. */
static bool is_going(const VmRun *run, const char *alias)
{
    g_auto(GStrv) names = g_strsplit(run->going ? run->going : "", " ", -1);

    return g_strv_contains((const char *const *)names, alias);
}

static void going_set(VmRun *run, const char *alias, bool goes)
{
    g_auto(GStrv) names = g_strsplit(run->going ? run->going : "", " ", -1);
    g_autoptr(GString) rest = g_string_new(goes ? alias : NULL);

    for (guint i = 0; names[i]; i++) {
        if (*names[i] && strcmp(names[i], alias) != 0)
            g_string_append_printf(rest, "%s%s", rest->len ? " " : "", names[i]);
    }
    g_free(run->going);
    run->going = rest->len ? g_strdup(rest->str) : NULL;
}

/* @device of the live document has gone, and was to go from the definition. */
AWAITS static void forget_defined(Vm *vm, DeviceKind kind, void *device, const char *alias)
{
    const DeviceDef borrowed = { .kind = kind, .def = device };
    g_autoptr(Error) err = NULL;
    void *found = NULL;

    if (!vm->config || !is_going(vm->run, alias))
        return;
    going_set(vm->run, alias, false);
    g_autoptr(DomainDef) config = domain_def_copy(vm->config);
    g_autoptr(DeviceDef) wanted = device_def_copy(&borrowed);
    DeviceInfo *info = device_info(kind, wanted->def);
    g_clear_pointer(&info->alias, g_free);
    if (!vm_device_find(config, kind, wanted->def, FIND_TO_CHANGE, &found, NULL)) {
        info->address = (DeviceAddress){ 0 };
        if (!vm_device_find(config, kind, wanted->def, FIND_TO_CHANGE, &found, &err)) {
            log_warning_error(err, "a device that is gone stays in the machine's definition");
            return;
        }
    }
    if (!domain_steal_device(config, kind, found))
        return;
    xml_table_free(device_table(kind), found);
    if (!object_store(vm->host, &domain_class, config, &err))
        log_error_error(err, "a device that is gone stays in the machine's definition");
    else
        object_set_config(&vm->object, g_steal_pointer(&config));
}

AWAITS static bool detach(VmEdit *edit, DeviceKind kind, void *live, void *config, Error **err)
{
    g_auto(Hot) hot = { 0 };
    bool is_gone = true;

    if (config) {
        if (!domain_steal_device(edit->config, kind, config))
            return error_set(err, ERROR_INTERNAL, "the device is not there any more");
        xml_table_free(device_table(kind), config);
    }
    if (live) {
        g_autofree char *alias = g_strdup(device_info(kind, live)->alias);
        going_set(edit->vm->run, alias, config != NULL);
        if (config && !vm_status_save(edit->vm, err))
            return false;
        const bool ok = detach_live(&hot, edit->vm, kind, live, &is_gone, err);
        if (edit->vm->run)
            going_set(edit->vm->run, alias, false);
        if (!ok)
            return false;
    }
    if (!is_gone)
        log_info("machine '%s': the guest has not let go of device '%s' yet", edit->vm->name, hot.alias);
    return vm_edit_commit(edit, NULL, err);
}

bool vm_detach_device(Vm *vm, const char *xml, unsigned flags, const Caller *caller, Error **err)
{
    g_autoptr(DeviceDef) device = NULL;
    g_auto(VmEdit) edit = { 0 };
    void *live = NULL, *config = NULL;

    return check_flags(flags, MODIFY_FLAGS, "qemuDomainDetachDeviceFlags", err) &&
           vm_edit_begin(vm, flags, caller, &edit, err) &&
           parse_device(vm, xml, DOMAIN_PARSE_SKIP_DEFAULTS, &device, err) &&
           (!edit.config ||
            vm_device_find(edit.config, device->kind, device->def, FIND_TO_REMOVE, &config, err)) &&
           (!edit.live || check_plug(device->kind, device->def, false, err)) &&
           (!edit.live || vm_device_find(vm->live, device->kind, device->def, FIND_TO_REMOVE, &live, err)) &&
           detach(&edit, device->kind, live, config, err);
}

typedef struct AliasFinding {
    const char *alias;
    DeviceKind kind;
    void *found;
} AliasFinding;

static bool find_alias(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    AliasFinding *finding = arg;

    if (!info || g_strcmp0(info->alias, finding->alias) != 0)
        return true;
    finding->kind = kind;
    finding->found = device;
    return false;
}

static bool find_by_alias(const DomainDef *def, AliasFinding *finding, Error **err)
{
    (void)domain_each_device((DomainDef *)def, find_alias, finding);
    return finding->found || error_set(err, ERROR_INTERNAL, "no device found with alias %s", finding->alias);
}

bool vm_device_is_there(const DomainDef *def, const char *alias)
{
    AliasFinding finding = { .alias = alias };

    return find_by_alias(def, &finding, NULL);
}

bool vm_detach_device_alias(Vm *vm, const char *alias, unsigned flags, const Caller *caller, Error **err)
{
    AliasFinding live = { .alias = alias }, config = { .alias = alias };
    g_auto(VmEdit) edit = { 0 };

    return check_flags(flags, MODIFY_FLAGS, "qemuDomainDetachDeviceAlias", err) &&
           vm_edit_begin(vm, flags, caller, &edit, err) &&
           (!edit.config || find_by_alias(edit.config, &config, err)) &&
           (!edit.live || find_by_alias(vm->live, &live, err)) &&
           detach(&edit, edit.live ? live.kind : config.kind, live.found, config.found, err);
}

/* ---- what QEMU tells ---- */

typedef struct Leaving {
    Vm *vm;
    uint64_t serial;
    char *alias;
} Leaving;

/* The guest let go of a device although nobody waits: late, or by itself. */
AWAITS static void finish_removal(void *arg)
{
    Leaving *leaving = arg;
    g_autoptr(Vm) vm = leaving->vm;
    g_autofree char *alias = leaving->alias;
    g_autofree Leaving *owned = leaving;
    AliasFinding finding = { .alias = alias };
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };
    g_auto(Hot) hot = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err)) {
        log_warning_error(err, "a device that is gone stays in the machine's document");
        return;
    }
    if (!vm->run || vm->run->serial != owned->serial || !vm->live || !find_by_alias(vm->live, &finding, NULL))
        return;
    hot.device = finding.found;
    hot.alias = g_strdup(alias);
    if (!hot_begin(&hot, vm, finding.kind, &err) || !hot_plan(&hot, &err) ||
        !plan_reverse(hot.plan, &hot.target, &err))
        log_warning_error(err, "removing what a device leaves behind");
    if (hot_runs(&hot))
        forget_defined(vm, hot.kind, hot.device, alias);
    if (!hot_runs(&hot))
        return;
    hot_forget(&hot);
    publish_removed(vm, alias);
}

void vm_device_gone(Vm *vm, const char *alias)
{
    AliasFinding finding = { .alias = alias };

    if (g_strcmp0(vm->run->unplug_alias, alias) == 0) {
        vm->run->unplug_result = UNPLUG_GONE;
        return;
    }
    if (vm_vcpu_gone(vm, alias))
        return;
    if (!find_by_alias(vm->live, &finding, NULL)) {
        publish_removed(vm, alias);
        return;
    }
    Leaving *leaving = g_new0(Leaving, 1);
    *leaving = (Leaving){ .vm = vm_ref(vm), .serial = vm->run->serial, .alias = g_strdup(alias) };
    host_spawn(vm->host, "unplug", finish_removal, leaving);
}

void vm_device_refused(Vm *vm, const char *alias)
{
    if (g_strcmp0(vm->run->unplug_alias, alias) == 0)
        vm->run->unplug_result = UNPLUG_REFUSED;
    vm_publish_event(vm, &(Event){ .id = EVENT_DEVICE_REMOVAL_FAILED, .text1 = alias });
}

/* ---- after a restart ---- */

/* Those that can come and go, and have a name in QEMU. */
static bool is_reconciled(DeviceKind kind, const void *device)
{
    if (!device_classes[kind].can_plug)
        return false;
    switch (kind) {
    case DEVICE_DISK:
        return vm_disk_can_plug(device);
    case DEVICE_HOSTDEV:
        return !((const HostdevDef *)device)->is_missing;
    case DEVICE_CONTROLLER:
        return ((const ControllerDef *)device)->type == CONTROLLER_SCSI ||
               ((const ControllerDef *)device)->type == CONTROLLER_VIRTIO_SERIAL;
    case DEVICE_CONSOLE:
        return ((const CharDef *)device)->target_type == CHAR_TARGET_VIRTIO;
    case DEVICE_INPUT:
    case DEVICE_SERIAL:
    case DEVICE_WATCHDOG:
        return device_place(kind, device) != PLACE_NONE; /* else it is of the board */
    default:
        return true;
    }
}

static bool is_among(const GPtrArray *names, const char *name)
{
    for (guint i = 0; i < names->len; i++) {
        if (g_strcmp0(g_ptr_array_index(names, i), name) == 0)
            return true;
    }
    return false;
}

static bool plan_is_among(const Plan *plan, const GPtrArray *names)
{
    for (DEF_EACH(PlanStep, step, plan_steps(plan))) {
        if (step->kind == PLAN_DEVICE && is_among(names, json_get_str(step->object, "id")))
            return true;
    }
    return false;
}

void vm_device_reconcile(Vm *vm, DeviceKind kind, void *device, const GPtrArray *names)
{
    const char *alias = device_info(kind, device)->alias;
    g_autoptr(Error) err = NULL;

    if (!alias || !is_reconciled(kind, device) || is_among(names, alias))
        return;
    g_auto(Hot) hot = { .device = device, .alias = g_strdup(alias) };
    if (!hot_begin(&hot, vm, kind, &err))
        return;
    const bool is_planned = hot_plan(&hot, &err);
    if (is_planned && plan_is_among(hot.plan, names))
        return;
    /* The daemon before us died while it came or went. */
    log_warning("machine '%s': QEMU has no device '%s', so the machine has it no longer", vm->name, alias);
    if (!is_planned || !plan_reverse(hot.plan, &hot.target, &err))
        log_warning_error(err, "removing what a device leaves behind");
    if (hot_runs(&hot))
        forget_defined(vm, kind, device, hot.alias);
    hot_forget(&hot);
}

/* ---- updating ---- */

static bool update_config(VmEdit *edit, const DeviceDef *device, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;
    void *old = NULL;

    if (!vm_device_find(edit->config, device->kind, device->def, FIND_TO_CHANGE, &old, err))
        return false;
    DeviceDef *next = device_def_copy(device);
    DeviceInfo *info = device_info(device->kind, next->def), *old_info = device_info(device->kind, old);
    if (info && info->address.type == ADDRESS_ABSENT &&
        device_place(device->kind, next->def) == device_place(device->kind, old))
        info->address = old_info->address;
    GPtrArray *list = domain_device_list(edit->config, device->kind);
    guint index = 0;
    if (!list || !g_ptr_array_find(list, old, &index)) {
        device_def_free(next);
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "persistent update of device '%s' is not supported",
                         enum_name(&device_kind_names, device->kind));
    }
    list->pdata[index] = g_steal_pointer(&next->def);
    g_free(next);
    xml_table_free(device_table(device->kind), old);
    return vm_xml_get_caps(edit->vm->host, edit->config, &caps, err) &&
           qemu_assign_addresses(edit->config, caps, err) && domain_check(edit->config, err);
}

/* Memory whose guest is to have more or less of it. */
typedef struct MemoryUpdate {
    Vm *vm;
    char *alias;
    uint64_t bytes; /* to be; once it is: what was before */
} MemoryUpdate;

static void memory_update_clear(MemoryUpdate *update)
{
    g_free(update->alias);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MemoryUpdate, memory_update_clear)

static bool note_memory_difference(void *arg, const char *path, const XmlRow *row)
{
    *(bool *)arg = *(bool *)arg || !(g_str_has_prefix(path, "alias") || g_str_has_prefix(path, "address") ||
                                     (row->flags & ROW_CHANGEABLE));
    return true;
}

static MemoryDeviceDef *find_memory(const DomainDef *def, const char *alias)
{
    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices)) {
        if (g_strcmp0(memory->info.alias, alias) == 0)
            return memory;
    }
    return NULL;
}

static void memory_swap(DomainDef *live, void *data)
{
    MemoryUpdate *update = data;
    MemoryDeviceDef *memory = find_memory(live, update->alias);
    const uint64_t before = memory->requested_bytes;

    memory->requested_bytes = update->bytes;
    update->bytes = before;
}

/* While the change is under way, the live definition has what was before. */
static void memory_take_back(void *arg)
{
    const MemoryUpdate *update = arg;
    const MemoryDeviceDef *memory = update->vm->live ? find_memory(update->vm->live, update->alias) : NULL;
    g_autoptr(Error) err = NULL;

    if (memory &&
        !monitor_set_requested_size(vm_monitor(update->vm), update->alias, memory->requested_bytes, 0, &err))
        log_warning_error(err, "taking back the size of a memory device");
}

AWAITS static bool update_memory(VmEdit *edit, const MemoryDeviceDef *old, const MemoryDeviceDef *wanted,
                                 MemoryUpdate *update, Error **err)
{
    bool differs = false;

    xml_table_diff_guest(device_table(DEVICE_MEMORY), old, wanted, note_memory_difference, &differs);
    if (old->model != MEMORY_VIRTIO_MEM || wanted->model != MEMORY_VIRTIO_MEM)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "only the requested size of virtio-mem devices can change while the machine runs");
    if (differs)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "nothing but the requested size of memory device '%s' can change", old->info.alias);
    if (wanted->requested_bytes > old->size_bytes || wanted->requested_bytes % MAX(old->block_bytes, 1))
        return error_set(err, ERROR_XML_INVALID,
                         "the requested size must be a multiple of the block size and at most the size");
    if (wanted->requested_bytes == old->requested_bytes)
        return true;
    update->vm = edit->vm;
    update->alias = g_strdup(old->info.alias);
    update->bytes = wanted->requested_bytes;
    if (!monitor_set_requested_size(vm_monitor(edit->vm), update->alias, update->bytes, 0, err))
        return false;
    undo_push(&edit->undo, memory_take_back, update);
    vm_edit_set_live(edit, memory_swap, update);
    return true;
}

AWAITS static bool update_live(VmEdit *edit, const DeviceDef *stored, const DeviceDef *live, bool force,
                               InterfaceUpdate *update, MediaChange *media, MemoryUpdate *memory,
                               GraphicsUpdate *graphics, Error **err)
{
    void *old = NULL;

    if (live->kind == DEVICE_GRAPHICS)
        return vm_graphics_update_live(edit, live->def, graphics, err);
    if (live->kind != DEVICE_INTERFACE && live->kind != DEVICE_DISK && live->kind != DEVICE_MEMORY)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "live update of device '%s' is not supported",
                         enum_name(&device_kind_names, live->kind));
    if (!vm_device_find(edit->vm->live, live->kind, live->def, FIND_TO_CHANGE, &old, err))
        return false;
    if (live->kind == DEVICE_MEMORY)
        return update_memory(edit, old, live->def, memory, err);
    return live->kind == DEVICE_DISK ? vm_disk_update_live(edit, old, stored->def, force, media, err)
                                     : vm_interface_update_live(edit, old, live->def, update, err);
}

bool vm_update_device(Vm *vm, const char *xml, unsigned flags, const Caller *caller, Error **err)
{
    g_autoptr(DeviceDef) stored = NULL; /* as a definition has it */
    g_autoptr(DeviceDef) live = NULL;   /* as it stands */
    g_auto(InterfaceUpdate) update = { 0 };
    g_auto(MediaChange) media = { 0 };
    g_auto(MemoryUpdate) memory = { 0 };
    g_auto(GraphicsUpdate) graphics = { 0 };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, MODIFY_FLAGS | VIR_DOMAIN_DEVICE_MODIFY_FORCE, "qemuDomainUpdateDeviceFlags",
                     err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err) ||
        !parse_device(vm, xml, DOMAIN_PARSE_INACTIVE, &stored, err) ||
        !parse_device(vm, xml, DOMAIN_PARSE_SKIP_DEFAULTS, &live, err) ||
        (edit.config && !update_config(&edit, stored, err)))
        return false;
    if (edit.live && !update_live(&edit, stored, live, flags & VIR_DOMAIN_DEVICE_MODIFY_FORCE, &update,
                                  &media, &memory, &graphics, err))
        return false;
    if (!vm_edit_commit(&edit, NULL, err))
        return false;
    if (media.next)
        vm_disk_finish_update(&media);
    return true;
}

/* ---- USB devices that come back ---- */

/* One that is told by what it is, or by its port, is the same one wherever the host has it now. */
static bool is_replugged(const HostdevDef *hostdev)
{
    return hostdev->type == HOSTDEV_USB && hostdev->mode == HOSTDEV_SUBSYSTEM &&
           (hostdev->usb_vendor.is_set || hostdev->usb_port);
}

AWAITS static bool replug_usb(Vm *vm, HostdevDef *hostdev, Error **err)
{
    g_auto(Hot) hot = { .device = hostdev, .alias = g_strdup(hostdev->info.alias) };
    g_auto(Undo) undo = { 0 };
    const OptU32 bus = hostdev->usb_bus, device = hostdev->usb_device;
    const bool was_missing = hostdev->is_missing;

    if (!hot_begin(&hot, vm, DEVICE_HOSTDEV, err) || (!was_missing && !hot_plan(&hot, err)))
        return false;
    g_autoptr(Plan) old = g_steal_pointer(&hot.plan);
    if (!vm_prepare_hostdev(vm, DEVICE_HOSTDEV, hostdev, hot.fds, err) || !hot_runs(&hot))
        return false;
    if (hostdev->is_missing ||
        (!was_missing && hostdev->usb_bus.value == bus.value && hostdev->usb_device.value == device.value))
        return true;
    hot_expect(&hot);
    if (old && !plan_reverse(old, &hot.target, err))
        return false;
    if (!lend_files(vm, DEVICE_HOSTDEV, hostdev, err) || !vm_require_monitor(vm, err) ||
        !hot_plan(&hot, err) || !plan_execute(hot.plan, &hot.target, &undo, err))
        return false;
    undo_keep(&undo);
    log_info("machine '%s': USB device '%s' is back", vm->name, hot.alias);
    return vm_status_save(vm, err);
}

AWAITS static void replug_machine(void *arg)
{
    g_autoptr(Vm) vm = arg;
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err) || !vm->run || !vm->run->qmp)
        return;
    for (unsigned i = 0; vm->live && i < def_list_len(vm->live->hostdevs); i++) {
        HostdevDef *hostdev = g_ptr_array_index(vm->live->hostdevs, i);
        g_autoptr(Error) why = NULL;
        if (is_replugged(hostdev) && !replug_usb(vm, hostdev, &why))
            log_debug("machine '%s': %s", vm->name, error_message(why));
    }
}

static void on_host_event(const Event *event, void *arg)
{
    Host *host = arg;
    const Object *object = NULL;

    if (event->kind != OBJECT_NODE_DEVICE || event->id != EVENT_LIFECYCLE ||
        event->type != VIR_NODE_DEVICE_EVENT_CREATED || !g_str_has_prefix(event->name, "usb_"))
        return;
    for (RegistryIter iter = registry_iter(vm_registry(host)); (object = registry_next(&iter));) {
        Vm *vm = (Vm *)object;
        for (DEF_EACH(HostdevDef, hostdev, vm->run && vm->live ? vm->live->hostdevs : NULL)) {
            if (!is_replugged(hostdev))
                continue;
            host_spawn(host, "usb", replug_machine, vm_ref(vm));
            break;
        }
    }
}

void vm_device_watch_host(Host *host)
{
    /* The host's bus ends after its machines. */
    (void)event_subscribe(host->events, on_host_event, host);
}
