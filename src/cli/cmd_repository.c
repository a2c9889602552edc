/* `lodge backup`: backups of machines in repositories. Commands that need the daemon are in backup_create.c
 * and backup_restore.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "backup/mount.h"
#include "backup/prune.h"
#include "backup/retention.h"
#include "backup/verify.h"
#include "cli/backup.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/output.h"

/* ---- list ---- */

static const CliColumn list_columns[] = {
    { "Backup", "id" },
    { "Machine", "machine" },
    { "Time", "created" },
    { "Kind", "kind" },
    { "State", "state" },
    { "Disks", "disks", "[string]" },
    { "Size", "size_bytes", "number" },
    { "Added", "stored_bytes", "number" },
    { NULL, "uuid" },
    { NULL, "parent", "string|null" },
    { NULL, "host" },
    { 0 },
};

static char *local_time(int64_t time_s)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(time_s);

    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
}

static char *disk_names(const Manifest *manifest, Json **ret_list)
{
    g_autoptr(GString) text = g_string_new(NULL);

    *ret_list = json_array();
    for (guint i = 0; i < manifest->disks->len; i++) {
        g_string_append_printf(text, "%s%s", i ? "," : "", manifest_disk_at(manifest, i)->target);
        json_array_append_new(*ret_list, json_string(manifest_disk_at(manifest, i)->target));
    }
    return g_strdup(text->str);
}

static void list_row(CliTable *table, const Manifest *manifest)
{
    g_autofree char *when = local_time(manifest->created_s), *utc = manifest_time(manifest->created_s);
    g_autofree char *size = short_size(manifest_size(manifest)),
                    *added = short_size(manifest_stored(manifest));
    Json *disks = NULL;
    g_autofree char *names = disk_names(manifest, &disks);

    table_row(table);
    table_cell_text(table, manifest->id);
    table_cell_text(table, manifest->machine);
    table_cell(table, json_string(utc), "%s", when);
    table_cell_text(table, manifest_is_incremental(manifest) ? "incremental" : "full");
    table_cell_text(table, backup_state_name(manifest->state));
    table_cell(table, disks, "%s", names);
    table_cell(table, json_integer((json_int_t)manifest_size(manifest)), "%s", size);
    table_cell(table, json_integer((json_int_t)manifest_stored(manifest)), "%s", added);
    table_cell_text(table, manifest->uuid);
    table_cell_text(table, manifest->parent);
    table_cell_text(table, manifest->host);
}

/* What is damaged is told, and the rest goes on. */
static void tell_damage(Cli *cli, const GPtrArray *damage)
{
    for (guint i = 0; i < damage->len; i++) {
        g_autofree char *text = text_printable(damage->pdata[i]);
        fprintf(stderr, "warning: %s\n", text);
        cli->exit_code = CLI_EXIT_FAILED;
    }
}

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *machine = args_get(args, "domain");
    g_autoptr(Repo) repo = NULL;
    g_autoptr(GPtrArray) all = NULL, damage = NULL;

    cli_doing(cli, "Failed to list backups");
    if (!backup_open_repo(args, REPO_READ, "list", &repo, err) ||
        !manifest_load_all(repo, &all, &damage, err))
        return false;
    CliTable *table = table_new(list_columns, 0);
    for (guint i = 0; i < all->len; i++) {
        const Manifest *manifest = all->pdata[i];
        if (!machine || strcmp(machine, manifest->machine) == 0 || strcmp(machine, manifest->uuid) == 0)
            list_row(table, manifest);
    }
    tell_damage(cli, damage);
    return cli_print_table(cli, table, err);
}

/* ---- show ---- */

static const CliColumn show_columns[] = {
    { "Disk", "target" },
    { "Format", "format" },
    { "Size", "size_bytes", "number" },
    { "Kind", "kind" },
    { "Read", "read_bytes", "number" },
    { "Added", "stored_bytes", "number" },
    { "Source", "source", "string|null" },
    { "Why full", "full_reason", "string|null" },
    { 0 },
};

static CliTable *show_disks(const Manifest *manifest)
{
    CliTable *table = table_new(show_columns, 0);

    for (guint i = 0; i < manifest->disks->len; i++) {
        const ManifestDisk *disk = manifest_disk_at(manifest, i);
        g_autofree char *size = short_size(disk->map.size), *read = short_size(disk->read_bytes);
        g_autofree char *added = short_size(disk->stored_bytes);
        table_row(table);
        table_cell_text(table, disk->target);
        table_cell_text(table, disk->format);
        table_cell(table, json_integer((json_int_t)disk->map.size), "%s", size);
        table_cell_text(table, disk->is_incremental ? "incremental" : "full");
        table_cell(table, json_integer((json_int_t)disk->read_bytes), "%s", read);
        table_cell(table, json_integer((json_int_t)disk->stored_bytes), "%s", added);
        table_cell_text(table, disk->source);
        table_cell_text(table, disk->full_reason);
    }
    return table;
}

static bool show_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(Repo) repo = NULL;
    g_autoptr(Manifest) manifest = NULL;

    cli_doing(cli, "Failed to show backup '%s'", args_get(args, "backup"));
    if (!backup_open_repo(args, REPO_READ, "show", &repo, err) ||
        !manifest_find(repo, args_get(args, "backup"), &manifest, err))
        return false;
    if (args_has(args, "xml")) {
        cli_print_text(cli, "xml", manifest->definition);
        return true;
    }
    g_autofree char *when = local_time(manifest->created_s), *utc = manifest_time(manifest->created_s);
    g_autofree char *took = g_strdup_printf("%.1f s", (double)manifest->took_ms / 1000);
    g_autoptr(CliTable) disks = show_disks(manifest);
    g_autofree char *text = table_format(disks, true, cli->color, cli->width);
    Json *files = json_array();
    CliRecord *record = record_new(12);
    record_add(record, "Backup:", "id", NULL, "%s", manifest->id);
    record_add(record, "Machine:", "machine", NULL, "%s", manifest->machine);
    record_add(record, "UUID:", "uuid", NULL, "%s", manifest->uuid);
    record_add(record, "Host:", "host", NULL, "%s", manifest->host);
    record_add(record, "Time:", "created", json_string(utc), "%s", when);
    record_add(record, "Took:", "took_ms", json_integer((json_int_t)manifest->took_ms), "%s", took);
    record_add(record, "State:", "state", NULL, "%s", backup_state_name(manifest->state));
    record_add(record, "Kind:", "kind", NULL, "%s",
               manifest_is_incremental(manifest) ? "incremental" : "full");
    if (manifest->parent)
        record_add(record, "Parent:", "parent", NULL, "%s", manifest->parent);
    if (manifest->checkpoint)
        record_add(record, "Checkpoint:", "checkpoint", NULL, "%s", manifest->checkpoint);
    for (guint i = 0; i < manifest->files->len; i++) {
        const ManifestFile *file = manifest_file_at(manifest, i);
        record_add(record, i ? "" : "Files:", NULL, NULL, "%s (%s, %" PRIu64 " bytes)", file->name,
                   file->role, file->map.size);
        json_array_append_new(files, json_pack("{s:s, s:s, s:I}", "role", file->role, "name", file->name,
                                               "size_bytes", (json_int_t)file->map.size));
    }
    record_add(record, NULL, "files", files, " ");
    record_add(record, NULL, "disks", table_json(disks), " ");
    cli_print_record(cli, record);
    cli_say(cli, "\n%s", text);
    return true;
}

/* ---- verify ---- */

typedef struct VerifyOrder {
    Repo *repo;
    GPtrArray *manifests;
    VerifyScope scope;
    VerifyResult result;
} VerifyOrder;

static bool verify_thread(void *arg, WorkProgress *progress, Error **err)
{
    VerifyOrder *order = arg;

    return verify_run(order->repo, order->manifests, order->scope, progress, &order->result, err);
}

/* Another process may hold the lock; then the next verification notes it. */
static void verify_note(const CliArgs *args, VerifyOrder *order)
{
    g_autoptr(Repo) repo = NULL;
    g_autoptr(Error) why = NULL;

    if (!order->result.bad->len)
        return;
    if (!backup_open_repo(args, REPO_WRITE, "verification", &repo, &why) ||
        !repo_note_damaged(order->repo, order->result.bad, &why))
        fprintf(stderr, "warning: the repository could not be told what is damaged: %s\n",
                error_message(why));
}

static bool verify_boot(Cli *cli, const CliArgs *args, VerifyOrder *order, Json *booted, Error **err)
{
    g_autofree char *folder = args_has(args, "folder")
                                  ? g_canonicalize_filename(args_get(args, "folder"), NULL)
                                  : g_strdup("/var/tmp");
    int64_t timeout_s = 300;

    if (!args_get_int(args, "timeout", 1, 86400, &timeout_s, err) || !cli_connect(cli, err))
        return false;
    for (guint i = 0; i < order->manifests->len; i++) {
        const Manifest *manifest = order->manifests->pdata[i];
        g_autofree char *sign = NULL;
        if (!backup_boot(cli, order->repo, manifest, folder, (unsigned)timeout_s, &sign, err))
            return error_prefix(err, "backup '%s'", manifest->id);
        cli_say(cli, "Backup '%s' of machine '%s': %s%s\n", manifest->id, manifest->machine,
                sign ? "it came up, " : "it did not come up", sign ? sign : "");
        json_array_append_new(booted, json_pack("{s:s, s:b, s:s?}", "id", manifest->id, "came_up",
                                                sign != NULL, "sign", sign));
        if (!sign)
            cli->exit_code = CLI_EXIT_FAILED;
    }
    return true;
}

static Json *texts_to_json(const GPtrArray *texts)
{
    Json *list = json_array();

    for (guint i = 0; i < texts->len; i++)
        json_array_append_new(list, json_string(texts->pdata[i]));
    return list;
}

static bool verify_report(Cli *cli, const CliArgs *args, VerifyOrder *order, const GPtrArray *damage,
                          Error **err)
{
    const VerifyResult *result = &order->result;
    g_autofree char *read = short_size(result->read_bytes);
    AUTO_JSON booted = json_array();
    const bool is_good = !result->problems->len && !damage->len;

    for (guint i = 0; i < result->problems->len && !cli->json; i++) {
        g_autofree char *text = text_printable(result->problems->pdata[i]);
        cli_say(cli, "%s\n", text);
    }
    if (is_good)
        cli_say(cli, "All is well: %u backups, %" PRIu64 " chunks, %s read back\n", order->manifests->len,
                result->n_chunks, read);
    else
        cli_say(cli, "%u of %u backups are damaged (%" PRIu64 " chunks of %" PRIu64 ")\n",
                result->damaged->len + damage->len, order->manifests->len + damage->len, result->n_bad,
                result->n_chunks);
    if (!is_good)
        cli->exit_code = CLI_EXIT_FAILED;
    if (args_has(args, "boot") && !verify_boot(cli, args, order, booted, err))
        return false;
    cli_print_json(cli, json_pack("{s:b, s:i, s:I, s:I, s:I, s:o, s:o, s:O}", "good", is_good, "backups",
                                  (int)order->manifests->len, "chunks", (json_int_t)result->n_chunks,
                                  "bad_chunks", (json_int_t)result->n_bad, "read_bytes",
                                  (json_int_t)result->read_bytes, "damaged", texts_to_json(result->damaged),
                                  "problems", texts_to_json(result->problems), "booted", booted));
    return true;
}

static bool verify_command(Cli *cli, const CliArgs *args, VerifyOrder *order, Error **err)
{
    const char *what = args_get(args, "backup");
    g_autoptr(GPtrArray) damage = g_ptr_array_new_with_free_func(g_free);
    Manifest *one = NULL;

    if (what) {
        if (!manifest_find(order->repo, what, &one, err))
            return false;
        order->manifests = g_ptr_array_new_with_free_func((GDestroyNotify)manifest_free);
        g_ptr_array_add(order->manifests, one);
    } else {
        g_clear_pointer(&damage, g_ptr_array_unref);
        if (!manifest_load_all(order->repo, &order->manifests, &damage, err))
            return false;
    }
    order->scope = what ? VERIFY_BACKUPS : args_has(args, "deep") ? VERIFY_CHUNKS : VERIFY_PACKS;
    tell_damage(cli, damage);
    if (!backup_run(cli, "Verify", verify_thread, order, err))
        return false;
    verify_note(args, order);
    return verify_report(cli, args, order, damage, err);
}

static bool verify_command_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(Repo) repo = NULL;

    cli_doing(cli, "Failed to verify backups");
    if (!backup_open_repo(args, REPO_READ, "verification", &repo, err))
        return false;
    VerifyOrder order = { .repo = repo };
    const bool ok = verify_command(cli, args, &order, err);
    verify_result_clear(&order.result);
    g_clear_pointer(&order.manifests, g_ptr_array_unref);
    return ok;
}

/* ---- prune ---- */

typedef struct PruneOrder {
    Repo *repo;
    GPtrArray *kept; /* borrowed items */
    bool dry;
    PruneResult result;
} PruneOrder;

static bool prune_thread(void *arg, WorkProgress *progress, Error **err)
{
    PruneOrder *order = arg;

    return prune_collect(order->repo, order->kept, order->dry, progress, &order->result, err);
}

/* Rules for one machine's backups. @reasons: by manifest, why it is kept */
static void choose_of_machine(const Retention *retention, const GPtrArray *all, const char *uuid,
                              GHashTable *reasons)
{
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_autoptr(GPtrArray) of = g_ptr_array_new();
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();

    for (guint i = all->len; i > 0; i--) {
        Manifest *manifest = all->pdata[i - 1];
        if (strcmp(manifest->uuid, uuid) == 0) {
            g_ptr_array_add(of, manifest);
            g_array_append_val(times, manifest->created_s);
        }
    }
    g_autofree RetentionRule *rules = g_new0(RetentionRule, of->len + 1);
    retention_choose(retention, zone, (const int64_t *)(void *)times->data, times->len, rules);
    for (guint i = 0; i < of->len; i++)
        g_hash_table_insert(reasons, of->pdata[i],
                            (void *)(rules[i] == RETENTION_RULE_COUNT ? "" : retention_rule_name(rules[i])));
}

/* By manifest: why it is kept; "": it goes. Machines that are not meant keep all. */
static bool prune_choose(const CliArgs *args, const GPtrArray *all, GHashTable *reasons, Error **err)
{
    const char *machine = args_get(args, "domain");
    Retention retention = { 0 };

    for (unsigned rule = 0; rule < RETENTION_RULE_COUNT; rule++) {
        int64_t n = 0;
        if (!args_get_int(args, retention_rule_name((RetentionRule)rule), 0, INT32_MAX, &n, err))
            return false;
        retention.keep[rule] = (unsigned)n;
    }
    if (retention_is_empty(&retention) && !args_has(args, "remove") && !args_has(args, "collect")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "nothing says which backups to keep");
        return error_hint(err, "for example --keep-daily 7 --keep-weekly 4; --remove BACKUP removes one, "
                               "--collect "
                               "only frees what no backup needs");
    }
    for (guint i = 0; i < all->len; i++) {
        Manifest *manifest = all->pdata[i];
        const bool is_meant =
            !machine || strcmp(machine, manifest->machine) == 0 || strcmp(machine, manifest->uuid) == 0;
        if (retention_is_empty(&retention) || !is_meant)
            g_hash_table_insert(reasons, manifest, (void *)"-");
        else if (!g_hash_table_contains(reasons, manifest))
            choose_of_machine(&retention, all, manifest->uuid, reasons);
    }
    return true;
}

/* The file of the manifest of a backup, if there is one and it is not in @files yet. */
static bool add_file_of(const GPtrArray *names, const char *id, GPtrArray *files)
{
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *name = repo_manifest_id(names->pdata[i]);
        if (strcmp(name, id) != 0)
            continue;
        if (!g_ptr_array_find_with_equal_func(files, names->pdata[i], g_str_equal, NULL))
            g_ptr_array_add(files, g_strdup(names->pdata[i]));
        return true;
    }
    return false;
}

/* Backups by name, damaged ones among them: their files go. */
static bool prune_named(const CliArgs *args, const GPtrArray *all, const GPtrArray *names,
                        GHashTable *reasons, GPtrArray *files, Error **err)
{
    g_auto(GStrv) ids = g_strsplit(args_has(args, "remove") ? args_get(args, "remove") : "", "\n", -1);

    for (char **id = ids; *id && **id; id++) {
        const bool found = add_file_of(names, *id, files);
        for (guint i = 0; i < all->len; i++)
            if (strcmp(((Manifest *)all->pdata[i])->id, *id) == 0)
                g_hash_table_insert(reasons, all->pdata[i], (void *)"");
        if (!found) {
            error_set(err, ERROR_INVALID_ARGUMENT, "there is no backup '%s'", *id);
            return error_hint(err, "give its id as 'lodge backup list' shows it");
        }
    }
    return true;
}

static const CliColumn prune_columns[] = { { "Backup", "id" },
                                           { "Machine", "machine" },
                                           { "Time", "created" },
                                           { "Kept by", "kept_by", "string|null" },
                                           { NULL, "removed", "boolean" },
                                           { 0 } };

static CliTable *prune_table(const GPtrArray *all, GHashTable *reasons)
{
    CliTable *table = table_new(prune_columns, 0);

    for (guint i = 0; i < all->len; i++) {
        const Manifest *manifest = all->pdata[i];
        const char *reason = g_hash_table_lookup(reasons, manifest);
        g_autofree char *when = local_time(manifest->created_s), *utc = manifest_time(manifest->created_s);
        table_row(table);
        table_cell_text(table, manifest->id);
        table_cell_text(table, manifest->machine);
        table_cell(table, json_string(utc), "%s", when);
        table_cell(table, *reason && *reason != '-' ? json_string(reason) : json_null(), "%s",
                   *reason ? reason : "(removed)");
        table_cell(table, json_boolean(!*reason), " ");
    }
    return table;
}

/* Manifests first, each at once and for good; then what only they needed. */
static bool prune_carry_out(Cli *cli, PruneOrder *order, const GPtrArray *all, const GPtrArray *names,
                            GHashTable *reasons, GPtrArray *files, Error **err)
{
    for (guint i = 0; i < all->len; i++) {
        Manifest *manifest = all->pdata[i];
        if (*(const char *)g_hash_table_lookup(reasons, manifest)) {
            g_ptr_array_add(order->kept, manifest);
            continue;
        }
        add_file_of(names, manifest->id, files);
    }
    for (guint i = 0; i < files->len && !order->dry; i++)
        if (!repo_remove_manifest(order->repo, files->pdata[i], err))
            return false;
    return backup_run(cli, "Prune", prune_thread, order, err);
}

/* One that is damaged and stays may need anything. */
static bool check_damaged_go(const GPtrArray *all, const GPtrArray *names, const GPtrArray *files,
                             const GPtrArray *damage, Error **err)
{
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *id = repo_manifest_id(names->pdata[i]);
        bool is_good = false;
        for (guint k = 0; k < all->len && !is_good; k++)
            is_good = strcmp(((const Manifest *)all->pdata[k])->id, id) == 0;
        if (is_good ||
            g_ptr_array_find_with_equal_func((GPtrArray *)files, names->pdata[i], g_str_equal, NULL))
            continue;
        error_set(err, ERROR_OPERATION_FAILED, "nobody can say what is still needed: %s",
                  damage->len ? (const char *)damage->pdata[0] : id);
        return error_hint(err, "remove that backup with --remove %s; what it consists of is kept until then",
                          id);
    }
    return true;
}

static bool prune_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(Repo) repo = NULL;
    g_autoptr(GPtrArray) all = NULL, damage = NULL, names = NULL, kept = g_ptr_array_new();
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) reasons = g_hash_table_new(NULL, NULL);
    PruneOrder order = { .kept = kept, .dry = args_has(args, "dry-run") };

    cli_doing(cli, "Failed to prune the repository");
    if (!backup_open_repo(args, order.dry ? REPO_READ : REPO_REMOVE, "pruning", &repo, err) ||
        !manifest_load_all(repo, &all, &damage, err) || !repo_list(repo, &names, err) ||
        !prune_choose(args, all, reasons, err) || !prune_named(args, all, names, reasons, files, err))
        return false;
    order.repo = repo;
    if (!check_damaged_go(all, names, files, damage, err))
        return false;
    if (!prune_carry_out(cli, &order, all, names, reasons, files, err))
        return false;
    g_autofree char *freed =
        short_size(order.result.before_bytes - MIN(order.result.after_bytes, order.result.before_bytes));
    g_autofree char *left = short_size(order.result.after_bytes);
    CliTable *table = prune_table(all, reasons);
    if (cli->json) {
        cli_print_json(cli,
                       json_pack("{s:b, s:o, s:I, s:I}", "dry_run", order.dry, "backups", table_json(table),
                                 "before_bytes", (json_int_t)order.result.before_bytes, "after_bytes",
                                 (json_int_t)order.result.after_bytes));
        table_free(table);
        return true;
    }
    if (!cli_print_table(cli, table, err))
        return false;
    cli_say(cli, "%s %s, %s are left\n", order.dry ? "This would free" : "Freed", freed, left);
    return true;
}

/* ---- mount ---- */

typedef struct MountReady {
    Cli *cli;
    const char *mountpoint, *id;
} MountReady;

static void mount_ready(void *arg)
{
    const MountReady *ready = arg;

    cli_message(ready->cli, "Backup '%s' is mounted at %s; 'fusermount3 -u %s' or Ctrl-C ends it", ready->id,
                ready->mountpoint, ready->mountpoint);
    (void)fflush(ready->cli->out);
}

static bool mount_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *mountpoint = g_canonicalize_filename(args_get(args, "mountpoint"), NULL);
    g_autoptr(Repo) repo = NULL;
    g_autoptr(Manifest) manifest = NULL;

    cli_doing(cli, "Failed to mount backup '%s'", args_get(args, "backup"));
    if (!backup_open_repo(args, REPO_READ, "mount", &repo, err) ||
        !manifest_find(repo, args_get(args, "backup"), &manifest, err))
        return false;
    /* There is no daemon to answer to, so the loop may stand still. */
    MountReady ready = { .cli = cli, .mountpoint = mountpoint, .id = manifest->id };
    return mount_serve(repo, manifest, args_get(args, "disk"), mountpoint, mount_ready, &ready, err);
}

/* ---- the commands ---- */

#define OPT_REPOSITORY                                                                                       \
    OPT(CLI_STRING, "repository", "folder of the repository", .flags = CLI_REQUIRED,                         \
        .complete = COMPLETE_FILE)
#define BACKUP_DOC "id of a backup or its beginning, the name of a machine (its newest), or 'latest'"
#define OPT_BACKUP OPT_REQUIRED("backup", BACKUP_DOC)
#define OPT_KEEP(rule, text) OPT(CLI_INT, rule, text, .flags = CLI_NAMED)

static const CliOption create_options[] = {
    OPT_DOMAIN,
    OPT_REPOSITORY,
    OPT_BOOL("full", "read all of the disks, even where only what changed could be read"),
    OPT_BOOL("quiesce",
             "freeze the file systems of a running guest by its agent for the moment of the backup"),
    OPT(CLI_STRING, "exclude", "target of a disk to leave out; may be given several times",
        .flags = CLI_NAMED | CLI_LINES, .complete = COMPLETE_DOMAIN_DISK),
    OPT_BOOL("decrypt", "take encrypted disks, too: their content lies in the repository in the clear"),
    OPT(CLI_INT, "level", "of zstd: 1 (the default) is fast, 19 small", .flags = CLI_NAMED),
    { 0 },
};
static const CliOption list_options[] = { OPT_REPOSITORY,
                                          OPT_STRING("domain", "only backups of this machine: name or UUID"),
                                          { 0 } };
static const CliOption show_options[] = {
    OPT_REPOSITORY, OPT_BACKUP, OPT_BOOL("xml", "print the machine's definition in the backup"), { 0 }
};
static const CliOption verify_options[] = {
    OPT_REPOSITORY,
    OPT_STRING("backup", BACKUP_DOC "; default: all that there is"),
    OPT_BOOL("deep", "also decompress each chunk and compare it with its checksum, as for a single backup"),
    OPT_BOOL("boot", "also start the machine from the backup, without network, and see whether it comes up"),
    OPT(CLI_STRING, "folder", "where the disks go meanwhile; default: /var/tmp", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT(CLI_INT, "timeout", "seconds for it to come up; default: 300", .flags = CLI_NAMED),
    { 0 },
};
static const CliOption restore_options[] = {
    OPT_REPOSITORY,
    OPT_BACKUP,
    OPT_NAMED("as", "name of a new machine, with a UUID and MAC addresses of its own"),
    OPT(CLI_STRING, "pool", "pool for the disks", .flags = CLI_NAMED, .class = &class_pool),
    OPT(CLI_STRING, "folder", "folder for the disks", .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "format", "format of the disks' images; default: as they were",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "qcow2 raw"),
    OPT_BOOL("decrypt", "restore disks that were encrypted in the clear, for want of their secret"),
    OPT_BOOL("salvage", "restore what is good of a damaged backup; the rest reads as zeroes"),
    { 0 },
};
static const CliOption prune_options[] = {
    OPT_REPOSITORY,
    OPT_STRING("domain", "only backups of this machine: name or UUID"),
    OPT_KEEP("keep-last", "keep the newest N"),
    OPT_KEEP("keep-hourly", "of each of the last N hours with backups keep the newest"),
    OPT_KEEP("keep-daily", "likewise of days"),
    OPT_KEEP("keep-weekly", "likewise of weeks"),
    OPT_KEEP("keep-monthly", "likewise of months"),
    OPT_KEEP("keep-yearly", "likewise of years"),
    OPT(CLI_STRING, "remove", "id of a backup that goes; may be given several times",
        .flags = CLI_NAMED | CLI_LINES),
    OPT_BOOL("collect", "only free what no backup needs"),
    OPT_BOOL("dry-run", "only say what would go"),
    { 0 },
};
static const CliOption mount_options[] = {
    OPT_REPOSITORY,
    OPT_BACKUP,
    OPT(CLI_STRING, "mountpoint", "an empty folder", .flags = CLI_REQUIRED, .complete = COMPLETE_FILE),
    OPT_NAMED("disk", "only this disk"),
    { 0 },
};

const CliCommand commands_repository[] = {
    COMMAND("backup-create", GROUP_BACKUP, "back a machine up into a repository", create_options,
            backup_create_run,
            .doc =
                "Its definition, the state of its firmware and TPM, and all of its disks. A running "
                "machine goes on "
                "meanwhile; only what changed since its last backup in this repository is read, and only "
                "what the "
                "repository does not have is stored. The folder becomes a repository if it is empty or "
                "not there. Encrypted disks are taken with --decrypt only, because what is read of them is "
                "not encrypted any more; nor are the scratch images that QEMU has meanwhile."),
    COMMAND("backup-list", GROUP_BACKUP, "list the backups in a repository", list_options, list_run,
            .flags = CLI_NO_CONNECT, .columns = list_columns),
    COMMAND("backup-show", GROUP_BACKUP, "show a backup", show_options, show_run, .flags = CLI_NO_CONNECT,
            .json = "{\"id\": string, \"machine\": string, \"uuid\": string, \"host\": string, \"created\": "
                    "string, "
                    "\"took_ms\": number, \"state\": string, \"kind\": string, \"parent\": string, "
                    "\"checkpoint\": string, \"files\": [{...}], \"disks\": [{...}]}"),
    COMMAND(
        "backup-verify", GROUP_BACKUP, "read a repository back and check every byte", verify_options,
        verify_command_run, .flags = CLI_NO_CONNECT,
        .doc =
            "What is damaged is named: backup, disk, offset, chunk, file. The exit code is 1 then. The next "
            "backup that has such content stores it again, which makes older backups whole, too.",
        .json =
            "{\"good\": boolean, \"backups\": number, \"chunks\": number, \"bad_chunks\": number, "
            "\"read_bytes\": number, \"damaged\": [string], \"problems\": [string], \"booted\": [{...}]}"),
    COMMAND("backup-restore", GROUP_BACKUP, "restore a machine from a backup", restore_options,
            backup_restore_run, .exclusive = "pool folder",
            .doc = "The machine itself must not run; its disks are replaced when all of them have been "
                   "restored. With --as "
                   "a new machine is made, which needs --pool or --folder. Disks that were encrypted are, by "
                   "the same secret, whose value has to be readable; or not, with --decrypt."),
    COMMAND("backup-prune", GROUP_BACKUP, "remove old backups and what only they need", prune_options,
            prune_run, .flags = CLI_NO_CONNECT,
            .doc = "Each rule is about each machine by itself. A backup that one rule keeps stays."),
    COMMAND("backup-mount", GROUP_BACKUP, "show the disks of a backup as files", mount_options, mount_run,
            .flags = CLI_NO_CONNECT,
            .doc = "Read-only, by FUSE, until it is unmounted: TARGET.raw for each disk. 'losetup -rP', "
                   "'qemu-nbd -r' or "
                   "guestmount find the file systems inside."),
    { 0 },
};
