/* What this host's CPU is and can: the CPUID instruction, /proc/cpuinfo for the microcode, KVM for the clock.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cpu"
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "host/cpu_private.h"
#include "host/node.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define HOST_IS_X86 1
#else
#define HOST_IS_X86 0
#endif

static CpuHost *host;
static CpuSet host_features;

#if HOST_IS_X86
typedef struct Cpuid {
    uint32_t regs[4]; /* CpuRegister */
} Cpuid;

static bool cpuid_read(uint32_t leaf, uint32_t subleaf, Cpuid *ret)
{
    *ret = (Cpuid){ { 0 } };
    return __get_cpuid_count(leaf, subleaf, &ret->regs[CPU_EAX], &ret->regs[CPU_EBX], &ret->regs[CPU_ECX],
                             &ret->regs[CPU_EDX]);
}

static const char *cpuid_vendor(void)
{
    static const struct {
        const char *id, *name;
    } vendors[] = { { "GenuineIntel", "Intel" }, { "AuthenticAMD", "AMD" }, { "HygonGenuine", "Hygon" } };
    Cpuid r;
    char id[13] = "";
    if (!cpuid_read(0, 0, &r))
        return NULL;
    memcpy(id, &r.regs[CPU_EBX], 4);
    memcpy(id + 4, &r.regs[CPU_EDX], 4);
    memcpy(id + 8, &r.regs[CPU_ECX], 4);
    for (size_t i = 0; i < G_N_ELEMENTS(vendors); i++) {
        if (strcmp(vendors[i].id, id) == 0)
            return vendors[i].name;
    }
    return NULL;
}

/* Feature MSRs can be read through /dev/cpu/0/msr (module msr, root) or from KVM, which offers a few of them.
 */
static bool msr_read(uint32_t index, uint64_t *ret_value)
{
    AUTO_FD fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, ret_value, sizeof(*ret_value), index) == sizeof(*ret_value))
        return true;
    AUTO_FD kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        return false;
    g_autofree struct kvm_msrs *request = g_malloc0(sizeof(*request) + sizeof(request->entries[0]));
    request->nmsrs = 1;
    request->entries[0].index = index;
    if (ioctl(kvm, KVM_GET_MSRS, request) != 1)
        return false;
    *ret_value = request->entries[0].data;
    return true;
}

static bool feature_is_there(const CpuFeature *feature)
{
    Cpuid r;
    uint64_t msr;
    if (feature->reg != CPU_MSR)
        return cpuid_read(feature->leaf, feature->subleaf, &r) && (r.regs[feature->reg] >> feature->bit & 1);
    /* each of these MSRs is announced by a bit of leaf 7 */
    unsigned announced = feature->leaf == 0x10a ? 29 : 30;
    return cpuid_read(7, 0, &r) && (r.regs[CPU_EDX] >> announced & 1) && msr_read(feature->leaf, &msr) &&
           (msr >> feature->bit & 1);
}

static void read_signature(CpuHost *cpu)
{
    Cpuid r;
    if (!cpuid_read(1, 0, &r))
        return;
    unsigned eax = r.regs[CPU_EAX];
    cpu->signature_family = eax >> 8 & 0xf;
    cpu->signature_model = eax >> 4 & 0xf;
    cpu->signature_stepping = eax & 0xf;
    if (cpu->signature_family == 6 || cpu->signature_family == 15)
        cpu->signature_model |= eax >> 12 & 0xf0;
    if (cpu->signature_family == 15)
        cpu->signature_family += eax >> 20 & 0xff;
}

static void read_x86(CpuHost *cpu)
{
    Cpuid r;
    cpu->vendor = g_strdup(cpuid_vendor());
    read_signature(cpu);
    for (size_t i = 0; i < cpu_features_count; i++) {
        if (feature_is_there(&cpu_features[i]))
            cpu_set_add(&host_features, i);
    }
    if (cpuid_read(0x80000008, 0, &r))
        cpu->phys_bits = r.regs[CPU_EAX] & 0xff;
    int invtsc = cpu_feature_find("invtsc");
    cpu->invariant_tsc = invtsc >= 0 && cpu_set_has(&host_features, (size_t)invtsc);
}
#endif

/* "microcode : 0x1000065" of the first CPU */
static uint32_t read_microcode(void)
{
    g_autofree char *text = file_read_kernel("/proc/cpuinfo");
    const char *line = text ? strstr(text, "\nmicrocode") : NULL;
    const char *colon = line ? strchr(line, ':') : NULL;
    return colon ? (uint32_t)g_ascii_strtoull(colon + 1, NULL, 0) : 0;
}

/* KVM measures the clock of a vCPU in kHz; without it the frequency stays unknown. */
static void read_tsc(CpuHost *cpu)
{
    AUTO_FD kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        return;
    AUTO_FD vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0)
        return;
    cpu->tsc_scaling = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;
    AUTO_FD vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    int khz = vcpu < 0 ? -1 : ioctl(vcpu, KVM_GET_TSC_KHZ, 0);
    if (khz > 0)
        cpu->tsc_hz = (uint64_t)khz * 1000;
}

static char **list_extra_features(const CpuModel *model)
{
    CpuSet require, disable;
    GPtrArray *names = g_ptr_array_new();
    cpu_model_compare(model, &host_features, &require, &disable);
    for (size_t i = 0; i < cpu_features_count; i++) {
        if (cpu_set_has(&require, i))
            g_ptr_array_add(names, g_strdup(cpu_features[i].name));
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

const CpuHost *cpu_host(void)
{
    static struct utsname name;
    if (host)
        return host;
    host = g_new0(CpuHost, 1);
    host->arch = uname(&name) == 0 ? name.machine : "unknown";
#if HOST_IS_X86
    read_x86(host);
    host->microcode = read_microcode();
    read_tsc(host);
    CpuSignature signature = { host->signature_family, host->signature_model, host->signature_stepping };
    const CpuModel *model = cpu_model_choose(&host_features, host->vendor, &signature, CPU_DECODE_HOST);
    host->model = g_strdup(model->name);
    host->features = list_extra_features(model);
#else
    (void)read_microcode;
    (void)read_tsc;
    (void)list_extra_features;
    host->features = g_new0(char *, 1);
#endif
    return host;
}

const CpuSet *cpu_host_features(void)
{
    (void)cpu_host();
    return &host_features;
}

void cpu_host_reset(void)
{
    if (host) {
        g_free(host->model);
        g_free(host->vendor);
        g_strfreev(host->features);
        g_clear_pointer(&host, g_free);
    }
    host_features = (CpuSet){ { 0 } };
    cpu_models_reset();
}

static void append_topology(unsigned indent, GString *out)
{
    NodeInfo info;
    if (!node_get_info(&info, NULL))
        return;
    unsigned dies = 1;
    const GPtrArray *cpus = node_cpus();
    for (unsigned i = 0; i < cpus->len; i++) { /* dies are numbered from 0 within their socket */
        const NodeCpu *cpu = g_ptr_array_index(cpus, i);
        if (cpu->online && cpu->die < info.cores)
            dies = MAX(dies, cpu->die + 1);
    }
    if (info.cores % dies != 0)
        dies = 1;
    g_string_append_printf(out, "%*s<topology sockets='%u' dies='%u' cores='%u' threads='%u'/>\n",
                           (int)indent, "", info.sockets, dies, info.cores / dies, info.threads);
}

void cpu_format_host(unsigned indent, GString *out)
{
    const CpuHost *cpu = cpu_host();
    int in = (int)indent;
    g_string_append_printf(out, "%*s<cpu>\n%*s  <arch>%s</arch>\n", in, "", in, "", cpu->arch);
    if (cpu->model)
        g_string_append_printf(out, "%*s  <model>%s</model>\n", in, "", cpu->model);
    if (cpu->vendor)
        g_string_append_printf(out, "%*s  <vendor>%s</vendor>\n", in, "", cpu->vendor);
    if (cpu->microcode)
        g_string_append_printf(out, "%*s  <microcode version='%u'/>\n", in, "", cpu->microcode);
    if (cpu->signature_family)
        g_string_append_printf(out, "%*s  <signature family='%u' model='%u' stepping='%u'/>\n", in, "",
                               cpu->signature_family, cpu->signature_model, cpu->signature_stepping);
    if (cpu->tsc_hz)
        g_string_append_printf(out, "%*s  <counter name='tsc' frequency='%" PRIu64 "' scaling='%s'/>\n", in,
                               "", cpu->tsc_hz, cpu->tsc_scaling ? "yes" : "no");
    append_topology(indent + 2, out);
    if (cpu->phys_bits)
        g_string_append_printf(out, "%*s  <maxphysaddr mode='emulate' bits='%u'/>\n", in, "", cpu->phys_bits);
    for (char **name = cpu->features; *name; name++)
        g_string_append_printf(out, "%*s  <feature name='%s'/>\n", in, "", *name);
    g_autoptr(GArray) pages = node_list_pages(-1);
    for (unsigned i = 0; i < pages->len; i++)
        g_string_append_printf(out, "%*s  <pages unit='KiB' size='%u'/>\n", in, "",
                               g_array_index(pages, NodePages, i).size_kib);
    g_string_append_printf(out, "%*s</cpu>\n", in, "");
}
