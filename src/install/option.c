/* Reading the value of an option, and putting it into the document. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Places of devices on their buses; each device that has one has these. */
static const InstallSub place_subs[] = {
    { "address.base", "address/@base", SUB_TEXT, NULL },
    { "address.bus", "address/@bus", SUB_TEXT, NULL },
    { "address.controller", "address/@controller", SUB_TEXT, NULL },
    { "address.cssid", "address/@cssid", SUB_TEXT, NULL },
    { "address.devno", "address/@devno", SUB_TEXT, NULL },
    { "address.domain", "address/@domain", SUB_TEXT, NULL },
    { "address.function", "address/@function", SUB_TEXT, NULL },
    { "address.iobase", "address/@iobase", SUB_TEXT, NULL },
    { "address.irq", "address/@irq", SUB_TEXT, NULL },
    { "address.multifunction", "address/@multifunction", SUB_ON_OFF, NULL },
    { "address.port", "address/@port", SUB_TEXT, NULL },
    { "address.reg", "address/@reg", SUB_TEXT, NULL },
    { "address.slot", "address/@slot", SUB_TEXT, NULL },
    { "address.ssid", "address/@ssid", SUB_TEXT, NULL },
    { "address.target", "address/@target", SUB_TEXT, NULL },
    { "address.type", "address/@type", SUB_TEXT, "pci, drive, usb, isa, virtio-serial, ccid, ..." },
    { "address.unit", "address/@unit", SUB_TEXT, NULL },
    { "address.zpci.fid", "address/zpci/@fid", SUB_TEXT, NULL },
    { "address.zpci.uid", "address/zpci/@uid", SUB_TEXT, NULL },
    { "alias.name", "alias/@name", SUB_TEXT, "a name of its own, with ua- before it" },
    { 0 },
};

/* The lists of rows that an option has, one after the other; NULL: no more. */
static const InstallSub *sub_list(const InstallOption *option, unsigned index)
{
    const InstallSub *lists[OPTION_SHARED_MAX + 2] = { option->subs };
    unsigned n = option->subs ? 1 : 0;

    for (unsigned i = 0; i < OPTION_SHARED_MAX && option->shared[i]; i++)
        lists[n++] = option->shared[i];
    if (option->flags & OPTION_PLACE)
        lists[n++] = place_subs;
    return index < n ? lists[index] : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *install_option_names(const InstallOption *option)
{
    static const char *const xpath[] = { "clearxml", "xpath[0-9]*.create", "xpath[0-9]*.delete",
                                         "xpath[0-9]*.set", "xpath[0-9]*.value" };
    GPtrArray *names = g_ptr_array_new();
    const InstallSub *list;

    for (unsigned i = 0; (list = sub_list(option, i)); i++)
        for (const InstallSub *sub = list; sub->name; sub++)
            if (!sub->is_old)
                g_ptr_array_add(names, (void *)sub->name);
    for (size_t i = 0; option->element && i < (option->flags & OPTION_NO_XPATH ? 1 : G_N_ELEMENTS(xpath));
         i++)
        g_ptr_array_add(names, (void *)xpath[i]);
    qsort(names->pdata, names->len, sizeof(names->pdata[0]), compare_names);
    return names;
}

const char *install_option_note(const InstallOption *option, const char *name)
{
    const InstallSub *list;

    for (unsigned i = 0; (list = sub_list(option, i)); i++)
        for (const InstallSub *sub = list; sub->name; sub++)
            if (strcmp(sub->name, name) == 0)
                return sub->note;
    return NULL;
}

/* ---- words ---- */

static void word_clear(void *data)
{
    InstallWord *word = data;
    g_free(word->name);
    g_free(word->value);
}

static void add_word(GArray *list, GString *text, gssize equals)
{
    InstallWord word = { 0 };

    if (equals >= 0) {
        word.name = g_strndup(text->str, (size_t)equals);
        word.value = g_strdup(text->str + equals + 1);
    } else {
        word.value = g_strdup(text->str);
    }
    g_array_append_val(list, word);
    g_string_truncate(text, 0);
}

/* "cpuset=1-4,6,8" and "1,2,3,4-7": numbers behind a set of numbers belong to it. */
static void join_sets(GArray *list)
{
    for (guint i = 1; i < list->len; i++) {
        InstallWord *before = &g_array_index(list, InstallWord, i - 1);
        InstallWord *word = &g_array_index(list, InstallWord, i);
        const char *digits = word->value + (*word->value == '^');
        if (word->name || !g_ascii_isdigit(*digits) || strspn(digits, "0123456789-") != strlen(digits) ||
            !g_ascii_isdigit(*before->value) ||
            strspn(before->value, "0123456789-,^") != strlen(before->value))
            continue;
        char *joined = g_strconcat(before->value, ",", word->value, NULL);
        g_free(before->value);
        before->value = joined;
        g_array_remove_index(list, i--);
    }
}

bool install_words_split(const InstallOption *option, const char *text, InstallWords *ret_words, Error **err)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(InstallWord));
    g_autoptr(GString) part = g_string_new(NULL);
    gssize equals = -1;
    char quote = 0;

    g_array_set_clear_func(list, word_clear);
    *ret_words = (InstallWords){ .option = option, .list = list };
    for (const char *at = text; *at; at++) {
        if (quote && *at == quote)
            quote = 0;
        else if (!quote && (*at == '"' || *at == '\''))
            quote = *at;
        else if (*at == '\\' && at[1] && quote != '\'')
            g_string_append_c(part, *++at);
        else if (*at == ',' && at[1] == ',' && !quote)
            g_string_append_c(part, *at++); /* a comma of the value's own */
        else if (*at == ',' && !quote) {
            add_word(list, part, equals);
            equals = -1;
        } else {
            if (*at == '=' && equals < 0)
                equals = (gssize)part->len;
            g_string_append_c(part, *at);
        }
    }
    if (quote) {
        error_set(err, ERROR_INVALID_ARGUMENT, "--%s: a quotation mark is never closed in '%s'", option->name,
                  text);
        install_words_clear(ret_words);
        return false;
    }
    if (part->len || equals >= 0 || list->len == 0)
        add_word(list, part, equals);
    join_sets(list);
    return true;
}

void install_words_clear(InstallWords *words)
{
    if (words->list)
        g_array_unref(words->list);
    *words = (InstallWords){ 0 };
}

/* "_" may stand for "."; capitals do not matter. @len: of @name. */
static bool same_name(const char *name, size_t len, const char *wanted)
{
    for (size_t i = 0; i < len; i++) {
        const char a = g_ascii_tolower(name[i]), b = g_ascii_tolower(wanted[i]);
        if (a != b && !(strchr("._-", a) && b && strchr("._-", b)))
            return false;
    }
    return !wanted[len];
}

static InstallWord *find_word(InstallWords *words, const char *name)
{
    for (guint i = words->list->len; i-- > 0;) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (word->name && same_name(word->name, strlen(word->name), name))
            return word;
    }
    return NULL;
}

const char *install_word_take(InstallWords *words, const char *name)
{
    InstallWord *word = find_word(words, name);

    if (!word)
        return NULL;
    word->is_used = true;
    return word->value;
}

bool install_word_take_alone(InstallWords *words, const char *wanted)
{
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (word->name || word->is_used || strcmp(word->value, wanted) != 0)
            continue;
        word->is_used = true;
        return true;
    }
    return false;
}

bool install_read_bool(const char *option, const char *name, const char *text, bool *ret_value, Error **err)
{
    static const char *const yes[] = { "on", "yes", "true", "1", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "0", "n", NULL };

    g_autofree char *lower = g_ascii_strdown(text, -1);
    if (!g_strv_contains(yes, lower) && !g_strv_contains(no, lower))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--%s: %s must be yes or no, not '%s'", option, name,
                         text);
    *ret_value = g_strv_contains(yes, lower);
    return true;
}

bool install_word_take_bool(InstallWords *words, const char *name, bool *ret_value, Error **err)
{
    const char *text = install_word_take(words, name);

    return !text || install_read_bool(words->option->name, name, text, ret_value, err);
}

/* ---- rows ---- */

/* Whether a word's name is that of a row; the number in it, if any, goes to @ret_index (from 1). */
static bool row_matches(const InstallSub *sub, const char *name, unsigned *ret_index)
{
    static const char number[] = "[0-9]*";
    const char *pattern = sub->name;
    unsigned n = 0;

    ret_index[0] = ret_index[1] = 1;
    for (;;) {
        const char *end = strstr(pattern, number);
        if (!end)
            return same_name(name, strlen(name), pattern);
        const size_t len = (size_t)(end - pattern);
        if (strlen(name) < len)
            return false;
        g_autofree char *fixed = g_strndup(pattern, len);
        if (!same_name(name, len, fixed))
            return false;
        name += len;
        pattern = end + strlen(number);
        if (g_ascii_isdigit(*name) && n < 2) {
            const unsigned long value = strtoul(name, (char **)&name, 10);
            if (value >= 1000)
                return false;
            ret_index[n] = (unsigned)value + 1;
        }
        n++;
    }
}

static const InstallSub *find_row(const InstallOption *option, const char *name, unsigned *ret_index)
{
    const InstallSub *list;

    for (unsigned i = 0; (list = sub_list(option, i)); i++)
        for (const InstallSub *sub = list; sub->name; sub++)
            if (row_matches(sub, name, ret_index))
                return sub;
    return NULL;
}

/* "device[#]/weight" with numbers in place of "#". */
static char *fill_path(const char *path, const unsigned *index)
{
    GString *text = g_string_new(NULL);
    unsigned n = 0;

    for (; *path; path++) {
        if (*path == '#')
            g_string_append_printf(text, "%u", index[n++]);
        else
            g_string_append_c(text, *path);
    }
    return g_string_free(text, FALSE);
}

static bool put_number(const InstallOption *option, const InstallWord *word, xmlNode *node, const char *path,
                       Error **err)
{
    char *end = NULL;
    errno = 0;
    const long long number = strtoll(word->value, &end, 0);

    if (errno || end == word->value || *end)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--%s: %s must be a whole number, not '%s'",
                         option->name, word->name, word->value);
    doc_setf(node, path, "%lld", number);
    return true;
}

static bool put(const InstallOption *option, const InstallSub *sub, const unsigned *index,
                const InstallWord *word, xmlNode *node, Error **err)
{
    g_autofree char *path = fill_path(sub->path, index);
    bool on = false;

    if (!*word->value) {
        doc_set(node, path, NULL);
        return true;
    }
    switch (sub->kind) {
    case SUB_NUMBER:
        return put_number(option, word, node, path, err);
    case SUB_YES_NO:
    case SUB_ON_OFF:
    case SUB_ELEMENT:
        if (!install_read_bool(option->name, word->name, word->value, &on, err))
            return false;
        if (sub->kind != SUB_ELEMENT)
            doc_set(node, path, sub->kind == SUB_YES_NO ? (on ? "yes" : "no") : (on ? "on" : "off"));
        else if (on)
            (void)doc_make(node, path);
        else
            doc_remove(node, path);
        return true;
    case SUB_FILE: {
        g_autofree char *file = g_canonicalize_filename(word->value, NULL);
        doc_set(node, path, file);
        return true;
    }
    default:
        doc_set(node, path, word->value);
        return true;
    }
}

/* xpath0.set=./a=b and the like, after all else. */
static bool apply_xpath(InstallWords *words, xmlNode *node, Error **err)
{
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        const char *verb =
            word->name && g_str_has_prefix(word->name, "xpath") ? strchr(word->name, '.') : NULL;
        if (!verb)
            continue;
        word->is_used = true;
        bool ok = true;
        if (strcmp(verb, ".set") == 0) {
            g_autofree char *with = g_strdup_printf("%.*s.value", (int)(verb - word->name), word->name);
            const char *value = install_word_take(words, with);
            const char *equals = value ? NULL : strrchr(word->value, '=');
            g_autofree char *place =
                equals ? g_strndup(word->value, (size_t)(equals - word->value)) : g_strdup(word->value);
            ok = doc_xpath_set(node, place, value ? value : equals ? equals + 1 : NULL, err);
        } else if (strcmp(verb, ".create") == 0) {
            ok = doc_xpath_create(node, word->value, err);
        } else if (strcmp(verb, ".delete") == 0) {
            ok = doc_xpath_delete(node, word->value, err);
        } else if (strcmp(verb, ".value") != 0) {
            word->is_used = false;
        }
        if (!ok)
            return error_prefix(err, "--%s", words->option->name);
    }
    return true;
}

static bool refuse(const InstallOption *option, const InstallWord *word, Error **err)
{
    error_set(err, ERROR_INVALID_ARGUMENT, word->name ? "--%s does not have '%s'" : "--%s: '%s' has no value",
              option->name, word->name ? word->name : word->value);
    return error_hint(err, "--%s=? lists what it has", option->name);
}

static bool clear_first(InstallWords *words, xmlNode *node, Error **err)
{
    bool clears = false;

    if (!install_word_take_bool(words, "clearxml", &clears, err))
        return false;
    while (clears && node->children)
        doc_drop(node->children);
    while (clears && node->properties)
        xmlRemoveProp(node->properties);
    return true;
}

bool install_option_apply(const InstallOption *option, Install *install, xmlNode *node, InstallWords *words,
                          Error **err)
{
    InstallWord *front = &g_array_index(words->list, InstallWord, 0);

    if (!front->name && !front->is_used && option->first)
        front->name = g_strdup(option->first);
    if (*option->element && !clear_first(words, node, err))
        return false;
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        unsigned index[2];
        const InstallSub *sub = word->name ? find_row(option, word->name, index) : NULL;
        if (!sub || sub->kind == SUB_OWN)
            continue;
        word->is_used = true;
        if (!put(option, sub, index, word, node, err))
            return false;
    }
    if (option->apply && !option->apply(install, node, words, err))
        return false;
    if (!(option->flags & OPTION_NO_XPATH) && !apply_xpath(words, node, err))
        return false;
    for (guint i = 0; i < words->list->len; i++) {
        const InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (!word->is_used && (word->name || *word->value))
            return refuse(option, word, err);
    }
    return true;
}
