/* Documents of backups: what no row can check, and what follows from the machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/backup.h"

#include <inttypes.h>
#include <string.h>

#include "conf/domain_device.h"
#include "conf/domain_rows.h"

#define SOURCE "(domain_backup)"
#define UNSUPPORTED(...) error_set(err, ERROR_CONFIG_UNSUPPORTED, __VA_ARGS__)
#define SCHEMA(...)                                                                                          \
    error_set(err, ERROR_XML_SCHEMA, "XML document failed to validate against schema: " __VA_ARGS__)

void backup_def_free(BackupDef *def)
{
    xml_table_free(&backup_table, def);
}

StorageSource *backup_disk_image(BackupDisk *disk)
{
    return disk->is_pull ? &disk->scratch : &disk->target;
}

char *backup_def_format(const BackupDef *def)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_write(&backup_table, "domainbackup", def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE, 0, out);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* ---- reading ---- */

static bool check_server(BackupServer *server, Error **err)
{
    if (!server->transport)
        server->transport = BACKUP_TCP;
    if (server->transport == BACKUP_UNIX) {
        if (!server->socket || server->socket[0] != '/' || server->host || server->port.is_set)
            return SCHEMA("a unix socket is an absolute path and nothing else");
        return true;
    }
    if (!server->host || server->socket)
        return SCHEMA("a TCP server has a name and no socket");
    if (server->port.value > UINT16_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "port '%" PRIu64 "' out of range", server->port.value);
    return server->port.value != 0 ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "<domainbackup> must specify TCP port for now");
}

static bool check_image(const BackupDisk *disk, const StorageSource *image, Error **err)
{
    return !image->path || image->path[0] == '/' ||
           SCHEMA("disk '%s': '%s' is no absolute path", disk->name, image->path);
}

static bool check_disk(const BackupDef *def, BackupDisk *disk, Error **err)
{
    const bool is_pull = def->mode == BACKUP_PULL;
    const bool has_type = disk->type != UINT8_MAX;
    const bool has_more = disk->mode || disk->incremental || disk->exportname || disk->exportbitmap ||
                          disk->format || disk->target.path || disk->scratch.path;

    disk->is_pull = is_pull;
    if (disk->target.index)
        return SCHEMA("disk '%s': numbers of nodes are not chosen", disk->name);
    if (strchr(disk->name, '/'))
        return SCHEMA("'%s' is no target of a disk", disk->name);
    if (disk->backup == TRISTATE_OFF && (has_type || has_more))
        return SCHEMA("disk '%s' is left out, and more is said of it", disk->name);
    if (disk->backup == TRISTATE_OFF)
        return true;
    if ((!is_pull || disk->backup == TRISTATE_ON) && !has_type)
        return SCHEMA("disk '%s' has no type", disk->name);
    if (!is_pull && (disk->scratch.path || disk->exportname || disk->exportbitmap))
        return SCHEMA("disk '%s' is pushed: it has no scratch image and no export", disk->name);
    if (is_pull && disk->target.path)
        return SCHEMA("disk '%s' is pulled: it has no target", disk->name);
    if (is_pull && disk->type == STORAGE_BLOCK && !disk->scratch.path)
        return SCHEMA("disk '%s' has no scratch device", disk->name);
    if (is_pull && disk->format && disk->format != STORAGE_FORMAT_QCOW2)
        return SCHEMA("disk '%s': scratch images are qcow2", disk->name);
    if (disk->mode == BACKUP_FULL && disk->incremental)
        return SCHEMA("disk '%s' is copied in full, and since a checkpoint", disk->name);
    return check_image(disk, is_pull ? &disk->scratch : &disk->target, err);
}

static bool check(BackupDef *def, Error **err)
{
    if (def->has_disks && def_list_len(def->disks) == 0)
        return SCHEMA("an empty list of disks");
    if ((def->mode == BACKUP_PULL) != (def->server != NULL))
        return SCHEMA("a backup that is pulled has a server, one that is pushed has none");
    if (def->server && !check_server(def->server, err))
        return false;
    for (DEF_EACH(BackupDisk, disk, def->disks)) {
        if (!check_disk(def, disk, err))
            return false;
    }
    return true;
}

bool backup_def_parse(const char *xml, size_t len, BackupDef **ret_def, Error **err)
{
    void *object = NULL;

    if (!domain_document_parse(xml, len, SOURCE, "domainbackup", &backup_table,
                               DOMAIN_PARSE_INACTIVE | DOMAIN_PARSE_VALIDATE, NULL, &object, err))
        return false;
    g_autoptr(BackupDef) def = object;
    if (!check(def, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

/* ---- disks ---- */

static bool can_be_copied(const DiskDef *disk)
{
    return !storage_is_empty(&disk->src) && !disk->readonly && disk->device != DISK_DEVICE_CDROM &&
           disk->device != DISK_DEVICE_FLOPPY;
}

static void set_string(char **slot, char *value)
{
    g_free(*slot);
    *slot = value;
}

static bool complete_disk(const BackupDef *def, BackupDisk *entry, const DiskDef *disk, const char *suffix,
                          Error **err)
{
    StorageSource *image = backup_disk_image(entry);

    entry->backup = TRISTATE_ON;
    if (!entry->incremental && entry->mode != BACKUP_FULL)
        set_string(&entry->incremental, g_strdup(def->incremental));
    if (!entry->mode)
        entry->mode = entry->incremental ? BACKUP_INCREMENTAL : BACKUP_FULL;
    if (entry->mode == BACKUP_INCREMENTAL && !entry->incremental)
        return UNSUPPORTED("'incremental' backup mode of disk '%s' requires setting 'incremental' field for "
                           "disk or backup",
                           disk->target);
    if (entry->is_pull && !entry->exportname)
        entry->exportname = g_strdup(disk->target);
    if (entry->is_pull && entry->incremental && !entry->exportbitmap)
        entry->exportbitmap = g_strdup_printf("backup-%s", disk->target);
    if (!entry->format)
        entry->format = STORAGE_FORMAT_QCOW2;
    image->format = entry->format;
    image->backing_ends = true;
    if (entry->type == UINT8_MAX)
        entry->type = STORAGE_FILE;
    if (image->path)
        return true;
    if (entry->type != STORAGE_FILE)
        return UNSUPPORTED("disk '%s' has no image to copy to", disk->target);
    if (disk->src.type != STORAGE_FILE)
        return UNSUPPORTED("refusing to generate file name for disk '%s'", disk->target);
    image->path = g_strdup_printf("%s.%s", disk->src.path, suffix);
    return true;
}

bool backup_align_disks(BackupDef *def, const DomainDef *domain, const char *suffix, Error **err)
{
    const bool is_any_named = def_list_len(def->disks) > 0;
    g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
    bool ok = true, is_any = false;

    for (DEF_EACH(BackupDisk, entry, def->disks)) {
        const DiskDef *disk = domain_find_disk(domain, entry->name);
        if (!disk)
            return UNSUPPORTED("no disk named '%s'", entry->name);
        if (!g_hash_table_insert(named, entry->name, entry))
            return UNSUPPORTED("disk '%s' specified twice", entry->name);
        if (entry->backup != TRISTATE_OFF && storage_is_empty(&disk->src))
            return UNSUPPORTED("disk '%s' has no media", entry->name);
    }
    GPtrArray *aligned = g_ptr_array_new();
    for (DEF_EACH(DiskDef, disk, domain->disks)) {
        BackupDisk *entry = g_hash_table_lookup(named, disk->target);
        if (!entry) {
            entry = xml_table_new(&backup_disk_table);
            entry->name = g_strdup(disk->target);
            entry->is_pull = def->mode == BACKUP_PULL;
            if (is_any_named || !can_be_copied(disk))
                entry->backup = TRISTATE_OFF;
        }
        g_ptr_array_add(aligned, entry);
        if (entry->backup == TRISTATE_OFF)
            continue;
        is_any = true;
        ok = ok && complete_disk(def, entry, disk, suffix, err);
    }
    if (def->disks)
        g_ptr_array_free(g_steal_pointer(&def->disks), TRUE); /* its entries are in @aligned */
    def->disks = aligned;
    def->has_disks = true;
    return ok && (is_any || UNSUPPORTED("no disks selected for backup"));
}
