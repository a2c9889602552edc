/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/alert_look.h"

#include <gnutls/x509.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/loop.h"
#include "conf/domain_def.h"
#include "core/event.h"
#include "core/object_class.h"
#include "http/counters.h"
#include "machine/backup_schedule.h"
#include "machine/vm.h"
#include "storage/pool.h"
#include "wire/tls.h"
#include "wire/wire_enums.h"

#define DOWN_S 10  /* something may be about to start it */
#define SPACE_S 30 /* without a pause, until there is space again */
#define IO_ERROR_S 3600
#define POOL_GAP 3 /* percent below the limit, until a pool is not full any more */
#define POOL_CRITICAL 98
#define CERTIFICATES_MS ((uint64_t)300 * 1000)
#define PEM_MAX ((size_t)1048576)

/* What is remembered of a machine. */
typedef struct Watched {
    Uuid uuid;
    bool ran;   /* it was started, and its end was not asked for */
    bool ended; /* ... or was */
    bool had_agent;
    int64_t silent_s;                     /* since when its agent is gone; 0: it is not */
    int64_t crashes_s[ALERT_CRASHES_MAX]; /* the last ones, the newest first; 0: none */
} Watched;

typedef struct Certificate {
    char *path;
    int64_t until_s;
} Certificate;

struct AlertWatch {
    HttpHub *hub;
    GHashTable *machines; /* Uuid -> Watched */
    EventSubscription *subscription;
    void (*changed)(void *arg);
    void *arg;
    GPtrArray *certificates; /* of Certificate */
    uint64_t certificates_ms;
};

static int64_t now_s(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

static void certificate_free(gpointer data)
{
    Certificate *certificate = data;

    g_free(certificate->path);
    g_free(certificate);
}

/* ---- what is remembered ---- */

static Watched *watched_get(AlertWatch *watch, const Uuid *uuid)
{
    Watched *watched = g_hash_table_lookup(watch->machines, uuid);

    if (!watched) {
        watched = g_new0(Watched, 1);
        watched->uuid = *uuid;
        g_hash_table_insert(watch->machines, &watched->uuid, watched);
    }
    return watched;
}

static void watched_crashed(Watched *watched)
{
    memmove(&watched->crashes_s[1], watched->crashes_s, sizeof watched->crashes_s - sizeof(int64_t));
    watched->crashes_s[0] = now_s();
}

static void on_lifecycle(Watched *watched, const Event *event)
{
    const bool failed = event->detail == VIR_DOMAIN_EVENT_STOPPED_FAILED;

    if (event->type == VIR_DOMAIN_EVENT_STARTED) {
        watched->ran = true;
        watched->ended = false;
        watched->silent_s = 0;
    } else if (event->type == VIR_DOMAIN_EVENT_CRASHED ||
               (event->type == VIR_DOMAIN_EVENT_STOPPED && failed)) {
        watched_crashed(watched);
    } else if (event->type == VIR_DOMAIN_EVENT_STOPPED && event->detail != VIR_DOMAIN_EVENT_STOPPED_CRASHED) {
        watched->ran = false;
        watched->ended = true;
    }
}

static void on_event(const Event *event, void *arg)
{
    AlertWatch *watch = arg;

    if (event->kind != OBJECT_DOMAIN || (event->id != EVENT_LIFECYCLE && event->id != EVENT_AGENT_LIFECYCLE))
        return;
    Watched *watched = watched_get(watch, &event->uuid);
    if (event->id == EVENT_LIFECYCLE)
        on_lifecycle(watched, event);
    else if (event->type == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED)
        watched->had_agent = true;
    watch->changed(watch->arg);
}

AlertWatch *alert_watch_new(HttpHub *hub, void (*changed)(void *arg), void *arg)
{
    AlertWatch *watch = g_new0(AlertWatch, 1);

    watch->hub = hub;
    watch->machines = g_hash_table_new_full(uuid_hash, uuid_table_equal, NULL, g_free);
    watch->certificates = g_ptr_array_new_with_free_func(certificate_free);
    watch->changed = changed;
    watch->arg = arg;
    watch->subscription = event_subscribe(host_events(http_hub_host(hub)), on_event, watch);
    return watch;
}

void alert_watch_free(AlertWatch *watch)
{
    if (!watch)
        return;
    event_unsubscribe(watch->subscription);
    g_hash_table_unref(watch->machines);
    g_ptr_array_unref(watch->certificates);
    g_free(watch);
}

/* Machines that are there; of others nothing is kept. */
Json *alert_watch_format(AlertWatch *watch)
{
    Json *root = json_object();
    GHashTableIter iter;
    const Watched *watched;

    g_hash_table_iter_init(&iter, watch->machines);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&watched)) {
        g_autoptr(Vm) vm = vm_find_by_uuid(http_hub_host(watch->hub), &watched->uuid, NULL, NULL);
        char uuid[UUID_STRING_LEN];
        Json *crashes = json_array();
        for (size_t i = 0; vm && i < ALERT_CRASHES_MAX && watched->crashes_s[i]; i++)
            json_array_append_new(crashes, json_integer(watched->crashes_s[i]));
        if (!vm) {
            json_decref(crashes);
            g_hash_table_iter_remove(&iter);
            continue;
        }
        uuid_format(&watched->uuid, uuid);
        json_object_set_new(root, uuid,
                            json_pack("{s:b,s:b,s:b,s:o}", "ran", (int)watched->ran, "ended",
                                      (int)watched->ended, "had_agent", (int)watched->had_agent, "crashes",
                                      crashes));
    }
    return root;
}

static void watched_parse(Watched *watched, const Json *json)
{
    const Json *item;
    size_t i;

    watched->ran = json_get_bool(json, "ran", false);
    watched->ended = json_get_bool(json, "ended", false);
    watched->had_agent = json_get_bool(json, "had_agent", false);
    json_array_foreach (json_get_arr(json, "crashes"), i, item) {
        if (i < ALERT_CRASHES_MAX)
            watched->crashes_s[i] = json_integer_value(item);
    }
}

void alert_watch_parse(AlertWatch *watch, const Json *json)
{
    g_autoptr(GPtrArray) vms = NULL;
    const char *key;
    Json *item;
    Uuid uuid;

    json_object_foreach ((Json *)json, key, item) {
        if (uuid_parse(key, &uuid, NULL))
            watched_parse(watched_get(watch, &uuid), item);
    }
    if (!vm_list(http_hub_host(watch->hub), 0, &vms, NULL))
        return;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);
        Watched *watched = watched_get(watch, vm_uuid(vm));
        int reason;
        const VmState state = vm_state(vm, &reason);
        if (vm_is_running(vm)) {
            watched->ran = true;
            watched->ended = false;
        } else if (state == VM_STATE_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_CRASHED) {
            watched->ran = true;
            watched_crashed(watched);
        }
    }
}

/* ---- machines ---- */

/* *ret_there: it has a channel for an agent. */
static bool agent_is_connected(const Vm *vm, bool *ret_there)
{
    const Object *object = vm_object(vm);
    const DomainDef *def = object->live;
    bool connected = false;

    *ret_there = false;
    for (guint i = 0; def && def->channels && i < def->channels->len; i++) {
        const CharDef *channel = g_ptr_array_index(def->channels, i);
        if (g_strcmp0(channel->target_name, "org.qemu.guest_agent.0") != 0)
            continue;
        *ret_there = true;
        connected |= channel->state == CHANNEL_STATE_CONNECTED;
    }
    return connected;
}

static AlertFinding finding_of(const Vm *vm, AlertKind kind, const char *key)
{
    return (AlertFinding){ .kind = kind, .key = key, .object = vm_name(vm) };
}

static void look_whether_it_runs(const Vm *vm, const char *key, const Watched *watched, AlertBook *book)
{
    AlertFinding finding = finding_of(vm, ALERT_DOWN, key);
    const bool starts = object_has_autostart(vm_object(vm));

    finding.begin_s = DOWN_S;
    finding.is_critical = true;
    if (!vm_is_running(vm) && (watched->ran || (starts && !watched->ended)))
        finding.level = ALERT_BAD;
    finding.detail = watched->ran ? "it ran, nobody ended it, and it does not run any more"
                                  : "it is to start with the host, and does not run";
    alert_book_find(book, now_s(), &finding);
}

static void look_at_crashes(const Vm *vm, const char *key, const Watched *watched,
                            const AlertSettings *settings, AlertBook *book)
{
    AlertFinding finding = finding_of(vm, ALERT_CRASH_LOOP, key);
    const int64_t from_s = now_s() - (int64_t)settings->crash_minutes * 60;
    unsigned n = 0;

    if (!settings->crash_count)
        return;
    while (n < ALERT_CRASHES_MAX && watched->crashes_s[n] > from_s)
        n++;
    g_autofree char *detail =
        g_strdup_printf("it crashed %u times within %d minutes", n, (int)settings->crash_minutes);
    finding.level = n >= settings->crash_count ? ALERT_BAD : n ? ALERT_BETWEEN : ALERT_GOOD;
    finding.is_critical = true;
    finding.detail = detail;
    alert_book_find(book, now_s(), &finding);
}

static void look_at_agent(const Vm *vm, const char *key, Watched *watched, const AlertSettings *settings,
                          AlertBook *book)
{
    AlertFinding finding = finding_of(vm, ALERT_AGENT_SILENT, key);
    bool is_there;
    const bool is_connected = agent_is_connected(vm, &is_there);

    watched->had_agent |= is_connected;
    finding.begin_s = (int64_t)settings->agent_minutes * 60;
    /* One that never spoke was not installed. */
    if (settings->agent_minutes && is_there && !is_connected && watched->had_agent)
        finding.level = vm_state(vm, NULL) == VM_STATE_RUNNING ? ALERT_BAD : ALERT_BETWEEN;
    finding.detail = "the guest's agent was there and is not connected any more";
    alert_book_find(book, now_s(), &finding);
}

/* An I/O error that paused it, or one of the last hour. */
static void look_at_disks(HttpHub *hub, const Vm *vm, const char *key, AlertBook *book)
{
    const Counter *io = &counters_of(hub, vm_uuid(vm))[COUNTER_IO_ERROR];
    const Counter *space = &counters_of(hub, vm_uuid(vm))[COUNTER_NO_SPACE];
    AlertFinding full = finding_of(vm, ALERT_NO_SPACE, key), broken = finding_of(vm, ALERT_IO_ERROR, key);
    int reason;
    const bool is_paused = vm_state(vm, &reason) == VM_STATE_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
    const bool is_full = is_paused && space->last_s >= io->last_s;

    full.level = is_full ? ALERT_BAD : ALERT_GOOD;
    full.end_s = SPACE_S;
    full.is_critical = true;
    full.detail = space->reason;
    broken.is_critical = is_paused && !is_full;
    broken.detail = io->reason;
    if (vm_is_running(vm) && io->last_s && (broken.is_critical || now_s() - io->last_s < IO_ERROR_S))
        broken.level = ALERT_BAD;
    alert_book_find(book, now_s(), &full);
    alert_book_find(book, now_s(), &broken);
}

static bool look_at_machines(AlertWatch *watch, const AlertSettings *settings, AlertBook *book)
{
    g_autoptr(GPtrArray) vms = NULL;

    if (!vm_list(http_hub_host(watch->hub), 0, &vms, NULL))
        return false;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);
        Watched *watched = watched_get(watch, vm_uuid(vm));
        char key[UUID_STRING_LEN];
        uuid_format(vm_uuid(vm), key);
        look_whether_it_runs(vm, key, watched, book);
        look_at_crashes(vm, key, watched, settings, book);
        look_at_agent(vm, key, watched, settings, book);
        look_at_disks(watch->hub, vm, key, book);
    }
    return true;
}

/* ---- pools ---- */

AWAITS static void look_at_pool(Object *pool, const AlertSettings *settings, AlertBook *book)
{
    g_auto(PoolInfo) info = { 0 };
    g_autofree char *name = g_strdup(object_name(pool));
    char key[UUID_STRING_LEN];

    uuid_format(object_uuid(pool), key);
    AlertFinding finding = { .kind = ALERT_POOL_FULL, .key = key, .object = name, .level = ALERT_BETWEEN };
    if (!settings->pool_percent || !object_is_active(pool)) {
        finding.level = ALERT_GOOD;
    } else if (pool_get_info(pool, POOL_AS_KNOWN, &info, NULL) && info.capacity_bytes) {
        const uint64_t free_bytes = MIN(info.available_bytes, info.capacity_bytes);
        const unsigned used = (unsigned)(100 - 100.0 * (double)free_bytes / (double)info.capacity_bytes);
        g_autofree char *detail = g_strdup_printf("%u %% used, %" PRIu64 " MiB free", used, free_bytes >> 20);
        finding.level = used >= settings->pool_percent              ? ALERT_BAD
                        : used + POOL_GAP >= settings->pool_percent ? ALERT_BETWEEN
                                                                    : ALERT_GOOD;
        finding.is_critical = used >= POOL_CRITICAL;
        finding.detail = detail;
        alert_book_find(book, now_s(), &finding);
        return;
    }
    alert_book_find(book, now_s(), &finding);
}

AWAITS static bool look_at_pools(const AlertWatch *watch, const AlertSettings *settings, AlertBook *book)
{
    g_autoptr(GPtrArray) pools = NULL;

    if (!object_list(host_registry(http_hub_host(watch->hub), &pool_class), 0,
                     "virConnectListAllStoragePools", &pools, NULL))
        return false;
    for (guint i = 0; i < pools->len; i++)
        look_at_pool(g_ptr_array_index(pools, i), settings, book);
    return true;
}

/* ---- backups: of machines for which there is a schedule ---- */

static void look_at_backups(const AlertWatch *watch, const AlertSettings *settings, AlertBook *book)
{
    AUTO_JSON orders = settings->backup_days ? backup_schedule_list(http_hub_host(watch->hub)) : json_array();
    const Json *order;
    size_t i;

    json_array_foreach (orders, i, order) {
        const char *domain = json_get_str(order, "domain"), *repository = json_get_str(order, "repository");
        const char *failure = json_get_str(order, "failure");
        const int64_t last_s = json_get_int(order, "last_s", 0);
        const int64_t days = (now_s() - last_s) / 86400;
        Uuid uuid;
        g_autoptr(Vm) vm = uuid_parse(domain, &uuid, NULL)
                               ? vm_find_by_uuid(http_hub_host(watch->hub), &uuid, NULL, NULL)
                               : NULL;
        if (!vm)
            continue;
        g_autofree char *key = g_strdup_printf("%s %s", domain, repository);
        g_autofree char *age = last_s ? g_strdup_printf("%d days ago", (int)days) : g_strdup("never");
        g_autofree char *detail = g_strdup_printf("last backup into '%s': %s%s%s", repository, age,
                                                  failure ? ": " : "", failure ? failure : "");
        AlertFinding finding = finding_of(vm, ALERT_BACKUP_OLD, key);
        /* One that is new may run for the first time. */
        finding.level = last_s    ? (days >= (int64_t)settings->backup_days ? ALERT_BAD : ALERT_GOOD)
                        : failure ? ALERT_BAD
                                  : ALERT_BETWEEN;
        finding.detail = detail;
        alert_book_find(book, now_s(), &finding);
    }
}

/* ---- certificates ---- */

static bool certificate_read(const char *path, int64_t *ret_until_s)
{
    g_autofree char *text = NULL;
    gnutls_x509_crt_t crt = NULL;
    size_t len;
    bool ok = false;

    if (!file_read(path, PEM_MAX, &text, &len, NULL) || gnutls_x509_crt_init(&crt) < 0)
        return false;
    const gnutls_datum_t data = { (unsigned char *)text, (unsigned)len };
    if (gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM) >= 0) {
        *ret_until_s = gnutls_x509_crt_get_expiration_time(crt);
        ok = *ret_until_s > 0;
    }
    gnutls_x509_crt_deinit(crt);
    return ok;
}

/* Of the web, and of the protocol over TLS: those that are there. */
AWAITS static void read_certificates(AlertWatch *watch)
{
    const Paths *paths = host_paths(http_hub_host(watch->hub));
    const Config *config = host_config(http_hub_host(watch->hub));
    g_auto(WireTlsFiles) files = wire_tls_files_system(paths->root, WIRE_TLS_SERVER);
    g_autofree char *own = path_join(paths->etc, "lodge-web/certificate.pem");
    const char *const all[] = { config->web_certificate ? config->web_certificate : own,
                                config->tls_cert_file ? config->tls_cert_file : files.cert };

    g_ptr_array_set_size(watch->certificates, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        Certificate certificate = { 0 };
        if (!certificate_read(all[i], &certificate.until_s))
            continue;
        certificate.path = g_strdup(all[i]);
        g_ptr_array_add(watch->certificates, g_memdup2(&certificate, sizeof certificate));
    }
    watch->certificates_ms = loop_now_ms();
}

AWAITS static void look_at_certificates(AlertWatch *watch, const AlertSettings *settings, AlertBook *book)
{
    if (!watch->certificates_ms || loop_now_ms() - watch->certificates_ms >= CERTIFICATES_MS)
        read_certificates(watch);
    for (guint i = 0; settings->certificate_days && i < watch->certificates->len; i++) {
        const Certificate *certificate = g_ptr_array_index(watch->certificates, i);
        const int64_t left_s = certificate->until_s - now_s();
        g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc(certificate->until_s);
        g_autofree char *until = when ? g_date_time_format(when, "%Y-%m-%d") : g_strdup("?");
        g_autofree char *detail = g_strdup_printf("it is good until %s", until);
        alert_book_find(book, now_s(),
                        &(AlertFinding){ .kind = ALERT_CERTIFICATE,
                                         .key = certificate->path,
                                         .object = certificate->path,
                                         .level = left_s < (int64_t)settings->certificate_days * 86400
                                                      ? ALERT_BAD
                                                      : ALERT_GOOD,
                                         .is_critical = left_s < 0,
                                         .detail = detail });
    }
}

void alert_watch_refresh(AlertWatch *watch)
{
    watch->certificates_ms = 0;
}

void alert_look(AlertWatch *watch, const AlertSettings *settings, AlertBook *book)
{
    const unsigned of_machines = 1u << ALERT_DOWN | 1u << ALERT_CRASH_LOOP | 1u << ALERT_AGENT_SILENT |
                                 1u << ALERT_NO_SPACE | 1u << ALERT_IO_ERROR;
    unsigned kinds = 1u << ALERT_BACKUP_OLD | 1u << ALERT_CERTIFICATE;

    alert_book_begin(book);
    if (look_at_machines(watch, settings, book))
        kinds |= of_machines;
    if (look_at_pools(watch, settings, book))
        kinds |= 1u << ALERT_POOL_FULL;
    look_at_backups(watch, settings, book);
    look_at_certificates(watch, settings, book);
    alert_book_end(book, now_s(), kinds);
}
