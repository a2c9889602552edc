/* The status file of a running machine: what a restarted daemon needs to find its QEMU again.
 *
 * It is a hint, verified against the kernel and QEMU before it is trusted. The shape is libvirt's <domstatus>
 * document; what only we need lies in a name space of our own. It is replaced by rename without fsync: it
 * must survive the death of the daemon, not of the host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "status"
#include <libxml/tree.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "base/worker.h"
#include "conf/xml_table.h"
#include "machine/vm_backup_private.h"
#include "machine/vm_block_job.h"
#include "machine/vm_log.h"

#define STATUS_NAMESPACE "urn:lodge:status:1"
#define VCPU_LIMIT 4096

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

/* ---- the document ---- */

/* What the reader need not know, or finds elsewhere. */
static bool read_nothing(const char *text, void *base, Error **err)
{
    return true;
}
#define CONSTANT(name, text)                                                                                 \
    static bool write_##name(const void *base, unsigned flags, GString *out)                                 \
    {                                                                                                        \
        g_string_append(out, text);                                                                          \
        return true;                                                                                         \
    }                                                                                                        \
    static const XmlCodec name##_codec = { read_nothing, write_##name, NULL };
CONSTANT(namespace, STATUS_NAMESPACE)
CONSTANT(version, "1")
CONSTANT(unix, "unix")

#define OURS .ns = STATUS_NAMESPACE, .prefix = "lodge:"

static bool number_attr(const xmlNode *element, const char *name, uint64_t max, uint64_t *ret_number)
{
    const char *text = xml_attr(element, name);

    return text && parse_uint(text, ret_number, NULL) && *ret_number <= max;
}

/* Numbers in elements of their own: <vcpu id='0' pid='17'/>, <lodge:port number='5900'/>. */
static bool read_vcpu(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    GArray *tids = ((VmRun *)base)->vcpu_tids;
    uint64_t id = 0;
    uint64_t tid = 0;

    if (!number_attr(element, "id", VCPU_LIMIT - 1, &id) || !number_attr(element, "pid", INT32_MAX, &tid))
        return true;
    if (id >= tids->len)
        g_array_set_size(tids, (guint)id + 1);
    g_array_index(tids, pid_t, id) = (pid_t)tid;
    return true;
}

static void write_vcpus(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const GArray *tids = ((const VmRun *)base)->vcpu_tids;

    for (guint i = 0; i < tids->len; i++) {
        if (g_array_index(tids, pid_t, i))
            g_string_append_printf(out, "%*s<vcpu id='%u' pid='%d'/>\n", (int)indent, "", i,
                                   (int)g_array_index(tids, pid_t, i));
    }
}
static const XmlCustom vcpu_elements = { read_vcpu, write_vcpus, NULL };

static bool read_port(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    uint64_t number = 0;

    if (number_attr(element, "number", UINT16_MAX, &number)) {
        const unsigned port = (unsigned)number;
        g_array_append_val(((VmRun *)base)->ports, port);
    }
    return true;
}

static void write_ports(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const GArray *ports = ((const VmRun *)base)->ports;

    for (guint i = 0; i < ports->len; i++)
        g_string_append_printf(out, "%*s<lodge:port number='%u'/>\n", (int)indent, "",
                               g_array_index(ports, unsigned, i));
}
static const XmlCustom port_elements = { read_port, write_ports, NULL };

/* A hint: what makes no sense is none, and the token in QEMU's environment decides (vm_token.c). */
static bool read_pid(const char *text, void *base, Error **err)
{
    uint64_t pid = 0;

    if (parse_uint(text, &pid, NULL) && pid <= INT32_MAX)
        ((VmRun *)base)->pid = (pid_t)pid;
    return true;
}

static bool write_pid(const void *base, unsigned flags, GString *out)
{
    g_string_append_printf(out, "%d", (int)((const VmRun *)base)->pid);
    return true;
}
static const XmlCodec pid_codec = { read_pid, write_pid, NULL };

static bool read_agent_timeout(const char *text, void *base, Error **err)
{
    uint64_t seconds = 0;
    VmRun *run = base;

    if (strcmp(text, "-1") == 0)
        run->agent_timeout_s = VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_DEFAULT;
    else if (parse_uint(text, &seconds, NULL) && seconds <= INT32_MAX)
        run->agent_timeout_s = (int)seconds;
    return true; /* anything else: as if it had not been set */
}

static bool write_agent_timeout(const void *base, unsigned flags, GString *out)
{
    g_string_append_printf(out, "%d", ((const VmRun *)base)->agent_timeout_s);
    return true;
}
static const XmlCodec agent_timeout_codec = { read_agent_timeout, write_agent_timeout, NULL };

/* ---- block jobs, as libvirtd has them ---- */

static void job_member_read(const xmlNode *element, VmBlockJob *job)
{
    const char *node = xml_attr(element, "node");

    if (xmlStrEqual(element->name, (const xmlChar *)"disk")) {
        g_free(job->disk);
        job->disk = g_strdup(xml_attr(element, "dst"));
    } else if (xmlStrEqual(element->name, (const xmlChar *)"top")) {
        g_free(job->top);
        job->top = g_strdup(node);
    } else if (xmlStrEqual(element->name, (const xmlChar *)"base")) {
        g_free(job->base);
        job->base = g_strdup(node);
    } else if (xmlStrEqual(element->name, (const xmlChar *)"topparent")) {
        g_free(job->top_parent);
        job->top_parent = g_strdup(node);
    } else if (xmlStrEqual(element->name, (const xmlChar *)"deleteCommittedImages")) {
        job->flags |= VIR_DOMAIN_BLOCK_COMMIT_DELETE;
    }
}

/* A job of a kind that is not known here is none of ours: QEMU is told to forget it when it has ended. */
static void block_job_read(const xmlNode *element, GPtrArray *jobs)
{
    const char *id = xml_attr(element, "name"), *type = xml_attr(element, "type");
    const char *flags = xml_attr(element, "jobflags");
    int kind = -1;

    for (int i = 0; type && i < BLOCK_JOB_KIND_COUNT; i++) {
        if (strcmp(block_job_kind_names[i], type) == 0)
            kind = i;
    }
    if (!id || kind < 0)
        return;
    VmBlockJob *job = vm_block_job_new((BlockJobKind)kind, NULL);
    job->id = g_strdup(id);
    job->state =
        (BlockJobState)name_index(block_job_state_names, BLOCK_JOB_STATE_COUNT, xml_attr(element, "state"));
    job->flags = flags ? (unsigned)g_ascii_strtoull(flags, NULL, 16) : 0;
    job->by_user = !xmlHasNsProp(element, (const xmlChar *)"internal", (const xmlChar *)STATUS_NAMESPACE);
    job->problem = g_strdup(xml_attr(element, "errmsg"));
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            job_member_read(child, job);
    }
    g_ptr_array_add(jobs, job);
}

static bool read_block_jobs(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                            Error **err)
{
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, (const xmlChar *)"blockjob"))
            block_job_read(child, ((VmRun *)base)->block_jobs);
    }
    return true;
}

static void write_node(const char *name, const char *node, unsigned indent, GString *out)
{
    if (node)
        g_string_append_printf(out, "%*s<%s node='%s'/>\n", (int)indent, "", name, node);
}

static void write_block_job(const VmBlockJob *job, unsigned indent, GString *out)
{
    const bool is_ours = job->kind == BLOCK_JOB_SNAPSHOT; /* libvirtd has no such kind */

    g_string_append_printf(out, "%*s<%sblockjob name='", (int)indent, "", is_ours ? "lodge:" : "");
    xml_escape_attribute(job->id, out);
    g_string_append_printf(out, "' type='%s' state='%s' jobflags='0x%x'", block_job_kind_names[job->kind],
                           block_job_state_names[job->state], job->flags);
    if (job->kind == BLOCK_JOB_COPY && (job->flags & VIR_DOMAIN_BLOCK_COPY_SHALLOW) &&
        !(job->flags & VIR_DOMAIN_BLOCK_COPY_REUSE_EXT))
        g_string_append(out, " shallownew='yes'");
    if (!job->by_user)
        g_string_append(out, " lodge:internal='yes'");
    if (job->problem) {
        g_string_append(out, " errmsg='");
        xml_escape_attribute(job->problem, out);
        g_string_append_c(out, '\'');
    }
    g_string_append(out, ">\n");
    if (job->disk) {
        g_string_append_printf(out, "%*s<disk dst='", (int)indent + 2, "");
        xml_escape_attribute(job->disk, out);
        g_string_append(out, job->kind == BLOCK_JOB_COPY ? "' mirror='yes'/>\n" : "'/>\n");
    }
    write_node("base", job->base, indent + 2, out);
    write_node("top", job->top, indent + 2, out);
    write_node("topparent", job->top_parent, indent + 2, out);
    if ((job->kind == BLOCK_JOB_COMMIT || job->kind == BLOCK_JOB_ACTIVE_COMMIT) &&
        (job->flags & VIR_DOMAIN_BLOCK_COMMIT_DELETE))
        g_string_append_printf(out, "%*s<deleteCommittedImages/>\n", (int)indent + 2, "");
    g_string_append_printf(out, "%*s</%sblockjob>\n", (int)indent, "", is_ours ? "lodge:" : "");
}

static void write_block_jobs(const XmlRow *row, const void *base, unsigned flags, unsigned indent,
                             GString *out)
{
    const GPtrArray *jobs = ((const VmRun *)base)->block_jobs;

    if (jobs->len == 0) {
        g_string_append_printf(out, "%*s<blockjobs active='no'/>\n", (int)indent, "");
        return;
    }
    g_string_append_printf(out, "%*s<blockjobs active='yes'>\n", (int)indent, "");
    for (guint i = 0; i < jobs->len; i++)
        write_block_job(g_ptr_array_index(jobs, i), indent + 2, out);
    g_string_append_printf(out, "%*s</blockjobs>\n", (int)indent, "");
}
static const XmlCustom block_job_elements = { read_block_jobs, write_block_jobs, NULL };

/* What libvirtd knows of the machine's QEMU, for the next libvirtd. */
static bool read_flags(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    g_autoptr(GString) flags = g_string_new(NULL);
    VmRun *run = base;

    for (const xmlNode *child = element->children; child; child = child->next) {
        const char *name = child->type == XML_ELEMENT_NODE ? xml_attr(child, "name") : NULL;
        if (name && !strchr(name, '\n'))
            g_string_append_printf(flags, "%s\n", name);
    }
    g_clear_pointer(&run->libvirt_flags, g_free);
    if (flags->len && strcmp(flags->str, vm_status_flags) != 0)
        run->libvirt_flags = g_strdup(flags->str);
    return true;
}

static void write_flags(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const VmRun *run = base;
    const char *at = run->libvirt_flags ? run->libvirt_flags : vm_status_flags;

    xml_indent(indent, out);
    g_string_append(out, "<qemuCaps>\n");
    for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
        g_autofree char *name = g_strndup(at, (gsize)(end - at));
        xml_indent(indent + 2, out);
        g_string_append(out, "<flag name='");
        xml_escape_attribute(name, out);
        g_string_append(out, "'/>\n");
    }
    xml_indent(indent, out);
    g_string_append(out, "</qemuCaps>\n");
}
static const XmlCustom flag_elements = { read_flags, write_flags, NULL };

static const XmlTable save_file_table =
    TABLE(SaveFile, "file",
          ROWS(ATTR("path", SaveFile, path), ATTR("temporary", SaveFile, temp),
               ATTR("device", SaveFile, dev, .max = UINT64_MAX),
               ATTR("inode", SaveFile, ino, .max = UINT64_MAX)));

static const XmlTable lent_table =
    TABLE(DacItem, "lent",
          ROWS(ATTR("path", DacItem, path, .flags = ROW_REQUIRED),
               ATTR("uid", DacItem, uid, .max = UINT32_MAX), ATTR("gid", DacItem, gid, .max = UINT32_MAX),
               ATTR("lentTo", DacItem, lent_to, .max = UINT32_MAX),
               ATTR("dev", DacItem, id.dev, .max = UINT64_MAX),
               ATTR("ino", DacItem, id.ino, .max = UINT64_MAX), ATTR("shared", DacItem, shared),
               ATTR("groupMode", DacItem, group_mode, .max = 07777),
               ATTR("group", DacItem, group, .max = UINT32_MAX), ATTR("mode", DacItem, mode, .max = 07777)));

const XmlTable path_table = TABLE(VmPath, "path", ROWS(TEXT(VmPath, path, .flags = ROW_REQUIRED)));
const XmlTable io_error_table =
    TABLE(VmIoError, "ioError",
          ROWS(ATTR("disk", VmIoError, disk, .flags = ROW_REQUIRED), ATTR("node", VmIoError, node),
               ATTR("path", VmIoError, path), ATTR("time", VmIoError, time_us, .max = UINT64_MAX),
               TEXT(VmIoError, text, .flags = ROW_REQUIRED)));

const XmlTable migrate_note_table = TABLE(VmMigrateNote, "migration",
                                          ROWS(ATTR("phase", VmMigrateNote, phase, .flags = ROW_REQUIRED),
                                               ATTR("peer", VmMigrateNote, peer)));

static const XmlTable pending_table =
    TABLE(VmPending, "pending",
          ROWS(ATTR("before", VmPending, before, .flags = ROW_REQUIRED), ATTR("alias", VmPending, alias),
               TEXT(VmPending, xml, .flags = ROW_REQUIRED)));

static bool run_is_unannounced(const void *base, unsigned flags)
{
    return !((const VmRun *)base)->has_gone_on;
}

static const XmlTable run_table =
    TABLE(VmRun, "run",
          ROWS(CODEC_ATTR("pid", &pid_codec),
               GROUP("monitor", ROWS(ATTR("path", VmRun, monitor_path), CODEC_ATTR("type", &unix_codec))),
               GROUP("vcpus", ROWS(CUSTOM("vcpu", &vcpu_elements))), CUSTOM("qemuCaps", &flag_elements),
               GROUP("numad", ROWS(ATTR("nodeset", VmRun, numad_nodes), ATTR("cpuset", VmRun, numad_cpus))),
               GROUP("libDir", ROWS(ATTR("path", VmRun, lib_dir))),
               GROUP("channelTargetDir", ROWS(ATTR("path", VmRun, channel_dir))),
               FLAG("fakereboot", VmRun, fake_reboot), CUSTOM("blockjobs", &block_job_elements),
               GROUP("agentTimeout", ROWS(CODEC_TEXT(&agent_timeout_codec))),
               GROUP("nodename",
                     ROWS(ATTR("index", VmRun, last_node, .max = UINT32_MAX, .flags = ROW_ALWAYS))),
               GROUP("run",
                     ROWS(CODEC_ATTR("version", &version_codec),
                          ATTR("startTime", VmRun, start_time, .max = UINT64_MAX),
                          ATTR("lostVcpu", VmRun, has_lost_vcpu),
                          ATTR("taints", VmRun, taints, .max = UINT32_MAX),
                          ATTR("starting", VmRun, is_starting, .show = run_is_unannounced),
                          ATTR("autodestroy", VmRun, autodestroy_client, .max = UINT64_MAX),
                          ATTR("mustRun", VmRun, must_run), ATTR("saving", VmRun, is_saving),
                          ATTR("newCheckpoint", VmRun, new_checkpoint), ATTR("mustThaw", VmRun, must_thaw),
                          OBJECT("backup", VmRun, backup, &vm_backup_table, OURS),
                          ATTR("going", VmRun, going), LIST("giveBack", VmRun, give_back, &path_table, OURS),
                          LIST("ioError", VmRun, io_errors, &io_error_table, OURS),
                          OBJECT("pending", VmRun, pending, &pending_table, OURS),
                          OBJECT("migration", VmRun, migration, &migrate_note_table, OURS),
                          EMBED("file", VmRun, file, &save_file_table, OURS),
                          CUSTOM("port", &port_elements, OURS), LIST("lent", VmRun, dac, &lent_table, OURS)),
                     OURS)));

static bool read_state(const char *text, void *base, Error **err)
{
    ((VmStatus *)base)->state = (VmState)name_index(state_names, VM_STATE_COUNT, text);
    return true;
}

static bool write_state(const void *base, unsigned flags, GString *out)
{
    g_string_append(out, state_names[((const VmStatus *)base)->state]);
    return true;
}
static const XmlCodec state_codec = { read_state, write_state, NULL };

static bool read_reason(const char *text, void *base, Error **err)
{
    VmStatus *status = base;
    size_t count = 0;
    const char *const *names = reason_table(status->state, &count);

    status->reason = name_index(names, count, text);
    return true;
}

static bool write_reason(const void *base, unsigned flags, GString *out)
{
    const VmStatus *status = base;

    g_string_append(out, reason_name(status->state, status->reason));
    return true;
}
static const XmlCodec reason_codec = { read_reason, write_reason, NULL };

/* For a libvirtd that takes the machine over: it goes by these. */
static bool skip_element(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                         Error **err)
{
    return true;
}

static void write_devices(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    xml_indent(indent, out);
    g_string_append(out, "<devices>\n");
    for (DEF_EACH(DiskDef, disk, ((const VmStatus *)base)->live->disks)) {
        if (!disk->info.alias)
            continue;
        g_string_append_printf(out, "%*s<device alias='", (int)indent + 2, "");
        xml_escape_attribute(disk->info.alias, out);
        g_string_append(out, "'/>\n");
    }
    xml_indent(indent, out);
    g_string_append(out, "</devices>\n");
}
static const XmlCustom device_elements = { skip_element, write_devices, NULL };

/* What the running machine has is not completed but taken. */
static bool read_live(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    VmStatus *status = base;

    return status->live || domain_def_parse_node(element, reader->source, DOMAIN_PARSE_SKIP_DEFAULTS, NULL,
                                                 &status->live, err);
}

static void write_live(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    domain_def_format_indented(((const VmStatus *)base)->live, DOMAIN_FORMAT_SECURE, indent, out);
}
static const XmlCustom live_element = { read_live, write_live, NULL };

/* The live document of a status file says where disks are; this, what they were asked for as. */
typedef struct VmVolume {
    char *disk, *pool, *name, *mode;
    bool has_auth_of_pool;
} VmVolume;

static const XmlTable volume_table =
    TABLE(VmVolume, "volume",
          ROWS(ATTR("disk", VmVolume, disk, .flags = ROW_REQUIRED),
               ATTR("pool", VmVolume, pool, .flags = ROW_REQUIRED),
               ATTR("name", VmVolume, name, .flags = ROW_REQUIRED), ATTR("mode", VmVolume, mode),
               ATTR("poolAuth", VmVolume, has_auth_of_pool)));

static GPtrArray *volumes_of(const DomainDef *live)
{
    GPtrArray *volumes = NULL;

    for (DEF_EACH(DiskDef, disk, live->disks)) {
        if (!disk->src.asked_volume)
            continue;
        VmVolume *volume = xml_table_new(&volume_table);
        volume->disk = g_strdup(disk->target);
        volume->pool = g_strdup(disk->src.asked_pool);
        volume->name = g_strdup(disk->src.asked_volume);
        volume->mode = g_strdup(disk->src.asked_mode);
        volume->has_auth_of_pool = disk->src.has_auth_of_pool;
        if (!volumes)
            volumes = xml_list_new(&volume_table);
        g_ptr_array_add(volumes, volume);
    }
    return volumes;
}

static void take_volumes(VmStatus *status)
{
    for (DEF_EACH(VmVolume, volume, status->volumes)) {
        DiskDef *disk = domain_find_disk(status->live, volume->disk);
        if (!disk || disk->src.asked_volume)
            continue;
        disk->src.asked_pool = g_steal_pointer(&volume->pool);
        disk->src.asked_volume = g_steal_pointer(&volume->name);
        disk->src.asked_mode = g_steal_pointer(&volume->mode);
        disk->src.has_auth_of_pool = volume->has_auth_of_pool;
    }
}

static const XmlTable status_table =
    TABLE(VmStatus, "domstatus",
          ROWS(CODEC_ATTR("xmlns:lodge", &namespace_codec), CODEC_ATTR("state", &state_codec),
               CODEC_ATTR("reason", &reason_codec), INCLUDE_OBJECT(VmStatus, run, &run_table),
               LIST("volume", VmStatus, volumes, &volume_table, OURS), CUSTOM("devices", &device_elements),
               CUSTOM("domain", &live_element)));

char *vm_status_format(const Vm *vm)
{
    const VmStatus status = { .state = vm->state,
                              .reason = vm->reason,
                              .live = vm->live,
                              .run = vm->run,
                              .volumes = volumes_of(vm->live) };
    GString *out = g_string_sized_new(8192);

    vm->run->start_time = vm->run->process ? process_start_time(vm->run->process) : 0;
    g_string_append(out, "<!--\n"
                         "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
                         "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n"
                         "  virsh edit NAME\n"
                         "or other application using the libvirt API.\n-->\n\n");
    xml_table_write(&status_table, "domstatus", &status, XML_FORMAT_SECURE, 0, out);
    xml_list_free(&volume_table, status.volumes);
    return g_string_free(out, FALSE);
}

bool vm_status_parse(const char *text, size_t len, const char *name, VmStatus **ret_status, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    XmlReader reader = { .source = name };

    if (!xml_document_read(text, len, name, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (!xmlStrEqual(root->name, (const xmlChar *)"domstatus"))
        return error_set(err, ERROR_XML_INVALID, "%s: root element is not <domstatus>", name);

    g_autoptr(VmStatus) status = g_new0(VmStatus, 1);
    status->run = vm_run_new(NULL);
    if (!xml_table_read_into(&status_table, &reader, root, status, err))
        return false;
    if (!status->live || !status->run->monitor_path)
        return error_set(err, ERROR_XML_INVALID, "%s: <monitor> or <domain> is missing", name);
    if (status->live->id <= 0)
        return error_set(err, ERROR_XML_INVALID, "%s: the domain has no id", name);
    take_volumes(status);
    *ret_status = g_steal_pointer(&status);
    return true;
}

void vm_status_free(VmStatus *status)
{
    if (!status)
        return;
    domain_def_free(status->live);
    vm_run_free(status->run);
    xml_list_free(&volume_table, status->volumes);
    g_free(status);
}

/* ---- files ---- */

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

bool vm_pid_save(Vm *vm, Error **err)
{
    g_autofree char *path = vm_pid_path(vm->host, vm->name);
    char pid[24];

    if (!vm->run || vm->run->pid <= 0 || vm->run->pid_written)
        return true;
    g_snprintf(pid, sizeof(pid), "%d", (int)vm->run->pid);
    if (!file_replace_volatile(path, pid, strlen(pid), 0644, err))
        return false;
    if (vm->run)
        vm->run->pid_written = true;
    return true;
}

static bool vm_status_write(Vm *vm, Error **err)
{
    g_autofree char *path = vm_status_path(vm->host, vm->name);
    g_autofree char *text = vm_status_format(vm);
    const bool must_run = vm->run->must_run;

    if (!file_replace_volatile(path, text, strlen(text), 0600, err))
        return false;
    if (vm->run)
        vm->run->must_run_saved = must_run;
    return vm_pid_save(vm, err);
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
    if (vm->run && !vm->run->stopping && !vm->run->is_starting)
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
