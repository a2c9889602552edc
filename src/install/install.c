/* Taking options into the document; what comes out of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/install.h"

#include <libxml/parser.h>
#include <string.h>

#include "install/document.h"
#include "install/option.h"
#include "install/option_apply.h"
#include "install/option_list.h"

static void disk_clear(void *data)
{
    InstallDisk *disk = data;
    g_free(disk->path);
    g_free(disk->pool);
    g_free(disk->vol);
    g_free(disk->format);
    g_free(disk->backing_store);
    g_free(disk->backing_format);
}

static void hostdev_clear(void *data)
{
    InstallHostdev *hostdev = data;
    g_free(hostdev->name);
}

Install *install_new(void)
{
    Install *install = g_new0(Install, 1);

    install->doc = xmlNewDoc((const xmlChar *)"1.0");
    install->domain = xmlNewNode(NULL, (const xmlChar *)"domain");
    xmlDocSetRootElement(install->doc, install->domain);
    install->disks = g_array_new(FALSE, TRUE, sizeof(InstallDisk));
    g_array_set_clear_func(install->disks, disk_clear);
    install->hostdevs = g_array_new(FALSE, TRUE, sizeof(InstallHostdev));
    g_array_set_clear_func(install->hostdevs, hostdev_clear);
    install->none = g_hash_table_new(g_str_hash, g_str_equal);
    install->edits = g_ptr_array_new_with_free_func(g_free);
    install->pcie_ports = -1;
    /* In the order in which people expect to read them; what nobody sets goes in the end. */
    static const char *const order[] = { "name",          "uuid",  "metadata", "memory",
                                         "currentMemory", "vcpu",  "os",       "features",
                                         "cpu",           "clock", "pm",       "devices" };
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++)
        (void)doc_make(install->domain, order[i]);
    return install;
}

void install_free(Install *install)
{
    if (!install)
        return;
    g_array_unref(install->disks);
    g_array_unref(install->hostdevs);
    g_hash_table_unref(install->none);
    g_ptr_array_unref(install->edits);
    xmlFreeDoc(install->doc);
    g_free(install->os_asked);
    g_free(install->arch);
    g_free(install->virt_type);
    g_free(install->os_type);
    g_free(install->machine);
    g_free(install->emulator);
    g_free(install->bootdev);
    g_free(install->ignition);
    g_free(install);
}

bool install_take_over(Install *install, const char *xml, Error **err)
{
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "machine", NULL, XML_PARSE_NONET | XML_PARSE_NOBLANKS);

    if (!doc || !xmlDocGetRootElement(doc)) {
        xmlFreeDoc(doc);
        return error_set(err, ERROR_XML_SYNTAX, "the machine's document is not well-formed");
    }
    xmlFreeDoc(install->doc);
    install->doc = doc;
    install->domain = xmlDocGetRootElement(doc);
    install->is_taken_over = true;
    install_set(&install->arch, NULL);
    install->arch = doc_get(install->domain, "os/type/@arch");
    install->machine = doc_get(install->domain, "os/type/@machine");
    install->boots_by_order = doc_has(install->domain, "devices/disk/boot/@order");
    return true;
}

void install_set(char **text_place, const char *text)
{
    char *copy = g_strdup(text);

    g_free(*text_place);
    *text_place = copy;
}

InstallDisk *install_disk(const Install *install, guint index)
{
    return &g_array_index(install->disks, InstallDisk, index);
}

bool install_has_none(const Install *install, const char *option)
{
    return g_hash_table_contains(install->none, option);
}

/* "none" means no such device; where a device is the machine's own, its model says that. */
static bool is_none(const InstallOption *option, const char *text)
{
    static const char *const kept[] = { "memballoon", "serial", "parallel", NULL };

    return option->flags & OPTION_EACH && strcmp(text, "none") == 0 && !g_strv_contains(kept, option->name);
}

bool install_take(Install *install, const char *name, const char *text, Error **err)
{
    const InstallOption *option = install_option_find(name);
    g_auto(InstallWords) words = { 0 };

    if (!option)
        return error_set(err, ERROR_INTERNAL, "there is no option --%s", name);
    if (strcmp(option->name, "xml") == 0) {
        g_ptr_array_add(install->edits, g_strdup(text));
        return true;
    }
    if (strcmp(option->name, "qemu-commandline") == 0)
        return take_qemu_commandline(install, text, err);
    if (is_none(option, text)) {
        g_hash_table_add(install->none, (void *)option->name);
        return true;
    }
    if (!install_words_split(option, text, &words, err))
        return false;
    xmlNode *node = option->flags & OPTION_EACH ? doc_add(install->domain, option->element)
                                                : doc_make(install->domain, option->element);
    return install_option_apply(option, install, node, &words, err);
}

/* Elements that say nothing. Below devices they may mean themselves. */
static void drop_empty(xmlNode *domain)
{
    for (xmlNode *child = domain->children, *next; child; child = next) {
        next = child->next;
        if (child->type == XML_ELEMENT_NODE && !child->children && !child->properties &&
            strcmp((const char *)child->name, "genid") != 0)
            doc_drop(child);
    }
}

static char *finish_text(xmlDoc *doc)
{
    drop_empty(xmlDocGetRootElement(doc));
    char *text = doc_format(doc);
    xmlFreeDoc(doc);
    return text;
}

/* A medium that is only for the installation leaves its drive. */
static void eject_media(const Install *install, xmlNode *domain)
{
    xmlNode *devices = doc_find(domain, "devices"), *node = NULL;
    const xmlNode *originals = doc_find(install->domain, "devices"), *original = NULL;

    while ((node = doc_next(devices, "disk", node)) && (original = doc_next(originals, "disk", original))) {
        bool is_media = false;
        for (guint i = 0; i < install->disks->len; i++)
            is_media = is_media || (install_disk(install, i)->node == original &&
                                    install_disk(install, i)->is_install_media);
        if (!is_media)
            continue;
        doc_remove(node, "source");
        doc_remove(node, "driver/@type");
        doc_remove(node, "driver/@name");
    }
}

char *install_document(const Install *install)
{
    xmlDoc *doc = xmlCopyDoc(install->doc, 1);

    /* Windows needs its medium for the second start, too. */
    if (install->ejects_media && !install_is_windows(install))
        eject_media(install, xmlDocGetRootElement(doc));
    return finish_text(doc);
}

static void set_boot(xmlNode *os, const char *device)
{
    while (doc_has(os, "boot"))
        doc_remove(os, "boot");
    if (device)
        doc_set(doc_add(os, "boot"), "@dev", device);
}

char *install_first_document(const Install *install, const InstallBoot *boot)
{
    xmlDoc *doc = xmlCopyDoc(install->doc, 1);
    xmlNode *domain = xmlDocGetRootElement(doc), *os = doc_make(domain, "os");
    const char *device = install->bootdev                  ? install->bootdev
                         : install->method == METHOD_CDROM ? "cdrom"
                         : install->method == METHOD_PXE   ? "network"
                                                           : NULL;

    if (boot && boot->kernel) {
        set_boot(os, NULL);
        doc_set(os, "kernel", boot->kernel);
        doc_set(os, "initrd", boot->initrd);
        doc_set(os, "cmdline", boot->arguments);
    } else if (device && !install->boots_by_order) {
        set_boot(os, device);
        if (strcmp(device, "hd") != 0 && doc_has(domain, "devices/disk[@device='disk']"))
            doc_set(doc_add(os, "boot"), "@dev", "hd");
    }
    if (install->method != METHOD_NONE)
        doc_set(domain, "on_reboot", "destroy");
    if (install->ignition) {
        doc_set(domain, "sysinfo[@type='fwcfg']/entry[@name='opt/com.coreos/config']/@file",
                install->ignition);
        doc_set(domain, "sysinfo/@type", "fwcfg");
    }
    return finish_text(doc);
}
