/* Rows of the document of backups. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/backup.h"
#include "conf/domain_rows.h"
#include "conf/xml_internal.h"

static const char *const mode_texts[] = { "push", "pull" };
const EnumNames backup_mode_names = { "mode of a backup", BACKUP_MODE_COUNT, mode_texts };
static const char *const disk_mode_texts[] = { NULL, "full", "incremental" };
const EnumNames backup_disk_mode_names = { "mode of a disk's backup", BACKUP_DISK_COUNT, disk_mode_texts };
static const char *const transport_texts[] = { NULL, "tcp", "unix" };
const EnumNames backup_transport_names = { "transport of a backup", BACKUP_TRANSPORT_COUNT, transport_texts };

/* What is said is the type of both images: which of them there is the mode of the backup decides. */
static bool read_type(const char *text, void *base, Error **err)
{
    BackupDisk *disk = base;
    uint8_t type = 0;

    if (!enum_from_name(&storage_type_names, text, &type) || (type != STORAGE_FILE && type != STORAGE_BLOCK))
        return error_set(err, ERROR_XML_SCHEMA, "invalid type '%s' of a backup's disk", text);
    disk->type = type;
    disk->target.type = disk->scratch.type = type;
    return true;
}

static bool takes_part(const void *base, unsigned flags)
{
    return ((const BackupDisk *)base)->backup != TRISTATE_OFF;
}

static bool write_type(const void *base, unsigned flags, GString *out)
{
    const BackupDisk *disk = base;

    if (!takes_part(base, flags) || disk->type == UINT8_MAX)
        return false;
    g_string_append(out, enum_name(&storage_type_names, disk->type));
    return true;
}
static const XmlCodec type_codec = { read_type, write_type, "file|block" };

static bool write_index(const void *base, unsigned flags, GString *out)
{
    const BackupDisk *disk = base;
    const uint32_t index = disk->is_pull ? disk->scratch.index : disk->target.index;

    if (index == 0)
        return false;
    g_string_append_printf(out, "%u", index);
    return true;
}

static bool read_index(const char *text, void *base, Error **err)
{
    BackupDisk *disk = base;

    disk->target.index = disk->scratch.index = (uint32_t)strtoul(text, NULL, 10);
    return true;
}
static const XmlCodec index_codec = { read_index, write_index, "[0-9]+" };

static bool has_target(const void *base, unsigned flags)
{
    const BackupDisk *disk = base;

    return takes_part(base, flags) && !disk->is_pull && disk->target.path;
}

static bool has_scratch(const void *base, unsigned flags)
{
    const BackupDisk *disk = base;

    return takes_part(base, flags) && disk->is_pull && disk->scratch.path;
}

static bool has_format(const void *base, unsigned flags)
{
    return takes_part(base, flags) && ((const BackupDisk *)base)->format;
}

static void disk_init(void *base)
{
    BackupDisk *disk = base;

    disk->type = UINT8_MAX;
    disk->target.type = disk->scratch.type = STORAGE_FILE;
}

/* An image that is named has a path. */
static bool disk_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const BackupDisk *disk = base;
    bool is_named = false;

    for (const xmlNode *child = element->children; child; child = child->next)
        is_named =
            is_named || (child->type == XML_ELEMENT_NODE && (xmlStrEqual(child->name, BAD_CAST "target") ||
                                                             xmlStrEqual(child->name, BAD_CAST "scratch")));
    return !is_named || disk->target.path || disk->scratch.path ||
           xml_error(reader, element, ERROR_XML_SCHEMA, err, "an image without its path");
}

const XmlTable backup_disk_table =
    TABLE(BackupDisk, "backup-disk",
          ROWS(ATTR("name", BackupDisk, name, .flags = ROW_REQUIRED, .missing_code = ERROR_XML_SCHEMA,
                    .doc = "target of the disk"),
               ATTR("backup", BackupDisk, backup, .names = &tristate_yes_no_names,
                    .bad_code = ERROR_XML_SCHEMA, .doc = "no: the disk is left out"),
               CODEC_ATTR("type", &type_codec, .doc = "of the image: file or block"),
               ATTR("backupmode", BackupDisk, mode, .names = &backup_disk_mode_names,
                    .bad_code = ERROR_XML_SCHEMA, .show = takes_part,
                    .doc = "full or incremental, whatever the backup says"),
               ATTR("incremental", BackupDisk, incremental, .show = takes_part,
                    .doc = "checkpoint since which changes are wanted, instead of the backup's"),
               ATTR("exportname", BackupDisk, exportname, .flags = ROW_MAY_BE_EMPTY, .show = takes_part,
                    .doc = "pull: name of the NBD export; the disk's target by default"),
               ATTR("exportbitmap", BackupDisk, exportbitmap, .flags = ROW_MAY_BE_EMPTY, .show = takes_part,
                    .doc = "pull: name of the bitmap of what changed, as NBD tells it"),
               CODEC_ATTR("index", &index_codec, .doc = "shown only: number of the image's node"),
               GROUP("driver",
                     ROWS(ATTR("type", BackupDisk, format, .names = &storage_format_names,
                               .bad_code = ERROR_XML_SCHEMA, .doc = "format of the image; qcow2 by default")),
                     .show = has_format, .doc = "the image's driver"),
               EMBED("target", BackupDisk, target, &storage_source_table, .flags = ROW_SINGLE,
                     .bad_code = ERROR_XML_SCHEMA, .show = has_target, .doc = "push: where the copy goes"),
               EMBED("scratch", BackupDisk, scratch, &storage_source_table, .flags = ROW_SINGLE,
                     .bad_code = ERROR_XML_SCHEMA, .show = has_scratch,
                     .doc = "pull: where the old contents go of what the guest overwrites meanwhile")),
          .init = disk_init, .finish = disk_finish, .doc = "A disk of a backup.");

static const XmlTable server_table =
    TABLE(BackupServer, "backup-server",
          ROWS(ATTR("transport", BackupServer, transport, .names = &backup_transport_names,
                    .bad_code = ERROR_XML_SCHEMA, .doc = "tcp or unix"),
               ATTR("tls", BackupServer, tls, .names = &tristate_yes_no_names, .bad_code = ERROR_XML_SCHEMA,
                    .doc = "clients must have a certificate"),
               ATTR("name", BackupServer, host, .doc = "tcp: name or address to listen at"),
               ATTR("port", BackupServer, port, .max = UINT64_MAX, .text_code = ERROR_XML_SCHEMA,
                    .bad_code = ERROR_XML_SCHEMA, .doc = "tcp: port"),
               ATTR("socket", BackupServer, socket, .doc = "unix: absolute path of the socket")),
          .doc = "The NBD server of a backup that is pulled.");

static bool has_server(const void *base, unsigned flags)
{
    return ((const BackupDef *)base)->mode == BACKUP_PULL;
}

const XmlTable backup_table =
    TABLE(BackupDef, "domainbackup",
          ROWS(ATTR("mode", BackupDef, mode, .names = &backup_mode_names, .flags = ROW_ALWAYS,
                    .bad_code = ERROR_XML_SCHEMA, .doc = "push (default) or pull"),
               CHILD("incremental", BackupDef, incremental, .flags = ROW_SINGLE, .bad_code = ERROR_XML_SCHEMA,
                     .doc = "checkpoint since which changes are wanted; all is if absent"),
               OBJECT("server", BackupDef, server, &server_table, .show = has_server,
                      .doc = "pull: where clients come"),
               GROUP_FLAG("disks", BackupDef, has_disks,
                          ROWS(LIST("disk", BackupDef, disks, &backup_disk_table, .doc = "a disk")),
                          .doc = "which disks, and where to")),
          .doc = "A copy of a machine's disks as they are when it begins.");
