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

#define MODPROBE_DEADLINE_MS 20000
#define VFIO_DRIVER "vfio-pci"

/* ---- in the worker ---- */

typedef struct BindJob {
    char *root, *path, *address;
    char *driver; /* NULL: the one that is made for it */
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
        worker_call(worker_lane_named(device->name), func, work, bind_job_free, SYSFS_DEADLINE_MS, err);
    fiber_shield_end();
    nodedev_note(device->host, path, false);
    if (!ok)
        return error_prefix(err, "%s %s", doing, device->name);
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
