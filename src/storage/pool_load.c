/* What a daemon that starts finds and does: definitions, pools that an earlier one had started, the pool
 * `default`, those that are to be started. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/xml_internal.h"
#include "core/object_store.h"
#include "storage/folder.h"
#include "storage/pool.h"
#include "wire/wire_enums.h"

/* The start waits this long for pools that were active, and for their storage to answer at all. */
#define LOAD_DEADLINE_MS 10000
#define LOAD_ANSWER_MS 1000
#define RETRY_MIN_MS 5000
#define RETRY_MAX_MS 300000
#define RESUME_MAX_MS 20000 /* nobody tells when storage answers again, or is mounted */

static void pool_retry_later(Pool *pool);

/* The <pool> in the file of an active pool. */
static bool pool_read_state(const char *path, PoolDef **ret_def, Error **err)
{
    g_autofree char *text = NULL;
    size_t len = 0;
    g_autoptr(xmlDoc) doc = NULL;

    if (!file_read(path, 1 << 20, &text, &len, err) || !xml_document_read(text, len, path, &doc, err))
        return false;
    xmlNode *node = xmlFirstElementChild(xmlDocGetRootElement(doc));
    if (!node)
        return error_set(err, ERROR_XML_INVALID, "%s: there is no pool in it", path);
    g_autofree char *xml = NULL;
    xmlBuffer *buffer = xmlBufferCreate();
    (void)xmlNodeDump(buffer, doc, node, 0, 0);
    xml = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return pool_def_parse(xml, strlen(xml), XML_READ_INACTIVE, ret_def, err);
}

/* What it lies on is not mounted yet: whoever waits for that tries again. */
AWAITS static bool pool_await_mount(Pool *pool, const PoolDef *def, Error **err)
{
    g_autofree char *missing = pool_missing_mount(def);

    if (!missing)
        return true;
    g_free(pool->reason);
    pool->reason = g_strdup_printf("waiting: %s not mounted", missing);
    error_set(err, ERROR_TIMEOUT, "%s", pool->reason);
    return error_hint(err, "it starts by itself when '%s' is mounted", missing);
}

/* It was active: is it still? */
AWAITS static bool pool_take_over(Pool *pool, Error **err)
{
    bool is_active = false;

    if (pool->backend->is_active && !pool->backend->is_active(pool, &is_active, err))
        return false;
    if (!is_active && pool->backend->start)
        return error_set(err, ERROR_INVALID_STATE, "it is not active any more");
    return true;
}

typedef struct TakeOver {
    Host *host;
    char *path;
} TakeOver;

AWAITS static bool pool_resume(Host *host, PoolDef *def, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!object_acquire(host_registry(host, &pool_class), def->name, &def->uuid, JOB_START, NULL, &job,
                        err)) {
        pool_def_free(def);
        return false;
    }
    Pool *pool = (Pool *)job.object;
    pool->backend = pool_get_backend(def, err);
    pool->working = def;
    const bool ok =
        pool->backend && (!pool->live || error_set(err, ERROR_INVALID_STATE, "it is active already")) &&
        (!pool->backend->is_folder || folder_answers(def->target_path, LOAD_ANSWER_MS, err)) &&
        pool_await_mount(pool, def, err) && pool_take_over(pool, err) && pool_open_volumes(pool, def, err);
    pool->working = NULL;
    if (!ok) {
        pool_def_free(def);
        object_release_embryo(&pool->object);
        return false;
    }
    object_list_it(&pool->object);
    return true;
}

static TakeOver *take_over_new(Host *host, const char *path)
{
    TakeOver *copy = g_new0(TakeOver, 1);

    *copy = (TakeOver){ .host = host, .path = g_strdup(path) };
    return copy;
}

/* Again and again, until its storage answers or somebody started, stopped or removed it. */
AWAITS static void pool_resume_later(void *arg)
{
    g_autofree TakeOver *found = arg;
    g_autofree char *path = found->path;

    for (uint64_t delay_ms = RETRY_MIN_MS; !found->host->is_stopping;
         delay_ms = MIN(2 * delay_ms, RESUME_MAX_MS)) {
        g_autoptr(Error) err = NULL;
        PoolDef *def = NULL;
        const bool in_a_hurry = wait_queue_wait(&found->host->hurry, delay_ms, NULL);
        if (in_a_hurry || found->host->is_stopping || !pool_read_state(path, &def, &err))
            return;
        if (pool_resume(found->host, def, &err) || error_code(err) != ERROR_TIMEOUT)
            return;
    }
}

AWAITS static void pool_resume_one(void *item)
{
    const TakeOver *found = item;
    g_autoptr(Error) err = NULL;
    PoolDef *def = NULL;

    const uint64_t token = fiber_deadline_begin(LOAD_DEADLINE_MS);
    const bool ok = pool_read_state(found->path, &def, &err) && pool_resume(found->host, def, &err);
    fiber_deadline_end(token);
    if (ok)
        return;
    log_warning_error(err, found->path);
    if (error_code(err) == ERROR_TIMEOUT) { /* its storage is away: nobody waits for that */
        host_spawn(found->host, "pool", pool_resume_later, take_over_new(found->host, found->path));
        return;
    }
    if (!file_remove(found->path, NULL))
        log_warning("'%s' could not be removed", found->path);
}

AWAITS static void pool_resume_all(Host *host)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GArray) found = g_array_new(FALSE, TRUE, sizeof(TakeOver));

    if (!file_remove_leftovers(host->paths->run_storage, NULL) ||
        !file_list_dir(host->paths->run_storage, &names, NULL))
        return;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (g_str_has_suffix(name, ".xml"))
            g_array_append_val(found, ((TakeOver){ .host = host,
                                                   .path = path_join(host->paths->run_storage, name) }));
    }
    fiber_run_all("pool", pool_resume_one, found->data, found->len, sizeof(TakeOver));
    for (guint i = 0; i < found->len; i++)
        g_free(g_array_index(found, TakeOver, i).path);
}

/* On a host that never had pools: what people expect to be there. */
AWAITS static bool pool_make_default(Host *host, Error **err)
{
    g_autofree char *path = g_markup_escape_text(host->paths->images, -1);
    g_autofree char *xml =
        g_strdup_printf("<pool type='dir'><name>default</name><target><path>%s</path></target></pool>", path);
    g_autoptr(Object) pool = object_define(host, &pool_class, xml, 0, __func__, NULL, err);

    return pool && object_set_autostart(pool, true, NULL, err);
}

bool pool_load(Host *host, Error **err)
{
    const bool is_new = access(host->paths->storage, F_OK) != 0;

    if (!file_make_dirs(host->paths->storage_autostart, host->paths->is_session ? 0700 : 0755, err) ||
        !file_remove_leftovers(host->paths->storage, err) || !object_store_load(host, &pool_class, err))
        return false;
    pool_space_begin(host);
    pool_mounts_begin(host);
    pool_resume_all(host);
    host->pools->default_is_new = is_new;
    return !is_new || pool_make_default(host, err);
}

/* ---- starting by itself ---- */

AWAITS static void pool_autostart_one(void *arg)
{
    Pool *pool = arg;
    g_autoptr(Object) object = &pool->object;
    g_autoptr(Error) err = NULL;

    if (object->live || !object->is_listed ||
        (pool_await_mount(pool, object_def(object), &err) && object_start(object, 0, __func__, NULL, &err)))
        return;
    g_free(pool->reason);
    pool->reason = g_strdup(error_message(err));
    g_autofree char *what = g_strdup_printf("autostart of storage pool '%s' failed", pool->name);
    log_error_error(err, what);
    if (object->is_listed && !object->live)
        pool_retry_later(pool);
}

static int pool_on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
    pool_retry_now(arg);
    return 0;
}

void pool_retry_now(Pool *pool)
{
    pool->retry = sd_event_source_disable_unref(pool->retry);
    if (pool->autostart && !pool->live && !pool->host->is_stopping)
        host_spawn(pool->host, "autostart", pool_autostart_one, object_ref(&pool->object));
}

static void pool_retry_later(Pool *pool)
{
    const uint64_t delay_ms = MIN((uint64_t)RETRY_MIN_MS << MIN(pool->n_retries, 6), RETRY_MAX_MS);

    pool->n_retries++;
    pool->retry = sd_event_source_disable_unref(pool->retry);
    (void)sd_event_add_time_relative(loop_event(), &pool->retry, CLOCK_MONOTONIC, delay_ms * 1000, 0,
                                     pool_on_retry, pool);
}

void pool_autostart_all(Host *host, bool is_first)
{
    Object *object = NULL;
    g_autoptr(GPtrArray) pools = g_ptr_array_new();

    for (RegistryIter iter = registry_iter(host_registry(host, &pool_class));
         (object = registry_next(&iter));) {
        const bool is_wanted =
            is_first || (host->pools->default_is_new && strcmp(object->name, "default") == 0);
        if (object->is_listed && object->autostart && !object->live && is_wanted)
            g_ptr_array_add(pools, object);
    }
    for (guint i = 0; i < pools->len; i++)
        host_spawn(host, "autostart", pool_autostart_one, object_ref(g_ptr_array_index(pools, i)));
}
