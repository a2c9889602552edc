/* The host's interfaces for clients: lists, documents, definitions. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hostif"
#include "network/hostif.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/worker.h"
#include "core/object_store.h"
#include "network/hostif_private.h"
#include "wire/wire_enums.h"

#define TURN_MS 120000
#define PLAN_DEADLINE_MS 15000
#define FILE_MAX (1 << 20)

/* ---- one after the other ---- */

bool hostif_turn_begin(Host *host, HostifTurn *ret_turn, Error **err)
{
    HostifRoom *room = host->hostifs;

    while (room->is_busy) {
        if (!wait_queue_wait(&room->turn, TURN_MS, err))
            return error_prefix(err, "another change of the host's interfaces is being made");
    }
    room->is_busy = true;
    ret_turn->room = room;
    return true;
}

void hostif_turn_end(HostifTurn *turn)
{
    if (!turn->room)
        return;
    turn->room->is_busy = false;
    wait_queue_wake_one(&turn->room->turn);
    turn->room = NULL;
}

/* ---- writing files ---- */

typedef struct PlanJob {
    char *root, *name;
    HostifDef *def; /* NULL: it goes */
    HostifManager manager;
    GPtrArray *changes;
    bool only_manager;
} PlanJob;

static void plan_job_free(void *data)
{
    PlanJob *job = data;

    xml_table_free(&hostif_table, job->def);
    g_clear_pointer(&job->changes, g_ptr_array_unref);
    g_free(job->root);
    g_free(job->name);
    g_free(job);
}

static int index_of(const char *name)
{
    return (int)if_nametoindex(name);
}

/* Whoever has been told of it is told that it goes. */
static bool plan_removal(PlanJob *job, Error **err)
{
    job->changes = g_ptr_array_new_with_free_func(hostif_change_free);
    for (unsigned manager = 0; manager < MANAGER_COUNT; manager++) {
        g_autoptr(GPtrArray) changes = NULL;
        if (!hostif_plan((HostifManager)manager, job->root, job->name, NULL, &changes, err))
            return false;
        while (changes->len)
            g_ptr_array_add(job->changes, g_ptr_array_steal_index(changes, 0));
    }
    return true;
}

static bool plan_job_run(void *data, Error **err)
{
    PlanJob *job = data;
    const HostifDef *def = job->def;
    const HostifDef *first = def && def->ports ? g_ptr_array_index(def->ports, 0) : NULL;
    /* A bridge belongs to who has its ports: it may be nobody's yet, though the kernel has it. */
    const char *known = first ? first->name : def && def->lower ? def->lower : job->name;

    job->manager = hostif_find_manager(job->root, known, index_of(known));
    if (job->only_manager)
        return true;
    return def ? hostif_plan(job->manager, job->root, job->name, def, &job->changes, err)
               : plan_removal(job, err);
}

AWAITS static bool plan(Host *host, const char *name, const HostifDef *def, bool only_manager,
                        PlanJob **ret_job, Error **err)
{
    PlanJob *job = g_new0(PlanJob, 1);

    *job = (PlanJob){ .root = g_strdup(host->paths->root),
                      .name = g_strdup(name),
                      .def = def ? xml_table_copy(&hostif_table, def) : NULL,
                      .only_manager = only_manager };
    if (!worker_call(worker_lane_state(), plan_job_run, job, plan_job_free, PLAN_DEADLINE_MS, err))
        return false;
    *ret_job = job;
    return true;
}

bool hostif_get_manager(Host *host, const char *name, const HostifDef *def, HostifManager *ret_manager,
                        Error **err)
{
    PlanJob *job = NULL;

    if (!plan(host, name, def, true, &job, err))
        return false;
    *ret_manager = job->manager;
    plan_job_free(job);
    return true;
}

AWAITS static bool write_change(const HostifChange *change, Error **err)
{
    g_autofree char *folder = g_path_get_dirname(change->path);

    if (!change->text)
        return file_remove(change->path, err);
    return file_make_dirs(folder, 0755, err) &&
           file_replace(change->path, change->text, strlen(change->text), (mode_t)change->mode, err);
}

/* All of them, or none. */
AWAITS static bool write_changes(const GPtrArray *changes, Error **err)
{
    g_autoptr(GPtrArray) before = g_ptr_array_new_with_free_func(hostif_change_free);

    for (guint i = 0; i < changes->len; i++) {
        const HostifChange *change = g_ptr_array_index(changes, i);
        HostifChange *old = g_new0(HostifChange, 1);
        g_autoptr(Error) why = NULL;
        old->path = g_strdup(change->path);
        old->mode = change->mode;
        g_ptr_array_add(before, old);
        bool ok = file_read(change->path, FILE_MAX, &old->text, NULL, &why) || error_errno(why) == ENOENT;
        if (!ok)
            error_propagate(err, g_steal_pointer(&why));
        ok = ok && write_change(change, err);
        for (guint k = ok ? 0 : i + 1; k-- > 0;) {
            g_clear_pointer(&why, error_free);
            if (!write_change(g_ptr_array_index(before, k), &why))
                log_error_error(why, "taking back a change of the network's configuration");
        }
        if (!ok)
            return false;
    }
    return true;
}

bool hostif_write(Host *host, const char *name, const HostifDef *def, bool *ret_changed, Error **err)
{
    PlanJob *job = NULL;

    if (!plan(host, name, def, false, &job, err))
        return false;
    const bool ok = write_changes(job->changes, err);
    if (ok)
        log_info("interface '%s': %u files %s%s", name, job->changes->len,
                 def ? "say so now, for " : "do not have it any more",
                 def ? hostif_manager_name(job->manager) : "");
    if (ret_changed)
        *ret_changed = job->changes->len > 0;
    plan_job_free(job);
    return ok;
}

/* ---- the class ---- */

static bool hostif_complete(Host *host, void *def, bool trusted, Error **err)
{
    return hostif_def_complete(def, err);
}

AWAITS static bool hostif_accept(Object *object, const void *def, Error **err)
{
    return hostif_write(object->host, object->name, def, NULL, err);
}

AWAITS static bool hostif_undefine_hook(Object *object, Error **err)
{
    return hostif_write(object->host, object->name, NULL, NULL, err);
}

const ObjectClass hostif_class = {
    .kind = OBJECT_INTERFACE,
    .noun = "interface",
    .size = sizeof(Hostif),
    .missing = ERROR_NO_INTERFACE,
    .table = &hostif_table,
    .root = "interface",
    .def_name = offsetof(HostifDef, name),
    .def_uuid = offsetof(HostifDef, uuid),
    .by_name = true,
    .xml_flags = OBJECT_XML_INACTIVE,
    .edit_command = "iface-edit",
    .config_dir = offsetof(Paths, interfaces),
    .complete = hostif_complete,
    .accept = hostif_accept,
    .undefine = hostif_undefine_hook,
};

static Object *definition_of(const Host *host, const char *name)
{
    Object *object = registry_get_name(host_registry(host, &hostif_class), name);

    return object && object->config ? object : NULL;
}

/* ---- lists ---- */

void hostif_info_free(void *data)
{
    HostifInfo *info = data;

    if (info)
        g_free(info->name);
    g_free(info);
}

static HostifInfo *info_new(const char *name, const LinkInfo *link)
{
    HostifInfo *info = g_new0(HostifInfo, 1);

    info->name = g_strdup(name);
    if (link)
        mac_format(&link->mac, info->mac);
    info->is_active = link && link->operstate == OPER_UP;
    info->is_down = !link || link->operstate == OPER_DOWN;
    return info;
}

static int compare_infos(const void *a, const void *b)
{
    return strcmp((*(HostifInfo *const *)a)->name, (*(HostifInfo *const *)b)->name);
}

AWAITS static bool list_all(Host *host, bool with_parts, GPtrArray **ret_infos, Error **err)
{
    g_autoptr(HostifView) view = NULL;
    const Object *object = NULL;

    if (!hostif_view(&view, err))
        return false;
    GPtrArray *infos = g_ptr_array_new_with_free_func(hostif_info_free);
    for (guint i = 0; i < view->links->len; i++) {
        const LinkInfo *link = &g_array_index(view->links, LinkInfo, i);
        if (with_parts || !link->master)
            g_ptr_array_add(infos, info_new(link->name, link));
    }
    for (RegistryIter iter = registry_iter(host_registry(host, &hostif_class));
         (object = registry_next(&iter));) {
        if (object->is_listed && !hostif_view_find(view, object->name))
            g_ptr_array_add(infos, info_new(object->name, NULL));
    }
    g_ptr_array_sort(infos, compare_infos);
    *ret_infos = infos;
    return true;
}

bool hostif_list(Host *host, unsigned flags, const char *function, GPtrArray **ret_infos, Error **err)
{
    const unsigned both = VIR_CONNECT_LIST_INTERFACES_INACTIVE | VIR_CONNECT_LIST_INTERFACES_ACTIVE;
    GPtrArray *infos = NULL;

    if (!check_flags(flags, both, function, err) || !list_all(host, false, &infos, err))
        return false;
    for (guint i = infos->len; flags && i-- > 0;) {
        const HostifInfo *info = g_ptr_array_index(infos, i);
        if (!(flags &
              (info->is_active ? VIR_CONNECT_LIST_INTERFACES_ACTIVE : VIR_CONNECT_LIST_INTERFACES_INACTIVE)))
            g_ptr_array_remove_index(infos, i);
    }
    *ret_infos = infos;
    return true;
}

static HostifInfo *steal_info(GPtrArray *infos, guint index)
{
    HostifInfo *info = g_ptr_array_index(infos, index);

    g_ptr_array_index(infos, index) = NULL;
    return info;
}

bool hostif_find(Host *host, const char *name, HostifInfo **ret_info, Error **err)
{
    g_autoptr(GPtrArray) infos = NULL;

    if (!list_all(host, true, &infos, err))
        return false;
    for (guint i = 0; i < infos->len; i++) {
        if (strcmp(((const HostifInfo *)g_ptr_array_index(infos, i))->name, name) == 0) {
            *ret_info = steal_info(infos, i);
            return true;
        }
    }
    return error_set(err, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name);
}

bool hostif_find_by_mac(Host *host, const char *mac, HostifInfo **ret_info, Error **err)
{
    g_autoptr(GPtrArray) infos = NULL;
    guint found = G_MAXUINT;

    if (!list_all(host, true, &infos, err))
        return false;
    for (guint i = 0; i < infos->len; i++) {
        const HostifInfo *info = g_ptr_array_index(infos, i);
        if (!*info->mac || g_ascii_strcasecmp(info->mac, mac) != 0)
            continue;
        if (found != G_MAXUINT) {
            error_set(err, ERROR_OPERATION_FAILED, "the MAC address '%s' matches multiple interfaces", mac);
            if (err)
                error_set_remote(*err, VIR_ERR_MULTIPLE_INTERFACES, VIR_FROM_INTERFACE);
            return false;
        }
        found = i;
    }
    if (found == G_MAXUINT)
        return error_set(err, ERROR_NO_INTERFACE, "couldn't find interface with MAC address '%s'", mac);
    *ret_info = steal_info(infos, found);
    return true;
}

/* ---- documents ---- */

bool hostif_get_xml(Host *host, const char *name, unsigned flags, const char *function, char **ret_xml,
                    Error **err)
{
    HostifDef *def = NULL;

    if (!check_flags(flags, OBJECT_XML_INACTIVE, function, err))
        return false;
    const Object *object = definition_of(host, name);
    if (object && flags & OBJECT_XML_INACTIVE) {
        *ret_xml = object_format(&hostif_class, object->config, XML_FORMAT_INACTIVE);
        return true;
    }
    const HostifDetail detail = flags & OBJECT_XML_INACTIVE ? DETAIL_CONFIG
                                : object                    ? DETAIL_ADDRESSES
                                                            : DETAIL_PLAIN;
    if (!hostif_describe(name, detail, &def, err))
        return false;
    object = definition_of(host, name);
    if (!def && !object)
        return error_set(err, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name);
    *ret_xml = object_format(&hostif_class, def ? (const void *)def : object->config, 0);
    xml_table_free(&hostif_table, def);
    return true;
}

/* ---- changes ---- */

bool hostif_define(Host *host, const char *xml, unsigned flags, const char *function, const Caller *caller,
                   HostifInfo **ret_info, Error **err)
{
    g_auto(HostifTurn) turn = { 0 };

    if (!hostif_turn_begin(host, &turn, err))
        return false;
    g_autoptr(Object) object = object_define(host, &hostif_class, xml, flags, function, caller, err);
    return object && hostif_find(host, object->name, ret_info, err);
}

/* It becomes a part of paths and an argument of programs; no interface that is managed has another one. */
static bool check_name(const char *name, Error **err)
{
    return hostif_name_is_valid(name) ||
           error_set(err, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name);
}

AWAITS static bool undefine(Host *host, const char *name, const Caller *caller, Error **err)
{
    Object *known = definition_of(host, name);
    bool changed = false;

    if (known) {
        g_autoptr(Object) object = object_ref(known);
        return object_undefine(object, caller, err);
    }
    if (!hostif_write(host, name, NULL, &changed, err))
        return false;
    return changed || error_set(err, ERROR_INVALID_STATE, "interface '%s' has no definition", name);
}

bool hostif_undefine(Host *host, const char *name, const Caller *caller, Error **err)
{
    g_auto(HostifTurn) turn = { 0 };
    HostifManager manager = MANAGER_NONE;

    if (!check_name(name, err) || !hostif_turn_begin(host, &turn, err))
        return false;
    const Object *known = definition_of(host, name);
    HostifDef *def = known ? xml_table_copy(&hostif_table, known->config) : NULL;
    const bool ok = hostif_get_manager(host, name, def, &manager, err) && undefine(host, name, caller, err);
    xml_table_free(&hostif_table, def);
    /* A manager may take down what it forgets while it is there. */
    if (ok && if_nametoindex(name) == 0)
        hostif_manager_forget(host, manager);
    return ok;
}

bool hostif_set_running(Host *host, const char *name, bool running, Error **err)
{
    HostifManager manager = MANAGER_NONE;
    HostifDef *now = NULL;

    if (!hostif_describe(name, DETAIL_CONFIG, &now, err))
        return false;
    const Object *object = definition_of(host, name);
    HostifDef *def = object ? xml_table_copy(&hostif_table, object->config) : now;
    bool ok = def || error_set(err, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name);
    ok = ok && hostif_get_manager(host, name, def, &manager, err) &&
         (running ? hostif_manager_start(host, manager, def, err)
                  : hostif_manager_stop(host, manager, def, err));
    if (def != now)
        xml_table_free(&hostif_table, now);
    xml_table_free(&hostif_table, def);
    return ok;
}

/* @running: what it is to become. */
AWAITS static bool change_running(Host *host, const char *name, bool running, const Caller *caller,
                                  Error **err)
{
    g_autoptr(HostifView) view = NULL;
    g_auto(HostifTurn) turn = { 0 };

    if (!check_name(name, err) || !hostif_turn_begin(host, &turn, err) || !hostif_view(&view, err))
        return false;
    const LinkInfo *link = hostif_view_find(view, name);
    const bool is_up = link && link->flags & IFF_UP;
    if (!link && !definition_of(host, name))
        return error_set(err, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name);
    HostifManager manager = MANAGER_NONE;
    if (is_up == running && !hostif_get_manager(host, name, NULL, &manager, err))
        return false;
    /* What a manager has up by something else is started by its definition. */
    if (is_up == running && !(running && definition_of(host, name) && hostif_manager_acts(host, manager)))
        return error_set(err, ERROR_INVALID_STATE, "interface is %s running", running ? "already" : "not");
    if (!hostif_set_running(host, name, running, err))
        return false;
    log_info("interface '%s' %s by %s", name, running ? "started" : "stopped", caller_describe(caller));
    return true;
}

bool hostif_start(Host *host, const char *name, const Caller *caller, Error **err)
{
    return change_running(host, name, true, caller, err);
}

bool hostif_stop(Host *host, const char *name, const Caller *caller, Error **err)
{
    return change_running(host, name, false, caller, err);
}

/* ---- the room ---- */

bool hostif_load(Host *host, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (host->paths->is_session)
        return true;
    if (!hostif_rollback_at_boot(host, &why))
        log_error_error(why, "taking back changes of the network's configuration");
    g_clear_pointer(&why, error_free);
    if (!file_remove_leftovers(host->paths->interfaces, err) || !object_store_load(host, &hostif_class, err))
        return false;
    if (!hostif_load_trial(host, &why))
        log_error_error(why, "a bridge that waits to be confirmed");
    return true;
}

static void hostif_close(Host *host)
{
    HostifRoom *room = g_steal_pointer(&host->hostifs);

    sd_event_source_disable_unref(room->trial);
    wait_queue_clear(&room->turn);
    g_free(room);
}

void hostif_open(Host *host)
{
    host->hostifs = g_new0(HostifRoom, 1);
    wait_queue_init(&host->hostifs->turn);
    host_add_class(host, &hostif_class);
    host_on_free(host, hostif_close);
}
