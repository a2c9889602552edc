/* What the parts of the command line builder share. Only command*.c include this. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/command.h"

struct QemuCommand {
    GPtrArray *arguments; /* QemuArgument */
    GPtrArray *argv;      /* char *, NULL-terminated once built */
    GPtrArray *envp;
};

/* The state of one build. The functions below return false when @failed is set, so that a sequence of them
 * needs one check at its end. */
typedef struct Builder {
    const DomainDef *def;
    const QemuCaps *caps;
    const QemuCommandEnv *env;
    const QemuMachine *machine;
    QemuCommand *command;
    char *source; /* XPath of the element at work; NULL: none */
    const char *note;
    size_t tap_next;
    unsigned fdset_next;
    unsigned
        boot_rank[BOOT_DEV_COUNT]; /* bootindex of the class from <boot dev=>; 0: none, taken: set to 0 */
    bool per_device_boot;          /* some device has <boot order=>: <boot dev=> is not there */
} Builder;

/* Where in the document the next arguments come from. */
PRINTF(2, 3) void builder_at(Builder *b, const char *xpath, ...);
/* No element: Lodge needs it; @note says why. */
void builder_own(Builder *b, const char *note);

void add_flag(Builder *b, const char *argument);
PRINTF(3, 4) void add_text(Builder *b, const char *argument, const char *format, ...);
void add_json(Builder *b, const char *argument, Json *object /* stolen */);
/* A value inside a comma-separated option: commas doubled. Caller owns. */
char *option_escape(const char *value);

/* ---- device objects: thin, so that a device reads like its properties ---- */
Json *device_new(const char *driver);
void prop_str(Json *object, const char *key, const char *value); /* NULL: left out */
void prop_uint(Json *object, const char *key, uint64_t value);
void prop_opt(Json *object, const char *key, OptU32 value); /* left out when not set */
void prop_bool(Json *object, const char *key, bool value);
void prop_tristate(Json *object, const char *key, Tristate value); /* true/false; absent: left out */
void prop_on_off(Json *object, const char *key, Tristate value);   /* "on"/"off" */
void prop_virtio(Json *object, const VirtioOptions *virtio);
/* id, bus and addr from alias and address, boot order, ROM. */
MUST_CHECK bool prop_info(Json *object, const DomainDef *def, const DeviceInfo *info, Error **err);
/* ERROR_CONFIG_UNSUPPORTED if this QEMU lacks the driver. */
MUST_CHECK bool device_require(const QemuCaps *caps, const char *driver, Error **err);
/* "virtio-net-pci", "-transitional", "-non-transitional", "virtio-net-device" for mmio */
char *virtio_driver(const char *kind, VirtioModel model, const DeviceInfo *info);

/* ---- the parts, in the order of the command line ---- */
MUST_CHECK bool build_machine(Builder *b, Error **err); /* -machine -accel */
MUST_CHECK bool build_cpu(Builder *b, Error **err);
MUST_CHECK bool build_memory(Builder *b, Error **err); /* -m, backends, -smp, -numa, iothreads */
MUST_CHECK bool build_clock_and_boot(Builder *b, Error **err);
MUST_CHECK bool build_smbios(Builder *b, Error **err);
MUST_CHECK bool build_generation_id(Builder *b, Error **err);
void build_acpi_table(Builder *b);
/* Applies <qemu:override> to a -device object. */
void override_device(const DomainDef *def, Json *device);
/* What the host's firmware says; caller frees with xml_table_free(&sysinfo_table, ...).
 * ERROR_CONFIG_UNSUPPORTED: it says nothing. */
MUST_CHECK bool host_sysinfo(SysinfoDef **ret_sysinfo, Error **err);
MUST_CHECK bool build_controllers(Builder *b, Error **err);
MUST_CHECK bool build_disks(Builder *b, Error **err);
MUST_CHECK bool build_interfaces(Builder *b, Error **err);
MUST_CHECK bool build_chardevs(Builder *b, Error **err); /* smartcard, serial, parallel, channel, console */
MUST_CHECK bool build_inputs(Builder *b, Error **err);
MUST_CHECK bool build_displays(Builder *b, Error **err); /* audio, graphics, video, sound */
MUST_CHECK bool build_other_devices(Builder *b, Error **err);

/* -chardev for @source with id "char" + @alias; @wait for servers is off. Files and listening sockets may
 * come as descriptors from env. */
MUST_CHECK bool build_chardev(Builder *b, const char *alias, const CharSource *source, Error **err);

/* The bootindex that falls to the next device of this class through <boot dev=>; 0: none. Taken only once. */
unsigned builder_take_boot(Builder *b, BootDev dev);

/* Where def->controllers has (type, index): its alias; NULL if there is none. */
const char *controller_alias(const DomainDef *def, ControllerType type, unsigned index);
