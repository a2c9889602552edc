/* Host devices of machines: which device a document means, who else has it, its node on the host, and for PCI
 * its driver. What was found is noted in the live definition only.
 *
 * A managed PCI device is taken from its driver when its machine is in a status file, so a daemon that dies
 * on the way gives it back at its next start. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hostdev"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/units.h"
#include "base/worker.h"
#include "conf/domain_check.h"
#include "device/nodedev.h"
#include "machine/vm_private.h"
#include "qemu/device.h"

#define SYSFS_TIMEOUT_MS 10000
#define LOCKED_EXTRA_BYTES (UINT64_C(1) << 30) /* what VFIO maps besides the guest's memory */
#define USB_MATCHES_MAX 2

/* ---- who has it ---- */

static void nvme_as_hostdev(const StorageSource *source, HostdevDef *ret_hostdev)
{
    *ret_hostdev = (HostdevDef){ .mode = HOSTDEV_SUBSYSTEM,
                                 .type = HOSTDEV_PCI,
                                 .managed = source->nvme_managed,
                                 .source_address = source->nvme_address };
}

/* false: @device is no host device. What *ret_hostdev points to is @device's. */
static bool as_hostdev(DeviceKind kind, const void *device, HostdevDef *ret_hostdev)
{
    if (kind == DEVICE_HOSTDEV) {
        *ret_hostdev = *(const HostdevDef *)device;
        return true;
    }
    if (kind == DEVICE_INTERFACE && ((const InterfaceDef *)device)->type == INTERFACE_HOSTDEV) {
        interface_as_hostdev(device, ret_hostdev);
        return true;
    }
    if (kind == DEVICE_DISK && ((const DiskDef *)device)->src.type == STORAGE_NVME) {
        nvme_as_hostdev(&((const DiskDef *)device)->src, ret_hostdev);
        return true;
    }
    return false;
}

typedef struct Holding {
    const HostdevDef *wanted;
    const void *except; /* the device that wants it */
} Holding;

static bool is_not_held(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Holding *holding = arg;
    HostdevDef other;

    if (device == holding->except || !as_hostdev(kind, device, &other) || other.is_missing)
        return true;
    if (other.shareable && holding->wanted->shareable)
        return true;
    return !hostdev_is_same_source(holding->wanted, &other);
}

/* The machine that runs with it; NULL: none. */
static const Vm *find_holder(const Host *host, const HostdevDef *hostdev, const void *device)
{
    Holding holding = { .wanted = hostdev, .except = device };
    const Object *object = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (object = registry_next(&iter));) {
        const Vm *other = (const Vm *)object;
        if (other->live && !domain_each_device(other->live, is_not_held, &holding))
            return other;
    }
    return NULL;
}

static bool require_free(const Vm *vm, const HostdevDef *hostdev, const void *device, const char *what,
                         Error **err)
{
    const Vm *holder = find_holder(vm->host, hostdev, device);

    return !holder ||
           error_set(err, ERROR_INVALID_STATE, "%s is in use by driver QEMU, domain %s", what, holder->name);
}

/* ---- sysfs, in a worker ---- */

typedef struct UsbMatch {
    unsigned bus, device;
} UsbMatch;

typedef struct SysfsJob {
    char *root;
    /* USB */
    OptU32 vendor, product, bus, device;
    char *port;
    UsbMatch matches[USB_MATCHES_MAX];
    unsigned n_matches;
    /* a folder, and the link or file in it that says which node it is */
    char *path;
    bool is_scsi;
    char *node;
    /* of a virtual function: the card that it is of, and its number there */
    char *card;
    unsigned function;
} SysfsJob;

static void sysfs_job_free(void *data)
{
    SysfsJob *job = data;

    g_free(job->root);
    g_free(job->port);
    g_free(job->path);
    g_free(job->node);
    g_free(job->card);
    g_free(job);
}

static bool read_number(const char *folder, const char *name, bool hex, unsigned *ret_number)
{
    g_autofree char *path = path_join(folder, name);
    g_autofree char *text = file_read_kernel(path);
    char *end = NULL;

    if (!text)
        return false;
    *ret_number = (unsigned)g_ascii_strtoull(text, &end, hex ? 16 : 10);
    return end != text;
}

static bool usb_fits(const SysfsJob *job, const char *name, const char *folder, UsbMatch *ret_match)
{
    unsigned vendor = 0, product = 0;
    const char *port = strchr(name, '-');

    if (!read_number(folder, "busnum", false, &ret_match->bus) ||
        !read_number(folder, "devnum", false, &ret_match->device) ||
        !read_number(folder, "idVendor", true, &vendor) || !read_number(folder, "idProduct", true, &product))
        return false;
    return (!job->vendor.is_set || job->vendor.value == vendor) &&
           (!job->product.is_set || job->product.value == product) &&
           (!job->bus.is_set || job->bus.value == ret_match->bus) &&
           (!job->device.is_set || job->device.value == ret_match->device) &&
           (!job->port || (port && strcmp(port + 1, job->port) == 0));
}

static void usb_job_run(void *data)
{
    SysfsJob *job = data;
    g_autofree char *all = g_strconcat(job->root, "/sys/bus/usb/devices", NULL);
    g_autoptr(GDir) dir = g_dir_open(all, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir)) && job->n_matches < USB_MATCHES_MAX) {
        g_autofree char *folder = path_join(all, name);
        if (!strchr(name, ':') && usb_fits(job, name, folder, &job->matches[job->n_matches]))
            job->n_matches++;
    }
}

/* /dev/vfio/GROUP of a device with an IOMMU group; /dev/sgN of a SCSI device. */
static void node_job_run(void *data)
{
    SysfsJob *job = data;

    if (job->is_scsi) {
        g_autofree char *folder = path_join(job->path, "scsi_generic");
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        const char *name = dir ? g_dir_read_name(dir) : NULL;
        job->node = name ? path_join("/dev", name) : NULL;
        return;
    }
    g_autofree char *link = path_join(job->path, "iommu_group");
    g_autofree char *target = g_file_read_link(link, NULL);
    g_autofree char *group = target ? g_path_get_basename(target) : NULL;
    job->node = group ? path_join("/dev/vfio", group) : NULL;
}

/* *ret_node: NULL if there is none. */
AWAITS static bool find_node(const Host *host, const char *path, bool is_scsi, char **ret_node, Error **err)
{
    SysfsJob *job = g_new0(SysfsJob, 1);

    *job = (SysfsJob){ .path = g_strconcat(host->paths->host_root, path, NULL), .is_scsi = is_scsi };
    if (!worker_run(worker_lane_named("sysfs"), node_job_run, job, sysfs_job_free, SYSFS_TIMEOUT_MS, err))
        return false;
    *ret_node = g_steal_pointer(&job->node);
    sysfs_job_free(job);
    return true;
}

/* ---- USB ---- */

/* *ret_count: 0, 1 or more. */
AWAITS static bool find_usb(const Host *host, const HostdevDef *hostdev, UsbMatch *ret_match,
                            unsigned *ret_count, Error **err)
{
    const bool by_number = hostdev->usb_device.is_set && !hostdev->usb_vendor.is_set && !hostdev->usb_port;
    SysfsJob *job = g_new0(SysfsJob, 1);

    *job = (SysfsJob){ .root = g_strdup(host->paths->host_root),
                       .vendor = hostdev->usb_vendor,
                       .product = hostdev->usb_product,
                       .port = g_strdup(hostdev->usb_port) };
    if (by_number || hostdev->usb_port)
        job->bus = hostdev->usb_bus;
    if (by_number)
        job->device = hostdev->usb_device;
    if (!worker_run(worker_lane_named("sysfs"), usb_job_run, job, sysfs_job_free, SYSFS_TIMEOUT_MS, err))
        return false;
    *ret_match = job->matches[0];
    *ret_count = job->n_matches;
    sysfs_job_free(job);
    return true;
}

static char *usb_name(const HostdevDef *hostdev)
{
    return hostdev->usb_vendor.is_set
               ? g_strdup_printf("%04x:%04x", hostdev->usb_vendor.value, hostdev->usb_product.value)
           : hostdev->usb_port
               ? g_strdup_printf("bus:%u port:%s", hostdev->usb_bus.value, hostdev->usb_port)
               : g_strdup_printf("bus:%u device:%u", hostdev->usb_bus.value, hostdev->usb_device.value);
}

AWAITS static bool prepare_usb(Vm *vm, HostdevDef *hostdev, Error **err)
{
    g_autofree char *name = usb_name(hostdev);
    UsbMatch match = { 0 };
    unsigned count = 0;

    hostdev->is_missing = false;
    g_clear_pointer(&hostdev->host_node, g_free);
    if (!find_usb(vm->host, hostdev, &match, &count, err))
        return false;
    if (count > 1)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "multiple USB devices for %s, use <address> to specify one", name);
    if (count == 0 && hostdev->startup_policy == STARTUP_POLICY_OPTIONAL) {
        log_warning("machine '%s' starts without USB device %s", vm->name, name);
        hostdev->is_missing = true;
        return true;
    }
    if (count == 0) {
        error_set(err, ERROR_INTERNAL, "Did not find USB device %s", name);
        return error_hint(err, "<source startupPolicy='optional'> lets the machine start without it");
    }
    hostdev->usb_bus = (OptU32){ .is_set = true, .value = match.bus };
    hostdev->usb_device = (OptU32){ .is_set = true, .value = match.device };
    hostdev->host_node = g_strdup_printf("/dev/bus/usb/%03u/%03u", match.bus, match.device);
    g_autofree char *what = g_strdup_printf("USB device %s", name);
    return require_free(vm, hostdev, hostdev, what, err);
}

/* ---- PCI ---- */

static char *pci_name(const DeviceAddress *address, const char *format_separators)
{
    const char *s = format_separators; /* "::." or "___" */

    return g_strdup_printf("%04x%c%02x%c%02x%c%x", address->pci.domain, s[0], address->pci.bus, s[1],
                           address->pci.slot, s[2], address->pci.function);
}

/* A reference. */
AWAITS static Object *find_nodedev(Host *host, const DeviceAddress *address, Error **err)
{
    g_autofree char *numbers = pci_name(address, "___");
    g_autofree char *name = g_strconcat("pci_", numbers, NULL);

    if (!nodedev_wait(host, err))
        return NULL;
    return object_find_by_name(host_registry(host, &nodedev_class), name, err);
}

AWAITS static bool check_unmanaged(const Host *host, const char *address, Error **err)
{
    g_autofree char *link =
        g_strconcat(host->paths->host_root, "/sys/bus/pci/devices/", address, "/driver", NULL);
    g_autofree char *target = g_file_read_link(link, NULL); /* of the kernel's memory */
    g_autofree char *driver = target ? g_path_get_basename(target) : NULL;

    if (driver && strstr(driver, "vfio"))
        return true;
    error_set(err, ERROR_INVALID_STATE, "Unmanaged PCI device %s must be manually detached from the host",
              address);
    return error_hint(err, "managed='yes' lets Lodge do it; or: virsh nodedev-detach");
}

AWAITS static bool prepare_pci(Vm *vm, const HostdevDef *hostdev, const void *device, char **io_node,
                               Error **err)
{
    g_autofree char *address = pci_name(&hostdev->source_address, "::.");
    g_autofree char *path = g_strconcat("/sys/bus/pci/devices/", address, NULL);
    g_autofree char *what = g_strdup_printf("PCI device %s", address);

    if (!require_free(vm, hostdev, device, what, err))
        return false;
    if (hostdev->managed == TRISTATE_ON) {
        g_autoptr(Object) nodedev = find_nodedev(vm->host, &hostdev->source_address, err);
        /* From here on there is something to give back. */
        if (!nodedev || !vm_status_save(vm, err) || !nodedev_detach(nodedev, NULL, NULL, err))
            return false;
    } else if (!check_unmanaged(vm->host, address, err)) {
        return false;
    }
    g_free(*io_node);
    *io_node = NULL;
    return find_node(vm->host, path, false, io_node, err) &&
           (*io_node || error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s has no IOMMU group", what));
}

/* ---- network cards ---- */

static void function_job_run(void *data)
{
    SysfsJob *job = data;
    g_autofree char *parent = path_join(job->path, "physfn");
    g_autofree char *net = path_join(parent, "net");
    g_autofree char *own = g_path_get_basename(job->path);
    g_autoptr(GDir) dir = g_dir_open(net, 0, NULL);
    const char *name = dir ? g_dir_read_name(dir) : NULL;

    for (unsigned number = 0; name; number++) {
        g_autofree char *link = g_strdup_printf("%s/virtfn%u", parent, number);
        g_autofree char *target = g_file_read_link(link, NULL);
        g_autofree char *function = target ? g_path_get_basename(target) : NULL;
        if (!function)
            return;
        if (strcmp(function, own) != 0)
            continue;
        job->card = g_strdup(name);
        job->function = number;
        return;
    }
}

/* The guest's card has the address that the document says; the card on the host sees to that. */
AWAITS static bool set_address(const Host *host, const InterfaceDef *iface, Error **err)
{
    g_autofree char *address = pci_name(&iface->hostdev_address, "::.");
    SysfsJob *job = g_new0(SysfsJob, 1);

    job->path = g_strconcat(host->paths->host_root, "/sys/bus/pci/devices/", address, NULL);
    if (!worker_run(worker_lane_named("sysfs"), function_job_run, job, sysfs_job_free, SYSFS_TIMEOUT_MS, err))
        return false;
    g_autofree char *card = g_steal_pointer(&job->card);
    const unsigned function = job->function;
    sysfs_job_free(job);
    if (!card) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED,
                  "Interface type hostdev is currently supported on SR-IOV Virtual Functions only");
        return error_hint(err, "%s is none: <hostdev type='pci'> gives it to the machine as it is", address);
    }
    if (iface->vlan)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "VLAN tags of virtual functions are not supported by this version");
    return link_set_function_mac(card, function, &iface->mac, err);
}

/* ---- SCSI, mediated devices ---- */

AWAITS static bool prepare_scsi(Vm *vm, HostdevDef *hostdev, Error **err)
{
    const char *number = hostdev->adapter ? hostdev->adapter + strcspn(hostdev->adapter, "0123456789") : "";
    g_autofree char *address = g_strdup_printf("%s:%u:%u:%" G_GUINT64_FORMAT, number, hostdev->scsi_bus.value,
                                               hostdev->scsi_target.value, hostdev->scsi_unit.value);
    g_autofree char *path = g_strconcat("/sys/bus/scsi/devices/", address, NULL);
    g_autofree char *what = g_strdup_printf("SCSI device %s", address);

    if (hostdev->protocol == HOSTDEV_PROTOCOL_ISCSI)
        return true;
    if (!path_is_safe_component(address))
        return error_set(err, ERROR_INTERNAL, "Cannot parse adapter '%s'", hostdev->adapter);
    g_clear_pointer(&hostdev->host_node, g_free);
    if (!require_free(vm, hostdev, hostdev, what, err) ||
        !find_node(vm->host, path, true, &hostdev->host_node, err))
        return false;
    return hostdev->host_node ||
           error_set_errno(err, ENOENT, "cannot open directory '%s/scsi_generic'", path);
}

AWAITS static bool prepare_mdev(Vm *vm, HostdevDef *hostdev, Error **err)
{
    g_autofree char *path = g_strconcat("/sys/bus/mdev/devices/", hostdev->mdev_uuid, NULL);
    g_autofree char *what = g_strdup_printf("mediated device %s", hostdev->mdev_uuid);

    g_clear_pointer(&hostdev->host_node, g_free);
    if (!require_free(vm, hostdev, hostdev, what, err) ||
        !find_node(vm->host, path, false, &hostdev->host_node, err))
        return false;
    return hostdev->host_node || error_set(err, ERROR_DEVICE_MISSING, "%s not found", what);
}

AWAITS static bool prepare_scsi_host(Vm *vm, const HostdevDef *hostdev, PlanFds *fds, Error **err)
{
    g_autofree char *name = device_vhost_scsi_fd_name(hostdev->info.alias);
    g_autofree char *what = g_strdup_printf("SCSI host %s", hostdev->vhost_wwpn);
    int fd = -1;

    if (!require_free(vm, hostdev, hostdev, what, err))
        return false;
    if (!vm_open_device(vm, "/dev/vhost-scsi", &fd, err))
        return error_prefix(err, "vhost-scsi device file '/dev/vhost-scsi' cannot be found");
    plan_fds_add(fds, name, fd);
    return true;
}

/* ---- by kind ---- */

bool vm_prepare_hostdev(Vm *vm, DeviceKind kind, void *device, PlanFds *fds, Error **err)
{
    HostdevDef view;

    if (!as_hostdev(kind, device, &view))
        return true;
    if (kind == DEVICE_INTERFACE)
        return require_free(vm, &view, device, "the network card", err) &&
               set_address(vm->host, device, err) &&
               prepare_pci(vm, &view, device, &((InterfaceDef *)device)->hostdev_node, err);
    if (kind == DEVICE_DISK) {
        StorageSource *source = &((DiskDef *)device)->src;
        return prepare_pci(vm, &view, device, &source->nvme_node, err);
    }
    HostdevDef *hostdev = device;
    switch (hostdev->type) {
    case HOSTDEV_PCI:
        return prepare_pci(vm, hostdev, device, &hostdev->host_node, err);
    case HOSTDEV_USB:
        return prepare_usb(vm, hostdev, err);
    case HOSTDEV_SCSI:
        return prepare_scsi(vm, hostdev, err);
    case HOSTDEV_MDEV:
        return prepare_mdev(vm, hostdev, err);
    case HOSTDEV_SCSI_HOST:
        return prepare_scsi_host(vm, hostdev, fds, err);
    default:
        return true;
    }
}

/* ---- giving back ---- */

void vm_release_hostdev(Host *host, DeviceKind kind, void *device)
{
    g_autoptr(Error) err = NULL;
    HostdevDef view;

    if (!as_hostdev(kind, device, &view) || view.type != HOSTDEV_PCI || view.managed != TRISTATE_ON)
        return;
    if (find_holder(host, &view, device)) /* that one was first */
        return;
    g_autoptr(Object) nodedev = find_nodedev(host, &view.source_address, &err);
    if (!nodedev || !nodedev_reattach(nodedev, NULL, &err))
        log_error_error(err, "a PCI device stays without its driver");
}

typedef struct Releasing {
    Host *host;
} Releasing;

static bool release_each(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Releasing *releasing = arg;

    vm_release_hostdev(releasing->host, kind, device);
    return true;
}

void vm_release_hostdevs(Host *host, const DomainDef *live)
{
    Releasing releasing = { .host = host };

    if (live)
        (void)domain_each_device((DomainDef *)live, release_each, &releasing);
}

/* ---- locked memory ---- */

static bool is_no_vfio(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    HostdevDef view;

    return !as_hostdev(kind, device, &view) || (view.type != HOSTDEV_PCI && view.type != HOSTDEV_MDEV);
}

uint64_t vm_hostdev_locked_bytes(const DomainDef *live)
{
    if (domain_each_device((DomainDef *)live, is_no_vfio, NULL))
        return 0;
    return MAX(live->memory_bytes, live->max_memory_bytes) + LOCKED_EXTRA_BYTES;
}

bool vm_hostdev_raise_limit(const Vm *vm, Error **err)
{
    const uint64_t wanted = vm_hostdev_locked_bytes(vm->live);
    struct rlimit limit;

    if (!wanted || prlimit(vm->run->pid, RLIMIT_MEMLOCK, NULL, &limit) < 0 || limit.rlim_cur >= wanted)
        return true;
    limit = (struct rlimit){ .rlim_cur = wanted, .rlim_max = MAX(limit.rlim_max, wanted) };
    return prlimit(vm->run->pid, RLIMIT_MEMLOCK, &limit, NULL) == 0 ||
           error_set_errno(err, errno, "cannot let QEMU lock more memory");
}
