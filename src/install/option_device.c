/* Options about devices, but for disks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "install/install.h"
#include "install/option_apply.h"

/* "bridge:br0" and "network:default" are older forms of "bridge=br0". */
static void read_old_network(InstallWords *words)
{
    InstallWord *word = &g_array_index(words->list, InstallWord, 0);
    const char *colon = word->name && strcmp(word->name, "type") == 0 ? strchr(word->value, ':') : NULL;

    if (!colon)
        return;
    g_free(word->name);
    word->name = g_strndup(word->value, (size_t)(colon - word->value));
    char *value = g_strdup(colon + 1);
    g_free(word->value);
    word->value = value;
}

bool apply_network(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const struct {
        const char *type, *place;
    } sources[] = { { "network", "source/@network" },
                    { "bridge", "source/@bridge" },
                    { "direct", "source/@dev" },
                    { "vhostuser", "source/@path" },
                    { "hostdev", NULL },
                    { "ethernet", NULL },
                    { "user", NULL },
                    { "internal", "source/@name" },
                    { "vdpa", "source/@dev" } };

    read_old_network(words);
    const char *type = install_word_take(words, "type");
    const char *bridge = install_word_take(words, "bridge"), *network = install_word_take(words, "network");
    const char *source = install_word_take(words, "source");
    const char *mac = install_word_take(words, "mac");
    if (type && strcmp(type, "default") == 0)
        network = "default";
    if (bridge) {
        type = "bridge";
        source = bridge;
    } else if (network) {
        type = "network";
        source = network;
    }
    doc_set(node, "@type", type ? type : "network");
    for (size_t i = 0; source && i < G_N_ELEMENTS(sources); i++)
        if (sources[i].place && doc_is(node, "@type", sources[i].type))
            doc_set(node, sources[i].place, source);
    if (mac && g_ascii_strcasecmp(mac, "RANDOM") != 0)
        doc_set(node, "mac/@address", mac);
    if (doc_is(node, "@type", "vhostuser")) {
        doc_default(node, "source/@type", "unix");
        doc_default(node, "source/@mode", "server");
    }
    return true;
}

bool apply_graphics(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *listen = install_word_take(words, "listen"), *keymap = install_word_take(words, "keymap");
    const char *port = install_word_take(words, "port"), *tls = install_word_take(words, "tlsPort");
    const char *const ports[] = { port, tls };

    for (size_t i = 0; i < G_N_ELEMENTS(ports); i++) {
        char *end = NULL;
        if (ports[i] && ((void)strtol(ports[i], &end, 10), end == ports[i] || *end))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "--graphics: a port must be a whole number, not '%s'", ports[i]);
    }
    doc_set(node, "@port", port);
    doc_set(node, "@tlsPort", tls);
    if (listen && (strcmp(listen, "none") == 0 || strcmp(listen, "socket") == 0))
        doc_set(node, "listen/@type", listen);
    else if (listen)
        doc_set(node, "@listen", listen);
    /* "local" is what the host has, which a server may not have: no keymap is what works everywhere. */
    if (keymap && strcmp(keymap, "none") != 0 && strcmp(keymap, "local") != 0)
        doc_set(node, "@keymap", keymap);
    return true;
}

void add_usb2(xmlNode *first)
{
    static const char *const more[] = { "ich9-uhci1", "ich9-uhci2", "ich9-uhci3" };
    xmlNode *devices = first->parent;
    g_autofree char *index = doc_get(first, "@index");

    doc_set(first, "@type", "usb");
    doc_set(first, "@model", "ich9-ehci1");
    for (unsigned i = 0; i < G_N_ELEMENTS(more); i++) {
        xmlNode *node = doc_add(devices, "controller");
        doc_set(node, "@type", "usb");
        doc_set(node, "@model", more[i]);
        doc_set(node, "@index", index);
        doc_setf(node, "master/@startport", "%u", 2 * i);
    }
}

bool apply_controller(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *place = install_word_take(words, "address"),
               *ports = install_word_take(words, "num_pcie_root_ports");
    unsigned domain = 0, bus, slot, function;

    if (ports) {
        install->pcie_ports = (int)strtol(ports, NULL, 10);
        if (install->pcie_ports < 0 || install->pcie_ports > 255)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "--controller: num_pcie_root_ports is a number up to 255, not '%s'", ports);
    }
    if (place) {
        if (sscanf(place, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4 &&
            (domain = 0, sscanf(place, "%x:%x.%x", &bus, &slot, &function) != 3))
            return error_set(err, ERROR_INVALID_ARGUMENT, "--controller: '%s' is no address like 0:0:4.0",
                             place);
        doc_set(node, "address/@type", "pci");
        doc_setf(node, "address/@domain", "%u", domain);
        doc_setf(node, "address/@bus", "%u", bus);
        doc_setf(node, "address/@slot", "%u", slot);
        doc_setf(node, "address/@function", "%u", function);
    }
    if (doc_is(node, "@type", "usb2")) {
        add_usb2(node);
    } else if (doc_is(node, "@type", "usb3")) {
        doc_set(node, "@type", "usb");
        doc_set(node, "@model", "qemu-xhci");
        doc_set(node, "@ports", "15");
    }
    return true;
}

bool apply_input(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    if (!doc_has(node, "@type"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--input needs a type, like tablet");
    doc_default(node, "@bus", doc_is(node, "@type", "tablet") ? "usb" : "ps2");
    return true;
}

/* "HOST:PORT", ":PORT" is this host. */
static void set_endpoint(xmlNode *node, const char *mode, const char *text)
{
    g_autofree char *place = g_strdup_printf("source[@mode='%s']", mode);
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, (size_t)(colon - text)) : g_strdup(text);
    xmlNode *source = doc_make(node, place);

    doc_set(source, "@host", *host ? host : "127.0.0.1");
    if (colon)
        doc_set(source, "@service", colon + 1);
}

/* How a character device reaches the host. */
bool apply_char(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const struct {
        const char *name, *mode, *key;
    } ends[] = { { "source.bind_host", "bind", "@host" },
                 { "source.bind_service", "bind", "@service" },
                 { "source.connect_host", "connect", "@host" },
                 { "source.connect_service", "connect", "@service" } };
    const char *host = install_word_take(words, "host"), *bind_host = install_word_take(words, "bind_host");
    const char *mode = install_word_take(words, "mode");

    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        const char *value = install_word_take(words, ends[i].name);
        g_autofree char *place = g_strdup_printf("source[@mode='%s']/%s", ends[i].mode, ends[i].key);
        if (value)
            doc_set(node, place, value);
    }
    const bool is_net = doc_is(node, "@type", "tcp") || doc_is(node, "@type", "udp");
    if (bind_host)
        set_endpoint(node, "bind", bind_host);
    if (host && doc_is(node, "@type", "tcp") && !mode)
        mode = "bind"; /* it waits for connections */
    if (host)
        set_endpoint(node, mode ? mode : "connect", host);
    else if (mode)
        doc_set(node, "source/@mode", mode);
    if (!is_net && doc_is(node, "@type", "unix"))
        doc_default(node, "source/@mode", "bind");
    return true;
}

bool apply_channel(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *address = install_word_take(words, "target.address");

    if (!apply_char(install, node, words, err))
        return false;
    if (address) {
        const char *colon = strrchr(address, ':');
        g_autofree char *host = colon ? g_strndup(address, (size_t)(colon - address)) : g_strdup(address);
        doc_set(node, "target/@address", host);
        if (colon)
            doc_set(node, "target/@port", colon + 1);
    }
    const bool is_agent = doc_is(node, "@type", "spicevmc") || doc_is(node, "@type", "qemu-vdagent");
    if (is_agent || doc_is(node, "@type", "spiceport"))
        doc_default(node, "target/@type", "virtio");
    if (is_agent)
        doc_default(node, "target/@name", "com.redhat.spice.0");
    return true;
}

bool apply_hostdev(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *name = install_word_take(words, "name");
    InstallHostdev hostdev = { .node = node, .name = g_strdup(name) };

    if (!name)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--hostdev needs the name or address of a device");
    if (!doc_has(node, "@type"))
        g_array_append_val(install->hostdevs, hostdev);
    else
        g_free(hostdev.name);
    doc_set(node, "@mode", "subsystem");
    return true;
}

bool apply_filesystem(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *source = install_word_take(words, "source"), *target = install_word_take(words, "target");
    const char *mode = install_word_take(words, "mode");

    /* "/on/the/host,/in/the/guest" */
    for (guint i = 0; !target && i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (word->name || word->is_used)
            continue;
        word->is_used = true;
        target = word->value;
    }
    doc_default(node, "@type", "mount");
    doc_default(node, "@accessmode", mode ? mode : "mapped");
    if (source)
        doc_set(node,
                doc_is(node, "@type", "template") ? "source/@name"
                : doc_is(node, "@type", "block")  ? "source/@dev"
                : doc_is(node, "@type", "file")   ? "source/@file"
                                                  : "source/@dir",
                source);
    if (target)
        doc_set(node, "target/@dir", target);
    return true;
}

bool apply_sound(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    if (doc_is(node, "@model", "default"))
        doc_set(node, "@model", NULL); /* what suits the machine, later */
    return true;
}

bool apply_watchdog(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    if (doc_is(node, "@model", "default") || !doc_has(node, "@model"))
        doc_set(node, "@model", "i6300esb");
    doc_default(node, "@action", "reset");
    return true;
}

bool apply_video(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *accel = install_word_take(words, "accel3d");
    bool on = false;

    if (accel && !install_read_bool("video", "accel3d", accel, &on, err))
        return false;
    if (accel)
        doc_set(node, "model/acceleration/@accel3d", on ? "yes" : "no");
    return true;
}

bool apply_smartcard(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    if (doc_is(node, "@mode", "passthrough"))
        doc_default(node, "@type", "spicevmc");
    return true;
}

bool apply_redirdev(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *server = install_word_take(words, "server");
    const char *colon = server ? strrchr(server, ':') : NULL;

    doc_default(node, "@bus", "usb");
    doc_default(node, "@type", "spicevmc");
    if (server && !colon)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--redirdev: '%s' is not HOST:PORT", server);
    if (server) {
        g_autofree char *host = g_strndup(server, (size_t)(colon - server));
        doc_set(node, "source/@host", host);
        doc_set(node, "source/@service", colon + 1);
    }
    return true;
}

bool apply_tpm(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *type = install_word_take(words, "type");

    if (type && *type == '/') {
        doc_set(node, "backend/device/@path", type);
        doc_default(node, "backend/@type", "passthrough");
    } else if (type && strcmp(type, "default") != 0) {
        doc_default(node, "backend/@type", type);
    }
    const char *version = install_word_take(words, "version");
    if (version)
        doc_set(node, "backend/@version", version);
    if (!doc_has(node, "backend/@type") && doc_has(node, "backend/device/@path"))
        doc_set(node, "backend/@type", "passthrough");
    doc_default(node, "backend/@type", "emulator");
    if (doc_is(node, "backend/@type", "emulator"))
        doc_default(node, "@model", "tpm-crb");
    return true;
}

bool apply_rng(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *type = install_word_take(words, "type"), *device = install_word_take(words, "device");
    const char *backend = install_word_take(words, "backend");
    const char *path = type && *type == '/' ? type : device;

    doc_default(node, "@model", "virtio");
    if (path || (backend && *backend == '/')) {
        doc_set(node, "backend", path ? path : backend);
        doc_default(node, "backend/@model", "random");
    } else if (type) {
        doc_default(node, "backend/@model", type);
    }
    return true;
}

bool apply_panic(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    g_autofree char *model = doc_get(node, "@model");

    if (model && g_str_has_prefix(model, "0x")) {
        doc_set(node, "address/@type", "isa");
        doc_set(node, "address/@iobase", model);
        doc_set(node, "@model", "isa");
    }
    if (!model || strcmp(model, "default") == 0)
        doc_set(node, "@model", "isa");
    return true;
}

/* MiB on the command line, KiB in the document. */
bool apply_memdev(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const char *const sizes[][2] = { { "target.size", "target/size" },
                                            { "target.label_size", "target/label/size" },
                                            { "target.block", "target/block" },
                                            { "target.requested", "target/requested" },
                                            { "target.current", "target/current" } };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const char *text = install_word_take(words, sizes[i][0]);
        char *end = NULL;
        const uint64_t mib = text ? g_ascii_strtoull(text, &end, 10) : 0;
        if (text && (end == text || *end))
            return error_set(err, ERROR_INVALID_ARGUMENT, "--memdev: %s must be a number of MiB, not '%s'",
                             sizes[i][0], text);
        if (text)
            doc_setf(node, sizes[i][1], "%" PRIu64, mib * 1024);
    }
    return true;
}

bool apply_vsock(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    doc_default(node, "@model", "virtio");
    if (doc_is(node, "@model", "default"))
        doc_set(node, "@model", "virtio");
    if (!doc_has(node, "cid/@address"))
        doc_default(node, "cid/@auto", "yes");
    return true;
}
