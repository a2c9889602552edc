/* Where numad advises to put a machine: `<vcpu placement='auto'>`, `<memory placement='auto'>`.
 *
 * It is asked once, when the machine starts; the status file keeps the answer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/process.h"
#include "host/node.h"
#include "machine/vm_private.h"
#include "machine/vm_tune.h"

#define NUMAD_DEADLINE_MS 30000 /* without its daemon it looks at all processes twice, seconds apart */
#define OUTPUT_MAX 65536

AWAITS static bool numad_run(const DomainDef *def, CpuSet **ret_nodes, Error **err)
{
    g_autofree char *program = g_find_program_in_path("numad");
    g_autofree char *wanted =
        g_strdup_printf("%u:%" PRIu64, def->vcpus, (def->current_memory_bytes + (1 << 20) - 1) >> 20);
    const char *const argv[] = { program, "-w", wanted, NULL };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_auto(ProcessOutput) output = { 0 };

    if (!program) {
        error_set(err, ERROR_OPERATION_FAILED,
                  "Failed to query numad for the advisory nodeset: it is not on this host");
        return error_hint(err,
                          "install the package numad, or use placement='static' with a cpuset or nodeset");
    }
    spec.argv = argv;
    spec.die_with_parent = true;
    if (!process_run(&spec, NULL, 0, OUTPUT_MAX, NUMAD_DEADLINE_MS, &output, err))
        return error_prefix(err, "Failed to query numad for the advisory nodeset");
    g_strchomp(output.out);
    g_strchomp(output.err);
    if (WIFEXITED(output.status) && WEXITSTATUS(output.status) == 0 &&
        cpuset_parse(output.out, ret_nodes, NULL))
        return true;
    return error_set(err, ERROR_OPERATION_FAILED,
                     "Failed to query numad for the advisory nodeset: '%s' said %s", program,
                     *output.err   ? output.err
                     : *output.out ? output.out
                                   : "nothing");
}

/* @nodes that have memory or CPUs here. Owned. */
static CpuSet *cpus_of(const CpuSet *nodes)
{
    const GPtrArray *cells = node_cells();
    CpuSet *cpus = cpuset_new();

    for (DEF_EACH(NodeCell, cell, cells)) {
        for (guint i = 0; cpuset_has(nodes, cell->id) && i < cell->cpus->len; i++)
            cpuset_add(cpus, g_array_index(cell->cpus, unsigned, i));
    }
    return cpus;
}

bool vm_numad_ask(Vm *vm, Error **err)
{
    const DomainDef *def = vm->live;
    CpuSet *nodes = NULL;

    if (def->vcpu_placement != CPU_PLACEMENT_AUTO &&
        (!def->numatune || def->numatune->placement != CPU_PLACEMENT_AUTO))
        return true;
    if (!numad_run(def, &nodes, err))
        return false;
    g_autoptr(CpuSet) cpus = cpus_of(nodes);
    if (cpuset_count(cpus) == 0) {
        cpuset_free(nodes);
        return error_set(err, ERROR_OPERATION_FAILED, "numad advises NUMA nodes without CPUs of this host");
    }
    vm->run->numad_nodes = nodes;
    vm->run->numad_cpus = g_steal_pointer(&cpus);
    return true;
}

const CpuSet *vm_numa_nodes(const DomainDef *def, const VmRun *run)
{
    const NumaTune *tune = def->numatune;

    return !tune                                   ? NULL
           : tune->placement != CPU_PLACEMENT_AUTO ? tune->nodeset
           : run                                   ? run->numad_nodes
                                                   : NULL;
}
