/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/counters.h"

#include <string.h>

#include "base/file.h"
#include "core/event.h"
#include "http/answer.h"
#include "http/kept_file.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "wire/wire_enums.h"

#define KEPT_S ((int64_t)7 * 86400) /* of machines that are gone */
#define REASON_MAX 512

const char *const counter_names[COUNTER_KINDS] = { "panic", "io_error", "no_space", "oom_kill",
                                                   "unexpected_exit" };

typedef struct Counted {
    Uuid uuid;
    Counter counters[COUNTER_KINDS];
} Counted;

typedef struct Counters {
    HttpHub *hub;
    KeptFile *file;
    GHashTable *machines; /* Uuid -> Counted */
    EventSubscription *subscription;
} Counters;

static const char counters_key;

static void counted_free(gpointer data)
{
    Counted *counted = data;

    for (size_t i = 0; i < COUNTER_KINDS; i++)
        g_free(counted->counters[i].reason);
    g_free(counted);
}

static void counters_free(void *data)
{
    Counters *counters = data;

    event_unsubscribe(counters->subscription);
    g_hash_table_unref(counters->machines);
    kept_file_free(counters->file);
    g_free(counters);
}

static Counted *counted_get(Counters *counters, const Uuid *uuid)
{
    Counted *counted = g_hash_table_lookup(counters->machines, uuid);

    if (!counted) {
        counted = g_new0(Counted, 1);
        counted->uuid = *uuid;
        g_hash_table_insert(counters->machines, &counted->uuid, counted);
    }
    return counted;
}

/* ---- the file ---- */

static Json *counter_json(size_t kind, const Counter *counter)
{
    return json_pack("{s:s,s:I,s:I,s:o}", "what", counter_names[kind], "count", (json_int_t)counter->count,
                     "last", (json_int_t)counter->last_s, "reason", http_json_text(counter->reason));
}

static bool counted_is_over(const Counters *counters, const Counted *counted)
{
    g_autoptr(Vm) vm = vm_find_by_uuid(http_hub_host(counters->hub), &counted->uuid, NULL, NULL);
    int64_t last_s = 0;

    for (size_t i = 0; i < COUNTER_KINDS; i++)
        last_s = MAX(last_s, counted->counters[i].last_s);
    return !vm && g_get_real_time() / G_USEC_PER_SEC - last_s > KEPT_S;
}

/* {"UUID": [{"what", "count", "last", "reason"}]} */
static Json *counters_format(void *arg)
{
    const Counters *counters = arg;
    Json *root = json_object();
    GHashTableIter iter;
    const Counted *counted;

    g_hash_table_iter_init(&iter, counters->machines);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&counted)) {
        char uuid[UUID_STRING_LEN];
        Json *list = json_array();
        if (counted_is_over(counters, counted)) {
            json_decref(list);
            g_hash_table_iter_remove(&iter);
            continue;
        }
        uuid_format(&counted->uuid, uuid);
        for (size_t i = 0; i < COUNTER_KINDS; i++) {
            if (counted->counters[i].count)
                json_array_append_new(list, counter_json(i, &counted->counters[i]));
        }
        json_object_set_new(root, uuid, list);
    }
    return root;
}

static void counters_load(Counters *counters)
{
    AUTO_JSON root = kept_file_load(counters->file);
    const char *key;
    Json *list;
    Uuid uuid;

    json_object_foreach (root, key, list) {
        const Json *item;
        size_t i;
        json_array_foreach (list, i, item) {
            const char *what = json_get_str(item, "what");
            for (size_t kind = 0; kind < COUNTER_KINDS && what; kind++) {
                if (strcmp(what, counter_names[kind]) != 0 || !uuid_parse(key, &uuid, NULL))
                    continue;
                Counter *counter = &counted_get(counters, &uuid)->counters[kind];
                g_free(counter->reason);
                *counter = (Counter){ .count = (uint64_t)MAX(json_get_int(item, "count", 0), 0),
                                      .last_s = MAX(json_get_int(item, "last", 0), 0),
                                      .reason = g_strdup(json_get_str(item, "reason")) };
            }
        }
    }
}

/* ---- counting ---- */

static void count(Counters *counters, const Uuid *uuid, CounterKind kind, const char *reason)
{
    Counter *counter = &counted_get(counters, uuid)->counters[kind];

    g_free(counter->reason);
    counter->count++;
    counter->last_s = g_get_real_time() / G_USEC_PER_SEC;
    counter->reason = g_utf8_make_valid(reason, (gssize)strnlen(reason, REASON_MAX));
    kept_file_changed(counters->file);
}

static void count_end(Counters *counters, const Event *event)
{
    g_autofree char *reason =
        g_strdup_printf("QEMU ended: %s", event->text1 ? event->text1 : "not known how");

    if (event->type == VIR_DOMAIN_EVENT_CRASHED)
        count(counters, &event->uuid, COUNTER_PANIC, "the guest's system says that it panicked");
    else if (event->type == VIR_DOMAIN_EVENT_STOPPED && event->detail == VIR_DOMAIN_EVENT_STOPPED_FAILED)
        count(counters, &event->uuid, event->flags ? COUNTER_OOM_KILL : COUNTER_UNEXPECTED_EXIT,
              event->flags ? "the kernel ended QEMU, because memory ran out" : reason);
}

static void on_event(const Event *event, void *arg)
{
    if (event->kind != OBJECT_DOMAIN)
        return;
    if (event->id == EVENT_LIFECYCLE) {
        count_end(arg, event);
    } else if (event->id == EVENT_IO_ERROR) {
        const bool is_full = g_strcmp0(event->text3, "enospc") == 0;
        const bool stops = event->type == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE;
        g_autofree char *reason =
            g_strdup_printf("%s: %s%s", event->text2, event->text1, is_full ? " has no space left" : "");
        count(arg, &event->uuid, is_full && stops ? COUNTER_NO_SPACE : COUNTER_IO_ERROR, reason);
    }
}

/* Machines were taken over before anybody listened. */
static void count_those_that_ended(Counters *counters)
{
    g_autoptr(GPtrArray) vms = NULL;

    if (!vm_list(http_hub_host(counters->hub), VIR_CONNECT_LIST_DOMAINS_INACTIVE, &vms, NULL))
        return;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);
        int reason;
        if (vm_state(vm, &reason) == VM_STATE_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_CRASHED)
            count(counters, vm_uuid(vm), COUNTER_UNEXPECTED_EXIT, "QEMU ended while no daemon ran");
    }
}

void counters_start(HttpHub *hub)
{
    Counters *counters = g_new0(Counters, 1);
    g_autofree char *lib = g_path_get_dirname(host_paths(http_hub_host(hub))->lib_qemu);

    counters->hub = hub;
    counters->file =
        kept_file_new(path_join(lib, "lodge-counters.json"), "counters", counters_format, counters);
    counters->machines = g_hash_table_new_full(uuid_hash, uuid_table_equal, NULL, counted_free);
    http_hub_put(hub, &counters_key, counters, counters_free);
    counters_load(counters);
    counters->subscription = event_subscribe(host_events(http_hub_host(hub)), on_event, counters);
    count_those_that_ended(counters);
}

const Counter *counters_of(HttpHub *hub, const Uuid *uuid)
{
    static const Counter none[COUNTER_KINDS];
    const Counters *counters = http_hub_get(hub, &counters_key);
    const Counted *counted = g_hash_table_lookup(counters->machines, uuid);

    return counted ? counted->counters : none;
}

/* ---- the route ---- */

static bool handle_counters(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    Json *items = json_array();

    for (size_t i = 0; vm && i < COUNTER_KINDS; i++) {
        const Counter *counter = &counters_of(req->hub, vm_uuid(vm))[i];
        json_array_append_new(items, json_pack("{s:s,s:I,s:o,s:o}", "what", counter_names[i], "count",
                                               (json_int_t)counter->count, "last_time",
                                               http_json_time(counter->last_s), "last_reason",
                                               http_json_text(counter->reason)));
    }
    if (vm)
        return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
    json_decref(items);
    return false;
}

static const HttpField counter_fields[] = {
    { "what", HTTP_STRING, .required = true, .choices = "panic|io_error|no_space|oom_kill|unexpected_exit" },
    { "count", HTTP_UINT, .required = true },
    { "last_time", HTTP_TIME, .required = true, .nullable = true },
    { "last_reason", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

const HttpRoute http_routes_counters[] = {
    { "GET", "/machines/{machine}/counters", HTTP_VIEW, .flags = HTTP_LIST | HTTP_MACHINE,
      .answer = counter_fields, .handle = handle_counters,
      .doc = "What went wrong with a machine: how often, when and why the last time.",
      .command = "lodge counters MACHINE" },
    { 0 },
};
