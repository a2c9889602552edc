/* The run of a machine: made when a QEMU is about to be, and freed with all that was kept for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
#include "machine/vm_backup_private.h"
#include "machine/vm_block_job.h"
#include "machine/vm_console_log.h"
#include "machine/vm_helper.h"
#include "machine/vm_log.h"
#include "machine/vm_private.h"
#include "machine/vm_tune.h"

static void helper_free(void *data)
{
    vm_helper_free(data);
}

VmRun *vm_run_new(Host *host)
{
    VmRun *run = g_new0(VmRun, 1);

    run->serial = host ? host_next_serial(host) : 0;
    run->vcpu_tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    run->ports = g_array_new(FALSE, TRUE, sizeof(unsigned));
    run->dac = dac_list_new();
    run->block_jobs = g_ptr_array_new_with_free_func((GDestroyNotify)vm_block_job_unref);
    run->helpers = g_ptr_array_new_with_free_func(helper_free);
    run->consoles = g_ptr_array_new();
    run->agent_timeout_s = VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK;
    wait_queue_init(&run->changed);
    return run;
}

void vm_run_free(VmRun *run)
{
    if (!run)
        return;
    wait_queue_clear(&run->changed);
    vm_memory_forget(run);
    vm_pending_free(run->pending);
    xml_table_free(&migrate_note_table, run->migration);
    xml_list_free(&io_error_table, run->io_errors);
    xml_list_free(&path_table, run->give_back);
    g_free(run->going);
    g_free(run->ending);
    g_free(run->unplug_alias);
    g_free(run->cgroup);
    g_clear_pointer(&run->vcpu_paths, g_ptr_array_unref);
    g_clear_pointer(&run->kvm_schema, g_hash_table_unref);
    vm_perf_free(run->perf);
    if (run->process) {
        process_on_exit(run->process, NULL, NULL);
        process_free(run->process);
    }
    if (run->agent)
        agent_close(run->agent);
    if (run->qmp)
        qmp_close(run->qmp);
    qemu_caps_unref(run->caps);
    vm_consoles_close(run);
    g_ptr_array_unref(run->consoles);
    vm_console_logs_forget(run);
    g_ptr_array_unref(run->dac);
    g_ptr_array_unref(run->block_jobs);
    g_ptr_array_unref(run->helpers);
    g_array_unref(run->ports);
    g_array_unref(run->vcpu_tids);
    vm_log_free(run->log);
    g_free(run->dump_error);
    save_file_clear(&run->file);
    g_free(run->lib_dir);
    g_free(run->libvirt_flags);
    cpuset_free(run->numad_nodes);
    cpuset_free(run->numad_cpus);
    g_free(run->channel_dir);
    g_free(run->monitor_path);
    g_free(run->new_checkpoint);
    vm_backup_free(run->backup);
    plan_fds_free(run->leases);
    xml_table_free(&cpu_table, run->cpu);
    g_free(run);
}
