/* What dnsmasq and nft are told, and what dnsmasq tells. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/ip.h"
#include "base/json.h"
#include "network/firewall.h"
#include "network/forward.h"
#include "network/network_private.h"
#include "network/others.h"

static NetworkDef *network(const char *body)
{
    XmlReader reader = { .flags = XML_READ_INACTIVE, .source = "(network_definition)" };
    g_autofree char *xml =
        g_strdup_printf("<network><name>n</name><bridge name='virbr9'/>%s</network>", body);
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(Error) err = NULL;
    void *def = NULL;

    check_ok(xml_document_read(xml, strlen(xml), reader.source, &doc, &err), err);
    check_ok(xml_table_read(&network_table, &reader, xmlDocGetRootElement(doc), &def, &err), err);
    check_ok(network_def_complete(def, &err), err);
    return def;
}
#define NETWORK(name, body) NetworkDef *name = network(body)
#define DONE(name) xml_table_free(&network_table, name)

/* ---- addresses ---- */

TEST(addresses_and_subnets)
{
    IpAddress ip, other;
    char text[IP_STRING_LEN];
    unsigned prefix = 0;

    check(ip_parse("192.168.7.9", &ip) && ip_bits(&ip) == 32);
    const IpAddress first = ip_first(&ip, 20), last = ip_last(&ip, 20);
    ip_format(&first, text);
    check_str(text, "192.168.0.0");
    ip_format(&last, text);
    check_str(text, "192.168.15.255");
    check_eq(ip_distance(&first, &last), 4096);
    check(ip_is_in(&ip, &first, 20) && !ip_is_in(&ip, &last, 24));
    check(ip_parse("2001:db8::1", &other) && other.is_v6 && !ip_is_in(&other, &ip, 0));
    const IpAddress far = ip_last(&other, 32);
    check_eq(ip_distance(&other, &far), UINT64_MAX);
    check(!ip_parse("1.2.3", &ip) && !ip_parse("", &ip) && !ip_parse("1.2.3.4/24", &ip));
    check(ip_parse("255.255.254.0", &ip) && ip_mask_to_prefix(&ip, &prefix) && prefix == 23);
    check(ip_parse("255.0.255.0", &ip) && !ip_mask_to_prefix(&ip, &prefix));
}

/* ---- dnsmasq ---- */

#define IP4 "<ip address='192.168.9.1' netmask='255.255.255.0'>"

static char *conf_of(const NetworkDef *def)
{
    g_auto(DnsmasqPaths) paths = { 0 };
    g_autoptr(Error) err = NULL;
    char *text = NULL;

    dnsmasq_paths_init(&paths, "/d", "/r", "n");
    check_ok(dnsmasq_format_conf(def, &paths, &text, &err), err);
    return text;
}

TEST(dnsmasq_asks_nobody_for_an_isolated_network)
{
    NETWORK(isolated, IP4 "</ip>");
    NETWORK(routed, "<forward mode='route'/>" IP4 "</ip>");
    g_autofree char *closed = conf_of(isolated), *open = conf_of(routed);

    check_contains(closed, "\nno-resolv\n");
    check(strstr(open, "no-resolv") == NULL);
    xml_table_free(&network_table, isolated);
    xml_table_free(&network_table, routed);
}

TEST(dnsmasq_lends_addresses_and_knows_names)
{
    NETWORK(def, "<forward mode='nat'/><domain name='lab.test' localOnly='yes'/><dns><forwarder "
                 "addr='8.8.8.8'/><txt name='t' value='a b'/><srv service='s' protocol='tcp' domain='d.test' "
                 "target='x' port='5' priority='1' weight='2'/>"
                 "<host ip='192.168.9.2'><hostname>h</hostname><hostname>h2</hostname></host></dns>" IP4
                 "<tftp root='/t'/><dhcp><range start='192.168.9.2' end='192.168.9.254'><lease expiry='2' "
                 "unit='hours'/></range>"
                 "<host mac='52:54:00:00:00:01' name='foo' ip='192.168.9.10'/><bootp file='p.0' "
                 "server='192.168.9.3'/></dhcp></ip>"
                 "<ip family='ipv6' address='fd00:9::1' prefix='64'><dhcp><host id='0:1' name='six' "
                 "ip='fd00:9::5'/></dhcp></ip>");
    g_autofree char *conf = conf_of(def);
    g_autofree char *hosts = NULL, *names = NULL;
    static const char *const lines[] = { "strict-order",
                                         "server=8.8.8.8",
                                         "no-resolv",
                                         "local=/lab.test/",
                                         "domain=lab.test",
                                         "expand-hosts",
                                         "pid-file=/r/n.pid",
                                         "except-interface=lo",
                                         "bind-interfaces",
                                         "interface=virbr9",
                                         "txt-record=t,a b",
                                         "srv-host=_s._tcp.d.test,x,5,1,2",
                                         "enable-tftp",
                                         "tftp-root=/t",
                                         "dhcp-range=192.168.9.2,192.168.9.254,255.255.255.0,2h",
                                         "dhcp-boot=p.0,,192.168.9.3",
                                         "dhcp-range=fd00:9::1,static,64",
                                         "dhcp-no-override",
                                         "dhcp-authoritative",
                                         "dhcp-lease-max=253",
                                         "dhcp-hostsfile=/d/n.hostsfile",
                                         "addn-hosts=/d/n.addnhosts",
                                         "enable-ra" };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *line = g_strdup_printf("\n%s\n", lines[i]);
        check_case(lines[i]);
        check_contains(conf, line);
    }
    check(dnsmasq_format_hosts(def, &hosts, NULL));
    check_str(hosts, "52:54:00:00:00:01,192.168.9.10,foo\nid:0:1,[fd00:9::5],six\n");
    check(dnsmasq_format_names(def, &names, NULL));
    check_str(names, "192.168.9.2\th\th2\n");
    check(dnsmasq_is_wanted(def));
    DONE(def);
}

TEST(dnsmasq_of_small_networks)
{
    NETWORK(isolated, IP4 "<dhcp><range start='192.168.9.2' end='192.168.9.9'/></dhcp></ip>");
    NETWORK(no_names, "<dns enable='no'/>" IP4 "</ip>");
    NETWORK(own,
            "<dns enable='no'/>" IP4 "<dhcp><host mac='52:54:00:00:00:01' ip='192.168.9.4'/></dhcp></ip>");
    g_autofree char *conf = conf_of(isolated), *own_conf = conf_of(own);

    check_contains(conf, "\ndhcp-option=3\n"); /* no way out: no router */
    check(!dnsmasq_is_wanted(no_names));
    check_contains(own_conf, "\nport=0\n");
    check_contains(own_conf, "\ndhcp-range=192.168.9.1,static,255.255.255.0\n");
    check(!strstr(own_conf, "addn-hosts"));
    DONE(isolated);
    DONE(no_names);
    DONE(own);
}

/* A line end in a document would be a line of dnsmasq's configuration, which can run programs. */
TEST(texts_of_documents_stay_on_their_line)
{
    static const char *const bodies[] = {
        "<dns><txt name='a' value='x&#10;dhcp-script=/bin/sh'/></dns>" IP4 "</ip>",
        "<domain name='a&#10;b'/>" IP4 "</ip>",
        IP4 "<tftp root='/t&#13;x'/></ip>",
    };
    g_auto(DnsmasqPaths) paths = { 0 };

    dnsmasq_paths_init(&paths, "/d", "/r", "n");
    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(Error) err = NULL;
        char *text = NULL;
        NETWORK(def, bodies[i]);
        check_case(bodies[i]);
        check_fails(dnsmasq_format_conf(def, &paths, &text, &err), err, ERROR_CONFIG_UNSUPPORTED);
        DONE(def);
    }
    NETWORK(host, IP4 "<dhcp><host mac='52:54:00:00:00:01' name='a&#10;b' ip='192.168.9.4'/></dhcp></ip>");
    g_autoptr(Error) err = NULL;
    char *text = NULL;
    check_fails(dnsmasq_format_hosts(host, &text, &err), err, ERROR_CONFIG_UNSUPPORTED);
    DONE(host);
}

TEST(forwards_are_part_of_the_table)
{
    NETWORK(def, "<forward mode='nat'><nat ipv6='yes'/></forward><ip address='10.1.1.1' prefix='24'/>"
                 "<ip family='ipv6' address='fd00::1' prefix='64'/>");
    g_autoptr(GArray) forwards = g_array_new(FALSE, TRUE, sizeof(FirewallForward));
    FirewallForward four = { .port = 8080, .guest_port = 80 };
    FirewallForward six = { .is_udp = true, .has_address = true, .port = 53, .guest_port = 5353 };

    check(ip_parse("10.1.1.7", &four.guest) && ip_parse("fd01::1", &six.address) &&
          ip_parse("fd00::7", &six.guest));
    g_array_append_val(forwards, four);
    g_array_append_val(forwards, six);
    g_autofree char *rules = firewall_format(def, forwards);
    g_autofree char *without = firewall_format(def, NULL);
    check_contains(rules,
                   "fib daddr type local ip daddr != 127.0.0.0/8 tcp dport 8080 dnat ip to 10.1.1.7:80\n");
    check_contains(rules, "ip6 daddr fd01::1 udp dport 53 dnat ip6 to [fd00::7]:5353\n");
    check_contains(rules, "    ct status dnat ip daddr 10.1.1.7 tcp dport 80 return\n");
    check_contains(rules,
                   "iifname \"virbr9\" oifname \"virbr9\" ct status dnat ip6 daddr fd00::7 udp dport 5353 "
                   "masquerade\n");
    check(!strstr(without, "dnat"));
    DONE(def);
}

TEST(names_of_addresses_stay_here)
{
    NETWORK(def, "<ip address='10.1.1.1' prefix='24' localPtr='yes'/><ip address='10.16.0.1' prefix='16' "
                 "localPtr='yes'/><ip family='ipv6' address='fd00:60::1' prefix='60' localPtr='yes'/>");
    g_autofree char *conf = conf_of(def);
    static const char *const bad[] = { "address='10.16.0.1' prefix='20'", "address='10.16.0.1' prefix='32'",
                                       "family='ipv6' address='fd00::1' prefix='126'",
                                       "family='ipv6' address='fd00::1' prefix='128'" };

    check(strstr(conf, "\nlocal=/1.1.10.in-addr.arpa/\n") && strstr(conf, "\nlocal=/16.10.in-addr.arpa/\n") &&
          strstr(conf, "\nlocal=/0.0.0.0.0.0.0.0.6.0.0.0.0.d.f.ip6.arpa/\n"));
    DONE(def);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *body = g_strdup_printf("<ip %s localPtr='yes'/>", bad[i]);
        g_auto(DnsmasqPaths) paths = { 0 };
        g_autoptr(Error) err = NULL;
        char *text = NULL;
        NETWORK(refused, body);
        dnsmasq_paths_init(&paths, "/d", "/r", "n");
        check(!dnsmasq_format_conf(refused, &paths, &text, &err));
        check_eq(error_code(err), ERROR_CONFIG_UNSUPPORTED);
        DONE(refused);
    }
}

TEST(rules_of_others_that_drop_guests_are_found)
{
#define NFT(...) "{\"nftables\":[" __VA_ARGS__ "]}"
#define BASE(family, table, name, hook, policy)                                                              \
    "{\"chain\":{\"family\":\"" family "\",\"table\":\"" table "\",\"name\":\"" name                         \
    "\",\"type\":\"filter\",\"hook\":\"" hook "\",\"prio\":0,\"policy\":\"" policy "\"}},"
#define PLAIN(table, name) "{\"chain\":{\"family\":\"ip\",\"table\":\"" table "\",\"name\":\"" name "\"}},"
#define RULE(table, chain, expr)                                                                             \
    "{\"rule\":{\"family\":\"ip\",\"table\":\"" table "\",\"chain\":\"" chain                                \
    "\",\"handle\":7,\"expr\":[" expr "]}}"
#define MATCH(op, left, right) "{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}},"
#define IIF "{\"meta\":{\"key\":\"iifname\"}}"
#define OIF "{\"meta\":{\"key\":\"oifname\"}}"
#define STATE "{\"ct\":{\"key\":\"state\"}}"
#define DPORT "{\"payload\":{\"protocol\":\"udp\",\"field\":\"dport\"}}"
#define ACCEPT "{\"accept\":null}"
#define DROP "{\"drop\":null}"
    static const struct {
        const char *text;
        unsigned n;
        const char *chain, *command;
    } cases[] = {
        { NFT("{\"metainfo\":{}}"), 0, NULL, NULL },
        { NFT(BASE("ip", "a", "f", "forward", "accept") PLAIN("a", "x") "{}"), 0, NULL, NULL },
        { NFT(BASE("ip", "a", "f", "forward", "drop") "{}"), 1, "ip a f",
          "nft 'insert rule ip a f iifname \"virbr9\" counter accept'; nft 'insert rule ip a f oifname "
          "\"virbr9\" "
          "counter accept'" },
        { NFT(BASE("ip", "lodge_virbr8", "f", "forward", "drop") "{}"), 0, NULL, NULL },
        { NFT(BASE("ip6", "a", "f", "forward", "drop") "{}"), 0, NULL, NULL },
        { NFT(BASE("ip", "a", "f", "forward", "drop") RULE("a", "f", MATCH("==", IIF, "\"virbr*\"") ACCEPT)),
          0, NULL, NULL },
        { NFT(BASE("ip", "a", "f", "forward", "drop") RULE("a", "f", MATCH("!=", IIF, "\"virbr9\"") ACCEPT)),
          1, "ip a f", NULL },
        { NFT(BASE("ip", "a", "f", "forward", "drop") RULE("a", "f", "{\"xt\":null}," ACCEPT)), 1, "ip a f",
          NULL },
        { NFT(BASE("ip", "a", "f", "forward", "drop")
                  RULE("a", "f", MATCH("in", STATE, "[\"established\",\"related\"]") ACCEPT)),
          1, "ip a f", NULL },
        { NFT(BASE("ip", "a", "f", "forward", "accept") RULE("a", "f", MATCH("==", OIF, "\"eth9\"") DROP)), 0,
          NULL, NULL },
        { NFT(BASE("ip", "a", "f", "forward", "accept") PLAIN("a", "x")
                  RULE("a", "f", "{\"jump\":{\"target\":\"x\"}}") "," RULE("a", "x", DROP)),
          1, "ip a f", NULL },
        { NFT(BASE("ip", "a", "f", "forward", "drop") PLAIN("a", "x")
                  RULE("a", "f", "{\"goto\":{\"target\":\"x\"}}") "," RULE("a", "f", ACCEPT)),
          1, "ip a f", NULL },
        { NFT(BASE("ip", "a", "f", "forward", "accept") PLAIN("a", "x")
                  RULE("a", "f", "{\"jump\":{\"target\":\"x\"}}") "," RULE("a", "x",
                                                                           "{\"jump\":{\"target\":\"x\"}}")),
          0, NULL, NULL },
        { NFT(BASE("ip", "a", "i", "input", "drop")
                  RULE("a", "i", MATCH("==", DPORT, "{\"set\":[67,{\"range\":[50,60]}]}") ACCEPT)),
          0, NULL, NULL },
        { NFT(BASE("ip", "a", "i", "input", "drop") RULE("a", "i", MATCH("==", DPORT, "67") ACCEPT)), 1,
          "ip a i", "nft 'insert rule ip a i iifname \"virbr9\" udp dport 53 counter accept'" },
        { NFT(BASE("ip", "filter", "FORWARD", "forward", "drop") PLAIN("filter", "DOCKER-USER")
                  RULE("filter", "FORWARD", "{\"jump\":{\"target\":\"DOCKER-USER\"}}")),
          1, "ip filter FORWARD",
          "nft 'insert rule ip filter DOCKER-USER iifname \"virbr9\" counter accept'; nft 'insert rule ip "
          "filter "
          "DOCKER-USER oifname \"virbr9\" counter accept'" },
        /* Our rule is there, and is never reached. */
        { NFT(BASE("ip", "filter", "FORWARD", "forward", "drop") PLAIN("filter", "DOCKER-USER")
                  RULE("filter", "DOCKER-USER", MATCH("==", IIF, "\"virbr9\"") ACCEPT)),
          1, "ip filter FORWARD",
          "nft 'insert rule ip filter FORWARD iifname \"virbr9\" counter accept'; nft 'insert rule ip filter "
          "FORWARD "
          "oifname \"virbr9\" counter accept'" },
        { NFT(BASE("ip", "a", "i", "input", "accept")
                  RULE("a", "i",
                       "{\"vmap\":{\"key\":" STATE ",\"data\":{\"set\":[[\"established\"," ACCEPT
                       "],[\"new\"," DROP "]]}}}")),
          2, "ip a i", NULL },
    };
    NETWORK(def, "<forward mode='nat'/><ip address='10.1.1.1' prefix='24'><dhcp><range start='10.1.1.2' "
                 "end='10.1.1.9'/></dhcp></ip>");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Json) ruleset = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].text);
        check_ok(json_parse(cases[i].text, strlen(cases[i].text), "test", &ruleset, &err), err);
        g_autoptr(GPtrArray) found = others_find(ruleset, def);
        check_eq(found->len, cases[i].n);
        const OtherFinding *first = found->len ? g_ptr_array_index(found, 0) : NULL;
        check_str(first ? first->chain : NULL, cases[i].chain);
        if (cases[i].command)
            check_str(first->command, cases[i].command);
        /* What is put in place by itself goes into the owner's chain, never into the base chain. */
        check_eq(first && first->script != NULL,
                 cases[i].command && strstr(cases[i].command, "DOCKER-USER") != NULL);
    }
    DONE(def);
}

TEST(a_firewalld_that_forgot_the_zone_of_a_bridge)
{
#define ZONES BASE("ip", "firewalld", "filter_INPUT", "input", "accept")
    static const struct {
        const char *zone, *text;
        bool left;
    } cases[] = {
        { "work", NFT("{\"metainfo\":{}}"), false },
        { "work", NFT(ZONES RULE("firewalld", "filter_INPUT", MATCH("==", IIF, "\"eth0\"") ACCEPT)), true },
        { "work", NFT(ZONES RULE("firewalld", "filter_INPUT", MATCH("==", IIF, "\"virbr9\"") ACCEPT)),
          false },
        { NULL, NFT(ZONES RULE("firewalld", "filter_INPUT", MATCH("==", IIF, "\"eth0\"") ACCEPT)), false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Json) ruleset = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].text);
        NETWORK(def, "<ip address='10.1.1.1' prefix='24'/>");
        g_free(def->zone);
        def->zone = g_strdup(cases[i].zone);
        check_ok(json_parse(cases[i].text, strlen(cases[i].text), "test", &ruleset, &err), err);
        check_eq(others_left_zone(ruleset, def), cases[i].left);
        DONE(def);
    }
}

TEST(forwards_as_people_write_them)
{
    static const struct {
        const char *listen, *target;
        const char *address, *to;
        unsigned port, to_port;
        bool is_udp, ok;
    } cases[] = {
        { "8080", "web:80", NULL, "web", 8080, 80, false, true },
        { "tcp:10.0.0.1:443", "web", "10.0.0.1", "web", 443, 443, false, true },
        { "udp:[fd00::1]:53", "a:b:53", "fd00::1", "a:b", 53, 53, true, true },
        { "53", "fd00::7", NULL, "fd00::7", 53, 53, false, true },
        { "udp:53", NULL, NULL, NULL, 53, 0, true, true },
        { "", "web", .ok = false },
        { "0", "web", .ok = false },
        { "65536", "web", .ok = false },
        { "-1", "web", .ok = false },
        { "sctp:53", "web", .ok = false },
        { "fd00::1:53", "web", .ok = false },
        { "[10.0.0.1]:53", "web", .ok = false },
        { "10.0.0.256:53", "web", .ok = false },
        { "80", "", .ok = false },
        { "80", ":80", .ok = false },
        { "80", "a\001b", .ok = false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PortForward) forward = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].listen);
        check_eq(port_forward_parse(cases[i].listen, cases[i].target, &forward, &err), cases[i].ok);
        if (!cases[i].ok) {
            check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
            continue;
        }
        check_str(forward->address, cases[i].address);
        check_str(forward->target, cases[i].to);
        check_eq(forward->port, cases[i].port);
        check_eq(forward->target_port, cases[i].to_port);
        check_eq(forward->is_udp, cases[i].is_udp);
    }
}

/* ---- leases ---- */

TEST(leases_are_read_and_nonsense_is_not)
{
    NETWORK(def, IP4 "</ip><ip family='ipv6' address='fd00:9::1' prefix='64'></ip>");
    g_autoptr(GPtrArray) leases =
        network_parse_leases(def,
                             "2000 52:54:00:00:00:01 192.168.9.7 web 01:52:54:00:00:00:01\n"
                             "0 52:54:00:00:00:02 192.168.9.8 * *\n"
                             "900 52:54:00:00:00:03 192.168.9.9 old *\n" /* over */
                             "duid 00:01:00:01:2f:00:00:00:52:54:00:00:00:01\n"
                             "2000 5242880 fd00:9::7 web 00:01:00:01:2f:00:00:00:52:54:00:00:00:05\n"
                             "2000 zz 192.168.9.10 a *\n"
                             "-5 52:54:00:00:00:04 192.168.9.10 a *\n"
                             "99999999999999999999 52:54:00:00:00:04 192.168.9.10 a *\n"
                             "2000 52:54:00:00:00:04 nowhere a *\n"
                             "2000 52:54:00:00:00:04\n\n \n"
                             "2000 52:54:00:00:00:06 192.168.9.11 a\x01\xff *",
                             1000, NULL);

    check_eq(leases->len, 4);
    const NetworkLeaseInfo *web = g_ptr_array_index(leases, 0), *nameless = g_ptr_array_index(leases, 1);
    const NetworkLeaseInfo *six = g_ptr_array_index(leases, 2), *odd = g_ptr_array_index(leases, 3);
    check_str(web->ip, "192.168.9.7");
    check_str(web->hostname, "web");
    check_str(web->client_id, "01:52:54:00:00:00:01");
    check_eq(web->prefix, 24);
    check_eq(web->expiry_s, 2000);
    check(!nameless->hostname && !nameless->client_id && nameless->expiry_s == 0);
    check(six->is_v6 && six->prefix == 64);
    check_str(six->mac, "52:54:00:00:00:05");
    check_str(six->iaid, "5242880");
    check(!odd->hostname);
    g_autoptr(GPtrArray) one =
        network_parse_leases(def,
                             "0 52:54:00:aa:00:02 192.168.9.8 * *\n0 52:54:00:aa:00:03 192.168.9.9 * *\n",
                             1000, "52:54:00:AA:00:03");
    check_eq(one->len, 1);
    DONE(def);
}

/* ---- rules ---- */

TEST(rules_of_each_mode)
{
    NETWORK(nat,
            "<forward mode='nat' dev='eth0'><nat><address start='10.0.0.1' end='10.0.0.3'/><port start='500' "
            "end='600'/></nat></forward>" IP4 "</ip>");
    NETWORK(route, "<forward mode='route'/>" IP4 "</ip>");
    NETWORK(isolated, IP4 "</ip>");
    NETWORK(open, "<forward mode='open'/>" IP4 "</ip>");
    NETWORK(six, "<forward mode='nat'><nat ipv6='yes'/></forward>" IP4
                 "</ip><ip family='ipv6' address='fd00:9::1' prefix='64'/>");
    g_autofree char *nat_rules = firewall_format(nat, NULL), *route_rules = firewall_format(route, NULL);
    g_autofree char *isolated_rules = firewall_format(isolated, NULL),
                    *open_rules = firewall_format(open, NULL);
    g_autofree char *six_rules = firewall_format(six, NULL);

    check_contains(nat_rules, "add element inet lodge_net sources { 192.168.9.0/24 : jump nat.virbr9 }\n");
    check_contains(nat_rules, "snat ip to 10.0.0.1-10.0.0.3:500-600");
    check_contains(nat_rules, "oifname \"eth0\"");
    check_contains(nat_rules, "ct state established,related return");
    check(!strstr(route_rules, "nat.virbr9") && !strstr(route_rules, "ct state"));
    check_contains(route_rules, "ip daddr 192.168.9.0/24 return");
    check(!strstr(isolated_rules, "192.168.9."));
    check_contains(isolated_rules, "chain from.virbr9 {\n    oifname \"virbr9\" return\n    reject\n");
    check_str(open_rules, "");
    check_contains(six_rules, "ip6 saddr fd00:9::/64");
    check_contains(six_rules, "ip6 daddr != fd00:9::/64");
    DONE(nat);
    DONE(route);
    DONE(isolated);
    DONE(open);
    DONE(six);
}
