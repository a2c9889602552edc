/* Rules about who may do what with which objects: access.conf, beside libvirtd.conf.
 *
 *     allow group:operators  view,start,stop       domain        tag=prod
 *     deny  user:alice       delete
 *     allow user:alice       all                   domain        name=alice-*
 *     allow cert:*CN=desk*   view
 *
 * Each line: allow or deny, who (user:NAME, group:NAME, cert:GLOB of a certificate's name, sasl:GLOB, all),
 * which rights (names of the protocol's, or view, use, all), of which kinds of objects (all if none is
 * named), and what they must be like: name=GLOB (of volumes POOL/NAME), tag=WORD, owner=WORD, owner=self. The
 * first rule that fits decides; where none does, the answer is no. Rules with a condition hold for the right
 * to look at the host, too, or nobody could connect. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

typedef struct Acl Acl;

/* Who asks; all borrowed. */
typedef struct AclSubject {
    bool is_local; /* uid and gids count */
    uid_t uid;
    const gid_t *gids;
    size_t n_gids;
    const char *tls_name, *sasl_user; /* NULL */
} AclSubject;

typedef struct AclTarget {
    uint8_t object, perm;     /* WIRE_ACCESS_*, WIRE_PERM_* */
    const char *name;         /* NULL: none, or not known */
    const char *owner, *tags; /* tags: words; NULL */
} AclTarget;

/* Looks users and groups up, which may take long: in a worker. ERROR_CONFIG_SYNTAX: "FILE:LINE: ...". */
MUST_CHECK bool acl_parse(const char *path, const char *text, Acl **ret_acl, Error **err);
void acl_free(Acl *acl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Acl, acl_free)
/* *ret_line: of the rule that decided; 0: none did. */
bool acl_allows(const Acl *acl, const AclSubject *subject, const AclTarget *target, unsigned *ret_line);
/* Whether owners or tags matter to any rule. */
bool acl_asks_for_labels(const Acl *acl);
