/* Lines are compared as text: parsing each would cost what is to be saved. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qmp_flood.h"

#include <string.h>

typedef struct FloodLine {
    char *key;
    char *text;
    GList link;
} FloodLine;

static void flood_line_free(FloodLine *line)
{
    g_free(line->key);
    g_free(line->text);
    g_free(line);
}

void qmp_flood_init(QmpFlood *flood)
{
    *flood = (QmpFlood){ 0 };
    g_queue_init(&flood->held);
}

void qmp_flood_clear(QmpFlood *flood)
{
    g_clear_pointer(&flood->by_text, g_hash_table_unref);
    for (GList *link; (link = g_queue_pop_head_link(&flood->held));)
        flood_line_free(link->data);
}

bool qmp_flood_slice_is_over(const QmpFlood *flood, uint64_t now_us)
{
    return now_us - flood->since_us >= QMP_FLOOD_SLICE_US;
}

bool qmp_flood_pass(QmpFlood *flood, uint64_t now_us)
{
    if (qmp_flood_slice_is_over(flood, now_us) && g_queue_is_empty(&flood->held)) {
        flood->since_us = now_us;
        flood->n_passed = 0;
    }
    if (flood->n_passed >= QMP_FLOOD_LINES)
        return false;
    flood->n_passed++;
    return true;
}

/* {"timestamp": {"seconds": 1700000000, "microseconds": 123456}, "event": ...} without the digits of its
 * time. */
static char *flood_key(const char *line, size_t len)
{
    const char *time_end = g_str_has_prefix(line, "{\"timestamp\": {") ? memchr(line, '}', len) : NULL;
    size_t time_len = time_end ? (size_t)(time_end - line) : 0;
    char *key = g_malloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (i >= time_len || !g_ascii_isdigit(line[i]))
            key[n++] = line[i];
    }
    key[n] = '\0';
    return key;
}

void qmp_flood_hold(QmpFlood *flood, const char *text, size_t len)
{
    char *key = flood_key(text, len);

    if (!flood->by_text)
        flood->by_text = g_hash_table_new(g_str_hash, g_str_equal);
    FloodLine *line = g_hash_table_lookup(flood->by_text, key);
    if (line) {
        g_free(key);
        g_free(line->text);
        g_queue_unlink(&flood->held, &line->link);
        flood->n_dropped++;
    } else {
        line = g_new0(FloodLine, 1);
        line->key = key;
        line->link.data = line;
        g_hash_table_insert(flood->by_text, key, line);
    }
    line->text = g_strndup(text, len);
    g_queue_push_tail_link(&flood->held, &line->link);
}

bool qmp_flood_is_full(const QmpFlood *flood)
{
    return flood->held.length >= QMP_FLOOD_HELD;
}

char *qmp_flood_take(QmpFlood *flood)
{
    GList *link = g_queue_pop_head_link(&flood->held);

    if (!link) {
        g_clear_pointer(&flood->by_text, g_hash_table_unref);
        return NULL;
    }
    FloodLine *line = link->data;
    char *text = g_steal_pointer(&line->text);
    g_hash_table_remove(flood->by_text, line->key);
    flood_line_free(line);
    return text;
}

bool qmp_flood_is_on(const QmpFlood *flood, uint64_t now_us)
{
    return flood->held.length > 0 ||
           (flood->n_passed >= QMP_FLOOD_LINES && !qmp_flood_slice_is_over(flood, now_us));
}
