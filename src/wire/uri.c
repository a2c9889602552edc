/* What a connection URI means: which socket, or which command that leads to one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/uri.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_SOCKET_DIR "/var/run/libvirt"

void wire_uri_clear(WireUri *uri)
{
    g_free(uri->driver);
    g_free(uri->transport);
    g_free(uri->user);
    g_free(uri->host);
    g_free(uri->path);
    g_free(uri->socket);
    g_free(uri->keyfile);
    g_free(uri->command);
    g_free(uri->netcat);
    g_free(uri->proxy);
    g_free(uri->mode);
    g_free(uri->pkipath);
    g_free(uri->tls_priority);
    g_free(uri->auth);
    g_free(uri->authfile);
    g_free(uri->known_hosts);
    g_free(uri->known_hosts_verify);
    g_free(uri->name);
    *uri = (WireUri){ 0 };
}

/* Takes the client's own parameters out of the query; what is left goes to the server. */
static bool uri_take_query(WireUri *uri, const char *query, GString *rest, Error **err)
{
    g_auto(GStrv) pairs = g_strsplit(query, "&", -1);
    const struct {
        const char *name;
        char **text;
        bool *flag;
    } known[] = {
        { "socket", &uri->socket, NULL },
        { "keyfile", &uri->keyfile, NULL },
        { "command", &uri->command, NULL },
        { "netcat", &uri->netcat, NULL },
        { "proxy", &uri->proxy, NULL },
        { "mode", &uri->mode, NULL },
        { "no_tty", NULL, &uri->no_tty },
        { "no_verify", NULL, &uri->no_verify },
        { "auth", &uri->auth, NULL },
        { "authfile", &uri->authfile, NULL },
        { "pkipath", &uri->pkipath, NULL },
        { "sshauth", NULL, NULL },
        { "known_hosts", &uri->known_hosts, NULL },
        { "known_hosts_verify", &uri->known_hosts_verify, NULL },
        { "tls_priority", &uri->tls_priority, NULL },
    };

    for (char **pair = pairs; *pair; pair++) {
        if (!**pair)
            continue;
        char *equals = strchr(*pair, '=');
        g_autofree char *name = equals ? g_strndup(*pair, (gsize)(equals - *pair)) : g_strdup(*pair);
        g_autofree char *value = g_uri_unescape_string(equals ? equals + 1 : "", NULL);
        if (!value)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' is not properly encoded", name);
        size_t i = 0;
        while (i < G_N_ELEMENTS(known) && strcmp(known[i].name, name) != 0)
            i++;
        if (i == G_N_ELEMENTS(known)) {
            g_string_append_printf(rest, "%c%s", rest->len ? '&' : '?', *pair);
        } else if (known[i].text) {
            g_free(*known[i].text);
            *known[i].text = g_steal_pointer(&value);
        } else if (known[i].flag) {
            *known[i].flag = strcmp(value, "0") != 0;
        }
    }
    return true;
}

/* What a daemon of this protocol may serve; other schemes are drivers inside of other clients. */
static const char *const drivers[] = { "qemu",     "lxc",     "xen",     "vbox",    "ch",
                                       "vz",       "bhyve",   "network", "storage", "interface",
                                       "nwfilter", "nodedev", "secret",  NULL };

static bool uri_fill(WireUri *uri, const char *text, Error **err)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *scheme = NULL, *query = NULL;
    g_autoptr(GString) rest = g_string_new(NULL);
    int port = -1;

    if (!g_uri_split(text, G_URI_FLAGS_ENCODED_QUERY, &scheme, &uri->user, &uri->host, &port, &uri->path,
                     &query, NULL, &why))
        return error_set(err, ERROR_INVALID_ARGUMENT, "cannot understand the URI '%s': %s", text,
                         why->message);
    if (!scheme)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "the URI '%s' has no driver in front, as in qemu:///system", text);
    uri->port = MAX(port, 0);
    if (uri->host && !*uri->host)
        g_clear_pointer(&uri->host, g_free);
    if ((uri->host && uri->host[0] == '-') || (uri->user && uri->user[0] == '-'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "a host or user name cannot begin with '-'");
    char *plus = strchr(scheme, '+');
    uri->driver = plus ? g_strndup(scheme, (gsize)(plus - scheme)) : g_strdup(scheme);
    if (!g_strv_contains(drivers, uri->driver)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "unknown URI scheme '%s' in '%s'", scheme, text);
        return error_hint(err,
                          "machines of lodged and libvirtd are at qemu:///system or qemu+ssh://HOST/system");
    }
    uri->transport = plus ? g_strdup(plus + 1) : g_strdup(uri->host ? "tls" : "unix");
    if (query && !uri_take_query(uri, query, rest, err))
        return false;
    uri->name = g_strdup_printf("%s://%s%s", uri->driver, uri->path, rest->str);
    return true;
}

bool wire_uri_parse(const char *text, WireUri *ret_uri, Error **err)
{
    g_auto(WireUri) uri = { 0 };
    bool is_default = !text || !*text;

    if (is_default)
        text = geteuid() == 0 ? "qemu:///system" : "qemu:///session";
    if (!uri_fill(&uri, text, err))
        return false;
    if (is_default) {
        g_free(uri.name);
        uri.name = g_strdup("");
    }
    *ret_uri = uri;
    uri = (WireUri){ 0 };
    return true;
}

static bool wire_uri_is_session(const WireUri *uri)
{
    return strcmp(uri->path, "/session") == 0;
}

/* An existing socket of a daemon that serves one driver goes first, even if nobody listens: so do all
 * clients. */
char *wire_uri_socket_path(const WireUri *uri, bool read_only)
{
    if (uri->socket)
        return g_strdup(uri->socket);
    bool session = wire_uri_is_session(uri) && geteuid() != 0;
    g_autofree char *dir =
        session ? g_build_filename(g_get_user_runtime_dir(), "libvirt", NULL) : g_strdup(SYSTEM_SOCKET_DIR);
    const char *ro = read_only && !session ? "-ro" : "";
    g_autofree char *direct = g_strdup_printf("%s/virt%sd-sock%s", dir, uri->driver, ro);
    bool legacy = g_strcmp0(uri->mode, "legacy") == 0;
    if (g_strcmp0(uri->mode, "direct") == 0 || (!legacy && access(direct, F_OK) == 0))
        return g_steal_pointer(&direct);
    return g_strdup_printf("%s/libvirt-sock%s", dir, ro);
}

/* One line for the far side's shell: the helper that knows where the daemon listens, or else nc. */
static char *uri_remote_script(const WireUri *uri, bool read_only)
{
    g_autofree char *name = g_shell_quote(uri->name);
    g_autofree char *nc = g_shell_quote(uri->netcat && *uri->netcat ? uri->netcat : "nc");
    g_autofree char *default_socket =
        g_strdup_printf(SYSTEM_SOCKET_DIR "/libvirt-sock%s", read_only ? "-ro" : "");
    g_autofree char *socket = g_shell_quote(uri->socket ? uri->socket : default_socket);
    g_autofree char *helper = g_strdup_printf("virt-ssh-helper %s%s", read_only ? "-r " : "", name);
    g_autofree char *netcat =
        g_strdup_printf("if %s -q 2>&1 | grep -q 'requires an argument'; then q=-q0; else q=; fi; "
                        "exec %s $q -U %s",
                        nc, nc, socket);

    if (g_strcmp0(uri->proxy, "native") == 0)
        return g_strdup_printf("exec %s", helper);
    if (uri->netcat || uri->socket || g_strcmp0(uri->proxy, "netcat") == 0)
        return g_steal_pointer(&netcat);
    return g_strdup_printf("if command -v virt-ssh-helper >/dev/null 2>&1; then exec %s; else %s; fi", helper,
                           netcat);
}

char **wire_uri_ssh_command(const WireUri *uri, bool read_only)
{
    GPtrArray *argv = g_ptr_array_new();
    g_autofree char *script = uri_remote_script(uri, read_only);
    g_autofree char *quoted = g_shell_quote(script);

    g_ptr_array_add(argv, g_strdup(uri->command ? uri->command : "ssh"));
    if (uri->port) {
        g_ptr_array_add(argv, g_strdup("-p"));
        g_ptr_array_add(argv, g_strdup_printf("%d", uri->port));
    }
    if (uri->user) {
        g_ptr_array_add(argv, g_strdup("-l"));
        g_ptr_array_add(argv, g_strdup(uri->user));
    }
    if (uri->keyfile) {
        g_ptr_array_add(argv, g_strdup("-i"));
        g_ptr_array_add(argv, g_strdup(uri->keyfile));
    }
    g_ptr_array_add(argv, g_strdup("-T"));
    g_ptr_array_add(argv, g_strdup("-e"));
    g_ptr_array_add(argv, g_strdup("none"));
    if (uri->no_tty) {
        g_ptr_array_add(argv, g_strdup("-o"));
        g_ptr_array_add(argv, g_strdup("BatchMode=yes"));
    }
    if (uri->no_verify) {
        g_ptr_array_add(argv, g_strdup("-o"));
        g_ptr_array_add(argv, g_strdup("StrictHostKeyChecking=no"));
    }
    if (uri->known_hosts) {
        g_ptr_array_add(argv, g_strdup("-o"));
        g_ptr_array_add(argv, g_strdup_printf("UserKnownHostsFile=%s", uri->known_hosts));
    }
    g_ptr_array_add(argv, g_strdup("--"));
    g_ptr_array_add(argv, g_strdup(uri->host ? uri->host : "localhost"));
    g_ptr_array_add(argv, g_strdup_printf("sh -c %s", quoted));
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, FALSE);
}
