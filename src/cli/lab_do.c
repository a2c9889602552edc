/* Doing what a plan says. Each step has a fiber, which waits for the steps that it depends on: machines for
 * networks, pools and images, and for those that they come after. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/domain.h"
#include "cli/lab.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/pull.h"
#include "cli/run.h"
#include "cli/undefine.h"
#include "install/document.h"

#define AT_ONCE 8u
#define MAKE_NETWORK_MS 60000
#define LOOK_MS 500
#define TIMEOUT_S 600

typedef struct Work {
    Cli *cli;
    GPtrArray *steps;
    LabMode mode;
    gint64 begun_us;
    unsigned n_running;
    WaitQueue changed; /* a step has ended */
} Work;

typedef struct StepWork {
    Work *work;
    LabStep *step;
} StepWork;

/* ---- what people see ---- */

static void say(const StepWork *its, const char *what, const char *text)
{
    const uint64_t ms = (uint64_t)(g_get_monotonic_time() - its->work->begun_us) / 1000;

    cli_say(its->work->cli, "%8.2f s  %s %s: %s%s%s\n", (double)ms / 1000,
            lab_kind_name(its->step->item->kind), its->step->item->name, what, text ? " " : "",
            text ? text : "");
    fflush(its->work->cli->out);
}

static void on_stage(void *arg, const char *stage, const char *text)
{
    say(arg, stage, text);
}

static const LabDifference *difference(const LabStep *step, const char *key)
{
    for (guint i = 0; i < step->differences->len; i++) {
        const LabDifference *found = step->differences->pdata[i];
        if (strcmp(found->key, key) == 0)
            return found;
    }
    return NULL;
}

/* ---- images and pools ---- */

static bool do_image(StepWork *its, Error **err)
{
    const LabItem *item = its->step->item;
    const char *url = lab_get(item, "url");
    const PullOrder order = { .what = url ? url : item->name,
                              .name = item->name,
                              .checksum = lab_get(item, "checksum") };
    g_autoptr(LibraryImage) image = NULL;

    if (!pull_image(its->work->cli, &order, &image, err))
        return false;
    say(its, "fetched", NULL);
    return true;
}

static bool find_pool(Cli *cli, const char *name, WireStoragePool *ret_pool, Error **err)
{
    const WireStoragePoolLookupByNameArgs args = { .name = (char *)name };

    return cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_NAME, &args, ret_pool, err);
}

static bool do_pool(StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    Cli *cli = its->work->cli;
    g_auto(WireStoragePool) pool = { 0 };
    g_autofree char *path = lab_path(step->lab, lab_get(step->item, "path"));
    g_autofree char *xml =
        g_markup_printf_escaped("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>",
                                step->item->name, path);
    const WireStoragePoolDefineXmlArgs define = { .xml = xml };

    if (step->exists ? !find_pool(cli, step->item->name, &pool, err)
                     : !cli_call(cli, PROC_STORAGE_POOL_DEFINE_XML, &define, &pool, err))
        return false;
    const WireStoragePoolCreateArgs start = { .pool = pool, .flags = VIR_STORAGE_POOL_CREATE_WITH_BUILD };
    const WireStoragePoolSetAutostartArgs autostart = { .pool = pool,
                                                        .autostart = lab_is(step->item, "autostart", true) };
    const WireStoragePoolUndefineArgs undefine = { .pool = pool };
    if ((step->is_active || cli_call(cli, PROC_STORAGE_POOL_CREATE, &start, NULL, err)) &&
        cli_call(cli, PROC_STORAGE_POOL_SET_AUTOSTART, &autostart, NULL, err)) {
        say(its, step->exists ? "changed" : "made", path);
        return true;
    }
    const WireStoragePoolDestroyArgs stop = { .pool = pool };
    fiber_shield_begin();
    if (!step->exists) {
        (void)!cli_call(cli, PROC_STORAGE_POOL_DESTROY, &stop, NULL, NULL);
        (void)!cli_call(cli, PROC_STORAGE_POOL_UNDEFINE, &undefine, NULL, NULL);
    }
    fiber_shield_end();
    return false;
}

static bool remove_pool(StepWork *its, Error **err)
{
    Cli *cli = its->work->cli;
    g_auto(WireStoragePool) pool = { 0 };

    if (!find_pool(cli, its->step->item->name, &pool, err))
        return false;
    const WireStoragePoolDestroyArgs stop = { .pool = pool };
    const WireStoragePoolDeleteArgs delete = { .pool = pool };
    const WireStoragePoolUndefineArgs undefine = { .pool = pool };
    if (its->step->is_active && !cli_call(cli, PROC_STORAGE_POOL_DESTROY, &stop, NULL, err))
        return false;
    /* A folder goes only if there is nothing in it. */
    const bool gone = cli_call(cli, PROC_STORAGE_POOL_DELETE, &delete, NULL, NULL);
    if (!cli_call(cli, PROC_STORAGE_POOL_UNDEFINE, &undefine, NULL, err))
        return false;
    say(its, gone ? "removed" : "removed; its folder has other files, and stays", NULL);
    return true;
}

/* ---- networks ---- */

static bool find_network(Cli *cli, const char *name, WireNetwork *ret_net, Error **err)
{
    const WireNetworkLookupByNameArgs args = { .name = (char *)name };

    return cli_call(cli, PROC_NETWORK_LOOKUP_BY_NAME, &args, ret_net, err);
}

/* One whose subnet nobody names gets a free one. */
static bool make_free_network(StepWork *its, Error **err)
{
    const LabItem *item = its->step->item;
    const WireLodgeNetworkMakeArgs call = { .name = item->name,
                                            .forward = (char *)(lab_get(item, "forward") ?: "nat") };
    g_auto(WireLodgeNetworkMakeRet) ret = { 0 };

    if (!lodge_call(its->work->cli, LODGE_PROC_NETWORK_MAKE, &call, &ret, MAKE_NETWORK_MS, err))
        return false;
    say(its, "made", ret.subnet);
    return true;
}

/* What a running network is comes with its next start: the machines' cards join the new bridge then. */
static bool define_network(StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    Cli *cli = its->work->cli;
    g_auto(WireNetwork) net = { 0 }, defined = { 0 };
    g_auto(WireNetworkGetXmlDescRet) before = { 0 };
    g_autofree char *xml = NULL;

    if (step->exists) {
        if (!find_network(cli, step->item->name, &net, err))
            return false;
        const WireNetworkGetXmlDescArgs describe = { .net = net, .flags = VIR_NETWORK_XML_INACTIVE };
        if (!cli_call(cli, PROC_NETWORK_GET_XML_DESC, &describe, &before, err))
            return false;
    }
    if (!lab_network_document(step->item, before.xml, &xml, err))
        return false;
    const WireNetworkDefineXmlArgs define = { .xml = xml };
    if (!cli_call(cli, PROC_NETWORK_DEFINE_XML, &define, &defined, err))
        return false;
    const WireNetworkDestroyArgs stop = { .net = defined };
    if (step->is_active && !cli_call(cli, PROC_NETWORK_DESTROY, &stop, NULL, err))
        return false;
    const WireNetworkCreateArgs start = { .net = defined };
    const WireNetworkUndefineArgs undefine = { .net = defined };
    if (cli_call(cli, PROC_NETWORK_CREATE, &start, NULL, err))
        return true;
    /* Interrupted, it may be starting just now: without its definition it would stay, and be nobody's. */
    fiber_shield_begin();
    if (!step->exists) {
        (void)!cli_call(cli, PROC_NETWORK_DESTROY, &stop, NULL, NULL);
        (void)!cli_call(cli, PROC_NETWORK_UNDEFINE, &undefine, NULL, NULL);
    }
    fiber_shield_end();
    return false;
}

static bool only_autostart(const LabStep *step)
{
    return step->exists && step->is_active && step->differences->len == 1 && difference(step, "autostart");
}

static bool do_network(StepWork *its, Error **err)
{
    static const char *const said[] = { "subnet", "dhcp", "domain", "bridge", "mtu", "host-bridge" };
    const LabStep *step = its->step;
    g_auto(WireNetwork) net = { 0 };
    bool is_free = !step->exists;

    for (size_t i = 0; i < G_N_ELEMENTS(said); i++)
        is_free = is_free && !lab_get(step->item, said[i]);
    if (!only_autostart(step) && !(is_free ? make_free_network(its, err) : define_network(its, err)))
        return false;
    if (!find_network(its->work->cli, step->item->name, &net, err))
        return false;
    const WireNetworkSetAutostartArgs autostart = { .net = net,
                                                    .autostart = lab_is(step->item, "autostart", true) };
    if (!cli_call(its->work->cli, PROC_NETWORK_SET_AUTOSTART, &autostart, NULL, err))
        return false;
    if (!is_free)
        say(its, step->exists ? "changed" : "made", lab_get(step->item, "subnet"));
    return true;
}

static bool remove_network(StepWork *its, Error **err)
{
    Cli *cli = its->work->cli;
    g_auto(WireNetwork) net = { 0 };

    if (!find_network(cli, its->step->item->name, &net, err))
        return false;
    const WireNetworkDestroyArgs stop = { .net = net };
    const WireNetworkUndefineArgs undefine = { .net = net };
    if ((its->step->is_active && !cli_call(cli, PROC_NETWORK_DESTROY, &stop, NULL, err)) ||
        !cli_call(cli, PROC_NETWORK_UNDEFINE, &undefine, NULL, err))
        return false;
    say(its, "removed", NULL);
    return true;
}

/* ---- machines ---- */

static bool remove_machine(StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    Cli *cli = its->work->cli;
    g_autoptr(GPtrArray) disks = NULL;
    const WireDomainDestroyArgs stop = { .dom = step->dom };
    const WireDomainUndefineFlagsArgs undefine = { .dom = step->dom, .flags = UNDEFINE_ALL };

    if (!step->is_ours)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "it is a machine that 'lodge run' did not make, and stays");
    if ((step->is_active && !cli_call(cli, PROC_DOMAIN_DESTROY, &stop, NULL, err)) ||
        !undefine_collect(cli, &step->dom, NULL, &disks, err) ||
        !cli_call(cli, PROC_DOMAIN_UNDEFINE_FLAGS, &undefine, NULL, err))
        return false;
    undefine_remove(cli, disks, UNDEFINE_SILENT);
    say(its, "removed", NULL);
    return true;
}

static bool set_autostart(const StepWork *its, bool on, Error **err)
{
    const WireDomainSetAutostartArgs args = { .dom = its->step->dom, .autostart = on };

    return cli_call(its->work->cli, PROC_DOMAIN_SET_AUTOSTART, &args, NULL, err);
}

static bool make_machine(StepWork *its, Error **err)
{
    LabStep *step = its->step;
    Cli *cli = its->work->cli;
    g_autoptr(GPtrArray) keep = NULL;
    g_autoptr(CliArgs) args = NULL;
    const WireDomainLookupByNameArgs find = { .name = step->item->name };

    if (!lab_run_args(step->lab, step->item, &keep, &args, err) ||
        !run_machine(cli, args, on_stage, its, err))
        return false;
    wire_domain_clear(&step->dom);
    return !lab_is(step->item, "autostart", false) ||
           (cli_call(cli, PROC_DOMAIN_LOOKUP_BY_NAME, &find, &step->dom, err) &&
            set_autostart(its, true, err));
}

/* Of a machine that runs the card moves at once. */
static bool move_card(const StepWork *its, xmlNode *domain, Error **err)
{
    xmlNode *card = doc_next(doc_find(domain, "devices"), "interface", NULL);
    xmlBuffer *buffer = xmlBufferCreate();

    xmlNodeDump(buffer, domain->doc, card, 0, 0);
    const WireDomainUpdateDeviceFlagsArgs args = { .dom = its->step->dom,
                                                   .xml = (char *)xmlBufferContent(buffer),
                                                   .flags = VIR_DOMAIN_AFFECT_LIVE };
    const bool ok = cli_call(its->work->cli, PROC_DOMAIN_UPDATE_DEVICE_FLAGS, &args, NULL, err);
    xmlBufferFree(buffer);
    return ok;
}

static bool change_definition(const StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    const LabItem *item = step->item;
    Cli *cli = its->work->cli;
    g_autofree char *xml = NULL;
    g_auto(WireDomain) defined = { 0 };
    const char *network = lab_get(item, "network"), *bridge = lab_get(item, "bridge");

    if (!difference(step, "cpus") && !difference(step, "memory") && !difference(step, "network") &&
        !difference(step, "bridge"))
        return true;
    if (!cli_domain_xml(cli, &step->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, &xml, err))
        return false;
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "machine", NULL, XML_PARSE_NONET);
    xmlNode *domain = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!domain)
        return error_set(err, ERROR_XML_SYNTAX, "the daemon's document is not well-formed");
    if (difference(step, "cpus")) {
        doc_set(domain, "vcpu", lab_get(item, "cpus"));
        doc_set(domain, "vcpu/@current", NULL);
    }
    if (difference(step, "memory")) {
        const uint64_t kib = lab_number(item, "memory", 0) / 1024;
        doc_setf(domain, "memory", "%" PRIu64, kib);
        doc_setf(domain, "currentMemory", "%" PRIu64, kib);
    }
    if (network || bridge) {
        doc_set(domain, "devices/interface/@type", network ? "network" : "bridge");
        doc_set(domain, "devices/interface/source/@network", network);
        doc_set(domain, "devices/interface/source/@bridge", bridge);
    }
    g_autofree char *text = doc_format(doc);
    const WireDomainDefineXmlArgs define = { .xml = text };
    bool ok = cli_call(cli, PROC_DOMAIN_DEFINE_XML, &define, &defined, err);
    if (ok && step->is_active && (difference(step, "network") || difference(step, "bridge")))
        ok = move_card(its, domain, err);
    xmlFreeDoc(doc);
    return ok;
}

static bool grow_disk(const StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    Cli *cli = its->work->cli;
    const uint64_t bytes = lab_number(step->item, "disk", 0);
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;

    if (!difference(step, "disk"))
        return true;
    if (!cli_domain_xml(cli, &step->dom, VIR_DOMAIN_XML_INACTIVE, &xml, err) || !xml_parse(xml, &doc, err))
        return false;
    g_autofree char *path = xml_get(doc, NULL, "//devices/disk[target/@dev='vda']/source/@file");
    if (step->is_active) {
        const WireDomainBlockResizeArgs args = {
            .dom = step->dom, .disk = (char *)"vda", .size = bytes, .flags = VIR_DOMAIN_BLOCK_RESIZE_BYTES
        };
        return cli_call(cli, PROC_DOMAIN_BLOCK_RESIZE, &args, NULL, err);
    }
    const WireStorageVolLookupByPathArgs find = { .path = path };
    g_auto(WireStorageVolLookupByPathRet) volume = { 0 };
    if (!cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &find, &volume, err))
        return false;
    const WireStorageVolResizeArgs args = { .vol = volume.vol, .capacity = bytes };
    return cli_call(cli, PROC_STORAGE_VOL_RESIZE, &args, NULL, err);
}

/* A machine that was there is ready when it is seen on the network. */
static bool wait_for_address(const StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    const uint64_t timeout_s = lab_number(step->item, "timeout", TIMEOUT_S);
    const gint64 end_us = g_get_monotonic_time() + (gint64)timeout_s * G_USEC_PER_SEC;
    g_autofree char *address = NULL;

    while (!address) {
        if (!machine_seen_address(its->work->cli, &step->dom, &address, err))
            return false;
        if (!address && g_get_monotonic_time() > end_us)
            return error_set(err, ERROR_TIMEOUT, "it has no address after %" PRIu64 " s", timeout_s);
        if (!address && !fiber_sleep(LOOK_MS, err))
            return false;
    }
    say(its, "ready", address);
    return true;
}

static bool set_running(const StepWork *its, Error **err)
{
    const LabStep *step = its->step;
    const char *wait = lab_get(step->item, "wait");
    const WireDomainCreateArgs start = { .dom = step->dom };
    const WireDomainShutdownArgs stop = { .dom = step->dom };

    if (!difference(step, "running"))
        return true;
    if (step->is_active) {
        say(its, "shutting down", NULL);
        return cli_call(its->work->cli, PROC_DOMAIN_SHUTDOWN, &stop, NULL, err);
    }
    if (!cli_call(its->work->cli, PROC_DOMAIN_CREATE, &start, NULL, err))
        return false;
    say(its, "started", NULL);
    return g_strcmp0(wait, "none") == 0 || wait_for_address(its, err);
}

static bool do_machine(StepWork *its, Error **err)
{
    LabStep *step = its->step;

    if (step->how == LAB_AGAIN && !remove_machine(its, err))
        return false;
    if (step->how == LAB_AGAIN || !step->exists)
        return make_machine(its, err);
    if (!change_definition(its, err) || !grow_disk(its, err) ||
        (difference(step, "autostart") && !set_autostart(its, lab_is(step->item, "autostart", false), err)))
        return false;
    const bool later = step->is_active && (difference(step, "cpus") || difference(step, "memory"));
    if (step->differences->len > 1 || !difference(step, "running"))
        say(its, later ? "changed; CPUs and memory from its next start on" : "changed", NULL);
    return set_running(its, err);
}

/* ---- all of them ---- */

static bool is_after(const LabStep *step, const LabStep *other, LabMode mode)
{
    const GPtrArray *after = lab_list(step->item, "after");

    if (mode == LAB_DO_REMOVE) /* networks and pools go when machines are gone */
        return step->item->kind < LAB_MACHINE && other->item->kind == LAB_MACHINE;
    if (step->item->kind != LAB_MACHINE)
        return false;
    if (other->item->kind != LAB_MACHINE)
        return true;
    for (guint i = 0; after && i < after->len; i++)
        if (strcmp(other->item->group, after->pdata[i]) == 0 ||
            strcmp(other->item->name, after->pdata[i]) == 0)
            return true;
    return false;
}

static bool wait_for_others(const StepWork *its, Error **err)
{
    Work *work = its->work;

    for (;;) {
        bool waits = work->n_running >= AT_ONCE;
        for (guint i = 0; i < work->steps->len; i++) {
            const LabStep *other = work->steps->pdata[i];
            if (other == its->step || !is_after(its->step, other, work->mode))
                continue;
            waits = waits || !other->is_done;
            if (other->is_done && !other->ok)
                return error_set(err, ERROR_OPERATION_FAILED, "it needs %s '%s', which failed",
                                 lab_kind_name(other->item->kind), other->item->name);
        }
        if (!waits)
            return true;
        if (!wait_queue_wait(&work->changed, FIBER_NO_DEADLINE, err)) /* each step has a deadline */
            return false;
    }
}

static bool do_step(StepWork *its, Error **err)
{
    static bool (*const makes[LAB_KIND_COUNT])(StepWork * its, Error * *err) = { do_image, do_pool,
                                                                                 do_network, do_machine };
    static bool (*const removes[LAB_KIND_COUNT])(StepWork * its, Error * *err) = { NULL, remove_pool,
                                                                                   remove_network,
                                                                                   remove_machine };
    const LabKind kind = its->step->item->kind;

    if (its->work->mode == LAB_DO_REMOVE)
        return !its->step->exists || !removes[kind] || removes[kind](its, err);
    return its->step->how == LAB_SAME || makes[kind](its, err);
}

static void step_fiber(void *arg)
{
    StepWork *its = arg;
    Work *work = its->work;

    its->step->ok = wait_for_others(its, &its->step->err);
    if (its->step->ok) {
        work->n_running++;
        its->step->ok = do_step(its, &its->step->err);
        work->n_running--;
    }
    its->step->is_done = true;
    wait_queue_wake_all(&work->changed);
}

static void wait_for_all(Work *work)
{
    bool cancelled = false;

    for (guint i = 0; i < work->steps->len; i++) {
        LabStep *step = work->steps->pdata[i];
        while (!step->is_done) {
            if (!cancelled && !wait_queue_wait(&work->changed, FIBER_NO_DEADLINE, NULL)) {
                cancelled = true;
                for (guint k = 0; k < work->steps->len; k++)
                    fiber_cancel(((LabStep *)work->steps->pdata[k])->fiber);
            } else if (cancelled) { /* they take back what they were about */
                fiber_shield_begin();
                (void)!fiber_join(step->fiber, FIBER_NO_DEADLINE, NULL);
                fiber_shield_end();
            }
        }
    }
}

bool lab_do(Cli *cli, GPtrArray *steps, LabMode mode, Error **err)
{
    Work work = { .cli = cli, .steps = steps, .mode = mode, .begun_us = g_get_monotonic_time() };
    g_autofree StepWork *all = g_new0(StepWork, steps->len);
    unsigned n_failed = 0;

    wait_queue_init(&work.changed);
    for (guint i = 0; i < steps->len; i++) {
        all[i] = (StepWork){ .work = &work, .step = steps->pdata[i] };
        all[i].step->fiber = fiber_ref(fiber_spawn_or_abort("lab", step_fiber, &all[i]));
    }
    wait_for_all(&work);
    for (guint i = 0; i < steps->len; i++) {
        LabStep *step = steps->pdata[i];
        if (step->ok)
            continue;
        error_prefix(&step->err, "%s '%s'", lab_kind_name(step->item->kind), step->item->name);
        if (n_failed++ == 0)
            error_propagate(err, g_steal_pointer(&step->err));
        else
            fprintf(stderr, "error: %s\n", error_message(step->err));
    }
    return n_failed == 0;
}
