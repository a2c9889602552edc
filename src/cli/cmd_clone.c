/* `lodge clone` and `lodge template`: machines from machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli/clone.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/interrupt.h"
#include "cli/library.h"
#include "cli/output.h"
#include "cli/template.h"

#define COUNT_MAX 1000

typedef struct Batch {
    CloneOrder order;
    char *name; /* owned */
    bool ok;
    Error *err;
} Batch;

/* ---- names ---- */

/* "web-%02d" of 3 is "web-03"; nothing else is a place. NULL: there is not exactly one. */
static char *number_name(const char *pattern, unsigned number)
{
    const char *place = strchr(pattern, '%');
    char *end;

    if (!place || strchr(place + 1, '%'))
        return NULL;
    const bool zeros = place[1] == '0';
    const unsigned long width = strtoul(place + 1, &end, 10);
    if (*end != 'd' || width > 9)
        return NULL;
    g_autofree char *digits = g_strdup_printf(zeros ? "%0*u" : "%*u", (int)width, number);
    return g_strdup_printf("%.*s%s%s", (int)(place - pattern), pattern, digits, end + 1);
}

static bool is_taken(Cli *cli, const char *name)
{
    const WireDomainLookupByNameArgs args = { .name = (char *)name };
    g_auto(WireDomainLookupByNameRet) ret = { 0 };

    return cli_call(cli, PROC_DOMAIN_LOOKUP_BY_NAME, &args, &ret, NULL);
}

/* NAME-clone, NAME-clone-1, ... as virt-clone has it. */
static char *free_name(Cli *cli, const char *original)
{
    char *name = g_strconcat(original, "-clone", NULL);

    for (unsigned i = 1; is_taken(cli, name) && i < COUNT_MAX; i++) {
        g_free(name);
        name = g_strdup_printf("%s-clone-%u", original, i);
    }
    return name;
}

/* ---- making ---- */

static void make_one(void *item)
{
    Batch *batch = item;

    batch->ok = clone_make(&batch->order, &batch->err);
}

/* All that could be made are made; the failures of the others are told. */
static bool make_all(Cli *cli, const CloneOrder *base, const char *pattern, unsigned count, const char *from,
                     Error **err)
{
    g_autofree Batch *all = g_new0(Batch, count);
    Json *names = json_array();
    unsigned n_failed = 0;

    for (unsigned i = 0; i < count; i++) {
        all[i].order = *base;
        all[i].name = count > 1 ? number_name(pattern, i + 1) : g_strdup(pattern);
        all[i].order.name = all[i].name;
    }
    if (count == 1)
        make_one(&all[0]); /* Ctrl-C reaches this fiber */
    else
        fiber_run_all("clone", make_one, all, count, sizeof(*all));
    for (unsigned i = 0; i < count; i++) {
        if (all[i].ok) {
            cli_say(cli, "Machine '%s' made from '%s'\n", all[i].name, from);
            json_array_append_new(names, json_string(all[i].name));
        } else if (n_failed++ == 0) {
            error_propagate(err, all[i].err);
            if (count > 1)
                error_prefix(err, "machine '%s'", all[i].name);
        } else {
            fprintf(stderr, "error: machine '%s': %s\n", all[i].name, error_message(all[i].err));
            error_free(all[i].err);
        }
        g_free(all[i].name);
    }
    if (n_failed == 0)
        cli_print_json(cli, json_pack("{s:s, s:O}", "from", from, "made", names));
    json_decref(names);
    return n_failed == 0;
}

static bool check_pattern(const char *name, int64_t count, Error **err)
{
    g_autofree char *first = name && count > 1 ? number_name(name, 1) : NULL;

    if (count > 1 && !first) {
        error_set(err, ERROR_INVALID_ARGUMENT, "the names of %d machines need a place for a number",
                  (int)count);
        return error_hint(err, "--name 'web-%%02d' makes web-01, web-02, ...");
    }
    return true;
}

/* With what the options say. */
static bool make_from(Cli *cli, const CliArgs *args, CloneOrder *order, const char *name, Error **err)
{
    g_auto(GStrv) macs = args_split(args, "mac", "\n"), files = args_split(args, "file", "\n");
    int64_t count = 1;

    if (!args_get_int(args, "count", 1, COUNT_MAX, &count, err) || !check_pattern(name, count, err))
        return false;
    if (count > 1 && (macs || files || args_has(args, "uuid")))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--mac, --file and --uuid are for one machine");
    order->uuid = args_get(args, "uuid");
    order->macs = (const char *const *)macs;
    order->files = (const char *const *)files;
    order->pool = args_get(args, "pool");
    order->nvram = args_get(args, "nvram");
    order->hostname = args_get(args, "hostname");
    order->start = args_has(args, "start");
    order->keep_identity = args_has(args, "keep-identity");
    order->preserve_data = args_has(args, "preserve-data");
    order->replace = args_has(args, "replace");
    order->name = name;
    if (args_has(args, "print-xml")) {
        g_autofree char *xml = NULL;
        if (!clone_document(order, &xml, err))
            return false;
        cli_print_text(cli, "xml", xml);
        return true;
    }
    if (!make_all(cli, order, name, (unsigned)count, order->source->name, err))
        return false;
    if (!order->source->seed && !order->source->memory && !order->keep_identity && !cli->quiet)
        fprintf(stderr,
                "note: there is no seed of cloud-init: inside, the machine is the same as '%s' (machine-id, "
                "host keys, host name); 'lodge disk sysprep %s' makes them new\n",
                order->source->name, count > 1 ? "NAME" : name);
    return true;
}

/* ---- clone ---- */

static bool clone_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    g_auto(WireDomain) dom = { 0 };
    CloneSource source = { .cli = cli,
                           .quiesce = args_has(args, "quiesce"),
                           .with_memory = args_has(args, "running") };
    const CloneKind kind = args_has(args, "linked") || source.with_memory ? CLONE_LINKED : CLONE_FULL;

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to clone machine '%s'", dom.name);
    g_autofree char *name =
        args_has(args, "name") ? g_strdup(args_get(args, "name")) : free_name(cli, dom.name);
    interrupt_begin(&interrupt, cli);
    CloneOrder order = { .source = &source, .kind = kind, .interrupted = &interrupt.is_set };
    /* Nothing is frozen for a document. */
    const CloneKind opened = args_has(args, "print-xml") ? CLONE_FULL : kind;
    const bool ok = clone_source_open(cli, &dom, opened, args_get(args, "skip-copy"),
                                      args_get(args, "force-copy"), &source, err) &&
                    make_from(cli, args, &order, name, err);
    if (!ok && source.snapshot) /* nobody stands on it, or those who do keep what they need */
        source.keep_snapshot = false;
    clone_source_close(&source);
    return ok;
}

#define OPT_CLONE                                                                                            \
    OPT(CLI_STRING, "name", "of the new machine; with --count a pattern with %d or %02d",                    \
        .short_name = 'n'),                                                                                  \
        OPT(CLI_INT, "count", "so many machines", .flags = CLI_NAMED),                                       \
        OPT(CLI_STRING, "uuid", "default: a new one", .short_name = 'u', .flags = CLI_NAMED),                \
        OPT(CLI_STRING, "mac",                                                                               \
            "address of the first interface, of the next one when given again, or RANDOM",                   \
            .short_name = 'm', .flags = CLI_NAMED | CLI_LINES),                                              \
        OPT(CLI_STRING, "file",                                                                              \
            "path of the first disk that is copied, of the next one when given again; "                      \
            "default: beside the original's",                                                                \
            .short_name = 'f', .flags = CLI_NAMED | CLI_LINES, .complete = COMPLETE_FILE),                   \
        OPT_NAMED("pool", "where its disks go; default: where the original's are"),                          \
        OPT(CLI_STRING, "nvram", "file for the firmware's variables", .flags = CLI_NAMED,                    \
            .complete = COMPLETE_FILE),                                                                      \
        OPT_NAMED("hostname", "inside of it; default: its name"), OPT_BOOL("start", "start it"),             \
        OPT_BOOL("keep-identity", "cloud-init is not told that it is another machine"),                      \
        OPT_BOOL("preserve-data", "use the files of --file as they are: nothing is copied"),                 \
        OPT_BOOL("replace", "remove the machine that has the name now, but not its disks"),                  \
        OPT_BOOL("print-xml", "print the document, and make nothing")

static const CliOption clone_options[] = {
    OPT(CLI_STRING, "domain", DOMAIN_DOC, .flags = CLI_REQUIRED, .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "original", "the same", .same_as = "domain", .flags = CLI_HIDDEN),
    OPT_CLONE,
    OPT_BOOL("linked", "stand on the original's disks instead of copying them"),
    OPT_BOOL("running", "go on from where the original is now, in its memory; linked, and started"),
    OPT_BOOL("quiesce", "of one that runs: its agent writes down what is not on its disks yet, first"),
    OPT_BOOL("auto-clone", "choose names for all that is not named: always so"),
    OPT_BOOL("reflink", "share data where the file system can: always so"),
    OPT_BOOL("nonsparse", "accepted for virt-clone's sake: holes stay holes"),
    OPT(CLI_STRING, "skip-copy", "share this disk, by target; may be given several times",
        .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_STRING, "force-copy", "copy this disk although it is read-only or shareable, by target",
        .flags = CLI_NAMED | CLI_LINES),
    { 0 },
};

/* ---- templates ---- */

static bool template_create_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    g_auto(WireDomain) dom = { 0 };
    CloneSource source = { .cli = cli };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    const char *name = args_get(args, "name") ?: dom.name;
    cli_doing(cli, "Failed to make template '%s'", name);
    interrupt_begin(&interrupt, cli);
    bool ok = clone_source_open(cli, &dom, CLONE_FULL, NULL, NULL, &source, err) &&
              template_put(&source, name, err);
    clone_source_close(&source);
    if (ok)
        cli_message(cli, "Template '%s' made from machine '%s'", name, dom.name);
    return ok;
}

static const CliColumn template_columns[] = {
    { "Template", "name" },         { "From", "machine" },
    { "Disks", "disks", "number" }, { "Size", "virtual_bytes", "number" },
    { "Added", "added" },           { 0 }
};

static bool template_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;

    cli_doing(cli, "Failed to list templates");
    if (!library_list(cli, &images, err))
        return false;
    CliTable *table = table_new(template_columns, 0);
    for (guint i = 0; i < images->len; i++) {
        const LibraryImage *image = images->pdata[i];
        const Json *template = json_get_obj(image->facts, "template");
        if (!template || !image->is_whole)
            continue;
        const size_t n = json_array_size(json_get_arr(template, "disks"));
        g_autofree char *size = short_size(json_get_uint(image->facts, "virtual_bytes", 0));
        table_row(table);
        table_cell_text(table, image->name);
        table_cell_text(table, json_get_str(template, "machine"));
        table_cell(table, json_integer((json_int_t)n), "%zu", n);
        table_cell(table, json_integer((json_int_t)json_get_uint(image->facts, "virtual_bytes", 0)), "%s",
                   size);
        table_cell_text(table, json_get_str(image->facts, "added"));
    }
    return cli_print_table(cli, table, err);
}

static bool template_instantiate_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    const char *template = args_get(args, "template");
    CloneSource source = { .cli = cli };
    const CloneKind kind = args_has(args, "full") ? CLONE_FULL : CLONE_LINKED;

    cli_doing(cli, "Failed to make a machine from template '%s'", template);
    interrupt_begin(&interrupt, cli);
    CloneOrder order = { .source = &source, .kind = kind, .interrupted = &interrupt.is_set };
    const bool ok = clone_template_open(cli, template, &source, err) &&
                    make_from(cli, args, &order, args_get(args, "name") ?: template, err);
    clone_source_close(&source);
    return ok;
}

static const CliOption template_create_options[] = {
    OPT_DOMAIN,
    OPT_STRING("name", "its name in the library; default: the machine's"),
    { 0 },
};
static const CliOption none[] = { { 0 } };
static const CliOption instantiate_options[] = {
    OPT_REQUIRED("template", "its name in the library"),
    OPT_CLONE,
    OPT_BOOL("full", "copy the disks instead of standing on the template's"),
    { 0 },
};

#define MADE_JSON "{\"from\": string, \"made\": [string]}; with --print-xml {\"xml\": string}"

const CliCommand commands_clone[] = {
    COMMAND(
        "clone", GROUP_LODGE, "make machines that are as another one", clone_options, clone_run,
        .json = MADE_JSON,
        .exclusive = "linked file; linked preserve-data; running file; running preserve-data",
        .doc =
            "With virt-clone's options. A new machine has its own UUID, addresses of cards, ports, firmware "
            "variables and TPM; if the original has a seed of cloud-init, the new one's tells cloud-init "
            "that "
            "it is another machine, with another name and machine-id. A machine that runs is copied as it "
            "was at one moment, by a snapshot that goes afterwards. Linked ones stand on a snapshot of the "
            "original, which goes on beside it and has to be kept. With --running the new ones do not boot: "
            "they have the memory of the original as it is at that moment, in common until they write to it. "
            "Their network cards come back with addresses of their own while they run, and an agent in the "
            "guest is told of the new identity. The original goes on; of one that is paused the memory is "
            "kept "
            "as long as it stays so, so further clones take no time. It needs shared memory of source memfd, "
            "as "
            "machines of 'lodge run' have, and no devices of the host."),
    COMMAND("template-create", GROUP_LODGE, "keep a machine in the library, to make others from",
            template_create_options, template_create_run,
            .doc = "Its disks are copied into the library, where nothing changes them, with its definition, "
                   "firmware variables, TPM and seed. The machine stays as it is."),
    COMMAND("template-list", GROUP_LODGE, "list the templates of the library", none, template_list_run,
            .columns = template_columns),
    COMMAND("template-instantiate", GROUP_LODGE, "make machines from a template", instantiate_options,
            template_instantiate_run, .json = MADE_JSON,
            .doc = "Their disks stand on the template's, which cannot be removed as long as they are there."),
    { 0 },
};
