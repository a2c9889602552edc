/* What is about to happen to a machine's snapshots, in a file: see vm_snapshot_private.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "machine/vm_snapshot_private.h"

#define JOURNAL_MAX (64u << 20)

static const char *const kind_names[INTENT_KIND_COUNT] = { "none", "create", "revert", "delete" };

VmIntent *vm_intent_new(IntentKind kind, const char *snapshot, unsigned flags)
{
    VmIntent *intent = g_new(VmIntent, 1);

    *intent = (VmIntent){ .kind = kind,
                          .snapshot = g_strdup(snapshot),
                          .flags = flags,
                          .disks = g_ptr_array_new_with_free_func(g_free),
                          .paths = g_ptr_array_new_with_free_func(g_free),
                          .nodes = g_ptr_array_new_with_free_func(g_free),
                          .names = g_ptr_array_new_with_free_func(g_free) };
    return intent;
}

void vm_intent_free(VmIntent *intent)
{
    if (!intent)
        return;
    g_ptr_array_unref(intent->disks);
    g_ptr_array_unref(intent->paths);
    g_ptr_array_unref(intent->nodes);
    g_ptr_array_unref(intent->names);
    g_free(intent->snapshot);
    g_free(intent->document);
    g_free(intent->memory);
    g_free(intent);
}

void vm_intent_add(VmIntent *intent, const char *disk, const char *path, const char *node)
{
    g_ptr_array_add(intent->disks, g_strdup(disk));
    g_ptr_array_add(intent->paths, g_strdup(path ? path : ""));
    g_ptr_array_add(intent->nodes, g_strdup(node ? node : ""));
}

static Json *strings_to_json(const GPtrArray *texts)
{
    Json *list = json_array();

    for (guint i = 0; i < texts->len; i++)
        json_array_append_new(list, json_string(g_ptr_array_index(texts, i)));
    return list;
}

static void strings_from_json(const Json *list, GPtrArray *texts)
{
    size_t i = 0;
    Json *entry = NULL;

    json_array_foreach (list, i, entry)
        g_ptr_array_add(texts, g_strdup(json_is_string(entry) ? json_string_value(entry) : ""));
}

bool vm_intent_save(Vm *vm, const VmIntent *intent, Error **err)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "journal", "");
    AUTO_JSON object =
        json_pack("{s:s, s:b, s:b, s:b, s:s, s:s?, s:s?, s:I, s:o, s:o, s:o, s:o}", "kind",
                  kind_names[intent->kind], "decided", intent->is_decided, "frozen", intent->is_frozen,
                  "live", intent->is_live, "snapshot", intent->snapshot, "document", intent->document,
                  "memory", intent->memory, "flags", (json_int_t)intent->flags, "disks",
                  strings_to_json(intent->disks), "paths", strings_to_json(intent->paths), "nodes",
                  strings_to_json(intent->nodes), "names", strings_to_json(intent->names));

    if (!object)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a name or path of snapshot '%s' is not valid UTF-8",
                         intent->snapshot);
    g_autofree char *text = json_format(object);
    return vm_snapshot_make_own_folder(vm, err) && file_replace(path, text, strlen(text), 0600, err);
}

void vm_intent_done(Vm *vm)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "journal", "");
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (!file_remove(path, &err))
        log_error_error(err, path);
    fiber_shield_end();
}

VmIntent *vm_intent_load(Vm *vm)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "journal", "");
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    AUTO_JSON object = NULL;
    size_t len = 0;

    if (!file_read(path, JOURNAL_MAX, &text, &len, &err) ||
        !json_parse(text, len, "journal of snapshots", &object, &err)) {
        if (error_errno(err) != ENOENT)
            log_error_error(err, path);
        return NULL;
    }
    const char *kind = json_get_str(object, "kind");
    g_autoptr(VmIntent) intent = vm_intent_new(INTENT_NONE, json_get_str(object, "snapshot"),
                                               (unsigned)json_get_uint(object, "flags", 0));
    for (unsigned i = 0; kind && i < INTENT_KIND_COUNT; i++) {
        if (strcmp(kind_names[i], kind) == 0)
            intent->kind = (IntentKind)i;
    }
    intent->is_decided = json_get_bool(object, "decided", false);
    intent->is_frozen = json_get_bool(object, "frozen", false);
    intent->is_live = json_get_bool(object, "live", false);
    intent->document = g_strdup(json_get_str(object, "document"));
    intent->memory = g_strdup(json_get_str(object, "memory"));
    strings_from_json(json_get_arr(object, "disks"), intent->disks);
    strings_from_json(json_get_arr(object, "paths"), intent->paths);
    strings_from_json(json_get_arr(object, "nodes"), intent->nodes);
    strings_from_json(json_get_arr(object, "names"), intent->names);
    if (!intent->snapshot || intent->disks->len != intent->paths->len ||
        intent->disks->len != intent->nodes->len) {
        log_error("'%s' makes no sense", path);
        return NULL;
    }
    return g_steal_pointer(&intent);
}
