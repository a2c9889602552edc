/* Interfaces of the host: what the kernel has, and what is defined. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "http/answer.h"
#include "http/object_call.h"
#include "http/route.h"
#include "network/hostif.h"
#include "wire/wire_enums.h"

static const HttpField interface_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "mac", HTTP_STRING, .required = true, .nullable = true },
    { "active", HTTP_BOOL, .required = true },
    { 0 },
};

static Json *interface_json(const HostifInfo *info)
{
    return json_pack("{s:o,s:o,s:b}", "name", http_json_text(info->name), "mac",
                     http_json_text(*info->mac ? info->mac : NULL), "active", (int)info->is_active);
}

static bool handle_list(HttpRequest *req, Error **err)
{
    g_autoptr(GPtrArray) infos = NULL;

    if (!hostif_list(req->host, 0, "virConnectListAllInterfaces", &infos, err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < infos->len; i++)
        json_array_append_new(items, interface_json(g_ptr_array_index(infos, i)));
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

AWAITS static bool answer_interface(HttpRequest *req, unsigned status, const char *name, Error **err)
{
    HostifInfo *info = NULL;

    if (!hostif_find(req->host, name, &info, err))
        return false;
    Json *json = interface_json(info);
    hostif_info_free(info);
    return http_answer_json(req, status, json);
}

static bool handle_get(HttpRequest *req, Error **err)
{
    return answer_interface(req, 200, req->params[0], err);
}

static const HttpField add_body[] = { { "xml", HTTP_STRING, .required = true }, { 0 } };

static bool handle_add(HttpRequest *req, Error **err)
{
    const WireInterfaceDefineXmlArgs args = { .xml = (char *)json_get_str(req->body, "xml") };
    g_auto(WireInterfaceDefineXmlRet) ret = { 0 };

    return HTTP_CALL(req, interface_define_xml, &args, &ret, err) &&
           answer_interface(req, 201, ret.iface.name, err);
}

/* Its procedures know it by its name. */
AWAITS static bool call_named(HttpRequest *req, int32_t number, void *ret, Error **err)
{
    const ObjectArgs args = { .object = { .name = (char *)req->params[0], .mac = (char *)"" } };

    return http_call(req, WIRE_PROGRAM_REMOTE, number, &args, ret, NULL, err);
}

static bool handle_remove(HttpRequest *req, Error **err)
{
    return call_named(req, wire_number_interface_undefine, NULL, err) && http_answer_none(req);
}

static bool handle_xml(HttpRequest *req, Error **err)
{
    WireInterfaceGetXmlDescRet ret = { 0 };

    return call_named(req, wire_number_interface_get_xml_desc, &ret, err) &&
           http_answer_text(req, 200, "application/xml", ret.xml);
}

static const HttpField no_body[] = { { 0 } };

static bool handle_action(HttpRequest *req, Error **err)
{
    const bool start = strcmp(req->params[1], "start") == 0;

    if (!start && strcmp(req->params[1], "stop") != 0)
        return error_set(err, ERROR_NO_HOSTNAME, "interfaces can start and stop, not '%s'", req->params[1]);
    return call_named(req, start ? wire_number_interface_create : wire_number_interface_destroy, NULL, err) &&
           answer_interface(req, 200, req->params[0], err);
}

/* ---- the host on a bridge ---- */

static const HttpField bridge_body[] = {
    { "interface", HTTP_STRING, .required = true, .doc = "that the host is reached over" },
    { "name", HTTP_STRING, .nullable = true, .doc = "of the bridge; the first of br0, br1 ... that is free" },
    { "confirm_s", HTTP_UINT, .nullable = true, .doc = "seconds until it is taken back; 60" },
    { "dry_run", HTTP_BOOL, .doc = "only say what would be done" },
    { 0 },
};
static const HttpField bridge_fields[] = {
    { "interface", HTTP_STRING, .required = true },
    { "bridge", HTTP_STRING, .required = true },
    { "manager", HTTP_STRING, .required = true, .doc = "who manages the network" },
    { "steps", HTTP_STRINGS, .required = true },
    { "confirm_s", HTTP_UINT, .required = true, .doc = "it is taken back then, unless it is confirmed" },
    { 0 },
};

/* Making answers with the plan that it carried out: both have one form. */
static bool handle_bridge(HttpRequest *req, Error **err)
{
    const bool dry = json_get_bool(req->body, "dry_run", false);
    const WireLodgeHostBridgePlanArgs args = {
        .link = (char *)json_get_str(req->body, "interface"),
        .bridge = (char *)json_get_str(req->body, "name"),
        .timeout_s = (uint32_t)MIN(json_get_uint(req->body, "confirm_s", 0), 3600)
    };
    g_auto(WireLodgeHostBridgePlanRet) plan = { 0 };

    req->object = g_strdup(args.link);
    if (!http_call(req, WIRE_PROGRAM_LODGE,
                   dry ? wire_number_lodge_host_bridge_plan : wire_number_lodge_host_bridge_make, &args,
                   &plan, NULL, err))
        return false;
    Json *steps = json_array();
    for (unsigned i = 0; i < plan.n_steps; i++)
        json_array_append_new(steps, http_json_text(plan.steps[i]));
    return http_answer_json(req, 200,
                            json_pack("{s:o,s:o,s:s,s:o,s:i}", "interface", http_json_text(plan.link),
                                      "bridge", http_json_text(plan.bridge), "manager", plan.manager, "steps",
                                      steps, "confirm_s", (int)plan.confirm_s));
}

static const HttpField kept_fields[] = { { "bridge", HTTP_STRING, .required = true }, { 0 } };

static bool handle_bridge_confirm(HttpRequest *req, Error **err)
{
    const WireLodgeHostBridgeConfirmArgs args = { 0 };
    g_auto(WireLodgeHostBridgeConfirmRet) ret = { 0 };

    return HTTP_CALL_LODGE(req, lodge_host_bridge_confirm, &args, &ret, err) &&
           http_answer_json(req, 200, json_pack("{s:o}", "bridge", http_json_text(ret.bridge)));
}

static bool handle_bridge_revert(HttpRequest *req, Error **err)
{
    const WireLodgeHostBridgeRevertArgs args = { 0 };
    g_auto(WireLodgeHostBridgeRevertRet) ret = { 0 };

    return HTTP_CALL_LODGE(req, lodge_host_bridge_revert, &args, &ret, err) && http_answer_none(req);
}

const HttpRoute http_routes_interface[] = {
    { "POST", "/host/bridge", HTTP_ADMIN, .body = bridge_body, .answer = bridge_fields,
      .handle = handle_bridge,
      .doc = "Moves the host from an interface to a bridge. All goes back unless it is confirmed in time.",
      .command = "lodge net-bridge-host INTERFACE" },
    { "POST", "/host/bridge/confirm", HTTP_ADMIN, .body = no_body, .answer = kept_fields,
      .handle = handle_bridge_confirm, .doc = "Keeps the bridge.",
      .command = "lodge net-bridge-host --confirm" },
    { "DELETE", "/host/bridge", HTTP_ADMIN, .status = 204, .handle = handle_bridge_revert,
      .doc = "Takes the bridge back now.", .command = "lodge net-bridge-host --revert" },
    { "GET", "/interfaces", HTTP_VIEW, .flags = HTTP_LIST, .answer = interface_fields, .handle = handle_list,
      .doc = "Interfaces of the host.", .command = "lodge iface-list --all" },
    { "POST", "/interfaces", HTTP_ADMIN, .body = add_body, .answer = interface_fields, .status = 201,
      .handle = handle_add, .doc = "Defines an interface of the host.",
      .command = "lodge iface-define FILE" },
    { "GET", "/interfaces/{name}", HTTP_VIEW, .answer = interface_fields, .handle = handle_get,
      .doc = "An interface of the host.", .command = "lodge iface-mac NAME" },
    { "DELETE", "/interfaces/{name}", HTTP_ADMIN, .status = 204, .handle = handle_remove,
      .doc = "Removes an interface's definition.", .command = "lodge iface-undefine NAME" },
    { "GET", "/interfaces/{name}/xml", HTTP_VIEW, .type = "application/xml", .handle = handle_xml,
      .doc = "The document of an interface.", .command = "lodge iface-dumpxml NAME" },
    { "POST", "/interfaces/{name}/actions/{action}", HTTP_ADMIN, .body = no_body, .answer = interface_fields,
      .handle = handle_action, .doc = "start or stop an interface of the host.",
      .command = "lodge iface-start NAME" },
    { 0 },
};
