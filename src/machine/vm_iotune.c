/* Limits of disks: QEMU's throttling, told when a machine starts and when they change. Disks in one group
 * share one set of limits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "iotune"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_limits.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"

#define IOTUNE_MAX UINT64_C(1000000000000000)

/* Members of one kind replace each other: who sets one of them says all of them. */
typedef enum IotuneKind {
    IOTUNE_BYTES,
    IOTUNE_IOPS,
    IOTUNE_BYTES_MAX,
    IOTUNE_IOPS_MAX,
    IOTUNE_OWN
} IotuneKind;

#define ROW(member, qmp, kind)                                                                               \
    {                                                                                                        \
#member, qmp, offsetof(DiskIotune, member), kind                                                     \
    }
static const struct {
    const char *name, *qmp;
    size_t offset;
    IotuneKind kind;
} rows[] = {
    ROW(total_bytes_sec, "bps", IOTUNE_BYTES),
    ROW(read_bytes_sec, "bps_rd", IOTUNE_BYTES),
    ROW(write_bytes_sec, "bps_wr", IOTUNE_BYTES),
    ROW(total_iops_sec, "iops", IOTUNE_IOPS),
    ROW(read_iops_sec, "iops_rd", IOTUNE_IOPS),
    ROW(write_iops_sec, "iops_wr", IOTUNE_IOPS),
    ROW(total_bytes_sec_max, "bps_max", IOTUNE_BYTES_MAX),
    ROW(read_bytes_sec_max, "bps_rd_max", IOTUNE_BYTES_MAX),
    ROW(write_bytes_sec_max, "bps_wr_max", IOTUNE_BYTES_MAX),
    ROW(total_iops_sec_max, "iops_max", IOTUNE_IOPS_MAX),
    ROW(read_iops_sec_max, "iops_rd_max", IOTUNE_IOPS_MAX),
    ROW(write_iops_sec_max, "iops_wr_max", IOTUNE_IOPS_MAX),
    ROW(size_iops_sec, "iops_size", IOTUNE_OWN),
    ROW(total_bytes_sec_max_length, "bps_max_length", IOTUNE_OWN),
    ROW(read_bytes_sec_max_length, "bps_rd_max_length", IOTUNE_OWN),
    ROW(write_bytes_sec_max_length, "bps_wr_max_length", IOTUNE_OWN),
    ROW(total_iops_sec_max_length, "iops_max_length", IOTUNE_OWN),
    ROW(read_iops_sec_max_length, "iops_rd_max_length", IOTUNE_OWN),
    ROW(write_iops_sec_max_length, "iops_wr_max_length", IOTUNE_OWN),
};
#undef ROW

static OptU64 *field_of(DiskIotune *tune, size_t row)
{
    return (OptU64 *)(void *)((char *)tune + rows[row].offset);
}

static uint64_t value_of(const DiskIotune *tune, size_t row)
{
    const OptU64 *field = field_of((DiskIotune *)tune, row);

    return field->is_set ? field->value : 0;
}

static bool is_empty(const DiskIotune *tune)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (value_of(tune, i))
            return false;
    }
    return true;
}

/* ---- QEMU ---- */

/* @tune NULL: none. */
AWAITS static bool tell_qemu(Vm *vm, const DiskDef *disk, const DiskIotune *tune, Error **err)
{
    static const DiskIotune none = { 0 };
    g_autofree char *path = qemu_disk_backend_path(disk);
    AUTO_JSON args = json_pack("{s:s}", "id", path);

    tune = tune ? tune : &none;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        /* The basic ones always; QEMU refuses some of the others where they have no meaning. */
        if (i < 6 || value_of(tune, i))
            json_object_set_new(args, rows[i].qmp, json_integer((json_int_t)value_of(tune, i)));
    }
    if (tune->group_name)
        json_object_set_new(args, "group", json_string(tune->group_name));
    return qmp_exec(vm_monitor(vm), "block_set_io_throttle", args, 0, NULL, err);
}

/* Counting begins anew. */
AWAITS static bool tell_histograms(Vm *vm, const DiskDef *disk, Error **err)
{
    static const char *const names[LATENCY_COUNT] = { "boundaries", "boundaries-read", "boundaries-write",
                                                      "boundaries-flush" };
    g_autofree char *path = qemu_disk_backend_path(disk);
    AUTO_JSON args = json_pack("{s:s}", "id", path);

    for (DEF_EACH(LatencyHistogram, histogram, disk->latency_histograms)) {
        Json *starts = json_array();
        for (DEF_EACH(LatencyBin, bin, histogram->bins)) {
            if (bin->start_ns)
                json_array_append_new(starts, json_integer((json_int_t)bin->start_ns));
        }
        json_object_set_new(args, names[histogram->type], starts);
    }
    return qmp_exec(vm_monitor(vm), "block-latency-histogram-set", args, 0, NULL, err);
}

bool vm_start_throttles(Vm *vm, Error **err)
{
    for (guint i = 0; vm->live && i < def_list_len(vm->live->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(vm->live->disks, i);
        if (disk->iotune && !storage_is_empty(&disk->src) && !tell_qemu(vm, disk, disk->iotune, err))
            return false;
        if (vm->live && i < def_list_len(vm->live->disks) && def_list_len(disk->latency_histograms) &&
            !tell_histograms(vm, disk, err))
            return false;
    }
    return true;
}

bool vm_restore_throttle(Vm *vm, const char *alias, bool is_throttled, Error **err)
{
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const bool wants = disk->iotune && !is_empty(disk->iotune);
        if (g_strcmp0(disk->info.alias, alias) == 0 && !storage_is_empty(&disk->src) &&
            (wants || is_throttled))
            return tell_qemu(vm, disk, disk->iotune, err);
    }
    return true;
}

/* ---- reading ---- */

static Params *iotune_to_params(const DiskIotune *tune, const char *group)
{
    Params *params = params_new();

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        params_add_ullong(params, value_of(tune, i), "%s", rows[i].name);
        if (strcmp(rows[i].name, "size_iops_sec") == 0)
            params_add_string(params, group, "group_name");
    }
    return params;
}

bool vm_get_block_iotune(Vm *vm, const char *name, unsigned flags, Params **ret_params, Error **err)
{
    static const DiskIotune none = { 0 };
    const DomainDef *def = NULL;

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainGetBlockIoTune",
                     err) ||
        !vm_get_affected_def(vm, flags, &def, err))
        return false;
    /* Without a name only the number of parameters is wanted. */
    const DiskDef *disk = name ? domain_find_disk(def, name) : NULL;
    if (name && !disk)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         def == vm->live ? "disk '%s' not found in domain"
                                         : "disk '%s' was not found in the domain config",
                         name);
    const DiskIotune *tune = disk && disk->iotune ? disk->iotune : &none;
    /* QEMU puts a disk without a group into one of its own. */
    g_autofree char *own = disk && def == vm->live && !is_empty(tune) ? qemu_disk_backend_path(disk) : NULL;
    *ret_params = iotune_to_params(tune, tune->group_name ? tune->group_name : own);
    return true;
}

/* ---- changing ---- */

static bool check_pairs(const Params *params, Error **err)
{
    static const char *const kinds[] = {
        "bytes_sec",          "iops_sec", "bytes_sec_max", "iops_sec_max", "bytes_sec_max_length",
        "iops_sec_max_length"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *total = g_strdup_printf("total_%s", kinds[i]);
        g_autofree char *reading = g_strdup_printf("read_%s", kinds[i]);
        g_autofree char *writing = g_strdup_printf("write_%s", kinds[i]);
        const Param *t = params_find(params, total);
        const Param *r = params_find(params, reading);
        const Param *w = params_find(params, writing);
        if (t && t->value.ul && ((r && r->value.ul) || (w && w->value.ul)))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "total and read/write of %s cannot be set at the same time", kinds[i]);
    }
    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        if (param->type == PARAM_ULLONG && param->value.ul > IOTUNE_MAX)
            return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                             "block I/O throttle limit value must be no more than %" PRIu64, IOTUNE_MAX);
    }
    return true;
}

static bool check_maxima(const DiskIotune *old, const DiskIotune *tune, Error **err)
{
    for (size_t i = 0; i < 6; i++) {
        const uint64_t limit = value_of(tune, i);
        const uint64_t most = value_of(tune, i + 6);
        if (most && limit == 0 && old && value_of(old, i))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "cannot reset '%s' when '%s' is set",
                             rows[i].name, rows[i + 6].name);
        if (most && most < limit)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "value '%s' cannot be smaller than '%s'",
                             rows[i + 6].name, rows[i].name);
    }
    return true;
}

bool vm_iotune_check(const Params *params, Error **err)
{
    ParamSpec specs[G_N_ELEMENTS(rows) + 2] = { { "group_name", PARAM_STRING } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        specs[i + 1] = (ParamSpec){ rows[i].name, PARAM_ULLONG };
    return vm_check_params(params, specs, err) && check_pairs(params, err);
}

DiskIotune *vm_iotune_merge(const DiskIotune *old, const Params *params, Error **err)
{
    DiskIotune *tune = old ? xml_table_copy(&iotune_table, old) : xml_table_new(&iotune_table);
    const Param *group = params_find(params, "group_name");
    bool is_said[IOTUNE_OWN] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].kind != IOTUNE_OWN && params_find(params, rows[i].name))
            is_said[rows[i].kind] = true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Param *param = params_find(params, rows[i].name);
        if (param)
            *field_of(tune, i) = (OptU64){ .value = param->value.ul, .is_set = param->value.ul != 0 };
        else if (rows[i].kind != IOTUNE_OWN && is_said[rows[i].kind])
            *field_of(tune, i) = (OptU64){ 0 };
    }
    if (group) {
        g_free(tune->group_name);
        tune->group_name = *group->value.s ? g_strdup(group->value.s) : NULL;
    }
    if (check_maxima(old, tune, err))
        return tune;
    xml_table_free(&iotune_table, tune);
    return NULL;
}

/* @tune: as vm_iotune_merge() made it; taken. */
static void set_iotune(DiskDef *disk, DiskIotune *tune)
{
    xml_table_free(&iotune_table, disk->iotune);
    disk->iotune = tune;
    if (is_empty(tune) && !tune->group_name) {
        xml_table_free(&iotune_table, tune);
        disk->iotune = NULL;
    }
}

/* All disks of the group of @disk have its limits. */
static void share_limits(DomainDef *def, const DiskDef *disk)
{
    const char *group = disk->iotune ? disk->iotune->group_name : NULL;

    for (DEF_EACH(DiskDef, other, group ? def->disks : NULL)) {
        if (other == disk || !other->iotune || g_strcmp0(other->iotune->group_name, group) != 0)
            continue;
        xml_table_free(&iotune_table, other->iotune);
        other->iotune = xml_table_copy(&iotune_table, disk->iotune);
    }
}

typedef struct IotuneEdit {
    Vm *vm;
    const char *target;
    DomainDef *next; /* owned; after the swap: with the limits that were before */
} IotuneEdit;

static void iotune_edit_clear(IotuneEdit *edit)
{
    g_clear_pointer(&edit->next, domain_def_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IotuneEdit, iotune_edit_clear)

/* Both documents have the same disks. */
static void iotune_swap(DomainDef *live, void *data)
{
    IotuneEdit *edit = data;

    for (DEF_EACH(DiskDef, mine, live->disks)) {
        DiskDef *other = domain_find_disk(edit->next, mine->target);
        DiskIotune *old = mine->iotune;
        if (!other)
            continue;
        mine->iotune = other->iotune;
        other->iotune = old;
    }
}

static void iotune_take_back(void *arg)
{
    const IotuneEdit *edit = arg;
    const DiskDef *disk = edit->vm->live ? domain_find_disk(edit->vm->live, edit->target) : NULL;
    g_autoptr(Error) err = NULL;

    if (disk && vm_monitor(edit->vm) && !tell_qemu(edit->vm, disk, disk->iotune, &err))
        log_warning_error(err, "limits of a disk cannot be taken back");
}

static bool change_document(DomainDef *def, const char *name, const Params *params, bool is_live,
                            DiskDef **ret_disk, Error **err)
{
    DiskDef *disk = domain_find_disk(def, name);

    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         is_live ? "disk '%s' not found in domain"
                                 : "missing persistent configuration for disk '%s'",
                         name);
    DiskIotune *tune = vm_iotune_merge(disk->iotune, params, err);
    if (!tune)
        return false;
    set_iotune(disk, tune);
    share_limits(def, disk);
    *ret_disk = disk;
    return true;
}

static void describe(const Params *params, const char *target, Params *event)
{
    params_add_string(event, target, "blkdeviotune.disk");
    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        if (param->type == PARAM_STRING)
            params_add_string(event, param->value.s, "blkdeviotune.%s", param->name);
        else
            params_add_ullong(event, param->value.ul, "blkdeviotune.%s", param->name);
    }
}

bool vm_set_block_iotune(Vm *vm, const char *name, const Params *params, unsigned flags, const Caller *caller,
                         Error **err)
{
    ParamSpec specs[G_N_ELEMENTS(rows) + 2] = { { "group_name", PARAM_STRING } };
    DiskDef *disk = NULL;
    g_auto(IotuneEdit) change = { .vm = vm };
    g_autoptr(Params) event = params_new();
    g_auto(VmEdit) edit = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        specs[i + 1] = (ParamSpec){ rows[i].name, PARAM_ULLONG };
    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetBlockIoTune",
                     err) ||
        !vm_check_params(params, specs, err) || !vm_edit_begin(vm, flags, caller, &edit, err) ||
        !check_pairs(params, err) ||
        (edit.config && !change_document(edit.config, name, params, false, &disk, err)))
        return false;
    if (edit.live) {
        change.next = domain_def_copy(vm->live);
        if (!change_document(change.next, name, params, true, &disk, err) || !vm_require_monitor(vm, err))
            return false;
        if (storage_is_empty(&disk->src))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "disk '%s' has no medium, whose traffic could be limited", disk->target);
        change.target = disk->target;
        describe(params, disk->target, event);
        undo_push(&edit.undo, iotune_take_back, &change);
        if (!tell_qemu(vm, disk, disk->iotune, err))
            return false;
        vm_edit_set_live(&edit, iotune_swap, &change);
    }
    return vm_edit_commit(&edit, edit.live ? &(Event){ .id = EVENT_TUNABLE, .params = event } : NULL, err);
}
