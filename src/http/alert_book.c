/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/alert_book.h"

#include <string.h>

#define ALERTS_MAX 10000u

const char *const alert_kind_names[ALERT_KINDS] = { "down",        "crash_loop",   "pool_full", "backup_old",
                                                    "certificate", "agent_silent", "no_space",  "io_error" };

struct AlertBook {
    GPtrArray *alerts; /* of Alert, also those that have not begun */
    GPtrArray *listed; /* some of them */
    void (*on_change)(const Alert *alert, void *arg);
    void *arg;
    uint64_t last_id;
    unsigned round;
};

static void alert_free(gpointer data)
{
    Alert *alert = data;

    g_free(alert->key);
    g_free(alert->object);
    g_free(alert->detail);
    g_free(alert);
}

AlertBook *alert_book_new(void (*on_change)(const Alert *alert, void *arg), void *arg)
{
    AlertBook *book = g_new0(AlertBook, 1);

    book->alerts = g_ptr_array_new_with_free_func(alert_free);
    book->listed = g_ptr_array_new();
    book->on_change = on_change;
    book->arg = arg;
    return book;
}

void alert_book_free(AlertBook *book)
{
    if (!book)
        return;
    g_ptr_array_unref(book->alerts);
    g_ptr_array_unref(book->listed);
    g_free(book);
}

static Alert *alert_at(const AlertBook *book, guint i)
{
    return g_ptr_array_index(book->alerts, i);
}

/* One that ended and has yet to be told is over: what follows is another. */
static Alert *alert_find(const AlertBook *book, AlertKind kind, const char *key)
{
    for (guint i = 0; i < book->alerts->len; i++) {
        Alert *alert = alert_at(book, i);
        if (alert->kind == kind && strcmp(alert->key, key) == 0 && (alert->is_open || !alert->must_tell))
            return alert;
    }
    return NULL;
}

void alert_book_begin(AlertBook *book)
{
    book->round++;
}

static void alert_turn(AlertBook *book, Alert *alert, bool is_open)
{
    alert->is_open = is_open;
    /* Who was not told that it began need not know that it ended. */
    alert->must_tell = is_open || !alert->must_tell;
    alert->turned_s = 0;
    book->on_change(alert, book->arg);
}

static void alert_is_bad(AlertBook *book, Alert *alert, int64_t now_s, const AlertFinding *finding)
{
    if (g_strcmp0(alert->object, finding->object) != 0) {
        g_free(alert->object);
        alert->object = g_strdup(finding->object);
    }
    g_free(alert->detail);
    alert->detail = g_strdup(finding->detail);
    alert->is_critical = finding->is_critical;
    if (alert->is_open)
        alert->turned_s = 0;
    else if (now_s - alert->turned_s >= finding->begin_s)
        alert_turn(book, alert, true);
}

static void alert_is_good(AlertBook *book, Alert *alert, int64_t now_s, int64_t end_s)
{
    if (!alert->is_open) {
        alert->turned_s = 0; /* it never was one */
        return;
    }
    alert->turned_s = alert->turned_s ? alert->turned_s : now_s;
    if (now_s - alert->turned_s >= end_s)
        alert_turn(book, alert, false);
}

void alert_book_find(AlertBook *book, int64_t now_s, const AlertFinding *finding)
{
    Alert *alert = alert_find(book, finding->kind, finding->key);

    if (!alert) {
        if (finding->level != ALERT_BAD || book->alerts->len >= ALERTS_MAX)
            return;
        alert = g_new0(Alert, 1);
        *alert = (Alert){ .id = ++book->last_id,
                          .kind = finding->kind,
                          .key = g_strdup(finding->key),
                          .since_s = now_s,
                          .turned_s = now_s };
        g_ptr_array_add(book->alerts, alert);
    }
    alert->round = book->round;
    if (finding->level == ALERT_BAD)
        alert_is_bad(book, alert, now_s, finding);
    else if (finding->level == ALERT_GOOD)
        alert_is_good(book, alert, now_s, finding->end_s);
}

static bool alert_is_over(const Alert *alert)
{
    return !alert->is_open && !alert->must_tell && !alert->turned_s;
}

static void alert_book_sweep(AlertBook *book)
{
    for (guint i = book->alerts->len; i-- > 0;) {
        if (alert_is_over(alert_at(book, i)))
            g_ptr_array_remove_index_fast(book->alerts, i);
    }
}

void alert_book_end(AlertBook *book, int64_t now_s, unsigned kinds)
{
    for (guint i = 0; i < book->alerts->len; i++) {
        Alert *alert = alert_at(book, i);
        if (alert->round != book->round && (kinds & (1u << alert->kind)))
            alert_is_good(book, alert, now_s, 0);
    }
    alert_book_sweep(book);
}

const GPtrArray *alert_book_list(const AlertBook *book)
{
    g_ptr_array_set_size(book->listed, 0);
    for (guint i = 0; i < book->alerts->len; i++) {
        if (alert_at(book, i)->is_open || alert_at(book, i)->must_tell)
            g_ptr_array_add(book->listed, alert_at(book, i));
    }
    return book->listed;
}

bool alert_book_acknowledge(AlertBook *book, uint64_t id)
{
    for (guint i = 0; i < book->alerts->len; i++) {
        Alert *alert = alert_at(book, i);
        if (alert->id == id && alert->is_open)
            return alert->is_acknowledged = true;
    }
    return false;
}

void alert_book_told(AlertBook *book, uint64_t id, bool is_open)
{
    for (guint i = 0; i < book->alerts->len; i++) {
        Alert *alert = alert_at(book, i);
        if (alert->id == id && alert->is_open == is_open)
            alert->must_tell = false;
    }
    alert_book_sweep(book);
}

Json *alert_book_format(const AlertBook *book)
{
    const GPtrArray *alerts = alert_book_list(book);
    Json *list = json_array();

    for (guint i = 0; i < alerts->len; i++) {
        const Alert *alert = g_ptr_array_index(alerts, i);
        json_array_append_new(list,
                              json_pack("{s:I,s:s,s:s,s:s,s:s,s:b,s:b,s:I,s:b,s:b}", "id",
                                        (json_int_t)alert->id, "kind", alert_kind_names[alert->kind], "key",
                                        alert->key, "object", alert->object, "detail",
                                        alert->detail ? alert->detail : "", "critical",
                                        (int)alert->is_critical, "acknowledged", (int)alert->is_acknowledged,
                                        "since", (json_int_t)alert->since_s, "open", (int)alert->is_open,
                                        "must_tell", (int)alert->must_tell));
    }
    return json_pack("{s:I,s:o}", "last_id", (json_int_t)book->last_id, "alerts", list);
}

static void alert_parse(AlertBook *book, const Json *json)
{
    const char *kind = json_get_str(json, "kind"), *key = json_get_str(json, "key");
    const char *object = json_get_str(json, "object"), *detail = json_get_str(json, "detail");
    size_t number = 0;

    while (kind && number < ALERT_KINDS && strcmp(kind, alert_kind_names[number]) != 0)
        number++;
    if (!kind || number == ALERT_KINDS || !key || !object || book->alerts->len >= ALERTS_MAX)
        return;
    Alert *alert = g_new0(Alert, 1);
    *alert = (Alert){ .id = json_get_uint(json, "id", 0),
                      .kind = (AlertKind)number,
                      .key = g_strdup(key),
                      .object = g_strdup(object),
                      .detail = g_strdup(detail),
                      .is_critical = json_get_bool(json, "critical", false),
                      .is_acknowledged = json_get_bool(json, "acknowledged", false),
                      .since_s = json_get_int(json, "since", 0),
                      .is_open = json_get_bool(json, "open", false),
                      .must_tell = json_get_bool(json, "must_tell", false) };
    book->last_id = MAX(book->last_id, alert->id);
    g_ptr_array_add(book->alerts, alert);
}

void alert_book_parse(AlertBook *book, const Json *json)
{
    const Json *item;
    size_t i;

    book->last_id = MAX(book->last_id, json_get_uint(json, "last_id", 0));
    json_array_foreach (json_get_arr(json, "alerts"), i, item)
        alert_parse(book, item);
}
