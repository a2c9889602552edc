/* Turns the words of a command line into checked option values. Free order is what makes this more than
 * getopt: words without a name are kept until all named options are known, and then fill what is left in row
 * order, so
 * `--device vda DOMAIN` and `DOMAIN vda` mean the same. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/args.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

#define REPEAT_MARK "\x1e" /* between values that are given several times; no value has it */

struct CliArgs {
    const CliCommand *command;
    const char **values; /* by option index; borrowed from the words, or "" for a bool */
    GPtrArray *many;     /* words of the CLI_MANY option, NULL-terminated */
    const char *output;
    const char *columns;
    bool help;
    bool quiet;
    bool no_header;
    const char *each; /* the word of the CLI_EACH option that it is about now */
};

static unsigned option_count(const CliCommand *command)
{
    unsigned n = 0;
    while (command->options && command->options[n].name)
        n++;
    return n;
}

static bool usage_error(const CliCommand *command, Error **err)
{
    return error_hint(err, "see 'lodge help %s'", command->name);
}

static bool unknown_option(const CliCommand *command, const char *text, const char *name, Error **err)
{
    g_auto(GStrv) close = option_suggest(command, name, 1);
    error_set(err, ERROR_INVALID_ARGUMENT, "command '%s' doesn't support option %s", command->name, text);
    static const char *const global[] = { "root",  "connect",   "readonly", "timing", "escape",
                                          "debug", "log",       "version",  "c",      "r",
                                          "host",  "all-hosts", NULL };
    if (g_strv_contains(global, name))
        return error_hint(err, "%s stands in front of the command: lodge %s ... %s", text, text,
                          command->name);
    if (close[0])
        return error_hint(err, "did you mean --%s? See 'lodge help %s'", close[0], command->name);
    return usage_error(command, err);
}

static int word_index(const CliOption *option, const char *text, size_t len)
{
    int index = 0;
    for (const char *word = option->words; *word; index++) {
        size_t n = strcspn(word, " ");
        if (n == len && memcmp(word, text, n) == 0)
            return index;
        word += n + (word[n] == ' ');
    }
    return -1;
}

static bool check_words(const CliArgs *args, const CliOption *option, const char *value, Error **err)
{
    if (!(option->flags & (CLI_ONE_OF | CLI_LIST_OF)))
        return true;
    for (const char *word = value;; word += strcspn(word, ",") + 1) {
        size_t len = option->flags & CLI_LIST_OF ? strcspn(word, ",") : strlen(word);
        if (word_index(option, word, len) < 0) {
            error_set(err, ERROR_INVALID_ARGUMENT, "'%.*s' is not a value of --%s", (int)len, word,
                      option->name);
            g_auto(GStrv) words = g_strsplit(option->words, " ", -1);
            g_autofree char *list = g_strjoinv(", ", words);
            return error_hint(err, "%s: %s; see 'lodge help %s'",
                              option->flags & CLI_LIST_OF ? "values, separated by commas" : "it is one of",
                              list, args->command->name);
        }
        if (!word[len])
            return true;
    }
}

static bool set_value(CliArgs *args, const CliOption *option, const char *value, Error **err)
{
    if (option->same_as)
        option = command_find_option(args->command, option->same_as);
    if (option->type != CLI_BOOL && !value[0] && !(option->flags & CLI_EMPTY_OK)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "option --%s is empty", option->name);
        return usage_error(args->command, err);
    }
    if (option->flags & CLI_MANY) {
        g_ptr_array_add(args->many, (char *)value);
        return true;
    }
    size_t index = (size_t)(option - args->command->options);
    if (args->values[index] && option->flags & (CLI_LINES | CLI_REPEAT)) {
        g_autofree char *lines =
            g_strconcat(args->values[index], option->flags & CLI_REPEAT ? REPEAT_MARK : "\n", value, NULL);
        args->values[index] = g_intern_string(lines);
        return true;
    }
    if (args->values[index]) {
        error_set(err, ERROR_INVALID_ARGUMENT, "option --%s already seen", option->name);
        return usage_error(args->command, err);
    }
    args->values[index] = value;
    return check_words(args, option, value, err);
}

/* The value of an option that every command has. */
static bool common_value(CliArgs *args, const char *name, const char *value, char *const **next,
                         char *const *end, const char **ret_value, Error **err)
{
    if (!value && *next < end)
        value = *(*next)++;
    if (!value) {
        error_set(err, ERROR_INVALID_ARGUMENT, "option --%s takes a value", name);
        return usage_error(args->command, err);
    }
    *ret_value = value;
    return true;
}

/* What every command has; lists have more. *ret_known is false for other names. */
static bool take_common(CliArgs *args, const char *name, const char *value, char *const **next,
                        char *const *end, bool *ret_known, Error **err)
{
    bool list = command_is_list(args->command);
    *ret_known = true;
    if (strcmp(name, "help") == 0 || strcmp(name, "h") == 0) {
        args->help = true;
    } else if (strcmp(name, "quiet") == 0 || strcmp(name, "q") == 0) {
        args->quiet = true;
    } else if (list && strcmp(name, "no-header") == 0) {
        args->no_header = true;
    } else if (list && strcmp(name, "columns") == 0) {
        return common_value(args, name, value, next, end, &args->columns, err);
    } else if (strcmp(name, "output") == 0 || strcmp(name, "o") == 0) {
        CliFormat format;
        if (!common_value(args, "output", value, next, end, &args->output, err))
            return false;
        if (!cli_format_find(args->output, &format)) {
            error_set(err, ERROR_INVALID_ARGUMENT, "--output takes " CLI_FORMATS_TEXT ", not '%s'",
                      args->output);
            return usage_error(args->command, err);
        }
    } else {
        *ret_known = false;
    }
    return true;
}

static bool looks_like_option(const char *word)
{
    return word[0] == '-' && (word[1] == '-' || g_ascii_isalpha(word[1]));
}

/* One word that starts with '-'; may take the next one as its value. */
static bool take_option(CliArgs *args, const char *word, char *const **next, char *const *end, Error **err)
{
    bool is_long = word[1] == '-';
    const char *equals = strchr(word, '=');
    g_autofree char *name = NULL;
    const char *value = NULL;
    if (is_long) {
        name = equals ? g_strndup(word + 2, (size_t)(equals - word - 2)) : g_strdup(word + 2);
        value = equals ? equals + 1 : NULL;
    } else {
        name = g_strndup(word + 1, 1);
        value = word[2] ? word + 2 + (word[2] == '=') : NULL;
    }
    const CliOption *option = NULL;
    for (const CliOption *o = args->command->options; o && o->name; o++) {
        if (is_long ? strcmp(o->name, name) == 0 : o->short_name == name[0])
            option = o;
    }
    if (!option) {
        bool known = false;
        if (!take_common(args, name, value, next, end, &known, err))
            return false;
        return known || unknown_option(args->command, word, name, err);
    }
    if (option->type == CLI_BOOL) {
        if (value) {
            error_set(err, ERROR_INVALID_ARGUMENT, "invalid '=' after option --%s", option->name);
            return usage_error(args->command, err);
        }
        return set_value(args, option, "", err);
    }
    if (!value && option->flags & CLI_OPTIONAL && (*next >= end || looks_like_option(**next)))
        return set_value(args, option, "", err);
    if (!value) {
        if (*next >= end) {
            error_set(err, ERROR_INVALID_ARGUMENT, "expected syntax: --%s <%s>", option->name,
                      option->type == CLI_STRING ? "string" : "number");
            return usage_error(args->command, err);
        }
        value = *(*next)++;
    }
    return set_value(args, option, value, err);
}

bool option_is_positional(const CliOption *option)
{
    return option->type != CLI_BOOL && !(option->flags & (CLI_NAMED | CLI_HIDDEN)) && !option->same_as;
}

/* After the first of several objects: a word that a later option knows is that option's ("shutdown web
 * acpi"). */
static const CliOption *option_with_word(const CliArgs *args, const CliOption *each, const char *word)
{
    for (const CliOption *o = each + 1; args->many->len && o->name; o++) {
        if (o->words && option_is_positional(o) && !args->values[o - args->command->options] &&
            word_index(o, word, strlen(word)) >= 0)
            return o;
    }
    return each;
}

static bool surplus(const CliArgs *args, const char *word, Error **err)
{
    GString *takes = g_string_new(NULL);
    for (const CliOption *o = args->command->options; o && o->name; o++) {
        if (option_is_positional(o) && o->flags & CLI_REQUIRED)
            g_string_append_printf(takes, " <%s>", o->name);
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "surplus argument '%s': command '%s' takes %s", word,
              args->command->name, takes->len ? takes->str + 1 : "none here");
    g_string_free(takes, TRUE);
    return usage_error(args->command, err);
}

static bool fill_positional(CliArgs *args, const GPtrArray *data, Error **err)
{
    const CliOption *option = args->command->options;
    for (unsigned i = 0; i < data->len; i++) {
        while (option && option->name &&
               (!option_is_positional(option) ||
                (!(option->flags & CLI_MANY) && args->values[option - args->command->options])))
            option++;
        if (!option || !option->name)
            return surplus(args, data->pdata[i], err);
        const CliOption *to =
            option->flags & CLI_EACH ? option_with_word(args, option, data->pdata[i]) : option;
        if (!set_value(args, to, data->pdata[i], err))
            return false;
    }
    return true;
}

static bool check_required(const CliArgs *args, Error **err)
{
    for (const CliOption *o = args->command->options; o && o->name; o++) {
        if (!(o->flags & CLI_REQUIRED))
            continue;
        bool have =
            o->flags & CLI_MANY ? args->many->len > 0 : args->values[o - args->command->options] != NULL;
        if (!have) {
            error_set(err, ERROR_INVALID_ARGUMENT, "command '%s' requires <%s> option", args->command->name,
                      o->name);
            return usage_error(args->command, err);
        }
    }
    return true;
}

static bool check_exclusive(const CliArgs *args, Error **err)
{
    if (!args->command->exclusive)
        return true;
    g_auto(GStrv) sets = g_strsplit(args->command->exclusive, ";", -1);
    for (char **set = sets; *set; set++) {
        g_auto(GStrv) names = g_strsplit_set(g_strstrip(*set), " ", -1);
        const char *first = NULL;
        for (char **name = names; *name; name++) {
            if (!args_has(args, *name))
                continue;
            if (first) {
                error_set(err, ERROR_INVALID_ARGUMENT, "Options --%s and --%s are mutually exclusive", first,
                          *name);
                return usage_error(args->command, err);
            }
            first = *name;
        }
    }
    return true;
}

bool cli_args_parse(const CliCommand *command, char *const *words, unsigned n_words, CliArgs **ret_args,
                    Error **err)
{
    g_autoptr(CliArgs) args = g_new0(CliArgs, 1);
    args->command = command;
    args->values = g_new0(const char *, option_count(command) + 1);
    args->many = g_ptr_array_new();
    g_autoptr(GPtrArray) data = g_ptr_array_new();
    char *const *next = words;
    char *const *end = words + n_words;
    bool options_end = false;
    while (next < end) {
        char *word = *next++;
        if (!options_end && strcmp(word, "--") == 0)
            options_end = true;
        else if (options_end || !looks_like_option(word))
            g_ptr_array_add(data, word);
        else if (!take_option(args, word, &next, end, err))
            return false;
    }
    /* Whoever asks for help need not get the rest right. */
    if (!args->help &&
        (!fill_positional(args, data, err) || !check_required(args, err) || !check_exclusive(args, err)))
        return false;
    g_ptr_array_add(args->many, NULL);
    (void)args_each(args, 0);
    *ret_args = g_steal_pointer(&args);
    return true;
}

void cli_args_free(CliArgs *args)
{
    if (!args)
        return;
    g_free(args->values);
    g_ptr_array_unref(args->many);
    g_free(args);
}

const CliCommand *cli_args_command(const CliArgs *args)
{
    return args->command;
}

bool cli_args_wants_help(const CliArgs *args)
{
    return args->help;
}

bool cli_args_wants_quiet(const CliArgs *args)
{
    return args->quiet;
}

const char *cli_args_output(const CliArgs *args)
{
    return args->output;
}

const char *cli_args_columns(const CliArgs *args)
{
    return args->columns;
}

bool cli_args_no_header(const CliArgs *args)
{
    return args->no_header;
}

const char *args_get(const CliArgs *args, const char *name)
{
    const CliOption *option = command_find_option(args->command, name);
    g_assert(option);
    return option->flags & CLI_EACH ? args->each : args->values[option - args->command->options];
}

unsigned args_each(CliArgs *args, unsigned index)
{
    for (const CliOption *o = args->command->options; o && o->name; o++) {
        if (o->flags & CLI_EACH && args->many->len > 1) {
            args->each = args->many->pdata[index];
            return args->many->len - 1;
        }
    }
    return 1;
}

char **args_get_list(const CliArgs *args, const char *name)
{
    const char *text = args_get(args, name);

    if (!text || !*text) { /* of an empty text g_strsplit() makes no text at all */
        char **list = g_new0(char *, 2);
        list[0] = text ? g_strdup(text) : NULL;
        return list;
    }
    return g_strsplit(text, REPEAT_MARK, -1);
}

bool args_has(const CliArgs *args, const char *name)
{
    return args_get(args, name) != NULL;
}

char *const *args_get_many(const CliArgs *args, const char *name)
{
    const CliOption *option = command_find_option(args->command, name);
    g_assert(option && option->flags & CLI_MANY);
    return (char *const *)args->many->pdata;
}

static bool bad_number(const CliOption *option, const char *text, Error **err)
{
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "Numeric value '%s' for <%s> option is malformed or out of range", text, option->name);
}

char **args_split(const CliArgs *args, const char *name, const char *separators)
{
    return args_has(args, name) ? g_strsplit_set(args_get(args, name), separators, -1) : NULL;
}

bool args_get_int(const CliArgs *args, const char *name, int64_t min, int64_t max, int64_t *ret_value,
                  Error **err)
{
    const CliOption *option = command_find_option(args->command, name);
    const char *text = args_get(args, name);
    if (!text)
        return true;
    char *end = NULL;
    errno = 0;
    int64_t value = g_ascii_strtoll(text, &end, 10);
    if (errno || end == text || *end || value < min || value > max)
        return bad_number(option, text, err);
    *ret_value = value;
    return true;
}

bool args_get_size(const CliArgs *args, const char *name, uint64_t *ret_bytes, Error **err)
{
    const CliOption *option = command_find_option(args->command, name);
    const char *text = args_get(args, name);
    uint64_t bytes = 0;
    if (!text)
        return true;
    if (!size_parse(text, option->unit ? option->unit : 1, &bytes, NULL)) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "Scaled numeric value '%s' for <--%s> option is malformed or out of range", text, name);
        return error_hint(err, "a number may end in a unit such as K, M, G, KiB, MiB, GiB, MB or GB");
    }
    *ret_bytes = bytes;
    return true;
}

unsigned args_flags(const CliArgs *args)
{
    unsigned flags = 0;
    for (const CliOption *o = args->command->options; o && o->name; o++) {
        const char *value = args->values[o - args->command->options];
        if (!o->flag || !value || (o->arg && o->type == CLI_BOOL))
            continue;
        if (!o->words)
            flags |= o->flag;
        for (size_t len; o->words && *value; value += len + (value[len] == ',')) {
            len = strcspn(value, ",");
            flags |= o->flag << word_index(o, value, len);
        }
    }
    return flags;
}

unsigned args_get_word(const CliArgs *args, const char *name)
{
    const char *text = args_get(args, name);
    int index = text ? word_index(command_find_option(args->command, name), text, strlen(text)) : 0;
    return index < 0 ? 0 : (unsigned)index;
}

bool args_has_any(const CliArgs *args)
{
    for (const CliOption *o = args->command->options; o && o->name; o++) {
        if (!(o->flags & CLI_REQUIRED) && args->values[o - args->command->options])
            return true;
    }
    return false;
}
