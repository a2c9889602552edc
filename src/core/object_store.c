/* Definitions on disk, for every kind of object that has a folder. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "store"
#include "core/object_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "core/host_private.h"

#define RENAME_MARK ".renaming-"
#define LINK_DEADLINE_MS 5000 /* for all links of a folder that do not answer */
#define LINK_DEADLINE_MIN_MS 50
#define STATUS_DEPTH 3 /* the file of an active object has its definition at most this deep inside */

static const char *class_dir(const Host *host, uint16_t offset)
{
    return *(char *const *)((const char *)host->paths + offset);
}

static char *file_path(const char *dir, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".xml", NULL);

    return path_join(dir, file);
}

char *object_config_path(const Host *host, const ObjectClass *class, const char *name)
{
    return file_path(class_dir(host, class->config_dir), name);
}

char *object_autostart_path(const Host *host, const ObjectClass *class, const char *name)
{
    return file_path(class_dir(host, class->autostart_dir), name);
}

void object_store_append_warning(GString *out, const char *command, const char *name)
{
    g_string_append(out, "<!--\n"
                         "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
                         "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n");
    /* "--" would end the comment. */
    if (!name || strstr(name, "--") || g_str_has_suffix(name, "-"))
        g_string_append_printf(out, "  virsh %s\n", command);
    else
        g_string_append_printf(out, "  virsh %s %s\n", command, name);
    g_string_append(out, "or other application using the libvirt API.\n-->\n\n");
}

static bool store_text(Host *host, const ObjectClass *class, const void *def, const char *xml, Error **err)
{
    const char *name = object_def_name(class, def);
    g_autofree char *path = object_config_path(host, class, name);
    g_autoptr(GString) text = g_string_sized_new(strlen(xml) + 512);

    object_store_append_warning(text, class->edit_command, name);
    g_string_append(text, xml);
    return file_make_dirs(class_dir(host, class->config_dir), 0700, err) &&
           file_replace(path, text->str, text->len, 0600, err);
}

static char *store_format(const ObjectClass *class, const void *def)
{
    return object_format(class, def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
}

bool object_store(Host *host, const ObjectClass *class, const void *def, Error **err)
{
    g_autofree char *xml = store_format(class, def);

    /* A file that the next daemon cannot read is an object lost. */
    return object_check_text(host, class, def, xml, err) && store_text(host, class, def, xml, err);
}

bool object_store_as_read(Host *host, const ObjectClass *class, const void *def, Error **err)
{
    g_autofree char *xml = store_format(class, def);

    /* Each text in it came out of a document, so it can go back into one; what was added while reading may
     * have made it longer than may be. */
    return xml_document_check_bounds(xml, strlen(xml), STATUS_DEPTH, "(stored definition)", err) &&
           store_text(host, class, def, xml, err);
}

bool object_store_remove(Object *object, Error **err)
{
    g_autofree char *path = object_config_path(object->host, object->class, object->name);

    /* The definition before the link: loading removes a link that leads nowhere. */
    if (!file_remove(path, err))
        return false;
    if (!object->autostart)
        return true;
    g_autofree char *link = object_autostart_path(object->host, object->class, object->name);
    return file_remove(link, err);
}

bool object_store_autostart(Object *object, bool autostart, Error **err)
{
    g_autofree char *link = object_autostart_path(object->host, object->class, object->name);
    g_autofree char *target = object_config_path(object->host, object->class, object->name);

    if (!autostart)
        return file_remove(link, err);
    return file_make_dirs(class_dir(object->host, object->class->autostart_dir), 0755, err) &&
           file_symlink(target, link, err);
}

/* ---- renames ---- */

static char *rename_mark_path(const Host *host, const ObjectClass *class, const Uuid *uuid)
{
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    g_autofree char *file = g_strconcat(RENAME_MARK, text, NULL);
    return path_join(class_dir(host, class->config_dir), file);
}

/* What hangs on the name beside the definition: the autostart link, and what the kind adds. */
static bool move_companions(Host *host, const ObjectClass *class, const char *from, const char *to,
                            Error **err)
{
    g_autofree char *old_link = object_autostart_path(host, class, from);
    g_autofree char *new_link = object_autostart_path(host, class, to);
    g_autofree char *target = object_config_path(host, class, to);
    struct stat st;

    if (lstat(old_link, &st) == 0 && (!file_symlink(target, new_link, err) || !file_remove(old_link, err)))
        return false;
    return !class->renamed || class->renamed(host, from, to, err);
}

bool object_store_rename(Object *object, const void *def, Error **err)
{
    Host *host = object->host;
    const ObjectClass *class = object->class;
    const char *to = object_def_name(class, def);
    g_autofree char *mark = rename_mark_path(host, class, &object->uuid);
    g_autofree char *text = g_strdup_printf("%s\n%s\n", object->name, to); /* names have no line ends */
    g_autofree char *old_path = object_config_path(host, class, object->name);
    g_autofree char *new_path = object_config_path(host, class, to);
    g_autoptr(Error) why = NULL;

    /* Once the new file is there a crash ends as "renamed": loading finishes the rest. */
    if (!file_replace(mark, text, strlen(text), 0600, err))
        return false;
    const bool ok = object_store(host, class, def, err) &&
                    move_companions(host, class, object->name, to, err) && file_remove(old_path, err);
    if (!ok && (!move_companions(host, class, to, object->name, &why) || !file_remove(new_path, &why)))
        log_error_error(why, "taking back a rename that failed");
    g_clear_pointer(&why, error_free);
    if (!file_remove(mark, &why))
        log_warning_error(why, "the mark of a rename stays");
    return ok;
}

/* ---- reading files ---- */

typedef struct LoadedFile {
    char *name; /* without .xml */
    char *text;
    size_t len;
    int64_t mtime_ns;
    char *problem; /* why it cannot be read now */
    bool is_gone;
    char *link; /* where it leads: read by itself, since that may be storage that hangs */
} LoadedFile;

/* One trip to a worker reads all files: hundreds of definitions should not cost hundreds of context switches.
 */
typedef struct LoadJob {
    char *dir;
    GPtrArray *names;
    GPtrArray *files; /* of LoadedFile */
    bool follow;
} LoadJob;

static void loaded_file_free(void *data)
{
    LoadedFile *file = data;

    g_free(file->name);
    g_free(file->text);
    g_free(file->problem);
    g_free(file->link);
    g_free(file);
}

static LoadJob *load_job_new(const char *dir, bool follow)
{
    LoadJob *job = g_new0(LoadJob, 1);

    *job = (LoadJob){ .dir = g_strdup(dir),
                      .names = g_ptr_array_new_with_free_func(g_free),
                      .files = g_ptr_array_new_with_free_func(loaded_file_free),
                      .follow = follow };
    return job;
}

static void load_job_free(void *data)
{
    LoadJob *job = data;

    g_free(job->dir);
    g_ptr_array_unref(job->names);
    g_ptr_array_unref(job->files);
    g_free(job);
}

static void load_job_read(const LoadJob *job, const char *file_name, LoadedFile *file)
{
    g_autofree char *path = path_join(job->dir, file_name);
    struct stat st;

    if (!job->follow) {
        g_autofree char *target = g_file_read_link(path, NULL);
        if (target)
            file->link = g_canonicalize_filename(target, job->dir);
        if (target)
            return;
    }
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0) {
        file->is_gone = errno == ENOENT && !job->follow;
        file->problem = g_strdup(g_strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > XML_DOCUMENT_MAX) {
        file->problem = g_strdup(S_ISREG(st.st_mode) ? "too large" : "not a regular file");
        return;
    }
    file->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    file->text = g_malloc((size_t)st.st_size + 1);
    while (file->len < (size_t)st.st_size) {
        const ssize_t got = read(fd, file->text + file->len, (size_t)st.st_size - file->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            file->problem = g_strdup(got < 0 ? g_strerror(errno) : "it became shorter while it was read");
            return;
        }
        file->len += (size_t)got;
    }
    file->text[file->len] = '\0';
}

static void load_job_run(void *data)
{
    LoadJob *job = data;

    for (guint i = 0; i < job->names->len; i++) {
        const char *file_name = g_ptr_array_index(job->names, i);
        LoadedFile *file = g_new0(LoadedFile, 1);
        file->name = g_strndup(file_name, strlen(file_name) - strlen(".xml"));
        load_job_read(job, file_name, file);
        g_ptr_array_add(job->files, file);
    }
}

/* Reads the file behind a link, in the lane of the storage it leads to. What waits in vain is taken from
 * @patience_ms: hundreds of links to a share that is gone must not hold up the start of the daemon. */
static void load_link(const char *dir, LoadedFile *file, uint64_t *patience_ms)
{
    const uint64_t begin_ms = loop_now_ms();
    LoadJob *job = load_job_new(dir, true);
    g_autoptr(Error) err = NULL;

    g_ptr_array_add(job->names, g_strconcat(file->name, ".xml", NULL));
    if (!worker_run(worker_lane_for_path(file->link), load_job_run, job, load_job_free,
                    MAX(*patience_ms, LINK_DEADLINE_MIN_MS), &err)) {
        *patience_ms -= MIN(*patience_ms, loop_now_ms() - begin_ms);
        file->problem = g_strdup(error_message(err));
        return;
    }
    LoadedFile *read = g_ptr_array_index(job->files, 0);
    file->text = g_steal_pointer(&read->text);
    file->problem = g_steal_pointer(&read->problem);
    file->len = read->len;
    file->mtime_ns = read->mtime_ns;
    load_job_free(job);
}

/* ---- loading ---- */

/* One pass over a folder. */
typedef struct Load {
    Host *host;
    const ObjectClass *class;
    Registry *registry;
    const char *dir;
    GHashTable *seen;  /* Object -> LoadedFile, of this pass */
    GHashTable *moves; /* old name -> new name, of renames that were cut off; borrowed strings */
} Load;

void object_store_set_aside(const char *path)
{
    g_autofree char *aside = g_strconcat(path, ".damaged", NULL);
    g_autoptr(Error) err = NULL;
    struct stat st;

    for (unsigned i = 1; lstat(aside, &st) == 0 && i < 100; i++) {
        g_free(aside);
        aside = g_strdup_printf("%s.damaged.%u", path, i);
    }
    if (!file_rename(path, aside, &err))
        log_error_error(err, path);
    else
        log_error("'%s' is now '%s'", path, aside);
}

static void set_aside(const Load *load, const char *name, const char *why)
{
    g_autofree char *path = object_config_path(load->host, load->class, name);
    struct stat st;

    log_error("definition '%s' makes no sense and is set aside: %s", path, why);
    object_store_set_aside(path);
    if (!load->class->autostart_dir)
        return;
    g_autofree char *link = object_autostart_path(load->host, load->class, name);
    if (lstat(link, &st) == 0)
        object_store_set_aside(link);
}

/* Its name stays taken, so that no new object is written over it. */
static void leave(const Load *load, const char *name, const char *why)
{
    log_error("definition '%s/%s.xml' stays as it is, and is tried again at the next start and at SIGHUP: %s",
              load->dir, name, why);
    registry_reserve(load->registry, name);
    g_hash_table_add(registry_unused(load->registry), g_strdup(name));
}

static void leave_copy(const Load *load, const char *name, const char *taken)
{
    g_autofree char *why =
        g_strdup_printf("it has the UUID of %s '%s'; give it another one", load->class->noun, taken);

    leave(load, name, why);
}

static bool is_later_problem(const Error *err)
{
    switch (error_code(err)) {
    case ERROR_SYSTEM:
    case ERROR_TIMEOUT:
    case ERROR_CANCELLED:
    case ERROR_BUSY:
        return true;
    default:
        return false;
    }
}

/* Of two files with one UUID the one that is active is taken, else the older file: copies come later. */
static bool is_the_copy(const Load *load, const LoadedFile *file, const LoadedFile *other)
{
    const bool active = load->class->was_active && load->class->was_active(load->host, file->name);
    const bool other_active = load->class->was_active && load->class->was_active(load->host, other->name);

    if (active != other_active)
        return !active;
    return file->mtime_ns >= other->mtime_ns;
}

static bool is_move(const Load *load, const char *from, const char *to)
{
    return g_strcmp0(g_hash_table_lookup(load->moves, from), to) == 0;
}

/* Somebody has the UUID already: decides between the two. Takes @def. */
static void load_second(const Load *load, Object *other, const LoadedFile *file, void *def)
{
    const LoadedFile *other_file = g_hash_table_lookup(load->seen, other);

    if (!other->config &&
        strcmp(other->name, file->name) == 0) { /* it is active; its file could not be read */
        object_set_config(other, def);
        return;
    }
    if (is_move(load, file->name, other->name)) {
        xml_table_free(load->class->table, def); /* the old file of a rename: goes with the mark */
        return;
    }
    const bool moved = is_move(load, other->name, file->name);
    if (!other_file || (!moved && is_the_copy(load, file, other_file))) {
        leave_copy(load, file->name, other->name);
        xml_table_free(load->class->table, def);
        return;
    }
    if (!moved)
        leave_copy(load, other->name, file->name);
    object_set_name(other, file->name);
    object_set_config(other, def);
    g_hash_table_insert(load->seen, other, (void *)file);
}

static void load_one(const Load *load, const LoadedFile *file)
{
    g_autoptr(Error) err = NULL;
    void *def = NULL;

    if (file->is_gone)
        return;
    if (file->problem) {
        leave(load, file->name, file->problem);
        return;
    }
    if (!object_parse(load->host, load->class, file->text, file->len, file->name, OBJECT_PARSE_TRUSTED, &def,
                      &err)) {
        if (is_later_problem(err))
            leave(load, file->name, error_message(err));
        else
            set_aside(load, file->name, error_message(err));
        return;
    }
    const char *name = object_def_name(load->class, def);
    if (strcmp(name, file->name) != 0) {
        g_autofree char *why = g_strdup_printf("it holds a %s of another name", load->class->noun);
        leave(load, file->name, why);
        xml_table_free(load->class->table, def);
        return;
    }
    Object *other = registry_get_uuid(load->registry, object_def_uuid(load->class, def));
    if (other) {
        load_second(load, other, file, def);
        return;
    }
    if (registry_get_name(load->registry, name)) {
        leave(load, file->name, "another object of that name is active");
        xml_table_free(load->class->table, def);
        return;
    }
    g_autoptr(Object) object = object_new(load->registry, name, object_def_uuid(load->class, def));
    object_set_config(object, def);
    object_list_it(object);
    g_hash_table_insert(load->seen, object, (void *)file);
}

/* Autostart links of objects that are gone are removed. @later: the daemon runs, and only what was loaded by
 * this pass is looked at; links of the others come and go meanwhile. */
static void load_autostart_links(const Load *load, bool later)
{
    const char *dir = class_dir(load->host, load->class->autostart_dir);
    g_autoptr(GPtrArray) links = NULL;

    if (!load->class->autostart_dir || !file_list_dir(dir, &links, NULL))
        return;
    for (guint i = 0; i < links->len; i++) {
        const char *file = g_ptr_array_index(links, i);
        if (!g_str_has_suffix(file, ".xml"))
            continue;
        g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
        Object *object = registry_get_name(load->registry, name);
        g_autofree char *path = path_join(dir, file);
        if (object && (!later || g_hash_table_contains(load->seen, object)))
            object->autostart = true;
        else if (!object && !later && !g_hash_table_contains(registry_unused(load->registry), name) &&
                 !file_remove(path, NULL))
            log_warning("cannot remove stale autostart link '%s'", path);
    }
}

/* A rename that was cut off after the new file was written is finished; one before that never was. */
static void finish_rename(const Load *load, const char *from, const char *to)
{
    g_autofree char *old_path = object_config_path(load->host, load->class, from);
    g_autoptr(Error) err = NULL;

    if (!registry_get_name(load->registry, to) || registry_get_name(load->registry, from))
        return;
    log_warning("%s '%s' was being renamed to '%s': finishing that", load->class->noun, from, to);
    if (!move_companions(load->host, load->class, from, to, &err) || !file_remove(old_path, &err))
        log_error_error(err, to);
}

/* Reads the marks among @names into @moves. Returns their contents, which @moves borrows from. */
static GPtrArray *load_marks(const char *dir, const GPtrArray *names, GHashTable *moves)
{
    GPtrArray *marks = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = path_join(dir, name);
        g_autofree char *text = NULL;
        g_autoptr(Error) err = NULL;
        if (!g_str_has_prefix(name, RENAME_MARK))
            continue;
        if (!file_read(path, 4096, &text, NULL, &err)) {
            log_error_error(err, path);
            continue;
        }
        char **lines = g_strsplit(text, "\n", 0);
        g_ptr_array_add(marks, lines);
        if (g_strv_length(lines) == 3)
            g_hash_table_insert(moves, lines[0], lines[1]);
    }
    return marks;
}

static void finish_renames(const Load *load, const GPtrArray *names)
{
    GHashTableIter iter;
    void *from = NULL;
    void *to = NULL;

    g_hash_table_iter_init(&iter, load->moves);
    while (g_hash_table_iter_next(&iter, &from, &to))
        finish_rename(load, from, to);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = path_join(load->dir, name);
        if (g_str_has_prefix(name, RENAME_MARK) && !file_remove(path, NULL))
            log_warning("the mark of a rename stays: '%s'", path);
    }
}

/* Loads the definitions that @job (taken) names. */
static bool load_files(const Load *load, LoadJob *job, Error **err)
{
    if (!worker_run(worker_lane_state(), load_job_run, job, load_job_free, FILE_DEADLINE_MS, err))
        return false;
    uint64_t patience_ms = LINK_DEADLINE_MS;
    for (guint i = 0; i < job->files->len; i++) {
        LoadedFile *file = g_ptr_array_index(job->files, i);
        if (file->link)
            load_link(load->dir, file, &patience_ms);
        load_one(load, file);
        /* Only now: until it was read nobody may write over it. */
        if (!g_hash_table_contains(registry_unused(load->registry), file->name))
            registry_release(load->registry, file->name);
        if (i % 16 == 15 && fiber_current())
            fiber_yield();
    }
    load_job_free(job);
    GHashTableIter iter;
    void *object = NULL;
    g_hash_table_iter_init(&iter, load->seen);
    while (load->class->loaded && g_hash_table_iter_next(&iter, &object, NULL))
        load->class->loaded(object);
    return true;
}

bool object_store_load(Host *host, const ObjectClass *class, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GHashTable) moves = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    const Load load = { .host = host,
                        .class = class,
                        .registry = host_registry(host, class),
                        .dir = class_dir(host, class->config_dir),
                        .seen = seen,
                        .moves = moves };

    if (!file_list_dir(load.dir, &names, err))
        return false;
    LoadJob *job = load_job_new(load.dir, false);
    for (guint i = 0; i < names->len; i++) {
        if (g_str_has_suffix(g_ptr_array_index(names, i), ".xml"))
            g_ptr_array_add(job->names, g_strdup(g_ptr_array_index(names, i)));
    }
    G_GNUC_UNUSED g_autoptr(GPtrArray) marks = load_marks(load.dir, names, moves);
    if (!load_files(&load, job, err))
        return false;
    finish_renames(&load, names);
    load_autostart_links(&load, false);
    return true;
}

bool object_store_load_unused(Host *host, const ObjectClass *class, Error **err)
{
    Registry *registry = host_registry(host, class);
    GHashTable *unused = registry_unused(registry);
    g_autoptr(GHashTable) moves = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    const Load load = { .host = host,
                        .class = class,
                        .registry = registry,
                        .dir = class_dir(host, class->config_dir),
                        .seen = seen,
                        .moves = moves };
    GHashTableIter iter;
    void *name = NULL;

    if (g_hash_table_size(unused) == 0)
        return true;
    LoadJob *job = load_job_new(load.dir, false);
    g_hash_table_iter_init(&iter, unused);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(job->names, g_strconcat(name, ".xml", NULL));
    g_hash_table_remove_all(unused);
    if (!load_files(&load, job, err))
        return false;
    load_autostart_links(&load, true);
    return true;
}
