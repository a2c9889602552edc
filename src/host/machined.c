/* Talks to systemd-machined over the system bus, each call with a connection of its own: they are rare. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "machined"
#include "host/machined.h"

#include <errno.h>
#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "base/worker.h"

#define BUS_TIMEOUT_MS 10000
#define USEC_PER_MS 1000u

typedef struct BusCall {
    char *name, *slice; /* of a machine; or scope and property */
    Uuid uuid;
    pid_t pid;
    uint64_t weight;
    bool done;
} BusCall;

static void bus_call_free(void *data)
{
    BusCall *call = data;

    g_free(call->name);
    g_free(call->slice);
    g_free(call);
}

static bool is_absent(const sd_bus_error *failure)
{
    return sd_bus_error_has_name(failure, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
           sd_bus_error_has_name(failure, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
           sd_bus_error_has_name(failure, "org.freedesktop.systemd1.NoSuchUnit") ||
           sd_bus_error_has_name(failure, "org.freedesktop.systemd1.UnitMasked");
}

static int create_append(sd_bus_message *message, const BusCall *call)
{
    int r = sd_bus_message_append(message, "s", call->name);

    if (r >= 0)
        r = sd_bus_message_append_array(message, 'y', call->uuid.bytes, sizeof(call->uuid.bytes));
    if (r >= 0)
        /* When the host ends, systemd first has lodged-machines.service end them properly. */
        r = sd_bus_message_append(message, "ssusa(sv)", "libvirt-qemu", "vm", (uint32_t)call->pid, "", 2,
                                  "Slice", "s", call->slice, "Before", "as", 1, "lodged-machines.service");
    return r;
}

static int weight_append(sd_bus_message *message, const BusCall *call)
{
    return sd_bus_message_append(message, "sba(sv)", call->name, 1, 1, call->slice, "t", call->weight);
}

static bool bus_call(BusCall *call, const char *service, const char *path, const char *interface,
                     const char *method, int (*append)(sd_bus_message *, const BusCall *), Error **err)
{
    sd_bus_error failure = SD_BUS_ERROR_NULL;
    sd_bus_message *message = NULL;
    sd_bus *bus = NULL;

    int r = sd_bus_open_system(&bus);
    if (r < 0)
        return true; /* no bus, no systemd that could be asked */
    r = sd_bus_message_new_method_call(bus, &message, service, path, interface, method);
    if (r >= 0)
        r = append(message, call);
    if (r >= 0)
        r = sd_bus_call(bus, message, (uint64_t)BUS_TIMEOUT_MS / 2 * USEC_PER_MS, &failure, NULL);
    call->done = r >= 0;
    const bool ok = r >= 0 || is_absent(&failure);
    if (!ok)
        error_set_errno(err, -r, "%s refuses '%s': %s", service, call->name,
                        failure.message ? failure.message : "no reason given");
    sd_bus_error_free(&failure);
    sd_bus_message_unref(message);
    sd_bus_flush_close_unref(bus);
    return ok;
}

static bool create_work(void *data, Error **err)
{
    return bus_call(data, "org.freedesktop.machine1", "/org/freedesktop/machine1",
                    "org.freedesktop.machine1.Manager", "CreateMachine", create_append, err);
}

static bool weight_work(void *data, Error **err)
{
    return bus_call(data, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                    "org.freedesktop.systemd1.Manager", "SetUnitProperties", weight_append, err);
}

AWAITS static bool bus_run(BusCall *call, bool (*work)(void *data, Error **err), bool *ret_done, Error **err)
{
    if (sd_booted() <= 0) {
        *ret_done = false;
        bus_call_free(call);
        return true;
    }
    if (!worker_call(worker_lane_named("systemd"), work, call, bus_call_free, BUS_TIMEOUT_MS, err))
        return false;
    *ret_done = call->done;
    bus_call_free(call);
    return true;
}

bool machined_create(const char *name, const Uuid *uuid, pid_t pid, const char *slice, bool *ret_done,
                     Error **err)
{
    BusCall *call = g_new0(BusCall, 1);

    *call = (BusCall){ .name = g_strdup(name), .slice = g_strdup(slice), .uuid = *uuid, .pid = pid };
    return bus_run(call, create_work, ret_done, err);
}

bool machined_set_weight(const char *scope, const char *property, uint64_t weight, bool *ret_done,
                         Error **err)
{
    BusCall *call = g_new0(BusCall, 1);

    *call = (BusCall){ .name = g_strdup(scope), .slice = g_strdup(property), .weight = weight };
    return bus_run(call, weight_work, ret_done, err);
}
