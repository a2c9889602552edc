/* Sources of backups.
 *
 * A machine that is off: each image is served by a qemu-nbd of its own, which holds QEMU's locks, so that the
 * machine cannot start and write to it meanwhile. One that runs: QEMU gives the disks away as they were at
 * the moment of the job's begin ("pull mode"), with bitmaps of what changed since a checkpoint. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/backup_source.h"

#include <glib/gstdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/backup.h"
#include "cli/disk_nbd.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "wire/params.h"

#define BITMAP "lodge-changed" /* the name under which QEMU exports what changed */
#define BACKUP_PRESERVE 2      /* a guest that shuts down meanwhile is kept until we are done */
#define RECONNECT_MS 30000
#define RECONNECT_STEP_MS 250
#define SOCKET_PREFIX "/lodge-backup-"

typedef struct SourceServers {
    GPtrArray *servers; /* of DiskNbd, of images */
    char *folder, *socket;
    bool has_job;
} SourceServers;

static void source_disk_free(void *data)
{
    SourceDisk *disk = data;

    g_free(disk->target);
    g_free(disk->format);
    g_free(disk->path);
    g_free((char *)disk->place.socket);
    g_free((char *)disk->place.export);
    g_free((char *)disk->place.bitmap);
    g_free(disk);
}

/* ---- which disks ---- */

/* The image of a disk as a file or device of this host, by the daemon, who knows pools and chains. */
static bool source_find_image(Cli *cli, const char *image, const char *format, SourceDisk *disk, Error **err)
{
    const WireLodgeImageInfoArgs call = { .image = (char *)image, .format = (char *)format };
    g_auto(WireLodgeImageInfoRet) ret = { 0 };
    AUTO_JSON list = NULL;

    if (!lodge_call(cli, LODGE_PROC_IMAGE_INFO, &call, &ret, WIRE_NO_TIMEOUT, err) ||
        !json_parse(ret.json, strlen(ret.json), "the daemon's answer", &list, err))
        return false;
    const Json *top = json_array_get(list, 0);
    const char *path = json_get_str(top, "path"), *driver = json_get_str(top, "format");
    if (path && path[0] == '/' && driver) {
        disk->path = g_strdup(path);
        disk->format = g_strdup(driver);
    }
    return true;
}

static bool source_add_disk(BackupSource *source, XmlDoc *doc, xmlNode *node, const char *target,
                            bool may_decrypt, Error **err)
{
    g_autoptr(GPtrArray) encryption = NULL;
    g_autofree char *format = NULL, *image = domain_disk_image(doc, node, &format);
    SourceDisk *disk = g_new0(SourceDisk, 1);

    disk->target = g_strdup(target);
    g_ptr_array_add(source->disks, disk);
    if (!xml_select(doc, node, "./encryption | ./source/encryption", &encryption, err) ||
        (image && !source_find_image(source->cli, image, format, disk, err)))
        return error_prefix(err, "disk '%s'", target);
    disk->is_encrypted = encryption->len > 0;
    if (disk->is_encrypted && !may_decrypt) {
        error_set(err, ERROR_NOT_SUPPORTED,
                  "disk '%s' is encrypted; a backup would hold its content in the clear", target);
        return error_hint(err, "if that may be: --decrypt; or leave it out with --exclude %s", target);
    }
    if (!disk->path && !source->is_active) {
        error_set(err, ERROR_NOT_SUPPORTED, "disk '%s' is no file and no device of this host", target);
        return error_hint(err, "leave it out with --exclude %s, or back the machine up while it runs",
                          target);
    }
    if (!disk->format)
        disk->format = g_strdup("raw");
    return true;
}

static bool source_find_disks(BackupSource *source, const SourceOrder *order, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!xml_parse(order->definition, &doc, err) ||
        !xml_select(doc, NULL, "/domain/devices/disk[not(@device) or @device='disk' or @device='lun']",
                    &nodes, err))
        return false;
    for (guint i = 0; i < nodes->len; i++) {
        g_autofree char *target = xml_get(doc, nodes->pdata[i], "./target/@dev");
        g_autofree char *read_only = xml_get(doc, nodes->pdata[i], "./readonly");
        if (read_only && target && source->is_active) { /* QEMU cannot copy what it may not write to */
            cli_say(source->cli, "Disk '%s' is read-only and left out\n", target);
            continue;
        }
        if (target && !g_strv_contains((const char *const *)order->excluded, target) &&
            !source_add_disk(source, doc, nodes->pdata[i], target, order->decrypt, err))
            return false;
    }
    for (char *const *excluded = order->excluded; *excluded; excluded++) {
        g_autofree char *found = g_strdup_printf("/domain/devices/disk/target[@dev='%s']/@dev", *excluded);
        g_autofree char *there = xml_get(doc, NULL, found);
        if (!there)
            return error_set(err, ERROR_INVALID_ARGUMENT, "the machine has no disk '%s'", *excluded);
    }
    return true;
}

/* ---- off ---- */

/* How often the chain of an image has a usable bitmap of that name; *ret_top: whether its top has. */
static unsigned source_count_bitmaps(const Json *chain, const char *name, bool *ret_top)
{
    size_t number = 0, index = 0;
    Json *image, *bitmap, *flag;
    unsigned n = 0;

    *ret_top = false;
    json_array_foreach (chain, number, image) {
        const Json *data = json_get_obj(json_get_obj(image, "format-specific"), "data");
        json_array_foreach (json_get_arr(data, "bitmaps"), index, bitmap) {
            size_t k = 0;
            bool is_usable = true;
            if (g_strcmp0(json_get_str(bitmap, "name"), name) != 0)
                continue;
            json_array_foreach (json_get_arr(bitmap, "flags"), k, flag)
                is_usable = is_usable && g_strcmp0(json_string_value(flag), "in-use") != 0;
            n++;
            *ret_top = *ret_top || (number == 0 && is_usable);
        }
    }
    return n;
}

/* Whether the image itself says all that changed since a checkpoint: its bitmap is complete, and no other
 * image of the chain has a part of it, as behind a snapshot. */
static bool source_is_tracked(const SourceDisk *disk, const char *checkpoint)
{
    const char *const argv[] = {
        "qemu-img", "info", "--backing-chain", "--output=json", "-f", disk->format, "--", disk->path, NULL
    };
    g_autofree char *text = NULL;
    AUTO_JSON chain = NULL;
    bool is_top = false;

    return backup_run_tool(argv, &text, NULL) && json_parse(text, strlen(text), "qemu-img", &chain, NULL) &&
           source_count_bitmaps(chain, checkpoint, &is_top) == 1 && is_top;
}

/* qemu-nbd has the key of an encrypted one. */
AWAITS static bool source_serve_encrypted(BackupSource *source, const SourceOrder *order,
                                          const SourceDisk *disk, DiskNbd **ret_server, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    g_autofree char *xpath = domain_disk_encryption(disk->target);

    return xml_parse(order->definition, &doc, err) && xml_select(doc, NULL, xpath, &nodes, err) &&
           disk_nbd_start(source->cli, disk->path, disk->format, doc, nodes->pdata[0], DISK_NBD_READ,
                          ret_server, err);
}

static bool source_serve(BackupSource *source, const SourceOrder *order, Error **err)
{
    SourceServers *servers = source->private;

    for (guint i = 0; i < source->disks->len; i++) {
        SourceDisk *disk = g_ptr_array_index(source->disks, i);
        DiskNbd *server = NULL;
        const char *bitmap = order->since && !disk->is_encrypted && source_is_tracked(disk, order->since)
                                 ? order->since
                                 : NULL;
        if (!(disk->is_encrypted ? source_serve_encrypted(source, order, disk, &server, err)
                                 : disk_nbd_serve(disk->path, disk->format, bitmap, false, &server, err)))
            return error_prefix(err, "disk '%s'", disk->target);
        g_ptr_array_add(servers->servers, server);
        disk->place = (NbdPlace){ .socket = g_strdup(disk_nbd_socket(server)),
                                  .export = g_strdup(""),
                                  .bitmap = bitmap ? g_strconcat("qemu:dirty-bitmap:", bitmap, NULL) : NULL };
    }
    return true;
}

/* ---- running ---- */

/* The documents of the job and its checkpoint. Raw images cannot keep a bitmap: they have none, and are read
 * as a whole each time. */
static char *source_job_xml(const BackupSource *source, const SourceOrder *order)
{
    const SourceServers *servers = source->private;
    GString *xml = g_string_new("<domainbackup mode='pull'>\n");

    if (order->since)
        g_string_append_printf(xml, "  <incremental>%s</incremental>\n", order->since);
    g_string_append_printf(xml, "  <server transport='unix' socket='%s'/>\n  <disks>\n", servers->socket);
    for (guint i = 0; i < source->disks->len; i++) {
        const SourceDisk *disk = g_ptr_array_index(source->disks, i);
        const bool tracked = order->since && g_str_equal(disk->format, "qcow2");
        g_autofree char *bitmap = g_strdup_printf(" exportbitmap='%s'", BITMAP);
        g_string_append_printf(xml, "    <disk name='%s' backup='yes' type='file' exportname='%s'%s%s/>\n",
                               disk->target, disk->target, tracked ? bitmap : "",
                               order->since && !tracked ? " backupmode='full'" : "");
    }
    g_string_append(xml, "  </disks>\n</domainbackup>\n");
    return g_string_free(xml, FALSE);
}

static char *source_checkpoint_xml(const BackupSource *source, const char *name)
{
    GString *xml = g_string_new(NULL);

    g_string_append_printf(xml,
                           "<domaincheckpoint>\n  <name>%s</name>\n  <description>of a backup</description>\n"
                           "  <disks>\n",
                           name);
    for (guint i = 0; i < source->disks->len; i++) {
        const SourceDisk *disk = g_ptr_array_index(source->disks, i);
        g_string_append_printf(xml, "    <disk name='%s' checkpoint='%s'/>\n", disk->target,
                               g_str_equal(disk->format, "qcow2") ? "bitmap" : "no");
    }
    g_string_append(xml, "  </disks>\n</domaincheckpoint>\n");
    return g_string_free(xml, FALSE);
}

static bool source_can_track(const BackupSource *source)
{
    for (guint i = 0; i < source->disks->len; i++)
        if (g_str_equal(((SourceDisk *)g_ptr_array_index(source->disks, i))->format, "qcow2"))
            return true;
    return false;
}

/* A job that a `lodge backup create` left which was killed: its socket tells. */
static void source_end_leftover(Cli *cli, const WireDomain *dom)
{
    const WireDomainBackupGetXmlDescArgs args = { .dom = *dom };
    const WireDomainAbortJobArgs abort = { .dom = *dom };
    g_auto(WireDomainBackupGetXmlDescRet) ret = { 0 };

    if (cli_call(cli, PROC_DOMAIN_BACKUP_GET_XML_DESC, &args, &ret, NULL) && strstr(ret.xml, SOCKET_PREFIX))
        (void)!cli_call(cli, PROC_DOMAIN_ABORT_JOB, &abort, NULL, NULL);
}

static bool source_freeze(BackupSource *source, Error **err)
{
    const WireDomainFsfreezeArgs args = { .dom = *source->dom };
    WireDomainFsfreezeRet ret = { 0 };

    if (!cli_call(source->cli, PROC_DOMAIN_FSFREEZE, &args, &ret, err))
        return error_prefix(err, "cannot freeze the guest's file systems");
    return true;
}

static void source_thaw(const BackupSource *source)
{
    const WireDomainFsthawArgs args = { .dom = *source->dom };
    WireDomainFsthawRet ret = { 0 };
    g_autoptr(Error) why = NULL;

    if (!cli_call(source->cli, PROC_DOMAIN_FSTHAW, &args, &ret, &why))
        fprintf(stderr, "warning: cannot thaw the guest's file systems: %s\n", error_message(why));
}

static bool source_begin_job(BackupSource *source, const SourceOrder *order, Error **err)
{
    SourceServers *servers = source->private;
    const bool makes = order->checkpoint && source_can_track(source);
    g_autofree char *backup_xml = source_job_xml(source, order);
    g_autofree char *checkpoint_xml = makes ? source_checkpoint_xml(source, order->checkpoint) : NULL;
    const WireDomainBackupBeginArgs args = { .dom = *source->dom,
                                             .backup_xml = backup_xml,
                                             .checkpoint_xml = checkpoint_xml,
                                             .flags = BACKUP_PRESERVE };

    source_end_leftover(source->cli, source->dom);
    if (order->quiesce && !source_freeze(source, err))
        return false;
    source->moment_s = time(NULL);
    const bool ok = cli_call(source->cli, PROC_DOMAIN_BACKUP_BEGIN, &args, NULL, err);
    if (order->quiesce)
        source_thaw(source);
    if (!ok)
        return false;
    servers->has_job = true;
    source->was_quiesced = order->quiesce;
    source->checkpoint = makes ? g_strdup(order->checkpoint) : NULL;
    for (guint i = 0; i < source->disks->len; i++) {
        SourceDisk *disk = g_ptr_array_index(source->disks, i);
        const bool tracked = order->since && g_str_equal(disk->format, "qcow2");
        disk->place = (NbdPlace){ .socket = g_strdup(servers->socket),
                                  .export = g_strdup(disk->target),
                                  .bitmap = tracked ? g_strdup("qemu:dirty-bitmap:" BITMAP) : NULL };
    }
    return true;
}

/* ---- both ---- */

static void server_stop(void *server)
{
    disk_nbd_stop(server);
}

bool source_open(Cli *cli, const WireDomain *dom, const SourceOrder *order, BackupSource **ret_source,
                 Error **err)
{
    BackupSource *source = g_new0(BackupSource, 1);
    SourceServers *servers = g_new0(SourceServers, 1);

    source->cli = cli;
    source->dom = dom;
    source->is_active = order->is_active;
    source->disks = g_ptr_array_new_with_free_func(source_disk_free);
    source->private = servers;
    source->moment_s = time(NULL);
    servers->servers = g_ptr_array_new_with_free_func(server_stop);
    servers->folder = g_strdup_printf("%s" SOCKET_PREFIX "XXXXXX", g_get_tmp_dir());
    bool ok =
        g_mkdtemp(servers->folder) != NULL || error_set(err, ERROR_SYSTEM, "cannot make a folder in /tmp");
    servers->socket = path_join(servers->folder, "s");
    ok = ok && source_find_disks(source, order, err);
    ok = ok && (order->is_active ? source_begin_job(source, order, err) : source_serve(source, order, err));
    if (ok)
        *ret_source = source;
    else
        source_close(source, false);
    return ok;
}

static void source_delete_checkpoint(Cli *cli, const WireDomain *dom, const char *name)
{
    const WireDomainCheckpointDeleteArgs args = { .checkpoint = { .name = (char *)name, .dom = *dom } };
    g_autoptr(Error) why = NULL;

    if (!cli_call(cli, PROC_DOMAIN_CHECKPOINT_DELETE, &args, NULL, &why))
        fprintf(stderr, "warning: checkpoint '%s' stays: %s\n", name, error_message(why));
}

/* The daemon may have been started anew meanwhile, or be about to; QEMU's job goes on. */
static bool source_reconnect(Cli *cli, Error **err)
{
    for (unsigned waited = 0; waited < RECONNECT_MS; waited += RECONNECT_STEP_MS) {
        if (cli_connect(cli, NULL))
            return true;
        if (!fiber_sleep(RECONNECT_STEP_MS, err))
            return false;
    }
    return cli_connect(cli, err);
}

static void source_end_job(const BackupSource *source, bool keep)
{
    const WireDomainAbortJobArgs args = { .dom = *source->dom };
    g_autoptr(Error) why = NULL;

    if ((!source_reconnect(source->cli, &why) ||
         !cli_call(source->cli, PROC_DOMAIN_ABORT_JOB, &args, NULL, &why)) &&
        error_code(why) != ERROR_INVALID_STATE) { /* that one: it has ended */
        fprintf(stderr, "warning: the backup job does not end: %s\n", error_message(why));
        return;
    }
    if (source->checkpoint && !keep)
        source_delete_checkpoint(source->cli, source->dom, source->checkpoint);
}

void source_explain(const BackupSource *source, Error **err)
{
    const WireDomainGetJobStatsArgs args = {
        .dom = *source->dom, .flags = VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    };
    g_auto(WireDomainGetJobStatsRet) ret = { 0 };
    const char *text = NULL;

    if (!((const SourceServers *)source->private)->has_job || error_code(*err) == ERROR_CANCELLED ||
        !cli_connect(source->cli, NULL) ||
        !cli_call(source->cli, PROC_DOMAIN_GET_JOB_STATS, &args, &ret, NULL) ||
        ret.type != VIR_DOMAIN_JOB_FAILED)
        return;
    if (wire_param_get_string(ret.params, ret.n_params, VIR_DOMAIN_JOB_ERRMSG, &text))
        error_prefix(err, "the job of the backup has failed: %s", text);
}

void source_close(BackupSource *source, bool keep)
{
    if (!source)
        return;
    SourceServers *servers = source->private;
    if (servers->has_job)
        source_end_job(source, keep);
    g_ptr_array_unref(servers->servers);
    (void)unlink(servers->socket);
    (void)rmdir(servers->folder);
    g_free(servers->socket);
    g_free(servers->folder);
    g_free(servers);
    g_ptr_array_unref(source->disks);
    g_free(source->checkpoint);
    g_free(source);
}

/* ---- checkpoints ---- */

bool source_has_checkpoint(Cli *cli, const WireDomain *dom, const char *name, bool *ret_last)
{
    const WireDomainCheckpointLookupByNameArgs args = { .dom = *dom, .name = (char *)name };
    const WireDomainCheckpointListAllChildrenArgs below = { .checkpoint = { .name = (char *)name,
                                                                            .dom = *dom } };
    g_auto(WireDomainCheckpointLookupByNameRet) ret = { 0 };
    g_auto(WireDomainCheckpointListAllChildrenRet) children = { 0 };

    if (!cli_call(cli, PROC_DOMAIN_CHECKPOINT_LOOKUP_BY_NAME, &args, &ret, NULL))
        return false;
    *ret_last =
        cli_call(cli, PROC_DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN, &below, &children, NULL) && !children.ret;
    return true;
}

void source_drop_checkpoints(Cli *cli, const WireDomain *dom, const char *prefix, const char *kept)
{
    const WireDomainListAllCheckpointsArgs args = { .dom = *dom, .need_results = 1 };
    g_auto(WireDomainListAllCheckpointsRet) ret = { 0 };

    if (!cli_call(cli, PROC_DOMAIN_LIST_ALL_CHECKPOINTS, &args, &ret, NULL))
        return;
    for (unsigned i = 0; i < ret.n_checkpoints; i++)
        if (g_str_has_prefix(ret.checkpoints[i].name, prefix) &&
            g_strcmp0(ret.checkpoints[i].name, kept) != 0)
            source_delete_checkpoint(cli, dom, ret.checkpoints[i].name);
}
