/* The text is read once into rules of numbers and globs; asking them allocates nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/acl.h"

#include <errno.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/units.h"
#include "wire/codec.h"
#include "wire/wire_gen.h"

typedef enum AclWho { ACL_ALL, ACL_USER, ACL_GROUP, ACL_CERT, ACL_SASL } AclWho;

typedef struct AclRule {
    bool allows;
    unsigned line;
    AclWho who;
    uint32_t id; /* of a user or group */
    char *glob;  /* of a name */
    uint64_t perms;
    uint32_t objects; /* bits of WIRE_ACCESS_*; 0: all */
    char *name, *tag, *owner;
} AclRule;

struct Acl {
    GArray *rules; /* of AclRule */
    bool asks_for_labels;
};

G_STATIC_ASSERT(WIRE_PERM_COUNT <= 64 && WIRE_ACCESS_COUNT <= 32);

static void acl_rule_clear(gpointer data)
{
    AclRule *rule = data;

    g_free(rule->glob);
    g_free(rule->name);
    g_free(rule->tag);
    g_free(rule->owner);
}

void acl_free(Acl *acl)
{
    if (!acl)
        return;
    g_array_unref(acl->rules);
    g_free(acl);
}

bool acl_asks_for_labels(const Acl *acl)
{
    return acl->asks_for_labels;
}

/* ---- reading ---- */

static bool acl_find_user(const char *name, uint32_t *ret_id)
{
    const struct passwd *user = getpwnam(name);
    uint64_t number;

    if (!user && !parse_uint(name, &number, NULL))
        return false;
    *ret_id = user ? user->pw_uid : (uint32_t)number;
    return true;
}

static bool acl_find_group(const char *name, uint32_t *ret_id)
{
    const struct group *group = getgrnam(name);
    uint64_t number;

    if (!group && !parse_uint(name, &number, NULL))
        return false;
    *ret_id = group ? group->gr_gid : (uint32_t)number;
    return true;
}

static bool acl_read_who(AclRule *rule, const char *word, Error **err)
{
    const char *name = strchr(word, ':') ? strchr(word, ':') + 1 : NULL;

    if (strcmp(word, "all") == 0)
        return true;
    if (name && g_str_has_prefix(word, "user:")) {
        rule->who = ACL_USER;
        return acl_find_user(name, &rule->id) ||
               error_set(err, ERROR_CONFIG_SYNTAX, "there is no user '%s'", name);
    }
    if (name && g_str_has_prefix(word, "group:")) {
        rule->who = ACL_GROUP;
        return acl_find_group(name, &rule->id) ||
               error_set(err, ERROR_CONFIG_SYNTAX, "there is no group '%s'", name);
    }
    if (name && (g_str_has_prefix(word, "cert:") || g_str_has_prefix(word, "sasl:"))) {
        rule->who = word[0] == 'c' ? ACL_CERT : ACL_SASL;
        rule->glob = g_strdup(name);
        return true;
    }
    return error_set(err, ERROR_CONFIG_SYNTAX,
                     "'%s' says nobody: user:NAME, group:NAME, cert:GLOB, sasl:GLOB or all", word);
}

#define PERM(name) (UINT64_C(1) << WIRE_PERM_##name)
#define USE                                                                                                  \
    (PERM(START) | PERM(STOP) | PERM(SUSPEND) | PERM(RESET) | PERM(HIBERNATE) | PERM(INIT_CONTROL) |         \
     PERM(PM_CONTROL) | PERM(INJECT_NMI) | PERM(SEND_INPUT) | PERM(SCREENSHOT) | PERM(OPEN_GRAPHICS) |       \
     PERM(OPEN_DEVICE))

static bool acl_is_viewing(unsigned perm)
{
    return perm == WIRE_PERM_GETATTR || perm == WIRE_PERM_READ ||
           g_str_has_prefix(wire_perm_names[perm], "search_");
}

static uint64_t acl_find_perms(const char *word)
{
    const bool view = strcmp(word, "view") == 0, use = strcmp(word, "use") == 0,
               all = strcmp(word, "all") == 0;
    uint64_t perms = use ? USE : 0;

    for (unsigned perm = 1; perm < WIRE_PERM_COUNT; perm++) {
        if (all || ((view || use) && acl_is_viewing(perm)) || strcmp(word, wire_perm_names[perm]) == 0)
            perms |= UINT64_C(1) << perm;
    }
    return perms;
}

static bool acl_read_perms(AclRule *rule, const char *words, Error **err)
{
    g_auto(GStrv) list = g_strsplit(words, ",", -1);

    for (char **word = list; *word; word++) {
        const uint64_t perms = acl_find_perms(*word);
        if (!perms)
            return error_set(err, ERROR_CONFIG_SYNTAX, "there is no right '%s'", *word);
        rule->perms |= perms;
    }
    return true;
}

static bool acl_read_objects(AclRule *rule, const char *words, Error **err)
{
    g_auto(GStrv) list = g_strsplit(words, ",", -1);

    for (char **word = list; *word; word++) {
        unsigned object = 1;
        while (object < WIRE_ACCESS_COUNT && strcmp(wire_access_names[object], *word) != 0)
            object++;
        if (object == WIRE_ACCESS_COUNT)
            return error_set(err, ERROR_CONFIG_SYNTAX, "there is no kind of objects '%s'", *word);
        rule->objects |= 1u << object;
    }
    return true;
}

static bool acl_read_condition(AclRule *rule, const char *word, Error **err)
{
    char **field = g_str_has_prefix(word, "name=")    ? &rule->name
                   : g_str_has_prefix(word, "tag=")   ? &rule->tag
                   : g_str_has_prefix(word, "owner=") ? &rule->owner
                                                      : NULL;

    if (!field)
        return strchr(word, '=')
                   ? error_set(err, ERROR_CONFIG_SYNTAX, "'%s' is none of name=, tag=, owner=", word)
                   : acl_read_objects(rule, word, err);
    g_free(*field);
    *field = g_strdup(strchr(word, '=') + 1);
    return true;
}

static bool acl_read_rule(AclRule *rule, char **words, Error **err)
{
    rule->allows = strcmp(words[0], "allow") == 0;
    if (!rule->allows && strcmp(words[0], "deny") != 0)
        return error_set(err, ERROR_CONFIG_SYNTAX, "a rule begins with 'allow' or 'deny', not '%s'",
                         words[0]);
    if (!words[1] || !words[2])
        return error_set(err, ERROR_CONFIG_SYNTAX, "a rule says who, and which rights");
    if (!acl_read_who(rule, words[1], err) || !acl_read_perms(rule, words[2], err))
        return false;
    for (char **word = words + 3; *word; word++) {
        if (!acl_read_condition(rule, *word, err))
            return false;
    }
    return true;
}

static char **acl_split(const char *line)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    g_auto(GStrv) parts = g_strsplit_set(line, " \t\r", -1);

    for (char **part = parts; *part && **part != '#'; part++) {
        if (**part)
            g_strv_builder_add(words, *part);
    }
    return g_strv_builder_end(words);
}

bool acl_parse(const char *path, const char *text, Acl **ret_acl, Error **err)
{
    g_autoptr(Acl) acl = g_new0(Acl, 1);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    acl->rules = g_array_new(FALSE, TRUE, sizeof(AclRule));
    g_array_set_clear_func(acl->rules, acl_rule_clear);
    for (unsigned i = 0; lines[i]; i++) {
        g_auto(GStrv) words = acl_split(lines[i]);
        if (!words[0])
            continue;
        AclRule rule = { .line = i + 1 };
        const bool ok = acl_read_rule(&rule, words, err);
        g_array_append_val(acl->rules, rule);
        if (!ok)
            return error_prefix(err, "%s:%u", path, i + 1);
        acl->asks_for_labels |= rule.tag || rule.owner;
    }
    *ret_acl = g_steal_pointer(&acl);
    return true;
}

/* ---- asking ---- */

static bool acl_is_in_group(const AclSubject *subject, uint32_t gid)
{
    for (size_t i = 0; i < subject->n_gids; i++) {
        if (subject->gids[i] == gid)
            return true;
    }
    return false;
}

static bool acl_is_who(const AclRule *rule, const AclSubject *subject)
{
    switch (rule->who) {
    case ACL_USER:
        return subject->is_local && subject->uid == rule->id;
    case ACL_GROUP:
        return subject->is_local && acl_is_in_group(subject, rule->id);
    case ACL_CERT:
        return subject->tls_name && fnmatch(rule->glob, subject->tls_name, 0) == 0;
    case ACL_SASL:
        return subject->sasl_user && fnmatch(rule->glob, subject->sasl_user, 0) == 0;
    default:
        return true;
    }
}

/* Users of this host own by their number: names are not looked up here. */
static bool acl_owns(const AclSubject *subject, const char *owner)
{
    char number[16];

    g_snprintf(number, sizeof number, "%u", (unsigned)subject->uid);
    return (subject->is_local && strcmp(owner, number) == 0) ||
           (subject->sasl_user && strcmp(owner, subject->sasl_user) == 0) ||
           (subject->tls_name && strcmp(owner, subject->tls_name) == 0);
}

static bool acl_has_word(const char *words, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = words; at && (at = strstr(at, word)); at += len) {
        if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return true;
    }
    return false;
}

static bool acl_is_like(const AclRule *rule, const AclSubject *subject, const AclTarget *target)
{
    if (target->object == WIRE_ACCESS_CONNECT && rule->allows)
        return !(rule->name || rule->tag || rule->owner) || acl_is_viewing(target->perm);
    if (rule->name && (!target->name || fnmatch(rule->name, target->name, 0) != 0))
        return false;
    if (rule->tag && !acl_has_word(target->tags, rule->tag))
        return false;
    if (!rule->owner)
        return true;
    return target->owner && (strcmp(rule->owner, "self") == 0 ? acl_owns(subject, target->owner)
                                                              : strcmp(rule->owner, target->owner) == 0);
}

/* A rule about some kind lets its people look at the host as far as they must, to find those. */
static bool acl_is_about(const AclRule *rule, const AclTarget *target)
{
    return rule->objects == 0 || (rule->objects & (1u << target->object)) ||
           (rule->allows && target->object == WIRE_ACCESS_CONNECT && acl_is_viewing(target->perm));
}

static bool acl_has_perm(const AclRule *rule, const AclTarget *target)
{
    if (rule->perms & (UINT64_C(1) << target->perm))
        return true;
    return rule->allows && target->object == WIRE_ACCESS_CONNECT && acl_is_viewing(target->perm);
}

bool acl_allows(const Acl *acl, const AclSubject *subject, const AclTarget *target, unsigned *ret_line)
{
    *ret_line = 0;
    for (guint i = 0; i < acl->rules->len; i++) {
        const AclRule *rule = &g_array_index(acl->rules, AclRule, i);
        if (acl_has_perm(rule, target) && acl_is_about(rule, target) && acl_is_who(rule, subject) &&
            acl_is_like(rule, subject, target)) {
            *ret_line = rule->line;
            return rule->allows;
        }
    }
    return false;
}
