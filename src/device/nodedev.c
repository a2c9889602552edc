/* The devices of this host as objects: one look at all of them, then one at each that is told to be new. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "nodedev"
#include "device/nodedev.h"

#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "device/nodedev_private.h"
#include "host/sysdev.h"
#include "wire/wire_enums.h"

#define SCAN_DEADLINE_MS 120000 /* thousands of devices, behind slow firmware */
#define WAIT_MS 60000

/* ---- the class ---- */

const NodeDeviceDef *nodedev_def(const Object *device)
{
    return object_def(device);
}

static bool is_computer(const Object *device)
{
    return strcmp(device->name, "computer") == 0;
}

/* The machine itself needs no definition to be there after a reboot. */
bool nodedev_is_persistent(const Object *device)
{
    return device->config || is_computer(device);
}

bool nodedev_has_autostart(const Object *device)
{
    return device->autostart || is_computer(device);
}

static unsigned flag_caps(const Object *device)
{
    return nodedev_caps(object_def(device));
}

static unsigned flag_active(const Object *device)
{
    return device->live ? VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE : VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE;
}

enum { LIST_PERSISTENT = 1 << 28, LIST_TRANSIENT = 1 << 29 };

static unsigned flag_persistent(const Object *device)
{
    return nodedev_is_persistent(device) ? LIST_PERSISTENT : LIST_TRANSIENT;
}

static const ObjectFilter nodedev_filters[] = {
    { NODEDEV_CAP_BIT(NODEDEV_CAP_COUNT) - 1, flag_caps },
    { VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE | VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE, flag_active },
    { LIST_PERSISTENT | LIST_TRANSIENT, flag_persistent },
    { 0 },
};

const ObjectClass nodedev_class = {
    .kind = OBJECT_NODE_DEVICE,
    .noun = "node device",
    .size = sizeof(Nodedev),
    .missing = ERROR_NO_NODE_DEVICE,
    .filters = nodedev_filters,
    .table = &nodedev_table,
    .root = "device",
    .def_name = offsetof(NodeDeviceDef, name),
    .def_uuid = offsetof(NodeDeviceDef, uuid),
    .by_name = true,
    .xml_flags = OBJECT_XML_INACTIVE,
};

/* ---- what was found ---- */

static void forget(Host *host, Nodedev *device)
{
    g_autoptr(Object) hold = object_ref(&device->object);

    if (device->live && device->live->path)
        g_hash_table_remove(host->nodedevs->by_path, device->live->path);
    if (device->config)
        object_set_live(hold, NULL);
    else
        object_unregister(hold); /* keeps live for those who hold a reference */
    log_debug("%s is gone", hold->name);
    object_publish_lifecycle(hold, VIR_NODE_DEVICE_EVENT_DELETED, 0);
}

typedef enum News { NEWS_NONE, NEWS_MAYBE, NEWS_SURE } News; /* did anybody tell of a change? */

/* @def is there (owned). Returns the device, borrowed. */
static Nodedev *take(Host *host, NodeDeviceDef *def, News news)
{
    Registry *registry = host_registry(host, &nodedev_class);
    Nodedev *at_path = def->path ? g_hash_table_lookup(host->nodedevs->by_path, def->path) : NULL;

    if (at_path && strcmp(at_path->name, def->name) != 0)
        forget(host, at_path); /* the same place, another device: a MAC address changed */
    g_autoptr(Object) object = registry_get_name(registry, def->name);
    if (object)
        object_ref(object);
    else
        object = object_new(registry, def->name, &def->uuid);
    Nodedev *device = (Nodedev *)object;
    const bool was_active = device->live != NULL;
    const bool differs = was_active && !xml_table_equal(&nodedev_table, device->live, def);
    if (was_active && device->live->path)
        g_hash_table_remove(host->nodedevs->by_path, device->live->path);
    object_set_live(object, def);
    if (def->path)
        g_hash_table_replace(host->nodedevs->by_path, g_strdup(def->path), device);
    object_list_it(object);
    if (!was_active && host->nodedevs->is_known)
        object_publish_lifecycle(object, VIR_NODE_DEVICE_EVENT_CREATED, 0);
    else if ((differs && news != NEWS_NONE) || (was_active && news == NEWS_SURE))
        object_publish(object, &(Event){ .id = (EventId)EVENT_NODE_DEVICE_UPDATE });
    return device;
}

/* ---- looking, in a worker ---- */

typedef struct LookJob {
    char *root;
    GPtrArray *paths; /* char *; NULL: all */
    GPtrArray *found; /* NodeDeviceDef, for each path one or NULL */
} LookJob;

static void look_job_free(void *data)
{
    LookJob *job = data;

    for (guint i = 0; job->found && i < job->found->len; i++)
        xml_table_free(&nodedev_table, g_ptr_array_index(job->found, i));
    g_clear_pointer(&job->found, g_ptr_array_unref);
    g_clear_pointer(&job->paths, g_ptr_array_unref);
    g_free(job->root);
    g_free(job);
}

static void look_job_run(void *data)
{
    LookJob *job = data;

    if (job->paths) {
        job->found = g_ptr_array_new();
        for (guint i = 0; i < job->paths->len; i++)
            g_ptr_array_add(job->found, sysdev_read(job->root, g_ptr_array_index(job->paths, i)));
        return;
    }
    job->found = sysdev_scan(job->root);
}

/* @paths owned; NULL: all. *ret_job: look_job_free() */
AWAITS static bool look(Host *host, GPtrArray *paths, LookJob **ret_job, Error **err)
{
    LookJob *job = g_new0(LookJob, 1);

    *job = (LookJob){ .root = g_strdup(host->paths->host_root), .paths = paths };
    if (!worker_run(worker_lane_named("devices"), look_job_run, job, look_job_free, SCAN_DEADLINE_MS, err))
        return error_prefix(err, "looking at the devices of this host");
    *ret_job = job;
    return true;
}

static NodeDeviceDef *steal_found(LookJob *job, guint index)
{
    NodeDeviceDef *def = g_ptr_array_index(job->found, index);

    g_ptr_array_index(job->found, index) = NULL;
    return def;
}

AWAITS static bool look_at_all(Host *host, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    LookJob *job = NULL;
    Object *object = NULL;

    if (!look(host, NULL, &job, err))
        return false;
    for (guint i = 0; i < job->found->len; i++)
        g_hash_table_add(seen, take(host, steal_found(job, i), NEWS_MAYBE));
    look_job_free(job);
    for (RegistryIter iter = registry_iter(host_registry(host, &nodedev_class));
         (object = registry_next(&iter));) {
        if (object->live && !g_hash_table_contains(seen, object))
            g_ptr_array_add(gone, object);
    }
    for (guint i = 0; i < gone->len; i++)
        forget(host, g_ptr_array_index(gone, i));
    return true;
}

AWAITS static bool look_at_dirty(Host *host, Error **err)
{
    GHashTable *dirty = g_steal_pointer(&host->nodedevs->dirty);
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer path = NULL;
    LookJob *job = NULL;

    host->nodedevs->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_iter_init(&iter, dirty);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        g_ptr_array_add(paths, g_strdup(path));
    const bool ok = look(host, paths, &job, err);
    for (guint i = 0; ok && i < job->found->len; i++) {
        const char *at = g_ptr_array_index(job->paths, i);
        Nodedev *known = g_hash_table_lookup(host->nodedevs->by_path, at);
        NodeDeviceDef *def = steal_found(job, i);
        if (def)
            take(host, def, g_hash_table_lookup(dirty, at) ? NEWS_SURE : NEWS_MAYBE);
        else if (known)
            forget(host, known);
    }
    if (ok)
        look_job_free(job);
    g_hash_table_unref(dirty);
    return ok;
}

/* All are known for the first time. */
AWAITS static void become_known(Host *host)
{
    g_autoptr(Error) err = NULL;

    if (!nodedev_load_definitions(host, &err))
        log_warning_error(err, "definitions of mediated devices");
    host->nodedevs->is_known = true;
    wait_queue_wake_all(&host->nodedevs->known);
    log_debug("%u devices", object_count(host_registry(host, &nodedev_class), true));
}

AWAITS static void look_fiber(void *arg)
{
    Host *host = arg;
    NodedevRoom *room = host->nodedevs;

    while (!host->is_stopping && (room->is_lost || g_hash_table_size(room->dirty) > 0)) {
        g_autoptr(Error) err = NULL;
        const bool all = room->is_lost;
        room->is_lost = false;
        if (!(all ? look_at_all(host, &err) : look_at_dirty(host, &err)))
            log_warning_error(err, "devices that came or went meanwhile are not known");
        else if (all && !room->is_known)
            become_known(host);
    }
    room->is_looking = false;
    wait_queue_wake_all(&room->known);
}

static void begin_looking(Host *host)
{
    if (host->nodedevs->is_looking || host->is_stopping)
        return;
    host->nodedevs->is_looking = true;
    host_spawn(host, "devices", look_fiber, host);
}

void nodedev_note(Host *host, const char *path, bool is_change)
{
    GHashTable *dirty = host->nodedevs->dirty;

    if (is_change || !g_hash_table_contains(dirty, path)) {
        char *key = g_strdup(path);
        g_hash_table_replace(dirty, key, is_change ? key : NULL);
    }
    begin_looking(host);
}

void nodedev_note_all(Host *host)
{
    host->nodedevs->is_lost = true;
    begin_looking(host);
}

Object *nodedev_look_at(Host *host, const char *path, Error **err)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    LookJob *job = NULL;
    Object *object = NULL;

    g_ptr_array_add(paths, g_strdup(path));
    if (!look(host, paths, &job, err))
        return NULL;
    NodeDeviceDef *def = steal_found(job, 0);
    look_job_free(job);
    Nodedev *known = g_hash_table_lookup(host->nodedevs->by_path, path);
    if (def)
        object = object_ref(&take(host, def, NEWS_NONE)->object);
    else if (known)
        forget(host, known);
    if (!object)
        error_set(err, ERROR_NO_NODE_DEVICE, "no node device at '%s'", path);
    return object;
}

/* ---- for clients ---- */

bool nodedev_wait(Host *host, Error **err)
{
    if (!host->nodedevs->is_known && !host->nodedevs->is_looking)
        nodedev_note_all(host); /* again, if that failed */
    while (!host->nodedevs->is_known && host->nodedevs->is_looking) {
        if (!wait_queue_wait(&host->nodedevs->known, WAIT_MS, err))
            return error_prefix(err, "the devices of this host are not known yet");
    }
    return host->nodedevs->is_known ||
           error_set(err, ERROR_TIMEOUT, "the devices of this host do not answer: the log says more");
}

bool nodedev_get_xml(Object *device, unsigned flags, const char *function, char **ret_xml, Error **err)
{
    const NodeDeviceDef *def = device->live;

    if (!check_flags(flags, OBJECT_XML_INACTIVE, function, err))
        return false;
    if (def && def->path && !(flags & OBJECT_XML_INACTIVE && device->config)) {
        g_autofree char *path = g_strdup(def->path);
        g_autoptr(Error) why = NULL;
        g_autoptr(Object) now = nodedev_look_at(device->host, path, &why);
        if (!now && error_code(why) != ERROR_NO_NODE_DEVICE)
            return error_propagate(err, g_steal_pointer(&why));
    }
    if (!object_require_listed(device, NULL))
        return error_set(err, ERROR_NO_NODE_DEVICE, "no node device with matching name '%s'", device->name);
    return object_get_xml(device, flags, function, ret_xml, err);
}

static bool wwn_is(const char *a, const char *b)
{
    return a && b && g_ascii_strcasecmp(a, b) == 0;
}

Object *nodedev_find_by_wwn(Host *host, const char *wwnn, const char *wwpn, Error **err)
{
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &nodedev_class));
         (object = registry_next(&iter));) {
        const NodedevCapPart *part = object->live ? nodedev_find_part(object->live, PART_FC_HOST) : NULL;
        if (part && object->is_listed && wwn_is(part->wwnn, wwnn) && wwn_is(part->wwpn, wwpn))
            return object_ref(object);
    }
    error_set(err, ERROR_NO_NODE_DEVICE, "no node device with matching wwnn '%s' and wwpn '%s'", wwnn, wwpn);
    return NULL;
}

/* ---- the room ---- */

void nodedev_load(Host *host)
{
    g_autoptr(Error) err = NULL;

    /* First the watch, so that nothing is missed in between. */
    if (!nodedev_watch(host, &err))
        log_warning_error(err, "devices that come and go are not noticed");
    nodedev_note_all(host);
}

static void nodedev_close(Host *host)
{
    NodedevRoom *room = g_steal_pointer(&host->nodedevs);

    sd_event_source_disable_unref(room->watch);
    wait_queue_clear(&room->known);
    g_hash_table_unref(room->by_path);
    g_hash_table_unref(room->dirty);
    g_free(room);
}

void nodedev_open(Host *host)
{
    host->nodedevs = g_new0(NodedevRoom, 1);
    host->nodedevs->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host->nodedevs->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    wait_queue_init(&host->nodedevs->known);
    host_add_class(host, &nodedev_class);
    host_on_free(host, nodedev_close);
}
