/* The event bus. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "core/event.h"

typedef struct Listener {
    EventBus *bus;
    EventSubscription *own, *other;
    unsigned heard;
    bool leaves, joins;
} Listener;

static void listen_again(const Event *event, void *arg)
{
    ((Listener *)arg)->heard += 100;
}

static void listen(const Event *event, void *arg)
{
    Listener *listener = arg;

    listener->heard++;
    if (listener->leaves) {
        event_unsubscribe(g_steal_pointer(&listener->own));
        if (listener->other)
            event_unsubscribe(g_steal_pointer(&listener->other));
        listener->leaves = false;
    }
    if (listener->joins) {
        listener->joins = false;
        listener->own = event_subscribe(listener->bus, listen_again, listener);
    }
}

TEST(subscribers_may_leave_while_an_event_is_published)
{
    EventBus *bus = event_bus_new();
    Listener first = { .bus = bus, .leaves = true };
    Listener second = { .bus = bus };
    first.own = event_subscribe(bus, listen, &first);
    first.other = second.own = event_subscribe(bus, listen, &second);
    event_publish(bus, &(Event){ .id = EVENT_REBOOT });
    event_publish(bus, &(Event){ .id = EVENT_REBOOT });
    check_eq(first.heard, 1);
    check_eq(second.heard, 0);
    event_bus_free(bus);
}

TEST(subscribers_that_join_hear_the_next_event)
{
    EventBus *bus = event_bus_new();
    Listener listener = { .bus = bus, .joins = true };
    (void)event_subscribe(bus, listen, &listener);
    event_publish(bus, &(Event){ .id = EVENT_REBOOT });
    check_eq(listener.heard, 1);
    event_publish(bus, &(Event){ .id = EVENT_REBOOT });
    check_eq(listener.heard, 102);
    event_bus_free(bus);
}
