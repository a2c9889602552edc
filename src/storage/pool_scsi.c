/* Pools of the disks of a SCSI adapter. What the kernel knows of adapters and disks stands in sysfs; a look
 * at the bus itself is asked for there, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/pool_kinds.h"
#include "storage/scsi.h"
#include "storage/tool.h"
#include "storage/volume_block.h"

#define SCSI_RESCAN_MS 60000
#define SCSI_ID_MS 10000
#define VPORT_WAIT_MS 10000
#define VPORT_STEP_MS 200
#define DISK_WAIT_MS 5000
#define DISK_STEP_MS 50
#define SYS_HOSTS "/sys/class/scsi_host"
#define SYS_FC_HOSTS "/sys/class/fc_host"
#define SYS_DEVICES "/sys/bus/scsi/devices"
#define TYPE_DISK 0
#define TYPE_ROM 5

static char *read_sysfs(const char *dir, const char *name, const char *file)
{
    g_autofree char *path = path_join(dir, name, file);
    return file_read_kernel(path);
}

/* "host12" -> 12 */
static bool parse_host(const char *name, unsigned *ret_host)
{
    char *end = NULL;

    if (!g_str_has_prefix(name, "host") || !g_ascii_isdigit(name[4]))
        return false;
    *ret_host = (unsigned)strtoul(name + 4, &end, 10);
    return *end == '\0';
}

/* ---- disks ---- */

/* What identifies the disk wherever it is plugged in; NULL. */
AWAITS static char *scsi_serial(const char *device)
{
    const char *const argv[] = {
        "/lib/udev/scsi_id", "--replace-whitespace", "--whitelisted", "--device", device, NULL
    };
    char *out = NULL;
    int status = 0;

    g_auto(Tool) tool = tool_of(argv, "udev", SCSI_ID_MS);
    tool.max_status = TOOL_ANY_STATUS;
    if (!tool_run_status(&tool, &status, &out, NULL))
        return NULL;
    g_strchomp(out);
    if (status != 0 || *out == '\0')
        g_clear_pointer(&out, g_free);
    return out;
}

static bool is_disk(const char *address)
{
    g_autofree char *type = read_sysfs(SYS_DEVICES, address, "type");
    const int number = type ? atoi(type) : -1;

    return number == TYPE_DISK || number == TYPE_ROM;
}

/* Device ("/dev/sdb") of the disk H:B:T:L; NULL if it is none, or none yet. */
static char *scsi_block_device(const char *address)
{
    g_autofree char *dir = path_join(SYS_DEVICES, address, "block");

    if (!is_disk(address))
        return NULL;
    g_autoptr(GDir) blocks = g_dir_open(dir, 0, NULL);
    const char *name = blocks ? g_dir_read_name(blocks) : NULL;
    return name ? g_strconcat("/dev/", name, NULL) : NULL;
}

static int compare_addresses(const void *a, const void *b)
{
    unsigned x[4] = { 0 }, y[4] = { 0 };

    (void)sscanf(*(char *const *)a, "%u:%u:%u:%u", &x[0], &x[1], &x[2], &x[3]);
    (void)sscanf(*(char *const *)b, "%u:%u:%u:%u", &y[0], &y[1], &y[2], &y[3]);
    for (unsigned i = 0; i < 4; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

/* Addresses "H:B:T:L" of all devices of an adapter, in order. */
static GPtrArray *scsi_addresses(unsigned host)
{
    g_autofree char *prefix = g_strdup_printf("%u:", host);
    g_autoptr(GDir) dir = g_dir_open(SYS_DEVICES, 0, NULL);
    GPtrArray *addresses = g_ptr_array_new_with_free_func(g_free);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, prefix))
            g_ptr_array_add(addresses, g_strdup(name));
    }
    g_ptr_array_sort(addresses, compare_addresses);
    return addresses;
}

/* The kernel tells of disks before it has looked at them and made their devices. */
AWAITS static bool await_devices(const GPtrArray *addresses, Error **err)
{
    for (unsigned waited = 0; waited < DISK_WAIT_MS; waited += DISK_STEP_MS) {
        bool is_missing = false;
        for (guint i = 0; i < addresses->len && !is_missing; i++) {
            g_autofree char *device = scsi_block_device(addresses->pdata[i]);
            is_missing = !device && is_disk(addresses->pdata[i]);
        }
        if (!is_missing)
            return true;
        if (!fiber_sleep(DISK_STEP_MS, err))
            return false;
    }
    return true;
}

static bool needs_link(const Pool *pool)
{
    const char *target = pool_def(pool)->target_path;
    return g_str_has_prefix(target, "/dev/");
}

bool scsi_scan_host(Pool *pool, unsigned host, PoolScan *scan, Error **err)
{
    g_autoptr(GHashTable) links = NULL;
    g_autoptr(GPtrArray) found = block_found_new();

    g_autoptr(GPtrArray) addresses = scsi_addresses(host);
    if (!await_devices(addresses, err))
        return false;
    block_settle();
    if (!block_read_links(pool, &links, err))
        return false;
    for (unsigned i = 0; i < addresses->len; i++) {
        const char *address = addresses->pdata[i];
        g_autofree char *device = scsi_block_device(address);
        if (device && !links)
            return error_set(err, ERROR_INVALID_ARGUMENT, "unable to use target path '%s' for dev '%s'",
                             pool_def(pool)->target_path, device + strlen("/dev/"));
        const char *link = device ? g_hash_table_lookup(links, device) : NULL;
        if (!device || (!link && needs_link(pool)))
            continue;
        g_autofree char *name = g_strconcat("unit", strchr(address, ':'), NULL);
        block_found_add(found, name, link ? link : device)->key = scsi_serial(device);
    }
    if (!block_look(pool, found, err))
        return false;
    block_scan_take(pool, scan, found);
    return true;
}

/* ---- adapters ---- */

static bool no_such_adapter(const char *name, Error **err)
{
    return error_set(err, ERROR_XML_INVALID, "Couldn't find SCSI adapter name with host '%s'", name);
}

/* "scsi_host5", "host5" */
static bool host_of_name(const char *name, unsigned *ret_host, Error **err)
{
    const char *number = name;
    char *end = NULL;

    if (g_str_has_prefix(number, "scsi_host"))
        number += strlen("scsi_host");
    else if (g_str_has_prefix(number, "host"))
        number += strlen("host");
    const unsigned long value = g_ascii_isdigit(*number) ? strtoul(number, &end, 10) : 0;
    if (!end || *end || value > UINT_MAX)
        return error_set(err, ERROR_INTERNAL, "Invalid adapter name '%s' for SCSI pool", number);
    *ret_host = (unsigned)value;
    return true;
}

/* The adapter at a PCI address. */
static bool host_of_address(const PoolAdapter *adapter, unsigned *ret_host, Error **err)
{
    g_autofree char *address =
        g_strdup_printf("%04x:%02x:%02x.%x", adapter->domain, adapter->bus, adapter->slot, adapter->function);
    g_autofree char *part = g_strconcat("/", address, "/", NULL);
    g_autoptr(GDir) dir = g_dir_open(SYS_HOSTS, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *link = path_join(SYS_HOSTS, name);
        char *real = realpath(link, NULL);
        const bool is_there = real && strstr(real, part);
        free(real);
        g_autofree char *id = read_sysfs(SYS_HOSTS, name, "unique_id");
        if (is_there && id && strtoul(id, NULL, 10) == adapter->unique_id.value && parse_host(name, ret_host))
            return true;
    }
    return error_set(err, ERROR_XML_INVALID, "Failed to find scsi_host using PCI '%s' and unique_id='%u'",
                     address, adapter->unique_id.value);
}

/* sysfs has "0x2000...". */
static bool wwn_is(const char *host, const char *file, const char *wwn)
{
    g_autofree char *text = read_sysfs(SYS_FC_HOSTS, host, file);

    if (!text || !wwn)
        return false;
    return g_ascii_strcasecmp(g_str_has_prefix(text, "0x") ? text + 2 : text, wwn) == 0;
}

/* The virtual adapter of these names, or the one that it is to be made on. */
static bool fc_find(const char *wwnn, const char *wwpn, const char *fabric, char **ret_host)
{
    g_autoptr(GDir) dir = g_dir_open(SYS_FC_HOSTS, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        if ((!wwnn || wwn_is(name, "node_name", wwnn)) && (!wwpn || wwn_is(name, "port_name", wwpn)) &&
            (!fabric || wwn_is(name, "fabric_name", fabric))) {
            *ret_host = g_strdup(name);
            return true;
        }
    }
    return false;
}

/* Where virtual adapters are made: the first that can have another one. */
static char *fc_find_vport_capable(void)
{
    g_autoptr(GDir) dir = g_dir_open(SYS_FC_HOSTS, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *create = path_join(SYS_FC_HOSTS, name, "vport_create");
        g_autofree char *used = read_sysfs(SYS_FC_HOSTS, name, "npiv_vports_inuse");
        g_autofree char *max = read_sysfs(SYS_FC_HOSTS, name, "max_npiv_vports");
        if (access(create, F_OK) == 0 && (!used || !max || strtoul(used, NULL, 10) < strtoul(max, NULL, 10)))
            return g_strdup(name);
    }
    return NULL;
}

static bool fc_parent(const PoolAdapter *adapter, char **ret_parent, Error **err)
{
    unsigned host = 0;

    if (adapter->parent) {
        if (!host_of_name(adapter->parent, &host, err))
            return false;
        g_autofree char *name = g_strdup_printf("host%u", host);
        g_autofree char *path = path_join(SYS_FC_HOSTS, name, "vport_create");
        g_autofree char *dir = path_join(SYS_FC_HOSTS, name);
        if (access(dir, F_OK) < 0)
            return error_set(err, ERROR_XML_INVALID, "parent '%s' specified for vHBA does not exist",
                             adapter->parent);
        if (access(path, F_OK) < 0)
            return error_set(err, ERROR_XML_INVALID, "parent '%s' specified for vHBA is not vport capable",
                             adapter->parent);
        *ret_parent = g_steal_pointer(&name);
        return true;
    }
    if (adapter->parent_wwnn || adapter->parent_fabric_wwn)
        return fc_find(adapter->parent_wwnn, adapter->parent_wwpn, adapter->parent_fabric_wwn, ret_parent) ||
               error_set(err, ERROR_XML_INVALID, "cannot find parent using provided %s",
                         adapter->parent_wwnn ? "wwnn/wwpn" : "fabric_wwn");
    *ret_parent = fc_find_vport_capable();
    return *ret_parent || error_set(err, ERROR_XML_INVALID,
                                    "'parent' for vHBA not specified, and cannot find one on this host");
}

AWAITS static bool fc_vport(const PoolAdapter *adapter, const char *parent, const char *file, Error **err)
{
    g_autofree char *path = path_join(SYS_FC_HOSTS, parent, file);
    g_autofree char *text = g_strdup_printf("%s:%s", adapter->wwpn, adapter->wwnn);

    return block_write_sysfs(path, text, SCSI_RESCAN_MS, err);
}

static bool adapter_find(const PoolAdapter *adapter, unsigned *ret_host, Error **err)
{
    g_autofree char *name = NULL;

    if (adapter->type == POOL_ADAPTER_FC_HOST) {
        if (!fc_find(adapter->wwnn, adapter->wwpn, NULL, &name))
            return error_set(err, ERROR_XML_INVALID, "Failed to find SCSI host with wwnn='%s', wwpn='%s'",
                             adapter->wwnn, adapter->wwpn);
        return parse_host(name, ret_host) || no_such_adapter(name, err);
    }
    return adapter->has_address ? host_of_address(adapter, ret_host, err)
                                : host_of_name(adapter->name, ret_host, err);
}

/* ---- the pool ---- */

static bool scsi_is_active(Pool *pool, bool *ret_active, Error **err)
{
    unsigned host = 0;

    *ret_active = false;
    if (!adapter_find(pool_def(pool)->adapter, &host, NULL))
        return true; /* start() says why */
    g_autofree char *path = g_strdup_printf(SYS_HOSTS "/host%u", host);
    *ret_active = access(path, F_OK) == 0;
    return true;
}

/* 16 hexadecimal digits. */
static bool check_wwn(const char *wwn, Error **err)
{
    if (!wwn || strlen(wwn) != 16 || strspn(wwn, "0123456789abcdefABCDEF") != 16)
        return error_set(err, ERROR_INTERNAL, "Malformed wwn: %s", wwn ? wwn : "");
    return true;
}

AWAITS static bool fc_start(const PoolDef *def, Error **err)
{
    const PoolAdapter *adapter = def->adapter;
    g_autofree char *parent = NULL;
    unsigned host = 0;

    if (!check_wwn(adapter->wwnn, err) || !check_wwn(adapter->wwpn, err))
        return false;
    if (adapter_find(adapter, &host, NULL))
        return true;
    if (!fc_parent(adapter, &parent, err) || !fc_vport(adapter, parent, "vport_create", err))
        return false;
    for (unsigned waited = 0; waited < VPORT_WAIT_MS && !adapter_find(adapter, &host, NULL);
         waited += VPORT_STEP_MS) {
        if (!fiber_sleep(VPORT_STEP_MS, err))
            return false;
    }
    return adapter_find(adapter, &host, err);
}

AWAITS static bool scsi_start(Pool *pool, Error **err)
{
    const PoolDef *def = pool_def(pool);
    unsigned host = 0;

    if (def->adapter->type == POOL_ADAPTER_FC_HOST)
        return fc_start(def, err);
    if (!adapter_find(def->adapter, &host, err))
        return false;
    g_autofree char *path = g_strdup_printf(SYS_HOSTS "/host%u/scan", host);
    return access(path, F_OK) == 0 ||
           error_set_errno(err, errno, "Could not open '%s' to trigger host scan", path);
}

/* Removes a virtual adapter that the pool is to manage. */
AWAITS static bool scsi_stop(Pool *pool, Error **err)
{
    const PoolAdapter *adapter = pool_def(pool)->adapter;
    g_autofree char *parent = NULL;
    unsigned host = 0;

    if (adapter->type != POOL_ADAPTER_FC_HOST || adapter->managed != TRISTATE_ON ||
        !adapter_find(adapter, &host, NULL))
        return true;
    return fc_parent(adapter, &parent, err) && fc_vport(adapter, parent, "vport_delete", err);
}

AWAITS static bool scsi_scan(Pool *pool, PoolScan *scan, Error **err)
{
    unsigned host = 0;

    if (!adapter_find(pool_def(pool)->adapter, &host, err))
        return false;
    g_autofree char *path = g_strdup_printf(SYS_HOSTS "/host%u/scan", host);
    if (!block_write_sysfs(path, "- - -", SCSI_RESCAN_MS, err) || !scsi_scan_host(pool, host, scan, err))
        return false;
    block_sum(scan);
    return true;
}

const PoolBackend scsi_backend = {
    .is_active = scsi_is_active,
    .start = scsi_start,
    .stop = scsi_stop,
    .scan = scsi_scan,
    .look_at_volume = block_look_at_volume,
};
