/* The tables of the domain document, and what is generated from them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <libxml/relaxng.h>

#include "conf/domain_rows.h"

TEST(tables_have_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);
    xml_table_lint(&domain_table, out);
    check_str(out->str, "");
}

static void check_current(const char *path, const char *want, const char *how)
{
    g_autofree char *full = g_build_filename(SOURCE_ROOT, path, NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(full, &text, NULL, NULL) || strcmp(text, want) != 0)
        fail_msg("%s is not current: run '%s > %s'", path, how, path);
}

TEST(generated_schema_is_current)
{
    g_autoptr(GString) out = g_string_new(NULL);
    xml_schema_write(&domain_table, "domain", out);
    check_current("data/schema/domain.rng", out->str, "build/src/conf/conf-reference schema");
}

TEST(generated_manual_is_current)
{
    g_autoptr(GString) out = g_string_new(NULL);
    xml_manual_write(&domain_table, "domain", out);
    check_current("docs/reference/domain-xml.md", out->str, "build/src/conf/conf-reference manual");
}

static void ignore_message(void *arg, const char *message, ...)
{
}

TEST(schema_accepts_every_recorded_result)
{
    g_autoptr(GString) out = g_string_new(NULL);
    xml_schema_write(&domain_table, "domain", out);
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewMemParserCtxt(out->str, (int)out->len);
    xmlRelaxNG *schema = xmlRelaxNGParse(parser);
    check(schema != NULL);
    g_autoptr(GDir) dir = g_dir_open(GOLDEN_DIR, 0, NULL);
    unsigned count = 0;
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        if (!g_str_has_suffix(name, ".out.xml"))
            continue;
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        xmlDoc *doc = xmlReadFile(path, NULL, XML_PARSE_NONET);
        check_case(name);
        check(doc != NULL);
        xmlRelaxNGValidCtxt *valid = xmlRelaxNGNewValidCtxt(schema);
        xmlRelaxNGSetValidErrors(valid, ignore_message, ignore_message, NULL);
        check_eq(xmlRelaxNGValidateDoc(valid, doc), 0);
        xmlRelaxNGFreeValidCtxt(valid);
        xmlFreeDoc(doc);
        count++;
    }
    check(count > 0);
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}
