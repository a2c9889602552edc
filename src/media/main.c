/* `lodge-media VERB`: reads a request, runs it, answers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "media/media.h"
#include "media/verbs.h"
#include "media/verbs_install.h"
#include "media/verbs_machine.h"

#define REQUEST_MAX ((size_t)4 << 20)
#define PROGRESS_US 100000

static const MediaVerb verbs[] = {
    { "disk", media_disk },         { "extract", media_extract },
    { "fetch", media_fetch },       { "iso-make", media_iso_make },
    { "iso-read", media_iso_read }, { "machine", media_machine },
    { "pack", media_pack },         { "unpack", media_unpack },
    { "verify", media_verify },     { NULL, NULL },
};

static void say(Json *line)
{
    g_autofree char *text = json_format(line);

    json_decref(line);
    puts(text);
    fflush(stdout);
}

void media_progress(uint64_t done, uint64_t total)
{
    static gint64 last_us;
    const gint64 now = g_get_monotonic_time();

    if (now - last_us < PROGRESS_US)
        return;
    last_us = now;
    say(json_pack("{s:I, s:I}", "done", (json_int_t)done, "total", (json_int_t)total));
}

static bool read_request(Json **ret_request, Error **err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read the request");
        if (text->len + (size_t)n > REQUEST_MAX)
            return error_set(err, ERROR_OVERFLOW, "the request is larger than %zu bytes", REQUEST_MAX);
        g_string_append_len(text, buffer, n);
    }
    if (!json_parse(text->str, text->len, "the request", ret_request, err))
        return false;
    return json_is_object(*ret_request) || error_set(err, ERROR_INVALID_ARGUMENT, "the request is no object");
}

static bool run(const char *name, Json **ret_result, Error **err)
{
    AUTO_JSON request = NULL;

    for (const MediaVerb *verb = verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return read_request(&request, err) && verb->func(request, ret_result, err);
    return error_set(err, ERROR_INVALID_ARGUMENT, "there is no request '%s'", name);
}

int main(int argc, char **argv)
{
    g_autoptr(Error) err = NULL;
    Json *result = NULL;

    if (argc != 2) {
        fprintf(stderr, "lodge-media serves lodge and is not for people: usage: lodge-media VERB <REQUEST\n");
        return 2;
    }
    if (run(argv[1], &result, &err)) {
        say(json_pack("{s:o}", "result", result));
        _exit(0); /* confined: what tidies up at an exit may be out of reach */
    }
    Json *said =
        json_pack("{s:s, s:s}", "code", error_code_name(error_code(err)), "message", error_message(err));
    if (error_hint_text(err))
        json_object_set_new(said, "hint", json_string(error_hint_text(err)));
    say(json_pack("{s:o}", "error", said));
    _exit(1);
}
