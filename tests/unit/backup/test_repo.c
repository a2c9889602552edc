/* Repositories: what is added, interrupted, damaged, cleaned. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <glib/gstdio.h>

#include "backup/disk.h"
#include "backup/prune.h"
#include "backup/verify.h"

#define DISK_BYTES ((size_t)3 * 1024 * 1024 + 4096)

static char folder[64], path[80];

static void begin(void)
{
    g_autoptr(Error) err = NULL;

    g_strlcpy(folder, "/tmp/test-repo-XXXXXX", sizeof(folder));
    check(g_mkdtemp(folder) != NULL);
    g_snprintf(path, sizeof(path), "%s/r", folder);
    check_ok(repo_create(path, &err), err);
}

static void end(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf %s", folder);

    check(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}

static Repo *open_repo(RepoUse use)
{
    g_autoptr(Error) err = NULL;
    Repo *repo = NULL;

    check_ok(repo_open(path, use, "test", &repo, &err) && repo_load(repo, &err), err);
    return repo;
}

/* Content that differs by @seed in its first @changed chunks; every fourth chunk is zeroes. */
static uint8_t *content(unsigned seed, unsigned changed)
{
    uint8_t *data = g_malloc0(DISK_BYTES);

    for (size_t at = 0; at < DISK_BYTES; at += CHUNK_BYTES) {
        const size_t chunk = at / CHUNK_BYTES;
        g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)(chunk + (chunk < changed ? seed * 1000 : 0)));
        for (size_t i = at; chunk % 4 != 3 && i < MIN(at + CHUNK_BYTES, DISK_BYTES); i++)
            data[i] = (uint8_t)g_rand_int(rand);
    }
    return data;
}

/* A backup whose one file is that. */
static bool add(const char *id, unsigned seed, unsigned changed, bool commit)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Repo) repo = open_repo(REPO_WRITE);
    g_autoptr(Manifest) manifest = manifest_new();
    g_autofree uint8_t *data = content(seed, changed);
    RepoAddition *addition = NULL;

    manifest->id = g_strdup(id);
    manifest->machine = g_strdup("m");
    manifest->host = g_strdup("h");
    manifest->definition = g_strdup("<domain/>");
    manifest->uuid = g_strdup("12345678-1234-1234-1234-123456789abc");
    manifest->created_s = seed + 1;
    check_ok(repo_add_begin(repo, &addition, &err), err);
    ManifestFile *file = manifest_add_file(manifest, "nvram", "nvram");
    check_ok(file_store(addition, 1, data, DISK_BYTES, file, &err), err);
    g_autofree char *text = manifest_format(manifest);
    if (commit)
        check_ok(repo_add_commit(addition, id, text, &err), err);
    repo_add_end(addition);
    return true;
}

static void check_content(const char *id, unsigned seed, unsigned changed)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Repo) repo = open_repo(REPO_READ);
    g_autoptr(Manifest) manifest = NULL;
    g_autofree uint8_t *expected = content(seed, changed);
    g_autofree void *data = NULL;
    size_t len = 0;

    check_ok(manifest_find(repo, id, &manifest, &err), err);
    check_ok(file_fetch(repo, manifest_file_at(manifest, 0), &data, &len, &err), err);
    check_eq(len, DISK_BYTES);
    check(memcmp(data, expected, len) == 0);
}

static unsigned count_files(const char *below)
{
    g_autofree char *dir_path = g_strdup_printf("%s/%s", path, below);
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    unsigned n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

static unsigned verify_as(VerifyScope scope, unsigned *ret_damaged)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Repo) repo = open_repo(REPO_READ);
    g_autoptr(GPtrArray) all = NULL, damage = NULL;
    g_auto(VerifyResult) result = { 0 };

    check_ok(manifest_load_all(repo, &all, &damage, &err), err);
    check_ok(verify_run(repo, all, scope, NULL, &result, &err), err);
    if (result.bad->len)
        check_ok(repo_note_damaged(repo, result.bad, &err), err);
    *ret_damaged = result.damaged->len + damage->len;
    return result.problems->len;
}

/* All ways of looking find the same backups; *ret_damaged: how many. Problems of the last, which tells chunks
 * alone. */
static unsigned verify(unsigned *ret_damaged)
{
    unsigned by_sum = 0;

    (void)verify_as(VERIFY_PACKS, &by_sum);
    const unsigned n = verify_as(VERIFY_CHUNKS, ret_damaged);
    check_eq(by_sum, *ret_damaged);
    return n;
}

static void prune(const char *kept_id)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Repo) repo = open_repo(REPO_REMOVE);
    g_autoptr(GPtrArray) names = NULL, all = NULL, damage = NULL;
    PruneResult result = { 0 };

    check_ok(repo_list(repo, &names, &err), err);
    for (guint i = 0; i < names->len; i++)
        if (!g_str_has_prefix(names->pdata[i], kept_id))
            check_ok(repo_remove_manifest(repo, names->pdata[i], &err), err);
    check_ok(manifest_load_all(repo, &all, &damage, &err), err);
    check_ok(prune_collect(repo, all, false, NULL, &result, &err), err);
}

/* A byte in the middle of the frame of some chunk changes. */
static void damage_a_pack(void)
{
    g_autofree char *dir_path = g_strdup_printf("%s/packs", path), *data = NULL;
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    g_autofree char *pack = g_strdup_printf("%s/%s", dir_path, g_dir_read_name(dir));
    size_t len = 0;

    check(g_file_get_contents(pack, &data, &len, NULL));
    data[70000] ^= 1;
    check(g_file_set_contents(pack, data, (gssize)len, NULL));
}

TEST(content_comes_back_and_is_stored_once)
{
    unsigned damaged = 0;

    begin();
    add("one", 1, 0, true);
    add("two", 2, 0, true);
    check_eq(count_files("packs"), 1);
    add("three", 3, 2, true);
    check_content("one", 1, 0);
    check_content("two", 2, 0);
    check_content("three", 3, 2);
    check_eq(count_files("packs"), 2);
    check_eq(verify(&damaged), 0);
    end();
}

TEST(an_addition_without_commit_leaves_nothing)
{
    begin();
    add("one", 1, 0, false);
    check_eq(count_files("packs") + count_files("backups") + count_files("tmp"), 0);
    end();
}

TEST(an_interrupted_commit_is_taken_back)
{
    unsigned damaged = 0;

    begin();
    add("one", 1, 0, true);
    /* As it is when the packs are in place, and the manifest is not. */
    g_autofree char *dir = g_strdup_printf("%s/tmp/add-123456", path),
                    *note = g_strdup_printf("%s/commit", dir);
    g_autofree char *pack = g_strdup_printf("%s/packs/abc.pack", path),
                    *stray = g_strdup_printf("%s/tmp/put-1", path);
    check_eq(g_mkdir(dir, 0700), 0);
    check(g_file_set_contents(note, "two.json\nabc.pack\n", -1, NULL));
    check(g_file_set_contents(pack, "x", -1, NULL));
    check(g_file_set_contents(stray, "x", -1, NULL));
    repo_close(open_repo(REPO_READ));
    check_eq(count_files("packs"), 2); /* who reads removes nothing */
    repo_close(open_repo(REPO_WRITE));
    check_eq(count_files("packs"), 1);
    check_eq(count_files("tmp"), 0);
    check_eq(verify(&damaged), 0);
    end();
}

TEST(one_writes_and_who_removes_is_alone)
{
    g_autoptr(Error) err = NULL;
    Repo *other = NULL;

    begin();
    Repo *writer = open_repo(REPO_WRITE);
    check(!repo_open(path, REPO_WRITE, "second", &other, &err));
    check_contains(error_message(err), "test, process");
    check_fails(false, err, ERROR_BUSY);
    Repo *reader = open_repo(REPO_READ);
    repo_close(writer);
    check_fails(repo_open(path, REPO_REMOVE, "third", &other, &err), err, ERROR_BUSY);
    repo_close(reader);
    Repo *remover = open_repo(REPO_REMOVE);
    check_fails(repo_open(path, REPO_READ, "fourth", &other, &err), err, ERROR_BUSY);
    repo_close(remover);
    end();
}

TEST(what_is_no_repository_is_refused)
{
    static const char *const markers[] = {
        "", "{", "{\"format\": \"lodge-backup\", \"version\": 2, \"chunk_bytes\": 65536}",
        "{\"format\": \"other\", \"version\": 1}", "[]"
    };
    g_autoptr(Error) err = NULL;
    Repo *repo = NULL;

    begin();
    check_fails(repo_open(folder, REPO_READ, "test", &repo, &err), err, ERROR_OPERATION_FAILED);
    check_fails(repo_open("/nonexistent", REPO_READ, "test", &repo, &err), err, ERROR_OPERATION_FAILED);
    check_fails(repo_create(folder, &err), err, ERROR_OPERATION_FAILED);
    g_autofree char *marker = g_strdup_printf("%s/" REPO_MARKER, path);
    for (size_t i = 0; i < G_N_ELEMENTS(markers); i++) {
        check_case(markers[i]);
        check(g_file_set_contents(marker, markers[i], -1, NULL));
        check(!repo_open(path, REPO_READ, "test", &repo, &err));
        g_clear_pointer(&err, error_free);
    }
    end();
}

TEST(damage_is_found_and_the_next_backup_makes_it_good)
{
    unsigned damaged = 0;

    begin();
    add("one", 1, 0, true);
    damage_a_pack();
    check_eq(verify(&damaged), 1);
    check_eq(damaged, 1);
    add("two", 2, 0, true);
    check_eq(verify(&damaged), 0);
    check_content("one", 1, 0);
    prune("two"); /* the damaged place goes, or stays in its pack: it is known */
    check_eq(verify(&damaged), 0);
    check_content("two", 2, 0);
    end();
}

TEST(damage_between_chunks_is_found_by_the_sum)
{
    unsigned damaged = 0;

    begin();
    add("one", 1, 0, true);
    g_autofree char *dir_path = g_strdup_printf("%s/packs", path), *data = NULL;
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    g_autofree char *pack = g_strdup_printf("%s/%s", dir_path, g_dir_read_name(dir));
    size_t len = 0;
    check(g_file_get_contents(pack, &data, &len, NULL));
    data[20] ^= 1; /* the hash in front of the first chunk */
    check(g_file_set_contents(pack, data, (gssize)len, NULL));
    check_eq(verify_as(VERIFY_PACKS, &damaged), 1);
    check_eq(damaged, 0);
    check_eq(verify_as(VERIFY_CHUNKS, &damaged), 0);
    check_content("one", 1, 0);
    end();
}

TEST(what_nobody_needs_goes_and_the_rest_stays)
{
    unsigned damaged = 0;

    begin();
    add("one", 1, 0, true);
    add("two", 2, 40, true); /* most of the first pack is of one alone */
    add("three", 3, 1, true);
    prune("two");
    check_eq(verify(&damaged), 0);
    check_content("two", 2, 40);
    check_eq(count_files("backups"), 1);
    check_eq(count_files("packs"), 2); /* that of two, and the rest of that of one */
    prune("two");
    check_eq(count_files("packs"), 2);
    prune("none");
    check_eq(count_files("packs"), 0);
    end();
}

TEST(a_manifest_that_changed_is_named)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *dir_path = NULL;
    Manifest *manifest = NULL;
    unsigned damaged = 0;

    begin();
    add("one", 1, 0, true);
    add("two", 2, 0, true);
    g_autoptr(Repo) repo = open_repo(REPO_READ);
    g_autoptr(GPtrArray) names = NULL;
    check_ok(repo_list(repo, &names, &err), err);
    dir_path = g_strdup_printf("%s/backups/%s", path, (char *)names->pdata[0]);
    check(g_file_set_contents(dir_path, "{}", -1, NULL));
    check(!manifest_find(repo, "one", &manifest, &err));
    check_contains(error_message(err), "the manifest of backup 'one' is damaged");
    check_fails(false, err, ERROR_OPERATION_FAILED);
    check_ok(manifest_find(repo, "two", &manifest, &err), err);
    manifest_free(manifest);
    check_fails(manifest_find(repo, "three", &manifest, &err), err, ERROR_INVALID_ARGUMENT);
    check_fails(manifest_find(repo, "", &manifest, &err), err, ERROR_INVALID_ARGUMENT);
    check_eq(verify(&damaged), 0);
    check_eq(damaged, 1);
    end();
}

TEST(an_index_finds_all_that_it_has)
{
    g_autoptr(ChunkIndex) index = chunk_index_new();

    for (uint32_t i = 0; i < 5000; i++) {
        ChunkPlace place = { .offset = i };
        hash_of(&i, sizeof(i), &place.hash);
        check(chunk_index_add(index, &place));
        check(!chunk_index_add(index, &place));
    }
    for (uint32_t i = 0; i < 6000; i++) {
        Hash hash;
        hash_of(&i, sizeof(i), &hash);
        const ChunkPlace *place = chunk_index_find(index, &hash);
        check_eq(place != NULL, i < 5000);
        check(!place || place->offset == i);
    }
}
