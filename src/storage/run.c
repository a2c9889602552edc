/* Running the programs that storage is managed with.
 *
 * They talk to kernels, servers and daemons that may never answer, so each has a deadline; when it passes the
 * program is killed with what it started. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "storage/pool_backend.h"

#define OUTPUT_MAX ((size_t)16 << 20)
#define ARGUMENT_MAX 4096

/* The daemon's PATH need not have the folders of root in it: it may have been started by hand. */
#define MORE_FOLDERS "/usr/sbin:/usr/bin:/sbin:/bin"

static char *find_program(const char *name)
{
    char *program = g_find_program_in_path(name);
    g_auto(GStrv) folders = g_strsplit(MORE_FOLDERS, ":", -1);

    for (char **folder = folders; *folder && !program; folder++) {
        g_autofree char *path = g_build_filename(*folder, name, NULL);
        if (name[0] != '/' && access(path, X_OK) == 0)
            program = g_steal_pointer(&path);
    }
    return program;
}

bool storage_has_program(const char *name)
{
    g_autofree char *path = find_program(name);
    return path != NULL;
}

bool storage_check_argument(const char *what, const char *text, Error **err)
{
    g_autofree char *shown = g_strescape(text, NULL);

    if (text[0] == '\0' || text[0] == '-')
        return error_set(err, ERROR_XML_INVALID, "%s '%s' is no name that can be used", what, shown);
    if (strlen(text) > ARGUMENT_MAX)
        return error_set(err, ERROR_XML_INVALID, "%s is longer than %d bytes", what, ARGUMENT_MAX);
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(err, ERROR_XML_INVALID, "%s '%s' has control characters", what, shown);
    }
    return true;
}

static char **make_environment(const char *const *more)
{
    GPtrArray *env = g_ptr_array_new();

    const char *path = getenv("PATH");
    g_ptr_array_add(env, g_strdup_printf("PATH=%s%s" MORE_FOLDERS, path ? path : "", path ? ":" : ""));
    g_ptr_array_add(env, g_strdup("LC_ALL=C"));
    g_ptr_array_add(env, g_strdup("HOME=/"));
    for (; more && *more; more++)
        g_ptr_array_add(env, g_strdup(*more));
    g_ptr_array_add(env, NULL);
    return (char **)g_ptr_array_free(env, FALSE);
}

static void environment_wipe(char **env)
{
    for (char **one = env; *one; one++)
        explicit_bzero(*one, strlen(*one));
    g_strfreev(env);
}

static char *command_line(const char *program, const char *const *argv)
{
    GString *line = g_string_new(program);

    for (const char *const *arg = argv + 1; *arg; arg++) {
        g_autofree char *quoted = NULL;
        if (**arg == '\0' || strpbrk(*arg, " \t\n'\"\\$&|;<>()*?"))
            quoted = g_shell_quote(*arg);
        g_string_append_printf(line, " %s", quoted ? quoted : *arg);
    }
    return g_string_free(line, FALSE);
}

static bool run_failed(const char *line, const ProcessOutput *output, Error **err)
{
    g_autofree char *said = g_utf8_make_valid(output->err, -1);

    if (WIFSIGNALED(output->status))
        return error_set(err, ERROR_INTERNAL, "Child process (%s) unexpected fatal signal %d: %s", line,
                         WTERMSIG(output->status), said);
    return error_set(err, ERROR_INTERNAL, "Child process (%s) unexpected exit status %d: %s", line,
                     WEXITSTATUS(output->status), said);
}

/* Programs open /dev/stdin again and again (Ceph's, for a key): a pipe would be empty the second time. */
static int open_input(const char *input, Error **err)
{
    AUTO_FD fd = memfd_create("input", MFD_CLOEXEC);
    const size_t len = strlen(input);

    if (fd < 0 || write(fd, input, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0) {
        error_set_errno(err, errno, "cannot keep the input of a program");
        return -1;
    }
    return fd_steal(&fd);
}

bool storage_run_with(const StorageRun *run, int *ret_status, char **ret_out, Error **err)
{
    g_autofree char *program = find_program(run->argv[0]);
    g_auto(ProcessOutput) output = { 0 };
    AUTO_FD input = -1;

    if (!program) {
        error_set_errno(err, ENOENT, "Cannot find '%s' in path", run->argv[0]);
        return error_hint(err, "install the package '%s'", run->package);
    }
    if (run->input && (input = open_input(run->input, err)) < 0)
        return false;
    g_autofree char *line = command_line(program, run->argv);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, program);
    for (const char *const *arg = run->argv + 1; *arg; arg++)
        g_ptr_array_add(argv, (gpointer)*arg);
    g_ptr_array_add(argv, NULL);
    char **env = make_environment(run->environment);
    const ProcessSpec spec = { .argv = (const char *const *)argv->pdata,
                               .envp = (const char *const *)env,
                               .stdin_fd = input,
                               .stdout_fd = -1,
                               .stderr_fd = -1 };
    const bool ok = process_run(&spec, NULL, 0, OUTPUT_MAX, run->timeout_ms, &output, err);
    environment_wipe(env);
    if (!ok)
        return error_prefix(err, "Child process (%s)", line);
    if (output.status != 0 && !(run->any_status && WIFEXITED(output.status)))
        return run_failed(line, &output, err);
    if (ret_status)
        *ret_status = WEXITSTATUS(output.status);
    if (ret_out)
        *ret_out = g_steal_pointer(&output.out);
    return true;
}

bool storage_run(const char *const *argv, const char *package, uint64_t timeout_ms, char **ret_out,
                 Error **err)
{
    return storage_run_with(&(StorageRun){ .argv = argv, .package = package, .timeout_ms = timeout_ms }, NULL,
                            ret_out, err);
}
