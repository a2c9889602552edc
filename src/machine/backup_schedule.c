/* The schedule of backups. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "backup"
#include "machine/backup_schedule.h"

#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/uuid.h"
#include "core/client_program.h"
#include "core/host_private.h"

#define LIST "lodge-backup-schedule.json"
#define LIST_MAX_BYTES ((size_t)4 << 20)
#define ORDERS_MAX 4096u
#define RETRY_S 300 /* after a failure, unless it is due earlier */
#define EVERY_MAX_S (INT64_C(366) * 86400)
#define CREATE_KEY "create"
#define PRUNE_KEY "prune"

typedef struct Order {
    char *domain, *repository; /* UUID, absolute path */
    int64_t every_s, last_s, next_s;
    char **create, **prune; /* options; prune empty: nothing is removed */
    char *failure;
    bool is_due;    /* a fiber has been started for it */
    Fiber *running; /* borrowed; NULL: it does nothing */
    unsigned refs;
} Order;

static GPtrArray *orders; /* of Order; loop thread only; NULL: not loaded */
static sd_event_source *timer;

static void order_unref(void *data)
{
    Order *order = data;

    if (--order->refs)
        return;
    g_free(order->domain);
    g_free(order->repository);
    g_strfreev(order->create);
    g_strfreev(order->prune);
    g_free(order->failure);
    g_free(order);
}

static Order *order_at(guint number)
{
    return g_ptr_array_index(orders, number);
}

static bool order_is_listed(const Order *order)
{
    return orders && g_ptr_array_find(orders, order, NULL);
}

/* ---- the file ---- */

static char *list_path(const Host *host)
{
    return path_join(host->paths->etc, LIST);
}

/* Options of commands of ours, and values of theirs; nothing else gets to the child's command line. */
static char **parse_options(const Json *list)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    size_t index = 0;
    Json *item;

    json_array_foreach (list, index, item) {
        const char *word = json_string_value(item);
        if (!word || !g_str_has_prefix(word, "--") || !word[2])
            return NULL;
        g_strv_builder_add(words, word);
    }
    return g_strv_builder_end(words);
}

static Json *format_options(char *const *words)
{
    Json *list = json_array();

    for (; *words; words++)
        json_array_append_new(list, json_string(*words));
    return list;
}

/* NULL: it makes no sense. */
static Order *parse_order(const Json *json)
{
    const char *domain = json_get_str(json, "domain"), *repository = json_get_str(json, "repository");
    const int64_t every_s = json_get_int(json, "every_s", 0);
    Uuid uuid;

    if (!uuid_parse(domain, &uuid, NULL) || !repository || repository[0] != '/' ||
        every_s < BACKUP_EVERY_MIN_S || every_s > EVERY_MAX_S)
        return NULL;
    Order *order = g_new0(Order, 1);
    order->refs = 1;
    order->domain = g_strdup(domain);
    order->repository = g_strdup(repository);
    order->every_s = every_s;
    order->create = parse_options(json_get_arr(json, CREATE_KEY));
    order->prune = parse_options(json_get_arr(json, PRUNE_KEY));
    order->last_s = CLAMP(json_get_int(json, "last_s", 0), 0, INT64_MAX / 4);
    order->next_s = CLAMP(json_get_int(json, "next_s", 0), 0, INT64_MAX / 4);
    order->failure = g_strdup(json_get_str(json, "failure"));
    if (order->create && order->prune)
        return order;
    order_unref(order);
    return NULL;
}

static Json *format_order(const Order *order)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:s?, s:o, s:o}", "domain", order->domain, "repository",
                     order->repository, "every_s", (json_int_t)order->every_s, "last_s",
                     (json_int_t)order->last_s, "next_s", (json_int_t)order->next_s, "running",
                     order->running, "failure", order->failure, CREATE_KEY, format_options(order->create),
                     PRUNE_KEY, format_options(order->prune));
}

Json *backup_schedule_list(Host *host)
{
    Json *list = json_array();

    for (guint i = 0; orders && i < orders->len; i++)
        json_array_append_new(list, format_order(order_at(i)));
    return list;
}

static bool save(Host *host, Error **err)
{
    AUTO_JSON list = backup_schedule_list(host);
    g_autofree char *text = json_format_pretty(list), *path = list_path(host);

    return file_replace(path, text, strlen(text), 0600, err);
}

/* ---- the child ---- */

/* false: *ret_failure says why, in the child's words. */
AWAITS static bool run_client(const Host *host, const char *verb, const char *const *words,
                              char *const *options, char **ret_failure)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    g_autoptr(Error) err = NULL;

    g_ptr_array_add(all, (void *)verb);
    for (; *words; words++)
        g_ptr_array_add(all, (void *)*words);
    for (; *options; options++)
        g_ptr_array_add(all, *options);
    g_ptr_array_add(all, NULL);
    if (client_program_run(host, (const char *const *)all->pdata, NULL, NULL, &err))
        return true;
    *ret_failure = g_strdup(error_message(err));
    return false;
}

/* ---- time ---- */

static void arm(Host *host);

typedef struct RunArg {
    Host *host;
    Order *order; /* counted */
} RunArg;

AWAITS static void run_fiber(void *data)
{
    g_autofree RunArg *arg = data;
    Host *host = arg->host;
    Order *order = arg->order;
    g_autofree char *failure = NULL;
    g_autoptr(Error) err = NULL;
    const char *const create[] = { order->domain, order->repository, NULL };
    const char *const prune[] = { order->repository, order->domain, NULL };

    order->running = fiber_current();
    const bool ok = run_client(host, "backup-create", create, order->create, &failure) &&
                    (!order->prune[0] || run_client(host, "backup-prune", prune, order->prune, &failure));
    const int64_t now_s = time(NULL);
    order->running = NULL;
    order->is_due = false;
    g_free(order->failure);
    order->failure = g_steal_pointer(&failure);
    if (host->is_stopping) { /* it was ended; the next daemon makes up for it */
        order_unref(order);
        return;
    }
    if (ok) {
        order->last_s = now_s;
        log_info("machine %s is backed up into '%s'", order->domain, order->repository);
    } else {
        order->next_s = now_s + MIN(order->every_s, RETRY_S);
        log_error("machine %s is not backed up into '%s': %s", order->domain, order->repository,
                  order->failure);
    }
    if (order_is_listed(order) && !save(host, &err))
        log_error("the schedule of backups is not saved: %s", error_message(err));
    order_unref(order);
    arm(host);
}

static void start_due(Host *host)
{
    const int64_t now_s = time(NULL);

    for (guint i = 0; i < orders->len; i++) {
        Order *order = order_at(i);
        if (order->is_due || order->next_s > now_s)
            continue;
        RunArg *arg = g_new0(RunArg, 1);
        *arg = (RunArg){ host, order };
        order->refs++;
        order->is_due = true;
        /* Counted from now, so that what was missed is made up for once. */
        order->next_s = now_s + order->every_s;
        host_spawn(host, "backup", run_fiber, arg);
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    Host *host = arg;

    if (host->is_stopping)
        return 0;
    start_due(host);
    arm(host);
    return 0;
}

/* Sets the timer to the next that is due; it looks at the clock at least each minute, because clocks are set.
 */
static void arm(Host *host)
{
    const int64_t now_s = time(NULL);
    int64_t wait_s = 60;

    for (guint i = 0; i < orders->len; i++)
        if (!order_at(i)->is_due)
            wait_s = MIN(wait_s, MAX(order_at(i)->next_s - now_s, 0));
    const uint64_t wait_us = (uint64_t)wait_s * 1000000;
    if (!orders->len) {
        timer = sd_event_source_disable_unref(timer);
    } else if (timer) {
        (void)sd_event_source_set_time_relative(timer, wait_us);
        (void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
    } else {
        (void)sd_event_add_time_relative(loop_event(), &timer, CLOCK_MONOTONIC, wait_us, 0, on_timer, host);
    }
}

/* ---- changes ---- */

static Order *find_order(const char *domain, const char *repository)
{
    for (guint i = 0; i < orders->len; i++)
        if (strcmp(order_at(i)->domain, domain) == 0 && strcmp(order_at(i)->repository, repository) == 0)
            return order_at(i);
    return NULL;
}

bool backup_schedule_add(Host *host, const Json *json, Error **err)
{
    Order *order = parse_order(json);

    if (!order)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a schedule needs a machine, the path of a repository, and at least %d seconds in "
                         "between",
                         BACKUP_EVERY_MIN_S);
    Order *old = find_order(order->domain, order->repository);
    if (!old && orders->len >= ORDERS_MAX) {
        order_unref(order);
        return error_set(err, ERROR_OPERATION_FAILED, "there are %u schedules already", ORDERS_MAX);
    }
    order->last_s = old ? old->last_s : 0;
    order->next_s = old ? MIN(old->next_s, time(NULL) + order->every_s) : 0; /* a new one is due at once */
    g_clear_pointer(&order->failure, g_free);
    if (old)
        (void)g_ptr_array_remove(orders, old);
    g_ptr_array_add(orders, order);
    order->refs++;
    const bool ok = save(host, err);
    if (!ok && order_is_listed(order))
        (void)g_ptr_array_remove(orders, order);
    order_unref(order);
    arm(host);
    return ok;
}

bool backup_schedule_remove(Host *host, const char *domain, const char *repository, Error **err)
{
    Order *order = domain && repository ? find_order(domain, repository) : NULL;

    if (!order)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is no schedule for that machine and repository");
    (void)g_ptr_array_remove(orders, order);
    arm(host);
    return save(host, err);
}

void backup_schedule_stop(void)
{
    for (guint i = 0; orders && i < orders->len; i++)
        if (order_at(i)->running)
            fiber_cancel(order_at(i)->running);
}

static void on_host_free(Host *host)
{
    timer = sd_event_source_disable_unref(timer);
    g_clear_pointer(&orders, g_ptr_array_unref);
}

static bool read_list(const char *path, Error **err)
{
    g_autofree char *text = NULL;
    AUTO_JSON list = NULL;
    size_t len = 0, index = 0;
    Json *item;

    if (access(path, F_OK) < 0)
        return true;
    if (!file_read(path, LIST_MAX_BYTES, &text, &len, err) || !json_parse(text, len, path, &list, err))
        return false;
    json_array_foreach (list, index, item) {
        Order *order = parse_order(item);
        if (!order)
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s': item %zu makes no sense", path, index);
        g_ptr_array_add(orders, order);
    }
    return true;
}

void backup_schedule_load(Host *host)
{
    g_autofree char *path = list_path(host);
    g_autoptr(Error) err = NULL;

    orders = g_ptr_array_new_with_free_func(order_unref);
    host_on_free(host, on_host_free);
    if (!read_list(path, &err))
        log_error("the schedule of backups cannot be read: %s", error_message(err));
    arm(host);
}
