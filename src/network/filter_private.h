/* The inside of filters, for the files of this room. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/ip.h"
#include "core/host_private.h"
#include "core/object_class.h"
#include "network/filter.h"
#include "network/filter_learn.h"

typedef struct Filter {
    OBJECT_BASE(FilterDef);
} Filter;

typedef struct FilterAddress { /* that was learned */
    IpAddress ip;
    int64_t expiry_s; /* since 1970; 0: never */
} FilterAddress;
#define FILTER_ADDRESSES_MAX 16

typedef struct FilterBinding {
    OBJECT_BASE(FilterBindingDef);
    bool is_applied; /* its rules are in the kernel */
    unsigned n_rules, coming_rules;
    FilterBindingDef *wanted; /* about to become live; borrowed */
    GArray *learned;          /* FilterAddress: of IPv4 */
    GArray *ip6;              /* FilterAddress: of a machine in groups; expiry_s: when it was last seen */
    FilterLearnMode mode;
    FilterLearner *learner; /* NULL: nothing is to be learned (any more) */
    FilterLearner *ip6_learner;
    sd_event_source *expiry;      /* of the address that goes first */
    bool is_unstored;             /* what was learned is not in its file yet */
    bool is_stale, is_refreshing; /* its rules are to be made again */
    uint64_t refreshed_ms;
} FilterBinding;

/* What the room keeps for all filters. */
struct FilterRoom {
    bool is_busy; /* somebody changes rules */
    WaitQueue turn;
    GHashTable *names; /* of chains and sets in the kernel's table; NULL: not known */
    bool has_probed, has_tracking, has_reject;
    bool is_checking, rules_are_lost;
    bool is_refreshing, groups_are_stale; /* filter_group_refresh() */
    uint64_t changed_ms;                  /* when we last changed rules */
};

/* ---- from documents to rules (filter_expand.c) ---- */

typedef struct FilterValue {
    FilterAttrId attr;
    bool negated;
    char *text; /* checked */
} FilterValue;
typedef struct FilterRule { /* one rule with values for its variables */
    const FilterItem *item; /* borrowed from the definition */
    GPtrArray *values;      /* FilterValue */
} FilterRule;
typedef struct FilterChain {
    char *name;
    int priority;
    GPtrArray *rules; /* FilterRule, by priority */
} FilterChain;
typedef struct FilterProgram {
    GPtrArray *chains; /* FilterChain; the first is "root", the others by priority */
    unsigned n_rules;
    bool learns; /* it needs addresses that nobody told */
    FilterLearnMode mode;
    GPtrArray *servers; /* DHCPSERVER: char * */
} FilterProgram;
#define FILTER_RULES_MAX 16384 /* of one interface */

/* Who knows filters by name; NULL: there is none. */
typedef const FilterDef *(*FilterFind)(void *arg, const char *name);
/* Of @def, with @learned (FilterAddress) as what is known of its guest. */
MUST_CHECK bool filter_expand(const FilterBindingDef *def, const GArray *learned, FilterFind find, void *arg,
                              FilterProgram **ret_program, Error **err);
void filter_program_free(FilterProgram *program);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FilterProgram, filter_program_free)
/* Does the tree of @def contain a filter @name? */
bool filter_tree_has(const FilterDef *def, const char *name, FilterFind find, void *arg);

/* ---- rules as text (filter_nft.c) ---- */

#define FILTER_TABLE "lodge_filter"
typedef struct FilterScript {
    bool has_tracking, has_reject; /* what the kernel can do in bridges */
    GString *chains, *rules, *elements;
    GHashTable *names; /* of the chains and sets that it makes; owned */
    GHashTable *gone;  /* what those of ports that are removed begin with; owned */
    unsigned n_rules;
} FilterScript;
FilterScript *filter_script_new(bool has_tracking, bool has_reject);
void filter_script_free(FilterScript *script);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FilterScript, filter_script_free)
/* ERROR_CONFIG_UNSUPPORTED  a rule that cannot be made */
MUST_CHECK bool filter_script_add(FilterScript *script, const char *port, const FilterProgram *program,
                                  Error **err);
/* In place of a program: nothing passes. Returns the number of rules. */
unsigned filter_script_close(FilterScript *script, const char *port);
void filter_script_remove(FilterScript *script, const char *port); /* its rules go */
/* The whole as one transaction: of @known (names in the kernel; NULL: none), those of ports that the script
 * is about, or all (@is_whole), go if the script does not make them. */
char *filter_script_text(const FilterScript *script, const GHashTable *known, bool is_whole);
/* It was carried out: makes @known what is in the kernel now. */
void filter_script_remember(const FilterScript *script, GHashTable *known, bool is_whole);
#define FILTER_TABLE_RULES 4 /* that lead to the ports' own */

/* ---- rules in the kernel (filter_rules.c) ---- */

/* One change at a time. true: it is ours until filter_rules_end(). */
AWAITS MUST_CHECK bool filter_rules_begin(Host *host, Error **err);
void filter_rules_end(Host *host);
/* Makes the rules of @bindings (FilterBinding), with @coming (NULL: none) in place of the filter of its name,
 * in one transaction. The old ones stay if that fails. Between begin and end. */
AWAITS MUST_CHECK bool filter_rules_apply(Host *host, const GPtrArray *bindings, const FilterDef *coming,
                                          Error **err);
AWAITS MUST_CHECK bool filter_rules_remove(Host *host, FilterBinding *binding, Error **err);
/* Those of all bindings that had some, whatever is in the kernel; one whose filter went lets nothing pass. */
AWAITS MUST_CHECK bool filter_rules_rebuild(Host *host, Error **err);

/* ---- bindings (filter_binding.c) ---- */

/* What is to be done for @binding: its definition, or the one that is about to be. */
const FilterBindingDef *filter_binding_def(const FilterBinding *binding);

AWAITS void filter_load_bindings(Host *host);
/* Of all bindings: nothing else may speak of an address that the next daemon would not know. */
AWAITS void filter_bindings_store_learned(Host *host);
/* After its rules were made: listens for addresses if it has to. */
void filter_binding_listen(FilterBinding *binding, const FilterProgram *program);
