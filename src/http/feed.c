/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/feed.h"

#include <string.h>

#include "core/event.h"
#include "http/answer.h"

#define FEED_KEPT 8192u

typedef struct Feed {
    HttpHub *hub;
    GQueue items; /* of FeedItem, the oldest first */
    uint64_t last_id, lost_id;
    EventSubscription *subscription;
    WaitQueue news;
    void (*observe)(const FeedItem *item, void *arg); /* NULL: nobody */
    void *observe_arg;
} Feed;

static const char feed_key;

static void item_free(gpointer data)
{
    FeedItem *item = data;

    g_free(item->name);
    g_free(item->detail);
    g_free(item->json);
    g_free(item);
}

static void feed_free(void *data)
{
    Feed *feed = data;

    event_unsubscribe(feed->subscription);
    wait_queue_clear(&feed->news);
    g_queue_clear_full(&feed->items, item_free);
    g_free(feed);
}

static Feed *feed_of(HttpHub *hub)
{
    return http_hub_get(hub, &feed_key);
}

/* ---- words ---- */

static const char *const kinds[OBJECT_KIND_COUNT] = {
    "machine", "network", "pool", "secret", "filter", "filter-binding", "interface", "node-device"
};

/* Of EVENT_LIFECYCLE, by the kind's own numbers. */
static const char *lifecycle_word(const Event *event)
{
    static const char *const of_machine[] = { "defined", "undefined", "started",     "suspended", "resumed",
                                              "stopped", "shutdown",  "pmsuspended", "crashed" };
    static const char *const of_others[] = { "defined", "undefined", "started",
                                             "stopped", "created",   "deleted" };
    const char *const *words = event->kind == OBJECT_DOMAIN ? of_machine : of_others;
    const size_t n = event->kind == OBJECT_DOMAIN ? G_N_ELEMENTS(of_machine) : G_N_ELEMENTS(of_others);

    if (event->kind == OBJECT_NODE_DEVICE) /* 0 created, 1 deleted */
        return event->type == 0 ? "created" : event->type == 1 ? "deleted" : "changed";
    return event->type >= 0 && (size_t)event->type < n ? words[event->type] : "changed";
}

static const char *event_word(const Event *event)
{
    static const char *const of_machine[EVENT_COUNT] = {
        [EVENT_REBOOT] = "rebooted",
        [EVENT_RTC_CHANGE] = "clock-changed",
        [EVENT_WATCHDOG] = "watchdog",
        [EVENT_IO_ERROR] = "io-error",
        [EVENT_GRAPHICS] = "display-client",
        [EVENT_CONTROL_ERROR] = "control-error",
        [EVENT_DISK_CHANGE] = "disk-changed",
        [EVENT_TRAY_CHANGE] = "tray-changed",
        [EVENT_PMWAKEUP] = "pm-wakeup",
        [EVENT_PMSUSPEND] = "pm-suspend",
        [EVENT_BALLOON_CHANGE] = "memory-changed",
        [EVENT_PMSUSPEND_DISK] = "pm-suspend-disk",
        [EVENT_DEVICE_REMOVED] = "device-removed",
        [EVENT_BLOCK_JOB_2] = "block-job",
        [EVENT_TUNABLE] = "tuned",
        [EVENT_AGENT_LIFECYCLE] = "agent",
        [EVENT_DEVICE_ADDED] = "device-added",
        [EVENT_JOB_COMPLETED] = "job-completed",
        [EVENT_DEVICE_REMOVAL_FAILED] = "device-removal-failed",
        [EVENT_METADATA_CHANGE] = "metadata-changed",
        [EVENT_BLOCK_THRESHOLD] = "block-threshold",
        [EVENT_MEMORY_FAILURE] = "memory-failure",
        [EVENT_MEMORY_DEVICE_SIZE_CHANGE] = "memory-device-size",
        [EVENT_NIC_MAC_CHANGE] = "mac-changed",
    };

    if (event->id == EVENT_LIFECYCLE)
        return lifecycle_word(event);
    if (event->kind == OBJECT_DOMAIN)
        return event->id < EVENT_COUNT ? of_machine[event->id] : NULL; /* NULL: told by another one, too */
    return event->kind == OBJECT_POOL ? "refreshed" : "changed";
}

/* ---- what comes in ---- */

static uint64_t feed_new_id(Feed *feed)
{
    /* The clock, so that numbers grow over restarts without being kept anywhere. */
    feed->last_id = MAX(feed->last_id + 1, (uint64_t)g_get_real_time());
    return feed->last_id;
}

static void feed_add(Feed *feed, FeedItem *item)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&item->uuid, uuid);
    item->id = feed_new_id(feed);
    item->time_s = g_get_real_time() / 1000000;
    AUTO_JSON json =
        json_pack("{s:s,s:s?,s:o,s:s,s:o}", "kind", item->kind, "uuid", item->has_uuid ? uuid : NULL, "name",
                  http_json_text(item->name), "event", item->what, "detail", http_json_text(item->detail));
    item->json = json_format(json);
    g_queue_push_tail(&feed->items, item);
    if (feed->observe)
        feed->observe(item, feed->observe_arg);
    if (feed->items.length > FEED_KEPT) {
        FeedItem *oldest = g_queue_pop_head(&feed->items);
        feed->lost_id = oldest->id;
        item_free(oldest);
    }
    wait_queue_wake_all(&feed->news);
}

static void feed_on_event(const Event *event, void *arg)
{
    const char *what = event_word(event);

    if (!what || event->kind >= OBJECT_KIND_COUNT || event->id == EVENT_QEMU_MONITOR)
        return;
    FeedItem *item = g_new0(FeedItem, 1);
    *item = (FeedItem){ .kind = kinds[event->kind],
                        .has_uuid = !uuid_is_null(&event->uuid),
                        .uuid = event->uuid,
                        .name = g_strdup(event->name),
                        .what = what,
                        .detail = event->id == EVENT_IO_ERROR ? g_strdup(event->text1)
                                  : event->id == EVENT_LIFECYCLE && event->kind == OBJECT_DOMAIN
                                      ? g_strdup_printf("%d", event->detail)
                                      : g_strdup(event->text1) };
    feed_add(arg, item);
}

void feed_start(HttpHub *hub)
{
    Feed *feed = g_new0(Feed, 1);

    feed->hub = hub;
    g_queue_init(&feed->items);
    wait_queue_init(&feed->news);
    feed->lost_id = feed_new_id(feed);
    feed->subscription = event_subscribe(host_events(http_hub_host(hub)), feed_on_event, feed);
    http_hub_put(hub, &feed_key, feed, feed_free);
}

void feed_publish(HttpHub *hub, const char *kind, const char *name, const char *what, const char *detail)
{
    FeedItem *item = g_new0(FeedItem, 1);

    *item = (FeedItem){ .kind = kind, .name = g_strdup(name), .what = what, .detail = g_strdup(detail) };
    feed_add(feed_of(hub), item);
}

uint64_t feed_new_number(HttpHub *hub)
{
    return feed_new_id(feed_of(hub));
}

void feed_set_observer(HttpHub *hub, void (*observe)(const FeedItem *item, void *arg), void *arg)
{
    Feed *feed = feed_of(hub);

    feed->observe = observe;
    feed->observe_arg = arg;
}

/* ---- what goes out ---- */

static bool item_may_be_seen(const FeedItem *item, const HttpIdentity *who)
{
    return !who->has_machine || (item->has_uuid && uuid_equal(&item->uuid, &who->machine));
}

const FeedItem *feed_next(HttpHub *hub, uint64_t since, const HttpIdentity *who, bool *ret_lost)
{
    const Feed *feed = feed_of(hub);
    const GList *first = NULL;

    *ret_lost = since < feed->lost_id;
    /* From the newest: those who follow have seen nearly all. */
    for (const GList *at = feed->items.tail; at && ((const FeedItem *)at->data)->id > since; at = at->prev) {
        if (item_may_be_seen(at->data, who))
            first = at;
    }
    return first ? first->data : NULL;
}

uint64_t feed_last_id(HttpHub *hub)
{
    return feed_of(hub)->last_id;
}

bool feed_wait(HttpHub *hub, uint64_t timeout_ms)
{
    return wait_queue_wait(&feed_of(hub)->news, timeout_ms, NULL);
}

void feed_wake(HttpHub *hub)
{
    wait_queue_wake_all(&feed_of(hub)->news);
}
