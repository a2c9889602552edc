/* Rules of filters in the kernel: what is there, changes of it, what others do to it.
 *
 * What the kernel's table has is remembered by the names of its chains and sets, so that a change names what
 * has to go. Who does not know them (a new daemon, or after somebody's flush) asks, and makes all anew. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "filter"
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "network/filter_private.h"
#include "network/program.h"

#define TURN_DEADLINE_MS 60000
#define QUIET_MS 1000 /* after a change of ours: what the kernel tells of it has come */

bool filter_rules_begin(Host *host, Error **err)
{
    FilterRoom *room = host->filters;

    while (room->is_busy) {
        if (!wait_queue_wait(&room->turn, TURN_DEADLINE_MS, err))
            return error_prefix(err, "other changes of network filters");
    }
    room->is_busy = true;
    fiber_shield_begin(); /* what is known of the kernel must not be half of it */
    return true;
}

void filter_rules_end(Host *host)
{
    fiber_shield_end();
    host->filters->is_busy = false;
    wait_queue_wake_one(&host->filters->turn);
}

/* ---- what the kernel can do, and what it has ---- */

AWAITS static bool kernel_takes(const char *rule)
{
    g_autofree char *script =
        g_strdup_printf("table bridge " FILTER_TABLE "_probe {\n  chain c {\n    type filter hook prerouting "
                        "priority 0\n    %s\n  }\n}\n",
                        rule);

    return program_run("nft", "nftables", PROGRAM_ARGS("-c", "-f", "-"), script, NULL, NULL);
}

AWAITS static void probe(FilterRoom *room)
{
    if (room->has_probed)
        return;
    room->has_probed = true;
    room->has_tracking = kernel_takes("ct state established accept");
    room->has_reject = kernel_takes("reject");
    if (!room->has_tracking)
        log_warning("this kernel does not track connections in bridges (nf_conntrack_bridge): filters note "
                    "them by "
                    "themselves, and cannot limit their number");
}

/* Names of the chains and sets, and the number of rules, in what `nft -t list table` prints. */
static GHashTable *parse_listing(const char *text, unsigned *ret_n_rules)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const char *end = text;

    *ret_n_rules = 0;
    for (const char *line = text; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        const char *at = line + strspn(line, " \t");
        const size_t key = g_str_has_prefix(at, "chain ") ? 6 : g_str_has_prefix(at, "set ") ? 4 : 0;
        if (key)
            g_hash_table_add(names, g_strndup(at + key, strcspn(at + key, " ")));
        *ret_n_rules +=
            g_strstr_len(at, end - at, "counter packets ") || g_strstr_len(at, end - at, " vmap @");
    }
    return names;
}

/* false: there is no such table, or nobody to ask. */
AWAITS static bool look(GHashTable **ret_names, unsigned *ret_n_rules)
{
    static const char *const arguments[] = { "-t", "list", "table", "bridge", FILTER_TABLE, NULL };
    g_autofree char *text = NULL;

    if (!program_run("nft", "nftables", arguments, NULL, &text, NULL))
        return false;
    *ret_names = parse_listing(text, ret_n_rules);
    return true;
}

/* ---- changes ---- */

typedef struct Lookup {
    Host *host;
    const FilterDef *coming; /* takes the place of the one of its name */
} Lookup;

static const FilterDef *find_filter(void *arg, const char *name)
{
    const Lookup *lookup = arg;

    if (lookup->coming && strcmp(lookup->coming->name, name) == 0)
        return lookup->coming;
    const Object *object = registry_get_name(host_registry(lookup->host, &filter_class), name);
    return object && object->is_listed ? object->config : NULL;
}

/* Adds the rules of @binding; *ret_program: what they came from. */
static bool add_binding(FilterScript *script, FilterBinding *binding, Lookup *lookup,
                        FilterProgram **ret_program, Error **err)
{
    const FilterBindingDef *def = filter_binding_def(binding);
    g_autoptr(FilterProgram) program = NULL;
    const unsigned n_before = script->n_rules;

    if (!filter_expand(def, binding->learned, find_filter, lookup, &program, err) ||
        !filter_script_add(script, def->port, program, err))
        return false;
    binding->coming_rules = script->n_rules - n_before;
    *ret_program = g_steal_pointer(&program);
    return true;
}

AWAITS static bool run_script(FilterRoom *room, const FilterScript *script, bool is_whole, Error **err)
{
    g_autofree char *text = filter_script_text(script, room->names, is_whole);

    const bool ok = program_run("nft", "nftables", PROGRAM_ARGS("-f", "-"), text, NULL, err);
    room->changed_ms = loop_now_ms();
    return ok;
}

AWAITS static void learn_names(FilterRoom *room)
{
    unsigned n_rules = 0;

    g_clear_pointer(&room->names, g_hash_table_unref);
    if (!look(&room->names, &n_rules))
        room->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* In one transaction. What others did to the table meanwhile may be in the way: then once more, knowing. */
AWAITS static bool change(FilterRoom *room, FilterScript *script, bool is_whole, Error **err)
{
    const bool is_fresh = !room->names || is_whole;
    g_autoptr(Error) why = NULL;

    if (is_fresh)
        learn_names(room);
    bool ok = run_script(room, script, is_whole, &why);
    if (!ok && !is_fresh) {
        g_clear_pointer(&why, error_free);
        learn_names(room);
        ok = run_script(room, script, is_whole, &why);
    }
    if (!ok)
        return error_propagate(err, g_steal_pointer(&why));
    filter_script_remember(script, room->names, is_whole);
    return true;
}

bool filter_rules_apply(Host *host, const GPtrArray *bindings, const FilterDef *coming, Error **err)
{
    FilterRoom *room = host->filters;
    Lookup lookup = { .host = host, .coming = coming };
    g_autoptr(GPtrArray) programs = g_ptr_array_new_with_free_func((GDestroyNotify)filter_program_free);

    if (bindings->len == 0)
        return true;
    probe(room);
    g_autoptr(FilterScript) script = filter_script_new(room->has_tracking, room->has_reject);
    for (guint i = 0; i < bindings->len; i++) {
        FilterProgram *program = NULL;
        if (!add_binding(script, g_ptr_array_index(bindings, i), &lookup, &program, err))
            return false;
        g_ptr_array_add(programs, program);
    }
    if (!change(room, script, false, err))
        return false;
    for (guint i = 0; i < bindings->len; i++) {
        FilterBinding *binding = g_ptr_array_index(bindings, i);
        binding->is_applied = true;
        binding->n_rules = binding->coming_rules;
        filter_binding_listen(binding, g_ptr_array_index(programs, i));
    }
    return true;
}

static GPtrArray *bound(Host *host)
{
    GPtrArray *bindings = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &filter_binding_class));
         (object = registry_next(&iter));) {
        if (object->live && ((FilterBinding *)object)->is_applied)
            g_ptr_array_add(bindings, object_ref(object));
    }
    return bindings;
}

bool filter_rules_remove(Host *host, FilterBinding *binding, Error **err)
{
    static const char drop_table[] = "table bridge " FILTER_TABLE "\ndelete table bridge " FILTER_TABLE "\n";
    FilterRoom *room = host->filters;
    g_autoptr(GPtrArray) left = NULL;

    if (!binding->is_applied)
        return true;
    binding->is_applied = false;
    left = bound(host);
    if (left->len > 0) {
        g_autoptr(FilterScript) script = filter_script_new(room->has_tracking, room->has_reject);
        filter_script_remove(script, binding->name);
        return change(room, script, false, err);
    }
    g_clear_pointer(&room->names, g_hash_table_unref);
    room->changed_ms = loop_now_ms();
    return program_run("nft", "nftables", PROGRAM_ARGS("-f", "-"), drop_table, NULL, err);
}

bool filter_rules_rebuild(Host *host, Error **err)
{
    FilterRoom *room = host->filters;
    Lookup lookup = { .host = host };
    g_autoptr(GPtrArray) bindings = bound(host);
    g_autoptr(GPtrArray) programs = g_ptr_array_new_with_free_func((GDestroyNotify)filter_program_free);

    if (bindings->len == 0)
        return true;
    probe(room);
    g_autoptr(FilterScript) script = filter_script_new(room->has_tracking, room->has_reject);
    for (guint i = 0; i < bindings->len; i++) {
        FilterBinding *binding = g_ptr_array_index(bindings, i);
        FilterProgram *program = NULL;
        g_autoptr(Error) why = NULL;
        if (!add_binding(script, binding, &lookup, &program, &why)) {
            /* Its filter went while nobody looked: better nothing passes than everything. */
            log_error_error(why, binding->name);
            log_error("interface '%s' is cut off until its filter is there again", binding->name);
            binding->coming_rules = filter_script_close(script, binding->name);
        }
        g_ptr_array_add(programs, program);
    }
    if (!change(room, script, true, err))
        return false;
    for (guint i = 0; i < bindings->len; i++) {
        FilterBinding *binding = g_ptr_array_index(bindings, i);
        binding->is_applied = true;
        binding->n_rules = binding->coming_rules;
        if (g_ptr_array_index(programs, i))
            filter_binding_listen(binding, g_ptr_array_index(programs, i));
    }
    return true;
}

/* ---- changes by others ---- */

AWAITS static void check_once(Host *host)
{
    g_autoptr(GHashTable) names = NULL;
    g_autoptr(Error) err = NULL;
    unsigned n_rules = 0, n_wanted = FILTER_TABLE_RULES;

    if (!filter_rules_begin(host, &err)) {
        log_warning_error(err, "rules of filters are not looked at");
        return;
    }
    g_autoptr(GPtrArray) bindings = bound(host);
    for (guint i = 0; i < bindings->len; i++)
        n_wanted += ((const FilterBinding *)g_ptr_array_index(bindings, i))->n_rules;
    if (bindings->len > 0 && (!look(&names, &n_rules) || n_rules != n_wanted)) {
        if (filter_rules_rebuild(host, &err))
            log_warning("somebody changed the rules of network filters: they are as they were");
        else
            log_error_error(err, "rules of network filters that somebody changed");
    }
    filter_rules_end(host);
}

AWAITS static void check_fiber(void *arg)
{
    Host *host = arg;
    FilterRoom *room = host->filters;

    while (room->rules_are_lost && !host->is_stopping) {
        const uint64_t quiet_ms = loop_now_ms() - room->changed_ms;
        if (quiet_ms < QUIET_MS) {
            (void)!wait_queue_wait(&host->hurry, QUIET_MS - quiet_ms, NULL); /* woken: the daemon ends */
            continue;
        }
        room->rules_are_lost = false;
        check_once(host);
    }
    room->is_checking = false;
}

void filter_check_rules(Host *host)
{
    FilterRoom *room = host->filters;

    if (!room || host->is_stopping)
        return;
    room->rules_are_lost = true;
    if (room->is_checking)
        return;
    room->is_checking = true;
    host_spawn(host, "filters", check_fiber, host);
}
