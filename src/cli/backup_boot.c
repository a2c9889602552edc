/* `lodge backup verify --boot`: whether a backup is a machine that comes up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "cli/backup.h"
#include "cli/guest.h"

#define LOOK_MS 500
#define SERIAL_MAX ((size_t)1 << 20)
/* A firmware and a boot loader read less than that. */
#define READS_BYTES (INT64_C(16) << 20)

typedef struct Boot {
    Cli *cli;
    const Manifest *manifest;
    char *folder, *serial;
    Restored restored;
} Boot;

/* ---- signs of life ---- */

static bool agent_answers(const Boot *boot)
{
    const Guest guest = { boot->cli, &boot->restored.dom };

    return strstr(boot->manifest->definition, "org.qemu.guest_agent.0") &&
           guest_ask(&guest, "guest-ping", NULL, NULL, NULL);
}

/* Without what a shell sends to the terminal behind its prompt, such as the question where the cursor is. */
static size_t without_escapes(const char *text, size_t len)
{
    for (;;) {
        size_t at = len;
        if (at == 0 || !g_ascii_isalpha(text[at - 1]))
            return len;
        for (at--; at > 0 && (g_ascii_isdigit(text[at - 1]) || strchr(";?", text[at - 1])); at--)
            ;
        if (at < 2 || text[at - 1] != '[' || text[at - 2] != '\033')
            return len;
        len = at - 2;
    }
}

/* What a kernel, its first program or a login prints, and no firmware does; or a prompt that waits. */
static bool serial_speaks(const Boot *boot)
{
    static const char *const words[] = { "Linux version", "login:", "Reached target", "Welcome to", NULL };
    static const char *const prompts[] = { "# ", "$ ", "% ", NULL };
    g_autofree char *text = NULL;
    size_t len = 0;

    if (!file_read(boot->serial, SERIAL_MAX, &text, &len, NULL))
        return false;
    for (const char *const *word = words; *word; word++)
        if (memmem(text, len, *word, strlen(*word)))
            return true;
    len = without_escapes(text, len);
    for (const char *const *prompt = prompts; *prompt; prompt++)
        if (len > strlen(*prompt) && memcmp(text + len - strlen(*prompt), *prompt, strlen(*prompt)) == 0)
            return true;
    return false;
}

static bool disks_are_read(const Boot *boot, int64_t *ret_bytes)
{
    int64_t sum = 0;

    for (guint i = 0; i < boot->manifest->disks->len; i++) {
        const WireDomainBlockStatsArgs args = { .dom = boot->restored.dom,
                                                .path = manifest_disk_at(boot->manifest, i)->target };
        WireDomainBlockStatsRet ret = { 0 };
        if (cli_call(boot->cli, PROC_DOMAIN_BLOCK_STATS, &args, &ret, NULL))
            sum += ret.rd_bytes;
    }
    *ret_bytes = sum;
    return sum >= READS_BYTES;
}

/* NULL in *ret_sign: nothing within the time. The disks count only in the end: others say more. */
static bool await_life(const Boot *boot, unsigned timeout_s, char **ret_sign, Error **err)
{
    const uint64_t end_ms = loop_now_ms() + (uint64_t)timeout_s * 1000;
    bool is_active = true;
    int64_t bytes = 0;

    while (loop_now_ms() < end_ms) {
        if (!cli_domain_is_active(boot->cli, &boot->restored.dom, &is_active, err))
            return false;
        if (!is_active)
            return true;
        if (agent_answers(boot))
            *ret_sign = g_strdup("the guest's agent answers");
        else if (serial_speaks(boot))
            *ret_sign = g_strdup("its system writes to the serial port");
        if (*ret_sign)
            return true;
        if (!fiber_sleep(LOOK_MS, err))
            return false;
    }
    if (disks_are_read(boot, &bytes))
        *ret_sign = g_strdup_printf("it runs and has read %" PRId64 " MiB of its disks", bytes >> 20);
    return true;
}

/* ---- the machine ---- */

static bool boot_machine(Boot *boot, Repo *repo, unsigned timeout_s, char **ret_sign, Error **err)
{
    g_autofree char *name = g_path_get_basename(boot->folder);
    const RestoreOrder order = {
        .repo = repo, .manifest = boot->manifest, .name = name, .folder = boot->folder, .isolated = true
    };
    g_auto(WireDomainCreateWithFlagsRet) started = { 0 };

    if (!backup_restore(boot->cli, &order, &boot->restored, err))
        return error_prefix(err, "cannot restore it");
    /* If we are killed, it goes with the connection. */
    const WireDomainCreateWithFlagsArgs start = { .dom = boot->restored.dom,
                                                  .flags = VIR_DOMAIN_START_AUTODESTROY };
    return (cli_call(boot->cli, PROC_DOMAIN_CREATE_WITH_FLAGS, &start, &started, err) ||
            error_prefix(err, "cannot start it")) &&
           await_life(boot, timeout_s, ret_sign, err);
}

/* All that was made; nothing of it is worth a failure. */
static void boot_remove(Boot *boot)
{
    const WireDomainDestroyArgs destroy = { .dom = boot->restored.dom };
    const WireDomainUndefineFlagsArgs undefine = { .dom = boot->restored.dom,
                                                   .flags =
                                                       VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_TPM };
    g_autoptr(Error) why = NULL;

    if (boot->restored.dom.name) {
        (void)!cli_call(boot->cli, PROC_DOMAIN_DESTROY, &destroy, NULL, NULL);
        if (!cli_call(boot->cli, PROC_DOMAIN_UNDEFINE_FLAGS, &undefine, NULL, &why))
            fprintf(stderr, "warning: machine '%s' stays: %s\n", boot->restored.dom.name, error_message(why));
    }
    (void)!file_remove_tree(boot->folder, NULL);
    restored_clear(&boot->restored);
}

bool backup_boot(Cli *cli, Repo *repo, const Manifest *manifest, const char *folder, unsigned timeout_s,
                 char **ret_sign, Error **err)
{
    Boot boot = { .cli = cli, .manifest = manifest };

    boot.folder = path_join(folder, "lodge-verify-XXXXXX");
    /* QEMU runs as a user of its own, who has to pass. */
    if (!g_mkdtemp_full(boot.folder, 0711)) {
        g_free(boot.folder);
        return error_set(err, ERROR_SYSTEM, "cannot make a folder in '%s'", folder);
    }
    boot.serial = path_join(boot.folder, "serial.log");
    const bool ok = boot_machine(&boot, repo, timeout_s, ret_sign, err);
    boot_remove(&boot);
    g_free(boot.folder);
    g_free(boot.serial);
    return ok;
}
