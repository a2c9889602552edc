/* Programs that do the work on storage. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fiber.h"
#include "core/object_class.h"
#include "core/secret.h"
#include "wire/wire_enums.h"

#define TOOL_OUTPUT_MAX ((size_t)64 << 20) /* a map of a large image is long */
#define TOOL_WORDS_MAX 4096                /* of its complaints in a message */

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
    AUTO_FD fd = memfd_create("passphrase", MFD_CLOEXEC);

    if (!tool_secret_value(host, encryption, &value, err))
        return false;
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
    g_autofree char *line = g_strndup(text, TOOL_WORDS_MAX);
    g_auto(GStrv) parts = NULL;

    g_strchomp(line);
    if (!tool->hidden_name || !tool->shown_name)
        return g_steal_pointer(&line);
    parts = g_strsplit(line, tool->hidden_name, -1);
    return g_strjoinv(tool->shown_name, parts);
}

static bool tool_fail(const Tool *tool, int status, const char *words, Error **err)
{
    g_autofree char *line = g_strjoinv(" ", (char **)tool->argv->pdata);
    g_autofree char *shown_line = tool_shown(tool, line);
    g_autofree char *shown_words = tool_shown(tool, words ? words : "");

    if (WIFEXITED(status))
        return error_set(err, ERROR_REFUSED, "Child process (%s) unexpected exit status %d: %s", shown_line,
                         WEXITSTATUS(status), shown_words);
    return error_set(err, ERROR_REFUSED, "Child process (%s) unexpected fatal signal %d: %s", shown_line,
                     WTERMSIG(status), shown_words);
}

bool tool_run_status(Tool *tool, int max_status, int *ret_status, char **ret_out, Error **err)
{
    const char *name = g_ptr_array_index(tool->argv, 0);
    g_autofree char *program = g_find_program_in_path(name);
    g_auto(ProcessOutput) output = { 0 };
    ToolProgress progress = { .tool = tool };

    if (!program) {
        error_set_errno(err, ENOENT, "Cannot find '%s' in path", name);
        return error_hint(err, "install the package %s", tool->package);
    }
    g_free(g_ptr_array_index(tool->argv, 0));
    g_ptr_array_index(tool->argv, 0) = g_steal_pointer(&program);
    g_ptr_array_add(tool->argv, NULL);

    g_autoptr(GString) printed = g_string_new(NULL);
    progress.out = printed;
    const ProcessSpec spec = { .argv = (const char *const *)tool->argv->pdata,
                               .cwd = tool->cwd,
                               .stdin_fd = -1,
                               .stdout_fd = -1,
                               .stderr_fd = -1,
                               .fds = (const int *)(void *)tool->fds->data,
                               .n_fds = tool->fds->len,
                               .umask = 0077,
                               .die_with_parent = true,
                               .quiet_timeout_ms = tool->quiet_ms ? tool->quiet_ms : TOOL_QUIET_MS,
                               .on_output = tool->on_progress ? tool_take_output : NULL,
                               .on_output_arg = &progress };
    /* No deadline: a large image takes hours; see quiet_timeout_ms. */
    if (!process_run(&spec, NULL, 0, TOOL_OUTPUT_MAX, FIBER_NO_DEADLINE, &output, err))
        return tool->shown_name ? error_prefix(err, "%s", tool->shown_name) : false;
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) > max_status)
        return tool_fail(tool, output.status, output.err, err);
    if (ret_status)
        *ret_status = WEXITSTATUS(output.status);
    if (ret_out)
        *ret_out = tool->on_progress ? g_strdup(printed->str) : g_steal_pointer(&output.out);
    return true;
}

bool tool_run(Tool *tool, char **ret_out, Error **err)
{
    return tool_run_status(tool, 0, NULL, ret_out, err);
}
