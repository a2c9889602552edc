/* Completes command lines from the command table and from what the daemon knows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/complete.h"

#include <string.h>

#include "base/uuid.h"
#include "cli/domain.h"

/* A server that does not answer must not hang the user's shell. */
#define COMPLETE_TIMEOUT_MS 3000

static void add(Completions *found, const char *prefix, const char *word, const char *doc)
{
    if (!word || !g_str_has_prefix(word, prefix))
        return;
    g_ptr_array_add(found->words, g_strdup(word));
    g_ptr_array_add(found->docs, g_strdup(doc ? doc : ""));
}

static void add_words(Completions *found, const char *prefix, const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);
    for (char **word = list; *word; word++)
        add(found, prefix, *word, NULL);
}

static void add_commands(Completions *found, const char *prefix)
{
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *command = command_at(i);
        if (!(command->flags & (CLI_SECRET | CLI_LATER)))
            add(found, prefix, command->name, command->summary);
    }
}

/* ---- names that the daemon knows ---- */

static void add_domains(Cli *cli, Completions *found, const char *prefix, unsigned flags)
{
    g_auto(WireConnectListAllDomainsRet) ret = { 0 };
    if (!cli_list_domains(cli, flags, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_domains; i++) {
        add(found, prefix, ret.domains[i].name, NULL);
        /* An id or UUID only for those who begin to type one. */
        char uuid[UUID_STRING_LEN];
        uuid_format(&ret.domains[i].uuid, uuid);
        if (strlen(prefix) >= 3)
            add(found, prefix, uuid, ret.domains[i].name);
    }
}

static void add_networks(Cli *cli, Completions *found, const char *prefix)
{
    WireConnectListAllNetworksArgs args = { .need_results = 1 };
    g_auto(WireConnectListAllNetworksRet) ret = { 0 };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_NETWORKS, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_nets; i++)
        add(found, prefix, ret.nets[i].name, NULL);
}

static void add_pools(Cli *cli, Completions *found, const char *prefix)
{
    WireConnectListAllStoragePoolsArgs args = { .need_results = 1 };
    g_auto(WireConnectListAllStoragePoolsRet) ret = { 0 };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_STORAGE_POOLS, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_pools; i++)
        add(found, prefix, ret.pools[i].name, NULL);
}

static void add_secrets(Cli *cli, Completions *found, const char *prefix)
{
    WireConnectListAllSecretsArgs args = { .need_results = 1 };
    g_auto(WireConnectListAllSecretsRet) ret = { 0 };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_SECRETS, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_secrets; i++) {
        char uuid[UUID_STRING_LEN];
        uuid_format(&ret.secrets[i].uuid, uuid);
        add(found, prefix, uuid, ret.secrets[i].usage_id);
    }
}

static void add_filters(Cli *cli, Completions *found, const char *prefix)
{
    WireConnectListAllNwfiltersArgs args = { .need_results = 1 };
    g_auto(WireConnectListAllNwfiltersRet) ret = { 0 };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_NWFILTERS, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_filters; i++)
        add(found, prefix, ret.filters[i].name, NULL);
}

static void add_devices(Cli *cli, Completions *found, const char *prefix)
{
    WireConnectListAllNodeDevicesArgs args = { .need_results = 1 };
    g_auto(WireConnectListAllNodeDevicesRet) ret = { 0 };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_NODE_DEVICES, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_devices; i++)
        add(found, prefix, ret.devices[i].name, NULL);
}

static void add_interfaces(Cli *cli, Completions *found, const char *prefix)
{
    WireConnectListAllInterfacesArgs args = { .need_results = 1 };
    g_auto(WireConnectListAllInterfacesRet) ret = { 0 };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_INTERFACES, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_ifaces; i++)
        add(found, prefix, ret.ifaces[i].name, NULL);
}

static void add_from_daemon(Cli *cli, CliComplete what, Completions *found, const char *prefix)
{
    uint64_t token = fiber_deadline_begin(COMPLETE_TIMEOUT_MS);
    if (cli_connect(cli, NULL)) {
        switch (what) {
        case COMPLETE_DOMAIN:
            add_domains(cli, found, prefix, 0);
            break;
        case COMPLETE_DOMAIN_ACTIVE:
            add_domains(cli, found, prefix, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
            break;
        case COMPLETE_DOMAIN_INACTIVE:
            add_domains(cli, found, prefix, VIR_CONNECT_LIST_DOMAINS_INACTIVE);
            break;
        case COMPLETE_NETWORK:
            add_networks(cli, found, prefix);
            break;
        case COMPLETE_POOL:
            add_pools(cli, found, prefix);
            break;
        case COMPLETE_SECRET:
            add_secrets(cli, found, prefix);
            break;
        case COMPLETE_FILTER:
            add_filters(cli, found, prefix);
            break;
        case COMPLETE_NODEDEV:
            add_devices(cli, found, prefix);
            break;
        case COMPLETE_INTERFACE:
            add_interfaces(cli, found, prefix);
            break;
        default:
            break;
        }
    }
    fiber_deadline_end(token);
}

/* ---- the place of the cursor in the line ---- */

static void add_value(Cli *cli, const CliOption *option, Completions *found, const char *prefix)
{
    if (option->words)
        add_words(found, prefix, option->words);
    else if (option->complete == COMPLETE_FILE)
        found->files = true;
    else if (option->complete == COMPLETE_COMMAND)
        add_commands(found, prefix);
    else if (option->complete != COMPLETE_NONE)
        add_from_daemon(cli, option->complete, found, prefix);
}

/* Two options of one set exclude each other. */
static bool is_excluded(const CliCommand *command, const char *name, GHashTable *seen)
{
    g_auto(GStrv) sets = g_strsplit(command->exclusive ? command->exclusive : "", ";", -1);
    for (char **set = sets; *set; set++) {
        g_auto(GStrv) names = g_strsplit(g_strstrip(*set), " ", -1);
        bool member = g_strv_contains((const char *const *)names, name);
        for (char **other = names; member && *other; other++) {
            if (strcmp(*other, name) != 0 && g_hash_table_contains(seen, *other))
                return true;
        }
    }
    return false;
}

static void add_options(const CliCommand *command, GHashTable *seen, Completions *found, const char *prefix)
{
    for (const CliOption *o = command->options; o && o->name; o++) {
        g_autofree char *word = g_strdup_printf("--%s", o->name);
        bool hidden = (o->flags & CLI_HIDDEN) || o->same_as;
        if (!hidden && !g_hash_table_contains(seen, o->name) && !is_excluded(command, o->name, seen))
            add(found, prefix, word, o->doc);
    }
    add(found, prefix, "--output", "text or json");
    add(found, prefix, "--help", "explain this command");
}

/* The first option in row order that can take the @skip-th word without a name. */
static const CliOption *positional_option(const CliCommand *command, GHashTable *seen, unsigned skip)
{
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (!option_is_positional(o) || g_hash_table_contains(seen, o->name))
            continue;
        if (skip == 0 || o->flags & CLI_MANY)
            return o;
        skip--;
    }
    return NULL;
}

static void complete_command(Cli *cli, const CliCommand *command, char *const *words, unsigned n_words,
                             Completions *found)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    const CliOption *awaits_value = NULL;
    unsigned data = 0;
    const char *last = words[n_words - 1];
    for (unsigned i = 0; i + 1 < n_words; i++) {
        if (awaits_value) {
            awaits_value = NULL;
        } else if (g_str_has_prefix(words[i], "--")) {
            g_autofree char *name = g_strndup(words[i] + 2, strcspn(words[i] + 2, "="));
            const CliOption *option = command_find_option(command, name);
            if (option)
                g_hash_table_add(seen, (char *)option->name);
            if (option && option->type != CLI_BOOL && !strchr(words[i], '='))
                awaits_value = option;
        } else {
            data++;
        }
    }
    const char *equals = g_str_has_prefix(last, "--") ? strchr(last, '=') : NULL;
    if (awaits_value) {
        add_value(cli, awaits_value, found, last);
    } else if (equals) {
        g_autofree char *name = g_strndup(last + 2, (size_t)(equals - last - 2));
        const CliOption *option = command_find_option(command, name);
        Completions values = { g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free),
                               false };
        if (option)
            add_value(cli, option, &values, equals + 1);
        for (unsigned i = 0; i < values.words->len; i++) {
            g_autofree char *word = g_strdup_printf("--%s=%s", name, (char *)values.words->pdata[i]);
            add(found, last, word, values.docs->pdata[i]);
        }
        completions_clear(&values);
    } else if (last[0] == '-') {
        add_options(command, seen, found, last);
    } else {
        const CliOption *option = positional_option(command, seen, data);
        if (option)
            add_value(cli, option, found, last);
        if (!option || (found->words->len == 0 && !found->files && !last[0]))
            add_options(command, seen, found, last);
    }
}

/* Options of the program in front of the command: takes those that select the daemon. Returns how many words.
 */
static unsigned skip_globals(Cli *cli, char *const *words, unsigned n_words)
{
    static const char *const with_value[] = { "-c",
                                              "--connect",
                                              "--root",
                                              "-o",
                                              "--output",
                                              "-e",
                                              "--escape",
                                              "-k",
                                              "-K",
                                              "-d",
                                              "--debug",
                                              "-l",
                                              "--log",
                                              "--keepalive-interval",
                                              "--keepalive-count" };
    unsigned i = 0;
    while (i + 1 < n_words && words[i][0] == '-') {
        const char *word = words[i++];
        bool takes = false;
        for (size_t j = 0; j < G_N_ELEMENTS(with_value); j++)
            takes = takes || strcmp(with_value[j], word) == 0;
        if (strcmp(word, "-r") == 0 || strcmp(word, "--readonly") == 0)
            cli->read_only = true;
        const char *value = NULL;
        if (takes && i + 1 < n_words)
            value = words[i++];
        else if (g_str_has_prefix(word, "--") && strchr(word, '='))
            value = strchr(word, '=') + 1;
        if (!value)
            continue;
        if (strcmp(word, "-c") == 0 || g_str_has_prefix(word, "--connect")) {
            g_free(cli->uri);
            cli->uri = g_strdup(value);
        } else if (g_str_has_prefix(word, "--root")) {
            g_free(cli->uri);
            cli->uri = cli_root_uri(value, cli->read_only);
        }
    }
    return i;
}

static void add_globals(Completions *found, const char *prefix)
{
    add_words(found, prefix,
              "--connect --root --readonly --output --quiet --timing --escape --keepalive-interval "
              "--keepalive-count "
              "--debug --log --help --version");
}

void cli_complete(Cli *cli, char *const *words, unsigned n_words, bool globals, Completions *ret_found)
{
    *ret_found = (Completions){ g_ptr_array_new_with_free_func(g_free),
                                g_ptr_array_new_with_free_func(g_free), false };
    unsigned skip = globals ? skip_globals(cli, words, n_words) : 0;
    words += skip;
    n_words -= skip;
    if (n_words == 0)
        return;
    if (n_words == 1) {
        if (globals && words[0][0] == '-')
            add_globals(ret_found, words[0]);
        else
            add_commands(ret_found, words[0]);
        return;
    }
    const CliCommand *command = command_find(words[0]);
    if (command && !(command->flags & CLI_LATER))
        complete_command(cli, command, words + 1, n_words - 1, ret_found);
}

void completions_clear(Completions *found)
{
    if (found->words)
        g_ptr_array_unref(found->words);
    if (found->docs)
        g_ptr_array_unref(found->docs);
    *found = (Completions){ 0 };
}

GPtrArray *completion_split(const char *line)
{
    static const char *const closings[] = { "", "'", "\"" };
    GPtrArray *result = g_ptr_array_new_with_free_func(g_free);
    size_t len = strlen(line);
    bool fresh = len == 0 || strchr(" \t;\n", line[len - 1]) != NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(closings); i++) {
        g_autofree char *whole = g_strconcat(line, closings[i], NULL);
        g_autoptr(GPtrArray) commands = NULL;
        if (!words_split(whole, &commands, NULL))
            continue;
        GPtrArray *last =
            commands->len && !(len && line[len - 1] == ';') ? commands->pdata[commands->len - 1] : NULL;
        for (unsigned j = 0; last && j < last->len; j++)
            g_ptr_array_add(result, g_strdup(last->pdata[j]));
        if (i > 0)
            fresh = false; /* inside quotes a blank ends no word */
        break;
    }
    if (fresh || result->len == 0)
        g_ptr_array_add(result, g_strdup(""));
    return result;
}
