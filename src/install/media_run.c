/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/media_run.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/process.h"

#define LINE_MAX_BYTES ((size_t)16 << 20)

/* What has been read of its answer. */
typedef struct Answer {
    const MediaProgress *progress;
    GString *line; /* not whole yet */
    Json *last;    /* owned; NULL: nothing but progress so far */
} Answer;

static void answer_line(Answer *answer, const char *text, size_t len)
{
    Json *value = NULL;

    if (!json_parse(text, len, "the answer", &value, NULL))
        return;
    if (json_object_get(value, "done")) {
        if (answer->progress && answer->progress->func)
            answer->progress->func(answer->progress->arg, json_get_uint(value, "done", 0),
                                   json_get_uint(value, "total", 0));
        json_decref(value);
        return;
    }
    json_decref(answer->last);
    answer->last = value;
}

static void answer_take(void *arg, const char *data, size_t len)
{
    Answer *answer = arg;
    const char *end;

    while ((end = memchr(data, '\n', len))) {
        g_string_append_len(answer->line, data, end - data);
        answer_line(answer, answer->line->str, answer->line->len);
        g_string_truncate(answer->line, 0);
        len -= (size_t)(end - data) + 1;
        data = end + 1;
    }
    if (answer->line->len + len <= LINE_MAX_BYTES)
        g_string_append_len(answer->line, data, (gssize)len);
}

/* In the tree of a build it lies where it was built. */
static char *media_program(Error **err)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self ? g_path_get_dirname(self) : NULL;
    static const char *const places[] = { "../libexec/lodge/lodge-media", "../media/lodge-media",
                                          "../src/media/lodge-media", "../../src/media/lodge-media" };

    for (size_t i = 0; folder && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(folder, places[i], NULL);
        if (access(path, X_OK) == 0)
            return g_canonicalize_filename(path, NULL);
    }
    error_set(err, ERROR_NOT_SUPPORTED, "the program lodge-media is missing");
    error_hint(err, "it belongs to Lodge and lies in libexec/lodge beside the folder of lodge: install Lodge "
                    "again");
    return NULL;
}

static ErrorCode code_by_name(const char *name)
{
    for (int code = 1; name && code < ERROR_CODE_COUNT; code++)
        if (strcmp(error_code_name((ErrorCode)code), name) == 0)
            return (ErrorCode)code;
    return ERROR_OPERATION_FAILED;
}

static bool answer_result(const Answer *answer, const ProcessOutput *output, const char *verb,
                          Json **ret_result, Error **err)
{
    const Json *said = json_get_obj(answer->last, "error");
    Json *result = json_get_obj(answer->last, "result");

    if (said) {
        error_set(err, code_by_name(json_get_str(said, "code")), "%s",
                  json_get_str(said, "message") ?: "it failed");
        return json_get_str(said, "hint") ? error_hint(err, "%s", json_get_str(said, "hint")) : false;
    }
    if (!result || output->status != 0)
        return error_set(err, ERROR_INTERNAL, "lodge-media %s ended without an answer%s%s", verb,
                         output->err_len ? ": " : "", output->err_len ? g_strstrip(output->err) : "");
    *ret_result = json_incref(result);
    return true;
}

bool media_run(const char *verb, const Json *request, const MediaProgress *progress, uint64_t quiet_ms,
               Json **ret_result, Error **err)
{
    g_autofree char *program = media_program(err);
    g_autofree char *text = json_format(request);
    g_autoptr(GString) line = g_string_new(NULL);
    g_auto(ProcessOutput) output = { 0 };
    Answer answer = { .progress = progress, .line = line };

    if (!program)
        return false;
    const char *const argv[] = { program, verb, NULL };
    const ProcessSpec spec = { .argv = argv,
                               .stdin_fd = -1,
                               .stdout_fd = -1,
                               .stderr_fd = -1,
                               .die_with_parent = true,
                               .quiet_timeout_ms = quiet_ms,
                               .on_output = answer_take,
                               .on_output_arg = &answer };
    const bool ok = process_run(&spec, text, strlen(text), 0, FIBER_NO_DEADLINE, &output, err) &&
                    answer_result(&answer, &output, verb, ret_result, err);
    json_decref(answer.last);
    return ok;
}
