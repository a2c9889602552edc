/* Entries queue here; a fiber hands them to a worker, all that are there in one transaction. Readers have
 * connections of their own, in workers too: with WAL they do not wait for the writer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "journal"
#include "http/journal.h"

#include <sqlite3.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "conf/domain_xml.h"
#include "core/object_class.h"
#include "http/answer.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "http/text_diff.h"

#define QUEUE_MAX 20000u
#define BATCH_MS 100
#define WRITE_TIMEOUT_MS 60000
#define READ_TIMEOUT_MS 10000
#define KEPT_ROWS 500000
#define SWEEP_ROWS 5000 /* so many are written between two sweeps */
#define LIMIT_MAX 5000u
#define FLUSH_TIMEOUT_MS 3000
#define DIFFERENCE_MAX 65536

/* After which a machine's definition may be another. */
static const char *const changing_events[] = { "defined", "undefined", NULL };

enum {
    COLUMN_UUID,
    COLUMN_NAME,
    COLUMN_WHAT,
    COLUMN_WHO,
    COLUMN_FROM,
    COLUMN_RESULT,
    COLUMN_DETAIL,
    COLUMNS
};

typedef struct Row {
    uint64_t id;
    int64_t time_ms;
    char *kind;
    char *texts[COLUMNS];
    char *definition; /* of the machine @texts[COLUMN_UUID] as it is now; NULL: not looked at */
} Row;

typedef struct Journal {
    HttpHub *hub;
    char *path;
    GQueue queue; /* of Row, to be written */
    unsigned lost;
    sqlite3 *db; /* the writer's; in one worker at a time */
    unsigned since_sweep;
    bool runs, broken;
    WaitQueue filled, emptied;
} Journal;

static const char journal_key;

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, time_ms INTEGER "
    "NOT NULL, kind TEXT NOT NULL, uuid TEXT,"
    " name TEXT, what TEXT, who TEXT, origin TEXT, result TEXT, detail TEXT);"
    "CREATE INDEX IF NOT EXISTS entries_uuid ON entries (uuid, id);"
    "CREATE INDEX IF NOT EXISTS entries_name ON entries (name, id);"
    "CREATE TABLE IF NOT EXISTS definitions (uuid TEXT PRIMARY KEY, xml TEXT NOT NULL);";
/* Since version 2 entries tell what changed in a definition. Fails where that is so already. */
static const char to_version_2[] = "ALTER TABLE entries ADD COLUMN difference TEXT; PRAGMA user_version=2;";

static void row_free(gpointer data)
{
    Row *row = data;

    g_free(row->kind);
    for (size_t i = 0; i < COLUMNS; i++)
        g_free(row->texts[i]);
    g_free(row->definition);
    g_free(row);
}

static Journal *journal_of(HttpHub *hub)
{
    return http_hub_get(hub, &journal_key);
}

/* ---- writing, in a worker ---- */

typedef struct Batch {
    char *path;
    sqlite3 *db; /* NULL: to be opened */
    GPtrArray *rows;
    bool sweep;
} Batch;

static void batch_free(void *data)
{
    Batch *batch = data;

    if (batch->db)
        sqlite3_close(batch->db);
    g_ptr_array_unref(batch->rows);
    g_free(batch->path);
    g_free(batch);
}

static bool fail(sqlite3 *db, const char *doing, Error **err)
{
    return error_set(err, ERROR_OPERATION_FAILED, "%s: %s", doing, db ? sqlite3_errmsg(db) : "out of memory");
}

static bool batch_open(Batch *batch, Error **err)
{
    if (batch->db)
        return true;
    if (sqlite3_open_v2(batch->path, &batch->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK)
        return fail(batch->db, "opening the journal", err);
    sqlite3_busy_timeout(batch->db, 5000);
    if (sqlite3_exec(batch->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(batch->db, "opening the journal", err);
    (void)sqlite3_exec(batch->db, to_version_2, NULL, NULL, NULL);
    return true;
}

/* One statement with one or two texts. *ret_text: of its first row, owned; NULL: not wanted, or there is
 * none. */
static bool statement_run(sqlite3 *db, const char *sql, const char *first, const char *second,
                          char **ret_text)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (r == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, first, -1, SQLITE_STATIC);
        if (second)
            sqlite3_bind_text(statement, 2, second, -1, SQLITE_STATIC);
        r = sqlite3_step(statement);
        if (ret_text && r == SQLITE_ROW)
            *ret_text = g_strdup((const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return r == SQLITE_ROW || r == SQLITE_DONE;
}

/* Keeps the definition, and tells what it differs in from the one that was kept; *ret_text owned, NULL:
 * nothing, or none was known. */
static bool definition_compare(sqlite3 *db, const Row *row, char **ret_text)
{
    const char *uuid = row->texts[COLUMN_UUID];
    g_autofree char *before = NULL, *text = NULL;

    *ret_text = NULL;
    if (!row->definition)
        return true;
    if (!statement_run(db, "SELECT xml FROM definitions WHERE uuid = ?1", uuid, NULL, &before))
        return false;
    if (!*row->definition) /* it has none any more */
        return !before || statement_run(db, "DELETE FROM definitions WHERE uuid = ?1", uuid, NULL, NULL);
    if (before)
        text = text_diff(before, row->definition);
    if (before && !text)
        return true;
    if (text)
        *ret_text = g_utf8_make_valid(text, (gssize)strnlen(text, DIFFERENCE_MAX));
    return statement_run(db, "INSERT OR REPLACE INTO definitions VALUES (?1, ?2)", uuid, row->definition,
                         NULL);
}

static bool batch_insert(const Batch *batch, Error **err)
{
    sqlite3_stmt *insert = NULL;
    bool ok = sqlite3_prepare_v2(batch->db, "INSERT OR IGNORE INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                                 -1, &insert, NULL) == SQLITE_OK;

    for (guint i = 0; ok && i < batch->rows->len; i++) {
        const Row *row = g_ptr_array_index(batch->rows, i);
        g_autofree char *difference = NULL;
        ok = definition_compare(batch->db, row, &difference);
        if (!ok || !row->kind)
            continue;
        sqlite3_bind_int64(insert, 1, (sqlite3_int64)row->id);
        sqlite3_bind_int64(insert, 2, row->time_ms);
        sqlite3_bind_text(insert, 3, row->kind, -1, SQLITE_STATIC);
        for (int k = 0; k < COLUMNS; k++)
            sqlite3_bind_text(insert, 4 + k, row->texts[k], -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4 + COLUMNS, difference, -1, SQLITE_STATIC);
        ok = sqlite3_step(insert) == SQLITE_DONE;
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    return ok || fail(batch->db, "writing the journal", err);
}

static bool batch_write(void *data, Error **err)
{
    Batch *batch = data;

    if (!batch_open(batch, err))
        return false;
    if (sqlite3_exec(batch->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return fail(batch->db, "writing the journal", err);
    if (!batch_insert(batch, err)) {
        (void)sqlite3_exec(batch->db, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    if (batch->sweep) {
        g_autofree char *sweep =
            g_strdup_printf("DELETE FROM entries WHERE id <= (SELECT id FROM entries ORDER BY id "
                            "DESC LIMIT 1 OFFSET %d)",
                            KEPT_ROWS);
        (void)sqlite3_exec(batch->db, sweep, NULL, NULL, NULL); /* the next sweep tries again */
    }
    return sqlite3_exec(batch->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ||
           fail(batch->db, "writing the journal", err);
}

/* ---- the writer ---- */

static Batch *journal_take(Journal *journal)
{
    Batch *batch = g_new0(Batch, 1);

    batch->path = g_strdup(journal->path);
    batch->db = g_steal_pointer(&journal->db);
    batch->rows = g_ptr_array_new_with_free_func(row_free);
    for (Row *row; (row = g_queue_pop_head(&journal->queue));)
        g_ptr_array_add(batch->rows, row);
    journal->since_sweep += batch->rows->len;
    batch->sweep = journal->since_sweep >= SWEEP_ROWS;
    if (batch->sweep)
        journal->since_sweep = 0;
    return batch;
}

AWAITS static bool journal_write(Journal *journal, Error **err)
{
    Batch *batch = journal_take(journal);

    if (!worker_call(worker_lane_named("journal"), batch_write, batch, batch_free, WRITE_TIMEOUT_MS, err))
        return false;
    journal->db = g_steal_pointer(&batch->db);
    batch_free(batch);
    return true;
}

static void journal_run(void *arg)
{
    Journal *journal = arg;

    fiber_shield_begin(); /* what is there is written, also when the daemon ends */
    do {
        g_autoptr(Error) err = NULL;
        if (!journal_write(journal, &err)) {
            log_warning_error(err, "the journal");
            journal->broken = true;
        }
        wait_queue_wake_all(&journal->emptied);
        if (journal->queue.length == 0)
            (void)!wait_queue_wait(&journal->filled, BATCH_MS, NULL);
    } while (journal->queue.length > 0 && !journal->broken);
    fiber_shield_end();
    journal->runs = false;
    wait_queue_wake_all(&journal->emptied);
}

/* Its persistent definition without secrets; "": it has none; owned. */
static char *machine_definition(const Vm *vm)
{
    const Object *object = vm ? vm_object(vm) : NULL;
    GString *text = g_string_new(NULL);

    if (object && object->config)
        domain_def_format(object->config, DOMAIN_FORMAT_INACTIVE, text);
    return g_string_free(text, FALSE);
}

/* Of the machine that @entry may have changed; NULL: of none. *ret_uuid: its; owned. */
static char *entry_definition(HttpHub *hub, const JournalEntry *entry, char **ret_uuid)
{
    const char *machine = entry->uuid ? entry->uuid : entry->name, *what = entry->what ? entry->what : "";
    const bool is_event = strcmp(entry->kind, "machine") == 0;
    const bool may_change = is_event                              ? g_strv_contains(changing_events, what)
                            : strcmp(entry->kind, "request") == 0 ? strstr(what, "/machines/") != NULL
                                                                  : strcmp(entry->kind, "call") == 0;
    char uuid[UUID_STRING_LEN];

    if (!machine || !may_change)
        return NULL;
    g_autoptr(Vm) vm = machine_find(http_hub_host(hub), machine, NULL);
    if (!vm && !is_event)
        return NULL;
    if (vm)
        uuid_format(vm_uuid(vm), uuid);
    *ret_uuid = g_strdup(vm ? uuid : entry->uuid);
    return machine_definition(vm);
}

static void journal_push(Journal *journal, Row *row)
{
    g_queue_push_tail(&journal->queue, row);
    wait_queue_wake_one(&journal->filled);
    if (!journal->runs)
        journal->runs = fiber_spawn("journal", journal_run, journal) != NULL;
}

void journal_add(HttpHub *hub, const JournalEntry *entry)
{
    Journal *journal = journal_of(hub);
    const char *const texts[COLUMNS] = { entry->uuid, entry->name,   entry->what,  entry->who,
                                         entry->from, entry->result, entry->detail };

    if (!journal || journal->broken)
        return;
    if (journal->queue.length >= QUEUE_MAX) {
        if (journal->lost++ == 0)
            log_warning("the journal cannot be written as fast as things happen: some are left out");
        return;
    }
    Row *row = g_new0(Row, 1);
    row->id = entry->id ? entry->id : feed_new_number(hub);
    row->time_ms = entry->time_ms ? entry->time_ms : g_get_real_time() / 1000;
    row->kind = g_strdup(entry->kind);
    for (size_t i = 0; i < COLUMNS; i++)
        row->texts[i] = texts[i] ? g_utf8_make_valid(texts[i], (gssize)strnlen(texts[i], 4096)) : NULL;
    g_autofree char *uuid = NULL;
    row->definition = entry_definition(hub, entry, &uuid);
    if (uuid && !row->texts[COLUMN_UUID])
        row->texts[COLUMN_UUID] = g_steal_pointer(&uuid);
    journal_push(journal, row);
}

static void journal_on_item(const FeedItem *item, void *arg)
{
    Journal *journal = arg;
    char uuid[UUID_STRING_LEN];

    uuid_format(&item->uuid, uuid);
    journal_add(journal->hub, &(JournalEntry){ .id = item->id,
                                               .time_ms = item->time_s * 1000,
                                               .kind = item->kind,
                                               .uuid = item->has_uuid ? uuid : NULL,
                                               .name = item->name,
                                               .what = item->what,
                                               .detail = item->detail });
}

static void journal_free(void *data)
{
    Journal *journal = data;

    wait_queue_clear(&journal->filled);
    wait_queue_clear(&journal->emptied);
    g_queue_clear_full(&journal->queue, row_free);
    if (journal->db)
        sqlite3_close(journal->db);
    g_free(journal->path);
    g_free(journal);
}

/* What the definitions are when the daemon starts: changes are told against that. */
static void baseline_run(void *arg)
{
    Journal *journal = arg;
    g_autoptr(GPtrArray) vms = NULL;

    if (!vm_list(http_hub_host(journal->hub), 0, &vms, NULL))
        return;
    for (guint i = 0; i < vms->len && !journal->broken; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);
        char uuid[UUID_STRING_LEN];
        Row *row = g_new0(Row, 1);
        uuid_format(vm_uuid(vm), uuid);
        row->texts[COLUMN_UUID] = g_strdup(uuid);
        row->definition = machine_definition(vm);
        journal_push(journal, row);
        fiber_yield();
    }
}

void journal_start(HttpHub *hub)
{
    Journal *journal = g_new0(Journal, 1);
    g_autofree char *dir = g_path_get_dirname(host_paths(http_hub_host(hub))->lib_qemu);

    journal->hub = hub;
    journal->path = path_join(dir, "lodge-journal.sqlite");
    g_queue_init(&journal->queue);
    wait_queue_init(&journal->filled);
    wait_queue_init(&journal->emptied);
    http_hub_put(hub, &journal_key, journal, journal_free);
    feed_set_observer(hub, journal_on_item, journal);
    journal_add(hub, &(JournalEntry){ .kind = "daemon", .what = "started", .detail = LODGE_VERSION });
    (void)!fiber_spawn("journal's baseline", baseline_run, journal); /* the next start does it, else */
}

/* Until all that was there is written. */
AWAITS static void journal_flush(Journal *journal)
{
    const uint64_t until_ms = loop_now_ms() + FLUSH_TIMEOUT_MS;

    while (journal->queue.length > 0 && journal->runs && loop_now_ms() < until_ms &&
           wait_queue_wait(&journal->emptied, until_ms - loop_now_ms(), NULL))
        ;
}

void journal_end(HttpHub *hub)
{
    journal_add(hub, &(JournalEntry){ .kind = "daemon", .what = "stopped" });
}

void journal_request(const HttpRequest *req)
{
    g_autofree char *what = g_strdup_printf("%s %s", req->method, req->target.path);
    AUTO_JSON problem = req->status >= 400 && req->data ? json_loadb(req->data, req->len, 0, NULL) : NULL;

    journal_add(req->hub, &(JournalEntry){ .kind = "request",
                                           .name = req->object ? req->object : req->params[0],
                                           .what = what,
                                           .who = req->who.user ? req->who.user : "somebody",
                                           .from = req->from,
                                           .result = req->status < 400 ? "ok" : json_get_str(problem, "name"),
                                           .detail = json_get_str(problem, "detail") });
}

/* ---- reading ---- */

typedef struct Query {
    char *path;
    uint64_t since, limit;
    int64_t since_ms;
    char *uuid, *name; /* either; NULL: all */
    bool newest;
    Json *items; /* the answer */
} Query;

static void query_free(void *data)
{
    Query *query = data;

    json_decref(query->items);
    g_free(query->path);
    g_free(query->uuid);
    g_free(query->name);
    g_free(query);
}

static Json *column_json(sqlite3_stmt *select, int column)
{
    return http_json_text((const char *)sqlite3_column_text(select, column));
}

static Json *entry_json(sqlite3_stmt *select)
{
    g_autofree char *cursor = g_strdup_printf("%lld", (long long)sqlite3_column_int64(select, 0));

    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "cursor", cursor, "time",
                     http_json_time(sqlite3_column_int64(select, 1) / 1000), "kind", column_json(select, 2),
                     "uuid", column_json(select, 3), "name", column_json(select, 4), "what",
                     column_json(select, 5), "who", column_json(select, 6), "from", column_json(select, 7),
                     "result", column_json(select, 8), "detail", column_json(select, 9), "difference",
                     column_json(select, 10));
}

static bool query_select(Query *query, sqlite3 *db, Error **err)
{
    static const char oldest[] =
        "SELECT * FROM entries WHERE id > ?1 AND time_ms >= ?2 AND (?3 IS NULL AND ?4 IS NULL OR "
        "uuid = ?3 OR name = ?4) ORDER BY id LIMIT ?5";
    static const char newest[] =
        "SELECT * FROM (SELECT * FROM entries WHERE id > ?1 AND time_ms >= ?2 AND (?3 IS NULL AND "
        "?4 IS NULL OR uuid = ?3 OR name = ?4) ORDER BY id DESC LIMIT ?5) ORDER BY id";
    sqlite3_stmt *select = NULL;
    int r = sqlite3_prepare_v2(db, query->newest ? newest : oldest, -1, &select, NULL);

    if (r == SQLITE_OK) {
        sqlite3_bind_int64(select, 1, (sqlite3_int64)query->since);
        sqlite3_bind_int64(select, 2, query->since_ms);
        sqlite3_bind_text(select, 3, query->uuid, -1, SQLITE_STATIC);
        sqlite3_bind_text(select, 4, query->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(select, 5, (sqlite3_int64)query->limit);
        while ((r = sqlite3_step(select)) == SQLITE_ROW)
            json_array_append_new(query->items, entry_json(select));
    }
    sqlite3_finalize(select);
    return r == SQLITE_DONE || fail(db, "reading the journal", err);
}

static bool query_run(void *data, Error **err)
{
    Query *query = data;
    sqlite3 *db = NULL;
    bool ok =
        sqlite3_open_v2(query->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL) == SQLITE_OK;

    if (ok) {
        sqlite3_busy_timeout(db, 2000);
        ok = query_select(query, db, err);
    } else {
        fail(db, "opening the journal", err);
    }
    sqlite3_close(db);
    return ok;
}

static const HttpField entry_fields[] = {
    { "cursor", HTTP_STRING, .required = true },
    { "time", HTTP_TIME, .required = true, .nullable = true },
    { "kind", HTTP_STRING, .required = true,
      .doc = "machine, pool, network ...: an event; request, call: asked for" },
    { "uuid", HTTP_STRING, .required = true, .nullable = true },
    { "name", HTTP_STRING, .required = true, .nullable = true },
    { "what", HTTP_STRING, .required = true, .nullable = true },
    { "who", HTTP_STRING, .required = true, .nullable = true },
    { "from", HTTP_STRING, .required = true, .nullable = true },
    { "result", HTTP_STRING, .required = true, .nullable = true, .doc = "ok, or the word of an error" },
    { "detail", HTTP_STRING, .required = true, .nullable = true },
    { "difference", HTTP_STRING, .required = true, .nullable = true,
      .doc = "of a machine's definition, before and after, as 'diff -u' tells it, without secrets" },
    { 0 },
};
static const HttpField journal_query[] = {
    { "since", HTTP_STRING,
      .doc = "a cursor, or a time as RFC 3339 has it: what came after it, the oldest first" },
    { "machine", HTTP_STRING, .doc = "name or UUID" },
    { "limit", HTTP_UINT, .doc = "200" },
    { 0 },
};

static bool query_since(const HttpRequest *req, Query *query, Error **err)
{
    const char *since = http_query(&req->target, "since");
    g_autoptr(GDateTime) when = NULL;

    query->newest = !since;
    if (!since || http_query_uint(&req->target, "since", 0, INT64_MAX, &query->since, NULL))
        return true;
    when = g_date_time_new_from_iso8601(since, NULL);
    query->since_ms = when ? g_date_time_to_unix(when) * 1000 : 0;
    return when || error_set(err, ERROR_INVALID_ARGUMENT, "'since' is no cursor and no time: '%.64s'", since);
}

/* @vm: NULL: of all, or of one that is gone, by its name. */
AWAITS static bool journal_answer(HttpRequest *req, const Vm *vm, const char *name, Error **err)
{
    Journal *journal = journal_of(req->hub);
    Query *query = g_new0(Query, 1);
    char uuid[UUID_STRING_LEN];

    query->path = g_strdup(journal->path);
    query->items = json_array();
    if (!http_query_uint(&req->target, "limit", 200, LIMIT_MAX, &query->limit, err) ||
        !query_since(req, query, err)) {
        query_free(query);
        return false;
    }
    if (vm) {
        uuid_format(vm_uuid(vm), uuid);
        query->uuid = g_strdup(uuid);
    }
    query->name = g_strdup(vm ? vm_name(vm) : name);
    journal_flush(journal);
    if (!worker_call(worker_lane_named("journal readers"), query_run, query, query_free, READ_TIMEOUT_MS,
                     err))
        return false;
    const bool ok = http_answer_json(req, 200, json_pack("{s:O}", "items", query->items));
    query_free(query);
    return ok;
}

static bool handle_journal(HttpRequest *req, Error **err)
{
    const char *machine = http_query(&req->target, "machine");
    g_autoptr(Vm) vm = machine ? machine_find(req->host, machine, NULL) : NULL;

    return journal_answer(req, vm, machine, err);
}

static bool handle_machine_journal(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    return vm && journal_answer(req, vm, NULL, err);
}

const HttpRoute http_routes_journal[] = {
    { "GET", "/journal", HTTP_VIEW, .flags = HTTP_LIST, .query = journal_query, .answer = entry_fields,
      .handle = handle_journal,
      .doc = "What happened, and who asked for what: the newest, or what came after 'since'.",
      .command = "lodge events" },
    { "GET", "/machines/{machine}/journal", HTTP_VIEW, .flags = HTTP_LIST | HTTP_MACHINE,
      .query = journal_query, .answer = entry_fields, .handle = handle_machine_journal,
      .doc = "What happened to a machine.", .command = "lodge history MACHINE" },
    { 0 },
};
