/* Snapshots and checkpoints: what no row of their documents can check, and what follows from the machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/snapshot.h"

#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"

#define SNAPSHOT_SOURCE "(domain_snapshot)"
#define CHECKPOINT_SOURCE "(domain_checkpoint)"

#define UNSUPPORTED(...) error_set(err, ERROR_CONFIG_UNSUPPORTED, __VA_ARGS__)
#define INVALID(...) error_set(err, ERROR_XML_INVALID, __VA_ARGS__)

void snapshot_def_free(SnapshotDef *def)
{
    xml_table_free(&snapshot_table, def);
}

void checkpoint_def_free(CheckpointDef *def)
{
    xml_table_free(&checkpoint_table, def);
}

void snapshot_def_format(const SnapshotDef *def, unsigned flags, GString *out)
{
    xml_table_write(&snapshot_table, "domainsnapshot", def, flags | XML_FORMAT_INACTIVE, 0, out);
}

void checkpoint_def_format(const CheckpointDef *def, unsigned flags, GString *out)
{
    xml_table_write(&checkpoint_table, "domaincheckpoint", def, flags | XML_FORMAT_INACTIVE, 0, out);
}

/* ---- reading ---- */

/* A moment's name is that of a file, too. */
static bool check_name(const char *what, const char *name, MomentParseFlags flags, Error **err)
{
    if (!name && flags & MOMENT_PARSE_REDEFINE)
        return INVALID("a redefined %s must have a name", what);
    if (name && strchr(name, '/'))
        return error_set(err, ERROR_XML_SYNTAX, "invalid %s name '%s': name can't contain '/'", what, name);
    if (name && name[0] == '.')
        return error_set(err, ERROR_XML_SYNTAX, "invalid %s name '%s': name can't start with '.'", what,
                         name);
    return true;
}

static bool check_memory(SnapshotDef *def, Error **err)
{
    const bool is_at_rest = def->state == SNAPSHOT_SHUTOFF || def->state == SNAPSHOT_DISK_ONLY;

    if (def->memory_file && def->memory == DISK_SNAPSHOT_ABSENT)
        def->memory = DISK_SNAPSHOT_EXTERNAL;
    if (def->memory_file && def->memory != DISK_SNAPSHOT_EXTERNAL)
        return INVALID("memory filename '%s' requires external snapshot", def->memory_file);
    if (def->memory == DISK_SNAPSHOT_EXTERNAL && !def->memory_file)
        return INVALID("external memory snapshots require a filename");
    if (def->memory == DISK_SNAPSHOT_MANUAL)
        return INVALID("memory of a snapshot cannot be 'manual'");
    if (is_at_rest && (def->memory == DISK_SNAPSHOT_INTERNAL || def->memory == DISK_SNAPSHOT_EXTERNAL))
        return INVALID("memory state cannot be saved with offline or disk-only snapshot");
    if (def->memory_file && def->memory_file[0] != '/')
        return INVALID("memory snapshot file path (%s) must be absolute", def->memory_file);
    return true;
}

static bool check_disk(SnapshotDisk *disk, Error **err)
{
    const StorageSource *source = &disk->src;

    if (!disk->snapshot && source->path)
        disk->snapshot = DISK_SNAPSHOT_EXTERNAL;
    if (source->path && disk->snapshot != DISK_SNAPSHOT_EXTERNAL)
        return UNSUPPORTED("file '%s' for disk '%s' requires use of external snapshot mode", source->path,
                           disk->name);
    if (source->path && source->path[0] != '/' &&
        (source->type == STORAGE_FILE || source->type == STORAGE_BLOCK))
        return INVALID("disk snapshot image path '%s' must be absolute", source->path);
    if (source->type != STORAGE_FILE && source->type != STORAGE_BLOCK && source->type != STORAGE_NETWORK)
        return INVALID("unsupported disk snapshot type '%s'", enum_name(&storage_type_names, source->type));
    return true;
}

static bool check_snapshot(SnapshotDef *def, MomentParseFlags flags, Error **err)
{
    if (!check_name("snapshot", def->name, flags, err))
        return false;
    if (flags & MOMENT_PARSE_REDEFINE) {
        if (!def->created_s.is_set)
            return error_set(err, ERROR_INTERNAL, "missing creationTime from existing snapshot");
        if (!def->state)
            return INVALID("missing state from existing snapshot");
        if (!def->domain)
            return error_set(err, ERROR_INTERNAL, "missing domain in snapshot");
    }
    if (!check_memory(def, err))
        return false;
    for (guint i = 0; def->disks && i < def->disks->len; i++) {
        SnapshotDisk *disk = g_ptr_array_index(def->disks, i);
        if (!check_disk(disk, err))
            return false;
        domain_fill_source_defaults(&disk->src);
    }
    return true;
}

/* What is only said of a moment that exists is not taken from the document of a new one. */
static void forget_past(SnapshotDef *def)
{
    def->state = SNAPSHOT_STATE_NONE;
    def->created_s = (OptS64){ 0 };
    g_clear_pointer(&def->parent, g_free);
    g_clear_pointer(&def->domain, domain_def_free);
    g_clear_pointer(&def->inactive, domain_def_free);
}

static DomainParseFlags outer_flags(MomentParseFlags flags)
{
    return DOMAIN_PARSE_INACTIVE | (flags & MOMENT_PARSE_VALIDATE ? DOMAIN_PARSE_VALIDATE : 0);
}

static bool finish_machine(DomainDef *def, MomentParseFlags flags, const DomainHooks *hooks, Error **err)
{
    const DomainParseFlags checks = flags & MOMENT_PARSE_STORED ? DOMAIN_PARSE_SKIP_CHECKS : 0;

    return !def || domain_def_finish(def, DOMAIN_PARSE_INACTIVE | checks, hooks, err);
}

bool snapshot_def_parse(const char *xml, size_t len, MomentParseFlags flags, const DomainHooks *hooks,
                        SnapshotDef **ret_def, Error **err)
{
    void *object = NULL;

    if (!domain_document_parse(xml, len, SNAPSHOT_SOURCE, "domainsnapshot", &snapshot_table,
                               outer_flags(flags), hooks, &object, err))
        return false;
    g_autoptr(SnapshotDef) def = object;
    if (!(flags & MOMENT_PARSE_REDEFINE))
        forget_past(def);
    if (!(flags & MOMENT_PARSE_STORED))
        def->is_current = 0;
    if (!check_snapshot(def, flags, err) || !finish_machine(def->domain, flags, hooks, err) ||
        !finish_machine(def->inactive, flags, hooks, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

/* As the published schema says it, which every new document has to follow. */
static bool fits_name(const char *name)
{
    static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    return *name && *name != '.' && name[strspn(name, usual)] == '\0';
}

static bool check_checkpoint_schema(const CheckpointDef *def, Error **err)
{
    const char *const names[] = { def->name, def->parent };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i] && !fits_name(names[i]))
            return error_set(err, ERROR_XML_SCHEMA,
                             CHECKPOINT_SOURCE
                             ": element 'name': '%s' is no name of a checkpoint: letters, digits, "
                             "'_', '-' and '.', which is not the first",
                             names[i]);
    }
    for (DEF_EACH(CheckpointDisk, disk, def->disks)) {
        if (disk->kind == CHECKPOINT_NO && (disk->bitmap || disk->size_bytes.is_set))
            return error_set(err, ERROR_XML_SCHEMA,
                             CHECKPOINT_SOURCE
                             ": element 'disk': '%s' is left alone (checkpoint='no') and has a "
                             "bitmap or a size",
                             disk->name);
    }
    return true;
}

bool checkpoint_def_parse(const char *xml, size_t len, MomentParseFlags flags, const DomainHooks *hooks,
                          CheckpointDef **ret_def, Error **err)
{
    void *object = NULL;

    if (!domain_document_parse(xml, len, CHECKPOINT_SOURCE, "domaincheckpoint", &checkpoint_table,
                               outer_flags(flags | MOMENT_PARSE_VALIDATE), hooks, &object, err))
        return false;
    g_autoptr(CheckpointDef) def = object;
    if (!(flags & MOMENT_PARSE_STORED) && !check_checkpoint_schema(def, err))
        return false;
    if (!(flags & MOMENT_PARSE_REDEFINE)) {
        def->created_s = (OptS64){ 0 };
        g_clear_pointer(&def->parent, g_free);
        g_clear_pointer(&def->domain, domain_def_free);
    } else if (def->name && !def->created_s.is_set) {
        return error_set(err, ERROR_INTERNAL, "missing creationTime from existing checkpoint");
    }
    if (!check_name("checkpoint", def->name, flags, err) || !finish_machine(def->domain, flags, hooks, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

/* ---- disks ---- */

bool snapshot_is_external(const SnapshotDef *def)
{
    if (def->memory == DISK_SNAPSHOT_EXTERNAL)
        return true;
    for (guint i = 0; def->disks && i < def->disks->len; i++) {
        if (((const SnapshotDisk *)g_ptr_array_index(def->disks, i))->snapshot == DISK_SNAPSHOT_EXTERNAL)
            return true;
    }
    return false;
}

/* By target, or by the path of the image. */
static const DiskDef *find_disk(const DomainDef *domain, const char *name)
{
    for (DEF_EACH(DiskDef, disk, domain->disks)) {
        if (strcmp(disk->target, name) == 0)
            return disk;
    }
    for (DEF_EACH(DiskDef, disk, domain->disks)) {
        if (name[0] == '/' && g_strcmp0(disk->src.path, name) == 0)
            return disk;
    }
    return NULL;
}

/* Tells by @find(entry) which disks the entries of @list mean, in the machine's order: *ret_entries has one
 * of them, or NULL, for each disk of the machine. Borrowed; free the array. */
static bool match_disks(GPtrArray *list, const DomainDef *domain, size_t name_offset, void ***ret_entries,
                        Error **err)
{
    const guint n_disks = def_list_len(domain->disks);
    g_autofree void **entries = g_new0(void *, n_disks + 1);

    for (guint i = 0; list && i < list->len; i++) {
        char *entry = g_ptr_array_index(list, i);
        char **name = (char **)(void *)(entry + name_offset);
        const DiskDef *disk = find_disk(domain, *name);
        guint at = 0;
        if (!disk)
            return UNSUPPORTED("no disk named '%s'", *name);
        while (g_ptr_array_index(domain->disks, at) != disk)
            at++;
        if (entries[at])
            return UNSUPPORTED("disk '%s' specified twice", disk->target);
        if (strcmp(*name, disk->target) != 0) {
            g_free(*name);
            *name = g_strdup(disk->target);
        }
        entries[at] = entry;
    }
    *ret_entries = g_steal_pointer(&entries);
    return true;
}

static bool is_left_alone(const DiskDef *disk)
{
    return !disk->src.path || disk->readonly || disk->device == DISK_DEVICE_CDROM;
}

/* "/images/web.qcow2" of snapshot "before": "/images/web.before" */
static bool make_up_image(const SnapshotDef *def, SnapshotDisk *entry, const DiskDef *disk,
                          const SnapshotAlign *align, Error **err)
{
    const StorageSource *source = &disk->src;

    if (entry->src.type != STORAGE_FILE)
        return UNSUPPORTED("cannot generate external snapshot name for disk '%s' on a '%s' device",
                           disk->target, enum_name(&storage_type_names, entry->src.type));
    if (!source->path)
        return UNSUPPORTED("cannot generate external snapshot name for disk '%s' without source",
                           disk->target);
    if (source->type == STORAGE_NETWORK || !align->is_regular(align->arg, source->path))
        return UNSUPPORTED("source for disk '%s' is not a regular file; refusing to generate external "
                           "snapshot "
                           "name",
                           disk->target);
    const char *base = strrchr(source->path, '/');
    const char *dot = strrchr(base ? base : source->path, '.');
    entry->src.path = dot ? g_strdup_printf("%.*s.%s", (int)(dot - source->path), source->path, def->name)
                          : g_strdup_printf("%s.%s", source->path, def->name);
    return true;
}

static bool align_disk(const SnapshotDef *def, SnapshotDisk *entry, const DiskDef *disk, bool is_named,
                       const SnapshotAlign *align, Error **err)
{
    const bool is_free = !align->must_match || (entry->snapshot == DISK_SNAPSHOT_NO && is_left_alone(disk));

    if (!is_free && entry->snapshot && entry->snapshot != align->otherwise)
        return UNSUPPORTED("disk '%s' must use snapshot mode '%s'", disk->target,
                           enum_name(&disk_snapshot_names, align->otherwise));
    if (!entry->snapshot && !is_named && is_left_alone(disk))
        entry->snapshot = DISK_SNAPSHOT_NO;
    if (!entry->snapshot)
        entry->snapshot = disk->snapshot && (!align->must_match || disk->snapshot == DISK_SNAPSHOT_NO)
                              ? disk->snapshot
                              : align->otherwise;
    return entry->snapshot != DISK_SNAPSHOT_EXTERNAL || entry->src.path ||
           make_up_image(def, entry, disk, align, err);
}

bool snapshot_align_disks(SnapshotDef *def, const SnapshotAlign *align, Error **err)
{
    const DomainDef *domain = align->domain;
    g_autofree void **named = NULL;

    if (!match_disks(def->disks, domain, offsetof(SnapshotDisk, name), &named, err))
        return false;
    GPtrArray *aligned = g_ptr_array_new();
    bool ok = true;
    for (guint i = 0; i < def_list_len(domain->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(domain->disks, i);
        SnapshotDisk *entry = named[i];
        if (!entry) {
            entry = g_new0(SnapshotDisk, 1);
            entry->name = g_strdup(disk->target);
            entry->src.type = STORAGE_FILE;
        }
        g_ptr_array_add(aligned, entry);
        ok = ok && align_disk(def, entry, disk, named[i] != NULL, align, err);
    }
    if (def->disks)
        g_ptr_array_free(g_steal_pointer(&def->disks), TRUE); /* its entries are in @aligned */
    def->disks = aligned;
    return ok;
}

bool snapshot_complete_redefined(SnapshotDef *def, bool (*is_regular)(void *arg, const char *path), void *arg,
                                 Error **err)
{
    const bool is_at_rest = def->state == SNAPSHOT_SHUTOFF || def->state == SNAPSHOT_DISK_ONLY;
    const bool is_beside = def->state == SNAPSHOT_DISK_ONLY || snapshot_is_external(def);
    const SnapshotAlign align = { .domain = def->domain,
                                  .otherwise = is_beside ? DISK_SNAPSHOT_EXTERNAL : DISK_SNAPSHOT_INTERNAL,
                                  .must_match = !is_beside,
                                  .is_regular = is_regular,
                                  .arg = arg };

    if (def->state == SNAPSHOT_PMSUSPENDED)
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "qemu doesn't support taking snapshots of PMSUSPENDED guests");
    if (def->state == SNAPSHOT_BLOCKED || def->state == SNAPSHOT_SHUTDOWN || def->state == SNAPSHOT_NOSTATE)
        return error_set(err, ERROR_INTERNAL, "Invalid domain state %s",
                         enum_name(&snapshot_state_names, def->state));
    if (!def->memory)
        def->memory = is_at_rest ? DISK_SNAPSHOT_NO : DISK_SNAPSHOT_INTERNAL;
    return snapshot_align_disks(def, &align, err);
}

bool checkpoint_align_disks(CheckpointDef *def, const DomainDef *domain, Error **err)
{
    g_autofree void **named = NULL;
    const bool is_any_named = def->disks && def->disks->len > 0;

    if (!match_disks(def->disks, domain, offsetof(CheckpointDisk, name), &named, err))
        return false;
    for (guint i = 0; i < def_list_len(domain->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(domain->disks, i);
        const CheckpointDisk *entry = named[i];
        if (entry && entry->kind != CHECKPOINT_NO && (!disk->src.path || disk->readonly))
            return UNSUPPORTED("disk '%s' is empty or readonly", disk->target);
    }
    GPtrArray *aligned = g_ptr_array_new();
    for (guint i = 0; i < def_list_len(domain->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(domain->disks, i);
        CheckpointDisk *entry = named[i];
        if (!entry) {
            entry = g_new0(CheckpointDisk, 1);
            entry->name = g_strdup(disk->target);
            entry->kind =
                is_any_named || !disk->src.path || disk->readonly ? CHECKPOINT_NO : CHECKPOINT_BITMAP;
        } else if (entry->kind == CHECKPOINT_DEFAULT) {
            entry->kind = CHECKPOINT_BITMAP;
        }
        if (entry->kind == CHECKPOINT_BITMAP && !entry->bitmap)
            entry->bitmap = g_strdup(def->name);
        g_ptr_array_add(aligned, entry);
    }
    if (def->disks)
        g_ptr_array_free(g_steal_pointer(&def->disks), TRUE);
    def->disks = aligned;
    return true;
}
