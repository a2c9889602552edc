/* The connection of the command line: opened when the first command needs it, opened again when it broke. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cli"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/class.h"
#include "cli/hosts.h"
#include "wire/uri.h"

#define SYSTEM_SOCKET "/run/libvirt/libvirt-sock"
#define INPUT_MAX (64u << 20)

void cli_init(Cli *cli)
{
    *cli = (Cli){ .escape = ']', .out = stdout };
    wait_queue_init(&cli->broken);
}

void cli_set_format(Cli *cli, CliFormat format)
{
    cli->format = format;
    cli->json = format == CLI_JSON || format == CLI_YAML;
}

void cli_clear(Cli *cli)
{
    cli_disconnect(cli);
    g_free(cli->uri);
    g_free(cli->doing);
    cli->uri = cli->doing = NULL;
}

static char *cli_default_uri(void)
{
    static const char *const variables[] = { "LODGE_URI", "LIBVIRT_DEFAULT_URI" };
    for (size_t i = 0; i < G_N_ELEMENTS(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return g_strdup(value);
    }
    if (geteuid() == 0 || access(SYSTEM_SOCKET, R_OK | W_OK) == 0)
        return g_strdup("qemu:///system");
    return g_strdup("qemu:///session");
}

char *cli_root_uri(const char *root, bool read_only)
{
    g_autofree char *absolute = g_canonicalize_filename(root, NULL);
    g_autofree char *path =
        g_build_filename(absolute, "run/libvirt", read_only ? "libvirt-sock-ro" : "libvirt-sock", NULL);
    g_autofree char *escaped = g_uri_escape_string(path, "/", FALSE);
    return g_strdup_printf("qemu+unix:///system?socket=%s", escaped);
}

static void session_event(WireClient *client, uint32_t program, int32_t proc, const void *message, void *arg)
{
    Cli *cli = arg;
    if (cli->on_event)
        cli->on_event(cli, program, proc, message, cli->on_event_arg);
}

static void session_broken(WireClient *client, const Error *err, void *arg)
{
    Cli *cli = arg;
    log_debug("connection lost: %s", error_message(err));
    wait_queue_wake_all(&cli->broken);
}

/* A name without a scheme is an alias. */
char *cli_uri(const Cli *cli)
{
    g_autofree char *uri = cli->uri ? g_strdup(cli->uri) : cli_default_uri();
    g_autoptr(Error) err = NULL;
    char *found = NULL;

    if (!strchr(uri, ':') && !hosts_find(uri, &found, &err))
        log_warning_error(err, "names of hosts");
    return found ? found : g_steal_pointer(&uri);
}

bool cli_is_local(const Cli *cli)
{
    g_autofree char *text = cli_uri(cli);
    g_auto(WireUri) uri = { 0 };

    return wire_uri_parse(text, &uri, NULL) && strcmp(uri.transport, "unix") == 0 && !uri.host;
}

bool cli_connect(Cli *cli, Error **err)
{
    bool again = false;
    if (cli->client) {
        if (wire_client_is_alive(cli->client))
            return true;
        again = true;
        cli_disconnect(cli);
    }
    WireClientOptions options = {
        .read_only = cli->read_only,
        .on_event = session_event,
        .on_broken = session_broken,
        .ask = hosts_ask,
        .arg = cli,
    };
    if (cli->keepalive_set)
        options.keepalive_interval_ms = cli->keepalive_s ? cli->keepalive_s * 1000 : UINT_MAX;
    options.keepalive_count = cli->keepalive_count;
    g_autofree char *uri = cli_uri(cli);
    log_debug("connecting to %s", uri);
    if (!wire_client_open(uri, &options, &cli->client, err))
        return false;
    if (again)
        fprintf(stderr, "Reconnected to %s\n", uri);
    return true;
}

void cli_disconnect(Cli *cli)
{
    WireClient *client = g_steal_pointer(&cli->client);
    if (!client)
        return;
    if (wire_client_is_alive(client))
        wire_client_close(client);
    else
        wire_client_free(client);
}

bool cli_call_settled(Cli *cli, int32_t proc, const void *args, void *ret, Error **err)
{
    return wire_call_settled(cli->client, WIRE_PROGRAM_REMOTE, proc, args, ret, WIRE_NO_TIMEOUT, err);
}

bool cli_call(Cli *cli, int32_t proc, const void *args, void *ret, Error **err)
{
    uint64_t start = g_get_monotonic_time();
    bool ok = wire_call_remote(cli->client, proc, args, ret, WIRE_NO_TIMEOUT, err);
    log_debug("call %d: %s, %llu us", proc, ok ? "done" : "failed",
              (unsigned long long)(g_get_monotonic_time() - start));
    return ok;
}

void cli_doing(Cli *cli, const char *format, ...)
{
    g_free(cli->doing);
    cli->doing = NULL;
    if (!format)
        return;
    va_list ap;
    va_start(ap, format);
    cli->doing = g_strdup_vprintf(format, ap);
    va_end(ap);
}

bool cli_domain(Cli *cli, const CliArgs *args, WireDomain *ret_domain, Error **err)
{
    return class_lookup(cli, &class_domain, args, ret_domain, err);
}

bool cli_domain_xml(Cli *cli, const WireDomain *domain, unsigned flags, char **ret_xml, Error **err)
{
    WireDomainGetXmlDescArgs args = { .dom = *domain, .flags = flags };
    WireDomainGetXmlDescRet ret;
    if (!cli_call(cli, PROC_DOMAIN_GET_XML_DESC, &args, &ret, err))
        return false;
    *ret_xml = ret.xml;
    return true;
}

bool cli_read_file(const char *path, char **ret_text, Error **err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (!file)
        return error_set_errno(err, errno, "Failed to open file '%s'", path);
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[8192];
    size_t n;
    while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0 && text->len <= INPUT_MAX)
        g_string_append_len(text, buffer, (gssize)n);
    int failed = ferror(file) ? errno : 0;
    if (!is_stdin)
        fclose(file);
    if (failed)
        return error_set_errno(err, failed, "Failed to read file '%s'", path);
    if (text->len > INPUT_MAX)
        return error_set(err, ERROR_OVERFLOW, "file '%s' is larger than 64 MiB", path);
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return true;
}
