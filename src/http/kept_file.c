/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/kept_file.h"

#include <errno.h>
#include <string.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"

#define MAX_BYTES ((size_t)64 << 20)
#define PAUSE_MS 1000

struct KeptFile {
    char *path;
    const char *what;
    Json *(*format)(void *arg);
    void *arg;
    bool is_saving, changed;
};

KeptFile *kept_file_new(char *path, const char *what, Json *(*format)(void *arg), void *arg)
{
    KeptFile *file = g_new0(KeptFile, 1);

    *file = (KeptFile){ .path = path, .what = what, .format = format, .arg = arg };
    return file;
}

void kept_file_free(KeptFile *file)
{
    if (!file)
        return;
    g_free(file->path);
    g_free(file);
}

Json *kept_file_load(KeptFile *file)
{
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    Json *json = NULL;
    size_t len;

    if ((!file_read(file->path, MAX_BYTES, &text, &len, &err) ||
         !json_parse(text, len, file->path, &json, &err)) &&
        error_errno(err) != ENOENT)
        log_warning_error(err, file->what);
    return json;
}

void kept_file_save(KeptFile *file)
{
    g_autoptr(Error) err = NULL;
    AUTO_JSON json = file->format(file->arg);
    g_autofree char *text = json_format(json);

    file->changed = false;
    fiber_shield_begin();
    if (!file_replace(file->path, text, strlen(text), 0600, &err))
        log_warning_error(err, file->what);
    fiber_shield_end();
}

/* A daemon that ends does not pause any more. */
static void save_fiber(void *arg)
{
    KeptFile *file = arg;

    while (file->changed) {
        kept_file_save(file);
        (void)!fiber_sleep(PAUSE_MS, NULL);
    }
    file->is_saving = false;
}

void kept_file_changed(KeptFile *file)
{
    file->changed = true;
    if (!file->is_saving)
        file->is_saving = fiber_spawn("kept file", save_fiber, file) != NULL;
}
