/* What the daemon's host can do, out of its capabilities, and the choice of a platform. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libxml/parser.h>
#include <string.h>

#include "install/document.h"
#include "install/install.h"

static bool parse(const char *text, xmlDoc **ret_doc, Error **err)
{
    xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), "capabilities", NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

    if (!doc || !xmlDocGetRootElement(doc)) {
        xmlFreeDoc(doc);
        return error_set(err, ERROR_XML_SYNTAX, "the daemon's capabilities are not well-formed");
    }
    *ret_doc = doc;
    return true;
}

static bool is_machine(const xmlNode *machine, const char *name)
{
    return doc_is(machine, ".", name) || doc_is(machine, "@canonical", name);
}

static const xmlNode *find_machine(const xmlNode *arch, const char *domain, const char *name)
{
    const xmlNode *places[] = { NULL, arch };

    /* A kind of domain may have machines of its own. */
    for (xmlNode *node = NULL; (node = doc_next(arch, "domain", node));)
        if (doc_is(node, "@type", domain))
            places[0] = node;
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
        for (xmlNode *machine = NULL; places[i] && (machine = doc_next(places[i], "machine", machine));)
            if (!name || is_machine(machine, name))
                return machine;
    return NULL;
}

static bool has_domain(const xmlNode *arch, const char *type)
{
    for (xmlNode *node = NULL; (node = doc_next(arch, "domain", node));)
        if (doc_is(node, "@type", type))
            return true;
    return false;
}

/* The guest of the capabilities that was asked for. */
static const xmlNode *find_guest(const Install *install, const xmlNode *root, const char *host_arch)
{
    const char *arch = install->arch ? install->arch : host_arch;
    const char *os = install->os_type ? install->os_type : "hvm";

    for (xmlNode *guest = NULL; (guest = doc_next(root, "guest", guest));)
        if (doc_is(guest, "os_type", os) && doc_is(guest, "arch/@name", arch))
            return doc_find(guest, "arch");
    return NULL;
}

static bool refuse(const Install *install, const char *host_arch, Error **err)
{
    if (install->os_type && strcmp(install->os_type, "hvm") != 0)
        return error_set(err, ERROR_NOT_SUPPORTED, "this host does not have guests of type '%s'",
                         install->os_type);
    error_set(err, ERROR_NOT_SUPPORTED, "this host has no emulator for the architecture '%s'",
              install->arch ? install->arch : host_arch);
    return error_hint(err, "QEMU comes in packages of its own for other architectures (qemu-system-arm, "
                           "qemu-system-misc, ...); 'lodge capabilities' lists what is there");
}

bool install_platform(Install *install, const char *capabilities, Error **err)
{
    xmlDoc *doc = NULL;

    if (!parse(capabilities, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    g_autofree char *host_arch = doc_get(root, "host/cpu/arch");
    const xmlNode *arch = find_guest(install, root, host_arch);
    bool ok = arch != NULL || refuse(install, host_arch, err);
    if (ok && install->virt_type && !has_domain(arch, install->virt_type)) {
        error_set(err, ERROR_NOT_SUPPORTED, "this host does not have machines of type '%s'",
                  install->virt_type);
        ok = error_hint(err, strcmp(install->virt_type, "kvm") == 0
                                 ? "it has no KVM ('lodge doctor' says why); --virt-type qemu works without"
                                 : "--virt-type is kvm or qemu here");
    }
    if (ok && install->machine && !find_machine(arch, install->virt_type, install->machine))
        ok = error_set(err, ERROR_NOT_SUPPORTED, "this host has no machine '%s' for the architecture '%s'",
                       install->machine, install->arch ? install->arch : host_arch);
    if (ok) {
        install->has_kvm = has_domain(arch, "kvm");
        install_set(&install->arch, install->arch ? install->arch : host_arch);
        if (!install->virt_type)
            install->virt_type = g_strdup(install->has_kvm ? "kvm" : "qemu");
        if (!install->os_type)
            install->os_type = g_strdup("hvm");
        const xmlNode *first = find_machine(arch, install->virt_type, NULL);
        const bool is_pc = strcmp(install->arch, "x86_64") == 0;
        const char *wish = is_pc && install->os.has_q35 ? "q35" : is_pc ? NULL : "virt";
        if (!install->machine && wish && find_machine(arch, install->virt_type, wish))
            install->machine = g_strdup(wish);
        else if (!install->machine && first)
            install->machine = doc_get(first, ".");
        if (!install->emulator)
            install->emulator = doc_get(arch, "emulator");
    }
    xmlFreeDoc(doc);
    return ok;
}

/* Whether a list of the domain capabilities has a value. */
static bool has_value(const xmlNode *root, const char *place, const char *list, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/enum[@name='%s']", place, list);
    const xmlNode *values = doc_find(root, path);

    for (xmlNode *node = NULL; values && (node = doc_next(values, "value", node));)
        if (doc_is(node, ".", value))
            return true;
    return false;
}

bool install_limits(Install *install, const char *domcaps, Error **err)
{
    xmlDoc *doc = NULL;

    if (!parse(domcaps, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    install->has_spice = has_value(root, "devices/graphics", "type", "spice");
    install->has_emulated_tpm = has_value(root, "devices/tpm", "backendModel", "emulator");
    install->has_efi = has_value(root, "os", "firmware", "efi");
    xmlFreeDoc(doc);
    return true;
}
