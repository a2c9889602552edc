/* Trees of moments and their files. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "moment"
#include "machine/vm_moment.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/snapshot.h"
#include "machine/vm_private.h"

#define FILE_MAX_BYTES (16 << 20)
#define NAME_MAX_BYTES 240 /* with ".xml" and what file_replace() appends it is a file's name */

/* ---- the two kinds ---- */

static void snapshot_free(void *def)
{
    snapshot_def_free(def);
}

static void snapshot_format(const void *def, GString *out)
{
    snapshot_def_format(def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, out);
}

static bool snapshot_parse(Host *host, const char *xml, size_t len, void **ret_def, Error **err)
{
    VmXmlHooks hooks;
    SnapshotDef *def = NULL;

    vm_xml_hooks_init(&hooks, host, VM_XML_TRUSTED);
    if (!snapshot_def_parse(xml, len, MOMENT_PARSE_REDEFINE | MOMENT_PARSE_STORED, &hooks.hooks, &def, err))
        return false;
    *ret_def = def;
    return true;
}

static void checkpoint_free(void *def)
{
    checkpoint_def_free(def);
}

static void checkpoint_format(const void *def, GString *out)
{
    checkpoint_def_format(def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, out);
}

static bool checkpoint_parse(Host *host, const char *xml, size_t len, void **ret_def, Error **err)
{
    VmXmlHooks hooks;
    CheckpointDef *def = NULL;

    vm_xml_hooks_init(&hooks, host, VM_XML_TRUSTED);
    if (!checkpoint_def_parse(xml, len, MOMENT_PARSE_REDEFINE | MOMENT_PARSE_STORED, &hooks.hooks, &def, err))
        return false;
    *ret_def = def;
    return true;
}

const MomentClass snapshot_moments = {
    .noun = "snapshot",
    .missing = ERROR_NO_SNAPSHOT,
    .edit_command = "snapshot-edit",
    .folder = offsetof(Paths, snapshot),
    .name = offsetof(SnapshotDef, name),
    .parent = offsetof(SnapshotDef, parent),
    .created = offsetof(SnapshotDef, created_s),
    .is_current = offsetof(SnapshotDef, is_current),
    .undefine_flag = VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
    .free_def = snapshot_free,
    .format = snapshot_format,
    .parse = snapshot_parse,
};

const MomentClass checkpoint_moments = {
    .noun = "checkpoint",
    .missing = ERROR_NO_CHECKPOINT,
    .edit_command = "checkpoint-edit",
    .folder = offsetof(Paths, checkpoint),
    .name = offsetof(CheckpointDef, name),
    .parent = offsetof(CheckpointDef, parent),
    .created = offsetof(CheckpointDef, created_s),
    .undefine_flag = VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
    .free_def = checkpoint_free,
    .format = checkpoint_format,
    .parse = checkpoint_parse,
};

#define MEMBER(class, def, member, type) ((type *)(void *)((char *)(def) + (class)->member))

static const char *def_name(const MomentClass *class, const void *def)
{
    return *(char *const *)(const void *)((const char *)def + class->name);
}

static const char *def_parent(const MomentClass *class, const void *def)
{
    return *(char *const *)(const void *)((const char *)def + class->parent);
}

static void def_set_parent(const MomentClass *class, void *def, const char *parent)
{
    char **slot = MEMBER(class, def, parent, char *);
    char *old = *slot;

    *slot = g_strdup(parent);
    g_free(old);
}

static int64_t def_created(const MomentClass *class, const void *def)
{
    return ((const OptS64 *)(const void *)((const char *)def + class->created))->value;
}

static void def_set_current(const MomentClass *class, void *def, bool is_current)
{
    if (class->is_current)
        *MEMBER(class, def, is_current, uint32_t) = is_current;
}

static const char *class_folder(const Host *host, const MomentClass *class)
{
    return *(char *const *)(const void *)((const char *)host->paths + class->folder);
}

/* ---- trees ---- */

Moment *moment_ref(Moment *moment)
{
    moment->refs++;
    return moment;
}

void moment_unref(Moment *moment)
{
    if (!moment || --moment->refs > 0)
        return;
    moment->class->free_def(moment->def);
    g_ptr_array_unref(moment->children);
    g_free(moment);
}

Moment *moment_new_alone(const MomentClass *class, void *def)
{
    Moment *moment = g_new0(Moment, 1);

    *moment = (Moment){ .class = class, .refs = 1, .children = g_ptr_array_new(), .def = def };
    return moment;
}

static Moment *moment_new(MomentTree *tree, void *def)
{
    Moment *moment = moment_new_alone(tree->class, def);

    moment->tree = tree;
    g_hash_table_insert(tree->by_name, g_strdup(def_name(tree->class, def)), moment);
    return moment;
}

static void moment_drop(void *moment)
{
    ((Moment *)moment)->tree = NULL;
    moment_unref(moment);
}

MomentTree *moment_tree_new(Vm *vm, const MomentClass *class)
{
    MomentTree *tree = g_new0(MomentTree, 1);

    *tree = (MomentTree){ .class = class,
                          .vm = vm,
                          .by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, moment_drop),
                          .roots = g_ptr_array_new() };
    return tree;
}

void moment_tree_free(MomentTree *tree)
{
    if (!tree)
        return;
    g_hash_table_unref(tree->by_name);
    g_ptr_array_unref(tree->roots);
    g_free(tree);
}

const char *moment_name(const Moment *moment)
{
    return def_name(moment->class, moment->def);
}

const char *moment_parent_name(const Moment *moment)
{
    return def_parent(moment->class, moment->def);
}

unsigned moment_count(const MomentTree *tree)
{
    return g_hash_table_size(tree->by_name);
}

Moment *moment_get(const MomentTree *tree, const char *name)
{
    return name ? g_hash_table_lookup(tree->by_name, name) : NULL;
}

static bool refuse_missing(const MomentClass *class, const char *name, Error **err)
{
    return error_set(err, class->missing, "no domain %s with matching name '%s'", class->noun, name);
}

Moment *moment_find(const MomentTree *tree, const char *name, Error **err)
{
    Moment *moment = moment_get(tree, name);

    if (!moment) {
        refuse_missing(tree->class, name, err);
        return NULL;
    }
    return moment_ref(moment);
}

bool moment_require_there(const Moment *moment, Error **err)
{
    return moment->tree || refuse_missing(moment->class, moment_name(moment), err);
}

bool moment_is_below(const Moment *moment, const Moment *ancestor)
{
    for (; moment; moment = moment->parent) {
        if (moment == ancestor)
            return true;
    }
    return false;
}

GPtrArray *moment_list(const MomentTree *tree, const Moment *from, unsigned flags,
                       bool (*wanted)(const Moment *moment, void *arg), void *arg)
{
    const unsigned leaf_flags = flags & (MOMENT_LIST_LEAVES | MOMENT_LIST_NO_LEAVES);
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)moment_unref);
    /* Not by recursion: a tree may be thousands deep. What is pushed last is next. */
    g_autoptr(GPtrArray) pending = g_ptr_array_new();
    const GPtrArray *first = from ? from->children : tree->roots;

    if (flags & MOMENT_LIST_SELF && from) {
        g_ptr_array_add(pending, (void *)from);
    } else {
        for (guint i = first->len; i > 0; i--)
            g_ptr_array_add(pending, g_ptr_array_index(first, i - 1));
    }
    while (pending->len > 0) {
        Moment *moment = g_ptr_array_steal_index(pending, pending->len - 1);
        const bool is_leaf = moment->children->len == 0;
        const bool fits = leaf_flags == MOMENT_LIST_LEAVES      ? is_leaf
                          : leaf_flags == MOMENT_LIST_NO_LEAVES ? !is_leaf
                                                                : true;
        if (fits && (!wanted || wanted(moment, arg)))
            g_ptr_array_add(list, moment_ref(moment));
        if (flags & MOMENT_LIST_DIRECT && moment != from)
            continue;
        for (guint i = moment->children->len; i > 0; i--)
            g_ptr_array_add(pending, g_ptr_array_index(moment->children, i - 1));
    }
    return list;
}

bool moment_check_place(const MomentTree *tree, const char *name, const char *parent, Error **err)
{
    const Moment *own = moment_get(tree, name);
    const Moment *above = moment_get(tree, parent);

    if (!path_is_safe_component(name) || strlen(name) > NAME_MAX_BYTES)
        return error_set(err, ERROR_XML_INVALID, "'%s' cannot be the name of a %s's file", name,
                         tree->class->noun);
    if (!parent)
        return true;
    if (strcmp(name, parent) == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cannot set moment %s as its own parent", name);
    if (!above)
        return error_set(err, ERROR_INVALID_ARGUMENT, "parent %s for moment %s not found", parent, name);
    if (own && moment_is_below(above, own))
        return error_set(err, ERROR_INVALID_ARGUMENT, "parent %s would create cycle to %s", parent, name);
    return true;
}

char *moment_make_up_name(void)
{
    return g_strdup_printf("%lld", (long long)time(NULL));
}

static GPtrArray *siblings(Moment *moment)
{
    return moment->parent ? moment->parent->children : moment->tree->roots;
}

static void unlink_from_parent(Moment *moment)
{
    g_ptr_array_remove(siblings(moment), moment);
    moment->parent = NULL;
}

static void link_to_parent(Moment *moment)
{
    moment->parent = moment_get(moment->tree, moment_parent_name(moment));
    g_ptr_array_insert(siblings(moment), 0, moment);
}

/* ---- files ---- */

static char *moment_folder(const MomentTree *tree)
{
    return path_join(class_folder(tree->vm->host, tree->class), tree->vm->name);
}

static char *moment_path(const MomentTree *tree, const char *name)
{
    g_autofree char *folder = moment_folder(tree);
    g_autofree char *file = g_strconcat(name, ".xml", NULL);

    return path_join(folder, file);
}

/* A text that the next daemon cannot read would be a moment lost, so it is read first. */
static bool store_def(const MomentTree *tree, const void *def, Error **err)
{
    g_autofree char *folder = moment_folder(tree);
    g_autofree char *path = moment_path(tree, def_name(tree->class, def));
    g_autoptr(GString) text = g_string_new(NULL);
    void *again = NULL;

    object_store_append_warning(text, tree->class->edit_command, NULL);
    tree->class->format(def, text);
    if (!tree->class->parse(tree->vm->host, text->str, text->len, &again, err))
        return error_prefix(err, "the %s cannot be stored", tree->class->noun);
    tree->class->free_def(again);
    return file_make_dirs(folder, 0700, err) && file_replace(path, text->str, text->len, 0600, err);
}

/* The one that is not current any more says so after the new one said that it is: of two the file that was
 * written later counts, and none would be a tree that goes on in the wrong place. */
static void forget_current(MomentTree *tree, Moment *old)
{
    g_autoptr(Error) err = NULL;

    if (!old || !tree->class->is_current)
        return;
    def_set_current(tree->class, old->def, false);
    if (!store_def(tree, old->def, &err))
        log_warning_error(err, "a moment that is not the current one any more");
}

Moment *moment_add(MomentTree *tree, void *def, bool is_current, Error **err)
{
    g_autoptr(Moment) old = NULL;

    def_set_current(tree->class, def, is_current);
    fiber_shield_begin();
    const bool stored = store_def(tree, def, err);
    fiber_shield_end();
    if (!stored)
        return NULL;
    Moment *moment = moment_new(tree, def);
    link_to_parent(moment);
    if (is_current) {
        old = tree->current ? moment_ref(tree->current) : NULL;
        tree->current = moment;
        fiber_shield_begin();
        forget_current(tree, old);
        fiber_shield_end();
    }
    return moment;
}

bool moment_replace(Moment *moment, void *def, Error **err)
{
    MomentTree *tree = moment->tree;

    def_set_current(tree->class, def, tree->current == moment);
    fiber_shield_begin();
    const bool stored = store_def(tree, def, err);
    fiber_shield_end();
    if (!stored)
        return false;
    const bool is_moved = g_strcmp0(moment_parent_name(moment), def_parent(tree->class, def)) != 0;
    if (is_moved)
        unlink_from_parent(moment);
    void *old = moment->def;
    moment->def = def;
    tree->class->free_def(old);
    if (is_moved)
        link_to_parent(moment);
    return true;
}

bool moment_set_current(MomentTree *tree, Moment *moment, Error **err)
{
    g_autoptr(Moment) old = tree->current ? moment_ref(tree->current) : NULL;
    bool ok = true;

    if (moment == tree->current)
        return true;
    fiber_shield_begin();
    if (moment && tree->class->is_current) {
        def_set_current(tree->class, moment->def, true);
        ok = store_def(tree, moment->def, err);
        def_set_current(tree->class, moment->def, ok);
    }
    if (ok) {
        tree->current = moment;
        forget_current(tree, old);
    }
    fiber_shield_end();
    return ok;
}

static bool give_parent(Moment *moment, const char *parent, Error **err)
{
    const MomentClass *class = moment->class;
    g_autofree char *old = g_strdup(moment_parent_name(moment));

    def_set_parent(class, moment->def, parent);
    if (!store_def(moment->tree, moment->def, err)) {
        def_set_parent(class, moment->def, old);
        return false;
    }
    g_ptr_array_remove(siblings(moment), moment);
    link_to_parent(moment);
    return true;
}

static bool remove_moment(Moment *moment, Error **err)
{
    MomentTree *tree = moment->tree;
    g_autofree char *path = moment_path(tree, moment_name(moment));
    g_autofree char *parent = g_strdup(moment_parent_name(moment));

    while (moment->children->len > 0) {
        if (!give_parent(g_ptr_array_index(moment->children, moment->children->len - 1), parent, err))
            return false;
    }
    if ((tree->current == moment && !moment_set_current(tree, moment->parent, err)) ||
        !file_remove(path, err))
        return false;
    unlink_from_parent(moment);
    g_hash_table_remove(tree->by_name, moment_name(moment));
    return true;
}

bool moment_remove(Moment *moment, Error **err)
{
    g_autoptr(Moment) held = moment_ref(moment);

    fiber_shield_begin();
    const bool ok = remove_moment(held, err);
    fiber_shield_end();
    return ok;
}

bool moment_remove_all(MomentTree *tree, Error **err)
{
    g_autofree char *folder = moment_folder(tree);

    if (!file_remove_tree(folder, err))
        return error_prefix(err, "removing the files of %ss", tree->class->noun);
    tree->current = NULL;
    g_ptr_array_set_size(tree->roots, 0);
    g_hash_table_remove_all(tree->by_name);
    return true;
}

/* ---- loading ---- */

static int compare_created(const void *a, const void *b)
{
    const Moment *one = *(Moment *const *)a, *two = *(Moment *const *)b;
    const int64_t x = def_created(one->class, one->def), y = def_created(two->class, two->def);

    return x != y ? (x < y ? -1 : 1) : strcmp(moment_name(one), moment_name(two));
}

static int64_t file_mtime_ns(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec : 0;
}

/* A file of another name, or that cannot be read as what it should be, is nobody's. */
static void load_file(MomentTree *tree, const char *file, int64_t *io_newest_ns)
{
    g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
    g_autofree char *path = moment_path(tree, name);
    g_autofree char *text = NULL;
    size_t len = 0;
    g_autoptr(Error) err = NULL;
    void *def = NULL;

    if (!file_read(path, FILE_MAX_BYTES, &text, &len, &err)) {
        log_error_error(err, path);
        return;
    }
    if (!tree->class->parse(tree->vm->host, text, len, &def, &err)) {
        log_error_error(err, path);
        object_store_set_aside(path);
        return;
    }
    if (strcmp(def_name(tree->class, def), name) != 0 || moment_get(tree, name)) {
        log_error("'%s' holds %s '%s' and is left alone", path, tree->class->noun,
                  def_name(tree->class, def));
        tree->class->free_def(def);
        return;
    }
    Moment *moment = moment_new(tree, def);
    if (!tree->class->is_current || !*MEMBER(tree->class, def, is_current, uint32_t))
        return;
    const int64_t mtime_ns = file_mtime_ns(path);
    if (!tree->current || mtime_ns > *io_newest_ns) {
        if (tree->current)
            def_set_current(tree->class, tree->current->def, false);
        tree->current = moment;
        *io_newest_ns = mtime_ns;
    } else {
        def_set_current(tree->class, def, false);
    }
}

/* A parent that is not there, or that is below, makes a root. */
static void load_links(MomentTree *tree)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GHashTableIter iter;
    void *value = NULL;

    g_hash_table_iter_init(&iter, tree->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(all, value);
    g_ptr_array_sort(all, compare_created);
    for (guint i = 0; i < all->len; i++) {
        Moment *moment = g_ptr_array_index(all, i);
        Moment *parent = moment_get(tree, moment_parent_name(moment));
        if (moment_parent_name(moment) && (!parent || moment_is_below(parent, moment))) {
            log_error("%s '%s' of machine '%s' comes after '%s', which %s: it begins a tree of its own",
                      tree->class->noun, moment_name(moment), tree->vm->name, moment_parent_name(moment),
                      parent ? "comes after it" : "is not there");
            def_set_parent(tree->class, moment->def, NULL);
            parent = NULL;
        }
        moment->parent = parent;
    }
    for (guint i = 0; i < all->len; i++) {
        Moment *moment = g_ptr_array_index(all, i);
        g_ptr_array_insert(siblings(moment), 0, moment);
        if (!tree->class->is_current)
            tree->current = moment;
    }
    while (!tree->class->is_current && tree->current && tree->current->children->len > 0)
        tree->current = g_ptr_array_index(tree->current->children, 0); /* clocks are set back sometimes */
}

static void load_tree(MomentTree *tree)
{
    g_autofree char *folder = moment_folder(tree);
    g_autoptr(GPtrArray) files = NULL;
    g_autoptr(Error) err = NULL;
    int64_t newest_ns = 0;

    tree->is_loaded = true;
    if (!file_remove_leftovers(folder, &err) || !file_list_dir(folder, &files, &err)) {
        log_error_error(err, folder);
        return;
    }
    for (guint i = 0; i < files->len; i++) {
        const char *file = g_ptr_array_index(files, i);
        if (g_str_has_suffix(file, ".xml"))
            load_file(tree, file, &newest_ns);
    }
    load_links(tree);
}

static void load_class(Host *host, const MomentClass *class)
{
    const char *folder = class_folder(host, class);
    g_autoptr(GPtrArray) machines = NULL;
    g_autoptr(Error) err = NULL;

    if (!file_list_dir(folder, &machines, &err)) {
        log_error_error(err, folder);
        return;
    }
    for (guint i = 0; i < machines->len; i++) {
        g_autoptr(Vm) vm = vm_find_by_name(host, g_ptr_array_index(machines, i), NULL);
        MomentTree *tree = !vm ? NULL : class == &snapshot_moments ? vm->snapshots : vm->checkpoints;
        if (tree && !tree->is_loaded)
            load_tree(tree);
    }
}

void moment_load_all(Host *host)
{
    load_class(host, &snapshot_moments);
    load_class(host, &checkpoint_moments);
}

/* ---- with the machine ---- */

static bool rename_folder(const char *parent, const char *from, const char *to, Error **err)
{
    g_autofree char *old = path_join(parent, from);
    g_autofree char *new = path_join(parent, to);
    struct stat st;
    g_autoptr(Error) why = NULL;

    if (lstat(old, &st) < 0 && errno == ENOENT)
        return true;
    if (lstat(new, &st) == 0)
        object_store_set_aside(new); /* of a machine that is no more */
    if (file_rename(old, new, &why) || error_errno(why) == ENOENT)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

bool moment_rename_folders(const Host *host, const char *from, const char *to, Error **err)
{
    return rename_folder(host->paths->snapshot, from, to, err) &&
           rename_folder(host->paths->checkpoint, from, to, err);
}

static bool check_undefine(const MomentTree *tree, unsigned undefine_flags, Error **err)
{
    const unsigned count = moment_count(tree);

    return count == 0 || undefine_flags & tree->class->undefine_flag || vm_is_running(tree->vm) ||
           error_set(err, ERROR_INVALID_STATE, "cannot delete inactive domain with %u %ss", count,
                     tree->class->noun);
}

bool moment_check_undefine(const Vm *vm, unsigned undefine_flags, Error **err)
{
    return check_undefine(vm->snapshots, undefine_flags, err) &&
           check_undefine(vm->checkpoints, undefine_flags, err);
}

bool moment_forget(Vm *vm, Error **err)
{
    return moment_remove_all(vm->snapshots, err) && moment_remove_all(vm->checkpoints, err);
}
