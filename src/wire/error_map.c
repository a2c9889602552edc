/* The one table between our error codes and the protocol's numbers.
 *
 * Clients branch on the number, sometimes on the subsystem, and show the text: the generic part (below) and
 * our detail. Ordinary failures must never be VIR_ERR_RPC, VIR_ERR_NO_CONNECT or VIR_ERR_INVALID_CONN: virsh
 * takes those for a dead connection. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/error_map.h"

#include <string.h>

#include "wire/wire_enums.h"

typedef struct ErrorRow {
    int number;
    int domain;
    const char *text; /* "%s" is the detail */
} ErrorRow;

#define ROW_UNAVAILABLE "this function is not supported by the connection driver: %s"

static const ErrorRow error_rows[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = { VIR_ERR_OK, VIR_FROM_NONE, "%s" },
    [ERROR_INTERNAL] = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, "internal error: %s" },
    [ERROR_NOT_SUPPORTED] = { VIR_ERR_NO_SUPPORT, VIR_FROM_NONE, ROW_UNAVAILABLE },
    [ERROR_INVALID_ARGUMENT] = { VIR_ERR_INVALID_ARG, VIR_FROM_QEMU, "invalid argument: %s" },
    [ERROR_OPERATION_FAILED] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_DOMAIN, "operation failed: %s" },
    [ERROR_REFUSED] = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, "internal error: %s" },
    [ERROR_DENIED] = { VIR_ERR_OPERATION_DENIED, VIR_FROM_NONE, "operation forbidden: %s" },
    [ERROR_ACCESS_DENIED] = { VIR_ERR_ACCESS_DENIED, VIR_FROM_ACCESS, "access denied: %s" },
    [ERROR_AUTH_FAILED] = { VIR_ERR_AUTH_FAILED, VIR_FROM_POLKIT, "authentication failed: %s" },
    [ERROR_AUTH_CANCELLED] = { VIR_ERR_AUTH_CANCELLED, VIR_FROM_POLKIT, "authentication cancelled: %s" },
    [ERROR_AUTH_UNAVAILABLE] = { VIR_ERR_AUTH_UNAVAILABLE, VIR_FROM_POLKIT,
                                 "authentication unavailable: %s" },
    [ERROR_NO_CONNECT] = { VIR_ERR_NO_CONNECT, VIR_FROM_NONE, "no connection driver available for %s" },
    [ERROR_XML_SYNTAX] = { VIR_ERR_XML_DETAIL, VIR_FROM_DOMAIN, "%s" },
    [ERROR_XML_INVALID] = { VIR_ERR_XML_ERROR, VIR_FROM_DOMAIN, "XML error: %s" },
    [ERROR_XML_SCHEMA] = { VIR_ERR_XML_INVALID_SCHEMA, VIR_FROM_XML,
                           "XML document failed to validate against schema: %s" },
    [ERROR_OS_TYPE] = { VIR_ERR_OS_TYPE, VIR_FROM_DOMAIN, "unknown OS type %s" },
    [ERROR_CONFIG_UNSUPPORTED] = { VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_QEMU,
                                   "unsupported configuration: %s" },
    [ERROR_ARGUMENT_UNSUPPORTED] = { VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_QEMU,
                                     "argument unsupported: %s" },
    [ERROR_OPERATION_UNSUPPORTED] = { VIR_ERR_OPERATION_UNSUPPORTED, VIR_FROM_QEMU,
                                      "Operation not supported: %s" },
    [ERROR_INVALID_STATE] = { VIR_ERR_OPERATION_INVALID, VIR_FROM_QEMU,
                              "Requested operation is not valid: %s" },
    [ERROR_SYSTEM] = { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, "%s" },
    [ERROR_TIMEOUT] = { VIR_ERR_OPERATION_TIMEOUT, VIR_FROM_QEMU, "Timed out during operation: %s" },
    [ERROR_CANCELLED] = { VIR_ERR_OPERATION_ABORTED, VIR_FROM_QEMU, "operation aborted: %s" },
    [ERROR_VM_GONE] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_QEMU, "operation failed: %s" },
    [ERROR_BUSY] = { VIR_ERR_RESOURCE_BUSY, VIR_FROM_QEMU, "resource busy: %s" },
    [ERROR_OVERFLOW] = { VIR_ERR_OVERFLOW, VIR_FROM_QEMU, "numerical overflow: %s" },
    [ERROR_NO_DOMAIN] = { VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU, "Domain not found: %s" },
    [ERROR_NO_DOMAIN_METADATA] = { VIR_ERR_NO_DOMAIN_METADATA, VIR_FROM_DOMAIN, "metadata not found: %s" },
    [ERROR_NO_NETWORK] = { VIR_ERR_NO_NETWORK, VIR_FROM_NETWORK, "Network not found: %s" },
    [ERROR_NO_STORAGE_POOL] = { VIR_ERR_NO_STORAGE_POOL, VIR_FROM_STORAGE, "Storage pool not found: %s" },
    [ERROR_NO_STORAGE_VOL] = { VIR_ERR_NO_STORAGE_VOL, VIR_FROM_STORAGE, "Storage volume not found: %s" },
    [ERROR_NO_INTERFACE] = { VIR_ERR_NO_INTERFACE, VIR_FROM_INTERFACE, "Interface not found: %s" },
    [ERROR_NO_NODE_DEVICE] = { VIR_ERR_NO_NODE_DEVICE, VIR_FROM_NODEDEV, "Node device not found: %s" },
    [ERROR_NO_NWFILTER] = { VIR_ERR_NO_NWFILTER, VIR_FROM_NWFILTER, "Network filter not found: %s" },
    [ERROR_NO_SECRET] = { VIR_ERR_NO_SECRET, VIR_FROM_SECRET, "Secret not found: %s" },
    [ERROR_NO_SNAPSHOT] = { VIR_ERR_NO_DOMAIN_SNAPSHOT, VIR_FROM_QEMU, "Domain snapshot not found: %s" },
    [ERROR_NO_CHECKPOINT] = { VIR_ERR_NO_DOMAIN_CHECKPOINT, VIR_FROM_QEMU,
                              "Domain checkpoint not found: %s" },
    [ERROR_NO_BACKUP] = { VIR_ERR_NO_DOMAIN_BACKUP, VIR_FROM_QEMU, "Domain backup job id not found: %s" },
    [ERROR_CHECKPOINT_INCONSISTENT] = { VIR_ERR_CHECKPOINT_INCONSISTENT, VIR_FROM_QEMU, "%s" },
    [ERROR_AGENT_UNRESPONSIVE] = { VIR_ERR_AGENT_UNRESPONSIVE, VIR_FROM_QEMU,
                                   "Guest agent is not responding: %s" },
    [ERROR_CPU_INCOMPATIBLE] = { VIR_ERR_CPU_INCOMPATIBLE, VIR_FROM_CPU,
                                 "the CPU is incompatible with host CPU: %s" },
    [ERROR_HOOK_FAILED] = { VIR_ERR_HOOK_SCRIPT_FAILED, VIR_FROM_HOOK, "Hook script execution failed: %s" },
    [ERROR_DEVICE_MISSING] = { VIR_ERR_DEVICE_MISSING, VIR_FROM_QEMU, "device not found: %s" },
    [ERROR_STREAM_INVALID] = { VIR_ERR_INVALID_STREAM, VIR_FROM_STREAMS, "invalid stream pointer in %s" },
    [ERROR_PROTOCOL] = { VIR_ERR_RPC, VIR_FROM_RPC, "%s" },
    [ERROR_CONFIG_SYNTAX] = { VIR_ERR_CONF_SYNTAX, VIR_FROM_CONF, "configuration file syntax error: %s" },
    [ERROR_NO_NAME] = { VIR_ERR_NO_NAME, VIR_FROM_DOMAIN, "missing name information: %s" },
    [ERROR_NO_SOURCE] = { VIR_ERR_NO_SOURCE, VIR_FROM_DOMAIN, "missing source information for device %s" },
    [ERROR_NO_TARGET] = { VIR_ERR_NO_TARGET, VIR_FROM_DOMAIN, "missing target information for device %s" },
    [ERROR_NO_HOSTNAME] = { VIR_ERR_NO_HOSTNAME, VIR_FROM_QEMU, "no hostname found: %s" },
    [ERROR_INVALID_SECRET] = { VIR_ERR_INVALID_SECRET, VIR_FROM_SECRET, "Invalid secret: %s" },
    [ERROR_POOL_BUILT] = { VIR_ERR_STORAGE_POOL_BUILT, VIR_FROM_STORAGE, "Storage pool already built: %s" },
    [ERROR_PROBE_FAILED] = { VIR_ERR_STORAGE_PROBE_FAILED, VIR_FROM_STORAGE,
                             "Storage pool probe failed: %s" },
    [ERROR_VOLUME_EXISTS] = { VIR_ERR_STORAGE_VOL_EXIST, VIR_FROM_STORAGE,
                              "storage volume '%s' exists already" },
    [ERROR_MIGRATE_UNSAFE] = { VIR_ERR_MIGRATE_UNSAFE, VIR_FROM_QEMU, "Unsafe migration: %s" },
    [ERROR_BLOCK_COPY_ACTIVE] = { VIR_ERR_BLOCK_COPY_ACTIVE, VIR_FROM_QEMU, "block copy still active: %s" },
    [ERROR_SNAPSHOT_RISKY] = { VIR_ERR_SNAPSHOT_REVERT_RISKY, VIR_FROM_QEMU, "revert requires force: %s" },
};

/* The rows' only conversion is one %s; put together without a format string that is not a literal. */
static char *error_row_text(const ErrorRow *row, const char *detail)
{
    const char *mark = strstr(row->text, "%s");

    return g_strdup_printf("%.*s%s%s", (int)(mark - row->text), row->text, detail, mark + 2);
}

/* Failures whose detail has another subsystem or another generic text at the peers' other servers than the
 * rest of their code; programs branch on the first, scripts look for the second. The first fitting row
 * counts. */
typedef struct ErrorPhrase {
    ErrorCode code;
    const char *pattern; /* of the detail, with * */
    int domain;
    const char *text; /* NULL: that of the code */
    int number;       /* 0: that of the code */
} ErrorPhrase;

static const ErrorPhrase error_phrases[] = {
    { ERROR_INVALID_STATE, "domain is not running", VIR_FROM_DOMAIN, NULL },
    { ERROR_INVALID_STATE, "domain '*' is already active", VIR_FROM_DOMAIN, NULL },
    { ERROR_INVALID_STATE, "Can't rename domain to itself", VIR_FROM_DOMAIN, NULL },
    { ERROR_CONFIG_UNSUPPORTED, "unknown device type '*", VIR_FROM_DOMAIN, NULL },
    { ERROR_INVALID_ARGUMENT, "unsupported flags (*", VIR_FROM_QEMU, "%s" },
    { ERROR_INVALID_ARGUMENT, "Flags 'VIR_STORAGE_*", VIR_FROM_STORAGE, "%s" },
    { ERROR_INVALID_ARGUMENT, "Flag* 'VIR_DOMAIN_SNAPSHOT_*", VIR_FROM_DOMAIN_SNAPSHOT, "%s" },
    { ERROR_XML_INVALID, "(domain_snapshot)*root element*", VIR_FROM_XML, NULL },
    { ERROR_XML_SYNTAX, "(domain_snapshot)*", VIR_FROM_DOMAIN_SNAPSHOT, NULL },
    { ERROR_XML_INVALID, "a redefined snapshot *", VIR_FROM_DOMAIN_SNAPSHOT, NULL },
    { ERROR_INVALID_ARGUMENT, "Flags 'VIR_DOMAIN_*", VIR_FROM_DOMAIN, "%s" },
    { ERROR_INVALID_ARGUMENT, "unsupported state value", VIR_FROM_QEMU, "%s" },
    { ERROR_INVALID_ARGUMENT, "(storage_*: unknown unit '*", VIR_FROM_NONE, NULL },
    { ERROR_OVERFLOW, "(storage_*", VIR_FROM_NONE, NULL },
    { ERROR_XML_INVALID, "expecting root element *", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(node_device_*: attribute '*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(storage_*element 'pool': attribute 'type'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(storage_*: attribute 'state'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(storage_*: attribute 'part_separator'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(storage_*: attribute 'port'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(storage_*'adapter': attribute 'type'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "(storage_*element 'clusterSize'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "cipher info missing 'size'*", VIR_FROM_XML, NULL },
    { ERROR_XML_INVALID, "missing secret uuid or usage*", VIR_FROM_NONE, NULL },
    { ERROR_XML_INVALID, "(storage_*'secret': attribute 'uuid'*", VIR_FROM_NONE, NULL },
    { ERROR_XML_SYNTAX, "invalid char in name: *", VIR_FROM_XML, "%s" },
    { ERROR_REFUSED, "Child process (*", VIR_FROM_NONE, NULL },
    { ERROR_NOT_SUPPORTED, "backing storage not supported*", VIR_FROM_STORAGE, NULL },
    { ERROR_SYSTEM, "cannot open directory '*", VIR_FROM_NONE, NULL },
    { ERROR_SYSTEM, "unable to control COW flag*", VIR_FROM_NONE, NULL },
    { ERROR_SYSTEM, "Failed to truncate file*", VIR_FROM_NONE, NULL },
    { ERROR_INVALID_ARGUMENT, "Invalid cpuNum in *", VIR_FROM_NONE, "%s" },
    { ERROR_INVALID_ARGUMENT, "cellNum in * must *", VIR_FROM_NONE, "%s" },
    { ERROR_INVALID_ARGUMENT, "* in vir* must *", VIR_FROM_DOMAIN, "%s" },
    { ERROR_INVALID_ARGUMENT, "invalid MAC address: *", VIR_FROM_NETWORK, "%s" },
    { ERROR_INVALID_ARGUMENT, "unknown metadata type *", VIR_FROM_DOMAIN, NULL },
    { ERROR_INVALID_ARGUMENT, "'*' is not a known interface", VIR_FROM_DOMAIN, NULL },
    { ERROR_INTERNAL, "start cell * out of range *", VIR_FROM_NONE, NULL },
    { ERROR_INTERNAL, "failed to * a new XML namespace", VIR_FROM_XML, NULL },
    { ERROR_NO_NWFILTER, "no nwfilter binding *", VIR_FROM_NWFILTER, "Network filter binding not found: %s",
      VIR_ERR_NO_NWFILTER_BINDING },
    { ERROR_CONFIG_UNSUPPORTED, "filter '*' learning value *", VIR_FROM_NWFILTER,
      "failed to parse configuration file %s", VIR_ERR_PARSE_FAILED },
    { ERROR_INTERNAL, "referenced filter '*' is missing", VIR_FROM_NWFILTER, NULL },
    { ERROR_INTERNAL, "Cannot instantiate filter due to *", VIR_FROM_NWFILTER, NULL },
    { ERROR_INTERNAL, "Cardinality of list items *", VIR_FROM_NWFILTER, NULL },
    { ERROR_NO_NAME, "missing name information", VIR_FROM_NETWORK, "%s" },
    { ERROR_NO_NETWORK, "Network port with UUID *", VIR_FROM_NETWORK, "network port not found: %s" },
    { ERROR_OPERATION_FAILED, "Network port with UUID *", VIR_FROM_NETWORK,
      "network port %s exists already" },
    { ERROR_NOT_SUPPORTED, "can*", VIR_FROM_NETWORK, "Operation not supported: %s" },
    { ERROR_NOT_SUPPORTED, "* cannot be modified, only *", VIR_FROM_NETWORK, "Operation not supported: %s" },
    { ERROR_NOT_SUPPORTED, "unrecognized network update *", VIR_FROM_NETWORK, "Operation not supported: %s" },
    { ERROR_NOT_SUPPORTED, "virDomain*", VIR_FROM_DOMAIN, NULL },
    { ERROR_XML_SYNTAX, "(CPU_definition):*", VIR_FROM_CPU, NULL },
};

static ErrorRow error_row(const Error *err)
{
    ErrorRow row = error_rows[error_code(err)];

    for (unsigned i = 0; i < G_N_ELEMENTS(error_phrases); i++) {
        const ErrorPhrase *phrase = &error_phrases[i];
        if (phrase->code != error_code(err) || !g_pattern_match_simple(phrase->pattern, error_message(err)))
            continue;
        row.domain = phrase->domain;
        row.text = phrase->text ?: row.text;
        row.number = phrase->number ? phrase->number : row.number;
        break;
    }
    return row;
}

void wire_error_from(const Error *err, WireError *ret_error)
{
    const ErrorRow row = error_row(err);
    const char *detail = error_message(err);
    const char *hint = error_hint_text(err);
    g_autofree char *with_hint = hint ? g_strdup_printf("%s (%s)", detail, hint) : NULL;

    if (with_hint)
        detail = with_hint;
    *ret_error = (WireError){
        .code = wire_error_code(err),
        .domain = wire_error_domain(err),
        .message = error_row_text(&row, detail),
        .level = VIR_ERR_ERROR,
        .str1 = g_strdup(row.text),
        .str2 = g_strdup(detail),
        .int1 = error_code(err) == ERROR_SYSTEM ? error_errno(err) : -1,
        .int2 = -1,
    };
}

void wire_error_set_api(WireError *error, const char *api)
{
    static const struct {
        const char *part; /* of the call's name */
        int domain;
    } kinds[] = { { "Secret", VIR_FROM_SECRET },       { "NWFilter", VIR_FROM_NWFILTER },
                  { "NetworkPort", VIR_FROM_NETWORK }, { "Network", VIR_FROM_NETWORK },
                  { "Storage", VIR_FROM_STORAGE },     { "NodeDevice", VIR_FROM_NODEDEV } };

    /* A machine's calls have their own; an interface of a machine is none of the host's. */
    if (!api || (error->domain != VIR_FROM_DOMAIN && error->domain != VIR_FROM_QEMU) ||
        g_str_has_prefix(api, "virDomain"))
        return;
    if (g_str_has_prefix(api, "virInterface") || strstr(api, "Interfaces"))
        error->domain = VIR_FROM_INTERFACE;
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strstr(api, kinds[i].part)) {
            error->domain = kinds[i].domain;
            return;
        }
    }
}

static ErrorCode wire_error_local_code(int number)
{
    if (number == VIR_ERR_INTERNAL_ERROR)
        return ERROR_INTERNAL;
    if (number == VIR_ERR_OPERATION_FAILED)
        return ERROR_OPERATION_FAILED;
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        if (error_rows[code].number == number)
            return (ErrorCode)code;
    }
    return ERROR_OPERATION_FAILED;
}

void wire_error_to(const WireError *remote, Error **err)
{
    const char *text = remote->message ? remote->message : "the server reported an error without a text";
    Error *made = error_new(wire_error_local_code(remote->code), text);

    error_set_remote(made, remote->code, remote->domain);
    error_propagate(err, made);
}

int wire_error_code(const Error *err)
{
    int number = error_remote_code(err);

    return number ? number : error_row(err).number;
}

int wire_error_domain(const Error *err)
{
    return error_remote_code(err) ? error_remote_domain(err) : error_row(err).domain;
}
