/* Does a changed document still describe the same hardware? Everything the guest can see must stay; what only
 * the host sees (paths, names, passwords, limits) may change. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_xml.h"

/* Paths below the root that the guest does not notice. '*' stands for anything up to the next '/'. */
static const char *const host_side[] = {
    "title",
    "description",
    "metadata",
    "genid",
    "genid/*",
    "currentMemory",
    "blkiotune*",
    "memtune*",
    "memoryBacking*",
    "cputune*",
    "numatune*",
    "iothreads*",
    "resource*",
    "vcpu/@cpuset",
    "vcpu/@placement",
    "memory/@dumpCore",
    "on_*",
    "pm*",
    "@id",
    "@type",
    "os/loader/*",
    "os/nvram*",
    "os/kernel",
    "os/initrd",
    "os/cmdline",
    "os/dtb",
    "os/boot*",
    "devices/emulator",
    "devices/lease*",
    "devices/graphics*",
    "devices/audio*",
    "seclabel*",
    "devices/disk*/@type",
    "devices/disk*/driver*",
    "devices/disk*/source*",
    "devices/disk*/backingStore",
    "devices/disk*/#backing*",
    "devices/disk*/iotune*",
    "devices/disk*/target/@tray",
    "devices/disk*/transient*",
    "devices/disk*/boot*",
    "devices/interface*/boot*",
    "devices/hostdev*/boot*",
    "devices/interface*/@type",
    "devices/interface*/source*",
    "devices/interface*/target*",
    "devices/interface*/script*",
    "devices/interface*/downscript*",
    "devices/interface*/bandwidth*",
    "devices/interface*/filterref*",
    "devices/interface*/link*",
    "devices/interface*/backend*",
    "devices/interface*/tune*",
    "devices/interface*/driver*",
    "devices/interface*/port*",
    "devices/*/alias",
    "devices/serial*/@type",
    "devices/serial*/source*",
    "devices/serial*/protocol*",
    "devices/serial*/log*",
    "devices/serial*/bind_*",
    "devices/parallel*/@type",
    "devices/parallel*/source*",
    "devices/parallel*/protocol*",
    "devices/parallel*/log*",
    "devices/parallel*/bind_*",
    "devices/console*/@type",
    "devices/console*/@tty",
    "devices/console*/source*",
    "devices/console*/protocol*",
    "devices/console*/log*",
    "devices/console*/bind_*",
    "devices/channel*/@type",
    "devices/channel*/source*",
    "devices/channel*/protocol*",
    "devices/channel*/log*",
    "devices/channel*/bind_*",
    "devices/channel*/target/@state",
    "devices/redirdev*/@type",
    "devices/redirdev*/source*",
    "devices/redirdev*/protocol*",
    "devices/rng*/backend*",
    "devices/rng*/rate*",
    "devices/memballoon/stats*",
    "devices/watchdog*/@action",
    "devices/input*/source*",
    "commandline*",
    "capabilities*",
    "override*",
    "perf*",
};

typedef struct AbiCheck {
    char *path;
} AbiCheck;

static bool is_host_side(const char *path)
{
    for (size_t i = 0; i < G_N_ELEMENTS(host_side); i++) {
        if (g_pattern_match_simple(host_side[i], path))
            return true;
    }
    return false;
}

static bool note_guest_side(void *arg, const char *path, const XmlRow *row)
{
    AbiCheck *check = arg;
    if (is_host_side(path) || row->flags & ROW_LIVE)
        return true;
    check->path = g_strdup(path);
    return false;
}

bool domain_def_check_abi_stable(const DomainDef *old, const DomainDef *new, Error **err)
{
    AbiCheck check = { NULL };
    domain_def_diff(old, new, note_guest_side, &check);
    if (!check.path)
        return true;
    error_set(err, ERROR_CONFIG_UNSUPPORTED, "the guest would notice a change of '%s'", check.path);
    g_free(check.path);
    return error_hint(err, "change only what the host sees: paths, names, passwords, limits");
}
