/* Domain events in words. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/events.h"

static char web[] = "web";

TEST(every_kind_of_event_has_a_name_and_a_message)
{
    for (unsigned id = 0; id < EVENT_KINDS; id++) {
        check(strcmp(event_name(id), "unknown") != 0);
        for (unsigned other = 0; other < id; other++)
            check(strcmp(event_name(id), event_name(other)) != 0);
    }
    check_str(event_name(EVENT_KINDS), "unknown");
    EventText event;
    check(!event_describe(PROC_DOMAIN_CREATE, NULL, &event));
}

TEST(lifecycle_events_say_what_and_why)
{
    static const struct {
        int event, detail;
        const char *text;
    } cases[] = { { 2, 0, "Started Booted" },
                  { 5, 1, "Stopped Destroyed" },
                  { 6, 2, "Shutdown Finished after host request" },
                  { 0, 1, "Defined Updated" },
                  { 99, 0, "unknown unknown" },
                  { 2, 77, "Started unknown" },
                  { -1, -1, "unknown unknown" } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        WireDomainEventCallbackLifecycleMsg msg = {
            .msg = { .dom = { .name = web }, .event = cases[i].event, .detail = cases[i].detail }
        };
        EventText event;
        check_case(cases[i].text);
        check(event_describe(PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE, &msg, &event));
        check_eq(event.id, VIR_DOMAIN_EVENT_ID_LIFECYCLE);
        check_str(event.domain->name, "web");
        check_str(event.text->str, cases[i].text);
        event_text_clear(&event);
    }
}

TEST(text_from_the_daemon_is_made_harmless)
{
    char path[] = "/x\033]0;title\007", uri[] = "urn:\n";
    WireDomainEventBlockThresholdMsg threshold = {
        .dom = { .name = web }, .dev = path, .threshold = 5, .excess = 6
    };
    WireDomainEventCallbackMetadataChangeMsg metadata = { .dom = { .name = web }, .type = 2, .nsuri = uri };
    EventText event;
    check(event_describe(PROC_DOMAIN_EVENT_BLOCK_THRESHOLD, &threshold, &event));
    check(strchr(event.text->str, '\033') == NULL);
    check_eq(json_get_int(event.detail, "threshold_bytes", 0), 5);
    event_text_clear(&event);
    check(event_describe(PROC_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, &metadata, &event));
    check_str(event.text->str, "type element, uri urn:\\x0a");
    event_text_clear(&event);
}
