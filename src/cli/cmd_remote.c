/* `lodge remote`: what makes a host reachable by TLS. The CA stays with the user; the host gets its own key
 * and certificate by a script that its shell runs, so nothing of Lodge's has to be there yet. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/pki.h"
#include "wire/tls.h"

#define CERT_DAYS 730
#define INSTALL_MS 600000 /* ssh may ask for a password */
#define PEM_MAX 65536

static const CliOption remote_options[] = {
    OPT(CLI_STRING, "operation", "what to do", .flags = CLI_REQUIRED | CLI_ONE_OF, .words = "setup"),
    OPT(CLI_STRING, "target", "setup: the host, as clients will name it; ssh reaches it",
        .flags = CLI_REQUIRED),
    OPT(CLI_STRING, "name", "a further name, or an address, that the host is reached by",
        .flags = CLI_NAMED | CLI_MANY),
    OPT(CLI_STRING, "ssh", "how to reach it, if not by `ssh target`: program and arguments",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "into", "folder on the target that stands for its root: for lodged --root",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "ca", "folder of the CA, which is made if it is not there (default ~/.config/lodge/ca)",
        .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "client", "folder for what this client needs (default: where clients look)",
        .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "client-name", "name in this client's certificate (default: USER@HOST)",
        .flags = CLI_NAMED),
    OPT_BOOL("here", "the target is this machine: no ssh"),
    OPT_BOOL("force", "replace certificates of another CA"),
    { 0 },
};

/* $root, $force and put are what the rest of it uses. */
static const char script_head[] =
    "set -e\n"
    "put() {\n"
    "    mkdir -p \"$(dirname \"$1\")\"\n"
    "    (umask 077 && cat > \"$1.new\")\n"
    "    chmod \"$2\" \"$1.new\"\n"
    "    if [ \"$3\" ] && [ -e \"$1\" ] && [ -z \"$force\" ] && ! cmp -s \"$1\" \"$1.new\"; then\n"
    "        rm -f \"$1.new\"\n"
    "        echo \"$1 is there and is another's: --force replaces it\" >&2\n"
    "        exit 1\n"
    "    fi\n"
    "    mv \"$1.new\" \"$1\"\n"
    "}\n"
    "umask 022\n";
static const char script_tail[] =
    "chmod 0750 \"$root/etc/pki/libvirt/private\"\n"
    "conf=$root/etc/libvirt/libvirtd.conf\n"
    "if ! grep -Eq '^[[:space:]]*listen[[:space:]]*=' \"$conf\" 2>/dev/null; then\n"
    "    mkdir -p \"$(dirname \"$conf\")\"\n"
    "    echo 'listen = 1' >> \"$conf\"\n"
    "fi\n"
    "if [ -z \"$root\" ] && [ -d /run/systemd/system ]; then\n"
    "    if systemctl --quiet is-active lodged.service; then systemctl restart lodged.service; fi\n"
    "    if systemctl --quiet is-active libvirtd.service; then\n"
    "        echo 'libvirtd serves this host: systemctl enable --now libvirtd-tls.socket lets it listen'\n"
    "    fi\n"
    "fi\n";

static void script_put(GString *script, const char *path, const char *mode, const char *extra,
                       const char *pem)
{
    g_string_append_printf(script, "put \"$root%s\" %s %s <<'END-OF-PEM'\n%s\nEND-OF-PEM\n", path, mode,
                           extra, pem);
}

static char *remote_script(const CliArgs *args, const Pki *pki, const PkiPair *server)
{
    GString *script = g_string_new(NULL);
    g_autofree char *root = g_shell_quote(args_has(args, "into") ? args_get(args, "into") : "");

    g_string_append_printf(script, "root=%s\nforce=%s\n%s", root, args_has(args, "force") ? "1" : "",
                           script_head);
    script_put(script, "/etc/pki/CA/cacert.pem", "0644", "ours", pki_ca_pem(pki));
    script_put(script, "/etc/pki/libvirt/private/serverkey.pem", "0600", "", server->key);
    script_put(script, "/etc/pki/libvirt/servercert.pem", "0644", "", server->cert);
    g_string_append(script, script_tail);
    return g_string_free(script, FALSE);
}

/* Program and arguments that run a shell on the target; owned. */
static char **remote_shell(const CliArgs *args, Error **err)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    g_auto(GStrv) given = NULL;
    g_autoptr(GError) why = NULL;

    if (args_has(args, "here")) {
        g_strv_builder_add_many(words, "/bin/sh", "-s", NULL);
        return g_strv_builder_end(words);
    }
    if (args_has(args, "ssh") && !g_shell_parse_argv(args_get(args, "ssh"), NULL, &given, &why)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "--ssh '%s': %s", args_get(args, "ssh"), why->message);
        return NULL;
    }
    g_autofree char *program = g_find_program_in_path(given ? given[0] : "ssh");
    if (!program) {
        error_set(err, ERROR_SYSTEM, "cannot find the program '%s'", given ? given[0] : "ssh");
        error_hint(err, "install openssh-client, or run this on the host itself with --here");
        return NULL;
    }
    g_strv_builder_add(words, program);
    if (given)
        g_strv_builder_addv(words, (const char **)given + 1);
    else
        g_strv_builder_add_many(words, "--", args_get(args, "target"), NULL);
    g_strv_builder_add(words, "sh -s");
    return g_strv_builder_end(words);
}

AWAITS static bool remote_install(Cli *cli, const CliArgs *args, const char *script, Error **err)
{
    g_auto(GStrv) argv = remote_shell(args, err);
    g_auto(GStrv) env = g_get_environ();
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;

    if (!argv)
        return false;
    spec.argv = (const char *const *)argv;
    spec.envp = (const char *const *)env;
    spec.die_with_parent = true;
    if (!process_run(&spec, script, strlen(script), 0, INSTALL_MS, &output, err))
        return false;
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) != 0) {
        error_set(err, ERROR_REFUSED, "installing certificates on '%s' failed: %s", args_get(args, "target"),
                  output.err_len ? g_strchomp(output.err) : "the program that leads there ended");
        return error_hint(err, "it has to be root there: --ssh 'ssh root@%s' says how",
                          args_get(args, "target"));
    }
    if (output.out_len && !cli->quiet)
        fputs(output.out, cli->out);
    return true;
}

/* ---- this client ---- */

static WireTlsFiles client_files(const CliArgs *args)
{
    if (args_has(args, "client"))
        return wire_tls_files_client(args_get(args, "client"));
    if (geteuid() == 0)
        return wire_tls_files_system("", WIRE_TLS_CLIENT);
    g_autofree char *own = g_build_filename(g_get_home_dir(), ".pki/libvirt", NULL);
    return wire_tls_files_client(own);
}

AWAITS static bool client_write(const char *path, const char *pem, mode_t mode, Error **err)
{
    g_autofree char *folder = g_path_get_dirname(path);

    return file_make_dirs(folder, 0755, err) && file_replace(path, pem, strlen(pem), mode, err);
}

/* What it has already, from this CA, it keeps. */
AWAITS static bool client_set_up(const CliArgs *args, Pki *pki, Error **err)
{
    g_auto(WireTlsFiles) files = client_files(args);
    g_auto(PkiPair) pair = { 0 };
    g_autofree char *ca = NULL;
    size_t len;
    g_autofree char *usual = g_strdup_printf("%s@%s", g_get_user_name(), g_get_host_name());
    const char *names[] = { args_has(args, "client-name") ? args_get(args, "client-name") : usual, NULL };

    if (access(files.ca, F_OK) == 0 && !file_read(files.ca, PEM_MAX, &ca, &len, err))
        return false;
    const bool same = ca && strcmp(ca, pki_ca_pem(pki)) == 0;
    if (ca && !same && !args_has(args, "force")) {
        error_set(err, ERROR_OPERATION_FAILED, "'%s' is there and is another CA's", files.ca);
        return error_hint(err, "--client names another folder, --force replaces it");
    }
    if (same && !args_has(args, "force") && access(files.cert, F_OK) == 0 && access(files.key, F_OK) == 0)
        return true;
    return pki_issue(pki, PKI_CLIENT, names, CERT_DAYS, &pair, err) &&
           client_write(files.ca, pki_ca_pem(pki), 0644, err) &&
           client_write(files.key, pair.key, 0600, err) && client_write(files.cert, pair.cert, 0644, err);
}

/* ---- the command ---- */

static bool remote_setup(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *usual = g_build_filename(g_get_user_config_dir(), "lodge/ca", NULL);
    g_autofree char *ca_name = g_strdup_printf("Lodge CA of %s@%s", g_get_user_name(), g_get_host_name());
    g_autoptr(Pki) pki = NULL;
    g_auto(PkiPair) server = { 0 };
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *target = args_get(args, "target");

    g_ptr_array_add(names, (gpointer)(strchr(target, '@') ? strchr(target, '@') + 1 : target));
    for (char *const *name = args_get_many(args, "name"); *name; name++)
        g_ptr_array_add(names, *name);
    g_ptr_array_add(names, NULL);
    if (!pki_open(args_has(args, "ca") ? args_get(args, "ca") : usual, ca_name, &pki, err) ||
        !pki_issue(pki, PKI_SERVER, (const char *const *)names->pdata, CERT_DAYS, &server, err))
        return false;
    g_autofree char *script = remote_script(args, pki, &server);
    if (!remote_install(cli, args, script, err) || !client_set_up(args, pki, err))
        return false;
    cli_message(cli, "'%s' has a certificate for %u days; connect by: lodge -c qemu+tls://%s/system", target,
                CERT_DAYS, (const char *)names->pdata[0]);
    return true;
}

const CliCommand commands_remote[] = {
    COMMAND("remote", GROUP_LODGE, "make hosts reachable by TLS", remote_options, remote_setup,
            .flags = CLI_NO_CONNECT,
            .doc = "setup makes a CA for this user (once), a key and a certificate for the host, installs "
                   "them there by "
                   "ssh and lets lodged listen; and what this client needs to connect. Run again it renews "
                   "the host's "
                   "certificate."),
    { 0 },
};
