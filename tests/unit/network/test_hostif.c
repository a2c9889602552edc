/* Interfaces of the host: their documents, and the files of those who manage them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "network/hostif_files.h"

TEST(the_tables_have_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&hostif_table, out);
    check_str(out->str, "");
}

static HostifDef *read_interface(const char *xml)
{
    XmlReader reader = { .flags = XML_READ_INACTIVE, .source = "(interface_definition)" };
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(Error) err = NULL;
    void *def = NULL;

    check_ok(xml_document_read(xml, strlen(xml), reader.source, &doc, &err), err);
    check_ok(xml_table_read(&hostif_table, &reader, xmlDocGetRootElement(doc), &def, &err), err);
    check_ok(hostif_def_complete(def, &err), err);
    return def;
}

TEST(documents_come_back)
{
    static const char *const documents[] = {
        "<interface type='ethernet' name='eth0'>\n  <start mode='onboot'/>\n  <mtu size='1492'/>\n"
        "  <mac address='aa:bb:cc:dd:ee:ff'/>\n  <protocol family='ipv4'>\n    <dhcp peerdns='no'/>\n  "
        "</protocol>\n"
        "  <protocol family='ipv6'>\n    <autoconf/>\n    <ip address='fd00::1' prefix='64'/>\n"
        "    <route gateway='fd00::2'/>\n  </protocol>\n</interface>\n",
        "<interface type='vlan' name='eth0.42'>\n  <start mode='none'/>\n  <vlan tag='42'>\n"
        "    <interface name='eth0'/>\n  </vlan>\n</interface>\n",
        "<interface type='bridge' name='br0'>\n  <bridge stp='off' delay='0'>\n"
        "    <interface type='ethernet' name='eth0'>\n      <mac address='ab:bb:cc:dd:ee:ff'/>\n    "
        "</interface>\n"
        "    <interface type='vlan' name='eth1.2'>\n      <vlan tag='2'>\n        <interface name='eth1'/>\n"
        "      </vlan>\n    </interface>\n    <interface type='bond' name='bond0'>\n      <bond "
        "mode='802.3ad'>\n"
        "        <miimon freq='100'/>\n        <interface type='ethernet' name='eth2'/>\n      </bond>\n"
        "    </interface>\n  </bridge>\n</interface>\n",
        "<interface type='bond' name='bond0'>\n  <bond mode='active-backup'>\n"
        "    <arpmon interval='100' target='192.0.2.1' validate='all'/>\n    <interface type='ethernet' "
        "name='eth2'/>\n"
        "    <interface type='ethernet' name='eth3'/>\n  </bond>\n</interface>\n",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        HostifDef *def = read_interface(documents[i]);
        xml_table_write(&hostif_table, "interface", def, XML_FORMAT_INACTIVE, 0, out);
        check_str(out->str, documents[i]);
        xml_table_free(&hostif_table, def);
    }
}

TEST(a_vlan_is_named_after_what_it_is_on)
{
    HostifDef *def =
        read_interface("<interface type='vlan'><vlan tag='7'><interface name='eth0'/></vlan></interface>");

    check_str(def->name, "eth0.7");
    xml_table_free(&hostif_table, def);
}

TEST(names_that_would_be_words_of_files)
{
    static const struct {
        const char *name;
        bool ok;
    } cases[] = { { "eth0", true },      { "eth0.42", true }, { "br-lan_1", true },
                  { "a", true },         { "", false },       { "sixteen-characte", false },
                  { "-a", false },       { "a b", false },    { "a\nb", false },
                  { "a/b", false },      { ".", false },      { "..", false },
                  { "$(x)", false },     { "a;b", false },    { "a#b", false },
                  { "\xc3\xa4", false }, { "a:1", false },    { "a\"b", false } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].name);
        check_eq(hostif_name_is_valid(cases[i].name), cases[i].ok);
    }
}

/* ---- files that hold several ---- */

static const struct {
    const char *before, *after;
} ifupdown_cases[] = {
    { "", "" },
    { "auto lo\niface lo inet loopback\n", "auto lo\niface lo inet loopback\n" },
    { "auto lo eth0\niface eth0 inet dhcp\n\tmetric 5\n\n\niface lo inet loopback\n",
      "auto lo\n\n\niface lo inet loopback\n" },
    { "auto eth0", "" },
    { "allow-hotplug eth0 eth1 eth0\n", "allow-hotplug eth1\n" },
    { "iface eth0 inet static\n  address 1.2.3.4 \\\n  5\n  # inside\nmapping eth1\n  script x\n",
      "mapping eth1\n  script x\n" },
    { "auto \\\n  eth0 eth1\n", "auto eth1\n" },
    { "iface eth01 inet dhcp\niface  eth0  inet dhcp\n", "iface eth01 inet dhcp\n" },
    { "# eth0 is here\nsource interfaces.d/*\nno-auto-down eth0\n",
      "# eth0 is here\nsource interfaces.d/*\nno-auto-down eth0\n" },
};

static HostifPlan plan_for(GPtrArray *changes)
{
    return (HostifPlan){ .root = "/nowhere", .name = "eth0", .changes = changes };
}

TEST(an_interface_is_taken_out_of_ifupdowns_files)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new();
    const HostifPlan plan = plan_for(changes);

    for (size_t i = 0; i < G_N_ELEMENTS(ifupdown_cases); i++) {
        bool found = false;
        check_case(ifupdown_cases[i].before);
        g_autofree char *after = hostif_strip_ifupdown(&plan, ifupdown_cases[i].before, &found);
        check_str(after, ifupdown_cases[i].after);
        check_eq(found, strcmp(ifupdown_cases[i].before, ifupdown_cases[i].after) != 0);
    }
}

static const struct {
    const char *before, *after;
    bool flow;
} netplan_cases[] = {
    { "network:\n  version: 2\n", "network:\n  version: 2\n", false },
    { "network:\n  ethernets:\n    eth0:\n      dhcp4: true\n    eth1: {dhcp4: true}\n",
      "network:\n  ethernets:\n    eth1: {dhcp4: true}\n", false },
    { "network:\n  ethernets:\n    'eth0': {dhcp4: true}\n  bridges:\n    br0:\n      interfaces:\n      - "
      "eth0\n",
      "network:\n  ethernets:\n  bridges:\n    br0:\n      interfaces:\n      - eth0\n", false },
    { "network:\n  wifis:\n    eth0:\n      access-points:\n        x:\n          password: y\n  renderer: "
      "networkd\n",
      "network:\n  wifis:\n  renderer: networkd\n", false },
    { "network: {version: 2}\n", "network: {version: 2}\n", false },
    { "network:\n  ethernets: {eth0: {dhcp4: true}}\n", "network:\n  ethernets: {eth0: {dhcp4: true}}\n",
      true },
    { "eth0:\n  x: y\n", "eth0:\n  x: y\n", false },
};

TEST(an_interface_is_taken_out_of_netplans_files)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new();
    const HostifPlan plan = plan_for(changes);

    for (size_t i = 0; i < G_N_ELEMENTS(netplan_cases); i++) {
        bool found = false, flow = false;
        check_case(netplan_cases[i].before);
        g_autofree char *after = hostif_strip_netplan(&plan, netplan_cases[i].before, &found, &flow);
        check_str(after, netplan_cases[i].after);
        check_eq(found, strcmp(netplan_cases[i].before, netplan_cases[i].after) != 0);
        check_eq(flow, netplan_cases[i].flow);
    }
}

static const char *text_of(const GPtrArray *changes, const char *path)
{
    for (guint i = 0; i < changes->len; i++) {
        const HostifChange *change = g_ptr_array_index(changes, i);
        if (g_str_has_suffix(change->path, path))
            return change->text;
    }
    return "(no such file)";
}

TEST(every_manager_says_what_the_definition_says)
{
    static const struct {
        HostifManager manager;
        const char *path, *part;
    } cases[] = {
        { MANAGER_IFUPDOWN, "/interfaces.d/bond0",
          "    bond-mode 802.3ad\n    bond-miimon 100\n    bond-downdelay 5\n" },
        { MANAGER_IFUPDOWN, "/interfaces.d/bond0", "iface bond0 inet dhcp\n" },
        { MANAGER_IFUPDOWN, "/interfaces.d/bond0",
          "iface bond0 inet6 static\n    address fd00::1/64\n    gateway fd00::2\n" },
        { MANAGER_IFUPDOWN, "/network/interfaces", "source interfaces.d/*\n" },
        { MANAGER_NM, "/bond0.nmconnection", "[bond]\nmode=802.3ad\nmiimon=100\ndowndelay=5\nupdelay=0\n" },
        { MANAGER_NM, "/bond0.nmconnection", "[ipv4]\nmethod=auto\n" },
        { MANAGER_NM, "/bond0.nmconnection",
          "[ipv6]\nmethod=manual\naddress1=fd00::1/64\ngateway=fd00::2\n" },
        { MANAGER_NM, "/bond0-eth1.nmconnection", "master=bond0\nslave-type=bond\n" },
        { MANAGER_NETWORKD, "/00-lodge-bond0.netdev",
          "[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\nDownDelaySec=5ms\n" },
        { MANAGER_NETWORKD, "/00-lodge-bond0.network",
          "DHCP=ipv4\nIPv6AcceptRA=no\nAddress=fd00::1/64\nGateway=fd00::2\n" },
        { MANAGER_NETWORKD, "/00-lodge-eth1.network", "Bond=bond0\n" },
        { MANAGER_NETPLAN, "/90-lodge-bond0.yaml",
          "  bonds:\n    \"bond0\":\n      dhcp4: true\n      dhcp6: false\n" },
        { MANAGER_NETPLAN, "/90-lodge-bond0.yaml",
          "        mode: 802.3ad\n        mii-monitor-interval: 100\n" },
        { MANAGER_NETPLAN, "/90-lodge-bond0.yaml",
          "      routes:\n        - to: \"::/0\"\n          via: \"fd00::2\"\n" },
    };
    HostifDef *def = read_interface(
        "<interface type='bond' name='bond0'><protocol family='ipv4'><dhcp/></protocol><protocol "
        "family='ipv6'>"
        "<ip address='fd00::1'/><route gateway='fd00::2'/></protocol><bond mode='802.3ad'>"
        "<miimon freq='100' downdelay='5'/><interface type='ethernet' name='eth1'/></bond></interface>");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) changes = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].part);
        check_ok(hostif_plan(cases[i].manager, "/nowhere", "bond0", def, &changes, &err), err);
        const char *text = text_of(changes, cases[i].path);
        if (!text || !strstr(text, cases[i].part))
            check_str(text, cases[i].part);
    }
    xml_table_free(&hostif_table, def);
}
