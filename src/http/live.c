/* What happens, told at once: as server-sent events for scripts, over a WebSocket for the page. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/units.h"
#include "http/feed.h"
#include "http/route.h"
#include "http/stats.h"
#include "http/websocket.h"

#define BEAT_MS 15000 /* a word that all is well, which also finds out who is gone */
#define SEND_TIMEOUT_MS 30000

/* ---- server-sent events ---- */

/* "Last-Event-ID" of a browser that comes back, or ?since=; else from now on. */
static bool read_since(HttpRequest *req, uint64_t *ret_since, Error **err)
{
    const char *last = http_header(req, "Last-Event-ID");

    *ret_since = feed_last_id(req->hub);
    if (last && parse_uint(last, ret_since, NULL))
        return true;
    return http_query_uint(&req->target, "since", *ret_since, UINT64_MAX, ret_since, err);
}

AWAITS static bool send_event(HttpPipe *pipe, const FeedItem *item, uint64_t *io_since)
{
    g_autofree char *text = g_strdup_printf("id: %" G_GUINT64_FORMAT "\nevent: %s\ndata: %s\n\n", item->id,
                                            item->kind, item->json);

    *io_since = item->id;
    return http_pipe_write(pipe, text, strlen(text), SEND_TIMEOUT_MS, NULL);
}

static bool handle_events(HttpRequest *req, Error **err)
{
    static const char lost[] = "event: lost\ndata: {}\n\n", beat[] = ": all is well\n\n";
    HttpAccounts *accounts = http_hub_accounts(req->hub);
    uint64_t since;
    bool was_lost;

    if (!read_since(req, &since, err))
        return false;
    http_add_header(req, "Cache-Control", "no-cache");
    http_add_header(req, "X-Accel-Buffering", "no");
    HttpPipe *pipe = http_answer_pipe(req, 200, "text/event-stream", UINT64_MAX);
    bool ok = http_pipe_write(pipe, beat, strlen(beat), SEND_TIMEOUT_MS, NULL);
    while (ok && http_identity_is_good(accounts, &req->who)) {
        const FeedItem *item = feed_next(req->hub, since, &req->who, &was_lost);
        if (was_lost) {
            since = item ? item->id - 1 : feed_last_id(req->hub);
            ok = http_pipe_write(pipe, lost, strlen(lost), SEND_TIMEOUT_MS, NULL);
        } else if (item) {
            ok = send_event(pipe, item, &since);
        } else if (!feed_wait(req->hub, BEAT_MS)) {
            ok = !fiber_is_cancelled(fiber_current()) &&
                 http_pipe_write(pipe, beat, strlen(beat), SEND_TIMEOUT_MS, NULL);
        }
    }
    return true;
}

/* ---- the WebSocket ---- */

typedef struct Live {
    HttpHub *hub;
    HttpIdentity who;
    uint64_t since;
    bool stats;
    unsigned round;
    WebSocket *ws;
    Fiber *out; /* reference */
} Live;

static void live_free(void *data)
{
    Live *live = data;

    http_identity_clear(&live->who);
    g_free(live);
}

AWAITS static bool live_send(Live *live, const char *text)
{
    return websocket_send(live->ws, WEBSOCKET_TEXT, text, strlen(text), NULL);
}

AWAITS static bool live_send_stats(Live *live)
{
    AUTO_JSON json = json_pack("{s:s,s:o}", "event", "stats", "data",
                               http_stats_json(live->hub, live->who.has_machine ? &live->who.machine : NULL));
    g_autofree char *text = json_format(json);

    live->round = http_stats_round(live->hub);
    http_stats_want(live->hub);
    return live_send(live, text);
}

/* One message, or a wait. false: it is over. */
AWAITS static bool live_step(Live *live)
{
    bool was_lost;
    const FeedItem *item = feed_next(live->hub, live->since, &live->who, &was_lost);

    if (was_lost) {
        live->since = item ? item->id - 1 : feed_last_id(live->hub);
        return live_send(live, "{\"event\":\"lost\",\"data\":{}}");
    }
    if (item) {
        g_autofree char *text =
            g_strdup_printf("{\"id\":\"%" G_GUINT64_FORMAT "\",\"event\":\"%s\",\"data\":%s}", item->id,
                            item->kind, item->json);
        live->since = item->id;
        return live_send(live, text);
    }
    if (live->stats && live->round != http_stats_round(live->hub))
        return live_send_stats(live);
    return feed_wait(live->hub, BEAT_MS) || !fiber_is_cancelled(fiber_current());
}

static void live_out(void *arg)
{
    Live *live = arg;

    while (http_identity_is_good(http_hub_accounts(live->hub), &live->who) && live_step(live))
        ;
    if (!fiber_is_cancelled(fiber_current()))
        websocket_close(live->ws, 1008, "the session is over");
}

/* {"subscribe": ["stats"]} */
static void live_take(Live *live, GBytes *bytes)
{
    size_t len, i;
    const char *text = g_bytes_get_data(bytes, &len);
    AUTO_JSON json = NULL;
    const Json *word;

    if (!json_parse(text, len, "a message", &json, NULL))
        return;
    json_array_foreach (json_get_arr(json, "subscribe"), i, word)
        live->stats |= g_strcmp0(json_string_value(word), "stats") == 0;
    if (live->stats)
        http_stats_want(live->hub);
    feed_wake(live->hub);
}

static void live_run(HttpSocket *socket, void *arg)
{
    Live *live = arg;
    g_autoptr(WebSocket) ws = websocket_new(socket);
    GBytes *bytes;
    int opcode;

    live->ws = ws;
    Fiber *out = fiber_spawn("live", live_out, live);
    if (!out)
        return;
    live->out = fiber_ref(out);
    while ((bytes = websocket_read(ws, &opcode, NULL))) {
        live_take(live, bytes);
        g_bytes_unref(bytes);
    }
    fiber_cancel(live->out);
    fiber_shield_begin();
    while (!fiber_is_done(live->out) && !fiber_join(live->out, 10000, NULL))
        ;
    fiber_shield_end();
    g_clear_pointer(&live->out, fiber_unref);
}

static bool handle_live(HttpRequest *req, Error **err)
{
    uint64_t since;

    if (!read_since(req, &since, err))
        return false;
    Live *live = g_new0(Live, 1);
    *live = (Live){ .hub = req->hub, .since = since, .who = req->who };
    live->who.user = g_strdup(req->who.user);
    live->who.csrf = g_strdup(req->who.csrf);
    return websocket_accept(req, NULL, live_run, live, live_free, err);
}

static const HttpField since_query[] = {
    { "since", HTTP_STRING, .doc = "the id of the last event that was seen" }, { 0 }
};

const HttpRoute http_routes_live[] = {
    { "GET", "/events", HTTP_VIEW, .flags = HTTP_MACHINE, .query = since_query, .type = "text/event-stream",
      .handle = handle_events, .doc = "What happens, as server-sent events; 'Last-Event-ID' resumes.",
      .command = "lodge event --all --loop" },
    { "GET", "/live", HTTP_VIEW, .flags = HTTP_MACHINE, .query = since_query, .status = 101,
      .handle = handle_live,
      .doc =
          "WebSocket: the same as {id, event, data}; {\"subscribe\": [\"stats\"]} adds what machines use." },
    { 0 },
};
