/* A command for all hosts is this program once for each: every command works, and a host that does not answer
 * holds up nobody. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/hosts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/config_file.h"
#include "base/json.h"
#include "base/process.h"

#define OUTPUT_MAX ((size_t)67108864)

/* ---- the file ---- */

/* @use is called for each alias, until it returns true. */
static bool hosts_each(bool (*use)(const char *name, const char *uri, void *arg), void *arg, Error **err)
{
    g_autofree char *own = g_build_filename(g_get_user_config_dir(), "libvirt/libvirt.conf", NULL);
    const char *const paths[] = { own, "/etc/libvirt/libvirt.conf" };

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(ConfigFile) file = NULL;
        if (!config_file_load(paths[i], &file, err))
            return false;
        const ConfigValue *aliases = config_file_get(file, "uri_aliases");
        if (aliases && aliases->type != CONFIG_LIST)
            return error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: uri_aliases is a list of \"NAME=URI\"",
                             paths[i], aliases->line);
        for (char **at = aliases ? aliases->list : NULL; at && *at; at++) {
            const char *equals = strchr(*at, '=');
            g_autofree char *name = equals ? g_strndup(*at, (gsize)(equals - *at)) : NULL;
            if (!name)
                return error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: '%s' in uri_aliases is not \"NAME=URI\"",
                                 paths[i], aliases->line, *at);
            if (use(name, equals + 1, arg))
                return true;
        }
    }
    return true;
}

typedef struct Wanted {
    const char *name;
    char *uri; /* NULL: not found yet */
} Wanted;

static bool hosts_is_wanted(const char *name, const char *uri, void *arg)
{
    Wanted *wanted = arg;

    if (strcmp(name, wanted->name) != 0)
        return false;
    wanted->uri = g_strdup(uri);
    return true;
}

bool hosts_find(const char *name, char **ret_uri, Error **err)
{
    Wanted wanted = { .name = name };

    if (!hosts_each(hosts_is_wanted, &wanted, err))
        return false;
    *ret_uri = wanted.uri;
    return true;
}

char *hosts_uri(const char *name, Error **err)
{
    char *uri;

    if (!hosts_find(name, &uri, err))
        return NULL;
    if (uri)
        return uri;
    if (strchr(name, '/') || !*name || *name == '-') {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is neither a host nor a name in uri_aliases", name);
        return NULL;
    }
    return g_strdup_printf("qemu+ssh://%s/system", name);
}

/* ---- all of them ---- */

typedef struct HostRun {
    char *name, *uri;
    char **argv;
    ProcessOutput output;
    Error *err;
    int code;
} HostRun;

static void host_run_clear(gpointer data)
{
    HostRun *run = data;

    g_free(run->name);
    g_free(run->uri);
    g_strfreev(run->argv);
    process_output_clear(&run->output);
    error_free(run->err);
}

static bool hosts_collect(const char *name, const char *uri, void *arg)
{
    GArray *runs = arg;
    const HostRun run = { .name = g_strdup(name), .uri = g_strdup(uri) };

    for (guint i = 0; i < runs->len; i++) {
        if (strcmp(g_array_index(runs, HostRun, i).name, name) == 0) { /* the user's own came first */
            g_free(run.name);
            g_free(run.uri);
            return false;
        }
    }
    g_array_append_val(runs, run);
    return false;
}

AWAITS static void host_run(void *item)
{
    HostRun *run = item;
    g_auto(GStrv) env = g_get_environ();
    ProcessSpec spec = PROCESS_SPEC_INIT;

    spec.argv = (const char *const *)run->argv;
    spec.envp = (const char *const *)env; /* the ssh agent's socket and so on */
    spec.die_with_parent = true;
    /* No deadline: the keepalive of each notices a host that is gone. */
    if (!process_run(&spec, NULL, 0, OUTPUT_MAX, FIBER_NO_DEADLINE, &run->output, &run->err))
        run->code = CLI_EXIT_FAILED;
    else
        run->code = WIFEXITED(run->output.status) ? WEXITSTATUS(run->output.status) : CLI_EXIT_FAILED;
}

static void host_print(const Cli *cli, const HostRun *run)
{
    if (!cli->quiet)
        fprintf(cli->out, "%s:\n", run->name);
    if (run->output.out)
        fputs(run->output.out, cli->out);
    fflush(cli->out);
    if (run->err)
        fprintf(stderr, "error: %s: %s\n", run->name, error_message(run->err));
    else if (run->output.err_len)
        fprintf(stderr, "%s: %s", run->name, run->output.err);
}

/* {"HOST": what it printed, or {"error": words}} */
static void hosts_print_json(const Cli *cli, const GArray *runs)
{
    AUTO_JSON all = json_object();

    for (guint i = 0; i < runs->len; i++) {
        const HostRun *run = &g_array_index(runs, HostRun, i);
        Json *said = NULL;
        const char *words = run->err ? error_message(run->err) : run->output.err;
        if (run->code != CLI_EXIT_OK ||
            !json_parse(run->output.out, run->output.out_len, run->name, &said, NULL))
            said = json_pack("{s:s, s:i}", "error", words ? words : "", "code", run->code);
        json_object_set_new(all, run->name, said);
    }
    g_autofree char *text = json_format_pretty(all);
    fprintf(cli->out, "%s\n", text);
}

static char **host_argv(char **argv, int n_options, const char *uri)
{
    GPtrArray *words = g_ptr_array_new();

    g_ptr_array_add(words, g_strdup("/proc/self/exe"));
    for (int i = 1; i < n_options; i++) {
        if (strcmp(argv[i], "--all-hosts") != 0)
            g_ptr_array_add(words, g_strdup(argv[i]));
    }
    g_ptr_array_add(words, g_strdup("-c"));
    g_ptr_array_add(words, g_strdup(uri));
    for (int i = n_options; argv[i]; i++)
        g_ptr_array_add(words, g_strdup(argv[i]));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

int hosts_run_all(Cli *cli, char **argv, int n_options)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(GArray) runs = g_array_new(FALSE, TRUE, sizeof(HostRun));
    int worst = CLI_EXIT_OK;

    g_array_set_clear_func(runs, host_run_clear);
    if (hosts_each(hosts_collect, runs, &err) && runs->len == 0) {
        error_set(&err, ERROR_CONFIG_SYNTAX, "no hosts are known");
        error_hint(&err, "name them in ~/.config/libvirt/libvirt.conf: uri_aliases = [ "
                         "\"rack1=qemu+ssh://root@rack1/system\" ]");
    }
    if (err) {
        cli_report(cli, err);
        return CLI_EXIT_USAGE;
    }
    for (guint i = 0; i < runs->len; i++) {
        HostRun *run = &g_array_index(runs, HostRun, i);
        run->argv = host_argv(argv, n_options, run->uri);
    }
    fiber_run_all("host", host_run, runs->data, runs->len, sizeof(HostRun));
    for (guint i = 0; i < runs->len; i++) {
        const HostRun *run = &g_array_index(runs, HostRun, i);
        if (!cli->json)
            host_print(cli, run);
        worst = MAX(worst, run->code);
    }
    if (cli->json)
        hosts_print_json(cli, runs);
    return worst;
}

/* ---- questions ---- */

char *hosts_ask(const char *question, bool is_secret, void *arg)
{
    struct termios before, quiet;
    char line[1024];

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
        return NULL;
    fprintf(stderr, "Enter %s: ", question);
    fflush(stderr);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    if (is_secret)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    const bool got = fgets(line, sizeof line, stdin) != NULL;
    if (is_secret) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    return got ? g_strdup(g_strchomp(line)) : NULL;
}
