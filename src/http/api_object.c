/* Networks, filters, secrets and devices of the host: a row says what differs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/network.h"
#include "conf/nodedev.h"
#include "conf/nwfilter.h"
#include "conf/secret.h"
#include "core/secret.h"
#include "device/nodedev.h"
#include "http/answer.h"
#include "http/object_call.h"
#include "http/route.h"
#include "network/filter.h"
#include "network/network.h"
#include "wire/wire_enums.h"

typedef struct Kind {
    const ObjectClass *class;
    const char *list; /* function, for messages */
    /* procedures; 0: it has none */
    int32_t define, undefine, start, stop, get_xml, set_autostart;
    bool by_text; /* their arguments begin with a name alone */
    void (*tell)(Json *json, const Object *object);
} Kind;

#define OBJECT_JSON_FIELDS                                                                                   \
    { "uuid", HTTP_STRING, .required = true }, { "name", HTTP_STRING, .required = true },                    \
        { "active", HTTP_BOOL, .required = true }, { "persistent", HTTP_BOOL, .required = true },            \
    {                                                                                                        \
        "autostart", HTTP_BOOL, .required = true                                                             \
    }

static const void *definition(const Object *object)
{
    return object->live ? object->live : object->config;
}

static void set_text(Json *json, const char *name, const char *text)
{
    json_object_set_new(json, name, http_json_text(text));
}

/* ---- what is told of each ---- */

static const HttpField network_fields[] = {
    OBJECT_JSON_FIELDS,
    { "bridge", HTTP_STRING, .required = true, .nullable = true },
    { "forward", HTTP_STRING, .required = true, .nullable = true, .doc = "nat, route ...; null: isolated" },
    { "addresses", HTTP_STRINGS, .required = true, .doc = "of the bridge" },
    { "title", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

static char *network_address(const NetworkIp *ip)
{
    if (ip->prefix.is_set)
        return g_strdup_printf("%s/%u", ip->address, ip->prefix.value);
    return ip->netmask ? g_strdup_printf("%s/%s", ip->address, ip->netmask) : g_strdup(ip->address);
}

static void tell_network(Json *json, const Object *object)
{
    const NetworkDef *def = definition(object);
    Json *addresses = json_array();

    for (guint i = 0; def && def->ips && i < def->ips->len; i++) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        g_autofree char *text = ip->address ? network_address(ip) : NULL;
        if (text)
            json_array_append_new(addresses, json_string(text));
    }
    json_object_set_new(json, "addresses", addresses);
    set_text(json, "bridge", def ? def->bridge : NULL);
    set_text(json, "forward",
             def && def->has_forward ? enum_name(&network_forward_names, def->forward) : NULL);
    set_text(json, "title", def ? def->title : NULL);
}

static const HttpField filter_fields[] = { OBJECT_JSON_FIELDS, { 0 } };

static void tell_filter(Json *json, const Object *object)
{
}

static const HttpField secret_fields[] = {
    OBJECT_JSON_FIELDS,
    { "usage_type", HTTP_STRING, .required = true, .nullable = true },
    { "usage_id", HTTP_STRING, .required = true, .nullable = true },
    { "description", HTTP_STRING, .required = true, .nullable = true },
    { "private", HTTP_BOOL, .required = true },
    { "ephemeral", HTTP_BOOL, .required = true },
    { 0 },
};

static void tell_secret(Json *json, const Object *object)
{
    const SecretDef *def = definition(object);

    set_text(json, "usage_type", def && def->usage_id ? enum_name(&secret_usage_names, def->usage) : NULL);
    set_text(json, "usage_id", def ? def->usage_id : NULL);
    set_text(json, "description", def ? def->description : NULL);
    json_object_set_new(json, "private", json_boolean(def && def->is_private));
    json_object_set_new(json, "ephemeral", json_boolean(def && def->ephemeral));
}

static const HttpField device_fields[] = {
    OBJECT_JSON_FIELDS,
    { "parent", HTTP_STRING, .required = true, .nullable = true },
    { "driver", HTTP_STRING, .required = true, .nullable = true },
    { "capability", HTTP_STRING, .required = true, .nullable = true },
    { "description", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

static void tell_device(Json *json, const Object *object)
{
    const NodeDeviceDef *def = definition(object);
    g_autofree char *named =
        def && (def->vendor_name.text || def->product_name.text)
            ? g_strdup_printf("%s %s", def->vendor_name.text ? def->vendor_name.text : "",
                              def->product_name.text ? def->product_name.text : "")
            : NULL;

    set_text(json, "parent", def ? def->parent : NULL);
    set_text(json, "driver", def ? def->driver : NULL);
    set_text(json, "capability", def ? enum_name(&nodedev_cap_names, def->cap) : NULL);
    set_text(json, "description", named ? g_strstrip(named) : def ? def->product : NULL);
}

/* ---- the kinds ---- */

static const Kind networks = {
    &network_class,
    "virConnectListAllNetworks",
    wire_number_network_define_xml_flags,
    wire_number_network_undefine,
    wire_number_network_create,
    wire_number_network_destroy,
    wire_number_network_get_xml_desc,
    wire_number_network_set_autostart,
    false,
    tell_network,
};
static const Kind filters = {
    &filter_class,
    "virConnectListAllNWFilters",
    wire_number_nwfilter_define_xml_flags,
    wire_number_nwfilter_undefine,
    0,
    0,
    wire_number_nwfilter_get_xml_desc,
    0,
    false,
    tell_filter,
};
static const Kind secrets = {
    &secret_class,
    "virConnectListAllSecrets",
    wire_number_secret_define_xml,
    wire_number_secret_undefine,
    0,
    0,
    wire_number_secret_get_xml_desc,
    0,
    false,
    tell_secret,
};
static const Kind devices = {
    &nodedev_class,
    "virConnectListAllNodeDevices",
    wire_number_node_device_define_xml,
    wire_number_node_device_undefine,
    wire_number_node_device_create,
    wire_number_node_device_destroy,
    wire_number_node_device_get_xml_desc,
    wire_number_node_device_set_autostart,
    true,
    tell_device,
};

/* ---- what is done with all ---- */

typedef struct TextArgs {
    char *name;
    uint32_t value;
} TextArgs;

AWAITS static bool kind_call(HttpRequest *req, const Kind *kind, int32_t number, const Object *object,
                             uint32_t value, void *ret, Error **err)
{
    const ObjectArgs by_handle = { .object = object_handle(object), .value = value };
    const TextArgs by_text = { .name = (char *)object_name(object), .value = value };

    return http_call(req, WIRE_PROGRAM_REMOTE, number, kind->by_text ? (const void *)&by_text : &by_handle,
                     ret, NULL, err);
}

static Json *kind_json(const Kind *kind, const Object *object)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(object_uuid(object), uuid);
    Json *json = json_pack("{s:s,s:o,s:b,s:b,s:b}", "uuid", uuid, "name", http_json_text(object_name(object)),
                           "active", (int)object_is_active(object), "persistent",
                           (int)object_is_persistent(object), "autostart", (int)object_has_autostart(object));
    kind->tell(json, object);
    return json;
}

static bool kind_list(HttpRequest *req, const Kind *kind, Error **err)
{
    const char *capability = http_query(&req->target, "capability");
    g_autoptr(GPtrArray) objects = NULL;

    if (kind == &devices && !nodedev_wait(req->host, err))
        return false;
    if (!object_list(host_registry(req->host, kind->class), 0, kind->list, &objects, err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < objects->len; i++) {
        Json *json = kind_json(kind, g_ptr_array_index(objects, i));
        if (!capability || g_strcmp0(json_get_str(json, "capability"), capability) == 0)
            json_array_append_new(items, json);
        else
            json_decref(json);
    }
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static bool kind_get(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object = object_of(req, kind->class, err);

    return object && http_answer_json(req, 200, kind_json(kind, object));
}

static const HttpField add_body[] = {
    { "xml", HTTP_STRING, .required = true },
    { "start", HTTP_BOOL },
    { 0 },
};

static bool kind_add(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object =
        object_call_xml(req, kind->define, kind->class, json_get_str(req->body, "xml"), 0, err);
    const bool start = json_get_bool(req->body, "start", false);

    if (!object)
        return false;
    if (start && !kind->start)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a %s is not started", kind->class->noun);
    if (start && !kind_call(req, kind, kind->start, object, 0, NULL, err))
        return error_prefix(err, "'%s' is defined, but does not start", object_name(object));
    return http_answer_json(req, 201, kind_json(kind, object));
}

static bool kind_remove(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object = object_of(req, kind->class, err);

    return object && kind_call(req, kind, kind->undefine, object, 0, NULL, err) && http_answer_none(req);
}

static bool kind_xml(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object = object_of(req, kind->class, err);
    struct {
        char *xml;
    } ret = { 0 };

    return object && kind_call(req, kind, kind->get_xml, object, 0, &ret, err) &&
           http_answer_text(req, 200, "application/xml", ret.xml);
}

static bool kind_put_xml(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object = object_of(req, kind->class, err);
    g_autofree char *text = g_strndup((const char *)req->bytes->data, req->bytes->len);
    g_autoptr(Object) made = object ? object_call_xml(req, kind->define, kind->class, text, 0, err) : NULL;

    return made && http_answer_json(req, 200, kind_json(kind, made));
}

static const HttpField autostart_body[] = { { "autostart", HTTP_BOOL, .required = true }, { 0 } };

static bool kind_patch(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object = object_of(req, kind->class, err);
    const uint32_t autostart = json_get_bool(req->body, "autostart", false);

    return object && kind_call(req, kind, kind->set_autostart, object, autostart, NULL, err) &&
           http_answer_json(req, 200, kind_json(kind, object));
}

AWAITS static bool device_detach(HttpRequest *req, const Object *device, Error **err)
{
    const WireNodeDeviceDetachFlagsArgs args = { .name = (char *)object_name(device) };

    return HTTP_CALL(req, node_device_detach_flags, &args, NULL, err);
}

AWAITS static bool kind_act(HttpRequest *req, const Kind *kind, Object *object, const char *action,
                            Error **err)
{
    if (strcmp(action, "start") == 0 && kind->start)
        return kind_call(req, kind, kind->start, object, 0, NULL, err);
    if (strcmp(action, "stop") == 0 && kind->stop)
        return kind_call(req, kind, kind->stop, object, 0, NULL, err);
    if (strcmp(action, "detach") == 0 && kind == &devices)
        return device_detach(req, object, err);
    if (strcmp(action, "reattach") == 0 && kind == &devices)
        return kind_call(req, kind, wire_number_node_device_re_attach, object, 0, NULL, err);
    if (strcmp(action, "reset") == 0 && kind == &devices)
        return kind_call(req, kind, wire_number_node_device_reset, object, 0, NULL, err);
    return error_set(err, ERROR_NO_HOSTNAME, "there is no action '%s' of a %s", action, kind->class->noun);
}

static bool kind_action(HttpRequest *req, const Kind *kind, Error **err)
{
    g_autoptr(Object) object = object_of(req, kind->class, err);

    return object && kind_act(req, kind, object, req->params[1], err) &&
           http_answer_json(req, 200, kind_json(kind, object));
}

/* ---- what some have besides ---- */

static const HttpField lease_fields[] = {
    { "address", HTTP_STRING, .required = true },
    { "mac", HTTP_STRING, .required = true, .nullable = true },
    { "hostname", HTTP_STRING, .required = true, .nullable = true },
    { "expires", HTTP_TIME, .required = true, .nullable = true },
    { 0 },
};

static bool handle_leases(HttpRequest *req, Error **err)
{
    g_autoptr(Object) network = object_of(req, &network_class, err);
    g_auto(WireNetworkGetDhcpLeasesRet) ret = { 0 };

    if (!network)
        return false;
    const WireNetworkGetDhcpLeasesArgs args = { .net = object_handle(network), .need_results = 1 };
    if (!HTTP_CALL(req, network_get_dhcp_leases, &args, &ret, err))
        return false;
    Json *items = json_array();
    for (uint32_t i = 0; i < ret.n_leases; i++) {
        const WireNetworkDhcpLease *lease = &ret.leases[i];
        json_array_append_new(items, json_pack("{s:o,s:o,s:o,s:o}", "address", http_json_text(lease->ipaddr),
                                               "mac", http_json_text(lease->mac), "hostname",
                                               http_json_text(lease->hostname), "expires",
                                               http_json_time(lease->expirytime)));
    }
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static const HttpField value_body[] = {
    { "value", HTTP_STRING, .required = true, .doc = "base64" },
    { 0 },
};

/* It is set, and never told. */
static bool handle_secret_value(HttpRequest *req, Error **err)
{
    g_autoptr(Object) secret = object_of(req, &secret_class, err);
    gsize len = 0;
    g_autofree guchar *value = g_base64_decode(json_get_str(req->body, "value"), &len);

    if (!secret)
        return false;
    const WireSecretSetValueArgs args = { .secret = object_handle(secret),
                                          .value = { value, (uint32_t)len } };
    const bool ok = HTTP_CALL(req, secret_set_value, &args, NULL, err) && http_answer_none(req);
    explicit_bzero(value, len);
    return ok;
}

/* ---- routes ---- */

#define KIND_HANDLERS(kind)                                                                                  \
    static bool kind##_list(HttpRequest *req, Error **err)                                                   \
    {                                                                                                        \
        return kind_list(req, &kind, err);                                                                   \
    }                                                                                                        \
    static bool kind##_get(HttpRequest *req, Error **err)                                                    \
    {                                                                                                        \
        return kind_get(req, &kind, err);                                                                    \
    }                                                                                                        \
    static bool kind##_add(HttpRequest *req, Error **err)                                                    \
    {                                                                                                        \
        return kind_add(req, &kind, err);                                                                    \
    }                                                                                                        \
    static bool kind##_remove(HttpRequest *req, Error **err)                                                 \
    {                                                                                                        \
        return kind_remove(req, &kind, err);                                                                 \
    }                                                                                                        \
    static bool kind##_xml(HttpRequest *req, Error **err)                                                    \
    {                                                                                                        \
        return kind_xml(req, &kind, err);                                                                    \
    }                                                                                                        \
    static bool kind##_put_xml(HttpRequest *req, Error **err)                                                \
    {                                                                                                        \
        return kind_put_xml(req, &kind, err);                                                                \
    }
#define KIND_ACTION(kind)                                                                                    \
    static bool kind##_action(HttpRequest *req, Error **err)                                                 \
    {                                                                                                        \
        return kind_action(req, &kind, err);                                                                 \
    }

KIND_HANDLERS(networks)
KIND_ACTION(networks)
KIND_HANDLERS(filters)
KIND_HANDLERS(secrets)
KIND_HANDLERS(devices)
KIND_ACTION(devices)

static bool networks_patch(HttpRequest *req, Error **err)
{
    return kind_patch(req, &networks, err);
}

static const HttpField device_query[] = {
    { "capability", HTTP_STRING, .doc = "only such: pci, usb_device, net, storage ..." }, { 0 }
};
static const HttpField no_body[] = { { 0 } };

/* Rows that all kinds have. */
#define KIND_ROUTES(path, kind, fields, list_query, word, command_word)                                      \
    { "GET",                                                                                                 \
      path,                                                                                                  \
      HTTP_VIEW,                                                                                             \
      .flags = HTTP_LIST,                                                                                    \
      .query = list_query,                                                                                   \
      .answer = fields,                                                                                      \
      .handle = kind##_list,                                                                                 \
      .doc = "All " word "s.",                                                                               \
      .command = "lodge " command_word "-list --all" },                                                      \
        { "POST",                                                                                            \
          path,                                                                                              \
          HTTP_ADMIN,                                                                                        \
          .body = add_body,                                                                                  \
          .answer = fields,                                                                                  \
          .status = 201,                                                                                     \
          .handle = kind##_add,                                                                              \
          .doc = "Defines a " word ".",                                                                      \
          .command = "lodge " command_word "-define FILE" },                                                 \
        { "GET",                                                                                             \
          path "/{name}",                                                                                    \
          HTTP_VIEW,                                                                                         \
          .answer = fields,                                                                                  \
          .handle = kind##_get,                                                                              \
          .doc = "A " word ", by name or UUID.",                                                             \
          .command = "lodge " command_word "-info NAME" },                                                   \
        { "DELETE",                                                                                          \
          path "/{name}",                                                                                    \
          HTTP_ADMIN,                                                                                        \
          .status = 204,                                                                                     \
          .handle = kind##_remove,                                                                           \
          .doc = "Removes a " word "'s definition.",                                                         \
          .command = "lodge " command_word "-undefine NAME" },                                               \
        { "GET",                                                                                             \
          path "/{name}/xml",                                                                                \
          HTTP_VIEW,                                                                                         \
          .type = "application/xml",                                                                         \
          .handle = kind##_xml,                                                                              \
          .doc = "The document of a " word ".",                                                              \
          .command = "lodge " command_word "-dumpxml NAME" },                                                \
    {                                                                                                        \
        "PUT", path "/{name}/xml", HTTP_ADMIN,                                                               \
            .flags = HTTP_RAW_BODY, .type = "application/xml", .answer = fields, .handle = kind##_put_xml,   \
            .doc = "Replaces the definition of a " word ".", .command = "lodge " command_word "-edit NAME"   \
    }
#define KIND_ACTION_ROUTE(path, kind, fields, text)                                                          \
    {                                                                                                        \
        "POST", path "/{name}/actions/{action}", HTTP_ADMIN, .body = no_body, .answer = fields,              \
                                                             .handle = kind##_action, .doc = text            \
    }

const HttpRoute http_routes_object[] = {
    KIND_ROUTES("/networks", networks, network_fields, NULL, "network", "net"),
    KIND_ACTION_ROUTE("/networks", networks, network_fields, "start or stop a network."),
    { "PATCH", "/networks/{name}", HTTP_ADMIN, .body = autostart_body, .answer = network_fields,
      .handle = networks_patch, .doc = "Changes a network.", .command = "lodge net-autostart NAME" },
    { "GET", "/networks/{name}/leases", HTTP_VIEW, .flags = HTTP_LIST, .answer = lease_fields,
      .handle = handle_leases, .doc = "Addresses that a network gave to guests.",
      .command = "lodge net-dhcp-leases NAME" },
    KIND_ROUTES("/filters", filters, filter_fields, NULL, "network filter", "nwfilter"),
    KIND_ROUTES("/secrets", secrets, secret_fields, NULL, "secret", "secret"),
    { "PUT", "/secrets/{name}/value", HTTP_ADMIN, .body = value_body, .status = 204,
      .handle = handle_secret_value, .doc = "Sets the value of a secret, which is never shown.",
      .command = "lodge secret-set-value NAME" },
    KIND_ROUTES("/node-devices", devices, device_fields, device_query, "host device", "nodedev"),
    KIND_ACTION_ROUTE("/node-devices", devices, device_fields,
                      "detach, reattach, reset a device of the host; start or stop a mediated one."),
    { 0 },
};
