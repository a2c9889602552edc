/* What other rule sets do with a packet of a guest, found out by walking their chains. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/others.h"

#include <string.h>

#include "base/log.h"
#include "network/dnsmasq.h"
#include "network/program.h"

#define DEPTH_MAX 16 /* chains that jump to chains, as the kernel has it */
#define STEPS_MAX 200000
#define OUR_TABLES "lodge_"

/* ---- the rule set by chains ---- */

typedef struct Chain {
    const char *family, *table, *name, *hook, *policy; /* hook NULL: no base chain */
    GPtrArray *rules;                                  /* of Json: each one's expr */
    GArray *handles;                                   /* of int64_t, beside them */
} Chain;

typedef struct Ruleset {
    GHashTable *chains; /* "family table name" -> Chain */
} Ruleset;

static void chain_free(void *data)
{
    Chain *chain = data;

    g_ptr_array_unref(chain->rules);
    g_array_unref(chain->handles);
    g_free(chain);
}

static char *chain_key(const char *family, const char *table, const char *name)
{
    return g_strdup_printf("%s %s %s", family ? family : "", table ? table : "", name ? name : "");
}

static void take_chain(Ruleset *set, const Json *said)
{
    Chain *chain = g_new0(Chain, 1);

    *chain = (Chain){ .family = json_get_str(said, "family"),
                      .table = json_get_str(said, "table"),
                      .name = json_get_str(said, "name"),
                      .hook = json_get_str(said, "hook"),
                      .policy = json_get_str(said, "policy"),
                      .rules = g_ptr_array_new(),
                      .handles = g_array_new(FALSE, FALSE, sizeof(int64_t)) };
    if (g_strcmp0(json_get_str(said, "type"), "filter") != 0)
        chain->hook = NULL;
    g_hash_table_replace(set->chains, chain_key(chain->family, chain->table, chain->name), chain);
}

static void take_rule(Ruleset *set, const Json *said)
{
    g_autofree char *key =
        chain_key(json_get_str(said, "family"), json_get_str(said, "table"), json_get_str(said, "chain"));
    Chain *chain = g_hash_table_lookup(set->chains, key);
    Json *expr = json_object_get(said, "expr");
    const int64_t handle = json_integer_value(json_object_get(said, "handle"));

    if (!chain || !json_is_array(expr))
        return;
    g_ptr_array_add(chain->rules, expr);
    g_array_append_val(chain->handles, handle);
}

static void ruleset_init(Ruleset *set, const Json *said)
{
    const Json *items = json_object_get(said, "nftables");

    set->chains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, chain_free);
    for (unsigned pass = 0; pass < 2; pass++) { /* chains come before their rules, but who knows */
        for (size_t i = 0; i < json_array_size(items); i++) {
            const Json *item = json_array_get(items, i);
            const Json *chain = json_object_get(item, "chain"), *rule = json_object_get(item, "rule");
            if (pass == 0 && chain)
                take_chain(set, chain);
            if (pass == 1 && rule)
                take_rule(set, rule);
        }
    }
}

/* ---- a packet ---- */

typedef struct Packet {
    const char *iif;      /* it comes from there; where it goes nobody knows yet */
    const char *protocol; /* "udp" */
    unsigned dport;
    const char *nfproto; /* "ipv4" */
    unsigned steps;
} Packet;

typedef enum Verdict { VERDICT_NONE, VERDICT_ACCEPT, VERDICT_DROP, VERDICT_RETURN } Verdict;
typedef enum Answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN } Answer;

static bool name_fits(const char *pattern, const char *name)
{
    const size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

/* Is the value among what @right says: a value, a list, a set or a range? */
static bool is_among(const Json *right, const char *text, int64_t number)
{
    const Json *range = json_object_get(right, "range");
    const Json *list = json_is_array(right) ? right : json_object_get(right, "set");

    if (json_is_string(right))
        return text ? name_fits(json_string_value(right), text) : false;
    if (json_is_integer(right))
        return !text && json_integer_value(right) == number;
    if (range)
        return !text && number >= json_integer_value(json_array_get(range, 0)) &&
               number <= json_integer_value(json_array_get(range, 1));
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (is_among(json_array_get(list, i), text, number))
            return true;
    }
    return false;
}

/* The packet's value of what a match looks at. false: not known. */
static bool packet_value(const Packet *packet, const Json *left, const char **ret_text, int64_t *ret_number)
{
    const Json *meta = json_object_get(left, "meta"), *ct = json_object_get(left, "ct");
    const Json *payload = json_object_get(left, "payload");
    const char *key = json_get_str(meta ? meta : ct, "key");

    *ret_text = NULL;
    if (meta && (g_strcmp0(key, "iifname") == 0 || g_strcmp0(key, "iif") == 0))
        *ret_text = packet->iif;
    else if (meta && (g_strcmp0(key, "oifname") == 0 || g_strcmp0(key, "oif") == 0))
        *ret_text = ""; /* none that a rule would name */
    else if (meta && g_strcmp0(key, "nfproto") == 0)
        *ret_text = packet->nfproto;
    else if ((meta && g_strcmp0(key, "l4proto") == 0) ||
             (payload && g_strcmp0(json_get_str(payload, "field"), "protocol") == 0))
        *ret_text = packet->protocol;
    else if (ct && g_strcmp0(key, "state") == 0)
        *ret_text = "new";
    else if (payload && g_strcmp0(json_get_str(payload, "field"), "dport") == 0)
        *ret_number = g_strcmp0(json_get_str(payload, "protocol"), packet->protocol) == 0 ||
                              g_strcmp0(json_get_str(payload, "protocol"), "th") == 0
                          ? (int64_t)packet->dport
                          : -1;
    else
        return false;
    return true;
}

static Answer match_answer(const Packet *packet, const Json *match)
{
    const char *op = json_get_str(match, "op");
    const Json *right = json_object_get(match, "right");
    const char *text = NULL;
    int64_t number = 0;

    if (!packet_value(packet, json_object_get(match, "left"), &text, &number) || !op)
        return ANSWER_UNKNOWN;
    const bool is_among_them = is_among(right, text, number);
    if (strcmp(op, "==") == 0 || strcmp(op, "in") == 0)
        return is_among_them ? ANSWER_YES : ANSWER_NO;
    if (strcmp(op, "!=") == 0)
        return is_among_them ? ANSWER_NO : ANSWER_YES;
    return ANSWER_UNKNOWN;
}

static Verdict walk_chain(const Ruleset *set, const Chain *chain, Packet *packet, unsigned depth);

static Verdict jump(const Ruleset *set, const Chain *from, const Json *to, Packet *packet, unsigned depth,
                    bool is_goto)
{
    g_autofree char *key = chain_key(from->family, from->table, json_get_str(to, "target"));
    const Chain *chain = g_hash_table_lookup(set->chains, key);
    const Verdict verdict =
        chain && depth < DEPTH_MAX ? walk_chain(set, chain, packet, depth + 1) : VERDICT_NONE;

    if (verdict != VERDICT_NONE && verdict != VERDICT_RETURN)
        return verdict;
    return is_goto ? VERDICT_RETURN : VERDICT_NONE;
}

/* A statement that ends the rule; VERDICT_NONE: it goes on. */
static Verdict statement_verdict(const Ruleset *set, const Chain *chain, const Json *statement,
                                 Packet *packet, unsigned depth)
{
    if (json_object_get(statement, "accept") || json_object_get(statement, "queue"))
        return VERDICT_ACCEPT;
    if (json_object_get(statement, "drop") || json_object_get(statement, "reject"))
        return VERDICT_DROP;
    if (json_object_get(statement, "return"))
        return VERDICT_RETURN;
    const Json *jumps = json_object_get(statement, "jump"), *goes = json_object_get(statement, "goto");
    return jumps || goes ? jump(set, chain, jumps ? jumps : goes, packet, depth, goes != NULL) : VERDICT_NONE;
}

/* The verdict that a map has for the packet's value. */
static Verdict map_verdict(const Ruleset *set, const Chain *chain, const Json *map, Packet *packet,
                           unsigned depth)
{
    const Json *pairs = json_object_get(json_object_get(map, "data"), "set");
    const char *text = NULL;
    int64_t number = 0;

    if (!packet_value(packet, json_object_get(map, "key"), &text, &number))
        return VERDICT_NONE;
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const Json *pair = json_array_get(pairs, i);
        if (is_among(json_array_get(pair, 0), text, number))
            return statement_verdict(set, chain, json_array_get(pair, 1), packet, depth);
    }
    return VERDICT_NONE;
}

/* A rule counts if all that it asks is known and so. */
static Verdict rule_verdict(const Ruleset *set, const Chain *chain, const Json *expr, Packet *packet,
                            unsigned depth)
{
    for (size_t i = 0; i < json_array_size(expr); i++) {
        const Json *statement = json_array_get(expr, i);
        const Json *match = json_object_get(statement, "match"), *map = json_object_get(statement, "vmap");
        if (match && match_answer(packet, match) != ANSWER_YES)
            return VERDICT_NONE;
        if (json_object_get(statement, "xt") || json_object_get(statement, "limit"))
            return VERDICT_NONE; /* matches of iptables that nft does not translate */
        const Verdict verdict = map ? map_verdict(set, chain, map, packet, depth)
                                    : statement_verdict(set, chain, statement, packet, depth);
        if (verdict != VERDICT_NONE)
            return verdict;
    }
    return VERDICT_NONE;
}

static Verdict walk_chain(const Ruleset *set, const Chain *chain, Packet *packet, unsigned depth)
{
    for (guint i = 0; i < chain->rules->len && packet->steps < STEPS_MAX; i++) {
        packet->steps++;
        const Verdict verdict = rule_verdict(set, chain, g_ptr_array_index(chain->rules, i), packet, depth);
        if (verdict != VERDICT_NONE)
            return verdict;
    }
    return VERDICT_NONE;
}

static bool drops(const Ruleset *set, const Chain *chain, Packet packet)
{
    const Verdict verdict = walk_chain(set, chain, &packet, 0);

    return verdict == VERDICT_DROP ||
           ((verdict == VERDICT_NONE || verdict == VERDICT_RETURN) && g_strcmp0(chain->policy, "drop") == 0);
}

/* ---- whose chain it is, and where its owner's rules go ---- */

/* Chains that programs keep for the rules of their owner. */
static const struct {
    const char *owner, *hook, *chain;
} places[] = { { "Docker", "forward", "DOCKER-USER" },
               { "ufw", "forward", "ufw-user-forward" },
               { "ufw", "input", "ufw-user-input" },
               { "ufw", "forward", "ufw6-user-forward" },
               { "ufw", "input", "ufw6-user-input" } };

static bool ruleset_has(const Ruleset *set, const Chain *beside, const char *name)
{
    g_autofree char *key = chain_key(beside->family, beside->table, name);

    return g_hash_table_contains(set->chains, key);
}

/* The rules that let the packet through. @chain: of theirs. */
static char *script_for(const Chain *base, const char *chain, const char *bridge, const Packet *packet)
{
    GString *out = g_string_new(NULL);

    if (strcmp(base->hook, "input") == 0) {
        g_string_append_printf(out, "insert rule %s %s %s iifname \"%s\" %s dport %u counter accept\n",
                               base->family, base->table, chain, bridge, packet->protocol, packet->dport);
        return g_string_free(out, FALSE);
    }
    /* What comes back, too: our own table looks at it. */
    g_string_append_printf(out, "insert rule %s %s %s iifname \"%s\" counter accept\n", base->family,
                           base->table, chain, bridge);
    g_string_append_printf(out, "insert rule %s %s %s oifname \"%s\" counter accept\n", base->family,
                           base->table, chain, bridge);
    return g_string_free(out, FALSE);
}

static char *command_of(const char *script)
{
    g_auto(GStrv) lines = g_strsplit(g_strchomp((char *)script), "\n", -1);
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; lines[i]; i++)
        g_string_append_printf(out, "%snft '%s'", i ? "; " : "", lines[i]);
    return g_string_free(out, FALSE);
}

static bool rule_is_about(const Json *expr, const char *bridge)
{
    bool is_about = false, accepts = false;

    for (size_t i = 0; i < json_array_size(expr); i++) {
        const Json *statement = json_array_get(expr, i);
        const Json *match = json_object_get(statement, "match");
        const char *key = json_get_str(json_object_get(json_object_get(match, "left"), "meta"), "key");
        is_about = is_about || (match && (g_strcmp0(key, "iifname") == 0 || g_strcmp0(key, "oifname") == 0) &&
                                g_strcmp0(json_string_value(json_object_get(match, "right")), bridge) == 0);
        accepts = accepts || json_object_get(statement, "accept");
    }
    return is_about && accepts;
}

/* Rules of ours that are there and do not help would be added for ever. */
static bool is_there_already(const Ruleset *set, const Chain *base, const char *place, const Packet *packet)
{
    g_autofree char *key = chain_key(base->family, base->table, place);
    const Chain *chain = g_hash_table_lookup(set->chains, key);

    for (guint i = 0; chain && i < chain->rules->len; i++) {
        Packet copy = *packet;
        const Json *expr = g_ptr_array_index(chain->rules, i);
        if (rule_is_about(expr, packet->iif) && rule_verdict(set, chain, expr, &copy, 0) == VERDICT_ACCEPT)
            return true;
    }
    return false;
}

/* Does any rule of the table name the bridge? */
static bool table_knows(const Ruleset *set, const Chain *base, const char *bridge)
{
    GHashTableIter iter;
    void *value = NULL;

    g_hash_table_iter_init(&iter, set->chains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Chain *chain = value;
        for (guint i = 0; g_strcmp0(chain->table, base->table) == 0 && i < chain->rules->len; i++) {
            const Json *expr = g_ptr_array_index(chain->rules, i);
            for (size_t k = 0; k < json_array_size(expr); k++) {
                const Json *match = json_object_get(json_array_get(expr, k), "match");
                if (g_strcmp0(json_string_value(json_object_get(match, "right")), bridge) == 0)
                    return true;
            }
        }
    }
    return false;
}

static OtherFinding *make_finding(const Ruleset *set, const Chain *base, const NetworkDef *def,
                                  const Packet *packet, const char *what)
{
    OtherFinding *finding = g_new0(OtherFinding, 1);
    const char *place = NULL;

    finding->chain = chain_key(base->family, base->table, base->name);
    finding->what = what;
    if (strcmp(base->table, "firewalld") == 0) {
        finding->owner = g_strdup("firewalld");
        finding->by_tool = !table_knows(set, base, def->bridge);
        finding->command = g_strdup_printf("firewall-cmd --zone=%s --change-interface=%s",
                                           def->zone ? def->zone : "trusted", def->bridge);
        return finding;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(places) && !place; i++) {
        if (strcmp(places[i].hook, base->hook) == 0 && ruleset_has(set, base, places[i].chain)) {
            place = places[i].chain;
            finding->owner = g_strdup(places[i].owner);
        }
    }
    if (place && is_there_already(set, base, place, packet))
        place = NULL;
    g_autofree char *script = script_for(base, place ? place : base->name, def->bridge, packet);
    finding->command = command_of(script);
    if (place)
        finding->script = g_steal_pointer(&script);
    return finding;
}

static void finding_free(void *data)
{
    OtherFinding *finding = data;

    g_free(finding->chain);
    g_free(finding->owner);
    g_free(finding->script);
    g_free(finding->command);
    g_free(finding);
}

static bool family_fits(const Chain *chain, bool has_v4, bool has_v6)
{
    return (has_v4 && (g_strcmp0(chain->family, "ip") == 0 || g_strcmp0(chain->family, "inet") == 0)) ||
           (has_v6 && g_strcmp0(chain->family, "ip6") == 0);
}

static bool is_ours(const Chain *chain)
{
    return !chain->table || g_str_has_prefix(chain->table, OUR_TABLES);
}

static bool has_family(const NetworkDef *def, bool is_v6)
{
    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        if (network_ip_is_v6(g_ptr_array_index(def->ips, i)) == is_v6)
            return true;
    }
    return false;
}

static int compare_chains(const void *a, const void *b)
{
    const Chain *left = *(Chain *const *)a, *right = *(Chain *const *)b;
    const int by_table = g_strcmp0(left->table, right->table);

    return by_table ? by_table : g_strcmp0(left->name, right->name);
}

GPtrArray *others_find(const Json *said, const NetworkDef *def)
{
    const bool leads_out =
        def->forward == NETWORK_NAT || def->forward == NETWORK_ROUTE || def->forward == NETWORK_OPEN;
    const bool has_dns = dnsmasq_is_wanted(def);
    const struct {
        const char *hook, *protocol, *what;
        unsigned dport;
        bool counts;
    } packets[] = { { "input", "udp", "requests for addresses (DHCP)", 67, has_dns },
                    { "input", "udp", "questions for names (DNS)", 53, has_dns },
                    { "forward", "tcp", "packets to other networks", 443, leads_out } };
    GPtrArray *findings = g_ptr_array_new_with_free_func(finding_free);
    g_autoptr(GPtrArray) chains = g_ptr_array_new();
    Ruleset set = { 0 };
    GHashTableIter iter;
    void *value = NULL;

    if (!NETWORK_HAS_OWN_BRIDGE(def->forward) || !def->bridge)
        return findings;
    ruleset_init(&set, said);
    g_hash_table_iter_init(&iter, set.chains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Chain *chain = value;
        if (chain->hook && !is_ours(chain) &&
            family_fits(chain, has_family(def, false), has_family(def, true)))
            g_ptr_array_add(chains, value);
    }
    g_ptr_array_sort(chains, compare_chains);
    for (guint i = 0; i < chains->len; i++) {
        const Chain *chain = g_ptr_array_index(chains, i);
        for (unsigned k = 0; k < G_N_ELEMENTS(packets); k++) {
            const Packet packet = { .iif = def->bridge,
                                    .protocol = packets[k].protocol,
                                    .dport = packets[k].dport,
                                    .nfproto = strcmp(chain->family, "ip6") == 0 ? "ipv6" : "ipv4" };
            if (packets[k].counts && strcmp(chain->hook, packets[k].hook) == 0 && drops(&set, chain, packet))
                g_ptr_array_add(findings, make_finding(&set, chain, def, &packet, packets[k].what));
        }
    }
    g_hash_table_unref(set.chains);
    return findings;
}

/* ---- our rules in their chains ---- */

char *others_find_own(const Json *said, const NetworkDef *def)
{
    g_autoptr(GString) out = g_string_new(NULL);
    Ruleset set = { 0 };
    GHashTableIter iter;
    void *value = NULL;

    ruleset_init(&set, said);
    g_hash_table_iter_init(&iter, set.chains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Chain *chain = value;
        bool is_place = false;
        for (unsigned i = 0; i < G_N_ELEMENTS(places); i++)
            is_place = is_place || g_strcmp0(places[i].chain, chain->name) == 0;
        for (guint i = 0; is_place && i < chain->rules->len; i++) {
            if (rule_is_about(g_ptr_array_index(chain->rules, i), def->bridge))
                g_string_append_printf(out, "delete rule %s %s %s handle %" G_GINT64_FORMAT "\n",
                                       chain->family, chain->table, chain->name,
                                       g_array_index(chain->handles, int64_t, i));
        }
    }
    g_hash_table_unref(set.chains);
    return out->len ? g_strdup(out->str) : NULL;
}

/* ---- doing it ---- */

static bool item_is_ours(const Json *item)
{
    const char *const kinds[] = { "table", "chain", "rule", "set", "map" };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        const Json *thing = json_object_get(item, kinds[i]);
        const char *table = json_get_str(thing, i == 0 ? "name" : "table");
        if (table && g_str_has_prefix(table, OUR_TABLES))
            return true;
    }
    return false;
}

/* Without ours: there may be hundreds. */
bool others_read(Json **ret_ruleset, Error **err)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) all = NULL;

    if (!program_run("nft", "nftables", PROGRAM_ARGS("-j", "list", "ruleset"), NULL, &text, err) ||
        !json_parse(text, strlen(text), "nft -j list ruleset", &all, err))
        return false;
    const Json *items = json_object_get(all, "nftables");
    Json *kept = json_array();
    for (size_t i = 0; i < json_array_size(items); i++) {
        Json *item = json_array_get(items, i);
        if (!item_is_ours(item))
            json_array_append(kept, item);
    }
    *ret_ruleset = json_pack("{s:o}", "nftables", kept);
    return true;
}

/* firewalld keeps its rules itself: its tool puts the bridge into a zone. */
AWAITS static bool ask_firewalld(const NetworkDef *def, const char *option, Error **err)
{
    g_autofree char *zone = g_strdup_printf("--zone=%s", def->zone ? def->zone : "trusted");
    g_autofree char *interface = g_strdup_printf("%s=%s", option, def->bridge);

    return program_run("firewall-cmd", "firewalld", PROGRAM_ARGS(zone, interface), NULL, NULL, err);
}

bool others_enter_zone(const NetworkDef *def, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!def->zone || (program_is_there("firewall-cmd") && ask_firewalld(def, "--change-interface", &why)))
        return true;
    if (why && !strstr(error_message(why), "not running"))
        return error_propagate(err, g_steal_pointer(&why));
    error_set(err, ERROR_INTERNAL, "zone %s requested for network %s but firewalld is not active", def->zone,
              def->name);
    return error_hint(err, "start firewalld, or remove the zone from the network's <bridge>");
}

/* Has firewalld its rules here? *ret_knows: one of them is about the bridge. */
static bool find_firewalld(const Json *said, const char *bridge, bool *ret_knows)
{
    Ruleset set = { 0 };
    GHashTableIter iter;
    void *value = NULL;
    bool is_there = false;

    ruleset_init(&set, said);
    g_hash_table_iter_init(&iter, set.chains);
    while (!is_there && g_hash_table_iter_next(&iter, NULL, &value)) {
        is_there = g_strcmp0(((const Chain *)value)->table, "firewalld") == 0;
        *ret_knows = is_there && table_knows(&set, value, bridge);
    }
    g_hash_table_unref(set.chains);
    return is_there;
}

bool others_left_zone(const Json *said, const NetworkDef *def)
{
    bool knows = false;

    return def->zone && find_firewalld(said, def->bridge, &knows) && !knows;
}

AWAITS static bool let_through(const NetworkDef *def, const OtherFinding *finding)
{
    g_autoptr(Error) err = NULL;

    if (finding->by_tool && program_is_there("firewall-cmd")) {
        if (ask_firewalld(def, "--change-interface", &err))
            return true;
        log_warning_error(err, def->name);
        return false;
    }
    if (!finding->script)
        return false;
    if (program_run("nft", "nftables", PROGRAM_ARGS("-f", "-"), finding->script, NULL, &err)) {
        log_info("network '%s': %s drops %s: rules were added to the place that %s has for them", def->name,
                 finding->chain, finding->what, finding->owner);
        return true;
    }
    log_warning_error(err, def->name);
    return false;
}

bool others_let_through(const Json *ruleset, const NetworkDef *def, GPtrArray **ret_findings)
{
    g_autoptr(GPtrArray) remain = g_ptr_array_new_with_free_func(finding_free);
    GPtrArray *found = others_find(ruleset, def);
    bool changed = false;

    g_ptr_array_set_free_func(found, NULL);
    for (guint i = 0; i < found->len; i++) {
        OtherFinding *finding = g_ptr_array_index(found, i);
        if (let_through(def, finding)) {
            finding_free(finding);
            changed = true;
        } else {
            g_ptr_array_add(remain, finding);
        }
    }
    g_ptr_array_unref(found);
    if (ret_findings)
        *ret_findings = g_steal_pointer(&remain);
    return changed;
}

bool others_forget(const Json *ruleset, const NetworkDef *def)
{
    g_autoptr(Error) err = NULL, why = NULL;
    g_autofree char *script = others_find_own(ruleset, def);
    bool in_zone = false;

    if (script && !program_run("nft", "nftables", PROGRAM_ARGS("-f", "-"), script, NULL, &err))
        log_warning_error(err, def->name);
    if (find_firewalld(ruleset, def->bridge, &in_zone) && in_zone && program_is_there("firewall-cmd") &&
        !ask_firewalld(def, "--remove-interface", &why))
        log_warning_error(why, def->name);
    return script || in_zone;
}
