/* `lodge backup create`. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "backup/disk.h"
#include "cli/backup.h"
#include "cli/backup_source.h"
#include "cli/output.h"

#define LEVEL_DEFAULT 1

typedef struct Create {
    Cli *cli;
    const CliArgs *args;
    WireDomain dom;
    char *uuid;
    bool is_active;
    Repo *repo;
    Manifest *parent; /* NULL: none that could serve */
    Manifest *manifest;
    Json *files; /* what the daemon gave: state of firmware and TPM */
    BackupSource *source;
    int64_t level;
    char *prefix; /* of our checkpoints' names */
} Create;

static void create_clear(Create *create)
{
    source_close(create->source, false);
    manifest_free(create->parent);
    manifest_free(create->manifest);
    json_decref(create->files);
    repo_close(create->repo);
    wire_domain_clear(&create->dom);
    g_free(create->uuid);
    g_free(create->prefix);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Create, create_clear)

static bool create_open(Create *create, Error **err)
{
    g_autofree char *path = backup_repo_path(create->args);
    g_autofree char *doing = g_strdup_printf("backup of machine '%s'", create->dom.name);

    if (!repo_exists(path)) {
        if (!repo_create(path, err))
            return false;
        cli_say(create->cli, "Made repository '%s'\n", path);
    }
    if (!repo_open(path, REPO_WRITE, doing, &create->repo, err))
        return false;
    create->prefix = g_strdup_printf("lodge-%s-", repo_id(create->repo));
    return true;
}

/* The newest backup of this machine, if what changed since then is known. */
static bool create_find_parent(Create *create, Error **err)
{
    g_autoptr(GPtrArray) all = NULL, damage = NULL;
    bool has_some = false, is_last = false;

    if (args_has(create->args, "full"))
        return true;
    if (!manifest_load_all(create->repo, &all, &damage, err))
        return false;
    for (guint i = all->len; i > 0; i--) {
        const Manifest *manifest = all->pdata[i - 1];
        if (strcmp(manifest->uuid, create->uuid) != 0)
            continue;
        has_some = true;
        if (manifest->checkpoint &&
            source_has_checkpoint(create->cli, &create->dom, manifest->checkpoint, &is_last)) {
            if (!create->is_active && !is_last)
                return true;
            create->parent = g_ptr_array_steal_index(all, i - 1);
            return true;
        }
    }
    if (has_some && create->is_active)
        cli_say(create->cli, "A full backup is due: QEMU no longer knows what changed since the last one\n");
    return true;
}

static bool create_begin_manifest(Create *create, Error **err)
{
    char uuid[UUID_STRING_LEN];
    Manifest *manifest = create->manifest = manifest_new();

    uuid_format(&create->dom.uuid, uuid);
    create->uuid = g_strdup(uuid);
    manifest->machine = g_strdup(create->dom.name);
    manifest->uuid = g_strdup(uuid);
    manifest->host = g_strdup(g_get_host_name());
    if (!cli_domain_xml(create->cli, &create->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE,
                        &manifest->definition, err))
        return false;
    return backup_fetch_state(create->cli, &create->dom, &create->files, err);
}

/* Without a source in the end, and no error: a full backup is due. */
static bool create_begin_incremental(Create *create, SourceOrder *order, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (source_open(create->cli, &create->dom, order, &create->source, &why))
        return true;
    const int number = wire_error_code(why);
    if (number != VIR_ERR_CHECKPOINT_INCONSISTENT && number != VIR_ERR_NO_DOMAIN_CHECKPOINT)
        return error_propagate(err, g_steal_pointer(&why));
    cli_say(create->cli, "A full backup is due: %s\n", error_message(why));
    order->since = NULL;
    g_clear_pointer(&create->parent, manifest_free);
    return true;
}

static bool create_open_source(Create *create, Error **err)
{
    const char *excluded = args_get(create->args, "exclude");
    g_auto(GStrv) list = g_strsplit(excluded ? excluded : "", "\n", -1);
    g_autofree char *definition = NULL;
    Manifest *manifest = create->manifest;
    g_autofree char *id = manifest_make_id(g_get_real_time() / 1000);
    g_autofree char *checkpoint = g_strconcat(create->prefix, id, NULL);

    if (!cli_domain_xml(create->cli, &create->dom, create->is_active ? 0 : VIR_DOMAIN_XML_INACTIVE,
                        &definition, err))
        return false;
    SourceOrder order = { .definition = definition,
                          .is_active = create->is_active,
                          .excluded = list,
                          .since = create->parent ? create->parent->checkpoint : NULL,
                          .checkpoint = create->is_active ? checkpoint : NULL,
                          .decrypt = args_has(create->args, "decrypt"),
                          .quiesce = args_has(create->args, "quiesce") && create->is_active };
    if (create->parent && !create_begin_incremental(create, &order, err))
        return false;
    if (!create->source && !source_open(create->cli, &create->dom, &order, &create->source, err))
        return false;
    manifest->id = g_steal_pointer(&id);
    manifest->created_s = create->source->moment_s;
    manifest->parent = create->parent ? g_strdup(create->parent->id) : NULL;
    manifest->checkpoint = g_strdup(create->source->checkpoint);
    manifest->state = !create->is_active             ? BACKUP_STOPPED
                      : create->source->was_quiesced ? BACKUP_QUIESCED
                                                     : BACKUP_CRASH;
    return true;
}

/* ---- in a thread ---- */

static bool create_add_files(Create *create, RepoAddition *addition, Error **err)
{
    size_t index = 0;
    Json *item;

    json_array_foreach (create->files, index, item) {
        ManifestFile *file =
            manifest_add_file(create->manifest, json_get_str(item, "role"), json_get_str(item, "name"));
        gsize len = 0;
        g_autofree guchar *data = g_base64_decode(json_get_str(item, "data"), &len);
        if (!file_store(addition, (int)create->level, data, len, file, err))
            return error_prefix(err, "file '%s'", file->name);
    }
    return true;
}

static bool create_thread(void *arg, WorkProgress *progress, Error **err)
{
    Create *create = arg;
    const int64_t begun_us = g_get_monotonic_time();
    g_autoptr(RepoAddition) addition = NULL;

    if (!repo_add_begin(create->repo, &addition, err) || !create_add_files(create, addition, err))
        return false;
    for (guint i = 0; i < create->source->disks->len; i++) {
        const SourceDisk *from = g_ptr_array_index(create->source->disks, i);
        const ManifestDisk *before = create->parent ? manifest_find_disk(create->parent, from->target) : NULL;
        ManifestDisk *disk = manifest_add_disk(create->manifest, from->target);
        disk->format = g_strdup(from->format);
        disk->source = g_strdup(from->path);
        if (before && !from->place.bitmap)
            disk->full_reason = g_strdup("its image does not say what changed since the last backup");
        if (!disk_read(create->repo, addition, &from->place,
                       before && from->place.bitmap ? &before->map : NULL, (int)create->level, progress, disk,
                       err))
            return error_prefix(err, "disk '%s'", from->target);
    }
    create->manifest->took_ms = (uint64_t)(g_get_monotonic_time() - begun_us) / 1000;
    g_autofree char *text = manifest_format(create->manifest);
    return repo_add_commit(addition, create->manifest->id, text, err);
}

/* ---- the command ---- */

static void create_tell(const Create *create)
{
    const Manifest *manifest = create->manifest;
    const bool is_incremental = manifest_is_incremental(manifest);
    uint64_t read_bytes = 0;

    for (guint i = 0; i < manifest->disks->len; i++) {
        const ManifestDisk *disk = manifest_disk_at(manifest, i);
        read_bytes += disk->read_bytes;
        if (disk->full_reason)
            cli_say(create->cli, "Disk '%s' was read as a whole: %s\n", disk->target, disk->full_reason);
    }
    g_autofree char *read = short_size(read_bytes), *added = short_size(manifest_stored(manifest));
    cli_say(create->cli, "Backup '%s' of machine '%s' is made: %s, %s read, %s added, %.1f s\n", manifest->id,
            manifest->machine, is_incremental ? "incremental" : "full", read, added,
            (double)manifest->took_ms / 1000);
    cli_print_json(create->cli,
                   json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:I, s:I, s:I}", "id", manifest->id, "machine",
                             manifest->machine, "kind", is_incremental ? "incremental" : "full", "state",
                             backup_state_name(manifest->state), "parent", manifest->parent, "size_bytes",
                             (json_int_t)manifest_size(manifest), "read_bytes", (json_int_t)read_bytes,
                             "stored_bytes", (json_int_t)manifest_stored(manifest), "took_ms",
                             (json_int_t)manifest->took_ms));
}

bool backup_create_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(BackupGuard) guard = { 0 }; /* until all of the rest is closed */
    g_auto(Create) create = { .cli = cli, .args = args, .level = LEVEL_DEFAULT };

    if (!args_get_int(args, "level", 1, CHUNK_LEVEL_MAX, &create.level, err) ||
        !cli_domain(cli, args, &create.dom, err))
        return false;
    cli_doing(cli, "Failed to back machine '%s' up", create.dom.name);
    if (!cli_is_local(cli)) {
        error_set(err, ERROR_NOT_SUPPORTED, "the machine is on another host than this command");
        return error_hint(err, "run 'lodge backup create' on that host, for example through ssh");
    }
    if (!cli_domain_is_active(cli, &create.dom, &create.is_active, err) || !create_open(&create, err) ||
        !create_begin_manifest(&create, err))
        return false;
    backup_guard_begin(cli, &guard);
    if (!create_find_parent(&create, err) || !create_open_source(&create, err))
        return false;
    if (!backup_run(cli, "Back up", create_thread, &create, err)) {
        source_explain(create.source, err);
        return false;
    }
    source_close(g_steal_pointer(&create.source), true);
    /* The next one counts from this one; earlier ones only cost. */
    if (create.is_active && cli_connect(cli, NULL))
        source_drop_checkpoints(cli, &create.dom, create.prefix, create.manifest->checkpoint);
    create_tell(&create);
    return true;
}
