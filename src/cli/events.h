/* Domain events as words. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

#define EVENT_KINDS 28u

/* "lifecycle": by the number that the protocol gives it (VIR_DOMAIN_EVENT_ID_...). */
const char *event_name(unsigned id);

typedef struct EventText {
    unsigned id;
    const WireDomain *domain; /* borrowed from the message */
    GString *text;            /* "Started Booted"; may be empty */
    Json *detail;             /* the same as members of an object */
} EventText;

/* false for a message that is no domain event. Clear the result with event_text_clear(). */
bool event_describe(int32_t proc, const void *message, EventText *ret_event);
/* Adds a text with places for members of @message, as the rows in events.c have it. */
void event_say(EventText *event, WireType type, const void *message, const char *text);
void event_text_clear(EventText *event);
