/* Devices of this machine, as sysfs and udev's database show them.
 *
 * Everything is read below a root ("" for the real one), from files that others write: whatever they hold, a
 * device is described or left out. Reading takes as long as the drivers want it to: in a worker only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/nodedev.h"

/* The device at @path ("/sys/devices/...", as the kernel names it). NULL: none that we know, or it is gone.
 * Owned: xml_table_free(&nodedev_table, ...). */
NodeDeviceDef *sysdev_read(const char *root, const char *path);
/* The machine itself: the root of the tree. */
NodeDeviceDef *sysdev_read_computer(const char *root);
/* All of them, the machine first. Owned, and so is each (NodeDeviceDef). */
GPtrArray *sysdev_scan(const char *root);

/* Who has a file of the device at @path ("/sys/devices/...") open, or of one behind it: "Xorg (pid 12), ...". NULL:
 * nobody that can be seen. Owned. */
char *sysdev_find_holders(const char *path);
