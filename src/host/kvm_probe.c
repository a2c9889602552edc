/* A machine of a few pages that runs a few instructions per stage, each ending with an OUT and a HLT that we
 * recognize.
 *
 * Guest memory (identity-mapped, 2 MiB):
 *   0x0000  interrupt descriptor table (long mode)     0x4000  code
 *   0x1000  page directory or PML4                      0x5000  stack (downwards from 0x6000)
 *   0x2000  PDPT                                        0x7000  global descriptor table
 *   0x3000  page directory with one 2 MiB page */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

#define PROBE_TIMEOUT_MS 2000
#define MEMORY_BYTES 0x200000
#define MAX_EXITS 64
#define CODE 0x4000
#define STACK 0x6000
#define GDT 0x7000
#define DONE_PORT 0x11
#define DONE_VALUE 0x5a

enum { CR0_PE = 1, CR0_MP = 2, CR0_ET = 1 << 4, CR0_NE = 1 << 5, CR0_PG = 1 << 31 };
enum { CR4_PSE = 1 << 4, CR4_PAE = 1 << 5, CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10 };
enum { EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
enum { PAGE_PRESENT = 1, PAGE_WRITE = 2, PAGE_LARGE = 1 << 7 };

typedef struct Machine {
    int kvm, vm, vcpu;
    struct kvm_run *run;
    size_t run_bytes;
    uint8_t *memory;
} Machine;

int kvm_get_max_vcpus(void)
{
    AUTO_FD kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    return kvm < 0 ? 0 : MAX(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS), 0);
}

const char *kvm_stage_name(KvmStage stage)
{
    static const char *const names[KVM_STAGE_COUNT] = {
        [KVM_STAGE_OPEN] = "opening /dev/kvm",
        [KVM_STAGE_VCPU] = "making a virtual CPU",
        [KVM_STAGE_REAL] = "running 16-bit code",
        [KVM_STAGE_PROTECTED] = "running 32-bit code with paging",
        [KVM_STAGE_LONG] = "running 64-bit code with SSE",
        [KVM_STAGE_FAULT] = "delivering a page fault to the guest",
    };
    return stage < KVM_STAGE_COUNT ? names[stage] : "everything";
}

static bool fail(KvmProbe *probe, const char *what)
{
    g_snprintf(probe->problem, sizeof(probe->problem), "%s: %s", what, g_strerror(errno));
    return false;
}

static bool stage_open(Machine *m, KvmProbe *probe)
{
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (m->kvm < 0) {
        probe->open_errno = errno;
        return fail(probe, "/dev/kvm");
    }
    if (ioctl(m->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
        g_strlcpy(probe->problem, "/dev/kvm speaks an unknown version of its API", sizeof(probe->problem));
        return false;
    }
    return true;
}

/* Gives the CPU all that KVM says it can; without this long mode does not exist for it. */
static bool set_cpuid(Machine *m, KvmProbe *probe)
{
    enum { ENTRIES = 256 };
    g_autofree struct kvm_cpuid2 *cpuid =
        g_malloc0(sizeof(struct kvm_cpuid2) + ENTRIES * sizeof(struct kvm_cpuid_entry2));
    cpuid->nent = ENTRIES;
    if (ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
        return fail(probe, "asking which CPU features guests can have");
    for (unsigned i = 0; i < cpuid->nent && i < ENTRIES; i++) {
        if (cpuid->entries[i].function == 1)
            probe->lacks_sse3 = !(cpuid->entries[i].ecx & 1);
    }
    if (ioctl(m->vcpu, KVM_SET_CPUID2, cpuid) < 0)
        return fail(probe, "setting CPU features");
    return true;
}

static bool stage_vcpu(Machine *m, KvmProbe *probe)
{
    m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
    if (m->vm < 0)
        return fail(probe, "making a machine");
    m->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->memory == MAP_FAILED)
        return fail(probe, "memory for a machine");
    struct kvm_userspace_memory_region region = { .memory_size = MEMORY_BYTES,
                                                  .userspace_addr = (uint64_t)(uintptr_t)m->memory };
    (void)ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000); /* Intel needs it, others ignore it */
    if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return fail(probe, "giving memory to the machine");
    m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    if (m->vcpu < 0)
        return fail(probe, "making a CPU");
    m->run_bytes = (size_t)ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    m->run = mmap(NULL, m->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
    if (m->run == MAP_FAILED)
        return fail(probe, "mapping the state of the CPU");
    return set_cpuid(m, probe);
}

/* Runs @code from CODE until it says that it is done. */
static bool run_code(Machine *m, const struct kvm_sregs *sregs, const uint8_t *code, size_t len,
                     KvmProbe *probe)
{
    struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
    memcpy(m->memory + CODE, code, len);
    if (ioctl(m->vcpu, KVM_SET_SREGS, sregs) < 0)
        return fail(probe, "setting the mode of the CPU");
    if (ioctl(m->vcpu, KVM_SET_REGS, &regs) < 0)
        return fail(probe, "setting registers");
    for (int i = 0; i < MAX_EXITS; i++) {
        if (ioctl(m->vcpu, KVM_RUN, 0) < 0)
            return fail(probe, "running");
        const struct kvm_run *run = m->run;
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == DONE_PORT) {
            uint8_t value = *((const uint8_t *)run + run->io.data_offset);
            if (value == DONE_VALUE)
                return true;
            g_snprintf(probe->problem, sizeof(probe->problem), "the code calculated 0x%x instead of 0x%x",
                       value, DONE_VALUE);
            return false;
        }
        g_snprintf(probe->problem, sizeof(probe->problem),
                   run->exit_reason == KVM_EXIT_SHUTDOWN         ? "the guest's CPU shut down (triple fault)"
                   : run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? "KVM cannot emulate an instruction"
                   : run->exit_reason == KVM_EXIT_FAIL_ENTRY     ? "the CPU refuses to enter the guest"
                                                                 : "unexpected exit %u",
                   run->exit_reason);
        return false;
    }
    g_strlcpy(probe->problem, "the code does not end", sizeof(probe->problem));
    return false;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
    return (struct kvm_segment){
        .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1
    };
}

static bool stage_real(Machine *m, KvmProbe *probe)
{
    static const uint8_t code[] = {
        0xb0, 0x50,      /* mov al, 0x50 */
        0x04, 0x0a,      /* add al, 0x0a */
        0xe6, DONE_PORT, /* out DONE_PORT, al */
        0xf4,            /* hlt */
    };
    struct kvm_sregs sregs;
    if (ioctl(m->vcpu, KVM_GET_SREGS, &sregs) < 0)
        return fail(probe, "reading registers");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    return run_code(m, &sregs, code, sizeof(code), probe);
}

static void set_segments(struct kvm_sregs *sregs, bool is_long)
{
    struct kvm_segment cs = flat_segment(8, 11), data = flat_segment(16, 3);
    cs.l = is_long;
    cs.db = !is_long;
    data.db = 1;
    sregs->cs = cs;
    sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
}

static bool stage_protected(Machine *m, KvmProbe *probe)
{
    static const uint8_t code[] = {
        0xb8, 0x00,      0x80, 0x00, 0x00,       /* mov eax, 0x8000 */
        0xc7, 0x00,      0x5a, 0x00, 0x00, 0x00, /* mov dword [eax], 0x5a */
        0x8b, 0x18,                              /* mov ebx, [eax] */
        0x53, 0x58,                              /* push ebx; pop eax */
        0xe6, DONE_PORT,                         /* out DONE_PORT, al */
        0xf4,                                    /* hlt */
    };
    struct kvm_sregs sregs;
    if (ioctl(m->vcpu, KVM_GET_SREGS, &sregs) < 0)
        return fail(probe, "reading registers");
    *(uint32_t *)(void *)(m->memory + 0x1000) = PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE; /* 4 MiB at 0 */
    set_segments(&sregs, false);
    sregs.cr3 = 0x1000;
    sregs.cr4 = CR4_PSE;
    sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | (uint32_t)CR0_PG;
    sregs.efer = 0;
    return run_code(m, &sregs, code, sizeof(code), probe);
}

static void enter_long_mode(Machine *m, struct kvm_sregs *sregs)
{
    uint64_t *tables = (uint64_t *)(void *)m->memory;
    tables[0x1000 / 8] = 0x2000 | PAGE_PRESENT | PAGE_WRITE;
    tables[0x2000 / 8] = 0x3000 | PAGE_PRESENT | PAGE_WRITE;
    tables[0x3000 / 8] = PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
    tables[GDT / 8 + 1] = 0x00af9a000000ffff; /* 64-bit code */
    tables[GDT / 8 + 2] = 0x00cf92000000ffff; /* data */
    set_segments(sregs, true);
    sregs->gdt.base = GDT;
    sregs->gdt.limit = 23;
    sregs->cr3 = 0x1000;
    sregs->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    sregs->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | (uint32_t)CR0_PG;
    sregs->efer = EFER_LME | EFER_LMA;
}

static bool stage_long(Machine *m, KvmProbe *probe)
{
    static const uint8_t code[] = {
        0x48, 0xb8,      0x5a, 0,    0,    0, 0x01, 0, 0, 0, /* mov rax, 0x10000005a */
        0x66, 0x48,      0x0f, 0x6e, 0xc0,                   /* movq xmm0, rax */
        0x66, 0x0f,      0x6f, 0xc8,                         /* movdqa xmm1, xmm0 */
        0x66, 0x48,      0x0f, 0x7e, 0xcb,                   /* movq rbx, xmm1 */
        0x48, 0x89,      0xd8,                               /* mov rax, rbx */
        0xe6, DONE_PORT,                                     /* out DONE_PORT, al */
        0xf4,                                                /* hlt */
    };
    struct kvm_sregs sregs;
    if (ioctl(m->vcpu, KVM_GET_SREGS, &sregs) < 0)
        return fail(probe, "reading registers");
    enter_long_mode(m, &sregs);
    return run_code(m, &sregs, code, sizeof(code), probe);
}

static bool stage_fault(Machine *m, KvmProbe *probe)
{
    static const uint8_t code[] = {
        0x48,       0x8b,      0x04, 0x25, 0x00, 0x00, 0x40, 0x00, /* mov rax, [0x400000]: not mapped */
        0xf4,                                                      /* hlt: must not be reached */
        0x90,       0x90,      0x90, 0x90, 0x90, 0x90, 0x90, 0xb0,
        DONE_VALUE,            /* handler at CODE + 16: mov al, DONE_VALUE */
        0xe6,       DONE_PORT, /* out DONE_PORT, al */
        0xf4,                  /* hlt */
    };
    enum { PAGE_FAULT = 14, HANDLER = CODE + 16, INTERRUPT_GATE = 0x8e };
    struct kvm_sregs sregs;
    if (ioctl(m->vcpu, KVM_GET_SREGS, &sregs) < 0)
        return fail(probe, "reading registers");
    enter_long_mode(m, &sregs);
    uint16_t *gate = (uint16_t *)(void *)(m->memory + PAGE_FAULT * 16);
    gate[0] = HANDLER;
    gate[1] = 8; /* code selector */
    gate[2] = INTERRUPT_GATE << 8;
    sregs.idt.base = 0;
    sregs.idt.limit = 32 * 16 - 1;
    return run_code(m, &sregs, code, sizeof(code), probe);
}

/* In the child. Reports after each stage, so that the parent knows how far we came if we hang or die. */
static void probe_stages(int report_fd)
{
    static bool (*const stages[KVM_STAGE_COUNT])(Machine * m, KvmProbe * probe) = {
        [KVM_STAGE_OPEN] = stage_open, [KVM_STAGE_VCPU] = stage_vcpu,
        [KVM_STAGE_REAL] = stage_real, [KVM_STAGE_PROTECTED] = stage_protected,
        [KVM_STAGE_LONG] = stage_long, [KVM_STAGE_FAULT] = stage_fault,
    };
    Machine m = { .kvm = -1, .vm = -1, .vcpu = -1 };
    KvmProbe probe = { 0 };
    bool ok = true;
    for (unsigned i = 0; ok && i < KVM_STAGE_COUNT; i++) {
        ok = stages[i](&m, &probe);
        probe.passed = i + ok;
        if (write(report_fd, &probe, sizeof(probe)) != sizeof(probe))
            return;
    }
}

static void read_reports(int fd, KvmProbe *probe)
{
    int64_t end = g_get_monotonic_time() + PROBE_TIMEOUT_MS * 1000;
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int64_t left_ms = (end - g_get_monotonic_time()) / 1000;
        KvmProbe report;
        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0) {
            g_strlcpy(probe->problem, "no answer within two seconds", sizeof(probe->problem));
            return;
        }
        if (read(fd, &report, sizeof(report)) != sizeof(report)) {
            if (probe->passed < KVM_STAGE_COUNT && !probe->problem[0])
                g_strlcpy(probe->problem, "the test process died", sizeof(probe->problem));
            return;
        }
        *probe = report;
        if (report.problem[0] || report.passed == KVM_STAGE_COUNT)
            return;
    }
}

void kvm_probe(KvmProbe *ret_probe)
{
    int fds[2];
    *ret_probe = (KvmProbe){ 0 };
    if (pipe2(fds, O_CLOEXEC) < 0) {
        (void)fail(ret_probe, "pipe");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        probe_stages(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    if (child > 0) {
        read_reports(fds[0], ret_probe);
        (void)kill(child, SIGKILL); /* ours: not reaped yet, so the number cannot be reused */
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    } else {
        (void)fail(ret_probe, "fork");
    }
    close(fds[0]);
}
