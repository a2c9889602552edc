/* `lodge run`: from an image to a machine that one can log in to.
 *
 * The machine is defined before its disk and its seed are made, so that whatever ends this program, all that
 * it has made belongs to a machine that can be seen and removed. What fails before the start is taken back;
 * from then on the machine stays, with what it said on its serial port. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/interrupt.h"
#include "cli/library.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/pull.h"
#include "cli/run.h"
#include "cli/seed.h"
#include "cli/undefine.h"
#include "install/cloud_init.h"
#include "install/new_machine.h"
#include "wire/error_map.h"

#define DISK_BYTES (UINT64_C(20) << 30)
#define MEMORY_BYTES (UINT64_C(2) << 30)
#define CPUS 2
#define TIMEOUT_S 600

typedef struct Run {
    Cli *cli;
    const CliArgs *args;
    const char *name;
    gint64 begun_us;
    WatchStage *on_stage; /* NULL: it is printed */
    void *on_stage_arg;
    Json *stages;
    LibraryImage *image;
    char *image_path, *image_format; /* if it is none of the library */
    uint64_t image_bytes;
    bool efi;
    WireStoragePool pool;
    char *folder;
    char *type, *disk, *seed, *mac, *identity, *log;
    char **keys;
    WireDomain dom;
    Watch *watch; /* NULL: nobody waits */
    unsigned ssh_port;
    bool is_defined, is_started;
    WireStorageVol disk_volume, seed_volume;
    char *user_data, *meta_data, *network_config;
} Run;

static void run_clear(Run *run)
{
    watch_end(run->watch);
    json_decref(run->stages);
    library_image_free(run->image);
    wire_storage_pool_clear(&run->pool);
    wire_domain_clear(&run->dom);
    wire_storage_vol_clear(&run->disk_volume);
    wire_storage_vol_clear(&run->seed_volume);
    char *const texts[] = { run->image_path, run->image_format, run->folder,    run->type,
                            run->disk,       run->seed,         run->mac,       run->identity,
                            run->log,        run->user_data,    run->meta_data, run->network_config };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_strfreev(run->keys);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* ---- stages ---- */

static void run_stage(void *arg, const char *stage, const char *text)
{
    Run *run = arg;
    const uint64_t ms = (uint64_t)(g_get_monotonic_time() - run->begun_us) / 1000;

    json_array_append_new(run->stages, json_pack("{s:s, s:s, s:I}", "stage", stage, "text", text,
                                                 "elapsed_ms", (json_int_t)ms));
    if (run->on_stage)
        run->on_stage(run->on_stage_arg, stage, text);
    if (run->on_stage || run->cli->json || run->cli->quiet)
        return;
    fprintf(run->cli->out, "%8.2f s  %-11s%s\n", (double)ms / 1000, stage, text);
    fflush(run->cli->out);
}

/* ---- what it is made of ---- */

/* A file of this host that is used where it lies. */
static bool find_file(Run *run, const char *path, Error **err)
{
    g_autoptr(Json) facts = NULL;

    if (!cli_is_local(run->cli)) {
        error_set(err, ERROR_NOT_SUPPORTED, "'%s' lies on this host, and the machine will run on another",
                  path);
        return error_hint(err, "'lodge image import %s' copies it there", path);
    }
    if (!library_look(path, &facts, err))
        return false;
    run->image_path = g_canonicalize_filename(path, NULL);
    run->image_format = g_strdup(json_get_str(facts, "format"));
    run->image_bytes = json_get_uint(facts, "virtual_bytes", 0);
    run->efi = json_get_bool(facts, "efi", false);
    return true;
}

static bool find_image(Run *run, Error **err)
{
    const char *text = args_get(run->args, "image");
    g_autoptr(Error) why = NULL;

    if (!text) {
        error_set(err, ERROR_INVALID_ARGUMENT, "which image?");
        return error_hint(err,
                          "--image NAME: 'lodge image list' shows the library, 'lodge image search' what "
                          "can be fetched; a file is named with its path");
    }
    if (strchr(text, '/') && !strstr(text, "://"))
        return find_file(run, text, err);
    if (!strstr(text, "://") && !library_find(run->cli, text, &run->image, &why) &&
        error_code(why) != ERROR_NO_STORAGE_VOL)
        return error_propagate(err, g_steal_pointer(&why));
    if (!run->image || !run->image->is_whole) {
        g_clear_pointer(&run->image, library_image_free);
        const PullOrder order = { .what = text };
        run_stage(run, "download", text);
        if (!pull_image(run->cli, &order, &run->image, err))
            return false;
    }
    run->image_path = g_strdup(run->image->path);
    run->image_format = g_strdup(json_get_str(run->image->facts, "format"));
    run->image_bytes = json_get_uint(run->image->facts, "virtual_bytes", 0);
    run->efi = json_get_bool(run->image->facts, "efi", false);
    return true;
}

static bool find_type(Run *run, Error **err)
{
    const WireConnectGetDomainCapabilitiesArgs args = { 0 };
    g_auto(WireConnectGetDomainCapabilitiesRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;

    if (args_has(run->args, "virt-type")) {
        run->type = g_strdup(args_get(run->args, "virt-type"));
        return true;
    }
    if (!cli_call(run->cli, PROC_CONNECT_GET_DOMAIN_CAPABILITIES, &args, &ret, err) ||
        !xml_parse(ret.capabilities, &doc, err))
        return false;
    run->type = xml_get(doc, NULL, "/domainCapabilities/domain");
    return run->type != NULL || error_set(err, ERROR_NOT_SUPPORTED, "the host cannot run machines");
}

/* An ordinary user's machine on no network and no bridge. */
static bool is_alone(const Run *run)
{
    return place_is_session(run->cli) && !args_has(run->args, "network") && !args_has(run->args, "bridge");
}

/* One that nobody listens on just now; 0: none. */
static unsigned free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return 0;
    return ntohs(address.sin_port);
}

static bool find_place(Run *run, Error **err)
{
    const char *pool = args_get(run->args, "pool"), *network = args_get(run->args, "network");
    uint8_t uuid[3] = { 0x52, 0x54, 0x00 };
    Mac mac;
    char text[MAC_STRING_LEN];

    if (!place_pool(run->cli, pool ? pool : "default", PLACE_MAKE, &run->pool, &run->folder, err) ||
        (!args_has(run->args, "bridge") && !is_alone(run) &&
         !place_network(run->cli, network ? network : "default", err)))
        return false;
    if (is_alone(run))
        run->ssh_port = free_port();
    mac_generate(uuid, &mac);
    mac_format(&mac, text);
    run->mac = g_strdup(text);
    g_autofree char *log = g_strdup_printf("%s-serial.log", run->name);
    run->log = place_log(run->cli, log);
    return true;
}

static bool read_option_file(const Run *run, const char *option, char **ret_text, Error **err)
{
    return !args_has(run->args, option) || cli_read_file(args_get(run->args, option), ret_text, err);
}

/* ---- making ---- */

static bool make_files(Run *run, const char *uuid, Json **ret_files, Error **err)
{
    g_auto(GStrv) ips = args_split(run->args, "ip", "\n,"),
                  gateways = args_split(run->args, "gateway", "\n,"),
                  dns = args_split(run->args, "dns", "\n,");
    g_autofree char *instance = g_strdup_printf("%s-1", uuid);
    const CloudInit init = { .instance_id = instance,
                             .hostname = args_get(run->args, "hostname") ?: run->name,
                             .user = args_get(run->args, "user") ?: CLOUD_USER,
                             .keys = (const char *const *)run->keys,
                             .user_data = run->user_data,
                             .meta_data = run->meta_data,
                             .network_config = run->network_config,
                             .mac = run->mac,
                             .ips = (const char *const *)ips,
                             .gateways = (const char *const *)gateways,
                             .dns = (const char *const *)dns };

    if ((gateways || dns) && !ips)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--gateway and --dns are told with --ip");
    if (!cloud_init_check(&init, err))
        return false;
    *ret_files = cloud_init_files(&init);
    return true;
}

static bool define(Run *run, const char *uuid, Error **err)
{
    uint64_t memory = MEMORY_BYTES;
    int64_t cpus = CPUS;
    const char *firmware = args_get(run->args, "firmware");

    if (!args_get_int(run->args, "cpus", 1, 4096, &cpus, err) ||
        !args_get_size(run->args, "memory", &memory, err))
        return false;
    g_autofree char *address =
        args_has(run->args, "ip")
            ? g_strndup(args_get(run->args, "ip"), strcspn(args_get(run->args, "ip"), "/,\n"))
            : NULL;
    const NewMachine machine = {
        .name = run->name,
        .uuid = uuid,
        .type = run->type,
        .efi = firmware ? strcmp(firmware, "uefi") == 0 : run->efi,
        .cpus = (unsigned)cpus,
        .memory_bytes = memory,
        .disk = run->disk,
        .seed = run->seed,
        .network = is_alone(run) || args_has(run->args, "bridge")
                       ? NULL
                       : args_get(run->args, "network") ?: "default",
        .ssh_port = run->ssh_port,
        .bridge = args_get(run->args, "bridge"),
        .mac = run->mac,
        .serial_log = run->log,
        .os = run->image ? json_get_str(run->image->facts, "os") : NULL,
        .image = run->image ? run->image->name : run->image_path,
        .user = args_get(run->args, "user") ?: CLOUD_USER,
        .identity = run->identity,
        .address = address,
        .no_display = args_has(run->args, "no-display"),
    };
    g_autofree char *xml = new_machine_document(&machine);
    run->is_defined = machine_define(run->cli, xml, &run->dom, err);
    return run->is_defined;
}

static bool make_disk(Run *run, Error **err)
{
    uint64_t bytes = MAX(run->image_bytes, DISK_BYTES);
    g_autofree char *file = g_path_get_basename(run->disk);

    if (!args_get_size(run->args, "disk", &bytes, err))
        return false;
    if (bytes < run->image_bytes) {
        g_autofree char *least = size_format(run->image_bytes);
        return error_set(err, ERROR_INVALID_ARGUMENT, "the image is larger than the disk: it needs %s",
                         least);
    }
    g_autofree char *xml = g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>%" PRIu64
                                                   "</capacity><target><format type='qcow2'/>"
                                                   "</target><backingStore><path>%s</path><format "
                                                   "type='%s'/></backingStore></volume>",
                                                   file, bytes, run->image_path, run->image_format);
    if (!volume_create(run->cli, &run->pool, xml, &run->disk_volume, err))
        return false;
    g_autofree char *size = size_format(bytes);
    g_autofree char *text = g_strdup_printf("%s, %s", run->disk, size);
    run_stage(run, "disk", text);
    return true;
}

/* Its disk, or its seed: two programs run for them, and neither waits for the other. */
typedef struct Part {
    Run *run;
    const Json *seed_files; /* NULL: the disk */
    bool ok;
    Error *err;
} Part;

static void make_part(void *item)
{
    Part *part = item;
    Run *run = part->run;
    g_autofree char *seed = g_path_get_basename(run->seed);

    part->ok = part->seed_files
                   ? seed_put(run->cli, &run->pool, seed, part->seed_files, &run->seed_volume, &part->err)
                   : make_disk(run, &part->err);
}

static bool make_parts(Run *run, const Json *seed_files, Error **err)
{
    Part parts[] = { { .run = run }, { .run = run, .seed_files = seed_files } };

    fiber_run_all("parts", make_part, parts, G_N_ELEMENTS(parts), sizeof(Part));
    if (!parts[0].ok)
        error_propagate(err, parts[0].err);
    else if (!parts[1].ok)
        error_propagate(err, parts[1].err);
    if (!parts[0].ok && !parts[1].ok)
        error_free(parts[1].err);
    return parts[0].ok && parts[1].ok;
}

static bool make(Run *run, Error **err)
{
    g_autoptr(Json) files = NULL;
    Uuid uuid;
    char text[UUID_STRING_LEN];
    WireDomainCreateWithFlagsArgs call = { 0 };
    g_auto(WireDomainCreateWithFlagsRet) ret = { 0 };

    uuid_generate(&uuid);
    uuid_format(&uuid, text);
    run->disk = g_strdup_printf("%s/%s.qcow2", run->folder, run->name);
    run->seed = g_strdup_printf("%s/%s-seed.iso", run->folder, run->name);
    if (!make_files(run, text, &files, err) || !define(run, text, err) || !make_parts(run, files, err))
        return false;
    if (args_has(run->args, "no-start")) {
        run_stage(run, "defined", text);
        return true;
    }
    call.dom = run->dom;
    /* Somebody listens to its console before it says anything. */
    call.flags = args_has(run->args, "no-wait") ? 0 : VIR_DOMAIN_START_PAUSED;
    if (!cli_call(run->cli, PROC_DOMAIN_CREATE_WITH_FLAGS, &call, &ret, err))
        return error_prefix(err, "cannot start it");
    run->is_started = true;
    run->dom.id = ret.dom.id;
    if (args_has(run->args, "no-wait")) {
        run_stage(run, "running", text);
        return true;
    }
    const WireDomainResumeArgs resume = { .dom = run->dom };
    run->watch = watch_begin(run->cli, &run->dom, run_stage, run);
    if (!cli_call(run->cli, PROC_DOMAIN_RESUME, &resume, NULL, err))
        return error_prefix(err, "cannot start it");
    run_stage(run, "running", text);
    return true;
}

static void take_back(Run *run)
{
    const WireStorageVol *volumes[] = { &run->disk_volume, &run->seed_volume };

    fiber_shield_begin();
    if (run->is_defined)
        machine_take_back(run->cli, &run->dom);
    for (size_t i = 0; i < G_N_ELEMENTS(volumes); i++)
        volume_drop(run->cli, volumes[i]);
    run->is_started = run->is_defined = false;
    fiber_shield_end();
}

/* ---- waiting ---- */

/* @lines: what its console said when it did not come up; NULL. */
static void print_document(const Run *run, const char *lines)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&run->dom.uuid, uuid);
    cli_print_json(run->cli, json_pack("{s:s, s:s, s:s, s:O, s:s?}", "name", run->name, "uuid", uuid, "disk",
                                       run->disk, "stages", run->stages, "lines", lines));
}

/* What a machine that did not come up leaves to look at. */
static bool leave(Run *run, const Watch *watch, Error **err)
{
    g_autofree char *lines = watch_lines(watch);

    if (args_has(run->args, "rm")) {
        take_back(run);
        return false;
    }
    if (run->cli->json)
        print_document(run, lines);
    else if (*lines && !run->cli->quiet)
        fprintf(stderr, "%s", lines);
    return error_hint(err,
                      "the machine is there: 'lodge console %s' shows it%s%s, 'lodge ssh %s' logs in, "
                      "'lodge undefine %s --remove-all-storage' removes it",
                      run->name, run->log ? ", what it said is in " : "", run->log ? run->log : "", run->name,
                      run->name);
}

static bool run_command(Run *run, const char *address, Error **err)
{
    const char *const *command = (const char *const *)args_get_many(run->args, "command");
    g_auto(GStrv) argv = NULL;
    int code = 0;

    if (!*command)
        return true;
    if (!ssh_command(run->cli, &run->dom, address, NULL, NULL, command, &argv, err) ||
        !ssh_run(argv, &code, err))
        return false;
    run->cli->exit_code = code;
    return true;
}

static bool wait_for(Run *run, Error **err)
{
    int64_t timeout_s = TIMEOUT_S;

    if (args_has(run->args, "no-wait") || args_has(run->args, "no-start"))
        return true;
    if (!args_get_int(run->args, "timeout", 1, 86400, &timeout_s, err))
        return false;
    Watch *watch = run->watch;
    const bool is_short = g_strcmp0(args_get(run->args, "for"), "address") == 0;
    const unsigned what = WATCH_ADDRESS | (is_short ? 0 : WATCH_CLOUD_INIT);
    bool ok = watch_wait(watch, what, (uint64_t)timeout_s * 1000, err);
    if (ok) {
        run_stage(run, "ready", watch_address(watch));
        ok = run_command(run, watch_address(watch), err);
    } else {
        ok = leave(run, watch, err);
    }
    return ok;
}

/* ---- the command ---- */

static bool read_files(Run *run, Error **err)
{
    return ssh_keys(run->cli, args_get(run->args, "ssh-key"), &run->keys, &run->identity, err) &&
           read_option_file(run, "user-data", &run->user_data, err) &&
           read_option_file(run, "meta-data", &run->meta_data, err) &&
           read_option_file(run, "network-config", &run->network_config, err);
}

static bool prepare(Run *run, Error **err)
{
    return read_files(run, err) && find_image(run, err) && find_type(run, err) && find_place(run, err);
}

static bool go(Run *run, Error **err)
{
    if (!prepare(run, err))
        return false;
    run_stage(run, "image", run->image ? run->image->name : run->image_path);
    if (!make(run, err)) {
        take_back(run);
        if (wire_error_code(err ? *err : NULL) == VIR_ERR_STORAGE_VOL_EXIST)
            error_hint(err, "a volume of an earlier machine: 'lodge vol-delete' removes it");
        return false;
    }
    return wait_for(run, err);
}

bool run_machine(Cli *cli, const CliArgs *args, WatchStage *stage, void *arg, Error **err)
{
    g_auto(Run) run = { .cli = cli,
                        .args = args,
                        .name = args_get(args, "name"),
                        .begun_us = g_get_monotonic_time(),
                        .on_stage = stage,
                        .on_stage_arg = arg,
                        .stages = json_array() };

    return go(&run, err);
}

bool run_files(Cli *cli, const CliArgs *args, const char *uuid, const char *mac, Json **ret_files,
               Error **err)
{
    g_auto(Run) run = {
        .cli = cli, .args = args, .name = args_get(args, "name"), .mac = g_strdup(mac), .stages = json_array()
    };

    return read_files(&run, err) && make_files(&run, uuid, ret_files, err);
}

static bool run_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    g_auto(Run) run = { .cli = cli,
                        .args = args,
                        .name = args_get(args, "name"),
                        .begun_us = g_get_monotonic_time(),
                        .stages = json_array() };

    cli_doing(cli, "Failed to run machine '%s'", run.name);
    interrupt_begin(&interrupt, cli);
    const bool ok = go(&run, err);
    if (interrupt.is_set && run.is_started && err && *err)
        error_hint(err,
                   "machine '%s' runs: 'lodge console %s' shows it, 'lodge undefine %s "
                   "--remove-all-storage' removes it when it is stopped",
                   run.name, run.name, run.name);
    if (!ok)
        return false;
    print_document(&run, NULL);
    if (!args_has(args, "no-wait") && !args_has(args, "no-start") && !*args_get_many(args, "command"))
        cli_say(cli, "'lodge ssh %s' logs in\n", run.name);
    return true;
}

static const CliOption run_options[] = {
    OPT_REQUIRED("name", "its name"),
    OPT_NAMED("image", "an image of the library, one that can be fetched, a URL, or the path of a file"),
    OPT(CLI_INT, "cpus", "virtual CPUs; default: 2", .flags = CLI_NAMED),
    OPT(CLI_SIZE, "memory", "memory, with a unit; default: 2 GiB", .flags = CLI_NAMED, .unit = 1024),
    OPT(CLI_SIZE, "disk", "size of its disk; default: 20 GiB, or that of the image if that is more",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "ssh-key",
        "a public key, or a file with some, that may log in; may be given several times; default: yours",
        .flags = CLI_NAMED | CLI_LINES, .complete = COMPLETE_FILE),
    OPT_NAMED("user", "who may log in, and do what root may; default: lodge"),
    OPT_NAMED("hostname", "default: its name"),
    OPT_NAMED("network", "the network that it is on; default: default"),
    OPT_NAMED("bridge", "a bridge of the host instead"),
    OPT(CLI_STRING, "ip",
        "an address with the length of its network, 10.0.0.5/24, instead of DHCP; several "
        "are separated by commas",
        .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_STRING, "gateway", "the way out, with --ip", .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_STRING, "dns", "servers of names, with --ip", .flags = CLI_NAMED | CLI_LINES),
    OPT(CLI_STRING, "user-data", "a file for cloud-init, above what these options say", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "meta-data", "likewise, in place of ours", .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "network-config", "likewise", .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "firmware", "default: UEFI if the image has its partition",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "bios uefi"),
    OPT(CLI_STRING, "virt-type", "default: kvm where the host can", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "kvm qemu"),
    OPT_NAMED("pool", "where its disk goes; default: default"),
    OPT_BOOL("no-display", "without display, keyboard and mouse"),
    OPT_BOOL("no-wait", "return when it runs"),
    OPT_BOOL("no-start", "make it, and do not start it"),
    OPT(CLI_STRING, "for", "what to wait for; default: cloud-init, that is both",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "address cloud-init"),
    OPT(CLI_INT, "timeout", "seconds to wait for its address and the end of cloud-init; default: 600",
        .flags = CLI_NAMED),
    OPT_BOOL("rm", "remove it if it does not come up"),
    OPT(CLI_STRING, "command", "what to run in it, by SSH, when it is up; -- before it",
        .flags = CLI_MANY | CLI_EMPTY_OK),
    { 0 },
};

const CliCommand commands_run[] = {
    COMMAND(
        "run", GROUP_LODGE, "make and start a machine from an image for clouds", run_options, run_run,
        .exclusive =
            "network bridge; no-wait rm; no-wait timeout; no-wait for; no-start no-wait; no-start rm; "
            "no-start for; no-start command",
        .doc =
            "The machine is of type q35 with devices of virtio, UEFI if the image has its partition, memory "
            "that can be shared, eight free ports for devices to come, statistics of its balloon, random "
            "numbers, a channel for an agent, a disk that gives space back, a serial console with a log, and "
            "no keymap. Its disk is an overlay on the image, which is fetched into the library if it is not "
            "there. "
            "cloud-init gets host name, user, keys and addresses by a seed. The command waits until the "
            "machine has an address and cloud-init has ended, and shows how far it is; a machine that "
            "does not come up stays, with what it said. What the host lacks, a pool 'default' or a "
            "network 'default', is made. With a command its exit code is that of lodge.",
        .json = "{\"name\": string, \"uuid\": string, \"disk\": string, \"stages\": [{\"stage\": string, "
                "\"text\": string, \"elapsed_ms\": number}], \"lines\": string|null}"),
    { 0 },
};
