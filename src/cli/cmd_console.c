/* Commands about what a person sees of a domain: console, screen, displays. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/domain.h"
#include "cli/output.h"

static const CliOption console_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_STRING("devname", "alias of the console, serial port or parallel port; default: the first console"),
    OPT_FLAG("force", VIR_DOMAIN_CONSOLE_FORCE, "take it over from whoever holds it"),
    OPT_FLAG("safe", VIR_DOMAIN_CONSOLE_SAFE,
             "only if the daemon can keep clients from disturbing each other"),
    { 0 },
};

static bool console_command(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    return cli_domain(cli, args, &dom, err) &&
           console_run(cli, &dom, args_get(args, "devname"), args_flags(args), err);
}

static const CliOption domain_options[] = { OPT_DOMAIN_ACTIVE, { 0 } };

static bool tty_console_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    if (!cli_domain(cli, args, &dom, err) || !cli_domain_xml(cli, &dom, 0, &xml, err) ||
        !xml_parse(xml, &doc, err))
        return false;
    g_autofree char *tty = xml_get(doc, NULL, "/domain/devices/console/@tty");
    if (!tty) {
        cli_doing(cli, "Domain '%s' has no console on a pseudo terminal", dom.name);
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         dom.id < 0 ? "it is not running"
                                    : "its first console is of another kind, or missing");
    }
    cli_print_text(cli, "tty", tty);
    return true;
}

/* ---- screenshot ---- */

static const CliOption screenshot_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "file", "where to store it; default: a new name in this directory",
        .complete = COMPLETE_FILE),
    OPT_INT("screen", "number of the screen"),
    { 0 },
};

static const char *mime_suffix(const char *mime)
{
    if (strcmp(mime, "image/png") == 0)
        return ".png";
    return strcmp(mime, "image/x-portable-pixmap") == 0 ? ".ppm" : "";
}

static char *screenshot_name(const char *domain, const char *mime)
{
    time_t now = time(NULL);
    struct tm tm;
    char stamp[32];
    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%d-%H:%M:%S", &tm);
    g_autofree char *safe = g_strdelimit(g_strdup(domain), "/", '_');
    return g_strdup_printf("%s-%s%s", safe, stamp, mime_suffix(mime));
}

static bool receive_file(WireStream *stream, int fd, const char *path, Error **err)
{
    for (;;) {
        WirePiece piece = { 0 };
        if (!wire_stream_receive(stream, WIRE_NO_TIMEOUT, &piece, err))
            return false;
        bool ok = file_write_all(fd, piece.data.data, piece.data.len) ||
                  error_set_errno(err, errno, "cannot write '%s'", path);
        g_free(piece.data.data);
        if (!ok)
            return false;
        if (piece.at_end)
            return wire_stream_finish(stream, WIRE_NO_TIMEOUT, err);
    }
}

static bool screenshot_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(WireStream) stream = NULL;
    g_auto(WireDomainScreenshotRet) ret = { 0 };
    int64_t screen = 0;
    if (!args_get_int(args, "screen", 0, UINT32_MAX, &screen, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "could not take a screenshot of %s", dom.name);
    WireDomainScreenshotArgs call = { .dom = dom, .screen = (uint32_t)screen };
    if (!wire_call_stream(cli->client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_SCREENSHOT, &call, &ret,
                          WIRE_NO_TIMEOUT, &stream, err))
        return false;
    const char *mime = ret.mime ? ret.mime : "unknown";
    bool chosen = !args_has(args, "file");
    g_autofree char *path = chosen ? screenshot_name(dom.name, mime) : g_strdup(args_get(args, "file"));
    /* A name that we made up must not follow what somebody else put there. */
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (chosen ? O_EXCL : O_TRUNC), 0666);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create '%s'", path);
    if (!receive_file(stream, fd, path, err)) {
        if (chosen)
            (void)unlink(path);
        return false;
    }
    if (cli->json)
        cli_print_json(cli, json_pack("{s:s, s:s}", "file", path, "type", mime));
    else
        cli_message(cli, "Screenshot saved to %s, with type of %s", path, mime);
    return true;
}

/* ---- displays ---- */

static const CliOption domdisplay_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_FLAG("include-password", VIR_DOMAIN_XML_SECURE, "show the password as part of the address"),
    OPT(CLI_STRING, "type", "only displays of this kind", .words = "vnc spice rdp dbus"),
    OPT_BOOL("all", "all displays, not only the first"),
    { 0 },
};

/* The host to connect to, as part of an address. */
static char *display_host(XmlDoc *doc, xmlNode *node)
{
    g_autofree char *listen = xml_get(doc, node, "./@listen");
    g_autofree char *address = xml_get(doc, node, "./listen/@address");
    const char *host = listen && *listen ? listen : address;
    /* "everywhere" is nothing to connect to */
    if (!host || !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        host = "localhost";
    return strchr(host, ':') ? g_strdup_printf("[%s]", host) : g_strdup(host);
}

static char *display_address(XmlDoc *doc, xmlNode *node, bool password)
{
    g_autofree char *type = xml_get(doc, node, "./@type");
    g_autofree char *port = xml_get(doc, node, "./@port");
    g_autofree char *tls_port = xml_get(doc, node, "./@tlsPort");
    g_autofree char *socket = xml_get(doc, node, "./listen/@socket");
    g_autofree char *secret = password ? xml_get(doc, node, "./@passwd") : NULL;
    if (!socket)
        socket = xml_get(doc, node, "./@socket");
    if (!type)
        return NULL;
    bool spice = strcmp(type, "spice") == 0;
    if (socket)
        return spice ? g_strdup_printf("spice+unix://%s", socket)
                     : g_strdup_printf("%s+unix://%s", type, socket);
    long number = port ? strtol(port, NULL, 10) : 0;
    long tls = tls_port ? strtol(tls_port, NULL, 10) : 0;
    if (number <= 0 && tls <= 0)
        return NULL;
    if (strcmp(type, "vnc") == 0)
        number -= 5900;
    g_autofree char *host = display_host(doc, node);
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "%s://", type);
    if (secret && strcmp(type, "vnc") == 0)
        g_string_append_printf(out, ":%s@", secret);
    g_string_append(out, host);
    if (number >= 0 && port)
        g_string_append_printf(out, ":%ld", number);
    const char *glue = "?";
    if (spice && tls > 0) {
        g_string_append_printf(out, "%stls-port=%ld", glue, tls);
        glue = "&";
    }
    if (secret && spice)
        g_string_append_printf(out, "%spassword=%s", glue, secret);
    return g_string_free(out, FALSE);
}

static bool domdisplay_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    bool active = false;
    const char *wanted = args_get(args, "type");
    unsigned flags = args_flags(args);
    if (!cli_domain(cli, args, &dom, err) || !cli_domain_is_active(cli, &dom, &active, err))
        return false;
    if (!active)
        return error_set(err, ERROR_INVALID_STATE, "Domain is not running");
    if (!cli_domain_xml(cli, &dom, flags, &xml, err) || !xml_parse(xml, &doc, err) ||
        !xml_select(doc, NULL, "/domain/devices/graphics", &nodes, err))
        return false;
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < nodes->len && (args_has(args, "all") || found->len == 0); i++) {
        g_autofree char *type = xml_get(doc, nodes->pdata[i], "./@type");
        if (wanted && g_strcmp0(type, wanted) != 0)
            continue;
        char *address = display_address(doc, nodes->pdata[i], flags != 0);
        if (address)
            g_ptr_array_add(found, address);
    }
    if (found->len == 0) {
        if (wanted)
            return error_set(err, ERROR_OPERATION_FAILED, "No graphical display with type '%s' found",
                             wanted);
        return error_set(err, ERROR_OPERATION_FAILED, "No graphical display found");
    }
    Json *list = json_array();
    for (unsigned i = 0; i < found->len; i++) {
        json_array_append_new(list, json_string(found->pdata[i]));
        cli_say(cli, "%s\n", (char *)found->pdata[i]);
    }
    cli_print_json(cli, list);
    return true;
}

static bool vncdisplay_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    bool active = false;
    if (!cli_domain(cli, args, &dom, err) || !cli_domain_is_active(cli, &dom, &active, err))
        return false;
    if (!active)
        return error_set(err, ERROR_INVALID_STATE, "Domain is not running");
    if (!cli_domain_xml(cli, &dom, 0, &xml, err) || !xml_parse(xml, &doc, err))
        return false;
    g_autofree char *port = xml_get(doc, NULL, "/domain/devices/graphics[@type='vnc']/@port");
    g_autofree char *listen = xml_get(doc, NULL, "/domain/devices/graphics[@type='vnc']/@listen");
    long number = port ? strtol(port, NULL, 10) : 0;
    if (number <= 0)
        return error_set(err, ERROR_OPERATION_FAILED, "Failed to get VNC port. Is this domain using VNC?");
    bool everywhere = !listen || strcmp(listen, "0.0.0.0") == 0;
    const char *bracket = listen && strchr(listen, ':') ? "[" : "";
    g_autofree char *text = g_strdup_printf("%s%s%s:%ld", everywhere ? "" : bracket, everywhere ? "" : listen,
                                            everywhere || !*bracket ? "" : "]", number - 5900);
    cli_print_text(cli, "display", text);
    return true;
}

const CliCommand commands_console[] = {
    COMMAND("console", GROUP_DOMAIN, "connect this terminal to the console of a domain", console_options,
            console_command,
            .doc = "Connects this terminal to the console of a running domain. Ctrl and ] leave it; --escape "
                   "before the command chooses another key. A console has one user at a time; --force takes "
                   "it over. Without a terminal it copies standard input to the guest and the guest's output "
                   "to standard output until the guest closes the console.",
            .json = "none: the console's bytes are printed as they come"),
    COMMAND("ttyconsole", GROUP_DOMAIN, "print the device of the first console", domain_options,
            tty_console_run, .json = "{\"tty\": string}"),
    COMMAND("screenshot", GROUP_DOMAIN, "store an image of the screen", screenshot_options, screenshot_run,
            .json = "{\"file\": string, \"type\": string}"),
    COMMAND("domdisplay", GROUP_DOMAIN, "print the addresses of graphical displays", domdisplay_options,
            domdisplay_run, .json = "[string]"),
    COMMAND("vncdisplay", GROUP_DOMAIN, "print the address of the VNC display", domain_options,
            vncdisplay_run, .json = "{\"display\": string}"),
    { 0 },
};
