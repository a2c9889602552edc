/* Rows of the documents of snapshots and checkpoints. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
#include "conf/snapshot.h"
#include "conf/xml_internal.h"

static const char *const state_texts[] = { NULL,      "running", "blocked",     "paused",        "shutdown",
                                           "shutoff", "crashed", "pmsuspended", "disk-snapshot", "nostate" };
const EnumNames snapshot_state_names = { "state of a snapshot", SNAPSHOT_STATE_COUNT, state_texts };
static const char *const kind_texts[] = { NULL, "no", "bitmap" };
const EnumNames checkpoint_kind_names = { "kind of a checkpoint", CHECKPOINT_COUNT, kind_texts };

static bool is_stored(const void *base, unsigned flags)
{
    return flags & MOMENT_FORMAT_STORED;
}

static bool has_machine(const void *base, unsigned flags)
{
    return !(flags & MOMENT_FORMAT_NO_DOMAIN);
}

static bool has_size(const void *base, unsigned flags)
{
    return flags & MOMENT_FORMAT_SIZE;
}

static bool has_parent(const void *base, unsigned flags)
{
    return ((const SnapshotDef *)base)->parent != NULL;
}

/* ---- snapshots ---- */

static const XmlRow snapshot_driver_rows[] = {
    ATTR("type", SnapshotDisk, src.format, .names = &storage_format_names,
         .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "format of the new image; qcow2 by default"),
    METADATA_CACHE_ROW(SnapshotDisk, src.metadata_cache_bytes),
    { 0 },
};

static bool is_external(const void *base, unsigned flags)
{
    return ((const SnapshotDisk *)base)->snapshot == DISK_SNAPSHOT_EXTERNAL;
}

static bool has_driver(const void *base, unsigned flags)
{
    const SnapshotDisk *disk = base;

    return is_external(base, flags) && (disk->src.format || disk->src.metadata_cache_bytes);
}

static void snapshot_disk_init(void *base)
{
    ((SnapshotDisk *)base)->src.type = STORAGE_FILE;
}

static const XmlTable snapshot_disk_table =
    TABLE(SnapshotDisk, "snapshot-disk",
          ROWS(ATTR("name", SnapshotDisk, name, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
                    .doc = "target of the disk, or path of its image"),
               ATTR("snapshot", SnapshotDisk, snapshot, .names = &disk_snapshot_names,
                    .doc =
                        "no: left alone; internal: in the image itself; external: what is written from then "
                        "on goes to another image; manual: somebody else sees to it"),
               ATTR("type", SnapshotDisk, src.type, .names = &storage_type_names, .flags = ROW_ALWAYS,
                    .show = is_external, .doc = "where the new image is: file, block or network"),
               GROUP("driver", snapshot_driver_rows, .show = has_driver, .doc = "the new image's driver"),
               EMBED("source", SnapshotDisk, src, &storage_source_table, .show = is_external,
                     .doc = "where the new image is")),
          .init = snapshot_disk_init, .doc = "A disk of a snapshot.");

static const XmlRow memory_rows[] = {
    ATTR("snapshot", SnapshotDef, memory, .names = &disk_snapshot_names,
         .doc = "no, internal (in an image of a disk) or external (a file of its own)"),
    ATTR("file", SnapshotDef, memory_file, .doc = "absolute path of that file"),
    { 0 },
};

const XmlTable snapshot_cookie_table =
    TABLE(SnapshotCookie, "snapshot-cookie",
          ROWS(OBJECT("cpu", SnapshotCookie, cpu, &cpu_table, .doc = "the processor that the machine had"),
               FLAG("slirpHelper", SnapshotCookie, slirp_helper,
                    .doc = "for libvirtd: it may start helpers of user networks")),
          .doc = "What a machine that ran is to find again when it goes on.");

const XmlTable snapshot_table =
    TABLE(SnapshotDef, "domainsnapshot",
          ROWS(CHILD("name", SnapshotDef, name, .doc = "name; the time if absent"),
               CHILD("description", SnapshotDef, description, .doc = "for people"),
               CHILD("state", SnapshotDef, state, .names = &snapshot_state_names,
                     .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "of the machine at that time"),
               GROUP("parent", ROWS(CHILD("name", SnapshotDef, parent, .doc = "its name")),
                     .show = has_parent, .doc = "the snapshot that this one came after"),
               CHILD("creationTime", SnapshotDef, created_s, .min = 0, .max = INT64_MAX,
                     .bad_code = ERROR_INTERNAL, .doc = "seconds since 1970"),
               GROUP("memory", memory_rows, .doc = "where the memory is kept"),
               GROUP("disks", ROWS(LIST("disk", SnapshotDef, disks, &snapshot_disk_table, .doc = "a disk")),
                     .doc = "where the states of disks are kept"),
               OBJECT("domain", SnapshotDef, domain, &domain_table, .show = has_machine,
                      .doc = "the machine as it was"),
               OBJECT("inactiveDomain", SnapshotDef, inactive, &domain_table, .show = has_machine,
                      .doc = "the machine as it would have started next"),
               OBJECT("cookie", SnapshotDef, cookie, &snapshot_cookie_table, .show = has_machine,
                      .doc = "what goes on with the memory"),
               CHILD("active", SnapshotDef, is_current, .max = 1, .flags = ROW_ALWAYS, .show = is_stored,
                     .doc = "in the daemon's files: is it the current one")),
          .doc = "A state of a machine that it can go back to.");

/* ---- checkpoints ---- */

static const XmlTable checkpoint_disk_table =
    TABLE(CheckpointDisk, "checkpoint-disk",
          ROWS(ATTR("name", CheckpointDisk, name, .flags = ROW_REQUIRED, .missing_code = ERROR_XML_INVALID,
                    .doc = "target of the disk"),
               ATTR("checkpoint", CheckpointDisk, kind, .names = &checkpoint_kind_names,
                    .doc = "bitmap: what changes since then is remembered in the image"),
               ATTR("bitmap", CheckpointDisk, bitmap, .doc = "its name in the image"),
               ATTR("size", CheckpointDisk, size_bytes, .max = UINT64_MAX, .show = has_size,
                    .doc = "bytes that changed since then")),
          .doc = "A disk of a checkpoint.");

static bool checkpoint_has_parent(const void *base, unsigned flags)
{
    return ((const CheckpointDef *)base)->parent != NULL;
}

const XmlTable checkpoint_table =
    TABLE(CheckpointDef, "domaincheckpoint",
          ROWS(CHILD("name", CheckpointDef, name, .doc = "name; the time if absent"),
               CHILD("description", CheckpointDef, description, .doc = "for people"),
               GROUP("parent", ROWS(CHILD("name", CheckpointDef, parent, .doc = "its name")),
                     .show = checkpoint_has_parent, .doc = "the checkpoint that this one came after"),
               CHILD("creationTime", CheckpointDef, created_s, .min = 0, .max = INT64_MAX,
                     .bad_code = ERROR_INTERNAL, .doc = "seconds since 1970"),
               GROUP("disks",
                     ROWS(LIST("disk", CheckpointDef, disks, &checkpoint_disk_table, .doc = "a disk")),
                     .doc = "whose changes are remembered"),
               OBJECT("domain", CheckpointDef, domain, &domain_table, .show = has_machine,
                      .doc = "the machine as it was")),
          .doc = "A moment since which a machine's disks remember what changed.");
