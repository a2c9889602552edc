/* Classes, queues and filters of traffic control. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/shaping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "base/log.h"
#include "base/worker.h"
#include "network/netlink_message.h"

#define DEADLINE_MS 30000
#define BURST_MIN 16384 /* bytes: what comes late because a timer did is made up for */
#define QUEUE_MIN 65536 /* bytes: a packet of which the cutting is left to the card */
#define TICK_NS 64      /* of the kernel's clock for packets */
#define RATE_MAX (UINT64_MAX / 8)
#define HANDLE(major, minor) ((uint32_t)(major) << 16 | (minor))
#define ROOT_HANDLE HANDLE(1, 0)
#define TOP_CLASS HANDLE(1, 1)
#define REST_CLASS HANDLE(1, 2)
#define INGRESS_HANDLE HANDLE(0xffff, 0)

/* ---- messages ---- */

static struct tcmsg *tc_begin(Message *message, uint16_t type, uint16_t flags, const char *link,
                              uint32_t parent, uint32_t handle)
{
    struct tcmsg *tc = message_begin(message, type, flags, sizeof(*tc));

    *tc = (struct tcmsg){ .tcm_family = AF_UNSPEC,
                          .tcm_ifindex = (int)if_nametoindex(link),
                          .tcm_parent = parent,
                          .tcm_handle = handle };
    return tc;
}

#define TC_NEW (NLM_F_CREATE | NLM_F_EXCL)

/* None is no error. */
static bool remove_queue(const char *link, uint32_t parent, Error **err)
{
    g_autoptr(Error) why = NULL;
    Message message;

    tc_begin(&message, RTM_DELQDISC, 0, link, parent, 0);
    if (message_do(&message, ENOENT, &why, "cannot remove the limits of '%s'", link) ||
        error_errno(why) == EINVAL)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

static bool add_root(const char *link, uint32_t fallback, Error **err)
{
    const struct tc_htb_glob options = { .version = 3, .rate2quantum = 10, .defcls = fallback };
    Message message;

    tc_begin(&message, RTM_NEWQDISC, TC_NEW, link, TC_H_ROOT, ROOT_HANDLE);
    message_put_text(&message, TCA_KIND, "htb");
    struct rtattr *nest = message_nest(&message, TCA_OPTIONS);
    message_put(&message, TCA_HTB_INIT, &options, sizeof(options));
    message_nest_end(&message, nest);
    return message_do(&message, 0, err, "cannot limit the rate of '%s'", link);
}

typedef struct Rate {
    uint64_t bytes_per_s, peak_bytes_per_s, burst_bytes;
} Rate;

static Rate rate_of(uint64_t average_kBps, uint64_t peak_kBps, uint64_t burst_KiB)
{
    const uint64_t average = MIN(MAX(average_kBps, 1), RATE_MAX / 1000) * 1000;
    const uint64_t peak = peak_kBps ? MIN(peak_kBps, RATE_MAX / 1000) * 1000 : average;

    return (Rate){ .bytes_per_s = average,
                   .peak_bytes_per_s = peak,
                   .burst_bytes = MAX(MIN(burst_KiB, UINT32_MAX) * 1024, BURST_MIN) };
}

/* How long that many bytes take at that rate. */
static uint32_t burst_ticks(uint64_t bytes, uint64_t bytes_per_s)
{
    const double ticks = (double)MAX(bytes, bytes_per_s / 100) * 1e9 / (double)bytes_per_s / TICK_NS;

    return (uint32_t)MIN(ticks, (double)UINT32_MAX);
}

static bool add_class(const char *link, uint32_t parent, uint32_t id, const Rate *rate, Error **err)
{
    const uint64_t speed = rate->bytes_per_s, peak = rate->peak_bytes_per_s;
    const struct tc_htb_opt options = {
        .rate = { .linklayer = TC_LINKLAYER_ETHERNET, .rate = (uint32_t)MIN(speed, UINT32_MAX) },
        .ceil = { .linklayer = TC_LINKLAYER_ETHERNET, .rate = (uint32_t)MIN(peak, UINT32_MAX) },
        .buffer = burst_ticks(rate->burst_bytes, speed),
        .cbuffer = burst_ticks(BURST_MIN, peak),
        .quantum = (uint32_t)CLAMP(speed / 10, ETH_FRAME_LEN, 60000),
    };
    Message message;

    tc_begin(&message, RTM_NEWTCLASS, TC_NEW, link, parent, id);
    message_put_text(&message, TCA_KIND, "htb");
    struct rtattr *nest = message_nest(&message, TCA_OPTIONS);
    message_put(&message, TCA_HTB_PARMS, &options, sizeof(options));
    message_put(&message, TCA_HTB_RATE64, &speed, sizeof(speed));
    message_put(&message, TCA_HTB_CEIL64, &peak, sizeof(peak));
    message_nest_end(&message, nest);
    return message_do(&message, 0, err, "cannot limit the rate of '%s'", link);
}

/* Packets wait there for some 50 ms, then they are dropped: a sender learns of it in time. */
static bool add_leaf(const char *link, uint32_t class_id, const Rate *rate, Error **err)
{
    const struct tc_fifo_qopt options = {
        .limit = (uint32_t)MIN(rate->bytes_per_s / 20 + MAX(rate->burst_bytes, QUEUE_MIN), UINT32_MAX)
    };
    Message message;

    tc_begin(&message, RTM_NEWQDISC, TC_NEW, link, class_id, HANDLE(class_id & 0xffff, 0) + HANDLE(1, 0));
    message_put_text(&message, TCA_KIND, "bfifo");
    message_put(&message, TCA_OPTIONS, &options, sizeof(options));
    return message_do(&message, 0, err, "cannot limit the rate of '%s'", link);
}

static bool add_class_with_leaf(const char *link, uint32_t parent, uint32_t id, const Rate *rate, Error **err)
{
    return add_class(link, parent, id, rate, err) && add_leaf(link, id, rate, err);
}

#define KEYS_MAX 2

static struct rtattr *filter_begin(Message *message, const char *link, uint32_t parent, unsigned priority,
                                   const struct tc_u32_key *keys, unsigned n_keys)
{
    _Alignas(struct tc_u32_sel) char bytes[sizeof(struct tc_u32_sel) + KEYS_MAX * sizeof(*keys)];
    const struct tc_u32_sel head = { .flags = TC_U32_TERMINAL, .nkeys = (unsigned char)n_keys };
    struct tcmsg *tc = tc_begin(message, RTM_NEWTFILTER, TC_NEW, link, parent, 0);

    tc->tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL));
    message_put_text(message, TCA_KIND, "u32");
    struct rtattr *nest = message_nest(message, TCA_OPTIONS);
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), keys, n_keys * sizeof(*keys));
    message_put(message, TCA_U32_SEL, bytes, sizeof(head) + n_keys * sizeof(*keys));
    return nest;
}

/* Frames to that address are of that class. The address lies before the packet's first byte. */
static bool add_mac_filter(const char *link, const ShapingFloor *floor, Error **err)
{
    struct tc_u32_key keys[KEYS_MAX] = { { .off = -16, .mask = htonl(0xffff) },
                                         { .off = -12, .mask = htonl(0xffffffff) } };
    Message message;

    memcpy((uint8_t *)&keys[0].val + 2, floor->mac.bytes, 2);
    memcpy(&keys[1].val, floor->mac.bytes + 2, 4);
    struct rtattr *nest = filter_begin(&message, link, ROOT_HANDLE, floor->class_id, keys, 2);
    message_put_u32(&message, TCA_U32_CLASSID, HANDLE(1, floor->class_id));
    message_nest_end(&message, nest);
    return message_do(&message, 0, err, "cannot guarantee a rate on '%s'", link);
}

/* ---- what leaves a link ---- */

static bool limit_leaving(const char *link, const BandwidthLimit *limit, Error **err)
{
    const Rate rate = rate_of(limit->average_kBps.value, limit->peak_kBps.value, limit->burst_KiB.value);

    return add_root(link, 1, err) && add_class_with_leaf(link, ROOT_HANDLE, TOP_CLASS, &rate, err);
}

static bool limit_shared(const char *link, const BandwidthLimit *limit, const GArray *floors, Error **err)
{
    const uint64_t peak = limit->peak_kBps.value ? limit->peak_kBps.value : limit->average_kBps.value;
    const Rate all = rate_of(limit->average_kBps.value, peak, limit->burst_KiB.value);
    uint64_t given = 0;

    if (!add_root(link, REST_CLASS & 0xffff, err) || !add_class(link, ROOT_HANDLE, TOP_CLASS, &all, err))
        return false;
    for (guint i = 0; i < floors->len; i++) {
        const ShapingFloor *floor = &g_array_index(floors, ShapingFloor, i);
        const Rate own = rate_of(floor->floor_kBps, peak, 0);
        if (!add_class_with_leaf(link, TOP_CLASS, HANDLE(1, floor->class_id), &own, err) ||
            !add_mac_filter(link, floor, err))
            return false;
        given += floor->floor_kBps;
    }
    const Rate rest = rate_of(limit->average_kBps.value > given ? limit->average_kBps.value - given : 1, peak,
                              limit->burst_KiB.value);
    return add_class_with_leaf(link, TOP_CLASS, REST_CLASS, &rest, err);
}

/* ---- what enters a link ---- */

/* Of a name that leaves no room for more, a number stands for it. */
static void helper_name(const char *link, char ret_name[IFNAMSIZ])
{
    if (strlen(link) + strlen("ifb-") < IFNAMSIZ)
        g_snprintf(ret_name, IFNAMSIZ, "ifb-%s", link);
    else
        g_snprintf(ret_name, IFNAMSIZ, "ifb-%08x", g_str_hash(link));
}

static bool redirect_entering(const char *link, const char *helper, Error **err)
{
    const struct tc_u32_key all = { 0 };
    const struct tc_mirred redirect = { .action = TC_ACT_STOLEN,
                                        .eaction = TCA_EGRESS_REDIR,
                                        .ifindex = if_nametoindex(helper) };
    Message message;

    tc_begin(&message, RTM_NEWQDISC, TC_NEW, link, TC_H_INGRESS, INGRESS_HANDLE);
    message_put_text(&message, TCA_KIND, "ingress");
    if (!message_do(&message, 0, err, "cannot limit what enters '%s'", link))
        return false;
    struct rtattr *nest = filter_begin(&message, link, INGRESS_HANDLE, 1, &all, 1);
    struct rtattr *actions = message_nest(&message, TCA_U32_ACT);
    struct rtattr *action = message_nest(&message, 1);
    message_put_text(&message, TCA_ACT_KIND, "mirred");
    struct rtattr *options = message_nest(&message, TCA_ACT_OPTIONS);
    message_put(&message, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
    message_nest_end(&message, options);
    message_nest_end(&message, action);
    message_nest_end(&message, actions);
    message_nest_end(&message, nest);
    return message_do(&message, 0, err, "cannot limit what enters '%s'", link);
}

static bool limit_entering(const char *link, const BandwidthLimit *limit, Error **err)
{
    char helper[IFNAMSIZ];

    helper_name(link, helper);
    return netlink_add_plain(helper, "ifb", NULL, err) && limit_leaving(helper, limit, err) &&
           netlink_change_link(helper, &(LinkChange){ .set_up = true, .up = true }, err) &&
           redirect_entering(link, helper, err);
}

/* ---- in the worker ---- */

void shaping_drop_helper(const char *link)
{
    g_autoptr(Error) err = NULL;
    char helper[IFNAMSIZ];

    helper_name(link, helper);
    if (if_nametoindex(helper) && !netlink_remove_link(helper, &err))
        log_debug("'%s' stays: %s", helper, error_message(err));
}

static bool remove_all(const char *link, Error **err)
{
    shaping_drop_helper(link);
    return remove_queue(link, TC_H_ROOT, err) && remove_queue(link, TC_H_INGRESS, err);
}

static bool has_limit(const BandwidthLimit *limit)
{
    return limit && limit->average_kBps.value;
}

bool shaping_set(const ShapingSpec *spec, Error **err)
{
    if (if_nametoindex(spec->link) == 0)
        return error_set_errno(err, ENODEV, "cannot limit the rate of '%s'", spec->link);
    if (!remove_all(spec->link, err))
        return false;
    if ((!has_limit(spec->leaving) ||
         (spec->floors ? limit_shared(spec->link, spec->leaving, spec->floors, err)
                       : limit_leaving(spec->link, spec->leaving, err))) &&
        (!has_limit(spec->entering) || limit_entering(spec->link, spec->entering, err)))
        return true;
    if (!remove_all(spec->link, NULL))
        log_debug("'%s' keeps a part of its limits", spec->link);
    return false;
}

/* ---- from fibers ---- */

typedef struct ShapingJob {
    ShapingSpec spec; /* its texts and lists are owned */
    BandwidthLimit limits[2];
} ShapingJob;

static void shaping_job_free(void *data)
{
    ShapingJob *job = data;

    g_free((char *)job->spec.link);
    if (job->spec.floors)
        g_array_unref((GArray *)job->spec.floors);
    g_free(job);
}

static const BandwidthLimit *keep_limit(const BandwidthLimit *limit, BandwidthLimit *place)
{
    if (limit)
        *place = *limit;
    return limit ? place : NULL;
}

static ShapingJob *shaping_job_new(const ShapingSpec *spec)
{
    ShapingJob *job = g_new0(ShapingJob, 1);

    job->spec = (ShapingSpec){ .link = g_strdup(spec->link),
                               .leaving = keep_limit(spec->leaving, &job->limits[0]),
                               .entering = keep_limit(spec->entering, &job->limits[1]),
                               .floors = spec->floors ? g_array_copy((GArray *)spec->floors) : NULL };
    return job;
}

static bool work_set(void *data, Error **err)
{
    return shaping_set(&((ShapingJob *)data)->spec, err);
}

static bool work_forget(void *data, Error **err)
{
    shaping_drop_helper(((ShapingJob *)data)->spec.link);
    return true;
}

static bool is_helper_of(const char *name, const GArray *links)
{
    char helper[IFNAMSIZ];

    for (guint i = 0; i < links->len; i++) {
        helper_name(g_array_index(links, LinkInfo, i).name, helper);
        if (strcmp(helper, name) == 0)
            return true;
    }
    return false;
}

static bool work_sweep(void *data, Error **err)
{
    static const char *const ours[] = { "ifb-vnet", "ifb-macvtap", "ifb-virbr" };
    g_autoptr(GArray) links = NULL;

    if (!netlink_list_links(&links, err))
        return false;
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        bool is_ours = false;
        for (size_t k = 0; k < G_N_ELEMENTS(ours); k++)
            is_ours = is_ours || g_str_has_prefix(link->name, ours[k]);
        if (is_ours && strcmp(link->kind, "ifb") == 0 && !is_helper_of(link->name, links) &&
            !netlink_remove_link(link->name, err))
            return false;
    }
    return true;
}

void shaping_sweep(void)
{
    g_autoptr(Error) err = NULL;
    ShapingJob *job = shaping_job_new(&(ShapingSpec){ 0 });

    if (worker_call(worker_lane_named("network links"), work_sweep, job, shaping_job_free, DEADLINE_MS, &err))
        shaping_job_free(job);
    else
        log_debug("helpers of links that are gone stay: %s", error_message(err));
}

bool shaping_change(const ShapingSpec *spec, Error **err)
{
    ShapingJob *job = shaping_job_new(spec);

    if (!worker_call(worker_lane_named("network links"), work_set, job, shaping_job_free, DEADLINE_MS, err))
        return false;
    shaping_job_free(job);
    return true;
}

void shaping_forget(const char *link)
{
    g_autoptr(Error) err = NULL;
    ShapingJob *job = shaping_job_new(&(ShapingSpec){ .link = link });

    if (worker_call(worker_lane_named("network links"), work_forget, job, shaping_job_free, DEADLINE_MS,
                    &err))
        shaping_job_free(job);
    else
        log_warning_error(err, link);
}
