/* Reaching a machine by SSH: its address, and the user and key that its metadata remember. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "cli/backup.h"
#include "cli/domain.h"
#include "cli/place.h"
#include "cli/run.h"
#include "install/new_machine.h"
#include "wire/error_map.h"

#define KEY_MAX ((size_t)64 << 10)
#define METADATA_ELEMENT 2

/* ---- metadata ---- */

void machine_note_clear(MachineNote *note)
{
    g_free(note->image);
    g_free(note->user);
    g_free(note->identity);
    g_free(note->port);
    *note = (MachineNote){ 0 };
}

bool machine_note(Cli *cli, const WireDomain *dom, MachineNote *ret_note, Error **err)
{
    const WireDomainGetMetadataArgs args = { .dom = *dom,
                                             .type = METADATA_ELEMENT,
                                             .uri = (char *)LODGE_XMLNS };
    g_auto(WireDomainGetMetadataRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(Error) why = NULL;

    *ret_note = (MachineNote){ 0 };
    if (!cli_call(cli, PROC_DOMAIN_GET_METADATA, &args, &ret, &why))
        return wire_error_code(why) == VIR_ERR_NO_DOMAIN_METADATA ||
               error_propagate(err, g_steal_pointer(&why));
    if (!xml_parse(ret.metadata, &doc, err))
        return false;
    *ret_note = (MachineNote){ .image = xml_get(doc, NULL, "/*/@image"),
                               .user = xml_get(doc, NULL, "/*/@user"),
                               .identity = xml_get(doc, NULL, "/*/@identity"),
                               .port = xml_get(doc, NULL, "/*/@port") };
    return true;
}

/* ---- address ---- */

/* One that other hosts could have, too, leads nowhere. */
static bool is_usable(const char *address)
{
    return strcmp(address, "127.0.0.1") != 0 && strcmp(address, "::1") != 0 &&
           g_ascii_strncasecmp(address, "fe80:", 5) != 0 && !g_str_has_prefix(address, "169.254.");
}

bool machine_address(Cli *cli, const WireDomain *dom, char **ret_address, Error **err)
{
    char *v6 = NULL;

    if (place_is_session(cli)) { /* what nobody reaches but by a port of this host */
        g_auto(MachineNote) note = { 0 };
        if (!machine_note(cli, dom, &note, err))
            return false;
        if (note.port) {
            *ret_address = g_strdup("127.0.0.1");
            return true;
        }
    }
    for (uint32_t source = 0; source <= VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP; source++) {
        const WireDomainInterfaceAddressesArgs call = { .dom = *dom, .source = source };
        g_auto(WireDomainInterfaceAddressesRet) ret = { 0 };
        g_autoptr(Error) why = NULL;
        if (!cli_call(cli, PROC_DOMAIN_INTERFACE_ADDRESSES, &call, &ret, &why)) {
            if (error_code(why) == ERROR_CANCELLED || error_code(why) == ERROR_VM_GONE)
                return error_propagate(err, g_steal_pointer(&why));
            continue; /* this one does not know, as a guest without an agent */
        }
        for (uint32_t i = 0; i < ret.n_ifaces; i++) {
            for (uint32_t k = 0; k < ret.ifaces[i].n_addrs; k++) {
                const WireDomainIpAddr *found = &ret.ifaces[i].addrs[k];
                if (!is_usable(found->addr) || !ret.ifaces[i].hwaddr)
                    continue;
                if (found->type == VIR_IP_ADDR_TYPE_IPV4) {
                    g_free(v6);
                    *ret_address = g_strdup(found->addr);
                    return true;
                }
                v6 = v6 ? v6 : g_strdup(found->addr);
            }
        }
    }
    *ret_address = v6;
    return true;
}

/* ---- keys ---- */

static bool add_keys(GPtrArray *keys, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const guint before = keys->len;

    for (char **line = lines; *line; line++)
        if (*g_strstrip(*line) && **line != '#')
            g_ptr_array_add(keys, g_strdup(*line));
    return keys->len > before;
}

/* KEY.pub beside KEY. */
static void take_identity(const char *path, char **ret_identity)
{
    if (*ret_identity || !g_str_has_suffix(path, ".pub"))
        return;
    g_autofree char *private = g_strndup(path, strlen(path) - 4);
    if (access(private, R_OK) == 0)
        *ret_identity = g_canonicalize_filename(private, NULL);
}

static bool take_given(const char *given, GPtrArray *keys, char **ret_identity, Error **err)
{
    g_auto(GStrv) words = g_strsplit(given, "\n", -1);

    for (char **word = words; *word; word++) {
        g_autofree char *text = NULL;
        if (strchr(*word, ' ') && access(*word, F_OK) < 0) {
            g_ptr_array_add(keys, g_strdup(*word));
            continue;
        }
        if (!file_read(*word, KEY_MAX, &text, NULL, err))
            return error_prefix(err, "the public key");
        if (!add_keys(keys, text))
            return error_set(err, ERROR_INVALID_ARGUMENT, "there is no key in '%s'", *word);
        take_identity(*word, ret_identity);
    }
    return true;
}

static bool take_own(GPtrArray *keys, char **ret_identity)
{
    static const char *const names[] = { "id_ed25519", "id_ecdsa", "id_rsa" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("%s/.ssh/%s.pub", g_get_home_dir(), names[i]), *text = NULL;
        if (file_read(path, KEY_MAX, &text, NULL, NULL) && add_keys(keys, text)) {
            take_identity(path, ret_identity);
            return true;
        }
    }
    return false;
}

/* A user without any key of his own gets one for his machines. */
static bool make_pair(Cli *cli, GPtrArray *keys, char **ret_identity, Error **err)
{
    g_autofree char *folder = g_build_filename(g_get_user_data_dir(), "lodge", NULL);
    g_autofree char *path = path_join(folder, "id_ed25519"), *public = g_strconcat(path, ".pub", NULL);
    g_autofree char *text = NULL;
    const char *const argv[] = { "ssh-keygen", "-q",    "-t", "ed25519", "-N", "",
                                 "-C",         "lodge", "-f", path,      NULL };

    if (access(public, F_OK) < 0) {
        if (!file_make_dirs(folder, 0700, err) || !backup_run_tool(argv, NULL, err)) {
            error_hint(err, "--ssh-key FILE names a public key");
            return error_prefix(err, "there is no SSH key, and none could be made");
        }
        if (!cli->quiet)
            fprintf(stderr, "SSH key made: %s\n", path);
    }
    if (!file_read(public, KEY_MAX, &text, NULL, err) || !add_keys(keys, text))
        return false;
    take_identity(public, ret_identity);
    return true;
}

bool ssh_keys(Cli *cli, const char *given, char ***ret_keys, char **ret_identity, Error **err)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *identity = NULL;

    if (given ? !take_given(given, keys, &identity, err)
              : !take_own(keys, &identity) && !make_pair(cli, keys, &identity, err))
        return false;
    g_ptr_array_add(keys, NULL);
    *ret_keys = (char **)g_ptr_array_free(g_steal_pointer(&keys), FALSE);
    *ret_identity = g_steal_pointer(&identity);
    return true;
}

/* ---- the program ---- */

bool ssh_command(Cli *cli, const WireDomain *dom, const char *address, const char *user, const char *identity,
                 const char *const *command, char ***ret_argv, Error **err)
{
    g_autofree char *folder = g_build_filename(g_get_user_data_dir(), "lodge", NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_auto(MachineNote) note = { 0 };
    char uuid[UUID_STRING_LEN];
    char *program = g_find_program_in_path("ssh");

    if (!program) {
        error_set(err, ERROR_NOT_SUPPORTED, "there is no ssh");
        return error_hint(err, "install the package openssh-client");
    }
    g_ptr_array_add(argv, program);
    /* Its key is known by the machine, not by its address, which the next one may get. */
    uuid_format(&dom->uuid, uuid);
    bool ok = machine_note(cli, dom, &note, err) && file_make_dirs(folder, 0700, err);
    user = user ? user : note.user;
    identity = identity ? identity : note.identity;
    g_ptr_array_add(argv, g_strdup_printf("-oHostKeyAlias=lodge-%s", uuid));
    g_ptr_array_add(argv, g_strdup("-oStrictHostKeyChecking=accept-new"));
    g_ptr_array_add(argv, g_strdup_printf("-oUserKnownHostsFile=%s/known_hosts", folder));
    if (note.port && strcmp(address, "127.0.0.1") == 0)
        g_ptr_array_add(argv, g_strdup_printf("-p%s", note.port));
    if (user)
        g_ptr_array_add(argv, g_strdup_printf("-l%s", user));
    if (identity && access(identity, R_OK) == 0)
        g_ptr_array_add(argv, g_strdup_printf("-i%s", identity));
    g_ptr_array_add(argv, g_strdup(address));
    if (command && *command)
        g_ptr_array_add(argv, g_strdup("--"));
    for (; command && *command; command++)
        g_ptr_array_add(argv, g_strdup(*command));
    g_ptr_array_add(argv, NULL);
    *ret_argv = (char **)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
    if (!ok)
        g_clear_pointer(ret_argv, g_strfreev);
    return ok;
}

bool ssh_run(char *const *argv, int *ret_code, Error **err)
{
    g_auto(GStrv) env = g_get_environ();
    const ProcessSpec spec = { .argv = (const char *const *)argv,
                               .envp = (const char *const *)env,
                               .stdin_fd = STDIN_FILENO,
                               .stdout_fd = STDOUT_FILENO,
                               .stderr_fd = STDERR_FILENO,
                               .die_with_parent = true };
    g_autoptr(Process) process = NULL;

    fflush(stdout);
    /* No deadline: it lasts as long as the user likes. */
    if (!process_start(&spec, &process, err) || !process_wait(process, FIBER_NO_DEADLINE, err))
        return false;
    const int status = process_status(process);
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}
