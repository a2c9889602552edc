/* Hook scripts: hooks/DRIVER, then hooks/DRIVER.d/ in alphabetical order, as libvirt documents them.
 *
 * All scripts of a driver run even after one has failed; the first failure is the one reported. What a script
 * prints becomes the input of the next (empty output: the input stays), and the last output is the result. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hooks"
#include "core/hooks.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "core/host.h"
#include "core/host_private.h"

#define HOOK_OUTPUT_MAX (8u << 20)

typedef struct HookCall {
    const char *object, *operation, *suboperation, *extra;
    char *input; /* owned; NULL: none */
} HookCall;

static bool hook_is_executable(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool hook_is_present(Host *host, const char *driver)
{
    g_autofree char *script = path_join(host->paths->hooks, driver);
    g_autofree char *dir = g_strconcat(script, ".d", NULL);

    return access(script, X_OK) == 0 || access(dir, F_OK) == 0;
}

/* array of paths; the folder of hooks is small, local and read directly */
static GPtrArray *hook_list_scripts(Host *host, const char *driver)
{
    GPtrArray *scripts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *main_script = path_join(host->paths->hooks, driver);
    g_autofree char *dir = g_strconcat(main_script, ".d", NULL);
    g_autoptr(GPtrArray) names = NULL;

    if (hook_is_executable(main_script))
        g_ptr_array_add(scripts, g_strdup(main_script));
    if (access(dir, F_OK) != 0 || !file_list_dir(dir, &names, NULL))
        return scripts;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = path_join(dir, g_ptr_array_index(names, i));
        if (hook_is_executable(path))
            g_ptr_array_add(scripts, g_steal_pointer(&path));
    }
    return scripts;
}

static bool hook_run_script(Host *host, const char *script, HookCall *call, Error **err)
{
    const char *const argv[] = { script,          call->object ? call->object : "-",
                                 call->operation, call->suboperation,
                                 call->extra,     NULL };
    static const char *const envp[] = {
        "LC_ALL=C",     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",   "USER=root",
        "LOGNAME=root", NULL
    };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_auto(ProcessOutput) output = { 0 };
    const uint64_t timeout_ms = (uint64_t)host->config->hook_timeout_s * 1000;

    spec.argv = argv;
    if (!host->paths->is_session)
        spec.envp = envp;
    spec.new_session = true;
    if (!process_run(&spec, call->input, call->input ? strlen(call->input) : 0, HOOK_OUTPUT_MAX, timeout_ms,
                     &output, err)) {
        if (err && *err && error_code(*err) != ERROR_CANCELLED)
            error_recode(*err, ERROR_HOOK_FAILED);
        return error_prefix(err, "Hook script %s %s %s", script, call->object, call->operation);
    }
    if (output.status != 0) {
        g_strchomp(output.err);
        if (WIFSIGNALED(output.status))
            return error_set(err, ERROR_HOOK_FAILED, "Hook script %s was killed by signal %d: %s", script,
                             WTERMSIG(output.status), output.err);
        return error_set(err, ERROR_HOOK_FAILED,
                         "Hook script execution failed: %s %s %s %s %s: unexpected exit status %d: %s",
                         script, call->object, call->operation, call->suboperation, call->extra,
                         WEXITSTATUS(output.status), output.err);
    }
    if (output.out_len > 0) {
        g_free(call->input);
        call->input = g_steal_pointer(&output.out);
    }
    return true;
}

void host_run_daemon_hook(Host *host, const char *operation, const char *suboperation, const char *extra)
{
    if (!hook_run(host, "daemon", "-", operation, suboperation, extra, NULL, NULL, NULL))
        log_debug("a hook of the daemon failed"); /* it said why itself */
}

bool hook_run(Host *host, const char *driver, const char *object, const char *operation,
              const char *suboperation, const char *extra, const char *input, char **ret_output, Error **err)
{
    if (!hook_is_present(host, driver)) {
        if (ret_output)
            *ret_output = NULL;
        return true;
    }
    g_autoptr(GPtrArray) scripts = hook_list_scripts(host, driver);
    HookCall call = { .object = object,
                      .operation = operation,
                      .suboperation = suboperation,
                      .extra = extra,
                      .input = g_strdup(input) };
    g_autoptr(Error) first = NULL;
    for (guint i = 0; i < scripts->len; i++) {
        g_autoptr(Error) why = NULL;
        if (hook_run_script(host, g_ptr_array_index(scripts, i), &call, &why))
            continue;
        log_error_error(why, "hook");
        if (!first)
            first = g_steal_pointer(&why);
    }
    if (first) {
        g_free(call.input);
        return error_propagate(err, g_steal_pointer(&first));
    }
    if (ret_output)
        *ret_output = g_steal_pointer(&call.input);
    g_free(call.input);
    return true;
}
