/* Probed capabilities are kept in memory and, as JSON, in the cache directory.
 *
 * What a probe finds depends on more than the binary: its modules, the firmware descriptors, the kernel, the
 * CPU with its microcode, and whether /dev/kvm works. All of that is written into one text, the key; a cached
 * result counts only while the key of the moment is the same. A damaged or foreign file is simply probed
 * again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "qemu_caps"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <inttypes.h>
#include <malloc.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "qemu/firmware.h"
#include "qemu/qemu_caps_private.h"

#define CACHE_MAX_BYTES (8u << 20)
#define CACHE_STAT_MS 10000
#define CACHE_SHARE_MS 60000 /* twice the deadline of a probe */
/* So long a key counts without another look: a call asks more than once, and calls come in bursts. */
#define CACHE_FRESH_MS 1000

typedef struct CacheEntry {
    QemuCaps *caps;
    uint64_t checked_ms; /* when the key of caps was last seen to hold */
    bool is_busy;        /* a fiber loads or probes */
    unsigned generation;
    Error *failure; /* of the last round */
    WaitQueue waiters;
} CacheEntry;

struct QemuCapsCache {
    char *dir;
    QemuProbeUser user;
    char *host_key;      /* kernel and CPU: fixed while we run */
    GHashTable *entries; /* binary -> CacheEntry */
};

static void cache_entry_free(CacheEntry *entry)
{
    wait_queue_clear(&entry->waiters);
    qemu_caps_unref(entry->caps);
    error_free(entry->failure);
    g_free(entry);
}

/* "AuthenticAMD ... microcode" of the first CPU. */
static void cache_append_cpu(GString *key)
{
    static const char *const wanted[] = { "vendor_id", "cpu family", "model", "stepping", "microcode", NULL };
    g_autofree char *text = file_read_kernel("/proc/cpuinfo");
    for (char *line = text, *next; line && *line && *line != '\n'; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        if (g_strv_contains(wanted, g_strchomp(line)))
            g_string_append_printf(key, "%s\n", g_strstrip(colon + 1));
    }
}

static char *cache_host_key(void)
{
    GString *key = g_string_new(NULL);
    struct utsname name;
    if (uname(&name) == 0)
        g_string_append_printf(key, "%s %s\n", name.release, name.version);
    cache_append_cpu(key);
    return g_string_free(key, FALSE);
}

static void cache_find_groups(QemuProbeUser *user)
{
    const struct passwd *account = getpwuid(user->uid);
    int count = 64;
    gid_t groups[64];
    if (!account || getgrouplist(account->pw_name, user->gid, groups, &count) < 0) {
        count = 1;
        groups[0] = user->gid;
    }
    user->groups = g_memdup2(groups, (size_t)count * sizeof(gid_t));
    user->n_groups = (size_t)count;
}

QemuCapsCache *qemu_caps_cache_new(const char *cache_dir, uid_t uid, gid_t gid)
{
    QemuCapsCache *cache = g_new0(QemuCapsCache, 1);
    cache->dir = g_strdup(cache_dir);
    cache->user = (QemuProbeUser){ .set = geteuid() == 0 && uid != 0, .uid = uid, .gid = gid };
    if (cache->user.set)
        cache_find_groups(&cache->user);
    cache->host_key = cache_host_key();
    cache->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)cache_entry_free);
    return cache;
}

void qemu_caps_cache_free(QemuCapsCache *cache)
{
    if (!cache)
        return;
    g_hash_table_destroy(cache->entries);
    g_free(cache->user.groups);
    g_free(cache->host_key);
    g_free(cache->dir);
    g_free(cache);
}

/* ---- the key ---- */

/* The emulator may lie on storage that hangs, so it is looked at by a worker. */
typedef struct CacheLook {
    char *binary;
    int errnum;
    struct stat st;
    bool kvm_usable;
    GString *modules;
} CacheLook;

static void cache_look_free(void *data)
{
    CacheLook *look = data;
    g_free(look->binary);
    g_string_free(look->modules, TRUE);
    g_free(look);
}

/* Devices may sit in modules of their own packages, so their directories tell of changes too. */
static void cache_look_at_modules(GString *out)
{
    static const char *const patterns[] = { "/usr/lib/*-linux-*/qemu", "/usr/lib/qemu", "/usr/lib64/qemu" };
    for (size_t p = 0; p < G_N_ELEMENTS(patterns); p++) {
        glob_t found;
        if (glob(patterns[p], 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct stat st;
            if (stat(found.gl_pathv[i], &st) == 0)
                g_string_append_printf(out, " %lld.%ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        }
        globfree(&found);
    }
}

static void cache_look_work(void *data)
{
    CacheLook *look = data;
    if (stat(look->binary, &look->st) < 0) {
        look->errnum = errno;
        return;
    }
    if (!S_ISREG(look->st.st_mode) || access(look->binary, X_OK) < 0) {
        look->errnum = EACCES;
        return;
    }
    AUTO_FD kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC | O_NOCTTY);
    look->kvm_usable = kvm >= 0;
    cache_look_at_modules(look->modules);
}

AWAITS static bool cache_make_key(const QemuCapsCache *cache, const char *binary, bool *ret_kvm_usable,
                                  char **ret_key, Error **err)
{
    CacheLook *look = g_new0(CacheLook, 1);
    look->binary = g_strdup(binary);
    look->modules = g_string_new(NULL);
    if (!worker_run(worker_lane_for_path(binary), cache_look_work, look, cache_look_free, CACHE_STAT_MS, err))
        return error_prefix(err, "looking for '%s'", binary);
    int errnum = look->errnum;
    g_autofree char *firmware = firmware_stamp();
    char *key = errnum
                    ? NULL
                    : g_strdup_printf("%d " LODGE_VERSION " %" PRIx64 "\n%s %lld.%ld %lld\nkvm %d\nuser %u "
                                      "%u\nmodules%s\nfirmware%s\n%s",
                                      QEMU_CAPS_FORMAT, qemu_caps_probe_signature(), binary,
                                      (long long)look->st.st_mtim.tv_sec, look->st.st_mtim.tv_nsec,
                                      (long long)look->st.st_size, look->kvm_usable,
                                      cache->user.set ? cache->user.uid : geteuid(),
                                      cache->user.set ? cache->user.gid : getegid(), look->modules->str,
                                      firmware, cache->host_key);
    *ret_kvm_usable = look->kvm_usable;
    cache_look_free(look);
    if (!key && errnum == ENOENT)
        return error_set_errno(err, errnum, "Cannot check QEMU binary %s", binary);
    if (!key)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "emulator '%s' %s", binary,
                         errnum == EACCES ? "is not an executable file" : g_strerror(errnum));
    *ret_key = key;
    return true;
}

/* ---- the file ---- */

static char *cache_file_path(const QemuCapsCache *cache, const char *binary)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, binary, -1);
    g_autofree char *name = g_strdup_printf("qemu-%.32s.json", sum);
    return path_join(cache->dir, name);
}

/* NULL if there is none that counts. */
AWAITS static QemuCaps *cache_load(const char *path, const char *key)
{
    g_autofree char *text = NULL;
    size_t len;
    g_autoptr(Error) err = NULL;
    AUTO_JSON document = NULL;
    QemuCaps *caps = NULL;
    if (!file_read(path, CACHE_MAX_BYTES, &text, &len, &err)) {
        if (error_errno(err) != ENOENT)
            log_warning_error(err, "cached capabilities");
        return NULL;
    }
    if (!json_parse(text, len, path, &document, &err)) {
        log_warning_error(err, "cached capabilities are damaged, QEMU is asked again");
        return NULL;
    }
    if (g_strcmp0(json_get_str(document, "key"), key) != 0)
        return NULL;
    if (!qemu_caps_from_document(document, &caps, &err))
        log_warning_error(err, "cached capabilities are damaged, QEMU is asked again");
    return caps;
}

/* A cache that cannot be written costs time at the next start and nothing else. */
AWAITS static void cache_save(const QemuCapsCache *cache, const char *path, const Json *document)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *text = json_format(document);
    if (!file_make_dirs(cache->dir, 0755, &err) || !file_replace(path, text, strlen(text), 0600, &err))
        log_warning_error(err, "saving QEMU's capabilities");
}

AWAITS static bool cache_probe(const QemuCapsCache *cache, const char *binary, const char *key,
                               bool kvm_usable, QemuCaps **ret_caps, Error **err)
{
    g_autofree char *path = cache_file_path(cache, binary);
    AUTO_JSON document = NULL;
    *ret_caps = cache_load(path, key);
    if (*ret_caps)
        return true;
    if (!qemu_caps_probe(binary, &cache->user, kvm_usable, &document, err))
        return false;
    json_object_set_new(document, "key", json_string(key));
    if (!qemu_caps_from_document(document, ret_caps, err))
        return false;
    cache_save(cache, path, document);
    return true;
}

/* ---- sharing ---- */

static CacheEntry *cache_entry(QemuCapsCache *cache, const char *binary)
{
    CacheEntry *entry = g_hash_table_lookup(cache->entries, binary);
    if (!entry) {
        entry = g_new0(CacheEntry, 1);
        wait_queue_init(&entry->waiters);
        g_hash_table_insert(cache->entries, g_strdup(binary), entry);
    }
    return entry;
}

/* Does the work while others wait. */
AWAITS static bool cache_refresh(QemuCapsCache *cache, CacheEntry *entry, const char *binary, const char *key,
                                 bool kvm_usable, Error **err)
{
    QemuCaps *caps = NULL;
    Error *failure = NULL;
    entry->is_busy = true;
    bool ok = cache_probe(cache, binary, key, kvm_usable, &caps, &failure);
    (void)malloc_trim(0); /* the document was a megabyte or two; the daemon is long-lived and small */
    entry->is_busy = false;
    entry->generation++;
    g_clear_pointer(&entry->failure, error_free);
    if (ok) {
        qemu_caps_unref(entry->caps);
        entry->caps = caps;
        entry->checked_ms = loop_now_ms();
    } else if (error_code(failure) != ERROR_CANCELLED) { /* our client left; the next one tries itself */
        entry->failure = error_copy(failure);
    }
    wait_queue_wake_all(&entry->waiters);
    return ok ? true : error_propagate(err, failure);
}

bool qemu_caps_get(QemuCapsCache *cache, const char *binary, QemuCaps **ret_caps, Error **err)
{
    if (!g_path_is_absolute(binary))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "emulator '%s' is not an absolute path", binary);
    for (;;) {
        bool kvm_usable = false;
        g_autofree char *key = NULL;
        CacheEntry *entry = g_hash_table_lookup(cache->entries, binary);
        if (entry && entry->caps && loop_now_ms() - entry->checked_ms < CACHE_FRESH_MS) {
            *ret_caps = qemu_caps_ref(entry->caps);
            return true;
        }
        if (!cache_make_key(cache, binary, &kvm_usable, &key, err))
            return false;
        entry = cache_entry(cache, binary);
        if (entry->caps && strcmp(entry->caps->key, key) == 0) {
            entry->checked_ms = loop_now_ms();
            *ret_caps = qemu_caps_ref(entry->caps);
            return true;
        }
        if (!entry->is_busy) {
            if (!cache_refresh(cache, entry, binary, key, kvm_usable, err))
                return false;
            *ret_caps = qemu_caps_ref(entry->caps);
            return true;
        }
        unsigned generation = entry->generation;
        if (!wait_queue_wait(&entry->waiters, CACHE_SHARE_MS, err))
            return false;
        if (entry->generation != generation && entry->failure)
            return error_propagate(err, error_copy(entry->failure));
    }
}

/* ---- which binaries ---- */

/* In the order in which they are listed to clients. */
static const struct {
    const char *arch, *binary, *package;
} cache_arches[] = {
    { "alpha", "alpha", "misc" },
    { "armv7l", "arm", "arm" },
    { "aarch64", "aarch64", "arm" },
    { "i686", "i386", "x86" },
    { "loongarch64", "loongarch64", "misc" },
    { "m68k", "m68k", "misc" },
    { "mips", "mips", "mips" },
    { "mipsel", "mipsel", "mips" },
    { "mips64", "mips64", "mips" },
    { "mips64el", "mips64el", "mips" },
    { "ppc", "ppc", "ppc" },
    { "ppc64", "ppc64", "ppc" },
    { "ppc64le", "ppc64", "ppc" },
    { "riscv32", "riscv32", "misc" },
    { "riscv64", "riscv64", "misc" },
    { "s390x", "s390x", "misc" },
    { "sparc", "sparc", "sparc" },
    { "sparc64", "sparc64", "sparc" },
    { "x86_64", "x86_64", "x86" },
};

static char *cache_find_binary(const char *name)
{
    static const char *const dirs[] = { "/usr/bin", "/usr/local/bin" };
    for (size_t d = 0; d < G_N_ELEMENTS(dirs); d++) {
        g_autofree char *path = g_strconcat(dirs[d], "/qemu-system-", name, NULL);
        if (access(path, X_OK) == 0) /* on the system's own disk */
            return g_steal_pointer(&path);
    }
    /* The 64-bit emulator runs 32-bit machines as well. */
    return strcmp(name, "i386") == 0 ? cache_find_binary("x86_64") : NULL;
}

static const char *cache_host_arch(void)
{
    static struct utsname name;
    if (!name.machine[0] && uname(&name) < 0)
        return "x86_64";
    return name.machine;
}

bool qemu_caps_get_default(QemuCapsCache *cache, const char *arch, QemuCaps **ret_caps, Error **err)
{
    const char *wanted = arch ? arch : cache_host_arch();
    for (size_t i = 0; i < G_N_ELEMENTS(cache_arches); i++) {
        if (strcmp(cache_arches[i].arch, wanted) != 0)
            continue;
        g_autofree char *path = cache_find_binary(cache_arches[i].binary);
        if (path)
            return qemu_caps_get(cache, path, ret_caps, err);
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "unable to find any emulator to serve '%s' architecture",
                  wanted);
        return error_hint(err, "install the package qemu-system-%s", cache_arches[i].package);
    }
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unable to find any emulator to serve '%s' architecture",
                     wanted);
}

GPtrArray *qemu_caps_list_binaries(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(cache_arches); i++) {
        char *path = cache_find_binary(cache_arches[i].binary);
        if (!path)
            continue;
        g_ptr_array_add(list, g_strdup(cache_arches[i].arch));
        g_ptr_array_add(list, path);
    }
    return list;
}
