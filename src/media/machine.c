/* What a document of another program says of a machine.
 *
 * Request: {path}. Answer:
 *     {kind: "ovf" | "vmx" | "vbox" | "hyper-v", name, os, os_number, cpus, memory_bytes, firmware: "bios" |
 * "efi", secure_boot, disks: [{file, bus, device: "disk" | "cdrom", compression, capacity_bytes}], nics:
 * [{mac, model, network}], notes: [text]} What is not told is not there. file: as the document spells it;
 * notes: what of the machine has no place here.
 *
 * The file is opened first; the libraries see it when nothing else can be opened any more. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "media/machine_read.h"
#include "media/verbs_machine.h"

#define DOCUMENT_MAX ((size_t)4 << 20)
#define DEVICES_MAX 256u

void machine_note(Json *machine, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    if (json_array_size(json_object_get(machine, "notes")) < DEVICES_MAX)
        json_array_append_new(json_object_get(machine, "notes"), json_string(text));
}

/* Anything that is no text of UTF-8 is none. */
void machine_set(Json *object, const char *key, const char *value)
{
    if (value && *value && g_utf8_validate(value, -1, NULL))
        json_object_set_new(object, key, json_string(value));
}

void machine_set_number(Json *object, const char *key, uint64_t value)
{
    if (value > 0 && value <= INT64_MAX)
        json_object_set_new(object, key, json_integer((json_int_t)value));
}

static Json *add(Json *machine, const char *list)
{
    Json *entry = json_object();

    if (json_array_size(json_object_get(machine, list)) >= DEVICES_MAX) {
        machine_note(machine, "more than %u entries of %s", DEVICES_MAX, list);
        json_array_clear(json_object_get(machine, list));
    }
    json_array_append_new(json_object_get(machine, list), entry);
    return entry;
}

Json *machine_add_disk(Json *machine, const char *file, const char *bus, bool is_drive)
{
    Json *disk = add(machine, "disks");

    machine_set(disk, "file", file);
    machine_set(disk, "bus", bus);
    machine_set(disk, "device", is_drive ? "cdrom" : "disk");
    return disk;
}

/* "00:0C:29:AA:BB:CC", "080027AABBCC" or "00-0C-..." */
void machine_add_nic(Json *machine, const char *mac, const char *model, const char *network)
{
    Json *nic = add(machine, "nics");
    g_autoptr(GString) text = g_string_new(NULL);

    for (const char *at = mac; at && *at && text->len < 17; at++) {
        if (!g_ascii_isxdigit(*at))
            continue;
        if (text->len % 3 == 2)
            g_string_append_c(text, ':');
        g_string_append_c(text, g_ascii_tolower(*at));
    }
    if (text->len == 17)
        machine_set(nic, "mac", text->str);
    machine_set(nic, "model", model);
    machine_set(nic, "network", network);
}

/* ---- elements, whatever their name space ---- */

xmlNode *node_next(const xmlNode *parent, const char *name, const xmlNode *last)
{
    for (xmlNode *node = last ? last->next : parent ? parent->children : NULL; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && (!name || strcmp((const char *)node->name, name) == 0))
            return node;
    return NULL;
}

xmlNode *node_find(const xmlNode *parent, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    const xmlNode *node = parent;

    for (char **name = names; *name && node; name++)
        node = node_next(node, *name, NULL);
    return (xmlNode *)node;
}

static char *take(xmlChar *text)
{
    char *copy = text ? g_strstrip(g_strdup((const char *)text)) : NULL;

    xmlFree(text);
    if (copy && *copy)
        return copy;
    g_free(copy);
    return NULL;
}

char *node_attribute(const xmlNode *node, const char *name)
{
    return node ? take(xmlGetProp(node, (const xmlChar *)name)) : NULL;
}

char *node_text(const xmlNode *parent, const char *path)
{
    const xmlNode *node = node_find(parent, path);

    return node ? take(xmlNodeGetContent(node)) : NULL;
}

uint64_t text_number(const char *text)
{
    return text && g_ascii_isdigit(*text) ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* ---- which kind it is ---- */

static bool read_xml(const char *text, size_t len, const char *path, Json *machine, Error **err)
{
    static const struct {
        const char *root;
        MachineRead *read;
    } kinds[] = { { "Envelope", machine_read_ovf },
                  { "VirtualBox", machine_read_vbox },
                  { "configuration", machine_read_hyperv },
                  { "domain", machine_read_domain } };
    xmlDoc *doc = xmlReadMemory(text, (int)len, "machine", NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    bool ok = false, known = false;

    for (size_t i = 0; root && i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp((const char *)root->name, kinds[i].root) != 0)
            continue;
        known = true;
        ok = kinds[i].read(root, machine, err) || error_prefix(err, "'%s'", path);
    }
    if (!root)
        error_set(err, ERROR_XML_SYNTAX, "'%s' is no well-formed document", path);
    else if (!known)
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no description of a machine that is known: <%s>",
                  path, (const char *)root->name);
    xmlFreeDoc(doc);
    return ok;
}

bool machine_read_text(const char *text, size_t len, const char *path, Json *machine, Error **err)
{
    const unsigned char *head = (const unsigned char *)text;
    const bool is_wide =
        len >= 2 && ((head[0] == 0xff && head[1] == 0xfe) || (head[0] == 0xfe && head[1] == 0xff));
    const char *first = text + (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);

    while (g_ascii_isspace(*first))
        first++;
    if (is_wide || *first == '<')
        return read_xml(text, len, path, machine, err);
    if (g_str_has_suffix(path, ".vmcx") || memchr(text, '\0', len)) {
        error_set(err, ERROR_NOT_SUPPORTED, "'%s' is binary: Hyper-V's .vmcx is a format that is not public",
                  path);
        return error_hint(err, "'lodge import DISK.vhdx --name NAME' takes its disks: they are in the folder "
                               "'Virtual Hard Disks'");
    }
    return machine_read_vmx(first, machine, err) || error_prefix(err, "'%s'", path);
}

static bool slurp(const char *path, char **ret_text, size_t *ret_len, Error **err)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a file", path);
    if ((uint64_t)st.st_size > DOCUMENT_MAX)
        return error_set(err, ERROR_OVERFLOW, "'%s' is no description of a machine: it is larger than 4 MiB",
                         path);
    g_autofree char *text = g_malloc0((size_t)st.st_size + 1);
    const ssize_t n = pread(fd, text, (size_t)st.st_size, 0);
    if (n < 0)
        return error_set_errno(err, errno, "cannot read '%s'", path);
    *ret_len = (size_t)n;
    *ret_text = g_steal_pointer(&text);
    return true;
}

bool media_machine(const Json *request, Json **ret_result, Error **err)
{
    const char *path = json_get_str(request, "path");
    g_autofree char *text = NULL;
    size_t len = 0;

    if (!path)
        return error_set(err, ERROR_INVALID_ARGUMENT, "which machine?");
    if (!slurp(path, &text, &len, err) || !media_confine(NULL, NULL, err))
        return false;
    Json *machine = json_pack("{s:[], s:[], s:[]}", "disks", "nics", "notes");
    if (machine_read_text(text, len, path, machine, err)) {
        *ret_result = machine;
        return true;
    }
    json_decref(machine);
    return false;
}
