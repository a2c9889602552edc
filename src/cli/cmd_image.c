/* `lodge image`: what the daemon does with images by hand. All but info are one call, whose options the
 * daemon knows by the same names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/image_call.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/row.h"

#define OPT_IMAGE(option, text)                                                                              \
    OPT(CLI_STRING, option, text, .flags = CLI_REQUIRED, .complete = COMPLETE_FILE)
#define OPT_THE_IMAGE OPT_IMAGE("image", "a file, or a volume as POOL/VOLUME; ./POOL/VOLUME is a file")
#define OPT_FORMAT_ALONE OPT_NAMED("format", "its format; default: what the pool says, or what it looks like")
#define OPT_SECRET                                                                                           \
    OPT_NAMED("secret", "UUID of the secret that opens it, if it is encrypted; default: what the volume "    \
                        "says")
#define OPT_OTHER_SECRET OPT_NAMED("other-secret", "the same for the other image")
#define OPT_FORMAT OPT_FORMAT_ALONE, OPT_SECRET
#define OPT_BELOW(option, text) OPT(CLI_STRING, option, text, .flags = CLI_NAMED, .complete = COMPLETE_FILE)
#define OPT_CREATE                                                                                           \
    OPT_NAMED("options", "options of the format: NAME=VALUE, separated by commas"),                          \
        OPT_BELOW("backing", "the image below it"),                                                          \
        OPT_NAMED("backing-format", "format of the image below it")

/* The options that are no options of the operation. */
static const char *const own_options[] = { "image", "other", "text", "format", "other-format", NULL };

/* What the daemon calls an image: its working directory is not ours. */
static char *image_name(const char *text)
{
    if (text[0] != '/' && text[0] != '.' && strchr(text, '/'))
        return g_strdup(text); /* POOL/VOLUME */
    return g_canonicalize_filename(text, NULL);
}

static const char *get_optional(const CliArgs *args, const char *name)
{
    return command_find_option(cli_args_command(args), name) ? args_get(args, name) : NULL;
}

static GPtrArray *operation_options(const CliArgs *args)
{
    GPtrArray *options = g_ptr_array_new_with_free_func(g_free);

    for (const CliOption *o = cli_args_command(args)->options; o->name; o++) {
        if (g_strv_contains(own_options, o->name) || !args_has(args, o->name))
            continue;
        g_autofree char *name =
            o->type != CLI_BOOL && o->complete == COMPLETE_FILE ? image_name(args_get(args, o->name)) : NULL;
        g_ptr_array_add(options,
                        o->type == CLI_BOOL
                            ? g_strdup(o->name)
                            : g_strdup_printf("%s=%s", o->name, name ? name : args_get(args, o->name)));
    }
    return options;
}

/* ---- what is printed ---- */

static const CliColumn map_columns[] = { { "Start", "start", "number" }, { "Length", "length", "number" },
                                         { "Depth", "depth", "number" }, { "Data", "data", "boolean" },
                                         { "Zero", "zero", "boolean" },  { 0 } };

static bool print_map(Cli *cli, const Json *list, Error **err)
{
    CliTable *table = table_new(map_columns, 0);
    size_t i;
    json_t *entry;

    json_array_foreach (list, i, entry) {
        table_row(table);
        for (const CliColumn *column = map_columns; column->key; column++) {
            Json *value = json_object_get(entry, column->key);
            g_autofree char *text = json_is_boolean(value)
                                        ? g_strdup(json_is_true(value) ? "yes" : "no")
                                        : g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
            table_cell(table, json_incref(value), "%s", text);
        }
    }
    return cli_print_table(cli, table, err);
}

/* Numbers and words by name, as qemu-img has them. */
static void print_facts(Cli *cli, const Json *object)
{
    CliRecord *record = record_new(26);
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        g_autofree char *label = g_strdup_printf("%s:", key);
        g_autofree char *text = json_is_string(value) ? g_strdup(json_string_value(value))
                                : json_is_integer(value)
                                    ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value))
                                    : json_format(value);
        record_add(record, label, key, json_incref(value), "%s", text);
    }
    cli_print_record(cli, record);
}

static bool print_output(Cli *cli, const CliArgs *args, const WireLodgeImageRunRet *ret, Error **err)
{
    const char *name = cli_args_command(args)->name;

    if (cli_args_command(args)->columns || g_str_equal(name, "image-check") ||
        g_str_equal(name, "image-measure")) {
        g_autoptr(Json) json = NULL;
        if (!json_parse(ret->output, strlen(ret->output), "the daemon's answer", &json, err))
            return false;
        if (json_is_array(json))
            return print_map(cli, json, err);
        print_facts(cli, json);
        return true;
    }
    g_autofree char *output = g_strstrip(g_strdup(ret->output));
    const char *done = cli_args_command(args)->done;
    if (g_str_equal(name, "image-snapshot") && args_has(args, "list") && !*output)
        done = "Image '{image}' has no snapshots";
    if (*output && (g_str_equal(name, "image-compare") || g_str_equal(name, "image-snapshot") ||
                    g_str_equal(name, "image-fix"))) {
        cli_print_text(cli, "output", output);
    } else if (done) {
        const RowCall none = { 0 };
        g_autofree char *text = row_text(done, args, &none);
        cli_message(cli, "%s", text);
    }
    return true;
}

static bool image_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *operation = cli_args_command(args)->name + strlen("image-");
    const char *other = get_optional(args, "other");
    g_autoptr(GPtrArray) options = operation_options(args);
    g_autofree char *image = image_name(args_get(args, "image")), *second = other ? image_name(other) : NULL;
    g_auto(WireLodgeImageRunRet) ret = { 0 };
    WireLodgeImageRunArgs call = { .operation = (char *)operation,
                                   .image = image,
                                   .format = (char *)get_optional(args, "format"),
                                   .other = second,
                                   .other_format = (char *)get_optional(args, "other-format"),
                                   .text = (char *)get_optional(args, "text"),
                                   .options = (char **)options->pdata,
                                   .n_options = options->len };

    cli_doing(cli, "Failed to %s image '%s'", operation, args_get(args, "image"));
    if (!image_call(cli, args_get(args, "image"), &call, &ret, err))
        return false;
    if (ret.status != 0)
        cli->exit_code = CLI_EXIT_FAILED;
    return print_output(cli, args, &ret, err);
}

/* ---- info ---- */

static void add_words(GString *line, const char *text)
{
    g_string_append_printf(line, "%s%s", line->len ? ", " : "", text);
}

/* Names come from headers. */
PRINTF(2, 3) static void print_line(Cli *cli, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *line = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *text = text_printable(line);
    fprintf(cli->out, "%s\n", text);
}

static void print_details(Cli *cli, const Json *image, const char *indent)
{
    g_autoptr(GString) line = g_string_new(NULL);
    size_t i;
    json_t *entry;

    if (json_get_str(image, "compat"))
        g_string_append_printf(line, "compat %s", json_get_str(image, "compat"));
    if (json_get_uint(image, "cluster_bytes", 0)) {
        g_autofree char *size = short_size(json_get_uint(image, "cluster_bytes", 0));
        add_words(line, "clusters of ");
        g_string_append(line, size);
    }
    if (json_get_str(image, "subformat"))
        add_words(line, json_get_str(image, "subformat"));
    if (json_get_bool(image, "lazy_refcounts", false))
        add_words(line, "lazy refcounts");
    if (json_get_bool(image, "extended_l2", false))
        add_words(line, "extended L2");
    if (g_strcmp0(json_get_str(image, "compression"), "zstd") == 0)
        add_words(line, "zstd");
    if (json_get_str(image, "encryption"))
        g_string_append_printf(line, "%sencrypted (%s)", line->len ? ", " : "",
                               json_get_str(image, "encryption"));
    const Json *luks = json_get_obj(image, "luks");
    if (luks)
        g_string_append_printf(line, ", %s-%s, %u bits, %u key slots used", json_get_str(luks, "cipher"),
                               json_get_str(luks, "mode") ? json_get_str(luks, "mode") : "",
                               (unsigned)json_get_uint(luks, "key_bits", 0),
                               (unsigned)json_get_uint(luks, "keyslots", 0));
    if (json_get_bool(image, "dirty", false))
        add_words(line, "not closed properly: 'lodge image check' looks at it");
    if (json_get_bool(image, "corrupt", false))
        add_words(line, "CORRUPT");
    if (line->len)
        print_line(cli, "%s%s", indent, line->str);
    if (json_get_str(image, "data_file"))
        print_line(cli, "%sdata in %s", indent, json_get_str(image, "data_file"));
    json_array_foreach (json_get_arr(image, "snapshots"), i, entry) {
        print_line(cli, "%ssnapshot %s '%s'", indent, json_get_str(entry, "id"), json_get_str(entry, "name"));
    }
    json_array_foreach (json_get_arr(image, "bitmaps"), i, entry) {
        print_line(cli, "%sbitmap '%s'", indent, json_get_str(entry, "name"));
    }
    json_array_foreach (json_get_arr(image, "used_by"), i, entry) {
        print_line(cli, "%sneeded by %s", indent, json_string_value(entry));
    }
}

static void print_tree(Cli *cli, const Json *list)
{
    size_t i;
    json_t *image;

    json_array_foreach (list, i, image) {
        g_autofree char *indent = g_strnfill(i * 3, ' ');
        g_autofree char *below = g_strdup_printf("%s%s", indent, i ? "     " : "   ");
        g_autofree char *size = short_size(json_get_uint(image, "virtual_bytes", 0));
        g_autofree char *taken = short_size(json_get_uint(image, "allocated_bytes", 0));
        const char *branch = i ? "`- " : "";
        if (i)
            indent[i * 3 - 3] = '\0';
        if (json_object_get(image, "virtual_bytes"))
            print_line(cli, "%s%s%s (%s, %s, %s on disk)", indent, branch, json_get_str(image, "path"),
                       json_get_str(image, "format"), size, taken);
        else
            print_line(cli, "%s%s%s (%s, on a server)", indent, branch, json_get_str(image, "path"),
                       json_get_str(image, "format"));
        print_details(cli, image, below);
    }
}

static bool info_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *image = image_name(args_get(args, "image"));
    const WireLodgeImageInfoArgs call = { .image = image, .format = (char *)args_get(args, "format") };
    g_auto(WireLodgeImageInfoRet) ret = { 0 };
    g_autoptr(Json) list = NULL;

    cli_doing(cli, "Failed to look at image '%s'", args_get(args, "image"));
    if (!lodge_call(cli, LODGE_PROC_IMAGE_INFO, &call, &ret, WIRE_NO_TIMEOUT, err) ||
        !json_parse(ret.json, strlen(ret.json), "the daemon's answer", &list, err))
        return false;
    if (cli->json)
        cli_print_json(cli, g_steal_pointer(&list));
    else
        print_tree(cli, list);
    return true;
}

/* ---- the commands ---- */

static const CliOption info_options[] = { OPT_THE_IMAGE, OPT_FORMAT_ALONE, { 0 } };
static const CliOption map_options[] = { OPT_THE_IMAGE, OPT_FORMAT, { 0 } };
static const CliOption create_options[] = {
    OPT_THE_IMAGE,
    OPT_STRING("text", "its size, with a unit: 20G; default: that of the image below it"),
    OPT_NAMED("format", "its format; default: raw"),
    OPT_NAMED("secret", "UUID of the secret to encrypt it with (luks, qcow2)"),
    OPT_CREATE,
    { 0 },
};
static const CliOption check_options[] = {
    OPT_THE_IMAGE,
    OPT_FORMAT,
    OPT(CLI_STRING, "repair", "mend it", .flags = CLI_NAMED | CLI_ONE_OF, .words = "leaks all"),
    { 0 },
};
static const CliOption convert_options[] = {
    OPT_THE_IMAGE,
    OPT_IMAGE("other", "what is made: a new file or volume"),
    OPT_FORMAT,
    OPT(CLI_STRING, "other-format", "format of what is made; default: raw", .short_name = 'O',
        .flags = CLI_NAMED),
    OPT(CLI_BOOL, "compress", "compress it (qcow2, vmdk)", .short_name = 'c'),
    OPT_OTHER_SECRET,
    OPT_NAMED("sparse", "so many zeros in a row become a hole; 0: none"),
    OPT_NAMED("parallel", "so many pieces at a time; default: 8"),
    OPT_BOOL("out-of-order", "write pieces as they come: quicker on devices, but not in a row"),
    OPT_NAMED("snapshot", "what that snapshot inside the image holds"),
    OPT_BOOL("bitmaps", "copy its bitmaps, too"),
    OPT_CREATE,
    { 0 },
};
static const CliOption resize_options[] = {
    OPT_THE_IMAGE,
    OPT_REQUIRED("text", "the new size, with a unit: 20G; +5G adds"),
    OPT_FORMAT,
    OPT_BOOL("shrink", "allow it to become smaller"),
    OPT_NAMED("preallocation", "how the new part is allocated: off, metadata, falloc or full"),
    { 0 },
};
static const CliOption compare_options[] = {
    OPT_THE_IMAGE,
    OPT_IMAGE("other", "the other image"),
    OPT_FORMAT,
    OPT_NAMED("other-format", "format of the other image"),
    OPT_OTHER_SECRET,
    OPT_BOOL("strict", "sizes and allocation must be the same, too"),
    { 0 },
};
static const CliOption commit_options[] = {
    OPT_THE_IMAGE,
    OPT_FORMAT,
    OPT_BELOW("base", "the image of the chain that gets the changes; default: the one below"),
    OPT_BOOL("keep", "do not empty the image afterwards"),
    { 0 },
};
static const CliOption rebase_options[] = {
    OPT_THE_IMAGE,
    OPT_BELOW("base", "the image that it is to be based on"),
    OPT_FORMAT,
    OPT_NAMED("base-format", "format of that image"),
    OPT_BOOL("flatten", "on none: it then holds all that lies below"),
    OPT_BOOL("unsafe", "change the name only: the new base holds the same"),
    { 0 },
};
static const CliOption snapshot_options[] = {
    OPT_THE_IMAGE,
    OPT_FORMAT,
    OPT(CLI_BOOL, "list", "list the snapshots", .short_name = 'l'),
    OPT(CLI_STRING, "create", "take a snapshot of that name", .short_name = 'c', .flags = CLI_NAMED),
    OPT(CLI_STRING, "apply", "bring the image back to that snapshot", .short_name = 'a', .flags = CLI_NAMED),
    OPT(CLI_STRING, "delete", "remove that snapshot", .short_name = 'd', .flags = CLI_NAMED),
    { 0 },
};
static const CliOption amend_options[] = {
    OPT_THE_IMAGE,
    OPT_REQUIRED("options", "options of the format: NAME=VALUE, separated by commas"),
    OPT_FORMAT,
    { 0 },
};
static const CliOption measure_options[] = {
    OPT_THE_IMAGE,
    OPT_FORMAT,
    OPT(CLI_STRING, "target-format", "for a copy in that format; default: raw", .short_name = 'O',
        .flags = CLI_NAMED),
    OPT_NAMED("options", "options of the format: NAME=VALUE, separated by commas"),
    OPT_NAMED("snapshot", "of that snapshot inside the image"),
    { 0 },
};
static const CliOption dd_options[] = {
    OPT_THE_IMAGE,
    OPT_IMAGE("other", "what is made: a new file or volume"),
    OPT_FORMAT,
    OPT(CLI_STRING, "other-format", "format of what is made; default: raw", .short_name = 'O',
        .flags = CLI_NAMED),
    OPT_OTHER_SECRET,
    OPT_NAMED("bs", "bytes of a block; default: 512"),
    OPT_NAMED("count", "so many blocks"),
    OPT_NAMED("skip", "leave out so many blocks"),
    { 0 },
};
static const CliOption bitmap_options[] = {
    OPT_THE_IMAGE,
    OPT_REQUIRED("text", "name of the bitmap"),
    OPT_FORMAT,
    OPT_BOOL("add", "make it"),
    OPT_BOOL("remove", "remove it"),
    OPT_BOOL("clear", "empty it"),
    OPT_BOOL("enable", "let it record"),
    OPT_BOOL("disable", "let it no longer record"),
    OPT_NAMED("merge", "add what that bitmap has"),
    OPT_NAMED("granularity", "bytes that one bit stands for"),
    { 0 },
};

#define IMAGE_COMMAND(name, text, rows, ...)                                                                 \
    COMMAND("image-" name, GROUP_LODGE, text, rows, image_run, __VA_ARGS__)

const CliCommand commands_image[] = {
    COMMAND("image-info", GROUP_LODGE, "show an image and what it is based on", info_options, info_run,
            .json = "[{\"path\": string, \"format\": string, \"virtual_bytes\": number, ...}]"),
    IMAGE_COMMAND("create", "make an image", create_options, .done = "Image '{image}' created"),
    IMAGE_COMMAND("check", "look for damage in an image", check_options,
                  .json = "{\"filename\": string, \"format\": string, \"check-errors\": number, ...}"),
    IMAGE_COMMAND("convert", "copy an image into another format", convert_options,
                  .done = "Image '{image}' converted"),
    IMAGE_COMMAND("resize", "change the size of an image", resize_options, .done = "Image '{image}' resized"),
    IMAGE_COMMAND("map", "show where an image holds data", map_options, .columns = map_columns),
    IMAGE_COMMAND("fix", "let images say which format their base has", info_options,
                  .doc =
                      "Machines refuse chains whose images do not. What the base looks like is believed: it "
                      "must not be one whose content a guest could forge.",
                  .json = "{\"output\": string}"),
    IMAGE_COMMAND("compare", "find out whether two images hold the same", compare_options,
                  .json = "{\"output\": string}"),
    IMAGE_COMMAND("commit", "write the changes of an image into the one below it", commit_options,
                  .done = "Image '{image}' committed"),
    IMAGE_COMMAND("rebase", "base an image on another one", rebase_options, .exclusive = "base flatten",
                  .done = "Image '{image}' rebased"),
    IMAGE_COMMAND("snapshot", "work with the snapshots inside an image", snapshot_options,
                  .exclusive = "list create apply delete", .done = "Snapshots of image '{image}' changed",
                  .json = "{\"output\": string} or {\"message\": string}"),
    IMAGE_COMMAND("amend", "change options of an image", amend_options, .done = "Image '{image}' amended"),
    IMAGE_COMMAND("measure", "find out how much space a copy of an image would take", measure_options,
                  .json = "{\"required\": number, \"fully-allocated\": number}"),
    IMAGE_COMMAND("dd", "copy blocks of an image", dd_options, .done = "Image '{image}' copied"),
    IMAGE_COMMAND("bitmap", "change the bitmaps of an image", bitmap_options,
                  .exclusive = "add remove clear enable disable merge",
                  .done = "Bitmaps of image '{image}' changed"),
    { 0 },
};
