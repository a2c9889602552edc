/* Memory that is plugged in: DIMMs, NVDIMMs, virtio-mem, virtio-pmem. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_check.h"
#include "qemu/command_private.h"

static const char *alias_prefix(MemoryModel model)
{
    return model == MEMORY_NVDIMM        ? "nvdimm"
           : model == MEMORY_VIRTIO_MEM  ? "virtiomem"
           : model == MEMORY_VIRTIO_PMEM ? "virtiopmem"
                                         : "dimm";
}

static bool has_slot(const MemoryDeviceDef *memory)
{
    return memory->model == MEMORY_DIMM || memory->model == MEMORY_NVDIMM;
}

static bool is_alias_taken(const DomainDef *def, const char *alias)
{
    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices)) {
        if (g_strcmp0(memory->info.alias, alias) == 0)
            return true;
    }
    return false;
}

/* Modules are called after their slots. */
char *alias_memory(const DomainDef *def, const void *device)
{
    const MemoryDeviceDef *memory = device;
    const char *prefix = alias_prefix(memory->model);

    if (has_slot(memory) && memory->info.address.type == ADDRESS_DIMM)
        return g_strdup_printf("%s%u", prefix, memory->info.address.dimm.slot);
    for (unsigned number = 0;; number++) {
        g_autofree char *alias = g_strdup_printf("%s%u", prefix, number);
        if (!is_alias_taken(def, alias))
            return g_steal_pointer(&alias);
    }
}

static bool plan_backend(const PlanContext *c, const MemoryDeviceDef *memory, const char *id, Plan *plan,
                         Error **err)
{
    const uint64_t unit = MAX(memory->block_bytes, 1); /* of virtio-mem, which takes whole ones */
    const Ram ram = { .id = id,
                      .alias = memory->info.alias,
                      .bytes = (memory->size_bytes + unit - 1) / unit * unit,
                      .cell = memory->node.value,
                      .access = memory->access,
                      .discard = memory->discard,
                      .path = memory->source_path,
                      .page_bytes = memory->source_page_bytes,
                      .align_bytes = memory->source_align_bytes,
                      .host_nodes = memory->source_nodes,
                      .is_pmem = memory->source_pmem,
                      .is_readonly = memory->readonly,
                      .is_sparse = memory->model == MEMORY_VIRTIO_MEM,
                      .is_own_file = memory->model == MEMORY_VIRTIO_PMEM };
    Json *object = NULL;

    if (!memory_backend(c, &ram, &object, err))
        return false;
    plan_add(plan, PLAN_OBJECT, object);
    return true;
}

bool plan_memory(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    static const char *const drivers[MEMORY_MODEL_COUNT] = { [MEMORY_DIMM] = "pc-dimm",
                                                             [MEMORY_NVDIMM] = "nvdimm",
                                                             [MEMORY_VIRTIO_MEM] = "virtio-mem-pci",
                                                             [MEMORY_VIRTIO_PMEM] = "virtio-pmem-pci" };
    const MemoryDeviceDef *memory = def;
    const char *driver = drivers[memory->model];
    g_autofree char *id = g_strdup_printf("mem%s", memory->info.alias);

    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "sgx epc isn't supported by this QEMU binary");
    if (!plan_backend(c, memory, id, plan, err))
        return false;
    Json *device = device_new(driver);
    prop_opt(device, "node", memory->node);
    if (memory->model == MEMORY_NVDIMM) {
        prop_some(device, "label-size", memory->label_bytes);
        if (memory->readonly)
            prop_bool(device, "unarmed", true);
    }
    if (memory->model == MEMORY_VIRTIO_MEM) {
        prop_some(device, "block-size", memory->block_bytes);
        prop_some(device, "requested-size", memory->requested_bytes);
    }
    prop_str(device, "memdev", id);
    if (memory->info.address.type == ADDRESS_DIMM) {
        prop_uint(device, "slot", memory->info.address.dimm.slot);
        prop_some(device, "addr", memory->info.address.dimm.base);
    }
    return add_device(c, plan, device, &memory->info, err);
}
