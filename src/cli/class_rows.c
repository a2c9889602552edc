/* The kinds of objects, and the calls that only one kind has. Everything that is shared is in class.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/class.h"
#include "cli/commands.h"

#define FLAGGED(kind, ...)                                                                                   \
    [kind] = (const CliOption[])                                                                             \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }

#define OPTIONS_ACTIVE(list, what)                                                                           \
    OPT_FLAG("inactive", VIR_CONNECT_LIST_##list##_INACTIVE, "only " what " that do not run"),               \
        OPT_FLAG("all", VIR_CONNECT_LIST_##list##_INACTIVE | VIR_CONNECT_LIST_##list##_ACTIVE, "all " what)
#define OPTIONS_STORED(list, what)                                                                           \
    OPT_FLAG("persistent", VIR_CONNECT_LIST_##list##_PERSISTENT, "only " what " with a stored definition"),  \
        OPT_FLAG("transient", VIR_CONNECT_LIST_##list##_TRANSIENT,                                           \
                 "only " what " without a stored definition"),                                               \
        OPT_FLAG("autostart", VIR_CONNECT_LIST_##list##_AUTOSTART,                                           \
                 "only " what " that start with the host"),                                                  \
        OPT_FLAG("no-autostart", VIR_CONNECT_LIST_##list##_NO_AUTOSTART,                                     \
                 "only " what " that do not start with the host")
#define LIST_ACTIVE(list)                                                                                    \
    .active = VIR_CONNECT_LIST_##list##_ACTIVE, .inactive = VIR_CONNECT_LIST_##list##_INACTIVE
#define OPTIONS_BRIEF OPT_BOOL("uuid", "print UUIDs only"), OPT_BOOL("name", "print names only")
#define OPTION_TABLE OPT_BOOL("table", "print a table (the default)")
#define OPTION_INACTIVE OPT_FLAG("inactive", 1, "the stored definition, also while it runs")

/* A question with the answer yes or no. */
#define ASK(text, keyword, places, procedure, of)                                                            \
    {                                                                                                        \
        .label = text, .key = keyword, .kind = FACT_ASK, .where = places, .proc = procedure, .member = of,   \
        .words = "no yes"                                                                                    \
    }
#define MEMBER(text, keyword, places, of)                                                                    \
    {                                                                                                        \
        .label = text, .key = keyword, .kind = FACT_MEMBER, .where = places, .member = of                    \
    }
#define STATE(procedure)                                                                                     \
    {                                                                                                        \
        .label = "State", .key = "state", .kind = FACT_ASK, .where = IN_LIST, .proc = procedure,             \
        .member = "active", .words = "inactive active"                                                       \
    }

/* ---- domains: their commands have rows of their own ---- */

const CliClass class_domain = {
    .option = "domain",
    .word = "domain",
    .noun = "domain",
    .naming = DOMAIN_DOC,
    .handle = WIRE_TYPE_DOMAIN,
    .name = "name",
    .lookups = { { PROC_DOMAIN_LOOKUP_BY_ID, "id" },
                 { PROC_DOMAIN_LOOKUP_BY_UUID, "uuid" },
                 { PROC_DOMAIN_LOOKUP_BY_NAME, "name" } },
    .procs = { 0 },
};

/* ---- networks and their ports ---- */

static const CliFact network_facts[] = {
    MEMBER("Name", "name", IN_LIST | IN_INFO, "name"),
    MEMBER("UUID", "uuid", IN_INFO, "uuid"),
    STATE(PROC_NETWORK_IS_ACTIVE),
    ASK("Active", "active", IN_INFO, PROC_NETWORK_IS_ACTIVE, "active"),
    ASK("Autostart", "autostart", IN_LIST, PROC_NETWORK_GET_AUTOSTART, "autostart"),
    ASK("Persistent", "persistent", IN_LIST | IN_INFO, PROC_NETWORK_IS_PERSISTENT, "persistent"),
    ASK("Autostart", "autostart", IN_INFO, PROC_NETWORK_GET_AUTOSTART, "autostart"),
    { .label = "Bridge",
      .key = "bridge",
      .kind = FACT_TEXT,
      .where = IN_INFO,
      .proc = PROC_NETWORK_GET_BRIDGE_NAME,
      .member = "name" },
    MEMBER("UUID", "uuid", IN_LIST_JSON, "uuid"),
    { 0 },
};
static const CliEvent network_events[] = {
    { "lifecycle", PROC_NETWORK_EVENT_LIFECYCLE, "{kind=event|Defined,Undefined,Started,Stopped}" },
    { "metadata-change", PROC_NETWORK_EVENT_CALLBACK_METADATA_CHANGE,
      "type {type=type|description,title,element}, uri {uri=nsuri|?none}" },
    { 0 },
};

const CliClass class_network = {
    .prefix = "net-",
    .option = "network",
    .word = "network",
    .noun = "network",
    .naming = "name or UUID of the network",
    .group = GROUP_NETWORK,
    .handle = WIRE_TYPE_NETWORK,
    .name = "name",
    .lookups = { { PROC_NETWORK_LOOKUP_BY_UUID, "uuid" }, { PROC_NETWORK_LOOKUP_BY_NAME, "name" } },
    LIST_ACTIVE(NETWORKS),
    .facts = network_facts,
    .events = network_events,
    .event_end = PROC_CONNECT_NETWORK_EVENT_DEREGISTER_ANY,
    .get_xml = PROC_NETWORK_GET_XML_DESC,
    .edit_flags = VIR_NETWORK_XML_INACTIVE,
    .store_flags = VIR_NETWORK_DEFINE_VALIDATE,
    .procs = { [VERB_AUTOSTART] = PROC_NETWORK_SET_AUTOSTART,
               [VERB_CREATE] = PROC_NETWORK_CREATE_XML_FLAGS,
               [VERB_DEFINE] = PROC_NETWORK_DEFINE_XML_FLAGS,
               [VERB_DESTROY] = PROC_NETWORK_DESTROY,
               [VERB_DUMPXML] = PROC_NETWORK_GET_XML_DESC,
               [VERB_EDIT] = PROC_NETWORK_DEFINE_XML_FLAGS,
               [VERB_EVENT] = PROC_CONNECT_NETWORK_EVENT_REGISTER_ANY,
               [VERB_INFO] = 1,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_NETWORKS,
               [VERB_NAME] = 1,
               [VERB_START] = PROC_NETWORK_CREATE,
               [VERB_UNDEFINE] = PROC_NETWORK_UNDEFINE,
               [VERB_UUID] = 1 },
    .extra = { FLAGGED(VERB_LIST, OPTIONS_ACTIVE(NETWORKS, "networks"), OPTIONS_STORED(NETWORKS, "networks"),
                       OPTIONS_BRIEF, OPTION_TABLE),
               FLAGGED(VERB_DUMPXML, OPTION_INACTIVE),
               FLAGGED(VERB_CREATE, OPT_VALIDATE(VIR_NETWORK_CREATE_VALIDATE)),
               FLAGGED(VERB_DEFINE, OPT_VALIDATE(VIR_NETWORK_DEFINE_VALIDATE)) },
    .exclusive = { [VERB_LIST] = "uuid name table" },
};

static const CliFact port_facts[] = { MEMBER("UUID", "uuid", IN_LIST, "uuid"), { 0 } };

const CliClass class_port = {
    .prefix = "net-port-",
    .option = "port",
    .word = "network port",
    .noun = "network port",
    .naming = "UUID of the port",
    .group = GROUP_NETWORK,
    .handle = WIRE_TYPE_NETWORK_PORT,
    .name = "uuid",
    .parent = &class_network,
    .lookups = { { PROC_NETWORK_PORT_LOOKUP_BY_UUID, "uuid" } },
    .facts = port_facts,
    .procs = { [VERB_CREATE] = PROC_NETWORK_PORT_CREATE_XML,
               [VERB_DELETE] = PROC_NETWORK_PORT_DELETE,
               [VERB_DUMPXML] = PROC_NETWORK_PORT_GET_XML_DESC,
               [VERB_LIST] = PROC_NETWORK_LIST_ALL_PORTS },
    .extra = { FLAGGED(VERB_LIST, OPT_BOOL("uuid", "print UUIDs only"), OPTION_TABLE),
               FLAGGED(VERB_CREATE, OPT_VALIDATE(VIR_NETWORK_PORT_CREATE_VALIDATE)) },
    .exclusive = { [VERB_LIST] = "uuid table" },
};

/* ---- storage pools ---- */

#define POOL_INFO(text, keyword, places, of, without)                                                        \
    {                                                                                                        \
        .label = text, .key = keyword, .kind = FACT_SIZE, .where = places,                                   \
        .proc = PROC_STORAGE_POOL_GET_INFO, .member = of, .given = without                                   \
    }
#define POOL_SIZE(text, keyword, of)                                                                         \
    POOL_INFO(text, keyword, IN_LIST, of, "details"), POOL_INFO(text, keyword, IN_INFO, of, NULL)
/* Of Lodge's program; in lists without a look, which may take its time. */
#define POOL_STATUS(text, keyword, fact, places, of, ...)                                                    \
    {                                                                                                        \
        .label = text, .key = keyword, .kind = fact, .where = places, .program = WIRE_PROGRAM_LODGE,         \
        .proc = LODGE_PROC_POOL_STATUS, .member = of, __VA_ARGS__                                            \
    }
#define POOL_STATE(places, option)                                                                           \
    {                                                                                                        \
        .label = "State", .key = "state", .kind = FACT_WORD, .where = places,                                \
        .proc = PROC_STORAGE_POOL_GET_INFO, .member = "state", .given = option,                              \
        .words = "inactive building running degraded inaccessible", .warning_proc = LODGE_PROC_POOL_STATUS,  \
        .warning_flags = 1                                                                                   \
    }

static const CliFact pool_facts[] = {
    MEMBER("Name", "name", IN_LIST | IN_INFO, "name"),
    MEMBER("UUID", "uuid", IN_INFO | IN_LIST_JSON, "uuid"),
    { .label = "State",
      .key = "state",
      .kind = FACT_ASK,
      .where = IN_LIST,
      .given = "!details",
      .proc = PROC_STORAGE_POOL_IS_ACTIVE,
      .member = "active",
      .words = "inactive active",
      .warning_proc = LODGE_PROC_POOL_STATUS,
      .warning_flags = 1 },
    POOL_STATE(IN_LIST, "details"),
    POOL_STATE(IN_INFO, NULL),
    POOL_STATUS("Reason", "reason", FACT_TEXT, IN_INFO, "reason"),
    ASK("Persistent", "persistent", IN_INFO, PROC_STORAGE_POOL_IS_PERSISTENT, "persistent"),
    ASK("Autostart", "autostart", IN_LIST | IN_INFO, PROC_STORAGE_POOL_GET_AUTOSTART, "autostart"),
    { .label = "Persistent",
      .key = "persistent",
      .kind = FACT_ASK,
      .where = IN_LIST,
      .given = "details",
      .proc = PROC_STORAGE_POOL_IS_PERSISTENT,
      .member = "persistent",
      .words = "no yes" },
    POOL_SIZE("Capacity", "capacity_bytes", "capacity"),
    POOL_SIZE("Allocation", "allocation_bytes", "allocation"),
    POOL_SIZE("Available", "available_bytes", "available"),
    POOL_STATUS("Promised", "promised_bytes", FACT_SHARE, IN_INFO, "promised", .words = "promised_percent"),
    POOL_STATUS("Warning", "warning", FACT_TEXT, IN_INFO, "warning"),
    POOL_STATUS("Warning", "warning", FACT_TEXT, IN_LIST_JSON, "warning", .flags = 1),
    { 0 },
};
static const CliEvent pool_events[] = {
    { "lifecycle", PROC_STORAGE_POOL_EVENT_LIFECYCLE,
      "{kind=event|Defined,Undefined,Started,Stopped,Created,Deleted}" },
    { "refresh", PROC_STORAGE_POOL_EVENT_REFRESH, "" },
    { 0 },
};

#define POOL_BUILD(build, overwrite, no_overwrite)                                                           \
    OPT_FLAG("build", build, "make what it needs first"),                                                    \
        OPT_FLAG("no-overwrite", no_overwrite, "with --build: keep data that is there"),                     \
        OPT_FLAG("overwrite", overwrite, "with --build: overwrite data that is there")
#define POOL_CREATE                                                                                          \
    POOL_BUILD(VIR_STORAGE_POOL_CREATE_WITH_BUILD, VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE,             \
               VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE)

const CliClass class_pool = {
    .prefix = "pool-",
    .option = "pool",
    .word = "pool",
    .noun = "pool",
    .naming = "name or UUID of the pool",
    .group = GROUP_POOL,
    .handle = WIRE_TYPE_STORAGE_POOL,
    .name = "name",
    .lookups = { { PROC_STORAGE_POOL_LOOKUP_BY_UUID, "uuid" }, { PROC_STORAGE_POOL_LOOKUP_BY_NAME, "name" } },
    LIST_ACTIVE(STORAGE_POOLS),
    .facts = pool_facts,
    .events = pool_events,
    .event_end = PROC_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY,
    .get_xml = PROC_STORAGE_POOL_GET_XML_DESC,
    .edit_flags = VIR_STORAGE_XML_INACTIVE,
    .store_flags = VIR_STORAGE_POOL_DEFINE_VALIDATE,
    .procs = { [VERB_AUTOSTART] = PROC_STORAGE_POOL_SET_AUTOSTART,
               [VERB_CREATE] = PROC_STORAGE_POOL_CREATE_XML,
               [VERB_DEFINE] = PROC_STORAGE_POOL_DEFINE_XML,
               [VERB_DELETE] = PROC_STORAGE_POOL_DELETE,
               [VERB_DESTROY] = PROC_STORAGE_POOL_DESTROY,
               [VERB_DUMPXML] = PROC_STORAGE_POOL_GET_XML_DESC,
               [VERB_EDIT] = PROC_STORAGE_POOL_DEFINE_XML,
               [VERB_EVENT] = PROC_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
               [VERB_INFO] = 1,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_STORAGE_POOLS,
               [VERB_NAME] = 1,
               [VERB_START] = PROC_STORAGE_POOL_CREATE,
               [VERB_UNDEFINE] = PROC_STORAGE_POOL_UNDEFINE,
               [VERB_UUID] = 1 },
    .extra = { FLAGGED(VERB_LIST, OPTIONS_ACTIVE(STORAGE_POOLS, "pools"),
                       OPTIONS_STORED(STORAGE_POOLS, "pools"),
                       OPT(CLI_STRING, "type", "only pools of these types, separated by commas",
                           .flags = CLI_LIST_OF, .flag = VIR_CONNECT_LIST_STORAGE_POOLS_DIR,
                           .words = "dir fs netfs logical disk iscsi scsi mpath rbd sheepdog gluster zfs "
                                    "vstorage iscsi-direct"),
                       OPT_BOOL("details", "add the sizes"), OPTIONS_BRIEF),
               FLAGGED(VERB_INFO, OPT_BOOL("bytes", "sizes in bytes")),
               FLAGGED(VERB_DUMPXML, OPTION_INACTIVE), FLAGGED(VERB_CREATE, POOL_CREATE),
               FLAGGED(VERB_START, POOL_CREATE),
               FLAGGED(VERB_DEFINE, OPT_VALIDATE(VIR_STORAGE_POOL_DEFINE_VALIDATE)) },
    .exclusive = { [VERB_LIST] = "details uuid name",
                   [VERB_CREATE] = "no-overwrite overwrite",
                   [VERB_START] = "no-overwrite overwrite" },
};

/* ---- volumes ---- */

#define VOLUME_INFO(text, keyword, fact, places, option, of, names)                                          \
    {                                                                                                        \
        .label = text, .key = keyword, .kind = fact, .where = places, .given = option, .member = of,         \
        .proc = PROC_STORAGE_VOL_GET_INFO, .words = names                                                    \
    }
#define VOLUME_TYPES "file block dir network net-dir ploop"

static const CliFact volume_facts[] = {
    MEMBER("Name", "name", IN_LIST | IN_INFO, "name"),
    { .label = "Path",
      .key = "path",
      .kind = FACT_TEXT,
      .where = IN_LIST,
      .proc = PROC_STORAGE_VOL_GET_PATH,
      .member = "name" },
    VOLUME_INFO("Type", "type", FACT_WORD, IN_LIST, "details", "type", VOLUME_TYPES),
    VOLUME_INFO("Type", "type", FACT_WORD, IN_INFO, NULL, "type", VOLUME_TYPES),
    VOLUME_INFO("Capacity", "capacity_bytes", FACT_SIZE, IN_LIST, "details", "capacity", NULL),
    VOLUME_INFO("Capacity", "capacity_bytes", FACT_SIZE, IN_INFO, NULL, "capacity", " bytes"),
    VOLUME_INFO("Allocation", "allocation_bytes", FACT_SIZE, IN_LIST, "details", "allocation", NULL),
    VOLUME_INFO("Allocation", "allocation_bytes", FACT_SIZE, IN_INFO, "!physical", "allocation", " bytes"),
    { .label = "Physical",
      .key = "physical_bytes",
      .kind = FACT_SIZE,
      .where = IN_INFO,
      .given = "physical",
      .proc = PROC_STORAGE_VOL_GET_INFO_FLAGS,
      .flags = VIR_STORAGE_VOL_GET_PHYSICAL,
      .member = "allocation",
      .words = " bytes" },
    { .label = "Used by",
      .key = "used_by",
      .kind = FACT_USERS,
      .where = IN_INFO,
      .program = WIRE_PROGRAM_LODGE,
      .proc = LODGE_PROC_VOLUME_USERS,
      .member = "users" },
    { 0 },
};

const CliClass class_volume = {
    .prefix = "vol-",
    .option = "vol",
    .word = "vol",
    .noun = "volume",
    .naming = "name, key or path of the volume, or POOL/VOLUME",
    .group = GROUP_VOLUME,
    .handle = WIRE_TYPE_STORAGE_VOL,
    .name = "name",
    .parent = &class_pool,
    .parent_is_optional = true,
    .lookups = { { PROC_STORAGE_VOL_LOOKUP_BY_NAME, "name" },
                 { PROC_STORAGE_VOL_LOOKUP_BY_KEY, "key" },
                 { PROC_STORAGE_VOL_LOOKUP_BY_PATH, "path" } },
    .facts = volume_facts,
    .procs = { [VERB_CREATE] = PROC_STORAGE_VOL_CREATE_XML,
               [VERB_DUMPXML] = PROC_STORAGE_VOL_GET_XML_DESC,
               [VERB_INFO] = 1,
               [VERB_LIST] = PROC_STORAGE_POOL_LIST_ALL_VOLUMES,
               [VERB_NAME] = 1 },
    .extra = { FLAGGED(VERB_LIST, OPT_BOOL("details", "add types and sizes")),
               FLAGGED(VERB_INFO, OPT_BOOL("bytes", "sizes in bytes"),
                       OPT_BOOL("physical", "the size on the disk instead of the allocation")),
               FLAGGED(VERB_CREATE,
                       OPT_FLAG("prealloc-metadata", VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA,
                                "make the tables of a qcow2 image now"),
                       OPT_VALIDATE(VIR_STORAGE_VOL_CREATE_VALIDATE)) },
};

/* ---- secrets ---- */

static const CliFact secret_facts[] = {
    MEMBER("UUID", "uuid", IN_LIST, "uuid"),
    { .label = "Usage", .key = "usage", .kind = FACT_USAGE, .where = IN_LIST },
    { 0 },
};
static const CliEvent secret_events[] = {
    { "lifecycle", PROC_SECRET_EVENT_LIFECYCLE, "{kind=event|Defined,Undefined}" },
    { "value-changed", PROC_SECRET_EVENT_VALUE_CHANGED, "" },
    { 0 },
};

const CliClass class_secret = {
    .prefix = "secret-",
    .option = "secret",
    .word = "secret",
    .noun = "secret",
    .naming = "UUID of the secret",
    .group = GROUP_SECRET,
    .handle = WIRE_TYPE_SECRET,
    .name = "uuid",
    .lookups = { { PROC_SECRET_LOOKUP_BY_UUID, "uuid" } },
    .facts = secret_facts,
    .events = secret_events,
    .event_end = PROC_CONNECT_SECRET_EVENT_DEREGISTER_ANY,
    .get_xml = PROC_SECRET_GET_XML_DESC,
    .procs = { [VERB_DEFINE] = PROC_SECRET_DEFINE_XML,
               [VERB_DUMPXML] = PROC_SECRET_GET_XML_DESC,
               [VERB_EVENT] = PROC_CONNECT_SECRET_EVENT_REGISTER_ANY,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_SECRETS,
               [VERB_UNDEFINE] = PROC_SECRET_UNDEFINE },
    .extra = { FLAGGED(VERB_LIST,
                       OPT_FLAG("ephemeral", VIR_CONNECT_LIST_SECRETS_EPHEMERAL, "only those never stored"),
                       OPT_FLAG("no-ephemeral", VIR_CONNECT_LIST_SECRETS_NO_EPHEMERAL, "only stored ones"),
                       OPT_FLAG("private", VIR_CONNECT_LIST_SECRETS_PRIVATE,
                                "only those whose value nobody is told"),
                       OPT_FLAG("no-private", VIR_CONNECT_LIST_SECRETS_NO_PRIVATE,
                                "only those whose value is told")),
               FLAGGED(VERB_DEFINE, OPT_VALIDATE(VIR_SECRET_DEFINE_VALIDATE)) },
    .doing = { [VERB_DEFINE] = "Failed to set attributes from {file}",
               [VERB_UNDEFINE] = "Failed to delete secret {name}" },
    .done = { [VERB_DEFINE] = "Secret {name} created", [VERB_UNDEFINE] = "Secret {name} deleted" },
};

/* ---- network filters and where they are used ---- */

static const CliFact filter_facts[] = {
    MEMBER("UUID", "uuid", IN_LIST, "uuid"),
    MEMBER("Name", "name", IN_LIST, "name"),
    { 0 },
};

const CliClass class_filter = {
    .prefix = "nwfilter-",
    .option = "nwfilter",
    .word = "network filter",
    .noun = "network filter",
    .naming = "name or UUID of the network filter",
    .group = GROUP_FILTER,
    .handle = WIRE_TYPE_NWFILTER,
    .name = "name",
    .lookups = { { PROC_NWFILTER_LOOKUP_BY_UUID, "uuid" }, { PROC_NWFILTER_LOOKUP_BY_NAME, "name" } },
    .facts = filter_facts,
    .get_xml = PROC_NWFILTER_GET_XML_DESC,
    .store_flags = VIR_NWFILTER_DEFINE_VALIDATE,
    .procs = { [VERB_DEFINE] = PROC_NWFILTER_DEFINE_XML_FLAGS,
               [VERB_DUMPXML] = PROC_NWFILTER_GET_XML_DESC,
               [VERB_EDIT] = PROC_NWFILTER_DEFINE_XML_FLAGS,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_NWFILTERS,
               [VERB_UNDEFINE] = PROC_NWFILTER_UNDEFINE },
    .extra = { FLAGGED(VERB_DEFINE, OPT_VALIDATE(VIR_NWFILTER_DEFINE_VALIDATE)) },
    .done = { [VERB_UNDEFINE] = "Network filter {name} undefined" },
};

static const CliFact binding_facts[] = {
    MEMBER("Port Dev", "port", IN_LIST, "name"),
    MEMBER("Filter", "filter", IN_LIST, "filtername"),
    { 0 },
};

const CliClass class_binding = {
    .prefix = "nwfilter-binding-",
    .option = "binding",
    .word = "network filter binding",
    .noun = "network filter binding",
    .naming = "name of the interface that is filtered",
    .group = GROUP_FILTER,
    .handle = WIRE_TYPE_NWFILTER_BINDING,
    .name = "name",
    .lookups = { { PROC_NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, "name" } },
    .facts = binding_facts,
    .procs = { [VERB_CREATE] = PROC_NWFILTER_BINDING_CREATE_XML,
               [VERB_DELETE] = PROC_NWFILTER_BINDING_DELETE,
               [VERB_DUMPXML] = PROC_NWFILTER_BINDING_GET_XML_DESC,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_NWFILTER_BINDINGS },
    .extra = { FLAGGED(VERB_CREATE, OPT_VALIDATE(VIR_NWFILTER_BINDING_CREATE_VALIDATE)) },
    .done = { [VERB_CREATE] = "Network filter binding on {name} created from {file}",
              [VERB_DELETE] = "Network filter binding on {name} deleted" },
};

/* ---- interfaces of the host ---- */

static const CliFact interface_facts[] = {
    MEMBER("Name", "name", IN_LIST, "name"),
    STATE(PROC_INTERFACE_IS_ACTIVE),
    MEMBER("MAC Address", "mac", IN_LIST, "mac"),
    { 0 },
};

const CliClass class_interface = {
    .prefix = "iface-",
    .option = "interface",
    .word = "interface",
    .noun = "host interface",
    .naming = "name or MAC address of the interface",
    .group = GROUP_INTERFACE,
    .handle = WIRE_TYPE_INTERFACE,
    .name = "name",
    .lookups = { { PROC_INTERFACE_LOOKUP_BY_NAME, "name" }, { PROC_INTERFACE_LOOKUP_BY_MAC_STRING, "mac" } },
    LIST_ACTIVE(INTERFACES),
    .facts = interface_facts,
    .get_xml = PROC_INTERFACE_GET_XML_DESC,
    .edit_flags = VIR_INTERFACE_XML_INACTIVE,
    .store_flags = VIR_INTERFACE_DEFINE_VALIDATE,
    .procs = { [VERB_DEFINE] = PROC_INTERFACE_DEFINE_XML,
               [VERB_DESTROY] = PROC_INTERFACE_DESTROY,
               [VERB_DUMPXML] = PROC_INTERFACE_GET_XML_DESC,
               [VERB_EDIT] = PROC_INTERFACE_DEFINE_XML,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_INTERFACES,
               [VERB_NAME] = 1,
               [VERB_START] = PROC_INTERFACE_CREATE,
               [VERB_UNDEFINE] = PROC_INTERFACE_UNDEFINE },
    .extra = { FLAGGED(VERB_LIST, OPTIONS_ACTIVE(INTERFACES, "interfaces")),
               FLAGGED(VERB_DUMPXML, OPTION_INACTIVE),
               FLAGGED(VERB_DEFINE, OPT_VALIDATE(VIR_INTERFACE_DEFINE_VALIDATE)) },
    .exclusive = { [VERB_LIST] = "inactive all" },
    .done = { [VERB_UNDEFINE] = "Interface {name} undefined" },
};

/* ---- devices of the host ---- */

static const CliFact device_facts[] = {
    MEMBER("Name", "name", IN_LIST | IN_INFO, "name"),
    { .label = "Parent",
      .key = "parent",
      .kind = FACT_TEXT,
      .where = IN_INFO,
      .shows_empty = true,
      .proc = PROC_NODE_DEVICE_GET_PARENT,
      .member = "parent_name" },
    ASK("Active", "active", IN_INFO, PROC_NODE_DEVICE_IS_ACTIVE, "active"),
    ASK("Persistent", "persistent", IN_INFO, PROC_NODE_DEVICE_IS_PERSISTENT, "persistent"),
    ASK("Autostart", "autostart", IN_INFO, PROC_NODE_DEVICE_GET_AUTOSTART, "autostart"),
    { 0 },
};
static const CliEvent device_events[] = {
    { "lifecycle", PROC_NODE_DEVICE_EVENT_LIFECYCLE, "{kind=event|Created,Deleted,Defined,Undefined}" },
    { "update", PROC_NODE_DEVICE_EVENT_UPDATE, "" },
    { 0 },
};

const CliClass class_nodedev = {
    .prefix = "nodedev-",
    .option = "device",
    .word = "node device",
    .noun = "host device",
    .naming = "name of the device",
    .group = GROUP_NODEDEV,
    .handle = WIRE_TYPE_NODE_DEVICE,
    .name = "name",
    .lookups = { { PROC_NODE_DEVICE_LOOKUP_BY_NAME, "name" } },
    .bare_list = true,
    LIST_ACTIVE(NODE_DEVICES),
    .facts = device_facts,
    .events = device_events,
    .event_end = PROC_CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY,
    .get_xml = PROC_NODE_DEVICE_GET_XML_DESC,
    .procs = { [VERB_AUTOSTART] = PROC_NODE_DEVICE_SET_AUTOSTART,
               [VERB_CREATE] = PROC_NODE_DEVICE_CREATE_XML,
               [VERB_DEFINE] = PROC_NODE_DEVICE_DEFINE_XML,
               [VERB_DESTROY] = PROC_NODE_DEVICE_DESTROY,
               [VERB_DUMPXML] = PROC_NODE_DEVICE_GET_XML_DESC,
               [VERB_EVENT] = PROC_CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY,
               [VERB_INFO] = 1,
               [VERB_LIST] = PROC_CONNECT_LIST_ALL_NODE_DEVICES,
               [VERB_START] = PROC_NODE_DEVICE_CREATE,
               [VERB_UNDEFINE] = PROC_NODE_DEVICE_UNDEFINE },
    .extra = { FLAGGED(VERB_LIST,
                       OPT(CLI_STRING, "cap", "only devices that can do one of these, separated by commas",
                           .flags = CLI_LIST_OF, .flag = VIR_CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM,
                           .words =
                               "system pci usb_device usb net scsi_host scsi_target scsi storage fc_host "
                               "vports scsi_generic drm mdev_types mdev ccw css vdpa ap_card ap_queue "
                               "ap_matrix vpd"),
                       OPT_BOOL("tree", "show which device is on which"),
                       OPTIONS_ACTIVE(NODE_DEVICES, "devices"),
                       OPT_FLAG("persistent", 1 << 28, "only devices with a definition"),
                       OPT_FLAG("transient", 1 << 29, "only devices without one")),
               FLAGGED(VERB_DUMPXML, OPT_FLAG("inactive", 1, "the stored definition")),
               FLAGGED(VERB_CREATE, OPT_VALIDATE(VIR_NODE_DEVICE_CREATE_XML_VALIDATE)),
               FLAGGED(VERB_DEFINE, OPT_VALIDATE(VIR_NODE_DEVICE_DEFINE_XML_VALIDATE)) },
    .exclusive = { [VERB_LIST] = "inactive all; tree cap; tree inactive" },
    .done = { [VERB_DEFINE] = "Node device '{name}' defined from '{file}'",
              [VERB_DESTROY] = "Destroyed node device '{name}'",
              [VERB_START] = "Device {name} started",
              [VERB_UNDEFINE] = "Undefined node device '{name}'",
              [VERB_AUTOSTART] = "Device {name} {disable?unmarked|marked} as autostarted" },
};

/* ---- snapshots and checkpoints ---- */

#define DOCUMENT(text, keyword, fact, places, option, path)                                                  \
    {                                                                                                        \
        .label = text, .key = keyword, .kind = fact, .where = places, .given = option, .member = path        \
    }
#define LIST_TREE(roots, leaves, no_leaves, topological)                                                     \
    OPT_BOOL("parent", "add the parents"), OPT_FLAG("roots", roots, "only those without parents"),           \
        OPT_FLAG("leaves", leaves, "only those without children"),                                           \
        OPT_FLAG("no-leaves", no_leaves, "only those with children"), OPT_BOOL("name", "print names only"),  \
        OPT_FLAG("topological", topological, "parents before their children")

static const CliFact snapshot_facts[] = {
    MEMBER("Name", "name", IN_LIST | IN_INFO, "name"),
    DOCUMENT("Creation Time", "created", FACT_TIME, IN_LIST, NULL, "/domainsnapshot/creationTime"),
    DOCUMENT("Domain", "domain", FACT_XML, IN_INFO, NULL, "/domainsnapshot/domain/name"),
    { .label = "Current",
      .key = "current",
      .kind = FACT_ASK,
      .where = IN_INFO,
      .proc = PROC_DOMAIN_SNAPSHOT_IS_CURRENT,
      .member = "current",
      .words = "no yes" },
    DOCUMENT("State", "state", FACT_XML, IN_LIST | IN_INFO, NULL, "/domainsnapshot/state"),
    /* Two words of the same length. */
    DOCUMENT("Location", "location", FACT_XML, IN_INFO, NULL,
             "substring('externalinternal', 1 + 8 * not(/domainsnapshot/memory[@snapshot='external'] or "
             "/domainsnapshot/disks/disk[@snapshot='external']), 8)"),
    DOCUMENT("Parent", "parent", FACT_XML, IN_LIST, "parent", "/domainsnapshot/parent/name"),
    DOCUMENT("Parent", "parent", FACT_XML, IN_LIST_JSON, "!parent", "/domainsnapshot/parent/name"),
    DOCUMENT("Parent", "parent", FACT_XML, IN_INFO, NULL, "/domainsnapshot/parent/name"),
    { .label = "Children",
      .key = "children",
      .kind = FACT_COUNT,
      .where = IN_INFO,
      .proc = PROC_DOMAIN_SNAPSHOT_NUM_CHILDREN,
      .member = "num" },
    { .label = "Descendants",
      .key = "descendants",
      .kind = FACT_COUNT,
      .where = IN_INFO,
      .proc = PROC_DOMAIN_SNAPSHOT_NUM_CHILDREN,
      .flags = VIR_DOMAIN_SNAPSHOT_LIST_DESCENDANTS,
      .member = "num" },
    ASK("Metadata", "metadata", IN_INFO, PROC_DOMAIN_SNAPSHOT_HAS_METADATA, "metadata"),
    { 0 },
};

#define OPTION_CURRENT(text) OPT_BOOL("current", text)

const CliClass class_snapshot = {
    .prefix = "snapshot-",
    .option = "snapshotname",
    .word = "snapshot",
    .noun = "snapshot",
    .naming = "name of the snapshot",
    .group = GROUP_SNAPSHOT,
    .handle = WIRE_TYPE_DOMAIN_SNAPSHOT,
    .name = "name",
    .parent = &class_domain,
    .lookups = { { PROC_DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, "name" } },
    .current = PROC_DOMAIN_SNAPSHOT_CURRENT,
    .children = PROC_DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN,
    .facts = snapshot_facts,
    .get_xml = PROC_DOMAIN_SNAPSHOT_GET_XML_DESC,
    .edit_flags = VIR_DOMAIN_SNAPSHOT_XML_SECURE,
    .store_flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE,
    .procs = { [VERB_DELETE] = PROC_DOMAIN_SNAPSHOT_DELETE,
               [VERB_DUMPXML] = PROC_DOMAIN_SNAPSHOT_GET_XML_DESC,
               [VERB_EDIT] = PROC_DOMAIN_SNAPSHOT_CREATE_XML,
               [VERB_INFO] = 1,
               [VERB_LIST] = PROC_DOMAIN_LIST_ALL_SNAPSHOTS,
               [VERB_PARENT] = PROC_DOMAIN_SNAPSHOT_GET_PARENT },
    .extra = { FLAGGED(VERB_LIST,
                       LIST_TREE(VIR_DOMAIN_SNAPSHOT_LIST_ROOTS, VIR_DOMAIN_SNAPSHOT_LIST_LEAVES,
                                 VIR_DOMAIN_SNAPSHOT_LIST_NO_LEAVES, VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL),
                       OPT_FLAG("inactive", VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE,
                                "only those taken while the domain did not run"),
                       OPT_FLAG("active", VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE,
                                "only those taken while the domain ran"),
                       OPT_FLAG("disk-only", VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY,
                                "only those of disks without memory"),
                       OPT_FLAG("internal", VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL, "only those inside of images"),
                       OPT_FLAG("external", VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL,
                                "only those in images of their own"),
                       OPT_FLAG("metadata", VIR_DOMAIN_SNAPSHOT_LIST_METADATA,
                                "only those that the daemon knows"),
                       OPT_FLAG("no-metadata", VIR_DOMAIN_SNAPSHOT_LIST_NO_METADATA,
                                "only those that it does not"),
                       OPT_BOOL("tree", "show which came after which"),
                       OPT(CLI_STRING, "from", "only what came after this one", .class = &class_snapshot,
                           .flags = CLI_NAMED),
                       OPTION_CURRENT("only what came after the current one"),
                       OPT_FLAG("descendants", VIR_DOMAIN_SNAPSHOT_LIST_DESCENDANTS,
                                "and what came after that")),
               FLAGGED(VERB_INFO, OPTION_CURRENT("the current snapshot")),
               FLAGGED(VERB_PARENT, OPTION_CURRENT("of the current snapshot")),
               FLAGGED(VERB_EDIT, OPT_FLAG("current", VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT,
                                           "the current snapshot, or make it that")),
               FLAGGED(VERB_DUMPXML,
                       OPT_FLAG("security-info", VIR_DOMAIN_SNAPSHOT_XML_SECURE, "with passwords")),
               FLAGGED(VERB_DELETE, OPTION_CURRENT("the current snapshot"),
                       OPT_FLAG("children", VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN, "with its children"),
                       OPT_FLAG("children-only", VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY,
                                "its children and not itself"),
                       OPT_FLAG("metadata", VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY,
                                "only let the daemon forget it")) },
    .exclusive = { [VERB_LIST] =
                       "roots parent; tree name; tree parent; tree roots; from current; from roots; "
                       "current roots",
                   [VERB_INFO] = "snapshotname current",
                   [VERB_PARENT] = "snapshotname current",
                   [VERB_DELETE] = "snapshotname current; children children-only" },
    .done = { [VERB_DELETE] = "Domain snapshot {name} {children-only?children |}deleted",
              [VERB_EDIT] = "Snapshot {name} XML configuration" },
};

static const CliFact checkpoint_facts[] = {
    MEMBER("Name", "name", IN_LIST | IN_INFO, "name"),
    DOCUMENT("Creation Time", "created", FACT_TIME, IN_LIST, NULL, "/domaincheckpoint/creationTime"),
    DOCUMENT("Domain", "domain", FACT_XML, IN_INFO, NULL, "/domaincheckpoint/domain/name"),
    DOCUMENT("Parent", "parent", FACT_XML, IN_LIST, "parent", "/domaincheckpoint/parent/name"),
    DOCUMENT("Parent", "parent", FACT_XML, IN_INFO, NULL, "/domaincheckpoint/parent/name"),
    { 0 },
};

const CliClass class_checkpoint = {
    .prefix = "checkpoint-",
    .option = "checkpointname",
    .word = "checkpoint",
    .noun = "checkpoint",
    .naming = "name of the checkpoint",
    .group = GROUP_CHECKPOINT,
    .handle = WIRE_TYPE_DOMAIN_CHECKPOINT,
    .name = "name",
    .parent = &class_domain,
    .lookups = { { PROC_DOMAIN_CHECKPOINT_LOOKUP_BY_NAME, "name" } },
    .facts = checkpoint_facts,
    .get_xml = PROC_DOMAIN_CHECKPOINT_GET_XML_DESC,
    .edit_flags = VIR_DOMAIN_CHECKPOINT_XML_SECURE,
    .store_flags = VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE,
    .procs = { [VERB_DELETE] = PROC_DOMAIN_CHECKPOINT_DELETE,
               [VERB_DUMPXML] = PROC_DOMAIN_CHECKPOINT_GET_XML_DESC,
               [VERB_EDIT] = PROC_DOMAIN_CHECKPOINT_CREATE_XML,
               [VERB_INFO] = 1,
               [VERB_LIST] = PROC_DOMAIN_LIST_ALL_CHECKPOINTS,
               [VERB_PARENT] = PROC_DOMAIN_CHECKPOINT_GET_PARENT },
    .extra = { FLAGGED(VERB_LIST,
                       LIST_TREE(VIR_DOMAIN_CHECKPOINT_LIST_ROOTS, VIR_DOMAIN_CHECKPOINT_LIST_LEAVES,
                                 VIR_DOMAIN_CHECKPOINT_LIST_NO_LEAVES,
                                 VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)),
               FLAGGED(VERB_DUMPXML,
                       OPT_FLAG("security-info", VIR_DOMAIN_CHECKPOINT_XML_SECURE, "with passwords"),
                       OPT_FLAG("no-domain", VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN, "without the domain's XML"),
                       OPT_FLAG("size", VIR_DOMAIN_CHECKPOINT_XML_SIZE, "with the size of what has changed")),
               FLAGGED(VERB_DELETE,
                       OPT_FLAG("children", VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN, "with its children"),
                       OPT_FLAG("children-only", VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY,
                                "its children and not itself"),
                       OPT_FLAG("metadata", VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY,
                                "only let the daemon forget it")) },
    .exclusive = { [VERB_LIST] = "roots parent", [VERB_DELETE] = "children children-only" },
    .done = { [VERB_DELETE] = "Domain checkpoint {name} {children-only?children |}deleted" },
};

const CliClass *const cli_classes[] = {
    &class_domain,   &class_network,    &class_port,    &class_pool,      &class_volume,
    &class_secret,   &class_filter,     &class_binding, &class_interface, &class_nodedev,
    &class_snapshot, &class_checkpoint, NULL,
};

/* ---- the calls that only one kind has ---- */

#define OPT_OBJECT(kind, required, ...) OPT(CLI_STRING, __VA_ARGS__, .class = kind, .flags = required)
#define OPT_POOL                                                                                             \
    OPT(CLI_STRING, "pool", "name or UUID of the pool", .class = &class_pool, .flags = CLI_REQUIRED)
#define OPT_VOLUME                                                                                           \
    OPT(CLI_STRING, "vol", "name, key or path of the volume, or POOL/VOLUME", .class = &class_volume,        \
        .flags = CLI_REQUIRED)
#define OPT_POOL_OF_VOLUME OPT(CLI_STRING, "pool", "name or UUID of its pool", .class = &class_pool)
#define OPT_SECRET                                                                                           \
    OPT(CLI_STRING, "secret", "UUID of the secret", .class = &class_secret, .flags = CLI_REQUIRED)
#define OPT_DEVICE                                                                                           \
    OPT(CLI_STRING, "device", "name of the device", .class = &class_nodedev, .flags = CLI_REQUIRED)

static const CliOption pool_options[] = { OPT_POOL, { 0 } };
static const CliOption build_options[] = {
    OPT_POOL,
    OPT_FLAG("no-overwrite", VIR_STORAGE_POOL_BUILD_NO_OVERWRITE, "keep data that is there"),
    OPT_FLAG("overwrite", VIR_STORAGE_POOL_BUILD_OVERWRITE, "overwrite data that is there"),
    { 0 },
};
static const CliOption sources_options[] = {
    OPT(CLI_STRING, "type", "type of the pools", .flags = CLI_REQUIRED, .arg = "type"),
    OPT_XML("srcSpec", "src_spec", 0, "file with XML that says where to look"),
    { 0 },
};
static const CliOption volume_options[] = { OPT_VOLUME, OPT_POOL_OF_VOLUME, { 0 } };
static const CliOption pool_of_options[] = { OPT_VOLUME,
                                             OPT_BOOL("uuid", "print the UUID instead of the name"),
                                             { 0 } };
static const CliOption iface_name_options[] = {
    OPT(CLI_STRING, "interface", "name or MAC address of the interface", .class = &class_interface,
        .flags = CLI_REQUIRED),
    { 0 },
};
static const CliOption device_options[] = { OPT_DEVICE, { 0 } };
static const CliOption detach_options[] = { OPT_DEVICE,
                                            OPT_ARG("driver", "driver_name", "driver to bind it to"),
                                            { 0 } };
static const CliOption device_update_options[] = { OPT_DEVICE,
                                                   OPT_XML("file", "xml", CLI_REQUIRED,
                                                           "the XML; - reads the standard input"),
                                                   OPT_FLAG("live", 1, "the device itself"),
                                                   OPT_FLAG("config", 2, "its definition"),
                                                   { 0 } };
static const CliOption revert_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "snapshotname", "name of the snapshot", .class = &class_snapshot),
    OPT_BOOL("current", "to the current snapshot"),
    OPT_FLAG("running", VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING, "let the domain run afterwards"),
    OPT_FLAG("paused", VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED, "leave the domain paused afterwards"),
    OPT_FLAG("force", VIR_DOMAIN_SNAPSHOT_REVERT_FORCE, "even if that is risky"),
    OPT_FLAG("reset-nvram", VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM,
             "with a fresh copy of the firmware's variables"),
    { 0 },
};

#define CALL(command, in, of, procedure, text, rows, ...)                                                    \
    {                                                                                                        \
        .name = command, .group = in, .class = of, .proc = procedure, .summary = text, .options = rows,      \
        __VA_ARGS__                                                                                          \
    }
#define NODE_DEVICE_CALL(command, procedure, text, rows, past)                                               \
    CALL("nodedev-" command, GROUP_NODEDEV, &class_nodedev, procedure, text, rows,                           \
         .doing = "Failed to " command " device {name}", .done = "Device {name} " past)
#define POOL_CALL(command, procedure, text, rows, past, ...)                                                 \
    CALL("pool-" command, GROUP_POOL, &class_pool, procedure, text, rows,                                    \
         .doing = "Failed to " command " pool {name}", .done = "Pool {name} " past, __VA_ARGS__)
#define CHANGE_CALL(command, procedure, text)                                                                \
    CALL("iface-" command, GROUP_INTERFACE, NULL, procedure, text, NULL, .json = "none")

const CliCommand commands_class[] = {
    POOL_CALL("build", PROC_STORAGE_POOL_BUILD,
              "make what a pool needs: its directory, file system or volume group", build_options, "built",
              .exclusive = "no-overwrite overwrite"),
    POOL_CALL("refresh", PROC_STORAGE_POOL_REFRESH, "look again at what a pool holds", pool_options,
              "refreshed"),
    CALL("pool-capabilities", GROUP_POOL, NULL, PROC_CONNECT_GET_STORAGE_POOL_CAPABILITIES,
         "print which pools the daemon can have", NULL, .show = "capabilities:xml"),
    CALL("find-storage-pool-sources", GROUP_POOL, NULL, PROC_CONNECT_FIND_STORAGE_POOL_SOURCES,
         "print where pools of a type could be", sources_options, .show = "xml"),
    CALL("vol-key", GROUP_VOLUME, &class_volume, 0, "print the key of a volume", volume_options,
         .show = "key"),
    CALL("vol-path", GROUP_VOLUME, &class_volume, PROC_STORAGE_VOL_GET_PATH, "print the path of a volume",
         volume_options, .show = "name:path"),
    CALL("vol-pool", GROUP_VOLUME, &class_volume, PROC_STORAGE_POOL_LOOKUP_BY_VOLUME,
         "print the pool of a volume", pool_of_options, .show = "{uuid?uuid|name:pool}",
         .json = "{\"pool\": string} or {\"uuid\": string}"),
    CALL("iface-mac", GROUP_INTERFACE, &class_interface, 0,
         "print the MAC address of an interface of the host", iface_name_options, .show = "mac"),
    CHANGE_CALL("begin", PROC_INTERFACE_CHANGE_BEGIN,
                "keep the present interfaces of the host, to come back to them"),
    CHANGE_CALL("commit", PROC_INTERFACE_CHANGE_COMMIT, "keep the changes since iface-begin"),
    CHANGE_CALL("rollback", PROC_INTERFACE_CHANGE_ROLLBACK, "take back the changes since iface-begin"),
    NODE_DEVICE_CALL("detach", PROC_NODE_DEVICE_DETACH_FLAGS, "take a device from its driver, for a domain",
                     detach_options, "detached"),
    NODE_DEVICE_CALL("reattach", PROC_NODE_DEVICE_RE_ATTACH, "give a device back to its driver",
                     device_options, "re-attached"),
    NODE_DEVICE_CALL("reset", PROC_NODE_DEVICE_RESET, "reset a device", device_options, "reset"),
    CALL("nodedev-update", GROUP_NODEDEV, &class_nodedev, PROC_NODE_DEVICE_UPDATE, "change a mediated device",
         device_update_options, .doing = "Failed to update device {name}", .done = "Device {name} updated"),
    CALL("snapshot-revert", GROUP_SNAPSHOT, &class_snapshot, PROC_DOMAIN_REVERT_TO_SNAPSHOT,
         "bring a domain back to a snapshot", revert_options,
         .exclusive = "snapshotname current; running paused", .doing = "Failed to revert snapshot {name}",
         .done = "Domain snapshot {name} reverted"),
    { 0 },
};
