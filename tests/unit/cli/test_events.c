/* Domain events in words. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/class.h"
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

/* Texts of rows name members that are there; a server's numbers and absent strings do no harm. */
TEST(every_text_fits_its_message)
{
    static char space[4096];
    for (int32_t proc = 1; wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), proc); proc++) {
        EventText event;
        memset(space, 0, sizeof(space));
        if (!event_describe(proc, space, &event))
            continue;
        check_case(event_name(event.id));
        check(json_is_object(event.detail));
        event_text_clear(&event);
    }
    for (const CliClass *const *class = cli_classes; *class; class ++) {
        for (const CliEvent *row = (*class)->events; row && row->name; row++) {
            EventText event = { .text = g_string_new(NULL), .detail = json_object() };
            memset(space, 0, sizeof(space));
            check_case(row->name);
            event_say(&event, wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), row->proc)->args, space,
                      row->text);
            event_text_clear(&event);
        }
    }
}

TEST(texts_name_words_and_what_is_absent)
{
    char path[] = "/a.img", alias[] = "virtio-disk0", reason[] = "enospc";
    WireDomainEventCallbackIoErrorReasonMsg io = {
        .msg = { .dom = { .name = web }, .src_path = path, .dev_alias = alias, .action = 1, .reason = reason }
    };
    WireDomainEventCallbackDiskChangeMsg disk = {
        .msg = { .dom = { .name = web }, .dev_alias = alias, .new_src_path = path, .reason = 1 }
    };
    EventText event;
    check(event_describe(PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, &io, &event));
    check_str(event.text->str, "/a.img (virtio-disk0) pause due to enospc");
    check_str(json_get_str(event.detail, "action"), "pause");
    event_text_clear(&event);
    check(event_describe(PROC_DOMAIN_EVENT_CALLBACK_DISK_CHANGE, &disk, &event));
    check_str(event.text->str, "disk virtio-disk0 - -> /a.img: dropped");
    check(json_is_null(json_object_get(event.detail, "old")));
    event_text_clear(&event);
}
