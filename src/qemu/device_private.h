/* What the rows of device.c are made of; nobody else includes this but the modules that define it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* alias.c: NULL if the scheme has no name for this one. Caller owns. */
char *alias_disk(const DomainDef *def, const void *device);
char *alias_controller(const DomainDef *def, const void *device);
char *alias_console(const DomainDef *def, const void *device);

/* command_*.c */
#define DEVICE_PLAN(name)                                                                                    \
    MUST_CHECK bool plan_##name(const PlanContext *c, const void *device, Plan *plan, Error **err)
DEVICE_PLAN(controller);
DEVICE_PLAN(hub);
DEVICE_PLAN(disk);
DEVICE_PLAN(interface);
DEVICE_PLAN(smartcard);
DEVICE_PLAN(serial);
DEVICE_PLAN(parallel);
DEVICE_PLAN(channel);
DEVICE_PLAN(console);
DEVICE_PLAN(input);
DEVICE_PLAN(audio);
DEVICE_PLAN(graphics);
DEVICE_PLAN(video);
DEVICE_PLAN(sound);
DEVICE_PLAN(watchdog);
DEVICE_PLAN(redirdev);
DEVICE_PLAN(memballoon);
DEVICE_PLAN(rng);
DEVICE_PLAN(panic);
DEVICE_PLAN(iommu);
