/* Lending files to QEMU's user and taking them back (dynamic ownership).
 *
 * The table counts, for each path, how many machines hold it, and remembers the owner before the first of
 * them: an ISO image used by two goes back to its owner when the last one stops. What a machine holds is also
 * in its status file, so that a restarted daemon can give it back. All chown calls run in the lane of their
 * mount: dead storage costs a deadline, not the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "dac"
#include "storage/dac.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/domain_rows.h"
#include "conf/xml_table.h"
#include "core/host_private.h"

#define MEM_MAJOR 1    /* /dev/null, /dev/zero, ... */
#define TTYAUX_MAJOR 5 /* /dev/tty, /dev/console, /dev/ptmx */

typedef struct DacHolder {
    unsigned count;
    uid_t uid;
    gid_t gid;
    mode_t mode;
    uid_t lent_to; /* the last one */
    FileId id;
} DacHolder;

struct DacTable {
    GHashTable *holders; /* path -> DacHolder */
};

DacTable *dac_table_new(void)
{
    DacTable *table = g_new0(DacTable, 1);

    table->holders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return table;
}

void dac_table_free(DacTable *table)
{
    if (!table)
        return;
    g_hash_table_unref(table->holders);
    g_free(table);
}

static void dac_item_free(void *data)
{
    DacItem *item = data;

    g_free(item->path);
    g_free(item);
}

GPtrArray *dac_list_new(void)
{
    return g_ptr_array_new_with_free_func(dac_item_free);
}

static DacHolder *dac_hold(DacTable *table, const DacItem *item)
{
    DacHolder *holder = g_hash_table_lookup(table->holders, item->path);

    if (!holder) {
        holder = g_new0(DacHolder, 1);
        *holder = (DacHolder){ .uid = item->uid, .gid = item->gid, .mode = item->mode };
        g_hash_table_insert(table->holders, g_strdup(item->path), holder);
    }
    holder->count++;
    holder->lent_to = item->lent_to;
    holder->id = item->id;
    return holder;
}

void dac_find_owner(const DacTable *table, const FileId *id, uid_t *io_uid, gid_t *io_gid)
{
    GHashTableIter iter;
    void *value = NULL;

    g_hash_table_iter_init(&iter, table->holders);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const DacHolder *holder = value;
        if (!file_id_equal(&holder->id, id) || *io_uid != holder->lent_to)
            continue;
        *io_uid = holder->uid;
        *io_gid = holder->gid;
        return;
    }
}

/* Devices that the whole system uses: nobody's property, whatever a definition does with them. */
static bool dac_is_public(const char *path)
{
    static const char *const paths[] = { "/dev/null",    "/dev/zero",  "/dev/full",      "/dev/random",
                                         "/dev/urandom", "/dev/hwrng", "/dev/tty",       "/dev/console",
                                         "/dev/kvm",     "/dev/ptmx",  "/dev/vhost-net", "/dev/net/tun" };

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        if (strcmp(path, paths[i]) == 0)
            return true;
    }
    return false;
}

void dac_list_add(DacTable *table, GPtrArray *list, const DacItem *item)
{
    if (dac_is_public(item->path))
        return;
    for (guint i = 0; i < list->len; i++) {
        if (strcmp(((const DacItem *)g_ptr_array_index(list, i))->path, item->path) == 0)
            return;
    }
    const DacHolder *holder = dac_hold(table, item);
    DacItem *own = g_memdup2(item, sizeof(*item));
    own->path = g_strdup(item->path);
    own->uid = holder->uid;
    own->gid = holder->gid;
    own->mode = holder->mode;
    g_ptr_array_add(list, own);
}

void dac_list_adopt(DacTable *table, const GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        (void)dac_hold(table, g_ptr_array_index(list, i));
    }
}

/* ---- labels ---- */

static bool dac_can_change_users(const Host *host)
{
    return !host->paths->is_session && geteuid() == 0;
}

/* The label that says something about ownership: of model dac, or 'none' for all models. NULL. */
static SecurityLabel *dac_find_label(const GPtrArray *labels)
{
    for (DEF_EACH(SecurityLabel, label, labels)) {
        if (label->model ? strcmp(label->model, "dac") == 0 : label->type == SECLABEL_NONE)
            return label;
    }
    return NULL;
}

/* One half of "+64055:+107"; the plus says "a number, not a name". */
static bool dac_parse_id(const char *text, char end_mark, unsigned *ret_id, const char **ret_end)
{
    char *end = NULL;

    if (*text == '+')
        text++;
    if (!g_ascii_isdigit(*text))
        return false;
    const guint64 id = g_ascii_strtoull(text, &end, 10);
    if (id >= UINT32_MAX || *end != end_mark)
        return false;
    *ret_id = (unsigned)id;
    *ret_end = end;
    return true;
}

bool dac_parse_label(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
    unsigned uid = 0;
    unsigned gid = 0;

    if (!dac_parse_id(text, ':', &uid, &text) || !dac_parse_id(text + 1, '\0', &gid, &text))
        return false;
    *ret_uid = uid;
    *ret_gid = gid;
    return true;
}

bool dac_has_own_users(const Host *host)
{
    return dac_can_change_users(host) && host->config->machine_uid_max > 0;
}

bool dac_fill_seclabel(const Host *host, DomainDef *live, uid_t own, Error **err)
{
    const Config *config = host->config;
    SecurityLabel *label = dac_find_label(live->seclabels);
    uid_t uid = 0;
    gid_t gid = 0;

    if (!dac_can_change_users(host) || (label && label->type == SECLABEL_NONE))
        return true;
    if (label && label->type == SECLABEL_STATIC) {
        if (!label->label || !dac_parse_label(label->label, &uid, &gid)) {
            error_set(err, ERROR_CONFIG_UNSUPPORTED, "DAC label '%s' is not of the form '+UID:+GID'",
                      label->label ? label->label : "");
            return error_hint(err, "'id USER' tells the numbers");
        }
    } else {
        if (!label) {
            label = xml_table_new(&security_label_table);
            label->model = g_strdup("dac");
            if (!live->seclabels)
                live->seclabels = xml_list_new(&security_label_table);
            g_ptr_array_add(live->seclabels, label);
        }
        label->type = SECLABEL_DYNAMIC;
        g_free(label->label);
        label->label = dac_has_own_users(host) ? g_strdup_printf("+%u:+%u", (unsigned)own, (unsigned)own)
                                               : g_strdup_printf("+%u:+%u", (unsigned)config->qemu_uid,
                                                                 (unsigned)config->qemu_gid);
    }
    if (label->relabel == TRISTATE_ABSENT)
        label->relabel = label->type == SECLABEL_STATIC ? TRISTATE_OFF : TRISTATE_ON;
    if (label->relabel == TRISTATE_ON && !label->image_label)
        label->image_label = g_strdup(label->label);
    return true;
}

void dac_get_owner(const Host *host, const DomainDef *live, uid_t *ret_uid, gid_t *ret_gid)
{
    const SecurityLabel *label = dac_find_label(live->seclabels);

    *ret_uid = host->config->qemu_uid;
    *ret_gid = host->config->qemu_gid;
    if (label && label->type != SECLABEL_NONE && label->label)
        (void)dac_parse_label(label->label, ret_uid, ret_gid); /* checked when the start began */
}

static bool dac_label_forbids(const SecurityLabel *label)
{
    return label && (label->type == SECLABEL_NONE || label->relabel == TRISTATE_OFF);
}

bool dac_is_wanted(const Host *host, const DomainDef *live, const StorageSource *source)
{
    return dac_can_change_users(host) && host->config->dynamic_ownership &&
           !dac_label_forbids(dac_find_label(live->seclabels)) &&
           !(source && dac_label_forbids(dac_find_label(source->seclabels)));
}

void dac_lend(Host *host, const DomainDef *live, GPtrArray *list, const StorageSource *source,
              const DacItem *item)
{
    DacItem lent = *item;
    gid_t unused = 0;

    if (!dac_is_wanted(host, live, source))
        return;
    if (dac_has_own_users(host) && item->shared) {
        lent.lent_to = item->uid;
        lent.group = host->config->qemu_gid;
        lent.mode &= 07777;
    } else {
        dac_get_owner(host, live, &lent.lent_to, &unused);
        lent.group_mode = lent.mode = 0;
    }
    if (!host->config->remember_owner)
        lent.uid = lent.gid = 0;
    dac_list_add(host->dac, list, &lent);
}

/* ---- devices that QEMU opens by name ---- */

typedef struct LookJob {
    DacItem item;
    bool is_there;
} LookJob;

static bool look_job_run(void *data, Error **err)
{
    LookJob *job = data;
    g_auto(Trail) trail = TRAIL_INIT;

    /* Not opened for reading: that would already do something to a serial line. */
    if (!trail_follow(job->item.path, &trail))
        return true; /* what is missing, QEMU misses with better words */
    if (!trail_check(&trail, job->item.path, err))
        return false;
    job->is_there = true;
    job->item.id = file_id_of(&trail.st);
    job->item.uid = trail.st.st_uid;
    job->item.gid = trail.st.st_gid;
    return true;
}

static void look_job_free(void *data)
{
    LookJob *job = data;

    g_free(job->item.path);
    g_free(job);
}

static bool dac_lend_by_name(Host *host, const DomainDef *live, GPtrArray *list, const char *path,
                             Error **err)
{
    const uint64_t timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000;
    LookJob *job = g_new0(LookJob, 1);

    job->item.path = g_strdup(path);
    if (!worker_call_path(path, "cannot look at", look_job_run, job, look_job_free, timeout_ms, err))
        return false;
    if (job->is_there)
        dac_lend(host, live, list, NULL, &job->item);
    look_job_free(job);
    return true;
}

static void dac_collect_char(GPtrArray *paths, const CharSource *source)
{
    /* A socket that is connected to again and again is one that QEMU opens. */
    const bool by_name =
        source->type == CHAR_DEV || source->type == CHAR_PIPE ||
        (source->type == CHAR_UNIX && source->mode == CHAR_MODE_CONNECT && source->reconnect == TRISTATE_ON);

    if (!source->path || !by_name)
        return;
    g_ptr_array_add(paths, g_strdup(source->path));
    if (source->type == CHAR_PIPE) { /* either one pipe or a pair */
        g_ptr_array_add(paths, g_strconcat(source->path, ".in", NULL));
        g_ptr_array_add(paths, g_strconcat(source->path, ".out", NULL));
    }
}

bool dac_lend_device(Host *host, const DomainDef *live, GPtrArray *list, DeviceKind kind, void *device,
                     Error **err)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    const CharSource *source = device_char_source(kind, device);

    if (!dac_is_wanted(host, live, NULL))
        return true;
    if (source && !dac_label_forbids(dac_find_label(source->seclabels)))
        dac_collect_char(paths, source);
    if (kind == DEVICE_INPUT && ((InputDef *)device)->source)
        g_ptr_array_add(paths, g_strdup(((InputDef *)device)->source));
    if (kind == DEVICE_HOSTDEV && ((HostdevDef *)device)->host_node)
        g_ptr_array_add(paths, g_strdup(((HostdevDef *)device)->host_node));
    if (kind == DEVICE_INTERFACE && ((InterfaceDef *)device)->hostdev_node)
        g_ptr_array_add(paths, g_strdup(((InterfaceDef *)device)->hostdev_node));
    if (kind == DEVICE_DISK && ((DiskDef *)device)->src.nvme_node)
        g_ptr_array_add(paths, g_strdup(((DiskDef *)device)->src.nvme_node));
    if (kind == DEVICE_MEMORY && ((MemoryDeviceDef *)device)->source_path)
        g_ptr_array_add(paths, g_strdup(((MemoryDeviceDef *)device)->source_path));
    if (kind == DEVICE_PSTORE && ((PstoreDef *)device)->path)
        g_ptr_array_add(paths, g_strdup(((PstoreDef *)device)->path));
    for (guint i = 0; i < paths->len; i++) {
        if (!dac_lend_by_name(host, live, list, g_ptr_array_index(paths, i), err))
            return false;
    }
    return true;
}

typedef struct Lending {
    Host *host;
    const DomainDef *live;
    GPtrArray *list;
    Error **err;
} Lending;

static bool lend_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Lending *lending = arg;

    return dac_lend_device(lending->host, lending->live, lending->list, kind, device, lending->err);
}

bool dac_lend_devices(Host *host, DomainDef *live, GPtrArray *list, Error **err)
{
    Lending lending = { .host = host, .live = live, .list = list, .err = err };

    return domain_each_device(live, lend_device, &lending);
}

/* ---- chown in parallel ---- */

typedef struct ChownJob {
    char *path;
    FileId id; /* the file that is meant */
    bool is_return;
    uid_t lent_to; /* a return: who should have it now; 0: not known */
    uid_t uid;     /* -1: stays */
    gid_t gid;
    mode_t more;    /* permissions that it gets besides */
    mode_t restore; /* that it gets back; 0: keeps what it has */
    int error;
    bool is_other; /* another file lies there now */
} ChownJob;

/* Memory devices under another name (a link to /dev/null), terminals of people, directories. */
static bool chown_is_public(const struct stat *st)
{
    return S_ISDIR(st->st_mode) ||
           (S_ISCHR(st->st_mode) && (major(st->st_rdev) == MEM_MAJOR || major(st->st_rdev) == TTYAUX_MAJOR));
}

/* A file given back must still be with the borrower. It may be another one all the same (a tool replaced it
 * while the machine ran, or the file system has no lasting numbers), if there is nothing else that it could
 * be: no link on the way, no second name. */
static bool chown_is_meant(const ChownJob *job, const Trail *trail)
{
    const FileId id = file_id_of(&trail->st);

    if (!job->is_return)
        return file_id_equal(&job->id, &id);
    if (job->lent_to && trail->st.st_uid != job->lent_to)
        return false;
    return file_id_equal(&job->id, &id) ||
           (S_ISREG(trail->st.st_mode) && !trail->has_links && trail->st.st_nlink == 1);
}

/* @fd was opened to name the file only. */
static bool chmod_of(int fd, mode_t mode)
{
    char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return chmod(path, mode) == 0;
}

static void chown_job_run(void *data)
{
    ChownJob *job = data;
    g_auto(Trail) trail = TRAIL_INIT;

    if (!trail_follow(job->path, &trail)) {
        job->error = errno;
        return;
    }
    const bool has_owner =
        (job->uid == (uid_t)-1 || trail.st.st_uid == job->uid) && trail.st.st_gid == job->gid;
    const mode_t mode = (job->restore ? job->restore : trail.st.st_mode | job->more) & 07777;
    if (chown_is_public(&trail.st) || (has_owner && mode == (trail.st.st_mode & 07777)))
        return;
    job->is_other = !chown_is_meant(job, &trail);
    if (job->is_other)
        return;
    if (fchownat(trail.fd, "", job->uid, job->gid, AT_EMPTY_PATH) < 0 ||
        ((job->more || job->restore) && !chmod_of(trail.fd, mode)))
        job->error = errno;
}

static void chown_job_free(void *data)
{
    ChownJob *job = data;

    g_free(job->path);
    g_free(job);
}

static bool dac_chown(const ChownJob *what, uint64_t timeout_ms, Error **err)
{
    ChownJob *job = g_memdup2(what, sizeof(*what));
    g_autofree char *path = g_strdup(what->path);

    job->path = g_strdup(path);
    if (!worker_run(worker_lane_for_path(path), chown_job_run, job, chown_job_free, timeout_ms, err))
        return error_prefix(err, "Cannot access storage file '%s'", path);
    const int error = job->error;
    const bool is_other = job->is_other;
    chown_job_free(job);
    if (is_other)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' has been replaced by another file meanwhile",
                         path);
    /* Root-squashing network storage and read-only media refuse; QEMU's own open will tell if it matters. */
    if (error == EPERM || error == EROFS || error == EINVAL || error == EOPNOTSUPP) {
        log_debug("setting the owner of '%s' is not possible here: %s", path, g_strerror(error));
        return true;
    }
    if (error)
        return error_set_errno(err, error, "unable to set user and group to '%u:%u' on '%s'",
                               (unsigned)what->uid, (unsigned)what->gid, path);
    return true;
}

typedef struct ChownFiber {
    ChownJob job;
    uint64_t timeout_ms;
    Error *err;
} ChownFiber;

static void dac_chown_fiber(void *arg)
{
    ChownFiber *one = arg;

    (void)dac_chown(&one->job, one->timeout_ms, &one->err);
}

bool dac_apply(const GPtrArray *list, uid_t uid, gid_t gid, uint64_t timeout_ms, Error **err)
{

    if (list->len == 0)
        return true;
    g_autofree ChownFiber *ones = g_new0(ChownFiber, list->len);
    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        ones[i] = (ChownFiber){
            .job = { .path = g_strdup(item->path), .id = item->id, .uid = uid, .gid = gid },
            .timeout_ms = timeout_ms,
        };
        if (item->group_mode) {
            ones[i].job.uid = (uid_t)-1;
            ones[i].job.gid = item->group;
            ones[i].job.more = item->group_mode;
        }
    }
    fiber_run_all("chown", dac_chown_fiber, ones, list->len, sizeof(ChownFiber));
    Error *first = NULL;
    for (guint i = 0; i < list->len; i++) {
        g_free(ones[i].job.path);
        if (!first)
            first = ones[i].err;
        else
            error_free(ones[i].err);
    }
    return first ? error_propagate(err, first) : true;
}

void dac_restore(DacTable *table, GPtrArray *list, uint64_t timeout_ms)
{
    g_autofree ChownFiber *ones = g_new0(ChownFiber, MAX(list->len, 1));
    size_t count = 0;

    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        DacHolder *holder = g_hash_table_lookup(table->holders, item->path);
        if (holder && --holder->count > 0)
            continue;
        ones[count++] = (ChownFiber){
            .job = { .path = g_strdup(item->path),
                     .id = item->id,
                     .is_return = true,
                     .lent_to = holder ? holder->lent_to : item->lent_to,
                     .uid = item->uid,
                     .gid = item->gid,
                     .restore = item->mode },
            .timeout_ms = timeout_ms,
        };
        (void)g_hash_table_remove(table->holders, item->path);
    }
    g_ptr_array_set_size(list, 0);
    if (count > 0)
        fiber_run_all("chown", dac_chown_fiber, ones, count, sizeof(ChownFiber));
    for (size_t i = 0; i < count; i++) {
        if (ones[i].err && error_errno(ones[i].err) != ENOENT)
            log_warning_error(ones[i].err, "cannot give a file back to its owner");
        error_free(ones[i].err);
        g_free(ones[i].job.path);
    }
}

void dac_abandon(DacTable *table, GPtrArray *list, const GPtrArray *paths)
{
    for (guint i = list->len; i-- > 0;) {
        const DacItem *item = g_ptr_array_index(list, i);
        bool stays = false;
        for (guint k = 0; k < paths->len; k++)
            stays = stays || strcmp(g_ptr_array_index(paths, k), item->path) == 0;
        if (stays)
            continue;
        DacHolder *holder = g_hash_table_lookup(table->holders, item->path);
        if (!holder || --holder->count == 0)
            (void)g_hash_table_remove(table->holders, item->path);
        g_ptr_array_remove_index(list, i);
    }
}

void dac_lend_kvm(uid_t uid, gid_t gid)
{
    static const char path[] = "/dev/kvm";
    struct stat st;

    if (geteuid() != 0 || uid == 0 || stat(path, &st) < 0)
        return;
    if (st.st_uid != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0 || st.st_uid == uid)
        return; /* somebody decided who may use it */
    if (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0)
        log_warning("cannot give %s to group %u: %s", path, (unsigned)gid, g_strerror(errno));
    else
        log_info("%s belonged to root alone: gave it to group %u", path, (unsigned)gid);
}

/* ---- what images name ---- */

/* Whether the owner of @image could read @file himself. Its group tells one of his groups. */
static bool owner_can_read(const Config *config, const FileOwner *image, const FileOwner *file)
{
    const gid_t gid = image->uid == config->qemu_uid ? config->qemu_gid : image->gid;

    return image->uid == file->uid || (file->mode & S_IROTH) ||
           ((file->mode & S_IRGRP) && (file->gid == image->gid || file->gid == gid));
}

bool dac_judge_named(const Config *config, const char *image_path, const FileOwner *image, const char *path,
                     const FileOwner *file, Error **err)
{
    if (geteuid() != 0 || image->uid == 0)
        return true;
    if (!S_ISREG(file->mode) && !S_ISBLK(file->mode))
        return error_set(err, ERROR_OPERATION_FAILED,
                         "image '%s' of user %u names the backing file '%s', which is no file", image_path,
                         (unsigned)image->uid, path);
    if (owner_can_read(config, image, file))
        return true;
    error_set(err, ERROR_OPERATION_FAILED,
              "image '%s' of user %u names the backing file '%s' of user %u, which user %u may not read",
              image_path, (unsigned)image->uid, path, (unsigned)file->uid, (unsigned)image->uid);
    return error_hint(err, "give both files to one owner, or let everybody read the backing file");
}
