/* How full pools are. Guests fill them without anybody being told, so those on file systems are asked from
 * time to time; the others say it whenever they are looked at. Who waits for a warning gets it once: it is
 * over only when the pool is a bit below the threshold again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "base/log.h"
#include "base/loop.h"
#include "core/config.h"
#include "storage/pool.h"
#include "storage/pool_backend.h"

#define OVER_BELOW_PERCENT 2 /* of the threshold */

static unsigned percent_of(uint64_t part, uint64_t whole)
{
    return whole ? (unsigned)MIN((double)part / (double)whole * 100, 1e6) : 0;
}

unsigned pool_used_percent(const Pool *pool)
{
    /* The others are their volumes and nothing else. */
    return pool->backend->make_volume ? percent_of(pool->allocation_bytes, pool->capacity_bytes) : 0;
}

unsigned pool_promised_percent(const Pool *pool)
{
    return percent_of(pool_promised_bytes(pool), pool->capacity_bytes);
}

uint64_t pool_promised_bytes(const Pool *pool)
{
    GHashTableIter iter;
    gpointer value = NULL;
    uint64_t bytes = 0;

    if (!pool->volumes)
        return 0;
    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const VolumeDef *def = ((const Volume *)value)->def;
        if (__builtin_add_overflow(bytes, MAX(def->capacity.value, def->allocation.value), &bytes))
            return UINT64_MAX;
    }
    return bytes;
}

void pool_check_space(Pool *pool)
{
    const Config *config = pool->host->config;
    const unsigned thresholds[] = { 0, config->pool_warn_percent, config->pool_full_percent };
    static const char *const keys[] = { "", "pool_warn_percent", "pool_full_percent" };
    const unsigned percent = pool_used_percent(pool), was = pool->space_level;

    pool->space_level = 0;
    for (unsigned i = 1; i < G_N_ELEMENTS(thresholds); i++) {
        if (thresholds[i] && percent + (i <= was ? OVER_BELOW_PERCENT : 0) >= thresholds[i])
            pool->space_level = i;
    }
    if (pool->space_level == was)
        return;
    g_autofree char *left = g_format_size_full(pool->available_bytes, G_FORMAT_SIZE_IEC_UNITS);
    if (pool->space_level > was)
        log_warning("storage pool '%s' is %u%% full: %s left (%s is %u)", pool->name, percent, left,
                    keys[pool->space_level], thresholds[pool->space_level]);
    else
        log_info("storage pool '%s' has space again: it is %u%% full, %s left", pool->name, percent, left);
    if (pool->live)
        object_publish(&pool->object, &(Event){ .id = (EventId)EVENT_POOL_REFRESH });
}

AWAITS static void space_look(void *arg)
{
    Pool *pool = arg;
    g_autoptr(Object) object G_GNUC_UNUSED = &pool->object;
    g_autoptr(Error) err = NULL;

    if (!pool_look_at_sizes(pool, &err))
        log_debug("storage pool '%s' is not measured: %s", pool->name, error_message(err));
}

static int space_on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    Host *host = arg;
    Pool *pool = NULL;
    const uint64_t interval_us = (uint64_t)host->config->pool_check_interval_s * 1000000;

    if (host->is_stopping)
        return 0;
    for (RegistryIter iter = registry_iter(host_registry(host, &pool_class));
         (pool = (Pool *)registry_next(&iter));) {
        if (pool->live && pool->backend->is_folder && !pool->is_looking)
            host_spawn(host, "pool", space_look, object_ref(&pool->object));
    }
    (void)sd_event_source_set_time_relative(source, interval_us);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

void pool_space_begin(Host *host)
{
    const uint64_t interval_us = (uint64_t)host->config->pool_check_interval_s * 1000000;

    if (interval_us)
        (void)sd_event_add_time_relative(loop_event(), &host->pools->space_timer, CLOCK_MONOTONIC,
                                         interval_us, 0, space_on_timer, host);
}
