/* The enumerations of the domain document. Values are not stored anywhere outside the process: files and the
 * wire carry names or libvirt's numbers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/device_enums.h"
#include "conf/enum.h"

typedef enum VirtType { VIRT_TYPE_ABSENT, VIRT_TYPE_QEMU, VIRT_TYPE_KVM, VIRT_TYPE_COUNT } ENUM8 VirtType;

typedef enum Arch {
    ARCH_ABSENT,
    ARCH_X86_64,
    ARCH_I686,
    ARCH_AARCH64,
    ARCH_ARMV7L,
    ARCH_ARMV6L,
    ARCH_PPC64,
    ARCH_PPC64LE,
    ARCH_PPC,
    ARCH_S390X,
    ARCH_RISCV32,
    ARCH_RISCV64,
    ARCH_LOONGARCH64,
    ARCH_MIPS,
    ARCH_MIPSEL,
    ARCH_MIPS64,
    ARCH_MIPS64EL,
    ARCH_ALPHA,
    ARCH_CRIS,
    ARCH_LM32,
    ARCH_M68K,
    ARCH_MICROBLAZE,
    ARCH_MICROBLAZEEL,
    ARCH_OR32,
    ARCH_SH4,
    ARCH_SH4EB,
    ARCH_SPARC,
    ARCH_SPARC64,
    ARCH_UNICORE32,
    ARCH_XTENSA,
    ARCH_XTENSAEB,
    ARCH_COUNT
} ENUM8 Arch;

typedef enum OsType {
    OS_TYPE_ABSENT,
    OS_TYPE_HVM,
    OS_TYPE_XEN,
    OS_TYPE_LINUX,
    OS_TYPE_EXE,
    OS_TYPE_UML,
    OS_TYPE_XENPVH,
    OS_TYPE_COUNT
} ENUM8 OsType;
typedef enum OsFirmware {
    OS_FIRMWARE_ABSENT,
    OS_FIRMWARE_BIOS,
    OS_FIRMWARE_EFI,
    OS_FIRMWARE_COUNT
} ENUM8 OsFirmware;
typedef enum LoaderType {
    LOADER_TYPE_ABSENT,
    LOADER_TYPE_ROM,
    LOADER_TYPE_PFLASH,
    LOADER_TYPE_NONE,
    LOADER_TYPE_COUNT
} ENUM8 LoaderType;
typedef enum BootDev {
    BOOT_DEV_ABSENT,
    BOOT_DEV_FD,
    BOOT_DEV_HD,
    BOOT_DEV_CDROM,
    BOOT_DEV_NETWORK,
    BOOT_DEV_COUNT
} ENUM8 BootDev;
typedef enum AcpiTableType { ACPI_TABLE_ABSENT, ACPI_TABLE_SLIC, ACPI_TABLE_COUNT } ENUM8 AcpiTableType;
typedef enum SmbiosMode {
    SMBIOS_MODE_ABSENT,
    SMBIOS_MODE_EMULATE,
    SMBIOS_MODE_HOST,
    SMBIOS_MODE_SYSINFO,
    SMBIOS_MODE_COUNT
} ENUM8 SmbiosMode;
typedef enum SysinfoType {
    SYSINFO_TYPE_ABSENT,
    SYSINFO_TYPE_SMBIOS,
    SYSINFO_TYPE_FWCFG,
    SYSINFO_TYPE_COUNT
} ENUM8 SysinfoType;

typedef enum LifecycleAction {
    LIFECYCLE_ACTION_ABSENT,
    LIFECYCLE_ACTION_DESTROY,
    LIFECYCLE_ACTION_RESTART,
    LIFECYCLE_ACTION_RESTART_RENAME,
    LIFECYCLE_ACTION_PRESERVE,
    LIFECYCLE_ACTION_COREDUMP_DESTROY,
    LIFECYCLE_ACTION_COREDUMP_RESTART,
    LIFECYCLE_ACTION_COUNT
} ENUM8 LifecycleAction;
typedef enum LockFailureAction {
    LOCK_FAILURE_ABSENT,
    LOCK_FAILURE_POWEROFF,
    LOCK_FAILURE_RESTART,
    LOCK_FAILURE_PAUSE,
    LOCK_FAILURE_IGNORE,
    LOCK_FAILURE_COUNT
} ENUM8 LockFailureAction;

typedef enum CpuPlacement {
    CPU_PLACEMENT_ABSENT,
    CPU_PLACEMENT_STATIC,
    CPU_PLACEMENT_AUTO,
    CPU_PLACEMENT_COUNT
} ENUM8 CpuPlacement;
typedef enum NumaMode {
    NUMA_MODE_ABSENT,
    NUMA_MODE_STRICT,
    NUMA_MODE_PREFERRED,
    NUMA_MODE_INTERLEAVE,
    NUMA_MODE_RESTRICTIVE,
    NUMA_MODE_COUNT
} ENUM8 NumaMode;

typedef enum MemorySourceType {
    MEMORY_SOURCE_ABSENT,
    MEMORY_SOURCE_FILE,
    MEMORY_SOURCE_ANONYMOUS,
    MEMORY_SOURCE_MEMFD,
    MEMORY_SOURCE_COUNT
} ENUM8 MemorySourceType;
typedef enum MemoryAccess {
    MEMORY_ACCESS_ABSENT,
    MEMORY_ACCESS_SHARED,
    MEMORY_ACCESS_PRIVATE,
    MEMORY_ACCESS_COUNT
} ENUM8 MemoryAccess;
typedef enum MemoryAllocation {
    MEMORY_ALLOCATION_ABSENT,
    MEMORY_ALLOCATION_IMMEDIATE,
    MEMORY_ALLOCATION_ONDEMAND,
    MEMORY_ALLOCATION_COUNT
} ENUM8 MemoryAllocation;

typedef enum HypervMode {
    HYPERV_MODE_ABSENT,
    HYPERV_MODE_CUSTOM,
    HYPERV_MODE_PASSTHROUGH,
    HYPERV_MODE_COUNT
} ENUM8 HypervMode;
typedef enum GicVersion {
    GIC_VERSION_ABSENT,
    GIC_VERSION_HOST,
    GIC_VERSION_2,
    GIC_VERSION_3,
    GIC_VERSION_COUNT
} ENUM8 GicVersion;
typedef enum IoapicDriver {
    IOAPIC_DRIVER_ABSENT,
    IOAPIC_DRIVER_KVM,
    IOAPIC_DRIVER_QEMU,
    IOAPIC_DRIVER_COUNT
} ENUM8 IoapicDriver;
typedef enum HptResizing {
    HPT_RESIZING_ABSENT,
    HPT_RESIZING_ENABLED,
    HPT_RESIZING_DISABLED,
    HPT_RESIZING_REQUIRED,
    HPT_RESIZING_COUNT
} ENUM8 HptResizing;

typedef enum CpuMode {
    CPU_MODE_ABSENT,
    CPU_MODE_CUSTOM,
    CPU_MODE_HOST_MODEL,
    CPU_MODE_HOST_PASSTHROUGH,
    CPU_MODE_MAXIMUM,
    CPU_MODE_COUNT
} ENUM8 CpuMode;
typedef enum CpuMatch {
    CPU_MATCH_ABSENT,
    CPU_MATCH_EXACT,
    CPU_MATCH_MINIMUM,
    CPU_MATCH_STRICT,
    CPU_MATCH_COUNT
} ENUM8 CpuMatch;
typedef enum CpuCheck {
    CPU_CHECK_ABSENT,
    CPU_CHECK_NONE,
    CPU_CHECK_PARTIAL,
    CPU_CHECK_FULL,
    CPU_CHECK_COUNT
} ENUM8 CpuCheck;
typedef enum CpuFallback {
    CPU_FALLBACK_ABSENT,
    CPU_FALLBACK_ALLOW,
    CPU_FALLBACK_FORBID,
    CPU_FALLBACK_COUNT
} ENUM8 CpuFallback;
typedef enum CpuFeaturePolicy {
    CPU_FEATURE_POLICY_ABSENT,
    CPU_FEATURE_FORCE,
    CPU_FEATURE_REQUIRE,
    CPU_FEATURE_OPTIONAL,
    CPU_FEATURE_DISABLE,
    CPU_FEATURE_FORBID,
    CPU_FEATURE_POLICY_COUNT
} ENUM8 CpuFeaturePolicy;
typedef enum CpuCacheMode {
    CPU_CACHE_ABSENT,
    CPU_CACHE_EMULATE,
    CPU_CACHE_PASSTHROUGH,
    CPU_CACHE_DISABLE,
    CPU_CACHE_COUNT
} ENUM8 CpuCacheMode;
typedef enum CpuMaxPhysAddrMode {
    CPU_MAXPHYSADDR_ABSENT,
    CPU_MAXPHYSADDR_EMULATE,
    CPU_MAXPHYSADDR_PASSTHROUGH,
    CPU_MAXPHYSADDR_COUNT
} ENUM8 CpuMaxPhysAddrMode;

typedef enum ClockOffset {
    CLOCK_OFFSET_ABSENT,
    CLOCK_OFFSET_UTC,
    CLOCK_OFFSET_LOCALTIME,
    CLOCK_OFFSET_VARIABLE,
    CLOCK_OFFSET_TIMEZONE,
    CLOCK_OFFSET_ABSOLUTE,
    CLOCK_OFFSET_COUNT
} ENUM8 ClockOffset;
typedef enum ClockBasis {
    CLOCK_BASIS_ABSENT,
    CLOCK_BASIS_UTC,
    CLOCK_BASIS_LOCALTIME,
    CLOCK_BASIS_COUNT
} ENUM8 ClockBasis;
typedef enum TimerName {
    TIMER_NAME_ABSENT,
    TIMER_PLATFORM,
    TIMER_PIT,
    TIMER_RTC,
    TIMER_HPET,
    TIMER_TSC,
    TIMER_KVMCLOCK,
    TIMER_HYPERVCLOCK,
    TIMER_ARMVTIMER,
    TIMER_NAME_COUNT
} ENUM8 TimerName;
typedef enum TimerTrack {
    TIMER_TRACK_ABSENT,
    TIMER_TRACK_BOOT,
    TIMER_TRACK_GUEST,
    TIMER_TRACK_WALL,
    TIMER_TRACK_REALTIME,
    TIMER_TRACK_COUNT
} ENUM8 TimerTrack;
typedef enum TimerTickPolicy {
    TIMER_TICKPOLICY_ABSENT,
    TIMER_TICKPOLICY_DELAY,
    TIMER_TICKPOLICY_CATCHUP,
    TIMER_TICKPOLICY_MERGE,
    TIMER_TICKPOLICY_DISCARD,
    TIMER_TICKPOLICY_COUNT
} ENUM8 TimerTickPolicy;
typedef enum TimerMode {
    TIMER_MODE_ABSENT,
    TIMER_MODE_AUTO,
    TIMER_MODE_NATIVE,
    TIMER_MODE_EMULATE,
    TIMER_MODE_PARAVIRT,
    TIMER_MODE_SMPSAFE,
    TIMER_MODE_COUNT
} ENUM8 TimerMode;

/* Names, in the order of the values. */
extern const EnumNames virt_type_names;
extern const EnumNames arch_names;
extern const EnumNames os_type_names;
extern const EnumNames os_firmware_names;
extern const EnumNames loader_type_names;
extern const EnumNames boot_dev_names;
extern const EnumNames acpi_table_type_names;
extern const EnumNames smbios_mode_names;
extern const EnumNames sysinfo_type_names;
extern const EnumNames lifecycle_action_names;
extern const EnumNames lock_failure_action_names;
extern const EnumNames cpu_placement_names;
extern const EnumNames numa_mode_names;
extern const EnumNames memory_source_type_names;
extern const EnumNames memory_access_names;
extern const EnumNames memory_allocation_names;
extern const EnumNames hyperv_mode_names;
extern const EnumNames gic_version_names;
extern const EnumNames ioapic_driver_names;
extern const EnumNames hpt_resizing_names;
extern const EnumNames cpu_mode_names;
extern const EnumNames cpu_match_names;
extern const EnumNames cpu_check_names;
extern const EnumNames cpu_fallback_names;
extern const EnumNames cpu_feature_policy_names;
extern const EnumNames cpu_cache_mode_names;
extern const EnumNames cpu_max_phys_addr_mode_names;
extern const EnumNames clock_offset_names;
extern const EnumNames clock_basis_names;
extern const EnumNames timer_name_names;
extern const EnumNames timer_track_names;
extern const EnumNames timer_tick_policy_names;
extern const EnumNames timer_mode_names;
