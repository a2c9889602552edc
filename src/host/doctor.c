/* The host check.
 *
 * Every check is one function that fills one row, so a new one is a function and a line in the table at the
 * end. Nothing here is required to be installed: what is missing is the finding. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"
#include "host/cpu.h"
#include "host/kvm_probe.h"
#include "host/node.h"

#define MIN_MEMORY_BYTES (UINT64_C(2) << 30)
#define MIN_DISK_BYTES (UINT64_C(6) << 30)
#define TOOL_TIMEOUT_MS 5000

typedef struct Doctor {
    const char *root;
    KvmProbe kvm;
} Doctor;

typedef DoctorRow Row;

/* ---- helpers ---- */

PRINTF(3, 4) static void found(Row *row, DoctorStatus status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_free(row->detail);
    row->detail = g_strdup_vprintf(format, args);
    row->status = status;
    va_end(args);
}

PRINTF(2, 3) static void advise(Row *row, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_free(row->advice);
    row->advice = g_strdup_vprintf(format, args);
    va_end(args);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* On how many processors /proc/cpuinfo shows a flag. */
static unsigned cpu_has_flag(const char *flag)
{
    g_autofree char *text = file_read_kernel("/proc/cpuinfo");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    unsigned count = 0;
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        count += g_str_has_prefix(*line, "flags") && g_strv_contains((const char *const *)words, flag);
    }
    return count;
}

/* Number of entries of a directory, "." and ".." not counted; 0 if it does not exist. */
static unsigned count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned count = 0;
    while (dir && g_dir_read_name(dir))
        count++;
    return count;
}

/* Where a program is; daemons' PATH includes the sbin folders. Caller owns; NULL if it is not installed. */
static char *find_tool(const char *name)
{
    static const char *const dirs[] = { "/usr/bin",       "/usr/sbin",       "/bin",        "/sbin",
                                        "/usr/local/bin", "/usr/local/sbin", "/usr/libexec" };
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = g_build_filename(dirs[i], name, NULL);
        if (access(path, X_OK) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* First line of what "PATH OPTION" prints on either output; NULL if it fails or takes too long. Caller owns.
 */
static char *ask_version(const char *path, const char *option)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return NULL;
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        execl(path, path, option, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    char text[256] = "";
    size_t len = 0;
    struct pollfd wait = { .fd = fds[0], .events = POLLIN };
    while (child > 0 && len + 1 < sizeof(text) && !memchr(text, '\n', len) &&
           poll(&wait, 1, TOOL_TIMEOUT_MS) > 0) {
        ssize_t got = read(fds[0], text + len, sizeof(text) - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fds[0]);
    if (child > 0) {
        (void)kill(child, SIGKILL); /* not reaped yet, so the number is still its own */
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return *text ? g_utf8_make_valid(g_strstrip(text), -1) : NULL;
}

static void check_tool(Row *row, const char *tool, const char *option, const char *package,
                       DoctorStatus if_missing, const char *without)
{
    g_autofree char *path = find_tool(tool);
    if (!path) {
        found(row, if_missing, "%s is not installed: %s", tool, without);
        advise(row, "apt install %s", package);
        return;
    }
    g_autofree char *version = option ? ask_version(path, option) : NULL;
    found(row, DOCTOR_OK, "%s%s%s", path, version ? ": " : "", version ? version : "");
}

/* ---- checks: processor and KVM ---- */

static void check_cpu(Doctor *doctor, Row *row)
{
    const char *flag = cpu_has_flag("vmx") ? "vmx" : cpu_has_flag("svm") ? "svm" : NULL;
    const char *model = cpu_host()->model;
    if (flag) {
        found(row, DOCTOR_OK, "%u processors have hardware virtualization (%s); nearest model: %s",
              cpu_has_flag(flag), flag, model ? model : "unknown");
        return;
    }
    found(row, DOCTOR_WARN, "the processor shows neither vmx (Intel VT-x) nor svm (AMD-V)%s",
          cpu_has_flag("hypervisor") ? "; this host is itself a virtual machine" : "");
    if (cpu_has_flag("hypervisor"))
        advise(row, "give this virtual machine nested virtualization (its CPU mode host-passthrough, and the "
                    "nested "
                    "option of the outer host's kvm module)");
    else
        advise(row, "turn on virtualization (VT-x, AMD-V, SVM) in the firmware setup");
}

static void check_modules(Doctor *doctor, Row *row)
{
    static const char *const vendors[] = { "kvm_intel", "kvm_amd" };
    if (!exists("/sys/module/kvm")) {
        found(row, DOCTOR_WARN, "the kernel module kvm is not loaded");
        advise(row, "modprobe %s", cpu_has_flag("svm") ? "kvm_amd" : "kvm_intel");
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(vendors); i++) {
        g_autofree char *path = g_build_filename("/sys/module", vendors[i], NULL);
        if (exists(path)) {
            found(row, DOCTOR_OK, "kvm and %s are loaded", vendors[i]);
            return;
        }
    }
    if (exists("/sys/module/kvm_pvm")) {
        found(row, DOCTOR_WARN,
              "kvm and kvm_pvm are loaded: without hardware virtualization, for guests made for it");
        advise(row, "machines of type qemu run anything, slower");
        return;
    }
    found(row, DOCTOR_WARN, "kvm is loaded, but neither kvm_intel nor kvm_amd");
    advise(row, "modprobe %s, and read the kernel log if it refuses",
           cpu_has_flag("svm") ? "kvm_amd" : "kvm_intel");
}

static void describe_open_failure(const Doctor *doctor, Row *row)
{
    switch (doctor->kvm.open_errno) {
    case ENOENT:
        found(row, DOCTOR_WARN, "/dev/kvm does not exist: machines run emulated, 10 to 30 times slower");
        advise(row, "see the checks cpu-flags and kvm-modules");
        break;
    case EACCES:
    case EPERM:
        found(row, DOCTOR_WARN, "/dev/kvm may not be opened by this user");
        advise(row, "run as root, or: adduser %s kvm, and log in again", g_get_user_name());
        break;
    default:
        found(row, DOCTOR_WARN, "/dev/kvm cannot be opened: %s", doctor->kvm.problem);
        advise(row, "another hypervisor may be using the processor; read the kernel log");
    }
}

static void check_device(Doctor *doctor, Row *row)
{
    struct stat info;
    if (doctor->kvm.passed == KVM_STAGE_OPEN) {
        describe_open_failure(doctor, row);
        return;
    }
    const struct group *group = stat("/dev/kvm", &info) == 0 ? getgrgid(info.st_gid) : NULL;
    found(row, DOCTOR_OK, "/dev/kvm opens (mode %04o, group %s)", (unsigned)(info.st_mode & 07777),
          group ? group->gr_name : "unknown");
    if (group && strcmp(group->gr_name, "kvm") != 0 && !(info.st_mode & 0006)) {
        found(row, DOCTOR_WARN,
              "/dev/kvm opens for us, but its group is %s with mode %04o: machines run as another "
              "user, who may not open it",
              group->gr_name, (unsigned)(info.st_mode & 07777));
        advise(row, "chgrp kvm /dev/kvm && chmod 0660 /dev/kvm (udev's rules do that where udev runs)");
    }
}

static void check_run(Doctor *doctor, Row *row)
{
    const KvmProbe *kvm = &doctor->kvm;
    if (kvm->passed == KVM_STAGE_OPEN) {
        found(row, DOCTOR_WARN, "not tried: /dev/kvm does not open");
    } else if (kvm->passed == KVM_STAGE_COUNT) {
        found(row, DOCTOR_OK, "16-bit, 32-bit and 64-bit test code ran under KVM");
    } else {
        found(row, DOCTOR_WARN, "KVM stops at %s: %s%s", kvm_stage_name(kvm->passed), kvm->problem,
              kvm->passed == KVM_STAGE_PROTECTED ? ". Firmware starts, operating systems do not" : "");
        advise(row, "use machines of type 'qemu' (emulation) on this host; type 'kvm' will not get beyond "
                    "this point");
    }
}

static void check_nested(Doctor *doctor, Row *row)
{
    g_autofree char *intel = file_read_kernel("/sys/module/kvm_intel/parameters/nested");
    g_autofree char *amd = file_read_kernel("/sys/module/kvm_amd/parameters/nested");
    const char *value = intel ? intel : amd;
    const char *module = intel ? "kvm_intel" : "kvm_amd";
    if (!value) {
        found(row, DOCTOR_OK, "not available: neither kvm_intel nor kvm_amd is loaded");
        return;
    }
    bool on = *value == 'Y' || *value == '1';
    found(row, DOCTOR_OK, "nested virtualization is %s (%s)", on ? "on" : "off", module);
    if (!on)
        advise(row, "only if guests shall run machines of their own: options %s nested=1 in /etc/modprobe.d",
               module);
}

static void check_msrs(Doctor *doctor, Row *row)
{
    g_autofree char *value = file_read_kernel("/sys/module/kvm/parameters/ignore_msrs");
    bool is_amd = g_strcmp0(cpu_host()->vendor, "AMD") == 0;
    found(row, DOCTOR_OK, "kvm ignore_msrs is %s", value ? value : "not available");
    if (is_amd && value && *value == 'N')
        advise(row,
               "only if QEMU stops with 'failed to set MSR': options kvm ignore_msrs=1 in /etc/modprobe.d");
}

static void check_iommu(Doctor *doctor, Row *row)
{
    unsigned groups = count_entries("/sys/kernel/iommu_groups");
    if (groups) {
        found(row, DOCTOR_OK, "on, %u groups: PCI devices can be passed to machines", groups);
        return;
    }
    bool has_table = exists("/sys/firmware/acpi/tables/DMAR") || exists("/sys/firmware/acpi/tables/IVRS");
    found(row, DOCTOR_WARN,
          has_table ? "the hardware has an IOMMU, but it is off"
                    : "none: PCI devices cannot be passed to machines");
    if (has_table)
        advise(row, "add %s to the kernel's command line and reboot",
               exists("/sys/firmware/acpi/tables/DMAR") ? "intel_iommu=on iommu=pt"
                                                        : "amd_iommu=on iommu=pt");
    else
        advise(row, "only needed for device passthrough: turn on VT-d or AMD-Vi in the firmware setup");
}

/* ---- checks: kernel ---- */

static void check_cgroup(Doctor *doctor, Row *row)
{
    static const char *const wanted[] = { "cpu", "memory", "io", "cpuset", "pids" };
    g_autofree char *text = file_read_kernel("/sys/fs/cgroup/cgroup.controllers");
    if (!text) {
        found(row, DOCTOR_WARN,
              "cgroup v2 is not mounted at /sys/fs/cgroup: limits of machines have no effect");
        advise(row, "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup");
        return;
    }
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    g_autoptr(GString) missing = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (!g_strv_contains((const char *const *)words, wanted[i]))
            g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", wanted[i]);
    }
    if (!missing->len) {
        found(row, DOCTOR_OK, "cgroup v2 with %s", text);
        return;
    }
    found(row, DOCTOR_WARN, "cgroup v2 lacks the controllers %s", missing->str);
    advise(row, "limits that need them will be refused; the kernel's command line may turn them off "
                "(cgroup_disable=)");
}

static void check_huge_pages(Doctor *doctor, Row *row)
{
    g_autoptr(GArray) pages = node_list_pages(-1);
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 1; i < pages->len; i++) {
        const NodePages *page = &g_array_index(pages, NodePages, i);
        g_autofree char *size = size_format((uint64_t)page->size_kib * 1024);
        g_string_append_printf(text, "%s%" PRIu64 " of %s", text->len ? ", " : "", page->count, size);
    }
    found(row, DOCTOR_OK, "set aside: %s", text->len ? text->str : "none, the kernel has no huge pages");
}

static void check_ksm(Doctor *doctor, Row *row)
{
    NodeKsm ksm;
    if (!node_get_ksm(&ksm, NULL)) {
        found(row, DOCTOR_OK, "the kernel has no same-page merging");
        return;
    }
    found(row, DOCTOR_OK, "same-page merging is %s, %" PRIu64 " pages shared", ksm.run == 1 ? "on" : "off",
          ksm.pages_shared);
    if (ksm.run != 1)
        advise(row, "only if many similar machines shall share memory: echo 1 > /sys/kernel/mm/ksm/run");
}

/* ---- checks: programs ---- */

static void check_qemu(Doctor *doctor, Row *row)
{
    g_autofree char *tool = g_strconcat("qemu-system-", cpu_host()->arch, NULL);
    check_tool(row, tool, "--version", "qemu-system-x86", DOCTOR_FAIL, "no machine can run");
}

static void check_qemu_img(Doctor *doctor, Row *row)
{
    check_tool(row, "qemu-img", "--version", "qemu-utils", DOCTOR_FAIL, "disk images cannot be made or read");
}

static void check_dnsmasq(Doctor *doctor, Row *row)
{
    check_tool(row, "dnsmasq", "--version", "dnsmasq-base", DOCTOR_WARN,
               "virtual networks have no DHCP and DNS");
}

static void check_nft(Doctor *doctor, Row *row)
{
    check_tool(row, "nft", "--version", "nftables", DOCTOR_WARN,
               "virtual networks have no NAT and no filters");
}

/* Is @module part of the kernel, or beside it? */
static bool has_module(const char *module)
{
    static const char *const lists[] = { "modules.builtin", "modules.dep" };
    struct utsname kernel;
    bool is_there = false;

    if (uname(&kernel) < 0)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(lists) && !is_there; i++) {
        g_autofree char *path = g_build_filename("/lib/modules", kernel.release, lists[i], NULL);
        g_autofree char *text = NULL;
        is_there = g_file_get_contents(path, &text, NULL, NULL) && strstr(text, module);
    }
    return is_there;
}

static void check_bridge_tracking(Doctor *doctor, Row *row)
{
    if (has_module("/nf_conntrack_bridge.ko")) {
        found(row, DOCTOR_OK, "the kernel tracks connections in bridges");
        return;
    }
    found(row, DOCTOR_WARN,
          "the kernel does not track connections in bridges (nf_conntrack_bridge): network "
          "filters note them by themselves, and cannot limit their number");
    advise(row, "a kernel with CONFIG_NF_CONNTRACK_BRIDGE, as distributions have it");
}

static void check_swtpm(Doctor *doctor, Row *row)
{
    check_tool(row, "swtpm", NULL, "swtpm swtpm-tools", DOCTOR_WARN, "machines cannot have an emulated TPM");
}

static void check_ovmf(Doctor *doctor, Row *row)
{
    static const char *const images[] = { "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd" };
    for (size_t i = 0; i < G_N_ELEMENTS(images); i++) {
        if (exists(images[i])) {
            found(row, DOCTOR_OK, "%s", images[i]);
            return;
        }
    }
    found(row, DOCTOR_WARN, "no UEFI firmware is installed: machines boot with BIOS only");
    advise(row, "apt install ovmf");
}

static void check_polkit(Doctor *doctor, Row *row)
{
    if (!exists("/usr/share/polkit-1/actions")) {
        found(row, DOCTOR_WARN, "polkit is not installed: only root can use the system's daemon");
        advise(row, "apt install polkitd, or set auth_unix_rw = \"none\" with a group for the socket in "
                    "libvirtd.conf");
        return;
    }
    bool has_bus = exists("/run/dbus/system_bus_socket");
    found(row, has_bus ? DOCTOR_OK : DOCTOR_WARN,
          has_bus ? "installed"
                  : "installed, but the system bus does not run: only root can use the system's daemon");
    if (!has_bus)
        advise(row, "start dbus and polkit, or set auth_unix_rw = \"none\" with a group for the socket in "
                    "libvirtd.conf");
}

/* ---- checks: room, conflicts, users ---- */

static void check_memory(Doctor *doctor, Row *row)
{
    NodeMemoryStats stats;
    if (!node_get_memory_stats(-1, &stats, NULL)) {
        found(row, DOCTOR_WARN, "the kernel does not tell the size of memory");
        return;
    }
    g_autofree char *total = size_format(stats.total_kib * 1024);
    g_autofree char *minimum = size_format(MIN_MEMORY_BYTES);
    bool enough = stats.total_kib * 1024 >= MIN_MEMORY_BYTES * 9 / 10; /* firmware and kernel keep some */
    found(row, enough ? DOCTOR_OK : DOCTOR_WARN, "%s in all%s%s", total, enough ? "" : ", less than ",
          enough ? "" : minimum);
    if (!enough)
        advise(row, "machines with a desktop need more memory than this host has");
}

static void check_disk(Doctor *doctor, Row *row)
{
    /* the nearest folder that exists: the images folder is made at the first start */
    g_autofree char *path = g_strconcat(doctor->root, "/var/lib/libvirt/images", NULL);
    while (strlen(path) > 1 && !exists(path)) {
        char *parent = g_path_get_dirname(path);
        g_free(path);
        path = parent;
    }
    struct statvfs info;
    if (statvfs(path, &info) < 0) {
        found(row, DOCTOR_WARN, "%s: %s", path, g_strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)info.f_bavail * info.f_frsize;
    g_autofree char *text = size_format(bytes);
    g_autofree char *minimum = size_format(MIN_DISK_BYTES);
    bool enough = bytes >= MIN_DISK_BYTES;
    found(row, enough ? DOCTOR_OK : DOCTOR_WARN, "%s free for disk images at %s", text, path);
    if (!enough)
        advise(row, "%s or more are advised: make room, or keep images elsewhere", minimum);
}

/* Who listens on a unix socket: its name; NULL if nobody does. Caller owns. */
static char *socket_owner(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (strlen(path) >= sizeof(address.sun_path))
        return NULL;
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return NULL;
    g_autofree char *comm_path = g_strdup_printf("/proc/%d/comm", (int)peer.pid);
    char *name = file_read_kernel(comm_path);
    return name ? name : g_strdup("an unknown program");
}

static void check_conflict(Doctor *doctor, Row *row)
{
    static const char *const sockets[] = { "libvirt-sock", "virtqemud-sock" };
    for (size_t i = 0; i < G_N_ELEMENTS(sockets); i++) {
        g_autofree char *path = g_strconcat(doctor->root, "/run/libvirt/", sockets[i], NULL);
        g_autofree char *owner = socket_owner(path);
        if (!owner)
            continue;
        if (strcmp(owner, "lodged") == 0) {
            found(row, DOCTOR_OK, "lodged answers on %s", path);
            return;
        }
        found(row, DOCTOR_WARN, "%s answers on %s", owner, path);
        if (strcmp(owner, "systemd") == 0)
            advise(row,
                   "systemctl disable --now libvirtd.socket virtqemud.socket, unless they are for lodged");
        else
            advise(row, "systemctl disable --now libvirtd.service libvirtd.socket libvirtd-ro.socket; "
                        "machines keep "
                        "running and lodged takes over their definitions");
        return;
    }
    found(row, DOCTOR_OK, "no other daemon uses the sockets");
}

static void check_user(Doctor *doctor, Row *row)
{
    static const char *const wanted[] = { "libvirt", "kvm" };
    if (geteuid() == 0) {
        found(row, DOCTOR_OK, "root: may do everything");
        return;
    }
    g_autoptr(GString) missing = g_string_new(NULL);
    int count = getgroups(0, NULL);
    g_autofree gid_t *groups = g_new0(gid_t, count > 0 ? count : 1);
    count = getgroups(count, groups);
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const struct group *group = getgrnam(wanted[i]);
        bool is_member = group && getegid() == group->gr_gid;
        for (int k = 0; group && k < count; k++)
            is_member |= groups[k] == group->gr_gid;
        if (!is_member)
            g_string_append_printf(missing, "%s%s", missing->len ? "," : "", wanted[i]);
    }
    if (!missing->len) {
        found(row, DOCTOR_OK, "%s is in the groups libvirt and kvm", g_get_user_name());
        return;
    }
    found(row, DOCTOR_WARN, "%s is not in: %s", g_get_user_name(), missing->str);
    advise(row, "usermod -aG %s %s, and log in again", missing->str, g_get_user_name());
}

static const struct {
    const char *name;
    void (*check)(Doctor *doctor, Row *row);
} checks[] = {
    { "cpu-flags", check_cpu },
    { "kvm-modules", check_modules },
    { "kvm-device", check_device },
    { "kvm-run", check_run },
    { "kvm-nested", check_nested },
    { "kvm-msrs", check_msrs },
    { "iommu", check_iommu },
    { "cgroup", check_cgroup },
    { "huge-pages", check_huge_pages },
    { "ksm", check_ksm },
    { "qemu", check_qemu },
    { "qemu-img", check_qemu_img },
    { "dnsmasq", check_dnsmasq },
    { "nft", check_nft },
    { "bridge-tracking", check_bridge_tracking },
    { "swtpm", check_swtpm },
    { "uefi", check_ovmf },
    { "polkit", check_polkit },
    { "memory", check_memory },
    { "disk", check_disk },
    { "sockets", check_conflict },
    { "user", check_user },
};

static void row_free(void *data)
{
    DoctorRow *row = data;
    g_free(row->detail);
    g_free(row->advice);
    g_free(row);
}

GPtrArray *doctor_run(const char *root)
{
    Doctor doctor = { .root = root ? root : "" };
    GPtrArray *rows = g_ptr_array_new_with_free_func(row_free);
    kvm_probe(&doctor.kvm);
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        DoctorRow *row = g_new0(DoctorRow, 1);
        row->name = checks[i].name;
        checks[i].check(&doctor, row);
        g_ptr_array_add(rows, row);
    }
    return rows;
}

const char *doctor_status_name(DoctorStatus status)
{
    static const char *const names[DOCTOR_STATUS_COUNT] = { "ok", "warn", "fail" };
    return status < DOCTOR_STATUS_COUNT ? names[status] : "?";
}

DoctorStatus doctor_worst(const GPtrArray *rows)
{
    DoctorStatus worst = DOCTOR_OK;
    for (unsigned i = 0; i < rows->len; i++)
        worst = MAX(worst, ((DoctorRow *)g_ptr_array_index(rows, i))->status);
    return worst;
}
