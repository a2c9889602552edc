/* lodge: the command line of Lodge. Reads the global options and hands the rest to the command table or to
 * the shell. Everything runs in one fiber, so that keepalives are answered while a command waits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cli"
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/hosts.h"
#include "cli/ssh_helper.h"

typedef struct Invocation {
    Cli cli;
    char *root;
    char *log_file;
    int log_level; /* as virsh counts: 0 everything, 4 errors; -1 not given */
    bool all_hosts;
    char **words; /* all of the command line; argv is its end */
    int argc;     /* what is left behind the global options */
    char **argv;
    int code;
} Invocation;

enum { OPTION_ROOT = 1000, OPTION_NO_PKTTYAGENT, OPTION_HOST, OPTION_ALL_HOSTS };

static const struct option long_options[] = {
    { "connect", required_argument, NULL, 'c' },
    { "root", required_argument, NULL, OPTION_ROOT },
    { "host", required_argument, NULL, OPTION_HOST },
    { "all-hosts", no_argument, NULL, OPTION_ALL_HOSTS },
    { "readonly", no_argument, NULL, 'r' },
    { "output", required_argument, NULL, 'o' },
    { "quiet", no_argument, NULL, 'q' },
    { "timing", no_argument, NULL, 't' },
    { "escape", required_argument, NULL, 'e' },
    { "keepalive-interval", required_argument, NULL, 'k' },
    { "keepalive-count", required_argument, NULL, 'K' },
    { "debug", required_argument, NULL, 'd' },
    { "log", required_argument, NULL, 'l' },
    { "help", no_argument, NULL, 'h' },
    { "version", optional_argument, NULL, 'v' },
    { "no-pkttyagent", no_argument, NULL, OPTION_NO_PKTTYAGENT },
    { 0 },
};

static void print_version(bool details)
{
    if (!details) {
        puts(LODGE_VERSION);
        return;
    }
    printf("lodge %s, the command line of Lodge\n", LODGE_VERSION);
    puts("Drivers: QEMU/KVM, over unix sockets, SSH, TLS and TCP");
    puts("Protocol: libvirt remote 1, qemu 1, lodge 1");
}

/* 0: not a terminal. */
static unsigned terminal_width(void)
{
    struct winsize size = { 0 };
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col ? size.ws_col : 80;
}

static bool parse_number(const char *option, const char *text, unsigned max, unsigned *ret_value)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value > max) {
        fprintf(stderr, "error: option --%s takes a number up to %u, not '%s'\n", option, max, text);
        return false;
    }
    *ret_value = (unsigned)value;
    return true;
}

/* "^]" or "]": the key pressed with Control. */
static bool parse_escape(Cli *cli, const char *text)
{
    const char *key = text[0] == '^' && text[1] ? text + 1 : text;
    if (!key[0] || key[1] || g_ascii_toupper(key[0]) < '@' || g_ascii_toupper(key[0]) > '_') {
        fprintf(stderr, "error: '%s' is not a key that can be pressed with Control: use ^] or ^A ... ^Z\n",
                text);
        return false;
    }
    cli->escape = g_ascii_toupper(key[0]);
    return true;
}

static bool choose_host(Invocation *inv, const char *name)
{
    g_autoptr(Error) err = NULL;
    char *uri = hosts_uri(name, &err);

    if (!uri) {
        cli_report(&inv->cli, err);
        return false;
    }
    g_free(inv->cli.uri);
    inv->cli.uri = uri;
    return true;
}

/* false: *ret_code says how to exit. */
static bool parse_option(Invocation *inv, int option, int *ret_code)
{
    Cli *cli = &inv->cli;
    unsigned number = 0;
    bool ok = true;
    *ret_code = CLI_EXIT_USAGE;
    switch (option) {
    case 'c':
        g_free(cli->uri);
        cli->uri = g_strdup(optarg);
        break;
    case OPTION_HOST:
        return choose_host(inv, optarg);
    case OPTION_ALL_HOSTS:
        inv->all_hosts = true;
        break;
    case OPTION_ROOT:
        inv->root = optarg;
        break;
    case 'r':
        cli->read_only = true;
        break;
    case 'o':
        if (!cli_format_find(optarg, &cli->format)) {
            fprintf(stderr, "error: --output takes " CLI_FORMATS_TEXT ", not '%s'\n", optarg);
            return false;
        }
        cli_set_format(cli, cli->format);
        break;
    case 'q':
        cli->quiet = true;
        break;
    case 't':
        cli->timing = true;
        break;
    case 'e':
        ok = parse_escape(cli, optarg);
        break;
    case 'k':
        ok = parse_number("keepalive-interval", optarg, 1000000, &cli->keepalive_s);
        cli->keepalive_set = true;
        break;
    case 'K':
        ok = parse_number("keepalive-count", optarg, 1000000, &cli->keepalive_count);
        break;
    case 'd':
        ok = parse_number("debug", optarg, 4, &number);
        inv->log_level = (int)number;
        break;
    case 'l':
        inv->log_file = optarg;
        break;
    case OPTION_NO_PKTTYAGENT:
        break;
    case 'h':
        help_print_usage(stdout);
        putchar('\n');
        help_print_overview(cli);
        *ret_code = CLI_EXIT_OK;
        return false;
    case 'v':
    case 'V':
        print_version(option == 'V' || (optarg && strcmp(optarg, "long") == 0));
        *ret_code = CLI_EXIT_OK;
        return false;
    default:
        fprintf(stderr, "hint: see 'lodge --help'\n");
        return false;
    }
    return ok;
}

static bool parse_options(Invocation *inv, int argc, char **argv, int *ret_code)
{
    int option;
    /* '+': options of the command are not ours */
    while ((option = getopt_long(argc, argv, "+:c:ro:qte:k:K:d:l:hvV", long_options, NULL)) != -1) {
        if (option == ':' || option == '?') {
            fprintf(stderr, "error: %s '%s'\n",
                    option == ':' ? "an argument is missing after" : "unknown option", argv[optind - 1]);
            option = '?';
        }
        if (!parse_option(inv, option, ret_code))
            return false;
    }
    inv->words = argv;
    inv->argc = argc - optind;
    inv->argv = argv + optind;
    if (inv->all_hosts && (inv->root || inv->cli.uri || inv->argc == 0)) {
        fprintf(stderr, "error: --all-hosts takes a command, and no other host\n");
        *ret_code = CLI_EXIT_USAGE;
        return false;
    }
    if (inv->root && inv->cli.uri) {
        fprintf(stderr, "error: options --root and --connect are mutually exclusive\n");
        *ret_code = CLI_EXIT_USAGE;
        return false;
    }
    return true;
}

static void set_log(const Invocation *inv)
{
    static const LogLevel levels[] = { LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING,
                                       LOG_LEVEL_ERROR };
    LogLevel level = inv->log_level >= 0 ? levels[inv->log_level]
                     : inv->log_file     ? LOG_LEVEL_DEBUG
                                         : LOG_LEVEL_ERROR;
    log_open(inv->log_file ? LOG_TARGET_FILE : LOG_TARGET_STDERR, inv->log_file, level);
}

static void run_in_fiber(void *arg)
{
    Invocation *inv = arg;
    Cli *cli = &inv->cli;
    if (inv->all_hosts)
        inv->code = hosts_run_all(cli, inv->words, (int)(inv->argv - inv->words));
    else if (inv->argc == 0)
        inv->code = cli_shell(cli);
    else if (inv->argc == 1)
        inv->code = cli_run_line(cli, inv->argv[0]);
    else
        inv->code = cli_run_words(cli, inv->argv, (unsigned)inv->argc);
    cli_clear(cli);
    loop_quit(inv->code);
}

int main(int argc, char **argv)
{
    Invocation inv = { .log_level = -1 };
    g_autoptr(Error) err = NULL;
    int code = 0;
    g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : "");
    if (strcmp(name, SSH_HELPER_NAME) == 0)
        return ssh_helper_main(argc, argv);
    (void)setlocale(LC_CTYPE, "");
    memory_keep_begin(); /* it ends soon anyway */
    signal(SIGPIPE, SIG_IGN);
    cli_init(&inv.cli);
    inv.cli.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    inv.cli.width = terminal_width();
    if (!parse_options(&inv, argc, argv, &code)) {
        g_free(inv.cli.uri);
        return code;
    }
    g_autofree char *root = inv.root ? g_canonicalize_filename(inv.root, NULL) : NULL;
    if (root)
        inv.cli.uri = cli_root_uri(root, inv.cli.read_only);
    inv.cli.root = root;
    set_log(&inv);
    if (!loop_init(&err)) {
        cli_report(&inv.cli, err);
        return CLI_EXIT_FAILED;
    }
    fiber_spawn_or_abort("lodge", run_in_fiber, &inv);
    code = loop_run();
    loop_shutdown(1000);
    log_close();
    /* A reader that left, or a full disk: what was printed has not arrived. */
    if (fflush(stdout) != 0 && code == CLI_EXIT_OK)
        code = CLI_EXIT_FAILED;
    return code;
}
