/* QEMU's capabilities as the rest of the daemon reads them: look-ups in a struct that is small because it was
 * packed. The probed document of one QEMU takes over a megabyte as JSON objects; packed it is about 100 KiB.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "qemu_caps"
#include "qemu/qemu_caps.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "qemu/qemu_caps_private.h"
#include "qemu/qemu_caps_schema.h"

QemuCaps *qemu_caps_ref(QemuCaps *caps)
{
    caps->refs++;
    return caps;
}

void qemu_caps_unref(QemuCaps *caps)
{
    if (!caps || --caps->refs > 0)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(caps->cpus); i++) {
        g_free(caps->cpus[i].models);
        json_decref(caps->cpus[i].host);
    }
    json_decref(caps->firmware);
    g_free(caps->key);
    g_free(caps->facts);
    g_free(caps->machines);
    g_free(caps->blockers);
    if (caps->strings)
        g_string_chunk_free(caps->strings);
    g_free(caps);
}

/* ---- facts ---- */

static uint64_t fact_hash_more(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}

static int fact_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool qemu_caps_has_fact(const QemuCaps *caps, const char *kind, const char *name, const char *detail)
{
    uint64_t hash = fact_hash_more(UINT64_C(0xcbf29ce484222325), kind);
    hash = fact_hash_more(fact_hash_more(hash, ":"), name);
    if (detail)
        hash = fact_hash_more(fact_hash_more(hash, "."), detail);
    return caps->n_facts > 0 && bsearch(&hash, caps->facts, caps->n_facts, sizeof(hash), fact_compare);
}

static void caps_pack_facts(QemuCaps *caps, const Json *facts)
{
    caps->facts = g_new(uint64_t, json_array_size(facts));
    size_t i;
    Json *fact;
    json_array_foreach (facts, i, fact) {
        if (json_is_string(fact))
            caps->facts[caps->n_facts++] =
                fact_hash_more(UINT64_C(0xcbf29ce484222325), json_string_value(fact));
    }
    if (caps->n_facts > 0)
        qsort(caps->facts, caps->n_facts, sizeof(*caps->facts), fact_compare);
}

/* ---- packing ---- */

/* A string that lives as long as @caps; equal ones are kept once. */
static const char *caps_string(QemuCaps *caps, const char *text)
{
    return text ? g_string_chunk_insert_const(caps->strings, text) : NULL;
}

static bool caps_pack_machines(QemuCaps *caps, const Json *machines, Error **err)
{
    caps->machines = g_new0(QemuMachine, json_array_size(machines) + 1);
    size_t i;
    Json *entry;
    json_array_foreach (machines, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (!name)
            return error_set(err, ERROR_INVALID_ARGUMENT, "a machine type without name");
        caps->machines[caps->n_machines++] = (QemuMachine){
            .name = caps_string(caps, name),
            .alias = caps_string(caps, json_get_str(entry, "alias")),
            .is_default = json_get_bool(entry, "default", false),
            .max_cpus = (unsigned)MIN(json_get_uint(entry, "cpus", 1), 1u << 16),
            .hotplug_cpus = json_get_bool(entry, "hotplug", false),
            .numa_mem_supported = json_get_bool(entry, "numa", false),
            .deprecated = json_get_bool(entry, "deprecated", false),
            .default_cpu_type = caps_string(caps, json_get_str(entry, "cpu")),
            .default_ram_id = caps_string(caps, json_get_str(entry, "ram")),
        };
    }
    return true;
}

static size_t caps_count_blockers(const Json *models)
{
    size_t count = 0, i;
    Json *entry;
    json_array_foreach (models, i, entry)
        count += json_array_size(json_get_arr(entry, "blockers")) + 1;
    return count;
}

/* Appends the blockers of one model to the common store, with the NULL behind them. */
static const char *const *caps_pack_blockers(QemuCaps *caps, const Json *blockers, size_t *used)
{
    const char **first = caps->blockers + *used;
    size_t i;
    Json *entry;
    json_array_foreach (blockers, i, entry) {
        if (json_is_string(entry))
            caps->blockers[(*used)++] = caps_string(caps, json_string_value(entry));
    }
    caps->blockers[(*used)++] = NULL;
    return first;
}

static bool caps_pack_cpus(QemuCaps *caps, QemuCpuSet *set, const Json *cpus, size_t *used, Error **err)
{
    const Json *models = json_get_arr(cpus, "models");
    set->models = g_new0(QemuCpuModel, json_array_size(models) + 1);
    size_t i;
    Json *entry;
    json_array_foreach (models, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (!name)
            return error_set(err, ERROR_INVALID_ARGUMENT, "a CPU model without name");
        const Json *blockers = json_get_arr(entry, "blockers");
        set->models[set->n_models++] = (QemuCpuModel){
            .name = caps_string(caps, name),
            .typename = caps_string(caps, json_get_str(entry, "type")),
            .usable = blockers && json_array_size(blockers) == 0,
            .blockers = caps_pack_blockers(caps, blockers, used),
            .deprecated = json_get_bool(entry, "deprecated", false),
            .is_static = json_get_bool(entry, "static", false),
        };
    }
    Json *host = json_get_obj(cpus, "host");
    set->host = host ? json_incref(host) : NULL;
    return true;
}

static bool caps_pack(QemuCaps *caps, const Json *document, Error **err)
{
    if (json_get_int(document, "format", 0) != QEMU_CAPS_FORMAT)
        return error_set(err, ERROR_INVALID_ARGUMENT, "another format");
    const char *key = json_get_str(document, "key"), *binary = json_get_str(document, "binary"),
               *arch = json_get_str(document, "arch");
    if (!key || !binary || !arch)
        return error_set(err, ERROR_INVALID_ARGUMENT, "key, binary or arch is missing");
    caps->key = g_strdup(key);
    caps->binary = caps_string(caps, binary);
    caps->arch = caps_string(caps, arch);
    const char *package = json_get_str(document, "package");
    caps->package = caps_string(caps, package ? package : "");
    caps->version = json_get_uint(document, "version", 0);
    caps->kvm = json_get_bool(document, "kvm", false);
    caps_pack_facts(caps, json_get_arr(document, "facts"));
    if (!caps_pack_machines(caps, json_get_arr(document, "machines"), err))
        return false;

    const Json *cpus = json_get_obj(document, "cpus");
    const Json *tcg = json_get_obj(cpus, "tcg"), *kvm = json_get_obj(cpus, "kvm");
    caps->blockers = g_new0(const char *, caps_count_blockers(json_get_arr(tcg, "models")) +
                                              caps_count_blockers(json_get_arr(kvm, "models")));
    size_t used = 0;
    if (!caps_pack_cpus(caps, &caps->cpus[0], tcg, &used, err) ||
        !caps_pack_cpus(caps, &caps->cpus[1], kvm, &used, err))
        return false;
    Json *firmware = json_get_arr(document, "firmware");
    caps->firmware = firmware ? json_incref(firmware) : json_array();
    return true;
}

bool qemu_caps_from_document(const Json *document, QemuCaps **ret_caps, Error **err)
{
    g_autoptr(QemuCaps) caps = g_new0(QemuCaps, 1);
    caps->refs = 1;
    caps->strings = g_string_chunk_new(4096);
    if (!caps_pack(caps, document, err))
        return error_prefix(err, "capabilities");
    *ret_caps = g_steal_pointer(&caps);
    return true;
}

/* ---- look-ups ---- */

const char *qemu_caps_binary(const QemuCaps *caps)
{
    return caps->binary;
}

const char *qemu_caps_arch(const QemuCaps *caps)
{
    return caps->arch;
}

uint64_t qemu_caps_version(const QemuCaps *caps)
{
    return caps->version;
}

const char *qemu_caps_package(const QemuCaps *caps)
{
    return caps->package;
}

const Json *qemu_caps_firmware(const QemuCaps *caps)
{
    return caps->firmware;
}

bool qemu_caps_has_kvm(const QemuCaps *caps)
{
    return caps->kvm;
}

bool qemu_caps_has_device(const QemuCaps *caps, const char *driver)
{
    return qemu_caps_has_fact(caps, "device", driver, NULL);
}

bool qemu_caps_has_device_property(const QemuCaps *caps, const char *driver, const char *property)
{
    if (qemu_caps_has_device(caps, driver) && !qemu_caps_has_fact(caps, "probed", driver, NULL))
        log_error("bug: properties of '%s' are asked for but never probed (qemu_caps_probe.c)", driver);
    return qemu_caps_has_fact(caps, "prop", driver, property);
}

bool qemu_caps_has_command(const QemuCaps *caps, const char *qmp_command)
{
    return qemu_caps_has_fact(caps, "command", qmp_command, NULL);
}

bool qemu_caps_has_schema(const QemuCaps *caps, const char *query)
{
    if (!qemu_schema_is_query(query))
        log_error("bug: schema question '%s' is not in the table (qemu_caps_schema.c)", query);
    return qemu_caps_has_fact(caps, "schema", query, NULL);
}

bool qemu_caps_has_option(const QemuCaps *caps, const char *option, const char *parameter)
{
    return qemu_caps_has_fact(caps, "option", option, parameter);
}

const QemuMachine *qemu_caps_machine(const QemuCaps *caps, const char *name)
{
    for (size_t i = 0; i < caps->n_machines; i++) {
        const QemuMachine *machine = &caps->machines[i];
        if (name ? strcmp(machine->name, name) == 0 || g_strcmp0(machine->alias, name) == 0
                 : machine->is_default)
            return machine;
    }
    return !name && caps->n_machines > 0 ? &caps->machines[0] : NULL;
}

const QemuCpuModel *qemu_caps_cpu_models(const QemuCaps *caps, bool kvm, size_t *ret_count)
{
    *ret_count = caps->cpus[kvm].n_models;
    return caps->cpus[kvm].models;
}

const Json *qemu_caps_host_cpu(const QemuCaps *caps, bool kvm)
{
    return caps->cpus[kvm].host;
}
