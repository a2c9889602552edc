/* `lodge apply` and `lodge diff`: a host becomes what a file says. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/lab.h"
#include "cli/output.h"

#define FILE_MAX ((size_t)4 << 20)

static bool read_lab(const CliArgs *args, Lab **ret_lab, Error **err)
{
    const char *path = args_get(args, "file");
    g_autofree char *absolute = g_canonicalize_filename(path, NULL), *text = NULL;
    size_t len = 0;

    return file_read(absolute, FILE_MAX, &text, &len, err) && lab_read(path, text, len, ret_lab, err);
}

/* ---- the plan ---- */

static Json *step_json(const LabStep *step, LabHow how)
{
    Json *list = json_array();

    for (guint i = 0; i < step->differences->len; i++) {
        const LabDifference *difference = step->differences->pdata[i];
        json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:s}", "key", difference->key, "is",
                                              difference->is, "wanted", difference->wanted, "how",
                                              lab_how_name(difference->how)));
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "kind", lab_kind_name(step->item->kind), "name",
                     step->item->name, "how", lab_how_name(how), "differences", list);
}

static void print_step(Cli *cli, const LabStep *step)
{
    static const char marks[LAB_HOW_COUNT] = { ' ', '+', '~', '!', '!' };
    const char *kind = lab_kind_name(step->item->kind);

    if (step->how == LAB_MAKE)
        cli_say(cli, "+ %s %s\n", kind, step->item->name);
    for (guint i = 0; i < step->differences->len; i++) {
        const LabDifference *difference = step->differences->pdata[i];
        cli_say(cli, "%c %s %s: %s is %s, wanted is %s%s\n", marks[difference->how], kind, step->item->name,
                difference->key, difference->is ? difference->is : "nothing",
                difference->wanted ? difference->wanted : "nothing",
                difference->how == LAB_AGAIN     ? " (needs --recreate)"
                : difference->how == LAB_REFUSED ? " (by hand only)"
                                                 : "");
    }
}

static void count(const GPtrArray *steps, unsigned *ret_counts)
{
    for (guint i = 0; i < steps->len; i++)
        ret_counts[((const LabStep *)steps->pdata[i])->how]++;
}

/* Prints what differs; *ret_same: nothing does. */
static void print_plan(Cli *cli, const GPtrArray *steps, bool *ret_same)
{
    unsigned counts[LAB_HOW_COUNT] = { 0 };
    Json *changes = json_array();

    count(steps, counts);
    *ret_same = counts[LAB_SAME] == steps->len;
    for (guint i = 0; i < steps->len; i++) {
        const LabStep *step = steps->pdata[i];
        print_step(cli, step);
        if (step->how != LAB_SAME)
            json_array_append_new(changes, step_json(step, step->how));
    }
    if (*ret_same)
        cli_say(cli, "no change\n");
    else
        cli_say(cli, "%u to make, %u to change, %u to make again, %u by hand\n", counts[LAB_MAKE],
                counts[LAB_CHANGE], counts[LAB_AGAIN], counts[LAB_REFUSED]);
    fflush(cli->out);
    cli_print_json(cli, json_pack("{s:o}", "changes", changes));
}

/* What is to go, last made first. */
static void print_removal(Cli *cli, const GPtrArray *steps, bool *ret_same)
{
    Json *changes = json_array();

    for (guint i = steps->len; i-- > 0;) {
        const LabStep *step = steps->pdata[i];
        if (!step->exists || step->item->kind == LAB_IMAGE)
            continue;
        cli_say(cli, "- %s %s\n", lab_kind_name(step->item->kind), step->item->name);
        json_array_append_new(changes,
                              json_pack("{s:s, s:s, s:s, s:[]}", "kind", lab_kind_name(step->item->kind),
                                        "name", step->item->name, "how", "remove", "differences"));
    }
    *ret_same = json_array_size(changes) == 0;
    if (*ret_same)
        cli_say(cli, "no change\n");
    fflush(cli->out);
    cli_print_json(cli, json_pack("{s:o}", "changes", changes));
}

/* ---- commands ---- */

/* Nothing is begun that could not be ended. */
static bool check_plan(const GPtrArray *steps, bool recreates, Error **err)
{
    for (guint i = 0; i < steps->len; i++) {
        const LabStep *step = steps->pdata[i];
        const char *kind = lab_kind_name(step->item->kind);
        if (step->how == LAB_REFUSED) {
            const LabDifference *difference = NULL;
            for (guint k = 0; k < step->differences->len; k++)
                if (((LabDifference *)step->differences->pdata[k])->how == LAB_REFUSED)
                    difference = step->differences->pdata[k];
            error_set(err, ERROR_OPERATION_UNSUPPORTED, "%s '%s': %s does not change from %s to %s", kind,
                      step->item->name, difference->key, difference->is ? difference->is : "nothing",
                      difference->wanted);
            return error_hint(err, "change the file, or do it by hand; nothing was changed");
        }
        if (step->how == LAB_AGAIN && !recreates) {
            error_set(err, ERROR_OPERATION_UNSUPPORTED,
                      "%s '%s' would have to be removed with its disk and made again", kind,
                      step->item->name);
            return error_hint(err,
                              "--recreate does that; 'lodge diff' shows what differs; nothing was changed");
        }
    }
    return true;
}

static bool go(Cli *cli, const CliArgs *args, Error **err)
{
    const bool removes = args_has(args, "destroy");
    g_autoptr(Lab) lab = NULL;
    g_autoptr(GPtrArray) steps = NULL;
    bool same = false;

    if (!read_lab(args, &lab, err) || !cli_connect(cli, err) || !lab_plan(cli, lab, &steps, err))
        return false;
    if (removes)
        print_removal(cli, steps, &same);
    else
        print_plan(cli, steps, &same);
    if (same || args_has(args, "dry-run"))
        return true;
    if (!removes && !check_plan(steps, args_has(args, "recreate"), err))
        return false;
    if (!lab_do(cli, steps,
                removes                      ? LAB_DO_REMOVE
                : args_has(args, "recreate") ? LAB_DO_AGAIN
                                             : LAB_DO,
                err))
        return error_hint(err, "what has succeeded stays; the same command goes on with the rest");
    cli_say(cli, "done\n");
    return true;
}

static bool apply_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };

    cli_doing(cli, "Failed to apply '%s'", args_get(args, "file"));
    interrupt_begin(&interrupt, cli);
    const bool ok = go(cli, args, err);
    return ok;
}

static bool diff_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(Lab) lab = NULL;
    g_autoptr(GPtrArray) steps = NULL;
    bool same = false;

    cli_doing(cli, "Failed to compare with '%s'", args_get(args, "file"));
    if (!read_lab(args, &lab, err) || !cli_connect(cli, err) || !lab_plan(cli, lab, &steps, err))
        return false;
    print_plan(cli, steps, &same);
    if (!same)
        cli->exit_code = CLI_EXIT_FAILED;
    return true;
}

/* The table, for tools/generate-apply-manual. */
static bool keys_run(Cli *cli, const CliArgs *args, Error **err)
{
    for (LabKind kind = 0; kind < LAB_KIND_COUNT; kind++) {
        cli_say(cli, "%s\n", lab_kind_section(kind));
        for (const LabKey *key = lab_keys(kind); key->name; key++)
            cli_say(cli, "    %s\t%s%s%s\t%s%s\n", key->name, lab_shape_name(key->shape),
                    key->words ? " " : "", key->words ? key->words : "", key->is_required ? "required: " : "",
                    key->doc);
    }
    return true;
}

#define OPT_LAB                                                                                              \
    OPT(CLI_STRING, "file", "the file", .short_name = 'f', .flags = CLI_REQUIRED, .complete = COMPLETE_FILE)

static const CliOption apply_options[] = {
    OPT_LAB,
    OPT_BOOL("dry-run", "only say what would be done"),
    OPT_BOOL("recreate",
             "remove machines that cannot change as they are, with their disks, and make them again"),
    OPT_BOOL("destroy", "remove all that the file names, but images"),
    { 0 },
};
static const CliOption diff_options[] = { OPT_LAB, { 0 } };
static const CliOption none[] = { { 0 } };

#define PLAN_JSON                                                                                            \
    "{\"changes\": [{\"kind\": string, \"name\": string, \"how\": string, \"differences\": [{\"key\": "      \
    "string, \"is\": string|null, \"wanted\": string|null, \"how\": string}]}]}"

const CliCommand commands_apply[] = {
    COMMAND("apply", GROUP_LODGE, "make networks, pools and machines as a file says", apply_options,
            apply_run, .flags = CLI_NO_CONNECT, .exclusive = "destroy recreate", .json = PLAN_JSON,
            .doc = "The file is YAML; docs/reference/apply.md has its keys. What is not there is made, what "
                   "differs is changed "
                   "if it can be without loss, and what the file does not name is left alone; what it does "
                   "not say is as it "
                   "may be. Machines that do not wait for each other come up at the same time. The same file "
                   "again says "
                   "\"no change\"."),
    COMMAND("diff", GROUP_LODGE, "compare networks, pools and machines with a file", diff_options, diff_run,
            .flags = CLI_NO_CONNECT, .json = PLAN_JSON,
            .doc = "What 'lodge apply' would do. The exit code is 1 if something differs."),
    COMMAND("apply-keys", GROUP_LODGE, "print the keys of such files", none, keys_run,
            .flags = CLI_NO_CONNECT | CLI_SECRET),
    { 0 },
};
