/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/lab.h"

#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/units.h"
#include "install/words.h"

#define VALUES_MAX 20000u /* also of one that is named in many places */
#define COUNT_MAX 1000u

typedef struct Reader {
    const char *path;
    yaml_document_t doc;
    Lab *lab;
    unsigned n_values;
} Reader;

static void item_free(void *data)
{
    LabItem *item = data;

    g_free(item->name);
    g_free(item->group);
    g_hash_table_unref(item->values);
    g_free(item);
}

void lab_free(Lab *lab)
{
    if (!lab)
        return;
    g_ptr_array_unref(lab->items);
    g_free(lab->folder);
    g_free(lab);
}

/* ---- messages ---- */

PRINTF(4, 5)
static bool refuse(const Reader *reader, const yaml_node_t *node, Error **err, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s:%zu: %s", reader->path, node->start_mark.line + 1,
                     text);
}

/* The names of a list that come nearest to a word; owned. */
static const char *nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    unsigned least = 4;

    for (; *names; names++) {
        const unsigned distance = g_str_has_prefix(*names, word) || g_str_has_prefix(word, *names)
                                      ? 1
                                      : word_distance(word, *names);
        if (distance < least) {
            least = distance;
            best = *names;
        }
    }
    return best;
}

static bool unknown(const Reader *reader, const yaml_node_t *node, const char *word, const char *where,
                    const char *const *names, Error **err)
{
    const char *best = nearest(word, names);
    g_autofree char *all = g_strjoinv(", ", (char **)names);

    (void)refuse(reader, node, err, "'%s' is not known %s", word, where);
    return best ? error_hint(err, "did you mean '%s'?", best) : error_hint(err, "there are: %s", all);
}

/* ---- nodes ---- */

static const yaml_node_t *at(Reader *reader, int index)
{
    return yaml_document_get_node(&reader->doc, index);
}

/* Text of a scalar; NULL: it is none, or empty. */
static const char *text_of(const yaml_node_t *node)
{
    const char *text = node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
    const bool is_plain = text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (!text || !*text || strlen(text) != node->data.scalar.length ||
        (is_plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0)))
        return NULL;
    return text;
}

static bool is_nothing(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && !text_of(node);
}

typedef bool EntryFunc(Reader *reader, const char *key, const yaml_node_t *key_node, const yaml_node_t *value,
                       void *arg, Error **err);

/* Each entry of a mapping; a key stands in it once. */
static bool each_entry(Reader *reader, const yaml_node_t *map, const char *what, EntryFunc *func, void *arg,
                       Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    if (is_nothing(map))
        return true;
    if (map->type != YAML_MAPPING_NODE)
        return refuse(reader, map, err, "%s has to be a list of KEY: VALUE", what);
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key_node = at(reader, pair->key);
        const char *key = text_of(key_node);
        if (!key)
            return refuse(reader, key_node, err, "a key of %s is no text", what);
        if (!g_hash_table_add(seen, (void *)key))
            return refuse(reader, key_node, err, "'%s' stands in %s twice", key, what);
        if (!func(reader, key, key_node, at(reader, pair->value), arg, err))
            return false;
    }
    return true;
}

/* ---- values ---- */

static bool read_yes(const char *text, bool *ret_value)
{
    static const char *const yes[] = { "yes", "true", "on", NULL }, *const no[] = { "no", "false", "off",
                                                                                    NULL };
    g_autofree char *lower = g_ascii_strdown(text, -1);

    *ret_value = g_strv_contains(yes, lower);
    return *ret_value || g_strv_contains(no, lower);
}

static bool check_value(Reader *reader, const yaml_node_t *node, const LabItem *item, const LabKey *key,
                        const char *text, Error **err)
{
    const char *wanted = NULL;
    uint64_t bytes;
    bool yes;

    if (key->shape == LAB_NUMBER &&
        (strspn(text, "0123456789") != strlen(text) || strlen(text) > 9 || *text == '0'))
        wanted = "a whole number above 0";
    if (key->shape == LAB_SIZE && (!size_parse(text, 1, &bytes, NULL) || bytes == 0))
        wanted = "a size as 512M or 20G";
    if (key->shape == LAB_YES_NO && !read_yes(text, &yes))
        wanted = "yes or no";
    if (wanted)
        return refuse(reader, node, err, "'%s' of %s '%s' has to be %s, not '%s'", key->name,
                      lab_kind_name(item->kind), item->name, wanted, text);
    if (key->shape == LAB_WORD) {
        g_auto(GStrv) words = g_strsplit(key->words, " ", -1);
        g_autofree char *where =
            g_strdup_printf("as '%s' of %s '%s'", key->name, lab_kind_name(item->kind), item->name);
        if (!g_strv_contains((const char *const *)words, text))
            return unknown(reader, node, text, where, (const char *const *)words, err);
    }
    return true;
}

static bool add_value(Reader *reader, LabItem *item, const LabKey *key, const yaml_node_t *node,
                      GPtrArray *list, Error **err)
{
    const char *text = text_of(node);

    if (++reader->n_values > VALUES_MAX)
        return refuse(reader, node, err, "the file has more than %u values", VALUES_MAX);
    if (!text)
        return refuse(reader, node, err, "'%s' of %s '%s' has to be a %s", key->name,
                      lab_kind_name(item->kind), item->name,
                      key->shape == LAB_LIST ? "text, or a list of texts" : "single value");
    if (!check_value(reader, node, item, key, text, err))
        return false;
    g_ptr_array_add(list, g_strdup(text));
    return true;
}

static bool read_key(Reader *reader, const char *name, const yaml_node_t *key_node, const yaml_node_t *value,
                     void *arg, Error **err)
{
    LabItem *item = arg;
    const LabKey *key = lab_keys(item->kind);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (; key->name && strcmp(key->name, name) != 0; key++)
        ;
    if (!key->name) {
        g_autofree char *where = g_strdup_printf("of %s '%s'", lab_kind_name(item->kind), item->name);
        for (key = lab_keys(item->kind); key->name; key++)
            g_ptr_array_add(names, (void *)key->name);
        g_ptr_array_add(names, NULL);
        return unknown(reader, key_node, name, where, (const char *const *)names->pdata, err);
    }
    if (key->shape == LAB_LIST && value->type == YAML_SEQUENCE_NODE) {
        for (const yaml_node_item_t *one = value->data.sequence.items.start;
             one < value->data.sequence.items.top; one++)
            if (!add_value(reader, item, key, at(reader, *one), list, err))
                return false;
    } else if (!add_value(reader, item, key, value, list, err)) {
        return false;
    }
    g_hash_table_insert(item->values, (void *)key->name, g_steal_pointer(&list));
    return true;
}

/* ---- items ---- */

static bool is_name(const char *name)
{
    bool ok = g_ascii_isalnum(*name) && strlen(name) <= 200;

    for (; *name; name++)
        ok = ok && (g_ascii_isalnum(*name) || strchr("._+-", *name));
    return ok;
}

/* Of "count: 3" two more. */
static void add_item(Lab *lab, LabItem *item)
{
    const uint64_t n = item->kind == LAB_MACHINE ? lab_number(item, "count", 0) : 0;

    item->group = g_strdup(item->name);
    g_ptr_array_add(lab->items, item);
    for (uint64_t i = 2; i <= n; i++) {
        LabItem *more = g_new0(LabItem, 1);
        *more = (LabItem){ .kind = item->kind,
                           .name = g_strdup_printf("%s-%" G_GUINT64_FORMAT, item->group, i),
                           .group = g_strdup(item->group),
                           .line = item->line,
                           .values = g_hash_table_ref(item->values) };
        g_ptr_array_add(lab->items, more);
    }
    if (n > 0) {
        g_free(item->name);
        item->name = g_strdup_printf("%s-1", item->group);
    }
}

static bool read_item(Reader *reader, const char *name, const yaml_node_t *key_node, const yaml_node_t *value,
                      void *arg, Error **err)
{
    const LabKind kind = *(const LabKind *)arg;
    LabItem *item = g_new0(LabItem, 1);
    g_autofree char *what = g_strdup_printf("%s '%s'", lab_kind_name(kind), name);

    item->kind = kind;
    item->name = g_strdup(name);
    item->line = (unsigned)key_node->start_mark.line + 1;
    item->values = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    bool ok = is_name(name) ||
              refuse(reader, key_node, err, "'%s' cannot be the name of a %s", name, lab_kind_name(kind));
    ok = ok && each_entry(reader, value, what, read_key, item, err);
    for (const LabKey *key = lab_keys(kind); ok && key->name; key++)
        if (key->is_required && !lab_get(item, key->name))
            ok = refuse(reader, key_node, err, "%s has no '%s'", what, key->name);
    if (ok && lab_number(item, "count", 1) > COUNT_MAX)
        ok = refuse(reader, key_node, err, "%s is more than %u machines", what, COUNT_MAX);
    if (ok && lab_number(item, "count", 1) > 1 && lab_get(item, "ip"))
        ok = refuse(reader, key_node, err, "%s is several machines, and they would have one address", what);
    if (ok && lab_get(item, "user-data") && (lab_get(item, "packages") || lab_get(item, "run")))
        ok = refuse(reader, key_node, err, "%s has user-data, where packages and run belong then", what);
    if (ok)
        add_item(reader->lab, item);
    else
        item_free(item);
    return ok;
}

static bool read_section(Reader *reader, const char *name, const yaml_node_t *key_node,
                         const yaml_node_t *value, void *arg, Error **err)
{
    const char *names[LAB_KIND_COUNT + 1] = { NULL };

    for (LabKind kind = 0; kind < LAB_KIND_COUNT; kind++) {
        names[kind] = lab_kind_section(kind);
        if (strcmp(names[kind], name) == 0)
            return each_entry(reader, value, name, read_item, &kind, err);
    }
    return unknown(reader, key_node, name, "here", names, err);
}

/* ---- what machines say of each other ---- */

static const LabItem *find_group(const Lab *lab, LabKind kind, const char *name)
{
    for (guint i = 0; i < lab->items->len; i++) {
        const LabItem *item = lab->items->pdata[i];
        if (item->kind == kind && (strcmp(item->group, name) == 0 || strcmp(item->name, name) == 0))
            return item;
    }
    return NULL;
}

/* @seen: those that were asked already. */
static bool reaches(const Lab *lab, const LabItem *from, const char *group, GHashTable *seen)
{
    const GPtrArray *after = lab_list(from, "after");

    for (guint i = 0; after && i < after->len; i++) {
        const LabItem *next = find_group(lab, LAB_MACHINE, after->pdata[i]);
        if (next && (strcmp(next->group, group) == 0 ||
                     (g_hash_table_add(seen, next->group) && reaches(lab, next, group, seen))))
            return true;
    }
    return false;
}

static bool check_order(const Reader *reader, const LabItem *item, Error **err)
{
    const GPtrArray *after = lab_list(item, "after");
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; after && i < after->len; i++)
        if (!find_group(reader->lab, LAB_MACHINE, after->pdata[i]))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "%s:%u: machine '%s' comes after '%s', which the file does not have",
                             reader->path, item->line, item->name, (const char *)after->pdata[i]);
    return !reaches(reader->lab, item, item->group, seen) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "%s:%u: machine '%s' would have to wait for itself",
                     reader->path, item->line, item->name);
}

static bool check_items(const Reader *reader, Error **err)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < reader->lab->items->len; i++) {
        const LabItem *item = reader->lab->items->pdata[i];
        if (!g_hash_table_add(names, g_strdup_printf("%u/%s", item->kind, item->name)))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s:%u: there are two of %s '%s'", reader->path,
                             item->line, lab_kind_name(item->kind), item->name);
        if (!check_order(reader, item, err))
            return false;
    }
    return true;
}

static gint by_kind(gconstpointer a, gconstpointer b)
{
    const LabItem *one = *(LabItem *const *)a, *other = *(LabItem *const *)b;

    return one->kind != other->kind ? (gint)one->kind - (gint)other->kind
                                    : (gint)one->line - (gint)other->line;
}

static bool syntax(const Reader *reader, const yaml_parser_t *parser, Error **err)
{
    const size_t line = parser->problem_mark.line ? parser->problem_mark.line : parser->context_mark.line;

    return error_set(err, ERROR_INVALID_ARGUMENT, "%s:%zu: %s", reader->path, line + 1,
                     parser->problem ? parser->problem : "this is no YAML");
}

bool lab_read(const char *path, const char *text, size_t len, Lab **ret_lab, Error **err)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    Reader reader = { .path = path };
    yaml_parser_t parser;

    reader.lab = g_new0(Lab, 1);
    reader.lab->folder = g_path_get_dirname(absolute);
    reader.lab->items = g_ptr_array_new_with_free_func(item_free);
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    bool ok = yaml_parser_load(&parser, &reader.doc) || syntax(&reader, &parser, err);
    if (ok) {
        const yaml_node_t *root = yaml_document_get_root_node(&reader.doc);
        ok = root != NULL || error_set(err, ERROR_INVALID_ARGUMENT, "%s: there is nothing in it", path);
        ok =
            ok && each_entry(&reader, root, "the file", read_section, NULL, err) && check_items(&reader, err);
        yaml_document_delete(&reader.doc);
    }
    yaml_parser_delete(&parser);
    if (!ok) {
        lab_free(reader.lab);
        return false;
    }
    g_ptr_array_sort(reader.lab->items, by_kind);
    *ret_lab = reader.lab;
    return true;
}

/* ---- asking ---- */

const GPtrArray *lab_list(const LabItem *item, const char *key)
{
    return g_hash_table_lookup(item->values, key);
}

const char *lab_get(const LabItem *item, const char *key)
{
    const GPtrArray *list = lab_list(item, key);

    return list && list->len ? list->pdata[0] : NULL;
}

bool lab_is(const LabItem *item, const char *key, bool otherwise)
{
    const char *text = lab_get(item, key);
    bool value = otherwise;

    return text && read_yes(text, &value) ? value : text ? false : otherwise;
}

uint64_t lab_number(const LabItem *item, const char *key, uint64_t otherwise)
{
    const char *text = lab_get(item, key);
    uint64_t value = otherwise;

    return text && size_parse(text, 1, &value, NULL) ? value : otherwise;
}

char *lab_path(const Lab *lab, const char *path)
{
    return g_canonicalize_filename(path, lab->folder);
}
