/* Devices of the host that a machine gets, by the names that people have for them: that of a node device,
 * 001.003 or 0x1234:0x5678 (USB), 1f.01.02 or 0:1f.2 (PCI). The daemon knows what they are. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "cli/domain.h"
#include "cli/install_job.h"
#include "install/document.h"

static char *get(XmlDoc *doc, const char *place)
{
    return xml_get(doc, NULL, place);
}

static void copy(xmlNode *to, const char *place, XmlDoc *doc, const char *from)
{
    g_autofree char *value = get(doc, from);

    doc_set(to, place, value);
}

static void copy_number(xmlNode *to, const char *place, XmlDoc *doc, const char *from)
{
    g_autofree char *value = get(doc, from);

    if (value)
        doc_setf(to, place, "%u", (unsigned)g_ascii_strtoull(value, NULL, 0));
}

static bool use_device(xmlNode *node, const char *name, XmlDoc *doc, Error **err)
{
    g_autofree char *kind = get(doc, "/device/capability/@type");

    if (g_strcmp0(kind, "pci") == 0) {
        doc_set(node, "@type", "pci");
        doc_default(node, "@managed", "yes");
        copy_number(node, "source/address/@domain", doc, "/device/capability/domain");
        copy_number(node, "source/address/@bus", doc, "/device/capability/bus");
        copy_number(node, "source/address/@slot", doc, "/device/capability/slot");
        copy_number(node, "source/address/@function", doc, "/device/capability/function");
        return true;
    }
    if (g_strcmp0(kind, "usb_device") == 0) {
        doc_set(node, "@type", "usb");
        doc_default(node, "@managed", "yes");
        copy(node, "source/vendor/@id", doc, "/device/capability/vendor/@id");
        copy(node, "source/product/@id", doc, "/device/capability/product/@id");
        return true;
    }
    if (g_strcmp0(kind, "mdev") == 0) {
        doc_set(node, "@type", "mdev");
        doc_set(node, "@model", "vfio-pci");
        copy(node, "source/address/@uuid", doc, "/device/capability/uuid");
        return true;
    }
    return error_set(err, ERROR_NOT_SUPPORTED, "'%s' is a device of kind '%s', which no machine can be given",
                     name, kind ? kind : "unknown");
}

static bool describe(InstallJob *job, const char *name, XmlDoc **ret_doc, Error **err)
{
    g_auto(WireNodeDeviceGetXmlDescRet) ret = { 0 };
    const WireNodeDeviceGetXmlDescArgs call = { .name = (char *)name };

    return cli_call(job->cli, PROC_NODE_DEVICE_GET_XML_DESC, &call, &ret, err) &&
           xml_parse(ret.xml, ret_doc, err);
}

static bool is_usb(XmlDoc *doc, unsigned bus, unsigned device)
{
    g_autofree char *its_bus = get(doc, "/device/capability[@type='usb_device']/bus");
    g_autofree char *its_device = get(doc, "/device/capability[@type='usb_device']/device");

    return its_bus && its_device && g_ascii_strtoull(its_bus, NULL, 10) == bus &&
           g_ascii_strtoull(its_device, NULL, 10) == device;
}

/* "001.003": the one that is plugged in there. */
static bool find_usb(InstallJob *job, const char *name, unsigned bus, unsigned device, XmlDoc **ret_doc,
                     Error **err)
{
    g_auto(WireConnectListAllNodeDevicesRet) all = { 0 };
    const WireConnectListAllNodeDevicesArgs call = { .need_results = 1 };

    if (!cli_call(job->cli, PROC_CONNECT_LIST_ALL_NODE_DEVICES, &call, &all, err))
        return false;
    for (uint32_t i = 0; i < all.n_devices; i++) {
        g_autoptr(XmlDoc) doc = NULL;
        if (!g_str_has_prefix(all.devices[i].name, "usb_") ||
            !describe(job, all.devices[i].name, &doc, NULL) || !is_usb(doc, bus, device))
            continue;
        *ret_doc = g_steal_pointer(&doc);
        return true;
    }
    return error_set(err, ERROR_DEVICE_MISSING, "no USB device is at '%s'", name);
}

static bool resolve(InstallJob *job, const InstallHostdev *hostdev, Error **err)
{
    const char *name = hostdev->name;
    unsigned domain = 0, bus, slot, function, vendor, product;
    char end;
    g_autoptr(XmlDoc) doc = NULL;
    g_autofree char *pci = NULL;

    if (sscanf(name, "0x%x:0x%x%c", &vendor, &product, &end) == 2) {
        doc_set(hostdev->node, "@type", "usb");
        doc_default(hostdev->node, "@managed", "yes");
        doc_setf(hostdev->node, "source/vendor/@id", "0x%04x", vendor);
        doc_setf(hostdev->node, "source/product/@id", "0x%04x", product);
        return true;
    }
    if (sscanf(name, "%3u.%3u%c", &bus, &slot, &end) == 2 && strlen(name) <= 7)
        return find_usb(job, name, bus, slot, &doc, err) && use_device(hostdev->node, name, doc, err);
    if (sscanf(name, "%x:%x:%x.%x%c", &domain, &bus, &slot, &function, &end) == 4 ||
        (domain = 0, sscanf(name, "%x:%x.%x%c", &bus, &slot, &function, &end) == 3) ||
        sscanf(name, "%x.%x.%x%c", &bus, &slot, &function, &end) == 3)
        pci = g_strdup_printf("pci_%04x_%02x_%02x_%x", domain, bus, slot, function);
    if (!describe(job, pci ? pci : name, &doc, err)) {
        error_prefix(err, "--hostdev %s", name);
        return error_hint(err, "'lodge nodedev-list --cap pci' and '--cap usb_device' list the devices of "
                               "the host");
    }
    return use_device(hostdev->node, name, doc, err);
}

bool install_hostdevs(InstallJob *job, Error **err)
{
    for (guint i = 0; i < job->install->hostdevs->len; i++)
        if (!resolve(job, &g_array_index(job->install->hostdevs, InstallHostdev, i), err))
            return false;
    return true;
}
