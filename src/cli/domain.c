/* Names of domain states and reasons, and small questions that many commands ask. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/domain.h"

static const char *const state_names[] = {
    [VIR_DOMAIN_NOSTATE] = "no state",     [VIR_DOMAIN_RUNNING] = "running",
    [VIR_DOMAIN_BLOCKED] = "idle",         [VIR_DOMAIN_PAUSED] = "paused",
    [VIR_DOMAIN_SHUTDOWN] = "in shutdown", [VIR_DOMAIN_SHUTOFF] = "shut off",
    [VIR_DOMAIN_CRASHED] = "crashed",      [VIR_DOMAIN_PMSUSPENDED] = "pmsuspended",
};

#define REASONS_MAX 16

static const char *const reason_names[G_N_ELEMENTS(state_names)][REASONS_MAX] = {
    [VIR_DOMAIN_RUNNING] = {
        [VIR_DOMAIN_RUNNING_BOOTED] = "booted",
        [VIR_DOMAIN_RUNNING_MIGRATED] = "migrated",
        [VIR_DOMAIN_RUNNING_RESTORED] = "restored",
        [VIR_DOMAIN_RUNNING_FROM_SNAPSHOT] = "from snapshot",
        [VIR_DOMAIN_RUNNING_UNPAUSED] = "unpaused",
        [VIR_DOMAIN_RUNNING_MIGRATION_CANCELED] = "migration canceled",
        [VIR_DOMAIN_RUNNING_SAVE_CANCELED] = "save canceled",
        [VIR_DOMAIN_RUNNING_WAKEUP] = "event wakeup",
        [VIR_DOMAIN_RUNNING_CRASHED] = "crashed",
        [VIR_DOMAIN_RUNNING_POSTCOPY] = "post-copy",
        [VIR_DOMAIN_RUNNING_POSTCOPY_FAILED] = "post-copy failed",
    },
    [VIR_DOMAIN_PAUSED] = {
        [VIR_DOMAIN_PAUSED_USER] = "user",
        [VIR_DOMAIN_PAUSED_MIGRATION] = "migrating",
        [VIR_DOMAIN_PAUSED_SAVE] = "saving",
        [VIR_DOMAIN_PAUSED_DUMP] = "dumping",
        [VIR_DOMAIN_PAUSED_IOERROR] = "I/O error",
        [VIR_DOMAIN_PAUSED_WATCHDOG] = "watchdog",
        [VIR_DOMAIN_PAUSED_FROM_SNAPSHOT] = "from snapshot",
        [VIR_DOMAIN_PAUSED_SHUTTING_DOWN] = "shutting down",
        [VIR_DOMAIN_PAUSED_SNAPSHOT] = "creating snapshot",
        [VIR_DOMAIN_PAUSED_CRASHED] = "crashed",
        [VIR_DOMAIN_PAUSED_STARTING_UP] = "starting up",
        [VIR_DOMAIN_PAUSED_POSTCOPY] = "post-copy",
        [VIR_DOMAIN_PAUSED_POSTCOPY_FAILED] = "post-copy failed",
    },
    [VIR_DOMAIN_SHUTDOWN] = { [VIR_DOMAIN_SHUTDOWN_USER] = "user" },
    [VIR_DOMAIN_SHUTOFF] = {
        [VIR_DOMAIN_SHUTOFF_SHUTDOWN] = "shutdown",
        [VIR_DOMAIN_SHUTOFF_DESTROYED] = "destroyed",
        [VIR_DOMAIN_SHUTOFF_CRASHED] = "crashed",
        [VIR_DOMAIN_SHUTOFF_MIGRATED] = "migrated",
        [VIR_DOMAIN_SHUTOFF_SAVED] = "saved",
        [VIR_DOMAIN_SHUTOFF_FAILED] = "failed",
        [VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT] = "from snapshot",
        [VIR_DOMAIN_SHUTOFF_DAEMON] = "daemon",
    },
    [VIR_DOMAIN_CRASHED] = { [VIR_DOMAIN_CRASHED_PANICKED] = "panicked" },
};

const char *domain_state_name(int state)
{
    if (state < 0 || state >= (int)G_N_ELEMENTS(state_names))
        return state_names[VIR_DOMAIN_NOSTATE];
    return state_names[state];
}

const char *domain_reason_name(int state, int reason)
{
    const char *name = NULL;
    if (state >= 0 && state < (int)G_N_ELEMENTS(state_names) && reason >= 0 && reason < REASONS_MAX)
        name = reason_names[state][reason];
    return name ? name : "unknown";
}

bool cli_domain_is_active(Cli *cli, const WireDomain *dom, bool *ret_active, Error **err)
{
    WireDomainIsActiveArgs args = { .dom = *dom };
    WireDomainIsActiveRet ret;
    if (!cli_call(cli, PROC_DOMAIN_IS_ACTIVE, &args, &ret, err))
        return false;
    *ret_active = ret.active != 0;
    return true;
}

char *domain_disk_encryption(const char *target)
{
    return g_strdup_printf("/domain/devices/disk[target/@dev='%s']/encryption | "
                           "/domain/devices/disk[target/@dev='%s']/source/encryption",
                           target, target);
}

char *domain_disk_image(XmlDoc *doc, xmlNode *disk, char **ret_format)
{
    g_autofree char *pool = xml_get(doc, disk, "./source/@pool");
    g_autofree char *volume = xml_get(doc, disk, "./source/@volume");

    if (pool && volume)
        return g_strdup_printf("%s/%s", pool, volume);
    *ret_format = xml_get(doc, disk, "./driver/@type");
    if (!*ret_format)
        *ret_format = g_strdup("raw");
    char *path = xml_get(doc, disk, "./source/@file");
    return path ? path : xml_get(doc, disk, "./source/@dev");
}

bool cli_affect_flags(Cli *cli, const CliArgs *args, const WireDomain *dom, uint32_t *ret_flags, Error **err)
{
    bool active = false;
    *ret_flags = args_flags(args);
    if (!args_has(args, "persistent"))
        return true;
    if (!cli_domain_is_active(cli, dom, &active, err))
        return false;
    *ret_flags |= VIR_DOMAIN_AFFECT_CONFIG | (active ? VIR_DOMAIN_AFFECT_LIVE : 0);
    return true;
}
