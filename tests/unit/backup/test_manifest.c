/* Manifests, and what is none. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "backup/manifest.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD                                                                                                 \
    "\"format\":\"lodge-backup-manifest\",\"version\":1,\"id\":\"i\",\"created_s\":5,\"host\":\"h\","        \
    "\"state\":"                                                                                             \
    "\"stopped\",\"machine\":{\"name\":\"m\",\"uuid\":\"12345678-1234-1234-1234-123456789abc\","             \
    "\"definition\":\"<d/>\"}"
#define DISK(target, size, map)                                                                              \
    "{" HEAD ",\"disks\":[{\"target\":" target ",\"format\":\"raw\",\"size\":" size ",\"map\":" map "}]}"
#define FILE_OF(name)                                                                                        \
    "{" HEAD ",\"files\":[{\"role\":\"tpm\",\"name\":" name ",\"size\":0,\"sha256\":\"" DIGITS               \
    "\",\"map\":[]}]}"

TEST(a_manifest_comes_back_as_it_was_written)
{
    g_autoptr(Manifest) manifest = manifest_new(), again = NULL;
    g_autoptr(Error) err = NULL;
    Hash hash;

    check(hash_parse(DIGITS, &hash));
    manifest->id = manifest_make_id(1795745700123);
    manifest->machine = g_strdup("web ä");
    manifest->uuid = g_strdup("12345678-1234-1234-1234-123456789abc");
    manifest->definition = g_strdup("<domain>\n</domain>");
    manifest->host = g_strdup("node1");
    manifest->created_s = 1795745700;
    manifest->state = BACKUP_QUIESCED;
    ManifestDisk *disk = manifest_add_disk(manifest, "vda");
    disk->format = g_strdup("qcow2");
    disk->is_incremental = true;
    disk->map.size = NODE_BYTES + 1;
    disk->map.nodes = g_array_new(FALSE, TRUE, sizeof(Hash));
    g_array_set_size(disk->map.nodes, 1); /* null */
    g_array_append_val(disk->map.nodes, hash);
    ManifestFile *file = manifest_add_file(manifest, "nvram", "nvram");
    file->sha256 = hash;
    file->map.nodes = g_array_new(FALSE, TRUE, sizeof(Hash));
    g_autofree char *text = manifest_format(manifest);
    check_ok(manifest_parse(text, strlen(text), &again, &err), err);
    g_autofree char *other = manifest_format(again);
    check_str(other, text);
    check(manifest_is_incremental(again));
    check(hash_is_null(&g_array_index(manifest_find_disk(again, "vda")->map.nodes, Hash, 0)));
    check(g_str_has_prefix(manifest->id, "20261127T021500.123Z-"));
}

TEST(what_makes_no_sense_is_refused)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        { "{" HEAD "}", true },
        { DISK("\"vda\"", "0", "[]"), true },
        { DISK("\"vda\"", "1", "[null]"), true },
        { DISK("\"vda\"", "1", "[\"" DIGITS "\"]"), true },
        { DISK("\"vda\"", "1", "[\"" DIGITS "0\"]"), false },
        { DISK("\"vda\"", "1", "[7]"), false },
        { DISK("\"vda\"", "1", "[]"), false },
        { DISK("\"vda\"", "1", "[null,null]"), false },
        { DISK("\"vda\"", "-1", "[]"), false },
        { DISK("\"vda\"", "9223372036854775807", "[]"), false },
        { DISK("\"vda\"", "\"1\"", "[null]"), false },
        { DISK("\"../vda\"", "0", "[]"), false },
        { DISK("\"\"", "0", "[]"), false },
        { DISK("7", "0", "[]"), false },
        { FILE_OF("\"tpm2/state\""), true },
        { FILE_OF("\"../state\""), false },
        { FILE_OF("\"/etc/passwd\""), false },
        { FILE_OF("\"\""), false },
        { "{\"format\":\"lodge-backup-manifest\",\"version\":2}", false },
        { "{\"format\":\"other\",\"version\":1}", false },
        { "[]", false },
        { "", false },
        { "{" HEAD, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(Manifest) manifest = NULL;
        check_case(cases[i].text);
        check_eq(manifest_parse(cases[i].text, strlen(cases[i].text), &manifest, &err), cases[i].ok);
        check_eq(manifest != NULL, cases[i].ok);
        check_eq(err == NULL, cases[i].ok);
    }
}

TEST(names_of_files_hold_id_and_checksum)
{
    static const char *const wrong[] = { "a.json",           "a." DIGITS ".txt",   ".." DIGITS ".json",
                                         "." DIGITS ".json", "a.0" DIGITS ".json", "" };
    g_autofree char *name = repo_manifest_name("20261127T021500Z-4f2a", "text", 4),
                    *id = repo_manifest_id(name);

    check_str(id, "20261127T021500Z-4f2a");
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *none = repo_manifest_id(wrong[i]);
        check_case(wrong[i]);
        check_str(none, NULL);
    }
}
