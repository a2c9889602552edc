/* The registry of objects and the operations that are the same for every kind.
 *
 * A registry holds three hashes over the same objects. Only by_name counts references; the other two are kept
 * in step with it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "object"
#include "core/object.h"

#include <string.h>

#include "base/log.h"
#include "core/host_private.h"
#include "core/object_class.h"
#include "core/object_store.h"
#include "wire/wire_enums.h"

struct Registry {
    Host *host;
    const ObjectClass *class;
    GHashTable *by_name;  /* name of the object -> Object (counted) */
    GHashTable *by_uuid;  /* Uuid * of the object -> Object */
    GHashTable *by_id;    /* id -> Object */
    GHashTable *reserved; /* names that are about to be somebody's, or those of files that are not used */
    GHashTable *unused;
};

/* virNetworkEventLifecycleType and its like: the first two are the same for every kind that has them. */
enum { DEFINE_VALIDATE = 1 };

/* ---- registry ---- */

Registry *registry_new(Host *host, const ObjectClass *class)
{
    Registry *registry = g_new0(Registry, 1);

    registry->host = host;
    registry->class = class;
    registry->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)object_unref);
    registry->by_uuid = g_hash_table_new(uuid_hash, uuid_table_equal);
    registry->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
    registry->reserved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    registry->unused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return registry;
}

void registry_free(Registry *registry)
{
    if (!registry)
        return;
    for (RegistryIter iter = registry_iter(registry);;) {
        Object *object = registry_next(&iter);
        if (!object)
            break;
        object->registry = NULL; /* whoever still holds it must not look for it here */
    }
    g_hash_table_unref(registry->by_id);
    g_hash_table_unref(registry->by_uuid);
    g_hash_table_unref(registry->by_name);
    g_hash_table_unref(registry->reserved);
    g_hash_table_unref(registry->unused);
    g_free(registry);
}

Host *registry_host(const Registry *registry)
{
    return registry->host;
}

Registry *host_registry(const Host *host, const ObjectClass *class)
{
    return host->registries[class->kind];
}

RegistryIter registry_iter(const Registry *registry)
{
    RegistryIter iter;

    g_hash_table_iter_init(&iter.iter, registry->by_name);
    return iter;
}

Object *registry_next(RegistryIter *iter)
{
    gpointer value = NULL;

    return g_hash_table_iter_next(&iter->iter, NULL, &value) ? value : NULL;
}

Object *registry_get_name(const Registry *registry, const char *name)
{
    return g_hash_table_lookup(registry->by_name, name);
}

Object *registry_get_uuid(const Registry *registry, const Uuid *uuid)
{
    return g_hash_table_lookup(registry->by_uuid, uuid);
}

Object *registry_get_id(const Registry *registry, int id)
{
    return g_hash_table_lookup(registry->by_id, GINT_TO_POINTER(id));
}

void registry_reserve(Registry *registry, const char *name)
{
    g_hash_table_add(registry->reserved, g_strdup(name));
}

void registry_release(Registry *registry, const char *name)
{
    (void)g_hash_table_remove(registry->reserved, name);
}

GHashTable *registry_unused(Registry *registry)
{
    return registry->unused;
}

bool registry_is_taken(const Registry *registry, const char *name)
{
    return registry_get_name(registry, name) || g_hash_table_contains(registry->reserved, name);
}

/* ---- one object ---- */

Object *object_new(Registry *registry, const char *name, const Uuid *uuid)
{
    Object *object = g_malloc0(registry->class->size);

    object->class = registry->class;
    object->host = registry->host;
    object->registry = registry;
    object->refs = 2; /* the registry's and the caller's */
    object->name = g_strdup(name);
    object->uuid = *uuid;
    object->id = -1;
    g_queue_init(&object->jobs.waiters);
    if (object->class->init)
        object->class->init(object);
    g_hash_table_insert(registry->by_name, object->name, object);
    g_hash_table_insert(registry->by_uuid, &object->uuid, object);
    return object;
}

Object *object_ref(Object *object)
{
    object->refs++;
    return object;
}

void object_unref(Object *object)
{
    if (!object || --object->refs > 0)
        return;
    if (object->class->free)
        object->class->free(object);
    job_queue_clear(&object->jobs);
    xml_table_free(object->class->table, object->live);
    xml_table_free(object->class->table, object->config);
    g_free(object->config_xml);
    g_free(object->name);
    g_free(object);
}

void object_unregister(Object *object)
{
    Registry *registry = object->registry;

    if (!registry)
        return;
    object_set_id(object, -1);
    object->registry = NULL;
    object->is_listed = false;
    g_hash_table_remove(registry->by_uuid, &object->uuid);
    g_hash_table_remove(registry->by_name, object->name);
}

void object_set_name(Object *object, const char *name)
{
    char *old = object->name;

    g_hash_table_steal(object->registry->by_name, old);
    object->name = g_strdup(name);
    g_hash_table_insert(object->registry->by_name, object->name, object);
    g_free(old);
}

void object_set_id(Object *object, int id)
{
    if (object->id >= 0)
        g_hash_table_remove(object->registry->by_id, GINT_TO_POINTER(object->id));
    object->id = id;
    if (id >= 0)
        g_hash_table_insert(object->registry->by_id, GINT_TO_POINTER(id), object);
}

void object_set_config(Object *object, void *def)
{
    if (object->config != def)
        xml_table_free(object->class->table, object->config);
    object->config = def;
    g_clear_pointer(&object->config_xml, g_free);
}

void object_set_live(Object *object, void *def)
{
    if (object->live != def)
        xml_table_free(object->class->table, object->live);
    object->live = def;
}

const void *object_def(const Object *object)
{
    return object->live ? object->live : object->config;
}

const ObjectClass *object_class(const Object *object)
{
    return object->class;
}

const char *object_name(const Object *object)
{
    return object->name;
}

const Uuid *object_uuid(const Object *object)
{
    return &object->uuid;
}

int object_id(const Object *object)
{
    return object->id;
}

bool object_is_active(const Object *object)
{
    return object->live != NULL;
}

bool object_is_persistent(const Object *object)
{
    return object->config != NULL;
}

bool object_has_autostart(const Object *object)
{
    return object->autostart;
}

/* ---- checks ---- */

bool check_flags(unsigned flags, unsigned known, const char *function, Error **err)
{
    if (flags & ~known)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported flags (0x%x) in function %s",
                         flags & ~known, function);
    return true;
}

static bool object_missing_uuid(const ObjectClass *class, const Uuid *uuid, const char *name, Error **err)
{
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    if (name && strcmp(name, text) != 0)
        return error_set(err, class->missing, "no %s with matching uuid '%s' (%s)", class->noun, text, name);
    return error_set(err, class->missing, "no %s with matching uuid '%s'", class->noun, text);
}

bool object_require_listed(const Object *object, Error **err)
{
    return object->is_listed || object_missing_uuid(object->class, &object->uuid, object->name, err);
}

bool object_require_active(const Object *object, Error **err)
{
    if (!object_require_listed(object, err))
        return false;
    if (!object->live && object->class->not_active)
        return error_set(err, ERROR_INVALID_STATE, "%s", object->class->not_active);
    if (!object->live)
        return error_set(err, ERROR_INVALID_STATE, "%s '%s' is not active", object->class->noun,
                         object->name);
    return true;
}

bool object_require_config(const Object *object, const char *what, Error **err)
{
    if (!object_require_listed(object, err))
        return false;
    if (!object->config)
        return error_set(err, ERROR_INVALID_STATE, "cannot %s transient %s", what, object->class->noun);
    return true;
}

/* ---- look-up ---- */

Object *object_find_by_name(Registry *registry, const char *name, Error **err)
{
    Object *object = registry_get_name(registry, name);

    if (object && object->is_listed)
        return object_ref(object);
    error_set(err, registry->class->missing, "no %s with matching name '%s'", registry->class->noun, name);
    return NULL;
}

Object *object_find_by_uuid(Registry *registry, const Uuid *uuid, const char *name_hint, Error **err)
{
    Object *object = registry_get_uuid(registry, uuid);

    if (object && object->is_listed)
        return object_ref(object);
    object_missing_uuid(registry->class, uuid, name_hint, err);
    return NULL;
}

Object *object_find_by_id(Registry *registry, int id, Error **err)
{
    Object *object = id >= 0 ? registry_get_id(registry, id) : NULL;

    if (object && object->is_listed)
        return object_ref(object);
    error_set(err, registry->class->missing, "no %s with matching id %d", registry->class->noun, id);
    return NULL;
}

unsigned object_flag_active(const Object *object)
{
    return object_is_active(object) ? 1 : 2;
}

unsigned object_flag_inactive(const Object *object)
{
    return object_is_active(object) ? 2 : 1;
}

unsigned object_flag_persistent(const Object *object)
{
    return object->config ? 4 : 8;
}

unsigned object_flag_autostart(const Object *object)
{
    return object->autostart ? 16 : 32;
}

static bool object_passes(const Object *object, unsigned flags)
{
    for (const ObjectFilter *filter = object->class->filters; filter && filter->group; filter++) {
        if ((flags & filter->group) && !(flags & filter->flag(object)))
            return false;
    }
    return true;
}

static int object_compare(const void *a, const void *b)
{
    const Object *left = *(Object *const *)a;
    const Object *right = *(Object *const *)b;

    if (left->id != right->id) /* as unsigned numbers, so that -1 comes last */
        return (unsigned)left->id < (unsigned)right->id ? -1 : 1;
    return strcmp(left->name, right->name);
}

bool object_list(Registry *registry, unsigned flags, const char *function, GPtrArray **ret_objects,
                 Error **err)
{
    unsigned known = 0;

    for (const ObjectFilter *filter = registry->class->filters; filter && filter->group; filter++)
        known |= filter->group;
    if (!check_flags(flags, known, function, err))
        return false;
    GPtrArray *objects = g_ptr_array_new_full(64, (GDestroyNotify)object_unref);
    Object *object = NULL;
    for (RegistryIter iter = registry_iter(registry); (object = registry_next(&iter));) {
        if (object->is_listed && object_passes(object, flags))
            g_ptr_array_add(objects, object_ref(object));
    }
    g_ptr_array_sort(objects, object_compare);
    *ret_objects = objects;
    return true;
}

unsigned object_count(const Registry *registry, bool active_only)
{
    unsigned count = 0;
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(registry); (object = registry_next(&iter));) {
        if (object->is_listed && (!active_only || object_is_active(object)))
            count++;
    }
    return count;
}

/* ---- identity ---- */

bool object_check_identity(Registry *registry, const char *name, const Uuid *uuid, Object **ret_object,
                           Error **err)
{
    const char *noun = registry->class->short_noun ? registry->class->short_noun : registry->class->noun;
    Object *same_uuid = registry_get_uuid(registry, uuid);
    Object *same_name = registry_get_name(registry, name);
    char text[UUID_STRING_LEN];

    if (same_uuid && strcmp(same_uuid->name, name) != 0) {
        uuid_format(uuid, text);
        return error_set(err, ERROR_OPERATION_FAILED, "%s '%s' is already defined with uuid %s", noun,
                         same_uuid->name, text);
    }
    if (same_name && same_name != same_uuid) {
        uuid_format(&same_name->uuid, text);
        return error_set(err, ERROR_OPERATION_FAILED, "%s '%s' already exists with uuid %s", noun, name,
                         text);
    }
    if (!same_name && registry_is_taken(registry, name))
        return error_set(err, ERROR_OPERATION_FAILED, "%s with name '%s' already exists", noun, name);
    *ret_object = same_uuid;
    return true;
}

bool object_acquire(Registry *registry, const char *name, const Uuid *uuid, JobKind kind,
                    const Caller *caller, Job *ret_job, Error **err)
{
    /* Each turn somebody else's definition of the same name came to its end, so this ends. */
    for (;;) {
        Object *known = NULL;
        if (!object_check_identity(registry, name, uuid, &known, err))
            return false;
        g_autoptr(Object) object = known ? object_ref(known) : object_new(registry, name, uuid);
        if (!job_begin(object, kind, caller, ret_job, err)) {
            if (!known)
                object_release_embryo(object);
            return false;
        }
        if (object->registry && strcmp(object->name, name) == 0)
            return true;
        job_end(ret_job);
    }
}

void object_list_it(Object *object)
{
    object->is_listed = true;
}

void object_release_embryo(Object *object)
{
    if (!object->is_listed)
        object_unregister(object);
}

/* ---- events ---- */

void object_publish(const Object *object, Event *event)
{
    event->kind = object->class->kind;
    event->name = object->name;
    event->uuid = object->uuid;
    event->object_id = object->id;
    if (object->class->describe)
        object->class->describe(object, event);
    event_publish(object->host->events, event);
}

void object_publish_lifecycle(const Object *object, int type, int detail)
{
    object_publish(object, &(Event){ .id = EVENT_LIFECYCLE, .type = type, .detail = detail });
}

/* ---- documents ---- */

const char *object_def_name(const ObjectClass *class, const void *def)
{
    return *(char *const *)((const char *)def + class->def_name);
}

const Uuid *object_def_uuid(const ObjectClass *class, const void *def)
{
    return (const Uuid *)((const char *)def + class->def_uuid);
}

static void log_dropped(void *arg, const char *path, unsigned line)
{
    log_debug("line %u: '%s' is not known and was dropped", line, path);
}

bool object_parse(Host *host, const ObjectClass *class, const char *xml, size_t len, const char *source,
                  unsigned flags, void **ret_def, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;
    XmlReader reader = {
        .flags = (flags & OBJECT_PARSE_LIVE ? 0 : XML_READ_INACTIVE) |
                 (flags & OBJECT_PARSE_VALIDATE ? XML_READ_STRICT : 0),
        .source = source,
        .dropped = log_dropped,
    };

    if (class->parse)
        return class->parse(host, xml, len, source, flags, ret_def, err);
    if (!xml_document_read(xml, len, source, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, class->root) != 0)
        return error_set(err, ERROR_XML_INVALID, "%s:%ld: the root element is '%s', not '%s'", source,
                         xmlGetLineNo(root), (const char *)root->name, class->root);
    if (!xml_table_read(class->table, &reader, root, &def, err))
        return false;
    Uuid *uuid = (Uuid *)((char *)def + class->def_uuid);
    if (uuid_is_null(uuid))
        uuid_generate(uuid);
    if (class->complete && !class->complete(host, def, flags & OBJECT_PARSE_TRUSTED, err)) {
        xml_table_free(class->table, def);
        return false;
    }
    *ret_def = def;
    return true;
}

bool object_check_text(Host *host, const ObjectClass *class, const void *def, const char *xml, Error **err)
{
    void *again = NULL;

    if (class->check_text)
        return class->check_text(def, xml, err);
    if (!object_parse(host, class, xml, strlen(xml), "(stored definition)", OBJECT_PARSE_TRUSTED, &again,
                      err))
        return false;
    xml_table_free(class->table, again);
    return true;
}

char *object_format(const ObjectClass *class, const void *def, unsigned flags)
{
    GString *out = g_string_sized_new(1024);

    xml_table_write(class->table, class->root, def, flags, 0, out);
    return g_string_free(out, FALSE);
}

bool object_get_xml(Object *object, unsigned flags, const char *function, char **ret_xml, Error **err)
{
    if (!check_flags(flags, object->class->xml_flags, function, err))
        return false;
    if (object->live && !((flags & OBJECT_XML_INACTIVE) && object->config)) {
        *ret_xml = object_format(object->class, object->live, 0);
        return true;
    }
    if (!object->config)
        return object_require_listed(object, err);
    if (!object->config_xml)
        object->config_xml = object_format(object->class, object->config, XML_FORMAT_INACTIVE);
    *ret_xml = g_strdup(object->config_xml);
    return true;
}

/* ---- operations ---- */

/* Reads the document and takes the job of the object that it describes. */
static bool object_begin(Host *host, const ObjectClass *class, const char *xml, unsigned parse_flags,
                         JobKind kind, const Caller *caller, void **ret_def, Job *ret_job, Error **err)
{
    g_autofree char *source = g_strdup_printf("(%s_definition)", class->root);
    void *def = NULL;

    if (!object_parse(host, class, xml, strlen(xml), source, parse_flags, &def, err))
        return false;
    if (!object_acquire(host_registry(host, class), object_def_name(class, def), object_def_uuid(class, def),
                        kind, caller, ret_job, err)) {
        xml_table_free(class->table, def);
        return false;
    }
    *ret_def = def;
    return true;
}

Object *object_define(Host *host, const ObjectClass *class, const char *xml, unsigned flags,
                      const char *function, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    void *def = NULL;

    if (!check_flags(flags, DEFINE_VALIDATE, function, err) ||
        !object_begin(host, class, xml, flags & DEFINE_VALIDATE ? OBJECT_PARSE_VALIDATE : 0, JOB_MODIFY,
                      caller, &def, &job, err))
        return NULL;
    Object *object = job.object;
    /* Half a definition must not survive a client that leaves at the wrong moment. */
    fiber_shield_begin();
    object->coming = def;
    const bool ok = (!class->accept || class->accept(object, def, err)) &&
                    (!class->is_stored || class->is_stored(def) ? object_store(host, class, def, err)
                                                                : object_store_remove(object, err));
    object->coming = NULL;
    fiber_shield_end();
    if (!ok) {
        object_release_embryo(object);
        xml_table_free(class->table, def);
        return NULL;
    }
    const int detail = class->kind == OBJECT_DOMAIN && object->config ? 1 : 0; /* others have no details */
    object_set_config(object, def);
    object->config_is_new = object->live != NULL;
    object_list_it(object);
    fiber_shield_begin();
    const bool done = !class->defined || class->defined(object, err);
    fiber_shield_end();
    if (!done)
        return NULL;
    log_info("%s '%s' defined by %s", class->noun, object->name, caller_describe(caller));
    object_publish_lifecycle(object, VIR_DOMAIN_EVENT_DEFINED, detail);
    return object_ref(object);
}

/* Starts it with @def (owned). The job is held. */
static bool object_start_with(Object *object, void *def, unsigned flags, const Caller *caller, Error **err)
{
    const ObjectClass *class = object->class;

    if (object->live) {
        xml_table_free(class->table, def);
        return error_set(err, ERROR_INVALID_STATE, "%s '%s' is already active", class->noun, object->name);
    }
    if (!class->start(object, def, flags, err))
        return false;
    log_info("%s '%s' started by %s", class->noun, object->name, caller_describe(caller));
    return true;
}

Object *object_create(Host *host, const ObjectClass *class, const char *xml, unsigned flags,
                      const char *function, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    void *def = NULL;

    const unsigned validate = class->create_validate ? class->create_validate : DEFINE_VALIDATE;
    if (!check_flags(flags, validate | class->create_flags, function, err) ||
        !object_begin(host, class, xml, flags & validate ? OBJECT_PARSE_VALIDATE : 0, JOB_START, caller, &def,
                      &job, err))
        return NULL;
    Object *object = job.object;
    if (!object_start_with(object, def, flags & ~validate, caller, err)) {
        object_release_embryo(object);
        return NULL;
    }
    object_list_it(object);
    return object_ref(object);
}

bool object_start(Object *object, unsigned flags, const char *function, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, object->class->create_flags, function, err) ||
        !job_begin(object, JOB_START, caller, &job, err) || !object_require_listed(object, err))
        return false;
    return object_start_with(object, xml_table_copy(object->class->table, object_def(object)), flags, caller,
                             err);
}

bool object_stop(Object *object, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(object, JOB_DESTROY, caller, &job, err) || !object_require_active(object, err))
        return false;
    if (!object->class->stop(object, err))
        return false;
    log_info("%s '%s' stopped by %s", object->class->noun, object->name, caller_describe(caller));
    if (!object->config)
        object_unregister(object);
    return true;
}

bool object_undefine(Object *object, const Caller *caller, Error **err)
{
    const ObjectClass *class = object->class;
    g_auto(Job) job = { 0 };

    if (!job_begin(object, JOB_MODIFY, caller, &job, err) || !object_require_listed(object, err))
        return false;
    if (class->undefine_inactive_only && object->live)
        return error_set(err, ERROR_INVALID_STATE, "%s '%s' is still active", class->noun, object->name);
    if (!object_require_config(object, "undefine", err) || (class->undefine && !class->undefine(object, err)))
        return false;
    fiber_shield_begin();
    const bool removed = object_store_remove(object, err);
    fiber_shield_end();
    if (!removed)
        return false;
    object->autostart = false;
    object->config_is_new = false;
    log_info("%s '%s' undefined by %s", class->noun, object->name, caller_describe(caller));
    object_publish_lifecycle(object, VIR_DOMAIN_EVENT_UNDEFINED, 0);
    if (object->live)
        object_set_config(object, NULL);
    else
        object_unregister(object); /* keeps config for those who hold a reference */
    return true;
}

bool object_set_autostart(Object *object, bool autostart, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(object, JOB_MODIFY, caller, &job, err) ||
        !object_require_config(object, "set autostart for", err))
        return false;
    if (object->autostart == autostart)
        return true;
    /* A link that we do not know of would start it at the next boot. */
    fiber_shield_begin();
    const bool stored = object_store_autostart(object, autostart, err);
    fiber_shield_end();
    if (stored)
        object->autostart = autostart;
    return stored;
}
