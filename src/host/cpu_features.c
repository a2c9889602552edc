/* The table of CPU features and the sets built from it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/cpu_features.h"

#include <glib.h>
#include <string.h>

const CpuFeature cpu_features[] = {
    { "fpu", NULL, 1, 0, CPU_EDX, 0, 0 },
    { "vme", NULL, 1, 0, CPU_EDX, 1, 0 },
    { "de", NULL, 1, 0, CPU_EDX, 2, 0 },
    { "pse", NULL, 1, 0, CPU_EDX, 3, 0 },
    { "tsc", NULL, 1, 0, CPU_EDX, 4, 0 },
    { "msr", NULL, 1, 0, CPU_EDX, 5, 0 },
    { "pae", NULL, 1, 0, CPU_EDX, 6, 0 },
    { "mce", NULL, 1, 0, CPU_EDX, 7, 0 },
    { "cx8", NULL, 1, 0, CPU_EDX, 8, 0 },
    { "apic", NULL, 1, 0, CPU_EDX, 9, 0 },
    { "sep", NULL, 1, 0, CPU_EDX, 11, 0 },
    { "mtrr", NULL, 1, 0, CPU_EDX, 12, 0 },
    { "pge", NULL, 1, 0, CPU_EDX, 13, 0 },
    { "mca", NULL, 1, 0, CPU_EDX, 14, 0 },
    { "cmov", NULL, 1, 0, CPU_EDX, 15, 0 },
    { "pat", NULL, 1, 0, CPU_EDX, 16, 0 },
    { "pse36", NULL, 1, 0, CPU_EDX, 17, 0 },
    { "pn", NULL, 1, 0, CPU_EDX, 18, 0 },
    { "clflush", NULL, 1, 0, CPU_EDX, 19, 0 },
    { "ds", NULL, 1, 0, CPU_EDX, 21, 0 },
    { "acpi", NULL, 1, 0, CPU_EDX, 22, 0 },
    { "mmx", NULL, 1, 0, CPU_EDX, 23, 0 },
    { "fxsr", NULL, 1, 0, CPU_EDX, 24, 0 },
    { "sse", NULL, 1, 0, CPU_EDX, 25, 0 },
    { "sse2", NULL, 1, 0, CPU_EDX, 26, 0 },
    { "ss", NULL, 1, 0, CPU_EDX, 27, 0 },
    { "ht", NULL, 1, 0, CPU_EDX, 28, 0 },
    { "tm", NULL, 1, 0, CPU_EDX, 29, 0 },
    { "ia64", NULL, 1, 0, CPU_EDX, 30, 0 },
    { "pbe", NULL, 1, 0, CPU_EDX, 31, 0 },
    { "pni", NULL, 1, 0, CPU_ECX, 0, 0 },
    { "pclmuldq", "pclmulqdq", 1, 0, CPU_ECX, 1, 0 },
    { "dtes64", NULL, 1, 0, CPU_ECX, 2, 0 },
    { "monitor", NULL, 1, 0, CPU_ECX, 3, 0 },
    { "ds_cpl", "ds-cpl", 1, 0, CPU_ECX, 4, 0 },
    { "vmx", NULL, 1, 0, CPU_ECX, 5, 0 },
    { "smx", NULL, 1, 0, CPU_ECX, 6, 0 },
    { "est", NULL, 1, 0, CPU_ECX, 7, 0 },
    { "tm2", NULL, 1, 0, CPU_ECX, 8, 0 },
    { "ssse3", NULL, 1, 0, CPU_ECX, 9, 0 },
    { "cid", NULL, 1, 0, CPU_ECX, 10, 0 },
    { "fma", NULL, 1, 0, CPU_ECX, 12, 0 },
    { "cx16", NULL, 1, 0, CPU_ECX, 13, 0 },
    { "xtpr", NULL, 1, 0, CPU_ECX, 14, 0 },
    { "pdcm", NULL, 1, 0, CPU_ECX, 15, 0 },
    { "pcid", NULL, 1, 0, CPU_ECX, 17, 0 },
    { "dca", NULL, 1, 0, CPU_ECX, 18, 0 },
    { "sse4.1", NULL, 1, 0, CPU_ECX, 19, 0 },
    { "sse4.2", NULL, 1, 0, CPU_ECX, 20, 0 },
    { "x2apic", NULL, 1, 0, CPU_ECX, 21, 0 },
    { "movbe", NULL, 1, 0, CPU_ECX, 22, 0 },
    { "popcnt", NULL, 1, 0, CPU_ECX, 23, 0 },
    { "tsc-deadline", NULL, 1, 0, CPU_ECX, 24, 0 },
    { "aes", NULL, 1, 0, CPU_ECX, 25, 0 },
    { "xsave", NULL, 1, 0, CPU_ECX, 26, 0 },
    { "osxsave", NULL, 1, 0, CPU_ECX, 27, CPU_NOT_FOR_GUESTS },
    { "avx", NULL, 1, 0, CPU_ECX, 28, 0 },
    { "f16c", NULL, 1, 0, CPU_ECX, 29, 0 },
    { "rdrand", NULL, 1, 0, CPU_ECX, 30, 0 },
    { "hypervisor", NULL, 1, 0, CPU_ECX, 31, 0 },
    { "arat", NULL, 6, 0, CPU_EAX, 2, 0 },
    { "fsgsbase", NULL, 7, 0, CPU_EBX, 0, 0 },
    { "tsc_adjust", "tsc-adjust", 7, 0, CPU_EBX, 1, 0 },
    { "sgx", NULL, 7, 0, CPU_EBX, 2, 0 },
    { "bmi1", NULL, 7, 0, CPU_EBX, 3, 0 },
    { "hle", NULL, 7, 0, CPU_EBX, 4, 0 },
    { "avx2", NULL, 7, 0, CPU_EBX, 5, 0 },
    { "smep", NULL, 7, 0, CPU_EBX, 7, 0 },
    { "bmi2", NULL, 7, 0, CPU_EBX, 8, 0 },
    { "erms", NULL, 7, 0, CPU_EBX, 9, 0 },
    { "invpcid", NULL, 7, 0, CPU_EBX, 10, 0 },
    { "rtm", NULL, 7, 0, CPU_EBX, 11, 0 },
    { "cmt", NULL, 7, 0, CPU_EBX, 12, CPU_NOT_FOR_GUESTS },
    { "mpx", NULL, 7, 0, CPU_EBX, 14, 0 },
    { "avx512f", NULL, 7, 0, CPU_EBX, 16, 0 },
    { "avx512dq", NULL, 7, 0, CPU_EBX, 17, 0 },
    { "rdseed", NULL, 7, 0, CPU_EBX, 18, 0 },
    { "adx", NULL, 7, 0, CPU_EBX, 19, 0 },
    { "smap", NULL, 7, 0, CPU_EBX, 20, 0 },
    { "avx512ifma", NULL, 7, 0, CPU_EBX, 21, 0 },
    { "pcommit", NULL, 7, 0, CPU_EBX, 22, 0 },
    { "clflushopt", NULL, 7, 0, CPU_EBX, 23, 0 },
    { "clwb", NULL, 7, 0, CPU_EBX, 24, 0 },
    { "intel-pt", NULL, 7, 0, CPU_EBX, 25, 0 },
    { "avx512pf", NULL, 7, 0, CPU_EBX, 26, 0 },
    { "avx512er", NULL, 7, 0, CPU_EBX, 27, 0 },
    { "avx512cd", NULL, 7, 0, CPU_EBX, 28, 0 },
    { "sha-ni", NULL, 7, 0, CPU_EBX, 29, 0 },
    { "avx512bw", NULL, 7, 0, CPU_EBX, 30, 0 },
    { "avx512vl", NULL, 7, 0, CPU_EBX, 31, 0 },
    { "avx512vbmi", NULL, 7, 0, CPU_ECX, 1, 0 },
    { "umip", NULL, 7, 0, CPU_ECX, 2, 0 },
    { "pku", NULL, 7, 0, CPU_ECX, 3, 0 },
    { "ospke", NULL, 7, 0, CPU_ECX, 4, CPU_NOT_FOR_GUESTS },
    { "waitpkg", NULL, 7, 0, CPU_ECX, 5, 0 },
    { "avx512vbmi2", NULL, 7, 0, CPU_ECX, 6, 0 },
    { "gfni", NULL, 7, 0, CPU_ECX, 8, 0 },
    { "vaes", NULL, 7, 0, CPU_ECX, 9, 0 },
    { "vpclmulqdq", NULL, 7, 0, CPU_ECX, 10, 0 },
    { "avx512vnni", NULL, 7, 0, CPU_ECX, 11, 0 },
    { "avx512bitalg", NULL, 7, 0, CPU_ECX, 12, 0 },
    { "avx512-vpopcntdq", NULL, 7, 0, CPU_ECX, 14, 0 },
    { "la57", NULL, 7, 0, CPU_ECX, 16, 0 },
    { "rdpid", NULL, 7, 0, CPU_ECX, 22, 0 },
    { "bus-lock-detect", NULL, 7, 0, CPU_ECX, 24, 0 },
    { "cldemote", NULL, 7, 0, CPU_ECX, 25, 0 },
    { "movdiri", NULL, 7, 0, CPU_ECX, 27, 0 },
    { "movdir64b", NULL, 7, 0, CPU_ECX, 28, 0 },
    { "sgxlc", NULL, 7, 0, CPU_ECX, 30, 0 },
    { "pks", NULL, 7, 0, CPU_ECX, 31, 0 },
    { "avx512-4vnniw", NULL, 7, 0, CPU_EDX, 2, 0 },
    { "avx512-4fmaps", NULL, 7, 0, CPU_EDX, 3, 0 },
    { "fsrm", NULL, 7, 0, CPU_EDX, 4, 0 },
    { "avx512-vp2intersect", NULL, 7, 0, CPU_EDX, 8, 0 },
    { "md-clear", NULL, 7, 0, CPU_EDX, 10, 0 },
    { "serialize", NULL, 7, 0, CPU_EDX, 14, 0 },
    { "tsx-ldtrk", NULL, 7, 0, CPU_EDX, 16, 0 },
    { "pconfig", NULL, 7, 0, CPU_EDX, 18, 0 },
    { "arch-lbr", NULL, 7, 0, CPU_EDX, 19, 0 },
    { "amx-bf16", NULL, 7, 0, CPU_EDX, 22, 0 },
    { "avx512-fp16", NULL, 7, 0, CPU_EDX, 23, 0 },
    { "amx-tile", NULL, 7, 0, CPU_EDX, 24, 0 },
    { "amx-int8", NULL, 7, 0, CPU_EDX, 25, 0 },
    { "spec-ctrl", NULL, 7, 0, CPU_EDX, 26, 0 },
    { "stibp", NULL, 7, 0, CPU_EDX, 27, 0 },
    { "arch-capabilities", NULL, 7, 0, CPU_EDX, 29, 0 },
    { "core-capability", NULL, 7, 0, CPU_EDX, 30, 0 },
    { "ssbd", NULL, 7, 0, CPU_EDX, 31, 0 },
    { "avx-vnni", NULL, 7, 1, CPU_EAX, 4, 0 },
    { "avx512-bf16", NULL, 7, 1, CPU_EAX, 5, 0 },
    { "xsaveopt", NULL, 0xd, 1, CPU_EAX, 0, 0 },
    { "xsavec", NULL, 0xd, 1, CPU_EAX, 1, 0 },
    { "xgetbv1", NULL, 0xd, 1, CPU_EAX, 2, 0 },
    { "xsaves", NULL, 0xd, 1, CPU_EAX, 3, CPU_NOT_MIGRATABLE },
    { "xfd", NULL, 0xd, 1, CPU_EAX, 4, 0 },
    { "mbm_total", NULL, 0xf, 1, CPU_EDX, 1, CPU_NOT_FOR_GUESTS },
    { "mbm_local", NULL, 0xf, 1, CPU_EDX, 2, CPU_NOT_FOR_GUESTS },
    { "sgx1", NULL, 0x12, 0, CPU_EAX, 0, 0 },
    { "sgx2", NULL, 0x12, 0, CPU_EAX, 1, 0 },
    { "sgx-exinfo", NULL, 0x12, 0, CPU_EBX, 0, 0 },
    { "sgx-debug", NULL, 0x12, 1, CPU_EAX, 1, 0 },
    { "sgx-mode64", NULL, 0x12, 1, CPU_EAX, 2, 0 },
    { "sgx-provisionkey", NULL, 0x12, 1, CPU_EAX, 4, 0 },
    { "sgx-tokenkey", NULL, 0x12, 1, CPU_EAX, 5, 0 },
    { "sgx-kss", NULL, 0x12, 1, CPU_EAX, 7, 0 },
    { "intel-pt-lip", NULL, 0x14, 0, CPU_ECX, 31, 0 },
    { "syscall", NULL, 0x80000001, 0, CPU_EDX, 11, 0 },
    { "nx", NULL, 0x80000001, 0, CPU_EDX, 20, 0 },
    { "mmxext", NULL, 0x80000001, 0, CPU_EDX, 22, 0 },
    { "fxsr_opt", "fxsr-opt", 0x80000001, 0, CPU_EDX, 25, 0 },
    { "pdpe1gb", NULL, 0x80000001, 0, CPU_EDX, 26, 0 },
    { "rdtscp", NULL, 0x80000001, 0, CPU_EDX, 27, 0 },
    { "lm", NULL, 0x80000001, 0, CPU_EDX, 29, 0 },
    { "3dnowext", NULL, 0x80000001, 0, CPU_EDX, 30, 0 },
    { "3dnow", NULL, 0x80000001, 0, CPU_EDX, 31, 0 },
    { "lahf_lm", "lahf-lm", 0x80000001, 0, CPU_ECX, 0, 0 },
    { "cmp_legacy", "cmp-legacy", 0x80000001, 0, CPU_ECX, 1, 0 },
    { "svm", NULL, 0x80000001, 0, CPU_ECX, 2, 0 },
    { "extapic", NULL, 0x80000001, 0, CPU_ECX, 3, 0 },
    { "cr8legacy", NULL, 0x80000001, 0, CPU_ECX, 4, 0 },
    { "abm", NULL, 0x80000001, 0, CPU_ECX, 5, 0 },
    { "sse4a", NULL, 0x80000001, 0, CPU_ECX, 6, 0 },
    { "misalignsse", NULL, 0x80000001, 0, CPU_ECX, 7, 0 },
    { "3dnowprefetch", NULL, 0x80000001, 0, CPU_ECX, 8, 0 },
    { "osvw", NULL, 0x80000001, 0, CPU_ECX, 9, 0 },
    { "ibs", NULL, 0x80000001, 0, CPU_ECX, 10, 0 },
    { "xop", NULL, 0x80000001, 0, CPU_ECX, 11, 0 },
    { "skinit", NULL, 0x80000001, 0, CPU_ECX, 12, 0 },
    { "wdt", NULL, 0x80000001, 0, CPU_ECX, 13, 0 },
    { "lwp", NULL, 0x80000001, 0, CPU_ECX, 15, 0 },
    { "fma4", NULL, 0x80000001, 0, CPU_ECX, 16, 0 },
    { "tce", NULL, 0x80000001, 0, CPU_ECX, 17, 0 },
    { "cvt16", NULL, 0x80000001, 0, CPU_ECX, 18, 0 },
    { "nodeid_msr", "nodeid-msr", 0x80000001, 0, CPU_ECX, 19, 0 },
    { "tbm", NULL, 0x80000001, 0, CPU_ECX, 21, 0 },
    { "topoext", NULL, 0x80000001, 0, CPU_ECX, 22, 0 },
    { "perfctr_core", "perfctr-core", 0x80000001, 0, CPU_ECX, 23, 0 },
    { "perfctr_nb", "perfctr-nb", 0x80000001, 0, CPU_ECX, 24, 0 },
    { "invtsc", NULL, 0x80000007, 0, CPU_EDX, 8, CPU_NOT_MIGRATABLE },
    { "clzero", NULL, 0x80000008, 0, CPU_EBX, 0, 0 },
    { "xsaveerptr", NULL, 0x80000008, 0, CPU_EBX, 2, 0 },
    { "wbnoinvd", NULL, 0x80000008, 0, CPU_EBX, 9, 0 },
    { "ibpb", NULL, 0x80000008, 0, CPU_EBX, 12, 0 },
    { "ibrs", NULL, 0x80000008, 0, CPU_EBX, 14, 0 },
    { "amd-stibp", NULL, 0x80000008, 0, CPU_EBX, 15, 0 },
    { "amd-ssbd", NULL, 0x80000008, 0, CPU_EBX, 24, 0 },
    { "virt-ssbd", NULL, 0x80000008, 0, CPU_EBX, 25, 0 },
    { "amd-no-ssb", NULL, 0x80000008, 0, CPU_EBX, 26, 0 },
    { "npt", NULL, 0x8000000a, 0, CPU_EDX, 0, 0 },
    { "lbrv", NULL, 0x8000000a, 0, CPU_EDX, 1, 0 },
    { "svm-lock", NULL, 0x8000000a, 0, CPU_EDX, 2, 0 },
    { "nrip-save", NULL, 0x8000000a, 0, CPU_EDX, 3, 0 },
    { "tsc-scale", NULL, 0x8000000a, 0, CPU_EDX, 4, 0 },
    { "vmcb-clean", NULL, 0x8000000a, 0, CPU_EDX, 5, 0 },
    { "flushbyasid", NULL, 0x8000000a, 0, CPU_EDX, 6, 0 },
    { "decodeassists", NULL, 0x8000000a, 0, CPU_EDX, 7, 0 },
    { "pause-filter", NULL, 0x8000000a, 0, CPU_EDX, 10, 0 },
    { "pfthreshold", NULL, 0x8000000a, 0, CPU_EDX, 12, 0 },
    { "avic", NULL, 0x8000000a, 0, CPU_EDX, 13, 0 },
    { "v-vmsave-vmload", NULL, 0x8000000a, 0, CPU_EDX, 15, 0 },
    { "vgif", NULL, 0x8000000a, 0, CPU_EDX, 16, 0 },
    { "svme-addr-chk", NULL, 0x8000000a, 0, CPU_EDX, 28, 0 },
    { "rdctl-no", NULL, 0x10a, 0, CPU_MSR, 0, 0 },
    { "ibrs-all", NULL, 0x10a, 0, CPU_MSR, 1, 0 },
    { "rsba", NULL, 0x10a, 0, CPU_MSR, 2, 0 },
    { "skip-l1dfl-vmentry", NULL, 0x10a, 0, CPU_MSR, 3, 0 },
    { "ssb-no", NULL, 0x10a, 0, CPU_MSR, 4, 0 },
    { "mds-no", NULL, 0x10a, 0, CPU_MSR, 5, 0 },
    { "pschange-mc-no", NULL, 0x10a, 0, CPU_MSR, 6, 0 },
    { "tsx-ctrl", NULL, 0x10a, 0, CPU_MSR, 7, 0 },
    { "taa-no", NULL, 0x10a, 0, CPU_MSR, 8, 0 },
    { "split-lock-detect", NULL, 0xcf, 0, CPU_MSR, 5, 0 },
};
const size_t cpu_features_count = G_N_ELEMENTS(cpu_features);
G_STATIC_ASSERT(G_N_ELEMENTS(cpu_features) <= CPU_SET_WORDS * 64);

/* Both spellings of every name to index + 1. Lives until exit: a few KiB, made at the first look-up. */
static GHashTable *feature_index(void)
{
    static GHashTable *index;
    if (index)
        return index;
    index = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < cpu_features_count; i++) {
        g_hash_table_insert(index, (void *)cpu_features[i].name, GSIZE_TO_POINTER(i + 1));
        if (cpu_features[i].qemu_name)
            g_hash_table_insert(index, (void *)cpu_features[i].qemu_name, GSIZE_TO_POINTER(i + 1));
    }
    return index;
}

int cpu_feature_find_qemu(const char *qemu_name)
{
    return (int)GPOINTER_TO_SIZE(g_hash_table_lookup(feature_index(), qemu_name)) - 1;
}

int cpu_feature_find(const char *name)
{
    int i = cpu_feature_find_qemu(name);
    return i >= 0 && strcmp(cpu_features[i].name, name) == 0 ? i : -1;
}

CpuSet cpu_set_and(const CpuSet *a, const CpuSet *b)
{
    CpuSet set;
    for (size_t i = 0; i < CPU_SET_WORDS; i++)
        set.words[i] = a->words[i] & b->words[i];
    return set;
}

CpuSet cpu_set_or(const CpuSet *a, const CpuSet *b)
{
    CpuSet set;
    for (size_t i = 0; i < CPU_SET_WORDS; i++)
        set.words[i] = a->words[i] | b->words[i];
    return set;
}

CpuSet cpu_set_minus(const CpuSet *a, const CpuSet *b)
{
    CpuSet set;
    for (size_t i = 0; i < CPU_SET_WORDS; i++)
        set.words[i] = a->words[i] & ~b->words[i];
    return set;
}

unsigned cpu_set_count(const CpuSet *set)
{
    unsigned count = 0;
    for (size_t i = 0; i < CPU_SET_WORDS; i++)
        count += (unsigned)__builtin_popcountll(set->words[i]);
    return count;
}

bool cpu_set_is_empty(const CpuSet *set)
{
    return cpu_set_count(set) == 0;
}

void cpu_set_add_names(CpuSet *set, const char *names)
{
    g_auto(GStrv) words = g_strsplit(names, " ", -1);
    for (char **word = words; *word; word++) {
        if (!**word)
            continue;
        int i = cpu_feature_find(*word);
        g_assert(i >= 0);
        cpu_set_add(set, (size_t)i);
    }
}

char *cpu_set_format(const CpuSet *set)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < cpu_features_count; i++) {
        if (cpu_set_has(set, i))
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", cpu_features[i].name);
    }
    return g_string_free(text, FALSE);
}
