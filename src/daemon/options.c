/* Parsing the command line: the options people know from other virtualization daemons, and --root. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/options.h"

#include <getopt.h>
#include <glib.h>
#include <stdio.h>

#include "base/units.h"

static const char usage[] =
    "Usage: lodged [OPTION]...\n"
    "Runs virtual machines and serves the clients that manage them.\n"
    "\n"
    "  -r, --root DIR         keep everything below DIR and listen there\n"
    "      --foreground       stay in the foreground (the default)\n"
    "  -d, --daemon           go to the background when ready\n"
    "  -f, --config FILE      read FILE instead of etc/libvirt/libvirtd.conf\n"
    "  -p, --pid-file FILE    also write the process id to FILE\n"
    "  -t, --timeout SECONDS  exit after SECONDS without clients and machines\n"
    "  -l, --listen           wait for clients from other hosts, as listen_tls and listen_tcp say\n"
    "  -v, --verbose          log what happens, not only what goes wrong\n"
    "  -l, --listen           not supported yet: listen on TCP\n"
    "  -V, --version          print the version and exit\n"
    "  -h, --help             print this and exit\n"
    "\n"
    "Exit status: 0 ended as asked, 1 could not start, 2 wrong usage, 3 another daemon runs.\n"
    "See lodged(8).\n";

enum { OPTION_FOREGROUND = 256 };

static const struct option long_options[] = {
    { "root", required_argument, NULL, 'r' },
    { "foreground", no_argument, NULL, OPTION_FOREGROUND },
    { "daemon", no_argument, NULL, 'd' },
    { "config", required_argument, NULL, 'f' },
    { "pid-file", required_argument, NULL, 'p' },
    { "timeout", required_argument, NULL, 't' },
    { "verbose", no_argument, NULL, 'v' },
    { "listen", no_argument, NULL, 'l' },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool end(int *ret_code, int code)
{
    *ret_code = code;
    return false;
}

static bool wrong_usage(int *ret_code)
{
    fputs("Try 'lodged --help'.\n", stderr);
    return end(ret_code, EXIT_USAGE);
}

static bool parse_timeout(const char *text, Options *options)
{
    uint64_t seconds;
    if (!parse_uint(text, &seconds, NULL) || seconds == 0 || seconds > 86400 * 365) {
        fprintf(stderr, "lodged: --timeout must be a number of seconds, not '%s'\n", text);
        return false;
    }
    options->timeout_s = (unsigned)seconds;
    return true;
}

/* Made absolute now: a daemon in the background changes its directory. */
static void set_path(char **field, const char *path)
{
    g_free(*field);
    *field = g_canonicalize_filename(path, NULL);
}

void options_clear(Options *options)
{
    g_free(options->root);
    g_free(options->config);
    g_free(options->pid_file);
}

/* The options alone; arguments that are none are left to the caller. */
static bool parse_options(int argc, char **argv, Options *options, int *ret_code)
{
    int c;
    while ((c = getopt_long(argc, argv, "r:df:p:t:vlVh", long_options, NULL)) != -1) {
        switch (c) {
        case 'r':
            if (!*optarg) {
                fputs("lodged: --root must name a directory\n", stderr);
                return wrong_usage(ret_code);
            }
            set_path(&options->root, optarg);
            break;
        case OPTION_FOREGROUND:
            options->daemonize = false;
            break;
        case 'd':
            options->daemonize = true;
            break;
        case 'f':
            set_path(&options->config, optarg);
            break;
        case 'p':
            set_path(&options->pid_file, optarg);
            break;
        case 't':
            if (!parse_timeout(optarg, options))
                return wrong_usage(ret_code);
            break;
        case 'v':
            options->verbose = true;
            break;
        case 'l':
            options->listen = true;
            break;
        case 'V':
            puts("lodged " LODGE_VERSION);
            return end(ret_code, EXIT_OK);
        case 'h':
            fputs(usage, stdout);
            return end(ret_code, EXIT_OK);
        default:
            return wrong_usage(ret_code);
        }
    }
    return true;
}

bool options_parse(int argc, char **argv, Options *ret_options, int *ret_code)
{
    Options options = { 0 };
    bool ok = parse_options(argc, argv, &options, ret_code);
    if (ok && optind < argc) {
        fprintf(stderr, "lodged: unexpected argument '%s'\n", argv[optind]);
        ok = wrong_usage(ret_code);
    }
    if (!ok) {
        options_clear(&options);
        return false;
    }
    *ret_options = options;
    return true;
}
