/* Control groups of machines. The steps of a change are data, so that a worker can do them and tests can read
 * them; nothing here knows machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cgroup"
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"

#define BATCH_DEADLINE_MS 10000
#define REMOVE_PATIENCE_MS 5000
#define REMOVE_PAUSE_MS 20
#define MAX_DEPTH 8

static const struct {
    unsigned bit;
    const char *name;
} controllers[] = {
    { CGROUP_CPU, "cpu" },
    { CGROUP_CPUSET, "cpuset" },
    { CGROUP_IO, "io" },
    { CGROUP_MEMORY, "memory" },
};

/* ---- what there is ---- */

static unsigned parse_controllers(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text ? text : "", " ", -1);
    unsigned bits = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
        if (g_strv_contains((const char *const *)words, controllers[i].name))
            bits |= controllers[i].bit;
    }
    return bits;
}

/* Lines of /proc/mounts: device, folder, type, options. */
static void find_mounts(CgroupHost *host)
{
    g_autofree char *text = file_read_kernel("/proc/self/mounts");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 5);
        if (g_strv_length(words) < 4)
            continue;
        if (strcmp(words[2], "cgroup") == 0 && !strstr(words[3], "name="))
            host->has_v1 = true;
        /* Later mounts hide earlier ones; one that nobody may write to is of no use. */
        if (strcmp(words[2], "cgroup2") == 0 && g_str_has_prefix(words[3], "rw")) {
            g_free(host->mount);
            host->mount = g_strcompress(words[1]);
        }
    }
}

/* Where the kernel refuses (we are in a container whose top has processes), there are none. */
static void enable_at_top(const CgroupHost *host, unsigned offered)
{
    g_autofree char *path = path_join(host->mount, "cgroup.subtree_control");

    for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
        g_autofree char *word = g_strdup_printf("+%s", controllers[i].name);
        if (!(offered & controllers[i].bit))
            continue;
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, word, strlen(word)) < 0)
            log_debug("groups cannot have the controller %s: %s", controllers[i].name, g_strerror(errno));
        if (fd >= 0)
            (void)close(fd);
    }
}

CgroupHost *cgroup_host_new(const char *root)
{
    CgroupHost *host = g_new0(CgroupHost, 1);

    if (*root) {
        g_autofree char *mount = path_join(root, "sys/fs/cgroup");
        g_autofree char *file = path_join(mount, "cgroup.controllers");
        if (access(file, F_OK) == 0)
            host->mount = g_steal_pointer(&mount);
    } else {
        find_mounts(host);
    }
    if (!host->mount)
        return host;
    g_autofree char *offered = cgroup_read(host->mount, "cgroup.controllers");
    const unsigned wanted = parse_controllers(offered);
    g_autofree char *before = cgroup_read(host->mount, "cgroup.subtree_control");
    if (wanted & ~parse_controllers(before))
        enable_at_top(host, wanted & ~parse_controllers(before));
    g_autofree char *given = cgroup_read(host->mount, "cgroup.subtree_control");
    host->controllers = *root ? wanted : parse_controllers(given);
    log_debug("control groups are below '%s', controllers: %s", host->mount, given ? given : "");
    return host;
}

void cgroup_host_free(CgroupHost *host)
{
    if (!host)
        return;
    g_free(host->mount);
    g_free(host);
}

const char *cgroup_host_explain(const CgroupHost *host, unsigned controller)
{
    if (host->controllers & controller)
        return "it is there";
    if (host->has_v1)
        return "this host uses it with cgroup version 1, and only version 2 is supported "
               "(systemd.unified_cgroup_hierarchy=1 on the kernel's command line)";
    return host->mount ? "the cgroup hierarchy of this host does not offer it"
                       : "no cgroup version 2 is mounted on this host";
}

/* ---- names ---- */

bool cgroup_slice(const char *partition, char **ret_slice, Error **err)
{
    g_autoptr(GString) path = g_string_new(NULL);
    g_autoptr(GString) name = g_string_new(NULL);

    if (partition[0] != '/' || !partition[1])
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Resource partition '%s' is no path", partition);
    g_auto(GStrv) parts = g_strsplit(partition + 1, "/", MAX_DEPTH + 1);
    for (char **part = parts; *part; part++) {
        /* "-" separates the parts of a slice's name. */
        if (!path_is_safe_component(*part) || strpbrk(*part, "-. \\") || part - parts >= MAX_DEPTH)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "'%s' in resource partition '%s' is no name of a slice", *part, partition);
        g_string_append_printf(name, "%s%s", name->len ? "-" : "", *part);
        g_string_append_printf(path, "%s%s.slice", path->len ? "/" : "", name->str);
    }
    *ret_slice = g_string_free(g_steal_pointer(&path), FALSE);
    return true;
}

char *cgroup_scope(const char *machine)
{
    GString *out = g_string_new("machine-");

    for (const char *p = machine; *p; p++) {
        if (g_ascii_isalnum(*p) || *p == ':' || *p == '_' || (*p == '.' && p != machine))
            g_string_append_c(out, *p);
        else
            g_string_append_printf(out, "\\x%02x", (unsigned char)*p);
    }
    g_string_append(out, ".scope");
    return g_string_free(out, FALSE);
}

/* ---- changes ---- */

typedef struct CgroupStep {
    char *path;
    char *text; /* NULL: a folder to make */
} CgroupStep;

struct CgroupBatch {
    GArray *steps; /* of CgroupStep */
};

static void step_clear(void *data)
{
    CgroupStep *step = data;

    g_free(step->path);
    g_free(step->text);
}

CgroupBatch *cgroup_batch_new(void)
{
    CgroupBatch *batch = g_new0(CgroupBatch, 1);

    batch->steps = g_array_new(FALSE, TRUE, sizeof(CgroupStep));
    g_array_set_clear_func(batch->steps, step_clear);
    return batch;
}

void cgroup_batch_free(CgroupBatch *batch)
{
    if (!batch)
        return;
    g_array_unref(batch->steps);
    g_free(batch);
}

void cgroup_add_make(CgroupBatch *batch, const char *group)
{
    const CgroupStep step = { .path = g_strdup(group) };

    g_array_append_val(batch->steps, step);
}

void cgroup_add_write(CgroupBatch *batch, const char *group, const char *file, const char *format, ...)
{
    va_list args;
    CgroupStep step = { .path = path_join(group, file) };

    va_start(args, format);
    step.text = g_strdup_vprintf(format, args);
    va_end(args);
    g_array_append_val(batch->steps, step);
}

void cgroup_add_enable(CgroupBatch *batch, const char *group, unsigned bits)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
        if (bits & controllers[i].bit)
            g_string_append_printf(text, "%s+%s", text->len ? " " : "", controllers[i].name);
    }
    if (text->len)
        cgroup_add_write(batch, group, "cgroup.subtree_control", "%s", text->str);
}

bool cgroup_batch_is_empty(const CgroupBatch *batch)
{
    return batch->steps->len == 0;
}

static bool step_do(const CgroupStep *step, Error **err)
{
    if (!step->text) {
        if (mkdir(step->path, 0755) == 0 || errno == EEXIST)
            return true;
        return error_set_errno(err, errno, "cannot make the control group '%s'", step->path);
    }
    /* The files of a group are there from the beginning: O_CREAT is for trees of tests, whose are not. */
    const int fd = open(step->path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0644);
    const ssize_t n = fd < 0 ? -1 : write(fd, step->text, strlen(step->text));
    const int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    if (n >= 0)
        return true;
    return error_set_errno(err, saved, "cannot write '%s' to '%s'", step->text, step->path);
}

static bool batch_work(void *data, Error **err)
{
    const CgroupBatch *batch = data;

    for (guint i = 0; i < batch->steps->len; i++) {
        if (!step_do(&g_array_index(batch->steps, CgroupStep, i), err))
            return false;
    }
    return true;
}

static void batch_free(void *data)
{
    cgroup_batch_free(data);
}

bool cgroup_batch_run(CgroupBatch *batch, Error **err)
{
    if (cgroup_batch_is_empty(batch)) {
        cgroup_batch_free(batch);
        return true;
    }
    if (!worker_call(worker_lane_named("control groups"), batch_work, batch, batch_free, BATCH_DEADLINE_MS,
                     err))
        return false;
    cgroup_batch_free(batch);
    return true;
}

/* ---- the end ---- */

/* Bottom up. Groups hold files that cannot be removed and go with them. */
static bool remove_work(void *data, Error **err)
{
    const char *group = data;
    g_autoptr(GDir) dir = g_dir_open(group, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = path_join(group, name);
        struct stat st;
        if (lstat(child, &st) < 0 || !S_ISDIR(st.st_mode))
            (void)unlink(child); /* in trees of tests: the kernel's files cannot be removed */
        else if (!remove_work(child, err))
            return false;
    }
    if (rmdir(group) == 0 || errno == ENOENT)
        return true;
    if (errno == EBUSY)
        return error_set(err, ERROR_BUSY, "the control group '%s' still has processes", group);
    return error_set_errno(err, errno, "cannot remove the control group '%s'", group);
}

bool cgroup_remove(const char *group, Error **err)
{
    const uint64_t deadline_ms = loop_now_ms() + REMOVE_PATIENCE_MS;

    for (;;) {
        g_autoptr(Error) why = NULL;
        char *copy = g_strdup(group);
        if (worker_call(worker_lane_named("control groups"), remove_work, copy, g_free, BATCH_DEADLINE_MS,
                        &why)) {
            g_free(copy);
            return true;
        }
        if (error_code(why) != ERROR_BUSY || loop_now_ms() >= deadline_ms || !fiber_current())
            return error_propagate(err, g_steal_pointer(&why));
        if (!fiber_sleep(REMOVE_PAUSE_MS, err))
            return false;
    }
}

/* ---- questions ---- */

bool cgroup_exists(const char *group)
{
    return access(group, F_OK) == 0;
}

char *cgroup_read(const char *group, const char *file)
{
    g_autofree char *path = path_join(group, file);

    return file_read_kernel(path);
}

char *cgroup_of_process(const CgroupHost *host, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int)pid);
    g_autofree char *text = host->mount ? file_read_kernel(path) : NULL;
    const char *line = text ? strstr(text, "0::/") : NULL;

    if (!line || (line != text && line[-1] != '\n') || strstr(line, "/.."))
        return NULL;
    g_autofree char *relative = g_strndup(line + strlen("0::/"), strcspn(line + strlen("0::/"), "\n"));
    return path_join(host->mount, relative);
}
