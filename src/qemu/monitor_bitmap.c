/* Dirty bitmaps of block nodes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor_bitmap.h"

#include <string.h>

#include "qemu/monitor_private.h"

static void bitmap_free(void *data)
{
    MonitorBitmap *bitmap = data;

    g_free(bitmap->node);
    g_free(bitmap->name);
    g_free(bitmap);
}

bool monitor_query_bitmaps(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_bitmaps, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!monitor_ask_list(qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), timeout_ms, &reply,
                          err))
        return false;
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new_with_free_func(bitmap_free);
    size_t i, j;
    Json *entry, *one;
    json_array_foreach (reply, i, entry) {
        const char *node = json_get_str(entry, "node-name");
        json_array_foreach (json_get_arr(entry, "dirty-bitmaps"), j, one) {
            const char *name = json_get_str(one, "name");
            if (!node || !name)
                continue;
            if (bitmaps->len >= MONITOR_MAX_ENTRIES)
                return monitor_bad_reply("query-named-block-nodes", err);
            MonitorBitmap *bitmap = g_new0(MonitorBitmap, 1);
            *bitmap = (MonitorBitmap){ .node = g_strdup(node),
                                       .name = g_strdup(name),
                                       .dirty_bytes = json_get_uint(one, "count", 0),
                                       .granularity = json_get_uint(one, "granularity", 0),
                                       .recording = json_get_bool(one, "recording", false),
                                       .persistent = json_get_bool(one, "persistent", false),
                                       .busy = json_get_bool(one, "busy", false),
                                       .inconsistent = json_get_bool(one, "inconsistent", false) };
            g_ptr_array_add(bitmaps, bitmap);
        }
    }
    *ret_bitmaps = g_steal_pointer(&bitmaps);
    return true;
}

const MonitorBitmap *monitor_find_bitmap(const GPtrArray *bitmaps, const char *node, const char *name)
{
    for (guint i = 0; node && i < bitmaps->len; i++) {
        const MonitorBitmap *bitmap = g_ptr_array_index(bitmaps, i);
        if (strcmp(bitmap->node, node) == 0 && strcmp(bitmap->name, name) == 0)
            return bitmap;
    }
    return NULL;
}

static void append_action(Json *actions, const char *type, Json *data)
{
    json_array_append_new(actions, json_pack("{s:s, s:o}", "type", type, "data", data));
}

void monitor_bitmap_add(Json *actions, const char *node, const char *name, bool persistent, bool recording,
                        uint64_t granularity)
{
    Json *data = json_pack("{s:s, s:s, s:b, s:b}", "node", node, "name", name, "persistent", persistent,
                           "disabled", !recording);

    if (granularity)
        json_object_set_new(data, "granularity", json_integer((json_int_t)granularity));
    append_action(actions, "block-dirty-bitmap-add", data);
}

void monitor_bitmap_remove(Json *actions, const char *node, const char *name)
{
    append_action(actions, "block-dirty-bitmap-remove", json_pack("{s:s, s:s}", "node", node, "name", name));
}

void monitor_bitmap_merge(Json *actions, const char *node, const char *name, const char *from_node,
                          const char *from_name)
{
    append_action(actions, "block-dirty-bitmap-merge",
                  json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "node", node, "target", name, "bitmaps", "node",
                            from_node, "name", from_name));
}

bool monitor_transaction(Qmp *qmp, Json *actions, uint64_t timeout_ms, Error **err)
{
    AUTO_JSON owned = actions;

    return json_array_size(owned) == 0 ||
           monitor_do(qmp, "transaction", json_pack("{s:O}", "actions", owned), timeout_ms, err);
}
