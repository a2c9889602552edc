/* What clients ask of a migration: parameters by name, and what they mean for QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "machine/vm_migrate_private.h"
#include "qemu/monitor.h"

#define MIB (UINT64_C(1) << 20)

#define ROW(name, type, member)                                                                              \
    {                                                                                                        \
        name, type, offsetof(MigrateParams, member)                                                          \
    }
static const struct {
    const char *name;
    ParamType type;
    size_t offset;
} rows[] = {
    ROW(VIR_MIGRATE_PARAM_URI, PARAM_STRING, uri),
    ROW(VIR_MIGRATE_PARAM_DEST_NAME, PARAM_STRING, name),
    ROW(VIR_MIGRATE_PARAM_DEST_XML, PARAM_STRING, xml),
    ROW(VIR_MIGRATE_PARAM_PERSIST_XML, PARAM_STRING, persist_xml),
    ROW(VIR_MIGRATE_PARAM_GRAPHICS_URI, PARAM_STRING, graphics_uri),
    ROW(VIR_MIGRATE_PARAM_LISTEN_ADDRESS, PARAM_STRING, listen_address),
    ROW(VIR_MIGRATE_PARAM_DISKS_URI, PARAM_STRING, disks_uri),
    ROW(VIR_MIGRATE_PARAM_TLS_DESTINATION, PARAM_STRING, tls_destination),
    ROW(VIR_MIGRATE_PARAM_BANDWIDTH, PARAM_ULLONG, bandwidth_mib),
    ROW(VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, PARAM_ULLONG, postcopy_bandwidth_mib),
    ROW(VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE, PARAM_ULLONG, cache_bytes),
    ROW(VIR_MIGRATE_PARAM_COMPRESSION_MT_LEVEL, PARAM_INT, mt_level),
    ROW(VIR_MIGRATE_PARAM_COMPRESSION_MT_THREADS, PARAM_INT, mt_threads),
    ROW(VIR_MIGRATE_PARAM_COMPRESSION_MT_DTHREADS, PARAM_INT, mt_dthreads),
    ROW(VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL, PARAM_INT, throttle_initial),
    ROW(VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT, PARAM_INT, throttle_increment),
    ROW(VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, PARAM_INT, connections),
    ROW(VIR_MIGRATE_PARAM_DISKS_PORT, PARAM_INT, disks_port),
};

void migrate_params_clear(MigrateParams *params)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].type == PARAM_STRING)
            g_free(*(char **)((char *)params + rows[i].offset));
    g_free(params->peer);
    if (params->disks)
        g_ptr_array_unref(params->disks);
    memset(params, 0, sizeof(*params));
}

void migrate_params_copy(const MigrateParams *from, MigrateParams *to)
{
    *to = *from;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].type == PARAM_STRING)
            *(char **)((char *)to + rows[i].offset) =
                g_strdup(*(char *const *)((const char *)from + rows[i].offset));
    to->peer = g_strdup(from->peer);
    if (from->disks)
        g_ptr_array_ref(to->disks);
}

/* ---- reading ---- */

static bool read_compression(const Param *param, MigrateParams *params, Error **err)
{
    if (strcmp(param->value.s, "xbzrle") == 0)
        params->use_xbzrle = true;
    else if (strcmp(param->value.s, "mt") == 0)
        params->use_mt = true;
    else
        return error_set(err, ERROR_INVALID_ARGUMENT, "Unsupported compression method '%s'", param->value.s);
    return true;
}

static bool read_value(const Param *param, size_t offset, MigrateParams *params, Error **err)
{
    void *target = (char *)params + offset;

    if (param->type == PARAM_STRING) {
        if (*(char **)target)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' occurs multiple times",
                             param->name);
        *(char **)target = g_strdup(param->value.s);
    } else if (param->type == PARAM_ULLONG) {
        *(uint64_t *)target = param->value.ul;
    } else {
        if (param->value.i < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' cannot be negative", param->name);
        *(int32_t *)target = param->value.i;
    }
    return true;
}

static bool read_param(const Param *param, MigrateParams *params, Error **err)
{
    const bool is_text = param->type == PARAM_STRING;

    if (is_text && strcmp(param->name, VIR_MIGRATE_PARAM_COMPRESSION) == 0)
        return read_compression(param, params, err);
    if (is_text && strcmp(param->name, VIR_MIGRATE_PARAM_MIGRATE_DISKS) == 0) {
        if (!params->disks)
            params->disks = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(params->disks, g_strdup(param->value.s));
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, param->name) != 0)
            continue;
        if (rows[i].type != param->type)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' is of another type", param->name);
        return read_value(param, rows[i].offset, params, err);
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' not supported", param->name);
}

/* Of flags that need or exclude each other. */
static bool check_flags_together(const MigrateParams *params, Error **err)
{
    const unsigned flags = params->flags;
    const bool copies = flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC);

    if ((flags & VIR_MIGRATE_NON_SHARED_DISK) && (flags & VIR_MIGRATE_NON_SHARED_INC))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags 'VIR_MIGRATE_NON_SHARED_DISK' and 'VIR_MIGRATE_NON_SHARED_INC' are mutually "
                         "exclusive");
    if ((flags & VIR_MIGRATE_OFFLINE) && (flags & VIR_MIGRATE_LIVE))
        return error_set(err, ERROR_OPERATION_FAILED, "live offline migration does not make sense");
    if ((flags & VIR_MIGRATE_OFFLINE) && copies)
        return error_set(err, ERROR_OPERATION_FAILED, "offline migration cannot handle non-shared storage");
    if ((flags & VIR_MIGRATE_OFFLINE) && !(flags & VIR_MIGRATE_PERSIST_DEST))
        return error_set(err, ERROR_OPERATION_FAILED,
                         "offline migration must be specified with the persistent flag set");
    if ((flags & VIR_MIGRATE_TUNNELLED) &&
        (flags & (VIR_MIGRATE_PARALLEL | VIR_MIGRATE_POSTCOPY | VIR_MIGRATE_TLS)))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a tunnelled migration has one connection in one direction: no parallel "
                         "connections, "
                         "post-copy or TLS of its own");
    if ((flags & VIR_MIGRATE_TUNNELLED) && copies)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                         "migration of non-shared disks is not supported with a tunnelled migration");
    if ((flags & VIR_MIGRATE_RDMA_PIN_ALL) || (params->uri && g_str_has_prefix(params->uri, "rdma:")))
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "migration over RDMA is not supported");
    if (flags & VIR_MIGRATE_ZEROCOPY) {
        error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "zero-copy migration is not supported");
        return error_hint(err,
                          "QEMU would have to lock the guest's memory: use --parallel without --zerocopy");
    }
    if (params->connections && !(flags & VIR_MIGRATE_PARALLEL))
        return error_set(err, ERROR_INVALID_ARGUMENT, "Turn parallel migration on to tune it");
    if (params->cache_bytes && !params->use_xbzrle)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Turn xbzrle compression on to tune it");
    if ((params->mt_level || params->mt_threads || params->mt_dthreads) && !params->use_mt)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Turn multithread compression on to tune it");
    if (params->disks_port > UINT16_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "port %d of disks is out of range", params->disks_port);
    return true;
}

bool migrate_params_read(const Params *params, unsigned flags, MigrateParams *ret_params, Error **err)
{
    g_auto(MigrateParams) read = { .flags = flags };

    for (size_t i = 0; i < params_count(params); i++)
        if (!read_param(params_at(params, i), &read, err))
            return false;
    if ((flags & VIR_MIGRATE_COMPRESSED) && !read.use_mt)
        read.use_xbzrle = true;
    if (!check_flags_together(&read, err))
        return false;
    *ret_params = read;
    read = (MigrateParams){ 0 };
    return true;
}

/* ---- addresses ---- */

void migrate_address_clear(MigrateAddress *address)
{
    g_free(address->host);
    g_free(address->path);
}

bool migrate_address_parse(const char *uri, MigrateAddress *ret_address, Error **err)
{
    if (g_str_has_prefix(uri, "unix:")) {
        const char *path = uri + strlen("unix:");
        ret_address->path = g_strdup(g_str_has_prefix(path, "//") ? path + 2 : path);
        return ret_address->path[0] == '/' ||
               error_set(err, ERROR_INVALID_ARGUMENT, "no absolute path in migration URI %s", uri);
    }
    if (!g_str_has_prefix(uri, "tcp:"))
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "unsupported scheme in migration URI %s", uri);
    const char *at = uri + strlen("tcp:");
    at = g_str_has_prefix(at, "//") ? at + 2 : at;
    g_autofree char *place = g_strndup(at, strcspn(at, "/?"));
    char *colon = strrchr(place, ':'), *bracket = strrchr(place, ']');
    uint64_t port = 0;
    if (colon && (!bracket || colon > bracket)) {
        if (!parse_uint(colon + 1, &port, NULL) || port == 0 || port > UINT16_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "bad port in migration URI %s", uri);
        *colon = '\0';
    }
    const size_t len = strlen(place);
    if (len == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "missing host in migration URI: %s", uri);
    ret_address->port = (unsigned)port;
    ret_address->host =
        place[0] == '[' && place[len - 1] == ']' ? g_strndup(place + 1, len - 2) : g_strdup(place);
    return true;
}

/* ---- writing ---- */

Params *migrate_params_to_params(const MigrateParams *params)
{
    Params *out = params_new();

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const void *value = (const char *)params + rows[i].offset;
        if (rows[i].type == PARAM_STRING && *(char *const *)value)
            params_add_string(out, *(char *const *)value, "%s", rows[i].name);
        else if (rows[i].type == PARAM_ULLONG && *(const uint64_t *)value)
            params_add_ullong(out, *(const uint64_t *)value, "%s", rows[i].name);
        else if (rows[i].type == PARAM_INT && *(const int32_t *)value)
            params_add_int(out, *(const int32_t *)value, "%s", rows[i].name);
    }
    if (params->use_xbzrle)
        params_add_string(out, "xbzrle", VIR_MIGRATE_PARAM_COMPRESSION);
    if (params->use_mt)
        params_add_string(out, "mt", VIR_MIGRATE_PARAM_COMPRESSION);
    for (guint i = 0; params->disks && i < params->disks->len; i++)
        params_add_string(out, g_ptr_array_index(params->disks, i), VIR_MIGRATE_PARAM_MIGRATE_DISKS);
    return out;
}

/* ---- what QEMU is told ---- */

const MigrateCap migrate_caps[MIGRATE_CAP_COUNT] = {
    { "xbzrle", 0 },
    { "auto-converge", VIR_MIGRATE_AUTO_CONVERGE },
    { "rdma-pin-all", VIR_MIGRATE_RDMA_PIN_ALL },
    { "postcopy-ram", VIR_MIGRATE_POSTCOPY },
    { "compress", 0 },
    { "pause-before-switchover", 0, MIGRATE_AT_SOURCE },
    { "late-block-activate", 0, MIGRATE_AT_TARGET },
    { "multifd", VIR_MIGRATE_PARALLEL },
    { "dirty-bitmaps", 0 },
    { "return-path", 0 },
    { "zero-copy-send", VIR_MIGRATE_ZEROCOPY },
};

static bool cap_is_wanted(const MigrateCap *cap, const MigrateParams *params, MigrateSide side)
{
    if (strcmp(cap->name, "xbzrle") == 0)
        return params->use_xbzrle;
    if (strcmp(cap->name, "compress") == 0)
        return params->use_mt;
    if (strcmp(cap->name, "return-path") == 0)
        return !(params->flags & VIR_MIGRATE_TUNNELLED);
    /* Images that nothing has activated kill a QEMU that sends its machine on: of one that stays paused
     * nobody does. */
    if ((params->flags & VIR_MIGRATE_PAUSED) && strcmp(cap->name, "late-block-activate") == 0)
        return false;
    return cap->side == side || (params->flags & cap->flag);
}

/* What QEMU was told for a migration before does not count. */
static uint64_t throttle_of(int32_t percent, uint64_t usual)
{
    return percent > 0 ? (uint64_t)percent : usual;
}

static Json *make_parameters(const MigrateParams *params, MigrateSide side, const char *tls_id,
                             const char *tls_name)
{
    const bool is_source = side == MIGRATE_AT_SOURCE;
    const bool slows = is_source && (params->flags & VIR_MIGRATE_AUTO_CONVERGE);
    const uint64_t limit =
        params->bandwidth_mib ? MIN(params->bandwidth_mib, INT64_MAX / MIB) * MIB : INT64_MAX / 2;
    Json *out =
        json_pack("{s:s, s:s}", "tls-creds", tls_id ? tls_id : "", "tls-hostname", tls_name ? tls_name : "");
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "max-bandwidth", is_source ? limit : 0 },
        { "max-postcopy-bandwidth",
          is_source ? MIN(params->postcopy_bandwidth_mib, INT64_MAX / MIB) * MIB : 0 },
        { "xbzrle-cache-size", params->cache_bytes },
        { "compress-level", (uint64_t)params->mt_level },
        { "compress-threads", (uint64_t)params->mt_threads },
        { "decompress-threads", (uint64_t)params->mt_dthreads },
        { "throttle-trigger-threshold",
          slows ? throttle_of(params->throttle_trigger, MIGRATE_THROTTLE_TRIGGER) : 0 },
        { "cpu-throttle-initial",
          slows ? throttle_of(params->throttle_initial, MIGRATE_THROTTLE_INITIAL) : 0 },
        { "cpu-throttle-increment",
          slows ? throttle_of(params->throttle_increment, MIGRATE_THROTTLE_INCREMENT) : 0 },
        { "multifd-channels", params->flags & VIR_MIGRATE_PARALLEL ? (uint64_t)params->connections : 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (numbers[i].value)
            json_object_set_new(out, numbers[i].name,
                                json_integer((json_int_t)MIN(numbers[i].value, INT64_MAX)));
    return out;
}

bool migrate_tell_qemu(Vm *vm, const MigrateParams *params, MigrateSide side, const char *tls_id,
                       const char *tls_name, Error **err)
{
    Json *caps = json_pack("{s:b, s:b}", "events", 1, MIGRATE_WITHOUT_SHARED, 0);

    for (unsigned i = 0; i < MIGRATE_CAP_COUNT; i++) {
        const bool wanted = cap_is_wanted(&migrate_caps[i], params, side);
        json_object_set_new(caps, migrate_caps[i].name, json_boolean(wanted));
    }
    return monitor_set_migration_options(vm_monitor(vm), caps,
                                         make_parameters(params, side, tls_id, tls_name), 0, err);
}

void migrate_reset_qemu(Vm *vm)
{
    const MigrateParams none = { .flags = VIR_MIGRATE_TUNNELLED };
    g_autoptr(Error) err = NULL;

    if (vm_monitor(vm) && !migrate_tell_qemu(vm, &none, MIGRATE_AT_NEITHER, NULL, NULL, &err))
        log_debug("machine '%s' keeps settings of its migration: %s", vm->name, error_message(err));
}
