/* `lodge disk grow`: a disk grows, and what the guest has on it.
 *
 * The image grows where it is, while the machine runs or not. What is inside can only the guest let grow
 * without being stopped: if its agent may run programs there, it is given a script (grow.sh); else the user
 * is told what to run. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/guest.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/row.h"

#define GUEST_MS 120000 /* for the script: file systems grow in moments, however large they are */

static const char grow_script[] =
#include "cli/grow_gen.h"
    ;

typedef struct Grow {
    Cli *cli;
    WireDomain dom;
    const char *target;
    XmlDoc *doc;
    xmlNode *disk;
    bool is_active;
    uint64_t before_bytes, bytes;
} Grow;

static void grow_clear(Grow *grow)
{
    wire_domain_clear(&grow->dom);
    xml_doc_free(grow->doc);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Grow, grow_clear)

/* ---- the image ---- */

static bool grow_find_disk(Grow *grow, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!cli_domain_is_active(grow->cli, &grow->dom, &grow->is_active, err) ||
        !cli_domain_xml(grow->cli, &grow->dom, 0, &xml, err) || !xml_parse(xml, &grow->doc, err) ||
        !xml_select(grow->doc, NULL, "/domain/devices/disk", &nodes, err))
        return false;
    for (guint i = 0; i < nodes->len && !grow->disk; i++) {
        g_autofree char *dev = xml_get(grow->doc, nodes->pdata[i], "./target/@dev");
        if (g_strcmp0(dev, grow->target) == 0)
            grow->disk = nodes->pdata[i];
    }
    if (grow->disk)
        return true;
    error_set(err, ERROR_INVALID_ARGUMENT, "machine '%s' has no disk '%s'", grow->dom.name, grow->target);
    return error_hint(err, "'lodge domblklist %s' shows its disks", grow->dom.name);
}

static bool grow_find_size(Grow *grow, const char *text, Error **err)
{
    const WireDomainGetBlockInfoArgs args = { .dom = grow->dom, .path = (char *)grow->target };
    WireDomainGetBlockInfoRet info = { 0 };
    const bool adds = text[0] == '+';

    if (!size_parse(text + adds, 1, &grow->bytes, err))
        return error_hint(err, "a size such as 40G, or +10G to add so much");
    if (!cli_call(grow->cli, PROC_DOMAIN_GET_BLOCK_INFO, &args, &info, err))
        return false;
    grow->before_bytes = info.capacity;
    if (adds && __builtin_add_overflow(grow->bytes, info.capacity, &grow->bytes))
        return error_set(err, ERROR_OVERFLOW, "disk '%s' cannot be that large", grow->target);
    grow->bytes = (grow->bytes + 511) / 512 * 512; /* a disk has whole sectors */
    if (grow->bytes >= info.capacity)
        return true;
    error_set(err, ERROR_INVALID_STATE, "disk '%s' has %" PRIu64 " bytes already", grow->target,
              info.capacity);
    return error_hint(err, "a disk only grows; +SIZE adds to what there is");
}

static bool grow_stopped(const Grow *grow, Error **err)
{
    g_autofree char *format = NULL, *size = g_strdup_printf("%" PRIu64, grow->bytes);
    g_autofree char *image = domain_disk_image(grow->doc, grow->disk, &format);
    g_auto(WireLodgeImageRunRet) ret = { 0 };

    if (!image)
        return error_set(err, ERROR_NOT_SUPPORTED, "disk '%s' is no image of this host", grow->target);
    const WireLodgeImageRunArgs args = {
        .operation = (char *)"resize", .image = image, .format = format, .text = size, .token = g_random_int()
    };
    return lodge_call(grow->cli, LODGE_PROC_IMAGE_RUN, &args, &ret, WIRE_NO_TIMEOUT, err);
}

static bool grow_image(const Grow *grow, Error **err)
{
    const WireDomainBlockResizeArgs args = { .dom = grow->dom,
                                             .disk = (char *)grow->target,
                                             .size = grow->bytes,
                                             .flags = VIR_DOMAIN_BLOCK_RESIZE_BYTES };

    if (grow->bytes == grow->before_bytes)
        return true;
    return grow->is_active ? cli_call(grow->cli, PROC_DOMAIN_BLOCK_RESIZE, &args, NULL, err)
                           : grow_stopped(grow, err);
}

/* ---- the guest ---- */

/* By lines, each of which is fit to be printed. Owned. */
static char *grow_words(const char *said)
{
    g_autofree char *copy = g_strdup(said);
    g_auto(GStrv) lines = g_strsplit(g_strstrip(copy), "\n", -1);

    for (char **line = lines; *line; line++) {
        char *shown = text_printable(*line);
        g_free(*line);
        *line = shown;
    }
    return g_strjoinv("\n", lines);
}

/* *ret_said: what the script printed; owned. */
static bool grow_guest(const Grow *grow, char **ret_said, Error **err)
{
    g_autofree char *size = g_strdup_printf("%" PRIu64, grow->bytes);
    const char *const argv[] = { "/bin/sh", "-c", grow_script, "grow", size, grow->target, NULL };
    const Guest guest = { grow->cli, &grow->dom };
    g_auto(GuestExit) ended = { 0 };

    if (!guest_run(&guest, argv, GUEST_MS, &ended, err))
        return false;
    *ret_said = grow_words(ended.out);
    if (ended.code == 0)
        return true;
    g_autofree char *why = grow_words(ended.err);
    return error_set(err, ERROR_OPERATION_FAILED, "%s", *why ? why : "the guest gave no reason");
}

static void grow_tell_commands(const Grow *grow, const char *why)
{
    cli_say(grow->cli,
            "The guest has to do the rest (%s). Inside it, for disk %s with its last partition N:\n"
            "    growpart /dev/%s N\n"
            "    pvresize /dev/%sN && lvextend -l +100%%FREE /dev/GROUP/VOLUME   # only with LVM\n"
            "    resize2fs /dev/%sN   # ext4; xfs_growfs MOUNTPOINT for XFS\n",
            why, grow->target, grow->target, grow->target, grow->target);
}

static bool grow_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Grow) grow = { .cli = cli, .target = args_get(args, "disk") };
    g_autoptr(Error) why = NULL;
    g_autofree char *said = NULL;

    if (!cli_domain(cli, args, &grow.dom, err))
        return false;
    cli_doing(cli, "Failed to grow disk '%s' of machine '%s'", grow.target, grow.dom.name);
    if (!grow_find_disk(&grow, err) || !grow_find_size(&grow, args_get(args, "size"), err) ||
        !grow_image(&grow, err))
        return false;
    g_autofree char *size = human_size(grow.bytes);
    cli_say(cli, "Disk %s of machine %s has %s now\n", grow.target, grow.dom.name, size);
    bool done = false;
    if (args_has(args, "image-only"))
        return true;
    if (!grow.is_active)
        error_set(&why, ERROR_INVALID_STATE, "the machine is not running");
    else
        done = grow_guest(&grow, &said, &why);
    if (said && *said)
        cli_say(cli, "%s\n", said);
    if (!done)
        grow_tell_commands(&grow, error_message(why));
    cli_print_json(cli,
                   json_pack("{s:I, s:b, s:s?, s:s?}", "size_bytes", (json_int_t)grow.bytes, "guest_done",
                             done, "guest_said", said, "reason", why ? error_message(why) : NULL));
    return true;
}

static const CliOption grow_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "disk", "target of the disk, such as vda", .flags = CLI_REQUIRED,
        .complete = COMPLETE_DOMAIN_DISK),
    OPT_REQUIRED("size", "the new size, with a unit: 40G; +10G adds"),
    OPT_BOOL("image-only", "leave what is inside alone"),
    { 0 },
};

static const CliOption blockresize_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "path", "target or source of the disk", .flags = CLI_REQUIRED, .arg = "disk",
        .complete = COMPLETE_DOMAIN_DISK),
    OPT(CLI_SIZE, "size", "the new size, in KiB unless it has a unit", .unit = 1024, .arg = "size"),
    OPT_FLAG("capacity", VIR_DOMAIN_BLOCK_RESIZE_CAPACITY, "all of the block device that the disk is on"),
    OPT_FLAG("extend", VIR_DOMAIN_BLOCK_RESIZE_EXTEND, "refuse to make it smaller than it is"),
    { 0 },
};

static const CliOption threshold_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "dev", "target of the disk; vda[3] means an image of its chain", .flags = CLI_REQUIRED,
        .arg = "dev", .complete = COMPLETE_DOMAIN_DISK),
    OPT(CLI_SIZE, "threshold", "how far into the image, in bytes unless it has a unit; 0: none",
        .flags = CLI_REQUIRED, .arg = "threshold"),
    { 0 },
};

static bool blockresize_run(Cli *cli, const CliArgs *args, Error **err)
{
    if (!args_has(args, "size") && !args_has(args, "capacity"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "either a size or --capacity is needed");
    return row_run(cli, args, err);
}

const CliCommand commands_grow[] = {
    COMMAND("domblkthreshold", GROUP_DOMAIN, "have an event when a write reaches far into an image",
            threshold_options, NULL, .proc = PROC_DOMAIN_SET_BLOCK_THRESHOLD,
            .doc = "The event block-threshold comes once, with the first write beyond the threshold."),
    COMMAND("blockresize", GROUP_DOMAIN, "change the size of a running domain's disk", blockresize_options,
            blockresize_run, .proc = PROC_DOMAIN_BLOCK_RESIZE, .exclusive = "size capacity",
            .doing = "Failed to resize block device '{path}'", .done = "Block device '{path}' is resized"),
    COMMAND(
        "disk-grow", GROUP_LODGE, "let a disk grow, with its last partition and the file system on it",
        grow_options, grow_run,
        .doc = "While the machine runs the guest notices at once. If its agent answers and may run programs, "
               "the last partition, an LVM volume on it and its file system (ext4, XFS, Btrfs) grow along; "
               "else what is to be done inside is printed. Running it again with the size that there is does "
               "the part inside again.",
        .json = "{\"size_bytes\": number, \"guest_done\": boolean, \"guest_said\": string|null, "
                "\"reason\": string|null}"),
    { 0 },
};
