/* The domain document: the tables put to work. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "conf"
#include "conf/domain_xml.h"

#include <string.h>

#include "base/log.h"
#include "conf/domain_check.h"
#include "conf/domain_defaults.h"
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

static bool finish_def(DomainDef *def, DomainParseFlags flags, const DomainHooks *hooks, Error **err)
{
    if (flags & DOMAIN_PARSE_SKIP_DEFAULTS)
        return true;
    if (!domain_fill_defaults(def, flags, hooks, err))
        return false;
    return flags & DOMAIN_PARSE_SKIP_CHECKS || domain_check(def, err);
}

bool domain_def_parse_node(const xmlNode *element, const char *source, DomainParseFlags flags,
                           const DomainHooks *hooks, DomainDef **ret_def, Error **err)
{
    XmlReader reader = {
        .flags = (flags & DOMAIN_PARSE_INACTIVE ? XML_READ_INACTIVE : 0) |
                 (flags & DOMAIN_PARSE_VALIDATE ? XML_READ_STRICT : 0),
        .source = source,
        .dropped = hooks && hooks->dropped ? hooks->dropped : log_dropped,
        .arg = hooks ? hooks->arg : NULL,
    };
    if (strcmp((const char *)element->name, "domain") != 0)
        return error_set(err, ERROR_XML_INVALID, "%s:%ld: the root element is '%s', not 'domain'", source,
                         xmlGetLineNo(element), (const char *)element->name);
    void *object = NULL;
    if (!xml_table_read(&domain_table, &reader, element, &object, err))
        return false;
    g_autoptr(DomainDef) def = object;
    if (!finish_def(def, flags, hooks, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

bool domain_def_parse(const char *xml, size_t len, DomainParseFlags flags, const DomainHooks *hooks,
                      DomainDef **ret_def, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    if (!xml_document_read(xml, len, SOURCE, &doc, err))
        return false;
    return domain_def_parse_node(xmlDocGetRootElement(doc), SOURCE, flags, hooks, ret_def, err);
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
    bool is_default =
        audio && audio->id == 1 && !audio->kept && (audio->type == AUDIO_NONE || audio->type == AUDIO_SPICE);
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

void domain_def_diff(const DomainDef *a, const DomainDef *b, XmlDiffFunc func, void *arg)
{
    xml_table_diff(&domain_table, a, b, func, arg);
}

static bool note_gap(void *arg, const char *path, const XmlRow *row)
{
    g_ptr_array_add(arg, g_strconcat("/domain/", path, NULL));
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
