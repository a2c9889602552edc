/* The files of the managers: who manages an interface, and what is the same for all of them; ifupdown and
 * netplan, whose files hold several interfaces and are edited. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/hostif_files.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"

static const struct {
    const char *name;
    const char *folders[4];
    bool (*plan)(HostifPlan *plan, Error **err);
} managers[MANAGER_COUNT] = {
    [MANAGER_NONE] = { "nobody", { NULL }, NULL },
    [MANAGER_IFUPDOWN] = { "ifupdown",
                           { "/etc/network", "/etc/network/interfaces.d", NULL },
                           hostif_plan_ifupdown },
    [MANAGER_NM] = { "NetworkManager", { "/etc/NetworkManager/system-connections", NULL }, hostif_plan_nm },
    [MANAGER_NETWORKD] = { "systemd-networkd", { "/etc/systemd/network", NULL }, hostif_plan_networkd },
    [MANAGER_NETPLAN] = { "netplan", { "/etc/netplan", NULL }, hostif_plan_netplan },
};

const char *hostif_manager_name(HostifManager manager)
{
    return managers[manager].name;
}

const char *const *hostif_folders(HostifManager manager)
{
    return managers[manager].folders;
}

void hostif_change_free(void *data)
{
    HostifChange *change = data;

    g_free(change->path);
    g_free(change->text);
    g_free(change);
}

/* ---- what plans are made with ---- */

char *hostif_plan_read(const HostifPlan *plan, const char *path)
{
    g_autofree char *full = g_strconcat(plan->root, path, NULL);
    char *text = NULL;

    /* A file that an earlier step of this plan changes already. */
    for (guint i = plan->changes->len; i-- > 0;) {
        const HostifChange *change = g_ptr_array_index(plan->changes, i);
        if (strcmp(change->path, full) == 0)
            return g_strdup(change->text);
    }
    return g_file_get_contents(full, &text, NULL, NULL) ? text : NULL;
}

void hostif_plan_file(HostifPlan *plan, const char *path, char *text, unsigned mode)
{
    g_autofree char *before = hostif_plan_read(plan, path);
    char *full = g_strconcat(plan->root, path, NULL);

    if (g_strcmp0(before, text) == 0) {
        g_free(full);
        g_free(text);
        return;
    }
    for (guint i = 0; i < plan->changes->len; i++) {
        const HostifChange *change = g_ptr_array_index(plan->changes, i);
        if (strcmp(change->path, full) == 0) {
            g_ptr_array_remove_index(plan->changes, i);
            break;
        }
    }
    HostifChange *change = g_new0(HostifChange, 1);
    *change = (HostifChange){ .path = full, .text = text, .mode = mode };
    g_ptr_array_add(plan->changes, change);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *list_folder(const char *root, const char *folder, const char *ending)
{
    g_autofree char *path = g_strconcat(root, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        if (g_str_has_suffix(name, ending) && *name != '.')
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    return names;
}

GPtrArray *hostif_plan_list(const HostifPlan *plan, const char *folder, const char *ending)
{
    return list_folder(plan->root, folder, ending);
}

static bool has_part(const HostifDef *def, const char *name)
{
    for (guint i = 0; def && def->ports && i < def->ports->len; i++) {
        const HostifDef *part = g_ptr_array_index(def->ports, i);
        if (strcmp(part->name, name) == 0 || has_part(part, name))
            return true;
    }
    return false;
}

bool hostif_plan_takes(const HostifPlan *plan, const char *name)
{
    return strcmp(plan->name, name) == 0 || has_part(plan->def, name);
}

bool hostif_plan(HostifManager manager, const char *root, const char *name, const HostifDef *def,
                 GPtrArray **ret_changes, Error **err)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(hostif_change_free);
    HostifPlan plan = { .root = root, .name = name, .def = def, .changes = changes };

    if (managers[manager].plan && !managers[manager].plan(&plan, err))
        return false;
    *ret_changes = g_steal_pointer(&changes);
    return true;
}

/* ---- who manages it ---- */

static bool there_is(const char *root, const char *path)
{
    g_autofree char *full = g_strconcat(root, path, NULL);

    return access(full, F_OK) == 0;
}

static bool has_files(const char *root, const char *folder, const char *ending)
{
    g_autoptr(GPtrArray) names = list_folder(root, folder, ending);

    return names->len > 0;
}

/* A line of a small file that begins with @text. */
static bool file_says(const char *root, const char *format, int index, const char *line)
{
    g_autofree char *name = g_strdup_printf("%s%d", format, index);
    g_autofree char *path = g_strconcat(root, name, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    const char *at = strstr(text, line);
    return at && (at == text || at[-1] == '\n');
}

static bool netplan_knows(const char *root, const char *name)
{
    g_autoptr(GPtrArray) names = list_folder(root, "/etc/netplan", ".yaml");
    const HostifPlan plan = { .root = root, .name = name, .changes = names };

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat(root, "/etc/netplan/", g_ptr_array_index(names, i), NULL);
        g_autofree char *text = NULL;
        bool found = false, flow = false;
        if (!g_file_get_contents(path, &text, NULL, NULL))
            continue;
        g_autofree char *rest G_GNUC_UNUSED = hostif_strip_netplan(&plan, text, &found, &flow);
        if (found || flow)
            return true;
    }
    return false;
}

static bool ifupdown_knows(const char *root, const char *name)
{
    g_autoptr(GPtrArray) names = list_folder(root, "/etc/network/interfaces.d", "");
    const HostifPlan plan = { .root = root, .name = name, .changes = names };
    bool found = false;

    g_ptr_array_add(names, g_strdup("../interfaces"));
    for (guint i = 0; i < names->len && !found; i++) {
        g_autofree char *path =
            g_strconcat(root, "/etc/network/interfaces.d/", g_ptr_array_index(names, i), NULL);
        g_autofree char *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL))
            g_free(hostif_strip_ifupdown(&plan, text, &found));
    }
    return found;
}

HostifManager hostif_find_manager(const char *root, const char *name, int index)
{
    const bool has_netplan = has_files(root, "/etc/netplan", ".yaml");
    /* Folders in /run may be there without them: what they put into those tells. */
    const bool has_nm = there_is(root, "/run/NetworkManager/devices") ||
                        has_files(root, "/etc/NetworkManager/system-connections", "");
    const bool has_networkd = has_files(root, "/run/systemd/netif/links", "") ||
                              has_files(root, "/etc/systemd/network", ".network");
    const bool has_ifupdown = there_is(root, "/etc/network/interfaces");

    /* What is said of the interface itself goes before what the host has; netplan is in front of the two that
     * it writes for. */
    if (name && has_netplan && netplan_knows(root, name))
        return MANAGER_NETPLAN;
    if (name && index && has_nm && file_says(root, "/run/NetworkManager/devices/", index, "managed=true"))
        return MANAGER_NM;
    if (name && index && has_networkd && file_says(root, "/run/systemd/netif/links/", index, "NETWORK_FILE="))
        return MANAGER_NETWORKD;
    if (name && has_ifupdown && ifupdown_knows(root, name))
        return MANAGER_IFUPDOWN;
    return has_netplan    ? MANAGER_NETPLAN
           : has_nm       ? MANAGER_NM
           : has_networkd ? MANAGER_NETWORKD
           : has_ifupdown ? MANAGER_IFUPDOWN
                          : MANAGER_NONE;
}

/* ---- ifupdown: interfaces(5) ---- */

#define STANZA_WORDS "iface", "mapping", "auto", "source", "source-directory", "rename", "template"

static bool begins_stanza(const char *word)
{
    static const char *const words[] = { STANZA_WORDS };

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return g_str_has_prefix(word, "allow-") || g_str_has_prefix(word, "no-auto-down") ||
           g_str_has_prefix(word, "no-scripts");
}

/* Lines that only list names: those that are taken go, and the line if none is left. */
static void strip_names(const HostifPlan *plan, char **words, const char *line, GString *out, bool *ret_found)
{
    g_autoptr(GString) kept = g_string_new(words[0]);
    bool found = false;
    unsigned left = 0;

    for (char **word = words + 1; *word; word++) {
        if (hostif_plan_takes(plan, *word)) {
            found = true;
        } else if (**word) {
            g_string_append_printf(kept, " %s", *word);
            left++;
        }
    }
    *ret_found |= found;
    if (!found)
        g_string_append(out, line);
    else if (left)
        g_string_append_printf(out, "%s\n", kept->str);
}

/* The next line with those that it goes on in (behind a backslash). */
static char *next_line(const char **at)
{
    const char *end = *at;

    while (*end && !(*end == '\n' && (end == *at || end[-1] != '\\')))
        end++;
    if (*end)
        end++;
    char *line = g_strndup(*at, (gsize)(end - *at));
    *at = end;
    return line;
}

char *hostif_strip_ifupdown(const HostifPlan *plan, const char *text, bool *ret_found)
{
    GString *out = g_string_new(NULL);
    bool inside = false; /* of a stanza that goes */

    *ret_found = false;
    for (const char *at = text; *at;) {
        g_autofree char *line = next_line(&at);
        g_autofree char *plain = g_strdelimit(g_strdup(line), "\\\n\t\r", ' ');
        g_auto(GStrv) words = g_strsplit(g_strstrip(plain), " ", 0);
        const char *first = words[0] ? words[0] : "";
        if (*first == '#' || !*first) {
            if (!inside || !*first)
                g_string_append(out, line);
            inside = inside && *first;
            continue;
        }
        if (!begins_stanza(first)) {
            if (!inside)
                g_string_append(out, line);
            continue;
        }
        const char *second = words[1];
        for (unsigned i = 1; second && !*second; i++)
            second = words[i + 1];
        inside = (strcmp(first, "iface") == 0 || strcmp(first, "mapping") == 0) && second &&
                 hostif_plan_takes(plan, second);
        *ret_found |= inside;
        if (inside)
            continue;
        if (strcmp(first, "auto") == 0 || g_str_has_prefix(first, "allow-"))
            strip_names(plan, words, line, out, ret_found);
        else
            g_string_append(out, line);
    }
    return g_string_free(out, FALSE);
}

static void put_ifupdown_link(GString *out, const HostifDef *def)
{
    static const char *const no_yes[] = { NULL, "on", "off" };

    if (def->mtu.is_set)
        g_string_append_printf(out, "    mtu %u\n", def->mtu.value);
    if (def->mac)
        g_string_append_printf(out, "    hwaddress ether %s\n", def->mac);
    if (def->type == HOSTIF_VLAN)
        g_string_append_printf(out, "    vlan-raw-device %s\n", def->lower);
    if (def->type != HOSTIF_BRIDGE && def->type != HOSTIF_BOND)
        return;
    g_string_append(out, def->type == HOSTIF_BRIDGE ? "    bridge_ports" : "    bond-slaves");
    for (guint i = 0; def->ports && i < def->ports->len; i++)
        g_string_append_printf(out, " %s", ((const HostifDef *)g_ptr_array_index(def->ports, i))->name);
    g_string_append(out, def->ports ? "\n" : " none\n");
    if (def->type == HOSTIF_BRIDGE) {
        g_string_append_printf(out, "    bridge_stp %s\n", no_yes[def->stp == TRISTATE_ON ? 1 : 2]);
        g_string_append_printf(out, "    bridge_fd %s\n", def->delay ? def->delay : "0");
        return;
    }
    g_string_append_printf(out, "    bond-mode %s\n",
                           enum_name(&bond_mode_names, def->mode ? def->mode : BOND_BALANCE_RR));
    if (def->has_miimon)
        g_string_append_printf(out, "    bond-miimon %u\n    bond-downdelay %u\n    bond-updelay %u\n",
                               def->miimon_ms, def->downdelay_ms, def->updelay_ms);
    if (def->has_arpmon)
        g_string_append_printf(out, "    bond-arp-interval %u\n    bond-arp-ip-target %s\n",
                               def->arp_interval_ms, def->arp_target);
    if (def->arp_validate)
        g_string_append_printf(out, "    bond-arp-validate %s\n",
                               enum_name(&bond_validate_names, def->arp_validate));
}

/* The stanzas of one family; the first of all has what is said of the link. */
static void put_ifupdown_family(GString *out, const HostifDef *def, const HostifProtocol *protocol,
                                bool is_first)
{
    const bool is_v6 = protocol->family == HOSTIF_IPV6;
    const char *family = is_v6 ? "inet6" : "inet";

    for (guint i = 0; protocol->ips && i < protocol->ips->len; i++) {
        const HostifIp *ip = g_ptr_array_index(protocol->ips, i);
        g_string_append_printf(out, "iface %s %s static\n    address %s/%u\n", def->name, family, ip->address,
                               ip->prefix.value);
        if (protocol->gateway && i == 0)
            g_string_append_printf(out, "    gateway %s\n", protocol->gateway);
        if (is_first)
            put_ifupdown_link(out, def);
        is_first = false;
    }
    if (!protocol->has_dhcp && !protocol->has_autoconf)
        return;
    g_string_append_printf(out, "iface %s %s %s\n", def->name, family, protocol->has_dhcp ? "dhcp" : "auto");
    if (is_first)
        put_ifupdown_link(out, def);
}

/* Those of bonds before the bonds, those before the bridge. */
static void put_ifupdown_parts(GString *out, const HostifDef *def)
{
    for (guint i = 0; def->ports && i < def->ports->len; i++) {
        const HostifDef *part = g_ptr_array_index(def->ports, i);
        put_ifupdown_parts(out, part);
        g_string_append_printf(out, "iface %s inet manual\n", part->name);
        if (part->type != HOSTIF_ETHERNET)
            put_ifupdown_link(out, part);
        g_string_append_c(out, '\n');
    }
}

static char *ifupdown_text(const HostifDef *def)
{
    const HostifProtocol *v4 = hostif_find_protocol(def, HOSTIF_IPV4),
                         *v6 = hostif_find_protocol(def, HOSTIF_IPV6);
    GString *out = g_string_new(HOSTIF_BANNER);

    put_ifupdown_parts(out, def);
    if (def->start != HOSTIF_START_NONE)
        g_string_append_printf(out, "%s %s\n", def->start == HOSTIF_START_HOTPLUG ? "allow-hotplug" : "auto",
                               def->name);
    const bool has_v4 = v4 && (v4->ips || v4->has_dhcp),
               has_v6 = v6 && (v6->ips || v6->has_dhcp || v6->has_autoconf);
    if (has_v4)
        put_ifupdown_family(out, def, v4, true);
    if (has_v6)
        put_ifupdown_family(out, def, v6, !has_v4);
    if (!has_v4 && !has_v6) {
        g_string_append_printf(out, "iface %s inet manual\n", def->name);
        put_ifupdown_link(out, def);
    }
    return g_string_free(out, FALSE);
}

static bool sources_folder(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(g_strstrip(*line), "source") && strstr(*line, "interfaces.d"))
            return true;
    }
    return false;
}

bool hostif_plan_ifupdown(HostifPlan *plan, Error **err)
{
    g_autoptr(GPtrArray) names = hostif_plan_list(plan, "/etc/network/interfaces.d", "");
    g_autofree char *own = g_strconcat("/etc/network/interfaces.d/", plan->name, NULL);
    g_autofree char *main_text = hostif_plan_read(plan, "/etc/network/interfaces");
    bool found = false;

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat("/etc/network/interfaces.d/", g_ptr_array_index(names, i), NULL);
        g_autofree char *text = hostif_plan_read(plan, path);
        g_autofree char *rest = text ? hostif_strip_ifupdown(plan, text, &found) : NULL;
        if (rest && found && strcmp(path, own) != 0)
            hostif_plan_file(plan, path, strspn(rest, " \n\t") == strlen(rest) ? NULL : g_strdup(rest), 0644);
    }
    GString *main = g_string_new(NULL);
    g_autofree char *rest = hostif_strip_ifupdown(plan, main_text ? main_text : "", &found);
    g_string_append(main, rest);
    if (plan->def && !sources_folder(main->str))
        g_string_append(main, "\nsource interfaces.d/*\n");
    hostif_plan_file(plan, "/etc/network/interfaces", g_string_free(main, FALSE), 0644);
    hostif_plan_file(plan, own, plan->def ? ifupdown_text(plan->def) : NULL, 0644);
    return true;
}

/* ---- netplan: netplan-yaml ---- */

static unsigned indent_of(const char *line)
{
    return (unsigned)strspn(line, " ");
}

/* The key of a line "  key:" or "  key: value", without quotes; NULL: it has none. Owned. */
static char *key_of(const char *line)
{
    const char *begin = line + indent_of(line), *end = strchr(begin, ':');

    if (!end || *begin == '#' || *begin == '-' || (end[1] && !strchr(" \t\r\n", end[1])))
        return NULL;
    g_autofree char *key = g_strstrip(g_strndup(begin, (gsize)(end - begin)));
    const size_t len = strlen(key);
    if (len > 1 && (*key == '"' || *key == '\'') && key[len - 1] == *key)
        return g_strndup(key + 1, len - 2);
    return g_strdup(key);
}

static bool is_section(const char *key)
{
    static const char *const sections[] = { "ethernets", "bridges", "bonds",        "vlans",
                                            "wifis",     "modems",  "dummy-devices" };

    for (size_t i = 0; i < G_N_ELEMENTS(sections); i++) {
        if (strcmp(key, sections[i]) == 0)
            return true;
    }
    return false;
}

/* Works on block style, which everybody writes; *ret_flow: the interface is mentioned in flow style ({...}).
 */
char *hostif_strip_netplan(const HostifPlan *plan, const char *text, bool *ret_found, bool *ret_flow)
{
    GString *out = g_string_new(NULL);
    unsigned section = 0, gone = 0; /* indents; 0: not inside one */
    bool in_section = false, in_gone = false;

    *ret_found = *ret_flow = false;
    for (const char *at = text; *at;) {
        const char *end = strchr(at, '\n');
        g_autofree char *line = g_strndup(at, end ? (gsize)(end - at) + 1 : strlen(at));
        const unsigned indent = indent_of(line);
        const bool is_blank = strspn(line, " \t\r\n") == strlen(line) || line[indent] == '#';
        g_autofree char *key = is_blank ? NULL : key_of(line);
        at += strlen(line);
        if (in_gone && (is_blank || indent > gone))
            continue;
        in_gone = false;
        if (in_section && !is_blank && indent <= section)
            in_section = false;
        if (key && is_section(key)) {
            in_section = true;
            section = indent;
            *ret_flow |= strchr(line, '{') != NULL;
        } else if (in_section && key && hostif_plan_takes(plan, key)) {
            in_gone = true;
            gone = indent;
            *ret_found = true;
            continue;
        }
        g_string_append(out, line);
    }
    return g_string_free(out, FALSE);
}

/* Is there anything below "network:" but its version and renderer, and sections without content? */
static bool says_something(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    for (char **line = lines; *line; line++) {
        g_autofree char *key = key_of(*line);
        if (!key && strspn(*line, " \t\r-") != strlen(*line) && (*line)[indent_of(*line)] != '#')
            return true;
        if (key && strcmp(key, "network") != 0 && strcmp(key, "version") != 0 &&
            strcmp(key, "renderer") != 0 && !is_section(key))
            return true;
    }
    return false;
}

/* A section that lost its last interface would be no map any more. */
static char *drop_empty_sections(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    GString *out = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        g_autofree char *key = key_of(*line);
        char **next = line + 1;
        while (*next && (strspn(*next, " \t\r") == strlen(*next) || (*next)[indent_of(*next)] == '#'))
            next++;
        if (key && is_section(key) && !strchr(*line, '{') && (!*next || indent_of(*next) <= indent_of(*line)))
            continue;
        g_string_append(out, *line);
        if (line[1])
            g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

static void put_netplan_addresses(GString *out, const HostifDef *def)
{
    const HostifProtocol *v4 = hostif_find_protocol(def, HOSTIF_IPV4),
                         *v6 = hostif_find_protocol(def, HOSTIF_IPV6);
    const HostifProtocol *both[] = { v4, v6 };

    g_string_append_printf(out, "      dhcp4: %s\n      dhcp6: %s\n", v4 && v4->has_dhcp ? "true" : "false",
                           v6 && v6->has_dhcp ? "true" : "false");
    g_string_append_printf(out, "      accept-ra: %s\n",
                           v6 && (v6->has_autoconf || v6->has_dhcp) ? "true" : "false");
    for (unsigned i = 0; i < 2; i++) {
        if (both[i] && both[i]->has_dhcp && both[i]->peerdns == TRISTATE_OFF)
            g_string_append_printf(out, "      dhcp%c-overrides:\n        use-dns: false\n", i ? '6' : '4');
    }
    if ((v4 && v4->ips) || (v6 && v6->ips))
        g_string_append(out, "      addresses:\n");
    for (unsigned i = 0; i < 2; i++) {
        for (guint k = 0; both[i] && both[i]->ips && k < both[i]->ips->len; k++) {
            const HostifIp *ip = g_ptr_array_index(both[i]->ips, k);
            g_string_append_printf(out, "        - \"%s/%u\"\n", ip->address, ip->prefix.value);
        }
    }
    if ((v4 && v4->gateway) || (v6 && v6->gateway))
        g_string_append(out, "      routes:\n");
    for (unsigned i = 0; i < 2; i++) {
        if (both[i] && both[i]->gateway)
            g_string_append_printf(out, "        - to: \"%s\"\n          via: \"%s\"\n",
                                   i ? "::/0" : "0.0.0.0/0", both[i]->gateway);
    }
}

static void put_netplan_kind(GString *out, const HostifDef *def)
{
    if (def->type == HOSTIF_VLAN)
        g_string_append_printf(out, "      id: %u\n      link: \"%s\"\n", def->tag.value, def->lower);
    if (def->type != HOSTIF_BRIDGE && def->type != HOSTIF_BOND)
        return;
    g_string_append(out, def->ports ? "      interfaces:\n" : "      interfaces: []\n");
    for (guint i = 0; def->ports && i < def->ports->len; i++)
        g_string_append_printf(out, "        - \"%s\"\n",
                               ((const HostifDef *)g_ptr_array_index(def->ports, i))->name);
    g_string_append(out, "      parameters:\n");
    if (def->type == HOSTIF_BRIDGE) {
        g_string_append_printf(out, "        stp: %s\n        forward-delay: %s\n",
                               def->stp == TRISTATE_ON ? "true" : "false", def->delay ? def->delay : "0");
        return;
    }
    g_string_append_printf(out, "        mode: %s\n",
                           enum_name(&bond_mode_names, def->mode ? def->mode : BOND_BALANCE_RR));
    if (def->has_miimon)
        g_string_append_printf(out,
                               "        mii-monitor-interval: %u\n        down-delay: %u\n        up-delay: "
                               "%u\n",
                               def->miimon_ms, def->downdelay_ms, def->updelay_ms);
    if (def->has_arpmon)
        g_string_append_printf(out, "        arp-interval: %u\n        arp-ip-targets:\n          - %s\n",
                               def->arp_interval_ms, def->arp_target);
    if (def->arp_validate)
        g_string_append_printf(out, "        arp-validate: %s\n",
                               enum_name(&bond_validate_names, def->arp_validate));
}

/* Does any file but our own say what @name is? netplan refuses what is on something that nobody describes. */
static bool netplan_describes(const HostifPlan *plan, const char *own, const char *name)
{
    g_autoptr(GPtrArray) names = hostif_plan_list(plan, "/etc/netplan", ".yaml");
    const HostifPlan other = { .root = plan->root, .name = name, .changes = plan->changes };

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat("/etc/netplan/", g_ptr_array_index(names, i), NULL);
        g_autofree char *text = strcmp(path, own) != 0 ? hostif_plan_read(plan, path) : NULL;
        bool found = false, flow = false;
        g_autofree char *rest G_GNUC_UNUSED = text ? hostif_strip_netplan(&other, text, &found, &flow) : NULL;
        if (found)
            return true;
    }
    return false;
}

typedef struct NetplanText {
    const HostifPlan *plan;
    const char *own; /* path */
    HostifType type; /* of the section that is written */
    bool has_header;
    GString *out;
} NetplanText;

static void put_netplan_key(NetplanText *text, const char *name)
{
    static const char *const sections[] = { "ethernets", "bridges", "bonds", "vlans" };

    if (!text->has_header)
        g_string_append_printf(text->out, "  %s:\n", sections[text->type]);
    text->has_header = true;
    g_string_append_printf(text->out, "    \"%s\":\n", name);
}

/* What of @def and its parts belongs into the section. */
static void put_netplan_section(NetplanText *text, const HostifDef *def, bool is_part)
{
    if (def->type == text->type) {
        put_netplan_key(text, def->name);
        if (def->start == HOSTIF_START_NONE)
            g_string_append(text->out, "      activation-mode: manual\n");
        put_netplan_addresses(text->out, def);
        if (def->mtu.is_set)
            g_string_append_printf(text->out, "      mtu: %u\n", def->mtu.value);
        if (def->mac && !is_part)
            g_string_append_printf(text->out, "      macaddress: \"%s\"\n", def->mac);
        put_netplan_kind(text->out, def);
    }
    if (text->type == HOSTIF_ETHERNET && def->type == HOSTIF_VLAN && !has_part(text->plan->def, def->lower) &&
        !netplan_describes(text->plan, text->own, def->lower)) {
        put_netplan_key(text, def->lower);
        g_string_append(text->out, "      dhcp4: false\n");
    }
    for (guint i = 0; def->ports && i < def->ports->len; i++)
        put_netplan_section(text, g_ptr_array_index(def->ports, i), true);
}

static char *netplan_text(const HostifPlan *plan, const char *own)
{
    static const HostifType order[] = { HOSTIF_ETHERNET, HOSTIF_BOND, HOSTIF_VLAN, HOSTIF_BRIDGE };
    NetplanText text = { .plan = plan,
                         .own = own,
                         .out = g_string_new(HOSTIF_BANNER "network:\n  version: 2\n") };

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        text.type = order[i];
        text.has_header = false;
        put_netplan_section(&text, plan->def, false);
    }
    return g_string_free(text.out, FALSE);
}

bool hostif_plan_netplan(HostifPlan *plan, Error **err)
{
    g_autoptr(GPtrArray) names = hostif_plan_list(plan, "/etc/netplan", ".yaml");
    g_autofree char *own = g_strconcat("/etc/netplan/90-lodge-", plan->name, ".yaml", NULL);

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat("/etc/netplan/", g_ptr_array_index(names, i), NULL);
        g_autofree char *text = strcmp(path, own) != 0 ? hostif_plan_read(plan, path) : NULL;
        bool found = false, flow = false;
        g_autofree char *rest = text ? hostif_strip_netplan(plan, text, &found, &flow) : NULL;
        if (flow && strstr(text, plan->name)) {
            error_set(err, ERROR_OPERATION_UNSUPPORTED,
                      "'%s%s' says it in a form that Lodge does not edit ({...})", plan->root, path);
            return error_hint(err, "write what it says of '%s' with one key in a line", plan->name);
        }
        if (!found)
            continue;
        g_autofree char *left = drop_empty_sections(rest);
        hostif_plan_file(plan, path, says_something(left) ? g_strdup(left) : NULL, 0600);
    }
    hostif_plan_file(plan, own, plan->def ? netplan_text(plan, own) : NULL, 0600);
    return true;
}
