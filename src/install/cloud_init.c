/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/cloud_init.h"

#include <string.h>

#include "base/ip.h"
#include "base/units.h"
#include "base/uuid.h"

#define HEADER "#cloud-config\n"
#define HOSTNAME_MAX 253

/* Whatever says that it ended: each stage on the console, with what became of it. */
#define REPORT "lodge"

/* The machine-id goes before anybody has asked for an address with it; a name service that has started is
 * told by the reboot-free way, systemd's own. */
static const char new_identity[] =
    "rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup 2>/dev/null || "
    "dbus-uuidgen --ensure=/etc/machine-id; [ -d /var/lib/dbus ] && ln -sf /etc/machine-id "
    "/var/lib/dbus/machine-id; rm -f /var/lib/dhcp/* /var/lib/systemd/random-seed; true";

/* ---- checks ---- */

static bool check_address(const char *text, bool with_prefix, Error **err)
{
    g_autofree char *address = g_strdup(text);
    char *slash = strchr(address, '/');
    IpAddress ip;
    uint64_t prefix = 0;

    if (slash)
        *slash = '\0';
    if (!ip_parse(address, &ip) || (slash != NULL) != with_prefix ||
        (slash && (!parse_uint(slash + 1, &prefix, NULL) || prefix == 0 || prefix > ip_bits(&ip))))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not %s", text,
                         with_prefix ? "an address with the length of its network, such as 10.0.0.5/24"
                                     : "an address");
    return true;
}

static bool check_addresses(const char *const *list, bool with_prefix, Error **err)
{
    for (; list && *list; list++)
        if (!check_address(*list, with_prefix, err))
            return false;
    return true;
}

static bool check_hostname(const char *name, Error **err)
{
    const char *label = name;
    const size_t len = strlen(name);

    for (const char *c = name;; c++) {
        const bool ends = *c == '.' || *c == '\0';
        if (ends && (c == label || c - label > 63 || label[0] == '-' || c[-1] == '-'))
            break;
        if (*c == '\0' && len <= HOSTNAME_MAX)
            return true;
        if (ends)
            label = c + 1;
        else if (!g_ascii_isalnum(*c) && *c != '-')
            break;
        if (*c == '\0')
            break;
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be the name of a host", name);
    return error_hint(err, "letters, digits and hyphens, with dots between: --hostname gives another name");
}

static bool check_user(const char *name, Error **err)
{
    bool ok = g_ascii_islower(name[0]) || name[0] == '_';

    for (const char *c = name; *c; c++)
        ok = ok && (g_ascii_islower(*c) || g_ascii_isdigit(*c) || strchr("_-.", *c));
    return (ok && strlen(name) <= 32) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be the name of a user", name);
}

bool cloud_init_check(const CloudInit *init, Error **err)
{
    for (const char *const *key = init->keys; key && *key; key++) {
        if (strchr(*key, '\n') || !strchr(*key, ' ') || strstr(*key, "PRIVATE KEY")) {
            error_set(err, ERROR_INVALID_ARGUMENT, "'%.20s...' is not a public key of SSH", *key);
            return error_hint(err, "it is the file that ends with .pub");
        }
    }
    return (!init->hostname || check_hostname(init->hostname, err)) &&
           (!init->user || check_user(init->user, err)) && check_addresses(init->ips, true, err) &&
           check_addresses(init->gateways, false, err) && check_addresses(init->dns, false, err);
}

/* ---- documents ---- */

static Json *strings(const char *const *list)
{
    Json *array = json_array();

    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

static void set_user(Json *config, const CloudInit *init)
{
    json_object_set_new(config, "users", json_array());
    Json *users = json_object_get(config, "users");
    json_array_append_new(users, json_string("default"));
    if (init->user && strcmp(init->user, "root") != 0) {
        Json *user = json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", init->user, "sudo",
                               "ALL=(ALL) NOPASSWD:ALL", "shell", "/bin/bash", "lock_passwd",
                               init->hash == NULL, "ssh_authorized_keys", strings(init->keys));
        if (init->hash)
            json_object_set_new(user, "passwd", json_string(init->hash));
        json_array_append_new(users, user);
    } else if (init->user) {
        json_object_set_new(config, "disable_root", json_false());
    }
    if (init->keys)
        json_object_set_new(config, "ssh_authorized_keys", strings(init->keys));
    if (init->hash)
        json_object_set_new(config, "ssh_pwauth", json_true());
}

static Json *make_config(const CloudInit *init)
{
    Json *config = json_object();

    if (init->hostname)
        json_object_set_new(config, "hostname", json_string(init->hostname));
    if (init->hostname && strchr(init->hostname, '.'))
        json_object_set_new(config, "fqdn", json_string(init->hostname));
    set_user(config, init);
    return config;
}

static Json *make_vendor(const CloudInit *init, Json *below)
{
    Json *config = below;

    json_object_set_new(config, "reporting", json_pack("{s:{s:s}}", REPORT, "type", "print"));
    if (init->is_clone)
        json_object_set_new(config, "bootcmd",
                            json_pack("[[s, s, s, s, s, s]]", "cloud-init-per", "instance", "lodge-identity",
                                      "sh", "-c", new_identity));
    return config;
}

static Json *make_network(const CloudInit *init)
{
    Json *nic = json_pack("{s:{s:s}}", "match", "macaddress", init->mac);

    if (!init->ips || !*init->ips) {
        /* Leases go by the MAC address: images that were started before have all the same other id. */
        json_object_set_new(nic, "dhcp4", json_true());
        json_object_set_new(nic, "dhcp-identifier", json_string("mac"));
    } else {
        Json *routes = json_array();
        json_object_set_new(nic, "addresses", strings(init->ips));
        for (const char *const *gateway = init->gateways; gateway && *gateway; gateway++)
            json_array_append_new(routes,
                                  json_pack("{s:s, s:s}", "to", strchr(*gateway, ':') ? "::/0" : "0.0.0.0/0",
                                            "via", *gateway));
        json_object_set_new(nic, "routes", routes);
        json_object_set_new(nic, "dhcp4", json_false());
    }
    if (init->dns && *init->dns)
        json_object_set_new(nic, "nameservers", json_pack("{s:o}", "addresses", strings(init->dns)));
    return json_pack("{s:i, s:{s:o}}", "version", 2, "ethernets", "lodge0", nic);
}

static void set_file(Json *files, const char *name, char *text)
{
    size_t i;
    json_t *file;

    json_array_foreach (files, i, file) {
        if (g_strcmp0(json_get_str(file, "name"), name) == 0) {
            json_array_remove(files, i);
            break;
        }
    }
    json_array_append_new(files, json_pack("{s:s, s:s}", "name", name, "text", text));
    g_free(text);
}

static const char *get_file(const Json *files, const char *name)
{
    size_t i;
    json_t *file;

    json_array_foreach (files, i, file) {
        if (g_strcmp0(json_get_str(file, "name"), name) == 0)
            return json_get_str(file, "text");
    }
    return NULL;
}

char *cloud_init_format(const Json *document)
{
    g_autofree char *text = json_format_pretty(document);

    return g_strconcat(HEADER, text, "\n", NULL);
}

Json *cloud_init_parse(const char *text)
{
    Json *document = NULL;

    if (text && g_str_has_prefix(text, HEADER))
        text += strlen(HEADER);
    if (!text || text[0] != '{' || !json_parse(text, strlen(text), "the document", &document, NULL))
        return NULL;
    return document;
}

static char *plain(const Json *document)
{
    g_autofree char *text = json_format_pretty(document);

    return g_strconcat(text, "\n", NULL);
}

static void set_meta(Json *files, const CloudInit *init)
{
    AUTO_JSON meta = cloud_init_parse(get_file(files, "meta-data"));

    if (!meta)
        meta = json_object();
    if (init->instance_id)
        json_object_set_new(meta, "instance-id", json_string(init->instance_id));
    if (init->hostname)
        json_object_set_new(meta, "local-hostname", json_string(init->hostname));
    set_file(files, "meta-data", init->meta_data ? g_strdup(init->meta_data) : plain(meta));
}

Json *cloud_init_files(const CloudInit *init)
{
    Json *files = json_array();
    AUTO_JSON config = make_config(init);
    AUTO_JSON vendor = make_vendor(init, init->user_data ? json_incref(config) : json_object());
    AUTO_JSON network = make_network(init);

    set_file(files, "user-data", init->user_data ? g_strdup(init->user_data) : cloud_init_format(config));
    set_file(files, "vendor-data", cloud_init_format(vendor));
    set_file(files, "network-config", init->network_config ? g_strdup(init->network_config) : plain(network));
    set_meta(files, init);
    return files;
}

/* Where ours is: in vendor-data if the user has a document of his own. */
static const char *own_file(const Json *files)
{
    AUTO_JSON user = cloud_init_parse(get_file(files, "user-data"));

    return user ? "user-data" : "vendor-data";
}

void cloud_init_change(Json *files, const CloudInit *init)
{
    const char *name = own_file(files);
    AUTO_JSON config = cloud_init_parse(get_file(files, name));

    if (!config)
        config = json_object();
    if (init->hostname)
        json_object_set_new(config, "hostname", json_string(init->hostname));
    if (init->user || init->keys || init->hash)
        set_user(config, init);
    if (init->is_clone)
        json_decref(make_vendor(init, json_incref(config)));
    if (init->user_data && strcmp(name, "user-data") == 0) { /* ours goes below */
        json_decref(make_vendor(init, json_incref(config)));
        name = "vendor-data";
    }
    set_file(files, name, cloud_init_format(config));
    if (init->user_data)
        set_file(files, "user-data", g_strdup(init->user_data));
    set_meta(files, init);
    AUTO_JSON network = init->mac ? make_network(init) : NULL;
    if (init->network_config)
        set_file(files, "network-config", g_strdup(init->network_config));
    else if (network)
        set_file(files, "network-config", plain(network));
}
