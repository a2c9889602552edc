/* The table of schema questions, and the walk through a schema that answers them.
 *
 *   query := NAME [">"] { "/" step }     a command's arguments (or an event's data); with ">" its return
 * value step  := MEMBER                      goes to the type of that member; arrays are entered by
 * themselves | MEMBER "=" VALUE            a member that takes VALUE; if it selects a variant, goes into that
 * variant
 *
 * "blockdev-add/driver=file/aio=io_uring", "query-cpus-fast>/thread-id", "DEVICE_DELETED/path".
 *
 * The schema comes from a QEMU that may be anyone's, so each step checks what it finds; there is no
 * recursion. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qemu_caps_schema.h"

#include <string.h>

static const char *const schema_queries[] = {
    /* disks */
    "blockdev-add/driver=file/aio=io_uring",
    "blockdev-add/driver=file/aio-max-batch",
    "blockdev-add/driver=file/dynamic-auto-read-only",
    "blockdev-add/driver=host_device/aio=io_uring",
    "blockdev-add/driver=qcow2/discard-no-unref",
    "blockdev-add/driver=qcow2/data-file",
    "blockdev-add/driver=qcow2/encrypt",
    "blockdev-add/driver=nbd",
    "blockdev-add/driver=nbd/tls-hostname",
    "blockdev-add/driver=nvme",
    "blockdev-add/driver=rbd",
    "blockdev-add/driver=rbd/encrypt",
    "blockdev-add/driver=iscsi",
    "blockdev-add/driver=gluster",
    "blockdev-add/driver=ssh",
    "blockdev-add/driver=https",
    "blockdev-add/driver=luks",
    "blockdev-add/driver=copy-on-read",
    "blockdev-add/driver=throttle",
    "blockdev-add/driver=virtio-blk-vhost-vdpa",
    "blockdev-reopen/options",
    "blockdev-snapshot-delete-internal-sync",
    "blockdev-backup/bitmap",
    "blockdev-backup/compress",
    "block-commit/base-node",
    "block-commit/backing-mask-protocol",
    "block-stream/bottom",
    "block-stream/backing-mask-protocol",
    "block_set_io_throttle/group",
    "query-named-block-nodes/flat",
    "query-blockstats/query-nodes",
    "block-latency-histogram-set/boundaries-zap",
    "transaction/actions/type=blockdev-snapshot-sync",
    "transaction/actions/type=block-dirty-bitmap-merge",
    "snapshot-save/vmstate",
    /* objects, memory */
    "object-add/qom-type=secret",
    "object-add/qom-type=secret_keyring",
    "object-add/qom-type=iothread/poll-max-ns",
    "object-add/qom-type=iothread/thread-pool-max",
    "object-add/qom-type=iothread/aio-max-batch",
    "object-add/qom-type=memory-backend-file/pmem",
    "object-add/qom-type=memory-backend-file/align",
    "object-add/qom-type=memory-backend-file/rom",
    "object-add/qom-type=memory-backend-file/reserve",
    "object-add/qom-type=memory-backend-file/prealloc-threads",
    "object-add/qom-type=memory-backend-file/prealloc-context",
    "object-add/qom-type=memory-backend-file/x-use-canonical-path-for-ramblock-id",
    "object-add/qom-type=memory-backend-memfd",
    "object-add/qom-type=memory-backend-memfd/hugetlb",
    "object-add/qom-type=memory-backend-memfd/hugetlbsize",
    "object-add/qom-type=rng-builtin",
    "object-add/qom-type=rng-random",
    "object-add/qom-type=rng-egd",
    "object-add/qom-type=sev-guest",
    "object-add/qom-type=sev-guest/kernel-hashes",
    "object-add/qom-type=tls-creds-x509",
    "object-add/qom-type=pr-manager-helper",
    "object-add/qom-type=main-loop/thread-pool-max",
    "object-add/qom-type=throttle-group",
    "object-add/qom-type=input-linux",
    "object-add/qom-type=can-bus",
    /* network */
    "netdev_add/type=user",
    "netdev_add/type=tap/vhostfds",
    "netdev_add/type=stream",
    "netdev_add/type=stream/reconnect",
    "netdev_add/type=stream/reconnect-ms",
    "netdev_add/type=dgram",
    "netdev_add/type=vhost-user",
    "netdev_add/type=vhost-vdpa",
    "netdev_add/type=bridge",
    /* character devices, display, audio */
    "chardev-add/backend/type=socket/data/reconnect",
    "chardev-add/backend/type=socket/data/reconnect-ms",
    "chardev-add/backend/type=file/data/append",
    "chardev-add/backend/type=file/data/logfile",
    "chardev-add/backend/type=spicevmc",
    "chardev-add/backend/type=spiceport",
    "chardev-add/backend/type=qemu-vdagent",
    "chardev-add/backend/type=dbus",
    "query-display-options>/type=sdl",
    "query-display-options>/type=gtk",
    "query-display-options>/type=egl-headless",
    "query-display-options>/type=egl-headless/rendernode",
    "query-display-options>/type=dbus",
    "query-display-options>/type=spice-app",
    "screendump/device",
    "screendump/head",
    "screendump/format=png",
    "set_password/protocol=vnc/display",
    "display-reload/type=vnc",
    "query-vnc-servers>/id",
    "send-key/hold-time",
    /* the machine's life */
    "set-action/reboot",
    "set-action/panic=exit-failure",
    "migrate-set-parameters/downtime-limit",
    "migrate-set-parameters/block-bitmap-mapping",
    "migrate-set-parameters/mode",
    "migrate/channels",
    "migrate/resume",
    "migrate-incoming/exit-on-error",
    "query-migrate>/blocked-reasons",
    "dump-guest-memory/detach",
    "dump-guest-memory/format=kdump-zlib",
    "dump-guest-memory/format=win-dmp",
    "device_add/driver",
    "query-hotpluggable-cpus",
    "query-cpus-fast>/thread-id",
    "query-cpu-definitions>/unavailable-features",
    "query-stats/target=vcpu",
    "calc-dirty-rate/mode=page-sampling",
    "set-vcpu-dirty-limit",
    "query-sgx-capabilities>/sections",
    "DEVICE_UNPLUG_GUEST_ERROR",
    "MEMORY_DEVICE_SIZE_CHANGE",
    "MEMORY_FAILURE",
    "BLOCK_WRITE_THRESHOLD/node-name",
    "GUEST_CRASHLOADED",
    "NIC_RX_FILTER_CHANGED",
    "SHUTDOWN/reason",
    "RESET/reason",
    "UNPLUG_PRIMARY",
    "RTC_CHANGE/qom-path",
    NULL,
};

const char *const *qemu_schema_queries(void)
{
    return schema_queries;
}

bool qemu_schema_is_query(const char *query)
{
    return g_strv_contains(schema_queries, query);
}

struct QemuSchema {
    GHashTable *by_name; /* of borrowed Json */
};

QemuSchema *qemu_schema_new(const Json *schema)
{
    QemuSchema *index = g_new0(QemuSchema, 1);
    index->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    Json *entry;
    json_array_foreach (schema, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (name)
            g_hash_table_insert(index->by_name, (char *)name, entry);
    }
    return index;
}

void qemu_schema_free(QemuSchema *schema)
{
    if (!schema)
        return;
    g_hash_table_destroy(schema->by_name);
    g_free(schema);
}

static const Json *schema_type(const QemuSchema *schema, const char *name)
{
    return name ? g_hash_table_lookup(schema->by_name, name) : NULL;
}

/* The type behind @name, with arrays opened. */
static const Json *schema_resolve(const QemuSchema *schema, const char *name)
{
    const Json *type = schema_type(schema, name);
    for (int depth = 0; depth < 4 && g_strcmp0(json_get_str(type, "meta-type"), "array") == 0; depth++)
        type = schema_type(schema, json_get_str(type, "element-type"));
    return type;
}

static const Json *schema_find(const Json *list, const char *key, const char *value, size_t value_len)
{
    size_t i;
    Json *entry;
    json_array_foreach (list, i, entry) {
        const char *text = json_get_str(entry, key);
        if (text && strlen(text) == value_len && memcmp(text, value, value_len) == 0)
            return entry;
    }
    return NULL;
}

/* Newer QEMU lists enum values as objects in "members", older ones only as strings in "values". */
static bool schema_enum_has(const Json *type, const char *value)
{
    if (schema_find(json_get_arr(type, "members"), "name", value, strlen(value)))
        return true;
    size_t i;
    Json *entry;
    json_array_foreach (json_get_arr(type, "values"), i, entry) {
        if (g_strcmp0(json_string_value(entry), value) == 0)
            return true;
    }
    return false;
}

/* Where a walk is: a type, and the union around it whose common members are visible too. */
typedef struct SchemaPlace {
    const Json *type, *outer;
} SchemaPlace;

static bool schema_step(const QemuSchema *schema, SchemaPlace *place, const char *step)
{
    const char *equals = strchr(step, '=');
    size_t name_len = equals ? (size_t)(equals - step) : strlen(step);
    const Json *owner = place->type;
    const Json *member = schema_find(json_get_arr(owner, "members"), "name", step, name_len);
    if (!member && place->outer) {
        owner = place->outer;
        member = schema_find(json_get_arr(owner, "members"), "name", step, name_len);
    }
    if (!member)
        return false;
    const Json *type = schema_resolve(schema, json_get_str(member, "type"));
    if (!equals) {
        *place = (SchemaPlace){ .type = type };
        return true;
    }
    if (!schema_enum_has(type, equals + 1))
        return false;
    const char *tag = json_get_str(owner, "tag");
    if (tag && strlen(tag) == name_len && memcmp(tag, step, name_len) == 0) {
        const Json *variant =
            schema_find(json_get_arr(owner, "variants"), "case", equals + 1, strlen(equals + 1));
        *place =
            (SchemaPlace){ .type = schema_resolve(schema, json_get_str(variant, "type")), .outer = owner };
    } else {
        *place = (SchemaPlace){ .type = type };
    }
    return true;
}

bool qemu_schema_has(const QemuSchema *schema, const char *query)
{
    g_auto(GStrv) steps = g_strsplit(query, "/", -1);
    if (!steps[0])
        return false;
    size_t len = strlen(steps[0]);
    bool wants_return = len > 0 && steps[0][len - 1] == '>';
    if (wants_return)
        steps[0][len - 1] = '\0';
    const Json *entry = schema_type(schema, steps[0]);
    const char *meta = json_get_str(entry, "meta-type");
    if (g_strcmp0(meta, "command") != 0 && g_strcmp0(meta, "event") != 0)
        return false;
    SchemaPlace place = { .type = schema_resolve(schema, json_get_str(entry, wants_return ? "ret-type"
                                                                                          : "arg-type")) };
    for (size_t i = 1; steps[i]; i++)
        if (!schema_step(schema, &place, steps[i]))
            return false;
    return true;
}
