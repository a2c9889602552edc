/* The host, and what the daemon is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"
#include "base/loop.h"
#include "host/kvm_probe.h"
#include "host/node.h"
#include "http/answer.h"
#include "http/hub.h"
#include "http/route.h"
#include "machine/machine.h"

static const HttpField cpu_fields[] = {
    { "model", HTTP_STRING, .required = true, .nullable = true },
    { "count", HTTP_UINT, .required = true },
    { "mhz", HTTP_UINT, .required = true },
    { "sockets", HTTP_UINT, .required = true },
    { "cores", HTTP_UINT, .required = true },
    { "threads", HTTP_UINT, .required = true },
    { "nodes", HTTP_UINT, .required = true },
    { 0 },
};
static const HttpField memory_fields[] = {
    { "total_bytes", HTTP_UINT, .required = true },
    { "free_bytes", HTTP_UINT, .required = true },
    { "available_bytes", HTTP_UINT, .required = true },
    { 0 },
};
static const HttpField host_fields[] = {
    { "hostname", HTTP_STRING, .required = true },
    { "uri", HTTP_STRING, .required = true },
    { "version", HTTP_STRING, .required = true, .doc = "of Lodge" },
    { "qemu_version", HTTP_STRING, .required = true, .nullable = true },
    { "arch", HTTP_STRING, .required = true, .doc = "x86_64" },
    { "kvm", HTTP_BOOL, .required = true, .doc = "machines of type kvm can be" },
    { "cpu", HTTP_OBJECT, .required = true, .fields = cpu_fields },
    { "memory", HTTP_OBJECT, .required = true, .fields = memory_fields },
    { "cpu_percent", HTTP_NUMBER, .required = true, .nullable = true },
    { "load", HTTP_NUMBER, .required = true },
    { "uptime_s", HTTP_UINT, .required = true },
    { "machines", HTTP_UINT, .required = true },
    { "running", HTTP_UINT, .required = true },
    { "time", HTTP_TIME, .required = true },
    { 0 },
};

static char *cpu_model(void)
{
    g_autofree char *text = file_read_kernel("/proc/cpuinfo");
    const char *at = text ? strstr(text, "model name") : NULL;
    const char *begin = at ? strchr(at, ':') : NULL, *end = begin ? strchrnul(begin, '\n') : NULL;

    return begin ? g_strstrip(g_strndup(begin + 1, (gsize)(end - begin - 1))) : NULL;
}

/* Since the last time that somebody asked; negative: nobody has, or just now. */
static double cpu_percent(void)
{
    static NodeCpuStats before;
    static uint64_t before_ms;
    static double last = -1;
    NodeCpuStats now;
    const uint64_t now_ms = loop_now_ms();

    if ((before_ms && now_ms - before_ms < 1000) || !node_get_cpu_stats(-1, &now, NULL))
        return last;
    const uint64_t busy = now.kernel_ns - before.kernel_ns + now.user_ns - before.user_ns;
    const uint64_t idle = now.idle_ns - before.idle_ns + now.iowait_ns - before.iowait_ns;
    last = before_ms && busy + idle ? 100.0 * (double)busy / (double)(busy + idle) : -1;
    before = now;
    before_ms = now_ms;
    return last;
}

/* All of it from one place: what cells of memory have is less, where the kernel keeps some for itself. */
static Json *memory_json(void)
{
    NodeMemoryStats stats = { 0 };
    g_autofree char *text = file_read_kernel("/proc/meminfo");
    const char *available = text ? strstr(text, "MemAvailable:") : NULL;

    if (!node_get_memory_stats(-1, &stats, NULL))
        stats = (NodeMemoryStats){ 0 };
    const uint64_t kib =
        available ? g_ascii_strtoull(available + strlen("MemAvailable:"), NULL, 10) : stats.free_kib;
    return json_pack("{s:I,s:I,s:I}", "total_bytes", (json_int_t)(stats.total_kib * 1024), "free_bytes",
                     (json_int_t)(stats.free_kib * 1024), "available_bytes", (json_int_t)(kib * 1024));
}

static bool handle_host(HttpRequest *req, Error **err)
{
    g_autofree char *hostname = node_get_hostname(), *model = cpu_model();
    g_autofree char *load = file_read_kernel("/proc/loadavg"), *uptime = file_read_kernel("/proc/uptime");
    NodeInfo info = { 0 };
    WireConnectGetVersionRet version = { 0 };
    char qemu[32] = "";
    const double busy = cpu_percent();

    if (!node_get_info(&info, err))
        return false;
    if (HTTP_CALL(req, connect_get_version, NULL, &version, NULL))
        g_snprintf(qemu, sizeof qemu, "%u.%u.%u", (unsigned)(version.hv_ver / 1000000),
                   (unsigned)(version.hv_ver / 1000 % 1000), (unsigned)(version.hv_ver % 1000));
    Json *cpu = json_pack("{s:o,s:i,s:i,s:i,s:i,s:i,s:i}", "model", http_json_text(model), "count",
                          (int)info.cpus, "mhz", (int)info.mhz, "sockets", (int)info.sockets, "cores",
                          (int)info.cores, "threads", (int)info.threads, "nodes", (int)info.nodes);
    return http_answer_json(req, 200,
                            json_pack("{s:s,s:s,s:s,s:s?,s:s,s:b,s:o,s:o,s:o,s:f,s:I,s:i,s:i,s:o}",
                                      "hostname", hostname, "uri", "qemu:///system", "version", LODGE_VERSION,
                                      "qemu_version", *qemu ? qemu : NULL, "arch", info.model, "kvm",
                                      (int)(kvm_get_max_vcpus() > 0), "cpu", cpu, "memory", memory_json(),
                                      "cpu_percent", busy >= 0 ? json_real(busy) : json_null(), "load",
                                      load ? g_ascii_strtod(load, NULL) : 0.0, "uptime_s",
                                      uptime ? (json_int_t)g_ascii_strtod(uptime, NULL) : 0, "machines",
                                      (int)machine_count(req->host, false), "running",
                                      (int)machine_count(req->host, true), "time",
                                      http_json_time((int64_t)g_get_real_time() / 1000000)));
}

static const HttpField proxy_fields[] = {
    { "prefix", HTTP_STRING, .required = true, .doc = "what all paths begin with" },
    { "socket", HTTP_STRING, .required = true },
    { 0 },
};

/* What `lodge web proxy-config` needs to know. */
static bool handle_proxy(HttpRequest *req, Error **err)
{
    g_autofree char *socket = path_join(host_paths(req->host)->run, HTTP_SOCKET_NAME);

    return http_answer_json(req, 200,
                            json_pack("{s:s,s:s}", "prefix", http_hub_prefix(req->hub), "socket", socket));
}

const HttpRoute http_routes_host[] = {
    { "GET", "/proxy", HTTP_ADMIN, .answer = proxy_fields, .handle = handle_proxy,
      .doc = "Where a proxy in front finds this.", .command = "lodge web proxy-config nginx" },
    { "GET", "/host", HTTP_VIEW, .answer = host_fields, .handle = handle_host, .doc = "This host.",
      .command = "lodge nodeinfo" },
    { 0 },
};
