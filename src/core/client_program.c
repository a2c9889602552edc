/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/client_program.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/process.h"
#include "core/paths.h"

#define QUIET_MS 600000
#define TAKE_BACK_MS 20000
#define OUTPUT_MAX ((size_t)16777216)

/* Beside the daemon, in a build's folders, or where programs are. */
static char *find_client(void)
{
    static const char *const places[] = { "lodge", "../bin/lodge", "../cli/lodge" };
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self ? self : "/usr/sbin/lodged");

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = path_join(folder, places[i]);
        if (access(path, X_OK) == 0)
            return g_steal_pointer(&path);
    }
    return g_find_program_in_path("lodge");
}

static ErrorCode code_of(const char *name)
{
    for (unsigned code = ERROR_INTERNAL; name && code < ERROR_CODE_COUNT; code++) {
        if (strcmp(error_code_name((ErrorCode)code), name) == 0)
            return (ErrorCode)code;
    }
    return ERROR_OPERATION_FAILED;
}

/* Its last words are the error as JSON; warnings may come before. */
static bool take_error(const char *text, Error **err)
{
    const char *begin = text && *text == '{' ? text : text ? strstr(text, "\n{\n") : NULL;
    AUTO_JSON json = NULL;

    if (begin)
        (void)!json_parse(begin, strlen(begin), "lodge", &json, NULL);
    const Json *error = json_get_obj(json, "error");
    const char *message = json_get_str(error, "message"), *hint = json_get_str(error, "hint");
    if (!message)
        return error_set(err, ERROR_OPERATION_FAILED, "%s", text && *text ? text : "it ended with an error");
    error_set(err, code_of(json_get_str(error, "code")), "%s", message);
    return hint ? error_hint(err, "%s", hint) : false;
}

static GPtrArray *make_argv(const Host *host, char *client, const char *const *words)
{
    const Paths *paths = host_paths(host);
    GPtrArray *argv = g_ptr_array_new();

    g_ptr_array_add(argv, client);
    if (paths->is_session || *paths->root) {
        g_ptr_array_add(argv, (void *)(paths->is_session ? "--connect" : "--root"));
        g_ptr_array_add(argv, paths->is_session ? (void *)"qemu:///session" : paths->root);
    }
    g_ptr_array_add(argv, (void *)"--output=json");
    for (; *words; words++)
        g_ptr_array_add(argv, (void *)*words);
    g_ptr_array_add(argv, NULL);
    return argv;
}

typedef struct Run {
    ProcessSpec spec;
    const char *input;
    pid_t pid; /* 0: not yet */
    ProcessOutput output;
    Error *err;
    bool ok;
} Run;

/* In a fiber of its own, which is cancelled only if it does not end when it is asked to. */
static void run_fiber(void *arg)
{
    Run *run = arg;

    /* How long it takes, nobody knows; one that stands still is ended. */
    run->ok = process_run(&run->spec, run->input, run->input ? strlen(run->input) : 0, OUTPUT_MAX,
                          FIBER_NO_DEADLINE, &run->output, &run->err);
}

/* Its end is waited for in any case. */
AWAITS static bool run_to_end(Run *run, Error **err)
{
    g_autoptr(Error) why = NULL;
    Fiber *fiber = fiber_spawn("lodge", run_fiber, run);

    if (!fiber)
        return error_set(err, ERROR_BUSY, "too much runs at the same time");
    fiber_ref(fiber);
    if (!fiber_join(fiber, FIBER_NO_DEADLINE, &why)) {
        fiber_shield_begin();
        if (run->pid > 0 && !fiber_is_done(fiber))
            (void)kill(run->pid, SIGINT); /* as Ctrl-C: it takes back what it did */
        if (!fiber_join(fiber, TAKE_BACK_MS, NULL))
            fiber_cancel(fiber);
        while (!fiber_is_done(fiber))
            (void)!fiber_join(fiber, TAKE_BACK_MS, NULL);
        fiber_shield_end();
    }
    fiber_unref(fiber);
    if (!why && run->ok)
        return true;
    return error_propagate(err, why ? g_steal_pointer(&why) : g_steal_pointer(&run->err));
}

static bool take_output(ProcessOutput *output, Json **ret_json, Error **err)
{
    g_strstrip(output->out);
    if (output->status != 0 && (!ret_json || !*output->out))
        return take_error(g_strstrip(output->err), err);
    if (!ret_json)
        return true;
    *ret_json = NULL;
    return !*output->out ||
           json_parse(output->out, strlen(output->out), "the answer of lodge", ret_json, err);
}

bool client_program_run(const Host *host, const char *const *words, const char *input, Json **ret_json,
                        Error **err)
{
    g_autofree char *client = find_client();

    if (!client)
        return error_set(err, ERROR_NOT_SUPPORTED, "there is no program 'lodge'");
    g_autoptr(GPtrArray) argv = make_argv(host, client, words);
    Run run = { .spec = PROCESS_SPEC_INIT, .input = input };
    run.spec.argv = (const char *const *)argv->pdata;
    run.spec.die_with_parent = true;
    run.spec.quiet_timeout_ms = QUIET_MS;
    run.spec.started_pid = &run.pid;
    const bool ok = run_to_end(&run, err) && take_output(&run.output, ret_json, err);
    process_output_clear(&run.output);
    error_free(run.err);
    return ok;
}
