/* What the guest says of itself: users, system, time zone, name, file systems, disks, interfaces. One
 * function per kind asks its question and writes the parameters of the answer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "agent"
#include <string.h>

#include "machine/vm_agent.h"
#include "machine/vm_guest.h"
#include "machine/vm_info.h"

#define PARAMS_MAX 2048 /* what an answer holds */
#define FILESYSTEMS_MAX 256
#define FILESYSTEM_DISKS_MAX 256

/* ---- the machine's disks as the guest names them ---- */

static bool is_pci(const DeviceInfo *info, const uint16_t pci[4])
{
    return info->address.type == ADDRESS_PCI && info->address.pci.domain == pci[0] &&
           info->address.pci.bus == pci[1] && info->address.pci.slot == pci[2] &&
           info->address.pci.function == pci[3];
}

static bool is_drive(const DiskDef *disk, const ControllerDef *controller, const uint16_t drive[3])
{
    return disk->info.address.type == ADDRESS_DRIVE &&
           disk->info.address.drive.controller == controller->index.value &&
           disk->info.address.drive.bus == drive[0] && disk->info.address.drive.target == drive[1] &&
           disk->info.address.drive.unit == drive[2] &&
           ((disk->bus == DISK_BUS_IDE && controller->type == CONTROLLER_IDE) ||
            (disk->bus == DISK_BUS_SATA && controller->type == CONTROLLER_SATA) ||
            (disk->bus == DISK_BUS_SCSI && controller->type == CONTROLLER_SCSI));
}

/* The target of the disk that is at the function @pci, or behind the controller there. */
static const char *disk_at(const DomainDef *def, const uint16_t pci[4], const uint16_t drive[3])
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (is_pci(&disk->info, pci))
            return disk->target;
    }
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (!is_pci(&controller->info, pci))
            continue;
        for (DEF_EACH(DiskDef, disk, def->disks)) {
            if (is_drive(disk, controller, drive))
                return disk->target;
        }
    }
    return NULL;
}

/* Numbers by name; -1 is the guest's "not known", which fits no device. */
static bool read_numbers(const Json *object, const char *const *names, size_t count, uint16_t *ret_numbers,
                         Error **err)
{
    for (size_t i = 0; i < count; i++) {
        if (!json_is_integer(json_object_get(object, names[i])))
            return error_set(err, ERROR_INTERNAL, "'%s' missing", names[i]);
        const int64_t number = json_get_int(object, names[i], -1);
        ret_numbers[i] = number >= 0 && number < UINT16_MAX ? (uint16_t)number : UINT16_MAX;
    }
    return true;
}

static bool read_disk(const DomainDef *def, const Json *said, GuestDisk *ret_disk, Error **err)
{
    static const char *const drive_names[] = { "bus", "target", "unit" }, *const pci_names[] = {
        "domain", "bus", "slot", "function"
    };
    uint16_t drive[3], pci[4];
    const Json *controller = json_get_obj(said, "pci-controller");

    if (!read_numbers(said, drive_names, G_N_ELEMENTS(drive_names), drive, err))
        return false;
    if (!controller)
        return error_set(err, ERROR_INTERNAL, "'pci-controller' missing");
    if (!read_numbers(controller, pci_names, G_N_ELEMENTS(pci_names), pci, err))
        return false;
    *ret_disk = (GuestDisk){ .target = g_strdup(disk_at(def, pci, drive)),
                             .serial = g_strdup(json_get_str(said, "serial")),
                             .device = g_strdup(json_get_str(said, "dev")) };
    return true;
}

static void guest_disk_clear(GuestDisk *disk)
{
    g_free(disk->target);
    g_free(disk->serial);
    g_free(disk->device);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuestDisk, guest_disk_clear)

static void guest_disk_free(void *data)
{
    guest_disk_clear(data);
    g_free(data);
}

/* ---- file systems ---- */

static void guest_filesystem_free(GuestFilesystem *filesystem)
{
    g_free(filesystem->mountpoint);
    g_free(filesystem->name);
    g_free(filesystem->type);
    g_clear_pointer(&filesystem->disks, g_ptr_array_unref);
    g_free(filesystem);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestFilesystem, guest_filesystem_free)

static bool take_text(const Json *said, const char *name, const char *command, char **ret_text, Error **err)
{
    *ret_text = g_strdup(json_get_str(said, name));
    return *ret_text || error_set(err, ERROR_INTERNAL, "'%s' missing in reply of %s", name, command);
}

static bool read_filesystem(const DomainDef *def, const Json *said, GuestFilesystem **ret_filesystem,
                            Error **err)
{
    static const char command[] = "guest-get-fsinfo";
    g_autoptr(GuestFilesystem) filesystem = g_new0(GuestFilesystem, 1);
    const Json *disks = json_get_arr(said, "disk");

    filesystem->disks = g_ptr_array_new_with_free_func(guest_disk_free);
    if (!take_text(said, "mountpoint", command, &filesystem->mountpoint, err) ||
        !take_text(said, "name", command, &filesystem->name, err) ||
        !take_text(said, "type", command, &filesystem->type, err))
        return false;
    filesystem->has_total = json_is_integer(json_object_get(said, "total-bytes"));
    filesystem->total_bytes = json_get_uint(said, "total-bytes", 0);
    filesystem->has_used = json_is_integer(json_object_get(said, "used-bytes"));
    filesystem->used_bytes = json_get_uint(said, "used-bytes", 0);
    if (!disks)
        return error_set(err, ERROR_INTERNAL, "'disk' missing in reply of %s", command);
    for (size_t i = 0; i < json_array_size(disks) && i < FILESYSTEM_DISKS_MAX; i++) {
        g_auto(GuestDisk) disk = { 0 };
        if (!read_disk(def, json_array_get(disks, i), &disk, err))
            return false;
        g_ptr_array_add(filesystem->disks, g_memdup2(&disk, sizeof(disk)));
        disk = (GuestDisk){ 0 };
    }
    *ret_filesystem = g_steal_pointer(&filesystem);
    return true;
}

bool vm_get_filesystems(Vm *vm, unsigned flags, GPtrArray **ret_filesystems, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!check_flags(flags, 0, "qemuDomainGetFSInfo", err) || !vm_require_running(vm, err))
        return false;
    g_autoptr(DomainDef) def = domain_def_copy(vm->live); /* the machine may end while we ask */
    if (!vm_agent_ask(vm, "guest-get-fsinfo", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_array(reply))
        return error_set(err, ERROR_INTERNAL, "Malformed guest-get-fsinfo data array");
    if (json_array_size(reply) > FILESYSTEMS_MAX)
        return error_set(err, ERROR_OVERFLOW, "the guest agent returned more than %d file systems",
                         FILESYSTEMS_MAX);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)guest_filesystem_free);
    for (size_t i = json_array_size(reply); i-- > 0;) { /* the agent begins with what was mounted last */
        GuestFilesystem *filesystem = NULL;
        if (!read_filesystem(def, json_array_get(reply, i), &filesystem, err))
            return false;
        g_ptr_array_add(list, filesystem);
    }
    *ret_filesystems = g_steal_pointer(&list);
    return true;
}

static bool add_filesystems(Vm *vm, Params *params, Error **err)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_get_filesystems(vm, 0, &list, err))
        return false;
    if (list->len > 0)
        params_add_uint(params, list->len, "fs.count");
    for (guint i = 0; i < list->len; i++) {
        const GuestFilesystem *filesystem = list->pdata[i];
        params_add_string(params, filesystem->name, "fs.%u.name", i);
        params_add_string(params, filesystem->mountpoint, "fs.%u.mountpoint", i);
        params_add_string(params, filesystem->type, "fs.%u.fstype", i);
        if (filesystem->has_total)
            params_add_ullong(params, filesystem->total_bytes, "fs.%u.total-bytes", i);
        if (filesystem->has_used)
            params_add_ullong(params, filesystem->used_bytes, "fs.%u.used-bytes", i);
        params_add_uint(params, filesystem->disks->len, "fs.%u.disk.count", i);
        for (guint j = 0; j < filesystem->disks->len; j++) {
            const GuestDisk *disk = filesystem->disks->pdata[j];
            if (disk->target)
                params_add_string(params, disk->target, "fs.%u.disk.%u.alias", i, j);
            if (disk->serial)
                params_add_string(params, disk->serial, "fs.%u.disk.%u.serial", i, j);
            if (disk->device)
                params_add_string(params, disk->device, "fs.%u.disk.%u.device", i, j);
        }
    }
    return true;
}

/* ---- the other kinds ---- */

static bool add_users(Vm *vm, Params *params, Error **err)
{
    static const char command[] = "guest-get-users";
    AUTO_JSON reply = NULL;

    if (!vm_agent_ask(vm, command, NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_array(reply))
        return error_set(err, ERROR_INTERNAL, "%s reply was missing return data", command);
    const unsigned count = (unsigned)MIN(json_array_size(reply), PARAMS_MAX);
    params_add_uint(params, count, "user.count");
    for (unsigned i = 0; i < count; i++) {
        const Json *user = json_array_get(reply, i);
        const char *name = json_get_str(user, "user"), *domain = json_get_str(user, "domain");
        const Json *login = json_object_get(user, "login-time");
        if (!name)
            return error_set(err, ERROR_INTERNAL, "'user' missing in reply of %s", command);
        params_add_string(params, name, "user.%u.name", i);
        if (domain)
            params_add_string(params, domain, "user.%u.domain", i);
        const double seconds = json_number_value(login);
        if (!json_is_number(login) || !(seconds >= 0 && seconds < 1e15))
            return error_set(err, ERROR_INTERNAL, "'login-time' missing in reply of %s", command);
        params_add_ullong(params, (uint64_t)(seconds * 1000), "user.%u.login-time", i);
    }
    return true;
}

static bool add_os(Vm *vm, Params *params, Error **err)
{
    static const char *const names[] = {
        "id",      "name",    "pretty-name", "version",        "version-id",
        "machine", "variant", "variant-id",  "kernel-release", "kernel-version"
    };
    AUTO_JSON reply = NULL;

    if (!vm_agent_ask(vm, "guest-get-osinfo", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_object(reply))
        return error_set(err, ERROR_INTERNAL, "guest-get-osinfo reply was missing return data");
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *text = json_get_str(reply, names[i]);
        if (text)
            params_add_string(params, text, "os.%s", names[i]);
    }
    return true;
}

static bool add_timezone(Vm *vm, Params *params, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!vm_agent_ask(vm, "guest-get-timezone", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_object(reply))
        return error_set(err, ERROR_INTERNAL, "guest-get-timezone reply was missing return data");
    const char *zone = json_get_str(reply, "zone");
    const int64_t offset = json_get_int(reply, "offset", INT64_MAX);
    if (zone)
        params_add_string(params, zone, "timezone.name");
    if (offset < INT32_MIN || offset > INT32_MAX)
        return error_set(err, ERROR_INTERNAL, "'offset' missing in reply of guest-get-timezone");
    params_add_int(params, (int32_t)offset, "timezone.offset");
    return true;
}

static bool add_hostname(Vm *vm, Params *params, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!vm_agent_ask(vm, "guest-get-host-name", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    const char *name = json_get_str(reply, "host-name");
    if (!name)
        return error_set(err, ERROR_INTERNAL, "'host-name' missing in guest-get-host-name reply");
    params_add_string(params, name, "hostname");
    return true;
}

static bool add_disk(const DomainDef *def, const Json *said, unsigned i, Params *params, Error **err)
{
    static const char command[] = "guest-get-disks";
    const char *name = json_get_str(said, "name"), *alias = json_get_str(said, "alias");
    const Json *dependencies = json_get_arr(said, "dependencies"), *address = json_get_obj(said, "address");

    if (!name || !json_is_boolean(json_object_get(said, "partition")))
        return error_set(err, ERROR_INTERNAL, "'%s' missing in reply of %s", name ? "partition" : "name",
                         command);
    params_add_string(params, name, "disk.%u.name", i);
    params_add_bool(params, json_get_bool(said, "partition", false), "disk.%u.partition", i);
    const unsigned n_dependencies = (unsigned)MIN(json_array_size(dependencies), PARAMS_MAX);
    if (n_dependencies > 0)
        params_add_uint(params, n_dependencies, "disk.%u.dependency.count", i);
    for (unsigned j = 0; j < n_dependencies; j++) {
        const char *text = json_string_value(json_array_get(dependencies, j));
        if (text)
            params_add_string(params, text, "disk.%u.dependency.%u.name", i, j);
    }
    if (address) {
        g_auto(GuestDisk) disk = { 0 };
        if (!read_disk(def, address, &disk, err))
            return false;
        if (disk.serial)
            params_add_string(params, disk.serial, "disk.%u.serial", i);
        if (disk.target)
            params_add_string(params, disk.target, "disk.%u.alias", i);
    }
    if (alias)
        params_add_string(params, alias, "disk.%u.guest_alias", i);
    return true;
}

static bool add_disks(Vm *vm, Params *params, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!vm_require_running(vm, err))
        return false;
    g_autoptr(DomainDef) def = domain_def_copy(vm->live);
    if (!vm_agent_ask(vm, "guest-get-disks", NULL, AGENT_BLOCKING_MS, &reply, err))
        return false;
    if (!json_is_array(reply))
        return error_set(err, ERROR_INTERNAL, "qemu agent didn't return an array of disks");
    const unsigned count = (unsigned)MIN(json_array_size(reply), PARAMS_MAX);
    if (count > 0)
        params_add_uint(params, count, "disk.count");
    for (unsigned i = 0; i < count; i++) {
        if (!add_disk(def, json_array_get(reply, i), i, params, err))
            return false;
    }
    return true;
}

static bool add_interfaces(Vm *vm, Params *params, Error **err)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_get_addresses(vm, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, 0, "qemuDomainGetGuestInfo", &list,
                          err))
        return false;
    if (list->len > 0)
        params_add_uint(params, list->len, "if.count");
    for (guint i = 0; i < list->len; i++) {
        const VmInterfaceAddresses *interface = list->pdata[i];
        params_add_string(params, interface->name, "if.%u.name", i);
        if (interface->mac)
            params_add_string(params, interface->mac, "if.%u.hwaddr", i);
        params_add_uint(params, interface->addresses->len, "if.%u.addr.count", i);
        for (guint j = 0; j < interface->addresses->len; j++) {
            const VmAddress *address = interface->addresses->pdata[j];
            params_add_string(params, address->is_v6 ? "ipv6" : "ipv4", "if.%u.addr.%u.type", i, j);
            params_add_string(params, address->ip, "if.%u.addr.%u.addr", i, j);
            params_add_uint(params, address->prefix, "if.%u.addr.%u.prefix", i, j);
        }
    }
    return true;
}

/* ---- all of it ---- */

static const struct {
    unsigned type;
    bool (*add)(Vm *vm, Params *params, Error **err);
    bool may_fail; /* when everything is asked for: a guest without it still has the rest */
} kinds[] = {
    { VIR_DOMAIN_GUEST_INFO_USERS, add_users },
    { VIR_DOMAIN_GUEST_INFO_OS, add_os },
    { VIR_DOMAIN_GUEST_INFO_TIMEZONE, add_timezone },
    { VIR_DOMAIN_GUEST_INFO_HOSTNAME, add_hostname, true },
    { VIR_DOMAIN_GUEST_INFO_FILESYSTEM, add_filesystems },
    { VIR_DOMAIN_GUEST_INFO_DISKS, add_disks },
    { VIR_DOMAIN_GUEST_INFO_INTERFACES, add_interfaces },
};

/* The agent is too old for that, or was told not to do it. */
static bool is_unknown_command(const Error *err)
{
    const char *class = error_class(err);

    return error_code(err) == ERROR_REFUSED && class &&
           (strcmp(class, "CommandNotFound") == 0 || strcmp(class, "CommandDisabled") == 0);
}

bool vm_get_guest_info(Vm *vm, unsigned types, unsigned flags, Params **ret_params, Error **err)
{
    g_autoptr(Params) params = params_new();
    unsigned known = 0;

    if (!check_flags(flags, 0, "qemuDomainGetGuestInfo", err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        known |= kinds[i].type;
    if (types & ~known)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported guest information types '0x%x'",
                         types & ~known);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(Error) why = NULL;
        g_autoptr(Params) some = params_new();
        if (types && !(types & kinds[i].type))
            continue;
        if (kinds[i].add(vm, some, &why)) {
            params_move(params, some);
            continue;
        }
        const bool is_minor =
            is_unknown_command(why) || (kinds[i].may_fail && error_code(why) != ERROR_CANCELLED && vm->run);
        if (types || !is_minor)
            return error_propagate(err, g_steal_pointer(&why));
    }
    if (params_count(params) > PARAMS_MAX)
        return error_set(err, ERROR_OVERFLOW, "the guest agent said more than %d things", PARAMS_MAX);
    *ret_params = g_steal_pointer(&params);
    return true;
}
