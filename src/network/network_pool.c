/* Pools of virtual functions of PCI network cards (SR-IOV), as sysfs shows them. Its files are the kernel's
 * own answers: reading them waits for nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "network/network_private.h"

#define FUNCTIONS_MAX 1024

static char *pci_path(const NetworkHostdev *dev)
{
    return g_strdup_printf("/sys/bus/pci/devices/%04x:%02x:%02x.%x", dev->domain, dev->bus, dev->slot,
                           dev->function);
}

bool network_pool_check(const NetworkDef *def, Error **err)
{
    for (guint i = 0; def->hostdevs && i < def->hostdevs->len; i++) {
        g_autofree char *path = pci_path(g_ptr_array_index(def->hostdevs, i));
        g_autofree char *physical = g_strconcat(path, "/physfn", NULL);
        if (access(physical, F_OK) != 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "device '%s' in network '%s' is not an SR-IOV Virtual Function", path,
                             def->name);
    }
    return true;
}

/* The name of the link of a virtual function; NULL: another driver has it. Owned */
static char *net_name(const char *function)
{
    g_autofree char *path = g_strconcat(function, "/net", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    return dir ? g_strdup(g_dir_read_name(dir)) : NULL;
}

static bool add_function(NetworkDef *def, const char *path)
{
    g_autofree char *target = g_file_read_link(path, NULL);
    g_autofree char *name = target ? g_path_get_basename(target) : NULL;
    NetworkHostdev dev = { 0 };
    char rest = 0;

    if (!name || sscanf(name, "%x:%x:%x.%x%c", &dev.domain, &dev.bus, &dev.slot, &dev.function, &rest) != 4)
        return false;
    if (def->forward == NETWORK_HOSTDEV) {
        if (!def->hostdevs)
            def->hostdevs = g_ptr_array_new();
        g_ptr_array_add(def->hostdevs, g_memdup2(&dev, sizeof(dev)));
        return true;
    }
    char *link = net_name(path);
    if (link) {
        NetworkInterface *interface = g_new0(NetworkInterface, 1);
        interface->dev = link;
        if (!def->interfaces)
            def->interfaces = xml_list_new(&network_interface_table);
        g_ptr_array_add(def->interfaces, interface);
    }
    return link != NULL;
}

bool network_pool_fill(NetworkDef *def, Error **err)
{
    unsigned count = 0;

    if (!def->pf || def->hostdevs || def->interfaces ||
        (def->forward != NETWORK_HOSTDEV && def->forward != NETWORK_PASSTHROUGH))
        return true;
    for (unsigned i = 0; i < FUNCTIONS_MAX && !strchr(def->pf, '/'); i++) {
        g_autofree char *path = g_strdup_printf("/sys/class/net/%s/device/virtfn%u", def->pf, i);
        if (access(path, F_OK) != 0)
            break;
        count += add_function(def, path);
    }
    return count > 0 || error_set(err, ERROR_INTERNAL, "No usable Vf's present on SRIOV PF %s", def->pf);
}
