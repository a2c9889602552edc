/* Counters of KVM. Their names are the kernel's, so they differ from host to host; what kind of number each
 * is, QEMU says in a schema, which is kept for as long as the machine runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_kvm_stats.h"

#include <string.h>

#define KVM_STATS_MAX 512 /* a hostile QEMU may tell any number */
#define KVM_NAME_MAX 48

void kvm_stats_clear(KvmStats *stats)
{
    json_decref(stats->vm);
    json_decref(stats->vcpus);
    *stats = (KvmStats){ 0 };
}

static const char *kind_of(const char *type)
{
    return g_strcmp0(type, "cumulative") == 0 ? "sum"
           : g_strcmp0(type, "instant") == 0  ? "cur"
           : g_strcmp0(type, "peak") == 0     ? "max"
                                              : NULL; /* histograms */
}

static bool is_name(const char *name)
{
    return name && *name && strlen(name) <= KVM_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name);
}

/* "vm:NAME" and "vcpu:NAME" -> kind, a constant. */
AWAITS static bool ask_schema(Vm *vm, uint64_t timeout_ms)
{
    AUTO_JSON reply = NULL;
    size_t i, j;
    Json *schema, *entry;

    if (vm->run->kvm_schema)
        return true;
    if (!qmp_exec(vm_monitor(vm), "query-stats-schemas", NULL, timeout_ms, &reply, NULL))
        return false;
    GHashTable *kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_array_foreach (reply, i, schema) {
        const char *target = json_get_str(schema, "target");
        json_array_foreach (json_get_arr(schema, "stats"), j, entry) {
            const char *name = json_get_str(entry, "name");
            const char *kind = kind_of(json_get_str(entry, "type"));
            if (target && kind && is_name(name) && g_hash_table_size(kinds) < KVM_STATS_MAX)
                g_hash_table_insert(kinds, g_strdup_printf("%s:%s", target, name), (void *)kind);
        }
    }
    g_clear_pointer(&vm->run->kvm_schema, g_hash_table_unref); /* somebody else may have been quicker */
    vm->run->kvm_schema = kinds;
    return true;
}

void kvm_stats_ask(Vm *vm, bool of_vm, bool of_vcpus, uint64_t timeout_ms, KvmStats *ret_stats)
{
    QmpCommand commands[2] = { 0 };
    size_t n = 0;

    if (!ask_schema(vm, timeout_ms))
        return;
    if (of_vm)
        commands[n++] = (QmpCommand){ .name = "query-stats",
                                      .args = json_pack("{s:s}", "target", "vm"),
                                      .may_be_refused = true };
    if (of_vcpus)
        commands[n++] = (QmpCommand){ .name = "query-stats",
                                      .args = json_pack("{s:s}", "target", "vcpu"),
                                      .may_be_refused = true };
    if (qmp_exec_all(vm_monitor(vm), commands, n, timeout_ms, NULL)) {
        if (of_vm)
            ret_stats->vm = json_incref(commands[0].reply);
        if (of_vcpus)
            ret_stats->vcpus = json_incref(commands[n - 1].reply);
    }
    qmp_commands_clear(commands, n);
}

static void write_results(const Json *results, const VmRun *run, const char *target, const char *path,
                          const char *prefix, Params *params)
{
    size_t i, j;
    Json *result, *entry;
    unsigned count = 0;

    json_array_foreach (results, i, result) {
        if (path && g_strcmp0(json_get_str(result, "qom-path"), path) != 0)
            continue;
        json_array_foreach (json_get_arr(result, "stats"), j, entry) {
            const char *name = json_get_str(entry, "name");
            const Json *value = json_object_get(entry, "value");
            if (!is_name(name) || ++count > KVM_STATS_MAX)
                continue;
            g_autofree char *key = g_strdup_printf("%s:%s", target, name);
            const char *kind = g_hash_table_lookup(run->kvm_schema, key);
            if (kind && json_is_integer(value))
                params_add_ullong(params, (uint64_t)json_integer_value(value), "%s.%s.%s", prefix, name,
                                  kind);
            else if (kind && json_is_boolean(value))
                params_add_bool(params, json_is_true(value), "%s.%s.%s", prefix, name, kind);
        }
    }
}

void kvm_stats_write_vcpu(const KvmStats *stats, const VmRun *run, unsigned vcpu, Params *params)
{
    g_autofree char *prefix = g_strdup_printf("vcpu.%u", vcpu);
    const char *path = run->vcpu_paths && vcpu < run->vcpu_paths->len ? run->vcpu_paths->pdata[vcpu] : NULL;

    if (path && run->kvm_schema)
        write_results(stats->vcpus, run, "vcpu", path, prefix, params);
}

void kvm_stats_write_vm(const KvmStats *stats, const VmRun *run, Params *params)
{
    if (run->kvm_schema)
        write_results(stats->vm, run, "vm", NULL, "vm", params);
}

uint64_t kvm_stats_sum(const KvmStats *stats, const char *name)
{
    uint64_t sum = 0;
    size_t i, j;
    Json *result, *entry;

    json_array_foreach (stats->vcpus, i, result) {
        json_array_foreach (json_get_arr(result, "stats"), j, entry) {
            if (g_strcmp0(json_get_str(entry, "name"), name) == 0)
                sum += json_get_uint(entry, "value", 0);
        }
    }
    return sum;
}
