/* Pools of the disks of an iSCSI target, by open-iscsi.
 *
 * A password never stands in an argument, where everybody on the host could read it: it is written into
 * open-iscsi's record of the target, which is root's, and the record goes when the pool stops. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "storage/pool_auth.h"
#include "storage/pool_kinds.h"
#include "storage/scsi.h"
#include "storage/tool.h"
#include "storage/volume_block.h"

#define ISCSI_MS 150000
#define ISCSI_PORT 3260
#define PACKAGE "open-iscsi"
#define NO_RECORDS 21 /* exit status of iscsiadm: nothing of what was asked for is there */
#define RECORD_MAX (1u << 20)
#define PASSWORD_MAX 255

static const char *const record_folders[] = { "/etc/iscsi/nodes", "/var/lib/iscsi/nodes" };

typedef struct Target {
    char *host, *portal, *iqn;
    char *interface; /* NULL: the default one */
} Target;

static void target_clear(Target *target)
{
    g_free(target->host);
    g_free(target->portal);
    g_free(target->iqn);
    g_free(target->interface);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_clear)

static char *portal_of(const PoolHost *host)
{
    const bool is_ipv6 = strchr(host->name, ':') && host->name[0] != '[';
    return g_strdup_printf(is_ipv6 ? "[%s]:%u,1" : "%s:%u,1", host->name,
                           host->port ? host->port : ISCSI_PORT);
}

static bool one_host(const PoolDef *def, Error **err)
{
    if (!def->hosts || def->hosts->len != 1)
        return error_set(err, ERROR_INTERNAL, "Expected exactly 1 host for the storage pool");
    return storage_check_argument("host name", ((const PoolHost *)def->hosts->pdata[0])->name, err);
}

static bool target_of(const PoolDef *def, Target *ret_target, Error **err)
{
    if (!one_host(def, err))
        return false;
    if (!def->devices || def->devices->len != 1)
        return error_set(err, ERROR_INTERNAL, "missing source device");
    const PoolHost *host = def->hosts->pdata[0];
    const char *iqn = ((const PoolDevice *)def->devices->pdata[0])->path;
    if (!storage_check_argument("target name", iqn, err))
        return false;
    if (strchr(iqn, '/'))
        return error_set(err, ERROR_XML_INVALID, "'%s' is no name of an iSCSI target", iqn);
    *ret_target = (Target){ .host = g_strdup(host->name), .portal = portal_of(host), .iqn = g_strdup(iqn) };
    return true;
}

/* iscsiadm of this target with some more arguments, NULL-terminated. */
AWAITS static bool run_node(const Target *target, const char *const *more, Error **err)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *const begin[] = { "iscsiadm",     "--mode",       "node",     "--portal",
                                  target->portal, "--targetname", target->iqn };

    for (unsigned i = 0; i < G_N_ELEMENTS(begin); i++)
        g_ptr_array_add(argv, (gpointer)begin[i]);
    if (target->interface) {
        g_ptr_array_add(argv, (gpointer) "--interface");
        g_ptr_array_add(argv, target->interface);
    }
    for (; *more; more++)
        g_ptr_array_add(argv, (gpointer)*more);
    g_ptr_array_add(argv, NULL);
    return storage_run((const char *const *)argv->pdata, PACKAGE, ISCSI_MS, NULL, err);
}
#define RUN_NODE(target, ...) run_node(target, (const char *const[]){ __VA_ARGS__, NULL }, err)
#define SET_NODE(target, key, text) RUN_NODE(target, "--op", "update", "--name", key, "--value", text)

/* Lines of a list; none is no failure. */
AWAITS static bool list_lines(const char *mode, char ***ret_lines, Error **err)
{
    const char *const argv[] = { "iscsiadm", "--mode", mode, NULL };
    g_autofree char *out = NULL;
    int status = 0;

    g_auto(Tool) tool = tool_of(argv, PACKAGE, ISCSI_MS);
    tool.max_status = TOOL_ANY_STATUS;
    if (!tool_run_status(&tool, &status, &out, err))
        return false;
    if (status != 0 && status != NO_RECORDS)
        return error_set(err, ERROR_REFUSED, "Child process (iscsiadm --mode %s) unexpected exit status %d",
                         mode, status);
    *ret_lines = g_strsplit(status == 0 ? out : "", "\n", -1);
    return true;
}

/* ---- sessions ---- */

/* *ret_number: of the session with the target; -1: there is none. "tcp: [3] 127.0.0.1:3260,1 IQN (non-flash)"
 */
AWAITS static bool find_session(const char *iqn, int *ret_number, Error **err)
{
    g_auto(GStrv) lines = NULL;

    if (!list_lines("session", &lines, err))
        return false;
    *ret_number = -1;
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        if (g_strv_length(words) >= 4 && strcmp(words[3], iqn) == 0 && words[1][0] == '[')
            *ret_number = atoi(words[1] + 1);
    }
    return true;
}

AWAITS static bool iscsi_is_active(Pool *pool, bool *ret_active, Error **err)
{
    g_auto(Target) target = { 0 };
    int session = -1;

    *ret_active = false;
    if (!target_of(pool_def(pool), &target, NULL))
        return true; /* start() says why */
    if (!find_session(target.iqn, &session, err))
        return false;
    *ret_active = session >= 0;
    return true;
}

/* ---- an initiator of its own ---- */

/* The interface whose initiator is @iqn. "NAME tcp,<empty>,<empty>,<empty>,IQN"
 */
AWAITS static bool find_interface(const char *iqn, bool may_make, char **ret_name, Error **err)
{
    g_auto(GStrv) lines = NULL;

    if (!storage_check_argument("initiator name", iqn, err) || !list_lines("iface", &lines, err))
        return false;
    for (char **line = lines; *line; line++) {
        const char *last = strrchr(*line, ','), *end = strchr(*line, ' ');
        if (last && end && strcmp(last + 1, iqn) == 0) {
            *ret_name = g_strndup(*line, (size_t)(end - *line));
            return true;
        }
    }
    if (!may_make)
        return error_set(err, ERROR_OPERATION_FAILED, "no iSCSI interface defined for IQN %s", iqn);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, iqn, -1);
    g_autofree char *name = g_strdup_printf("libvirt-iface-%.8s", sum);
    if (!storage_run((const char *const[]){ "iscsiadm", "--mode", "iface", "--interface", name, "--op", "new",
                                            NULL },
                     PACKAGE, ISCSI_MS, NULL, err) ||
        !storage_run((const char *const[]){ "iscsiadm", "--mode", "iface", "--interface", name, "--op",
                                            "update", "--name", "iface.initiatorname", "--value", iqn, NULL },
                     PACKAGE, ISCSI_MS, NULL, err))
        return false;
    *ret_name = g_steal_pointer(&name);
    return true;
}

/* ---- the password ---- */

/* The record without its old password, with the new one; owned. */
static char *record_with(const char *record, const char *password)
{
    g_auto(GStrv) lines = g_strsplit(record, "\n", -1);
    GString *text = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "node.session.auth.password "))
            continue;
        if (g_str_has_prefix(*line, "# END RECORD"))
            g_string_append_printf(text, "node.session.auth.password = %s\n", password);
        g_string_append(text, *line);
        if (line[1])
            g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

AWAITS static bool write_password_to(const char *path, const char *password, Error **err)
{
    g_autofree char *record = NULL;

    if (!file_read(path, RECORD_MAX, &record, NULL, err))
        return false;
    char *text = record_with(record, password);
    const bool ok = file_replace(path, text, strlen(text), 0600, err);
    explicit_bzero(text, strlen(text));
    g_free(text);
    explicit_bzero(record, strlen(record));
    return ok;
}

/* open-iscsi keeps it in NODES/IQN/HOST,PORT,GROUP/INTERFACE. */
AWAITS static bool write_password(const Target *target, const char *password, Error **err)
{
    g_autofree char *begin = g_strdup(target->portal);
    unsigned n_written = 0;

    char *port = strrchr(begin, ':');
    *port = ',';
    *strrchr(begin, ',') = '\0';
    for (unsigned i = 0; i < G_N_ELEMENTS(record_folders); i++) {
        g_autofree char *folder = path_join(record_folders[i], target->iqn);
        g_autoptr(GPtrArray) portals = NULL;
        if (!file_list_dir(folder, &portals, err))
            return false;
        for (unsigned k = 0; k < portals->len; k++) {
            g_autofree char *path =
                path_join(folder, portals->pdata[k], target->interface ? target->interface : "default");
            if (!g_str_has_prefix(portals->pdata[k], begin) || access(path, F_OK) < 0)
                continue;
            if (!write_password_to(path, password, err))
                return false;
            n_written++;
        }
    }
    return n_written ||
           error_set(err, ERROR_OPERATION_FAILED, "the record of iSCSI target '%s' was not found in '%s'",
                     target->iqn, record_folders[0]);
}

AWAITS static bool set_auth(Pool *pool, const Target *target, Error **err)
{
    const PoolAuth *auth = pool_def(pool)->auth;
    g_autoptr(GBytes) value = NULL;
    gsize len = 0;

    if (!auth)
        return true;
    if (auth->type != 0)
        return error_set(err, ERROR_XML_INVALID, "iscsi pool only supports 'chap' auth type");
    g_autofree char *username = g_strdup(auth->username);
    if (!storage_check_argument("user name", username, err) ||
        !pool_auth_get_value(pool->host, auth, &value, err) ||
        !SET_NODE(target, "node.session.auth.authmethod", "CHAP") ||
        !SET_NODE(target, "node.session.auth.username", username))
        return false;
    const char *data = g_bytes_get_data(value, &len);
    if (len > PASSWORD_MAX || memchr(data, '\n', len) || memchr(data, '\0', len))
        return error_set(err, ERROR_INVALID_SECRET,
                         "the password of iSCSI target '%s' cannot be used: at most %d "
                         "bytes and one line",
                         target->iqn, PASSWORD_MAX);
    char *password = g_strndup(data, len);
    const bool ok = write_password(target, password, err);
    explicit_bzero(password, len);
    g_free(password);
    return ok;
}

/* ---- the pool ---- */

AWAITS static bool open_target(Pool *pool, Target *ret_target, Error **err)
{
    const char *initiator = pool_def(pool)->initiator;

    return target_of(pool_def(pool), ret_target, err) &&
           (!initiator || find_interface(initiator, true, &ret_target->interface, err));
}

AWAITS static void forget_record(const Target *target)
{
    Error **err = NULL;

    if (!RUN_NODE(target, "--op", "delete"))
        log_debug("iscsiadm keeps the record of '%s'", target->iqn);
}

AWAITS static bool iscsi_start(Pool *pool, Error **err)
{
    g_auto(Target) target = { 0 };

    if (!open_target(pool, &target, err) || !RUN_NODE(&target, "--op", "new") ||
        !SET_NODE(&target, "node.startup", "manual"))
        return false;
    if (set_auth(pool, &target, err) && RUN_NODE(&target, "--login"))
        return true;
    fiber_shield_begin();
    forget_record(&target);
    fiber_shield_end();
    return false;
}

AWAITS static bool iscsi_stop(Pool *pool, Error **err)
{
    g_auto(Target) target = { 0 };
    const bool has_password = pool_def(pool)->auth;
    int session = -1;

    if (!open_target(pool, &target, err) || !find_session(target.iqn, &session, err))
        return false;
    if (session >= 0 && !RUN_NODE(&target, "--logout"))
        return false;
    /* A record of another initiator would be logged in to as well by whoever logs in next. */
    if (has_password || target.interface)
        forget_record(&target);
    return true;
}

/* The adapter of a session: /sys/class/iscsi_session/session3 lies below .../host5/session3/ */
static bool session_host(int session, unsigned *ret_host)
{
    g_autofree char *link = g_strdup_printf("/sys/class/iscsi_session/session%d", session);
    char *real = realpath(link, NULL);
    const char *part = real ? strstr(real, "/host") : NULL;

    if (part)
        *ret_host = (unsigned)strtoul(part + 5, NULL, 10);
    free(real);
    return part;
}

AWAITS static bool iscsi_scan(Pool *pool, PoolScan *scan, Error **err)
{
    g_auto(Target) target = { 0 };
    int session = -1;
    unsigned host = 0;

    if (!target_of(pool_def(pool), &target, err) || !find_session(target.iqn, &session, err))
        return false;
    if (session < 0)
        return error_set(err, ERROR_INTERNAL, "cannot find session for iSCSI target '%s'", target.iqn);
    g_autofree char *number = g_strdup_printf("%d", session);
    if (!storage_run((const char *const[]){ "iscsiadm", "--mode", "session", "-r", number, "-R", NULL },
                     PACKAGE, ISCSI_MS, NULL, err))
        return false;
    if (!session_host(session, &host))
        return error_set(err, ERROR_INTERNAL, "Failed to get host number for iSCSI session with path '%s'",
                         number);
    PoolHost *portal = pool_def(pool)->hosts->pdata[0];
    portal->port = portal->port ? portal->port : ISCSI_PORT;
    if (!scsi_scan_host(pool, host, scan, err))
        return false;
    block_sum(scan);
    return true;
}

/* A line of discovery: "127.0.0.1:3260,1 IQN". */
static void add_source(GString *xml, const char *host, unsigned port, const char *iqn)
{
    g_autofree char *text = g_markup_printf_escaped("  <source>\n    <host name='%s' port='%u'/>\n"
                                                    "    <device path='%s'/>\n  </source>\n",
                                                    host, port, iqn);
    g_string_append(xml, text);
}

AWAITS static bool iscsi_find_sources(Host *host, const PoolDef *spec, GString *xml, Error **err)
{
    g_autofree char *interface = NULL;
    g_autofree char *out = NULL;

    if (!spec || !spec->hosts)
        return error_set(err, ERROR_INVALID_ARGUMENT, "hostname must be specified for iscsi sources");
    if (!one_host(spec, err) || (spec->initiator && !find_interface(spec->initiator, false, &interface, err)))
        return false;
    const PoolHost *server = spec->hosts->pdata[0];
    g_autofree char *portal = portal_of(server);
    const char *const argv[] = {
        "iscsiadm", "--mode", "discovery", "--type",        "sendtargets",
        "--portal", portal,   "--op",      "nonpersistent", interface ? "--interface" : NULL,
        interface,  NULL
    };
    if (!storage_run(argv, PACKAGE, ISCSI_MS, &out, err))
        return false;
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *iqn = strchr(*line, ' ');
        if (iqn)
            add_source(xml, server->name, server->port ? server->port : ISCSI_PORT, iqn + 1);
    }
    return true;
}

const PoolBackend iscsi_backend = {
    .is_active = iscsi_is_active,
    .start = iscsi_start,
    .stop = iscsi_stop,
    .scan = iscsi_scan,
    .find_sources = iscsi_find_sources,
    .look_at_volume = block_look_at_volume,
    .fill_source = iscsi_fill_source,
};
