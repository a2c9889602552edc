/* The child's way from fork to exec.
 *
 * Nothing here allocates, locks or logs, and nothing is declared noreturn: the address sanitizer would look
 * for the stack of a thread, which this need not be. User and groups are changed by plain system calls: the C
 * library's wrappers would try to change them in threads that do not exist here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

typedef struct ProcessChild {
    const ProcessSpec *spec;
    pid_t parent;
    int failure_fd;
} ProcessChild;

/* Does not return. */
static void process_child_end(void)
{
    for (;;)
        (void)syscall(SYS_exit_group, 127);
}

/* Does not return. */
static void process_child_fail(const ProcessChild *child, const char *step)
{
    ProcessFailure failure = { .step = step, .errnum = errno };
    (void)!write(child->failure_fd, &failure, sizeof(failure)); /* shorter than PIPE_BUF: whole or not */
    process_child_end();
}

static void process_child_reset_signals(void)
{
    struct sigaction standard = { .sa_handler = SIG_DFL };
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &standard, NULL); /* KILL and STOP refuse, and so do the C library's own */
}

/* The wanted descriptor, or /dev/null, under a number of 3 or more. */
static int process_child_lift(const ProcessChild *child, int fd)
{
    int lifted;
    if (fd >= 0) {
        lifted = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    } else {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        lifted = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, 3);
    }
    if (lifted < 0)
        process_child_fail(child, "opening its standard input and output");
    return lifted;
}

/* Marks all descriptors from 3 on as close-on-exec. */
static void process_child_close_rest(const ProcessChild *child)
{
    if (syscall(SYS_close_range, 3u, ~0u, (unsigned)CLOSE_RANGE_CLOEXEC) == 0)
        return;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        process_child_fail(child, "closing descriptors");
    for (rlim_t fd = 3; fd < limit.rlim_cur && fd < 65536; fd++)
        (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC); /* most are not open */
}

static void process_child_set_fds(ProcessChild *child)
{
    const ProcessSpec *spec = child->spec;
    if (child->failure_fd < 3) { /* we were started with some of 0, 1, 2 closed */
        int lifted = fcntl(child->failure_fd, F_DUPFD_CLOEXEC, 3);
        if (lifted < 0)
            process_child_fail(child, "opening its standard input and output");
        child->failure_fd = lifted;
    }
    int in = process_child_lift(child, spec->stdin_fd);
    int out = process_child_lift(child, spec->stdout_fd);
    int err = process_child_lift(child, spec->stderr_fd);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        process_child_fail(child, "opening its standard input and output");
    process_child_close_rest(child);
    for (size_t i = 0; i < spec->n_fds; i++) {
        if (fcntl(spec->fds[i], F_SETFD, 0) < 0)
            process_child_fail(child, "passing a descriptor");
    }
}

static void process_child_limit(const ProcessChild *child, int which, uint64_t value)
{
    struct rlimit limit = { .rlim_cur = value, .rlim_max = value };
    /* The enum type of glibc's parameter differs between C and C++; its values are plain ints. */
    if (syscall(SYS_prlimit64, 0, which, &limit, NULL) < 0)
        process_child_fail(child, "setting a resource limit");
}

static void process_child_set_limits(const ProcessChild *child)
{
    const ProcessSpec *spec = child->spec;
    if (spec->max_files)
        process_child_limit(child, RLIMIT_NOFILE, spec->max_files);
    if (spec->max_processes)
        process_child_limit(child, RLIMIT_NPROC, spec->max_processes);
    if (spec->max_locked_bytes)
        process_child_limit(child, RLIMIT_MEMLOCK, spec->max_locked_bytes);
    if (spec->set_core)
        process_child_limit(child, RLIMIT_CORE, spec->max_core_bytes);
}

static void process_child_write(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, text, len); /* best effort */
    if (fd >= 0)
        (void)close(fd);
}

/* How the kernel treats us is no business of what we start: a machine must neither be spared at the daemon's
 * side when memory runs out, nor run with the priority and on the processors that were chosen for it. What
 * the caller may not change stays. */
static void process_child_reset_treatment(const ProcessChild *child)
{
    static const unsigned long all[128] = { [0 ... 127] = ~0ul }; /* the kernel keeps what there is */
    static const struct sched_param none = { 0 };
    process_child_write("/proc/self/oom_score_adj", "0\n", 2);
    if (!child->spec->new_session)
        return;
    (void)syscall(SYS_sched_setaffinity, 0, sizeof(all), all);
    (void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
    (void)syscall(SYS_setpriority, PRIO_PROCESS, 0, 0);
    (void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 0);
}

/* The user that it changed to has this one right of root's, which an exec does not take away. */
static void process_child_keep_raw_io(const ProcessChild *child)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const uint32_t bit = 1u << CAP_SYS_RAWIO;
    const struct __user_cap_data_struct data[2] = {
        { .effective = bit, .permitted = bit, .inheritable = bit }
    };

    if (syscall(SYS_capset, &header, data) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_RAWIO, 0, 0) < 0)
        process_child_fail(child, "keeping the right to raw I/O");
}

static void process_child_set_user(const ProcessChild *child)
{
    const ProcessSpec *spec = child->spec;
    if (!spec->set_user)
        return;
    /* An unprivileged daemon may run children as itself, and has no groups to give up. */
    bool already = geteuid() == spec->uid && getegid() == spec->gid;
    if (syscall(SYS_setgroups, spec->n_groups, spec->groups) < 0 &&
        !(errno == EPERM && already && spec->n_groups == 0))
        process_child_fail(child, "setting its groups");
    if (syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) < 0)
        process_child_fail(child, "setting its group");
    const bool keeps = spec->raw_io && spec->uid != 0;
    if (keeps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        process_child_fail(child, "keeping rights");
    if (syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid) < 0)
        process_child_fail(child, "setting its user");
    if (keeps)
        process_child_keep_raw_io(child);
}

/* ---- confinement ---- */

static int process_child_make_tmpfs(const ProcessChild *child)
{
    AUTO_FD context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    int made = -1;

    if (context >= 0 && fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0) == 0 &&
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        made = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (made < 0)
        process_child_fail(child, "mounting an empty folder");
    return made;
}

static void process_child_make_nodes(const ProcessChild *child, const ProcessMask *mask, int folder)
{
    for (size_t i = 0; i < mask->n_nodes; i++) {
        const ProcessNode *node = &mask->nodes[i];
        const int made = S_ISDIR(node->mode) ? mkdirat(folder, node->name, node->mode & 07777)
                                             : mknodat(folder, node->name, node->mode, node->number);
        if (made < 0 && errno == EEXIST)
            continue; /* two paths to one folder */
        /* The mode again: the one that it was made with was cut by the umask. */
        if (made < 0 || fchownat(folder, node->name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            fchmodat(folder, node->name, node->mode & 07777, 0) < 0)
            process_child_fail(child, "making a device node");
    }
}

static void process_child_mask(const ProcessChild *child, const ProcessMask *mask)
{
    int kept[PROCESS_KEPT_MAX];
    size_t n_kept = 0;

    if (access(mask->path, F_OK) < 0)
        return;
    for (; mask->kept && mask->kept[n_kept] && n_kept < PROCESS_KEPT_MAX; n_kept++)
        kept[n_kept] = open_tree(AT_FDCWD, mask->kept[n_kept],
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
    AUTO_FD folder = process_child_make_tmpfs(child);
    process_child_make_nodes(child, mask, folder);
    if (move_mount(folder, "", AT_FDCWD, mask->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        process_child_fail(child, "covering a folder");
    for (size_t i = 0; i < n_kept; i++) {
        if (kept[i] < 0)
            continue; /* it is not there */
        if ((mkdir(mask->kept[i], 0755) < 0 && errno != EEXIST) ||
            move_mount(kept[i], "", AT_FDCWD, mask->kept[i], MOVE_MOUNT_F_EMPTY_PATH) < 0)
            process_child_fail(child, "keeping a folder");
        (void)close(kept[i]);
    }
}

/* Containers may not do that: what the host hides from them would show. */
static void process_child_hide_processes(void)
{
    AUTO_FD context = fsopen("proc", FSOPEN_CLOEXEC);

    if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "hidepid", "invisible", 0) < 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return;
    AUTO_FD proc =
        fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
    if (proc >= 0)
        (void)move_mount(proc, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH);
}

/* As root, before it changes to its user. What the host mounts later shows here, too; nothing goes back. */
static void process_child_set_mounts(const ProcessChild *child)
{
    const ProcessConfine *confine = child->spec->confine;

    if (!confine || confine->n_masks == 0)
        return;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        process_child_fail(child, "making a mount name space");
    const mode_t before = umask(0);
    for (size_t i = 0; i < confine->n_masks; i++)
        process_child_mask(child, &confine->masks[i]);
    (void)umask(before);
    if (confine->hide_processes)
        process_child_hide_processes();
}

/* While /proc is the host's. From then on an exec is the only way into the profile, and there is none around
 * it. */
static void process_child_set_label(const ProcessChild *child)
{
    const ProcessConfine *confine = child->spec->confine;

    if (!confine || !confine->on_exec)
        return;
    AUTO_FD attribute = open("/proc/self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
    if (attribute < 0) /* older kernels have one module */
        attribute = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
    const size_t len = strlen(confine->on_exec);
    if (attribute < 0 || write(attribute, confine->on_exec, len) != (ssize_t)len)
        process_child_fail(child, "choosing its security profile");
}

static void process_child_drop_capabilities(const ProcessChild *child)
{
    const ProcessSpec *spec = child->spec;

    if (!spec->confine || !spec->confine->drop_capabilities)
        return;
    for (int capability = 0; capability < 64; capability++) {
        if (!(spec->raw_io && capability == CAP_SYS_RAWIO))
            (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); /* EINVAL: the kernel has fewer */
    }
}

static void process_child_confine(const ProcessChild *child)
{
    const ProcessConfine *confine = child->spec->confine;

    if (!confine)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        process_child_fail(child, "giving up new rights");
    if (confine->landlock_fd >= 0 && syscall(SYS_landlock_restrict_self, confine->landlock_fd, 0) < 0)
        process_child_fail(child, "confining itself by Landlock");
}

static void process_child_die_with_parent(const ProcessChild *child)
{
    if (!child->spec->die_with_parent)
        return;
    /* After the change of user, which would clear it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        process_child_fail(child, "tying it to its parent");
    if (getppid() != child->parent) /* too late: the parent has died already */
        process_child_end();
}

/* The parent's own end was copied by the fork, so its death is seen by another number of our parent. */
static void process_child_await_go(pid_t parent, int go_fd)
{
    char go;
    ssize_t n = 0;

    while (getppid() == parent) {
        struct pollfd ready = { .fd = go_fd, .events = POLLIN };
        if (poll(&ready, 1, 200) <= 0)
            continue;
        n = read(go_fd, &go, 1);
        if (n < 0 && errno == EINTR)
            continue;
        break;
    }
    if (n != 1)
        process_child_end();
}

void process_child_exec(const ProcessSpec *spec, const char *const *envp, pid_t parent, int failure_fd,
                        int go_fd)
{
    ProcessChild child = { .spec = spec, .parent = parent, .failure_fd = failure_fd };
    if (go_fd >= 0)
        process_child_await_go(parent, go_fd);
    process_child_reset_signals();
    if (spec->new_session)
        (void)setsid(); /* a new process is no group leader, so it can't fail */
    process_child_set_fds(&child);
    process_child_set_limits(&child);
    process_child_reset_treatment(&child);
    (void)umask(spec->umask ? spec->umask : 0022);
    process_child_set_label(&child);
    process_child_set_mounts(&child);
    process_child_drop_capabilities(&child);
    process_child_set_user(&child);
    process_child_die_with_parent(&child);
    if (chdir(spec->cwd ? spec->cwd : "/") < 0)
        process_child_fail(&child, "entering its working directory");
    process_child_confine(&child);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execve(spec->argv[0], (char *const *)spec->argv, (char *const *)envp);
    process_child_fail(&child, NULL);
}
