/* This host: its registries of objects, background fibers, and what it can do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "host"
#include "core/host.h"

#include <limits.h>

#include "base/log.h"
#include "base/loop.h"
#include "core/hooks.h"
#include "core/host_private.h"
#include "core/object.h"
#include "core/object_class.h"

Host *host_new(Paths *paths, Config *config)
{
    Host *host = g_new0(Host, 1);

    host->paths = paths;
    host->config = config;
    host->events = event_bus_new();
    host->closers = g_ptr_array_new();
    g_queue_init(&host->background_waiting);
    wait_queue_init(&host->hurry);
    return host;
}

void host_free(Host *host)
{
    if (!host)
        return;
    /* The fibers of the daemon end before the host does; work that never got one is left undone. */
    g_assert(host->n_background == host->background_waiting.length);
    g_queue_clear_full(&host->background_waiting, g_free);
    sd_event_source_disable_unref(host->background_retry);
    wait_queue_clear(&host->hurry);
    for (unsigned kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        registry_free(host->registries[kind]);
    for (guint i = host->closers->len; i-- > 0;)
        ((void (*)(Host *))g_ptr_array_index(host->closers, i))(host);
    g_ptr_array_unref(host->closers);
    secret_key_free(host->secret_key);
    event_bus_free(host->events);
    config_free(host->config);
    paths_free(host->paths);
    g_free(host);
}

const Paths *host_paths(const Host *host)
{
    return host->paths;
}

const Config *host_config(const Host *host)
{
    return host->config;
}

EventBus *host_events(Host *host)
{
    return host->events;
}

static bool host_has_id(const Host *host, int id)
{
    for (unsigned kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        if (host->registries[kind] && registry_get_id(host->registries[kind], id))
            return true;
    }
    return false;
}

uint64_t host_next_serial(Host *host)
{
    return ++host->last_serial;
}

/* After the last number the first ones that nobody has. */
int host_next_id(Host *host)
{
    do {
        host->last_id = host->last_id < INT_MAX ? host->last_id + 1 : 1;
    } while (host_has_id(host, host->last_id));
    return host->last_id;
}

void host_on_free(Host *host, void (*close)(Host *host))
{
    g_ptr_array_add(host->closers, close);
}

void host_add_class(Host *host, const ObjectClass *class)
{
    g_assert(!host->registries[class->kind]);
    host->registries[class->kind] = registry_new(host, class);
}

static bool host_has_job(const Host *host)
{
    for (unsigned kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        const Object *object = NULL;
        if (!host->registries[kind])
            continue;
        for (RegistryIter iter = registry_iter(host->registries[kind]); (object = registry_next(&iter));) {
            if (object->jobs.holder.kind != JOB_NONE)
                return true;
        }
    }
    return false;
}

bool host_is_idle(const Host *host)
{
    return host->n_background == host->n_watching &&
           object_count(host->registries[OBJECT_DOMAIN], true) == 0 && !host_has_job(host);
}

/* ---- background fibers ---- */

#define BACKGROUND_RETRY_US (50 * 1000)

typedef struct Background {
    Host *host;
    const char *name;
    void (*func)(void *arg);
    void *arg;
    bool watches;
} Background;

static void host_background_run(void *arg)
{
    Background *background = arg;
    Host *host = background->host;

    background->func(background->arg);
    host->n_background--;
    host->n_watching -= background->watches;
    g_free(background);
}

static int host_background_retry(sd_event_source *source, uint64_t usec, void *arg);

/* What must be done waits for room instead of failing: the end of a QEMU must be seen to. */
static void host_background_wait(Host *host)
{
    if (!host->background_retry) {
        log_warning("too much runs at the same time: work in the background waits");
        if (sd_event_add_time_relative(loop_event(), &host->background_retry, CLOCK_MONOTONIC,
                                       BACKGROUND_RETRY_US, 0, host_background_retry, host) < 0)
            g_error("no memory for a timer");
    } else if (sd_event_source_set_time_relative(host->background_retry, BACKGROUND_RETRY_US) < 0 ||
               sd_event_source_set_enabled(host->background_retry, SD_EVENT_ONESHOT) < 0) {
        log_error("cannot set a timer: work in the background waits for more of it");
    }
}

static int host_background_retry(sd_event_source *source, uint64_t usec, void *arg)
{
    Host *host = arg;

    for (Background *first; (first = g_queue_pop_head(&host->background_waiting));) {
        if (fiber_spawn(first->name, host_background_run, first))
            continue;
        g_queue_push_head(&host->background_waiting, first);
        host_background_wait(host);
        break;
    }
    return 0;
}

static void host_background_begin(const Background *what)
{
    Background *background = g_memdup2(what, sizeof(*what));
    Host *host = background->host;

    host->n_background++;
    host->n_watching += background->watches;
    if (g_queue_is_empty(&host->background_waiting) &&
        fiber_spawn(background->name, host_background_run, background))
        return;
    g_queue_push_tail(&host->background_waiting, background);
    host_background_wait(host);
}

void host_spawn(Host *host, const char *name, void (*func)(void *arg), void *arg)
{
    host_background_begin(&(Background){ .host = host, .name = name, .func = func, .arg = arg });
}

void host_spawn_watch(Host *host, const char *name, void (*func)(void *arg), void *arg)
{
    host_background_begin(
        &(Background){ .host = host, .name = name, .func = func, .arg = arg, .watches = true });
}

void host_stop(Host *host, uint64_t timeout_ms)
{
    const uint64_t deadline_ms = loop_now_ms() + timeout_ms;
    g_autoptr(Error) err = NULL;

    host->is_stopping = true;
    wait_queue_wake_all(&host->hurry);
    while ((host_has_job(host) || host->n_background > 0) && loop_now_ms() < deadline_ms) {
        if (!fiber_sleep(20, NULL))
            break;
    }
    if (!hook_run(host, "daemon", "-", "shutdown", "-", "shutdown", NULL, NULL, &err))
        log_error_error(err, "daemon hook");
}
