/* From a binding and the tree of its filter to a list of rules without variables.
 *
 * A variable without an iterator has iterator 0. Lists of one iterator go side by side, those of different
 * ones make all combinations. What an interface says wins over what a reference in a filter says. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/xml_internal.h"
#include "network/filter_private.h"

#define DEPTH_MAX 64
#define VISITS_MAX 4096 /* of filters while a tree is walked */

typedef struct Scope { /* variables; the outer one wins */
    const struct Scope *outer;
    const GPtrArray *parameters; /* FilterParameter; NULL: none */
} Scope;

typedef struct Expansion {
    FilterProgram *program;
    FilterFind find;
    void *arg;
    const FilterBindingDef *binding;
    const GArray *learned;
    GPtrArray *missing; /* variables: char * */
    unsigned n_visits;
} Expansion;

static void value_free(void *data)
{
    FilterValue *value = data;

    g_free(value->text);
    g_free(value);
}

static void rule_free(void *data)
{
    FilterRule *rule = data;

    g_ptr_array_unref(rule->values);
    g_free(rule);
}

static void chain_free(void *data)
{
    FilterChain *chain = data;

    g_free(chain->name);
    g_ptr_array_unref(chain->rules);
    g_free(chain);
}

static FilterChain *find_chain(FilterProgram *program, const char *name, int priority)
{
    for (guint i = 0; i < program->chains->len; i++) {
        FilterChain *chain = g_ptr_array_index(program->chains, i);
        if (strcmp(chain->name, name) == 0)
            return chain;
    }
    FilterChain *chain = g_new(FilterChain, 1);
    *chain = (FilterChain){ .name = g_strdup(name),
                            .priority = priority,
                            .rules = g_ptr_array_new_with_free_func(rule_free) };
    guint at = program->chains->len;
    while (at > 1 &&
           ((const FilterChain *)g_ptr_array_index(program->chains, at - 1))->priority > chain->priority)
        at--;
    g_ptr_array_insert(program->chains, (int)at, chain);
    return chain;
}

static FilterProgram *program_new(void)
{
    FilterProgram *program = g_new0(FilterProgram, 1);

    program->chains = g_ptr_array_new_with_free_func(chain_free);
    program->servers = g_ptr_array_new_with_free_func(g_free);
    find_chain(program, "root", 0);
    return program;
}

void filter_program_free(FilterProgram *program)
{
    if (!program)
        return;
    g_ptr_array_unref(program->chains);
    g_ptr_array_unref(program->servers);
    g_free(program);
}

/* ---- variables ---- */

/* Values of @name as @parameters say; empty: they do not. Borrowed texts. */
static GPtrArray *values_in(const GPtrArray *parameters, const char *name)
{
    GPtrArray *values = g_ptr_array_new();

    for (guint i = 0; parameters && i < parameters->len; i++) {
        const FilterParameter *parameter = g_ptr_array_index(parameters, i);
        if (strcmp(parameter->name, name) == 0)
            g_ptr_array_add(values, parameter->value);
    }
    return values;
}

/* NULL: nobody says. Owned, with texts of its own. */
static GPtrArray *find_values(const Scope *scope, const char *name)
{
    GPtrArray *values = scope->outer ? find_values(scope->outer, name) : NULL;

    if (values)
        return values;
    g_autoptr(GPtrArray) own = values_in(scope->parameters, name);
    if (own->len == 0)
        return NULL;
    values = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < own->len; i++)
        g_ptr_array_add(values, g_strdup(g_ptr_array_index(own, i)));
    return values;
}

static GPtrArray *learned_values(const GArray *learned)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; learned && i < learned->len; i++) {
        char text[IP_STRING_LEN];
        ip_format(&g_array_index(learned, FilterAddress, i).ip, text);
        g_ptr_array_add(values, g_strdup(text));
    }
    return values;
}

static GPtrArray *one_value(char *text /* owned */)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(values, text);
    return values;
}

/* Of a variable, as it is written without the '$'; NULL, and noted: it has no value. Owned. */
static GPtrArray *resolve(Expansion *expansion, const Scope *scope, const char *name)
{
    char mac[MAC_STRING_LEN];

    if (strcmp(name, "MAC") == 0) {
        mac_format(&expansion->binding->mac, mac);
        return one_value(g_strdup(mac));
    }
    GPtrArray *values = find_values(scope, name);
    if (!values && strcmp(name, "IP") == 0 && expansion->program->mode != FILTER_LEARN_NONE) {
        expansion->program->learns = true;
        values = learned_values(expansion->learned);
    }
    return values;
}

static void note_missing(Expansion *expansion, const char *name, int iterator, uint32_t index)
{
    g_autofree char *text = iterator < 0   ? g_strdup_printf("%s[%u]", name, index)
                            : iterator > 0 ? g_strdup_printf("%s[@%d]", name, iterator)
                                           : g_strdup(name);

    for (guint i = 0; i < expansion->missing->len; i++) {
        if (strcmp(g_ptr_array_index(expansion->missing, i), text) == 0)
            return;
    }
    g_ptr_array_add(expansion->missing, g_steal_pointer(&text));
}

/* ---- one rule ---- */

typedef struct Column { /* an attribute with all its values */
    const FilterMatch *match;
    int iterator;      /* -1: it has one value */
    GPtrArray *values; /* char * */
} Column;

static void column_free(void *data)
{
    Column *column = data;

    g_ptr_array_unref(column->values);
    g_free(column);
}

/* NULL: the attribute says nothing, as what is not among no addresses. *ret_never: the rule fits no frame. */
static Column *make_column(Expansion *expansion, const Scope *scope, const FilterMatch *match,
                           bool *ret_never)
{
    g_autofree char *name = NULL;
    GPtrArray *values = NULL;
    int iterator = -1;
    uint32_t index = 0;

    if (*match->value != '$' || match->attr == FILTER_COMMENT) {
        values = one_value(g_strdup(match->value));
    } else if (!filter_parse_variable(match->value, &name, &iterator, &index)) {
        g_assert_not_reached(); /* the document was read */
    } else {
        values = resolve(expansion, scope, name);
        const bool is_there = values && (iterator >= 0 || index < values->len);
        if (!is_there && !(values && values->len == 0))
            note_missing(expansion, name, iterator, index);
        if (!is_there || values->len == 0) {
            g_clear_pointer(&values, g_ptr_array_unref);
            *ret_never = *ret_never || !match->negated;
            return NULL;
        }
        if (iterator < 0) {
            GPtrArray *one = one_value(g_strdup(g_ptr_array_index(values, index)));
            g_ptr_array_unref(values);
            values = one;
        }
    }
    Column *column = g_new(Column, 1);
    *column = (Column){ .match = match, .iterator = iterator, .values = values };
    return column;
}

typedef struct Iterator {
    int id;
    guint count, at;
} Iterator;

static Iterator *find_iterator(GArray *iterators, int id)
{
    for (guint i = 0; i < iterators->len; i++) {
        if (g_array_index(iterators, Iterator, i).id == id)
            return &g_array_index(iterators, Iterator, i);
    }
    return NULL;
}

static bool gather_iterators(const GPtrArray *columns, GArray *iterators, Error **err)
{
    for (guint i = 0; i < columns->len; i++) {
        const Column *column = g_ptr_array_index(columns, i);
        const Iterator *known = find_iterator(iterators, column->iterator);
        const Iterator made = { .id = column->iterator, .count = column->values->len };
        if (column->iterator < 0)
            continue;
        if (known && known->count != made.count)
            return error_set(err, ERROR_INTERNAL,
                             "Cardinality of list items must be the same for processing them in parallel");
        if (!known)
            g_array_append_val(iterators, made);
    }
    return true;
}

static bool add_rule(Expansion *expansion, FilterChain *chain, const FilterItem *item,
                     const GPtrArray *columns, GArray *iterators, Error **err)
{
    const unsigned family = item->protocol == FILTER_ANY ? 0 : filter_protocols[item->protocol].family;

    if (expansion->program->n_rules++ >= FILTER_RULES_MAX)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "filter '%s' makes more than %d rules of one interface", expansion->binding->filter,
                         FILTER_RULES_MAX);
    FilterRule *rule = g_new(FilterRule, 1);
    *rule = (FilterRule){ .item = item, .values = g_ptr_array_new_with_free_func(value_free) };
    guint at = chain->rules->len; /* later ones of the same priority come later */
    while (at > 0 &&
           ((const FilterRule *)g_ptr_array_index(chain->rules, at - 1))->item->priority > item->priority)
        at--;
    g_ptr_array_insert(chain->rules, (int)at, rule);
    for (guint i = 0; i < columns->len; i++) {
        const Column *column = g_ptr_array_index(columns, i);
        const Iterator *iterator = column->iterator < 0 ? NULL : find_iterator(iterators, column->iterator);
        const char *text = g_ptr_array_index(column->values, iterator ? iterator->at : 0);
        FilterValue *value = g_new0(FilterValue, 1);
        *value = (FilterValue){ .attr = column->match->attr, .negated = column->match->negated };
        g_ptr_array_add(rule->values, value);
        if (*text == '$' && value->attr != FILTER_COMMENT)
            return error_set(err, ERROR_INTERNAL, "'%s' cannot be the value of a variable", text);
        if (!filter_read_value(column->match->attr, family, text, &value->text))
            return error_set(err, ERROR_INTERNAL, "filter '%s': '%s' is no value for what %s asks for",
                             expansion->binding->filter, text, column->match->value);
    }
    return true;
}

/* Counts on; false: that was the last combination. */
static bool next_combination(GArray *iterators)
{
    for (guint i = 0; i < iterators->len; i++) {
        Iterator *iterator = &g_array_index(iterators, Iterator, i);
        if (++iterator->at < iterator->count)
            return true;
        iterator->at = 0;
    }
    return false;
}

static bool expand_rule(Expansion *expansion, const Scope *scope, FilterChain *chain, const FilterItem *item,
                        Error **err)
{
    g_autoptr(GPtrArray) columns = g_ptr_array_new_with_free_func(column_free);
    g_autoptr(GArray) iterators = g_array_new(FALSE, TRUE, sizeof(Iterator));
    bool never = false;

    for (guint i = 0; item->matches && i < item->matches->len; i++) {
        Column *column = make_column(expansion, scope, g_ptr_array_index(item->matches, i), &never);
        if (column)
            g_ptr_array_add(columns, column);
    }
    if (never)
        return true;
    if (!gather_iterators(columns, iterators, err))
        return false;
    do {
        if (!add_rule(expansion, chain, item, columns, iterators, err))
            return false;
    } while (next_combination(iterators));
    return true;
}

/* ---- the tree ---- */

static bool expand_filter(Expansion *expansion, const Scope *scope, const char *name, unsigned depth,
                          Error **err)
{
    const FilterDef *def = expansion->find(expansion->arg, name);

    if (!def)
        return error_set(err, ERROR_INTERNAL, "referenced filter '%s' is missing", name);
    if (depth >= DEPTH_MAX || ++expansion->n_visits > VISITS_MAX)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "the filters below '%s' are too many or too deep",
                         expansion->binding->filter);
    FilterChain *chain = find_chain(expansion->program, def->chain, def->priority);
    for (guint i = 0; def->items && i < def->items->len; i++) {
        const FilterItem *item = g_ptr_array_index(def->items, i);
        const Scope inner = { .outer = scope, .parameters = item->parameters };
        if (item->filter ? !expand_filter(expansion, &inner, item->filter, depth + 1, err)
                         : !expand_rule(expansion, scope, chain, item, err))
            return false;
    }
    return true;
}

static bool read_mode(const FilterBindingDef *def, FilterLearnMode *ret_mode, Error **err)
{
    static const char *const names[FILTER_LEARN_MODE_COUNT] = { "any", "dhcp", "none" };
    g_autoptr(GPtrArray) values = values_in(def->parameters, "CTRL_IP_LEARNING");

    *ret_mode = FILTER_LEARN_ANY;
    if (values->len == 0)
        return true;
    for (FilterLearnMode mode = 0; mode < FILTER_LEARN_MODE_COUNT; mode++) {
        if (g_ascii_strcasecmp(names[mode], g_ptr_array_index(values, 0)) == 0) {
            *ret_mode = mode;
            return true;
        }
    }
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "filter '%s' learning value '%s' invalid.", def->filter,
                     (const char *)g_ptr_array_index(values, 0));
}

bool filter_expand(const FilterBindingDef *def, const GArray *learned, FilterFind find, void *arg,
                   FilterProgram **ret_program, Error **err)
{
    g_autoptr(FilterProgram) program = program_new();
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) servers = values_in(def->parameters, "DHCPSERVER");
    const Scope scope = { .parameters = def->parameters };
    Expansion expansion = {
        .program = program, .find = find, .arg = arg, .binding = def, .learned = learned, .missing = missing
    };

    if (!read_mode(def, &program->mode, err) || !expand_filter(&expansion, &scope, def->filter, 0, err))
        return false;
    if (missing->len > 0) {
        g_ptr_array_add(missing, NULL);
        g_autofree char *names = g_strjoinv(", ", (char **)missing->pdata);
        return error_set(err, ERROR_INTERNAL,
                         "Cannot instantiate filter due to unresolvable variables or unavailable list "
                         "elements: %s",
                         names);
    }
    for (guint i = 0; i < servers->len; i++)
        g_ptr_array_add(program->servers, g_strdup(g_ptr_array_index(servers, i)));
    *ret_program = g_steal_pointer(&program);
    return true;
}

static bool tree_has(const FilterDef *def, const char *name, FilterFind find, void *arg, unsigned depth,
                     GHashTable *seen)
{
    for (guint i = 0; depth < DEPTH_MAX && def->items && i < def->items->len; i++) {
        const FilterItem *item = g_ptr_array_index(def->items, i);
        if (!item->filter || !g_hash_table_add(seen, item->filter))
            continue;
        const FilterDef *below = find(arg, item->filter);
        if (strcmp(item->filter, name) == 0 || (below && tree_has(below, name, find, arg, depth + 1, seen)))
            return true;
    }
    return false;
}

bool filter_tree_has(const FilterDef *def, const char *name, FilterFind find, void *arg)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    return tree_has(def, name, find, arg, 0, seen);
}
