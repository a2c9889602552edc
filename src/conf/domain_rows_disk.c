/* Rows of storage: disks, leases, filesystems. Where their data is: domain_rows_source.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "conf/xml_internal.h"

/* ---- disks ---- */

#define LIMIT(text, member, what)                                                                            \
    CHILD(text, DiskIotune, member, .max = UINT64_C(1000000000000000),                                       \
          .bad_code = ERROR_ARGUMENT_UNSUPPORTED, .flags = ROW_CHANGEABLE, .doc = what)
#define LENGTH(text, member)                                                                                 \
    CHILD(text, DiskIotune, member, .max = UINT64_MAX, .flags = ROW_CHANGEABLE,                              \
          .doc = "seconds that a burst may last")
const XmlTable iotune_table =
    TABLE(DiskIotune, "iotune",
          ROWS(LIMIT("total_bytes_sec", total_bytes_sec, "bytes per second, reading and writing together"),
               LIMIT("read_bytes_sec", read_bytes_sec, "bytes read per second"),
               LIMIT("write_bytes_sec", write_bytes_sec, "bytes written per second"),
               LIMIT("total_iops_sec", total_iops_sec, "operations per second, reading and writing together"),
               LIMIT("read_iops_sec", read_iops_sec, "reads per second"),
               LIMIT("write_iops_sec", write_iops_sec, "writes per second"),
               LIMIT("total_bytes_sec_max", total_bytes_sec_max, "bytes per second in a burst"),
               LIMIT("read_bytes_sec_max", read_bytes_sec_max, "bytes read per second in a burst"),
               LIMIT("write_bytes_sec_max", write_bytes_sec_max, "bytes written per second in a burst"),
               LIMIT("total_iops_sec_max", total_iops_sec_max, "operations per second in a burst"),
               LIMIT("read_iops_sec_max", read_iops_sec_max, "reads per second in a burst"),
               LIMIT("write_iops_sec_max", write_iops_sec_max, "writes per second in a burst"),
               LIMIT("size_iops_sec", size_iops_sec, "bytes that count as one operation"),
               CHILD("group_name", DiskIotune, group_name, .flags = ROW_CHANGEABLE,
                     .doc = "disks with the same name share the limits"),
               LENGTH("total_bytes_sec_max_length", total_bytes_sec_max_length),
               LENGTH("read_bytes_sec_max_length", read_bytes_sec_max_length),
               LENGTH("write_bytes_sec_max_length", write_bytes_sec_max_length),
               LENGTH("total_iops_sec_max_length", total_iops_sec_max_length),
               LENGTH("read_iops_sec_max_length", read_iops_sec_max_length),
               LENGTH("write_iops_sec_max_length", write_iops_sec_max_length)),
          .doc = "Limits on the disk's throughput.");

static const XmlTable throttle_filter_table =
    TABLE(ThrottleFilter, "throttlefilter",
          ROWS(ATTR("group", ThrottleFilter, group, .flags = ROW_REQUIRED, .doc = "name of the group")),
          .doc = "A group of the machine whose limits the disk shares.");

static const XmlTable latency_bin_table =
    TABLE(LatencyBin, "bin",
          ROWS(ATTR("start", LatencyBin, start_ns, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = INT64_MAX,
                    .doc = "nanoseconds; the first one is 0")),
          .doc = "An interval of a histogram, which ends where the next begins.");

static const XmlTable latency_histogram_table =
    TABLE(LatencyHistogram, "latency-histogram",
          ROWS(ATTR("type", LatencyHistogram, type, .names = &latency_type_names,
                    .doc = "operations that are counted; without it all, each kind by itself"),
               LIST("bin", LatencyHistogram, bins, &latency_bin_table, .doc = "one interval")),
          .doc = "How long operations take, shown with the statistics of a running machine.");

#define TIMED_STATISTICS "QEMU 10.2 and later count what happened in an interval; this one does not"
#define DRIVER_DOC "how QEMU opens and runs the disk"
static const XmlRow driver_rows[] = {
    ATTR("name", DiskDef, driver_name, HARMLESS, .fallback = "qemu",
         .doc = "name of the driver: always qemu"),
    ATTR("type", DiskDef, src.format, .names = &storage_format_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
         .fallback = "raw", .doc = "image format"),
    ATTR("cache", DiskDef, cache, .names = &disk_cache_names, .doc = "host cache mode"),
    ATTR("error_policy", DiskDef, error_policy, .names = &disk_error_policy_names,
         .doc = "what happens on a write error, or on any error"),
    ATTR("rerror_policy", DiskDef, rerror_policy, .names = &disk_error_policy_names,
         .doc = "what happens on a read error"),
    ATTR("io", DiskDef, io, .names = &disk_io_names, .doc = "how the host does I/O"),
    ATTR("ioeventfd", DiskDef, ioeventfd, .names = &tristate_on_off_names,
         .doc = "guest notifications are handled outside the vCPU's thread"),
    ATTR("event_idx", DiskDef, event_idx, .names = &tristate_on_off_names,
         .doc = "fewer notifications between guest and host"),
    ATTR("copy_on_read", DiskDef, copy_on_read, .names = &tristate_on_off_names,
         .doc = "copy what is read from the backing image into this one"),
    ATTR("discard", DiskDef, discard, .names = &disk_discard_names,
         .doc = "what happens to discarded blocks"),
    ATTR("iothread", DiskDef, iothread, .min = 1, .max = UINT32_MAX,
         .doc = "number of the I/O thread that serves the disk"),
    ATTR("detect_zeroes", DiskDef, detect_zeroes, .names = &disk_detect_zeroes_names,
         .doc = "turn writes of zeroes into something cheaper"),
    ATTR("queues", DiskDef, queues, .max = UINT32_MAX, .doc = "number of virtqueues"),
    ATTR("queue_size", DiskDef, queue_size, .max = UINT32_MAX, .doc = "entries of each virtqueue"),
    INCLUDE(DiskDef, virtio, &virtio_options_table),
    METADATA_CACHE_ROW(DiskDef, src.metadata_cache_bytes),
    GROUP("statistics",
          ROWS(LIST("latency-histogram", DiskDef, latency_histograms, &latency_histogram_table,
                    .doc = "how long operations take"),
               KEPT("statistic", REFUSED(TIMED_STATISTICS), .doc = "an interval of time, to count by")),
          .doc = "what QEMU counts besides"),
    { 0 }
};

static const XmlRow target_rows[] = {
    ATTR("dev", DiskDef, target, .flags = ROW_REQUIRED, .missing_code = ERROR_NO_TARGET,
         .doc = "name of the disk, unique in the machine (vda, sdb, hdc); the guest may call it otherwise"),
    ATTR("bus", DiskDef, bus, .names = &disk_bus_names, .fallback = "by the name of the disk",
         .doc = "what the disk is plugged into"),
    ATTR("tray", DiskDef, tray, HOST_SIDE, .fallback = "closed", .names = &disk_tray_names,
         .flags = ROW_CHANGEABLE, .doc = "state of a drive's tray"),
    ATTR("removable", DiskDef, removable, .names = &tristate_on_off_names,
         .doc = "USB disks: looks removable"),
    ATTR("rotation_rate", DiskDef, rotation_rate, .min = 1, .max = 65534,
         .doc = "revolutions per minute; 1 means solid state"),
    { 0 }
};

/* Readers of old knew no element <source> here. */
static bool write_mirror_file(const void *base, unsigned flags, GString *out)
{
    const DiskMirror *mirror = base;

    if (mirror->job != MIRROR_JOB_COPY || mirror->src.type != STORAGE_FILE || !mirror->src.path)
        return false;
    xml_escape_attribute(mirror->src.path, out);
    return true;
}

static bool write_mirror_format(const void *base, unsigned flags, GString *out)
{
    const DiskMirror *mirror = base;

    if (mirror->job != MIRROR_JOB_COPY || mirror->src.type != STORAGE_FILE || !mirror->src.format)
        return false;
    g_string_append(out, enum_name(&storage_format_names, mirror->src.format));
    return true;
}

static bool read_nothing(const char *text, void *base, Error **err)
{
    return true;
}
static const XmlCodec mirror_file_codec = { read_nothing, write_mirror_file, NULL };
static const XmlCodec mirror_format_codec = { read_nothing, write_mirror_format, NULL };

const XmlTable disk_mirror_table =
    TABLE(DiskMirror, "mirror",
          ROWS(ATTR("type", DiskMirror, src.type, .names = &storage_type_names, .doc = "kind of source"),
               CODEC_ATTR("file", &mirror_file_codec, .doc = "path of the file, for older readers"),
               CODEC_ATTR("format", &mirror_format_codec, .doc = "format of the file, for older readers"),
               ATTR("job", DiskMirror, job, .names = &mirror_job_names, .doc = "the job that writes it"),
               ATTR("ready", DiskMirror, ready, .names = &mirror_ready_names,
                    .doc = "both have the same; or how the job is being ended"),
               GROUP("format",
                     ROWS(ATTR("type", DiskMirror, src.format, .names = &storage_format_names,
                               .doc = "format of the image")),
                     .doc = "format of the image"),
               EMBED("source", DiskMirror, src, &storage_source_table, .doc = "where it is written"),
               INCLUDE(DiskMirror, src, &backing_chain_table)),
          .doc = "What a running block job writes.");

static void disk_init(void *base)
{
    ((DiskDef *)base)->src.type = STORAGE_FILE;
}

static bool disk_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    DiskDef *disk = base;
    if (!disk->cylinders || !disk->heads || !disk->sectors)
        disk->cylinders = disk->heads = disk->sectors = 0;
    if (!disk->queues.value)
        disk->queues = (OptU32){ 0 };
    if (!disk->queue_size.value)
        disk->queue_size = (OptU32){ 0 };
    return true;
}

const XmlTable disk_table =
    TABLE(DiskDef, "disk",
          ROWS(ATTR("type", DiskDef, src.type, HOST_SIDE, .names = &storage_type_names, .fallback = "file",
                    .doc = "kind of source"),
               ATTR("device", DiskDef, device, .names = &disk_device_names, .fallback = "disk",
                    .doc = "what the guest sees"),
               ATTR("model", DiskDef, model, .names = &virtio_model_names,
                    .doc = "generation of the virtio device"),
               ATTR("rawio", DiskDef, rawio, .fallback = "no", .names = &tristate_yes_no_names,
                    .doc = "the disk needs raw I/O rights"),
               ATTR("sgio", DiskDef, sgio, .fallback = "filtered", .names = &disk_sgio_names,
                    .doc = "whether SG_IO commands are filtered"),
               ATTR("snapshot", DiskDef, snapshot, HARMLESS, .names = &disk_snapshot_names,
                    .doc = "how the disk takes part in snapshots"),
               GROUP("driver", driver_rows, HOST_SIDE, .doc = DRIVER_DOC),
               OBJECT("auth", DiskDef, auth, &storage_auth_table, HOST_SIDE,
                      .doc = "credentials for the source"),
               EMBED("source", DiskDef, src, &storage_source_table, HOST_SIDE, .flags = ROW_CHANGEABLE,
                     .doc = "where the data is; an empty drive has none"),
               INCLUDE(DiskDef, src, &backing_chain_table, HOST_SIDE),
               KEPT("backenddomain", REFUSED("only Xen guests have it"), .doc = "Xen's driver domain"),
               OBJECT("mirror", DiskDef, mirror, &disk_mirror_table, HOST_SIDE, .flags = ROW_LIVE,
                      .doc = "the copy that a running block job writes"),
               GROUP("geometry",
                     ROWS(ATTR("cyls", DiskDef, cylinders, .max = UINT32_MAX, .doc = "cylinders"),
                          ATTR("heads", DiskDef, heads, .max = UINT32_MAX, .doc = "heads"),
                          ATTR("secs", DiskDef, sectors, .max = UINT32_MAX, .doc = "sectors per track"),
                          ATTR("trans", DiskDef, trans, .fallback = "auto",
                               .names = &disk_geometry_trans_names, .doc = "BIOS translation")),
                     .doc = "geometry shown to old guests"),
               GROUP("blockio",
                     ROWS(ATTR("logical_block_size", DiskDef, logical_block_size, .max = UINT32_MAX,
                               .doc = "bytes"),
                          ATTR("physical_block_size", DiskDef, physical_block_size, .max = UINT32_MAX,
                               .doc = "bytes"),
                          ATTR("discard_granularity", DiskDef, discard_granularity, .max = UINT32_MAX,
                               .doc = "bytes")),
                     .doc = "block sizes shown to the guest"),
               GROUP("target", target_rows, .flags = ROW_REQUIRED, .missing_code = ERROR_NO_TARGET,
                     .doc = "how the guest sees the disk"),
               OBJECT("iotune", DiskDef, iotune, &iotune_table, HOST_SIDE,
                      .doc = "limits on the disk's throughput"),
               GROUP("throttlefilters",
                     ROWS(LIST("throttlefilter", DiskDef, throttle_filters, &throttle_filter_table,
                               .doc = "one group")),
                     HOST_SIDE,
                     .doc = "limits that the disk shares with others, first those next to the image"),
               FLAG("readonly", DiskDef, readonly, .doc = "the guest can't write"),
               FLAG("shareable", DiskDef, shareable,
                    .doc = "other machines may use the source at the same time"),
               GROUP_FLAG("transient", DiskDef, transient,
                          ROWS(ATTR("shareBacking", DiskDef, transient_share_backing,
                                    .names = &tristate_yes_no_names,
                                    .doc = "several machines may use the same image")),
                          HOST_SIDE, .doc = "what is written is lost when the machine stops"),
               CHILD("serial", DiskDef, serial, .doc = "serial number"),
               CHILD("wwn", DiskDef, wwn, .doc = "world wide name: 16 hexadecimal digits"),
               CHILD("vendor", DiskDef, vendor, .doc = "SCSI vendor, at most 8 characters"),
               CHILD("product", DiskDef, product, .doc = "SCSI product, at most 16 characters"),
               OBJECT("encryption", DiskDef, encryption, &volume_encryption_table, HOST_SIDE,
                      .flags = ROW_LONG, .doc = "encryption of the image"),
               INCLUDE(DiskDef, info, &bootable_info_table)),
          KEEPS(DiskDef), .init = disk_init, .finish = disk_finish,
          .doc = "A disk, CD-ROM drive, floppy drive or SCSI LUN.");

const XmlTable lease_table = TABLE(LeaseDef, "lease",
                                   ROWS(CHILD("lockspace", LeaseDef, lockspace, .doc = "lock space"),
                                        CHILD("key", LeaseDef, key, .flags = ROW_REQUIRED,
                                              .doc = "name of the lease, unique in the lock space"),
                                        GROUP("target",
                                              ROWS(ATTR("path", LeaseDef, target_path, .flags = ROW_REQUIRED,
                                                        .doc = "path of the lease file"),
                                                   ATTR("offset", LeaseDef, target_offset, .max = UINT64_MAX,
                                                        .doc = "bytes into the file")),
                                              .flags = ROW_REQUIRED, .doc = "where the lease is")),
                                   .doc = "A lock that the machine holds while it runs.");

static void filesystem_init(void *base)
{
    ((FilesystemDef *)base)->type = FILESYSTEM_MOUNT;
}

/* Octal, four digits. */
static bool read_mode(const char *text, OptU32 *ret_mode, Error **err)
{
    const size_t len = strlen(text);
    if (!len || len > 6 || strspn(text, "01234567") != len)
        return error_set(err, ERROR_XML_INVALID, "'%s' is no mode like 0644", text);
    *ret_mode = (OptU32){ .is_set = true, .value = (uint32_t)g_ascii_strtoull(text, NULL, 8) };
    return true;
}

static bool write_mode(OptU32 mode, GString *out)
{
    if (mode.is_set)
        g_string_append_printf(out, "%04o", mode.value);
    return mode.is_set;
}

#define MODE_CODEC(member)                                                                                   \
    static bool read_##member(const char *text, void *base, Error **err)                                     \
    {                                                                                                        \
        return read_mode(text, &((FilesystemDef *)base)->member, err);                                       \
    }                                                                                                        \
    static bool write_##member(const void *base, unsigned flags, GString *out)                               \
    {                                                                                                        \
        return write_mode(((const FilesystemDef *)base)->member, out);                                       \
    }                                                                                                        \
    static const XmlCodec member##_codec = { read_##member, write_##member, "0?[0-7]{1,5}" };
MODE_CODEC(fmode)
MODE_CODEC(dmode)

#define FILESYSTEM_TYPE(mask) ONLY(FilesystemDef, type, mask)
#define CONTAINERS REFUSED("only containers have it")
const XmlTable filesystem_table =
    TABLE(FilesystemDef, "filesystem",
          ROWS(ATTR("type", FilesystemDef, type, .names = &filesystem_type_names, .fallback = "mount",
                    .doc = "kind of source"),
               ATTR("accessmode", FilesystemDef, access, .names = &filesystem_access_names,
                    .doc = "with whose rights the guest writes"),
               ATTR("model", FilesystemDef, model, .names = &virtio_model_names,
                    .doc = "generation of the virtio device"),
               ATTR("multidevs", FilesystemDef, multidevs, HOST_SIDE, .names = &filesystem_multidevs_names,
                    .doc = "how several host devices are told apart"),
               CODEC_ATTR("fmode", &fmode_codec, HOST_SIDE, .doc = "mode of new files"),
               CODEC_ATTR("dmode", &dmode_codec, HOST_SIDE, .doc = "mode of new directories"),
               HELD("fmode", FilesystemDef, fmode, HOST_SIDE), HELD("dmode", FilesystemDef, dmode, HOST_SIDE),
               GROUP("driver",
                     ROWS(ATTR("type", FilesystemDef, driver_type, .doc = "path (9p) or virtiofs"),
                          KEPT_ATTR("format", CONTAINERS, .doc = "image format"),
                          KEPT_ATTR("name", CONTAINERS, .doc = "name of the driver"),
                          ATTR("wrpolicy", FilesystemDef, write_policy, HOST_SIDE,
                               .names = &filesystem_write_policy_names,
                               .doc = "when writes reach the host's disk"),
                          ATTR("queue", FilesystemDef, queue_size, .max = UINT32_MAX,
                               .doc = "entries of the virtqueue"),
                          INCLUDE(FilesystemDef, virtio, &virtio_options_table)),
                     .doc = "how the directory is exported"),
               GROUP("binary",
                     ROWS(ATTR("path", FilesystemDef, binary, .doc = "path of the program"),
                          ATTR("xattr", FilesystemDef, xattr, .names = &tristate_on_off_names,
                               .doc = "extended attributes"),
                          GROUP("cache",
                                ROWS(ATTR("mode", FilesystemDef, cache, .names = &filesystem_cache_names,
                                          .doc = "what the guest keeps")),
                                .doc = "cache of the guest"),
                          GROUP("sandbox",
                                ROWS(ATTR("mode", FilesystemDef, sandbox, .names = &filesystem_sandbox_names,
                                          .doc = "how the program is locked in")),
                                .doc = "confinement"),
                          GROUP("lock",
                                ROWS(ATTR("posix", FilesystemDef, posix_lock, .names = &tristate_on_off_names,
                                          .doc = "POSIX locks reach the host"),
                                     ATTR("flock", FilesystemDef, flock, .names = &tristate_on_off_names,
                                          .doc = "BSD locks reach the host")),
                                .doc = "locks"),
                          GROUP("thread_pool",
                                ROWS(ATTR("size", FilesystemDef, thread_pool, .max = UINT32_MAX,
                                          .doc = "number of threads; 0: none")),
                                .doc = "threads that serve")),
                     HOST_SIDE, .doc = "the virtiofsd program"),
               GROUP("source",
                     ROWS(ATTR("dir", FilesystemDef, source,
                               FILESYSTEM_TYPE(BIT(FILESYSTEM_MOUNT) | BIT(FILESYSTEM_BIND)),
                               .doc = "path of the directory"),
                          ATTR("file", FilesystemDef, source, FILESYSTEM_TYPE(BIT(FILESYSTEM_FILE)),
                               .doc = "path of the image"),
                          ATTR("dev", FilesystemDef, source, FILESYSTEM_TYPE(BIT(FILESYSTEM_BLOCK)),
                               .doc = "path of the block device"),
                          ATTR("name", FilesystemDef, source, FILESYSTEM_TYPE(BIT(FILESYSTEM_TEMPLATE)),
                               .doc = "name of the template"),
                          KEPT_ATTR("usage", CONTAINERS, .doc = "size of a RAM file system"),
                          KEPT_ATTR("units", CONTAINERS, .doc = "its unit"),
                          KEPT_ATTR("pool", CONTAINERS, .doc = "storage pool"),
                          KEPT_ATTR("volume", CONTAINERS, .doc = "volume of the pool"),
                          ATTR("socket", FilesystemDef, socket,
                               .doc = "socket of a virtiofsd that runs already")),
                     HOST_SIDE, .doc = "what is exported"),
               GROUP("target", ROWS(ATTR("dir", FilesystemDef, target, .doc = "the tag")),
                     .doc = "the name that the guest mounts"),
               FLAG("readonly", FilesystemDef, readonly, .doc = "the guest can't write"),
               INCLUDE(FilesystemDef, info, &bootable_info_table),
               CHILD("space_hard_limit", FilesystemDef, space_hard_limit_bytes, CONTAINERS,
                     .unit = XML_UNIT_BYTES, .max = INT64_MAX, .doc = "space limit"),
               CHILD("space_soft_limit", FilesystemDef, space_soft_limit_bytes, CONTAINERS,
                     .unit = XML_UNIT_BYTES, .max = INT64_MAX, .doc = "space limit")),
          KEEPS(FilesystemDef), .init = filesystem_init,
          .doc = "A directory of the host that the guest can mount.");