/* The class of networks: definitions, starting and stopping, what an earlier daemon had started. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/network.h"

#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/xml_internal.h"
#include "core/object_store.h"
#include "network/firewall.h"
#include "network/network_private.h"
#include "wire/wire_enums.h"

#define BRIDGES_MAX 10000
#define RESTART_MIN_MS 200
#define RESTART_MAX_MS 60000

const NetworkDef *network_def(const Object *network)
{
    return object_def(network);
}

/* ---- definitions ---- */

static bool bridge_is_used(Host *host, const NetworkDef *self, const char *name)
{
    const Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        const NetworkDef *const defs[] = { object->config, object->live, object->coming };
        if (uuid_equal(&object->uuid, &self->uuid))
            continue;
        for (unsigned i = 0; i < G_N_ELEMENTS(defs); i++) {
            if (defs[i] && NETWORK_HAS_OWN_BRIDGE(defs[i]->forward) && g_strcmp0(defs[i]->bridge, name) == 0)
                return true;
        }
    }
    return false;
}

static bool choose_bridge(Host *host, NetworkDef *def, Error **err)
{
    for (unsigned i = 0; i < BRIDGES_MAX; i++) {
        char name[IF_NAMESIZE];
        g_snprintf(name, sizeof(name), "virbr%u", i);
        if (!bridge_is_used(host, def, name) && if_nametoindex(name) == 0) {
            def->bridge = g_strdup(name);
            return true;
        }
    }
    return error_set(err, ERROR_INTERNAL, "Bridge generation exceeded max id %d", BRIDGES_MAX);
}

static bool network_complete_hook(Host *host, void *new_def, bool trusted, Error **err)
{
    NetworkDef *def = new_def;

    if (!network_def_complete(def, err) ||
        (!trusted && (!network_def_validate(def, err) || !network_pool_check(def, err))))
        return false;
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward))
        return true;
    if (!def->bridge && !choose_bridge(host, def, err))
        return false;
    if (!def->has_mac) {
        random_bytes(def->mac.bytes, sizeof(def->mac.bytes));
        memcpy(def->mac.bytes, (const uint8_t[]){ 0x52, 0x54, 0x00 }, 3);
        def->has_mac = true;
    }
    return true;
}

AWAITS static bool network_accept_hook(Object *object, const void *new_def, Error **err)
{
    const NetworkDef *def = new_def;

    if (NETWORK_HAS_OWN_BRIDGE(def->forward) && bridge_is_used(object->host, def, def->bridge))
        return error_set(err, ERROR_INTERNAL, "bridge name '%s' already in use.", def->bridge);
    return true;
}

/* ---- what is remembered of active networks ---- */

static char *network_state_path(const Network *network)
{
    g_autofree char *file = g_strconcat(network->name, ".xml", NULL);

    return path_join(network->host->paths->run_network, file);
}

AWAITS static bool network_remember(Network *network, const NetworkDef *def, Error **err)
{
    g_autofree char *path = network_state_path(network);
    GString *text = g_string_new("<networkstatus>\n");

    xml_table_write(&network_table, "network", def, 0, 2, text);
    g_string_append(text, "</networkstatus>\n");
    const bool ok = file_replace_volatile(path, text->str, text->len, 0600, err);
    g_string_free(text, TRUE);
    return ok;
}

/* ---- dnsmasq ---- */

static void network_watch_dnsmasq(Network *network);

AWAITS static void network_restart_dnsmasq(void *arg)
{
    Network *network = arg;
    g_autoptr(Object) object = &network->object;
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };

    if (!job_begin(object, JOB_MODIFY, NULL, &job, &err) || !network->live || network->dnsmasq)
        return;
    if (dnsmasq_start(network->live, &network->paths, &network->dnsmasq, &err)) {
        log_info("dnsmasq of network '%s' runs again", network->name);
        network_watch_dnsmasq(network);
        return;
    }
    log_error_error(err, network->name);
    network_watch_dnsmasq(network); /* tries again, later */
}

static int network_on_restart(sd_event_source *source, uint64_t usec, void *arg)
{
    Network *network = arg;

    network->restart = sd_event_source_disable_unref(network->restart);
    if (network->live && !network->host->is_stopping)
        host_spawn(network->host, "dnsmasq", network_restart_dnsmasq, object_ref(&network->object));
    return 0;
}

static void network_restart_later(Network *network)
{
    const uint64_t delay_ms = MIN((uint64_t)RESTART_MIN_MS << MIN(network->n_failures, 9), RESTART_MAX_MS);

    network->n_failures++;
    network->restart = sd_event_source_disable_unref(network->restart);
    (void)sd_event_add_time_relative(loop_event(), &network->restart, CLOCK_MONOTONIC, delay_ms * 1000, 0,
                                     network_on_restart, network);
}

static void network_on_dnsmasq_exit(Process *process, void *arg)
{
    Network *network = arg;

    log_warning("dnsmasq of network '%s' has ended", network->name);
    g_clear_pointer(&network->dnsmasq, process_free);
    network_restart_later(network);
}

static void network_watch_dnsmasq(Network *network)
{
    if (network->dnsmasq)
        process_on_exit(network->dnsmasq, network_on_dnsmasq_exit, network);
    else
        network_restart_later(network);
}

/* Lets go of it: it goes on. */
static void network_release(Network *network)
{
    network->restart = sd_event_source_disable_unref(network->restart);
    if (network->dnsmasq)
        process_on_exit(network->dnsmasq, NULL, NULL);
    g_clear_pointer(&network->dnsmasq, process_free);
}

/* ---- starting and stopping ---- */

/* What a running network says beyond its definition. */
static void network_fill_live(NetworkDef *def)
{
    if (def->forward == NETWORK_NAT && !def->nat_port_start && !def->nat_port_end) {
        def->nat_port_start = 1024;
        def->nat_port_end = 65535;
    }
}

/* One that an earlier life of the network left has its sockets: it goes. */
AWAITS static bool network_start_dnsmasq(Network *network, const NetworkDef *def, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!dnsmasq_is_wanted(def) || dnsmasq_start(def, &network->paths, &network->dnsmasq, &why))
        return true;
    Process *stale = dnsmasq_find(&network->paths);
    if (!stale)
        return error_propagate(err, g_steal_pointer(&why));
    dnsmasq_stop(&network->paths, stale, true);
    return dnsmasq_start(def, &network->paths, &network->dnsmasq, err);
}

AWAITS static bool network_up(Network *network, const NetworkDef *def, Error **err)
{
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward))
        return network_shape(network, def, err);
    if (!network_bridge_up(network->host, def, err))
        return false;
    if (network_enter_zone(network->host, def, err) && network_shape(network, def, err) &&
        network_apply_rules(network, def, true, err) && network_start_dnsmasq(network, def, err)) {
        network_open_others(network, def);
        network_register_names(network, def);
        return true;
    }
    if (!network_remove_rules(network, def, NULL))
        log_debug("network '%s': no rules to take back", network->name);
    network_unshape(def);
    network_bridge_down(def);
    return false;
}

/* Its leases stay: who had an address gets it again. */
AWAITS static void network_stop_dnsmasq(Network *network)
{
    Process *dnsmasq = g_steal_pointer(&network->dnsmasq);

    if (dnsmasq)
        process_on_exit(dnsmasq, NULL, NULL);
    network->restart = sd_event_source_disable_unref(network->restart);
    dnsmasq_stop(&network->paths, dnsmasq, true);
}

AWAITS static void network_down(Network *network, const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;

    network_unshape(def);
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward))
        return;
    network_unregister_names(network, def);
    network_stop_dnsmasq(network);
    network_close_others(network, def);
    if (!network_remove_rules(network, def, &err))
        log_warning_error(err, network->name);
    network->was_remade = false;
    network->n_dropped = 0;
    network_bridge_down(def);
}

/* dnsmasq reads files of static hosts and names again; for all else it has to start anew. */
AWAITS static bool network_change_dnsmasq(Network *network, const NetworkDef *def, Error **err)
{
    g_autofree char *old_conf = NULL, *new_conf = NULL;

    if (!dnsmasq_is_wanted(def))
        return true;
    if (!dnsmasq_format_conf(network->live, &network->paths, &old_conf, err) ||
        !dnsmasq_format_conf(def, &network->paths, &new_conf, err))
        return false;
    if (strcmp(old_conf, new_conf) == 0)
        return dnsmasq_reload(def, &network->paths, &network->dnsmasq, err);
    network_stop_dnsmasq(network);
    const bool ok = dnsmasq_start(def, &network->paths, &network->dnsmasq, err);
    if (ok)
        network_watch_dnsmasq(network);
    return ok;
}

bool network_change_live(Network *network, const NetworkDef *def, Error **err)
{
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward))
        return network_remember(network, def, err);
    if (network_apply_rules(network, def, false, err) && network_change_dnsmasq(network, def, err) &&
        network_remember(network, def, err))
        return true;
    if (!network_apply_rules(network, network->live, true, NULL))
        log_warning("network '%s': the rules of before could not be put back", network->name);
    network_stop_dnsmasq(network);
    if (dnsmasq_is_wanted(network->live)) {
        if (!dnsmasq_start(network->live, &network->paths, &network->dnsmasq, NULL))
            log_warning("dnsmasq of network '%s' does not start again yet", network->name);
        network_watch_dnsmasq(network);
    }
    return false;
}

static void network_init_paths(Network *network)
{
    const Paths *paths = network->host->paths;

    dnsmasq_paths_clear(&network->paths);
    dnsmasq_paths_init(&network->paths, paths->dnsmasq, paths->run_network, network->name);
}

AWAITS static bool network_start_hook(Object *object, void *new_def, unsigned flags, Error **err)
{
    Network *network = (Network *)object;
    NetworkDef *def = new_def;

    if (!network_pool_fill(def, err)) {
        xml_table_free(&network_table, def);
        return false;
    }
    network_fill_live(def);
    network_init_paths(network);
    fiber_shield_begin(); /* what was made halfway is taken back whole */
    /* Remembered first: whoever finds half a network then makes the rest. */
    bool ok = network_remember(network, def, err);
    if (ok && !network_up(network, def, err)) {
        g_autofree char *path = network_state_path(network);
        ok = false;
        if (!file_remove(path, NULL))
            log_warning("%s cannot be removed", path);
    }
    fiber_shield_end();
    if (!ok) {
        xml_table_free(&network_table, def);
        return false;
    }
    network->n_failures = 0;
    if (network->dnsmasq)
        network_watch_dnsmasq(network);
    object_set_live(object, def);
    object_list_it(object);
    object_publish_lifecycle(object, VIR_NETWORK_EVENT_STARTED, 0);
    if (network->host->networks->on_started)
        network->host->networks->on_started(network->host, network->name);
    return true;
}

AWAITS static bool network_stop_hook(Object *object, Error **err)
{
    Network *network = (Network *)object;
    g_autofree char *path = network_state_path(network);
    g_autoptr(Error) why = NULL;

    fiber_shield_begin();
    network_down(network, network->live);
    network_drop_ports(network);
    if (!file_remove(path, &why))
        log_warning_error(why, path);
    fiber_shield_end();
    object_set_live(object, NULL);
    object_publish_lifecycle(object, VIR_NETWORK_EVENT_STOPPED, 0);
    return true;
}

static void network_free_hook(Object *object)
{
    Network *network = (Network *)object;

    network_release(network);
    dnsmasq_paths_clear(&network->paths);
    g_ptr_array_unref(network->ports);
    g_free(network->rules);
}

static void network_port_free(void *port)
{
    xml_table_free(&network_port_table, port);
}

static void network_init_hook(Object *object)
{
    ((Network *)object)->ports = g_ptr_array_new_with_free_func(network_port_free);
}

static const ObjectFilter network_filters[] = {
    { 3, object_flag_inactive }, { 12, object_flag_persistent }, { 48, object_flag_autostart }, { 0 }
};

const ObjectClass network_class = {
    .kind = OBJECT_NETWORK,
    .noun = "network",
    .size = sizeof(Network),
    .missing = ERROR_NO_NETWORK,
    .filters = network_filters,
    .table = &network_table,
    .root = "network",
    .def_name = offsetof(NetworkDef, name),
    .def_uuid = offsetof(NetworkDef, uuid),
    .xml_flags = OBJECT_XML_INACTIVE,
    .create_validate = VIR_NETWORK_CREATE_VALIDATE,
    .edit_command = "net-edit",
    .config_dir = offsetof(Paths, networks),
    .autostart_dir = offsetof(Paths, networks_autostart),
    .complete = network_complete_hook,
    .accept = network_accept_hook,
    .start = network_start_hook,
    .stop = network_stop_hook,
    .init = network_init_hook,
    .free = network_free_hook,
};

bool network_get_bridge(const Object *object, char **ret_name, Error **err)
{
    const NetworkDef *def = network_def(object);

    if (!def->bridge)
        return error_set(err, ERROR_INTERNAL, "network '%s' does not have a bridge name.", object->name);
    *ret_name = g_strdup(def->bridge);
    return true;
}

/* ---- bridges that somebody removed ---- */

void network_remake(Network *network)
{
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };

    if (!job_begin(&network->object, JOB_MODIFY, NULL, &job, &err) || !network->live ||
        !NETWORK_HAS_OWN_BRIDGE(network->live->forward) || if_nametoindex(network->live->bridge) != 0)
        return;
    log_warning("somebody removed the bridge of network '%s': it is made again", network->name);
    fiber_shield_begin();
    network_down(network, network->live);
    network->was_remade = network_up(network, network->live, &err);
    if (network->was_remade && network->dnsmasq)
        network_watch_dnsmasq(network);
    fiber_shield_end();
    if (!network->was_remade)
        log_error_error(err, network->name);
    else if (network->host->networks->on_started)
        network->host->networks->on_started(network->host, network->name);
}

/* ---- what the daemon finds when it starts ---- */

AWAITS static bool network_read_state(Host *host, const char *path, NetworkDef **ret_def, Error **err)
{
    XmlReader reader = { .source = path };
    g_autofree char *text = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;
    size_t len = 0;

    if (!file_read(path, 1 << 20, &text, &len, err) || !xml_document_read(text, len, path, &doc, err))
        return false;
    const xmlNode *node = xmlFirstElementChild(xmlDocGetRootElement(doc));
    while (node && strcmp((const char *)node->name, "network") != 0)
        node = xmlNextElementSibling((xmlNode *)node);
    if (!node)
        return error_set(err, ERROR_XML_INVALID, "%s: there is no network in it", path);
    if (!xml_table_read(&network_table, &reader, node, &def, err))
        return false;
    if (!network_complete_hook(host, def, true, err)) {
        xml_table_free(&network_table, def);
        return false;
    }
    *ret_def = def;
    return true;
}

/* Puts back what is missing. @def owned, also on failure. */
AWAITS static bool network_resume(Host *host, NetworkDef *def, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!object_acquire(host_registry(host, &network_class), def->name, &def->uuid, JOB_START, NULL, &job,
                        err)) {
        xml_table_free(&network_table, def);
        return false;
    }
    Network *network = (Network *)job.object;
    const bool is_own = NETWORK_HAS_OWN_BRIDGE(def->forward);
    bool ok = true;
    network_init_paths(network);
    network_load_ports(network); /* a bridge that is made again guarantees them what it did */
    network->dnsmasq = is_own ? dnsmasq_find(&network->paths) : NULL;
    if (is_own && !network_bridge_repair(def)) {
        log_warning("the bridge of network '%s' is gone: it is made again", network->name);
        network_down(network, def);
        ok = network_up(network, def, err);
        network->was_remade = ok;
    } else if (is_own) {
        ok = network_apply_rules(network, def, true, err); /* as this version writes them */
        if (ok && dnsmasq_is_wanted(def) && !network->dnsmasq)
            ok = dnsmasq_start(def, &network->paths, &network->dnsmasq, err);
    }
    if (!ok) {
        xml_table_free(&network_table, def);
        object_release_embryo(&network->object);
        return false;
    }
    if (network->dnsmasq)
        network_watch_dnsmasq(network);
    object_set_live(&network->object, def);
    network_count_ports(network);
    object_list_it(&network->object);
    network_follow(network); /* its ports are known only now, and leases may have changed */
    return true;
}

typedef struct FoundState {
    Host *host;
    char *path;
} FoundState;

AWAITS static void network_resume_one(void *item)
{
    const FoundState *found = item;
    g_autoptr(Error) err = NULL;
    NetworkDef *def = NULL;

    if (!network_read_state(found->host, found->path, &def, &err) || !network_resume(found->host, def, &err))
        log_error_error(err, found->path);
}

AWAITS static void network_resume_all(Host *host)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GArray) found = g_array_new(FALSE, TRUE, sizeof(FoundState));

    if (!file_remove_leftovers(host->paths->run_network, NULL) ||
        !file_list_dir(host->paths->run_network, &names, NULL))
        return;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (g_str_has_suffix(name, ".xml"))
            g_array_append_val(found, ((FoundState){ .host = host,
                                                     .path = path_join(host->paths->run_network, name) }));
    }
    host->networks->is_resuming = true;
    fiber_run_all("network", network_resume_one, found->data, found->len, sizeof(FoundState));
    host->networks->is_resuming = false;
    for (guint i = 0; i < found->len; i++)
        g_free(g_array_index(found, FoundState, i).path);
}

/* @bridge NULL: virbrN. A reference. */
AWAITS static Object *network_define_on_free_subnet(Host *host, const char *name, const char *forward,
                                                    const char *bridge, const Caller *caller, Error **err)
{
    g_autoptr(GString) xml = g_string_new("<network><name>");
    unsigned third = 0;

    if (!network_find_subnet(host, &third, err))
        return NULL;
    xml_escape(name, xml);
    g_string_append(xml, "</name>");
    if (forward)
        g_string_append_printf(xml, "<forward mode='%s'/>", forward);
    g_string_append_printf(xml,
                           bridge ? "<bridge name='%s' stp='on' delay='0'/>" : "<bridge stp='on' delay='0'/>",
                           bridge);
    g_string_append_printf(xml,
                           "<ip address='192.168.%u.1' netmask='255.255.255.0'><dhcp><range "
                           "start='192.168.%u.2' "
                           "end='192.168.%u.254'/></dhcp></ip></network>",
                           third, third, third);
    return object_define(host, &network_class, xml->str, 0, __func__, caller, err);
}

AWAITS static bool network_make_default(Host *host, Error **err)
{
    g_autoptr(Object) network = network_define_on_free_subnet(host, "default", "nat", "virbr0", NULL, err);

    /* A daemon on a root of its own does nothing to the host unasked. */
    return network && (*host->paths->root || object_set_autostart(network, true, NULL, err));
}

Object *network_make(Host *host, const char *name, const char *forward, const Caller *caller, Error **err)
{
    static const char *const modes[] = { "nat", "route", "open", NULL };
    g_autoptr(Object) have = object_find_by_name(host_registry(host, &network_class), name, NULL);

    if (forward && !g_strv_contains(modes, forward)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "no network of mode '%s' can be made without saying more",
                  forward);
        error_hint(err, "nat, route or open; for all else write a document: lodge net-define");
        return NULL;
    }
    if (have) {
        error_set(err, ERROR_OPERATION_FAILED, "network '%s' already exists with uuid of its own", name);
        error_hint(err, "start it: lodge net-start %s; or remove it first: lodge net-undefine %s", name,
                   name);
        return NULL;
    }
    g_autoptr(Object) network = network_define_on_free_subnet(host, name, forward, NULL, caller, err);
    if (network && object_set_autostart(network, true, caller, err) &&
        object_start(network, 0, __func__, caller, err))
        return g_steal_pointer(&network);
    if (network && !object_undefine(network, caller, NULL))
        log_warning("network '%s' was made and cannot be removed", name);
    return NULL;
}

bool network_load(Host *host, Error **err)
{
    g_autoptr(Error) why = NULL;
    const bool is_new = !host->paths->is_session && access(host->paths->networks, F_OK) != 0;

    if (!file_make_dirs(host->paths->networks_autostart, host->paths->is_session ? 0700 : 0755, err) ||
        !file_remove_leftovers(host->paths->networks, err) || !object_store_load(host, &network_class, err))
        return false;
    network_resume_all(host);
    if (!host->paths->is_session)
        network_watch(host);
    host->networks->default_is_new = is_new;
    if (is_new && !network_make_default(host, &why))
        log_warning_error(why, "the network 'default' could not be made");
    return true;
}

AWAITS static void network_autostart_one(void *item)
{
    g_autoptr(Object) object = *(Object **)item;
    g_autoptr(Error) err = NULL;

    if (!object->live && object->is_listed && !object_start(object, 0, __func__, NULL, &err)) {
        g_autofree char *what = g_strdup_printf("autostart of network '%s' failed", object->name);
        log_error_error(err, what);
    }
}

void network_autostart_all(Host *host, bool is_first)
{
    Object *object = NULL;
    g_autoptr(GPtrArray) networks = g_ptr_array_new();

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        const bool is_wanted =
            is_first || (host->networks->default_is_new && strcmp(object->name, "default") == 0);
        if (object->is_listed && object->autostart && !object->live && is_wanted)
            g_ptr_array_add(networks, object_ref(object)); /* network_autostart_one() lets go of it */
    }
    fiber_run_all("autostart", network_autostart_one, networks->pdata, networks->len, sizeof(Object *));
}

void network_on_started(Host *host, void (*func)(Host *host, const char *name))
{
    host->networks->on_started = func;
}

static void network_room_close(Host *host)
{
    sd_event_source_disable_unref(host->networks->watch);
    sd_event_source_disable_unref(host->networks->leases);
    sd_event_source_disable_unref(host->networks->links);
    wait_queue_clear(&host->networks->hosts_turn);
    wait_queue_clear(&host->networks->rules_turn);
    json_decref(host->networks->others);
    g_clear_pointer(&host->networks, g_free); /* the networks are gone: network_free_hook() */
}

void network_open(Host *host)
{
    host->networks = g_new0(NetworkRoom, 1);
    wait_queue_init(&host->networks->hosts_turn);
    wait_queue_init(&host->networks->rules_turn);
    host_add_class(host, &network_class);
    host_on_free(host, network_room_close);
}
