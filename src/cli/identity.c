/* A guest that goes on in another machine is told who it is now. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/identity.h"

#include <string.h>

#include "cli/domain.h"
#include "cli/guest.h"
#include "install/new_machine.h"

static const char identity_script[] =
#include "cli/identity_gen.h"
    ;

#define IDENTITY_MS 120000 /* keys are made, and cloud-init runs */

/* QEMU knows whether somebody has opened the agent's channel. */
static bool has_agent(Cli *cli, const WireDomain *dom, bool *ret_has, Error **err)
{
    g_autofree char *xml = NULL, *state = NULL;
    g_autoptr(XmlDoc) doc = NULL;

    if (!cli_domain_xml(cli, dom, 0, &xml, err) || !xml_parse(xml, &doc, err))
        return false;
    state = xml_get(doc, NULL, "//channel/target[@name='" IDENTITY_CHANNEL "']/@state");
    *ret_has = g_strcmp0(state, "connected") == 0;
    return true;
}

bool identity_tell(Cli *cli, const WireDomain *dom, const char *hostname, bool has_seed, bool *ret_told,
                   Error **err)
{
    const Guest guest = { .cli = cli, .dom = dom };
    const char *const argv[] = { "/bin/sh", "-c", identity_script, "lodge", hostname, has_seed ? "seed" : "",
                                 NULL };
    g_auto(GuestExit) ended = { 0 };

    if (!has_agent(cli, dom, ret_told, err))
        return false;
    if (!*ret_told)
        return true;
    if (!guest_run(&guest, argv, IDENTITY_MS, &ended, err))
        return false;
    g_strchomp(ended.out);
    return (ended.code == 0 && !*ended.out) ||
           error_set(err, ERROR_OPERATION_FAILED, "%s", *ended.out ? ended.out : "its shell failed");
}
