/* The status file of a running machine: what a restarted daemon needs to find its QEMU again.
 *
 * It is a hint, verified against the kernel and QEMU before it is trusted. The shape is libvirt's <domstatus>
 * document; what only we need lies in a name space of our own. It is replaced by rename without fsync: it
 * must survive the death of the daemon, not of the host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "status"
#include <inttypes.h>
#include <libxml/tree.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "base/worker.h"
#include "conf/xml_table.h"
#include "machine/vm_private.h"

#define STATUS_NAMESPACE "urn:lodge:status:1"

/* Names of states and reasons as libvirt's status files spell them. */
static const char *const state_names[VM_STATE_COUNT] = {
    "nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended",
};
static const char *const running_reasons[] = {
    "unknown",       "booted", "migrated", "restored",  "from snapshot",   "unpaused", "migration canceled",
    "save canceled", "wakeup", "crashed",  "post-copy", "post-copy failed"
};
static const char *const paused_reasons[] = {
    "unknown",       "user",     "migration", "save",     "dump",        "ioerror",   "watchdog",
    "from snapshot", "shutdown", "snapshot",  "panicked", "starting up", "post-copy", "post-copy failed",
    "api error"
};
static const char *const shutdown_reasons[] = { "unknown", "user" };
static const char *const other_reasons[] = { "unknown", "panicked" };

static const char *const *reason_table(VmState state, size_t *ret_count)
{
    switch (state) {
    case VM_STATE_RUNNING:
        *ret_count = G_N_ELEMENTS(running_reasons);
        return running_reasons;
    case VM_STATE_PAUSED:
        *ret_count = G_N_ELEMENTS(paused_reasons);
        return paused_reasons;
    case VM_STATE_SHUTDOWN:
        *ret_count = G_N_ELEMENTS(shutdown_reasons);
        return shutdown_reasons;
    default:
        *ret_count = G_N_ELEMENTS(other_reasons);
        return other_reasons;
    }
}

static const char *reason_name(VmState state, int reason)
{
    size_t count = 0;
    const char *const *names = reason_table(state, &count);

    return reason >= 0 && (size_t)reason < count ? names[reason] : "unknown";
}

static int name_index(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; name && i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return (int)i;
    }
    return 0;
}

char *vm_status_path(const Host *host, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".xml", NULL);

    return path_join(host->paths->run_qemu, file);
}

char *vm_pid_path(const Host *host, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".pid", NULL);

    return path_join(host->paths->run_qemu, file);
}

/* ---- writing ---- */

static void append_attr(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, " %s='", name);
    xml_escape(value, out);
    g_string_append_c(out, '\'');
}

static void append_file(GString *out, const SaveFile *file)
{
    if (!file->path)
        return;
    g_string_append(out, "    <lodge:file");
    append_attr(out, "path", file->path);
    append_attr(out, "temporary", file->temp);
    g_string_append_printf(out, " device='%" PRIu64 "' inode='%" PRIu64 "'/>\n", file->dev, file->ino);
}

static void append_run(GString *out, const Vm *vm)
{
    const VmRun *run = vm->run;
    const uint64_t start_time = run->process ? process_start_time(run->process) : 0;

    g_string_append_printf(out, "  <lodge:run version='1' startTime='%" PRIu64 "' taints='%u'", start_time,
                           vm->taints);
    if (run->is_starting && !run->has_gone_on)
        g_string_append(out, " starting='yes'");
    if (run->autodestroy_client)
        g_string_append_printf(out, " autodestroy='%" PRIu64 "'", run->autodestroy_client);
    if (run->must_run)
        g_string_append(out, " mustRun='yes'");
    if (run->is_saving)
        g_string_append(out, " saving='yes'");
    g_string_append(out, ">\n");
    append_file(out, &run->file);
    for (guint i = 0; i < run->ports->len; i++)
        g_string_append_printf(out, "    <lodge:port number='%u'/>\n",
                               g_array_index(run->ports, unsigned, i));
    for (guint i = 0; i < run->dac->len; i++) {
        const DacItem *item = g_ptr_array_index(run->dac, i);
        g_string_append(out, "    <lodge:lent");
        append_attr(out, "path", item->path);
        g_string_append_printf(out,
                               " uid='%u' gid='%u' lentTo='%u' dev='%" PRIu64 "' ino='%" PRIu64 "'%s/>\n",
                               (unsigned)item->uid, (unsigned)item->gid, (unsigned)item->lent_to,
                               item->id.dev, item->id.ino, item->shared ? " shared='yes'" : "");
    }
    g_string_append(out, "  </lodge:run>\n");
}

static void append_device_aliases(GString *out, const DomainDef *live)
{
    const GPtrArray *const lists[] = { live->disks };

    g_string_append(out, "  <devices>\n");
    for (guint i = 0; i < def_list_len(lists[0]); i++) {
        const DiskDef *disk = g_ptr_array_index(lists[0], i);
        g_string_append(out, "    <device");
        append_attr(out, "alias", disk->info.alias);
        g_string_append(out, "/>\n");
    }
    g_string_append(out, "  </devices>\n");
}

char *vm_status_format(const Vm *vm)
{
    const VmRun *run = vm->run;
    GString *out = g_string_sized_new(8192);

    g_string_append(out, "<!--\n"
                         "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
                         "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n"
                         "  virsh edit NAME\n"
                         "or other application using the libvirt API.\n-->\n\n");
    g_string_append_printf(out, "<domstatus xmlns:lodge='%s' state='%s' reason='%s' pid='%d'>\n",
                           STATUS_NAMESPACE, state_names[vm->state], reason_name(vm->state, vm->reason),
                           (int)run->pid);
    g_string_append(out, "  <monitor");
    append_attr(out, "path", run->monitor_path);
    g_string_append(out, " type='unix'/>\n  <vcpus>\n");
    for (guint i = 0; i < run->vcpu_tids->len; i++)
        g_string_append_printf(out, "    <vcpu id='%u' pid='%d'/>\n", i,
                               (int)g_array_index(run->vcpu_tids, pid_t, i));
    g_string_append(out, "  </vcpus>\n");
    append_device_aliases(out, vm->live);
    g_string_append(out, "  <libDir");
    append_attr(out, "path", run->lib_dir);
    g_string_append(out, "/>\n  <channelTargetDir");
    append_attr(out, "path", run->channel_dir);
    g_string_append(out, "/>\n");
    if (run->fake_reboot)
        g_string_append(out, "  <fakereboot/>\n");
    g_string_append_printf(out, "  <nodename index='%u'/>\n", run->last_node);
    append_run(out, vm);
    domain_def_format_indented(vm->live, DOMAIN_FORMAT_SECURE, 2, out);
    g_string_append(out, "</domstatus>\n");
    return g_string_free(out, FALSE);
}

/* One writer at a time: they share the name of the temporary file. */
static bool vm_status_lock(Vm *vm, Error **err)
{
    while (vm->status_busy) {
        /* No deadline of its own: the writer that holds it has one. */
        if (!wait_queue_wait(&vm->status_idle, FILE_DEADLINE_MS + 1000, err))
            return false;
    }
    vm->status_busy = true;
    return true;
}

static void vm_status_unlock(Vm *vm)
{
    vm->status_busy = false;
    wait_queue_wake_one(&vm->status_idle);
}

static bool vm_status_write(Vm *vm, Error **err)
{
    g_autofree char *path = vm_status_path(vm->host, vm->name);
    g_autofree char *pid_path = vm_pid_path(vm->host, vm->name);
    g_autofree char *text = vm_status_format(vm);
    char pid[24];

    g_snprintf(pid, sizeof(pid), "%d", (int)vm->run->pid);
    const bool new_pid = vm->run->pid > 0 && !vm->run->pid_written;
    const bool must_run = vm->run->must_run;
    if (!file_replace_volatile(path, text, strlen(text), 0600, err))
        return false;
    if (vm->run)
        vm->run->must_run_saved = must_run;
    if (new_pid && vm->run) {
        if (!file_replace_volatile(pid_path, pid, strlen(pid), 0644, err))
            return false;
        if (vm->run)
            vm->run->pid_written = true;
    }
    return true;
}

bool vm_status_save(Vm *vm, Error **err)
{
    if (!vm_status_lock(vm, err))
        return false;
    /* It may have stopped while we waited. */
    const bool ok = !vm->run || !vm->live || vm_status_write(vm, err);
    vm_status_unlock(vm);
    return ok;
}

static void vm_status_task(Vm *vm)
{
    g_autoptr(Error) err = NULL;

    if (vm->run && !vm->run->stopping && !vm_status_save(vm, &err))
        log_error_error(err, "cannot save the status of a machine");
}

void vm_status_save_later(Vm *vm)
{
    if (vm->run && !vm->run->stopping)
        vm_spawn_task(vm, VM_TASK_STATUS, "status", vm_status_task);
}

static void unlink_run(void *data)
{
    for (char **path = data; *path; path++)
        (void)unlink(*path); /* missing is fine; a stale one is recognised when it is read */
}

static void unlink_free(void *data)
{
    g_strfreev(data);
}

void vm_status_remove(Vm *vm)
{
    g_autoptr(Error) err = NULL;

    if (!vm_status_lock(vm, &err)) {
        log_error_error(err, "cannot remove a status file");
        return;
    }
    char **paths = g_new0(char *, 4);
    paths[0] = vm_pid_path(vm->host, vm->name);
    paths[1] = vm_status_path(vm->host, vm->name);
    paths[2] = vm_log_pipe_path(vm->host, vm->name);
    if (worker_run(worker_lane_state(), unlink_run, paths, unlink_free, FILE_DEADLINE_MS, &err))
        unlink_free(paths);
    else
        log_error_error(err, "cannot remove a status file");
    vm_status_unlock(vm);
}

/* ---- reading ---- */

void vm_status_free(VmStatus *status)
{
    if (!status)
        return;
    domain_def_free(status->def);
    g_free(status->monitor_path);
    g_free(status->lib_dir);
    g_free(status->channel_dir);
    save_file_clear(&status->file);
    g_clear_pointer(&status->dac, g_ptr_array_unref);
    g_clear_pointer(&status->ports, g_array_unref);
    g_clear_pointer(&status->vcpu_tids, g_array_unref);
    g_free(status);
}

static uint64_t attr_uint(const xmlNode *node, const char *name)
{
    const char *text = xml_attr(node, name);
    uint64_t value = 0;

    if (text && !parse_uint(text, &value, NULL))
        return 0;
    return value;
}

static bool attr_is_yes(const xmlNode *node, const char *name)
{
    const char *text = xml_attr(node, name);

    return text && strcmp(text, "yes") == 0;
}

static void read_run(const xmlNode *element, VmStatus *status)
{
    status->start_time = attr_uint(element, "startTime");
    status->taints = (unsigned)attr_uint(element, "taints");
    status->is_starting = attr_is_yes(element, "starting");
    status->autodestroy_client = attr_uint(element, "autodestroy");
    status->must_run = attr_is_yes(element, "mustRun");
    status->is_saving = attr_is_yes(element, "saving");
    for (const xmlNode *node = element->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (xmlStrEqual(node->name, (const xmlChar *)"port")) {
            const unsigned port = (unsigned)attr_uint(node, "number");
            g_array_append_val(status->ports, port);
        } else if (xmlStrEqual(node->name, (const xmlChar *)"file") && xml_attr(node, "path")) {
            const SaveFile file = { .path = (char *)xml_attr(node, "path"),
                                    .temp = (char *)xml_attr(node, "temporary"),
                                    .dev = attr_uint(node, "device"),
                                    .ino = attr_uint(node, "inode") };
            save_file_copy(&status->file, &file);
        } else if (xmlStrEqual(node->name, (const xmlChar *)"lent") && xml_attr(node, "path")) {
            DacItem *item = g_new0(DacItem, 1);
            *item = (DacItem){ .path = g_strdup(xml_attr(node, "path")),
                               .uid = (uid_t)attr_uint(node, "uid"),
                               .gid = (gid_t)attr_uint(node, "gid"),
                               .lent_to = (uid_t)attr_uint(node, "lentTo"),
                               .id = { .dev = attr_uint(node, "dev"), .ino = attr_uint(node, "ino") },
                               .shared = attr_is_yes(node, "shared") };
            g_ptr_array_add(status->dac, item);
        }
    }
}

static void read_vcpus(const xmlNode *element, VmStatus *status)
{
    for (const xmlNode *node = element->children; node; node = node->next) {
        const uint64_t index = attr_uint(node, "id");
        if (node->type != XML_ELEMENT_NODE || index >= 4096)
            continue;
        if (index >= status->vcpu_tids->len)
            g_array_set_size(status->vcpu_tids, (guint)index + 1);
        g_array_index(status->vcpu_tids, pid_t, index) = (pid_t)attr_uint(node, "pid");
    }
}

static bool read_domain(const xmlNode *element, const char *source, VmStatus *status, Error **err)
{
    /* What the running machine has is not completed but taken. */
    return domain_def_parse_node(element, source, DOMAIN_PARSE_SKIP_DEFAULTS, NULL, &status->def, err);
}

static bool read_child(const xmlNode *node, const char *source, VmStatus *status, Error **err)
{
    const char *name = (const char *)node->name;

    if (strcmp(name, "monitor") == 0)
        status->monitor_path = g_strdup(xml_attr(node, "path"));
    else if (strcmp(name, "libDir") == 0)
        status->lib_dir = g_strdup(xml_attr(node, "path"));
    else if (strcmp(name, "channelTargetDir") == 0)
        status->channel_dir = g_strdup(xml_attr(node, "path"));
    else if (strcmp(name, "fakereboot") == 0)
        status->fake_reboot = true;
    else if (strcmp(name, "nodename") == 0)
        status->last_node = (uint32_t)attr_uint(node, "index");
    else if (strcmp(name, "vcpus") == 0)
        read_vcpus(node, status);
    else if (strcmp(name, "run") == 0 && node->ns &&
             xmlStrEqual(node->ns->href, (const xmlChar *)STATUS_NAMESPACE))
        read_run(node, status);
    else if (strcmp(name, "domain") == 0 && !status->def)
        return read_domain(node, source, status, err);
    return true;
}

bool vm_status_parse(const char *text, size_t len, const char *name, VmStatus **ret_status, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;

    if (!xml_document_read(text, len, name, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (!xmlStrEqual(root->name, (const xmlChar *)"domstatus"))
        return error_set(err, ERROR_XML_INVALID, "%s: root element is not <domstatus>", name);

    g_autoptr(VmStatus) status = g_new0(VmStatus, 1);
    status->dac = dac_list_new();
    status->ports = g_array_new(FALSE, TRUE, sizeof(unsigned));
    status->vcpu_tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    status->state = (VmState)name_index(state_names, VM_STATE_COUNT, xml_attr(root, "state"));
    size_t count = 0;
    const char *const *reasons = reason_table(status->state, &count);
    status->reason = name_index(reasons, count, xml_attr(root, "reason"));
    status->pid = (pid_t)attr_uint(root, "pid");
    for (const xmlNode *node = root->children; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && !read_child(node, name, status, err))
            return false;
    }
    if (!status->def || !status->monitor_path)
        return error_set(err, ERROR_XML_INVALID, "%s: <monitor> or <domain> is missing", name);
    if (status->def->id <= 0)
        return error_set(err, ERROR_XML_INVALID, "%s: the domain has no id", name);
    *ret_status = g_steal_pointer(&status);
    return true;
}
