/* Documents of networks and ports, and files of leases, of unknown origin: what is accepted is written, read
 * and written again without a change, and no text of a document becomes a second line for dnsmasq. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz_document.h"

#include "network/firewall.h"
#include "network/network_private.h"

static bool complete_document(const XmlTable *table, void *def)
{
    return table != &network_table || network_def_complete(def, NULL);
}

static void try_texts(NetworkDef *def)
{
    g_auto(DnsmasqPaths) paths = { 0 };
    g_autofree char *conf = NULL, *hosts = NULL, *names = NULL;

    if (!NETWORK_HAS_OWN_BRIDGE(def->forward) || !def->bridge)
        return;
    dnsmasq_paths_init(&paths, "/d", "/r", "n");
    const bool has_options = def->dnsmasq_options && def->dnsmasq_options->len > 0;
    if (dnsmasq_format_conf(def, &paths, &conf, NULL) && !has_options && strstr(conf, "\ndhcp-script="))
        abort();
    if (!dnsmasq_format_hosts(def, &hosts, NULL) || !dnsmasq_format_names(def, &names, NULL))
        return;
    g_free(firewall_format(def, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    NetworkDef *def = try(&network_table, "network", text, strlen(text));

    xml_table_free(&network_port_table, try(&network_port_table, "networkport", text, strlen(text)));
    if (def)
        try_texts(def);
    const NetworkDef none = { 0 };
    g_ptr_array_unref(network_parse_leases(&none, text, 1000, NULL));
    xml_table_free(&network_table, def);
    return 0;
}
