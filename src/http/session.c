/* Nothing here waits but for files and passwords. What changes is written before anybody hears of it; two
 * changes at the same time are written one after the other, each with all that is known. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/session.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/digest.h"
#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "http/answer.h"
#include "http/pam.h"

#define ACCOUNTS_MAX_BYTES ((size_t)4194304)
#define USERS_MAX 1000u
#define TOKENS_MAX 1000u
#define SESSIONS_MAX 10000u
#define SESSION_IDLE_S 28800 /* 8 hours */
#define SESSION_MAX_S 604800 /* a week */
#define LINK_MS ((uint64_t)600000)
#define LINKS_MAX 100u
#define PASSWORD_MIN 8u
#define PASSWORD_MAX 512u
#define HASH_TIMEOUT_MS 20000
/* Failures that one address, or one user, may have within the time. */
#define FAILURES_MAX 10u
#define FAILURES_MS ((uint64_t)300000)
#define FAILURES_KEPT 10000u

typedef struct User {
    char *name;
    HttpRole role;
    char *password; /* as crypt(5) has it */
    int64_t created_s;
} User;

typedef struct Token {
    char *id, *name, *by;
    HttpRole role;
    bool has_machine;
    Uuid machine;
    bool is_share; /* no more than a look at a screen of the machine */
    unsigned display;
    int64_t created_s, expires_s;
    uint8_t key[32];
} Token;

typedef struct Session {
    uint8_t key[32];
    char *user;
    HttpRole role;
    char *csrf;
    int64_t began_s, seen_s;
} Session;

typedef struct Link {
    char *user;
    uint64_t until_ms;
} Link;

typedef struct Failures {
    unsigned count;
    uint64_t since_ms;
} Failures;

struct HttpAccounts {
    char *path, *sessions_path;
    GPtrArray *users;  /* of User */
    GPtrArray *tokens; /* of Token */
    Factors *factors;
    GHashTable *sessions; /* key -> Session */
    GHashTable *links;    /* secret -> Link */
    bool changing;
    WaitQueue changed;
    GHashTable *failures; /* "address ..." or "user ..." -> Failures */
};

static const char *const role_names[] = { "none", "viewer", "operator", "admin" };

const char *http_role_name(HttpRole role)
{
    return role_names[role];
}

HttpRole http_role_parse(const char *text)
{
    for (HttpRole role = HTTP_ROLE_VIEWER; text && role <= HTTP_ROLE_ADMIN; role++) {
        if (strcmp(text, role_names[role]) == 0)
            return role;
    }
    return HTTP_ROLE_NONE;
}

void http_identity_clear(HttpIdentity *who)
{
    g_clear_pointer(&who->user, g_free);
    g_clear_pointer(&who->csrf, g_free);
}

/* ---- small things ---- */

static void user_free(gpointer data)
{
    User *user = data;

    g_free(user->name);
    g_free(user->password);
    g_free(user);
}

static void token_free(gpointer data)
{
    Token *token = data;

    g_free(token->id);
    g_free(token->name);
    g_free(token->by);
    g_free(token);
}

static void session_free(gpointer data)
{
    Session *session = data;

    g_free(session->user);
    g_free(session->csrf);
    g_free(session);
}

static void link_free(gpointer data)
{
    Link *link = data;

    g_free(link->user);
    g_free(link);
}

static unsigned key_hash(const void *key)
{
    unsigned value;

    memcpy(&value, key, sizeof value); /* of a checksum: any part will do */
    return value;
}

static int key_equal(const void *a, const void *b)
{
    return memcmp(a, b, 32) == 0;
}

static void hex(const uint8_t *bytes, size_t n, char *ret_text)
{
    for (size_t i = 0; i < n; i++)
        g_snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

static bool unhex(const char *text, uint8_t *ret_bytes, size_t n)
{
    if (!text || strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!g_ascii_isxdigit(text[2 * i]) || !g_ascii_isxdigit(text[2 * i + 1]))
            return false;
        ret_bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(text[2 * i]) * 16 + g_ascii_xdigit_value(text[2 * i + 1]));
    }
    return true;
}

/* Letters that need no quoting anywhere; owned. */
static char *secret_make(const char *prefix)
{
    uint8_t bytes[32];
    char text[65];

    random_bytes(bytes, sizeof bytes);
    hex(bytes, sizeof bytes, text);
    return g_strconcat(prefix, text, NULL);
}

static void secret_key(const char *secret, uint8_t ret_key[32])
{
    digest_of(GCRY_MD_SHA256, secret, strlen(secret), ret_key);
}

static int64_t now_s(void)
{
    return (int64_t)time(NULL);
}

static bool name_is_fine(const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = name; *at; at++) {
        if (!g_ascii_isalnum(*at) && !strchr("._-@", *at))
            return false;
    }
    return len > 0 && len <= 64 && *name != '-' && *name != '.';
}

/* ---- files ---- */

static Json *token_format(const Token *token)
{
    char key[65], machine[UUID_STRING_LEN];

    hex(token->key, sizeof token->key, key);
    uuid_format(&token->machine, machine);
    return json_pack("{s:s,s:s,s:s,s:s,s:s*,s:b,s:i,s:I,s:I,s:s}", "id", token->id, "name", token->name, "by",
                     token->by, "role", http_role_name(token->role), "machine",
                     token->has_machine ? machine : NULL, "share", (int)token->is_share, "display",
                     (int)token->display, "created", (json_int_t)token->created_s, "expires",
                     (json_int_t)token->expires_s, "key", key);
}

static bool accounts_save(const HttpAccounts *accounts, Error **err)
{
    AUTO_JSON root = json_pack("{s:i,s:[],s:[]}", "version", 1, "users", "tokens");

    for (guint i = 0; i < accounts->users->len; i++) {
        const User *user = g_ptr_array_index(accounts->users, i);
        json_array_append_new(json_get_arr(root, "users"),
                              json_pack("{s:s,s:s,s:s,s:I}", "name", user->name, "role",
                                        http_role_name(user->role), "password", user->password, "created",
                                        (json_int_t)user->created_s));
    }
    for (guint i = 0; i < accounts->tokens->len; i++)
        json_array_append_new(json_get_arr(root, "tokens"),
                              token_format(g_ptr_array_index(accounts->tokens, i)));
    json_object_set_new(root, "factors", factors_format(accounts->factors));
    g_autofree char *text = json_format_pretty(root);
    return file_replace(accounts->path, text, strlen(text), 0600, err);
}

static void accounts_save_sessions(HttpAccounts *accounts)
{
    g_autoptr(Error) err = NULL;
    AUTO_JSON list = json_array();
    GHashTableIter iter;
    Session *session;

    g_hash_table_iter_init(&iter, accounts->sessions);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&session)) {
        char key[65];
        hex(session->key, sizeof session->key, key);
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "key", key, "user", session->user,
                                        "role", http_role_name(session->role), "csrf", session->csrf, "began",
                                        (json_int_t)session->began_s, "seen", (json_int_t)session->seen_s));
    }
    g_autofree char *text = json_format(list);
    if (!file_replace_volatile(accounts->sessions_path, text, strlen(text), 0600, &err))
        log_warning_error(err, "sessions of the web will not outlive this daemon");
}

static void accounts_read_user(HttpAccounts *accounts, const Json *json)
{
    const char *name = json_get_str(json, "name"), *password = json_get_str(json, "password");
    HttpRole role = http_role_parse(json_get_str(json, "role"));

    if (!name || !password || !role)
        return;
    User *user = g_new0(User, 1);
    *user = (User){ g_strdup(name), role, g_strdup(password), json_get_int(json, "created", 0) };
    g_ptr_array_add(accounts->users, user);
}

static void accounts_read_token(HttpAccounts *accounts, const Json *json)
{
    const char *id = json_get_str(json, "id"), *machine = json_get_str(json, "machine");
    Token token = { .role = http_role_parse(json_get_str(json, "role")),
                    .has_machine = machine != NULL,
                    .is_share = json_get_bool(json, "share", false),
                    .display = (unsigned)json_get_uint(json, "display", 0),
                    .created_s = json_get_int(json, "created", 0),
                    .expires_s = json_get_int(json, "expires", 0) };

    if (!id || !token.role || !unhex(json_get_str(json, "key"), token.key, sizeof token.key) ||
        (machine && !uuid_parse(machine, &token.machine, NULL)))
        return;
    token.id = g_strdup(id);
    token.name = g_strdup(json_get_str(json, "name"));
    token.by = g_strdup(json_get_str(json, "by"));
    token.name = token.name ? token.name : g_strdup("");
    token.by = token.by ? token.by : g_strdup("");
    g_ptr_array_add(accounts->tokens, g_memdup2(&token, sizeof token));
}

static void accounts_read_session(HttpAccounts *accounts, const Json *json)
{
    const char *user = json_get_str(json, "user"), *csrf = json_get_str(json, "csrf");
    Session session = { .role = http_role_parse(json_get_str(json, "role")),
                        .began_s = json_get_int(json, "began", 0),
                        .seen_s = json_get_int(json, "seen", 0) };

    if (!user || !csrf || !session.role || !unhex(json_get_str(json, "key"), session.key, sizeof session.key))
        return;
    session.user = g_strdup(user);
    session.csrf = g_strdup(csrf);
    Session *made = g_memdup2(&session, sizeof session);
    g_hash_table_replace(accounts->sessions, made->key, made);
}

/* NULL without an error: there is no such file. */
static bool accounts_read_file(const char *path, Json **ret_json, Error **err)
{
    g_autoptr(Error) why = NULL;
    g_autofree char *text = NULL;
    size_t len;

    *ret_json = NULL;
    if (file_read(path, ACCOUNTS_MAX_BYTES, &text, &len, &why))
        return json_parse(text, len, path, ret_json, err);
    return error_errno(why) == ENOENT || error_propagate(err, g_steal_pointer(&why));
}

static bool accounts_load(HttpAccounts *accounts, Error **err)
{
    AUTO_JSON root = NULL;
    AUTO_JSON sessions = NULL;
    const Json *item;
    size_t i;

    if (!accounts_read_file(accounts->path, &root, err))
        return false;
    json_array_foreach (json_get_arr(root, "users"), i, item)
        accounts_read_user(accounts, item);
    json_array_foreach (json_get_arr(root, "tokens"), i, item)
        accounts_read_token(accounts, item);
    factors_read(accounts->factors, json_get_arr(root, "factors"));
    /* Without them everybody logs in again. */
    (void)accounts_read_file(accounts->sessions_path, &sessions, NULL);
    json_array_foreach (sessions, i, item)
        accounts_read_session(accounts, item);
    return true;
}

HttpAccounts *http_accounts_open(const Paths *paths)
{
    HttpAccounts *accounts = g_new0(HttpAccounts, 1);
    g_autoptr(Error) err = NULL;

    wait_queue_init(&accounts->changed);
    accounts->path = path_join(paths->etc, "lodge-web.json");
    accounts->sessions_path = path_join(paths->run, "lodge-web-sessions.json");
    accounts->users = g_ptr_array_new_with_free_func(user_free);
    accounts->tokens = g_ptr_array_new_with_free_func(token_free);
    accounts->factors = factors_new();
    accounts->sessions = g_hash_table_new_full(key_hash, key_equal, NULL, session_free);
    accounts->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, link_free);
    accounts->failures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!accounts_load(accounts, &err)) {
        g_autofree char *aside = g_strconcat(accounts->path, ".damaged", NULL);
        log_error_error(err, "the accounts of the web: they are set aside");
        (void)!file_rename(accounts->path, aside, NULL); /* the next change replaces it */
    }
    return accounts;
}

void http_accounts_free(HttpAccounts *accounts)
{
    if (!accounts)
        return;
    wait_queue_clear(&accounts->changed);
    g_ptr_array_unref(accounts->users);
    g_ptr_array_unref(accounts->tokens);
    factors_free(accounts->factors);
    g_hash_table_unref(accounts->sessions);
    g_hash_table_unref(accounts->links);
    g_hash_table_unref(accounts->failures);
    g_free(accounts->path);
    g_free(accounts->sessions_path);
    g_free(accounts);
}

/* ---- passwords ---- */

typedef struct Hashing {
    char *password, *setting; /* @setting NULL: a new one */
    char *hash;               /* the answer; NULL: it failed */
} Hashing;

static void hashing_free(void *data)
{
    Hashing *hashing = data;

    if (hashing->password)
        explicit_bzero(hashing->password, strlen(hashing->password));
    g_free(hashing->password);
    g_free(hashing->setting);
    g_free(hashing->hash);
    g_free(hashing);
}

static void hashing_work(void *data)
{
    Hashing *hashing = data;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    void *room = NULL;
    int size = 0;

    if (hashing->setting || crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting)) {
        const char *hash =
            crypt_ra(hashing->password, hashing->setting ? hashing->setting : setting, &room, &size);
        hashing->hash = hash && *hash == '$' ? g_strdup(hash) : NULL;
    }
    free(room);
}

/* Takes 30 ms of a worker. *ret_hash owned. */
static bool password_hash(const char *password, const char *setting, char **ret_hash, Error **err)
{
    Hashing *hashing = g_new0(Hashing, 1);

    hashing->password = g_strdup(password);
    hashing->setting = g_strdup(setting);
    if (!worker_run(worker_lane_named("passwords"), hashing_work, hashing, hashing_free, HASH_TIMEOUT_MS,
                    err))
        return false;
    *ret_hash = g_steal_pointer(&hashing->hash);
    hashing_free(hashing);
    return *ret_hash || error_set(err, ERROR_OPERATION_FAILED, "the password cannot be checked");
}

static bool text_equal(const char *a, const char *b)
{
    const size_t len = strlen(a);
    unsigned char different = len != strlen(b);

    for (size_t i = 0; i < len && !(strlen(b) < len); i++)
        different |= (unsigned char)(a[i] ^ b[i]);
    return !different;
}

/* ---- users ---- */

static User *user_find(const HttpAccounts *accounts, const char *name)
{
    for (guint i = 0; i < accounts->users->len; i++) {
        User *user = g_ptr_array_index(accounts->users, i);
        if (strcmp(user->name, name) == 0)
            return user;
    }
    return NULL;
}

Json *http_users_list(const HttpAccounts *accounts)
{
    Json *list = json_array();

    for (guint i = 0; i < accounts->users->len; i++) {
        const User *user = g_ptr_array_index(accounts->users, i);
        json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:b}", "name", user->name, "role",
                                              http_role_name(user->role), "created",
                                              http_json_time(user->created_s), "otp",
                                              (int)(factors_state(accounts->factors, user->name) ==
                                                    HTTP_FACTOR_ENABLED)));
    }
    return list;
}

static gboolean session_is_of(gpointer key, gpointer data, gpointer user)
{
    const Session *session = data;

    return strcmp(session->user, user) == 0;
}

static bool user_check_new(const HttpAccounts *accounts, const char *name, const char *password,
                           HttpRole role, bool is_new, Error **err)
{
    const User *there = user_find(accounts, name);

    if (!name_is_fine(name))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a user's name has letters, digits, '.', '_', '-', '@', at most 64 of them");
    if (is_new && there)
        return error_set(err, ERROR_OPERATION_FAILED, "user '%s' is there already", name);
    if (!is_new && !there)
        return error_set(err, ERROR_NO_HOSTNAME, "there is no user '%s' of the web", name);
    if (is_new && (!password || !role))
        return error_set(err, ERROR_INVALID_ARGUMENT, "a new user needs a password and a role");
    if (is_new && accounts->users->len >= USERS_MAX)
        return error_set(err, ERROR_OVERFLOW, "there are %u users already", USERS_MAX);
    if (password && (strlen(password) < PASSWORD_MIN || strlen(password) > PASSWORD_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "a password has %u to %u bytes", PASSWORD_MIN,
                         PASSWORD_MAX);
    return true;
}

/* One change at a time: what is found stays there until the change is written. */
static bool accounts_lock(HttpAccounts *accounts, Error **err)
{
    while (accounts->changing) {
        if (!wait_queue_wait(&accounts->changed, FILE_DEADLINE_MS, err))
            return error_prefix(err, "waiting for another change of the web's accounts");
    }
    accounts->changing = true;
    return true;
}

/* Passes @ok on. */
static bool accounts_unlock(HttpAccounts *accounts, bool ok)
{
    accounts->changing = false;
    wait_queue_wake_one(&accounts->changed);
    return ok;
}

/* Under the lock. @hash owned; NULL: as it was. */
static bool user_keep(HttpAccounts *accounts, const char *name, char *hash, HttpRole role, Error **err)
{
    User *user = user_find(accounts, name);
    const bool is_new = !user;

    if (is_new) {
        user = g_new0(User, 1);
        *user = (User){ .name = g_strdup(name), .created_s = now_s() };
        g_ptr_array_add(accounts->users, user);
    }
    const User before = *user;
    if (hash)
        user->password = hash;
    if (role)
        user->role = role;
    if (accounts_save(accounts, err)) {
        if (hash)
            g_free(before.password);
        return true;
    }
    g_free(hash);
    *user = before;
    if (is_new)
        g_ptr_array_remove(accounts->users, user);
    return false;
}

bool http_user_set(HttpAccounts *accounts, const char *name, const char *password, HttpRole role, bool is_new,
                   Error **err)
{
    g_autofree char *hash = NULL;

    if (!user_check_new(accounts, name, password, role, is_new, err) ||
        (password && !password_hash(password, NULL, &hash, err)) || !accounts_lock(accounts, err))
        return false;
    if (!accounts_unlock(accounts, user_check_new(accounts, name, password, role, is_new, err) &&
                                       user_keep(accounts, name, g_steal_pointer(&hash), role, err)))
        return false;
    if (g_hash_table_foreach_remove(accounts->sessions, session_is_of, (gpointer)name))
        accounts_save_sessions(accounts);
    return true;
}

static bool user_remove(HttpAccounts *accounts, const char *name, Error **err)
{
    User *user = user_find(accounts, name);
    guint at;

    if (!user || !g_ptr_array_find(accounts->users, user, &at))
        return error_set(err, ERROR_NO_HOSTNAME, "there is no user '%s' of the web", name);
    (void)g_ptr_array_steal_index(accounts->users, at);
    if (!accounts_save(accounts, err)) {
        g_ptr_array_add(accounts->users, user);
        return false;
    }
    user_free(user);
    return true;
}

bool http_user_remove(HttpAccounts *accounts, const char *name, Error **err)
{
    if (!accounts_lock(accounts, err) || !accounts_unlock(accounts, user_remove(accounts, name, err)))
        return false;
    if (g_hash_table_foreach_remove(accounts->sessions, session_is_of, (gpointer)name))
        accounts_save_sessions(accounts);
    return factors_state(accounts->factors, name) == HTTP_FACTOR_NONE ||
           http_factor_change(accounts, HTTP_FACTOR_DROP, name, NULL, NULL, err);
}

/* ---- failures ---- */

static char *failures_key(const char *kind, const char *text)
{
    return g_strdup_printf("%s %.64s", kind, text);
}

static bool failures_allow(HttpAccounts *accounts, const char *key)
{
    const Failures *failures = g_hash_table_lookup(accounts->failures, key);

    return !failures || loop_now_ms() - failures->since_ms > FAILURES_MS || failures->count < FAILURES_MAX;
}

static void failures_count(HttpAccounts *accounts, const char *key)
{
    Failures *failures = g_hash_table_lookup(accounts->failures, key);

    if (g_hash_table_size(accounts->failures) >= FAILURES_KEPT)
        g_hash_table_remove_all(accounts->failures);
    if (!failures || g_hash_table_size(accounts->failures) == 0 ||
        loop_now_ms() - failures->since_ms > FAILURES_MS) {
        failures = g_new0(Failures, 1);
        failures->since_ms = loop_now_ms();
        g_hash_table_replace(accounts->failures, g_strdup(key), failures);
    }
    failures->count++;
}

static bool user_check_local(const User *user, const char *password, bool *ret_right, Error **err)
{
    /* Of somebody who is not there: takes as long. */
    static const char nobody[] = "$y$j9T$y4ByBxjDj5YLgvBLv1xHl.$tTVsvmMx4MQWxBQzkd1nmYCuQ5UBh7KEZPqRUYNvQn1";
    g_autofree char *setting = g_strdup(user ? user->password : nobody), *hash = NULL;

    *ret_right = false;
    if (!password_hash(password, setting, &hash, err))
        return false;
    *ret_right = user && text_equal(hash, setting);
    return true;
}

/* ---- second factors ---- */

HttpFactorState http_factor_state(const HttpAccounts *accounts, const char *user)
{
    return factors_state(accounts->factors, user);
}

/* Under the lock. */
static bool factor_change(HttpAccounts *accounts, HttpFactorChange change, const char *user, const char *code,
                          char **ret_secret, Error **err)
{
    AUTO_JSON before = factors_format(accounts->factors);
    g_autofree char *secret = NULL;

    if (!factors_change(accounts->factors, change, user, code, &secret, err))
        return false;
    if (!accounts_save(accounts, err)) {
        factors_read(accounts->factors, before);
        return false;
    }
    if (ret_secret)
        *ret_secret = g_steal_pointer(&secret);
    return true;
}

bool http_factor_change(HttpAccounts *accounts, HttpFactorChange change, const char *user, const char *code,
                        char **ret_secret, Error **err)
{
    g_autofree char *key = failures_key("code", user);

    if (!failures_allow(accounts, key))
        return error_set(err, ERROR_BUSY, "too many wrong codes: try again in some minutes");
    if (code) /* before, as with passwords */
        failures_count(accounts, key);
    if (!accounts_lock(accounts, err) ||
        !accounts_unlock(accounts, factor_change(accounts, change, user, code, ret_secret, err)))
        return false;
    if (code)
        g_hash_table_remove(accounts->failures, key);
    return true;
}

/* Behind the password. */
static bool user_check_factor(HttpAccounts *accounts, const char *name, const char *otp, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (factors_state(accounts->factors, name) != HTTP_FACTOR_ENABLED)
        return true;
    if (!otp) {
        error_set(err, ERROR_AUTH_FAILED, "the code of the second factor is missing");
        if (err)
            error_set_class(*err, "otp-required");
        return false;
    }
    if (http_factor_change(accounts, HTTP_FACTOR_USE, name, otp, NULL, &why))
        return true;
    if (error_code(why) == ERROR_INVALID_ARGUMENT)
        error_recode(why, ERROR_AUTH_FAILED);
    return error_propagate(err, g_steal_pointer(&why));
}

bool http_user_check(HttpAccounts *accounts, const char *name, const char *password, const char *otp,
                     const char *from, HttpRole *ret_role, Error **err)
{
    g_autofree char *by_address = failures_key("address", from), *by_user = failures_key("user", name);
    const User *user = user_find(accounts, name);
    HttpRole role = user ? user->role : HTTP_ROLE_NONE;
    bool right = false;

    if (!failures_allow(accounts, by_address) || !failures_allow(accounts, by_user))
        return error_set(err, ERROR_BUSY, "too many wrong log-ins: try again in some minutes");
    /* Counted before, so that many at once gain nothing. */
    failures_count(accounts, by_address);
    failures_count(accounts, by_user);
    if (strlen(password) <= PASSWORD_MAX) {
        if (!user_check_local(user, password, &right, err))
            return false;
        if (!user && name_is_fine(name) && !http_pam_check(name, password, &role, err))
            return false;
        right |= !user && role != HTTP_ROLE_NONE;
    }
    if (!right) {
        log_warning("log-in of '%s' from %s was refused", name, from);
        return error_set(err, ERROR_AUTH_FAILED, "user or password is wrong");
    }
    if (!user_check_factor(accounts, name, otp, err))
        return false;
    g_hash_table_remove(accounts->failures, by_address);
    g_hash_table_remove(accounts->failures, by_user);
    *ret_role = role;
    return true;
}

/* ---- sessions ---- */

static bool session_is_over(const Session *session)
{
    const int64_t now = now_s();

    return now - session->seen_s > SESSION_IDLE_S || now - session->began_s > SESSION_MAX_S;
}

static gboolean session_may_go(gpointer key, gpointer data, gpointer arg)
{
    return session_is_over(data);
}

static void session_identity(const Session *session, HttpIdentity *ret_who)
{
    *ret_who = (HttpIdentity){ .user = g_strdup(session->user),
                               .role = session->role,
                               .by_cookie = true,
                               .csrf = g_strdup(session->csrf) };
    memcpy(ret_who->key, session->key, sizeof session->key);
}

bool http_session_begin(HttpAccounts *accounts, const char *user, HttpRole role, char **ret_cookie,
                        HttpIdentity *ret_who, Error **err)
{
    g_hash_table_foreach_remove(accounts->sessions, session_may_go, NULL);
    if (g_hash_table_size(accounts->sessions) >= SESSIONS_MAX)
        return error_set(err, ERROR_BUSY, "%u people are logged in already", SESSIONS_MAX);
    Session *session = g_new0(Session, 1);
    g_autofree char *cookie = secret_make("");
    secret_key(cookie, session->key);
    session->user = g_strdup(user);
    session->role = role;
    session->csrf = secret_make("");
    session->began_s = session->seen_s = now_s();
    session_identity(session, ret_who);
    g_hash_table_replace(accounts->sessions, session->key, session);
    accounts_save_sessions(accounts);
    *ret_cookie = g_steal_pointer(&cookie);
    return true;
}

bool http_session_find(HttpAccounts *accounts, const char *cookie, HttpIdentity *ret_who)
{
    uint8_t key[32];

    secret_key(cookie, key);
    Session *session = g_hash_table_lookup(accounts->sessions, key);
    if (!session)
        return false;
    if (session_is_over(session)) {
        g_hash_table_remove(accounts->sessions, key);
        return false;
    }
    session->seen_s = now_s();
    session_identity(session, ret_who);
    return true;
}

void http_session_end(HttpAccounts *accounts, const HttpIdentity *who)
{
    if (who->by_cookie && g_hash_table_remove(accounts->sessions, who->key))
        accounts_save_sessions(accounts);
}

static gboolean link_may_go(gpointer key, gpointer data, gpointer arg)
{
    return ((const Link *)data)->until_ms < loop_now_ms();
}

char *http_link_make(HttpAccounts *accounts, const char *user)
{
    Link *link = g_new0(Link, 1);
    char *secret = secret_make("");

    g_hash_table_foreach_remove(accounts->links, link_may_go, NULL);
    if (g_hash_table_size(accounts->links) >= LINKS_MAX)
        g_hash_table_remove_all(accounts->links);
    *link = (Link){ g_strdup(user), loop_now_ms() + LINK_MS };
    g_hash_table_insert(accounts->links, g_strdup(secret), link);
    return secret;
}

char *http_link_take(HttpAccounts *accounts, const char *secret)
{
    g_hash_table_foreach_remove(accounts->links, link_may_go, NULL);
    const Link *link = g_hash_table_lookup(accounts->links, secret);
    char *user = link ? g_strdup(link->user) : NULL;

    g_hash_table_remove(accounts->links, secret);
    return user;
}

/* ---- tokens ---- */

Json *http_tokens_list(const HttpAccounts *accounts, bool shares)
{
    Json *list = json_array();

    for (guint i = 0; i < accounts->tokens->len; i++) {
        const Token *token = g_ptr_array_index(accounts->tokens, i);
        char machine[UUID_STRING_LEN];
        if (token->is_share != shares)
            continue;
        uuid_format(&token->machine, machine);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s?,s:s,s:o,s:o}", "id", token->id, "name",
                                              token->name, "role", http_role_name(token->role), "machine",
                                              token->has_machine ? machine : NULL, "by", token->by, "created",
                                              http_json_time(token->created_s), "expires",
                                              http_json_time(token->expires_s)));
    }
    return list;
}

/* Shares that are over make room. */
static void tokens_make_room(HttpAccounts *accounts)
{
    for (guint i = accounts->tokens->len; i-- > 0;) {
        const Token *token = g_ptr_array_index(accounts->tokens, i);
        if (token->is_share && token->expires_s <= now_s())
            g_ptr_array_remove_index(accounts->tokens, i);
    }
}

static bool token_check(const HttpAccounts *accounts, const HttpTokenOrder *order, Error **err)
{
    if (!order->role)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a token needs a role: viewer, operator or admin");
    /* Whoever writes definitions reaches all of the host. */
    if (order->machine && order->role == HTTP_ROLE_ADMIN)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a token for one machine is of a viewer or an operator");
    if (accounts->tokens->len >= TOKENS_MAX)
        return error_set(err, ERROR_OVERFLOW, "there are %u tokens already", TOKENS_MAX);
    if (order->expires_s && order->expires_s <= now_s())
        return error_set(err, ERROR_INVALID_ARGUMENT, "the token would have expired already");
    return true;
}

bool http_token_make(HttpAccounts *accounts, const HttpTokenOrder *order, char **ret_token, char **ret_id,
                     Error **err)
{
    if (!accounts_lock(accounts, err))
        return false;
    tokens_make_room(accounts);
    if (!token_check(accounts, order, err))
        return accounts_unlock(accounts, false);
    g_autofree char *secret = secret_make(order->is_share ? "" : "lodge_"), *id = secret_make("");
    Token *token = g_new0(Token, 1);
    id[12] = '\0';
    *token = (Token){ .id = g_strdup(id),
                      .name = g_strdup(order->name),
                      .by = g_strdup(order->by),
                      .role = order->role,
                      .has_machine = order->machine != NULL,
                      .is_share = order->is_share,
                      .display = order->display,
                      .created_s = now_s(),
                      .expires_s = order->expires_s };
    if (order->machine)
        token->machine = *order->machine;
    secret_key(secret, token->key);
    g_ptr_array_add(accounts->tokens, token);
    if (!accounts_save(accounts, err)) {
        g_ptr_array_remove(accounts->tokens, token);
        return accounts_unlock(accounts, false);
    }
    (void)accounts_unlock(accounts, true);
    *ret_token = g_steal_pointer(&secret);
    *ret_id = g_steal_pointer(&id);
    return true;
}

static bool token_remove(HttpAccounts *accounts, const char *id, Error **err)
{
    for (guint i = 0; i < accounts->tokens->len; i++) {
        Token *token = g_ptr_array_index(accounts->tokens, i);
        if (strcmp(token->id, id) != 0)
            continue;
        (void)g_ptr_array_steal_index(accounts->tokens, i);
        if (!accounts_save(accounts, err)) {
            g_ptr_array_add(accounts->tokens, token);
            return false;
        }
        token_free(token);
        return true;
    }
    return error_set(err, ERROR_NO_HOSTNAME, "there is no token '%s'", id);
}

bool http_token_remove(HttpAccounts *accounts, const char *id, Error **err)
{
    return accounts_lock(accounts, err) && accounts_unlock(accounts, token_remove(accounts, id, err));
}

static const Token *token_of_key(const HttpAccounts *accounts, const uint8_t key[32])
{
    for (guint i = 0; i < accounts->tokens->len; i++) {
        const Token *token = g_ptr_array_index(accounts->tokens, i);
        if (memcmp(token->key, key, sizeof token->key) == 0)
            return token->expires_s && token->expires_s <= now_s() ? NULL : token;
    }
    return NULL;
}

bool http_token_find(HttpAccounts *accounts, const char *secret, HttpIdentity *ret_who)
{
    uint8_t key[32];

    secret_key(secret, key);
    const Token *token = token_of_key(accounts, key);
    if (!token || token->is_share)
        return false;
    *ret_who = (HttpIdentity){ .user = g_strdup_printf("token %s", token->name),
                               .role = token->role,
                               .has_machine = token->has_machine,
                               .machine = token->machine,
                               .by_token = true };
    memcpy(ret_who->key, key, sizeof key);
    return true;
}

bool http_share_find(const HttpAccounts *accounts, const char *secret, Uuid *ret_machine,
                     unsigned *ret_display, char **ret_by)
{
    uint8_t key[32];

    secret_key(secret, key);
    const Token *token = token_of_key(accounts, key);
    if (!token || !token->is_share)
        return false;
    *ret_machine = token->machine;
    *ret_display = token->display;
    *ret_by = g_strdup(token->by);
    return true;
}

bool http_identity_is_good(const HttpAccounts *accounts, const HttpIdentity *who)
{
    if (who->by_token)
        return token_of_key(accounts, who->key) != NULL;
    const Session *session = who->by_cookie ? g_hash_table_lookup(accounts->sessions, who->key) : NULL;
    return session ? now_s() - session->began_s <= SESSION_MAX_S : !who->by_cookie;
}
