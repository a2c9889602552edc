/* What people do with images by hand.
 *
 * Each operation is a row: which images it reads, writes and makes, which options it has, and how qemu-img
 * spells them. What is made has a temporary name until it is complete. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/image_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trail.h"
#include "base/uuid.h"
#include "storage/folder.h"
#include "storage/image.h"
#include "storage/image_copy.h"
#include "storage/image_guard.h"
#include "storage/image_make.h"
#include "storage/image_snapshot.h"
#include "storage/image_users.h"
#include "storage/pool_backend.h"
#include "storage/tool.h"
#include "storage/volume.h"

typedef enum ImageRole { ROLE_NONE, ROLE_READ, ROLE_WRITE, ROLE_MAKE } ImageRole;

typedef struct ImageOption {
    const char *name;    /* NULL ends the list */
    const char *spelled; /* by qemu-img */
    enum {
        OPTION_SWITCH,
        OPTION_EMPTY,
        OPTION_VALUE,
        OPTION_GLUED,
        OPTION_IMAGE
    } kind;      /* EMPTY: of an option with a value, GLUED: "bs=1M" */
    bool writes; /* the image, which is only read without it */
} ImageOption;

typedef struct ImageOperation {
    const char *name;
    ImageRole image, other;
    const char *other_format; /* the option that takes it; NULL: none */
    enum {
        TEXT_NONE,
        TEXT_LAST,
        TEXT_OPTION
    } text; /* where .text goes: behind the images, or with an option */
    bool needs_text;
    bool (*run)(Host *host, const ImageOrder *order, const Caller *caller, char **ret_text,
                Error **err); /* instead of qemu-img; NULL */
    bool has_progress, prints_json;
    bool by_options;  /* has no -f */
    bool is_named;    /* if=, of= */
    bool reads_chain; /* what the images below hold */
    bool writes_base;
    int max_status;
    ImageOption options[10];
} ImageOperation;

#define CREATE_OPTIONS                                                                                       \
    { "options", "-o", OPTION_VALUE }, { "backing", "-b", OPTION_IMAGE },                                    \
    {                                                                                                        \
        "backing-format", "-F", OPTION_VALUE                                                                 \
    }

AWAITS static bool image_fix(Host *host, const ImageOrder *order, const Caller *caller, char **ret_text,
                             Error **err);

static const ImageOperation operations[] = {
    { .name = "create", .image = ROLE_MAKE, .text = TEXT_LAST, .options = { CREATE_OPTIONS } },
    { .name = "check",
      .image = ROLE_READ,
      .prints_json = true,
      .max_status = 3,
      .options = { { "repair", "-r", OPTION_VALUE, .writes = true } } },
    { .name = "convert",
      .image = ROLE_READ,
      .reads_chain = true,
      .other = ROLE_MAKE,
      .other_format = "-O",
      .has_progress = true,
      .options = { { "compress", "-c" },
                   { "sparse", "-S", OPTION_VALUE },
                   { "parallel", "-m", OPTION_VALUE },
                   { "out-of-order", "-W" },
                   { "snapshot", "-l", OPTION_VALUE },
                   { "bitmaps", "--bitmaps" },
                   { "options", "-o", OPTION_VALUE },
                   { "backing", "-B", OPTION_IMAGE },
                   { "backing-format", "-F", OPTION_VALUE } } },
    { .name = "resize",
      .image = ROLE_WRITE,
      .text = TEXT_LAST,
      .needs_text = true,
      .options = { { "shrink", "--shrink" }, { "preallocation", "--preallocation", OPTION_VALUE } } },
    { .name = "map", .image = ROLE_READ, .prints_json = true },
    { .name = "compare",
      .image = ROLE_READ,
      .reads_chain = true,
      .other = ROLE_READ,
      .other_format = "-F",
      .has_progress = true,
      .max_status = 1,
      .options = { { "strict", "-s" } } },
    { .name = "commit",
      .image = ROLE_WRITE,
      .reads_chain = true,
      .has_progress = true,
      .writes_base = true,
      .options = { { "keep", "-d" }, { "base", "-b", OPTION_IMAGE } } },
    { .name = "rebase",
      .image = ROLE_WRITE,
      .reads_chain = true,
      .has_progress = true,
      .options = { { "unsafe", "-u" },
                   { "base", "-b", OPTION_IMAGE },
                   { "flatten", "-b", OPTION_EMPTY },
                   { "base-format", "-F", OPTION_VALUE } } },
    { .name = "fix", .run = image_fix },
    { .name = "snapshot",
      .image = ROLE_READ,
      .by_options = true,
      .options = { { "list", "-l" },
                   { "create", "-c", OPTION_VALUE, .writes = true },
                   { "apply", "-a", OPTION_VALUE, .writes = true },
                   { "delete", "-d", OPTION_VALUE, .writes = true } } },
    { .name = "amend",
      .image = ROLE_WRITE,
      .has_progress = true,
      .options = { { "options", "-o", OPTION_VALUE } } },
    { .name = "measure",
      .image = ROLE_READ,
      .prints_json = true,
      .options = { { "target-format", "-O", OPTION_VALUE },
                   { "options", "-o", OPTION_VALUE },
                   { "snapshot", "-l", OPTION_VALUE } } },
    { .name = "dd",
      .image = ROLE_READ,
      .reads_chain = true,
      .other = ROLE_MAKE,
      .other_format = "-O",
      .is_named = true,
      .options = { { "bs", "bs", OPTION_GLUED },
                   { "count", "count", OPTION_GLUED },
                   { "skip", "skip", OPTION_GLUED } } },
    { .name = "bitmap",
      .image = ROLE_WRITE,
      .text = TEXT_LAST,
      .needs_text = true,
      .options = { { "add", "--add" },
                   { "remove", "--remove" },
                   { "clear", "--clear" },
                   { "enable", "--enable" },
                   { "disable", "--disable" },
                   { "merge", "--merge", OPTION_VALUE },
                   { "granularity", "-g", OPTION_VALUE } } },
};

static const ImageOperation *operation_find(const char *name, Error **err)
{
    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    error_set(err, ERROR_INVALID_ARGUMENT, "there is no operation '%s' of images", name);
    return NULL;
}

static bool operation_has_option(const ImageOperation *operation, const char *spelled)
{
    for (const ImageOption *option = operation->options; option->name; option++)
        if (strcmp(option->spelled, spelled) == 0)
            return true;
    return false;
}

/* ---- the images that are meant ---- */

typedef struct ImageFile {
    char *path;
    char *format;       /* of QEMU's driver */
    char *temp;         /* what is made has this name until it is complete; NULL */
    GPtrArray *secrets; /* of VolumeSecret: that opens it; NULL: none is needed */
    VolumeUse use;      /* of a volume that is there */
    Pool *pool;         /* counted; of a volume that is made; NULL */
} ImageFile;

static void image_file_clear(ImageFile *file)
{
    if (file->temp)
        folder_drop_temp(file->temp);
    Pool *pool = file->pool ? file->pool : file->use.pool;
    if (pool)
        object_ref(&pool->object);
    volume_use_end(&file->use);
    if (pool) {
        g_autofree char *name = g_path_get_basename(file->path ? file->path : "");
        pool_note_change(pool, name);
        object_unref(&pool->object);
    }
    if (file->pool)
        object_unref(&file->pool->object);
    if (file->secrets)
        g_ptr_array_unref(file->secrets);
    g_free(file->path);
    g_free(file->format);
    g_free(file->temp);
    *file = (ImageFile){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageFile, image_file_clear)

static void image_secret_free(void *data)
{
    g_free(((VolumeSecret *)data)->usage);
    g_free(data);
}

static void image_file_set_secret(ImageFile *file, const VolumeSecret *secret)
{
    VolumeSecret *copy = g_memdup2(secret, sizeof(*secret));

    copy->usage = g_strdup(secret->usage);
    if (file->secrets)
        g_ptr_array_unref(file->secrets);
    file->secrets = g_ptr_array_new_with_free_func(image_secret_free);
    g_ptr_array_add(file->secrets, copy);
}

typedef struct LookJob {
    char *path;
    bool detect;
    bool exists;
    ImageFormat format;
    Error *error;
} LookJob;

static void look_job_free(void *data)
{
    LookJob *job = data;

    error_free(job->error);
    g_free(job->path);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LookJob, look_job_free)

static void look_job_run(void *data)
{
    LookJob *job = data;
    struct stat st;

    job->exists = lstat(job->path, &st) == 0;
    if (!job->detect)
        return;
    AUTO_FD fd = trail_open(job->path, O_RDONLY | O_NONBLOCK, &job->error);
    if (fd >= 0 && !image_detect_format(fd, &job->format, &job->error))
        error_prefix(&job->error, "image '%s'", job->path);
}

static LookJob *image_look(const char *path, bool detect, Error **err)
{
    LookJob *order = g_new0(LookJob, 1);

    order->path = g_strdup(path);
    order->detect = detect;
    if (!worker_run(worker_lane_for_path(path), look_job_run, order, look_job_free, IMAGE_PIECE_MS, err)) {
        error_prefix(err, "image '%s'", path);
        return NULL;
    }
    g_autoptr(LookJob) job = order;
    if (job->error) {
        error_propagate(err, g_steal_pointer(&job->error));
        return NULL;
    }
    return g_steal_pointer(&job);
}

/* "POOL/VOLUME" of a volume that is there, or is to be made. */
static bool image_find_volume(Host *host, const char *name, ImageRole role, ImageFile *ret_file, Error **err)
{
    const char *slash = strchr(name, '/');
    g_autofree char *pool_name = slash ? g_strndup(name, (gsize)(slash - name)) : NULL;

    if (!slash || !path_is_safe_component(slash + 1)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is neither an absolute path nor POOL/VOLUME", name);
        return false;
    }
    g_autoptr(Object) object = object_find_by_name(host_registry(host, &pool_class), pool_name, err);
    if (!object)
        return false;
    Pool *pool = (Pool *)(void *)object;
    if (role != ROLE_MAKE) {
        g_autoptr(Volume) volume = volume_find_by_name(object, slash + 1, err);
        if (!volume || !volume_look(volume, err) || !volume_require_free(volume, err) ||
            !volume_require_local(volume, "work by hand", err))
            return false;
        volume_use_begin(volume, &ret_file->use);
        ret_file->path = g_strdup(volume_path(volume));
        const VolumeTarget *target = &volume->def->target;
        ret_file->format = g_strdup(target->format);
        if (target->encryption && target->encryption->secrets && target->encryption->secrets->len)
            image_file_set_secret(ret_file, g_ptr_array_index(target->encryption->secrets, 0));
        if (target->encryption && g_strcmp0(target->format, "raw") == 0) {
            g_free(ret_file->format);
            ret_file->format = g_strdup("luks");
        }
        return true;
    }
    if (!object_require_active(object, err))
        return false;
    if (!pool->backend->is_folder)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "images are made by hand in pools of folders only; '%s' is none", pool_name);
    ret_file->pool = (Pool *)(void *)object_ref(object);
    ret_file->path = g_strdup_printf("%s/%s", pool_def(pool)->target_path, slash + 1);
    return true;
}

static bool image_file_find(Host *host, const char *name, const char *format, ImageRole role,
                            ImageFile *ret_file, Error **err)
{
    if (name[0] == '/')
        ret_file->path = g_strdup(name);
    else if (!image_find_volume(host, name, role, ret_file, err))
        return false;
    if (format) {
        g_free(ret_file->format);
        ret_file->format = g_strdup(format);
    }
    g_autoptr(LookJob) look = image_look(ret_file->path, role != ROLE_MAKE && !ret_file->format, err);
    if (!look)
        return false;
    if (role == ROLE_MAKE) {
        g_autofree char *dir = g_path_get_dirname(ret_file->path);
        if (look->exists)
            return error_set(err, ERROR_VOLUME_EXISTS, "%s", ret_file->path);
        ret_file->temp = folder_temp_path(host, dir);
        if (!ret_file->format)
            ret_file->format = g_strdup("raw");
        return true;
    }
    if (!ret_file->format)
        ret_file->format = g_strdup(image_format_names.names[look->format]);
    if (strcmp(ret_file->format, "iso") == 0) {
        g_free(ret_file->format);
        ret_file->format = g_strdup("raw");
    }
    return true;
}

/* ---- running ---- */

typedef struct ImageRun {
    Host *host;
    const ImageOperation *operation;
    const ImageOrder *order;
    ImageFile image, other, base; /* base: what an option names */
    bool writes, has_base_format;
    Tool tool;
} ImageRun;

static void image_run_clear(ImageRun *run)
{
    tool_clear(&run->tool);
    image_file_clear(&run->base);
    image_file_clear(&run->other);
    image_file_clear(&run->image);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageRun, image_run_clear)

/* An argument is never taken for an option of qemu-img, whatever it is. */
static bool check_argument(const char *text, Error **err)
{
    return text[0] != '-' || error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot begin with '-'", text);
}

static bool image_add_option(ImageRun *run, const char *text, Error **err)
{
    const char *equals = strchr(text, '=');
    g_autofree char *name = equals ? g_strndup(text, (gsize)(equals - text)) : g_strdup(text);
    const ImageOption *option = run->operation->options;
    const char *value = equals ? equals + 1 : "";

    if (strcmp(name, "secret") == 0 || strcmp(name, "other-secret") == 0)
        return true; /* image_take_secrets() */
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    if (!option->name || (equals != NULL) != (option->kind > OPTION_EMPTY))
        return error_set(err, ERROR_INVALID_ARGUMENT, "operation '%s' has no option '%s'%s",
                         run->operation->name, name, option->name ? " of that form" : "");
    run->writes = run->writes || option->writes;
    if (!check_argument(value, err))
        return false;
    if (option->kind == OPTION_GLUED) {
        tool_addf(&run->tool, "%s=%s", option->spelled, value);
        return true;
    }
    tool_add(&run->tool, option->spelled);
    run->has_base_format = run->has_base_format || strcmp(option->spelled, "-F") == 0;
    if (option->kind == OPTION_IMAGE) {
        if (!image_file_find(run->host, value, NULL, ROLE_READ, &run->base, err))
            return false;
        value = run->base.path;
    }
    if (option->kind != OPTION_SWITCH)
        tool_add(&run->tool, value);
    return true;
}

/* Which secret opens which image. */
static bool image_take_secrets(ImageRun *run, Error **err)
{
    for (unsigned i = 0; i < run->order->n_options; i++) {
        const char *text = run->order->options[i];
        const bool is_other = g_str_has_prefix(text, "other-secret=");
        VolumeSecret secret = { 0 };
        if (!is_other && !g_str_has_prefix(text, "secret="))
            continue;
        if (is_other && !run->operation->other)
            return error_set(err, ERROR_INVALID_ARGUMENT, "operation '%s' is about one image",
                             run->operation->name);
        if (!uuid_parse(strchr(text, '=') + 1, &secret.uuid, err))
            return error_prefix(err, "the secret of an image");
        image_file_set_secret(is_other ? &run->other : &run->image, &secret);
    }
    return true;
}

/* "encrypt.key-secret=key0" */
static char *image_key_option(const ImageFile *file, const char *id, bool is_made)
{
    if (strcmp(file->format, "luks") == 0)
        return g_strdup_printf("key-secret=%s", id);
    return g_strdup_printf("%sencrypt.key-secret=%s", is_made ? "encrypt.format=luks," : "", id);
}

/* What is made is encrypted with it. */
static bool image_add_secret(ImageRun *run, const ImageFile *file, const char *id, Error **err)
{
    const VolumeEncryption encryption = { .secrets = file->secrets };

    if (!file->secrets)
        return true;
    if (!tool_add_secret(&run->tool, run->host, &encryption, id, err))
        return false;
    if (file->temp) {
        g_autofree char *option = image_key_option(file, id, true);
        tool_add(&run->tool, "-o");
        tool_add(&run->tool, option);
    }
    return true;
}

/* The images that are read are named by the options of their drivers: a format alone is not enough. */
static bool image_is_by_options(const ImageRun *run)
{
    const bool opens_other = run->operation->other == ROLE_READ;

    return run->operation->by_options || (run->image.secrets && !run->image.temp) ||
           (opens_other && run->other.secrets);
}

static void image_add_name(ImageRun *run, const ImageFile *file, const char *prefix, const char *id)
{
    const char *path = file->temp ? file->temp : file->path;
    g_autofree char *name = g_strdup(path);

    if (image_is_by_options(run) && !file->temp) {
        g_autofree char *escaped = tool_escape(path);
        g_autofree char *key = file->secrets ? image_key_option(file, id, false) : NULL;
        g_free(name);
        name = g_strdup_printf("driver=%s,file.filename=%s%s%s", file->format, escaped, key ? "," : "",
                               key ? key : "");
    }
    if (run->operation->is_named)
        tool_addf(&run->tool, "%s=%s", prefix, name);
    else
        tool_add(&run->tool, name);
}

static bool image_build(ImageRun *run, Error **err)
{
    const ImageOperation *operation = run->operation;
    const ImageOrder *order = run->order;
    Tool *tool = &run->tool;

    tool_add(tool, operation->name);
    if (operation->has_progress)
        tool_add(tool, "-p");
    if (operation->prints_json)
        tool_add(tool, "--output=json");
    const bool by_options = image_is_by_options(run);
    if (by_options) {
        tool_add(tool, "--image-opts");
    } else {
        tool_add(tool, "-f");
        tool_add(tool, run->image.format);
    }
    if (operation->other && operation->other_format && !(by_options && operation->other == ROLE_READ)) {
        tool_add(tool, operation->other_format);
        tool_add(tool, run->other.format);
    }
    if (!image_add_secret(run, &run->image, "key0", err) || !image_add_secret(run, &run->other, "key1", err))
        return false;
    for (unsigned i = 0; i < order->n_options; i++)
        if (!image_add_option(run, order->options[i], err))
            return false;
    /* Every image says which format its base has. */
    if (run->base.path && !run->has_base_format && operation_has_option(operation, "-F")) {
        tool_add(tool, "-F");
        tool_add(tool, run->base.format);
    }
    image_add_name(run, &run->image, "if", "key0");
    if (operation->other)
        image_add_name(run, &run->other, "of", "key1");
    if (operation->text == TEXT_LAST && order->text) {
        /* "-1G" is a size. */
        if (strcmp(operation->name, "resize") != 0 && !check_argument(order->text, err))
            return false;
        if (order->text[0] == '-') {
            /* Options end here; the image was added before. */
            char *path = g_ptr_array_steal_index(tool->argv, tool->argv->len - 1);
            tool_add(tool, "--");
            g_ptr_array_add(tool->argv, path);
        }
        tool_add(tool, order->text);
    }
    return true;
}

static bool image_check_writes(ImageRun *run, Error **err)
{
    const char *what = run->operation->name;

    if (run->image.temp || !(run->writes || run->operation->image == ROLE_WRITE))
        return true;
    if (!image_guard_check(run->host, run->image.path, NULL, what, err))
        return false;
    if (strcmp(what, "check") == 0 && !image_is_mendable(run->image.path, run->image.format)) {
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "image '%s' has bitmaps and snapshots inside: repairing it, qemu-img would lose the "
                  "snapshots",
                  run->image.path);
        return error_hint(err,
                          "remove the bitmaps first ('lodge image bitmap'); backups are due in full then");
    }
    if (!run->operation->writes_base)
        return true;
    if (run->base.path)
        return image_guard_check(run->host, run->base.path, run->image.path, what, err);
    g_autofree char *base = NULL;
    return image_guard_find_base(run->image.path, run->image.format, &base, err) &&
           (!base || image_guard_check(run->host, base, run->image.path, what, err));
}

/* Who mends a chain by 'rebase --unsafe' reads none of it. */
static bool image_check_chain(ImageRun *run, Error **err)
{
    const ImageOrder *order = run->order;
    bool is_read = run->operation->reads_chain;

    for (unsigned i = 0; i < order->n_options; i++)
        is_read &= strcmp(order->options[i], "unsafe") != 0;
    return !is_read || (image_guard_judge(run->host, run->image.path, run->image.format,
                                          run->operation->writes_base, err) &&
                        (!run->other.path || run->other.temp ||
                         image_guard_judge(run->host, run->other.path, run->other.format, false, err)));
}

static bool image_put_in_place(ImageFile *file, Error **err)
{
    if (!file->temp)
        return true;
    if (!folder_put_in_place(file->temp, file->path, false, err))
        return false;
    g_clear_pointer(&file->temp, g_free);
    return true;
}

bool image_order_run(Host *host, const ImageOrder *order, const Caller *caller, int *ret_status,
                     char **ret_text, Error **err)
{
    g_auto(ImageRun)
        run = { .host = host, .order = order, .operation = operation_find(order->operation, err) };
    const ImageOperation *operation = run.operation;

    if (!operation)
        return false;
    if (operation->needs_text && !order->text)
        return error_set(err, ERROR_INVALID_ARGUMENT, "operation '%s' needs to know with what",
                         operation->name);
    if ((operation->other != ROLE_NONE) != (order->other != NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT, "operation '%s' is about %s", operation->name,
                         operation->other ? "two images" : "one image");
    if (operation->run) {
        *ret_status = 0;
        return operation->run(host, order, caller, ret_text, err);
    }
    tool_init(&run.tool, "qemu-img", "qemu-utils");
    if (!image_file_find(host, order->image, order->format, operation->image, &run.image, err) ||
        (order->other &&
         !image_file_find(host, order->other, order->other_format, operation->other, &run.other, err)) ||
        !check_argument(run.image.format, err) || !image_take_secrets(&run, err) || !image_build(&run, err) ||
        !image_check_writes(&run, err) || !image_check_chain(&run, err))
        return false;
    const ImageFile *made = run.image.temp ? &run.image : &run.other;
    run.tool.hidden_name = made->temp;
    run.tool.shown_name = made->temp ? made->path : NULL;
    run.tool.on_progress = operation->has_progress ? order->on_progress : NULL;
    run.tool.on_progress_arg = order->arg;
    run.tool.max_status = operation->max_status;
    g_autofree char *purpose = g_strdup_printf("cannot %s image '%s'", operation->name, order->image);
    run.tool.purpose = purpose;
    if (!tool_run_status(&run.tool, ret_status, ret_text, err))
        return false;
    if (!image_put_in_place(&run.image, err) || !image_put_in_place(&run.other, err)) {
        g_clear_pointer(ret_text, g_free);
        return false;
    }
    log_info("image '%s': %s by %s", order->image, operation->name, caller_describe(caller));
    return true;
}

bool image_describe(Host *host, const char *image, const char *format, const char *what, char **ret_json,
                    Error **err)
{
    g_auto(ImageFile) file = { 0 };

    return image_file_find(host, image, format, ROLE_READ, &file, err) &&
           (!what || image_guard_check(host, file.path, NULL, what, err)) &&
           image_guard_describe(host, file.path, file.format, ret_json, err);
}

/* ---- what chains lack ---- */

/* Says in @unsaid's header which format its base has. Nobody's data changes, so only a machine that runs is
 * in the way. */
AWAITS static bool image_say_format(Host *host, const ImageUnsaid *unsaid, Error **err)
{
    g_autoptr(GPtrArray) users = image_list_users(host, unsaid->path, true, NULL);
    g_auto(Tool) tool = { 0 };

    if (users->len) {
        g_autofree char *text = image_users_describe(users);
        return error_set(err, ERROR_INVALID_STATE, "cannot fix image '%s': it is used by %s", unsaid->path,
                         text);
    }
    if (strcmp(unsaid->format, "qcow2") != 0 && strcmp(unsaid->format, "qed") != 0) {
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "image '%s' cannot say which format its base has: it is a %s", unsaid->path,
                  unsaid->format);
        return error_hint(err, "copy it into a qcow2 image with 'lodge image convert'");
    }
    tool_init(&tool, "qemu-img", "qemu-utils");
    const char *const argv[] = { "rebase",    "-u",         "-f", unsaid->format,
                                 "-b",        unsaid->base, "-F", unsaid->base_format,
                                 unsaid->path };
    for (unsigned i = 0; i < G_N_ELEMENTS(argv); i++)
        tool_add(&tool, argv[i]);
    return check_argument(unsaid->base, err) && tool_run(&tool, NULL, err);
}

AWAITS static bool image_fix(Host *host, const ImageOrder *order, const Caller *caller, char **ret_text,
                             Error **err)
{
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GString) done = g_string_new(NULL);
    g_auto(ImageFile) file = { 0 };

    if (!image_file_find(host, order->image, order->format, ROLE_WRITE, &file, err) ||
        !image_guard_list_unsaid(file.path, file.format, &list, err))
        return false;
    for (guint i = 0; i < list->len; i++) {
        const ImageUnsaid *unsaid = g_ptr_array_index(list, i);
        if (!image_say_format(host, unsaid, err))
            return false;
        log_info("image '%s': says now that its base has the format %s, for %s", unsaid->path,
                 unsaid->base_format, caller_describe(caller));
        g_string_append_printf(done, "'%s': its base '%s' has the format %s\n", unsaid->path, unsaid->base,
                               unsaid->base_format);
    }
    *ret_text = g_strdup(list->len ? done->str : "nothing is missing");
    return true;
}
