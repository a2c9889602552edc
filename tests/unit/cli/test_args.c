/* The option parser, with rows of its own and with those of real commands. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/args.h"
#include "cli/commands.h"

static const CliOption options[] = {
    { .name = "domain", .type = CLI_STRING, .flags = CLI_REQUIRED, .doc = "a" },
    { .name = "device", .type = CLI_STRING, .doc = "a" },
    { .name = "size", .short_name = 's', .type = CLI_SIZE, .unit = 1024, .doc = "a" },
    { .name = "count", .type = CLI_INT, .flags = CLI_NAMED, .doc = "a" },
    { .name = "kilobytes", .type = CLI_SIZE, .same_as = "size", .doc = "a" },
    { .name = "live", .type = CLI_BOOL, .flag = 1, .doc = "a" },
    { .name = "config", .type = CLI_BOOL, .flag = 2, .doc = "a" },
    { .name = "current", .type = CLI_BOOL, .doc = "a" },
    { .name = "text", .type = CLI_STRING, .flags = CLI_MANY | CLI_EMPTY_OK, .doc = "a" },
    { 0 },
};
static const CliCommand command = { .name = "try",
                                    .options = options,
                                    .exclusive = "current live; current config" };

static bool parse(const CliCommand *row, const char *line, CliArgs **ret_args, GPtrArray **ret_words,
                  Error **err)
{
    GPtrArray *commands = NULL;
    if (!words_split(line, &commands, err))
        return false;
    GPtrArray *words = commands->len ? g_ptr_array_ref(commands->pdata[0]) : g_ptr_array_new();
    g_ptr_array_unref(commands);
    bool ok = cli_args_parse(row, (char *const *)words->pdata, words->len, ret_args, err);
    if (ok)
        *ret_words = words; /* the arguments point into it */
    else
        g_ptr_array_unref(words);
    return ok;
}

/* "domain device size live text..." as they were understood. */
static char *describe(const CliArgs *args)
{
    GString *out = g_string_new(NULL);
    static const char *const names[] = { "domain", "device", "size", "count" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_string_append_printf(out, "%s|", args_get(args, names[i]) ? args_get(args, names[i]) : "");
    g_string_append(out, args_has(args, "live") ? "live" : "");
    for (char *const *word = args_get_many(args, "text"); *word; word++)
        g_string_append_printf(out, "+%s", *word);
    return g_string_free(out, FALSE);
}

TEST(options_may_stand_in_any_order)
{
    static const struct {
        const char *line, *result;
    } cases[] = {
        { "web", "web||||" },
        { "--live web", "web||||live" },
        { "web --live vda", "web|vda|||live" },
        { "--device vda web", "web|vda|||" },
        { "web --device=vda", "web|vda|||" },
        { "vda --domain web", "web|vda|||" },
        { "--domain=web --size 5 vda", "web|vda|5||" },
        { "web vda 7", "web|vda|7||" },
        { "web vda 7 a b", "web|vda|7||+a+b" },
        { "web vda 7 --text x y", "web|vda|7||+x+y" },
        { "web --count 3 --device -", "web|-||3|" },
        { "web --count -3", "web|||-3|" },
        { "web -1", "web|-1|||" },
        { "-s 9 web", "web||9||" },
        { "-s9 web", "web||9||" },
        { "web --kilobytes 9", "web||9||" },
        { "-- --live", "--live||||" },
        { "web vda 7 -- --live -x", "web|vda|7||+--live+-x" },
        { "web --device --live", "web|--live|||" },
        { "web vda 7 ''", "web|vda|7||+" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(CliArgs) args = NULL;
        g_autoptr(GPtrArray) words = NULL;
        check_case(cases[i].line);
        check_ok(parse(&command, cases[i].line, &args, &words, &err), err);
        g_autofree char *got = describe(args);
        check_str(got, cases[i].result);
    }
}

TEST(wrong_words_are_refused_with_a_reason)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        { "", "command 'try' requires <domain> option" },
        { "--live", "requires <domain>" },
        { "web --bogus", "doesn't support option --bogus" },
        { "web -x", "doesn't support option -x" },
        { "web --live=yes", "invalid '=' after option --live" },
        { "web --device", "expected syntax: --device <string>" },
        { "web --count", "expected syntax: --count <number>" },
        { "web --live --live", "option --live already seen" },
        { "web --domain web2", "surplus argument 'web': command 'try' takes <domain>" },
        { "--domain a --domain b", "already seen" },
        { "web --size 1 --kilobytes 2", "already seen" },
        { "''", "option --domain is empty" },
        { "web --current --live", "Options --current and --live are mutually exclusive" },
        { "web --config --current", "mutually exclusive" },
        { "web -o yml", "--output takes text, json, yaml" },
        { "web --columns name", "doesn't support option --columns" }, /* no list */
        { "web -o", "option --output takes a value" },
    };
    /* A row without a CLI_MANY option, so that words can be too many. */
    static const CliOption few[] = {
        { .name = "domain", .type = CLI_STRING, .flags = CLI_REQUIRED, .doc = "a" },
        { 0 },
    };
    static const CliCommand small = { .name = "try", .options = few };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        CliArgs *args = NULL;
        GPtrArray *words = NULL;
        bool surplus = strstr(cases[i].message, "surplus") != NULL;
        check_case(cases[i].line);
        check(!parse(surplus ? &small : &command, cases[i].line, &args, &words, &err));
        check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
        check_contains(error_message(err), cases[i].message);
        check(error_hint_text(err) != NULL);
        check(args == NULL);
    }
}

TEST(every_command_knows_output_quiet_and_help)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(CliArgs) args = NULL;
    g_autoptr(GPtrArray) words = NULL;
    check_ok(parse(&command, "web -o json -q", &args, &words, &err), err);
    check_str(cli_args_output(args), "json");
    check(cli_args_wants_quiet(args));
    check(!cli_args_wants_help(args));
    g_autoptr(CliArgs) help = NULL;
    g_autoptr(GPtrArray) help_words = NULL;
    /* although the domain is missing */
    check_ok(parse(&command, "--help", &help, &help_words, &err), err);
    check(cli_args_wants_help(help));
}

TEST(numbers_are_read_as_a_whole_or_refused)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = { { "5", true, 5 },    { "-1", true, -1 },
                  { "10", true, 10 },  { "11", false, 0 },
                  { "-2", false, 0 },  { "5x", false, 0 },
                  { "x", false, 0 },   { "99999999999999999999", false, 0 },
                  { "0x5", false, 0 }, { "5 ", false, 0 } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(CliArgs) args = NULL;
        g_autoptr(GPtrArray) words = NULL;
        g_autofree char *line = g_strdup_printf("web --count '%s'", cases[i].text);
        int64_t value = 77;
        check_case(cases[i].text);
        check_ok(parse(&command, line, &args, &words, &err), err);
        check_eq(args_get_int(args, "count", -1, 10, &value, &err), cases[i].ok);
        check_eq(value, cases[i].ok ? cases[i].value : 77);
        check_eq(error_code(err), cases[i].ok ? ERROR_NONE : ERROR_INVALID_ARGUMENT);
    }
}

TEST(sizes_take_units)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t bytes;
    } cases[] = { { "1", true, 1024 },        { "1b", true, 1 },        { "2M", true, 2u << 20 },
                  { "2MiB", true, 2u << 20 }, { "2MB", true, 2000000 }, { "1G", true, 1u << 30 },
                  { "-1", false, 0 },         { "1.5G", false, 0 },     { "M", false, 0 },
                  { "1Q", false, 0 } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(CliArgs) args = NULL;
        g_autoptr(GPtrArray) words = NULL;
        g_autofree char *line = g_strdup_printf("web --size %s", cases[i].text);
        uint64_t bytes = 77;
        check_case(cases[i].text);
        check_ok(parse(&command, line, &args, &words, &err), err);
        check_eq(args_get_size(args, "size", &bytes, &err), cases[i].ok);
        check_eq(bytes, cases[i].ok ? cases[i].bytes : 77);
    }
}

TEST(absent_options_leave_values_alone)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(CliArgs) args = NULL;
    g_autoptr(GPtrArray) words = NULL;
    int64_t number = 7;
    uint64_t bytes = 8;
    check_ok(parse(&command, "web", &args, &words, &err), err);
    check_ok(args_get_int(args, "count", 0, 10, &number, &err), err);
    check_ok(args_get_size(args, "size", &bytes, &err), err);
    check_eq(number, 7);
    check_eq(bytes, 8);
    check_eq(args_flags(args), 0);
    g_autoptr(CliArgs) both = NULL;
    g_autoptr(GPtrArray) both_words = NULL;
    check_ok(parse(&command, "web --live --config", &both, &both_words, &err), err);
    check_eq(args_flags(both), 3);
}

/* How people and scripts call virsh. */
TEST(usual_command_lines_are_understood)
{
    static const char *const lines[] = {
        "list --all",
        "list --state-running --name",
        "start web",
        "start --paused --console web",
        "start web --paused",
        "shutdown web acpi",
        "shutdown --mode agent,acpi web",
        "destroy --graceful --domain web",
        "undefine web --nvram --managed-save",
        "undefine web --remove-all-storage",
        "create guest.xml --autodestroy",
        "define --validate guest.xml",
        "dumpxml web --inactive --xpath //disk --wrap",
        "domblkstat web vda --human",
        "domblkinfo web --all",
        "setmem web 2G --config",
        "setmem --size 1024 web --live",
        "setvcpus web 2 --maximum --config",
        "vcpupin web 0 0-3",
        "vcpupin web --vcpu 0 --cpulist 0-3",
        "send-key web --codeset linux KEY_A KEY_B",
        "console web --force --devname serial0",
        "screenshot web shot.ppm --screen 0",
        "save web state.sav --running",
        "restore state.sav --paused",
        "save-image-define state.sav new.xml",
        "managedsave web --bypass-cache",
        "dump web core --memory-only",
        "desc web --title New title of web",
        "metadata web http://x --key k --set '<a/>'",
        "qemu-monitor-command web --hmp info block",
        "qemu-monitor-command web '{\"execute\":\"query-status\"}'",
        "domxml-to-native qemu-argv --domain web",
        "domxml-to-native qemu-argv guest.xml",
        "event --all --loop",
        "event web lifecycle --timeout 5",
        "freecell --all",
        "freepages --cellno 0 --pagesize 2M",
        "freecell 0",
        "domcapabilities --virttype kvm",
        "cpu-models x86_64",
        "domstats --state --list-running",
        "domstats web db --block",
        "dompmsuspend web mem",
        "schedinfo web --set cpu_shares=2048 vcpu_quota=1",
        "memtune web --hard-limit 1G",
        "autostart --disable web",
        "domrename old new",
        "domtime web --now",
        "nodecpustats --percent",
        "cpu-compare cpu.xml --error",
        "echo --shell a b",
        "help list",
        "version --daemon",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(GPtrArray) commands = NULL;
        g_autoptr(CliArgs) args = NULL;
        check_case(lines[i]);
        check_ok(words_split(lines[i], &commands, &err), err);
        const GPtrArray *words = commands->pdata[0];
        const CliCommand *row = command_find(words->pdata[0]);
        check(row != NULL);
        check_ok(cli_args_parse(row, (char *const *)words->pdata + 1, words->len - 1, &args, &err), err);
    }
}

/* ---- rows: what options do is data ---- */

static const CliOption row_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN),
    OPT_FLAG("force", 4, "a"),
    OPT(CLI_STRING, "mode", "a", .flags = CLI_LIST_OF, .flag = 16, .words = "acpi agent signal"),
    OPT(CLI_STRING, "target", "a", .flags = CLI_ONE_OF | CLI_NAMED, .words = "mem disk hybrid"),
    { 0 },
};
static const CliCommand row = { .name = "try", .options = row_options, .json = "[{}]" };

TEST(flags_come_from_the_row)
{
    static const struct {
        const char *line;
        unsigned flags, target;
    } cases[] = {
        { "a", 0, 0 },
        { "a --force", 4, 0 },
        { "a --mode acpi", 16, 0 },
        { "a --mode agent,signal --force --target hybrid", 32 | 64 | 4, 2 },
        { "a signal", 64, 0 }, /* a word of the second option, not a second domain */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(CliArgs) args = NULL;
        g_autoptr(GPtrArray) words = NULL;
        check_case(cases[i].line);
        check_ok(parse(&row, cases[i].line, &args, &words, &err), err);
        check_eq(args_flags(args), cases[i].flags);
        check_eq(args_get_word(args, "target"), cases[i].target);
        check_eq(args_each(args, 0), 1);
    }
}

TEST(words_that_are_no_values_are_refused)
{
    static const char *const lines[] = { "a --mode pull", "a --mode acpi,pull", "a --target ram",
                                         "a --mode acpi," };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Error) err = NULL;
        CliArgs *args = NULL;
        GPtrArray *words = NULL;
        check_case(lines[i]);
        check(!parse(&row, lines[i], &args, &words, &err));
        check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
        check_contains(error_message(err), "is not a value of --");
    }
}

TEST(several_objects_get_their_turn_one_by_one)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(CliArgs) args = NULL;
    g_autoptr(GPtrArray) words = NULL;
    check_ok(parse(&row, "a b --force c --columns name --no-header -o csv", &args, &words, &err), err);
    check_str(args_get(args, "domain"), "a");
    check_eq(args_each(args, 0), 3);
    check_eq(args_each(args, 2), 3);
    check_str(args_get(args, "domain"), "c");
    check_str(cli_args_columns(args), "name");
    check_str(cli_args_output(args), "csv");
    check(cli_args_no_header(args));
}
