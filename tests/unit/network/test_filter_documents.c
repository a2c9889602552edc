/* Documents of network filters: what comes back and what is refused, as libvirtd 9.0.0 was observed
 * (tests/golden/nwfilter). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "conf/nwfilter.h"
#include "documents.h"
#include "wire/error_map.h"

TEST(the_tables_have_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&filter_table, out);
    xml_table_lint(&filter_binding_table, out);
    check_str(out->str, "");
}

static bool read_filter(const char *xml, unsigned flags, FilterDef **ret_def, Error **err)
{
    XmlReader reader = { .flags = XML_READ_INACTIVE | flags, .source = "(filter_definition)" };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!xml_document_read(xml, strlen(xml), reader.source, &doc, err))
        return false;
    const char *root = (const char *)xmlDocGetRootElement(doc)->name;
    if (strcmp(root, "filter") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'filter', not '%s'", root);
    if (!xml_table_read(&filter_table, &reader, xmlDocGetRootElement(doc), &def, err))
        return false;
    *ret_def = def;
    return true;
}

static char *write_filter(const FilterDef *def, unsigned flags)
{
    GString *out = g_string_new(NULL);

    xml_table_write(&filter_table, "filter", def, XML_FORMAT_INACTIVE | flags, 0, out);
    return g_string_free(out, FALSE);
}

static char *verdict(const char *xml)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireError) remote = { 0 };
    FilterDef *def = NULL;

    if (read_filter(xml, 0, &def, &err)) {
        g_autofree char *text = write_filter(def, 0), *stored = write_filter(def, XML_FORMAT_SECURE);
        FilterDef *again = NULL;
        FilterDef *copy = xml_table_copy(&filter_table, def);
        check_ok(read_filter(stored, 0, &again, &err), err);
        check(xml_table_equal(&filter_table, def, again));
        check(xml_table_equal(&filter_table, def, copy));
        xml_table_free(&filter_table, def);
        xml_table_free(&filter_table, again);
        xml_table_free(&filter_table, copy);
        return squeeze(text);
    }
    wire_error_from(err, &remote);
    return g_strdup_printf("E%d %s", remote.code, remote.message);
}

TEST(documents_are_taken_or_refused_as_recorded)
{
    check_documents(GOLDEN_NWFILTER_DIR "/documents.txt", "(filter_definition):", verdict, 340);
}

TEST(what_is_overlooked_is_refused_on_request)
{
    static const char *const texts[] = {
        "<filter name='t'><bogus/></filter>",
        "<filter name='t' foo='1'/>",
        "<filter name='t' chain='foo'/>",
        "<filter name='t'><rule action='drop' direction='in'><tcp foo='1'/></rule></filter>",
        "<filter name='t'><rule action='drop' direction='in'><ip/><tcp/></rule></filter>",
        "<filter name='t'><rule action='drop' direction='in' statematch='no'/></filter>",
        "<filter name='t'><rule action='drop' direction='in' priority='1001'/></filter>",
        "<filter name='t'><rule action='drop' direction='in'><tcp dscp='64'/></rule></filter>",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Error) err = NULL;
        FilterDef *def = NULL;
        check_case(texts[i]);
        check(!read_filter(texts[i], XML_READ_STRICT, &def, &err));
        check_eq(error_code(err), ERROR_XML_SCHEMA);
    }
}
