/* Bindings: which interface is filtered how, and what was learned of its guest.
 *
 * A binding is active as long as it is there. Its document is a file in run/, with the addresses that were
 * learned beside it, so that a restarted daemon goes on where the last one stopped. The rules outlive the
 * daemon; the next one makes them again in one transaction, in case they are others by now. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "filter"
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/units.h"
#include "network/filter_group.h"
#include "network/filter_private.h"

#define IP6_KEPT_S 3600     /* while there is no room for another */
#define REFRESH_MIN_MS 1000 /* between two changes of an interface's rules that its guest can cause */

const FilterBindingDef *filter_binding_def(const FilterBinding *binding)
{
    return binding->wanted ? binding->wanted : binding->live;
}

const char *filter_binding_filter(const Object *object)
{
    const FilterBinding *binding = (const FilterBinding *)object;

    return binding->live ? binding->live->filter : "";
}

/* ---- files ---- */

static char *binding_path(const FilterBinding *binding, const char *suffix)
{
    g_autofree char *file = g_strconcat(binding->name, suffix, NULL);

    return path_join(binding->host->paths->run_binding, file);
}

AWAITS static bool binding_store(const FilterBinding *binding, const FilterBindingDef *def, Error **err)
{
    g_autofree char *path = binding_path(binding, ".xml");
    g_autofree char *text = object_format(&filter_binding_class, def, 0);

    return file_replace_volatile(path, text, strlen(text), 0600, err);
}

static void put_address(const FilterAddress *address, GString *out)
{
    char ip[IP_STRING_LEN];

    ip_format(&address->ip, ip);
    g_string_append_printf(out, "%s %" PRId64 "\n", ip, address->expiry_s);
}

AWAITS static void binding_store_learned(FilterBinding *binding)
{
    g_autofree char *path = binding_path(binding, ".learned");
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(Error) err = NULL;

    binding->is_unstored = false;
    for (guint i = 0; i < binding->learned->len; i++)
        put_address(&g_array_index(binding->learned, FilterAddress, i), text);
    for (guint i = 0; i < binding->ip6->len; i++)
        put_address(&g_array_index(binding->ip6, FilterAddress, i), text);
    if (!file_replace_volatile(path, text->str, text->len, 0600, &err))
        log_warning_error(err, path);
}

void filter_bindings_store_learned(Host *host)
{
    g_autoptr(GPtrArray) unstored = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &filter_binding_class));
         (object = registry_next(&iter));) {
        if (((FilterBinding *)object)->is_unstored)
            g_ptr_array_add(unstored, object_ref(object));
    }
    for (guint i = 0; i < unstored->len; i++) {
        FilterBinding *binding = g_ptr_array_index(unstored, i);
        if (binding->live) /* else it went meanwhile */
            binding_store_learned(binding);
    }
}

AWAITS static void binding_load_learned(FilterBinding *binding)
{
    g_autofree char *path = binding_path(binding, ".learned");
    g_autofree char *text = NULL;
    size_t len = 0;

    if (!file_read(path, 65536, &text, &len, NULL))
        return; /* nothing was learned */
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        FilterAddress address = { 0 };
        char *blank = strchr(*line, ' ');
        if (!blank)
            continue;
        *blank = '\0';
        if (!ip_parse(*line, &address.ip) || !parse_int(blank + 1, &address.expiry_s, NULL))
            continue;
        GArray *list = address.ip.is_v6 ? binding->ip6 : binding->learned;
        if (list->len < FILTER_ADDRESSES_MAX &&
            (address.ip.is_v6 || address.expiry_s == 0 || address.expiry_s > time(NULL)))
            g_array_append_val(list, address);
    }
}

AWAITS static void binding_remove_files(const FilterBinding *binding)
{
    static const char *const suffixes[] = { ".xml", ".learned" };

    for (unsigned i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = binding_path(binding, suffixes[i]);
        g_autoptr(Error) err = NULL;
        if (!file_remove(path, &err))
            log_warning_error(err, path);
    }
}

/* ---- learning ---- */

AWAITS static void binding_refresh(FilterBinding *binding)
{
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    g_autoptr(Error) err = NULL;

    if (!filter_rules_begin(binding->host, &err)) {
        log_warning_error(err, binding->name);
        return;
    }
    g_ptr_array_add(one, binding);
    if (binding->live && binding->is_applied) {
        binding_store_learned(binding);
        if (binding->live && !filter_rules_apply(binding->host, one, NULL, &err))
            log_error_error(err, binding->name);
    }
    filter_rules_end(binding->host);
}

AWAITS static void binding_refresh_fiber(void *arg)
{
    FilterBinding *binding = arg;
    g_autoptr(Object) object G_GNUC_UNUSED = &binding->object;
    Host *host = binding->host;

    while (binding->is_stale && binding->live && !host->is_stopping) {
        const uint64_t since_ms = loop_now_ms() - binding->refreshed_ms;
        if (since_ms < REFRESH_MIN_MS && wait_queue_wait(&host->hurry, REFRESH_MIN_MS - since_ms, NULL))
            break;
        binding->is_stale = false;
        binding_refresh(binding);
        filter_group_refresh(host);
        binding->refreshed_ms = loop_now_ms();
    }
    binding->is_refreshing = false;
}

static void binding_refresh_later(FilterBinding *binding)
{
    binding->is_unstored = binding->is_stale = true;
    if (binding->is_refreshing || binding->host->is_stopping)
        return;
    binding->is_refreshing = true;
    host_spawn(binding->host, "filter", binding_refresh_fiber, object_ref(&binding->object));
}

static void binding_wait_for_expiry(FilterBinding *binding);

static int binding_on_expiry(sd_event_source *source, uint64_t usec, void *arg)
{
    FilterBinding *binding = arg;
    const int64_t now_s = time(NULL);

    for (guint i = binding->learned->len; i-- > 0;) {
        const FilterAddress *address = &g_array_index(binding->learned, FilterAddress, i);
        if (address->expiry_s && address->expiry_s <= now_s)
            g_array_remove_index(binding->learned, i);
    }
    binding_wait_for_expiry(binding);
    binding_refresh_later(binding);
    return 0;
}

static void binding_wait_for_expiry(FilterBinding *binding)
{
    const int64_t now_s = time(NULL);
    int64_t first_s = 0;

    binding->expiry = sd_event_source_disable_unref(binding->expiry);
    for (guint i = 0; i < binding->learned->len; i++) {
        const int64_t expiry_s = g_array_index(binding->learned, FilterAddress, i).expiry_s;
        if (expiry_s && (!first_s || expiry_s < first_s))
            first_s = expiry_s;
    }
    const uint64_t wait_s = first_s > now_s ? (uint64_t)(first_s - now_s) : 0;
    if (first_s &&
        sd_event_add_time_relative(loop_event(), &binding->expiry, CLOCK_BOOTTIME, (wait_s + 1) * 1000000,
                                   1000000, binding_on_expiry, binding) < 0)
        log_warning("addresses of '%s' do not expire", binding->name);
}

static bool is_trusted(const FilterBinding *binding, const LearnedAddress *learned)
{
    static const IpAddress nobody;
    bool is_known = true;

    for (guint i = 0; binding->live->parameters && i < binding->live->parameters->len; i++) {
        const FilterParameter *parameter = g_ptr_array_index(binding->live->parameters, i);
        IpAddress server;
        if (strcmp(parameter->name, "DHCPSERVER") != 0)
            continue;
        is_known = false;
        if (ip_parse(parameter->value, &server) && ip_compare(&server, &learned->server) == 0)
            return true;
    }
    return is_known || learned->is_released || ip_compare(&learned->server, &nobody) == 0;
}

/* true: something is different. */
static bool binding_note(FilterBinding *binding, const LearnedAddress *learned)
{
    const int64_t expiry_s = learned->lease_s ? time(NULL) + learned->lease_s : 0;

    for (guint i = 0; i < binding->learned->len; i++) {
        FilterAddress *address = &g_array_index(binding->learned, FilterAddress, i);
        if (ip_compare(&address->ip, &learned->ip) != 0)
            continue;
        address->expiry_s = expiry_s;
        if (learned->is_released)
            g_array_remove_index(binding->learned, i);
        return learned->is_released;
    }
    if (learned->is_released || binding->learned->len >= FILTER_ADDRESSES_MAX)
        return false;
    const FilterAddress address = { .ip = learned->ip, .expiry_s = expiry_s };
    g_array_append_val(binding->learned, address);
    return true;
}

static void binding_on_learned(void *arg, const LearnedAddress *learned)
{
    FilterBinding *binding = arg;
    char ip[IP_STRING_LEN];

    if (!binding->live || !is_trusted(binding, learned))
        return;
    const bool is_new = binding_note(binding, learned);
    if (binding->mode == FILTER_LEARN_ANY && binding->learned->len > 0) {
        g_array_index(binding->learned, FilterAddress, 0).expiry_s = 0; /* it is the guest's for good */
        g_clear_pointer(&binding->learner, filter_learner_free);
    }
    binding_wait_for_expiry(binding);
    if (!is_new)
        return;
    ip_format(&learned->ip, ip);
    log_info("the guest behind '%s' %s %s", binding->name, learned->is_released ? "gave back" : "has", ip);
    binding_refresh_later(binding);
}

/* Addresses of IPv6 come and go as the guest likes, and each new one changes the rules of others: so it has
 * few, and one more takes the place of one that was not heard of for long. */
static void binding_on_ip6(void *arg, const LearnedAddress *learned)
{
    FilterBinding *binding = arg;
    GArray *list = binding->ip6;
    const int64_t now_s = time(NULL);
    guint oldest = 0;
    char ip[IP_STRING_LEN];

    if (!binding->live)
        return;
    for (guint i = 0; i < list->len; i++) {
        FilterAddress *address = &g_array_index(list, FilterAddress, i);
        if (ip_compare(&address->ip, &learned->ip) == 0) {
            address->expiry_s = now_s;
            return;
        }
        if (address->expiry_s < g_array_index(list, FilterAddress, oldest).expiry_s)
            oldest = i;
    }
    if (list->len >= FILTER_ADDRESSES_MAX) {
        if (now_s - g_array_index(list, FilterAddress, oldest).expiry_s < IP6_KEPT_S)
            return;
        g_array_remove_index(list, oldest);
    }
    const FilterAddress address = { .ip = learned->ip, .expiry_s = now_s };
    g_array_append_val(list, address);
    ip_format(&learned->ip, ip);
    log_info("the guest behind '%s' has %s", binding->name, ip);
    binding_refresh_later(binding);
}

/* For rules about the groups that the machine is in. */
static void binding_listen_to_ip6(FilterBinding *binding)
{
    const FilterBindingDef *def = filter_binding_def(binding);
    g_autoptr(Error) err = NULL;

    if (!filter_group_is_machines(def->filter)) {
        g_clear_pointer(&binding->ip6_learner, filter_learner_free);
        g_array_set_size(binding->ip6, 0);
    } else if (!binding->ip6_learner &&
               !filter_learner_new(binding->name, &def->mac, FILTER_LEARN_IP6, binding_on_ip6, binding,
                                   &binding->ip6_learner, &err)) {
        log_warning_error(err, "addresses of a guest are not learned");
    }
}

void filter_binding_listen(FilterBinding *binding, const FilterProgram *program)
{
    const bool is_done = program->mode == FILTER_LEARN_ANY && binding->learned->len > 0;
    g_autoptr(Error) err = NULL;

    binding_listen_to_ip6(binding);
    if (!program->learns || is_done || (binding->learner && binding->mode != program->mode))
        g_clear_pointer(&binding->learner, filter_learner_free);
    binding->mode = program->mode;
    if (!program->learns || is_done || binding->learner)
        return;
    if (!filter_learner_new(binding->name, &filter_binding_def(binding)->mac, program->mode,
                            binding_on_learned, binding, &binding->learner, &err))
        log_warning_error(err, "addresses of a guest are not learned");
}

/* ---- the class ---- */

/* Rules for @def (owned by the caller). The job is held. */
AWAITS static bool binding_apply(FilterBinding *binding, FilterBindingDef *def, Error **err)
{
    g_autoptr(GPtrArray) one = g_ptr_array_new();

    g_ptr_array_add(one, binding);
    if (!filter_rules_begin(binding->host, err))
        return false;
    binding->wanted = def;
    const bool ok = filter_rules_apply(binding->host, one, NULL, err);
    binding->wanted = NULL;
    filter_rules_end(binding->host);
    return ok;
}

/* Clients see with which address the rules were made. */
static void add_mac_parameter(FilterBindingDef *def)
{
    char mac[MAC_STRING_LEN];

    for (guint i = 0; def->parameters && i < def->parameters->len; i++) {
        if (strcmp(((const FilterParameter *)g_ptr_array_index(def->parameters, i))->name, "MAC") == 0)
            return;
    }
    FilterParameter *parameter = g_new(FilterParameter, 1);
    mac_format(&def->mac, mac);
    *parameter = (FilterParameter){ .name = g_strdup("MAC"), .value = g_strdup(mac) };
    if (!def->parameters)
        def->parameters = xml_list_new(&filter_parameter_table);
    g_ptr_array_add(def->parameters, parameter);
    filter_complete_parameters(&def->parameters);
}

static void binding_forget(FilterBinding *binding)
{
    g_clear_pointer(&binding->learner, filter_learner_free);
    g_clear_pointer(&binding->ip6_learner, filter_learner_free);
    binding->expiry = sd_event_source_disable_unref(binding->expiry);
    g_array_set_size(binding->learned, 0);
    g_array_set_size(binding->ip6, 0);
}

/* The file first: whoever finds it makes the rules. */
AWAITS static bool binding_start(Object *object, void *new_def, unsigned flags, Error **err)
{
    FilterBinding *binding = (FilterBinding *)object;
    FilterBindingDef *def = new_def;
    const bool is_there = if_nametoindex(def->port) != 0;
    g_autoptr(Error) why = NULL;

    fiber_shield_begin();
    bool ok = binding_store(binding, def, err);
    if (ok && binding_apply(binding, def, &why)) {
        add_mac_parameter(def);
    } else if (ok && is_there) {
        ok = error_propagate(err, g_steal_pointer(&why));
        binding_remove_files(binding);
        binding_forget(binding);
    } else if (ok) {
        log_warning_error(why, binding->name); /* nothing can pass an interface that is not there */
    }
    fiber_shield_end();
    if (!ok) {
        xml_table_free(&filter_binding_table, def);
        return false;
    }
    object_set_live(object, def);
    object_list_it(object);
    return true;
}

AWAITS static bool binding_stop(Object *object, Error **err)
{
    FilterBinding *binding = (FilterBinding *)object;
    g_autoptr(Error) why = NULL;

    if (!filter_rules_begin(object->host, err))
        return false;
    fiber_shield_begin();
    binding_forget(binding);
    if (!filter_rules_remove(object->host, binding, &why))
        log_warning_error(why, binding->name);
    binding_remove_files(binding);
    object_set_live(object, NULL);
    fiber_shield_end();
    filter_rules_end(object->host);
    return true;
}

AWAITS static bool binding_parse(Host *host, const char *xml, size_t len, const char *source, unsigned flags,
                                 void **ret_def, Error **err)
{
    XmlReader reader = { .flags = flags & OBJECT_PARSE_VALIDATE ? XML_READ_STRICT : 0, .source = source };
    g_autoptr(xmlDoc) doc = NULL;
    void *object = NULL;

    if (!xml_document_read(xml, len, source, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "filterbinding") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'filterbinding', not '%s'",
                         (const char *)root->name);
    if (!xml_table_read(&filter_binding_table, &reader, root, &object, err))
        return false;
    FilterBindingDef *def = object;
    const Object *known = registry_get_name(host_registry(host, &filter_binding_class), def->port);
    const bool is_name =
        path_is_safe_component(def->port) && strlen(def->port) < IFNAMSIZ && !strpbrk(def->port, "\"\\$*{};");
    if (is_name && (!known || !known->is_listed)) {
        uuid_generate(&def->uuid);
        *ret_def = def;
        return true;
    }
    if (is_name)
        error_set(err, ERROR_OPERATION_FAILED, "binding '%s' already exists", def->port);
    else
        error_set(err, ERROR_XML_INVALID, "'%s' cannot be the name of an interface", def->port);
    xml_table_free(&filter_binding_table, def);
    return false;
}

static void binding_init(Object *object)
{
    ((FilterBinding *)object)->learned = g_array_new(FALSE, TRUE, sizeof(FilterAddress));
    ((FilterBinding *)object)->ip6 = g_array_new(FALSE, TRUE, sizeof(FilterAddress));
}

static void binding_free(Object *object)
{
    FilterBinding *binding = (FilterBinding *)object;

    binding_forget(binding);
    g_array_unref(binding->learned);
    g_array_unref(binding->ip6);
}

const ObjectClass filter_binding_class = {
    .kind = OBJECT_NWFILTER_BINDING,
    .noun = "nwfilter binding",
    .size = sizeof(FilterBinding),
    .missing = ERROR_NO_NWFILTER,
    .by_name = true,
    .table = &filter_binding_table,
    .root = "filterbinding",
    .def_name = offsetof(FilterBindingDef, port),
    .def_uuid = offsetof(FilterBindingDef, uuid),
    .parse = binding_parse,
    .start = binding_start,
    .stop = binding_stop,
    .init = binding_init,
    .free = binding_free,
};

/* ---- what an earlier daemon left ---- */

AWAITS static void binding_load(Host *host, const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    g_auto(Job) job = { 0 };
    void *def = NULL;
    size_t len = 0;

    if (!file_read(path, 1 << 20, &text, &len, &err) ||
        !binding_parse(host, text, len, path, OBJECT_PARSE_TRUSTED, &def, &err)) {
        log_error_error(err, path);
        return;
    }
    FilterBindingDef *read = def;
    if (!object_acquire(host_registry(host, &filter_binding_class), read->port, &read->uuid, JOB_START, NULL,
                        &job, &err)) {
        log_error_error(err, path);
        xml_table_free(&filter_binding_table, def);
        return;
    }
    FilterBinding *binding = (FilterBinding *)job.object;
    object_set_live(job.object, def);
    object_list_it(job.object);
    binding_load_learned(binding);
    binding_wait_for_expiry(binding);
    binding->is_applied = if_nametoindex(binding->name) != 0; /* it is to be, by filter_rules_rebuild() */
    if (binding->is_applied)
        add_mac_parameter(def);
}

void filter_load_bindings(Host *host)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(Error) err = NULL;

    if (!file_remove_leftovers(host->paths->run_binding, NULL) ||
        !file_list_dir(host->paths->run_binding, &names, NULL))
        return;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = path_join(host->paths->run_binding, g_ptr_array_index(names, i));
        if (g_str_has_suffix(path, ".xml"))
            binding_load(host, path);
    }
    if (!filter_rules_begin(host, &err))
        return;
    if (!filter_rules_rebuild(host, &err))
        log_error_error(err, "rules of network filters");
    filter_rules_end(host);
    filter_group_catch_up(host);
}

/* ---- for machines ---- */

static FilterBindingDef *make_def(const char *owner, const Uuid *owner_uuid, const InterfaceDef *iface)
{
    FilterBindingDef *def = g_new0(FilterBindingDef, 1);

    *def = (FilterBindingDef){ .owner_name = g_strdup(owner),
                               .owner_uuid = *owner_uuid,
                               .port = g_strdup(iface->target),
                               .link = g_strdup(iface->type == INTERFACE_BRIDGE ? iface->source
                                                                                : iface->actual_bridge),
                               .has_mac = true,
                               .mac = iface->mac,
                               .filter = g_strdup(iface->filter) };
    uuid_generate(&def->uuid);
    for (guint i = 0; iface->filter_params && i < iface->filter_params->len; i++) {
        if (!def->parameters)
            def->parameters = xml_list_new(&filter_parameter_table);
        g_ptr_array_add(def->parameters,
                        xml_table_copy(&filter_parameter_table, g_ptr_array_index(iface->filter_params, i)));
    }
    return def;
}

/* @def owned. The job of the binding is held; it is active. */
AWAITS static bool binding_change(FilterBinding *binding, FilterBindingDef *def, Error **err)
{
    fiber_shield_begin();
    bool ok = binding_apply(binding, def, err);
    if (ok && !binding_store(binding, def, err)) {
        g_autoptr(Error) why = NULL;
        ok = false;
        if (!binding_apply(binding, binding->live, &why))
            log_error_error(why, binding->name);
    }
    fiber_shield_end();
    if (!ok) {
        xml_table_free(&filter_binding_table, def);
        return false;
    }
    add_mac_parameter(def);
    object_set_live(&binding->object, def);
    return true;
}

bool filter_bind(Host *host, const char *owner, const Uuid *owner_uuid, const InterfaceDef *iface,
                 Error **err)
{
    Registry *registry = host_registry(host, &filter_binding_class);

    if (!iface->filter) {
        filter_unbind(host, iface->target);
        return true;
    }
    FilterBindingDef *def = make_def(owner, owner_uuid, iface);
    const Object *known = registry_get_name(registry, def->port);
    g_auto(Job) job = { 0 };

    if (known)
        def->uuid = known->uuid;
    if (!object_acquire(registry, def->port, &def->uuid, JOB_START, NULL, &job, err)) {
        xml_table_free(&filter_binding_table, def);
        return false;
    }
    FilterBinding *binding = (FilterBinding *)job.object;
    const bool is_other = binding->live && !uuid_equal(&binding->live->owner_uuid, owner_uuid);
    if (is_other) { /* of a machine that is gone: what its guest was is nothing to this one */
        binding_forget(binding);
        binding_store_learned(binding);
    }
    const bool ok =
        binding->live ? binding_change(binding, def, err) : binding_start(job.object, def, 0, err);
    if (!ok)
        object_release_embryo(job.object);
    filter_group_refresh(host);
    return ok;
}

void filter_unbind(Host *host, const char *port)
{
    g_autoptr(Object) binding = object_find_by_name(host_registry(host, &filter_binding_class), port, NULL);
    g_autoptr(Error) err = NULL;

    if (binding && !object_stop(binding, NULL, &err))
        log_warning_error(err, port);
    if (binding)
        filter_group_refresh(host);
}
