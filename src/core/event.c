/* The event bus: a list of callbacks. A callback may subscribe or unsubscribe anybody, itself included, while
 * an event is being published: dead entries are swept when the outermost publication ends. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/event.h"

struct EventSubscription {
    EventBus *bus;
    void (*func)(const Event *event, void *arg); /* NULL: unsubscribed, to be swept */
    void *arg;
};

struct EventBus {
    GPtrArray *subscriptions; /* of EventSubscription */
    unsigned publishing;      /* depth */
    bool has_dead;
};

EventBus *event_bus_new(void)
{
    EventBus *bus = g_new0(EventBus, 1);

    bus->subscriptions = g_ptr_array_new_with_free_func(g_free);
    return bus;
}

void event_bus_free(EventBus *bus)
{
    if (!bus)
        return;
    g_ptr_array_unref(bus->subscriptions);
    g_free(bus);
}

EventSubscription *event_subscribe(EventBus *bus, void (*func)(const Event *event, void *arg), void *arg)
{
    EventSubscription *subscription = g_new0(EventSubscription, 1);

    *subscription = (EventSubscription){ .bus = bus, .func = func, .arg = arg };
    g_ptr_array_add(bus->subscriptions, subscription);
    return subscription;
}

static void event_bus_sweep(EventBus *bus)
{
    for (guint i = bus->subscriptions->len; i-- > 0;) {
        const EventSubscription *subscription = g_ptr_array_index(bus->subscriptions, i);
        if (!subscription->func)
            g_ptr_array_remove_index(bus->subscriptions, i);
    }
    bus->has_dead = false;
}

void event_unsubscribe(EventSubscription *subscription)
{
    if (!subscription)
        return;
    EventBus *bus = subscription->bus;
    subscription->func = NULL;
    bus->has_dead = true;
    if (bus->publishing == 0)
        event_bus_sweep(bus);
}

void event_publish(EventBus *bus, const Event *event)
{
    /* Subscribers that join while this runs do not see this event. */
    const guint count = bus->subscriptions->len;

    bus->publishing++;
    for (guint i = 0; i < count; i++) {
        const EventSubscription *subscription = g_ptr_array_index(bus->subscriptions, i);
        if (subscription->func)
            subscription->func(event, subscription->arg);
    }
    bus->publishing--;
    if (bus->publishing == 0 && bus->has_dead)
        event_bus_sweep(bus);
}
