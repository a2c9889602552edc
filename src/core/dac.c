/* Lending files to QEMU's user and taking them back (dynamic ownership).
 *
 * The table counts, for each path, how many machines hold it, and remembers the owner before the first of
 * them: an ISO image used by two goes back to its owner when the last one stops. What a machine holds is also
 * in its status file, so that a restarted daemon can give it back. All chown calls run in the lane of their
 * mount: dead storage costs a deadline, not the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "dac"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/domain_rows.h"
#include "conf/xml_table.h"
#include "core/vm_private.h"

#define MEM_MAJOR 1    /* /dev/null, /dev/zero, ... */
#define TTYAUX_MAJOR 5 /* /dev/tty, /dev/console, /dev/ptmx */

typedef struct DacHolder {
    unsigned count;
    uid_t uid;
    gid_t gid;
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

static DacHolder *dac_hold(DacTable *table, const char *path, uid_t uid, gid_t gid)
{
    DacHolder *holder = g_hash_table_lookup(table->holders, path);

    if (!holder) {
        holder = g_new0(DacHolder, 1);
        *holder = (DacHolder){ .uid = uid, .gid = gid };
        g_hash_table_insert(table->holders, g_strdup(path), holder);
    }
    holder->count++;
    return holder;
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

void dac_list_add(DacTable *table, GPtrArray *list, const char *path, uid_t uid, gid_t gid, bool shared)
{
    if (dac_is_public(path))
        return;
    for (guint i = 0; i < list->len; i++) {
        if (strcmp(((const DacItem *)g_ptr_array_index(list, i))->path, path) == 0)
            return;
    }
    const DacHolder *holder = dac_hold(table, path, uid, gid);
    DacItem *item = g_new0(DacItem, 1);
    *item = (DacItem){ .path = g_strdup(path), .uid = holder->uid, .gid = holder->gid, .shared = shared };
    g_ptr_array_add(list, item);
}

void dac_list_adopt(DacTable *table, const GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        (void)dac_hold(table, item->path, item->uid, item->gid);
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

bool dac_fill_seclabel(const Host *host, DomainDef *live, Error **err)
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
        label->label = g_strdup_printf("+%u:+%u", (unsigned)config->qemu_uid, (unsigned)config->qemu_gid);
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
    if (label && label->type == SECLABEL_STATIC && label->label)
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

void dac_lend(Host *host, const DomainDef *live, GPtrArray *list, const char *path,
              const StorageSource *source, uid_t uid, gid_t gid, bool shared)
{
    if (!dac_is_wanted(host, live, source))
        return;
    if (!host->config->remember_owner)
        uid = gid = 0;
    dac_list_add(host->dac, list, path, uid, gid, shared);
}

/* ---- devices that QEMU opens by name ---- */

typedef struct StatJob {
    char *path;
    uid_t uid;
    gid_t gid;
    int error;
} StatJob;

static void stat_job_run(void *data)
{
    StatJob *job = data;
    struct stat st;

    /* Not opened: that would already do something to a serial line. */
    if (stat(job->path, &st) < 0) {
        job->error = errno;
        return;
    }
    job->uid = st.st_uid;
    job->gid = st.st_gid;
}

static void stat_job_free(void *data)
{
    StatJob *job = data;

    g_free(job->path);
    g_free(job);
}

static bool dac_stat(const char *path, uint64_t timeout_ms, uid_t *ret_uid, gid_t *ret_gid, int *ret_errno,
                     Error **err)
{
    StatJob *job = g_new0(StatJob, 1);

    job->path = g_strdup(path);
    if (!worker_run(worker_lane_for_path(path), stat_job_run, job, stat_job_free, timeout_ms, err))
        return error_prefix(err, "cannot look at '%s'", path);
    *ret_errno = job->error;
    *ret_uid = job->uid;
    *ret_gid = job->gid;
    stat_job_free(job);
    return true;
}

static void dac_collect_char(GPtrArray *paths, const CharSource *source)
{
    if (!source->path || (source->type != CHAR_DEV && source->type != CHAR_PIPE))
        return;
    g_ptr_array_add(paths, g_strdup(source->path));
    if (source->type == CHAR_PIPE) { /* either one pipe or a pair */
        g_ptr_array_add(paths, g_strconcat(source->path, ".in", NULL));
        g_ptr_array_add(paths, g_strconcat(source->path, ".out", NULL));
    }
}

bool dac_lend_devices(Host *host, const DomainDef *live, GPtrArray *list, Error **err)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    const GPtrArray *const lists[] = { live->serials, live->parallels, live->consoles, live->channels };
    const uint64_t timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000;

    if (!dac_is_wanted(host, live, NULL))
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (DEF_EACH(CharDef, device, lists[i])) {
            if (!dac_label_forbids(dac_find_label(device->source.seclabels)))
                dac_collect_char(paths, &device->source);
        }
    }
    for (DEF_EACH(InputDef, input, live->inputs)) {
        if (input->source)
            g_ptr_array_add(paths, g_strdup(input->source));
    }
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        uid_t uid = 0;
        gid_t gid = 0;
        int errnum = 0;
        if (!dac_stat(path, timeout_ms, &uid, &gid, &errnum, err))
            return false;
        if (errnum == 0) /* what is missing, QEMU misses with better words */
            dac_lend(host, live, list, path, NULL, uid, gid, false);
    }
    return true;
}

/* ---- chown in parallel ---- */

typedef struct ChownJob {
    char *path;
    uid_t uid;
    gid_t gid;
    int error;
} ChownJob;

static void chown_job_run(void *data)
{
    ChownJob *job = data;
    struct stat st;

    if (stat(job->path, &st) < 0) {
        job->error = errno;
        return;
    }
    /* Memory devices under another name (a link to /dev/null), terminals of people, and what is so already.
     */
    if ((S_ISCHR(st.st_mode) && (major(st.st_rdev) == MEM_MAJOR || major(st.st_rdev) == TTYAUX_MAJOR)) ||
        S_ISDIR(st.st_mode) || (st.st_uid == job->uid && st.st_gid == job->gid))
        return;
    if (chown(job->path, job->uid, job->gid) < 0)
        job->error = errno;
}

static void chown_job_free(void *data)
{
    ChownJob *job = data;

    g_free(job->path);
    g_free(job);
}

static bool dac_chown(const char *path, uid_t uid, gid_t gid, uint64_t timeout_ms, Error **err)
{
    ChownJob *job = g_new0(ChownJob, 1);

    *job = (ChownJob){ .path = g_strdup(path), .uid = uid, .gid = gid };
    if (!worker_run(worker_lane_for_path(path), chown_job_run, job, chown_job_free, timeout_ms, err))
        return error_prefix(err, "Cannot access storage file '%s'", path);
    const int error = job->error;
    chown_job_free(job);
    /* Root-squashing network storage and read-only media refuse; QEMU's own open will tell if it matters. */
    if (error == EPERM || error == EROFS || error == EINVAL || error == EOPNOTSUPP) {
        log_debug("setting the owner of '%s' is not possible here: %s", path, g_strerror(error));
        return true;
    }
    if (error)
        return error_set_errno(err, error, "unable to set user and group to '%u:%u' on '%s'", (unsigned)uid,
                               (unsigned)gid, path);
    return true;
}

typedef struct ChownFiber {
    char *path;
    uid_t uid;
    gid_t gid;
    uint64_t timeout_ms;
    Error *err;
} ChownFiber;

static void dac_chown_fiber(void *arg)
{
    ChownFiber *one = arg;

    (void)dac_chown(one->path, one->uid, one->gid, one->timeout_ms, &one->err);
}

bool dac_apply(const GPtrArray *list, uid_t uid, gid_t gid, uint64_t timeout_ms, Error **err)
{
    if (list->len == 0)
        return true;
    g_autofree ChownFiber *ones = g_new0(ChownFiber, list->len);
    for (guint i = 0; i < list->len; i++) {
        const DacItem *item = g_ptr_array_index(list, i);
        ones[i] =
            (ChownFiber){ .path = g_strdup(item->path), .uid = uid, .gid = gid, .timeout_ms = timeout_ms };
    }
    fiber_run_all("chown", dac_chown_fiber, ones, list->len, sizeof(ChownFiber));
    Error *first = NULL;
    for (guint i = 0; i < list->len; i++) {
        g_free(ones[i].path);
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
        (void)g_hash_table_remove(table->holders, item->path);
        ones[count++] = (ChownFiber){
            .path = g_strdup(item->path), .uid = item->uid, .gid = item->gid, .timeout_ms = timeout_ms
        };
    }
    g_ptr_array_set_size(list, 0);
    if (count > 0)
        fiber_run_all("chown", dac_chown_fiber, ones, count, sizeof(ChownFiber));
    for (size_t i = 0; i < count; i++) {
        if (ones[i].err && error_errno(ones[i].err) != ENOENT)
            log_warning_error(ones[i].err, "cannot give a file back to its owner");
        error_free(ones[i].err);
        g_free(ones[i].path);
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
