/* One fiber looks, another one tells: mail and hooks are slow, and may hang. What was not told when the
 * daemon ends is told by the next. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "alerts"
#include "http/alerts.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "host/node.h"
#include "http/alert_look.h"
#include "http/alert_send.h"
#include "http/answer.h"
#include "http/feed.h"
#include "http/kept_file.h"
#include "http/route.h"

#define LOOK_MS 10000
#define PAUSE_MS 500 /* between two looks, whatever happens */
#define SETTINGS_MAX_BYTES ((size_t)65536)
#define NEWS_MAX 100u /* in one mail */

typedef struct Alerts {
    HttpHub *hub;
    char *settings_path;
    AlertSettings settings;
    KeptFile *file;
    AlertWatch *watch;
    AlertBook *book;
    bool is_telling;
    WaitQueue changed; /* woken when a look may find something else */
} Alerts;

static const char alerts_key;

static const struct {
    const char *object_kind, *hint, *command; /* %s: the object, if it is named */
} kinds[ALERT_KINDS] = {
    [ALERT_DOWN] = { "machine", "start it, or see why it ended with 'lodge history'", "lodge start %s" },
    [ALERT_CRASH_LOOP] = { "machine", "see what it was each time", "lodge history %s" },
    [ALERT_POOL_FULL] = { "pool", "remove volumes, or give it more room", "lodge vol-list %s" },
    [ALERT_BACKUP_OLD] = { "machine", "see what the schedule says", "lodge backup schedule list" },
    [ALERT_CERTIFICATE] = { "certificate", "replace it, and restart lodged",
                            "openssl x509 -noout -dates -in %s" },
    [ALERT_AGENT_SILENT] = { "machine", "look whether the guest hangs, and restart its qemu-guest-agent",
                             "lodge screenshot %s" },
    [ALERT_NO_SPACE] = { "machine", "make room on its storage: it goes on by itself",
                         "lodge domblkerror %s" },
    [ALERT_IO_ERROR] = { "machine", "look at the storage of its disks", "lodge domblkerror %s" },
};

static void settings_clear(AlertSettings *settings)
{
    g_free(settings->mail_to);
    g_free(settings->hook);
    *settings = (AlertSettings){ 0 };
}

static void alerts_free(void *data)
{
    Alerts *alerts = data;

    alert_watch_free(alerts->watch);
    wait_queue_clear(&alerts->changed);
    alert_book_free(alerts->book);
    kept_file_free(alerts->file);
    settings_clear(&alerts->settings);
    g_free(alerts->settings_path);
    g_free(alerts);
}

static Json *alerts_format(void *arg)
{
    const Alerts *alerts = arg;

    return json_pack("{s:o,s:o}", "book", alert_book_format(alerts->book), "machines",
                     alert_watch_format(alerts->watch));
}

/* ---- settings ---- */

static const struct {
    const char *name;
    size_t offset;
    uint64_t fallback, max;
} limits[] = {
    { "pool_percent", offsetof(AlertSettings, pool_percent), 90, 100 },
    { "backup_days", offsetof(AlertSettings, backup_days), 7, 3650 },
    { "certificate_days", offsetof(AlertSettings, certificate_days), 21, 36500 },
    { "agent_minutes", offsetof(AlertSettings, agent_minutes), 10, 10080 },
    { "crash_count", offsetof(AlertSettings, crash_count), 3, ALERT_CRASHES_MAX },
    { "crash_minutes", offsetof(AlertSettings, crash_minutes), 15, 10080 },
};

static uint64_t *settings_number(AlertSettings *settings, size_t i)
{
    return (uint64_t *)(void *)((char *)settings + limits[i].offset);
}

/* What @json does not name is as in @before. */
static bool settings_parse(const Json *json, const AlertSettings *before, AlertSettings *ret_settings,
                           Error **err)
{
    AlertSettings settings = *before;
    const Json *mail = json_object_get(json, "mail_to"), *hook = json_object_get(json, "hook");

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        uint64_t *number = settings_number(&settings, i);
        *number = json_get_uint(json, limits[i].name, *number);
        if (*number > limits[i].max)
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' can be %" PRIu64 " at most", limits[i].name,
                             limits[i].max);
    }
    settings.mail_to = g_strdup(mail ? json_string_value(mail) : before->mail_to);
    settings.hook = g_strdup(hook ? json_string_value(hook) : before->hook);
    *ret_settings = settings;
    return true;
}

static Json *settings_json(const AlertSettings *settings)
{
    Json *json = json_pack("{s:s?,s:s?}", "mail_to", settings->mail_to, "hook", settings->hook);

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
        json_object_set_new(json, limits[i].name,
                            json_integer((json_int_t)*settings_number((AlertSettings *)settings, i)));
    return json;
}

AWAITS static void settings_load(Alerts *alerts)
{
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    AUTO_JSON json = NULL;
    AlertSettings defaults = { 0 };
    size_t len;

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
        *settings_number(&defaults, i) = limits[i].fallback;
    const bool is_read = file_read(alerts->settings_path, SETTINGS_MAX_BYTES, &text, &len, &err);
    if ((is_read && json_parse(text, len, alerts->settings_path, &json, &err) &&
         settings_parse(json, &defaults, &alerts->settings, &err)) ||
        error_errno(err) == ENOENT) {
        if (!is_read)
            alerts->settings = defaults;
        return;
    }
    log_warning_error(err, "settings of alerts: the defaults are used");
    alerts->settings = defaults;
}

/* ---- telling ---- */

static Json *alert_json(const Alert *alert)
{
    g_autofree char *quoted = g_shell_quote(alert->object);
    const bool is_plain = !strpbrk(alert->object, " \t\n'\"\\$`&|;<>()*?[]#~=%!{}");
    g_auto(GStrv) parts = g_strsplit(kinds[alert->kind].command, "%s", 2);
    g_autofree char *command = g_strconcat(parts[0],
                                           !parts[1]  ? ""
                                           : is_plain ? alert->object
                                                      : quoted,
                                           parts[1], NULL);
    g_autofree char *id = g_strdup_printf("%" PRIu64, alert->id);

    return json_pack("{s:s,s:s,s:s,s:o,s:s,s:o,s:o,s:s,s:o,s:b}", "id", id, "kind",
                     alert_kind_names[alert->kind], "object_kind", kinds[alert->kind].object_kind, "object",
                     http_json_text(alert->object), "severity", alert->is_critical ? "critical" : "warning",
                     "since", http_json_time(alert->since_s), "detail",
                     http_json_text(alert->detail ? alert->detail : ""), "hint", kinds[alert->kind].hint,
                     "command", http_json_text(command), "acknowledged", (int)alert->is_acknowledged);
}

/* What nobody was told yet: [{"event", "host", "alert"}]. */
static Json *untold_news(const Alerts *alerts)
{
    const GPtrArray *list = alert_book_list(alerts->book);
    g_autofree char *hostname = node_get_hostname();
    Json *news = json_array();

    for (guint i = 0; i < list->len && json_array_size(news) < NEWS_MAX; i++) {
        const Alert *alert = g_ptr_array_index(list, i);
        if (alert->must_tell)
            json_array_append_new(news,
                                  json_pack("{s:s,s:s,s:o}", "event", alert->is_open ? "began" : "ended",
                                            "host", hostname, "alert", alert_json(alert)));
    }
    return news;
}

AWAITS static void mark_told(Alerts *alerts, const Json *news)
{
    const Json *one;
    size_t i;

    json_array_foreach (news, i, one) {
        const char *id = json_get_str(json_object_get(one, "alert"), "id");
        alert_book_told(alerts->book, g_ascii_strtoull(id, NULL, 10),
                        strcmp(json_get_str(one, "event"), "began") == 0);
    }
    kept_file_save(alerts->file);
}

/* A failure is told by the log, and not tried again: the page has it anyway. */
AWAITS static void tell(const char *mail_to, const char *hook, const Json *news)
{
    g_autoptr(Error) err = NULL;
    const Json *one;
    size_t i;

    if (mail_to && !alert_send_mail(mail_to, news, &err))
        log_warning_error(err, "alerts");
    json_array_foreach (news, i, one) {
        g_clear_pointer(&err, error_free);
        if (hook && !alert_send_hook(hook, one, &err))
            log_warning_error(err, "alerts");
    }
}

static void tell_fiber(void *arg)
{
    Alerts *alerts = arg;

    while (!fiber_is_cancelled(fiber_current())) {
        AUTO_JSON news = untold_news(alerts);
        g_autofree char *mail_to = g_strdup(alerts->settings.mail_to);
        g_autofree char *hook = g_strdup(alerts->settings.hook);
        if (json_array_size(news) == 0)
            break;
        tell(mail_to, hook, news);
        if (!fiber_is_cancelled(fiber_current()))
            mark_told(alerts, news);
    }
    alerts->is_telling = false;
}

static void alerts_tell(Alerts *alerts)
{
    if (!alerts->is_telling)
        alerts->is_telling = fiber_spawn("alerts", tell_fiber, alerts) != NULL;
}

static void on_change(const Alert *alert, void *arg)
{
    Alerts *alerts = arg;
    g_autofree char *detail =
        g_strdup_printf("%s: %s", alert_kind_names[alert->kind], alert->detail ? alert->detail : "");

    log_warning("alert %s: %s '%s': %s", alert->is_open ? "began" : "ended", kinds[alert->kind].object_kind,
                alert->object, detail);
    feed_publish(alerts->hub, "alert", alert->object, alert->is_open ? "began" : "ended", detail);
    kept_file_changed(alerts->file);
}

static void on_watch_changed(void *arg)
{
    Alerts *alerts = arg;

    kept_file_changed(alerts->file);
    wait_queue_wake_all(&alerts->changed);
}

static void alerts_run(void *arg)
{
    Alerts *alerts = arg;

    do {
        alert_look(alerts->watch, &alerts->settings, alerts->book);
        alerts_tell(alerts);
        (void)!wait_queue_wait(&alerts->changed, LOOK_MS, NULL);
    } while (fiber_sleep(PAUSE_MS, NULL));
}

void alerts_start(HttpHub *hub)
{
    const Paths *paths = host_paths(http_hub_host(hub));
    g_autofree char *lib = g_path_get_dirname(paths->lib_qemu);
    Alerts *alerts = g_new0(Alerts, 1);

    alerts->hub = hub;
    wait_queue_init(&alerts->changed);
    alerts->settings_path = path_join(paths->etc, "lodge-alerts.json");
    alerts->file = kept_file_new(path_join(lib, "lodge-alerts.json"), "alerts", alerts_format, alerts);
    alerts->book = alert_book_new(on_change, alerts);
    alerts->watch = alert_watch_new(hub, on_watch_changed, alerts);
    http_hub_put(hub, &alerts_key, alerts, alerts_free);
    settings_load(alerts);
    AUTO_JSON kept = kept_file_load(alerts->file);
    alert_book_parse(alerts->book, json_object_get(kept, "book"));
    alert_watch_parse(alerts->watch, json_object_get(kept, "machines"));
    if (!fiber_spawn("alerts", alerts_run, alerts))
        log_warning("there are no alerts: no fiber can be made");
}

/* ---- routes ---- */

static Alerts *alerts_of(const HttpRequest *req)
{
    return http_hub_get(req->hub, &alerts_key);
}

static bool handle_list(HttpRequest *req, Error **err)
{
    const GPtrArray *list = alert_book_list(alerts_of(req)->book);
    Json *items = json_array();

    for (guint i = 0; i < list->len; i++) {
        const Alert *alert = g_ptr_array_index(list, i);
        if (alert->is_open)
            json_array_append_new(items, alert_json(alert));
    }
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static bool handle_acknowledge(HttpRequest *req, Error **err)
{
    Alerts *alerts = alerts_of(req);

    if (!alert_book_acknowledge(alerts->book, g_ascii_strtoull(req->params[0], NULL, 10)))
        return error_set(err, ERROR_NO_HOSTNAME, "there is no alert '%s' any more", req->params[0]);
    kept_file_save(alerts->file);
    return http_answer_none(req);
}

static bool handle_get_settings(HttpRequest *req, Error **err)
{
    return http_answer_json(req, 200, settings_json(&alerts_of(req)->settings));
}

static bool handle_put_settings(HttpRequest *req, Error **err)
{
    Alerts *alerts = alerts_of(req);
    AlertSettings settings = { 0 };

    if (!settings_parse(req->body, &alerts->settings, &settings, err))
        return false;
    AUTO_JSON json = settings_json(&settings);
    g_autofree char *text = json_format_pretty(json);
    if ((settings.mail_to && !alert_check_mail(settings.mail_to, err)) ||
        (settings.hook && !alert_check_hook(settings.hook, err)) ||
        !file_replace(alerts->settings_path, text, strlen(text), 0600, err)) {
        settings_clear(&settings);
        return false;
    }
    settings_clear(&alerts->settings);
    alerts->settings = settings;
    alert_watch_refresh(alerts->watch);
    wait_queue_wake_all(&alerts->changed);
    return handle_get_settings(req, err);
}

#define KINDS "down|crash_loop|pool_full|backup_old|certificate|agent_silent|no_space|io_error"

static const HttpField alert_fields[] = {
    { "id", HTTP_STRING, .required = true },
    { "kind", HTTP_STRING, .required = true, .choices = KINDS },
    { "object_kind", HTTP_STRING, .required = true, .choices = "machine|pool|certificate" },
    { "object", HTTP_STRING, .required = true },
    { "severity", HTTP_STRING, .required = true, .choices = "warning|critical" },
    { "since", HTTP_TIME, .required = true },
    { "detail", HTTP_STRING, .required = true },
    { "hint", HTTP_STRING, .required = true },
    { "command", HTTP_STRING, .required = true },
    { "acknowledged", HTTP_BOOL, .required = true },
    { 0 },
};

#define NUMBER(text, about)                                                                                  \
    {                                                                                                        \
        text, HTTP_UINT, .doc = about                                                                        \
    }
static const HttpField settings_fields[] = {
    { "mail_to", HTTP_STRING, .nullable = true, .doc = "one address; needs sendmail on the host" },
    { "hook", HTTP_STRING, .nullable = true,
      .doc = "absolute path of a program of root's that reads {event, host, alert} as JSON" },
    NUMBER("pool_percent", "used, from which a pool is full; 0 switches this off, as for the others"),
    NUMBER("backup_days", "age of the last backup of a machine that has a schedule"),
    NUMBER("certificate_days", "until a certificate ends"),
    NUMBER("agent_minutes", "without a guest's agent that was there"),
    NUMBER("crash_count", "so many crashes are too many"),
    NUMBER("crash_minutes", "within how many minutes"),
    { 0 },
};

const HttpRoute http_routes_alerts[] = {
    { "GET", "/alerts", HTTP_VIEW, .flags = HTTP_LIST, .answer = alert_fields, .handle = handle_list,
      .doc = "What somebody should attend to now.", .command = "lodge alerts" },
    { "POST", "/alerts/{id}/acknowledge", HTTP_OPERATE, .status = 204, .handle = handle_acknowledge,
      .doc = "Somebody knows of it.", .command = "lodge alerts acknowledge ID" },
    { "GET", "/alerts/settings", HTTP_ADMIN, .answer = settings_fields, .handle = handle_get_settings,
      .doc = "When alerts begin, and who is told.", .command = "lodge alerts settings" },
    { "PUT", "/alerts/settings", HTTP_ADMIN, .body = settings_fields, .answer = settings_fields,
      .handle = handle_put_settings, .doc = "Changes those that are named.",
      .command = "lodge alerts settings --mail-to ADDRESS" },
    { 0 },
};
