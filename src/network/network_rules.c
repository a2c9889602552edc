/* Rules of networks: what they follow from, and what becomes of them when others change theirs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include <string.h>
#include <sys/inotify.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "network/filter.h"
#include "network/firewall.h"
#include "network/link_watch.h"
#include "network/network_private.h"
#include "network/others.h"

/* A look at all rules costs what it costs: after one that took long, the next waits long. */
#define LOOK_PAUSE_MS 200
#define LOOK_PAUSE_FACTOR 10
#define LOOK_PAUSE_MAX_MS 30000

#define RULES_PATIENCE_MS 60000

static bool rules_begin(NetworkRoom *room, Error **err)
{
    while (room->is_changing_rules) {
        if (!wait_queue_wait(&room->rules_turn, RULES_PATIENCE_MS, err))
            return false;
    }
    room->is_changing_rules = true;
    return true;
}

static void rules_end(NetworkRoom *room)
{
    room->is_changing_rules = false;
    wait_queue_wake_one(&room->rules_turn);
}

bool network_apply_rules(Network *network, const NetworkDef *def, bool again, Error **err)
{
    NetworkRoom *room = network->host->networks;
    g_autoptr(GArray) forwards = network_resolve_forwards(network, def);
    g_autofree char *rules = firewall_format(def, forwards);

    if (!again && g_strcmp0(rules, network->rules) == 0)
        return true;
    if (!rules_begin(room, err))
        return false;
    network->has_rules = true;
    const bool ok = firewall_load(rules, err);
    rules_end(room);
    if (!ok)
        return false;
    g_free(network->rules);
    network->rules = g_steal_pointer(&rules);
    return true;
}

static bool has_last_rules(const Network *network)
{
    Host *host = network->host;
    Object *object = NULL;

    if (host->networks->is_resuming)
        return false;
    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        if (object != &network->object && ((Network *)object)->has_rules)
            return false;
    }
    return true;
}

bool network_remove_rules(Network *network, const NetworkDef *def, Error **err)
{
    NetworkRoom *room = network->host->networks;

    g_clear_pointer(&network->rules, g_free);
    if (!rules_begin(room, err))
        return false;
    const bool ok = firewall_remove(def, has_last_rules(network), err);
    network->has_rules = false;
    rules_end(room);
    return ok;
}

/* ---- rule sets of others ---- */

static void forget_others(Host *host)
{
    json_decref(host->networks->others);
    host->networks->others = NULL;
}

/* A reference. Kept until an event tells that they changed: each start would read all of them else. */
AWAITS static Json *read_others(Host *host, Error **err)
{
    NetworkRoom *room = host->networks;
    Json *read = NULL;

    if (room->others && room->watch)
        return json_incref(room->others);
    if (!others_read(&read, err))
        return NULL;
    forget_others(host);
    room->others = json_incref(read);
    return read;
}

bool network_enter_zone(Host *host, const NetworkDef *def, Error **err)
{
    if (def->zone)
        forget_others(host);
    return others_enter_zone(def, err);
}

void network_open_others(Network *network, const NetworkDef *def)
{
    g_autoptr(GPtrArray) remain = NULL;
    g_autoptr(Error) err = NULL;
    g_autoptr(Json) ruleset = read_others(network->host, &err);

    if (!ruleset) {
        log_warning_error(err, def->name);
        return;
    }
    /* A firewalld that starts anew has forgotten who was where. */
    if (others_left_zone(ruleset, def)) {
        if (!network_enter_zone(network->host, def, &err))
            log_warning_error(err, def->name);
        return;
    }
    if (others_let_through(ruleset, def, &remain))
        forget_others(network->host);
    /* Who changes rules all the time need not hear the same all the time. */
    const bool is_news = remain->len != network->n_dropped;
    network->n_dropped = remain->len;
    for (guint i = 0; is_news && i < remain->len; i++) {
        const OtherFinding *finding = g_ptr_array_index(remain, i);
        log_warning("network '%s': %s drops %s of its guests; this lets them through: %s", def->name,
                    finding->chain, finding->what, finding->command);
    }
}

void network_close_others(const Network *network, const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Json) ruleset = read_others(network->host, &err);

    if (ruleset && others_forget(ruleset, def))
        forget_others(network->host);
}

/* ---- what follows from ports and leases ---- */

AWAITS static void network_follow_once(Network *network)
{
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };

    if (!job_begin(&network->object, JOB_MODIFY, NULL, &job, &err) || !network->live)
        return;
    fiber_shield_begin();
    if (!network_apply_rules(network, network->live, false, &err))
        log_error_error(err, network->name);
    network_register_names(network, network->live);
    fiber_shield_end();
}

AWAITS static void network_follow_fiber(void *arg)
{
    Network *network = arg;
    g_autoptr(Object) object G_GNUC_UNUSED = &network->object;

    while (network->has_more_to_follow && !network->host->is_stopping) {
        network->has_more_to_follow = false;
        network_follow_once(network);
    }
    network->is_following = false;
}

void network_follow(Network *network)
{
    if (!network->live || !network_wants_leases(network->live))
        return;
    network->has_more_to_follow = true;
    if (network->is_following || network->host->is_stopping)
        return;
    network->is_following = true;
    host_spawn(network->host, "follow", network_follow_fiber, object_ref(&network->object));
}

static int network_on_leases(sd_event_source *source, const struct inotify_event *event, void *arg)
{
    Host *host = arg;

    if (event->len == 0 || !g_str_has_suffix(event->name, ".leases"))
        return 0;
    g_autofree char *name = g_strndup(event->name, strlen(event->name) - strlen(".leases"));
    Object *object = registry_get_name(host_registry(host, &network_class), name);
    if (object)
        network_follow((Network *)object);
    return 0;
}

/* dnsmasq writes its file whenever it lends an address. */
AWAITS static void network_watch_leases(Host *host)
{
    g_autoptr(Error) err = NULL;
    const char *dir = host->paths->dnsmasq;

    if (!file_make_dirs(dir, 0755, &err)) {
        log_warning_error(err, dir);
        return;
    }
    const int why = sd_event_add_inotify(loop_event(), &host->networks->leases, dir, IN_MODIFY | IN_MOVED_TO,
                                         network_on_leases, host);
    if (why < 0)
        log_warning("%s cannot be watched: forwarded ports do not follow leases: %s", dir, g_strerror(-why));
}

/* ---- rules that somebody removed ---- */

AWAITS static void network_restore_rules(Network *network)
{
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };

    if (!job_begin(&network->object, JOB_MODIFY, NULL, &job, &err) || !network->live)
        return;
    fiber_shield_begin();
    if (!network_apply_rules(network, network->live, true, &err))
        log_error_error(err, network->name);
    fiber_shield_end();
}

static GPtrArray *active_networks(Host *host)
{
    GPtrArray *networks = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        if (object->live)
            g_ptr_array_add(networks, object_ref(object));
    }
    return networks;
}

AWAITS static void network_restore_all_rules(void *arg)
{
    Host *host = arg;

    while (host->networks->rules_are_lost && !host->is_stopping) {
        host->networks->rules_are_lost = false;
        g_autoptr(GPtrArray) networks = active_networks(host);
        for (guint i = 0; i < networks->len && !host->is_stopping; i++)
            network_restore_rules(g_ptr_array_index(networks, i));
        if (networks->len > 0)
            log_warning("somebody removed rules of networks: they are back");
    }
    host->networks->is_checking = false;
}

/* ---- rule sets of others that changed ---- */

AWAITS static void look_at_others(Network *network)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&network->object, JOB_MODIFY, NULL, &job, NULL) || !network->live ||
        !NETWORK_HAS_OWN_BRIDGE(network->live->forward))
        return;
    fiber_shield_begin();
    network_open_others(network, network->live);
    fiber_shield_end();
}

AWAITS static void look_at_all_others(void *arg)
{
    Host *host = arg;
    uint64_t pause_ms = LOOK_PAUSE_MS;

    while (host->networks->others_changed && !host->is_stopping) {
        /* Who changes rules changes many. */
        (void)!wait_queue_wait(&host->hurry, pause_ms, NULL); /* the loop's condition says why it ended */
        host->networks->others_changed = false;
        const uint64_t begin = loop_now_ms();
        g_autoptr(GPtrArray) networks = active_networks(host);
        for (guint i = 0; i < networks->len && !host->is_stopping; i++)
            look_at_others(g_ptr_array_index(networks, i));
        pause_ms = CLAMP((loop_now_ms() - begin) * LOOK_PAUSE_FACTOR, LOOK_PAUSE_MS, LOOK_PAUSE_MAX_MS);
    }
    host->networks->is_looking = false;
}

static void network_on_rules_changed(bool are_ours, void *arg)
{
    Host *host = arg;
    NetworkRoom *room = host->networks;

    if (host->is_stopping)
        return;
    if (are_ours) {
        filter_check_rules(host);
        room->rules_are_lost = true;
        if (!room->is_checking) {
            room->is_checking = true;
            host_spawn(host, "firewall", network_restore_all_rules, host);
        }
        return;
    }
    forget_others(host);
    room->others_changed = true;
    if (!room->is_looking) {
        room->is_looking = true;
        host_spawn(host, "other rules", look_at_all_others, host);
    }
}

/* ---- bridges that somebody removed ---- */

AWAITS static void remake_fiber(void *arg)
{
    g_autoptr(Object) object = arg;

    network_remake((Network *)object);
}

static void network_on_link_removed(const char *name, void *arg)
{
    Host *host = arg;
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter)) && !host->is_stopping;) {
        const NetworkDef *live = object->live;
        if (live && live->bridge && NETWORK_HAS_OWN_BRIDGE(live->forward) &&
            (!name || strcmp(live->bridge, name) == 0))
            host_spawn(host, "bridge", remake_fiber, object_ref(object));
    }
}

void network_watch(Host *host)
{
    g_autoptr(Error) why = NULL;

    network_watch_leases(host);
    if (!firewall_watch(network_on_rules_changed, host, &host->networks->watch, &why))
        log_warning_error(why, "rules of networks that somebody removes are not put back at once");
    g_clear_pointer(&why, error_free);
    if (!link_watch(network_on_link_removed, host, &host->networks->links, &why))
        log_warning_error(why, "bridges of networks that somebody removes are not made again at once");
    network_on_rules_changed(false, host); /* while no daemon looked */
}
