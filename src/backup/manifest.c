/* Manifests: JSON, and finding them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/manifest.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/uuid.h"

#define FORMAT "lodge-backup-manifest"

static const char *const state_names[] = { "stopped", "crash-consistent", "quiesced" };
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == BACKUP_STATE_COUNT);

const char *backup_state_name(BackupState state)
{
    return state_names[state];
}

/* ---- the struct ---- */

static void disk_free(void *data)
{
    ManifestDisk *disk = data;

    g_free(disk->target);
    g_free(disk->format);
    g_free(disk->source);
    g_free(disk->full_reason);
    chunk_map_clear(&disk->map);
    g_free(disk);
}

static void file_free(void *data)
{
    ManifestFile *file = data;

    g_free(file->role);
    g_free(file->name);
    chunk_map_clear(&file->map);
    g_free(file);
}

Manifest *manifest_new(void)
{
    Manifest *manifest = g_new0(Manifest, 1);

    manifest->disks = g_ptr_array_new_with_free_func(disk_free);
    manifest->files = g_ptr_array_new_with_free_func(file_free);
    return manifest;
}

void manifest_free(Manifest *manifest)
{
    if (!manifest)
        return;
    g_ptr_array_unref(manifest->disks);
    g_ptr_array_unref(manifest->files);
    g_free(manifest->id);
    g_free(manifest->machine);
    g_free(manifest->uuid);
    g_free(manifest->definition);
    g_free(manifest->host);
    g_free(manifest->parent);
    g_free(manifest->checkpoint);
    g_free(manifest);
}

ManifestDisk *manifest_add_disk(Manifest *manifest, const char *target)
{
    ManifestDisk *disk = g_new0(ManifestDisk, 1);

    disk->target = g_strdup(target);
    g_ptr_array_add(manifest->disks, disk);
    return disk;
}

ManifestFile *manifest_add_file(Manifest *manifest, const char *role, const char *name)
{
    ManifestFile *file = g_new0(ManifestFile, 1);

    file->role = g_strdup(role);
    file->name = g_strdup(name);
    g_ptr_array_add(manifest->files, file);
    return file;
}

const ManifestDisk *manifest_disk_at(const Manifest *manifest, guint number)
{
    return g_ptr_array_index(manifest->disks, number);
}

const ManifestFile *manifest_file_at(const Manifest *manifest, guint number)
{
    return g_ptr_array_index(manifest->files, number);
}

const ManifestDisk *manifest_find_disk(const Manifest *manifest, const char *target)
{
    for (guint i = 0; i < manifest->disks->len; i++)
        if (g_strcmp0(manifest_disk_at(manifest, i)->target, target) == 0)
            return manifest_disk_at(manifest, i);
    return NULL;
}

bool manifest_is_incremental(const Manifest *manifest)
{
    for (guint i = 0; i < manifest->disks->len; i++)
        if (manifest_disk_at(manifest, i)->is_incremental)
            return true;
    return false;
}

uint64_t manifest_size(const Manifest *manifest)
{
    uint64_t sum = 0;

    for (guint i = 0; i < manifest->disks->len; i++)
        sum += manifest_disk_at(manifest, i)->map.size;
    return sum;
}

uint64_t manifest_stored(const Manifest *manifest)
{
    uint64_t sum = 0;

    for (guint i = 0; i < manifest->disks->len; i++)
        sum += manifest_disk_at(manifest, i)->stored_bytes;
    return sum;
}

char *manifest_time(int64_t time_s)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_s);

    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("?");
}

char *manifest_make_id(int64_t created_ms)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(created_ms / 1000);
    g_autofree char *when = g_date_time_format(time, "%Y%m%dT%H%M%S");

    return g_strdup_printf("%s.%03uZ-%04x", when, (unsigned)(created_ms % 1000),
                           (unsigned)g_random_int_range(0, 0x10000));
}

/* ---- to JSON ---- */

static Json *format_map(const ChunkMap *map)
{
    Json *nodes = json_array();

    for (guint i = 0; i < map->nodes->len; i++) {
        const Hash *hash = &g_array_index(map->nodes, Hash, i);
        char text[HASH_TEXT_LEN];
        hash_format(hash, text);
        json_array_append_new(nodes, hash_is_null(hash) ? json_null() : json_string(text));
    }
    return nodes;
}

char *manifest_format(const Manifest *manifest)
{
    g_autofree char *created = manifest_time(manifest->created_s);
    Json *disks = json_array(), *files = json_array();

    for (guint i = 0; i < manifest->disks->len; i++) {
        const ManifestDisk *disk = manifest_disk_at(manifest, i);
        json_array_append_new(disks,
                              json_pack("{s:s, s:s, s:s?, s:I, s:b, s:s?, s:I, s:I, s:o}", "target",
                                        disk->target, "format", disk->format, "source", disk->source, "size",
                                        (json_int_t)disk->map.size, "incremental", disk->is_incremental,
                                        "full_reason", disk->full_reason, "read_bytes",
                                        (json_int_t)disk->read_bytes, "stored_bytes",
                                        (json_int_t)disk->stored_bytes, "map", format_map(&disk->map)));
    }
    for (guint i = 0; i < manifest->files->len; i++) {
        const ManifestFile *file = manifest_file_at(manifest, i);
        char sum[HASH_TEXT_LEN];
        hash_format(&file->sha256, sum);
        json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:s, s:o}", "role", file->role, "name",
                                               file->name, "size", (json_int_t)file->map.size, "sha256", sum,
                                               "map", format_map(&file->map)));
    }
    AUTO_JSON json =
        json_pack("{s:s, s:i, s:s, s:s, s:I, s:I, s:s, s:{s:s, s:s, s:s}, s:s, s:s?, s:s?, s:o, s:o}",
                  "format", FORMAT, "version", MANIFEST_VERSION, "id", manifest->id, "created", created,
                  "created_s", (json_int_t)manifest->created_s, "took_ms", (json_int_t)manifest->took_ms,
                  "host", manifest->host, "machine", "name", manifest->machine, "uuid", manifest->uuid,
                  "definition", manifest->definition, "state", backup_state_name(manifest->state), "parent",
                  manifest->parent, "checkpoint", manifest->checkpoint, "disks", disks, "files", files);
    g_assert(json); /* all of it is text of ours or was checked to be UTF-8 */
    return json_format_pretty(json);
}

/* ---- from JSON ---- */

static bool parse_map(const Json *json, ChunkMap *ret_map, Error **err)
{
    const uint64_t size = json_get_uint(json, "size", UINT64_MAX);
    const Json *nodes = json_get_arr(json, "map");
    size_t index = 0;
    Json *node;

    if (size > MAP_MAX_BYTES || !nodes || json_array_size(nodes) != chunk_map_n_nodes(size))
        return error_set(err, ERROR_OPERATION_FAILED, "its size and its map do not fit together");
    g_autoptr(GArray) found = g_array_new(FALSE, TRUE, sizeof(Hash));
    json_array_foreach (nodes, index, node) {
        Hash hash = { 0 };
        if (!json_is_null(node) && !hash_parse(json_string_value(node), &hash))
            return error_set(err, ERROR_OPERATION_FAILED, "item %zu of its map is no hash", index);
        g_array_append_val(found, hash);
    }
    *ret_map = (ChunkMap){ .size = size, .nodes = g_steal_pointer(&found) };
    return true;
}

static bool parse_disk(Manifest *manifest, const Json *json, Error **err)
{
    const char *target = json_get_str(json, "target"), *format = json_get_str(json, "format");

    /* It becomes part of files' names. */
    if (!target || !format || !path_is_safe_component(target) || manifest_find_disk(manifest, target))
        return error_set(err, ERROR_OPERATION_FAILED, "a disk has no name of its own");
    ManifestDisk *disk = manifest_add_disk(manifest, target);
    disk->format = g_strdup(format);
    disk->source = g_strdup(json_get_str(json, "source"));
    disk->is_incremental = json_get_bool(json, "incremental", false);
    disk->full_reason = g_strdup(json_get_str(json, "full_reason"));
    disk->read_bytes = json_get_uint(json, "read_bytes", 0);
    disk->stored_bytes = json_get_uint(json, "stored_bytes", 0);
    return parse_map(json, &disk->map, err) || error_prefix(err, "disk '%s'", target);
}

static bool parse_file(Manifest *manifest, const Json *json, Error **err)
{
    const char *role = json_get_str(json, "role"), *name = json_get_str(json, "name");
    g_auto(GStrv) parts = g_strsplit(name ? name : "", "/", -1);

    for (char **part = parts; *part; part++)
        if (!path_is_safe_component(*part))
            return error_set(err, ERROR_OPERATION_FAILED, "a file has a name that cannot be");
    if (!role || !parts[0])
        return error_set(err, ERROR_OPERATION_FAILED, "a file has no name");
    ManifestFile *file = manifest_add_file(manifest, role, name);
    if (!hash_parse(json_get_str(json, "sha256"), &file->sha256))
        return error_set(err, ERROR_OPERATION_FAILED, "file '%s' has no checksum", name);
    return parse_map(json, &file->map, err) || error_prefix(err, "file '%s'", name);
}

static bool parse_lists(Manifest *manifest, const Json *json, Error **err)
{
    size_t index = 0;
    Json *item;

    json_array_foreach (json_get_arr(json, "disks"), index, item)
        if (!parse_disk(manifest, item, err))
            return false;
    json_array_foreach (json_get_arr(json, "files"), index, item)
        if (!parse_file(manifest, item, err))
            return false;
    return true;
}

static bool parse_state(const Json *json, BackupState *ret_state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(state_names); i++) {
        if (g_strcmp0(json_get_str(json, "state"), state_names[i]) == 0) {
            *ret_state = (BackupState)i;
            return true;
        }
    }
    return false;
}

bool manifest_parse(const char *text, size_t len, Manifest **ret_manifest, Error **err)
{
    g_autoptr(Manifest) manifest = manifest_new();
    AUTO_JSON json = NULL;
    Uuid uuid;

    if (!json_parse(text, len, "manifest", &json, err))
        return false;
    const Json *machine = json_get_obj(json, "machine");
    const uint64_t version = json_get_uint(json, "version", 0);
    if (g_strcmp0(json_get_str(json, "format"), FORMAT) != 0 || !version)
        return error_set(err, ERROR_OPERATION_FAILED, "it does not say that it is a manifest");
    if (version != MANIFEST_VERSION)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "it has version %" PRIu64 ", and this lodge knows %d only", version,
                         MANIFEST_VERSION);
    manifest->id = g_strdup(json_get_str(json, "id"));
    manifest->machine = g_strdup(json_get_str(machine, "name"));
    manifest->uuid = g_strdup(json_get_str(machine, "uuid"));
    manifest->definition = g_strdup(json_get_str(machine, "definition"));
    manifest->host = g_strdup(json_get_str(json, "host"));
    manifest->parent = g_strdup(json_get_str(json, "parent"));
    manifest->checkpoint = g_strdup(json_get_str(json, "checkpoint"));
    manifest->created_s = json_get_int(json, "created_s", -1);
    manifest->took_ms = json_get_uint(json, "took_ms", 0);
    if (!manifest->id || !path_is_safe_component(manifest->id) || !manifest->machine || !manifest->host ||
        !path_is_safe_component(manifest->machine) || !manifest->definition || manifest->created_s < 0 ||
        manifest->created_s > INT32_MAX * INT64_C(64) || !uuid_parse(manifest->uuid, &uuid, NULL) ||
        !parse_state(json, &manifest->state))
        return error_set(err, ERROR_OPERATION_FAILED, "it does not say what it is of");
    if (!parse_lists(manifest, json, err))
        return false;
    *ret_manifest = g_steal_pointer(&manifest);
    return true;
}

/* ---- of a repository ---- */

static bool load_one(Repo *repo, const char *name, Manifest **ret_manifest, Error **err)
{
    g_autoptr(Manifest) manifest = NULL;
    g_autofree char *text = NULL, *id = repo_manifest_id(name);
    size_t len = 0;

    if (!repo_read_manifest(repo, name, &text, &len, err))
        return false;
    if (!manifest_parse(text, len, &manifest, err))
        return error_prefix(err, "the manifest of backup '%s'", id);
    if (g_strcmp0(manifest->id, id) != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "the manifest of backup '%s' is of backup '%s'", id,
                         manifest->id);
    *ret_manifest = g_steal_pointer(&manifest);
    return true;
}

static void manifest_free_item(void *data)
{
    manifest_free(data);
}

static int compare_times(const void *a, const void *b)
{
    const Manifest *one = *(Manifest *const *)a, *other = *(Manifest *const *)b;

    return one->created_s != other->created_s
               ? (one->created_s > other->created_s) - (one->created_s < other->created_s)
               : strcmp(one->id, other->id);
}

bool manifest_load_all(Repo *repo, GPtrArray **ret_manifests, GPtrArray **ret_damage, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;

    if (!repo_list(repo, &names, err))
        return false;
    *ret_manifests = g_ptr_array_new_with_free_func(manifest_free_item);
    *ret_damage = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(Error) why = NULL;
        Manifest *manifest = NULL;
        if (load_one(repo, names->pdata[i], &manifest, &why))
            g_ptr_array_add(*ret_manifests, manifest);
        else
            g_ptr_array_add(*ret_damage, g_strdup(error_message(why)));
    }
    g_ptr_array_sort(*ret_manifests, compare_times);
    return true;
}

/* Whether @what means @manifest; *ret_exactly: nothing else can be meant. */
static bool is_meant(const Manifest *manifest, const char *what, bool *ret_exactly)
{
    *ret_exactly = strcmp(what, "latest") == 0 || strcmp(manifest->machine, what) == 0 ||
                   strcmp(manifest->id, what) == 0;
    return *ret_exactly || g_str_has_prefix(manifest->id, what);
}

bool manifest_find(Repo *repo, const char *what, Manifest **ret_manifest, Error **err)
{
    g_autoptr(GPtrArray) all = NULL, damage = NULL;
    guint found = 0, n = 0;

    if (!manifest_load_all(repo, &all, &damage, err))
        return false;
    for (guint i = all->len; i > 0 && *what; i--) { /* the newest first */
        bool exactly = false;
        if (is_meant(all->pdata[i - 1], what, &exactly)) {
            n = exactly ? 1 : n + 1;
            found = i - 1;
            if (exactly)
                break;
        }
    }
    for (guint i = 0; i < damage->len && n == 0; i++) /* it may be the one */
        if (strstr(damage->pdata[i], what) && *what)
            return error_set(err, ERROR_OPERATION_FAILED, "%s", (const char *)damage->pdata[i]);
    if (n != 1) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  n ? "several backups in repository '%s' begin with '%s'"
                    : "repository '%s' has no backup '%s'",
                  repo_path(repo), what);
        return error_hint(err, "'lodge backup list %s' shows what there is", repo_path(repo));
    }
    *ret_manifest = g_ptr_array_steal_index(all, found);
    return true;
}
