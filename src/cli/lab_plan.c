/* What differs between a file and the host, by meaning: "1G" is "1024M", and what the file does not say is as
 * it may be. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ip.h"
#include "base/units.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/lab.h"
#include "cli/library.h"
#include "cli/place.h"
#include "cli/run.h"
#include "cli/seed.h"
#include "install/cloud_init.h"
#include "install/words.h"
#include "wire/error_map.h"

const char *lab_how_name(LabHow how)
{
    static const char *const names[LAB_HOW_COUNT] = { "same", "make", "change", "make again", "refused" };

    return names[how];
}

static void difference_free(void *data)
{
    LabDifference *difference = data;

    g_free(difference->is);
    g_free(difference->wanted);
    g_free(difference);
}

static void step_free(void *data)
{
    LabStep *step = data;

    g_ptr_array_unref(step->differences);
    wire_domain_clear(&step->dom);
    error_free(step->err);
    if (step->fiber)
        fiber_unref(step->fiber);
    g_free(step);
}

static void differs(LabStep *step, const char *key, const char *is, const char *wanted, LabHow how)
{
    LabDifference *difference = g_new0(LabDifference, 1);

    *difference = (LabDifference){ .key = key, .is = g_strdup(is), .wanted = g_strdup(wanted), .how = how };
    g_ptr_array_add(step->differences, difference);
    step->how = MAX(step->how, how);
}

static void compare(LabStep *step, const char *key, const char *is, const char *wanted, LabHow how)
{
    if (wanted && g_strcmp0(is, wanted) != 0)
        differs(step, key, is, wanted, how);
}

static void compare_yes(LabStep *step, const char *key, bool is, bool wanted)
{
    if (is != wanted)
        differs(step, key, is ? "yes" : "no", wanted ? "yes" : "no", LAB_CHANGE);
}

static void compare_size(LabStep *step, const char *key, uint64_t is, LabHow how)
{
    const uint64_t wanted = lab_number(step->item, key, is);
    g_autofree char *has = size_format(is), *wants = size_format(wanted);

    if (wanted != is)
        differs(step, key, has, wants, how);
}

/* ---- images and pools ---- */

static bool plan_image(LabStep *step, Error **err)
{
    g_autoptr(LibraryImage) image = NULL;
    g_autoptr(Error) why = NULL;

    if (!library_find(step->cli, step->item->name, &image, &why) &&
        wire_error_code(why) != VIR_ERR_NO_STORAGE_VOL && wire_error_code(why) != VIR_ERR_NO_STORAGE_POOL)
        return error_propagate(err, g_steal_pointer(&why));
    step->exists = image && image->is_whole;
    return true;
}

static bool plan_pool(LabStep *step, Error **err)
{
    const WireStoragePoolLookupByNameArgs find = { .name = step->item->name };
    g_auto(WireStoragePoolLookupByNameRet) found = { 0 };
    g_auto(WireStoragePoolGetXmlDescRet) ret = { 0 };
    WireStoragePoolIsActiveRet active = { 0 };
    WireStoragePoolGetAutostartRet autostart = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(Error) why = NULL;

    if (!cli_call(step->cli, PROC_STORAGE_POOL_LOOKUP_BY_NAME, &find, &found, &why))
        return wire_error_code(why) == VIR_ERR_NO_STORAGE_POOL || error_propagate(err, g_steal_pointer(&why));
    step->exists = true;
    const WireStoragePoolGetXmlDescArgs describe = { .pool = found.pool };
    const WireStoragePoolIsActiveArgs ask = { .pool = found.pool };
    const WireStoragePoolGetAutostartArgs ask_autostart = { .pool = found.pool };
    if (!cli_call(step->cli, PROC_STORAGE_POOL_GET_XML_DESC, &describe, &ret, err) ||
        !xml_parse(ret.xml, &doc, err) ||
        !cli_call(step->cli, PROC_STORAGE_POOL_IS_ACTIVE, &ask, &active, err) ||
        !cli_call(step->cli, PROC_STORAGE_POOL_GET_AUTOSTART, &ask_autostart, &autostart, err))
        return false;
    g_autofree char *path = xml_get(doc, NULL, "/pool/target/path"),
                    *wanted = lab_path(step->lab, lab_get(step->item, "path"));
    step->is_active = active.active;
    compare(step, "path", path, wanted, LAB_REFUSED);
    compare_yes(step, "running", active.active, true);
    compare_yes(step, "autostart", autostart.autostart, lab_is(step->item, "autostart", true));
    return true;
}

/* ---- networks ---- */

/* "10.9.0.0/24": address and prefix of the host in it. */
static bool read_subnet(const char *text, IpAddress *ret_ip, unsigned *ret_prefix)
{
    const char *slash = strchr(text, '/');
    g_autofree char *address = slash ? g_strndup(text, (size_t)(slash - text)) : NULL;
    char *end = NULL;

    if (!slash || !g_ascii_isdigit(slash[1]) || !ip_parse(address, ret_ip))
        return false;
    *ret_prefix = (unsigned)strtoul(slash + 1, &end, 10);
    if (*end || *ret_prefix > ip_bits(ret_ip) - 2)
        return false;
    IpAddress first = ip_first(ret_ip, *ret_prefix);
    if (ip_compare(&first, ret_ip) == 0)
        ret_ip->bytes[ip_bits(ret_ip) / 8 - 1]++;
    return true;
}

static bool subnet_texts(const LabItem *item, char *ret_address, unsigned *ret_prefix, char **ret_start,
                         char **ret_end, Error **err)
{
    const char *subnet = lab_get(item, "subnet"), *dhcp = lab_get(item, "dhcp");
    IpAddress ip, start, end;
    char text[IP_STRING_LEN];

    if (!read_subnet(subnet, &ip, ret_prefix))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "network '%s': '%s' is no subnet, as 10.9.0.0/24 is one", item->name, subnet);
    ip_format(&ip, ret_address);
    if (dhcp && strchr(dhcp, '-')) {
        g_auto(GStrv) range = g_strsplit(dhcp, "-", 2);
        if (!ip_parse(g_strstrip(range[0]), &start) || !ip_parse(g_strstrip(range[1]), &end) ||
            start.is_v6 != ip.is_v6 || end.is_v6 != ip.is_v6 || !ip_is_in(&start, &ip, *ret_prefix) ||
            !ip_is_in(&end, &ip, *ret_prefix))
            return error_set(err, ERROR_INVALID_ARGUMENT, "network '%s': '%s' is no part of %s", item->name,
                             dhcp, subnet);
    } else if (dhcp && !lab_is(item, "dhcp", true)) {
        if (g_ascii_strcasecmp(dhcp, "no") != 0 && g_ascii_strcasecmp(dhcp, "false") != 0 &&
            g_ascii_strcasecmp(dhcp, "off") != 0)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "network '%s': dhcp has to be yes, no or a range, not '%s'", item->name, dhcp);
        return true;
    } else {
        /* What is above the host's own address. */
        start = ip;
        start.bytes[ip_bits(&ip) / 8 - 1]++;
        end = ip_last(&ip, *ret_prefix);
        end.bytes[ip_bits(&ip) / 8 - 1]--;
        if (ip_compare(&start, &end) > 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "network '%s' has no room for machines in %s",
                             item->name, subnet);
    }
    ip_format(&start, text);
    *ret_start = g_strdup(text);
    ip_format(&end, text);
    *ret_end = g_strdup(text);
    return true;
}

static char *forward_of(const LabItem *item)
{
    const char *forward = lab_get(item, "forward");

    return lab_is(item, "host-bridge", false) ? g_strdup("bridge")
           : g_strcmp0(forward, "none") == 0  ? NULL
                                              : g_strdup(forward ? forward : "nat");
}

bool lab_network_document(const LabItem *item, const char *before, char **ret_xml, Error **err)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    g_autoptr(XmlDoc) doc = NULL;
    g_autofree char *forward = forward_of(item), *uuid = NULL, *bridge = NULL, *start = NULL, *end = NULL;
    const char *domain = lab_get(item, "domain"), *wanted = lab_get(item, "bridge"),
               *mtu = lab_get(item, "mtu");
    const bool is_host = lab_is(item, "host-bridge", false);
    char address[IP_STRING_LEN];
    unsigned prefix = 0;

    if (is_host && !wanted)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "network '%s' has a bridge of the host, and none is named", item->name);
    if (before && !xml_parse(before, &doc, err))
        return false;
    uuid = doc ? xml_get(doc, NULL, "/network/uuid") : NULL;
    bridge = wanted ? g_strdup(wanted) : doc ? xml_get(doc, NULL, "/network/bridge/@name") : NULL;
    markup_append(xml, "<network><name>%s</name>", item->name);
    if (uuid)
        markup_append(xml, "<uuid>%s</uuid>", uuid);
    if (forward)
        markup_append(xml, "<forward mode='%s'/>", forward);
    if (bridge)
        markup_append(xml, "<bridge name='%s'/>", bridge);
    if (mtu)
        markup_append(xml, "<mtu size='%s'/>", mtu);
    if (domain)
        markup_append(xml, "<domain name='%s'/>", domain);
    if (!is_host && lab_get(item, "subnet")) {
        if (!subnet_texts(item, address, &prefix, &start, &end, err))
            return false;
        markup_append(xml, "<ip %saddress='%s' prefix='%u'>", strchr(address, ':') ? "family='ipv6' " : "",
                      address, prefix);
        if (start)
            markup_append(xml, "<dhcp><range start='%s' end='%s'/></dhcp>", start, end);
        markup_append(xml, "</ip>");
    }
    markup_append(xml, "</network>");
    *ret_xml = g_string_free(g_steal_pointer(&xml), FALSE);
    return true;
}

static bool compare_subnet(LabStep *step, XmlDoc *doc, Error **err)
{
    g_autofree char *address = xml_get(doc, NULL, "/network/ip[1]/@address"),
                    *prefix = xml_get(doc, NULL, "/network/ip[1]/@prefix");
    g_autofree char *mask = xml_get(doc, NULL, "/network/ip[1]/@netmask"), *start = NULL, *end = NULL;
    g_autofree char *has_start = xml_get(doc, NULL, "/network/ip[1]/dhcp/range[1]/@start");
    g_autofree char *has_end = xml_get(doc, NULL, "/network/ip[1]/dhcp/range[1]/@end");
    char wanted[IP_STRING_LEN];
    unsigned bits = 0, has_bits = prefix ? (unsigned)strtoul(prefix, NULL, 10) : 0;
    IpAddress netmask;

    if (!subnet_texts(step->item, wanted, &bits, &start, &end, err))
        return false;
    if (mask && ip_parse(mask, &netmask))
        (void)ip_mask_to_prefix(&netmask, &has_bits);
    g_autofree char *is = address ? g_strdup_printf("%s/%u", address, has_bits) : NULL;
    g_autofree char *wants = g_strdup_printf("%s/%u", wanted, bits);
    g_autofree char *is_range = has_start ? g_strdup_printf("%s-%s", has_start, has_end) : g_strdup("no");
    g_autofree char *wants_range = start ? g_strdup_printf("%s-%s", start, end) : g_strdup("no");
    compare(step, "subnet", is, wants, LAB_CHANGE);
    compare(step, "dhcp", is_range, wants_range, LAB_CHANGE);
    return true;
}

static bool plan_network(LabStep *step, Error **err)
{
    const LabItem *item = step->item;
    const WireNetworkLookupByNameArgs find = { .name = item->name };
    g_auto(WireNetworkLookupByNameRet) found = { 0 };
    g_auto(WireNetworkGetXmlDescRet) ret = { 0 };
    WireNetworkIsActiveRet active = { 0 };
    WireNetworkGetAutostartRet autostart = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(Error) why = NULL;
    g_autofree char *xml = NULL;

    if (!lab_network_document(item, NULL, &xml, err)) /* what is wrong is said before anything is made */
        return false;
    if (!cli_call(step->cli, PROC_NETWORK_LOOKUP_BY_NAME, &find, &found, &why))
        return wire_error_code(why) == VIR_ERR_NO_NETWORK || error_propagate(err, g_steal_pointer(&why));
    step->exists = true;
    const WireNetworkGetXmlDescArgs describe = { .net = found.net, .flags = VIR_NETWORK_XML_INACTIVE };
    const WireNetworkIsActiveArgs ask = { .net = found.net };
    const WireNetworkGetAutostartArgs ask_autostart = { .net = found.net };
    if (!cli_call(step->cli, PROC_NETWORK_GET_XML_DESC, &describe, &ret, err) ||
        !xml_parse(ret.xml, &doc, err) || !cli_call(step->cli, PROC_NETWORK_IS_ACTIVE, &ask, &active, err) ||
        !cli_call(step->cli, PROC_NETWORK_GET_AUTOSTART, &ask_autostart, &autostart, err))
        return false;
    g_autofree char *forward = forward_of(item), *is_forward = xml_get(doc, NULL, "/network/forward/@mode");
    g_autofree char *bridge = xml_get(doc, NULL, "/network/bridge/@name"),
                    *mtu = xml_get(doc, NULL, "/network/mtu/@size");
    g_autofree char *domain = xml_get(doc, NULL, "/network/domain/@name");
    step->is_active = active.active;
    if (lab_get(item, "forward") || lab_is(item, "host-bridge", false))
        compare(step, "forward", is_forward ? is_forward : "none", forward ? forward : "none", LAB_CHANGE);
    compare(step, "bridge", bridge, lab_get(item, "bridge"), LAB_CHANGE);
    compare(step, "domain", domain, lab_get(item, "domain"), LAB_CHANGE);
    compare(step, "mtu", mtu, lab_get(item, "mtu"), LAB_CHANGE);
    if (lab_get(item, "subnet") && !compare_subnet(step, doc, err))
        return false;
    compare_yes(step, "running", active.active, true);
    compare_yes(step, "autostart", autostart.autostart, lab_is(item, "autostart", true));
    return true;
}

/* ---- machines ---- */

/* A document that the file holds itself, as a file: *ret_path is below /proc. @keep: closes it. */
static void close_fd(void *data)
{
    (void)close(GPOINTER_TO_INT(data) - 1);
}

static bool inline_file(const char *text, GPtrArray *fds, char **ret_path, Error **err)
{
    const int fd = memfd_create("lab", MFD_CLOEXEC);

    if (fd < 0 || !file_write_all(fd, text, strlen(text)))
        return error_set_errno(err, errno, "cannot make a file in memory");
    g_ptr_array_add(fds, GINT_TO_POINTER(fd + 1));
    *ret_path = g_strdup_printf("/proc/self/fd/%d", fd);
    return true;
}

static bool is_text(const char *value)
{
    return strchr(value, '\n') || *value == '#' || *value == '{';
}

/* packages and run, as cloud-init has them. */
static char *user_data(const LabItem *item)
{
    static const char *const keys[][2] = { { "packages", "packages" }, { "run", "runcmd" } };
    AUTO_JSON document = json_object();

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const GPtrArray *list = lab_list(item, keys[i][0]);
        Json *texts = json_array();
        for (guint k = 0; list && k < list->len; k++)
            json_array_append_new(texts, json_string(list->pdata[k]));
        if (list)
            json_object_set_new(document, keys[i][1], texts);
        else
            json_decref(texts);
    }
    return json_object_size(document) ? cloud_init_format(document) : NULL;
}

static void word(GPtrArray *words, const char *option, const char *value)
{
    g_ptr_array_add(words, g_strdup_printf("--%s", option));
    if (value)
        g_ptr_array_add(words, g_strdup(value));
}

static bool add_document(const Lab *lab, const LabItem *item, const char *key, GPtrArray *words,
                         GPtrArray *fds, Error **err)
{
    const char *value = lab_get(item, key);
    g_autofree char *made = !value && strcmp(key, "user-data") == 0 ? user_data(item) : NULL, *path = NULL;

    if (!value && !made)
        return true;
    if (made || is_text(value)) {
        if (!inline_file(made ? made : value, fds, &path, err))
            return false;
    } else {
        path = lab_path(lab, value);
    }
    word(words, key, path);
    return true;
}

static void kept_free(void *data)
{
    g_ptr_array_unref(data);
}

static void add_option(const Lab *lab, const LabItem *item, const LabKey *key, GPtrArray *words)
{
    const GPtrArray *list = lab_list(item, key->name);
    const bool may_be_path = strcmp(key->name, "image") == 0 || strcmp(key->name, "ssh-key") == 0;

    for (guint i = 0; list && i < list->len; i++) {
        const char *value = list->pdata[i];
        const bool is_path =
            may_be_path && !strstr(value, "://") && !strchr(value, ' ') && strchr(value, '/');
        g_autofree char *path =
            is_path ? *value == '~' ? g_strconcat(g_get_home_dir(), value + 1, NULL) : lab_path(lab, value)
                    : g_strdup(value);
        word(words, key->option, path);
    }
}

bool lab_run_args(const Lab *lab, const LabItem *item, GPtrArray **ret_keep, CliArgs **ret_args, Error **err)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free),
              *fds = g_ptr_array_new_with_free_func(close_fd);
    const char *wait = lab_get(item, "wait");
    const bool runs = lab_is(item, "running", true);

    *ret_keep = g_ptr_array_new_with_free_func(kept_free);
    g_ptr_array_add(*ret_keep, words);
    g_ptr_array_add(*ret_keep, fds);
    g_ptr_array_add(words, g_strdup(item->name));
    for (const LabKey *key = lab_keys(LAB_MACHINE); key->name; key++)
        if (key->option && (strcmp(key->name, "timeout") != 0 || (runs && g_strcmp0(wait, "none") != 0)))
            add_option(lab, item, key, words);
    if (!lab_is(item, "display", true))
        word(words, "no-display", NULL);
    if (!runs)
        word(words, "no-start", NULL);
    else if (g_strcmp0(wait, "none") == 0)
        word(words, "no-wait", NULL);
    else if (wait)
        word(words, "for", wait);
    if (!add_document(lab, item, "user-data", words, fds, err) ||
        !add_document(lab, item, "network-config", words, fds, err))
        return false;
    return cli_args_parse(command_find("run"), (char *const *)words->pdata, words->len, ret_args, err) ||
           error_prefix(err, "machine '%s'", item->name);
}

static const char *file_text(const Json *files, const char *name)
{
    size_t i;
    json_t *file;

    json_array_foreach (files, i, file)
        if (g_strcmp0(json_get_str(file, "name"), name) == 0)
            return json_get_str(file, "text");
    return NULL;
}

static bool same_document(const char *a, const char *b)
{
    AUTO_JSON one = a ? cloud_init_parse(a) : NULL;
    AUTO_JSON other = b ? cloud_init_parse(b) : NULL;

    return one && other ? json_equal(one, other) : g_strcmp0(a, b) == 0;
}

/* What cloud-init was told, and what it would be told now. A seed that somebody removed says nothing. */
static bool compare_seed(LabStep *step, XmlDoc *doc, Error **err)
{
    static const char *const names[] = { "user-data", "vendor-data", "network-config" };
    g_autofree char *path = xml_get(doc, NULL, "//devices/disk[@device='cdrom']/source/@file");
    g_autofree char *mac = xml_get(doc, NULL, "//devices/interface/mac/@address");
    const WireStorageVolLookupByPathArgs find = { .path = path };
    g_auto(WireStorageVolLookupByPathRet) found = { 0 };
    g_autoptr(Json) is = NULL;
    g_autoptr(Json) wanted = NULL;
    g_autoptr(GPtrArray) keep = NULL;
    g_autoptr(CliArgs) args = NULL;
    char uuid[UUID_STRING_LEN];

    uuid_format(&step->dom.uuid, uuid);
    if (!path || !mac || !cli_call(step->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &find, &found, NULL) ||
        !seed_get(step->cli, &found.vol, &is, NULL))
        return true;
    if (!lab_run_args(step->lab, step->item, &keep, &args, err) ||
        !run_files(step->cli, args, uuid, mac, &wanted, err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (!same_document(file_text(is, names[i]), file_text(wanted, names[i]))) {
            differs(step, "cloud-init", "what it was told", names[i], LAB_AGAIN);
            break;
        }
    return true;
}

static bool compare_disk(LabStep *step, XmlDoc *doc, Error **err)
{
    g_autofree char *path = xml_get(doc, NULL, "//devices/disk[target/@dev='vda']/source/@file");
    const WireDomainGetBlockInfoArgs ask = { .dom = step->dom, .path = path };
    WireDomainGetBlockInfoRet info = { 0 };

    if (!lab_get(step->item, "disk"))
        return true;
    if (!path || !cli_call(step->cli, PROC_DOMAIN_GET_BLOCK_INFO, &ask, &info, err))
        return path ? error_prefix(err, "the disk of machine '%s'", step->item->name)
                    : error_set(err, ERROR_OPERATION_UNSUPPORTED, "machine '%s' has no disk vda",
                                step->item->name);
    compare_size(step, "disk", info.capacity,
                 lab_number(step->item, "disk", 0) > info.capacity ? LAB_CHANGE : LAB_REFUSED);
    return true;
}

static void compare_note(LabStep *step, const MachineNote *note)
{
    const LabItem *item = step->item;
    const char *image = lab_get(item, "image"), *ip = lab_get(item, "ip");
    const bool is_path = strchr(image, '/') && !strstr(image, "://");
    g_autofree char *path = is_path ? lab_path(step->lab, image) : NULL;
    g_autofree char *address = ip ? g_strndup(ip, strcspn(ip, "/")) : NULL;

    if (!strstr(image, "://")) /* of a URL the name in the library was made */
        compare(step, "image", note->image, path ? path : image, LAB_AGAIN);
    compare(step, "user", note->user, lab_get(item, "user"), LAB_AGAIN);
    compare(step, "ip", note->address, address, LAB_AGAIN);
}

static bool compare_machine(LabStep *step, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_auto(MachineNote) note = { 0 };
    const WireDomainGetAutostartArgs ask = { .dom = step->dom };
    WireDomainGetAutostartRet autostart = { 0 };
    const LabItem *item = step->item;

    if (!cli_domain_is_active(step->cli, &step->dom, &step->is_active, err) ||
        !cli_domain_xml(step->cli, &step->dom, VIR_DOMAIN_XML_INACTIVE, &xml, err) ||
        !xml_parse(xml, &doc, err) || !machine_note(step->cli, &step->dom, &note, err) ||
        !cli_call(step->cli, PROC_DOMAIN_GET_AUTOSTART, &ask, &autostart, err))
        return false;
    step->is_ours = note.image != NULL;
    if (!step->is_ours) {
        differs(step, "image", "a machine that 'lodge run' did not make", lab_get(item, "image"),
                LAB_REFUSED);
        return true;
    }
    g_autofree char *cpus = xml_get(doc, NULL, "/domain/vcpu"),
                    *memory = xml_get(doc, NULL, "/domain/memory");
    g_autofree char *network = xml_get(doc, NULL, "//interface[1]/source/@network");
    g_autofree char *bridge = xml_get(doc, NULL, "//interface[1]/source/@bridge");
    g_autofree char *efi = xml_get(doc, NULL, "/domain/os/@firmware"),
                    *type = xml_get(doc, NULL, "/domain/@type");
    compare_note(step, &note);
    compare(step, "cpus", cpus, lab_get(item, "cpus"), LAB_CHANGE);
    compare_size(step, "memory", memory ? g_ascii_strtoull(memory, NULL, 10) * 1024 : 0, LAB_CHANGE);
    compare(step, "network", network, lab_get(item, "network"), LAB_CHANGE);
    compare(step, "bridge", bridge, lab_get(item, "bridge"), LAB_CHANGE);
    compare(step, "firmware", efi ? "uefi" : "bios", lab_get(item, "firmware"), LAB_AGAIN);
    compare(step, "virt-type", type, lab_get(item, "virt-type"), LAB_AGAIN);
    compare_yes(step, "running", step->is_active, lab_is(item, "running", true));
    compare_yes(step, "autostart", autostart.autostart, lab_is(item, "autostart", false));
    return compare_disk(step, doc, err) && compare_seed(step, doc, err);
}

static bool plan_machine(LabStep *step, Error **err)
{
    const WireDomainLookupByNameArgs find = { .name = step->item->name };
    g_auto(WireDomainLookupByNameRet) found = { 0 };
    g_autoptr(Error) why = NULL;
    g_autoptr(GPtrArray) keep = NULL;
    g_autoptr(CliArgs) args = NULL;

    /* What `lodge run` would refuse is said before anything is made. */
    if (!lab_run_args(step->lab, step->item, &keep, &args, err))
        return false;
    if (!cli_call(step->cli, PROC_DOMAIN_LOOKUP_BY_NAME, &find, &found, &why))
        return wire_error_code(why) == VIR_ERR_NO_DOMAIN || error_propagate(err, g_steal_pointer(&why));
    step->exists = true;
    step->dom = found.dom;
    found.dom = (WireDomain){ 0 };
    return compare_machine(step, err);
}

bool lab_plan(Cli *cli, const Lab *lab, GPtrArray **ret_steps, Error **err)
{
    static bool (*const plans[LAB_KIND_COUNT])(LabStep * step, Error * *err) = { plan_image, plan_pool,
                                                                                 plan_network, plan_machine };
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func(step_free);

    for (guint i = 0; i < lab->items->len; i++) {
        LabStep *step = g_new0(LabStep, 1);
        *step = (LabStep){ .cli = cli, .lab = lab, .item = lab->items->pdata[i] };
        step->differences = g_ptr_array_new_with_free_func(difference_free);
        g_ptr_array_add(steps, step);
        if (!plans[step->item->kind](step, err))
            return error_prefix(err, "line %u", step->item->line);
        if (!step->exists)
            step->how = LAB_MAKE;
    }
    *ret_steps = g_steal_pointer(&steps);
    return true;
}
