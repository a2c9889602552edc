/* Security groups: named sets of rules that machines join.
 *
 * A group is a network filter, "lodge-group-NAME"; each of its rules is one or two rules of that (IPv4 and
 * IPv6), with the text of the group's rule as comment. A machine that is in groups has a filter of its own,
 * "lodge-machine-UUID": what its interfaces had before, protection against spoofing, its groups, and at the
 * end "what it asked for may come back, all else may not come in". So libvirtd can run such a machine, too.
 *
 * A rule about a group of machines has the addresses of its members, as they are learned, as variables (one
 * for IPv4, from leases or traffic, one for IPv6, from what a guest sends); when
 * they change, the filters of the machines concerned are defined anew, which reaches their interfaces in one
 * transaction. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object.h"

typedef struct FilterGroupInfo {
    char *name;
    GPtrArray *rules;   /* char *: "allow in tcp 22 from 10.0.0.0/8" */
    GPtrArray *members; /* char *: UUIDs of machines */
} FilterGroupInfo;
GPtrArray *filter_group_list(Host *host); /* by name; owned: FilterGroupInfo */

/* ERROR_OPERATION_FAILED: there is one. ERROR_INVALID_ARGUMENT: the name */
AWAITS MUST_CHECK bool filter_group_create(Host *host, const char *name, const Caller *caller, Error **err);
/* ERROR_INVALID_STATE: somebody is in it, or a rule speaks of it. */
AWAITS MUST_CHECK bool filter_group_delete(Host *host, const char *name, const Caller *caller, Error **err);
/* @rule: "allow|deny in|out PROTOCOL [PORT[-PORT]] [from|to ADDRESS[/PREFIX]|group:NAME]".
 *
 * ERROR_INVALID_ARGUMENT  it makes no sense
 * ERROR_INVALID_STATE     somebody else wrote rules into the group's filter; it has no such rule (@remove) */
AWAITS MUST_CHECK bool filter_group_change(Host *host, const char *name, const char *rule, bool remove,
                                           const Caller *caller, Error **err);

/* Makes the machine @uuid a member, or none any more (@leave). @before: the filter that its interfaces have
 * otherwise; NULL: none. *ret_filter: what they are to have now, owned; NULL: @before. The filter of a
 * machine that is in no group is left for filter_group_forget(). */
AWAITS MUST_CHECK bool filter_group_join(Host *host, const Uuid *uuid, const char *group, const char *before,
                                         bool leave, const Caller *caller, char **ret_filter, Error **err);
/* The machine is in no group, and no interface uses its filter. */
AWAITS void filter_group_forget(Host *host, const Uuid *uuid);
/* Is @filter one of a machine's own? */
bool filter_group_is_machines(const char *filter);
/* What the machine with the filter @filter had before it was in groups; owned, NULL: nothing. */
char *filter_group_before(Host *host, const char *filter);
/* Addresses of guests changed: soon, in the background, groups follow. */
void filter_group_refresh(Host *host);
/* The same at once: a daemon that has just begun does it, in case the last one was killed in between. */
AWAITS void filter_group_catch_up(Host *host);
