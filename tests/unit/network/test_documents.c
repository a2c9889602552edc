/* Documents of networks: what comes back and what is refused, as libvirtd 9.0.0 was observed
 * (tests/golden/network). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden_documents.h"

#include "conf/network.h"
#include "documents.h"
#include "wire/error_map.h"

TEST(the_tables_have_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&network_table, out);
    check_str(out->str, "");
}

static bool read_network(const char *xml, NetworkDef **ret_def, Error **err)
{
    XmlReader reader = { .flags = XML_READ_INACTIVE, .source = "(network_definition)" };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!xml_document_read(xml, strlen(xml), reader.source, &doc, err) ||
        !xml_table_read(&network_table, &reader, xmlDocGetRootElement(doc), &def, err))
        return false;
    if (!network_def_complete(def, err) || !network_def_validate(def, err)) {
        xml_table_free(&network_table, def);
        return false;
    }
    *ret_def = def;
    return true;
}

static char *write_network(const NetworkDef *def)
{
    GString *out = g_string_new(NULL);

    xml_table_write(&network_table, "network", def, XML_FORMAT_INACTIVE, 0, out);
    return g_string_free(out, FALSE);
}

static char *round_trip(const char *xml)
{
    g_autoptr(Error) err = NULL;
    NetworkDef *def = NULL;

    check_ok(read_network(xml, &def, &err), err);
    char *text = write_network(def);
    xml_table_free(&network_table, def);
    return text;
}

TEST(documents_come_back_as_recorded)
{
    check(golden_check_round_trips(GOLDEN_NETWORK_DIR, round_trip) >= 8);
}

static char *verdict(const char *xml)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireError) remote = { 0 };
    NetworkDef *def = NULL;

    if (read_network(xml, &def, &err)) {
        g_autofree char *text = write_network(def);
        xml_table_free(&network_table, def);
        return squeeze(text);
    }
    wire_error_from(err, &remote);
    return g_strdup_printf("E%d %s", remote.code, remote.message);
}

TEST(odd_documents_are_taken_or_refused_as_recorded)
{
    check_documents(GOLDEN_NETWORK_DIR "/documents.txt", "(network_definition):", verdict, 120);
}
