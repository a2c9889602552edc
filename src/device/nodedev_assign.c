/* Taking a PCI device from its driver for a machine, and giving it back. Which driver it is to have is
 * written in the kernel (driver_override), so nothing of ours has to survive. A device whose new driver
 * refuses it goes back to the old one at once. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "nodedev"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/worker.h"
#include "device/nodedev_private.h"
#include "host/sysdev.h"

#define MODPROBE_DEADLINE_MS 20000
#define BIND_DEADLINE_MS 10000 /* some drivers never let go of a device that is in use */
#define HOLDERS_DEADLINE_MS 5000
#define VFIO_DRIVER "vfio-pci"
#define FUNCTIONS_MAX 65536

/* ---- in the worker ---- */

typedef struct BindJob {
    char *root, *path, *address;
    char *driver; /* NULL: the one that is made for it; of functions_job_run() how many there are to be */
    char *before; /* which one it had */
} BindJob;

static void bind_job_free(void *data)
{
    BindJob *job = data;

    g_free(job->root);
    g_free(job->path);
    g_free(job->address);
    g_free(job->driver);
    g_free(job->before);
    g_free(job);
}

/* ERROR_SYSTEM with errno. */
static bool write_file(const char *path, const char *text, Error **err)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return error_set_errno(err, errno, "cannot write '%s' to '%s'",
                               g_strcmp0(text, "\n") == 0 ? "" : text, path);
    return true;
}

static char *current_driver(const BindJob *job)
{
    g_autofree char *link = g_strconcat(job->root, job->path, "/driver", NULL);
    g_autofree char *target = g_file_read_link(link, NULL);

    return target ? g_path_get_basename(target) : NULL;
}

static bool is_vfio(const char *driver)
{
    return driver && (strcmp(driver, VFIO_DRIVER) == 0 || strstr(driver, "vfio"));
}

/* Lets @job's device have @driver, "" any. */
static bool rebind(const BindJob *job, const char *driver, Error **err)
{
    g_autofree char *override = g_strconcat(job->root, job->path, "/driver_override", NULL);
    g_autofree char *unbind = g_strconcat(job->root, job->path, "/driver/unbind", NULL);
    g_autofree char *probe = g_strconcat(job->root, "/sys/bus/pci/drivers_probe", NULL);
    g_autofree char *now = current_driver(job);

    if (!write_file(override, *driver ? driver : "\n", err))
        return false;
    if (now && strcmp(now, driver) == 0)
        return true;
    return (!now || write_file(unbind, job->address, err)) && write_file(probe, job->address, err);
}

static bool detach_job_run(void *data, Error **err)
{
    BindJob *job = data;
    g_autoptr(Error) why = NULL;

    job->before = current_driver(job);
    bool ok = rebind(job, job->driver, &why);
    g_autofree char *now = current_driver(job);
    if (ok && g_strcmp0(now, job->driver) != 0)
        ok = error_set(&why, ERROR_OPERATION_FAILED, "the driver '%s' does not take the device", job->driver);
    if (ok)
        return true;
    if (!rebind(job, "", NULL)) /* the first failure is the one to tell */
        error_prefix(&why, "the device has no driver now");
    return error_propagate(err, g_steal_pointer(&why));
}

static bool reattach_job_run(void *data, Error **err)
{
    BindJob *job = data;
    g_autofree char *override = g_strconcat(job->root, job->path, "/driver_override", NULL);
    g_autofree char *wanted = NULL;

    job->before = current_driver(job);
    if (g_file_get_contents(override, &wanted, NULL, NULL))
        g_strstrip(wanted);
    /* Only what was detached goes back: another driver is left alone. */
    const bool was_detached = is_vfio(job->before) || (!job->before && is_vfio(wanted));
    return !was_detached || rebind(job, "", err);
}

/* Which of its virtual functions is a VFIO driver's? NULL: none. Owned. */
static char *find_given_function(const BindJob *job)
{
    for (unsigned i = 0; i < FUNCTIONS_MAX; i++) {
        g_autofree char *link = g_strdup_printf("%s%s/virtfn%u", job->root, job->path, i);
        g_autofree char *driver_link = g_strconcat(link, "/driver", NULL);
        g_autofree char *target = g_file_read_link(link, NULL), *driver = g_file_read_link(driver_link, NULL);
        g_autofree char *name = driver ? g_path_get_basename(driver) : NULL;
        if (!target)
            return NULL;
        if (is_vfio(name))
            return g_path_get_basename(target);
    }
    return NULL;
}

static bool functions_job_run(void *data, Error **err)
{
    const BindJob *job = data;
    g_autofree char *file = g_strconcat(job->root, job->path, "/sriov_numvfs", NULL);
    g_autofree char *now = file_read_kernel(file), *given = find_given_function(job);

    if (now && strcmp(now, job->driver) == 0)
        return true;
    if (given)
        return error_set(err, ERROR_BUSY, "the virtual function %s is given to a machine, and would go",
                         given);
    /* The kernel changes it from none and to none only. */
    return (!now || strcmp(now, "0") == 0 || write_file(file, "0", err)) &&
           (strcmp(job->driver, "0") == 0 || write_file(file, job->driver, err));
}

static bool reset_job_run(void *data, Error **err)
{
    const BindJob *job = data;
    g_autofree char *file = g_strconcat(job->root, job->path, "/reset", NULL);

    if (access(file, F_OK) != 0)
        return error_set(err, ERROR_INTERNAL,
                         "Unable to reset PCI device %s: no FLR, PM reset or bus reset available",
                         job->address);
    return write_file(file, "1", err) || error_prefix(err, "Unable to reset PCI device %s", job->address);
}

/* ---- a driver that does not let go ---- */

typedef struct HoldersJob {
    char *path;
    char *holders; /* NULL: none */
} HoldersJob;

static void holders_job_free(void *data)
{
    HoldersJob *job = data;

    g_free(job->path);
    g_free(job->holders);
    g_free(job);
}

static void holders_job_run(void *data)
{
    HoldersJob *job = data;

    job->holders = sysdev_find_holders(job->path);
}

/* The driver goes on with it, and may come to an end yet; who has the device open is whom it waits for. */
AWAITS static void explain_timeout(const char *path, Error **err)
{
    HoldersJob *job = g_new0(HoldersJob, 1);

    job->path = g_strdup(path);
    if (!worker_run(worker_lane_named("processes"), holders_job_run, job, holders_job_free,
                    HOLDERS_DEADLINE_MS, NULL))
        return;
    if (job->holders)
        error_hint(err, "the device is open in %s", job->holders);
    holders_job_free(job);
}

/* ---- for clients ---- */

static bool require_pci(const Object *device, Error **err)
{
    const NodeDeviceDef *def = device->live;

    if (!object_require_listed(device, err))
        return false;
    return (def && def->cap == NODEDEV_PCI) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "device %s is not a PCI device", device->name);
}

/* @doing "detaching" */
AWAITS static bool run_bind_job(Object *device, bool (*func)(void *data, Error **err), const char *driver,
                                const char *doing, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    g_autoptr(Error) why = NULL;

    if (!job_begin(device, JOB_MODIFY, caller, &job, err) || !require_pci(device, err))
        return false;
    const NodeDeviceDef *def = device->live;
    g_autofree char *path = g_strdup(def->path);
    BindJob *work = g_new0(BindJob, 1);
    *work = (BindJob){ .root = g_strdup(device->host->paths->host_root),
                       .path = g_strdup(path),
                       .address = g_path_get_basename(path),
                       .driver = g_strdup(driver) };
    /* In a lane of its own: a driver that does not let go holds up nobody else. */
    fiber_shield_begin();
    const bool ok =
        worker_call(worker_lane_named(device->name), func, work, bind_job_free, BIND_DEADLINE_MS, &why);
    fiber_shield_end();
    nodedev_note(device->host, path, false);
    if (error_code(why) == ERROR_TIMEOUT)
        explain_timeout(path, &why);
    if (!ok) {
        error_prefix(&why, "%s %s", doing, device->name);
        return error_propagate(err, g_steal_pointer(&why));
    }
    log_info("node device '%s': %s by %s (its driver was %s)", device->name, doing, caller_describe(caller),
             work->before ? work->before : "none");
    bind_job_free(work);
    return true;
}

static bool has_vfio(const Host *host)
{
    g_autofree char *node = g_strconcat(host->paths->host_root, "/dev/vfio/vfio", NULL);
    g_autofree char *groups = g_strconcat(host->paths->host_root, "/sys/kernel/iommu_groups", NULL);
    g_autoptr(GDir) dir = g_dir_open(groups, 0, NULL);

    return access(node, F_OK) == 0 && dir && g_dir_read_name(dir);
}

static bool has_driver(const Host *host, const char *driver)
{
    g_autofree char *path = g_strconcat(host->paths->host_root, "/sys/bus/pci/drivers/", driver, NULL);

    return path_is_safe_component(driver) && access(path, F_OK) == 0;
}

/* The module of a driver; without modprobe it has to be there already. */
AWAITS static void load_driver(const Host *host, const char *driver)
{
    g_autofree char *program = g_find_program_in_path("modprobe");
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_autoptr(Error) err = NULL;

    if (!program || *host->paths->host_root || has_driver(host, driver))
        return;
    spec.argv = (const char *const[]){ program, "-b", driver, NULL };
    spec.die_with_parent = true;
    if (!process_run(&spec, NULL, 0, 0, MODPROBE_DEADLINE_MS, &output, &err))
        log_warning_error(err, "modprobe");
}

bool nodedev_detach(Object *device, const char *driver, const Caller *caller, Error **err)
{
    const Host *host = device->host;
    const bool is_usual = !driver || strcmp(driver, "vfio") == 0;
    const char *wanted = is_usual ? VFIO_DRIVER : driver;

    if (driver && strcmp(driver, "kvm") == 0)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                         "KVM device assignment is no longer supported on this system");
    if (!is_usual && !(is_vfio(driver) && has_driver(host, driver))) {
        error_set(err, ERROR_INVALID_ARGUMENT, "unknown driver name '%s'", driver);
        return error_hint(err, "leave it out for vfio-pci, or name a VFIO driver that is loaded");
    }
    load_driver(host, wanted);
    if (!has_vfio(host)) {
        error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                  "VFIO device assignment is currently not supported on this system");
        return error_hint(err, "it needs an IOMMU that is on (intel_iommu=on or in the firmware) and the "
                               "module vfio-pci");
    }
    if (!require_pci(device, err))
        return false;
    const NodeDeviceDef *def = device->live;
    if (nodedev_find_part(def, PART_PCI_BRIDGE) || nodedev_find_part(def, PART_CARDBUS_BRIDGE))
        return error_set(err, ERROR_OPERATION_FAILED, "%s is a bridge: the devices behind it need it",
                         device->name);
    return run_bind_job(device, detach_job_run, wanted, "detaching", caller, err);
}

bool nodedev_reattach(Object *device, const Caller *caller, Error **err)
{
    return require_pci(device, err) &&
           run_bind_job(device, reattach_job_run, NULL, "reattaching", caller, err);
}

bool nodedev_reset(Object *device, const Caller *caller, Error **err)
{
    return require_pci(device, err) && run_bind_job(device, reset_job_run, NULL, "resetting", caller, err);
}

bool nodedev_set_functions(Object *device, unsigned count, const Caller *caller, Error **err)
{
    g_autofree char *text = g_strdup_printf("%u", count);

    if (!require_pci(device, err))
        return false;
    const NodedevCapPart *part = nodedev_find_part(device->live, PART_VIRT_FUNCTIONS);
    if (!part)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "%s has no virtual functions", device->name);
    if (count > part->max_count.value)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s has at most %u virtual functions, not %u",
                         device->name, part->max_count.value, count);
    if (!run_bind_job(device, functions_job_run, text, "making virtual functions of", caller, err))
        return false;
    nodedev_note_all(device->host); /* who asks next finds them */
    return true;
}
