/* Repositories: opening, locks, packs and manifests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/repo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/pack.h"
#include "backup/repo_private.h"
#include "base/file.h"
#include "base/json.h"
#include "base/uuid.h"

#define FILE_LOCK "lock" /* of who adds or removes; says who it is */
#define FILE_USE "use"   /* shared by all, unless somebody removes */
#define FORMAT "lodge-backup"
#define MANIFEST_MAX_BYTES ((size_t)64 << 20)
#define SMALL_MAX_BYTES ((size_t)4096)
#define DAMAGED_MAX_BYTES ((size_t)64 << 20)

static const char *const folders[] = { REPO_BACKUPS, REPO_PACKS, REPO_TMP };

/* ---- made ---- */

bool repo_exists(const char *path)
{
    g_autofree char *marker = path_join(path, REPO_MARKER);

    return access(marker, F_OK) == 0;
}

static bool has_files(const char *path)
{
    g_autoptr(GPtrArray) names = NULL;

    return repo_list_dir(path, &names, NULL) && names->len > 0;
}

/* An interrupted repo_create() leaves these, empty. */
static bool check_empty(const char *path, Error **err)
{
    static const char *const ours[] = { REPO_BACKUPS, REPO_PACKS, REPO_TMP, NULL };
    g_autoptr(GPtrArray) names = NULL;

    if (!repo_list_dir(path, &names, err))
        return false;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *below = path_join(path, names->pdata[i]);
        if (!g_strv_contains(ours, names->pdata[i]) ||
            (has_files(below) && strcmp(names->pdata[i], REPO_TMP))) {
            error_set(err, ERROR_OPERATION_FAILED, "folder '%s' is no repository of backups, and not empty",
                      path);
            return error_hint(err, "name a folder that is a repository, is empty, or is not there");
        }
    }
    return true;
}

bool repo_create(const char *path, Error **err)
{
    char id[UUID_STRING_LEN];
    Uuid uuid;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make folder '%s'", path);
    if (!check_empty(path, err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *folder = path_join(path, folders[i]);
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return error_set_errno(err, errno, "cannot make folder '%s'", folder);
    }
    uuid_generate(&uuid);
    uuid_format(&uuid, id);
    AUTO_JSON marker = json_pack("{s:s, s:i, s:s, s:i}", "format", FORMAT, "version", REPO_VERSION, "id", id,
                                 "chunk_bytes", (int)CHUNK_BYTES);
    g_autofree char *text = json_format_pretty(marker), *tmp = path_join(path, REPO_TMP);
    return repo_put_file(tmp, path, REPO_MARKER, text, strlen(text), err);
}

/* ---- opened ---- */

static bool read_marker(Repo *repo, Error **err)
{
    g_autofree char *path = path_join(repo->path, REPO_MARKER), *text = NULL;
    AUTO_JSON marker = NULL;
    Uuid uuid;
    size_t len = 0;

    if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        error_set(err, ERROR_OPERATION_FAILED, "'%s' is no repository of backups", repo->path);
        return error_hint(err, "'lodge backup create MACHINE FOLDER' makes one");
    }
    if (!repo_read_file(path, SMALL_MAX_BYTES, &text, &len, err) ||
        !json_parse(text, len, "the marker", &marker, err))
        return error_prefix(err, "repository '%s'", repo->path);
    const uint64_t version = json_get_uint(marker, "version", 0);
    if (g_strcmp0(json_get_str(marker, "format"), FORMAT) != 0 || !version)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' does not say that it is a repository of backups",
                         path);
    if (version != REPO_VERSION || json_get_uint(marker, "chunk_bytes", 0) != CHUNK_BYTES) {
        error_set(err, ERROR_OPERATION_FAILED,
                  "repository '%s' has version %" G_GUINT64_FORMAT
                  " of the format, and this lodge knows version %d only",
                  repo->path, version, REPO_VERSION);
        return error_hint(err, "a newer lodge made it");
    }
    if (!uuid_parse(json_get_str(marker, "id"), &uuid, err))
        return error_prefix(err, "repository '%s'", repo->path);
    repo->id = g_strndup(json_get_str(marker, "id"), 8);
    return true;
}

/* -1 without an error: there is no lock here, and none can be made. */
static bool take_lock(const Repo *repo, const char *name, int operation, int *ret_fd, Error **err)
{
    const bool reads = operation == LOCK_SH;
    g_autofree char *path = path_join(repo->path, name), *lock = path_join(repo->path, FILE_LOCK),
                    *who = NULL;
    AUTO_FD fd = open(path, (reads ? O_RDONLY : O_RDWR) | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len = 0;

    if (fd < 0 && reads) /* on a medium that nobody can write to, nobody does */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && reads && (errno == ENOENT || errno == EROFS))
        return true;
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    if (flock(fd, operation | LOCK_NB) == 0) {
        *ret_fd = fd_steal(&fd);
        return true;
    }
    if (errno != EWOULDBLOCK)
        return error_set_errno(err, errno, "cannot lock '%s'", path);
    if (operation == LOCK_EX && strcmp(name, FILE_USE) == 0) {
        error_set(err, ERROR_BUSY, "repository '%s' is being read, so nothing can be removed from it",
                  repo->path);
        return error_hint(err, "wait until restores and mounts have ended");
    }
    if (!repo_read_file(lock, SMALL_MAX_BYTES, &who, &len, NULL) || !len)
        return error_set(err, ERROR_BUSY, "repository '%s' is in use", repo->path);
    return error_set(err, ERROR_BUSY, "repository '%s' is in use: %s", repo->path, g_strchomp(who));
}

static bool take_locks(Repo *repo, const char *doing, Error **err)
{
    if (repo->use != REPO_READ) {
        if (!take_lock(repo, FILE_LOCK, LOCK_EX, &repo->lock_fd, err))
            return false;
        g_autofree char *who =
            g_strdup_printf("%s, process %d on host '%s'\n", doing, (int)getpid(), g_get_host_name());
        /* Only words for others: the lock itself is the kernel's. */
        if (ftruncate(repo->lock_fd, 0) == 0)
            (void)!pwrite(repo->lock_fd, who, strlen(who), 0);
    }
    return take_lock(repo, FILE_USE, repo->use == REPO_REMOVE ? LOCK_EX : LOCK_SH, &repo->use_fd, err);
}

bool repo_open(const char *path, RepoUse use, const char *doing, Repo **ret_repo, Error **err)
{
    g_autoptr(Repo) repo = g_new0(Repo, 1);

    repo->path = g_strdup(path);
    repo->use = use;
    repo->lock_fd = repo->use_fd = -1;
    g_mutex_init(&repo->files_lock);
    if (!read_marker(repo, err) || !take_locks(repo, doing, err) ||
        (use != REPO_READ && !repo_sweep(repo, err)))
        return false;
    *ret_repo = g_steal_pointer(&repo);
    return true;
}

static void pack_free(void *data)
{
    RepoPack *pack = data;

    if (pack->fd >= 0)
        (void)close(pack->fd);
    g_free(pack->name);
    g_free(pack);
}

void repo_close(Repo *repo)
{
    if (!repo)
        return;
    if (repo->packs)
        g_ptr_array_unref(repo->packs);
    if (repo->damage)
        g_ptr_array_unref(repo->damage);
    chunk_index_free(repo->index);
    fd_cleanup(&repo->use_fd);
    if (repo->lock_fd >= 0)
        (void)!ftruncate(repo->lock_fd, 0);
    fd_cleanup(&repo->lock_fd);
    g_mutex_clear(&repo->files_lock);
    g_free(repo->path);
    g_free(repo->id);
    g_free(repo);
}

const char *repo_path(const Repo *repo)
{
    return repo->path;
}

const char *repo_id(const Repo *repo)
{
    return repo->id;
}

/* ---- packs ---- */

static char *pack_path(const Repo *repo, const RepoPack *pack)
{
    g_autofree char *file = g_strconcat(pack->name, PACK_SUFFIX, NULL);

    return path_join(repo->path, REPO_PACKS, file);
}

static RepoPack *pack_at(const Repo *repo, uint32_t number)
{
    return g_ptr_array_index(repo->packs, number);
}

/* "PACK HASH" of places that are known to be damaged. */
static bool read_damaged(const Repo *repo, GHashTable **ret_lines, Error **err)
{
    g_autofree char *path = path_join(repo->path, REPO_DAMAGED), *text = NULL;
    g_autoptr(GHashTable) lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    size_t len = 0;

    if (access(path, F_OK) == 0 && !repo_read_file(path, DAMAGED_MAX_BYTES, &text, &len, err))
        return false;
    g_auto(GStrv) parts = g_strsplit(text ? text : "", "\n", -1);
    for (char **part = parts; *part; part++)
        if (**part)
            g_hash_table_add(lines, g_strdup(*part));
    *ret_lines = g_steal_pointer(&lines);
    return true;
}

static char *damaged_line(const RepoPack *pack, const Hash *hash)
{
    char text[HASH_TEXT_LEN];

    hash_format(hash, text);
    return g_strdup_printf("%s %s", pack->name, text);
}

static void load_pack(Repo *repo, RepoPack *pack, GHashTable *damaged)
{
    g_autofree char *path = pack_path(repo, pack);
    g_autoptr(GArray) entries = NULL;
    g_autoptr(Error) err = NULL;
    PackHealth health = PACK_GOOD;
    struct stat info;
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &info) < 0) {
        g_ptr_array_add(repo->damage, g_strdup_printf("cannot read pack '%s': %s", path, strerror(errno)));
        return;
    }
    if (!pack_read_table(fd, pack->name, &entries, &health, &err)) {
        g_ptr_array_add(repo->damage, g_strdup(error_message(err)));
        return;
    }
    if (health != PACK_GOOD)
        g_ptr_array_add(repo->damage,
                        g_strdup_printf("the table of pack '%s' is damaged: %u chunks were found "
                                        "by walking the pack",
                                        path, entries->len));
    pack->size = (uint64_t)info.st_size;
    pack->state = health == PACK_GOOD ? REPO_PACK_GOOD : REPO_PACK_WALKED;
    for (guint i = 0; i < entries->len; i++) {
        const PackEntry *entry = &g_array_index(entries, PackEntry, i);
        const ChunkPlace place = { .hash = entry->hash,
                                   .offset = entry->offset,
                                   .stored = entry->stored,
                                   .len = entry->len,
                                   .pack = repo->packs->len - 1 };
        g_autofree char *line = g_hash_table_size(damaged) ? damaged_line(pack, &entry->hash) : NULL;
        if (line && g_hash_table_contains(damaged, line))
            pack->state = MAX(pack->state, REPO_PACK_NOTED);
        else
            (void)chunk_index_add(repo->index, &place); /* of two that are equal, one serves */
    }
}

bool repo_load(Repo *repo, Error **err)
{
    g_autofree char *dir = path_join(repo->path, REPO_PACKS);
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GHashTable) damaged = NULL;

    if (repo->packs)
        return true;
    if (!repo_list_dir(dir, &names, err) || !read_damaged(repo, &damaged, err))
        return false;
    repo->packs = g_ptr_array_new_with_free_func(pack_free);
    repo->damage = g_ptr_array_new_with_free_func(g_free);
    repo->index = chunk_index_new();
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        Hash hash;
        if (!g_str_has_suffix(name, PACK_SUFFIX))
            continue;
        RepoPack *pack = g_new0(RepoPack, 1);
        pack->name = g_strndup(name, strlen(name) - strlen(PACK_SUFFIX));
        pack->fd = -1;
        pack->state = REPO_PACK_UNREAD;
        if (!hash_parse(pack->name, &hash)) {
            g_ptr_array_add(repo->damage, g_strdup_printf("'%s/%s' is no pack", dir, name));
            pack_free(pack);
            continue;
        }
        g_ptr_array_add(repo->packs, pack);
        load_pack(repo, pack, damaged);
    }
    return true;
}

const ChunkIndex *repo_index(const Repo *repo)
{
    return repo->index;
}

const GPtrArray *repo_damage(const Repo *repo)
{
    return repo->damage;
}

unsigned repo_n_packs(const Repo *repo)
{
    return repo->packs->len;
}

const char *repo_pack_name(const Repo *repo, uint32_t pack)
{
    return pack_at(repo, pack)->name;
}

uint64_t repo_pack_size(const Repo *repo, uint32_t pack)
{
    return pack_at(repo, pack)->size;
}

RepoPackState repo_pack_state(const Repo *repo, uint32_t pack)
{
    return pack_at(repo, pack)->state;
}

bool repo_remove_pack(Repo *repo, uint32_t pack, Error **err)
{
    g_autofree char *path = pack_path(repo, pack_at(repo, pack));

    return unlink(path) == 0 || errno == ENOENT || error_set_errno(err, errno, "cannot remove '%s'", path);
}

/* Few packs stay open: a repository may have more of them than a process may have files. */
static int pack_acquire(Repo *repo, RepoPack *pack, Error **err)
{
    g_mutex_lock(&repo->files_lock);
    if (pack->fd < 0) {
        for (guint i = 0; i < repo->packs->len && repo->n_open >= REPO_OPEN_PACKS; i++) {
            RepoPack *other = pack_at(repo, i);
            if (other->fd >= 0 && !other->in_use) {
                fd_cleanup(&other->fd);
                repo->n_open--;
            }
        }
        g_autofree char *path = pack_path(repo, pack);
        pack->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (pack->fd < 0)
            error_set_errno(err, errno, "cannot read pack '%s'", path);
        else
            repo->n_open++;
    }
    const int fd = pack->fd;
    if (fd >= 0)
        pack->in_use++;
    g_mutex_unlock(&repo->files_lock);
    return fd;
}

static void pack_release(Repo *repo, RepoPack *pack)
{
    g_mutex_lock(&repo->files_lock);
    pack->in_use--;
    g_mutex_unlock(&repo->files_lock);
}

bool repo_check_pack(Repo *repo, uint32_t number, bool *ret_good, uint64_t *ret_bytes, Error **err)
{
    RepoPack *pack = pack_at(repo, number);
    const int fd = pack_acquire(repo, pack, err);

    if (fd < 0)
        return false;
    const bool ok =
        pack_check_sum(fd, ret_good, ret_bytes, err) || error_prefix(err, "pack '%s'", pack->name);
    pack_release(repo, pack);
    return ok;
}

bool repo_read_frame(Repo *repo, const ChunkPlace *place, void *frame, Error **err)
{
    RepoPack *pack = pack_at(repo, place->pack);
    const int fd = pack_acquire(repo, pack, err);
    size_t done = 0;
    ssize_t n = 1;

    if (fd < 0)
        return false;
    while (done < place->stored && n > 0) {
        n = pread(fd, (char *)frame + done, place->stored - done, (off_t)(place->offset + done));
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            done += (size_t)n;
    }
    if (n < 0)
        error_set_errno(err, errno, "cannot read pack '%s' at %" G_GUINT64_FORMAT, pack->name, place->offset);
    else if (done < place->stored)
        error_set(err, ERROR_OPERATION_FAILED, "pack '%s' is cut off", pack->name);
    pack_release(repo, pack);
    return done == place->stored;
}

bool repo_read_chunk(Repo *repo, ChunkCodec *codec, const Hash *hash, void *data, size_t *ret_len,
                     Error **err)
{
    const ChunkPlace *place = chunk_index_find(repo->index, hash);
    void *frame = chunk_codec_room(codec);
    char text[HASH_TEXT_LEN];
    const char *why = NULL;

    hash_format(hash, text);
    if (!place)
        return error_set(err, ERROR_OPERATION_FAILED, "no pack has chunk %s", text);
    if (!repo_read_frame(repo, place, frame, err))
        return error_prefix(err, "chunk %s", text);
    if (!chunk_expand(codec, frame, place->stored, hash, data, place->len, &why))
        return error_set(err, ERROR_OPERATION_FAILED,
                         "chunk %s is damaged in " REPO_PACKS "/%s" PACK_SUFFIX " at %" G_GUINT64_FORMAT
                         ": %s",
                         text, pack_at(repo, place->pack)->name, place->offset, why);
    *ret_len = place->len;
    return true;
}

bool repo_note_damaged(Repo *repo, const GArray *numbers, Error **err)
{
    g_autoptr(GHashTable) lines = NULL, packs = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *tmp = path_join(repo->path, REPO_TMP);
    GHashTableIter iter;
    void *line = NULL;

    if (!read_damaged(repo, &lines, err))
        return false;
    for (guint i = 0; i < repo->packs->len; i++)
        g_hash_table_add(packs, pack_at(repo, i)->name);
    for (guint i = 0; i < numbers->len; i++) {
        const ChunkPlace *place = chunk_index_at(repo->index, g_array_index(numbers, uint32_t, i));
        g_hash_table_add(lines, damaged_line(pack_at(repo, place->pack), &place->hash));
    }
    g_hash_table_iter_init(&iter, lines);
    while (g_hash_table_iter_next(&iter, &line, NULL)) {
        g_autofree char *name = g_strndup(line, strcspn(line, " "));
        if (g_hash_table_contains(packs, name)) /* else it went with its pack */
            g_string_append_printf(text, "%s\n", (const char *)line);
    }
    return repo_put_file(tmp, repo->path, REPO_DAMAGED, text->str, text->len, err);
}

/* ---- manifests ---- */

char *repo_manifest_name(const char *id, const char *text, size_t len)
{
    char digits[HASH_TEXT_LEN];
    Hash hash;

    hash_of(text, len, &hash);
    hash_format(&hash, digits);
    return g_strdup_printf("%s.%s.json", id, digits);
}

char *repo_manifest_id(const char *name)
{
    static const char suffix[] = ".json";
    const size_t tail = 1 + HASH_TEXT_LEN - 1 + strlen(suffix), len = strlen(name);
    Hash hash;

    if (len <= tail || !g_str_has_suffix(name, suffix) || name[len - tail] != '.' || name[0] == '.')
        return NULL;
    g_autofree char *digits = g_strndup(name + len - tail + 1, HASH_TEXT_LEN - 1);
    return hash_parse(digits, &hash) ? g_strndup(name, len - tail) : NULL;
}

bool repo_list(Repo *repo, GPtrArray **ret_names, Error **err)
{
    g_autofree char *dir = path_join(repo->path, REPO_BACKUPS);
    g_autoptr(GPtrArray) names = NULL;

    if (!repo_list_dir(dir, &names, err))
        return false;
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *id = repo_manifest_id(names->pdata[i]);
        if (id)
            g_ptr_array_add(found, g_strdup(names->pdata[i]));
    }
    *ret_names = found;
    return true;
}

bool repo_read_manifest(Repo *repo, const char *name, char **ret_text, size_t *ret_len, Error **err)
{
    g_autofree char *path = path_join(repo->path, REPO_BACKUPS, name), *text = NULL;
    g_autofree char *id = repo_manifest_id(name);
    size_t len = 0;

    if (!repo_read_file(path, MANIFEST_MAX_BYTES, &text, &len, err))
        return false;
    g_autofree char *right = repo_manifest_name(id ? id : "", text, len);
    if (strcmp(right, name) != 0)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "the manifest of backup '%s' is damaged: the SHA-256 of '%s' is not what its name "
                         "says",
                         id ? id : name, path);
    *ret_text = g_steal_pointer(&text);
    *ret_len = len;
    return true;
}

bool repo_remove_manifest(Repo *repo, const char *name, Error **err)
{
    g_autofree char *dir = path_join(repo->path, REPO_BACKUPS), *path = path_join(dir, name);

    if (unlink(path) < 0 && errno != ENOENT)
        return error_set_errno(err, errno, "cannot remove '%s'", path);
    return repo_sync_dir(dir, err);
}
