/* Devices that are made: mediated devices and virtual host bus adapters by sysfs, definitions of mediated
 * devices by mdevctl, which makes those again that are to be there after a reboot. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "nodedev"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/worker.h"
#include "device/nodedev_private.h"
#include "wire/wire_enums.h"

#define MDEVCTL_DEADLINE_MS 30000
#define APPEAR_MS 10000
enum { UPDATE_LIVE = 1, UPDATE_CONFIG = 2 };

static Registry *devices_of(const Host *host)
{
    return host_registry(host, &nodedev_class);
}

/* ---- writing into sysfs, in a worker ---- */

typedef struct WriteJob {
    GPtrArray *files; /* char *: path, text, path, text ... in this order */
} WriteJob;

static void write_job_free(void *data)
{
    WriteJob *job = data;

    g_ptr_array_unref(job->files);
    g_free(job);
}

static bool write_job_run(void *data, Error **err)
{
    const WriteJob *job = data;

    for (guint i = 0; i + 1 < job->files->len; i += 2) {
        const char *path = g_ptr_array_index(job->files, i), *text = g_ptr_array_index(job->files, i + 1);
        AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
            return error_set_errno(err, errno, "cannot write '%s' to '%s'", text, path);
    }
    return true;
}

static WriteJob *write_job_new(void)
{
    WriteJob *job = g_new0(WriteJob, 1);

    job->files = g_ptr_array_new_with_free_func(g_free);
    return job;
}

/* @path below /sys, of the host's tree. */
static void write_job_add(WriteJob *job, const Host *host, char *path, const char *text)
{
    g_ptr_array_add(job->files, g_strconcat(host->paths->host_root, path, NULL));
    g_ptr_array_add(job->files, g_strdup(text));
    g_free(path);
}

AWAITS static bool write_job_do(WriteJob *job, Error **err)
{
    fiber_shield_begin();
    const bool ok = worker_call(worker_lane_named("making devices"), write_job_run, job, write_job_free,
                                SYSFS_DEADLINE_MS, err);
    fiber_shield_end();
    if (ok)
        write_job_free(job);
    return ok;
}

/* ---- mdevctl ---- */

/* *ret_out (NULL: not wanted) owned. */
AWAITS static bool run_mdevctl(const char *const *arguments, const char *input, char **ret_out, Error **err)
{
    g_autofree char *program = g_find_program_in_path("mdevctl");
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;

    if (!program) {
        error_set_errno(err, ENOENT, "Cannot find 'mdevctl' in path");
        return error_hint(err, "install the package mdevctl: it keeps the definitions of mediated devices");
    }
    const char *argv[16] = { program };
    for (unsigned i = 0; arguments[i] && i + 2 < G_N_ELEMENTS(argv); i++)
        argv[i + 1] = arguments[i];
    spec.argv = argv;
    spec.die_with_parent = true;
    if (!process_run(&spec, input, input ? strlen(input) : 0, 0, MDEVCTL_DEADLINE_MS, &output, err))
        return error_prefix(err, "mdevctl");
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) != 0)
        return error_set(err, ERROR_INTERNAL, "mdevctl %s: %s", arguments[0], g_strstrip(output.err));
    if (ret_out)
        *ret_out = g_strdup(output.out);
    return true;
}

/* What mdevctl reads and writes about one device. */
static char *mdev_to_json(const NodeDeviceDef *def, bool autostart)
{
    AUTO_JSON object = json_object();
    Json *attrs = json_array();

    json_object_set_new(object, "mdev_type", json_string(def->type_id));
    json_object_set_new(object, "start", json_string(autostart ? "auto" : "manual"));
    for (guint i = 0; def->attrs && i < def->attrs->len; i++) {
        const NodedevText *attr = g_ptr_array_index(def->attrs, i);
        Json *one = json_object();
        if (attr->key)
            json_object_set_new(one, attr->key, json_string(attr->value ? attr->value : ""));
        json_array_append_new(attrs, one);
    }
    json_object_set_new(object, "attrs", attrs);
    return json_format(object);
}

static char *parent_name(const char *address)
{
    unsigned a, b, c, d;
    int end = 0;

    if (sscanf(address, "%8x:%2x:%2x.%1x%n", &a, &b, &c, &d, &end) == 4 && !address[end])
        return nodedev_make_name("pci", address, NULL);
    if (sscanf(address, "%2x.%1x.%4x%n", &a, &b, &c, &end) == 3 && !address[end])
        return nodedev_make_name("css", address, NULL);
    return nodedev_make_name("ap", address, NULL);
}

static NodeDeviceDef *mdev_from_json(const char *parent, const char *uuid, const Json *object)
{
    const char *type = json_get_str(object, "mdev_type");
    Uuid parsed;
    size_t index = 0, n = 0;
    const Json *one = NULL;

    if (!type || !xml_can_hold(type) || !xml_can_hold(parent) || !uuid_parse(uuid, &parsed, NULL))
        return NULL;
    NodeDeviceDef *def = xml_table_new(&nodedev_table);
    def->cap = NODEDEV_MDEV;
    def->name = nodedev_make_name("mdev", uuid, parent);
    def->parent = parent_name(parent);
    def->type_id = g_strdup(type);
    def->mdev_uuid = g_strdup(uuid);
    def->parent_address = g_strdup(parent);
    json_array_foreach (json_get_arr(object, "attrs"), index, one) {
        const char *key = NULL;
        Json *value = NULL;
        json_object_foreach ((Json *)one, key, value) {
            if (++n > 1024 || !json_is_string(value) || !xml_can_hold(key) ||
                !xml_can_hold(json_string_value(value)))
                continue;
            NodedevText *attr = xml_table_new(&nodedev_text_table);
            attr->key = g_strdup(key);
            attr->value = g_strdup(json_string_value(value));
            if (!def->attrs)
                def->attrs = xml_list_new(&nodedev_text_table);
            g_ptr_array_add(def->attrs, attr);
        }
    }
    nodedev_set_uuid(def);
    return def;
}

static void take_definition(Host *host, NodeDeviceDef *def, bool autostart, GHashTable *seen)
{
    Registry *registry = devices_of(host);
    g_autoptr(Object) object = registry_get_name(registry, def->name);

    if (object)
        object_ref(object);
    else
        object = object_new(registry, def->name, &def->uuid);
    const bool is_new = !object->config;
    object_set_config(object, def);
    object->autostart = autostart;
    object_list_it(object);
    g_hash_table_add(seen, object);
    if (is_new && host->nodedevs->is_known)
        object_publish_lifecycle(object, VIR_NODE_DEVICE_EVENT_DEFINED, 0);
}

static void drop_definition(Object *device)
{
    g_autoptr(Object) hold = object_ref(device);

    object_publish_lifecycle(hold, VIR_NODE_DEVICE_EVENT_UNDEFINED, 0);
    hold->autostart = false;
    if (hold->live)
        object_set_config(hold, NULL);
    else
        object_unregister(hold);
}

/* [ { PARENT: [ { UUID: { ... } } ... ] } ] */
static void take_definitions(Host *host, const Json *all)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    Object *object = NULL;
    size_t index = 0, at = 0;
    Json *one = NULL, *list = NULL, *device = NULL, *value = NULL;
    const char *parent = NULL, *uuid = NULL;

    json_array_foreach (all, index, one) {
        json_object_foreach (one, parent, list) {
            json_array_foreach (list, at, device) {
                json_object_foreach (device, uuid, value) {
                    NodeDeviceDef *def = mdev_from_json(parent, uuid, value);
                    if (def)
                        take_definition(host, def, g_strcmp0(json_get_str(value, "start"), "auto") == 0,
                                        seen);
                }
            }
        }
    }
    for (RegistryIter iter = registry_iter(devices_of(host)); (object = registry_next(&iter));) {
        if (object->config && !g_hash_table_contains(seen, object))
            g_ptr_array_add(gone, object);
    }
    for (guint i = 0; i < gone->len; i++)
        drop_definition(g_ptr_array_index(gone, i));
}

bool nodedev_load_definitions(Host *host, Error **err)
{
    g_autofree char *program = g_find_program_in_path("mdevctl"), *text = NULL;
    AUTO_JSON all = NULL;

    if (!program)
        return true;
    if (!run_mdevctl((const char *const[]){ "list", "-d", "--dumpjson", NULL }, NULL, &text, err) ||
        !json_parse(text, strlen(text), "the list of mdevctl", &all, err))
        return false;
    take_definitions(host, all);
    return true;
}

/* ---- documents of clients ---- */

AWAITS static bool read_document(Host *host, const char *xml, unsigned flags, const char *function,
                                 NodeDeviceDef **ret_def, Error **err)
{
    XmlReader reader = { .flags = flags & 1 ? XML_READ_STRICT : 0, .source = "(node_device_definition)" };
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;

    if (!check_flags(flags, VIR_NODE_DEVICE_CREATE_XML_VALIDATE, function, err) ||
        !xml_document_read(xml, strlen(xml), reader.source, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "device") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'device', not '%s'",
                         (const char *)root->name);
    if (!xml_table_read(&nodedev_table, &reader, root, &def, err))
        return false;
    const NodedevCap cap = ((const NodeDeviceDef *)def)->cap;
    if (cap == NODEDEV_SCSI_GENERIC || cap == NODEDEV_VDPA) {
        xml_table_free(&nodedev_table, def);
        return error_set(err, ERROR_INTERNAL, "a device of type '%s' cannot be described by a client",
                         enum_name(&nodedev_cap_names, cap));
    }
    *ret_def = def;
    return true;
}

/* The parent of a mediated device; a reference. *ret_address owned: as mdevctl calls it. */
static Object *find_mdev_parent(Host *host, const NodeDeviceDef *def, char **ret_address, Error **err)
{
    if (!def->parent) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "missing parent device");
        return NULL;
    }
    g_autoptr(Object) parent = object_find_by_name(devices_of(host), def->parent, NULL);
    const NodeDeviceDef *at = parent ? parent->live : NULL;
    if (!at) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "invalid parent device '%s'", def->parent);
        return NULL;
    }
    if (at->cap != NODEDEV_PCI && at->cap != NODEDEV_CSS && at->cap != NODEDEV_AP_MATRIX) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unable to find address for parent device '%s'",
                  def->parent);
        if (err)
            error_set_remote(*err, VIR_ERR_PARSE_FAILED, VIR_FROM_NODEDEV);
        return NULL;
    }
    *ret_address = g_path_get_basename(at->path);
    return g_steal_pointer(&parent);
}

static bool offers_type(const NodeDeviceDef *parent, const char *id)
{
    const NodedevCapPart *part = nodedev_find_part(parent, PART_MDEV_TYPES);

    for (guint i = 0; part && part->mdev_types && i < part->mdev_types->len; i++) {
        if (strcmp(((const NodedevMdevType *)g_ptr_array_index(part->mdev_types, i))->id, id) == 0)
            return true;
    }
    return false;
}

static void ensure_uuid(NodeDeviceDef *def)
{
    Uuid uuid;

    if (!def->mdev_uuid || !uuid_parse(def->mdev_uuid, &uuid, NULL))
        uuid_generate(&uuid);
    g_free(def->mdev_uuid);
    def->mdev_uuid = g_malloc(UUID_STRING_LEN);
    uuid_format(&uuid, def->mdev_uuid);
}

/* Settings name files below the device, in its own folders only. */
static bool check_attrs(const NodeDeviceDef *def, Error **err)
{
    for (guint i = 0; def->attrs && i < def->attrs->len; i++) {
        const NodedevText *attr = g_ptr_array_index(def->attrs, i);
        g_auto(GStrv) parts = g_strsplit(attr->key ? attr->key : "", "/", 0);
        for (char **part = parts; *part; part++) {
            if (!path_is_safe_component(*part) || !**part)
                return error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' cannot be the name of a setting",
                                 attr->key);
        }
        if (!attr->key || !*attr->key)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "a setting (attr) has no name");
    }
    return true;
}

AWAITS static Object *make_mdev(Host *host, NodeDeviceDef *def, Error **err)
{
    g_autofree char *address = NULL;
    g_autoptr(Object) parent = find_mdev_parent(host, def, &address, err);

    if (!parent || !check_attrs(def, err))
        return NULL;
    const NodeDeviceDef *at = parent->live;
    if (!offers_type(at, def->type_id)) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' cannot make mediated devices of type '%s'",
                  parent->name, def->type_id);
        error_hint(err, "'nodedev-dumpxml %s' shows which types it has", parent->name);
        return NULL;
    }
    ensure_uuid(def);
    WriteJob *job = write_job_new();
    g_autofree char *path = g_strconcat(at->path, "/", def->mdev_uuid, NULL);
    write_job_add(job, host, g_strconcat(at->path, "/mdev_supported_types/", def->type_id, "/create", NULL),
                  def->mdev_uuid);
    for (guint i = 0; def->attrs && i < def->attrs->len; i++) {
        const NodedevText *attr = g_ptr_array_index(def->attrs, i);
        write_job_add(job, host, g_strconcat(path, "/", attr->key, NULL), attr->value ? attr->value : "");
    }
    g_autoptr(Error) why = NULL;
    if (!write_job_do(job, &why)) {
        /* Half of a device is none. */
        WriteJob *undo = write_job_new();
        write_job_add(undo, host, g_strconcat(path, "/remove", NULL), "1");
        (void)write_job_do(undo, NULL); /* it may not have come into being */
        error_propagate(err, g_steal_pointer(&why));
        return NULL;
    }
    return nodedev_look_at(host, path, err);
}

/* ---- virtual host bus adapters ---- */

static bool is_vport_parent(const NodeDeviceDef *def, const NodeDeviceDef *wanted)
{
    const NodedevCapPart *fc = nodedev_find_part(def, PART_FC_HOST),
                         *ops = nodedev_find_part(def, PART_VPORT_OPS);

    if (wanted->parent && *wanted->parent)
        return strcmp(def->name, wanted->parent) == 0;
    if (wanted->parent_wwnn)
        return fc && g_strcmp0(fc->wwnn, wanted->parent_wwnn) == 0 &&
               g_strcmp0(fc->wwpn, wanted->parent_wwpn) == 0;
    if (!ops)
        return false;
    if (wanted->parent_fabric_wwn)
        return fc && g_strcmp0(fc->fabric_wwn, wanted->parent_fabric_wwn) == 0;
    return ops->vports.value < ops->max_vports.value;
}

/* The host's number; a reference on the device. */
static Object *find_vport_parent(Host *host, const NodeDeviceDef *wanted, Error **err)
{
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(devices_of(host)); (object = registry_next(&iter));) {
        const NodeDeviceDef *def = object->live;
        if (def && def->cap == NODEDEV_SCSI_HOST && is_vport_parent(def, wanted))
            return object_ref(object);
    }
    if (!wanted->parent && !wanted->parent_wwnn && !wanted->parent_fabric_wwn)
        error_set(err, ERROR_INTERNAL, "Could not find any vport capable device");
    else
        error_set(err, ERROR_INTERNAL, "Could not find parent device for 'new device'");
    return NULL;
}

static bool is_wwn(const char *text)
{
    return text && strlen(text) == 16 && strspn(text, "0123456789abcdefABCDEF") == 16;
}

/* Where the kernel makes and removes the ports of @def: "/sys/class/fc_host/host3/" + @what. */
static char *vport_file(const Host *host, const NodeDeviceDef *def, const char *what)
{
    char *path = g_strdup_printf("/sys/class/fc_host/host%u/%s", def->host.value, what);
    g_autofree char *full = g_strconcat(host->paths->host_root, path, NULL);

    if (access(full, F_OK) == 0)
        return path;
    g_free(path);
    return g_strdup_printf("/sys/class/scsi_host/host%u/%s", def->host.value, what);
}

AWAITS static Object *make_vport(Host *host, const NodeDeviceDef *def, Error **err)
{
    const NodedevCapPart *fc = nodedev_find_part(def, PART_FC_HOST);

    if (!fc) {
        error_set(err, ERROR_INTERNAL, "Device is not a fibre channel HBA");
        return NULL;
    }
    g_autoptr(Object) parent = find_vport_parent(host, def, err);
    if (!parent)
        return NULL;
    if (!is_wwn(fc->wwnn) || !is_wwn(fc->wwpn)) {
        error_set(err, ERROR_XML_INVALID, "wwnn and wwpn are 16 hexadecimal digits each");
        return NULL;
    }
    g_autofree char *names = g_strdup_printf("%s:%s", fc->wwpn, fc->wwnn);
    WriteJob *job = write_job_new();
    write_job_add(job, host, vport_file(host, parent->live, "vport_create"), names);
    if (!write_job_do(job, err))
        return NULL;
    for (const uint64_t end_ms = loop_now_ms() + APPEAR_MS;;) {
        Object *made = nodedev_find_by_wwn(host, fc->wwnn, fc->wwpn, NULL);
        if (made)
            return made;
        if (loop_now_ms() > end_ms || !fiber_sleep(100, NULL))
            break;
        nodedev_note_all(host);
    }
    error_set(err, ERROR_TIMEOUT, "the virtual port %s was made, but no device appeared", names);
    return NULL;
}

/* ---- for clients ---- */

Object *nodedev_create_xml(Host *host, const char *xml, unsigned flags, const char *function,
                           const Caller *caller, Error **err)
{
    NodeDeviceDef *def = NULL;
    Object *object = NULL;

    if (!read_document(host, xml, flags, function, &def, err))
        return NULL;
    if (def->cap == NODEDEV_MDEV)
        object = make_mdev(host, def, err);
    else if (def->cap == NODEDEV_SCSI_HOST)
        object = make_vport(host, def, err);
    else
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unsupported device type");
    xml_table_free(&nodedev_table, def);
    if (object)
        log_info("node device '%s' created by %s", object->name, caller_describe(caller));
    return object;
}

bool nodedev_destroy(Object *device, const Caller *caller, Error **err)
{
    Host *host = device->host;
    g_auto(Job) job = { 0 };

    if (!job_begin(device, JOB_DESTROY, caller, &job, err) || !object_require_listed(device, err))
        return false;
    const NodeDeviceDef *def = device->live;
    if (!def)
        return error_set(err, ERROR_INVALID_STATE, "node device '%s' is not active", device->name);
    const NodedevCapPart *fc = nodedev_find_part(def, PART_FC_HOST);
    g_autofree char *path = g_strdup(def->path);
    WriteJob *work = write_job_new();
    if (def->cap == NODEDEV_MDEV) {
        write_job_add(work, host, g_strconcat(path, "/remove", NULL), "1");
    } else if (def->cap == NODEDEV_SCSI_HOST && fc && strstr(path, "/vport-")) {
        g_autoptr(Object) parent = object_find_by_name(devices_of(host), def->parent, NULL);
        g_autofree char *names = g_strdup_printf("%s:%s", fc->wwpn, fc->wwnn);
        if (parent && parent->live)
            write_job_add(work, host, vport_file(host, parent->live, "vport_delete"), names);
    }
    if (work->files->len == 0) {
        write_job_free(work);
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unsupported device type");
    }
    if (!write_job_do(work, err))
        return error_prefix(err, "removing %s", device->name);
    log_info("node device '%s' destroyed by %s", device->name, caller_describe(caller));
    g_autoptr(Object) left G_GNUC_UNUSED = nodedev_look_at(host, path, NULL);
    return true;
}

static bool require_mdev(const Object *device, ErrorCode code, Error **err)
{
    const NodeDeviceDef *def = object_def(device);

    return def->cap == NODEDEV_MDEV || error_set(err, code, "Unsupported device type");
}

Object *nodedev_define_xml(Host *host, const char *xml, unsigned flags, const char *function,
                           const Caller *caller, Error **err)
{
    g_autofree char *address = NULL, *json = NULL, *name = NULL;
    NodeDeviceDef *def = NULL;
    Object *object = NULL;

    if (!read_document(host, xml, flags, function, &def, err))
        return NULL;
    g_autoptr(Object) parent = NULL;
    if (def->cap != NODEDEV_MDEV)
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unsupported device type");
    else
        parent = find_mdev_parent(host, def, &address, err);
    if (parent && check_attrs(def, err)) {
        ensure_uuid(def);
        json = mdev_to_json(def, false);
        name = nodedev_make_name("mdev", def->mdev_uuid, address);
        const char *const arguments[] = { "define", "--uuid",     def->mdev_uuid, "--parent",
                                          address,  "--jsonfile", "/dev/stdin",   NULL };
        if (run_mdevctl(arguments, json, NULL, err) && nodedev_load_definitions(host, err))
            object = object_find_by_name(devices_of(host), name, err);
    }
    xml_table_free(&nodedev_table, def);
    if (object)
        log_info("node device '%s' defined by %s", object->name, caller_describe(caller));
    return object;
}

/* mdevctl @command of the definition of @device. */
AWAITS static bool call_mdevctl(Object *device, const char *command, const char *more, Error **err)
{
    const NodeDeviceDef *def = device->config;
    g_autofree char *uuid = g_strdup(def->mdev_uuid), *parent = g_strdup(def->parent_address);
    const char *const arguments[] = { command, "--uuid", uuid, "--parent", parent, more, NULL };

    return run_mdevctl(arguments, NULL, NULL, err) && nodedev_load_definitions(device->host, err);
}

bool nodedev_undefine(Object *device, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(device, JOB_MODIFY, caller, &job, err) || !object_require_listed(device, err))
        return false;
    if (!nodedev_is_persistent(device))
        return error_set(err, ERROR_INVALID_STATE, "Node device '%s' is not defined", device->name);
    return require_mdev(device, ERROR_CONFIG_UNSUPPORTED, err) &&
           object_require_config(device, "undefine", err) && call_mdevctl(device, "undefine", NULL, err);
}

bool nodedev_start(Object *device, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(device, JOB_START, caller, &job, err) || !object_require_listed(device, err))
        return false;
    if (device->live)
        return error_set(err, ERROR_INVALID_STATE, "Device is already active");
    if (!require_mdev(device, ERROR_CONFIG_UNSUPPORTED, err) || !call_mdevctl(device, "start", NULL, err))
        return false;
    const NodeDeviceDef *def = device->config;
    g_autoptr(Object) parent = object_find_by_name(devices_of(device->host), def->parent, NULL);
    if (!parent || !parent->live)
        return true; /* the kernel tells of it */
    g_autofree char *path = g_strconcat(nodedev_def(parent)->path, "/", def->mdev_uuid, NULL);
    g_autoptr(Object) now G_GNUC_UNUSED = nodedev_look_at(device->host, path, NULL);
    return true;
}

bool nodedev_set_autostart(Object *device, bool autostart, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    return job_begin(device, JOB_MODIFY, caller, &job, err) && object_require_listed(device, err) &&
           require_mdev(device, ERROR_OPERATION_UNSUPPORTED, err) &&
           object_require_config(device, "set autostart for", err) &&
           call_mdevctl(device, "modify", autostart ? "--auto" : "--manual", err);
}

/* mdevctl before 1.3 cannot replace a definition: it goes and comes again, the old one if the new is refused.
 */
AWAITS static bool update_config(Object *device, const NodeDeviceDef *def, Error **err)
{
    const NodeDeviceDef *old = device->config;
    g_autofree char *uuid = g_strdup(old->mdev_uuid), *parent = g_strdup(old->parent_address);
    g_autofree char *before = mdev_to_json(old, device->autostart),
                    *after = mdev_to_json(def, device->autostart);
    const char *const drop[] = { "undefine", "--uuid", uuid, "--parent", parent, NULL };
    const char *const make[] = { "define", "--uuid",     uuid,         "--parent",
                                 parent,   "--jsonfile", "/dev/stdin", NULL };

    fiber_shield_begin();
    bool ok = run_mdevctl(drop, NULL, NULL, err);
    if (ok && !run_mdevctl(make, after, NULL, err)) {
        ok = false;
        (void)!run_mdevctl(make, before, NULL, NULL); /* the first failure is the one to tell */
    }
    fiber_shield_end();
    return nodedev_load_definitions(device->host, ok ? err : NULL) && ok;
}

AWAITS static bool update_live(Object *device, const NodeDeviceDef *def, Error **err)
{
    g_autofree char *path = g_strdup(nodedev_def(device)->path);
    WriteJob *job = write_job_new();

    for (guint i = 0; def->attrs && i < def->attrs->len; i++) {
        const NodedevText *attr = g_ptr_array_index(def->attrs, i);
        write_job_add(job, device->host, g_strconcat(path, "/", attr->key, NULL),
                      attr->value ? attr->value : "");
    }
    if (!write_job_do(job, err))
        return false;
    nodedev_note(device->host, path, true);
    return true;
}

/* Of a PCI device only the number of its virtual functions can change. */
AWAITS static bool update_functions(Object *device, const NodeDeviceDef *def, unsigned flags,
                                    const Caller *caller, Error **err)
{
    const NodedevCapPart *part = nodedev_find_part(def, PART_VIRT_FUNCTIONS);

    if (flags & UPDATE_CONFIG)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "a PCI device has no definition");
    if (!part || !part->count.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "only the 'count' of its 'virt_functions' can change");
    return nodedev_set_functions(device, part->count.value, caller, err);
}

static bool check_update(const Object *device, const NodeDeviceDef *def, Error **err)
{
    const NodeDeviceDef *old = object_def(device);

    if (def->cap != NODEDEV_MDEV || old->cap != NODEDEV_MDEV)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unsupported device type");
    if (strcmp(def->type_id, old->type_id) != 0 ||
        (def->mdev_uuid && g_ascii_strcasecmp(def->mdev_uuid, old->mdev_uuid) != 0) ||
        (def->parent && g_strcmp0(def->parent, old->parent) != 0))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "type, UUID and parent of the mediated device '%s' cannot change", device->name);
    return check_attrs(def, err);
}

bool nodedev_update(Object *device, const char *xml, unsigned flags, const char *function,
                    const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    NodeDeviceDef *def = NULL;

    if (!check_flags(flags, UPDATE_LIVE | UPDATE_CONFIG, function, err) ||
        !read_document(device->host, xml, 0, function, &def, err))
        return false;
    if (def->cap == NODEDEV_PCI) {
        const bool done = update_functions(device, def, flags, caller, err);
        xml_table_free(&nodedev_table, def);
        return done;
    }
    bool ok = job_begin(device, JOB_MODIFY, caller, &job, err) && object_require_listed(device, err) &&
              check_update(device, def, err);
    const unsigned what = flags ? flags : device->live ? UPDATE_LIVE : UPDATE_CONFIG;
    if (ok && what & UPDATE_LIVE && !device->live)
        ok = error_set(err, ERROR_INVALID_STATE, "node device '%s' is not active", device->name);
    if (ok && what & UPDATE_CONFIG)
        ok = object_require_config(device, "update", err);
    if (ok && what & UPDATE_CONFIG)
        ok = update_config(device, def, err);
    if (ok && what & UPDATE_LIVE)
        ok = update_live(device, def, err);
    xml_table_free(&nodedev_table, def);
    return ok;
}
