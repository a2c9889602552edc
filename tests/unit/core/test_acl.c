/* Rules about who may do what: which rule decides, and what is wrong with others. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "core/acl.h"
#include "wire/codec.h"
#include "wire/wire_gen.h"

static const char rules[] = "deny  user:0 delete domain name=web-*\n"
                            "allow user:0 all domain name=web-* # theirs\n"
                            "\n"
                            "allow user:1000 use domain tag=prod\n"
                            "allow user:1000 view,start domain owner=self\n"
                            "allow group:7 search_domains\n"
                            "allow cert:*CN=desk* view storage_pool,storage_vol name=pool/*\n"
                            "allow sasl:a* read_secure domain\n";

static const AclSubject users[] = { { .is_local = true, .uid = 0 }, { .is_local = true, .uid = 1000 } };
static const gid_t groups[] = { 3, 7 };
static const AclSubject member = { .is_local = true, .uid = 5, .gids = groups, .n_gids = 2 };
static const AclSubject desk = { .uid = (uid_t)-1, .tls_name = "O=Lodge,CN=desk1" };
static const AclSubject alice = { .uid = 0, .sasl_user = "alice" };

#define ON(kind, right, ...)                                                                                 \
    {                                                                                                        \
        .object = WIRE_ACCESS_##kind, .perm = WIRE_PERM_##right, __VA_ARGS__                                 \
    }

TEST(the_first_rule_that_fits_decides)
{
    static const struct {
        const AclSubject *who;
        AclTarget target;
        bool allowed;
        unsigned line;
    } cases[] = {
        { &users[0], ON(DOMAIN, DELETE, .name = "web-1"), false, 1 },
        { &users[0], ON(DOMAIN, START, .name = "web-1"), true, 2 },
        { &users[0], ON(DOMAIN, START, .name = "db"), false, 0 },
        { &users[0], ON(DOMAIN, START), false, 0 },
        { &users[0], ON(NETWORK, READ, .name = "web-1"), false, 0 },
        { &users[0], ON(CONNECT, GETATTR), true, 2 }, /* or nobody could connect */
        { &users[0], ON(CONNECT, WRITE), false, 0 },  /* but changes nothing of the host */
        { &users[1], ON(DOMAIN, STOP, .name = "x", .tags = "prod fast"), true, 4 },
        { &users[1], ON(DOMAIN, STOP, .name = "x", .tags = "product"), false, 0 },
        { &users[1], ON(DOMAIN, START, .name = "x", .owner = "1000"), true, 5 },
        { &users[1], ON(DOMAIN, STOP, .name = "x", .owner = "1000"), false, 0 },
        { &users[1], ON(DOMAIN, START, .name = "x", .owner = "1001"), false, 0 },
        { &member, ON(CONNECT, SEARCH_DOMAINS), true, 6 },
        { &member, ON(DOMAIN, READ, .name = "web-1"), false, 0 },
        { &desk, ON(STORAGE_VOL, READ, .name = "pool/a"), true, 7 },
        { &desk, ON(STORAGE_VOL, READ, .name = "other/a"), false, 0 },
        { &alice, ON(DOMAIN, READ_SECURE, .name = "x"), true, 8 },
        { &alice, ON(DOMAIN, START, .name = "web-1"), false, 0 }, /* that number is no user of this host */
    };
    g_autoptr(Acl) acl = NULL;

    check(acl_parse("f", rules, &acl, NULL));
    check(acl_asks_for_labels(acl));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        unsigned line = 99;
        check_case(wire_perm_names[cases[i].target.perm]);
        check_eq(acl_allows(acl, cases[i].who, &cases[i].target, &line), cases[i].allowed);
        check_eq(line, cases[i].line);
    }
}

TEST(rules_that_make_no_sense_are_named_with_their_line)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "\nallow user:0 fly\n", "f:2: there is no right 'fly'" },
        { "permit user:0 all", "f:1: a rule begins with 'allow' or 'deny', not 'permit'" },
        { "allow user:0", "f:1: a rule says who, and which rights" },
        { "allow user:no-such-user all", "f:1: there is no user 'no-such-user'" },
        { "allow group:no-such-group all", "f:1: there is no group 'no-such-group'" },
        { "allow somebody all",
          "f:1: 'somebody' says nobody: user:NAME, group:NAME, cert:GLOB, sasl:GLOB or all" },
        { "allow all all machines", "f:1: there is no kind of objects 'machines'" },
        { "allow all all domain colour=red", "f:1: 'colour=red' is none of name=, tag=, owner=" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(Acl) acl = NULL;
        check_case(cases[i].text);
        check(!acl_parse("f", cases[i].text, &acl, &err));
        check_eq(error_code(err), ERROR_CONFIG_SYNTAX);
        check_str(error_message(err), cases[i].says);
    }
}
