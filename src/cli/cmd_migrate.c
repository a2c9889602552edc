/* Moving machines to another host: this program drives, as a client of both daemons, or (--p2p) the source's
 * daemon does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"

#define OPT_TEXT(name, text) OPT(CLI_STRING, name, text, .flags = CLI_NAMED)
#define OPT_NUMBER(name, text) OPT(CLI_INT, name, text, .flags = CLI_NAMED)

static const CliOption migrate_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "desturi", "URI of the destination's daemon", .flags = CLI_REQUIRED),
    OPT(CLI_STRING, "migrateuri", "where its memory goes: tcp://HOST[:PORT]; else the destination says"),
    OPT_FLAG("live", VIR_MIGRATE_LIVE, "let the guest run meanwhile: the default"),
    OPT_BOOL("non-live", "stop the guest before its memory is sent"),
    OPT_FLAG("offline", VIR_MIGRATE_OFFLINE, "of a machine that is off: its definition"),
    OPT_FLAG("p2p", VIR_MIGRATE_PEER2PEER, "the daemons do it among themselves"),
    OPT_BOOL("direct", "this program drives: the default"),
    OPT_FLAG("tunnelled", VIR_MIGRATE_TUNNELLED,
             "with --p2p: memory goes over the connection of the daemons"),
    OPT_FLAG("persistent", VIR_MIGRATE_PERSIST_DEST, "define it there, too"),
    OPT_FLAG("undefinesource", VIR_MIGRATE_UNDEFINE_SOURCE, "remove its definition here"),
    OPT_FLAG("suspend", VIR_MIGRATE_PAUSED, "leave it paused there"),
    OPT_FLAG("copy-storage-all", VIR_MIGRATE_NON_SHARED_DISK, "copy its disks, too"),
    OPT_FLAG("copy-storage-inc", VIR_MIGRATE_NON_SHARED_INC,
             "copy what differs from images that both hosts have"),
    OPT_FLAG("copy-storage-synchronous-writes", VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES,
             "let the guest's writes wait for the copy"),
    OPT_TEXT("migrate-disks", "disks that are copied, by target, separated by commas"),
    OPT_NUMBER("disks-port", "port for the copies of disks"),
    OPT_TEXT("disks-uri", "where copies of disks go: tcp://HOST:PORT"),
    OPT_FLAG("change-protection", VIR_MIGRATE_CHANGE_PROTECTION,
             "let nobody change it meanwhile: the default"),
    OPT_FLAG("unsafe", VIR_MIGRATE_UNSAFE, "migrate although its disks may be damaged"),
    OPT_FLAG("abort-on-error", VIR_MIGRATE_ABORT_ON_ERROR, "give up when its storage fails meanwhile"),
    OPT_FLAG("auto-converge", VIR_MIGRATE_AUTO_CONVERGE, "slow the guest down until it can be moved"),
    OPT_NUMBER("auto-converge-initial", "by how many percent at first"),
    OPT_NUMBER("auto-converge-increment", "by how many percent more each time"),
    OPT_FLAG("postcopy", VIR_MIGRATE_POSTCOPY, "allow migrate-postcopy meanwhile"),
    OPT_NUMBER("postcopy-bandwidth", "MiB/s after that"),
    OPT_FLAG("parallel", VIR_MIGRATE_PARALLEL, "send memory over several connections"),
    OPT_NUMBER("parallel-connections", "how many"),
    OPT_FLAG("compressed", VIR_MIGRATE_COMPRESSED, "compress memory"),
    OPT_TEXT("comp-methods", "how: xbzrle, mt; separated by commas"),
    OPT(CLI_SIZE, "comp-xbzrle-cache", "size of the cache of xbzrle", .flags = CLI_NAMED),
    OPT_FLAG("tls", VIR_MIGRATE_TLS, "encrypt what goes between the QEMUs"),
    OPT_TEXT("tls-destination", "name in the destination's certificate"),
    OPT_NUMBER("bandwidth", "MiB/s at most"),
    OPT_TEXT("dname", "its name there"),
    OPT_TEXT("listen-address", "where the destination's QEMU listens"),
    OPT(CLI_STRING, "xml", "file with changed XML for the destination", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "persistent-xml", "file with changed XML to define there", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    { 0 },
};

/* ---- parameters ---- */

static void add_text(GArray *params, const char *name, const char *value)
{
    if (!value)
        return;
    WireTypedParam one = { .field = g_strdup(name), .value = { .type = VIR_TYPED_PARAM_STRING } };
    one.value.s = g_strdup(value);
    g_array_append_val(params, one);
}

static bool add_file(GArray *params, const char *name, const char *path, Error **err)
{
    g_autofree char *text = NULL;

    if (path && !cli_read_file(path, &text, err))
        return false;
    add_text(params, name, text);
    return true;
}

static void set_text(GArray *params, const char *name, const char *value)
{
    for (guint i = 0; i < params->len; i++) {
        WireTypedParam *one = &g_array_index(params, WireTypedParam, i);
        if (strcmp(one->field, name) != 0)
            continue;
        g_free(one->value.s);
        one->value.s = g_strdup(value);
        return;
    }
    add_text(params, name, value);
}

static bool add_number(GArray *params, const CliArgs *args, const char *option, const char *name,
                       bool is_long, Error **err)
{
    int64_t value = 0;

    if (!args_get_int(args, option, 0, is_long ? INT64_MAX : INT32_MAX, &value, err))
        return false;
    if (!args_has(args, option))
        return true;
    WireTypedParam one = { .field = g_strdup(name),
                           .value = { .type = is_long ? VIR_TYPED_PARAM_ULLONG : VIR_TYPED_PARAM_INT } };
    if (is_long)
        one.value.ul = (uint64_t)value;
    else
        one.value.i = (int32_t)value;
    g_array_append_val(params, one);
    return true;
}

static void add_list(GArray *params, const CliArgs *args, const char *option, const char *name)
{
    g_auto(GStrv) words = args_split(args, option, ",");

    for (char **word = words; word && *word; word++)
        add_text(params, name, *word);
}

static bool collect_params(const CliArgs *args, GArray *params, Error **err)
{
    uint64_t cache = 0;
    const struct {
        const char *option, *name;
        bool is_long;
    } numbers[] = {
        { "bandwidth", VIR_MIGRATE_PARAM_BANDWIDTH, true },
        { "postcopy-bandwidth", VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, true },
        { "disks-port", VIR_MIGRATE_PARAM_DISKS_PORT, false },
        { "parallel-connections", VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, false },
        { "auto-converge-initial", VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL, false },
        { "auto-converge-increment", VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT, false },
    };

    add_text(params, VIR_MIGRATE_PARAM_URI, args_get(args, "migrateuri"));
    add_text(params, VIR_MIGRATE_PARAM_DEST_NAME, args_get(args, "dname"));
    add_text(params, VIR_MIGRATE_PARAM_LISTEN_ADDRESS, args_get(args, "listen-address"));
    add_text(params, VIR_MIGRATE_PARAM_DISKS_URI, args_get(args, "disks-uri"));
    add_text(params, VIR_MIGRATE_PARAM_TLS_DESTINATION, args_get(args, "tls-destination"));
    if (!add_file(params, VIR_MIGRATE_PARAM_DEST_XML, args_get(args, "xml"), err) ||
        !add_file(params, VIR_MIGRATE_PARAM_PERSIST_XML, args_get(args, "persistent-xml"), err))
        return false;
    add_list(params, args, "migrate-disks", VIR_MIGRATE_PARAM_MIGRATE_DISKS);
    add_list(params, args, "comp-methods", VIR_MIGRATE_PARAM_COMPRESSION);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (!add_number(params, args, numbers[i].option, numbers[i].name, numbers[i].is_long, err))
            return false;
    if (args_has(args, "comp-xbzrle-cache")) {
        if (!args_get_size(args, "comp-xbzrle-cache", &cache, err))
            return false;
        WireTypedParam one = { .field = g_strdup(VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE),
                               .value = { .type = VIR_TYPED_PARAM_ULLONG, .ul = cache } };
        g_array_append_val(params, one);
    }
    return true;
}

static void params_clear_one(void *data)
{
    WireTypedParam *one = data;

    g_free(one->field);
    if (one->value.type == VIR_TYPED_PARAM_STRING)
        g_free(one->value.s);
}

/* ---- this program drives ---- */

typedef struct Move {
    Cli *cli;
    WireClient *there;
    WireDomain dom;
    GArray *params; /* of WireTypedParam */
    unsigned flags;
    bool is_renamed;
    WireBytes cookie; /* of the step before; owned */
} Move;

static void take_cookie(Move *move, WireBytes *cookie)
{
    g_free(move->cookie.data);
    move->cookie = *cookie;
    *cookie = (WireBytes){ 0 };
}

AWAITS static bool begin(Move *move, Error **err)
{
    WireDomainMigrateBegin3ParamsArgs args = { .dom = move->dom,
                                               .params = (WireTypedParam *)(void *)move->params->data,
                                               .n_params = move->params->len,
                                               .flags = move->flags };
    g_auto(WireDomainMigrateBegin3ParamsRet) ret = { 0 };

    if (!cli_call(move->cli, PROC_DOMAIN_MIGRATE_BEGIN3_PARAMS, &args, &ret, err))
        return false;
    take_cookie(move, &ret.cookie_out);
    set_text(move->params, VIR_MIGRATE_PARAM_DEST_XML, ret.xml);
    return true;
}

AWAITS static bool prepare(Move *move, Error **err)
{
    WireDomainMigratePrepare3ParamsArgs args = { .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .cookie_in = move->cookie,
                                                 .flags = move->flags };
    g_auto(WireDomainMigratePrepare3ParamsRet) ret = { 0 };

    if (!wire_call_remote(move->there, PROC_DOMAIN_MIGRATE_PREPARE3_PARAMS, &args, &ret, WIRE_NO_TIMEOUT,
                          err))
        return false;
    take_cookie(move, &ret.cookie_out);
    if (ret.uri_out)
        set_text(move->params, VIR_MIGRATE_PARAM_URI, ret.uri_out);
    return true;
}

AWAITS static bool perform(Move *move, Error **err)
{
    WireDomainMigratePerform3ParamsArgs args = { .dom = move->dom,
                                                 .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .cookie_in = move->cookie,
                                                 .flags = move->flags };
    g_auto(WireDomainMigratePerform3ParamsRet) ret = { 0 };

    if (!cli_call(move->cli, PROC_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args, &ret, err))
        return false;
    take_cookie(move, &ret.cookie_out);
    return true;
}

AWAITS static bool finish(Move *move, bool cancelled, Error **err)
{
    WireDomainMigrateFinish3ParamsArgs args = { .params = (WireTypedParam *)(void *)move->params->data,
                                                .n_params = move->params->len,
                                                .cookie_in = move->cookie,
                                                .flags = move->flags,
                                                .cancelled = cancelled };
    g_auto(WireDomainMigrateFinish3ParamsRet) ret = { 0 };

    if (!wire_call_remote(move->there, PROC_DOMAIN_MIGRATE_FINISH3_PARAMS, &args, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    take_cookie(move, &ret.cookie_out);
    return true;
}

AWAITS static bool confirm(Move *move, bool cancelled, Error **err)
{
    WireDomainMigrateConfirm3ParamsArgs args = { .dom = move->dom,
                                                 .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .cookie_in = move->cookie,
                                                 .flags = move->flags,
                                                 .cancelled = cancelled };

    return cli_call(move->cli, PROC_DOMAIN_MIGRATE_CONFIRM3_PARAMS, &args, NULL, err);
}

/* One that is paused stays so. */
AWAITS static void look_at_state(Move *move)
{
    WireDomainGetStateArgs args = { .dom = move->dom };
    WireDomainGetStateRet ret = { 0 };

    if (cli_call(move->cli, PROC_DOMAIN_GET_STATE, &args, &ret, NULL) && ret.state == VIR_DOMAIN_PAUSED)
        move->flags |= VIR_MIGRATE_PAUSED;
}

AWAITS static bool drive(Move *move, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!begin(move, err))
        return false;
    look_at_state(move);
    bool ok = prepare(move, &why);
    if (ok && !(move->flags & VIR_MIGRATE_OFFLINE)) {
        ok = perform(move, &why);
        if (!ok)
            (void)!finish(move, true, NULL); /* which takes back what was prepared */
    }
    if (!move->is_renamed)
        add_text(move->params, VIR_MIGRATE_PARAM_DEST_NAME, move->dom.name);
    ok = ok && finish(move, false, &why);
    const bool is_confirmed = confirm(move, !ok, ok ? &why : NULL);
    return (ok && is_confirmed) || error_propagate(err, g_steal_pointer(&why));
}

AWAITS static bool drive_direct(Move *move, const char *uri, Error **err)
{
    if (!wire_client_open(uri, NULL, &move->there, err))
        return error_prefix(err, "cannot reach the destination %s", uri);
    const bool ok = drive(move, err);
    wire_client_close(move->there);
    return ok;
}

AWAITS static bool drive_peer(Move *move, const char *uri, Error **err)
{
    WireDomainMigratePerform3ParamsArgs args = { .dom = move->dom,
                                                 .dconnuri = (char *)uri,
                                                 .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .flags = move->flags };
    g_auto(WireDomainMigratePerform3ParamsRet) ret = { 0 };

    return cli_call(move->cli, PROC_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args, &ret, err);
}

static bool migrate_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GArray) params = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));
    const char *uri = args_get(args, "desturi");

    g_array_set_clear_func(params, params_clear_one);
    if (!collect_params(args, params, err) || !cli_domain(cli, args, &dom, err))
        return false;
    Move move = { .cli = cli,
                  .dom = dom,
                  .params = params,
                  .flags = args_flags(args),
                  .is_renamed = args_has(args, "dname") };
    if (!args_has(args, "non-live") && !(move.flags & VIR_MIGRATE_OFFLINE))
        move.flags |= VIR_MIGRATE_LIVE;
    if (!(move.flags & VIR_MIGRATE_PEER2PEER))
        move.flags |= VIR_MIGRATE_CHANGE_PROTECTION;
    cli_doing(cli, "Failed to migrate domain '%s'", dom.name);
    const bool is_peer = move.flags & VIR_MIGRATE_PEER2PEER;
    const bool ok = is_peer ? drive_peer(&move, uri, err) : drive_direct(&move, uri, err);
    g_free(move.cookie.data);
    if (!ok)
        return false;
    cli_message(cli, "Domain '%s' migrated to %s", dom.name, uri);
    return true;
}

/* ---- settings ---- */

static const CliOption downtime_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_INT, "downtime", "milliseconds that the guest may stand still", .flags = CLI_REQUIRED,
        .arg = "downtime"),
    { 0 },
};
static const CliOption active_options[] = { OPT_DOMAIN_ACTIVE, { 0 } };
static const CliOption setspeed_options[] = {
    OPT_DOMAIN,
    OPT(CLI_INT, "bandwidth", "MiB/s", .flags = CLI_REQUIRED, .arg = "bandwidth"),
    OPT_FLAG("postcopy", VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY, "of post-copy"),
    { 0 },
};
static const CliOption getspeed_options[] = {
    OPT_DOMAIN,
    OPT_FLAG("postcopy", VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY, "of post-copy"),
    { 0 },
};
static const CliOption compcache_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_SIZE, "size", "new size of the cache"),
    { 0 },
};

static bool compcache_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    WireDomainMigrateGetCompressionCacheRet ret = { 0 };
    uint64_t bytes = 0;

    if (!args_get_size(args, "size", &bytes, err) || !cli_domain(cli, args, &dom, err))
        return false;
    WireDomainMigrateSetCompressionCacheArgs set = { .dom = dom, .cache_size = bytes };
    WireDomainMigrateGetCompressionCacheArgs get = { .dom = dom };
    if ((args_has(args, "size") &&
         !cli_call(cli, PROC_DOMAIN_MIGRATE_SET_COMPRESSION_CACHE, &set, NULL, err)) ||
        !cli_call(cli, PROC_DOMAIN_MIGRATE_GET_COMPRESSION_CACHE, &get, &ret, err))
        return false;
    cli_message(cli, "Compression cache: %" PRIu64 " bytes", ret.cache_size);
    return true;
}

const CliCommand commands_migrate[] = {
    { .name = "migrate",
      .group = GROUP_DOMAIN,
      .summary = "move a domain to another host",
      .options = migrate_options,
      .exclusive = "live non-live offline; p2p direct; copy-storage-all copy-storage-inc",
      .run = migrate_run },
    { .name = "migrate-setmaxdowntime",
      .group = GROUP_DOMAIN,
      .summary = "set how long the guest may stand still at the end of a migration",
      .options = downtime_options,
      .proc = PROC_DOMAIN_MIGRATE_SET_MAX_DOWNTIME },
    { .name = "migrate-getmaxdowntime",
      .group = GROUP_DOMAIN,
      .summary = "show how long the guest may stand still at the end of a migration, in milliseconds",
      .options = active_options,
      .proc = PROC_DOMAIN_MIGRATE_GET_MAX_DOWNTIME,
      .show = "downtime" },
    { .name = "migrate-setspeed",
      .group = GROUP_DOMAIN,
      .summary = "set the bandwidth of migrations of a domain",
      .options = setspeed_options,
      .proc = PROC_DOMAIN_MIGRATE_SET_MAX_SPEED },
    { .name = "migrate-getspeed",
      .group = GROUP_DOMAIN,
      .summary = "show the bandwidth of migrations of a domain, in MiB/s",
      .options = getspeed_options,
      .proc = PROC_DOMAIN_MIGRATE_GET_MAX_SPEED,
      .show = "bandwidth" },
    { .name = "migrate-compcache",
      .group = GROUP_DOMAIN,
      .summary = "show or set the size of the cache for compressed migrations",
      .options = compcache_options,
      .run = compcache_run },
    { .name = "migrate-postcopy",
      .group = GROUP_DOMAIN,
      .summary = "switch a migration that runs to post-copy",
      .options = active_options,
      .proc = PROC_DOMAIN_MIGRATE_START_POST_COPY },
    { 0 },
};
