/* Documents made from the tables: for each row that takes a value, one document per awkward value. Each must
 * become a machine or be refused, at once; what came out must read back as itself.
 *
 * With LODGE_ROW_DOCUMENTS=FILE the documents are written there, one per line ("kind TAB row TAB value TAB
 * outcome TAB document"), for tests/compare/rows, which asks the reference implementation for its opinion. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <time.h>

#include "conf/domain_rows.h"
#include "conf/domain_xml.h"
#include "conf/xml_internal.h"
#include "qemu/address.h"

/* ---- making a document ---- */

static const char base_document[] =
    "<domain type='qemu' xmlns:qemu='" QEMU_NAMESPACE "'><name>m</name><memory>65536</memory>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
    "<input type='tablet' bus='usb'/></devices></domain>";

/* Elements that need more than what the tables call required. */
static const struct {
    const char *name, *content;
} templates[] = {
    { "disk", "<disk type='file'><source file='/d'/><target dev='vda'/></disk>" },
    { "interface", "<interface type='user'><model type='virtio'/></interface>" },
    { "hostdev", "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/>"
                 "</source></hostdev>" },
    { "channel", "<channel type='pty'><target type='virtio'/></channel>" },
    { "cell", "<cell cpus='0' memory='65536'/>" },
    { "backingStore", "<backingStore type='file'><format type='raw'/><source file='/b'/></backingStore>" },
    { "controller", "<controller type='usb' model='qemu-xhci'/>" },
    { "rng", "<rng model='virtio'><backend model='random'/></rng>" },
};

/* A place in the document, and the text that goes there. */
typedef struct Setting {
    GPtrArray *path; /* names of elements below <domain>; of "qemu:" ones with the prefix */
    const char *attribute;
    char *text;
} Setting;

static void free_setting(void *data)
{
    Setting *setting = data;
    g_ptr_array_unref(setting->path);
    g_free(setting->text);
    g_free(setting);
}

static bool is_element(const XmlRow *row)
{
    return row->node == XML_GROUP || row->node == XML_EMBED || row->node == XML_OBJECT ||
           row->node == XML_LIST || row->node == XML_CHILD || row->node == XML_FLAG;
}

static const char *first_name(const EnumNames *names)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (names->names[i])
            return names->names[i];
    }
    return "";
}

static char *sample(const XmlRow *row)
{
    if (row->type == XML_VALUE_ENUM)
        return g_strdup(first_name(row->names));
    if (xml_row_is_number(row))
        return g_strdup_printf("%" PRIu64, MAX(row->min, 1));
    return g_strdup(row->type == XML_VALUE_BOOL     ? "yes"
                    : row->type == XML_VALUE_CPUSET ? "0"
                    : row->type == XML_VALUE_MAC    ? "52:54:00:11:22:33"
                    : row->type == XML_VALUE_UUID   ? "d3b07384-d9a0-4c3b-8a3e-0a1b2c3d4e5f"
                                                    : "x");
}

static void fill_required(xmlNode *element, const XmlRow *rows)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        if (row->when_mask)
            continue;
        if (row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT)
            fill_required(element, row->table->rows);
        if (!(row->flags & ROW_REQUIRED))
            continue;
        g_autofree char *text = sample(row);
        if (row->node == XML_ATTR)
            xmlSetProp(element, (const xmlChar *)row->name, (const xmlChar *)text);
        else if (row->node == XML_TEXT)
            xmlNodeAddContent(element, (const xmlChar *)text);
        else if (is_element(row)) {
            xmlNode *child = xmlNewChild(element, NULL, (const xmlChar *)row->name, NULL);
            if (row->node == XML_CHILD)
                xmlNodeAddContent(child, (const xmlChar *)text);
            else
                fill_required(child, row->rows ? row->rows : row->table->rows);
        }
    }
}

static const XmlRow *row_of(const XmlRow *rows, const char *name)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        if (row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT) {
            const XmlRow *found = row_of(row->table->rows, name);
            if (found)
                return found;
        } else if (is_element(row) && strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static xmlNode *make_child(xmlNode *parent, const char *name, const XmlRow *row)
{
    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++) {
        if (strcmp(templates[i].name, name) != 0)
            continue;
        xmlNode *child = NULL;
        int ok =
            xmlParseInNodeContext(parent, templates[i].content, (int)strlen(templates[i].content), 0, &child);
        check_eq(ok, XML_ERR_OK);
        return xmlAddChild(parent, child);
    }
    const char *local = strchr(name, ':') ? strchr(name, ':') + 1 : name;
    xmlNs *ns = local != name ? xmlSearchNs(parent->doc, parent, (const xmlChar *)"qemu") : NULL;
    xmlNode *child = xmlNewNode(ns, (const xmlChar *)local);
    xmlAddChild(parent, child);
    if (row && row->node != XML_CHILD)
        fill_required(child, row->rows ? row->rows : row->table->rows);
    return child;
}

/* The element at @path, but for the last @without steps; made if need be. */
static xmlNode *reach(xmlDoc *doc, const GPtrArray *path, unsigned without)
{
    xmlNode *at = xmlDocGetRootElement(doc);
    const XmlRow *rows = domain_table.rows;
    for (unsigned i = 0; i + without < path->len; i++) {
        const char *name = g_ptr_array_index(path, i);
        const char *local = strchr(name, ':') ? strchr(name, ':') + 1 : name;
        const XmlRow *row = rows ? row_of(rows, local) : NULL;
        xmlNode *child = at->children;
        while (child && (child->type != XML_ELEMENT_NODE || strcmp((const char *)child->name, local) != 0))
            child = child->next;
        at = child ? child : make_child(at, name, row);
        rows = row && row->node != XML_CHILD && row->node != XML_FLAG
                   ? row->rows ? row->rows : row->table->rows
                   : NULL;
    }
    return at;
}

static void set_text(xmlNode *element, const char *text)
{
    for (xmlNode *child = element->children, *next; child; child = next) {
        next = child->next;
        if (child->type != XML_TEXT_NODE)
            continue;
        xmlUnlinkNode(child);
        xmlFreeNode(child);
    }
    xmlNode *content = xmlNewText((const xmlChar *)text);
    if (element->children)
        xmlAddPrevSibling(element->children, content);
    else
        xmlAddChild(element, content);
}

static void apply(xmlDoc *doc, const Setting *setting)
{
    if (!setting->attribute && !setting->text) { /* an element with nothing in it */
        xmlNode *parent = reach(doc, setting->path, 1);
        const char *name = g_ptr_array_index(setting->path, setting->path->len - 1);
        const char *local = strchr(name, ':') ? strchr(name, ':') + 1 : name;
        xmlNewChild(parent, local != name ? xmlSearchNs(doc, parent, (const xmlChar *)"qemu") : NULL,
                    (const xmlChar *)local, NULL);
        return;
    }
    xmlNode *element = reach(doc, setting->path, 0);
    if (setting->attribute && !setting->text)
        xmlUnsetProp(element, (const xmlChar *)setting->attribute);
    else if (setting->attribute)
        xmlSetProp(element, (const xmlChar *)setting->attribute, (const xmlChar *)setting->text);
    else
        set_text(element, setting->text);
}

/* ---- walking the tables ---- */

typedef void (*RowFunc)(const XmlRow *row, const char *where, const GPtrArray *settings,
                        const Setting *place);

typedef struct Walk {
    RowFunc func;
    GPtrArray *path;
    GPtrArray *settings; /* Setting *: what ONLY() asks for on the way here */
    unsigned depth;
} Walk;

static void walk_rows(Walk *walk, const XmlTable *table, const XmlRow *rows, unsigned table_depth);

static GPtrArray *copy_path(const GPtrArray *path, unsigned len)
{
    GPtrArray *copy = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < len; i++)
        g_ptr_array_add(copy, g_strdup(g_ptr_array_index(path, i)));
    return copy;
}

static Setting *new_setting(GPtrArray *path, const char *attribute, const char *text)
{
    Setting *setting = g_new0(Setting, 1);
    *setting = (Setting){ path, attribute, g_strdup(text) };
    return setting;
}

/* Where the enum at @offset of the struct is set: *ret_attribute below @path. */
static const XmlRow *find_switch(const XmlRow *rows, unsigned offset, GPtrArray *path)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        bool sets = row->type == XML_VALUE_ENUM && row->has_field && row->offset == offset;
        if (sets && (row->node == XML_ATTR || row->node == XML_TEXT))
            return row;
        if (row->node != XML_GROUP)
            continue;
        g_ptr_array_add(path, g_strdup(row->name));
        const XmlRow *found = find_switch(row->rows, offset, path);
        if (found)
            return found;
        g_ptr_array_remove_index(path, path->len - 1);
    }
    return NULL;
}

static void enter_row(Walk *walk, const XmlTable *table, const XmlRow *row, unsigned table_depth)
{
    const char *name = row->name;
    bool inside = is_element(row) && row->node != XML_FLAG;
    if (inside)
        g_ptr_array_add(walk->path, g_strconcat(row->prefix ? row->prefix : "", name, NULL));
    if (row->node == XML_ATTR || row->node == XML_TEXT || inside) {
        g_autoptr(GString) where = g_string_new("domain");
        for (unsigned i = 0; i < walk->path->len; i++)
            g_string_append_printf(where, "/%s", (char *)g_ptr_array_index(walk->path, i));
        if (row->node == XML_ATTR)
            g_string_append_printf(where, "/@%s", name);
        for (unsigned i = 0; i < walk->settings->len; i++) {
            const Setting *setting = g_ptr_array_index(walk->settings, i);
            g_string_append_printf(where, " %s=%s", setting->attribute ? setting->attribute : "#text",
                                   setting->text);
        }
        Setting place = { walk->path, row->node == XML_ATTR ? name : NULL, NULL };
        walk->func(row, where->str, walk->settings, &place);
    }
    if (row->node == XML_GROUP) {
        walk_rows(walk, table, row->rows, table_depth);
    } else if (row->table && row->node != XML_CUSTOM && strcmp(row->name, "#backing") != 0 &&
               walk->depth < 12) {
        walk->depth++;
        walk_rows(walk, row->table, row->table->rows, walk->path->len);
        walk->depth--;
    }
    if (inside)
        g_ptr_array_remove_index(walk->path, walk->path->len - 1);
}

static void walk_rows(Walk *walk, const XmlTable *table, const XmlRow *rows, unsigned table_depth)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        if (!row->when_mask) {
            enter_row(walk, table, row, table_depth);
            continue;
        }
        GPtrArray *path = copy_path(walk->path, table_depth);
        const XmlRow *decides = find_switch(table->rows, row->when_offset, path);
        for (unsigned value = 0; decides && value < decides->names->count; value++) {
            if (!(row->when_mask & BIT(value)) || !decides->names->names[value])
                continue;
            g_ptr_array_add(walk->settings, new_setting(copy_path(path, path->len),
                                                        decides->node == XML_ATTR ? decides->name : NULL,
                                                        decides->names->names[value]));
            enter_row(walk, table, row, table_depth);
            g_ptr_array_remove_index(walk->settings, walk->settings->len - 1);
        }
        g_ptr_array_unref(path);
    }
}

static void each_row(RowFunc func)
{
    Walk walk = { func, g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(free_setting),
                  0 };
    walk_rows(&walk, &domain_table, domain_table.rows, 0);
    g_ptr_array_unref(walk.path);
    g_ptr_array_unref(walk.settings);
}

/* ---- defining ---- */

static bool platform(void *arg, const DomainDef *def, DomainPlatform *ret_platform, Error **err)
{
    (void)arg;
    (void)err;
    bool q35 = g_strcmp0(def->os.machine, "q35") == 0;
    *ret_platform = (DomainPlatform){ .emulator = g_strdup("/usr/bin/qemu-system-x86_64"),
                                      .machine = g_strdup(q35 ? "pc-q35-7.2" : "pc-i440fx-7.2"),
                                      .cpu_model = g_strdup("qemu64") };
    return true;
}

static bool define(const char *text, char **ret_xml, Error **err)
{
    static const DomainHooks hooks = { .host_arch = ARCH_X86_64, .platform = platform };
    g_autoptr(DomainDef) def = NULL;
    if (!domain_def_parse(text, strlen(text), DOMAIN_PARSE_INACTIVE, &hooks, &def, err) ||
        !qemu_assign_addresses(def, NULL, err))
        return false;
    qemu_assign_aliases(def);
    GString *out = g_string_new(NULL);
    domain_def_format(def, DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE, out);
    *ret_xml = g_string_free(out, FALSE);
    return true;
}

static char *document(const GPtrArray *settings, const Setting *place, const char *value)
{
    xmlDoc *doc = xmlReadMemory(base_document, sizeof(base_document) - 1, NULL, NULL, 0);
    check(doc);
    for (unsigned i = 0; i < settings->len; i++)
        apply(doc, g_ptr_array_index(settings, i));
    Setting here = { place->path, place->attribute, (char *)value };
    apply(doc, &here);
    xmlChar *text = NULL;
    int len = 0;
    xmlDocDumpMemory(doc, &text, &len);
    char *copy = g_strdup((const char *)text);
    xmlFree(text);
    xmlFreeDoc(doc);
    return copy;
}

static FILE *documents_file; /* LODGE_ROW_DOCUMENTS */

static void note_document(const char *kind, const char *where, const char *value, const char *text,
                          const Error *err)
{
    if (!documents_file)
        return;
    g_autofree char *line = g_strdup(strchr(text, '\n') + 1); /* without the XML declaration */
    g_strdelimit(line, "\n", ' ');
    fprintf(documents_file, "%s\t%s\t%s\t%s\t%s\n", kind, where, value ? value : "",
            err ? error_code_name(error_code(err)) : "ok", line);
}

static unsigned n_documents, n_defined;

static bool try_value(const char *kind, const char *where, const GPtrArray *settings, const Setting *place,
                      const char *value)
{
    g_autofree char *text = document(settings, place, value);
    g_autofree char *out = NULL;
    g_autofree char *again = NULL;
    g_autoptr(Error) err = NULL;
    struct timespec start, end;
    g_autofree char *name = g_strdup_printf("%s = '%s'", where, value ? value : "(bare)");

    check_case(name);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    bool ok = define(text, &out, &err);
    note_document(kind, where, value, text, err);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    check(end.tv_sec - start.tv_sec < 2);
    check_eq(ok, err == NULL);
    n_documents++;
    n_defined += ok;
    if (ok)
        check_ok(define(out, &again, &err), err);
    return ok;
}

static unsigned n_faults;

PRINTF(1, 2) static void report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (n_faults++ < 40)
        print_message("%s\n", text);
}

static uint64_t unit_of(const XmlRow *row)
{
    return row->unit == XML_UNIT_KIB ? 1024 : row->unit >= XML_UNIT_PRETTY_MIB ? 1 << 20 : 1;
}

static bool is_signed(const XmlRow *row)
{
    return row->type == XML_VALUE_S32 || row->type == XML_VALUE_OPT_S64;
}

static void try_number(const XmlRow *row, const char *where, const GPtrArray *settings, const Setting *place)
{
    static const char *const awkward[] = { "2147483648", "4294967295", "9223372036854775808", "-1", "",
                                           " 1",         "1 ",         "18446744073709551615" };
    if (!xml_row_is_number(row))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(awkward); i++)
        (void)try_value("number", where, settings, place, awkward[i]);
    const char *format = is_signed(row) ? "%" PRId64 : "%" PRIu64;
    uint64_t min = row->min / unit_of(row), max = row->max / unit_of(row);
    uint64_t limits[] = { min - 1, min, max, max + 1 };
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        g_autofree char *value = g_strdup_printf(format, limits[i]);
#pragma GCC diagnostic pop
        bool ok = try_value("number", where, settings, place, value);
        bool beyond = (i == 0 && (min || is_signed(row))) || (i == 3 && max + 1);
        const bool is_read = !(row->flags & (ROW_LIVE | ROW_WRITE_ONLY)) && !strstr(where, "/mirror/");
        if (beyond && ok && is_read) /* what a running machine says of itself is nobody else's to say */
            report("%s: %s was accepted", where, value);
    }
}

TEST(every_number_is_bounded)
{
    n_documents = n_defined = n_faults = 0;
    each_row(try_number);
    print_message("%u documents, %u defined\n", n_documents, n_defined);
    check_eq(n_faults, 0);
    check(n_documents > 5000);
    /* Not too many, either: most break a rule on the way. The reference defines 1,251 of 6,384, of which more
     * than 300 have a number that is too large and wraps around there. */
    check(n_defined > 900);
}

static void try_empty(const XmlRow *row, const char *where, const GPtrArray *settings, const Setting *place)
{
    if (row->node != XML_ATTR && row->node != XML_TEXT && row->node != XML_CHILD) {
        (void)try_value("bare", where, settings, place, NULL);
        return;
    }
    (void)try_value("empty", where, settings, place, "");
    (void)try_value("blank", where, settings, place, " ");
}

TEST(every_value_may_be_empty)
{
    each_row(try_empty);
}

static void try_stranger(const XmlRow *row, const char *where, const GPtrArray *settings,
                         const Setting *place)
{
    bool is_set = row->type == XML_VALUE_CPUSET || row->type == XML_VALUE_UUID || row->type == XML_VALUE_MAC;
    if (row->type != XML_VALUE_ENUM && !xml_row_is_number(row) && !is_set)
        return;
    (void)try_value("stranger", where, settings, place, "nosuch");
}

TEST(every_value_may_be_one_that_nobody_knows)
{
    each_row(try_stranger);
}

static void try_without(const XmlRow *row, const char *where, const GPtrArray *settings, const Setting *place)
{
    if (row->node == XML_ATTR && row->flags & ROW_REQUIRED)
        (void)try_value("without", where, settings, place, NULL);
}

TEST(every_value_may_be_missing)
{
    each_row(try_without);
}

__attribute__((constructor)) static void open_documents(void)
{
    const char *path = getenv("LODGE_ROW_DOCUMENTS");
    if (path)
        documents_file = fopen(path, "w");
}
