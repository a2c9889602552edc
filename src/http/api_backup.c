/* Backups of machines, in repositories that have names here: `lodge backup` makes them, in a process of its
 * own. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "http/answer.h"
#include "http/machine_json.h"
#include "http/program.h"
#include "http/route.h"

#define LIST "lodge-web-repositories.json"
#define LIST_BYTES_MAX ((size_t)1048576)
#define REPOSITORIES_MAX 200u

/* ---- repositories ---- */

static const HttpField repository_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "path", HTTP_STRING, .required = true, .doc = "a folder of the host" },
    { 0 },
};

static char *list_path(const HttpRequest *req)
{
    return path_join(host_paths(req->host)->etc, LIST);
}

/* {name: path}; a new reference. */
AWAITS static Json *repositories_load(const HttpRequest *req, Error **err)
{
    g_autofree char *path = list_path(req), *text = NULL;
    g_autoptr(Error) why = NULL;
    Json *list = NULL;
    size_t len;

    if (!file_read(path, LIST_BYTES_MAX, &text, &len, &why)) {
        if (error_errno(why) == ENOENT)
            return json_object();
        error_propagate(err, g_steal_pointer(&why));
        return NULL;
    }
    return json_parse(text, len, path, &list, err) ? list : NULL;
}

static bool handle_repositories(HttpRequest *req, Error **err)
{
    AUTO_JSON list = repositories_load(req, err);
    Json *items = json_array(), *path;
    const char *name;

    json_object_foreach (list, name, path)
        json_array_append_new(items, json_pack("{s:s,s:O?}", "name", name, "path", path));
    Json *answer = json_pack("{s:o}", "items", items);
    if (list)
        return http_answer_json(req, 200, answer);
    json_decref(answer);
    return false;
}

/* @path NULL: it goes. Changes come one after the other. */
AWAITS static bool repositories_change(HttpRequest *req, const char *name, const char *path, Error **err)
{
    static bool changing;
    g_autofree char *file = list_path(req);

    if (changing)
        return error_set(err, ERROR_BUSY, "the list of repositories is being changed");
    changing = true;
    AUTO_JSON list = repositories_load(req, err);
    bool ok = list != NULL;
    if (ok && path && json_object_get(list, name))
        ok = error_set(err, ERROR_OPERATION_FAILED, "there is a repository '%s' already", name);
    else if (ok && path && json_object_size(list) >= REPOSITORIES_MAX)
        ok = error_set(err, ERROR_OVERFLOW, "there are %u repositories already", REPOSITORIES_MAX);
    else if (ok && path)
        json_object_set_new(list, name, json_string(path));
    else if (ok && json_object_del(list, name) < 0)
        ok = error_set(err, ERROR_NO_HOSTNAME, "there is no repository '%s'", name);
    if (ok) {
        g_autofree char *text = json_format_pretty(list);
        ok = file_replace(file, text, strlen(text), 0600, err);
    }
    changing = false;
    return ok;
}

static bool handle_repository_add(HttpRequest *req, Error **err)
{
    const char *name = json_get_str(req->body, "name"), *path = json_get_str(req->body, "path");

    if (!*name || strlen(name) > 64 ||
        strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-") < strlen(name))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a repository's name has letters, digits, '.', '_' and '-', at most 64");
    if (!g_path_is_absolute(path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no absolute path", path);
    g_autofree char *canonical = g_canonicalize_filename(path, NULL);
    req->object = g_strdup(name);
    return repositories_change(req, name, canonical, err) &&
           http_answer_json(req, 201, json_pack("{s:s,s:s}", "name", name, "path", canonical));
}

static bool handle_repository_forget(HttpRequest *req, Error **err)
{
    return repositories_change(req, req->params[0], NULL, err) && http_answer_none(req);
}

/* The folder of the repository @name; owned. */
AWAITS static char *repository_path(const HttpRequest *req, const char *name, Error **err)
{
    AUTO_JSON list = repositories_load(req, err);
    const char *path = json_get_str(list, name);

    if (list && !path) {
        error_set(err, ERROR_NO_HOSTNAME, "there is no repository '%s'", name);
        (void)error_hint(err, "POST %s/backup-repositories names one", HTTP_API);
    }
    return g_strdup(path);
}

/* ---- what is in them ---- */

static const HttpField backup_fields[] = {
    { "repository", HTTP_STRING, .required = true },
    { "machine", HTTP_STRING, .required = true },
    { "uuid", HTTP_STRING, .required = true },
    { "point", HTTP_STRING, .required = true, .doc = "its id" },
    { "time", HTTP_TIME, .required = true },
    { "bytes", HTTP_UINT, .required = true, .doc = "size of the disks" },
    { "added_bytes", HTTP_UINT, .required = true, .doc = "what it added to the repository" },
    { "kind", HTTP_STRING, .required = true, .choices = "full|incremental" },
    { "state", HTTP_STRING, .required = true,
      .doc = "of the guest at that moment: stopped, quiesced, crash" },
    { "disks", HTTP_STRINGS, .required = true },
    { "parent", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

static Json *backup_json(const char *repository, const Json *row)
{
    static const struct {
        const char *name, *from;
    } members[] = { { "machine", "machine" }, { "uuid", "uuid" },        { "point", "id" },
                    { "time", "created" },    { "bytes", "size_bytes" }, { "added_bytes", "stored_bytes" },
                    { "kind", "kind" },       { "state", "state" },      { "disks", "disks" },
                    { "parent", "parent" } };
    Json *json = json_pack("{s:s}", "repository", repository);

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_object_set(json, members[i].name, json_object_get(row, members[i].from));
    return json;
}

/* Backups in the folder @path, of the machine with @uuid (NULL: of all), added to @items. */
AWAITS static bool list_backups(HttpRequest *req, const char *name, const char *path, const char *uuid,
                                Json *items, Error **err)
{
    const char *const words[] = { path, uuid, NULL };
    const HttpProgram program = { .command = "backup-list", .words = words };
    AUTO_JSON rows = NULL;
    const Json *row;
    size_t i;

    if (!http_program_run(req, &program, &rows, err))
        return false;
    json_array_foreach (rows, i, row)
        json_array_append_new(items, backup_json(name, row));
    return true;
}

/* What cannot be read is told beside the rest. */
AWAITS static Json *list_all(HttpRequest *req, const char *uuid, const char *only, Error **err)
{
    AUTO_JSON list = repositories_load(req, err);
    Json *items = json_array(), *problems = json_array(), *path;
    const char *name;
    bool ok = list != NULL;

    if (ok && only && !json_get_str(list, only))
        ok = error_set(err, ERROR_NO_HOSTNAME, "there is no repository '%s'", only);
    json_object_foreach (list, name, path) {
        g_autoptr(Error) why = NULL;
        if (!ok || (only && strcmp(only, name) != 0) ||
            list_backups(req, name, json_string_value(path), uuid, items, &why))
            continue;
        json_array_append_new(problems, json_pack("{s:s,s:o}", "repository", name, "detail",
                                                  http_json_text(error_message(why))));
    }
    Json *answer = json_pack("{s:o,s:o}", "items", items, "problems", problems);
    if (!ok)
        g_clear_pointer(&answer, json_decref);
    return answer;
}

static bool handle_list_machine(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    char uuid[UUID_STRING_LEN];

    if (!vm)
        return false;
    uuid_format(vm_uuid(vm), uuid);
    Json *answer = list_all(req, uuid, http_query(&req->target, "repository"), err);
    return answer && http_answer_json(req, 200, answer);
}

static bool handle_list_repository(HttpRequest *req, Error **err)
{
    Json *answer = list_all(req, NULL, req->params[0], err);

    return answer && http_answer_json(req, 200, answer);
}

/* ---- one ---- */

/* The machine of the request and the folder of the repository @name, which has to have the backup that the
 * request's second parameter names, of that machine. */
AWAITS static bool find_backup(HttpRequest *req, const char *name, char ret_uuid[UUID_STRING_LEN],
                               char **ret_path, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autofree char *path = vm ? repository_path(req, name, err) : NULL;
    AUTO_JSON items = json_array();
    const Json *item;
    size_t i;

    if (!path)
        return false;
    uuid_format(vm_uuid(vm), ret_uuid);
    if (!list_backups(req, name, path, ret_uuid, items, err))
        return false;
    json_array_foreach (items, i, item) {
        if (g_strcmp0(json_get_str(item, "point"), req->params[1]) == 0) {
            *ret_path = g_steal_pointer(&path);
            return true;
        }
    }
    return error_set(err, ERROR_NO_HOSTNAME, "repository '%s' has no backup '%s' of machine '%s'", name,
                     req->params[1], vm_name(vm));
}

static const HttpField create_body[] = {
    { "repository", HTTP_STRING, .required = true, .doc = "its name" },
    { "full", HTTP_BOOL, .doc = "read all of the disks" },
    { "quiesce", HTTP_BOOL, .doc = "let the guest write its data first" },
    { "exclude", HTTP_STRINGS, .doc = "targets of disks that are left out" },
    { "decrypt", HTTP_BOOL, .doc = "take encrypted disks, in the clear" },
    { 0 },
};
static const HttpField created_fields[] = {
    { "point", HTTP_STRING, .required = true },
    { "kind", HTTP_STRING, .required = true, .choices = "full|incremental" },
    { "bytes", HTTP_UINT, .required = true },
    { "read_bytes", HTTP_UINT, .required = true },
    { "added_bytes", HTTP_UINT, .required = true },
    { 0 },
};

static bool handle_create(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = { { "full", "full" },
                                        { "quiesce", "quiesce" },
                                        { "exclude", "exclude" },
                                        { "decrypt", "decrypt" },
                                        { 0 } };
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autofree char *path = vm ? repository_path(req, json_get_str(req->body, "repository"), err) : NULL;
    char uuid[UUID_STRING_LEN];
    AUTO_JSON made = NULL;

    if (!path)
        return false;
    if (json_get_bool(req->body, "decrypt", false) && req->who.role != HTTP_ROLE_ADMIN)
        return error_set(err, ERROR_ACCESS_DENIED, "only an admin takes encrypted disks in the clear");
    uuid_format(vm_uuid(vm), uuid);
    const char *const words[] = { uuid, path, NULL };
    const HttpProgram program = { .command = "backup-create", .options = options, .words = words };
    return http_program_run(req, &program, &made, err) &&
           http_answer_json(req, 201,
                            json_pack("{s:O?,s:O?,s:O?,s:O?,s:O?}", "point", json_object_get(made, "id"),
                                      "kind", json_object_get(made, "kind"), "bytes",
                                      json_object_get(made, "size_bytes"), "read_bytes",
                                      json_object_get(made, "read_bytes"), "added_bytes",
                                      json_object_get(made, "stored_bytes")));
}

#define RESTORE_FIELDS                                                                                       \
    { "name", HTTP_STRING, .nullable = true,                                                                 \
      .doc = "of a new machine; without it the same one, which is off" },                                    \
        { "pool", HTTP_STRING, .nullable = true,                                                             \
          .doc = "for the disks; of a new machine this or a folder" },                                       \
    {                                                                                                        \
        "folder", HTTP_STRING, .nullable = true                                                              \
    }
static const HttpField restore_body[] = { RESTORE_FIELDS, { 0 } };
static const HttpField restore_machine_body[] = {
    { "repository", HTTP_STRING, .required = true },
    RESTORE_FIELDS,
    { 0 },
};
static const HttpField restored_fields[] = { { "machine", HTTP_STRING, .required = true }, { 0 } };

AWAITS static bool restore(HttpRequest *req, const char *path, const char *point, Error **err)
{
    static const HttpWord options[] = { { "name", "as" }, { "pool", "pool" }, { "folder", "folder" }, { 0 } };
    const char *const words[] = { path, point, NULL };
    const HttpProgram program = { .command = "backup-restore", .options = options, .words = words };
    AUTO_JSON restored = NULL;

    return http_program_run(req, &program, &restored, err) &&
           http_answer_json(req, 200, json_pack("{s:O?}", "machine", json_object_get(restored, "machine")));
}

static bool handle_restore(HttpRequest *req, Error **err)
{
    g_autofree char *path = repository_path(req, req->params[0], err);

    return path && restore(req, path, req->params[1], err);
}

static bool handle_restore_machine(HttpRequest *req, Error **err)
{
    g_autofree char *path = NULL;
    char uuid[UUID_STRING_LEN];

    return find_backup(req, json_get_str(req->body, "repository"), uuid, &path, err) &&
           restore(req, path, req->params[1], err);
}

static const HttpField verify_body[] = {
    { "repository", HTTP_STRING, .required = true },
    { "boot", HTTP_BOOL,
      .doc = "also start the machine from it, without network, and see whether it comes up" },
    { 0 },
};
static const HttpField verify_fields[] = {
    { "good", HTTP_BOOL, .required = true },
    { "problems", HTTP_STRINGS, .required = true },
    { 0 },
};

static bool handle_verify(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = { { "boot", "boot" }, { 0 } };
    g_autofree char *path = NULL;
    char uuid[UUID_STRING_LEN];
    AUTO_JSON found = NULL;

    if (!find_backup(req, json_get_str(req->body, "repository"), uuid, &path, err))
        return false;
    const char *const words[] = { path, req->params[1], NULL };
    const HttpProgram program = { .command = "backup-verify", .options = options, .words = words };
    if (!http_program_run(req, &program, &found, err))
        return false;
    const Json *booted = json_array_get(json_get_arr(found, "booted"), 0);
    const bool good = json_get_bool(found, "good", false) && json_get_bool(booted, "came_up", true);
    return http_answer_json(req, 200,
                            json_pack("{s:b,s:O?}", "good", (int)good, "problems",
                                      json_object_get(found, "problems")));
}

static const HttpField repository_query[] = { { "repository", HTTP_STRING }, { 0 } };
static const HttpField remove_query[] = { { "repository", HTTP_STRING, .required = true }, { 0 } };

static bool handle_remove(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = { { "remove", "remove" }, { 0 } };
    g_autofree char *path = NULL;
    char uuid[UUID_STRING_LEN];

    if (!find_backup(req, http_query(&req->target, "repository"), uuid, &path, err))
        return false;
    req->body = json_pack("{s:s}", "remove", req->params[1]);
    const char *const words[] = { path, NULL };
    const HttpProgram program = { .command = "backup-prune", .options = options, .words = words };
    return http_program_run(req, &program, NULL, err) && http_answer_none(req);
}

#define ONE (HTTP_MACHINE | HTTP_LONG)

const HttpRoute http_routes_backup[] = {
    { "GET", "/backup-repositories", HTTP_VIEW, .flags = HTTP_LIST, .answer = repository_fields,
      .handle = handle_repositories, .doc = "Folders with backups, by the names that they have here." },
    { "POST", "/backup-repositories", HTTP_ADMIN, .body = repository_fields, .answer = repository_fields,
      .status = 201, .handle = handle_repository_add,
      .doc = "Names a folder; the first backup makes a repository of it." },
    { "DELETE", "/backup-repositories/{repository}", HTTP_ADMIN, .status = 204,
      .handle = handle_repository_forget, .doc = "Forgets the name. The backups stay." },
    { "GET", "/backup-repositories/{repository}/backups", HTTP_VIEW, .flags = HTTP_LIST,
      .answer = backup_fields, .handle = handle_list_repository,
      .doc = "All backups in a repository, also of machines that are gone.",
      .command = "lodge backup list REPOSITORY" },
    { "POST", "/backup-repositories/{repository}/backups/{point}/restore", HTTP_ADMIN, .flags = HTTP_LONG,
      .body = restore_body, .answer = restored_fields, .handle = handle_restore,
      .doc = "Restores a machine, also one that is gone.",
      .command = "lodge backup restore REPOSITORY BACKUP" },
    { "GET", "/machines/{machine}/backups", HTTP_VIEW, .flags = HTTP_MACHINE | HTTP_LIST,
      .query = repository_query, .answer = backup_fields, .handle = handle_list_machine,
      .doc = "The backups of a machine.", .command = "lodge backup list REPOSITORY MACHINE" },
    { "POST", "/machines/{machine}/backups", HTTP_OPERATE, .flags = ONE, .body = create_body,
      .answer = created_fields, .status = 201, .handle = handle_create, .doc = "Backs a machine up.",
      .command = "lodge backup create MACHINE REPOSITORY" },
    { "POST", "/machines/{machine}/backups/{point}/restore", HTTP_ADMIN, .flags = ONE,
      .body = restore_machine_body, .answer = restored_fields, .handle = handle_restore_machine,
      .doc = "Brings a machine back to a backup, or makes a new one from it.",
      .command = "lodge backup restore REPOSITORY BACKUP" },
    { "POST", "/machines/{machine}/backups/{point}/verify", HTTP_OPERATE, .flags = ONE, .body = verify_body,
      .answer = verify_fields, .handle = handle_verify, .doc = "Reads a backup back and checks every byte.",
      .command = "lodge backup verify REPOSITORY BACKUP" },
    { "DELETE", "/machines/{machine}/backups/{point}", HTTP_ADMIN, .flags = ONE, .query = remove_query,
      .status = 204, .handle = handle_remove, .doc = "Removes a backup.",
      .command = "lodge backup prune REPOSITORY --remove BACKUP" },
    { 0 },
};
