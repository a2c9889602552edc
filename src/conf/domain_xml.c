/* The domain document: the tables put to work. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "conf"
#include "conf/domain_xml.h"

#include <string.h>

#include "base/log.h"
#include "conf/domain_check.h"
#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"

#define SOURCE "(domain_definition)"

void domain_platform_clear(DomainPlatform *platform)
{
    g_free(platform->emulator);
    g_free(platform->machine);
    g_free(platform->cpu_model);
    g_free(platform->nvram_dir);
    *platform = (DomainPlatform){ 0 };
}

static void log_dropped(void *arg, const char *path, unsigned line)
{
    log_debug("line %u: '%s' is not known and was dropped", line, path);
}

/* More than any board takes; what follows looks at each together with each other. */
#define DEVICES_MAX 1024
#define CONTROLLERS_MAX 512
#define NUMA_CELLS_MAX 128 /* of QEMU */

static bool count_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    return ++*(unsigned *)arg <= DEVICES_MAX;
}

bool domain_def_finish(DomainDef *def, DomainParseFlags flags, const DomainHooks *hooks, Error **err)
{
    if (flags & DOMAIN_PARSE_SKIP_DEFAULTS)
        return true;
    unsigned n_devices = 0;
    if (!domain_each_device(def, count_device, &n_devices))
        return error_set(err, ERROR_XML_INVALID, "more than %d devices", DEVICES_MAX);
    if (def_list_len(def->controllers) > CONTROLLERS_MAX)
        return error_set(err, ERROR_XML_INVALID, "more than %d controllers", CONTROLLERS_MAX);
    if (def->cpu && def_list_len(def->cpu->numa) > NUMA_CELLS_MAX)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "more than %d NUMA cells", NUMA_CELLS_MAX);
    if (!domain_fill_defaults(def, flags, hooks, err))
        return false;
    return flags & DOMAIN_PARSE_SKIP_CHECKS || domain_check(def, err);
}

/* One document on its way in; perhaps read in a worker, so it holds copies, and what was dropped is told
 * afterwards. */
typedef struct ReadDocument {
    const XmlTable *table;
    const char *root;
    char *source;
    DomainParseFlags flags;
    void *object;
    GPtrArray *dropped; /* of char *, the paths */
    GArray *lines;      /* of unsigned, where they were */
} ReadDocument;

static void read_document_free(void *data)
{
    ReadDocument *read = data;

    g_free(read->source);
    xml_table_free(read->table, read->object);
    g_clear_pointer(&read->dropped, g_ptr_array_unref);
    g_clear_pointer(&read->lines, g_array_unref);
    g_free(read);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReadDocument, read_document_free)

static void note_dropped(void *arg, const char *path, unsigned line)
{
    ReadDocument *read = arg;

    if (!read->dropped) {
        read->dropped = g_ptr_array_new_with_free_func(g_free);
        read->lines = g_array_new(FALSE, FALSE, sizeof line);
    }
    g_ptr_array_add(read->dropped, g_strdup(path));
    g_array_append_val(read->lines, line);
}

static bool read_document(const xmlNode *element, void *arg, Error **err)
{
    ReadDocument *read = arg;
    XmlReader reader = {
        .flags = (read->flags & DOMAIN_PARSE_INACTIVE ? XML_READ_INACTIVE : 0) |
                 (read->flags & DOMAIN_PARSE_VALIDATE ? XML_READ_STRICT : 0),
        .source = read->source,
        .dropped = note_dropped,
        .arg = read,
    };

    if (strcmp((const char *)element->name, read->root) != 0)
        return error_set(err, ERROR_XML_INVALID, "%s:%ld: the root element is '%s', not '%s'", read->source,
                         xmlGetLineNo(element), (const char *)element->name, read->root);
    return xml_table_read(read->table, &reader, element, &read->object, err);
}

static ReadDocument *read_document_new(const char *root, const XmlTable *table, const char *source,
                                       DomainParseFlags flags)
{
    ReadDocument *read = g_new0(ReadDocument, 1);

    read->root = root;
    read->table = table;
    read->source = g_strdup(source);
    read->flags = flags;
    return read;
}

static void *read_document_end(ReadDocument *read, const DomainHooks *hooks)
{
    void (*dropped)(void *, const char *, unsigned) = hooks && hooks->dropped ? hooks->dropped : log_dropped;

    for (unsigned i = 0; read->dropped && i < read->dropped->len; i++)
        dropped(hooks ? hooks->arg : NULL, g_ptr_array_index(read->dropped, i),
                g_array_index(read->lines, unsigned, i));
    return g_steal_pointer(&read->object);
}

static bool take_def(DomainDef *def, DomainParseFlags flags, const DomainHooks *hooks, DomainDef **ret_def,
                     Error **err)
{
    if (!domain_def_finish(def, flags, hooks, err)) {
        domain_def_free(def);
        return false;
    }
    *ret_def = def;
    return true;
}

bool domain_def_parse_node(const xmlNode *element, const char *source, DomainParseFlags flags,
                           const DomainHooks *hooks, DomainDef **ret_def, Error **err)
{
    g_autoptr(ReadDocument) read = read_document_new("domain", &domain_table, source, flags);

    return read_document(element, read, err) &&
           take_def(read_document_end(read, hooks), flags, hooks, ret_def, err);
}

bool domain_document_parse(const char *xml, size_t len, const char *source, const char *root,
                           const XmlTable *table, DomainParseFlags flags, const DomainHooks *hooks,
                           void **ret_object, Error **err)
{
    ReadDocument *read = read_document_new(root, table, source, flags);

    if (!xml_document_use(xml, len, source, read_document, read, read_document_free, err))
        return false;
    *ret_object = read_document_end(read, hooks);
    read_document_free(read);
    return true;
}

bool domain_def_parse_text(const char *xml, size_t len, const char *source, DomainParseFlags flags,
                           const DomainHooks *hooks, DomainDef **ret_def, Error **err)
{
    void *object = NULL;

    return domain_document_parse(xml, len, source, "domain", &domain_table, flags, hooks, &object, err) &&
           take_def(object, flags, hooks, ret_def, err);
}

bool domain_def_parse(const char *xml, size_t len, DomainParseFlags flags, const DomainHooks *hooks,
                      DomainDef **ret_def, Error **err)
{
    return domain_def_parse_text(xml, len, SOURCE, flags, hooks, ret_def, err);
}

/* ---- for other hosts ---- */

static bool is_alone(const DomainDef *def, const ControllerDef *controller)
{
    for (DEF_EACH(ControllerDef, other, def->controllers)) {
        if (other != controller && other->type == controller->type)
            return false;
    }
    return controller->index.value == 0;
}

/* What every reader adds by itself, and very old ones did not know. */
static bool is_implied(const DomainDef *def, const ControllerDef *controller)
{
    bool usb = controller->type == CONTROLLER_USB && controller->model == CONTROLLER_MODEL_PIIX3_UHCI;
    bool pci = controller->type == CONTROLLER_PCI && controller->model == CONTROLLER_MODEL_PCI_ROOT &&
               !controller->has_pcihole64;
    return (usb || pci) && is_alone(def, controller);
}

static void strip_implied(DomainDef *def)
{
    for (unsigned i = def_list_len(def->controllers); i-- > 0;) {
        if (domain_is_i440fx(def) && is_implied(def, g_ptr_array_index(def->controllers, i)))
            xml_list_remove(&controller_table, &def->controllers, i);
    }
    for (unsigned i = def_list_len(def->inputs); i-- > 0;) {
        const InputDef *input = g_ptr_array_index(def->inputs, i);
        if (input->type == INPUT_KEYBOARD && input->bus == INPUT_BUS_PS2)
            xml_list_remove(&input_table, &def->inputs, i);
    }
    AudioDef *audio = def_list_len(def->audios) == 1 ? g_ptr_array_index(def->audios, 0) : NULL;
    bool is_default = audio && audio->id == 1 && !audio->input && !audio->output &&
                      (audio->type == AUDIO_NONE || audio->type == AUDIO_SPICE);
    if (is_default)
        xml_list_remove(&audio_table, &def->audios, 0);
}

void domain_def_format_indented(const DomainDef *def, DomainFormatFlags flags, unsigned indent, GString *out)
{
    unsigned all = flags;
    g_autoptr(DomainDef) stripped = NULL;
    if (!def->id || flags & DOMAIN_FORMAT_MIGRATABLE) /* nothing of a machine that does not run is live */
        all |= XML_FORMAT_INACTIVE;
    if (flags & DOMAIN_FORMAT_MIGRATABLE) {
        stripped = domain_def_copy(def);
        strip_implied(stripped);
    }
    xml_table_write(&domain_table, "domain", stripped ? stripped : def, all, indent, out);
}

void domain_def_format(const DomainDef *def, DomainFormatFlags flags, GString *out)
{
    domain_def_format_indented(def, flags, 0, out);
}

DomainDef *domain_def_new(void)
{
    return xml_table_new(&domain_table);
}

void domain_def_free(DomainDef *def)
{
    xml_table_free(&domain_table, def);
}

DomainDef *domain_def_copy(const DomainDef *def)
{
    return xml_table_copy(&domain_table, def);
}

bool domain_def_equal(const DomainDef *a, const DomainDef *b)
{
    return xml_table_equal(&domain_table, a, b);
}

static bool note_gap(void *arg, const char *path, const XmlRow *row)
{
    g_ptr_array_add(arg, row->refused ? g_strdup_printf("/domain/%s (%s)", path, row->refused)
                                      : g_strconcat("/domain/", path, NULL));
    return true;
}

GPtrArray *domain_def_find_gaps(const DomainDef *def)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    xml_table_find_gaps(&domain_table, def, note_gap, paths);
    return paths;
}

bool domain_xml_find_gaps(const char *xml, size_t len, GPtrArray **ret_paths, Error **err)
{
    XmlReader reader = { .flags = XML_READ_INACTIVE, .source = "(domain_definition)" };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!xml_document_read(xml, len, reader.source, &doc, err) ||
        !xml_table_read(&domain_table, &reader, xmlDocGetRootElement(doc), &def, err))
        return false;
    *ret_paths = domain_def_find_gaps(def);
    domain_def_free(def);
    return true;
}

bool domain_acts_on(const char *path)
{
    return xml_table_acts_on(&domain_table, path);
}

bool domain_def_check_gaps(const DomainDef *def, Error **err)
{
    g_autoptr(GPtrArray) paths = domain_def_find_gaps(def);
    if (!paths->len)
        return true;
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 0; i < paths->len; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", (const char *)g_ptr_array_index(paths, i));
    error_set(err, ERROR_CONFIG_UNSUPPORTED, "not supported by this version: %s", text->str);
    return error_hint(err, "remove it from the definition: without it the machine starts");
}
