/* Completes command lines from the command table and from what the daemon knows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/complete.h"

#include <string.h>

#include "base/uuid.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "install/option_list.h"
#include "install/os_db.h"

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

/* Names of all objects of a class that is in no particular place. */
static void add_objects(Cli *cli, const CliClass *class, Completions *found, const char *prefix)
{
    if (!class->procs[VERB_LIST] || (class->parent && !class->parent_is_optional) || class->parent)
        return;
    g_auto(RowCall) call = { .program = WIRE_PROGRAM_REMOTE, .proc = class->procs[VERB_LIST] };
    CliHandles list;
    call.info = wire_proc_find(wire_program_find(call.program), call.proc);
    call.args = g_malloc0(wire_type_size(call.info->args));
    if (!class_list(cli, class, &call, &list, NULL))
        return;
    for (unsigned i = 0; i < list.n; i++) {
        g_autofree char *name = class_name(class, list.data + i * list.size);
        add(found, prefix, name, NULL);
    }
}

/* Something of each disk or interface of a domain. */
static void add_devices(Cli *cli, const char *domain, const char *xpath, Completions *found,
                        const char *prefix)
{
    g_auto(WireDomainLookupByNameRet) ret = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    WireDomainLookupByNameArgs call = { .name = (char *)domain };
    if (!domain || !cli_call(cli, PROC_DOMAIN_LOOKUP_BY_NAME, &call, &ret, NULL) ||
        !cli_domain_xml(cli, &ret.dom, 0, &xml, NULL) || !xml_parse(xml, &doc, NULL) ||
        !xml_select(doc, NULL, xpath, &nodes, NULL))
        return;
    for (unsigned i = 0; i < nodes->len; i++) {
        g_autofree char *text = xml_get(doc, nodes->pdata[i], ".");
        add(found, prefix, text, NULL);
    }
}

static void add_settings(Cli *cli, Completions *found, const char *prefix)
{
    WireLodgeConfigListArgs call = { 0 };
    g_auto(WireLodgeConfigListRet) ret = { 0 };
    if (!wire_call(cli->client, WIRE_PROGRAM_LODGE, LODGE_PROC_CONFIG_LIST, &call, &ret, COMPLETE_TIMEOUT_MS,
                   NULL))
        return;
    for (unsigned i = 0; i < ret.n_settings; i++)
        add(found, prefix, ret.settings[i].key, ret.settings[i].doc);
}

/* @domain: the one that the line names; NULL: none. */
static void add_from_daemon(Cli *cli, const CliOption *option, const char *domain, Completions *found,
                            const char *prefix)
{
    uint64_t token = fiber_deadline_begin(COMPLETE_TIMEOUT_MS);
    if (cli_connect(cli, NULL)) {
        if (option->class && option->class != &class_domain)
            add_objects(cli, option->class, found, prefix);
        else if (option->complete == COMPLETE_DOMAIN_DISK)
            add_devices(cli, domain, "/domain/devices/disk/target/@dev", found, prefix);
        else if (option->complete == COMPLETE_DOMAIN_INTERFACE)
            add_devices(cli, domain,
                        "/domain/devices/interface/target/@dev | /domain/devices/interface/mac/@address",
                        found, prefix);
        else if (option->complete == COMPLETE_CONFIG_KEY)
            add_settings(cli, found, prefix);
        else
            add_domains(cli, found, prefix,
                        option->complete == COMPLETE_DOMAIN_ACTIVE     ? VIR_CONNECT_LIST_DOMAINS_ACTIVE
                        : option->complete == COMPLETE_DOMAIN_INACTIVE ? VIR_CONNECT_LIST_DOMAINS_INACTIVE
                                                                       : 0);
    }
    fiber_deadline_end(token);
}

/* ---- the place of the cursor in the line ---- */

/* Values separated by commas: the last one is being typed. */
static void add_word_list(const CliOption *option, Completions *found, const char *prefix)
{
    const char *comma = strrchr(prefix, ',');
    g_autofree char *before = comma ? g_strndup(prefix, (size_t)(comma + 1 - prefix)) : g_strdup("");
    g_auto(GStrv) list = g_strsplit(option->words, " ", -1);
    for (char **word = list; *word; word++) {
        g_autofree char *whole = g_strconcat(before, *word, NULL);
        add(found, prefix, whole, NULL);
    }
}

/* What --disk of `lodge install` has: "size=20,bu" becomes "size=20,bus=". */
static void add_sub_options(const InstallOption *install, Completions *found, const char *prefix)
{
    const char *comma = strrchr(prefix, ',');
    g_autofree char *before = comma ? g_strndup(prefix, (size_t)(comma + 1 - prefix)) : g_strdup("");
    g_autoptr(GPtrArray) names = install_option_names(install);

    if (strchr(prefix + strlen(before), '=')) {
        found->files = true;
        return;
    }
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *whole = g_strconcat(before, name, "=", NULL);
        if (!strchr(name, '[')) /* those with a number in them are typed by hand */
            add(found, prefix, whole, install_option_note(install, name));
    }
}

static void add_systems(Completions *found, const char *prefix)
{
    g_autoptr(OsDb) db = os_db_new(NULL);
    g_autoptr(GPtrArray) names = os_db_names(db);

    for (guint i = 0; i < names->len; i++)
        add(found, prefix, names->pdata[i], NULL);
}

static void add_value(Cli *cli, const CliOption *option, const char *domain, Completions *found,
                      const char *prefix)
{
    const InstallOption *install = option->flags & CLI_REPEAT ? install_option_find(option->name) : NULL;

    if (install && strcmp(install->name, "os-variant") == 0)
        add_systems(found, prefix);
    else if (install)
        add_sub_options(install, found, prefix);
    else if (option->flags & CLI_LIST_OF)
        add_word_list(option, found, prefix);
    else if (option->words)
        add_words(found, prefix, option->words);
    else if (option->complete == COMPLETE_FILE)
        found->files = true;
    else if (option->complete == COMPLETE_COMMAND)
        add_commands(found, prefix);
    else if (option->complete != COMPLETE_NONE || option->class)
        add_from_daemon(cli, option, domain, found, prefix);
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
    add(found, prefix, "--output", CLI_FORMATS_TEXT);
    add(found, prefix, "--help", "explain this command");
    if (command_is_list(command)) {
        add(found, prefix, "--columns", "names of columns, separated by commas");
        add(found, prefix, "--no-header", "leave the names of the columns out");
    }
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

static const CliOption *option_named(const CliCommand *command, const char *name, const CliOption *output)
{
    return strcmp(name, "output") == 0 ? output : command_find_option(command, name);
}

static void complete_command(Cli *cli, const CliCommand *command, char *const *words, unsigned n_words,
                             Completions *found)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    static const CliOption output = { .name = "output", .type = CLI_STRING, .words = CLI_FORMATS };
    const CliOption *awaits_value = NULL;
    const char *domain = NULL;
    unsigned data = 0;
    const char *last = words[n_words - 1];
    for (unsigned i = 0; i + 1 < n_words; i++) {
        if (awaits_value) {
            domain = strcmp(awaits_value->name, "domain") == 0 ? words[i] : domain;
            awaits_value = NULL;
        } else if (strcmp(words[i], "-o") == 0) {
            awaits_value = &output;
        } else if (g_str_has_prefix(words[i], "--")) {
            const char *equals = strchr(words[i], '=');
            g_autofree char *name = g_strndup(words[i] + 2, strcspn(words[i] + 2, "="));
            const CliOption *option = option_named(command, name, &output);
            if (option)
                g_hash_table_add(seen, (char *)option->name);
            if (option && equals && strcmp(option->name, "domain") == 0)
                domain = equals + 1;
            if (option && option->type != CLI_BOOL && !equals)
                awaits_value = option;
        } else {
            const CliOption *option = positional_option(command, seen, data++);
            if (option && strcmp(option->name, "domain") == 0)
                domain = words[i];
        }
    }
    const char *equals = g_str_has_prefix(last, "--") ? strchr(last, '=') : NULL;
    if (awaits_value) {
        add_value(cli, awaits_value, domain, found, last);
    } else if (equals) {
        g_autofree char *name = g_strndup(last + 2, (size_t)(equals - last - 2));
        const CliOption *option = option_named(command, name, &output);
        Completions values = { g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free),
                               false };
        if (option)
            add_value(cli, option, domain, &values, equals + 1);
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
            add_value(cli, option, domain, found, last);
        /* behind the first of several objects the words of the other options can stand too */
        for (const CliOption *o = option && option->flags & CLI_EACH && data ? option + 1 : NULL;
             o && o->name; o++) {
            if (o->words && option_is_positional(o) && !g_hash_table_contains(seen, o->name))
                add_value(cli, o, domain, found, last);
        }
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
        if (takes && i + 1 >= n_words)
            break; /* its value is what is being typed */
        if (takes)
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

/* The value of a global option: the last word but one. false: it takes none, or none that can be completed.
 */
static bool complete_global_value(const char *option, const char *prefix, Completions *found)
{
    if (strcmp(option, "-o") == 0 || strcmp(option, "--output") == 0)
        add_words(found, prefix, CLI_FORMATS);
    else if (strcmp(option, "--root") == 0 || strcmp(option, "-l") == 0 || strcmp(option, "--log") == 0)
        found->files = true;
    else if (strcmp(option, "-c") == 0 || strcmp(option, "--connect") == 0)
        add_words(found, prefix, "qemu:///system qemu:///session qemu+unix:///system qemu+ssh://");
    else
        return false;
    return true;
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
    const char *before = skip ? words[skip - 1] : "";
    if (skip && skip + 1 == n_words && complete_global_value(before, words[skip], ret_found))
        return;
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
