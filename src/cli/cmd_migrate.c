/* Moving machines to another host: this program drives, as a client of both daemons, or (--p2p) the source's
 * daemon does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/move.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

#define OPT_TEXT(name, text) OPT(CLI_STRING, name, text, .flags = CLI_NAMED)
#define USUAL_MIB_PER_S 110 /* of a link with 1 Gbit/s */
#define MEASURE_MS 1200
#define MEASURE_AGAIN_MS 300
#define MEASURE_TRIES 10u
#define OPT_NUMBER(name, text) OPT(CLI_INT, name, text, .flags = CLI_NAMED)

static const CliOption migrate_options[] = {
    OPT(CLI_STRING, "domain", DOMAIN_DOC "; not with --all", .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "desturi", "URI of the destination's daemon"),
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
    OPT_BOOL("all", "all machines that run (with --offline: that are off), one after the other"),
    OPT_BOOL("check", "try everything but the move, and say what stands against it"),
    OPT_TEXT("dname", "its name there"),
    OPT_TEXT("listen-address", "where the destination's QEMU listens"),
    OPT(CLI_STRING, "xml", "file with changed XML for the destination", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "persistent-xml", "file with changed XML to define there", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    { 0 },
};

/* ---- parameters ---- */

static bool add_file(GArray *params, const char *name, const char *path, Error **err)
{
    g_autofree char *text = NULL;

    if (path && !cli_read_file(path, &text, err))
        return false;
    move_add_text(params, name, text);
    return true;
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
        move_add_text(params, name, *word);
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

    move_add_text(params, VIR_MIGRATE_PARAM_URI, args_get(args, "migrateuri"));
    move_add_text(params, VIR_MIGRATE_PARAM_DEST_NAME, args_get(args, "dname"));
    move_add_text(params, VIR_MIGRATE_PARAM_LISTEN_ADDRESS, args_get(args, "listen-address"));
    move_add_text(params, VIR_MIGRATE_PARAM_DISKS_URI, args_get(args, "disks-uri"));
    move_add_text(params, VIR_MIGRATE_PARAM_TLS_DESTINATION, args_get(args, "tls-destination"));
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

/* Bytes per second that the guest changes, measured for a second; negative: not known. */
AWAITS static double measure_changes(Cli *cli, const WireDomain *dom)
{
    const WireDomainStartDirtyRateCalcArgs start = { .dom = *dom, .seconds = 1 };
    WireDomain doms[] = { *dom };
    const WireConnectGetAllDomainStatsArgs ask = { .doms = doms,
                                                   .n_doms = 1,
                                                   .stats = VIR_DOMAIN_STATS_DIRTYRATE };
    int64_t mib = -1;

    if (!cli_call(cli, PROC_DOMAIN_START_DIRTY_RATE_CALC, &start, NULL, NULL))
        return -1;
    for (unsigned i = 0; i < MEASURE_TRIES && mib < 0; i++) {
        g_auto(WireConnectGetAllDomainStatsRet) ret = { 0 };
        if (!fiber_sleep(i == 0 ? MEASURE_MS : MEASURE_AGAIN_MS, NULL) ||
            !cli_call(cli, PROC_CONNECT_GET_ALL_DOMAIN_STATS, &ask, &ret, NULL) || ret.n_ret_stats != 1 ||
            !wire_param_get_int64(ret.ret_stats[0].params, ret.ret_stats[0].n_params,
                                  "dirtyrate.megabytes_per_second", &mib))
            mib = -1;
    }
    return (double)mib;
}

/* Each round sends what the one before has left behind: a geometric series, unless the guest is faster. */
AWAITS static void tell_forecast(Cli *cli, const WireDomain *dom, int64_t mib_per_s)
{
    WireDomainGetInfoArgs args = { .dom = *dom };
    WireDomainGetInfoRet info = { 0 };

    if (!cli_call(cli, PROC_DOMAIN_GET_INFO, &args, &info, NULL))
        return;
    const double mib = (double)info.memory / 1024, rate = mib_per_s > 0 ? (double)mib_per_s : USUAL_MIB_PER_S;
    const double changes = info.state == VIR_DOMAIN_RUNNING ? measure_changes(cli, dom) : 0;
    if (changes < 0)
        cli_message(cli, "%.0f MiB of memory: at least %.0f s at %.0f MiB/s", mib, mib / rate + 1, rate);
    else if (changes < rate * 0.9)
        cli_message(cli, "%.0f MiB of memory, of which %.0f MiB/s change: about %.0f s at %.0f MiB/s", mib,
                    changes, mib / (rate - changes) + 1, rate);
    else
        cli_message(cli,
                    "%.0f MiB of memory, of which %.0f MiB/s change: at %.0f MiB/s it does not come to its "
                    "end by "
                    "itself; the guest will stand still longer, or be slowed down (migration_converge in "
                    "qemu.conf), or --postcopy",
                    mib, changes, rate);
}

AWAITS static bool check_move(Move *move, const CliArgs *args, const char *uri, Error **err)
{
    int64_t rate = 0;

    if (!args_get_int(args, "bandwidth", 0, INT64_MAX, &rate, err) || !move_check(move, err))
        return false;
    cli_message(move->cli, "Domain '%s' can move to %s", move->dom.name, uri);
    tell_forecast(move->cli, &move->dom, rate);
    return true;
}

AWAITS static bool move_one(Move *move, const CliArgs *args, const char *uri, Error **err)
{
    if (move->flags & VIR_MIGRATE_PEER2PEER && !args_has(args, "check"))
        return move_by_peers(move, uri, err);
    if (!wire_client_open(uri, NULL, &move->there, err))
        return error_prefix(err, "cannot reach the destination %s", uri);
    const bool ok = args_has(args, "check") ? check_move(move, args, uri, err) : move_machine(move, err);
    wire_client_close(move->there);
    return ok;
}

AWAITS static bool migrate_domain(Cli *cli, const CliArgs *args, const char *uri, const WireDomain *dom,
                                  Error **err)
{
    g_autoptr(GArray) params = move_params_new();

    if (!collect_params(args, params, err))
        return false;
    Move move = { .cli = cli,
                  .dom = *dom,
                  .params = params,
                  .flags = args_flags(args),
                  .is_renamed = args_has(args, "dname") };
    if (!args_has(args, "non-live") && !(move.flags & VIR_MIGRATE_OFFLINE))
        move.flags |= VIR_MIGRATE_LIVE;
    if (!(move.flags & VIR_MIGRATE_PEER2PEER))
        move.flags |= VIR_MIGRATE_CHANGE_PROTECTION;
    cli_doing(cli, "%s domain '%s'",
              args_has(args, "check") ? "Nothing moved: cannot migrate" : "Failed to migrate", dom->name);
    if (!move_one(&move, args, uri, err))
        return false;
    if (!args_has(args, "check"))
        cli_message(cli, "Domain '%s' migrated to %s", dom->name, uri);
    return true;
}

/* Those that cannot go do not keep the others. */
AWAITS static bool migrate_all(Cli *cli, const CliArgs *args, const char *uri, Error **err)
{
    g_auto(WireConnectListAllDomainsRet) list = { 0 };
    unsigned n_left = 0;

    if (!cli_list_domains(cli,
                          args_has(args, "offline") ? VIR_CONNECT_LIST_DOMAINS_INACTIVE
                                                    : VIR_CONNECT_LIST_DOMAINS_ACTIVE,
                          &list, err))
        return false;
    for (unsigned i = 0; i < list.n_domains; i++) {
        g_autoptr(Error) why = NULL;
        if (migrate_domain(cli, args, uri, &list.domains[i], &why))
            continue;
        n_left++;
        fprintf(stderr, "%s stays: %s\n", list.domains[i].name, error_message(why));
    }
    cli_doing(cli, "Not all have moved");
    return n_left == 0 ||
           error_set(err, ERROR_OPERATION_FAILED, "%u of %u machines are still here", n_left, list.n_domains);
}

static bool migrate_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const of_one[] = { "dname", "xml", "persistent-xml", "disks-uri" };
    g_auto(WireDomain) dom = { 0 };
    const char *uri = args_get(args, "desturi"), *first = args_get(args, "domain");

    if (args_has(args, "all") ? !first && !uri : !first || !uri)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "command 'migrate' takes <domain> <desturi>, or --all <desturi>");
    if (!args_has(args, "all"))
        return cli_domain(cli, args, &dom, err) && migrate_domain(cli, args, uri, &dom, err);
    for (size_t i = 0; i < G_N_ELEMENTS(of_one); i++)
        if (args_has(args, of_one[i]))
            return error_set(err, ERROR_INVALID_ARGUMENT, "--all and --%s exclude each other", of_one[i]);
    if (uri && first)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--all and a domain exclude each other");
    return migrate_all(cli, args, uri ? uri : first, err);
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
