/* The domain document in memory: one struct per XML element that Lodge acts on.
 *
 * Conventions, the same everywhere:
 * - All zero means "absent": NULL strings, enums with value 0, TRISTATE_ABSENT, OptU32/OptU64 not set. Plain
 *   integers have 0 = absent, unless their comment says that they always have a value.
 * - Sizes are bytes, whatever the unit in the XML. Times and rates have their unit in the name.
 * - Strings, sub-structs behind pointers and lists (GPtrArray, NULL when empty) are owned by
 *   the tables: xml_list_remove() takes one element away.
 *   Read lists with def_list_len() and g_ptr_array_index().
 * - "Live:" marks what only the XML of a running machine shows; it is dropped from inactive documents.
 * - Elements that Lodge knows but does not act on yet hang verbatim from the `kept` of the struct around
 * them.
 *
 * Which element or attribute a field is, is said once: in the tables of domain_rows_*.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "base/uuid.h"
#include "conf/cpuset.h"
#include "conf/domain_enums.h"

typedef struct Kept Kept; /* conf/xml_table.h; chain of verbatim elements and attributes */

static inline unsigned def_list_len(const GPtrArray *list)
{
    return list ? list->len : 0;
}
/* for (DEF_EACH(DiskDef, disk, def->disks)) { ... } */
#define DEF_EACH(Type, name, list)                                                                           \
    Type **name##_it = (list) ? (Type **)(list)->pdata : NULL, *name = NULL;                                 \
    name##_it &&name##_it < (Type **)(list)->pdata + (list)->len && (name = *name##_it, true);               \
    name##_it++

/* ---- what all devices share ---- */

typedef struct DeviceAddress {
    AddressType type;
    /* Given as <address type='pci'/> without numbers: the kind is fixed, the numbers are to be assigned. */
    bool wants_numbers;
    Tristate multifunction; /* pci */
    union {                 /* numbers always have a value when type is set and !wants_numbers */
        struct {
            uint32_t domain; /* of machines at most 0xffff */
            uint8_t bus, slot, function;
        } pci;
        struct {
            uint32_t controller, bus, target, unit;
        } drive;
        struct {
            uint32_t controller, bus, port;
        } virtio_serial;
        struct {
            uint32_t controller, slot;
        } ccid;
        struct {
            uint32_t bus;
            uint8_t port[4]; /* "1.2" is {1, 2, 0, 0}; port[0] == 0: only the bus is given */
        } usb;
        struct {
            uint64_t reg; /* spapr-vio */
            bool has_reg;
        } spapr;
        struct {
            uint32_t cssid, ssid, devno;
        } ccw;
        struct {
            uint32_t iobase, irq; /* 0 = absent */
        } isa;
        struct {
            uint64_t base; /* 0 = absent */
            uint32_t slot;
        } dimm;
    };
    OptU32 zpci_uid, zpci_fid; /* pci on s390x */
} DeviceAddress;

typedef struct DeviceInfo {
    char *alias; /* Live: unless it starts with "ua-" (chosen by the user) */
    DeviceAddress address;
    uint32_t boot_order; /* 0 = absent, first is 1 */
    char *boot_loadparm; /* s390x */
    uint32_t acpi_index; /* 0 = absent */
    Tristate rom_enabled;
    Tristate rom_bar;
    char *rom_file;
    /* <master startport=.../> of the USB1 companions of an EHCI controller */
    bool has_usb_master;
    uint32_t usb_master_port;
} DeviceInfo;

/* The attributes of <driver> that every virtio device has. */
typedef struct VirtioOptions {
    Tristate iommu, ats, packed, page_per_vq;
} VirtioOptions;

typedef struct SecurityLabel { /* <seclabel> below a device source or the domain */
    SeclabelType type;
    char *model;
    Tristate relabel;
    Tristate label_skip; /* Live: relabelling was not possible */
    char *label;
    char *image_label; /* Live: */
    char *base_label;
} SecurityLabel;

/* ---- memory, CPUs, tuning ---- */

typedef struct MemoryBacking {
    bool hugepages;   /* <hugepages> is there */
    GPtrArray *pages; /* HugePage: <page size= nodeset=> */
    bool nosharepages, locked, discard;
    MemorySourceType source;
    MemoryAccess access;
    MemoryAllocation allocation;
    uint32_t allocation_threads;
} MemoryBacking;
typedef struct HugePage {
    uint64_t size_bytes;
    CpuSet *nodeset;
} HugePage;

typedef struct VcpuDef { /* <vcpus><vcpu> */
    uint32_t id;         /* always */
    Tristate enabled, hotpluggable;
    uint32_t order; /* 0 = absent */
} VcpuDef;
typedef struct IothreadDef {
    uint32_t id;
    OptS64 pool_min, pool_max;
} IothreadDef;
typedef struct MainLoopDef { /* <defaultiothread> */
    OptS64 pool_min, pool_max;
} MainLoopDef;
typedef struct PerfEventDef { /* <perf><event> */
    PerfEvent name;
    Tristate enabled;
} PerfEventDef;

typedef struct CpuPin { /* vcpupin, iothreadpin; emulatorpin is a bare CpuSet */
    uint32_t id;
    CpuSet *cpuset;
} CpuPin;
typedef struct CpuTune {
    OptU64 shares;
    OptU64 period_us, global_period_us, emulator_period_us, iothread_period_us;
    OptS64 quota_us, global_quota_us, emulator_quota_us, iothread_quota_us;
    GPtrArray *vcpu_pins; /* CpuPin */
    CpuSet *emulator_pin;
    GPtrArray *iothread_pins; /* CpuPin */
    struct SchedDef *emulator_sched;
    GPtrArray *vcpu_scheds, *iothread_scheds; /* SchedDef, one per thread, ascending */
    Kept *kept;                               /* cache allocation elements */
} CpuTune;
typedef struct SchedDef { /* vcpusched, iothreadsched, emulatorsched */
    CpuSet *threads;      /* a single one once defaults are filled in; NULL: of the emulator */
    SchedPolicy policy;
    OptU32 priority; /* of fifo and rr */
} SchedDef;

typedef struct NumaTune {
    NumaMode mode;
    CpuPlacement placement;
    CpuSet *nodeset;
    GPtrArray *nodes; /* NumaTuneNode */
} NumaTune;
typedef struct NumaTuneNode {
    uint32_t cell;
    NumaMode mode;
    CpuSet *nodeset;
} NumaTuneNode;

typedef struct MemTune { /* bytes; absent = unlimited */
    OptU64 hard_limit, soft_limit, min_guarantee, swap_hard_limit;
} MemTune;
typedef struct BlkioTune {
    uint32_t weight;
    GPtrArray *devices; /* BlkioDevice */
} BlkioTune;
typedef struct BlkioDevice {
    char *path;
    OptU32 weight, read_iops, write_iops;
    OptU64 read_bytes, write_bytes; /* per second */
} BlkioDevice;

/* ---- firmware and boot ---- */

#define BOOT_DEVS_MAX 8
typedef struct BootDevs {
    uint8_t count;
    BootDev dev[BOOT_DEVS_MAX - 1];
} BootDevs;

typedef struct OsLoader {
    char *path;
    Tristate readonly, secure, stateless;
    LoaderType type;
} OsLoader;
typedef struct OsNvram {
    char *path; /* also that in <source file=> or <source dev=> */
    char *template_path;
    StorageType source_type; /* absent: <nvram>path</nvram>; else <nvram type=><source/></nvram> */
    Kept *kept;
} OsNvram;
typedef struct FirmwareFeature {
    char *name;
    Tristate enabled;
} FirmwareFeature;

typedef struct OsDef {
    OsType type;
    Arch arch;
    OsFirmware firmware;
    char *machine;                /* expanded by the defaults: "pc-q35-7.2", not "q35" */
    GPtrArray *firmware_features; /* FirmwareFeature */
    OsLoader *loader;
    OsNvram *nvram;
    char *kernel, *initrd, *cmdline, *dtb;
    AcpiTableType acpi_table_type;
    char *acpi_table; /* path; NULL: none */
    BootDevs boot;
    Tristate bootmenu;
    OptU32 bootmenu_timeout_ms;
    SmbiosMode smbios;
    Tristate bios_useserial;
    OptS64 bios_reboot_timeout_ms; /* -1 = never */
    Kept *kept;                    /* init*, bootloader parts */
} OsDef;

typedef struct NamedValue { /* <entry name=..>value</entry>, environment variables */
    char *name;
    char *value;
    char *file; /* fwcfg entries may name a file instead of a value */
} NamedValue;
typedef struct SysinfoDef {
    SysinfoType type;
    GPtrArray *bios, *system; /* NamedValue */
    GPtrArray *baseboards;    /* SysinfoBaseboard */
    GPtrArray *chassis;       /* NamedValue */
    GPtrArray *oem_strings;   /* char * wrapped in NamedValue.value */
    GPtrArray *fwcfg;         /* NamedValue */
} SysinfoDef;
typedef struct SysinfoBaseboard {
    GPtrArray *entries; /* NamedValue */
} SysinfoBaseboard;

/* ---- features, CPU, clock ---- */

typedef struct HypervFeatures {
    HypervMode mode;
    Tristate relaxed, vapic, spinlocks, vpindex, runtime, synic, stimer, stimer_direct, reset, vendor_id;
    Tristate frequencies, reenlightenment, tlbflush, ipi, evmcs, avic;
    uint32_t spinlock_retries; /* 0 = absent */
    char *vendor_id_value;
} HypervFeatures;
typedef struct KvmFeatures {
    Tristate hidden, hint_dedicated, poll_control, pv_ipi, dirty_ring;
    uint32_t dirty_ring_size;
} KvmFeatures;
typedef struct FeaturesDef {
    bool acpi, apic, pae, viridian, privnet; /* <acpi/>: there or not */
    Tristate apic_eoi;
    bool has_hap;
    Tristate hap;
    HypervFeatures *hyperv; /* NULL: no <hyperv> */
    KvmFeatures *kvm;
    bool has_pvspinlock;
    Tristate pvspinlock;
    bool has_pmu, has_vmport, has_smm, has_vmcoreinfo, has_htm, has_nested_hv, has_ccf_assist;
    Tristate pmu, vmport, smm, vmcoreinfo, htm, nested_hv, ccf_assist;
    uint64_t smm_tseg_bytes; /* 0 = absent */
    bool has_async_teardown;
    Tristate async_teardown;
    bool has_gic;
    GicVersion gic_version;
    IoapicDriver ioapic;
    HptResizing hpt_resizing;
    uint64_t hpt_max_page_bytes;
    uint64_t tcg_tb_cache_bytes;
    Kept *kept;
} FeaturesDef;

typedef struct CpuFeature {
    CpuFeaturePolicy policy;
    char *name;
} CpuFeature;
typedef struct NumaCell {
    OptU32 id;
    CpuSet *cpus;
    uint64_t memory_bytes;
    MemoryAccess access;
    Tristate discard;
    GPtrArray *distances; /* NumaDistance */
    GPtrArray *caches;    /* MemoryCache */
} NumaCell;
typedef struct MemoryCache {
    OptU32 level;
    MemoryCacheWays ways;
    MemoryCachePolicy policy;
    uint64_t size_bytes, line_bytes;
} MemoryCache;
typedef struct MemoryLink { /* between two cells */
    uint32_t initiator, target;
    OptU32 cache; /* level of the target's cache; absent: its memory */
    MemoryLinkType type;
    uint64_t latency, bandwidth_bytes; /* nanoseconds; per second. One of them */
} MemoryLink;
#define NUMA_DISTANCE_LOCAL 10
#define NUMA_DISTANCE_REMOTE 20
typedef struct NumaDistance {
    uint32_t id, value;
} NumaDistance;
typedef struct CpuDef {
    CpuMode mode;
    CpuMatch match;
    CpuCheck check;
    Tristate migratable;
    char *model;
    CpuFallback fallback;
    char *vendor_id; /* 12 characters */
    char *vendor;
    uint32_t sockets, dies, cores, threads; /* 0 = no <topology> */
    CpuCacheMode cache_mode;
    OptU32 cache_level;
    CpuMaxPhysAddrMode maxphysaddr_mode;
    uint32_t maxphysaddr_bits, maxphysaddr_limit;
    GPtrArray *features;               /* CpuFeature */
    GPtrArray *numa;                   /* NumaCell */
    GPtrArray *latencies, *bandwidths; /* MemoryLink */
    Kept *kept;
} CpuDef;

typedef struct TimerDef {
    TimerName name;
    TimerTrack track;
    TimerTickPolicy tickpolicy;
    TimerMode mode;
    Tristate present;
    uint64_t frequency_hz;
    bool has_catchup;
    uint32_t catchup_threshold, catchup_slew, catchup_limit;
} TimerDef;
typedef struct ClockDef {
    ClockOffset offset; /* the defaults make it utc */
    ClockBasis basis;
    bool adjustment_reset; /* adjustment='reset' */
    OptS64 adjustment_s;
    OptU64 adjustment0_s; /* Live: */
    char *timezone;
    OptU64 start_s;    /* absolute */
    GPtrArray *timers; /* TimerDef */
} ClockDef;

/* ---- disks ---- */

typedef struct StorageHost {
    StorageTransport transport;
    uint32_t port; /* 0 = the protocol's */
    char *name;
    char *socket;
} StorageHost;
typedef struct StorageAuth {
    char *username;
    StorageSecretType secret_type;
    Uuid secret_uuid; /* this one or ... */
    char *secret_usage;
} StorageAuth;
typedef struct StorageSlice {
    char *type; /* "storage" */
    uint64_t offset_bytes, size_bytes;
} StorageSlice;
typedef struct StorageReservations {
    Tristate managed;
    char *type, *path, *mode; /* not managed: where the helper listens */
} StorageReservations;
typedef struct VolumeEncryption VolumeEncryption; /* conf/volume.h */
typedef struct StorageSource {
    StorageType type; /* always has a value once parsed */
    StorageFormat format;
    StartupPolicy startup_policy;
    StorageProtocol protocol; /* network */
    uint32_t index;           /* Live: number of the node, 0 = absent */
    char *path;               /* file, block, dir: the path; network: the name; volume: the volume */
    char *fd_group;           /* file: descriptors that a client opened, not the path; NULL */
    char *pool;               /* volume */
    char *volume_mode;        /* volume: host or direct */
    /* Live: the volume that was asked for, where that was found to be this; NULL: none was. */
    char *asked_pool, *asked_volume, *asked_mode;
    bool has_auth_of_pool; /* Live: .auth is the pool's */
    char *query;           /* network: http */
    Tristate tls;
    GPtrArray *hosts;        /* StorageHost */
    char *snapshot, *config; /* network: rbd */
    char *tls_hostname;
    char *initiator;          /* network: iscsi */
    Tristate ssl_verify;      /* network: https, ftps; the next as well as http and ftp */
    GPtrArray *cookies;       /* NamedValue */
    uint64_t readahead_bytes; /* 0: QEMU's own */
    uint32_t timeout_s;
    char *nfs_user, *nfs_group;
    uint32_t reconnect_delay_s; /* network: nbd */
    bool is_optical;            /* block: a drive that reads discs; found out before a start */
    char *source_kind;          /* nvme: "pci", vhost-user: "unix" */
    Tristate nvme_managed;
    uint32_t nvme_namespace;
    DeviceAddress nvme_address;
    char *nvme_node; /* of the running machine: its node on the host */
    Tristate vhost_reconnect;
    OptU32 vhost_reconnect_s;
    GPtrArray *slices; /* StorageSlice; at most one */
    StorageAuth *auth;
    StorageReservations *reservations;
    VolumeEncryption *encryption;
    uint64_t metadata_cache_bytes;    /* 0: QEMU's own */
    struct StorageSource *data_store; /* qcow2: the file that has the data; NULL: this one */
    GPtrArray *seclabels;             /* SecurityLabel */
    struct StorageSource *backing;
    bool backing_ends; /* <backingStore/>: the chain is known to end here */
    Kept *kept;        /* known hosts, ... */
} StorageSource;

typedef struct DiskIotune { /* bytes or operations per second; seconds for *_max_length; NULL if none given */
    OptU64 total_bytes_sec, read_bytes_sec, write_bytes_sec;
    OptU64 total_iops_sec, read_iops_sec, write_iops_sec;
    OptU64 total_bytes_sec_max, read_bytes_sec_max, write_bytes_sec_max;
    OptU64 total_iops_sec_max, read_iops_sec_max, write_iops_sec_max;
    OptU64 size_iops_sec;
    char *group_name;
    OptU64 total_bytes_sec_max_length, read_bytes_sec_max_length, write_bytes_sec_max_length;
    OptU64 total_iops_sec_max_length, read_iops_sec_max_length, write_iops_sec_max_length;
} DiskIotune;

/* Where a block job writes what the disk has, until the guest goes on with that. */
typedef struct DiskMirror {
    StorageSource src;
    MirrorJob job;
    MirrorReady ready; /* yes: both have the same; abort, pivot: the job is being ended so */
} DiskMirror;

typedef struct ThrottleFilter { /* of a disk: the group whose limits it shares */
    char *group;
} ThrottleFilter;

typedef struct LatencyBin {
    uint64_t start_ns;
} LatencyBin;

typedef struct LatencyHistogram { /* of what takes how long, counted by QEMU */
    LatencyType type;             /* ABSENT: of all */
    GPtrArray *bins;              /* LatencyBin, upwards */
} LatencyHistogram;

typedef struct DiskDef {
    DiskDevice device;
    VirtioModel model;
    Tristate rawio;
    DiskSgio sgio;
    DiskSnapshot snapshot;
    /* <driver> */
    char *driver_name; /* "qemu" */
    DiskCache cache;
    DiskErrorPolicy error_policy, rerror_policy;
    DiskIo io;
    Tristate ioeventfd, event_idx, copy_on_read;
    DiskDiscard discard;
    DiskDetectZeroes detect_zeroes;
    OptU32 iothread, queues, queue_size;
    GPtrArray *latency_histograms; /* LatencyHistogram; NULL: none */
    VirtioOptions virtio;
    StorageSource src; /* src.path NULL: empty drive */
    /* <target> */
    char *target; /* "vda" */
    DiskBus bus;
    DiskTray tray;
    Tristate removable;
    uint32_t rotation_rate;
    DiskIotune *iotune;
    GPtrArray *throttle_filters;                      /* ThrottleFilter, from the image upwards */
    uint32_t logical_block_size, physical_block_size; /* bytes */
    OptU32 discard_granularity;                       /* bytes; 0: the guest is told of none */
    uint32_t cylinders, heads, sectors;
    DiskGeometryTrans trans;
    bool readonly, shareable, transient;
    Tristate transient_share_backing;
    char *serial, *wwn, *vendor, *product;
    StorageAuth *auth;            /* where it does not stand in the source */
    VolumeEncryption *encryption; /* likewise */
    DeviceInfo info;
    DiskMirror *mirror; /* Live; NULL: no job writes one */
    Kept *kept;
} DiskDef;

/* ---- controllers and buses ---- */

typedef struct ControllerDef {
    ControllerType type;
    ControllerModel model;
    OptU32 index; /* the defaults always set it */
    OptU32 ports, vectors, maxGrantFrames;
    /* pci */
    PciModelName pci_model;
    OptU32 chassis, chassis_nr, port, bus_nr, target_index, numa_node;
    Tristate hotplug;
    bool has_pcihole64;
    uint64_t pcihole64_bytes;
    /* <driver> */
    OptU32 queues, cmd_per_lun, max_sectors, iothread;
    Tristate ioeventfd;
    VirtioOptions virtio;
    DeviceInfo info;
    Kept *kept;
} ControllerDef;

typedef struct FilesystemDef {
    FilesystemType type;
    FilesystemAccess access;
    VirtioModel model;
    FilesystemMultidevs multidevs;
    FilesystemWritePolicy write_policy;
    OptU32 fmode, dmode;
    char *driver_type; /* path, handle, virtiofs, loop, nbd */
    OptU32 queue_size;
    VirtioOptions virtio;
    char *binary; /* virtiofs, as what follows */
    FilesystemCache cache;
    FilesystemSandbox sandbox;
    Tristate xattr, posix_lock, flock;
    OptU32 thread_pool;
    char *socket;
    char *source; /* dir, file, dev or name by type */
    char *target;
    bool readonly;
    uint64_t space_hard_limit_bytes, space_soft_limit_bytes;
    DeviceInfo info;
    Kept *kept;
} FilesystemDef;

/* ---- network interfaces ---- */

typedef struct BandwidthLimit { /* kilobytes (1000) per second; burst in kilobytes (1024) */
    OptU64 average_kBps, peak_kBps, burst_KiB, floor_kBps;
} BandwidthLimit;
typedef struct VirtioNetOffloads {
    Tristate csum, gso, tso4, tso6, ecn, ufo, mrg_rxbuf;
} VirtioNetOffloads;
typedef struct InterfaceTuning { /* the less common attributes of <driver>; NULL if none given */
    VirtioTxMode txmode;
    Tristate ioeventfd, event_idx, rss, rss_hash_report;
    OptU32 queues, rx_queue_size, tx_queue_size;
    VirtioOptions virtio;
    VirtioNetOffloads host, guest;
} InterfaceTuning;
typedef struct FilterParameter {
    char *name, *value;
} FilterParameter;
typedef struct InterfaceIp {
    char *address, *family; /* family: "ipv4" or "ipv6", filled in when read */
    uint32_t prefix;        /* 0: not said */
    char *peer;
} InterfaceIp;
typedef struct PortRange {
    uint32_t start, end, to; /* 0: not said */
    Tristate exclude;
} PortRange;
typedef struct InterfaceForward { /* without ranges: every port */
    PortForwardProto proto;
    char *address, *dev;
    GPtrArray *ranges; /* PortRange */
} InterfaceForward;

typedef struct CharSource CharSource;

typedef struct VlanDef VlanDef; /* conf/network.h, as the next */
typedef struct VirtualPort VirtualPort;
typedef struct InterfaceDef {
    InterfaceType type;
    char *hostdev_node;       /* hostdev: of the running machine, its node on the host */
    Tristate hostdev_managed; /* hostdev, as the next */
    DeviceAddress hostdev_address;
    bool has_mac;
    Mac mac, current_mac; /* Live: current_mac: what the guest has set instead */
    MacType mac_type;
    Tristate mac_check;
    Tristate trust_guest_rx_filters;
    DirectMode direct_mode;
    InterfaceDriver driver; /* <driver name=> */
    LinkState link;
    Tristate target_managed;
    char *source;         /* bridge, network, direct (dev), vdpa (dev), ethernet (dev) */
    char *portgroup;      /* network */
    char *source_address; /* server, client, mcast, udp */
    OptU32 source_port;
    char *local_address; /* udp */
    OptU32 local_port;
    GPtrArray *host_ips, *host_routes; /* ethernet, of the host's end: InterfaceIp, NetworkRoute */
    GPtrArray *ips, *routes;           /* of the guest, user: likewise */
    GPtrArray *port_forwards;          /* user: InterfaceForward */
    CharSource *vhost_user;            /* vhostuser: the <source type= path= mode=> */
    /* Live, of type network: what it is plugged into (INTERFACE_NULL: the network's own bridge), the bridge
     * or the device, and the port's UUID. */
    InterfaceType actual_type;
    char *actual_network; /* while reading: the network of one that is shown as another type */
    char *actual_bridge, *actual_dev;
    DirectMode actual_mode;
    char *port_id;
    char *target; /* "vnet0"; Live: when generated (vnet*, macvtap*) */
    char *guest_dev, *guest_actual;
    char *model; /* "virtio", "e1000", ... */
    InterfaceTuning *tuning;
    InterfaceBackend backend;
    char *backend_tap, *backend_vhost, *backend_log, *backend_hostname, *backend_fqdn;
    TeamingType teaming;
    char *teaming_persistent; /* transient: alias of the other one */
    char *script;
    char *downscript;
    char *filter;             /* <filterref filter=> */
    GPtrArray *filter_params; /* FilterParameter */
    BandwidthLimit *inbound, *outbound;
    uint32_t mtu;
    OptU32 coalesce_rx_frames_max;
    Tristate isolated;
    OptU32 sndbuf; /* tune */
    VlanDef *vlan; /* NULL: none. Live: also what port group and network say */
    VirtualPort *virtual_port;
    DeviceInfo info;
    Kept *kept; /* host devices' address */
} InterfaceDef;

/* ---- character devices ---- */

struct CharSource { /* where the bytes go; also inside rng, smartcard, redirdev, vhost-user */
    CharType type;
    CharMode mode;         /* tcp, unix: server (bind) or client (connect) */
    CharProtocol protocol; /* tcp */
    Tristate tls;
    Tristate append;
    Tristate log_append;
    Tristate reconnect;
    Tristate clipboard;   /* qemu-vdagent */
    SpiceMouseMode mouse; /* qemu-vdagent */
    OptU32 reconnect_timeout_s;
    char *path;    /* file, dev, pipe, unix; pty (Live:); spiceport, dbus: channel; nmdm: master */
    char *slave;   /* nmdm */
    char *host;    /* tcp; udp: the side that we connect to */
    char *service; /* its port */
    char *bind_host, *bind_service; /* udp: the side that we bind */
    char *log_file;
    GPtrArray *seclabels; /* SecurityLabel */
    Kept *kept;
};

typedef struct CharDef {
    CharClass class; /* by the element's name */
    CharTargetType target_type;
    CharTargetModel target_model;
    ChannelState state; /* Live: virtio channels */
    OptU32 target_port; /* serial, parallel, console; the defaults always set it */
    char *target_name;  /* channel: "org.qemu.guest_agent.0" */
    char *guestfwd_address;
    uint32_t guestfwd_port;
    CharSource source;
    char *tty; /* Live: console of type pty: same as source.path */
    DeviceInfo info;
    Kept *kept;
} CharDef;

/* ---- input, displays, sound ---- */

typedef struct InputDef {
    InputType type;
    InputBus bus;
    VirtioModel model;
    char *source;    /* passthrough, evdev: the event device */
    char *grab;      /* evdev */
    Tristate repeat; /* evdev */
    char *grab_toggle;
    VirtioOptions virtio;
    DeviceInfo info;
} InputDef;

typedef struct ListenDef {
    ListenType type;
    char *address; /* address; network: Live: the address in use */
    char *network;
    char *socket;
    bool auto_generated; /* the defaults made it from nothing; not shown with MIGRATABLE */
    bool from_config;    /* Live: the address came from the daemon's configuration */
} ListenDef;
typedef struct SpiceChannel {
    SpiceChannelName name;
    SpiceMode mode;
} SpiceChannel;
typedef struct GraphicsDef {
    GraphicsType type;
    Tristate autoport; /* the defaults always set it for vnc and spice */
    int32_t port;      /* 0 = absent, -1 = to be chosen; Live: the port in use */
    int32_t tls_port;  /* spice; the same */
    int32_t websocket; /* vnc; the same */
    Tristate websocket_generated;
    VncSharePolicy share_policy;
    Tristate power_control;
    char *keymap;
    char *passwd;          /* secret */
    char *passwd_valid_to; /* secret; "2026-01-01T00:00:00", UTC */
    GraphicsPasswordAction passwd_connected;
    SpiceMode default_mode;
    GPtrArray *channels; /* SpiceChannel */
    SpiceImageCompression image_compression;
    SpiceWanCompression jpeg, zlib;
    Tristate playback_compression;
    SpiceStreaming streaming;
    SpiceMouseMode mouse;
    Tristate clipboard_copypaste, filetransfer;
    Tristate gl;
    char *gl_rendernode;
    OptU32 audio_id;
    char *display, *xauth;             /* sdl */
    Tristate fullscreen;               /* sdl, desktop */
    Tristate replace_user, multi_user; /* rdp */
    Tristate p2p;                      /* dbus */
    char *dbus_address;
    GPtrArray *listens; /* ListenDef */
    Kept *kept;
} GraphicsDef;

typedef struct VideoDef {
    VideoModel model;
    VideoDriver driver;
    VgaConf vgaconf;
    Tristate primary;
    Tristate blob;
    Tristate accel3d, accel2d;
    char *rendernode;
    uint32_t vram_KiB, ram_KiB, vram64_KiB, vgamem_KiB; /* the XML's own unit; 0 = absent */
    uint32_t heads;
    uint32_t width, height; /* <resolution> */
    VirtioOptions virtio;
    DeviceInfo info;
} VideoDef;

typedef struct SoundCodec {
    CodecType type;
} SoundCodec;
typedef struct SoundDef {
    SoundModel model;
    GPtrArray *codecs; /* SoundCodec */
    OptU32 audio_id;
    DeviceInfo info;
} SoundDef;
typedef struct AudioStream { /* what is recorded or played */
    Tristate mixing_engine, fixed_settings;
    OptU32 frequency_hz, channels, voices, buffer_length_us, buffer_count, latency_us;
    AudioFormat format;
    char *dev;                             /* alsa, coreaudio, oss */
    Tristate try_poll;                     /* alsa, oss */
    char *name, *stream_name;              /* pulseaudio */
    char *server, *client, *connect_ports; /* jack */
    Tristate exact_name;                   /* jack */
} AudioStream;
typedef struct AudioDef {
    uint32_t id; /* always */
    AudioType type;
    OptU32 timer_period_us;
    char *server_name;            /* pulseaudio */
    char *path;                   /* file */
    Tristate try_mmap, exclusive; /* oss, as the next */
    OptU32 dsp_policy;
    AudioStream *input, *output;
} AudioDef;

/* ---- other devices ---- */

typedef struct MemballoonDef {
    MemballoonModel model;
    Tristate autodeflate, free_page_reporting;
    OptU32 stats_period_s;
    VirtioOptions virtio;
    DeviceInfo info;
} MemballoonDef;

typedef struct RngDef {
    VirtioModel model;
    RngBackend backend;
    char *device;       /* random */
    CharSource *source; /* egd */
    OptU32 rate_bytes, rate_period_ms;
    VirtioOptions virtio;
    DeviceInfo info;
} RngDef;

typedef struct WatchdogDef {
    WatchdogModel model;
    WatchdogAction action;
    DeviceInfo info;
} WatchdogDef;

typedef struct PanicDef {
    PanicModel model;
    DeviceInfo info;
} PanicDef;

typedef struct TpmDef {
    TpmModel model;
    TpmBackend backend;
    TpmVersion version;
    Tristate persistent_state;
    char *device_path;       /* passthrough */
    char *encryption_secret; /* emulator: UUID text */
    OptU32 debug;            /* log level of swtpm */
    bool pcr_sha1, pcr_sha256, pcr_sha384, pcr_sha512;
    char *external_type, *external_mode, *external_path;
    DeviceInfo info;
} TpmDef;

typedef struct HostdevDef {
    HostdevMode mode;
    HostdevType type;
    Tristate managed;
    HostdevDriver driver; /* pci */
    StartupPolicy startup_policy;
    UsbGuestReset guest_reset; /* usb */
    Tristate write_filtering;
    Tristate rawio;
    DiskSgio sgio;
    MdevModel mdev_model;
    Tristate mdev_display, mdev_ramfb;
    char *host_node; /* of the running machine: its device on the host (/dev/sg3), if that needs one */
    bool is_missing; /* of the running machine: not there, and its startup policy allows that */
    bool has_source;
    OptU32 usb_vendor, usb_product, usb_bus, usb_device;
    DeviceAddress source_address; /* pci; usb with bus and device above */
    char *mdev_uuid;
    char *usb_port;
    TeamingType teaming; /* pci */
    char *teaming_persistent;
    HostdevProtocol protocol; /* scsi: iscsi, scsi_host: vhost */
    char *iscsi_name, *iscsi_initiator;
    GPtrArray *iscsi_hosts; /* StorageHost */
    StorageAuth *iscsi_auth;
    char *vhost_wwpn;
    VirtioModel vhost_model;
    char *adapter; /* scsi: "scsi_host3" */
    OptU32 scsi_bus, scsi_target;
    OptU64 scsi_unit;
    bool readonly, shareable;
    DeviceInfo info;
    Kept *kept; /* capabilities sources */
} HostdevDef;

typedef struct RedirdevDef {
    RedirBus bus;
    CharSource source;
    DeviceInfo info;
} RedirdevDef;

typedef struct SmartcardDef {
    SmartcardMode mode;
    CharSource source; /* passthrough */
    char *certificate[3];
    char *database;
    DeviceInfo info;
} SmartcardDef;

typedef struct HubDef {
    HubType type;
    DeviceInfo info;
} HubDef;

typedef struct MemoryDeviceDef {
    MemoryModel model;
    MemoryAccess access;
    Tristate discard;
    char *uuid;        /* nvdimm */
    char *source_path; /* nvdimm, virtio-pmem */
    uint64_t source_page_bytes;
    CpuSet *source_nodes;
    uint64_t source_align_bytes;
    bool source_pmem;
    uint64_t size_bytes;
    OptU32 node;
    uint64_t block_bytes, requested_bytes; /* virtio-mem */
    OptU64 current_bytes;                  /* virtio-mem; Live: */
    uint64_t label_bytes;                  /* nvdimm */
    bool readonly;
    DeviceInfo info;
} MemoryDeviceDef;

typedef struct IommuDef {
    IommuModel model;
    Tristate intremap, caching_mode, eim, iotlb;
    uint32_t aw_bits;
    DeviceInfo info;
} IommuDef;

typedef struct VsockDef {
    VirtioModel model;
    Tristate cid_auto;
    OptU32 cid; /* Live: when chosen automatically */
    VirtioOptions virtio;
    DeviceInfo info;
} VsockDef;

typedef struct ShmemDef {
    char *name;
    ShmemRole role;
    ShmemModel model;
    uint64_t size_bytes;
    bool has_server;
    char *server_path;
    bool has_msi;
    OptU32 msi_vectors;
    Tristate msi_ioeventfd;
    DeviceInfo info;
} ShmemDef;

typedef struct CryptoDef {
    CryptoModel model;
    CryptoType type;
    CryptoBackend backend;
    OptU32 queues;
    DeviceInfo info;
} CryptoDef;

typedef struct PstoreDef {
    PstoreBackend backend;
    char *path;
    uint64_t size_bytes;
    DeviceInfo info;
} PstoreDef;

typedef struct UsbFilter { /* not set: any */
    OptU32 usb_class, vendor, product, version;
    Tristate allow;
} UsbFilter;
typedef struct RedirFilter {
    GPtrArray *rules; /* UsbFilter */
} RedirFilter;

typedef struct LeaseDef {
    char *lockspace, *key, *target_path;
    OptU64 target_offset;
} LeaseDef;

typedef struct NvramDeviceDef { /* <nvram> below <devices>: spapr */
    DeviceInfo info;
} NvramDeviceDef;

/* ---- the qemu: name space ---- */

typedef struct QemuArg {
    char *value;
} QemuArg;
typedef struct QemuCapability { /* qemu:capabilities add/del */
    char *name;
} QemuCapability;
typedef struct QemuOverride { /* qemu:override/device/frontend/property */
    char *alias;
    GPtrArray *properties; /* QemuProperty */
} QemuOverride;
typedef struct QemuProperty {
    char *name, *type, *value;
} QemuProperty;
typedef struct QemuExtras {
    GPtrArray *args;      /* QemuArg */
    GPtrArray *env;       /* NamedValue */
    GPtrArray *caps_add;  /* QemuCapability */
    GPtrArray *caps_del;  /* QemuCapability */
    GPtrArray *overrides; /* QemuOverride */
    char *deprecation;    /* qemu:deprecation behavior= */
} QemuExtras;

/* ---- the domain ---- */

typedef struct DomainDef {
    VirtType type;
    int32_t id; /* Live: 0 = inactive (running machines count from 1) */
    char *name;
    Uuid uuid;
    bool has_genid;
    Uuid genid; /* null with has_genid: to be generated at start */
    char *title;
    char *description;
    char *metadata;            /* children of <metadata>, verbatim */
    uint64_t max_memory_bytes; /* <maxMemory>: room for hotplug; 0 = absent */
    uint32_t memory_slots;
    Tristate dump_core;    /* <memory dumpCore=> */
    uint64_t memory_bytes; /* <memory> */
    uint64_t
        current_memory_bytes; /* <currentMemory>; the defaults always set it. Live: the balloon's value */
    BlkioTune *blkiotune;
    MemTune *memtune;
    MemoryBacking *memory_backing;
    uint32_t vcpus; /* <vcpu>: the maximum; the defaults always set it */
    OptU32 vcpus_current;
    CpuPlacement vcpu_placement;
    CpuSet *cpuset;
    GPtrArray *vcpu_list; /* VcpuDef */
    OptU32 iothreads;
    GPtrArray *iothread_list;   /* IothreadDef */
    GPtrArray *throttle_groups; /* DiskIotune, by group_name */
    MainLoopDef *main_loop;
    CpuTune *cputune;
    NumaTune *numatune;
    char *resource_partition;
    char *resource_appid;
    GPtrArray *sysinfos; /* SysinfoDef */
    OsDef os;
    FeaturesDef *features; /* NULL: none */
    CpuDef *cpu;           /* NULL: none; the defaults set it where the reference does */
    ClockDef clock;
    LifecycleAction on_poweroff, on_reboot, on_crash; /* the defaults always set them */
    LockFailureAction on_lockfailure;
    Tristate suspend_to_mem, suspend_to_disk;
    GPtrArray *perf_events; /* PerfEventDef, in the order of the enumeration */
    char *emulator;
    GPtrArray *disks;       /* DiskDef */
    GPtrArray *controllers; /* ControllerDef */
    GPtrArray *leases;      /* LeaseDef */
    GPtrArray *filesystems; /* FilesystemDef */
    GPtrArray *interfaces;  /* InterfaceDef */
    GPtrArray *smartcards;  /* SmartcardDef */
    GPtrArray *serials;     /* CharDef */
    GPtrArray *parallels;   /* CharDef */
    GPtrArray *consoles;    /* CharDef */
    GPtrArray *channels;    /* CharDef */
    GPtrArray *inputs;      /* InputDef */
    GPtrArray *tpms;        /* TpmDef */
    GPtrArray *graphics;    /* GraphicsDef */
    GPtrArray *sounds;      /* SoundDef */
    GPtrArray *audios;      /* AudioDef */
    GPtrArray *videos;      /* VideoDef */
    GPtrArray *hostdevs;    /* HostdevDef */
    GPtrArray *redirdevs;   /* RedirdevDef */
    GPtrArray *hubs;        /* HubDef */
    GPtrArray *watchdogs;   /* WatchdogDef */
    MemballoonDef *memballoon;
    GPtrArray *rngs; /* RngDef */
    NvramDeviceDef *nvram_device;
    GPtrArray *panics;         /* PanicDef */
    GPtrArray *shmems;         /* ShmemDef */
    GPtrArray *memory_devices; /* MemoryDeviceDef */
    IommuDef *iommu;
    VsockDef *vsock;
    GPtrArray *cryptos; /* CryptoDef */
    PstoreDef *pstore;
    RedirFilter *redirfilter;
    GPtrArray *seclabels; /* SecurityLabel */
    QemuExtras *qemu;     /* NULL: no qemu: elements */
    Kept *kept;           /* idmap, keywrap, launchSecurity, bootloader, redirfilter, ... */
} DomainDef;
