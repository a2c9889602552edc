/* Changes of a definition on its way from a backup to a machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/backup_xml.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <string.h>

#include "install/new_machine.h"

#define DISKS "/domain/devices/disk[not(@device) or @device='disk' or @device='lun']"

typedef struct Editor {
    xmlDoc *doc;
    xmlXPathContext *context;
} Editor;

#define TEXT(text) ((const xmlChar *)(text))

/* Calls @func for what @xpath selects below @node (NULL: the document). */
static void each(const Editor *editor, xmlNode *node, const char *xpath,
                 void (*func)(xmlNode *found, const void *arg), const void *arg)
{
    editor->context->node = node ? node : xmlDocGetRootElement(editor->doc);
    xmlXPathObject *result = xmlXPathEvalExpression(TEXT(xpath), editor->context);
    for (int i = 0; result && result->nodesetval && i < result->nodesetval->nodeNr; i++)
        func(result->nodesetval->nodeTab[i], arg);
    xmlXPathFreeObject(result);
}

static void cut(xmlNode *node, const void *arg)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static void remove_all(const Editor *editor, xmlNode *node, const char *const *xpaths)
{
    for (; *xpaths; xpaths++)
        each(editor, node, *xpaths, cut, NULL);
}

static void set_text(xmlNode *node, const void *text)
{
    xmlNode *content = xmlNewText(TEXT(text));

    xmlNodeSetContent(node, NULL);
    xmlAddChild(node, content);
}

static xmlNode *find(const Editor *editor, xmlNode *node, const char *xpath)
{
    editor->context->node = node;
    xmlXPathObject *result = xmlXPathEvalExpression(TEXT(xpath), editor->context);
    xmlNode *found =
        result && result->nodesetval && result->nodesetval->nodeNr ? result->nodesetval->nodeTab[0] : NULL;
    xmlXPathFreeObject(result);
    return found;
}

/* ---- disks ---- */

/* The image has no other below it, and what was said about the old source does not count for the new one. */
static void place_disk(const Editor *editor, xmlNode *disk, const RestoredDisk *restored)
{
    static const char *const old[] = { "./backingStore", "./mirror", "./source",
                                       "./encryption",   "./auth",   NULL };
    xmlNode *driver = find(editor, disk, "./driver");
    xmlNode *encryption =
        restored->is_encrypted ? find(editor, disk, "./encryption | ./source/encryption") : NULL;

    if (encryption)
        xmlUnlinkNode(encryption);
    remove_all(editor, disk, old);
    if (encryption)
        xmlAddChild(disk, encryption);
    xmlSetProp(disk, TEXT("type"), TEXT(g_str_has_prefix(restored->path, "/dev/") ? "block" : "file"));
    xmlNode *source = xmlNewNode(NULL, TEXT("source"));
    xmlSetProp(source, TEXT(g_str_has_prefix(restored->path, "/dev/") ? "dev" : "file"),
               TEXT(restored->path));
    if (!driver) {
        driver = xmlNewNode(NULL, TEXT("driver"));
        xmlSetProp(driver, TEXT("name"), TEXT("qemu"));
        if (disk->children)
            xmlAddPrevSibling(disk->children, driver);
        else
            xmlAddChild(disk, driver);
    }
    xmlSetProp(driver, TEXT("type"), TEXT(restored->format));
    xmlAddNextSibling(driver, source);
}

typedef struct DiskPlaces {
    const Editor *editor;
    const DefinitionEdit *edit;
} DiskPlaces;

static void edit_disk(xmlNode *disk, const void *arg)
{
    const DiskPlaces *places = arg;
    xmlNode *target = find(places->editor, disk, "./target");
    g_autofree char *dev = NULL;

    if (target) {
        xmlChar *text = xmlGetProp(target, TEXT("dev"));
        dev = g_strdup((const char *)text);
        xmlFree(text);
    }
    for (guint i = 0; i < places->edit->disks->len; i++) {
        const RestoredDisk *restored = g_ptr_array_index(places->edit->disks, i);
        if (g_strcmp0(restored->target, dev) == 0) {
            place_disk(places->editor, disk, restored);
            return;
        }
    }
    if (places->edit->name && !places->edit->keep_others)
        cut(disk, NULL);
}

/* ---- the machine ---- */

static void make_pty(xmlNode *node, const void *arg)
{
    xmlSetProp(node, TEXT("type"), TEXT("pty"));
}

static void isolate(const Editor *editor, const char *serial)
{
    static const char *const shared[] = { "/domain/devices/interface",
                                          "/domain/devices/hostdev",
                                          "/domain/devices/redirdev",
                                          "/domain/devices/filesystem",
                                          "/domain/devices/graphics",
                                          "/domain/devices/audio",
                                          "/domain/devices/sound",
                                          "/domain/devices/shmem",
                                          "/domain/devices/vsock",
                                          "/domain/devices/smartcard",
                                          "/domain/devices/channel[@type!='unix']",
                                          "/domain/devices/channel/source",
                                          "/domain/devices/serial/source",
                                          "/domain/devices/serial/protocol",
                                          "/domain/devices/serial/log",
                                          "/domain/devices/console/source",
                                          "/domain/devices/console/protocol",
                                          "/domain/devices/console/log",
                                          "/domain/devices/parallel",
                                          "/domain/devices/tpm[backend/@type!='emulator']",
                                          "/domain/devices/disk[@device='cdrom' or @device='floppy']/source",
                                          NULL };
    each(editor, NULL, "/domain/devices/serial | /domain/devices/console", make_pty, NULL);
    remove_all(editor, NULL, shared);
    xmlNode *first = find(editor, xmlDocGetRootElement(editor->doc), "/domain/devices/serial[1]");
    if (first && serial) {
        static const char *const consoles[] = {
            "/domain/devices/console[not(target/@type) or target/@type='serial']", NULL
        };
        remove_all(editor, NULL, consoles); /* it is the serial port under another name */
        xmlSetProp(first, TEXT("type"), TEXT("file"));
        xmlNode *source = xmlNewNode(NULL, TEXT("source"));
        xmlSetProp(source, TEXT("path"), TEXT(serial));
        if (first->children)
            xmlAddPrevSibling(first->children, source);
        else
            xmlAddChild(first, source);
    }
}

static void rename_machine(const Editor *editor, const char *name)
{
    static const char *const own[] = { "/domain/uuid",
                                       "/domain/devices/interface/mac",
                                       "/domain/devices/interface/target[not(@managed='no')]",
                                       "/domain/os/nvram/@type",
                                       "/domain/os/nvram/source",
                                       "/domain/devices/channel[@type='unix']/source[@mode='bind']",
                                       "/domain/sysinfo/system/entry[@name='uuid']",
                                       NULL };
    each(editor, NULL, "/domain/name", set_text, name);
    each(editor, NULL, "/domain/os/nvram", set_text, "");
    each(editor, NULL, "/domain/genid", set_text, "");
    remove_all(editor, NULL, own);
    xmlDoc *doc = editor->doc;
    xmlNode *domain = xmlDocGetRootElement(doc);
    (void)xmlUnsetProp(domain, TEXT("id"));
}

typedef struct MacList {
    const char *const *next;
} MacList;

static void set_mac(xmlNode *iface, const void *arg)
{
    MacList *list = *(MacList *const *)arg;

    if (!*list->next)
        return;
    xmlNode *mac = xmlNewNode(NULL, TEXT("mac"));
    xmlSetProp(mac, TEXT("address"), TEXT(*list->next++));
    if (iface->children)
        xmlAddPrevSibling(iface->children, mac);
    else
        xmlAddChild(iface, mac);
}

/* A port can be had once; which one is free, the daemon knows. */
static void free_port(xmlNode *graphics, const void *arg)
{
    (void)xmlUnsetProp(graphics, TEXT("port"));
    (void)xmlUnsetProp(graphics, TEXT("tlsPort"));
    (void)xmlUnsetProp(graphics, TEXT("websocket"));
    xmlSetProp(graphics, TEXT("autoport"), TEXT("yes"));
}

/* "web-serial.log" becomes "db-serial.log". */
static void rename_log(xmlNode *log, const void *arg)
{
    const char *const *names = arg; /* old, new */
    xmlChar *file = xmlGetProp(log, TEXT("file"));
    g_autofree char *folder = g_path_get_dirname((const char *)file);
    g_autofree char *base = g_path_get_basename((const char *)file);

    xmlFree(file);
    if (g_str_has_prefix(base, names[0])) {
        g_autofree char *path = g_strdup_printf("%s/%s%s", folder, names[1], base + strlen(names[0]));
        xmlSetProp(log, TEXT("file"), TEXT(path));
    } else {
        cut(log, NULL); /* two machines cannot write to one */
    }
}

/* What it was given is the other one's. */
static void forget_address(xmlNode *note, const void *arg)
{
    (void)xmlUnsetProp(note, TEXT("address"));
    (void)xmlUnsetProp(note, TEXT("port"));
}

static void edit_clone(const Editor *editor, const DefinitionEdit *edit, const char *old_name)
{
    const char *const names[] = { old_name, edit->name };
    MacList macs = { edit->macs };
    MacList *list = &macs;
    xmlNode *domain = xmlDocGetRootElement(editor->doc);

    if (edit->uuid)
        xmlNewChild(domain, NULL, TEXT("uuid"), TEXT(edit->uuid));
    if (edit->macs)
        each(editor, NULL, "/domain/devices/interface", set_mac, &list);
    if (edit->nvram)
        each(editor, NULL, "/domain/os/nvram", set_text, edit->nvram);
    each(editor, NULL, "/domain/devices/graphics[@port or @tlsPort or @websocket]", free_port, NULL);
    each(editor, NULL, "/domain/devices/*/log[@file]", rename_log, names);
    each(editor, NULL, "/domain/metadata/*[namespace-uri()='" LODGE_XMLNS "']", forget_address, NULL);
}

bool definition_edit(const char *xml, const DefinitionEdit *edit, char **ret_xml, Error **err)
{
    Editor editor = { .doc = xmlReadMemory(xml, (int)strlen(xml), "definition", NULL,
                                           XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING) };
    const DiskPlaces places = { &editor, edit };
    xmlChar *text = NULL;
    int len = 0;

    if (!editor.doc)
        return error_set(err, ERROR_XML_SYNTAX, "the definition in the backup is not well-formed");
    editor.context = xmlXPathNewContext(editor.doc);
    xmlNode *name = find(&editor, xmlDocGetRootElement(editor.doc), "/domain/name");
    xmlChar *old_name = name ? xmlNodeGetContent(name) : NULL;
    each(&editor, NULL, edit->keep_others ? "/domain/devices/disk" : DISKS, edit_disk, &places);
    if (edit->name)
        rename_machine(&editor, edit->name);
    if (edit->keep_others)
        edit_clone(&editor, edit, (const char *)old_name);
    xmlFree(old_name);
    if (edit->isolated)
        isolate(&editor, edit->serial);
    xmlDocDumpMemory(editor.doc, &text, &len);
    *ret_xml = g_strndup((const char *)text, (gsize)len);
    xmlFree(text);
    xmlXPathFreeContext(editor.context);
    xmlFreeDoc(editor.doc);
    return true;
}
