/* The devices and settings that nobody named. What suits a system is what virt-install gives it, so that a
 * machine is the same whoever makes it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/uuid.h"
#include "install/document.h"
#include "install/install.h"
#include "install/option_apply.h"

#define OSINFO_SPACE "http://libosinfo.org/xmlns/libvirt/domain/1.0"
#define PCIE_PORTS 14
#define USB_REDIRECTIONS 2
#define HYPERV_SPINS "8191"

static bool is_x86(const Install *install)
{
    return strcmp(install->arch, "x86_64") == 0 || strcmp(install->arch, "i686") == 0;
}

static bool is_q35(const Install *install)
{
    return install->machine && strstr(install->machine, "q35");
}

bool install_is_windows(const Install *install)
{
    const char *family = install->os.family;

    return family &&
           (strcmp(family, "winnt") == 0 || strcmp(family, "win9x") == 0 || strcmp(family, "win16") == 0);
}

static bool is_efi(const Install *install)
{
    return doc_is(install->domain, "os/@firmware", "efi") ||
           doc_is(install->domain, "os/loader/@type", "pflash");
}

static xmlNode *devices(const Install *install)
{
    return doc_find(install->domain, "devices");
}

static bool has_graphics(const Install *install, const char *type)
{
    for (xmlNode *node = NULL; (node = doc_next(devices(install), "graphics", node));)
        if (!type || doc_is(node, "@type", type))
            return true;
    return false;
}

static bool wants(const Install *install, const char *device)
{
    return !doc_has(devices(install), device) && !install_has_none(install, device);
}

static void finish_metadata(Install *install)
{
    if (!install->os.id || strstr(install->os.id, "libosinfo.org/unknown"))
        return;
    xmlNode *metadata = doc_make(install->domain, "metadata");
    xmlNode *info = xmlNewChild(metadata, NULL, (const xmlChar *)"libosinfo", NULL);
    xmlNs *space = xmlNewNs(info, (const xmlChar *)OSINFO_SPACE, (const xmlChar *)"libosinfo");
    xmlSetNs(info, space);
    xmlNode *os = xmlNewChild(info, space, (const xmlChar *)"os", NULL);
    xmlSetProp(os, (const xmlChar *)"id", (const xmlChar *)install->os.id);
}

static bool finish_resources(Install *install, Error **err)
{
    xmlNode *domain = install->domain;

    if (!doc_has(domain, "memory/.") || !*doc_find(domain, "memory")->name ||
        !doc_find(domain, "memory")->children) {
        if (!install->os.ram_bytes) {
            error_set(err, ERROR_INVALID_ARGUMENT,
                      "--memory is needed: how much is not known for this system");
            return error_hint(err, "--memory 2048 gives the machine 2048 MiB");
        }
        doc_setf(domain, "memory", "%" PRIu64, install->os.ram_bytes / 1024);
        doc_setf(domain, "currentMemory", "%" PRIu64, install->os.ram_bytes / 1024);
    }
    if (doc_is(domain, "vcpu", NULL))
        doc_setf(domain, "vcpu", "%u", install->os.vcpus ? install->os.vcpus : 1);
    return true;
}

static void finish_os(Install *install)
{
    xmlNode *os = doc_find(install->domain, "os");

    if (doc_is(install->domain, "uuid", NULL)) {
        Uuid uuid;
        char text[UUID_STRING_LEN];
        uuid_generate(&uuid);
        uuid_format(&uuid, text);
        doc_set(install->domain, "uuid", text);
    }
    doc_set(install->domain, "@type", install->virt_type);
    doc_set(devices(install), "emulator", install->emulator);
    doc_set(os, "type", install->os_type);
    doc_set(os, "type/@arch", install->arch);
    doc_set(os, "type/@machine", install->machine);
    const bool has_loader = doc_has(os, "loader") || doc_has(os, "@firmware");
    if (install->os.needs_efi && install->has_efi && is_x86(install) && !has_loader)
        doc_set(os, "@firmware", "efi");
    for (xmlNode *kind = devices(install)->children; kind; kind = kind->next)
        if (kind->type == XML_ELEMENT_NODE && doc_has(kind, "boot/@order"))
            install->boots_by_order = true;
}

/* The first disk or drive, or the network if there is none. */
static void finish_boot(Install *install)
{
    xmlNode *os = doc_find(install->domain, "os");
    xmlNode *disk = doc_next(devices(install), "disk", NULL);

    if (doc_has(os, "boot") || doc_has(os, "kernel") || install->boots_by_order)
        return;
    const char *device = !disk && install->method == METHOD_PXE ? "network"
                         : !disk                                ? "hd"
                         : doc_is(disk, "@device", "cdrom")     ? "cdrom"
                         : doc_is(disk, "@device", "floppy")    ? "fd"
                                                                : "hd";
    doc_set(doc_add(os, "boot"), "@dev", device);
}

static void set_on(xmlNode *features, const char *name, bool on)
{
    g_autofree char *key = g_strdup_printf("%s/@state", name);

    doc_default(features, key, on ? "on" : "off");
}

static void finish_features(Install *install)
{
    xmlNode *features = doc_make(install->domain, "features");

    if (!is_x86(install))
        return;
    if (!g_hash_table_contains(install->none, "acpi"))
        (void)doc_make(features, "acpi");
    if (!g_hash_table_contains(install->none, "apic"))
        (void)doc_make(features, "apic");
    if (strcmp(install->arch, "i686") == 0 && !g_hash_table_contains(install->none, "pae"))
        (void)doc_make(features, "pae");
    if (install_is_windows(install)) {
        set_on(features, "hyperv/relaxed", true);
        set_on(features, "hyperv/vapic", true);
        if (!doc_has(features, "hyperv/spinlocks/@state"))
            doc_set(features, "hyperv/spinlocks/@retries", HYPERV_SPINS);
        set_on(features, "hyperv/spinlocks", true);
    }
    if (has_graphics(install, "spice"))
        set_on(features, "vmport", false);
}

static void finish_clock(Install *install)
{
    xmlNode *clock = doc_make(install->domain, "clock");
    const bool is_local =
        install_is_windows(install) || (install->os.family && strcmp(install->os.family, "solaris") == 0);

    doc_default(clock, "@offset", is_local ? "localtime" : "utc");
    if (!is_x86(install) || doc_has(clock, "timer"))
        return;
    doc_set(clock, "timer[@name='rtc']/@tickpolicy", "catchup");
    doc_set(clock, "timer[@name='pit']/@tickpolicy", "delay");
    doc_set(clock, "timer[@name='hpet']/@present", "no");
    if (install_is_windows(install))
        doc_set(clock, "timer[@name='hypervclock']/@present", "yes");
}

static void finish_cpu(Install *install)
{
    xmlNode *domain = install->domain;

    if (strcmp(install->virt_type, "kvm") == 0 && is_x86(install) && !doc_has(domain, "cpu/@mode") &&
        !doc_has(domain, "cpu/model"))
        doc_set(domain, "cpu/@mode", "host-passthrough");
    if (is_x86(install)) {
        doc_default(domain, "pm/suspend-to-mem/@enabled", "no");
        doc_default(domain, "pm/suspend-to-disk/@enabled", "no");
    }
}

/* ---- disks ---- */

static const char *disk_bus(const Install *install, const xmlNode *disk)
{
    if (doc_is(disk, "@device", "floppy"))
        return "fdc";
    if (doc_is(disk, "@device", "lun"))
        return "scsi";
    if (doc_is(disk, "@device", "disk") && install->os.has_virtio_block)
        return "virtio";
    if (!is_x86(install))
        return doc_is(disk, "@device", "disk") ? "virtio" : "scsi";
    return is_q35(install) ? "sata" : "ide";
}

static const char *bus_prefix(const char *bus)
{
    static const char *const rows[][2] = {
        { "virtio", "vd" }, { "ide", "hd" }, { "fdc", "fd" }, { "xen", "xvd" }
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (strcmp(rows[i][0], bus) == 0)
            return rows[i][1];
    return "sd";
}

static bool is_taken(const Install *install, const char *target)
{
    for (xmlNode *disk = NULL; (disk = doc_next(devices(install), "disk", disk));)
        if (doc_is(disk, "target/@dev", target))
            return true;
    return false;
}

/* The @index-th name of a prefix: a to z, then aa. */
static char *target_name(const char *prefix, unsigned index)
{
    char letters[8] = "";
    size_t at = sizeof(letters) - 1;

    do {
        letters[--at] = (char)('a' + index % 26);
        index = index / 26;
    } while (index-- > 0 && at > 0);
    return g_strconcat(prefix, letters + at, NULL);
}

void install_finish_disks(Install *install)
{
    for (xmlNode *disk = NULL; (disk = doc_next(devices(install), "disk", disk));) {
        doc_default(disk, "@type", "file");
        doc_default(disk, "target/@bus", disk_bus(install, disk));
    }
    for (xmlNode *disk = NULL; (disk = doc_next(devices(install), "disk", disk));) {
        g_autofree char *bus = doc_get(disk, "target/@bus");
        for (unsigned i = 0; !doc_has(disk, "target/@dev"); i++) {
            g_autofree char *name = target_name(bus_prefix(bus), i);
            if (!is_taken(install, name))
                doc_set(disk, "target/@dev", name);
        }
    }
}

void install_disk_is(InstallDisk *disk, const char *type, const char *source, const char *format)
{
    static const char *const keys[][2] = { { "block", "source/@dev" },
                                           { "dir", "source/@dir" },
                                           { "file", "source/@file" } };

    doc_set(disk->node, "@type", type);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (strcmp(keys[i][0], type) == 0)
            doc_set(disk->node, keys[i][1], source);
    doc_default(disk->node, "driver/@name", "qemu");
    if (format)
        doc_default(disk->node, "driver/@type", format);
    if (disk->is_made && !disk->is_full)
        doc_default(disk->node, "driver/@discard", "unmap");
}

void install_use_drivers(Install *install)
{
    bool *const has[] = { &install->os.has_virtio_block,   &install->os.has_virtio_net,
                          &install->os.has_virtio_scsi,    &install->os.has_virtio_console,
                          &install->os.has_virtio_balloon, &install->os.has_virtio_rng,
                          &install->os.has_virtio_modern };
    bool has_drivers = false;

    for (guint i = 0; i < install->disks->len; i++) {
        const char *path = install_disk(install, i)->path;
        g_autofree char *name = path ? g_path_get_basename(path) : g_strdup("");
        has_drivers = has_drivers || g_str_has_prefix(name, "virtio-win");
    }
    for (size_t i = 0; has_drivers && install_is_windows(install) && i < G_N_ELEMENTS(has); i++)
        *has[i] = true;
}

/* An empty drive of a machine that is installed again. */
static xmlNode *free_drive(const Install *install)
{
    for (xmlNode *disk = NULL; install->is_taken_over && (disk = doc_next(devices(install), "disk", disk));)
        if (doc_is(disk, "@device", "cdrom") && !doc_has(disk, "source"))
            return disk;
    return NULL;
}

bool install_add_medium(Install *install, const char *path, Error **err)
{
    xmlNode *drive = free_drive(install);

    if (drive) {
        const InstallDisk disk = { .node = drive, .path = g_strdup(path), .is_install_media = true };
        g_array_append_val(install->disks, disk);
        return true;
    }
    g_autoptr(GString) text = g_string_new("device=cdrom");

    if (path) {
        /* The path is taken as it is: its commas are its own. */
        if (!install_take(install, "disk", text->str, err))
            return false;
        install_set(&install_disk(install, install->disks->len - 1)->path, path);
    } else if (!install_take(install, "disk", text->str, err)) {
        return false;
    }
    install_disk(install, install->disks->len - 1)->is_install_media = true;
    return true;
}

/* ---- other devices ---- */

static void finish_controllers(Install *install)
{
    bool has_usb = install_has_none(install, "controller"), has_pci = false, has_scsi = false;

    for (xmlNode *node = NULL, *next = doc_next(devices(install), "controller", NULL); (node = next);) {
        next = doc_next(devices(install), "controller", node);
        has_usb = has_usb || doc_is(node, "@type", "usb");
        has_pci = has_pci || doc_is(node, "@type", "pci");
        has_scsi = has_scsi || doc_is(node, "@type", "scsi");
        if (!doc_has(node, "@type"))
            doc_drop(node); /* it only said how many ports there are */
    }
    if (!has_usb && is_x86(install)) {
        xmlNode *usb = doc_add(devices(install), "controller");
        if (install->os.has_xhci) {
            doc_set(usb, "@type", "usb");
            doc_set(usb, "@model", "qemu-xhci");
            doc_set(usb, "@ports", "15");
        } else {
            add_usb2(usb);
        }
    }
    if (!has_pci && is_q35(install)) {
        const int ports = install->pcie_ports < 0 ? PCIE_PORTS : install->pcie_ports;
        for (int i = -1; i < ports; i++) {
            xmlNode *node = doc_add(devices(install), "controller");
            doc_set(node, "@type", "pci");
            doc_set(node, "@model", i < 0 ? "pcie-root" : "pcie-root-port");
        }
    }
    if (!has_scsi && install->os.has_virtio_scsi && doc_has(devices(install), "disk/target[@bus='scsi']")) {
        xmlNode *node = doc_add(devices(install), "controller");
        doc_set(node, "@type", "scsi");
        doc_set(node, "@model", "virtio-scsi");
    }
}

static void finish_interfaces(Install *install)
{
    for (xmlNode *node = NULL; (node = doc_next(devices(install), "interface", node));) {
        if (!doc_has(node, "mac/@address"))
            doc_setf(node, "mac/@address", "52:54:00:%02x:%02x:%02x", g_random_int() & 0xff,
                     g_random_int() & 0xff, g_random_int() & 0xff);
        if (!doc_is(node, "@type", "hostdev"))
            doc_default(node, "model/@type",
                        install->os.has_virtio_net ? "virtio"
                        : is_q35(install)          ? "e1000e"
                                                   : "e1000");
    }
}

static void finish_displays(Install *install)
{
    if (wants(install, "graphics"))
        doc_set(doc_add(devices(install), "graphics"), "@type", install->has_spice ? "spice" : "vnc");
    for (xmlNode *node = NULL; (node = doc_next(devices(install), "graphics", node));) {
        const bool listens = !doc_has(node, "listen") || doc_is(node, "listen/@type", "address") ||
                             doc_is(node, "listen/@type", "network") || !doc_has(node, "listen/@type");
        const bool has_port = doc_has(node, "@port") || doc_has(node, "@tlsPort");
        if (doc_is(node, "@type", "vnc") && listens)
            doc_default(node, "@port", "-1");
        if (!doc_is(node, "@type", "spice"))
            continue;
        if (listens && !has_port)
            doc_set(node, "@autoport", "yes");
        if (listens) {
            doc_default(node, "@port", "-1");
            doc_default(node, "@tlsPort", "-1");
        }
        doc_default(node, "image/@compression", "off");
    }
}

static void finish_video(Install *install)
{
    bool gl = false;

    for (xmlNode *node = NULL; (node = doc_next(devices(install), "graphics", node));)
        gl = gl || doc_is(node, "gl/@enable", "yes");
    if (has_graphics(install, NULL) && wants(install, "video")) {
        xmlNode *video = doc_add(devices(install), "video");
        doc_set(video, "model/@type",
                gl || install->os.has_virtio_gpu ? "virtio"
                : has_graphics(install, "spice") ? "qxl"
                : is_efi(install)                ? "bochs"
                                                 : "vga");
        if (gl)
            doc_set(video, "model/acceleration/@accel3d", "yes");
    }
    for (xmlNode *node = NULL; (node = doc_next(devices(install), "video", node));)
        doc_default(node, "model/@type", "vga");
}

static xmlNode *add_virtio_channel(Install *install, const char *type, const char *name)
{
    xmlNode *node = doc_add(devices(install), "channel");

    doc_set(node, "@type", type);
    if (strcmp(type, "unix") == 0)
        doc_set(node, "source/@mode", "bind");
    doc_set(node, "target/@type", "virtio");
    doc_set(node, "target/@name", name);
    return node;
}

static bool has_channel(const Install *install, const char *name)
{
    for (xmlNode *node = NULL; (node = doc_next(devices(install), "channel", node));)
        if (doc_is(node, "target/@name", name))
            return true;
    return false;
}

static void finish_channels(Install *install)
{
    const bool none = install_has_none(install, "channel");

    if (!doc_has(devices(install), "serial") && wants(install, "console"))
        doc_set(doc_add(devices(install), "console"), "@type", "pty");
    if (wants(install, "channel") && install->os.has_virtio_console)
        (void)add_virtio_channel(install, "unix", "org.qemu.guest_agent.0");
    if (!none && has_graphics(install, "spice") && !has_channel(install, "com.redhat.spice.0"))
        (void)add_virtio_channel(install, "spicevmc", "com.redhat.spice.0");
}

static void finish_people(Install *install)
{
    if (has_graphics(install, NULL) && wants(install, "input") && is_x86(install)) {
        xmlNode *tablet = doc_add(devices(install), "input");
        doc_set(tablet, "@type", "tablet");
        doc_set(tablet, "@bus", "usb");
    }
    if (has_graphics(install, "spice") && wants(install, "sound"))
        (void)doc_add(devices(install), "sound");
    for (xmlNode *node = NULL; (node = doc_next(devices(install), "sound", node));)
        doc_default(node, "@model", is_q35(install) ? "ich9" : "ich6");
    for (unsigned i = 0; has_graphics(install, "spice") && i < USB_REDIRECTIONS; i++) {
        if (i == 0 && !wants(install, "redirdev"))
            break;
        xmlNode *node = doc_add(devices(install), "redirdev");
        doc_set(node, "@bus", "usb");
        doc_set(node, "@type", "spicevmc");
    }
}

static void finish_more(Install *install)
{
    if (wants(install, "memballoon") && install->os.has_virtio_balloon)
        doc_set(doc_add(devices(install), "memballoon"), "@model", "virtio");
    if (wants(install, "rng") && install->os.has_virtio_rng) {
        xmlNode *rng = doc_add(devices(install), "rng");
        doc_set(rng, "@model", "virtio");
        doc_set(rng, "backend", "/dev/urandom");
        doc_set(rng, "backend/@model", "random");
    }
    if (wants(install, "tpm") && is_efi(install) && install->has_emulated_tpm && is_x86(install)) {
        xmlNode *tpm = doc_add(devices(install), "tpm");
        doc_set(tpm, "@model", "tpm-crb");
        doc_set(tpm, "backend/@type", "emulator");
    }
}

bool install_finish(Install *install, Error **err)
{
    finish_metadata(install);
    if (!finish_resources(install, err))
        return false;
    finish_os(install);
    install_finish_disks(install);
    finish_boot(install);
    finish_controllers(install);
    finish_interfaces(install);
    finish_displays(install);
    finish_features(install);
    finish_clock(install);
    finish_cpu(install);
    finish_video(install);
    finish_channels(install);
    finish_people(install);
    finish_more(install);
    for (guint i = 0; i < install->edits->len; i++)
        if (!take_xml(install, install->edits->pdata[i], err))
            return false;
    return true;
}
