/* Programs that do the work on storage.
 *
 * They talk to kernels, servers and daemons that may never answer, so each has a deadline, or is ended when
 * it does nothing any more; it is killed with what it started. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "core/object_class.h"
#include "core/secret.h"
#include "wire/wire_enums.h"

#define TOOL_OUTPUT_MAX ((size_t)64 << 20) /* a map of a large image is long */
#define TOOL_WORDS_MAX 4096                /* of its complaints in a message */
#define ARGUMENT_MAX 4096
#define TOOL_TRIES 5

/* The daemon's PATH need not have the folders of root in it: it may have been started by hand. */
#define MORE_FOLDERS "/usr/sbin:/usr/bin:/sbin:/bin"

static char *tool_find_program(const char *name)
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
    g_autofree char *path = tool_find_program(name);
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

/* ---- what it is given ---- */

static void tool_close_fd(void *fd)
{
    (void)close(*(int *)fd);
}

void tool_init(Tool *tool, const char *name, const char *package)
{
    *tool = (Tool){ .argv = g_ptr_array_new_with_free_func(g_free),
                    .fds = g_array_new(FALSE, FALSE, sizeof(int)),
                    .package = package };
    g_array_set_clear_func(tool->fds, tool_close_fd);
    tool_add(tool, name);
}

Tool tool_of(const char *const *argv, const char *package, uint64_t timeout_ms)
{
    Tool tool;

    tool_init(&tool, argv[0], package);
    tool.timeout_ms = timeout_ms;
    for (const char *const *argument = argv + 1; *argument; argument++)
        tool_add(&tool, *argument);
    return tool;
}

void tool_clear(Tool *tool)
{
    g_clear_pointer(&tool->argv, g_ptr_array_unref);
    g_clear_pointer(&tool->fds, g_array_unref);
}

void tool_add(Tool *tool, const char *argument)
{
    g_ptr_array_add(tool->argv, g_strdup(argument));
}

void tool_addf(Tool *tool, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(tool->argv, g_strdup_vprintf(format, args));
    va_end(args);
}

int tool_add_fd(Tool *tool, int fd)
{
    g_array_append_val(tool->fds, fd);
    return fd;
}

char *tool_escape(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);

    return g_strjoinv(",,", parts);
}

/* ---- secrets ---- */

static bool tool_secret_value(Host *host, const VolumeEncryption *encryption, GBytes **ret_value, Error **err)
{
    const GPtrArray *secrets = encryption->secrets;

    if (!secrets || secrets->len != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "A single <secret type='passphrase'...> element is expected in encryption "
                         "description");
    const VolumeSecret *secret = g_ptr_array_index(secrets, 0);
    g_autoptr(Object) object =
        secret->usage ? secret_find_by_usage(host, VIR_SECRET_USAGE_TYPE_VOLUME, secret->usage, err)
                      : object_find_by_uuid(host_registry(host, &secret_class), &secret->uuid, NULL, err);
    return object && secret_get_value(object, NULL, ret_value, err);
}

bool tool_add_secret(Tool *tool, Host *host, const VolumeEncryption *encryption, const char *id, Error **err)
{
    g_autoptr(GBytes) value = NULL;

    return tool_secret_value(host, encryption, &value, err) && tool_add_secret_value(tool, value, id, err);
}

bool tool_add_secret_value(Tool *tool, GBytes *value, const char *id, Error **err)
{
    AUTO_FD fd = memfd_create("passphrase", MFD_CLOEXEC);

    if (fd < 0)
        return error_set_errno(err, errno, "cannot make memory for a passphrase");
    gsize len = 0;
    const void *data = g_bytes_get_data(value, &len);
    const ssize_t put = len ? write(fd, data, len) : 0;
    if (put < 0 || (gsize)put != len)
        return error_set_errno(err, put < 0 ? errno : ENOSPC, "cannot keep a passphrase");
    tool_add(tool, "--object");
    tool_addf(tool, "secret,id=%s,file=/dev/fd/%d", id, tool_add_fd(tool, fd_steal(&fd)));
    return true;
}

/* ---- running ---- */

static char **tool_environment(const char *const *more)
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

static void tool_wipe_environment(char **env)
{
    for (char **one = env; *one; one++)
        explicit_bzero(*one, strlen(*one));
    g_strfreev(env);
}

typedef struct ToolProgress {
    Tool *tool;
    char tail[32]; /* of what it printed */
    size_t len;
    GString *out; /* what is no progress */
} ToolProgress;

/* "    (12.34/100%)\r" */
static void tool_take_output(void *arg, const char *data, size_t len)
{
    ToolProgress *progress = arg;

    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\r' && data[i] != '\n') {
            if (progress->len < sizeof(progress->tail) - 1)
                progress->tail[progress->len++] = data[i];
            if (progress->out->len < TOOL_OUTPUT_MAX)
                g_string_append_c(progress->out, data[i]);
            continue;
        }
        progress->tail[progress->len] = '\0';
        const char *number = strchr(progress->tail, '(');
        const bool is_progress = number && strstr(progress->tail, "/100%)");
        if (is_progress) {
            const double percent = g_ascii_strtod(number + 1, NULL);
            progress->tool->on_progress(progress->tool->on_progress_arg,
                                        (unsigned)(CLAMP(percent, 0, 100) * 10));
            const size_t shown = MIN(progress->out->len, progress->len);
            g_string_truncate(progress->out, progress->out->len - shown);
        } else if (data[i] == '\n') {
            g_string_append_c(progress->out, '\n');
        }
        progress->len = 0;
    }
}

/* What people are told: the names that they know, no page of complaints. */
static char *tool_shown(const Tool *tool, const char *text)
{
    g_autofree char *line = g_utf8_make_valid(text, (gssize)strnlen(text, TOOL_WORDS_MAX));

    if (!tool->hidden_name || !tool->shown_name)
        return g_steal_pointer(&line);
    g_auto(GStrv) parts = g_strsplit(line, tool->hidden_name, -1);
    return g_strjoinv(tool->shown_name, parts);
}

/* As one would type it. */
static char *tool_line(const Tool *tool, const char *program)
{
    GString *line = g_string_new(program);

    for (guint i = 1; i < tool->argv->len && g_ptr_array_index(tool->argv, i); i++) {
        const char *argument = g_ptr_array_index(tool->argv, i);
        g_autofree char *quoted = NULL;
        if (*argument == '\0' || strpbrk(argument, " \t\n'\"\\$&|;<>()*?"))
            quoted = g_shell_quote(argument);
        g_string_append_printf(line, " %s", quoted ? quoted : argument);
    }
    g_autofree char *plain = g_string_free(line, FALSE);
    return tool_shown(tool, plain);
}

static bool tool_fail(const Tool *tool, const char *line, int status, const char *words, Error **err)
{
    g_autofree char *shown = tool_shown(tool, words);

    if (tool->purpose) {
        const char *own = g_str_has_prefix(shown, "qemu-img: ") ? shown + strlen("qemu-img: ") : shown;
        log_debug("%s: %s", line, shown);
        return error_set(err, ERROR_OPERATION_FAILED, "%s: %s", tool->purpose, g_strchomp((char *)own));
    }
    if (WIFEXITED(status))
        return error_set(err, ERROR_REFUSED, "Child process (%s) unexpected exit status %d: %s", line,
                         WEXITSTATUS(status), shown);
    return error_set(err, ERROR_REFUSED, "Child process (%s) unexpected fatal signal %d: %s", line,
                     WTERMSIG(status), shown);
}

/* Programs open /dev/stdin again and again (Ceph's, for a key): a pipe would be empty the second time. */
static int tool_open_input(const char *input, Error **err)
{
    AUTO_FD fd = memfd_create("input", MFD_CLOEXEC);
    const size_t len = strlen(input);

    if (fd < 0 || write(fd, input, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0) {
        error_set_errno(err, errno, "cannot keep the input of a program");
        return -1;
    }
    return fd_steal(&fd);
}

/* For LUKS QEMU measures how fast this processor derives keys; on a busy one that fails now and then. */
static bool tool_is_confused(const ProcessOutput *output)
{
    return output->err && strstr(output->err, "Unable to get accurate CPU usage");
}

bool tool_run_status(Tool *tool, int *ret_status, char **ret_out, Error **err)
{
    const char *name = g_ptr_array_index(tool->argv, 0);
    char *program = tool_find_program(name);
    g_auto(ProcessOutput) output = { 0 };
    g_autoptr(GString) printed = g_string_new(NULL);
    ToolProgress progress = { .tool = tool, .out = printed };
    AUTO_FD input = -1;

    if (!program) {
        error_set_errno(err, ENOENT, "Cannot find '%s' in path", name);
        return error_hint(err, "install the package '%s'", tool->package);
    }
    if (tool->input && (input = tool_open_input(tool->input, err)) < 0) {
        g_free(program);
        return false;
    }
    g_autofree char *line = tool_line(tool, program);
    g_free(g_ptr_array_index(tool->argv, 0));
    g_ptr_array_index(tool->argv, 0) = program;
    g_ptr_array_add(tool->argv, NULL);
    /* Half of what LVM or mkfs does is worse than all of it: those go on without us. */
    const bool is_watched = tool->timeout_ms == 0;
    char **env = tool_environment(tool->environment);
    const ProcessSpec spec = { .argv = (const char *const *)tool->argv->pdata,
                               .envp = (const char *const *)env,
                               .cwd = tool->cwd,
                               .stdin_fd = input,
                               .stdout_fd = -1,
                               .stderr_fd = -1,
                               .fds = (const int *)(void *)tool->fds->data,
                               .n_fds = tool->fds->len,
                               .umask = is_watched ? 0077 : 0,
                               .die_with_parent = is_watched,
                               .quiet_timeout_ms = is_watched ? TOOL_QUIET_MS : 0,
                               .on_output = tool->on_progress ? tool_take_output : NULL,
                               .on_output_arg = &progress };
    bool ok = false;
    for (unsigned tries = 0; tries == 0 || (ok && tries < TOOL_TRIES && tool_is_confused(&output)); tries++) {
        process_output_clear(&output);
        g_string_truncate(printed, 0);
        /* Where it is watched without a deadline: a large image takes hours. */
        ok = process_run(&spec, NULL, 0, TOOL_OUTPUT_MAX, is_watched ? FIBER_NO_DEADLINE : tool->timeout_ms,
                         &output, err);
    }
    tool_wipe_environment(env);
    if (!ok)
        return tool->shown_name ? error_prefix(err, "%s", tool->shown_name)
                                : error_prefix(err, "Child process (%s)", line);
    /* What failed without an answer is no answer, whatever the status; unless the status is the answer. */
    const bool is_silent =
        output.status && !output.out_len && !printed->len && tool->max_status != TOOL_ANY_STATUS;
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) > tool->max_status || is_silent)
        /* Some of QEMU's complain where they print; of the others nobody knows what that is. */
        return tool_fail(tool, line, output.status, is_watched && !output.err_len ? output.out : output.err,
                         err);
    if (ret_status)
        *ret_status = WEXITSTATUS(output.status);
    if (ret_out)
        *ret_out = tool->on_progress ? g_strdup(printed->str) : g_steal_pointer(&output.out);
    return true;
}

bool tool_run(Tool *tool, char **ret_out, Error **err)
{
    return tool_run_status(tool, NULL, ret_out, err);
}

bool storage_run(const char *const *argv, const char *package, uint64_t timeout_ms, char **ret_out,
                 Error **err)
{
    g_auto(Tool) tool = tool_of(argv, package, timeout_ms);

    return tool_run(&tool, ret_out, err);
}
